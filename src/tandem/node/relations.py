"""What a reload means for scopes that enter a failover relationship, or leave one and are served alone from then on.

Does not decide states of the pair (``failover.endpoint``) nor which scope belongs where (``config.segments``).
Source: failover chapter, "Changing Failover Server Roles" and the state-transition table's last case.
"""

from __future__ import annotations

from tandem.base.io import Effect, SaveBinding, SaveShare
from tandem.config.compiled import ServerConfig
from tandem.failover import shares
from tandem.failover.endpoint import Endpoint
from tandem.failover.updates import Move
from tandem.lease.binding import BACKUP, EXPIRED, FREE, RELEASED, RESERVED_FLAG, RESET
from tandem.lease.book import Book
from tandem.lease.pool import Pool

PENDING = (EXPIRED, RELEASED, RESET)


def relationships(config: ServerConfig) -> dict[tuple[int, int], str]:
    """Return the name of each scope's relationship ("" = none), by subnet and mask."""
    return {
        (scope.subnet, scope.mask): config.endpoints[scope.endpoint - 1].name if scope.endpoint else ""
        for scope in config.scopes
    }


def join(book: Book, endpoint: Endpoint, pools: list[Pool], now: float, out: list[Effect]) -> None:
    """The scopes of ``pools`` have come to ``endpoint``, whose partner knows nothing of their leases.

    The main tells all of it, its old division of the addresses included; the backup owns nothing until it is told, and
    says so where the relationship goes on: its main may not know that the scope was away.
    """
    for pool in pools:
        for lo, hi in list(pool.backup.unused):
            if endpoint.config.main:
                endpoint.lost_moves.append(Move(lo, hi, BACKUP, True))
            else:
                shares.take_unused(endpoint, lo, hi, FREE, True, out)
        if not endpoint.config.main and endpoint.dialect.extensions and endpoint.saved.met:
            endpoint.lost_moves += [Move(lo, hi, FREE, True) for lo, hi in pool.main.unused]
    indexes = {pool.scope.index for pool in pools}
    for binding in endpoint.bindings():
        scope = book.scope_at(binding.address)
        if scope is None or scope.index not in indexes:
            continue
        if not endpoint.config.main and binding.status == BACKUP and not binding.flags & RESERVED_FLAG:
            book.set_status(binding, FREE, int(now))
        binding.up_to_date = False
        binding.generation += 1
        out.append(SaveBinding(binding.row()))
        endpoint.unacked[binding.address] = binding


def leave(book: Book, main: bool, pools: list[Pool], now: float, out: list[Effect]) -> None:
    """The scopes of ``pools`` are this server's alone: its own available addresses become the side of a lone server.

    The former partner's become the other side, which a lone server gives out of after the MCLT. Leases that wait for
    the partner's word come up, to be made free after it as well.
    """
    for pool in pools:
        own, other = (pool.main, pool.backup) if main else (pool.backup, pool.main)
        mine, theirs = list(own.unused), list(other.unused)
        for spans, owner in ((mine, FREE), (theirs, BACKUP)):
            for lo, hi in spans:
                book.assign_unused(lo, hi, owner)
                out.append(SaveShare(lo, hi, owner == BACKUP, True))
    indexes = {pool.scope.index for pool in pools}
    for binding in book.by_address.values():
        scope = book.scope_at(binding.address)
        if scope is None or scope.index not in indexes:
            continue
        if binding.status in PENDING:
            book.schedule(int(now), binding)
        elif not main and binding.status in (FREE, BACKUP):
            book.set_status(binding, BACKUP if binding.status == FREE else FREE, int(now))
            book.save(binding, out)
