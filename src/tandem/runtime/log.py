"""The server's log file: one line per note, in the format of all logs, written by a thread off the hot path.

``MM/DD/YYYY h:mm:ss name/dhcp/1 Level Component 0 NNNNN text`` in local time. Lines wait at most 100 ms in memory,
errors not at all. Bounded: a file is put aside at 10 MB and three older ones are kept; a line that comes again and
again is counted instead; a busy server leaves out packet lines. Source: SYSTEM S7.6; commands 2.1, log-settings.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from queue import SimpleQueue

FLUSH_S = 0.1
_FILE_BYTES = 10_000_000
_FILES = 4
_REPEAT_S = 10.0
_REPEATS = 5
"""How often one text is written in ``_REPEAT_S`` before it is only counted."""
_TEXTS_MAX = 1024
_BUSY_LINES = 500
"""Lines under a flag written per second before the rest is left out (see no-reduce-logging-when-busy)."""
_WAITING_LINES_MAX = 20_000

WRITTEN_WHEN_SET = {
    "default": True, "incoming-packets": True, "missing-options": True, "incoming-packet-detail": True,
    "outgoing-packet-detail": True, "unknown-criteria": True, "dns-update-detail": True, "client-detail": True,
    "client-criteria-processing": True, "failover-detail": True, "ldap-query-detail": True,
    "ldap-update-detail": True, "ldap-create-detail": True, "leasequery": True, "dropped-waiting-packets": True,
    "no-success-messages": False, "no-dropped-dhcp-packets": False, "no-dropped-bootp-packets": False,
    "no-failover-activity": False, "activity-summary": True, "no-invalid-packets": False,
    "no-reduce-logging-when-busy": True, "no-timeouts": False, "minimal-config-info": True,
    "no-failover-conflict": False,
}  # fmt: skip
"""For each flag of log-settings: are notes that carry it written when it is set, or when it is not set?"""


class LogFile:
    """A file that is put aside when it is full. Used by one thread. A full disk loses lines, never raises."""

    def __init__(self, path: Path) -> None:
        """Open for appending. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = self._open()
        self.lost = 0
        """Lines that could not be written and that the file does not mention yet."""

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def write(self, lines: list[str]) -> None:
        """Append lines."""
        count = len(lines)
        if self.lost:
            lines = [f"({self.lost} lines are missing here: the log file could not be written)", *lines]
        try:
            os.write(self._file, ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"))
            self.lost = 0
            if os.fstat(self._file).st_size >= _FILE_BYTES:
                self._rotate()
        except OSError:
            self.lost += count

    def _rotate(self) -> None:
        for number in range(_FILES - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            newer = self._path.with_name(f"{self._path.name}.{number - 1}") if number > 1 else self._path
            if newer.exists():
                newer.replace(older)
        fresh = self._open()
        os.close(self._file)
        self._file = fresh

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class Log:
    """Takes notes in the main thread."""

    def __init__(self, path: Path, name: str) -> None:
        """Open the log file of server ``name``. Raises OSError."""
        self.path = path
        self._name = name
        self._file = LogFile(path)
        self._queue: SimpleQueue[list[str] | None] = SimpleQueue()
        self._handed = 0
        """Lines handed to the thread; ``_taken``, which only the thread sets, are those it is done with."""
        self._taken = 0
        self._lines: list[str] = []
        self._later: Callable[[float, Callable[[], None]], object] | None = None
        self._waiting = False
        self._shown: frozenset[str] = frozenset()
        self._reduce = True
        self._second = 0
        self._prefix = ""
        self._this_second = 0
        self._left_out = 0
        self._repeats: dict[tuple[str, str, int, str], int] = {}
        self._repeats_end = 0.0
        self.configure(("default", "incoming-packets", "missing-options"))
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def configure(self, settings: Iterable[str]) -> None:
        """Take the flags of log-settings."""
        on = frozenset(settings)
        self._shown = frozenset(flag for flag, when_set in WRITTEN_WHEN_SET.items() if (flag in on) == when_set)
        self._reduce = "no-reduce-logging-when-busy" not in on

    def gather(self, later: Callable[[float, Callable[[], None]], object]) -> None:
        """From now on gather lines for ``FLUSH_S``; ``later(seconds, f)`` calls f (call_later)."""
        self._later = later

    def note(self, level: str, component: str, ident: int, text: str, flag: str = "") -> None:
        """Write one line, unless log-settings leave out notes with this ``flag``."""
        if flag and flag not in self._shown:
            return
        now = time.time()
        if int(now) != self._second:
            self._new_second(now)
        self._this_second += 1
        if flag and self._reduce and self._this_second > _BUSY_LINES:
            self._left_out += 1
            return
        key = (level, component, ident, text)
        seen = self._repeats.get(key, 0)
        if seen or len(self._repeats) < _TEXTS_MAX:
            self._repeats[key] = seen + 1
        if seen < _REPEATS:
            self._line(level, component, ident, text)

    def _line(self, level: str, component: str, ident: int, text: str) -> None:
        if "\n" in text:
            text = text.replace("\n", " | ")
        self._lines.append(f"{self._prefix}{level} {component} 0 {ident:05} {text}")
        if level == "Error" or self._later is None or len(self._lines) >= 1000:
            self._hand_over()
        elif not self._waiting:
            self._waiting = True
            self._later(FLUSH_S, self._flush)

    def _new_second(self, now: float) -> None:
        left_out, self._left_out, self._this_second = self._left_out, 0, 0
        self._second = int(now)
        t = time.localtime(now)
        stamp = f"{t.tm_mon:02}/{t.tm_mday:02}/{t.tm_year} {t.tm_hour}:{t.tm_min:02}:{t.tm_sec:02}"
        self._prefix = f"{stamp} {self._name}/dhcp/1 "
        if left_out:
            self._line("Info", "Server", 60110, f"The server is busy: {left_out} lines were left out "
                       "(log-settings flag no-reduce-logging-when-busy keeps them)")  # fmt: skip
        if not self._repeats_end - _REPEAT_S <= now < self._repeats_end:
            repeats, self._repeats = self._repeats, {}
            self._repeats_end = now + _REPEAT_S
            for (level, component, ident, text), count in repeats.items():
                if count > _REPEATS:
                    self._line(level, component, ident, f"{text} ({count - _REPEATS} more times)")

    def _flush(self) -> None:
        self._waiting = False
        now = time.time()
        if int(now) != self._second:
            self._new_second(now)
        self._hand_over()
        if self._later is not None and not self._waiting and (self._left_out or self._repeating()):
            self._waiting = True
            self._later(1.0, self._flush)

    def _repeating(self) -> bool:
        return any(count > _REPEATS for count in self._repeats.values())

    def _hand_over(self) -> None:
        if self._lines:
            if self._handed - self._taken > _WAITING_LINES_MAX:
                self._file.lost += len(self._lines)
            else:
                self._handed += len(self._lines)
                self._queue.put(self._lines)
            self._lines = []

    def close(self) -> None:
        """Write all lines and close the file."""
        self._later = None
        self._new_second(time.time() + _REPEAT_S)
        self._hand_over()
        self._queue.put(None)
        self._thread.join(5)

    def _run(self) -> None:
        while (lines := self._queue.get()) is not None:
            self._file.write(lines)
            self._taken += len(lines)
        self._file.close()
