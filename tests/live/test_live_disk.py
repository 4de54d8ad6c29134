"""No disk, no promise: with a full or read-only disk no ACK leaves, the log says why, and service resumes by itself."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from tests.live.lab import Lab
from tests.live.netns import system, wait_for
from tests.live.pyclient import ACK, LanPort, Ledger, PyClient

pytestmark = [pytest.mark.live, pytest.mark.timeout(150)]


def _small_disk(lab: Lab) -> Path:
    """Put the main's lease database on a file system of its own."""
    disk = lab.main.data / "dhcp"
    disk.mkdir(parents=True)
    system("mount", "-t", "tmpfs", "-o", "size=1m", "tandem-small-disk", str(disk))
    lab.undo.append(lambda: system("umount", "-l", str(disk), check=False))
    return disk


def _fill(disk: Path) -> Path:
    """Take every last byte of the disk; the file that holds them."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as out:
        size = 65536
        while size:
            try:
                if out.write(bytes(size)) < size:
                    size //= 2
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                size //= 2
    return filler


def test_a_full_disk_stops_acks_and_nothing_else(lab: Lab) -> None:
    disk = _small_disk(lab)
    lab.start_pair()
    ledger = Ledger()
    port = LanPort(lab.client_space("raw"), "eth0")
    settled = [PyClient(port, n, ledger) for n in range(1, 4)]
    for client in settled:
        client.lease()
    lab.books_equal()
    pid = lab.main.server_pid()
    lab.cut()  # the backup must not step in
    lab.both_interrupted()
    lab.backup.kill()

    filler = _fill(disk)
    # What is preallocated in the log may still take a few: until the first write fails, ACKs are honest.
    starving = [PyClient(port, 100 + n) for n in range(400)]
    first_refused = None
    for client in starving:
        offer = client.discover(timeout=1.5)
        answer = client.select(offer, timeout=1.5) if offer is not None else None
        if answer is None:
            first_refused = client
            break
    assert first_refused is not None, "the disk was never full"
    wait_for("the log tells of it", lambda: "full" in lab.main.log(), 10)
    assert settled[0].rebind(timeout=2) is None, "no ACK while nothing can be written"
    assert lab.main.server_pid() == pid, "the server is the same process"
    served = {client.address: client for client in starving if client.address != "0.0.0.0"}

    filler.unlink()
    answer = wait_for("service resumes", lambda: settled[0].rebind(timeout=2), 20)
    assert answer.kind == ACK
    first_refused.lease()
    assert lab.main.server_pid() == pid

    # And what was acknowledged before and around it survives a crash.
    lab.main.kill()
    lab.main.start()
    known = lab.main.leases()
    for address in [*served, *ledger.held()]:
        assert known[address]["state"] in ("leased", "expired"), known[address]


def test_a_read_only_lease_database(lab: Lab) -> None:
    disk = _small_disk(lab)
    lab.start_pair()
    ledger = Ledger()
    port = LanPort(lab.client_space("raw"), "eth0")
    client = PyClient(port, 1, ledger)
    client.lease()
    lab.books_equal()
    lab.backup.kill()
    lab.main.kill()

    wait_for("nothing has the disk open any more", lambda: _read_only(disk), 10)
    lab.main.launch()
    wait_for("the log tells of it", lambda: _says_read_only(lab), 20)
    assert client.rebind(timeout=3) is None, "no ACK while nothing can be written"

    system("mount", "-o", "remount,rw", str(disk))
    assert lab.main.process is not None
    inside = ("nsenter", "-t", str(lab.main.process.pid), "-m")
    system(*inside, "mount", "-o", "remount,rw", str(disk))
    answer = wait_for("service resumes by itself", lambda: client.rebind(timeout=2), 60)
    assert answer.kind == ACK
    assert os.path.getsize(disk / "leases.db") > 0


def _read_only(disk: Path) -> bool:
    system("mount", "-o", "remount,ro", str(disk), check=False)
    return bool(os.statvfs(disk).f_flag & os.ST_RDONLY)


def _says_read_only(lab: Lab) -> bool:
    logs = "".join(path.read_text(errors="replace") for path in (lab.main.data / "logs").iterdir())
    assert lab.main.process is not None
    words = (logs + lab.main.process.output()).lower()
    return "readonly" in words or "read-only" in words or "read only" in words
