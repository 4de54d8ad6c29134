"""The DHCP server process by itself: starting and ending, delivery on a LAN, crashes, full and read-only disks."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.live.netns import LabError, Namespace, Net, Process, system, wait_for
from tests.live.pyclient import ACK, DISCOVER, LanPort, Ledger, PyClient, RelayPort, pack_message

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

SERVER = "192.168.50.1"
DOCUMENT: dict[str, Any] = {
    "dhcp": {"defer-lease-extensions": False},
    "scope": {
        "lan": {"addr": "192.168.50.0", "mask": "255.255.255.0", "ranges": [["192.168.50.10", "192.168.50.250"]]},
        "far": {"addr": "192.168.60.0", "mask": "255.255.255.0", "ranges": [["192.168.60.10", "192.168.60.250"]]},
    }
}


class Server:
    """``tandem dhcp-server`` in a namespace."""

    def __init__(self, space: Namespace, data: Path, *options: str) -> None:
        self.space = space
        self.data = data
        self.options = options
        self.process: Process | None = None
        self.program = ["-m", "tandem"]

    def launch(self) -> Process:
        """Start the process; do not wait."""
        self.process = self.space.start(
            sys.executable, *self.program, "dhcp-server", "--data", str(self.data), "--address", SERVER,
            "--name", "alone", *self.options, name="server",
        )  # fmt: skip
        return self.process

    def start(self) -> None:
        """Start the process and wait until it serves."""
        process = self.launch()

        def up() -> bool:
            if not process.alive():
                raise LabError(f"the server ended:\n{process.output()}")
            try:
                return bool(self.ask("ping"))
            except (OSError, EOFError):
                return False

        wait_for("the server answers", up)

    def ask(self, op: str, **args: object) -> Any:
        """Return the answer to one question on the control socket; LabError with the text of a refusal."""
        with socket.socket(socket.AF_UNIX) as s, s.makefile("rb") as lines:
            s.settimeout(20)
            s.connect(str(self.data / "dhcp" / "control.sock"))
            s.sendall(json.dumps({"id": 1, "op": op, "args": args}).encode() + b"\n")
            line = lines.readline()
        if not line:
            raise EOFError
        answer = json.loads(line)
        if "error" in answer:
            raise LabError(answer["error"]["text"])
        return answer["ok"]

    def end(self) -> int:
        """Wait for the process to end by itself; its exit status."""
        assert self.process is not None
        return self.process.popen.wait(20)

    def log(self) -> str:
        """Return the log file."""
        path = self.data / "logs" / "alone_dhcp_1_log"
        return path.read_text() if path.exists() else ""

    def logged(self, text: str) -> None:
        """Wait until the log holds ``text``."""
        wait_for(f"the log says {text!r}", lambda: text in self.log(), 10)


class Bed:
    """A server on a LAN, and a client machine there."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.switch = net.bridge("switch")
        self.space = net.namespace("server")
        self.clients = net.namespace("clients")
        net.plug(self.switch, self.space, "eth0", f"{SERVER}/24")
        net.plug(self.switch, self.clients, "eth0", "192.168.50.5/24")
        self.data = net.directory / "data"

    def server(self, *options: str, data: Path | None = None) -> Server:
        """Return a server that is not running and has the configuration ``DOCUMENT``."""
        made = Server(self.space, data or self.data, *options)
        (made.data / "dhcp").mkdir(parents=True, exist_ok=True)
        (made.data / "dhcp" / "config.json").write_text(json.dumps(DOCUMENT))
        return made


@pytest.fixture
def bed() -> Iterator[Bed]:
    if os.geteuid() != 0:
        pytest.skip("makes network namespaces: needs root")
    with Net("rt") as net:
        yield Bed(net)


@pytest.fixture
def port(bed: Bed) -> Iterator[LanPort]:
    made = LanPort(bed.clients, "eth0")
    yield made
    made.close()


@pytest.fixture
def small_disk(bed: Bed) -> Path:
    """A file system of 2 MiB, for the server's files."""
    disk = bed.net.directory / "disk"
    disk.mkdir()
    system("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk))
    bed.net.undo.append(lambda: system("umount", "-l", str(disk)))
    return disk


# --- starting and ending --------------------------------------------------------------------------------


def test_it_starts_serves_and_ends_when_told(bed: Bed) -> None:
    server = bed.server()
    for how in ("stop", "SIGTERM", "SIGINT"):
        server.start()
        assert server.process is not None
        status = server.ask("status")
        assert status["serving"] is True and status["pid"] == server.process.pid
        if how == "stop":
            assert server.ask("stop") == "stopping"
        else:
            server.process.signal(signal.Signals[how])
        assert server.end() == 0
        assert server.process.output() == ""
        assert not (server.data / "dhcp" / "control.sock").exists()
    lines = server.log().splitlines()
    assert sum("Server started" in line for line in lines) == 3
    assert sum("Server stopped" in line for line in lines) == 3


def test_what_keeps_it_from_starting_is_said_and_has_its_exit_status(bed: Bed) -> None:
    def refused(server: Server, status: int, *words: str) -> None:
        process = server.launch()
        assert server.end() == status
        for word in words:
            assert word in process.output()
        assert "Traceback" not in process.output()

    refused(bed.server("--dhcp-port", "0"), 2, "--dhcp-port")
    running = bed.server()
    running.start()
    assert running.process is not None
    refused(bed.server(), 1, "another DHCP server", str(running.process.pid), "stop it")
    refused(bed.server(data=bed.net.directory / "other"), 1, "Address already in use", "--failover-port")
    assert running.process.stop() == 0

    impossible = bed.server(data=bed.net.directory / "impossible")
    (impossible.data / "dhcp" / "config.json").write_text('{"scope": {"x": {"addr": "10.0.0.1", "mask": "nonsense"}}}')
    refused(impossible, 3, "config.json", "scope x", "mask")
    (impossible.data / "dhcp" / "config.json").write_text("{")
    refused(impossible, 3, "config.json is not JSON")

    damaged = bed.server(data=bed.net.directory / "damaged")
    (damaged.data / "dhcp" / "leases.db").write_bytes(b"no database" * 1000)
    refused(damaged, 4, "damaged", "move leases.db")
    assert "damaged" in damaged.log()


def test_a_reload_that_cannot_work_changes_nothing_and_one_that_works_outlives_a_restart(
    bed: Bed, port: LanPort
) -> None:
    server = bed.server()
    server.start()
    with pytest.raises(LabError, match="cannot work") as caught:
        server.ask("reload", document={"scope": {"x": {"addr": "10.0.0.0", "mask": "255.0.255.0"}}})
    assert "scope x" in str(caught.value)
    assert [scope["name"] for scope in server.ask("scopes")] == ["lan", "far"]
    assert PyClient(port, 1).lease()
    server.ask("reload", document={"scope": {"lan": DOCUMENT["scope"]["lan"]}})
    assert server.process is not None
    server.process.kill()
    server.start()
    assert [scope["name"] for scope in server.ask("scopes")] == ["lan"]
    found = server.ask("search_leases", wanted={"scope": "lan"})["leases"]
    assert [lease["address"] for lease in found] == ["192.168.50.10"]


def test_a_defect_ends_the_server_with_its_trace_in_the_log(bed: Bed, port: LanPort) -> None:
    server = bed.server()
    program = (
        "import sys, tandem.dhcp.server as s\n"
        "def defect(*_): raise KeyError('planted')\n"
        "s.DhcpServer.handle = defect\n"
        "from tandem.runtime.server import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    server.process = bed.space.start(
        sys.executable, "-c", program, "--data", str(server.data), "--address", SERVER, "--name", "alone"
    )
    server.logged("Server started")
    PyClient(port, 1).discover(timeout=0.5)
    assert server.end() == 1
    assert "planted" in server.log() and "Traceback" in server.log()
    assert "planted" in server.process.output()


# --- delivery -------------------------------------------------------------------------------------------


def test_a_client_without_address_gets_its_answer_alone_or_by_broadcast_as_it_asks(bed: Bed, port: LanPort) -> None:
    server = bed.server()
    server.start()
    alone = PyClient(port, 1)
    offer = alone.discover()
    assert offer is not None
    assert (offer.to_hardware, offer.to) == (alone.mac, offer.yiaddr)
    assert offer.hardware == bed.space.hardware("eth0")
    ack = alone.select(offer)
    assert ack is not None and ack.kind == ACK and ack.to_hardware == alone.mac

    wide = PyClient(port, 2, broadcast=True)
    offer = wide.discover()
    assert offer is not None
    assert (offer.to_hardware, offer.to) == (b"\xff" * 6, "255.255.255.255")

    renewed = alone.renew()
    assert renewed is not None and (renewed.kind, renewed.to_hardware, renewed.to) == (ACK, alone.mac, alone.address)


def test_a_real_client_program_takes_the_frames_we_build(bed: Bed) -> None:
    server = bed.server()
    server.start()
    machine = bed.net.namespace("machine")
    bed.net.plug(bed.switch, machine, "eth0")
    said = machine.run("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-s", "/bin/true", check=False)
    if "applet not found" in said:
        pytest.skip("no udhcpc")
    wait_for("a lease", lambda: server.ask("search_leases")["leases"], 5)


def test_relayed_requests_are_answered_to_the_relay(bed: Bed) -> None:
    server = bed.server()
    server.start()
    relay = RelayPort(bed.clients, "192.168.50.5", [SERVER])
    assert PyClient(relay, 1).lease().startswith("192.168.50.")
    relay.close()


def test_interfaces_may_come_change_and_go(bed: Bed, port: LanPort) -> None:
    bed.space.ip(f"addr del {SERVER}/24 dev eth0")
    bed.space.ip(f"addr add {SERVER}/32 dev lo")
    server = bed.server("--interface", "eth0", "--interface", "eth7")
    server.start()
    server.logged("No IPv4 address on interface eth0, eth7")
    assert PyClient(port, 1).discover(timeout=1) is None
    bed.space.ip(f"addr add {SERVER}/24 dev eth0")
    server.logged("Serving clients on eth0")
    assert PyClient(port, 2).lease()
    bed.space.ip("link set eth0 down")
    time.sleep(0.2)
    bed.space.ip("link set eth0 up")
    assert PyClient(port, 3).lease()
    bed.space.ip("link del eth0")
    server.logged("No longer serving clients on eth0")
    assert server.ask("ping")
    bed.net.plug(bed.switch, bed.space, "eth0", f"{SERVER}/24")
    wait_for("it serves again", lambda: PyClient(port, 4).discover(timeout=1), 15)


def test_without_the_right_to_send_frames_answers_are_broadcast(bed: Bed, port: LanPort) -> None:
    server = bed.server()
    process = bed.space.start(
        "setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw", sys.executable, "-m", "tandem",
        "dhcp-server", "--data", str(server.data), "--address", SERVER, "--name", "alone",
    )  # fmt: skip
    server.process = process
    server.logged("Server started")
    assert "are broadcast, because this process may not send frames" in server.log()
    client = PyClient(port, 1)
    offer = client.discover()
    assert offer is not None and offer.to_hardware == b"\xff" * 6
    assert process.stop() == 0


# --- the disk -------------------------------------------------------------------------------------------


def test_every_acknowledged_lease_survives_sigkill(bed: Bed, port: LanPort) -> None:
    server = bed.server()
    ledger = Ledger()
    number = 0
    for _ in range(6):
        server.start()
        for _ in range(8):
            number += 1
            PyClient(port, number, ledger).lease()
        assert server.process is not None
        server.process.kill()
        stored = sqlite3.connect(server.data / "dhcp" / "leases.db")
        held = {int.from_bytes(socket.inet_aton(a), "big"): one.mac for a, one in ledger.held().items()}
        found = dict(stored.execute("SELECT address, substr(hardware, 2) FROM lease WHERE status = 2"))
        stored.close()
        assert found.items() >= held.items()
    ledger.check()
    assert len(ledger.held()) == number


def test_a_full_disk_stops_answers_and_space_brings_them_back(bed: Bed, port: LanPort, small_disk: Path) -> None:
    server = bed.server(data=small_disk)
    server.start()
    first = PyClient(port, 1)
    assert first.lease()
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file, pytest.raises(OSError, match="No space"):
        while True:
            os.write(file.fileno(), bytes(4096))
    for _ in range(200):
        answer = first.renew(timeout=0.3)
        if answer is None:
            break
    else:
        raise AssertionError("the disk is full, yet 200 renewals were acknowledged")
    wait_for("it is said", lambda: server.ask("status")["database"] != "OK", 5)
    assert server.ask("status")["serving"] is False
    second = PyClient(port, 2)
    offer = second.discover(timeout=1)
    assert offer is None, "an offer would have to wait behind what is not saved"
    with pytest.raises(LabError, match="free space"):
        server.ask("reload", document={**DOCUMENT, "policy": {f"p{n}": {} for n in range(2000)}})
    ballast.unlink()
    wait_for("it recovers", lambda: server.ask("status")["serving"], 15)
    assert first.renew() is not None
    assert second.lease()
    server.logged("The lease database can be written again")
    assert server.process is not None and server.process.stop() == 0


def test_a_read_only_database_stops_answers_until_it_can_be_written(bed: Bed, port: LanPort) -> None:
    server = bed.server()
    server.start()
    client = PyClient(port, 1)
    assert client.lease()
    assert server.process is not None and server.process.stop() == 0
    database = server.data / "dhcp" / "leases.db"
    database.chmod(0o444)
    server.process = bed.space.start(  # root, but bound by the files' modes
        "setpriv", "--bounding-set", "-dac_override", "--inh-caps", "-dac_override", sys.executable, "-m", "tandem",
        "dhcp-server", "--data", str(server.data), "--address", SERVER, "--name", "alone",
    )  # fmt: skip
    wait_for("it serves", lambda: server.log().count("Server started") == 2)
    assert client.renew(timeout=2) is None
    server.logged("The lease database cannot be written: attempt to write a readonly database")
    for path in database.parent.glob("leases.db*"):  # SQLite gives its -wal and -shm files the mode of the database
        path.chmod(0o644)
    wait_for("it recovers", lambda: client.renew(timeout=1), 15)
    assert server.process.stop() == 0


def test_a_stop_while_the_disk_is_full_ends_in_time_and_says_that_changes_were_lost(
    bed: Bed, port: LanPort, small_disk: Path
) -> None:
    server = bed.server(data=small_disk)
    server.start()
    client = PyClient(port, 1)
    assert client.lease()
    with (small_disk / "ballast").open("wb") as file, pytest.raises(OSError, match="No space"):
        while True:
            os.write(file.fileno(), bytes(4096))
    while client.renew(timeout=0.3) is not None:
        pass
    process = server.process
    assert process is not None
    process.signal(signal.SIGTERM)
    assert server.end() == 1
    assert "lease database cannot be written" in process.output()


DEFECT = """\
import sys
from tandem.__main__ import main
from tandem.dhcp import server
real = server._HANDLERS[1]
def discover(self, query):
    assert query.hardware[1:] != bytes.fromhex("{mac}"), "planted"
    real(self, query)
server._HANDLERS[1] = discover
sys.exit(main())
"""


def test_a_packet_that_the_server_dies_of_ends_it_once(bed: Bed, port: LanPort) -> None:
    """S10.8: started again (by the cluster, here by hand) it drops the like of it, says so, and serves the others."""
    bad, good = PyClient(port, 1, Ledger()), PyClient(port, 2, Ledger())
    server = bed.server()
    script = bed.net.directory / "defect.py"
    script.write_text(DEFECT.format(mac=bad.mac.hex()))
    server.program = [str(script)]
    server.start()
    good.lease()
    port.send(pack_message(DISCOVER, 1, bad.mac, {55: bytes([1, 3])}), bad.mac)
    assert server.end() == 1
    server.logged("this is a defect of the server")
    server.start()
    for n in range(5):
        port.send(pack_message(DISCOVER, 2 + n, bad.mac, {55: bytes([1, 3])}, secs=n), bad.mac)
    server.logged("Dropped a packet because the server died of its like")
    PyClient(port, 3, Ledger()).lease()
    wait_for("all five are dropped", lambda: server.ask("statistics")["dropped-defect"] == 5, 5)
    assert server.process is not None and server.process.alive()
