"""Clients: full RFC 2131 ones, and those that servers meet in life: roaming, vanishing, cloned, stubborn, BOOTP.

A client's life: it comes, gets a lease, keeps it as long as it stays, leaves in its own way, and comes back. All its
decisions are drawn from its own source of chance. Does not know servers or failover.
Source: RFC 2131 sections 3 and 4.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from tandem.base.ipv4 import format_ipv4
from tandem.sim.field import Field
from tandem.sim.ledger import Ledger
from tandem.sim.settings import Subnet
from tandem.sim.world import Violation, World
from tandem.wire import dhcp

AWAY, SELECTING, REQUESTING, REBOOTING, BOUND, RENEWING, REBINDING = range(7)
STATE_NAMES = ("away", "selecting", "requesting", "rebooting", "bound", "renewing", "rebinding")
_RETRY_S = (4, 8, 16, 32)
_PARAMETERS = bytes((1, 3, 6, 15, 51, 54, 58, 59))


@dataclass(frozen=True, slots=True)
class Habits:
    """How a kind of clients behaves."""

    kind: str
    stay_s: float = 7200
    """How long it stays on average."""
    away_s: float = 3600
    releases: float = 0.3
    """How likely it releases its lease when it leaves (else it vanishes)."""
    roams: float = 0.0
    """How likely it comes back on another subnet."""
    obeys_nak: bool = True
    overstays: bool = False
    """Whether it goes on using its address when the lease is over."""
    declines: float = 0.0
    """How likely it finds its new address in use."""
    bootp: bool = False
    returns: bool = True


ORDINARY = Habits("ordinary")
KINDS = (
    ORDINARY,
    Habits("visitor", stay_s=600, away_s=900, releases=0.6),
    Habits("roaming", stay_s=900, away_s=60, releases=0.1, roams=0.7),
    Habits("abandoned", stay_s=1800, releases=0.0, returns=False),
    Habits("stubborn", stay_s=9000, releases=0.1, obeys_nak=False, overstays=True),
    Habits("declining", stay_s=1800, declines=0.1),
)
"""Kinds of clients besides clones and BOOTP hosts."""
BOOTP_HOST = Habits("bootp", bootp=True, releases=0.0)
RESERVED_HOST = Habits("reserved", stay_s=3600, away_s=600)


class Client:
    """A client."""

    def __init__(
        self, world: World, field: Field, ledger: Ledger, number: int, chaddr: bytes, subnet: Subnet, habits: Habits,
    ) -> None:  # fmt: skip
        self.world, self.field, self.ledger = world, field, ledger
        self.number, self.chaddr, self.subnet, self.habits = number, chaddr, subnet, habits
        self.name = f"{habits.kind}-{number} {chaddr.hex(':')}"
        self._chance = world.chance(f"client {number}")
        self.client_id = b"\x00" + chaddr if self._chance.random() < 0.3 and not habits.bootp else b""
        self.key = b"i" + self.client_id if self.client_id else b"h\x01" + chaddr
        self.state = AWAY
        self.cloned = False
        """Whether its hardware address is another's."""
        self.frozen = False
        """Whether it does nothing any more (the end of a story)."""
        self.address = 0
        self.server = 0
        self.end = 0.0
        self._t1 = self._t2 = 0.0
        self._sent_at = 0.0
        self._began = 0.0
        """When it began to look for an address, or to extend its lease."""
        self._xid = 0
        self._try = 0
        self._offered = 0
        self._token = 0
        self._leaves_at = float("inf")
        field.join(self)

    # --- life -------------------------------------------------------------------------------------------

    def arrive(self) -> None:
        """Come (back), perhaps elsewhere, and look for an address."""
        if self.frozen:
            return
        stay = self._chance.expovariate(1 / self.habits.stay_s)
        self._leaves_at = self.world.now + stay
        self.world.at(self._leaves_at, self._leave, self._leaves_at)
        if self.habits.bootp:
            self._ask_bootp()
        elif self.address and (self.end > self.world.now or self._chance.random() < 0.5):
            self._reboot()
        else:
            self._discover()

    def _leave(self, planned: float) -> None:
        if self.frozen or planned != self._leaves_at:
            return
        if self.state in (BOUND, RENEWING, REBINDING) and self._chance.random() < self.habits.releases:
            self._release()
        self._enter(AWAY)
        if not self.habits.returns:
            self.world.happened["client vanishes"] += self.end > self.world.now
            return
        if self.habits.roams and self._chance.random() < self.habits.roams:
            nets = list(self.field.subnets.values())
            home, self.subnet = self.subnet, nets[self._chance.randrange(len(nets))]
            self.world.happened["client roams"] += home is not self.subnet
        self.world.after(self._chance.expovariate(1 / self.habits.away_s), self.arrive)

    def freeze(self) -> None:
        """Do nothing any more."""
        self.frozen = True
        self._token += 1

    def _enter(self, state: int, wait_s: float | None = None) -> None:
        """Take a state, and have ``_timer`` called in ``wait_s``."""
        if self.world.trace is not None and state != self.state:
            at = f" at {format_ipv4(self.address)}" if self.address else ""
            self.world.say(f"{self.name} is {STATE_NAMES[state]} on {self.subnet.name}{at}")
        self.state = state
        self._token += 1
        if wait_s is not None:
            self.world.after(wait_s, self._timer, self._token)

    def _timer(self, token: int) -> None:
        if token != self._token:
            return
        state = self.state
        if state == SELECTING and self.habits.bootp:
            self._ask_bootp()
        elif state == SELECTING:
            self._discover_again()
        elif state == REQUESTING:
            if self._try < 3:
                self._send_selecting()
            else:
                self._discover()
        elif state == REBOOTING:
            if self._try < 3:
                self._send_reboot()
            elif self.end > self.world.now:
                self._bound()  # RFC 2131 section 3.2 step 3: it may use the address for the rest of the lease
            else:
                self._discover()
        elif state in (BOUND, RENEWING, REBINDING):
            self._lease_timer()

    # --- getting a lease --------------------------------------------------------------------------------

    def _discover(self) -> None:
        self._try = 0
        self._new_transaction()
        self._discover_again()

    def _discover_again(self) -> None:
        if self._try == len(_RETRY_S):
            self._try = 0
            self._enter(SELECTING, self._chance.uniform(100, 300))
            return
        wish = {50: self.address.to_bytes(4, "big")} if self.address and self._chance.random() < 0.7 else {}
        self._broadcast(dhcp.DISCOVER, wish)
        self._retry(SELECTING)

    def _send_selecting(self) -> None:
        options = {50: self._offered.to_bytes(4, "big"), 54: self.server.to_bytes(4, "big")}
        self._broadcast(dhcp.REQUEST, options)
        self._retry(REQUESTING)

    def _reboot(self) -> None:
        self._try = 0
        self._new_transaction()
        self._send_reboot()

    def _send_reboot(self) -> None:
        self._broadcast(dhcp.REQUEST, {50: self.address.to_bytes(4, "big")})
        self._retry(REBOOTING)

    def _retry(self, state: int) -> None:
        wait = _RETRY_S[min(self._try, len(_RETRY_S) - 1)]
        self._try += 1
        self._enter(state, wait + self._chance.uniform(-1, 1))

    def _ask_bootp(self) -> None:
        self._new_transaction()
        self._broadcast(0, {})
        self._enter(SELECTING, self._chance.uniform(4, 64))

    # --- keeping it -------------------------------------------------------------------------------------

    def _bound(self) -> None:
        self._enter(BOUND, max(self._t1 - self.world.now, 0))

    def _lease_timer(self) -> None:
        now = self.world.now
        if now >= self.end:
            self._over()
        elif now >= self._t2:
            if self.state != REBINDING:
                self._new_transaction()
            self._broadcast(dhcp.REQUEST, {}, self.address)
            self._enter(REBINDING, min(max((self.end - now) / 2, 60), self.end - now))
        else:
            if self.state != RENEWING:
                self._new_transaction()
            self.field.unicast(self.subnet, self.server, self._message(dhcp.REQUEST, {}, self.address), self.address)
            self._enter(RENEWING, min(max((self._t2 - now) / 2, 60), self._t2 - now))

    def _over(self) -> None:
        """The lease has ended without an answer."""
        self.ledger.drop(self.address, self.key)
        self.world.happened["lease outstayed"] += self.habits.overstays
        if self.habits.overstays:  # it goes on, and asks now and then as if it had a lease
            self._new_transaction()
            self._broadcast(dhcp.REQUEST, {}, self.address)
            self._enter(REBINDING, self._chance.uniform(100, 900))
        else:
            self._discover()

    def _release(self) -> None:
        self._new_transaction()
        options = {54: self.server.to_bytes(4, "big")}
        message = self._message(dhcp.RELEASE, options, self.address)
        heard = partial(self.ledger.released, self.address, self.key)
        self.field.unicast(self.subnet, self.server, message, self.address, heard)
        self.ledger.drop(self.address, self.key)
        self.end = 0.0

    # --- answers ----------------------------------------------------------------------------------------

    def receive(self, message: dhcp.Message, server: int) -> None:
        """Take a reply of ``server`` that came to this client's hardware address."""
        if message.xid != self._xid or self.frozen:
            return
        kind = message.kind
        if kind == dhcp.OFFER and self.state == SELECTING:
            self._offered = message.yiaddr
            self.server = int.from_bytes(message.options[54], "big")
            self._sent_at = self.world.now
            self._try = 0
            self._send_selecting()
        elif kind == dhcp.ACK and self.state in (REQUESTING, REBOOTING, RENEWING, REBINDING):
            self._take(message)
        elif kind == dhcp.NAK and self.state in (REQUESTING, REBOOTING, RENEWING, REBINDING):
            self._refused(message)
        elif kind == 0 and self.habits.bootp and self.state == SELECTING:
            if self.address and self.address != message.yiaddr:
                self.ledger.drop(self.address, self.key)
            self.address, self.server, self.end = message.yiaddr, server, float("inf")
            self.world.happened["BOOTP served"] += 1
            self.world.say(f"{self.name} has {format_ipv4(self.address)} from {format_ipv4(server)} for good")
            self.ledger.take(
                self.address, self.key, self._sent_at, self.end, self.name, server, self.subnet.net, False
            )  # fmt: skip
            self._enter(BOUND)

    def _take(self, message: dhcp.Message) -> None:
        options = message.options
        lease_s = int.from_bytes(options[51], "big")
        over = self.end <= self._sent_at or (self.end > self.world.now and not self.ledger.of(self.address, self.key))
        late = over and self.state in (RENEWING, REBINDING)  # over, or given up by a clone: then a NAK was ignored
        if self.address and self.address != message.yiaddr:
            self.ledger.drop(self.address, self.key)
        self.address, self.server = message.yiaddr, int.from_bytes(options[54], "big")
        self.end = self._sent_at + lease_s
        self._t1 = self._sent_at + int.from_bytes(options[58], "big")
        self._t2 = self._sent_at + int.from_bytes(options[59], "big")
        self.world.say(f"{self.name} has {format_ipv4(self.address)} from {format_ipv4(self.server)} for {lease_s} s")
        fresh = self.state == REQUESTING
        self.world.happened["clone served"] += self.cloned
        self.ledger.take(
            self.address, self.key, self._sent_at, self.end, self.name, self.server, self.subnet.net, late
        )  # fmt: skip
        if fresh and self._chance.random() < self.habits.declines:
            self._decline()
        else:
            self._bound()

    def _decline(self) -> None:
        self.world.happened["client declines"] += 1
        options = {50: self.address.to_bytes(4, "big"), 54: self.server.to_bytes(4, "big")}
        self._new_transaction()
        self._broadcast(dhcp.DECLINE, options)
        self.ledger.decline(self.address, self.key)
        self.address, self.end = 0, 0.0
        self._try = 0
        self._enter(SELECTING, 10)

    def _refused(self, message: dhcp.Message) -> None:
        held = self.ledger.of(self.address, self.key) if self.state != REQUESTING else None
        text = message.options.get(56, b"").decode("ascii", "replace")
        self.world.say(f"{self.name} is refused {format_ipv4(self.address)}: {text}")
        excused = (
            self.ledger.excuses or self.address in self.ledger.declined
            or self.field.net_of(self.address) != self.subnet.net
            or self.address in self.ledger.revoked or self.key in self.ledger.revoked
        )  # fmt: skip
        nearly_over = held is not None and held.end - self.world.now <= self.ledger.slack_s
        if held is not None and not (held.lost or held.tainted or excused or nearly_over):
            raise Violation(
                "one holder", f"{self.name} was refused {format_ipv4(self.address)}, which it validly holds for another"
                f" {held.end - self.world.now:.0f} s: {text}", format_ipv4(self.address), self.name,
            )  # fmt: skip
        if not self.habits.obeys_nak and self.state in (RENEWING, REBINDING):
            self.world.happened["NAK ignored"] += 1
            return  # it goes on as if it had heard nothing
        if self.state != REQUESTING:
            self.ledger.drop(self.address, self.key)
            self.address, self.end = 0, 0.0
        self._discover()

    # --- messages ---------------------------------------------------------------------------------------

    def _new_transaction(self) -> None:
        self._xid = self._chance.getrandbits(32)
        self._sent_at = self._began = self.world.now

    def _message(self, kind: int, options: dict[int, bytes], ciaddr: int = 0) -> bytes:
        tried_s = min(int(self.world.now - self._began), 0xFFFF)
        message = dhcp.Message(op=1, xid=self._xid, secs=tried_s, ciaddr=ciaddr, chaddr=self.chaddr)
        if kind:
            message.options = {53: bytes((kind,)), **options}
            if kind in (dhcp.DISCOVER, dhcp.REQUEST):
                message.options[55] = _PARAMETERS
            if self.client_id:
                message.options[61] = self.client_id
        return dhcp.encode(message)

    def _broadcast(self, kind: int, options: dict[int, bytes], ciaddr: int = 0) -> None:
        self.field.broadcast(self.subnet, self._message(kind, options, ciaddr))


def populate(
    world: World, field: Field, ledger: Ledger, count: int, subnets: Sequence[Subnet], spread_s: float,
    kinds: Sequence[Habits] = KINDS, cloned: float = 0.0,
) -> list[Client]:  # fmt: skip
    """Make ``count`` clients that arrive within ``spread_s``, the hosts that have reservations, and BOOTP clients where
    these get addresses.

    ``cloned``: which part of them has the hardware address of the one before.
    """
    chance: Random = world.chance("population")
    clients: list[Client] = []
    for number in range(count):
        chaddr = b"\x02\x00" + number.to_bytes(4, "big")
        twin = chance.random() < cloned
        habits = kinds[chance.randrange(len(kinds))]
        subnet = subnets[chance.randrange(len(subnets))]
        when = chance.uniform(0, spread_s)
        client = Client(
            world, field, ledger, number, clients[-1].chaddr if twin and clients else chaddr, subnet, habits
        )  # fmt: skip
        client.cloned = client.chaddr != chaddr
        world.after(when, client.arrive)
        clients.append(client)
    for home, chaddr, habits in _special(subnets):
        client = Client(world, field, ledger, len(clients), chaddr, home, habits)
        world.after(chance.uniform(0, spread_s), client.arrive)
        clients.append(client)
    return clients


def _special(subnets: Sequence[Subnet]) -> Iterator[tuple[Subnet, bytes, Habits]]:
    """Yield home, chaddr and habits of the hosts with reservations, and of BOOTP clients without, for a part of the
    addresses of each subnet that gives them some."""
    for subnet in subnets:
        for i, key in enumerate(subnet.reserved):
            yield subnet, key[1:], RESERVED_HOST if i % 3 == 2 else BOOTP_HOST
    for subnet in subnets:
        for i in range(subnet.addresses // 6 if subnet.dynamic_bootp else 0):
            yield subnet, b"\x0a" + (subnet.net >> 8 & 0xFFFF).to_bytes(2, "big") + i.to_bytes(3, "big"), BOOTP_HOST
