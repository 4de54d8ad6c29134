"""The clients of a rehearsal: they come, keep their lease while they stay, and go; and what they went through.

Does not know servers, nor why one is not served: it is told that at the moment it happens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tandem.sim.clients import AWAY, BOUND, REBINDING, REBOOTING, RENEWING, REQUESTING, SELECTING, Client, Habits
from tandem.sim.field import Field
from tandem.sim.ledger import Ledger
from tandem.sim.settings import Subnet
from tandem.sim.world import World
from tandem.wire import dhcp

RELEASES = 0.3
"""Which part of the clients says so when it goes; the others' leases run out."""
_ASKS_WHY = 3
"""At which of its four tries it is found out why a client gets no answer."""
NEW, LOST, NAKED = "got no address", "lost a lease", "had an address refused (NAK)"


@dataclass(slots=True)
class Refusal:
    """A client that was not served."""

    client: str
    segment: str
    what: str
    since: float
    """From when on it was without (true time)."""
    why: dict[str, str]
    """What each server did with it, and why."""
    until: float | None = None
    """When it had an address again, or left; None = it still had none at the end."""
    served: bool = False


@dataclass(slots=True)
class Grant:
    """A lease that a client got."""

    when: float
    server: int
    address: int
    hardware: bytes
    lease_s: int
    renewed: bool
    """Whether it extended a lease (else it is a new one)."""


@dataclass
class Watch:
    """What the clients went through."""

    explain: Callable[[Guest], dict[str, str]]
    """Says for each server why it does not serve a client now."""
    name_of: Callable[[int], str]
    """Names a server by its address."""
    grants: list[Grant] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    waits: list[tuple[float, float]] = field(default_factory=list)
    """When a new client came, and for how long it waited for its lease."""
    came: list[float] = field(default_factory=list)
    """When new clients came."""


class Guest(Client):
    """A client that comes once."""

    def __init__(
        self, world: World, field: Field, ledger: Ledger, number: int, subnet: Subnet, habits: Habits, watch: Watch,
        full_s: Callable[[int, bytes], int], settled_at: float, key: bytes = b"",
    ) -> None:  # fmt: skip
        """``full_s``: the lease time by the policies. Who has such a lease before ``settled_at`` extends it once at a
        moment drawn by chance, as if it had had it for long. ``key``: what a reservation knows the client by; empty:
        a stranger."""
        named = key[2:] if key[:2] == b"h\x01" else b""
        super().__init__(world, field, ledger, number, named or b"\x02\x01" + number.to_bytes(4, "big"), subnet, habits)
        if key:
            self.client_id, self.key = key[1:] if key[:1] == b"i" else b"", key
        self._watch, self._full_s, self._settled_at = watch, full_s, settled_at
        self._wants_since: float | None = None
        self._refusal: Refusal | None = None
        self._why: dict[str, str] = {}
        self._phase: Random | None = world.chance(f"phase {number}")

    @property
    def hardware(self) -> bytes:
        """Type byte and address."""
        return b"\x01" + self.chaddr

    def arrive(self) -> None:
        """Come, and look for an address."""
        self._watch.came.append(self.world.now)
        self._wants_since = self.world.now
        super().arrive()

    def _discover_again(self) -> None:
        super()._discover_again()
        if self._try == _ASKS_WHY and self._refusal is None:
            self._why = self._watch.explain(self)
        if self._try == 0 and self.state == SELECTING and self._refusal is None:
            self._refuse(NEW, self._wants_since if self._wants_since is not None else self.world.now)

    def _refuse(self, what: str, since: float, said: dict[str, str] | None = None) -> None:
        why = said or (self._why if what == NEW else {}) or self._watch.explain(self)
        self._refusal = Refusal(self.name, self.subnet.name, what, since, why)
        self._watch.refusals.append(self._refusal)

    def _take(self, message: dhcp.Message) -> None:
        state, now = self.state, self.world.now
        super()._take(message)
        lease_s = int.from_bytes(message.options[51], "big")
        self._watch.grants.append(
            Grant(now, self.server, self.address, self.hardware, lease_s, state in (RENEWING, REBINDING, REBOOTING))
        )
        if self._wants_since is not None:
            self._watch.waits.append((self._wants_since, now - self._wants_since))
            self._wants_since = None
        self._close(served=True)

    def _bound(self) -> None:
        if self._phase is not None and self.world.now < self._settled_at:
            full_s = self._full_s(self.address, self.hardware)
            if self.end - self.world.now >= 0.95 * full_s:
                self._enter(BOUND, self._phase.uniform(0, self._t1 - self.world.now))
                self._phase = None
                return
        super()._bound()

    def _lease_timer(self) -> None:
        if self.world.now < self._t1:  # sooner than it must, see above
            self._t1 = self.world.now
        super()._lease_timer()

    def _over(self) -> None:
        self._refuse(LOST, self.world.now)
        super()._over()

    def _refused(self, message: dhcp.Message) -> None:
        if self.state != REQUESTING and self.end > self.world.now:
            text = message.options.get(56, b"").decode("ascii", "replace")
            server = int.from_bytes(message.options[54], "big")
            self._refuse(NAKED, self.world.now, {self._watch.name_of(server): text})
        super()._refused(message)

    def _leave(self, planned: float) -> None:
        if not self.frozen and planned == self._leaves_at:
            self._close(served=False)
        super()._leave(planned)

    def go(self) -> None:
        """Leave now, and say so."""
        self._leaves_at = self.world.now
        self._close(served=False)
        self._release()
        self._enter(AWAY)

    def _close(self, served: bool) -> None:
        if self._refusal is not None:
            self._refusal.until, self._refusal.served = self.world.now, served
            self._refusal = None
