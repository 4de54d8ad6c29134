"""Inputs and time reach the node; the timer follows its deadline."""

from __future__ import annotations

import asyncio
import time

import pytest
from unused import NoWire, unused

from tandem.base.errors import CommandError
from tandem.base.io import ClockSet, Effect, Input, Interface, LinkDown, Reply, SaveBinding, Tick
from tandem.runtime.effects import Performer
from tandem.runtime.loop import Loop
from tandem.runtime.store import Save


class Node:
    """Answers everything; wants a Tick at ``due``."""

    def __init__(self) -> None:
        self.due: float | None = None
        self.ticks: list[float] = []
        self.nows: list[float] = []

    def handle(self, now: float, event: Input, out: list[Effect]) -> None:
        self.nows.append(now)
        if isinstance(event, Tick):
            self.ticks.append(now)
            self.due = None
        out.append(Reply(b"x", 1, 68, Interface("lo", 1, 1)))

    def deadline(self) -> float | None:
        return self.due


class Saver:
    def submit(self, saves: list[Save]) -> int:
        return 1


def make(node: Node) -> tuple[Loop, list[Reply]]:
    sent: list[Reply] = []
    performer = Performer(Saver(), sent.append, unused, NoWire(), unused, time.monotonic)
    return Loop(node, performer), sent


def test_inputs_that_come_together_have_one_time_and_all_are_performed() -> None:
    async def run() -> None:
        node = Node()
        loop, sent = make(node)
        loop.feed([LinkDown(1, "a"), LinkDown(2, "b"), LinkDown(3, "c")])
        assert len(sent) == 3 and len(set(node.nows)) == 1
        assert abs(node.nows[0] - time.time()) < 1
        loop.stop()

    asyncio.run(run())


def test_a_tick_comes_at_the_deadline_and_not_before() -> None:
    async def run() -> None:
        node = Node()
        loop, sent = make(node)
        due = node.due = time.time() + 0.15
        loop.feed([LinkDown(1, "a")])
        async with asyncio.timeout(3):
            while not node.ticks:
                await asyncio.sleep(0.005)
        assert due <= node.ticks[0] < due + 0.5
        assert len(sent) == 2
        loop.stop()

    asyncio.run(run())


def test_an_earlier_deadline_replaces_a_later_one() -> None:
    async def run() -> None:
        node = Node()
        loop, _ = make(node)
        node.due = time.time() + 50
        loop.feed([LinkDown(1, "a")])
        node.due = time.time() + 0.1
        loop.feed([LinkDown(1, "a")])
        async with asyncio.timeout(0.9):
            while not node.ticks:
                await asyncio.sleep(0.005)
        loop.stop()

    asyncio.run(run())


@pytest.mark.parametrize("by", [7200, -7200])
def test_a_clock_that_is_set_is_noticed_within_a_second(by: float, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        node = Node()
        loop, _ = make(node)
        node.due = time.time() + 3600
        loop.feed([LinkDown(1, "a")])
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + by)
        async with asyncio.timeout(1.5):
            while not node.ticks:
                await asyncio.sleep(0.005)
        loop.stop()

    asyncio.run(run())


def test_a_command_that_is_refused_has_its_effects_all_the_same() -> None:
    async def run() -> None:
        loop, sent = make(Node())

        def act(now: float, out: list[Effect]) -> None:
            out.append(Reply(b"x", 1, 68, Interface("lo", 1, 1)))
            out.append(SaveBinding((1,)))
            raise CommandError(316, "no")

        with pytest.raises(CommandError):
            loop.command(act)
        assert len(sent) == 1
        loop.stop()

    asyncio.run(run())


def test_a_clock_that_is_set_is_told_before_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    class Listener(Node):
        def __init__(self) -> None:
            super().__init__()
            self.events: list[Input] = []

        def handle(self, now: float, event: Input, out: list[Effect]) -> None:
            self.events.append(event)

    async def run() -> None:
        node = Listener()
        loop, _ = make(node)
        real = time.time
        for ahead, told in ((0.5, 0), (3600.5, 3600), (3600.0, 0), (0.0, -3600), (0.0, 0)):
            node.events.clear()
            monkeypatch.setattr(time, "time", lambda by=ahead: real() + by)
            loop.feed([LinkDown(1, "a")])
            assert len(node.events) == bool(told) + 1
            if told:
                first = node.events[0]
                assert isinstance(first, ClockSet) and abs(first.seconds - told) < 0.6
        loop.stop()

    asyncio.run(run())
