"""One burst of load by perfdhcp, what it showed, and the search for the highest rate that a server bears."""

from __future__ import annotations

import itertools
import os
import re
import resource
import subprocess
import time
from dataclasses import dataclass

from bench.bed import MAIN, Bed, cpu_seconds, machine_busy_seconds

DROPS_MAX = 0.01
"""A rate counts when fewer than this share of the messages stay unanswered."""
SHORTFALL_MAX = 0.05
"""... and when perfdhcp could in fact send that fast."""
RATE_MAX = 40000
OTHERS_MAX = 0.15
"""A burst that fails while other programs take more than this share of the machine is repeated once."""

_bursts = itertools.count(1)
_SECTION = re.compile(r"\*\*\*(Statistics for|Timestamps for packets): ([^*]+)\*\*\*\n(.*?)(?=\n\*\*\*|\Z)", re.S)
_STAMP = re.compile(r"sent / received: (\d+)\.(\d+) / (\d+)\.(\d+)")


@dataclass(slots=True)
class Load:
    """What clients do."""

    name: str
    clients: int
    """How many different clients take part; each exchange picks one at random."""
    fresh: bool
    """Whether every burst brings clients that never came before."""
    renewals: bool = False
    """Whether every four-way exchange is accompanied by one renewal."""


@dataclass(slots=True)
class Burst:
    """The outcome of one burst."""

    asked: float
    """Exchanges per second that were asked for."""
    done: float
    """Four-way exchanges per second that were completed."""
    renewed: float
    """Renewals per second that were completed."""
    drops: float
    """Unanswered share of all messages sent."""
    offer_ms: tuple[float, float]
    """Median and 99th percentile of DISCOVER to OFFER, ms."""
    ack_ms: tuple[float, float]
    """The same of REQUEST to ACK."""
    main_cpu_us: float
    """Processor time of the serving server per exchange (a renewal counts as half of one), us."""
    backup_cpu_us: float
    others: float
    """Share of the machine's processors that went to things foreign to the benchmark meanwhile."""
    short: bool
    """True when the load generator did not reach the rate that was asked for."""

    @property
    def good(self) -> bool:
        """Whether the server kept up."""
        return self.drops < DROPS_MAX and not self.short


def _percentiles(values: list[float]) -> tuple[float, float]:
    if not values:
        return (float("nan"), float("nan"))
    values.sort()
    return (values[len(values) // 2], values[min(len(values) - 1, len(values) * 99 // 100)])


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def burst(bed: Bed, load: Load, rate: float, seconds: float) -> Burst:
    """Drive the server at ``rate`` four-way exchanges a second for ``seconds``; the outcome."""
    number = next(_bursts) if load.fresh else 0
    base = f"mac=00:{number >> 8 & 255:02x}:{number & 255:02x}:00:00:00"
    command = [
        "ip", "netns", "exec", bed.generator.name, "perfdhcp", "-4", "-r", f"{rate:.0f}", "-R", str(load.clients),
        "-p", f"{seconds:g}", "-b", base, "-x", "t", "-W", "500000",
    ]  # fmt: skip
    if load.renewals:
        command += ["-f", f"{rate:.0f}"]
    before = cpu_seconds(bed.main), cpu_seconds(bed.backup)
    began, busy, generator = time.monotonic(), machine_busy_seconds(), _children_s()
    run = subprocess.run([*command, MAIN], capture_output=True, text=True, timeout=seconds + 60, check=False)
    used = cpu_seconds(bed.main) - before[0], cpu_seconds(bed.backup) - before[1]
    foreign = machine_busy_seconds() - busy - (_children_s() - generator) - sum(used)
    if run.returncode not in (0, 3):
        raise RuntimeError(f"perfdhcp: exit {run.returncode}\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
    counts: dict[str, tuple[int, int]] = {}
    delays: dict[str, list[float]] = {}
    for what, exchange, text in _SECTION.findall(run.stdout):
        if what == "Statistics for":
            sent = int(re.search(r"sent packets: (\d+)", text)[1])  # type: ignore[index]
            received = int(re.search(r"received packets: (\d+)", text)[1])  # type: ignore[index]
            counts[exchange] = (sent, received)
        else:
            delays[exchange] = [
                (int(c) - int(a)) * 1e3 + (int(d) - int(b)) / 1e3 for a, b, c, d in _STAMP.findall(text)
            ]
    discovers, offers = counts["DISCOVER-OFFER"]
    requests, acks = counts["REQUEST-ACK"]
    asked_again, renewals = counts.get("REQUEST-ACK (renewal)", (0, 0))
    sent_all = discovers + requests + asked_again
    work = max(1.0, acks + renewals / 2)
    return Burst(
        asked=rate, done=acks / seconds, renewed=renewals / seconds,
        drops=1 - (offers + acks + renewals) / max(1, sent_all),
        offer_ms=_percentiles(delays.get("DISCOVER-OFFER", [])), ack_ms=_percentiles(delays.get("REQUEST-ACK", [])),
        main_cpu_us=used[0] / work * 1e6, backup_cpu_us=used[1] / work * 1e6,
        others=max(0.0, foreign) / (time.monotonic() - began) / (os.cpu_count() or 1),
        short=discovers < rate * seconds * (1 - SHORTFALL_MAX),
    )  # fmt: skip


def search(bed: Bed, load: Load, guess: float, seconds: float, probes: int) -> list[Burst]:
    """Find the highest rate that the server bears, starting from ``guess``, in at most ``probes`` bursts.

    Steps of a quarter until the limit is enclosed, then halves of what is left. Returns every burst; the best is
    the good one with the highest ``done``.
    """
    low, high, rate = 0.0, float("inf"), guess
    bursts: list[Burst] = []
    for _ in range(probes):
        outcome = burst(bed, load, rate, seconds)
        if not outcome.good and outcome.others > OTHERS_MAX:
            outcome = burst(bed, load, rate, seconds)  # the machine was busy with something else: once more
        bursts.append(outcome)
        if outcome.good:
            low = rate
        else:
            high = rate
        if high == float("inf"):
            rate = low * 1.3
        elif low == 0:
            # What got through in an overload says where to look.
            rate = min(high / 1.3, max(outcome.done, high / 4))
        elif high / low < 1.06:
            break
        else:
            rate = (low * high) ** 0.5
        if rate < 2 or rate > RATE_MAX:
            break
    return bursts


def best(bursts: list[Burst]) -> Burst | None:
    """Return the good burst with the highest rate, or None."""
    good = [one for one in bursts if one.good]
    return max(good, key=lambda one: one.done) if good else None
