"""A main makes its backup by synchronization (S6), with real processes and clients; drift, and balance on order."""

from __future__ import annotations

import pytest
from tests.live.lab import BACKUP, EXAMPLE, MAIN, MCLT_S, PASSWORD, Lab, LabError
from tests.live.netns import wait_for
from tests.live.pyclient import LanPort, Ledger, PyClient

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

QUICK = EXAMPLE.replace(f"lead-time={MCLT_S}", "lead-time=8")
PAIR = f"failover-pair {MAIN}-{BACKUP}"


def test_a_backup_that_knew_nothing_serves_after_one_command_on_the_main(lab: Lab) -> None:
    main, backup = lab.main, lab.backup
    main.launch()
    backup.launch()
    main.wait_up()
    backup.wait_up()
    main.nrcmd(QUICK + f"{PAIR} set remote-username=admin remote-password={PASSWORD}\n")
    ledger = Ledger()
    port = LanPort(lab.client_space("raw"), "eth0")
    clients = [PyClient(port, n, ledger) for n in range(1, 6)]
    for client in clients:
        client.lease()
    said = main.nrcmd(f"{PAIR} sync exact -reload\n")
    assert "The DHCP server of the partner has reloaded." in said
    lab.both_normal()
    lab.shares_settled()
    lab.books_equal()
    assert "drift = none" in main.nrcmd(f"{PAIR} getStatus\n")
    main.nrcmd("policy default setLeaseTime 30\n")
    assert "options.dhcp-lease-time: main 30, backup 20" in main.nrcmd(f"{PAIR} checkDrift\n")
    main.nrcmd(f"dhcp reload\n{PAIR} sync complete -reload\n{PAIR} checkDrift\n")

    backup.nrcmd("scope farscope delete\n")  # a second editor, whose work is not half undone when the partner is away
    backup.stop()
    with pytest.raises(LabError, match="cannot be reached"):
        main.nrcmd(f"{PAIR} sync complete\n")
    backup.start()
    assert "scope farscope" in main.nrcmd(f"{PAIR} sync complete -reload\n")
    lab.both_normal()
    lab.shares_settled()

    main.kill()
    wait_for("the backup noticed", lambda: backup.state == "COMMUNICATIONS-INTERRUPTED", 20)
    newcomer = PyClient(port, 50, ledger)
    newcomer.lease()
    for client in clients:
        assert client.rebind() is not None
    main.start()
    lab.both_normal()
    lab.books_equal()
    ledger.check()


def test_shares_are_balanced_on_order(lab: Lab) -> None:
    lab.start_pair(QUICK.replace("dhcp reload", "dhcp set failover-backup-percentage=50\ndhcp reload"))
    for server in (lab.main, lab.backup):
        server.nrcmd("dhcp set failover-backup-percentage=10\ndhcp reload\n")
    lab.both_normal()
    share = {scope["name"]: scope["backup-share"] for scope in lab.main.ask("scopes")}
    assert share["examplescope"] > 80, "what is too much goes back once an hour only"
    assert "asked the backup for addresses" in lab.main.nrcmd(f"{PAIR} rebalancePool\n")
    lab.shares_settled()
    assert "the shares are at their targets" in lab.main.nrcmd(f"{PAIR} rebalancePool\n")
    assert "asked the main server" in lab.backup.nrcmd(f"{PAIR} rebalancePool\n")
