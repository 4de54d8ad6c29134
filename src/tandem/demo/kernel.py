"""The few system calls that Python 3.11 has no function for: network namespaces, and dying with one's parent.

A namespace here has no name and no process: it lives as long as its file descriptor is open, so that nothing
of it can be left behind. The calling process never enters one: a short-lived thread or a child does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1

T = TypeVar("T")


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent is gone. For ``preexec_fn``."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _in_thread(work: Callable[[], T]) -> T:
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


class Namespace:
    """A network namespace with nothing in it but a loopback interface, which is up."""

    def __init__(self) -> None:
        """Make it. Raises OSError where that is forbidden."""
        self.fd = _in_thread(self._make)
        self.ip("link set lo up")

    @staticmethod
    def _make() -> int:
        _check(_LIBC.unshare(_CLONE_NEWNET), "unshare")
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def enter(self) -> None:
        """Move a child that is about to run a program here; the child dies with its parent. For ``preexec_fn``."""
        die_with_parent()
        _check(_LIBC.setns(self.fd, _CLONE_NEWNET), "setns")

    def ip(self, *commands: str, into: Namespace | None = None) -> None:
        """Run commands of ``ip`` here. ``{into}`` in a command stands for another namespace. Raises OSError."""
        fd = into.fd if into is not None else self.fd
        batch = "".join(command.format(into=f"/proc/self/fd/{fd}") + "\n" for command in commands)
        done = subprocess.run(
            ["ip", "-batch", "-"], input=batch, text=True, capture_output=True, check=False, timeout=20,
            preexec_fn=self.enter, pass_fds=[fd],
        )  # fmt: skip
        if done.returncode:
            raise OSError(f"ip failed: {done.stderr.strip()} in:\n{batch}")

    def packet_socket(self, interface: str, protocol: int) -> socket.socket:
        """Return a non-blocking socket for whole frames of an Ethernet ``protocol`` on ``interface``."""

        def make() -> socket.socket:
            _check(_LIBC.setns(self.fd, _CLONE_NEWNET), "setns")
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(protocol))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
            made.bind((interface, protocol))
            return made

        return _in_thread(make)
