"""What has to be said differently to a partner of another make: data, looked up at a handful of places.

Between two Tandem servers the whole draft is spoken, with our extensions. ISC dhcpd 4.4 departs from the draft in
what it says, and closes the connection, stops for good or exits at things that the draft allows; ``ISC`` holds
exactly what it survives. ``DRAFT`` is for any other make: the draft without our extensions. Does not know
connections, timers or who is in which state.
Source: observed behaviour of ISC dhcpd 4.4.3; draft-ietf-dhc-failover-12 sections 6 to 9.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tandem.base.units import FOREVER
from tandem.failover.clock import Skew
from tandem.lease.binding import ACTIVE, BACKUP, EXPIRED, FREE, RELEASED, Binding
from tandem.wire.failover import VENDOR_CLASS, Update
from tandem.wire.failover import ServerState as S

Says = Mapping[tuple[int, int], tuple[int, ...]]
"""(our state, the partner's state as it last said) -> the states to announce, one after the other; none = hold."""

_ISC_FOREVER = 0x7FFFFFFF
"""ISC dhcpd's time without end."""
_ISC_NAME = b"isc-"
_CODES = {
    "N": S.NORMAL, "CI": S.COMMUNICATIONS_INTERRUPTED, "PD": S.PARTNER_DOWN, "R": S.RECOVER, "RW": S.RECOVER_WAIT,
    "RD": S.RECOVER_DONE, "PC": S.POTENTIAL_CONFLICT, "CD": S.CONFLICT_DONE, "RI": S.RESOLUTION_INTERRUPTED,
    "P": S.PAUSED, "S": S.SHUTDOWN,
}  # fmt: skip
_ISC_SAYS_TEXT = """
ours  N   CI     PD     R      RW  RD  PC     CD  RI
N     N   N      -      -      N   N   -      N   -
CI    CI  CI     CI     CI     CI  CI  CI     -   CI
PD    PD  PD     PD     PD     PD  PD  PD     -   PD
R     -   -      R      R      R   R   -      -   -
RW    -   -      RW     R      RW  RW  -      -   -
RD    RD  RD     RD     R+RD   RD  RD  -      -   -
PC    PD  PC     PC     PC     PC  N   PC     PC  PC
CD    N   PC+CD  PC+CD  PC+CD  -   N   PC+CD  -   PC+CD
RI    PD  RI     RI     RI     RI  RI  RI     RI  RI
P     P   P      P      -      -   -   -      -   -
S     S   S      S      -      -   S   -      -   -
"""
"""What ISC dhcpd may be told of our state (rows), by its own state (columns); - = nothing.

It does not heed the STARTUP flag, takes a RECOVER for "serve alone", RECOVER-WAIT for "back again", goes to SHUTDOWN
for good when it is NORMAL and hears of a conflict (hence PARTNER-DOWN, which brings it into POTENTIAL-CONFLICT) or
is in POTENTIAL-CONFLICT and hears NORMAL, and exits when it is in CONFLICT-DONE and hears anything but NORMAL and the
states of a conflict. In SHUTDOWN and PAUSED it heeds nothing. As a secondary it asks for its updates when it hears
CONFLICT-DONE after POTENTIAL-CONFLICT; in RECOVER when it hears RECOVER.
"""


def _read_says(text: str) -> Says:
    head, *lines = (line.split() for line in text.split("\n") if line)
    return {
        (_CODES[ours], _CODES[theirs]): () if cell == "-" else tuple(int(_CODES[name]) for name in cell.split("+"))
        for ours, *cells in lines
        for theirs, cell in zip(head[1:], cells, strict=True)
    }


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to talk to a make of partner. The defaults are the draft's."""

    name: str
    max_unacked: int = 64
    """How many BNDUPD messages we say that we take unacknowledged (section 7.8.1: more than 10, less than 100)."""
    updates_max: int = 0
    """The most updates in one BNDUPD; 0 = as many as fit."""
    extensions: bool = False
    """Whether it understands our extensions: never-used addresses as ranges, and in CONNECT and CONNECTACK whether the
    sender has met the receiver (else a first contact is told by the partner's state) and the lease period factor."""
    buckets_inverted: bool = False
    """Whether a 1 bit of the hash bucket assignment means that the main serves the bucket."""
    calls_on_any: bool = False
    """Whether a main of this make sends CONNECT on a connection that its backup made too, on two at a time even."""
    backup_pct_max: int = 100
    """The largest share of the available addresses that a backup of this make keeps."""
    main_asks: bool = False
    """Whether a main of this make asks its backup for addresses when it runs short."""
    gives_unasked: bool = False
    """Whether a backup of this make does not ask for its share when it enters NORMAL."""
    forgets_potential: bool = False
    """Whether a server of this make that takes over gives an address away after the end of its lease as it knows it and
    the MCLT, whatever potential expiration it has acknowledged."""
    hears_before: bool = False
    """Whether a server of this make takes an older update for a newer one of its own that is still in line there: it is
    asked for what it has before it is told anything, when both return to NORMAL."""
    expiry_slack_s: int = 0
    """By how much a main of this make may declare a lease over before it is by our clock."""
    duel_retry_s: float = 60.0
    """When to tell an update again that lost to one of the partner's on its way to us (reject reason 16)."""
    says: Says | None = None
    """None: our state as it is, at once."""
    write: Callable[[Update, Binding | None, int, bool, Skew], None] | None = None
    """Makes an update of ours fit: (update, the binding it tells of, now, whether we are the main, clocks)."""
    read: Callable[[Update], None] | None = None
    """Makes an update of theirs mean what it would mean from a Tandem server."""
    withholds: Callable[[Binding], bool] | None = None
    """Whether a backup keeps this binding to itself while in NORMAL, as the main will tell it."""

    def announcement(self, ours: int, theirs: int) -> tuple[int, ...]:
        """Return the states to announce to a partner in state ``theirs`` (0 = not heard yet) when we are in ``ours``.

        In STARTUP ``ours`` is STARTUP to a make that has a table: it is told nothing before we know where we go on.
        """
        if self.says is None:
            return (ours,)
        return self.says.get((ours, theirs), ())

    def buckets(self, assignment: bytes) -> bytes:
        """Return a hash bucket assignment turned from our sense (1 = the backup serves) to theirs, or back."""
        return bytes(byte ^ 0xFF for byte in assignment) if self.buckets_inverted else assignment


def _write_for_isc(update: Update, binding: Binding | None, now: int, main: bool, skew: Skew) -> None:
    """All times always there, in the partner's clock, as it corrects none; no options that it makes nothing of.

    It judges an address's return by the potential expiration, and counts one from it for the next client, so that
    of anything but a lease is now. Start of state is the time of the last transaction there.
    """
    update.request_options = update.reply_options = b""
    update.ddns = None
    if binding is not None and binding.status == FREE:
        update.status = FREE  # reserved: its own reservations decide what it keeps
    if update.status == ACTIVE:
        update.start_of_state = update.last_transaction or update.start_of_state
    else:
        update.expires = 0 if binding is None else binding.expires
        update.potential = now
    if update.status == (BACKUP if main else FREE):
        update.flags = 0  # it refuses a flagged address of its own that is not reserved there
    update.expires = _to_isc(update.expires, skew)
    update.potential = _to_isc(update.potential, skew)
    update.start_of_state = _to_isc(update.start_of_state, skew)
    if update.last_transaction is not None:
        update.last_transaction = _to_isc(update.last_transaction, skew)


def _to_isc(moment: int | None, skew: Skew) -> int:
    if not moment:
        return 0
    return _ISC_FOREVER if moment == FOREVER else min(moment + skew.whole_s, _ISC_FOREVER - 1)


def _read_from_isc(update: Update) -> None:
    """It tells of a client's last transaction only where it served the client itself, and of a RELEASE the last one
    before it; the time of the RELEASE is the end of the lease."""
    if update.expires == _ISC_FOREVER:
        update.expires = FOREVER
    if update.potential == _ISC_FOREVER:
        update.potential = FOREVER
    if update.last_transaction is None:
        update.last_transaction = update.start_of_state
    if update.status == RELEASED and update.expires is not None and update.expires != FOREVER:
        update.last_transaction = max(update.last_transaction or 0, update.expires)


def _isc_will_expire(binding: Binding) -> bool:
    """An ISC main knows of this lease and declares it over itself; before that it would refuse our word, and forget
    what it has to say of a renewal."""
    return binding.status == EXPIRED and bool(binding.acked_potential or binding.received_potential)


TANDEM = Dialect("tandem", extensions=True)
DRAFT = Dialect("draft")
ISC = Dialect(
    "isc",
    max_unacked=3,  # it answers at once, where with more it waits for two seconds
    updates_max=1,
    buckets_inverted=True,
    calls_on_any=True,
    backup_pct_max=40,  # above, it gives back what was given, for ever
    main_asks=True,
    gives_unasked=True,
    forgets_potential=True,
    hears_before=True,
    expiry_slack_s=5,
    duel_retry_s=1.0,
    says=_read_says(_ISC_SAYS_TEXT),
    write=_write_for_isc,
    read=_read_from_isc,
    withholds=_isc_will_expire,
)
DIALECTS = {dialect.name: dialect for dialect in (TANDEM, ISC, DRAFT)}
"""By the name that ``failover-dialect`` gives."""


def dialect_of(vendor_class: bytes) -> Dialect:
    """Return the dialect of a partner that calls itself this (vendor-class-identifier, section 12.28)."""
    if vendor_class == VENDOR_CLASS:
        return TANDEM
    return ISC if vendor_class.startswith(_ISC_NAME) else DRAFT
