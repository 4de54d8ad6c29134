"""IPv4 addresses and hardware addresses as plain integers and bytes, and their text forms.

Addresses are ``int`` everywhere inside (0 .. 2**32-1): as a dictionary key an int costs a seventh of an
``ipaddress.IPv4Address``. Text appears only at the edges.
"""

from __future__ import annotations

BROADCAST = 0xFFFFFFFF


def parse_ipv4(text: str) -> int:
    """Return the address of dotted-quad ``text``. Raises ValueError, naming the text."""
    parts = text.strip().split(".")
    if len(parts) != 4:
        raise ValueError(f"{text!r} is not an IPv4 address (expected four numbers with dots)")
    value = 0
    for part in parts:
        if not part.isascii() or not part.isdigit() or len(part) > 3 or int(part) > 255:
            raise ValueError(f"{text!r} is not an IPv4 address (each number is 0 to 255)")
        value = value << 8 | int(part)
    return value


def format_ipv4(address: int) -> str:
    """Return the dotted-quad text of ``address``."""
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


def prefix_length(mask: int) -> int:
    """Return the number of leading one bits of ``mask``. Raises ValueError when the ones are not leading."""
    inverse = mask ^ 0xFFFFFFFF
    if inverse & (inverse + 1):
        raise ValueError(f"{format_ipv4(mask)} is not a network mask (its one bits must lead)")
    return 32 - inverse.bit_length()


def parse_hardware(text: str) -> bytes:
    """Return hardware type byte + address of ``1,6,00:d0:ba:d3:bd:3b``, or of a bare MAC (taken as Ethernet).

    Raises ValueError. The result is what ``Binding.hardware`` and the failover option 5 hold.
    """
    parts = text.strip().split(",")
    if len(parts) == 3:
        kind, length, digits = parts
    elif len(parts) == 1:
        kind, length, digits = "1", "", parts[0]
    else:
        raise ValueError(f"{text!r} is not a hardware address (write type,length,address, e.g. 1,6,00:11:22:33:44:55)")
    try:
        address = bytes.fromhex("".join(c for c in digits if c not in ":.-"))
        htype = int(kind)
        wanted = int(length) if length else len(address)
    except ValueError:
        raise ValueError(f"{text!r} is not a hardware address (hexadecimal digits, e.g. 00:11:22:33:44:55)") from None
    if len(address) != wanted or not 1 <= wanted <= 16 or not 1 <= htype <= 255:
        raise ValueError(f"{text!r} is not a hardware address (its length does not match, or its type is not 1-255)")
    return bytes([htype]) + address


def format_hardware(hardware: bytes) -> str:
    """Return ``type,length,aa:bb:...`` for hardware type byte + address; the empty text for none."""
    if not hardware:
        return ""
    return f"{hardware[0]},{len(hardware) - 1},{hardware[1:].hex(':')}"
