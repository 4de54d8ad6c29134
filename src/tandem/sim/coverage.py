"""Which rows of the decision tables fired, and which changes of a binding's status happened; why some never can.

Watches the servers' tables from outside while stories are told. Why a row cannot be reached the table says itself
(``Row.unreached``), what is rare stands here; a test keeps that true.
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
from tandem.lease.binding import (
    ABANDONED,
    ACTIVE,
    BACKUP,
    EXPIRED,
    FREE,
    RELEASED,
    RESET,
    Binding,
    Status,
)
from tandem.lease.book import Book
from tandem.wire.failover import Update

TRANSITIONS: dict[tuple[int, int], str] = {
    (FREE, ACTIVE): "The main leases it, or has done so (figure).",
    (BACKUP, ACTIVE): "The backup leases it, or has done so (figure).",
    (ACTIVE, EXPIRED): "The lease and its grace period are over (figure).",
    (ACTIVE, RELEASED): "DHCPRELEASE (figure).",
    (EXPIRED, FREE): "The partner has agreed, or the MCLT is over in PARTNER-DOWN (figure, note 1).",
    (RELEASED, FREE): "The partner has agreed, or the MCLT is over in PARTNER-DOWN (figure, note 1).",
    (RESET, FREE): "The partner has agreed, or the MCLT is over in PARTNER-DOWN (figure, note 1).",
    (FREE, BACKUP): "It becomes the backup's share (figure).",
    (BACKUP, FREE): "It goes back to the main's share (section 5.4).",
    (ABANDONED, RESET): "The operator, or the end of the quarantine, makes it available (figure, note 3).",
    **{(status, ABANDONED): "DHCPDECLINE here or at the partner (figure: from any state)."
       for status in (FREE, BACKUP, ACTIVE, EXPIRED, RELEASED, RESET)},
    **{(status, ACTIVE): "The client comes back before its old lease is agreed to be over, or the partner has given it."
       for status in (EXPIRED, RELEASED, RESET)},
    (ABANDONED, ACTIVE): "The partner has made it available since, and given it (conflict.AFTER_ABANDONED).",
    **{(status, FREE): "The partner tells that it is over; FREE at once on the receiver (section 5.11)."
       for status in (ACTIVE, ABANDONED)},
}  # fmt: skip
"""Each change of a binding's status that may happen, and when. Source: draft figure 5.11-1, sections 5.11 and 7.1.3."""
_UNHEARD = (
    "Only where the backup's agreement to have the address is lost with its connection, and its lease of it is over"
    " before the main can repeat the gift on the next."
)
RARE: dict[str, str] = {
    "PARTNER-DOWN/partner-is-normal":
        "Only in the second in which its NORMAL is on its way to a server that is told that this partner is down.",
    "RECOVER/partner-is-conflict":
        "Only where a server lost its database and is back before its partner, which resolves conflicts, has noticed.",
    "RESOLUTION-INTERRUPTED/link-down":
        "Who hears its partner leaves this state, unless that is just starting; what was not heard on is not lost.",
    **{f"{status}<-BACKUP": _UNHEARD for status in ("ACTIVE", "EXPIRED", "RELEASED", "RESET", "ABANDONED", "BACKUP")},
    **{f"{status}->BACKUP": _UNHEARD for status in ("ACTIVE", "EXPIRED", "RELEASED", "RESET")},
}  # fmt: skip
"""What a story may come to, and hardly ever does, and why. Neither asked for nor forbidden."""


class Coverage:
    """Counts of the rows of the state table, and of the cells of figure 7.1.3-1 by outcome."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.cells: Counter[str] = Counter()
        self.changes: Counter[tuple[int, int]] = Counter()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count while the context lasts."""
        row, judge, set_status = Endpoint._row, conflict.judge, Book.set_status

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

        def counted_change(book: Book, binding: Binding, status: int, now: int) -> None:
            if status != binding.status:
                self.changes[binding.status, status] += 1
            set_status(book, binding, status, now)

        with (
            mock.patch.object(Endpoint, "_row", counted_row), mock.patch.object(conflict, "judge", counted_judge),
            mock.patch.object(Book, "set_status", counted_change),
        ):  # fmt: skip
            yield

    def missed(self) -> list[str]:
        """Return what did not happen, though nothing says why it could not: rows, cells, changes."""
        rows = [row.label for row in TABLE if row.label not in self.rows and not row.unreached]
        cells = [cell(*key) for key in conflict.RULES]
        changes = [change(*key) for key in TRANSITIONS if key not in self.changes]
        missed = rows + [name for name in cells if name not in self.cells] + changes
        return [name for name in missed if name not in RARE]

    def contradicted(self) -> list[str]:
        """Return what happened, though it is said why it could not, or no figure has it."""
        rows = [row.label for row in TABLE if row.unreached and row.label in self.rows]
        changes = [change(*key) for key in self.changes if key not in TRANSITIONS]
        return rows + [name for name in changes if name not in RARE]

    def text(self) -> str:
        """Return what was reached, and what was not."""
        rows, explained = len(TABLE.rows), sum(bool(row.unreached) for row in TABLE)
        lines = [
            f"decision rows reached: {len(self.rows)} of {rows} ({explained} cannot be: see failover/states.py);"
            f" conflict cells: {len(self.cells)} of {len(conflict.RULES)};"
            f" changes of a binding's status: {len(self.changes)} of {len(TRANSITIONS)}"
        ]
        if self.missed():
            lines.append("not reached this time: " + ", ".join(self.missed()))
        if self.contradicted():
            lines.append("reached, though said to be out of reach, or unknown: " + ", ".join(self.contradicted()))
        return "\n".join(lines)


def cell(ours: int, theirs: int) -> str:
    """Return the name of a cell of figure 7.1.3-1: the status here, and the one received."""
    return f"{Status(ours).name}<-{Status(theirs).name}"


def change(before: int, after: int) -> str:
    """Return the name of a change of a binding's status."""
    return f"{Status(before).name}->{Status(after).name}"
