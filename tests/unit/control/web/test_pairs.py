"""Failover pairs: list, edit, Report and Run Synchronize, the report's page; the synchronization itself is faked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from web_browser import Browse, Browser, text_of

from tandem.base.errors import CommandError
from tandem.cluster import pair_certificates, pair_sync
from tandem.cluster.manager import Manager
from tandem.cluster.registry import Login

Run = Callable[[str], list[str]]
NAME = "127.0.0.11-127.0.0.12"


def entry(attribute: str, change: str, before: str | None, after: str | None) -> dict[str, Any]:
    return {"class": "scope", "object": "office", "attribute": attribute, "function": "exact", "change": change,
            "before": before, "after": after}  # fmt: skip


@pytest.fixture
def wishes(command: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[pair_sync.Wish]]:
    """A pair, whose partner takes every synchronization; yields what was wished."""
    command("dhcp set failover-main-server=127.0.0.11 failover-backup-server=127.0.0.12")
    asked: list[pair_sync.Wish] = []

    async def synchronize(manager: Manager, login: Login, name: str, wish: pair_sync.Wish) -> dict[str, Any]:
        asked.append(wish)
        return {
            "pair": name, "main": "127.0.0.11", "backup": "127.0.0.12", "operation": wish.operation,
            "direction": wish.direction, "changes": "partner", "ran": wish.run, "version": "abc", "errors": [],
            "entries": [entry("", "add", None, "{}"), entry("ranges", "modify", "10.1.0.1", "<b>10.1.0.2</b>")],
            "left_off": 0, "warnings": ["mind the gap"], "change_set": 12 if wish.run else None,
            "skipped": [{"class": "dhcp", "object": "", "attribute": "log-settings", "why": "no change in an update"}],
            "reload": {"ok": True, "text": ""} if wish.reload else None,
        }  # fmt: skip

    monkeypatch.setattr(pair_sync, "synchronize", synchronize)
    yield asked


def test_a_pair_makes_itself_and_is_listed_and_edited(
    admin: Browser, wishes: list[pair_sync.Wish], manager: Manager
) -> None:
    page = admin.get("/dhcp/failover").text
    assert "<h1>List DHCP Failover Pairs</h1>" in page and NAME in page
    edit = f"/dhcp/failover/edit?name={NAME}"
    form = admin.get(edit).text
    assert "Modify Failover" in form and 'placeholder="1234"' in form
    version = re.search(r'name="version" value="&#34;([0-9a-f]+)&#34;"', form)
    assert version
    fields = {"version": f'"{version[1]}"', "remote-username": "admin", "remote-password": "sesam"}
    assert admin.post(edit, **fields).headers["Location"] == "/dhcp/failover"
    stored = manager.database.document["failover-pair"][NAME]
    assert (stored["remote-username"], stored["remote-password"]) == ("admin", "sesam")
    assert "sesam" not in admin.get(edit).text
    wrong = admin.post(edit, **{**fields, "version": "*", "remote-scp-port": "0"})
    assert re.search(r'id="e-remote-scp-port">[^<]*1 to 65535', wrong.text)


def test_a_report_shows_each_entry_and_has_the_run_button_of_the_same_operation(
    admin: Browser, wishes: list[pair_sync.Wish]
) -> None:
    choose = admin.get(f"/dhcp/failover/sync?name={NAME}&verb=report").text
    assert "<h1>Report Synchronize Failover Pair</h1>" in choose
    assert re.search(r'value="update" checked', choose) and "Complete" in choose and "Exact" in choose
    page = admin.get(f"/dhcp/failover/report?name={NAME}&operation=complete&direction=main-to-backup").text
    assert wishes == [pair_sync.Wish("complete", "main-to-backup", run=False)]
    told = text_of(page)
    assert "View DHCP Failover Pair Sync Report" in told and "2 change entries would be applied on the partner" in told
    assert "&lt;b&gt;10.1.0.2" in page and "mind the gap" in told and "no change in an update" in told
    assert ">Run Complete</button>" in page and 'name="match" value="abc"' in page


def test_a_run_shows_what_it_applied_and_is_undone(
    admin: Browser, wishes: list[pair_sync.Wish], monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"name": NAME, "operation": "exact", "direction": "main-to-backup", "match": "abc", "reload": "yes"}
    page = admin.post("/dhcp/failover/run", **fields)
    assert wishes == [pair_sync.Wish("exact", "main-to-backup", run=True, reload=True, match="abc")]
    told = text_of(page.text)
    assert "2 change entries were applied on the partner, the backup." in told and "was reloaded" in told
    assert ">Undo</button>" in page.text and "Run Exact" not in page.text
    assert admin.post("/dhcp/failover/undo", name=NAME, number="12").headers["Location"] == "/dhcp/failover"
    assert "set remote-username" in text_of(admin.get("/dhcp/failover").text)  # nothing is set to reach the partner


def test_a_refused_synchronization_is_told_where_it_was_asked_for(
    admin: Browser, wishes: list[pair_sync.Wish], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> dict[str, Any]:
        raise CommandError(501, "127.0.0.12:1234 does not answer")

    monkeypatch.setattr(pair_sync, "synchronize", refuse)
    for page in (
        admin.get(f"/dhcp/failover/report?name={NAME}&operation=update"),
        admin.post("/dhcp/failover/run", name=NAME, operation="update"),
    ):
        assert page.status_code == 503 and "127.0.0.12:1234 does not answer." in text_of(page.text)


def test_who_may_not_synchronize_sees_no_button(browse: Browse, wishes: list[pair_sync.Wish]) -> None:
    page = browse("failover-operator").get("/dhcp/failover").text
    assert NAME in page and ">Run</a>" not in page and ">Report</a>" not in page
    assert browse("failover-operator").get(f"/dhcp/failover/report?name={NAME}").status_code == 403
    assert wishes == []


def test_the_state_of_a_pair_is_asked_for_apart(admin: Browser, wishes: list[pair_sync.Wish]) -> None:
    state = admin.get(f"/dhcp/failover/status?name={NAME}&part=state").text
    drift = admin.get(f"/dhcp/failover/status?name={NAME}&part=drift").text
    assert "the DHCP server is not running" in state and "not compared" in drift


def test_scopes_are_added_from_the_pairs_template(admin: Browser, wishes: list[pair_sync.Wish], command: Run) -> None:
    assert "Add Scopes" not in admin.get(f"/dhcp/failover/edit?name={NAME}").text
    command("scope-template lab create")
    command(f"failover-pair {NAME} set scope-template=lab")
    assert "Add Scopes" in admin.get(f"/dhcp/failover/edit?name={NAME}").text
    admin.post("/dhcp/failover/add-scopes", name=NAME, subnets="10.1.0.0/24 10.2.0.0/24")
    assert command("scope listnames") == ["100 Ok", "10.1.0.0/24", "10.2.0.0/24"]
    refused = admin.post("/dhcp/failover/add-scopes", name=NAME, subnets="10.3.0.0/24 10.1.0.0/99")
    assert refused.status_code == 400 and 'value="10.3.0.0/24 10.1.0.0/99"' in refused.text
    assert re.search(r'id="e-subnets">[^<]*10.1.0.0/99', refused.text), "what was written is kept, its error beside it"


@pytest.mark.parametrize(("cls", "name", "port"), [("failover-pair", NAME, 1234), ("cluster", "office", 99)])
def test_another_certificate_is_shown_and_accepted(
    cls: str, name: str, port: int, admin: Browser, wishes: list[pair_sync.Wish], command: Run, manager: Manager,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    async def certificate(address: str, port: int) -> str:
        return "AB:CD"

    monkeypatch.setattr(pair_certificates, "certificate", certificate)
    command("cluster office create 127.0.0.12 scp-port=99")
    page = f"/{'dhcp/failover' if cls == 'failover-pair' else 'clusters'}/certificate"
    assert "There was no contact yet" in admin.get(f"{page}?name={name}").text
    manager.trust().remember(f"127.0.0.12:{port}", "01:02")
    shown = text_of(admin.get(f"{page}?name={name}").text)
    assert "The certificate has changed" in shown and "01:02" in shown and "AB:CD" in shown
    admin.post(page, name=name, fingerprint="01:02")
    assert manager.trust().remembered(f"127.0.0.12:{port}") == "01:02"
    admin.post(page, name=name, fingerprint="AB:CD")
    assert manager.trust().remembered(f"127.0.0.12:{port}") == "AB:CD"
    assert "the one of first contact" in admin.get(f"{page}?name={name}").text
