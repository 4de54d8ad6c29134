"""The two local clusters: started, configured, asked, killed. And what was last seen of each.

The operator's commands go through nrcmd's client to the cluster's API, as anybody's would. What the view shows
comes from the DHCP server's control socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tandem.base.errors import CommandError
from tandem.base.ipv4 import parse_ipv4
from tandem.cluster import certificates
from tandem.cluster.supervisor import ControlSocket
from tandem.cluster.trust import Trust
from tandem.control.nrcmd import Client, Reply
from tandem.demo.settings import SCOPE, USER
from tandem.demo.worlds import Place

LOOK_S = 0.25
PARTNERS_PORT = 1234
"""TCP port, at each server's own address, at which the partner's cluster reaches its API."""
SOCKET, ENVIRONMENT = "stage.sock", "TANDEM_DEMO_STAGE"
"""Where the stage listens (``demo.stage``), beside the servers' directories, and how their pages are told."""
NOT_STARTED, STARTING, KILLED, SERVING = "not started", "starting", "KILLED", "serving"
"""What became of a server, by what was done to it."""
_ASK_S = 1.5
_LEASED = " 05001 "
"""Number of the log message of each lease: too many of them to tell a story."""
_CHANGE = re.compile(r"Failover state changes from \S+ to (\S+)")


class DemoError(Exception):
    """The demonstration cannot go on; the text says why, and where to look."""


@dataclass(slots=True)
class Seen:
    """What was last seen of a server."""

    state: str = ""
    """Its failover state, or empty when it does not answer."""
    since: float = 0.0
    """Since when it has been in that state, seconds of the steady clock."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Its view of the partner."""
    scope: dict[str, Any] = field(default_factory=dict)
    counters: dict[str, Any] = field(default_factory=dict)


class Server:
    """One local cluster with its DHCP server."""

    def __init__(self, role: str, place: Place, data: Path, api_fd: int, api_port: int, password: str) -> None:
        self.role = role
        self.address = place.address
        self.number = parse_ipv4(place.address)
        self.data = data
        self.api_port = api_port
        self.life = NOT_STARTED
        self.seen = Seen()
        self.states: list[str] = []
        """Every state seen, in order, without repetitions."""
        self._place = place
        self._api_fd = api_fd
        self._password = password
        self._control = ControlSocket(data / "dhcp" / "control.sock", data / "logs" / "dhcp.log")
        self._process: asyncio.subprocess.Process | None = None

    # --- life ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the cluster; ``up`` tells when it answers."""
        command = [sys.executable, "-m", "tandem", "local", "--data", str(self.data), "--address", self.address]
        command += ["--api-port", str(PARTNERS_PORT), "--api-socket-fd", str(self._api_fd)]
        command += ["--name", self.role, *self._place.options]
        self.data.mkdir(exist_ok=True)
        self.life = STARTING
        self.seen = Seen(since=time.monotonic())
        with open(self.data / "output", "ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=[self._api_fd],
                preexec_fn=self._place.enter, start_new_session=True,
                env={**os.environ, "TANDEM_ADMIN_PASSWORD": self._password,
                     ENVIRONMENT: str(self.data.parent / SOCKET)},
            )  # fmt: skip

    async def up(self) -> bool:
        """Return whether the DHCP server answers. Raises DemoError when the cluster has ended instead."""
        if self._process is None or self._process.returncode is not None:
            raise DemoError(f"the {self.role}'s cluster ended as soon as it was started:\n{self.story()}")
        try:
            await self._control.call("ping", timeout_s=_ASK_S)
        except CommandError:
            return False
        return True

    async def kill(self) -> None:
        """SIGKILL the cluster and the DHCP server in one stroke: they are one process group."""
        if self._process is not None and self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        self.life = KILLED
        self.seen = Seen(since=time.monotonic())

    async def stop(self) -> None:
        """Stop it in good order, within seconds; by force if it takes longer."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), 5)
        await self.kill()

    def story(self, lines: int = 12) -> str:
        """Return the ends of its output and of its log, for a person who wants to know why."""
        text = []
        for path in [self.data / "output", *sorted((self.data / "logs").glob("*log"))]:
            if path.exists():
                told = [line for line in path.read_text(errors="replace").splitlines() if _LEASED not in line]
                text += [f"--- {path.name} of the {self.role}", *told[-lines:]]
        return "\n".join(text)

    def state_changes(self) -> list[str]:
        """Return the failover states that its log tells of, in order."""
        return _CHANGE.findall("".join(path.read_text(errors="replace") for path in self._logs()))

    def _logs(self) -> list[Path]:
        return sorted((self.data / "logs").glob("*dhcp*log"))

    @property
    def web(self) -> str:
        """Where its pages are."""
        scheme = "https" if (self.data / "ccm" / "api.pem").exists() else "http"
        return f"{scheme}://127.0.0.1:{self.api_port}"

    # --- asking -------------------------------------------------------------------------------------------

    def fingerprint(self) -> str:
        """Return the fingerprint of its API's certificate, once it is up."""
        return certificates.fingerprint(certificates.read(self.data / "ccm" / "api.pem"))

    async def nrcmd(self, *lines: str) -> list[Reply]:
        """Run operator commands. Raises DemoError with the first refusal."""

        def run() -> list[Reply]:
            client = Client("127.0.0.1", self.api_port, USER, self._password, Trust(self.fingerprint()))
            return [client.command(line) for line in lines]

        replies = await asyncio.to_thread(run)
        for line, reply in zip(lines, replies, strict=True):
            if not reply.ok:
                raise DemoError(f"the {self.role} refused {line!r}: {' '.join(reply.lines)}\n{self.story()}")
        return replies

    async def leases(self) -> dict[str, tuple[Any, ...]]:
        """Return who holds which address until when, by this server's book. Raises CommandError."""
        found: dict[str, tuple[Any, ...]] = {}
        after: int | None = -1
        while after is not None:
            args = {"wanted": {"scope": SCOPE, "state": "leased"}, "after": after}
            page = await self._control.call("search_leases", args, timeout_s=5)
            for row in page["leases"]:
                found[row["address"]] = (row["client-mac-addr"], row["client-id"], row["expiration"])
            after = page["after"]
        return found

    async def look(self) -> None:
        """Take note of how it is now."""
        before = self.seen.state
        try:
            related = await self._control.call("related_servers", timeout_s=_ASK_S)
            scopes = await self._control.call("scopes", timeout_s=_ASK_S)
            counters = await self._control.call("statistics", timeout_s=_ASK_S)
        except CommandError:
            if before:
                self.seen = Seen(since=time.monotonic())
            return
        self.life = SERVING
        facts = related[0] if related else {}
        state = str(facts.get("state", "not configured"))
        since = self.seen.since if state == before else time.monotonic()
        scope: dict[str, Any] = next((scope for scope in scopes if scope["name"] == SCOPE), {})
        self.seen = Seen(state, since, facts, scope, counters)
        if facts and (not self.states or self.states[-1] != state):
            self.states.append(state)


async def watch(*servers: Server) -> None:
    """Look at the servers several times a second, until cancelled."""
    while True:
        await asyncio.gather(*(server.look() for server in servers))
        await asyncio.sleep(LOOK_S)
