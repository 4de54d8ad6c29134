"""What holds when one of the two has lost its lease data, or has old ones: who may still rely on what.

A server that asks for everything has forgotten what it acknowledged, what it was acknowledged, and the leases that it
gave. So nothing that was agreed counts until it is agreed anew, and its word that a lease is over is worth nothing: it
may have extended that lease itself. Does not know messages or the connection.
Source: draft-ietf-dhc-failover-12 sections 5.2.1, 7.4.2 and 9.4.2 (the same bound, for a partner that is down).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandem.base.io import Effect
from tandem.base.units import FOREVER, format_duration
from tandem.lease.binding import ACTIVE, EXPIRED, RELEASED, UNKNOWN, Binding
from tandem.wire.failover import ServerState as S

if TYPE_CHECKING:
    from tandem.failover.endpoint import Endpoint


def partner_forgot(endpoint: Endpoint, now: float) -> None:
    """The partner asks for everything: tell it everything, rely on nothing that it said, and hold every lease for as
    long as it may have promised it.

    It is told the latest potential expiration that either side has named. A lease that ends before what the partner
    may have given goes on until then, for both servers: neither gives the address to another client before.
    What is raised here is stored when it is sent; a partner that a restart keeps from having all of it asks again.
    The caller saves, and adopts powers.
    """
    saved, served_until = endpoint.saved, _served_until(endpoint, now)
    if saved.partner_served and (saved.cautious or endpoint.away_s >= endpoint.mclt_s):
        # It may have given this server's addresses too.
        saved.own_from = max(saved.own_from, served_until + endpoint.longest_mclt_s)
    if endpoint.state in (S.COMMUNICATIONS_INTERRUPTED, S.PARTNER_DOWN):
        # It will tell nothing more: this wait is all, unless this server has forgotten something too.
        saved.cautious = saved.cautious and bool(saved.ask_all or saved.unknown_s or saved.lost_at)
    for binding in endpoint.bindings():
        if saved.partner_served and binding.status in (ACTIVE, EXPIRED, RELEASED):
            until = _promised_until(endpoint, binding, served_until)
            if until > max(binding.expires, now):
                over = binding.expires <= now < saved.own_from
                binding.expires = until
                endpoint.book.set_status(binding, ACTIVE, int(now))
                if over:  # the partner may have given the address to another; the start says so (``conflict.accept``)
                    binding.granted_by, binding.start_of_state = UNKNOWN, int(now)
    nothing_agreed(endpoint)


def nothing_agreed(endpoint: Endpoint) -> None:
    """The partner has forgotten all that was agreed: it is to be told anew. So too after a restart, before it has asked
    again; which leases it may have promised matters then only (``rights.free_at`` has the same bound)."""
    for binding in endpoint.bindings():
        binding.up_to_date = False
        binding.generation += 1  # an acknowledgement that is on its way is one of the old memory
        endpoint.unacked[binding.address] = binding
        _agreed_on_nothing(binding)


def not_waited(endpoint: Endpoint, lost_at: int, now: float, out: list[Effect]) -> None:
    """This server, which lost its lease data before ``lost_at`` (0: it never gave a lease), serves without having been
    in RECOVER-WAIT: it went from RECOVER to POTENTIAL-CONFLICT (section 9.5.2), its partner was set down, or it served
    alone before it learned that it had lost anything. The leases of its own addresses that it gave and nobody knows it
    waits for while it serves. The caller saves, and adopts powers."""
    saved = endpoint.saved
    saved.own_from = max(saved.own_from, lost_at + endpoint.longest_mclt_s if lost_at else 0)
    if saved.own_from > now:
        left = format_duration(int(saved.own_from - now))
        why = "it has lost its lease data, and leases may run that nobody knows"
        endpoint.note("Warning", 6174, f"This server gives no new leases of its own addresses for {left}: {why}", out)


def own_is_old(endpoint: Endpoint) -> None:
    """This server asks for everything: what was agreed on the bindings that it has (a restored copy's) is history."""
    for binding in endpoint.bindings():
        _agreed_on_nothing(binding)


def _agreed_on_nothing(binding: Binding) -> None:
    binding.sent_potential = max(binding.sent_potential, binding.acked_potential, binding.received_potential)
    binding.acked_potential = binding.received_potential = 0


def _served_until(endpoint: Endpoint, now: float) -> int:
    """Until when the partner may have served without remembering it.

    A partner that asks for everything in PARTNER-DOWN lost its data before the time that it names as the start of that
    state (``Saved.lost_at``), and knows of each lease that it gave since. It has not served since this server went to
    PARTNER-DOWN, unless this server was away itself meanwhile.
    """
    saved = endpoint.saved
    until = saved.since if endpoint.state == S.PARTNER_DOWN and not endpoint.away_s else int(now)
    if saved.partner_state == S.PARTNER_DOWN and saved.partner_since:
        until = min(until, saved.partner_since)
    return until


def _promised_until(endpoint: Endpoint, binding: Binding, served_until: int) -> int:
    """Until when the partner may have promised the lease: the MCLT after the latest that it can have relied on, which
    is a potential expiration, or its own time when it last served without remembering it."""
    latest = max(binding.sent_potential, binding.acked_potential, binding.received_potential, served_until)
    return min(latest + endpoint.longest_mclt_s, FOREVER)
