"""Clients, classes, policies, options, leases, templates: from nrcmd over real servers to real clients (S3.3, S3.4)."""

from __future__ import annotations

import pytest
from tests.live.clients import Udhcpc
from tests.live.lab import BACKUP, EXAMPLE, MAIN, Lab
from tests.live.pyclient import LanPort, PyClient

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

CLASSES = """\
dhcp enable client-class
scope voip create 192.168.70.0 255.255.255.0 primary-subnet=192.168.50.0/24 selection-tag-list=voip
scope voip addRange 192.168.70.10 192.168.70.100
scope-policy voip setOption routers 192.168.70.1
option phone-servers create 224 ip repeat=on
option-set acme create vendor-option-string=ACME*
vendor-option ring create acme 1 string
client-class phones create selection-criteria=voip
client-class-policy phones setOption phone-servers 10.0.0.1,10.0.0.2
client-class-policy phones setVendorOption ring acme bell
client-class guests create selection-criteria-excluded=voip
client default create client-class-name=guests
"""
WANTED = bytes((1, 3, 43, 51, 54, 224))


def text(mac: bytes) -> str:
    return "1,6," + mac.hex(":")


def test_a_class_gets_its_scope_and_options_from_either_server(lab: Lab) -> None:
    real = Udhcpc(lab.client_space("phone"))
    hardware = "1,6," + real.space.run("cat", "/sys/class/net/eth0/address").strip()
    port = LanPort(lab.client_space("raw"), "eth0")
    phones = [PyClient(port, number, options={55: WANTED, 60: b"ACME 7"}) for number in (1, 2)]
    guest, outcast = PyClient(port, 3, options={55: WANTED}), PyClient(port, 4)
    names = [hardware, *(text(phone.mac) for phone in phones)]
    entries = "".join(f"client {name} create client-class-name=phones\n" for name in names)
    entries += f"client {text(outcast.mac)} create action=exclude\n"
    lab.start_pair(EXAMPLE.replace("dhcp reload", CLASSES + entries + "dhcp reload"))

    leased = real.lease()
    assert leased.address.startswith("192.168.70.") and leased.server == MAIN
    for client, where, server in ((phones[0], "192.168.70.", MAIN), (guest, "192.168.50.", MAIN)):
        assert client.lease().startswith(where) and client.server == server
    assert outcast.discover(timeout=2) is None
    offer = PyClient(port, 1, options={55: WANTED, 60: b"ACME 7"}).discover()
    assert offer is not None and offer.options[224] == bytes((10, 0, 0, 1, 10, 0, 0, 2))
    assert offer.options[43] == b"\x01\x04bell" and offer.options[3] == bytes((192, 168, 70, 1))

    shown = lab.main.nrcmd(f"lease list scope=voip state=leased\nlease list mac={guest.mac.hex(':')}\n")
    assert phones[0].address in shown and leased.address in shown and guest.address in shown
    lab.main.nrcmd(f"lease {phones[0].address} reserve\nlease {phones[0].address} send-reservation\n")
    seen = lab.main.nrcmd(f"lease {phones[0].address}\n")
    assert f"reservation-lookup-key = {text(phones[0].mac)}" in seen and "reserved" in seen
    lab.main.nrcmd(f"lease {guest.address} deactivate\n")
    answer = guest.rebind()
    assert answer is not None and answer.kind == 6, "a deactivated lease is not renewed"
    lab.main.nrcmd("policy default setOption ntp-servers 10.0.0.9\n")
    preview = lab.main.nrcmd("dhcp reload -preview\n")
    assert "options.ntp-servers" in preview and "10.0.0.9" in preview
    lab.main.nrcmd("scope-template lab create 'ranges-expr=(create-range 10 20)'\n")
    lab.main.nrcmd("scope-template lab apply 10.7.0.0/24\n")
    assert "10.7.0.10 10.7.0.20" in lab.main.nrcmd("scope 10.7.0.0/24 listRanges\ndhcp reload\n")

    file = lab.directory / "site.json"
    lab.main.nrcmd(f"export configuration file={file}\n")
    assert '"phones"' in file.read_text()
    assert "policy default" in lab.backup.nrcmd(f"import configuration file={file} check=yes\n")

    lab.main.kill()
    assert phones[1].lease(timeout=30).startswith("192.168.70.") and phones[1].server == BACKUP
    late = PyClient(port, 5, options={55: WANTED})
    assert late.lease(timeout=30).startswith("192.168.50.") and late.server == BACKUP
    assert outcast.discover(timeout=2) is None
