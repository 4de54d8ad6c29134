"""The cluster as a process, with a stand-in for the DHCP server, commanded by nrcmd as a process."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BATCH = (HERE.parents[1] / "data" / "pair.nrcmd").read_text()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.11", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], object], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        select.select([], [], [], 0.02)


@dataclass
class Cluster:
    data: Path
    port: int
    process: subprocess.Popen[str]

    def nrcmd(self, *args: str, password: str = "geheim", stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tandem.control.nrcmd", "-C", f"127.0.0.11:{self.port}", "-N", "admin", *args]
        env = os.environ | {"AIC_PASSWORD": password, "AIC_KNOWN_CLUSTERS": str(self.data / "known-clusters")}
        return subprocess.run(
            command, input=stdin or "", capture_output=True, text=True, timeout=60, env=env, check=False
        )

    def log(self) -> str:
        return (self.data / "logs" / "test_ccm_1_log").read_text()

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]


def command_line(data: Path, port: int) -> list[str]:
    fake = str(HERE / "fake_cluster.py")
    return [
        sys.executable,
        fake,
        "--data",
        str(data),
        "--address",
        "127.0.0.11",
        "--api-port",
        str(port),
        "--name",
        "test",
    ]


@contextlib.contextmanager
def running(data: Path, **environment: str) -> Iterator[Cluster]:
    port = free_port()
    env = os.environ | environment
    with subprocess.Popen(command_line(data, port), stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line == f"ready: api https://127.0.0.11:{port}, dhcp 127.0.0.11:67, failover 127.0.0.11:647\n"
            yield Cluster(data, port, process)
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("cluster"), TANDEM_ADMIN_PASSWORD="geheim") as running_cluster:
        yield running_cluster


def test_the_batch_runs_as_written_twice_over(cluster: Cluster, tmp_path: Path) -> None:
    batch = tmp_path / "batch"
    batch.write_text(BATCH)
    done = cluster.nrcmd("-b", str(batch))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines.count("nrcmd> ") == lines.count("100 Ok") == 13
    assert "192.168.50.10:" in lines and "    state = leased" in lines
    again = cluster.nrcmd("-b", "-", stdin=BATCH)
    assert again.returncode == 1
    assert "line 4: scope examplescope create" in again.stderr and "320 EX_CONFLICT_EXISTS" in again.stderr
    assert again.stderr.splitlines()[-1] == "nrcmd: 3 of 13 commands failed"


def test_one_command_and_its_exit_status(cluster: Cluster) -> None:
    assert cluster.nrcmd("dhcp", "set", "failover-poll-interval=5s").returncode == 0
    done = cluster.nrcmd("dhcp get failover-poll-interval")
    assert (done.returncode, done.stdout) == (0, "100 Ok\nfailover-poll-interval=5s\n")
    wrong = cluster.nrcmd("dhcp", "set", "failover-poll-intervall=5s")
    assert wrong.returncode == 1
    assert (
        wrong.stdout.startswith("308 Unknown parameter - ") and "did you mean failover-poll-interval?" in wrong.stdout
    )


def test_the_session_lasts_for_a_batch(cluster: Cluster) -> None:
    done = cluster.nrcmd(
        "-b", "-", stdin="session set default-format=script\nlease 192.168.50.10\nsession get visibility\n"
    )
    assert "192.168.50.10: address=192.168.50.10; state=leased; flags=reserved; " in done.stdout


def test_a_wrong_password_is_401(cluster: Cluster) -> None:
    done = cluster.nrcmd("dhcp", "show", password="falsch")
    assert done.returncode == 1 and done.stdout.startswith("401 Login Failure")
    assert "Login of 'admin' from 127.0.0.1 failed" in cluster.log()


@pytest.mark.slow
def test_a_killed_server_is_started_again(cluster: Cluster) -> None:
    before = cluster.children()
    assert len(before) == 1
    os.kill(before[0], signal.SIGKILL)
    wait_for(lambda: cluster.nrcmd("dhcp", "getStats").returncode == 0 and cluster.children() not in (before, []))
    assert "died (killed by SIGKILL). Starting it again in 0.5 s." in cluster.log()


@pytest.mark.slow
def test_the_server_can_be_stopped_and_started(cluster: Cluster) -> None:
    assert cluster.nrcmd("dhcp", "stop").returncode == 0
    assert cluster.children() == []
    done = cluster.nrcmd("dhcp", "reload")
    assert done.returncode == 1 and "not running" in done.stdout and "dhcp start" in done.stdout
    assert cluster.nrcmd("dhcp", "start").returncode == 0
    assert cluster.nrcmd("dhcp", "getStats").returncode == 0


@pytest.mark.slow
def test_the_data_directory_has_one_user(cluster: Cluster) -> None:
    done = subprocess.run(
        command_line(cluster.data, free_port()), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1 and "another cluster is using" in done.stderr


def read_tty(fd: int, until: bytes, timeout_s: float = 20) -> bytes:
    seen = b""
    deadline = time.monotonic() + timeout_s
    while until not in seen:
        left = deadline - time.monotonic()
        assert left > 0 and select.select([fd], [], [], left)[0], seen
        seen += os.read(fd, 4096)
        if b"\x1b[6n" in seen:  # the terminal is asked where the cursor is
            os.write(fd, b"\x1b[1;1R")
            seen = seen.replace(b"\x1b[6n", b"")
    return seen


@pytest.mark.slow
def test_interactive_use_on_a_terminal(cluster: Cluster, tmp_path: Path) -> None:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    env = {k: v for k, v in os.environ.items() if not k.startswith("AIC_")}
    env |= {"AIC_CLUSTER": f"127.0.0.11:{cluster.port}", "XDG_STATE_HOME": str(tmp_path), "TERM": "xterm"}
    env["XDG_CONFIG_HOME"] = str(tmp_path / "config")
    program = [sys.executable, "-m", "tandem.control.nrcmd"]
    process = subprocess.Popen(program, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True)
    os.close(slave)
    try:
        read_tty(master, b"username: ")
        os.write(master, b"admin\n")
        read_tty(master, b"password: ")
        os.write(master, b"geheim\n")
        seen = read_tty(master, b"nrcmd>")
        assert b"100 Ok" in seen and b"user-name = admin" in seen
        os.write(master, b"dhcp get failover-rec\t\r")
        read_tty(master, b"failover-recover=0")
        os.write(master, b"exit\r")
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)
    assert "dhcp get failover-recover" in (tmp_path / "nrcmd-history").read_text()


@pytest.mark.slow
def test_sigterm_leaves_nothing_and_all_is_there_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path, TANDEM_ADMIN_PASSWORD="geheim") as cluster:
        assert cluster.nrcmd("scope", "s", "create", "10.0.0.0", "255.0.0.0").returncode == 0
        (child,) = cluster.children()
        cluster.process.send_signal(signal.SIGTERM)
        assert cluster.process.wait(20) == 0
        assert not Path(f"/proc/{child}").exists()
        assert "Traceback" not in cluster.log()
    with running(tmp_path, TANDEM_ADMIN_PASSWORD="") as cluster:
        assert cluster.nrcmd("scope", "listnames").stdout == "100 Ok\ns\n"


@pytest.mark.slow
def test_the_first_start_needs_a_password(tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if k != "TANDEM_ADMIN_PASSWORD"}
    done = subprocess.run(
        command_line(tmp_path, free_port()), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
        env=env, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "TANDEM_ADMIN_PASSWORD" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_first_start_asks_for_a_password_on_a_terminal(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    port = free_port()
    env = {k: v for k, v in os.environ.items() if k != "TANDEM_ADMIN_PASSWORD"}
    process = subprocess.Popen(
        command_line(tmp_path, port),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=env,
        start_new_session=True,
        text=True,
    )
    os.close(slave)
    try:
        read_tty(master, b"Choose a password for administrator 'admin': ")
        os.write(master, b"geheim\n")
        read_tty(master, b"Again: ")
        os.write(master, b"geheim\n")
        read_tty(master, b"ready: api ")
        assert Cluster(tmp_path, port, process).nrcmd("scope", "listnames").stdout == "100 Ok\n"
    finally:
        process.terminate()
        assert process.wait(20) == 0
        os.close(master)


@pytest.mark.slow
def test_a_taken_api_port_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.11", 0))
        taken.listen()
        env = os.environ | {"TANDEM_ADMIN_PASSWORD": "x"}
        line = command_line(tmp_path, taken.getsockname()[1])
        done = subprocess.run(line, capture_output=True, text=True, timeout=30, env=env, check=False)
    assert done.returncode == 1 and "--api-port" in done.stderr


@pytest.mark.slow
def test_the_api_serves_a_socket_that_was_handed_in(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.11", 0))
        listener.listen()
        port, fd = listener.getsockname()[1], listener.fileno()
        env = os.environ | {"TANDEM_ADMIN_PASSWORD": "geheim"}
        line = [*command_line(tmp_path, 1234), "--api-socket-fd", str(fd)]
        process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=env, pass_fds=[fd])
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"ready: api https://127.0.0.11:{port}, ")
        assert Cluster(tmp_path, port, process).nrcmd("scope", "listnames").stdout == "100 Ok\n"
        process.terminate()
        assert process.wait(20) == 0
