"""Fixtures of the live tests: a test bed per test, or one whose pair is already NORMAL."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.live.isc import MixedLab
from tests.live.lab import Lab

_TAIL = 6000


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """With a failed test, show what both servers and every program in the test bed said."""
    report = yield
    arguments = getattr(item, "funcargs", {})
    made = arguments.get("lab") or arguments.get("isc_lab")
    if report.failed and report.when in ("setup", "call") and isinstance(made, Lab):
        for server in (made.main, made.backup):
            report.sections.append((f"log of {server.space.short}", server.log()[-_TAIL:]))
        for process in made.processes:
            report.sections.append((f"output of {process.log.name}", process.output()[-_TAIL:]))
    return report


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


@pytest.fixture
def isc_lab() -> Iterator[MixedLab]:
    """A test bed for servers of either make, none of them started."""
    if os.geteuid() != 0:
        pytest.skip("makes network namespaces: needs root")
    with MixedLab() as made:
        yield made
