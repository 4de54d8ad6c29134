"""Log for Server: the end of a log, page by page towards its beginning, by level, component and text; or as it grows.

Source: failover chapter, "Log for Server"; SYSTEM S7.6.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlencode

from starlette.responses import Response

from tandem.base.errors import CommandError
from tandem.cluster import logs
from tandem.control.web.live import RESUME, chunks
from tandem.control.web.navigation import Entry, Pages
from tandem.control.web.visit import Visit

PAGES = Pages()
_HOME = "/dhcp/logs"
_LINES = 100
_LOGS = (("dhcp", "DHCP server"), ("ccm", "cluster"))
_COMPONENTS = ("", "Alarm", "Configuration", "Database", "Failover", "Lease", "Protocol", "Security", "Server")


def _asked(visit: Visit) -> tuple[Path, logs.Filter, int | None]:
    """Return which log, which lines and before which byte. Raises CommandError 316."""
    query = visit.query
    path = visit.manager.log.path if query.get("log") == "ccm" else visit.manager.server_log
    older, before = query.get("older", ""), query.get("before", "")
    if not (older or "0").isdecimal() or not (before or "0").isdecimal():
        raise CommandError(316, "older and before: write numbers")
    path = logs.log_path(path, min(int(older or 0), logs.OLDER))
    wanted = logs.Filter.of(query.get("level", ""), query.get("component", ""), query.get("q", ""))
    return path, wanted, int(before) if before else None


@PAGES.get(_HOME, entry=Entry("Monitoring", "Logs"))
async def show(visit: Visit) -> Response:
    """Show a page of a log."""
    path, wanted, before = _asked(visit)
    page = await asyncio.to_thread(logs.read_page, path, wanted, _LINES, before)
    query = {name: visit.query.get(name, "") for name in ("log", "level", "component", "q", "older")}
    kept = {name: text for name, text in query.items() if text}
    follow = urlencode({**kept, "since": page.end}) if before is None and not kept.get("older") else ""
    return visit.page(
        "logs.html", title="Log for Server", query=query, page=page, path_shown=str(path), logs=_LOGS,
        levels=logs.LEVELS, components=_COMPONENTS, older_files=range(1, logs.OLDER + 1), follow=follow,
        earlier=f"{_HOME}?{urlencode({**kept, 'before': page.before})}" if page.before else "",
        latest=f"{_HOME}?{urlencode(kept)}" if before is not None else "", following="follow" in visit.query,
        toggle=f"{_HOME}?{urlencode(kept if 'follow' in visit.query else {**kept, 'follow': '1'})}",
    )  # fmt: skip


@PAGES.get(f"{_HOME}/follow")
async def follow(visit: Visit) -> Response:
    """Send what is written to a log from now on."""
    path, wanted, _ = _asked(visit)
    since = visit.http.headers.get(RESUME) or visit.query.get("since", "0")
    at = int(since) if since.isdecimal() else 0

    async def new() -> tuple[str, str]:
        nonlocal at
        lines, at = await asyncio.to_thread(logs.read_new, path, wanted, at)
        return visit.site.render(visit, "log_lines.html", {"lines": lines}).strip() if lines else "", str(at)

    return chunks(visit, new)
