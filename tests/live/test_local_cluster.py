"""Two local clusters with their real DHCP servers on loopback, run through nrcmd: configure, reload, break, mend."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.live
BATCH = (Path(__file__).parents[1] / "data" / "pair.nrcmd").read_text()
CONFIGURE = BATCH.partition("dhcp getRelatedServers")[0]
MAIN, BACKUP = "127.0.0.11", "127.0.0.12"


def free_port(kind: int) -> int:
    """Return a port that is free on both addresses."""
    while True:
        with socket.socket(socket.AF_INET, kind) as one, socket.socket(socket.AF_INET, kind) as two:
            one.bind((MAIN, 0))
            with contextlib.suppress(OSError):
                two.bind((BACKUP, one.getsockname()[1]))
                return int(two.getsockname()[1])


def wait_for(what: str, probe: Callable[[], object], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not probe():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.1)


@dataclass
class Cluster:
    data: Path
    address: str
    ports: tuple[int, int, int]
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        dhcp, failover, api = (str(port) for port in self.ports)
        command = [sys.executable, "-m", "tandem", "local", "--data", str(self.data), "--address", self.address]
        command += ["--dhcp-port", dhcp, "--failover-port", failover, "--api-port", api, "--name", "live"]
        env = os.environ | {"TANDEM_ADMIN_PASSWORD": "geheim"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
        assert self.process.stdout is not None
        a = self.address
        ready = f"ready: api https://{a}:{api}, dhcp {a}:{dhcp}, failover {a}:{failover}\n"
        assert self.process.stdout.readline() == ready

    def end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(30)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def nrcmd(self, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tandem.control.nrcmd", *args]
        cluster = f"{self.address}:{self.ports[2]}"
        env = os.environ | {"AIC_CLUSTER": cluster, "AIC_NAME": "admin", "AIC_PASSWORD": "geheim"}
        env["AIC_KNOWN_CLUSTERS"] = str(self.data / "known-clusters")
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, env=env, check=False)

    def ok(self, line: str) -> list[str]:
        done = self.nrcmd(line)
        assert done.returncode == 0, done.stdout
        return done.stdout.splitlines()

    def fact(self, line: str, attribute: str) -> str:
        found = re.search(rf"^    {attribute} = (.*)$", self.nrcmd(line).stdout, re.MULTILINE)
        return found[1] if found else ""

    def state(self) -> str:
        return self.fact("dhcp getRelatedServers", "state")

    def server(self) -> int:
        return int(self.fact("dhcp gethealth", "process"))

    def log(self, which: str) -> str:
        return (self.data / "logs" / f"live_{which}_1_log").read_text()


@contextlib.contextmanager
def clusters(data: Path, *addresses: str) -> Iterator[list[Cluster]]:
    ports = (free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM))
    made = [Cluster(data / address, address, ports) for address in addresses]
    try:
        for cluster in made:
            cluster.start()
        yield made
    finally:
        for cluster in made:
            cluster.end(signal.SIGTERM)


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_a_pair_is_configured_by_one_batch_and_outlives_its_main(tmp_path: Path) -> None:
    with clusters(tmp_path, MAIN, BACKUP) as (main, backup):
        for cluster in (main, backup):
            done = cluster.nrcmd("-b", "-", stdin=CONFIGURE)
            assert done.returncode == 0, done.stdout
        wait_for("both NORMAL", lambda: (main.state(), backup.state()) == ("NORMAL", "NORMAL"))
        assert main.fact("dhcp getRelatedServers", "role") == "main"
        assert backup.fact("dhcp getRelatedServers", "role") == "backup"
        assert "04092 Failover is enabled server-wide. Main server name: '127.0.0.11'" in main.log("dhcp")
        refused = backup.nrcmd("dhcp setPartnerDown 127.0.0.11 -5m")
        assert refused.returncode == 1

        server = main.server()
        main.end(signal.SIGKILL)
        wait_for("the server dies with its cluster", lambda: not alive(server), 5)
        wait_for("the backup notices", lambda: backup.state() == "COMMUNICATIONS-INTERRUPTED")
        answers = backup.nrcmd("-b", "-", stdin=BATCH.partition("dhcp reload")[2])
        assert answers.returncode == 0, answers.stdout
        assert "    scope-name = examplescope" in answers.stdout
        assert backup.state() == "PARTNER-DOWN"

        main.start()
        wait_for("both NORMAL again", lambda: (main.state(), backup.state()) == ("NORMAL", "NORMAL"), 60)


def test_an_impossible_configuration_leaves_the_running_one(tmp_path: Path) -> None:
    with clusters(tmp_path, MAIN) as (main,):
        assert main.nrcmd("-b", "-", stdin=CONFIGURE).returncode == 0
        before = json.loads((main.data / "dhcp" / "config.json").read_text())
        server = main.server()
        main.ok("scope clash create 192.168.50.0 255.255.255.128")
        refused = main.nrcmd("dhcp reload")
        assert refused.returncode == 1 and refused.stdout.startswith("316 Invalid - the configuration cannot work")
        assert "clash" in refused.stdout
        assert json.loads((main.data / "dhcp" / "config.json").read_text()) == before
        assert main.server() == server and main.ok("lease 192.168.50.10")[1] == "192.168.50.10:"
        main.ok("scope clash delete")
        main.ok("dhcp reload")


def test_a_killed_server_is_restarted_with_its_configuration(tmp_path: Path) -> None:
    with clusters(tmp_path, MAIN) as (main,):
        assert main.nrcmd("-b", "-", stdin=CONFIGURE).returncode == 0
        first = main.server()
        os.kill(first, signal.SIGKILL)
        wait_for("it is back", lambda: main.fact("dhcp gethealth", "process") not in ("", str(first)))
        assert main.fact("lease 192.168.50.10", "scope-name") == "examplescope"
        assert main.fact("dhcp gethealth", "restarts") == "1"
        assert "died (killed by SIGKILL). Starting it again in 0.5 s." in main.log("ccm")


def test_stop_start_and_end_leave_nothing(tmp_path: Path) -> None:
    with clusters(tmp_path, MAIN) as (main,):
        first = main.server()
        main.ok("dhcp stop")
        assert not alive(first) and main.fact("dhcp gethealth", "health") == "stopped"
        stopped = main.nrcmd("dhcp getStats")
        assert stopped.stdout.startswith("501 Connection Failure - the DHCP server is not running")
        main.ok("scope new create 10.0.0.0 255.0.0.0")
        main.ok("scope clash create 10.1.0.0 255.255.0.0")
        refused = main.nrcmd("dhcp start")
        assert refused.stdout.startswith("316 Invalid - the configuration cannot work, the DHCP server is not started")
        main.ok("scope clash delete")
        main.ok("scope new addRange 10.0.0.10 10.0.0.20")
        main.ok("dhcp start")
        assert main.ok("lease 10.0.0.10")[1] == "10.0.0.10:", "a start takes the configuration as it is now"
        second = main.server()
        assert alive(second)
        main.end(signal.SIGINT)
        assert not alive(second)


def test_a_server_that_cannot_start_leaves_the_api_up(tmp_path: Path) -> None:
    with clusters(tmp_path, MAIN) as (main,):
        (main.data / "dhcp" / "config.json").write_text("{not json")
        os.kill(main.server(), signal.SIGKILL)
        wait_for("its words are in the log", lambda: "config.json is not JSON" in main.log("ccm"))
        assert "is not running" in main.nrcmd("dhcp getStats").stdout
        main.ok("dhcp stop")
        main.ok("dhcp start")
        assert main.fact("dhcp gethealth", "health") == "OK", "a start brings the configuration of the database"
