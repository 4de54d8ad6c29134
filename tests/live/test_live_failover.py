"""What the pair is for: the death of a server, and the loss of the link, with real clients looking on."""

from __future__ import annotations

import time

import pytest
from tests.live.clients import Dhclient, Dhcpcd
from tests.live.lab import BACKUP, EXAMPLE, MAIN, MCLT_S, Lab
from tests.live.netns import wait_for
from tests.live.pyclient import ACK, LanPort, Ledger, PyClient

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]




def test_main_dies_between_ack_and_update(lab: Lab) -> None:
    """The client renews with the backup and keeps its address; the main comes back, the books agree."""
    # The main must go on in NORMAL for a while after its updates stopped arriving.
    lab.start_pair(EXAMPLE.replace("failover-poll-timeout=3", "failover-poll-timeout=15"))
    pair = lab
    ledger = Ledger()
    port = LanPort(pair.client_space("raw"), "eth0")
    before = [PyClient(port, n, ledger) for n in range(1, 6)]
    for client in before:
        client.lease()
    wait_for("the backup knows them", lambda: all(c.address in pair.backup.leases() for c in before), 5)

    dhclient = Dhclient(pair.client_space("dhclient"))
    dhcpcd = Dhcpcd(pair.client_space("dhcpcd"))
    pair.cut("filter")
    assert pair.states() == ("NORMAL", "NORMAL"), "the main must not have noticed yet"
    unknown = PyClient(port, 99, ledger)
    address = unknown.lease()
    first = dhclient.lease(), dhcpcd.lease()
    pair.main.kill()
    assert unknown.server == MAIN and first[0].server == MAIN
    assert address not in pair.backup.leases(), "the update must not have reached the backup"

    wait_for("the backup serves alone", lambda: pair.backup.state == "COMMUNICATIONS-INTERRUPTED", 20)
    pair.mend("filter")  # not earlier: the dead main's kernel still repeats what it had not got through
    answer = unknown.rebind()
    assert answer is not None and answer.kind == ACK
    assert (unknown.address, unknown.server) == (address, BACKUP)
    for real, lease in ((dhclient, first[0]), (dhcpcd, first[1])):
        kept = real.granted(real.mark(), timeout=MCLT_S + 5, server=BACKUP)
        assert kept.address == lease.address
    for client in before:
        old = client.address
        answer = client.rebind()
        assert answer is not None and client.address == old and client.server == BACKUP

    # A new client is served from the backup's own share.
    late = PyClient(port, 100, ledger)
    late.lease()
    assert late.server == BACKUP

    pair.main.start()
    pair.both_normal()
    pair.books_equal()
    for client in [*before, unknown, late]:
        old = client.address
        answer = client.rebind()
        assert answer is not None and client.address == old
    ledger.check()
    pair.books_equal()


@pytest.mark.parametrize("victim", ["main", "backup"])
def test_partner_down_and_the_return_of_the_dead(pair: Lab, victim: str) -> None:
    """The operator declares the dead partner down; the survivor serves; the dead returns, recovers, both NORMAL."""
    dead, alive = (pair.main, pair.backup) if victim == "main" else (pair.backup, pair.main)
    ledger = Ledger()
    port = LanPort(pair.client_space("raw"), "eth0")
    clients = [PyClient(port, n, ledger) for n in range(1, 11)]
    for client in clients:
        client.lease()
    pair.books_equal()
    dead.kill()
    wait_for("the survivor noticed", lambda: alive.state == "COMMUNICATIONS-INTERRUPTED", 20)
    said = alive.nrcmd(f"dhcp setPartnerDown {dead.address}\ndhcp getRelatedServers\n")
    assert "PARTNER-DOWN" in said.upper()
    assert alive.state == "PARTNER-DOWN"
    for client in clients:
        old = client.address
        answer = client.rebind()
        assert answer is not None and (client.address, client.server) == (old, alive.address)
    clients[0].release()
    newcomer = PyClient(port, 50, ledger)
    newcomer.lease()
    assert newcomer.server == alive.address

    dead.start()
    pair.both_normal(timeout=MCLT_S + 40)
    pair.books_equal()
    ledger.check()
    held = ledger.held(margin_s=1)
    for server in (pair.main, pair.backup):
        known = server.leases()
        assert not [a for a in held if known.get(a, {}).get("state") != "leased"], server.space.short


@pytest.mark.parametrize("how", ["link", "filter"])
def test_link_cut_while_both_live(pair: Lab, how: str) -> None:
    """Each serves from its own share; after healing nobody has a double, both are NORMAL, the books agree."""
    ledger = Ledger()
    left = LanPort(pair.client_space("left"), "eth0")
    old = [PyClient(left, n, ledger) for n in range(1, 6)]
    for client in old:
        client.lease()
    pair.books_equal()
    pair.cut(how)
    pair.both_interrupted()

    # Both answer now: clients that take the main's offers, and clients that take the backup's.
    new = [PyClient(left, 100 + n, ledger) for n in range(12)]
    for number, client in enumerate(new):
        client.lease(server=(MAIN, BACKUP)[number % 2])
    assert {client.server for client in new} == {MAIN, BACKUP}
    assert len({client.address for client in [*old, *new]}) == len(old) + len(new)
    # Renewals go to either server, whoever gave the lease.
    left.neighbours[BACKUP] = pair.backup_space.hardware("eth0")
    for client in old:
        was, client.server = client.address, BACKUP
        answer = client.renew()
        assert answer is not None and answer.kind == ACK and client.address == was
        assert client.lease_s <= MCLT_S

    pair.mend(how)
    pair.both_normal()
    pair.books_equal()
    for client in [*old, *new]:
        was = client.address
        answer = client.rebind()
        assert answer is not None and answer.kind == ACK and client.address == was
    ledger.check()
    pair.books_equal()


@pytest.mark.parametrize("victim", ["main", "backup"])
def test_a_lost_lease_database_is_recovered_from_the_partner(pair: Lab, victim: str) -> None:
    """S4.2 e: it asks for everything, waits out the MCLT, and holds every lease again; its partner serves meanwhile."""
    ledger = Ledger()
    port = LanPort(pair.client_space("raw"), "eth0")
    clients = [PyClient(port, n, ledger) for n in range(1, 6)]
    for client in clients:
        client.lease()
    pair.books_equal()
    loser, other = (pair.main, pair.backup) if victim == "main" else (pair.backup, pair.main)
    mark = loser.mark()
    loser.kill()
    for file in sorted((loser.data / "dhcp").glob("*.db*")):
        file.unlink()
    wait_for("the partner noticed", lambda: other.state == "COMMUNICATIONS-INTERRUPTED", 20)
    loser.start()
    wait_for("it recovers", lambda: loser.state.startswith("RECOVER"), 20)
    deadline = time.monotonic() + MCLT_S
    while time.monotonic() < deadline and loser.state.startswith("RECOVER"):
        for client in clients:
            was = client.address
            answer = client.rebind()
            assert answer is not None and client.address == was, "the partner goes on meanwhile"
    pair.both_normal(timeout=MCLT_S + 30)
    loser.said("update request all", since=mark)
    loser.went("RECOVER", "RECOVER-WAIT", "RECOVER-DONE", "NORMAL", since=mark)
    pair.books_equal()
    ledger.check()
