"""Every page that is declared, on a phone and wide, in dark colours and in light ones, also as Expert mode has it.

No barriers for axe-core, nothing wider than the window, no script that fails, nothing that the security policy
refuses. The pictures of docs/pages.md are taken on the way.

``make pictures`` runs this with TANDEM_PICTURES naming the folder that keeps them.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, ViewportSize, expect
from tests.live.browser import axe, browser_page, log_in
from tests.live.gallery import addresses, furnished
from tests.live.test_local_cluster import Cluster, wait_for

from tandem.control.web.visit import MODE_COOKIE

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]
PAGES_MD = Path(__file__).parents[2] / "docs" / "pages.md"
PICTURES = dict(re.findall(r"^!\[.*\]\(pictures/([\w-]+)\.png\)\n\n`(/[^`]*)`", PAGES_MD.read_text(), re.M))
AFTER_A_LOSS = ("alarms", "partner-down", "related")
"""Pictures that show a pair whose backup is lost."""
WIDE, NARROW = ViewportSize(width=1024, height=680), ViewportSize(width=390, height=800)
LOOKS: list[tuple[ViewportSize, Literal["dark", "light"], tuple[str, ...]]] = [
    (NARROW, "dark", ()), (NARROW, "light", ("color-contrast",)), (WIDE, "dark", ("color-contrast",)),
    (WIDE, "light", ()),
]  # fmt: skip
"""Each width, each colours, and by which of axe-core's rules (none: all): but for the contrast, they go by the width.

The last look is that of the pictures.
"""
BLANK_BYTES = 15_000


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Cluster]]:
    with furnished(tmp_path_factory.mktemp("pair")) as made:
        yield made


def walk(page: Page, path: str) -> None:
    """Look at one page in each width and in each colours. Every fold is open."""
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.set_viewport_size(WIDE)
    answer = page.goto(path)
    assert answer is not None and answer.status == 200, path
    expect(page.get_by_text("asking…")).to_have_count(0)
    closed = page.locator("details:not([open]):not(.menu)")
    folds = closed.element_handles()
    for fold in folds:
        fold.evaluate("fold => fold.open = true")
    with axe(page) as barriers:
        for size, colours, rules in LOOKS:
            page.set_viewport_size(size)
            page.emulate_media(color_scheme=colours)
            assert barriers(*rules) == [], f"{path}, {size['width']} wide, {colours}"
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{path} is wider than {size['width']} by {wide}"
    for fold in folds:
        fold.evaluate("fold => fold.open = false")


def shape(page: Page) -> list[str]:
    """Return what there is to fill in, to press or to follow on the page: what Expert mode has more of."""
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('main :is(label, legend, button, a, th, dt)')].map(e => e.textContent)"
    )
    return found


def take(page: Page, name: str, folder: Path) -> None:
    """Take the picture ``name`` of the page."""
    page.screenshot(path=folder / f"{name}.png", full_page=name == "pair")
    assert (folder / f"{name}.png").stat().st_size > BLANK_BYTES, f"{name}: there is nothing in the picture"


def test_every_page_is_accessible_fits_a_phone_and_has_its_picture(pair: list[Cluster], tmp_path: Path) -> None:
    folder = Path(os.environ.get("TANDEM_PICTURES", tmp_path))
    main, backup = pair
    taken: list[str] = []
    normal: dict[str, list[str]] = {}
    more: list[str] = []
    with browser_page(timezone_id="UTC", strict=True) as page:
        log_in(page, main, "/dhcp/scope")
        base = page.url.partition("/dhcp")[0]
        for address in addresses():
            walk(page, base + address)
            normal[address] = shape(page)
            for name, pictured in PICTURES.items():
                if pictured == address and name not in AFTER_A_LOSS:
                    take(page, name, folder)
                    taken.append(name)
        page.context.add_cookies([{"name": MODE_COOKIE, "value": "expert", "url": base}])
        for address in addresses():
            page.goto(base + address)
            if shape(page) != normal[address]:
                walk(page, base + address)
                more.append(address)
        assert "/dhcp/server/edit" in more, "it has expert attributes"
        page.context.clear_cookies(name=MODE_COOKIE)
        backup.end(signal.SIGKILL)
        wait_for("the main notices", lambda: main.state() == "COMMUNICATIONS-INTERRUPTED")
        page.goto(base + "/dhcp/alarms")
        expect(page.get_by_text("communications interrupted").first).to_be_visible()
        for name in AFTER_A_LOSS:
            walk(page, base + PICTURES[name])
            take(page, name, folder)
            taken.append(name)
    assert sorted(taken) == sorted(PICTURES), "docs/pages.md has the addresses that the walk comes to"
