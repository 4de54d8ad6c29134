"""An operator configures a pair with nothing but a browser, as the failover chapter tells it: two real clusters.

Every page that it comes to has nothing serious for axe-core.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
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


def log_in_by_password(page: Page, cluster: Cluster) -> None:
    """Log in as an administrator does: name, password, Enter."""
    page.goto(f"https://{cluster.address}:{cluster.ports[2]}/")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill("geheim")
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation", name="Primary")).to_be_visible()


def test_the_story_of_a_pair_in_a_browser(servers: list[Cluster], page: Page) -> None:
    """Log in, scope from a template, failover on, edit the pair, report, run, reload, both NORMAL; the main dies, the
    page changes by itself, the partner is set down, it comes back, and the change log has it all.
    """
    main, backup = servers
    log_in_by_password(page, main)
    bar = page.get_by_role("navigation", name="Secondary")
    _scope_from_a_template(page, bar)
    _failover_on(page, bar)
    _synchronized(page, bar, backup)
    wait_for("both NORMAL", lambda: main.state() == backup.state() == "NORMAL")
    expect(page.locator("#live .state .badge").first).to_have_text("NORMAL")
    page.get_by_role("link", name="Related Servers").first.click()
    own, partner = (page.locator(".sides .state").nth(n) for n in (0, 1))
    expect(own).to_contain_text("NORMAL")
    expect(partner).to_contain_text("NORMAL")

    page.get_by_role("navigation", name="Primary").get_by_role("link", name="Change Log").click()
    page.get_by_role("searchbox").fill("branch-192.168.50.0/24 ranges")
    expect(page.get_by_role("row", name=re.compile("192.168.50.10 – 192.168.50.250"))).to_have_count(1)

    log_in_by_password(page, backup)
    page.get_by_role("navigation", name="Primary").get_by_role("link", name="Monitoring").click()
    bar.get_by_role("link", name="Related Servers").click()
    expect(own).to_contain_text("NORMAL")
    main.end(signal.SIGKILL)
    expect(own).to_contain_text("COMMUNICATIONS-INTERRUPTED")
    expect(page.locator("#alarms")).to_contain_text("alarm")
    expect(page.locator("#alarms")).not_to_have_text("No alarm")
    page.get_by_role("link", name="Set Partner Down…").click()
    expect(page.get_by_text("failover link")).to_be_visible()
    expect(page.locator(".changes li").first).to_contain_text("this server enters PARTNER-DOWN")
    assert backup.state() == "COMMUNICATIONS-INTERRUPTED", "a preview changes nothing"
    page.get_by_role("button", name="Set Partner Down").click()
    said(page, "is taken as down since")
    expect(own).to_contain_text("PARTNER-DOWN")

    bar.get_by_role("link", name="Pair Overview").click()
    here = page.locator(".box.here text").first
    expect(here).to_have_text("PARTNER-DOWN")
    main.start()
    expect(here).to_have_text("NORMAL", timeout=60_000)
    expect(page.locator(".history li").first).to_contain_text("NORMAL")
    bar.get_by_role("link", name="Alarms").click()
    expect(page.locator("tr.over").first).to_contain_text("communications interrupted")

    page.get_by_role("navigation", name="Primary").get_by_role("link", name="Change Log").click()
    page.get_by_role("searchbox").fill("branch-192.168.50.0/24")
    row = page.get_by_role("row", name=re.compile("scope branch.192.168.50.0.24 the object itself"))
    row.get_by_role("link").click()
    said_why = page.get_by_text(f"synchronization exact of failover-pair {PAIR}, main-to-backup, by admin")
    expect(said_why.first).to_be_visible()


def _scope_from_a_template(page: Page, bar: Locator) -> None:
    bar.get_by_role("link", name="Scope Templates").click()
    page.get_by_label("Name required").fill("branch")
    page.get_by_role("button", name="Add Scope Template").click()
    said(page, "Scope Template branch was added.")
    page.get_by_label("Scope Name").fill('(concat "branch-" subnet)')
    gives = page.locator("#gives")
    expect(gives).to_contain_text("branch-192.168.70.0/24")
    page.get_by_label("Ranges Expression").fill("(create-range 10 nhosts")
    expect(gives.locator(".error")).to_contain_text("Ranges Expression")
    page.get_by_role("button", name="Modify Scope Template").click()
    expect(page.locator("#e-ranges-expr")).to_be_visible()
    expect(page.get_by_label("Ranges Expression")).to_be_focused()
    page.get_by_label("Ranges Expression").fill("(create-range 10 (- nhosts 4))")
    expect(gives).to_contain_text("192.168.70.10 – 192.168.70.250")
    page.get_by_role("button", name="Modify Scope Template").click()
    said(page, "Scope Template branch was saved.")

    bar.get_by_role("link", name="Scopes", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("List/Add DHCP Scopes")
    page.get_by_label("Address required").fill("192.168.50.0")
    page.get_by_label("Mask required").fill("/24")
    page.get_by_label("Scope Template").select_option("branch")
    page.get_by_role("button", name="Add Scope").click()
    said(page, "Scope branch-192.168.50.0/24 was added.")
    expect(page.get_by_label("Highest address").first).to_have_value("192.168.50.250")
    page.get_by_label("Highest address").first.fill("192.168.51.200")
    expect(page.get_by_text("Unsaved changes")).to_be_visible()
    page.get_by_role("button", name="Modify Scope").click()
    expect(page.locator(".row .error")).to_contain_text("lies outside the subnet")
    page.get_by_label("Highest address").first.fill("192.168.50.250")
    page.get_by_role("button", name="Modify Scope").click()
    said(page, "Scope branch-192.168.50.0/24 was saved.")


def _failover_on(page: Page, bar: Locator) -> None:
    bar.get_by_role("link", name="DHCP Server", exact=True).click()
    page.get_by_role("link", name="Local DHCP Server").click()
    page.get_by_role("group", name="Failover Setting").get_by_label("on", exact=True).check()
    page.get_by_label("Main Server").fill(MAIN)
    page.get_by_label("Backup Server").fill("nowhere.invalid")
    page.get_by_role("button", name="Modify Server").click()
    expect(page.locator("#e-failover-backup-server")).to_contain_text("cannot be looked up")
    expect(page.get_by_label("Backup Server")).to_be_focused()
    page.get_by_label("Backup Server").fill(BACKUP)
    page.get_by_role("button", name="Modify Server").click()
    said(page, "attributes were saved")
    page.get_by_role("link", name="Preview and Reload").click()
    expect(page.get_by_role("row", name=re.compile("failover-main-server"))).to_contain_text(MAIN)
    page.get_by_role("button", name="Reload").click()
    said(page, "runs by the present configuration")


def _synchronized(page: Page, bar: Locator, backup: Cluster) -> None:
    bar.get_by_role("link", name="Failover", exact=True).click()
    page.get_by_role("link", name=PAIR, exact=True).click()
    page.get_by_label("Remote Username").fill("admin")
    page.get_by_label("Remote Password").fill("geheim")
    page.get_by_label("Remote SCP Port").fill(str(backup.ports[2]))
    page.get_by_role("button", name="Modify Failover").click()
    said(page, "was saved")
    page.get_by_role("link", name=f"Report synchronization of {PAIR}").click()
    page.get_by_label("Exact").check()
    page.get_by_role("button", name="Report").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("View DHCP Failover Pair Sync Report")
    said(page, "would be applied on the partner, the backup")
    assert "branch" not in " ".join(backup.ok("scope listnames")), "a report changes nothing"
    page.get_by_label("reload the backup afterwards").uncheck()
    page.get_by_role("button", name="Run Exact").click()
    said(page, "were applied on the partner, the backup")
    assert "branch-192.168.50.0/24" in backup.ok("scope listnames")
    page.get_by_role("link", name="List DHCP Failover Pairs").click()
    expect(page.get_by_text("the same")).to_be_visible()
    page.get_by_role("link", name=f"View the servers of {PAIR}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Manage DHCP Failover Servers")
    page.get_by_role("button", name=f"Reload the partner {BACKUP}").click()
    said(page, "The partner's DHCP server runs by its present configuration.")


def test_a_configuration_is_taken_out_changed_and_taken_in(tmp_path: Path, page: Page) -> None:
    with clusters(tmp_path, MAIN) as (main,):
        main.ok("scope office create 192.168.50.0 255.255.255.0")
        log_in(page, main, "/dhcp/server")
        page.get_by_role("link", name="Export or Import").click()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").click()
        text = download.value.path().read_text()
        wrong, right = tmp_path / "wrong.json", tmp_path / "right.json"
        wrong.write_text(text.replace("255.255.255.0", "255.0.255.0"))
        right.write_text(text.replace('"office"', '"lab"'))
        page.get_by_label("File", exact=True).set_input_files(wrong)
        expect(page.get_by_label("Text of the file")).to_have_value(re.compile("255.0.255.0"))
        page.get_by_role("button", name="Preview").click()
        expect(page.get_by_role("row", name=re.compile("255.0.255.0"))).to_contain_text("mask")
        assert barriers(page) == []
        page.get_by_label("File", exact=True).set_input_files(right)
        expect(page.get_by_label("Text of the file")).to_have_value(re.compile("lab"))
        page.get_by_role("button", name="Preview").click()
        expect(page.get_by_role("row", name=re.compile("scope office the object"))).to_contain_text("deleted")
        assert barriers(page) == []
        page.get_by_role("button", name=re.compile("^Import")).click()
        said(page, "The configuration is what the file says")
        assert main.ok("scope listnames")[1:] == ["lab"]


def test_long_work_shows_how_far_it_is(tmp_path: Path, page: Page) -> None:
    """With scripts the outcome follows by itself; without, the page is loaded anew."""
    scopes = {
        f"s{n}": {"addr": f"10.{n >> 8}.{n & 255}.0", "mask": "255.255.255.0",
                  "ranges": [[f"10.{n >> 8}.{n & 255}.10", f"10.{n >> 8}.{n & 255}.200"]]}
        for n in range(12_000)
    }  # fmt: skip
    text = json.dumps({"tandem-configuration": 1, "scope": scopes})
    with clusters(tmp_path, MAIN) as (main,):
        log_in(page, main, "/dhcp/server/configuration")
        browser = page.context.browser
        assert browser is not None
        no_scripts = browser.new_context(ignore_https_errors=True, java_script_enabled=False)
        plain = no_scripts.new_page()
        log_in_by_password(plain, main)
        plain.goto(page.url)
        for each in (page, plain):
            each.get_by_label("Text of the file").fill(text)
            each.get_by_role("button", name="Preview").click()
            expect(each.get_by_role("heading", level=1)).to_have_text("Import of a Configuration")
            expect(each.locator(".steps")).to_contain_text(re.compile(r"objects of class scope, (\d[\d ]* of )?12 000"))
            if each is page:
                assert barriers(page) == [], "with a bar that says how far it is"
            else:
                expect(plain.get_by_text("This page loads anew every two seconds.")).to_be_visible()
            expect(each.get_by_role("button", name=re.compile("^Import"))).to_be_visible(timeout=60_000)
        no_scripts.close()


def test_a_change_is_taken_back_from_the_change_log(servers: list[Cluster], page: Page) -> None:
    main, _ = servers
    main.ok("scope office create 192.168.50.0 255.255.255.0")
    main.ok("scope office addRange 192.168.50.10 192.168.50.200")
    log_in(page, main, "/changes")
    page.get_by_role("searchbox").fill("192.168.50.10")
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
