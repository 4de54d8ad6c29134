"""Counters at moments in the past, to be subtracted from those of now. Does not know who counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SAMPLE_S = 300
"""Seconds from one sample to the next."""
_STATES = frozenset({"leases", "offers", "scopes", "started-at", "replies-held"})
"""Numbers that tell how something is, not how often it happened."""


def _less(now: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counters of ``now`` less those of ``then``; means and maxima (floats) of another time are left out."""
    return {
        key: value - then.get(key, 0) if isinstance(value, int) and key not in _STATES else value
        for key, value in now.items() if not isinstance(value, float)
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mark:
    """The server's counters at a moment."""

    at: float
    """Seconds since 1970."""
    counters: Mapping[str, Any]

    def same_server(self, counters: Mapping[str, Any]) -> bool:
        """Whether ``counters`` are of the process that these are of: another one has begun at 0."""
        return self.counters.get("started-at") == counters.get("started-at")

    def until(self, counters: Mapping[str, Any]) -> dict[str, Any]:
        """Return what was counted from this moment until ``counters``."""
        before = {partner["name"]: partner for partner in self.counters.get("failover", [])}
        partners = [_less(partner, before.get(partner["name"], {})) for partner in counters.get("failover", [])]
        return _less(counters, self.counters) | {"failover": partners}


@dataclass(slots=True)
class Marks:
    """Since when an operator wants to see the counters, and the beginning and end of the last sample."""

    _reset: Mark | None = None
    _samples: list[Mark] = field(default_factory=list)
    """The last two at most."""

    def reset(self, now: Mark) -> None:
        """Have counters begin at 0 now."""
        self._reset = now

    def reset_of(self, counters: Mapping[str, Any]) -> Mark | None:
        """Return when ``counters`` were reset; None = not since that server started."""
        return self._reset if self._reset is not None and self._reset.same_server(counters) else None

    def take(self, now: Mark) -> None:
        """Take a sample."""
        self._samples = [*(mark for mark in self._samples[-1:] if mark.same_server(now.counters)), now]

    def sample(self, counters: Mapping[str, Any]) -> tuple[Mark, Mark] | None:
        """Return beginning and end of the last whole sample of the server that ``counters`` are of."""
        begun, ended = self._samples if len(self._samples) == 2 else (None, None)
        return (begun, ended) if begun is not None and ended is not None and begun.same_server(counters) else None
