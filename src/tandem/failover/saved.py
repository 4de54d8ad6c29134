"""What a failover endpoint keeps on stable storage besides bindings (draft sections 5.17, 7.8.2, 9.2)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

TRANSITIONS_KEPT = 12


@dataclass(slots=True)
class Saved:
    """Times are whole seconds since 1970 UTC; 0 = never."""

    state: int = 0
    """The failover state (wire code); 0 = this server has no record of ever running failover."""
    since: int = 0
    """When it entered the state (for PARTNER-DOWN: when the partner went down, as far as known)."""
    label: str = ""
    """The decision row of the last transition."""
    partner_state: int = 0
    partner_since: int = 0
    met: bool = False
    """Whether the two servers have ever been in NORMAL, or exchanged data, with each other."""
    partner_served: bool = False
    """Whether the partner was ever in a state in which it gives or extends leases."""
    last_operation: int = 0
    """When this server was last running, to within a second or so."""
    latest: int = 0
    """The latest time by its own clock at which this server ever ran, to within a few seconds."""
    last_contact: int = 0
    heard_until: int = 0
    """The time in the partner's latest message outside of its STARTUP, PAUSED and SHUTDOWN, by the partner's clock."""
    interrupted_since: int = 0
    """Start of COMMUNICATIONS-INTERRUPTED; 0 when not interrupted."""
    mclt_s: int = 0
    """The main's, as both know it: what the latest CONNECT told; 0 = none did yet."""
    mclt_longest_s: int = 0
    """The longest MCLT by which either may have made promises of which the other does not know."""
    lease_factor_pct: int = 0
    """From the main; 0 = not told yet."""
    failed_at: int = 0
    """When this server last ran with its lease data whole (time-of-failure): RECOVER-WAIT counts from here."""
    ask_all: bool = False
    """Whether RECOVER must ask for everything (this server's lease data is lost or old)."""
    owes_all: bool = False
    """Whether the partner asked for everything and has not had its UPDDONE yet (section 7.4.2)."""
    cautious: bool = False
    """Whether it is unknown which available addresses are this server's: it was down for longer than the MCLT and
    has not heard its partner since (section 9.3.2 step 6, "reasons to wait"), a resolution of conflicts was
    interrupted (section 9.11.2) or ended by the partner's shutdown, or its partner went down before it had sent what
    this server lacked, up to its NORMAL. It serves clients that have a lease, and gives no new ones: in PARTNER-DOWN
    until the waits are over or the partner has come back and sent everything."""
    returned_at: int = 0
    """When this server came back in PARTNER-DOWN without hearing its partner, which may have served meanwhile."""
    own_from: int = 0
    """When this server may give its own available addresses, or let the partner have them: the partner may have given
    some while this server was away, and has forgotten that; or this server has. 0 = at any time."""
    unknown_s: int = 0
    """How long after the partner went down leases may last of which this server does not know: it was set
    PARTNER-DOWN in RECOVER, before its partner could send what this server had lost. FOREVER = without end."""
    lost_at: int = 0
    """Until when this server, set PARTNER-DOWN while it recovered, may have given leases that it has forgotten. The
    operator's date may be earlier; the partner is not told that PARTNER-DOWN began before."""
    set_back_s: int = 0
    """By how much this server's clock was set back since something was acknowledged that may still count."""
    set_back_until: int = 0
    """When all that was acknowledged before is over."""
    connect_time: int = 0
    """The time in the main's latest CONNECT, by the main's clock, kept where a shared secret is used: no CONNECT as
    old as that is taken again (section 11.1)."""
    make: str = ""
    """The partner's dialect as its vendor class told (``failover.dialect``); empty = not met yet."""
    recovered_from: int = 0
    """The failover-recover time that was acted on, so that it is acted on once."""
    shares_at_loss: dict[str, list[int]] = field(default_factory=dict)
    """By scope, the main's and the backup's share when the pair last left NORMAL; empty in NORMAL."""
    lost: dict[str, list[int | str]] = field(default_factory=dict)
    """Leases given here that the partner's word ended while they ran (section 7.1.3: two clients, one address): by
    address, the end that their client was promised, and its key in hexadecimal digits."""
    history: list[list[object]] = field(default_factory=list)
    """The last transitions, oldest first: (when, state left, state entered, label of the row, why)."""

    def ran_at(self, now: int) -> None:
        """Take down that this server runs."""
        self.last_operation = now
        self.latest = max(self.latest, now)

    def lost_to(self, address: int, expires: int, client: bytes, now: float) -> None:
        """Take down that the client has lost its lease of the address; the ones that would be over are forgotten."""
        running = {key: lease for key, lease in self.lost.items() if int(lease[0]) > now}
        self.lost = running | {str(address): [expires, client.hex()]}

    def entered(self, when: int, left: int, entered: int, why: str) -> None:
        """Take down a transition by the row ``label``; the oldest of many is forgotten."""
        self.history = [*self.history[1 - TRANSITIONS_KEPT :], [when, left, entered, self.label, why]]

    def values(self) -> dict[str, object]:
        """Return what to store."""
        return {name.name: getattr(self, name.name) for name in fields(self)}

    @classmethod
    def from_values(cls, values: dict[str, object] | None) -> Saved:
        """Return what was stored; unknown names are passed over, missing ones have their default."""
        known = {f.name for f in fields(cls)}
        return cls(**{k: v for k, v in (values or {}).items() if k in known})  # type: ignore[arg-type]
