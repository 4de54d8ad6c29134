"""What operators see of failover: partners and states, counters, conflicts, as plain values.

Reads a node; changes nothing. Addresses and names are text here, times are seconds since 1970 UTC, 0 = never.
Source: SYSTEM S7.5, S10.4, S10.8.
"""

from __future__ import annotations

from tandem.base.ipv4 import format_ipv4
from tandem.failover import words
from tandem.failover.conflicts import Conflict, View
from tandem.failover.endpoint import Endpoint
from tandem.failover.rights import INFINITY
from tandem.failover.states import TABLE, Cause, state_name
from tandem.node.node import Node
from tandem.wire.failover import ServerState as S


def related_servers(node: Node, now: float) -> list[dict[str, object]]:
    """Return one dict per failover endpoint (S7.5)."""
    return [_related(endpoint, now) for endpoint in node.endpoints]


def _related(endpoint: Endpoint, now: float) -> dict[str, object]:
    saved, config, link = endpoint.saved, endpoint.config, endpoint.link
    partner_down = endpoint.state == S.PARTNER_DOWN
    other_from = endpoint.powers.other_from if partner_down else INFINITY
    return {
        "type": "failover-partner",
        "name": config.name,
        "address": format_ipv4(config.peer),
        "port": config.port,
        "role": "main" if config.main else "backup",
        "partner-role": "backup" if config.main else "main",
        "communications": "OK" if endpoint.communicating else "interrupted",
        "encryption": (link.session or "none") if link is not None and link.set_up else "",
        "connection-problem": "" if endpoint.communicating or endpoint.refusal is None else endpoint.refusal[1],
        "state": state_name(endpoint.state),
        "since": saved.since or int(endpoint.started_at),
        "why": endpoint.why,
        "transition": saved.label,
        "waits-for": endpoint.waits_for(now),
        "timers": _timers(endpoint, now),
        "transitions": [_transition(entry) for entry in reversed(saved.history)],
        "partner-state": state_name(saved.partner_state) + (" (starting)" if endpoint.partner_starting else ""),
        "partner-since": saved.partner_since,
        "start-of-communications-interrupted": saved.interrupted_since,
        "last-contact": int(link.last_received) if link is not None and link.heard_state else saved.last_contact,
        "est-end-recover-time": _date(endpoint.wait_until),
        "safe-period-end": _date(endpoint.safe_period_end()),
        "use-other-available": ("true" if other_from <= now else "false") if partner_down else "",
        "use-other-available-time": _date(other_from),
        "maximum-client-lead-time": endpoint.mclt_s,
        "lease-period-factor": round(endpoint.lease_factor * 100),
        "smoothed-time-delta": round(endpoint.skew.smoothed_s, 1),
        "answers": ("nobody", "renewals only", "all clients")[endpoint.powers.answer],
        "updates-waiting": len(endpoint.queue.waiting),
        "updates-outstanding": endpoint.queue.unacknowledged,
        "updates-untold": len(endpoint.unacked),
        "update-request": _request(endpoint),
        **_counters(endpoint),
    }


def chosen_servers(node: Node) -> list[dict[str, object]]:
    """Return which other servers' offers clients have taken, by what relay ("" = none), and when last."""
    return [
        {"server": format_ipv4(server), "relay": format_ipv4(relay) if relay else "", "at": int(at)}
        for (server, relay), at in node.dhcp.chosen.items()
    ]


def _timers(endpoint: Endpoint, now: float) -> list[dict[str, object]]:
    """Return what will happen by itself, and when, soonest first."""
    powers = endpoint.powers
    partner_down = endpoint.state == S.PARTNER_DOWN
    freed = "new clients are served" if endpoint.saved.cautious else "the partner's addresses may be used"
    connecting = endpoint.link is None and not endpoint.connecting and endpoint.state not in (S.PAUSED, S.SHUTDOWN)
    found = {
        "the partner is taken as out of reach, unless it answers": endpoint.startup_until,
        "RECOVER-WAIT is over, and clients are served again": endpoint.wait_until,
        "the safe period is over: PARTNER-DOWN": endpoint.safe_period_end(),
        freed: powers.other_from if partner_down else INFINITY,
        "the connection is given up, unless the partner sends what was asked for": endpoint.answer_until,
        "the next attempt to connect": max(endpoint.retry_at, endpoint.quiet_until) if connecting else INFINITY,
    }
    coming = [(when, what) for what, when in found.items() if now < when < INFINITY]
    return [{"what": what, "until": int(when)} for when, what in sorted(coming)]


def _transition(entry: list[object]) -> dict[str, object]:
    when, left, entered, label, why = entry
    assert isinstance(left, int) and isinstance(entered, int)
    return {"when": when, "from": state_name(left), "to": state_name(entered), "row": label, "why": why}


def decisions() -> list[dict[str, object]]:
    """Return the decision table's transitions: state, cause, role that it holds for ("" both), state entered, why."""
    return [
        {
            "row": row.label, "from": state_name(row.state), "cause": Cause(row.cause).name.lower().replace("_", "-"),
            "role": row.guard, "to": state_name(row.target), "section": row.section, "why": row.why,
        }
        for row in TABLE if row.target is not None
    ]  # fmt: skip


def _date(when: float) -> int:
    return 0 if abs(when) == INFINITY else int(when)


def _request(endpoint: Endpoint) -> str:
    """Return which UPDREQ is outstanding, in words; "" for none."""
    said = []
    if endpoint.asked_xid is not None:
        said.append("the partner is sending what this server asked for")
    if endpoint.queue.request is not None:
        said.append(f"the partner asked, {len(endpoint.queue.request.remaining)} updates are left")
    return "; ".join(said)


def _counters(endpoint: Endpoint) -> dict[str, object]:
    return {
        "updates-sent": endpoint.updates_sent,
        "updates-received": endpoint.updates_received,
        "rejects-sent": endpoint.rejects_sent,
        "rejects-received": endpoint.rejects_received,
        "conflicts": endpoint.conflicts.count,
        "pool-requests": endpoint.pool_requests,
        "connections": endpoint.connections,
        "connections-lost": endpoint.connections_lost,
        "clock-jumps": endpoint.skew.jumps,
    }


def counters(node: Node) -> list[dict[str, object]]:
    """Return the counters of each failover endpoint since the server started, with its name and state."""
    return [
        {"name": endpoint.config.name, "state": state_name(endpoint.state), **_counters(endpoint)}
        for endpoint in node.endpoints
    ]  # fmt: skip


def conflicts(node: Node) -> list[dict[str, object]]:
    """Return the conflicts that are remembered, of all endpoints, latest last (S10.8)."""
    found = [(conflict, endpoint) for endpoint in node.endpoints for conflict in endpoint.conflicts]
    found.sort(key=lambda pair: (pair[0].last, pair[0].address))
    return [_conflict(conflict, endpoint) for conflict, endpoint in found]


def _conflict(conflict: Conflict, endpoint: Endpoint) -> dict[str, object]:
    return {
        "address": format_ipv4(conflict.address),
        "relationship": endpoint.config.name,
        "winner": conflict.winner,
        "why": conflict.why,
        "reject-reason": words.reason(conflict.reason) if conflict.reason else "",
        **_view("here", conflict.here),
        **(_view("partner", conflict.there) if conflict.there is not None else {"partner-state": "not said"}),
        "times": conflict.count,
        "first-time": conflict.first,
        "last-time": conflict.last,
    }


def _view(side: str, view: View) -> dict[str, object]:
    return {
        f"{side}-state": words.status_name(view.status) if view.status else "unknown",
        f"{side}-client": view.client(),
        f"{side}-expiration": view.expires,
        f"{side}-heard-client": view.heard,
    }


def replaced(node: Node) -> list[str]:
    """Return, after ``Node.shut_down``, what became of each partner, one sentence each."""
    return [_replaced(endpoint, answer) for endpoint, answer in node.replaced()]


def _replaced(endpoint: Endpoint, answer: bool | None) -> str:
    partner = format_ipv4(endpoint.config.peer)
    if answer:
        return f"Partner {partner} has taken over (PARTNER-DOWN)."
    if answer is False:
        return (
            f"Partner {partner} is not connected and could not be told; on it: dhcp setPartnerDown"
            f" {format_ipv4(endpoint.config.local)}"
        )
    return f"Partner {partner} was told, and has stayed in {state_name(endpoint.saved.partner_state)}."
