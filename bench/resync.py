"""What it takes to get a lost lease database back from the partner: time, processor, bytes on the link, memory.

A pair is made, the main's database is filled with leases that both know, the backup's is thrown away, and the backup
starts again: RECOVER, UPDREQALL, every binding over the link, RECOVER-WAIT. As a measure of the disk alone the
backup's database is then written once more, by itself, in transactions of the same size.

    python -m bench.resync 100000 1000000
"""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.live.lab import Tandem
from tests.live.netns import Namespace, wait_for

from bench.bed import Bed, cpu_seconds, memory_bytes
from bench.servers import Pool, TandemPair
from tandem.base.io import SaveBinding
from tandem.base.ipv4 import parse_ipv4
from tandem.lease.binding import ACTIVE, Binding
from tandem.runtime.store import FILE, Batch, commit, connect

_FIRST = "10.0.1.0"
_BATCH = 512
_LEASE_S = 7 * 86400
_SERVER = "dhcp-server"


@dataclass(slots=True)
class Resync:
    """The measured costs of one resynchronization."""

    leases: int
    transfer_s: float
    """From the backup's RECOVER until it has everything (RECOVER-WAIT, or what follows it)."""
    main_cpu_s: float
    backup_cpu_s: float
    link_bytes: int
    """What the main sent over the partners' link, all headers included."""
    main_memory: int
    backup_memory: int
    disk_s: float
    """Writing the same rows in transactions of the same size, and nothing else."""


def fill(path: Path, leases: int) -> None:
    """Write ``leases`` active bindings, acknowledged by the partner, into the database at ``path``."""
    now = int(time.time())
    first = parse_ipv4(_FIRST)
    connection = connect(path)
    for start in range(0, leases, 8 * _BATCH):
        batch = Batch()
        for number in range(start, min(start + 8 * _BATCH, leases)):
            binding = Binding(first + number, ACTIVE)
            binding.hardware = b"\x01\x02" + number.to_bytes(5, "big")
            binding.client_id = b"\x01" + binding.hardware[1:]
            binding.last_transaction = binding.start_of_state = now - 60
            binding.expires = now + _LEASE_S
            binding.sent_potential = binding.acked_potential = now + _LEASE_S * 3 // 2
            binding.up_to_date, binding.granted_by = True, 1
            batch.add([SaveBinding(binding.row())])
        commit(connection, batch)
    connection.close()


def _rewrite_s(source: Path, target: Path) -> float:
    """Return how long the rows of ``source`` take to write to a new database at ``target``."""
    old = connect(source)
    rows = old.execute("SELECT * FROM lease").fetchall()
    old.close()
    new = connect(target)
    schema = connect(source)
    for (statement,) in schema.execute("SELECT sql FROM sqlite_schema WHERE type = 'table'").fetchall():
        new.execute(statement)
    schema.close()
    began = time.monotonic()
    for start in range(0, len(rows), _BATCH):
        batch = Batch()
        batch.add([SaveBinding(row) for row in rows[start : start + _BATCH]])
        commit(new, batch)
    took = time.monotonic() - began
    new.close()
    return took


def _sent(space: Namespace) -> int:
    return int(space.run("cat", "/sys/class/net/peer0/statistics/tx_bytes"))


def database(server: Tandem) -> Path:
    return server.data / "dhcp" / FILE


def _lose(server: Tandem) -> None:
    for path in database(server).parent.glob(FILE + "*"):
        path.unlink()


def measure(leases: int) -> Resync:
    """Measure with ``leases`` leases (at most some 16 million)."""
    with Bed() as bed:
        pair = TandemPair(bed, Pool("slash8", _FIRST, "10.255.255.254"))
        pair.start(60)
        main, backup = pair.main, pair.backup
        main.kill()
        backup.kill()
        fill(database(main), leases)
        _lose(backup)
        main.start(120)
        wait_for("the main has its leases", lambda: main.ask("statistics")["leases"] == leases, 60)
        sent, busy = _sent(bed.main), cpu_seconds(bed.main)
        backup.launch()
        wait_for("the backup asks", lambda: backup.state == "RECOVER", 60)
        began = time.monotonic()
        backup_busy = cpu_seconds(bed.backup)
        wait_for("the backup has everything", lambda: backup.state not in ("RECOVER", ""), 60 + leases / 1000)
        took = time.monotonic() - began
        have = backup.ask("statistics")["leases"]
        if have != leases:
            raise RuntimeError(f"the backup has {have} leases of {leases}; see its log:\n{backup.log()[-2000:]}")
        result = Resync(
            leases, took, cpu_seconds(bed.main) - busy, cpu_seconds(bed.backup) - backup_busy,
            _sent(bed.main) - sent, memory_bytes(bed.main, _SERVER), memory_bytes(bed.backup, _SERVER), 0.0,
        )  # fmt: skip
        main.kill()
        backup.kill()
        result.disk_s = _rewrite_s(database(backup), bed.directory / "again.db")
        shutil.rmtree(backup.data)
        return result


def main() -> None:
    """Measure for each number of leases on the command line, and print a table."""
    print(f"{'leases':>9} {'time':>8} {'leases/s':>9} {'main CPU':>9} {'backup CPU':>10} {'bytes/lease':>11} "
          f"{'main MB':>8} {'backup MB':>9} {'disk alone':>10}")  # fmt: skip
    for number in sys.argv[1:] or ["100000", "1000000"]:
        r = measure(int(number))
        print(f"{r.leases:9} {r.transfer_s:7.1f}s {r.leases / r.transfer_s:9.0f} {r.main_cpu_s:8.1f}s "
              f"{r.backup_cpu_s:9.1f}s {r.link_bytes / r.leases:11.0f} {r.main_memory / 1e6:8.0f} "
              f"{r.backup_memory / 1e6:9.0f} {r.disk_s:9.1f}s", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
