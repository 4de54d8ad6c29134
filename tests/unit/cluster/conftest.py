"""What the tests of commands share: a manager with one superuser, and its command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from managed import Run, open_manager, runner

from tandem.cluster.accounts import set_administrator
from tandem.cluster.manager import Manager


@pytest.fixture
def manager(tmp_path: Path) -> Manager:
    made = open_manager(tmp_path)
    set_administrator(made.database, "admin", "geheim", ["superuser"])
    return made


@pytest.fixture
def run(manager: Manager) -> Run:
    return runner(manager)
