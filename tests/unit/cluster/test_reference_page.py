"""docs/reference.md shows the commands and attributes as they are declared, and the declarations are complete."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tandem.cluster import commands
from tandem.cluster.registry import split
from tandem.config.schema import CLASSES

ROOT = Path(__file__).parents[3]


def test_the_page_shows_what_is_declared() -> None:
    drawn = subprocess.run(
        [sys.executable, ROOT / "scripts" / "reference"], capture_output=True, text=True, check=True
    ).stdout
    assert (ROOT / "docs" / "reference.md").read_text() == drawn, "run: scripts/reference > docs/reference.md"


def test_every_command_has_help_and_an_example_that_is_that_command() -> None:
    for command in commands.REGISTRY.commands:
        assert command.help.endswith("."), command.path
        found, name, words = commands.REGISTRY.find(split(command.example))
        assert found is command, f"the example of {command.usage()} is {found.usage()}"
        needed = sum(not argument.optional for argument in command.arguments)
        assert len(words) >= needed, command.example
        assert bool(name) == ("NAME" in command.path), command.example
        for argument in command.arguments:
            assert argument.help, (command.path, argument.name)


def test_every_attribute_has_help_a_type_and_a_unit_where_it_counts() -> None:
    for cls in CLASSES.values():
        for attribute in cls.attributes:
            assert attribute.help.endswith("."), (cls.name, attribute.name)
            assert attribute.type.allowed and attribute.type.word, (cls.name, attribute.name)
            if type(attribute.type).__name__ == "Time":
                assert attribute.unit == "seconds", (cls.name, attribute.name)
