"""The failover protocol's messages as values, and its numbers.

Does not know how they are laid out on the wire (``wire.failover``), nor what they mean to a server. Addresses are
ints, times are seconds since 1970 UTC in the sender's clock. An optional wire option that is absent is None, b"",
"" or {}. Source: draft-ietf-dhc-failover-12 sections 6.1, 7 and 12.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

VENDOR_CLASS = b"tandem-1"
"""Vendor class (option 28) that names the space of our vendor-specific sub-options (option 29)."""

VENDOR_LAST_ADDRESS = 1
"""Our vendor sub-option: the transaction covers its assigned address up to this one, all never used."""


class MessageType(IntEnum):
    """Message types, section 6.1."""

    POOLREQ = 1
    POOLRESP = 2
    BNDUPD = 3
    BNDACK = 4
    CONNECT = 5
    CONNECTACK = 6
    UPDREQALL = 7
    UPDDONE = 8
    UPDREQ = 9
    STATE = 10
    CONTACT = 11
    DISCONNECT = 12


class OptionCode(IntEnum):
    """Option codes, section 12."""

    ADDRESSES_TRANSFERRED = 1
    ASSIGNED_IP_ADDRESS = 2
    BINDING_STATUS = 3
    CLIENT_IDENTIFIER = 4
    CLIENT_HARDWARE_ADDRESS = 5
    CLIENT_LAST_TRANSACTION_TIME = 6
    CLIENT_REPLY_OPTIONS = 7
    CLIENT_REQUEST_OPTIONS = 8
    DDNS = 9
    DELAYED_SERVICE_PARAMETER = 10
    HASH_BUCKET_ASSIGNMENT = 11
    IP_FLAGS = 12
    LEASE_EXPIRATION_TIME = 13
    MAX_UNACKED_BNDUPD = 14
    MCLT = 15
    MESSAGE = 16
    MESSAGE_DIGEST = 17
    POTENTIAL_EXPIRATION_TIME = 18
    RECEIVE_TIMER = 19
    PROTOCOL_VERSION = 20
    REJECT_REASON = 21
    RELATIONSHIP_NAME = 22
    SERVER_FLAGS = 23
    SERVER_STATE = 24
    START_TIME_OF_STATE = 25
    TLS_REPLY = 26
    TLS_REQUEST = 27
    VENDOR_CLASS_IDENTIFIER = 28
    VENDOR_SPECIFIC_OPTIONS = 29


class RejectReason(IntEnum):
    """Reject reasons, section 12.21."""

    RESERVED = 0
    ILLEGAL_ADDRESS = 1
    FATAL_CONFLICT = 2
    MISSING_BINDING_INFORMATION = 3
    TIME_MISMATCH = 4
    INVALID_MCLT = 5
    UNKNOWN_REASON = 6
    DUPLICATE_CONNECTION = 7
    INVALID_PARTNER = 8
    TLS_NOT_SUPPORTED = 9
    TLS_NOT_CONFIGURED = 10
    TLS_REQUIRED = 11
    DIGEST_NOT_SUPPORTED = 12
    DIGEST_NOT_CONFIGURED = 13
    VERSION_MISMATCH = 14
    OUTDATED_BINDING = 15
    LESS_CRITICAL_BINDING = 16
    NO_TRAFFIC = 17
    HASH_BUCKET_CONFLICT = 18
    NOT_RESERVED_HERE = 19
    DIGEST_MISMATCH = 20
    DIGEST_MISSING = 21
    UNKNOWN = 254


class ServerState(IntEnum):
    """Failover states, section 12.24.

    Deviation: the draft gives RECOVER-WAIT no number; 254 is what ISC dhcpd sends and understands.
    """

    STARTUP = 1
    NORMAL = 2
    COMMUNICATIONS_INTERRUPTED = 3
    PARTNER_DOWN = 4
    POTENTIAL_CONFLICT = 5
    RECOVER = 6
    PAUSED = 7
    SHUTDOWN = 8
    RECOVER_DONE = 9
    RESOLUTION_INTERRUPTED = 10
    CONFLICT_DONE = 11
    RECOVER_WAIT = 254


@dataclass(slots=True)
class Connect:
    """The main's first message on a connection (section 7.8).

    A mandatory option that was not in the received message reads as 0 or b"": the receiver owes the sender a
    CONNECTACK with the fitting reject reason.
    """

    relationship: bytes
    max_unacked: int
    """How many unacknowledged BNDUPD messages the sender accepts."""
    receive_timer: int
    """Seconds of silence after which the sender gives the connection up."""
    vendor_class: bytes
    version: int
    tls_request: int | None
    """0 no TLS, 1 desired, 2 required; None on a connection that is TLS already."""
    mclt: int
    """Maximum client lead time, seconds."""
    hash_buckets: bytes
    """32 bytes of RFC 3074 buckets. Whose a 1 bit is differs between implementations: not this room's matter."""
    delayed_service: int | None = None
    vendor: dict[int, bytes] = field(default_factory=dict)
    """Vendor sub-options, only together with ``vendor_class`` VENDOR_CLASS."""


@dataclass(slots=True)
class ConnectAck:
    """The backup's answer to CONNECT (section 7.9): accepted where ``reject`` is None."""

    relationship: bytes
    max_unacked: int | None = None
    receive_timer: int | None = None
    vendor_class: bytes | None = None
    version: int | None = None
    tls_reply: int | None = None
    """0 no TLS, 1 TLS follows."""
    reject: int | None = None
    text: str = ""
    vendor: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Update:
    """One binding update transaction (table 7.1-1). Which options a status demands is the receiver's judgement."""

    address: int
    status: int
    """``lease.binding.Status``; 0 where the sender left it out, which the receiver must reject."""
    flags: int = 0
    """IP-flags: 1 reserved, 2 BOOTP."""
    client_id: bytes = b""
    hardware: bytes = b""
    """Hardware type byte + address."""
    expires: int | None = None
    potential: int | None = None
    start_of_state: int | None = None
    last_transaction: int | None = None
    ddns: tuple[int, bytes] | None = None
    """Flags (section 12.9) and domain name in DNS encoding."""
    request_options: bytes = b""
    """DHCP options of the client's request, code, length, value each, without magic number."""
    reply_options: bytes = b""
    """DHCP options of the server's reply, likewise."""
    last_address: int | None = None
    """Our extension: the update covers ``address`` to this one (inclusive), all never used."""


@dataclass(slots=True)
class BindingUpdate:
    """BNDUPD: one or more updates (sections 6.3 and 7.1)."""

    updates: list[Update]


@dataclass(slots=True)
class Answer:
    """What became of one update: accepted where ``reject`` is None."""

    address: int
    reject: int | None = None
    text: str = ""


@dataclass(slots=True)
class BindingAck:
    """BNDACK: an answer to every update of the BNDUPD with the same xid (section 7.2)."""

    answers: list[Answer]


@dataclass(slots=True)
class UpdateRequest:
    """UPDREQ: send what I have not acknowledged (section 7.3)."""


@dataclass(slots=True)
class UpdateRequestAll:
    """UPDREQALL: send everything (section 7.4)."""


@dataclass(slots=True)
class UpdateDone:
    """UPDDONE: all that the request with this xid asked for is sent and acknowledged (section 7.5)."""


@dataclass(slots=True)
class PoolRequest:
    """POOLREQ: give me my share of the available addresses (section 7.6)."""


@dataclass(slots=True)
class PoolResponse:
    """POOLRESP: ``count`` addresses are on their way (section 7.7)."""

    count: int


@dataclass(slots=True)
class State:
    """STATE: the sender's failover state (section 7.10)."""

    state: int
    """``ServerState``; other values are passed through."""
    startup: bool
    """The sender is in STARTUP and ``state`` is the one it remembers."""
    start_of_state: int


@dataclass(slots=True)
class Contact:
    """CONTACT: I am here (section 7.11)."""


@dataclass(slots=True)
class Disconnect:
    """DISCONNECT: the last message on a connection, with the reason (section 7.12)."""

    reject: int
    text: str = ""


@dataclass(slots=True)
class Unknown:
    """A message of a type from 128 to 255, which a server may ignore (section 6.1). Never sent."""

    type: int


Sendable = (
    Connect | ConnectAck | BindingUpdate | BindingAck | UpdateRequest | UpdateRequestAll | UpdateDone
    | PoolRequest | PoolResponse | State | Contact | Disconnect
)  # fmt: skip
Message = Sendable | Unknown


@dataclass(slots=True)
class Frame:
    """A received message with its header."""

    type: int
    time: int
    """The sender's clock when it sent it."""
    xid: int
    message: Message
