"""The DHCP server's counters as operators ask for them: in total, since they were reset, and of the last sample.

The server counts from its start and is never reset; what is to be subtracted is remembered here, and forgotten when
another process counts. Does not know what is counted. Source: reference "commands and attributes" section 1.7.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any

from tandem.base.errors import CommandError
from tandem.base.units import format_duration
from tandem.cluster.answer import Answer
from tandem.cluster.display import item_of
from tandem.cluster.manager import Manager
from tandem.cluster.marks import SAMPLE_S, Mark
from tandem.cluster.registry import REGISTRY, Argument, Command, Request
from tandem.config.access import FAILOVER_OPERATOR, READ_ONLY

_PARTS = ("server", "failover", "dhcpv4")
_PERIODS = ("total", "sample")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What of the counters is wanted."""

    parts: tuple[str, ...]
    sample: bool


def _asked(words: list[str]) -> _Asked:
    """Return what ``server,failover sample`` and the like ask for. Raises CommandError 316."""
    given = " ".join(words).lower().replace(",", " ").split()
    periods = [word for word in given if word in _PERIODS]
    parts = tuple(part for part in _PARTS if part in given)
    wrong = [word for word in given if word not in (*_PARTS, *_PERIODS, "all")]
    if wrong or len(periods) > 1:
        why = f"{wrong[0]!r}" if wrong else "total and sample"
        raise CommandError(316, f"{why}: write all, server, failover or dhcpv4 (with commas), then total or sample")
    return _Asked(parts if parts and "all" not in given else ("server", "failover"), "sample" in periods)


async def _show(manager: Manager, request: Request) -> Answer:
    asked = _asked(request.words)
    counters: dict[str, Any] = await manager.ask("statistics")
    if asked.sample:
        sample = manager.marks.sample(counters)
        if sample is None:
            raise CommandError(
                302, f"no sample is complete yet: one is taken every {format_duration(SAMPLE_S)} while the server"
                " runs; 'dhcp getStats' shows the counters as they are",
            )  # fmt: skip
        begun, ended = sample
        counters = begun.until(ended.counters) | {"counted-since": int(begun.at), "counted-until": int(ended.at)}
    elif (reset := manager.marks.reset_of(counters)) is not None:
        counters = reset.until(counters) | {"counted-since": int(reset.at)}
    partners = counters.pop("failover", [])
    items = [item_of("dhcp", counters, request.session)] if "server" in asked.parts else []
    if "dhcpv4" in asked.parts:
        own = {key: value for key, value in counters.items() if key.startswith(("dhcp-", "counted-"))}
        items.append(item_of("dhcpv4", own, request.session))
    if "failover" in asked.parts:
        for partner in partners:
            facts = {key: value for key, value in partner.items() if key != "name"}
            items.append(item_of(f"failover {partner['name']}", facts, request.session))
    return Answer(items)


async def _reset(manager: Manager, request: Request) -> Answer:
    manager.marks.reset(Mark(time.time(), await manager.ask("statistics")))
    manager.log.note("Info", "Server", 60034, f"{request.who} reset the DHCP server's counters.")
    return Answer()


async def keep_samples(manager: Manager) -> None:
    """Take samples of the counters, until cancelled."""
    while True:
        with contextlib.suppress(CommandError):  # it does not run: that is an alarm already
            manager.marks.take(Mark(time.time(), await manager.ask("statistics")))
        await asyncio.sleep(SAMPLE_S)


REGISTRY.add(
    Command(("dhcp", "getStats"), "Show the server's counters, and those of each failover relationship.",
            "dhcp getStats failover total", _show,
            (Argument("what", "server, failover, dhcpv4, some with commas, or all; then total: since the start or"
                      f" resetStats, or sample: of the last whole {format_duration(SAMPLE_S)} (left out: all total)",
                      optional=True, many=True, choices=("all", *_PARTS, *_PERIODS)),), role=READ_ONLY),
    Command(("dhcp", "resetStats"), "Have the counters that getStats shows begin at 0.", "dhcp resetStats", _reset,
            role=FAILOVER_OPERATOR, effect="server"),
)  # fmt: skip
