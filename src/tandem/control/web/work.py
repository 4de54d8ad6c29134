"""Long work: a page that takes its time is made beside the browser's question, which is shown how far it is meanwhile.

What ends within a moment is answered as if it were not long at all. Works belong to the log-in that began them. Does
not know what they do. Source: SYSTEM S7.2 ("progress on long work").
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from starlette.responses import RedirectResponse, Response

from tandem.base.errors import CommandError
from tandem.cluster.guard import BrowserSession
from tandem.cluster.progress import Progress, following

HOME = "/working"
PATIENCE_S = 0.7
"""So long an answer is waited for before progress is shown."""
_KEPT_S = 600.0
"""How long an answer can be fetched, again if need be."""
_WORKS_MAX = 32


@dataclass(slots=True)
class Work:
    """A page that is being made."""

    what: str
    """As in "Synchronization of the pair"."""
    address: str
    """Of the page, where it only shows something and can be made anew; "" where it does something."""
    browser: BrowserSession
    answer: asyncio.Task[Response]
    progress: Progress
    ended: float = 0.0
    shown: bool = False
    """Whether its answer has been fetched."""

    @property
    def seconds(self) -> int:
        """How long it has taken so far."""
        return int(time.monotonic() - self.progress.began)


class Works:
    """What is under way in this cluster's pages."""

    def __init__(self) -> None:
        self._works: dict[str, Work] = {}

    async def answer(
        self, what: str, address: str, browser: BrowserSession, page: Coroutine[Any, Any, Response]
    ) -> Response:
        """Return the page when it is made in a moment, else the way to where its progress is shown.

        ``address``: where the page can be had anew; "" where it does something.
        """
        self._forget()
        if len(self._works) >= _WORKS_MAX:
            return await page  # nobody needs so many: it is made all the same, unwatched
        progress = Progress()
        with following(progress):
            task = asyncio.create_task(page)
        if (await asyncio.wait({task}, timeout=PATIENCE_S))[0]:
            return task.result()
        key = secrets.token_urlsafe(12)
        self._works[key] = Work(what, address, browser, task, progress)
        return RedirectResponse(f"{HOME}?work={key}", 303)

    def find(self, key: str, browser: BrowserSession | None) -> Work:
        """Return a work of a log-in. Raises CommandError 302."""
        work = self._works.get(key)
        if work is None or work.browser is not browser:
            raise CommandError(302, "this work is over, and its outcome was shown; the Change Log has what it changed")
        return work

    def _forget(self) -> None:
        """Forget works whose answers nobody has fetched for long."""
        now = time.monotonic()
        for key, work in list(self._works.items()):
            if work.answer.done():
                work.ended = work.ended or now
                if now - work.ended > _KEPT_S:
                    del self._works[key]
