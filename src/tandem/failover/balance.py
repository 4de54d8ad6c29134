"""The backup's share of each scope's available addresses: how much to give or take back, and which.

Only the main decides. Addresses move by acknowledged updates only (invariant 3): given ones stop being the
main's when the update is saved, taken ones are the backup's until it has agreed.
Source: draft-ietf-dhc-failover-12 sections 5.4, 7.6, 7.7; SYSTEM S4.6, S4.7.
"""

from __future__ import annotations

from tandem.base.io import Effect, SaveShare
from tandem.failover.updates import Move
from tandem.lease.binding import BACKUP, FREE, Binding
from tandem.lease.book import Book
from tandem.lease.loadbalance import bucket
from tandem.lease.pool import Pool


def target_of(pool: Pool, pct_max: int) -> int:
    """Return the backup's share of a pool, in addresses; ``pct_max``: what a backup of its make keeps at most."""
    return min(pool.target(), (pool.main.size + pool.backup.size) * pct_max // 100)


def give(book: Book, pool: Pool, target: int, buckets: int, now: int, out: list[Effect]) -> tuple[int, list[Move]]:
    """Bring the backup's share of a pool up to ``target``; return how many addresses and the moves to tell.

    With load balancing first addresses whose last client the backup answers (``buckets``; section 5.4); then
    never-used addresses as ranges from the boundary down; then records, which the book queues itself.
    """
    missing = target - pool.backup.size
    if missing <= target // 10 and pool.backup.size:
        return 0, []  # near enough: small differences do not start traffic
    given = 0
    moves: list[Move] = []
    if buckets:
        for binding in recorded(book, pool, FREE):
            if given < missing and buckets >> bucket(binding.client_id, binding.hardware) & 1:
                _give_record(book, binding, now, out)
                given += 1
    for lo, hi in pool.main.unused.take_down_from(pool.boundary, missing - given):
        pool.backup.unused.add(lo, hi)
        out.append(SaveShare(lo, hi, True, False))
        moves.append(Move(lo, hi, BACKUP, True))
        given += hi - lo + 1
    while given < missing:
        address = pool.take(FREE, book.by_address, book.offered)
        if address is None:
            break
        pool.main.recorded += 1  # set_status takes it off again
        _give_record(book, book.by_address[address], now, out)
        given += 1
    return given, moves


def _give_record(book: Book, binding: Binding, now: int, out: list[Effect]) -> None:
    book.set_status(binding, BACKUP, now)
    book.save(binding, out)


def recorded(book: Book, pool: Pool, own: int) -> list[Binding]:
    """Return the available addresses of one owner that had a client, and are not set aside for an offer."""
    found = {
        address: book.by_address[address]
        for _, address, since in pool.side(own).heap
        if address not in book.offered
        and book.by_address[address].status == own
        and book.by_address[address].start_of_state == since
    }
    return list(found.values())


def starved(pool: Pool, target: int) -> bool:
    """Return whether the main has less than half of its own target: new clients must not wait for the hour."""
    return 2 * pool.main.size < pool.main.size + pool.backup.size - target


def reclaim(book: Book, pool: Pool, target: int, buckets: int) -> list[Move]:
    """Return the moves that bring a backup's share that is too large down to its target (S4.6).

    With load balancing first addresses whose last client the main answers (section 5.4).
    """
    surplus = pool.backup.size - target
    if surplus <= max(target // 10, 1):
        return []
    records = [Move(binding.address, binding.address, FREE, False) for binding in recorded(book, pool, BACKUP)]
    if buckets:
        mine = [move for move in records if not buckets >> _bucket_of(book, move) & 1]
        records = [move for move in records if buckets >> _bucket_of(book, move) & 1]
    else:
        mine = []
    moves = mine[:surplus]
    surplus -= len(moves)
    for lo, hi in pool.backup.unused:
        if surplus <= 0:
            break
        hi = min(hi, lo + surplus - 1)
        moves.append(Move(lo, hi, FREE, True))
        surplus -= hi - lo + 1
    return moves + records[: max(surplus, 0)]


def _bucket_of(book: Book, move: Move) -> int:
    binding = book.by_address[move.lo]
    return bucket(binding.client_id, binding.hardware)


def give_back(book: Book, pool: Pool, now: int, out: list[Effect]) -> tuple[int, list[Move]]:
    """Give the main what the backup has above half of the available addresses; return as ``give``. Backup only.

    For a main that asks, as ISC dhcpd does when it runs short: the draft has only the backup ask (section 7.6).
    """
    surplus = (pool.backup.size - pool.main.size) // 2
    moves: list[Move] = []
    given = 0
    for lo, hi in pool.backup.unused.take_down_from(pool.boundary, max(surplus, 0)):
        pool.main.unused.add(lo, hi)
        out.append(SaveShare(lo, hi, False, False))
        moves.append(Move(lo, hi, FREE, True))
        given += hi - lo + 1
    for binding in recorded(book, pool, BACKUP)[: max(surplus - given, 0)]:
        book.set_status(binding, FREE, now)
        book.save(binding, out)
        given += 1
    return given, moves
