"""A machine with a server on it: its clock, its disk, its process; it performs what the node decides.

Behaves as ``runtime.effects`` and ``runtime.loop`` do: effects in order, nothing that follows a save before that is
durable, the node woken at its deadline, its clock looked at once a second. Can die between any two effects. Does not
know clients, nor why it dies.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from tandem.base.io import (
    ClockSet,
    Close,
    Connect,
    Datagram,
    Effect,
    Input,
    Interface,
    Note,
    Probe,
    Probed,
    Reply,
    SaveAcked,
    SaveBinding,
    SaveShare,
    SaveState,
    Send,
    StartTls,
    Tick,
)
from tandem.config.compiled import ServerConfig
from tandem.failover.states import state_name
from tandem.node.node import Node
from tandem.sim.disk import Disk, Writer
from tandem.sim.world import Violation, World

if TYPE_CHECKING:
    from tandem.failover.endpoint import Endpoint
    from tandem.sim.wires import Wires

STALE_S = 5.0
_LOOK_S, _LOOK_S_MIN = 1.0, 0.001
_STEP_S = 2.0
"""As in ``runtime.loop``: how often a clock is looked at, and what counts as set."""
_SPIN = 2000
"""So many ticks within a second of true time mean that a deadline does not move on."""


class Observer(Protocol):
    """Who watches the servers."""

    def sending(self, machine: Machine, data: bytes) -> None:
        """Bytes leave for a partner."""
        ...

    def replying(self, machine: Machine, reply: Reply) -> None:
        """A reply leaves for a client or relay."""
        ...

    def booted(self, machine: Machine) -> None:
        """A server has loaded what its disk holds and is about to start."""
        ...

    def stepped(self, machine: Machine) -> None:
        """A server has decided an input."""
        ...


class Group:
    """Effects that wait for the submission ``number``."""

    __slots__ = ("effects", "made", "number", "replies")

    def __init__(self, made: float) -> None:
        self.number = 0
        self.made = made
        self.effects: list[Effect] = []
        self.replies = 0


class Machine:
    """A server's machine."""

    def __init__(
        self, world: World, name: str, address: int, wires: Wires, observer: Observer,
        reply: Callable[[Machine, Reply], None], configure: Callable[[], ServerConfig],
    ) -> None:  # fmt: skip
        """``configure`` returns the configuration to boot with; ``reply`` delivers replies."""
        self.world, self.name, self.address = world, name, address
        self.wires, self.observer, self.configure = wires, observer, configure
        self._reply = reply
        self.interface = Interface("lan", 1, address)
        self.disk = Disk()
        self.node: Node | None = None
        self.powered = True
        self.stopping = False
        self.boots = 0
        self.fuse: int | None = None
        """After how many more effects the process dies; None = it lives."""
        self.notes: deque[tuple[float, str, str]] = deque(maxlen=4000)
        """(true time, level, text) of the latest log lines."""
        self.sync_s = 0.002
        self._chance = world.chance(f"machine {name}")
        self._clock = (world.now, world.now, 1.0)
        self.clock_set_at = 0.0
        """When its clock was last set (true time)."""
        self._set_by_s = 0.0
        """By how much it was set since the server last looked at it."""
        self._held: deque[Group] = deque()
        self._held_replies = self._held_effects = 0
        self._writer: Writer | None = None
        self._wake_at = float("inf")
        self._ticks = (0.0, 0)
        self.changed_at: dict[int, float] = {}
        """When a binding was last decided to be saved (true time), by address."""
        wires.hosts[address] = self

    # --- clock ------------------------------------------------------------------------------------------

    @property
    def clock(self) -> float:
        """What its clock shows."""
        true, local, rate = self._clock
        return local + (self.world.now - true) * rate

    def set_clock(self, step_s: float, rate: float | None = None) -> None:
        """Put the clock forward by ``step_s``, and let it run at ``rate`` from now on."""
        self.world.happened["clock set" if rate is None else "clock off"] += 1
        self._clock = (self.world.now, self.clock + step_s, rate or self._clock[2])
        self.clock_set_at = self.world.now
        self._set_by_s += step_s
        self.world.after(_LOOK_S, self._look)
        self._arm()

    def _look(self) -> None:
        if abs(self._set_by_s) > _STEP_S:
            self.feed(Tick())

    def set_sync(self, seconds: float) -> None:
        """Let each commit take about so long from now on."""
        self.sync_s = seconds
        if self._writer is not None:
            self._writer.sync_s = seconds

    def true_time(self, local: float) -> float:
        """Return when its clock shows (or showed) ``local``, if nobody sets it."""
        at, base, rate = self._clock
        return at + (local - base) / rate

    # --- what others see --------------------------------------------------------------------------------

    @property
    def listening(self) -> bool:
        """Whether the server takes connections."""
        return self.node is not None and not self.stopping

    @property
    def congested(self) -> bool:
        """Whether so much waits for the disk that partners are not read."""
        return self.node is not None and self._held_effects > 4 * self.node.config.max_responses

    @property
    def busy(self) -> bool:
        """Whether effects that the server has decided on wait for the disk."""
        return bool(self._held)

    @property
    def endpoints(self) -> list[Endpoint]:
        """The endpoints of the running server; none when it does not run."""
        return [] if self.node is None else self.node.endpoints

    def endpoint_with(self, peer: int, main: bool) -> Endpoint | None:
        """Return the running endpoint of one relationship, in which this server is the main or not."""
        for endpoint in self.endpoints:
            if endpoint.config.peer == peer and endpoint.config.main == main:
                return endpoint
        return None

    # --- life -------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start the server process."""
        assert self.node is None
        if not self.powered:
            self.powered = True
            self.wires.powered(self)
        self.boots += 1
        self.stopping = False
        self._set_by_s = 0.0
        disk = self.disk
        self._writer = Writer(self.world, disk, self._chance, self._committed)
        self._writer.sync_s = self.sync_s
        states = {name: dict(values) for name, values in disk.states.items()}
        self.node = Node(
            self.configure(), [disk.rows[a] for a in sorted(disk.rows)], disk.shares, states, self.clock
        )  # fmt: skip
        self.world.say(f"{self.name} boots")
        self.observer.booted(self)
        self.command(self.node.start)

    def stop(self) -> None:
        """End cleanly: SIGTERM."""
        if self.node is not None and not self.stopping:
            self.world.say(f"{self.name} is stopped")
            self.stopping = True
            self.command(self.node.stop)
            self._maybe_end()

    def _maybe_end(self) -> None:
        if self.stopping and self.node is not None and not self._held:
            assert self._writer is not None
            self._writer.flush()
            self._end(silently=False)

    def crash(self, silently: bool = False) -> None:
        """The process is killed; ``silently``: the machine loses power."""
        if self.node is not None:
            self.world.say(f"{self.name} {'loses power' if silently else 'is killed'}")
            self.world.happened["power cut" if silently else "kill"] += 1
            assert self._writer is not None
            self._writer.crash()
            self._end(silently)
        if silently:
            self.powered = False

    def _end(self, silently: bool) -> None:
        for endpoint in self.endpoints:
            self.world.happened[f"ends in {state_name(endpoint.state)}"] += 1
        self.node = None
        self.fuse = None
        self._writer = None
        self._held.clear()
        self._held_replies = self._held_effects = 0
        self._wake_at = float("inf")
        self.wires.died(self, silently)

    def reload(self) -> None:
        """Take the configuration that ``configure`` returns now."""
        node = self.node
        if node is not None and not self.stopping:
            self.world.say(f"{self.name} reloads")
            self.world.happened["reload"] += 1
            config = self.configure()
            self.command(lambda now, out: node.reload(now, config, out))

    # --- inputs -----------------------------------------------------------------------------------------

    def datagram(self, event: Datagram, heard: Callable[[], None] | None = None) -> None:
        """A request has arrived; it is lost when the server has no room for it, or does not run. ``heard``: called
        before it is taken."""
        if self.node is not None and not self.stopping and self._held_replies < self.node.config.max_responses:
            if heard is not None:
                heard()
            self.feed(event)

    def feed(self, event: Input) -> None:
        """Give the server an input."""
        node = self.node
        if node is not None:
            out: list[Effect] = []
            set_by_s, self._set_by_s = self._set_by_s, 0.0
            if abs(set_by_s) > _STEP_S:
                node.handle(self.clock, ClockSet(set_by_s), out)
            node.handle(self.clock, event, out)
            self._decided(out)

    def command(self, act: Callable[[float, list[Effect]], object]) -> None:
        """Have the operator's ``act(now, out)`` done on the node; its effects are performed also when it raises."""
        out: list[Effect] = []
        try:
            act(self.clock, out)
        finally:
            self._decided(out)

    def _decided(self, out: list[Effect]) -> None:
        if out:
            self._perform(out)
        if self.node is not None:
            self.observer.stepped(self)
            self._arm()

    def _arm(self) -> None:
        if self.node is None:
            return
        deadline = self.node.deadline()
        if deadline is None:
            return
        due = max(self.true_time(deadline), self.world.now + _LOOK_S_MIN)
        if due < self._wake_at:
            self._wake_at = due
            self.world.at(due, self._wake, due)

    def _wake(self, due: float) -> None:
        if self.node is None or due != self._wake_at:
            return
        self._wake_at = float("inf")
        deadline = self.node.deadline()
        if deadline is not None and deadline <= self.clock:
            second, count = self._ticks
            self._ticks = (second, count + 1) if self.world.now < second + 1 else (self.world.now, 1)
            if self._ticks[1] > _SPIN:
                raise Violation("bounded", f"{self.name}: its deadline does not move on", self.name)
            self.feed(Tick())
        else:
            self._arm()

    # --- effects ----------------------------------------------------------------------------------------

    def _perform(self, effects: list[Effect]) -> None:
        """Perform effects in order; those that follow a save, and all behind them, when it is durable."""
        writer = self._writer
        assert writer is not None
        group = self._held[-1] if self._held else None
        new: Group | None = None
        saves: list[SaveBinding | SaveShare | SaveAcked | SaveState] = []
        for effect in effects:
            if isinstance(effect, SaveBinding | SaveState | SaveShare):
                saves.append(effect)
                if isinstance(effect, SaveBinding):
                    self.changed_at[effect.row[0]] = self.world.now  # type: ignore[index]
                if new is None:
                    group = new = Group(self.world.now)
            elif isinstance(effect, SaveAcked):
                saves.append(effect)
            elif group is None:
                if not self._do(effect):
                    return
            else:
                group.effects.append(effect)
                self._held_effects += 1
                if isinstance(effect, Reply):
                    group.replies += 1
                    self._held_replies += 1
        if saves and self._alive_after_effect():
            if new is not None:
                self._held.append(new)
            number = writer.submit(saves)
            if new is not None:
                new.number = number

    def _committed(self, number: int) -> None:
        node = self.node
        if not self._alive_after_effect():  # durable, and nobody was told
            return
        while self._held and self._held[0].number <= number:
            group = self._held.popleft()
            self._held_replies -= group.replies
            self._held_effects -= len(group.effects)
            stale = self.world.now - group.made > STALE_S
            for effect in group.effects:
                if not (stale and isinstance(effect, Reply)) and not self._do(effect):
                    return
        if self.node is node:
            self._maybe_end()

    def _unanswered(self, node: Node, address: int) -> None:
        """A ping is over; in this world only clients have addresses, and they answer none."""
        if self.node is node:
            self.feed(Probed(address, False))

    def _alive_after_effect(self) -> bool:
        """Count an effect (or commit) boundary; return whether the process survives it."""
        if self.fuse is None:
            return True
        self.fuse -= 1
        if self.fuse >= 0:
            return True
        self.world.happened["crash between effects"] += 1
        self.crash(self._chance.random() < 0.5)
        return False

    def _do(self, effect: Effect) -> bool:
        """Perform one effect; return False when the process died instead."""
        if not self._alive_after_effect():
            return False
        node = self.node
        if isinstance(effect, Reply):
            self.world.stamp(effect.data)
            self.observer.replying(self, effect)
            self._reply(self, effect)
        elif isinstance(effect, Send):
            self.world.stamp(effect.data)
            self.observer.sending(self, effect.data)
            self.wires.send(effect.link, effect.data)
        elif isinstance(effect, Note):
            self.notes.append((self.world.now, effect.level, effect.text))
            self.world.say(f"{self.name} {effect.level} {effect.ident:05d} {effect.text}")
        elif isinstance(effect, Probe):
            self.world.after(effect.wait_ms / 1000, self._unanswered, node, effect.address)
        elif isinstance(effect, StartTls):
            self.wires.start_tls(effect.link, effect.server)
        elif isinstance(effect, Close):
            self.wires.close(effect.link)
        elif isinstance(effect, Connect):
            self.wires.connect(self, effect.peer, lambda: self.node is node)
        return self.node is node
