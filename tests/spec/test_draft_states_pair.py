"""draft-ietf-dhc-failover-12 sections 9.8 to 9.14 and 10: the pair, its conflicts, its ends, in their order."""

from __future__ import annotations

import pytest
from moves import cut, mend, partner_down, path, shut_down, small
from pair import NAME, Client, Server, World, config
from partner import Partner

from tandem.base.errors import CommandError
from tandem.base.io import Effect, LinkData, Reply, Tick
from tandem.failover.states import SERVING
from tandem.lease.binding import BACKUP as BACKUP_SHARE
from tandem.lease.powers import STANDALONE
from tandem.wire.failover import MessageType, UpdateDone, UpdateRequest, UpdateRequestAll
from tandem.wire.failover import ServerState as S

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


def test_9_8_4_a_partner_that_answers_and_acknowledges_nothing_is_an_alarm_and_ends_nothing() -> None:
    world = World().pair()
    handle, held = world.backup.handle, list[LinkData]()

    def stuck(event: object) -> list[Reply]:
        if isinstance(event, LinkData) and event.data[2] == MessageType.BNDUPD:
            held.append(event)
            return []
        return handle(event)

    world.backup.handle = stuck  # type: ignore[method-assign]
    client = Client(world, 1)
    assert client.lease(world.main)
    world.run(600)
    alarms = [n for n in world.main.notes if n.startswith("Warning 06172")]
    assert len(alarms) == 1 and ": 1 wait;" in alarms[0]
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert client.renew(world.main) and client.left_s == 3600, "safe at the MCLT"
    assert Client(world, 2).lease(world.main), "nobody is refused"
    world.backup.handle = handle  # type: ignore[method-assign]
    for event in held:
        handle(event)
    world.run(10)
    assert any(n.startswith("Info 06173") for n in world.main.notes)
    world.books_agree()


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


@pytest.mark.slow
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


def test_9_9_2_a_client_is_not_believed_whose_lease_is_over_as_both_know() -> None:
    """The address has become the partner's to give; a client that comes back with it gets silence, not the address."""
    world = small()
    late = Client(world, 1)
    assert late.lease()
    world.run(3600 + 60)
    assert world.main.node is not None
    binding = world.main.node.book.by_address[late.address]
    out: list[Effect] = []
    world.main.node.book.set_status(binding, BACKUP_SHARE, int(world.now))
    world.main.node.book.save(binding, out)
    world.main.perform(out)
    world.run(15)
    cut(world)
    others = [client for client in (Client(world, 10 + n) for n in range(5)) if client.lease(world.backup)]
    assert late.address in {client.address for client in others}
    assert not late.renew(world.main)


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


@pytest.mark.parametrize("before", [S.CONFLICT_DONE, S.COMMUNICATIONS_INTERRUPTED])
def test_9_10_the_answer_to_what_the_backup_asked_before_the_main_resolves_anew_is_not_the_end(before: S) -> None:
    """It came from PARTNER-DOWN and asked on the CONFLICT-DONE that the main had before it heard that; or it lacks data
    and asks whenever its partner is there. In NORMAL it would throw a main in POTENTIAL-CONFLICT back, and itself."""
    partner = Partner(False)
    partner.normal()
    partner.hang_up()
    partner.wait(60)
    partner.node.set_partner_down(partner.now, partner.endpoint.config.peer, None, False, [])
    partner.endpoint.saved.ask_all = before != S.CONFLICT_DONE
    partner.open()
    partner.said()
    partner.heard.clear()
    partner.state_message(before)
    assert partner.state == "POTENTIAL-CONFLICT"
    early = [f.xid for f in partner.heard if isinstance(f.message, UpdateRequest | UpdateRequestAll)]
    assert len(early) == 1
    partner.state_message(S.POTENTIAL_CONFLICT)
    partner.heard.clear()
    partner.say(UpdateDone(), early[0])
    assert partner.state == "POTENTIAL-CONFLICT" and partner.said() == []
    partner.state_message(S.CONFLICT_DONE)
    (late,) = [f.xid for f in partner.heard if isinstance(f.message, UpdateRequest | UpdateRequestAll)]
    partner.say(UpdateDone(), late)
    assert partner.state == "NORMAL"


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


@pytest.mark.slow
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


def test_5_10_a_partner_that_is_refused_is_not_taken_for_down() -> None:
    """Its clock is beyond the limit, so no connection comes about; but it serves its clients."""
    settings: dict[str, object] = {"safe_period_s": 600, "clock_skew_max_s": 30}
    world = World(lambda: config(True, **settings), lambda: config(False, **settings)).pair()
    world.cut = True
    world.run(70)
    world.main.skew_s += 120
    world.cut = False
    world.run(3600)
    assert world.main.state == world.backup.state == "COMMUNICATIONS-INTERRUPTED"
    assert world.backup.endpoint.safe_period_end() > world.now
    world.main.crash()
    world.run(420)
    assert world.backup.state == "PARTNER-DOWN"
