"""A real ISC dhcpd on either seat of the test bed, beside or instead of Tandem, with the same handles.

``Dhcpd`` runs Debian's /usr/sbin/dhcpd and tells its failover state (from its log) and its leases (from its lease
file, in the words of Tandem's lease view), so that the pair's own checks of ``Lab`` work with either make. ``Wire``
counts the failover messages between the partners with an independent dissector. Nothing of the product is used here.
Source: dhcpd.conf(5), dhcpd.leases(5), omshell(1) of ISC dhcpd 4.4.3-P1.
"""

from __future__ import annotations

import calendar
import re
import time
from pathlib import Path
from typing import Any

from tests.live.lab import BACKUP, MAIN, Held, Lab, Tandem
from tests.live.netns import LabError, Namespace, Process, system, wait_for

RELATIONSHIP = "campus"
MCLT_S = 5
LEASE_S = 20
FIRST, LAST = "192.168.50.10", "192.168.50.109"
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")

TANDEM = f"""\
dhcp enable failover
dhcp set failover-main-server={MAIN}
dhcp set failover-backup-server={BACKUP}
dhcp set failover-relationship-name={RELATIONSHIP}
dhcp set failover-maximum-client-lead-time={MCLT_S} failover-poll-interval=1 failover-poll-timeout=4
dhcp set failover-startup-time=5
dhcp enable failover-load-balancing
dhcp set failover-load-balancing-delay=3
dhcp disable defer-lease-extensions
scope campus create 192.168.50.0 255.255.255.0
scope campus addRange {FIRST} {LAST}
policy default setLeaseTime {LEASE_S}
policy default set grace-period=0s
policy default setOption routers 192.168.50.1
dhcp reload
"""
"""What Tandem is told in these tests, on either seat."""

_DHCPD = """\
failover peer "{name}" {{
  {role};
  address {own}; port 647;
  peer address {peer}; peer port 647;
  max-response-delay 4;
  max-unacked-updates 10;
  load balance max seconds 3;
  min-balance 2; max-balance 4;
  {main_only}
}}
authoritative;
ddns-update-style none; ping-check false; dhcp-cache-threshold 0; server-id-check true;
default-lease-time {lease_s}; max-lease-time {lease_s}; min-lease-time 3;
omapi-port 7911;
subnet 192.168.50.0 netmask 255.255.255.0 {{
  option routers 192.168.50.1;
  pool {{ failover peer "{name}"; range {first} {last}; }}
}}
"""


_SHUT_DOWN = "server 127.0.0.1\nport 7911\nconnect\nnew control\nopen\nset state = 2\nupdate\n"


def dhcpd_conf(main: bool, split: int = 128, lease_s: int = LEASE_S, mclt_s: int = MCLT_S) -> str:
    """Return a dhcpd.conf for the main (ISC: primary) or the backup (secondary), with times for the impatient."""
    own, peer = (MAIN, BACKUP) if main else (BACKUP, MAIN)
    return _DHCPD.format(
        name=RELATIONSHIP, role="primary" if main else "secondary", own=own, peer=peer, first=FIRST, last=LAST,
        main_only=f"mclt {mclt_s}; split {split};" if main else "", lease_s=lease_s,
    )  # fmt: skip


class Dhcpd:
    """One dhcpd in a namespace. The relationship's role follows from ``config``."""

    def __init__(self, space: Namespace, address: str, config: str, *, clock_s: int = 0) -> None:
        """``clock_s``: its clock is so many seconds ahead of the machine's."""
        self.space = space
        self.address = address
        self.main = " primary;" in config
        self.clock_s = clock_s
        self.directory = space.net.directory / f"{space.short}-dhcpd"
        self.directory.mkdir(exist_ok=True)
        self.configuration, self.lease_file, self.pid_file = (
            self.directory / name for name in ("dhcpd.conf", "dhcpd.leases", "dhcpd.pid")
        )
        self.configuration.write_text(config)
        self.lease_file.touch()
        self.process: Process | None = None
        self._before = ""

    # --- life -------------------------------------------------------------------------------------------

    def launch(self) -> None:
        """Start it; do not wait."""
        self.pid_file.unlink(missing_ok=True)
        if self.process is not None:
            self._before += self.process.output()
        env = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"{self.clock_s:+d}s"} if self.clock_s else None
        self.process = self.space.start(
            "/usr/sbin/dhcpd", "-4", "-f", "-d", "-cf", str(self.configuration), "-lf", str(self.lease_file),
            "-pf", str(self.pid_file), "eth0", name="dhcpd", env=env,
        )  # fmt: skip

    def start(self, timeout: float = 10) -> None:
        """Start it and wait until it serves."""
        self.launch()

        def up() -> bool:
            assert self.process is not None
            if not self.process.alive():
                raise LabError(f"dhcpd on {self.space.short} ended:\n{self.process.output()}")
            return "Server starting service" in self.process.output()

        wait_for(f"dhcpd on {self.space.short} serves", up, timeout)

    def kill(self) -> None:
        """SIGKILL it."""
        assert self.process is not None
        self.process.kill()

    def stop(self) -> None:
        """SIGTERM it: it closes its connection and says nothing."""
        assert self.process is not None
        self.process.stop()

    def alive(self) -> bool:
        """Return whether it still runs: it must never end by itself."""
        return self.process is not None and self.process.alive()

    # --- what it says -----------------------------------------------------------------------------------

    def log(self) -> str:
        """Return all that it has logged."""
        return self._before + (self.process.output() if self.process is not None else "")

    def heard(self, text: str, timeout: float = 10, count: int = 1) -> None:
        """Wait until its present process has logged ``text`` so many times."""
        process = self.process
        assert process is not None
        wait_for(f"dhcpd says {text!r}", lambda: process.output().count(text) >= count, timeout)

    @property
    def state(self) -> str:
        """The failover state, in capitals, as last logged; empty when it does not run."""
        if not self.alive():
            return ""
        assert self.process is not None
        moves = re.findall(r"I move from \S+ to (\S+)", self.process.output())
        return moves[-1].upper() if moves else ""

    @property
    def states(self) -> list[str]:
        """All states that its present process went through, in capitals."""
        assert self.process is not None
        return [state.upper() for state in re.findall(r"I move from \S+ to (\S+)", self.process.output())]

    def leases(self) -> dict[str, dict[str, Any]]:
        """Return the last record of each address, by address."""
        found: dict[str, dict[str, Any]] = {}
        text = self.lease_file.read_text(errors="replace")
        for address, body in re.findall(r"^lease ([\d.]+) \{\n(.*?)^\}", text, re.M | re.S):
            found[address] = self._lease(address, body)
        return found

    def _lease(self, address: str, body: str) -> dict[str, Any]:
        def moment(name: str) -> int:
            got = re.search(rf"^  {name} \d (\S+ \S+);", body, re.M)
            return calendar.timegm(time.strptime(got[1], "%Y/%m/%d %H:%M:%S")) if got else 0

        def word(pattern: str) -> str:
            got = re.search(pattern, body, re.M)
            return got[1] if got else ""

        status, ends = word(r"^  binding state (\S+);"), moment("ends")
        hardware = word(r"^  hardware ethernet (\S+);")
        return {
            "address": address,
            "state": self._word(status, ends),
            "client-mac-addr": f"1,6,{hardware}" if hardware else "",
            "client-id": _bytes(word(r"^  uid (.*);")).hex(":"),
            "expiration": ends,
            "start-time-of-state": moment("starts"),
            "client-last-transaction-time": moment("cltt"),
            **{name: moment(name) for name in ("tstp", "tsfp", "atsfp")},
        }

    def _word(self, status: str, ends: int) -> str:
        """Return Tandem's word for a binding state."""
        if status == "active":
            return "leased" if ends > time.time() + self.clock_s else "expired"
        mine = "free" if self.main else "backup"
        if status in ("free", "backup"):
            return "available" if status == mine else "other-available"
        return "unavailable" if status == "abandoned" else "pending-available"

    # --- the operator -----------------------------------------------------------------------------------

    def omshell(self, local_state: int) -> str:
        """Set its failover state as an operator does; the number is the protocol's (4: partner-down)."""
        script = (
            f'server 127.0.0.1\nport 7911\nconnect\nnew failover-state\nset name = "{RELATIONSHIP}"\nopen\n'
            f"set local-state = {local_state}\nupdate\n"
        )
        said = self.space.run("omshell", text=script)
        if "can't" in said:
            raise LabError(f"omshell: {said}")
        return said

    def shut_down(self) -> None:
        """Tell it to shut down in good order: it goes on for a while, and keeps omshell waiting."""
        script = self.directory / "shut-down"
        script.write_text(_SHUT_DOWN)
        self.space.start("sh", "-c", f"exec omshell < {script}", name="omshell")

    def partner_down(self) -> None:
        """Tell it that its partner is down."""
        self.omshell(4)


def _bytes(text: str) -> bytes:
    """Return the bytes of a lease file's string or colon-separated hexadecimal."""
    if not text.startswith('"'):
        return bytes(int(part, 16) for part in text.split(":") if part)
    found = re.findall(r'\\([0-7]{3})|\\(.)|([^\\"])', text[1:-1])
    return bytes(int(octal, 8) if octal else ord(escaped or plain) for octal, escaped, plain in found)


class MixedLab(Lab):
    """The test bed with a server of either make on either seat."""

    main: Any
    """A Tandem or a Dhcpd."""
    backup: Any

    def seat(self, which: str) -> tuple[Namespace, str]:
        """Return the machine and the address of "main" or "backup"."""
        return (self.main_space, MAIN) if which == "main" else (self.backup_space, BACKUP)

    def put_dhcpd(self, which: str, **settings: int) -> Dhcpd:
        """Give a seat to a dhcpd; not started yet. ``clock_s``: as for Dhcpd; the others: as for dhcpd_conf."""
        clock_s = settings.pop("clock_s", 0)
        made = Dhcpd(*self.seat(which), dhcpd_conf(which == "main", **settings), clock_s=clock_s)
        setattr(self, which, made)
        return made

    def put_tandem(self, which: str) -> Tandem:
        """Give a seat to a Tandem; not started yet."""
        made = Tandem(*self.seat(which))
        setattr(self, which, made)
        return made

    def alike(self, main: Held | None, backup: Held | None) -> bool:
        """Return whether both mean the same by a lease. dhcpd cuts the end of a lease to the second, Tandem rounds it
        up; with clocks apart, the time between them is known to half a second."""
        if main is None or backup is None or Dhcpd not in (type(self.main), type(self.backup)):
            return main == backup
        apart_s = main[2] - backup[2] - (getattr(self.main, "clock_s", 0) - getattr(self.backup, "clock_s", 0))
        return main[:2] == backup[:2] and abs(apart_s) <= (2 if self._clocks_apart() else 1)

    def _clocks_apart(self) -> bool:
        return any(getattr(server, "clock_s", 0) for server in (self.main, self.backup))

    def watch(self) -> Wire:
        """Begin to record what the partners say to each other."""
        return Wire(self.main_space)


class Wire:
    """A recording of the failover connection, by Wireshark's own programs."""

    def __init__(self, space: Namespace, interface: str = "peer0") -> None:
        self.file = space.net.directory / f"wire-{time.monotonic_ns()}.pcapng"
        self.file.touch(mode=0o666)
        self.process = space.start(
            "dumpcap", "-q", "-i", interface, "-f", "tcp port 647", "-w", str(self.file), name="dumpcap"
        )
        wait_for("dumpcap records", lambda: "File:" in self.process.output(), 10)

    def messages(self) -> list[tuple[str, str]]:
        """End the recording; return the sender's address and the type number of each message, in order."""
        self.process.stop()
        lines = system(
            "tshark", "-r", str(self.file), "-Y", "dhcpfo", "-T", "fields", "-e", "ip.src", "-e", "dhcpfo.type"
        ).splitlines()
        pairs = [line.split("\t") for line in lines]
        return [(sender, kind) for sender, kinds in pairs for kind in kinds.split(",")]

    def count(self, *kinds: int) -> dict[str, int]:
        """End the recording; return how many messages of these types each sender sent."""
        counts = {MAIN: 0, BACKUP: 0}
        for sender, kind in self.messages():
            counts[sender] += int(kind) in kinds
        return counts
