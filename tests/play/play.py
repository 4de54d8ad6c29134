"""Conversations with the DHCP service, as they are told: ``play >> what a client says << what it gets``.

``play >> message`` hands it to the server, ``play >> seconds`` lets time pass (offers and leases end), ``play <<
Saved(...)`` and ``play << Got(...)`` take the next effect and check what they name; ``play << silence`` checks that
nothing is left. Log lines are kept apart in ``play.notes``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

from tandem.base.io import Datagram, Effect, Interface, Note, Probe, Probed, Reply, SaveBinding
from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.base.ranges import RangeSet
from tandem.config.compiled import CompiledScope, EffectivePolicy, Network, Reservation, ServerConfig
from tandem.dhcp.lifecycle import expire
from tandem.dhcp.server import DhcpServer
from tandem.lease.binding import BACKUP, BY_THIS_SERVER, COLUMNS, FREE, Binding
from tandem.lease.book import Book
from tandem.lease.powers import ANSWER_ALL, ANSWER_NONE, ANSWER_RENEWALS, STANDALONE, Powers
from tandem.wire import dhcp
from tandem.wire.dhcp import Message

SERVER, OTHER_SERVER = parse_ipv4("192.168.50.2"), parse_ipv4("192.168.50.3")
LAN = Interface("lan", 1, SERVER)
NEVER = float("inf")
DAY = 86400
MCLT = 3600


def ip(last: int | str) -> int:
    """The address of a whole text, or of a last byte on the first LAN."""
    return parse_ipv4(last if isinstance(last, str) else f"192.168.50.{last}")


def four(number: int) -> bytes:
    return number.to_bytes(4, "big")


def scope(
    first: int | str = 10, last: int | str = 20, *, name: str = "lan", subnet: str = "192.168.50.0",
    mask: str = "255.255.255.0", reserve: dict[int, bytes] | None = None, endpoint: int = 0, policy: object = None,
    **more: Any,
) -> CompiledScope:  # fmt: skip
    """A scope of a few addresses; ``reserve`` maps addresses to client keys."""
    reserved = {address: Reservation(address, key) for address, key in (reserve or {}).items()}
    ranges = RangeSet([(ip(first), ip(last))])
    for address in reserved:
        ranges.discard(address)
    if policy is None:
        options = {3: four(ip(1)), 6: four(ip(1)), 15: b"example.org"}
        policy = EffectivePolicy(options, lease_s=3 * DAY, grace_s=300)
    assert isinstance(policy, EffectivePolicy)
    return CompiledScope(
        name, 0, parse_ipv4(subnet), parse_ipv4(mask), ranges, policy, {r.key: r for r in reserved.values()},
        reserved, endpoint=endpoint, **more,
    )  # fmt: skip


def lone(**changes: Any) -> EffectivePolicy:
    """A policy with a few changes."""
    base = EffectivePolicy({3: four(ip(1)), 6: four(ip(1)), 15: b"example.org"}, lease_s=3 * DAY, grace_s=300)
    return replace(base, **changes)


def normal_main() -> Powers:
    return Powers(ANSWER_ALL, FREE, NEVER, MCLT, "failover is in NORMAL state", connected=True, partner_tells=True)


def normal_backup() -> Powers:
    why = "failover is in NORMAL state, in which the main answers"
    return Powers(ANSWER_RENEWALS, BACKUP, NEVER, MCLT, why, connected=True, partner_tells=True)


def interrupted(own: int) -> Powers:
    return Powers(ANSWER_ALL, own, NEVER, MCLT, "failover is in COMMUNICATIONS-INTERRUPTED state")


def partner_down(own: int, other_from: float) -> Powers:
    return Powers(ANSWER_ALL, own, other_from, MCLT, "failover is in PARTNER-DOWN state")


def silent() -> Powers:
    return Powers(ANSWER_NONE, FREE, NEVER, MCLT, "failover is in RECOVER state")


class Got:
    """A reply: ``Got("OFFER", to="192.168.50.10", yiaddr=10, lease=3600)``."""

    def __init__(self, kind: str, **wanted: Any) -> None:
        self.kind = kind
        self.wanted = wanted


class Saved:
    """A binding that is stored: ``Saved(10, status=ACTIVE, expires=...)``."""

    def __init__(self, last: int | str, **wanted: Any) -> None:
        self.address = ip(last)
        self.wanted = wanted


class Pinged:
    """An address is asked for: ``Pinged(10)``; ``play >> Probed(ip(10), False)`` tells that nobody answers."""

    def __init__(self, last: int | str, wait_ms: int = 300) -> None:
        self.effect = Probe(ip(last), wait_ms)


class Silence:
    """Nothing (more) happens."""


silence = Silence()


class Play:
    """One server, its clients' words, and its answers."""

    def __init__(self, *scopes: CompiledScope, powers: Powers | None = None, together: bool = False, **settings: Any):
        mine = list(scopes) or [scope()]
        for i, one in enumerate(mine):
            one.index = i
        if powers is not None:
            for one in mine:
                one.endpoint = 1
        if together:
            networks = [Network(0, mine, mine[0].endpoint)]
        else:
            networks = [Network(i, [one], one.endpoint) for i, one in enumerate(mine)]
        self.config = ServerConfig(scopes=mine, networks=networks, **settings)
        self.book = Book(self.config)
        self.server = DhcpServer(self.config, self.book)
        self.now: float = 1_800_000_000
        self.queue: deque[Effect] = deque()
        self.notes: list[Note] = []
        self.last: Message | None = None
        if powers is not None:
            self.power(powers)

    @property
    def counters(self) -> dict[str, int]:
        return self.server.counters

    def power(self, powers: Powers) -> None:
        """The state of the pair changes."""
        self.server.set_powers([STANDALONE, powers])

    def record(self, last: int | str, status: int, client: Client | None = None, expires_in: int = 0) -> Binding:
        """Put a binding into the book, as a partner or the past would have."""
        address = ip(last)
        where = self.book.scope_at(address)
        assert where is not None
        binding = self.book.record(address, where)
        if client is not None:
            self.book.set_client(binding, client.hardware, client.client_id)
        binding.expires = int(self.now) + expires_in
        binding.last_transaction = int(self.now)
        binding.granted_by = BY_THIS_SERVER
        self.book.set_status(binding, status, int(self.now))
        return binding

    def __rshift__(self, said: Message | bytes | Datagram | Probed | float) -> Play:
        out: list[Effect] = []
        if isinstance(said, int | float):
            self._wait(said)
            return self
        if isinstance(said, Probed):
            self.server.probed(self.now, said, out)
            self._take(out)
            return self
        if isinstance(said, Message):
            source, port = said.giaddr or said.ciaddr, 67 if said.giaddr else 68
            said = Datagram(dhcp.encode(said, max_size=4000), source, port, LAN)
        elif isinstance(said, bytes):
            said = Datagram(said, 0, 68, LAN)
        self.server.handle(self.now, said, out)
        self._take(out)
        return self

    def _wait(self, seconds: float) -> None:
        self.now += seconds
        self.book.end_offers(self.now)
        out: list[Effect] = []
        for binding in self.book.due(self.now):
            where = self.book.scope_at(binding.address)
            assert where is not None
            expire(self.book, where, binding, self.now, out, where.endpoint != 0)
        self._take(out)

    def _take(self, out: list[Effect]) -> None:
        self.book.changed.clear()
        for effect in out:
            if isinstance(effect, Note):
                self.notes.append(effect)
            else:
                self.queue.append(effect)

    def __lshift__(self, expected: Got | Saved | Pinged | Silence) -> Play:
        if isinstance(expected, Silence):
            assert not self.queue, f"unexpected: {[_told(e) for e in self.queue]}"
            return self
        assert self.queue, "the server stays silent"
        effect = self.queue.popleft()
        if isinstance(expected, Saved):
            assert isinstance(effect, SaveBinding), _told(effect)
            row: dict[str, Any] = dict(zip(COLUMNS, effect.row, strict=True))
            assert row["address"] == expected.address, _told(effect)
            for name, value in expected.wanted.items():
                assert row[name] == value, f"{name} is {row[name]}, not {value}"
            return self
        if isinstance(expected, Pinged):
            assert effect == expected.effect, _told(effect)
            return self
        assert isinstance(effect, Reply), _told(effect)
        self._check(effect, expected)
        return self

    def _check(self, effect: Reply, expected: Got) -> None:
        message = self.last = dhcp.decode(effect.data)
        assert dhcp.KIND_NAMES[message.kind] == expected.kind, _told(effect)
        seen: dict[str, Any] = {
            "to": format_ipv4(effect.destination), "port": effect.port, "hardware": effect.hardware,
            "lease": int.from_bytes(message.options.get(51, b""), "big") if 51 in message.options else None,
            "options": message.options,
        }  # fmt: skip
        for name, value in expected.wanted.items():
            if name in ("yiaddr", "ciaddr", "giaddr", "siaddr"):
                assert format_ipv4(getattr(message, name)) == format_ipv4(ip(value) if value else 0), _told(effect)
            elif name.startswith("option"):
                assert message.options.get(int(name[6:])) == value, _told(effect)
            else:
                actual = seen[name] if name in seen else getattr(message, name)
                assert actual == value, f"{name} is {actual!r}, not {value!r}"


def _told(effect: Effect) -> str:
    if isinstance(effect, Reply):
        return f"{dhcp.decode(effect.data)!r} to {format_ipv4(effect.destination)}:{effect.port}"
    if isinstance(effect, SaveBinding):
        return f"saved {Binding.from_row(effect.row)!r}"
    return repr(effect)


class Client:
    """What a client says. ``via`` is its relay's address."""

    def __init__(self, number: int = 1, *, client_id: bytes = b"", via: int = 0, **fields: Any) -> None:
        self.chaddr = b"\x02\0\0\0\0" + bytes((number,))
        self.client_id = client_id
        self.via = via
        self.fields = fields
        self.extra: dict[int, bytes] = {}

    @property
    def hardware(self) -> bytes:
        return b"\x01" + self.chaddr

    @property
    def key(self) -> bytes:
        return b"i" + self.client_id if self.client_id else b"h" + self.hardware

    def says(self, kind: int, *, ciaddr: int = 0, **options: bytes) -> Message:
        """A message with these options (``o50=...``)."""
        content = {53: bytes((kind,))} if kind else {}
        if self.client_id:
            content[61] = self.client_id
        content |= {int(name[1:]): value for name, value in options.items()}
        content |= self.extra
        return Message(
            xid=0x1234, chaddr=self.chaddr, ciaddr=ciaddr, giaddr=self.via, options=content, **self.fields
        )  # fmt: skip

    def discover(self, **options: bytes) -> Message:
        return self.says(dhcp.DISCOVER, **options)

    def select(self, last: int | str, server: int = SERVER, **options: bytes) -> Message:
        return self.says(dhcp.REQUEST, o50=four(ip(last)), o54=four(server), **options)

    def reboot(self, last: int | str, **options: bytes) -> Message:
        return self.says(dhcp.REQUEST, o50=four(ip(last)), **options)

    def renew(self, last: int | str, **options: bytes) -> Message:
        return self.says(dhcp.REQUEST, ciaddr=ip(last), **options)

    def release(self, last: int | str, server: int = SERVER) -> Message:
        return self.says(dhcp.RELEASE, ciaddr=ip(last), o54=four(server))

    def decline(self, last: int | str, server: int = SERVER) -> Message:
        return self.says(dhcp.DECLINE, o50=four(ip(last)), o54=four(server))

    def inform(self, last: int | str, **options: bytes) -> Message:
        return self.says(dhcp.INFORM, ciaddr=ip(last), **options)


def lease(play: Play, client: Client, last: int | str) -> None:
    """The client gets a lease of the address in the four steps."""
    play >> client.discover() << Got("OFFER", yiaddr=last)
    play >> client.select(last) << Saved(last, status=2) << Got("ACK", yiaddr=last) << silence
