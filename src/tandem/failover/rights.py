"""What a failover endpoint's state allows this server to do for clients, and from when.

Reads an endpoint; changes nothing.
Source: draft-ietf-dhc-failover-12 sections 5.3 to 5.9 and 9; SYSTEM S4.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandem.base.units import FOREVER
from tandem.failover.saved import Saved
from tandem.failover.states import SERVING, state_name
from tandem.lease.binding import BACKUP, FREE, Binding
from tandem.lease.loadbalance import ALL_BUCKETS
from tandem.lease.powers import ANSWER_ALL, ANSWER_NONE, ANSWER_RENEWALS, Powers
from tandem.wire.failover import ServerState as S

if TYPE_CHECKING:
    from tandem.failover.endpoint import Endpoint

INFINITY = float("inf")


def powers_of(endpoint: Endpoint) -> Powers:
    """Return what the endpoint's state allows this server to do for clients."""
    state, main, saved = endpoint.state, endpoint.config.main, endpoint.saved
    answer, other_from, own_from, buckets = ANSWER_NONE, INFINITY, -INFINITY, ALL_BUCKETS
    if state == S.NORMAL:
        balanced = 0 if saved.cautious else endpoint.backup_buckets
        answer = ANSWER_ALL if main or balanced else ANSWER_RENEWALS
        if balanced:
            buckets = ALL_BUCKETS ^ balanced if main else balanced
        own_from = INFINITY if saved.cautious else -INFINITY
    elif state == S.RECOVER_DONE:
        answer = ANSWER_RENEWALS
    elif state in SERVING:
        answer = ANSWER_ALL
        if state == S.PARTNER_DOWN:
            other_from = other_from_when(saved, endpoint.longest_mclt_s)
            own_from = other_from if saved.cautious else -INFINITY
        elif saved.cautious:
            own_from = INFINITY
    own_from = max(own_from, saved.own_from or -INFINITY)
    why = f"failover is in {state_name(state)} state"
    if answer != ANSWER_ALL and state == S.NORMAL:
        why += ", in which the main answers"
    elif buckets != ALL_BUCKETS:
        why += " with load balancing, and the partner answers this client"
    elif own_from > -INFINITY:
        why += ", in which no new leases are given before it is known which addresses are whose"
    return Powers(
        answer=answer,
        own=FREE if main else BACKUP,
        other_from=other_from,
        own_from=own_from,
        mclt_s=endpoint.mclt_s if saved.met or not main else None,
        why=why,
        lease_factor=endpoint.lease_factor,
        connected=endpoint.communicating,
        partner_tells=endpoint.communicating and not endpoint.partner_recovers,
        clock_lost_s=saved.set_back_s,
        partner_forgets=endpoint.dialect.forgets_potential,
        bootp_other=not saved.met and not saved.cautious,
        lost=saved.lost,
        buckets=buckets,
        balance_delay_s=endpoint.config.balance_delay_s if main else endpoint.told_delay_s,
    )


def other_from_when(saved: Saved, mclt_s: int) -> float:
    """From when, in PARTNER-DOWN since ``saved.since``, the partner's available addresses may be given (9.4.2)."""
    if not saved.met and not saved.cautious:
        return -INFINITY
    if saved.unknown_s == FOREVER:
        return INFINITY
    return float(max(saved.since + max(mclt_s, saved.unknown_s), saved.returned_at + mclt_s))


def free_at(endpoint: Endpoint, binding: Binding) -> int:
    """When, in PARTNER-DOWN, an address that lost its lease may go to another client (section 9.4.2)."""
    latest = max(
        binding.expires, binding.sent_potential, binding.acked_potential, binding.received_potential,
        endpoint.saved.since,
    )  # fmt: skip
    if latest == FOREVER or endpoint.powers.other_from == INFINITY:
        return FOREVER
    return int(max(latest + endpoint.longest_mclt_s, endpoint.powers.other_from))
