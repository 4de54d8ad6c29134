"""Run the whole comparison: alternating rounds, medians, ratios, a table and a JSON file.

    python -m bench.run [--quick] [--rounds N] [--only NAME ...] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.live.netns import LabError

from bench.bed import Bed
from bench.load import Burst, Load, best, burst, search
from bench.scale import Scale, measure_scale
from bench.servers import CONTENDERS, LARGE, SMALL, Contender, Pool

KNOWN = Load("8k pool, DORA", clients=7000, fresh=False)
RENEWING = Load("8k pool, DORA and as many renewals", clients=7000, fresh=False, renewals=True)
FRESH = Load("8M pool, DORA, ever new clients", clients=8_000_000, fresh=True)
REFERENCE = "Kea"
START_S = 90.0
"""How long a contender may take to become ready."""


@dataclass(slots=True)
class Result:
    """One contender under one load in one round."""

    contender: str
    load: str
    round: int
    ready_s: float
    rate: float
    """Best four-way exchanges per second; 0 when none was borne."""
    renewed: float
    at_best: Burst | None
    at_half: Burst | None
    """The same contender at half its best rate: latency without queueing."""
    note: str = ""


@dataclass(slots=True)
class Plan:
    """How long the comparison may take."""

    rounds: int
    seconds: float
    probes: int
    large: bool


def _measure(bed: Bed, load: Load, guess: float, plan: Plan, ready_s: float, name: str, number: int) -> Result:
    top = best(search(bed, load, guess, plan.seconds, plan.probes))
    if top is None:
        return Result(name, load.name, number, ready_s, 0, 0, None, None, "no rate was borne")
    half = burst(bed, load, top.asked / 2, plan.seconds)
    return Result(name, load.name, number, ready_s, top.done, top.renewed, top, half)


def _round(
    kind: type[Contender], pool: Pool, loads: Iterable[Load], number: int, plan: Plan, guesses: dict[str, float]
) -> list[Result]:
    """Start a contender in a new bed, put it under each load, end it."""
    results = []
    with Bed() as bed:
        contender = kind(bed, pool)
        try:
            contender.start(START_S)
        except (LabError, RuntimeError) as error:
            note = f"not ready within {START_S:.0f} s"
            print(f"  {kind.name}: {str(error).splitlines()[0]}", file=sys.stderr)
            return [Result(kind.name, load.name, number, math.inf, 0, 0, None, None, note) for load in loads]
        for load in loads:
            guess = guesses.get(load.name, kind.guess)
            result = _measure(bed, load, guess, plan, contender.ready_s, kind.name, number)
            if result.rate:
                guesses[load.name] = result.rate
            print(
                f"  {kind.name:12} {load.name:36} {result.rate:7.0f}/s"
                + (f" + {result.renewed:.0f} renewals/s" if load.renewals else "") + f"  {result.note}", flush=True,
            )  # fmt: skip
            results.append(result)
        contender.stop()
    return results


def compare(kinds: list[type[Contender]], plan: Plan) -> list[Result]:
    """Run every contender in every round, one after the other; all results."""
    results: list[Result] = []
    guesses: dict[str, dict[str, float]] = {kind.name: {} for kind in kinds}
    hopeless: set[tuple[str, str]] = set()
    for number in range(1, plan.rounds + 1):
        print(f"round {number} of {plan.rounds}", flush=True)
        for kind in kinds:
            for pool, loads in ((SMALL, (KNOWN, RENEWING)), (LARGE, (FRESH,))):
                if (pool is LARGE and not plan.large) or (kind.name, pool.name) in hopeless:
                    continue
                got = _round(kind, pool, loads, number, plan, guesses[kind.name])
                if not any(result.rate for result in got):
                    hopeless.add((kind.name, pool.name))
                results += got
    return results


def _median(values: Iterable[float]) -> float:
    kept = [value for value in values if not math.isnan(value)]
    return statistics.median(kept) if kept else math.nan


def table(results: list[Result], kinds: list[type[Contender]]) -> str:
    """Return the medians as text, one table per load."""
    lines = []
    for load in (KNOWN, RENEWING, FRESH):
        rows = [result for result in results if result.load == load.name]
        if not rows:
            continue
        rates = {kind.name: _median(r.rate for r in rows if r.contender == kind.name) for kind in kinds}
        reference = rates.get(REFERENCE, math.nan)
        lines += [
            "", load.name, f"{'':14}{'durable':>8}{'4-way/s':>9}{'renew/s':>9}{'x ' + REFERENCE:>8}"
            f"{'ACK p50/p99 ms':>17}{'at half':>15}{'CPU us':>8}{'backup':>8}{'ready s':>9}{'others':>8}",
        ]  # fmt: skip
        for kind in kinds:
            mine = [r for r in rows if r.contender == kind.name]
            if not mine:
                continue
            top = [r.at_best for r in mine if r.at_best is not None]
            half = [r.at_half for r in mine if r.at_half is not None]
            cpu, backup = _median(b.main_cpu_us for b in top), _median(b.backup_cpu_us for b in top)
            share = f"{backup / cpu:.0%}" if top and backup > 0 else "-"
            lines.append(
                f"{kind.name:14}{'yes' if kind.durable else 'no':>8}{rates[kind.name]:9.0f}"
                f"{_median(r.renewed for r in mine):9.0f}{rates[kind.name] / reference if reference else 0:8.2f}"
                f"{_pair(top, lambda b: b.ack_ms):>17}{_pair(half, lambda b: b.ack_ms):>15}{cpu:8.0f}{share:>8}"
                f"{_median(r.ready_s for r in mine):9.1f}{_median(b.others for b in top):8.0%}"
                + ("" if top else f"  {mine[0].note}")
            )  # fmt: skip
    return "\n".join(lines)


def _pair(bursts: list[Burst], of: Callable[[Burst], tuple[float, float]]) -> str:
    return f"{_median(of(b)[0] for b in bursts):.1f}/{_median(of(b)[1] for b in bursts):.1f}" if bursts else "-"


def _scale_text(scale: Scale) -> str:
    return (
        f"\nTandem pair, scope 10.0.0.0/8: reload {scale.reload_s:.2f} s (nrcmd's own start"
        f" {scale.nrcmd_s:.2f} s included), both NORMAL {scale.normal_s:.1f} s after the main's; {scale.leases} leases:"
        f" {scale.main_bytes:.0f} bytes of memory each on the main, {scale.backup_bytes:.0f} on the backup;"
        f" main with them after SIGKILL serves again in {scale.restart_s:.1f} s"
    )


def _machine() -> str:
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())  # fmt: skip
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores {model}, {memory:.0f} GiB, Linux {platform.release().split('-')[0]}"


def main(argv: list[str] | None = None) -> int:
    """Run the comparison; 0 when it came to its end."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one short round with the small pool only: a few minutes")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only contenders so called")
    parser.add_argument("--json", type=Path, default=Path("var/bench.json"), help="where all figures go")
    args = parser.parse_args(argv)
    if os.geteuid() != 0:
        parser.error("the benchmark makes network namespaces: run it as root")
    plan = Plan(1, 2, 5, False) if args.quick else Plan(args.rounds, 3, 6, True)
    kinds = [kind for kind in CONTENDERS if not args.only or kind.name in args.only]
    if not kinds:
        parser.error(f"--only takes {', '.join(kind.name for kind in CONTENDERS)}")
    began = time.monotonic()
    print(_machine())
    results = compare(kinds, plan)
    scale = measure_scale(20_000 if args.quick else 100_000) if any("Tandem" in k.name for k in kinds) else None
    print(table(results, kinds))
    if scale is not None:
        print(_scale_text(scale))
    document = {
        "machine": _machine(), "minutes": round((time.monotonic() - began) / 60, 1),
        "results": [asdict(result) for result in results], "scale": asdict(scale) if scale else None,
    }  # fmt: skip
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(document, indent=1))
    print(f"\n{document['minutes']} minutes; all figures are in {args.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
