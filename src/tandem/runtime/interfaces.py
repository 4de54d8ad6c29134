"""Which network interfaces there are, with their IPv4 addresses, as the kernel tells over netlink.

Does not know DHCP. Source: rtnetlink(7), netdevice(7).
"""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Collection, Iterator

from tandem.base.io import Interface

_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST_DUMP = 0x301
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFA_F_SECONDARY = 1
_SIOCGIFFLAGS = 0x8913
_IFF_BROADCAST, _IFF_LOOPBACK = 0x2, 0x8
_HEADER = struct.Struct("=IHHII")
_IFADDR = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")


def _messages() -> Iterator[tuple[int, bytes]]:
    """Yield (type, payload) of each answer to "all IPv4 addresses, please". Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(2)
        payload = _IFADDR.pack(socket.AF_INET, 0, 0, 0, 0)
        netlink.send(_HEADER.pack(_HEADER.size + len(payload), _RTM_GETADDR, _NLM_F_REQUEST_DUMP, 1, 0) + payload)
        while True:
            data = netlink.recv(65536)
            while len(data) >= _HEADER.size:
                length, kind, _, _, _ = _HEADER.unpack_from(data)
                if kind == _NLMSG_DONE or length < _HEADER.size:
                    return
                if kind == _NLMSG_ERROR:
                    raise OSError(-struct.unpack_from("=i", data, _HEADER.size)[0], "netlink refused")
                yield kind, data[_HEADER.size : length]
                data = data[(length + 3) & ~3 :]


def _addresses() -> list[tuple[int, int, int, bool]]:
    """Return (interface index, address, mask, secondary) of every IPv4 address of this machine."""
    found = []
    for kind, payload in _messages():
        if kind != _RTM_NEWADDR:
            continue
        _, length, flags, _, index = _IFADDR.unpack_from(payload)
        at, address = _IFADDR.size, 0
        while at + _ATTRIBUTE.size <= len(payload):
            size, attribute = _ATTRIBUTE.unpack_from(payload, at)
            if attribute == _IFA_LOCAL or (attribute == _IFA_ADDRESS and not address):
                address = int.from_bytes(payload[at + 4 : at + 8], "big")
            at += max((size + 3) & ~3, _ATTRIBUTE.size)
        mask = 0xFFFFFFFF << (32 - length) & 0xFFFFFFFF
        found.append((index, address, mask, bool(flags & _IFA_F_SECONDARY)))
    return found


def own_addresses() -> list[int]:
    """Return this machine's addresses outside of 127/8; none when the kernel does not tell them."""
    try:
        return [address for _, address, _, _ in _addresses() if address >> 24 != 127]
    except OSError:
        return []


def _serves_by_default(name: str) -> bool:
    """Whether an interface that was not named is served: it can broadcast and is not the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        answer = fcntl.ioctl(s, _SIOCGIFFLAGS, struct.pack("16sH14x", name.encode()[:15], 0))
    flags = struct.unpack_from("H", answer, 16)[0]
    return bool(flags & _IFF_BROADCAST) and not flags & _IFF_LOOPBACK


def choose(own: int, names: Collection[str]) -> list[Interface]:
    """Return the interfaces to serve that have an IPv4 address now: those of ``names``, or all that can broadcast.

    The address of an interface is ``own`` if it has that one, else its first. Raises OSError.
    """
    chosen: dict[int, tuple[bool, Interface]] = {}
    for index, address, mask, secondary in _addresses():
        try:
            name = socket.if_indextoname(index)
            if name not in names if names else not _serves_by_default(name):
                continue
        except OSError:
            continue  # it went away between the two questions
        preferred = address == own
        if index not in chosen or (preferred and not chosen[index][0]):
            if secondary and not preferred:
                continue
            chosen[index] = (preferred, Interface(name, index, address, mask))
    return [interface for _, interface in chosen.values()]


def loopback(own: int) -> Interface:
    """Return the loopback interface with a server's address in 127/8 (for trials without privileges)."""
    return Interface("lo", socket.if_nametoindex("lo"), own, 0xFF000000)
