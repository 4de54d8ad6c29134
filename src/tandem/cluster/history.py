"""What was: samples of each scope's utilization, and alarms with the times at which they were raised and cleared.

One SQLite file of the management plane, ``ccm/history.db``, bounded by age and by number of rows. Losing it loses
graphs and nothing else, so a commit does not wait for the disk. Does not know where the numbers come from
(``cluster.watch``). Used from one thread.

Source: SYSTEM S9.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COUNTS = ("addresses", "leased", "main-share", "backup-share", "pending-available", "unavailable")
"""What a sample holds of the server's view of a scope, besides its rate of new clients."""
_COLUMNS = ("addresses", "leased", "main", "backup", "pending", "unavailable")
ROWS_MAX = 3_000_000
"""Samples kept at most, whatever their age: some 200 MB."""
POINTS_MAX = 600
"""Points of a graph: older samples are averaged."""
_ALARMS_MAX = 2000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sample (scope TEXT NOT NULL, at INTEGER NOT NULL, addresses INTEGER, leased INTEGER,
    main INTEGER, backup INTEGER, pending INTEGER, unavailable INTEGER, per_hour REAL, PRIMARY KEY (scope, at));
CREATE INDEX IF NOT EXISTS sample_by_time ON sample (at);
CREATE TABLE IF NOT EXISTS alarm (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL,
    level TEXT NOT NULL, text TEXT NOT NULL, cure TEXT NOT NULL,
    raised INTEGER NOT NULL, cleared INTEGER NOT NULL DEFAULT 0);
"""


@dataclass(slots=True)
class Alarm:
    """Something that is, or was, wrong. ``cleared`` is 0 as long as it is."""

    kind: str
    subject: str
    level: str
    text: str
    cure: str
    raised: int
    cleared: int = 0

    def view(self) -> dict[str, object]:
        """Return it as commands show it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True, frozen=True)
class Sample:
    """A scope at a moment (or on average since the sample before)."""

    at: int
    addresses: int
    leased: int
    main: int
    backup: int
    pending: int
    unavailable: int
    per_hour: float


class History:
    """The file. Every method may raise sqlite3.Error."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def add_samples(self, at: int, scopes: Iterable[Mapping[str, Any]], keep_s: int) -> None:
        """Keep one sample of each scope; forget those older than ``keep_s`` seconds, and the oldest of too many."""
        rows = [(s["name"], at, *(s[count] for count in COUNTS), s["arrivals-per-hour"]) for s in scopes]
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR REPLACE INTO sample VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._db.execute("DELETE FROM sample WHERE at < ?", (at - keep_s,))
        held = self._db.execute("SELECT count(*) FROM sample").fetchone()[0]
        if held > ROWS_MAX:
            oldest = "SELECT at FROM sample ORDER BY at LIMIT 1 OFFSET ?"
            self._db.execute(f"DELETE FROM sample WHERE at <= ({oldest})", (held - ROWS_MAX,))
        self._db.execute("COMMIT")

    def samples(self, scope: str, since: int, until: int) -> list[Sample]:
        """Return a scope's samples, oldest first: at most some ``POINTS_MAX``, averaged where there are more."""
        step = max((until - since) // POINTS_MAX, 1)
        means = ", ".join(f"CAST(round(avg({c})) AS INTEGER)" for c in _COLUMNS)
        rows = self._db.execute(
            f"SELECT max(at), {means}, avg(per_hour) FROM sample WHERE scope = ? AND at BETWEEN ? AND ?"
            " GROUP BY at / ? ORDER BY 1", (scope, since, until, step),
        )  # fmt: skip
        return [Sample(*row) for row in rows]

    def note_alarms(self, now: int, found: Sequence[Mapping[str, Any]]) -> tuple[list[Alarm], list[Alarm]]:
        """Compare what is wrong now with what was; return the alarms that were raised and those that were cleared."""
        open_rows = self._db.execute("SELECT kind, subject, level, text, cure, raised FROM alarm WHERE cleared = 0")
        was = {(row[0], row[1]): Alarm(*row) for row in open_rows}
        raised: list[Alarm] = []
        seen = set()
        for alarm in found:
            key = (alarm["kind"], alarm["subject"])
            if key in seen:
                continue
            seen.add(key)
            shown = (alarm["level"], alarm["text"], alarm["cure"])
            known = was.get(key)
            if known is None:
                since = min(int(alarm["since"]) or now, now)
                raised.append(Alarm(*key, *shown, since))
                self._db.execute("INSERT INTO alarm VALUES (NULL, ?, ?, ?, ?, ?, ?, 0)", (*key, *shown, since))
            elif shown != (known.level, known.text, known.cure):
                self._db.execute(
                    "UPDATE alarm SET level = ?, text = ?, cure = ? WHERE kind = ? AND subject = ? AND cleared = 0",
                    (*shown, *key),
                )
        gone = [known for key, known in was.items() if key not in seen]
        for over in gone:
            self._db.execute(
                "UPDATE alarm SET cleared = ? WHERE kind = ? AND subject = ? AND cleared = 0",
                (now, over.kind, over.subject),
            )
        if raised:
            self._db.execute(
                "DELETE FROM alarm WHERE cleared != 0 AND id <= (SELECT max(id) FROM alarm) - ?", (_ALARMS_MAX,)
            )
        return raised, gone

    def alarms(self, cleared_since: int, limit: int = 100) -> list[Alarm]:
        """Return the alarms that are on, then those cleared since, newest first."""
        rows = self._db.execute(
            "SELECT kind, subject, level, text, cure, raised, cleared FROM alarm WHERE cleared = 0 OR cleared >= ?"
            " ORDER BY cleared != 0, level != 'Error', raised DESC LIMIT ?",
            (cleared_since, limit),
        )
        return [Alarm(*row) for row in rows]
