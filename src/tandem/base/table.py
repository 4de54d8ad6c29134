"""Decision tables: rows with a label, a guard, a target, steps, a source section and one sentence of why.

A table is total: every (state, cause) has rows whose guards leave nothing open. From the same rows come the
documentation's diagram, the operator's "why am I in this state?" and the exhaustive test.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Row:
    """One decision: in ``state``, when ``cause`` happens (and ``guard`` holds), do this."""

    label: str
    """Unique name of the row, e.g. ``NORMAL/link-down``; in logs and coverage reports."""
    state: int
    cause: int
    guard: str
    """Empty (always), or the name of a condition that the engine evaluates."""
    target: int | None
    """The state to enter, or None to stay."""
    steps: tuple[str, ...]
    """Names of what else to do, in order."""
    refuse: bool
    """Whether an operator who asked for this is told no (with ``why``)."""
    section: str
    why: str
    unreached: str = ""
    """Why no story of the simulator comes here, one sentence; empty where stories do."""


class Table:
    """Rows by (state, cause), in the order in which their guards are tried."""

    def __init__(
        self, rows: Iterable[Row], states: Iterable[int], causes: Iterable[int], complements: Iterable[frozenset[str]]
    ) -> None:
        """Index the rows and prove the table total. ``complements``: sets of guards of which one always holds."""
        self.rows = tuple(rows)
        self._by_key: dict[tuple[int, int], list[Row]] = {}
        labels: dict[str, Row] = {}
        for row in self.rows:
            assert row.label not in labels, f"two rows are labelled {row.label}"
            labels[row.label] = row
            self._by_key.setdefault((row.state, row.cause), []).append(row)
        closing = list(complements)
        all_causes = list(causes)
        for state in states:
            for cause in all_causes:
                guards = frozenset(row.guard for row in self._by_key.get((state, cause), ()))
                total = "" in guards or any(closed <= guards for closed in closing)
                assert total, f"no decision for state {state}, cause {cause}"

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def candidates(self, state: int, cause: int) -> list[Row]:
        """Return the rows for a state and cause, in guard order."""
        return self._by_key[(state, cause)]
