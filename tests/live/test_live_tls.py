"""A pair whose link is TLS: turned on with nrcmd while it serves, what the wire shows, and a wrong certificate."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.live.lab import Lab, Tandem
from tests.live.netns import system, wait_for
from tests.live.pyclient import LanPort, Ledger, PyClient

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

_PORT = 647


def fingerprint(server: Tandem, command: str = "getFailoverCertificate") -> str:
    found = re.search(r"^fingerprint = (\S+)$", server.nrcmd(f"dhcp {command}\n"), re.MULTILINE)
    assert found
    return found[1]


def turn_on(server: Tandem, wanted: str, *partner: str) -> None:
    server.nrcmd(
        f"dhcp set failover-tls-partner-fingerprint={','.join(partner)}\ndhcp set failover-tls={wanted}\ndhcp reload\n"
    )


def read(file: Path, wanted: str) -> int:
    """How many packets of a capture tshark understands so."""
    protocol = wanted.partition(".")[0]
    return len(system("tshark", "-r", str(file), "-d", f"tcp.port=={_PORT},{protocol}", "-Y", wanted).splitlines())


UPDATES = "dhcpfo.type == 3 && dhcpfo.assignedipaddress"


def test_tls_is_turned_on_in_a_serving_pair_and_a_wrong_certificate_is_named(pair: Lab) -> None:
    """As docs/operating.md says. Before it every update can be read on the wire, after it none."""
    main, backup = pair.main, pair.backup
    file = pair.directory / "peer.pcap"
    wire = backup.space.start("dumpcap", "-q", "-i", "peer0", "-f", f"tcp port {_PORT}", "-w", str(file), "-P")
    wait_for("the wire is watched", file.exists, 10)
    port, ledger = LanPort(pair.client_space("raw"), "eth0"), Ledger()
    readable = PyClient(port, 1, ledger)
    readable.lease()
    wait_for("its update is on the wire", lambda: read(file, UPDATES), 20)

    of_main, of_backup = fingerprint(main), fingerprint(backup)
    turn_on(main, "desired", of_backup)
    turn_on(backup, "desired", of_main)
    pair.both_normal()
    for server in (main, backup):
        wait_for("it is encrypted", lambda s=server: s.ask("related_servers")[0]["encryption"][:7] == "TLSv1.3", 30)
    turn_on(main, "required", of_backup)
    turn_on(backup, "required", of_main)
    pair.both_normal()
    assert "encryption = TLSv1.3" in main.nrcmd("dhcp getRelatedServers\n")

    updates = read(file, UPDATES)
    hidden = [PyClient(port, n, ledger) for n in range(2, 12)]
    for client in hidden:
        client.lease()
    pair.books_equal()
    wire.stop()
    assert read(file, UPDATES) == updates, "an update can be read after the handshake"
    raw = file.read_bytes()
    assert readable.mac in raw, "what is not encrypted is in the capture"
    assert not [client for client in hidden if client.mac in raw]
    assert read(file, "tls.handshake.type == 1") >= 1

    new = fingerprint(backup, "renewFailoverCertificate")
    assert new != of_backup
    backup.nrcmd("dhcp reload\n")
    pair.both_interrupted()
    for server in (main, backup):
        wait_for("the log names it", lambda s=server: new in s.log(), 30)
        assert f"fingerprint {new}" in server.nrcmd("dhcp getRelatedServers\n")
    turn_on(main, "required", of_backup, new)
    pair.both_normal()

    refused = [server.log().count("which is not in this server's") for server in (main, backup)]
    renewed = fingerprint(main, "renewFailoverCertificate")  # as docs/operating.md has it: nobody is refused
    turn_on(backup, "required", of_main, renewed)
    pair.both_normal()
    main.nrcmd("dhcp reload\n")
    pair.both_normal()
    turn_on(backup, "required", renewed)
    pair.both_normal()
    assert refused == [server.log().count("which is not in this server's") for server in (main, backup)]
    ledger.check()
