"""What operators see of a server: scopes, leases, statistics, as plain values. Of partners: ``partner_views``.

Reads a node; changes nothing. Addresses and names are text here, times are seconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tandem.base.ipv4 import format_hardware, format_ipv4
from tandem.base.units import FOREVER, format_duration
from tandem.config.compiled import CompiledScope
from tandem.failover import words
from tandem.failover.endpoint import Endpoint
from tandem.lease.binding import (
    ABANDONED,
    ACTIVE,
    BACKUP,
    BOOTP_FLAG,
    DEACTIVATED_FLAG,
    EXPIRED,
    FREE,
    RELEASED,
    RESERVED_FLAG,
    RESET,
    Binding,
)
from tandem.lease.offers import HELD_BACK
from tandem.lease.pool import Pool
from tandem.node.alarms import lasts_s
from tandem.node.node import Node

_HOST_NAME, _RELAY_INFO = 12, 82


def scopes(node: Node, now: float, names: Sequence[str] | None = None) -> list[dict[str, object]]:
    """Return one dict per scope (None: all; else those of ``names`` that there are): how many addresses are leased, and
    each side's share."""
    wanted = None if names is None else dict.fromkeys(names)
    views: list[dict[str, object]] = []
    for pool in node.book.pools:
        if wanted is not None and pool.scope.name not in wanted:
            continue
        scope, counts = pool.scope, pool.counts
        backup = scope.endpoint != 0 and not node.endpoints[scope.endpoint - 1].config.main
        mine, theirs = (pool.backup, pool.main) if backup else (pool.main, pool.backup)
        views.append({
            "name": scope.name,
            "subnet": format_ipv4(scope.subnet),
            "addresses": scope.ranges.size,
            "reserved": len(scope.reserved),
            "leased": counts[ACTIVE],
            "available": mine.size,
            "other-available": theirs.size if scope.endpoint else 0,
            "main-share": pool.main.size,
            "backup-share": pool.backup.size,
            "backup-target": pool.target() if scope.endpoint else 0,
            "pending-available": counts[EXPIRED] + counts[RELEASED] + counts[RESET],
            "unavailable": counts[ABANDONED],
            "arrivals-per-hour": round(pool.arrivals.per_s(now) * 3600, 1),
            **(_endurance(pool, now) if scope.endpoint else {}),
            "failover": node.endpoints[scope.endpoint - 1].config.name if scope.endpoint else "",
        })  # fmt: skip
    return views


def _endurance(pool: Pool, now: float) -> dict[str, object]:
    """Return for how long each server's own share would last if the partner were lost now (S10.3), in seconds.

    None: no client has come, so it would last for ever as far as is known.
    """
    rate = pool.arrivals.per_s(now)
    return {"main-lasts-s": lasts_s(pool.main.size, rate), "backup-lasts-s": lasts_s(pool.backup.size, rate)}


def lease_state(node: Node, binding: Binding, endpoint: Endpoint | None, now: float) -> str:
    """Return the operator's word for a binding's state (commands: lease states)."""
    status = binding.status
    if status == ACTIVE:
        return "leased" if binding.expires > now or binding.expires == FOREVER else "expired"
    if status == ABANDONED:
        return "unavailable"
    if status in (EXPIRED, RELEASED, RESET):
        return "pending-available"
    mine = FREE if endpoint is None or endpoint.config.main else BACKUP
    return "available" if status == mine or binding.flags & RESERVED_FLAG else "other-available"


def lease_flags(binding: Binding, endpoint: Endpoint | None) -> list[str]:
    """Return what is particular about one lease, in words."""
    flags = []
    if binding.flags & RESERVED_FLAG:
        flags.append("reserved")
    if endpoint is not None and binding.up_to_date:
        flags.append("failover-updated")
    if endpoint is not None and not endpoint.config.main:
        flags.append("backup")
    if binding.flags & BOOTP_FLAG:
        flags.append("bootp")
    if binding.flags & DEACTIVATED_FLAG:
        flags.append("deactivated")
    return flags


def lease_view(node: Node, binding: Binding, now: float) -> dict[str, object]:
    """Return one lease as operators see it."""
    scope = node.book.scope_at(binding.address)
    endpoint = node.endpoints[scope.endpoint - 1] if scope is not None and scope.endpoint else None
    view: dict[str, object] = {
        "address": format_ipv4(binding.address),
        "state": lease_state(node, binding, endpoint, now),
        "flags": ",".join(lease_flags(binding, endpoint)),
        "scope-name": scope.name if scope is not None else "",
        "client-mac-addr": format_hardware(binding.hardware),
        "client-id": binding.client_id.hex(":"),
        "client-host-name": host_name(binding.options),
        "expiration": binding.expires,
        "start-time-of-state": binding.start_of_state,
        "client-last-transaction-time": binding.last_transaction,
        "granted-by": _GRANTED_BY[binding.granted_by],
    }
    if scope is not None:
        policy = node.config.policy_of(scope, binding.address, binding.client_id, binding.hardware)
        view["desired-lease-time"] = FOREVER if policy.permanent else policy.lease_s
    if endpoint is not None:
        view["sent-potential-expiration"] = binding.sent_potential
        view["acked-potential-expiration"] = binding.acked_potential
        view["received-potential-expiration"] = binding.received_potential
        if scope is not None:
            view["why-short"] = _why_short(endpoint, scope, binding, now)
    relay = _kept(binding.options, _RELAY_INFO)
    if relay:
        view["relay-agent-info"] = relay.hex(":")
    limitation = "" if node.book.limits is None else node.book.limits.of_lease(binding.address)
    if limitation:
        view["limitation-id"] = limitation
    if scope is not None and binding.address in scope.reserved:
        key = scope.reserved[binding.address].key
        view["reservation-lookup-key"] = format_hardware(key[1:]) if key[:1] == b"h" else key[1:].hex(":")
    return view


def _why_short(endpoint: Endpoint, scope: CompiledScope, binding: Binding, now: float) -> str:
    """Return why a lease is shorter than its policy says, and when it will not be; "" when it is not (S10.4)."""
    policy = endpoint.book.config.policy_of(scope, binding.address, binding.client_id, binding.hardware)
    mclt_s = endpoint.powers.mclt_s
    desired = FOREVER if policy.permanent else policy.lease_s
    given = binding.expires - binding.last_transaction
    if binding.status != ACTIVE or binding.expires == FOREVER or given >= desired or mclt_s is None:
        return ""
    if given == mclt_s + 1:
        given = mclt_s  # the end is rounded up to a second, the transaction down
    text = (
        f"given for {format_duration(given)} of {format_duration(desired)}: limited by the maximum client lead time of"
        f" {format_duration(mclt_s)} beyond what the partner has acknowledged"
    )
    if policy.allow_lease_time_override:
        text += " (or by the client's own wish)"
    next_s = endpoint.powers.lease_seconds(binding, desired, int(now))
    if next_s >= desired:
        return text + "; the partner has acknowledged enough since, so the next renewal gets the full time"
    wait = "" if endpoint.communicating else ", and the partner cannot be reached"
    return text + f"; a renewal now would get {format_duration(next_s)}{wait}"


def host_name(options: bytes) -> str:
    """Return the host name among the options that are kept of a client."""
    return _kept(options, _HOST_NAME).decode("ascii", "replace")


def _kept(options: bytes, wanted: int) -> bytes:
    """Return the contents of an option that is kept of a client's request; nothing when there is none."""
    at = 0
    while at + 2 <= len(options):
        code, length = options[at], options[at + 1]
        if code == wanted:
            return options[at + 2 : at + 2 + length]
        at += 2 + length
    return b""


def lease(node: Node, address: int, now: float) -> dict[str, object] | None:
    """Return one address's lease; None when it is in no scope's range and has no record."""
    binding = node.book.by_address.get(address)
    if binding is not None:
        return lease_view(node, binding, now)
    scope = node.book.scope_at(address)
    if scope is None or (address not in scope.ranges and address not in scope.reserved):
        return None
    pool = node.book.pools[scope.index]
    blank = Binding(address, pool.owner_of_unused(address) or FREE)
    blank.up_to_date = True
    return lease_view(node, blank, now)


_GRANTED_BY = ("", "this server", "partner")


def history(rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Return the history of an address as it is shown: its bindings' values, one dict per change of state."""
    return [
        {
            "start-time-of-state": row["start_of_state"],
            "state": words.status_name(_int(row["status"])),
            "client-mac-addr": format_hardware(_octets(row["hardware"])),
            "client-id": _octets(row["client_id"]).hex(":"),
            "expiration": row["expires"],
            "granted-by": _GRANTED_BY[_int(row["granted_by"])] if row["status"] == ACTIVE else "",
            "renewals": _int(row["renewals"]),
            "last-renewal": _int(row["last_transaction"]) if row["renewals"] else 0,
        }
        for row in rows
    ]


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0


def _octets(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""


def statistics(node: Node) -> dict[str, object]:
    """Return the server's counters."""
    return {
        "started-at": int(node.started_at),
        "leases": len(node.book.by_address),
        "offers": sum(value is not HELD_BACK for value in node.book.offered.values()),
        "scopes": len(node.config.scopes),
        **{f"dhcp-{name}": value for name, value in node.dhcp.counters.items()},
    }
