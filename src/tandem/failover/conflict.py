"""Whether a partner's binding update is accepted: the rows of the draft's figure 7.1.3-1, and what accepting does.

Does not know the link or the queue of updates. Times are this server's clock (the link has corrected them).
Source: draft-ietf-dhc-failover-12 sections 7.1.2 to 7.1.5.
"""

from __future__ import annotations

from tandem.base.errors import WireError
from tandem.base.units import FOREVER
from tandem.config.compiled import CompiledScope
from tandem.lease.binding import (
    ABANDONED,
    ACTIVE,
    BACKUP,
    BOOTP_FLAG,
    BY_PARTNER,
    DEACTIVATED_FLAG,
    EXPIRED,
    FREE,
    KEPT_BYTES,
    RELEASED,
    RESERVED_FLAG,
    RESET,
    UNKNOWN,
    Binding,
    client_key,
)
from tandem.lease.book import Book
from tandem.wire.dhcp import pack_within, unpack_options
from tandem.wire.failover import RejectReason, Update

_DDNS_FLAGS = 0x000F
_DNS_NAME_MAX = 255
"""Bytes of a name in DNS encoding (RFC 1035 section 2.3.4)."""

ACCEPT, TRANSACTION_LATER, LEASE_OVER, AFTER_RESET, SAME_CLIENT, REJECT = range(6)
AFTER_ABANDONED, RESET_LATER, ABANDONED_LATER = range(6, 9)

_A, _T1, _T2, _T3, _C, _R = ACCEPT, TRANSACTION_LATER, LEASE_OVER, AFTER_RESET, SAME_CLIENT, REJECT
_T4, _T5, _T6 = AFTER_ABANDONED, RESET_LATER, ABANDONED_LATER
#                     received:  ACTIVE EXPIRED RELEASED FREE BACKUP RESET ABANDONED
_COLUMNS = (ACTIVE, EXPIRED, RELEASED, FREE, BACKUP, RESET, ABANDONED)
_FIGURE = {
    ACTIVE:    (_C,  _T2, _T1, _T2, _T2, _T5, _T6),
    EXPIRED:   (_T1, _A,  _A,  _A,  _A,  _A, _A),
    RELEASED:  (_T1, _T1, _A,  _A,  _A,  _A, _A),
    FREE:      (_A,  _A,  _A,  _A,  _A,  _A, _A),
    BACKUP:    (_A,  _A,  _A,  _A,  _A,  _A, _A),
    RESET:     (_T3, _A,  _A,  _A,  _A,  _A, _A),
    ABANDONED: (_T4, _R,  _R,  _R,  _R,  _A, _A),
}  # fmt: skip
RULES: dict[tuple[int, int], int] = {
    (ours, theirs): rule for ours, row in _FIGURE.items() for theirs, rule in zip(_COLUMNS, row, strict=True)
}
"""(status here, status received) -> rule."""

_SAME_TIME_S = 5
"""Times of the two servers this near to each other may be the other way round: on a slow link the difference of their
clocks is known no better (``failover.clock``)."""
CLIENT_REQUIRED = (ACTIVE, EXPIRED, RELEASED)


def judge(
    binding: Binding | None, update: Update, scope: CompiledScope, main: bool, now: int
) -> tuple[int, str] | None:
    """Return None when ``update`` is to be accepted, else (reject reason, text). ``main``: our role.

    Source: section 7.1.3 and figure 7.1.3-1.
    """
    status = update.status
    if not 1 <= status <= 7:
        return RejectReason.MISSING_BINDING_INFORMATION, f"binding-status {status} is missing or unknown"
    if status in CLIENT_REQUIRED and not update.hardware:
        return RejectReason.MISSING_BINDING_INFORMATION, "client-hardware-address is missing"
    if status == ACTIVE and update.expires is None:
        return RejectReason.MISSING_BINDING_INFORMATION, "lease-expiration-time is missing"
    if update.flags & RESERVED_FLAG and status == BACKUP and update.address not in scope.reserved:
        return RejectReason.NOT_RESERVED_HERE, "the address is not reserved on this server"
    if binding is None:
        return None
    rule = RULES[binding.status, status]
    if rule == ACCEPT:
        return None
    if rule == SAME_CLIENT:
        if binding.expires <= now or not _strangers(binding, update, scope):
            return None
        if not main:
            # Deviation: the main's word counts when both have leased one address, not when its lease is over (0008).
            if update.expires is None or update.expires > now:
                return None
            return RejectReason.OUTDATED_BINDING, _runs(binding, now)
        return RejectReason.FATAL_CONFLICT, "the address is leased to another client here"
    if rule == LEASE_OVER:
        if binding.expires <= now and binding.expires != FOREVER:
            return None
        # Deviation: nothing else would ever end a lease without end whose client took one with an end there.
        endless = binding.expires == FOREVER and not other_client(binding, update)
        if status == EXPIRED and endless and _later(binding, update):
            return None
        # Deviation: it has acknowledged this lease, so it knows that the client gave it up (decisions/0008).
        known = binding.up_to_date and not other_client(binding, update)
        if status == EXPIRED and known and _later(binding, update, _SAME_TIME_S):
            return None
        return RejectReason.OUTDATED_BINDING, _runs(binding, now)
    # Deviation: a lease given after the address was abandoned is accepted. The partner that gave it had made the
    # address available again (in PARTNER-DOWN it does so alone), and a client holds it.
    if rule == AFTER_ABANDONED and (update.last_transaction or 0) > binding.start_of_state:
        return None
    # Deviation: between RESET and ACTIVE it counts where the client was heard last, not when the address was reset: a
    # quarantine ends by itself on a server that does not know that its partner has given the address since.
    if rule == RESET_LATER:
        if update.last_transaction is None or update.last_transaction >= binding.last_transaction:
            return None
        return RejectReason.OUTDATED_BINDING, "this server heard the client later"
    # Deviation: and one that was abandoned before its client was heard last is not taken from the client (likewise).
    if rule == ABANDONED_LATER:
        if update.start_of_state is None or update.start_of_state >= binding.last_transaction:
            return None
        return RejectReason.OUTDATED_BINDING, "this server heard the client later"
    if rule in (REJECT, AFTER_ABANDONED):
        return RejectReason.LESS_CRITICAL_BINDING, "the address is marked unusable here"
    # Deviation: a lease that runs there goes on, though its client was heard here later, for a shorter one that is
    # over: the partner, which does not know that the client gave the longer one up, refuses that likewise.
    if rule == TRANSACTION_LATER and status == ACTIVE and binding.status == EXPIRED and (update.expires or 0) > now:
        return None
    # Deviation: what became of another client's lease says nothing of one that runs (decisions/0008). Where that has no
    # end, each side would refuse the other for good.
    if rule == TRANSACTION_LATER and _strangers(binding, update, scope):
        if status == ACTIVE and (update.expires or 0) > now:
            return None
        if binding.status == ACTIVE and binding.expires > now:
            return RejectReason.OUTDATED_BINDING, _runs(binding, now)
    # Deviation: at the same time ACTIVE wins on both sides. "Later" alone would leave each side refusing the other for
    # good within a second, and freeing a lease that a client may hold is the worse mistake.
    since, theirs = binding.last_transaction, update.last_transaction
    if theirs is not None and rule == AFTER_RESET and theirs > since:
        return None
    if theirs is not None and rule == TRANSACTION_LATER and theirs > since + _in_doubt_s(binding, status):
        return None
    return RejectReason.OUTDATED_BINDING, "this server heard the client later"


def _in_doubt_s(binding: Binding, status: int) -> int:
    """Return how much later than our transaction the partner's must be (more than this), in seconds."""
    if status == ACTIVE:
        return -_SAME_TIME_S - 1
    # What it was told, and has acknowledged, was before whatever it tells now.
    return 0 if binding.up_to_date or binding.status != ACTIVE else _SAME_TIME_S


def other_client(binding: Binding, update: Update) -> bool:
    """Return whether the partner's update names another client than the binding."""
    if update.hardware == binding.hardware and update.client_id == binding.client_id:
        return False
    return client_key(update.client_id, update.hardware) != client_key(binding.client_id, binding.hardware)


def _strangers(binding: Binding, update: Update, scope: CompiledScope) -> bool:
    """Return whether the two name two clients: not one host, by its reservation, under two client identifiers."""
    reservation = scope.reserved.get(update.address)
    one = reservation is not None and reservation.key == b"h" + update.hardware == b"h" + binding.hardware
    return not one and other_client(binding, update)


def _runs(binding: Binding, now: int) -> str:
    """Return the reason why the lease here counts."""
    return "the lease here has no end" if binding.expires == FOREVER else (
        f"the lease here runs for another {binding.expires - now} s"
    )  # fmt: skip


def _later(binding: Binding, update: Update, by_s: int = 0) -> bool:
    """Return whether the partner heard the client after this server, by more than ``by_s`` seconds."""
    return update.last_transaction is not None and update.last_transaction > binding.last_transaction + by_s


def _takes_end(binding: Binding, update: Update) -> bool:
    """Return whether the end that the partner tells of the same client's lease counts: the later of the two.

    Deviation: of a lease that has no end on one side only, the client's later transaction counts. A client that has a
    lease without end (BOOTP) extends nothing, so after it asked for one with an end it has that one.
    """
    assert update.expires is not None
    if (binding.expires == FOREVER) == (update.expires == FOREVER):
        return update.expires > binding.expires
    if binding.expires == FOREVER:
        return _later(binding, update)
    return update.last_transaction is None or update.last_transaction >= binding.last_transaction


def accept(book: Book, binding: Binding, update: Update, scope: CompiledScope, now: int) -> None:
    """Take an accepted update into the book (section 7.1.4). The caller stores it.

    EXPIRED, RELEASED and RESET end in FREE at once (section 5.11). What this server had to tell of an older
    state is superseded, except that both having extended the same client's lease leaves both to be told: the
    later end counts on both sides, as it may be the one that reached the client (``_takes_end``).
    """
    status = update.status
    takes_end = status == ACTIVE and _takes_end(binding, update)
    was_active = binding.status == ACTIVE
    same_client = binding.hardware == update.hardware and binding.client_id == update.client_id
    pending = not binding.up_to_date and was_active and status == ACTIVE and same_client
    started = update.start_of_state if update.start_of_state is not None else now
    if update.last_transaction is not None and (update.last_transaction > binding.last_transaction or not same_client):
        binding.last_transaction = update.last_transaction
    # The R bit says whether the sender has the address reserved (section 12.12); ours says whether it is here.
    kept = binding.flags & DEACTIVATED_FLAG
    binding.flags = update.flags & BOOTP_FLAG | (RESERVED_FLAG if update.address in scope.reserved else 0) | kept
    if status == ACTIVE:
        assert update.expires is not None
        potential = update.potential if update.potential is not None else update.expires
        # A lease that begins after its client was heard is one that was over (``failover.forgotten``).
        giver = UNKNOWN if started > (update.last_transaction or started) else BY_PARTNER
        if same_client and was_active:
            if takes_end:
                binding.granted_by = giver
                binding.expires = update.expires
                if pending:
                    binding.generation += 1  # what is on the way tells a shorter end: it is told once more
            pending = pending or binding.expires != update.expires
            binding.received_potential = max(binding.received_potential, potential)
        else:
            book.set_client(binding, update.hardware, update.client_id)
            binding.granted_by = giver
            binding.expires = update.expires
            # The partner may rely on what it was told before this server took the lease for ended, or the address for
            # one in use (which no longer says whose it was).
            ended = binding.status in (ABANDONED, RESET) or (binding.status in (EXPIRED, RELEASED) and same_client)
            told = max(binding.sent_potential, binding.acked_potential, binding.received_potential) if ended else 0
            binding.received_potential = potential
            binding.sent_potential, binding.acked_potential = told, 0
        if update.request_options:
            binding.options = _kept(update.request_options)
        if update.reply_options:
            binding.reply_options = book.shared(update.reply_options) or book.share(_kept(update.reply_options))
        book.set_status(binding, ACTIVE, started)
    elif status == ABANDONED:
        book.set_client(binding, b"", b"")
        # Nothing of a client goes with it. But whoever found the address in use was heard: it counts once it is RESET.
        binding.last_transaction = max(binding.last_transaction, started)
        binding.expires = now + (scope.partner_unavailable_s or scope.policy.unavailable_s)
        book.set_status(binding, ABANDONED, started)
    else:
        if update.hardware:
            book.set_client(binding, update.hardware, update.client_id)
        if update.expires is not None:
            binding.expires = update.expires
        else:
            binding.expires = min(binding.expires, now)
        book.set_status(binding, BACKUP if status == BACKUP else FREE, started)
    if update.ddns is not None and status != ABANDONED:
        _take_ddns(binding, *update.ddns)
    binding.up_to_date = not pending
    if not pending:
        binding.generation += 1  # what is on the way of an older state must not count for this one


def _kept(options: bytes) -> bytes:
    """Return a partner's copy of a client's options as it may be stored: readable, and not over ``KEPT_BYTES``."""
    try:
        read = unpack_options(options)
    except WireError:
        return b""
    return options if len(options) <= KEPT_BYTES else pack_within(read, KEPT_BYTES)


def _take_ddns(binding: Binding, flags: int, name: bytes) -> None:
    """Store what the partner says of its DNS updates for the client (sections 5.12.2 and 12.9): bits that are not
    defined count for nothing; a name that is none is not kept."""
    if len(name) <= _DNS_NAME_MAX:
        binding.ddns = (flags & _DDNS_FLAGS).to_bytes(2, "big") + name
