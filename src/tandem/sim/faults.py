"""What goes wrong, when, for how long: drawn from the seed as a list, so that any of it can be left out.

A fault is data: a kind, a time, a length, a server (or pair), a number. Each undoes itself at its end. Kinds are
functions that take a ``Stage`` (what they may touch).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from tandem.failover.startup import OLD_S
from tandem.lease.binding import ABANDONED
from tandem.sim.disk import Disk
from tandem.sim.machine import Machine
from tandem.sim.settings import FIRST_HOST, Settings, with_new_subnet
from tandem.sim.world import clock_text
from tandem.wire.failover import ServerState as S

if TYPE_CHECKING:
    from tandem.failover.endpoint import Endpoint
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
    if machine.node is not None and not story.must_live(machine):
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
    if machine.node is not None and machine.fuse is None and not story.must_live(machine):
        machine.fuse = int(fault.amount * 60)
        story.boot_when_dead(machine, fault.lasts_s)


def stop(story: Story, fault: Fault, machine: Machine) -> None:
    """The operator stops the server, and starts it again."""
    if machine.node is not None and not machine.stopping and not story.must_live(machine):
        machine.stop()
        story.boot_when_dead(machine, fault.lasts_s)


def slow_disk(story: Story, fault: Fault, machine: Machine) -> None:
    """Each sync takes long."""
    before = machine.sync_s
    machine.set_sync(0.01 + fault.amount * 3)
    story.later(fault.lasts_s, lambda: machine.set_sync(before))


def dying_disk(story: Story, fault: Fault, machine: Machine) -> None:
    """Each sync takes long, and then the power fails: what was decided meanwhile is lost, or on the disk and untold."""
    if machine.node is not None and not story.must_live(machine):
        slow_disk(story, replace(fault, lasts_s=60), machine)
        story.later(59 * fault.amount, power, story, fault, machine)


# --- network --------------------------------------------------------------------------------------------


def _cut(story: Story, fault: Fault, ways: list[tuple[int, int]]) -> None:
    if story.calm:
        return
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
    way = (machine.address, story.peer_of(machine, fault))
    _narrow(story, fault, [way], 0.01 + 2 * fault.amount, 500 * 10 ** (3 * fault.amount))


def narrow_link(story: Story, fault: Fault, machine: Machine) -> None:
    """The servers' link is too narrow for what they have to tell each other, both ways."""
    peer = story.peer_of(machine, fault)
    _narrow(story, fault, [(machine.address, peer), (peer, machine.address)], 0.05, 60 * 10**fault.amount)


def _narrow(
    story: Story, fault: Fault, ways: list[tuple[int, int]], delay_s: float, bytes_per_s: float
) -> None:  # fmt: skip
    for way in ways:
        path = story.wires.path_between(*way)
        story.later(fault.lasts_s, path.take, path.delay_s, path.bytes_per_s)
        path.take(delay_s, bytes_per_s)


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
    if machine.node is None or story.must_live(machine):
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
            done = story.set_partner_down(machine, dead.address, at, expert=False)
            story.world.happened["partner down, rightly"] += done


def shut_down(story: Story, fault: Fault, machine: Machine) -> None:
    """The operator shuts the server down for long: its partners take over; then it ends, and is started again."""
    node = machine.node
    if node is None or machine.stopping or story.must_live(machine):
        return
    story.world.say(f"the operator shuts {machine.name} down")
    machine.command(node.shut_down)
    story.later(20, machine.stop)
    story.later(21, story.boot_when_dead, machine, fault.lasts_s)


def reload(story: Story, fault: Fault, machine: Machine) -> None:
    """The operator changes the configuration; each server takes it when it is reloaded, or started."""
    settings, which = story.settings, int(fault.amount * (7 if story.profile.extras else 5))
    if which == 0:
        settings = replace(settings, lease_s=(300, 900, 3600)[int(fault.lasts_s) % 3])
    elif which == 1:
        settings = replace(settings, mclt_s=(120, 300, 600, 1800)[int(fault.lasts_s) % 4])
    elif which == 2:
        settings = replace(settings, backup_pct=(5, 20, 50)[int(fault.lasts_s) % 3])
    elif which == 3 and len(settings.subnets) < 5:
        settings = with_new_subnet(settings)
    elif which == 5:
        settings = replace(settings, balance_pct=(0, 30, 50, 100)[int(fault.lasts_s) % 4])
    elif which == 6:
        settings = _with_reservation(story, settings, int(fault.lasts_s))
    story.change(settings)
    for i, each in enumerate(story.machines):
        story.later(i * min(fault.lasts_s, 120), each.reload)


def _with_reservation(story: Story, settings: Settings, number: int) -> Settings:
    """One of the clients gets a reservation; whoever holds that address, and the client's own lease, are out of it."""
    subnet = settings.subnets[number % len(settings.subnets)]
    client = story.clients[number % story.scenario.clients]
    key = b"\x01" + client.chaddr
    if client.client_id or len(subnet.reserved) >= subnet.addresses // 2 or key in subnet.reserved:
        return settings
    address = subnet.net + FIRST_HOST + len(subnet.reserved)
    story.ledger.revoked[address] = story.ledger.revoked[client.key] = "a new reservation"
    subnets = tuple(
        replace(each, reserved=(*each.reserved, key)) if each is subnet else each for each in settings.subnets
    )
    return replace(settings, subnets=subnets)


def force_available(story: Story, fault: Fault, machine: Machine) -> None:
    """The operator has found the host that used an address that both servers hold for abandoned, and makes it
    available."""
    node = machine.node
    if node is None or machine.stopping or any(other.node is None for other in story.machines):
        return
    books = [other.node.book.by_address for other in story.machines if other.node is not None]
    abandoned = [
        address for address, binding in node.book.by_address.items()
        if binding.status == ABANDONED and sum(address in b and b[address].status == ABANDONED for b in books) > 1
    ]  # fmt: skip
    if abandoned:
        address = abandoned[int(fault.amount * len(abandoned))]
        machine.command(lambda now, out: node.force_available(now, address, out))


# --- databases ------------------------------------------------------------------------------------------

_OLD_S = OLD_S + 15
"""What a partner has heard last is on its disk within some seconds; a copy that is not older than that may pass."""


def lose_database(story: Story, fault: Fault, machine: Machine) -> None:
    """The server dies with its disk, and is started with an empty one."""
    if machine.node is None or not story.may_lose_data(machine) or not story.has_met(machine):
        return
    for endpoint in machine.endpoints:
        story.wires.hurry(machine.address, endpoint.config.peer)
    machine.crash(silently=True)
    machine.disk = Disk()
    story.recover_from.pop(machine.address, None)
    story.world.happened["database lost"] += 1
    story.forget(machine, "its database was lost")
    story.boot_later(machine, fault.lasts_s)


def restore_database(story: Story, fault: Fault, machine: Machine) -> None:
    """The server dies, an old copy of its database is put in place, and failover-recover says from when it is."""
    copies = _copies(story, machine)
    if copies:
        made_at, copy = copies[int(fault.amount * len(copies))]
        _put_in_place(story, fault, machine, made_at, copy)
        story.recover_from[machine.address] = int(made_at)
        story.world.happened["old copy"] += 1


def restore_silently(story: Story, fault: Fault, machine: Machine) -> None:
    """The server dies, an old copy of its database is put in place, and nobody says so: it has to find out by itself.

    It cannot when no partner has heard it since the copy was made: nothing outside of it tells that it ran then.
    """
    copies = [(made_at, copy) for made_at, copy in _copies(story, machine) if _was_heard_since(story, machine, copy)]
    if copies:
        _put_in_place(story, fault, machine, *copies[int(fault.amount * len(copies))])
        story.world.happened["old copy, unsaid"] += 1


def _copies(story: Story, machine: Machine) -> list[tuple[float, Disk]]:
    """Return the copies that can be put in place of a server's database now; none when that would be one too much."""
    if machine.node is None or not story.may_lose_data(machine):
        return []
    return [copy for copy in story.copies.get(machine.address, ()) if copy[1].states]


def _was_heard_since(story: Story, machine: Machine, copy: Disk) -> bool:
    for endpoint in machine.endpoints:
        partner = story.field.machines[endpoint.config.peer].endpoint_with(machine.address, not endpoint.config.main)
        record = copy.states.get(endpoint.config.name)
        if partner is None or record is None or partner.saved.heard_until - int(str(record["latest"])) <= _OLD_S:
            return False
    return True


def _put_in_place(story: Story, fault: Fault, machine: Machine, made_at: float, copy: Disk) -> None:
    machine.crash(silently=True)
    machine.disk = copy.copy()
    story.world.say(f"{machine.name} gets the database of {clock_text(machine.true_time(made_at))}")
    story.forget(machine, "its database is old")
    story.boot_later(machine, fault.lasts_s)


def copy_database(story: Story, fault: Fault, machine: Machine) -> None:
    """The operator makes a copy of the database."""
    if machine.node is not None:
        story.copies.setdefault(machine.address, []).append((machine.clock, machine.disk.copy()))


# --- clocks ---------------------------------------------------------------------------------------------


def set_clock(story: Story, fault: Fault, machine: Machine) -> None:
    """Somebody sets the clock, by up to a minute."""
    step = (fault.amount - 0.5) * 120
    story.world.say(f"the clock of {machine.name} is set by {step:+.1f} s")
    story.ledger.slack_s += abs(step)
    machine.set_clock(step)


# --- the operator, wrongly ------------------------------------------------------------------------------


def lie(story: Story, fault: Fault, machine: Machine) -> None:
    """Two servers lose each other, and the operator says that the other is down, though it runs."""
    peer = story.peer_of(machine, fault)
    other = story.field.machines[peer]
    if machine.node is None or other.node is None or story.would_serve_twice():
        return
    lasts = fault.lasts_s + 150
    for source, target in ((machine.address, peer), (peer, machine.address)):
        story.wires.cut(source, target, 1)
        story.later(lasts, story.wires.cut, source, target, -1)
    both = fault.amount * 10 % 1 < 0.3
    story.later(120, say_so, story, machine, peer, fault.amount * 100 % 1 < 0.5)
    if both:
        story.later(130, say_so, story, other, machine.address, False)


def say_so(story: Story, machine: Machine, peer: int, dated: bool) -> None:
    """The operator says that ``peer`` is down, since a while ago if ``dated``, without knowing."""
    if machine.node is not None and not machine.stopping and not story.calm:
        story.ledger.excuse("the operator set a partner down that serves")
        at = machine.clock - 90 if dated else None
        done = story.set_partner_down(machine, peer, at, expert=dated)
        story.world.happened["partner down, wrongly"] += done


# --- when it hurts most ---------------------------------------------------------------------------------

_DELICATE = (
    S.STARTUP, S.POTENTIAL_CONFLICT, S.CONFLICT_DONE, S.RESOLUTION_INTERRUPTED, S.RECOVER, S.RECOVER_WAIT,
    S.RECOVER_DONE, S.PARTNER_DOWN, S.SHUTDOWN,
)  # fmt: skip


_RECOVERING = (S.RECOVER, S.RECOVER_WAIT, S.RECOVER_DONE)


def ambush(story: Story, fault: Fault, machine: Machine) -> None:
    """Soon after a server has entered one of the states that last for moments only, something happens to it or to its
    partner: a reset, a cut, a death, a stop, a shut-down, or an operator who says the wrong thing."""
    state = _DELICATE[int(fault.amount * 997) % len(_DELICATE)]
    strikes = _STRIKES[int(fault.amount * 9973) % len(_STRIKES)]
    slow = 0.2 + 0.8 * (fault.amount * 31 % 1)  # a server still finds its partner while it starts

    def waits(struck: Machine, endpoint: Endpoint) -> bool:
        if endpoint.state != state or (story.verdicts.amnesia and state not in _RECOVERING):
            return False  # a server without its database is started only where it finds its partner
        peer = story.field.machines[endpoint.config.peer]
        for source, target in ((struck, peer), (peer, struck)):
            story.wires.path_between(source.address, target.address).delay_s = slow
        story.later(fault.lasts_s, story.wires.hurry, struck.address, peer.address)
        story.later(fault.amount * 101 % 1 * 5 * slow, strikes, story, fault, struck, peer)
        return True

    story.ambushes.append(waits)


def _strike_reset(story: Story, fault: Fault, struck: Machine, peer: Machine) -> None:
    story.wires.reset(struck.address, peer.address)


def _strike_cut(story: Story, fault: Fault, struck: Machine, peer: Machine) -> None:
    _cut(story, fault, [(struck.address, peer.address), (peer.address, struck.address)])


def _strike_dead(story: Story, fault: Fault, struck: Machine, peer: Machine) -> None:
    kill(story, replace(fault, lasts_s=fault.lasts_s % 100), struck)


def _strike_stopped(story: Story, fault: Fault, struck: Machine, peer: Machine) -> None:
    stop(story, replace(fault, lasts_s=fault.lasts_s % 100), struck)


def _strike_shut_down(story: Story, fault: Fault, struck: Machine, peer: Machine) -> None:
    if not story.calm:
        shut_down(story, fault, struck)


def _strike_peer_lost(story: Story, fault: Fault, struck: Machine, peer: Machine) -> None:
    if not story.calm:
        lose_database(story, replace(fault, lasts_s=fault.lasts_s % 100), peer)


def _strike_peer_dead(story: Story, fault: Fault, struck: Machine, peer: Machine) -> None:
    power(story, replace(fault, lasts_s=fault.lasts_s % 100), peer)


def _strike_peer_stopped(story: Story, fault: Fault, struck: Machine, peer: Machine) -> None:
    stop(story, replace(fault, lasts_s=fault.lasts_s % 100), peer)


def _strike_peer_shut_down(story: Story, fault: Fault, struck: Machine, peer: Machine) -> None:
    if not story.calm:
        shut_down(story, fault, peer)


def _strike_lie(story: Story, fault: Fault, struck: Machine, peer: Machine) -> None:
    say_so(story, struck, peer.address, dated=fault.amount < 0.5)


def _strike_peer_lie(story: Story, fault: Fault, struck: Machine, peer: Machine) -> None:
    say_so(story, peer, struck.address, dated=fault.amount < 0.5)


def _strike_cut_and_lie(story: Story, fault: Fault, struck: Machine, peer: Machine) -> None:
    _strike_cut(story, fault, struck, peer)
    story.later(90, say_so, story, struck, peer.address, False)
    if fault.amount < 0.5:
        story.later(100, say_so, story, peer, struck.address, False)


_STRIKES = (
    _strike_reset, _strike_cut, _strike_dead, _strike_peer_dead, _strike_peer_stopped, _strike_peer_shut_down,
    _strike_lie, _strike_cut_and_lie, _strike_stopped, _strike_shut_down, _strike_peer_lost, _strike_peer_lie,
)  # fmt: skip

KINDS: dict[str, Kind] = {
    "kill": kill, "power": power, "fuse": fuse, "stop": stop, "slow-disk": slow_disk,
    "dying-disk": dying_disk, "cut": cut,
    "cut-one-way": cut_one_way, "reset": reset, "slow-link": slow_link, "narrow-link": narrow_link,
    "client-cut": client_cut,
    "bad-weather": bad_weather, "take-over": die_and_take_over, "shut-down": shut_down, "reload": reload,
    "lose-database": lose_database, "restore-database": restore_database, "copy-database": copy_database,
    "set-clock": set_clock, "lie": lie, "ambush": ambush, "force-available": force_available,
    "old-database": restore_silently,
}  # fmt: skip
