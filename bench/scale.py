"""What size costs: a scope of 16 million addresses, memory per lease, and the time to come back with many leases."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.live.lab import Tandem
from tests.live.netns import wait_for

from bench.bed import Bed, memory_bytes
from bench.load import Load, burst
from bench.servers import Pool, TandemPair

WHOLE = Pool("slash8", "10.0.1.0", "10.255.255.254")
_CROWD = Load("scale", clients=8_000_000, fresh=True)
_RATE = 2000.0
_SERVER = "dhcp-server"


@dataclass(slots=True)
class Scale:
    """The measured costs."""

    reload_s: float
    """Time of ``nrcmd ... dhcp reload`` with the scope."""
    nrcmd_s: float
    """Time of an nrcmd command that does nothing."""
    normal_s: float
    """From the end of the main's reload until both are in NORMAL (two seconds of it are failover-startup-time)."""
    leases: int
    main_bytes: float
    """Growth of the DHCP server's resident memory per lease."""
    backup_bytes: float
    restart_s: float
    """From the start of the DHCP server after SIGKILL until it answers, with all leases."""


class _Slash8(TandemPair):
    """The pair, with its start taken apart for timing."""

    reload_s = nrcmd_s = configured = 0.0

    def _configure(self, server: Tandem, batch: str) -> float:
        began = time.monotonic()
        server.nrcmd("session\n")
        self.nrcmd_s = time.monotonic() - began
        took = super()._configure(server, batch)
        self.reload_s = max(self.reload_s, took)
        self.configured = self.configured or time.monotonic()
        return took


def measure_scale(leases: int) -> Scale:
    """Measure with about ``leases`` leases."""
    with Bed() as bed:
        pair = _Slash8(bed, WHOLE)
        pair.start(60)
        normal_s = time.monotonic() - pair.configured
        burst(bed, _CROWD, _RATE, 5)  # warm: what is allocated once is not counted per lease
        before = _figures(bed, pair)
        while pair.main.ask("statistics")["leases"] - before[0] < leases:
            if not burst(bed, _CROWD, _RATE, 15).done:
                raise RuntimeError("no lease was given under load; see the log of the server")
        wait_for("the backup has all", lambda: pair.main.ask("related_servers")[0]["updates-untold"] == 0, 60)
        after = _figures(bed, pair)
        gained = after[0] - before[0]
        pid = pair.main.server_pid()
        bed.main.run("kill", "-9", str(pid))
        began = time.monotonic()
        wait_for("the DHCP server is back", lambda: _back(pair, pid), 60)
        restart_s = time.monotonic() - began
        return Scale(
            pair.reload_s, pair.nrcmd_s, normal_s, after[0], (after[1] - before[1]) / gained,
            (after[2] - before[2]) / gained, restart_s,
        )  # fmt: skip


def _figures(bed: Bed, pair: TandemPair) -> tuple[int, int, int]:
    return (
        pair.main.ask("statistics")["leases"], memory_bytes(bed.main, _SERVER), memory_bytes(bed.backup, _SERVER)
    )  # fmt: skip


def _back(pair: TandemPair, old: int) -> bool:
    try:
        return bool(pair.main.ask("ping")) and pair.main.server_pid() != old
    except (OSError, EOFError):
        return False
