"""A rehearsal: an operator's own configuration, its clients, and what happens to its servers on one day.

The day begins so long before the first mishap that the clients have their leases and the servers their shares; it ends
when the pair is whole again, or a while after the last mishap. The verdicts judge as in every story. Does not know how
the outcome is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Protocol

from tandem.base.errors import CommandError
from tandem.base.io import Effect
from tandem.base.ipv4 import format_hardware, format_ipv4
from tandem.config.compiled import ServerConfig
from tandem.failover.endpoint import Endpoint
from tandem.failover.states import state_name
from tandem.lease.binding import ACTIVE
from tandem.lease.book import Book
from tandem.lease.pool import Pool
from tandem.lease.powers import ANSWER_ALL
from tandem.node.explain import Told, explain
from tandem.node.node import Node
from tandem.sim.clients import BOUND, Habits
from tandem.sim.disk import Disk
from tandem.sim.field import Field
from tandem.sim.guests import RELEASES, Guest, Watch
from tandem.sim.ledger import Ledger
from tandem.sim.machine import Machine
from tandem.sim.mishap import Mishap
from tandem.sim.settings import Subnet
from tandem.sim.site import Site
from tandem.sim.verdicts import Verdicts
from tandem.sim.wires import Wires
from tandem.sim.world import EPOCH, Violation, World
from tandem.wire.failover import ServerState as S

LEASED_PCT = 70.0
_BEFORE_S = 3600
"""So long the day is watched before the first mishap."""
_ARRIVE_S = 1800
"""Within this the clients of the beginning come."""
_LONGEST_S = 4 * 86400
"""The longest time before that which is lived through."""
_LEASE_S_MAX = 30 * 86400
_LEFT_BEHIND = (1 - RELEASES) * 0.75
"""For which part of a lease, on average, an address stays leased to a client that has gone."""
_SAMPLE_S = 60.0
_TOP_UP_S = 300.0
_AT_LAST_S = 15.0
"""So long before the first mishap as many come, or go, as are missing or too many."""
_ENOUGH = 0.9
"""Before that no more come where so much of the leases is held: what is a bit low by chance is high by chance later."""
_HOST = Habits("host", stay_s=1e9, returns=False)
"""A client that has a reservation is there all day."""
_CHECK_S = 120.0
"""How often the verdicts look at everything (of up to 250 clients)."""


class RehearsalError(ValueError):
    """A rehearsal that makes no sense; says what to write."""


@dataclass(frozen=True, slots=True)
class Load:
    """The clients of one LAN segment."""

    leased: int
    """How many leases there are when the first mishap begins, about."""
    arrivals_per_h: float
    stay_s: float


@dataclass(slots=True)
class Share:
    """What a server could give of a scope, over the time from the first mishap on."""

    server: int
    scope: str
    at_first: int
    """Addresses that it could give when the first mishap began."""
    least: int
    empty_since: float | None = None
    """When it had nothing to give for the first time (true time), None = never."""
    empty_s: float = 0.0


@dataclass
class Outcome:
    """What came of a rehearsal. Times are true times; ``Clock`` tells the time of day."""

    site: Site
    mishaps: Sequence[Mishap]
    loads: Mapping[str, Load]
    seed: int
    first: float = 0.0
    """When the first mishap began."""
    last: float = 0.0
    """When the last was over."""
    began: float = 0.0
    """From when on the day is watched."""
    ended: float = 0.0
    leased: dict[str, tuple[int, int]] = field(default_factory=dict)
    """For each scope its addresses, and how many were leased when the first mishap began."""
    shares: dict[tuple[str, int], Share] = field(default_factory=dict)
    states: list[tuple[float, str, str, str]] = field(default_factory=list)
    """When which server entered which failover state with which partner."""
    refused_orders: list[tuple[float, str]] = field(default_factory=list)
    """What the operator ordered and a server refused, and why."""
    whole_at: float | None = None
    """From when on all servers were in NORMAL again."""
    verdict: str = ""
    """What went against the servers, or empty."""
    tolerated: list[tuple[float, int, str]] = field(default_factory=list)
    """(when, address, why) of two holders that the draft allows for."""
    trace: list[tuple[float, str]] = field(default_factory=list)

    def day_s(self, when: float) -> float:
        """Return the second of the day, counted on beyond midnight."""
        return when - self.first + self.mishaps[0].at_s


class Asked(Protocol):
    """What the operator says about load, by segment."""

    def leased_pct(self, scopes: Sequence[str]) -> float:
        """Return which part of the addresses is leased, in per cent."""
        ...

    def arrivals(self, scopes: Sequence[str]) -> float | None:
        """Return how many new clients come in an hour; None = as the lease time suggests."""
        ...


def loads_of(site: Site, asked: Asked) -> dict[str, Load]:
    """Return the load of each segment: what was asked for, and the rest so that as many clients go as come."""
    loads = {}
    for subnet in site.subnets:
        scopes = site.scopes_of(subnet)
        names = [scope.name for scope in scopes]
        lease_s = min(max((scope.policy.lease_s for scope in scopes), default=0), _LEASE_S_MAX)
        leased = round(subnet.addresses * asked.leased_pct(names) / 100)
        per_h = asked.arrivals(names)
        if per_h is None:
            stay_s: float = lease_s
            per_h = leased / (stay_s + _LEFT_BEHIND * lease_s) * 3600
        else:
            stay_s = max(leased / per_h * 3600 - _LEFT_BEHIND * lease_s, 300) if per_h else 1e9
        loads[subnet.name] = Load(leased, per_h, stay_s)
    return loads


class Rehearsal:
    """A day in the life of a site."""

    def __init__(
        self, site: Site, mishaps: Sequence[Mishap], loads: Mapping[str, Load], seed: int, tracing: bool = False
    ) -> None:
        """Raises RehearsalError when a mishap names a server that is none of the site's."""
        self.site, self.loads = site, loads
        self.mishaps = sorted(mishaps, key=lambda m: m.at_s)
        self.world = world = World(seed, tracing)
        before_s = self._warm_up_s() + _BEFORE_S
        self.outcome = Outcome(site, self.mishaps, loads, seed)
        self.outcome.first = EPOCH + before_s
        self.outcome.began = EPOCH + before_s - _BEFORE_S
        self.outcome.last = max(self._when(m.end_s) for m in self.mishaps)
        self.ledger = Ledger(world, 0.0)
        clients = sum(load.leased for load in loads.values())
        self.verdicts = Verdicts(world, site, self.ledger, self._entered, _CHECK_S * (1 + clients // 250))
        self.wires = Wires(world, world.chance("wires"))
        self.field = Field(world, site, world.chance("field"))
        self.machines: dict[int, Machine] = {}
        for address, config in site.configs.items():
            self._add_machine(address, config)
        self.struck = [(mishap, self._servers(mishap)) for mishap in self.mishaps]
        self.watch = Watch(self._explain, site.name_of)
        self._guests = 0
        self._strangers: dict[int, list[Guest]] = {}
        """Who has no reservation, by segment."""
        for subnet in site.subnets:
            self._populate(subnet, loads[subnet.name])
        self._told = {scope.name for subnet in site.subnets for scope in site.scopes_of(subnet)}
        """The scopes that have clients here."""
        self._down: dict[int, float] = {}

    def _warm_up_s(self) -> float:
        """Return how long it takes until all have a lease of full length and leases come and go evenly."""
        lease_s = max((s.policy.lease_s for n in self.site.subnets for s in self.site.scopes_of(n)), default=0)
        first_s = min(lease_s, self.site.mclt_s)
        return min(_ARRIVE_S + first_s / 2 + min(lease_s, 7200), _LONGEST_S)

    def _when(self, day_s: float) -> float:
        return self.outcome.first + day_s - self.mishaps[0].at_s

    def _add_machine(self, address: int, config: ServerConfig) -> None:
        name = self.site.name_of(address)
        machine = Machine(
            self.world, name, address, self.wires, self.verdicts, self.field.reply, lambda: config
        )  # fmt: skip
        self.machines[address] = self.field.machines[address] = self.verdicts.machines[address] = machine

    def _servers(self, mishap: Mishap) -> list[Machine]:
        """Return whom a mishap strikes; for the link, all."""
        if not mishap.server:
            return list(self.machines.values())
        for address, machine in self.machines.items():
            if mishap.server in (machine.name, format_ipv4(address)):
                return [machine]
        known = ", ".join(
            dict.fromkeys(name for a, m in self.machines.items() for name in (m.name, format_ipv4(a)))
        )  # fmt: skip
        raise RehearsalError(f"{mishap.text!r}: there is no server {mishap.server}; write one of: {known}")

    # --- clients ----------------------------------------------------------------------------------------

    def _populate(self, subnet: Subnet, load: Load) -> None:
        """Those who are there, those who have gone and left a lease behind, and those who come."""
        chance = self.world.chance(f"load {subnet.name}")
        there = round(load.arrivals_per_h / 3600 * load.stay_s) if load.arrivals_per_h else load.leased
        lease_s = min(max(s.policy.lease_s for s in self.site.scopes_of(subnet)), _LEASE_S_MAX)
        staying = Habits("client", stay_s=load.stay_s, releases=RELEASES, returns=False)
        leaving = Habits("client", stay_s=max(lease_s / 2 * 0.75, 60), releases=1.0, returns=False)
        hosts = [self._guest(subnet, _HOST, key) for key in self.site.reserved(subnet)]
        strangers = [self._guest(subnet, staying if i < there else leaving) for i in range(load.leased)]
        for guest in [*hosts, *strangers]:
            self.world.after(chance.uniform(0, _ARRIVE_S), guest.arrive)
        self.world.after(_ARRIVE_S, self._top_up, subnet, load, staying)
        self.world.at(self.outcome.first - _AT_LAST_S, self._adjust, subnet, load, staying, chance)
        if load.arrivals_per_h:
            self._next_arrival(subnet, staying, load.arrivals_per_h / 3600, chance.expovariate)

    def _top_up(self, subnet: Subnet, load: Load, habits: Habits) -> None:
        """Until the first mishap: more come where fewer leases are held than should be."""
        if self.world.now < self.outcome.first - _AT_LAST_S:
            for _ in range(int(load.leased * _ENOUGH) - self._leased(subnet)):
                self._guest(subnet, habits).arrive()
            self.world.after(_TOP_UP_S, self._top_up, subnet, load, habits)

    def _leased(self, subnet: Subnet) -> int:
        """Return how many addresses of a segment are leased to strangers."""
        node = self.machines[subnet.main].node
        assert node is not None, "no mishap has begun"
        names = {scope.name for scope in self.site.scopes_of(subnet)}
        return sum(_leases(node.book, pool) for pool in node.book.pools if pool.scope.name in names)

    def _adjust(self, subnet: Subnet, load: Load, habits: Habits, chance: Random) -> None:
        """Just before the first mishap: as many are leased as was asked for."""
        missing = load.leased - self._leased(subnet)
        for _ in range(missing):
            self._guest(subnet, habits).arrive()
        bound = [guest for guest in self._strangers[subnet.net] if guest.state == BOUND]
        for guest in chance.sample(bound, min(max(-missing, 0), len(bound))):
            guest.go()

    def _next_arrival(self, subnet: Subnet, habits: Habits, per_s: float, draw: Callable[[float], float]) -> None:
        self.world.after(draw(per_s), self._arrival, subnet, habits, per_s, draw)

    def _arrival(self, subnet: Subnet, habits: Habits, per_s: float, draw: Callable[[float], float]) -> None:
        self._guest(subnet, habits).arrive()
        self._next_arrival(subnet, habits, per_s, draw)

    def _guest(self, subnet: Subnet, habits: Habits, key: bytes = b"") -> Guest:
        self._guests += 1
        guest = Guest(
            self.world, self.field, self.ledger, self._guests, subnet, habits, self.watch, self.site.lease_s,
            self.outcome.first, key,
        )  # fmt: skip
        if not key:
            self._strangers.setdefault(subnet.net, []).append(guest)
        return guest

    def _explain(self, guest: Guest) -> dict[str, str]:
        """Say for each server of a client's segment why it does not serve it now."""
        why = {}
        for address in (guest.subnet.main, guest.subnet.backup):
            machine = self.machines[address]
            if machine.node is None or machine.stopping:
                why[machine.name] = "does not run"
            elif not self.field.reaches(guest.subnet.net, address):
                why[machine.name] = "is not reached by its clients"
            else:
                told = Told("discover", guest.hardware, guest.client_id, giaddr=guest.subnet.relay, local=address)
                said = str(explain(machine.node, machine.clock, told)["why"])
                why[machine.name] = said.replace(format_hardware(guest.hardware), "it")
        return why

    # --- what happens -----------------------------------------------------------------------------------

    def _entered(self, machine: Machine, endpoint: Endpoint) -> None:
        partner = self.site.name_of(endpoint.config.peer)
        state = state_name(endpoint.state)
        self.outcome.states.append((self.world.now, machine.name, partner, state))
        whole = all(
            m.node is not None and all(e.state == S.NORMAL for e in m.endpoints) for m in self.machines.values()
        )
        self.outcome.whole_at = (self.outcome.whole_at or self.world.now) if whole else None

    def _strike(self, mishap: Mishap, servers: list[Machine]) -> None:
        self.world.say(f"fault: {mishap.text}")
        machine = servers[0]
        if mishap.verb == "link is cut":
            for main, backup in self.site.pairs():
                self._cut(main, backup, mishap.lasts_s)
        elif mishap.verb == "loses its clients":
            for subnet in self.site.subnets:
                self.field.cut(subnet.net, machine.address, 1)
                self.world.after(mishap.lasts_s, self.field.cut, subnet.net, machine.address, -1)
        elif mishap.verb == "is set down":
            self._set_down(machine)
        elif machine.node is not None:
            self._end(mishap.verb, machine)
            self._down[machine.address] = max(self._down.get(machine.address, 0.0), self.world.now + mishap.lasts_s)
            self.world.after(mishap.lasts_s, self._boot, machine)

    def _end(self, verb: str, machine: Machine) -> None:
        if verb == "stops":
            machine.stop()
        elif verb == "shuts down":
            assert machine.node is not None
            machine.command(machine.node.shut_down)
            self.world.after(20, machine.stop)
        else:
            machine.crash(silently=True)
        if verb == "loses its database":
            machine.disk = Disk()
            self.verdicts.forgets(machine, "its database was lost")

    def _cut(self, main: int, backup: int, seconds: float) -> None:
        for source, target in ((main, backup), (backup, main)):
            self.wires.cut(source, target, 1)
            self.world.after(seconds, self.wires.cut, source, target, -1)

    def _boot(self, machine: Machine) -> None:
        """The server is started, when it has ended and no other mishap keeps it down."""
        if self.world.now < self._down.get(machine.address, 0.0) - 1e-6:
            return
        if machine.node is not None:
            if machine.stopping:
                self.world.after(1, self._boot, machine)
            return
        for other in self._partners(machine):
            states = [values.get("state") for values in (*other.disk.states.values(), *machine.disk.states.values())]
            if S.PARTNER_DOWN in states and not self.wires.connected(machine.address, other.address):
                self.ledger.excuse("a server was started that could not reach its partner in PARTNER-DOWN")
        machine.boot()

    def _partners(self, machine: Machine) -> list[Machine]:
        others = [b if a == machine.address else a for a, b in self.site.pairs() if machine.address in (a, b)]
        return [self.machines[address] for address in dict.fromkeys(others)]

    def _set_down(self, dead: Machine) -> None:
        """The operator says to its partners that a server is down."""
        for machine in self._partners(dead):
            node = machine.node
            if node is None:
                self.outcome.refused_orders.append((self.world.now, f"{machine.name} does not run"))
                continue
            self.world.say(f"the operator tells {machine.name} that {dead.name} is down")
            try:
                machine.command(partial(_set_down, node, dead.address))
            except CommandError as error:
                self.outcome.refused_orders.append((self.world.now, f"{machine.name} refuses: {error}"))
                continue
            if dead.node is not None:
                self.ledger.excuse(f"{dead.name} was set down while it ran")

    # --- the course -------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Let the day pass. Never raises for what servers do."""
        world, outcome = self.world, self.outcome
        for mishap, servers in self.struck:
            world.at(self._when(mishap.at_s), self._strike, mishap, servers)
        world.at(outcome.first - 0.001, self._take_stock)
        world.at(outcome.first, self._sample)
        for machine in self.machines.values():
            machine.boot()
        try:
            world.run(outcome.last)
            until = outcome.last + 2 * self.site.mclt_s + 7200
            while world.now < until:
                world.run(min(world.now + 600, until))
                if outcome.whole_at is not None and world.now >= max(outcome.whole_at, outcome.last) + _ARRIVE_S:
                    break
            self.verdicts.check_whole()
        except Violation as violation:
            outcome.verdict = str(violation)
        outcome.ended = world.now
        outcome.tolerated = [(d.since, d.address, d.why) for d in self.ledger.doubles]
        outcome.trace = world.trace or []
        return outcome

    def _take_stock(self) -> None:
        """See what is leased just before the first mishap."""
        for machine in self.machines.values():
            if machine.node is not None:
                for pool in machine.node.book.pools:
                    if pool.scope.name in self._told:
                        leased = _leases(machine.node.book, pool)
                        self.outcome.leased.setdefault(pool.scope.name, (pool.scope.ranges.size, leased))

    def _sample(self) -> None:
        """See what each server can still give."""
        for machine in self.machines.values():
            for endpoint in machine.endpoints:
                for pool in endpoint.pools():
                    if pool.scope.name in self._told and pool.scope.ranges.size and not pool.scope.deactivated:
                        self._sample_share(machine, endpoint, pool)
        self.world.after(_SAMPLE_S, self._sample)

    def _sample_share(self, machine: Machine, endpoint: Endpoint, pool: Pool) -> None:
        """A share counts as empty where its server answers all clients and has nothing to give to a new one."""
        powers, name = endpoint.powers, pool.scope.name
        mine, theirs = pool.side(powers.own), pool.side(powers.theirs)
        usable = mine.size + (theirs.size if powers.other_from_in(pool.scope) <= machine.clock else 0)
        share = self.outcome.shares.setdefault((name, machine.address), Share(machine.address, name, usable, usable))
        share.least = min(share.least, usable)
        if usable == 0 and powers.answer == ANSWER_ALL:
            share.empty_since = share.empty_since or self.world.now
            share.empty_s += _SAMPLE_S


def _leases(book: Book, pool: Pool) -> int:
    """Return how many addresses of a scope are leased, reserved ones not counted."""
    reserved = (book.by_address.get(address) for address in pool.scope.reserved)
    return pool.counts[ACTIVE] - sum(binding is not None and binding.status == ACTIVE for binding in reserved)


def _set_down(node: Node, partner: int, now: float, out: list[Effect]) -> None:
    node.set_partner_down(now, partner, None, False, out)
