"""An operator configures a pair with nothing but a browser, as the failover chapter tells it: two real clusters.

Every page that it comes to has nothing serious for axe-core.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.live.browser import barriers, browser_page, log_in
from tests.live.test_local_cluster import BACKUP, MAIN, Cluster, clusters, wait_for

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]
PAIR = f"{MAIN}-{BACKUP}"


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Cluster]]:
    with clusters(tmp_path, MAIN, BACKUP) as made:
        yield made


@pytest.fixture
def page() -> Iterator[Page]:
    with browser_page() as made:
        yield made


def said(page: Page, text: str) -> None:
    """Expect a message that says ``text``, and the page to be without barriers."""
    expect(page.locator(".message").filter(has_text=text)).to_be_visible()
    assert barriers(page) == [], page.url


def test_a_pair_is_configured_as_the_chapter_tells_it(servers: list[Cluster], page: Page) -> None:
    main, backup = servers
    log_in(page, main, "/")
    bar = page.get_by_role("navigation", name="Secondary")

    bar.get_by_role("link", name="Scopes", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("List/Add DHCP Scopes")
    page.get_by_label("Name required").fill("office")
    page.get_by_label("Address required").fill("192.168.50.0")
    page.get_by_label("Mask required").fill("/24")
    page.get_by_role("button", name="Add Scope").click()
    said(page, "Scope office was added.")
    page.get_by_label("Lowest address").fill("192.168.50.10")
    page.get_by_label("Highest address").fill("192.168.51.200")
    expect(page.get_by_text("Unsaved changes")).to_be_visible()
    page.get_by_role("button", name="Modify Scope").click()
    expect(page.locator(".row .error")).to_contain_text("lies outside the subnet")
    page.get_by_label("Highest address").first.fill("192.168.50.200")
    page.get_by_role("button", name="Modify Scope").click()
    said(page, "Scope office was saved.")

    bar.get_by_role("link", name="DHCP Server", exact=True).click()
    page.get_by_role("link", name="Local DHCP Server").click()
    page.get_by_role("group", name="Failover Setting").get_by_label("on", exact=True).check()
    page.get_by_label("Main Server").fill(MAIN)
    page.get_by_label("Backup Server").fill("backup.example")
    page.get_by_role("button", name="Modify Server").click()
    expect(page.locator("#e-failover-backup-server")).to_contain_text("is not the IPv4 address of a server")
    expect(page.get_by_label("Backup Server")).to_be_focused()
    page.get_by_label("Backup Server").fill(BACKUP)
    page.get_by_role("button", name="Modify Server").click()
    said(page, "attributes were saved")
    page.get_by_role("link", name="Preview and Reload").click()
    expect(page.get_by_role("row", name=re.compile("failover-main-server"))).to_contain_text(MAIN)
    page.get_by_role("button", name="Reload").click()
    said(page, "runs by the present configuration")

    bar.get_by_role("link", name="Failover", exact=True).click()
    page.get_by_role("link", name=PAIR, exact=True).click()
    page.get_by_label("Remote Username").fill("admin")
    page.get_by_label("Remote Password").fill("geheim")
    page.get_by_label("Remote Scp Port").fill(str(backup.ports[2]))
    page.get_by_role("button", name="Modify Failover").click()
    said(page, "was saved")
    page.get_by_role("link", name=f"Report synchronization of {PAIR}").click()
    page.get_by_label("Exact").check()
    page.get_by_role("button", name="Report").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("View DHCP Failover Pair Sync Report")
    said(page, "would be applied on the partner, the backup")
    assert "office" not in " ".join(backup.ok("scope listnames")), "a report changes nothing"
    page.get_by_role("button", name="Run Exact").click()
    said(page, "were applied on the partner, the backup")
    assert "office" in backup.ok("scope listnames")
    wait_for("both NORMAL", lambda: main.state() == backup.state() == "NORMAL")
    page.get_by_role("link", name="List DHCP Failover Pairs").click()
    expect(page.get_by_text("the same")).to_be_visible()
    expect(page.locator("td .badge").first).to_have_text("NORMAL")

    page.get_by_role("navigation", name="Primary").get_by_role("link", name="Change Log").click()
    page.get_by_role("searchbox").fill("192.168.50.10")
    expect(page.get_by_role("row", name=re.compile("ranges"))).to_be_visible()
    page.get_by_role("row", name=re.compile("ranges")).get_by_role("link").click()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Undo").click()
    said(page, "was undone")
    assert main.ok("scope office listRanges")[1:] == []


def test_a_half_written_form_is_not_lost_unasked_and_two_editors_are_told(servers: list[Cluster], page: Page) -> None:
    main, _ = servers
    main.ok("scope office create 192.168.50.0 255.255.255.0")
    log_in(page, main, "/dhcp/scope/edit?name=office")
    page.get_by_label("Backup Percentage").fill("25")
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.get_by_role("link", name="Policies").click(no_wait_after=True)
    wait_for("the browser asked", lambda: page.wait_for_timeout(50) or asked == ["beforeunload"])
    expect(page.get_by_label("Backup Percentage")).to_have_value("25")
    main.ok("scope office set renew-only=on")
    page.get_by_role("button", name="Modify Scope").click()
    expect(page.get_by_role("alert")).to_contain_text("It was changed while you edited it.")
    expect(page.get_by_role("alert")).to_contain_text("admin: renew-only")
    assert barriers(page) == []
    page.get_by_role("button", name="Modify Scope").click()
    said(page, "Scope office was saved.")
