"""One story: a world made from a seed and a profile, its faults, its end, and what came of it.

Puts the parts together and owns the rules of honest operation: a server is not started while its partner serves
alone and cannot be reached (draft section 9.4), unless the scenario wants just that. Does not judge (``verdicts``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from traceback import format_exc

from tandem.base.errors import CommandError
from tandem.base.ipv4 import format_ipv4
from tandem.sim.clients import populate
from tandem.sim.faults import KINDS, Fault, draw_faults
from tandem.sim.field import Field
from tandem.sim.ledger import Ledger
from tandem.sim.machine import Machine
from tandem.sim.profiles import PROFILES
from tandem.sim.settings import draw_settings
from tandem.sim.verdicts import Verdicts
from tandem.sim.wires import Wires
from tandem.sim.world import EPOCH, Violation, World
from tandem.wire.failover import ServerState as S

_LOOK_S = 20.0
"""How often the end of a story looks whether the pair has settled."""
_ALONE = (int(S.PARTNER_DOWN),)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What makes a story, and its replay."""

    seed: int
    profile: str = "mixed"
    hours: float = 4.0
    clients: int = 60
    only: tuple[int, ...] | None = None
    """Numbers of the faults that happen; None = all."""

    def command(self) -> str:
        """Return the command line that tells the story again."""
        only = "" if self.only is None else f" --only {','.join(map(str, self.only)) or 'none'}"
        return (
            f"tandem sim --seed {self.seed} --profile {self.profile} --hours {self.hours:g}"
            f" --clients {self.clients}{only} --trace"
        )


@dataclass(slots=True)
class Outcome:
    """What came of a story."""

    scenario: Scenario
    verdict: str = ""
    """Empty when all was well, else which verdict went against the servers."""
    text: str = ""
    concerns: tuple[str, ...] = ()
    hours: float = 0.0
    """Virtual time."""
    wall_s: float = 0.0
    events: int = 0
    promises: int = 0
    tolerated: int = 0
    digest: int = 0
    trace: list[tuple[float, str]] = field(default_factory=list)


class Story:
    """A world with everything in it."""

    def __init__(self, scenario: Scenario, tracing: bool = False) -> None:
        self.scenario = scenario
        self.profile = PROFILES[scenario.profile]
        self.world = world = World(scenario.seed, tracing)
        self.settings = settings = draw_settings(world.chance("settings"), scenario.clients)
        self.ledger = Ledger(world, 0.0)
        self.verdicts = Verdicts(world, settings, self.ledger)
        self.wires = Wires(world, world.chance("wires"))
        self.field = Field(world, settings, world.chance("field"))
        self.machines: list[Machine] = []
        for index, address in enumerate(settings.servers):
            self._add_machine(("main", "backup", "third")[index], address)
        self.clients = populate(
            world, self.field, self.ledger, scenario.clients, settings.subnets, settings.reservation_keys, 3600,
            self.profile.habits, self.profile.cloned,
        )  # fmt: skip
        self.faults = draw_faults(
            world.chance("faults"), self.profile.faults, scenario.hours * 3600, self.profile.every_s,
            len(self.machines),
        )  # fmt: skip
        self.calm = False
        """Whether faults have stopped."""

    def _add_machine(self, name: str, address: int) -> None:
        machine = Machine(
            self.world, name, address, self.wires, self.verdicts, self.field.reply,
            lambda: self.settings.config(address),
        )  # fmt: skip
        self.machines.append(machine)
        self.field.machines[address] = self.verdicts.machines[address] = machine

    # --- what faults may do -----------------------------------------------------------------------------

    def later(self, seconds: float, act: Callable[..., None], *args: object) -> None:
        """Do something in a while."""
        self.world.after(seconds, act, *args)

    def peer_of(self, machine: Machine, fault: Fault) -> int:
        """Return the address of a partner of ``machine``, chosen by the fault."""
        peers = [b if a == machine.address else a for a, b in self.settings.pairs() if machine.address in (a, b)]
        return peers[int(fault.amount * 1000) % len(peers)]

    def boot_later(self, machine: Machine, seconds: float) -> None:
        """Start a server in a while; later still when it must not run yet."""
        self.world.after(seconds, self._boot, machine, machine.boots)

    def boot_when_dead(self, machine: Machine, seconds: float) -> None:
        """Start a server so long after it has died (which it may not have yet)."""
        if machine.node is None:
            self.boot_later(machine, seconds)
        elif machine.fuse is not None or machine.stopping:
            self.world.after(1, self.boot_when_dead, machine, seconds)

    def _boot(self, machine: Machine, boots: int) -> None:
        if machine.node is not None or machine.boots != boots:
            return
        if any(self._must_wait(machine, other) for other in self.machines if other is not machine):
            self.world.after(5, self._boot, machine, boots)
        else:
            machine.boot()

    def _must_wait(self, machine: Machine, other: Machine) -> bool:
        """Whether one of the two serves alone (or would) and the other cannot be reached."""
        if other.node is None or self.wires.connected(machine.address, other.address):
            return False
        alone = any(e.state in _ALONE and e.config.peer == machine.address for e in other.endpoints)
        return alone or any(values.get("state") in _ALONE for values in machine.disk.states.values())

    def would_serve_twice(self) -> bool:
        """Whether a cut now would leave a server that serves alone and one that does not know it yet."""
        alone = any(e.state in _ALONE for m in self.machines for e in m.endpoints)
        starting = any(e.state == S.STARTUP for m in self.machines for e in m.endpoints)
        return alone and starting

    def set_partner_down(self, machine: Machine, partner: int, at: float | None, expert: bool) -> bool:
        """Do as the operator does; return whether the server agreed."""
        node = machine.node
        assert node is not None
        self.world.say(f"the operator tells {machine.name} that {format_ipv4(partner)} is down")
        try:
            machine.command(lambda now, out: node.set_partner_down(now, partner, at, expert, out))
        except CommandError as error:
            self.world.say(f"{machine.name} refuses: {error}")
            return False
        return True

    def _strike(self, fault: Fault) -> None:
        if not self.calm:
            self.world.say(f"fault {fault}")
            KINDS[fault.kind](self, fault, self.machines[fault.server])

    # --- the course -------------------------------------------------------------------------------------

    def tell(self) -> None:
        """Let it all happen. Raises Violation."""
        world, scenario = self.world, self.scenario
        for machine in self.machines:
            machine.boot()
        for fault in self.faults:
            if scenario.only is None or fault.number in scenario.only:
                world.at(EPOCH + fault.at_s, self._strike, fault)
        world.run(EPOCH + scenario.hours * 3600)
        self._end()

    def _end(self) -> None:
        """Faults stop: everything is mended, and within a bounded time the pair is as it should be."""
        world = self.world
        self.calm = True
        world.say("faults stop")
        for machine in self.machines:
            machine.fuse = None
            machine.set_sync(0.002)
        self.field.loss = self.field.doubles = 0.0
        self.field.delay_s = 0.005
        self.wires.mend()
        self.field.mend()
        for machine in self.machines:
            self._boot(machine, machine.boots)
        self._settle("NORMAL", self.settings.mclt_s + 400)
        for client in self.clients:
            client.freeze()
        self._settle("", 3600 + 400 + self.settings.lease_s + self.settings.grace_s)
        self.verdicts.check_whole()

    def _settle(self, only: str, within_s: float) -> None:
        end = self.world.now + within_s
        why = " "
        while why:
            if self.world.now >= end:
                raise Violation("liveness", f"{why} (after {within_s:.0f} s)", *(m.name for m in self.machines))
            self.world.run(self.world.now + _LOOK_S)
            for machine in self.machines:
                self._boot(machine, machine.boots)
            why = self.verdicts.unsettled()
            if only and " is in " not in why and "does not run" not in why:
                return


def tell(scenario: Scenario, tracing: bool = False) -> Outcome:
    """Tell a story from beginning to end and return what came of it. Never raises for what servers do."""
    story = Story(scenario, tracing)
    outcome = Outcome(scenario)
    began = perf_counter()
    try:
        story.tell()
    except Violation as violation:
        outcome.verdict, outcome.text, outcome.concerns = violation.verdict, str(violation), violation.concerns
    except Exception:  # noqa: BLE001  whatever a server raises is a verdict against it
        outcome.verdict, outcome.text = "exception", format_exc(limit=-12)
    outcome.wall_s = perf_counter() - began
    world = story.world
    outcome.hours = (world.now - EPOCH) / 3600
    outcome.events = world.events
    outcome.promises = story.ledger.promises
    outcome.tolerated = len(story.ledger.doubles)
    outcome.digest = world.digest
    outcome.trace = world.trace or []
    return outcome
