"""Every row of the state table, every cell of figure 7.1.3-1 and every change of a binding's status is reached by a
story, or it is said why it cannot be, or hardly can."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from tandem.failover import conflict
from tandem.failover.states import TABLE
from tandem.sim.coverage import RARE, TRANSITIONS, Coverage, cell, change
from tandem.sim.directed import STORIES, Strike, direct
from tandem.sim.happenings import HAPPENINGS
from tandem.sim.profiles import PROFILES
from tandem.sim.run import Scenario, tell
from tandem.wire.failover import ServerState as S

CHANCE = ("NORMAL/update-done", "COMMUNICATIONS-INTERRUPTED/safe-period-over")
"""Rows that need no directed story: most stories of a profile come there."""
TROUBLED = ("disks", "bootp", "narrow", "databases", "lies", "clocks", "old-copies", "safe-period", "network")
"""Profiles in whose stories, taken together, all kinds of trouble happen."""
SEEDS_MAX = 150
"""Until here stories are told for what is still open; a tenth of that is usually enough."""


def _directed(coverage: Coverage) -> list[str]:
    """Tell all directed stories; return what went against the servers, and in which states none of them ended."""
    with coverage.watching():
        told = [(story, direct(*story)) for story in STORIES]
    against = [f"{outcome.text}: {story}" for story, outcome in told if outcome.verdict or outcome.promises < 10]
    ends = [name for name in HAPPENINGS if name.startswith("ends in ")]
    return against + [name for name in ends if not any(outcome.happened[name] for _, outcome in told)]


def test_directed_stories_come_to_all_rows_of_the_state_table_and_end_servers_in_each_state() -> None:
    coverage = Coverage()
    assert _directed(coverage) == []
    assert not coverage.contradicted(), "the reason why a story cannot come there is wrong"
    rows = {row.label for row in TABLE}
    assert [name for name in coverage.missed() if name in rows and name not in CHANCE] == []


def _stories() -> Iterator[Scenario]:
    for profile in ("safe-period", "operator"):
        for seed in (1, 2):
            yield Scenario(seed, profile, 3.0, 40)
    for seed in range(1, SEEDS_MAX):
        yield Scenario(seed, "declines", 3.0, 40)
        if seed % 4 == 0:
            yield Scenario(seed, "ambush", 3.0, 40)
            yield Scenario(seed, "databases", 3.0, 40)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_row_is_reached_or_explained() -> None:
    coverage = Coverage()
    _directed(coverage)
    with coverage.watching():
        for scenario in _stories():
            if not coverage.missed():
                break
            tell(scenario)
    assert not coverage.contradicted(), "the reason why a story cannot come there is wrong"
    assert not coverage.missed(), coverage.text()


def test_reasons_are_sentences_about_what_there_is() -> None:
    for why in [*(row.unreached for row in TABLE), *RARE.values(), *TRANSITIONS.values()]:
        assert not why or why.endswith("."), why
    known = {row.label for row in TABLE} | {cell(*key) for key in conflict.RULES}
    known |= {change(before, after) for before in range(1, 8) for after in range(1, 8)}
    assert set(RARE) <= known
    assert not [row.label for row in TABLE if row.unreached and row.label in RARE]


def test_what_a_story_reaches_is_counted() -> None:
    coverage = Coverage()
    with coverage.watching():
        tell(Scenario(1, "crashes", 1.0, 20))
    assert "STARTUP/startup-over" in coverage.rows or "STARTUP/partner-is-recover" in coverage.rows
    assert coverage.cells and coverage.changes and len(coverage.missed()) < len(TABLE.rows)
    assert "not reached this time" in coverage.text()


def test_what_happens_has_a_name_that_is_explained() -> None:
    happened = tell(Scenario(1, "mixed", 1.0, 20)).happened
    assert happened["packet overtaken"] and set(happened) <= set(HAPPENINGS)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_kind_of_trouble_happens_in_some_story() -> None:
    """Apart from the states in which servers end: see above."""
    missed = [name for name in HAPPENINGS if not name.startswith("ends in ")]
    for seed, profile in product(range(1, 6), TROUBLED):
        happened = tell(Scenario(seed, profile, 3.0, PROFILES[profile].clients)).happened
        missed = [name for name in missed if not happened[name]]
        if not missed:
            break
    assert not missed


def test_a_strike_comes_when_its_server_enters_the_state() -> None:
    told = direct("cut", Strike(S.COMMUNICATIONS_INTERRUPTED, 1, "kill", 0, 0.5), tracing=True)
    lost = next(when for when, text in told.trace if "NORMAL to COMMUNICATIONS-INTERRUPTED" in text)
    killed = next(when for when, text in told.trace if text == "main is killed")
    assert 0.5 <= killed - lost < 3
