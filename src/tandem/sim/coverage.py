"""Which rows of the decision tables fired, and why some never can.

Watches the servers' tables from outside while stories are told. A row that no story reaches is in ``UNREACHED`` with
its reason; a test keeps that list true.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from tandem.base.table import Row
from tandem.failover import conflict
from tandem.failover.endpoint import Endpoint
from tandem.failover.states import TABLE
from tandem.lease.binding import Binding, Status
from tandem.wire.failover import Update


class Coverage:
    """Counts of the rows of the state table, and of the cells of figure 7.1.3-1 by outcome."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.cells: Counter[str] = Counter()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count while the context lasts."""
        row, judge = Endpoint._row, conflict.judge

        def counted_row(endpoint: Endpoint, cause: int) -> Row:
            found = row(endpoint, cause)
            self.rows[found.label] += 1
            return found

        def counted_judge(binding: Binding | None, update: Update, *rest: object) -> tuple[int, str] | None:
            ours = None if binding is None else binding.status
            verdict = judge(binding, update, *rest)  # type: ignore[arg-type]
            if ours is not None:
                self.cells[cell(ours, update.status)] += 1
            return verdict

        with mock.patch.object(Endpoint, "_row", counted_row), mock.patch.object(conflict, "judge", counted_judge):
            yield

    def missed_rows(self) -> list[str]:
        """Return the labels of rows that did not fire."""
        return [row.label for row in TABLE if row.label not in self.rows]

    def missed_cells(self) -> list[str]:
        """Return the cells of the conflict table that were never looked up."""
        return [name for name in map(cell, *zip(*conflict.RULES, strict=True)) if name not in self.cells]

    def text(self) -> str:
        """Return what was reached, and what was not for no known reason."""
        rows, cells = len(list(TABLE)), len(conflict.RULES)
        missed = [label for label in self.missed_rows() if label not in UNREACHED]
        lines = [
            f"decision rows reached: {rows - len(self.missed_rows())} of {rows}"
            f" ({len(UNREACHED)} cannot be, see sim/coverage.py); conflict cells: {cells - len(self.missed_cells())} of"
            f" {cells}"
        ]  # fmt: skip
        if missed:
            lines.append("rows not reached this time: " + ", ".join(missed))
        if self.missed_cells():
            lines.append("cells not reached this time: " + ", ".join(self.missed_cells()))
        return "\n".join(lines)


def cell(ours: int, theirs: int) -> str:
    """Return the name of a cell of figure 7.1.3-1: the status here, and the one received."""
    return f"{Status(ours).name}<-{Status(theirs).name}"


UNREACHED: dict[str, str] = {}
"""Rows that no story reaches, and why."""
