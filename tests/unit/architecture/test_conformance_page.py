"""docs/failover-conformance.md names code and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/failover-conformance.md").read_text()


def test_the_code_it_names_exists() -> None:
    named = re.findall(r"`((?:base|config|dhcp|failover|lease|node|runtime|wire)/\w+\.py)`((?:,? `\w+`)*)", PAGE)
    assert len(named) > 100
    missing = []
    for file, names in named:
        path = ROOT / "src/tandem" / file
        text = path.read_text() if path.exists() else ""
        missing += [f"{file} {name}" for name in re.findall(r"`(\w+)`", names) if not re.search(rf"\b{name}\b", text)]
        missing += [] if text else [file]
    assert not missing


def test_the_tests_it_names_exist() -> None:
    texts = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 100
    assert sorted(name for name in named if f"def {name}(" not in texts) == []
    files = set(re.findall(r"`(tests/[\w/]+\.py)`", PAGE))
    assert sorted(file for file in files if not (ROOT / file).exists()) == []


def test_every_function_that_the_page_names_stands_in_its_file() -> None:
    named = set(re.findall(r"`([\w/]+/[\w.-]+\.py)` `((?!test_)\w+)`", PAGE))
    assert len(named) > 50
    gone = []
    for file, name in sorted(named):
        source = (ROOT / "src" / "tandem" / file).read_text()
        if not re.search(rf"^\s*(async )?(def|class) {name}\b|^\s*{name}\b", source, re.MULTILINE):
            gone.append(f"{file} {name}")
    assert gone == []


def test_every_requirement_has_a_test_or_a_reason() -> None:
    rows = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if re.match(r"\| (table |figure )?\d", line)]
    assert len(rows) > 150
    bare = [row for row in rows if "test" not in row[-1]]
    assert [row for row in bare if not re.search("not done: |does not apply|see there", " ".join(row[2:]))] == []
