"""Pair Overview: the states and how they lead to each other, the last transitions, each scope's addresses by owner.

Source: SYSTEM S10.3, S10.4; failover chapter, the state-transition table.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from tandem.control.web import diagram
from tandem.control.web.listing import Column, Listing
from tandem.control.web.live import shown, stream
from tandem.control.web.navigation import Entry, Pages
from tandem.control.web.pages.related import ago, kind_of, left, rough
from tandem.control.web.visit import Visit

PAGES = Pages()
_HOME = "/dhcp/pair"
BAR = 1000
"""Width of a bar, in the units of its drawing."""
_PARTS = (
    ("leased", "leased or in grace"), ("pending-available", "not free yet"), ("unavailable", "unavailable"),
    ("main-share", "main's share"), ("backup-share", "backup's share"),
)  # fmt: skip
_SCOPES_A_PAGE = 20


def bar(scope: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of a scope's bar: key, title, count, where it begins and how wide it is, in 1/1000."""
    counts = [int(scope[key]) for key, _ in _PARTS]
    total = max(sum(counts), int(scope["addresses"]) + int(scope["reserved"]), 1)
    at, parts = 0, []
    for (key, title), count in zip(_PARTS, counts, strict=True):
        end = round(count * BAR / total)
        parts.append({"key": key, "title": title, "count": count, "x": at, "width": end})
        at += end
    return parts


def target_at(scope: dict[str, Any]) -> int | None:
    """Return where in the bar the backup's share would begin by its target; None without a partner."""
    if not scope["failover"]:
        return None
    parts = bar(scope)
    available = int(scope["main-share"]) + int(scope["backup-share"])
    if not available:
        return None
    return int(parts[3]["x"] + (parts[3]["width"] + parts[4]["width"]) * (1 - int(scope["backup-target"]) / available))


def lasts(seconds: int | None) -> str:
    """Return how long a share lasts, roughly."""
    if seconds is None:
        return "no end in sight"
    return rough(seconds)


async def _part(visit: Visit) -> str:
    servers = await visit.look("related_servers")
    listing = Listing.of(
        visit.query, _HOME, [Column("name", "Scope")], [{"name": name} for name in visit.names("scope")], "name",
        noun="scopes", page_rows=_SCOPES_A_PAGE,
    )  # fmt: skip
    names = [row["name"] for row in listing.rows]
    listing.rows = sorted(await visit.look("scopes", names=names), key=lambda scope: names.index(scope["name"]))
    wanted = visit.query.get("pair", servers[0]["name"] if servers else "")
    server = next((s for s in servers if s["name"] == wanted), servers[0] if servers else None)
    drawn = diagram.edges(await visit.look("failover_table"))
    return visit.site.render(
        visit, "pair_part.html",
        {"servers": servers, "s": server, "listing": listing, "bar_of": bar, "target_at": target_at, "lasts": lasts,
         "boxes": diagram.boxes(), "edges": drawn, "width": diagram.WIDTH, "height": diagram.HEIGHT, "left": left,
         "ago": ago, "kind_of": kind_of},
    )  # fmt: skip


@PAGES.get(_HOME, entry=Entry("Monitoring", "Pair Overview"))
async def overview(visit: Visit) -> Response:
    """Show the pair."""
    query = f"?{visit.http.url.query}" if visit.http.url.query else ""
    return visit.page(
        "live.html", title="Failover Pair Overview", part=await shown(visit, _part), source=f"{_HOME}/live{query}",
        about="Where the pair is, what leads where, and how long each server's own share would last if the other were"
        " lost now.",
    )  # fmt: skip


@PAGES.get(f"{_HOME}/live")
async def live(visit: Visit) -> Response:
    """Follow the pair."""
    return stream(visit, _part)
