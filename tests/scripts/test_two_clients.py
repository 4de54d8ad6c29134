"""An address with two clients, of which each server gave it to one: what becomes of the client that loses it."""

from __future__ import annotations

import pytest
from pair import Client, World, config, scope

from tandem.lease import binding as b
from tandem.wire import dhcp

LEASE_S, MCLT_S = 7200, 3600


def lost_and_given_up() -> tuple[World, Client, Client]:
    """After a wrong partner-down both servers gave the backup's address: return who lost it, and who has released it
    since; the servers are apart again."""
    small = lambda: scope(last="192.168.50.13", lease_s=LEASE_S, pct=50)  # noqa: E731
    world = World(lambda: config(True, small()), lambda: config(False, small())).pair()
    world.cut = True
    world.drop_connections_of(world.backup)
    world.run(60)
    world.main.take_over(world.backup)
    world.run(MCLT_S + 60)
    loser = Client(world, 1)
    assert loser.lease(world.backup)
    others = [Client(world, 10 + n) for n in range(4)]
    assert all(other.lease(world.main) for other in others)
    winner = next(other for other in others if other.address == loser.address)
    world.cut = False
    world.run(60)
    assert world.main.state == world.backup.state == "NORMAL"
    winner.release(world.main)
    world.run(60)
    world.books_agree()
    assert world.backup.node is not None
    assert world.backup.node.book.by_address[loser.address].status == b.FREE, "the main's, to give to anybody"
    world.cut = True
    world.drop_connections_of(world.backup)
    world.run(30)
    assert loser.left_s > 3000
    return world, loser, winner


@pytest.mark.parametrize("restarts", [False, True])
def test_who_has_lost_its_address_is_not_believed_by_a_server_that_is_apart_again(restarts: bool) -> None:
    world, loser, winner = lost_and_given_up()
    if restarts:
        world.backup.crash()
        world.backup.boot()
        world.run(60)
    assert winner.lease(world.main) and winner.address == loser.address, "it is the main's to give"
    refused = loser.send([world.backup], dhcp.REQUEST, ciaddr=loser.address)
    assert refused is not None and refused.kind == dhcp.NAK
    address = loser.address
    assert not loser.lease(world.backup) or loser.address != address


def test_another_client_of_the_same_address_is_believed() -> None:
    """The main may have given it the address since, and not be able to say so."""
    world, loser, _ = lost_and_given_up()
    third = Client(world, 50)
    assert third.lease(world.main) and third.address == loser.address
    world.main.crash()
    assert third.renew(world.backup)


def test_the_loss_is_remembered_for_no_longer_than_the_lease_would_have_run() -> None:
    world, loser, _ = lost_and_given_up()
    assert str(loser.address) in world.backup.endpoint.saved.lost
    world.run(loser.left_s + 1)
    assert not world.backup.endpoint.powers.has_lost(loser.address, b"h\x01" + loser.chaddr, world.now)
