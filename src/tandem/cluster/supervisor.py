"""Keeps the DHCP server running as a child process, and talks to it over its control socket.

A child that dies is started again after a pause that doubles from 0.5 s to 30 s and begins anew once a child
has run for 60 s. One that ends because its configuration or its lease database is damaged needs an operator: what to
do is said in the log, and it is tried again every five minutes only, or at ``dhcp start``. The child cannot outlive
this process: the kernel kills it when its parent is gone. Does not know what the operations on the control socket mean.

Source: SYSTEM S7; docs/architecture.md, "runtime <-> cluster".
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tandem.base.errors import CommandError
from tandem.cluster.log import ClusterLog

_LINE_LIMIT = 256 * 1024 * 1024
"""Longest answer accepted on the control socket, bytes: a million leases as JSON."""
_PATH_BYTES_MAX = 107
"""Longest path of a Unix socket; longer ones are reached by way of their open directory."""
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


_CURES = {
    3: "its saved configuration is damaged: 'dhcp start' writes it anew from the configuration database",
    4: "its lease database is damaged: restore it from a backup and set failover-recover to the time of that backup, "
    "or move it aside and let the partner send everything; then 'dhcp start'",
}
"""Exit statuses of the DHCP server after which trying again is no cure, and what is."""
_STARTING_S = 15.0
"""How long a question waits for a server that is just starting."""
_SCOPES = 200


class ControlSocket:
    """The control socket of the DHCP server: one question, one answer, on a connection of its own."""

    def __init__(self, path: Path, log: Path) -> None:
        self.path = path
        self._log = log
        """The DHCP server's log file, named in errors."""

    async def call(self, op: str, args: dict[str, Any] | None = None, timeout_s: float = 10) -> Any:
        """Return the result of operation ``op``. Raises CommandError: the server's refusal, or 501 and what to do."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(op, args or {})
        except TimeoutError:
            raise CommandError(
                501,
                f"the DHCP server did not answer {op!r} within {timeout_s:g} s; see log {self._log}; if it "
                "stays so, 'dhcp stop' and 'dhcp start'",
            ) from None
        except (OSError, EOFError, asyncio.LimitOverrunError):
            raise CommandError(
                501, f"the DHCP server is not running; see log {self._log}; start it with 'dhcp start'"
            ) from None

    async def scopes(self, names: Sequence[str], timeout_s: float = 10) -> list[dict[str, Any]]:
        """Return how scopes are, asked of few at a time, so that no question keeps it from its clients for long."""
        found: list[dict[str, Any]] = []
        for first in range(0, len(names), _SCOPES):
            found += await self.call("scopes", {"names": names[first : first + _SCOPES]}, timeout_s)
        return found

    async def _exchange(self, op: str, args: dict[str, Any]) -> Any:
        reader, writer = await self._connect()
        try:
            writer.write(msgspec.json.encode({"id": 1, "op": op, "args": args}) + b"\n")
            await writer.drain()
            answer = msgspec.json.decode(await reader.readuntil(b"\n"))
        finally:
            writer.close()
        if "error" in answer:
            raise CommandError(int(answer["error"]["status"]), str(answer["error"]["text"]))
        return answer["ok"]

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if len(os.fsencode(self.path)) <= _PATH_BYTES_MAX:
            return await asyncio.open_unix_connection(self.path, limit=_LINE_LIMIT)
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            short = f"/proc/self/fd/{directory}/{self.path.name}"
            return await asyncio.open_unix_connection(short, limit=_LINE_LIMIT)
        finally:
            os.close(directory)


class Supervisor:
    """Starts, watches and stops the DHCP server process."""

    def __init__(
        self,
        command: list[str],
        control: ControlSocket,
        log: ClusterLog,
        *,
        pause_s: float = 0.5,
        pause_s_max: float = 30,
        damaged_pause_s: float = 300,
        settled_s: float = 60,
        stop_timeout_s: float = 10,
    ) -> None:
        self._command = command
        self._control = control
        self._log = log
        self._pause_s = pause_s
        self._pause_s_max = pause_s_max
        self._damaged_pause_s = damaged_pause_s
        self._settled_s = settled_s
        self._stop_timeout_s = stop_timeout_s
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._stop_wanted = asyncio.Event()
        self._hurry = asyncio.Event()
        """Set to stop or to try again at once: ends a pause."""
        self._up = False
        """Whether the running child has answered."""
        self.restarts = 0
        """How often the server was started again after it died by itself."""
        self._deaths = 0
        self._death = ""
        """How it last died, with its last words."""
        self._last_words = ""
        self._cure = ""
        """What an operator must do before it can run; empty when it may run by itself."""
        self._pausing = False

    @property
    def pid(self) -> int | None:
        """The process id of the running child, or None while there is none."""
        return self._process.pid if self._process is not None else None

    @property
    def wanted(self) -> bool:
        """Whether the server should be running: between ``start`` and ``stop``."""
        return self._task is not None and not self._task.done()

    @property
    def pausing(self) -> bool:
        """Whether it died and waits to be tried again."""
        return self._pausing

    def start(self) -> None:
        """Start the server and keep it running until ``stop``; one that waits to be tried again is tried now."""
        self._hurry.set()
        if not self.wanted:
            self._stop_wanted.clear()
            self._task = asyncio.create_task(self._keep_running())

    async def ready(self, timeout_s: float = 30) -> None:
        """Return when the server answers. Raises CommandError 501 when it dies first, or does not in time."""
        deaths = self._deaths
        try:
            async with asyncio.timeout(timeout_s):
                while not await self._answers():
                    if self._deaths > deaths:
                        raise CommandError(
                            501, f"the DHCP server died ({self._death}); it is tried again; see log {self._log.path}"
                        )
                    await asyncio.sleep(0.05)
        except TimeoutError:
            text = f"the DHCP server did not come up within {timeout_s:g} s; see log {self._log.path}"
            raise CommandError(501, text) from None

    async def settled(self) -> None:
        """Return when the server is up, or is not about to be; waits at most 15 s for one that is just starting."""
        deaths = self._deaths
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STARTING_S):
                while self.wanted and not self._up and not self._stop_wanted.is_set() and self._deaths == deaths:
                    if self._pausing or await self._answers():
                        return
                    await asyncio.sleep(0.05)

    async def _answers(self) -> bool:
        try:
            await self._control.call("ping", timeout_s=5)
        except CommandError:
            return False
        self._up = self._process is not None
        return True

    async def stop(self) -> None:
        """Stop the server: ask it, then SIGTERM, then SIGKILL. Returns when the process is gone."""
        if not self.wanted:
            return
        assert self._task is not None
        self._stop_wanted.set()
        self._hurry.set()
        for step in (self._ask_to_stop, self._terminate, self._kill):
            await step()
            done, _ = await asyncio.wait([self._task], timeout=self._stop_timeout_s)
            if done:
                break
        await self._task

    async def _ask_to_stop(self) -> None:
        if self._process is not None:
            try:
                await self._control.call("stop", timeout_s=self._stop_timeout_s)
            except CommandError as error:
                self._log.note("Warning", "Server", 60005, f"The DHCP server refused to stop when asked: {error}")
                await self._terminate()

    async def _terminate(self) -> None:
        self._signal(signal.SIGTERM)

    async def _kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._log.note("Warning", "Server", 60006, f"Sending {number.name} to the DHCP server to stop it.")
            self._process.send_signal(number)

    async def _keep_running(self) -> None:
        loop = asyncio.get_running_loop()
        pause_s = self._pause_s
        while not self._stop_wanted.is_set():
            started = loop.time()
            end = await self._run_once()
            if self._stop_wanted.is_set():
                self._log.note("Info", "Server", 60002, f"The DHCP server has stopped ({end}).")
                return
            if loop.time() - started >= self._settled_s:
                pause_s = self._pause_s
            self._deaths += 1
            self._death = f"{end}: {self._last_words}" if self._last_words else end
            wait_s, pause_s = pause_s, min(pause_s * 2, self._pause_s_max)
            text = f"The DHCP server died ({end})."
            if self._cure:
                wait_s, pause_s = self._damaged_pause_s, self._pause_s
                text = f"The DHCP server cannot run: {self._cure}."
                self._death = f"{self._death}; {self._cure}"
            self._log.note("Error", "Server", 60003, f"{text} Starting it again in {wait_s:g} s.")
            await self._pause(wait_s)

    async def _pause(self, wait_s: float) -> None:
        """Wait before the next try, or until somebody wants it, or the end, now."""
        self._hurry.clear()
        self._pausing = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), wait_s)
        self._pausing = False
        if not self._stop_wanted.is_set():
            self.restarts += 1

    async def _run_once(self) -> str:
        """Run the server to its end; return how it ended."""
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                preexec_fn=_die_with_parent(),
            )
        except OSError as error:
            return f"it could not be started: {error}"
        process = self._process
        self._log.note("Info", "Server", 60001, f"The DHCP server was started, process {process.pid}.")
        if self._stop_wanted.is_set():  # it was wanted while the process was being made
            self._signal(signal.SIGTERM)
        try:
            await self._log_output(process)
            code = await process.wait()
        finally:
            self._process = None
            self._up = False
        self._cure = _CURES.get(code, "")
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    async def _log_output(self, process: asyncio.subprocess.Process) -> None:
        """Copy what the child prints (a traceback, usually) to the log until it closes its output."""
        assert process.stdout is not None
        rest = b""
        self._last_words = ""
        while data := await process.stdout.read(4096):
            *lines, rest = (rest + data)[-8192:].split(b"\n")
            for line in lines:
                self._last_words = line.decode(errors="replace")
                self._log.note("Error", "Server", 60004, f"DHCP server: {self._last_words}")


def _die_with_parent() -> Callable[[], None]:
    """Return what the child runs before exec, so that the kernel kills it when this process is gone."""
    parent = os.getpid()

    def run() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the line above took effect
            os._exit(1)

    return run
