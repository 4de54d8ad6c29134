"""Commands of failover pairs that need no partner: scopes from the template, partner down, what is kept of pairs."""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_dhcp_server import RELATED
from managed import Run

from tandem.cluster import pair_drift, partner_check
from tandem.cluster.manager import Manager
from tandem.cluster.pairs import PairNotes
from tandem.cluster.remote import LoginRefused

PAIR = "failover-pair 127.0.0.11-127.0.0.12"
SERVERS = "failover-main-server=127.0.0.11 failover-backup-server=127.0.0.12"


def test_scopes_for_a_pair_come_from_its_template_all_or_none(run: Run, manager: Manager) -> None:
    run(f"dhcp set {SERVERS}")
    assert "set scope-template" in run(f"{PAIR} addScopes 10.1.0.0/24")[0]
    run("scope-template lab create 'scope-name=(concat \"lab-\" subnet)' 'ranges-expr=(create-range 2 100)'")
    assert run(f"{PAIR} set scope-template=lab") == ["100 Ok"]
    assert "is used by failover-pair" in run("scope-template lab delete")[0]
    assert run(f"{PAIR} addScopes 10.1.0.0/24 10.1.0.0/33")[0].startswith("316")
    assert run("scope listnames") == ["100 Ok"]
    made = run(f"{PAIR} addScopes 10.1.0.0/24 10.2.0.0/24")
    assert made == ["100 Ok", "scope lab-10.1.0.0/24 was made", "scope lab-10.2.0.0/24 was made"]
    scope = manager.database.document["scope"]["lab-10.1.0.0/24"]
    assert scope["ranges"] == [["10.1.0.2", "10.1.0.100"]] and "failover" not in scope


def test_scopes_of_a_pair_that_the_server_does_not_name_are_scope_enabled(run: Run, manager: Manager) -> None:
    run("scope-template lab create")
    run("failover-pair office create 127.0.0.13 127.0.0.11 scope-template=lab")
    assert run("failover-pair office addScopes 10.3.0.0/24")[0] == "100 Ok"
    assert manager.database.document["scope"]["10.3.0.0/24"] == {
        "addr": "10.3.0.0", "mask": "255.255.255.0", "failover": "scope-enabled",
        "failover-main-server": "127.0.0.13", "failover-backup-server": "127.0.0.11",
    }  # fmt: skip


@pytest.mark.parametrize("command", ["dhcp setPartnerDown 127.0.0.12", f"{PAIR} setPartnerDown"])
def test_a_partner_is_set_down_and_previewed_by_the_same_command(run: Run, manager: Manager, command: str) -> None:
    run(f"dhcp set {SERVERS}")
    previewed = run(f"{command} -preview -5m")
    assert previewed[1] == "127.0.0.11-127.0.0.12: COMMUNICATIONS-INTERRUPTED, communications interrupted"
    assert previewed[-1].startswith("Nothing was changed.")
    done = run(f"{command} -5m")
    assert done[1].startswith(f"partner {0x7F00000C} down at ") and done[1].endswith(" expert False")


def test_the_partners_cluster_is_looked_for_where_its_pair_says(
    run: Run, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    async def connects(address: str, port: int) -> str:
        asked.append((address, port))
        return "refused"

    async def echo(address: str) -> partner_check.Sign:
        return partner_check.Sign("ICMP echo", False, "no answer", "")

    monkeypatch.setattr(partner_check, "_connects", connects)
    monkeypatch.setattr(partner_check, "_echo", echo)

    def looked(**more: Any) -> tuple[str, int]:
        asked.clear()
        asyncio.run(partner_check.check(manager, 0x7F00000C, **more))
        return asked[-1]

    assert looked() == ("127.0.0.12", 1234)
    run(f"dhcp set {SERVERS}")
    run(f"{PAIR} set remote-scp-port=4321")
    assert looked() == ("127.0.0.12", 4321)
    run("cluster other create 10.0.0.9 scp-port=99")
    run(f"{PAIR} set backup=other")
    assert looked() == ("10.0.0.9", 99) and looked(api_port=77) == ("10.0.0.9", 77)


def test_clients_that_take_the_partners_offers_are_a_sign_of_life(
    run: Run, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_answer(address: str, port: int) -> str:
        return "no answer"

    async def echo(address: str) -> partner_check.Sign:
        return partner_check.Sign("ICMP echo", False, "no answer", "")

    async def ask(self: Manager, op: str, **args: Any) -> Any:
        if op == "chosen_servers":
            return chosen
        return [dict(RELATED, communications="interrupted")] if op == "related_servers" else []

    monkeypatch.setattr(partner_check, "_connects", no_answer)
    monkeypatch.setattr(partner_check, "_echo", echo)
    monkeypatch.setattr(Manager, "ask", ask)
    chosen: list[dict[str, object]] = []
    now = int(time.time())
    assert run("dhcp checkPartner 127.0.0.12")[-1].startswith("No sign of life from here.")
    chosen[:] = [{"server": "127.0.0.12", "relay": "10.1.0.1", "at": now - 7 * 60}]
    assert run("dhcp checkPartner 127.0.0.12")[-1].startswith("No sign of life from here."), "too long ago"
    chosen[:] = [{"server": "127.0.0.12", "relay": "10.1.0.1", "at": now - 7},
                 {"server": "10.0.0.9", "relay": "", "at": now}]  # fmt: skip
    told = run("dhcp checkPartner 127.0.0.12")
    assert told[-1].startswith("Clients take the partner's offers, so it serves them. Do not set it down")
    assert any("took its offers: 10.1.0.1 " in line for line in told)
    assert any(line.startswith("another server, 10.0.0.9") for line in told)


def test_a_refused_password_is_not_tried_again_until_it_is_another_one(
    run: Run, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(f"dhcp set {SERVERS}")
    run(f"{PAIR} set remote-username=sync remote-password=wrong drift-check-interval=1")
    clock, tried = itertools.count(), []

    async def observe(manager: Manager, name: str) -> None:
        password = manager.database.document["failover-pair"][name]["remote-password"]
        tried.append(password)
        if password == "wrong":
            raise LoginRefused(501, "refused")

    monkeypatch.setattr(pair_drift, "observe", observe)
    monkeypatch.setattr(pair_drift, "_TICK_S", 0)
    monkeypatch.setattr(pair_drift, "time", SimpleNamespace(monotonic=lambda: next(clock)))

    async def watch() -> None:
        async with asyncio.timeout(10):
            watching = asyncio.create_task(pair_drift.watch_drift(manager))
            for _ in range(20):
                await asyncio.sleep(0)
            assert tried == ["wrong"]
            manager.database.document["failover-pair"]["127.0.0.11-127.0.0.12"]["remote-password"] = "right"
            while len(tried) < 3:
                await asyncio.sleep(0)
            watching.cancel()

    asyncio.run(watch())
    assert tried == ["wrong", "right", "right"]


def test_behind_a_cut_it_is_no_news_that_drift_is_not_known(run: Run, manager: Manager) -> None:
    run("failover-pair office create 127.0.0.11 127.0.0.12")

    def drifting(drift: str) -> bool:
        manager.pair_notes.note("office", drift=drift, differences=[])
        alarms = asyncio.run(manager.watch.alarms())
        assert any(alarm.kind == "communications-interrupted" for alarm in alarms)
        return any(alarm.kind == "configuration-drift" and not alarm.cleared for alarm in alarms)

    assert not drifting("not known: the cluster cannot be reached")
    assert drifting("different: scope") and not drifting("none")


def test_what_is_known_of_a_pair_outlasts_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "pairs.json"
    notes = PairNotes(path)
    notes.note("a-b", drift="none", drift_checked=5)
    notes.note("c-d", drift="scope differ", differences=["x"])
    notes.note("a-b", last_synchronization="exact")
    again = PairNotes(path)
    assert again.of("a-b") == {"drift": "none", "drift-checked": 5, "last-synchronization": "exact"}
    again.keep(["c-d"])
    assert PairNotes(path).pairs() == ["c-d"] and again.of("a-b") == {}
    path.write_bytes(b'{"c-d": 7}')
    assert PairNotes(path).pairs() == []
