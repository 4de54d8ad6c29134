"""Performs effects, and holds back what must wait for stable storage (invariant 1).

Whatever follows a save waits, in order, until that save is on disk; meanwhile the next inputs are decided. Does
not know what decided them. While the database cannot be written everything waits here, within bounds: see
``room`` and ``congested``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from tandem.base.io import (
    Close,
    Connect,
    Effect,
    Note,
    Probe,
    Reply,
    SaveAcked,
    SaveBinding,
    SaveShare,
    SaveState,
    Send,
    StartTls,
)
from tandem.runtime.store import Save

STALE_S = 5.0
"""A reply that had to wait longer is not sent: the client has asked again, or given up."""

Held = Effect | asyncio.Future[None]


class Saver(Protocol):
    """What ``writer.Writer`` offers."""

    def submit(self, saves: list[Save]) -> int:
        """Queue saves; return their number."""
        ...


class Wire(Protocol):
    """What ``link.Links`` offers."""

    def connect(self, effect: Connect) -> None:
        """Open a connection."""
        ...

    def send(self, link: int, data: bytes) -> None:
        """Send bytes."""
        ...

    def start_tls(self, effect: StartTls) -> None:
        """Go over to TLS."""
        ...

    def close(self, link: int) -> None:
        """Close after flushing."""
        ...


class Group:
    """Effects that wait for submission ``number``."""

    __slots__ = ("effects", "made", "number", "replies")

    def __init__(self, made: float) -> None:
        self.number = 0
        self.made = made
        self.effects: list[Held] = []
        self.replies = 0


class Performer:
    """Turns effects into deeds, in order."""

    def __init__(
        self,
        saver: Saver,
        reply: Callable[[Reply], None],
        probe: Callable[[Probe], None],
        wire: Wire,
        note: Callable[[str, str, int, str, str], None],
        clock: Callable[[], float],
    ) -> None:
        """``clock`` is monotonic, in seconds."""
        self._saver = saver
        self._reply = reply
        self._probe = probe
        self._wire = wire
        self._note = note
        self._clock = clock
        self._held: deque[Group] = deque()
        self.max_responses = 1000
        self.held_replies = 0
        self._held_effects = 0
        self.stale_replies = 0
        """Replies not sent because they had waited too long."""

    def room(self) -> int:
        """How many more requests may be taken: response buffers (max-dhcp-responses) that are not in use."""
        return self.max_responses - self.held_replies

    def congested(self) -> bool:
        """Whether so much waits that partners should not be read."""
        return self._held_effects > 4 * self.max_responses

    def perform(self, effects: list[Effect]) -> None:
        """Perform effects in order; those that follow a save, and all behind them, when it is on disk."""
        group = self._held[-1] if self._held else None
        new: Group | None = None
        saves: list[Save] = []
        for effect in effects:
            kind = type(effect)
            if kind is SaveBinding or kind is SaveState or kind is SaveShare:
                saves.append(effect)  # type: ignore[arg-type]
                if new is None:
                    group = new = Group(self._clock())
            elif kind is SaveAcked:
                saves.append(effect)  # type: ignore[arg-type]
            elif group is None:
                self._do(effect)
            else:
                group.effects.append(effect)
                self._held_effects += 1
                if kind is Reply:
                    group.replies += 1
                    self.held_replies += 1
        if saves:
            number = self._saver.submit(saves)
            if new is not None:
                new.number = number
                self._held.append(new)

    def committed(self, number: int) -> None:
        """Do what waited for the submissions up to ``number``."""
        held = self._held
        now = self._clock()
        while held and held[0].number <= number:
            group = held.popleft()
            self.held_replies -= group.replies
            self._held_effects -= len(group.effects)
            stale = group.replies and now - group.made > STALE_S
            if stale:
                self.stale_replies += group.replies
            for effect in group.effects:
                if type(effect) is not Reply:
                    self._do(effect)
                elif not stale:
                    self._reply(effect)

    def settled(self) -> asyncio.Future[None]:
        """Return a future that is done when all effects so far are."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._held:
            self._held[-1].effects.append(future)
            self._held_effects += 1
        else:
            future.set_result(None)
        return future

    def _do(self, effect: Held) -> None:
        if isinstance(effect, Reply):
            self._reply(effect)
        elif isinstance(effect, Send):
            self._wire.send(effect.link, effect.data)
        elif isinstance(effect, Note):
            self._note(effect.level, effect.component, effect.ident, effect.text, effect.flag)
        elif isinstance(effect, Probe):
            self._probe(effect)
        elif isinstance(effect, StartTls):
            self._wire.start_tls(effect)
        elif isinstance(effect, Close):
            self._wire.close(effect.link)
        elif isinstance(effect, Connect):
            self._wire.connect(effect)
        elif isinstance(effect, asyncio.Future) and not effect.done():
            effect.set_result(None)
