"""Why a server process cannot start or go on, with its exit status."""

from __future__ import annotations

RUNTIME = 1
USAGE = 2
CONFIG_INVALID = 3
DATABASE_DAMAGED = 4


class CannotRun(Exception):
    """The server cannot start, or cannot go on. ``status`` is the exit status; the text says what to do."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
