"""TCP with partners over loopback: numbers, who may connect, flushing, partners that do not read."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from tandem.base.io import Connect, ConnectFailed, Input, LinkData, LinkDown, LinkUp
from tandem.base.ipv4 import parse_ipv4
from tandem.runtime import link as link_module
from tandem.runtime.failure import CannotRun
from tandem.runtime.link import Links

A, B = parse_ipv4("127.0.0.31"), parse_ipv4("127.0.0.32")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.31", 0))
        return int(s.getsockname()[1])


class End:
    """One server's links and what they reported."""

    def __init__(self, own: int, port: int, peers: list[int]) -> None:
        self.events: list[Input] = []
        self.notes: list[str] = []
        self.full = False
        self.links = Links(
            own, port, self.events.extend, lambda: self.full, lambda _l, _c, _i, text: self.notes.append(text)
        )  # fmt: skip
        self.links.configure(peers)

    async def seen(self, kind: type, count: int = 1) -> list[Input]:
        async with asyncio.timeout(5):
            while len(found := [e for e in self.events if isinstance(e, kind)]) < count:
                await asyncio.sleep(0.005)
        return found

    async def received(self, length: int) -> bytes:
        async with asyncio.timeout(10):
            while True:
                data = b"".join(e.data for e in self.events if isinstance(e, LinkData))
                if len(data) >= length:
                    return data
                await asyncio.sleep(0.005)


def play(scene: Callable[[End, End, int], Awaitable[None]], peers_of_b: list[int] | None = None) -> None:
    async def run() -> None:
        port = free_port()
        a, b = End(A, port, [B]), End(B, port, [A] if peers_of_b is None else peers_of_b)
        await a.links.listen()
        await b.links.listen()
        try:
            await scene(a, b, port)
        finally:
            await a.links.finish()
            await b.links.finish()

    asyncio.run(run())


def test_a_connection_comes_from_our_address_carries_data_and_is_flushed_before_it_closes() -> None:
    async def scene(a: End, b: End, port: int) -> None:
        a.links.connect(Connect(A, B, port))
        (up_a,), (up_b,) = await a.seen(LinkUp), await b.seen(LinkUp)
        assert isinstance(up_a, LinkUp) and (up_a.peer, up_a.outgoing) == (B, True)
        assert isinstance(up_b, LinkUp) and (up_b.peer, up_b.outgoing) == (A, False)
        a.links.send(up_a.link, b"x" * 3_000_000)
        a.links.close(up_a.link)
        a.links.send(up_a.link, b"not sent any more")
        assert await b.received(3_000_000) == b"x" * 3_000_000
        (down_a,), (down_b,) = await a.seen(LinkDown), await b.seen(LinkDown)
        assert down_a == LinkDown(up_a.link, "this server closed the connection")
        assert down_b == LinkDown(up_b.link, "the partner closed the connection")

    play(scene)


def test_numbers_are_never_used_again() -> None:
    async def scene(a: End, b: End, port: int) -> None:
        for n in range(1, 4):
            a.links.connect(Connect(A, B, port))
            up = (await a.seen(LinkUp, n))[-1]
            assert isinstance(up, LinkUp) and up.link == n
            a.links.close(n)
            await a.seen(LinkDown, n)

    play(scene)


def test_a_stranger_is_refused_and_noted() -> None:
    async def scene(a: End, b: End, port: int) -> None:
        a.links.connect(Connect(A, B, port))
        await a.seen(LinkDown)
        assert b.events == []
        assert b.notes == ["Refused a connection from 127.0.0.31: it is no failover partner of this server"]

    play(scene, peers_of_b=[])


def test_a_partner_may_not_open_connections_without_end() -> None:
    async def scene(a: End, b: End, port: int) -> None:
        for _ in range(20):
            a.links.connect(Connect(A, B, port))
        await a.seen(LinkDown, 12)
        assert len(await b.seen(LinkUp, 8)) == 8
        assert b.links.counters["refused"] == 12

    play(scene)


def test_a_partner_that_does_not_listen_is_reported() -> None:
    async def scene(a: End, b: End, port: int) -> None:
        a.links.connect(Connect(A, parse_ipv4("127.0.0.33"), port))
        assert await a.seen(ConnectFailed) == [ConnectFailed(parse_ipv4("127.0.0.33"), "Connection refused")]

    play(scene)


def test_an_address_that_is_not_ours_is_reported() -> None:
    async def scene(a: End, b: End, port: int) -> None:
        a.links.connect(Connect(parse_ipv4("192.0.2.1"), B, port))
        failed = (await a.seen(ConnectFailed))[0]
        assert isinstance(failed, ConnectFailed) and "assign" in failed.why

    play(scene)


def test_a_partner_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "CONNECT_S", 0.2)

    c = parse_ipv4("127.0.0.34")

    async def scene(a: End, b: End, port: int) -> None:
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.34", port))
            deaf.listen(0)
            with socket.socket() as s1, socket.socket() as s2:  # fill its queue of connections
                for s in (s1, s2):
                    s.setblocking(False)
                    s.connect_ex(("127.0.0.34", port))
                a.links.connect(Connect(A, c, port))
                assert await a.seen(ConnectFailed) == [ConnectFailed(c, "no answer within 0.2 s")]

    play(scene)


def test_a_partner_that_does_not_read_loses_its_connection() -> None:
    async def scene(a: End, b: End, port: int) -> None:
        a.links.connect(Connect(A, B, port))
        up = (await a.seen(LinkUp))[0]
        await b.seen(LinkUp)
        b.full = True
        assert isinstance(up, LinkUp)
        a.links.send(up.link, b"x")
        await b.received(1)  # from here on b reads nothing more
        for _ in range(40):
            a.links.send(up.link, bytes(1_000_000))
        assert await a.seen(LinkDown) == [LinkDown(up.link, "the partner does not read what it is sent")]

    play(scene)


def test_reading_goes_on_when_there_is_room_again() -> None:
    async def scene(a: End, b: End, port: int) -> None:
        a.links.connect(Connect(A, B, port))
        up = (await a.seen(LinkUp))[0]
        assert isinstance(up, LinkUp)
        b.full = True
        a.links.send(up.link, b"x")
        await b.received(1)
        a.links.send(up.link, b"y")
        await asyncio.sleep(0.1)
        assert await b.received(1) == b"x"
        b.links.resume()
        await asyncio.sleep(0.1)
        assert await b.received(1) == b"x", "still full"
        b.full = False
        b.links.resume()
        assert await b.received(2) == b"xy"

    play(scene)


def test_a_port_in_use_is_refused_with_advice() -> None:
    async def scene(a: End, b: End, port: int) -> None:
        with pytest.raises(CannotRun, match=f"TCP port {port}: Address already in use; another server uses it"):
            await End(A, port, []).links.listen()

    play(scene)
