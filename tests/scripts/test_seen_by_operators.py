"""What operators see of a pair: states and why, counters, conflicts, why a lease is short (SYSTEM S7.5, S10)."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from pair import BACKUP, MAIN, NAME, Client, Server, World, config, scope

from tandem.base.io import Effect
from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.config.compiled import ServerConfig
from tandem.failover import words
from tandem.failover.saved import TRANSITIONS_KEPT
from tandem.failover.states import TABLE
from tandem.node import alarms, partner_views, views
from tandem.node import partner_down as partner_down_view
from tandem.wire.failover import RejectReason


def related(server: Server) -> dict[str, Any]:
    assert server.node is not None
    return partner_views.related_servers(server.node, server.now)[0]


def conflicts(server: Server) -> list[dict[str, Any]]:
    assert server.node is not None
    return partner_views.conflicts(server.node)


def lease(server: Server, address: int) -> dict[str, Any]:
    assert server.node is not None
    found = views.lease(server.node, address, server.now)
    assert found is not None
    return found


def partner_down(world: World, server: Server) -> None:
    out: list[Effect] = []
    assert server.node is not None
    server.node.set_partner_down(server.now, BACKUP if server is world.main else MAIN, None, False, out)
    server.perform(out)
    world.settle()


def cut(world: World) -> None:
    world.cut = True
    world.drop_connections_of(world.main)
    world.run(1)


def detailed(main: bool) -> ServerConfig:
    return replace(config(main), log_settings=frozenset({"default", "failover-detail"}))


def test_the_last_transition_is_a_row_of_the_table_in_view_and_log() -> None:
    """Each transition of a life: the view's label and reason are the log's, and the label is a row's."""
    labels = {row.label for row in TABLE}
    world = World()
    seen = []
    for step in (world.main.boot, world.backup.boot, world.backup.crash, world.backup.boot):
        step()
        world.run(90)
        seen.append((view := related(world.main))["state"])
        last = [note for note in world.main.notes if " 06100 " in note][-1]
        assert view["transition"] in labels
        assert last.endswith(f"to {view['state']} (row {view['transition']}): {view['why']}")
    assert seen == ["PARTNER-DOWN", "NORMAL", "COMMUNICATIONS-INTERRUPTED", "NORMAL"]


def test_what_the_next_transition_waits_for() -> None:
    world = World(backups=lambda: config(False, safe_period_s=86400)).pair()
    assert related(world.main)["waits-for"] == ""
    world.main.crash()
    world.run(10)
    view = related(world.backup)
    assert "the end of the safe period in 23h" in view["waits-for"]
    assert view["safe-period-end"] == view["since"] + 86400 and view["communications"] == "interrupted"
    partner_down(world, world.backup)
    view = related(world.backup)
    assert view["use-other-available"] == "false"
    assert view["use-other-available-time"] == view["since"] + 3600
    assert "its addresses may be used in" in view["waits-for"]
    world.run(3700)
    assert related(world.backup)["use-other-available"] == "true"
    world.main.crash() if world.main.node else None
    world.main.disk.states.clear()
    world.main.boot()
    world.run(10)
    view = related(world.main)
    assert view["state"] == "RECOVER-WAIT" and view["est-end-recover-time"] > world.now
    assert "the end of the wait in" in view["waits-for"]


def test_counters() -> None:
    world = World().pair()
    assert Client(world, 1).lease()
    world.run(1)
    cut(world)
    world.cut = False
    world.run(15)
    main, backup = related(world.main), related(world.backup)
    assert main["updates-sent"] == backup["updates-received"] > 0
    assert main["connections"] == backup["connections"] == 2
    assert main["connections-lost"] == backup["connections-lost"] == 1
    assert main["pool-requests"] == backup["pool-requests"] > 1
    assert world.main.node is not None
    counted = partner_views.counters(world.main.node)[0]
    assert counted["name"] == NAME and counted["state"] == "NORMAL"
    assert counted["connections"] == 2


def test_an_update_request_that_is_being_answered_is_seen() -> None:
    world = World().pair()
    cut(world)
    assert all(Client(world, n).lease(world.main) for n in range(5))
    endpoint = world.main.endpoint
    endpoint.queue.start(endpoint.unacked.values())
    endpoint.queue.answer_request(7)
    assert related(world.main)["update-request"] == "the partner asked, 5 updates are left"


def two_leases_on_one_address() -> tuple[World, Client, Client]:
    """Both servers, set PARTNER-DOWN while both serve, lease one address: what the draft says can happen."""
    few = lambda main: config(main, scope(last="192.168.50.13"))  # noqa: E731
    world = World(lambda: few(True), lambda: few(False)).pair()
    cut(world)
    world.run(30)
    partner_down(world, world.main)
    partner_down(world, world.backup)
    world.run(3700)
    mains = [Client(world, n) for n in range(4)]
    backups = [Client(world, 10 + n) for n in range(4)]
    assert all(c.lease(world.main) for c in mains) and all(c.lease(world.backup) for c in backups)
    twice = sorted(set(c.address for c in mains) & set(c.address for c in backups))
    world.cut = False
    world.run(30)
    one = next(c for c in mains if c.address == twice[0])
    other = next(c for c in backups if c.address == twice[0])
    return world, one, other


def test_a_conflict_has_both_views_a_winner_and_a_reason_on_both_servers() -> None:
    world, mine, theirs = two_leases_on_one_address()
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL"), "S10.8"
    on_main = [c for c in conflicts(world.main) if c["winner"] == "this server"]
    assert len(on_main) == 4
    found = next(c for c in on_main if c["here-client"].endswith(mine.chaddr.hex(":")))
    assert found["partner-client"].endswith(theirs.chaddr.hex(":"))
    assert (found["here-state"], found["partner-state"]) == ("ACTIVE", "ACTIVE")
    assert found["reject-reason"].startswith("reason 2: ") and found["why"]
    on_backup = conflicts(world.backup)
    assert {c["winner"] for c in on_backup} == {"partner"}
    taken = [c for c in on_backup if c["reject-reason"] == ""]
    assert [c["here-client"].endswith(theirs.chaddr.hex(":")) for c in taken].count(True) == 1
    line = next(n for n in world.main.notes if " 06160 " in n)
    assert "here: ACTIVE for 1,6," in line and "partner: ACTIVE for 1,6," in line and "this server's view stays" in line
    assert related(world.main)["conflicts"] == len(on_main)
    world.books_agree()


@pytest.mark.parametrize("leases", [5, 300])
def test_a_conflict_that_is_repeated_is_counted_and_the_list_is_bounded(leases: int) -> None:
    other = lambda: config(False, scope(name="x", first="10.0.0.5", last="10.0.0.9", subnet="10.0.0.0"))  # noqa: E731
    wide = scope(first="192.168.52.1", last="192.168.53.200", mask=0xFFFFFC00, subnet="192.168.52.0")
    world = World(lambda: config(True, wide), other)
    world.main.interface = replace(world.main.interface, address=MAIN + 0x200)
    world.pair()
    assert all(Client(world, n).lease(world.main) for n in range(leases))
    world.run(200)
    found = [c for c in conflicts(world.main) if c["relationship"] == NAME and c["partner-state"] == "not said"]
    assert all(c["reject-reason"].startswith("reason 1: the address is in no scope") and c["why"] for c in found)
    assert len(found) == 256 if leases == 300 else all(c["times"] > 2 for c in found if c["here-client"])
    assert world.main.state == "NORMAL"


def test_every_reject_reason_has_words() -> None:
    assert all(int(code) in words.REASONS for code in RejectReason)
    assert words.reason(77) == "reason 77: unknown"


def test_failover_detail_shows_each_update_and_acknowledgement_on_both() -> None:
    """The chapter, "Confirming Failover" step 5."""
    world = World(lambda: detailed(True), lambda: detailed(False)).pair()
    client = Client(world, 1)
    assert client.lease()
    world.run(1)
    assert any("Sent DHCPBNDUPD" in note and f".{client.address & 255} ACTIVE" in note for note in world.main.notes)
    assert any("Received DHCPBNDACK" in note and "1 acknowledged, 0 refused" in note for note in world.main.notes)
    assert any("Received DHCPBNDUPD" in note and "answered by DHCPBNDACK" in note for note in world.backup.notes)
    plain = World().pair()
    assert Client(plain, 1).lease()
    plain.run(1)
    assert not any("DHCPBND" in note for note in plain.main.notes + plain.backup.notes)


def test_the_backup_in_normal_counts_and_says_what_it_leaves_to_the_main() -> None:
    world = World().pair()
    for n in range(3):
        assert not Client(world, n).lease(world.backup)
    assert world.backup.node is not None
    assert views.statistics(world.backup.node)["dhcp-dropped-failover"] == 3
    assert any("failover is in NORMAL state" in note for note in world.backup.notes)


def test_a_short_lease_explains_itself() -> None:
    """S10.4."""
    world = World().pair()
    client = Client(world, 1)
    assert client.lease()
    why = lease(world.main, client.address)["why-short"]
    assert why.startswith("given for 1h of 3d: limited by the maximum client lead time of 1h")
    assert "a renewal now would get 1h" in why
    world.run(1800)
    why = lease(world.backup, client.address)["why-short"]
    assert "the next renewal gets the full time" in why
    assert client.renew(world.main) and lease(world.main, client.address)["why-short"] == ""
    world.run(1)
    cut(world)
    late = Client(world, 2)
    assert late.lease(world.main)
    assert "the partner cannot be reached" in lease(world.main, late.address)["why-short"]


@pytest.mark.parametrize("skew", [7200.0])
def test_a_clock_that_jumps_is_an_alarm_and_times_stay_right(skew: float) -> None:
    """S4.14, draft 5.10; the link and the state outlive it."""
    world = World().pair()
    world.backup.skew_s = skew
    world.run(90)
    assert any(note.startswith("Warning 06155") and "jump" in note for note in world.main.notes)
    assert abs(related(world.main)["smoothed-time-delta"] - skew) < 2
    assert related(world.main)["clock-jumps"] == 1
    world.run(30)
    client = Client(world, 1)
    assert client.lease()
    world.run(1)
    ours, theirs = (lease(server, client.address)["expiration"] for server in (world.main, world.backup))
    assert abs(theirs - skew - ours) <= 1


def kinds(server: Server) -> list[str]:
    assert server.node is not None
    return [str(alarm["kind"]) for alarm in alarms.alarms(server.node, server.now)]


def preview(server: Server, at: float | None = None, expert: bool = False) -> dict[str, Any]:
    assert server.node is not None
    return partner_down_view.preview(server.node, server.now, server.endpoint.config.peer, at, expert)[0]


def test_transitions_are_remembered_across_a_crash_newest_first() -> None:
    world = World().pair()
    world.main.crash()
    world.run(90)
    world.main.boot()
    world.run(90)
    told = related(world.main)["transitions"]
    assert [t["to"] for t in told][:1] == ["NORMAL"] and told[0]["row"] == related(world.main)["transition"]
    assert all(earlier["when"] <= later["when"] for later, earlier in itertools.pairwise(told))
    assert "COMMUNICATIONS-INTERRUPTED" in [t["to"] for t in related(world.backup)["transitions"]]
    for _ in range(10):
        cut(world)
        world.cut = False
        world.run(90)
    assert len(related(world.main)["transitions"]) == TRANSITIONS_KEPT


def test_timers_say_what_comes_and_when() -> None:
    world = World(backups=lambda: config(False, safe_period_s=86400)).pair()
    world.main.crash()
    world.run(10)
    told = {t["what"]: t["until"] for t in related(world.backup)["timers"]}
    assert told["the safe period is over: PARTNER-DOWN"] == related(world.backup)["safe-period-end"]
    partner_down(world, world.backup)
    told = {t["what"]: t["until"] for t in related(world.backup)["timers"]}
    assert told["the partner's addresses may be used"] == related(world.backup)["since"] + 3600


def test_alarms_come_and_go() -> None:
    few = lambda main: config(main, scope(last="192.168.50.19"))  # noqa: E731
    world = World(lambda: few(True), lambda: few(False)).pair()
    assert kinds(world.main) == kinds(world.backup) == []
    cut(world)
    assert kinds(world.main) == ["communications-interrupted"]
    assert all(Client(world, n).lease(world.main) for n in range(5))
    assert kinds(world.main) == ["communications-interrupted", "share-low"]
    assert all(Client(world, 10 + n).lease(world.main) for n in range(4))
    assert kinds(world.main) == ["communications-interrupted", "share-empty"]
    world.cut = False
    world.run(30)
    assert "communications-interrupted" not in kinds(world.main) and world.main.state == "NORMAL"
    world.backup.skew_s = 7200
    world.run(90)
    assert "clock-jumped" in kinds(world.main) and "clocks-differ" in kinds(world.main)


def test_a_restart_forgets_neither_how_large_the_share_was_nor_how_many_come() -> None:
    few = lambda main: config(main, scope(last="192.168.50.39"))  # noqa: E731
    world = World(lambda: few(True), lambda: few(False)).pair()
    cut(world)
    assert all(Client(world, n).lease(world.main) for n in range(15))
    assert world.main.node is not None
    told = [alarm["text"] for alarm in alarms.alarms(world.main.node, world.main.now) if alarm["kind"] == "share-low"]
    assert told and "at the present rate" in str(told[0])
    world.main.crash()
    world.run(5)
    world.main.boot()
    again = [alarm["text"] for alarm in alarms.alarms(world.main.node, world.main.now) if alarm["kind"] == "share-low"]
    assert world.main.state == "STARTUP" and str(again[0]).split(",")[0] == str(told[0]).split(",")[0]
    assert "at the present rate" in str(again[0])
    world.run(90)
    assert kinds(world.main) == ["communications-interrupted", "share-low"]
    world.cut = False
    world.run(90)
    assert world.main.state == "NORMAL" and kinds(world.main) == []


def test_a_lease_that_only_one_server_extended_during_a_cut_is_no_conflict_to_alarm_anybody() -> None:
    world = World().pair()
    clients = [Client(world, n) for n in range(20)]
    assert all(client.lease() for client in clients)
    cut(world)
    world.run(1800)
    assert all(client.renew(world.backup) for client in clients)
    world.run(2400)
    world.cut = False
    world.run(60)
    assert world.main.state == world.backup.state == "NORMAL"
    assert {c["reject-reason"][:9] for c in conflicts(world.backup) + conflicts(world.main)} == {"reason 15"}
    assert kinds(world.main) == kinds(world.backup) == []


def test_a_client_that_takes_the_partners_offer_is_a_sign_of_life() -> None:
    world = World().pair()
    cut(world)
    client = Client(world, 1, "192.168.50.1")
    assert client.lease(world.main)
    taken = {"requested": client.address.to_bytes(4, "big"), "server": MAIN.to_bytes(4, "big")}
    assert client.send([world.backup], 3, **taken) is None
    assert world.backup.node is not None
    assert partner_views.chosen_servers(world.backup.node) == [
        {"server": format_ipv4(MAIN), "relay": "192.168.50.1", "at": int(world.backup.now)}
    ]
    for n in range(100):
        client.giaddr = parse_ipv4("192.168.50.1") + n
        world.run(1)
        client.send([world.backup], 3, **taken)
    heard = partner_views.chosen_servers(world.backup.node)
    assert len(heard) == 32 and heard[-1]["relay"] == "192.168.50.100", "of few only, the latest"


def test_servers_that_refuse_each_other_are_an_alarm_until_they_agree() -> None:
    world = World(lambda: config(True, secret=b"one"), lambda: config(False, secret=b"two"))
    world.main.boot()
    world.backup.boot()
    world.run(60)
    assert "configuration-mismatch" in kinds(world.main) + kinds(world.backup)


def test_endurance_is_share_by_rate_on_both_servers() -> None:
    world = World().pair()
    for n in range(60):
        assert Client(world, n).lease()
        world.run(60)
    for server in (world.main, world.backup):
        assert server.node is not None
        view = views.scopes(server.node, server.now)[0]
        assert view["arrivals-per-hour"] == pytest.approx(60, rel=0.1)
        shares = (view["main-share"], view["backup-share"])
        assert [view["main-lasts-s"], view["backup-lasts-s"]] == [pytest.approx(s * 60, rel=0.1) for s in shares]


def test_the_preview_of_partner_down_is_what_the_order_does() -> None:
    world = World().pair()
    refused = preview(world.main)
    assert not refused["possible"] and "the partner is connected" in refused["why-not"]
    assert preview(world.main, expert=True)["possible"]
    world.backup.crash()
    world.run(600)
    before = world.main.endpoint.saved.values()
    told = preview(world.main, world.now - 7200)
    assert told["possible"] and "not earlier than communications were interrupted" in told["remark"]
    assert world.main.endpoint.saved.values() == before and world.main.state == "COMMUNICATIONS-INTERRUPTED"
    out: list[Effect] = []
    assert world.main.node is not None
    world.main.node.set_partner_down(world.now, BACKUP, world.now - 7200, False, out)
    world.main.perform(out)
    view = related(world.main)
    assert (view["since"], view["use-other-available-time"]) == (told["since"], told["use-other-available-time"])
    assert told["scopes"][0]["partners"] == 19 and any("19 addresses" in sentence for sentence in told["changes"])
    assert "already" in preview(world.main)["why-not"]


@pytest.mark.parametrize("on_main", [True, False])
def test_a_lease_that_is_forced_available_is_so_on_both_partners_whichever_was_told(on_main: bool) -> None:
    world = World(lambda: config(True, scope()), lambda: config(False, scope())).pair()
    client = Client(world, 1)
    assert client.lease(world.main)
    world.run(5)
    told = world.main if on_main else world.backup
    assert told.node is not None
    told.node.force_available(world.now, client.address, out := [])
    told.perform(out)
    world.run(5)
    for server, state in ((world.main, "available"), (world.backup, "other-available")):
        assert server.node is not None
        seen = views.lease(server.node, client.address, world.now)
        assert seen is not None and seen["state"] == state
    assert world.main.state == world.backup.state == "NORMAL"
