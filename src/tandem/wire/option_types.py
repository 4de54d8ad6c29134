"""Kinds of DHCP option values: the operator's text to bytes, and bytes to text.

Responsible for lists and structures of values, and for the names of all kinds. Does not know which option has which
kind (``wire.options`` does). Bytes that ``decode`` refuses the caller shows in hexadecimal.

Source: RFC 2132 section 2; RFC 3004; RFC 3361; RFC 3442; RFC 3925; RFC 4702; RFC 7291; RFC 8572.
"""

from __future__ import annotations

from tandem.base.errors import WireError
from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.wire.option_names import decode_name, decode_names, encode_name, encode_names, encode_search
from tandem.wire.option_values import (
    SEPARATOR,
    Kind,
    chunks,
    decode_bool,
    decode_flag,
    decode_ip,
    decode_ip6,
    decode_string,
    decode_time,
    encode_bool,
    encode_flag,
    encode_ip,
    encode_ip6,
    encode_mask,
    encode_signed_time,
    encode_string,
    encode_time,
    format_hex,
    parse_hex,
    parse_number,
    split,
    whole_number,
)


def _encode_sip(text: str) -> bytes:
    """Names (encoding 0) or addresses (encoding 1), never both (RFC 3361 section 3)."""
    try:
        return b"\x01" + b"".join(encode_ip(item) for item in split(text))
    except ValueError:
        if all(item.replace(".", "").isdigit() for item in split(text)):
            raise
        return b"\x00" + encode_names(text)


def _decode_sip(data: bytes) -> str:
    if data[:1] == b"\x01":
        return ",".join(decode_ip(piece) for piece in chunks(data[1:], 4))
    if data[:1] == b"\x00":
        return decode_names(data[1:])
    raise WireError("the encoding is neither 0 (names) nor 1 (addresses)", section="RFC 3361 3")


def _encode_client_fqdn(text: str) -> bytes:
    """Flags, two old result codes, name: on the wire as labels when flag E (4) is set (RFC 4702 section 2)."""
    numbers, name = text.split()[:3], " ".join(text.split()[3:])
    head = b"".join(whole_number(1).encode(number) for number in numbers)
    if len(head) != 3:
        raise ValueError(f"{text!r} lacks flags and two result codes before the name")
    if not name:
        return head
    return head + (encode_name(name) if head[0] & 4 else encode_string(name))


def _decode_client_fqdn(data: bytes) -> str:
    if len(data) < 3:
        raise WireError("flags and result codes are missing", section="RFC 4702 2")
    head = f"{data[0]} {data[1]} {data[2]}"
    if len(data) == 3:
        return head
    if not data[0] & 4:
        name = decode_string(data[3:])
    elif data.endswith(b"\0"):
        name = decode_name(data[3:])
    else:  # RFC 4702 section 2.3.1: a partial name has no root label, and operators cannot write one
        raise WireError("the name is partial", section="RFC 4702 2.3.1")
    if " ".join(name.split()) != name:
        raise WireError("the name has blanks")
    return f"{head} {name}"


def _list_of(kind: Kind, many: str) -> Kind:
    """A list of values of a fixed size, at least one."""

    def encode(text: str) -> bytes:
        return b"".join(kind.encode(item) for item in split(text))

    def decode(data: bytes) -> str:
        return ",".join(kind.decode(piece) for piece in chunks(data, kind.size))

    return Kind(many, encode, decode)


def _encode_pairs(text: str) -> bytes:
    items = split(text)
    if len(items) % 2:
        raise ValueError(f"{len(items)} addresses are not pairs")
    return b"".join(encode_ip(item) for item in items)


def _decode_pairs(data: bytes) -> str:
    return ",".join(f"{decode_ip(pair[:4])} {decode_ip(pair[4:])}" for pair in chunks(data, 8))


def _encode_routes(text: str) -> bytes:
    items = [item for item in split(text) if item != "-"]
    if not items or len(items) % 2:
        raise ValueError("a network without router, or a router without network")
    out = b""
    for network, router in zip(items[::2], items[1::2], strict=True):
        address, _, width = network.partition("/")
        bits = parse_number(width)
        value = parse_ipv4(address)
        if not 0 <= bits <= 32 or value & (0xFFFFFFFF >> bits):
            raise ValueError(f"{network!r} is not a network (0 to 32 leading bits, the others zero)")
        out += bytes((bits,)) + value.to_bytes(4, "big")[: (bits + 7) // 8] + encode_ip(router)
    return out


def _decode_routes(data: bytes) -> str:
    routes: list[str] = []
    at = 0
    while at < len(data):
        bits = data[at]
        size = (bits + 7) // 8
        end = at + 1 + size + 4
        if bits > 32 or end > len(data):
            raise WireError("a route overruns the option or has over 32 bits", offset=at, section="RFC 3442")
        value = int.from_bytes(data[at + 1 : at + 1 + size].ljust(4, b"\0"), "big") & ~(0xFFFFFFFF >> bits)
        routes.append(f"{format_ipv4(value)}/{bits} {decode_ip(data[at + 1 + size : end])}")
        at = end
    if not routes:
        raise WireError("there is no route", section="RFC 3442")
    return ",".join(routes)


def _counted(data: bytes, width: int) -> list[bytes]:
    """Return the pieces of ``data``, each behind its length in ``width`` bytes; at least one, none empty."""
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        start = at + width
        end = start + int.from_bytes(data[at:start], "big")
        if not start < end <= len(data):
            raise WireError("a counted piece is empty or overruns the option", offset=at)
        pieces.append(data[start:end])
        at = end
    if not pieces:
        raise WireError("the option is empty")
    return pieces


def _counted_strings(width: int, many: str) -> Kind:
    """A list of texts, each behind its length; texts have no commas or blanks."""

    def encode(text: str) -> bytes:
        items = [encode_string(item) for item in split(text)]
        if max(map(len, items)) >= 1 << 8 * width:
            raise ValueError(f"an item is over {(1 << 8 * width) - 1} bytes")
        return b"".join(len(item).to_bytes(width, "big") + item for item in items)

    def decode(data: bytes) -> str:
        items = [decode_string(piece) for piece in _counted(data, width)]
        if any(SEPARATOR.search(item) for item in items):
            raise WireError("an item has a comma or a blank")
        return ",".join(items)

    return Kind(many, encode, decode)


def _decode_user_classes(data: bytes) -> str:
    """Deviation: bare text is shown too, as it is what dhclient and iPXE send instead of RFC 3004's list."""
    try:
        return _COUNTED.decode(data)
    except WireError:
        text = decode_string(data)
        if SEPARATOR.search(text):
            raise
        return text


def _tagged(width: int, many: str) -> Kind:
    """A list of number=bytes: number in ``width`` bytes, length in one (relay suboptions; RFC 3925)."""

    def encode(text: str) -> bytes:
        out = b""
        for item in split(text):
            number, equals, digits = item.partition("=")
            value = parse_hex(digits) if digits else b""
            if not equals or len(value) > 255:
                raise ValueError(f"{item!r} is not number=hexadecimal with at most 255 bytes")
            out += whole_number(width).encode(number) + bytes((len(value),)) + value
        return out

    def decode(data: bytes) -> str:
        items: list[str] = []
        at = 0
        while at < len(data):
            start = at + width + 1
            end = start + (data[start - 1] if start <= len(data) else 1)
            if end > len(data):
                raise WireError("an item overruns the option", offset=at)
            items.append(f"{int.from_bytes(data[at : start - 1], 'big')}={format_hex(data[start:end])}")
            at = end
        if not items:
            raise WireError("the option is empty")
        return ",".join(items)

    return Kind(many, encode, decode)


def _encode_ip_groups(text: str) -> bytes:
    groups = [b"".join(encode_ip(item) for item in split(group)) for group in text.split(";")]
    if max(map(len, groups)) > 252:
        raise ValueError("a group has over 63 addresses")
    return b"".join(bytes((len(group),)) + group for group in groups)


def _decode_ip_groups(data: bytes) -> str:
    return ";".join(",".join(decode_ip(piece) for piece in chunks(group, 4)) for group in _counted(data, 1))


def _record(*fields: str) -> Kind:
    """Values of fixed size in a row, then one of any kind, written with spaces between."""
    kinds = [KINDS[name] for name in fields]

    def encode(text: str) -> bytes:
        parts = text.split(maxsplit=len(kinds) - 1)
        if len(parts) != len(kinds):
            raise ValueError(f"{len(parts)} values are given, not {len(kinds)}")
        return b"".join(kind.encode(part) for kind, part in zip(kinds, parts, strict=True))

    def decode(data: bytes) -> str:
        parts: list[str] = []
        at = 0
        for kind in kinds[:-1]:
            parts.append(kind.decode(data[at : at + kind.size]))
            at += kind.size
        parts.append(kinds[-1].decode(data[at:]))
        if parts[-1] != parts[-1].lstrip():
            raise WireError("the text begins with a blank")
        return " ".join(parts)

    return Kind(", then ".join(kind.allowed for kind in kinds) + ", with spaces between", encode, decode)


_COUNTED = _counted_strings(1, "one or more texts without commas and blanks, e.g. mobile,guest")
_IP = Kind("one IPv4 address, e.g. 10.0.0.1", encode_ip, decode_ip, 4)
_IPS = "one or more IPv4 addresses, e.g. 10.0.0.1,10.0.0.2"
_NAMES = "one or more domain names, e.g. example.com,example.org"

KINDS: dict[str, Kind] = {
    "ip": _IP,
    "ips": _list_of(_IP, _IPS),
    "mask": Kind("one network mask, e.g. 255.255.255.0", encode_mask, decode_ip, 4),
    "pairs": Kind(
        "one or more pairs of IPv4 addresses, e.g. 10.1.0.1 10.0.0.1,10.1.0.2 10.0.0.1", _encode_pairs, _decode_pairs
    ),
    "routes": Kind(
        "one or more networks each with its router, e.g. 10.0.0.0/8 192.168.1.1,0.0.0.0/0 192.168.1.2",
        _encode_routes,
        _decode_routes,
    ),
    "ip-groups": Kind("groups of addresses, e.g. 10.0.0.1,10.0.0.2;10.0.1.1", _encode_ip_groups, _decode_ip_groups),
    "ip6": Kind("one IPv6 address, e.g. 2001:db8::1", encode_ip6, decode_ip6, 16),
    "bool": Kind("true or false", encode_bool, decode_bool, 1),
    "flag": Kind("no value, or true", encode_flag, decode_flag),
    "u8": whole_number(1),
    "u16": whole_number(2),
    "u32": whole_number(4),
    "u8s": _list_of(whole_number(1), "one or more whole numbers from 0 to 255, e.g. 1,3,6"),
    "u16s": _list_of(whole_number(2), "one or more whole numbers from 0 to 65535, e.g. 68,1500"),
    "time": Kind("a time, e.g. 3600, 1h, 3d12h or forever", encode_time, decode_time, 4),
    "signed-time": Kind(
        "a time, also negative, e.g. -18000 or -5h", encode_signed_time, whole_number(4, True).decode, 4
    ),
    "string": Kind("a text of at least one character", encode_string, decode_string),
    "bytes": Kind("hexadecimal digits, e.g. 01:0a:ff", parse_hex, format_hex),
    "name": Kind("one domain name, e.g. server.example.com", encode_name, decode_name),
    "names": Kind(_NAMES, encode_names, decode_names),
    "search": Kind(_NAMES, encode_search, decode_names),
    "sip": Kind(_NAMES + ", or " + _IPS, _encode_sip, _decode_sip),
    "user-classes": Kind(_COUNTED.allowed, _COUNTED.encode, _decode_user_classes),
    "uris": _counted_strings(2, "one or more URIs, e.g. https://boot.example.com:8443"),
    "suboptions": _tagged(1, "one or more number=hexadecimal, e.g. 1=00:04,2=ff"),
    "enterprises": _tagged(4, "one or more enterprise-number=hexadecimal, e.g. 9=01:02:ff"),
    "client-fqdn": Kind("flags, two codes and a name, e.g. 1 0 0 host", _encode_client_fqdn, _decode_client_fqdn),
}
"""Every kind, by the name that ``wire.options`` uses."""

KINDS |= {
    "u8 ips": _record("u8", "ips"),
    "u8 string": _record("u8", "string"),
    "u8 u8 u16": _record("u8", "u8", "u16"),
    "u8 ip ip names": _record("u8", "ip", "ip", "names"),
    "u8 u8 ip6 ips": _record("u8", "u8", "ip6", "ips"),
}

LISTS = {"ip": "ips", "u8": "u8s", "u16": "u16s"} | {
    name: f"{name}-list" for name, kind in KINDS.items() if kind.size and name not in ("ip", "u8", "u16")
}
"""The kind that is a list of each kind of a fixed size."""

KINDS |= {many: _list_of(KINDS[one], f"one or more, with commas: {KINDS[one].allowed}") for one, many in LISTS.items()
          if many not in KINDS}  # fmt: skip
