"""Any clients in any order: one holder per address, saved before acknowledged, bounded, and never an exception."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from play import LAN, OTHER_SERVER, Client, Play, four, interrupted, ip, normal_backup, normal_main, partner_down, scope
from tandem.base.io import Datagram, Effect, Reply, SaveBinding
from tandem.dhcp.lifecycle import expire
from tandem.lease.binding import ACTIVE, BACKUP, COLUMNS, FREE, Binding, client_key
from tandem.lease.powers import Powers
from tandem.wire import dhcp

CLIENTS = [Client(n, client_id=b"\x01%d" % n if n % 2 else b"", via=ip(254) if n == 4 else 0) for n in range(1, 6)]
ADDRESSES = [*range(9, 15), 30]
STATUS, HARDWARE, IDENTIFIER, EXPIRES = (COLUMNS.index(n) for n in ("status", "hardware", "client_id", "expires"))

client = st.sampled_from(CLIENTS)
address = st.sampled_from(ADDRESSES)
server = st.sampled_from([LAN.address, OTHER_SERVER])
said = st.one_of(
    st.tuples(st.just("discover"), client, st.one_of(st.none(), address)),
    st.tuples(st.just("select"), client, st.one_of(st.none(), address), server),
    st.tuples(st.just("reboot"), client, address),
    st.tuples(st.just("renew"), client, st.one_of(st.none(), address)),
    st.tuples(st.just("release"), client, st.one_of(st.none(), address)),
    st.tuples(st.just("decline"), client, address),
    st.tuples(st.just("inform"), client, address),
    st.tuples(st.just("bootp"), client),
    st.tuples(st.just("wait"), st.sampled_from([1, 60, 119, 301, 40_000, 200_000, 300_000])),
    st.tuples(st.just("power"), st.sampled_from(["main", "backup", "main apart", "backup apart", "down"])),
)


def powers(name: str, now: float) -> Powers:
    return {
        "main": normal_main(), "backup": normal_backup(), "main apart": interrupted(FREE),
        "backup apart": interrupted(BACKUP), "down": partner_down(FREE, now + 3600),
    }[name]  # fmt: skip


class Story:
    """A server, what each client was last offered and given, and what was stored."""

    def __init__(self, partner: bool) -> None:
        self.partner = partner
        self.play = Play(
            scope(10, 13, reserve={ip(9): CLIENTS[0].key}), powers=normal_main() if partner else None,
        )  # fmt: skip
        self.play.book.assign_unused(ip(12), ip(13), BACKUP if partner else FREE)
        self.offered: dict[Client, int] = {}
        self.held: dict[Client, int] = {}
        self.stored: dict[int, tuple[object, ...]] = {}
        self.acked_at: dict[int, tuple[bytes, float]] = {}

    def tell(self, what: tuple[object, ...]) -> None:
        kind = what[0]
        if kind == "wait":
            self.wait(what[1])  # type: ignore[arg-type]
            return
        if kind == "power":
            if self.partner:
                self.play.power(powers(what[1], self.play.now))  # type: ignore[arg-type]
            return
        who: Client = what[1]  # type: ignore[assignment]
        chosen = what[2] if len(what) > 2 else None
        if kind == "discover":
            message = who.discover(**({"o50": four(ip(chosen))} if chosen else {}))  # type: ignore[arg-type]
        elif kind == "bootp":
            message = who.says(0)
        else:
            memory = self.held if kind in ("renew", "release") else self.offered
            at = ip(chosen) if chosen else memory.get(who, ip(10))  # type: ignore[arg-type]
            calls = {
                "select": lambda: who.select(".".join(map(str, at.to_bytes(4, "big"))), what[3]),  # type: ignore[arg-type]
                "reboot": lambda: who.says(dhcp.REQUEST, o50=four(at)),
                "renew": lambda: who.says(dhcp.REQUEST, ciaddr=at),
                "release": lambda: who.says(dhcp.RELEASE, ciaddr=at, o54=four(LAN.address)),
                "decline": lambda: who.says(dhcp.DECLINE, o50=four(at), o54=four(LAN.address)),
                "inform": lambda: who.says(dhcp.INFORM, ciaddr=at),
            }
            message = calls[str(kind)]()
        out: list[Effect] = []
        now = self.play.now
        self.play.server.handle(now, Datagram(dhcp.encode(message), message.ciaddr, 68, LAN), out)
        self.play.book.changed.clear()
        self.check(who, message, out)

    def wait(self, seconds: int) -> None:
        self.play.now += seconds
        now = self.play.now
        self.play.book.end_offers(now)
        out: list[Effect] = []
        for binding in self.play.book.due(now):
            where = self.play.book.scope_at(binding.address)
            assert where is not None
            expire(self.play.book, where, binding, now, out, self.partner)
        self.play.book.changed.clear()
        for effect in out:
            if isinstance(effect, SaveBinding):
                self.stored[effect.row[0]] = effect.row  # type: ignore[index]

    def check(self, who: Client, message: dhcp.Message, out: list[Effect]) -> None:
        now = self.play.now
        for effect in out:
            if isinstance(effect, SaveBinding):
                row = effect.row
                before = self.stored.get(row[0])  # type: ignore[arg-type]
                if before is not None and before[STATUS] == ACTIVE and row[STATUS] == ACTIVE:
                    same = before[HARDWARE] == row[HARDWARE]
                    assert same, "an active lease goes from one client to another"
                self.stored[row[0]] = row  # type: ignore[index]
            elif isinstance(effect, Reply):
                self.check_reply(who, message, dhcp.decode(effect.data), now)

    def check_reply(self, who: Client, message: dhcp.Message, reply: dhcp.Message, now: float) -> None:
        assert reply.xid == message.xid and reply.chaddr == message.chaddr and reply.giaddr == message.giaddr
        assert reply.options.get(61, b"") == who.client_id
        if reply.kind == dhcp.OFFER:
            self.offered[who] = reply.yiaddr
        elif reply.kind == dhcp.NAK:
            assert reply.yiaddr == 0 and 51 not in reply.options
        elif message.kind != dhcp.INFORM:
            row = self.stored[reply.yiaddr]  # stored before: else KeyError
            assert row[STATUS] == ACTIVE and row[HARDWARE] == who.hardware
            if reply.kind == dhcp.ACK:
                given = int.from_bytes(reply.options[51], "big")
                assert given > 0 and now + given <= row[EXPIRES]  # type: ignore[operator]
            for other, theirs in self.held.items():
                if other is not who and theirs == reply.yiaddr:
                    binding = self.play.book.by_address[theirs]
                    assert client_key(binding.client_id, binding.hardware) != other.key
            self.held[who] = reply.yiaddr

    def check_book(self) -> None:
        book = self.play.book
        assert len(book.offered) <= len(CLIENTS)
        for address, row in self.stored.items():
            kept = Binding.from_row(row)
            assert book.by_address[address].status == kept.status
            assert book.by_address[address].hardware == kept.hardware
        for offered in book.offered:
            binding = book.by_address.get(offered)
            assert binding is None or binding.status in (FREE, BACKUP)


@given(st.booleans(), st.lists(said, max_size=60))
def test_any_story(partner: bool, story: list[tuple[object, ...]]) -> None:
    told = Story(partner)
    for what in story:
        told.tell(what)
        told.check_book()


@given(st.binary(max_size=700))
def test_any_bytes(data: bytes) -> None:
    Play() >> data >> dhcp.encode(CLIENTS[0].discover())[:240] + data


@given(
    st.sampled_from(CLIENTS), st.integers(0, 255),
    st.dictionaries(st.integers(1, 254), st.binary(max_size=300), max_size=9),
    st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFF), st.booleans(),
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=4),
)  # fmt: skip
def test_any_message(
    who: Client, kind: int, options: dict[int, bytes], ciaddr: int, giaddr: int, flags: int, here: bool,
    damage: list[tuple[int, int]],
) -> None:  # fmt: skip
    """Well-formed with any content, and damaged."""
    options.pop(52, None)
    options[53] = bytes((kind % 10,))
    for code in (50, 51, 54, 58, 59, 118):
        if code in options:
            options[code] = options[code][:4].ljust(4, b"\xc0")
    if 57 in options:
        options[57] = options[57][:2].ljust(2, b"\1")
    if here:
        ciaddr, giaddr = (ip(10) if ciaddr & 1 else 0), (ip(254) if giaddr & 1 else 0)
        options[54] = four(LAN.address) if flags & 1 else options.pop(54, four(ip(10)))
    message = dhcp.Message(chaddr=who.chaddr, ciaddr=ciaddr, giaddr=giaddr, flags=flags, options=options)
    data = bytearray(dhcp.encode(message, max_size=4000))
    for partner in (None, interrupted(BACKUP)):
        play = Play(powers=partner)
        play.record(10, ACTIVE, who, 100)
        play >> bytes(data)
        for at, value in damage:
            if at < len(data):
                data[at] = value
        play >> bytes(data)
