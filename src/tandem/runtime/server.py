"""``tandem dhcp-server``: the DHCP server process, from the command line to the exit status.

Started and watched by the local cluster (``tandem local``), which asks it things over its control socket. Ends on
SIGTERM, SIGINT or operation ``stop``. Exit status: 0 ended as asked, 1 could not start or go on, 2 wrong command
line, 3 the saved configuration is invalid, 4 the lease database is damaged.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from tandem.base.ipv4 import parse_ipv4
from tandem.runtime.control import Control
from tandem.runtime.failure import RUNTIME, CannotRun
from tandem.runtime.log import Log
from tandem.runtime.operations import Operations
from tandem.runtime.running import Options, Running
from tandem.runtime.store import hold

_SWITCH_S = 0.0005
"""How long the main thread may keep the interpreter from the thread that writes leases."""


def parse(argv: list[str]) -> Options:
    """Return the options of a command line; leaves the program with usage and status 2 on a wrong one."""
    parser = argparse.ArgumentParser(prog="tandem dhcp-server", description="Run a DHCP server in the foreground.")
    add = parser.add_argument
    add("--data", metavar="DIR", type=Path, required=True, help="where leases, configuration and logs are kept")
    add("--address", metavar="A", required=True, help="IPv4 address of this server, for failover; in 127/8 and without "
        "--interface it also serves relayed clients there")  # fmt: skip
    add("--name", metavar="NAME", required=True, help="name in the log")
    add("--dhcp-port", metavar="N", type=int, default=67, help="UDP port (default 67)")
    add("--failover-port", metavar="N", type=int, default=647, help="TCP port of failover, both ends (default 647)")
    add("--interface", metavar="X", action="append", default=[], help="serve clients on this interface (repeatable; "
        "default: all that can broadcast)")  # fmt: skip
    args = parser.parse_args(argv)
    try:
        address = parse_ipv4(args.address)
    except ValueError as error:
        parser.error(f"--address: {error}")
    for option in ("dhcp_port", "failover_port"):
        if not 0 < getattr(args, option) < 65536:
            parser.error(f"--{option.replace('_', '-')}: write a port number, 1 to 65535")
    if not args.name or "/" in args.name or not args.name.isprintable():
        parser.error(f"--name: {args.name!r} is no name for a log (letters, digits, hyphens)")
    return Options(
        args.data.absolute(), address, args.name, args.dhcp_port, args.failover_port, args.interface
    )  # fmt: skip


async def serve(options: Options, log: Log) -> None:
    """Run a server until it is told to end. Raises CannotRun."""
    events = asyncio.get_running_loop()
    log.gather(events.call_later)
    server = Running(options, log)
    for number in (signal.SIGTERM, signal.SIGINT):
        events.add_signal_handler(number, server.ending.set)
    control = Control(options.directory / "control.sock", Operations(server, server.ending.set).table())
    await server.start()
    await control.listen()
    await server.ending.wait()
    await control.close()
    clean = await server.finish()
    if not clean:
        raise CannotRun(RUNTIME, server.failure or "the last changes could not be written to the lease database")
    log.note("Info", "Server", 60108, "Server stopped")


def main(argv: list[str]) -> int:
    """Run ``tandem dhcp-server``; return its exit status."""
    options = parse(argv)
    sys.setswitchinterval(_SWITCH_S)
    try:
        with hold(options.directory):
            try:
                log = Log(options.data / "logs" / f"{options.name}_dhcp_1_log", options.name)
            except OSError as error:
                raise CannotRun(RUNTIME, f"{error.filename} cannot be written: {error.strerror}") from None
            try:
                asyncio.run(serve(options, log))
            except CannotRun as error:
                log.note("Error", "Server", 60109, f"Server ended: {error}")
                raise
            finally:
                log.close()
    except CannotRun as error:
        print(f"tandem dhcp-server: {error}", file=sys.stderr, flush=True)
        return error.status
    return 0
