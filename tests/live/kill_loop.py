"""SIGKILL a loaded server again and again: every lease that a client saw acknowledged must still be there.

    python -m tests.live.kill_loop [COUNT]        (as root; make killloop COUNT=1000)

One DHCP server without partner, its disk the machine's; clients behind a relay agent lease, renew and release as
fast as it answers. After a random time the server process is killed, started again, and its database compared with
the clients' ledger. Leases are long, so that none ends by itself meanwhile.
"""

from __future__ import annotations

import random
import select
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.live.lab import Tandem
from tests.live.netns import Net, Process, wait_for
from tests.live.pyclient import (
    ACK,
    DISCOVER,
    NAK,
    OFFER,
    RELEASE,
    REQUEST,
    ZERO,
    pack_message,
    unpack_message,
)

SERVER, GIADDR = "10.7.0.2", "10.7.0.1"
CONFIG = """\
scope loop create 10.7.0.0 255.255.0.0
scope loop addRange 10.7.16.0 10.7.255.0
policy default setLeaseTime 7d
dhcp disable defer-lease-extensions
dhcp reload
"""
WINDOW = 64
"""Requests under way at a time."""
CLIENTS = 4000


@dataclass(slots=True)
class Lease:
    """What a client last saw acknowledged."""

    address: str
    expires: float
    """At least until then, seconds since 1970: counted from when the request was sent."""


@dataclass(slots=True)
class Crowd:
    """Clients behind one relay address, and their ledger."""

    socket: socket.socket
    random: random.Random
    held: dict[bytes, Lease] = field(default_factory=dict)
    pending: dict[int, tuple[bytes, float]] = field(default_factory=dict)
    xid: int = 0
    acks: int = 0
    refused: list[str] = field(default_factory=list)

    def send(self, kind: int, mac: bytes, options: dict[int, bytes], ciaddr: str = ZERO) -> None:
        """Send one message through the relay."""
        self.xid += 1
        if kind != RELEASE:
            self.pending[self.xid] = (mac, time.time())
        message = pack_message(kind, self.xid, mac, options, ciaddr=ciaddr, giaddr=GIADDR, hops=1)
        self.socket.sendto(message, (SERVER, 67))

    def act(self) -> None:
        """One client of the crowd does something: a new lease, a renewal, seldom a release."""
        busy = {mac for mac, _ in self.pending.values()}
        mac = b"\x02\x0f" + self.random.randrange(CLIENTS).to_bytes(4, "big")
        while mac in busy:  # a client waits for its answer before it says the next thing
            mac = b"\x02\x0f" + self.random.randrange(CLIENTS).to_bytes(4, "big")
        lease = self.held.get(mac)
        if lease is None:
            self.send(DISCOVER, mac, {})
        elif self.random.random() < 0.02:
            del self.held[mac]
            self.send(RELEASE, mac, {54: socket.inet_aton(SERVER)}, lease.address)
        else:
            self.send(REQUEST, mac, {}, lease.address)

    def hear(self, data: bytes) -> None:
        """Take one answer."""
        answer = unpack_message(data)
        if answer is None:
            return
        known = self.pending.pop(answer.xid, None)
        if known is None:
            return
        mac, sent = known
        if answer.kind == OFFER:
            options = {50: socket.inet_aton(answer.yiaddr), 54: answer.options[54]}
            self.send(REQUEST, mac, options)
        elif answer.kind == ACK:
            self.acks += 1
            self.held[mac] = Lease(answer.yiaddr, sent + answer.lease_s)
        elif answer.kind == NAK:
            self.refused.append(f"{mac.hex(':')} {self.held.get(mac)}")
            self.held.pop(mac, None)

    def run(self, seconds: float, kill: Process) -> None:
        """Load the server for ``seconds``, kill it amid that, and take the answers that had left before."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._drain(0.005)
            old = time.time() - 2  # far beyond the server's slowest answer: lost
            for xid in [xid for xid, (_, sent) in self.pending.items() if sent < old]:
                del self.pending[xid]
            while len(self.pending) < WINDOW:
                self.act()
        kill.kill()
        while self._drain(0.02):
            pass
        self.pending.clear()
        self.xid += 1000  # so that no answer of the old life is taken for one of the new

    def _drain(self, wait_s: float) -> bool:
        """Take the answers that are there or come within ``wait_s``; whether there was any."""
        any_ = False
        while select.select([self.socket], [], [], wait_s)[0]:
            self.hear(self.socket.recv(2048))
            any_, wait_s = True, 0
        return any_


class Loop:
    """The server and its crowd. ``rounds`` kills and checks."""

    def __init__(self, net: Net, seed: int) -> None:
        self.net = net
        self.random = random.Random(seed)
        self.server = net.namespace("server")
        self.relay = net.namespace("relay")
        net.link(self.relay, "eth0", self.server, "eth0")
        self.relay.ip(f"addr add {GIADDR}/24 dev eth0")
        self.server.ip(f"addr add {SERVER}/24 dev eth0")
        self.tandem = Tandem(self.server, SERVER)
        self._configure()
        listening = self.relay.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        listening.bind((GIADDR, 67))
        self.crowd = Crowd(listening, self.random)

    def _configure(self) -> None:
        """Have a local cluster make the configuration once; afterwards only its DHCP server runs, alone."""
        self.tandem.start()
        self.tandem.nrcmd(CONFIG)
        self.tandem.stop()

    def _start(self) -> Process:
        process = self.server.start(
            sys.executable, "-m", "tandem", "dhcp-server", "--data", str(self.tandem.data), "--address", SERVER,
            "--name", "loop", name="server",
        )  # fmt: skip

        def up() -> bool:
            if not process.alive():
                raise AssertionError(f"the server ended by itself:\n{process.output()}\n{self.tandem.log()[-3000:]}")
            try:
                return bool(self.tandem.ask("ping"))
            except (OSError, EOFError):
                return False

        wait_for("the restarted server answers", up, 30, every=0.01)
        return process

    def check(self) -> None:
        """Raise unless every lease in the ledger is in the running server's database, to the same client."""
        known = self.tandem.leases()
        wrong = [f"refused after a restart: {what}" for what in self.crowd.refused]
        for mac, lease in sorted(self.crowd.held.items()):
            found = known.get(lease.address)
            if found is None or found["state"] != "leased" or not found["client-mac-addr"].endswith(mac.hex(":")):
                wrong.append(f"{lease.address} acknowledged to {mac.hex(':')}, in the database: {found}")
            elif found["expiration"] + 1 < lease.expires:
                wrong.append(f"{lease.address} acked until {lease.expires:.0f}, kept until {found['expiration']}")
        if wrong:
            raise AssertionError(f"{len(wrong)} acknowledged leases lost:\n" + "\n".join(wrong[:20]))

    def rounds(self, count: int) -> Iterator[int]:
        """Kill and check ``count`` times; yields the number of each round when it has passed."""
        process = self._start()
        for number in range(1, count + 1):
            self.crowd.run(self.random.uniform(0.02, 0.4), process)
            process = self._start()
            self.check()
            yield number
        process.stop()


def run(count: int, seed: int = 1) -> Loop:
    """Run the whole loop with a line of progress now and then; raises AssertionError on a lost lease."""
    with Net() as net:
        loop = Loop(net, seed)
        began = time.monotonic()
        for number in loop.rounds(count):
            if number % 25 == 0 or number == count:
                print(
                    f"{number} kills, {loop.crowd.acks} ACKs, {len(loop.crowd.held)} leases held, none lost,"
                    f" {time.monotonic() - began:.0f} s", flush=True,
                )  # fmt: skip
        return loop


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 50, seed=int(sys.argv[2]) if len(sys.argv) > 2 else 1)
