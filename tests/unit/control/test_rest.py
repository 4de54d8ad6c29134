"""The REST API in process: routes, errors, authentication, schema."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tandem.base.errors import CommandError
from tandem.cluster import commands as _commands  # noqa: F401  fills the registry
from tandem.cluster.database import Database
from tandem.cluster.log import ClusterLog
from tandem.cluster.manager import Manager
from tandem.cluster.registry import REGISTRY
from tandem.cluster.supervisor import ControlSocket, Supervisor
from tandem.control import rest
from tandem.control.rest import create_app

Call = Callable[..., httpx2.Response]


class FakeServer(ControlSocket):
    async def call(self, op: str, args: dict[str, Any] | None = None, timeout_s: float = 10) -> Any:
        if op == "lease":
            return {"address": "10.0.0.1", "state": "leased"}
        if op == "reload":
            return {}
        raise CommandError(501, "the DHCP server is not running")


@pytest.fixture
def manager(tmp_path: Path) -> Manager:
    log = ClusterLog(tmp_path / "logs" / "ccm.log", "test")
    server = FakeServer(tmp_path / "none", tmp_path / "dhcp.log")
    database = Database(tmp_path / "ccm" / "ccm.db")
    database.set_administrator("admin", "geheim", ["superuser"])
    return Manager("test", 0x7F00000B, database, server, Supervisor(["false"], server, log), log, tmp_path / "dhcp.log")


@pytest.fixture
def call(manager: Manager) -> Iterator[Call]:
    app = create_app(manager)
    with asyncio.Runner() as runner:

        def do(method: str, path: str, json: Any = None, auth: Any = ("admin", "geheim")) -> httpx2.Response:
            async def request() -> httpx2.Response:
                transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
                async with httpx2.AsyncClient(transport=transport, base_url="http://test", auth=auth) as client:
                    return await client.request(method, "/api/v1" + path, json=json)

            return runner.run(request())

        yield do


def test_a_command_line_is_run_and_the_session_comes_back(call: Call) -> None:
    first = call("POST", "/command", {"line": "session set default-format=script"})
    assert first.status_code == 200
    assert first.json() == {
        "status": 100, "lines": ["100 Ok"], "session": {"default-format": "script", "visibility": "5"},
    }  # fmt: skip
    call("POST", "/command", {"line": "scope s create 10.0.0.0 255.0.0.0"})
    second = call("POST", "/command", {"line": "scope s", "session": first.json()["session"]})
    assert second.json()["lines"][1].startswith("s: addr=10.0.0.0; ")


@pytest.mark.parametrize(
    ("line", "status", "http"),
    [("frob", 306, 400), ("scope x", 302, 404), ("dhcp getStats", 501, 503), ("dhcp set failover=x", 316, 400)],
)
def test_a_refused_command_has_its_status_and_the_http_status_that_fits(
    call: Call, line: str, status: int, http: int
) -> None:
    answer = call("POST", "/command", {"line": line})
    assert answer.status_code == http
    assert answer.json()["status"] == status and answer.json()["lines"][0].startswith(str(status))


@pytest.mark.parametrize("auth", [None, ("admin", "wrong"), ("nobody", "geheim"), ("admin", ""), ("adm", "ingeheim")])
def test_without_the_right_password_nothing_works(call: Call, auth: Any) -> None:
    for method, path in (("GET", "/scope"), ("POST", "/dhcp/reload"), ("GET", "/commands"), ("DELETE", "/scope/s")):
        answer = call(method, path, auth=auth)
        assert answer.status_code == 401 and answer.json()["status"] == 401
        assert answer.json()["lines"] == ["401 Login Failure: wrong name or password"]
        assert answer.headers["WWW-Authenticate"] == "Basic"


def test_a_verified_password_is_checked_once_and_a_changed_one_anew(
    call: Call, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    def check(stored: str, password: str) -> bool:
        checked.append(password)
        return original(stored, password)

    original = rest.check_password
    monkeypatch.setattr(rest, "check_password", check)
    for _ in range(3):
        assert call("GET", "/scope").status_code == 200
    assert checked == ["geheim"]
    manager.database.set_administrator("admin", "anders", ["superuser"])
    assert call("GET", "/scope").status_code == 401
    assert call("GET", "/scope", auth=("admin", "anders")).status_code == 200


def test_objects_are_made_read_changed_and_deleted(call: Call) -> None:
    scope = {
        "addr": "10.0.0.0", "mask": "255.0.0.0", "renew-only": True, "ranges": [["10.0.0.10", "10.0.0.20"]],
        "reservations": [{"address": "10.0.0.5", "key": "1,6,00:d0:ba:d3:bd:3b"}],
    }  # fmt: skip
    assert call("PUT", "/scope/s", scope).json() == scope
    assert call("GET", "/scope/s").json() == scope and call("GET", "/scope").json() == {"s": scope}
    changed = call("PATCH", "/scope/s", {"renew-only": None, "failover": "scope-disabled", "reservations": None})
    assert changed.json() == {**{k: scope[k] for k in ("addr", "mask", "ranges")}, "failover": "scope-disabled"}
    assert call("PUT", "/scope/s", {"addr": "11.0.0.0", "mask": "255.0.0.0"}).json()["addr"] == "11.0.0.0"
    assert call("DELETE", "/scope/s").json() == {"status": 100, "text": "Ok"}
    assert call("GET", "/scope/s").status_code == 404 and call("DELETE", "/scope/s").status_code == 404


def test_the_single_object_and_builtin_ones(call: Call, manager: Manager) -> None:
    assert call("GET", "/dhcp").json() == {}
    assert call("PATCH", "/dhcp", {"failover": True}).json() == {"failover": True}
    assert call("PATCH", "/dhcp", {"failover-shared-secret": "tief"}).json() == {"failover": True}
    assert call("PATCH", "/dhcp", {"failover": None}).json() == {}
    assert manager.database.document["dhcp"] == {"failover-shared-secret": "tief"}
    assert call("PUT", "/policy/default", {"grace-period": 60, "options": {"routers": "10.0.0.1"}}).status_code == 200
    routers = {"options": {"routers": "10.0.0.2"}}
    assert call("PUT", "/policy/default", routers).json() == routers


@pytest.mark.parametrize(
    ("method", "path", "values", "status"),
    [
        ("PUT", "/scope/s", {"addr": "10.0.0.0"}, 310),
        ("PUT", "/scope/s", {"addr": 7, "mask": "255.0.0.0"}, 316),
        ("PUT", "/scope/s", {"addr": "10.0.0.0", "mask": "255.0.0.0", "ranges": [[1]]}, 316),
        ("PUT", "/scope/s", {"addr": "10.0.0.0", "mask": "255.0.0.0", "ranges": {}}, 316),
        ("PUT", "/scope/s", {"addr": "10.0.0.0", "mask": "255.0.0.0", "reservations": [{"key": "x"}]}, 316),
        ("PUT", "/scope/s", {"addr": "10.0.0.0", "mask": "255.0.0.0", "no-such": 1}, 308),
        ("PATCH", "/scope/s", {"renew-only": True}, 302),
        ("PATCH", "/dhcp", {"failover": "on"}, 316),
        ("PATCH", "/policy/default", {"options": {"routers": 5}}, 316),
    ],
)
def test_a_refused_change_changes_nothing(
    call: Call, manager: Manager, method: str, path: str, values: Any, status: int
) -> None:
    answer = call(method, path, values)
    assert answer.json()["status"] == status, answer.text
    assert manager.database.changes() == []


def test_other_commands_have_routes(call: Call) -> None:
    call("PUT", "/scope/s", {"addr": "10.0.0.0", "mask": "255.0.0.0"})
    added = call("POST", "/scope/s/addRange", {"lowest": "10.0.0.1", "highest": "10.0.0.9"})
    assert added.json() == {"status": 100, "text": "Ok", "items": [], "lines": []}
    assert call("GET", "/scope/s/listRanges").json()["lines"] == ["10.0.0.1 10.0.0.9"]
    assert call("POST", "/policy/default/setOption", {"option": "routers", "value": "10.0.0.1"}).status_code == 200
    assert call("GET", "/policy/default/getOption?option=routers").json()["lines"] == ["routers=10.0.0.1"]
    lease = call("GET", "/lease/10.0.0.1").json()
    assert lease["items"] == [{"name": "10.0.0.1", "attributes": {"address": "10.0.0.1", "state": "leased"}}]
    assert call("POST", "/dhcp/reload").json()["status"] == 100
    assert call("GET", "/dhcp/getRelatedServers").status_code == 503


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/scope/s/addRange", {"lowest": "10.0.0.1"}),
        ("/scope/s/addRange", None),
        ("/command", {}),
        ("/command", {"line": 5}),
    ],
)
def test_malformed_requests_are_refused_in_the_same_form(call: Call, path: str, body: Any) -> None:
    answer = call("POST", path, body)
    assert answer.status_code == 422 and answer.json()["status"] == 316 and answer.json()["text"]


def test_the_schema_covers_every_command(call: Call) -> None:
    schema = call("GET", "/openapi.json", auth=None).json()
    for command in REGISTRY.commands:
        if command.route:
            path = "/api/v1/" + "/".join("{name}" if word == "NAME" else word for word in command.path)
            assert ("post" if command.write else "get") in schema["paths"][path]
    operations = [o["operationId"] for p in schema["paths"].values() for o in p.values()]
    assert len(operations) == len(set(operations))


def test_a_mistake_in_the_program_is_answered_too(
    call: Call, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Database, "changes_since_loaded", lambda self: 1 // 0)
    answer = call("GET", "/dhcp/gethealth")
    assert answer.status_code == 500
    assert answer.json()["lines"][0].startswith("300 Unexpected error (ZeroDivisionError)")
