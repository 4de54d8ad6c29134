"""docs/pages.md has a picture of each page of the navigation bars, and no picture lies beside unused."""

from __future__ import annotations

import re
from pathlib import Path

from tandem.cluster.manager import Manager
from tandem.control.web.application import Site

DOCS = Path(__file__).parents[4] / "docs"
TOLD = re.findall(r"^!\[.+\]\(pictures/([\w-]+)\.png\)\n\n`(/[^`?]*)[^`]*`", (DOCS / "pages.md").read_text(), re.M)


def test_each_page_of_the_document_has_its_picture() -> None:
    assert len(TOLD) > 30
    assert {path.name for path in (DOCS / "pictures").iterdir()} == {f"{name}.png" for name, _ in TOLD}


def test_each_entry_of_the_navigation_bars_is_told_of(manager: Manager) -> None:
    entries = {page.path for page in Site(manager, "c").pages if page.entry is not None}
    assert entries - {path for _, path in TOLD} == set()
