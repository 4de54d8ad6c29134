"""draft-ietf-dhc-failover-12 sections 5.9 and 9.2 to 9.7: the start, PARTNER-DOWN and recovery, in their order.

What S4.2 tells of two servers coming together is in tests/scripts/test_integration.py.
"""

from __future__ import annotations

import pytest
from moves import cut, mend, partner_down, path, said_states, small
from pair import MAIN, NAME, Client, Server, World, config, scope
from partner import Partner

from tandem.base.errors import CommandError
from tandem.base.io import ClockSet, Effect, SaveState
from tandem.base.ipv4 import parse_ipv4
from tandem.lease.binding import ACTIVE, EXPIRED
from tandem.wire.failover import BindingUpdate, State, UpdateRequestAll
from tandem.wire.failover import ServerState as S

# --- 9.2 ------------------------------------------------------------------------------------------------


def test_9_2_a_state_is_stored_before_the_partner_hears_of_it() -> None:
    world = World().pair()
    world.main.crash()
    world.run(10)
    world.cut = True
    out: list[Effect] = []
    assert world.backup.node is not None
    world.backup.node.set_partner_down(world.now, MAIN, None, False, out)
    saved = [effect.values for effect in out if isinstance(effect, SaveState)]
    assert saved[0]["state"] == S.PARTNER_DOWN and saved[0]["since"] == world.backup.endpoint.saved.since

    world = World().pair()
    heard: list[tuple[int, bool]] = []
    perform = world.main.perform

    def watch(out: list[Effect]) -> None:
        for at, effect in enumerate(out):
            for message in said_states([effect]):
                stored = [e.values["state"] for e in out[:at] if isinstance(e, SaveState)]
                known = stored or [world.main.disk.states[NAME]["state"]]
                heard.append((message.state, known[-1] == message.state))
        perform(out)

    world.main.perform = watch  # type: ignore[method-assign]
    cut(world)
    mend(world)
    assert heard == [(S.COMMUNICATIONS_INTERRUPTED, True), (S.NORMAL, True)]


def test_9_2_a_client_that_is_not_answered_leaves_no_trace() -> None:
    world = World().pair()
    assert not Client(world, 1).lease(world.backup)
    assert world.backup.node is not None
    assert not world.backup.node.book.by_address and not world.backup.node.book.offered


def test_9_2_a_change_of_the_partners_state_keeps_the_connection() -> None:
    """Through POTENTIAL-CONFLICT and back on one connection."""
    world = World().pair()
    cut(world)
    world.run(30)
    partner_down(world, world.main)
    mend(world)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert path(world.main)[-4:] == ["PARTNER-DOWN", "POTENTIAL-CONFLICT", "CONFLICT-DONE", "NORMAL"]
    lost = [note for note in world.main.notes if " 06120 " in note]
    assert len(lost) == 1


# --- 9.3 and 5.9: STARTUP -------------------------------------------------------------------------------


def test_9_3_1_startup_answers_nobody() -> None:
    world = World().pair()
    client = Client(world, 1)
    assert client.lease()
    world.run(1)
    world.main.crash()
    world.cut = True
    world.main.boot()
    assert world.main.state == "STARTUP"
    assert not client.renew(world.main) and not Client(world, 2).lease(world.main)


def test_9_3_1_the_state_message_of_startup_carries_the_startup_bit_and_the_previous_state() -> None:
    world = World().pair()
    world.main.crash()
    heard: list[State] = []
    perform = world.main.perform

    def watch(out: list[Effect]) -> None:
        heard.extend(said_states(out))
        perform(out)

    world.main.perform = watch  # type: ignore[method-assign]
    world.main.boot()
    world.run(5)
    assert (heard[0].startup, heard[0].state) == (True, S.COMMUNICATIONS_INTERRUPTED)
    assert not heard[-1].startup and heard[-1].state == S.NORMAL


@pytest.mark.parametrize(
    ("stored", "returns_to"),
    [(S.NORMAL, "COMMUNICATIONS-INTERRUPTED"), (S.POTENTIAL_CONFLICT, "RESOLUTION-INTERRUPTED"),
     (S.RECOVER, "RECOVER"), (S.CONFLICT_DONE, "CONFLICT-DONE"), (S.PARTNER_DOWN, "PARTNER-DOWN")],
)  # fmt: skip
def test_9_3_2_a_server_alone_goes_on_where_it_was_less_the_communications(stored: S, returns_to: str) -> None:
    world = World().pair()
    world.main.crash()
    world.backup.crash()
    world.main.disk.states[NAME]["state"] = int(stored)
    world.main.boot()
    world.run(9)
    assert world.main.state == "STARTUP"
    world.run(2)
    assert world.main.state == returns_to


def test_9_3_2_a_backup_without_any_record_waits_in_recover() -> None:
    world = World()
    world.backup.boot()
    world.run(60)
    assert world.backup.state == "RECOVER"
    assert not Client(world, 1).lease(world.backup)


def test_9_3_2_the_partner_down_time_decides_between_recover_and_potential_conflict() -> None:
    """Later than this server's last operation: RECOVER; earlier: POTENTIAL-CONFLICT."""
    for before_s, first in ((0, "RECOVER"), (120, "POTENTIAL-CONFLICT")):
        world = World().pair()
        world.run(300)
        world.main.crash()
        world.run(30)
        partner_down(world, world.backup, world.now - 30 - before_s if before_s else None, expert=True)
        world.main.notes.clear()
        world.main.boot()
        world.run(15)
        assert path(world.main)[0] == first
        assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")


def test_5_9_the_partner_is_looked_for_longer_after_a_long_absence() -> None:
    """Longer than the MCLT: the partner may have taken over."""
    world = World().pair()
    world.backup.crash()
    for away, startup in ((60, 10), (7200, 30)):
        world.main.crash()
        world.run(away)
        world.main.boot()
        world.run(startup - 1)
        assert world.main.state == "STARTUP"
        world.run(2)
        assert world.main.state == "COMMUNICATIONS-INTERRUPTED"


def test_9_3_2_a_server_that_may_have_been_replaced_gives_no_new_leases() -> None:
    """Step 6, "reasons to wait": down for longer than the MCLT and cut off; clients that have a lease keep it."""
    world = World().pair()
    client = Client(world, 1)
    assert client.lease()
    world.run(1800)
    assert client.renew(world.main) and client.left_s == 259200
    world.run(1)
    world.main.crash()
    world.backup.crash()
    world.run(3700)
    world.main.boot()
    world.run(40)
    assert world.main.state == "COMMUNICATIONS-INTERRUPTED"
    assert client.renew(world.main)
    assert not Client(world, 2).lease(world.main)
    world.backup.boot()
    world.run(15)
    assert world.main.state == "NORMAL" and Client(world, 3).lease()


def test_9_3_2_nor_one_of_its_own_that_was_over_before_it_is_declared_over() -> None:
    """The partner has waited in PARTNER-DOWN, and given the address to another client."""
    tiny = lambda: scope(last="192.168.50.11", lease_s=900, pct=50)  # noqa: E731
    world = World(lambda: config(True, tiny()), lambda: config(False, tiny())).pair()
    old, new = Client(world, 1), Client(world, 2)
    assert old.lease(world.main)
    world.run(1)
    world.backup.crash()
    world.run(10)
    partner_down(world, world.main)
    world.run(9000)
    assert all(client.lease(world.main) for client in (Client(world, 3), new))
    assert old.address in world.main.active()
    world.main.crash()
    world.backup.boot()
    while world.backup.state == "STARTUP":
        world.run(1)
    assert world.backup.state == "COMMUNICATIONS-INTERRUPTED"
    assert old.address in world.backup.active(), "nobody has declared it over yet"
    assert not old.lease(world.backup), "one of the two has it"
    world.run(60)
    assert not old.lease(world.backup)
    world.main.boot()
    while not world.backup.endpoint.partner_starting:
        world.step()
    assert world.backup.state == "COMMUNICATIONS-INTERRUPTED"
    assert world.backup.endpoint.saved.cautious, "a partner that is starting has told nothing yet"


# --- 9.4: PARTNER-DOWN ----------------------------------------------------------------------------------


def test_9_4_2_the_partners_addresses_wait_for_the_mclt() -> None:
    world = small()
    world.main.crash()
    world.run(10)
    partner_down(world, world.backup)
    assert sum(Client(world, n).lease(world.backup) for n in range(10)) == 2
    world.run(3590)
    assert not Client(world, 50).lease(world.backup)
    world.run(20)
    assert Client(world, 51).lease(world.backup)


def test_9_4_2_leases_keep_to_the_mclt_in_partner_down() -> None:
    """The first of the two options: safe against the loss of this server's database too."""
    world = World().pair()
    world.backup.crash()
    world.run(10)
    partner_down(world, world.main)
    world.run(7200)
    client = Client(world, 1)
    assert client.lease(world.main) and client.left_s == 3600
    world.run(1800)
    assert client.renew(world.main) and client.left_s == 3600


def test_9_4_2_it_goes_on_looking_for_its_partner() -> None:
    world = World().pair()
    world.backup.crash()
    world.run(10)
    partner_down(world, world.main)
    world.run(86400)
    world.backup.boot()
    world.run(10)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")


def test_9_4_3_a_state_with_the_startup_bit_moves_nobody() -> None:
    world = World().pair()
    world.backup.crash()
    world.run(10)
    partner_down(world, world.main)
    world.main.notes.clear()
    world.backup.boot()  # says COMMUNICATIONS-INTERRUPTED, starting; then RECOVER
    world.run(10)
    assert any("partner is in COMMUNICATIONS-INTERRUPTED (starting)" in note for note in world.main.notes)
    assert path(world.main) == ["NORMAL"]


# --- 9.5, 9.6: RECOVER and RECOVER-WAIT -----------------------------------------------------------------


def recovering_backup(whole: bool) -> tuple[World, list[Client]]:
    """A backup in RECOVER whose main, which served in PARTNER-DOWN, died before it could send anything."""
    world = small()
    known = Client(world, 1)
    assert known.lease()
    world.run(1)
    world.backup.crash(keep_disk=whole)
    world.run(10)
    partner_down(world, world.main)
    world.run(3600)
    clients = [known, *(Client(world, 10 + n) for n in range(5))]
    assert known.renew() and all(client.lease() for client in clients[1:])
    world.main.crash()
    world.backup.notes.clear()
    if whole:
        world.backup.disk.states[NAME] |= {"state": int(S.RECOVER), "failed_at": int(world.now) - 3700}
    world.backup.boot()
    world.run(60)
    assert world.backup.state == "RECOVER"
    return world, clients


def test_9_5_1_recover_answers_nobody() -> None:
    world, clients = recovering_backup(whole=True)
    assert not clients[0].renew(world.backup) and not Client(world, 99).lease(world.backup)


def test_9_5_2_a_partner_in_recover_is_told_nothing_before_it_has_asked() -> None:
    """What it acknowledges before it asks for everything, it has forgotten a moment later."""
    partner = Partner(True)
    partner.normal()
    partner.hang_up()
    partner.wait(10)
    partner.open()
    partner.state_message(S.RECOVER)
    partner.said()
    book, out = partner.node.book, list[Effect]()
    binding = book.record(parse_ipv4("192.168.50.10"), partner.node.config.scopes[0])
    book.set_client(binding, b"\x01\x02\x00\x00\x00\x00\x07", b"")
    binding.expires = int(partner.now)
    book.set_status(binding, ACTIVE, int(partner.now))
    book.save(binding, out)
    partner.wait(10)
    assert binding.status == EXPIRED
    assert not [m for m in partner.said() if isinstance(m, BindingUpdate)]
    partner.say(UpdateRequestAll())
    partner.wait(1)
    told = [u for m in partner.said() if isinstance(m, BindingUpdate) for u in m.updates]
    (update,) = [u for u in told if u.address == binding.address]
    assert (update.status, update.expires) == (ACTIVE, int(partner.now) - 1 + 3600), "it may have been extended there"


def test_9_5_2_a_lost_connection_lets_it_ask_again() -> None:
    world = World().pair()
    for n in range(30):
        assert Client(world, n).lease()
    world.run(5)
    world.backup.crash(keep_disk=False)
    world.run(10)
    asked = len([note for note in world.backup.notes if "Sent update request" in note])
    world.main.fuse = 12  # the main dies while it sends
    world.backup.boot()
    world.run(5)
    assert world.main.node is None and world.backup.state in ("RECOVER", "STARTUP")
    world.main.boot()
    world.run(20)
    assert world.backup.state == "RECOVER-WAIT"
    assert len([note for note in world.backup.notes if "Sent update request all" in note]) > asked
    assert len(world.backup.active()) == 30


def test_9_6_2_the_wait_counts_from_the_failure_and_goes_on_without_the_connection() -> None:
    world = World().pair()
    world.backup.crash(keep_disk=False)
    world.run(600)
    world.backup.boot()
    began = world.now
    world.run(20)
    assert world.backup.state == "RECOVER-WAIT"
    assert not Client(world, 1).lease(world.backup), "9.6.1"
    assert "the end of the wait in" in world.backup.endpoint.waits_for(world.now)
    world.main.crash()
    world.run(began + 3600 - world.now - 5)
    assert world.backup.state == "RECOVER-WAIT"
    world.run(10)
    assert world.backup.state == "RECOVER-DONE"


def test_9_6_2_a_restart_in_the_wait_does_not_begin_it_anew() -> None:
    world = World().pair()
    world.backup.crash(keep_disk=False)
    world.backup.boot()
    world.run(1800)
    assert world.backup.state == "RECOVER-WAIT"
    world.backup.crash()
    world.run(60)
    world.backup.boot()
    world.run(1700)
    assert world.backup.state == "RECOVER-WAIT"
    world.run(100)
    assert world.backup.state == "NORMAL"


def set_forward(world: World, server: Server, seconds: float) -> None:
    server.skew_s += seconds
    server.handle(ClockSet(seconds))
    world.run(1)


def test_a_clock_that_is_set_forward_shortens_no_wait_in_recover_wait() -> None:
    world = World().pair()
    world.backup.crash(keep_disk=False)
    world.backup.boot()
    world.run(60)
    world.main.crash()
    set_forward(world, world.backup, 7200)
    assert any("was set forward by 2h" in note for note in world.backup.notes)
    world.run(3500)
    assert world.backup.state == "RECOVER-WAIT"
    world.run(100)
    assert world.backup.state == "RECOVER-DONE"


def test_a_clock_that_is_set_back_lengthens_no_wait() -> None:
    world = World(backups=lambda: config(False, safe_period_s=600)).pair()
    world.main.crash()
    world.run(60)
    set_forward(world, world.backup, -7200)
    assert any("was set back by 2h: leases end later" in note for note in world.backup.notes)
    world.run(560)
    assert world.backup.state == "PARTNER-DOWN"
    set_forward(world, world.backup, -7200)
    began = world.backup.endpoint.powers.other_from - world.backup.now
    assert 3500 < began <= 3600

    world = World().pair()
    world.backup.crash(keep_disk=False)
    world.backup.boot()
    world.run(60)
    set_forward(world, world.backup, -7200)
    world.run(3600)
    assert world.backup.state == "NORMAL"


def test_by_a_clock_that_was_set_back_no_lease_outlasts_what_the_partner_knows() -> None:
    lease_s = 7200
    world = World(lambda: config(True, scope(lease_s=lease_s)), lambda: config(False, scope(lease_s=lease_s))).pair()
    client = Client(world, 1)
    assert client.lease(world.main)
    world.run(10)
    assert world.backup.node is not None
    known = world.backup.node.book.by_address[client.address].received_potential
    cut(world)
    world.run(2990)
    assert client.renew(world.main)
    world.run(6000)
    set_forward(world, world.main, -5000)
    assert client.renew(world.main) and client.left_s > 3600
    assert client.expires <= known + 3600 + 1
    world.run(5 * lease_s)
    assert world.main.endpoint.saved.set_back_s == 0, "all that was acknowledged by then is over"


def test_what_was_acknowledged_before_a_clock_was_set_far_back_counts_less_until_all_of_it_is_over() -> None:
    lease_s = 7200
    world = World(lambda: config(True, scope(lease_s=lease_s)), lambda: config(False, scope(lease_s=lease_s))).pair()
    client = Client(world, 1)
    assert client.lease(world.main)
    world.run(2000)
    assert client.renew(world.main) and client.left_s == lease_s
    world.run(10)
    assert world.backup.node is not None
    known = world.backup.node.book.by_address[client.address].received_potential
    cut(world)
    world.run(10)
    set_forward(world, world.main, -20000)
    world.run(lease_s * 3 // 2 + 3600 + 100)
    assert client.renew(world.main)
    assert client.expires <= max(known, world.now) + 3600 + 1


@pytest.mark.parametrize("seconds", [60, -60])
def test_what_happened_before_a_clock_was_set_is_not_taken_for_older_or_newer(seconds: int) -> None:
    """While the two are apart a client releases its lease to one of them and takes it again from the other."""
    world = World().pair()
    first, second = (world.backup, world.main) if seconds > 0 else (world.main, world.backup)
    client = Client(world, 1)
    assert client.lease(world.main)
    address = client.address
    cut(world)
    world.run(60)
    assert world.main.state == world.backup.state == "COMMUNICATIONS-INTERRUPTED"
    client.release(first)
    world.run(30)
    client.address = address
    assert client.renew(second)
    world.run(10)
    set_forward(world, world.main, seconds)
    mend(world)
    assert client.address in world.main.active()
    assert client.address in world.backup.active()
    assert not world.main.endpoint.unacked and not world.backup.endpoint.unacked


def test_a_clock_that_is_set_forward_shortens_no_wait_in_partner_down_nor_the_safe_period() -> None:
    world = World(
        lambda: config(True, scope(last="192.168.50.29")),
        lambda: config(False, scope(last="192.168.50.29"), safe_period_s=600),
    ).pair()
    world.main.crash()
    world.run(60)
    set_forward(world, world.backup, 7200)
    assert world.backup.state == "COMMUNICATIONS-INTERRUPTED"
    world.run(600)
    assert world.backup.state == "PARTNER-DOWN"
    set_forward(world, world.backup, 7200)
    assert sum(Client(world, n).lease(world.backup) for n in range(10)) == 2
    world.run(3500)
    assert not Client(world, 50).lease(world.backup)
    world.run(120)
    assert Client(world, 51).lease(world.backup)


def test_partner_down_in_recover_waits_for_the_leases_that_it_may_not_know() -> None:
    """A backup in RECOVER whose main died for good extends leases at once, and gives new ones after the MCLT."""
    world, clients = recovering_backup(whole=True)
    assert "new leases are given in" in partner_down(world, world.backup)
    assert world.backup.state == "PARTNER-DOWN"
    assert all(client.renew(world.backup) for client in clients), "known or believed"
    held = {client.address for client in clients}
    assert not Client(world, 50).lease(world.backup)
    world.run(3700)
    late = [client for client in (Client(world, 100 + n) for n in range(20)) if client.lease(world.backup)]
    assert len(late) == 20 - len(held)
    assert held.isdisjoint(client.address for client in late)


@pytest.mark.slow
def test_partner_down_in_recover_after_a_lost_database_waits_for_the_longest_lease() -> None:
    world, clients = recovering_backup(whole=False)
    partner_down(world, world.backup)
    assert clients[0].renew(world.backup)
    world.run(7200)
    assert not Client(world, 50).lease(world.backup), "the main may have given leases of three days"
    world.run(259200)
    assert Client(world, 51).lease(world.backup)


def test_partner_down_in_recover_counts_from_the_date_in_expert_mode() -> None:
    world, _ = recovering_backup(whole=False)
    partner_down(world, world.backup, world.now - 259200, expert=True)
    assert Client(world, 51).lease(world.backup)


def test_a_server_set_alone_in_recover_asks_for_everything_when_its_partner_returns() -> None:
    world, clients = recovering_backup(whole=False)
    partner_down(world, world.backup)
    world.main.boot()
    world.run(30)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert any("update request all" in note for note in world.backup.notes)
    world.books_agree()
    assert {client.address for client in clients} <= set(world.backup.active())
    assert not world.backup.endpoint.saved.cautious and not world.backup.endpoint.saved.unknown_s


def test_partner_down_in_recover_is_refused_while_the_partner_answers() -> None:
    world = World().pair()
    world.backup.crash(keep_disk=False)
    world.backup.boot()
    world.run(30)
    assert world.backup.state == "RECOVER-WAIT"
    with pytest.raises(CommandError, match="sends its lease data"):
        partner_down(world, world.backup, expert=True)
    world.main.crash()
    world.run(1)
    partner_down(world, world.backup)
    assert world.backup.state == "PARTNER-DOWN"


def test_unsetting_failover_recover_disturbs_nobody() -> None:
    """S4.2f: the operator clears it once both are NORMAL; the next date counts again."""
    date = 1_800_000_000 - 7200
    world = World(backups=lambda: config(False, recover_from=date)).pair()
    assert world.backup.node is not None
    for recover_from, moves in ((date, []), (0, []), (date, ["RECOVER"])):
        world.backup.notes.clear()
        out: list[Effect] = []
        world.backup.node.reload(world.now, config(False, recover_from=recover_from), out)
        world.backup.perform(out)
        world.run(1)
        assert path(world.backup)[:1] == moves


# --- 9.7: RECOVER-DONE ----------------------------------------------------------------------------------


def test_9_7_1_recover_done_answers_renewals_only() -> None:
    world = World().pair()
    client = Client(world, 1)
    assert client.lease()
    world.run(1800)
    assert client.renew(world.main)
    world.run(5)
    world.backup.crash(keep_disk=False)
    world.backup.boot()
    world.run(20)
    world.main.crash()
    world.run(3600)
    assert world.backup.state == "RECOVER-DONE"
    assert client.renew(world.backup)
    assert not Client(world, 2).lease(world.backup)
    world.main.boot()
    world.run(15)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL"), "9.7.2"


def test_a_backup_that_lost_its_database_and_finds_its_main_late_waits_the_mclt() -> None:
    """Section 9.6: it went into RECOVER alone, and learns only then that its main knows it."""
    world = World().pair()
    world.backup.crash(keep_disk=False)
    cut(world)
    world.backup.boot()
    world.run(120)
    assert world.backup.state == "RECOVER"
    mend(world)
    world.run(60)
    assert world.backup.state == "RECOVER-WAIT"
    world.run(3600)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
