"""What a reload costs the clients: exchanges lost and the longest wait, at a steady load, with many leases.

A pair in NORMAL serves perfdhcp at a steady rate, once undisturbed and once while the main's configuration is edited
and reloaded again and again.

    python -m bench.reload 10000 500000
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass

from tests.live.netns import wait_for

from bench.bed import Bed
from bench.load import Burst, Load, burst
from bench.resync import database, fill
from bench.servers import Pool, TandemPair

_RATE = 1500.0
_SECONDS = 10.0
_LOAD = Load("renewals too", 5000, fresh=False, renewals=True)


@dataclass(slots=True)
class Reloads:
    """A burst without reloads, one with, and how long the reloads took."""

    leases: int
    calm: Burst
    reloaded: Burst
    took_s: list[float]


def _reload_until(stop: threading.Event, pair: TandemPair, took: list[float]) -> None:
    """Edit and reload every half second. Each changes what clients are told: the lease time's option and a router."""
    while not stop.wait(0.5):
        batch = f"policy default setOption routers 10.0.0.{1 + len(took) % 200}\n"
        pair.main.nrcmd(batch)
        began = time.monotonic()
        pair.main.nrcmd("dhcp reload\n")
        took.append(time.monotonic() - began)


def measure(leases: int) -> Reloads:
    """Measure with ``leases`` leases that both servers hold besides those of the load."""
    with Bed() as bed:
        pair = TandemPair(bed, Pool("slash8", "10.0.1.0", "10.255.255.254"))
        pair.start(60)
        for server in (pair.main, pair.backup):
            server.kill()
            fill(database(server), leases)
        for server in (pair.main, pair.backup):
            server.start(120)
        wait_for("both in NORMAL", lambda: (pair.main.state, pair.backup.state) == ("NORMAL", "NORMAL"), 60)
        burst(bed, _LOAD, _RATE, 2)  # its clients have leases
        calm = burst(bed, _LOAD, _RATE, _SECONDS)
        stop, took = threading.Event(), list[float]()
        reloading = threading.Thread(target=_reload_until, args=(stop, pair, took))
        reloading.start()
        try:
            reloaded = burst(bed, _LOAD, _RATE, _SECONDS)
        finally:
            stop.set()
            reloading.join()
        return Reloads(leases, calm, reloaded, took)


def main() -> None:
    """Measure for each number of leases on the command line, and print a table."""
    print("   leases  reloads    each  unanswered  without  ACK p50/p99 ms      without")
    for number in sys.argv[1:] or ["10000", "500000"]:
        r = measure(int(number))
        print(f"{r.leases:9} {len(r.took_s):8} {sum(r.took_s) / len(r.took_s):6.2f}s {r.reloaded.drops:11.4%} "
              f"{r.calm.drops:8.4%} {r.reloaded.ack_ms[0]:9.1f}/{r.reloaded.ack_ms[1]:.1f} "
              f"{r.calm.ack_ms[0]:7.1f}/{r.calm.ack_ms[1]:.1f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
