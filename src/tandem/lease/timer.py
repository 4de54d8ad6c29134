"""When bindings come up: the lease book's order by time.

Theory: a server holds a million leases of which few end soon. Times to come are kept in bins of 64 s, which cost eight
bytes a lease; a bin is put in order when its first time has come. Does not know what is done with a binding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import heappop, heappush

from tandem.lease.binding import Binding

_BITS = 6


class Timer:
    """The times at which bindings come up. An entry counts only if the binding's ``timed`` says the same."""

    def __init__(self) -> None:
        self._near: list[tuple[int, int]] = []
        """A heap of (time, address)."""
        self._bins: dict[int, list[int]] = {}
        """By time: the earliest time in the bin, then the addresses."""
        self._order: list[int] = []
        """A heap of the keys of ``_bins``."""
        self._reached = 0
        """Bins below this are in ``_near``."""

    def __len__(self) -> int:
        """How many entries are kept, those that count for nothing included."""
        return len(self._near) + sum(len(entries) - 1 for entries in self._bins.values())

    def add(self, when: int, address: int) -> None:
        """Bring the address up at ``when``, to which ``timed`` of its binding has been set."""
        number = when >> _BITS
        if number < self._reached:
            heappush(self._near, (when, address))
            return
        known = self._bins.get(number)
        if known is None:
            self._bins[number] = [when, address]
            heappush(self._order, number)
        else:
            known[0] = min(known[0], when)
            known.append(address)

    def due(self, now: float, bindings: Mapping[int, Binding]) -> Iterator[Binding]:
        """Yield the bindings whose time has come, by time and address; ``timed`` of each is 0 then."""
        near, order = self._near, self._order
        while True:
            while order and self._bins[order[0]][0] <= now:
                self._sort(heappop(order), bindings)
            if not near or near[0][0] > now:
                return
            when, address = heappop(near)
            binding = bindings[address]
            if binding.timed == when:  # else it was brought forward, and came up before
                binding.timed = 0
                yield binding

    def _sort(self, number: int, bindings: Mapping[int, Binding]) -> None:
        _, *addresses = self._bins.pop(number)
        self._reached = number + 1
        for address in addresses:
            when = bindings[address].timed
            if when and when >> _BITS == number:
                heappush(self._near, (when, address))

    def next(self) -> int | None:
        """When ``due`` has something next, or None."""
        bins = self._bins[self._order[0]][0] if self._order else None
        if self._near and (bins is None or self._near[0][0] < bins):
            return self._near[0][0]
        return bins
