"""The clients' own ledger: what each client was promised, by whom, until when; and what must never happen.

It trusts no server: it is written from the acknowledgements that clients received. Two verdicts come from it.
An address is *held twice* when a client is given it while another client's promise on it still runs. A renewal
*failed* when a client that asked in time was refused or ran out of time. Times are seconds of one steady clock.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import Enum

from tandem.base.ipv4 import format_ipv4

_RECENT_S = 60


class How(Enum):
    """How a client came by an acknowledgement."""

    NEW = "new"
    RENEWED = "renewed"
    REBOUND = "rebound"


@dataclass(slots=True)
class Promise:
    """An address, whose it is, from when until when, by whose word."""

    address: int
    client: str
    since: float
    until: float
    server: int


@dataclass(slots=True)
class Served:
    """What one server did for clients."""

    counts: Counter[How] = field(default_factory=Counter)
    recent: deque[float] = field(default_factory=deque)
    """When it acknowledged, in the last minute."""

    @property
    def total(self) -> int:
        """All acknowledgements."""
        return self.counts.total()

    def per_second(self, now: float, seconds: int) -> list[int]:
        """Return how many acknowledgements there were in each of the last ``seconds`` whole seconds, oldest first."""
        bins = [0] * seconds
        for at in self.recent:
            age = int(now) - int(at)
            if 0 < age <= seconds:
                bins[seconds - age] += 1
        return bins


class Ledger:
    """All promises, and counts of what was seen."""

    def __init__(self) -> None:
        self.promises: dict[int, Promise] = {}
        """The latest promise on each address."""
        self.clients: set[str] = set()
        """Every client that ever had a lease."""
        self.served: dict[int, Served] = {}
        self.held_twice: list[str] = []
        self.failed: list[str] = []
        self.moved = 0
        """Renewals that another server answered than the one that had given the lease."""
        self.released = 0
        self.refused = 0
        """DHCPNAKs seen."""
        self.waits_s: list[float] = []
        """How long each client waited that got a new lease."""
        self.longest_renewal_s = 0.0
        self.closest_s = float("inf")
        """The least time that a lease still had when it was renewed."""

    @property
    def clean(self) -> bool:
        """Whether nothing happened that must never happen."""
        return not self.held_twice and not self.failed

    @property
    def longest_new_s(self) -> float:
        """The longest wait for a new lease."""
        return max(self.waits_s, default=0.0)

    def count(self, how: How) -> int:
        """Return how many acknowledgements of one kind all servers gave."""
        return sum(served.counts[how] for served in self.served.values())

    def acknowledged(self, promise: Promise, how: How, now: float, waited_s: float) -> None:
        """A client got an acknowledgement, ``waited_s`` after it first asked."""
        before = self.promises.get(promise.address)
        if before is not None and before.client != promise.client and before.until > now:
            self.held_twice.append(
                f"{format_ipv4(promise.address)} was given to {promise.client} by {format_ipv4(promise.server)} while "
                f"{before.client} had it from {format_ipv4(before.server)} for another {before.until - now:.1f} s"
            )
        if how is How.NEW:
            self.waits_s.append(waited_s)
        else:
            self.longest_renewal_s = max(self.longest_renewal_s, waited_s)
            if before is not None and before.client == promise.client:
                self.closest_s = min(self.closest_s, before.until - now)
                self.moved += before.server != promise.server
        self.promises[promise.address] = promise
        self.clients.add(promise.client)
        served = self.served.setdefault(promise.server, Served())
        served.counts[how] += 1
        served.recent.append(now)
        while served.recent[0] < now - _RECENT_S:
            served.recent.popleft()

    def gave_back(self, address: int, client: str, now: float) -> None:
        """A client released its address."""
        promise = self.promises.get(address)
        if promise is not None and promise.client == client:
            promise.until = min(promise.until, now)
        self.released += 1

    def renewal_failed(self, address: int, client: str, why: str, now: float) -> None:
        """A client that asked in time lost its address."""
        self.failed.append(f"{client} lost {format_ipv4(address)}: {why}")
        promise = self.promises.get(address)
        if promise is not None and promise.client == client:
            promise.until = min(promise.until, now)
