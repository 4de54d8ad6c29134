"""A table as a page shows it: searched, sorted and cut into pages here, so that the browser never holds all of it.

Two ways: ``Listing.of`` takes all rows of a table that is in memory anyway; a page whose rows come from elsewhere in
pages (leases) makes a ``Listing`` of the rows of one page and says how to reach the next.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

PAGE_ROWS = 50


@dataclass(frozen=True, slots=True)
class Column:
    """A column: ``key`` of the row to show under ``title``."""

    key: str
    title: str
    sortable: bool = True
    numeric: bool = False
    link: str = ""
    """Key of the row that holds the address to link to."""


Row = Mapping[str, Any]


@dataclass(slots=True)
class Listing:
    """Rows of one page of a table, and the way to others."""

    path: str
    columns: list[Column]
    rows: list[Row]
    total: int
    """How many rows there are that fit the search."""
    search: str = ""
    sort: str = ""
    descending: bool = False
    page: int = 1
    pages: int = 1
    kept: dict[str, str] = field(default_factory=dict)
    """Parameters of the address that links keep, e.g. a filter."""
    searchable: bool = True
    noun: str = "entries"
    empty: str = "There are none."

    @classmethod
    def of(
        cls, query: Mapping[str, str], path: str, columns: list[Column], rows: Iterable[Row], sort: str = "",
        *, noun: str = "entries", empty: str = "There are none.", kept: Mapping[str, str] | None = None,
        page_rows: int = PAGE_ROWS,
    ) -> Listing:  # fmt: skip
        """Return what ``query`` (q, sort, page) asks for of ``rows``, which come in the order that ``sort`` names."""
        found = list(rows)
        words = query.get("q", "").casefold().split()
        if words:
            found = [row for row in found if all(word in _text(row, columns) for word in words)]
        wanted = query.get("sort", sort)
        descending, key = wanted.startswith("-"), wanted.removeprefix("-")
        if any(column.key == key and column.sortable for column in columns):
            found.sort(key=_order(key), reverse=descending)
        pages = max(1, -(-len(found) // page_rows))
        asked = query.get("page", "1")
        page = min(pages, max(1, int(asked))) if asked.isdecimal() and len(asked) < 10 else 1
        start = (page - 1) * page_rows
        return cls(
            path, columns, found[start : start + page_rows], len(found), query.get("q", ""), key, descending, page,
            pages, dict(kept or {}), True, noun, empty,
        )  # fmt: skip

    @property
    def counted(self) -> str:
        """How many rows fit, in words."""
        noun = self.noun
        if self.total == 1:
            noun = noun[:-3] + "y" if noun.endswith("ies") else noun[:-2] if noun.endswith("sses") else noun[:-1]
        return f"{self.total} {noun}"

    def address(self, **changes: str | int) -> str:
        """Return the address of this listing with parameters changed; search and order are kept."""
        order = ("-" if self.descending else "") + self.sort
        now: dict[str, str | int] = {**self.kept, "q": self.search, "sort": order, "page": self.page, **changes}
        return f"{self.path}?{urlencode({k: v for k, v in now.items() if v not in ('', 1)})}"

    def by(self, column: Column) -> str:
        """Return the address that sorts by ``column``: ascending first, then descending."""
        down = "-" if self.sort == column.key and not self.descending else ""
        return self.address(sort=down + column.key, page=1)


def _text(row: Row, columns: list[Column]) -> str:
    return " ".join(str(row.get(column.key, "")) for column in columns).casefold()


def _order(key: str) -> Callable[[Row], Any]:
    """Return a sort key: addresses by number, numbers within text by value, the rest by letter, empty ones last."""

    def order(row: Row) -> tuple[int, Any]:
        value = row.get(key, "")
        if isinstance(value, int | float):
            return 0, (value,)
        text = str(value)
        try:
            return 0, (int(ipaddress.IPv4Address(text.partition("/")[0])),)
        except ValueError:
            parts = re.split(r"(\d{1,18})", text.casefold())
            return (2 if not text else 1), tuple((1, int(p), "") if p.isdecimal() else (0, 0, p) for p in parts)

    return order
