"""The TCP connections with failover partners.

Connections are known by numbers that are never used again. Bounded: who may connect, how many connections a
partner may have open, how long a connection and TLS may take to come about, how much may wait for a partner that does
not read. Does not know the failover protocol. Source: draft-ietf-dhc-failover-12 sections 8.2 and 11.2.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable, Iterable

from tandem.base.io import Connect, ConnectFailed, Input, LinkData, LinkDown, LinkUp, StartTls, TlsUp
from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.runtime.failure import RUNTIME, CannotRun
from tandem.runtime.tls import Identity

Notes = Callable[[str, str, int, str], None]

CONNECT_S = 5.0
TLS_S = 8.0
"""How long a TLS handshake may take."""
CLOSE_S = 3.0
"""How long a closed connection may take to flush what was sent before."""
_SEND_BYTES_MAX = 8 * 1024 * 1024
_LINKS_PER_PEER = 8


class _Connection(asyncio.Protocol):
    """One TCP connection."""

    def __init__(self, links: Links, peer: int | None) -> None:
        self._links = links
        self.peer = peer
        """The partner that was called, or None until an incoming connection says who it is."""
        self.outgoing = peer is not None
        self.number = 0
        self.transport: asyncio.Transport | None = None
        self.why = ""
        self.early: list[bytes] | None = None
        """While TLS comes about: what came over it before that was told."""
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._links.up(self)

    def data_received(self, data: bytes) -> None:
        self._links.data(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.why = self.why or (_words(exc) if exc else "the partner closed the connection")
        if self.early is None:  # else ``Links`` says what became of TLS
            self._links.down(self, self.why)


def _words(error: Exception) -> str:
    """Return what went wrong with a connection, without the C library's file names and lines."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the partner does not have the key of its certificate ({error.verify_message})"
    if isinstance(error, ssl.SSLError) and error.reason:
        return "TLS: " + error.reason.lower().replace("_", " ")
    return str(error) or "the partner closed the connection"


class Links:
    """All connections with partners."""

    def __init__(
        self, own: int, port: int, deliver: Callable[[list[Input]], None], congested: Callable[[], bool], note: Notes
    ) -> None:
        """``congested``: stop reading partners until ``resume`` is called."""
        self._own = own
        self._port = port
        self._deliver = deliver
        self._congested = congested
        self._note = note
        self._loop = asyncio.get_running_loop()
        self._peers: frozenset[int] = frozenset()
        self._identity: Identity | None = None
        self._open: dict[int, _Connection] = {}
        self._paused: list[_Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: dict[int, asyncio.Server] = {}
        self._last_number = 0
        self._finishing = False
        self.counters = {"opened": 0, "refused": 0, "lost": 0, "bytes-received": 0, "bytes-sent": 0}

    def configure(self, peers: Iterable[int], identity: Identity | None = None) -> None:
        """Take the addresses that may connect, and what this server shows in TLS."""
        self._peers = frozenset(peers)
        self._identity = identity

    async def listen(self, addresses: Iterable[int] = ()) -> None:
        """Listen for partners on the server's address and on ``addresses``, on no other. Raises CannotRun."""
        wanted = dict.fromkeys([self._own, *addresses])
        for address in wanted:
            if address not in self._servers:
                self._servers[address] = await self._listen_on(format_ipv4(address))
        for address in [a for a in self._servers if a not in wanted]:
            self._servers.pop(address).close()

    async def _listen_on(self, where: str) -> asyncio.Server:
        try:
            return await self._loop.create_server(
                lambda: _Connection(self, None), where, self._port, reuse_address=True
            )  # fmt: skip
        except OSError as error:
            cure = {
                errno.EADDRINUSE: "another server uses it; stop that, or give another --failover-port to both servers",
                errno.EACCES: "run as root, or with CAP_NET_BIND_SERVICE, or give a --failover-port above 1023",
            }.get(error.errno or 0, "see that --address is an address of this machine")
            raise CannotRun(
                RUNTIME, f"failover cannot use {where}, TCP port {self._port}: {os.strerror(error.errno or 0)}; {cure}"
            ) from None

    # --- what connections say ---------------------------------------------------------------------------

    def up(self, connection: _Connection) -> None:
        """A connection is open."""
        transport = connection.transport
        assert transport is not None
        sock = transport.get_extra_info("socket")
        if connection.peer is None:
            connection.peer = parse_ipv4(transport.get_extra_info("peername")[0])
            alike = sum(1 for other in self._open.values() if other.peer == connection.peer)
            if connection.peer not in self._peers or alike >= _LINKS_PER_PEER:
                self.counters["refused"] += 1
                why = "it has too many connections open" if alike else "it is no failover partner of this server"
                text = f"Refused a connection from {format_ipv4(connection.peer)}: {why}"
                self._note("Warning", "Failover", 60130, text)
                transport.abort()
                return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._last_number += 1
        connection.number = self._last_number
        self._open[connection.number] = connection
        self.counters["opened"] += 1
        self._deliver([LinkUp(connection.number, connection.peer, connection.outgoing)])

    def data(self, connection: _Connection, data: bytes) -> None:
        """Bytes have come."""
        if connection.number not in self._open:
            return
        if connection.early is not None:
            connection.early.append(data)
            return
        self.counters["bytes-received"] += len(data)
        self._deliver([LinkData(connection.number, data)])
        if self._congested() and connection.transport is not None and not connection.transport.is_closing():
            connection.transport.pause_reading()
            self._paused.append(connection)

    def resume(self) -> None:
        """Read partners again that were left unread."""
        if self._paused and not self._congested():
            paused, self._paused = self._paused, []
            for connection in paused:
                if connection.transport is not None and not connection.transport.is_closing():
                    connection.transport.resume_reading()

    def down(self, connection: _Connection, why: str) -> None:
        """A connection is gone."""
        if self._open.pop(connection.number, None) is not None:
            self.counters["lost"] += 1
            self._deliver([LinkDown(connection.number, why)])

    # --- effects ----------------------------------------------------------------------------------------

    def connect(self, effect: Connect) -> None:
        """Open a connection; LinkUp or ConnectFailed follows."""
        if self._finishing:
            return
        task = self._loop.create_task(self._connect(effect))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, effect: Connect) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.bind((format_ipv4(effect.local), 0))
            async with asyncio.timeout(CONNECT_S):
                await self._loop.sock_connect(sock, (format_ipv4(effect.peer), effect.port))
            await self._loop.create_connection(lambda: _Connection(self, effect.peer), sock=sock)
        except TimeoutError:
            sock.close()
            self._deliver([ConnectFailed(effect.peer, f"no answer within {CONNECT_S:g} s")])
        except OSError as error:
            sock.close()
            self._deliver([ConnectFailed(effect.peer, os.strerror(error.errno or 0))])

    def send(self, link: int, data: bytes) -> None:
        """Send bytes; a partner that lets too much pile up loses its connection."""
        connection = self._open.get(link)
        if connection is None or connection.transport is None or connection.transport.is_closing():
            return
        if connection.early is not None:
            return  # it would go out unencrypted
        connection.transport.write(data)
        self.counters["bytes-sent"] += len(data)
        if connection.transport.get_write_buffer_size() > _SEND_BYTES_MAX:
            connection.why = "the partner does not read what it is sent"
            connection.transport.abort()

    def start_tls(self, effect: StartTls) -> None:
        """Go over to TLS; TlsUp or LinkDown follows."""
        connection = self._open.get(effect.link)
        if connection is None or connection.transport is None or connection.transport.is_closing():
            return
        connection.transport.pause_reading()
        if connection in self._paused:
            self._paused.remove(connection)
        connection.early = []
        task = self._loop.create_task(self._start_tls(connection, connection.transport, effect))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start_tls(self, connection: _Connection, plain: asyncio.Transport, effect: StartTls) -> None:
        transport = None
        try:
            if self._identity is None:
                raise OSError("this server has no certificate")
            transport = await self._loop.start_tls(
                plain, connection, self._identity.context(effect.server, effect.certificate),
                server_side=effect.server, ssl_handshake_timeout=TLS_S, ssl_shutdown_timeout=CLOSE_S,
            )  # fmt: skip
        except ConnectionAbortedError:
            connection.why = connection.why or f"TLS did not come about within {TLS_S:g} s"
        except OSError as error:
            connection.why = connection.why or _words(error)
        finally:
            early, connection.early = connection.early, None
            tls = None if transport is None else transport.get_extra_info("ssl_object")
            if tls is not None and tls.getpeercert(binary_form=True) != effect.certificate:
                connection.why = "the partner shows another certificate than the one it announced"
            if tls is None or connection.why:
                plain.abort()
                self.down(connection, connection.why or "the partner closed the connection")
        if connection.number in self._open and transport is not None and tls is not None:
            connection.transport = transport
            self._deliver([TlsUp(connection.number, f"{tls.version()}, {tls.cipher()[0]}")])
            for data in early or ():
                self.data(connection, data)

    def close(self, link: int) -> None:
        """Close a connection after what was sent before has gone out; LinkDown follows."""
        connection = self._open.get(link)
        if connection is None or connection.transport is None or connection.transport.is_closing():
            return
        connection.why = "this server closed the connection"
        connection.transport.close()
        connection.timer = self._loop.call_later(CLOSE_S, connection.transport.abort)

    async def finish(self) -> None:
        """Stop listening, close all connections and return when they are gone."""
        self._finishing = True
        for server in self._servers.values():
            server.close()
        for task in list(self._tasks):
            task.cancel()
        for number in list(self._open):
            self.close(number)
        give_up = self._loop.time() + CLOSE_S + 1
        while self._open and self._loop.time() < give_up:
            await asyncio.sleep(0.01)
