"""Which address a client gets: reservations, memory, wishes, shares, scopes that give nothing."""

from __future__ import annotations

import pytest

from play import (
    DAY,
    MCLT,
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
    partner_down,
    scope,
    silence,
)
from tandem.base.units import FOREVER
from tandem.lease.binding import ABANDONED, ACTIVE, BACKUP, EXPIRED, FREE, RELEASED, RESERVED_FLAG

ANNA, BERT = Client(1), Client(2)


def test_a_reserved_address_is_only_its_clients() -> None:
    play = Play(scope(10, 10, reserve={ip(9): ANNA.key}))
    play >> BERT.discover(o50=four(ip(9))) << Got("OFFER", yiaddr=10)
    play >> BERT.select(9) << Got("NAK")
    play >> BERT.reboot(9) << silence
    play >> Client(3).discover() << Got("OFFER", yiaddr=10)
    play >> ANNA.discover() << Got("OFFER", yiaddr=9)
    play >> ANNA.select(9) << Saved(9, status=ACTIVE, flags=RESERVED_FLAG) << Got("ACK", yiaddr=9)


def test_a_reservation_by_hardware_holds_for_a_client_with_an_identifier() -> None:
    anna = Client(1, client_id=b"\x01anna")
    play = Play(scope(reserve={ip(9): ANNA.key}))
    lease(play, anna, 9)
    play >> 2 * DAY >> ANNA.renew(9) << Saved(9, client_id=b"") << Got("ACK")  # its boot loader, without identifier
    play >> 2 * DAY >> anna.renew(9) << Saved(9, client_id=b"\x01anna") << Got("ACK")


def test_a_reservation_by_identifier() -> None:
    anna = Client(1, client_id=b"\x01anna")
    play = Play(scope(reserve={ip(9): anna.key}))
    lease(play, anna, 9)
    play >> ANNA.discover() << Got("OFFER", yiaddr=10)


def test_a_new_reservation_moves_a_client_at_its_renewal() -> None:
    play = Play()
    lease(play, ANNA, 10)
    play.server.configure(play.config)
    moved = scope(reserve={ip(9): ANNA.key})
    play.config.scopes[0].reservations, play.config.scopes[0].reserved = moved.reservations, moved.reserved
    play >> ANNA.renew(10) << Got("NAK", to="255.255.255.255")
    lease(play, ANNA, 9)


def test_an_unusable_reservation_does_not_drive_the_client_away() -> None:
    """Its reserved address is declined or held by another: it keeps what it has."""
    play = Play(scope(reserve={ip(9): ANNA.key}))
    play.record(9, ABANDONED, expires_in=DAY)
    play.record(10, ACTIVE, ANNA, 100)
    play >> ANNA.renew(10) << Saved(10) << Got("ACK")
    play >> ANNA.discover() << Got("OFFER", yiaddr=10)


def test_an_address_reserved_for_another_is_not_renewed() -> None:
    play = Play(scope(reserve={ip(9): ANNA.key}))
    play.record(9, ACTIVE, BERT, 100)
    play >> BERT.renew(9) << Got("NAK")
    play >> BERT.discover() << Got("OFFER", yiaddr=10)


def test_the_wish_is_granted_if_it_is_available() -> None:
    play = Play()
    play >> ANNA.discover(o50=four(ip(15))) << Got("OFFER", yiaddr=15)
    play >> BERT.discover(o50=four(ip(15))) << Got("OFFER", yiaddr=10)
    play >> Client(3).discover(o50=four(ip("10.1.2.3"))) << Got("OFFER", yiaddr=11)
    play >> Client(4).discover(o50=four(ip(200))) << Got("OFFER", yiaddr=12)


def test_asking_again_gives_the_same_offer_and_renews_it() -> None:
    play = Play(scope(10, 10))
    play >> ANNA.discover() << Got("OFFER", yiaddr=10)
    play >> 100 >> ANNA.discover() << Got("OFFER", yiaddr=10)
    play >> 100 >> BERT.discover() << silence
    play >> 21 >> BERT.discover() << Got("OFFER", yiaddr=10)


def test_secondary_scopes_are_used_in_order() -> None:
    second = scope("192.168.51.10", "192.168.51.10", name="more", subnet="192.168.51.0")
    play = Play(scope(10, 10), second, together=True)
    lease(play, ANNA, 10)
    lease(play, BERT, "192.168.51.10")
    play >> 2 * DAY >> BERT.renew("192.168.51.10") << Saved("192.168.51.10") << Got("ACK")


def test_scopes_give_in_the_order_of_their_priorities() -> None:
    second = scope("192.168.51.10", "192.168.51.10", name="more", subnet="192.168.51.0", allocation_priority=9)
    third = scope("192.168.52.10", "192.168.52.10", name="most", subnet="192.168.52.0", allocation_priority=2)
    play = Play(scope(10, 10), second, third, together=True)
    lease(play, ANNA, "192.168.52.10")
    lease(play, BERT, "192.168.51.10")
    lease(play, Client(3), 10)


@pytest.mark.parametrize("setting", ["renew_only", "deactivated"])
def test_scopes_that_give_nothing_new(setting: str) -> None:
    play = Play(scope(**{setting: True}))
    play >> ANNA.discover(o50=four(ip(12))) << silence
    assert play.counters["dropped-no-address"] == 1
    assert setting.replace("_", "-") in play.notes[-1].text
    play.record(10, ACTIVE, BERT, 100)
    play >> BERT.renew(10)
    if setting == "renew_only":
        play << Saved(10) << Got("ACK") << silence
        play >> BERT.discover() << Got("OFFER", yiaddr=10)
    else:
        play << Got("NAK") << silence
        play >> BERT.discover() << silence


def test_each_server_gives_from_its_own_share() -> None:
    for own, first in ((FREE, 10), (BACKUP, 15)):
        play = Play(powers=interrupted(own))
        play.book.assign_unused(ip(15), ip(20), BACKUP)
        wished = 20 if own == FREE else 10
        play >> ANNA.discover(o50=four(ip(wished))) << Got("OFFER", yiaddr=first, lease=MCLT)


def test_the_partners_share_after_the_wait_of_partner_down() -> None:
    play = Play(scope(10, 11), powers=partner_down(FREE, 1_800_000_100))
    play.book.assign_unused(ip(11), ip(11), BACKUP)
    play >> ANNA.discover() << Got("OFFER", yiaddr=10)
    play >> 99 >> BERT.discover() << silence
    play >> 1 >> BERT.discover() << Got("OFFER", yiaddr=11)


def test_an_offer_from_the_partners_share_is_void_when_the_partner_is_back() -> None:
    play = Play(scope(10, 10), powers=partner_down(FREE, 0))
    play.book.assign_unused(ip(10), ip(10), BACKUP)
    play >> ANNA.discover() << Got("OFFER", yiaddr=10)
    play.power(normal_main())
    play >> ANNA.select(10) << Got("NAK") << silence
    play >> ANNA.discover() << silence


def test_running_out_is_said_with_its_cure_and_not_for_every_packet() -> None:
    play = Play(scope(10, 11), powers=normal_main())
    play.book.assign_unused(ip(11), ip(11), BACKUP)
    lease(play, ANNA, 10)
    for number in range(3, 20):
        play >> Client(number).discover() << silence
    said = [note for note in play.notes if note.ident == 5130]
    assert len(said) == 1 and said[0].level == "Warning"
    assert "lan" in said[0].text and "failover-backup-percentage" in said[0].text and "NORMAL" in said[0].text
    assert play.counters["dropped-no-address"] == 17
    play >> 11 >> Client(3).discover()
    assert len([note for note in play.notes if note.ident == 5130]) == 2


def test_permanent_leases() -> None:
    play = Play(scope(policy=lone(permanent=True)))
    play >> ANNA.discover() << Got("OFFER", lease=FOREVER, option58=four(FOREVER), option59=four(FOREVER))
    play >> ANNA.select(10) << Saved(10, expires=FOREVER) << Got("ACK", lease=FOREVER)
    play >> 400 * DAY << silence
    play >> ANNA.renew(10) << Got("ACK", lease=FOREVER) << silence


class TestBelief:
    """A client that extends a lease unknown here is believed where nothing speaks against it (draft 3.1.2)."""

    def play(self, *, connected: bool = False) -> Play:
        powers = normal_main() if connected else interrupted(BACKUP)
        play = Play(scope(10, 20, reserve={ip(9): BERT.key}), powers=powers)
        play.book.assign_unused(ip(15), ip(20), BACKUP)
        return play

    def test_the_main_died_before_it_could_tell(self) -> None:
        play = self.play()
        play >> ANNA.renew(10) << Saved(10, status=ACTIVE, granted_by=1, acked_potential=0) << Got("ACK", lease=MCLT)
        play >> BERT.renew(10) << Got("NAK")

    def test_also_where_an_older_lease_has_ended_for_both(self) -> None:
        play = self.play()
        play.record(10, FREE, BERT, -10).acked_potential = int(play.now) + DAY
        play >> ANNA.renew(10)
        play << Saved(10, status=ACTIVE, hardware=ANNA.hardware, acked_potential=0) << Got("ACK", lease=MCLT)

    def test_not_where_the_partner_may_have_extended_the_lease_that_ended_here(self) -> None:
        for status in (EXPIRED, RELEASED):
            play = self.play()
            play.record(10, status, BERT, -10)
            play >> ANNA.renew(10) << silence

    def test_not_where_another_holds_it_or_was_offered_it_or_it_is_unusable(self) -> None:
        play = self.play()
        play.record(10, ACTIVE, BERT, 100)
        play.record(11, ABANDONED, expires_in=100)
        play >> BERT.discover() << Got("OFFER")
        play >> Client(3).discover(o50=four(ip(16))) << Got("OFFER", yiaddr=16)
        for last in (9, 10, 11, 16):
            play >> ANNA.renew(last) << Got("NAK") << silence

    def test_not_outside_of_the_ranges(self) -> None:
        play = self.play() >> ANNA.renew(30) << silence
        assert play.counters["dropped-unknown"] == 1

    def test_not_while_the_partner_can_be_asked(self) -> None:
        play = self.play(connected=True)
        play >> ANNA.renew(16) << silence  # the partner's share: its update is on the way, or it answers itself
        play >> ANNA.renew(10) << Saved(10) << Got("ACK")  # our own share: ours to give
        play.record(17, EXPIRED, BERT)
        play >> ANNA.renew(17) << silence

    def test_not_when_it_starts_anew(self) -> None:
        self.play() >> ANNA.reboot(10) << silence

    def test_not_without_a_partner(self) -> None:
        Play() >> ANNA.renew(30) << silence


def test_a_client_that_starts_anew_is_not_denied_an_address_that_the_partner_may_have_given_it() -> None:
    play = Play(powers=normal_main())
    play.record(10, ACTIVE, ANNA, 100)
    play.record(11, FREE, BERT)
    play.record(12, BACKUP, BERT)
    play.book.assign_unused(ip(14), ip(16), BACKUP)
    for last, answer in ((11, Got("NAK")), (13, Got("NAK")), (12, silence), (16, silence)):
        play >> ANNA.reboot(last) << answer
