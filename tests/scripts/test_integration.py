"""How two servers come together, case by case of SYSTEM S4.2, as transcripts of two nodes."""

from __future__ import annotations

import pytest
from pair import BACKUP, MAIN, Client, Server, World, config, scope

from tandem.base.errors import CommandError
from tandem.base.io import Effect
from tandem.lease import binding as b


def path(server: Server) -> list[str]:
    """The states that a server's log names, in order."""
    return [n.split(" to ")[1].split(" (")[0] for n in server.notes if "state changes" in n]


def partner_down(world: World, server: Server, at: float | None = None, expert: bool = False) -> str:
    out: list[Effect] = []
    assert server.node is not None
    said = server.node.set_partner_down(world.now, BACKUP if server is world.main else MAIN, at, expert, out)
    server.perform(out)
    world.settle()
    return said


def cut(world: World) -> None:
    world.cut = True
    world.drop_connections_of(world.main)
    world.run(1)


def mend(world: World) -> None:
    world.cut = False
    world.run(15)


def test_first_contact() -> None:
    """S4.2a: the main serves alone; the backup recovers everything; both NORMAL; the backup gets its share."""
    world = World()
    world.main.boot()
    world.run(20)
    assert path(world.main) == ["PARTNER-DOWN"]
    early = Client(world, 1)
    assert early.lease()
    assert early.left_s == 259200, "a main that never met its backup gives full leases"
    world.backup.boot()
    world.run(30)
    assert path(world.main) == ["PARTNER-DOWN", "NORMAL"]
    assert path(world.backup) == ["RECOVER", "RECOVER-WAIT", "RECOVER-DONE", "NORMAL"]
    world.books_agree()
    for server in (world.main, world.backup):
        assert server.node is not None
        pool = server.node.book.pools[0]
        assert pool.backup.size == (191 - 1) * 10 // 100
        assert pool.main.size + pool.backup.size == 190


def test_the_backups_share_goes_down_from_the_midpoint_as_one_range() -> None:
    """S4.7: unset boundary is the midpoint of the ranges (192.168.50.105)."""
    world = World().pair()
    assert world.backup.disk.shares == [(BACKUP - 3 + 87, BACKUP - 3 + 105, 1)]


def test_after_communications_interrupted() -> None:
    """S4.2b: both go back to NORMAL at once, and what one gave meanwhile is known to both."""
    world = World().pair()
    cut(world)
    assert (world.main.state, world.backup.state) == ("COMMUNICATIONS-INTERRUPTED",) * 2
    one, two = Client(world, 1), Client(world, 2)
    assert one.lease(world.main) and two.lease(world.backup)
    assert one.address != two.address
    assert one.left_s == two.left_s == 3600
    mend(world)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    world.books_agree()


def test_each_serves_from_its_own_share_only() -> None:
    """S4.5: a cut pair gives no address twice, and each says no when its share is used up."""
    world = World(
        lambda: config(True, scope(last="192.168.50.29")), lambda: config(False, scope(last="192.168.50.29"))
    ).pair()  # 20 addresses: 18 and 2
    cut(world)
    mains = [c for c in (Client(world, n) for n in range(25)) if c.lease(world.main)]
    backups = [c for c in (Client(world, 100 + n) for n in range(5)) if c.lease(world.backup)]
    assert (len(mains), len(backups)) == (18, 2)
    assert len({c.address for c in mains + backups}) == 20
    mend(world)
    world.books_agree()
    assert len(world.main.active()) == 20


def test_after_partner_down_returning_server_went_down_first() -> None:
    """S4.2c: RECOVER, update request, update done, RECOVER-DONE, both NORMAL, without a wait."""
    world = World().pair()
    old = Client(world, 1)
    assert old.lease()
    world.run(5)
    world.main.crash()
    world.run(10)
    partner_down(world, world.backup)
    new = Client(world, 2)
    assert old.renew() and new.lease()
    assert old.server == new.server == BACKUP
    world.main.boot()
    world.run(15)
    assert path(world.main)[-4:] == ["RECOVER", "RECOVER-WAIT", "RECOVER-DONE", "NORMAL"]
    assert any("Sent update request to" in n for n in world.main.notes)
    assert world.backup.state == "NORMAL"
    world.books_agree()


def test_after_partner_down_both_were_running() -> None:
    """S4.2d: POTENTIAL-CONFLICT on both; the main is told first, then the backup; then NORMAL."""
    world = World().pair()
    cut(world)
    world.run(30)
    partner_down(world, world.main)
    partner_down(world, world.backup)
    one, two = Client(world, 1), Client(world, 2)
    assert one.lease(world.main) and two.lease(world.backup)
    mend(world)
    assert path(world.main)[-3:] == ["POTENTIAL-CONFLICT", "CONFLICT-DONE", "NORMAL"]
    assert path(world.backup)[-2:] == ["POTENTIAL-CONFLICT", "NORMAL"]
    world.books_agree()
    assert len(world.main.active()) == 2


def test_a_main_that_lost_its_database_and_started_alone_asks_the_backup_for_all_of_it() -> None:
    """Without a record it takes itself for a new main; the backup, which has met it, knows its clients' leases."""
    world = World().pair()
    clients = [Client(world, number) for number in range(1, 6)]
    for client in clients:
        assert client.lease()
    world.run(5)
    world.books_agree()
    world.backup.crash()
    world.main.crash(keep_disk=False)
    world.run(10)
    world.main.boot()
    world.run(60)
    assert world.main.state == "PARTNER-DOWN"
    world.backup.boot()
    world.run(120)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert {client.address for client in clients} <= set(world.main.active())
    world.books_agree()


@pytest.mark.parametrize("who", ["main", "backup"])
def test_lost_lease_database(who: str) -> None:
    """S4.2e: the server that lost its database asks for everything, waits the MCLT, and both are NORMAL."""
    world = World().pair()
    clients = [Client(world, n) for n in range(20)]
    assert all(c.lease() for c in clients)
    world.run(5)
    lost: Server = getattr(world, who)
    other = world.backup if lost is world.main else world.main
    shares = list(other.disk.shares)
    lost.notes.clear()
    lost.crash(keep_disk=False)
    world.run(60)
    lost.boot()
    world.run(30)
    assert lost.state == "RECOVER-WAIT"
    assert other.state == "COMMUNICATIONS-INTERRUPTED"
    assert not Client(world, 99).lease(lost), "a server in RECOVER-WAIT answers nobody"
    assert len(lost.active()) == 20
    world.run(3600)
    assert path(lost) == ["RECOVER", "RECOVER-WAIT", "RECOVER-DONE", "NORMAL"]
    assert other.state == "NORMAL"
    assert [s[:2] for s in lost.disk.shares] == [s[:2] for s in shares]
    world.books_agree()


def test_database_restored_from_a_backup() -> None:
    """S4.2f: failover-recover makes the server ask for everything and wait the MCLT: not from that time, but from its
    start, as it gave leases between the copy and its death that may run for the MCLT from then on."""
    restored_at = 1_800_000_000 - 7200
    recover = [0]
    world = World(backups=lambda: config(False, recover_from=recover[0])).pair()
    assert Client(world, 1).lease()
    world.run(5)
    world.backup.crash()
    world.backup.notes.clear()
    recover[0] = restored_at
    world.backup.boot()
    world.run(20)
    assert world.backup.state == "RECOVER-WAIT"
    world.run(3560)
    assert world.backup.state == "RECOVER-WAIT"
    world.run(30)
    assert path(world.backup) == ["RECOVER", "RECOVER-WAIT", "RECOVER-DONE", "NORMAL"]
    assert any("update request all" in n for n in world.backup.notes)
    world.books_agree()


def test_failover_disabled_and_enabled_again() -> None:
    """S4.2g: the empty backup with failover-recover = now - MCLT asks for all and need not wait: its main serves alone.

    Of a main that does not, the date is not believed: it had this backup as a partner until a moment ago.
    """
    recover = [0]
    world = World(backups=lambda: config(False, recover_from=recover[0])).pair()
    assert Client(world, 1).lease()
    world.run(5)
    world.backup.notes.clear()
    world.backup.crash(keep_disk=False)
    world.run(10)
    recover[0] = int(world.now) - 3600
    world.backup.boot()
    world.run(15)
    assert path(world.backup) == ["RECOVER", "RECOVER-WAIT"]
    world.backup.crash(keep_disk=False)
    world.run(10)
    world.main.take_over(world.backup, expert=False)
    world.backup.notes.clear()
    world.backup.boot()
    world.run(15)
    assert path(world.backup) == ["RECOVER", "RECOVER-WAIT", "RECOVER-DONE", "NORMAL"]


def test_clean_stop_tells_the_partner() -> None:
    """Draft 9.13: PAUSED is announced, so the partner serves all clients at once."""
    world = World().pair()
    world.main.stop()
    world.run(0.1)
    assert world.backup.state == "COMMUNICATIONS-INTERRUPTED"
    assert any("pauses" in n for n in world.backup.notes)
    assert Client(world, 1).lease(world.backup)
    world.main.boot()
    world.run(10)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")


def test_lead_time() -> None:
    """S4.3: first lease the MCLT, told now + desired + MCLT; renewal the desired time, told now + 1.5 x desired."""
    world = World().pair()
    client = Client(world, 1)
    assert client.lease() and client.left_s == 3600
    world.run(1)
    for server in (world.main, world.backup):
        assert server.node is not None
        lease = server.node.book.by_address[client.address]
        told = lease.acked_potential if server is world.main else lease.received_potential
        assert abs(told - (world.now + 259200 + 3600)) < 3
    world.run(1800)
    assert client.renew(world.main) and client.left_s == 259200
    world.run(1)
    assert world.main.node is not None
    lease = world.main.node.book.by_address[client.address]
    assert abs(lease.acked_potential - (world.now + 259200 * 1.5)) < 3
    assert lease.up_to_date


def test_in_normal_the_backup_answers_renewals_only() -> None:
    """S4.5."""
    world = World().pair()
    client = Client(world, 1)
    assert not client.lease(world.backup)
    assert client.lease(world.main)
    world.run(1)
    assert client.renew(world.backup)
    assert client.server == BACKUP
    world.run(1)
    world.books_agree()


def test_partner_down_uses_the_partners_addresses_after_the_mclt() -> None:
    """S4.5, draft 9.4.2: own share first, the partner's after the MCLT, expired leases after lease and MCLT."""
    small = scope(last="192.168.50.29", lease_s=7200)
    world = World(lambda: config(True, small), lambda: config(False, small)).pair()
    leaver = Client(world, 1)
    assert leaver.lease()
    held = leaver.address
    world.run(5)
    world.main.crash()
    world.run(10)
    partner_down(world, world.backup)
    got = [c for c in (Client(world, 10 + n) for n in range(20)) if c.lease(world.backup)]
    assert len(got) == 2, "the backup's own share"
    world.run(3600)
    got += [c for c in (Client(world, 50 + n) for n in range(30)) if c.lease(world.backup)]
    assert held not in {c.address for c in got}, "the partner was told now + desired + MCLT for it: wait for that"
    assert len({c.address for c in got}) >= 19
    world.run(7200 + 3600 + 3600)
    late = Client(world, 200)
    assert late.lease(world.backup)


def test_an_address_is_given_again_only_after_the_partner_agreed() -> None:
    """S4.4: a released address is RELEASED until the partner has acknowledged it."""
    world = World().pair()
    client = Client(world, 1)
    assert client.lease()
    world.run(1)
    address = client.address
    cut(world)
    client.release(world.main)
    assert world.main.node is not None
    assert world.main.node.book.by_address[address].status == b.RELEASED
    mend(world)
    assert world.main.node.book.by_address[address].status == b.FREE
    assert world.backup.node is not None
    assert world.backup.node.book.by_address[address].status == b.FREE


def test_expiry_comes_back_free_on_both() -> None:
    """The main declares the lease over; both have the address FREE, the main's."""
    world = World().pair()
    client = Client(world, 1)
    assert client.lease()
    world.run(3600 + 60)
    for server in (world.main, world.backup):
        assert server.node is not None
        assert server.node.book.by_address[client.address].status == b.FREE
    world.books_agree()


def test_safe_period() -> None:
    """S4.8: after the safe period in COMMUNICATIONS-INTERRUPTED the server enters PARTNER-DOWN by itself."""
    world = World(backups=lambda: config(False, safe_period_s=600)).pair()
    world.main.crash()
    world.run(590)
    assert world.backup.state == "COMMUNICATIONS-INTERRUPTED"
    world.run(20)
    assert world.backup.state == "PARTNER-DOWN"


def test_set_partner_down_rules() -> None:
    """S4.9: not while the partner answers; never earlier than the interruption, except in expert mode."""
    world = World().pair()
    with pytest.raises(CommandError, match="connected"):
        partner_down(world, world.backup)
    with pytest.raises(CommandError, match="no failover partner"):
        out: list[Effect] = []
        assert world.backup.node is not None
        world.backup.node.set_partner_down(world.now, 1, None, False, out)
    world.main.crash()
    world.run(10)
    since = world.backup.endpoint.saved.interrupted_since
    assert "not earlier" in partner_down(world, world.backup, world.now - 300)
    assert world.backup.endpoint.saved.since == since
    assert "already" in partner_down(world, world.backup)


def test_a_clock_difference_is_corrected() -> None:
    """S4.14: the partner's times are taken in our clock, whatever its clock says."""
    world = World()
    world.backup.skew_s = 7200.0
    world.pair()
    client = Client(world, 1)
    assert client.lease()
    world.run(1)
    assert world.main.node is not None and world.backup.node is not None
    ours = world.main.node.book.by_address[client.address].expires
    theirs = world.backup.node.book.by_address[client.address].expires
    assert abs(theirs - 7200 - ours) <= 1
    assert any("clock differs by" in n for n in world.backup.notes)


def test_reserved_address_goes_to_the_backup_flagged() -> None:
    """S4.12, draft 5.13."""
    key = b"h\x01\x02\x00\x00\x00\x00\x07"
    one = lambda: scope(reservations={"192.168.50.9": key})  # noqa: E731
    world = World(lambda: config(True, one()), lambda: config(False, one())).pair()
    cut(world)
    client = Client(world, 7)
    assert client.lease(world.backup)
    assert client.address == MAIN - 2 + 9
    assert not any("refused" in n.lower() for n in world.main.notes)


def test_a_reserved_address_that_the_partner_does_not_reserve_is_refused_and_service_goes_on() -> None:
    """Draft 7.1.3: reject reason 19; S10.8: the pair stays NORMAL."""
    key = b"h\x01\x02\x00\x00\x00\x00\x07"
    world = World(lambda: config(True, scope(reservations={"192.168.50.9": key})), lambda: config(False)).pair()
    assert any("not reserved" in n for n in world.main.notes)
    assert Client(world, 1).lease()
    world.run(120)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")


def test_scopes_that_differ_are_refused_address_by_address() -> None:
    """Reject reason 1 names the cure; the pair stays NORMAL."""
    other = lambda: config(False, scope(name="x", first="10.0.0.5", last="10.0.0.9", subnet="10.0.0.0"))  # noqa: E731
    world = World(lambda: config(True), other).pair()
    assert Client(world, 1).lease(world.main)
    world.run(5)
    assert any("reason 1" in n for n in world.main.notes)
    assert world.main.state == "NORMAL"


def test_a_silent_partner_is_given_up_after_the_poll_timeout() -> None:
    """S4.10: contact messages go, and silence of poll-timeout interrupts communications."""
    world = World().pair()
    world.cut = True  # the connections stay, but nothing arrives any more
    world.run(45)
    assert world.main.state == "NORMAL"
    world.run(15)
    assert (world.main.state, world.backup.state) == ("COMMUNICATIONS-INTERRUPTED",) * 2


def test_a_slash_8_scope_costs_nothing_for_unused_addresses() -> None:
    """The backup's 1.6 million addresses of 10.0.0.0/8 are one range, one row, one update."""
    big = lambda: scope("big", "10.0.0.1", "10.255.255.254", subnet="10.0.0.0", mask=0xFF000000)  # noqa: E731
    world = World(lambda: config(True, big()), lambda: config(False, big())).pair()
    assert world.backup.node is not None
    pool = world.backup.node.book.pools[0]
    assert pool.backup.size == (2**24 - 2) * 10 // 100
    assert len(world.backup.disk.shares) == 1 and not world.backup.node.book.by_address
