"""What the two servers of a relationship could not agree on: both views, who won, and why. Bounded.

A refusal that is repeated (a refused update is told again) is counted, not listed again. Kept in memory only.
Does not decide anything (``failover.conflict`` does). Source: SYSTEM S4.10, S10.8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tandem.base.ipv4 import format_hardware
from tandem.base.units import FOREVER, format_duration
from tandem.failover.words import status_name
from tandem.lease.binding import Binding
from tandem.wire.failover import Update

KEPT = 256
HERE, THERE = "this server", "partner"


@dataclass(slots=True, frozen=True)
class View:
    """What one server knows of an address. ``status`` 0: nothing, or it has not said."""

    status: int = 0
    hardware: bytes = b""
    client_id: bytes = b""
    expires: int = 0
    """Seconds since 1970 in this server's clock; 0 = not a lease, or not said."""
    heard: int = 0
    """When it last heard the client; 0 = not said."""

    def text(self, now: float) -> str:
        """Return the view in words."""
        if not self.status:
            return "nothing is known of it"
        words = status_name(self.status)
        client = self.client()
        if client:
            words += f" for {client}"
        if self.expires == FOREVER:
            words += " without end"
        elif self.expires > now:
            words += f" for another {format_duration(int(self.expires - now))}"
        return words

    def client(self) -> str:
        """Return who holds the address, as clients are written."""
        return format_hardware(self.hardware) or self.client_id.hex(":")


@dataclass(slots=True)
class Conflict:
    """One address that the servers see differently."""

    address: int
    here: View
    there: View | None
    """None: the partner has refused, and does not say what it knows."""
    winner: str
    """HERE or THERE: whose view counts on both, or (of a refusal for other reasons) who refused."""
    reason: int
    """The reject reason; 0 where an update was accepted over what this server knew."""
    why: str
    first: int
    last: int
    count: int = 1


def view_of_binding(binding: Binding | None) -> View:
    """Return what this server knows."""
    if binding is None:
        return View()
    return View(binding.status, binding.hardware, binding.client_id, binding.expires, binding.last_transaction)


def view_of_update(update: Update) -> View:
    """Return what the partner says."""
    return View(
        update.status, update.hardware, update.client_id, update.expires or 0, update.last_transaction or 0
    )  # fmt: skip


class Conflicts:
    """The last ``KEPT`` conflicts of an endpoint, oldest first."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str, int], Conflict] = {}
        self.count = 0
        """How many there have been."""

    def __iter__(self) -> Iterator[Conflict]:
        return iter(self._kept.values())

    def add(
        self, address: int, here: View, there: View | None, winner: str, reason: int, why: str, now: float
    ) -> str:  # fmt: skip
        """Take a conflict down; return it as a line for the log."""
        self.count += 1
        key = (address, winner, reason)
        known = self._kept.pop(key, None)
        first, count = (known.first, known.count + 1) if known is not None else (int(now), 1)
        if len(self._kept) >= KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = Conflict(address, here, there, winner, reason, why, first, int(now), count)
        theirs = there.text(now) if there is not None else "does not say"
        return f"here: {here.text(now)}; partner: {theirs}; {winner}'s view stays: {why}"
