"""Which rows of the decision tables fired, and why some never can.

Watches the servers' tables from outside while stories are told. Why a row cannot be reached the tables say themselves
(``Row.unreached``, ``conflict.UNREACHED``); a test keeps that true.
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

    def missed(self) -> list[str]:
        """Return the rows of both tables that did not fire, though nothing says why they could not."""
        rows = [row.label for row in TABLE if row.label not in self.rows and not row.unreached]
        cells = [cell(*key) for key in conflict.RULES if key not in conflict.UNREACHED]
        return rows + [name for name in cells if name not in self.cells]

    def contradicted(self) -> list[str]:
        """Return the rows of both tables that fired, though it is said why they could not."""
        cells = [cell(*key) for key in conflict.UNREACHED]
        return [row.label for row in TABLE if row.unreached and row.label in self.rows] + [
            name for name in cells if name in self.cells
        ]

    def text(self) -> str:
        """Return what was reached, and what was not."""
        rows, explained = len(TABLE.rows), sum(bool(row.unreached) for row in TABLE)
        lines = [
            f"decision rows reached: {len(self.rows)} of {rows} ({explained} cannot be: see failover/states.py);"
            f" conflict cells: {len(self.cells)} of {len(conflict.RULES)} ({len(conflict.UNREACHED)} cannot be)"
        ]
        if self.missed():
            lines.append("not reached this time: " + ", ".join(self.missed()))
        if self.contradicted():
            lines.append("reached, though said to be out of reach: " + ", ".join(self.contradicted()))
        return "\n".join(lines)


def cell(ours: int, theirs: int) -> str:
    """Return the name of a cell of figure 7.1.3-1: the status here, and the one received."""
    return f"{Status(ours).name}<-{Status(theirs).name}"
