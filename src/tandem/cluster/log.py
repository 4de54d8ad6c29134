"""The log file of the management plane, in the line format of all logs: date time name/ccm/1 Level Component 0 ID.

Bounded: it is rotated at 10 MB and four older files are kept. Source: SYSTEM S7.6.
"""

from __future__ import annotations

import logging
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path


class ClusterLog:
    """Writes lines to one log file."""

    def __init__(self, path: Path, name: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._name = name
        self._handler = RotatingFileHandler(path, maxBytes=10_000_000, backupCount=4, encoding="utf-8")

    def note(self, level: str, component: str, ident: int, text: str) -> None:
        """Write one line. ``level`` is Info, Warning or Error; ``ident`` the stable number of this message."""
        now = time.localtime()
        stamp = f"{time.strftime('%m/%d/%Y', now)} {now.tm_hour}:{now.tm_min:02}:{now.tm_sec:02}"
        line = f"{stamp} {self._name}/ccm/1 {level} {component} 0 {ident:05} {text}"
        self._handler.emit(logging.LogRecord("ccm", logging.INFO, "", 0, line, None, None))

    def close(self) -> None:
        """Close the file."""
        self._handler.close()
