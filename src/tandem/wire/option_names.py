"""Kinds of DHCP option values that hold domain names.

Reading text raises ValueError; reading bytes raises WireError, and ends whatever the bytes are.

Source: RFC 1035 sections 3.1 and 4.1.4; RFC 3397.
"""

from __future__ import annotations

import re

from tandem.base.errors import WireError
from tandem.wire.option_values import split

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?")
_NAME_LIMIT = 255
"""Bytes of a domain name on the wire (RFC 1035 section 2.3.4)."""


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


def encode_names(text: str) -> bytes:
    return b"".join(encode_name(item) for item in split(text))


def encode_search(text: str) -> bytes:
    """A domain search list, each name's tail pointing to an earlier one where it can (RFC 3397 section 2)."""
    out = bytearray()
    seen: dict[tuple[bytes, ...], int] = {}
    for item in split(text):
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


def decode_names(data: bytes) -> str:
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


def decode_name(data: bytes) -> str:
    name, end = _read_name(data, 0)
    if end != len(data):
        raise WireError("bytes follow the domain name", offset=end)
    return name
