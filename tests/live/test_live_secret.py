"""A pair whose messages are signed: turned on with nrcmd while it serves, and what a wrong secret says."""

from __future__ import annotations

import pytest
from tests.live.lab import Lab
from tests.live.netns import wait_for

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

TURN_ON = "session set visibility=3\ndhcp set failover-shared-secret={}\ndhcp reload\n"


def test_the_secret_is_turned_on_in_a_serving_pair_and_a_wrong_one_is_named(pair: Lab) -> None:
    """As docs/operating.md says: NORMAL again with the secret on both; with another one on one side, a clear line."""
    for server in (pair.main, pair.backup):
        server.nrcmd(TURN_ON.format("first-secret"))
    pair.both_normal()
    pair.backup.kill()
    pair.backup.start()
    pair.both_normal()
    pair.backup.nrcmd(TURN_ON.format("another"))
    pair.both_interrupted()
    wait_for("the log says why", lambda: "configure the same shared secret" in pair.backup.log(), 20)
    pair.main.nrcmd(TURN_ON.format("another"))
    pair.both_normal()
