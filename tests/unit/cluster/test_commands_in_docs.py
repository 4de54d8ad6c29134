"""Every operator command that the documentation shows is one: complete in a block, at least begun rightly in a line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tandem.base.errors import CommandError
from tandem.cluster import commands
from tandem.cluster.registry import Login, Request, Session, split

ROOT = Path(__file__).parents[3]
SYNOPSES = ROOT / "docs" / "reference.md"
"""Drawn from the declarations themselves, with their arguments in angle brackets."""
PAGES = [*sorted({*(ROOT / "docs").rglob("*.md")} - {SYNOPSES}), ROOT / "README.md"]
WORDS = {command.path[0] for command in commands.REGISTRY.commands}
TOO_FEW = 310
EXAMPLES = {"DATE": "-5m", "DATE-OF-THE-COPY": "-3h", "-MCLT": "-3600", "N": "7"}
"""What stands for something that only the reader knows."""


def typed(text: str) -> str:
    """Return a line as typed at nrcmd's prompt: without the program's name and a comment."""
    line = re.sub(r"^(\.venv/bin/)?nrcmd(>| (?!-))\s*", "", re.sub(r"\s+#.*$", "", text.strip()))
    return re.sub(r"[-\w]+", lambda word: EXAMPLES.get(word[0], word[0]), line)


def run(line: str) -> None:
    command, name, words = commands.REGISTRY.find(split(line))
    command.fill(Request(Login("admin"), Session(), name), words)


def of_registry(lines: list[str]) -> list[str]:
    """Return the lines that are operator commands; the shell has an ``export`` of its own."""
    found = [line for line in map(typed, lines) if line.partition(" ")[0] in WORDS and " " in line]
    return [line for line in found if not re.match(r"export [A-Z_]+=", line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_in_blocks_are_complete(page: Path) -> None:
    text = page.read_text()
    fenced = re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.M | re.S)
    shown = "".join(block for kind, block in fenced if not kind or kind.startswith("nrcmd"))
    for line in of_registry([*re.findall(r"^    (\S.*)$", text, re.M), *shown.splitlines()]):
        run(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_in_lines_exist(page: Path) -> None:
    for line in of_registry(re.findall(r"`([^`\n]+?)(?: \.\.\.)?`", page.read_text())):
        try:
            run(line)
        except CommandError as error:
            if error.status != TOO_FEW:
                raise AssertionError(f"{page.name}: {line!r}: {error}") from None
