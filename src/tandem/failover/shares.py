"""Sharing the available addresses between main and backup: who gives, asks and takes back, and when.

How many is decided in ``failover.balance``; updates carry the result. Does not know connections.
Source: draft-ietf-dhc-failover-12 sections 5.4, 5.13, 7.6; SYSTEM S4.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandem.base.io import Effect, SaveShare
from tandem.failover import balance
from tandem.failover.rights import INFINITY
from tandem.failover.updates import FLUSH_S, Move
from tandem.lease.binding import BACKUP, FREE, Binding
from tandem.wire.failover import PoolRequest
from tandem.wire.failover import ServerState as S

if TYPE_CHECKING:
    from tandem.failover.endpoint import Endpoint

BALANCE_S = 10.0
RECLAIM_S = 3600.0


def rebalance(endpoint: Endpoint, now: float, out: list[Effect]) -> int:
    """Give the backup what its share lacks; once an hour, or when the main runs short, take back.

    Returns how many addresses were given. A backup only asks (section 7.6).
    """
    if endpoint.state != S.NORMAL:
        endpoint.balance_at = INFINITY
        return 0
    if not endpoint.config.main:
        ask_for_addresses(endpoint, now, out)
        return 0
    if endpoint.saved.own_from > now:
        endpoint.balance_at = float(endpoint.saved.own_from)
        return 0
    endpoint.balance_s = min(2 * endpoint.balance_s, RECLAIM_S) if endpoint.move_refused else BALANCE_S
    endpoint.move_refused = False
    endpoint.balance_at = now + endpoint.balance_s
    take_back = now >= endpoint.reclaim_at
    if take_back:
        endpoint.reclaim_at = now + RECLAIM_S
    total = taken = 0
    for pool in endpoint.pools():
        target = balance.target_of(pool, endpoint.dialect.backup_pct_max)
        given, moves = balance.give(endpoint.book, pool, target, endpoint.backup_buckets, int(now), out)
        total += given
        if take_back or balance.starved(pool, target):
            back = balance.reclaim(endpoint.book, pool, target, endpoint.backup_buckets)
            taken += len(back)
            moves += back
        for move in moves:
            endpoint.queue.add(move)
    if total:
        endpoint.note("Info", 6140, f"Gave {total} addresses to the backup's share", out, "failover-detail")
    if now >= endpoint.remind_at and not taken:
        endpoint.remind_at = now + RECLAIM_S
        endpoint.reminders.begin(endpoint.pools() if endpoint.dialect.extensions else ())
    if endpoint.queue.waiting or endpoint.reminders.waiting:
        endpoint.flush_at = min(endpoint.flush_at, now + FLUSH_S)
    return total


def give_back(endpoint: Endpoint, now: float, out: list[Effect]) -> int:
    """Backup: give the main, which asks, what is more than half; return how many addresses."""
    total = 0
    for pool in endpoint.pools() if endpoint.state == S.NORMAL else ():
        given, moves = balance.give_back(endpoint.book, pool, int(now), out)
        total += given
        for move in moves:
            endpoint.queue.add(move)
    if total:
        endpoint.note("Info", 6141, f"Gave {total} addresses back to the main", out, "failover-detail")
        endpoint.flush_at = min(endpoint.flush_at, now + FLUSH_S)
    return total


def queue_lost_moves(endpoint: Endpoint) -> None:
    """Put ranges given before a restart in line again: the partner may not have heard of them."""
    for move in endpoint.lost_moves:
        endpoint.queue.add(move)
    endpoint.lost_moves = []


def take_unused(endpoint: Endpoint, lo: int, hi: int, owner: int, acked: bool, out: list[Effect]) -> None:
    """Make never-used addresses lo..hi ``owner``'s, in memory and on stable storage."""
    endpoint.book.assign_unused(lo, hi, owner)
    out.append(SaveShare(lo, hi, owner == BACKUP, acked))


def unreserved(endpoint: Endpoint, binding: Binding, now: float, out: list[Effect]) -> None:
    """The reservation of an address is cancelled (section 5.13). The caller saves it, so that it is told.

    The backup gives up what it could give to the client. On the main it becomes an address like others only when
    the backup agrees: until then the backup may have given it to the client.
    """
    if not endpoint.saved.met:
        return
    if endpoint.config.main and binding.status == FREE:
        endpoint.book.set_status(binding, BACKUP, int(now))
        endpoint.queue.add(Move(binding.address, binding.address, FREE, False))
    elif not endpoint.config.main and binding.status == BACKUP:
        endpoint.book.set_status(binding, FREE, int(now))


def ask_for_addresses(endpoint: Endpoint, now: float, out: list[Effect]) -> None:
    """Backup: ask the main for addresses (section 7.6.1)."""
    endpoint.balance_at = now + RECLAIM_S  # and then again, should nothing else lead to it (section 7.6)
    if endpoint.link is not None:
        endpoint.pool_requests += 1
        endpoint.pool_xid = endpoint.link.send(PoolRequest(), now, out)
