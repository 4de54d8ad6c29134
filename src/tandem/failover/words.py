"""What failover says in the log and to operators: the reasons of refusals, and messages in detail.

Does not know endpoints. Source: draft-ietf-dhc-failover-12 section 12.21 (reasons in our words).
"""

from __future__ import annotations

from collections.abc import Sequence

from tandem.base.ipv4 import format_ipv4
from tandem.failover.updates import Item, Move
from tandem.lease.binding import Binding, Status
from tandem.wire.failover import RejectReason as R
from tandem.wire.failover import Update

_SHOWN = 4
"""How many addresses of a message a line names."""

REASONS: dict[int, str] = {
    R.RESERVED: "no reason given",
    R.ILLEGAL_ADDRESS: "the address is in no scope that both have under failover",
    R.FATAL_CONFLICT: "the address is leased to different clients on the two servers",
    R.MISSING_BINDING_INFORMATION: "something that belongs to the binding is missing",
    R.TIME_MISMATCH: "the clocks differ too much",
    R.INVALID_MCLT: "the maximum client lead time cannot be used",
    R.UNKNOWN_REASON: "refused, without a nearer reason",
    R.DUPLICATE_CONNECTION: "there is another connection already",
    R.INVALID_PARTNER: "this server is not a partner there",
    R.TLS_NOT_SUPPORTED: "TLS is not supported there",
    R.TLS_NOT_CONFIGURED: "TLS is supported there and not set up",
    R.TLS_REQUIRED: "TLS is demanded there and not offered here",
    R.DIGEST_NOT_SUPPORTED: "message digests are not supported there",
    R.DIGEST_NOT_CONFIGURED: "no shared secret is set there",
    R.VERSION_MISMATCH: "the versions of the protocol differ",
    R.OUTDATED_BINDING: "the other server knows something newer of the address",
    R.LESS_CRITICAL_BINDING: "the other server's state of the address weighs more",
    R.NO_TRAFFIC: "nothing was heard for too long",
    R.HASH_BUCKET_CONFLICT: "the load balancing of the two servers does not fit together",
    R.NOT_RESERVED_HERE: "the address is reserved on one server only",
    R.DIGEST_MISMATCH: "the message digest is wrong: the shared secrets differ",
    R.DIGEST_MISSING: "the message digest is missing",
    R.UNKNOWN: "none of the numbered ones",
}
"""What each reject reason means."""


def reason(code: int) -> str:
    """Return a reject reason as logs show it: its number and what it means."""
    return f"reason {int(code)}: {REASONS.get(code, 'unknown')}"


def status_name(status: int) -> str:
    """Return the draft's name of a binding status; the number of an unknown one."""
    try:
        return Status(status).name
    except ValueError:
        return f"unknown ({status})"


def listed(items: Sequence[Update | Item]) -> str:
    """Return what a BNDUPD holds: the first few addresses with their states, and how many more there are."""
    shown = []
    for item in items[:_SHOWN]:
        if isinstance(item, Move):
            lo, hi, status = item.lo, item.hi, item.owner
        else:
            lo, status = item.address, item.status
            hi = lo if isinstance(item, Binding) else item.last_address or lo
        shown.append(f"{format_ipv4(lo)}{f'-{format_ipv4(hi)}' if hi != lo else ''} {status_name(status)}")
    more = len(items) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
