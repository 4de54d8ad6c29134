"""The history of each address: a line whenever its state or its client changed, off the path of clients.

Rows are the saves that the lease database gets, handed over as they are; a thread of its own sorts out what is new
and appends it to ``dhcp/history.db``, at most once a second. Renewals are no lines of their own: a line of a lease
counts them, and has the time and the end of the last. Bounded: lines are kept for a time and
up to a number; when the thread falls behind, lines are left out and counted. Losing this file loses no lease, so its
commits wait for no disk.

Source: DESIGN, "Lease database": history is appended, with retention.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue

from tandem.base.io import SaveBinding
from tandem.lease.binding import ACTIVE, COLUMNS
from tandem.runtime.store import Save

FILE = "history.db"
ROWS_MAX = 5_000_000
"""Lines kept at most, some 100 bytes each."""
SHOWN_MAX = 1000
_GATHER_S = 1.0
_TRIM_S = 3600.0
_WAITING_MAX = 5000
"""Lists of saves that may wait for the thread."""
_KNOWN_MAX = 200_000
_KEPT = ("address", "start_of_state", "status", "hardware", "client_id", "expires", "granted_by", "last_transaction")
_SHOWN = (*_KEPT, "renewals")
_AT = tuple(COLUMNS.index(name) for name in _KEPT)
_ADDRESS, _START, _STATUS, _LAST = (
    COLUMNS.index(name) for name in ("address", "start_of_state", "status", "last_transaction")
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS history (address INTEGER NOT NULL, start_of_state INTEGER NOT NULL, status INTEGER NOT NULL,
    hardware BLOB NOT NULL, client_id BLOB NOT NULL, expires INTEGER NOT NULL, granted_by INTEGER NOT NULL,
    last_transaction INTEGER NOT NULL, renewals INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (address, start_of_state, status)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS history_by_time ON history (start_of_state);
"""
_UPGRADE = "ALTER TABLE history ADD COLUMN renewals INTEGER NOT NULL DEFAULT 0"
_APPEND = f"""INSERT INTO history ({", ".join(_SHOWN)}) VALUES ({", ".join("?" * len(_SHOWN))})
    ON CONFLICT (address, start_of_state, status) DO UPDATE SET renewals = renewals + excluded.renewals + 1,
    expires = excluded.expires, last_transaction = excluded.last_transaction, granted_by = excluded.granted_by
    WHERE excluded.last_transaction > last_transaction AND status = {ACTIVE}"""
"""A line, or what a line of the same lease says anew; ``renewals``: how many lie between it and the one before."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the history, making it if need be. Raises sqlite3.Error."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.executescript(_SCHEMA)
    if "renewals" not in [column[1] for column in connection.execute("PRAGMA table_info(history)")]:
        connection.execute(_UPGRADE)
    return connection


class History:
    """Appends to the history of one server."""

    def __init__(self, path: Path, trouble: Callable[[str], object]) -> None:
        """``trouble`` is called from the thread, once, with why the history cannot be written."""
        self.path = path
        self.keep_s = 0
        """How long lines are kept; 0 = none are written."""
        self.left_out = 0
        """Saves that were not looked at because the thread was behind."""
        self._trouble = trouble
        self._queue: SimpleQueue[list[Save] | None] = SimpleQueue()
        self._known: dict[object, tuple[object, object, object]] = {}
        self._failing = False
        self._trim_at = 0.0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-history", daemon=True)
        self._thread.start()

    def take(self, saves: list[Save]) -> None:
        """Look at saves, which nobody changes any more, later."""
        if not self.keep_s:
            return
        if self._queue.qsize() > _WAITING_MAX:
            self.left_out += len(saves)
        else:
            self._queue.put(saves)

    def close(self) -> None:
        """Write what waits and end."""
        self._ending.set()
        self._queue.put(None)
        self._thread.join(5)

    def of(self, address: int) -> list[dict[str, object]]:
        """Return the lines of an address, the newest first. May be called in any thread. Raises sqlite3.Error."""
        connection = connect(self.path)
        try:
            rows = connection.execute(
                f"SELECT {', '.join(_SHOWN)} FROM history WHERE address = ? ORDER BY start_of_state DESC, status DESC"
                " LIMIT ?", (address, SHOWN_MAX),
            ).fetchall()  # fmt: skip
        finally:
            connection.close()
        return [dict(zip(_SHOWN, row, strict=True)) for row in rows]

    # --- in the thread ----------------------------------------------------------------------------------

    def _run(self) -> None:
        going = True
        while going:
            item = self._queue.get()
            if item is None:
                return
            self._ending.wait(_GATHER_S)  # for company: nobody waits for this
            rows: list[list[object]] = []
            try:
                while item is not None:
                    rows += self._new(item)
                    item = self._queue.get_nowait()
                going = False
            except Empty:
                pass
            if rows:
                self._append(rows)

    def _new(self, saves: list[Save]) -> list[list[object]]:
        """Return the lines of those saves that tell another state, client or, of a lease, transaction than last time.

        Of the renewals of one lease that come together only the last is a line; it counts the others.
        """
        known, found = self._known, []
        renewed: dict[object, list[object]] = {}
        for save in saves:
            if type(save) is SaveBinding:
                row = save.row
                address = row[_ADDRESS]
                state = row[_START], row[_STATUS], row[_LAST] if row[_STATUS] == ACTIVE else 0
                was = known.get(address)
                if was == state:
                    continue
                known[address] = state
                line = [*(row[i] for i in _AT), 0]
                before = renewed.get(address)
                if before is not None and was is not None and was[:2] == state[:2]:
                    line[-1] = int(str(before[-1])) + 1
                    before[:] = line
                else:
                    renewed[address] = line
                    found.append(line)
        if len(known) > _KNOWN_MAX:
            known.clear()
        return found

    def _append(self, rows: list[list[object]]) -> None:
        try:
            connection = connect(self.path)
            try:
                connection.execute("BEGIN")
                connection.executemany(_APPEND, rows)
                if time.monotonic() >= self._trim_at:
                    self._trim_at = time.monotonic() + _TRIM_S
                    self._trim(connection)
                connection.execute("COMMIT")
            finally:
                connection.close()
            self._failing = False
        except sqlite3.Error as error:
            if not self._failing:
                self._trouble(f"The lease history {self.path} cannot be written: {error}; free space there")
            self._failing = True

    def _trim(self, connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM history WHERE start_of_state < ?", (int(time.time()) - self.keep_s,))
        held = connection.execute("SELECT count(*) FROM history").fetchone()[0]
        if held > ROWS_MAX:
            oldest = "SELECT start_of_state FROM history ORDER BY start_of_state LIMIT 1 OFFSET ?"
            connection.execute(f"DELETE FROM history WHERE start_of_state <= ({oldest})", (held - ROWS_MAX,))


class Recorder:
    """Saves that go to the lease database and are seen by its history (``effects.Saver``)."""

    def __init__(self, submit: Callable[[list[Save]], int], history: History) -> None:
        self._submit = submit
        self._history = history

    def submit(self, saves: list[Save]) -> int:
        """Queue saves; return their number."""
        number = self._submit(saves)
        self._history.take(saves)
        return number
