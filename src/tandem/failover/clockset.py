"""What a system clock that is set forward or back means for the waits of an endpoint.

The partner's clock is another matter: ``failover.clock``.
Source: draft-ietf-dhc-failover-12 section 5.10; SYSTEM S4.14.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from tandem.base.io import Effect, SaveBinding
from tandem.base.units import FOREVER, format_duration
from tandem.failover.states import SERVING

if TYPE_CHECKING:
    from tandem.failover.endpoint import Endpoint


def clock_set(endpoint: Endpoint, seconds: float, now: float, out: list[Effect]) -> None:
    """The system's clock was set forward, or back (negative): RECOVER-WAIT, the waits of PARTNER-DOWN and the safe
    period last as long as they were to. Leases go by the calendar.

    What the partner has acknowledged is a time by its own clock: by a clock that was set back, it is later than the
    partner thinks, so less of it counts until all of it is over. What it was not told yet happened when it did: its
    time is what the clock would have shown, as the partner compares it with what it heard of the client itself.
    """
    saved, by = endpoint.saved, ceil(seconds)
    endpoint.wait_until += by
    if endpoint.state in SERVING:
        saved.since += by
    for name in ("returned_at", "failed_at", "interrupted_since", "own_from", "lost_at"):
        if getattr(saved, name):
            setattr(saved, name, getattr(saved, name) + by)
    if by < 0:
        saved.set_back_s = min(saved.set_back_s - by, FOREVER)
        for b in endpoint.bindings():
            for potential in (b.sent_potential, b.acked_potential, b.received_potential):
                if saved.set_back_until < potential < FOREVER:
                    saved.set_back_until = potential
    for b in endpoint.unacked.values():
        b.last_transaction, b.start_of_state = max(b.last_transaction + by, 0), max(b.start_of_state + by, 0)
        out.append(SaveBinding(b.row()))
    endpoint.save(out)
    endpoint.adopt_powers()
    text = f"The system's clock was set {'forward' if by > 0 else 'back'} by {format_duration(abs(by))}"
    leases = "earlier" if by > 0 else "later"
    endpoint.note("Warning", 6158, f"{text}: leases end {leases} by as much, waits do not", out)


def clock_set_back(endpoint: Endpoint, seconds: float) -> None:
    """This server's clock was set back: what was to happen in a while happens in that while all the same.

    What goes by the calendar, see ``clock_set``.
    """
    endpoint.retry_at -= seconds
    endpoint.tried_at -= seconds
    endpoint.flush_at -= seconds
    endpoint.startup_until -= seconds
    endpoint.balance_at -= seconds
    endpoint.reclaim_at -= seconds
    endpoint.remind_at -= seconds
    endpoint.refused_at -= seconds
    endpoint.store_at -= seconds
    endpoint.answer_until -= seconds
    endpoint.acknowledged_until -= seconds
    if endpoint.refusal is not None:
        endpoint.refusal = endpoint.refusal[0] - seconds, endpoint.refusal[1]
    if endpoint.link is not None:
        endpoint.link.clock_set_back(seconds)
