"""Sets of integers held as sorted disjoint closed ranges: the never-used addresses of a scope.

A /8 is one pair of numbers here; cost grows with how fragmented a set is, never with how many addresses
it spans. Does not know what the integers mean.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator


class RangeSet:
    """A mutable set of integers, stored as sorted disjoint closed ranges."""

    __slots__ = ("_hi", "_lo", "size")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._lo: list[int] = []
        self._hi: list[int] = []
        self.size = 0
        """How many integers the set holds."""
        for lo, hi in ranges:
            self.add(lo, hi)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield (lowest, highest) of each range, ascending."""
        return iter(zip(self._lo, self._hi, strict=True))

    def __len__(self) -> int:
        return len(self._lo)

    def __contains__(self, value: int) -> bool:
        i = bisect_right(self._lo, value) - 1
        return i >= 0 and value <= self._hi[i]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RangeSet) and self._lo == other._lo and self._hi == other._hi

    def __repr__(self) -> str:
        return f"RangeSet({list(self)!r})"

    def __hash__(self) -> int:
        raise TypeError("a RangeSet is mutable")

    def copy(self) -> RangeSet:
        """Return an independent copy."""
        twin = RangeSet()
        twin._lo, twin._hi, twin.size = self._lo.copy(), self._hi.copy(), self.size
        return twin

    @property
    def lowest(self) -> int | None:
        """The smallest member, or None."""
        return self._lo[0] if self._lo else None

    @property
    def highest(self) -> int | None:
        """The largest member, or None."""
        return self._hi[-1] if self._hi else None

    def add(self, lo: int, hi: int) -> None:
        """Add all of lo..hi (inclusive); what is in already stays once."""
        assert lo <= hi
        first = bisect_right(self._hi, lo - 2) if lo > 0 else 0  # first range that touches lo-1
        last = bisect_right(self._lo, hi + 1)
        if first < last:
            lo = min(lo, self._lo[first])
            hi = max(hi, self._hi[last - 1])
        for i in range(first, last):
            self.size -= self._hi[i] - self._lo[i] + 1
        self._lo[first:last] = [lo]
        self._hi[first:last] = [hi]
        self.size += hi - lo + 1

    def remove(self, lo: int, hi: int) -> int:
        """Take lo..hi (inclusive) out; return how many members went."""
        if not self._lo:
            return 0
        i = bisect_right(self._hi, lo - 1)
        j = bisect_right(self._lo, hi)
        if i >= j:
            return 0
        before = self.size
        new_lo: list[int] = []
        new_hi: list[int] = []
        for k in range(i, j):
            self.size -= self._hi[k] - self._lo[k] + 1
        if self._lo[i] < lo:
            new_lo.append(self._lo[i])
            new_hi.append(lo - 1)
        if self._hi[j - 1] > hi:
            new_lo.append(hi + 1)
            new_hi.append(self._hi[j - 1])
        for a, b in zip(new_lo, new_hi, strict=True):
            self.size += b - a + 1
        self._lo[i:j] = new_lo
        self._hi[i:j] = new_hi
        return before - self.size

    def discard(self, value: int) -> bool:
        """Take one member out; return whether it was in."""
        i = bisect_right(self._lo, value) - 1
        if i < 0 or value > self._hi[i]:
            return False
        lo, hi = self._lo[i], self._hi[i]
        self.size -= 1
        if lo == hi:
            del self._lo[i], self._hi[i]
        elif value == lo:
            self._lo[i] = value + 1
        elif value == hi:
            self._hi[i] = value - 1
        else:
            self._hi[i] = value - 1
            self._lo.insert(i + 1, value + 1)
            self._hi.insert(i + 1, hi)
        return True

    def pop_lowest(self) -> int:
        """Take the smallest member out and return it. Raises IndexError on the empty set."""
        value = self._lo[0]
        if value == self._hi[0]:
            del self._lo[0], self._hi[0]
        else:
            self._lo[0] = value + 1
        self.size -= 1
        return value

    def take_down_from(self, boundary: int, count: int) -> list[tuple[int, int]]:
        """Take ``count`` members out, from ``boundary`` downwards, then above it upwards; return them as ranges.

        Returns fewer when the set holds fewer. The ranges come in the order taken.
        """
        taken: list[tuple[int, int]] = []
        while count > 0 and self.size:
            i = bisect_right(self._lo, boundary) - 1
            if i >= 0:
                hi = min(boundary, self._hi[i])
                lo = max(self._lo[i], hi - count + 1)
            else:
                lo = self._lo[0]
                hi = min(self._hi[0], lo + count - 1)
            self.remove(lo, hi)
            count -= hi - lo + 1
            taken.append((lo, hi))
        return taken

    def overlap(self, lo: int, hi: int) -> list[tuple[int, int]]:
        """Return the parts of lo..hi that are in the set, ascending."""
        parts = []
        for k in range(bisect_right(self._hi, lo - 1), bisect_right(self._lo, hi)):
            parts.append((max(lo, self._lo[k]), min(hi, self._hi[k])))
        return parts
