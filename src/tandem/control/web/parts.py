"""The parts of objects that are lists: a scope's ranges, a policy's options. Each is rows of two inputs in a form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tandem.control.web.forms import sentence
from tandem.control.web.visit import Form

_KNOWN = {
    "ranges": ("Ranges", "Lowest address", "Highest address", "Addresses to be given to clients."),
    "options": ("DHCP Options", "Option", "Value",
                "By name or number. The lease time is dhcp-lease-time, in seconds or as 1w2d3h4m5s."),
    "vendor-options": ("Vendor Options", "Option set/option", "Value",
                       "Write the option set, a slash, and the option's name: examplevendor/firmware."),
}  # fmt: skip


@dataclass(slots=True)
class Rows:
    """A part in a form."""

    part: str
    title: str
    left: str
    right: str
    help: str
    rows: list[tuple[str, str]]
    errors: dict[int, str] = field(default_factory=dict)
    """Number of a row -> what is wrong with it."""


def parts(names: tuple[str, ...], content: Mapping[str, Any]) -> list[Rows]:
    """Return the parts of an object that forms know, with what they hold."""
    made = []
    for name in names:
        if name in _KNOWN:
            value = content.get(name)
            made.append(Rows(name, *_KNOWN[name], _pairs(name, value or {})))
    return made


def _pairs(part: str, value: Any) -> list[tuple[str, str]]:
    match part:
        case "ranges":
            return [(lo, hi) for lo, hi in value]
        case "vendor-options":
            return [(f"{of}/{name}", text) for of, options in value.items() for name, text in options.items()]
        case _:
            return list(value.items())


def take(form: Form, rows: Rows, content: Mapping[str, Any]) -> Any:
    """Put what was written into ``rows``; return the part in stored form, or ``content``'s own when it is the same."""
    left, right = form.all(f"{rows.part}.left"), form.all(f"{rows.part}.right")
    rows.rows = [(a.strip(), b.strip()) for a, b in zip(left, right, strict=False) if a.strip() or b.strip()]
    for i, (a, b) in enumerate(rows.rows):
        if not a or (not b and rows.part == "ranges"):
            rows.errors[i] = f"Write {rows.left.lower()} and {rows.right.lower()}."
    if rows.part == "ranges":
        return [list(pair) for pair in rows.rows] or None
    for i, (a, _) in enumerate(rows.rows):
        if a in [other for other, _ in rows.rows[:i]]:
            rows.errors[i] = f"{a} stands here twice."
    if rows.part == "vendor-options":
        nested: dict[str, dict[str, str]] = {}
        for i, (a, b) in enumerate(rows.rows):
            option_set, slash, name = a.partition("/")
            if not slash and i not in rows.errors:
                rows.errors[i] = "Write the option set, a slash, and the option."
            nested.setdefault(option_set, {})[name] = b
        return nested or None
    return dict(rows.rows) or None


def blame(rows: list[Rows], text: str) -> str:
    """Put a refusal beside the row that it is about; return "" or what is left of it."""
    for part in rows:
        for i, (a, b) in reversed(list(enumerate(part.rows))):
            about = f"range {a} {b}" if part.part == "ranges" else a.rpartition("/")[2]
            if about and (about in text or (part.part == "ranges" and (repr(a) in text or repr(b) in text))):
                part.errors[i] = sentence(text.partition(": ")[2] or text)
                return ""
    return text
