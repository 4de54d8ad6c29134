"""Samples and alarms over time: kept, averaged, bounded, raised and cleared once each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.cluster import history
from tandem.cluster.history import History

SCOPE = {
    "name": "lan", "addresses": 191, "leased": 5, "main-share": 167, "backup-share": 19, "pending-available": 0,
    "unavailable": 0, "arrivals-per-hour": 12.0,
}  # fmt: skip
LOST = {
    "kind": "communications-interrupted", "subject": "pair", "level": "Error", "since": 900, "text": "t", "cure": "c",
}  # fmt: skip


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[History]:
    made = History(tmp_path / "history.db")
    yield made
    made.close()


def test_samples_come_back_in_order_and_age(kept: History) -> None:
    for at in (1000, 1300, 1600):
        kept.add_samples(at, [SCOPE | {"leased": at // 100}, SCOPE | {"name": "other"}], 500)
    assert [(s.at, s.leased) for s in kept.samples("lan", 0, 2000)] == [(1300, 13), (1600, 16)]
    assert kept.samples("nowhere", 0, 2000) == []
    assert kept.samples("lan", 0, 2000)[0].main == 167


def test_many_samples_are_averaged(kept: History) -> None:
    for at in range(0, 12_000, 10):
        kept.add_samples(at, [SCOPE | {"leased": at % 20 // 10 * 100}], 20_000)
    points = kept.samples("lan", 0, 12_000)
    assert len(points) <= history.POINTS_MAX and {p.leased for p in points} == {50}


def test_the_oldest_of_too_many_samples_are_forgotten(kept: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "ROWS_MAX", 5)
    for at in range(10):
        kept.add_samples(at, [SCOPE], 1000)
    assert 3 <= len(kept.samples("lan", 0, 100)) <= 5


def test_an_alarm_is_raised_once_and_cleared_once(kept: History) -> None:
    assert [a.raised for a in kept.note_alarms(1000, [LOST])[0]] == [900]
    assert kept.note_alarms(1005, [LOST | {"text": "other words"}, LOST]) == ([], [])
    (on,) = kept.alarms(0)
    assert on.text == "other words" and not on.cleared
    raised, cleared = kept.note_alarms(1010, [])
    assert not raised and [a.kind for a in cleared] == ["communications-interrupted"]
    assert kept.note_alarms(1015, []) == ([], [])
    assert [a.cleared for a in kept.alarms(0)] == [1010] and kept.alarms(1011) == []
    kept.note_alarms(1020, [LOST | {"since": 0}])
    assert [(a.raised, a.cleared) for a in kept.alarms(0)] == [(1020, 0), (900, 1010)]
