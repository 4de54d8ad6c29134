"""Inputs that the server died of are known again, for a while."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from unused import NoSaver, NoWire, unused

from tandem.base.io import Datagram, Effect, Input, Interface, LinkData, LinkUp, Tick
from tandem.runtime.effects import Performer
from tandem.runtime.loop import Loop
from tandem.runtime.poison import FILE, KEEP_OFF_S, Poison

NOW = 1_800_000_000.0
LAN = Interface("lan", 1, 1)


def packet(client: int, xid: int = 1, secs: int = 0) -> Datagram:
    data = bytes([1, 1, 6, 0]) + xid.to_bytes(4, "big") + secs.to_bytes(2, "big") + bytes(18) + bytes([client]) * 212
    return Datagram(data, 0, 68, LAN)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def again(tmp_path: Path, said: list[str]):  # type: ignore[no-untyped-def]
    """The memory of a server that starts ``later`` seconds after NOW."""
    return lambda later=0.0: Poison(tmp_path, lambda level, part, ident, text: said.append(text), NOW + later)


def test_a_packet_is_known_again_whatever_its_transaction(again, said: list[str], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    again().died_of(packet(7), NOW)
    poison = again(10)
    assert poison and poison.drops(packet(7, xid=99, secs=12)) and not poison.drops(packet(8))
    assert poison.dropped == 1
    assert any(str(tmp_path / FILE) in text for text in said)
    assert not again(86401), "forgotten after a day"
    (tmp_path / FILE).unlink()
    assert not again()


def test_what_is_remembered_is_bounded_and_survives_a_damaged_file(again, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    poison = again()
    for client in range(200):
        poison.died_of(packet(client), NOW + client)
    assert [again(300).drops(packet(client)) for client in (0, 135, 136, 199)] == [False, False, True, True]
    (tmp_path / FILE).write_text("{")
    assert not again()


def test_a_partner_is_kept_off_after_the_second_time_and_for_a_while(again) -> None:  # type: ignore[no-untyped-def]
    again().died_of(LinkData(1, b"x"), NOW)
    assert not again(1).keeps_off(NOW + 1), "once may be chance"
    again(5).died_of(LinkData(1, b"y"), NOW + 5)
    poison = again(6)
    assert poison.keeps_off(NOW + 6) and not poison.keeps_off(NOW + 5 + KEEP_OFF_S)


def test_other_inputs_are_not_remembered(again, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    again().died_of(Tick(), NOW)
    again().died_of(LinkUp(1, 2, True), NOW)
    assert not (tmp_path / FILE).exists()


def test_the_loop_tells_what_the_node_raised_on() -> None:
    class Node:
        def handle(self, now: float, event: Input, out: list[Effect]) -> None:
            if isinstance(event, LinkData):
                raise ZeroDivisionError

        def deadline(self) -> float | None:
            return None

    async def run() -> None:
        seen: list[Input] = []
        performer = Performer(NoSaver(), unused, unused, NoWire(), unused, lambda: 0.0)
        loop = Loop(Node(), performer, lambda event, now: seen.append(event))
        with pytest.raises(ZeroDivisionError):
            loop.feed([Tick(), LinkData(1, b"bad"), Tick()])
        assert seen == [LinkData(1, b"bad")]
        loop.stop()

    asyncio.run(run())
