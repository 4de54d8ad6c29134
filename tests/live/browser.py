"""Chromium for tests of pages: a page that tells what its console refused, log-in by link, axe-core, screenshots."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import ConsoleMessage, Error, Page, sync_playwright
from tests.live.test_local_cluster import Cluster

CHROMIUM = shutil.which("chromium")
AXE = Path(__file__).parents[1] / "data" / "axe-core-4.14.1" / "axe.min.js"
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
_RUN = (
    "axe.run({resultTypes: ['violations'], %s}).then(r => JSON.stringify("
    "r.violations.map(v => [v.impact, v.id, v.nodes.map(n => n.html.slice(0, 200))])))"
)


@contextmanager
def browser_page(patience_ms: int = 40_000, *, strict: bool = False, **context: Any) -> Iterator[Page]:
    """Yield a page of a new browser; at the end, no script failed and the security policy refused nothing.

    ``strict``: nothing at all was reported as an error, a refused address included.
    """
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is not installed: run scripts/system-packages")
        pytest.skip("needs Debian's chromium (scripts/system-packages)")
    problems: list[str] = []

    def told(line: ConsoleMessage) -> bool:
        return "Security Policy" in line.text or (strict and line.type == "error")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        page = browser.new_context(ignore_https_errors=True, **context).new_page()
        page.set_default_timeout(patience_ms)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if told(line) else None)
        try:
            yield page
        except (Error, AssertionError):
            print(f"the page was {page.url}:\n{page.inner_text('body')[:5000]}")
            raise
        browser.close()
    assert problems == [], "no script failed, and the content security policy refused nothing"


def log_in(page: Page, cluster: Cluster, path: str) -> None:
    """Log in by a link that works once, and go to a page."""
    link = next(line for line in cluster.ok("session loginLink") if line.startswith("/login"))
    base = f"https://{cluster.address}:{cluster.ports[2]}"
    page.goto(base + link)
    page.wait_for_url(re.compile(r"^(?!.*login/link)"))
    page.goto(base + path)


@contextmanager
def axe(page: Page) -> Iterator[Callable[..., list[Any]]]:
    """Yield a function that returns what axe-core finds serious or critical on the page as it is then: by all rules,
    or by those only that it is given.

    It runs in a world of its own, past the policy. The page is not to be left meanwhile.
    """
    session = page.context.new_cdp_session(page)
    frame = session.send("Page.getFrameTree")["frameTree"]["frame"]["id"]
    world = session.send("Page.createIsolatedWorld", {"frameId": frame})["executionContextId"]
    session.send("Runtime.evaluate", {"expression": AXE.read_text(), "contextId": world})
    asked = {"contextId": world, "awaitPromise": True, "returnByValue": True}

    def look(*rules: str) -> list[Any]:
        asked["expression"] = _RUN % (f"runOnly: {json.dumps(rules)}" if rules else "")
        found = json.loads(session.send("Runtime.evaluate", asked)["result"]["value"])
        return [one for one in found if one[0] in ("serious", "critical")]

    yield look
    session.detach()


def barriers(page: Page) -> list[Any]:
    """Return what axe-core finds serious or critical on the page."""
    with axe(page) as look:
        return look()
