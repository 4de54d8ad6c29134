"""Settings for clients behind a relay, with real clients and dhcrelay: renewals through the relay, limits per port."""

from __future__ import annotations

import pytest
from tests.live.clients import Dhclient, Udhcpc
from tests.live.lab import BACKUP, FAR_RELAY, MAIN, MCLT_S, Lab
from tests.live.netns import wait_for
from tests.live.pyclient import ACK, PyClient, RelayPort

pytestmark = [pytest.mark.live, pytest.mark.timeout(150)]

SETTINGS = """\
dhcp enable client-class
policy far enable giaddr-as-server-id
client-class ports create 'limitation-id=(request get circuit-id-hex)'
client-class-policy ports set limitation-count=2
client default create client-class-name=ports
dhcp reload
"""


def test_renewals_go_through_the_relay_and_a_port_has_its_limit(pair: Lab) -> None:
    for server in (pair.main, pair.backup):
        server.nrcmd(SETTINGS)
    pair.start_relay()
    relay = pair.relay
    assert relay is not None

    # Two real clients behind one port of the relay: both are told its address as the server's, and renew through it.
    clients = [kind(pair.client_space(kind.program, "far")) for kind in (Dhclient, Udhcpc)]
    for client in clients:
        first = client.lease()
        assert first.server == FAR_RELAY
        before = relay.output().count("Forwarded BOOTREQUEST")
        renewed = client.renew(MCLT_S + 10)
        assert (renewed.address, renewed.server) == (first.address, FAR_RELAY)
        assert relay.output().count("Forwarded BOOTREQUEST") > before

    # A third gets nothing; another port's client does, and so does the third once one has gone.
    port = RelayPort(pair.relay_space, FAR_RELAY, [MAIN, BACKUP])
    assert PyClient(port, 4).lease()
    circuit = str(pair.main.leases()[first.address]["relay-agent-info"])
    port.agent = bytes.fromhex(circuit.replace(":", ""))
    third = PyClient(port, 3)
    assert third.discover(timeout=3) is None
    assert "limitation-count" in pair.main.log()
    clients[0].release()
    wait_for("the third gets an address", lambda: third.discover(timeout=2), 15)
    offer = third.discover()
    assert offer is not None
    answer = third.select(offer)
    assert answer is not None and answer.kind == ACK
