"""A scripted ISC dhcpd's connections: bytes read as strictly as dhcpd reads them, set-up, timers.

Whatever would make dhcpd exit, close the connection, stop for good (SHUTDOWN) or flood its partner raises ``Harmed``
and so fails the test that did it.
Source: observed behaviour of ISC dhcpd 4.4.3-P1; its server/failover.c.
"""

from __future__ import annotations

import struct

from pair import BACKUP as BACKUP_ADDRESS
from pair import MAIN as MAIN_ADDRESS
from pair import NAME, World

from tandem.base.io import Close, Connect, Effect, Interface, Reply, Send

POOLREQ, POOLRESP, BNDUPD, BNDACK, CONNECT, CONNECTACK, UPDREQALL, UPDDONE, UPDREQ, STATE, CONTACT, DISCONNECT = range(
    1, 13
)
_SIZES = {
    1: 4, 2: 4, 3: 1, 6: 4, 10: 1, 11: 32, 12: 2, 13: 4, 14: 4, 15: 4, 18: 4, 19: 4, 20: 1, 21: 1, 23: 1, 24: 1, 25: 4,
    26: 1, 27: 1,
}  # fmt: skip
"""Options of fixed length."""
_DDNS, _DIGEST, _LAST_OPTION = 9, 17, 29
_NAME, _VENDOR = NAME.encode(), b"isc-4.4.3-P1"
RESPONSE_S, _CONTACT_MIN_S, _RETRY_S, _SETUP_S = 20, 3, 5, 15
NEVER = float("inf")


class Harmed(AssertionError):
    """The partner has sent what dhcpd does not survive, or not well."""


def number(value: int) -> bytes:
    """Return the four bytes of an option."""
    return struct.pack(">I", value)


def read(data: bytes) -> tuple[int, int, int, dict[int, bytes]]:
    """Return (type, time, xid, options) of a message. Raises Harmed for what dhcpd closes the connection on."""
    size, kind, offset, time, xid = struct.unpack(">HBBII", data[:12])
    if not 12 <= size <= 2048 or offset < 12:
        raise Harmed(f"it closes the connection: length {size}, payload offset {offset}")
    options: dict[int, bytes] = {}
    at = offset
    while at < size:
        if kind > DISCONNECT or at + 4 > size:
            raise Harmed(f"it closes the connection: message type {kind}, or bytes that are no option")
        code, length = struct.unpack(">HH", data[at : at + 4])
        value = data[at + 4 : at + 4 + length]
        at += 4 + length
        if at > size:
            raise Harmed(f"it closes the connection: option {code} overruns the message")
        if code > _LAST_OPTION or not code:
            continue
        if code in options or len(value) != _SIZES.get(code, length):
            raise Harmed(f"it closes the connection: option {code} twice, or {length} bytes long")
        if code == _DDNS and kind in (BNDUPD, BNDACK):
            raise Harmed("it closes the connection: a DDNS option")
        if code == _DIGEST and at != size:
            raise Harmed("it closes the connection: a message digest that is not the last option")
        options[code] = value
    return kind, time, xid, options


class Connections:
    """What a dhcpd does with connections. ``main``: it is the primary."""

    def __init__(self, world: World, main: bool, window: int, mclt_s: int, split: int) -> None:
        self.world, self.main, self.window, self.mclt_s = world, main, window, mclt_s
        self.address = MAIN_ADDRESS if main else BACKUP_ADDRESS
        self.peer = BACKUP_ADDRESS if main else MAIN_ADDRESS
        self.interface = Interface("lan", 1, self.address)
        self.skew_s = 0.0
        self.buckets = ((1 << split) - 1).to_bytes(32, "little")
        self.up = False
        self.told: list[tuple[int, bytes]] = []
        """(type, bytes) of each message that it was sent."""
        self.said: list[int] = []
        """The type of each message that it sent."""
        self._out: list[Effect] = []
        self.no_connection()

    def no_connection(self) -> None:
        """It has just started."""
        self.link: int | None = None
        self._links: dict[int, float] = {}
        """Connections that are not set up yet, and since when there are."""
        self._in: dict[int, bytes] = {}
        self._contact_at = self._dead_at = self._retry_at = NEVER
        self._xid = self.partner_window = self._contact_s = 0

    @property
    def now(self) -> int:
        """Its clock."""
        return int(self.world.now + self.skew_s)

    def message(self, kind: int, xid: int, options: dict[int, bytes]) -> None:
        """Act on a message on the connection that is set up."""
        raise NotImplementedError

    def announce(self) -> None:
        """Say STATE."""
        raise NotImplementedError

    def disconnected(self) -> None:
        """The connection that was set up is gone."""
        raise NotImplementedError

    def perform(self) -> list[Reply]:
        """Let go what it has to say; return the replies to clients."""
        out, self._out = self._out, []
        for effect in out:
            if isinstance(effect, Connect):
                self.world.connect(self, effect.peer)
            elif isinstance(effect, Send):
                self.world.send(self, effect.link, effect.data)
            elif isinstance(effect, Close):
                self.world.close(self, effect.link, "closed")
        return [effect for effect in out if isinstance(effect, Reply)]

    def _not_connected(self) -> None:
        self._retry_at = self.now + _RETRY_S

    def _link_deadline(self) -> float:
        retry = self._retry_at if self.link is None else NEVER
        return min(self._contact_at, self._dead_at, retry, *(since + _SETUP_S for since in self._links.values()))

    def _link_tick(self) -> None:
        now = self.now
        if self.link is None and self._retry_at <= now:
            self._retry_at = NEVER
            self._out.append(Connect(self.address, self.peer, 647))
        for link in [n for n, since in self._links.items() if since + _SETUP_S <= now]:
            self._close(link)
        if self._dead_at <= now and self.link is not None:
            self._close(self.link)
        if self._contact_at <= now:
            self.send(CONTACT)

    def send(self, kind: int, *options: tuple[int, bytes], xid: int | None = None, link: int | None = None) -> int:
        link = self.link if link is None else link
        assert link is not None
        if xid is None:
            xid, self._xid = self._xid, self._xid + 1
        payload = b"".join(struct.pack(">HH", code, len(value)) + value for code, value in options)
        self._out.append(Send(link, struct.pack(">HBBII", 12 + len(payload), kind, 12, self.now, xid) + payload))
        self.said.append(kind)
        if link == self.link and self._contact_s:
            self._contact_at = self.now + self._contact_s
        return xid

    def _data(self, link: int, data: bytes) -> None:
        stream = self._in.get(link, b"") + data
        while len(stream) >= 2 and len(stream) >= (size := int.from_bytes(stream[:2], "big")):
            message, stream = stream[:size], stream[size:]
            if link not in self._in:
                return
            self._message(link, message)
        if link in self._in:
            self._in[link] = stream

    def _message(self, link: int, data: bytes) -> None:
        kind, time, xid, options = read(data)
        self.told.append((kind, data))
        if kind == CONNECT:
            self._connect(link, time, xid, options)
        elif kind == CONNECTACK:
            self._connect_ack(link, time, options)
        elif kind == DISCONNECT:
            self._close(link)
        elif link != self.link:
            raise Harmed(f"message type {kind} on a connection that is not set up")
        else:
            self.message(kind, xid, options)
        if link == self.link:
            self._dead_at = self.now + RESPONSE_S

    def _linked(self, link: int) -> None:
        self._links[link] = self.now
        self._in[link] = b""
        if self.main:
            self.send(
                CONNECT, (22, _NAME), (14, number(self.window)), (19, number(RESPONSE_S)),
                (28, _VENDOR), (20, b"\1"), (27, b"\0"), (15, number(self.mclt_s)),
                (11, self.buckets), link=link,
            )  # fmt: skip

    def _close(self, link: int) -> None:
        self._out.append(Close(link))
        self._unlinked(link)

    def _unlinked(self, link: int) -> None:
        self._links.pop(link, None)
        if self._in.pop(link, None) is None:
            return
        self._retry_at = self.now + _RETRY_S
        if link == self.link:
            self.link = None
            self._contact_at = self._dead_at = NEVER
            self.disconnected()

    def _usable(self, link: int, time: int, options: dict[int, bytes]) -> None:
        """What CONNECT and CONNECTACK have in common."""
        assert options.get(22) == _NAME, "another relationship"
        assert abs(time - self.now) <= 60, "time offset too large"
        if int.from_bytes(options.get(19, b"\0"), "big") < _CONTACT_MIN_S or not int.from_bytes(
            options.get(14, b"\0"), "big"
        ):
            raise Harmed("no receive-timer of 3 s (it floods CONTACT), or no max-unacked (it never sends an update)")
        self.link = link
        self._links.pop(link)
        self.partner_window = int.from_bytes(options[14], "big")
        self._contact_s = int.from_bytes(options[19], "big") // 3

    def _connect(self, link: int, time: int, xid: int, options: dict[int, bytes]) -> None:
        if self.main:
            raise Harmed("a primary is sent CONNECT, and takes it")
        if self.link is not None:
            if link == self.link:
                raise Harmed("a second CONNECT on the live connection ends it")
            self._close(link)
            return
        if len(options.get(11, b"")) != 32 or 15 not in options:
            raise Harmed("CONNECT without hash buckets or MCLT")
        self._usable(link, time, options)
        self.mclt_s, self.buckets = int.from_bytes(options[15], "big"), options[11]
        self.send(
            CONNECTACK, (22, _NAME), (14, number(self.window)), (19, number(RESPONSE_S)),
            (28, _VENDOR), (20, b"\1"), (26, b"\0"), xid=xid,
        )  # fmt: skip
        self.announce()

    def _connect_ack(self, link: int, time: int, options: dict[int, bytes]) -> None:
        if 21 in options:
            self._close(link)
            return
        if self.link is not None:
            self.send(DISCONNECT, (21, b"\7"), (16, b"already connected"), link=link)
            self._close(link)
            return
        self._usable(link, time, options)
        self.announce()
