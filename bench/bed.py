"""Where a benchmark runs: a load generator joined to a main server by a veth pair, and a backup behind the main.

The main and the backup speak to each other over a link of their own, under the addresses that clients know.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.live.netns import Namespace, Net, system

GENERATOR, MAIN, BACKUP = "10.0.0.1", "10.0.0.2", "10.0.0.3"
PAGE = os.sysconf("SC_PAGE_SIZE")
CLOCK = os.sysconf("SC_CLK_TCK")


class Bed:
    """The three namespaces ``generator``, ``main`` and ``backup``. A context manager."""

    def __init__(self) -> None:
        self.net = Net("bench")
        self.generator = self.net.namespace("generator")
        self.main = self.net.namespace("main")
        self.backup = self.net.namespace("backup")
        self.net.link(self.generator, "eth0", self.main, "eth0")
        self.generator.ip(f"addr add {GENERATOR}/24 dev eth0")
        self.main.ip(f"addr add {MAIN}/24 dev eth0")
        self.net.link(self.generator, "eth1", self.backup, "eth0")  # hears no client: the main serves them all
        self.backup.ip(f"addr add {BACKUP}/24 dev eth0")
        self.net.link(self.main, "peer0", self.backup, "peer0")
        self.main.ip(f"route add {BACKUP}/32 dev peer0 src {MAIN}")
        self.backup.ip(f"route add {MAIN}/32 dev peer0 src {BACKUP}")

    def __enter__(self) -> Bed:
        return self

    def __exit__(self, *_: object) -> None:
        self.net.close()

    @property
    def directory(self) -> Path:
        """A directory that goes away with the bed."""
        return self.net.directory


def _processes(space: Namespace) -> list[str]:
    return system("ip", "netns", "pids", space.name).split()


def cpu_seconds(space: Namespace) -> float:
    """Return the processor time, user and system, that the processes in a namespace have used so far."""
    ticks = 0
    for pid in _processes(space):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / CLOCK


def memory_bytes(space: Namespace, command: str = "") -> int:
    """Return the resident memory of the processes in a namespace whose command line contains ``command``."""
    total = 0
    for pid in _processes(space):
        if command in Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode():
            found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
            total += int(found[1]) * 1024 if found else 0
    return total


def machine_busy_seconds() -> float:
    """Return the processor time that the whole machine has spent on anything so far."""
    user, nice, system_, _idle, _iowait, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system_ + irq + softirq) / CLOCK
