"""Pages in process: a cluster with administrators of every role, and a browser for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from node_server import World, small_pair
from web_browser import Browse, Browser

from tandem.base.errors import CommandError
from tandem.cluster import commands as _commands  # noqa: F401  fills the registry
from tandem.cluster.accounts import set_administrator
from tandem.cluster.database import Database
from tandem.cluster.log import ClusterLog
from tandem.cluster.manager import Manager
from tandem.cluster.registry import Login, Session
from tandem.cluster.supervisor import ControlSocket, Supervisor
from tandem.config.access import ROLES
from tandem.control.web import live, work
from tandem.control.web.application import with_pages


class FakeServer(ControlSocket):
    """Stands for the DHCP server's control socket: takes a reload, answers nothing else."""

    async def call(self, op: str, args: dict[str, Any] | None = None, timeout_s: float = 10) -> Any:
        if op == "reload":
            return {}
        raise CommandError(501, "the DHCP server is not running")


@pytest.fixture(autouse=True)
def short_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that change by themselves end after their first event: a browser in process reads to the end."""
    monkeypatch.setattr(live, "LASTS_S", 0.0)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are waited for, however slow the machine: where progress is shown is a test of its own."""
    monkeypatch.setattr(work, "PATIENCE_S", 60.0)


@pytest.fixture
def manager(tmp_path: Path) -> Manager:
    log = ClusterLog(tmp_path / "logs" / "ccm.log", "test")
    server = FakeServer(tmp_path / "none", tmp_path / "dhcp.log")
    database = Database(tmp_path / "ccm" / "ccm.db")
    for role in ROLES:
        set_administrator(database, role, "geheim", [role])
    return Manager("test", 0x7F00000B, database, server, Supervisor(["false"], server, log), log, tmp_path / "dhcp.log")


@pytest.fixture
def world() -> World:
    return small_pair()


async def no_api(scope: Any, receive: Any, send: Any) -> None:
    """Stand for the API, which costs a second to make and is not what these tests are about."""
    raise AssertionError(f"a page leads to the API: {scope['path']}")


@pytest.fixture
def browse(manager: Manager) -> Iterator[Browse]:
    """Return a function that opens a browser of the administrator who has the role named; "" for a guest."""
    app = with_pages(no_api, manager)
    opened = []
    with asyncio.Runner() as runner:

        def browse(role: str) -> Browser:
            opened.append(Browser(runner, app, role))
            return opened[-1]

        yield browse
        for browser in opened:
            browser.close()


@pytest.fixture
def admin(browse: Browse) -> Browser:
    return browse("superuser")


@pytest.fixture
def command(manager: Manager) -> Callable[[str], list[str]]:
    """Return a function that runs an nrcmd line and returns its output."""

    def run(line: str) -> list[str]:
        return asyncio.run(manager.execute(Login("nrcmd", ("superuser",)), Session(), line)).render()

    return run
