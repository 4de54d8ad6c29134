"""Counters since a reset and of a sample, the report, tags, option types, and what other versions' scripts write."""

from __future__ import annotations

import pytest
from managed import Run

from tandem.base.errors import CommandError
from tandem.cluster import commands
from tandem.cluster.manager import Manager
from tandem.cluster.marks import Mark, Marks
from tandem.cluster.registry import Login, Request, Session, split

SCOPE = "scope examplescope create 192.168.50.0 255.255.255.0 selection-tag-list=red,blue"


def counted(started: int, commits: int, sent: int, leases: int = 7) -> dict[str, object]:
    return {"started-at": started, "leases": leases, "database-commits": commits, "database-commit-ms-mean": 1.5,
            "failover": [{"name": "a-b", "state": "NORMAL", "updates-sent": sent}]}  # fmt: skip


def test_counters_begin_anew_with_a_reset_and_what_is_no_counter_stays() -> None:
    marks = Marks()
    assert marks.reset_of(counted(100, 5, 5)) is None
    marks.reset(Mark(1000.0, counted(100, 5, 2)))
    now = counted(100, 12, 3, leases=9)
    reset = marks.reset_of(now)
    assert reset is not None and reset.until(now) == {
        "started-at": 100, "leases": 9, "database-commits": 7,
        "failover": [{"name": "a-b", "state": "NORMAL", "updates-sent": 1}],
    }  # fmt: skip
    assert marks.reset_of(counted(200, 1, 0)) is None, "another process counts from 0"


def test_a_sample_is_what_was_counted_between_two_looks_at_one_server() -> None:
    marks, now = Marks(), counted(100, 30, 0)
    marks.take(Mark(0.0, counted(100, 10, 0)))
    assert marks.sample(now) is None
    marks.take(Mark(300.0, counted(100, 14, 0)))
    marks.take(Mark(600.0, counted(100, 25, 0)))
    begun, ended = marks.sample(now) or pytest.fail("there is a whole sample")
    assert (begun.at, ended.at, begun.until(ended.counters)["database-commits"]) == (300.0, 600.0, 11)
    marks.take(Mark(900.0, counted(200, 3, 0)))
    assert marks.sample(counted(200, 4, 0)) is None, "the server has started anew meanwhile"


def test_statistics_by_part_and_period(run: Run, manager: Manager) -> None:
    assert run("dhcp getStats server,failover total") == run("dhcp getStats failover server") == run("dhcp getStats")
    assert run("dhcp getStats dhcpv4") == ["100 Ok", "dhcpv4:"]
    assert run("dhcp getStats sample")[0].startswith("302 Not Found - no sample is complete yet")
    assert "'dhcpv6'" in run("dhcp getStats dhcpv6")[0]
    assert run("dhcp getStats total sample")[0].startswith("316 Invalid - total and sample: write")
    assert run("dhcp resetStats") == ["100 Ok"]
    lines = run("dhcp getStats")
    assert lines[2] == "    leases = 3" and lines[3].startswith("    counted-since = ")
    assert lines[-1] == "    updates-sent = 0"
    assert "reset the DHCP server's counters" in manager.log.path.read_text()


def test_the_report_has_a_row_a_scope_and_a_total(run: Run) -> None:
    run(SCOPE)
    assert run("report column-separator=|")[1:] == [
        "Scope|Subnet|Addresses|Reserved|Leased|Available|Other available|Pending available|Unavailable|Percent leased",
        "examplescope|192.168.50.0/24|191|0|1|171|19|0|0|0.5%",
        "Total||191|0|1|171|19|0|0|0.5%",
    ]
    assert run("report scopes=examplescope")[1].startswith("Scope         Subnet")
    assert run("report scopes=examplescope,none")[0].startswith("302 Not Found - scope 'none' does not exist")


def test_selection_tags_are_told_with_what_has_them(run: Run) -> None:
    run(SCOPE)
    run("client-class gold create selection-criteria=red")
    assert run("scope-selection-tag listnames") == ["100 Ok", "blue", "red"]
    assert run("scope-selection-tag red") == [
        "100 Ok", "red:", "    scope selection-tag-list = examplescope", "    client-class selection-criteria = gold",
    ]  # fmt: skip
    assert "'scope NAME set selection-tag-list=green'" in run("scope-selection-tag green")[0]


def test_types_of_options(run: Run) -> None:
    assert "ip" in run("option-datatype listnames")
    assert run("option-datatype ip")[1] == "ip:" and "    list = ips" in run("option-datatype ip show")
    assert run("option-datatype nothing")[0].startswith("302 Not Found - there is no option-datatype 'nothing'")


def test_a_lease_tells_its_hardware_address(run: Run) -> None:
    assert run("lease 192.168.50.10 macaddr") == ["100 Ok", "1,6,00:d0:ba:d3:bd:3b"]
    assert run("dhcp getLeases scope=examplescope") == run("lease list scope=examplescope")


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("policy default setV4Option routers 10.0.0.1", ("policy", "NAME", "setOption")),
        ("policy default GETV4OPTION routers", ("policy", "NAME", "getOption")),
        ("policy default unsetV4Option routers", ("policy", "NAME", "unsetOption")),
        ("scope-policy x listV4Options", ("scope-policy", "NAME", "listOptions")),
        ("policy setV4Option listV4VendorOptions", ("policy", "NAME", "listVendorOptions")),
        ("server dhcp serverLogs show", ("dhcp", "serverLogs", "show")),
        ("server dhcp getHealth", ("dhcp", "gethealth")),
        ("license 1234-5678 create", ("license", "NAME", "create")),
        ("session cache clear", ("session", "cache", "clear")),
    ],
)
def test_lines_of_other_versions(line: str, path: tuple[str, ...]) -> None:
    command, name, words = commands.REGISTRY.find(split(line))
    assert command.path == path
    command.fill(Request(Login("admin"), Session(), name), words)


def test_other_words_are_none_of_their_own_elsewhere() -> None:
    with pytest.raises(CommandError, match="'setV4Option'"):
        commands.REGISTRY.find(split("dhcp setV4Option routers"))
