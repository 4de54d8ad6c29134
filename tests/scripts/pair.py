"""A world for two (or more) servers without sockets: virtual time, connections that can be cut, disks that survive.

Effects are performed at once and in order; a crash drops the server and keeps what it had stored. Clients are
scripted through ``Client``; ``ledger`` remembers every lease that a client was promised.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from tandem.base.io import (
    Close,
    Connect,
    ConnectFailed,
    Datagram,
    Effect,
    Interface,
    LinkData,
    LinkDown,
    LinkUp,
    Note,
    Reply,
    SaveAcked,
    SaveBinding,
    SaveShare,
    SaveState,
    Send,
    StartTls,
    Tick,
    TlsUp,
)
from tandem.base.ipv4 import parse_ipv4
from tandem.base.ranges import RangeSet
from tandem.config.compiled import CompiledScope, EffectivePolicy, EndpointConfig, Network, Reservation, ServerConfig
from tandem.failover.endpoint import Endpoint
from tandem.failover.states import state_name
from tandem.lease.binding import ACTIVE, COLUMNS
from tandem.node.node import Node
from tandem.wire import dhcp

MAIN, BACKUP = parse_ipv4("192.168.50.2"), parse_ipv4("192.168.50.3")
NAME = "192.168.50.2-192.168.50.3"
_ACKED = COLUMNS.index("acked_potential")
_UP_TO_DATE = COLUMNS.index("up_to_date")


def scope(
    name: str = "lan", first: str = "192.168.50.10", last: str = "192.168.50.200", *, subnet: str = "192.168.50.0",
    mask: int = 0xFFFFFF00, lease_s: int = 259200, endpoint: int = 1, pct: int = 10, grace_s: int = 0,
    reservations: dict[str, bytes] | None = None,
) -> CompiledScope:  # fmt: skip
    reserved = {parse_ipv4(a): Reservation(parse_ipv4(a), key) for a, key in (reservations or {}).items()}
    ranges = RangeSet([(parse_ipv4(first), parse_ipv4(last))])
    for address in reserved:
        ranges.discard(address)
    policy = EffectivePolicy({3: parse_ipv4("192.168.50.1").to_bytes(4, "big")}, lease_s=lease_s, grace_s=grace_s)
    return CompiledScope(
        name, 0, parse_ipv4(subnet), mask, ranges, policy, {r.key: r for r in reserved.values()}, reserved,
        endpoint=endpoint, backup_pct=pct,
    )  # fmt: skip


def config(main: bool, *scopes: CompiledScope, mclt_s: int = 3600, **endpoint: object) -> ServerConfig:
    mine = list(scopes) or [scope()]
    for i, s in enumerate(mine):
        s.index = i
    local, peer = (MAIN, BACKUP) if main else (BACKUP, MAIN)
    return ServerConfig(
        scopes=mine,
        networks=[Network(i, [s], s.endpoint) for i, s in enumerate(mine)],
        endpoints=[EndpointConfig(NAME, main, local, peer, mclt_s=mclt_s, **endpoint)],  # type: ignore[arg-type]
        defer_lease_extensions=False,
    )


class Disk:
    """What a server has stored."""

    def __init__(self) -> None:
        self.rows: dict[int, tuple[object, ...]] = {}
        self.shares: list[tuple[int, int, int]] = []
        self.states: dict[str, dict[str, object]] = {}

    def save(self, effect: Effect) -> None:
        if isinstance(effect, SaveBinding):
            self.rows[effect.row[0]] = effect.row  # type: ignore[index]
        elif isinstance(effect, SaveAcked):
            for address, acked, up_to_date in effect.rows:
                row = list(self.rows[address])
                row[_ACKED], row[_UP_TO_DATE] = acked, up_to_date
                self.rows[address] = tuple(row)
        elif isinstance(effect, SaveState):
            self.states[effect.name] = dict(effect.values)
        elif isinstance(effect, SaveShare):
            kept = []
            for lo, hi, acked in self.shares:
                if hi < effect.lo or lo > effect.hi:
                    kept.append((lo, hi, acked))
                else:
                    if lo < effect.lo:
                        kept.append((lo, effect.lo - 1, acked))
                    if hi > effect.hi:
                        kept.append((effect.hi + 1, hi, acked))
            if effect.backup:
                kept.append((effect.lo, effect.hi, int(effect.acked)))
            self.shares = sorted(kept)


class Host(Protocol):
    """What clients and the wire know of a server, of whichever make."""

    address: int
    interface: Interface

    def handle(self, event: object) -> list[Reply]: ...


class Server:
    """A running (or dead) server of the world."""

    def __init__(self, world: World, name: str, address: int, make: Callable[[], ServerConfig]) -> None:
        self.world, self.name, self.address, self.make = world, name, address, make
        self.disk = Disk()
        self.node: Node | None = None
        self.skew_s = 0.0
        self.replies: list[Reply] = []
        self.notes: list[str] = []
        self.interface = Interface("lan", 1, address)
        self.fuse: int | None = None
        """After how many more effects the server dies; None = it lives."""

    @property
    def now(self) -> float:
        return self.world.now + self.skew_s

    @property
    def endpoint(self) -> Endpoint:
        assert self.node is not None
        return self.node.endpoints[0]

    @property
    def state(self) -> str:
        return state_name(self.endpoint.state)

    def boot(self) -> None:
        assert self.node is None
        disk = self.disk
        self.node = Node(self.make(), [disk.rows[a] for a in sorted(disk.rows)], disk.shares, disk.states, self.now)
        out: list[Effect] = []
        self.node.start(self.now, out)
        self.perform(out)

    def crash(self, keep_disk: bool = True) -> None:
        self.node = None
        self.fuse = None
        if not keep_disk:
            self.disk = Disk()
        self.world.drop_connections_of(self)

    def stop(self) -> None:
        assert self.node is not None
        out: list[Effect] = []
        self.node.stop(self.now, out)
        self.perform(out)
        self.world.settle()
        self.crash()

    def take_over(self, partner: Server, at: float | None = None, expert: bool = True) -> None:
        """The partner is set down here, whether that is so or not."""
        assert self.node is not None
        out: list[Effect] = []
        self.node.set_partner_down(self.now, partner.address, at, expert, out)
        self.perform(out)

    def handle(self, event: object) -> list[Reply]:
        if self.node is None:
            return []
        before = len(self.replies)
        out: list[Effect] = []
        self.node.handle(self.now, event, out)  # type: ignore[arg-type]
        self.perform(out)
        return self.replies[before:]

    def perform(self, out: list[Effect]) -> None:
        for effect in out:
            if self.fuse is not None:
                self.fuse -= 1
                if self.fuse < 0:
                    self.crash()
                    return
            if isinstance(effect, SaveBinding | SaveAcked | SaveState | SaveShare):
                self.disk.save(effect)
            elif isinstance(effect, Reply):
                self.replies.append(effect)
            elif isinstance(effect, Note):
                self.notes.append(f"{effect.level} {effect.ident:05d} {effect.text}")
            elif isinstance(effect, Connect):
                self.world.connect(self, effect.peer)
            elif isinstance(effect, Send):
                self.world.send(self, effect.link, effect.data)
            elif isinstance(effect, StartTls):
                self.world.start_tls(self, effect)
            elif isinstance(effect, Close):
                self.world.close(self, effect.link, "closed")

    def active(self) -> dict[int, tuple[bytes, bytes, int]]:
        assert self.node is not None
        return {
            b.address: (b.hardware, b.client_id, b.expires)
            for b in self.node.book.by_address.values()
            if b.status == ACTIVE
        }


class World:
    """Virtual time, and the wire between servers."""

    def __init__(
        self, mains: Callable[[], ServerConfig] | None = None, backups: Callable[[], ServerConfig] | None = None
    ) -> None:
        self.now = 1_800_000_000.0
        self.main = Server(self, "main", MAIN, mains or (lambda: config(True)))
        self.backup = Server(self, "backup", BACKUP, backups or (lambda: config(False)))
        self.servers = {MAIN: self.main, BACKUP: self.backup}
        self.cut = False
        self._links: dict[int, tuple[Host, Host]] = {}
        self._securing: dict[int, StartTls] = {}
        self.encrypted: set[int] = set()
        """Ends of connections that are TLS."""
        self._last = 0
        self._events: deque[Callable[[], None]] = deque()
        self._settling = False

    def add(self, name: str, address: int, make: Callable[[], ServerConfig]) -> Server:
        """Add a third server."""
        self.servers[address] = Server(self, name, address, make)
        return self.servers[address]

    def connect(self, who: Host, peer: int) -> None:
        other = self.servers[peer]
        if self.cut or other.node is None:
            self._events.append(lambda: self._deliver(who, ConnectFailed(peer, "refused")))
            return
        self._last += 2
        ours, theirs = self._last, self._last + 1
        self._links[ours] = (who, other)
        self._links[theirs] = (other, who)
        self._events.append(lambda: self._deliver(who, LinkUp(ours, peer, True)))
        self._events.append(lambda: self._deliver(other, LinkUp(theirs, who.address, False)))

    @staticmethod
    def _deliver(to: Host, event: object) -> None:
        to.handle(event)

    def send(self, who: Host, link: int, data: bytes) -> None:
        assert link not in self._securing, "bytes are sent unencrypted after TLS was agreed on"
        if link in self._links and not self.cut:
            other = self._links[link][1]
            twin = link ^ 1
            self._events.append(lambda: self._deliver(other, LinkData(twin, data)) if twin in self._links else None)

    def start_tls(self, who: Host, effect: StartTls) -> None:
        """The client greets, the server greets back, if both are ready."""
        self._securing[effect.link] = effect
        if not effect.server:
            self._events.append(lambda: self._greeted(effect.link ^ 1))

    def _greeted(self, link: int) -> None:
        if link not in self._links or link ^ 1 not in self._links:
            return
        effect = self._securing.pop(link, None)
        if effect is None:
            self.close(self._links[link][0], link, "TLS: wrong version number")
            return
        self.encrypted.add(link)
        if effect.server:
            self._events.append(lambda: self._greeted(link ^ 1))
        self._deliver(self._links[link][0], TlsUp(link, "TLSv1.3"))

    def close(self, who: Host, link: int, why: str) -> None:
        if link in self._links:
            other = self._links[link][1]
            twin = link ^ 1

            def gone() -> None:
                self._links.pop(link, None)
                if self._links.pop(twin, None):
                    other.handle(LinkDown(twin, why))
                who.handle(LinkDown(link, why))

            self._events.append(gone)

    def drop_connections_of(self, server: Host) -> None:
        for link in [n for n, (owner, _) in self._links.items() if owner is server]:
            self.close(server, link, "reset")
        if not self._settling:
            self.settle()

    def step(self) -> bool:
        """Let the next thing that is on the wire arrive; return whether there was one."""
        if not self._events:
            return False
        self._events.popleft()()
        return True

    def settle(self) -> None:
        """Let everything that is on the wire arrive."""
        self._settling = True
        for _ in range(200_000):
            if not self._events:
                self._settling = False
                return
            self._events.popleft()()
        raise AssertionError("the servers do not come to rest")

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        self.settle()
        for _ in range(1_000_000):
            first = None
            for server in self.servers.values():
                due = server.node.deadline() if server.node is not None else None
                if due is not None and (first is None or due - server.skew_s < first[0]):
                    first = (due - server.skew_s, server)
            if first is None or first[0] > end:
                break
            self.now = max(self.now, first[0])
            first[1].handle(Tick())
            self.settle()
        else:
            raise AssertionError("a server's deadline does not move on")
        self.now = end

    def pair(self) -> World:
        """Boot both and let them become a pair."""
        self.main.boot()
        self.backup.boot()
        self.run(30)
        assert (self.main.state, self.backup.state) == ("NORMAL", "NORMAL"), (self.main.notes, self.backup.notes)
        return self

    def books_agree(self) -> None:
        """Both know the same active leases, and nothing waits to be told."""
        assert self.main.active() == self.backup.active()
        assert not self.main.endpoint.unacked and not self.backup.endpoint.unacked


class Client:
    """A scripted DHCP client on the servers' LAN."""

    def __init__(self, world: World, number: int, giaddr: str = "0.0.0.0") -> None:
        self.world = world
        self.chaddr = b"\x02\x00\x00" + number.to_bytes(3, "big")
        self.giaddr = parse_ipv4(giaddr)
        """The relay agent that hands its messages to the servers; 0.0.0.0: it is on their LAN."""
        self.address = 0
        self.expires = 0.0
        self.server = 0
        self.extra: dict[int, bytes] = {}
        """Options that it adds to each message."""

    def send(
        self, to: Sequence[Host], kind: int, ciaddr: int = 0, secs: int = 0, **options: bytes
    ) -> dhcp.Message | None:
        message = dhcp.Message()
        message.secs = secs
        message.op, message.htype, message.hlen = 1, 1, 6
        message.xid, message.chaddr, message.ciaddr, message.giaddr = 7, self.chaddr, ciaddr, self.giaddr
        message.options = {53: bytes([kind])}
        names = {"requested": 50, "server": 54}
        for name, value in options.items():
            message.options[names[name]] = value
        message.options[55] = bytes([1, 3, 51, 58, 59])
        message.options |= self.extra
        data = dhcp.encode(message)
        for server in to:
            for reply in server.handle(Datagram(data, ciaddr, 68, server.interface)):
                return dhcp.decode(reply.data)
        return None

    def lease(self, *to: Host) -> bool:
        """DISCOVER and REQUEST; True when a lease was acknowledged."""
        servers = list(to) or [self.world.main, self.world.backup]
        offer = self.send(servers, dhcp.DISCOVER)
        if offer is None or offer.kind != dhcp.OFFER:
            return False
        ack = self.send(
            servers, dhcp.REQUEST, requested=offer.yiaddr.to_bytes(4, "big"), server=offer.options[54]
        )  # fmt: skip
        return self._take(ack)

    def renew(self, *to: Host) -> bool:
        """REQUEST in RENEWING or REBINDING; True when it was acknowledged."""
        servers = list(to) or [self.world.main, self.world.backup]
        return self._take(self.send(servers, dhcp.REQUEST, ciaddr=self.address))

    def release(self, *to: Host) -> None:
        """RELEASE the lease."""
        servers = list(to) or [self.world.main]
        server = servers[0].address.to_bytes(4, "big")
        self.send(servers, dhcp.RELEASE, ciaddr=self.address, server=server)
        self.address, self.expires = 0, 0.0

    def _take(self, ack: dhcp.Message | None) -> bool:
        if ack is None or ack.kind != dhcp.ACK:
            return False
        self.address = ack.yiaddr
        self.expires = self.world.now + int.from_bytes(ack.options[51], "big")
        self.server = int.from_bytes(ack.options[54], "big")
        return True

    @property
    def left_s(self) -> int:
        return round(self.expires - self.world.now)
