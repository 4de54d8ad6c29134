"""TLS with partners over loopback: who is let in, order of bytes, slow readers, garbage, and ends of all kinds."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import made_certificates
import pytest

from tandem.base.io import Connect, Input, LinkData, LinkDown, LinkUp, StartTls, TlsUp
from tandem.base.ipv4 import parse_ipv4
from tandem.runtime import link as link_module
from tandem.runtime import tls
from tandem.runtime.link import Links

A, B = parse_ipv4("127.0.0.35"), parse_ipv4("127.0.0.36")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    for name in ("a", "b", "other"):
        made_certificates.put(tmp_path / f"{name}.pem", name)
    return {name: tmp_path / f"{name}.pem" for name in ("a", "b", "other")}


class End:
    """One server's links and what they reported."""

    def __init__(self, own: int, port: int, peer: int, file: Path | None) -> None:
        self.events: list[Input] = []
        self.full = False
        self.identity = None if file is None else tls.Identity(file)
        self.links = Links(own, port, self.events.extend, lambda: self.full, lambda *_: None)
        self.links.configure([peer], self.identity)
        self.link = 0

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.002)

    async def one(self, kind: type) -> Input:
        await self.until(lambda: any(isinstance(e, kind) for e in self.events))
        return next(e for e in self.events if isinstance(e, kind))

    @property
    def received(self) -> bytes:
        return b"".join(e.data for e in self.events if isinstance(e, LinkData))


Scene = Callable[[End, End], Awaitable[None]]


def play(scene: Scene, files: dict[str, Path], a: str | None = "a", b: str | None = "b", tls_on: bool = True) -> None:
    """Connect A to B; then start TLS as a node does: B says so in plain, then both go over."""

    async def run() -> None:
        problems: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        with socket.socket() as s:
            s.bind(("127.0.0.35", 0))
            port = s.getsockname()[1]
        one = End(A, port, B, None if a is None else files[a])
        two = End(B, port, A, None if b is None else files[b])
        await two.links.listen()
        one.links.connect(Connect(A, B, port))
        for end in (one, two):
            up = await end.one(LinkUp)
            assert isinstance(up, LinkUp)
            end.link = up.link
        if tls_on:
            two.links.send(two.link, b"now")
            two.links.start_tls(StartTls(two.link, True, made_certificates.put(files["a"], "a")))
            await one.until(lambda: one.received == b"now")
            one.links.start_tls(StartTls(one.link, False, made_certificates.put(files["b"], "b")))
        try:
            await scene(one, two)
        finally:
            await one.links.finish()
            await two.links.finish()
        assert not problems

    asyncio.run(run())


def test_bytes_flow_both_ways_encrypted_and_all_of_them_before_the_end(files: dict[str, Path]) -> None:
    async def scene(a: End, b: End) -> None:
        up = await a.one(TlsUp)
        assert isinstance(up, TlsUp) and up.session.startswith("TLSv1.3, TLS_")
        await b.one(TlsUp)
        a.links.send(a.link, b"x" * 3_000_000)
        a.links.close(a.link)
        a.links.send(a.link, b"not sent any more")
        await b.one(LinkDown)
        assert b.received == b"x" * 3_000_000
        assert b.events[-1] == LinkDown(b.link, "the partner closed the connection")
        assert await a.one(LinkDown) == LinkDown(a.link, "this server closed the connection")

    play(scene, files)


def test_what_comes_with_the_last_of_the_handshake_is_told_after_it(files: dict[str, Path]) -> None:
    async def scene(a: End, b: End) -> None:
        await a.one(TlsUp)
        a.links.send(a.link, b"at once")
        await b.until(lambda: b.received == b"at once")
        kinds = [type(event) for event in b.events]
        assert kinds == [LinkUp, TlsUp, LinkData]

    play(scene, files)


def test_nothing_is_sent_while_tls_comes_about(files: dict[str, Path]) -> None:
    async def scene(a: End, b: End) -> None:
        for end in (a, b):
            end.links.send(end.link, b"secret")
        await a.one(TlsUp)
        await b.one(TlsUp)
        b.links.send(b.link, b"then")
        await a.until(lambda: a.received.endswith(b"then"))
        assert a.received == b"nowthen" and b.received == b""

    play(scene, files)


@pytest.mark.parametrize("who", ["a", "b"])
def test_who_has_not_the_key_of_the_expected_certificate_gets_no_tls(who: str, files: dict[str, Path]) -> None:
    async def scene(a: End, b: End) -> None:
        down_a, down_b = await a.one(LinkDown), await b.one(LinkDown)
        assert isinstance(down_a, LinkDown) and isinstance(down_b, LinkDown)
        told = down_b if who == "a" else down_a
        assert "does not have the key of its certificate" in told.why
        assert not (b if who == "a" else a).received.strip(b"now")

    play(scene, files, **{who: "other"})


def test_a_certificate_that_was_good_for_an_earlier_connection_is_not_good_for_this_one(files: dict[str, Path]) -> None:
    async def scene(a: End, b: End) -> None:
        assert b.identity is not None
        b.identity.context(True, made_certificates.put(files["other"], "other"))
        down = await b.one(LinkDown)
        assert isinstance(down, LinkDown) and "another certificate than the one it announced" in down.why

    play(scene, files, a="other")


def test_without_a_certificate_of_its_own_a_server_has_no_tls(files: dict[str, Path]) -> None:
    async def scene(a: End, b: End) -> None:
        down = await a.one(LinkDown)
        assert isinstance(down, LinkDown) and "no certificate" in down.why
        await b.one(LinkDown)

    play(scene, files, a=None)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (os.urandom(4) + bytes(500), "TLS: "), (b"\x16\x03\x01\xff\xff" + bytes(100), "TLS: "),
        (b"\x00\x0c\x0b\x0c" + bytes(8), "TLS: "), (b"", "closed"),
    ],
)  # fmt: skip
def test_garbage_in_place_of_a_handshake_ends_the_connection(bad: bytes, why: str, files: dict[str, Path]) -> None:
    async def scene(a: End, b: End) -> None:
        b.links.start_tls(StartTls(b.link, True, made_certificates.put(files["a"], "a")))
        await asyncio.sleep(0)
        a.links.send(a.link, bad)
        a.links.close(a.link)
        down = await b.one(LinkDown)
        assert isinstance(down, LinkDown) and why in down.why
        assert not any(isinstance(event, TlsUp | LinkData) for event in b.events)

    play(scene, files, tls_on=False)


def test_a_handshake_that_stands_still_is_given_up(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "TLS_S", 0.2)

    async def scene(a: End, b: End) -> None:
        b.links.start_tls(StartTls(b.link, True, made_certificates.put(files["a"], "a")))
        assert await b.one(LinkDown) == LinkDown(b.link, "TLS did not come about within 0.2 s")
        await a.one(LinkDown)

    play(scene, files, tls_on=False)


@pytest.mark.parametrize("how", ["close", "finish"])
def test_a_handshake_can_be_broken_off(how: str, files: dict[str, Path]) -> None:
    async def scene(a: End, b: End) -> None:
        b.links.start_tls(StartTls(b.link, True, made_certificates.put(files["a"], "a")))
        await asyncio.sleep(0.02)
        if how == "close":
            b.links.close(b.link)
        else:
            await b.links.finish()
        assert await b.one(LinkDown) == LinkDown(b.link, "this server closed the connection")
        await a.one(LinkDown)

    play(scene, files, tls_on=False)


def test_a_partner_that_does_not_read_loses_its_connection(files: dict[str, Path]) -> None:
    async def scene(a: End, b: End) -> None:
        await a.one(TlsUp)
        await b.one(TlsUp)
        b.full = True
        a.links.send(a.link, b"x")
        await b.until(lambda: b.received)  # from here on b reads nothing more
        for _ in range(40):
            a.links.send(a.link, bytes(1_000_000))
        assert await a.one(LinkDown) == LinkDown(a.link, "the partner does not read what it is sent")

    play(scene, files)


def test_reading_goes_on_when_there_is_room_again(files: dict[str, Path]) -> None:
    async def scene(a: End, b: End) -> None:
        await a.one(TlsUp)
        await b.one(TlsUp)
        b.full = True
        a.links.send(a.link, b"x")
        await b.until(lambda: b.received == b"x")
        for _ in range(100):
            a.links.send(a.link, bytes(10_000))
        await asyncio.sleep(0.05)
        assert len(b.received) <= 20_000, "read on though it should not"
        b.full = False
        b.links.resume()
        await b.until(lambda: len(b.received) == 1_000_001)

    play(scene, files)


def test_a_partner_that_dies_is_noticed(files: dict[str, Path]) -> None:
    """Neither a close_notify nor a FIN: a reset."""

    async def scene(a: End, b: End) -> None:
        await a.one(TlsUp)
        await b.one(TlsUp)
        transport = a.links._open[a.link].transport
        assert transport is not None
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        down = await b.one(LinkDown)
        assert isinstance(down, LinkDown) and "reset" in down.why.lower()

    play(scene, files)


def test_a_partner_that_only_stops_sending_is_gone(files: dict[str, Path]) -> None:
    """A FIN without a close_notify: what came before it counts, and the connection ends."""

    async def scene(a: End, b: End) -> None:
        await a.one(TlsUp)
        await b.one(TlsUp)
        a.links.send(a.link, b"the last")
        transport = a.links._open[a.link].transport
        assert transport is not None
        transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
        await b.one(LinkDown)
        assert b.received == b"the last"
        await a.one(LinkDown)

    play(scene, files)


def test_tls_below_1_2_is_not_spoken_and_nothing_is_renegotiated(files: dict[str, Path]) -> None:
    for server in (True, False):
        context = tls.Identity(files["a"]).context(server, made_certificates.put(files["b"], "b"))
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.options & ssl.OP_NO_RENEGOTIATION and context.verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "not there"), ("", "must hold"),
        ("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "must hold"),
        ("only the certificate", "must hold"), ("ÿ", "must hold"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_said(text: str | None, why: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(tls.Unusable, match=why):
        tls.Identity(path)
