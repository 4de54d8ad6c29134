"""What a spectator may do to the pair when the story is over: kill and start servers, cut the line and mend it.

Taken over a Unix socket from the demonstration's page (``control.web.pages.demo``), one JSON line each way:
``{"do": "kill main"}`` is answered by how things are, with ``error`` when it cannot be done now, and ``{"do": "open
main"}`` with ``link``, the address of that server's pages, which logs in once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tandem.demo.population import Population
from tandem.demo.servers import KILLED, SOCKET, DemoError, Server
from tandem.demo.story import Story


class Stage:
    """The socket of one demonstration."""

    def __init__(self, story: Story, population: Population, directory: Path) -> None:
        self._story = story
        self._population = population
        self._path = directory / SOCKET
        self._whole = True
        self._acts: dict[str, Callable[[], Awaitable[None]]] = {
            "kill main": story.main.kill, "kill backup": story.backup.kill,
            "start main": lambda: self._start(story.main), "start backup": lambda: self._start(story.backup),
            "cut": self._cut, "mend": self._mend,
        }  # fmt: skip
        self._pages = {"open main": story.main, "open backup": story.backup}
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begin to listen. Raises OSError."""
        self._server = await asyncio.start_unix_server(self._talk, self._path)

    def close(self) -> None:
        """End it."""
        if self._server is not None:
            self._server.close()

    async def login_link(self, server: Server) -> str:
        """Return an address of a server's pages that logs in once. Raises DemoError when it does not answer."""
        if server.life == KILLED:
            raise DemoError(f"the {server.role} is killed; start it first")
        (reply,) = await server.nrcmd("session loginLink")
        return server.web + next(line for line in reply.lines if line.startswith("/")) + "&next=/demo"

    async def _start(self, server: Server) -> None:
        if server.life == KILLED:
            await server.start()

    async def _cut(self) -> None:
        await self._story.world.cut()
        self._whole = False

    async def _mend(self) -> None:
        await self._story.world.mend()
        self._whole = True

    def _state(self) -> dict[str, Any]:
        ledger, people, story = self._story.ledger, self._population, self._story
        return {
            "over": story.over, "step": min(story.at + 1, len(story.STEPS)), "steps": len(story.STEPS),
            "servers": [
                {"role": server.role, "address": server.address, "life": server.life, "state": server.seen.state}
                for server in (story.main, story.backup)
            ],
            "line": "whole" if self._whole else "cut",
            "holding": people.holding, "waiting": people.waiting, "held-twice": len(ledger.held_twice),
            "failed-renewals": len(ledger.failed),
        }  # fmt: skip

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            try:
                wanted, error = await _order(reader)
            except ConnectionError:
                return  # the page was closed before it had said what it wants
            link = ""
            if wanted and not self._story.over:
                error = "the story is still being told; what you order would spoil it"
            elif wanted in self._pages:
                try:
                    link = await self.login_link(self._pages[wanted])
                except DemoError as refused:
                    error = str(refused)
            elif wanted and wanted not in self._acts:
                error = f"{wanted!r} is none of {', '.join((*self._acts, *self._pages))}"
            elif wanted:
                await self._acts[wanted]()
            writer.write(json.dumps({**self._state(), "error": error, "link": link}).encode() + b"\n")
            with contextlib.suppress(ConnectionError):  # the page was closed before it had its answer
                await writer.drain()
        finally:
            writer.close()


async def _order(reader: asyncio.StreamReader) -> tuple[str, str]:
    """Return what the next line asks to be done ("" = nothing but how things are), and what is wrong with the line."""
    try:
        asked = json.loads(await reader.readline() or b"{}")
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        return "", 'write one JSON object a line, e.g. {"do": "cut"}'
    return str(asked.get("do", "")), ""
