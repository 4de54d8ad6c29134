"""Log files as operators read them: from the end, page by page, by level, component and text; and as they grow.

Every call reads a bounded part of a file. Does not know what the lines mean. Source: SYSTEM S7.6.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tandem.base.errors import CommandError

LEVELS = ("Error", "Warning", "Info", "Activity")
"""From the worst; a filter by level shows that level and worse."""
OLDER = 4
"""How many files that were put aside there may be."""
COUNT, COUNT_MAX = 40, 1000
_BLOCK = 64 * 1024
SCAN_MAX = 4 * 1024 * 1024
"""Bytes looked through in one call."""
_LINE = re.compile(r"(\S+ [\d:]+) (\S+/\w+/\d+) (\w+) (\S+) \d+ (\d{5}) (.*)")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log. What has no level (the rest of a traceback) has empty fields but for the text."""

    when: str
    server: str
    level: str
    component: str
    ident: str
    text: str

    def __str__(self) -> str:
        head = f"{self.when} {self.server} {self.level} {self.component} 0 {self.ident} "
        return (head if self.when else "") + self.text


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines are wanted. Empty: all."""

    level: str = ""
    component: str = ""
    search: str = ""

    @classmethod
    def of(cls, level: str, component: str, search: str) -> Filter:
        """Return a filter from an operator's words. Raises CommandError 316."""
        named = next((known for known in LEVELS if known.lower() == level.lower()), "")
        if level and not named:
            raise CommandError(316, f"level: {level!r} is not one of {', '.join(LEVELS)}")
        return cls(named, component.lower(), search.lower())

    def fits(self, line: Line) -> bool:
        """Return whether a line is wanted."""
        if self.level and (line.level not in LEVELS or LEVELS.index(line.level) > LEVELS.index(self.level)):
            return False
        if self.component and line.component.lower() != self.component:
            return False
        return not self.search or self.search in str(line).lower()


@dataclass(frozen=True, slots=True)
class Page:
    """Some lines, the newest last."""

    lines: list[Line]
    before: int
    """Where the lines before these end, in bytes; 0 = there are none."""
    end: int
    """Where this page ends, in bytes: what comes later is new."""


def parse(text: str) -> Line:
    """Return a line's parts."""
    match = _LINE.fullmatch(text)
    return Line(*match.groups()) if match is not None else Line("", "", "", "", "", text)


def log_path(path: Path, older: int) -> Path:
    """Return the file of log ``path`` that was put aside ``older`` files ago; 0 = the one that is written."""
    return path.with_name(f"{path.name}.{older}") if older else path


def read_page(path: Path, wanted: Filter, count: int, before: int | None = None) -> Page:
    """Return the last ``count`` wanted lines that end before byte ``before`` (None: the end); fewer if they are far.

    A file that is not there is empty. Raises CommandError 501 when it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            end = at = min(size, before) if before is not None else size
            found: list[Line] = []
            rest = b""
            while at > 0 and len(found) < count and end - at < SCAN_MAX:
                start = max(0, at - _BLOCK)
                file.seek(start)
                block = file.read(at - start) + rest
                first, *others = block.split(b"\n")
                if start == 0:
                    others, first = [first, *others], b""
                position = start + len(block)
                for raw in reversed(others):
                    position -= len(raw)
                    line = parse(raw.decode(errors="replace"))
                    if raw and wanted.fits(line):
                        found.append(line)
                        if len(found) == count:
                            return Page(found[::-1], max(position, 0), end)
                    position -= 1
                at, rest = start, first
            return Page(found[::-1], at + len(rest) if at > 0 else 0, end)
    except FileNotFoundError:
        return Page([], 0, 0)
    except OSError as error:
        raise CommandError(501, f"{path} cannot be read: {error.strerror}") from None


def read_new(path: Path, wanted: Filter, since: int) -> tuple[list[Line], int]:
    """Return the wanted lines that were written after byte ``since``, and where they end.

    A file that has become shorter was put aside: the new one is read from its beginning. Only whole lines count; of
    a great many the last ones are returned. Raises CommandError 501.
    """
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size < since:
                since = 0
            start = max(since, size - SCAN_MAX)
            file.seek(start)
            whole, _, _ = file.read(size - start).rpartition(b"\n")
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise CommandError(501, f"{path} cannot be read: {error.strerror}") from None
    if not whole:
        return [], since
    lines = [parse(raw.decode(errors="replace")) for raw in whole.split(b"\n")]
    return [line for line in lines if wanted.fits(line)][-COUNT_MAX:], start + len(whole) + 1
