"""A local cluster's management plane: the configuration database, the DHCP server and who may command them.

Runs command lines (``execute``) and declared commands (``run``). Used from one event loop; commands of several
operators interleave only where they wait for the DHCP server.

Source: SYSTEM S2.2, S7.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tandem.base.errors import CommandError
from tandem.cluster import certificates
from tandem.cluster.accounts import roles_of
from tandem.cluster.answer import Answer
from tandem.cluster.certificates import TlsFiles
from tandem.cluster.database import Database
from tandem.cluster.guard import Guard
from tandem.cluster.log import ClusterLog
from tandem.cluster.marks import Marks
from tandem.cluster.pairs import PairNotes
from tandem.cluster.progress import tell
from tandem.cluster.registry import REGISTRY, Login, Request, Session, split
from tandem.cluster.supervisor import ControlSocket, Supervisor
from tandem.cluster.trust import Trust
from tandem.cluster.watch import Watch
from tandem.config.access import allows
from tandem.config.compile import compile_config
from tandem.config.reading import Problem
from tandem.config.schema import SERVED

T = TypeVar("T")


class Forbidden(CommandError):
    """The administrator may not do that."""

    def __init__(self, text: str) -> None:
        super().__init__(320, f"AX_SCP_PERMISSION_DENIED: {text}")

    @property
    def http_status(self) -> int:
        """403 in place of the status that conflicts have."""
        return 403


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
    api_tls: TlsFiles | None = None
    """What the API is served with; None: plain HTTP."""
    pair_notes: PairNotes = field(init=False)
    guard: Guard = field(init=False)
    watch: Watch = field(init=False)
    marks: Marks = field(default_factory=Marks)
    """Of the DHCP server's counters."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the cluster stops: what lasts for long ends by itself."""
    _reloading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.pair_notes = PairNotes(self.database.path.with_name("pairs.json"))
        self.guard = Guard(self.database, self.log)
        self.watch = Watch(self, self.database.path.with_name("history.db"))

    @property
    def failover_certificate(self) -> Path:
        """The file with the DHCP server's key and certificate for its partners."""
        return self.server.path.parent / "failover.pem"

    def trust(self) -> Trust:
        """Return how other clusters are told from impostors: as they were at first contact."""
        return Trust(
            known=self.server.path.parents[1] / "ccm" / "known-clusters",
            note=lambda text: self.log.note("Info", "Server", 60018, text.capitalize()),
        )

    async def execute(self, login: Login, session: Session, line: str, file: str = "") -> Answer:
        """Run one command line for an administrator; ``file`` is what the file holds that it names with ``file=``.

        Raises CommandError.
        """
        words = split(line)
        if not words:
            raise CommandError(310, "the line is empty; 'help' lists the commands")
        command, name, rest = REGISTRY.find(words)
        self.permit(login, command.role, command.effect)
        request = Request(login, session, name)
        command.fill(request, rest)
        if "file" in request.values:
            request.values["file"] = file
        return await command.run(self, request)

    def login_of(self, name: str) -> Login:
        """Return the log-in of administrator ``name``, with the roles of this moment."""
        return Login(name, roles_of(self.database, name))

    def permit(self, login: Login, role: str, effect: str = "none") -> None:
        """Return when ``login`` may do what needs ``role`` and has ``effect``. Raises Forbidden."""
        if login.token and effect == "access":
            raise Forbidden(f"{login}: a token cannot change who may log in; use a password for that")
        if not allows(login.roles, role):
            cure = f"a superuser can give it with 'admin {login.name} set roles={role}'"
            if login.token:
                cure = f"a token keeps the role that it was made with: make another one ('token NAME create {role}')"
            raise Forbidden(f"{login} lacks role {role}; {cure}")

    def served(self) -> tuple[dict[str, Any], int]:
        """Return the configuration of the DHCP server, which later edits leave alone, and its last change."""
        document, change = self.database.snapshot()
        return {cls: section for cls, section in document.items() if cls in SERVED}, change

    async def reload(self, who: str) -> list[str]:
        """Have the DHCP server run by the present configuration; return warnings.

        Raises CommandError: 316 when the configuration is impossible (what ran before goes on), 501 when the
        server does not run.
        """
        async with self._reloading:
            document, change = self.served()
            problems = await self._checked(document, "the DHCP server goes on with the one it has")
            tell("the DHCP server takes the configuration over, and goes on serving")
            await self._call("reload", {"document": document}, timeout_s=60)
            self.database.mark_loaded(who, document, change)
            self.log.note("Info", "Configuration", 60010, f"The DHCP server was reloaded by {who}.")
            return problems

    async def change_running(self, who: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Have the DHCP server run by the configuration that it has, changed by ``change``; other edits wait.

        Raises CommandError as ``reload`` does.
        """
        async with self._reloading:
            document = self.database.loaded()
            if document is None:
                raise CommandError(302, "the DHCP server has no configuration yet; write 'dhcp reload'")
            change(document)
            await self._checked(document, "the DHCP server goes on with the one it has")
            await self._call("reload", {"document": document}, timeout_s=60)
            self.database.change_loaded(who, document)

    async def start(self, who: str) -> list[str]:
        """Start the DHCP server, unless it is, with the present configuration; return warnings.

        Raises CommandError: 316 when the configuration is impossible (nothing is started), 501 when the server dies.
        """
        async with self._reloading:
            warnings: list[str] = []
            if not self.supervisor.wanted or self.supervisor.pausing:
                document, change = self.served()
                warnings = await self._checked(document, "the DHCP server is not started")
                await asyncio.to_thread(_write, self.server.path.parent / "config.json", document)
                self.database.mark_loaded(who, document, change)
                self.supervisor.start()
            tell("the DHCP server starts")
            await self.supervisor.ready()
            return warnings

    async def _checked(self, document: dict[str, Any], otherwise: str) -> list[str]:
        """Return the warnings of a configuration. Raises CommandError 316 with the errors and what happens now."""
        count = len(document.get("scope", {}))
        tell(f"checking the configuration, {count} scope{'s' if count != 1 else ''}")
        problems = await asyncio.to_thread(self.problems, document)
        errors = [str(problem) for problem in problems if problem.fatal]
        if errors:
            raise CommandError(316, f"the configuration cannot work, {otherwise}:\n" + "\n".join(errors))
        return [str(problem) for problem in problems]

    def problems(self, document: object) -> list[Problem]:
        """Return what is wrong in a configuration of the DHCP server; it is refused when any is fatal."""
        try:
            certificate = certificates.read(self.failover_certificate)
        except (OSError, ValueError):
            certificate = b""  # if it is needed, that is one of the problems
        return compile_config(document, self.address, own=self.own_addresses(), certificate=certificate)[1]

    async def ask(self, op: str, **args: Any) -> Any:
        """Return the running DHCP server's answer to operation ``op``. Raises CommandError."""
        return await self._call(op, args)

    async def scopes(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Return how scopes are in the running DHCP server. Raises CommandError."""
        await self.supervisor.settled()
        return await self.server.scopes(names)

    async def _call(self, op: str, args: dict[str, Any], timeout_s: float = 10) -> Any:
        """Ask the DHCP server, after it has come up if it is just starting."""
        await self.supervisor.settled()
        return await self.server.call(op, args, timeout_s)


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
