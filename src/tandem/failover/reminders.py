"""Reminding the backup of what is its: what the main holds for the backup's and the backup for the main's is nobody's.

It comes about when the main takes addresses back, the backup agrees, and the main does not hear of it: because it dies
just then, or asks anew and is refused, as one of the range has a client by then. So the main says now and then what it
holds for the backup's. Does not know when (``failover.shares``), nor connections.

Theory: that gives no address a second owner. The main says it only of addresses that it gives to nobody, while none is
being taken back; the backup makes an address its own only if it is the main's in its book and the main has acknowledged
all that the backup had to say of it. What the main says later of the same address comes later on the same connection.
Source: decisions/0002.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from tandem.base.io import Effect, SaveBinding
from tandem.failover import balance
from tandem.lease.binding import BACKUP, FREE, RESERVED_FLAG
from tandem.lease.book import Book
from tandem.lease.pool import Pool
from tandem.wire.failover import Update, UpdateBatch

Span = tuple[int, int]
"""The lowest and the highest of available addresses next to each other: all never-used ones, or all with a record."""


class Reminders:
    """What the backup is to be reminded of."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.waiting: deque[Span] = deque()
        self._on_the_way: dict[int, list[Span]] = {}
        """By xid of the BNDUPD."""

    def begin(self, pools: Iterable[Pool]) -> None:
        """Put in line all that the main holds for the backup's and that the backup has acknowledged."""
        self.waiting.clear()
        for pool in pools:
            self.waiting += pool.backup.unused
            recorded = balance.recorded(self._book, pool, BACKUP)
            self.waiting += _spans(sorted(binding.address for binding in recorded if binding.up_to_date))

    def next_batch(self, secret: bytes, now: int) -> tuple[UpdateBatch, list[Span]]:
        """Fill one BNDUPD from the line; return it (empty when nothing is left) and what it holds."""
        batch = UpdateBatch(secret)
        spans: list[Span] = []
        while self.waiting:
            lo, hi = self.waiting[0]
            if self._is_the_backups(lo, hi):
                if not batch.add(Update(lo, BACKUP, start_of_state=now, last_address=hi)):
                    break
                spans.append((lo, hi))
            self.waiting.popleft()
        return batch, spans

    def _is_the_backups(self, lo: int, hi: int) -> bool:
        """Whether nothing has changed since it came into line; else it has to wait for the next time."""
        book = self._book
        scope = book.scope_at(lo)
        if scope is None:
            return False
        if book.pools[scope.index].backup.unused.overlap(lo, hi) == [(lo, hi)]:
            return True
        known = (book.by_address.get(address) for address in range(lo, hi + 1))
        return all(b is not None and b.status == BACKUP and b.up_to_date for b in known)

    def sent(self, xid: int, spans: list[Span]) -> None:
        """A BNDUPD with these is on its way."""
        self._on_the_way[xid] = spans

    def answered(self, xid: int) -> None:
        """The BNDUPD of ``xid`` is no longer on the way. What was refused comes again the next time."""
        self._on_the_way.pop(xid, None)

    def forget(self) -> None:
        """The connection is gone, or scopes are."""
        self.waiting.clear()
        self._on_the_way.clear()

    def meeting(self, lo: int, hi: int) -> list[Span]:
        """Return what is on the way of lo..hi."""
        return [(a, b) for spans in self._on_the_way.values() for a, b in spans if a <= hi and lo <= b]


def _spans(addresses: list[int]) -> Iterator[Span]:
    start = 0
    for i, address in enumerate(addresses):
        if i + 1 == len(addresses) or addresses[i + 1] != address + 1:
            yield addresses[start], address
            start = i + 1


def take(book: Book, lo: int, hi: int, now: int, out: list[Effect]) -> int:
    """Backup: make addresses with a record among lo..hi, which the main holds for the backup's, its own; return how
    many were the main's here."""
    count = 0
    for address in book.addresses.starting(lo):
        if address > hi:
            break
        binding = book.by_address[address]
        if binding.status == FREE and binding.up_to_date and not binding.flags & RESERVED_FLAG:
            book.set_status(binding, BACKUP, now)
            binding.generation += 1
            out.append(SaveBinding(binding.row()))
            count += 1
    return count
