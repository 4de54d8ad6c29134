"""What a person sees of the demonstration: a live picture in a terminal, or lines where there is none.

Reads the story, the servers and the ledger; changes nothing.
"""

from __future__ import annotations

import statistics
import time

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from tandem.demo import settings
from tandem.demo.ledger import How, Ledger
from tandem.demo.population import CHOOSING_S, Population
from tandem.demo.servers import KILLED, NOT_STARTED, STARTING, Server
from tandem.demo.story import Story

_CAUTION = "black on yellow"
_BARS = " ▁▂▃▄▅▆▇█"
_SPARK_S = 20
_SPARK_TOP = 24
"""Answers a second that fill a bar."""
_STARVED_S = 5.0
"""Who waited longer did not only lose a frame."""
_TALL = 38
"""Lines of a terminal from which on the whole story is shown."""
_COLOURS = {
    "NORMAL": "green",
    "COMMUNICATIONS-INTERRUPTED": "yellow",
    "PARTNER-DOWN": "dark_orange",
    KILLED: "red",
    NOT_STARTED: "grey50",
}
_WHY = {KILLED: "kill -9: nothing answers at its address.", STARTING: "The cluster starts its DHCP server."}
_SHARES = (
    ("leased", "leased", "blue"),
    ("main's share", "main-share", "green"),
    ("backup's share", "backup-share", "magenta"),
    ("not free yet", "pending-available", "grey62"),
)
"""Name, key in the server's view of the scope, colour."""


class Bar:
    """A bar over the whole width, in parts."""

    def __init__(self, parts: list[tuple[int, str]], total: int) -> None:
        """``parts``: (count, colour) each; what they lack of ``total`` is shown empty."""
        self._parts = parts
        self._total = max(total, 1)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, count, at = options.max_width, 0, 0
        bar = Text(no_wrap=True)
        for part, colour in self._parts:
            count += part
            end = max(round(count * width / self._total), at + (part > 0))
            bar.append("█" * (end - at), colour)
            at = end
        yield bar.append("░" * (width - at), "grey30")


class View:
    """Renders the state of things."""

    def __init__(self, story: Story, population: Population, ledger: Ledger, how_to_connect: list[str]) -> None:
        """``how_to_connect``: lines for an operator, shown when the story is over and the pair stays up."""
        self.how_to_connect = how_to_connect
        self._story = story
        self._population = population
        self._ledger = ledger

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        now = time.monotonic()
        story = self._story
        servers = Table.grid(expand=True, padding=0)
        servers.add_column(ratio=1)
        servers.add_column(ratio=1)
        brief = console.height < _TALL
        servers.add_row(self._server(story.main, now, brief), self._server(story.backup, now, brief))
        yield self._head(now)
        yield self._steps(brief)
        yield servers
        yield self._addresses()
        yield self._clients()

    def _head(self, now: float) -> RenderableType:
        passed = int(self._story.passed_s(now))
        grid = Table.grid(expand=True)
        grid.add_column()
        grid.add_column(justify="right")
        title = Text.assemble((" Tandem ", "bold white on blue"), "  a failover pair serves clients")
        grid.add_row(title, Text(f" {passed // 60}:{passed % 60:02} ", "bold"))
        return Group(grid, _line((f" Not for a real network: {settings.TIMES} ", _CAUTION)))

    # --- servers ------------------------------------------------------------------------------------------

    def _server(self, server: Server, now: float, brief: bool) -> RenderableType:
        seen, facts = server.seen, server.seen.facts
        colour = _COLOURS.get(seen.state or server.life, "cyan")
        since = f" for {int(now - seen.since)} s" if seen.since else ""
        told = int(facts.get("updates-outstanding", 0)) + int(facts.get("updates-waiting", 0))
        sent, lacks = facts.get("updates-sent", 0), facts.get("updates-untold", 0)
        updates = f"outstanding {told}, partner lacks {lacks}, sent {sent}"
        counters = seen.counters
        refused = (
            f"no address {counters.get('dhcp-dropped-no-address', 0)}, NAK {counters.get('dhcp-sent-nak', 0)}, "
            f"left to partner {counters.get('dhcp-dropped-failover', 0)}"
            if counters else "–"
        )  # fmt: skip
        lines = Table.grid(expand=True, padding=(0, 1, 0, 0))
        lines.add_column(width=9, style="grey62")
        lines.add_column(ratio=1)
        lines.add_row("state", _line(("● ", colour), (seen.state or server.life, f"bold {colour}"), since))
        lines.add_row("why", _Lines(str(facts.get("why", "")) or _WHY.get(server.life, ""), 2 - brief))
        lines.add_row("waits for", _Lines(str(facts.get("waits-for", "")) or "–", 2 - brief))
        lines.add_row("answers", _line(str(facts.get("answers", "nobody"))))
        lines.add_row("updates", _line(updates if facts else "–"))
        lines.add_row("refused", _line(refused))
        lines.add_row("served", self._served(server, now, colour))
        title = f"[bold]{server.role.upper()}[/] {server.address}"
        return Panel(lines, title=title, title_align="left", border_style=colour)

    def _served(self, server: Server, now: float, colour: str) -> Text:
        served = self._ledger.served.get(server.number)
        if served is None:
            return _line(("no client yet", "grey50"))
        bins = served.per_second(now, _SPARK_S)
        top = max(_SPARK_TOP, *bins)
        bars = "".join(_BARS[-(-count * 8 // top)] for count in bins)
        return _line((f"{served.total:<5}", "bold"), (bars, colour), f" {bins[-1]}/s")

    # --- addresses ----------------------------------------------------------------------------------------

    def _scope(self) -> dict[str, int]:
        """Return the better view of the scope: of the server that answers all clients, else of whoever is there."""
        alive = [server for server in (self._story.main, self._story.backup) if server.seen.scope]
        serving = [server for server in alive if server.seen.facts.get("answers") == "all clients"]
        return (serving or alive)[0].seen.scope if alive else {}

    def _addresses(self) -> RenderableType:
        scope = self._scope()
        parts: list[tuple[int, str]] = []
        legend = Text()
        for name, key, colour in _SHARES:
            count = int(scope.get(key, 0))
            parts.append((count, colour))
            legend.append("■ ", colour).append(f"{name} ").append(str(count), "bold").append("   ")
        title = f"[bold]SCOPE[/] {settings.ADDRESSES} addresses, {settings.RANGE[0]} – {settings.RANGE[1]}"
        body = Group(Bar(parts, settings.ADDRESSES), legend)
        return Panel(body, title=title, title_align="left", border_style="grey50")

    # --- clients ------------------------------------------------------------------------------------------

    def _clients(self) -> RenderableType:
        people, ledger = self._population, self._ledger
        rows = [
            Text.assemble(
                "held twice ", _verdict(len(ledger.held_twice)), "   failed renewals ", _verdict(len(ledger.failed)),
                f"   longest wait for a first address {ledger.longest_new_s:.1f} s",
            ),
            _facts(("holding a lease", people.holding), ("waiting for one", people.waiting),
                   ("renewing", people.renewing), ("have left", people.left)),
            _facts(("leases", ledger.count(How.NEW)), ("renewed", ledger.count(How.RENEWED)),
                   ("rebound", ledger.count(How.REBOUND)), ("by the other server", ledger.moved),
                   ("released", ledger.released), ("refused", ledger.refused)),
        ]  # fmt: skip
        real = [f"{client.program} {client.last}" for client in self._story.world.real_clients]
        if real:
            rows.append(Text("real programs among them: " + ",  ".join(real), "grey70"))
        return Panel(Group(*rows), title="[bold]CLIENTS[/] by their own ledger", title_align="left",
                     border_style="grey50")  # fmt: skip

    # --- story --------------------------------------------------------------------------------------------

    def _steps(self, brief: bool) -> RenderableType:
        story = self._story
        lines = Table.grid(expand=True, padding=(0, 1, 0, 0))
        lines.add_column(width=1)
        lines.add_column(ratio=1)
        for number, step in enumerate(story.STEPS):
            if brief and abs(number - min(story.at, len(story.STEPS) - 1)) > 1:
                continue
            if number < story.at:
                result = (f"  {story.results[number]}", "grey62")
                lines.add_row(Text("✔", "green"), _line(step.title, result))
            elif number == story.at:
                text = Text.assemble((step.title, "bold yellow"), f". {step.text}")
                lines.add_row(Text("▶", "bold yellow"), text)
                lines.add_row("", _line((f"… until {story.waits_for}", "italic grey70")))
            else:
                coming = "  comes next" if number == story.at + 1 else ""
                lines.add_row(Text("·", "grey50"), Text(step.title + coming, "grey50"))
        body = Group(lines, *(Text(line, "bold") for line in self.how_to_connect)) if story.over else lines
        return Panel(body, title="[bold]STORY[/]", title_align="left", border_style="yellow")


def _line(*parts: str | tuple[str, str]) -> Text:
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


class _Lines:
    """A text in exactly so many lines, so that nothing below it jumps."""

    def __init__(self, text: str, count: int) -> None:
        self._text = Text(text)
        self._count = count

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = list(self._text.wrap(console, options.max_width))[: self._count]
        yield Text("\n").join(lines + [Text()] * (self._count - len(lines)))


def _facts(*facts: tuple[str, int]) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    for name, count in facts:
        text.append(f"{name} ").append(str(count), "bold").append("   ")
    return text


def _verdict(count: int) -> tuple[str, str]:
    return (str(count), "bold red" if count else "bold green")


def status_line(story: Story, population: Population, ledger: Ledger) -> str:
    """Return one line that says how things are, for logs."""
    servers = ", ".join(f"{server.role} {server.seen.state or 'gone'}" for server in (story.main, story.backup))
    by = ", ".join(
        f"{server.role} {served.total}"
        for server in (story.main, story.backup)
        if (served := ledger.served.get(server.number))
    )
    return (
        f"{servers}; {population.holding} hold a lease, {population.waiting} wait; answered by {by or 'nobody'}; "
        f"held twice {len(ledger.held_twice)}, failed renewals {len(ledger.failed)}; until {story.waits_for}"
    )


def summary(console: Console, story: Story, ledger: Ledger) -> None:
    """Print what the clients' ledger says in the end."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="grey62")
    table.add_column()
    for server in (story.main, story.backup):
        served = ledger.served.get(server.number)
        counts = served.counts if served is not None else {}
        table.add_row(
            f"{server.role} {server.address}",
            ", ".join(f"{counts.get(how, 0)} {how.value}" for how in How),
        )
    half_s = statistics.median(ledger.waits_s) if ledger.waits_s else 0.0
    starved = ", by a newcomer when no address could be given" if ledger.longest_new_s > _STARVED_S else ""
    closest = f"{ledger.closest_s:.1f} s" if ledger.closest_s < float("inf") else "–"
    rows = [
        ("clients", f"{len(ledger.clients)}, with {ledger.count(How.NEW)} leases"),
        ("renewals", f"{ledger.count(How.RENEWED) + ledger.count(How.REBOUND)}, of which {ledger.moved} by the other "
                     "server than the one that had given the lease"),
        ("longest wait to renew", f"{ledger.longest_renewal_s:.1f} s; the lease with the least time left still had "
                                  f"{closest}"),
        ("longest wait for a lease", f"{ledger.longest_new_s:.1f} s{starved}; half of all waited "
                                     f"{half_s * 1000:.0f} ms or less ({CHOOSING_S * 1000:.0f} ms to collect offers)"),
        ("refused", str(ledger.refused)),
        ("addresses held twice", str(len(ledger.held_twice))),
        ("failed renewals", str(len(ledger.failed))),
    ]  # fmt: skip
    for name, value in rows:
        table.add_row(name, value)
    for client in story.world.real_clients:
        table.add_row(f"real client {client.program}", f"{client.answers} acknowledgements")
    took_s = story.passed_s(time.monotonic())
    console.print(Rule(f"What the clients' own ledger says, after {took_s:.0f} s", style="blue"))
    console.print(table)
    for line in [*ledger.held_twice[:10], *ledger.failed[:10]]:
        console.print(f"  {line}", style="red")
    if ledger.clean:
        console.print("PASSED: no address was held twice, and no renewal failed.", style="bold green")
    else:
        console.print("FAILED: see the lines above.", style="bold red")
