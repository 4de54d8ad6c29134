"""The connection of an endpoint: when it is tried, what its coming and its loss mean.

The messages on it are handled in ``failover.exchange``, its timers in ``failover.link``.
Source: draft-ietf-dhc-failover-12 sections 7.8 to 7.12 and 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandem.base.io import Effect
from tandem.config.compiled import OFF
from tandem.failover.rights import INFINITY
from tandem.failover.states import Cause
from tandem.wire.failover import Contact

if TYPE_CHECKING:
    from tandem.failover.endpoint import Endpoint

ANSWER_S = 60.0
"""How long a requested UPDDONE may take while no BNDUPD comes (section 9.5.2)."""
BACK_OFF_S_MAX = 120.0
STEADY_S = 60.0
"""A connection that held for so long ends the growth of the pauses between attempts."""
_WAKE_S, _WAKE_S_MAX = 0.5, 30.0
_STALE_S = 5.0


def hears(endpoint: Endpoint, now: float) -> bool:
    """Whether the partner has used the connection as lately as one that is there does (CONTACT, section 8.3)."""
    return endpoint.link is not None and now - endpoint.link.last_received < 1.5 * endpoint.link.contact_s


def wake(endpoint: Endpoint, now: float, out: list[Effect]) -> None:
    """The backup has tried to connect, so it is there and has no connection: connect to it now (section 8.2).

    A connection of ours that it does not know of any more is stale. The first attempt makes us send on it, to
    which a partner without it answers by a reset; a second one, with nothing heard since, ends it.
    """
    link = endpoint.link
    if link is not None:
        if not link.set_up:
            stale = now - link.opened_at > _STALE_S
        elif link.probed_at is None or link.last_received > link.probed_at:
            link.probed_at = now
            link.send(Contact(), now, out)
            stale = False
        else:
            stale = now - link.probed_at > 1.0
        if stale:
            link.disconnect(6, "the partner looks for a connection, so this one is stale", now, out)
            link_lost(endpoint, "the partner has opened a new connection", now, out)
    if endpoint.link is None:
        pause = 0.0 if link is not None else min(_WAKE_S * 2 ** min(endpoint.refusals, 10), _WAKE_S_MAX)
        endpoint.retry_at = min(endpoint.retry_at, max(now, endpoint.tried_at + pause))
        if endpoint.retry_at <= now:
            endpoint.connecting = False  # an attempt that hangs does not hold up this one
            endpoint.tick(now, out)


def connected(endpoint: Endpoint, now: float, out: list[Effect]) -> None:
    """CONNECT and CONNECTACK are through: both timers run, and our STATE goes out first (section 7.9)."""
    link = endpoint.link
    assert link is not None
    link.set_up = True
    endpoint.refusal = None
    endpoint.connections += 1
    if endpoint.config.tls != OFF:
        how = f"encrypted ({link.session})" if link.session else "not encrypted: the partner does not do TLS"
        endpoint.note("Info" if link.session else "Warning", 6159, f"The connection to the partner is {how}", out)
    link.receive_s = endpoint.receive_timer_s
    endpoint.announce(now, out)


def unanswered(endpoint: Endpoint, now: float, out: list[Effect]) -> None:
    """UPDDONE does not come, and no update either: a new connection may do better (section 9.5.2)."""
    assert endpoint.link is not None
    why = f"no update and no update done came for {ANSWER_S:g} s after an update request"
    endpoint.link.disconnect(254, why, now, out)
    link_lost(endpoint, why, now, out, refused=True)


def link_lost(endpoint: Endpoint, why: str, now: float, out: list[Effect], refused: bool = False) -> None:
    """The connection is gone, whoever closed it (section 8.6).

    ``refused``: by a CONNECTACK or DISCONNECT with a reason that may still be there. After those, and after
    connections that came to nothing, the pauses between attempts grow up to ``BACK_OFF_S_MAX`` (section 8.2).
    """
    link = endpoint.link
    endpoint.link = None
    if link is None:
        return
    endpoint.connecting = False
    endpoint.asked_xid = endpoint.pool_xid = None
    endpoint.answer_until = endpoint.acknowledged_until = INFINITY
    endpoint.asked_at.clear()
    endpoint.unacknowledged_said = False
    endpoint.partner_met = None
    endpoint.queue.disconnect()
    endpoint.reminders.forget()
    endpoint.flush_at = INFINITY
    if link.heard_state and now - link.opened_at >= STEADY_S:
        endpoint.refusals = 0
    if refused or not link.heard_state:
        back_off(endpoint, now)
    else:
        endpoint.retry_at = now + 0.2
    if link.heard_state:
        endpoint.connections_lost += 1
        endpoint.note("Warning", 6120, f"The connection to the partner is lost: {why}", out)
        endpoint.saved.last_contact = int(link.last_received)
        endpoint.adopt_powers()
        endpoint.decide(Cause.LINK_DOWN, now, out)


def back_off(endpoint: Endpoint, now: float) -> None:
    """Wait longer than last time before the next attempt, up to a bound (sections 7.9, 7.12, 8.2)."""
    endpoint.refusals += 1
    endpoint.retry_at = now + min(endpoint.retry_s * 2 ** min(endpoint.refusals, 10), BACK_OFF_S_MAX)
