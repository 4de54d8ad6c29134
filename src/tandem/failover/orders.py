"""What an operator orders of a failover endpoint: that its partner is down, to share anew, to stop, for long or not.

Source: draft-ietf-dhc-failover-12 sections 9.4, 9.13, 9.14; SYSTEM S4.9.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tandem.base.errors import CommandError
from tandem.base.io import Effect
from tandem.base.ipv4 import format_ipv4
from tandem.base.units import FOREVER, format_duration
from tandem.failover import forgotten, shares, startup, telling
from tandem.failover.saved import Saved
from tandem.failover.states import Cause, state_name
from tandem.wire.failover import RejectReason
from tandem.wire.failover import ServerState as S

if TYPE_CHECKING:
    from tandem.failover.endpoint import Endpoint

_RECOVERING = (S.RECOVER, S.RECOVER_WAIT)


@dataclass(slots=True, frozen=True)
class PartnerDown:
    """What an order to take the partner as down comes to in one endpoint."""

    when: float
    """Since when the partner counts as down."""
    remark: str
    """Why that is not the date that was given; empty when it is."""
    saved: Saved
    """What the endpoint is to keep in mind then; ``since`` is ``when``."""


def plan_partner_down(endpoint: Endpoint, now: float, at: float | None, expert: bool) -> PartnerDown:
    """Return what ``set_partner_down`` would do; changes nothing. Raises CommandError as that does."""
    saved = endpoint.saved
    endpoint.permit(Cause.SET_PARTNER_DOWN)
    recovering = endpoint.state in _RECOVERING
    if endpoint.communicating and endpoint.state != S.PARTNER_DOWN and (recovering or not expert):
        cure = "it sends its lease data" if recovering else "stop it first (or use expert mode if you are sure)"
        raise CommandError(316, f"the partner is connected and answers; {cure}")
    when = now if at is None else at
    if when > now:
        raise CommandError(316, "the date is in the future; give the time at which the partner went down")
    earliest = float(max(saved.interrupted_since, saved.last_contact) or now)
    remark = ""
    if when < earliest and not expert:
        when = earliest
        remark = " (not earlier than communications were interrupted; expert mode allows it)"
    then = replace(saved, since=int(when))
    if saved.ask_all and endpoint.state != S.PARTNER_DOWN:
        then.lost_at = saved.failed_at or int(endpoint.started_at)
    if recovering or endpoint.state == S.RECOVER_DONE:
        then.cautious = True
    if recovering:
        then.unknown_s = _longest_lease_s(endpoint) if endpoint.state == S.RECOVER and saved.ask_all else 0
    return PartnerDown(when, remark, then)


def set_partner_down(endpoint: Endpoint, now: float, at: float | None, expert: bool, out: list[Effect]) -> str:
    """The operator says that the partner is down, since ``at`` (S4.9). Returns what was done.

    A server that was recovering from this partner does not know all leases (nor in RECOVER-DONE those that the partner,
    in PARTNER-DOWN, has given since it sent what it had): it gives no new ones until those that it may not know of have
    run out, counted from the date. Raises CommandError when the state does not allow it,
    or the partner is answering.
    """
    plan, saved = plan_partner_down(endpoint, now, at, expert), endpoint.saved
    saved.cautious, saved.unknown_s, saved.lost_at = plan.saved.cautious, plan.saved.unknown_s, plan.saved.lost_at
    if saved.ask_all and endpoint.state != S.PARTNER_DOWN and plan.when >= saved.lost_at:
        forgotten.not_waited(endpoint, saved.lost_at, now, out)
    row = endpoint.decide(Cause.SET_PARTNER_DOWN, now, out, plan.when)
    if row.target is None:
        return row.why
    ago = format_duration(max(int(now - plan.when), 0))
    said = f"partner {format_ipv4(endpoint.config.peer)} is taken as down since {ago} ago{plan.remark}"
    if saved.cautious:
        said += f"; {endpoint.waits_for(now)}"
    return said


def rebalance(endpoint: Endpoint, now: float, out: list[Effect]) -> str:
    """Bring the shares of all scopes to their targets at once, not at the next full hour; a backup asks its main to.

    Returns what was done. Raises CommandError 316 when the partners are not both in NORMAL (SYSTEM S4.6).
    """
    if endpoint.state != S.NORMAL or not endpoint.communicating:
        raise CommandError(316, "shares move only between servers in NORMAL; see 'dhcp getRelatedServers'")
    if not endpoint.config.main:
        shares.rebalance(endpoint, now, out)
        return "asked the main server for addresses"
    endpoint.reclaim_at = now
    waiting = len(endpoint.queue.waiting)
    given = shares.rebalance(endpoint, now, out)
    asked = len(endpoint.queue.waiting) - waiting if not given else 0
    if not given and not asked:
        return "the shares are at their targets"
    return f"gave {given} addresses to the backup" if given else "asked the backup for addresses it has too many"


def _longest_lease_s(endpoint: Endpoint) -> int:
    """Return the longest lease that the partner may have given in this endpoint's scopes, in seconds."""
    policies = [pool.scope.policy for pool in endpoint.pools()]
    longest = max((FOREVER if policy.permanent else policy.lease_s for policy in policies), default=0)
    return max(longest, endpoint.book.config.longest_own_lease_s)


def stop(endpoint: Endpoint, now: float, out: list[Effect]) -> None:
    """Stop cleanly: the partner is told PAUSED and serves everybody at once (section 9.13).

    The state to return to stays what it was on stable storage. After ``shut_down`` only the connection is closed.
    """
    if endpoint.state != S.SHUTDOWN:
        _retire(endpoint, S.PAUSED, now, out)
    if endpoint.link is not None and endpoint.link.set_up:
        endpoint.link.disconnect(RejectReason.UNKNOWN, "the server stops", now, out)


def shut_down(endpoint: Endpoint, now: float, out: list[Effect]) -> None:
    """Stop serving for a long time: the partner is told SHUTDOWN and may take over completely (section 9.14).

    The connection stays for a moment, so that the partner can say that it did: see ``replaced``.
    """
    _retire(endpoint, S.SHUTDOWN, now, out)


def end_relationship(endpoint: Endpoint, now: float, out: list[Effect]) -> None:
    """The operator has switched failover off and this server serves its clients alone, as in PARTNER-DOWN.

    So it goes on in PARTNER-DOWN should the relationship be taken up again; one that never began is forgotten.
    """
    stop(endpoint, now, out)
    saved = endpoint.saved
    if not saved.met:
        endpoint.saved = Saved()
    else:
        if saved.state != S.PARTNER_DOWN:
            saved.state, saved.since, saved.label = int(S.PARTNER_DOWN), int(now), "failover/off"
        saved.interrupted_since = 0
        saved.mclt_longest_s = endpoint.longest_mclt_s
    endpoint.save(out)


def _retire(endpoint: Endpoint, state: S, now: float, out: list[Effect]) -> None:
    telling.flush(endpoint, now, out)  # what has changed goes first
    endpoint.store_operation(now, out)
    endpoint.state = int(state)
    endpoint.adopt_powers()
    endpoint.announce(now, out)
    if endpoint.communicating:
        endpoint.note("Info", 6101, f"Told the partner that this server is in {state_name(state)}", out)


def taken_over(endpoint: Endpoint, now: float, out: list[Effect]) -> None:
    """The partner has taken over from this server in SHUTDOWN: it is to recover when it returns (section 9.14.2)."""
    saved = endpoint.saved
    saved.state, saved.since, saved.label = int(S.RECOVER), int(now), "SHUTDOWN/partner-is-partner-down"
    if saved.last_operation:
        saved.failed_at = max(saved.failed_at, saved.last_operation)  # the latter of an old copy is not the end
    else:
        startup.without_record(endpoint)  # it was shut down in its STARTUP, before it could say so itself
    endpoint.save(out)


def replaced(endpoint: Endpoint) -> bool | None:
    """Return whether the partner has taken over from this server in SHUTDOWN; None while that may still come."""
    if endpoint.saved.partner_state == S.PARTNER_DOWN:
        return True
    return None if endpoint.communicating else False
