"""The supervisor with real child processes: restart with back-off, clean and forced stop, nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tandem.base.errors import CommandError
from tandem.cluster.log import ClusterLog
from tandem.cluster.supervisor import ControlSocket, Supervisor

FAKE = [sys.executable, str(Path(__file__).with_name("fake_dhcp_server.py"))]


class Setup:
    def __init__(self, data: Path, **times: Any) -> None:
        self.log = ClusterLog(data / "logs" / "ccm.log", "test")
        self.control = ControlSocket(data / "dhcp" / "control.sock", data / "logs" / "dhcp.log")
        self.supervisor = Supervisor([*FAKE, "--data", str(data)], self.control, self.log, **times)

    def logged(self, ident: int) -> list[str]:
        return [line for line in self.log.path.read_text().splitlines() if f" 0 {ident:05} " in line]


async def until(condition: Callable[[], object], timeout_s: float = 20) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_server_is_started_asked_and_stopped(tmp_path: Path) -> None:
    async def story() -> None:
        s = Setup(tmp_path)
        s.supervisor.start()
        s.supervisor.start()
        await s.supervisor.ready()
        assert await s.control.call("ping") == "pong"
        pid = s.supervisor.pid
        assert pid is not None and s.supervisor.wanted
        await s.supervisor.stop()
        await s.supervisor.stop()
        assert gone(pid) and s.supervisor.pid is None and not s.supervisor.wanted
        assert len(s.logged(60001)) == 1 and "exit status 0" in s.logged(60002)[0]
        s.supervisor.start()
        await s.supervisor.ready()
        await s.supervisor.stop()
        assert s.supervisor.restarts == 0

    asyncio.run(story())


def test_a_killed_server_is_started_again_and_that_is_said(tmp_path: Path) -> None:
    async def story() -> None:
        s = Setup(tmp_path, pause_s=0.01)
        s.supervisor.start()
        await s.supervisor.ready()
        first = s.supervisor.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: s.supervisor.pid not in (None, first))
        await s.supervisor.ready()
        assert s.supervisor.restarts == 1
        assert "died (killed by SIGKILL). Starting it again in 0.01 s." in s.logged(60003)[0]
        await s.supervisor.stop()

    asyncio.run(story())


def test_pauses_double_up_to_a_limit_and_the_servers_words_are_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_DIE_AT_ONCE", "1")

    async def story() -> None:
        s = Setup(tmp_path, pause_s=0.02, pause_s_max=0.05)
        s.supervisor.start()
        await until(lambda: s.supervisor.restarts >= 3)
        await s.supervisor.stop()
        said = [line.rpartition(" in ")[2] for line in s.logged(60003)]
        assert said[:4] == ["0.02 s.", "0.04 s.", "0.05 s.", "0.05 s."][: len(said)] and len(said) >= 3
        assert "(exit status 1)" in s.logged(60003)[0]
        assert "no such interface" in s.logged(60004)[0]

    asyncio.run(story())


def test_waiting_for_a_server_that_dies_ends_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_DIE_AT_ONCE", "1")

    async def story() -> None:
        s = Setup(tmp_path, pause_s=60)
        s.supervisor.start()
        with pytest.raises(
            CommandError, match=r"died \(exit status 1: no such interface\); it is tried again"
        ) as refusal:
            await s.supervisor.ready()
        assert refusal.value.status == 501
        await s.supervisor.stop()

    asyncio.run(story())


@pytest.mark.slow
def test_a_server_that_ran_for_long_is_restarted_after_the_first_pause(tmp_path: Path) -> None:
    async def story() -> None:
        s = Setup(tmp_path, pause_s=0.01, settled_s=0)
        s.supervisor.start()
        for count in range(3):
            await s.supervisor.ready()
            pid = s.supervisor.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await until(lambda count=count: s.supervisor.restarts > count)
        await s.supervisor.stop()
        assert all(line.endswith(" in 0.01 s.") for line in s.logged(60003))

    asyncio.run(story())


def test_stopping_during_a_pause_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_DIE_AT_ONCE", "1")

    async def story() -> None:
        s = Setup(tmp_path, pause_s=60)
        s.supervisor.start()
        await until(lambda: s.log.path.exists() and s.logged(60003))
        started = time.monotonic()
        await s.supervisor.stop()
        assert time.monotonic() - started < 5 and s.supervisor.restarts == 0

    asyncio.run(story())


def test_stopping_while_the_process_is_being_made_does_not_wait(tmp_path: Path) -> None:
    async def story() -> None:
        s = Setup(tmp_path, stop_timeout_s=30)
        s.supervisor.start()
        await asyncio.sleep(0)
        started = time.monotonic()
        await s.supervisor.stop()
        assert time.monotonic() - started < 15 and s.supervisor.pid is None

    asyncio.run(story())


@pytest.mark.slow
def test_a_stubborn_server_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_STUBBORN", "1")

    async def story() -> None:
        s = Setup(tmp_path, stop_timeout_s=0.2)
        s.supervisor.start()
        await s.supervisor.ready()
        pid = s.supervisor.pid
        assert pid is not None
        await s.supervisor.stop()
        assert gone(pid)
        assert [line.split("Sending ")[1].split()[0] for line in s.logged(60006)] == ["SIGTERM", "SIGKILL"]

    asyncio.run(story())


def test_a_server_that_cannot_be_started_is_reported(tmp_path: Path) -> None:
    async def story() -> None:
        s = Setup(tmp_path, pause_s=60)
        s.supervisor._command = ["/nonexistent/program"]
        s.supervisor.start()
        await until(lambda: s.log.path.exists() and s.logged(60003))
        assert "could not be started" in s.logged(60003)[0]
        await s.supervisor.stop()

    asyncio.run(story())


PARENT = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {here!r})
from test_supervisor import Setup
async def main():
    s = Setup(Path(sys.argv[1]))
    s.supervisor.start()
    await s.supervisor.ready()
    print(s.supervisor.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_the_server_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    program = PARENT.format(here=str(Path(__file__).parent))
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not gone(child)
        parent.kill()
        parent.wait()
    asyncio.run(until(lambda: gone(child), 5))


def test_a_socket_that_nobody_serves_says_what_to_do(tmp_path: Path) -> None:
    control = ControlSocket(tmp_path / "none", tmp_path / "dhcp.log")
    with pytest.raises(CommandError, match=f"not running; see log {tmp_path}/dhcp.log; start it with 'dhcp start'"):
        asyncio.run(control.call("ping"))


def test_a_server_that_does_not_answer_is_reported_in_time(tmp_path: Path) -> None:
    async def story() -> None:
        async with await asyncio.start_unix_server(lambda r, w: asyncio.sleep(5), tmp_path / "s"):
            with pytest.raises(CommandError, match=r"did not answer 'ping' within 0\.05 s") as refusal:
                await ControlSocket(tmp_path / "s", tmp_path / "log").call("ping", timeout_s=0.05)
            assert refusal.value.status == 501

    asyncio.run(story())


def test_a_server_that_hangs_up_counts_as_not_running(tmp_path: Path) -> None:
    async def story() -> None:
        async with await asyncio.start_unix_server(lambda r, w: w.close(), tmp_path / "s"):
            with pytest.raises(CommandError, match="not running"):
                await ControlSocket(tmp_path / "s", tmp_path / "log").call("ping")

    asyncio.run(story())


def test_a_socket_with_a_long_path_is_reached(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)

    async def story() -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"/proc/self/fd/{directory}/s")

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(b'{"id": 1, "ok": "here"}\n')

        async with await asyncio.start_unix_server(echo, sock=listener):
            assert await ControlSocket(deep / "s", tmp_path / "log").call("ping") == "here"

    deep.mkdir(parents=True)
    directory = os.open(deep, os.O_RDONLY)
    asyncio.run(story())
    os.close(directory)


@pytest.mark.parametrize(("status", "cure"), [("3", "'dhcp start' writes it anew"), ("4", "set failover-recover")])
def test_damage_is_tried_again_slowly_or_when_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, cure: str
) -> None:
    monkeypatch.setenv("FAKE_DIE_AT_ONCE", status)

    async def story() -> None:
        s = Setup(tmp_path, pause_s=0.02, pause_s_max=0.05)
        s.supervisor.start()
        await until(lambda: s.supervisor.pausing)
        line = s.logged(60003)[0]
        assert cure in line and line.endswith("Starting it again in 300 s.")
        await s.supervisor.settled()  # does not wait for what will not come
        monkeypatch.delenv("FAKE_DIE_AT_ONCE")
        s.supervisor.start()
        await s.supervisor.ready()
        assert s.supervisor.restarts == 1
        await s.supervisor.stop()

    asyncio.run(story())


def test_a_question_waits_for_a_server_that_is_just_starting(tmp_path: Path) -> None:
    async def story() -> None:
        s = Setup(tmp_path)
        s.supervisor.start()
        await s.supervisor.settled()
        assert await s.supervisor._control.call("ping") == "pong"
        await s.supervisor.stop()

    asyncio.run(story())
