"""The clients' side of the network: the servers' LAN, relays, loss, delay, duplicates, and cuts between a subnet and
a server.

Does not know what messages mean beyond where they go. Source: RFC 2131 section 4.1, RFC 1542 section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Protocol

from tandem.base.io import Datagram, Reply
from tandem.base.ipv4 import BROADCAST
from tandem.sim.machine import Machine
from tandem.sim.settings import LAN, Layout, Subnet
from tandem.sim.world import World
from tandem.wire import dhcp


class Listener(Protocol):
    """A client, as the network sees it."""

    chaddr: bytes
    subnet: Subnet

    def receive(self, message: dhcp.Message, server: int) -> None:
        """Take a reply of ``server``."""
        ...


class Field:
    """Carries datagrams between clients and servers."""

    def __init__(self, world: World, settings: Layout, chance: Random) -> None:
        self.world = world
        self.chance = chance
        self.machines: dict[int, Machine] = {}
        self.net_of = settings.net_of
        self.subnets = {subnet.net: subnet for subnet in settings.subnets}
        self._on_lan = Subnet("lan", LAN, 0, 0, 0)
        self._clients: dict[bytes, list[Listener]] = {}
        self._cuts: dict[tuple[int, int], int] = {}
        self._latest: dict[int, float] = {}
        """When the last packet so far that was sent to a server arrives there."""
        self.loss = 0.0
        self.doubles = 0.0
        self.delay_s = 0.005
        self.requests = 0
        self.replies = 0

    def join(self, client: Listener) -> None:
        """A client exists from now on."""
        self._clients.setdefault(client.chaddr, []).append(client)

    def cut(self, net: int, server: int, by: int) -> None:
        """Cut the way between a subnet and a server (``by`` 1), or take one cut off it (-1)."""
        self._cuts[net, server] = max(self._cuts.get((net, server), 0) + by, 0)

    def mend(self) -> None:
        """All ways are whole."""
        self._cuts.clear()

    def add(self, subnet: Subnet) -> None:
        """A subnet is there from now on."""
        self.subnets[subnet.net] = subnet

    def reaches(self, net: int, server: int) -> bool:
        """Whether no fault cuts the way between a subnet and a server."""
        return not self._cuts.get((net, server))

    # --- to the servers ---------------------------------------------------------------------------------

    def broadcast(self, subnet: Subnet, data: bytes) -> None:
        """A client shouts; on a LAN with a relay, the relay carries it to the servers that it knows."""
        relay = subnet.relay
        if relay:
            data = data[:3] + b"\x01" + data[4:24] + relay.to_bytes(4, "big") + data[28:]
        servers: Iterable[int] = subnet.relay_reaches or self.machines
        self.world.happened["one server reached"] += len(subnet.relay_reaches) == 1
        for server in servers:
            self._carry(subnet, server, data, relay, 67 if relay else 68)

    def unicast(
        self, subnet: Subnet, server: int, data: bytes, source: int, heard: Callable[[], None] | None = None
    ) -> None:  # fmt: skip
        """A client that has an address writes to one server. ``heard``: called whenever a copy is about to be taken."""
        if server in self.machines:
            self._carry(subnet, server, data, source, 68, heard)

    def _carry(
        self, subnet: Subnet, server: int, data: bytes, source: int, port: int, heard: Callable[[], None] | None = None
    ) -> None:  # fmt: skip
        machine = self.machines[server]
        event = Datagram(data, source, port, machine.interface)
        for after_s in self._copies(subnet, server):
            self.requests += 1
            there_at = self.world.now + after_s
            self.world.happened["packet overtaken"] += there_at < self._latest.get(server, 0.0)
            self._latest[server] = max(there_at, self._latest.get(server, 0.0))
            self.world.at(there_at, machine.datagram, event, heard)

    def _copies(self, subnet: Subnet, server: int) -> Iterator[float]:
        """Yield after how many seconds each copy of a packet between a subnet and a server arrives."""
        chance, happened = self.chance, self.world.happened
        if not self.reaches(subnet.net, server):
            happened["client cut"] += 1
            return
        copies = 2 if chance.random() < self.doubles else 1
        happened["packet doubled"] += copies - 1
        for _ in range(copies):
            if chance.random() >= self.loss:
                yield self.delay_s * (0.2 + chance.expovariate(1))
            else:
                happened["packet lost"] += 1

    # --- to the clients ---------------------------------------------------------------------------------

    def reply(self, machine: Machine, reply: Reply) -> None:
        """Carry a server's reply to where it goes."""
        data = reply.data
        giaddr = int.from_bytes(data[24:28], "big")
        if giaddr:
            subnet = self.subnets.get(self.net_of(giaddr))
        elif reply.destination == BROADCAST or reply.hardware:
            subnet = self.subnets.get(LAN, self._on_lan)
        else:
            subnet = self.subnets.get(self.net_of(reply.destination))
        if subnet is not None:
            for after_s in self._copies(subnet, machine.address):
                self.world.after(after_s, self._deliver, subnet, data, machine.address)

    def _deliver(self, subnet: Subnet, data: bytes, server: int) -> None:
        clients = self._clients.get(data[28 : 28 + data[2]])
        if clients:
            self.replies += 1
            message = dhcp.decode(data)
            for client in clients:
                if client.subnet.net == subnet.net:
                    client.receive(message, server)
