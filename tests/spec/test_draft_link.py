"""draft-ietf-dhc-failover-12 sections 6, 7.8 to 7.12 and 8 in their order: messages, set-up and loss of connections."""

from __future__ import annotations

import struct

import pytest
from pair import BACKUP, MAIN
from partner import RELATIONSHIP, Partner

from tandem.base.io import LinkData, LinkDown, LinkUp
from tandem.failover import telling
from tandem.lease.loadbalance import ALL_BUCKETS, from_wire
from tandem.lease.powers import ANSWER_ALL
from tandem.wire import failover as wire
from tandem.wire.failover import ServerState as S


def option(code: int, value: bytes) -> bytes:
    return struct.pack(">HH", code, len(value)) + value


def message(kind: int, payload: bytes = b"", xid: int = 900, offset: int = 12) -> bytes:
    return struct.pack(">HBBII", 12 + len(payload), kind, offset, 1_800_000_000, xid) + payload


@pytest.fixture
def backup() -> Partner:
    """A backup in NORMAL; the test is its main."""
    partner = Partner(False)
    partner.normal()
    partner.said()
    return partner


@pytest.fixture
def main() -> Partner:
    """A main in NORMAL; the test is its backup."""
    partner = Partner(True)
    partner.normal()
    partner.said()
    return partner


# --- 6 Message format -----------------------------------------------------------------------------------


def test_6_1_options_that_are_not_understood_are_ignored(backup: Partner) -> None:
    state = b"".join((option(24, b"\x02"), option(999, b"what?"), option(23, b"\0"), option(25, bytes(4))))
    backup.feed(LinkData(backup.link, message(10, state)))
    assert not backup.closed and backup.endpoint.communicating


def test_6_1_header_fields_are_filled(backup: Partner) -> None:
    backup.wait(11)
    size, kind, offset, time, xid = struct.unpack_from(">HBBII", backup.raw[-1])
    assert (size, kind, offset) == (len(backup.raw[-1]), 11, 12)
    assert 0 <= backup.now - time < 2 and xid > 0


@pytest.mark.parametrize("kind", [0, 13, 100, 127])
def test_6_1_an_unknown_message_that_everybody_must_support_closes_the_connection(kind: int, backup: Partner) -> None:
    backup.feed(LinkData(backup.link, message(kind)))
    assert backup.closed == [backup.link] and not backup.endpoint.communicating
    assert any(f"message type {kind} is not known" in note for note in backup.notes)


@pytest.mark.parametrize("kind", [128, 200, 255])
def test_6_1_an_unknown_message_that_may_be_supported_is_ignored(kind: int, backup: Partner) -> None:
    backup.feed(LinkData(backup.link, message(kind, option(999, b"x"))))
    assert not backup.closed and backup.said() == []


def test_6_1_more_header_bytes_are_skipped(backup: Partner) -> None:
    body = bytes(8) + option(24, b"\x07") + option(23, b"\0") + option(25, bytes(4))
    backup.feed(LinkData(backup.link, message(10, body, offset=20)))
    assert backup.endpoint.saved.partner_state == S.PAUSED


@pytest.mark.parametrize("size", [0, 11, 2049, 65535])
def test_6_1_a_message_has_12_to_2048_bytes(size: int, backup: Partner) -> None:
    backup.feed(LinkData(backup.link, struct.pack(">HBBII", size, 11, 12, 0, 1)))
    assert backup.closed == [backup.link]


def test_6_1_every_message_on_a_connection_has_a_number_of_its_own_and_answers_have_the_question_s(
    backup: Partner,
) -> None:
    own: list[int] = []
    backup.say(wire.PoolRequest(), 7001)
    backup.say(wire.UpdateRequest(), 7002)
    backup.say(wire.BindingUpdate([wire.Update(MAIN, 1, start_of_state=1)]), 7003)
    backup.wait(35)
    backup.say(wire.Contact())
    answers = {7001: wire.PoolResponse, 7002: wire.UpdateDone, 7003: wire.BindingAck}
    for frame in [wire.decode(data) for data in backup.raw]:
        if frame.xid in answers:
            assert type(frame.message) is answers.pop(frame.xid)
        elif not isinstance(frame.message, wire.ConnectAck):
            own.append(frame.xid)
    assert not answers and len(own) >= 5
    assert sorted(set(own)) == own


def test_6_2_an_option_that_appears_twice_is_an_error(backup: Partner) -> None:
    twice = option(24, b"\x02") + option(24, b"\x02") + option(23, b"\0") + option(25, bytes(4))
    backup.feed(LinkData(backup.link, message(10, twice)))
    assert backup.closed == [backup.link]


# --- 7.8 CONNECT ----------------------------------------------------------------------------------------


def test_7_8_1_the_main_s_first_message_is_connect_with_all_its_options() -> None:
    partner = Partner(True, poll_timeout_s=45, mclt_s=1234)
    partner.answer_call()
    (connect,) = partner.said()
    assert isinstance(connect, wire.Connect)
    assert connect.relationship == RELATIONSHIP
    assert 10 < connect.max_unacked < 100
    assert (connect.receive_timer, connect.mclt, connect.version, connect.tls_request) == (45, 1234, 1, 0)
    assert connect.vendor_class and len(connect.hash_buckets) == 32


def test_7_8_the_backup_never_sends_connect_and_waits_for_one() -> None:
    partner = Partner(False)
    partner.call()
    partner.wait(14)
    assert partner.said() == [] and partner.closed == []


def test_7_8_2_a_connection_without_connect_is_closed_after_a_while() -> None:
    partner = Partner(False)
    partner.call()
    partner.wait(16)
    assert partner.closed == [1]


def test_7_8_the_first_message_must_be_connect() -> None:
    partner = Partner(False)
    partner.call()
    partner.say(wire.State(S.NORMAL, False, 1))
    assert partner.closed == [1] and not partner.endpoint.communicating


def test_7_8_2_step_2_another_protocol_version_is_refused_with_ours() -> None:
    partner = Partner(False)
    partner.call()
    partner.say(partner.connect_message(version=2), 77)
    (frame,) = partner.heard
    ack = frame.message
    assert isinstance(ack, wire.ConnectAck)
    assert (frame.xid, ack.reject, ack.version) == (77, 14, 1)
    assert ack.text and ack.relationship == RELATIONSHIP and ack.tls_reply == 0
    assert (ack.max_unacked, ack.receive_timer, ack.vendor_class) == (None, None, None), "table 7.9-1, reject"
    assert partner.closed == [1]


@pytest.mark.parametrize("name", [b"", b"somebody-else", RELATIONSHIP + b"x"])
def test_7_8_2_step_5_a_relationship_that_is_not_configured_is_refused(name: bytes) -> None:
    partner = Partner(False)
    partner.call()
    partner.say(partner.connect_message(relationship=name))
    (ack,) = partner.said()
    assert isinstance(ack, wire.ConnectAck) and ack.reject == 8 and ack.text
    assert partner.closed == [1]


def test_7_8_2_step_6_any_clock_difference_is_taken_and_corrected() -> None:
    partner = Partner(False)
    partner.skew_s = -86400
    partner.normal()
    assert round(partner.endpoint.skew.smoothed_s) == -86400


def test_7_8_2_step_6_a_clock_difference_beyond_the_administrator_s_limit_is_refused() -> None:
    partner = Partner(False, clock_skew_max_s=30)
    partner.skew_s = 32
    partner.call()
    partner.say(partner.connect_message())
    (ack,) = partner.said()
    assert isinstance(ack, wire.ConnectAck) and ack.reject == 4 and "failover-maximum-clock-skew = 30" in ack.text
    partner.skew_s = 29
    partner.call()
    partner.say(partner.connect_message())
    ack = partner.said()[0]
    assert isinstance(ack, wire.ConnectAck) and ack.reject is None


def test_7_8_2_step_7_the_main_s_mclt_is_used_and_kept() -> None:
    partner = Partner(False, mclt_s=3600)
    partner.call()
    partner.say(partner.connect_message(mclt=77))
    assert partner.endpoint.mclt_s == 77
    partner.boot()
    assert partner.endpoint.mclt_s == 77, "also after a restart, without the main"


def test_7_8_2_step_7_an_mclt_that_cannot_be_used_is_refused() -> None:
    partner = Partner(False)
    partner.call()
    partner.say(partner.connect_message(mclt=0))
    (ack,) = partner.said()
    assert isinstance(ack, wire.ConnectAck) and ack.reject == 5


def test_7_8_2_step_8_the_hash_bucket_assignment_is_kept_for_normal() -> None:
    """It says which clients the backup answers in NORMAL, and counts in no other state. The backup's own setting counts
    in none, so nothing can conflict with it (reject reason 18)."""
    mine = b"\x0f" * 32
    partner = Partner(False, balance_backup_pct=70)
    partner.call()
    partner.say(partner.connect_message(hash_buckets=mine, delayed_service=4))
    partner.state_message(wire.ServerState.PARTNER_DOWN)
    asked = next(f for f in partner.heard if isinstance(f.message, wire.UpdateRequestAll))
    partner.say(wire.UpdateDone(), asked.xid)
    partner.state_message(wire.ServerState.NORMAL)
    powers = partner.endpoint.powers
    assert (powers.answer, powers.buckets, powers.balance_delay_s) == (ANSWER_ALL, from_wire(mine), 4)
    partner.hang_up()
    assert partner.state == "COMMUNICATIONS-INTERRUPTED"
    assert partner.endpoint.powers.buckets == ALL_BUCKETS


def test_7_8_2_step_8_a_backup_that_refuses_the_hash_bucket_assignment_is_named_and_called_again() -> None:
    partner = Partner(True, balance_backup_pct=50, balance_delay_s=4)
    partner.answer_call()
    asked = partner.heard[-1]
    assert isinstance(asked.message, wire.Connect) and asked.message.delayed_service == 4
    assert from_wire(asked.message.hash_buckets) == partner.endpoint.backup_buckets
    partner.say(wire.ConnectAck(RELATIONSHIP, version=1, tls_reply=0, reject=18, text="mine differ"), asked.xid)
    assert partner.closed == [partner.link]
    assert any(n.startswith("Error 06152") and "(reason 18: " in n and "mine differ" in n for n in partner.notes)
    partner.wait(60)
    assert partner.endpoint.connecting


# --- 7.9 CONNECTACK -------------------------------------------------------------------------------------


def test_7_9_1_an_accepting_connectack_then_state() -> None:
    partner = Partner(False, poll_timeout_s=45)
    partner.call()
    partner.say(partner.connect_message(), 4711)
    first, second = partner.heard[:2]
    ack = first.message
    assert isinstance(ack, wire.ConnectAck) and first.xid == 4711
    assert (ack.relationship, ack.version, ack.tls_reply, ack.receive_timer) == (RELATIONSHIP, 1, 0, 45)
    assert ack.max_unacked is not None and 10 < ack.max_unacked < 100
    assert ack.vendor_class and ack.reject is None and not ack.text
    assert isinstance(second.message, wire.State)


def test_7_9_1_no_tls_reply_without_tls_request() -> None:
    partner = Partner(False)
    partner.call()
    partner.say(partner.connect_message(tls_request=None))
    ack = partner.said()[0]
    assert isinstance(ack, wire.ConnectAck) and ack.tls_reply is None


def test_7_9_2_a_connectack_with_another_number_is_ignored() -> None:
    partner = Partner(True)
    partner.answer_call()
    xid = partner.heard[-1].xid
    partner.said()
    partner.say(partner.connect_ack(), xid + 1)
    assert partner.said() == [] and not partner.closed
    partner.say(partner.connect_ack(), xid)
    assert isinstance(partner.said()[0], wire.State)


def test_7_9_2_a_connection_without_connectack_is_closed_after_a_while() -> None:
    partner = Partner(True)
    partner.answer_call()
    partner.wait(16)
    assert partner.closed == [1]


def test_7_9_2_step_3_a_refusal_is_shown_and_ends_the_connection() -> None:
    partner = Partner(True)
    partner.answer_call()
    refusal = wire.ConnectAck(RELATIONSHIP, version=1, tls_reply=0, reject=5, text="no such MCLT")
    partner.say(refusal, partner.heard[-1].xid)
    assert partner.closed == [1]
    assert any("(reason 5: " in note and note.endswith(": no such MCLT") for note in partner.notes)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [("version", 2, 14), ("version", None, 14), ("relationship", b"other", 8)],
)
def test_7_9_2_a_connectack_that_does_not_fit_ends_the_connection(field: str, value: object, reason: int) -> None:
    partner = Partner(True)
    partner.answer_call()
    xid = partner.heard[-1].xid
    partner.said()
    partner.say(partner.connect_ack(**{field: value, "vendor": {}}), xid)
    (last,) = partner.said()
    assert isinstance(last, wire.Disconnect) and last.reject == reason and last.text
    assert partner.closed == [1]


def test_7_9_2_a_partner_of_another_make_is_called_again_in_its_dialect() -> None:
    partner = Partner(True)
    partner.answer_call()
    xid = partner.heard[-1].xid
    partner.said()
    partner.say(partner.connect_ack(vendor_class=b"isc-4.4.3-P1", vendor={}), xid)
    assert partner.closed == [1] and partner.endpoint.saved.make == "isc"
    partner.wait(0.1)
    partner.answer_call()
    again = partner.heard[-1].message
    assert isinstance(again, wire.Connect) and again.hash_buckets == b"\xff" * 32, "the main serves all"
    assert not again.vendor and 1 <= again.max_unacked <= 3


def test_7_9_2_step_6_the_main_drops_a_connection_with_a_clock_beyond_the_limit() -> None:
    partner = Partner(True, clock_skew_max_s=30)
    partner.skew_s = -40
    partner.answer_call()
    partner.say(partner.connect_ack(), partner.heard[-1].xid)
    last = partner.said()[-1]
    assert isinstance(last, wire.Disconnect) and last.reject == 4


@pytest.mark.parametrize(("role", "timer", "pause"), [(True, 30, 6), (False, 30, 10), (True, 300, 10), (False, 6, 2)])
def test_7_9_tsend_is_a_part_of_the_partner_s_receive_timer(role: bool, timer: int, pause: float) -> None:
    """A third of it on the backup, a fifth on the main, and never more than our own poll interval."""
    partner = Partner(role, poll_interval_s=10)
    if role:
        partner.answer_call()
        partner.say(partner.connect_ack(receive_timer=timer), partner.heard[-1].xid)
    else:
        partner.call()
        partner.say(partner.connect_message(receive_timer=timer))
    partner.endpoint.startup_until = float("inf")
    partner.wait(pause - 0.1)
    assert wire.Contact() not in partner.said()
    partner.wait(0.2)
    assert partner.said() == [wire.Contact()]


@pytest.mark.parametrize("role", [True, False])
def test_7_9_treceive_is_what_the_partner_was_told(role: bool) -> None:
    partner = Partner(role, poll_timeout_s=20)
    partner.normal()
    partner.said()
    partner.wait(19.9)
    assert not partner.closed
    partner.wait(0.2)
    assert partner.closed == [partner.link] and partner.state == "COMMUNICATIONS-INTERRUPTED"
    last = partner.said()[-1]
    assert isinstance(last, wire.Disconnect) and last.reject == 17


def test_7_9_every_message_resets_treceive() -> None:
    partner = Partner(False, poll_timeout_s=20)
    partner.normal()
    for kind in (wire.Contact(), wire.State(S.NORMAL, False, 1), wire.PoolRequest(), wire.UpdateRequest()):
        partner.wait(15)
        partner.say(kind)
    assert not partner.closed


# --- 7.10 STATE, 7.11 CONTACT, 7.12 DISCONNECT ----------------------------------------------------------


def test_7_10_state_is_sent_at_each_change_and_only_then(main: Partner) -> None:
    main.state_message(S.PAUSED)
    main.state_message(S.PAUSED)
    main.wait(25)
    states = [m for m in main.said() if isinstance(m, wire.State)]
    assert [(m.state, m.startup) for m in states] == [(S.COMMUNICATIONS_INTERRUPTED, False)]


def test_7_10_the_startup_flag_is_set_in_startup_only() -> None:
    partner = Partner(True)
    partner.open()
    assert [m.startup for m in partner.said() if isinstance(m, wire.State)] == [True]
    partner.state_message(S.RECOVER)
    assert [m.startup for m in partner.said() if isinstance(m, wire.State)] == [False]


def test_7_11_2_contact_refines_the_clock_difference(main: Partner) -> None:
    main.skew_s = 3
    for _ in range(100):
        main.wait(5)
        main.say(wire.Contact())
    assert round(main.endpoint.skew.smoothed_s) == 3


def test_7_12_disconnect_is_the_last_message_and_says_why(backup: Partner) -> None:
    backup.feed(LinkData(backup.link, message(99)))
    backup.wait(1)
    last = backup.said()
    assert isinstance(last[-1], wire.Disconnect) and last[-1].text
    assert sum(isinstance(m, wire.Disconnect) for m in last) == 1


def test_7_12_2_the_partner_s_disconnect_is_logged_and_obeyed(backup: Partner) -> None:
    backup.say(wire.Disconnect(254, "bye for now"))
    assert any(": bye for now" in note for note in backup.notes)
    assert backup.closed == [backup.link] and backup.state == "COMMUNICATIONS-INTERRUPTED"


def test_7_12_after_disconnects_the_pauses_between_attempts_grow_to_two_minutes() -> None:
    partner = Partner(True)
    partner.attempts.clear()
    for _ in range(9):
        while not partner.endpoint.connecting:
            partner.wait(1)
        partner.answer_call()
        partner.say(wire.Disconnect(254, "go away"))
    gaps = [round(b - a) for a, b in zip(partner.attempts, partner.attempts[1:], strict=False)]
    assert gaps[:3] == [20, 40, 80] and set(gaps[3:]) == {120}, gaps


# --- 8 Connection management ----------------------------------------------------------------------------


@pytest.mark.parametrize("role", [True, False])
def test_8_2_attempts_are_periodic(role: bool) -> None:
    partner = Partner(role, poll_interval_s=3)
    assert partner.refuse_attempts(60) == pytest.approx([3] * 19, abs=0.3)


@pytest.mark.parametrize("role", [True, False])
def test_8_2_after_a_rejecting_connectack_attempts_become_rare(role: bool) -> None:
    partner = Partner(role)
    for _ in range(4):
        if role:
            while not partner.endpoint.connecting:
                partner.wait(1)
            partner.answer_call()
            partner.say(wire.ConnectAck(RELATIONSHIP, version=1, reject=8, text="no"), partner.heard[-1].xid)
        else:
            partner.feed(LinkDown(partner.link, "closed"))
            partner.call()
            partner.say(partner.connect_message(version=9))
    assert partner.endpoint.retry_at - partner.now == pytest.approx(80, abs=1)
    partner.wait(81)
    partner.open()
    partner.state_message(S.RECOVER_DONE)
    for _ in range(7):
        partner.wait(9)
        partner.say(wire.Contact())
        if partner.endpoint.asked_xid is not None:
            partner.say(wire.UpdateDone(), partner.endpoint.asked_xid)
    partner.hang_up()
    assert partner.endpoint.retry_at - partner.now < 1, "a connection that held ends the growth"


def test_8_2_the_backup_s_own_connection_is_dropped_and_wakes_the_main() -> None:
    backup = Partner(False)
    backup.endpoint.saved.make = "tandem"  # a main of a make not met yet might use it
    assert backup.answer_call() and backup.closed == [1] and backup.said() == []
    main = Partner(True)
    main.refuse_attempts(3)
    tried = len(main.attempts)
    main.call()
    assert main.closed == [1], "the main answers by a connection of its own"
    main.wait(0.6)
    assert len(main.attempts) == tried + 1


def test_8_2_wakes_without_end_cause_few_attempts() -> None:
    """A partner that opens connections and refuses ours (a misconfigured one) is not called ever faster."""
    main = Partner(True)
    for _ in range(2000):
        main.call()
        if main.endpoint.connecting:
            main.answer_call()
            main.hang_up()
        main.wait(0.05)
    assert len(main.attempts) < 12


def test_8_2_of_simultaneous_connections_the_main_keeps_one() -> None:
    main = Partner(True)
    main.answer_call()
    main.said()
    main.feed(LinkUp(99, BACKUP, True))
    assert main.closed == [99] and main.said() == []
    main.call()
    assert main.closed[-1] == main.link, "nor is one used that the backup made"


def test_8_2_the_backup_takes_the_connection_that_brings_connect() -> None:
    backup = Partner(False)
    for _ in range(3):
        backup.call()
    backup.feed(LinkData(2, backup.frame(backup.connect_message())))
    assert backup.endpoint.link is not None and backup.endpoint.link.number == 2


def test_8_2_a_new_connect_replaces_the_old_connection(backup: Partner) -> None:
    old = backup.link
    backup.call()
    backup.say(backup.connect_message())
    assert backup.closed == [old]
    assert backup.endpoint.link is not None and backup.endpoint.link.number == backup.link


def test_8_2_a_partner_that_calls_again_and_again_ends_a_stale_connection_but_once_does_not(main: Partner) -> None:
    live = main.link
    main.call()
    assert main.closed == [live + 1] and wire.Contact() in main.said(), "we look whether it is still there"
    main.wait(2)
    main.feed(LinkData(live, main.frame(wire.Contact())))
    main.call()
    assert live not in main.closed
    main.wait(5)
    main.call()
    assert live in main.closed, "nothing was heard since the first call of the two"


def test_8_2_a_stranger_is_dropped(main: Partner) -> None:
    main.feed(LinkUp(50, 0x01020304, False))
    assert main.closed == [50]


def test_8_2_the_backup_does_not_answer_a_closed_connection_by_one_of_its_own(backup: Partner) -> None:
    backup.attempts.clear()
    backup.call()
    backup.hang_up()
    backup.wait(5)
    assert backup.attempts == []


def test_8_3_communications_are_ok_only_after_state() -> None:
    partner = Partner(False)
    partner.open()
    partner.say(wire.Contact())
    assert not partner.endpoint.communicating
    partner.state_message(S.NORMAL)
    assert partner.endpoint.communicating


def test_8_3_the_receive_timer_does_not_run_out_while_a_message_arrives_piece_by_piece() -> None:
    partner = Partner(False, poll_timeout_s=10)
    partner.normal()
    long = partner.frame(wire.BindingUpdate([wire.Update(MAIN, 1, start_of_state=1)] * 80))
    assert len(long) > 1000
    step = len(long) // 8
    for i in range(0, len(long), step):
        partner.wait(9)
        partner.feed(LinkData(partner.link, long[i : i + step]))
    assert not partner.closed
    assert any(isinstance(m, wire.BindingAck) for m in partner.said())


def test_8_3_contact_goes_out_while_the_window_is_full(main: Partner) -> None:
    link = main.endpoint.link
    assert link is not None
    link.window = 0  # as if all of it were on the way
    binding = main.node.book.record(MAIN + 20, main.node.book.pools[0].scope)
    telling.changed(main.endpoint, binding, main.now, [])
    for _ in range(5):
        main.wait(10.5)
        main.say(wire.Contact())
    assert main.said().count(wire.Contact()) == 5 and main.endpoint.queue.waiting


def test_8_4_no_more_unacknowledged_updates_than_the_partner_takes() -> None:
    partner = Partner(True)
    partner.answer_call()
    partner.say(partner.connect_ack(max_unacked=2), partner.heard[-1].xid)
    partner.state_message(S.RECOVER)
    book = partner.node.book
    for n in range(20):
        binding = book.record(MAIN + 20 + n, book.pools[0].scope)
        binding.client_id = bytes(200)
        partner.endpoint.unacked[binding.address] = binding
    partner.said()
    partner.say(wire.UpdateRequest())
    first = [f for f in partner.heard if isinstance(f.message, wire.BindingUpdate)]
    assert len(first) == 2
    partner.said()
    message_ = first[0].message
    assert isinstance(message_, wire.BindingUpdate)
    partner.say(wire.BindingAck([wire.Answer(u.address) for u in message_.updates]), first[0].xid)
    assert sum(isinstance(m, wire.BindingUpdate) for m in partner.said()) == 1


def test_8_6_a_lost_connection_is_tried_again_at_once_then_periodically(main: Partner) -> None:
    main.attempts.clear()
    main.hang_up()
    assert main.state == "COMMUNICATIONS-INTERRUPTED"
    pauses = main.refuse_attempts(20)
    assert main.attempts[0] - (main.now - 20) < 0.5
    assert pauses == pytest.approx([5] * len(pauses), abs=0.3)


def test_8_6_what_arrives_on_a_connection_that_was_given_up_is_neither_used_nor_answered(main: Partner) -> None:
    old = main.link
    main.feed(LinkData(old, message(99)))
    main.said()
    main.feed(LinkData(old, main.frame(wire.PoolRequest())))
    assert main.said() == []


def test_8_6_an_answer_counts_only_on_the_connection_of_its_question(backup: Partner) -> None:
    """UPDDONE and POOLRESP with numbers of an earlier connection are passed over."""
    backup.hang_up()
    backup.boot()
    backup.open()
    backup.state_message(S.PARTNER_DOWN)
    asked = backup.endpoint.asked_xid
    assert asked is not None
    backup.say(wire.UpdateDone(), asked - 1)
    assert backup.endpoint.asked_xid == asked
    backup.say(wire.UpdateDone(), asked)
    assert backup.endpoint.asked_xid is None


def test_9_5_2_an_update_done_that_does_not_come_drops_the_connection() -> None:
    partner = Partner(False)
    partner.open()
    partner.state_message(S.PARTNER_DOWN)
    assert partner.endpoint.asked_xid is not None
    for _ in range(4):  # updates keep the connection
        partner.wait(40)
        partner.say(wire.BindingUpdate([wire.Update(MAIN + 20, 1, start_of_state=1)]))
    assert not partner.closed
    for _ in range(6):
        partner.wait(9)
        partner.say(wire.Contact())
    assert not partner.closed
    partner.wait(7)
    assert partner.closed == [partner.link] and partner.state == "RECOVER"
    last = partner.said()[-1]
    assert isinstance(last, wire.Disconnect) and "update done" in last.text


def test_a_clock_that_is_set_back_holds_up_no_timer() -> None:
    partner = Partner(True, poll_timeout_s=20)
    partner.normal()
    partner.said()
    partner.now -= 86400
    partner.skew_s = 86400
    partner.say(wire.Contact())
    partner.wait(10.1)
    assert wire.Contact() in partner.said()
    partner.wait(10.1)
    assert partner.closed == [partner.link], "the receive timer runs out"
    partner.wait(1)
    assert partner.endpoint.connecting
    partner.now -= 86400
    assert partner.refuse_attempts(30)
