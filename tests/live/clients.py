"""Real DHCP clients in a namespace: dhclient, udhcpc and dhcpcd behind one small interface.

Each runs with files of its own and a script of ours that does nothing but set and clear the address, and write
one JSON line per event. Nothing of the host (resolv.conf, hostname, /var/lib, /run) is touched.
"""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass

from tests.live.netns import Namespace, Process, wait_for

# Arguments: event, interface, address, mask, routers, lease seconds, server identifier.
_TELL = r"""
tell() {
    case "$1" in
        bound|renewed|rebound|reboot) if [ -n "$3" ]; then
            ip addr replace "$3/$4" brd + dev "$2" valid_lft "$6" preferred_lft "$6" 2>/dev/null \
                || ip addr replace "$3/$4" brd + dev "$2"
            if [ -n "$5" ]; then ip route replace default via "${5%% *}"; fi
        fi;;
        lost) ip addr flush dev "$2";;
    esac
    printf '{"event":"%s","address":"%s","lease_s":%s,"server":"%s","time":%s}\n' \
        "$1" "$3" "${6:-0}" "$7" "$(date +%s.%N)" >>"@EVENTS@"
}
"""

_DHCLIENT = r"""
case "$reason" in
    PREINIT) ip link set "$interface" up; event=init;;
    BOUND) event=bound;; RENEW) event=renewed;; REBIND) event=rebound;; REBOOT) event=reboot;;
    EXPIRE|FAIL|RELEASE|STOP|TIMEOUT) event=lost;;
    *) event=$reason;;
esac
tell "$event" "$interface" "$new_ip_address" "$new_subnet_mask" "$new_routers" "$new_dhcp_lease_time" \
    "$new_dhcp_server_identifier"
"""

_UDHCPC = r"""
case "$1" in
    bound) event=bound;; renew) event=renewed;; deconfig|leasefail) event=lost;; *) event=$1;;
esac
tell "$event" "$interface" "$ip" "$subnet" "$router" "$lease" "$serverid"
"""

_DHCPCD = r"""
case "$reason" in
    BOUND) event=bound;; RENEW) event=renewed;; REBIND) event=rebound;; REBOOT) event=reboot;;
    EXPIRE|RELEASE|STOP|STOPPED|NAK|FAIL|NOCARRIER) event=lost;;
    *) event=$reason;;
esac
tell "$event" "$interface" "$new_ip_address" "$new_subnet_mask" "$new_routers" "$new_dhcp_lease_time" \
    "$new_dhcp_server_identifier"
"""


@dataclass(slots=True)
class Event:
    """What a client told its script."""

    event: str
    """init, bound, renewed, rebound, reboot, lost, or the client's own word."""
    address: str
    lease_s: int
    server: str
    time: float

    @property
    def granted(self) -> bool:
        """Whether this event tells of an ACK."""
        return self.event in ("bound", "renewed", "rebound", "reboot") and self.address != ""


class RealClient:
    """A DHCP client program on ``interface`` of ``space``."""

    program = ""
    script_text = ""

    def __init__(self, space: Namespace, interface: str = "eth0") -> None:
        self.space = space
        self.interface = interface
        self.directory = space.net.directory / f"{space.short}-{self.program}"
        self.directory.mkdir()
        self.events_path = self.directory / "events"
        self.script = self.directory / "script"
        tell = _TELL.replace("@EVENTS@", str(self.events_path))
        self.script.write_text(f"#!/bin/sh\n{tell}{self.script_text}exit 0\n")
        self.script.chmod(0o755)
        self.process: Process | None = None

    def command(self) -> list[str]:
        """Return the command that leases and stays in the foreground."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the program."""
        self.process = self.space.start(*self.command(), name=self.program)

    def events(self) -> list[Event]:
        """Return everything that it told so far."""
        if not self.events_path.exists():
            return []
        return [Event(**json.loads(line)) for line in self.events_path.read_text().splitlines()]

    def mark(self) -> int:
        """Return a mark for ``granted``: only later events count."""
        return len(self.events())

    def granted(self, since: int = 0, timeout: float = 20, server: str = "") -> Event:
        """Wait for an ACK after ``since`` (by ``server``); the event."""
        def probe() -> Event | None:
            for event in self.events()[since:]:
                if event.granted and (not server or event.server == server):
                    return event
            return None

        return wait_for(f"{self.program} in {self.space.name} is granted a lease", probe, timeout)

    def lease(self, timeout: float = 20) -> Event:
        """Start it and wait for the first ACK."""
        since = self.mark()
        self.start()
        return self.granted(since, timeout)

    def renew(self, timeout: float = 30) -> Event:
        """Have it renew (at once if it can be told to, else at T1) and wait for the ACK."""
        since = self.mark()
        self.ask_renewal()
        return self.granted(since, timeout)

    def ask_renewal(self) -> None:
        """Tell the running client to renew now, if it can be told."""

    def release(self) -> None:
        """Have it release its lease and end."""
        raise NotImplementedError

    def kill(self) -> None:
        """SIGKILL it: the lease stays, nothing is told to anybody."""
        assert self.process is not None
        self.process.kill()


class Dhclient(RealClient):
    """ISC dhclient. It renews at T1 by itself and cannot be told to do so earlier."""

    program = "dhclient"
    script_text = _DHCLIENT

    def _arguments(self) -> list[str]:
        conf = self.directory / "conf"
        conf.write_text("timeout 20;\nretry 1;\nreboot 3;\ninitial-interval 1;\nbackoff-cutoff 2;\n")
        return [
            "-4", "-cf", str(conf), "-lf", str(self.directory / "leases"), "-pf", str(self.directory / "pid"),
            "-sf", str(self.script), self.interface,
        ]  # fmt: skip

    def command(self) -> list[str]:
        return ["dhclient", "-d", *self._arguments()]

    def release(self) -> None:
        self.space.run("dhclient", "-r", *self._arguments(), timeout=20)
        process = self.process
        if process is not None:
            wait_for("dhclient ends after its release", lambda: not process.alive(), 10)


class Udhcpc(RealClient):
    """BusyBox udhcpc. It takes no lease below two minutes seriously, so it is always told when to renew."""

    program = "udhcpc"
    script_text = _UDHCPC

    def command(self) -> list[str]:
        return [
            "udhcpc", "-f", "-i", self.interface, "-s", str(self.script), "-p", str(self.directory / "pid"),
            "-T", "1", "-t", "10", "-A", "1",
        ]  # fmt: skip

    def ask_renewal(self) -> None:
        assert self.process is not None
        self.process.signal(signal.SIGUSR1)

    def release(self) -> None:
        assert self.process is not None
        since = self.mark()
        self.process.signal(signal.SIGUSR2)
        wait_for("udhcpc has released", lambda: any(e.event == "lost" for e in self.events()[since:]), 10)
        self.process.kill()


class Dhcpcd(RealClient):
    """Roy Marples' dhcpcd, alone with its own /run and /var/lib (a private mount namespace)."""

    program = "dhcpcd"
    script_text = _DHCPCD

    def command(self) -> list[str]:
        conf = self.directory / "conf"
        conf.write_text("option subnet_mask, routers\nclientid\nnoarp\nnoipv4ll\n")
        state = self.directory / "state"
        state.mkdir(exist_ok=True)
        # "ip netns exec" has already made the mount namespace private.
        mounts = (
            f"mount --bind {state} /var/lib/dhcpcd && mkdir -p /run/dhcpcd && mount -t tmpfs none /run/dhcpcd"
        )
        run = f"exec dhcpcd -4 -B -f {conf} -c {self.script} -t 30 -y 3 {self.interface}"
        return ["sh", "-c", f"{mounts} && {run}"]

    def ask_renewal(self) -> None:
        assert self.process is not None
        self.process.signal(signal.SIGUSR1)

    def release(self) -> None:
        assert self.process is not None
        process = self.process
        process.signal(signal.SIGALRM)
        wait_for("dhcpcd ends after its release", lambda: not process.alive(), 10)


ALL_CLIENTS: tuple[type[RealClient], ...] = (Dhclient, Udhcpc, Dhcpcd)
