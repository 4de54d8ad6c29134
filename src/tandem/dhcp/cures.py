"""Why a client gets no address, and what helps, in one sentence for the log.

Does not decide anything. Source: SYSTEM S10.4.
"""

from __future__ import annotations

from tandem.base.ipv4 import format_hardware
from tandem.config.compiled import CompiledScope
from tandem.dhcp.query import Query
from tandem.lease.book import Book


def why_no_address(book: Book, query: Query) -> str:
    """Return why a new DHCP client gets no address, and what helps."""
    network, powers = query.network, query.powers
    names = ", ".join(scope.name for scope in network.scopes)
    pools = [book.pools[scope.index] for scope in network.scopes]
    theirs = sum(pool.side(powers.theirs).size for pool in pools)
    total = sum(pool.scope.ranges.size for pool in pools)
    unfit = [scope for scope in network.scopes if query.profile is not None and not query.profile.fits(scope)]
    if unfit and all(query.closed(scope) or scope.renew_only for scope in network.scopes):
        cure = _criteria_cure(query, unfit)
    elif all(query.closed(scope) or scope.renew_only for scope in network.scopes):
        cure = "the scope is deactivated, only renews or serves no DHCP clients (deactivated, renew-only, dhcp)"
    elif network.endpoint and theirs:
        cure = (
            f"{theirs} available addresses are the partner's share ({powers.why}); increase"
            " failover-backup-percentage if it is the backup that runs out, or see dhcp getRelatedServers"
        )
    else:
        cure = "add a range with scope NAME addRange, or give shorter leases"
    return (
        f"New clients cannot get addresses in {names}: none of {total} is available for"
        f" {format_hardware(query.hardware)}; {cure}"
    )


def _criteria_cure(query: Query, unfit: list[CompiledScope]) -> str:
    profile = query.profile
    assert profile is not None
    named = f" of client-class {profile.client_class}" if profile.client_class else ""
    wanted = ",".join(sorted(profile.criteria)) or "none"
    without = f" and none of {','.join(sorted(profile.excluded))}" if profile.excluded else ""
    have = "; ".join(f"{scope.name} has {','.join(sorted(scope.tags)) or 'none'}" for scope in unfit)
    return (
        f"no scope that serves fits the selection criteria{named}: needed are all of {wanted}{without}, {have}"
        " (change selection-tag-list of a scope, or the criteria)"
    )


def why_no_bootp_address(query: Query) -> str:
    """Return why a BOOTP client gets no address, and what helps."""
    scopes = query.network.scopes
    if all(query.closed(scope) for scope in scopes):
        return "BOOTP is off in the scope (enable its bootp)"
    if any(scope.dynamic_bootp for scope in scopes):
        return (
            "no address of this server's own is left in a dynamic-bootp scope; the partner's are never taken"
            " (add a range, or change failover-dynamic-bootp-backup-percentage)"
        )
    return "no address is reserved for it (add one with scope NAME addReservation, or enable dynamic-bootp)"
