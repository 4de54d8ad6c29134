"""Tandem and a scripted ISC dhcpd as partners, both ways round: what dhcpd would not survive fails any of these."""

from __future__ import annotations

import pytest
from dhcpd import ABANDONED, FREE, Dhcpd
from dhcpd import BACKUP as BACKUP_STATE
from dhcpd_wire import BNDUPD, UPDDONE, UPDREQALL, Harmed
from pair import NAME, Client, Server, World, scope
from pair import config as pair_config

from tandem.base.io import Effect, SaveShare, Tick
from tandem.base.ipv4 import format_ipv4
from tandem.failover import orders, shares, telling
from tandem.failover.updates import Move
from tandem.lease.loadbalance import bucket
from tandem.wire import dhcp
from tandem.wire import failover as wire

LEASE_S, MCLT_S, ADDRESSES = 1800, 300, 100
FIRST, LAST = "192.168.50.10", "192.168.50.109"
SEATS = pytest.mark.parametrize("ours", ["main", "backup"])


class Pair:
    """A Tandem (``ours``: main or backup) and a dhcpd."""

    def __init__(
        self, ours: str, skew_s: float = 0.0, boot: bool = True, first: str = FIRST, **fields: object
    ) -> None:  # fmt: skip
        """``first``: where dhcpd's range begins; ``fields``: of Tandem's ``EndpointConfig``."""
        main = ours == "main"
        more: dict[str, object] = {"poll_interval_s": 5, "balance_backup_pct": 50, **fields}
        make = lambda: pair_config(main, scope(last=LAST, lease_s=LEASE_S, pct=40), mclt_s=MCLT_S, **more)  # noqa: E731
        self.world = World(make, make)
        self.tandem: Server = getattr(self.world, ours)
        self.isc = Dhcpd(self.world, not main, first=first, last=LAST, lease_s=LEASE_S, mclt_s=MCLT_S)
        self.isc.skew_s = skew_s
        self.world.now += 0.3
        self._number = 0
        if boot:
            self.isc.boot()
            self.tandem.boot()
            self.normal(MCLT_S + 60)

    def normal(self, within_s: float = 60) -> None:
        """Let time pass until both are NORMAL."""
        end = self.world.now + within_s
        while self.states() != ("NORMAL", "NORMAL"):
            assert self.world.now < end, (self.states(), self.tandem.notes[-8:], self.isc.states)
            self.world.run(1)
        self.world.run(3)

    def states(self) -> tuple[str, str]:
        return self.tandem.state if self.tandem.node else "down", self.isc.state

    def client(self, server: Server | Dhcpd) -> Client:
        """A new client, one that ``server`` answers, with a lease."""
        while True:
            self._number += 1
            client = Client(self.world, self._number)
            if (bucket(b"", b"\1" + client.chaddr) < 128) == (server is self.world.main):
                break
        assert client.lease(server)
        return client

    def other(self, server: object) -> Server | Dhcpd:
        return self.isc if server is self.tandem else self.tandem

    def agreed(self, slack_s: float = 1.0) -> None:
        """Both books tell the same: who holds what until when, and whose the available addresses are."""
        ours, theirs = self.tandem.active(), self.isc.active()
        assert ours.keys() == theirs.keys()
        for address, (hardware, client_id, ends) in ours.items():
            assert (hardware, client_id) == theirs[address][:2]
            late_s = theirs[address][2] - self.isc.skew_s - ends
            assert abs(late_s) <= slack_s, f"dhcpd has the lease of {format_ipv4(address)} end {late_s:+.0f} s late"
        assert not self.tandem.endpoint.unacked
        assert self.tandem.node is not None
        pool = self.tandem.node.book.pools[0]
        assert (pool.main.size, pool.backup.size) == (self.isc.count(FREE), self.isc.count(BACKUP_STATE))

    def updates(self) -> tuple[int, int]:
        """How many updates each has sent: Tandem, dhcpd."""
        return sum(kind == BNDUPD for kind, _ in self.isc.told), self.isc.said.count(BNDUPD)


@SEATS
def test_from_empty_to_normal_and_the_shares_settle(ours: str) -> None:
    pair = Pair(ours)
    pair.agreed()
    share = pair.isc.count(BACKUP_STATE)
    assert share == (ADDRESSES * 40 // 100 if ours == "main" else ADDRESSES // 2)
    before = pair.updates()
    assert max(before) <= 2 * ADDRESSES, "each address is told, and its owner"
    pair.world.run(3700)
    assert pair.updates() == before, "nothing has happened, so there is nothing to tell"
    assert pair.isc.count(BACKUP_STATE) == share


@SEATS
def test_leases_of_either_renewal_release_and_end(ours: str) -> None:
    pair = Pair(ours)
    world = pair.world
    clients = [pair.client(server) for server in [pair.tandem, pair.isc] * 5]
    assert {client.left_s for client in clients} == {MCLT_S}
    world.run(5)
    pair.agreed()
    for client in clients[:6]:
        assert client.renew(pair.tandem if client.server == pair.tandem.address else pair.isc)
        assert client.left_s == LEASE_S, "the partner has agreed to more"
    world.run(5)
    pair.agreed()
    clients[0].release(pair.tandem)
    clients[1].release(pair.isc)
    world.run(5)
    pair.agreed()
    assert len(pair.isc.active()) == 8
    world.run(MCLT_S)
    pair.agreed()
    assert len(pair.isc.active()) == 4, "of those that did not renew the lease is over, on both"
    world.run(LEASE_S)
    pair.agreed()
    assert not pair.isc.active()
    assert sum(pair.updates()) < 2 * ADDRESSES + 100, "no storm"


@SEATS
def test_a_declined_address_is_unusable_on_both(ours: str) -> None:
    pair = Pair(ours)
    for server in (pair.tandem, pair.isc):
        client = pair.client(server)
        pair.world.run(5)
        declined = client.address.to_bytes(4, "big")
        client.send([server], dhcp.DECLINE, requested=declined, server=server.address.to_bytes(4, "big"))
        pair.world.run(5)
        pair.agreed()
        assert pair.tandem.node is not None
        assert pair.isc.leases[client.address].state == ABANDONED
        assert pair.tandem.node.book.by_address[client.address].status == ABANDONED


@SEATS
@pytest.mark.parametrize("how", ["desired", "required"])
def test_tls_is_not_spoken_with_dhcpd(ours: str, how: str) -> None:
    """Desired: the link stays plain. Required: there is none, and the log says why."""
    pair = Pair(ours, boot=False, tls=how, certificate=b"x" * 600)
    pair.isc.boot()
    pair.tandem.boot()
    if how == "desired":
        pair.normal(MCLT_S + 60)
        pair.agreed()
    else:
        pair.world.run(MCLT_S)
        assert "NORMAL" not in pair.states()
        assert any("TLS is required here" in note for note in pair.tandem.notes), pair.tandem.notes


@SEATS
@pytest.mark.parametrize("skew_s", [-30, -2, 2, 30])
def test_ends_agree_with_clocks_apart(ours: str, skew_s: int) -> None:
    """dhcpd corrects no time: we tell and read everything in its clock. Renewed, ended and told anew all the same."""
    pair = Pair(ours, skew_s)
    clients = [pair.client(server) for server in [pair.tandem, pair.isc] * 3]
    pair.world.run(60)
    for client in clients[:4]:
        assert client.renew(pair.tandem if client.server == pair.tandem.address else pair.isc)
    pair.world.run(60)
    pair.agreed(1.5)
    for client in clients:
        for server, off_s in ((pair.tandem, 0), (pair.isc, skew_s)):
            assert abs(server.active()[client.address][2] - off_s - client.expires) <= 2
    pair.isc.crash()
    pair.world.run(5)
    pair.isc.boot()
    pair.normal()
    pair.agreed(1.5)
    pair.world.run(LEASE_S + 60)
    pair.agreed(1.5)
    assert not pair.isc.active()


@SEATS
@pytest.mark.parametrize("first", ["tandem", "isc"])
@pytest.mark.parametrize("skew_s", [0, 20])
def test_a_rebind_that_both_answer_ends_alike_in_both_books(ours: str, first: str, skew_s: int) -> None:
    """Their updates cross. One may grant the MCLT only, the other one a whole lease: the later end counts."""
    pair = Pair(ours, skew_s)
    servers: list[Server | Dhcpd] = [pair.tandem, pair.isc]
    if first == "isc":
        servers.reverse()
    for limited in (pair.tandem, pair.isc, None):
        client = pair.client(pair.tandem)
        pair.world.run(30)
        assert pair.tandem.node is not None
        if limited is pair.tandem:
            binding = pair.tandem.node.book.by_address[client.address]
            binding.acked_potential = binding.received_potential = 0
        elif limited is pair.isc:
            pair.isc.leases[client.address].tsfp = 0
        ends = []
        for server in servers:
            assert client.renew(server)
            ends.append(client.expires)
            pair.world.now += 0.02
            pair.tandem.handle(Tick())  # what it has to say is on its way, and nothing has arrived yet
        assert (abs(ends[0] - ends[1]) > 100) == (limited is not None)
        pair.world.run(90)
        pair.agreed(1.5)
        assert abs(pair.tandem.active()[client.address][2] - max(ends)) <= 2


@SEATS
@pytest.mark.parametrize("victim", ["isc", "tandem"])
@pytest.mark.parametrize("how", ["crash", "stop"])
def test_one_goes_and_returns(ours: str, victim: str, how: str) -> None:
    pair = Pair(ours)
    dead: Server | Dhcpd = pair.isc if victim == "isc" else pair.tandem
    alive = pair.other(dead)
    clients = [pair.client(server) for server in [pair.tandem, pair.isc] * 3]
    pair.world.run(5)
    dead.stop() if how == "stop" and isinstance(dead, Server) else dead.crash()
    pair.world.run(90)
    assert alive.state == "COMMUNICATIONS-INTERRUPTED"
    for client in clients[:4]:
        assert client.renew(alive)
    clients[4].release(alive)
    newcomer = Client(pair.world, 999)
    assert newcomer.lease(alive)
    dead.boot()
    pair.normal()
    pair.world.run(120)
    pair.agreed()
    pair.world.run(LEASE_S + MCLT_S)
    pair.agreed()
    assert not pair.isc.active()


@SEATS
def test_what_dhcpd_has_in_line_is_not_overwritten_by_something_older(ours: str) -> None:
    """Our older update of a lease would replace its own that is not on its way yet; so it is heard first."""
    pair = Pair(ours)
    clients = [pair.client(server) for server in [pair.tandem, pair.isc] * 6]
    pair.world.run(10)
    pair.world.cut = True
    pair.world.run(90)
    assert all(client.renew(pair.tandem) for client in clients)
    pair.world.run(60)
    assert all(client.renew(pair.isc) for client in clients)
    pair.world.cut = False
    pair.normal(120)
    pair.agreed()
    held = pair.tandem.active()
    assert all(abs(held[client.address][2] - client.expires) <= 1 for client in clients)


@SEATS
def test_alone_it_promises_no_more_than_dhcpd_would_heed(ours: str) -> None:
    """dhcpd in PARTNER-DOWN goes by the ends of leases that it knows: who renews while it cannot be told gets no more
    than those, or the MCLT. So nobody's address is given away when it then takes over."""
    pair = Pair(ours)
    clients = [pair.client(pair.tandem) for _ in range(6)]
    pair.world.run(10)
    assert all(client.renew(pair.tandem) and client.left_s == LEASE_S for client in clients)
    pair.world.run(600)
    pair.isc.crash()
    pair.world.run(5)
    assert all(client.renew(pair.tandem) and client.left_s <= LEASE_S - 600 for client in clients)
    pair.world.run(LEASE_S - 700)
    assert all(client.renew(pair.tandem) and client.left_s <= MCLT_S for client in clients)
    pair.tandem.crash()
    pair.isc.boot()
    pair.world.run(30)
    declare_down(pair.isc)
    ends = max(client.expires for client in clients)
    newcomers = (Client(pair.world, 1000 + n) for n in range(10 * ADDRESSES))
    while pair.world.now < ends:
        for newcomer in newcomers:
            if not newcomer.lease(pair.isc):
                break
            assert newcomer.address not in {client.address for client in clients if client.left_s > 0}
        pair.world.run(20)


@SEATS
@pytest.mark.parametrize("victim", ["isc", "tandem"])
def test_partner_down_and_recovery(ours: str, victim: str) -> None:
    pair = Pair(ours)
    dead: Server | Dhcpd = pair.isc if victim == "isc" else pair.tandem
    alive = pair.other(dead)
    clients = [pair.client(server) for server in [pair.tandem, pair.isc] * 3]
    pair.world.run(5)
    dead.crash()
    pair.world.run(30)
    declare_down(alive)
    for client in clients[:4]:
        assert client.renew(alive)
    clients[4].release(alive)
    pair.world.run(MCLT_S + 30)
    newcomers = [Client(pair.world, 1000 + n) for n in range(ADDRESSES - 20)]
    assert all(c.lease(alive) for c in newcomers), "the partner's share is the survivor's"
    dead.boot()
    pair.normal(2 * MCLT_S)
    pair.world.run(120)
    pair.agreed()


@SEATS
def test_both_are_told_that_the_other_is_down(ours: str) -> None:
    pair = Pair(ours)
    clients = [pair.client(server) for server in [pair.tandem, pair.isc] * 3]
    pair.world.run(5)
    pair.world.cut = True
    pair.world.run(120)
    declare_down(pair.isc)
    declare_down(pair.tandem)
    for client in clients[:4]:
        assert client.renew(pair.tandem) and client.renew(pair.isc)
    pair.world.run(10)
    pair.world.cut = False
    pair.normal(120)
    assert "POTENTIAL-CONFLICT" in pair.isc.states
    pair.world.run(120)
    pair.agreed()


@SEATS
def test_partner_down_while_both_run(ours: str) -> None:
    """An operator's mistake: it resolves by itself, and no client notices."""
    for which in ("tandem", "isc"):
        pair = Pair(ours)
        client = pair.client(pair.tandem)
        pair.world.run(5)
        declare_down(pair.isc if which == "isc" else pair.tandem)
        pair.normal(120)
        pair.world.run(120)
        pair.agreed()
        assert client.renew(pair.tandem)


def test_addresses_that_dhcpd_refuses_are_offered_ever_more_rarely() -> None:
    """Its range is shorter than ours: without a pause that grows it would be asked 360 times an hour."""
    pair = Pair("main", first="192.168.50.50")
    assert pair.isc.refused and {reason for _, reason in pair.isc.refused} == {1}
    address = pair.isc.refused[0][0]
    pair.world.run(3600)
    times = sum(told == address for told, _ in pair.isc.refused)
    assert 5 <= times <= 12, times
    assert pair.states() == ("NORMAL", "NORMAL")


@SEATS
def test_asked_for_everything_twice_it_is_told_once(ours: str) -> None:
    """dhcpd asks anew at each STATE that it hears in RECOVER; it wants one UPDDONE, for the last request."""
    pair = Pair(ours)
    for _ in range(30):
        pair.client(pair.tandem)
    pair.world.run(5)
    before = pair.updates()[0]
    pair.isc.send(UPDREQALL)
    last = pair.isc.send(UPDREQALL)
    pair.isc.perform()
    pair.world.run(10)
    assert pair.updates()[0] - before == 30 + pair.isc.count(BACKUP_STATE)
    done = [data for kind, data in pair.isc.told if kind == UPDDONE]
    assert int.from_bytes(done[-1][8:12], "big") == last
    pair.agreed()
    pair.isc.send(UPDREQALL)  # once it has all, a new request is one for all
    pair.isc.perform()
    pair.world.run(10)
    assert pair.updates()[0] - before == 2 * (30 + pair.isc.count(BACKUP_STATE))


@SEATS
def test_what_is_known_of_never_used_addresses_is_not_written_again(ours: str) -> None:
    pair = Pair(ours)
    writes: list[SaveShare] = []
    save = pair.tandem.disk.save

    def counting(effect: Effect) -> None:
        if isinstance(effect, SaveShare):
            writes.append(effect)
        save(effect)

    pair.tandem.disk.save = counting  # type: ignore[method-assign]
    told = pair.updates()[1]
    pair.tandem.endpoint.link.send(wire.UpdateRequestAll(), pair.tandem.now, out := [])  # type: ignore[union-attr]
    pair.tandem.perform(out)
    pair.world.run(10)
    assert pair.updates()[1] - told == ADDRESSES, "dhcpd tells each address"
    assert not writes
    pair.agreed()


@pytest.mark.parametrize("sent_first", [True, False])
def test_an_old_free_of_dhcpd_does_not_undo_our_move(sent_first: bool) -> None:
    """Its answer to a request for everything crosses our move of an address, on the wire or in its own line: at no
    time do both count the address as their own."""
    pair = Pair("main")
    assert pair.tandem.node is not None
    pool, endpoint = pair.tandem.node.book.pools[0], pair.tandem.endpoint
    address = pool.main.unused.lowest
    assert address is not None
    lease = pair.isc.leases[address]
    out: list[Effect] = []
    shares.take_unused(endpoint, address, address, BACKUP_STATE, False, out)
    endpoint.queue.add(Move(address, address, BACKUP_STATE, True))
    telling.flush(endpoint, pair.tandem.now, out)
    pair.isc.tell(lease)
    if sent_first:
        pair.isc.flush_updates()
        pair.isc.perform()
    pair.tandem.perform(out)
    for _ in range(20):
        pair.world.step()
        assert pool.owner_of_unused(address) != FREE or lease.state != BACKUP_STATE, "both count it as their own"
        if lease.state == BACKUP_STATE:
            pair.isc.flush_updates()
            pair.isc.perform()
    pair.world.run(5)
    assert lease.state == BACKUP_STATE and pool.owner_of_unused(address) == BACKUP_STATE
    pair.agreed()


@pytest.mark.parametrize("used", [False, True])
def test_what_dhcpd_gave_back_while_we_died_is_its_own_again(used: bool) -> None:
    """We ask for an address, dhcpd agrees, and we are gone before we hear so: else nobody would give it any more."""
    pair = Pair("main")
    tandem = pair.tandem
    assert tandem.node is not None
    book, out = tandem.node.book, list[Effect]()
    address = book.pools[0].backup.unused.lowest
    if used:
        address = pair.client(tandem).address
        pair.world.run(LEASE_S + 60)
        assert book.by_address[address].status == FREE
        book.set_status(book.by_address[address], BACKUP_STATE, int(tandem.now))
        book.save(book.by_address[address], out)
        tandem.perform(out)
        pair.world.run(10)
    assert address is not None
    lease = pair.isc.leases[address]
    assert lease.state == BACKUP_STATE
    tandem.endpoint.queue.add(Move(address, address, FREE, not used))
    telling.flush(tandem.endpoint, tandem.now, out := [])
    tandem.perform(out)
    while lease.state == BACKUP_STATE:
        assert pair.world.step()
    tandem.crash()
    pair.world.run(30)
    tandem.boot()
    pair.normal()
    pair.world.run(30)
    assert lease.state == BACKUP_STATE
    pair.agreed()


@pytest.mark.parametrize(
    "message",
    [
        wire.BindingUpdate([wire.Update(0xC0A83214, 1), wire.Update(0xC0A83215, 1)]),
        wire.BindingUpdate([wire.Update(0xC0A83214, 0)]),
        wire.BindingUpdate([wire.Update(0xC0A83214, 1, ddns=(1, b"x"))]),
        wire.BindingUpdate([wire.Update(0xC0A83214, 2, expires=1)]),
        wire.State(wire.ServerState.POTENTIAL_CONFLICT, False, 1),
        wire.State(wire.ServerState.CONFLICT_DONE, False, 1),
        wire.Connect(NAME.encode(), 3, 60, b"x", 1, 0, 3600, bytes(32)),
    ],
)
def test_the_scripted_dhcpd_objects_to_what_harms_the_real_one(message: wire.Sendable) -> None:
    pair = Pair("main")
    pair.tandem.endpoint.link.send(message, pair.tandem.now, out := [])  # type: ignore[union-attr]
    pair.tandem.perform(out)
    with pytest.raises(Harmed):
        pair.world.settle()


def declare_down(server: Server | Dhcpd) -> None:
    """Tell a server that its partner is down, as its operator does."""
    if isinstance(server, Dhcpd):
        server.set_partner_down()
    else:
        assert server.node is not None
        out: list[Effect] = []
        orders.set_partner_down(server.endpoint, server.now, None, True, out)
        server.perform(out)
    server.world.settle()
    assert server.state in ("PARTNER-DOWN", "POTENTIAL-CONFLICT", "NORMAL")
