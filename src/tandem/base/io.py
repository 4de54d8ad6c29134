"""What goes into a server and what comes out: inputs and effects, as plain values.

A server (``node.Node``) is a pure function of its inputs; ``runtime`` and ``sim`` make the inputs and perform
the effects. Contract of the effect list: effects are performed in order, and **no effect that follows a
``Save...`` effect is performed before that save is on stable storage** (invariant 1). Runtime may group many
saves into one commit; it never reorders.

Times are seconds since 1970 UTC. Addresses are ints (``base.ipv4``).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Interface:
    """A network interface on which the server hears clients."""

    name: str
    index: int
    address: int
    """Our own address on it: the server identifier, and what picks the network when giaddr is zero."""
    mask: int = 0xFFFFFF00


# --- inputs ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Datagram:
    """A UDP datagram that arrived on the DHCP server port."""

    data: bytes
    source: int
    """Sender's IPv4 address (0 for a client without one)."""
    port: int
    """Sender's UDP port (68 for clients, 67 for relays; others are answered where RFC 8357 says so)."""
    interface: Interface


@dataclass(slots=True)
class LinkUp:
    """A TCP connection with a failover partner is open. ``link`` is runtime's number for it, never reused."""

    link: int
    peer: int
    """The partner's address."""
    outgoing: bool
    """True when it answers our ``Connect``; False when the partner opened it."""


@dataclass(slots=True)
class LinkData:
    """Bytes from the partner, in any slicing."""

    link: int
    data: bytes


@dataclass(slots=True)
class TlsUp:
    """``StartTls`` has worked: the connection is encrypted, and the partner has the key of its certificate."""

    link: int
    session: str
    """Protocol version and cipher suite."""


@dataclass(slots=True)
class LinkDown:
    """The TCP connection is gone: closed by the partner, reset, by our ``Close``, or as TLS did not come about."""

    link: int
    why: str


@dataclass(slots=True)
class ConnectFailed:
    """A ``Connect`` effect did not lead to a connection."""

    peer: int
    why: str


@dataclass(slots=True)
class Tick:
    """Time has passed ``Node.deadline()``."""


@dataclass(slots=True)
class ClockSet:
    """The system's clock was set forward by so many seconds, which have not passed; negative: back, and they have."""

    seconds: float


@dataclass(slots=True)
class Probed:
    """A ``Probe`` has ended: ``answered`` tells whether a host answered it in time."""

    address: int
    answered: bool


Input = Datagram | LinkUp | LinkData | TlsUp | LinkDown | ConnectFailed | Tick | ClockSet | Probed


# --- effects --------------------------------------------------------------------------------------------


class SaveBinding:
    """Write one binding to stable storage. ``row`` is ``Binding.row()``, taken when the effect was made."""

    __slots__ = ("row",)

    def __init__(self, row: tuple[object, ...]) -> None:
        self.row = row


@dataclass(slots=True)
class SaveShare:
    """Make lo..hi (inclusive) of never-used addresses the backup's (``backup`` true) or the main's again.

    Stable storage keeps the backup's ranges only; a later SaveShare overrides an earlier one where they overlap.
    ``acked`` tells whether the partner has acknowledged it.
    """

    lo: int
    hi: int
    backup: bool
    acked: bool


@dataclass(slots=True)
class SaveAcked:
    """The partner acknowledged these bindings: (address, acked potential expiration, up to date) each.

    May be written lazily (it need not hold up later effects): losing one costs a repeated update, nothing else.
    """

    rows: list[tuple[int, int, int]]


@dataclass(slots=True)
class SaveState:
    """Write the saved state of a failover endpoint: a JSON-able dict, under the relationship's name."""

    name: str
    values: dict[str, object]


class Reply:
    """Send one DHCP message to a client or relay.

    ``destination`` BROADCAST (0xffffffff): to all on the interface. ``hardware`` not empty (type byte + address):
    the client at ``destination`` has no address yet, so deliver by hardware address without ARP (RFC 2131
    section 4.1). Otherwise plain unicast.
    """

    __slots__ = ("data", "destination", "hardware", "interface", "port")

    def __init__(self, data: bytes, destination: int, port: int, interface: Interface, hardware: bytes = b"") -> None:
        self.data = data
        self.destination = destination
        self.port = port
        self.interface = interface
        self.hardware = hardware


@dataclass(slots=True)
class Probe:
    """Ask by an ICMP echo request whether a host has ``address``; one Probed answers, after ``wait_ms`` at most."""

    address: int
    wait_ms: int


@dataclass(slots=True)
class Connect:
    """Open a TCP connection from our failover address to ``peer``:``port``; LinkUp or ConnectFailed answers."""

    local: int
    peer: int
    port: int


@dataclass(slots=True)
class Send:
    """Send bytes to the partner."""

    link: int
    data: bytes


@dataclass(slots=True)
class StartTls:
    """Go over to TLS after what was sent before; TlsUp or LinkDown answers. Nothing may be sent until then."""

    link: int
    server: bool
    """Whether this end is the TLS server: the backup is."""
    certificate: bytes
    """The partner's certificate (DER): it must prove to have its key."""


@dataclass(slots=True)
class Close:
    """Close a connection after what was sent before has gone out. A LinkDown follows."""

    link: int


@dataclass(slots=True)
class Note:
    """One line for the server's log: ``Level Component 0 ID text`` (SYSTEM S7.6).

    ``level`` is Info, Warning, Error or Activity; ``ident`` the message's stable five-digit number.
    ``flag`` names the log setting that must be on for it ("" = always).
    """

    level: str
    component: str
    ident: int
    text: str
    flag: str = ""


Effect = SaveBinding | SaveShare | SaveAcked | SaveState | Reply | Probe | Connect | Send | StartTls | Close | Note
