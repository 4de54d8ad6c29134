"""Makes a failing story smaller: fewer faults, fewer clients, shorter; bounded in time.

A smaller story counts when the same verdict goes against the servers. Does not know what faults do.
"""

from __future__ import annotations

from dataclasses import replace
from time import monotonic

from tandem.sim.run import Outcome, Scenario, Story, tell


def shrink(found: Outcome, budget_s: float = 60.0) -> Outcome:
    """Return the smallest outcome with the same verdict that was found within ``budget_s`` of wall time."""
    return _Shrinker(found, monotonic() + budget_s).run()


class _Shrinker:
    def __init__(self, found: Outcome, until: float) -> None:
        self.best = found
        self.until = until

    def run(self) -> Outcome:
        self._shorten()
        self._drop_faults()
        for clients in (10, 20, 30):
            if clients < self.best.scenario.clients and self._try(replace(self.best.scenario, clients=clients)):
                break
        self._drop_faults()
        self._shorten()
        return self.best

    def _try(self, scenario: Scenario) -> bool:
        if monotonic() > self.until:
            return False
        outcome = tell(scenario)
        if outcome.verdict != self.best.verdict:
            return False
        self.best = outcome
        return True

    def _shorten(self) -> None:
        """The story ends where it failed, or a bit later."""
        scenario = self.best.scenario
        hours = round(min(self.best.hours + 0.02, scenario.hours), 2)
        if hours < scenario.hours:
            self._try(replace(scenario, hours=hours))

    def _drop_faults(self) -> None:
        """Leave out halves, quarters, ... of the faults, then single ones."""
        scenario = self.best.scenario
        numbers = list(scenario.only if scenario.only is not None else (f.number for f in Story(scenario).faults))
        size = max(len(numbers) // 2, 1)
        while numbers:
            start = 0
            while start < len(numbers):
                fewer = numbers[:start] + numbers[start + size :]
                if self._try(replace(self.best.scenario, only=tuple(fewer))):
                    numbers = fewer
                else:
                    start += size
            if size == 1 or monotonic() > self.until:
                return
            size = max(size // 2, 1)
