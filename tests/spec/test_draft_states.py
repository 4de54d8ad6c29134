"""draft-ietf-dhc-failover-12 section 9 (with 5.9 and 10): states, in the order of the section.

What S4.2 tells of two servers coming together is in tests/scripts/test_integration.py.
"""

from __future__ import annotations

import pytest
from pair import BACKUP, MAIN, NAME, Client, Server, World, config, scope

from tandem.base.errors import CommandError
from tandem.base.io import Effect, SaveState, Send, Tick
from tandem.failover.states import SERVING
from tandem.lease.powers import STANDALONE
from tandem.wire.failover import ServerState as S
from tandem.wire.failover import State, decode


def path(server: Server) -> list[str]:
    """The states that a server's log names, in order."""
    return [n.split(" to ")[1].split(" (")[0] for n in server.notes if "state changes" in n]


def partner_down(world: World, server: Server, at: float | None = None, expert: bool = False) -> str:
    out: list[Effect] = []
    assert server.node is not None
    said = server.node.set_partner_down(server.now, BACKUP if server is world.main else MAIN, at, expert, out)
    server.perform(out)
    world.settle()
    return said


def shut_down(world: World, server: Server) -> list[bool | None]:
    """Stop a server for long; return what its partner answered."""
    out: list[Effect] = []
    assert server.node is not None
    server.node.shut_down(server.now, out)
    server.perform(out)
    world.settle()
    answers = [answer for _, answer in server.node.replaced()]
    server.stop()
    return answers


def cut(world: World) -> None:
    world.cut = True
    world.drop_connections_of(world.main)
    world.run(1)


def mend(world: World) -> None:
    world.cut = False
    world.run(15)


def small() -> World:
    """Twenty addresses: eighteen the main's, two the backup's."""
    return World(
        lambda: config(True, scope(last="192.168.50.29")), lambda: config(False, scope(last="192.168.50.29"))
    ).pair()


def said_states(out: list[Effect]) -> list[State]:
    """The STATE messages among effects."""
    messages = [decode(effect.data, b"").message for effect in out if isinstance(effect, Send)]
    return [message for message in messages if isinstance(message, State)]


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


# --- 9.8, 9.9: NORMAL, COMMUNICATIONS-INTERRUPTED -------------------------------------------------------


def test_9_8_1_entering_normal_sends_what_is_unacknowledged_and_the_backup_asks_for_addresses() -> None:
    world = World().pair()
    cut(world)
    clients = [Client(world, n) for n in range(5)]
    assert all(client.lease(world.main) for client in clients)
    assert len(world.main.endpoint.unacked) == 5
    mend(world)
    world.books_agree()


def test_9_8_4_an_alarm_is_raised_when_communications_are_interrupted() -> None:
    """9.9.1 and 9.11.1: a Warning, on both sides."""
    world = World().pair()
    cut(world)
    for server in (world.main, world.backup):
        assert any(n.startswith("Warning 06100") and "to COMMUNICATIONS-INTERRUPTED" in n for n in server.notes)


def test_9_8_4_the_operator_may_set_a_connected_partner_down_in_expert_mode() -> None:
    world = World().pair()
    with pytest.raises(CommandError, match="expert"):
        partner_down(world, world.main)
    partner_down(world, world.main, expert=True)
    assert path(world.main)[-1] != "PARTNER-DOWN", "the partner is there, and both resolve"
    world.run(10)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")


def test_9_9_2_each_gives_its_own_addresses_only() -> None:
    world = small()
    cut(world)
    mains = [c for c in (Client(world, n) for n in range(25)) if c.lease(world.main)]
    backups = [c for c in (Client(world, 100 + n) for n in range(5)) if c.lease(world.backup)]
    assert (len(mains), len(backups)) == (18, 2)


def test_9_9_2_renewals_shrink_to_the_mclt_while_the_partner_acknowledges_nothing() -> None:
    world = World().pair()
    client = Client(world, 1)
    assert client.lease()
    world.run(1800)
    assert client.renew(world.main) and client.left_s == 259200
    world.run(5)
    cut(world)
    world.run(129600)
    assert client.renew(world.main) and client.left_s == 259200, "acknowledged until 4.5 days after the renewal"
    world.run(259190)
    assert client.renew(world.main) and client.left_s <= 3600 + 5


# --- 9.10, 9.11, 9.12: conflict ---------------------------------------------------------------------------


def conflicting() -> World:
    """Both served in PARTNER-DOWN; the connection is about to come back."""
    world = World().pair()
    cut(world)
    world.run(30)
    partner_down(world, world.main)
    partner_down(world, world.backup)
    assert Client(world, 1).lease(world.main) and Client(world, 2).lease(world.backup)
    return world


def stop_in(world: World, server: Server, state: str) -> None:
    """Let the connection come back, and cut it when ``server`` is in ``state``."""
    world.cut = False
    for _ in range(20_000):
        if server.state == state:
            break
        if world._events:
            world._events.popleft()()
        else:
            world.now = min(s.node.deadline() for s in (world.main, world.backup))  # type: ignore[union-attr,type-var]
            world.main.handle(Tick())
            world.backup.handle(Tick())
    assert server.state == state
    world.cut = True
    world.drop_connections_of(world.main)
    world.run(1)


def test_9_10_2_potential_conflict_answers_nobody_and_9_11_2_resolution_interrupted_does() -> None:
    world = conflicting()
    client = Client(world, 1)
    assert client.lease(world.main)
    stop_in(world, world.main, "POTENTIAL-CONFLICT")
    assert world.main.state == "RESOLUTION-INTERRUPTED"
    assert any(n.startswith("Warning") and "to RESOLUTION-INTERRUPTED" in n for n in world.main.notes), "9.11.1"
    assert client.renew(world.main)
    assert not Client(world, 9).lease(world.main), "whose the available addresses are cannot be told"
    world.main.endpoint.state = int(S.POTENTIAL_CONFLICT)
    world.main.endpoint.adopt_powers()
    world.main.node.dhcp.set_powers([STANDALONE, world.main.endpoint.powers])  # type: ignore[union-attr]
    assert not client.renew(world.main)


def test_9_11_3_the_resolution_starts_again_with_the_connection() -> None:
    world = conflicting()
    stop_in(world, world.main, "POTENTIAL-CONFLICT")
    mend(world)
    assert path(world.main)[-4:] == ["RESOLUTION-INTERRUPTED", "POTENTIAL-CONFLICT", "CONFLICT-DONE", "NORMAL"]
    assert world.backup.state == "NORMAL"
    world.books_agree()


def test_9_11_3_partner_down_in_resolution_interrupted() -> None:
    world = conflicting()
    stop_in(world, world.main, "POTENTIAL-CONFLICT")
    partner_down(world, world.main)
    assert world.main.state == "PARTNER-DOWN"


def test_9_12_2_conflict_done_serves_everybody_and_outlasts_the_connection() -> None:
    world = conflicting()
    stop_in(world, world.main, "CONFLICT-DONE")
    assert world.main.state == "CONFLICT-DONE"
    assert Client(world, 7).lease(world.main)
    mend(world)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    world.books_agree()


# --- 9.13, 9.14: PAUSED and SHUTDOWN --------------------------------------------------------------------


def test_9_13_paused_lets_the_partner_serve_at_once_and_the_state_stays_on_disk() -> None:
    world = World().pair()
    world.main.stop()
    world.run(0.1)
    assert world.backup.state == "COMMUNICATIONS-INTERRUPTED"
    assert world.main.disk.states[NAME]["state"] == S.NORMAL
    assert Client(world, 1).lease(world.backup)
    world.main.boot()
    world.run(10)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")


def test_9_14_shutdown_lets_the_partner_take_over() -> None:
    """PARTNER-DOWN at the partner; on its return the server recovers from it without a wait."""
    world = World().pair()
    old = Client(world, 1)
    assert old.lease()
    assert shut_down(world, world.main) == [True]
    assert world.backup.state == "PARTNER-DOWN"
    assert world.main.disk.states[NAME]["state"] == S.RECOVER
    assert world.main.disk.states[NAME]["last_operation"] == int(world.now), "9.14.1"
    new = Client(world, 2)
    assert old.renew(world.backup) and new.lease(world.backup)
    world.run(7200)
    world.main.notes.clear()
    world.main.boot()
    world.run(15)
    assert path(world.main) == ["RECOVER", "RECOVER-WAIT", "RECOVER-DONE", "NORMAL"]
    assert world.backup.state == "NORMAL"
    world.books_agree()


def test_9_14_what_has_changed_is_sent_before_shutdown() -> None:
    world = World().pair()
    client = Client(world, 1)
    assert client.lease()  # its update still waits for company
    shut_down(world, world.main)
    assert client.address in world.backup.active()


def test_9_14_2_shutdown_answers_nobody() -> None:
    world = World().pair()
    client = Client(world, 1)
    assert client.lease()
    out: list[Effect] = []
    assert world.main.node is not None
    world.main.node.shut_down(world.now, out)
    world.main.perform(out)
    assert world.main.state == "SHUTDOWN"
    assert not client.renew(world.main) and not Client(world, 2).lease(world.main)


def test_9_14_shutdown_without_the_partner_changes_nothing_on_disk() -> None:
    world = World().pair()
    world.backup.crash()
    world.run(5)
    assert shut_down(world, world.main) == [False]
    assert world.main.disk.states[NAME]["state"] == S.COMMUNICATIONS_INTERRUPTED
    world.main.boot()
    world.backup.boot()
    world.run(15)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")


def test_the_states_that_serve_everybody() -> None:
    """Figure 9.2-1: responsive."""
    assert set(SERVING) == {
        S.COMMUNICATIONS_INTERRUPTED, S.PARTNER_DOWN, S.RESOLUTION_INTERRUPTED, S.CONFLICT_DONE
    }  # fmt: skip


# --- 10: safe period --------------------------------------------------------------------------------------


def test_10_the_safe_period_ends_in_partner_down_and_counts_from_the_interruption() -> None:
    world = World(backups=lambda: config(False, safe_period_s=600)).pair()
    world.main.crash()
    world.run(590)
    assert world.backup.state == "COMMUNICATIONS-INTERRUPTED"
    world.run(20)
    assert world.backup.state == "PARTNER-DOWN"


def test_10_without_a_safe_period_nothing_ends_the_interruption() -> None:
    world = World().pair()
    world.main.crash()
    world.run(3 * 86400)
    assert world.backup.state == "COMMUNICATIONS-INTERRUPTED"


def test_10_a_server_that_was_away_itself_starts_the_safe_period_anew() -> None:
    world = World(backups=lambda: config(False, safe_period_s=600)).pair()
    world.main.crash()
    world.run(500)
    world.backup.crash()
    world.run(5000)
    world.backup.boot()
    world.run(500)
    assert world.backup.state == "COMMUNICATIONS-INTERRUPTED"
    world.run(200)
    assert world.backup.state == "PARTNER-DOWN"
