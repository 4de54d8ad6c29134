"""How far long work is: told by what does it, where it does it, and shown to who waits for it.

``tell`` says what is being done now to whoever follows this task, in threads of it too; where nobody does, it does
nothing. Does not know what the work is, nor how it is shown.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

_STEPS_MAX = 50
_TELL_EACH = 500

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done."""

    what: str
    done: int
    """So many of ``total``; both 0 where they cannot be counted."""
    total: int


@dataclass(slots=True)
class Progress:
    """The steps of one piece of work."""

    steps: list[Step] = field(default_factory=list)
    """The last one is being done now. Of each, the newest count."""
    began: float = field(default_factory=time.monotonic)

    def tell(self, what: str, done: int, total: int) -> None:
        """Say what is being done now, and how far it is."""
        step = Step(what, done, total)
        if self.steps and self.steps[-1].what == what:
            self.steps[-1] = step
        else:
            self.steps = [*self.steps[-_STEPS_MAX:], step]


_followed: ContextVar[Progress | None] = ContextVar("followed", default=None)


def tell(what: str, done: int = 0, total: int = 0) -> None:
    """Say in a few words what is being done now, and of how many it has done how many."""
    progress = _followed.get()
    if progress is not None:
        progress.tell(what, done, total)


def each(what: str, items: Collection[T]) -> Iterator[T]:
    """Yield the items, and tell now and then how many of them have been done."""
    for done, item in enumerate(items):
        if done % _TELL_EACH == 0:
            tell(what, done, len(items))
        yield item


@contextlib.contextmanager
def following(progress: Progress) -> Iterator[None]:
    """Have ``progress`` told what is done within."""
    token = _followed.set(progress)
    try:
        yield
    finally:
        _followed.reset(token)
