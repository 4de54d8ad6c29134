"""Drift: whether a failover pair's two configurations agree as they must, found out by itself and on order.

Source: SYSTEM S10.2.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from tandem.base.errors import CommandError
from tandem.cluster.answer import Answer
from tandem.cluster.manager import Manager
from tandem.cluster.pair_sync import fetch, label, order_body, value_shown
from tandem.cluster.pairs import remote_of, side_of
from tandem.cluster.registry import NAME, REGISTRY, Command, Login, Request
from tandem.cluster.remote import LoginRefused, call
from tandem.cluster.synchronize import FORMAT, Order, carry_out, fingerprints
from tandem.config.access import READ_ONLY
from tandem.config.pairs import PAIR
from tandem.config.synctables import DRIFT

_TICK_S = 1.0
_DIFFERENCES_MAX = 20
"""Differences that drift is told with."""


async def find_drift(manager: Manager, name: str) -> tuple[list[str], dict[str, Any]]:
    """Return the kinds of data in which the backup lacks what the main has, and the report that names it.

    Raises CommandError when the partner's cluster does not tell.
    """
    side = side_of(manager, name)
    remote = remote_of(manager, side)
    document = manager.database.document
    own = await asyncio.to_thread(fingerprints, document, side.pair)
    body = {"format": FORMAT, "main": side.pair.main, "backup": side.pair.backup, "fingerprints": own}
    compared = await call(remote, "POST", "/synchronization/compare", body)
    if not compared["differ"]:
        return [], {"entries": [], "left_off": 0}
    if side.is_main:
        report = await call(remote, "POST", "/synchronization/report", order_body(manager, side, DRIFT))
    else:
        there, withheld = await fetch(remote)
        report = await carry_out(manager, Login(manager.name), Order(side.pair, DRIFT, there, withheld))
    return list(dict.fromkeys(entry["class"] for entry in report["entries"])), report


def _differences(report: dict[str, Any]) -> list[str]:
    return [
        f"{label(entry)} {entry['attribute'] or '(all of it)'}: main {value_shown(entry, entry['after'])},"
        f" backup {value_shown(entry, entry['before'])}"
        for entry in report["entries"][:_DIFFERENCES_MAX]
    ]


async def observe(manager: Manager, name: str) -> tuple[list[str], dict[str, Any]]:
    """Find drift and remember the outcome, of which ``Watch`` makes an alarm. Raises CommandError, which it is, too."""
    checked = int(time.time())
    try:
        kinds, report = await find_drift(manager, name)
    except CommandError as error:
        manager.pair_notes.note(name, drift=f"not known: {error.text}", differences=[], drift_checked=checked)
        raise
    found = f"different: {', '.join(kinds)}" if kinds else "none"
    manager.pair_notes.note(name, drift=found, differences=_differences(report), drift_checked=checked)
    return kinds, report


async def watch_drift(manager: Manager) -> None:
    """Observe every pair that can be observed, each in its own interval, until cancelled."""
    checked: dict[str, float] = {}
    refused: dict[str, tuple[str, str]] = {}
    while True:
        await asyncio.sleep(_TICK_S)
        pairs = manager.database.document.get(PAIR.name, {})
        manager.pair_notes.keep(pairs)
        for name, content in pairs.items():
            interval = content.get("drift-check-interval", PAIR.by_name["drift-check-interval"].default)
            login = _login(manager, name)
            due = name not in checked or time.monotonic() - checked[name] >= interval
            if not interval or not due or login in (None, refused.get(name)):
                continue
            checked[name] = time.monotonic()
            with contextlib.suppress(CommandError):  # it is remembered
                try:
                    await observe(manager, name)
                except LoginRefused:  # asking on would lock the administrator's account there
                    assert login is not None
                    refused[name] = login


def _login(manager: Manager, name: str) -> tuple[str, str] | None:
    """Return as whom the partner's cluster would be asked; None when it cannot be."""
    try:
        remote = remote_of(manager, side_of(manager, name))
    except CommandError:
        return None
    return remote.username, remote.password


async def _check_drift(manager: Manager, request: Request) -> Answer:
    kinds, report = await observe(manager, request.name)
    count = len(report["entries"]) + report["left_off"]
    if not kinds:
        return Answer(lines=["The backup has what it must have of the main's configuration."], data={"differences": []})
    lines = ["1 property differs:" if count == 1 else f"{count} properties differ:", *_differences(report)]
    lines.append(f"'failover-pair {request.name} sync complete -report' shows what would make them the same.")
    return Answer(lines=lines, status=101, text="Ok, with warnings", data={"differences": report["entries"]})


REGISTRY.add(
    Command((PAIR.name, NAME, "checkDrift"), "Show what of the main's configuration the backup lacks.",
            "failover-pair example checkDrift", _check_drift, role=READ_ONLY),
)  # fmt: skip
