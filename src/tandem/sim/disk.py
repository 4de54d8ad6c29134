"""A server's disk: what is on stable storage, and the writer that puts it there in groups.

Behaves as ``runtime.writer`` and ``runtime.store`` do: saves are committed in order, all that waits shares one sync,
a commit is whole or not at all, acknowledgements wait for company. Does not know what saves mean.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tandem.base.io import SaveAcked, SaveBinding, SaveShare, SaveState
from tandem.lease.binding import ACTIVE, COLUMNS
from tandem.sim.world import World

Save = SaveBinding | SaveShare | SaveAcked | SaveState
Row = tuple[object, ...]

LAZY_S = 0.5
_ACKED, _UP_TO_DATE, _STATUS = (COLUMNS.index(name) for name in ("acked_potential", "up_to_date", "status"))


class Disk:
    """Stable storage."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.shares: list[tuple[int, int, int]] = []
        self.states: dict[str, dict[str, object]] = {}
        self.last_active: dict[int, Row] = {}
        """The latest ACTIVE row of each address that was ever stored: what an ACK may rely on."""
        self.latest_states: list[object] = []
        """The failover states that the latest commit stored, in order; the servers' own announcements rely on it."""

    def copy(self) -> Disk:
        """Return a backup copy of the database."""
        twin = Disk()
        twin.rows, twin.shares = dict(self.rows), list(self.shares)
        twin.states = {name: dict(values) for name, values in self.states.items()}
        return twin

    def apply(self, save: Save) -> None:
        """Store one save."""
        if isinstance(save, SaveBinding):
            address = save.row[0]
            assert isinstance(address, int)
            self.rows[address] = save.row
            if save.row[_STATUS] == ACTIVE:
                self.last_active[address] = save.row
        elif isinstance(save, SaveAcked):
            for address, acked, up_to_date in save.rows:
                if address in self.rows:
                    row = list(self.rows[address])
                    row[_ACKED], row[_UP_TO_DATE] = acked, up_to_date
                    self.rows[address] = tuple(row)
        elif isinstance(save, SaveState):
            self.states[save.name] = dict(save.values)
            self.latest_states.append(save.values.get("state"))
        else:
            self._share(save)

    def _share(self, save: SaveShare) -> None:
        kept = []
        for lo, hi, acked in self.shares:
            if hi < save.lo or lo > save.hi:
                kept.append((lo, hi, acked))
                continue
            if lo < save.lo:
                kept.append((lo, save.lo - 1, acked))
            if hi > save.hi:
                kept.append((save.hi + 1, hi, acked))
        if save.backup:
            kept.append((save.lo, save.hi, int(save.acked)))
        self.shares = sorted(kept)


class Writer:
    """Commits saves in groups; each takes a while, and reports when it is durable."""

    def __init__(self, world: World, disk: Disk, chance: Random, committed: Callable[[int], None]) -> None:
        self._world = world
        self._disk = disk
        self._chance = chance
        self._committed = committed
        self._queue: list[Save] = []
        self._acks: dict[int, tuple[int, int, int]] = {}
        self._acks_due = 0.0
        self._submitted = 0
        self._under_way: list[Save] | None = None
        self._dead = False
        self.sync_s = 0.002
        """How long a commit takes, about."""

    @property
    def idle(self) -> bool:
        """Whether all that was submitted is durable."""
        return not self._queue and self._under_way is None and not self._acks

    def submit(self, saves: list[Save]) -> int:
        """Queue saves and return their number."""
        self._submitted += 1
        urgent = False
        for save in saves:
            if isinstance(save, SaveAcked):
                if not self._acks:
                    self._acks_due = self._world.now + LAZY_S
                    self._world.at(self._acks_due, self._begin)
                for ack in save.rows:
                    self._acks[ack[0]] = ack
                continue
            if isinstance(save, SaveBinding) and self._acks:
                self._acks.pop(save.row[0], None)  # type: ignore[call-overload]
            self._queue.append(save)
            urgent = True
        if urgent and self._under_way is None:
            self._begin()
        return self._submitted

    def _begin(self) -> None:
        if self._dead or self._under_way is not None:
            return
        batch, self._queue = self._queue, []
        if self._acks and self._world.now >= self._acks_due:
            batch.append(SaveAcked(list(self._acks.values())))
            self._acks = {}
        if batch:
            self._under_way = batch
            takes_s = self.sync_s * self._chance.uniform(0.3, 2)
            self._world.happened["slow commit"] += takes_s > 0.5
            self._world.after(takes_s, self._end, self._submitted)

    def _end(self, number: int) -> None:
        if self._dead:
            return
        assert self._under_way is not None
        for save in self._under_way:
            self._disk.apply(save)
        self._under_way = None
        self._committed(number)
        self._disk.latest_states.clear()
        if not self._dead and self._under_way is None:
            self._begin()

    def flush(self) -> None:
        """Write all that is queued (a clean end)."""
        for save in [*(self._under_way or ()), *self._queue, SaveAcked(list(self._acks.values()))]:
            self._disk.apply(save)
        self._dead = True

    def crash(self) -> None:
        """Lose all that was not synced; a commit that was under way is on the disk as a whole, or not at all."""
        self._dead = True
        kept = self._under_way is not None and self._chance.random() < 0.5
        if kept:
            self._world.happened["commit kept"] += 1
            for save in self._under_way or ():
                self._disk.apply(save)
        if self._queue or self._acks or (self._under_way and not kept):
            self._world.happened["writes lost"] += 1
