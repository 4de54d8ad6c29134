"""Utilization of a scope over time, as a plot and as a table.

Source: SYSTEM S9.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response

from tandem.base.errors import CommandError
from tandem.base.units import parse_duration
from tandem.control.web.navigation import Entry, Pages
from tandem.control.web.visit import Visit

PAGES = Pages()
PAGES.link("scope", "Utilization", "/dhcp/utilization?scope=")
_HOME = "/dhcp/utilization"
_SPANS = (("1h", "hour"), ("6h", "6 hours"), ("1d", "day"), ("1w", "week"), ("30d", "30 days"))
_SERIES = ("leased", "main", "backup", "pending", "unavailable", "addresses", "per_hour")


def _back(visit: Visit) -> str:
    back = visit.query.get("back", "1d")
    return back if any(back == span for span, _ in _SPANS) else "1d"


@PAGES.get(_HOME, entry=Entry("Monitoring", "Utilization"))
async def show(visit: Visit) -> Response:
    """Show the plot of a scope."""
    names = visit.names("scope")
    scope = visit.query.get("scope", names[0] if names else "")
    if names and scope not in names:
        raise CommandError(302, f"scope {scope} does not exist")
    back = _back(visit)
    samples = visit.manager.watch.samples(scope, parse_duration(back)) if scope else []
    return visit.page(
        "utilization.html", title="Scope Utilization", names=names, scope=scope, back=back, spans=_SPANS,
        samples=samples[-30:][::-1], data=f"{_HOME}/data?{urlencode({'scope': scope, 'back': back})}",
    )  # fmt: skip


@PAGES.get(f"{_HOME}/data")
async def data(visit: Visit) -> Response:
    """Return the samples, column by column."""
    back_s, now = parse_duration(_back(visit)), int(time.time())
    rows = [asdict(sample) for sample in visit.manager.watch.samples(visit.query.get("scope", ""), back_s)]
    columns = {name: [row[name] for row in rows] for name in ("at", *_SERIES)}
    return JSONResponse({**columns, "since": now - back_s, "until": now})
