"""Two ISC dhcpd with each other: that the test bed runs them as they are meant to be run, and reads them right; and
the configuration and commands of docs/isc-dhcpd.md, as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.live.isc import LEASE_S, MCLT_S, MixedLab
from tests.live.lab import BACKUP, MAIN
from tests.live.netns import wait_for
from tests.live.pyclient import LanPort, Ledger, PyClient

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

BNDUPD = 3


def test_two_dhcpd(isc_lab: MixedLab) -> None:
    """NORMAL from empty; a lease, its times and its end on both; kill, partner-down by omshell, and the return."""
    lab = isc_lab
    main, backup = lab.put_dhcpd("main"), lab.put_dhcpd("backup")
    wire = lab.watch()
    main.start()
    backup.start()
    lab.both_normal()
    ledger = Ledger()
    port = LanPort(lab.client_space("raw"), "eth0")
    clients = [PyClient(port, number, ledger) for number in range(1, 9)]
    for client in clients:
        client.lease()
        assert client.lease_s == MCLT_S
    assert {client.server for client in clients} == {MAIN, BACKUP}, "split 128 lets both answer"
    lab.books_equal()
    for client in clients:
        client.renew()
        assert client.lease_s == LEASE_S
    lab.books_equal()
    assert wire.count(BNDUPD)[MAIN] > 50

    released = clients[0].address
    clients[0].release()
    wait_for("released on both", lambda: all(s.leases()[released]["state"] != "leased" for s in (main, backup)), 5)

    backup.kill()
    wait_for("the main noticed", lambda: main.state == "COMMUNICATIONS-INTERRUPTED", 10)
    main.partner_down()
    assert main.state == "PARTNER-DOWN"
    for client in clients[1:]:
        address = client.address
        client.rebind()
        assert (client.address, client.server) == (address, MAIN)
    newcomer = PyClient(port, 50, ledger)
    newcomer.lease()
    backup.start()
    lab.both_normal(timeout=MCLT_S + 20)
    lab.books_equal()
    assert all(backup.leases()[client.address]["state"] == "leased" for client in clients[1:])
    ledger.check()


PAGE = Path(__file__).parents[2] / "docs" / "isc-dhcpd.md"


def blocks_of(page: Path) -> list[str]:
    """Return the indented blocks of a page, with the addresses of its examples turned into those of the test bed."""
    text = page.read_text().replace("192.0.2.11", MAIN).replace("192.0.2.12", BACKUP).replace("192.0.2.", "192.168.50.")
    return [re.sub("^    ", "", block, flags=re.M) for block in re.findall(r"(?:^    .*\n)+", text, re.M)]


def test_what_the_page_says_works(isc_lab: MixedLab) -> None:
    """Its dhcpd.conf and nrcmd commands make a pair that serves; its omshell commands declare the other down."""
    conf, commands, omshell = blocks_of(PAGE)
    dhcpd, tandem = isc_lab.put_dhcpd("main"), isc_lab.put_tandem("backup")
    dhcpd.configuration.write_text("omapi-port 7911;\n" + conf)
    dhcpd.start()
    tandem.start()
    tandem.nrcmd(commands)
    isc_lab.both_normal()
    client = PyClient(LanPort(isc_lab.client_space("raw"), "eth0"), 1, Ledger())
    client.lease()
    isc_lab.books_equal()
    assert tandem.leases()[client.address]["state"] == "leased"
    tandem.kill()
    wait_for("dhcpd noticed", lambda: dhcpd.state == "COMMUNICATIONS-INTERRUPTED", 10)
    program, _, script = omshell.partition("\n")
    dhcpd.space.run(program, text=script)
    wait_for("dhcpd took it", lambda: dhcpd.state == "PARTNER-DOWN", 5)
