"""The demonstration as a newcomer runs it: it passes in both of its worlds, and leaves nothing however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.live.browser import browser_page

from tandem.demo.program import namespaces_allowed

pytestmark = [pytest.mark.live, pytest.mark.timeout(400)]  # some wait for each other

ROOT = Path(__file__).resolve().parents[2]
STORY_S = 130
NOBODY = 65534
ONE_AT_A_TIME = Path(tempfile.gettempdir()) / "tandem-test-loopback.lock"
"""Held by a demonstration on loopback: its ports are fixed, and tests run side by side."""


class Demo:
    """A demonstration under test, and all that it may leave behind."""

    def __init__(self, *options: str, terminal: bool = False, user: int | None = None) -> None:
        self.mark = f"TANDEM_TEST_MARK={uuid.uuid4()}"
        self.directory = Path(tempfile.mkdtemp(prefix="tandem-test-demo-"))
        self.directory.chmod(0o777)
        self.home_links = links()
        name, _, value = self.mark.partition("=")
        python = sys.executable
        env = {**os.environ, name: value, "TMPDIR": str(self.directory), "TERM": "xterm", "PYTHONUNBUFFERED": "1"}
        if user is not None:
            python = readable_python()
            env |= {"HOME": str(self.directory), "PYTHONDONTWRITEBYTECODE": "1"}
            env["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), *(p for p in sys.path if "site-packages" in p)])
        self.text = ""
        self._out, theirs = pty.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen(
            [python, "-m", "tandem", "demo", *options], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
            env=env, start_new_session=True, user=user, group=user, extra_groups=None if user is None else [],
            cwd="/",
        )  # fmt: skip
        os.close(theirs)
        os.set_blocking(self._out, False)

    def read(self) -> str:
        """Return all that it has printed."""
        with contextlib.suppress(BlockingIOError, OSError):  # a terminal whose other end is closed gives an error
            while data := os.read(self._out, 65536):
                self.text += data.decode(errors="replace")
        return self.text

    def until(self, what: str, probe: Callable[[], object], within_s: float) -> None:
        """Wait until ``probe`` holds, reading on."""
        give_up = time.monotonic() + within_s
        while not probe():
            self.read()
            assert time.monotonic() < give_up, f"not within {within_s} s: {what}\n{self.text[-6000:]}"
            time.sleep(0.05)
        self.read()

    def prints(self, text: str, within_s: float) -> None:
        """Wait until it has printed ``text``."""
        self.until(f"it prints {text!r}", lambda: text in self.read() or self.process.poll() is not None, within_s)
        assert text in self.text, f"it ended and never printed {text!r}:\n{self.text[-6000:]}"

    def ends(self, within_s: float) -> int:
        """Wait for its end and return its exit status."""
        self.until("it ends", lambda: self.process.poll() is not None, within_s)
        return self.process.returncode

    def leaves_nothing(self, within_s: float = 5) -> None:
        """Check that within moments no process, file or link of it is left."""
        self.until("its processes are gone", lambda: not self.processes(), within_s)
        self.until("its files are gone", lambda: not list(self.directory.iterdir()), within_s)
        assert links() == self.home_links

    def processes(self) -> list[str]:
        """Return the command lines of all processes that it started and that still run."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self.mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
        return found

    def close(self) -> None:
        """End it, if a test has failed to."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        os.close(self._out)
        shutil.rmtree(self.directory)


def links() -> list[str]:
    """Return the names of this namespace's interfaces."""
    return sorted(os.listdir("/sys/class/net"))


def readable_python() -> str:
    """Return a Python of this version that an ordinary user can run."""
    for candidate in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        probe = [candidate, "-c", "pass"]
        with contextlib.suppress(OSError):
            if subprocess.run(probe, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/", check=False).returncode == 0:
                return candidate
    pytest.skip("no Python here that an ordinary user can run")


@pytest.fixture
def start() -> Iterator[Callable[..., Demo]]:
    """Start demonstrations that end with the test."""
    started: list[Demo] = []
    lock = ONE_AT_A_TIME.open("w")

    def begin(*options: str, terminal: bool = False, user: int | None = None) -> Demo:
        if "--loopback" in options:
            fcntl.flock(lock, fcntl.LOCK_EX)
        started.append(Demo(*options, terminal=terminal, user=user))
        return started[-1]

    yield begin
    for demo in started:
        demo.close()
    lock.close()


def passed(demo: Demo) -> None:
    """Check the summary: the verdict, and that the story was real."""
    text = demo.text
    assert "PASSED: no address was held twice, and no renewal failed." in text, text[-6000:]
    assert re.search(r"addresses held twice +0\s", text) and re.search(r"failed renewals +0\s", text)
    served = {m[1]: (int(m[2]), int(m[3]) + int(m[4])) for m in re.finditer(
        r"^(main|backup) [\d.]+ +(\d+) new, (\d+) renewed, (\d+) rebound", text, re.MULTILINE)}  # fmt: skip
    assert served["main"][0] >= 220 and served["main"][1] >= 50, text[-3000:]
    assert served["backup"][0] >= 40 and served["backup"][1] >= 40, text[-3000:]
    assert re.search(r"both books list the same \d{3} leases", text)
    assert "RECOVER > " in text and "DONE > NORMAL" in text


def nrcmd(text: str, port: str, password: str, line: str) -> str:
    """Run an operator's command from outside."""
    known = re.search(r"AIC_KNOWN_CLUSTERS=(\S+)", text)
    assert known
    command = [sys.executable, "-m", "tandem.control.nrcmd", "-C", f"127.0.0.1:{port}", "-N", "admin", "-P", password]
    env = os.environ | {"AIC_KNOWN_CLUSTERS": known[1]}
    return subprocess.run([*command, line], capture_output=True, text=True, timeout=30, check=True, env=env).stdout


def from_the_pages(demo: Demo) -> None:
    """What a newcomer is told to try, in a browser: kill the main, cut the line, change a policy on the main only."""
    links = re.findall(r"https://127\.0\.0\.1:\d+/login/link\S+", demo.text)
    assert len(links) == 2
    with browser_page() as page:
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(links[0])
        page.click("text=Kill the main")  # whose pages these are
        page.click("text=Go On in the Pages of the Backup")
        page.wait_for_selector("text=KILLED")
        page.wait_for_selector("text=COMMUNICATIONS-INTERRUPTED")
        page.click("text=Start the main")
        expect(page.locator(".cards .badge.ok")).to_have_count(5, timeout=40_000)  # both NORMAL, line, ledger

        page.click("text=Cut the Line")
        cut = page.locator(".cards .badge", has_text="COMMUNICATIONS-INTERRUPTED")
        expect(cut).to_have_count(2, timeout=40_000)
        page.goto(page.url.replace("/demo", "/dhcp/related"))
        page.click("text=Set Partner Down")
        serves = page.get_by_text("Clients take the partner's offers, so it serves them.")
        until = time.monotonic() + 40
        while not serves.count():  # until clients have chosen between the two servers' offers
            assert time.monotonic() < until
            page.reload()
        page.goto(re.sub("(://[^/]*).*", r"\1/demo", page.url))
        page.click("text=Mend the Line")
        expect(page.locator(".cards .badge.ok")).to_have_count(5, timeout=40_000)

        page.click("text=Open Its Pages")
        page.wait_for_selector("text=These are the pages of the main.")
        page.click("text=the default policy")
        page.fill("[name=grace-period]", "9s")
        page.click("button:has-text('Modify')")
        base = re.sub("/dhcp/.*", "", page.url)
        page.goto(f"{base}/dhcp/alarms")
        page.wait_for_selector("text=policy default grace-period: main 9s, backup 5s")
        page.goto(f"{base}/dhcp/failover")
        page.click("main a:has-text('Report')")
        page.click("main button:has-text('Report')")
        page.wait_for_selector("text=1 change entry would be applied on the partner, the backup.")
        page.click("button:has-text('Run Update')")
        page.wait_for_selector("text=1 change entry was applied on the partner, the backup.")
        page.wait_for_selector("text=The DHCP server of the partner was reloaded.")
        page.goto(f"{base}/demo")
        expect(page.locator(".cards .badge.ok")).to_have_count(5, timeout=40_000)


@pytest.mark.skipif(not namespaces_allowed(), reason="namespaces are forbidden here")
def test_in_namespaces_as_an_ordinary_user_with_real_clients_and_nrcmd_from_outside(
    start: Callable[..., Demo],
) -> None:
    demo = start("--stay", user=NOBODY if os.geteuid() == 0 else None)
    demo.prints("namespaces", 15)
    demo.prints("the backup; then", STORY_S)
    password = re.search(r"AIC_PASSWORD=(\S+)", demo.text)
    ports = re.findall(r"-C 127\.0\.0\.1:(\d+)", demo.text)
    assert password and len(ports) == 2
    for port, role in zip(ports, ("main", "backup"), strict=True):
        answer = nrcmd(demo.text, port, password[1], "dhcp getRelatedServers")
        assert answer.startswith("100 Ok") and "NORMAL" in answer and f"role = {role}" in answer
    assert nrcmd(demo.text, ports[1], password[1], "scope demo listLeases").count("state = leased") > 200
    from_the_pages(demo)
    os.killpg(demo.process.pid, signal.SIGINT)
    assert demo.ends(20) == 0
    passed(demo)
    for program, least in (("dhclient", 3), ("udhcpc", 2)):
        if shutil.which(program):
            count = re.search(rf"real client {program} +(\d+)", demo.text)
            assert count and int(count[1]) >= least
    demo.leaves_nothing()


def test_on_loopback_where_namespaces_are_forbidden(start: Callable[..., Demo]) -> None:
    demo = start("--loopback")
    began = time.monotonic()
    assert demo.ends(STORY_S) == 0, demo.text[-6000:]
    assert time.monotonic() - began < 120
    assert "loopback" in demo.text
    passed(demo)
    demo.leaves_nothing()


@pytest.mark.parametrize("world", ["", "--loopback"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ended_from_outside_it_leaves_nothing(start: Callable[..., Demo], number: signal.Signals, world: str) -> None:
    demo = start(*filter(None, ["--plain", world]))
    demo.prints("[2/8]", 40)
    demo.prints("hold a lease", 20)
    assert len(demo.processes()) >= 6, "two clusters, two servers, the conductor, this and more"
    demo.process.send_signal(number)
    assert demo.ends(20) == (-signal.SIGKILL if number == signal.SIGKILL else 128 + number)
    demo.leaves_nothing()


def test_ctrl_c_in_a_terminal_restores_the_screen_and_leaves_nothing(start: Callable[..., Demo]) -> None:
    demo = start(terminal=True)
    demo.prints("Clients arrive", 15)
    demo.prints("STORY", 15)
    demo.prints("leases, known to both", 60)
    os.killpg(demo.process.pid, signal.SIGINT)
    assert demo.ends(20) == 130
    assert demo.text.rindex("\x1b[?1049l") > demo.text.rindex("\x1b[?1049h"), "the screen is restored"
    assert "Traceback" not in demo.text
    demo.leaves_nothing()
