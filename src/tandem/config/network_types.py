"""Types of values that name something on the network: addresses, masks, hosts, clients, certificates.

The three forms of a value are explained in ``config.types``. Does not know attribute names or objects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tandem.base.ipv4 import format_hardware, format_ipv4, parse_hardware, parse_ipv4, prefix_length
from tandem.config.dates import EPOCH, Clock
from tandem.config.types import ValueType, text_of, words_of


@dataclass(frozen=True)
class IpAddress(ValueType):
    """An IPv4 address, stored as dotted text, used as int. ``zero`` admits 0 (as 0.0.0.0) for "unset"; ``named``: the
    cluster takes a host name too, and puts its address in its place (``cluster.names``)."""

    word = "ipaddr"
    zero: bool = False
    named: bool = False
    what: str = "an IPv4 address, e.g. 192.168.50.10"

    @property
    def allowed(self) -> str:
        return self.what

    def _parse(self, text: str, clock: Clock) -> object:
        return "0.0.0.0" if self.zero and text == "0" else format_ipv4(parse_ipv4(text))

    def _use(self, stored: object) -> int:
        address = parse_ipv4(text_of(stored))
        if address == 0 and not self.zero:
            raise ValueError
        return address


@dataclass(frozen=True)
class Mask(ValueType):
    """A network mask, stored as dotted text, used as int. Written dotted, or as a length (24 or /24)."""

    word = "mask"

    @property
    def allowed(self) -> str:
        return "a network mask (write 255.255.255.0 or /24)"

    def _parse(self, text: str, clock: Clock) -> object:
        length = text.removeprefix("/")
        if length.isascii() and length.isdigit():
            return format_ipv4(mask_of(int(length[:3])))
        return format_ipv4(parse_ipv4(text))

    def _use(self, stored: object) -> int:
        mask = parse_ipv4(text_of(stored))
        if prefix_length(mask) == 0:
            raise ValueError
        return mask


@dataclass(frozen=True)
class Subnet(ValueType):
    """A network with its mask's length, stored as ``192.168.50.0/24``, used as (address, mask)."""

    word = "subnet"

    @property
    def allowed(self) -> str:
        return "a subnet (write its network address and mask: 192.168.50.0/24)"

    def _parse(self, text: str, clock: Clock) -> object:
        address, slash, mask = text.partition("/")
        if not slash:
            raise ValueError
        stored_mask = _MASK.parse(mask)
        return f"{format_ipv4(parse_ipv4(address))}/{prefix_length(parse_ipv4(stored_mask))}"

    def _use(self, stored: object) -> tuple[int, int]:
        address_text, _, length = text_of(stored).partition("/")
        if not length.isascii() or not length.isdigit() or len(length) > 2:
            raise ValueError
        address, mask = parse_ipv4(address_text), mask_of(int(length))
        if address & ~mask or not mask:
            raise ValueError
        return address, mask


@dataclass(frozen=True)
class Fingerprints(ValueType):
    """SHA-256 fingerprints of certificates, each with the address of the server it is for or without.

    Written with commas, stored as a list of texts, used as a tuple of (address, digest); address 0: for any server.
    """

    word = "fingerprint-list"

    @property
    def allowed(self) -> str:
        return (
            "a list, with commas, of SHA-256 fingerprints: 32 bytes in hexadecimal, A0:B1:..., each after ADDRESS/"
            " where it counts for that partner only"
        )

    def _parse(self, text: str, clock: Clock) -> object:
        return words_of(text, self._one)

    @staticmethod
    def _one(word: str) -> str:
        address, slash, digits = word.rpartition("/")
        digest = bytes.fromhex(digits.strip().replace(":", ""))
        where = format_ipv4(parse_ipv4(address.strip())) + "/" if slash else ""
        return where + digest.hex(":").upper()

    def show(self, stored: Any, clock: Clock = EPOCH) -> str:
        return ",".join(stored) or "none"

    def _use(self, stored: object) -> tuple[tuple[int, bytes], ...]:
        if not isinstance(stored, list):
            raise ValueError
        found = []
        for word in stored:
            address, slash, digits = text_of(word).rpartition("/")
            digest = bytes.fromhex(digits.replace(":", ""))
            if len(digest) != 32:
                raise ValueError
            found.append((parse_ipv4(address) if slash else 0, digest))
        return tuple(found)


_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


@dataclass(frozen=True)
class HostName(ValueType):
    """A host's or domain's name in DNS, or one of ``words``. Used as text, without a dot at the end."""

    word = "host-name"
    words: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        more = "".join(f", or {word}" for word in self.words)
        return f"a DNS name: labels of letters, digits and hyphens, joined by dots, at most 253 in all{more}"

    def _parse(self, text: str, clock: Clock) -> object:
        return text.removesuffix(".")

    def _use(self, stored: object) -> str:
        text = text_of(stored)
        if text not in self.words and (len(text) > 253 or not all(map(_LABEL.fullmatch, text.split(".")))):
            raise ValueError
        return text


@dataclass(frozen=True)
class MacAddress(ValueType):
    """A hardware address, stored as ``1,6,00:d0:ba:d3:bd:3b``, used as type byte + address."""

    word = "macaddr"

    @property
    def allowed(self) -> str:
        return "a hardware address (write 1,6,00:d0:ba:d3:bd:3b or 00:d0:ba:d3:bd:3b)"

    def _parse(self, text: str, clock: Clock) -> object:
        return format_hardware(parse_hardware(text))

    def _use(self, stored: object) -> bytes:
        return parse_hardware(text_of(stored))


@dataclass(frozen=True)
class ClientKey(ValueType):
    """What a client is known by: a hardware address, or ``id:`` and its client identifier in hexadecimal.

    Used in the form of ``lease.binding.client_key``: b'h' + type byte + address, or b'i' + identifier.
    """

    word = "client-key"

    @property
    def allowed(self) -> str:
        return (
            "a client (write its hardware address, 1,6,00:d0:ba:d3:bd:3b, or id: and its client identifier"
            " of 1 to 255 bytes in hexadecimal, id:01:00:d0:ba:d3:bd:3b)"
        )

    def _parse(self, text: str, clock: Clock) -> object:
        if text[:3].lower() == "id:":
            return "id:" + _identifier(text[3:]).hex(":")
        return format_hardware(parse_hardware(text))

    def _use(self, stored: object) -> bytes:
        text = text_of(stored)
        return b"i" + _identifier(text[3:]) if text.startswith("id:") else b"h" + parse_hardware(text)


def _identifier(digits: str) -> bytes:
    data = bytes.fromhex("".join(c for c in digits if c not in ":.-"))
    if not 1 <= len(data) <= 255:
        raise ValueError
    return data


def mask_of(length: int) -> int:
    """Return the mask with ``length`` leading one bits. Raises ValueError unless 0 to 32."""
    if not 0 <= length <= 32:
        raise ValueError(f"/{length} is not a mask length")
    return 0xFFFFFFFF << (32 - length) & 0xFFFFFFFF


_MASK = Mask()
