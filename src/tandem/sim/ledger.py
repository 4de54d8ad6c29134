"""What clients were promised: the truth against which the servers are judged.

A client validly holds an address from the receipt of an ACK until the lease, counted from when it sent its request
(RFC 2131 section 4.4.1), is over, unless it releases or declines it, or obeys a NAK. A RELEASE also ends a lease that
the client asked for while that RELEASE was under way: the server that it reaches cannot know (decisions/0016). A client
is known by its key, as the servers know it: cloned hardware addresses are one client. A client that goes on using an
address after its lease holds nothing.

Tolerance: while an ``excuse`` is open (the operator said something untrue, as the draft allows for), leases that are
taken are *tainted*; two holders are tolerated, counted and remembered when one of them is tainted. So is the lease of a
client that broke the rules itself, as section 3.1.2 says (``Verdicts.believed``), and no other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tandem.base.ipv4 import format_ipv4
from tandem.sim.world import Violation, World, clock_text


@dataclass(slots=True)
class Held:
    """One promise."""

    key: bytes
    end: float
    name: str
    server: int
    """Who acknowledged it last."""
    net: int
    tainted: bool
    taken_at: float
    late: bool = False
    """Whether it began as an extension that the client asked for when it held the lease no more."""
    lost: bool = False
    """Whether the only record of it was on a disk that is gone. Its client may be refused, but the address is nobody
    else's."""


_UNUSABLE_S = 1500
"""So long a declined address may be given by a server that does not know of it."""


@dataclass(slots=True)
class Double:
    """Two holders of one address that the scenario allows for."""

    address: int
    first: bytes
    second: bytes
    since: float
    why: str
    reported: bool = False


class Ledger:
    """All promises, by address."""

    def __init__(self, world: World, slack_s: float) -> None:
        """``slack_s``: by how much the clocks of this world are wrong, which is how exact an instant is."""
        self.world = world
        self.slack_s = slack_s
        self.held: dict[int, dict[bytes, Held]] = {}
        self.excuses: list[str] = []
        """Why two holders are possible now; empty = they are not."""
        self.believed: Callable[[int, int, float], bool] = lambda server, address, end: False
        """Whether a server had to believe a client that asked to extend a lease: (server, address, lease's end)."""
        self.doubles: list[Double] = []
        self.promises = 0
        self._released: dict[tuple[int, bytes], float] = {}
        """When a server last heard a RELEASE of an address, by a client."""
        self.declined: dict[int, float] = {}
        """When an address was last declined. Who holds one that another server learned to be in use loses it (draft
        figure 7.1.3-1)."""
        self.revoked: dict[int | bytes, str] = {}
        """Addresses, and clients by their keys, that the operator's new reservations may cost a lease, and why."""

    def take(
        self, address: int, key: bytes, asked_at: float, end: float, name: str, server: int, net: int, late: bool
    ) -> None:  # fmt: skip
        """A client has received an ACK to what it asked for at ``asked_at``. Raises Violation when another validly
        holds the address.

        ``late``: it asked to extend a lease that it no longer held. A server that cannot ask its partner believes it,
        for the MCLT, so two holders are then possible (draft section 3.1.2).
        """
        self.promises += 1
        if self._released.get((address, key), float("-inf")) >= asked_at:
            return  # given up before the client had it
        here = self.held.setdefault(address, {})
        before = here.get(key)
        late = late or (before is not None and before.late)
        tainted = bool(self.excuses) or (late and self.believed(server, address, end))
        tainted = tainted or self.world.now - self.declined.get(address, float("-inf")) < _UNUSABLE_S
        mine = Held(key, end, name, server, net, tainted, self.world.now, late)
        for other in list(here.values()):
            if other.end <= self.world.now + self.slack_s:
                if other.end <= self.world.now:
                    del here[other.key]
            elif other.key != key:
                self._two(address, other, mine)
        here[key] = mine

    def _two(self, address: int, other: Held, mine: Held) -> None:
        now = self.world.now
        if other.tainted or mine.tainted:
            why = self.excuses[0] if self.excuses else "a client outstayed its lease, or left from an excused time"
            if not any(d.address == address and {d.first, d.second} == {other.key, mine.key} for d in self.doubles):
                self.doubles.append(Double(address, other.key, mine.key, now, why))
            self.world.say(f"tolerated: {format_ipv4(address)} has two holders, {other.name} and {mine.name}: {why}")
            mine.tainted = other.tainted = True
            return
        raise Violation(
            "one holder",
            f"{format_ipv4(address)} was given to {mine.name} until {clock_text(mine.end)} by"
            f" {format_ipv4(mine.server)}, while {other.name} holds it until {clock_text(other.end)}"
            f" (another {other.end - now:.1f} s) from {format_ipv4(other.server)}",
            format_ipv4(address), mine.name, other.name,
        )  # fmt: skip

    def released(self, address: int, key: bytes) -> None:
        """A server hears that a client gives the address up: it holds it no more, also where it has it anew meanwhile
        from the same or the other server."""
        self._released[address, key] = self.world.now
        self.drop(address, key)

    def decline(self, address: int, key: bytes) -> None:
        """A client has found the address in use: whoever else holds it, or gets it from a server that has not heard of
        that yet, loses it when the servers meet (draft figure 7.1.3-1)."""
        self.declined[address] = self.world.now
        self.drop(address, key)
        for held in self.held.get(address, {}).values():
            held.tainted = True

    def drop(self, address: int, key: bytes) -> None:
        """A client holds the address no more."""
        here = self.held.get(address)
        if here is not None:
            here.pop(key, None)

    def of(self, address: int, key: bytes) -> Held | None:
        """Return a promise that is valid now, or None."""
        held = self.held.get(address, {}).get(key)
        return held if held is not None and held.end > self.world.now else None

    def valid(self) -> list[tuple[int, Held]]:
        """Return all promises that are valid now."""
        now = self.world.now
        return [(address, held) for address, here in self.held.items() for held in here.values() if held.end > now]

    # --- excuses ----------------------------------------------------------------------------------------

    def excuse(self, why: str) -> None:
        """From now on two holders are possible: what is held becomes tainted with its next ACK."""
        self.world.say(f"from now on two holders are possible: {why}")
        self.excuses.append(why)

    def excused_no_more(self) -> None:
        """The pair knows all again: from now on no new double is tolerated."""
        if self.excuses:
            self.world.say("from now on no new double holder is tolerated")
            self.excuses.clear()
