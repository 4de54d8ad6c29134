"""A scripted ISC dhcpd 4.4 for the world of ``pair``: on the wire it acts as dhcpd does, faults included.

What it would not survive raises ``dhcpd_wire.Harmed`` and so fails the test that did it. It has no client affinity, no
OMAPI and no DNS; of DHCP it knows DISCOVER, REQUEST, RELEASE and DECLINE, as far as they change a lease.
Source: observed behaviour of ISC dhcpd 4.4.3-P1; its server/dhcp.c.
"""

from __future__ import annotations

from dhcpd_failover import (
    ABANDONED,
    ACTIVE,
    BACKUP,
    CONFLICTS,
    EXPIRED,
    FREE,
    INTERRUPTED,
    NORMAL,
    PARTNER_DOWN,
    RELEASED,
    Lease,
    Relation,
)
from dhcpd_wire import NEVER
from pair import World

from tandem.base.io import ConnectFailed, Datagram, LinkData, LinkDown, LinkUp, Reply, Tick
from tandem.lease.loadbalance import bucket
from tandem.wire import dhcp


class Dhcpd(Relation):
    """A dhcpd in a world, on the seat of its main or backup. ``main``: it is the primary.

    ``lease_s``: the lease time; ``window``: its max-unacked-updates; ``first``, ``last``: its range; ``split``: how
    many of the 256 hash buckets are the primary's.
    """

    def __init__(
        self, world: World, main: bool, *, lease_s: int = 259200, mclt_s: int = 3600, window: int = 10,
        first: str = "192.168.50.10", last: str = "192.168.50.200", split: int = 128,
    ) -> None:  # fmt: skip
        super().__init__(world, main, window, mclt_s, first, last, split)
        self.lease_s = lease_s
        self._offered: dict[bytes, int] = {}
        world.servers[self.address] = self  # type: ignore[assignment]
        setattr(world, "main" if main else "backup", self)

    # --- the world's side -------------------------------------------------------------------------------

    @property
    def node(self) -> Dhcpd | None:
        """Itself while it runs: what ``World`` asks for the next deadline."""
        return self if self.up else None

    def boot(self) -> None:
        """Start it, with what its lease file holds."""
        self.up = True
        self.forget()
        self._offered.clear()
        self.since = self.since or self.now
        for lease in self.leases.values():
            lease.tstp, lease.desired, lease.xid = lease.tstp or lease.ends, lease.state, 0
        self._startup_at, self._retry_at = self.now + 15, self.now
        self.handle(Tick())

    def crash(self) -> None:
        """End it: by whatever, it says nothing."""
        self.up = False
        self.world.drop_connections_of(self)

    def deadline(self) -> float:
        """When something is due next, by its own clock."""
        due = min(self._acks_at, self._balance_at, self._recovered_at, self._startup_at, self._link_deadline())
        return min(due, *map(self._end_of, self._timed.values()), NEVER) + 0.001

    def handle(self, event: object) -> list[Reply]:
        """Take an input of the world's; return the replies to clients."""
        if not self.up:
            return []
        if isinstance(event, Datagram):
            self._client(dhcp.decode(event.data))
        elif isinstance(event, LinkUp):
            self._linked(event.link)
        elif isinstance(event, LinkData):
            self._data(event.link, event.data)
        elif isinstance(event, LinkDown):
            self._unlinked(event.link)
        elif isinstance(event, ConnectFailed):
            self._not_connected()
        self._tick()
        return self.perform()

    def set_partner_down(self) -> None:
        """What its operator does with omshell."""
        self._set_state(PARTNER_DOWN)
        self.perform()

    # --- clients ----------------------------------------------------------------------------------------

    def _serves(self) -> bool:
        silent = self.partner_state in (PARTNER_DOWN, *CONFLICTS)
        return self._me in (NORMAL, INTERRUPTED, PARTNER_DOWN) and not self.starting and not silent

    def _may_give(self, lease: Lease) -> bool:
        own = FREE if self.main else BACKUP
        if lease.state == own or (lease.state in (EXPIRED, RELEASED) and lease.rewind == own):
            return True
        since = max(lease.tsfp, self.since)
        return lease.state in (FREE, BACKUP) and self._me == PARTNER_DOWN and since + self.mclt_s < self.now

    def _client(self, message: dhcp.Message) -> None:
        hardware = bytes((message.htype,)) + message.chaddr
        server = message.options.get(54)
        lease = self.leases.get(message.ciaddr or int.from_bytes(message.options.get(50, b""), "big"))
        if message.kind in (dhcp.RELEASE, dhcp.DECLINE):
            if lease is not None and lease.state == ACTIVE and lease.hardware == hardware:
                self._give_up(lease, message.kind == dhcp.RELEASE)
            return
        if not self._serves():
            return
        if message.kind == dhcp.DISCOVER:
            lease = self._choose(hardware)
            if lease is not None and (self._me != NORMAL or self._is_mine(message, hardware)):
                self._offered[hardware] = lease.address
                self._reply(message, dhcp.OFFER, lease, self._granted(lease))
        elif message.kind == dhcp.REQUEST and lease is not None and server in (None, self.address.to_bytes(4, "big")):
            offered = self._offered.pop(hardware, None) == lease.address
            if (lease.state == ACTIVE and lease.hardware == hardware) or (offered and self._may_give(lease)):
                self._grant(lease, hardware, message)

    def _is_mine(self, message: dhcp.Message, hardware: bytes) -> bool:
        """Load balancing: a 1 bit is the main's."""
        number = bucket(message.options.get(61, b""), hardware)
        return bool(self.buckets[number // 8] >> number % 8 & 1) == self.main

    def _choose(self, hardware: bytes) -> Lease | None:
        for lease in self.leases.values():
            if lease.hardware == hardware and (lease.state == ACTIVE or self._may_give(lease)):
                return lease
        taken = self._offered.values()
        mine = [ls for ls in self.leases.values() if self._may_give(ls) and ls.address not in taken]
        return min(mine, key=lambda ls: (ls.ends, ls.address), default=None)

    def _granted(self, lease: Lease) -> int:
        now = self.now
        if self.lease_s <= self.mclt_s:
            return self.lease_s
        return self.mclt_s if lease.tsfp <= now else min(self.lease_s, lease.tsfp - now + self.mclt_s)

    def _grant(self, lease: Lease, hardware: bytes, message: dhcp.Message) -> None:
        granted = self._granted(lease)
        lease.tstp = self.now + self.lease_s + granted // 2
        lease.tsfp = min(lease.tsfp, lease.tstp)
        lease.starts = lease.cltt = self.now
        lease.ends = self.now + granted
        lease.hardware, lease.client_id = hardware, message.options.get(61, b"")
        self._become(lease, ACTIVE, propagate=True)
        self._reply(message, dhcp.ACK, lease, granted)
        self.flush_updates()

    def _give_up(self, lease: Lease, released: bool) -> None:
        own = FREE if self.main else BACKUP
        if released:
            lease.ends = lease.tstp = self.now
            alone = self._me == INTERRUPTED and lease.rewind == own
            self._become(lease, own if alone else RELEASED, propagate=True)
        else:
            lease.ends = self.now + 86400
            lease.hardware = lease.client_id = b""
            self._become(lease, ABANDONED, propagate=True)
        self.flush_updates()

    def _reply(self, asked: dhcp.Message, kind: int, lease: Lease, granted: int) -> None:
        options = {53: bytes((kind,)), 54: self.address.to_bytes(4, "big"), 51: granted.to_bytes(4, "big")}
        answer = dhcp.Message(op=2, xid=asked.xid, chaddr=asked.chaddr, yiaddr=lease.address, options=options)
        self._out.append(Reply(dhcp.encode(answer), lease.address, 68, self.interface, asked.chaddr))
