"""Kinds of DHCP option values that hold one value: addresses, numbers, times, texts, bytes.

A kind is a pair of functions: text to bytes, which raises ValueError, and bytes to text, which raises WireError. What
``decode`` makes of bytes that ``encode`` made, ``encode`` takes back. Does not know domain names
(``wire.option_names``) or lists and structures (``wire.option_types``).

Source: RFC 2132 section 2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address

from tandem.base.errors import WireError
from tandem.base.ipv4 import format_ipv4, parse_ipv4, prefix_length
from tandem.base.units import FOREVER, format_duration, parse_duration

SEPARATOR = re.compile(r"[,\s]+")
_NUMBER = re.compile(r"-?[0-9]+|0[xX][0-9a-fA-F]+")
_TRUE = ("true", "on", "yes", "enabled", "1")
_FALSE = ("false", "off", "no", "disabled", "0")


@dataclass(frozen=True, slots=True)
class Kind:
    """How values of one kind are written and read."""

    allowed: str
    """What the operator may write, with an example."""
    encode: Callable[[str], bytes]
    decode: Callable[[bytes], str]
    size: int = 0
    """Bytes of every value; 0 = they differ."""


def split(text: str) -> list[str]:
    """Return the items of a list with commas or spaces; refuses an empty one."""
    items = [item for item in SEPARATOR.split(text) if item]
    if not items:
        raise ValueError("nothing is given")
    return items


def chunks(data: bytes, size: int) -> list[bytes]:
    """Cut ``data`` into pieces of ``size`` bytes each, at least one."""
    if not data or len(data) % size:
        raise WireError(f"{len(data)} bytes are not a multiple of {size}")
    return [data[i : i + size] for i in range(0, len(data), size)]


def encode_ip(text: str) -> bytes:
    return parse_ipv4(text).to_bytes(4, "big")


def decode_ip(data: bytes) -> str:
    if len(data) != 4:
        raise WireError(f"an address has 4 bytes, not {len(data)}")
    return format_ipv4(int.from_bytes(data, "big"))


def encode_mask(text: str) -> bytes:
    mask = parse_ipv4(text)
    prefix_length(mask)
    return mask.to_bytes(4, "big")


def encode_ip6(text: str) -> bytes:
    if "%" in text:
        raise ValueError(f"{text!r} has a zone, which means nothing elsewhere")
    return IPv6Address(text.strip()).packed


def decode_ip6(data: bytes) -> str:
    if len(data) != 16:
        raise WireError(f"an IPv6 address has 16 bytes, not {len(data)}")
    return str(IPv6Address(data))


def encode_bool(text: str) -> bytes:
    word = text.strip().lower()
    if word not in _TRUE and word not in _FALSE:
        raise ValueError(f"{text!r} is neither true nor false")
    return b"\x01" if word in _TRUE else b"\x00"


def decode_bool(data: bytes) -> str:
    if data not in (b"\x00", b"\x01"):
        raise WireError("a truth value is one byte, 0 or 1")
    return "true" if data == b"\x01" else "false"


def encode_flag(text: str) -> bytes:
    if text.strip().lower() not in ("", *_TRUE):
        raise ValueError(f"{text!r} is given, but the option has no value")
    return b""


def decode_flag(data: bytes) -> str:
    if data:
        raise WireError("an option without value has bytes")
    return "true"


def parse_number(text: str) -> int:
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text, 16 if text[:2].lower() == "0x" else 10)


def whole_number(size: int, signed: bool = False) -> Kind:
    low, high = (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1) if signed else (0, (1 << 8 * size) - 1)

    def encode(text: str) -> bytes:
        number = parse_number(text)
        if not low <= number <= high:
            raise ValueError(f"{number} is not within {low} to {high}")
        return number.to_bytes(size, "big", signed=signed)

    def decode(data: bytes) -> str:
        if len(data) != size:
            raise WireError(f"a number has {size} bytes here, not {len(data)}")
        return str(int.from_bytes(data, "big", signed=signed))

    return Kind(f"a whole number from {low} to {high}", encode, decode, size)


def encode_time(text: str) -> bytes:
    seconds = FOREVER if text.strip().lower() in ("forever", "infinite") else parse_duration(text)
    if seconds > FOREVER:
        raise ValueError(f"{text!r} is over {FOREVER} seconds")
    return seconds.to_bytes(4, "big")


def decode_time(data: bytes) -> str:
    if len(data) != 4:
        raise WireError(f"a time has 4 bytes, not {len(data)}")
    return format_duration(int.from_bytes(data, "big"))


def encode_signed_time(text: str) -> bytes:
    text = text.strip()
    seconds = -parse_duration(text[1:]) if text.startswith("-") else parse_duration(text.removeprefix("+"))
    if not -0x80000000 <= seconds <= 0x7FFFFFFF:
        raise ValueError(f"{text!r} is not within 68 years")
    return seconds.to_bytes(4, "big", signed=True)


def encode_string(text: str) -> bytes:
    if not text:
        raise ValueError("nothing is given")
    if not text.isprintable():
        raise ValueError(f"{text!r} has characters that cannot be shown")
    return text.encode()


def decode_string(data: bytes) -> str:
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
