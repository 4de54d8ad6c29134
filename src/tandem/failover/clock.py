"""The difference between the partner's clock and ours, measured on every message and smoothed.

Source: draft-ietf-dhc-failover-12 section 5.10; SYSTEM S4.14.
"""

from __future__ import annotations

_WEIGHT = 0.1
_JUMP_S = 5.0
_CERTAIN_S = 5.0
"""How long a jump must last before it is an alarm: a message that the network has held up looks like one."""


class Skew:
    """Partner's clock minus ours, in seconds."""

    __slots__ = ("_before_s", "_known", "_since", "jumps", "smoothed_s")

    def __init__(self) -> None:
        self.smoothed_s = 0.0
        self.jumps = 0
        """How often either clock was set, as far as can be told."""
        self._known = False
        self._before_s = 0.0
        """The difference before the jump that is not certain yet."""
        self._since: float | None = None
        """When that jump was seen; None = there is none."""

    def measure(self, theirs: int, now: float) -> float | None:
        """Take the time field of a message that arrived now; return the size of a jump worth an alarm, or None.

        A jump counts at once for the times that are received (after one that was only a delay leases last longer
        by it, which is safe) and becomes an alarm when it has lasted. On a new connection a difference is said at
        once.
        """
        delta = theirs + 0.5 - now  # the field is cut to whole seconds: half a second is lost on average
        if not self._known:
            self._known = True
            self.smoothed_s = delta
            return delta if abs(delta) > _JUMP_S else None
        change = delta - self.smoothed_s
        if abs(change) <= _JUMP_S:
            self.smoothed_s += change * _WEIGHT
            if self._since is None or 0 <= now - self._since < _CERTAIN_S:
                return None
            self._since = None
            self.jumps += 1
            return self.smoothed_s - self._before_s
        if self._since is None:
            self._before_s, self._since = self.smoothed_s, now
        elif abs(delta - self._before_s) <= _JUMP_S:
            self._since = None  # it was a delay
        self.smoothed_s = delta
        return None

    @property
    def whole_s(self) -> int:
        """The correction to apply to received times: whole seconds; 0 while the clocks agree within the noise."""
        return 0 if abs(self.smoothed_s) < 1.5 else round(self.smoothed_s)

    def ours(self, theirs: int | None) -> int | None:
        """Return a received absolute time in our clock; 0, without-end and absent stay as they are."""
        if theirs is None or theirs == 0 or theirs == 0xFFFFFFFF:
            return theirs
        return max(theirs - self.whole_s, 0)
