"""Load balancing (S4.5) with real processes: each server answers its part of the clients while both are there."""

from __future__ import annotations

import pytest
from tests.live.lab import BACKUP, EXAMPLE, MAIN, MCLT_S, Lab
from tests.live.netns import wait_for
from tests.live.pyclient import LanPort, Ledger, PyClient

from tandem.lease.loadbalance import bucket

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

BALANCED = EXAMPLE.replace(f"lead-time={MCLT_S}", "lead-time=8").replace(
    "dhcp reload", "dhcp enable failover-load-balancing\ndhcp reload"
)


def test_each_server_answers_its_half_and_all_when_it_is_alone(lab: Lab) -> None:
    lab.start_pair(BALANCED)
    ledger = Ledger()
    port = LanPort(lab.client_space("raw"), "eth0")
    clients = [PyClient(port, n, ledger) for n in range(1, 17)]
    for client in clients:
        client.lease()
        backups = bucket(b"", b"\x01" + client.mac) >= 128  # the main keeps the lower half, as ISC dhcpd splits
        assert client.server == (BACKUP if backups else MAIN)
    assert len({client.server for client in clients}) == 2
    lab.books_equal()
    scope = next(s for s in lab.main.ask("scopes") if s["name"] == "examplescope")
    assert abs(scope["backup-share"] - scope["main-share"]) < 30, "the share follows the part of the clients"
    lab.main.kill()
    wait_for("the backup noticed", lambda: lab.backup.state == "COMMUNICATIONS-INTERRUPTED", 20)
    for client in clients[:4]:
        assert client.rebind() is not None
    others = [PyClient(port, n, ledger) for n in range(40, 48)]
    for client in others:
        client.lease()
        assert client.server == BACKUP
    lab.main.start()
    lab.both_normal()
    lab.books_equal()
    ledger.check()
