"""DHCPv4 messages: bytes to ``Message`` and back.

Responsible for the frame of a message: fixed fields, the option areas, long options (RFC 3396), option overload.
Does not know what an option's value means (``wire.options`` does), nor who may send which message.
Theory: reading is one ``struct`` call and one loop over the option area. Writing has two ways: ``encode_reply``,
the fast path that pastes ready-made options behind echoed fields, and ``encode``, which arranges any message.

Source: RFC 2131 sections 2, 3 and 4.1; RFC 2132 sections 2 and 9.3; RFC 951; RFC 3396; RFC 3046 section 2.
"""

from __future__ import annotations

import struct
from typing import Final

from tandem.base.errors import WireError

COOKIE: Final = b"\x63\x82\x53\x63"
"""First four bytes of the options field (RFC 2131 section 3)."""
BOOTREQUEST: Final = 1
BOOTREPLY: Final = 2
BROADCAST_FLAG: Final = 0x8000
"""Bit of ``flags``: the client cannot hear unicast before it has an address (RFC 2131 section 2)."""

# Message types, option 53 (RFC 2132 section 9.6; RFC 3203, 4388, 6926, 7724).
DISCOVER: Final = 1
OFFER: Final = 2
REQUEST: Final = 3
DECLINE: Final = 4
ACK: Final = 5
NAK: Final = 6
RELEASE: Final = 7
INFORM: Final = 8
FORCERENEW: Final = 9
LEASEQUERY: Final = 10
LEASEUNASSIGNED: Final = 11
LEASEUNKNOWN: Final = 12
LEASEACTIVE: Final = 13
BULKLEASEQUERY: Final = 14
LEASEQUERYDONE: Final = 15
ACTIVELEASEQUERY: Final = 16
LEASEQUERYSTATUS: Final = 17
TLS: Final = 18

KIND_NAMES: Final = (
    "BOOTP", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM", "FORCERENEW",
    "LEASEQUERY", "LEASEUNASSIGNED", "LEASEUNKNOWN", "LEASEACTIVE", "BULKLEASEQUERY", "LEASEQUERYDONE",
    "ACTIVELEASEQUERY", "LEASEQUERYSTATUS", "TLS",
)  # fmt: skip
"""Names of the message types, by number; 0 is a BOOTP message."""

# Option codes that a server or relay acts on; ``wire.options`` has the whole table.
OPT_PAD: Final = 0
OPT_SUBNET_MASK: Final = 1
OPT_ROUTERS: Final = 3
OPT_DOMAIN_NAME_SERVERS: Final = 6
OPT_HOST_NAME: Final = 12
OPT_DOMAIN_NAME: Final = 15
OPT_BROADCAST_ADDRESS: Final = 28
OPT_VENDOR_INFO: Final = 43
OPT_REQUESTED_ADDRESS: Final = 50
OPT_LEASE_TIME: Final = 51
OPT_OVERLOAD: Final = 52
OPT_MESSAGE_TYPE: Final = 53
OPT_SERVER_ID: Final = 54
OPT_PARAMETER_LIST: Final = 55
OPT_MESSAGE: Final = 56
OPT_MAX_SIZE: Final = 57
OPT_RENEWAL_TIME: Final = 58
OPT_REBINDING_TIME: Final = 59
OPT_VENDOR_CLASS: Final = 60
OPT_CLIENT_ID: Final = 61
OPT_TFTP_SERVER: Final = 66
OPT_BOOT_FILE: Final = 67
OPT_USER_CLASS: Final = 77
OPT_RAPID_COMMIT: Final = 80
OPT_CLIENT_FQDN: Final = 81
OPT_RELAY_INFO: Final = 82
OPT_CLIENT_LAST_TRANSACTION: Final = 91
OPT_ASSOCIATED_IP: Final = 92
OPT_AUTO_CONFIGURE: Final = 116
OPT_SUBNET_SELECTION: Final = 118
OPT_CLASSLESS_ROUTES: Final = 121
OPT_STATUS_CODE: Final = 151
OPT_BASE_TIME: Final = 152
OPT_START_TIME_OF_STATE: Final = 153
OPT_QUERY_START_TIME: Final = 154
OPT_QUERY_END_TIME: Final = 155
OPT_DHCP_STATE: Final = 156
OPT_DATA_SOURCE: Final = 157
OPT_VIRTUAL_SUBNET: Final = 221
OPT_END: Final = 255

# Relay agent suboptions of option 82 (RFC 3046, 3527, 5107, 8357, 6607).
SUB_CIRCUIT_ID: Final = 1
SUB_REMOTE_ID: Final = 2
SUB_LINK_SELECTION: Final = 5
SUB_SUBSCRIBER_ID: Final = 6
SUB_RELAY_FLAGS: Final = 10
SUB_SERVER_ID_OVERRIDE: Final = 11
SUB_RELAY_SOURCE_PORT: Final = 19
SUB_VIRTUAL_SUBNET: Final = 151
SUB_VIRTUAL_SUBNET_CONTROL: Final = 152

HEADER_SIZE: Final = 240
"""Fixed fields and cookie."""
MIN_SIZE: Final = 300
"""Messages are padded to this: a BOOTP message's fixed size, below which old relays drop (RFC 1542 section 2.1)."""
IP_UDP_SIZE: Final = 28
"""IP and UDP header, which the maximum message size of option 57 includes (RFC 2131 section 2: 576 - 28 = 548)."""
MAX_SIZE: Final = 65507
"""The largest payload of a UDP datagram."""

_FIXED = struct.Struct("!BBBBIHHIIII")
_WHOLE = struct.Struct("!BBBBIHHIIII16s64s128s")
_SNAME_AT, _FILE_AT, _COOKIE_AT = 44, 108, 236
_NO_NAMES = bytes(_COOKIE_AT - _SNAME_AT)
_BYTE = [bytes((value,)) for value in range(256)]
_FIXED_LENGTH = {50: 4, 51: 4, 53: 1, 54: 4, 57: 2, 58: 4, 59: 4, 118: 4}
_START = [COOKIE] + [COOKIE + bytes((OPT_MESSAGE_TYPE, 1, kind)) for kind in range(1, 256)]


class Message:
    """A DHCPv4 or BOOTP message. Addresses are ints; ``options`` maps code to value, in order of first appearance.

    ``chaddr`` is exactly ``hlen`` bytes. ``sname`` and ``file`` have no trailing NULs and are empty where they
    carried options. Options 0, 52 and 255 never appear in ``options``: they are the frame, not content.
    """

    __slots__ = (
        "chaddr", "ciaddr", "file", "flags", "giaddr", "hlen", "hops", "htype", "op", "options", "secs", "siaddr",
        "sname", "xid", "yiaddr",
    )  # fmt: skip

    def __init__(
        self,
        *,
        op: int = BOOTREQUEST,
        htype: int = 1,
        hops: int = 0,
        xid: int = 0,
        secs: int = 0,
        flags: int = 0,
        ciaddr: int = 0,
        yiaddr: int = 0,
        siaddr: int = 0,
        giaddr: int = 0,
        chaddr: bytes = b"",
        sname: bytes = b"",
        file: bytes = b"",
        options: dict[int, bytes] | None = None,
    ) -> None:
        self.op = op
        self.htype = htype
        self.hlen = len(chaddr)
        self.hops = hops
        self.xid = xid
        self.secs = secs
        self.flags = flags
        self.ciaddr = ciaddr
        self.yiaddr = yiaddr
        self.siaddr = siaddr
        self.giaddr = giaddr
        self.chaddr = chaddr
        self.sname = sname
        self.file = file
        self.options: dict[int, bytes] = {} if options is None else options

    @property
    def kind(self) -> int:
        """Message type (option 53), or 0 for a BOOTP message."""
        value = self.options.get(53)
        return value[0] if value else 0

    @property
    def hardware(self) -> bytes:
        """Hardware type byte + hardware address."""
        return _BYTE[self.htype] + self.chaddr

    @property
    def client_id(self) -> bytes:
        """Contents of option 61, or empty."""
        return self.options.get(61, b"")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and all(getattr(self, n) == getattr(other, n) for n in self.__slots__)

    def __repr__(self) -> str:
        kind = self.kind
        name = KIND_NAMES[kind] if kind < len(KIND_NAMES) else str(kind)
        return f"<{name} op={self.op} xid={self.xid:08x} {self.htype}/{self.chaddr.hex(':')} {self.options!r}>"


# --- reading --------------------------------------------------------------------------------------------


def decode(data: bytes) -> Message:
    """Return the message in ``data``. Raises WireError for anything that is not a well-formed message.

    Besides the frame, the lengths of options 50, 51, 53, 54, 57, 58, 59 and 118 are checked, so that nobody who
    reads their numbers has to. A missing END is forgiven where the last option ends with its area.
    """
    size = len(data)
    if size < HEADER_SIZE or size > MAX_SIZE:
        raise WireError(f"{size} bytes, where a message has {HEADER_SIZE} to {MAX_SIZE}", section="RFC 2131 2")
    message = Message.__new__(Message)
    (
        message.op, message.htype, hlen, message.hops, message.xid, message.secs, message.flags,
        message.ciaddr, message.yiaddr, message.siaddr, message.giaddr,
    ) = _FIXED.unpack_from(data)  # fmt: skip
    if not 1 <= message.op <= 2:
        raise WireError(f"op is {message.op}, not 1 (request) or 2 (reply)", section="RFC 2131 2")
    if hlen > 16:
        raise WireError(f"hardware address length {hlen} is over 16", offset=2, section="RFC 2131 2")
    message.hlen = hlen
    message.chaddr = data[28 : 28 + hlen]
    options: dict[int, bytes] = {}
    message.options = options
    message.sname = message.file = b""
    if data.startswith(COOKIE, _COOKIE_AT):
        _read_options(data, HEADER_SIZE, size, options)
    elif data.count(0, _COOKIE_AT) != size - _COOKIE_AT:
        raise WireError(f"cookie is {data[236:240].hex()}, not {COOKIE.hex()}", offset=_COOKIE_AT, section="RFC 2131 3")
    overload = _overload(data, options) if OPT_OVERLOAD in options else 0
    if not data.startswith(_NO_NAMES, _SNAME_AT):
        if not overload & 2:
            message.sname = data[_SNAME_AT:_FILE_AT].rstrip(b"\0")
        if not overload & 1:
            message.file = data[_FILE_AT:_COOKIE_AT].rstrip(b"\0")
    for code, length in _FIXED_LENGTH.items():
        if code in options and len(options[code]) != length:
            raise WireError(f"option {code} has {len(options[code])} bytes, not {length}", section="RFC 2132 9")
    return message


def _read_options(data: bytes, at: int, end: int, options: dict[int, bytes]) -> None:
    """Add the options of ``data[at:end]`` to ``options``; one that is there already is continued (RFC 3396)."""
    pieces: dict[int, list[bytes]] | None = None
    while at < end:
        code = data[at]
        if code == 0:
            at += 1
            continue
        if code == 255:
            break
        start = at + 2
        if start > end:
            raise WireError(f"option {code} has no length byte", offset=at, section="RFC 2132 2")
        stop = start + data[at + 1]
        if stop > end:
            raise WireError(
                f"option {code} of {stop - start} bytes overruns its area by {stop - end}",
                offset=at,
                section="RFC 2132 2",
            )
        if code not in options:
            options[code] = data[start:stop]
        else:
            if pieces is None:
                pieces = {}
            if code not in pieces:
                pieces[code] = [options[code]]
            pieces[code].append(data[start:stop])
        at = stop
    if pieces is not None:
        for code, parts in pieces.items():
            options[code] = b"".join(parts)


def _overload(data: bytes, options: dict[int, bytes]) -> int:
    """Take option 52 out of ``options``, read the fields that it names, file before sname; return its value."""
    value = options.pop(OPT_OVERLOAD)
    if len(value) != 1 or not 1 <= value[0] <= 3:
        raise WireError(f"option 52 is {value[:8].hex() or 'empty'}, not 01, 02 or 03", section="RFC 2132 9.3")
    overload = value[0]
    if overload & 1:
        _read_options(data, _FILE_AT, _COOKIE_AT, options)
    if overload & 2:
        _read_options(data, _SNAME_AT, _FILE_AT, options)
    options.pop(OPT_OVERLOAD, None)  # overload within an overloaded field means nothing
    return overload


def unpack_options(data: bytes) -> dict[int, bytes]:
    """Return the options in ``data``, a list of type-length-value without cookie. Raises WireError."""
    options: dict[int, bytes] = {}
    _read_options(data, 0, len(data), options)
    return options


def relay_suboptions(value: bytes) -> dict[int, bytes]:
    """Return the suboptions of ``value``, the contents of option 82. Raises WireError.

    There is neither padding nor an end mark in it (RFC 3046 section 2.0). Of a repeated suboption the first counts.
    """
    suboptions: dict[int, bytes] = {}
    at, end = 0, len(value)
    while at < end:
        stop = at + 2 + value[at + 1] if at + 2 <= end else end + 1
        if stop > end:
            raise WireError(f"relay suboption {value[at]} overruns option 82", offset=at, section="RFC 3046 2.0")
        suboptions.setdefault(value[at], value[at + 2 : stop])
        at = stop
    return suboptions


def reply_limit(request: Message) -> int:
    """Return how many bytes a reply to ``request`` may have: what its option 57 allows, 548 to 1472.

    A BOOTP client gets no more than 300, its message's fixed size; nobody more than an Ethernet frame holds.
    Source: RFC 2131 section 2 and RFC 2132 section 9.10 (576 bytes, with IP and UDP header, every client takes);
    RFC 1542 section 2.1.
    """
    options = request.options
    if OPT_MAX_SIZE in options:
        return min(max(int.from_bytes(options[OPT_MAX_SIZE], "big"), 576), 1500) - IP_UDP_SIZE
    return 576 - IP_UDP_SIZE if OPT_MESSAGE_TYPE in options else MIN_SIZE


# --- writing --------------------------------------------------------------------------------------------


def pack_option(code: int, value: bytes) -> bytes:
    """Return an option on the wire; one over 255 bytes is split (RFC 3396 section 5). Raises ValueError."""
    if not 0 < code < 255:
        raise ValueError(f"option code {code} cannot be sent (allowed are 1 to 254)")
    if len(value) <= 255:
        return bytes((code, len(value))) + value
    pieces = [value[i : i + 255] for i in range(0, len(value), 255)]
    return b"".join(bytes((code, len(piece))) + piece for piece in pieces)


def pack_within(options: dict[int, bytes], limit: int) -> bytes:
    """Return options on the wire, the largest left out where they are over ``limit`` bytes together."""
    packed = [pack_option(code, value) for code, value in options.items()]
    while packed and sum(map(len, packed)) > limit:
        packed.remove(max(packed, key=len))
    return b"".join(packed)


def encode_reply(
    request: Message,
    kind: int,
    *,
    yiaddr: int = 0,
    siaddr: int = 0,
    ciaddr: int = 0,
    options: bytes = b"",
    sname: bytes = b"",
    file: bytes = b"",
    flags: int = 0,
    max_size: int = 1472,
) -> bytes:
    """Return a reply that echoes htype, xid, flags, giaddr and chaddr of ``request``. The fast path of a server.

    ``kind`` 0 makes a BOOTP reply, without option 53. ``options`` are ready for the wire (``pack_option``), without
    END. ``flags`` are set beside the request's. ``sname`` and ``file`` over 64 and 128 bytes would be cut.
    A reply over ``max_size`` bytes is arranged again by ``encode``. Raises ValueError when it cannot fit.
    Source: RFC 2131 section 4.3.1, table 3.
    """
    size = len(options) + (HEADER_SIZE + 4 if kind else HEADER_SIZE + 1)
    if size > max_size:
        return _encode_reply_overloaded(request, kind, yiaddr, siaddr, ciaddr, options, sname, file, flags, max_size)
    data = (
        _WHOLE.pack(
            2, request.htype, request.hlen, 0, request.xid, 0, request.flags | flags, ciaddr, yiaddr, siaddr,
            request.giaddr, request.chaddr, sname, file,
        ) + _START[kind] + options + b"\xff"
    )  # fmt: skip
    return data if size >= MIN_SIZE else data.ljust(MIN_SIZE, b"\0")


def _encode_reply_overloaded(
    request: Message, kind: int, yiaddr: int, siaddr: int, ciaddr: int, options: bytes, sname: bytes, file: bytes,
    flags: int, max_size: int,
) -> bytes:  # fmt: skip
    """``encode_reply`` for a reply that does not fit as it is."""
    contents = {OPT_MESSAGE_TYPE: _BYTE[kind]} if kind else {}
    reply = Message(
        op=BOOTREPLY, htype=request.htype, xid=request.xid, flags=request.flags | flags, ciaddr=ciaddr, yiaddr=yiaddr,
        siaddr=siaddr, giaddr=request.giaddr, chaddr=request.chaddr, sname=sname, file=file,
        options=contents | unpack_options(options),
    )  # fmt: skip
    return encode(reply, max_size=max_size)


def fits(options_len: int, max_size: int) -> bool:
    """Tell whether a DHCP reply with ``options_len`` bytes of options, without 53 and END, is within ``max_size``."""
    return HEADER_SIZE + 4 + options_len <= max_size


def encode(message: Message, *, max_size: int = 1472) -> bytes:
    """Return ``message`` on the wire in at most ``max_size`` bytes (of UDP payload; 300 is always allowed).

    Option 53 comes first; the others keep their order where the options field holds them all. Where it does not,
    empty ``file`` and ``sname`` fields are used (RFC 2132 section 9.3), and only an option that finds no place as a
    whole is split. Raises ValueError when it cannot fit, or when a field is too long.
    """
    if message.hlen != len(message.chaddr) or message.hlen > 16:
        raise ValueError(f"chaddr has {len(message.chaddr)} bytes, hlen is {message.hlen} (at most 16, the same)")
    if len(message.sname) > 64 or len(message.file) > 128:
        raise ValueError(
            f"sname has {len(message.sname)} bytes and file {len(message.file)} (shorten them to 64 and 128)"
        )
    if OPT_OVERLOAD in message.options:
        raise ValueError("option 52 (overload) is not given, encode adds it where it is needed: remove it")
    room = max(max_size, MIN_SIZE) - HEADER_SIZE - 1
    names = message.options
    if OPT_MESSAGE_TYPE in names:
        names = {OPT_MESSAGE_TYPE: names[OPT_MESSAGE_TYPE]} | names
    sname, file = message.sname, message.file
    area = b"".join([pack_option(code, value) for code, value in names.items()])
    if len(area) > room:
        if OPT_MESSAGE_TYPE not in names:  # overload is a DHCP option, unknown to BOOTP clients
            raise ValueError(f"{len(area)} bytes of options do not fit into {room} of BOOTP: send fewer options")
        area, file, sname = _arrange(names, room, file, sname)
    head = _WHOLE.pack(
        message.op, message.htype, message.hlen, message.hops, message.xid, message.secs, message.flags,
        message.ciaddr, message.yiaddr, message.siaddr, message.giaddr, message.chaddr, sname, file,
    )  # fmt: skip
    return (head + COOKIE + area + b"\xff").ljust(MIN_SIZE, b"\0")


def _arrange(options: dict[int, bytes], room: int, file: bytes, sname: bytes) -> tuple[bytes, bytes, bytes]:
    """Return options field (without END), file and sname, with ``options`` spread over as few fields as hold them.

    Option 82 stays in the options field, last, where a relay agent looks for it (RFC 3046 section 2.2).
    """
    rest = {code: value for code, value in options.items() if code != OPT_RELAY_INFO}
    info = pack_option(OPT_RELAY_INFO, options[OPT_RELAY_INFO]) if OPT_RELAY_INFO in options else b""
    room -= 3 + len(info)  # option 52
    for overload in (1, 2, 3):
        if room < 3 or (overload & 1 and file) or (overload & 2 and sname):  # option 53 stays there too
            continue
        rooms = [room, 127 if overload & 1 else 0, 63 if overload & 2 else 0]
        areas = _place(rest, rooms)
        if areas is not None:
            area, file_area, sname_area = areas
            if overload & 1:
                file = file_area + b"\xff"
            if overload & 2:
                sname = sname_area + b"\xff"
            return area + bytes((OPT_OVERLOAD, 1, overload)) + info, file, sname
    total = sum(len(value) + 2 for value in options.values())
    raise ValueError(
        f"{total} bytes of options do not fit, not even into free file and sname fields: send fewer options"
    )


def _place(options: dict[int, bytes], rooms: list[int]) -> list[bytes] | None:
    """Spread ``options`` over areas with ``rooms`` bytes each, in the order in which a reader joins them.

    None when they do not fit. Whole options go first, each into the first area with room; then the rest in pieces.
    """
    areas = [b"" for _ in rooms]
    rest: list[tuple[int, bytes]] = []
    for code, value in options.items():
        packed = pack_option(code, value)
        for i, room in enumerate(rooms):
            if len(value) <= 255 and len(areas[i]) + len(packed) <= room:
                areas[i] += packed
                break
        else:
            if not value:  # has no pieces
                return None
            rest.append((code, value))
    for code, value in rest:
        for i, room in enumerate(rooms):
            while value and room - len(areas[i]) > 2:
                size = min(len(value), 255, room - len(areas[i]) - 2)
                areas[i] += bytes((code, size)) + value[:size]
                value = value[size:]
        if value:
            return None
    return areas
