"""The configuration database: edits are whole or nothing, each is recorded, and all survives a restart."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from tandem.base.errors import CommandError
from tandem.cluster.accounts import check_password, has_superuser, password_hash, roles_of, set_administrator
from tandem.cluster.database import Database, Draft, differences


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ccm" / "ccm.db"


def set_to(cls: str, name: str, **values: Any) -> Any:
    def change(document: dict[str, Any]) -> None:
        section = document.setdefault(cls, {})
        (section.setdefault(name, {}) if name else section).update(values)

    return change


def test_an_edit_is_there_after_reopening(path: Path) -> None:
    database = Database(path)
    database.edit("admin", "scope", "s", set_to("scope", "s", addr="10.0.0.0"))
    database.edit("admin", "dhcp", "", set_to("dhcp", "", failover=True))
    database.close()
    assert Database(path).document == {"scope": {"s": {"addr": "10.0.0.0"}}, "dhcp": {"failover": True}}


def test_only_the_owner_can_read_the_file(path: Path) -> None:
    Database(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_change_is_recorded_with_who_and_old_and_new(path: Path) -> None:
    database = Database(path)
    database.edit("admin", "dhcp", "", set_to("dhcp", "", a=1))
    database.edit("eve", "dhcp", "", set_to("dhcp", "", a=2))
    newest = database.changes(1)[0]
    assert (newest.who, newest.cls, newest.name, newest.attribute, newest.old, newest.new) == (
        "eve", "dhcp", "", "a", "1", "2",
    )  # fmt: skip
    assert newest.at > 1_600_000_000
    assert database.changes()[1].old is None


def test_values_of_hidden_attributes_are_not_recorded(path: Path) -> None:
    database = Database(path)
    database.edit("admin", "dhcp", "", set_to("dhcp", "", secret="abc"), {"secret"})
    assert [(c.old, c.new) for c in database.changes()] == [(None, '"********"')]
    assert database.document["dhcp"]["secret"] == "abc"


def test_a_refused_edit_changes_nothing(path: Path) -> None:
    database = Database(path)
    database.edit("admin", "scope", "s", set_to("scope", "s", addr="10.0.0.0"))

    def refuse(document: dict[str, Any]) -> None:
        document["scope"]["s"]["addr"] = "broken"
        raise CommandError(316, "no")

    with pytest.raises(CommandError):
        database.edit("admin", "scope", "s", refuse)
    assert database.document["scope"]["s"] == {"addr": "10.0.0.0"}
    assert len(database.changes()) == 2


def test_an_edit_that_the_disk_refuses_changes_nothing(path: Path) -> None:
    database = Database(path)
    database.edit("admin", "dhcp", "", set_to("dhcp", "", a=1))
    database._db.execute("PRAGMA query_only=ON")
    with pytest.raises(CommandError, match="check the disk"):
        database.edit("admin", "dhcp", "", set_to("dhcp", "", a=2))
    assert database.document == {"dhcp": {"a": 1}}
    database._db.execute("PRAGMA query_only=OFF")
    database.edit("admin", "dhcp", "", set_to("dhcp", "", a=3))
    assert database.document == {"dhcp": {"a": 3}}


def test_an_edit_that_changes_nothing_is_not_recorded(path: Path) -> None:
    database = Database(path)
    database.edit("admin", "dhcp", "", set_to("dhcp", "", a=1))
    database.edit("admin", "dhcp", "", set_to("dhcp", "", a=1))
    assert len(database.changes()) == 1


def test_a_deleted_object_is_gone_and_its_values_are_recorded(path: Path) -> None:
    database = Database(path)
    database.edit("admin", "scope", "s", set_to("scope", "s", addr="10.0.0.0"))
    database.edit("admin", "scope", "s", lambda document: document["scope"].pop("s"))
    assert database.document == {"scope": {}}
    assert [(c.attribute, c.old, c.new) for c in database.changes(2)] == [
        ("", "{}", None),
        ("addr", '"10.0.0.0"', None),
    ]
    database.close()
    assert Database(path).document == {}


def test_a_snapshot_does_not_see_later_edits(path: Path) -> None:
    database = Database(path)
    database.edit("admin", "dhcp", "", set_to("dhcp", "", a=1))
    database.edit("admin", "scope", "s", set_to("scope", "s", a=1))
    document, change = database.snapshot()
    database.edit("admin", "dhcp", "", set_to("dhcp", "", a=2))
    database.edit("admin", "scope", "s", set_to("scope", "s", a=2))
    assert document == {"dhcp": {"a": 1}, "scope": {"s": {"a": 1}}}
    assert database.loaded() is None and database.changes_since_loaded({"dhcp", "scope"}) == 5
    database.mark_loaded("admin", document, change)
    assert database.loaded() == document and database.changes_since_loaded({"dhcp", "scope"}) == 2


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"b": 2}, [("a", "1", None), ("b", None, "2")]),
        (None, {}, [("", None, "{}")]),
        ({}, None, [("", "{}", None)]),
        ({"o": {"x": "1", "y": "2"}}, {"o": {"x": "3"}}, [("o.x", '"1"', '"3"'), ("o.y", '"2"', None)]),
        ({"ranges": [[1, 2], [3, 4]]}, {"ranges": [[1, 2], [5, 6]]}, [("ranges", "[[3,4]]", "[[5,6]]")]),
        ({"flags": ["a", "b"]}, {"flags": ["b", "a"]}, [("flags", '["a","b"]', '["b","a"]')]),
        ({"flags": ["a", "b", "c"]}, {"flags": ["c", "a", "b"]}, [("flags", '["a","b","c"]', '["c","a","b"]')]),
        ({"l": [1, 2, 3, 4]}, {"l": [1, 9, 3, 4]}, [("l", "[2]", "[9]")]),
        ({"l": [1, 2, 3]}, {"l": [1, 3]}, [("l", "[2]", "[]")]),
        ({"l": [1, 3]}, {"l": [1, 2, 3]}, [("l", "[]", "[2]")]),
        ({"l": [1, 1]}, {"l": [1]}, [("l", "[1,1]", "[1]")]),
        ({"l": [1, 2]}, {"l": [1, 2, 1]}, [("l", "[1,2]", "[1,2,1]")]),
        ({"l": [1, 2]}, {"l": list(range(12))}, [("l", "[]", "[0,3,4,5,6,7,8,9,10,11]")]),
        ({"options": {"x": "1"}}, {}, [("options.x", '"1"', None)]),
    ],
)  # fmt: skip
def test_what_a_change_tells(old: Any, new: Any, told: Any) -> None:
    assert list(differences(old, new)) == told


def test_passwords_are_stored_as_argon2_hashes(path: Path) -> None:
    database = Database(path)
    assert not has_superuser(database.document)
    set_administrator(database, "admin", "geheim", ["superuser"])
    stored = password_hash(database, "admin")
    assert stored is not None and stored.startswith("$argon2id$") and "geheim" not in stored
    assert check_password(stored, "geheim") and not check_password(stored, "wrong")
    assert roles_of(database, "admin") == ("superuser",) and roles_of(database, "nobody") == ()
    assert has_superuser(database.document)
    assert b"geheim" not in path.read_bytes() + path.with_name("ccm.db-wal").read_bytes()
    assert not any(str(c.new).startswith('"$argon2') for c in database.changes())


def test_an_empty_password_is_refused(path: Path) -> None:
    with pytest.raises(CommandError, match="1 to 255 bytes"):
        set_administrator(Database(path), "admin", "", [])


def test_the_change_log_is_read_in_pages_and_by_set(path: Path) -> None:
    database = Database(path)
    for value in range(5):
        database.edit("admin", "dhcp", "", set_to("dhcp", "", a=value, b=value))
    newest = database.changes(4)
    assert [(c.set, c.attribute) for c in newest] == [(5, "b"), (5, "a"), (4, "b"), (4, "a")]
    assert [c.set for c in database.changes(100, before=4)] == [3, 3, 2, 2, 1, 1]
    assert [(c.attribute, c.old, c.new) for c in database.change_set(3)] == [("a", "1", "2"), ("b", "1", "2")]
    assert database.change_set(99) == []


def test_the_log_of_logins_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.cluster.database._LOGINS_MAX", 3)
    database = Database(path)
    for n in range(5):
        database.add_login(f"a{n}", "10.0.0.1", "password", "ok")
    assert [login.name for login in database.logins(10)] == ["a4", "a3", "a2"]
    assert [login.name for login in database.logins(10, before=5)] == ["a3", "a2"]


def test_a_database_of_another_format_is_refused(path: Path) -> None:
    Database(path).close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version=99")
    other.close()
    with pytest.raises(CommandError, match="format 99"):
        Database(path)


def test_a_change_of_many_objects_is_saved_as_a_whole_or_not_at_all(path: Path) -> None:
    def several(draft: Draft) -> None:
        for cls, name in (("scope", "s"), ("policy", "p"), ("dhcp", "")):
            draft.open(cls, name)
            set_to(cls, name, a=1)(draft.document)

    database = Database(path)
    writer = sqlite3.connect(path)
    refusal = "WHEN new.class = 'dhcp' BEGIN SELECT RAISE(FAIL, 'x'); END"
    writer.execute(f"CREATE TRIGGER full BEFORE INSERT ON change {refusal}")
    with pytest.raises(CommandError, match="nothing was changed"):
        database.edit_many("admin", several, lambda cls: ())
    assert database.document == Database(path).document == {} and database.changes() == []
    writer.execute("DROP TRIGGER full")
    assert database.edit_many("admin", several, lambda cls: (), why="because")[1] == 1
    assert database.document == {"scope": {"s": {"a": 1}}, "policy": {"p": {"a": 1}}, "dhcp": {"a": 1}}
    assert database.document == Database(path).document
    assert {(change.set, change.who, change.why) for change in database.changes()} == {(1, "admin", "because")}


def test_a_file_of_the_format_before_is_brought_up(path: Path) -> None:
    database = Database(path)
    database.edit("admin", "dhcp", "", set_to("dhcp", "", a=1))
    database.close()
    old = sqlite3.connect(path)
    old.executescript("ALTER TABLE change_set DROP COLUMN why; DROP TABLE old_secret; PRAGMA user_version=2")
    old.close()
    database = Database(path)
    assert [change.why for change in database.changes()] == [""] and database.document == {"dhcp": {"a": 1}}
    assert database.old_secret("dhcp", "", "a") is None
