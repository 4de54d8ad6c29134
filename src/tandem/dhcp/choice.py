"""Which address a client may have: its reservation, its lease, its last address, its wish, or any that is available.

Does not know messages' rules (``dhcp.server``), lease times or options. What this server may give, and from whose
share, is in ``Query.powers``.
Source: RFC 2131 section 4.3.1; draft-ietf-dhc-failover-12 sections 3.1.2, 5.11 and 9.9.2.
"""

from __future__ import annotations

from tandem.config.compiled import CompiledScope, Reservation, ServerConfig
from tandem.dhcp.query import Query
from tandem.lease.binding import ABANDONED, ACTIVE, BACKUP, EXPIRED, FREE, RELEASED, UNKNOWN, Binding, client_key
from tandem.lease.book import Book
from tandem.wire.dhcp import OPT_REQUESTED_ADDRESS

Pick = tuple[CompiledScope, int, Binding | None]
"""Scope, address, and the client's own lease of it if it has one (else the address is set aside for it)."""


class Choice:
    """Chooses addresses out of a lease book."""

    def __init__(self, config: ServerConfig, book: Book) -> None:
        self.config = config
        self.book = book

    # --- whose it is ------------------------------------------------------------------------------------

    @staticmethod
    def holds(query: Query, binding: Binding, scope: CompiledScope) -> bool:
        """Return whether ``binding`` is (or was) the client's.

        A client with a reservation by hardware address is known by that, however it identifies itself: a host
        that starts from the network and then runs its system has two identifiers and one address.
        """
        if client_key(binding.client_id, binding.hardware) == query.key:
            return True
        return binding.hardware == query.hardware and reserved_by_hardware(query, scope, binding.address)

    def may_keep(self, query: Query, scope: CompiledScope, address: int) -> bool:
        """Return whether operators leave the client its address: it is not deactivated, not reserved for another, and
        the client has none reserved elsewhere."""
        if self.book.held_back(address):
            return False
        reservation = scope.reserved.get(address)
        if reservation is not None:
            return _is_for(query, reservation)
        own = self._reservation(query)
        return own is None or own[1] == address

    def may_give(self, query: Query, scope: CompiledScope, address: int) -> bool:
        """Return whether an available address may be newly given to the client."""
        if query.closed(scope):
            return False
        reservation = scope.reserved.get(address)
        if reservation is not None and address not in self.book.offered:
            if not _is_for(query, reservation):
                return False
            return self.book.may_give(scope, address, reservation.key, query.powers, query.now)
        return self.book.may_give(scope, address, query.key, query.powers, query.now)

    @staticmethod
    def runs(query: Query, scope: CompiledScope, binding: Binding) -> bool:
        """Return whether ``binding`` is a lease that its client has, not only one that nobody has ended yet.

        A server that was away for long and may not know what its partner has given since (draft section 9.3.2 step 6)
        takes a lease for ended from the moment at which it is over; one that only counts because the partner has
        forgotten whose the address is now is not its client's. Reserved addresses nobody else gets.
        """
        if binding.status != ACTIVE:
            return False
        known = query.now >= query.powers.own_from or binding.address in scope.reserved
        return known or (binding.expires > query.now and binding.granted_by != UNKNOWN)

    def is_partners(self, query: Query, scope: CompiledScope, address: int) -> bool:
        """Return whether ``address`` is available, and the partner's to give: it may have, and not have told it yet."""
        binding = self.book.by_address.get(address)
        owner = self.book.pools[scope.index].owner_of_unused(address) if binding is None else binding.status
        return bool(scope.endpoint) and owner == query.powers.theirs

    @staticmethod
    def starts_elsewhere(query: Query, scope: CompiledScope, address: int) -> bool:
        """Return whether a client that starts anew is not to have ``address`` again (inhibit-renews-at-reboot)."""
        if address in scope.reserved:
            return False
        policy = query.policy(scope, address)
        return policy.inhibit_all_renews or policy.inhibit_renews_at_reboot

    def may_return(self, query: Query, scope: CompiledScope, binding: Binding) -> bool:
        """Return whether the last client may have its ended lease again before the partner has agreed to its end.

        On the main it may: the partner, once it has agreed, leaves the address to the main, and until then it
        takes it as this client's. On the backup only a reserved address, which nobody else gets.
        Deviation: section 5.11 would let the backup do it too while the partner has not been told; whether it has
        been is not known for certain after a lost connection.
        """
        if binding.status not in (EXPIRED, RELEASED) or query.closed(scope) or not self.holds(query, binding, scope):
            return False
        mine = query.powers.own == FREE and query.now >= query.powers.own_from
        return mine or binding.address in scope.reserved

    def believable(self, query: Query, scope: CompiledScope, address: int) -> bool:
        """Return whether a client that extends a lease unknown here is to be believed (draft section 3.1.2).

        While the partner cannot be asked, it may have given the address and died before it could say so; one that is
        back and recovers may have lost what it gave. Only what contradicts it counts against the client: another's
        lease, offer or reservation; and that its own lease of the address was lost to another client.
        """
        if not scope.endpoint or query.powers.partner_tells or query.closed(scope):
            return False
        if query.powers.has_lost(address, query.key, query.now):
            return False
        reservation = scope.reserved.get(address)
        if reservation is not None:
            if not _is_for(query, reservation):
                return False
        elif address not in scope.ranges:
            return False
        if address in self.book.offered:
            offer = self.book.offer_to(query.network, query.key)
            return offer is not None and offer.address == address
        binding = self.book.by_address.get(address)
        if binding is not None and binding.status in (FREE, BACKUP):
            # Both know that the lease it had is over, so the partner may have given the address to another.
            return not self.holds(query, binding, scope)
        if binding is not None and binding.status in (EXPIRED, RELEASED) and not self.holds(query, binding, scope):
            return False  # its last client may have been given more time there
        return binding is None or binding.status not in (ACTIVE, ABANDONED)

    def take(self, query: Query, scope: CompiledScope, address: int) -> Binding:
        """Return the record of an address that the client may have; the caller makes it ACTIVE at once."""
        book = self.book
        offer = book.offer_to(query.network, query.key)
        if offer is not None:
            if offer.address == address:
                return book.take_offer(offer)
            book.withdraw(query.network, query.key)
        return book.record(address, scope)

    # --- choosing ---------------------------------------------------------------------------------------

    def pick(self, query: Query) -> Pick | None:
        """Return the best address for a client that looks for one, or None when there is none.

        Its reservation; its lease; the offer it has; its last address; its wish; the next one of the scopes in
        their order (RFC 2131 section 4.3.1).
        """
        book, network, key = self.book, query.network, query.key
        own = self._reservation(query)
        if own is not None:
            return self._set_aside(query, own[0], own[1])
        last = book.clients.find(network, key)
        avoided = 0
        if last is not None:
            scope = self.config.scope_of(network, last.address)
            if scope is not None and self.starts_elsewhere(query, scope, last.address):
                avoided, last = last.address, None
            elif scope is not None and not query.closed(scope) and self.may_keep(query, scope, last.address):
                if self.runs(query, scope, last) or self.may_return(query, scope, last):
                    return scope, last.address, last
            else:
                last = None
        offer = book.offer_to(network, key)
        if offer is not None and self._open(query, offer.address):
            return self._set_aside(query, offer.scope, offer.address)
        if last is not None and scope is not None and self._open(query, last.address):
            return self._set_aside(query, scope, last.address)
        wish = query.options.get(OPT_REQUESTED_ADDRESS)
        if wish is not None:
            address = int.from_bytes(wish, "big")
            scope = self.config.scope_of(network, address)
            if scope is not None and address != avoided and self._open(query, address):
                return self._set_aside(query, scope, address)
        return self._next(query, self._in_turn(query))

    def bootp_address(self, query: Query) -> Pick | None:
        """Return the address for a BOOTP client, or None: its reservation (static BOOTP), or one of a dynamic-bootp
        scope, the one that it has or had first."""
        own = self._reservation(query)
        if own is not None:
            return self._set_aside(query, own[0], own[1])
        network, key = query.network, query.key
        last = self.book.clients.find(network, key)
        if last is not None:
            scope = self.config.scope_of(network, last.address)
            usable = scope is not None and scope.dynamic_bootp and not query.closed(scope)
            if usable and scope is not None and not self.book.held_back(last.address):
                if self.runs(query, scope, last) or self.may_return(query, scope, last):
                    return scope, last.address, last
                if self._open(query, last.address):
                    return self._set_aside(query, scope, last.address)
        offer = self.book.offer_to(network, key)  # pinged, and not given yet
        if offer is not None and offer.scope.dynamic_bootp and self._open(query, offer.address):
            return self._set_aside(query, offer.scope, offer.address)
        return self._next(query, [scope for scope in self._in_turn(query) if scope.dynamic_bootp])

    def _in_turn(self, query: Query) -> list[CompiledScope]:
        """Return the scopes of the LAN segment in the order in which they give addresses."""
        scopes = query.network.in_turn
        if not self.config.equal_priority_most_available or len(scopes) == 1:
            return scopes
        pools = self.book.pools

        def rank(scope: CompiledScope) -> tuple[int, int]:
            pool = pools[scope.index]
            return scope.allocation_priority or 1 << 40, -pool.side(query.powers.own).size

        return sorted(scopes, key=rank)

    def _next(self, query: Query, scopes: list[CompiledScope]) -> Pick | None:
        """Set aside the next available address of these scopes, in their order."""
        for scope in scopes:
            if query.closed(scope) or scope.renew_only:
                continue
            policy = query.policy(scope, 0)
            until = query.now + policy.offer_s
            offer = self.book.choose(scope, query.key, query.powers, query.now, until, policy.lease_s)
            if offer is not None:
                return scope, offer.address, None
        return None

    def _open(self, query: Query, address: int) -> bool:
        scope = self.config.scope_of(query.network, address)
        return scope is not None and not scope.renew_only and self.may_give(query, scope, address)

    def _set_aside(self, query: Query, scope: CompiledScope, address: int) -> Pick:
        binding = self.book.by_address.get(address)
        if binding is not None and binding.status not in (FREE, BACKUP):
            return scope, address, binding
        policy = query.policy(scope, address)
        until = query.now + policy.offer_s
        self.book.set_aside(scope, address, query.key, query.now, until, policy.lease_s)
        return scope, address, None

    def _reservation(self, query: Query) -> tuple[CompiledScope, int] | None:
        """Return the client's reservation on its LAN segment that can be used now, or None."""
        for scope in query.network.scopes:
            if not scope.reservations or query.closed(scope):
                continue
            reservation = scope.reservations.get(query.key)
            if reservation is None and query.client_id:
                reservation = scope.reservations.get(b"h" + query.hardware)
            if reservation is not None and self._usable(query, scope, reservation.address):
                return scope, reservation.address
        return None

    def _usable(self, query: Query, scope: CompiledScope, address: int) -> bool:
        if self.book.held_back(address):
            return False
        binding = self.book.by_address.get(address)
        if binding is not None and binding.status == ACTIVE:
            return self.holds(query, binding, scope)
        if binding is not None and self.may_return(query, scope, binding):
            return True
        return self.may_give(query, scope, address)


def _is_for(query: Query, reservation: Reservation) -> bool:
    return reservation.key == query.key or reservation.key == b"h" + query.hardware


def reserved_by_hardware(query: Query, scope: CompiledScope, address: int) -> bool:
    """Return whether ``address`` is reserved for the client's hardware address."""
    reservation = scope.reserved.get(address)
    return reservation is not None and reservation.key == b"h" + query.hardware
