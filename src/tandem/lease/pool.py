"""The available addresses of one scope, by owner: the main's and the backup's share.

Never-used addresses are ranges and cost nothing each; addresses that had a client have a record in the book
and stand in a heap here. An address that is set aside for an offer is in neither. Does not know clients,
messages or states of the pair.
Source: draft-ietf-dhc-failover-12 section 5.4; SYSTEM S4.6, S4.7.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from math import exp

from tandem.base.ranges import RangeSet
from tandem.config.compiled import CompiledScope
from tandem.lease.binding import ACTIVE, BACKUP, FREE, Binding


class Side:
    """One owner's available addresses in one scope."""

    __slots__ = ("heap", "recorded", "unused")

    def __init__(self, unused: RangeSet) -> None:
        self.unused = unused
        """Addresses that never had a record."""
        self.recorded = 0
        """How many records are available, apart from those set aside for an offer."""
        self.heap: list[tuple[int, int, int]] = []
        """(rank, address, start of state): stale entries are skipped when they come up."""

    @property
    def size(self) -> int:
        """How many addresses this owner can give."""
        return self.unused.size + self.recorded


class Arrivals:
    """How many clients take an available address of a scope, from either server, per second: a mean in which an hour
    ago counts for a third of now. Renewals do not count."""

    __slots__ = ("_at", "_mean", "_since", "count")

    HOUR_S = 3600.0
    SHORTEST_S = 300.0
    """What has been seen for less than this is taken as if it had been seen for so long."""

    def __init__(self) -> None:
        self.count = 0
        self._mean = 0.0
        self._at = self._since = 0.0

    def note(self, now: float, number: int = 1) -> None:
        """Count those that came at ``now``, which may be long ago: the partner tells of its own later."""
        if not self.count:
            self._at = self._since = now
        self.count += number
        self._since = min(now, self._since)
        self._mean = self._faded(now) + number * exp(min(now - self._at, 0.0) / self.HOUR_S) / self.HOUR_S
        self._at = max(now, self._at)

    def _faded(self, now: float) -> float:
        return self._mean * exp(min(self._at - now, 0.0) / self.HOUR_S)

    def per_s(self, now: float) -> float:
        """Return the mean, per second. Young ones are not taken for low: they are divided by what they have seen."""
        if not self.count:
            return 0.0
        seen = 1 - exp(-max(now - self._since, self.SHORTEST_S) / self.HOUR_S)
        return self._faded(now) / seen


class Pool:
    """A scope's addresses, counted by status, and its two sides."""

    __slots__ = ("arrivals", "backup", "counts", "main", "scope")

    def __init__(self, scope: CompiledScope) -> None:
        self.scope = scope
        self.main = Side(scope.ranges.copy())
        self.backup = Side(RangeSet())
        self.counts = [0] * 8
        """Records by binding status (the codes 1 to 7)."""
        self.arrivals = Arrivals()

    def follow(self, former: Pool) -> None:
        """Take over what is measured from the pool of the same scope under the configuration before."""
        self.arrivals = former.arrivals

    def side(self, own: int) -> Side:
        """Return the side of owner FREE (the main) or BACKUP."""
        return self.main if own == FREE else self.backup

    @property
    def boundary(self) -> int:
        """Where the backup's share begins, going down (S4.7)."""
        if self.scope.boundary is not None:
            return self.scope.boundary
        lowest, highest = self.scope.ranges.lowest, self.scope.ranges.highest
        return 0 if lowest is None or highest is None else (lowest + highest) // 2

    def target(self) -> int:
        """Return how many of the addresses available now are the backup's by configuration (S4.6)."""
        return (self.main.size + self.backup.size) * self.scope.backup_pct // 100

    @property
    def leased(self) -> int:
        """How many addresses are leased."""
        return self.counts[ACTIVE]

    def use(self, address: int) -> None:
        """A record is made for a never-used address: it is in no range of never-used ones any more."""
        self.main.unused.discard(address) or self.backup.unused.discard(address)

    def owner_of_unused(self, address: int) -> int:
        """Return FREE or BACKUP for a never-used address that can be given; 0 when it cannot."""
        if address in self.main.unused:
            return FREE
        return BACKUP if address in self.backup.unused else 0

    def push(self, binding: Binding, book: dict[int, Binding], offered: dict[int, object]) -> None:
        """An available record can be given (again)."""
        own = binding.status
        side = self.side(own)
        side.recorded += 1
        heap = side.heap
        if len(heap) > 2 * side.recorded + 200:  # stale entries pile up while never-used addresses are given
            fresh = [e for e in dict.fromkeys(heap) if book[e[1]].status == own and book[e[1]].start_of_state == e[2]]
            heap[:] = [entry for entry in fresh if entry[1] not in offered]
            heapify(heap)
        rank = binding.address if self.scope.allocate_first_available else binding.start_of_state
        heappush(heap, (rank, binding.address, binding.start_of_state))

    def take(self, own: int, book: dict[int, Binding], offered: dict[int, object]) -> int | None:
        """Take one address out of an owner's side and return it; None when it has none.

        Never-used addresses from the lowest up, then the longest free; with allocate-first-available, the
        lowest of all (S4.7). The caller either makes a record of it or gives it back.
        """
        side = self.side(own)
        unused = side.unused
        if unused.size and not (self.scope.allocate_first_available and side.heap):
            return unused.pop_lowest()
        heap = side.heap
        while heap:
            _, address, since = heap[0]
            binding = book[address]
            if binding.status != own or binding.start_of_state != since or address in offered:
                heappop(heap)
                continue
            lowest = unused.lowest
            if lowest is not None and lowest < address:
                return unused.pop_lowest()
            heappop(heap)
            side.recorded -= 1
            return address
        return unused.pop_lowest() if unused.size else None
