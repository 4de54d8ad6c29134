"""The DHCP server's UDP service: one socket for each interface, drained in batches; replies in all their ways out.

A server whose address is in 127/8 (and that was named no interface) has one socket on that address, for trials
without privileges. Otherwise each interface has a socket bound to it that hears broadcasts; interfaces are looked
at again every few seconds, so they may come, go and change their address. Does not know DHCP messages.

Source: RFC 2131 section 4.1; RFC 8357 (relay ports, by replying to ``Reply.port``).
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from socket import inet_aton, inet_ntoa

from tandem.base.io import Datagram, Input, Interface, Reply
from tandem.base.ipv4 import BROADCAST, format_ipv4
from tandem.runtime.failure import RUNTIME, CannotRun
from tandem.runtime.frames import ETHERNET, FrameSocket, packet
from tandem.runtime.interfaces import choose, loopback

Notes = Callable[[str, str, int, str], None]

BATCH = 256
"""Most datagrams taken at one wakeup of one socket."""
RESCAN_S = 5.0
_DATAGRAM_BYTES = 4096
_BUFFER_BYTES = 4 * 1024 * 1024
_TRY_AGAIN = (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM)


class Port:
    """The server's port on one interface."""

    def __init__(self, interface: Interface, bind: tuple[str, int], device: bool) -> None:
        """Open and bind; ``device``: hear only this interface. Raises OSError."""
        self.interface = interface
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.setblocking(False)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            if device:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.name.encode() + b"\0")
            self._enlarge_buffer()
            self.socket.bind(bind)
        except OSError:
            self.socket.close()
            raise

    def _enlarge_buffer(self) -> None:
        force = getattr(socket, "SO_RCVBUFFORCE", 33)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, force, _BUFFER_BYTES)
        except PermissionError:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)


class Udp:
    """All ports of the server."""

    def __init__(
        self, own: int, port: int, names: list[str], deliver: Callable[[list[Input]], None], room: Callable[[], int],
        note: Notes,
    ) -> None:  # fmt: skip
        """``deliver`` takes requests; ``room`` says how many it would take now (the rest is read and dropped)."""
        self._own = own
        self._port = port
        self._names = names
        self._local = own >> 24 == 127 and not names
        self._deliver = deliver
        self._room = room
        self._note = note
        self._ports: dict[int, Port] = {}
        self._frames: FrameSocket | None = None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.counters = {
            "received": 0, "dropped-no-room": 0, "receive-errors": 0, "sent": 0, "send-dropped": 0, "send-errors": 0,
        }  # fmt: skip

    def open(self) -> None:
        """Open the ports and begin to serve. Raises CannotRun."""
        if self._local:
            self._add(loopback(self._own))
            return
        try:
            self._frames = FrameSocket()
        except PermissionError:
            self._note("Warning", "Server", 60120, "Replies to clients without an address are broadcast, because this "
                       "process may not send frames (give it CAP_NET_RAW)")  # fmt: skip
        for interface in choose(self._own, self._names):
            self._add(interface)
        served = [port.interface.name for port in self._ports.values()]
        missing = [name for name in self._names if name not in served]
        if missing or not served:
            what = ", ".join(missing) or "any that can broadcast"
            self._note("Warning", "Server", 60121, f"No IPv4 address on interface {what}: clients there are served as "
                       "soon as it has one (--interface names the interfaces to serve)")  # fmt: skip
        self._timer = self._loop.call_later(RESCAN_S, self._rescan)

    def _add(self, interface: Interface) -> None:
        where = f"UDP port {self._port} on {interface.name}"
        try:
            host = format_ipv4(self._own) if self._local else ""
            port = Port(interface, (host, self._port), device=not self._local)
        except OSError as error:
            cure = {
                errno.EADDRINUSE: "another DHCP server or relay agent uses it; stop that, or give another --dhcp-port",
                errno.EACCES: "run as root, or with CAP_NET_BIND_SERVICE, or give a --dhcp-port above 1023",
                errno.EPERM: "run as root, or with CAP_NET_RAW",
                errno.EADDRNOTAVAIL: "--address is no address of this machine",
            }.get(error.errno or 0, "see that the interface exists")
            raise CannotRun(RUNTIME, f"{where} cannot be used: {error.strerror}; {cure}") from None
        self._ports[interface.index] = port
        self._loop.add_reader(port.socket, self._drain, port)
        text = f"Serving clients on {interface.name}, address {format_ipv4(interface.address)}, UDP port {self._port}"
        self._note("Info", "Server", 60122, text)

    def _remove(self, port: Port, why: str) -> None:
        del self._ports[port.interface.index]
        self._loop.remove_reader(port.socket)
        port.socket.close()
        self._note("Warning", "Server", 60123, f"No longer serving clients on {port.interface.name}: {why}")

    def _rescan(self) -> None:
        self._timer = self._loop.call_later(RESCAN_S, self._rescan)
        try:
            present = {interface.index: interface for interface in choose(self._own, self._names)}
        except OSError as error:
            self._note("Error", "Server", 60124, f"The interfaces cannot be listed: {error.strerror}")
            return
        for index, port in list(self._ports.items()):
            if index not in present:
                self._remove(port, "it is gone, or has no IPv4 address any more")
            elif present[index] != port.interface:
                self._remove(port, "its name, address or mask has changed")
        for index, interface in present.items():
            if index not in self._ports:
                try:
                    self._add(interface)
                except CannotRun as error:
                    self._note("Error", "Server", 60125, str(error))

    # --- in ---------------------------------------------------------------------------------------------

    def _drain(self, port: Port) -> None:
        """Read what has come, a batch at most, and deliver it together."""
        room = min(self._room(), BATCH)
        receive = port.socket.recvfrom
        interface = port.interface
        events: list[Input] = []
        taken = 0
        try:
            while taken < BATCH:
                data, (host, source_port) = receive(_DATAGRAM_BYTES)
                taken += 1
                if taken <= room:
                    events.append(Datagram(data, int.from_bytes(inet_aton(host), "big"), source_port, interface))
        except BlockingIOError:
            pass
        except OSError:  # the interface is down or gone: the next rescan sees to it
            self.counters["receive-errors"] += 1
        self.counters["received"] += taken
        if taken > room:
            self.counters["dropped-no-room"] += taken - max(room, 0)
            self._note("Error", "Server", 4721, "All response packets are in use (max-dhcp-responses), requests are "
                       "dropped: the lease database does not keep up, or cannot be written")  # fmt: skip
        if events:
            self._deliver(events)

    # --- out --------------------------------------------------------------------------------------------

    def send(self, reply: Reply) -> None:
        """Send one reply; what cannot be sent is counted and forgotten (the client will ask again)."""
        port = self._ports.get(reply.interface.index)
        if port is None:
            self.counters["send-errors"] += 1
            return
        destination = reply.destination
        try:
            if reply.hardware:
                if self._frames is not None and reply.hardware[0] == ETHERNET and len(reply.hardware) == 7:
                    address = port.interface.address
                    data = packet(address, self._port, destination, reply.port, reply.data)
                    self._frames.send(port.interface.name, reply.hardware[1:], data)
                    self.counters["sent"] += 1
                    return
                destination = BROADCAST
            port.socket.sendto(reply.data, (inet_ntoa(destination.to_bytes(4, "big")), reply.port))
            self.counters["sent"] += 1
        except OSError as error:
            if error.errno in _TRY_AGAIN:
                self.counters["send-dropped"] += 1
                return
            self.counters["send-errors"] += 1
            where = f"{format_ipv4(destination)} through {port.interface.name}"
            self._note("Warning", "Server", 60126, f"A reply could not be sent to {where}: {error.strerror}")

    def close(self) -> None:
        """Close all ports."""
        if self._timer is not None:
            self._timer.cancel()
        for port in self._ports.values():
            self._loop.remove_reader(port.socket)
            port.socket.close()
        self._ports.clear()
        if self._frames is not None:
            self._frames.close()
