"""Where the demonstration takes place: a LAN of network namespaces, or loopback where those are forbidden.

A world says where each server runs and by which address, carries the simulated clients' messages, and can cut and
mend the line between the partners. Does not know what the servers do.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.demo.carrier import Carrier, LanCarrier, RelayCarrier
from tandem.demo.kernel import Namespace, die_with_parent
from tandem.demo.realclient import Dhclient, RealClient, Udhcpc
from tandem.demo.settings import NETWORK, PREFIX

_ENDING_S = 5.0
"""How long a port may still be held by a demonstration that was ended a moment ago."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server runs."""

    address: str
    enter: Callable[[], None]
    """What the server's process does before it starts (``preexec_fn``)."""
    options: list[str] = field(default_factory=list)
    """Options of ``tandem local`` besides the data directory, the address and the API."""


class World(Protocol):
    """A place for a pair and its clients."""

    name: str
    main: Place
    backup: Place
    carrier: Carrier
    real_clients: list[RealClient]

    async def open(self) -> None:
        """Get ready."""

    async def cut(self) -> None:
        """Part the partners: what one sends, the other does not get. Clients reach both."""

    async def mend(self) -> None:
        """Undo ``cut``."""

    async def close(self) -> None:
        """Take it down."""


class Lan:
    """Namespaces: two servers and the clients on a bridge, and a line of its own between the partners."""

    name = "own network namespaces, real ports, clients that broadcast"

    def __init__(self, directory: Path) -> None:
        """Build it. Raises OSError where that is forbidden or ``ip`` is missing."""
        self._switch = Namespace()
        self._switch.ip("link add br0 type bridge", "link set br0 up")
        self._ports = 0
        self._main, self._backup = Namespace(), Namespace()
        addresses = [format_ipv4(NETWORK + host) for host in (2, 3)]
        for namespace, address in zip((self._main, self._backup), addresses, strict=True):
            self._plug(namespace)
            namespace.ip(f"addr add {address}/{PREFIX} brd + dev eth0")
        self.main, self.backup = (
            Place(address, namespace.enter, ["--interface", "eth0"])
            for namespace, address in zip((self._main, self._backup), addresses, strict=True)
        )
        self._main.ip("link add line type veth peer name line netns {into}", into=self._backup)
        self._connect(self._main, self.main.address, self.backup.address)
        self._connect(self._backup, self.backup.address, self.main.address)
        clients = Namespace()
        self._plug(clients)
        self.carrier: Carrier = LanCarrier(clients, "eth0")
        self.real_clients: list[RealClient] = []
        for kind in (Dhclient, Udhcpc):
            if shutil.which(kind.program):
                namespace = Namespace()
                self._plug(namespace)
                self.real_clients.append(kind(directory, namespace.enter))

    def _plug(self, namespace: Namespace) -> None:
        self._ports += 1
        port = f"port{self._ports}"
        self._switch.ip(
            f"link add {port} type veth peer name eth0 netns {{into}}", f"link set {port} master br0 up", into=namespace
        )
        namespace.ip("link set eth0 up")

    @staticmethod
    def _connect(namespace: Namespace, own: str, other: str) -> None:
        """Reach the partner over the line or, when that is down, not at all."""
        namespace.ip(
            "link set line up",
            f"route replace {other}/32 dev line src {own} metric 10",
            f"route replace unreachable {other}/32 metric 20",
        )

    async def open(self) -> None:
        """Nothing is left to do."""

    async def cut(self) -> None:
        self._main.ip("link set line down")

    async def mend(self) -> None:
        self._connect(self._main, self.main.address, self.backup.address)

    async def close(self) -> None:
        """Namespaces end with this process."""


class Loopback:
    """Loopback addresses and unprivileged ports; clients behind relay agents; a proxy as line between the partners."""

    name = "loopback, unprivileged ports, clients behind relay agents"
    dhcp_port = 6767
    failover_ports = (6471, 6470)
    """Where main and backup listen. Each calls its partner on its own port number: there the proxy is."""

    def __init__(self) -> None:
        addresses = ("127.0.0.11", "127.0.0.12")
        self.main, self.backup = (
            Place(address, die_with_parent, ["--dhcp-port", str(self.dhcp_port), "--failover-port", str(port)])
            for address, port in zip(addresses, self.failover_ports, strict=True)
        )
        servers = [(parse_ipv4(address), self.dhcp_port) for address in addresses]
        relays = [parse_ipv4("127.0.0.21"), parse_ipv4("127.0.0.22")]
        self.carrier: Carrier = RelayCarrier(relays, NETWORK, servers)
        self.real_clients: list[RealClient] = []
        main_port, backup_port = self.failover_ports
        self._lines = [
            Line(calls=(self.backup.address, main_port), to=(self.backup.address, backup_port), by=self.main.address),
            Line(calls=(self.main.address, backup_port), to=(self.main.address, main_port), by=self.backup.address),
        ]

    async def open(self) -> None:
        for line in self._lines:
            await line.open()

    async def cut(self) -> None:
        for line in self._lines:
            line.cut()

    async def mend(self) -> None:
        for line in self._lines:
            line.mend()

    async def close(self) -> None:
        for line in self._lines:
            line.close()


class Line:
    """A TCP proxy that can be cut: then bytes go no further, and nobody is told, as with a cable."""

    def __init__(self, calls: tuple[str, int], to: tuple[str, int], by: str) -> None:
        """Connections to ``calls`` are continued to ``to``, from the caller's own address ``by``."""
        self._calls = calls
        self._to = to
        self._by = by
        self._server: asyncio.Server | None = None
        self._whole = asyncio.Event()
        self._whole.set()
        self._transports: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Begin to listen. Raises OSError when the port stays in use, longer than a demonstration takes to end."""
        give_up = asyncio.get_running_loop().time() + _ENDING_S
        while True:
            try:
                self._server = await asyncio.start_server(self._serve, *self._calls)
                return
            except OSError as error:
                if error.errno != errno.EADDRINUSE or asyncio.get_running_loop().time() > give_up:
                    where = f"{self._calls[0]}, TCP port {self._calls[1]}"
                    why = f"{error.strerror}; does another demonstration run here?"
                    raise OSError(f"{where} cannot be used: {why}") from None
            await asyncio.sleep(0.1)

    def cut(self) -> None:
        """Let nothing through."""
        self._whole.clear()

    def mend(self) -> None:
        """Let new connections through; those that were cut are of no use any more."""
        self._abort()
        self._whole.set()

    def close(self) -> None:
        """End it."""
        self._abort()
        if self._server is not None:
            self._server.close()

    def _abort(self) -> None:
        for writer in list(self._transports):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._transports.add(writer)
        try:
            await self._whole.wait()
            far_reader, far_writer = await asyncio.open_connection(*self._to, local_addr=(self._by, 0))
        except OSError:
            writer.transport.abort()
            self._transports.discard(writer)
            return
        self._transports.add(far_writer)
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            for end in (writer, far_writer):
                end.transport.abort()
                self._transports.discard(end)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                await self._whole.wait()
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
