"""``tandem sim --config FILE --what TEXT``: what would happen to the clients of an operator's own configuration.

Exit status: 0 all clients were served, 1 a verdict went against the servers, 2 wrong command line or configuration,
3 clients were refused.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from tandem.sim.mishap import VERBS, parse_mishap
from tandem.sim.rehearsal import LEASED_PCT, Rehearsal, RehearsalError, loads_of
from tandem.sim.report import Report
from tandem.sim.site import SiteError, read_site
from tandem.sim.world import clock_text

_MANY = 5000
DEFECT, WRONG, REFUSED = 1, 2, 3


@dataclass
class Amounts:
    """Numbers said for all scopes, or for some (SCOPE=NUMBER)."""

    default: float | None = None
    of: dict[str, float] = field(default_factory=dict)

    def at(self, scopes: Sequence[str]) -> float | None:
        """Return what was said for a segment with these scopes."""
        return next((self.of[name] for name in scopes if name in self.of), self.default)


@dataclass
class Asked:
    """What the command line says about load."""

    leased: Amounts
    arriving: Amounts

    def leased_pct(self, scopes: Sequence[str]) -> float:
        """Return which part of the addresses is leased, in per cent."""
        said = self.leased.at(scopes)
        return LEASED_PCT if said is None else said

    def arrivals(self, scopes: Sequence[str]) -> float | None:
        """Return how many new clients come in an hour."""
        return self.arriving.at(scopes)


def _amounts(option: str, words: list[str], highest: float, known: set[str]) -> Amounts:
    amounts = Amounts()
    for word in words:
        name, equals, number = word.rpartition("=")
        try:
            value = float(number.rstrip("%"))
        except ValueError:
            value = -1.0
        if not 0 <= value <= highest:
            raise ValueError(f"{option} {word}: write a number from 0 to {highest:g}, or SCOPE=NUMBER")
        if equals and name not in known:
            raise ValueError(f"{option} {word}: there is no scope {name}; there are {', '.join(sorted(known))}")
        if equals:
            amounts.of[name] = value
        else:
            amounts.default = value
    return amounts


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    verbs = "; ".join(f"{verb}: {meaning}" for verb, meaning in VERBS.items())
    made = argparse.ArgumentParser(
        prog="tandem sim", description="Rehearse a day with your own configuration: who is refused, and why?",
        epilog=f"What can happen: {verbs}. SERVER is main, backup, or an address. Exit status: 0 all were served,"
        " 3 clients were refused, 2 wrong command line or configuration, 1 a defect of Tandem.",
    )  # fmt: skip
    add = made.add_argument
    add("--config", required=True, metavar="FILE", help="configuration (nrcmd: export configuration file=FILE)")
    add("--what", required=True, action="append", metavar="TEXT",
        help="what happens, e.g. 'main dies at 09:00 for 3 hours' (repeatable)")  # fmt: skip
    add("--scope", action="append", metavar="NAME", help="only this scope and its LAN segment (repeatable)")
    add("--leased", action="append", default=[], metavar="[SCOPE=]PERCENT",
        help=f"part of the addresses that is leased when the first thing happens (default {LEASED_PCT:g})")  # fmt: skip
    add(
        "--arrivals",
        action="append",
        default=[],
        metavar="[SCOPE=]N",
        help="new clients in an hour, per LAN segment (default: as many as leave when each stays for a lease time)",
    )
    add("--seed", type=int, default=1, metavar="N", help="another seed is another day (default 1)")
    add("--json", action="store_true", help="print the report as JSON, with each refused client")
    add("--trace", action="store_true", help="print all that happened, before the report")
    return made


def main(argv: list[str]) -> int:
    """Rehearse; return the exit status."""
    options = parser().parse_args(argv)
    try:
        mishaps = [parse_mishap(text) for text in options.what]
        site = read_site(options.config, options.scope)
        known = {scope.name for subnet in site.subnets for scope in site.scopes_of(subnet)}
        leased = _amounts("--leased", options.leased, 100, known)
        asked = Asked(leased, _amounts("--arrivals", options.arrivals, 1e6, known))
        rehearsal = Rehearsal(site, mishaps, loads_of(site, asked), options.seed, options.trace)
    except (SiteError, RehearsalError, ValueError) as error:
        print(f"tandem sim: {error}", file=sys.stderr)
        return WRONG
    clients = sum(load.leased for load in rehearsal.loads.values())
    if clients > _MANY:
        print(f"tandem sim: {clients} clients take about {max(clients // 18000, 1)} min", file=sys.stderr)
    outcome = rehearsal.run()
    report = Report(outcome, rehearsal.watch)
    try:
        for when, text in outcome.trace:
            print(clock_text(when), text)
        print(json.dumps(report.data(), indent=2) if options.json else report.text())
    except BrokenPipeError:
        sys.stderr.close()
    if outcome.verdict:
        return DEFECT
    return REFUSED if report.refusals else 0
