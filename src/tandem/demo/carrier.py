"""How the simulated clients' messages travel: as frames on a LAN, or through relay agents on loopback.

Does not know what a client does. On a LAN, clients broadcast, are reached by hardware address and answer ARP for
the addresses that they hold. On loopback there is nobody to broadcast to and no privileged port: each client sits
behind one of two simulated relay agents, which send from a port of their own and say so.

Source: RFC 2131 section 4.1; RFC 3046; RFC 3527 (link selection); RFC 8357 (relay source port).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

from tandem.base.errors import WireError
from tandem.base.ipv4 import format_ipv4
from tandem.demo import frames
from tandem.demo.kernel import Namespace
from tandem.wire.dhcp import (
    BOOTREPLY,
    OPT_RELAY_INFO,
    OPT_SERVER_ID,
    SUB_CIRCUIT_ID,
    SUB_LINK_SELECTION,
    SUB_RELAY_SOURCE_PORT,
    Message,
    decode,
    encode,
    pack_option,
)

Deliver = Callable[[Message], None]
_BATCH = 64


class Carrier(Protocol):
    """What carries clients' messages."""

    def start(self, deliver: Deliver) -> None:
        """Begin; hand every reply that arrives to ``deliver``."""

    def send(self, message: Message, source: int, server: int | None) -> None:
        """Send to one server, or broadcast (None). ``source`` is the client's address, 0 for none."""

    def hold(self, address: int, mac: bytes) -> None:
        """A client uses this address now."""

    def drop(self, address: int) -> None:
        """The address is not in use any more."""


class LanCarrier:
    """Clients on a LAN, all behind one interface of a namespace."""

    def __init__(self, namespace: Namespace, interface: str) -> None:
        self._ip = namespace.packet_socket(interface, frames.IPV4)
        self._arp = namespace.packet_socket(interface, frames.ARP)
        self._holders: dict[int, bytes] = {}
        self._servers: dict[int, bytes] = {}
        """Hardware addresses of servers, learnt from their replies."""
        self._deliver: Deliver = lambda message: None

    def start(self, deliver: Deliver) -> None:
        self._deliver = deliver
        loop = asyncio.get_running_loop()
        loop.add_reader(self._ip, self._read_ip)
        loop.add_reader(self._arp, self._read_arp)

    def send(self, message: Message, source: int, server: int | None) -> None:
        data = encode(message)
        if server is None:
            frame = frames.client_datagram(data, message.chaddr, source, frames.EVERYBODY)
        else:
            to = self._servers.get(server, frames.EVERYBODY)
            frame = frames.client_datagram(data, message.chaddr, source, to, server)
        try:
            self._ip.send(frame)
        except BlockingIOError:
            return  # lost, as frames are: the client sends again

    def hold(self, address: int, mac: bytes) -> None:
        self._holders[address] = mac

    def drop(self, address: int) -> None:
        self._holders.pop(address, None)

    def _read_ip(self) -> None:
        for _ in range(_BATCH):
            try:
                heard = frames.read_client_datagram(self._ip.recv(2048))
            except BlockingIOError:
                return
            message = _reply(heard.data) if heard is not None else None
            if heard is not None and message is not None:
                self._servers[int.from_bytes(message.options.get(OPT_SERVER_ID, b""), "big")] = heard.hardware
                self._deliver(message)

    def _read_arp(self) -> None:
        for _ in range(_BATCH):
            try:
                asked = frames.arp_asked(self._arp.recv(2048))
            except BlockingIOError:
                return
            if asked is not None and asked[0] in self._holders and asked[0] != asked[2]:
                wanted, mac, asker = asked
                self._arp.send(frames.arp_answer(self._holders[wanted], wanted, mac, asker))


class RelayCarrier:
    """Clients behind simulated relay agents on loopback."""

    def __init__(self, relays: list[int], link: int, servers: list[tuple[int, int]]) -> None:
        """``link`` is an address of the clients' network; ``servers`` are (address, port)."""
        self._servers = dict(servers)
        self._agents: list[tuple[int, socket.socket, bytes]] = []
        for relay in relays:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
            made.bind((format_ipv4(relay), 0))
            info = pack_option(SUB_CIRCUIT_ID, b"port 1") + pack_option(SUB_LINK_SELECTION, link.to_bytes(4, "big"))
            self._agents.append((relay, made, info + bytes((SUB_RELAY_SOURCE_PORT, 0))))
        self._deliver: Deliver = lambda message: None

    def start(self, deliver: Deliver) -> None:
        self._deliver = deliver
        for _, agent, _ in self._agents:
            asyncio.get_running_loop().add_reader(agent, self._read, agent)

    def send(self, message: Message, source: int, server: int | None) -> None:
        address, agent, info = self._agents[message.chaddr[-1] % len(self._agents)]
        message.giaddr = address
        message.hops = 1
        message.options[OPT_RELAY_INFO] = info
        data = encode(message)
        for to, port in self._servers.items():
            if server is None or server == to:
                try:
                    agent.sendto(data, (format_ipv4(to), port))
                except (BlockingIOError, ConnectionRefusedError):
                    continue  # lost, or nobody listens there: the client sends again

    def hold(self, address: int, mac: bytes) -> None:
        """Nobody asks for hardware addresses on loopback."""

    def drop(self, address: int) -> None:
        """Nobody asks for hardware addresses on loopback."""

    def _read(self, agent: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                message = _reply(agent.recv(2048))
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                continue  # what a dead server's host says about an earlier datagram
            if message is not None:
                self._deliver(message)


def _reply(data: bytes) -> Message | None:
    try:
        message = decode(data)
    except WireError:
        return None
    return message if message.op == BOOTREPLY else None
