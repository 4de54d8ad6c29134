"""The log file: format, filtering by log-settings, repeats, a busy server, rotation."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from tandem.config.schema import LOG_SETTINGS
from tandem.runtime import log as log_module
from tandem.runtime.log import WRITTEN_WHEN_SET, Log, LogFile


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def texts(path: Path) -> list[str]:
    return [line.split(" ", 7)[7] for line in lines(path)]


def test_a_line_has_the_format_of_all_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(log_module.time, "time", lambda: 1056015679.4)
    log = Log(tmp_path / "logs" / "x_dhcp_1_log", "x")
    log.note("Info", "Configuration", 4092, "Failover is enabled.\nreally")
    log.close()
    monkeypatch.undo()
    time.tzset()
    line = "06/19/2003 9:41:19 x/dhcp/1 Info Configuration 0 04092 Failover is enabled. | really"
    assert lines(tmp_path / "logs" / "x_dhcp_1_log") == [line]


def test_flags_decide_what_is_written(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", "x")
    for settings in ((), ("failover-detail", "no-failover-activity")):
        log.configure(settings)
        for flag in ("", "failover-detail", "no-failover-activity"):
            log.note("Info", "Failover", 1, f"{settings} {flag or 'always'}", flag)
    log.close()
    written = ("failover-detail", "no-failover-activity")
    assert texts(tmp_path / "log") == [
        "() always", "() no-failover-activity", f"{written} always", f"{written} failover-detail",
    ]  # fmt: skip


def test_every_flag_that_can_be_set_has_a_row() -> None:
    assert set(LOG_SETTINGS) == set(WRITTEN_WHEN_SET)


def test_a_line_that_repeats_is_counted(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", "x")
    for n in range(1000):
        log.note("Warning", "Server", 1, "again")
        if n % 500 == 0:
            log.note("Warning", "Server", 1, f"other {n}")
    log.close()
    found = texts(tmp_path / "log")
    assert found.count("again") == 5
    assert found[-1] == "again (995 more times)"
    assert "other 0" in found and "other 500" in found


def test_a_busy_server_leaves_out_flagged_lines_unless_told_not_to(tmp_path: Path) -> None:
    for name, settings in (("a", ["incoming-packets"]), ("b", ["incoming-packets", "no-reduce-logging-when-busy"])):
        log = Log(tmp_path / name, "x")
        log.configure(settings)
        for n in range(5000):
            log.note("Info", "Protocol", 1, f"packet {n}", "incoming-packets")
        log.note("Warning", "Protocol", 2, "important")
        log.close()
    assert len(texts(tmp_path / "a")) < 2000
    assert "important" in texts(tmp_path / "a")
    assert re.search(r"\d+ lines were left out", "\n".join(texts(tmp_path / "a")))
    assert len(texts(tmp_path / "b")) == 5001


def test_lines_are_gathered_but_errors_are_written_at_once(tmp_path: Path) -> None:
    later = []
    log = Log(tmp_path / "log", "x")
    log.gather(lambda seconds, call: later.append((seconds, call)))
    log.note("Info", "Server", 1, "first")
    log.note("Info", "Server", 1, "second")
    assert len(later) == 1 and later[0][0] == log_module.FLUSH_S
    assert lines(tmp_path / "log") == []
    log.note("Error", "Server", 1, "third")
    deadline = time.monotonic() + 5
    while len(lines(tmp_path / "log")) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert texts(tmp_path / "log") == ["first", "second", "third"]
    log.close()


def test_a_full_file_is_put_aside_and_three_older_ones_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "_FILE_BYTES", 1000)
    file = LogFile(tmp_path / "log")
    for n in range(100):
        file.write([f"{n:03} " + "x" * 95])
    file.close()
    assert sorted(os.listdir(tmp_path)) == ["log", "log.1", "log.2", "log.3"]
    kept = "".join((tmp_path / name).read_text() for name in ("log.3", "log.2", "log.1", "log")).split("\n")[:-1]
    assert [int(line[:3]) for line in kept] == list(range(100 - len(kept), 100))
    assert 30 <= len(kept) <= 40


def test_a_full_disk_loses_lines_and_says_so_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = LogFile(tmp_path / "log")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr(log_module.os, "write", full)
        file.write(["a", "b"])
        file.write(["c"])
    file.write(["d"])
    file.close()
    assert lines(tmp_path / "log") == ["(3 lines are missing here: the log file could not be written)", "d"]
