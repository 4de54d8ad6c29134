"""The window of updates: what an acknowledgement counts for, and what a request for updates waits for."""

from __future__ import annotations

from dataclasses import replace

from pair import BACKUP, MAIN, Client, World, config, scope

from tandem.base.io import LinkData, LinkUp
from tandem.lease import binding as b
from tandem.wire import failover as wire


def test_only_active_is_acknowledged_with_a_potential_expiration() -> None:
    """Else a client that gets its address again while its end is being acknowledged could outlive the MCLT."""
    world = World().pair()
    client = Client(world, 1)
    assert client.lease()
    queue = world.main.endpoint.queue
    _, sents = queue.next_batch(b"", int(world.now), [])
    assert [s.potential for s in sents] == [int(world.now) + 259200 + 3600]
    address = client.address
    client.release(world.main)
    assert world.main.node is not None and world.main.node.book.by_address[address].status == b.RELEASED
    _, sents = queue.next_batch(b"", int(world.now), [])
    assert [s.potential for s in sents] == [0]


def test_two_hundred_changes_travel_in_few_messages() -> None:
    wide = lambda: scope(first="192.168.50.5", last="192.168.50.250")  # noqa: E731
    world = World(lambda: config(True, wide()), lambda: config(False, wide())).pair()
    sent = world.main.endpoint.updates_sent
    xid = world.main.endpoint.link._xid if world.main.endpoint.link else 0
    assert all(Client(world, n).lease(world.main) for n in range(200))
    world.run(1)
    assert world.main.endpoint.link is not None
    assert world.main.endpoint.updates_sent - sent == 200
    assert (world.main.endpoint.link._xid - xid) // 2 < 20, "every second number is the main's"
    world.books_agree()


def test_a_full_window_holds_the_rest_back_until_acknowledgements_come() -> None:
    wide = lambda: scope(first="192.168.50.5", last="192.168.50.250")  # noqa: E731
    world = World(lambda: config(True, wide()), lambda: config(False, wide())).pair()
    assert world.main.endpoint.link is not None
    world.main.endpoint.link.window = 1
    assert all(Client(world, n).lease(world.main) for n in range(200))
    assert len(world.main.endpoint.queue.on_the_way) <= 1
    world.run(1)
    world.books_agree()


def test_update_request_all_is_remembered_across_connections() -> None:
    """Draft 7.4.2: an UPDREQALL that was cut short is still one when UPDREQ comes on the next connection."""
    world = World().pair()
    assert all(Client(world, n).lease() for n in range(30))
    world.run(2)
    world.main.endpoint.saved.owes_all = True
    world.backup.crash()
    world.backup.disk.rows.clear()
    out: list[object] = []
    assert world.main.node is not None
    world.run(10)
    world.main.node.set_partner_down(world.now, world.backup.address, None, False, out)  # type: ignore[arg-type]
    world.main.perform(out)  # type: ignore[arg-type]
    world.backup.boot()
    world.run(20)
    assert any("Sent update request to" in n for n in world.backup.notes)
    assert not world.main.endpoint.saved.owes_all
    assert len(world.backup.active()) == 30
    world.books_agree()


def test_a_main_of_another_make_is_spoken_to_in_its_dialect() -> None:
    """ISC dhcpd takes over as main: accepted at once, its inverted hash buckets understood, its make remembered."""
    world = World().pair()
    world.main.crash()
    world.run(10)
    connect = wire.Connect(b"192.168.50.2-192.168.50.3", 10, 20, b"isc-4.4.3-P1", 1, 0, 3600, bytes(31) + b"\x80")
    world.backup.handle(LinkUp(9001, MAIN, False))
    world.backup.handle(LinkData(9001, wire.encode(connect, 0, int(world.now))))
    endpoint = world.backup.endpoint
    assert endpoint.saved.make == "isc" and endpoint.dialect.updates_max == 1
    assert endpoint.told_buckets == (1 << 255) - 1, "a 1 bit is the main's there"
    assert endpoint.link is not None and endpoint.link.set_up
    assert not endpoint.link.said, "its state has to be known before it is told ours"
    assert Client(world, 5).lease(world.backup)


def test_a_client_that_released_its_lease_to_the_other_server_gets_it_again_for_good() -> None:
    """What a server confirms without storing it, a release that is on its way from the partner would undo."""
    defers = lambda main: replace(config(main), defer_lease_extensions=True)  # noqa: E731
    world = World(lambda: defers(True), lambda: defers(False)).pair()
    client = Client(world, 1)
    assert client.lease(world.main)
    world.run(2)
    assert client.renew(world.main) and client.left_s == 259200
    world.run(2)
    saved = world.main.disk.rows[client.address]
    assert client.renew(world.main) and world.main.disk.rows[client.address] == saved, "deferred"
    assert client.renew(world.backup), "this one is stored: the client would now release its lease to the backup"
    world.run(2)
    address = client.address
    client.release(world.backup)
    client.address = address
    assert client.renew(world.main)
    world.run(2)
    assert address in world.main.active()
    world.books_agree()


def apart_with_a_lease() -> tuple[World, Client]:
    """A pair whose connection is cut, and a client with a lease of two hours of which both know."""
    short = lambda: scope(lease_s=7200)  # noqa: E731
    world = World(lambda: config(True, short()), lambda: config(False, short())).pair()
    client = Client(world, 1)
    assert client.lease(world.main)
    world.run(60)
    assert client.renew(world.main) and client.left_s == 7200
    world.run(60)
    world.cut = True
    world.drop_connections_of(world.main)
    world.run(60)
    return world, client


def given_up_and_taken_anew(world: World, client: Client) -> int:
    """The client releases its lease to the main and gets the address again, for less time, which runs out."""
    address = client.address
    client.release(world.main)
    world.run(60)
    assert client.lease(world.main) and client.address == address and client.left_s == 3600
    world.run(3660)
    assert address not in world.main.active() and address in world.backup.active()
    world.cut = False
    world.run(60)
    return address


def test_the_end_of_a_lease_that_its_client_had_given_up_for_a_shorter_one_ends_the_longer_one_at_the_partner() -> None:
    world, client = apart_with_a_lease()
    address = given_up_and_taken_anew(world, client)
    assert address not in {**world.main.active(), **world.backup.active()}
    world.books_agree()


def test_a_lease_that_only_the_partner_extended_goes_on_when_its_client_gave_it_up_here_for_a_shorter_one() -> None:
    """Neither knows all: each would refuse the other for as long as the longer lease runs."""
    world, client = apart_with_a_lease()
    assert client.renew(world.backup)
    ends = client.expires
    address = given_up_and_taken_anew(world, client)
    assert world.main.active()[address][2] == ends
    world.books_agree()


def test_a_client_of_a_server_that_lost_its_data_before_it_told_of_the_lease_is_believed_while_that_waits() -> None:
    world = World().pair()
    world.cut = True  # the lease, and the end of the connection, are not heard of
    client = Client(world, 1)
    assert client.lease(world.main) and client.left_s == 3600
    world.main.crash(keep_disk=False)
    world.cut = False
    world.main.boot()
    world.run(20)
    assert (world.main.state, world.backup.state) == ("RECOVER-WAIT", "COMMUNICATIONS-INTERRUPTED")
    address = client.address
    assert client.renew() and client.server == BACKUP and client.left_s == 3600
    world.run(1800)
    assert client.renew() and client.address == address
    world.run(1800)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert address in world.main.active() and address in world.backup.active()
