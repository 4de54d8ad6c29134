"""Ping before offer: an address is asked for on the network before it is newly offered (S3.7).

A request whose address is being asked for waits here; the client's next one takes its place, so that an address is
never asked for twice at a time. Only addresses that a client is newly given are asked for: not its lease, which it may
be using; not its reservation, which nobody else gets; not what it asks for in a DHCPREQUEST, where it was offered
before, or would be answering itself. Does not send anything (``base.io.Probe``), nor choose addresses.
Source: RFC 2131 sections 2.2 and 4.3.1; reference "commands and attributes" section 2.1.
"""

from __future__ import annotations

from typing import Final

from tandem.base.io import Probe
from tandem.base.ipv4 import format_ipv4
from tandem.config.compiled import CompiledScope, ServerConfig
from tandem.dhcp.choice import Choice
from tandem.dhcp.journal import IN_USE, Journal
from tandem.dhcp.quarantine import abandon
from tandem.dhcp.query import Query
from tandem.lease.book import Book

TRIES_MAX: Final = 8
"""How many addresses are tried for one request."""
SILENCE_S: Final = 60
"""For how long it counts that nobody answered."""


class Probes:
    """The addresses that are being asked for, and the requests that wait for that."""

    def __init__(self, config: ServerConfig, book: Book, journal: Journal, choice: Choice) -> None:
        self.config = config
        self._book = book
        self._journal = journal
        self._choice = choice
        self._waiting: dict[int, Query] = {}
        """By address."""

    def clear(self, query: Query, scope: CompiledScope, address: int) -> bool:
        """Return whether ``address``, which is set aside for the client, may be offered now.

        If not, it is being asked for, and ``take`` gives the request back then; or the request is dropped.
        """
        if not scope.probe_ms or address in scope.reserved:
            return True
        offer = self._book.offer_to(query.network, query.key)
        if offer is not None and offer.address == address and query.now < offer.silent_until:
            return True
        before = self._waiting.get(address)
        if before is not None:
            query.probes = before.probes
            self._waiting[address] = query
            return False
        if query.probes >= TRIES_MAX or len(self._waiting) >= self.config.max_probes:
            self._journal.counters["dropped-pings"] += 1
            return False
        query.probes += 1
        self._waiting[address] = query
        self._journal.counters["pings-sent"] += 1
        query.out.append(Probe(address, scope.probe_ms))
        return False

    def take(self, address: int) -> Query | None:
        """Return the request that waits for ``address``, which waits no more, or None."""
        return self._waiting.pop(address, None)

    def learn(self, query: Query, address: int, answered: bool) -> None:
        """Remember of an address that was asked for whether a host answered. ``query.powers`` are those of now."""
        book = self._book
        scope = self.config.scope_of(query.network, address)
        if scope is None or not self._choice.may_give(query, scope, address):
            return  # a reload, or the partner, or another client came first
        if not answered:
            offer = book.offer_to(query.network, query.key)
            if offer is not None and offer.address == address:
                offer.silent_until = query.now + SILENCE_S
            return
        self._journal.counters["addresses-in-use"] += 1
        why = f"A host answers a ping of {format_ipv4(address)}, which nobody has a lease of"
        abandon(book, self._journal, query, scope, self._choice.take(query, scope, address), IN_USE, why)
