"""Pings: what goes out, what counts as an answer, and what happens where none may be sent."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.base.io import Input, Probe, Probed
from tandem.base.ipv4 import parse_ipv4
from tandem.runtime import ping
from tandem.runtime.frames import checksum

TOKEN = b"0123456789abcdef"
HERE, NOWHERE = parse_ipv4("127.0.0.1"), parse_ipv4("127.9.9.9")


@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_are_an_answer_or_not(data: bytes, raw: bool) -> None:
    assert not ping.is_reply(data, raw, TOKEN) or data.endswith(TOKEN)


def test_the_request_comes_back_as_a_reply() -> None:
    request = ping.echo_request(7, TOKEN)
    assert checksum(request) in (0, 0xFFFF) and not ping.is_reply(request, False, TOKEN)
    reply = b"\0" + request[1:]
    assert ping.is_reply(reply, False, TOKEN) and ping.is_reply(b"\x45" + bytes(19) + reply, True, TOKEN)
    assert not ping.is_reply(reply, False, b"another's token!")


def ask(addresses: list[int], wanted: bool = True) -> tuple[list[Input], list[str]]:
    """Return what is heard of these addresses, and the log."""

    async def asking() -> tuple[list[Input], list[str]]:
        heard: list[Input] = []
        notes: list[str] = []
        done = asyncio.Event()

        def deliver(events: list[Input]) -> None:
            heard.extend(events)
            if len(heard) == len(addresses):
                done.set()

        pinger = ping.Pinger(deliver, lambda level, component, ident, text: notes.append(text))
        pinger.configure(wanted)
        for address in addresses:
            pinger.probe(Probe(address, 100))
        assert not heard
        async with asyncio.timeout(5):
            await done.wait()
        pinger.close()
        return heard, notes

    return asyncio.run(asking())


def may_ping() -> bool:
    """Whether this process is given one of the two kinds of sockets."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        with contextlib.suppress(PermissionError):
            ping.icmp_socket(kind).close()
            return True
    return False


def test_a_host_that_is_there_answers() -> None:
    if not may_ping():
        missing = "no ICMP socket is allowed here: run as root, or with CAP_NET_RAW"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    assert ask([HERE]) == ([Probed(HERE, True)], [])


def test_without_the_privilege_every_address_is_silent_and_that_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(kind: int) -> socket.socket:
        raise PermissionError

    monkeypatch.setattr(ping, "icmp_socket", refused)
    heard, notes = ask([HERE, NOWHERE])
    assert heard == [Probed(HERE, False), Probed(NOWHERE, False)]
    assert len(notes) == 1 and "CAP_NET_RAW" in notes[0]


def test_what_cannot_be_reached_is_silent_and_that_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cut:
        """A socket from which nothing gets out."""

        def __init__(self) -> None:
            self.pair = socket.socketpair()

        def fileno(self) -> int:
            return self.pair[0].fileno()

        def setblocking(self, blocking: bool) -> None:
            assert not blocking

        def setsockopt(self, level: int, option: int, value: object) -> None:
            assert level == socket.SOL_SOCKET or option == 1

        def sendto(self, data: bytes, where: tuple[str, int]) -> None:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")

        def close(self) -> None:
            for end in self.pair:
                end.close()

    monkeypatch.setattr(ping, "icmp_socket", lambda kind: Cut())
    heard, notes = ask([HERE, NOWHERE])
    assert heard == [Probed(HERE, False), Probed(NOWHERE, False)]
    assert len(notes) == 1 and "127.0.0.1" in notes[0] and "Network is unreachable" in notes[0]


def test_where_no_scope_wants_pings_none_are_sent() -> None:
    assert ask([HERE], wanted=False) == ([Probed(HERE, False)], [])
