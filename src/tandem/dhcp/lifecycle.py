"""What the passing of time does to a binding: leases end, quarantines end.

Source: RFC 2131 section 2.2; draft-ietf-dhc-failover-12 section 5.11 (the grace period is waited out here).
"""

from __future__ import annotations

from tandem.base.io import Effect, Note
from tandem.base.ipv4 import format_hardware, format_ipv4
from tandem.base.units import FOREVER
from tandem.config.compiled import CompiledScope
from tandem.lease.binding import ABANDONED, ACTIVE, EXPIRED, FREE, RESET, Binding
from tandem.lease.book import Book


def expire(book: Book, scope: CompiledScope, binding: Binding, now: float, out: list[Effect], partner: bool) -> None:
    """End the lease, or the quarantine, of ``binding`` if it is over; else bring it up again when it will be.

    With a partner the address waits for its acknowledgement (EXPIRED, RESET); without one it is FREE.
    """
    if binding.expires == FOREVER or binding.status not in (ACTIVE, ABANDONED):
        return
    grace = 0
    if binding.status == ACTIVE:
        grace = book.config.policy_of(scope, binding.address, binding.client_id, binding.hardware).grace_s
    due = binding.expires + grace
    if due > now:
        book.schedule(due, binding)
        return
    if binding.status == ACTIVE:
        text = f"Lease {format_ipv4(binding.address)} of {format_hardware(binding.hardware)} has expired"
        out.append(Note("Info", "Protocol", 5021, text, "no-timeouts"))
        book.set_status(binding, EXPIRED if partner else FREE, int(now))
    else:
        text = f"{format_ipv4(binding.address)} is available again after its unavailable-timeout"
        out.append(Note("Info", "Protocol", 5022, text, "no-timeouts"))
        book.set_status(binding, RESET if partner else FREE, int(now))
    book.save(binding, out)
