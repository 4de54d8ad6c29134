"""dhclient, udhcpc and dhcpcd lease, renew, rebind and release against the pair, on its LAN and through dhcrelay."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.live.clients import ALL_CLIENTS, Dhclient, RealClient
from tests.live.lab import BACKUP, MAIN, MCLT_S, Lab
from tests.live.netns import wait_for
from tests.live.pyclient import ACK, ALL, NAK, LanPort, Ledger, PyClient, RelayPort

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]


def _life(lab: Lab, client: RealClient) -> str:
    """Take one client through its whole life; returns its address."""
    first = client.lease()
    assert first.server == MAIN, "in NORMAL the main answers everything"
    assert first.lease_s <= MCLT_S
    assert client.space.addresses("eth0") == [first.address]
    wait_for("the partner holds the new lease", lambda: first.address in lab.backup.leases(), 5)

    renewed = client.renew()
    # dhcrelay also picks up what is only routed through it, and takes it to both servers: either may renew.
    servers = (MAIN,) if first.address.startswith("192.168.50.") else (MAIN, BACKUP)
    assert renewed.address == first.address and renewed.server in servers

    # Unicast to the server goes nowhere: at T2 the client broadcasts, and still gets its lease extended.
    switch = lab.lan if first.address.startswith("192.168.50.") else lab.far
    switch.block(
        client.program, forward=[f"ip saddr {first.address} ip daddr {{ {MAIN}, {BACKUP} }}"], family="bridge"
    )
    since = client.mark()
    client.ask_renewal()
    rebound = client.granted(since, timeout=MCLT_S + 5)
    assert rebound.address == first.address
    switch.unblock(client.program, family="bridge")

    client.release()
    assert client.space.addresses("eth0") == []

    def given_back() -> bool:
        return all(server.leases().get(first.address, {}).get("state") != "leased" for server in (lab.main, lab.backup))

    wait_for(f"both servers know that {first.address} was released", given_back, 10)
    return first.address


@pytest.mark.parametrize("where", ["lan", "far"])
def test_each_client_leases_renews_rebinds_releases(pair: Lab, where: str) -> None:
    if where == "far":
        pair.start_relay()
    clients = [kind(pair.client_space(kind.program, where)) for kind in ALL_CLIENTS]
    with ThreadPoolExecutor() as pool:
        addresses = list(pool.map(lambda client: _life(pair, client), clients))
    assert len(set(addresses)) == len(clients)
    subnet = "192.168.50." if where == "lan" else "192.168.60."
    assert all(address.startswith(subnet) for address in addresses)
    pair.books_equal()


def test_the_backup_keeps_silent_towards_new_clients(pair: Lab) -> None:
    """Both servers hear a relayed DISCOVER; in NORMAL only the main offers."""
    port = RelayPort(pair.relay_space, "192.168.60.1", [BACKUP])
    assert PyClient(port, 1).discover(timeout=3) is None
    wait_for("the backup logs why it dropped", lambda: "NORMAL" in pair.backup.log(), 5)
    port.servers = [MAIN, BACKUP]
    offer = PyClient(port, 2).discover()
    assert offer is not None and offer.server == MAIN
    assert offer.options[82] == port.agent, "the relay's option 82 comes back unchanged"


def test_a_client_without_address_is_answered_as_it_asked(pair: Lab) -> None:
    """Broadcast where the client set the broadcast flag; else unicast to its hardware address, no ARP needed."""
    port = LanPort(pair.client_space("raw"), "eth0")
    plain, loud = PyClient(port, 1), PyClient(port, 2, broadcast=True)
    offer = plain.discover()
    assert offer is not None
    assert (offer.to_hardware, offer.to) == (plain.mac, offer.yiaddr)
    offer = loud.discover()
    assert offer is not None
    assert (offer.to_hardware, offer.to) == (b"\xff" * 6, ALL)


def test_all_four_requests_inform_decline_and_release(pair: Lab) -> None:
    ledger = Ledger()
    port = LanPort(pair.client_space("raw"), "eth0")
    one, two = PyClient(port, 1, ledger), PyClient(port, 2, ledger)
    address = one.lease()
    for again in (one.renew, one.rebind, one.reboot):
        answer = again()
        assert answer is not None and answer.kind == ACK and one.address == address

    # A renewal that reaches the backup is answered by it, with the same address.
    port.neighbours[BACKUP] = pair.backup_space.hardware("eth0")
    one.server = BACKUP
    answer = one.renew()
    assert answer is not None and (answer.kind, answer.server, one.address) == (ACK, BACKUP, address)

    informed = one.inform("192.168.50.220")
    assert informed is not None and informed.yiaddr == "0.0.0.0" and 51 not in informed.options

    # The address of another subnet is refused at INIT-REBOOT.
    two.address = "10.1.2.3"
    refused = two.reboot()
    assert refused is not None and refused.kind == NAK

    second = two.lease()
    assert second != address
    two.decline()
    assert two.lease() != second, "a declined address is not given again"
    wait_for("the declined address is unavailable", lambda: pair.main.leases()[second]["state"] == "unavailable", 5)

    one.release()
    ledger.check()
    pair.books_equal()


def test_a_reserved_address_goes_to_its_client_only(pair: Lab) -> None:
    port = LanPort(pair.client_space("raw"), "eth0")
    owner, other = PyClient(port, 1), PyClient(port, 2)
    owner.mac = bytes.fromhex("00d0bad3bd3b")
    assert other.lease(want="192.168.50.9") != "192.168.50.9"
    assert owner.lease() == "192.168.50.9"


def test_a_client_renews_by_itself_for_several_lease_times(pair: Lab) -> None:
    """dhclient, left alone, keeps one address through two renewals of its own."""
    client = Dhclient(pair.client_space("steady"))
    first = client.lease()
    wait_for("two renewals", lambda: sum(e.granted for e in client.events()) >= 3, 2 * MCLT_S + 5)
    assert {e.address for e in client.events() if e.granted} == {first.address}
    pair.books_equal()
