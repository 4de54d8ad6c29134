"""Addresses in ascending order, added in any order: what lists of leases are read from, a page at a time.

Theory: blocks of 256 addresses are sorted when they are read, so that adding one costs next to nothing. Does not know
what is at an address.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

_BITS = 8


class Addresses:
    """A growing set of addresses that can be read in order from anywhere."""

    def __init__(self) -> None:
        self._blocks: dict[int, list[int]] = {}
        self._order: list[int] = []

    def add(self, address: int) -> None:
        """Add an address that is not in it."""
        block = self._blocks.get(address >> _BITS)
        if block is None:
            self._blocks[address >> _BITS] = [address]
            insort(self._order, address >> _BITS)
        else:
            block.append(address)

    def starting(self, lowest: int) -> Iterator[int]:
        """Yield the addresses from ``lowest`` on, ascending. Nothing may be added meanwhile."""
        first = lowest >> _BITS
        for number in self._order[bisect_left(self._order, first) :]:
            block = sorted(self._blocks[number])
            yield from block if number > first else (address for address in block if address >= lowest)
