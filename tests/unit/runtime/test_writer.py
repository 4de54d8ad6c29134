"""Group commit in its thread: order, reports, a disk that fails and recovers."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest

from tandem.base.io import SaveAcked, SaveBinding, SaveState
from tandem.lease.binding import COLUMNS, Binding
from tandem.runtime.store import FILE, Store
from tandem.runtime.writer import LAZY_S, Writer


def row(address: int, options: bytes = b"") -> tuple[object, ...]:
    binding = Binding(address, 2)
    binding.options = options
    return binding.row()


class Main:
    """Stands for the main thread: gets the writer's reports."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.reports: Queue[tuple[str, object]] = Queue()
        Store(directory).close()
        self.writer = Writer(
            directory / FILE, self._call,
            lambda number: self.reports.put(("committed", number)),
            lambda why: self.reports.put(("trouble", why)),
            lambda why: self.reports.put(("broken", why)),
        )  # fmt: skip

    @staticmethod
    def _call(function: Callable[..., None], *args: object) -> None:
        assert threading.current_thread().name == "lease-writer"
        function(*args)

    def next(self, timeout: float = 5) -> tuple[str, object]:
        return self.reports.get(timeout=timeout)

    def until_committed(self, number: int) -> None:
        while (report := self.next()) != ("committed", number):
            assert report[0] == "committed"

    def rows(self) -> list[tuple[object, ...]]:
        store = Store(self.directory)
        rows = list(store.rows())
        store.close()
        return rows


def test_what_was_reported_is_in_the_file(tmp_path: Path) -> None:
    main = Main(tmp_path)
    main.writer.start()
    for n in range(1, 6):
        assert main.writer.submit([SaveBinding(row(n))]) == n
    main.until_committed(5)
    assert [r[0] for r in main.rows()] == [1, 2, 3, 4, 5]
    assert main.writer.close()


def test_what_is_queued_shares_one_commit(tmp_path: Path) -> None:
    main = Main(tmp_path)
    for n in range(1, 101):
        main.writer.submit([SaveBinding(row(n % 10))])
    main.writer.start()
    assert main.next() == ("committed", 100)
    assert main.writer.commits == 1
    assert main.writer.close()
    assert len(main.rows()) == 10


def test_acknowledgements_wait_for_company_but_not_for_ever(tmp_path: Path) -> None:
    main = Main(tmp_path)
    main.writer.start()
    main.writer.submit([SaveBinding(row(1)), SaveBinding(row(2))])
    main.until_committed(1)
    main.writer.submit([SaveAcked([(1, 500, 1), (2, 600, 1)])])
    main.until_committed(2)
    commits = main.writer.commits
    main.writer.submit([SaveBinding(row(2))])
    main.until_committed(3)
    acked = COLUMNS.index("acked_potential")
    assert [r[acked] for r in main.rows()] == [0, 0]
    deadline = time.monotonic() + LAZY_S + 3
    while main.writer.commits < commits + 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [r[acked] for r in main.rows()] == [500, 0], "the later row of 2 must not be overwritten"
    assert main.writer.close()


def test_closing_writes_acknowledgements_too(tmp_path: Path) -> None:
    main = Main(tmp_path)
    main.writer.start()
    main.writer.submit([SaveBinding(row(1))])
    main.writer.submit([SaveAcked([(1, 500, 1)])])
    assert main.writer.close()
    assert main.rows()[0][COLUMNS.index("acked_potential")] == 500


def test_a_defect_is_reported_as_final(tmp_path: Path) -> None:
    main = Main(tmp_path)
    main.writer.start()
    main.writer.submit([SaveBinding((1, "no number", *row(1)[2:])), SaveState("a", {})])
    kind, why = main.next()
    assert kind == "broken" and "IntegrityError" in str(why)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.slow
def test_a_full_disk_holds_everything_up_until_there_is_space(small_disk: Path) -> None:
    main = Main(small_disk)
    main.writer.start()
    main.writer.submit([SaveBinding(row(1))])
    main.until_committed(1)
    (small_disk / "ballast").write_bytes(bytes(96 * 1024))
    for n in range(300):
        main.writer.submit([SaveBinding(row(2 + n, options=bytes(900)))])
    reports = []
    while not reports or reports[-1][0] != "trouble":
        reports.append(main.next())
    assert "full" in str(reports[-1][1])
    with pytest.raises(Empty):  # nothing more is reported while it is full
        main.reports.get(timeout=1)
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    assert main.next(timeout=8) == ("trouble", None)
    main.until_committed(301)
    assert main.writer.close()
    assert len(main.rows()) == 301


def test_a_read_only_disk_holds_everything_up_until_it_can_be_written(small_disk: Path) -> None:
    main = Main(small_disk)  # the writer opens the database only now, read-only
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    main.writer.start()
    main.writer.submit([SaveBinding(row(1))])
    assert main.next()[0] == "trouble"
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert main.next(timeout=8) == ("trouble", None)
    assert main.next() == ("committed", 1)
    assert main.writer.close()


def test_closing_gives_up_on_a_disk_that_stays_full(small_disk: Path) -> None:
    main = Main(small_disk)
    main.writer.start()
    (small_disk / "ballast").write_bytes(bytes(96 * 1024))
    main.writer.submit([SaveBinding(row(n, options=bytes(900))) for n in range(300)])
    assert main.next()[0] == "trouble"
    assert not main.writer.close(timeout_s=0.5)
    assert main.next()[0] == "broken"
