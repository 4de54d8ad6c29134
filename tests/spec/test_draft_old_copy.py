"""A lease database from an old copy that nobody spoke of (draft section 5.16): a server finds out by what its partner
remembers of it; and nothing else looks like that."""

from __future__ import annotations

import copy

import pytest
from moves import path
from pair import Client, Disk, Server, World
from partner import Partner

from tandem.wire import failover as wire

MCLT_S = 3600


def served_since_a_copy(world: World, server: Server) -> tuple[list[Client], Disk]:
    """Return clients with leases of the pair that a copy of the server's disk does not know, and the copy."""
    assert Client(world, 1).lease()
    world.run(10)
    old = copy.deepcopy(server.disk)
    world.run(1800)
    clients = [Client(world, n) for n in range(2, 6)]
    assert all(client.lease() for client in clients)
    world.run(10)
    return clients, old


@pytest.mark.parametrize("which", ["main", "backup"])
@pytest.mark.parametrize("taken_over", [False, True])
def test_a_server_with_an_old_copy_recovers_by_itself(which: str, taken_over: bool) -> None:
    world = World().pair()
    server, other = (world.main, world.backup) if which == "main" else (world.backup, world.main)
    clients, old = served_since_a_copy(world, server)
    server.crash()
    world.run(60)
    if taken_over:
        assert other.node is not None
        other.node.set_partner_down(world.now, server.address, None, False, out := [])
        other.perform(out)
    server.disk = old
    server.notes.clear()
    server.boot()
    world.run(30)
    assert path(server) == ["RECOVER", "RECOVER-WAIT"]
    assert any("it is an old copy" in note for note in server.notes)
    assert set(other.active()) <= set(server.active())
    assert all(client.renew(other) for client in clients)
    world.run(MCLT_S)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert all(client.renew(server) for client in clients)
    world.run(5)
    world.books_agree()


@pytest.mark.parametrize("which", ["main", "backup"])
def test_a_clock_that_was_set_back_looks_like_no_old_copy(which: str) -> None:
    world = World().pair()
    server = world.main if which == "main" else world.backup
    world.run(100)
    world.cut = True
    world.run(120)
    assert server.node is not None
    server.skew_s -= 7200
    world.run(300)
    server.crash()
    world.cut = False
    server.notes.clear()
    server.boot()
    world.run(30)
    assert path(server) == ["COMMUNICATIONS-INTERRUPTED", "NORMAL"]


def test_a_partner_that_starts_has_stored_nothing_yet() -> None:
    """What it says in STARTUP is not held against it when it dies once more."""
    partner = Partner(True)
    partner.normal()
    partner.say(wire.Contact())
    heard, partner.now = int(partner.now), partner.now + 1
    partner.hang_up()
    partner.wait(7200)
    partner.open()
    partner.state_message(wire.ServerState.NORMAL, startup=True)
    partner.say(wire.Contact())
    assert partner.endpoint.saved.heard_until == heard
    partner.hang_up()
    partner.said()
    partner.answer_call()
    (connect,) = partner.said()
    assert isinstance(connect, wire.Connect) and connect.vendor[5] == heard.to_bytes(4, "big")
