"""The frame of the pages: log-in, forged requests, roles, headers, navigation bars, mode."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from web_browser import Browse, Browser, text_of

from tandem.cluster.manager import Manager
from tandem.config.access import ROLES
from tandem.control.web.application import POLICY, Site


def pages_of(manager: Manager) -> list[tuple[str, str, str]]:
    return [(page.method, page.path, page.role) for page in Site(manager, "c").pages]


def test_a_guest_is_led_to_the_log_in_page_and_then_back(browse: Browse) -> None:
    guest = browse("")
    answer = guest.get("/dhcp/scope?q=a")
    assert answer.status_code == 303 and answer.headers["Location"] == "/login?next=/dhcp/scope%3Fq%3Da"
    assert 'value="/dhcp/scope?q=a"' in guest.get(answer.headers["Location"]).text
    assert guest.post("/login", name="superuser", password="geheim", next="/dhcp/scope").headers["Location"] == (
        "/dhcp/scope"
    )
    assert guest.get("/dhcp/scope").status_code == 200


@pytest.mark.parametrize("evil", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\nb"])
def test_the_way_back_leads_to_our_own_pages_only(browse: Browse, evil: str) -> None:
    assert browse("").post("/login", name="superuser", password="geheim", next=evil).headers["Location"] == "/"


def test_a_wrong_password_is_told_and_its_name_kept(browse: Browse) -> None:
    answer = browse("").post("/login", name="superuser", password="falsch", next="/")
    assert answer.status_code == 401 and "Wrong name or password." in text_of(answer.text)
    assert 'value="superuser"' in answer.text and "falsch" not in answer.text


def test_a_session_cookie_is_kept_from_scripts_and_other_sites(browse: Browse) -> None:
    cookie = browse("").post("/login", name="superuser", password="geheim", next="/").headers["Set-Cookie"]
    assert cookie.startswith("__Host-tandem=")
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))


def test_logging_out_ends_the_session(admin: Browser) -> None:
    assert admin.post("/logout").headers["Location"] == "/login"
    assert admin.get("/dhcp/scope").status_code == 303


def test_a_log_in_link_works_once(browse: Browse, command: Callable[[str], list[str]], manager: Manager) -> None:
    maker = manager.guard.make_link(manager.login_of("dhcp-admin"))
    path = f"/login/link?secret={maker}"
    guest = browse("")
    assert guest.get(path).status_code == guest.get(path).status_code == 200  # looking does not use it up
    assert guest.post("/login/link", secret=maker).status_code == 303
    assert "dhcp-admin" in guest.get("/dhcp/scope").text
    again = browse("").post("/login/link", secret=maker)
    assert again.status_code == 401 and "unknown or has expired" in again.text


def test_the_command_that_makes_a_link_says_how_to_use_it(command: Callable[[str], list[str]]) -> None:
    assert command("session loginLink")[1].startswith("/login/link?secret=")


def test_a_forged_form_is_refused(admin: Browser, manager: Manager) -> None:
    right, admin.csrf = admin.csrf, "guessed"
    answer = admin.post("/dhcp/scope", name="s", addr="10.0.0.0", mask="/8")
    assert answer.status_code == 403 and "scope" not in manager.database.document
    admin.csrf = right
    assert admin.post("/dhcp/scope", name="s", addr="10.0.0.0", mask="/8").status_code == 303


def test_every_page_has_a_strict_security_policy_and_is_not_cached(admin: Browser, manager: Manager) -> None:
    assert "unsafe" not in POLICY
    for method, path, _ in pages_of(manager):
        if method == "GET":
            answer = admin.get(path)
            assert answer.headers["Content-Security-Policy"] == POLICY, path
            assert answer.headers["Cache-Control"] == "no-store", path
            assert not re.search(r"<script(?![^>]*\ssrc=)|\sstyle=|\son[a-z]+=", answer.text), path


@pytest.mark.parametrize("role", ["", *ROLES])
def test_every_page_refuses_whoever_lacks_its_role(role: str, browse: Browse, manager: Manager) -> None:
    browser, ladder = browse(role), list(ROLES)
    for method, path, needed in pages_of(manager):
        if not needed or path in ("/logout", "/dhcp/server/stop", "/dhcp/server/start"):
            continue
        answer = browser.get(path) if method == "GET" else browser.post(path)
        if not role:
            assert answer.status_code == 303 and answer.headers["Location"].startswith("/login"), path
        elif ladder.index(role) > ladder.index(needed):
            assert answer.status_code == 403 and "lacks role" in answer.text, (path, answer.status_code)
        else:
            assert answer.status_code != 403 and "login" not in answer.headers.get("Location", ""), path


@pytest.mark.parametrize("role", ROLES)
def test_the_bars_show_only_what_the_role_may_see(role: str, browse: Browse) -> None:
    browser = browse(role)
    page = browser.get("/dhcp/scope").text
    shown = set(re.findall(r'<a href="(/[^"]*)"', page))
    assert {"/dhcp/server", "/dhcp/scope", "/dhcp/policy"} <= shown
    assert ("/administrators" in shown) == (role == "superuser")
    for path in shown:
        assert browser.get(path).status_code in (200, 303, 503), path


def test_expert_mode_shows_expert_attributes(admin: Browser) -> None:
    assert "failover-startup-time" not in admin.get("/dhcp/server/edit").text
    assert admin.post("/mode", mode="expert", back="/dhcp/server/edit").headers["Location"] == "/dhcp/server/edit"
    assert "failover-startup-time" in admin.get("/dhcp/server/edit").text
    admin.post("/mode", mode="normal", back="/")
    assert "failover-startup-time" not in admin.get("/dhcp/server/edit").text


def test_an_unknown_page_says_so(admin: Browser) -> None:
    answer = admin.get("/nowhere")
    assert answer.status_code == 404 and "There is no such page" in answer.text


def test_static_files_are_served_and_nothing_else(admin: Browser) -> None:
    assert admin.get("/static/tandem.css").headers["Content-Type"].startswith("text/css")
    assert admin.get("/static/vendor/htmx-LICENSE").status_code == 200
    for path in ("/static/../application.py", "/static/%2e%2e/application.py", "/static/none.css"):
        assert admin.get(path).status_code == 404, path


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"\xff\xfe", "application/x-www-form-urlencoded", 400),
        (b"a" * 32_100_000, "application/x-www-form-urlencoded", 400),
        (b"{}", "application/json", 400),
        (b"a=b&" * 30_000, "application/x-www-form-urlencoded", 400),
    ],
)
def test_a_body_that_is_no_form_is_refused(admin: Browser, body: bytes, kind: str, status: int) -> None:
    answer = admin._runner.run(admin._client.post("/dhcp/scope", content=body, headers={"Content-Type": kind}))
    assert answer.status_code == status


def test_a_guest_may_not_send_much(browse: Browse) -> None:
    answer = browse("").post("/login", name="a" * 2_100_000)
    assert answer.status_code == 400 and "larger than 2000000 bytes" in answer.text
