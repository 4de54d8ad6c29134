"""Each planted bug is noticed within its budget of stories: the verdicts can fail."""

from __future__ import annotations

import pytest

from tandem.sim.canaries import CANARIES, hunt

QUICK = 2
"""Canaries with so small a budget are hunted in every check, in short stories."""
NAMES = [
    pytest.param(name, marks=[pytest.mark.slow] if canary.seeds > QUICK else []) for name, canary in CANARIES.items()
]


@pytest.mark.parametrize("name", NAMES)
def test_the_bug_is_noticed(name: str) -> None:
    canary = CANARIES[name]
    caught = hunt(canary, 1.0, 30) if canary.seeds <= QUICK else hunt(canary)
    assert caught is not None, f"{canary.help}: not noticed in {canary.seeds} seeds"
