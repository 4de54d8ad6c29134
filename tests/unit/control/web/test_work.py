"""Long work: its steps are shown, its outcome follows, and it is nobody's but who began it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from web_browser import Browse, Browser, text_of

from tandem.base.errors import CommandError
from tandem.cluster import pair_sync, progress
from tandem.cluster.manager import Manager
from tandem.cluster.remote import Remote
from tandem.control.web import work

FORM = {"HX-Request": "true"}


@pytest.fixture
def gate(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Return what the DHCP server waits for before it has reloaded; nobody waits long for a page."""
    opened = asyncio.Event()

    async def call(op: str, args: dict[str, Any] | None = None, timeout_s: float = 10) -> Any:
        if op != "reload":
            raise CommandError(501, "the DHCP server is not running")
        await opened.wait()
        return {}

    monkeypatch.setattr(manager.server, "call", call)
    monkeypatch.setattr(work, "PATIENCE_S", 0.05)
    return opened


def test_the_steps_of_a_reload_are_shown_until_its_outcome_is_there(
    admin: Browser, browse: Browse, gate: asyncio.Event
) -> None:
    begun = admin.post("/dhcp/server/reload")
    assert begun.status_code == 303 and begun.headers["Location"].startswith("/working?work=")
    where = begun.headers["Location"]
    page = admin.get(where)
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in page.text
    assert "Reload of the DHCP Server" in text_of(page.text)
    assert "Checking the configuration, 0 scopes The DHCP server takes the configuration over" in text_of(page.text)
    part = where.replace("working?", "working/part?")
    assert "takes the configuration over" in admin.get(part, **FORM).text
    for stranger in (browse("superuser"), browse("dhcp-admin")):
        assert stranger.get(where).status_code == stranger.get(part).status_code == 404
    assert admin.get(where.replace("?", "/result?")).headers["Location"] == where, "it is too early for that"

    gate.set()
    result = where.replace("?", "/result?")
    admin.get("/static/icon.svg")  # the loop of this browser runs on
    assert admin.get(part, **FORM).headers["HX-Redirect"] == result
    assert admin.get(where).headers["Location"] == result
    assert admin.get(result).headers["Location"] == "/dhcp/server"
    assert "The DHCP server runs by the present configuration." in text_of(admin.get("/dhcp/server").text)


def test_what_is_quick_is_answered_at_once(admin: Browser) -> None:
    assert admin.post("/dhcp/server/reload").headers["Location"] == "/dhcp/server"
    assert admin.get("/working?work=none").status_code == 404


def test_a_page_that_only_shows_something_is_made_anew_when_its_outcome_is_loaded_again(
    admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "PATIENCE_S", 0.0)
    where = admin.get("/dhcp/server/reload?seen=1").headers["Location"]
    result = where.replace("?", "/result?")
    for _ in range(1000):
        if admin.get(where).headers.get("Location") == result:
            break
    page = admin.get(result)
    assert page.status_code == 200 and 'action="/dhcp/server/reload"' in page.text
    assert admin.get(result).headers["Location"] == "/dhcp/server/reload?seen=1"


def test_a_long_work_counts_what_it_has_done(command: Callable[[str], list[str]], manager: Manager) -> None:
    for number in range(3):
        command(f"scope s{number} create 10.0.{number}.0 255.255.255.0")
    followed = progress.Progress()
    with progress.following(followed):
        assert command("dhcp reload -preview")[0] == "100 Ok"
    told = [(step.what, step.done, step.total) for step in followed.steps]
    assert told[0] == ("checking the configuration", 0, 0)
    assert ("looking for changes in objects of class scope", 0, 3) in told
    progress.tell("nobody follows this")
    assert told == [(step.what, step.done, step.total) for step in followed.steps]


def test_what_the_partner_does_is_told_here(monkeypatch: pytest.MonkeyPatch, manager: Manager) -> None:
    asked: list[str] = []
    answered = asyncio.Event()

    async def call(remote: Remote, method: str, path: str, body: Any = None, match: Any = None, **more: Any) -> Any:
        asked.append(path)
        if method == "POST":
            asked.append(body["work"])
            await answered.wait()
            return {"entries": []}
        answered.set()
        return {"what": "comparing objects of class scope", "done": 3000, "total": 10_000}

    monkeypatch.setattr(pair_sync, "call", call)
    monkeypatch.setattr(pair_sync, "_ASK_S", 0.01)
    remote = Remote("127.0.0.12", 1234, "a", "b", manager.trust(), "", "")
    followed = progress.Progress()
    with progress.following(followed):
        assert asyncio.run(pair_sync._ordered(remote, "/synchronization/run", {}, None)) == {"entries": []}
    assert asked[2] == f"/synchronization/progress?work={asked[1]}"
    assert followed.steps[-1] == progress.Step("on the partner: comparing objects of class scope", 3000, 10_000)
