"""Ping before offer: an address that a host has without a lease is not offered, on the LAN and behind a relay."""

from __future__ import annotations

import time

import pytest
from tests.live.clients import Dhclient
from tests.live.lab import BACKUP, FAR_RELAY, MAIN, Lab
from tests.live.netns import wait_for
from tests.live.pyclient import LanPort, PyClient, RelayPort

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

LAN_TAKEN, FAR_TAKEN = "192.168.50.10", "192.168.60.10"


def _squat(lab: Lab, where: str, address: str, gateway: str = "") -> None:
    """Put a host with an address of its own on a network."""
    host = lab.client_space(f"host{where}", where)
    host.ip(f"addr add {address}/24 dev eth0")
    if gateway:
        host.ip(f"route add default via {gateway}")


def test_an_address_in_use_by_a_host_is_not_offered(pair: Lab) -> None:
    _squat(pair, "lan", LAN_TAKEN)
    _squat(pair, "far", FAR_TAKEN, FAR_RELAY)
    for server in (pair.main, pair.backup):
        server.nrcmd("dhcp enable ping-clients\ndhcp set ping-timeout=500\ndhcp reload\n")

    since = time.monotonic()
    client = Dhclient(pair.client_space("new"))
    address = client.lease().address
    assert address not in ("", LAN_TAKEN)
    assert time.monotonic() - since < 8, "one ping answered and one not"

    relayed = PyClient(RelayPort(pair.relay_space, FAR_RELAY, [MAIN, BACKUP]), 2)
    assert relayed.lease() != FAR_TAKEN

    def unavailable_on_both() -> bool:
        return all(
            server.leases().get(taken, {}).get("state") == "unavailable"
            for server in (pair.main, pair.backup)
            for taken in (LAN_TAKEN, FAR_TAKEN)
        )

    wait_for("both servers know which addresses are in use", unavailable_on_both, 5)
    log = pair.main.log()
    assert all(f"A host answers a ping of {taken}, which nobody" in log for taken in (LAN_TAKEN, FAR_TAKEN))

    # With the partner gone the backup asks about its own share in the same way; a lease that goes on needs no ping.
    sent = pair.main.ask("statistics")["dhcp-pings-sent"]
    assert client.renew().address == address
    assert pair.main.ask("statistics")["dhcp-pings-sent"] == sent
    pair.main.kill()
    wait_for("the backup serves", lambda: pair.backup.state == "COMMUNICATIONS-INTERRUPTED", 15)
    offer = PyClient(LanPort(pair.client_space("late"), "eth0"), 3).discover()
    assert offer is not None and offer.server == BACKUP
    assert pair.backup.ask("statistics")["dhcp-pings-sent"] >= 1
