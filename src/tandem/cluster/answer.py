"""What a command answers, and how it is printed: status line, then objects, in one of three formats.

Source: reference "commands and attributes" sections 1.4 and 1.5.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from tandem.base.errors import CommandError

FORMATS = ("user", "script", "json")

_HEADS = {
    301: "No server found",
    302: "Not Found",
    306: "Unknown command",
    307: "Unknown keyword",
    308: "Unknown parameter",
    309: "Too many arguments",
    310: "Too few arguments",
    312: "Unexpected response from server",
    313: "No match",
    316: "Invalid",
    320: "EX_CONFLICT_EXISTS",
    387: "Changed Meanwhile",
    401: "Login Failure",
    501: "Connection Failure",
}
"""The fixed words that follow a status, where scripts are known to look for them."""


@dataclass(slots=True)
class Item:
    """An object in an answer: its name, and the text of each attribute to show."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Answer:
    """What one command came to. Refusals are CommandError, not answers."""

    items: list[Item] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    """Plain text. Where ``items`` is filled as well, this is how they look to a person."""
    status: int = 100
    text: str = "Ok"
    data: dict[str, Any] = field(default_factory=dict)
    """What programs are told beyond ``items``, where a command says so."""

    def render(self, style: str = "user") -> list[str]:
        """Return the output lines, status first. ``style`` is one of FORMATS."""
        head = f"{self.status} {self.text}"
        if style == "json":
            return [head, *([json_line(self)] if self.items or self.lines else [])]
        if style == "script":
            return [head, *([script_line(item) for item in self.items] or self.lines)]
        return [head, *(self.lines or [line for item in self.items for line in user_lines(item)])]


def json_line(answer: Answer) -> str:
    """Return an answer on one line of JSON: a list of objects, each with its name, or else of lines."""
    objects = [{"name": item.name, **item.attributes} for item in answer.items]
    return msgspec.json.encode(objects or answer.lines).decode()


def user_lines(item: Item) -> list[str]:
    """Return an object as a person reads it: its name, then one indented line an attribute."""
    return [f"{item.name}:", *(f"    {name} = {value}" for name, value in item.attributes.items())]


def script_line(item: Item) -> str:
    """Return an object on one line: ``name: attr=value; attr=value``."""
    return f"{item.name}: " + "; ".join(f"{name}={value}" for name, value in item.attributes.items())


def error_line(error: CommandError) -> str:
    """Return the status line of a refusal."""
    head = _HEADS.get(error.status)
    if error.text.startswith("AX_"):
        return f"{error.status} {error.text}"
    if head is not None and not error.text.lower().startswith(head.lower()):
        return f"{error.status} {head} - {error.text}"
    return f"{error.status} {error.text}" if head is not None else f"{error.status} - {error.text}"
