"""IPv4 + UDP packets by hand, for clients that have no address yet.

Such a client cannot be asked for its hardware address by ARP, so the packet goes out through a packet socket that
is told the address; the kernel adds the link-layer header. Source: RFC 2131 section 4.1; RFC 791, 768, 1071; packet(7).
"""

from __future__ import annotations

import socket
import struct

_ETHERTYPE_IPV4 = 0x0800
_IP = struct.Struct("!BBHHHBBHII")
_UDP = struct.Struct("!HHHH")
_PSEUDO = struct.Struct("!IIBBH")
_DONT_FRAGMENT = 0x4000
_TTL = 64
ETHERNET = 1
"""Hardware type whose 6-byte addresses a packet socket takes."""


def checksum(data: bytes) -> int:
    """Return the Internet checksum; 2**16 is 1 modulo 0xFFFF, so the sum of words is one remainder."""
    if len(data) & 1:
        data += b"\0"
    return 0xFFFF - int.from_bytes(data, "big") % 0xFFFF


def packet(source: int, source_port: int, destination: int, port: int, data: bytes) -> bytes:
    """Return the IPv4 packet that carries ``data`` by UDP."""
    length = _UDP.size + len(data)
    pseudo = _PSEUDO.pack(source, destination, 0, socket.IPPROTO_UDP, length)
    check = checksum(pseudo + _UDP.pack(source_port, port, length, 0) + data)
    total = _IP.size + length
    fields = (0x45, 0x10, total, 0, _DONT_FRAGMENT, _TTL, socket.IPPROTO_UDP)
    header = _IP.pack(*fields, checksum(_IP.pack(*fields, 0, source, destination)), source, destination)
    return header + _UDP.pack(source_port, port, length, check) + data


class FrameSocket:
    """Sends IPv4 packets to hardware addresses. Needs CAP_NET_RAW."""

    def __init__(self) -> None:
        """Raises PermissionError without the privilege."""
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self._socket.setblocking(False)

    def send(self, interface: str, hardware: bytes, ip_packet: bytes) -> None:
        """Send a packet to an Ethernet address (6 bytes). Raises OSError."""
        self._socket.sendto(ip_packet, (interface, _ETHERTYPE_IPV4, 0, 0, hardware))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
