"""``tandem sim``: tells stories, one or many, and says what came of them.

Exit status: 0 all verdicts hold, 1 a verdict went against the servers, 2 wrong command line.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import count
from time import monotonic, time

from tandem.sim.canaries import CANARIES, hunt
from tandem.sim.coverage import Coverage
from tandem.sim.happenings import table
from tandem.sim.profiles import PROFILES
from tandem.sim.rehearse import main as rehearse
from tandem.sim.run import Outcome, Scenario, tell
from tandem.sim.shrink import shrink
from tandem.sim.story import retell, story_of

_PROGRESS_S = 10.0


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the options of a command line; leaves the program with status 2 on a wrong one."""
    profiles = "; ".join(f"{p.name}: {p.help}" for p in PROFILES.values())
    parser = argparse.ArgumentParser(
        prog="tandem sim", description="Run failover pairs in a simulated, hostile world and judge them.",
        epilog=f"Profiles: {profiles}. With your own configuration: tandem sim --config FILE --help.",
    )  # fmt: skip
    add = parser.add_argument
    add("--seed", type=int, metavar="N", help="tell this one story")
    add("--seeds", metavar="A-B", help="tell these stories")
    add("--time", type=float, metavar="SECONDS", help="go on with new seeds for so long (wall time)")
    add("--profile", choices=sorted(PROFILES), action="append", help="kind of story (repeatable; default: all in turn)")
    add("--hours", type=float, default=4.0, metavar="H", help="virtual hours until faults stop (default 4)")
    add("--clients", type=int, metavar="N", help="how many clients (default: the profile's, 60 or 2500)")
    add("--only", metavar="N,N", help="of the faults, only those with these numbers (or: none)")
    add("--trace", action="store_true", help="with --seed: print all that happened")
    add("--keep-going", action="store_true", help="do not stop at the first story that fails")
    add("--canary", choices=sorted(CANARIES), help="plant this bug, and tell stories until it is noticed")
    add(
        "--coverage",
        action="store_true",
        help="say which rows of the decision tables were reached, and what happened how often",
    )
    add("--shrink", type=float, default=60.0, metavar="SECONDS", help="how long to make a failing story smaller")
    options = parser.parse_args(argv)
    if sum(x is not None for x in (options.seed, options.seeds, options.time, options.canary)) != 1:
        parser.error("give one of --seed N, --seeds A-B, --time SECONDS, --canary NAME")
    options.profiles = options.profile or list(PROFILES)
    if options.seeds is not None:
        first, _, last = options.seeds.partition("-")
        if not (first.isdigit() and (last or first).isdigit()):
            parser.error("--seeds: write two numbers, e.g. 1-100")
        options.seeds = range(int(first), int(last or first) + 1)
    if options.only is not None:
        words = [] if options.only == "none" else options.only.split(",")
        if not all(word.isdigit() for word in words):
            parser.error("--only: write numbers of faults, e.g. 3,7 (or: none)")
        options.only = tuple(map(int, words))
    return options


def scenarios(options: argparse.Namespace) -> Iterator[Scenario]:
    """Yield the stories that the options ask for; without end for --time."""
    profiles = options.profiles
    if options.seeds is not None:
        for seed in options.seeds:
            for profile in profiles:
                yield _scenario(options, seed, profile)
    else:
        for seed in count(int(time())):
            yield _scenario(options, seed, profiles[seed % len(profiles)])


def _scenario(options: argparse.Namespace, seed: int, profile: str) -> Scenario:
    clients = PROFILES[profile].clients if options.clients is None else options.clients
    return Scenario(seed, profile, options.hours, clients, options.only)


class Summary:
    """What came of many stories."""

    def __init__(self) -> None:
        self.stories = self.events = self.promises = self.tolerated = 0
        self.hours = self.cpu_s = 0.0
        self.verdicts: Counter[str] = Counter()
        self.happened: Counter[str] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.stories += 1
        self.events += outcome.events
        self.promises += outcome.promises
        self.tolerated += outcome.tolerated
        self.hours += outcome.hours
        self.cpu_s += outcome.cpu_s
        self.verdicts[outcome.verdict] += 1
        self.happened += outcome.happened

    def text(self) -> str:
        """Return it in a line or two."""
        failed = {verdict: n for verdict, n in sorted(self.verdicts.items()) if verdict}
        cpu_s = max(self.cpu_s, 1e-9)
        return (
            f"{self.stories} stories, {self.hours:.1f} virtual hours, {self.events} events, {self.promises} leases"
            f" acknowledged, {self.tolerated} doubles tolerated; {self.cpu_s:.1f} s of one core:"
            f" {self.hours * 3600 / cpu_s:.0f} times real time, {self.events / cpu_s:.0f} events/s;"
            f" verdicts against the servers: {failed or 'none'}"
        )


def run_many(options: argparse.Namespace) -> int:
    """Tell many stories; return the exit status."""
    summary = Summary()
    began = shown = monotonic()
    for scenario in scenarios(options):
        if options.time is not None and monotonic() - began > options.time:
            break
        outcome = tell(scenario)
        summary.add(outcome)
        if outcome.verdict:
            print(f"seed {scenario.seed}, profile {scenario.profile}: {outcome.text}", flush=True)
            if not options.keep_going:
                small = shrink(outcome, options.shrink)
                print(story_of(retell(small.scenario)))
                break
            print(f"replay: {scenario.command()}", flush=True)
        if monotonic() - shown > _PROGRESS_S:
            shown = monotonic()
            print(summary.text(), flush=True)
    print(summary.text())
    if options.coverage:
        print(table(summary.happened))
    return 1 if any(summary.verdicts[verdict] for verdict in summary.verdicts if verdict) else 0


def run_canary(options: argparse.Namespace) -> int:
    """Plant a bug and hunt for it; return 0 when it was noticed."""
    canary = CANARIES[options.canary]
    caught = hunt(canary, options.hours, options.clients or 60)
    if caught is None:
        print(f"{canary.name} ({canary.help}) was not noticed")
        return 1
    print(f"{canary.name} ({canary.help}) was noticed in story {caught.stories}: {caught.outcome.text}")
    return 0


def main(argv: list[str]) -> int:
    """Run ``tandem sim``; return its exit status."""
    if any(word.split("=")[0] == "--config" for word in argv):
        return rehearse(argv)
    options = parse(argv)
    if options.canary is not None:
        return run_canary(options)
    if options.seed is None:
        if not options.coverage:
            return run_many(options)
        coverage = Coverage()
        with coverage.watching():
            status = run_many(options)
        print(coverage.text())
        return status
    outcome = retell(_scenario(options, options.seed, options.profiles[0]))
    summary = Summary()
    summary.add(outcome)
    try:
        print(story_of(outcome, 1 << 40 if options.trace else 60, options.trace))
        print(summary.text())
    except BrokenPipeError:
        sys.stderr.close()
    return 1 if outcome.verdict else 0
