"""One story: a world made from a seed and a profile, its faults, its end, and what came of it.

Puts the parts together and owns the rules of honest operation: a server is not started while its partner serves
alone and cannot be reached (draft section 9.4), unless the scenario wants just that. Does not judge (``verdicts``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import process_time
from traceback import format_exc

from tandem.base.errors import CommandError
from tandem.base.ipv4 import format_ipv4
from tandem.failover.endpoint import Endpoint
from tandem.sim.clients import populate
from tandem.sim.disk import Disk
from tandem.sim.faults import KINDS, Fault, draw_faults
from tandem.sim.field import Field
from tandem.sim.ledger import Ledger
from tandem.sim.machine import Machine
from tandem.sim.profiles import PROFILES
from tandem.sim.settings import Settings, draw_extras, draw_settings
from tandem.sim.verdicts import WHOLE_S, Verdicts
from tandem.sim.wires import Wires
from tandem.sim.world import EPOCH, Violation, World
from tandem.wire.failover import ServerState as S

_WHOLE = (S.RECOVER_WAIT, S.RECOVER_DONE, S.NORMAL)
_LOOK_S = 20.0
"""How often the end of a story looks whether the pair has settled."""


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
    cpu_s: float = 0.0
    """Time of one processor core."""
    events: int = 0
    promises: int = 0
    happened: Counter[str] = field(default_factory=Counter)
    """What happened how often (``sim.happenings``)."""
    tolerated: int = 0
    digest: int = 0
    trace: list[tuple[float, str]] = field(default_factory=list)


class Story:
    """A world with everything in it."""

    def __init__(
        self, scenario: Scenario, tracing: bool = False, settings: Settings | None = None,
        faults: list[Fault] | None = None,
    ) -> None:  # fmt: skip
        """``settings`` and ``faults``: these, and not what the seed draws."""
        self.scenario = scenario
        self.profile = PROFILES[scenario.profile]
        self.world = world = World(scenario.seed, tracing)
        if settings is None:
            settings = draw_settings(
                world.chance("settings"), scenario.clients, self.profile.layout, self.profile.safe_period,
                self.profile.lease_s,
            )  # fmt: skip
            if self.profile.extras:
                settings = draw_extras(world.chance("extras"), settings)
        self.settings = settings
        self.ledger = Ledger(world, 0.0)
        self.verdicts = Verdicts(world, settings, self.ledger, self._entered, WHOLE_S * (1 + scenario.clients // 250))
        self.ambushes: list[Callable[[Machine, Endpoint], bool]] = []
        """What waits for a server to enter a state; taken off the list when it says that it has struck."""
        self.wires = Wires(world, world.chance("wires"))
        self.field = Field(world, settings, world.chance("field"))
        self.machines: list[Machine] = []
        self._mclt_s_max, self._lease_s_max = settings.mclt_s, settings.lease_s
        for index, address in enumerate(settings.servers):
            self._add_machine(("main", "backup", "third")[index], address)
        self.clients = populate(
            world, self.field, self.ledger, scenario.clients, settings.subnets, 3600, self.profile.habits,
            self.profile.cloned,
        )  # fmt: skip
        self.faults = faults if faults is not None else draw_faults(
            world.chance("faults"), self.profile.faults, scenario.hours * 3600, self.profile.every_s,
            len(self.machines),
        )  # fmt: skip
        self.recover_from: dict[int, int] = {}
        """failover-recover, as the operator has set it, by server."""
        self.copies: dict[int, list[tuple[float, Disk]]] = {}
        """Copies of databases that the operator has: (server's clock, content)."""
        self._set_clocks()
        self.calm = False
        """Whether faults have stopped."""

    def _add_machine(self, name: str, address: int) -> None:
        machine = Machine(
            self.world, name, address, self.wires, self.verdicts, self.field.reply,
            lambda: self.settings.config(address, self.recover_from.get(address, 0)),
        )  # fmt: skip
        self.machines.append(machine)
        self.field.machines[address] = self.verdicts.machines[address] = machine

    def _set_clocks(self) -> None:
        """Clocks differ from the start, and drift, where the profile says so."""
        if not self.profile.clocks:
            return
        chance = self.world.chance("clocks")
        for machine in self.machines:
            drift = chance.uniform(-1e-4, 1e-4)
            machine.set_clock(chance.choice([0.0, 3.0, -40.0, 500.0]) + chance.random(), 1 + drift)
        self.ledger.slack_s = 4 + 2e-4 * 3 * max(self.settings.lease_s, self.settings.mclt_s)

    # --- what faults may do -----------------------------------------------------------------------------

    def later(self, seconds: float, act: Callable[..., None], *args: object) -> None:
        """Do something in a while."""
        self.world.after(seconds, act, *args)

    def peer_of(self, machine: Machine, fault: Fault) -> int:
        """Return the address of a partner of ``machine``, chosen by the fault."""
        peers = self._partners_of(machine)
        return peers[int(fault.amount * 1000) % len(peers)]

    def change(self, settings: Settings) -> None:
        """The operator has changed the configuration."""
        for subnet in settings.subnets[len(self.settings.subnets) :]:
            self.field.add(subnet)
        self._mclt_s_max = max(self._mclt_s_max, settings.mclt_s)
        self._lease_s_max = max(self._lease_s_max, settings.lease_s)
        self.settings = self.verdicts.settings = settings
        self.verdicts.learn(settings)

    def forget(self, machine: Machine, why: str) -> None:
        """A server no longer knows all that it acknowledged."""
        self.verdicts.forgets(machine, why)

    def must_live(self, machine: Machine) -> bool:
        """Whether another server has lost its data and gets it from this one: the operator looks after it."""
        others = [self.field.machines[a] for a in self.verdicts.amnesia if a != machine.address]
        return any(other.node is None or any(e.state not in _WHOLE for e in other.endpoints) for other in others)

    def may_lose_data(self, machine: Machine) -> bool:
        """Whether a server's data may be lost now: the others live on, and can give it theirs. (Two that both have lost
        their data, and do not run, would wait for each other.)"""
        return not self.must_live(machine) and all(other.fuse is None for other in self.machines)

    def has_met(self, machine: Machine) -> bool:
        """Whether all partners of a server run and have been in NORMAL with it."""
        partners = [self.field.machines[endpoint.config.peer] for endpoint in machine.endpoints]
        return all(e.saved.met for e in machine.endpoints) and all(
            partner.node is not None and all(e.saved.met for e in partner.endpoints) for partner in partners
        )

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
        if machine.address in self.verdicts.amnesia and other.address in self._partners_of(machine):
            if other.node is None:  # at the end both start, also where both have lost their data
                return not (self.calm and other.address in self.verdicts.amnesia)
            return not self.wires.connected(machine.address, other.address)
        if other.node is None or self.wires.connected(machine.address, other.address):
            return False
        return _alone(other) or _alone(machine)

    def would_serve_twice(self) -> bool:
        """Whether a cut now would leave a server that serves alone and one that does not know it yet."""
        if self.verdicts.amnesia:
            return True
        starting = any(e.state == S.STARTUP for m in self.machines for e in m.endpoints)
        return starting and any(_alone(machine) for machine in self.machines)

    def _partners_of(self, machine: Machine) -> list[int]:
        pairs = [pair for pair in self.settings.pairs() if machine.address in pair]
        return [b if a == machine.address else a for a, b in pairs]

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

    def _recovered(self, machine: Machine) -> None:
        """The operator unsets failover-recover when the server is back in NORMAL."""
        if machine.address in self.recover_from and all(e.state == S.NORMAL for e in machine.endpoints):
            del self.recover_from[machine.address]
            machine.reload()

    def _look(self) -> None:
        for machine in self.machines:
            if machine.node is not None:
                self._recovered(machine)
        self.world.after(60, self._look)

    def _entered(self, machine: Machine, endpoint: Endpoint) -> None:
        """A server has entered a failover state."""
        if not self.calm:
            self.ambushes = [ambush for ambush in self.ambushes if not ambush(machine, endpoint)]

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
        world.after(60, self._look)
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
        self._settle("NORMAL", 2 * self._mclt_s_max + 400)
        for client in self.clients:
            client.freeze()
        self._settle("", 3600 + 400 + self._lease_s_max + self.settings.grace_s)
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
                self._recovered(machine)
            why = self.verdicts.unsettled()
            if only and " is in " not in why and "does not run" not in why:
                return


def _alone(machine: Machine) -> bool:
    """Whether a server serves alone, or will when it runs."""
    return any(values.get("state") == S.PARTNER_DOWN for values in machine.disk.states.values())


def tell(scenario: Scenario, tracing: bool = False) -> Outcome:
    """Tell a story from beginning to end and return what came of it. Never raises for what servers do."""
    return tell_story(Story(scenario, tracing))


def tell_story(story: Story) -> Outcome:
    """Tell a story that has been put together. Never raises for what servers do."""
    outcome = Outcome(story.scenario)
    began = process_time()
    try:
        story.tell()
    except Violation as violation:
        outcome.verdict, outcome.text, outcome.concerns = violation.verdict, str(violation), violation.concerns
    except Exception:  # noqa: BLE001  whatever a server raises is a verdict against it
        outcome.verdict, outcome.text = "exception", format_exc(limit=-12)
    outcome.cpu_s = process_time() - began
    world = story.world
    outcome.hours = (world.now - EPOCH) / 3600
    outcome.events = world.events
    outcome.promises = story.ledger.promises
    outcome.happened = +world.happened
    outcome.tolerated = len(story.ledger.doubles)
    outcome.digest = world.digest
    outcome.trace = world.trace or []
    return outcome
