"""The story that the demonstration plays: faults, and what the operator does about them.

Each step does something and then waits for what must follow from it, with a deadline; nothing waits for a bare
length of time (only a reader is given a few seconds for each line). Does not know how things are shown.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar

from tandem.base.errors import CommandError
from tandem.demo import settings
from tandem.demo.ledger import How, Ledger
from tandem.demo.population import Population
from tandem.demo.servers import DemoError, Server
from tandem.demo.worlds import World

_NORMAL = "NORMAL"
_INTERRUPTED = "COMMUNICATIONS-INTERRUPTED"
_PARTNER_DOWN = "PARTNER-DOWN"
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the story."""

    title: str
    text: str
    """What happens and why, in one line."""
    play: Callable[[Story], Awaitable[None]]


class Story:
    """Plays the steps."""

    STEPS: ClassVar[list[Step]] = []

    def __init__(
        self, world: World, main: Server, backup: Server, population: Population, ledger: Ledger, read_s: float
    ) -> None:
        """``read_s``: how long each step stays at least, for a reader."""
        self.world = world
        self.main = main
        self.backup = backup
        self.population = population
        self.ledger = ledger
        self.at = -1
        """The number of the current step; ``len(STEPS)`` when the story is over."""
        self.waits_for = ""
        self.doors = asyncio.Event()
        """Open when clients may come."""
        self.started_at = time.monotonic()
        self.results: list[str] = []
        """What each step that is over came to."""
        self._read_s = read_s
        self._result = ""
        self._began = 0.0
        self._over_at = 0.0

    @property
    def over(self) -> bool:
        """Whether all steps have been played."""
        return self.at == len(self.STEPS)

    def passed_s(self, now: float) -> float:
        """Return how long the story has taken so far, or took."""
        return (self._over_at or now) - self.started_at

    async def play(self, told: Callable[[], None]) -> None:
        """Play all steps; call ``told`` whenever one begins and when all are over. Raises DemoError."""
        for number, step in enumerate(self.STEPS):
            self.at = number
            self._result = ""
            self._began = time.monotonic()
            told()
            await step.play(self)
            await self._until("you have read this", self._read, self._read_s + 1)
            self.results.append(self._result)
        self.at = len(self.STEPS)
        self.waits_for = ""
        self._over_at = time.monotonic()
        told()

    def _read(self) -> bool:
        return time.monotonic() >= self._began + self._read_s

    async def _until(self, what: str, probe: Callable[[], bool], within_s: float) -> None:
        """Wait until ``probe`` holds. Raises DemoError after ``within_s``, or when the whole story takes too long."""
        self.waits_for = what
        now = time.monotonic()
        give_up = min(now + within_s, self.started_at + settings.STORY_S)
        while not probe():
            if time.monotonic() >= give_up:
                raise DemoError(self._what_is_wrong(what, time.monotonic() - now))
            await asyncio.sleep(_LOOK_S)

    def _what_is_wrong(self, what: str, waited_s: float) -> str:
        states = "; ".join(
            f"the {server.role} is {server.seen.state or 'not running'} (went through {', '.join(server.states)})"
            for server in (self.main, self.backup)
        )
        people = self.population
        return (
            f"waited {waited_s:.0f} s in vain until {what}: {states}; {people.holding} clients have an address, "
            f"{people.waiting} wait for one\n{self.main.story()}\n{self.backup.story()}"
        )

    def _states(self, main: str, backup: str) -> bool:
        return (self.main.seen.state, self.backup.seen.state) == (main, backup)

    def _acks(self, server: Server, *how: How) -> int:
        served = self.ledger.served.get(server.number)
        return 0 if served is None else sum(served.counts[kind] for kind in how)

    # --- the steps ----------------------------------------------------------------------------------------

    async def pair_forms(self) -> None:
        """Start and configure both."""
        await self.world.open()
        await asyncio.gather(self.main.start(), self.backup.start())
        await asyncio.gather(self._up(self.main), self._up(self.backup))
        batch = settings.batch(self.main.address, self.backup.address)
        for server in (self.main, self.backup):
            self.waits_for = f"nrcmd has configured the {server.role}"
            await server.nrcmd(*batch)
        await self._until("both are NORMAL", lambda: self._states(_NORMAL, _NORMAL), 30)
        self._result = f"the same {len(batch)} nrcmd commands on both; each knew its role by its address"

    async def _up(self, server: Server) -> None:
        self.waits_for = f"the {server.role} answers"
        give_up = time.monotonic() + 30
        while not await server.up():
            if time.monotonic() >= give_up:
                raise DemoError(f"the {server.role} did not come up within 30 s:\n{server.story()}")
            await asyncio.sleep(_LOOK_S)

    async def clients_arrive(self) -> None:
        """A crowd, and its first renewals."""
        people = self.population
        self.doors.set()
        people.expect(settings.FIRST_CLIENTS, settings.FIRST_PER_S)
        wanted = settings.FIRST_CLIENTS
        await self._until(f"{wanted} clients have an address", lambda: people.holding >= wanted, 40)
        people.departures_per_s = settings.DEPARTURES_PER_S
        await self._until(
            "a quarter of them has renewed", lambda: self._acks(self.main, How.RENEWED) >= wanted // 4, 30
        )
        await self._until("the backup knows it all", lambda: self._outstanding() == 0, 15)
        by = [sum(self._acks(server, how) for how in How) for server in (self.main, self.backup)]
        self._result = f"{people.holding} leases, known to both; the main answered {by[0]} times, the backup {by[1]}"

    def _outstanding(self) -> int:
        facts = self.main.seen.facts
        return int(facts.get("updates-outstanding", 1)) + int(facts.get("updates-waiting", 0))

    async def main_dies(self) -> None:
        """SIGKILL."""
        at = time.monotonic()
        await self.main.kill()
        await self._until(f"the backup is {_INTERRUPTED}", lambda: self.backup.seen.state == _INTERRUPTED, 10)
        self._result = f"the backup noticed within {max(self.backup.seen.since - at, 0.1):.1f} s"

    async def backup_goes_on(self) -> None:
        """Renewals, and newcomers until the backup's own share is used up."""
        before_old = self._acks(self.backup, How.RENEWED, How.REBOUND)
        before_new = self._acks(self.backup, How.NEW)
        people = self.population
        people.expect(settings.RUSH, settings.RUSH_PER_S)

        def old() -> int:
            return self._acks(self.backup, How.RENEWED, How.REBOUND) - before_old

        def new() -> int:
            return self._acks(self.backup, How.NEW) - before_new

        await self._until("the main's clients have turned to the backup", lambda: old() >= 40 and new() >= 20, 30)
        await self._until(
            "newcomers have used up the backup's share", lambda: not people.arriving and people.waiting > 0, 30
        )
        self._result = f"{old()} leases of the main's extended, {new()} newcomers served, {people.waiting} have to wait"

    async def partner_down(self) -> None:
        """The operator says that the main is down."""
        waited = self.population.waiting
        await self.backup.nrcmd(f"dhcp setPartnerDown {self.main.address}")
        await self._until(f"the backup is {_PARTNER_DOWN}", lambda: self.backup.seen.state == _PARTNER_DOWN, 10)
        await self._until(
            f"the lead time of {settings.LEAD_S} s is over and those who waited have an address of the main's",
            lambda: self.population.waiting == 0, settings.LEAD_S + 15,
        )  # fmt: skip
        self._result = f"the {waited} who waited have addresses of the main's share"

    async def main_returns(self) -> None:
        """Start it again with what was on its disk."""
        told = len(self.main.state_changes())
        await self.main.start()
        await self._up(self.main)
        await self._until("both are NORMAL", lambda: self._states(_NORMAL, _NORMAL), 30)
        went: list[str] = []

        def logged() -> bool:
            went[:] = self.main.state_changes()[told:]
            return went[-1:] == [_NORMAL]

        await self._until("the main's log tells of it", logged, 5)  # it is written to the file a moment later
        self._result = f"the main went {' > '.join(went)}"

    async def line_is_cut(self) -> None:
        """Both live and cannot speak to each other."""
        before = [self._acks(server, How.NEW) for server in (self.main, self.backup)]
        await self.world.cut()
        await self._until("both notice", lambda: self._states(_INTERRUPTED, _INTERRUPTED), 15)
        self.population.expect(settings.SPLIT_CLIENTS, settings.SPLIT_PER_S)

        def new() -> list[int]:
            servers = (self.main, self.backup)
            return [self._acks(s, How.NEW) - b for s, b in zip(servers, before, strict=True)]

        await self._until("each has served newcomers from its own share", lambda: min(new()) >= 5, 30)
        self._result = f"newcomers served meanwhile: {new()[0]} by the main, {new()[1]} by the backup"

    async def line_is_mended(self) -> None:
        """Until the books are equal."""
        await self.world.mend()
        await self._until("both are NORMAL", lambda: self._states(_NORMAL, _NORMAL), 30)
        self.waits_for = "both books are equal"
        give_up = time.monotonic() + 15
        while (count := await self._equal_books()) is None:
            if time.monotonic() >= give_up:
                raise DemoError(self._what_is_wrong("both books are equal", 15))
            await asyncio.sleep(_LOOK_S)
        self._result = f"both books list the same {count} leases: address, client and end"

    async def _equal_books(self) -> int | None:
        """Return how many leases both books list, or None when they differ."""
        try:
            main, backup = await asyncio.gather(self.main.leases(), self.backup.leases())
        except CommandError as error:
            raise DemoError(f"a server cannot be asked for its leases: {error}") from None
        return len(main) if main == backup else None


Story.STEPS = [
    Step("The pair forms", "Two servers, one configuration: the address tells each whether it is main or backup. "
         "They meet and the main gives the backup a share of the free addresses.", Story.pair_forms),
    Step("Clients arrive", "The main answers all of them and tells the backup of every lease, after the client has "
         "its answer.", Story.clients_arrive),
    Step("The main is killed", "kill -9, in the middle of its work. No goodbye, and updates may be lost on the way.",
         Story.main_dies),
    Step("The backup goes on", "It extends the main's leases by no more than the lead time, and gives newcomers "
         "addresses only of its own share: the main might be alive.", Story.backup_goes_on),
    Step("The operator: partner down", "Nobody but a person can know that the main is dead: 'dhcp setPartnerDown'. "
         "After the lead time the main's addresses may be used too.", Story.partner_down),
    Step("The main returns", "It finds its own disk, asks the backup for all that it missed, and takes over again.",
         Story.main_returns),
    Step("The line between them is cut", "Both live, neither knows of the other, both serve: each from its own share, "
         "so no address is given twice.", Story.line_is_cut),
    Step("The line is mended", "They tell each other what they did, settle it lease by lease, and their books "
         "agree.", Story.line_is_mended),
]  # fmt: skip
