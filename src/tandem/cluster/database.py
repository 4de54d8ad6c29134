"""The configuration database of a local cluster: objects, change log, last loaded document, tokens, log-ins.

One SQLite file. An edit is one transaction: the object and the change log rows that describe the edit (its change
set) are saved together, or neither is. Does not know what attributes mean: whoever calls ``edit`` hands in a function
that changes the document and refuses what is wrong by raising CommandError.

Source: SYSTEM S2.2, S2.3, S7.4.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tandem.base.errors import CommandError

T = TypeVar("T")
Document = dict[str, Any]
"""class -> name -> object, or class -> object for a class with one object: ``config``'s document."""

_SCHEMA_VERSION = 4
_SCHEMA = """
CREATE TABLE object (class TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (class, name));
CREATE TABLE change_set (id INTEGER PRIMARY KEY, at REAL NOT NULL, who TEXT NOT NULL, undoes INTEGER,
    why TEXT NOT NULL DEFAULT '');
CREATE TABLE change (
    id INTEGER PRIMARY KEY, change_set INTEGER NOT NULL REFERENCES change_set, class TEXT NOT NULL, name TEXT NOT NULL,
    attribute TEXT NOT NULL, old TEXT, new TEXT);
CREATE INDEX change_by_set ON change (change_set);
CREATE TABLE loaded (one INTEGER PRIMARY KEY CHECK (one = 1), at REAL NOT NULL, who TEXT NOT NULL,
    change INTEGER NOT NULL, document TEXT NOT NULL);
CREATE TABLE token (name TEXT PRIMARY KEY, owner TEXT NOT NULL, role TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,
    created REAL NOT NULL, expires REAL NOT NULL);
CREATE TABLE login (id INTEGER PRIMARY KEY, at REAL NOT NULL, name TEXT NOT NULL, address TEXT NOT NULL,
    how TEXT NOT NULL, result TEXT NOT NULL);
"""
_OLD_SECRETS = """
CREATE TABLE old_secret (class TEXT NOT NULL, name TEXT NOT NULL, attribute TEXT NOT NULL,
    change_set INTEGER NOT NULL, old TEXT, PRIMARY KEY (class, name, attribute));
"""

_UPGRADES = {2: "ALTER TABLE change_set ADD COLUMN why TEXT NOT NULL DEFAULT ''", 3: _OLD_SECRETS}
"""What brings a file of an older format to the next one."""

HIDDEN = '"********"'
"""What the change log has in place of a secret."""
_LOGINS_MAX = 10_000
_FEW = 8
"""So many items are looked for among all others."""
_TOKENS = "SELECT name, owner, role, created, expires FROM token"
_CHANGES = """SELECT change_set.id, at, who, undoes, class, name, attribute, old, new, why
    FROM change JOIN change_set ON change_set.id = change_set"""
_HAS_WORD = """instr(lower(who || ' ' || class || ' ' || name || ' ' || attribute || ' ' || coalesce(old, '') || ' ' ||
    coalesce(new, '') || ' ' || why), lower(?))"""


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the change log. ``old`` and ``new`` are JSON text; None = the attribute was (is) not set."""

    set: int
    """Number of its change set: what one command changed."""
    at: float
    who: str
    undoes: int | None
    """Number of the change set that this one took back."""
    cls: str
    name: str
    attribute: str
    old: str | None
    new: str | None
    why: str
    """What else is to be said about the change set; mostly empty."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token that stands for its owner, with one role, until it expires. The token itself is not kept."""

    name: str
    owner: str
    role: str
    created: float
    expires: float


@dataclass(frozen=True, slots=True)
class LoginRecord:
    """One line of the log of log-ins."""

    id: int
    at: float
    name: str
    address: str
    how: str
    """password, session or token"""
    result: str


def encode(value: object) -> str:
    """Return ``value`` as JSON text."""
    return msgspec.json.encode(value).decode()


class Draft:
    """A copy of the configuration in which the objects that were opened may be changed, and no others."""

    def __init__(self, document: Document) -> None:
        self._base = document
        self._opened: dict[tuple[str, str], Document | None] = {}
        self.document = dict(document)

    def open(self, cls: str, name: str) -> None:
        """Make an object changeable, whether it exists or not; ``name`` is "" where the class has one object."""
        if (cls, name) in self._opened:
            return
        if name and self.document.get(cls) is self._base.get(cls):
            self.document[cls] = dict(self.document.get(cls, {}))
        old = self._opened[cls, name] = _get(self._base, cls, name)
        if old is not None:
            _put(self.document, cls, name, msgspec.json.decode(msgspec.json.encode(old)))

    def differing(self) -> Iterator[tuple[str, str, Document | None, list[tuple[str, str | None, str | None]]]]:
        """Yield class, name, new content and ``differences`` of each opened object that is not as it was."""
        for (cls, name), old in self._opened.items():
            new = _get(self.document, cls, name)
            rows = list(differences(old if name else old or {}, new))
            if rows:
                yield cls, name, new, rows


class Database:
    """The configuration database in one SQLite file, held in memory as well. Used from one thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite would make it readable by everybody
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._db.executescript(f"BEGIN;{_SCHEMA}{_OLD_SECRETS};PRAGMA user_version={_SCHEMA_VERSION};COMMIT")
        while version in _UPGRADES:
            self._db.executescript(f"BEGIN;{_UPGRADES[version]};PRAGMA user_version={version + 1};COMMIT")
            version += 1
        if version not in (0, _SCHEMA_VERSION):
            raise CommandError(
                500,
                f"{path} was written by another version of this program (format {version}, this one knows "
                f"{_SCHEMA_VERSION}); run that version, or move the file away to start with an empty configuration",
            )
        self.document: Document = {}
        """The configuration as edited. Read it; change it through ``edit`` only."""
        for cls, name, body in self._db.execute("SELECT class, name, body FROM object ORDER BY class, name"):
            _put(self.document, cls, name, msgspec.json.decode(body))

    def close(self) -> None:
        """Close the file; what was committed is on disk."""
        self._db.close()

    # --- configuration --------------------------------------------------------------------------------

    def edit(
        self,
        who: str,
        cls: str,
        name: str,
        change: Callable[[Document], T],
        hidden: Collection[str] = (),
        undoes: int | None = None,
    ) -> T:
        """Run ``change`` on a draft of the document, then save object ``name`` of ``cls`` and log what differs.

        ``name`` is "" where the class has one object. ``change`` may touch that object only. When it raises,
        or the disk refuses, nothing has changed. The change log shows no values of the attributes ``hidden``.
        ``undoes`` is the change set that is taken back. Returns what ``change`` returned.
        """

        def opened(draft: Draft) -> T:
            draft.open(cls, name)
            return change(draft.document)

        return self.edit_many(who, opened, lambda _: hidden, undoes)[0]

    def edit_many(
        self,
        who: str,
        change: Callable[[Draft], T],
        hidden: Callable[[str], Collection[str]],
        undoes: int | None = None,
        why: str = "",
    ) -> tuple[T, int | None]:
        """As ``edit``, for any objects: ``change`` opens in the draft what it changes. All is saved, or nothing.

        ``hidden`` tells the secret attributes of a class: of each, what it was before its last change is kept apart
        from the log, so that this change can be taken back. ``why`` is kept with the change set. Returns what
        ``change`` returned, and the number of the change set; None when nothing differs.
        """
        draft = Draft(self.document)
        result = change(draft)
        objects, rows, secrets = [], [], []
        for cls, name, new, differing in draft.differing():
            objects.append((cls, name, new))
            secret = hidden(cls)
            rows += [
                (cls, name, attribute, *(v and (HIDDEN if attribute in secret else v) for v in values))
                for attribute, *values in differing
            ]
            secrets += [(cls, name, attribute, old) for attribute, old, _ in differing if attribute in secret]
        if not rows:
            return result, None
        with self._transaction() as db:
            for cls, name, new in objects:
                if new is None:
                    db.execute("DELETE FROM object WHERE class = ? AND name = ?", (cls, name))
                else:
                    db.execute("INSERT OR REPLACE INTO object VALUES (?, ?, ?)", (cls, name, encode(new)))
            made = db.execute(
                "INSERT INTO change_set (at, who, undoes, why) VALUES (?, ?, ?, ?)", (time.time(), who, undoes, why)
            )
            number = made.lastrowid
            db.executemany(f"INSERT INTO change VALUES (NULL, {number}, ?, ?, ?, ?, ?)", rows)
            db.executemany(f"INSERT OR REPLACE INTO old_secret VALUES (?, ?, ?, {number}, ?)", secrets)
        self.document = draft.document
        return result, number

    def changes(self, limit: int = 100, before: int | None = None, search: str = "") -> list[Change]:
        """Return the newest ``limit`` changes of change sets below number ``before``, newest first.

        ``search`` is words all of which stand in who made it, the object, the attribute, the old or the new value, in
        any case.
        """
        words = search.split()
        where = " AND ".join(["true" if before is None else f"change_set < {before:d}", *(_HAS_WORD for _ in words)])
        rows = self._db.execute(f"{_CHANGES} WHERE {where} ORDER BY change.id DESC LIMIT ?", (*words, limit))
        return [Change(*row) for row in rows]

    def change_set(self, number: int) -> list[Change]:
        """Return the changes of one set, in the order made; none for a number that there is not."""
        rows = self._db.execute(f"{_CHANGES} WHERE change_set = ? ORDER BY change.id", (number,))
        return [Change(*row) for row in rows]

    def old_secret(self, cls: str, name: str, attribute: str) -> tuple[int, str | None] | None:
        """Return the change set that changed a secret last, and what it was before (JSON text, None = not set).

        None where that is not known: a file of an older format.
        """
        query = "SELECT change_set, old FROM old_secret WHERE class = ? AND name = ? AND attribute = ?"
        row: tuple[int, str | None] | None = self._db.execute(query, (cls, name, attribute)).fetchone()
        return row

    def snapshot(self) -> tuple[Document, int]:
        """Return the present document, which later edits leave as it is, and the number of its last change."""
        return self.document, int(self._db.execute("SELECT coalesce(max(id), 0) FROM change").fetchone()[0])

    def mark_loaded(self, who: str, document: Document, change: int) -> None:
        """Remember a ``snapshot`` as what the DHCP server runs by."""
        with self._transaction() as db:
            row = (time.time(), who, change, encode(document))
            db.execute("INSERT OR REPLACE INTO loaded VALUES (1, ?, ?, ?, ?)", row)

    def change_loaded(self, who: str, document: Document) -> None:
        """Remember what the DHCP server runs by, where it was told of one change out of turn."""
        with self._transaction() as db:
            db.execute("UPDATE loaded SET at = ?, who = ?, document = ?", (time.time(), who, encode(document)))

    def loaded(self) -> Document | None:
        """Return the document that the DHCP server last took, or None when it never took one."""
        row = self._db.execute("SELECT document FROM loaded").fetchone()
        return None if row is None else dict(msgspec.json.decode(row[0]))

    def changes_since_loaded(self, classes: Collection[str]) -> int:
        """Return how many changes of objects of ``classes`` the running DHCP server has not been told of."""
        since = "(SELECT coalesce(max(change), 0) FROM loaded)"
        marks = ", ".join("?" * len(classes))
        query = f"SELECT count(*) FROM change WHERE id > {since} AND class IN ({marks})"
        return int(self._db.execute(query, tuple(classes)).fetchone()[0])

    # --- tokens and log-ins ---------------------------------------------------------------------------

    def add_token(self, token: Token, hashed: bytes) -> None:
        """Keep a token, known by ``hashed``. Raises CommandError 320 when there is one of that name."""
        if any(token.name == other.name for other in self.tokens()):
            raise CommandError(320, f"token {token.name} exists; choose another name, or delete it first")
        row = (token.name, token.owner, token.role, hashed, token.created, token.expires)
        with self._transaction() as db:
            db.execute("INSERT INTO token VALUES (?, ?, ?, ?, ?, ?)", row)

    def find_token(self, hashed: bytes) -> Token | None:
        """Return the token that is known by ``hashed``."""
        row = self._db.execute(f"{_TOKENS} WHERE hash = ?", (hashed,)).fetchone()
        return None if row is None else Token(*row)

    def tokens(self) -> list[Token]:
        """Return all tokens, in the order of their names."""
        return [Token(*row) for row in self._db.execute(f"{_TOKENS} ORDER BY name")]

    def delete_token(self, name: str) -> None:
        """Delete a token."""
        with self._transaction() as db:
            db.execute("DELETE FROM token WHERE name = ?", (name,))

    def add_login(self, name: str, address: str, how: str, result: str) -> None:
        """Record that somebody logged in, or tried to. The newest 10 000 records are kept."""
        with self._transaction() as db:
            row = (time.time(), name, address, how, result)
            number = db.execute("INSERT INTO login VALUES (NULL, ?, ?, ?, ?, ?)", row).lastrowid or 0
            db.execute("DELETE FROM login WHERE id <= ?", (number - _LOGINS_MAX,))

    def logins(self, limit: int, before: int | None = None) -> list[LoginRecord]:
        """Return the newest ``limit`` log-ins below number ``before``, newest first."""
        where = "" if before is None else f"WHERE id < {before:d}"
        rows = self._db.execute(f"SELECT * FROM login {where} ORDER BY id DESC LIMIT ?", (limit,))
        return [LoginRecord(*row) for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """BEGIN ... COMMIT; a disk that refuses becomes a CommandError and nothing is changed."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise CommandError(
                500, f"the configuration database refused the change ({error}); nothing was changed; check the disk"
            ) from error
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


def differences(old: Document | None, new: Document | None) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield (attribute, old, new) as JSON text for each attribute that differs between two objects.

    A mapping inside an object (a policy's options) is compared key by key, as ``options.routers``; of a list,
    only the items that left and that came are told, so that the log of a scope with thousands of reservations
    stays small. The object's own coming or going is told as attribute "".
    """
    if old is None and new is not None:
        yield "", None, "{}"
    before, after = old or {}, new or {}
    for attribute in [*before, *(a for a in after if a not in before)]:
        a, b = before.get(attribute), after.get(attribute)
        if a == b:
            continue
        if isinstance(a or b, dict):
            for key, was, is_now in differences(a or {}, b or {}):
                yield f"{attribute}.{key}", was, is_now
            continue
        if isinstance(a, list) and isinstance(b, list):
            a, b = _left_and_came(a, b)
        yield attribute, None if a is None else encode(a), None if b is None else encode(b)
    if new is None and old is not None:
        yield "", "{}", None


def _left_and_came(before: list[Any], after: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return the items that only ``before`` has and those that only ``after`` has; both whole if but the order differs.

    One edit of a long list changes few items side by side: what is alike before and behind them is passed over.
    """
    start = _alike(before, after)
    end = _alike(before[start:][::-1], after[start:][::-1])
    left, came = before[start : len(before) - end], after[start : len(after) - end]
    alike = before[:start] + before[len(before) - end :]
    if len(left) + len(came) > _FEW or any(item in alike for item in left + came):
        left, came = before, after
    had = {encode(item): item for item in left}
    has = {encode(item): item for item in came}
    left, came = [i for k, i in had.items() if k not in has], [i for k, i in has.items() if k not in had]
    return (left, came) if left or came else (before, after)


def _alike(before: list[Any], after: list[Any]) -> int:
    """Return how many items two lists begin with alike."""
    pairs = zip(before, after, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(before), len(after)))


def _get(document: Document, cls: str, name: str) -> Document | None:
    here: Document | None = document.get(cls)
    return here.get(name) if here is not None and name else here


def _put(document: Document, cls: str, name: str, body: Document | None) -> None:
    if body is None:
        return
    if name:
        document.setdefault(cls, {})[name] = body
    else:
        document[cls] = body
