"""The thread that writes the lease database: takes all that is queued, commits it at once, reports back.

So many requests share one sync (group commit), and the main thread goes on deciding meanwhile. A failing disk
holds everything up: the batch is kept and tried again until it is written. Acknowledgements from the partner wait
up to half a second for company, because losing one costs only a repeated update. Does not know what the saves are for.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue

from tandem.runtime.store import Batch, Save, commit, connect

LAZY_S = 0.5
_LAZY_ROWS = 1024
GATHER_S = 0.0007
"""How long a commit waits for company when the one before has just ended."""
_BUSY_S = 0.002
_RETRY_S_MIN = 0.2
_RETRY_S_MAX = 5.0
_PASSING = frozenset({
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL,
})  # fmt: skip
"""Errors that may go away: no space, no medium, no right to write."""


class Writer:
    """Group commit in a thread of its own."""

    def __init__(
        self,
        path: Path,
        call: Callable[..., object],
        committed: Callable[[int], None],
        trouble: Callable[[str | None], None],
        broken: Callable[[str], None],
    ) -> None:
        """Write to the database at ``path``. ``call(f, ...)`` has the main thread run f(...).

        In the main thread: ``committed(n)`` when all up to submission n is on stable storage; ``trouble(why)``
        when writing has begun to fail, ``trouble(None)`` when it works again; ``broken(why)`` when it never will.
        """
        self._path = path
        self._call = call
        self._committed = committed
        self._trouble = trouble
        self._broken = broken
        self._queue: SimpleQueue[tuple[int, list[Save]] | None] = SimpleQueue()
        self._submitted = 0
        self._connection: sqlite3.Connection | None = None
        self._giving_up = threading.Event()
        self._busy_until = 0.0
        self._thread = threading.Thread(target=self._run, name="lease-writer", daemon=True)
        self.commits = 0
        self.saves = 0
        self.commit_s = 0.0
        """Time spent in commits."""
        self.commit_s_max = 0.0

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def submit(self, saves: list[Save]) -> int:
        """Queue saves (the list is the writer's now) and return the number under which they will be reported."""
        self._submitted += 1
        self._queue.put((self._submitted, saves))
        return self._submitted

    def close(self, timeout_s: float = 10) -> bool:
        """Write what is queued and end; return False when that failed for ``timeout_s``."""
        self._queue.put(None)
        self._thread.join(timeout_s)
        self._giving_up.set()
        done = not self._thread.is_alive()
        self._thread.join(1)
        return done

    # --- in the thread ----------------------------------------------------------------------------------

    def _run(self) -> None:
        why = "the thread that writes the lease database ended; this is a defect, see the standard error output"
        try:
            why = self._write_all()
        finally:
            self._disconnect()
            if why:
                self._call(self._broken, why)

    def _write_all(self) -> str:
        """Write until told to end; return why it cannot go on, or the empty text."""
        batch = Batch()
        going = True
        lazy_until: float | None = None
        while going:
            number, going = self._take(batch, lazy_until)
            now = time.monotonic()
            if batch.acks and lazy_until is None:
                lazy_until = now + LAZY_S
            due = lazy_until is not None and (not going or now >= lazy_until or len(batch.acks) >= _LAZY_ROWS)
            later: dict[object, tuple[int, int, int]] = {}
            if due:
                lazy_until = None
            else:
                batch.acks, later = later, batch.acks
            if due or batch.urgent:
                why = self._commit(batch)
                if why:
                    return why
                batch = Batch()
            batch.acks = later
            if number:
                self._call(self._committed, number)
        return ""

    def _take(self, batch: Batch, until: float | None) -> tuple[int, bool]:
        """Move all that is queued into ``batch``, waiting for the first (``until`` a monotonic time, or for ever).

        Return the last number, and False at the end.
        """
        number = 0
        wait_s = None if until is None else max(until - time.monotonic(), 0.001)
        try:
            item = self._queue.get(timeout=wait_s)
            if item is not None and time.monotonic() < self._busy_until:
                time.sleep(GATHER_S)  # under load: a sync costs the same for more
            while item is not None:
                number = item[0]
                self.saves += len(item[1])
                batch.add(item[1])
                item = self._queue.get_nowait()
        except Empty:
            return number, True
        return number, False

    def _commit(self, batch: Batch) -> str:
        """Commit, again and again while that may help; return why it cannot be done, or the empty text."""
        pause_s = 0.0
        while True:
            began = time.monotonic()
            try:
                if self._connection is None:
                    self._connection = connect(self._path)
                commit(self._connection, batch)
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _PASSING:
                    return f"{type(error).__name__}: {error}"
                self._disconnect()  # a connection opened without the right to write would never get it
                if not pause_s:
                    self._call(self._trouble, str(error))
                pause_s = min(pause_s * 2, _RETRY_S_MAX) or _RETRY_S_MIN
                if self._giving_up.wait(pause_s):
                    return f"the last changes could not be written: {error}"
                continue
            ended = time.monotonic()
            took = ended - began
            self._busy_until = ended + _BUSY_S
            self.commits += 1
            self.commit_s += took
            self.commit_s_max = max(self.commit_s_max, took)
            if pause_s:
                self._call(self._trouble, None)
            return ""

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
