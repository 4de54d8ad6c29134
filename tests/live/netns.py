"""Network namespaces, the links between them, and processes inside: built in a moment, always taken away.

Everything made here carries the name prefix ``tandem-<pid>-``. ``Net.close()`` (also run at exit) ends every
process inside and removes every namespace; what an earlier run left because it was killed is swept at the start.
Does not know DHCP. Needs root.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import itertools
import os
import re
import shlex
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_NETNS = Path("/run/netns")
_serial = itertools.count()
_setns_lock = threading.Lock()

T = TypeVar("T")


class LabError(AssertionError):
    """The test bed could not do what it was told, or a condition did not come true in time."""


def wait_for(what: str, probe: Callable[[], T], timeout: float = 10, every: float = 0.05) -> T:
    """Call ``probe`` until it returns something true, and return that; LabError after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise LabError(f"not within {timeout:g} s: {what} (last seen: {value!r})")
        time.sleep(every)


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def system(*command: str, check: bool = True, timeout: float = 30, text: str | None = None) -> str:
    """Run a command to its end and return its standard output; LabError with its output if it fails."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode:
        raise LabError(f"{shlex.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Process:
    """A program running in a namespace, in a process group of its own, its output in a file."""

    def __init__(self, command: Sequence[str], log: Path, env: dict[str, str] | None = None) -> None:
        self.command = list(command)
        self.log = log
        with log.open("ab") as out:
            self.popen = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True, preexec_fn=_die_with_parent, env={**os.environ, **(env or {})},
            )  # fmt: skip
        self.pid = self.popen.pid

    def alive(self) -> bool:
        """Return whether it still runs. Does not reap it, so that its process group keeps its number."""
        if self.popen.returncode is not None:
            return False
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def output(self) -> str:
        """Return all that it printed so far."""
        return self.log.read_text(errors="replace")

    def signal(self, number: int) -> None:
        """Send a signal to the process itself, not to its children."""
        self.popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL the whole group at once, children included, and reap it. Harmless when repeated."""
        if self.popen.returncode is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.popen.wait(10)

    def stop(self, timeout: float = 15) -> int:
        """SIGTERM, wait for the end (LabError after ``timeout`` seconds), return the exit status."""
        if self.alive():
            self.popen.send_signal(signal.SIGTERM)
        try:
            wait_for(f"{shlex.join(self.command)} ends after SIGTERM", lambda: not self.alive(), timeout)
        finally:
            self.kill()
        return self.popen.returncode


class Namespace:
    """One network namespace."""

    def __init__(self, net: Net, name: str) -> None:
        self.net = net
        self.short = name
        self.name = f"{net.prefix}{name}"
        system("ip", "netns", "add", self.name)
        self.ip("link set lo up")

    def ip(self, arguments: str) -> str:
        """Run ``ip`` inside; ``arguments`` are split on blanks."""
        return system("ip", "-n", self.name, *arguments.split())

    def run(self, *command: str, check: bool = True, timeout: float = 30, text: str | None = None) -> str:
        """Run a command inside to its end; its standard output."""
        return system("ip", "netns", "exec", self.name, *command, check=check, timeout=timeout, text=text)

    def start(self, *command: str, name: str = "", env: dict[str, str] | None = None) -> Process:
        """Start a program inside. Its process id is the program's own."""
        log = self.net.directory / f"{self.short}-{name or Path(command[0]).name}-{next(_serial)}.log"
        process = Process(["ip", "netns", "exec", self.name, *command], log, env)
        self.net.processes.append(process)
        return process

    def nft(self, rules: str) -> None:
        """Load an nftables script inside."""
        system("ip", "netns", "exec", self.name, "nft", "-f", "-", text=rules)

    def block(
        self, label: str, output: Sequence[str] = (), input: Sequence[str] = (), forward: Sequence[str] = (),
        family: str = "inet",
    ) -> None:  # fmt: skip
        """Drop what matches these nftables expressions, until ``unblock(label)``. A switch's family is "bridge"."""
        lines = [f"table {family} {label} {{"]
        for hook, matches in (("output", output), ("input", input), ("forward", forward)):
            lines.append(f"chain {hook} {{ type filter hook {hook} priority 0; policy accept;")
            lines += [f"{match} counter drop;" for match in matches]
            lines.append("}")
        self.nft("\n".join([*lines, "}"]))

    def unblock(self, label: str, family: str = "inet") -> None:
        """Take the filter ``label`` away."""
        self.nft(f"delete table {family} {label}")

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """Return a socket that lives in this namespace (the calling process stays where it is)."""
        with _setns_lock, open("/proc/thread-self/ns/net") as home, open(_NETNS / self.name) as there:
            if _libc.setns(there.fileno(), _CLONE_NEWNET):
                raise LabError(f"setns {self.name}: errno {ctypes.get_errno()}")
            try:
                return socket.socket(family, kind, protocol)
            finally:
                if _libc.setns(home.fileno(), _CLONE_NEWNET):
                    raise LabError(f"setns back: errno {ctypes.get_errno()}")

    def hardware(self, interface: str) -> bytes:
        """Return the hardware address of an interface."""
        found = re.search(r"link/ether (\S+)", self.ip(f"link show {interface}"))
        if found is None:
            raise LabError(f"{self.name}: {interface} has no hardware address")
        return bytes.fromhex(found[1].replace(":", ""))

    def addresses(self, interface: str) -> list[str]:
        """Return the IPv4 addresses of an interface."""
        return re.findall(r"inet ([\d.]+)", self.ip(f"-4 addr show {interface}"))


class Net:
    """All namespaces, links and processes of one test bed. A context manager; ``close()`` always cleans up."""

    def __init__(self, label: str = "") -> None:
        sweep()
        self.prefix = f"tandem-{os.getpid()}-{next(_serial)}{label}-"
        self._temporary = tempfile.TemporaryDirectory(prefix="tandem-lab-", ignore_cleanup_errors=True)
        self.directory = Path(self._temporary.name)
        self.namespaces: list[Namespace] = []
        self.processes: list[Process] = []
        self.undo: list[Callable[[], object]] = []
        self._links = itertools.count()
        atexit.register(self.close)

    def __enter__(self) -> Net:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def namespace(self, name: str) -> Namespace:
        """Make a namespace."""
        made = Namespace(self, name)
        self.namespaces.append(made)
        return made

    def link(self, a: Namespace, a_name: str, b: Namespace, b_name: str) -> None:
        """Join two namespaces by a veth pair; both ends up."""
        system("ip", "link", "add", a_name, "netns", a.name, "type", "veth",
               "peer", "name", b_name, "netns", b.name)  # fmt: skip
        a.ip(f"link set {a_name} up")
        b.ip(f"link set {b_name} up")

    def bridge(self, name: str) -> Namespace:
        """Make a namespace that is a switch: ``plug`` joins others to it."""
        switch = self.namespace(name)
        switch.ip("link add br0 type bridge")
        switch.ip("link set br0 up")
        return switch

    def plug(self, switch: Namespace, host: Namespace, interface: str, address: str = "") -> str:
        """Join ``host`` to a switch by a new interface; return the name of the port on the switch's side."""
        port = f"p{next(self._links)}"
        self.link(host, interface, switch, port)
        switch.ip(f"link set {port} master br0")
        if address:
            host.ip(f"addr add {address} brd + dev {interface}")
        return port

    def close(self) -> None:
        """End every process inside, remove every namespace and temporary file. Harmless when repeated."""
        atexit.unregister(self.close)
        for process in reversed(self.processes):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.kill()
        for action in reversed(self.undo):
            action()
        for namespace in reversed(self.namespaces):
            _remove(namespace.name)
        self.processes.clear()
        self.undo.clear()
        self.namespaces.clear()
        self._temporary.cleanup()


def _remove(name: str) -> None:
    """Kill all that runs in a namespace (daemons that left their group too) and delete it."""
    for pid in system("ip", "netns", "pids", name, check=False).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    wait_for(f"{name} empty", lambda: not system("ip", "netns", "pids", name, check=False).split())
    system("ip", "netns", "del", name, check=False)


def sweep() -> None:
    """Remove the namespaces of earlier runs whose process is gone."""
    if not _NETNS.is_dir():
        return
    for entry in sorted(_NETNS.iterdir()):
        found = re.match(r"tandem-(\d+)-", entry.name)
        if found and not Path(f"/proc/{found[1]}").exists():
            _remove(entry.name)
