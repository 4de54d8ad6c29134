"""What goes wrong, when, for how long: drawn from the seed as a list, so that any of it can be left out.

A fault is data: a kind, a time, a length, a server (or pair), a number. Each undoes itself at its end. Kinds are
functions that take a ``Stage`` (what they may touch).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from tandem.sim.machine import Machine

if TYPE_CHECKING:
    from tandem.sim.run import Story


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong."""

    number: int
    kind: str
    at_s: float
    """When, in seconds since the start."""
    lasts_s: float
    server: int
    """Index of the server that it strikes."""
    amount: float
    """0 to 1; what it means depends on the kind."""

    def __str__(self) -> str:
        hours, rest = divmod(int(self.at_s), 3600)
        return (
            f"#{self.number} {self.kind} at {hours}:{rest // 60:02}:{rest % 60:02} for {self.lasts_s:.0f} s,"
            f" server {self.server}, {self.amount:.2f}"
        )


Kind = Callable[["Story", Fault, Machine], None]


def draw_faults(random: Random, weights: dict[str, int], seconds: float, every_s: float, servers: int) -> list[Fault]:
    """Return random faults, one in ``every_s`` on average, that start within ``seconds``."""
    names, chances = list(weights), list(weights.values())
    faults: list[Fault] = []
    when = 0.0
    while (when := when + random.expovariate(1 / every_s)) < seconds:
        kind = random.choices(names, chances)[0]
        lasts = 10 ** random.uniform(0, 3.6)
        faults.append(Fault(len(faults), kind, when, lasts, random.randrange(servers), random.random()))
    return faults


# --- servers --------------------------------------------------------------------------------------------


def _down(story: Story, fault: Fault, machine: Machine, act: Callable[[], None]) -> None:
    if machine.node is not None:
        act()
        story.boot_later(machine, fault.lasts_s)


def kill(story: Story, fault: Fault, machine: Machine) -> None:
    """The process is killed; its kernel ends its connections."""
    _down(story, fault, machine, machine.crash)


def power(story: Story, fault: Fault, machine: Machine) -> None:
    """The machine loses power; its partner hears nothing."""
    _down(story, fault, machine, lambda: machine.crash(silently=True))


def fuse(story: Story, fault: Fault, machine: Machine) -> None:
    """The process will die between two effects, soon."""
    if machine.node is not None and machine.fuse is None:
        machine.fuse = int(fault.amount * 60)
        story.boot_when_dead(machine, fault.lasts_s)


def stop(story: Story, fault: Fault, machine: Machine) -> None:
    """The operator stops the server, and starts it again."""
    if machine.node is not None and not machine.stopping:
        machine.stop()
        story.boot_when_dead(machine, fault.lasts_s)


def slow_disk(story: Story, fault: Fault, machine: Machine) -> None:
    """Each sync takes long."""
    before = machine.sync_s
    machine.set_sync(0.01 + fault.amount * 3)
    story.later(fault.lasts_s, lambda: machine.set_sync(before))


# --- network --------------------------------------------------------------------------------------------


def _cut(story: Story, fault: Fault, ways: list[tuple[int, int]]) -> None:
    if story.would_serve_twice():
        story.later(5, _cut, story, fault, ways)
        return
    for source, target in ways:
        story.wires.cut(source, target, 1)
        story.later(fault.lasts_s, story.wires.cut, source, target, -1)


def cut(story: Story, fault: Fault, machine: Machine) -> None:
    """Nothing passes between two servers."""
    peer = story.peer_of(machine, fault)
    _cut(story, fault, [(machine.address, peer), (peer, machine.address)])


def cut_one_way(story: Story, fault: Fault, machine: Machine) -> None:
    """Nothing passes from this server to its partner."""
    _cut(story, fault, [(machine.address, story.peer_of(machine, fault))])


def reset(story: Story, fault: Fault, machine: Machine) -> None:
    """The servers' connections are reset."""
    story.wires.reset(machine.address, story.peer_of(machine, fault))


def slow_link(story: Story, fault: Fault, machine: Machine) -> None:
    """The servers' link is slow and narrow, in one direction."""
    path = story.wires.path_between(machine.address, story.peer_of(machine, fault))
    before = path.delay_s, path.bytes_per_s
    path.delay_s, path.bytes_per_s = 0.01 + 2 * fault.amount, 500 * 10 ** (3 * fault.amount)

    def mend() -> None:
        path.delay_s, path.bytes_per_s = before

    story.later(fault.lasts_s, mend)


def client_cut(story: Story, fault: Fault, machine: Machine) -> None:
    """A subnet and this server cannot reach each other."""
    nets = list(story.field.subnets)
    net = nets[int(fault.amount * len(nets))]
    story.field.cut(net, machine.address, 1)
    story.later(fault.lasts_s, story.field.cut, net, machine.address, -1)


def bad_weather(story: Story, fault: Fault, machine: Machine) -> None:
    """The clients' networks lose, double and delay packets."""
    field = story.field
    before = field.loss, field.doubles, field.delay_s
    field.loss, field.doubles, field.delay_s = 0.4 * fault.amount, 0.2 * fault.amount, 0.01 + fault.amount

    def mend() -> None:
        field.loss, field.doubles, field.delay_s = before

    story.later(fault.lasts_s, mend)


# --- the operator, rightly ------------------------------------------------------------------------------


def die_and_take_over(story: Story, fault: Fault, machine: Machine) -> None:
    """The machine dies for long, and after a while the operator says so to its partners."""
    if machine.node is None:
        return
    died_at = story.world.now
    machine.crash(silently=fault.amount < 0.5)
    dated = fault.amount * 10 % 1 < 0.4
    wait_s = 30 + 600 * (fault.amount * 100 % 1)
    story.later(wait_s, partner_is_down, story, machine, died_at if dated else None)
    story.boot_later(machine, wait_s + fault.lasts_s * 2)


def partner_is_down(story: Story, dead: Machine, since: float | None) -> None:
    """The operator tells the partners of a dead server that it is down; true as long as it does not run."""
    for machine in story.machines:
        if dead.node is None and machine.node is not None and machine is not dead and not machine.stopping:
            if all(e.config.peer != dead.address for e in machine.endpoints):
                continue
            at = None if since is None else machine.clock - (story.world.now - since) + 1
            story.set_partner_down(machine, dead.address, at, expert=False)


KINDS: dict[str, Kind] = {
    "kill": kill, "power": power, "fuse": fuse, "stop": stop, "slow-disk": slow_disk, "cut": cut,
    "cut-one-way": cut_one_way, "reset": reset, "slow-link": slow_link, "client-cut": client_cut,
    "bad-weather": bad_weather, "take-over": die_and_take_over,
}  # fmt: skip
