"""The lease database: its schema, how it is opened and read, and how a batch of saves becomes one transaction.

The whole book lives in memory; this is its durable shadow (SQLite, write-ahead log, one sync per transaction) and
may be read by any SQLite tool while the server runs. Does not know what bindings mean, nor threads (``writer``).

Rows are written by statements that take up to 256 rows each: sqlite3 gives up the interpreter lock for each step,
and getting it back beside a busy thread costs far more than the step. Sizes are powers of two; a shorter batch
repeats its last row, which changes nothing. Pages are small because renewals come in random order: each changed
page goes to the log as a whole.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from tandem.base.io import SaveAcked, SaveBinding, SaveShare, SaveState
from tandem.lease.binding import COLUMNS
from tandem.runtime.failure import DATABASE_DAMAGED, RUNTIME, CannotRun

Save = SaveBinding | SaveShare | SaveAcked | SaveState
Row = tuple[object, ...]

FILE = "leases.db"
VERSION = 2
_BLOBS = ("hardware", "client_id", "options", "reply_options", "ddns")
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_PAGE_BYTES = 1024
_LARGE = ("shares_at_loss", "lost")
"""Parts of an endpoint's state that grow with the number of scopes or of doubles; the others are written often."""
_CHECKPOINT_PAGES = 4096
"""Pages in the write-ahead log after which SQLite copies them back: 4 MiB."""


def _column(name: str) -> str:
    if name == "address":
        return "address INTEGER PRIMARY KEY"
    return f"{name} {'BLOB' if name in _BLOBS else 'INTEGER'} NOT NULL"


_SCHEMA = (
    f"CREATE TABLE lease ({', '.join(_column(name) for name in COLUMNS)}) STRICT",
    "CREATE TABLE share (lo INTEGER PRIMARY KEY, hi INTEGER NOT NULL, acked INTEGER NOT NULL) STRICT",
    "CREATE TABLE failover_state (name TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT",
    f"PRAGMA user_version = {VERSION}",
)


def _many(head: str, row: str, tail: str = "") -> dict[int, str]:
    return {size: head + ",".join([row] * size) + tail for size in _SIZES}


_UPGRADES = {
    1: (
        "ALTER TABLE lease ADD COLUMN reply_options BLOB NOT NULL DEFAULT x''",
        "ALTER TABLE lease ADD COLUMN ddns BLOB NOT NULL DEFAULT x''",
    ),
}
"""What makes of a format the next one; new columns come last, as in ``COLUMNS``."""


_INSERT = _many("INSERT OR REPLACE INTO lease VALUES ", f"({','.join('?' * len(COLUMNS))})")
_ACKED = _many(
    "UPDATE lease SET acked_potential = v.column2, up_to_date = v.column3 FROM (VALUES ", "(?,?,?)",
    ") AS v WHERE lease.address = v.column1",
)  # fmt: skip


class Batch:
    """Saves that go into one transaction; of two saves of one thing the later is kept."""

    def __init__(self) -> None:
        self.rows: dict[object, Row] = {}
        self.acks: dict[object, tuple[int, int, int]] = {}
        """Acknowledgements later than the row in ``rows``, by address."""
        self.shares: list[SaveShare] = []
        self.states: dict[str, dict[str, object]] = {}

    def add(self, saves: Iterable[Save]) -> None:
        """Take saves, in order."""
        rows, acks = self.rows, self.acks
        for save in saves:
            if isinstance(save, SaveBinding):
                address = save.row[0]
                rows[address] = save.row
                if acks:
                    acks.pop(address, None)
            elif isinstance(save, SaveAcked):
                for ack in save.rows:
                    acks[ack[0]] = ack
            elif isinstance(save, SaveShare):
                self.shares.append(save)
            else:
                self.states[save.name] = save.values

    @property
    def urgent(self) -> bool:
        """Whether it holds more than acknowledgements, which may wait."""
        return bool(self.rows or self.shares or self.states)


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection for writing to the database, which may be new and empty. Raises sqlite3.Error."""
    connection = sqlite3.connect(
        path, timeout=5.0, isolation_level=None, check_same_thread=False, cached_statements=64
    )  # fmt: skip
    try:
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {4 * _CHECKPOINT_PAGES * _PAGE_BYTES}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def commit(connection: sqlite3.Connection, batch: Batch) -> None:
    """Write a batch durably, as a whole or not at all. Raises sqlite3.Error."""
    alone = not (batch.acks or batch.shares or batch.states) and len(batch.rows) <= _SIZES[-1]
    if alone:
        _write(connection, _INSERT, list(batch.rows.values()))  # one statement is a transaction, in a single step
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        _write(connection, _INSERT, list(batch.rows.values()))
        _write(connection, _ACKED, list(batch.acks.values()))
        for share in batch.shares:
            _write_share(connection, share)
        for name, values in batch.states.items():
            _write_state(connection, name, values)
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _write(connection: sqlite3.Connection, statements: dict[int, str], rows: Sequence[Row]) -> None:
    largest = _SIZES[-1]
    for start in range(0, len(rows), largest):
        part = rows[start : start + largest]
        size = next(size for size in _SIZES if size >= len(part))
        values: list[object] = []
        for row in part:
            values += row
        for _ in range(size - len(part)):
            values += part[-1]
        connection.execute(statements[size], values)


def _write_share(connection: sqlite3.Connection, share: SaveShare) -> None:
    """Give lo..hi to the backup, joined with what touches it, or take it out of the backup's ranges."""
    lo, hi, acked = share.lo, share.hi, int(share.acked)
    near = connection.execute("SELECT lo, hi, acked FROM share WHERE lo <= ? AND hi >= ?", (hi + 1, lo - 1)).fetchall()
    keep: list[tuple[int, int, int]] = []
    for a, b, was_acked in near:
        if share.backup and was_acked == acked:
            lo, hi = min(lo, a), max(hi, b)
            continue
        if a < share.lo:
            keep.append((a, min(b, share.lo - 1), was_acked))
        if b > share.hi:
            keep.append((max(a, share.hi + 1), b, was_acked))
    connection.executemany("DELETE FROM share WHERE lo = ?", [(a,) for a, _, _ in near])
    if share.backup:
        keep.append((lo, hi, acked))
    connection.executemany("INSERT INTO share VALUES (?, ?, ?)", keep)


def _write_state(connection: sqlite3.Connection, name: str, values: dict[str, object]) -> None:
    """Write an endpoint's state, and in a row of its own what is large and seldom changes, if it has changed."""
    rows = [(name, json.dumps({key: value for key, value in values.items() if key not in _LARGE}))]
    rows += [(f"{name}\n{key}", json.dumps(values[key])) for key in _LARGE if key in values]
    connection.executemany(
        "INSERT INTO failover_state VALUES (?, ?) ON CONFLICT DO UPDATE SET json = excluded.json "
        "WHERE json <> excluded.json", rows,
    )  # fmt: skip


def _upgrade(connection: sqlite3.Connection, version: int) -> int:
    """Bring a database of an older format up to date, as a whole or not at all; return its format then."""
    connection.execute("BEGIN IMMEDIATE")
    while version in _UPGRADES:
        for statement in _UPGRADES[version]:
            connection.execute(statement)
        version += 1
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("COMMIT")
    return version


class Store:
    """The lease database in a directory, as read at start. The caller holds the directory (``hold``)."""

    def __init__(self, directory: Path) -> None:
        """Make the database, or check the one there is. Raises CannotRun."""
        self.path = directory / FILE
        self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            connection = connect(self.path)
        except sqlite3.Error as error:
            raise self.refusal(error) from None
        try:
            self._check(connection)
        except sqlite3.Error as error:
            connection.close()
            raise self.refusal(error) from None
        except CannotRun:
            connection.close()
            raise
        return connection

    def _check(self, connection: sqlite3.Connection) -> None:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise self._damaged(" ".join(found.split()))
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if version in _UPGRADES:
            version = _upgrade(connection, version)
        if version == VERSION:
            columns = tuple(row[1] for row in connection.execute("PRAGMA table_info(lease)"))
            if columns != COLUMNS:
                raise self._damaged(f"table lease has the columns {', '.join(columns) or 'of no table'}")
        elif version or tables:
            raise CannotRun(
                DATABASE_DAMAGED,
                f"{self.path} has format {version}, this program knows format {VERSION}; run the version of Tandem "
                "that wrote it, or move the file aside to start without leases",
            )
        else:
            connection.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("COMMIT")

    def refusal(self, error: sqlite3.Error) -> CannotRun:
        """Return what an error of SQLite means for the operator."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return self._damaged(str(error))
        return CannotRun(
            RUNTIME, f"the lease database {self.path} cannot be opened: {error}; see that its directory can be written "
            "and has free space"
        )  # fmt: skip

    def _damaged(self, why: str) -> CannotRun:
        return CannotRun(
            DATABASE_DAMAGED,
            f"the lease database {self.path} is damaged ({why}); stop the cluster and put a backup of it in its place, "
            "with failover-recover set to the time of that backup; or, with a failover partner that has been in "
            f"contact, move {FILE}, {FILE}-wal and {FILE}-shm aside: the server then gets all leases from the partner",
        )

    def rows(self) -> Iterator[Row]:
        """Yield every binding row, by address. Raises sqlite3.Error."""
        return self._connection.execute(f"SELECT {', '.join(COLUMNS)} FROM lease")

    def shares(self) -> list[tuple[int, int, int]]:
        """Return the backup's ranges of never-used addresses: (lo, hi, acked). Raises sqlite3.Error."""
        return self._connection.execute("SELECT lo, hi, acked FROM share ORDER BY lo").fetchall()

    def states(self) -> dict[str, dict[str, object]]:
        """Return the saved state of each failover endpoint, by relationship name. Raises sqlite3.Error, CannotRun."""
        states: dict[str, dict[str, object]] = {}
        try:
            for row, text in self._connection.execute("SELECT name, json FROM failover_state ORDER BY name"):
                name, _, part = row.partition("\n")
                if part:
                    states[name][part] = json.loads(text)
                else:
                    states[name] = json.loads(text)
        except (ValueError, KeyError) as error:
            raise self._damaged(f"table failover_state: {error}") from None
        return states

    def close(self) -> None:
        """Close the database."""
        self._connection.close()


def hold(directory: Path) -> IO[str]:
    """Make ``directory`` and hold it for this process until the returned file is closed. Raises CannotRun."""
    path = directory / "lock"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = open(path, "a+", encoding="ascii")  # noqa: SIM115  open as long as the lock is held
    except OSError as error:
        raise CannotRun(RUNTIME, f"{path} cannot be written: {error.strerror}; give another --data directory") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read(20).strip() or "unknown"
        lock.close()
        raise CannotRun(
            RUNTIME, f"another DHCP server (process {holder}) is using {directory}; stop it, or give another --data "
            "directory"
        ) from None  # fmt: skip
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock
