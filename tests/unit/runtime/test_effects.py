"""Invariant 1: what follows a save waits for the disk; order is kept; bounds hold."""

from __future__ import annotations

import asyncio

from tandem.base.io import (
    Close,
    Connect,
    Effect,
    Interface,
    Note,
    Probe,
    Reply,
    SaveAcked,
    SaveBinding,
    SaveShare,
    SaveState,
    Send,
)
from tandem.runtime.effects import STALE_S, Performer
from tandem.runtime.store import Save

ETH = Interface("eth0", 2, 0x0A000001)


def reply(name: str) -> Reply:
    return Reply(name.encode(), 1, 68, ETH)


def save(address: int) -> SaveBinding:
    return SaveBinding((address,))


class Bench:
    """A performer whose deeds are recorded."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.submitted: list[list[Save]] = []
        self.now = 0.0
        self.performer = Performer(self, self._reply, self._probe, self, self._note, lambda: self.now)

    def submit(self, saves: list[Save]) -> int:
        self.submitted.append(saves)
        return len(self.submitted)

    def _reply(self, effect: Reply) -> None:
        self.done.append(effect.data.decode())

    def _probe(self, effect: Probe) -> None:
        self.done.append(f"probe {effect.address}")

    def _note(self, level: str, component: str, ident: int, text: str, flag: str) -> None:
        self.done.append(f"note {text}")

    def connect(self, effect: Connect) -> None:
        self.done.append(f"connect {effect.peer}")

    def send(self, link: int, data: bytes) -> None:
        self.done.append(f"send {link} {data.decode()}")

    def close(self, link: int) -> None:
        self.done.append(f"close {link}")

    def perform(self, *effects: Effect) -> list[str]:
        self.performer.perform(list(effects))
        return self.take()

    def committed(self, number: int) -> list[str]:
        self.performer.committed(number)
        return self.take()

    def take(self) -> list[str]:
        done, self.done = self.done, []
        return done


def test_without_saves_everything_happens_at_once_in_order() -> None:
    bench = Bench()
    note = Note("Info", "DHCP", 1, "n")
    done = bench.perform(reply("a"), Send(3, b"x"), note, Connect(1, 9, 647), Close(3), reply("b"))
    assert done == ["a", "send 3 x", "note n", "connect 9", "close 3", "b"]


def test_what_follows_a_save_waits_for_its_commit() -> None:
    for kind in (save(1), SaveState("n", {}), SaveShare(1, 2, True, False)):
        bench = Bench()
        assert bench.perform(reply("offer"), kind, reply("ack"), Send(1, b"u")) == ["offer"]
        assert bench.submitted == [[kind]]
        assert bench.committed(1) == ["ack", "send 1 u"]


def test_later_effects_queue_behind_a_pending_commit() -> None:
    bench = Bench()
    assert bench.perform(save(1), reply("a")) == []
    assert bench.perform(reply("b")) == []
    assert bench.perform(reply("c"), save(2), reply("d")) == []
    assert bench.committed(1) == ["a", "b", "c"]
    assert bench.perform(reply("e")) == []
    assert bench.committed(2) == ["d", "e"]
    assert bench.perform(reply("f")) == ["f"]


def test_one_report_may_cover_several_submissions() -> None:
    bench = Bench()
    bench.perform(save(1), reply("a"))
    bench.perform(save(2), reply("b"))
    bench.perform(save(3), reply("c"))
    assert bench.committed(2) == ["a", "b"]
    assert bench.committed(3) == ["c"]


def test_saves_of_one_round_go_together_in_order() -> None:
    bench = Bench()
    one, acked, two = save(1), SaveAcked([(1, 2, 1)]), save(2)
    assert bench.perform(one, reply("a"), acked, two, reply("b")) == []
    assert bench.submitted == [[one, acked, two]]
    assert bench.committed(1) == ["a", "b"]


def test_acknowledgements_hold_nothing_up() -> None:
    bench = Bench()
    acked = SaveAcked([(1, 2, 1)])
    assert bench.perform(acked, Send(1, b"u")) == ["send 1 u"]
    assert bench.submitted == [[acked]]
    assert bench.perform(save(1), reply("a")) == []
    assert bench.committed(1) == []
    assert bench.committed(2) == ["a"]


def test_room_shrinks_with_held_replies_and_comes_back() -> None:
    bench = Bench()
    bench.performer.max_responses = 3
    assert bench.performer.room() == 3
    bench.perform(save(1), reply("a"), reply("b"), Send(1, b""))
    bench.perform(reply("c"))
    assert bench.performer.room() == 0
    bench.committed(1)
    assert bench.performer.room() == 3


def test_partners_are_left_unread_while_too_much_waits() -> None:
    bench = Bench()
    bench.performer.max_responses = 10
    bench.perform(save(1), *(Send(1, b"") for _ in range(41)))
    assert bench.performer.congested()
    bench.committed(1)
    assert not bench.performer.congested()


def test_replies_that_waited_too_long_are_not_sent_but_the_rest_is() -> None:
    bench = Bench()
    bench.perform(save(1), reply("old"), Send(1, b"u"))
    bench.now = STALE_S - 1
    bench.perform(save(2), reply("young"))
    bench.now = STALE_S + 0.5
    assert bench.committed(2) == ["send 1 u", "young"]
    assert bench.performer.stale_replies == 1
    assert bench.performer.room() == bench.performer.max_responses


def test_settled_tells_when_all_so_far_is_done() -> None:
    async def run() -> None:
        bench = Bench()
        assert bench.performer.settled().done()
        bench.perform(save(1))
        waiting = bench.performer.settled()
        assert not waiting.done()
        bench.committed(1)
        assert waiting.done()

    asyncio.run(run())
