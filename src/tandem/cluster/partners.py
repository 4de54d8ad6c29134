"""The commands about failover partners: who they are, that one is down, to stop for long.

Source: reference "commands and attributes" sections 1.2 and 1.7; SYSTEM S4.9, S7.5.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tandem.base.errors import CommandError
from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.base.units import format_duration
from tandem.cluster import certificates
from tandem.cluster.answer import Answer, Item
from tandem.cluster.display import item_of, related_lines
from tandem.cluster.manager import Manager
from tandem.cluster.names import look_up
from tandem.cluster.objects import table
from tandem.cluster.registry import REGISTRY, Argument, Command, Request
from tandem.config.access import DHCP_ADMIN, FAILOVER_OPERATOR, READ_ONLY
from tandem.config.dates import DATE_FORMS, parse_date
from tandem.config.document import read_object


async def _related_servers(manager: Manager, request: Request) -> Answer:
    related = await manager.ask("related_servers")
    items = [item_of(str(server["name"]), server, request.session) for server in related]
    return Answer(items, related_lines(items) or ["Failover is off: this server has no partner."])


async def _endurance(manager: Manager, request: Request) -> Answer:
    names = list(manager.database.document.get("scope", {}))
    if request.values["scope"]:
        names = [request.values["scope"]]
        read_object(manager.database.document, "scope", names[0])
    rows = [["Scope", "Leased", "Main's share", "Lasts", "Backup's share", "Target", "Lasts", "New per hour"]]
    items = []
    for scope in await manager.scopes(names):
        if scope["failover"]:
            lasts = [_lasts(scope[f"{role}-lasts-s"]) for role in ("main", "backup")]
            shown = [scope["name"], scope["leased"], scope["main-share"], lasts[0], scope["backup-share"],
                     scope["backup-target"], lasts[1], scope["arrivals-per-hour"]]  # fmt: skip
            rows.append([str(value) for value in shown])
            view = {**scope, "main-lasts": lasts[0], "backup-lasts": lasts[1]}
            del view["main-lasts-s"], view["backup-lasts-s"]
            items.append(item_of(str(scope["name"]), view, request.session))
    return Answer(items, table(rows) if items else ["No scope of the running server has a failover partner."])


def _lasts(seconds: int | None) -> str:
    return "-" if seconds is None else format_duration(seconds)


async def _conflicts(manager: Manager, request: Request) -> Answer:
    found = await manager.ask("failover_conflicts")
    items = [item_of(str(conflict.pop("address")), conflict, request.session) for conflict in found]
    return Answer(items, [] if items else ["The partners have agreed on everything since the server started."])


async def _order(request: Request, partner: str, date: str) -> dict[str, Any]:
    """Return what the server is asked for a partner, its date and in which mode. Raises CommandError."""
    try:
        at = parse_date(date, request.session.clock()) if date else None
    except ValueError:
        raise CommandError(316, f"date: {date!r} is not {DATE_FORMS}") from None
    return {"partner": await address_of(partner), "at": at, "expert": request.session.expert}


async def set_partner_down(manager: Manager, request: Request, partner: str) -> Answer:
    """Declare a partner down since the request's ``date``, or with ``-preview`` show what that changes."""
    words = request.values["date"].split()
    date = " ".join(word for word in words if word.lower() != _PREVIEW)
    order = await _order(request, partner, date)
    if len(date.split()) < len(words):
        return await _preview(manager, request, order)
    answer = await manager.ask("set_partner_down", **order)
    manager.log.note("Info", "Failover", 60011, f"{request.who} declared partner {partner} down.")
    return Answer(lines=[str(answer)] if answer else [])


async def _set_partner_down(manager: Manager, request: Request) -> Answer:
    return await set_partner_down(manager, request, request.values["partner"])


async def _preview_partner_down(manager: Manager, request: Request) -> Answer:
    return await _preview(manager, request, await _order(request, request.values["partner"], request.values["date"]))


async def _preview(manager: Manager, request: Request, order: dict[str, Any]) -> Answer:
    lines, items = [], []
    for view in await manager.ask("preview_partner_down", **order):
        scopes = view.pop("scopes")
        item = item_of(str(view["name"]), view, request.session)
        items.append(item)
        lines += [f"{item.name}: {item.attributes['state']}, communications {item.attributes['communications']}"]
        if not view["possible"]:
            lines.append(f"    cannot be done: {view['why-not']}")
            continue
        remark = f" ({view['remark']})" if view["remark"] else ""
        lines.append(f"    the partner {view['partner']} would count as down since {item.attributes['since']}{remark}")
        lines += [f"    {sentence}" for sentence in view["changes"]]
        rows = [["Scope", "Own share", "Lasts", "Partner's share", "Both last", "Leased", "Not free yet"]]
        for scope in scopes:
            lasts = [scope["own-lasts"] or "-", scope["both-last"] or "-"]
            counts = [str(scope[key]) for key in ("own", "partners", "leased", "pending")]
            rows.append([scope["name"], counts[0], lasts[0], counts[1], lasts[1], *counts[2:]])
        lines += ["", *table(rows), ""]
    return Answer(items, [*lines, "Nothing was changed. See whether the partner is really down: dhcp checkPartner"])


async def _alarms(manager: Manager, request: Request) -> Answer:
    found = await manager.watch.alarms()
    items = [item_of(f"{alarm.kind} {alarm.subject}", alarm.view(), request.session) for alarm in found]
    rows = [["Level", "Alarm", "Subject", "Raised", "Cleared", "What"]]
    for item in items:
        shown = item.attributes
        row = [shown.get(key, "") for key in ("level", "kind", "subject", "raised", "cleared", "text")]
        rows.append([*row[:4], row[4] or "-", row[5]])
    return Answer(items, table(rows) if items else ["No alarm."])


async def address_of(server: str) -> int:
    """Return the address of a server given by address or by name. Raises CommandError 302."""
    try:
        return parse_ipv4(server)
    except ValueError:
        try:
            found = await look_up(server)
        except (OSError, UnicodeError):
            raise CommandError(
                302,
                f"{server!r} is no address, and no address was found for it as a name; "
                "'dhcp getRelatedServers' shows the partner's address",
            ) from None
        return parse_ipv4(str(found[0][4][0]))


async def _certificate(manager: Manager, request: Request) -> Answer:
    path = manager.failover_certificate
    try:
        shown = certificates.fingerprint(certificates.read(path))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise CommandError(
            501, f"{path} cannot be read: {why}; 'dhcp renewFailoverCertificate' makes a new one"
        ) from None
    address = format_ipv4(manager.address)
    return Answer(
        [Item("dhcp", {"fingerprint": shown, "file": str(path)})],
        [
            f"fingerprint = {shown}", f"file = {path}", "On the partner:",
            f"dhcp set failover-tls-partner-fingerprint={address}/{shown}",
        ],
    )  # fmt: skip


async def _renew_certificate(manager: Manager, request: Request) -> Answer:
    try:
        await asyncio.to_thread(make_failover_certificate, manager.failover_certificate, manager.name)
    except OSError as error:
        raise CommandError(501, f"{manager.failover_certificate} cannot be written: {error.strerror}") from None
    manager.log.note("Info", "Failover", 60014, f"{request.who} made a new certificate for failover.")
    answer = await _certificate(manager, request)
    answer.lines.append("It is used from the next 'dhcp reload' here on: give the partner both, old and new, before.")
    return answer


def make_failover_certificate(path: Path, name: str) -> None:
    """Make the key and certificate by which partners know the DHCP server of cluster ``name``. Raises OSError."""
    certificates.make(path, f"{name} DHCP failover")


async def _shut_down(manager: Manager, request: Request) -> Answer:
    said = await manager.ask("shut_down")
    manager.log.note("Info", "Failover", 60013, f"{request.who} stopped the DHCP server for a long time.")
    await manager.supervisor.stop()
    return Answer(lines=[str(line) for line in said])


PARTNER = Argument("partner", "address or name of the partner server")
_WHEN = "when it was last known to be running: -5m, -3d, or Oct 31 00:00:00 2001; left out: now"
_DATE = Argument("date", _WHEN, optional=True, many=True)
_PREVIEW = "-preview"
DATE = Argument("date", f"{_WHEN}; {_PREVIEW}: only show what would change, and when", optional=True, many=True)

REGISTRY.add(
    Command(("dhcp", "getRelatedServers"), "Show failover partners, their states and why.",
            "dhcp getRelatedServers", _related_servers, role=READ_ONLY),
    Command(("dhcp", "getFailoverConflicts"), "Show what the partners did not agree on: both views, the winner, why.",
            "dhcp getFailoverConflicts", _conflicts, role=READ_ONLY),
    Command(("dhcp", "previewPartnerDown"), "Show what setPartnerDown would change and when; changes nothing.",
            "dhcp previewPartnerDown 192.168.60.2 -5m", _preview_partner_down, (PARTNER, _DATE), role=READ_ONLY),
    Command(("dhcp", "getEndurance"), "Show how long each server's own share would last if its partner were lost now.",
            "dhcp getEndurance", _endurance,
            (Argument("scope", "one scope; left out: all with failover", optional=True, names="scope"),),
            role=READ_ONLY),
    Command(("dhcp", "getAlarms"), "Show what is wrong now, and what was lately: when it began and ended.",
            "dhcp getAlarms", _alarms, role=READ_ONLY),
    Command(("dhcp", "setPartnerDown"), "Declare the partner down, so that this server may use its addresses.",
            "dhcp setPartnerDown 192.168.60.2 -5m", _set_partner_down, (PARTNER, DATE),
            role=FAILOVER_OPERATOR, effect="server"),
    Command(("dhcp", "getFailoverCertificate"), "Show the fingerprint by which the partner knows this server (TLS).",
            "dhcp getFailoverCertificate", _certificate, role=READ_ONLY),
    Command(("dhcp", "renewFailoverCertificate"), "Make a new key and certificate for TLS with partners.",
            "dhcp renewFailoverCertificate", _renew_certificate, role=DHCP_ADMIN, effect="configuration"),
    Command(("dhcp", "shutdown"), "Stop the server for a long time; its partner takes over completely.",
            "dhcp shutdown", _shut_down, role=FAILOVER_OPERATOR, effect="server"),
)  # fmt: skip
