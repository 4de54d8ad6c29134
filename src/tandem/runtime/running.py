"""A DHCP server that runs: a node with its database, sockets, clock and log, put together.

Knows the order in which things open and close. Does not know the command line (``server``) nor the control
socket's operations (``operations``).
"""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tandem.base.errors import CommandError
from tandem.base.io import ConnectFailed, Datagram, Input, LinkUp
from tandem.base.ipv4 import format_ipv4
from tandem.config.compile import compile_config
from tandem.config.compiled import ServerConfig
from tandem.node.node import Node
from tandem.runtime import saved_config
from tandem.runtime.effects import Performer
from tandem.runtime.failure import CONFIG_INVALID, CannotRun
from tandem.runtime.history import FILE as HISTORY
from tandem.runtime.history import History, Recorder
from tandem.runtime.interfaces import own_addresses
from tandem.runtime.link import Links
from tandem.runtime.log import Log
from tandem.runtime.loop import Loop
from tandem.runtime.ping import Pinger
from tandem.runtime.poison import Poison
from tandem.runtime.store import FILE, Store
from tandem.runtime.tls import FILE as CERTIFICATE_FILE
from tandem.runtime.tls import Identity, Unusable
from tandem.runtime.udp import Udp
from tandem.runtime.writer import Writer

DURABLE_S = 8.0
"""How long an operation, or the end, waits for stable storage."""


@dataclass(slots=True)
class Options:
    """What a server is told when it is started."""

    data: Path
    address: int
    name: str
    dhcp_port: int = 67
    failover_port: int = 647
    interfaces: list[str] = field(default_factory=list)

    @property
    def directory(self) -> Path:
        """Where the server keeps its files."""
        return self.data / "dhcp"


def compile_document(
    options: Options, document: object, certificate: bytes = b""
) -> tuple[ServerConfig, list[str]]:  # fmt: skip
    """Return the configuration of a document and the warnings. Raises CommandError 316 listing all errors."""
    config, problems = compile_config(
        document, options.address, own=own_addresses(), failover_port=options.failover_port, certificate=certificate
    )
    if config is None:
        errors = "\n".join(problem.text for problem in problems if problem.fatal)
        raise CommandError(316, f"the configuration cannot work:\n{errors}")
    return config, [problem.text for problem in problems]


class Running:
    """All parts of a server. Made in the event loop; ``start`` begins to serve, ``finish`` ends."""

    def __init__(self, options: Options, log: Log) -> None:
        """Load everything. Raises CannotRun."""
        self.options = options
        self.log = log
        self.failure: str | None = None
        """Why the server must end at once, if it must."""
        self.ending = asyncio.Event()
        self._events = asyncio.get_running_loop()
        self._started_at = time.time()
        self._generation = 1
        self._stalled: str | None = None
        self._reloading = asyncio.Lock()
        self._serving = False
        identity = self._identity()
        try:
            config, warnings = compile_document(options, saved_config.read(options.directory), _shown(identity))
        except CommandError as error:
            raise CannotRun(
                CONFIG_INVALID, f"{options.directory / saved_config.FILE}: {error}; move it aside, start, and reload"
            ) from None
        self.node = self._load(config)
        self._writer = Writer(
            options.directory / FILE, self._events.call_soon_threadsafe, self._committed, self._trouble, self._broken
        )
        self._links = Links(options.address, options.failover_port, self._feed, self._congested, log.note)
        self._udp = Udp(options.address, options.dhcp_port, options.interfaces, self._feed, self._room, log.note)
        self.history = History(
            options.directory / HISTORY,
            lambda why: self._events.call_soon_threadsafe(log.note, "Warning", "Database", 60111, why),
        )
        saver = Recorder(self._writer.submit, self.history)
        self._pinger = Pinger(self._feed, log.note)
        self._performer = Performer(
            saver, self._udp.send, self._pinger.probe, self._links, log.note, time.monotonic
        )  # fmt: skip
        self._poison = Poison(options.directory, log.note, self._started_at)
        self.loop = Loop(self.node, self._performer, self._poison.died_of)
        self._configure(config, identity)
        for warning in warnings:
            log.note("Warning", "Configuration", 60102, warning)

    def _load(self, config: ServerConfig) -> Node:
        began = time.monotonic()
        gc.disable()
        store = Store(self.options.directory)
        try:
            node = Node(config, store.rows(), store.shares(), store.states(), time.time())
        except sqlite3.Error as error:
            raise store.refusal(error) from None
        finally:
            store.close()
            _settle_memory()
        took = time.monotonic() - began
        self.log.note("Info", "Database", 60101, f"Lease database {store.path} loaded in {took:.1f} s")
        return node

    def _identity(self) -> Identity | None:
        """Return this server's key and certificate for failover, or None when they cannot be used."""
        path = self.options.directory / CERTIFICATE_FILE
        try:
            return Identity(path)
        except Unusable as error:
            self.log.note("Info", "Failover", 60131, f"No TLS with partners: {path}: {error}")
            return None

    def _configure(self, config: ServerConfig, identity: Identity | None) -> None:
        self._performer.max_responses = config.max_responses
        self._links.configure((endpoint.peer for endpoint in config.endpoints), identity)
        self.log.configure(config.log_settings)
        self._pinger.configure(any(scope.probe_ms for scope in config.scopes))
        self.history.keep_s = config.history_s

    # --- life -------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the sockets and begin to serve. Raises CannotRun."""
        self._events.set_exception_handler(self._unexpected)
        self._writer.start()
        await self._links.listen(endpoint.local for endpoint in self.node.config.endpoints)
        self._udp.open()
        self.loop.command(self.node.start)
        self._serving = True
        self.log.note("Info", "Server", 60100, f"Server started, process {os.getpid()}, address "
                      f"{format_ipv4(self.options.address)}, {len(self.node.config.scopes)} scopes")  # fmt: skip

    async def finish(self) -> bool:
        """End cleanly: partners are told, what was decided is written. Return whether that worked."""
        self._serving = False
        self._udp.close()
        self._pinger.close()
        if self.failure is None:
            self.loop.command(self.node.stop)
            try:
                await self.durable()
            except CommandError as error:
                self.failure = error.text
        await self._links.finish()
        self.loop.stop()
        self.history.close()
        written = self._writer.close(timeout_s=1 if self.failure else DURABLE_S)
        return written and self.failure is None

    async def durable(self) -> None:
        """Return when all decided so far is on stable storage and performed. Raises CommandError 501."""
        try:
            async with asyncio.timeout(DURABLE_S):
                await self._performer.settled()
        except TimeoutError:
            why = self._stalled or "it is very slow"
            raise CommandError(
                501, f"done, but not on disk yet: the lease database cannot be written ({why}); free space on the "
                f"disk of {self.options.directory}, it is tried again by itself"
            ) from None  # fmt: skip

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> None:
        """Return when inputs have made ``condition`` true, or the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pass

    async def reload(self, document: dict[str, object]) -> list[str]:
        """Run by another configuration; return warnings. Raises CommandError, which says what runs."""
        async with self._reloading:
            directory = self.options.directory
            identity = self._identity()
            config, warnings = await asyncio.to_thread(compile_document, self.options, document, _shown(identity))
            unsaved = f"the configuration cannot be saved in {directory} (free space there, or make it writable)"
            try:
                prepared = await asyncio.to_thread(saved_config.prepare, directory, document)
            except OSError as error:
                raise CommandError(501, f"{unsaved}, so it does not take effect: {error.strerror}") from None
            try:
                await self._links.listen(endpoint.local for endpoint in config.endpoints)
            except CannotRun as error:
                raise CommandError(501, f"the configuration does not take effect: {error}") from None
            self._configure(config, identity)
            self.loop.command(lambda now, out: self.node.reload(now, config, out))
            self._generation += 1
            self.log.note("Info", "Configuration", 60103, f"Configuration {self._generation} is in force")
            try:
                await asyncio.to_thread(saved_config.adopt, directory, prepared)
            except OSError as error:
                raise CommandError(501, f"{unsaved}; it is in force until the server ends: {error.strerror}") from None
            for warning in warnings:
                self.log.note("Warning", "Configuration", 60102, warning)
            await self.durable()
            return warnings

    # --- between the parts ------------------------------------------------------------------------------

    def _feed(self, events: list[Input]) -> None:
        if self._poison:
            events = self._harmless(events)
        self.loop.feed(events)

    def _harmless(self, events: list[Input]) -> list[Input]:
        """Return the inputs without those that the server is known to die of."""
        kept: list[Input] = []
        for event in events:
            if isinstance(event, Datagram) and self._poison.drops(event):
                continue
            if isinstance(event, LinkUp) and self._poison.keeps_off(time.time()):
                self._links.close(event.link)
                if not event.outgoing:
                    continue
                event = ConnectFailed(event.peer, "the partner is kept off")
            kept.append(event)
        return kept

    def _room(self) -> int:
        return self._performer.room()

    def _congested(self) -> bool:
        return self._performer.congested()

    def _committed(self, number: int) -> None:
        self._performer.committed(number)
        self._links.resume()

    def _trouble(self, why: str | None) -> None:
        """Writing has begun to fail, or works again."""
        self._stalled = why
        directory = self.options.directory
        if why is None:
            text = "The lease database can be written again; clients are answered."
            self.log.note("Info", "Database", 60104, text)
        else:
            text = f"The lease database cannot be written: {why}. No client is answered until it can be; "
            text += f"free space in {directory}, make it writable, end other programs that hold it. "
            text += "It is tried again by itself."
            self.log.note("Error", "Database", 60105, text)

    def _broken(self, why: str) -> None:
        """Writing will never work."""
        self._fail(f"the lease database {self.options.directory / FILE} failed for good: {why}; the server ends, and "
                   "checks it when it is started again")  # fmt: skip

    def _fail(self, why: str) -> None:
        if self.failure is None:
            self.failure = why
            self.log.note("Error", "Server", 60106, why)
            self.ending.set()

    def _unexpected(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """A callback raised. An operating system's error is passing; anything else is a defect: end, start afresh."""
        error = context.get("exception")
        if isinstance(error, OSError) or not isinstance(error, BaseException):
            self.log.note("Warning", "Server", 60107, f"{context.get('message')}: {error}")
            return
        trace = "".join(traceback.format_exception(error))
        self._fail(f"this is a defect of the server, which ends and should be started again: {trace}")

    # --- views ------------------------------------------------------------------------------------------

    def counters(self) -> dict[str, object]:
        """Return the counters of the sockets and the database."""
        writer, performer = self._writer, self._performer
        return {
            **{f"udp-{name}": value for name, value in self._udp.counters.items()},
            **{f"ping-{name}": value for name, value in self._pinger.counters.items()},
            **{f"link-{name}": value for name, value in self._links.counters.items()},
            "dropped-defect": self._poison.dropped,
            "history-left-out": self.history.left_out,
            "replies-held": performer.held_replies,
            "replies-stale": performer.stale_replies,
            "database-commits": writer.commits,
            "database-saves": writer.saves,
            "database-commit-ms-mean": round(writer.commit_s / max(writer.commits, 1) * 1000, 2),
            "database-commit-ms-max": round(writer.commit_s_max * 1000, 2),
        }

    def status(self) -> dict[str, object]:
        """Return how the server is."""
        return {
            "pid": os.getpid(),
            "name": self.options.name,
            "address": format_ipv4(self.options.address),
            "started": int(self._started_at),
            "configuration": self._generation,
            "serving": self._serving and self._stalled is None,
            "database": self._stalled or "OK",
            "counters": self.counters(),
        }


def _shown(identity: Identity | None) -> bytes:
    return b"" if identity is None else identity.certificate


def _settle_memory() -> None:
    """Keep the garbage collector away from the leases: a pass over a million of them would stop the server.

    Young objects are collected as usual; what was loaded is set aside for good.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 1_000_000)
    gc.enable()
