"""TCP between servers: ordered byte streams that can be slow, stall, be cut, be reset, or be half open.

A connection has two pipes. A pipe delivers its chunks in order; while the path is cut they wait (TCP sends again),
and after some minutes it dies. An end whose machine lost power says nothing; an end that is gone answers data with
a reset. TLS is a greeting of each end, the client's first; what comes instead of it ends the connection, and nothing is
sent before it is through. Behaves towards the node as ``runtime.link`` does. Does not know what the bytes mean.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Protocol

from tandem.base.io import ConnectFailed, Input, LinkData, LinkDown, LinkUp, TlsUp
from tandem.sim.world import World

CONNECT_S = 5.0
DEAD_S = 400.0
"""After how long TCP gives up data that is not acknowledged."""
SEND_BYTES_MAX = 8 * 1024 * 1024
_CHUNK = 1448
_SLOW_S, _NARROW = 0.1, 1e5
"""A way is slow, or narrow, beyond these seconds, or below these bytes per second."""


class _Hello(bytes):
    """An end's part of a TLS handshake."""


_HELLO = _Hello(b"\x16")


class Host(Protocol):
    """What the network needs of a machine."""

    name: str
    address: int
    powered: bool

    @property
    def listening(self) -> bool:
        """Whether its server takes connections."""
        ...

    @property
    def congested(self) -> bool:
        """Whether its server does not read its partners now."""
        ...

    def feed(self, event: Input) -> None:
        """Give its server an input."""
        ...


class Path:
    """The way from one machine to another."""

    def __init__(self) -> None:
        self.cuts = 0
        """How many faults cut it now."""
        self.delay_s = 0.001
        self.bytes_per_s = 1e8
        self.stalled: list[Pipe] = []

    def take(self, delay_s: float, bytes_per_s: float) -> None:
        """Be so slow, and so narrow, from now on."""
        self.delay_s, self.bytes_per_s = delay_s, bytes_per_s


class End:
    """One machine's end of a connection."""

    def __init__(self, host: Host, number: int) -> None:
        self.host = host
        self.number = number
        self.open = True
        """Whether its server still uses it."""
        self.securing = False
        """Whether it waits for the other end's part of the TLS handshake."""
        self.tls_server = False
        self.silent = False
        """Whether its machine lost power with it: nobody answers for it."""


class Pipe:
    """One direction of a connection."""

    def __init__(self, wires: Wires, source: End, target: End) -> None:
        self.wires = wires
        self.source = source
        self.target = target
        self.path = wires.path(source.host, target.host)
        self.queue: deque[tuple[float, bytes | None]] = deque()
        """Chunks on their way, each with when it can be there at the earliest; None is the end of the stream."""
        self.waiting_bytes = 0
        self.back: Pipe
        """The other direction."""
        self._moving = False
        self._stalled_at = 0.0
        self._ready_at = self._free_at = 0.0

    def put(self, data: bytes | None) -> None:
        """Send bytes, or the end of the stream."""
        self._ready_at = max(
            self.wires.world.now + self.path.delay_s * self.wires.chance.uniform(0.8, 1.5), self._ready_at
        )  # fmt: skip
        self.queue.append((self._ready_at, data))
        self.wires.world.happened["slow link"] += self.path.delay_s > _SLOW_S or self.path.bytes_per_s < _NARROW
        if data is not None:
            self.waiting_bytes += len(data)
            if self.waiting_bytes > SEND_BYTES_MAX:
                self.wires.drop(self, "the partner does not read what it is sent")
                return
        self.move()

    def move(self) -> None:
        """Plan the arrival of the first chunk."""
        if self._moving or not self.queue:
            return
        self._moving = True
        ready_at, first = self.queue[0]
        world = self.wires.world
        self._free_at = max(ready_at, self._free_at, world.now)
        self._free_at += 0 if first is None else len(first) / self.path.bytes_per_s
        world.at(self._free_at, self._arrive)

    def _arrive(self) -> None:
        self._moving = False
        if not self.queue:
            return
        if self.path.cuts or not self.target.host.powered:
            if not self._stalled_at:
                self._stalled_at = self.wires.world.now
                if self.path.cuts:
                    self.wires.world.happened["full cut" if self.back.path.cuts else "one-way cut"] += 1
                self.path.stalled.append(self)
                self.wires.world.after(DEAD_S, self._give_up, self._stalled_at)
            return
        if self.target.host.congested and self.target.open:
            self.wires.world.after(0.05, self.move)
            return
        ready_at, chunk = self.queue.popleft()
        if chunk is not None:
            self.waiting_bytes -= len(chunk)
            if len(chunk) > _CHUNK or self.wires.chance.random() < 0.05:
                cut = self.wires.chance.randrange(1, min(len(chunk), _CHUNK) + 1)
                if cut < len(chunk):
                    self.queue.appendleft((ready_at, chunk[cut:]))
                    self.waiting_bytes += len(chunk) - cut
                    chunk = chunk[:cut]
        self.wires.arrived(self, chunk)
        self.move()

    def resume(self) -> None:
        """The path is whole again."""
        self._stalled_at = 0.0
        self.wires.world.after(self.wires.chance.uniform(0.1, 3.0), self.move)  # TCP tries again after a while

    def _give_up(self, since: float) -> None:
        if self._stalled_at == since:
            self.wires.drop(self, "Connection timed out")

    def clear(self) -> None:
        """Nothing more arrives."""
        self.queue.clear()
        self.waiting_bytes = 0


class Wires:
    """All connections between servers."""

    def __init__(self, world: World, chance: Random) -> None:
        self.world = world
        self.chance = chance
        self.hosts: dict[int, Host] = {}
        self._paths: dict[tuple[int, int], Path] = {}
        self._pipes: dict[int, Pipe] = {}
        """The pipe that leaves an end, by the end's number."""
        self._last = 0
        self._newest: dict[tuple[int, int], int] = {}
        """The number of the latest connection from one machine to another."""
        self.bytes = 0
        """How many bytes arrived."""

    def path(self, source: Host, target: Host) -> Path:
        """Return the way from ``source`` to ``target``."""
        return self.path_between(source.address, target.address)

    def path_between(self, source: int, target: int) -> Path:
        """Return the way between two addresses."""
        return self._paths.setdefault((source, target), Path())

    def cut(self, source: int, target: int, by: int) -> None:
        """Cut the way (``by`` 1) or take one cut off it (-1)."""
        path = self.path_between(source, target)
        path.cuts = max(path.cuts + by, 0)  # all may have been mended meanwhile
        if not path.cuts:
            stalled, path.stalled = path.stalled, []
            for pipe in stalled:
                pipe.resume()

    def mend(self) -> None:
        """All paths are whole and fast."""
        for (source, target), path in list(self._paths.items()):
            path.delay_s, path.bytes_per_s = 0.001, 1e8
            if path.cuts:
                self.cut(source, target, -path.cuts)

    def hurry(self, a: int, b: int) -> None:
        """The way between two machines is fast again."""
        for path in (self.path_between(a, b), self.path_between(b, a)):
            path.delay_s, path.bytes_per_s = 0.001, 1e8

    def connected(self, a: int, b: int) -> bool:
        """Whether packets go both ways."""
        return not (self.path_between(a, b).cuts or self.path_between(b, a).cuts)

    # --- what servers do --------------------------------------------------------------------------------

    def connect(self, caller: Host, peer: int, alive: Callable[[], bool]) -> None:
        """Open a connection. ``alive``: whether the caller's process is still the one that asked."""
        callee = self.hosts.get(peer)
        rtt = 2 * self.path_between(caller.address, peer).delay_s
        cut = not self.connected(caller.address, peer)
        self.world.happened["kept off"] += cut
        if callee is None or not callee.powered or cut:
            self.world.after(CONNECT_S, self._failed, caller, peer, "no answer within 5 s", alive)
        elif not callee.listening:
            self.world.after(rtt, self._failed, caller, peer, "Connection refused", alive)
        else:
            self.world.after(rtt, self._up, caller, callee, alive)

    def _failed(self, caller: Host, peer: int, why: str, alive: Callable[[], bool]) -> None:
        if alive():
            caller.feed(ConnectFailed(peer, why))

    def _up(self, caller: Host, callee: Host, alive: Callable[[], bool]) -> None:
        if not alive():
            return
        if not callee.listening or not callee.powered or not self.connected(caller.address, callee.address):
            caller.feed(ConnectFailed(callee.address, "Connection reset by peer"))
            return
        self._last += 2
        ours, theirs = End(caller, self._last), End(callee, self._last + 1)
        self._newest[caller.address, callee.address] = self._last
        there, back = Pipe(self, ours, theirs), Pipe(self, theirs, ours)
        there.back, back.back = back, there
        self._pipes[ours.number], self._pipes[theirs.number] = there, back
        callee.feed(LinkUp(theirs.number, caller.address, False))
        if alive():
            caller.feed(LinkUp(ours.number, callee.address, True))

    def send(self, number: int, data: bytes) -> None:
        """Send bytes on a connection, if it is still there."""
        pipe = self._pipes.get(number)
        if pipe is not None and pipe.source.open and not pipe.source.securing:
            pipe.put(data)

    def start_tls(self, number: int, server: bool) -> None:
        """Go over to TLS; TlsUp follows, or LinkDown."""
        pipe = self._pipes.get(number)
        if pipe is not None and pipe.source.open:
            pipe.source.securing, pipe.source.tls_server = True, server
            if not server:
                pipe.put(_HELLO)

    def close(self, number: int, why: str = "this server closed the connection") -> None:
        """Close: what was sent before goes out; the closing server hears LinkDown at once."""
        pipe = self._pipes.get(number)
        if pipe is not None and pipe.source.open:
            pipe.source.open = False
            pipe.put(None)
            self.world.after(0, self._tell, pipe.source, why)

    # --- what happens to them ---------------------------------------------------------------------------

    def _tell(self, end: End, why: str) -> None:
        self._pipes.pop(end.number, None)
        end.host.feed(LinkDown(end.number, why))

    def arrived(self, pipe: Pipe, chunk: bytes | None) -> None:
        """A chunk has arrived, or the end of the stream."""
        target = pipe.target
        first, last = sorted((pipe.source, target), key=lambda end: end.number)
        late = last.number < self._newest[first.host.address, last.host.address]
        self.world.happened["late data"] += late and chunk is not None
        if not target.open:
            if not target.silent or target.host.powered:  # nobody uses it there (any more): reset
                self._lose(pipe.source, "Connection reset by peer")
                pipe.clear()
        elif chunk is None:
            self._lose(target, "the partner closed the connection")
        elif target.securing or isinstance(chunk, _Hello):
            self._greeted(pipe, chunk)
        else:
            self.bytes += len(chunk)
            target.host.feed(LinkData(target.number, chunk))

    def _greeted(self, pipe: Pipe, chunk: bytes) -> None:
        """A part of a TLS handshake has arrived, or something has in its place."""
        target = pipe.target
        if not (target.securing and isinstance(chunk, _Hello)):
            self.drop(pipe.back, "TLS: wrong version number")
            return
        target.securing = False
        if target.tls_server:
            pipe.back.put(_HELLO)
        target.host.feed(TlsUp(target.number, "TLSv1.3"))

    def _lose(self, end: End, why: str) -> None:
        """An end learns that the connection is gone."""
        if end.open:
            end.open = False
            self._tell(end, why)

    def drop(self, pipe: Pipe, why: str) -> None:
        """The sender gives the connection up; the other side may hear of it (reset) or not (the path is cut)."""
        pipe.clear()
        self._lose(pipe.source, why)
        if not pipe.path.cuts and pipe.target.open and pipe.target.host.powered:
            pipe.back.clear()
            self._lose(pipe.target, "Connection reset by peer")

    def reset(self, a: int, b: int) -> None:
        """Reset all connections between two machines (a middlebox forgot them)."""
        for number in list(self._pipes):
            pipe = self._pipes.get(number)
            if pipe is not None and {pipe.source.host.address, pipe.target.host.address} == {a, b}:
                pipe.clear()
                self.world.happened["reset"] += 1
                self._lose(pipe.source, "Connection reset by peer")

    def died(self, host: Host, silently: bool) -> None:
        """A process (or, ``silently``, its whole machine) is gone."""
        for number in list(self._pipes):
            pipe = self._pipes.get(number)
            if pipe is None or pipe.source.host is not host or not pipe.source.open:
                continue
            pipe.source.open = False
            pipe.source.silent = silently
            del self._pipes[number]
            if silently:
                pipe.clear()
            else:
                pipe.put(None)  # the kernel sends what it has, then ends the stream

    def powered(self, host: Host) -> None:
        """A machine has power again: what waits for it is tried again."""
        for (_, target), path in self._paths.items():
            if target == host.address and not path.cuts:
                stalled, path.stalled = path.stalled, []
                for pipe in stalled:
                    pipe.resume()
