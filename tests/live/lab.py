"""The test bed: a failover pair, a LAN with clients, a second LAN behind a relay agent; and faults to order.

    lan 192.168.50.0/24:  main .2   backup .3   relay .4   clients
    far 192.168.60.0/24:  relay .1  clients           (dhcrelay asks both servers)
    peer: a link of its own between main and backup; their traffic with each other goes only over it

Configuration is ``EXAMPLE``: the example of the manual with times for the impatient (MCLT 20 s).
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from pathlib import Path
from typing import Any

from tests.live.netns import LabError, Namespace, Net, Process, system, wait_for

from tandem.cluster import certificates

MAIN, BACKUP, RELAY, FAR_RELAY = "192.168.50.2", "192.168.50.3", "192.168.50.4", "192.168.60.1"
PASSWORD = "lab-password"
MCLT_S = 20

EXAMPLE = f"""\
dhcp enable failover
dhcp set failover-main-server={MAIN}
dhcp set failover-backup-server={BACKUP}
dhcp set failover-maximum-client-lead-time={MCLT_S} failover-poll-interval=1 failover-poll-timeout=3
dhcp set failover-startup-time=2
dhcp disable defer-lease-extensions
scope examplescope create 192.168.50.0 255.255.255.0
scope examplescope addRange 192.168.50.10 192.168.50.200
scope farscope create 192.168.60.0 255.255.255.0
scope farscope addRange 192.168.60.10 192.168.60.200
policy default setLeaseTime 20
policy default setOption routers 192.168.50.1
policy far create
policy far setLeaseTime 20
policy far setOption routers 192.168.60.1
scope farscope set policy=far
scope examplescope addReservation 192.168.50.9 1,6,00:d0:ba:d3:bd:3b
dhcp reload
"""


Held = tuple[str, str, int]
"""Who holds an address until when: hardware address, client identifier, end."""


class Tandem:
    """One local cluster in a namespace: ``tandem local`` and, as its child, the DHCP server."""

    def __init__(self, space: Namespace, address: str, data: Path | None = None) -> None:
        self.space = space
        self.address = address
        self.data = data or space.net.directory / f"{space.short}-data"
        self.process: Process | None = None

    def start(self, timeout: float = 30) -> None:
        """Start it and wait until it says that all of it is ready."""
        self.launch()
        self.wait_up(timeout)

    def launch(self, *options: str) -> None:
        """Start it; do not wait."""
        self.process = self.space.start(
            sys.executable, "-m", "tandem", "local", "--data", str(self.data), "--address", self.address,
            "--name", self.space.short, *options, name="tandem", env={"TANDEM_ADMIN_PASSWORD": PASSWORD},
        )  # fmt: skip

    def wait_up(self, timeout: float = 30) -> None:
        """Wait until the cluster says that it is ready; LabError with its output if it ends instead."""

        def up() -> bool:
            assert self.process is not None
            if not self.process.alive():
                raise LabError(f"tandem on {self.space.short} ended:\n{self.process.output()}{self.log()}")
            return "ready: " in self.process.output()

        wait_for(f"tandem on {self.space.short} is ready", up, timeout)

    def kill(self) -> None:
        """SIGKILL cluster and DHCP server at once: a crash of the machine, but for the disk's cache."""
        assert self.process is not None
        pids = system("ip", "netns", "pids", self.space.name).split()
        self.process.kill()
        wait_for("all processes of the server are gone", lambda: not any(map(_running, pids)), 10)

    def stop(self) -> None:
        """End it in good order."""
        assert self.process is not None
        self.process.stop()

    def nrcmd(self, batch: str, check: bool = True, zone: str = "UTC") -> str:
        """Run commands, one a line, in a batch file and a time zone; what nrcmd printed. LabError when it fails and
        ``check``."""
        file = self.data.parent / f"{self.space.short}-batch"
        file.write_text(batch)
        shown = certificates.read(self.data / "ccm" / "api.pem")
        return self.space.run(
            "env", f"TZ={zone}", f"AIC_FINGERPRINT={certificates.fingerprint(shown)}",
            sys.executable, "-m", "tandem.control.nrcmd", "-C", self.address,
            "-N", "admin", "-P", PASSWORD, "-b", str(file), check=check, timeout=60,
        )  # fmt: skip

    def ask(self, op: str, **args: object) -> Any:
        """Ask the DHCP server over its control socket. Raises OSError, EOFError, LabError."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(10)
            control.connect(str(self.data / "dhcp" / "control.sock"))
            control.sendall(json.dumps({"id": 1, "op": op, "args": args}).encode() + b"\n")
            with control.makefile("rb") as lines:
                line = lines.readline()
        if not line:
            raise EOFError(f"control socket of {self.space.short} closed")
        answer = json.loads(line)
        if "error" in answer:
            raise LabError(f"{op}: {answer['error']}")
        return answer["ok"]

    @property
    def state(self) -> str:
        """The failover state, in capitals; empty when it cannot be asked."""
        try:
            related = self.ask("related_servers")
        except (OSError, EOFError):
            return ""
        return str(related[0]["state"]).upper() if related else ""

    def states(self) -> dict[str, str]:
        """Return the state of each relationship by its name; empty when it cannot be asked."""
        try:
            return {str(one["name"]): str(one["state"]) for one in self.ask("related_servers")}
        except (OSError, EOFError):
            return {}

    def mark(self) -> int:
        """Return a mark for ``went`` and ``said``, which look at later log lines only.

        The log is written a moment late: waits until it tells of the states that the server is in.
        """

        def told() -> bool:
            return all(self.path(relationship=name)[-1:] == [state] for name, state in self.states().items())

        wait_for("the log is up to date", told, 5)
        return len(self.log())

    def path(self, since: int = 0, relationship: str = "") -> list[str]:
        """Return the failover states that the log says were entered, in order, after ``since``."""
        entered = r"(\S+): Failover state changes from \S+ to (\S+)"
        return [s for name, s in re.findall(entered, self.log()[since:]) if relationship in ("", name)]

    def went(self, *states: str, since: int = 0, relationship: str = "") -> None:
        """Wait until the log (which is written a moment later) tells exactly of ``states`` after ``since``."""
        seen: list[str] = []

        def probe() -> bool:
            seen[:] = self.path(since, relationship)
            return seen == list(states)

        try:
            wait_for(f"{self.space.short} went {' > '.join(states)}", probe, 5)
        except LabError as error:
            raise LabError(f"{error}; it went {' > '.join(seen)}") from None

    def said(self, text: str, since: int = 0) -> None:
        """Wait until the log holds ``text``."""
        wait_for(f"{self.space.short} says {text!r}", lambda: text in self.log()[since:], 5)

    def leases(self) -> dict[str, dict[str, Any]]:
        """Return all leases by address."""
        found: dict[str, dict[str, Any]] = {}
        after: int | None = -1
        while after is not None:
            page = self.ask("search_leases", after=after)
            found.update((lease["address"], lease) for lease in page["leases"])
            after = page["after"]
        return found

    def server_pid(self) -> int:
        """Return the process id of the DHCP server itself."""
        for pid in system("ip", "netns", "pids", self.space.name).split():
            if b"dhcp-server" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return int(pid)
        raise LabError(f"no DHCP server runs on {self.space.short}")

    def log(self) -> str:
        """Return the DHCP server's log."""
        logs = sorted((self.data / "logs").glob("*_dhcp_1_log*"), reverse=True)
        return "".join(path.read_text(errors="replace") for path in logs)


def _running(pid: str) -> bool:
    """Return whether a process still holds anything: one of its threads exists and is not a zombie.

    The first thread may be a zombie while another one is still dying and keeps the sockets open.
    """
    try:
        stats = [(task / "stat").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(stat.rpartition(")")[2].split()[0] not in "ZX" for stat in stats)


class Lab(Net):
    """The whole test bed. A context manager; nothing outlives it."""

    def __init__(self) -> None:
        super().__init__()
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Lab:
        return self

    def _build(self) -> None:
        self.lan = self.bridge("lan")
        self.far = self.bridge("far")
        self.main_space = self._server("main", MAIN)
        self.backup_space = self._server("backup", BACKUP)
        self.link(self.main_space, "peer0", self.backup_space, "peer0")
        self._route_peer()
        self.relay_space = self.namespace("relay")
        self.plug(self.lan, self.relay_space, "eth0", f"{RELAY}/24")
        self.plug(self.far, self.relay_space, "eth1", f"{FAR_RELAY}/24")
        self.relay_space.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        self.main = Tandem(self.main_space, MAIN)
        self.backup = Tandem(self.backup_space, BACKUP)
        self.relay: Process | None = None

    def _server(self, name: str, address: str) -> Namespace:
        space = self.namespace(name)
        self.plug(self.lan, space, "eth0", f"{address}/24")
        space.ip(f"route add 192.168.60.0/24 via {RELAY}")
        return space

    def _route_peer(self) -> None:
        """The partner is reached over the link ``peer0`` or, when that is down, not at all."""
        for space, own, other in ((self.main_space, MAIN, BACKUP), (self.backup_space, BACKUP, MAIN)):
            space.ip(f"route replace {other}/32 dev peer0 src {own} metric 10")
            space.ip(f"route replace unreachable {other}/32 metric 20")

    def add_server(self, name: str, address: str) -> Tandem:
        """Make a machine for a third server on the LAN."""
        return Tandem(self._server(name, address), address)

    # --- partners ---------------------------------------------------------------------------------------

    def start_pair(self, config: str = EXAMPLE) -> None:
        """Start and configure both clusters (by the same batch file); wait until both are NORMAL, with their shares."""
        self.main.launch()
        self.backup.launch()
        for server in (self.main, self.backup):
            server.wait_up()
            server.nrcmd(config)
        self.both_normal()
        self.shares_settled()

    def shares_settled(self) -> None:
        """Wait until both servers see each scope's backup share where it is to be."""
        wait_for("each backup has its share", self._balanced, 15)

    def _balanced(self) -> bool:
        views = [{s["name"]: s for s in server.ask("scopes")} for server in (self.main, self.backup)]
        return all(
            view[name]["backup-share"] == views[0][name]["backup-target"] > 0 for view in views for name in views[0]
        )

    def states(self) -> tuple[str, str]:
        """Return the failover states of main and backup."""
        return self.main.state, self.backup.state

    def both_normal(self, timeout: float = 60) -> None:
        """Wait until both partners are in NORMAL state."""
        seen: list[tuple[str, str]] = []

        def normal() -> bool:
            now = self.states()
            if not seen or seen[-1] != now:
                seen.append(now)
            return now == ("NORMAL", "NORMAL")

        try:
            wait_for("both partners are in NORMAL", normal, timeout)
        except LabError as error:
            tails = "".join(f"\n--- {s.space.short}\n{s.log()[-3000:]}" for s in (self.main, self.backup))
            raise LabError(f"{error}; states seen: {seen}{tails}") from None

    def cut(self, how: str = "link") -> None:
        """Part the partners: take their link down ("link"), or filter the failover port ("filter")."""
        if how == "link":
            self.main_space.ip("link set peer0 down")
        else:
            for space in (self.main_space, self.backup_space):
                space.block("partner", output=["tcp dport 647", "tcp sport 647"])

    def mend(self, how: str = "link") -> None:
        """Undo ``cut``."""
        if how == "link":
            self.main_space.ip("link set peer0 up")
            self._route_peer()
        else:
            for space in (self.main_space, self.backup_space):
                space.unblock("partner")

    def both_interrupted(self, timeout: float = 20) -> None:
        """Wait until both partners have noticed that they cannot speak to each other."""
        wanted = "COMMUNICATIONS-INTERRUPTED"
        wait_for("both interrupted", lambda: self.states() == (wanted, wanted), timeout)

    def books_differ(self) -> list[str]:
        """Return how the two lease databases differ in what matters to clients; empty when they agree."""
        main, backup = (_view(server.leases()) for server in (self.main, self.backup))
        return [
            f"{address}: main {main.get(address)}, backup {backup.get(address)}"
            for address in sorted({*main, *backup})
            if not self.alike(main.get(address), backup.get(address))
        ]

    def alike(self, main: Held | None, backup: Held | None) -> bool:
        """Return whether both partners mean the same by a lease: here, to the second."""
        return main == backup

    def books_equal(self, timeout: float = 15) -> None:
        """Wait until the lease databases of both partners agree."""
        differences: list[str] = []

        def equal() -> bool:
            differences[:] = self.books_differ()
            return not differences

        try:
            wait_for("both lease databases agree", equal, timeout, every=0.2)
        except LabError as error:
            raise LabError(f"{error}\n" + "\n".join(differences)) from None

    # --- clients ----------------------------------------------------------------------------------------

    def start_relay(self) -> None:
        """Start dhcrelay between the far LAN and both servers."""
        self.relay = self.relay_space.start(
            "dhcrelay", "-4", "-d", "--no-pid", "-a", "-id", "eth1", "-iu", "eth0", MAIN, BACKUP
        )
        relay = self.relay
        wait_for("dhcrelay runs", lambda: "Sending on   Socket/fallback" in relay.output(), 10)

    def client_space(self, name: str, where: str = "lan") -> Namespace:
        """Make a machine for a client on "lan" or "far", with an interface eth0 without address."""
        space = self.namespace(name)
        self.plug(self.lan if where == "lan" else self.far, space, "eth0")
        return space


def _view(leases: dict[str, dict[str, Any]]) -> dict[str, Held]:
    """Return what both partners must agree on: who holds what until when."""
    return {
        address: (lease["client-mac-addr"], lease["client-id"], lease["expiration"])
        for address, lease in leases.items()
        if lease["state"] == "leased"
    }


def require_root() -> None:
    """Raise LabError when namespaces cannot be made."""
    if os.geteuid() != 0:
        raise LabError("the live tests make network namespaces: run them as root")
