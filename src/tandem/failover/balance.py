"""The backup's share of each scope's available addresses: how much to give or take back, and which.

Only the main decides. Addresses move by acknowledged updates only (invariant 3): given ones stop being the
main's when the update is saved, taken ones are the backup's until it has agreed.
Source: draft-ietf-dhc-failover-12 sections 5.4, 7.6, 7.7; SYSTEM S4.6, S4.7.
"""

from __future__ import annotations

from tandem.base.io import Effect, SaveShare
from tandem.failover.updates import Move
from tandem.lease.binding import BACKUP, FREE
from tandem.lease.book import Book
from tandem.lease.pool import Pool


def give(book: Book, pool: Pool, now: int, out: list[Effect]) -> tuple[int, list[Move]]:
    """Bring the backup's share of a pool up to its target; return how many addresses and the moves to tell.

    Never-used addresses go as ranges from the boundary down; then records, which the book queues itself.
    """
    missing = pool.target() - pool.backup.size
    if missing <= pool.target() // 10 and pool.backup.size:
        return 0, []  # near enough: small differences do not start traffic
    given = 0
    moves: list[Move] = []
    for lo, hi in pool.main.unused.take_down_from(pool.boundary, missing):
        pool.backup.unused.add(lo, hi)
        out.append(SaveShare(lo, hi, True, False))
        moves.append(Move(lo, hi, BACKUP, True))
        given += hi - lo + 1
    while given < missing:
        address = pool.take(FREE, book.by_address, book.offered)
        if address is None:
            break
        binding = book.by_address[address]
        pool.main.recorded += 1  # set_status takes it off again
        book.set_status(binding, BACKUP, now)
        book.save(binding, out)
        given += 1
    return given, moves


def starved(pool: Pool) -> bool:
    """Return whether the main has less than half of its own target: new clients must not wait for the hour."""
    return 2 * pool.main.size < pool.main.size + pool.backup.size - pool.target()


def reclaim(book: Book, pool: Pool) -> list[Move]:
    """Return the moves that bring a backup's share that is too large down to its target (S4.6)."""
    surplus = pool.backup.size - pool.target()
    if surplus <= max(pool.target() // 10, 1):
        return []
    moves: list[Move] = []
    for lo, hi in pool.backup.unused:
        if surplus <= 0:
            break
        hi = min(hi, lo + surplus - 1)
        moves.append(Move(lo, hi, FREE, True))
        surplus -= hi - lo + 1
    for _, address, since in pool.backup.heap:
        if surplus <= 0:
            break
        binding = book.by_address[address]
        if binding.status == BACKUP and binding.start_of_state == since and address not in book.offered:
            moves.append(Move(address, address, FREE, False))
            surplus -= 1
    return moves
