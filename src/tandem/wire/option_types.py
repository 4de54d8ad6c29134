"""Kinds of DHCP option values: the operator's text to bytes, and bytes to text.

Responsible for one value of one kind. Does not know which option has which kind (``wire.options`` does).
Theory: a kind is a pair of functions. Reading text raises ValueError; reading bytes raises WireError, upon which
the caller shows hexadecimal. What ``decode`` makes of bytes that ``encode`` made, ``encode`` takes back.

Source: RFC 2132 section 2; RFC 1035 sections 3.1 and 4.1.4; RFC 3004; RFC 3361; RFC 3397; RFC 3442; RFC 3925;
RFC 4702; RFC 7291; RFC 8572.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address

from tandem.base.errors import WireError
from tandem.base.ipv4 import format_ipv4, parse_ipv4, prefix_length
from tandem.base.units import FOREVER, format_duration, parse_duration

_SEPARATOR = re.compile(r"[,\s]+")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?")
_NUMBER = re.compile(r"-?[0-9]+|0[xX][0-9a-fA-F]+")
_TRUE = ("true", "on", "yes", "enabled", "1")
_FALSE = ("false", "off", "no", "disabled", "0")
_NAME_LIMIT = 255
"""Bytes of a domain name on the wire (RFC 1035 section 2.3.4)."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How values of one kind are written and read."""

    allowed: str
    """What the operator may write, with an example."""
    encode: Callable[[str], bytes]
    decode: Callable[[bytes], str]
    size: int = 0
    """Bytes of every value; 0 = they differ."""


def _split(text: str) -> list[str]:
    """Return the items of a list with commas or spaces; refuses an empty one."""
    items = [item for item in _SEPARATOR.split(text) if item]
    if not items:
        raise ValueError("nothing is given")
    return items


def _chunks(data: bytes, size: int) -> list[bytes]:
    """Cut ``data`` into pieces of ``size`` bytes each, at least one."""
    if not data or len(data) % size:
        raise WireError(f"{len(data)} bytes are not a multiple of {size}")
    return [data[i : i + size] for i in range(0, len(data), size)]


# --- single values --------------------------------------------------------------------------------------


def _encode_ip(text: str) -> bytes:
    return parse_ipv4(text).to_bytes(4, "big")


def _decode_ip(data: bytes) -> str:
    if len(data) != 4:
        raise WireError(f"an address has 4 bytes, not {len(data)}")
    return format_ipv4(int.from_bytes(data, "big"))


def _encode_mask(text: str) -> bytes:
    mask = parse_ipv4(text)
    prefix_length(mask)
    return mask.to_bytes(4, "big")


def _encode_ip6(text: str) -> bytes:
    if "%" in text:
        raise ValueError(f"{text!r} has a zone, which means nothing elsewhere")
    return IPv6Address(text.strip()).packed


def _decode_ip6(data: bytes) -> str:
    if len(data) != 16:
        raise WireError(f"an IPv6 address has 16 bytes, not {len(data)}")
    return str(IPv6Address(data))


def _encode_bool(text: str) -> bytes:
    word = text.strip().lower()
    if word not in _TRUE and word not in _FALSE:
        raise ValueError(f"{text!r} is neither true nor false")
    return b"\x01" if word in _TRUE else b"\x00"


def _decode_bool(data: bytes) -> str:
    if data not in (b"\x00", b"\x01"):
        raise WireError("a truth value is one byte, 0 or 1")
    return "true" if data == b"\x01" else "false"


def _encode_flag(text: str) -> bytes:
    if text.strip().lower() not in ("", *_TRUE):
        raise ValueError(f"{text!r} is given, but the option has no value")
    return b""


def _decode_flag(data: bytes) -> str:
    if data:
        raise WireError("an option without value has bytes")
    return "true"


def _parse_number(text: str) -> int:
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text, 16 if text[:2].lower() == "0x" else 10)


def _number(size: int, signed: bool = False) -> Kind:
    low, high = (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1) if signed else (0, (1 << 8 * size) - 1)

    def encode(text: str) -> bytes:
        number = _parse_number(text)
        if not low <= number <= high:
            raise ValueError(f"{number} is not within {low} to {high}")
        return number.to_bytes(size, "big", signed=signed)

    def decode(data: bytes) -> str:
        if len(data) != size:
            raise WireError(f"a number has {size} bytes here, not {len(data)}")
        return str(int.from_bytes(data, "big", signed=signed))

    return Kind(f"a whole number from {low} to {high}", encode, decode, size)


def _encode_time(text: str) -> bytes:
    seconds = FOREVER if text.strip().lower() in ("forever", "infinite") else parse_duration(text)
    if seconds > FOREVER:
        raise ValueError(f"{text!r} is over {FOREVER} seconds")
    return seconds.to_bytes(4, "big")


def _decode_time(data: bytes) -> str:
    if len(data) != 4:
        raise WireError(f"a time has 4 bytes, not {len(data)}")
    return format_duration(int.from_bytes(data, "big"))


def _encode_signed_time(text: str) -> bytes:
    text = text.strip()
    seconds = -parse_duration(text[1:]) if text.startswith("-") else parse_duration(text.removeprefix("+"))
    if not -0x80000000 <= seconds <= 0x7FFFFFFF:
        raise ValueError(f"{text!r} is not within 68 years")
    return seconds.to_bytes(4, "big", signed=True)


def _encode_string(text: str) -> bytes:
    if not text:
        raise ValueError("nothing is given")
    if not text.isprintable():
        raise ValueError(f"{text!r} has characters that cannot be shown")
    return text.encode()


def _decode_string(data: bytes) -> str:
    """Trailing NULs go: a receiver is to delete them (RFC 2132 section 2)."""
    try:
        text = data.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        raise WireError("the text is not UTF-8") from None
    if not text or not text.isprintable():
        raise WireError("the text is empty or has characters that cannot be shown")
    return text


def parse_hex(text: str) -> bytes:
    """Return the bytes of ``00:0a:ff``, ``000aff``, ``0x000aff`` or ``00 0a ff``. Raises ValueError."""
    groups = [group for group in re.split(r"[:\s.,-]", text.strip().removeprefix("0x")) if group]
    if not groups:
        raise ValueError("nothing is given")
    if not all(re.fullmatch(r"([0-9a-fA-F]{2})+", group) for group in groups):
        raise ValueError(f"{text!r} is not hexadecimal (two digits for each byte)")
    return bytes.fromhex("".join(groups))


def format_hex(data: bytes) -> str:
    """Return ``data`` as ``00:0a:ff``."""
    return data.hex(":")


# --- domain names ---------------------------------------------------------------------------------------


def _labels(text: str) -> tuple[bytes, ...]:
    """Return the labels of a domain name; none for the root."""
    if text == ".":
        return ()
    labels = text.removesuffix(".").split(".")
    if not all(_LABEL.fullmatch(label) and len(label) <= 63 for label in labels):
        raise ValueError(f"{text!r} is not a domain name (labels of 1 to 63 letters, digits, hyphens)")
    if sum(len(label) + 1 for label in labels) + 1 > _NAME_LIMIT:
        raise ValueError(f"{text!r} is too long for a domain name (at most {_NAME_LIMIT} bytes)")
    return tuple(label.encode() for label in labels)


def encode_name(text: str) -> bytes:
    """Return a domain name as length-prefixed labels (RFC 1035 section 3.1). Raises ValueError."""
    return b"".join(bytes((len(label),)) + label for label in _labels(text)) + b"\0"


def _encode_names(text: str) -> bytes:
    return b"".join(encode_name(item) for item in _split(text))


def _encode_search(text: str) -> bytes:
    """A domain search list, each name's tail pointing to an earlier one where it can (RFC 3397 section 2)."""
    out = bytearray()
    seen: dict[tuple[bytes, ...], int] = {}
    for item in _split(text):
        labels = _labels(item)
        while labels and labels not in seen:
            if len(out) < 0x4000:
                seen[labels] = len(out)
            out += bytes((len(labels[0]),)) + labels[0]
            labels = labels[1:]
        out += (0xC000 | seen[labels]).to_bytes(2, "big") if labels else b"\0"
    return bytes(out)


def _read_name(data: bytes, at: int) -> tuple[str, int]:
    """Return the name at ``at`` and where the next begins.

    It ends, and in time: a pointer leads back and to a label, and labels come to 255 bytes at most.
    """
    labels: list[str] = []
    after = -1
    barrier = at
    total = 1
    while True:
        if at >= len(data):
            raise WireError("a domain name overruns the option", offset=at, section="RFC 1035 3.1")
        size = data[at]
        if size >= 0xC0:
            target = int.from_bytes(data[at : at + 2], "big") & 0x3FFF
            if at + 1 >= len(data) or target >= barrier or data[target] >= 0xC0:
                raise WireError("a domain name's pointer leads nowhere", offset=at, section="RFC 1035 4.1.4")
            after = at + 2 if after < 0 else after
            at = barrier = target
            continue
        at += 1
        if size == 0:
            return ".".join(labels) or ".", at if after < 0 else after
        label = data[at : at + size].decode("latin-1")
        total += size + 1
        if size > 63 or not _LABEL.fullmatch(label) or len(label) != size or total > _NAME_LIMIT:
            raise WireError("a domain name has a bad label", offset=at, section="RFC 1035 3.1")
        labels.append(label)
        at += size


def _decode_names(data: bytes) -> str:
    names: list[str] = []
    at = 0
    total = 0
    while at < len(data):
        name, at = _read_name(data, at)
        total += len(name)
        if total > 0x10000:
            raise WireError("the domain names are longer than 64 KiB when spelt out", offset=at, section="RFC 3397")
        names.append(name)
    if not names:
        raise WireError("there is no domain name")
    return ",".join(names)


def _decode_name(data: bytes) -> str:
    name, end = _read_name(data, 0)
    if end != len(data):
        raise WireError("bytes follow the domain name", offset=end)
    return name


def _encode_sip(text: str) -> bytes:
    """Names (encoding 0) or addresses (encoding 1), never both (RFC 3361 section 3)."""
    try:
        return b"\x01" + b"".join(_encode_ip(item) for item in _split(text))
    except ValueError:
        if all(item.replace(".", "").isdigit() for item in _split(text)):
            raise
        return b"\x00" + _encode_names(text)


def _decode_sip(data: bytes) -> str:
    if data[:1] == b"\x01":
        return ",".join(_decode_ip(piece) for piece in _chunks(data[1:], 4))
    if data[:1] == b"\x00":
        return _decode_names(data[1:])
    raise WireError("the encoding is neither 0 (names) nor 1 (addresses)", section="RFC 3361 3")


def _encode_client_fqdn(text: str) -> bytes:
    """Flags, two old result codes, name: on the wire as labels when flag E (4) is set (RFC 4702 section 2)."""
    numbers, name = text.split()[:3], " ".join(text.split()[3:])
    head = b"".join(_number(1).encode(number) for number in numbers)
    if len(head) != 3:
        raise ValueError(f"{text!r} lacks flags and two result codes before the name")
    if not name:
        return head
    return head + (encode_name(name) if head[0] & 4 else _encode_string(name))


def _decode_client_fqdn(data: bytes) -> str:
    if len(data) < 3:
        raise WireError("flags and result codes are missing", section="RFC 4702 2")
    head = f"{data[0]} {data[1]} {data[2]}"
    if len(data) == 3:
        return head
    if not data[0] & 4:
        name = _decode_string(data[3:])
    elif data.endswith(b"\0"):
        name = _decode_name(data[3:])
    else:  # RFC 4702 section 2.3.1: a partial name has no root label, and operators cannot write one
        raise WireError("the name is partial", section="RFC 4702 2.3.1")
    if " ".join(name.split()) != name:
        raise WireError("the name has blanks")
    return f"{head} {name}"


# --- structures -----------------------------------------------------------------------------------------


def _list_of(kind: Kind, many: str) -> Kind:
    """A list of values of a fixed size, at least one."""

    def encode(text: str) -> bytes:
        return b"".join(kind.encode(item) for item in _split(text))

    def decode(data: bytes) -> str:
        return ",".join(kind.decode(piece) for piece in _chunks(data, kind.size))

    return Kind(many, encode, decode)


def _encode_pairs(text: str) -> bytes:
    items = _split(text)
    if len(items) % 2:
        raise ValueError(f"{len(items)} addresses are not pairs")
    return b"".join(_encode_ip(item) for item in items)


def _decode_pairs(data: bytes) -> str:
    return ",".join(f"{_decode_ip(pair[:4])} {_decode_ip(pair[4:])}" for pair in _chunks(data, 8))


def _encode_routes(text: str) -> bytes:
    items = [item for item in _split(text) if item != "-"]
    if not items or len(items) % 2:
        raise ValueError("a network without router, or a router without network")
    out = b""
    for network, router in zip(items[::2], items[1::2], strict=True):
        address, _, width = network.partition("/")
        bits = _parse_number(width)
        value = parse_ipv4(address)
        if not 0 <= bits <= 32 or value & (0xFFFFFFFF >> bits):
            raise ValueError(f"{network!r} is not a network (0 to 32 leading bits, the others zero)")
        out += bytes((bits,)) + value.to_bytes(4, "big")[: (bits + 7) // 8] + _encode_ip(router)
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
        routes.append(f"{format_ipv4(value)}/{bits} {_decode_ip(data[at + 1 + size : end])}")
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
        items = [_encode_string(item) for item in _split(text)]
        if max(map(len, items)) >= 1 << 8 * width:
            raise ValueError(f"an item is over {(1 << 8 * width) - 1} bytes")
        return b"".join(len(item).to_bytes(width, "big") + item for item in items)

    def decode(data: bytes) -> str:
        items = [_decode_string(piece) for piece in _counted(data, width)]
        if any(_SEPARATOR.search(item) for item in items):
            raise WireError("an item has a comma or a blank")
        return ",".join(items)

    return Kind(many, encode, decode)


def _decode_user_classes(data: bytes) -> str:
    """Deviation: bare text is shown too, as it is what dhclient and iPXE send instead of RFC 3004's list."""
    try:
        return _COUNTED.decode(data)
    except WireError:
        text = _decode_string(data)
        if _SEPARATOR.search(text):
            raise
        return text


def _tagged(width: int, many: str) -> Kind:
    """A list of number=bytes: number in ``width`` bytes, length in one (relay suboptions; RFC 3925)."""

    def encode(text: str) -> bytes:
        out = b""
        for item in _split(text):
            number, equals, digits = item.partition("=")
            value = parse_hex(digits) if digits else b""
            if not equals or len(value) > 255:
                raise ValueError(f"{item!r} is not number=hexadecimal with at most 255 bytes")
            out += _number(width).encode(number) + bytes((len(value),)) + value
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
    groups = [b"".join(_encode_ip(item) for item in _split(group)) for group in text.split(";")]
    if max(map(len, groups)) > 252:
        raise ValueError("a group has over 63 addresses")
    return b"".join(bytes((len(group),)) + group for group in groups)


def _decode_ip_groups(data: bytes) -> str:
    return ";".join(",".join(_decode_ip(piece) for piece in _chunks(group, 4)) for group in _counted(data, 1))


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
_IP = Kind("one IPv4 address, e.g. 10.0.0.1", _encode_ip, _decode_ip, 4)
_IPS = "one or more IPv4 addresses, e.g. 10.0.0.1,10.0.0.2"
_NAMES = "one or more domain names, e.g. example.com,example.org"

KINDS: dict[str, Kind] = {
    "ip": _IP,
    "ips": _list_of(_IP, _IPS),
    "mask": Kind("one network mask, e.g. 255.255.255.0", _encode_mask, _decode_ip, 4),
    "pairs": Kind(
        "one or more pairs of IPv4 addresses, e.g. 10.1.0.1 10.0.0.1,10.1.0.2 10.0.0.1", _encode_pairs, _decode_pairs
    ),
    "routes": Kind(
        "one or more networks each with its router, e.g. 10.0.0.0/8 192.168.1.1,0.0.0.0/0 192.168.1.2",
        _encode_routes,
        _decode_routes,
    ),
    "ip-groups": Kind("groups of addresses, e.g. 10.0.0.1,10.0.0.2;10.0.1.1", _encode_ip_groups, _decode_ip_groups),
    "ip6": Kind("one IPv6 address, e.g. 2001:db8::1", _encode_ip6, _decode_ip6, 16),
    "bool": Kind("true or false", _encode_bool, _decode_bool, 1),
    "flag": Kind("no value, or true", _encode_flag, _decode_flag),
    "u8": _number(1),
    "u16": _number(2),
    "u32": _number(4),
    "u8s": _list_of(_number(1), "one or more whole numbers from 0 to 255, e.g. 1,3,6"),
    "u16s": _list_of(_number(2), "one or more whole numbers from 0 to 65535, e.g. 68,1500"),
    "time": Kind("a time, e.g. 3600, 1h, 3d12h or forever", _encode_time, _decode_time, 4),
    "signed-time": Kind("a time, also negative, e.g. -18000 or -5h", _encode_signed_time, _number(4, True).decode, 4),
    "string": Kind("a text of at least one character", _encode_string, _decode_string),
    "bytes": Kind("hexadecimal digits, e.g. 01:0a:ff", parse_hex, format_hex),
    "name": Kind("one domain name, e.g. server.example.com", encode_name, _decode_name),
    "names": Kind(_NAMES, _encode_names, _decode_names),
    "search": Kind(_NAMES, _encode_search, _decode_names),
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
