"""What clients can make the book remember is bounded, however often they come and go."""

from __future__ import annotations

from tandem.base.ranges import RangeSet
from tandem.config.compiled import CompiledScope, EffectivePolicy, Network, ServerConfig
from tandem.lease.binding import ACTIVE, FREE, RELEASED, Binding
from tandem.lease.book import Book
from tandem.lease.powers import STANDALONE

FIRST = 0x0A00000A


def book() -> Book:
    scope = CompiledScope(
        "lan", 0, 0x0A000000, 0xFFFFFF00, RangeSet([(FIRST, FIRST + 99)]), EffectivePolicy({}), {}, {}
    )  # fmt: skip
    return Book(ServerConfig(scopes=[scope], networks=[Network(0, [scope])]))


def lease(b: Book, address: int, now: int, length: int) -> None:
    binding = b.record(address, b.config.scopes[0])
    b.set_client(binding, b"\x01" + bytes(6), b"")
    binding.expires = now + length
    b.set_status(binding, ACTIVE, now)


def test_a_client_that_asks_again_and_again_costs_one_offer() -> None:
    b = book()
    scope = b.config.scopes[0]
    for now in range(5000):
        assert b.may_give(scope, FIRST, b"hA", STANDALONE, now)
        b.set_aside(scope, FIRST, b"hA", now, now + 120, 60)
    assert len(b.offered) == 1
    assert len(b._offer_ends) < 300
    b.end_offers(4999 + 119)
    assert b.offered
    b.end_offers(4999 + 120)
    assert not b.offered and b.pools[0].main.size == 100


def test_leasing_and_releasing_leaves_no_trail() -> None:
    """While never-used addresses are given first, the heap of used ones is never emptied from its top."""
    b = book()
    for now in range(5000):
        lease(b, FIRST, now, 100)
        b.set_status(b.by_address[FIRST], FREE, now)
    assert len(b.pools[0].main.heap) < 300
    assert b.pools[0].main.size == 100
    for n in range(99):
        assert b.choose(b.config.scopes[0], b"h%d" % n, STANDALONE, 5000, 5100, 60).address == FIRST + 1 + n  # type: ignore[union-attr]
    last = b.choose(b.config.scopes[0], b"hlast", STANDALONE, 5000, 5100, 60)
    assert last is not None and last.address == FIRST
    assert b.choose(b.config.scopes[0], b"hmore", STANDALONE, 5000, 5100, 60) is None


def test_a_short_lease_after_a_long_one_ends_in_time() -> None:
    b = book()
    lease(b, FIRST, 1000, 604800)
    b.set_status(b.by_address[FIRST], RELEASED, 1001)
    b.set_status(b.by_address[FIRST], FREE, 1002)
    lease(b, FIRST, 1003, 60)
    assert b.next_due() == 1063
    assert [x.address for x in b.due(1063)] == [FIRST]


def test_a_binding_comes_up_once() -> None:
    b = book()
    lease(b, FIRST, 1000, 100)
    b.schedule(1050, b.by_address[FIRST])
    assert [x.address for x in b.due(2000)] == [FIRST]
    assert b.next_due() is None


def test_an_offer_survives_a_reload_that_leaves_the_addresses_alone() -> None:
    b = book()
    offer = b.choose(b.config.scopes[0], b"hA", STANDALONE, 1000, 1100, 60)
    again = book().config
    assert not b.configure(again)
    assert offer is not None and offer.scope is again.scopes[0]
    assert b.pools[0].scope is again.scopes[0]
    assert b.take_offer(offer).address == FIRST


def test_an_offer_of_addresses_that_change_is_forgotten_but_its_address_is_not() -> None:
    b = book()
    b.assign_unused(FIRST + 50, FIRST + 99, 7)
    b.choose(b.config.scopes[0], b"hA", STANDALONE, 1000, 1100, 60)
    sizes = b.pools[0].main.size, b.pools[0].backup.size
    assert sizes == (49, 50)
    changed = book().config
    changed.scopes[0].allocate_first_available = True
    assert b.configure(changed) == {0}
    assert not b.offered
    assert (b.pools[0].main.size, b.pools[0].backup.size) == (50, 50)


def test_after_a_restart_the_young_leases_tell_how_many_clients_come() -> None:
    b, now = book(), 1_700_000_000
    rows = []
    for n in range(100):
        binding = Binding(FIRST + n, ACTIVE)
        binding.start_of_state, binding.expires = now - 180 * n, now + 7200
        rows.append(binding.row())
    b.load(rows, [])
    b.estimate_arrivals(now)
    assert b.pools[0].arrivals.count == 80  # those of the last four hours
    assert 19 < b.pools[0].arrivals.per_s(now) * 3600 < 21
