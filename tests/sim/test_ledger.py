"""The clients' ledger tolerates what it says that it tolerates, and nothing beside it (decisions/0016)."""

from __future__ import annotations

import pytest

from tandem.sim.clients import Client, Habits
from tandem.sim.field import Field
from tandem.sim.ledger import Ledger
from tandem.sim.settings import LAN, MAIN, Settings, Subnet
from tandem.sim.world import Violation, World
from tandem.wire import dhcp

ADDRESS, ONE, OTHER = 0x0A090105, b"one", b"other"
LEASE_S = 600


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(World(1), 0.0)


def take(ledger: Ledger, key: bytes, asked_at: float | None = None, late: bool = False) -> None:
    now = ledger.world.now
    asked_at = now if asked_at is None else asked_at
    ledger.take(ADDRESS, key, asked_at, asked_at + LEASE_S, key.decode(), 1, 2, late)


def test_a_release_ends_a_lease_that_was_asked_for_while_it_was_under_way(ledger: Ledger) -> None:
    take(ledger, ONE)
    ledger.world.run(ledger.world.now + 1)
    ledger.released(ADDRESS, ONE)
    assert not ledger.valid()
    take(ledger, OTHER)
    assert [held.key for _, held in ledger.valid()] == [OTHER]


def test_a_release_that_comes_before_the_answer_ends_the_lease_too(ledger: Ledger) -> None:
    asked_at = ledger.world.now
    ledger.world.run(asked_at + 1)
    ledger.released(ADDRESS, ONE)
    take(ledger, OTHER)
    take(ledger, ONE, asked_at)
    assert [held.key for _, held in ledger.valid()] == [OTHER]


def test_a_lease_that_is_asked_for_after_the_release_has_arrived_is_a_promise(ledger: Ledger) -> None:
    ledger.released(ADDRESS, ONE)
    ledger.world.run(ledger.world.now + 1)
    take(ledger, ONE)
    with pytest.raises(Violation, match="one holder"):
        take(ledger, OTHER)


def test_an_extension_of_what_is_not_held_is_tolerated_only_where_its_server_had_to_believe(ledger: Ledger) -> None:
    take(ledger, OTHER)
    with pytest.raises(Violation, match="one holder"):
        take(ledger, ONE, late=True)
    ledger.believed = lambda server, address, end: True
    with pytest.raises(Violation, match="one holder"):
        take(ledger, ONE)
    take(ledger, ONE, late=True)
    (double,) = ledger.doubles
    assert (double.first, double.second, double.reported) == (OTHER, ONE, False)


@pytest.mark.parametrize("given_up", [True, False])
def test_a_clone_extends_what_its_twin_has_given_up(given_up: bool, ledger: Ledger) -> None:
    """One client to the servers: what one of the two gave up, the other holds no more, and asks for late."""
    subnet = Subnet("net", LAN, 10, MAIN, 0)
    field = Field(ledger.world, Settings((subnet,)), ledger.world.chance("field"))
    clone = Client(ledger.world, field, ledger, 1, b"\2\0\0\0\0\1", subnet, Habits("clone"))
    ledger.believed = lambda server, address, end: True
    clone._enter(2)
    clone.receive(_ack(clone), MAIN)
    if given_up:
        ledger.drop(ADDRESS, clone.key)
    clone._enter(5)
    clone.receive(_ack(clone), MAIN)
    assert [(held.late, held.tainted) for _, held in ledger.valid()] == [(given_up, given_up)]


def _ack(client: Client) -> dhcp.Message:
    times = {51: LEASE_S, 58: LEASE_S // 2, 59: LEASE_S * 7 // 8}
    options = {number: seconds.to_bytes(4, "big") for number, seconds in times.items()}
    options |= {53: bytes((dhcp.ACK,)), 54: MAIN.to_bytes(4, "big")}
    client._new_transaction()
    return dhcp.Message(op=2, xid=client._xid, yiaddr=ADDRESS, chaddr=client.chaddr, options=options)
