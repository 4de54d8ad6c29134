"""Parts of pages that change by themselves: server-sent events, each the part's text as it is now.

An event is sent when the text has changed. A stream ends after a while and the browser opens it again, so that who has
logged out, or lost a role, sees no more than that. Does not know what the parts show.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.responses import Response, StreamingResponse

from tandem.base.errors import CommandError
from tandem.cluster.guard import LoginError
from tandem.control.web.visit import Visit

LOOK_S = 1.0
LASTS_S = 300.0
_STILL_S = 15.0
"""A stream with nothing to say says that it is still there, so that proxies keep it."""


def still_logged_in(visit: Visit) -> bool:
    """Return whether the session that opened a stream is good."""
    try:
        visit.manager.guard.session(visit.http.cookies.get(visit.site.cookie, ""))
    except LoginError:
        return False
    return True


def event(text: str) -> str:
    """Return ``text`` as a server-sent event."""
    return "".join(f"data: {line}\n" for line in text.split("\n")) + "\n"


def stream(visit: Visit, part: Callable[[], Awaitable[str]]) -> Response:
    """Return a stream of ``part``'s text, looked at every second. CommandError is shown in its place."""

    async def events() -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        ends = loop.time() + LASTS_S
        said, last = "", loop.time()
        while loop.time() < ends and still_logged_in(visit):
            try:
                text = await part()
            except CommandError as error:
                text = visit.site.render(visit, "live_error.html", {"error": error})
            if text != said:
                yield event(text)
                last = loop.time()
            elif loop.time() - last > _STILL_S:
                yield ": still here\n\n"
                last = loop.time()
            said = text
            await asyncio.sleep(LOOK_S)

    return StreamingResponse(events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


def chunks(visit: Visit, new: Callable[[], Awaitable[str]]) -> Response:
    """Return a stream of what ``new`` returns, each time something: text that is appended to what is there."""

    async def events() -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while still_logged_in(visit):
            text = await new()
            if text:
                yield event(text)
                last = loop.time()
            elif loop.time() - last > _STILL_S:
                yield ": still here\n\n"
                last = loop.time()
            await asyncio.sleep(LOOK_S / 2)

    return StreamingResponse(events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
