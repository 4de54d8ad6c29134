"""Reloads that change the roles of servers: failover switched on, off and on again (chapter, "Changing Failover Server
Roles" and the last cases of its state-transition table), as transcripts of two nodes."""

from __future__ import annotations

import pytest
from pair import BACKUP, MAIN, NAME, Client, Server, World, config, scope
from test_integration import partner_down, path
from test_shares import reload, sizes

from tandem.config.compiled import EndpointConfig, Network, ServerConfig
from tandem.lease import binding as b

SMALL = "192.168.50.29"
"""Last address of a scope with 20 of them: the backup's share is two."""


def both(main: bool, last: str = SMALL, **more: object) -> ServerConfig:
    return config(main, scope(last=last), **more)  # type: ignore[arg-type]


def alone(last: str = SMALL) -> ServerConfig:
    wanted = config(True, scope(last=last, endpoint=0))
    wanted.endpoints = []
    return wanted


def pair() -> World:
    return World(lambda: both(True), lambda: both(False)).pair()


def leases(world: World, count: int, first: int, *servers: Server) -> list[Client]:
    clients = [Client(world, first + n) for n in range(count)]
    return [client for client in clients if client.lease(*servers)]


def test_a_stand_alone_server_becomes_a_main_without_a_pause() -> None:
    """It is in PARTNER-DOWN at once and stays there, serving; the backup gets every lease when it appears."""
    world = World(alone, lambda: both(False))
    world.main.boot()
    old = leases(world, 5, 1, world.main)
    assert len(old) == 5
    reload(world, world.main, both(True))
    assert world.main.state == "PARTNER-DOWN"
    late = Client(world, 50)
    assert late.lease(world.main) and late.left_s == 259200, "nothing has changed for clients"
    world.run(600)
    assert path(world.main) == ["PARTNER-DOWN"]
    world.backup.boot()
    world.run(30)
    assert path(world.main) == ["PARTNER-DOWN", "NORMAL"]
    assert path(world.backup) == ["RECOVER", "RECOVER-WAIT", "RECOVER-DONE", "NORMAL"]
    assert len(world.backup.active()) == 6
    world.books_agree()


def test_a_replaced_main_that_is_set_up_in_one_reload_does_not_serve_before_it_has_recovered() -> None:
    """Its scopes are as new as its failover: it has not been serving anybody, so it asks its partner first."""
    world = pair()
    assert len(leases(world, 5, 1)) == 5
    world.run(5)
    world.main.crash(keep_disk=False)
    world.run(10)
    partner_down(world, world.backup)
    world.main.make = ServerConfig
    world.main.notes.clear()
    world.main.boot()
    reload(world, world.main, both(True))
    assert not Client(world, 50).lease(world.main)
    world.run(30)
    assert world.main.active() == world.backup.active() and len(world.main.active()) == 5
    world.run(3600)
    assert path(world.main) == ["RECOVER", "RECOVER-WAIT", "RECOVER-DONE", "NORMAL"]


def test_failover_switched_off_on_the_main_leaves_the_backups_share_alone_for_the_mclt() -> None:
    world = pair()
    world.run(20)
    world.backup.stop()
    reload(world, world.main, alone())
    assert len(leases(world, 30, 1, world.main)) == 18
    world.run(3590)
    assert not Client(world, 100).lease(world.main)
    world.run(20)
    assert len(leases(world, 30, 200, world.main)) == 2


def test_the_wait_outlives_a_restart() -> None:
    world = pair()
    world.backup.stop()
    reload(world, world.main, alone())
    world.main.make = alone
    world.main.crash()
    world.run(10)
    world.main.boot()
    assert len(leases(world, 30, 1, world.main)) == 18
    world.run(3610)
    assert len(leases(world, 30, 200, world.main)) == 2


def test_a_former_backup_serves_from_its_own_share_first() -> None:
    world = pair()
    world.main.crash()
    world.run(10)
    reload(world, world.backup, alone())
    assert sizes(world.backup) == (2, 18)
    assert len(leases(world, 30, 1, world.backup)) == 2
    world.run(3610)
    assert len(leases(world, 30, 100, world.backup)) == 18


def test_a_lease_that_waited_for_the_partners_word_is_free_after_the_mclt() -> None:
    world = pair()
    client = Client(world, 1)
    assert client.lease()
    world.run(1)
    address = client.address
    world.backup.crash()
    world.run(10)
    client.release(world.main)
    assert world.main.node is not None
    assert world.main.node.book.by_address[address].status == b.RELEASED
    reload(world, world.main, alone())
    assert world.main.node.book.by_address[address].status == b.RELEASED
    world.run(3610)
    assert world.main.node.book.by_address[address].status == b.FREE


def test_switched_off_and_on_again_with_an_empty_backup() -> None:
    """S4.2g: the main goes on in PARTNER-DOWN; the empty backup with failover-recover = now - MCLT asks for all."""
    world = pair()
    before = leases(world, 5, 1)
    world.run(5)
    world.backup.crash(keep_disk=False)
    reload(world, world.main, alone())
    world.run(7200)
    given = leases(world, 5, 20, world.main)
    assert before[0].renew(world.main) and len(given) == 5
    world.main.notes.clear()
    reload(world, world.main, both(True))
    assert path(world.main) == ["PARTNER-DOWN"]
    assert Client(world, 40).lease(world.main), "service does not pause"
    world.run(100)
    world.backup.notes.clear()
    recover = int(world.now) - 3600
    world.backup.make = lambda: both(False, recover_from=recover)
    world.backup.boot()
    world.run(15)
    assert path(world.backup) == ["RECOVER", "RECOVER-WAIT", "RECOVER-DONE", "NORMAL"]
    assert any("update request all" in note for note in world.backup.notes)
    assert world.main.state == "NORMAL"
    world.run(15)
    world.books_agree()
    assert {client.address for client in given} <= set(world.backup.active())
    assert sizes(world.main) == sizes(world.backup)
    reload(world, world.backup, both(False))
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL"), "unsetting failover-recover disturbs nobody"


def test_switched_off_and_on_again_beside_a_backup_that_never_stopped() -> None:
    """Against the chapter's advice: the pair finds it out, resolves it, and both know every lease."""
    world = pair()
    assert len(leases(world, 3, 1)) == 3
    world.run(5)
    reload(world, world.main, alone())
    world.run(20)
    assert world.backup.state == "COMMUNICATIONS-INTERRUPTED"
    assert len(leases(world, 2, 20, world.main)) == 2
    assert len(leases(world, 1, 30, world.backup)) == 1
    world.run(60)
    world.backup.notes.clear()
    reload(world, world.main, both(True))
    world.run(15)
    assert path(world.backup) == ["POTENTIAL-CONFLICT", "NORMAL"]
    assert world.main.state == "NORMAL"
    world.books_agree()
    assert len(world.main.active()) == 6


def test_the_time_of_failover_recover_is_acted_on_once_and_again_after_it_was_unset() -> None:
    world = pair()
    since = int(world.now) - 3600
    for _ in range(2):
        world.backup.notes.clear()
        reload(world, world.backup, both(False, recover_from=since))
        world.run(30)
        assert path(world.backup) == ["RECOVER", "RECOVER-WAIT", "RECOVER-DONE", "NORMAL"]
        world.backup.notes.clear()
        reload(world, world.backup, both(False, recover_from=since))
        reload(world, world.backup, both(False))
        world.run(30)
        assert path(world.backup) == []


def two_scopes(main: bool, *, second: bool) -> ServerConfig:
    """A pair with two scopes; ``second``: whether failover is on for the second (scope-disabled otherwise)."""
    lan = scope(last=SMALL)
    far = scope("far", "192.168.60.10", SMALL.replace(".50.", ".60."), subnet="192.168.60.0", endpoint=int(second))
    lan.index, far.index = 0, 1
    local, peer = (MAIN, BACKUP) if main else (BACKUP, MAIN)
    return ServerConfig(
        scopes=[lan, far], networks=[Network(0, [lan], 1), Network(1, [far], int(second))],
        endpoints=[EndpointConfig(NAME, main, local, peer)], defer_lease_extensions=False,
    )  # fmt: skip


def test_a_scope_comes_to_a_pair_that_goes_on() -> None:
    """What its server gave alone is told; the backup gets its share; the pair stays in NORMAL."""
    world = World(lambda: two_scopes(True, second=False), lambda: both(False)).pair()
    far = Client(world, 9, "192.168.60.1")
    assert far.lease(world.main)
    world.run(10)
    assert far.address not in world.backup.active()
    reload(world, world.backup, two_scopes(False, second=True))
    reload(world, world.main, two_scopes(True, second=True))
    world.run(30)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    world.books_agree()
    assert far.address in world.backup.active()
    for server in (world.main, world.backup):
        assert server.node is not None
        assert [pool.backup.size for pool in server.node.book.pools] == [2, 1]


def test_a_scope_leaves_a_pair_that_goes_on_and_comes_back() -> None:
    """No address of it is both servers' afterwards, whatever each of them made of it meanwhile."""
    world = World(lambda: two_scopes(True, second=True), lambda: two_scopes(False, second=True)).pair()
    for server, main in ((world.main, True), (world.backup, False)):
        reload(world, server, two_scopes(main, second=False))
    world.run(30)
    assert world.main.state == "NORMAL"
    assert len([c for c in (Client(world, n, "192.168.60.1") for n in range(9)) if c.lease(world.main)]) == 9
    world.run(30)
    for server, main in ((world.main, True), (world.backup, False)):
        reload(world, server, two_scopes(main, second=True))
    world.run(60)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    world.books_agree()
    assert len(world.main.active()) == 9
    assert world.main.node is not None and world.backup.node is not None
    ours, theirs = world.main.node.book.pools[1], world.backup.node.book.pools[1]
    for address in range(0xC0A83C0A, 0xC0A83C1E):
        assert not (ours.owner_of_unused(address) == b.FREE and theirs.owner_of_unused(address) == b.BACKUP)


@pytest.mark.parametrize(("apart", "restarts"), [(False, False), (True, False), (True, True)])
def test_a_scope_leaves_a_pair_on_the_backup_alone_and_comes_back(apart: bool, restarts: bool) -> None:
    """What was the backup's share is the main's, which was not told, or the backup's again within moments."""
    world = World(lambda: two_scopes(True, second=True), lambda: two_scopes(False, second=True)).pair()
    reload(world, world.backup, two_scopes(False, second=False))
    world.run(30)
    if apart:
        world.cut = True
        world.drop_connections_of(world.backup)
        world.run(30)
    reload(world, world.backup, two_scopes(False, second=True))
    if restarts:
        world.backup.crash()
        world.backup.boot()
    if apart:
        world.run(30)
        world.cut = False
    world.run(30)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    world.books_agree()
    assert world.main.node is not None and world.backup.node is not None
    ours, theirs = world.main.node.book.pools[1], world.backup.node.book.pools[1]
    assert list(ours.backup.unused) == list(theirs.backup.unused) and ours.backup.size == 2
    assert list(ours.main.unused) == list(theirs.main.unused)


def test_a_scope_that_comes_back_to_the_backup_before_the_main_has_no_two_owners() -> None:
    world = World(lambda: two_scopes(True, second=True), lambda: two_scopes(False, second=True)).pair()
    for server, main in ((world.main, True), (world.backup, False)):
        reload(world, server, two_scopes(main, second=False))
    world.run(4000)
    reload(world, world.backup, two_scopes(False, second=True))
    world.run(30)
    assert world.main.node is not None and world.backup.node is not None
    assert not world.backup.node.book.pools[1].backup.size, "nothing is its own before the main says so"
    assert Client(world, 9, "192.168.60.1").lease(world.main)
    reload(world, world.main, two_scopes(True, second=True))
    world.run(30)
    world.books_agree()
    ours, theirs = world.main.node.book.pools[1], world.backup.node.book.pools[1]
    assert list(ours.backup.unused) == list(theirs.backup.unused) and ours.backup.size
