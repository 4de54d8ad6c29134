"""docs/nrcmd-coverage.md says what is there and what is not: the registry agrees, both ways."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tandem.base.errors import CommandError
from tandem.cluster import commands
from tandem.cluster.registry import Login, Request, Session, split

PAGE = (Path(__file__).parents[3] / "docs" / "nrcmd-coverage.md").read_text().partition("## Commands on objects")[2]
ROWS = re.findall(r"^\| (.+) \| (there|later|no) \| ?(.*?) ?\|$", PAGE, re.M)
TOO_FEW = 310


def known(line: str) -> bool:
    try:
        command, name, words = commands.REGISTRY.find(split(line))
        command.fill(Request(Login("admin"), Session(), name), words)
    except CommandError as error:
        return error.status == TOO_FEW
    return True


def test_the_page_has_every_row_in_form() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| command")]
    assert len(lines) == len(ROWS) > 50


@pytest.mark.parametrize(("cell", "state"), [row[:2] for row in ROWS], ids=[row[0][:50] for row in ROWS])
def test_a_command_is_as_the_page_says(cell: str, state: str) -> None:
    lines = re.findall(r"`([^`]+)`", cell) if state == "there" else cell.split(", ")
    assert lines
    for line in lines:
        assert known(line) == (state == "there"), line


def test_every_first_word_of_the_registry_that_the_other_nrcmd_has_is_on_the_page() -> None:
    own = {"change", "token", "login"}
    words = {command.path[0] for command in commands.REGISTRY.commands} - own
    told = {line.split()[0] for line in re.findall(r"`([^`]+)`", PAGE)}
    assert words <= told | {"import", "reservation-policy"}
