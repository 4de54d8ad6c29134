"""Tandem and ISC dhcpd as partners, both ways round: ISC is the other server of every pair here."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from tests.live.isc import LEASE_S, MCLT_S, TANDEM, Dhcpd, MixedLab
from tests.live.lab import BACKUP, MAIN, Tandem
from tests.live.netns import LabError, wait_for
from tests.live.pyclient import ACK, DISCOVER, OFFER, LanPort, Ledger, PyClient, pack_message

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(180),
    pytest.mark.parametrize("ours", ["main", "backup"]),
]

BNDUPD = 3
ADDRESSES = 100
ANYBODY = "anybody"
LETHAL = ("SHUTDOWN", "PAUSED")
"""States that dhcpd leaves only by an operator's hand."""


class Pair:
    """A Tandem and a dhcpd in NORMAL, and clients on their LAN."""

    def __init__(self, lab: MixedLab, ours: str, **settings: int) -> None:
        self.lab = lab
        self.isc = lab.put_dhcpd("backup" if ours == "main" else "main", **settings)
        self.tandem = lab.put_tandem(ours)
        self.isc.start()
        self.tandem.start()
        self.tandem.nrcmd(TANDEM)
        lab.both_normal()
        self.ledger = Ledger()
        self.port = LanPort(lab.client_space("raw"), "eth0")
        self._number = 0

    def client(self) -> PyClient:
        """Return a client never seen before."""
        self._number += 1
        return PyClient(self.port, self._number, self.ledger)

    def leased_by_both(self, each: int = 3) -> list[PyClient]:
        """Return new clients with leases, at least ``each`` of them from either server."""
        clients: list[PyClient] = []
        while min(sum(c.server == server for c in clients) for server in (MAIN, BACKUP)) < each:
            assert len(clients) < 40, f"all of {len(clients)} clients were served by {clients[0].server}"
            clients.append(self.client())
            clients[-1].lease()
        return clients

    def keep(self, clients: list[PyClient], server: str = "") -> None:
        """Have each client extend its lease and keep its address: with ``server`` by broadcast, which that one alone
        (or ANYBODY) answers; without, by unicast with the server that it had last."""
        for client in clients:
            address = client.address
            answer = client.rebind() if server else client.renew()
            assert answer is not None and answer.kind == ACK, f"{address} was not extended"
            assert client.address == address
            assert server in ("", ANYBODY, client.server)

    def bring_back(self, how: Callable[[], object], clients: list[PyClient]) -> None:
        """Wait until both are NORMAL again after ``how``; meanwhile the clients extend their leases in time."""

        def normal() -> bool:
            self.keep([c for c in clients if c.expires - time.time() < c.lease_s / 2], ANYBODY)
            return self.lab.states() == ("NORMAL", "NORMAL")

        how()
        wait_for("both are NORMAL again", normal, MCLT_S + 40)
        self.keep(clients)

    def ended(self, address: str) -> None:
        """Wait until both hold the address for available again."""
        words = ("available", "other-available")
        wait_for(
            f"{address} is available on both",
            lambda: all(s.leases()[address]["state"] in words for s in (self.tandem, self.isc)), MCLT_S + LEASE_S,
        )  # fmt: skip

    def check(self) -> None:
        """Raise unless the books agree, nobody had a double, and dhcpd runs in a state that it leaves by itself."""
        self.lab.books_equal()
        self.ledger.check()
        assert self.isc.alive(), self.isc.log()[-2000:]
        assert not [state for state in self.isc.states if state in LETHAL]


def test_life_of_leases(isc_lab: MixedLab, ours: str) -> None:
    """From empty to NORMAL; the share settles; leases of either server, their renewal, release and end, on both."""
    wire = isc_lab.watch()
    pair = Pair(isc_lab, ours)
    assert all(count <= 3 * ADDRESSES for count in wire.count(BNDUPD).values()), "each address told, and its owner"
    wire = isc_lab.watch()
    clients = pair.leased_by_both()
    for client in clients:
        assert client.lease_s == MCLT_S, f"first lease of {client.server}"
    isc_lab.books_equal()
    for client in clients:
        for server in (pair.tandem, pair.isc):
            lease = server.leases()[client.address]
            assert lease["client-mac-addr"].endswith(client.mac.hex(":")) and lease["state"] == "leased"
            assert abs(lease["expiration"] - client.expires) <= 1.5
    released, expiring, kept = clients[0], clients[1], clients[2:]
    for client in kept:
        answer = client.renew()
        assert answer is not None and client.lease_s == LEASE_S
    isc_lab.books_equal()
    address = released.address
    released.release()
    pair.ended(address)
    pair.ended(expiring.address)  # meanwhile dhcpd looks after its balance, every 2 to 8 s
    for client in kept:
        client.rebind()  # which both acknowledge, so their updates cross
    pair.keep(kept)
    pair.check()
    told = wire.count(BNDUPD)
    assert all(0 < count <= 10 * len(clients) for count in told.values()), f"a storm of updates: {told}"


def returns(pair: Pair, victim: Tandem | Dhcpd, end: Callable[[], None]) -> None:
    """``victim`` ends, the other one serves old and new clients, and when it is back both go on as before."""
    survivor = pair.isc if victim is pair.tandem else pair.tandem
    clients = pair.leased_by_both(each=2)
    pair.lab.books_equal()
    end()
    wait_for("the survivor noticed", lambda: survivor.state == "COMMUNICATIONS-INTERRUPTED", 10)
    pair.keep(clients, survivor.address)
    newcomers = [pair.client() for _ in range(3)]
    for client in newcomers:
        client.lease()
        assert client.server == survivor.address
    pair.bring_back(victim.launch, [*clients, *newcomers])
    pair.check()


def test_kill_and_stop_and_return(isc_lab: MixedLab, ours: str) -> None:
    """SIGKILL and a clean end of either one, and its return."""
    pair = Pair(isc_lab, ours)
    for victim in (pair.isc, pair.tandem):
        returns(pair, victim, victim.kill)
        returns(pair, victim, victim.stop)


def declare_down(server: Tandem | Dhcpd) -> None:
    """Tell a server that its partner is down, as its operator does."""
    if isinstance(server, Dhcpd):
        server.partner_down()
    else:
        server.nrcmd(f"dhcp setPartnerDown {MAIN if server.address == BACKUP else BACKUP}\n")
    wait_for("it took it", lambda: server.state == "PARTNER-DOWN", 5)


def test_stop_for_long(isc_lab: MixedLab, ours: str) -> None:
    """dhcp shutdown: dhcpd takes over completely; started again, Tandem gets its leases from it."""
    pair = Pair(isc_lab, ours)
    clients = pair.leased_by_both()
    pair.lab.books_equal()
    pair.tandem.nrcmd("dhcp shutdown\n")
    wait_for("dhcpd took over", lambda: pair.isc.state == "PARTNER-DOWN", 5)
    pair.keep(clients, pair.isc.address)
    newcomer = pair.client()
    newcomer.lease()
    pair.bring_back(lambda: pair.tandem.nrcmd("dhcp start\n"), [*clients, newcomer])
    pair.check()


def test_dhcpd_is_shut_down_by_its_operator(isc_lab: MixedLab, ours: str) -> None:
    """By OMAPI, which takes it some 15 s and leaves it in RECOVER: Tandem takes over, and it comes back."""
    pair = Pair(isc_lab, ours)
    clients = pair.leased_by_both()
    pair.lab.books_equal()
    pair.isc.shut_down()

    def gone() -> bool:
        pair.keep([c for c in clients if c.expires - time.time() < c.lease_s / 2], ANYBODY)
        return not pair.isc.alive()

    wait_for("dhcpd has ended", gone, 40)
    wait_for("Tandem noticed", lambda: pair.tandem.state in ("COMMUNICATIONS-INTERRUPTED", "PARTNER-DOWN"), 10)
    pair.keep(clients, pair.tandem.address)
    newcomer = pair.client()
    newcomer.lease()
    pair.bring_back(pair.isc.launch, [*clients, newcomer])
    pair.lab.books_equal()
    pair.ledger.check()


@pytest.mark.parametrize("victim", ["isc", "tandem"])
def test_partner_down_and_recovery(isc_lab: MixedLab, ours: str, victim: str) -> None:
    """The survivor is told that its partner is down; the partner comes back, recovers, both are NORMAL."""
    pair = Pair(isc_lab, ours)
    dead, alive = (pair.isc, pair.tandem) if victim == "isc" else (pair.tandem, pair.isc)
    clients = pair.leased_by_both()
    pair.lab.books_equal()
    dead.kill()
    wait_for("the survivor noticed", lambda: alive.state == "COMMUNICATIONS-INTERRUPTED", 10)
    declare_down(alive)
    pair.keep(clients, alive.address)
    clients.pop().release()
    newcomer = pair.client()
    newcomer.lease()
    pair.bring_back(dead.launch, [*clients, newcomer])
    pair.check()


def test_partner_down_on_both(isc_lab: MixedLab, ours: str) -> None:
    """Parted, and each told that the other is down: they meet in POTENTIAL-CONFLICT and come out of it."""
    pair = Pair(isc_lab, ours)
    clients = pair.leased_by_both()
    pair.lab.books_equal()
    pair.lab.cut("filter")
    pair.lab.both_interrupted()
    declare_down(pair.isc)
    declare_down(pair.tandem)
    for client in clients:
        client.rebind()  # which both acknowledge
    newcomer = pair.client()
    newcomer.lease()
    pair.bring_back(lambda: pair.lab.mend("filter"), [*clients, newcomer])
    pair.check()


HASHES = {
    "02005e000001": 94, "02005e000002": 214, "02005e000003": 162, "02005e000004": 205, "02005e000005": 105,
    "02005e000006": 224,
}  # fmt: skip
"""The hash buckets of hardware addresses, as found with two dhcpd."""
HASHES_ID = {"01020000000007": 172, "ff000102": 208, b"iop-client".hex(): 36}
"""The same for client identifiers."""


def test_load_balancing(isc_lab: MixedLab, ours: str) -> None:
    """Each new client is answered by one of both only: the lower half of the hash buckets by the main, whichever make
    it is, as with two dhcpd and ``split 128``."""
    pair = Pair(isc_lab, ours)
    asked: dict[bytes, tuple[str, int]] = {}
    for number, (text, bucket) in enumerate((HASHES | HASHES_ID).items()):
        client = pair.client()
        if text in HASHES:
            client.mac = bytes.fromhex(text)
        else:
            client.extra[61] = bytes.fromhex(text)
        pair.port.send(pack_message(DISCOVER, number, client.mac, client.extra), client.mac)
        asked[client.mac] = (text, bucket)
    offers = offers_to(pair.port, set(asked))
    for mac, (text, bucket) in asked.items():
        assert offers[mac] == {MAIN if bucket < 128 else BACKUP}, f"{text}, bucket {bucket}"
    pair.check()


def offers_to(port: LanPort, macs: set[bytes]) -> dict[bytes, set[str]]:
    """Return the servers that offer something to each of these clients, until half a second after all have an offer."""
    servers: dict[bytes, set[str]] = {mac: set() for mac in macs}
    end = time.monotonic() + 5
    waiting = True
    while (answer := port.receive(end)) is not None:
        if answer.kind == OFFER and answer.mac in macs:
            servers[answer.mac].add(answer.server)
        if waiting and all(servers.values()):
            waiting, end = False, time.monotonic() + 0.5
    return servers


def test_clock_difference(isc_lab: MixedLab, ours: str) -> None:
    """With 30 s between the clocks: NORMAL, and each lease ends at the same time on both sides, whoever extended it."""
    ahead_s = 30 if ours == "main" else -30
    pair = Pair(isc_lab, ours, clock_s=ahead_s)
    clients = pair.leased_by_both()
    pair.keep(clients)

    def in_time() -> None:
        """Wait until both know each lease, with its end as the client reckons it."""
        ends = {}

        def right() -> bool:
            for client in clients:
                for server, off_s in ((pair.tandem, 0), (pair.isc, ahead_s)):
                    end = server.leases().get(client.address, {}).get("expiration", 0) - off_s
                    ends[client.address, server.space.short] = end - client.expires
            return all(abs(late_s) <= 2.5 for late_s in ends.values())

        try:
            wait_for("each lease ends at its time on both", right, 5)
        except LabError as error:
            raise LabError(f"{error}: late by {ends}") from None

    in_time()
    for client in clients:
        client.rebind()  # which both acknowledge: their updates cross, and the later end counts
    isc_lab.books_equal()
    pair.isc.kill()
    pair.isc.start()
    pair.lab.both_normal()
    pair.keep(clients)
    in_time()
    pair.ledger.check()
