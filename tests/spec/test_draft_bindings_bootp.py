"""Draft section 5.14, RFC 951 and RFC 1534: BOOTP clients, static and dynamic, alone and in a pair."""

from __future__ import annotations

from pair import World, config
from pair import scope as pair_scope

from play import MCLT, Client, Got, Play, Saved, partner_down, scope, silence
from tandem.base.ipv4 import parse_ipv4
from tandem.base.units import FOREVER
from tandem.config.compiled import CompiledScope, ServerConfig
from tandem.lease.binding import ACTIVE, BOOTP_FLAG, FREE
from tandem.wire import dhcp

ANNA, BERT = Client(1), Client(2)


def dynamic(**settings: object) -> CompiledScope:
    one = scope(10, 11)
    one.dynamic_bootp = True
    for name, value in settings.items():
        setattr(one, name, value)
    return one


class TestAlone:
    def test_a_dynamic_bootp_scope_gives_an_address_for_good(self) -> None:
        play = Play(dynamic()) >> ANNA.says(0) << Saved(10, status=ACTIVE, expires=FOREVER, flags=BOOTP_FLAG)
        play << Got("BOOTP", yiaddr=10, lease=None) << silence
        play >> ANNA.says(0) << Got("BOOTP", yiaddr=10) << silence  # asked again: the same, nothing to store
        play >> BERT.says(0) << Saved(11, expires=FOREVER) << Got("BOOTP", yiaddr=11) << silence
        play >> Client(3).says(0) << silence
        assert play.counters["dropped-no-bootp-address"] == 1

    def test_other_scopes_serve_reserved_bootp_clients_only(self) -> None:
        play = Play(scope(10, 11)) >> ANNA.says(0) << silence
        assert "enable dynamic-bootp" in play.notes[-1].text

    def test_the_last_address_again(self) -> None:
        play = Play(dynamic())
        play.record(11, FREE, ANNA)
        play >> ANNA.says(0) << Saved(11, expires=FOREVER) << Got("BOOTP", yiaddr=11)

    def test_bootp_off(self) -> None:
        play = Play(dynamic(bootp=False)) >> ANNA.says(0) << silence
        assert "BOOTP is off" in play.notes[-1].text

    def test_dhcp_off_keeps_dhcp_clients_out(self) -> None:
        play = Play(dynamic(dhcp=False)) >> ANNA.discover() << silence
        play >> ANNA.says(0) << Saved(10) << Got("BOOTP", yiaddr=10)

    def test_segregated_on_one_lan_segment(self) -> None:
        """The chapter's advice: one scope for dynamic BOOTP, closed to DHCP, beside one for DHCP."""
        for_dhcp = scope(20, 21, name="dhcp")
        for_bootp = dynamic(dhcp=False)
        for_bootp.subnet, for_bootp.mask = for_dhcp.subnet, 0xFFFFFFF0
        for_dhcp.subnet, for_dhcp.mask = for_dhcp.subnet + 16, 0xFFFFFFF0
        play = Play(for_bootp, for_dhcp, together=True)
        play >> ANNA.discover() << Got("OFFER", yiaddr=20)
        play >> BERT.says(0) << Saved(10) << Got("BOOTP", yiaddr=10)


class TestPowers:
    def test_the_partners_addresses_are_never_given_in_a_dynamic_bootp_scope(self) -> None:
        """Not to BOOTP clients, not to DHCP clients, not even in PARTNER-DOWN after the MCLT."""
        for client in (ANNA.says(0), ANNA.discover()):
            play = Play(dynamic(), powers=partner_down(FREE, 0))
            play.book.assign_unused(parse_ipv4("192.168.50.10"), parse_ipv4("192.168.50.11"), 7)
            play >> 10 * MCLT
            play >> client << silence


def both(main: bool) -> ServerConfig:
    one = pair_scope(last="192.168.50.13", pct=50)
    one.dynamic_bootp = True
    return config(main, one)


def bootp(world: World, number: int, *to: object) -> int:
    """A BOOTP client asks these servers; the address that it is told, or 0."""
    message = dhcp.Message()
    message.op, message.htype, message.hlen, message.chaddr = 1, 1, 6, b"\x02\0\0\0\0" + bytes([number])
    from tandem.base.io import Datagram

    for server in to:
        for reply in server.handle(Datagram(dhcp.encode(message), 0, 68, server.interface)):  # type: ignore[attr-defined]
            return dhcp.decode(reply.data).yiaddr
    return 0


class TestPair:
    def test_the_partner_is_told_with_the_b_bit_and_a_lease_without_end(self) -> None:
        world = World(lambda: both(True), lambda: both(False)).pair()
        address = bootp(world, 1, world.main)
        world.run(1)
        assert world.backup.node is not None
        there = world.backup.node.book.by_address[address]
        assert (there.status, there.expires, there.flags & BOOTP_FLAG) == (ACTIVE, FOREVER, BOOTP_FLAG)
        assert there.received_potential == FOREVER
        world.books_agree()

    def test_the_backup_in_normal_leaves_bootp_clients_to_the_main(self) -> None:
        world = World(lambda: both(True), lambda: both(False)).pair()
        assert not bootp(world, 1, world.backup)

    def test_partner_down_never_takes_the_partners_share_nor_a_permanent_lease(self) -> None:
        world = World(lambda: both(True), lambda: both(False)).pair()
        held = bootp(world, 1, world.main)
        world.run(1)
        world.main.crash()
        world.run(120)
        out: list[object] = []
        assert world.backup.node is not None
        world.backup.node.set_partner_down(world.now, world.main.address, None, False, out)  # type: ignore[arg-type]
        world.backup.perform(out)  # type: ignore[arg-type]
        world.run(10_000)
        got = [bootp(world, number, world.backup) for number in (2, 3, 4)]
        assert got[2] == 0 and 0 not in got[:2], "two of the four were the backup's"
        assert world.backup.node.book.by_address[held].status == ACTIVE
        assert bootp(world, 1, world.backup) == held

    def test_both_servers_gave_a_bootp_client_an_address_and_agree_to_disagree(self) -> None:
        world = World(lambda: both(True), lambda: both(False)).pair()
        world.cut = True
        world.run(120)
        one, two = bootp(world, 1, world.main), bootp(world, 1, world.backup)
        assert one and two and one != two
        world.cut = False
        world.run(60)
        assert world.main.state == world.backup.state == "NORMAL"
        world.books_agree()
        assert set(world.main.active()) == {one, two}
