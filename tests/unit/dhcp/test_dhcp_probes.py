"""Ping before offer: what is asked for, what is remembered of it, and what nobody waits for."""

from __future__ import annotations

from play import (
    SERVER,
    Client,
    Got,
    Pinged,
    Play,
    Saved,
    interrupted,
    ip,
    lease,
    lone,
    normal_backup,
    scope,
    silence,
)
from tandem.base.io import Probed
from tandem.dhcp.probes import SILENCE_S, TRIES_MAX
from tandem.lease.binding import ABANDONED, ACTIVE, BACKUP, FREE

ANNA, BERT = Client(1), Client(2)


def asking(last: int = 20, **more: object) -> Play:
    """A server that pings."""
    powers, settings = more.pop("powers", None), {k: more.pop(k) for k in ("max_probes",) if k in more}
    return Play(scope(10, last, probe_ms=300, **more), powers=powers, **settings)


def test_an_address_is_offered_when_nobody_has_answered() -> None:
    play = asking()
    play >> ANNA.discover() << Pinged(10) << silence
    play >> Probed(ip(10), False) << Got("OFFER", yiaddr=10) << silence
    play >> ANNA.select(10) << Saved(10, status=ACTIVE) << Got("ACK", yiaddr=10)
    assert play.counters["received-discover"] == 1 and play.counters["pings-sent"] == 1


def test_one_that_a_host_answers_for_is_unavailable_and_the_next_is_tried() -> None:
    play = asking(policy=lone(unavailable_s=600))
    play >> ANNA.discover() << Pinged(10)
    play >> Probed(ip(10), True)
    play << Saved(10, status=ABANDONED, hardware=b"", expires=int(play.now) + 600) << Pinged(11) << silence
    play >> Probed(ip(11), False) << Got("OFFER", yiaddr=11)
    assert play.counters["addresses-in-use"] == 1
    assert "A host answers a ping of 192.168.50.10" in play.notes[-1].text
    assert "lease 192.168.50.10 force-available" in play.notes[-1].text
    play >> 601 << Saved(10, status=FREE)


def test_a_client_that_asks_again_waits_for_the_same_ping_and_gets_one_answer_to_its_last_question() -> None:
    play = asking()
    again = Client(1, secs=4)
    play >> ANNA.discover() << Pinged(10) >> again.discover() << silence
    play >> Probed(ip(10), False) << Got("OFFER", yiaddr=10) << silence
    play >> again.discover() << Got("OFFER", yiaddr=10) << silence  # silence is remembered
    play >> SILENCE_S + 1 >> again.discover() << Pinged(10) << silence  # but not for ever
    assert play.counters["pings-sent"] == 2


def test_others_are_served_meanwhile() -> None:
    play = asking()
    play >> ANNA.discover() << Pinged(10) >> BERT.discover() << Pinged(11)
    play >> Probed(ip(11), False) << Got("OFFER", yiaddr=11)
    play >> Probed(ip(10), False) << Got("OFFER", yiaddr=10)


def test_a_client_that_returns_to_its_lease_is_not_kept_waiting() -> None:
    play = asking()
    play.record(12, ACTIVE, ANNA, 3600)
    play >> ANNA.discover() << Got("OFFER", yiaddr=12)
    play >> ANNA.renew(12) << Saved(12) << Got("ACK")


def test_what_is_reserved_is_not_asked_for() -> None:
    play = asking(reserve={ip(30): ANNA.key})
    play >> ANNA.discover() << Got("OFFER", yiaddr=30)


def test_a_request_names_what_was_offered_and_is_not_asked_for() -> None:
    play = asking()
    play >> ANNA.select(10) << Saved(10, status=ACTIVE) << Got("ACK")


def test_a_bootp_client_waits_too() -> None:
    play = asking(dynamic_bootp=True)
    play >> ANNA.says(0) << Pinged(10) << silence
    play >> Probed(ip(10), True) << Saved(10, status=ABANDONED) << Pinged(11)
    play >> Probed(ip(11), False) << Saved(11, status=ACTIVE)


def test_a_network_full_of_unknown_hosts_ends_the_search_for_one_request() -> None:
    play = asking(100)
    play >> ANNA.discover()
    for last in range(10, 10 + TRIES_MAX):
        play << Pinged(last) >> Probed(ip(last), True) << Saved(last, status=ABANDONED)
    play << silence
    assert play.counters["dropped-pings"] == 1
    play >> ANNA.discover() << Pinged(10 + TRIES_MAX)


def test_so_many_pings_are_under_way_at_most() -> None:
    play = asking(max_probes=1)
    play >> ANNA.discover() << Pinged(10) >> BERT.discover() << silence
    assert play.counters["dropped-pings"] == 1
    play >> Probed(ip(10), False) << Got("OFFER", yiaddr=10) >> BERT.discover() << Pinged(11)


def test_an_answer_about_an_address_that_another_has_meanwhile_changes_nothing() -> None:
    play = asking()
    play >> ANNA.discover() << Pinged(10)
    play >> ANNA.select(99, SERVER + 1) << silence  # another server's offer: this one is withdrawn
    lease_of_bert(play)
    play >> Probed(ip(10), True) << Pinged(11) << silence
    assert play.book.by_address[ip(10)].status == ACTIVE


def lease_of_bert(play: Play) -> None:
    play >> BERT.select(10) << Saved(10, status=ACTIVE) << Got("ACK")


def test_each_server_asks_for_its_own_share_and_the_partner_hears_of_what_is_in_use() -> None:
    play = asking(powers=interrupted(BACKUP))
    play.book.assign_unused(ip(15), ip(20), BACKUP)
    play >> ANNA.discover() << Pinged(15) >> Probed(ip(15), True) << Saved(15, status=ABANDONED, up_to_date=0)
    play << Pinged(16) >> Probed(ip(16), False) << Got("OFFER", yiaddr=16)


def test_a_server_that_is_not_to_answer_any_more_says_nothing_when_the_ping_is_over() -> None:
    play = asking(powers=interrupted(BACKUP))
    play.book.assign_unused(ip(15), ip(20), BACKUP)
    play >> ANNA.discover() << Pinged(15)
    play.power(normal_backup())
    play >> Probed(ip(15), True) << silence
    assert ip(15) not in play.book.by_address


def test_a_reload_meanwhile() -> None:
    play = asking()
    play >> ANNA.discover() << Pinged(10)
    play.server.configure(play.config)
    play >> Probed(ip(10), False) << Got("OFFER", yiaddr=10)
    play >> Probed(ip(10), False) << silence  # nobody asked


def test_without_it_nothing_is_asked_for() -> None:
    play = Play(scope(10, 20))
    lease(play, ANNA, 10)
    assert play.counters["pings-sent"] == 0
