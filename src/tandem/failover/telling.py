"""Telling the partner what has changed: when updates go out, and what follows once it has acknowledged them.

The queue itself is in ``failover.updates``; what comes in is handled in ``failover.exchange``.
Source: draft-ietf-dhc-failover-12 sections 7.1, 7.2, 7.5, 9.8.4; SYSTEM S4.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandem.base.io import Effect
from tandem.base.units import format_duration
from tandem.failover import shares, words
from tandem.failover.link import Link
from tandem.failover.rights import INFINITY
from tandem.failover.updates import FLUSH_S, Sent
from tandem.lease.binding import Binding
from tandem.wire.failover import ServerState as S
from tandem.wire.failover import UpdateBatch, UpdateDone

if TYPE_CHECKING:
    from tandem.failover.endpoint import Endpoint

FULL_BATCH = 64
UNACKNOWLEDGED_S = 120.0
"""How long BNDUPD messages may be on the way without any BNDACK before that is said (section 9.8.4)."""
_TELLING = (S.NORMAL, S.COMMUNICATIONS_INTERRUPTED, S.PARTNER_DOWN, S.CONFLICT_DONE)


def tell_again(endpoint: Endpoint, now: float) -> None:
    """Scopes have come to this relationship: what the partner does not know of them is told."""
    if endpoint.communicating and endpoint.state in _TELLING:
        shares.queue_lost_moves(endpoint)
        endpoint.queue.start(endpoint.unacked.values())
        endpoint.flush_at = now


def changed(endpoint: Endpoint, binding: Binding, now: float, out: list[Effect]) -> None:
    """A binding of ours has changed: the partner is to be told, soon."""
    endpoint.unacked[binding.address] = binding
    if endpoint.link is None or not endpoint.link.heard_state:
        return
    endpoint.queue.add(binding)
    if len(endpoint.queue.waiting) >= FULL_BATCH:
        flush(endpoint, now, out)
    elif endpoint.flush_at == INFINITY:
        endpoint.flush_at = now + FLUSH_S


def flush(endpoint: Endpoint, now: float, out: list[Effect]) -> None:
    """Send what waits, as far as the partner's window allows."""
    endpoint.flush_at = INFINITY
    link = endpoint.link
    if link is None or not link.heard_state or not (endpoint.queue.waiting or endpoint.reminders.waiting):
        return
    if endpoint.state not in _TELLING and endpoint.queue.request is None:
        return
    if not link.asked and (endpoint.partner_starting or endpoint.saved.partner_state == S.RECOVER):
        return  # it will say what it wants; what it acknowledges before, it may have forgotten
    if endpoint.dialect.hears_before and endpoint.state == S.NORMAL and endpoint.asked_xid is not None:
        return  # until it has told what it has
    withheld = None if endpoint.config.main or endpoint.state != S.NORMAL else endpoint.dialect.withholds
    while endpoint.queue.waiting and len(endpoint.queue.on_the_way) < link.window:
        batch, sents = endpoint.queue.next_batch(link.secret, int(now), out, withheld)
        if not sents:
            break
        xid = _send(endpoint, link, batch, sents, now, out)
        if endpoint.detail:
            told = words.listed([sent.item for sent in sents])
            endpoint.note("Info", 6165, f"Sent DHCPBNDUPD {xid}: {told}", out, "failover-detail")
    _remind(endpoint, link, now, out)
    finish_request(endpoint, now, out)


def _send(
    endpoint: Endpoint, link: Link, batch: UpdateBatch, sents: list[Sent], now: float, out: list[Effect]
) -> int:  # fmt: skip
    xid = link.send_batch(batch, now, out)
    if not endpoint.queue.on_the_way:
        endpoint.acknowledged_until = now + UNACKNOWLEDGED_S
    endpoint.queue.sent(xid, sents)
    endpoint.asked_at[xid] = now
    endpoint.updates_sent += len(batch)
    return xid


def _remind(endpoint: Endpoint, link: Link, now: float, out: list[Effect]) -> None:
    """Send what the backup is to be reminded of, after all else."""
    queue, reminders = endpoint.queue, endpoint.reminders
    if not reminders.waiting or queue.waiting or queue.takes_back or endpoint.state != S.NORMAL:
        return
    while len(queue.on_the_way) < link.window:
        batch, spans = reminders.next_batch(link.secret, int(now))
        if not spans:
            break
        reminders.sent(_send(endpoint, link, batch, [], now, out), spans)


def finish_request(endpoint: Endpoint, now: float, out: list[Effect]) -> None:
    """Send UPDDONE when all that the partner asked for has been answered (section 7.5.1); likewise NORMAL."""
    if endpoint.queue.barrier is not None and not endpoint.queue.barrier.remaining:
        say_normal(endpoint, now, out)
    xid = endpoint.queue.request_done()
    if xid is None or endpoint.link is None:
        return
    endpoint.link.send(UpdateDone(), now, out, xid)
    if endpoint.saved.owes_all:
        endpoint.saved.owes_all = False
        endpoint.save(out)
    endpoint.note("Info", 6111, "Sent update done to the partner", out, "no-failover-activity")


def say_normal(endpoint: Endpoint, now: float, out: list[Effect]) -> None:
    """Announce NORMAL, and what follows from that.

    A partner in RECOVER-DONE waits for it to use its own addresses, so it hears it after it has taken in all that
    this server did in PARTNER-DOWN, with its addresses too, and (from the main) what its share is now.
    """
    endpoint.queue.barrier = None
    endpoint.announce(now, out)
    if not endpoint.config.main:
        shares.ask_for_addresses(endpoint, now, out)


def acknowledged(endpoint: Endpoint, now: float, out: list[Effect]) -> None:
    """A BNDACK has come."""
    endpoint.acknowledged_until = now + UNACKNOWLEDGED_S if endpoint.queue.on_the_way else INFINITY
    if endpoint.unacknowledged_said:
        endpoint.unacknowledged_said = False
        endpoint.note("Info", 6173, "The partner acknowledges updates again", out)


def say_unacknowledged(endpoint: Endpoint, now: float, out: list[Effect]) -> None:
    """The partner is there and acknowledges nothing.

    Section 9.8.4 lets a server leave NORMAL then. It would gain nothing: nobody is refused in NORMAL for that, and
    leases stay safe at the MCLT; and on a slow link a new connection throws away what is under way.
    """
    endpoint.acknowledged_until = INFINITY
    endpoint.unacknowledged_said = True
    count = endpoint.queue.unacknowledged + len(endpoint.queue.waiting)
    text = f"The partner answers but has acknowledged no update for {format_duration(int(UNACKNOWLEDGED_S))}"
    what = f"{count} wait; until it does, leases are no longer than the MCLT and ended ones are not given again"
    endpoint.note("Warning", 6172, f"{text}: {what}; look at its log and its disk", out)
