"""The leases as files for other programs, and the scopes that run short of addresses.

    export leases -client|-server FILE    one line a lease: MAC|type|length|address|start|end|extension|last|server|
                                          host|domain|client-id|VPN; times in GMT, what is not known is empty
    export addresses FILE                 one line an address that a client has or had, with a heading

Nothing here is kept: the running server is asked, a thousand leases at a time. Source: reference "commands and
attributes" sections 1.7 and 8 (the first six fields; the others are of our own choosing).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tandem.base.errors import CommandError
from tandem.base.ipv4 import format_ipv4, parse_ipv4, prefix_length
from tandem.base.units import FOREVER
from tandem.cluster.answer import Answer, Item
from tandem.cluster.leases import PAGE_MAX, lease_page
from tandem.cluster.manager import Manager
from tandem.cluster.objects import table
from tandem.cluster.registry import NAME, REGISTRY, Argument, Command, Request
from tandem.config.access import DHCP_ADMIN, READ_ONLY
from tandem.config.document import read_object
from tandem.config.schema import SCOPE

_ADDRESSES = ("address", "state", "client-mac-addr", "client-id", "client-host-name", "expiration", "scope-name")


async def _leases(manager: Manager, wanted: dict[str, str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    page, after = await lease_page(manager, wanted, "", PAGE_MAX)
    while True:
        found += page
        if not after:
            return found
        page, after = await lease_page(manager, wanted, after, PAGE_MAX)


def _time(seconds: int) -> str:
    if seconds == FOREVER:
        return "forever"
    return time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime(seconds)) if seconds else ""


def _line(manager: Manager, lease: dict[str, Any]) -> str:
    htype, _, rest = str(lease["client-mac-addr"]).partition(",")
    length, _, mac = rest.partition(",")
    start, end = lease["start-time-of-state"], lease["expiration"]
    fields = [
        mac, htype, length, str(lease["address"]), _time(start), _time(end), _time(end),
        _time(lease["client-last-transaction-time"]), format_ipv4(manager.address), lease["client-host-name"], "",
        lease["client-id"], "",
    ]  # fmt: skip
    return "|".join(str(text).replace("|", "") for text in fields)


async def _export_leases(manager: Manager, request: Request) -> Answer:
    which = request.values["which"]
    if which not in ("-client", "-server"):
        raise CommandError(316, f"{which!r}: write -client (current leases) or -server (expired ones too)")
    leases = await _leases(manager, {"state": "leased"} if which == "-client" else {})
    had = [lease for lease in leases if lease["expiration"] and (lease["client-mac-addr"] or lease["client-id"])]
    return Answer(lines=[_line(manager, lease) for lease in had])


async def _export_addresses(manager: Manager, request: Request) -> Answer:
    lines = ["|".join(_ADDRESSES)]
    for lease in await _leases(manager, {}):
        shown = {**lease, "expiration": _time(lease["expiration"])}
        lines.append("|".join(str(shown.get(key, "")).replace("|", "") for key in _ADDRESSES))
    return Answer(lines=lines)


def _scopes(manager: Manager, request: Request) -> list[str]:
    """Return the names of the scopes that are asked for, all when none are. Raises CommandError 302."""
    names = [name.strip() for name in request.values["scopes"].split(",") if name.strip()]
    for name in names:
        read_object(manager.database.document, SCOPE.name, name)
    return names or list(manager.database.document.get(SCOPE.name, {}))


async def _notification(manager: Manager, request: Request) -> Answer:
    text = request.values["available"] or "100%"
    number, percent = text.removesuffix("%"), text.endswith("%")
    if not number.isdecimal() or len(number) > 9 or (percent and int(number) > 100):
        raise CommandError(316, f"available: {text!r}: write a number of addresses, or a percentage such as 10%")
    document, names = manager.database.document, _scopes(manager, request)
    rows = [["Cluster", "Scope", "Address", "Mask bits", "Addresses", "Percent free", "Free"]]
    items = []
    for scope in await manager.scopes(names):
        free, size = scope["main-share"] + scope["backup-share"], scope["addresses"]
        part = 100 * free // size if size else 0
        if (part if percent else free) > int(number):
            continue
        mask = prefix_length(parse_ipv4(read_object(document, SCOPE.name, scope["name"])["mask"]))
        cells = [manager.name, scope["name"], scope["subnet"], str(mask), str(size), f"{part}%", str(free)]
        rows.append(cells)
        items.append(Item(scope["name"], {head.lower().replace(" ", "-"): cell for head, cell in
                                          zip(rows[0], cells, strict=True) if head != "Scope"}))  # fmt: skip
    return Answer(items, table(rows) if items else ["No scope has so few addresses available."])


_COUNTS = ("addresses", "reserved", "leased", "available", "other-available", "pending-available", "unavailable")


async def _report(manager: Manager, request: Request) -> Answer:
    document, names = manager.database.document, _scopes(manager, request)
    heads = [key.capitalize().replace("-", " ") for key in _COUNTS]
    rows, total = [["Scope", "Subnet", *heads, "Percent leased"]], dict.fromkeys(_COUNTS, 0)
    for scope in await manager.scopes(names):
        bits = prefix_length(parse_ipv4(read_object(document, SCOPE.name, scope["name"])["mask"]))
        rows.append(_report_row(scope["name"], f"{scope['subnet']}/{bits}", scope))
        total = {key: total[key] + scope[key] for key in _COUNTS}
    rows.append(_report_row("Total", "", total))
    keys = [head.lower().replace(" ", "-") for head in rows[0]]
    items = [Item(row[0], dict(zip(keys[1:], row[1:], strict=True))) for row in rows[1:]]
    separator = request.values["column-separator"]
    return Answer(items, [separator.join(row) for row in rows] if separator else table(rows))


def _report_row(name: str, subnet: str, counts: Mapping[str, Any]) -> list[str]:
    size = counts["addresses"]
    part = f"{100 * counts['leased'] / size:.1f}%" if size else "-"
    return [name, subnet, *(str(counts[key]) for key in _COUNTS), part]


async def _clear_unavailable(manager: Manager, request: Request) -> Answer:
    read_object(manager.database.document, SCOPE.name, request.name)
    leases = await _leases(manager, {"scope": request.name, "state": "unavailable"})
    for lease in leases:
        await manager.ask("force_available", address=parse_ipv4(str(lease["address"])))
    if leases:
        text = f"{request.who} forced {len(leases)} unavailable leases of scope {request.name} available."
        manager.log.note("Info", "Lease", 60012, text)
    return Answer(lines=[f"{len(leases)} unavailable leases were made available"])


_FILE = Argument("file", "file that nrcmd writes; left out: shown", optional=True)

REGISTRY.add(
    Command(("export", "leases"), "Show all leases, one a line, or have nrcmd write them to a file.",
            "export leases -client file=leases.txt", _export_leases,
            (Argument("which", "-client: current leases; -server: expired ones too", choices=("-client", "-server")),
             _FILE), role=READ_ONLY),
    Command(("export", "addresses"), "Show all addresses that clients have or had, or have nrcmd write them to a file.",
            "export addresses file=addresses.txt", _export_addresses, (_FILE,), role=READ_ONLY),
    Command(("report",), "Show how the addresses of each scope are used, and of all.", "report column-separator=,",
            _report,
            (Argument("column-separator", "text between the columns; left out: they are aligned", optional=True),
             Argument("scopes", "only these, with commas", optional=True), _FILE), role=READ_ONLY),
    Command(("lease-notification",), "Show the scopes in which few addresses are available.",
            "lease-notification available=10%", _notification,
            (Argument("available", "no more than so many, or such a percentage: 20, 10% (default: all scopes)",
                      optional=True),
             Argument("scopes", "only these, with commas", optional=True)), role=READ_ONLY),
    Command(("scope", NAME, "clearUnavailable"), "Make the scope's unavailable addresses available again.",
            "scope examplescope clearUnavailable", _clear_unavailable, role=DHCP_ADMIN, effect="server"),
)  # fmt: skip
