"""The clients' ledger finds what must never happen, and nothing else; the simulated client asks as RFC 2131 says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tandem.demo import frames
from tandem.demo.ledger import How, Ledger, Promise
from tandem.demo.population import Phase, Population
from tandem.wire.dhcp import ACK, DISCOVER, NAK, OFFER, REQUEST, Message, encode

MAIN, BACKUP, ADDRESS = 0x0A320002, 0x0A320003, 0x0A320110


def promised(ledger: Ledger, client: str, now: float, until: float, server: int = MAIN, how: How = How.NEW) -> None:
    ledger.acknowledged(Promise(ADDRESS, client, now, until, server), how, now, 0.1)


def test_two_clients_at_once_are_held_twice() -> None:
    ledger = Ledger()
    promised(ledger, "a", 0, 20)
    promised(ledger, "b", 19.9, 40, BACKUP)
    assert len(ledger.held_twice) == 1 and "10.50.1.16 was given to b by 10.50.0.3" in ledger.held_twice[0]
    assert not ledger.clean


@pytest.mark.parametrize("ends", ["runs out", "released", "lost"])
def test_one_client_after_another_is_no_double_holder(ends: str) -> None:
    ledger = Ledger()
    promised(ledger, "a", 0, 20)
    now = 5.0
    if ends == "runs out":
        now = 20.0
    elif ends == "released":
        ledger.gave_back(ADDRESS, "a", now)
    else:
        ledger.renewal_failed(ADDRESS, "a", "refused", now)
    promised(ledger, "b", now, 40)
    assert not ledger.held_twice
    assert ledger.clean == (ends != "lost")


def test_renewals_count_by_server_and_remember_the_closest() -> None:
    ledger = Ledger()
    promised(ledger, "a", 0, 20)
    promised(ledger, "a", 10, 30, MAIN, How.RENEWED)
    promised(ledger, "a", 27, 47, BACKUP, How.REBOUND)
    assert ledger.clean and ledger.moved == 1 and ledger.closest_s == 3
    assert ledger.served[MAIN].counts == {How.NEW: 1, How.RENEWED: 1}
    assert ledger.served[BACKUP].counts == {How.REBOUND: 1}
    assert ledger.served[MAIN].per_second(12.5, 15) == [0, 0, 0, 1, *[0] * 9, 1, 0]


class Recorder:
    """A carrier that keeps what is sent and answers by hand."""

    def __init__(self) -> None:
        self.sent: list[tuple[Message, int, int | None]] = []
        self.held: dict[int, bytes] = {}
        self.deliver: Callable[[Message], None] = lambda message: None

    def start(self, deliver: Callable[[Message], None]) -> None:
        self.deliver = deliver

    def send(self, message: Message, source: int, server: int | None) -> None:
        self.sent.append((message, source, server))

    def hold(self, address: int, mac: bytes) -> None:
        self.held[address] = mac

    def drop(self, address: int) -> None:
        self.held.pop(address, None)

    def answer(self, kind: int, lease_s: float = 1) -> None:
        """Answer the last message as the main would."""
        request = self.sent[-1][0]
        options = {53: bytes((kind,)), 54: MAIN.to_bytes(4, "big"), 51: int(lease_s).to_bytes(4, "big")}
        self.deliver(Message(op=2, xid=request.xid, yiaddr=ADDRESS, chaddr=request.chaddr, options=options))


async def sent(carrier: Recorder, count: int) -> None:
    async with asyncio.timeout(5):
        while len(carrier.sent) < count:
            await asyncio.sleep(0.01)


def play(script: Callable[[Recorder, Population], Awaitable[None]]) -> Ledger:
    """Let one client arrive and play ``script`` with it."""
    ledger = Ledger()

    async def run() -> None:
        carrier = Recorder()
        people = Population(carrier, ledger)
        people.expect(1, 100)
        living = asyncio.create_task(people.live())
        await sent(carrier, 1)
        await script(carrier, people)
        living.cancel()

    asyncio.run(run())
    return ledger


async def lease(carrier: Recorder) -> None:
    carrier.answer(OFFER)
    await sent(carrier, 2)
    carrier.answer(ACK)


def test_a_client_leases_renews_by_unicast_rebinds_by_broadcast_and_then_has_lost() -> None:
    async def script(carrier: Recorder, people: Population) -> None:
        await lease(carrier)
        assert carrier.held and people.holding == 1
        await sent(carrier, 4)
        kinds = [(message.kind, message.ciaddr, server) for message, _, server in carrier.sent]
        assert kinds == [(DISCOVER, 0, None), (REQUEST, 0, None), (REQUEST, ADDRESS, MAIN), (REQUEST, ADDRESS, None)]
        assert 50 in carrier.sent[1][0].options and 54 in carrier.sent[1][0].options
        assert not {50, 54} & set(carrier.sent[2][0].options)
        await sent(carrier, 5)
        assert carrier.sent[-1][0].kind == DISCOVER and not carrier.held

    ledger = play(script)
    assert len(ledger.failed) == 1 and "no server answered in time" in ledger.failed[0]


def test_a_refused_renewal_has_failed() -> None:
    async def script(carrier: Recorder, people: Population) -> None:
        await lease(carrier)
        await sent(carrier, 3)
        carrier.answer(NAK)

    ledger = play(script)
    assert ledger.refused == 1 and "refused" in ledger.failed[0]


def test_an_answer_to_an_earlier_renewal_does_not_count() -> None:
    async def script(carrier: Recorder, people: Population) -> None:
        await lease(carrier)
        await sent(carrier, 4)
        late = carrier.sent.pop()
        carrier.answer(ACK, 100)
        assert next(iter(people.clients.values())).phase is Phase.REBINDING
        carrier.sent.append(late)
        carrier.answer(ACK, 100)
        assert people.renewing == 0

    assert play(script).clean


def test_frames_are_what_scapy_reads() -> None:
    scapy = pytest.importorskip("scapy.layers.l2")
    from scapy.layers.dhcp import BOOTP
    from scapy.layers.inet import IP, UDP

    data = encode(Message(xid=7, chaddr=b"\2\0\0\0\0\1", options={53: b"\1"}))
    frame = frames.client_datagram(data, b"\2\0\0\0\0\1", 0, frames.EVERYBODY)
    read = scapy.Ether(frame)
    assert (read.src, read[IP].dst, read[UDP].dport, read[BOOTP].xid) == ("02:00:00:00:00:01", "255.255.255.255", 67, 7)
    checks = read[IP].chksum, read[UDP].chksum
    del read[IP].chksum, read[UDP].chksum
    rebuilt = scapy.Ether(bytes(read))
    assert (rebuilt[IP].chksum, rebuilt[UDP].chksum) == checks
    assert frames.read_client_datagram(frame) is None, "it is for port 67"
    reply = scapy.Ether(src="02:00:00:00:00:09") / IP(src="10.50.0.2", dst="255.255.255.255") / UDP(sport=67, dport=68)
    heard = frames.read_client_datagram(bytes(reply / data))
    assert heard == (data, MAIN, b"\2\0\0\0\0\x09")
    asked = scapy.Ether() / scapy.ARP(op=1, psrc="10.50.0.2", pdst="10.50.1.16", hwsrc="02:00:00:00:00:09")
    assert frames.arp_asked(bytes(asked).ljust(60, b"\0")) == (ADDRESS, b"\2\0\0\0\0\x09", MAIN)
    answer = scapy.Ether(frames.arp_answer(b"\2\0\0\0\0\1", ADDRESS, b"\2\0\0\0\0\x09", MAIN))[scapy.ARP]
    assert (answer.op, answer.psrc, answer.hwsrc, answer.pdst) == (2, "10.50.1.16", "02:00:00:00:00:01", "10.50.0.2")
