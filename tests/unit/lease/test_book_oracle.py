"""The lease book against a naive oracle: the same story told to both, compared after every step.

The oracle is a dictionary: one entry per address, with what a child would write down of it. It knows no ranges,
heaps, counters or timers.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tandem.base.io import Effect
from tandem.base.ranges import RangeSet
from tandem.config.compiled import CompiledScope, EffectivePolicy, Network, Reservation, ServerConfig
from tandem.lease.binding import ABANDONED, ACTIVE, BACKUP, EXPIRED, FREE, RELEASED, RESET, client_key
from tandem.lease.book import Book
from tandem.lease.powers import ANSWER_ALL, Powers

SUBNET = 0x0A000000
LOWEST, HIGHEST = SUBNET + 10, SUBNET + 15
RESERVED, RESERVED_OUTSIDE = SUBNET + 13, SUBNET + 5
SECOND = 0x0B000000
EVERYWHERE = [*range(LOWEST, HIGHEST + 1), RESERVED_OUTSIDE, *range(SECOND + 1, SECOND + 4)]
OFFER_S = 20
CLIENTS = [b"h\x01" + bytes((n,)) * 6 for n in range(1, 7)]
NEVER = float("inf")


def configuration(first_available: bool) -> ServerConfig:
    reserved = [Reservation(RESERVED, CLIENTS[0]), Reservation(RESERVED_OUTSIDE, CLIENTS[1])]
    ranges = RangeSet([(LOWEST, HIGHEST)])
    ranges.discard(RESERVED)
    lan = CompiledScope(
        "lan", 0, SUBNET, 0xFFFFFF00, ranges, EffectivePolicy({}), {r.key: r for r in reserved},
        {r.address: r for r in reserved}, endpoint=1, allocate_first_available=first_available,
    )  # fmt: skip
    more = CompiledScope(
        "more", 1, SECOND, 0xFFFFFF00, RangeSet([(SECOND + 1, SECOND + 3)]), EffectivePolicy({}), {}, {}, endpoint=1
    )
    return ServerConfig(scopes=[lan, more], networks=[Network(0, [lan], 1), Network(1, [more], 1)])


@dataclass
class Entry:
    """What the oracle knows of one address."""

    owner: int
    status: int = 0  # 0: never used
    client: bytes = b""
    since: int = 0
    due: int = 0
    aside_for: bytes = b""
    aside_until: int = 0

    @property
    def available(self) -> int:
        """Its owner, if it can be given; else 0."""
        if self.aside_for:
            return 0
        if not self.status:
            return self.owner
        return self.status if self.status in (FREE, BACKUP) else 0


class BookStory(RuleBasedStateMachine):
    """One server's book through anything that its callers may do to it."""

    @initialize(first_available=st.booleans())
    def begin(self, first_available: bool) -> None:
        self.first_available = first_available
        self.config = configuration(first_available)
        self.book = Book(self.config)
        self.now = 1_000
        self.known = {address: Entry(FREE) for address in EVERYWHERE}
        self.rows: dict[int, tuple[object, ...]] = {}

    # --- helpers ----------------------------------------------------------------------------------------

    def scope(self, address: int) -> CompiledScope:
        return self.config.scopes[0 if address < SECOND else 1]

    def reserved_for(self, address: int) -> bytes:
        reservation = self.scope(address).reserved.get(address)
        return reservation.key if reservation else b""

    def dynamic(self, scope: CompiledScope) -> dict[int, Entry]:
        return {a: e for a, e in self.known.items() if self.scope(a) is scope and not self.reserved_for(a)}

    def aside(self, key: bytes) -> int | None:
        return next((a for a, e in self.known.items() if e.aside_for == key), None)

    def give_back(self, key: bytes) -> None:
        address = self.aside(key)
        if address is not None:
            self.known[address].aside_for = b""

    def put(self, address: int, status: int) -> None:
        """Both sides: the address changes its status, as callers of ``set_status`` do it."""
        binding = self.book.record(address, self.scope(address))
        binding.expires = self.known[address].due
        self.book.set_status(binding, status, self.now)
        self.save(address)
        entry = self.known[address]
        if status != entry.status:
            entry.since = self.now
        entry.status = status

    def save(self, address: int) -> None:
        out: list[Effect] = []
        self.book.save(self.book.by_address[address], out)
        self.rows[address] = out[0].row  # type: ignore[union-attr]
        self.book.changed.clear()

    def powers(self, own: int, own_open: bool, other_open: bool) -> Powers:
        own_from, other_from = (-NEVER if is_open else NEVER for is_open in (own_open, other_open))
        return Powers(ANSWER_ALL, own, other_from, 3600, "", own_from=own_from)

    def expected(self, scope: CompiledScope, own: int) -> int | None:
        """Which address of an owner's side is next."""
        ready = {a: e for a, e in self.dynamic(scope).items() if e.available == own}
        if not ready:
            return None
        unused = [a for a, e in ready.items() if not e.status]
        if scope.allocate_first_available:
            return min(ready)
        return min(unused) if unused else None

    # --- what DHCP does ---------------------------------------------------------------------------------

    @rule(
        key=st.sampled_from(CLIENTS), own=st.sampled_from([FREE, BACKUP]), own_open=st.booleans(),
        other_open=st.booleans(), which=st.sampled_from([0, 1]),
    )  # fmt: skip
    def choose(self, key: bytes, own: int, own_open: bool, other_open: bool, which: int) -> None:
        scope = self.config.scopes[which]
        other = BACKUP if own == FREE else FREE
        sides = ([own] if own_open else []) + ([other] if other_open else [])
        available = {side: [a for a, e in self.dynamic(scope).items() if e.available == side] for side in sides}
        side = next((side for side in sides if available[side]), 0)
        wanted = self.expected(scope, side) if side else None
        powers = self.powers(own, own_open, other_open)
        offer = self.book.choose(scope, key, powers, self.now, self.now + OFFER_S, 60)
        if not side:
            assert offer is None
            return
        assert offer is not None and offer.address in available[side]
        assert wanted is None or offer.address == wanted
        if wanted is None:  # the one that has been free the longest
            assert self.known[offer.address].since == min(self.known[a].since for a in available[side])
        self.give_back(key)
        self.known[offer.address].aside_for, self.known[offer.address].aside_until = key, self.now + OFFER_S

    @rule(
        key=st.sampled_from(CLIENTS), address=st.sampled_from(EVERYWHERE), own=st.sampled_from([FREE, BACKUP]),
        own_open=st.booleans(), other_open=st.booleans(), length=st.sampled_from([0, 0, 5, 100, 300]),
    )  # fmt: skip
    def give(self, key: bytes, address: int, own: int, own_open: bool, other_open: bool, length: int) -> None:
        entry, scope = self.known[address], self.scope(address)
        powers = self.powers(own, own_open, other_open)
        reserved = self.reserved_for(address)
        owner = (entry.status or entry.owner) if entry.status in (0, FREE, BACKUP) else 0
        may = bool(owner) and (not entry.aside_for or entry.aside_for == key)
        if reserved:
            may = may and reserved == key
        elif owner:
            may = may and (own_open if owner == own else other_open)
        assert self.book.may_give(scope, address, key, powers, self.now) == may
        if not may:
            return
        if not length:
            self.book.set_aside(scope, address, key, self.now, self.now + OFFER_S, 60)
            self.give_back(key)
            entry.aside_for, entry.aside_until = key, self.now + OFFER_S
        else:
            self.lease(key, address, length)

    def lease(self, key: bytes, address: int, length: int) -> None:
        """The client gets the address: by its offer if it has one of it, else outright."""
        network = self.book.network_of(self.scope(address))
        offer = self.book.offer_to(network, key)
        if self.aside(key) == address:
            assert offer is not None and offer.address == address
            self.book.take_offer(offer)
            self.known[address].aside_for = b""
        binding = self.book.record(address, self.scope(address))
        self.book.set_client(binding, key[1:], b"")
        entry = self.known[address]
        entry.client, entry.due = key, self.now + length
        self.put(address, ACTIVE)

    @rule(key=st.sampled_from(CLIENTS), length=st.sampled_from([1, 5, 100, 300]))
    def accept(self, key: bytes, length: int) -> None:
        address = self.aside(key)
        if address is not None:
            self.lease(key, address, length)

    @rule(key=st.sampled_from(CLIENTS), which=st.sampled_from([0, 1]))
    def withdraw(self, key: bytes, which: int) -> None:
        self.book.withdraw(self.config.networks[which], key)
        address = self.aside(key)
        if address is not None and self.scope(address) is self.config.scopes[which]:
            self.give_back(key)

    def one_of(self, n: int, *statuses: int) -> int | None:
        """One of the addresses in these states."""
        found = [a for a, e in self.known.items() if e.status in statuses and not e.aside_for]
        return found[n % len(found)] if found else None

    @rule(n=st.integers(0, 9), status=st.sampled_from([EXPIRED, RELEASED, FREE, FREE, ABANDONED]))
    def end(self, n: int, status: int) -> None:
        address = self.one_of(n, ACTIVE)
        if address is not None:
            self.known[address].due = self.now + 30
            self.put(address, status)

    # --- what failover does -----------------------------------------------------------------------------

    @rule(n=st.integers(0, 9), status=st.sampled_from([FREE, BACKUP]))
    def agree(self, n: int, status: int) -> None:
        address = self.one_of(n, EXPIRED, RELEASED, RESET)
        if address is not None:
            self.put(address, status)

    @rule(n=st.integers(0, 9))
    def move(self, n: int) -> None:
        address = self.one_of(n, FREE, BACKUP)
        if address is not None:
            self.put(address, FREE + BACKUP - self.known[address].status)

    @rule(n=st.integers(0, 9), key=st.sampled_from(CLIENTS), length=st.sampled_from([0, 0, 5, 100, 300]))
    def give_again(self, n: int, key: bytes, length: int) -> None:
        """An address that was given before is given (or offered) to somebody."""
        address = self.one_of(n, FREE, BACKUP)
        if address is not None:
            self.give(key, address, FREE, True, True, length)

    @rule(
        key=st.sampled_from(CLIENTS), address=st.sampled_from(EVERYWHERE),
        status=st.sampled_from([ACTIVE, FREE, BACKUP]),
    )  # fmt: skip
    def told(self, key: bytes, address: int, status: int) -> None:
        """The partner tells of an address, whatever it is here."""
        entry = self.known[address]
        self.book.cancel_offer(address)
        entry.aside_for = b""
        binding = self.book.record(address, self.scope(address))
        self.book.set_client(binding, key[1:], b"")
        entry.client, entry.due = key, self.now + 50
        self.put(address, status)

    @rule(lo=st.sampled_from(EVERYWHERE), count=st.integers(1, 4), owner=st.sampled_from([FREE, BACKUP]))
    def share(self, lo: int, count: int, owner: int) -> None:
        self.book.assign_unused(lo, lo + count - 1, owner)
        for address in range(lo, lo + count):
            entry = self.known.get(address)
            if entry is not None and not entry.status and not entry.aside_for and not self.reserved_for(address):
                entry.owner = owner

    # --- time, reload, restart --------------------------------------------------------------------------

    @rule(seconds=st.integers(1, 60))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        self.book.end_offers(self.now)
        for entry in self.known.values():
            if entry.aside_for and entry.aside_until <= self.now:
                entry.aside_for = b""
        come_up = set()
        for binding in self.book.due(self.now):
            come_up.add(binding.address)
            if binding.status in (ACTIVE, ABANDONED) and binding.expires > self.now:
                self.book.schedule(binding.expires, binding)
            elif binding.status in (ACTIVE, ABANDONED):
                self.put(binding.address, EXPIRED if binding.status == ACTIVE else RESET)
        for address, entry in self.known.items():
            assert entry.status not in (ACTIVE, ABANDONED) or entry.due > self.now, f"{address} did not come up"

    @rule()
    def reload(self) -> None:
        """The same addresses: pools and offers stay."""
        self.config = configuration(self.first_available)
        assert not self.book.configure(self.config)

    @rule()
    def reload_in_another_order(self) -> None:
        """The pool of the first scope is made anew, and its offers are forgotten; the other scope's stay."""
        self.first_available = not self.first_available
        self.config = configuration(self.first_available)
        assert self.book.configure(self.config) == {0}
        for address, entry in self.known.items():
            if self.scope(address).index == 0:
                entry.aside_for = b""

    @rule()
    def restart(self) -> None:
        shares = [(a, a) for a, e in self.known.items() if not e.status and e.owner == BACKUP]
        self.book = Book(self.config)
        self.book.load(self.rows.values(), shares)
        for entry in self.known.values():
            entry.aside_for = b""

    # --- what must hold after every step ----------------------------------------------------------------

    @invariant()
    def same_records(self) -> None:
        for address, entry in self.known.items():
            binding = self.book.by_address.get(address)
            assert (binding.status if binding else 0) == entry.status
            if binding is not None and entry.client:
                assert client_key(binding.client_id, binding.hardware) == entry.client
                assert binding in self.book.clients.all_of(entry.client)

    @invariant()
    def same_counts(self) -> None:
        for scope in self.config.scopes:
            pool = self.book.pools[scope.index]
            mine = [e for a, e in self.known.items() if self.scope(a) is scope]
            for status in range(1, 8):
                assert pool.counts[status] == sum(e.status == status for e in mine)
            for side in (FREE, BACKUP):
                assert pool.side(side).size == sum(e.available == side for e in self.dynamic(scope).values())

    @invariant()
    def same_offers(self) -> None:
        assert set(self.book.offered) == {a for a, e in self.known.items() if e.aside_for}
        for address, entry in self.known.items():
            if entry.aside_for:
                offer = self.book.offer_to(self.book.network_of(self.scope(address)), entry.aside_for)
                assert offer is not None and offer.address == address

    @invariant()
    def latest_binding_of_a_client(self) -> None:
        for network in self.config.networks:
            for key in CLIENTS:
                own = [
                    a for a, e in self.known.items() if e.client == key and e.status and self.scope(a) in network.scopes
                ]
                found = self.book.clients.find(network, key)
                assert (found is None) == (not own)
                if found is not None:
                    assert found.address in own
                    active = [a for a in own if self.known[a].status == ACTIVE]
                    assert not active or found.address in active

    @invariant()
    def nothing_grows_without_bound(self) -> None:
        book = self.book
        assert len(book._offer_ends) <= 2 * len(book.offered) + 256
        assert len(book._timer) <= 4 * len(book.by_address) + 256
        for pool in book.pools:
            for side in (pool.main, pool.backup):
                assert len(side.heap) <= 2 * side.recorded + 256


TestBookStory = BookStory.TestCase
TestBookStory.settings = settings(stateful_step_count=60, suppress_health_check=list(HealthCheck))
