"""The server's pages, change log, tokens, log-ins, account, help."""

from __future__ import annotations

import re
from collections.abc import Callable

from web_browser import Browse, Browser, text_of

from tandem.cluster.manager import Manager

Run = Callable[[str], list[str]]


def test_changes_not_in_force_are_told_previewed_and_loaded(admin: Browser, command: Run) -> None:
    command("dhcp set failover-backup-percentage=20")
    assert "1 change not yet in force" in text_of(admin.get("/dhcp/scope").text)
    preview = text_of(admin.get("/dhcp/server/reload").text)
    assert "failover-backup-percentage" in preview and "20" in preview
    assert admin.post("/dhcp/server/reload").headers["Location"] == "/dhcp/server"
    assert "not yet in force" not in admin.get("/dhcp/scope").text


def test_a_reload_that_cannot_work_says_why(admin: Browser, command: Run) -> None:
    command("scope a create 10.0.0.0 /8")
    command("scope b create 10.0.0.0 /8")
    admin.post("/dhcp/server/reload")
    told = text_of(admin.get("/dhcp/server").text)
    assert "The configuration cannot work, the DHCP server goes on with the one it has" in told


def test_a_stopped_server_can_be_started_by_who_may(browse: Browse) -> None:
    assert "Start" in browse("failover-operator").get("/dhcp/server").text
    page = browse("read-only").get("/dhcp/server").text
    assert ">Start<" not in page and ">Reload<" not in page


def test_a_change_set_is_shown_and_undone(admin: Browser, command: Run, manager: Manager) -> None:
    command("scope office create 10.0.0.0 /8")
    command("scope office set renew-only=on")
    log = admin.get("/changes").text
    number = re.findall(r"number=(\d+)", log)[0]
    one = text_of(admin.get(f"/changes/set?number={number}").text)
    assert "scope office renew-only not set on" in one and "Undo" in one
    admin.post("/changes/undo", number=number)
    assert f"Change set {number} was undone." in admin.get("/changes").text
    assert "renew-only" not in manager.database.document["scope"]["office"]
    assert admin.post("/changes/undo", number=number).headers["Location"] == f"/changes/set?number={number}"
    assert admin.get("/changes/set?number=99999").status_code == 404


def test_a_token_is_shown_once_and_deleted(admin: Browser, manager: Manager) -> None:
    made = admin.post("/administrators/tokens", name="monitoring", role="read-only", lifetime="30d")
    secret = re.search(r"tdm_[\w-]+", made.text)
    assert secret and manager.guard.token(secret[0], "here").roles == ("read-only",)
    assert "tdm_" not in admin.get("/administrators/tokens").text
    admin.post("/administrators/tokens/delete", name="monitoring")
    assert manager.database.tokens() == []


def test_what_is_wrong_with_a_token_is_told_beside_its_field(admin: Browser, browse: Browse) -> None:
    for fields, about, why in (
        ({"name": ""}, "name", "Write a name."),
        ({"name": "t", "lifetime": "400d"}, "lifetime", "not between"),
        ({"name": "t", "lifetime": "soon"}, "lifetime", "soon"),
    ):
        page = admin.post("/administrators/tokens", **{"role": "read-only", "lifetime": "1d", **fields}).text
        assert re.search(rf'id="e-{about}">[^<]*{why}', page), page
    refused = browse("read-only").post("/administrators/tokens", name="t", role="superuser")
    assert refused.status_code == 403


def test_log_ins_are_listed(admin: Browser, browse: Browse) -> None:
    browse("").post("/login", name="superuser", password="falsch", next="/")
    page = text_of(admin.get("/administrators/logins").text)
    assert "password failed" in page and "password ok" in page


def test_ones_own_password_is_changed(browse: Browse) -> None:
    reader = browse("read-only")
    page = reader.post("/administrators/me", new="a", again="b").text
    assert re.search(r'id="e-again">The two passwords differ', page)
    assert reader.post("/administrators/me", new="anders", again="anders").headers["Location"] == "/login"
    assert reader.get("/dhcp/scope").status_code == 303  # the session ended
    assert reader.post("/login", name="read-only", password="anders", next="/").status_code == 303


def test_a_locked_administrator_is_unlocked(admin: Browser, browse: Browse) -> None:
    for _ in range(5):
        browse("").post("/login", name="read-only", password="falsch", next="/")
    assert "locked" in browse("").post("/login", name="read-only", password="geheim", next="/").text
    admin.post("/administrators/unlock", name="read-only")
    assert browse("").post("/login", name="read-only", password="geheim", next="/").status_code == 303


def test_help_has_every_command_and_attribute(admin: Browser) -> None:
    assert "scope NAME addRange" in admin.get("/help?q=addrange").text
    assert "failover-maximum-client-lead-time" in admin.get("/help/attributes?q=lead").text
