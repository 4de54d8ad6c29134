"""``tandem demo``: from the command line to the exit status.

This process prepares what has to be there before namespaces are entered (the listening sockets of the APIs, the
directory), starts the conductor, and sees to it that nothing is left behind however it ends:

- on Ctrl-C, SIGTERM or SIGHUP it closes a pipe, and the conductor ends everything in good order;
- if it is killed, the kernel kills the conductor (and with it all processes: they are in one process namespace, or
  each is set to die with its parent), and network namespaces end with the last process that has them open;
- a shell that only waits for the end of both then removes the directory.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tandem.demo.conductor import INTERRUPTED, Orders
from tandem.demo.kernel import die_with_parent

_UNSHARE = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
_LINKS = "ip link add name v0 type veth peer name v1 && ip link add name br0 type bridge"
_PROBE = [*_UNSHARE, "--net", "sh", "-c", _LINKS]
_API_PORTS = (1234, 1235)
_PATIENCE_S = 15
"""How long the conductor may take to end."""
_JANITOR = 'read -r _; for _ in 1 2 3 4 5 6 7 8 9; do rm -rf -- "$1" && exit; sleep 0.2; done'


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the options of a command line; leaves the program with usage on a wrong one."""
    parser = argparse.ArgumentParser(
        prog="tandem demo",
        description="Run a failover pair with a few hundred clients and play a story of faults, in under two minutes "
        "and without root. Exit status 0: no address was held twice and no renewal failed.",
    )
    add = parser.add_argument
    add("--stay", action="store_true", help="stay up when the story is over, and say how to connect with nrcmd")
    add("--plain", action="store_true", help="print lines instead of a live view, as without a terminal")
    add("--loopback", action="store_true", help="use loopback and unprivileged ports even where namespaces are allowed")
    return parser.parse_args(argv)


def namespaces_allowed() -> bool:
    """Return whether this process may make the namespaces and links that a LAN takes."""
    try:
        return subprocess.run(_PROBE, capture_output=True, check=False, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _api_socket(port: int) -> socket.socket:
    """Return a listening socket on 127.0.0.1: on ``port`` or, if that is taken, on any."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(("127.0.0.1", port))
    except OSError:
        made.bind(("127.0.0.1", 0))
    made.listen(64)
    return made


@contextmanager
def _directory() -> Iterator[tuple[str, int]]:
    """Yield a temporary directory and a descriptor: when all copies of that are closed, the directory is removed."""
    path = tempfile.mkdtemp(prefix="tandem-demo-")
    end, ours = os.pipe()
    janitor = subprocess.Popen(
        ["sh", "-c", _JANITOR, "tandem-demo-janitor", path], stdin=end, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True, cwd="/",
    )  # fmt: skip
    os.close(end)
    try:
        yield path, ours
    finally:
        os.close(ours)
        janitor.wait()


def _run(command: list[str], inherited: list[int], life: int) -> int:
    """Run the conductor and return its exit status; a signal to this process ends it first, by closing ``life``."""
    ending: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def end(number: int, frame: FrameType | None) -> None:
        if not ending:
            ending.append(number)
            os.close(life)
            signal.alarm(_PATIENCE_S)

    def give_up(number: int, frame: FrameType | None) -> None:
        if process is not None:
            process.kill()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    signal.signal(signal.SIGALRM, give_up)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=inherited, preexec_fn=die_with_parent)
    status = process.wait()
    if ending and status == INTERRUPTED:
        return 128 + ending[0]
    return status if status >= 0 else 1


def main(argv: list[str]) -> int:
    """Run the demonstration; return its exit status."""
    options = parse(argv)
    loopback = options.loopback or not namespaces_allowed()
    with _directory() as (path, janitor):
        apis = [_api_socket(port) for port in _API_PORTS]
        conductors_life, life = os.pipe()
        orders = Orders(
            directory=path,
            life_fd=conductors_life,
            api_fds=[api.fileno() for api in apis],
            api_ports=[api.getsockname()[1] for api in apis],
            password=secrets.token_hex(8),
            loopback=loopback,
            plain=options.plain,
            stay=options.stay,
        )
        command = [] if loopback else _UNSHARE
        command = [*command, sys.executable, "-m", "tandem.demo.conductor", orders.text()]
        return _run(command, [conductors_life, janitor, *orders.api_fds], life)
