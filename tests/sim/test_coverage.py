"""Every row of the state table and every cell of figure 7.1.3-1 is reached by a story, or says why it cannot be."""

from __future__ import annotations

import pytest

from tandem.failover import conflict
from tandem.failover.states import TABLE
from tandem.sim.coverage import Coverage
from tandem.sim.run import Scenario, tell

STORIES = {"ambush": 60, "declines": 20, "safe-period": 5, "symmetrical": 5, "databases": 5, "operator": 5}
"""How many stories of each profile."""
RARE = 15
"""So many rows and cells, at most, may be left for longer swarms: all without a reason have been reached by some."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_row_is_reached_or_explained() -> None:
    coverage = Coverage()
    with coverage.watching():
        for profile, seeds in STORIES.items():
            for seed in range(1, seeds + 1):
                tell(Scenario(seed, profile, 3.0, 40))
    assert not coverage.contradicted(), "the reason why a story cannot come there is wrong"
    assert len(coverage.missed()) <= RARE, coverage.text()


def test_reasons_are_sentences() -> None:
    for why in [*(row.unreached for row in TABLE), *conflict.UNREACHED.values()]:
        assert not why or why.endswith(".")


def test_what_a_story_reaches_is_counted() -> None:
    coverage = Coverage()
    with coverage.watching():
        tell(Scenario(1, "crashes", 1.0, 20))
    assert "STARTUP/startup-over" in coverage.rows or "STARTUP/partner-is-recover" in coverage.rows
    assert coverage.cells and len(coverage.missed()) < len(TABLE.rows)
    assert "not reached this time" in coverage.text()
