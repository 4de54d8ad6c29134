"""A DHCP server for pages: a real node in virtual time, asked as over its control socket."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tandem.cluster.supervisor import ControlSocket
from tandem.node import alarms, explain, lease_search, partner_down, partner_views, views

sys.path.insert(0, str(next(p for p in Path(__file__).parents if p.name == "tests") / "scripts"))
from pair import MAIN, Server, World, config, scope

_PAST = {"start_of_state": 1, "status": 2, "hardware": b"\1\2", "client_id": b"", "expires": 5, "granted_by": 1,
         "last_transaction": 4, "renewals": 2}  # fmt: skip


class NodeServer(ControlSocket):
    """Answers the control socket's operations out of a node in virtual time."""

    def __init__(self, server: Server, path: Path) -> None:
        super().__init__(path, path)
        self.server = server

    async def call(self, op: str, args: dict[str, Any] | None = None, timeout_s: float = 10) -> Any:
        node, now, asked = self.server.node, self.server.now, args or {}
        assert node is not None
        told = explain.Told(asked.get("form", ""), bytes.fromhex(asked.get("hardware", "")), local=self.server.address)
        page = lease_search.Page([], None, [])
        if op == "search_leases":
            beyond = tuple(asked["beyond"]) if "beyond" in asked else None
            wanted, order = asked["wanted"], asked.get("order", "")
            page = lease_search.search(node, wanted, asked["after"], asked["limit"], now, order, beyond)
        answers: dict[str, Any] = {
            "ping": lambda: "pong",
            "status": lambda: {"serving": True, "database": "OK", "pid": 1, "started": int(now)},
            "related_servers": lambda: partner_views.related_servers(node, now),
            "chosen_servers": lambda: partner_views.chosen_servers(node),
            "failover_conflicts": lambda: partner_views.conflicts(node),
            "failover_table": partner_views.decisions,
            "scopes": lambda: views.scopes(node, now, asked.get("names")),
            "alarms": lambda: alarms.alarms(node, now),
            "explain": lambda: explain.explain(node, now, told),
            "preview_partner_down": lambda: partner_down.preview(node, now, MAIN, asked.get("at"), False),
            "search_leases": lambda: {"leases": page.leases, "after": page.after, "ranks": page.ranks},
            "lease": lambda: views.lease(node, asked["address"], now),
            "lease_history": lambda: views.history([_PAST]),
        }  # fmt: skip
        return answers[op]()


def small_pair() -> World:
    """Return a main and a backup, both NORMAL, with a scope of 21 addresses."""
    few = lambda main: config(main, scope(last="192.168.50.30"))  # noqa: E731
    return World(lambda: few(True), lambda: few(False)).pair()
