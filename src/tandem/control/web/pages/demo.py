"""The page of a demonstration: kill and start its servers, cut the line between them. There in a demonstration only.

The demonstration names its socket in the environment (``demo.stage``); otherwise there is no such page.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from starlette.background import BackgroundTask
from starlette.responses import RedirectResponse, Response

from tandem.base.errors import CommandError
from tandem.config.access import FAILOVER_OPERATOR, SUPERUSER
from tandem.control.web.forms import sentence
from tandem.control.web.live import shown, stream
from tandem.control.web.navigation import Entry, Pages
from tandem.control.web.pages.related import kind_of
from tandem.control.web.visit import Visit

PAGES = Pages()
_HOME = "/demo"
_STAGE = os.environ.get("TANDEM_DEMO_STAGE", "")
_WAIT_S = 5.0


async def _ask(wanted: str = "") -> dict[str, Any]:
    try:
        async with asyncio.timeout(_WAIT_S):
            reader, writer = await asyncio.open_unix_connection(_STAGE)
            try:
                writer.write(json.dumps({"do": wanted}).encode() + b"\n")
                await writer.drain()
                answer: dict[str, Any] = json.loads(await reader.readline())
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        raise CommandError(501, "the demonstration does not answer; is it over?") from None
    if answer["error"]:
        raise CommandError(316, answer["error"])
    return answer


async def _part(visit: Visit) -> str:
    return visit.site.render(visit, "demo_part.html", {"d": await _ask(), "kind_of": kind_of})


async def show(visit: Visit) -> Response:
    """Show what can be done."""
    return visit.page("live.html", title="Demonstration", part=await shown(visit, _part), source=f"{_HOME}/live",
                      about="Do to the pair what you like: its clients keep their own ledger of what they are given.")


async def live(visit: Visit) -> Response:
    """Follow it."""
    return stream(visit, _part)


async def act(visit: Visit) -> Response:
    """Do one thing. The server that answers here says where to go on before it is killed."""
    own, other = visit.manager.name, "main" if visit.manager.name == "backup" else "backup"
    try:
        if visit.form["do"] == f"kill {own}":
            link = (await _ask(f"open {other}"))["link"] if visit.may(SUPERUSER) else ""
            page = visit.page("demo_killed.html", title="Killed", own=own, other=other, link=link)
            page.background = BackgroundTask(_ask, f"kill {own}")
            return page
        await _ask(visit.form["do"])
    except CommandError as error:
        visit.notice("error", sentence(error.text))
    return visit.go(_HOME)


async def cross(visit: Visit) -> Response:
    """Go to the pages of one of the servers, logged in: its own session ends when it is killed."""
    answer = await _ask(f"open {visit.query.get('server', '')}")
    return RedirectResponse(answer["link"], status_code=303)


if _STAGE:
    PAGES.get(_HOME, entry=Entry("Monitoring", "Demonstration"))(show)
    PAGES.get(f"{_HOME}/live")(live)
    PAGES.get(f"{_HOME}/open", role=SUPERUSER)(cross)
    PAGES.post(f"{_HOME}/act", role=FAILOVER_OPERATOR, effect="server")(act)
