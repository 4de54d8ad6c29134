"""The API against its own schema: whatever schemathesis makes of it, no answer is a server error or undeclared."""

from __future__ import annotations

import base64
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tandem.base.errors import CommandError
from tandem.cluster import commands as _commands  # noqa: F401  fills the registry
from tandem.cluster.accounts import set_administrator
from tandem.cluster.database import Database
from tandem.cluster.log import ClusterLog
from tandem.cluster.manager import Manager
from tandem.cluster.partners import make_failover_certificate
from tandem.cluster.supervisor import ControlSocket, Supervisor
from tandem.control.rest import create_app

sys.path.insert(0, str(Path(__file__).parents[1] / "cluster"))
from fake_dhcp_server import perform

_ADMIN = "Basic " + base64.b64encode(b"admin:geheim").decode()
_NEEDS_A_PROCESS = r"/(start|shutdown|getFailoverConflicts)$"


class FakeServer(ControlSocket):
    async def call(self, op: str, args: dict[str, Any] | None = None, timeout_s: float = 10) -> Any:
        if op == "lease" and (args or {})["address"] != 0xC0A8320A:
            raise CommandError(302, "no such lease")
        return perform(op, args or {})


def _app() -> Any:
    data = Path(tempfile.mkdtemp(prefix="tandem-schema-"))
    log = ClusterLog(data / "logs" / "ccm.log", "test")
    server = FakeServer(data / "none", data / "dhcp.log")
    database = Database(data / "ccm.db")
    # the client has a thread of its own
    database._db = sqlite3.connect(data / "ccm.db", isolation_level=None, check_same_thread=False)
    database._db.execute("PRAGMA synchronous=OFF")
    set_administrator(database, "admin", "geheim", ["superuser"])
    manager = Manager("test", 0x7F00000B, database, server, Supervisor(["false"], server, log), log, data / "dhcp.log")
    make_failover_certificate(manager.failover_certificate, "test")  # as a cluster does when it starts
    return create_app(manager)


schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", _app()).exclude(path_regex=_NEEDS_A_PROCESS)


@schema.parametrize()
@settings(max_examples=120, suppress_health_check=list(HealthCheck))
def test_answers_are_as_declared(case: Any) -> None:
    case.call_and_validate(
        headers={"Authorization": _ADMIN},
        checks=[
            not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
        ],
    )  # fmt: skip
