"""A story that goes against the servers is made smaller, can be read, and is told again by its last line."""

from __future__ import annotations

import shlex

from tandem.sim.canaries import CANARIES
from tandem.sim.command import parse
from tandem.sim.run import Scenario, tell
from tandem.sim.shrink import shrink
from tandem.sim.story import retell, story_of


def test_a_failing_story_is_shrunk_and_told_again() -> None:
    canary = CANARIES["both-own-a-share"]
    with canary.plant():
        found = tell(Scenario(1, canary.profiles[0], 4.0, 60))
        assert found.verdict
        small = shrink(found, 20.0)
        told = story_of(retell(small.scenario))
        options = parse(shlex.split(told.splitlines()[-1].removeprefix("replay: "))[2:])
        again = tell(Scenario(options.seed, options.profiles[0], options.hours, options.clients, options.only))
    assert small.scenario.only is not None and len(small.scenario.only) <= 3, "few faults are enough"
    assert small.scenario.hours < 4.0
    assert (again.verdict, again.text) == (small.verdict, small.text)
    assert small.text in told and "fault #" in told and len(told.splitlines()) < 70
