"""Settings of policies, and of the server, that change what clients get and when."""

from __future__ import annotations

import pytest

from play import (
    DAY,
    MCLT,
    SERVER,
    Client,
    Got,
    Play,
    Saved,
    four,
    interrupted,
    ip,
    lease,
    lone,
    normal_main,
    scope,
    silence,
)
from tandem.lease.binding import ACTIVE, FREE

ANNA, BERT = Client(1), Client(2)
RELAY = ip(1)


class TestSplitLeaseTimes:
    """The server holds the address for longer than the client is told."""

    def test_the_client_is_told_the_lease_and_the_address_is_its_for_longer(self) -> None:
        policy = lone(lease_s=3600, split_lease_times=True, server_lease_s=DAY)
        play = Play(scope(policy=policy))
        play >> ANNA.discover() << Got("OFFER", lease=3600)
        play >> ANNA.select(10) << Saved(10, expires=int(play.now) + DAY) << Got("ACK", lease=3600)
        play >> 600 >> ANNA.renew(10) << Saved(10, expires=int(play.now) + DAY) << Got("ACK", lease=3600)

    def test_not_longer_than_the_partner_allows(self) -> None:
        policy = lone(lease_s=1800, split_lease_times=True, server_lease_s=DAY)
        play = Play(scope(policy=policy), powers=normal_main())
        play >> ANNA.select(10) << Saved(10, expires=int(play.now) + MCLT) << Got("ACK", lease=1800)

    def test_a_server_lease_time_that_is_shorter_or_alone_changes_nothing(self) -> None:
        for split, server_lease_s in ((True, 60), (False, DAY)):
            policy = lone(lease_s=3600, split_lease_times=split, server_lease_s=server_lease_s)
            play = Play(scope(policy=policy))
            play >> ANNA.select(10) << Saved(10, expires=int(play.now) + 3600) << Got("ACK", lease=3600)


class TestGiaddrAsServerId:
    """A relay's clients are told the relay's address, and renew through it."""

    def test_the_relay_is_the_server_to_its_clients(self) -> None:
        play = Play(scope(policy=lone(giaddr_as_server_id=True)))
        far = Client(1, via=RELAY)
        play >> far.discover() << Got("OFFER", option54=four(RELAY))
        play >> far.select(10, RELAY) << Saved(10) << Got("ACK", option54=four(RELAY))
        play >> far.release(10, RELAY) << Saved(10, status=FREE)
        play >> ANNA.discover() << Got("OFFER", option54=four(SERVER))  # not through a relay

    def test_the_other_server_of_the_pair_was_meant(self) -> None:
        play = Play(scope(policy=lone(giaddr_as_server_id=True)), powers=interrupted(FREE))
        far = Client(1, via=RELAY)
        play >> far.discover() << Got("OFFER")
        play >> far.select(99, RELAY) << silence
        assert play.counters["dropped-not-for-us"] == 1

    def test_what_the_relay_says_itself_counts_before(self) -> None:
        play = Play(scope(policy=lone(giaddr_as_server_id=True)))
        far = Client(1, via=RELAY)
        play >> far.discover(o82=b"\x0b\x04" + four(ip(2))) << Got("OFFER", option54=four(ip(2)))


class TestInhibitedRenewals:
    """Clients that are to change their addresses."""

    def test_no_lease_is_extended_and_another_address_follows(self) -> None:
        play = Play(scope(policy=lone(inhibit_all_renews=True)))
        lease(play, ANNA, 10)
        play >> ANNA.renew(10) << Got("NAK")
        play >> ANNA.discover(o50=four(ip(10))) << Got("OFFER", yiaddr=11)
        play >> ANNA.select(11) << Saved(11, status=ACTIVE) << Got("ACK", yiaddr=11)

    def test_the_former_lease_runs_out_by_itself_as_an_old_message_may_have_asked_for_another(self) -> None:
        play = Play(scope(policy=lone(inhibit_renews_at_reboot=True)), powers=normal_main())
        lease(play, ANNA, 10)
        play >> ANNA.renew(10) << Got("ACK") >> ANNA.reboot(10) << Got("NAK")
        play >> ANNA.discover() << Got("OFFER", yiaddr=11)
        play >> ANNA.select(11) << Saved(11) << Got("ACK")
        play >> ANNA.select(11) << Saved(11) << Got("ACK", yiaddr=11)  # its ACK was lost
        assert play.book.by_address[ip(10)].status == ACTIVE

    @pytest.mark.parametrize("setting", ["inhibit_all_renews", "inhibit_renews_at_reboot"])
    def test_a_reservation_stays(self, setting: str) -> None:
        play = Play(scope(reserve={ip(30): ANNA.key}, policy=lone(**{setting: True})))
        lease(play, ANNA, 30)
        for message in (ANNA.renew(30), ANNA.reboot(30)):
            play >> message << Got("ACK", yiaddr=30)
        play >> ANNA.discover() << Got("OFFER", yiaddr=30)

    def test_another_servers_client_is_not_driven_away_by_the_backup(self) -> None:
        powers = interrupted(FREE)
        powers.answer = 1
        play = Play(scope(policy=lone(inhibit_all_renews=True)), powers=powers)
        play.record(10, ACTIVE, ANNA, 60)
        play >> ANNA.renew(10) << silence


def test_bootp_clients_get_options_of_their_own() -> None:
    policy = lone(options={3: four(ip(1)), 17: b"/srv/root"}, bootp_reply_options=(17,))
    play = Play(scope(reserve={ip(30): ANNA.key}, policy=policy))
    play >> ANNA.says(0) << Saved(30) << Got("BOOTP", option17=b"/srv/root", option3=four(ip(1)))
    play >> BERT.discover() << Got("OFFER", option17=None)


def test_replies_are_broadcast_where_the_network_does_not_carry_others() -> None:
    for unicast, to in ((True, "192.168.50.10"), (False, "255.255.255.255")):
        play = Play(scope(), hardware_unicast=unicast)
        play >> ANNA.discover() << Got("OFFER", to=to, hardware=ANNA.hardware if unicast else b"")
        play >> ANNA.renew(10) << Saved(10) << Got("ACK", to="192.168.50.10", hardware=b"")


def test_of_equal_scopes_the_one_with_most_addresses_gives() -> None:
    for most, address in ((False, "192.168.50.10"), (True, "192.168.51.10")):
        small, large = scope(10, 12), scope("192.168.51.10", "192.168.51.20", name="b", subnet="192.168.51.0")
        play = Play(small, large, together=True, equal_priority_most_available=most)
        play >> ANNA.discover() << Got("OFFER", yiaddr=address)
    small.allocation_priority = 1
    play = Play(small, large, together=True, equal_priority_most_available=True)
    play >> ANNA.discover() << Got("OFFER", yiaddr=10)
