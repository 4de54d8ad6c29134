"""A lease without end (BOOTP) whose client takes one with an end: both servers come to the same end, and it ends."""

from __future__ import annotations

import pytest
from pair import Client, Server, World, config, scope

from tandem.base.io import Datagram
from tandem.base.ipv4 import parse_ipv4
from tandem.base.units import FOREVER
from tandem.lease import binding as b
from tandem.wire import dhcp

HOST = parse_ipv4("192.168.50.7")
RESERVED = {"192.168.50.7": b"h\x01\x02\x00\x00\x00\x00\x01"}


def permanent_pair() -> tuple[World, Client]:
    """A pair that both know the host's lease without end."""
    make = lambda: scope(lease_s=7200, reservations=RESERVED)  # noqa: E731
    world = World(lambda: config(True, make()), lambda: config(False, make())).pair()
    host = Client(world, 1)
    ask(world.main, host)
    world.run(10)
    assert [entry(s).expires for s in (world.main, world.backup)] == [FOREVER, FOREVER]
    world.books_agree()
    host.address = HOST
    return world, host


def ask(server: Server, host: Client) -> None:
    """The host asks by BOOTP."""
    message = dhcp.Message()
    message.op, message.htype, message.hlen, message.xid, message.chaddr = 1, 1, 6, 7, host.chaddr
    assert server.handle(Datagram(dhcp.encode(message), 0, 68, server.interface))


def entry(server: Server) -> b.Binding:
    assert server.node is not None
    return server.node.book.by_address[HOST]


def over(world: World) -> None:
    """Nobody has the address, and nothing waits or is refused."""
    world.books_agree()
    for server in (world.main, world.backup):
        assert entry(server).status not in (b.ACTIVE, b.EXPIRED)
        assert not any("Refused the partner's update" in note for note in server.notes), server.notes


@pytest.mark.parametrize("role", ["main", "backup"])
def test_extended_in_normal_it_has_that_end_on_both(role: str) -> None:
    world, host = permanent_pair()
    assert host.renew(getattr(world, role))
    world.run(5)
    assert [entry(s).expires for s in (world.main, world.backup)] == [host.expires, host.expires]
    world.books_agree()
    world.run(3 * 7200)
    over(world)


@pytest.mark.parametrize("role", ["main", "backup"])
def test_extended_and_ended_while_they_are_apart_it_has_ended_on_both(role: str) -> None:
    """The other server hears of the end only."""
    world, host = permanent_pair()
    other = world.backup if role == "main" else world.main
    other.crash()
    world.run(5)
    assert host.renew(getattr(world, role))
    world.run(3 * 7200)
    assert entry(getattr(world, role)).status == b.EXPIRED
    other.boot()
    world.run(7200)
    over(world)


@pytest.mark.parametrize("role", ["main", "backup"])
def test_asked_for_by_bootp_again_at_the_other_server_it_has_no_end(role: str) -> None:
    world, host = permanent_pair()
    here = getattr(world, role)
    other = world.backup if role == "main" else world.main
    other.crash()
    world.run(5)
    assert host.renew(here)
    world.run(60)
    here.crash()
    other.boot()
    world.run(60)
    ask(other, host)
    here.boot()
    world.run(3 * 7200)
    assert [entry(s).expires for s in (world.main, world.backup)] == [FOREVER, FOREVER]
    world.books_agree()
