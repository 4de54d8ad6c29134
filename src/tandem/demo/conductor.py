"""The process that conducts the demonstration: builds the world, plays the story, shows it, and sums up.

Started by ``program``, which gives it a directory, two listening sockets for the clusters' APIs, and a pipe that
ends when the demonstration is to end.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live

from tandem.demo.ledger import Ledger
from tandem.demo.population import Population
from tandem.demo.realclient import RealClient
from tandem.demo.servers import DemoError, Server, watch
from tandem.demo.settings import DEPARTURES_PER_S, TIMES, USER
from tandem.demo.stage import Stage
from tandem.demo.story import Story
from tandem.demo.view import View, status_line, summary
from tandem.demo.worlds import Lan, Loopback, World

_FRAMES_PER_S = 5
_SAY_S = 5.0
_READ_S = 5.0
_ENDLESS = 1_000_000_000
INTERRUPTED = 130
"""Exit status of a demonstration that was ended before its story was over."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What ``program`` hands over."""

    directory: str
    life_fd: int
    api_fds: list[int]
    api_ports: list[int]
    password: str
    loopback: bool
    plain: bool
    stay: bool

    def text(self) -> str:
        """Return it as one argument of a command line."""
        return json.dumps(asdict(self))


class Conductor:
    """One demonstration."""

    def __init__(self, orders: Orders) -> None:
        """Build the world. Raises OSError."""
        directory = Path(orders.directory)
        self._orders = orders
        self._console = Console(highlight=False)
        self.world: World = Loopback() if orders.loopback else Lan(directory)
        self.ledger = Ledger()
        self.population = Population(self.world.carrier, self.ledger)
        places = (("main", self.world.main), ("backup", self.world.backup))
        self.main, self.backup = (
            Server(role, place, directory / role, fd, port, orders.password)
            for (role, place), fd, port in zip(places, orders.api_fds, orders.api_ports, strict=True)
        )
        self.story = Story(
            self.world, self.main, self.backup, self.population, self.ledger, 0.0 if self._lines else _READ_S
        )
        self._view = View(self.story, self.population, self.ledger, _how_to_connect(orders) if orders.stay else [])
        self._stage = Stage(self.story, self.population, directory)
        self._live = Live(self._view, console=self._console, screen=True, auto_refresh=False)

    @property
    def _lines(self) -> bool:
        """Whether there is no terminal to paint on."""
        return self._orders.plain or not self._console.is_terminal

    async def conduct(self) -> int:
        """Play the story and sum up; return the exit status. Raises DemoError."""
        await self._stage.open()
        try:
            with self._display():
                await self._run()
            if not self.story.over:
                return INTERRUPTED
            if not self._lines:
                self._recap()
            summary(self._console, self.story, self.ledger)
            return 0 if self.ledger.clean else 1
        finally:
            self._stage.close()
            for client in self.world.real_clients:
                client.stop()
            await asyncio.gather(self.main.stop(), self.backup.stop())
            await self.world.close()

    async def _run(self) -> None:
        """Let everything happen until the story is over (and, to stay, until told to end)."""
        real = [self._real(client) for client in self.world.real_clients]
        works = [self._life_ends(), self._story(), watch(self.main, self.backup), self.population.live(), *real]
        works.append(self._say() if self._lines else self._paint())
        tasks = [asyncio.create_task(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # raises what went wrong
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _real(self, client: RealClient) -> None:
        await self.story.doors.wait()
        await client.live(self.ledger)

    async def _life_ends(self) -> None:
        """Return when the pipe from the parent closes: Ctrl-C, or it was killed."""
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._orders.life_fd, ended.set)
        await ended.wait()
        asyncio.get_running_loop().remove_reader(self._orders.life_fd)

    async def _story(self) -> None:
        await self.story.play(self._say_step if self._lines else lambda: None)
        if self._orders.stay:
            self.population.expect(_ENDLESS, DEPARTURES_PER_S)
            await self._introduce()
            self._view.how_to_connect += await self._pages()
            if self._lines:
                print("\n".join(self._view.how_to_connect), flush=True)
            await asyncio.Event().wait()

    async def _introduce(self) -> None:
        """Let each cluster log in at the other's, so that they can be synchronized and notice drift."""
        pair = f"{self.main.address}-{self.backup.address}"
        login = f"remote-username={USER} remote-password={self._orders.password}"
        for server in (self.main, self.backup):
            await server.nrcmd(f"failover-pair {pair} set {login} drift-check-interval=10s")

    async def _pages(self) -> list[str]:
        """Return how to get to the servers' pages: links that log in once."""
        lines = ["Or open a server's pages; each link logs you in once, within ten minutes:"]
        for server in (self.main, self.backup):
            lines.append(f"  {await self._stage.login_link(server)}    # the {server.role}")
        return lines

    # --- showing ------------------------------------------------------------------------------------------

    def _display(self) -> AbstractContextManager[object]:
        """Return what is up while things happen: the live picture, painted by ``_paint`` and by no thread."""
        if self._lines:
            print(f"Tandem demonstration: {self.world.name}", flush=True)
            print(f"Not for a real network: {TIMES}", flush=True)
            return nullcontext()
        return self._live

    def _recap(self) -> None:
        for number, result in enumerate(self.story.results):
            self._console.print(f"[green]✔[/] {self.story.STEPS[number].title}: {result}")

    def _say_step(self) -> None:
        story = self.story
        if story.results:
            self._line(f"        = {story.results[-1]}")
        if not story.over:
            step = story.STEPS[story.at]
            self._line(f"[{story.at + 1}/{len(story.STEPS)}] {step.title}. {step.text}")

    async def _paint(self) -> None:
        while True:
            self._live.refresh()
            await asyncio.sleep(1 / _FRAMES_PER_S)

    async def _say(self) -> None:
        while True:
            await asyncio.sleep(_SAY_S)
            self._line(f"        {status_line(self.story, self.population, self.ledger)}")

    def _line(self, text: str) -> None:
        print(f"{time.monotonic() - self.story.started_at:5.1f} {text}", flush=True)


def _how_to_connect(orders: Orders) -> list[str]:
    nrcmd = Path(sys.executable).parent / "nrcmd"
    lines = ["The pair and its clients stay up until Ctrl-C. Connect from another terminal:"]
    known = Path(orders.directory) / "known-clusters"
    lines.append(f"  export AIC_NAME={USER} AIC_PASSWORD={orders.password} AIC_KNOWN_CLUSTERS={known}")
    for role, port in zip(("main", "backup"), orders.api_ports, strict=True):
        lines.append(f"  {nrcmd} -C 127.0.0.1:{port}    # the {role}; then, for instance: dhcp getRelatedServers")
    return lines


async def _conduct(orders: Orders) -> int:
    return await Conductor(orders).conduct()


def main() -> int:
    """Conduct a demonstration; return its exit status: 0 only if the clients' ledger is clean."""
    orders = Orders(**json.loads(sys.argv[1]))
    os.set_inheritable(orders.life_fd, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C as well, and closes the pipe
    try:
        return asyncio.run(_conduct(orders))
    except (DemoError, OSError) as error:
        print(f"tandem demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
