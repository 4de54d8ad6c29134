"""Leases and addresses as files, scopes that run short, unavailable addresses made available."""

from __future__ import annotations

import pytest
from managed import Run

from tandem.cluster.manager import Manager


@pytest.fixture
def asked(run: Run, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, object]]:
    """What the server is asked, besides what the fake one answers."""
    assert run("scope examplescope create 192.168.50.0 255.255.255.0")[0] == "100 Ok"
    found: list[tuple[str, object]] = []
    call = manager.server.call

    async def noted(op: str, args: dict[str, object] | None = None, timeout_s: float = 10) -> object:
        found.append((op, (args or {}).get("wanted", args)))
        return await call(op, args, timeout_s)

    monkeypatch.setattr(manager.server, "call", noted)
    return found


def test_leases_one_a_line(run: Run, asked: list[tuple[str, object]]) -> None:
    status, *lines = run("export leases -server")
    assert status == "100 Ok" and asked == [("search_leases", {})]
    assert lines == [
        "00:d0:ba:d3:bd:3b|1|6|192.168.50.10|Tue Oct 30 23:00:00 2001|Wed Oct 31 00:00:00 2001|Wed Oct 31 00:00:00 2001"
        "|Tue Oct 30 23:00:00 2001|127.0.0.11|pc|||"
    ]
    asked.clear()
    assert run("export leases -client")[0] == "100 Ok" and asked == [("search_leases", {"state": "leased"})]
    assert run("export leases all")[0].startswith("316 Invalid - 'all': write -client")


def test_addresses_with_a_heading(run: Run, asked: list[tuple[str, object]]) -> None:
    _, head, line = run("export addresses")
    assert head.startswith("address|state|") and line == (
        "192.168.50.10|leased|1,6,00:d0:ba:d3:bd:3b||pc|Wed Oct 31 00:00:00 2001|examplescope"
    )


@pytest.mark.parametrize(
    ("wanted", "told"),
    [("", True), (" available=190", True), (" available=189", False), (" available=99%", True),
     (" available=98%", False), (" scopes=examplescope", True)],
)  # fmt: skip
def test_scopes_that_run_short(run: Run, asked: list[tuple[str, object]], wanted: str, told: bool) -> None:
    lines = run(f"lease-notification{wanted}")
    assert ("examplescope  192.168.50.0  24         191        99%           190" in lines[-1]) == told
    assert run("lease-notification available=x")[0].startswith("316")


def test_unavailable_addresses_are_made_available(run: Run, asked: list[tuple[str, object]]) -> None:
    assert run("scope examplescope clearUnavailable")[1] == "1 unavailable leases were made available"
    assert asked == [
        ("search_leases", {"scope": "examplescope", "state": "unavailable"}),
        ("force_available", {"address": 0xC0A8320A}),
    ]
    assert run("scope other clearUnavailable")[0].startswith("302")


def test_options_of_a_message_to_be_explained(run: Run, asked: list[tuple[str, object]]) -> None:
    run("option seat create 230 u8")
    options = "vendor-class-identifier=MSFT 5.0;77=0x6c6162;seat=7"
    assert run(f"dhcp explain 00:d0:ba:d3:bd:3b 'options={options}' circuit-id=port7 remote-id=0x0102")[0] == "100 Ok"
    args = asked[-1][1]
    assert isinstance(args, dict)
    assert args["options"] == {"60": b"MSFT 5.0".hex(), "77": "6c6162", "230": "07"}
    assert bytes.fromhex(str(args["relay"])) == b"\1\5port7\2\2\1\2"
    for wrong in ("options=seat", "options=nothing=1", "options=seat=x", "options=60=0x1", "circuit-id=0xz"):
        assert run(f"dhcp explain 00:d0:ba:d3:bd:3b '{wrong}'")[0].startswith("316"), wrong


def test_the_change_log_is_searched_to_its_beginning(run: Run) -> None:
    run("policy old create")
    for i in range(12):
        run(f"policy default set grace-period={i + 1}m")
    assert [line.split()[0] for line in run("change list search='POLICY old' count=5")[2:]] == ["2"]
    assert len(run("change list search='default grace-period' count=5")) == 2 + 5
    assert len(run("change list search='100%_'")) == 2


def test_names_of_custom_options_and_other_names_of_attributes(run: Run, manager: Manager) -> None:
    run("option seat create 230 u8")
    assert run("policy default set v4-reply-options=routers,Seat")[0] == "100 Ok"
    assert run("policy default get v4-reply-options")[1] == "v4-reply-options=routers,seat"
    assert run("dhcp set lease-period-factor=1.8")[0] == "100 Ok"
    assert run("dhcp get lease-period-factor")[1] == "failover-lease-period-factor=1.8"
    assert manager.database.document["dhcp"] == {"failover-lease-period-factor": 1.8}
    assert run("dhcp unset lease-period-factor")[0] == "100 Ok" and manager.database.document["dhcp"] == {}
    assert run("force-lock")[0] == run("session assert locked")[0] == "100 Ok"
