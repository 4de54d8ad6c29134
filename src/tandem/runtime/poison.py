"""Inputs that the server died of: remembered on disk, so that one of them does not end it again and again.

A defect in a decision ends the server, because what it had half decided cannot be trusted; it is started again from
what is on disk. A client's packet that did it is dropped from then on: known again by all but its transaction id and
seconds, which change each time it is sent. A partner whose messages did it twice within the hour is kept off for ten
minutes at a time, while this server serves as with interrupted communications. All of it is forgotten after a day, or
when the file is deleted. Does not know what was wrong.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from tandem.base.io import Datagram, Input, LinkData

FILE = "poison.json"
_KEPT = 64
_FORGET_S = 86400
_HOUR_S = 3600
KEEP_OFF_S = 600


class _Record(msgspec.Struct):
    """What the file holds: fingerprints of datagrams and when each came last; when partners' messages did it."""

    datagrams: dict[str, float] = {}
    links: list[float] = []


class Poison:
    """The memory of one server's data directory."""

    def __init__(self, directory: Path, note: Callable[[str, str, int, str], None], now: float) -> None:
        """Read the file; one that cannot be read counts as empty."""
        self._path = directory / FILE
        self._note = note
        try:
            record = msgspec.json.decode(self._path.read_bytes(), type=_Record)
        except (OSError, msgspec.DecodeError):
            record = _Record()
        self._datagrams = {mark: at for mark, at in record.datagrams.items() if now - at < _FORGET_S}
        self._links = [at for at in record.links if now - at < _HOUR_S]
        self.dropped = 0
        """Datagrams dropped because the server died of their like."""
        if self._datagrams:
            text = f"{len(self._datagrams)} kinds of packets are dropped because the server died of them (a defect)"
            note("Warning", "Server", 60140, f"{text}; delete {self._path} and restart to try them again")

    def __bool__(self) -> bool:
        return bool(self._datagrams or self._links)

    def died_of(self, event: Input, now: float) -> None:
        """Remember an input that raised. A disk that cannot be written loses it."""
        if isinstance(event, Datagram):
            self._datagrams[_mark(event)] = now
            while len(self._datagrams) > _KEPT:
                del self._datagrams[next(iter(self._datagrams))]
        elif isinstance(event, LinkData):
            self._links = [*self._links, now][-_KEPT:]
        else:
            return
        new = self._path.with_suffix(".new")
        try:
            with open(new, "wb") as file:
                file.write(msgspec.json.encode(_Record(self._datagrams, self._links)))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            self._note("Error", "Server", 60141, f"{self._path} cannot be written: {error.strerror}")

    def drops(self, event: Datagram) -> bool:
        """Whether the server died of the like of this datagram."""
        if not self._datagrams or _mark(event) not in self._datagrams:
            return False
        self.dropped += 1
        self._note("Warning", "Server", 60142, "Dropped a packet because the server died of its like (a defect)")
        return True

    def keeps_off(self, now: float) -> bool:
        """Whether partners are kept off now."""
        if len(self._links) < 2 or not 0 <= now - self._links[-1] < KEEP_OFF_S:
            return False
        self._note("Error", "Failover", 60143, "The server died of the partner's messages repeatedly (a defect); the "
                   f"partner is kept off for {KEEP_OFF_S // 60} minutes, clients are served")  # fmt: skip
        return True


def _mark(event: Datagram) -> str:
    data = event.data
    return hashlib.sha256(data[:4] + data[10:]).hexdigest()
