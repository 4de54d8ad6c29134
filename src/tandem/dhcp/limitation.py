"""Clients beyond a limit: those whose limitation id has as many leases as a policy allows get none, or another class.

Source: reference "commands and attributes" sections 2.3 to 2.5 (limitation-count, over-limit-client-class-name).
"""

from __future__ import annotations

from tandem.base.io import Note
from tandem.base.ipv4 import format_hardware
from tandem.config.packet_expressions import Packet
from tandem.config.profiles import Clients
from tandem.dhcp.journal import OVER_LIMIT, Journal
from tandem.dhcp.query import Query
from tandem.lease.binding import ACTIVE
from tandem.lease.book import Book


def within_limit(book: Book, clients: Clients, query: Query, journal: Journal) -> bool:
    """Return whether the client may be served, perhaps as one of its over-limit class, which it then is.

    Of those that have a lease the first count; a lease that goes on is left to its client where there is no such class.
    """
    profile, limits = query.profile, book.limits
    if profile is None or profile.limitation is None or limits is None:
        return True
    lease = book.clients.find(query.network, query.key)
    own = lease.address if lease is not None and lease.status == ACTIVE else 0
    if own:  # a renewal comes without what the relay said
        limitation = limits.of_lease(own)
    else:
        limitation = profile.limitation(Packet(query.client_id, query.hardware, query.options))
    scopes = query.network.scopes
    scope = next((scope for scope in scopes if profile.fits(scope)), scopes[0])
    count = query.policy(scope, 0).limitation_count
    if not limitation or not count or limits.before(query.network, limitation, own, count) < count:
        return True
    over = clients.classes.get(profile.over_limit)
    if over is not None:
        query.profile = over
        return True
    if own:
        return True
    journal.counters["dropped-over-limit"] += 1
    if journal.drops and journal.room(query.now, query.out):
        text = (
            f"Dropped a packet of {format_hardware(query.hardware)}: {count} clients with the limitation id"
            f" {limitation!r} have leases, as many as limitation-count of its policy allows (raise it, or set"
            " over-limit-client-class-name)"
        )
        query.out.append(Note("Info", "Protocol", OVER_LIMIT, text, "no-dropped-dhcp-packets"))
    return False
