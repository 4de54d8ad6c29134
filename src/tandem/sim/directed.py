"""Directed stories: a scene brings a pair into the states that matter, and in one of them something happens.

They reach those rows of the decision tables to which chance comes rarely; each is a few minutes with a handful of
clients, judged by the verdicts as any other. The link is slow, so that a state that usually lasts for moments can be
struck. Does not know what is covered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tandem.failover.endpoint import Endpoint
from tandem.sim import faults
from tandem.sim.faults import Fault
from tandem.sim.machine import Machine
from tandem.sim.run import Outcome, Scenario, Story, tell_story
from tandem.sim.settings import BACKUP, LAN, MAIN, Settings, Subnet
from tandem.sim.world import EPOCH
from tandem.wire.failover import ServerState as S

SETTINGS = Settings((Subnet("net0", LAN, 12, MAIN, BACKUP),), mclt_s=120, lease_s=300)
_AT_S = 600.0
"""When a scene begins: leases have been given, the servers are in NORMAL."""
_HOURS = 0.5
_DELAY_S = 1.0


def _fault(kind: str, server: int, at_s: float, lasts_s: float, amount: float = 0.0) -> Fault:
    return Fault(0, kind, at_s, lasts_s, server, amount)


def _conflict(story: Story, *liars: int) -> None:
    """The link is cut for five minutes, and the operator sets partners down that serve."""
    story.later(_AT_S, faults.cut, story, _fault("cut", 0, _AT_S, 300), story.machines[0])
    for liar in liars:
        peer = story.machines[1 - liar].address
        story.later(_AT_S + 150 + liar, faults.say_so, story, story.machines[liar], peer, False)


def _lost(story: Story, server: int) -> None:
    story.later(_AT_S, faults.lose_database, story, _fault("lose", server, _AT_S, 20), story.machines[server])


def _taken_over(story: Story, server: int) -> None:
    """A server dies, and its partner is told so."""
    machine = story.machines[server]
    story.later(_AT_S, faults.power, story, _fault("power", server, _AT_S, 200), machine)
    story.later(_AT_S + 100, faults.partner_is_down, story, machine, None)


SCENES: dict[str, Callable[[Story], None]] = {
    "start": lambda story: None,
    "cut": lambda story: _conflict(story),
    "main-lies": lambda story: _conflict(story, 0),
    "backup-lies": lambda story: _conflict(story, 1),
    "both-lie": lambda story: _conflict(story, 0, 1),
    "main-lost": lambda story: _lost(story, 0),
    "backup-lost": lambda story: _lost(story, 1),
    "main-taken-over": lambda story: _taken_over(story, 0),
    "backup-taken-over": lambda story: _taken_over(story, 1),
}


def _lie(story: Story, fault: Fault, machine: Machine) -> None:
    peer = story.machines[1 - fault.server].address
    faults.say_so(story, machine, peer, False)


ACTS: dict[str, Callable[[Story, Fault, Machine], None]] = {
    "reset": faults.reset, "cut": faults.cut, "kill": faults.kill, "stop": faults.stop, "shut-down": faults.shut_down,
    "lie": _lie, "lose": faults.lose_database,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Strike:
    """When a server enters a state in a scene for the first time, after a while something happens to one."""

    entered: S
    by: int
    act: str
    to: int
    after_s: float = 0.5
    lasts_s: float = 20.0


STORIES: tuple[tuple[str, *tuple[Strike, ...]], ...] = (
    ("main-lies", Strike(S.POTENTIAL_CONFLICT, 1, "reset", 0, 0.3), Strike(S.CONFLICT_DONE, 0, "stop", 1, 0.05)),
    ("main-lost", Strike(S.COMMUNICATIONS_INTERRUPTED, 1, "lose", 1, 0.3)),
    ("both-lie", Strike(S.POTENTIAL_CONFLICT, 0, "reset", 0, 0.3),
     Strike(S.RESOLUTION_INTERRUPTED, 0, "shut-down", 1, 4.0)),
    ("main-lost", Strike(S.NORMAL, 0, "stop", 0, 0.3)),
    ("main-taken-over", Strike(S.RECOVER, 0, "shut-down", 1, 0.3)),
    ("main-lies", Strike(S.CONFLICT_DONE, 0, "reset", 0, 0.3), Strike(S.RESOLUTION_INTERRUPTED, 1, "lie", 1, 0.05)),
    ("main-lies", Strike(S.POTENTIAL_CONFLICT, 0, "stop", 1, 0.3)),
    ("main-taken-over", Strike(S.NORMAL, 1, "lose", 1, 0.3)),
    ("cut", Strike(S.NORMAL, 0, "shut-down", 1, 0.3)),
    ("main-lies", Strike(S.POTENTIAL_CONFLICT, 0, "lose", 1, 0.3)),
    ("start", Strike(S.STARTUP, 0, "shut-down", 1, 0.05)),
    ("both-lie", Strike(S.POTENTIAL_CONFLICT, 0, "reset", 0, 0.3), Strike(S.CONFLICT_DONE, 0, "shut-down", 1, 1.1)),
    ("main-lies", Strike(S.NORMAL, 1, "reset", 0, 0.3)),
    ("main-lies", Strike(S.NORMAL, 1, "lose", 1, 0.3)),
    ("main-lost", Strike(S.COMMUNICATIONS_INTERRUPTED, 1, "shut-down", 0, 0.3)),
    ("main-taken-over", Strike(S.RECOVER, 0, "lose", 1, 0.3)),
    ("both-lie", Strike(S.CONFLICT_DONE, 0, "reset", 0, 0.3), Strike(S.CONFLICT_DONE, 0, "shut-down", 1, 0.05)),
    ("start", Strike(S.NORMAL, 0, "lie", 0, 0.3)),
    ("cut", Strike(S.NORMAL, 0, "lie", 1, 0.3)),
    ("main-lies", Strike(S.NORMAL, 1, "lie", 0, 0.3)),
    ("main-lies", Strike(S.COMMUNICATIONS_INTERRUPTED, 0, "lie", 0, 0.3)),
    ("main-lies", Strike(S.POTENTIAL_CONFLICT, 0, "lie", 0, 0.3)),
    ("both-lie", Strike(S.PARTNER_DOWN, 0, "shut-down", 1, 0.3)),
    ("both-lie", Strike(S.PARTNER_DOWN, 1, "kill", 1, 0.3)),
    ("main-lost", Strike(S.COMMUNICATIONS_INTERRUPTED, 1, "stop", 1, 0.3)),
    ("main-lost", Strike(S.COMMUNICATIONS_INTERRUPTED, 1, "shut-down", 1, 0.3)),
    ("main-lost", Strike(S.COMMUNICATIONS_INTERRUPTED, 1, "lie", 0, 0.3)),
    ("main-taken-over", Strike(S.NORMAL, 1, "lie", 0, 0.3)),
    ("main-taken-over", Strike(S.RECOVER, 0, "stop", 0, 0.3)),
    ("main-taken-over", Strike(S.RECOVER, 0, "lie", 0, 0.3)),
    ("main-taken-over", Strike(S.RECOVER, 0, "stop", 1, 4.0)),
    ("main-lies", Strike(S.CONFLICT_DONE, 0, "stop", 1, 1.5)),
    ("main-lies", Strike(S.POTENTIAL_CONFLICT, 0, "stop", 1, 1.8)),
    ("both-lie", Strike(S.CONFLICT_DONE, 0, "shut-down", 1, 2.6)),
    ("start", Strike(S.STARTUP, 0, "lie", 0, 0.5)),
    ("main-taken-over", Strike(S.STARTUP, 0, "shut-down", 1, 0.05)),
    ("both-lie", Strike(S.POTENTIAL_CONFLICT, 0, "reset", 0, 0.3),
     Strike(S.RESOLUTION_INTERRUPTED, 0, "shut-down", 1, 1.1)),
    ("main-taken-over", Strike(S.RECOVER_DONE, 0, "stop", 1, 0.0)),
    ("cut", Strike(S.NORMAL, 0, "shut-down", 0, 0.3), Strike(S.SHUTDOWN, 0, "shut-down", 1, 0.05)),
    ("cut", Strike(S.NORMAL, 0, "shut-down", 0, 0.3), Strike(S.SHUTDOWN, 0, "stop", 1, 1.6)),
    ("main-taken-over", Strike(S.RECOVER, 0, "stop", 1, 1.6)),
    ("both-lie", Strike(S.CONFLICT_DONE, 0, "reset", 0, 0.3), Strike(S.RESOLUTION_INTERRUPTED, 1, "lie", 1, 0.05)),
    ("backup-lost", Strike(S.STARTUP, 1, "shut-down", 1, 0.05)),
    ("start", Strike(S.STARTUP, 0, "kill", 0, 0.05)),
    ("main-lies", Strike(S.POTENTIAL_CONFLICT, 0, "kill", 0, 0.1)),
    ("main-lies", Strike(S.CONFLICT_DONE, 0, "kill", 0, 0.05)),
    ("both-lie", Strike(S.POTENTIAL_CONFLICT, 0, "reset", 0, 0.3),
     Strike(S.RESOLUTION_INTERRUPTED, 0, "kill", 0, 0.05)),
    ("main-taken-over", Strike(S.RECOVER, 0, "kill", 0, 0.1)),
    ("main-taken-over", Strike(S.RECOVER_DONE, 0, "kill", 0, 0.0)),
    ("main-lost", Strike(S.RECOVER_WAIT, 0, "kill", 0, 20.0)),
    ("cut", Strike(S.NORMAL, 0, "shut-down", 0, 0.3), Strike(S.SHUTDOWN, 0, "kill", 0, 0.05)),
)  # fmt: skip
"""Scenes and strikes that together come to (nearly) all rows of the failover state table that can be reached; the last
ones went against the servers once, or let a server die in a state."""


def direct(scene: str, *strikes: Strike, tracing: bool = False) -> Outcome:
    """Tell a scene with its strikes."""
    story = Story(Scenario(1, "ambush", _HOURS, 6), tracing, SETTINGS, [])
    SCENES[scene](story)
    story.later(_AT_S - 1, _slow, story)
    for strike in strikes:
        _lay(story, strike, scene)
    return tell_story(story)


def _slow(story: Story) -> None:
    for source, target in ((MAIN, BACKUP), (BACKUP, MAIN)):
        story.wires.path_between(source, target).delay_s = _DELAY_S


def _lay(story: Story, strike: Strike, scene: str) -> None:
    def waits(struck: Machine, endpoint: Endpoint) -> bool:
        early = scene != "start" and story.world.now < EPOCH + _AT_S
        if early or endpoint.state != strike.entered or struck is not story.machines[strike.by]:
            return False
        fault = _fault(strike.act, strike.to, 0.0, strike.lasts_s)
        story.later(strike.after_s, ACTS[strike.act], story, fault, story.machines[strike.to])
        return True

    story.ambushes.append(waits)
