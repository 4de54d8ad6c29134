"""What an operator sees and orders of a pair, with nrcmd and in the log files of real servers (S4.2, S7.5, S7.6)."""

from __future__ import annotations

import re

import pytest
from tests.live.lab import BACKUP, EXAMPLE, MAIN, Lab
from tests.live.netns import wait_for
from tests.live.pyclient import LanPort, Ledger, PyClient

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

LONG = EXAMPLE.replace("setLeaseTime 20", "setLeaseTime 3600")
DETAIL = "dhcp set log-settings=default,incoming-packets,missing-options,failover-detail"
ACTIVITY = re.compile(r" Info Failover 0 (06110|06111|06112|06113|06130|06140|06200|06201) ")


def details(text: str) -> dict[str, str]:
    """Return the ``attribute = value`` lines of what nrcmd printed."""
    return dict(line.strip().split(" = ", 1) for line in text.splitlines() if " = " in line)


def conflict(text: str, address: str) -> dict[str, str]:
    """Return the details of the conflict about ``address``."""
    return details(text.partition(f"{address}:\n")[2].partition("last-time")[0])


def test_logs_views_and_counters_of_a_pair(lab: Lab) -> None:
    """The chapter's "Confirming Failover" with failover-detail; related servers, statistics, a short lease."""
    lab.start_pair(LONG.replace("dhcp reload", DETAIL + "\ndhcp reload"))
    port = LanPort(lab.client_space("raw"), "eth0")
    client = PyClient(port, 1, Ledger())
    address = client.lease()
    lab.books_equal()
    for server, wanted in ((lab.main, "Sent DHCPBNDUPD"), (lab.backup, "Received DHCPBNDUPD")):
        wait_for(wanted, lambda s=server, w=wanted: w in s.log() and "DHCPBNDACK" in s.log(), 5)  # type: ignore[misc]
        line = next(line for line in server.log().splitlines() if wanted in line and address in line)
        assert re.match(r"\d\d/\d\d/\d{4} \d+:\d\d:\d\d \w+/dhcp/1 Info Failover 0 \d{5} ", line)
    dropped = "Dropped DISCOVER of 1,6,"
    wait_for("the backup says what it drops", lambda: dropped in lab.backup.log(), 5)
    line = next(line for line in lab.backup.log().splitlines() if dropped in line)
    assert "failover is in NORMAL state" in line

    for server, role in ((lab.main, "main"), (lab.backup, "backup")):
        seen = details(server.nrcmd("dhcp getRelatedServers\n"))
        assert (seen["role"], seen["communications"], seen["state"], seen["partner-state"]) == (
            role, "OK", "NORMAL", "NORMAL"
        )  # fmt: skip
        assert {"since", "why", "partner-since", "updates-outstanding", "smoothed-time-delta"} <= set(seen)
        last = [line for line in server.log().splitlines() if " 06100 " in line][-1]
        assert f"(row {seen['transition']}): {seen['why']}" in last
        counted = details(server.nrcmd("dhcp getStats failover\n"))
        assert counted["connections"] == "1" and int(counted["pool-requests"]) > 0
    assert int(details(lab.backup.nrcmd("dhcp getStats server\n"))["dhcp-dropped-failover"]) > 0
    assert "have agreed on everything" in lab.main.nrcmd("dhcp getFailoverConflicts\n")
    short = details(lab.main.nrcmd(f"lease {address} show\n"))["why-short"]
    assert short.startswith("given for 20s of 1h: limited by the maximum client lead time of 20s")


def test_log_settings_leave_out_failover_activity_and_conflicts(lab: Lab) -> None:
    """no-failover-activity and no-failover-conflict, as the chapter says; transitions and alarms stay."""
    quiet = "dhcp set log-settings=default,incoming-packets,no-failover-activity,no-failover-conflict"
    only_main = """scope other create 192.168.70.0 255.255.255.0
scope other addReservation 192.168.70.9 1,6,02:00:00:00:00:99"""
    lab.main.launch()
    lab.backup.launch()
    for server in (lab.main, lab.backup):
        server.wait_up()
    lab.backup.nrcmd(LONG.replace("dhcp reload", quiet + "\ndhcp reload"))
    lab.main.nrcmd(LONG.replace("dhcp reload", only_main + "\ndhcp reload"))
    lab.both_normal()
    PyClient(LanPort(lab.client_space("raw"), "eth0"), 1, Ledger()).lease()
    lab.books_equal()
    wait_for("the main's log has the refusal", lambda: " 06162 The partner refused" in _plain(lab.main.log()), 10)
    line = next(line for line in lab.main.log().splitlines() if " 06162 " in line)
    assert "192.168.70.9 (reason 1: the address is in no scope" in line and "partner's view stays" in line
    assert ACTIVITY.search(lab.main.log())
    wait_for("transitions are no activity", lambda: "to NORMAL (row " in lab.backup.log(), 5)
    assert " 06160 " not in lab.backup.log() and not ACTIVITY.search(lab.backup.log())
    found = conflict(lab.backup.nrcmd("dhcp getFailoverConflicts\n"), "192.168.70.9")
    assert found["winner"] == "this server" and found["reject-reason"].startswith("reason 1: ")
    assert found["partner-state"] == "BACKUP", "as reserved addresses are told"
    assert conflict(lab.main.nrcmd("dhcp getFailoverConflicts\n"), "192.168.70.9")["winner"] == "partner"


def _plain(log: str) -> str:
    """Return a log without the names of relationships."""
    return log.replace(f" {MAIN}-{BACKUP}: ", " ")


def test_stop_for_a_short_time_and_for_a_long_time(pair: Lab) -> None:
    """dhcp stop: PAUSED, the partner serves from its share; dhcp shutdown: SHUTDOWN, it takes over completely."""
    port = LanPort(pair.client_space("raw"), "eth0")
    client = PyClient(port, 1, Ledger())
    address = client.lease()
    pair.main.nrcmd("dhcp stop\n")
    wait_for("interrupted", lambda: pair.backup.state == "COMMUNICATIONS-INTERRUPTED", 2)
    seen = details(pair.backup.nrcmd("dhcp getRelatedServers\n"))
    assert "pauses" in seen["why"] and seen["partner-state"] == "PAUSED"
    pair.main.nrcmd("dhcp start\n")
    pair.both_normal()

    said = pair.main.nrcmd("dhcp shutdown\n")
    assert f"Partner {BACKUP} has taken over (PARTNER-DOWN)." in said
    assert pair.backup.state == "PARTNER-DOWN"
    seen = details(pair.backup.nrcmd("dhcp getRelatedServers\n"))
    assert seen["partner-state"] == "SHUTDOWN" and seen["transition"] == "NORMAL/partner-is-shutdown"
    assert seen["use-other-available"] == "false"
    answer = client.rebind()
    assert answer is not None and (client.address, client.server) == (address, BACKUP)
    assert details(pair.main.nrcmd("dhcp gethealth\n"))["health"] == "stopped"

    pair.main.nrcmd("dhcp start\n")
    pair.both_normal()
    moves = re.compile(r"state changes from \S+ to (\S+)")
    back = ["RECOVER", "RECOVER-WAIT", "RECOVER-DONE", "NORMAL"]
    wait_for("it recovered", lambda: moves.findall(pair.main.log())[-4:] == back, 2)
    pair.books_equal()


def test_a_recovering_backup_can_be_set_alone(pair: Lab) -> None:
    """Its main died for good while it was to send its leases: clients go on, new ones wait for what may be unknown."""
    ledger = Ledger()
    port = LanPort(pair.client_space("raw"), "eth0")
    client = PyClient(port, 1, ledger)
    address = client.lease()
    pair.books_equal()
    pair.backup.kill()
    wait_for("interrupted", lambda: pair.main.state == "COMMUNICATIONS-INTERRUPTED", 10)
    pair.main.nrcmd(f"dhcp setPartnerDown {BACKUP}\n")
    pair.main.kill()
    for file in (pair.backup.data / "dhcp").glob("leases.db*"):
        file.unlink()
    pair.backup.start()
    wait_for("recovering", lambda: pair.backup.state == "RECOVER", 30)
    said = pair.backup.nrcmd(f"dhcp setPartnerDown {MAIN}\n")
    assert "new leases are given in" in said and pair.backup.state == "PARTNER-DOWN"
    answer = client.rebind()
    assert answer is not None and (client.address, client.server) == (address, BACKUP)
    new = PyClient(port, 2, ledger)
    assert new.discover(timeout=3) is None
    wait_for("its waits are over", lambda: new.discover(timeout=1) is not None, 40)
    new.lease()
    pair.main.start()
    pair.both_normal()
    pair.books_equal()
    ledger.check()
