"""Pings: an ICMP echo request for each ``Probe``, and whether it was answered in time.

One socket for all: the kernel's ping socket where the process may have one, else a raw socket. Where neither is
allowed, every address counts as silent, which is said once. Only echo replies count: an error (no such host) says that
nobody has the address. Does not know why an address is asked for.
Source: RFC 792; icmp(7); RFC 1071 (checksum).
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from collections.abc import Callable
from socket import inet_aton, inet_ntoa

from tandem.base.io import Input, Probe, Probed
from tandem.base.ipv4 import format_ipv4
from tandem.runtime.frames import checksum

_HEAD = struct.Struct("!BBHHH")
_ECHO_REPLY, _ECHO_REQUEST = 0, 8
_SOL_RAW, _ICMP_FILTER = 255, 1
_SO_SNDBUFFORCE = 32
_ALL_BUT_ECHO_REPLIES = struct.pack("=I", 0xFFFFFFFF ^ 1 << _ECHO_REPLY)
_BYTES_MAX = 2048
_BUFFER_BYTES = 4 * 1024 * 1024
"""For requests that wait for the kernel to find out by ARP that nobody is there."""
_BUSY = (errno.ENOBUFS, errno.EAGAIN, errno.ENOMEM)
_BATCH = 256


def echo_request(number: int, token: bytes) -> bytes:
    """Return an ICMP echo request; ``number`` (16 bits) is its identifier, which a ping socket replaces by its own."""
    check = checksum(_HEAD.pack(_ECHO_REQUEST, 0, 0, number, 1) + token)
    return _HEAD.pack(_ECHO_REQUEST, 0, check, number, 1) + token


def is_reply(data: bytes, raw: bool, token: bytes) -> bool:
    """Return whether bytes from the socket are an echo reply that returns ``token``. ``raw``: an IPv4 header leads."""
    if raw:
        data = data[(data[0] & 15) * 4 :] if data else b""
    return len(data) >= _HEAD.size and data[0] == _ECHO_REPLY and data[_HEAD.size :] == token


def icmp_socket(kind: int) -> socket.socket:
    """Return a socket for ICMP: SOCK_DGRAM, the kernel's ping socket, or SOCK_RAW. Raises PermissionError."""
    return socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP)


class Pinger:
    """Asks for addresses."""

    def __init__(
        self, deliver: Callable[[list[Input]], None], note: Callable[[str, str, int, str], None]
    ) -> None:  # fmt: skip
        """``deliver`` takes the answers. Needs a running event loop."""
        self._deliver = deliver
        self._note = note
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._raw = False
        self._token = os.urandom(16)
        """Tells our pings from others', whose replies a raw socket hears too."""
        self._waiting: dict[int, asyncio.TimerHandle] = {}
        """The end of the wait, by address."""
        self._told = False
        self.counters = {"send-errors": 0, "receive-errors": 0}

    def configure(self, wanted: bool) -> None:
        """Open the socket if pings are wanted; close it if not (what is being asked for ends in silence)."""
        self._told = False
        if not wanted:
            self._close_socket()
        elif self._socket is None:
            self._open()

    def _open(self) -> None:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
            try:
                opened = icmp_socket(kind)
            except PermissionError:
                continue
            opened.setblocking(False)
            try:
                opened.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _BUFFER_BYTES)
            except PermissionError:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
            self._raw = kind == socket.SOCK_RAW
            if self._raw:
                opened.setsockopt(_SOL_RAW, _ICMP_FILTER, _ALL_BUT_ECHO_REPLIES)
            self._socket = opened
            self._loop.add_reader(opened, self._drain)
            return
        self._note("Warning", "Server", 60150, "Addresses are offered without a ping, because this process may not "
                   "send any (give it CAP_NET_RAW, or its group a place in the sysctl net.ipv4.ping_group_range, and "
                   "restart; or unset ping-clients)")  # fmt: skip

    def probe(self, effect: Probe) -> None:
        """Ask for an address; ``deliver`` gets a Probed in time, never from within this call."""
        wait_s = effect.wait_ms / 1000
        if self._socket is None:
            wait_s = 0.0
        else:
            number = effect.address & 0xFFFF
            try:
                where = inet_ntoa(effect.address.to_bytes(4, "big")), 0
                self._socket.sendto(echo_request(number, self._token), where)
            except OSError as error:  # no way to it, or no room: nobody is heard there
                self.counters["send-errors"] += 1
                self._unreachable(effect.address, error)
                wait_s = 0.0
        previous = self._waiting.pop(effect.address, None)
        if previous is not None:
            previous.cancel()
        self._waiting[effect.address] = self._loop.call_later(wait_s, self._ended, effect.address)

    def _unreachable(self, address: int, error: OSError) -> None:
        """Say for the first address that cannot be pinged, since the configuration changed, that it is offered so."""
        if not self._told:
            self._told = True
            cure = "see that this server has a route to the clients' network"
            if error.errno in _BUSY:
                cure = "more are under way than the system takes; shorten ping-timeout, or lower max-ping-packets"
            text = f"{format_ipv4(address)}, and perhaps others, cannot be pinged and is offered without:"
            self._note("Warning", "Server", 60151, f"{text} {error.strerror} ({cure})")

    def _ended(self, address: int) -> None:
        del self._waiting[address]
        self._deliver([Probed(address, False)])

    def _drain(self) -> None:
        events: list[Input] = []
        assert self._socket is not None
        try:
            for _ in range(_BATCH):
                data, (host, _port) = self._socket.recvfrom(_BYTES_MAX)
                address = int.from_bytes(inet_aton(host), "big")
                if address in self._waiting and is_reply(data, self._raw, self._token):
                    self._waiting.pop(address).cancel()
                    events.append(Probed(address, True))
        except BlockingIOError:
            pass
        except OSError:  # a host or network that cannot be reached, told for an earlier ping
            self.counters["receive-errors"] += 1
        if events:
            self._deliver(events)

    def close(self) -> None:
        """Ask for nothing more; what is being asked for is not answered."""
        for timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()
        self._close_socket()

    def _close_socket(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None
