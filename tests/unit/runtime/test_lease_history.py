"""The history of addresses: one line a change, none for a renewal, bounded, and no harm when it cannot be written."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from tandem.base.io import SaveBinding, SaveState
from tandem.lease.binding import ACTIVE, EXPIRED, FREE, Binding
from tandem.node import views
from tandem.runtime import history
from tandem.runtime.history import History


def row(status: int, start: int, expires: int = 0, hardware: bytes = b"\1\2", last: int = 0) -> SaveBinding:
    binding = Binding(0x0A000001, status)
    binding.last_transaction = last or start
    binding.start_of_state, binding.expires, binding.hardware, binding.granted_by = start, expires, hardware, 1
    return SaveBinding(binding.row())


def written(path: Path, *lists: list[object], keep_s: int = 3600) -> list[dict[str, object]]:
    said: list[str] = []
    made = History(path, said.append)
    made.keep_s = keep_s
    for saves in lists:
        made.take(saves)  # type: ignore[arg-type]
    made.close()
    assert not said
    return made.of(0x0A000001)


def test_changes_are_lines_and_renewals_are_not(tmp_path: Path) -> None:
    now = int(time.time())
    path = tmp_path / "history.db"
    lines = written(path, [row(ACTIVE, now - 50, now), SaveState("x", {})], [row(ACTIVE, now - 50, now + 9)],
                    [row(EXPIRED, now - 20), row(FREE, now - 19)])  # fmt: skip
    assert [(line["start_of_state"], line["status"]) for line in lines] == [
        (now - 19, FREE), (now - 20, EXPIRED), (now - 50, ACTIVE)
    ]  # fmt: skip
    assert len(written(path, [row(ACTIVE, now - 50, now + 99)])) == 3, "a restarted server repeats itself"
    shown = views.history(lines)
    assert shown[2]["state"] == "ACTIVE" and shown[2]["granted-by"] == "this server"


def test_renewals_are_counted_in_the_line_of_their_lease(tmp_path: Path) -> None:
    start = int(time.time()) - 500
    path = tmp_path / "history.db"
    renewed = [row(ACTIVE, start, start + 100 + n, last=start + n) for n in range(1, 5)]
    told_again = row(ACTIVE, start, start + 104, last=start + 4)
    (line,) = written(path, [row(ACTIVE, start, start + 100)], renewed, [told_again])
    assert (line["renewals"], line["last_transaction"], line["expires"]) == (4, start + 4, start + 104)
    (line,) = written(path, [told_again], [row(ACTIVE, start, start + 109, last=start + 9)])
    assert line["renewals"] == 5, "a restarted server goes on counting"
    again = [row(ACTIVE, start + 200, start + 300), row(ACTIVE, start + 200, start + 310, last=start + 210)]
    lines = written(path, [row(ACTIVE, start, start + 110, last=start + 10), row(EXPIRED, start + 110)], again)
    assert [(line["status"], line["renewals"]) for line in lines] == [(ACTIVE, 1), (EXPIRED, 0), (ACTIVE, 6)]
    shown = views.history(lines)
    assert shown[2]["renewals"] == 6 and shown[2]["last-renewal"] == start + 10 and shown[1]["last-renewal"] == 0


def test_a_file_of_before_renewals_were_counted_is_taken_on(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    old = history._SCHEMA.replace(" renewals INTEGER NOT NULL DEFAULT 0,", "")
    assert old != history._SCHEMA
    with sqlite3.connect(path) as connection:
        connection.executescript(old)
        connection.execute("INSERT INTO history VALUES (167772161, 1, 3, x'', x'', 5, 1, 1)")
    connection.close()
    assert [line["renewals"] for line in written(path, [])] == [0]


def test_old_lines_and_too_many_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = int(time.time())
    monkeypatch.setattr(history, "ROWS_MAX", 10)
    lines = written(tmp_path / "h.db", [row(ACTIVE, now - 5000), *(row(ACTIVE, now - n) for n in range(20))])
    assert 5 <= len(lines) <= 10 and all(int(str(line["start_of_state"])) > now - 3600 for line in lines)
    assert written(tmp_path / "off.db", [row(ACTIVE, now)], keep_s=0) == []


def test_a_disk_that_refuses_is_said_once(tmp_path: Path) -> None:
    said: list[str] = []
    made = History(tmp_path / "missing" / "history.db", said.append)
    made.keep_s = 60
    made.take([row(ACTIVE, 1)])
    made.close()
    assert len(said) == 1 and "cannot be written" in said[0]
