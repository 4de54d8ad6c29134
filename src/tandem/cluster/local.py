"""``tandem local``: a local cluster in the foreground: management plane, REST API, and the DHCP server as a child.

Source: SYSTEM S7; DESIGN, "Processes".
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import getpass
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tandem.base.errors import CommandError
from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.cluster import certificates
from tandem.cluster import commands as _commands  # noqa: F401  fills the registry
from tandem.cluster.accounts import has_superuser, set_administrator
from tandem.cluster.certificates import TlsFiles
from tandem.cluster.counters import keep_samples
from tandem.cluster.database import Database
from tandem.cluster.log import ClusterLog
from tandem.cluster.manager import Manager
from tandem.cluster.pair_drift import watch_drift
from tandem.cluster.partners import make_failover_certificate
from tandem.cluster.supervisor import ControlSocket, Supervisor
from tandem.config.access import SUPERUSER

API_PORT = 1234
_START_TIMEOUT_S = 30.0
OwnAddresses = Callable[[], list[int]]


@dataclass(slots=True)
class Options:
    """What the command line of ``tandem local`` says."""

    data: Path
    address: int
    dhcp_port: int
    failover_port: int
    api_port: int
    """0: none, with an inherited socket."""
    interfaces: list[str]
    name: str
    admin_password: str | None
    api_socket_fd: int | None
    tls: bool = True
    tls_files: TlsFiles | None = None
    """The operator's own certificate and key for the API; None: self-made ones."""
    stopped: bool = False
    """Whether the DHCP server waits for 'dhcp start'."""


class NotReady(Exception):
    """The cluster cannot start; the text says why and what to do."""


def parse(argv: list[str]) -> Options:
    """Return the options of a command line; leaves the program with usage on a wrong one."""
    parser = argparse.ArgumentParser(
        prog="tandem local",
        description="Run a local cluster in the foreground: a DHCP server, its configuration, and the API that nrcmd "
        "and browsers use, over TLS with a certificate of its own making or with yours.",
    )
    add = parser.add_argument
    add("--data", metavar="DIR", type=Path, required=True, help="where everything is kept; made when missing")
    add("--address", metavar="A", required=True, help="IPv4 address of this server: for failover and for the API")
    add("--dhcp-port", metavar="N", type=int, default=67, help="UDP port of the DHCP server (default 67)")
    add("--failover-port", metavar="N", type=int, default=647, help="TCP port of failover, both ends (default 647)")
    add("--api-port", metavar="N", type=int, help="TCP port of the API (default 1234)")
    add(
        "--interface",
        metavar="X",
        action="append",
        default=[],
        help="serve clients on this interface (repeatable; default: all)",
    )
    add("--name", metavar="NAME", default=socket.gethostname(), help="name in the logs (default: the host's name)")
    add(
        "--admin-password",
        metavar="P",
        default=os.environ.get("TANDEM_ADMIN_PASSWORD") or None,
        help="password of administrator 'admin'; other users of this machine can see it here, so prefer the "
        "environment variable TANDEM_ADMIN_PASSWORD. Needed once; given again, it replaces the password",
    )
    add("--tls-cert", metavar="FILE", type=Path, help="certificate of the API (PEM, with those that signed it); "
        "default: one that is made at the first start, DIR/ccm/api.pem")  # fmt: skip
    add("--tls-key", metavar="FILE", type=Path, help="its key (PEM, not encrypted; default: in the same file)")
    add("--no-tls", action="store_true", help="serve the API in plain HTTP: passwords can be read on the way. For "
        "loopback addresses, or behind a proxy on the same machine that does TLS")  # fmt: skip
    add("--api-socket-fd", metavar="N", type=int, help="serve the API on this inherited listening "
        "socket; with --api-port, on the address and that port as well")  # fmt: skip
    add(
        "--stopped",
        action="store_true",
        help="do not start the DHCP server before 'dhcp start': to set failover-recover after a restored backup",
    )
    args = parser.parse_args(argv)
    try:
        address = parse_ipv4(args.address)
    except ValueError as error:
        parser.error(f"--address: {error}")
    if not args.name or "/" in args.name or not args.name.isprintable():
        parser.error(f"--name: {args.name!r} cannot name log files; write letters, digits, hyphens")
    if args.api_port is None:
        args.api_port = 0 if args.api_socket_fd is not None else API_PORT
    ports = ["dhcp_port", "failover_port", *(["api_port"] if args.api_port or args.api_socket_fd is None else [])]
    for option in ports:
        if not 0 < getattr(args, option) < 65536:
            parser.error(f"--{option.replace('_', '-')}: write a port number, 1 to 65535")
    if (args.tls_key and not args.tls_cert) or (args.tls_cert and args.no_tls):
        parser.error("give --tls-cert with --tls-key, or neither; and --no-tls without them")
    return Options(
        tls=not args.no_tls,
        tls_files=TlsFiles(args.tls_cert, args.tls_key or args.tls_cert) if args.tls_cert else None,
        data=args.data.absolute(),
        address=address,
        dhcp_port=args.dhcp_port,
        failover_port=args.failover_port,
        api_port=args.api_port,
        interfaces=args.interface,
        name=args.name,
        admin_password=args.admin_password,
        api_socket_fd=args.api_socket_fd,
        stopped=args.stopped,
    )


def server_command(options: Options) -> list[str]:
    """Return the command line of the DHCP server process."""
    command = [sys.executable, "-m", "tandem", "dhcp-server", "--data", str(options.data)]
    command += ["--address", format_ipv4(options.address), "--name", options.name]
    command += ["--dhcp-port", str(options.dhcp_port), "--failover-port", str(options.failover_port)]
    for interface in options.interfaces:
        command += ["--interface", interface]
    return command


def build(options: Options, own_addresses: OwnAddresses) -> Manager:
    """Open the database and the log and put the management plane together; nothing runs yet."""
    logs = options.data / "logs"
    log = ClusterLog(logs / f"{options.name}_ccm_1_log", options.name)
    server_log = logs / f"{options.name}_dhcp_1_log"
    control = ControlSocket(options.data / "dhcp" / "control.sock", server_log)
    supervisor = Supervisor(server_command(options), control, log)
    database = Database(options.data / "ccm" / "ccm.db")
    return Manager(options.name, options.address, database, control, supervisor, log, server_log, own_addresses)


@contextlib.contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """Hold the data directory for this process. Raises NotReady when another one has it."""
    data.mkdir(parents=True, exist_ok=True)
    with open(data / "lock", "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotReady(f"another cluster is using {data}; stop it, or give another --data") from None
        yield


def _ensure_administrator(database: Database, given: str | None) -> None:
    """See to it that administrator 'admin' can log in. Raises NotReady when there is no password for it."""
    if given is None and not has_superuser(database.document):
        if not sys.stdin.isatty():
            raise NotReady(
                "the first start needs a password for administrator 'admin': "
                "set TANDEM_ADMIN_PASSWORD, or give --admin-password"
            )
        given = getpass.getpass("Choose a password for administrator 'admin': ")
        if given != getpass.getpass("Again: "):
            raise NotReady("the two passwords differ; start again")
    if given is not None:
        set_administrator(database, "admin", given, [SUPERUSER])


def _api_sockets(options: Options) -> list[socket.socket]:
    """Return where the API is served. Raises NotReady."""
    inherited = []
    if options.api_socket_fd is not None:
        try:
            inherited.append(socket.socket(fileno=options.api_socket_fd))
        except OSError as error:
            raise NotReady(f"--api-socket-fd {options.api_socket_fd} is not a socket: {error}") from None
        if not options.api_port:
            return inherited
    # The protocol is named because asyncio switches Nagle's delay off only where it is: 40 ms a command.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    address = format_ipv4(options.address)
    try:
        listener.bind((address, options.api_port))
    except OSError as error:
        listener.close()
        raise NotReady(
            f"the API cannot use {address}:{options.api_port}: {error.strerror}; give another --api-port, "
            "or an --address of this machine"
        ) from None
    return [*inherited, listener]


def _api_tls(options: Options, manager: Manager) -> TlsFiles | None:
    """Return what the API's connections are secured with, None for plain ones. Raises NotReady, OSError."""
    address = format_ipv4(options.address)
    if not options.tls:
        if not address.startswith("127."):
            warning = f"--no-tls: whoever can listen on the way to {address} reads administrators' passwords"
            print(f"tandem: WARNING: {warning}", file=sys.stderr, flush=True)
            manager.log.note("Warning", "Server", 60016, warning)
        return None
    files = options.tls_files
    if files is None:
        path = options.data / "ccm" / "api.pem"
        if not path.exists():
            hosts = ["localhost", *(name for name in [socket.gethostname()] if name.isascii())]
            certificates.make(path, f"{options.name} cluster", hosts, [options.address, 0x7F000001])
        files = TlsFiles(path, path)
    why = files.load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    if why is not None:
        cure = "write another --tls-cert and --tls-key" if options.tls_files else "delete it: a new one is made"
        raise NotReady(f"{files.certificate} cannot be used for the API ({why}); {cure}")
    return files


class Api(Protocol):
    """What serves operators; ``control.rest`` has it."""

    def start(self) -> None:
        """Begin to serve."""

    async def stop(self) -> None:
        """Finish what is under way and close."""


MakeApi = Callable[[Manager, socket.socket, TlsFiles | None], Api]


async def serve(options: Options, make_api: MakeApi, own_addresses: OwnAddresses) -> None:
    """Run the cluster until SIGTERM or SIGINT. Raises NotReady, CommandError."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    manager = build(options, own_addresses)
    try:
        _ensure_administrator(manager.database, options.admin_password)
        listeners = _api_sockets(options)
        host, port = listeners[0].getsockname()[:2]
        tls = manager.api_tls = _api_tls(options, manager)
        url, shown = f"{'http' if tls is None else 'https'}://{host}:{port}", ""
        if tls is not None:
            shown = certificates.fingerprint(certificates.read(tls.certificate))
            manager.log.note("Info", "Server", 60017, f"The API's certificate is {tls.certificate}, {shown}")
        apis = [make_api(manager, listener, tls) for listener in listeners]
        for api in apis:
            api.start()
        if not manager.failover_certificate.exists():
            make_failover_certificate(manager.failover_certificate, options.name)
        if not options.stopped:
            manager.supervisor.start()
        watching = asyncio.create_task(manager.watch.run())
        counting = asyncio.create_task(keep_samples(manager))
        announcing = asyncio.create_task(_announce(manager, options, url, shown))
        comparing = asyncio.create_task(watch_drift(manager))
        await stop.wait()
        manager.closing.set()
        announcing.cancel()
        watching.cancel()
        counting.cancel()
        comparing.cancel()
        await asyncio.gather(*(api.stop() for api in apis), manager.supervisor.stop())
    finally:
        manager.watch.close()
        manager.database.close()
        manager.log.close()


async def _announce(manager: Manager, options: Options, api: str, fingerprint: str) -> None:
    """Say on standard output that everything runs that should, once it does."""
    if options.stopped:
        print(f"ready: api {api}, dhcp stopped", flush=True)
        _say_fingerprint(fingerprint)
        return
    address = format_ipv4(options.address)
    while True:
        try:
            await manager.supervisor.ready(_START_TIMEOUT_S)
            break
        except CommandError as error:
            print(f"tandem: {error}; the API is up and waits for it", file=sys.stderr, flush=True)
    print(
        f"ready: api {api}, dhcp {address}:{options.dhcp_port}, failover {address}:{options.failover_port}", flush=True
    )
    _say_fingerprint(fingerprint)


def _say_fingerprint(fingerprint: str) -> None:
    if fingerprint:
        print(f"fingerprint of the API's certificate: {fingerprint}", flush=True)


def main(argv: list[str], make_api: MakeApi, own_addresses: OwnAddresses) -> int:
    """Run ``tandem local``; return its exit status. ``own_addresses`` returns the addresses of this machine."""
    options = parse(argv)
    try:
        with _only_one(options.data):
            asyncio.run(serve(options, make_api, own_addresses))
    except (NotReady, CommandError, OSError) as error:
        print(f"tandem: {error}", file=sys.stderr)
        return 1
    return 0
