"""A server that has lost its lease data, or has old ones: what its partner may still rely on, and for how long."""

from __future__ import annotations

from math import inf

import pytest
from pair import NAME, Client, Server, World, config, scope

from tandem.base.io import Tick
from tandem.lease import binding as b
from tandem.wire import dhcp

LEASE_S, MCLT_S = 7200, 3600


def pair() -> World:
    small = lambda: scope(last="192.168.50.13", lease_s=LEASE_S, pct=50)  # noqa: E731
    return World(lambda: config(True, small()), lambda: config(False, small())).pair()


def known(world: World) -> Client:
    """A client with a lease of the full time, of which both servers know."""
    client = Client(world, 1)
    assert client.lease(world.main)
    world.run(60)
    assert client.renew(world.main) and client.left_s == LEASE_S
    world.run(60)
    return client


def extended_alone(world: World, survivor: Server, lost: Server) -> Client:
    """A client whose lease only the server that is going to lose its data has extended."""
    client = known(world)
    world.cut = True
    world.run(5000)
    assert client.renew(lost) and client.left_s == LEASE_S, "the partner has acknowledged enough for the full time"
    return client


def who_gets(world: World, server: Server, address: int, first: int) -> bool:
    """Whether one of many new clients is given the address."""
    clients = [Client(world, first + n) for n in range(4)]
    return any(client.lease(server) and client.address == address for client in clients)


@pytest.mark.parametrize("lost_is", ["main", "backup"])
def test_its_word_that_a_lease_is_over_does_not_end_one_that_it_extended(lost_is: str) -> None:
    world = pair()
    survivor, lost = (world.backup, world.main) if lost_is == "main" else (world.main, world.backup)
    client = extended_alone(world, survivor, lost)
    world.run(2300)
    assert survivor.node is not None
    assert survivor.node.book.by_address[client.address].status == b.EXPIRED, "it does not know of the longer lease"
    lost.crash(keep_disk=False)
    world.cut = False
    lost.boot()
    world.run(30)
    assert lost.state == "RECOVER-WAIT"
    for server, first in ((survivor, 10), (lost, 20)):
        assert client.address in server.active(), "it may run until the MCLT after what the lost one could rely on"
        assert not who_gets(world, server, client.address, first)
    world.run(MCLT_S)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert client.left_s > 600
    assert not who_gets(world, world.main, client.address, 30)
    world.run(client.left_s + LEASE_S + MCLT_S)
    assert client.address not in {**world.main.active(), **world.backup.active()}, "nor is it kept for ever"
    world.books_agree()


def test_a_first_backup_lengthens_no_lease() -> None:
    """It never gave one, so it can have promised nothing."""
    small = lambda: scope(lease_s=600)  # noqa: E731
    world = World(lambda: config(True, small()), lambda: config(False, small()))
    world.main.boot()
    world.run(30)
    client = Client(world, 1)
    assert client.lease(world.main)
    world.backup.boot()
    world.run(30)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert world.main.active()[client.address][2] == world.backup.active()[client.address][2] == int(client.expires)


def test_a_restored_copy_relies_on_no_acknowledgement_of_its_time() -> None:
    """Between the copy and the death the partner has agreed that the lease ended, and forgotten what it said of it."""
    recover = [0]
    small = lambda: scope(last="192.168.50.13", lease_s=LEASE_S, pct=50)  # noqa: E731
    world = World(
        lambda: config(True, small()), lambda: config(False, small(), recover_from=recover[0])
    ).pair()  # fmt: skip
    client = known(world)
    copy, copied_at = dict(world.backup.disk.rows), world.now
    assert world.backup.node is not None
    agreed = world.backup.node.book.by_address[client.address].received_potential
    client.release(world.main)
    world.run(60)
    world.backup.crash()
    assert client.lease(world.main) and client.left_s == MCLT_S, "of this lease the backup knows nothing"
    world.backup.disk.rows = copy
    recover[0] = int(copied_at)
    world.backup.boot()
    world.run(MCLT_S + 60)
    assert world.backup.state == "NORMAL"
    theirs = world.backup.node.book.by_address[client.address]
    assert max(theirs.acked_potential, theirs.received_potential) != agreed


@pytest.mark.parametrize("lost_is", ["main", "backup"])
def test_a_server_that_was_away_waits_with_its_addresses_for_a_partner_that_forgot_to_whom_it_gave_them(
    lost_is: str,
) -> None:
    world = pair()
    away, lost = (world.backup, world.main) if lost_is == "main" else (world.main, world.backup)
    away.crash()
    world.run(10)
    lost.take_over(away, expert=False)
    world.run(MCLT_S + 10)
    assert all(Client(world, n).lease(lost) for n in range(4)), "the other's two addresses too"
    lost.crash(keep_disk=False)
    away.boot()
    lost.boot()
    world.run(30)
    assert lost.state == "RECOVER-WAIT"
    if lost_is == "backup":  # what a main without any record says first lets its backup recover from it
        assert away.state == "COMMUNICATIONS-INTERRUPTED"
    assert not any(Client(world, 20 + n).lease(away) for n in range(4))
    world.run(MCLT_S)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert Client(world, 30).lease()


def until(world: World, server: Server, state: str) -> None:
    """Let one thing after the other happen, until the server has just come to the state."""
    for _ in range(1000):
        if server.state == state:
            return
        if not world.step():
            first = min((world.main, world.backup), key=lambda s: s.node.deadline() if s.node else inf)
            assert first.node is not None
            world.now = max(world.now, first.node.deadline() or 0.0)
            first.handle(Tick())
    raise AssertionError(f"{server.name} stays in {server.state}")


def taken_over_by_one_that_forgot(world: World, gone: Client | None, at: float | None, expert: bool) -> None:
    """The backup, which has lost its data and knows of the client from the main, is set PARTNER-DOWN."""
    world.backup.boot()
    world.run(30)
    assert world.backup.state == "RECOVER-WAIT"
    world.main.crash()
    world.run(60)
    world.backup.take_over(world.main, at, expert=expert)
    assert gone is None or gone.address in world.backup.active()


@pytest.mark.parametrize("restarts", [False, True])
def test_what_a_partner_in_partner_down_has_given_since_is_no_promise_that_it_forgot(restarts: bool) -> None:
    """It lost its data before, waited, and gave the address of a client that was gone to another one."""
    world = pair()
    gone = Client(world, 1)
    assert gone.lease(world.main)
    world.run(60)
    world.backup.crash(keep_disk=False)
    world.run(60)
    taken_over_by_one_that_forgot(world, gone, None, False)
    world.run(6 * LEASE_S)
    others = [Client(world, 10 + n) for n in range(4)]
    assert all(other.lease(world.backup) for other in others)
    holder = next(other for other in others if other.address == gone.address)
    if restarts:
        world.backup.crash()
        world.backup.boot()
    world.main.boot()
    world.run(30)
    assert world.main.state == world.backup.state == "NORMAL"
    for server in (world.main, world.backup):
        assert server.active()[gone.address][0] == b"\x01" + holder.chaddr
    assert [other.renew(world.backup) for other in others] == [True] * 4
    world.run(5)
    world.books_agree()


def test_a_date_before_the_loss_of_its_data_does_not_say_that_it_remembers_what_it_gave_until_then() -> None:
    """An operator's date, in expert mode: since then the partner is down; this server served longer, and forgot it."""
    world = pair()
    client = known(world)
    world.cut = True
    world.run(5000)
    down = world.now
    assert client.renew(world.backup) and client.left_s == LEASE_S, "the main has acknowledged enough for the full time"
    world.run(3000)
    assert client.address not in world.main.active(), "it does not know of the longer lease"
    world.main.crash()
    world.cut = False
    for _ in range(2):
        world.run(3500)
        assert client.renew(world.backup) and client.left_s == MCLT_S
    world.backup.crash(keep_disk=False)
    world.run(60)
    world.backup.boot()
    world.run(10)
    assert world.backup.node is not None and world.backup.state == "RECOVER"
    world.backup.take_over(world.main, down - 2 * MCLT_S)
    world.main.boot()
    world.run(30)
    assert (world.main.state, world.backup.state) == ("RECOVER-WAIT", "PARTNER-DOWN"), "its addresses were the backup's"
    assert client.left_s > 3000
    for server in (world.main, world.backup):
        assert client.address in server.active()
        assert not who_gets(world, server, client.address, 10)


@pytest.mark.parametrize("lost_is", ["main", "backup"])
def test_a_server_that_loses_its_data_while_conflicts_are_resolved_waits_with_its_addresses(lost_is: str) -> None:
    """It goes from RECOVER to POTENTIAL-CONFLICT, not through RECOVER-WAIT (section 9.5.2), and serves in NORMAL."""
    world = pair()
    other, lost = (world.backup, world.main) if lost_is == "main" else (world.main, world.backup)
    world.cut = True
    world.drop_connections_of(lost)
    world.run(10)
    other.take_over(lost)
    world.run(5)
    client = Client(world, 1)
    assert client.lease(lost) and client.left_s == MCLT_S, "only the server that is going to lose its data knows of it"
    world.cut = False
    until(world, other, "POTENTIAL-CONFLICT")
    assert client.address not in other.active()
    lost.crash(keep_disk=False)
    lost_at = world.now
    assert other.state == "RESOLUTION-INTERRUPTED"
    lost.boot()
    world.run(30)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL"), "service goes on at once"
    assert client.left_s > 600 and client.address not in lost.active()
    assert not who_gets(world, world.main, client.address, 10)
    world.cut = True
    world.drop_connections_of(lost)
    world.run(30)
    for server, first in ((world.main, 20), (world.backup, 30)):
        assert not who_gets(world, server, client.address, first)
    world.cut = False
    world.run(lost_at + MCLT_S + 60 - world.now)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert Client(world, 40).lease(), "and not for ever"
    world.run(5)
    world.books_agree()


def test_who_shuts_down_before_conflicts_are_resolved_may_have_given_the_addresses_of_the_other() -> None:
    """It served in PARTNER-DOWN, and its partner takes over without having heard what it gave (section 9.14)."""
    world = pair()
    world.cut = True
    world.drop_connections_of(world.main)
    world.run(10)
    world.main.take_over(world.backup)
    world.run(MCLT_S + 60)
    clients = [Client(world, n) for n in range(4)]
    assert all(client.lease(world.main) for client in clients), "the backup's share is the main's now"
    world.cut = False
    until(world, world.backup, "POTENTIAL-CONFLICT")
    world.main.node.shut_down(world.now, out := [])
    world.main.perform(out)
    until(world, world.backup, "PARTNER-DOWN")
    world.main.crash()
    for client in clients:
        assert not who_gets(world, world.backup, client.address, 10)
    world.run(MCLT_S + 60)
    assert Client(world, 20).lease(world.backup), "and not for ever"


def test_a_server_that_was_away_in_partner_down_cannot_tell_when_its_partner_last_served() -> None:
    """Both may have come back alone, one after the other, and the one that lost its data then have extended leases."""
    world = pair()
    client = known(world)
    world.cut = True
    world.drop_connections_of(world.backup)
    world.run(10)
    world.main.take_over(world.backup)
    world.run(60)
    world.main.crash()
    world.run(LEASE_S // 2)
    assert client.renew(world.backup), "it does not know that it is taken as down"
    for _ in range(4):
        world.run(3500)
        assert client.renew(world.backup)
    assert client.left_s == MCLT_S
    world.backup.crash(keep_disk=False)
    world.cut = False
    world.main.boot()
    world.run(3)
    world.backup.boot()
    world.run(30)
    assert (world.main.state, world.backup.state) == ("PARTNER-DOWN", "RECOVER-WAIT")
    assert client.left_s > 3000 and client.address in world.main.active()
    assert not who_gets(world, world.main, client.address, 10)


def test_a_server_that_lost_its_data_and_was_set_partner_down_waits_with_its_addresses_in_normal_too() -> None:
    world = pair()
    world.cut = True
    world.drop_connections_of(world.backup)
    world.run(30)
    client = Client(world, 1)
    assert client.lease(world.backup) and client.left_s == MCLT_S
    world.cut = False
    world.backup.crash(keep_disk=False)
    taken_over_by_one_that_forgot(world, None, None, False)
    world.main.boot()
    world.run(30)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert client.left_s > 600 and client.address not in world.backup.active()
    assert not who_gets(world, world.main, client.address, 10)
    world.cut = True
    world.drop_connections_of(world.backup)
    world.run(30)
    for server, first in ((world.main, 20), (world.backup, 30)):
        assert not who_gets(world, server, client.address, first)


def test_a_main_that_served_alone_and_learns_then_that_it_lost_its_data_gives_no_new_leases_for_the_mclt() -> None:
    world = pair()
    world.backup.crash()
    world.run(60)
    client = Client(world, 1)
    assert client.lease(world.main) and client.left_s == MCLT_S
    world.main.crash(keep_disk=False)
    world.main.boot()
    world.run(60)
    assert world.main.state == "PARTNER-DOWN", "it takes itself for one that never had a backup"
    alone_since = world.now
    world.backup.boot()
    world.run(60)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert not who_gets(world, world.main, client.address, 10)
    world.run(alone_since + MCLT_S - world.now)
    assert Client(world, 20).lease()


def test_after_a_restart_a_lease_that_was_over_is_not_the_clients_because_its_partner_asked_for_everything() -> None:
    """The partner may have given the address to another client while this server was away for long."""
    world = pair()
    client = Client(world, 1)
    assert client.lease(world.main)
    world.run(5)
    world.cut = True
    world.drop_connections_of(world.backup)
    world.backup.crash()
    world.run(5)
    world.main.crash()
    world.main.disk.states[NAME]["owes_all"] = True  # it died before it had told everything
    world.run(2 * LEASE_S)
    world.main.boot()
    world.run(60)
    assert world.main.state == "COMMUNICATIONS-INTERRUPTED"
    assert not client.lease(world.main)


@pytest.mark.parametrize("word", ["stop", "shut_down"])
def test_a_main_that_lost_its_data_and_hears_only_that_its_partner_goes_away_waits_for_it(word: str) -> None:
    """It knows that it has met its partner, whose leases it does not know: it does not serve alone as a new main."""
    world = pair()
    client = Client(world, 1)
    assert client.lease(world.main)
    world.run(10)
    assert world.backup.node is not None
    world.main.crash(keep_disk=False)
    getattr(world.backup.node, word)(world.now, out := [])
    world.backup.perform(out)
    lost_at = world.now
    world.main.boot()
    world.run(2)
    world.backup.crash()
    world.run(60)
    assert world.main.state == "RECOVER"
    world.backup.boot()
    world.run(60)
    assert world.main.state == "RECOVER-WAIT"
    world.run(lost_at + MCLT_S + 10 - world.now)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    world.books_agree()


def test_a_server_that_was_heard_while_it_shut_down_is_not_an_old_copy() -> None:
    """In SHUTDOWN it serves nobody and records nothing, however long it takes."""
    world = pair()
    assert world.backup.node is not None
    world.backup.node.shut_down(world.now, out := [])
    world.backup.perform(out)
    world.run(300)
    world.backup.stop()
    world.backup.boot()
    world.run(60)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL"), "without the wait for the MCLT"
    assert not any("old copy" in note for note in world.backup.notes)


@pytest.mark.parametrize("copy", [False, True])
def test_a_server_that_lost_its_data_and_is_shut_down_while_it_starts_waits_from_its_start(copy: bool) -> None:
    """Its partner takes over from it in SHUTDOWN, so it recovers when it returns; it never left STARTUP."""
    recover = [0]
    small = lambda: scope(last="192.168.50.13", lease_s=LEASE_S, pct=50)  # noqa: E731
    world = World(lambda: config(True, small()), lambda: config(False, small(), recover_from=recover[0])).pair()
    old, copied_at = world.backup.disk, int(world.now)
    states = {name: dict(values) for name, values in old.states.items()}
    world.run(MCLT_S)
    world.backup.crash(keep_disk=False)
    if copy:
        world.backup.disk.rows, world.backup.disk.shares, world.backup.disk.states = old.rows, old.shares, states
        recover[0] = copied_at
    world.run(60)
    world.backup.boot()
    lost_at = world.now
    assert world.backup.state == "STARTUP" and world.backup.node is not None
    world.backup.node.shut_down(world.now, out := [])
    world.backup.perform(out)
    world.settle()
    assert world.main.state == "PARTNER-DOWN" and world.backup.state == "SHUTDOWN"
    world.backup.stop()
    world.backup.boot()
    world.run(30)
    assert any("update request all" in note for note in world.backup.notes)
    assert (world.main.state, world.backup.state) == ("PARTNER-DOWN", "RECOVER-WAIT")
    world.run(lost_at + MCLT_S - 10 - world.now)
    assert world.backup.state == "RECOVER-WAIT"
    world.run(30)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")


def test_a_date_before_the_loss_of_its_data_is_no_longer_believed_when_the_partner_turns_out_to_run() -> None:
    """An order in expert mode ends this server's waits while it is alone. The partner was not down, so it erred."""
    world = pair()
    world.cut = True
    world.drop_connections_of(world.backup)
    world.run(30)
    client = Client(world, 1)
    assert client.lease(world.backup) and client.left_s == MCLT_S
    world.cut = False
    world.backup.crash(keep_disk=False)
    world.backup.boot()
    lost_at = world.now
    world.run(30)
    assert world.backup.state == "RECOVER-WAIT" and world.backup.node is not None
    world.cut = True
    world.drop_connections_of(world.backup)
    world.run(5)
    world.backup.take_over(world.main, world.now - 600)
    assert world.backup.endpoint.saved.own_from == 0, "as ordered"
    world.cut = False
    world.run(30)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert client.address not in world.main.active()
    world.cut = True
    world.drop_connections_of(world.backup)
    world.run(30)
    assert not who_gets(world, world.backup, client.address, 20)
    world.run(lost_at + MCLT_S - world.now)
    assert Client(world, 30).lease(world.backup), "and not for ever"


@pytest.mark.parametrize(("restarts", "takes_over"), [(False, False), (True, False), (False, True)])
def test_a_lease_that_was_over_when_the_partner_forgot_may_be_anothers(restarts: bool, takes_over: bool) -> None:
    """While this server was away its partner gave the address to another client, and then lost its data. It does not
    give it to the former client either, should it take over as long as it knows no better."""
    world = pair()
    former = known(world)
    world.backup.crash()
    world.run(10)
    world.main.take_over(world.backup, expert=False)
    while former.address in world.main.active() or not who_gets(world, world.main, former.address, 10):
        world.run(600)
    world.main.crash(keep_disk=False)
    world.backup.boot()
    world.run(120)
    assert world.backup.state == "COMMUNICATIONS-INTERRUPTED"
    world.main.boot()
    world.run(30)
    assert world.main.state == "RECOVER-WAIT"
    if restarts:
        world.backup.crash()
        world.backup.boot()
        world.run(30)
    serves = world.backup
    if takes_over:
        serves = world.main
        world.backup.crash()
        world.run(10)
        world.main.take_over(world.backup)
    for _ in range(3):
        assert not former.lease(serves)
        reboots = former.send([serves], dhcp.REQUEST, requested=former.address.to_bytes(4, "big"))
        assert reboots is None, "it is not refused either: it may be the one that has the address"
        world.run(MCLT_S // 4)
    if takes_over:
        world.backup.boot()
    world.run(MCLT_S)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert former.lease()


@pytest.mark.parametrize("took_over", [False, True])
def test_a_server_that_was_away_gives_nothing_before_its_partner_has_said_what_it_forgot(took_over: bool) -> None:
    """The connection is lost between the partner's RECOVER and its request for everything."""
    world = pair()
    world.cut = True
    world.drop_connections_of(world.main)
    world.run(30)
    if took_over:  # an order that erred: both serve, one after the other
        world.main.take_over(world.backup)
    world.main.crash()
    world.run(10)
    world.backup.take_over(world.main)
    world.run(2 * MCLT_S)
    assert all(Client(world, n).lease(world.backup) for n in range(4)), "the main's two addresses too"
    world.backup.crash(keep_disk=False)
    world.cut = False
    world.main.boot()
    world.backup.boot()
    until(world, world.main, "PARTNER-DOWN" if took_over else "COMMUNICATIONS-INTERRUPTED")
    assert world.main.endpoint.communicating and not world.main.endpoint.saved.owes_all
    for _ in range(2):
        assert not any(Client(world, 20 + n).lease(world.main) for n in range(4))
        world.cut = True
        world.drop_connections_of(world.backup)
        world.run(30)
    world.cut = False
    world.run(MCLT_S + 60)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert Client(world, 30).lease()


@pytest.mark.parametrize("date", [False, True])
def test_in_recover_done_the_leases_are_not_known_that_the_partner_gave_since_it_sent_what_it_had(date: bool) -> None:
    """It serves in PARTNER-DOWN until it hears of RECOVER-DONE, with this server's addresses too."""
    world = pair()
    world.backup.crash(keep_disk=False)
    world.run(10)
    world.main.take_over(world.backup)
    world.run(2 * MCLT_S)
    world.backup.boot()
    world.run(60)
    world.cut = True
    world.drop_connections_of(world.backup)
    world.run(MCLT_S)
    assert (world.main.state, world.backup.state) == ("PARTNER-DOWN", "RECOVER-DONE")
    assert all(Client(world, n).lease(world.main) for n in range(4))
    world.run(60)
    world.main.crash()
    down = world.now
    world.run(10)
    world.backup.take_over(world.main, down if date else None)
    assert not any(Client(world, 20 + n).lease(world.backup) for n in range(4))
    world.run(down + MCLT_S - world.now - 60)
    assert not any(Client(world, 20 + n).lease(world.backup) for n in range(4))
    world.run(120)
    assert Client(world, 30).lease(world.backup)
