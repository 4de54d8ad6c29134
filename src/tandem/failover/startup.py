"""The startup algorithm: in which state a server goes on that has just started.

Source: draft-ietf-dhc-failover-12 sections 5.9 and 9.3.2; SYSTEM S4.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandem.base.io import Effect
from tandem.base.units import format_duration
from tandem.failover.states import SERVING
from tandem.wire.failover import ServerState as S

if TYPE_CHECKING:
    from tandem.failover.endpoint import Endpoint

_STARTUP_S_MIN = 5.0
OLD_S = 20
"""By how much a server's record of itself may end before its partner's of it: it is stored every few seconds."""
_LONG = 3
"""How many times longer a server looks for its partner when that may have taken over meanwhile (section 5.9)."""


def previous_state(endpoint: Endpoint, running: bool) -> int:
    """Return the state to return to, 0 when there is none, and note when this server failed (section 9.3.2, 1 and 2).

    Deviation: a server without any record does not go to RECOVER before its partner has said whether it knows this
    server: a main that never had a backup is a stand-alone server until then (SYSTEM S5).
    Deviation: RECOVER-WAIT counts from failover-recover only where that can be when this server stopped: not where a
    copy of that time was put into place, as the server has given leases since (SYSTEM S4.2 f; decisions/0008).
    ``running``: the lease data in memory are this server's, and whole.
    """
    saved, recover_from = endpoint.saved, endpoint.config.recover_from
    forget_recovery(endpoint)
    if recover_from and recover_from != saved.recovered_from:
        saved.failed_at = recover_from if running else int(endpoint.started_at)
        saved.recovered_from = recover_from
        saved.ask_all = True
        return int(S.RECOVER)
    if saved.state and saved.state not in (S.RECOVER, S.RECOVER_WAIT):
        saved.failed_at = saved.last_operation
    return {
        int(S.NORMAL): int(S.COMMUNICATIONS_INTERRUPTED),
        int(S.POTENTIAL_CONFLICT): int(S.RESOLUTION_INTERRUPTED),
    }.get(saved.state, saved.state)


def forget_recovery(endpoint: Endpoint) -> None:
    """Once failover-recover has been unset, any date that it is set to counts again."""
    if not endpoint.config.recover_from:
        endpoint.saved.recovered_from = 0


def startup_s(endpoint: Endpoint, now: float) -> float:
    """Return how long to look for the partner before going on without it, in seconds."""
    saved, config = endpoint.saved, endpoint.config
    long = saved.met and now - saved.last_operation >= endpoint.mclt_s
    return min(config.startup_s * (_LONG if long else 1), max(config.poll_timeout_s, _STARTUP_S_MIN))


def go_on_serving(endpoint: Endpoint) -> tuple[int, str] | None:
    """Return where a server goes on in which failover was switched on while it has been serving these clients alone.

    Deviation: section 9.3.1 would have it silent in STARTUP first; nobody can have taken over from a server that runs.
    """
    if endpoint.config.main and endpoint.previous in (0, S.PARTNER_DOWN):
        why = "This main has been serving all clients alone and goes on until its backup is ready."
        return int(S.PARTNER_DOWN), why
    return None


def leave_startup(endpoint: Endpoint, now: float, out: list[Effect]) -> tuple[int, str]:
    """The partner's state is known: return where to go on, and why (section 9.3.2 step 5).

    Deviation: a server that was recovering goes on recovering; the draft's comparison of times would take it into
    POTENTIAL-CONFLICT although it served nobody.

    A server in whose place an old copy was put sees it by what the partner remembers of it (section 5.16). Both records
    are of this server's own clock, so that no clock that was set looks like that.
    """
    saved = endpoint.saved
    late_s = endpoint.heard_by_partner - saved.latest
    target = endpoint.previous
    why = "The partner answered; this server goes on where it was."
    if saved.latest and late_s > OLD_S:
        saved.failed_at, saved.ask_all = int(endpoint.started_at), True
        target = int(S.RECOVER)
        why = f"The partner heard this server {format_duration(late_s)} after its lease data ends: it is an old copy."
    elif not target:
        target, why = _first_state(endpoint)
    elif target == S.RECOVER and not saved.state and saved.partner_state == S.PARTNER_DOWN:
        saved.failed_at = endpoint.config.recover_from  # there is no copy: the date says when this server stopped
    elif saved.partner_state == S.PARTNER_DOWN and target in SERVING:
        if saved.partner_since >= saved.last_operation:
            target, why = int(S.RECOVER), "The partner took over after this server went down."
        else:
            target, why = int(S.POTENTIAL_CONFLICT), "The partner took over while this server was still running."
    recovers = endpoint.partner_recovers and saved.partner_served
    if recovers and target in SERVING and endpoint.away_s >= endpoint.mclt_s:
        saved.cautious, saved.returned_at = True, int(now)  # until it has said whether it has forgotten what it gave
    return target, why


def leave_startup_alone(endpoint: Endpoint, now: float, out: list[Effect]) -> tuple[int, str]:
    """The partner could not be reached: return where to go on, and why (section 9.3.2 step 6)."""
    saved = endpoint.saved
    if endpoint.previous in SERVING and saved.met:
        saved.cautious = saved.cautious or now - saved.last_operation >= endpoint.mclt_s
        saved.returned_at = int(now)
    if endpoint.previous:
        target, why = endpoint.previous, "The partner could not be reached; this server goes on where it was."
        if saved.cautious:
            why = (
                "The partner could not be reached, and this server was down for longer than the MCLT: the partner "
                "may have taken over, so no new leases are given until it is back, or is set down."
            )
    elif saved.ask_all:
        target = int(S.RECOVER)
        why = "The partner, which went away, knows this server, which has lost its lease database."
    elif endpoint.config.main:
        target = int(S.PARTNER_DOWN)
        why = "This main has never met its backup, so it serves all clients alone."
    else:
        target = int(S.RECOVER)
        why = "This backup has no lease data yet and waits for its main."
        saved.ask_all = True
    return target, why


def _first_state(endpoint: Endpoint) -> tuple[int, str]:
    """Where a server without any record of failover goes when its partner is there (S4.2 a, e)."""
    if endpoint.config.main and endpoint.partner_met is False:
        return int(S.PARTNER_DOWN), "This main meets its backup for the first time and serves until it is ready."
    without_record(endpoint)
    if endpoint.partner_met is not False:
        return int(S.RECOVER), "The partner knows this server, which has lost its lease database."
    return int(S.RECOVER), "This backup meets its main for the first time and asks it for all lease data."


def without_record(endpoint: Endpoint) -> None:
    """This server has no record of failover: it asks for everything, and gave no lease after it started. It never gave
    one if its partner says that they have not met."""
    endpoint.saved.ask_all = True
    endpoint.saved.failed_at = 0 if endpoint.partner_met is False else int(endpoint.started_at)
