"""What page tests look with: a browser that talks to the application in process."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import urlencode

import httpx2


class Browser:
    """A browser that keeps cookies and, like the pages' forms, sends the token against forged requests."""

    def __init__(self, runner: asyncio.Runner, app: Any, name: str) -> None:
        self._runner = runner
        self._client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app, raise_app_exceptions=True), base_url="https://test"
        )
        self.csrf = ""
        if name:
            assert self.post("/login", name=name, password="geheim", next="/").status_code == 303
            self.csrf = self._find_token(self.get("/administrators/me").text)

    @staticmethod
    def _find_token(page: str) -> str:
        found = re.search(r'name="csrf" content="([^"]+)"', page)
        return found[1] if found else ""

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self._runner.run(self._client.get(path, headers=headers))

    def post(self, path: str, fields: list[tuple[str, str]] = [], **more: str) -> httpx2.Response:  # noqa: B006
        body = urlencode([("csrf", self.csrf), *fields, *more.items()])
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._runner.run(self._client.post(path, content=body, headers=headers))

    def close(self) -> None:
        self._runner.run(self._client.aclose())


Browse = Callable[[str], Browser]


def text_of(page: str) -> str:
    """Return what a page says, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())
