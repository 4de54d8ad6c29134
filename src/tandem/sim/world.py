"""Virtual time, chance, and the record of what happened. Everything else of the simulation hangs on a ``World``.

One seed gives one trace: events are ordered by time and, within one instant, by when they were planned; every source
of chance is named, so that taking one fault or client away leaves the luck of the others as it was. Does not know
servers, networks or clients.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from zlib import crc32

EPOCH = 1_800_000_000.0
"""True time at the start of every world, in seconds since 1970 UTC."""


class Violation(AssertionError):
    """A verdict went against the servers. ``concerns``: words (addresses, names) that the story is about."""

    def __init__(self, verdict: str, text: str, *concerns: str) -> None:
        super().__init__(f"{verdict}: {text}")
        self.verdict = verdict
        self.concerns = concerns


class World:
    """True time and what is planned for it."""

    def __init__(self, seed: int, tracing: bool = False) -> None:
        self.seed = seed
        self.now = EPOCH
        self.events = 0
        """How many planned events have happened."""
        self.happened: Counter[str] = Counter()
        """How often what happened, by its name in ``happenings``."""
        self.digest = 0
        """A checksum over all that left the servers, to tell whether two runs were the same."""
        self.trace: list[tuple[float, str]] | None = [] if tracing else None
        self._plan: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._planned = 0

    def chance(self, name: str) -> Random:
        """Return the source of chance of that name (independent of the hash seed and of other names)."""
        return Random(f"{self.seed}/{name}")

    def at(self, when: float, act: Callable[..., None], *args: object) -> None:
        """Plan ``act(*args)`` for true time ``when``."""
        self._planned += 1
        heappush(self._plan, (when, self._planned, act, args))

    def after(self, seconds: float, act: Callable[..., None], *args: object) -> None:
        """Plan ``act(*args)`` in so many seconds."""
        self.at(self.now + seconds, act, *args)

    def run(self, until: float) -> None:
        """Let true time pass."""
        plan = self._plan
        while plan and plan[0][0] <= until:
            when, _, act, args = heappop(plan)
            if when > self.now:
                self.now = when
            self.events += 1
            act(*args)
        self.now = max(self.now, until)

    def say(self, text: str) -> None:
        """Record one line of the story (kept only when tracing)."""
        if self.trace is not None:
            self.trace.append((self.now, text))

    def stamp(self, data: bytes) -> None:
        """Take what left a server into the checksum."""
        self.digest = crc32(data, self.digest ^ int((self.now - EPOCH) * 1e6) & 0xFFFFFFFF)


def clock_text(when: float) -> str:
    """Return a true time as h:mm:ss.mmm since the start."""
    ms = round((when - EPOCH) * 1000)
    return f"{ms // 3_600_000}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"
