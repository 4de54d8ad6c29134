"""Watches the DHCP server for its operators: takes samples of each scope, and notices what is wrong and when it ends.

Asks over the control socket every few seconds, so an alarm is there although nobody looks at a page. Each alarm that
is raised or cleared is a line in the cluster's log. Does not decide what is an alarm in the server (``node.alarms``).

Source: SYSTEM S4.14, S9.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tandem.base.errors import CommandError
from tandem.cluster import certificates
from tandem.cluster.history import Alarm, History, Sample
from tandem.config.pairs import PAIR
from tandem.config.schema import DHCP, SCOPE

if TYPE_CHECKING:
    from tandem.cluster.manager import Manager

LOOK_S = 5.0
EXPIRES_S = 14 * 86400
"""How long before its end a certificate is an alarm."""
_CLEARED_S = 86400
"""For how long an alarm that is over is still shown."""


class Watch:
    """The watcher of one cluster."""

    def __init__(self, manager: Manager, path: Path) -> None:
        """Keep history in the file ``path``, which is opened at the first look."""
        self._manager = manager
        self._path = path
        self._opened: History | None = None
        self._sampled_at = 0.0
        self._failing = False
        self._expiry: tuple[tuple[int, ...], float] | None = None
        """The API's certificate by its file's stamp, and when it expires."""

    async def run(self) -> None:
        """Look every few seconds, until cancelled. A server that is just starting is given its time."""
        while True:
            await self._manager.supervisor.settled()
            await self.look()
            await asyncio.sleep(LOOK_S)

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    async def look(self) -> None:
        """Note what is wrong now, and take samples if it is time. A disk that refuses is said once in the log."""
        now = time.time()
        wrong = await self._wrong()
        found = wrong + self._drifting(wrong) + self._expiring(now)
        try:
            raised, cleared = self._history().note_alarms(int(now), found)
            await self._sample(now)
        except sqlite3.Error as error:
            if not self._failing:
                text = f"The history cannot be written to {self._path}: {error}; free space there"
                self._manager.log.note("Warning", "History", 60031, text)
            self._failing = True
            return
        self._failing = False
        for alarm in raised:
            self._manager.log.note(alarm.level, "Alarm", 60032, f"Raised: {_words(alarm)}")
        for alarm in cleared:
            self._manager.log.note("Info", "Alarm", 60033, f"Cleared: {_words(alarm)}")

    async def alarms(self) -> list[Alarm]:
        """Return the alarms of this moment, then those that ended within a day. Raises CommandError 500."""
        await self.look()
        return self.known_alarms()

    def known_alarms(self) -> list[Alarm]:
        """Return the same as of the last look."""
        try:
            return self._history().alarms(int(time.time()) - _CLEARED_S)
        except sqlite3.Error as error:
            raise self._unreadable(error) from None

    def samples(self, scope: str, back_s: int) -> list[Sample]:
        """Return a scope's samples of the last ``back_s`` seconds, oldest first. Raises CommandError 500."""
        now = int(time.time())
        try:
            return self._history().samples(scope, now - back_s, now)
        except sqlite3.Error as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: sqlite3.Error) -> CommandError:
        return CommandError(500, f"the history {self._path} cannot be read ({error}); move it aside to begin anew")

    def _history(self) -> History:
        if self._opened is None:
            self._opened = History(self._path)
        return self._opened

    async def _wrong(self) -> list[dict[str, Any]]:
        supervisor, server = self._manager.supervisor, self._manager.server
        try:
            found: list[dict[str, Any]] = await server.call("alarms", timeout_s=LOOK_S)
            status = await server.call("status", timeout_s=LOOK_S)
        except CommandError as error:
            if not supervisor.wanted:
                return [_own("server-stopped", "Warning", "the DHCP server was stopped; its partner serves alone",
                             "dhcp start")]  # fmt: skip
            return [_own("server-not-running", "Error", error.text, "see the log; it is tried again by itself")]
        if status["database"] != "OK":
            text = f"the lease database cannot be written ({status['database']}); no client is answered"
            found.append(_own("database", "Error", text, "free space on its disk; it is tried again by itself"))
        return found

    def _drifting(self, wrong: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The pairs whose configurations do not agree, or of which nobody knows (S10.2) although both are there."""
        lost = {alarm["subject"] for alarm in wrong if alarm["kind"] == "communications-interrupted"}
        found = []
        for name in self._manager.pair_notes.pairs():
            notes = self._manager.pair_notes.of(name)
            drift = notes.get("drift", "none")
            servers = self._manager.database.document.get(PAIR.name, {}).get(name, {})
            away = f"{servers.get('main-server')}-{servers.get('backup-server')}" in lost
            if drift == "none" or (away and drift.startswith("not known")):
                continue
            text = "; ".join([drift.split("\n")[0], *notes["differences"][:3]])
            cure = f"see 'failover-pair {name} checkDrift'; 'failover-pair {name} sync' mends it"
            found.append({"kind": "configuration-drift", "level": "Warning", "subject": f"failover-pair {name}",
                          "since": 0, "text": text, "cure": cure})  # fmt: skip
        return found

    def _expiring(self, now: float) -> list[dict[str, Any]]:
        """The API's certificate, where browsers and those who go by an authority will soon refuse it."""
        tls = self._manager.api_tls
        if tls is None:
            return []
        if self._expiry is None or self._expiry[0] != tls.stamp():
            try:
                self._expiry = tls.stamp(), certificates.expires(tls.certificate)
            except (OSError, ValueError):
                return []  # the one that was read before is still shown; it is looked at again
        left_s = self._expiry[1] - now
        if left_s > EXPIRES_S:
            return []
        when = "has expired" if left_s <= 0 else f"expires within {left_s / 86400:.0f} days"
        text = f"the API's certificate {tls.certificate} {when}"
        cure = "renew the file, which is shown within a minute; a self-made one: delete it and restart"
        return [_own("certificate-expires", "Error" if left_s <= 0 else "Warning", text, cure)]

    async def _sample(self, now: float) -> None:
        settings = self._manager.database.document.get(DHCP.name, {})
        interval_s, keep_s = (
            settings.get(name, DHCP.by_name[name].default)
            for name in ("collect-addr-util-interval", "collect-addr-util-duration")
        )
        if not keep_s or 0 <= now - self._sampled_at < interval_s:
            return
        names = list(self._manager.database.document.get(SCOPE.name, {}))
        try:
            scopes = await self._manager.server.scopes(names, LOOK_S)
        except CommandError:
            return  # it does not run: that is an alarm already
        self._sampled_at = now
        self._history().add_samples(int(now), scopes, keep_s)


def _own(kind: str, level: str, text: str, cure: str) -> dict[str, Any]:
    return {"kind": kind, "level": level, "subject": "dhcp", "since": 0, "text": text, "cure": cure}


def _words(alarm: Alarm) -> str:
    return f"{alarm.kind} {alarm.subject}: {alarm.text}"
