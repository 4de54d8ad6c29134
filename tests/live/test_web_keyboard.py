"""The pages without a mouse: log in, past the bars, add a scope, edit it, undo; the focus is always seen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.live.browser import browser_page
from tests.live.test_local_cluster import MAIN, Cluster, clusters

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]
STOPS_MAX = 120
_FOCUS = """() => {
  const one = document.activeElement, box = one.getBoundingClientRect(), style = getComputedStyle(one);
  const label = one.labels && one.labels.length ? one.labels[0].innerText : one.getAttribute("aria-label");
  return {
    name: (label || one.innerText || "").trim(), tag: one.tagName,
    seen: box.width > 0 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth,
    marked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    covered: !one.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)),
  };
}"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with clusters(tmp_path, MAIN) as (made,):
        yield made


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the focus is on what is called ``name``; wherever it comes to, it is seen."""
    passed = []
    for _ in range(STOPS_MAX):
        page.keyboard.press("Tab")
        focus = page.evaluate(_FOCUS)
        if focus["tag"] != "BODY":
            assert focus["seen"] and focus["marked"] and not focus["covered"], focus
        if re.match(rf"{name}\b", focus["name"]):
            return
        passed.append(focus["name"])
    pytest.fail(f"no {name!r} among {passed}")


def test_everything_is_reached_and_done_by_keys(cluster: Cluster) -> None:
    with browser_page(reduced_motion="reduce") as page:
        page.goto(f"https://{cluster.address}:{cluster.ports[2]}/")
        keys = page.keyboard
        tab_to(page, "Name")
        keys.type("admin")
        tab_to(page, "Password")
        keys.type("geheim")
        keys.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Manage DHCP Server")

        keys.press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        assert page.evaluate(_FOCUS)["seen"]
        keys.press("Enter")
        keys.press("Tab")
        assert page.evaluate("document.querySelector('main').contains(document.activeElement)"), "the bars are skipped"

        page.reload()
        tab_to(page, "Scopes")
        keys.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("List/Add DHCP Scopes")
        tab_to(page, "Name")
        for name, value in (("", "office"), ("Address", "192.168.50.0"), ("Mask", "/24")):
            if name:
                tab_to(page, name)
            keys.type(value)
        keys.press("Enter")
        expect(page.get_by_text("Scope office was added.")).to_be_visible()

        tab_to(page, "Lowest address")
        keys.type("192.168.50.10")
        tab_to(page, "Highest address")
        keys.type("192.168.51.1")
        tab_to(page, "Add another")
        keys.press("Enter")
        assert page.evaluate(_FOCUS)["name"] == "Lowest address", "a new row has the focus"
        tab_to(page, "Modify Scope")
        keys.press("Enter")
        expect(page.locator(".row .error")).to_contain_text("lies outside the subnet")
        assert page.evaluate(_FOCUS)["name"] == "Lowest address", "what is wrong has the focus"
        tab_to(page, "Highest address")
        keys.press("Control+A")
        keys.type("192.168.50.99")
        keys.press("Enter")
        expect(page.get_by_text("Scope office was saved.")).to_be_visible()
        assert cluster.ok("scope office listRanges")[1:] == ["192.168.50.10 192.168.50.99"]

        tab_to(page, "Your account")
        keys.press("Enter")
        tab_to(page, "Dark")
        keys.press("Enter")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        tab_to(page, "Your account")
        keys.press("Enter")
        keys.press("Escape")
        assert page.evaluate(_FOCUS)["name"].startswith("Your account"), "Escape closes the menu and keeps the place"
