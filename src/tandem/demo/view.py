"""What a person sees of the demonstration: a live picture in a terminal, or lines where there is none.

Reads the story, the servers and the ledger; changes nothing.
"""

from __future__ import annotations

import time

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from tandem.demo import settings
from tandem.demo.ledger import How, Ledger
from tandem.demo.population import Population
from tandem.demo.servers import Server
from tandem.demo.story import Story

_BARS = " ▁▂▃▄▅▆▇█"
_SPARK_S = 24
_COLOURS = {
    "NORMAL": "green",
    "COMMUNICATIONS-INTERRUPTED": "yellow",
    "PARTNER-DOWN": "dark_orange",
    "": "red",
}
_SHARES = (("leased", "blue"), ("main's share", "green"), ("backup's share", "magenta"), ("not yet free", "grey50"))


class View:
    """Renders the state of things."""

    def __init__(self, story: Story, population: Population, ledger: Ledger, how_to_connect: list[str]) -> None:
        """``how_to_connect``: lines for an operator, shown when the story is over and the pair stays up."""
        self.how_to_connect = how_to_connect
        self._story = story
        self._population = population
        self._ledger = ledger

    def __rich__(self) -> RenderableType:
        now = time.monotonic()
        story = self._story
        servers = Table.grid(expand=True, padding=0)
        servers.add_column(ratio=1)
        servers.add_column(ratio=1)
        servers.add_row(self._server(story.main, now), self._server(story.backup, now))
        return Group(self._head(now), servers, self._addresses(), self._clients(now), self._steps(now))

    def _head(self, now: float) -> RenderableType:
        passed = int(self._story.passed_s(now))
        grid = Table.grid(expand=True)
        grid.add_column()
        grid.add_column(justify="right")
        title = Text.assemble((" Tandem ", "bold white on blue"), "  a failover pair serves clients")
        grid.add_row(title, Text(f"{passed // 60}:{passed % 60:02} ", "bold"))
        note = Text(f" A demonstration's times, not for a real network: {settings.TIMES}", "black on yellow")
        return Group(grid, note)

    # --- servers ------------------------------------------------------------------------------------------

    def _server(self, server: Server, now: float) -> RenderableType:
        seen, facts = server.seen, server.seen.facts
        colour = _COLOURS.get(seen.state, "cyan")
        state = seen.state or ("KILLED" if server.states else "starting")
        if not seen.state and not server.states:
            colour = "grey50"
        since = f" for {int(now - seen.since)} s" if seen.since else ""
        why = str(facts.get("why", "")) or ("Nothing answers at its address." if server.states else "")
        waits = str(facts.get("waits-for", ""))
        lines = Table.grid(expand=True, padding=(0, 1, 0, 0))
        lines.add_column(width=9, style="grey62")
        lines.add_column(ratio=1)
        lines.add_row("state", Text.assemble(("● ", colour), (state, f"bold {colour}"), since))
        lines.add_row("why", Text(why))
        lines.add_row("waits for", Text(waits or "–"))
        told = facts.get("updates-outstanding", 0) + facts.get("updates-waiting", 0)
        behind = max(int(facts.get("updates-untold", 0)), told)
        updates = f"{facts.get('updates-sent', 0)} sent, {told} outstanding"
        updates += f", {behind} the partner does not know" if behind > told else ""
        lines.add_row("updates", Text(updates if facts else "–"))
        lines.add_row("answers", Text(str(facts.get("answers", "nobody"))))
        lines.add_row("served", self._served(server, now, colour))
        title = f"[bold]{server.role.upper()}[/] {server.address}"
        return Panel(lines, title=title, title_align="left", border_style=colour, height=9)

    def _served(self, server: Server, now: float, colour: str) -> Text:
        served = self._ledger.served.get(server.number)
        if served is None:
            return Text("no client yet", "grey50")
        bins = served.per_second(now, _SPARK_S)
        top = max(24, *bins)
        bars = "".join(_BARS[-(-count * 8 // top)] for count in bins)
        return Text.assemble((bars, colour), f" {served.total} clients' requests")

    # --- addresses ----------------------------------------------------------------------------------------

    def _scope(self) -> dict[str, int]:
        """Return the better view of the scope: of the server that answers all clients, else of whoever is there."""
        servers = (self._story.main, self._story.backup)
        alive = [s for s in servers if s.seen.scope]
        serving = [s for s in alive if s.seen.facts.get("answers") == "all clients"]
        return (serving or alive)[0].seen.scope if alive else {}

    def _addresses(self) -> RenderableType:
        scope = self._scope()
        counts = [
            int(scope.get(key, 0)) for key in ("leased", "main-share", "backup-share", "pending-available")
        ]
        total = max(settings.ADDRESSES, sum(counts), 1)
        bar = Table.grid(expand=True, padding=0)
        legend = Text()
        cells: list[RenderableType] = []
        for (name, colour), count in zip(_SHARES, counts, strict=True):
            legend.append("■ ", colour).append(f"{name} {count}   ")
            if count:
                bar.add_column(ratio=max(1, round(count * 400 / total)))
                cells.append(Rule(characters="█", style=colour))
        rest = total - sum(counts)
        legend.append(f"of {total} addresses", "grey62")
        if rest > 0:
            bar.add_column(ratio=max(1, round(rest * 400 / total)))
            cells.append(Rule(characters="░", style="grey30"))
        bar.add_row(*cells)
        title = f"[bold]ADDRESSES[/] {settings.RANGE[0]} – {settings.RANGE[1]}"
        return Panel(Group(bar, legend), title=title, title_align="left", border_style="grey50")

    # --- clients ------------------------------------------------------------------------------------------

    def _clients(self, now: float) -> RenderableType:
        people, ledger = self._population, self._ledger
        grid = Table.grid(expand=True, padding=(0, 1, 0, 0))
        for ratio in (5, 6, 5):
            grid.add_column(ratio=ratio)
        waiting = Text.assemble("waiting ", (str(people.waiting), "bold yellow" if people.waiting else "bold"))
        grid.add_row(
            Text.assemble("holding a lease ", (str(people.holding), "bold")),
            Text.assemble(
                "leases ", (str(ledger.count(How.NEW)), "bold"), ", renewed ", (str(ledger.count(How.RENEWED)), "bold"),
                ", rebound ", (str(ledger.count(How.REBOUND)), "bold"),
            ),
            Text.assemble(waiting, f", refused {ledger.refused}"),
        )  # fmt: skip
        grid.add_row(
            Text(f"longest wait, first answer {ledger.longest_new_s:.1f} s"),
            Text(f"moved to the other server {ledger.moved}, released {ledger.released}"),
            Text.assemble(
                "held twice ", _verdict(len(ledger.held_twice)), "  failed renewals ", _verdict(len(ledger.failed))
            ),
        )
        real = [f"{client.program}: {client.last}" for client in self._story.world.real_clients]
        body: list[RenderableType] = [grid]
        if real:
            body.append(Text("real programs  " + "   ".join(real), "grey70"))
        return Panel(Group(*body), title="[bold]CLIENTS[/] by their own ledger", title_align="left",
                     border_style="grey50")  # fmt: skip

    # --- story --------------------------------------------------------------------------------------------

    def _steps(self, now: float) -> RenderableType:
        story = self._story
        lines = Table.grid(expand=True, padding=(0, 1, 0, 0))
        lines.add_column(width=2)
        lines.add_column(ratio=1)
        for number, step in enumerate(story.STEPS):
            if number < story.at:
                result = (f"  {story.results[number]}", "grey62")
                lines.add_row(Text("✔", "green"), Text.assemble(step.title, result))
            elif number == story.at:
                lines.add_row(Text("▶", "bold yellow"), Text.assemble((step.title, "bold yellow"), f". {step.text}"))
                lines.add_row("", Text(f"… until {story.waits_for}", "italic grey70"))
            else:
                lines.add_row(Text("·", "grey50"), Text(step.title, "grey50"))
        body = Group(lines, *(Text(line, "bold") for line in self.how_to_connect)) if story.over else lines
        return Panel(body, title="[bold]STORY[/]", title_align="left", border_style="grey50")


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
    closest = f"{ledger.closest_s:.1f} s" if ledger.closest_s < float("inf") else "–"
    rows = [
        ("clients", f"{len(ledger.clients)}, with {ledger.count(How.NEW)} leases"),
        ("renewals", f"{ledger.count(How.RENEWED) + ledger.count(How.REBOUND)}, of which {ledger.moved} by the other "
                     "server than the one that had given the lease"),
        ("longest wait for an answer", f"{ledger.longest_renewal_s:.1f} s to renew (the lease with the least time left "
                                       f"still had {closest}), {ledger.longest_new_s:.1f} s for a first address"),
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
