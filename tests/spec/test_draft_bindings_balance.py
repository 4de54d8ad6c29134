"""Draft sections 5.3 to 5.5, 7.6 and 7.7, rule by rule in our words: load balancing and the two shares."""

from __future__ import annotations

import pytest
from pair import Client, Server, World, config, scope
from partner import Partner

from tandem.base.io import Effect
from tandem.config.compiled import ServerConfig
from tandem.failover import shares
from tandem.lease.binding import BACKUP, FREE
from tandem.lease.loadbalance import ALL_BUCKETS, bucket, lowest_buckets
from tandem.wire import dhcp
from tandem.wire.failover import PoolRequest, PoolResponse, decode


def balanced(main: bool, pct: int = 50, delay_s: int = 3) -> ServerConfig:
    """The backup's own setting is off: the main's counts."""
    if not main:
        return config(False, scope(pct=50))
    return config(True, scope(pct=50), balance_backup_pct=pct, balance_delay_s=delay_s)


def pair(pct: int = 50, delay_s: int = 3) -> World:
    return World(lambda: balanced(True, pct, delay_s), lambda: balanced(False)).pair()


def client_of(world: World, backup: bool, first: int = 1) -> Client:
    """A client whose bucket is the backup's, or the main's."""
    mine = ALL_BUCKETS ^ lowest_buckets(50)
    number = first
    while (mine >> bucket(b"", b"\x01" + Client(world, number).chaddr) & 1 == 1) is not backup:
        number += 1
    return Client(world, number)


def heard(server: Server, kind: type) -> list[object]:
    """Record the messages of a kind that the server receives from now on."""
    found: list[object] = []
    handle = server.handle

    def listen(event: object) -> list[object]:
        data = getattr(event, "data", None)
        if data is not None and hasattr(event, "link"):
            size = int.from_bytes(data[:2], "big")
            while data:
                frame = decode(data[:size])
                if isinstance(frame.message, kind):
                    found.append(frame)
                data = data[size:]
                size = int.from_bytes(data[:2], "big")
        return handle(event)  # type: ignore[return-value]

    server.handle = listen  # type: ignore[method-assign,assignment]
    return found


def counter(server: Server, name: str) -> int:
    assert server.node is not None
    return server.node.dhcp.counters[name]


class TestLoadBalancing:
    """Sections 5.3 and 5.5."""

    @pytest.mark.parametrize("backup", [False, True])
    def test_in_normal_a_new_client_is_answered_by_the_server_of_its_bucket_alone(self, backup: bool) -> None:
        world = pair()
        client = client_of(world, backup)
        right, wrong = (world.backup, world.main) if backup else (world.main, world.backup)
        assert not client.lease(wrong)
        assert counter(wrong, "dropped-load-balancing") == 1
        assert client.lease(right)
        world.run(1)
        world.books_agree()

    def test_the_backup_gives_its_own_addresses(self) -> None:
        world = pair()
        client = client_of(world, True)
        assert client.lease()
        assert world.main.node is not None and client.server == world.backup.address
        world.run(1)
        assert world.main.node.book.by_address[client.address].granted_by == 2

    @pytest.mark.parametrize("backup", [False, True])
    def test_renewals_are_answered_by_either(self, backup: bool) -> None:
        world = pair()
        client = client_of(world, backup)
        assert client.lease()
        world.run(1800)
        assert client.renew(world.main) and client.renew(world.backup)

    def test_init_reboot_is_for_the_server_of_the_bucket(self) -> None:
        world = pair()
        client = client_of(world, True)
        assert client.lease()
        world.run(1)
        wish = client.address.to_bytes(4, "big")
        assert client.send([world.main], dhcp.REQUEST, requested=wish) is None
        ack = client.send([world.backup], dhcp.REQUEST, requested=wish)
        assert ack is not None and ack.kind == dhcp.ACK

    def test_what_names_this_server_is_answered_whatever_the_bucket(self) -> None:
        """A client that was answered because it had waited selects that server, without having to wait again."""
        world = pair()
        client = client_of(world, True)
        offer = client.send([world.main], dhcp.DISCOVER, secs=4)
        assert offer is not None and offer.kind == dhcp.OFFER
        ack = client.send(
            [world.main], dhcp.REQUEST, requested=offer.yiaddr.to_bytes(4, "big"), server=offer.options[54]
        )
        assert ack is not None and ack.kind == dhcp.ACK

    def test_a_client_that_has_tried_for_longer_than_the_delay_is_answered_by_both(self) -> None:
        world = pair()
        client = client_of(world, False)
        assert client.send([world.backup], dhcp.DISCOVER, secs=3) is None
        assert client.send([world.backup], dhcp.DISCOVER, secs=4) is not None
        assert client.send([world.main], dhcp.DISCOVER, secs=4) is not None

    def test_without_a_delay_nobody_is_answered_by_both(self) -> None:
        world = pair(delay_s=0)
        assert client_of(world, False).send([world.backup], dhcp.DISCOVER, secs=60000) is None

    def test_outside_normal_each_answers_all(self) -> None:
        world = pair()
        world.cut = True
        world.run(120)
        assert world.main.state == world.backup.state == "COMMUNICATIONS-INTERRUPTED"
        assert client_of(world, True).lease(world.main)
        assert client_of(world, False, 100).lease(world.backup)

    def test_a_client_of_an_exhausted_partner_is_answered(self) -> None:
        small = {"first": "192.168.50.10", "last": "192.168.50.11"}
        world = World(
            lambda: config(True, scope(pct=50, **small), balance_backup_pct=50),
            lambda: config(False, scope(pct=50, **small)),
        ).pair()  # fmt: skip
        assert client_of(world, True).lease()
        world.run(1)
        assert client_of(world, True, 100).lease(world.main), "the backup's only address is taken"

    def test_only_the_main_declares_leases_over(self) -> None:
        world = pair()
        client = client_of(world, True)
        assert client.lease()
        world.run(4000)
        assert world.main.active() == world.backup.active() == {}
        assert not any("05021" in line for line in world.backup.notes)

    def test_the_main_tells_in_connect_and_a_change_is_told_by_connecting_anew(self) -> None:
        world = World(lambda: config(True, scope(pct=50)), lambda: balanced(False)).pair()
        client = client_of(world, True)
        assert not client.lease(world.backup)
        out: list[Effect] = []
        assert world.main.node is not None
        world.main.node.reload(world.now, balanced(True), out)
        world.main.perform(out)
        world.run(20)
        assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
        assert client.lease(world.backup)


class TestShares:
    """Section 5.4."""

    def test_addresses_go_to_the_server_that_answers_their_last_client(self) -> None:
        """Given and taken back."""
        world = World(lambda: config(True, scope(pct=0)), lambda: config(False, scope(pct=0))).pair()
        mains = [client_of(world, False, n * 100) for n in range(8)]
        backups = [client_of(world, True, n * 100) for n in range(8)]
        for one in (*mains, *backups):
            assert one.lease(world.main)
        addresses = {one.address for one in backups}
        world.run(1)
        for one in (*mains, *backups):
            one.release()
        world.run(1)
        out: list[Effect] = []
        assert world.main.node is not None and world.backup.node is not None
        changed = config(True, scope(pct=5), balance_backup_pct=50)
        world.main.node.reload(world.now, changed, out)
        world.main.perform(out)
        world.run(60)
        book = world.backup.node.book
        given = {b.address for b in book.by_address.values() if b.status == BACKUP}
        assert addresses <= given and len(given) < 16


class TestPoolRequests:
    """Sections 7.6 and 7.7."""

    def test_the_backup_asks_on_entering_normal_and_again_while_something_came(self) -> None:
        backup = Partner(False)
        backup.normal()
        for count in (19, 2, 0):
            (asked,) = [frame for frame in backup.heard if isinstance(frame.message, PoolRequest)]
            backup.said()
            backup.say(PoolResponse(count), asked.xid)
        assert not [frame for frame in backup.heard if isinstance(frame.message, PoolRequest)]

    def test_the_main_answers_with_how_many_it_gives_now(self) -> None:
        world = World().pair()
        asked = heard(world.main, PoolRequest)
        told = heard(world.backup, PoolResponse)
        assert world.main.node is not None
        world.main.node.reload(world.now, config(True, scope(pct=20)), [])
        shares.ask_for_addresses(world.backup.endpoint, world.now, out := [])
        world.backup.perform(out)
        world.run(1)
        assert [frame.message.count for frame in told] == [19, 0]  # type: ignore[attr-defined]
        assert [f.xid for f in told] == [f.xid for f in asked]  # type: ignore[attr-defined]

    def test_the_backup_asks_now_and_then(self) -> None:
        world = World().pair()
        asked = heard(world.main, PoolRequest)
        world.run(7300)
        assert len(asked) == 2

    def test_a_backup_that_is_asked_reports_an_error_and_gives_nothing(self) -> None:
        world = World().pair()
        told = heard(world.main, PoolResponse)
        link = world.main.endpoint.link
        assert link is not None
        out: list[Effect] = []
        link.send(PoolRequest(), world.now, out)
        world.main.perform(out)
        world.run(1)
        assert [frame.message.count for frame in told] == [0]  # type: ignore[attr-defined]
        assert any(line.startswith("Error 06170") for line in world.backup.notes)

    def test_what_is_given_is_the_mains_no_more_before_the_backup_has_it(self) -> None:
        """The main must not use an address once it has sent it as BACKUP."""
        world = World(lambda: config(True, scope(pct=100)), lambda: config(False, scope(pct=100)))
        world.pair()
        assert world.main.node is not None
        assert world.main.node.book.pools[0].side(FREE).size == 0
        assert not Client(world, 1).lease(world.main)
