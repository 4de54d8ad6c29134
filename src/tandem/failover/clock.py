"""The difference between the partner's clock and ours, measured on every message and smoothed.

Messages can be late, never early. So a partner's clock that seems to have gone forward is believed at once, and one
that seems to have gone back only when every message of a minute says so: until then it is taken for the network's
delay, which would make leases outlast what was agreed. On a link that is slow for longer, an answer tells the two
apart: its sender wrote its time into it after it had our question. While one is outstanding, it is waited for.
Source: draft-ietf-dhc-failover-12 section 5.10; SYSTEM S4.14.
"""

from __future__ import annotations

_UP, _DOWN = 0.3, 0.05
"""How much a message counts: one that came faster than those before tells more than a slower one."""
_JUMP_S = 5.0
_CERTAIN_S = 60.0
_CERTAIN_MESSAGES = 3


class Skew:
    """Partner's clock minus ours, in seconds."""

    __slots__ = ("_back_s", "_count", "_known", "_since", "jumps", "smoothed_s")

    def __init__(self) -> None:
        self.smoothed_s = 0.0
        self.jumps = 0
        """How often either clock was set, as far as can be told."""
        self._known = False
        self._back_s = 0.0
        """The largest difference of those messages that are late, or tell of a clock that was set back."""
        self._count = 0
        """How many there have been in a row."""
        self._since = 0.0
        """When the first of them came."""

    def measure(
        self, theirs: int, now: float, asked_at: float | None = None, waiting: bool = False
    ) -> float | None:  # fmt: skip
        """Take the time field of a message that arrived now; return the size of a jump worth an alarm, or None.

        ``asked_at``: when the message went out that it answers. ``waiting``: whether others are still to be answered.
        """
        delta = theirs + 0.5 - now  # the field is cut to whole seconds: half a second is lost on average
        if not self._known:
            self._known = True
            self.smoothed_s = delta
            return delta if abs(delta) > _JUMP_S else None
        change = delta - self.smoothed_s
        if change > _JUMP_S:
            return self._jump(delta)
        if change >= -_JUMP_S:
            self._count = 0
            self.smoothed_s += change * (_UP if change > 0 else _DOWN)
            return None
        if asked_at is not None and theirs + 1 - asked_at >= self.smoothed_s - _JUMP_S:
            self._count = 0  # written by a clock that was not set back, or not by so much: it is the link that is slow
            return None
        if not self._count:
            self._since, self._back_s = now, delta
        self._count += 1
        self._back_s = max(self._back_s, delta)
        told = asked_at is not None or not waiting
        if told and self._count >= _CERTAIN_MESSAGES and not 0 <= now - self._since < _CERTAIN_S:
            return self._jump(self._back_s)
        return None

    def _jump(self, delta: float) -> float:
        change = delta - self.smoothed_s
        self.smoothed_s = delta
        self._count = 0
        self.jumps += 1
        return change

    @property
    def whole_s(self) -> int:
        """The correction to apply to received times: whole seconds; 0 while the clocks agree within the noise."""
        return 0 if abs(self.smoothed_s) < 1.5 else round(self.smoothed_s)

    def ours(self, theirs: int | None) -> int | None:
        """Return a received absolute time in our clock; 0, without-end and absent stay as they are."""
        if theirs is None or theirs == 0 or theirs == 0xFFFFFFFF:
            return theirs
        return max(theirs - self.whole_s, 0)
