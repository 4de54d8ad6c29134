"""A few dozen SIGKILLs of a loaded server; ``make killloop COUNT=1000`` does more of the same."""

from __future__ import annotations

import os

import pytest
from tests.live import kill_loop

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]


@pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: needs root")
def test_no_acknowledged_lease_is_lost_by_sigkill() -> None:
    loop = kill_loop.run(count=24, seed=7)
    assert loop.crowd.acks > 24 * 50, "the server was not under load"
    assert len(loop.crowd.held) > 500
