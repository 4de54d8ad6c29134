"""draft-ietf-dhc-failover-12 section 11.1: messages signed with a shared secret, and replays of them."""

from __future__ import annotations

import pytest
from pair import MAIN
from partner import RELATIONSHIP, Partner

from tandem.base.io import LinkData
from tandem.failover import telling
from tandem.wire import failover as wire

SECRET = b"correct horse"


def test_11_1_all_messages_are_signed_digest_first() -> None:
    partner = Partner(False, secret=SECRET)
    partner.normal()
    partner.wait(15)
    assert len(partner.raw) > 4
    for data in partner.raw:
        assert data[12:17] == bytes((0, 17, 0, 17, 1))
        wire.decode(data, SECRET)


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"), [(SECRET, b"", 21), (b"", SECRET, 13), (SECRET, b"other", 20)]
)
def test_11_1_a_connect_without_the_right_digest_is_refused_with_the_reason(
    ours: bytes, theirs: bytes, reason: int
) -> None:
    partner = Partner(False, secret=ours)
    partner.call()
    connect = wire.encode(partner.connect_message(), 5, int(partner.now), theirs)
    partner.feed(LinkData(partner.link, connect))
    (frame,) = partner.heard
    assert isinstance(frame.message, wire.ConnectAck)
    assert (frame.xid, frame.message.reject, frame.message.relationship) == (5, reason, RELATIONSHIP)
    assert partner.link in partner.closed and any("same shared secret" in note for note in partner.notes)


@pytest.mark.parametrize("signed_with", [b"", b"other"])
def test_11_1_a_message_without_the_right_digest_ends_the_connection(signed_with: bytes) -> None:
    partner = Partner(False, secret=SECRET)
    partner.normal()
    partner.feed(LinkData(partner.link, wire.encode(wire.Contact(), 999, int(partner.now), signed_with)))
    assert partner.closed == [partner.link] and not partner.endpoint.communicating
    last = partner.said()[-1]
    assert isinstance(last, wire.Disconnect) and last.reject == (20 if signed_with else 21)


@pytest.mark.parametrize("restart", [False, True])
def test_11_1_a_connect_is_taken_once(restart: bool) -> None:
    partner = Partner(False, secret=SECRET)
    partner.call()
    recorded = partner.say(partner.connect_message())
    assert partner.endpoint.link is not None
    partner.wait(3)
    if restart:
        partner.boot()
    partner.said()
    live = partner.endpoint.link
    partner.call()
    partner.feed(LinkData(partner.link, recorded))
    (ack,) = partner.said()
    assert isinstance(ack, wire.ConnectAck) and ack.reject == 4 and "replay" in ack.text
    assert partner.endpoint.link is live, "the connection in use is not disturbed"
    partner.call()
    partner.say(partner.connect_message())
    assert partner.endpoint.link is not None and partner.endpoint.link.number == partner.link


def test_11_1_the_main_sends_no_two_connects_of_one_second() -> None:
    partner = Partner(True, secret=SECRET)
    for _ in range(3):
        partner.answer_call()
        partner.endpoint.retry_at = partner.now
        partner.hang_up()
        partner.endpoint.retry_at = partner.now
    times = [f.time for f in partner.heard if isinstance(f.message, wire.Connect)]
    assert len(times) == 3 and sorted(set(times)) == times


@pytest.mark.parametrize("role", [True, False])
def test_11_1_a_message_counts_once(role: bool) -> None:
    partner = Partner(role, secret=SECRET)
    partner.normal()
    recorded = partner.say(wire.BindingUpdate([wire.Update(MAIN + 20, 1, start_of_state=1)]))
    assert not partner.closed
    partner.feed(LinkData(partner.link, recorded))
    assert partner.closed == [partner.link] and any("replay" in note for note in partner.notes)


def test_11_1_a_message_of_an_earlier_connection_does_not_count() -> None:
    partner = Partner(False, secret=SECRET)
    partner.normal()
    withheld = partner.frame(wire.UpdateRequestAll(), 1_000_000)
    partner.wait(3)
    partner.hang_up()
    partner.open()
    partner.feed(LinkData(partner.link, withheld))
    assert partner.link in partner.closed and any("older than its connection" in note for note in partner.notes)


def test_11_1_an_answer_of_an_earlier_connection_does_not_count() -> None:
    partner = Partner(True, secret=SECRET)
    partner.answer_call()
    recorded = partner.say(partner.connect_ack(), partner.heard[-1].xid)
    partner.hang_up()
    while not partner.endpoint.connecting:
        partner.wait(1)
    partner.answer_call()
    partner.said()
    partner.feed(LinkData(partner.link, recorded))
    assert partner.endpoint.link is not None and not partner.endpoint.link.set_up


def test_without_a_secret_the_rules_of_replays_do_not_apply() -> None:
    partner = Partner(False)
    partner.normal()
    recorded = partner.say(wire.Contact())
    partner.feed(LinkData(partner.link, recorded))
    assert not partner.closed


@pytest.mark.parametrize("role", [True, False])
@pytest.mark.parametrize("kind", [wire.BindingUpdate, wire.Contact])
def test_what_a_server_said_itself_does_not_count_when_it_is_sent_back(role: bool, kind: type) -> None:
    """The same secret signs both directions. An update sent back would be answered, and that answer, sent back too,
    acknowledge what the partner never heard of."""
    partner = Partner(role, secret=SECRET)
    partner.normal()
    binding = partner.node.book.record(MAIN + 20, partner.node.book.pools[0].scope)
    telling.changed(partner.endpoint, binding, partner.now, [])
    partner.wait(11)
    own = next(data for data in reversed(partner.raw) if isinstance(wire.decode(data, SECRET).message, kind))
    partner.feed(LinkData(partner.link, own))
    assert partner.closed == [partner.link] and any("sent back to it" in note for note in partner.notes)


def test_an_answer_of_our_own_answers_nothing_of_ours() -> None:
    partner = Partner(True, secret=SECRET)
    partner.normal()
    binding = partner.node.book.record(MAIN + 20, partner.node.book.pools[0].scope)
    telling.changed(partner.endpoint, binding, partner.now, [])
    partner.wait(1)
    asked = next(f for f in partner.heard if isinstance(f.message, wire.BindingUpdate))
    partner.say(wire.BindingUpdate([wire.Update(MAIN + 21, 1, start_of_state=1)]), asked.xid + 1)
    own = wire.decode(partner.raw[-1], SECRET)
    assert isinstance(own.message, wire.BindingAck) and own.xid == asked.xid + 1
    partner.feed(LinkData(partner.link, partner.raw[-1]))
    assert partner.endpoint.queue.on_the_way and not binding.up_to_date
