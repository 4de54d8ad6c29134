"""How two servers come together (SYSTEM S4.2 a to g), with real processes, nrcmd and clients, as the chapter writes it.

Two cases stand elsewhere: (a), the first contact, is the first step of ``test_live_procedures``; a main that loses its
database is in ``test_live_failover``.
"""

from __future__ import annotations

import shutil
import time

import pytest
from tests.live.lab import BACKUP, EXAMPLE, MAIN, MCLT_S, Lab
from tests.live.netns import wait_for
from tests.live.pyclient import LanPort, Ledger, PyClient

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

QUICK = EXAMPLE.replace(f"lead-time={MCLT_S}", "lead-time=8")
"""The example with an MCLT of eight seconds."""
INTERRUPTED = "COMMUNICATIONS-INTERRUPTED"


def population(lab: Lab, count: int) -> tuple[LanPort, Ledger, list[PyClient]]:
    port, ledger = LanPort(lab.client_space("raw"), "eth0"), Ledger()
    clients = [PyClient(port, n, ledger) for n in range(1, 1 + count)]
    for client in clients:
        client.lease()
    return port, ledger, clients


def all_renew(clients: list[PyClient]) -> None:
    for client in clients:
        was = client.address
        answer = client.rebind()
        assert answer is not None and client.address == was


def test_interrupted_then_normal_then_both_thought_to_be_alone(lab: Lab) -> None:
    """(b): after COMMUNICATIONS-INTERRUPTED both return to NORMAL at once. (d): after PARTNER-DOWN while both were
    running: POTENTIAL-CONFLICT on both; the main has the backup's updates first, then the backup the main's."""
    lab.start_pair(QUICK)
    port, ledger, clients = population(lab, 4)
    lab.books_equal()
    marks = lab.main.mark(), lab.backup.mark()
    lab.cut()
    lab.both_interrupted()
    lab.mend()
    lab.both_normal()
    lab.main.went(INTERRUPTED, "NORMAL", since=marks[0])
    lab.backup.went(INTERRUPTED, "NORMAL", since=marks[1])

    marks = lab.main.mark(), lab.backup.mark()
    lab.cut()
    lab.both_interrupted()
    for server, partner in ((lab.main, BACKUP), (lab.backup, MAIN)):
        assert "is taken as down since" in server.nrcmd(f"server dhcp setPartnerDown {partner} -1s\n")
        assert server.state == "PARTNER-DOWN"
    late = [PyClient(port, 50 + n, ledger) for n in range(4)]
    for number, client in enumerate(late):
        client.lease(server=(MAIN, BACKUP)[number % 2])
    lab.mend()
    lab.both_normal()
    conflict = INTERRUPTED, "PARTNER-DOWN", "POTENTIAL-CONFLICT"
    lab.main.went(*conflict, "CONFLICT-DONE", "NORMAL", since=marks[0])
    lab.backup.went(*conflict, "NORMAL", since=marks[1])
    lab.books_equal()
    all_renew([*clients, *late])
    ledger.check()
    lab.books_equal()


def test_partner_down_returns_recovers_and_safe_period(lab: Lab) -> None:
    """(c): the server that went down first comes back into RECOVER, asks for what it missed, and both are NORMAL. Here
    the survivor is moved to PARTNER-DOWN by the safe period (S4.8), by itself."""
    lab.start_pair(QUICK.replace("dhcp reload", "dhcp enable failover-use-safe-period\n"
                                 "dhcp set failover-safe-period=6\ndhcp reload"))  # fmt: skip
    port, ledger, clients = population(lab, 4)
    lab.books_equal()
    marks = lab.main.mark(), lab.backup.mark()
    lab.main.kill()
    wait_for("the backup noticed", lambda: lab.backup.state == INTERRUPTED, 20)
    shown = lab.backup.nrcmd("dhcp getRelatedServers")
    assert "safe period" in shown
    wait_for("the safe period is over", lambda: lab.backup.state == "PARTNER-DOWN", 10)
    lab.backup.went(INTERRUPTED, "PARTNER-DOWN", since=marks[1])
    all_renew(clients)
    clients[0].release()
    late = PyClient(port, 50, ledger)
    late.lease()
    lab.main.start()
    lab.both_normal()
    lab.main.went("RECOVER", "RECOVER-WAIT", "RECOVER-DONE", "NORMAL", since=marks[0])
    lab.backup.went(INTERRUPTED, "PARTNER-DOWN", "NORMAL", since=marks[1])
    lab.main.said("Sent update request to", since=marks[0])
    lab.books_equal()
    all_renew([*clients[1:], late])
    ledger.check()


def test_restored_lease_database_and_failover_recover(lab: Lab) -> None:
    """(f): the backup's lease database comes back from a copy of some time ago; with failover-recover set to that time
    it asks for everything, waits the MCLT (from its start: decisions/0008), and both are NORMAL; unsetting it disturbs
    nobody."""
    lab.start_pair(QUICK.replace("lead-time=8", "lead-time=15"))
    _, ledger, clients = population(lab, 2)
    lab.books_equal()
    lab.backup.nrcmd("dhcp stop\n")
    copy = lab.backup.data / "copy"
    shutil.copytree(lab.backup.data / "dhcp", copy, ignore=shutil.ignore_patterns("*.sock"))
    saved_at = time.time()
    lab.backup.nrcmd("dhcp start\n")
    lab.both_normal()
    port = clients[0].port
    later = [PyClient(port, 50 + n, ledger) for n in range(3)]
    for client in later:
        client.lease()
    lab.books_equal()

    lab.backup.kill()
    for file in sorted((lab.backup.data / "dhcp").glob("*.db*")):
        file.unlink()
    for file in sorted(copy.glob("*.db*")):
        shutil.copy(file, lab.backup.data / "dhcp" / file.name)
    mark = lab.backup.mark()
    lab.backup.launch("--stopped")
    wait_for("the cluster is up", lambda: "dhcp stopped" in lab.backup.process.output(), 20)  # type: ignore[union-attr]
    started_at = time.time()
    ago = int(started_at - saved_at) + 1
    lab.backup.nrcmd(f"dhcp set failover-recover=-{ago}s\ndhcp start\n")
    wait_for("it has everything", lambda: set(lab.main.leases()) == set(lab.backup.leases()), 15)
    lab.both_normal(timeout=45)
    lab.backup.went("RECOVER", "RECOVER-WAIT", "RECOVER-DONE", "NORMAL", since=mark)
    lab.backup.said("update request all", since=mark)
    assert time.time() >= started_at - 1 + 15, "it waits the MCLT from its start"
    marks = lab.main.mark(), lab.backup.mark()
    lab.backup.nrcmd("dhcp set failover-recover=0\ndhcp reload\n")
    lab.backup.said("is in force", since=marks[1])
    lab.main.went(since=marks[0])
    lab.backup.went(since=marks[1])
    assert lab.states() == ("NORMAL", "NORMAL")
    all_renew([c for c in [*clients, *later] if c.expires > time.time() + 1])
    ledger.check()
    lab.books_equal()


def test_failover_disabled_and_enabled_again(lab: Lab) -> None:
    """(g) and "Removing Backup Servers": the backup's scopes go, failover goes off on the main, which serves alone;
    then it is on again with a new, empty backup that has failover-recover set to now minus the MCLT."""
    lab.start_pair(QUICK)
    port, ledger, clients = population(lab, 3)
    lab.books_equal()
    mark = lab.main.mark()
    lab.backup.nrcmd("scope examplescope delete\nscope farscope delete\n")
    lab.main.nrcmd("dhcp disable failover\n")
    for server in (lab.backup, lab.main):
        server.nrcmd("dhcp reload\n")
    assert "Failover is off" in lab.main.nrcmd("dhcp getRelatedServers\n")
    all_renew(clients)
    alone = PyClient(port, 50, ledger)
    alone.lease()
    assert (alone.server, alone.lease_s) == (MAIN, 20), "no MCLT limits a lone server"

    lab.backup.stop()
    shutil.rmtree(lab.backup.data)
    lab.main.nrcmd("dhcp enable failover\ndhcp reload\n")
    lab.main.went("PARTNER-DOWN", since=mark)
    assert lab.main.state == "PARTNER-DOWN"
    all_renew([*clients, alone])
    lab.backup.start()
    lab.backup.nrcmd(QUICK.replace("dhcp reload", "dhcp set failover-recover=-8s\ndhcp reload"))
    lab.both_normal(timeout=20)
    lab.backup.went("RECOVER", "RECOVER-WAIT", "RECOVER-DONE", "NORMAL")
    lab.backup.said("update request all")
    lab.main.went("PARTNER-DOWN", "NORMAL", since=mark)
    lab.backup.nrcmd("dhcp set failover-recover=0\ndhcp reload\n")
    assert lab.states() == ("NORMAL", "NORMAL")
    lab.books_equal()
    all_renew([*clients, alone])
    ledger.check()
