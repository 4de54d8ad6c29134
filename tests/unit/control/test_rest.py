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
from tandem.cluster import guard
from tandem.cluster.accounts import set_administrator
from tandem.cluster.database import Database
from tandem.cluster.log import ClusterLog
from tandem.cluster.manager import Manager
from tandem.cluster.registry import REGISTRY
from tandem.cluster.supervisor import ControlSocket, Supervisor
from tandem.control.rest import create_app

Call = Callable[..., httpx2.Response]


class FakeServer(ControlSocket):
    async def call(self, op: str, args: dict[str, Any] | None = None, timeout_s: float = 10) -> Any:
        if op == "lease":
            return {"address": "10.0.0.1", "state": "leased"}
        if op == "reload":
            return {}
        raise CommandError(501, "the DHCP server is not running")


def _manager(folder: Path) -> Manager:
    log = ClusterLog(folder / "logs" / "ccm.log", "test")
    server = FakeServer(folder / "none", folder / "dhcp.log")
    database = Database(folder / "ccm" / "ccm.db")
    set_administrator(database, "admin", "geheim", ["superuser"])
    return Manager("test", 0x7F00000B, database, server, Supervisor(["false"], server, log), log, folder / "dhcp.log")


def _calling(manager: Manager) -> Iterator[Call]:
    app = create_app(manager)
    with asyncio.Runner() as runner:

        def do(
            method: str, path: str, json: Any = None, auth: Any = ("admin", "geheim"), match: str | None = "*",
            **headers: str,
        ) -> httpx2.Response:
            headers |= {} if match is None else {"If-Match": match}

            async def request() -> httpx2.Response:
                transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
                named = {name.replace("_", "-"): value for name, value in headers.items()}
                async with httpx2.AsyncClient(transport=transport, base_url="https://test", auth=auth) as client:
                    return await client.request(method, "/api/v1" + path, json=json, headers=named)

            return runner.run(request())

        yield do


@pytest.fixture
def manager(tmp_path: Path) -> Manager:
    return _manager(tmp_path)


@pytest.fixture
def call(manager: Manager) -> Iterator[Call]:
    yield from _calling(manager)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Manager:
    """The manager of the tests that change nothing."""
    return _manager(tmp_path_factory.mktemp("rest"))


@pytest.fixture(scope="module")
def look(untouched: Manager) -> Iterator[Call]:
    """Calls ``untouched``."""
    yield from _calling(untouched)


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
    look: Call, line: str, status: int, http: int
) -> None:
    answer = look("POST", "/command", {"line": line})
    assert answer.status_code == http
    assert answer.json()["status"] == status and answer.json()["lines"][0].startswith(str(status))


@pytest.mark.parametrize("auth", [None, ("admin", "wrong"), ("nobody", "geheim"), ("admin", ""), ("adm", "ingeheim")])
def test_without_the_right_password_nothing_works(call: Call, auth: Any) -> None:
    for method, path in (("GET", "/scope"), ("POST", "/dhcp/reload"), ("GET", "/commands"), ("DELETE", "/scope/s")):
        answer = call(method, path, auth=auth)
        assert answer.status_code == 401 and answer.json()["status"] == 401
        assert answer.json()["lines"][0].startswith("401 Login Failure: ")
        assert answer.headers["WWW-Authenticate"] == "Basic"


def test_a_verified_password_is_checked_once_and_a_changed_one_anew(
    call: Call, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    def check(stored: str, password: str) -> bool:
        checked.append(password)
        return original(stored, password)

    original = guard.check_password
    monkeypatch.setattr(guard, "check_password", check)
    for _ in range(3):
        assert call("GET", "/scope").status_code == 200
    assert checked == ["geheim"]
    set_administrator(manager.database, "admin", "anders", ["superuser"])
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
    look: Call, untouched: Manager, method: str, path: str, values: Any, status: int
) -> None:
    answer = look(method, path, values)
    assert answer.json()["status"] == status, answer.text
    assert [change for change in untouched.database.changes() if change.cls != "admin"] == []


def test_other_commands_have_routes(call: Call) -> None:
    call("PUT", "/scope/s", {"addr": "10.0.0.0", "mask": "255.0.0.0"})
    added = call("POST", "/scope/s/addRange", {"lowest": "10.0.0.1", "highest": "10.0.0.9"})
    assert added.json() == {"status": 100, "text": "Ok", "items": [], "lines": [], "data": {}}
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
def test_malformed_requests_are_refused_in_the_same_form(look: Call, path: str, body: Any) -> None:
    answer = look("POST", path, body)
    assert answer.status_code == 422 and answer.json()["status"] == 316 and answer.json()["text"]


def test_the_schema_covers_every_command(look: Call) -> None:
    schema = look("GET", "/openapi.json", auth=None).json()
    for command in REGISTRY.commands:
        method, path = command.own_route or command.route.split()
        operation = schema["paths"]["/api/v1" + path][method.lower()]
        if path != "/command":
            assert (operation["x-role"], operation["x-effect"]) == (command.role, command.effect), command.path
    operations = [o["operationId"] for p in schema["paths"].values() for o in p.values()]
    assert len(operations) == len(set(operations))


def test_a_mistake_in_the_program_is_answered_too(
    call: Call, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Database, "changes_since_loaded", lambda self, classes: 1 // 0)
    answer = call("GET", "/dhcp/gethealth")
    assert answer.status_code == 500
    assert answer.json()["lines"][0].startswith("300 Unexpected error (ZeroDivisionError)")


def test_every_route_asks_who_and_for_its_role(call: Call, manager: Manager) -> None:
    schema = call("GET", "/openapi.json", auth=None).json()
    roles = ["superuser", "dhcp-admin", "failover-operator", "read-only", ""]
    for role in roles:
        set_administrator(manager.database, role or "none", "p", [role] if role else [])
    walked = 0
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            url = path.removeprefix("/api/v1").replace("{name}", "nothing")
            if url == "/session":
                continue
            walked += 1
            assert call(method.upper(), url, auth=None).status_code == 401, url
            for role in roles:
                status = call(method.upper(), url, auth=(role or "none", "p")).status_code
                may = bool(role) and roles.index(role) <= roles.index(operation["x-role"])
                assert (status not in (401, 403)) if may else status == 403, (method, url, role, status)
    assert walked > 50


def test_a_browser_has_a_session_and_a_token_against_forged_requests(call: Call) -> None:
    assert call("POST", "/session", {"name": "admin", "password": "x"}, auth=None).status_code == 401
    begun = call("POST", "/session", {"name": "admin", "password": "geheim"}, auth=None)
    cookie = begun.headers["set-cookie"]
    assert cookie.startswith("__Host-tandem=") and {"Secure", "HttpOnly", "Path=/", "SameSite=strict"} <= set(
        cookie.split("; ")
    )
    csrf, pair = begun.json()["csrf"], cookie.partition(";")[0]
    assert call("GET", "/session", auth=None, cookie=pair).json() == begun.json()
    assert call("GET", "/scope", auth=None, cookie=pair).status_code == 200
    forged = call("PATCH", "/dhcp", {"failover": True}, auth=None, cookie=pair)
    assert forged.status_code == 403 and "X-CSRF-Token" in forged.json()["text"]
    done = call("PATCH", "/dhcp", {"failover": True}, auth=None, cookie=pair, x_csrf_token=csrf)
    assert done.status_code == 200
    assert call("DELETE", "/session", auth=None, cookie=pair, x_csrf_token=csrf).status_code == 200
    assert call("GET", "/session", auth=None, cookie=pair).status_code == 401


def test_a_token_is_shown_in_place_of_a_password(call: Call) -> None:
    made = call("POST", "/token/ci/create", {"role": "read-only", "lifetime": "1d"}).json()
    bearer = "Bearer " + made["items"][0]["attributes"]["token"]
    assert call("GET", "/scope", auth=None, authorization=bearer).status_code == 200
    assert call("PATCH", "/dhcp", {}, auth=None, authorization=bearer).status_code == 403
    assert call("GET", "/scope", auth=None, authorization="Bearer tdm_x").status_code == 401


def test_two_editors_lose_no_update(call: Call) -> None:
    scope = {"addr": "10.0.0.0", "mask": "255.0.0.0"}
    made = call("PUT", "/scope/s", scope, match=None)
    seen = made.headers["ETag"]
    assert call("GET", "/scope/s").headers["ETag"] == seen
    assert call("PATCH", "/scope/s", {"renew-only": True}, match=None).status_code == 428
    changed = call("PATCH", "/scope/s", {"renew-only": True}, match=seen)
    assert changed.status_code == 200 and changed.headers["ETag"] != seen
    for method, body in (("PATCH", {"deactivated": True}), ("PUT", scope), ("DELETE", None)):
        late = call(method, "/scope/s", body, match=seen)
        assert late.status_code == 412 and late.json()["status"] == 387 and "read it again" in late.json()["text"]
    assert call("GET", "/scope/s").json() == {**scope, "renew-only": True}


@pytest.mark.parametrize(("method", "path", "http"), [("GET", "/nowhere", 404), ("DELETE", "/dhcp", 405)])
def test_what_no_route_takes_is_refused_in_the_same_form(look: Call, method: str, path: str, http: int) -> None:
    answer = look(method, path)
    assert answer.status_code == http and answer.json()["status"] == 316 and answer.json()["lines"]


def test_a_list_is_filtered_and_comes_by_pages_that_lead_to_the_next(call: Call) -> None:
    call("PUT", "/scope/s", {"addr": "10.0.0.0", "mask": "255.255.255.0"})
    for name in "dbca":
        call("PUT", f"/client/1,6,00:00:00:00:00:0{name}", {"action": ["exclude"]} if name in "bd" else {})
    for last in (100, 20, 3):
        call("PUT", f"/reservation/10.0.0.{last}", {"key": f"1,6,00:00:00:00:00:{last:02x}"})
    answer = call("GET", "/client?filter=action=exclude %26 name=*0b")
    assert list(answer.json()) == ["1,6,00:00:00:00:00:0b"] and "Link" not in answer.headers
    assert call("GET", "/client?filter=no-such=1").json()["status"] == 308
    names, path = [], "/client?filter=!name=*0c&limit=2"
    while path:
        answer = call("GET", path)
        names.append([name[-1] for name in answer.json()])
        link = answer.headers.get("Link", "")
        assert not link or link.endswith('>; rel="next"')
        path = link[1:].partition(">")[0].removeprefix("/api/v1")
    assert names == [["a", "b"], ["d"]]
    assert list(call("GET", "/policy?limit=1").json()) == ["default"]
    assert list(call("GET", "/policy?after=default").json()) == ["system_default_policy"]
    assert list(call("GET", "/reservation?limit=2").json()) == ["10.0.0.3", "10.0.0.20"]
    call("DELETE", "/reservation/10.0.0.20")
    assert list(call("GET", "/reservation?after=10.0.0.20&limit=2").json()) == ["10.0.0.100"]
    assert call("GET", "/reservation?after=x").json()["status"] == 316
    assert call("GET", "/scope?limit=0").status_code == 422
