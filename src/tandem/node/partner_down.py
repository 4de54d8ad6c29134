"""What would change if the operator set the partner down now: when, which addresses, and what the risk is.

Reads a node; changes nothing. The dates come from the code that carries out the order (``failover.orders``).
Addresses and names are text here, times are seconds since 1970 UTC, 0 = never.
Source: SYSTEM S4.5, S4.9, S10.5; draft-ietf-dhc-failover-12 section 9.4.2.
"""

from __future__ import annotations

from tandem.base.errors import CommandError
from tandem.base.ipv4 import format_ipv4
from tandem.base.units import format_duration
from tandem.failover import orders
from tandem.failover.endpoint import Endpoint
from tandem.failover.rights import INFINITY, other_from_when
from tandem.failover.states import state_name
from tandem.lease.binding import ACTIVE, EXPIRED, RELEASED, RESET
from tandem.lease.pool import Pool
from tandem.node.alarms import lasts_s
from tandem.node.node import Node
from tandem.wire.failover import ServerState as S


def preview(node: Node, now: float, partner: int, at: float | None, expert: bool) -> list[dict[str, object]]:
    """Return, for each endpoint with ``partner``, what ``set_partner_down`` would do. Raises CommandError 302."""
    return [_preview(endpoint, now, at, expert) for endpoint in node.endpoints_with(partner)]


def _preview(endpoint: Endpoint, now: float, at: float | None, expert: bool) -> dict[str, object]:
    view: dict[str, object] = {
        "name": endpoint.config.name,
        "partner": format_ipv4(endpoint.config.peer),
        "state": state_name(endpoint.state),
        "communications": "OK" if endpoint.communicating else "interrupted",
        "earliest": max(endpoint.saved.interrupted_since, endpoint.saved.last_contact),
    }
    try:
        plan = orders.plan_partner_down(endpoint, now, at, expert)
    except CommandError as error:
        return {**view, "possible": False, "why-not": error.text, "changes": [], "scopes": []}
    if endpoint.state == S.PARTNER_DOWN:
        since = format_duration(max(int(now) - endpoint.saved.since, 0))
        why = f"this server already is in PARTNER-DOWN, for {since}"
        return {**view, "possible": False, "why-not": why, "changes": [], "scopes": []}
    free_from = other_from_when(plan.saved, endpoint.longest_mclt_s)
    scopes = [_scope(endpoint, pool, now) for pool in endpoint.pools()]
    return {
        **view,
        "possible": True,
        "since": int(plan.when),
        "remark": plan.remark.strip(" ()"),
        "use-other-available-time": 0 if abs(free_from) == INFINITY else int(free_from),
        "maximum-client-lead-time": endpoint.mclt_s,
        "changes": _changes(endpoint, plan, free_from, now),
        "scopes": scopes,
    }


def _changes(endpoint: Endpoint, plan: orders.PartnerDown, free_from: float, now: float) -> list[str]:
    """Return the consequences, one sentence each, with numbers."""
    pools, main = endpoint.pools(), endpoint.config.main
    own = sum((pool.main if main else pool.backup).size for pool in pools)
    others = sum((pool.backup if main else pool.main).size for pool in pools)
    leased = sum(pool.counts[ACTIVE] for pool in pools)
    mclt = format_duration(endpoint.longest_mclt_s)
    said = [f"At once: this server enters PARTNER-DOWN and answers all clients; {leased} leases stay as they are."]
    if plan.saved.cautious:
        said.append("Who has a lease is served; new clients are not, because this server does not know all leases.")
    else:
        said.append(f"At once: new clients get addresses of this server's own share, of which {own} are available.")
    if free_from == INFINITY:
        said.append("Never: the partner may have given leases without end, so its addresses are not used.")
    elif free_from > now:
        wait = format_duration(max(int(free_from - now), 1))
        what = f"{others} addresses of the partner's share" + (" and this server's own" if plan.saved.cautious else "")
        said.append(f"In {wait} (the maximum client lead time of {mclt} after the date): {what} may be used as well.")
    else:
        said.append(f"At once, as the date is long enough ago: {others} addresses of the partner's share too.")
    said.append(
        f"Leases that end from now on: their addresses go to other clients {mclt} after the latest end that either"
        " server may have promised."
    )
    said.append(
        "If the partner is alive and still serves clients, both may give the same address once its share is used"
        " here: do this only when it is down. When it comes back, it fetches all leases from here, waits if it must,"
        " and both go on in NORMAL by themselves."
    )
    return said


def _scope(endpoint: Endpoint, pool: Pool, now: float) -> dict[str, object]:
    mine, theirs = (pool.main, pool.backup) if endpoint.config.main else (pool.backup, pool.main)
    rate = pool.arrivals.per_s(now)
    without, with_theirs = lasts_s(mine.size, rate), lasts_s(mine.size + theirs.size, rate)
    return {
        "name": pool.scope.name,
        "own": mine.size,
        "partners": theirs.size,
        "leased": pool.counts[ACTIVE],
        "pending": pool.counts[EXPIRED] + pool.counts[RELEASED] + pool.counts[RESET],
        "own-lasts": "" if without is None else format_duration(without),
        "both-last": "" if with_theirs is None else format_duration(with_theirs),
    }
