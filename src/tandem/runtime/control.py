"""The server's control socket: each line a JSON question, answered by a line of JSON.

``{"id": n, "op": name, "args": {...}}`` is answered by ``{"id": n, "ok": result}`` or by
``{"id": n, "error": {"status": 3xx, "text": "..."}}``. Only the user that runs the server may connect (mode 0600).
Does not know what the operations do. Source: docs/architecture.md, "runtime <-> cluster".
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from tandem.base.errors import CommandError
from tandem.runtime.failure import RUNTIME, CannotRun

Operation = Callable[[dict[str, object]], Awaitable[object]]

_LINE_BYTES_MAX = 256 * 1024 * 1024
"""A configuration of a hundred thousand scopes is a quarter of this."""
_CONNECTIONS_MAX = 64
_PATH_BYTES_MAX = 107


class Question(msgspec.Struct):
    """One line from a client."""

    op: str
    id: int | str | None = None
    args: dict[str, object] = {}


class Control:
    """Listens on the control socket."""

    def __init__(self, path: Path, operations: dict[str, Operation]) -> None:
        self._path = path
        self._operations = operations
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Open the socket; one left by a server that died is replaced. Raises CannotRun."""
        try:
            listener = _bind(self._path)
            self._server = await asyncio.start_unix_server(self._talk, sock=listener, limit=_LINE_BYTES_MAX)
        except OSError as error:
            raise CannotRun(
                RUNTIME, f"the control socket {self._path} cannot be made: {error.strerror}; see that its directory "
                "can be written"
            ) from None  # fmt: skip

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._connections) >= _CONNECTIONS_MAX:
            writer.close()
            return
        self._connections.add(task)
        try:
            while line := await reader.readline():
                writer.write(await self._answer(line) + b"\n")
                await writer.drain()
        except ConnectionError:
            pass
        except ValueError:  # a line over the limit
            writer.write(_failure(None, 316, f"the line is longer than {_LINE_BYTES_MAX} bytes; send less") + b"\n")
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, line: bytes) -> bytes:
        try:
            question = msgspec.json.decode(line, type=Question)
        except msgspec.DecodeError as error:
            return _failure(None, 316, f'not a question ({error}); write {{"id": 1, "op": "status", "args": {{}}}}')
        operation = self._operations.get(question.op)
        if operation is None:
            known = ", ".join(sorted(self._operations))
            return _failure(question.id, 310, f"there is no operation {question.op!r}; there are: {known}")
        try:
            result = await operation(question.args)
        except CommandError as error:
            return _failure(question.id, error.status, error.text)
        return msgspec.json.encode({"id": question.id, "ok": result})

    async def close(self) -> None:
        """Answer what was asked, then close."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        if self._connections:
            await asyncio.wait(self._connections, timeout=0.1)
        for task in list(self._connections):
            task.cancel()


def _failure(ident: int | str | None, status: int, text: str) -> bytes:
    return msgspec.json.encode({"id": ident, "error": {"status": status, "text": text}})


def _bind(path: Path) -> socket.socket:
    """Return a socket bound to ``path``, by way of its open directory where the path is too long. Raises OSError."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    mask = os.umask(0o177)
    try:
        short = len(os.fsencode(path)) <= _PATH_BYTES_MAX
        listener.bind(str(path) if short else f"/proc/self/fd/{directory}/{path.name}")
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(mask)
        os.close(directory)
    return listener
