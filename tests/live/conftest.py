"""Fixtures of the live tests: a test bed per test, or one whose pair is already NORMAL."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.live.lab import Lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A test bed whose servers have not been started."""
    if os.geteuid() != 0:
        pytest.skip("makes network namespaces: needs root")
    with Lab() as made:
        yield made


@pytest.fixture
def pair(lab: Lab) -> Lab:
    """A test bed whose pair serves, both in NORMAL."""
    lab.start_pair()
    return lab
