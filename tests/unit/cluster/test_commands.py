"""Commands on an in-process cluster, whose DHCP server is a function."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from fake_dhcp_server import Refused, perform

from tandem.base.errors import CommandError
from tandem.cluster import commands as _commands  # noqa: F401  fills the registry
from tandem.cluster.accounts import set_administrator
from tandem.cluster.answer import error_line
from tandem.cluster.database import Database
from tandem.cluster.log import ClusterLog
from tandem.cluster.manager import Manager
from tandem.cluster.registry import Session
from tandem.cluster.supervisor import ControlSocket, Supervisor
from tandem.config.schema import SERVED

BATCH = """\
dhcp enable failover
dhcp set failover-main-server=127.0.0.11
dhcp set failover-backup-server=127.0.0.12
scope examplescope create 192.168.50.0 255.255.255.0
scope examplescope addRange 192.168.50.10 192.168.50.200
policy default setLeaseTime 3d
policy default setOption routers 192.168.50.1
scope examplescope addReservation 192.168.50.9 1,6,00:d0:ba:d3:bd:3b
dhcp reload
dhcp getRelatedServers
dhcp setPartnerDown 127.0.0.11 -5m
scope examplescope listLeases
lease 192.168.50.10
"""


class FakeServer(ControlSocket):
    """A control socket without a socket."""

    def __init__(self, log: Path) -> None:
        super().__init__(Path("none"), log)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def call(self, op: str, args: dict[str, Any] | None = None, timeout_s: float = 10) -> Any:
        self.asked.append((op, args or {}))
        try:
            return perform(op, args or {})
        except Refused:
            raise CommandError(316, "the server refuses") from None


@pytest.fixture
def manager(tmp_path: Path) -> Manager:
    log = ClusterLog(tmp_path / "logs" / "ccm.log", "test")
    server = FakeServer(tmp_path / "logs" / "dhcp.log")
    database = Database(tmp_path / "ccm" / "ccm.db")
    set_administrator(database, "admin", "p", ["superuser"])
    return Manager("test", 0x7F00000B, database, server, Supervisor(["false"], server, log), log, server._log)


Run = Callable[..., list[str]]


@pytest.fixture
def run(manager: Manager) -> Run:
    session = Session()

    def run_line(line: str, who: str = "admin") -> list[str]:
        try:
            return asyncio.run(manager.execute(manager.login_of(who), session, line)).render(session.default_format)
        except CommandError as error:
            return error_line(error).split("\n")

    return run_line


def test_the_whole_batch_runs(run: Run) -> None:
    for line in BATCH.splitlines():
        assert run(line)[0] == "100 Ok", line


def test_create_answers_with_the_new_object(run: Run) -> None:
    lines = run("scope s create 10.0.0.0 255.0.0.0 policy=default")
    assert lines[:4] == ["100 Ok", "s:", "    addr = 10.0.0.0", "    mask = 255.0.0.0"]
    assert "    policy = default" in lines and "    renew-only = [default=off]" in lines
    assert run("scope s") == run("scope s show") == lines == run("scope list")


def test_get_set_unset(run: Run) -> None:
    assert run("dhcp get max-dhcp-requests") == ["100 Ok", "max-dhcp-requests=500"]
    assert run("dhcp set max-dhcp-requests=600 failover-poll-interval=5s") == ["100 Ok"]
    assert run("dhcp get max-dhcp-requests") == ["100 Ok", "max-dhcp-requests=600"]
    assert run("dhcp set max-dhcp-requests 700") == ["100 Ok"]
    assert "    max-dhcp-requests = 700" in run("dhcp")
    assert run("dhcp unset max-dhcp-requests failover-poll-interval") == ["100 Ok"]
    assert "    max-dhcp-requests = [default=500]" in run("dhcp show")
    assert run("dhcp get failover-main-server") == ["100 Ok", "failover-main-server="]


def test_a_set_with_one_wrong_attribute_sets_none(run: Run) -> None:
    assert run("dhcp set max-dhcp-requests=600 failover=perhaps")[0].startswith("316 Invalid - ")
    assert run("dhcp get max-dhcp-requests") == ["100 Ok", "max-dhcp-requests=500"]


def test_lists(run: Run) -> None:
    assert run("scope listnames") == run("scope list") == run("scope listbrief") == ["100 Ok"]
    run("scope b create 10.0.0.0 255.0.0.0")
    run("scope aaa create 192.168.50.0 255.255.255.0")
    assert run("scope listnames") == ["100 Ok", "aaa", "b"]
    assert run("scope listbrief") == ["100 Ok", "aaa  192.168.50.0  255.255.255.0", "b    10.0.0.0      255.0.0.0"]
    assert run("scope b delete") == ["100 Ok"]
    assert run("scope listnames") == ["100 Ok", "aaa"]


def test_script_format_has_one_line_an_object(run: Run) -> None:
    run("scope s create 10.0.0.0 255.0.0.0")
    assert run("session set default-format=script") == ["100 Ok"]
    lines = run("scope list")
    assert len(lines) == 2 and lines[1].startswith("s: addr=10.0.0.0; mask=255.0.0.0; policy=default; ")
    rows = run("scope s listLeases")[1:]
    assert len(rows) == 1 and rows[0].startswith("192.168.50.10: ")
    assert "reserved" in rows[0] and "leased" in rows[0]
    assert run("session set default-format=user") == ["100 Ok"]
    assert run("session get default-format") == ["100 Ok", "default-format=user"]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("", "310 Too few arguments - "),
        ("scope nowhere", "302 Not Found - "),
        ("scope nowhere delete", "302 Not Found - "),
        ("scope nowhere addRange 10.0.0.1 10.0.0.2", "302 Not Found - "),
        ("scope nowhere listLeases", "302 Not Found - "),
        ("scope nowhere set renew-only=on", "302 Not Found - "),
        ("dhcp set no-such=1", "308 Unknown parameter - "),
        ("dhcp get no-such", "308 Unknown parameter - "),
        ("dhcp enable no-such", "308 Unknown parameter - "),
        ("dhcp set failover", "310 Too few arguments - "),
        ("dhcp set failover=on nonsense", "316 Invalid - "),
        ("dhcp enable max-dhcp-requests", "316 Invalid - "),
        ("scope x create", "310 Too few arguments - "),
        ("scope x create 10.0.0.0", "310 Too few arguments - "),
        ("scope x create 10.0.0.0 255.0.0.0 1.2.3.4", "309 Too many arguments - "),
        ("scope x create 10.0.0.1 255.0.0.0", "316 Invalid - "),
        ("scope s create 10.0.0.0 255.0.0.0", "320 EX_CONFLICT_EXISTS - "),
        ("scope s set addr=10.0.0.0", "385 - Read-only attribute cannot be modified"),
        ("scope s unset mask", "386 - Required attribute cannot be deleted"),
        ("scope s addRange 11.0.0.1 11.0.0.2", "316 Invalid - "),
        ("policy default setOption no-such 1", "316 Invalid - "),
        ("policy default getOption routers", "302 Not Found - "),
        ("lease 300.1.1.1", "316 Invalid - "),
        ("lease 10.0.0.1", "302 Not Found - "),
        ("dhcp setPartnerDown 127.0.0.12 yesterday", "316 Invalid - "),
        ("dhcp setPartnerDown no-such-host.invalid", "302 Not Found - "),
        ("session set visibility=99", "316 Invalid - "),
        ("help frobnicate", "306 Unknown command - "),
    ],
)
def test_refusals(run: Run, line: str, status: str) -> None:
    run("scope s create 10.0.0.0 255.0.0.0")
    answer = run(line)
    assert len(answer) == 1 and answer[0].startswith(status), answer


def test_an_impossible_configuration_is_not_sent_to_the_server(run: Run, manager: Manager) -> None:
    for line in BATCH.splitlines()[:9]:
        run(line)
    loaded = manager.database.loaded()
    assert loaded is not None and manager.database.changes_since_loaded(SERVED) == 0
    asked = len(manager.server.asked)  # type: ignore[attr-defined]
    run("scope other create 192.168.50.0 255.255.255.128")
    answer = run("dhcp reload")
    assert answer[0].startswith("316 Invalid - the configuration cannot work") and len(answer) > 1
    assert "other" in answer[1]
    assert len(manager.server.asked) == asked  # type: ignore[attr-defined]
    assert manager.database.loaded() == loaded


def test_warnings_of_a_reload_are_shown(run: Run) -> None:
    for line in BATCH.splitlines()[:8]:
        run(line)
    run("policy default setOption subnet-mask 255.0.0.0")
    answer = run("dhcp reload")
    assert answer[0] == "101 Ok, with warnings" and "subnet-mask" in answer[1]


def test_setting_the_partner_down_passes_the_date_on(run: Run, manager: Manager) -> None:
    assert "at None expert False" in run("dhcp setPartnerDown 127.0.0.12")[1]
    assert "2130706444 down at 1004486400" in run("server dhcp setPartnerDown 127.0.0.12 1004486400")[1]
    run("session set visibility=3")
    assert "expert True" in run("dhcp setPartnerDown 127.0.0.12 -5m")[1]
    at = int(run("dhcp setPartnerDown localhost -5m")[1].split()[4])
    assert 299 <= Session().clock().now - at <= 330


def test_dates_are_read_and_shown_in_the_operators_zone(manager: Manager) -> None:
    session = Session(zone=timezone(timedelta(hours=2)))

    def run(line: str) -> list[str]:
        return asyncio.run(manager.execute(manager.login_of("admin"), session, line)).render("user")

    run('dhcp set failover-recover="Oct 31 02:00:00 2001"')
    assert manager.database.document["dhcp"]["failover-recover"] == 1004486400
    assert run("dhcp get failover-recover") == ["100 Ok", "failover-recover=Oct 31 02:00:00 2001"]
    assert "    expiration = Oct 31 02:00:00 2001" in run("lease 192.168.50.10")


def test_related_servers_are_a_table_and_details(run: Run) -> None:
    lines = run("dhcp getRelatedServers")
    titles = "Type Name Address Role Communications State Partner Role Partner State"
    values = "failover-partner 127.0.0.11-127.0.0.12 127.0.0.12 main OK NORMAL backup NORMAL"
    assert (lines[1].split(), lines[2].split()) == (titles.split(), values.split())
    assert lines[1].index("Address") == lines[2].index(" 127.0.0.12 ") + 1
    details = {line.split(" = ")[0].strip(): line.split(" = ")[1] for line in lines[5:]}
    assert lines[4] == "127.0.0.11-127.0.0.12:"
    assert details["why"] == "both partners are up" and details["since"] == "Oct 31 00:00:00 2001"
    assert "last-contact" not in details and details["updates-outstanding"] == "0"


def test_conflicts_show_both_views(run: Run) -> None:
    lines = run("dhcp getFailoverConflicts")
    assert lines[:2] == ["100 Ok", "192.168.50.10:"]
    assert "    winner = this server" in lines and "    last-time = Oct 31 00:00:00 2001" in lines
    assert "    here-expiration = Oct 31 00:00:00 2001" in lines
    assert not any("here-heard-client" in line for line in lines), "never"


def test_statistics_of_the_server_and_of_each_relationship(run: Run) -> None:
    server, failover = ["dhcp:", "    leases = 3"], ["failover 127.0.0.11-127.0.0.12:", "    state = NORMAL",
                                                      "    updates-sent = 5"]  # fmt: skip
    assert run("dhcp getStats") == run("dhcp getStats all") == ["100 Ok", *server, *failover]
    assert run("dhcp getStats server") == ["100 Ok", *server]
    assert run("dhcp getStats failover") == ["100 Ok", *failover]
    assert run("dhcp getStats dns")[0].startswith("316 Invalid")


def test_shutdown_says_what_became_of_the_partner(run: Run, manager: Manager) -> None:
    assert run("dhcp shutdown") == ["100 Ok", "Partner 127.0.0.12 has taken over (PARTNER-DOWN)."]
    assert not manager.supervisor.wanted
    assert "stopped the DHCP server for a long time" in manager.log.path.read_text()


def test_ranges_reservations_and_options(run: Run) -> None:
    for line in BATCH.splitlines()[:8]:
        run(line)
    assert run("scope examplescope listRanges") == ["100 Ok", "192.168.50.10 192.168.50.200"]
    assert run("scope examplescope removeRange 192.168.50.10 192.168.50.19") == ["100 Ok"]
    assert run("scope examplescope listRanges") == ["100 Ok", "192.168.50.20 192.168.50.200"]
    assert run("scope examplescope listReservations") == ["100 Ok", "192.168.50.9 1,6,00:d0:ba:d3:bd:3b"]
    assert run("scope examplescope removeReservation 192.168.50.9") == ["100 Ok"]
    assert run("scope examplescope listReservations") == ["100 Ok"]
    assert run("policy default getLeaseTime") == ["100 Ok", "3d"]
    assert run("policy default setOption domain-name-servers 10.0.0.1, 10.0.0.2") == ["100 Ok"]
    assert "domain-name-servers=10.0.0.1,10.0.0.2" in run("policy default listOptions")
    assert run("policy default unsetOption routers") == ["100 Ok"]
    assert run("policy default getOption routers")[0].startswith("302 Not Found")


def test_secrets_are_never_shown(run: Run, manager: Manager) -> None:
    run("dhcp set failover-shared-secret=geheim")
    assert manager.database.document["dhcp"]["failover-shared-secret"] == "geheim"
    shown = run("dhcp") + run("dhcp get failover-shared-secret") + [str(c) for c in manager.database.changes()]
    assert not any("geheim" in line for line in shown)


def test_an_administrator_may_do_what_the_roles_allow(run: Run, manager: Manager) -> None:
    set_administrator(manager.database, "guest", "p", [])
    assert run("dhcp get failover", "guest")[0].startswith("320 AX_SCP_PERMISSION_DENIED: guest lacks role read-only")
    set_administrator(manager.database, "guest", "p", ["read-only"])
    assert run("dhcp get failover", "guest")[0] == "100 Ok"
    refused = run("dhcp enable failover", "guest")[0]
    assert refused.startswith("320 AX_SCP_PERMISSION_DENIED") and "admin guest set roles=dhcp-admin" in refused
    assert run("dhcp get failover", "guest") == ["100 Ok", "failover=off"]
    set_administrator(manager.database, "guest", "p", ["dhcp-admin"])
    assert run("dhcp enable failover", "guest") == ["100 Ok"]
    assert run("admin list", "guest")[0].startswith("320 AX_")


def test_help_tells_about_commands_and_attributes(run: Run) -> None:
    overview, addresses = run("help"), "scope NAME addRange <lowest> <highest>"
    assert len(overview) < 50 and "scope" in [line.partition(" ")[0] for line in overview]
    for line in ("help all", "help scope"):
        assert any(told.startswith(addresses) for told in run(line))
    assert run("help policy x setV4Option") == run("help POLICY NAME setOption") == run("help policy setOption")
    assert run("help custom-option")[1:] == run("help option")[1:]
    assert "    for example: policy default setLeaseTime 3d" in run("help policy x setLeaseTime")
    assert any("failover-poll-interval" in line and "default 10s" in line for line in run("help dhcp set"))
    switches = run("help dhcp enable")
    assert any("failover-use-safe-period" in line for line in switches)
    assert not any("failover-poll-interval" in line for line in switches)


def test_a_stopped_server_is_reported(run: Run, manager: Manager) -> None:
    manager.server = ControlSocket(Path("/nonexistent/control.sock"), manager.server_log)
    answer = run("dhcp reload")
    assert answer[0].startswith("501 Connection Failure - the DHCP server is not running")
    assert str(manager.server_log) in answer[0] and "'dhcp start'" in answer[0]
    assert "    health = stopped" in run("dhcp gethealth")


def test_health(run: Run, manager: Manager) -> None:
    lines = run("dhcp gethealth")
    assert lines[:3] == ["100 Ok", "dhcp:", "    health = OK"]
    assert "    process = 4711" in lines and "    changes-not-loaded = 0" in lines
    run("dhcp enable failover")
    assert "    changes-not-loaded = 1" in run("dhcp gethealth")


def test_save_and_log(run: Run, manager: Manager) -> None:
    assert run("save") == ["100 Ok"]
    manager.server_log.parent.mkdir(exist_ok=True)
    manager.server_log.write_text("".join(f"line {i}\n" for i in range(100)))
    assert run("dhcp serverLogs")[2:] == [f"line {i}" for i in range(60, 100)]
