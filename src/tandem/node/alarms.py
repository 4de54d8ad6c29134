"""What is wrong with a server or its pair right now, as a list of alarms: what, how bad, since when, what to do.

Reads a node; changes nothing, remembers nothing: whoever asks again sees whether an alarm is still there
(``cluster.watch`` keeps when it was raised and cleared). Addresses and names are text here, times are seconds since
1970 UTC, 0 = not known.
Source: SYSTEM S4.14, S9, S10.3.
"""

from __future__ import annotations

from collections.abc import Iterator

from tandem.base.ipv4 import format_ipv4
from tandem.base.units import format_duration
from tandem.failover.endpoint import Endpoint
from tandem.failover.states import SERVING, state_name
from tandem.lease.binding import BACKUP
from tandem.lease.pool import Pool
from tandem.node.node import Node
from tandem.wire.failover import RejectReason
from tandem.wire.failover import ServerState as S

LASTS_S = 3600.0
"""How long something that happens once (a clock that is set, a conflict) stays an alarm."""
SKEW_S = 5.0
"""Clocks further apart than this are worth an alarm: times are corrected, logs are not."""

Alarm = dict[str, object]


def alarms(node: Node, now: float) -> list[Alarm]:
    """Return what is wrong now, the worst first."""
    found = [*_of_scopes(node, now)]
    for endpoint in node.endpoints:
        found += _of_endpoint(endpoint, now)
    return sorted(found, key=lambda alarm: (alarm["level"] != "Error", alarm["kind"], alarm["subject"]))


def _alarm(kind: str, level: str, subject: str, since: float, text: str, cure: str) -> Alarm:
    return {"kind": kind, "level": level, "subject": subject, "since": int(since), "text": text, "cure": cure}


def _of_endpoint(endpoint: Endpoint, now: float) -> Iterator[Alarm]:
    name, saved, state = endpoint.config.name, endpoint.saved, endpoint.state
    partner = format_ipv4(endpoint.config.peer)
    if not endpoint.communicating and state != S.STARTUP:
        since = saved.interrupted_since or saved.last_contact
        lost = f"the partner {partner} is out of reach" if saved.met else f"no partner has come from {partner}"
        answers = "this server answers all clients" if state in SERVING else f"this server is in {state_name(state)}"
        yield _alarm(
            "communications-interrupted", "Error" if saved.met else "Warning", name, since, f"{lost}; {answers}",
            "see whether the partner runs and can be reached (dhcp checkPartner)",
        )  # fmt: skip
    elif state not in (S.NORMAL, S.STARTUP):
        yield _alarm(
            "not-normal", "Warning", name, saved.since, f"{state_name(state)}: {endpoint.why}",
            endpoint.waits_for(now) or "it goes on by itself",
        )  # fmt: skip
    if endpoint.refusal is not None:
        when, why = endpoint.refusal
        yield _alarm("configuration-mismatch", "Error", name, when, why, "make both servers' failover settings agree")
    if endpoint.clock_jump is not None and 0 <= now - endpoint.clock_jump[0] < LASTS_S:
        when, by = endpoint.clock_jump
        yield _alarm(
            "clock-jumped", "Warning", name, when, f"one of the two clocks was set by {by:+.0f} s",
            "keep both servers' clocks right by NTP",
        )  # fmt: skip
    if endpoint.communicating and abs(endpoint.skew.smoothed_s) > SKEW_S:
        yield _alarm(
            "clocks-differ", "Warning", name, 0, f"the partner's clock differs by {endpoint.skew.smoothed_s:+.1f} s",
            "keep both servers' clocks right by NTP; leases are corrected for it meanwhile",
        )  # fmt: skip
    # After an interruption each server tells what the other knows better, of hundreds of leases: that is no conflict.
    told = (conflict for conflict in endpoint.conflicts if conflict.reason != RejectReason.OUTDATED_BINDING)
    recent = [conflict for conflict in told if 0 <= now - conflict.last < LASTS_S]
    if recent:
        shown = ", ".join(format_ipv4(conflict.address) for conflict in recent[-3:])
        yield _alarm(
            "conflicts", "Warning", name, min(conflict.last for conflict in recent),
            f"{len(recent)} addresses in the last hour on which the partners did not agree: {shown}"
            + (" and more" if len(recent) > 3 else ""), "see dhcp getFailoverConflicts",
        )  # fmt: skip


def _of_scopes(node: Node, now: float) -> Iterator[Alarm]:
    """Look at every scope, so at most of them shortly: there may be ten thousand, and no client is served meanwhile."""
    well = [False, *(e.state == S.NORMAL and not e.saved.shares_at_loss for e in node.endpoints)]
    for pool in node.book.pools:
        main, backup, scope = pool.main, pool.backup, pool.scope
        # What ``Side.size`` is, twice, without the calls.
        at_main, at_backup = main.unused.size + main.recorded, backup.unused.size + backup.recorded
        if (at_main and at_backup and well[scope.endpoint]) or scope.deactivated:
            continue
        if at_main or at_backup:
            if scope.endpoint:
                yield from _of_shares(node.endpoints[scope.endpoint - 1], pool, now)
        elif scope.ranges.size:
            yield _alarm(
                "no-addresses", "Error", scope.name, 0, f"none of {scope.ranges.size} addresses is available",
                "add a range with scope NAME addRange, or give shorter leases",
            )  # fmt: skip


def _of_shares(endpoint: Endpoint, pool: Pool, now: float) -> Iterator[Alarm]:
    """The share that must last while the partner is away; and one that is empty although both are there."""
    name, main = pool.scope.name, endpoint.config.main
    own, other = (pool.main.size, pool.backup.size) if main else (pool.backup.size, pool.main.size)
    # A server that is just starting will serve so again, unless its partner is back: the alarm stays on meanwhile.
    starting = endpoint.state == S.STARTUP and endpoint.saved.state == S.COMMUNICATIONS_INTERRUPTED
    serves = starting or (endpoint.state in SERVING and endpoint.powers.other_from > now)
    at_loss = endpoint.saved.shares_at_loss.get(name)
    if serves and not own:
        yield _alarm(
            "share-empty", "Error", name, 0,
            f"this server's own share is used up; {other} available addresses are the partner's", _CURE,
        )  # fmt: skip
    elif serves and at_loss is not None:
        had = at_loss[0 if main else 1]
        for part, level, word in ((5, "Error", "a fifth"), (2, "Warning", "a half")):
            if own * part <= had:
                last_s = lasts_s(own, pool.arrivals.per_s(now))
                left = f", enough for {format_duration(last_s)} at the present rate" if last_s is not None else ""
                text = f"less than {word} of this server's share is left: {own} of {had}{left}"
                yield _alarm("share-low", level, name, 0, text, _CURE)
                break
    elif endpoint.state == S.NORMAL and pool.target() and not pool.side(BACKUP).size:
        yield _alarm(
            "share-empty", "Warning", name, 0,
            f"the backup has no address to give, of {pool.target()} that it is to have: if the main were lost now, no"
            " new client would be served", "wait for the main to give it its share; see dhcp getRelatedServers",
        )  # fmt: skip


_CURE = "bring the partner back, or set it down (dhcp previewPartnerDown) so that its addresses can be used"


def lasts_s(addresses: int, per_s: float) -> int | None:
    """Return for how long addresses last at a rate of new clients, in whole seconds; None = nobody comes."""
    return int(addresses / per_s) if per_s > 0 else None
