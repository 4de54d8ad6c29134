"""The conformance page names only files and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "failover-conformance.md").read_text()


def test_every_file_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`([\w/]+/[\w.-]+\.py)`", PAGE))
    assert len(named) > 20
    assert [p for p in sorted(named) if not (ROOT / p).exists() and not (ROOT / "src" / "tandem" / p).exists()] == []


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 50
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    defined = set(re.findall(r"def (test_\w+)\(", sources))
    assert sorted(named - defined) == []
