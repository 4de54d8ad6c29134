"""A lease without end (BOOTP) whose client takes one with an end: both servers come to the same end, and it ends."""

from __future__ import annotations

import pytest
from pair import NAME, Client, Server, World, config, scope

from tandem.base.io import Datagram
from tandem.base.ipv4 import parse_ipv4
from tandem.base.units import FOREVER
from tandem.config.compiled import ServerConfig
from tandem.lease import binding as b
from tandem.wire import dhcp
from tandem.wire.failover import ServerState as S

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


@pytest.mark.parametrize("ended", ["expired", "released"])
@pytest.mark.parametrize("endless_at", ["main", "backup"])
def test_of_two_clients_the_one_whose_lease_has_no_end_keeps_it_when_the_others_is_over(
    endless_at: str, ended: str
) -> None:
    """Each server gave the address to a client of its own; the other's was heard later, and its lease has ended."""

    def make(main: bool) -> ServerConfig:
        reserved = RESERVED if main == (endless_at == "main") else None
        return config(main, scope(lease_s=7200, first="192.168.50.7", last="192.168.50.7", reservations=reserved))

    world = World(lambda: make(True), lambda: make(False)).pair()
    here, there = (world.main, world.backup) if endless_at == "main" else (world.backup, world.main)
    world.cut = True
    world.drop_connections_of(world.main)
    world.run(10)
    ask(here, Client(world, 1))
    world.run(60)
    there.take_over(here, world.now - 7200)
    other = Client(world, 2)
    assert other.lease(there) and other.address == HOST
    if ended == "released":
        other.release(there)
    else:
        world.run(3700)
    assert (entry(here).expires, entry(there).status) == (FOREVER, b.EXPIRED if ended == "expired" else b.RELEASED)
    world.cut = False
    world.run(600)
    world.books_agree()
    for server in (world.main, world.backup):
        assert entry(server).hardware == b"\x01\x02\x00\x00\x00\x00\x01" and entry(server).expires == FOREVER
    said = [n for n in there.notes if "Warning 0616" in n and ("without end" in n or "has no end" in n)]
    assert said and len(said) <= 2, "it is reported"
    assert HOST in [conflict.address for conflict in there.endpoint.conflicts]
    noted = len(world.main.notes)
    world.run(7200)
    assert not any("0616" in note for note in world.main.notes[noted:]), "once"


def test_two_servers_that_ask_each_other_for_everything_keep_what_either_knows() -> None:
    """One has lost its data, the other has an old copy: what the first makes of a reservation is no news."""
    world, _ = permanent_pair()
    world.main.crash(keep_disk=False)
    world.backup.crash()
    world.backup.disk.states[NAME].update(state=int(S.RECOVER), ask_all=True, failed_at=int(world.now))
    world.main.boot()
    world.backup.boot()
    world.run(30)
    assert (world.main.state, world.backup.state) == ("RECOVER-WAIT", "RECOVER-WAIT")
    assert [entry(s).status for s in (world.main, world.backup)] == [b.ACTIVE, b.ACTIVE]
    world.run(2 * 3600)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert [entry(s).expires for s in (world.main, world.backup)] == [FOREVER, FOREVER]
    world.books_agree()
