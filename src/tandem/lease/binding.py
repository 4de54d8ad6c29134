"""One address's binding: who holds it, until when, and what the partner knows of it.

Does not know how addresses are chosen (``lease.book``), nor any message.
Source: draft-ietf-dhc-failover-12 sections 5.11 and 7.1.5; RFC 2131 section 2.1.
"""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """Binding status, with the failover protocol's codes (draft section 12.3)."""

    FREE = 1
    """Available, the main's to give."""
    ACTIVE = 2
    EXPIRED = 3
    """Lease and grace period over; the partner has not agreed yet."""
    RELEASED = 4
    """The client gave it back; the partner has not agreed yet."""
    ABANDONED = 5
    """Unusable: declined, or seen in use."""
    RESET = 6
    """Made available by the operator or by the end of ``unavailable-timeout``; the partner has not agreed yet."""
    BACKUP = 7
    """Available, the backup's to give."""


FREE = int(Status.FREE)
ACTIVE = int(Status.ACTIVE)
EXPIRED = int(Status.EXPIRED)
RELEASED = int(Status.RELEASED)
ABANDONED = int(Status.ABANDONED)
RESET = int(Status.RESET)
BACKUP = int(Status.BACKUP)

INTERESTING = (12, 60, 77, 81, 82, 118)
"""Options of a request that a partner wants to know (draft table 7.1.1-2; SYSTEM S4.13)."""
KEPT_BYTES = 512
"""How many bytes of a client's options are kept."""
RESERVED_FLAG = 1
"""IP-flags bit R (draft section 12.12)."""
BOOTP_FLAG = 2
"""IP-flags bit B."""
DEACTIVATED_FLAG = 4
"""The operator keeps the address from clients, on this server. Never sent to the partner."""

UNKNOWN, BY_THIS_SERVER, BY_PARTNER = range(3)
"""Who gave a lease, or extended it last. ``UNKNOWN``: nobody did, or it was over here before the partner lost its lease
data, which may have given the address to another client meanwhile."""

COLUMNS = (
    "address", "status", "hardware", "client_id", "expires", "start_of_state", "last_transaction",
    "sent_potential", "acked_potential", "received_potential", "flags", "up_to_date", "granted_by", "options",
    "reply_options", "ddns",
)  # fmt: skip
"""Names of ``Binding.row()``, in order; the columns of the lease table."""


class Binding:
    """The record of one address. Mutable, slots only: a server holds a million of them.

    Times are whole seconds since 1970 UTC; 0 is "never", ``units.FOREVER`` is "without end".
    """

    __slots__ = (
        "acked_potential", "address", "client_id", "ddns", "expires", "flags", "generation", "granted_by", "hardware",
        "last_transaction", "options", "queued", "received_potential", "reply_options", "sent_potential",
        "start_of_state", "status", "timed", "up_to_date",
    )  # fmt: skip

    def __init__(self, address: int, status: int = FREE) -> None:
        self.address = address
        self.status = status
        self.hardware = b""
        """Hardware type byte + chaddr; empty when the address never had a client."""
        self.client_id = b""
        """Contents of DHCP option 61; empty when the client sent none."""
        self.expires = 0
        """End of the lease last given to the client."""
        self.start_of_state = 0
        self.last_transaction = 0
        """When this server (or the partner, as it told us) last heard the client."""
        self.sent_potential = 0
        """Latest potential expiration sent to the partner."""
        self.acked_potential = 0
        """Latest potential expiration that the partner acknowledged."""
        self.received_potential = 0
        """Latest potential expiration from the partner that we acknowledged."""
        self.flags = 0
        self.up_to_date = False
        """Whether the partner has acknowledged all of this."""
        self.granted_by = 0
        """Who gave the lease, or extended it last: ``UNKNOWN``, ``BY_THIS_SERVER``, ``BY_PARTNER``."""
        self.options = b""
        """Options of the client's request that interest a partner (12, 60, 77, 81, 82, 118), as DHCP TLVs."""
        self.reply_options = b""
        """Options of the reply that interest a partner (58, 59), likewise."""
        self.ddns = b""
        """Contents of the DDNS option (draft section 12.9): two bytes of flags, then the client's name in DNS encoding;
        empty where no server has done DNS updates for the client."""
        self.generation = 0
        """Counts local changes, so that an acknowledgement of an older state is told from one of this state."""
        self.queued = False
        """Whether the binding stands in its endpoint's queue of updates (not stored)."""
        self.timed = 0
        """When the book's timer brings it up; 0 = it does not (not stored)."""

    def row(self) -> tuple[object, ...]:
        """Return the values of ``COLUMNS``."""
        return (
            self.address, self.status, self.hardware, self.client_id, self.expires, self.start_of_state,
            self.last_transaction, self.sent_potential, self.acked_potential, self.received_potential,
            self.flags, 1 if self.up_to_date else 0, self.granted_by, self.options, self.reply_options, self.ddns,
        )  # fmt: skip

    @classmethod
    def from_row(cls, row: tuple[object, ...]) -> Binding:
        """Return the binding that ``row()`` described. The caller vouches for the types."""
        b = cls(0)
        (b.address, b.status, b.hardware, b.client_id, b.expires, b.start_of_state, b.last_transaction,
         b.sent_potential, b.acked_potential, b.received_potential, b.flags, up_to_date, b.granted_by,
         b.options, b.reply_options, b.ddns) = row  # type: ignore[assignment]  # fmt: skip
        if b.last_transaction == b.start_of_state:  # one object, not two that are equal: 32 bytes
            b.last_transaction = b.start_of_state
        if b.acked_potential == b.sent_potential:
            b.acked_potential = b.sent_potential
        b.up_to_date = bool(up_to_date)
        b.generation = 0
        b.queued = False
        b.timed = 0
        return b

    def __repr__(self) -> str:
        from tandem.base.ipv4 import format_hardware, format_ipv4

        return (
            f"<{format_ipv4(self.address)} {Status(self.status).name} {format_hardware(self.hardware)}"
            f" until {self.expires}{'' if self.up_to_date else ' unacked'}>"
        )


def client_key(client_id: bytes, hardware: bytes) -> bytes:
    """Return what identifies a client: its client identifier if it sent one, else its hardware address.

    The first byte keeps the two apart. Source: RFC 2131 section 4.2.
    """
    return b"i" + client_id if client_id else b"h" + hardware
