"""A cluster's management plane whose DHCP server is a stand-in, and its commands by the line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fake_dhcp_server import perform

from tandem.base.errors import CommandError
from tandem.cluster import commands as _commands  # noqa: F401  fills the registry
from tandem.cluster.answer import error_line
from tandem.cluster.database import Database
from tandem.cluster.log import ClusterLog
from tandem.cluster.manager import Manager
from tandem.cluster.registry import Login, Session
from tandem.cluster.supervisor import ControlSocket, Supervisor

Run = Callable[..., list[str]]


class FakeServer(ControlSocket):
    async def call(self, op: str, args: dict[str, Any] | None = None, timeout_s: float = 10) -> Any:
        return perform(op, args or {})


def open_manager(tmp_path: Path) -> Manager:
    log = ClusterLog(tmp_path / "logs" / "ccm.log", "test")
    server = FakeServer(tmp_path / "none", tmp_path / "dhcp.log")
    database = Database(tmp_path / "ccm" / "ccm.db")
    return Manager("test", 0x7F00000B, database, server, Supervisor(["false"], server, log), log, tmp_path / "dhcp.log")


def runner(manager: Manager) -> Run:
    def run_line(line: str, login: Login | None = None, file: str = "") -> list[str]:
        try:
            who = login or manager.login_of("admin")
            return asyncio.run(manager.execute(who, Session(), line, file)).render("user")
        except CommandError as error:
            return error_line(error).split("\n")

    return run_line
