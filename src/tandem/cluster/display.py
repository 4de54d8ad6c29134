"""How the running server's views are shown: leases, related servers, counters."""

from __future__ import annotations

from collections.abc import Mapping

from tandem.base.units import format_duration
from tandem.cluster.answer import Item, user_lines
from tandem.cluster.objects import table
from tandem.cluster.registry import Session
from tandem.config.dates import Clock, format_date

_DATES = frozenset({
    "since", "partner-since", "start-of-communications-interrupted", "last-contact", "expiration", "started-at",
    "start-time-of-state", "client-last-transaction-time", "sent-potential-expiration",
    "acked-potential-expiration", "received-potential-expiration", "est-end-recover-time", "safe-period-end",
    "use-other-available-time", "first-time", "last-time", "here-expiration", "partner-expiration",
    "here-heard-client", "partner-heard-client", "earliest", "raised", "cleared", "last-renewal",
    "drift-checked", "counted-since", "counted-until", "last-synchronization-time",
})  # fmt: skip
"""Keys of the server's views that hold seconds since 1970; 0 = never."""
_DURATIONS = frozenset({"maximum-client-lead-time", "desired-lease-time"})


def item_of(name: str, view: Mapping[str, object], session: Session) -> Item:
    """Return one of the server's views as it is shown; what is empty or never happened is left out."""
    clock = session.clock()
    texts: dict[str, str] = {}
    for key, value in view.items():
        if value is None or value == "" or (key in _DATES and value == 0):
            continue
        if isinstance(value, list):
            texts |= {f"{key}-{i}": _entry(entry, clock) for i, entry in enumerate(value, 1)}
        elif key in _DATES and isinstance(value, int | float):
            texts[key] = format_date(int(value), clock)
        elif key in _DURATIONS and isinstance(value, int):
            texts[key] = format_duration(value)
        else:
            texts[key] = str(value)
    return Item(name, texts)


def _entry(entry: object, clock: Clock) -> str:
    """Return one entry of a list in a view: a time to come, a transition, or plain text."""
    if not isinstance(entry, dict):
        return str(entry)
    if "until" in entry:
        left = format_duration(max(int(entry["until"] - clock.now), 0))
        return f"in {left}, {format_date(int(entry['until']), clock)}: {entry['what']}"
    return f"{format_date(int(entry['when']), clock)} {entry['from']} -> {entry['to']} ({entry['row']}): {entry['why']}"


_COLUMNS = {
    "Type": "type", "Name": "name", "Address": "address", "Role": "role", "Communications": "communications",
    "State": "state", "Partner Role": "partner-role", "Partner State": "partner-state",
}  # fmt: skip


def related_lines(servers: list[Item]) -> list[str]:
    """Return a table of related servers, then the details of each; nothing for none."""
    if not servers:
        return []
    rows = [list(_COLUMNS), *([s.attributes.get(key, "") for key in _COLUMNS.values()] for s in servers)]
    lines = table(rows)
    for server in servers:
        lines += ["", *user_lines(server)]
    return lines
