"""The operator's procedures (SYSTEM S5), step by step as the chapter writes them, with real processes and clients.

Two stand elsewhere: removing a backup is in ``test_live_integration``, adding a main to a backup that already serves
another in ``test_live_endpoints``.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from tests.live.clients import Dhclient
from tests.live.lab import BACKUP, EXAMPLE, FAR_RELAY, MAIN, MCLT_S, Lab, Tandem
from tests.live.netns import wait_for
from tests.live.pyclient import ACK, LanPort, Ledger, PyClient, RelayPort

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

QUICK = EXAMPLE.replace(f"lead-time={MCLT_S}", "lead-time=8")
INTERRUPTED, NORMAL, DOWN = "COMMUNICATIONS-INTERRUPTED", "NORMAL", "PARTNER-DOWN"


def keep(*clients: PyClient) -> None:
    """Each client extends its lease and keeps its address."""
    for client in clients:
        was = client.address
        answer = client.rebind()
        assert answer is not None and answer.kind == ACK and client.address == was


def shares(server: Tandem) -> dict[str, tuple[int, int]]:
    """Return how many available addresses of each scope are the main's and the backup's, as ``server`` sees it."""
    return {scope["name"]: (scope["main-share"], scope["backup-share"]) for scope in server.ask("scopes")}


def test_a_nonfailover_server_becomes_a_failover_main_and_failover_is_confirmed(lab: Lab) -> None:
    """"Making Nonfailover Servers Failover Mains", S4.2a, and "Confirming Failover"."""
    main, backup = lab.main, lab.backup
    failover = [line for line in QUICK.splitlines() if line.startswith("dhcp ") and "failover" in line]
    rest = "\n".join(line for line in QUICK.splitlines() if line not in failover) + "\n"
    main.start()  # step 1
    main.nrcmd(rest)
    ledger = Ledger()
    port = LanPort(lab.client_space("raw"), "eth0")
    clients = [PyClient(port, n, ledger) for n in range(1, 6)]
    for client in clients:
        client.lease()
        assert client.lease_s == 20
    dhclient = Dhclient(lab.client_space("dhclient"))
    first = dhclient.lease()
    backup.start()  # step 2
    main.nrcmd("\n".join(failover) + "\n")  # step 3
    main.nrcmd("dhcp reload\n")  # step 4
    assert main.state == DOWN
    keep(*clients)
    assert clients[0].lease_s == 20, "there is no change in the main's operation"
    newcomer = PyClient(port, 50, ledger)
    newcomer.lease()
    backup.nrcmd(rest.replace("dhcp reload\n", ""))  # step 5
    backup.nrcmd("\n".join(failover) + "\n")  # step 6
    assert main.state == DOWN
    main.went(DOWN)
    backup.nrcmd("dhcp reload\n")  # step 8
    lab.both_normal()
    lab.shares_settled()
    main.went(DOWN, NORMAL)
    backup.went("RECOVER", "RECOVER-WAIT", "RECOVER-DONE", NORMAL)
    lab.books_equal()
    keep(*clients, newcomer)
    kept = dhclient.renew()
    assert kept.address == first.address

    lab.main_space.run("ping", "-c", "1", "-W", "2", "-I", MAIN, BACKUP)  # "Confirming Failover", step 1
    for server, role in ((main, "main"), (backup, "backup")):  # step 2
        shown = server.nrcmd("dhcp getRelatedServers\n")
        assert "state = NORMAL" in shown and "partner-state = NORMAL" in shown and f"role = {role}" in shown
        server.nrcmd("dhcp set log-settings=default,incoming-packets,missing-options,failover-detail\ndhcp reload\n")
    marks = main.mark(), backup.mark()
    PyClient(port, 51, ledger).lease()  # step 3, with step 4's settings
    main.said("Sent DHCPBNDUPD", since=marks[0])  # step 5
    main.said("Received DHCPBNDACK", since=marks[0])
    backup.said("Received DHCPBNDUPD", since=marks[1])
    backup.said("Dropped DISCOVER of 1,6,02:c1:00:00:00:33: failover is in NORMAL state", since=marks[1])  # step 6
    main.said(
        f"04092 Failover is enabled server-wide. Main server name: '{MAIN}', backup server name: '{BACKUP}', mclt = 8,"
        " backup-percentage = 10, dynamic-bootp-backup-percentage = 0, lease-period-factor = 150, use-safe-period:"
        " disabled, safe-period = 0."
    )
    assert lab.states() == (NORMAL, NORMAL)  # step 7
    ledger.check()


@pytest.mark.parametrize("victim", ["main", "backup"])
def test_a_server_with_a_dead_disk_is_replaced(lab: Lab, victim: str) -> None:
    """"Replacing Servers Having Defective Storage", whichever of the two it is."""
    lab.start_pair(QUICK)
    dead, alive = (lab.main, lab.backup) if victim == "main" else (lab.backup, lab.main)
    ledger = Ledger()
    port = LanPort(lab.client_space("raw"), "eth0")
    clients = [PyClient(port, n, ledger) for n in range(1, 6)]
    for client in clients:
        client.lease()
    lab.books_equal()
    mark = alive.mark()
    dead.kill()  # step 1: this one has lost its disk
    shutil.rmtree(dead.data)
    wait_for("the other one notices", lambda: alive.state == INTERRUPTED, 20)
    keep(*clients)
    alive.nrcmd(f"dhcp setPartnerDown {dead.address}\n")  # step 2
    late = PyClient(port, 50, ledger)
    late.lease()
    dead.start()  # step 3
    dead.nrcmd(QUICK.replace("dhcp reload\n", ""))  # step 4
    dead.nrcmd("dhcp reload\n")  # step 5
    since = time.time()
    wait_for("it recovers", lambda: dead.state.startswith("RECOVER"), 10)
    keep(*clients, late)
    assert {client.server for client in clients} == {alive.address}
    lab.both_normal(timeout=20)
    assert time.time() - since > 8 - 2, "it waits the MCLT: it may have given leases that nobody knows of"
    dead.went("RECOVER", "RECOVER-WAIT", "RECOVER-DONE", NORMAL)
    alive.went(INTERRUPTED, DOWN, NORMAL, since=mark)
    lab.books_equal()
    wait_for("both know the same shares", lambda: shares(dead) == shares(alive))
    keep(*clients, late)
    ledger.check()


def test_mclt_and_lease_period_factor_are_changed(lab: Lab) -> None:
    """The numbered steps under "Setting the Maximum Client Lead Time and Lease Period Factor". The backup takes both
    from the main, whatever it has itself."""
    lab.start_pair(QUICK.replace("setLeaseTime 20", "setLeaseTime 60"))
    ledger = Ledger()
    port = LanPort(lab.client_space("raw"), "eth0")
    one, two = PyClient(port, 1, ledger), PyClient(port, 2, ledger)
    one.lease()
    assert one.lease_s == 8
    lab.backup.nrcmd("dhcp set failover-maximum-client-lead-time=1h failover-lease-period-factor=3.0\ndhcp reload\n")
    lab.both_normal()
    lab.books_equal()  # step 1
    assert [server.ask("related_servers")[0]["maximum-client-lead-time"] for server in (lab.main, lab.backup)] == [8, 8]
    change = "dhcp set failover-maximum-client-lead-time=16 failover-lease-period-factor=2.0\n"
    lab.main.nrcmd(change)  # step 2
    lab.backup.nrcmd("dhcp stop\n")  # step 3
    lab.main.nrcmd("dhcp reload\n")  # step 4
    lab.backup.nrcmd("dhcp start\n")  # step 5
    lab.both_normal()
    for server in (lab.main, lab.backup):
        shown = server.nrcmd("dhcp getRelatedServers\n")
        assert "maximum-client-lead-time = 16s" in shown and "lease-period-factor = 200" in shown
    two.lease()
    assert two.lease_s == 16
    lab.books_equal()
    one.renew()
    assert one.lease_s == 60, "the partner has acknowledged more: the full time"
    lab.books_equal()
    told = lab.backup.leases()[one.address]["received-potential-expiration"]
    assert abs(told - (time.time() + 120)) < 5, "twice the lease, by the main's factor"
    ledger.check()


def test_static_and_dynamic_bootp(lab: Lab) -> None:
    """"Supporting BOOTP Clients in Failover": reservations on both, a scope of its own for dynamic BOOTP with a share
    of its own, whose addresses a partner never takes over."""
    lab.start_pair(QUICK.replace(
        "dhcp reload",
        "scope farscope enable dynamic-bootp\nscope farscope disable dhcp\n"
        "scope farscope removeRange 192.168.60.10 192.168.60.200\nscope farscope addRange 192.168.60.10 192.168.60.19\n"
        "dhcp set failover-dynamic-bootp-backup-percentage=40\ndhcp reload",
    ))  # fmt: skip
    assert shares(lab.main)["farscope"] == shares(lab.backup)["farscope"] == (6, 4)
    ledger = Ledger()
    port = LanPort(lab.client_space("raw"), "eth0")
    relay = RelayPort(lab.relay_space, FAR_RELAY, [MAIN, BACKUP])
    static = PyClient(port, 1, ledger)
    static.mac = bytes.fromhex("00d0bad3bd3b")
    assert static.bootp() == "192.168.50.9"
    first = [PyClient(relay, n, ledger) for n in range(10, 13)]
    assert all(client.bootp() for client in first)
    assert PyClient(relay, 20).discover(timeout=2) is None, "DHCP is disabled in that scope"
    lab.books_equal()

    lab.main.kill()
    wait_for("the backup noticed", lambda: lab.backup.state == INTERRUPTED, 20)
    for client in (static, *first):
        assert client.bootp() == client.address, "both partners know it"
    lab.backup.nrcmd(f"dhcp setPartnerDown {MAIN}\n")
    own = [PyClient(relay, n, ledger) for n in range(30, 34)]
    assert all(client.bootp() for client in own)
    since = lab.backup.ask("related_servers")[0]["since"]
    wait_for("the MCLT is over", lambda: time.time() > since + 8 + 1, 12)
    assert PyClient(relay, 40).bootp(timeout=2) == "", "the main's three stay the main's"
    lab.main.start()
    lab.both_normal()
    assert PyClient(relay, 41, ledger).bootp()
    lab.books_equal()
    ledger.check()


def test_relays_that_reach_only_one_partner_and_scopes_that_differ(lab: Lab) -> None:
    """"Configuring BOOTP Relays": with a relay that knows the main only, nobody hears its clients when the main fails;
    configured for both, they are served. And "Error messages about mismatched scopes"."""
    lab.start_pair(QUICK)
    ledger = Ledger()
    relay = RelayPort(lab.relay_space, FAR_RELAY, [MAIN])
    client = PyClient(relay, 1, ledger)
    client.lease()
    lab.books_equal()
    for server in (lab.main, lab.backup):  # "DHCPLEASEQUERY and Failover": the partner knows what the relay agent said
        assert relay.agent.hex(":") in server.nrcmd(f"lease {client.address} show\n")
    lab.main.kill()
    wait_for("the backup noticed", lambda: lab.backup.state == INTERRUPTED, 20)
    assert client.rebind(timeout=2) is None
    relay.servers = [MAIN, BACKUP]
    keep(client)
    assert client.server == BACKUP
    newcomer = PyClient(relay, 2, ledger)
    newcomer.lease()
    lab.main.start()
    lab.both_normal()
    lab.books_equal()

    lab.backup.nrcmd("scope farscope delete\ndhcp reload\n")
    marks = lab.main.mark(), lab.backup.mark()
    PyClient(relay, 3, ledger).lease()
    lab.main.said("the address is in no scope of this relationship; compare the scopes", since=marks[0])
    lab.backup.said("the address is in no scope of this relationship; compare the scopes", since=marks[1])
    assert lab.states() == (NORMAL, NORMAL), "what cannot be agreed never ends the relationship"
    lab.backup.nrcmd("\n".join(line for line in QUICK.splitlines() if "farscope" in line) + "\ndhcp reload\n")
    lab.books_equal(timeout=75)
    ledger.check()


def test_set_partner_down_with_dates_and_the_allocation_boundary(lab: Lab) -> None:
    """S4.9 in both conventions of the chapter, in the time zone of nrcmd; S4.7 on the way."""
    lab.start_pair(QUICK.replace(
        "dhcp reload",
        "scope examplescope enable allocate-first-available\n"
        "scope examplescope set failover-backup-allocation-boundary=192.168.50.60\ndhcp reload",
    ))  # fmt: skip

    def whose(address: str) -> str:
        return str(lab.main.ask("lease", address=address)["state"])

    assert [whose(f"192.168.50.{n}") for n in (10, 41, 42, 60, 61)] == [
        "available", "available", "other-available", "other-available", "available"
    ]  # fmt: skip
    port = LanPort(lab.client_space("raw"), "eth0")
    clients = [PyClient(port, n) for n in range(1, 3)]
    assert [client.lease() for client in clients] == ["192.168.50.10", "192.168.50.11"]

    backup = lab.backup
    refused = backup.nrcmd(f"dhcp setPartnerDown {MAIN} -3d\n", check=False)
    assert "316" in refused and "connected and answers" in refused
    lab.main.kill()
    wait_for("the backup noticed", lambda: backup.state == INTERRUPTED, 20)
    refused = backup.nrcmd(f"dhcp setPartnerDown {MAIN} Jan 1 00:00:00 2038\n", check=False)
    assert "316" in refused and "future" in refused and backup.state == INTERRUPTED
    refused = backup.nrcmd(f"dhcp setPartnerDown {MAIN} yesterday\n", check=False)
    assert "316" in refused and "write -3d" in refused
    refused = backup.nrcmd("dhcp setPartnerDown 192.168.50.99 -3d\n", check=False)
    assert "302" in refused and f"its partners: {MAIN}" in refused
    hour_ago = time.strftime("%b %d %H:%M:%S %Y", time.gmtime(time.time() - 3600 + 9 * 3600))
    said = backup.nrcmd(
        f"session set visibility=3\nserver dhcp setPartnerDown {MAIN} {hour_ago}\ndhcp reload\n", zone="Asia/Tokyo"
    )
    assert backup.state == DOWN, said
    view = backup.ask("related_servers")[0]
    assert abs(view["since"] - (time.time() - 3600)) < 30, "expert mode takes the date; it is nrcmd's local time"
    one = PyClient(port, 100)
    assert one.lease() == "192.168.50.42", "its own share first"
    rest = [PyClient(port, 101 + n) for n in range(19)]
    got = [client.lease() for client in rest]
    assert got[:18] == [f"192.168.50.{n}" for n in range(43, 61)]
    assert got[18] == "192.168.50.12", "an hour is more than the MCLT: the main's may be given now"


def test_the_partners_are_named_as_the_chapter_names_them(lab: Lab) -> None:
    """By the names of their hosts: in "Making Nonfailover Servers Failover Mains", and with setPartnerDown."""
    named = QUICK.replace(f"={MAIN}", "=dhcp1.example.com.").replace(f"={BACKUP}", "=dhcp2.example.com.")
    folders = [Path("/etc/netns") / space.name for space in (lab.main_space, lab.backup_space)]
    try:
        for folder in folders:  # "ip netns exec" puts it in the place of /etc/hosts
            folder.mkdir(parents=True)
            (folder / "hosts").write_text(f"{MAIN} dhcp1.example.com\n{BACKUP} dhcp2.example.com\n")
        lab.start_pair(named)
        assert lab.backup.nrcmd("dhcp get failover-main-server\n").endswith(f"failover-main-server={MAIN}\n")
        lab.main.kill()
        wait_for("the backup noticed", lambda: lab.backup.state == INTERRUPTED, 20)
        since = time.time()
        said = lab.backup.nrcmd(
            "server dhcp setPartnerDown dhcp1.example.com. -3d\n"
            "server dhcp setPartnerDown dhcp1.example.com. Oct 31 00:00:00 2001\n"
            "dhcp reload\n"
        )
        assert f"partner {MAIN} is taken as down since" in said and "not earlier than communications" in said
        assert lab.backup.state == DOWN and since - lab.backup.ask("related_servers")[0]["since"] < 20
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
