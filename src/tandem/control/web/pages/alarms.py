"""Alarms: what is wrong now and what was within a day; and the badge in the top bar of every page.

Source: SYSTEM S4.14, S9.
"""

from __future__ import annotations

from starlette.responses import HTMLResponse, Response

from tandem.control.web.live import stream
from tandem.control.web.navigation import Entry, Pages
from tandem.control.web.pages.related import ago
from tandem.control.web.visit import Visit

PAGES = Pages()
_HOME = "/dhcp/alarms"


async def _part(visit: Visit) -> str:
    return visit.site.render(visit, "alarms_part.html", {"alarms": visit.manager.watch.known_alarms(), "ago": ago})


@PAGES.get(_HOME, entry=Entry("Monitoring", "Alarms"))
async def alarms(visit: Visit) -> Response:
    """Show the alarms."""
    await visit.manager.watch.look()
    return visit.page("live.html", title="Alarms", part=await _part(visit), source=f"{_HOME}/live",
                      about="What is wrong now, and what ended within the last day.")  # fmt: skip


@PAGES.get(f"{_HOME}/live")
async def live(visit: Visit) -> Response:
    """Follow the alarms."""
    return stream(visit, _part)


@PAGES.get(f"{_HOME}/badge")
async def badge(visit: Visit) -> Response:
    """Return the badge of the top bar."""
    return HTMLResponse(visit.site.render(visit, "alarm_badge.html", {}))
