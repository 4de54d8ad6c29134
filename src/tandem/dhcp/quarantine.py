"""An address that a host has without a lease is nobody's for a while: declined by its client, or found by a ping.

Does not know messages. Source: RFC 2131 sections 3.1 step 5 and 4.3.3; draft-ietf-dhc-failover-12 section 5.11
(ABANDONED); SYSTEM S3.7.
"""

from __future__ import annotations

from tandem.base.io import Note
from tandem.base.ipv4 import format_ipv4
from tandem.config.compiled import CompiledScope
from tandem.dhcp.journal import Journal
from tandem.dhcp.query import Query
from tandem.lease.binding import ABANDONED, BOOTP_FLAG, Binding
from tandem.lease.book import Book


def abandon(
    book: Book, journal: Journal, query: Query, scope: CompiledScope, binding: Binding, ident: int, why: str
) -> None:  # fmt: skip
    """Make ``binding`` unavailable for the policy's unavailable-timeout, store it, and say ``why`` with the cure."""
    moment = int(query.now)
    book.set_client(binding, b"", b"")
    binding.options = b""
    binding.flags &= ~BOOTP_FLAG
    unavailable_s = query.policy(scope, binding.address).unavailable_s
    binding.expires = query.moment + unavailable_s
    binding.last_transaction = max(moment, binding.last_transaction + 1)
    book.set_status(binding, ABANDONED, moment)
    book.save(binding, query.out)
    if journal.room(query.now, query.out):
        cure = f"find that host, then lease {format_ipv4(binding.address)} force-available"
        text = f"{why}; it is unavailable for {unavailable_s} s ({cure})"
        query.out.append(Note("Warning", "Protocol", ident, text))
