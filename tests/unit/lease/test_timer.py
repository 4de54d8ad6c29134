"""The timer against a plain list: what comes up, in which order, and when it says that something is next."""

from __future__ import annotations

import random

import pytest

from tandem.lease.binding import Binding
from tandem.lease.timer import Timer


@pytest.mark.parametrize("seed", range(8))
def test_bindings_come_up_in_the_order_of_their_times(seed: int) -> None:
    rng = random.Random(seed)
    bindings = {address: Binding(address) for address in range(1, 60)}
    timer, now = Timer(), 1000

    def schedule(binding: Binding) -> None:
        when = now + rng.choice((rng.randrange(-5, 5), rng.randrange(100), rng.randrange(5000)))
        if not binding.timed or when < binding.timed:
            binding.timed = max(when, 1)
            timer.add(binding.timed, binding.address)

    for _ in range(400):
        now += rng.choice((0, 1, 7, 63, 64, 300))
        for _ in range(rng.randrange(6)):
            schedule(bindings[rng.randrange(1, 60)])
        waiting = sorted((b.timed, b.address) for b in bindings.values() if b.timed)
        first = timer.next()
        assert first is None if not waiting else first is not None and first <= waiting[0][0]
        come = []
        for binding in timer.due(now, bindings):
            assert binding.timed == 0
            come.append(binding.address)
        assert come == [address for when, address in waiting if when <= now]
    now += 10_000
    rest = [b.address for b in timer.due(now, bindings)]
    assert not any(b.timed for b in bindings.values()) and len(rest) == len(set(rest))
    assert timer.next() is None and len(timer) == 0


def test_what_is_scheduled_while_others_come_up_comes_up_too() -> None:
    bindings = {address: Binding(address) for address in (1, 2)}
    timer = Timer()
    bindings[1].timed = 100
    timer.add(100, 1)
    come = []
    for binding in timer.due(500, bindings):
        come.append(binding.address)
        if len(come) == 1:
            bindings[2].timed = 400
            timer.add(400, 2)
    assert come == [1, 2]
