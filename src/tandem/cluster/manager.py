"""A local cluster's management plane: the configuration database, the DHCP server and who may command them.

Runs command lines (``execute``) and declared commands (``run``). Used from one event loop; commands of several
operators interleave only where they wait for the DHCP server.

Source: SYSTEM S2.2, S7.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tandem.base.errors import CommandError
from tandem.cluster.answer import Answer
from tandem.cluster.database import Database
from tandem.cluster.log import ClusterLog
from tandem.cluster.registry import REGISTRY, Command, Request, Session, split
from tandem.cluster.supervisor import ControlSocket, Supervisor
from tandem.config.compile import compile_config

T = TypeVar("T")
SUPERUSER = "superuser"


@dataclass(slots=True)
class Manager:
    """What commands work on."""

    name: str
    """The cluster's name, as in its logs."""
    address: int
    """The DHCP server's own address: decides whether it is a main or a backup."""
    database: Database
    server: ControlSocket
    supervisor: Supervisor
    log: ClusterLog
    server_log: Path
    """The DHCP server's log file."""
    own_addresses: Callable[[], list[int]] = list
    """Returns the addresses of this machine."""
    _reloading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def execute(self, who: str, session: Session, line: str) -> Answer:
        """Run one command line for administrator ``who``. Raises CommandError."""
        words = split(line)
        if not words:
            raise CommandError(310, "the line is empty; 'help' lists the commands")
        command, name, rest = REGISTRY.find(words)
        request = Request(who, session, name)
        command.fill(request, rest)
        return await self.run(command, request)

    async def run(self, command: Command, request: Request) -> Answer:
        """Run ``command`` if the administrator's roles allow it. Raises CommandError."""
        if command.write:
            self.permit(request.who, command.role)
        return await command.run(self, request)

    def permit(self, who: str, role: str) -> None:
        """Return when administrator ``who`` has ``role``. Raises CommandError 320."""
        roles = self.database.roles(who)
        if role not in roles and SUPERUSER not in roles:
            raise CommandError(
                320,
                f"AX_SCP_PERMISSION_DENIED: {who} lacks role {role}; ask an administrator with "
                f"role {SUPERUSER} to do this",
            )

    async def reload(self, who: str) -> list[str]:
        """Have the DHCP server run by the present configuration; return warnings.

        Raises CommandError: 316 when the configuration is impossible (what ran before goes on), 501 when the
        server does not run.
        """
        async with self._reloading:
            document, change = self.database.snapshot()
            problems = self._check(document, "the DHCP server goes on with the one it has")
            await self.server.call("reload", {"document": document}, timeout_s=60)
            self.database.mark_loaded(who, document, change)
            self.log.note("Info", "Configuration", 60010, f"The DHCP server was reloaded by {who}.")
            return problems

    async def start(self, who: str) -> list[str]:
        """Start the DHCP server, unless it is, with the present configuration; return warnings.

        Raises CommandError: 316 when the configuration is impossible (nothing is started), 501 when the server dies.
        """
        async with self._reloading:
            warnings: list[str] = []
            if not self.supervisor.wanted:
                document, change = self.database.snapshot()
                warnings = self._check(document, "the DHCP server is not started")
                await asyncio.to_thread(_write, self.server.path.parent / "config.json", document)
                self.database.mark_loaded(who, document, change)
                self.supervisor.start()
            await self.supervisor.ready()
            return warnings

    def _check(self, document: object, otherwise: str) -> list[str]:
        """Return the warnings of a configuration. Raises CommandError 316 with the errors and what happens now."""
        _, problems = compile_config(document, self.address, own=self.own_addresses())
        errors = [str(problem) for problem in problems if problem.level == "error"]
        if errors:
            raise CommandError(316, f"the configuration cannot work, {otherwise}:\n" + "\n".join(errors))
        return [str(problem) for problem in problems]

    async def ask(self, op: str, **args: Any) -> Any:
        """Return the running DHCP server's answer to operation ``op``. Raises CommandError."""
        return await self.server.call(op, args)


def _write(path: Path, document: object) -> None:
    """Put a document durably in the place of the one that the DHCP server starts from. Raises CommandError 501."""
    prepared = path.with_suffix(".json.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(prepared, "wb") as file:
            file.write(msgspec.json.encode(document))
            file.flush()
            os.fsync(file.fileno())
        prepared.replace(path)
    except OSError as error:
        raise CommandError(501, f"{path} cannot be written: {error.strerror}; free space there") from None
