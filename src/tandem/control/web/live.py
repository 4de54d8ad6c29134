"""Parts of pages that change by themselves: server-sent events.

A stream ends after a while and the browser opens it again, so that who has logged out, or lost a role, sees no more
than that. Does not know what the parts show.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.responses import Response, StreamingResponse

from tandem.base.errors import CommandError
from tandem.cluster.guard import LoginError
from tandem.control.web.visit import Visit

LOOK_S = 1.0
LASTS_S = 300.0
_STILL_S = 15.0
"""A stream with nothing to say says that it is still there, so that proxies keep it."""
RESUME = "Last-Event-ID"
"""The header by which a browser tells what it got last, when it opens a stream again."""


async def shown(visit: Visit, part: Callable[[Visit], Awaitable[str]]) -> str:
    """Return a part's text, or in its place why it cannot be shown (CommandError)."""
    try:
        return await part(visit)
    except CommandError as error:
        return visit.site.render(visit, "live_error.html", {"error": error})


def stream(visit: Visit, part: Callable[[Visit], Awaitable[str]]) -> Response:
    """Return a stream of ``part``'s text, looked at every second and sent when it has changed."""
    said = ""

    async def now() -> tuple[str, str]:
        nonlocal said
        text = await shown(visit, part)
        if text == said:
            return "", ""
        said = text
        return text, ""

    return chunks(visit, now)


def chunks(visit: Visit, new: Callable[[], Awaitable[tuple[str, str]]]) -> Response:
    """Return a stream of what ``new`` returns every second: text ("" for nothing new), and its identification."""

    async def events() -> AsyncIterator[str]:
        loop, closing = asyncio.get_running_loop(), visit.manager.closing
        last = begun = loop.time()
        while True:
            text, ident = await new()
            if text:
                yield _event(text, ident)
                last = loop.time()
            elif loop.time() - last > _STILL_S:
                yield ": still here\n\n"
                last = loop.time()
            if loop.time() - begun >= LASTS_S or closing.is_set() or not _logged_in(visit):
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(closing.wait(), LOOK_S)

    return StreamingResponse(events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


def _event(text: str, ident: str) -> str:
    head = f"id: {ident}\n" if ident else ""
    return head + "".join(f"data: {line}\n" for line in text.split("\n")) + "\n"


def _logged_in(visit: Visit) -> bool:
    """Return whether the session that opened a stream is still good."""
    try:
        visit.manager.guard.session(visit.http.cookies.get(visit.site.cookie, ""))
    except LoginError:
        return False
    return True
