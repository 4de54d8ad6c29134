"""Whole conversations between clients and one server."""

from __future__ import annotations

from play import DAY, MCLT, Client, Got, Play, Saved, four, interrupted, ip, normal_main, scope, silence
from tandem.lease.binding import ACTIVE, BACKUP, EXPIRED, FREE, RELEASED


def test_a_day_of_a_client() -> None:
    """It comes, renews, goes, and finds its address again."""
    play, anna = Play(), Client(1)
    play >> anna.discover() << Got("OFFER", yiaddr=10, lease=3 * DAY) << silence
    play >> 1 >> anna.select(10) << Saved(10, status=ACTIVE) << Got("ACK", yiaddr=10, lease=3 * DAY) << silence
    play >> DAY * 1.5 >> anna.renew(10) << Saved(10, status=ACTIVE) << Got("ACK", ciaddr=10, lease=3 * DAY) << silence
    play >> 60 >> anna.release(10) << Saved(10, status=FREE) << silence
    play >> Client(2).discover() << Got("OFFER", yiaddr=11)
    play >> DAY >> anna.discover() << Got("OFFER", yiaddr=10)


def test_a_client_that_vanishes() -> None:
    """Its address is kept for the grace period, then another may have it; never-used ones go first."""
    play, anna = Play(scope(10, 10)), Client(1)
    play >> anna.discover() << Got("OFFER", yiaddr=10)
    play >> anna.select(10) << Saved(10, status=ACTIVE) << Got("ACK")
    play >> 3 * DAY + 299 << silence
    play >> Client(2).discover() << silence
    play >> 1 << Saved(10, status=FREE) << silence
    play >> Client(2).discover() << Got("OFFER", yiaddr=10)


def test_two_servers_offer_and_the_client_takes_the_other() -> None:
    play, anna, other = Play(scope(10, 10)), Client(1), ip(3)
    play >> anna.discover() << Got("OFFER", yiaddr=10)
    play >> Client(2).discover() << silence
    play >> anna.select(99, server=other) << silence
    play >> Client(2).discover() << Got("OFFER", yiaddr=10)


def test_the_first_lease_in_failover_is_the_mclt_and_the_second_is_whole() -> None:
    """S4.3, with the numbers that the partner is told."""
    play, anna = Play(powers=normal_main()), Client(1)
    start = int(play.now)
    play >> anna.discover() << Got("OFFER", yiaddr=10, lease=MCLT)
    told = start + 3 * DAY + MCLT
    play >> anna.select(10) << Saved(10, expires=start + MCLT, sent_potential=told) << Got("ACK", lease=MCLT)
    binding = play.book.by_address[ip(10)]
    binding.acked_potential, binding.up_to_date = told, True
    half = start + MCLT // 2
    play >> MCLT // 2 >> anna.renew(10)
    play << Saved(10, expires=half + 3 * DAY, sent_potential=half + int(3 * DAY * 1.5)) << Got("ACK", lease=3 * DAY)
    play << silence


def test_the_partner_is_gone_and_the_lease_shrinks_to_the_mclt() -> None:
    play, anna = Play(powers=interrupted(BACKUP)), Client(1)
    play.record(10, ACTIVE, anna, MCLT).received_potential = int(play.now) + 7200
    play >> anna.renew(10) << Saved(10, sent_potential=0) << Got("ACK", lease=7200 + MCLT) << silence
    play >> 7200 + MCLT - 10 >> anna.renew(10) << Saved(10) << Got("ACK", lease=MCLT) << silence


def test_a_lease_ends_before_the_partner_agrees() -> None:
    """The main may give it to the same client again, to nobody else; the backup to nobody."""
    for own, again in ((FREE, True), (BACKUP, False)):
        play, anna = Play(scope(10, 11), powers=interrupted(own)), Client(1)
        play.book.assign_unused(ip(11), ip(11), own)
        play.record(10, ACTIVE, anna, 100)
        play >> 500 << Saved(10, status=EXPIRED) << silence
        play >> Client(2).discover() << Got("OFFER", yiaddr=11) << silence
        play >> Client(2).select(11) << Saved(11) << Got("ACK")
        play >> Client(3).discover() << silence
        play >> anna.discover()
        if again:
            play << Got("OFFER", yiaddr=10, lease=MCLT)
            play >> anna.select(10) << Saved(10, status=ACTIVE) << Got("ACK", lease=MCLT)
        play << silence


def test_a_release_in_failover_waits_for_the_partner() -> None:
    play, anna = Play(scope(10, 10), powers=normal_main()), Client(1)
    play >> anna.discover() << Got("OFFER")
    play >> anna.select(10) << Saved(10, last_transaction=int(play.now)) << Got("ACK")
    play >> anna.release(10) << Saved(10, status=RELEASED, last_transaction=int(play.now) + 1) << silence
    play >> Client(2).discover() << silence


def test_a_relayed_client_with_everything_a_relay_adds() -> None:
    """Option 82 comes back unchanged and last; the reply goes to the relay; the lease keeps what it said."""
    info = bytes([1, 3]) + b"ge1" + bytes([2, 2]) + b"sw"
    play, anna = Play(), Client(1, via=ip("192.168.50.254"))
    play >> anna.discover(o82=info) << Got("OFFER", to="192.168.50.254", port=67, option82=info)
    play >> anna.select(10, o82=info) << Saved(10, options=bytes([82, len(info)]) + info)
    play << Got("ACK", to="192.168.50.254", giaddr=254, option82=info)
    direct = Client(1)
    play >> 2 * DAY >> direct.renew(10) << Saved(10, options=bytes([82, len(info)]) + info)
    play << Got("ACK", to="192.168.50.10", port=68, option82=None)


def test_lease_time_on_request() -> None:
    from play import lone

    play = Play(scope(policy=lone(allow_lease_time_override=True)))
    play >> Client(1).discover(o51=four(600)) << Got("OFFER", lease=600)
    play >> Client(2).discover(o51=four(30 * DAY)) << Got("OFFER", lease=3 * DAY)
    play = Play()
    play >> Client(1).discover(o51=four(600)) << Got("OFFER", lease=3 * DAY)
