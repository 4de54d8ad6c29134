"""Giving and extending a lease: for how long, what is stored, and in which order.

The one place where a binding becomes ACTIVE for a client of this server. Does not know which address is right for a
client (``dhcp.choice``), nor messages' rules.
Source: RFC 2131 sections 4.3.1 and 4.3.2; draft-ietf-dhc-failover-12 section 5.2; SYSTEM S3.7, S4.3.
"""

from __future__ import annotations

from struct import Struct

from tandem.base.io import Note
from tandem.base.ipv4 import format_hardware, format_ipv4
from tandem.base.units import FOREVER
from tandem.config.compiled import CompiledScope, ServerConfig
from tandem.dhcp.journal import LEASED, Journal, lease_words
from tandem.dhcp.journal import RELEASED as RELEASED_LINE
from tandem.dhcp.query import Query
from tandem.dhcp.replies import Replies, renewal_times
from tandem.lease.binding import (
    ACTIVE,
    BOOTP_FLAG,
    BY_THIS_SERVER,
    FREE,
    INTERESTING,
    KEPT_BYTES,
    RELEASED,
    RESERVED_FLAG,
    Binding,
    client_key,
)
from tandem.lease.book import Book
from tandem.wire.dhcp import ACK, OPT_HOST_NAME, OPT_LEASE_TIME, OPT_RELAY_INFO, pack_within, unpack_options

_TIMES = Struct(">BBIBBI")
_TIMES_MAX = 1000


def desired_seconds(query: Query, scope: CompiledScope, address: int) -> int:
    """Return how long a lease is to be: the policy's time, or less if the client wants less and may."""
    policy = query.policy(scope, address)
    desired = FOREVER if policy.permanent else policy.lease_s
    if policy.allow_lease_time_override and OPT_LEASE_TIME in query.options:
        wish = int.from_bytes(query.options[OPT_LEASE_TIME], "big")
        if 0 < wish < desired:
            return wish
    return desired


def lease_seconds(query: Query, binding: Binding | None, desired: int) -> int:
    """Return how long a lease may be now.

    Only of a lease that goes on has the partner acknowledged anything: one that ended may be free to it already.
    """
    if binding is not None and binding.status != ACTIVE:
        binding = None
    return query.powers.lease_seconds(binding, desired, query.moment)


class Leases:
    """Gives leases: book, journal and replies in the order that invariant 1 demands."""

    def __init__(self, config: ServerConfig, book: Book, journal: Journal, replies: Replies) -> None:
        self.config = config
        self.book = book
        self.journal = journal
        self.replies = replies
        self._times: dict[int, bytes] = {}

    def extend(self, query: Query, scope: CompiledScope, binding: Binding) -> None:
        """Extend the client's lease; or, early in it, confirm what is left of it without a save (S3.7).

        Deferred only while more than half is left, and only where no longer lease than it had could be given now:
        one that the MCLT made short is extended as soon as the partner has acknowledged more. Never while the partner
        may have heard the client end this lease, as what is not stored cannot be told from that: when it is out of
        reach, or is whom the client had its lease from last, to whom it would release it.
        """
        desired = desired_seconds(query, scope, binding.address)
        given = lease_seconds(query, binding, desired)
        split = query.policy(scope, binding.address).split_lease_times  # what is left is more than the client has
        told = not scope.endpoint or (query.powers.connected and binding.granted_by == BY_THIS_SERVER)
        if self.config.defer_lease_extensions and told and not split and not binding.flags & BOOTP_FLAG:
            if binding.expires == FOREVER:
                left, had, half = FOREVER, FOREVER, 0
            else:
                left, had = binding.expires - query.moment, binding.expires - binding.last_transaction
                half = had >> 1
            if half < left <= given <= had:
                self.journal.counters["extensions-deferred"] += 1
                self.replies.send(query, ACK, scope, binding.address, left)
                return
        self.journal.counters["leases-extended"] += 1
        self._give(query, scope, binding, desired, given, False, True)

    def grant(self, query: Query, scope: CompiledScope, binding: Binding) -> None:
        """Give the client a lease on ``binding``, which it may have."""
        desired = desired_seconds(query, scope, binding.address)
        self.journal.counters["leases-granted"] += 1
        self._give(query, scope, binding, desired, lease_seconds(query, binding, desired), False)

    def release(self, query: Query, scope: CompiledScope, binding: Binding) -> None:
        """End the lease that the client gives back: RELEASED, as a partner must agree, or FREE."""
        moment = int(query.now)
        binding.expires = min(binding.expires, moment)
        # Strictly later than what the partner may have heard, or it would refuse the end of the lease as outdated.
        binding.last_transaction = max(moment, binding.last_transaction + 1)
        self.book.set_status(binding, RELEASED if scope.endpoint else FREE, moment)
        self.book.save(binding, query.out)
        self.journal.counters["leases-released"] += 1
        if self.journal.leases and self.journal.room(query.now, query.out):
            text = f"{format_hardware(query.hardware)} released {format_ipv4(binding.address)}"
            query.out.append(Note("Info", "Protocol", RELEASED_LINE, text, "no-success-messages"))

    def grant_bootp(self, query: Query, scope: CompiledScope, binding: Binding) -> None:
        """Give a BOOTP client ``binding``, which is reserved for it, for good."""
        self.journal.counters["leases-granted"] += 1
        self._give(query, scope, binding, FOREVER, FOREVER, True)

    def _reply_options(self, given: int) -> bytes:
        """Return the options of the reply that a partner wants to know (draft table 7.1.1-3).

        The same bytes for the same time: a million leases share them.
        """
        found = self._times.get(given)
        if found is None:
            if len(self._times) >= _TIMES_MAX:
                self._times.clear()
            renewal, rebinding = renewal_times(given)
            found = self._times[given] = _TIMES.pack(58, 4, renewal, 59, 4, rebinding)
        return found

    def _give(
        self, query: Query, scope: CompiledScope, binding: Binding, desired: int, given: int, bootp: bool,
        goes_on: bool = False,
    ) -> None:  # fmt: skip
        """Make the lease, store it, and only then acknowledge it (invariant 1).

        ``goes_on``: the client may be using the lease that it has. Until the new ACK has reached it, which cannot be
        known, it believes in the end that it was promised before; so the end in the book never comes nearer. (Only
        one without end does, when the client extends its lease: it does that with no lease that has no end.)
        """
        book, out, moment = self.book, query.out, int(query.now)
        address = binding.address
        if binding.status != ACTIVE and (binding.acked_potential or binding.received_potential):
            # An ended lease is taken up again. What was agreed for it lengthens nothing any more, but the partner
            # may have relied on it: it still counts for how long this server must wait, should the partner fail.
            relied_on = max(binding.acked_potential, binding.received_potential)
            binding.sent_potential = max(binding.sent_potential, relied_on)
            binding.acked_potential = binding.received_potential = 0
        options = kept_options(query, binding)
        kept, wanted = given, desired
        if self.config.split_lease_times:
            policy = query.policy(scope, address)
            if policy.split_lease_times and policy.server_lease_s > desired:
                wanted = policy.server_lease_s
                kept = max(given, lease_seconds(query, binding, wanted))
        book.set_client(binding, query.hardware, query.client_id)
        binding.options = options
        binding.reply_options = b"" if bootp else self._reply_options(given)
        ends = FOREVER if kept == FOREVER else min(query.moment + kept, FOREVER - 1)
        if goes_on and not (binding.expires == FOREVER and query.message.ciaddr):
            ends = max(ends, binding.expires)
        binding.expires = ends
        binding.last_transaction = moment if binding.status == ACTIVE else max(moment, binding.last_transaction)
        binding.granted_by = BY_THIS_SERVER
        binding.flags = (RESERVED_FLAG if address in scope.reserved else 0) | (BOOTP_FLAG if bootp else 0)
        potential = query.powers.potential(kept, wanted, query.moment)
        if potential > binding.sent_potential:
            binding.sent_potential = potential
        book.set_status(binding, ACTIVE, moment)
        book.save(binding, out)
        if self.journal.leases and self.journal.room(query.now, out):
            text = f"Leased {format_ipv4(address)} to {format_hardware(query.hardware)} {lease_words(given, desired)}"
            out.append(Note("Info", "Protocol", LEASED, text, "no-success-messages"))
        if bootp:
            self.replies.send(query, 0, scope, address, 0)
        else:
            self.replies.send(query, ACK, scope, address, given)


def kept_options(query: Query, binding: Binding) -> bytes:
    """Return the options of the request that a partner wants to know, without the largest where they are too many.

    A renewal that bypasses the relay does not make untrue what the relay said of the client when the lease began.
    """
    options = query.options
    found = {code: options[code] for code in INTERESTING if code in options}
    if query.profile is not None:
        name = query.profile.name_for(query.hardware)
        if name is not None:
            found.pop(OPT_HOST_NAME, None)
            if name:
                found[OPT_HOST_NAME] = name
    if binding.options and OPT_RELAY_INFO not in options and query.message.ciaddr and not query.message.giaddr:
        info = unpack_options(binding.options).get(OPT_RELAY_INFO)
        if info is not None and client_key(binding.client_id, binding.hardware) == query.key:
            found[OPT_RELAY_INFO] = info
    return pack_within(found, KEPT_BYTES) if found else b""
