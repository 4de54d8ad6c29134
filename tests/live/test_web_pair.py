"""An operator with a browser: a pair is watched while its main dies, is set down with a preview, and comes back.

Real clusters on loopback, Chromium. Pages change by themselves: nothing is loaded again by the test.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.live.browser import browser_page, log_in
from tests.live.test_local_cluster import BACKUP, CONFIGURE, MAIN, Cluster, clusters, wait_for

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]
SOON_MS = 40_000


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Cluster]]:
    with clusters(tmp_path, MAIN, BACKUP) as made:
        for cluster in made:
            done = cluster.nrcmd("-b", "-", stdin=CONFIGURE)
            assert done.returncode == 0, done.stdout
        wait_for("both NORMAL", lambda: all(cluster.state() == "NORMAL" for cluster in made))
        yield made


@pytest.fixture
def page() -> Iterator[Page]:
    with browser_page(SOON_MS) as made:
        yield made


def test_a_main_that_dies_is_seen_set_down_and_seen_to_return(servers: list[Cluster], page: Page) -> None:
    main, backup = servers
    log_in(page, backup, "/dhcp/related")
    own, partner = (page.locator(".sides .state").nth(n) for n in (0, 1))
    expect(own).to_contain_text("NORMAL")
    expect(partner).to_contain_text("NORMAL")
    expect(page.locator("#alarms")).to_have_text("No alarm", timeout=SOON_MS)
    expect(page.get_by_role("link", name="Set Partner Down…")).to_have_count(0)

    main.end(signal.SIGKILL)
    expect(own).to_contain_text("COMMUNICATIONS-INTERRUPTED", timeout=SOON_MS)
    expect(page.locator("#alarms")).to_contain_text("alarm", timeout=SOON_MS)
    expect(page.locator("#alarms")).not_to_have_text("No alarm", timeout=SOON_MS)

    page.get_by_role("link", name="Set Partner Down…").click()
    expect(page.get_by_text("failover link")).to_be_visible()
    expect(page.locator(".changes li").first).to_contain_text("this server enters PARTNER-DOWN")
    assert backup.state() == "COMMUNICATIONS-INTERRUPTED", "a preview changes nothing"
    page.get_by_role("button", name="Set Partner Down").click()
    expect(page.locator("#messages")).to_contain_text("is taken as down since")
    expect(own).to_contain_text("PARTNER-DOWN", timeout=SOON_MS)

    page.goto(page.url.replace("/dhcp/related", "/dhcp/pair"))
    expect(page.locator(".box.here text").first).to_have_text("PARTNER-DOWN")
    main.start()
    expect(page.locator(".box.here text").first).to_have_text("NORMAL", timeout=60_000)
    expect(page.locator(".history li").first).to_contain_text("NORMAL")
    expect(page.locator("svg.bar-of")).to_have_count(1)

    page.goto(page.url.replace("/dhcp/pair", "/dhcp/logs?component=Failover&level=Warning"))
    expect(page.locator(".line.warning").last).to_contain_text("PARTNER-DOWN")
    page.goto(page.url.partition("/dhcp")[0] + "/dhcp/explain?client=00:11:22:33:44:55&giaddr=192.168.50.1")
    expect(page.locator(".who")).to_contain_text("the main")
    page.goto(page.url.partition("/dhcp")[0] + "/dhcp/alarms")
    expect(page.locator("tr.over").first).to_contain_text("communications interrupted")

    page.goto(page.url.partition("/dhcp")[0] + "/dhcp/leases?state=available&flag=reserved")
    page.get_by_role("link", name="192.168.50.9").click()
    expect(page.get_by_text("Owner of the address")).to_be_visible()
    page.goto(page.url.partition("/dhcp")[0] + "/dhcp/failover-servers")
    expect(page.locator(".badge.ok").first).to_have_text("OK")
