"""Ethernet frames as a DHCP client on a LAN sends and hears them: UDP in IPv4, and ARP.

Source: RFC 791 section 3.1; RFC 768; RFC 826; RFC 2131 section 4.1.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from tandem.base.ipv4 import BROADCAST

IPV4: Final = 0x0800
ARP: Final = 0x0806
EVERYBODY: Final = b"\xff" * 6
SERVER_PORT: Final = 67
CLIENT_PORT: Final = 68
_UDP: Final = 17

_IP = struct.Struct("!BBHHHBBHII")
_ARP = struct.Struct("!HHBBH6sI6sI")


class Heard(NamedTuple):
    """A UDP datagram for a DHCP client, and who sent it."""

    data: bytes
    source: int
    hardware: bytes


def _checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def client_datagram(data: bytes, mac: bytes, source: int, to_mac: bytes, destination: int = BROADCAST) -> bytes:
    """Return the frame of a datagram from a client's port 68 to port 67 of ``destination``."""
    size = len(data) + 8
    pseudo = struct.pack("!IIBBH", source, destination, 0, _UDP, size)
    udp = struct.pack("!HHHH", CLIENT_PORT, SERVER_PORT, size, 0)
    check = _checksum(pseudo + udp + data) or 0xFFFF
    udp = struct.pack("!HHHH", CLIENT_PORT, SERVER_PORT, size, check)
    head = _IP.pack(0x45, 0x10, size + 20, 0, 0, 64, _UDP, 0, source, destination)
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    return to_mac + mac + struct.pack("!H", IPV4) + head + udp + data


def read_client_datagram(frame: bytes) -> Heard | None:
    """Return the datagram in ``frame`` if it is for port 68, else None."""
    if len(frame) < 42 or frame[12:14] != b"\x08\x00" or frame[14] >> 4 != 4:
        return None
    at = 14 + (frame[14] & 15) * 4
    if frame[23] != _UDP or len(frame) < at + 8:
        return None
    _, port, size = struct.unpack_from("!HHH", frame, at)
    if port != CLIENT_PORT or size < 8:
        return None
    return Heard(frame[at + 8 : at + size], int.from_bytes(frame[26:30], "big"), frame[6:12])


def arp_asked(frame: bytes) -> tuple[int, bytes, int] | None:
    """Return (wanted address, asker's hardware address, asker's address) of an ARP request, else None."""
    if len(frame) < 42 or frame[12:14] != b"\x08\x06":
        return None
    _, _, _, _, operation, mac, address, _, wanted = _ARP.unpack_from(frame, 14)
    return (wanted, mac, address) if operation == 1 else None


def arp_answer(mac: bytes, address: int, to_mac: bytes, to: int) -> bytes:
    """Return the frame that tells ``to`` that ``address`` is at ``mac``."""
    return to_mac + mac + struct.pack("!H", ARP) + _ARP.pack(1, IPV4, 6, 4, 2, mac, address, to_mac, to)
