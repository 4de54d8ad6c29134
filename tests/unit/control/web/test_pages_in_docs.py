"""docs/pages.md has a picture of each page that it tells of, and no picture lies beside unused."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[4] / "docs"


def test_each_page_of_the_document_has_its_picture() -> None:
    named = re.findall(r"^!\[.+\]\((pictures/[\w-]+\.png)\)\n\n`/\S+`", (DOCS / "pages.md").read_text(), re.M)
    assert len(named) > 8
    assert {str(path.relative_to(DOCS)) for path in (DOCS / "pictures").iterdir()} == set(named)
