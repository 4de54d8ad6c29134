"""What a server may do for clients right now. Failover computes it; DHCP obeys it and asks nothing further.

So no ``if state == ...`` stands in DHCP code (DESIGN: rooms). Without failover, ``STANDALONE`` applies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tandem.base.units import FOREVER
from tandem.config.compiled import CompiledScope
from tandem.lease.binding import BACKUP, FREE, Binding
from tandem.lease.loadbalance import ALL_BUCKETS

ANSWER_NONE, ANSWER_RENEWALS, ANSWER_ALL = 0, 1, 2


@dataclass(slots=True)
class Powers:
    """The rights of one failover endpoint, or of a server without a partner."""

    answer: int
    """ANSWER_NONE: no client; ANSWER_RENEWALS: only renewing and rebinding; ANSWER_ALL: everybody."""
    own: int
    """Which available addresses are ours to give: FREE (main, or alone) or BACKUP (backup)."""
    other_from: float
    """From when the partner's available addresses may be given too; infinity = never."""
    mclt_s: int | None
    """Maximum client lead time in seconds; None = no limit on leases (no partner, or one never met)."""
    why: str
    """One sentence: why requests are dropped (or may be), for logs and operators."""
    lease_factor: float = 1.5
    """Potential expiration of a full-length lease = now + desired x this (S4.3)."""
    own_from: float = float("-inf")
    """From when our own may be given. Later than now only where the partner may have given them meanwhile."""
    connected: bool = False
    """True when a change will be told to the partner at once."""
    partner_tells: bool = False
    """True when a lease that the partner gave is known here: it is connected, and has not forgotten any."""
    partner_forgets: bool = False
    """Whether the partner, should it take over, heeds the ends of leases that it knows and no potential expiration."""
    clock_lost_s: int = 0
    """By how much acknowledged times are too late by this server's clock, which was set back since."""
    bootp_other: bool = False
    """Whether the partner's addresses of a dynamic-BOOTP scope may be given: never with a partner (draft 5.14)."""
    lost: Mapping[str, Sequence[int | str]] = field(default_factory=dict)
    """By address: until when, and by whom, a lease is believed in that the partner has given to another client."""
    buckets: int = ALL_BUCKETS
    """The set of hash buckets whose clients are answered; the others' are the partner's (load balancing)."""
    balance_delay_s: int = 0
    """Clients of other buckets are answered once they have been trying for more seconds than this; 0 = never."""

    @property
    def theirs(self) -> int:
        """Which available addresses are the partner's to give."""
        return BACKUP if self.own == FREE else FREE

    def other_from_in(self, scope: CompiledScope) -> float:
        """Return from when the partner's available addresses of ``scope`` may be given too; infinity = never."""
        return self.other_from if self.bootp_other or not scope.dynamic_bootp else float("inf")

    def has_lost(self, address: int, client: bytes, now: float) -> bool:
        """Return whether the client of this key believes in a lease of the address that another client has since."""
        until, loser = self.lost.get(str(address), (0, ""))
        return now < int(until) and loser == client.hex()

    def lease_seconds(self, binding: Binding | None, desired: int, now: int) -> int:
        """Return the longest lease, in seconds, that may be given now: ``desired`` or less (S4.3, draft 7.1.5)."""
        if self.mclt_s is None:
            return desired
        acked = 0 if binding is None else max(binding.acked_potential, binding.received_potential)
        if self.partner_forgets and not self.connected:
            known = binding.expires if binding is not None and binding.up_to_date else 0
            acked = acked if known == FOREVER else min(acked, known - self.mclt_s)
        if acked == FOREVER:
            return desired
        limit = max(acked - self.clock_lost_s, now) + self.mclt_s - now
        return min(desired, limit)

    def potential(self, given: int, desired: int, now: int) -> int:
        """Return the potential expiration to tell the partner after giving ``given`` of ``desired`` seconds (S4.3).

        0 when the partner cannot be told now: what is not sent does not count as sent (draft 9.4.2), and the
        link works it out when it does send.
        """
        if not self.connected:
            return 0
        if desired == FOREVER:
            return FOREVER
        if given < desired:
            return min(now + desired + (self.mclt_s or 0), FOREVER)
        return min(now + int(desired * self.lease_factor), FOREVER)


STANDALONE = Powers(
    answer=ANSWER_ALL, own=FREE, other_from=float("-inf"), mclt_s=None, why="failover is off; this server answers all",
    bootp_other=True,
)  # fmt: skip
