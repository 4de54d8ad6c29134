"""Related Servers and Set Partner Down: the partners, their states and what comes next, live; the order, previewed.

Source: failover chapter, "Setting the PARTNER-DOWN State" and "Listing Related Servers"; SYSTEM S4.9, S7.5, S10.5.
"""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any

from starlette.responses import Response

from tandem.base.errors import CommandError
from tandem.base.ipv4 import parse_ipv4
from tandem.base.units import format_duration
from tandem.cluster.partner_check import NOTHING, check
from tandem.control.web.forms import sentence
from tandem.control.web.live import shown, stream
from tandem.control.web.navigation import Entry, Pages, command_of
from tandem.control.web.visit import Visit

PAGES = Pages()
_HOME = "/dhcp/related"
_DOWN = f"{_HOME}/partner-down"
_SET = ("dhcp", "setPartnerDown")
_LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?")
KINDS = {
    "NORMAL": "ok", "COMMUNICATIONS-INTERRUPTED": "warning", "PARTNER-DOWN": "warning", "STARTUP": "info",
    "POTENTIAL-CONFLICT": "warning", "RESOLUTION-INTERRUPTED": "error", "unknown": "off", "SHUTDOWN": "off",
    "PAUSED": "off",
}  # fmt: skip
"""How a state's badge looks; the others are under way: info."""


def kind_of(state: str) -> str:
    """Return how the badge of a failover state looks."""
    return KINDS.get(state.partition(" ")[0], "info")


def rough(seconds: float) -> str:
    """Return how long something lasts, no more exact than it matters."""
    whole = max(int(seconds), 0)
    for above, grain in ((1209600, 86400), (172800, 3600), (7200, 60)):
        if whole >= above:
            return format_duration(whole - whole % grain)
    return format_duration(whole)


def left(until: float) -> str:
    """Return how long it is until a moment."""
    return rough(until - time.time())


def ago(since: float) -> str:
    """Return how long ago a moment was."""
    return rough(time.time() - since)


async def _part(visit: Visit) -> str:
    servers = await visit.look("related_servers")
    conflicts = await visit.look("failover_conflicts")
    return visit.site.render(
        visit, "related_part.html",
        {"servers": servers, "conflicts": conflicts, "left": left, "ago": ago, "kind_of": kind_of},
    )  # fmt: skip


@PAGES.get(_HOME, entry=Entry("Monitoring", "Related Servers"))
async def related(visit: Visit) -> Response:
    """Show the partners."""
    return visit.page(
        "live.html", title="List Related Servers for DHCP Server", part=await shown(visit, _part),
        source=f"{_HOME}/live", about="The failover partners of this server. The page follows by itself.",
    )  # fmt: skip


@PAGES.get(f"{_HOME}/live")
async def live(visit: Visit) -> Response:
    """Follow the partners."""
    return stream(visit, _part)


@PAGES.get(_DOWN, role=command_of(_SET).role, work="Check of the Partner")
async def preview(visit: Visit) -> Response:
    """Show what setting a partner down would change, and whether the partner is really down."""
    return await _preview(visit, visit.query.get("partner", ""), visit.query.get("date", ""))


async def _preview(visit: Visit, partner: str, date: str, error: str = "") -> Response:
    address = _address(partner)
    servers = [server for server in await visit.look("related_servers") if server["address"] == partner]
    at: int | None = None
    try:
        at = _moment(visit, date) or _initial(servers)
    except CommandError as refused:
        error = refused.text
    signs, verdict = await check(visit.manager, address)
    views = await visit.look("preview_partner_down", partner=address, at=at, expert=visit.session.expert)
    possible = any(view["possible"] for view in views)
    return visit.page(
        "partner_down.html", title="Set Partner Down", partner=partner, views=views, signs=signs, verdict=verdict,
        date=_local(visit, at or int(time.time())), at=at or "", error=sentence(error) if error else "",
        possible=possible and not error, left=left, alive=verdict.rstrip(".").endswith("mend the connection")
        or "alive" in verdict, home=_HOME, nothing=NOTHING, status=400 if error else 200,
    )  # fmt: skip


@PAGES.post(_DOWN, command=_SET)
async def set_down(visit: Visit) -> Response:
    """Set a partner down."""
    partner, at = visit.form["partner"], visit.form["at"]
    try:
        answer = await visit.run(_SET, partner=partner, date=at)
    except CommandError as refused:
        return await _preview(visit, partner, visit.form["date"], refused.text)
    visit.notice("ok", "\n".join(sentence(line) for line in answer.lines) or "The partner is taken as down.")
    return visit.go(_HOME)


def _address(partner: str) -> int:
    try:
        return parse_ipv4(partner)
    except ValueError as error:
        raise CommandError(316, f"partner: {error}") from None


def _initial(servers: list[dict[str, Any]]) -> int | None:
    """Return the date that the field begins with: the start of COMMUNICATIONS-INTERRUPTED (as in the chapter)."""
    return max((int(server["start-of-communications-interrupted"]) for server in servers), default=0) or None


def _moment(visit: Visit, text: str) -> int | None:
    """Return the moment that a date field holds, by the operator's clock; None for an empty one."""
    if not text:
        return None
    if not _LOCAL.fullmatch(text):
        raise CommandError(316, f"date: {text!r} is not a date and time such as 2026-11-24T14:05:00")
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=visit.session.zone).timestamp())
    except (ValueError, OverflowError) as error:
        raise CommandError(316, f"date: {text!r} is not in the calendar: {error}") from None


def _local(visit: Visit, seconds: int) -> str:
    return datetime.fromtimestamp(seconds, visit.session.zone).strftime("%Y-%m-%dT%H:%M:%S")
