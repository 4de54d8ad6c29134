"""The commands about leases, and what they ask the server."""

from __future__ import annotations

from typing import Any

import pytest
from managed import Run

from tandem.base.errors import CommandError
from tandem.cluster import leases
from tandem.cluster.manager import Manager
from tandem.cluster.remote import Remote


def test_a_page_says_where_the_next_begins(run: Run, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    async def ask(op: str, **args: Any) -> Any:
        asked.append(args)
        lease = {"address": f"10.0.0.{len(asked)}", "state": "leased", "client-mac-addr": "1,6,00:d0:ba:d3:bd:3b"}
        return {"leases": [] if len(asked) == 1 else [lease], "after": 0x0A000000 + len(asked)}

    monkeypatch.setattr(Manager, "ask", lambda self, op, **args: ask(op, **args))
    lines = run("lease list state=leased host=a* after=10.0.0.0 limit=2")
    assert lines[0] == "100 Ok, more with after=10.0.0.3"
    assert lines[1].split() == ["Address", "State", "Client", "Client", "ID", "Host", "name", "Expiration", "Scope",
                                "Flags"]  # fmt: skip
    assert [line.split()[0] for line in lines[2:]] == ["10.0.0.2", "10.0.0.3"]
    assert asked[0] == {"wanted": {"host": "a*", "state": "leased"}, "after": 0x0A000000, "limit": 2}
    assert [one["limit"] for one in asked] == [2, 2, 1], "the server is asked again until the page is full"


def test_a_reservation_is_made_of_a_lease_and_told_to_the_running_server(run: Run, manager: Manager) -> None:
    for line in (
        "scope s create 192.168.50.0 255.255.255.0", "scope s addRange 192.168.50.10 192.168.50.20", "dhcp reload",
        "policy default setOption routers 192.168.50.1", "lease 192.168.50.10 reserve",
    ):  # fmt: skip
        assert run(line)[0] == "100 Ok", run(line)
    assert run("reservation listbrief") == ["100 Ok", "192.168.50.10  1,6,00:d0:ba:d3:bd:3b"]
    assert run("lease 192.168.50.10 send-reservation") == ["100 Ok"]
    loaded = manager.database.loaded()
    assert loaded is not None
    assert loaded["scope"]["s"]["reservations"] == [{"address": "192.168.50.10", "key": "1,6,00:d0:ba:d3:bd:3b"}]
    assert "options" not in loaded.get("policy", {}).get("default", {}), "nothing else is loaded"
    assert "changes-not-loaded = 3" in "\n".join(run("dhcp gethealth"))
    assert run("lease 192.168.50.10 delete-reservation") == ["100 Ok"]
    loaded = manager.database.loaded()
    assert loaded is not None and "reservations" not in loaded["scope"]["s"]
    assert run("reservation list") == ["100 Ok"]
    assert run("scope s addReservation 192.168.50.10")[0] == "100 Ok"  # of the lease's client
    assert run("lease 192.168.50.99 reserve")[0].startswith("302 ")
    assert run("lease 192.168.50.10 send-reservation")[0] == "100 Ok"


def test_an_address_is_deactivated_on_both_partners_and_it_is_said_when_one_was_not_told(
    run: Run, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str, Any]] = []

    async def call(remote: Remote, method: str, path: str, body: object = None, answer_s: float = 0) -> object:
        if remote.username != "sync":
            raise CommandError(501, "it refused the log-in")
        told.append((remote.address, path, body))
        return {}

    monkeypatch.setattr(leases, "call", call)
    for line in (
        "scope s create 192.168.50.0 255.255.255.0", "scope s addRange 192.168.50.10 192.168.50.20",
        "scope alone create 10.0.0.0 255.0.0.0 failover=scope-disabled", "dhcp enable failover",
        "dhcp set failover-main-server=127.0.0.11 failover-backup-server=127.0.0.12",
    ):  # fmt: skip
        assert run(line)[0] == "100 Ok", run(line)
    lines = run("lease 192.168.50.10 deactivate")
    assert lines[0] == "101 Ok, with warnings" and "127.0.0.12 was not told: failover-pair" in lines[1]
    run("failover-pair 127.0.0.11-127.0.0.12 set remote-username=else remote-password=x")
    assert "not told: it refused the log-in" in run("lease 192.168.50.10 activate")[1]
    run("failover-pair 127.0.0.11-127.0.0.12 set remote-username=sync")
    assert run("lease 192.168.50.10 deactivate") == ["100 Ok", "deactivated on both partners"]
    assert run("lease 192.168.50.10 activate") == ["100 Ok", "activated on both partners"]
    assert told == [("127.0.0.12", f"/lease/192.168.50.10/{word}", {"where": "here"})
                    for word in ("deactivate", "activate")]  # fmt: skip
    assert run("lease 192.168.50.10 deactivate where=here") == run("lease 10.0.0.1 deactivate") == ["100 Ok"]
    assert len(told) == 2 and run("lease 192.168.50.10 deactivate where=there")[0].startswith("316")
