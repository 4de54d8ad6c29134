"""Feeds a node with inputs and time, and performs what it decides.

The clock is the system's (``time.time``): a lease ends when the calendar says so, also after the machine slept.
The node's deadline is looked at again at least once a second, so a clock that is set forward is noticed within a
second, and the node is told, so that its waits keep their length; one that is set back makes leases last longer by as
much, which is safe. Does not know sockets or files.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from tandem.base.io import ClockSet, Effect, Input, Tick
from tandem.runtime.effects import Performer

T = TypeVar("T")

_LOOK_S = 1.0
_LOOK_S_MIN = 0.001
_STEP_S = 2.0
"""A clock that gains or loses so much between two looks was set; less is its being trimmed."""


class Decider(Protocol):
    """What ``node.Node`` offers."""

    def handle(self, now: float, event: Input, out: list[Effect]) -> None:
        """Take one input."""
        ...

    def deadline(self) -> float | None:
        """When it wants a Tick."""
        ...


class Loop:
    """One node in the running event loop."""

    def __init__(
        self, node: Decider, performer: Performer, died_of: Callable[[Input, float], None] = lambda event, now: None
    ) -> None:
        """``died_of`` is told the input on which the node raised, and when; the exception goes on."""
        self.node = node
        self._performer = performer
        self._died_of = died_of
        self._ahead = self._ahead_at(time.time())
        """The calendar's time less the time that has passed since the machine started, asleep or not."""
        self._timer: asyncio.TimerHandle | None = None
        self._wake_at = 0.0
        """When the timer is set for, in the event loop's time."""
        self._loop = asyncio.get_running_loop()

    def feed(self, events: Sequence[Input]) -> None:
        """Have the node decide inputs that came together, and perform the result."""
        now = time.time()
        out: list[Effect] = []
        handle = self.node.handle
        ahead = self._ahead_at(now)
        if abs(ahead - self._ahead) > _STEP_S:
            handle(now, ClockSet(ahead - self._ahead), out)
        self._ahead = ahead
        for event in events:
            try:
                handle(now, event, out)
            except Exception:
                self._died_of(event, now)
                raise
        self._performer.perform(out)
        self._arm(now)

    def command(self, act: Callable[[float, list[Effect]], T]) -> T:
        """Return the result of ``act(now, out)`` on the node and perform its effects, also when it raises."""
        now = time.time()
        out: list[Effect] = []
        try:
            return act(now, out)
        finally:
            self._performer.perform(out)
            self._arm(now)

    @staticmethod
    def _ahead_at(now: float) -> float:
        return now - time.clock_gettime(time.CLOCK_BOOTTIME)

    def _arm(self, now: float) -> None:
        deadline = self.node.deadline()
        wait = _LOOK_S if deadline is None else min(max(deadline - now, _LOOK_S_MIN), _LOOK_S)
        wake_at = self._loop.time() + wait
        if self._timer is not None:
            if self._wake_at <= wake_at:
                return
            self._timer.cancel()
        self._wake_at = wake_at
        self._timer = self._loop.call_at(wake_at, self._wake)

    def _wake(self) -> None:
        self._timer = None
        now = time.time()
        deadline = self.node.deadline()
        if (deadline is not None and deadline <= now) or abs(self._ahead_at(now) - self._ahead) > _STEP_S:
            self.feed((Tick(),))
        else:
            self._arm(now)

    def stop(self) -> None:
        """Let time pass no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
