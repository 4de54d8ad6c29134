"""draft-ietf-dhc-failover-12 sections 7.8.2 step 3, 7.9, 8.2 and 11.2: a connection goes over to TLS."""

from __future__ import annotations

import hashlib
import random

import pytest
from pair import MAIN
from partner import Partner

from tandem.base.io import LinkData, LinkDown, LinkUp, StartTls
from tandem.failover import calling, tls
from tandem.wire import failover as wire

OURS, THEIRS = b"the server's certificate", b"the partner's certificate"


def partner_of(main: bool, wanted: str, *, certificate: bytes = OURS, known: bytes = THEIRS, **more: object) -> Partner:
    """A server that wants TLS so; the test is its partner."""
    pins = (hashlib.sha256(known).digest(),)
    return Partner(main, tls=wanted, certificate=certificate, partner_fingerprints=pins, **more)


def refusal(partner: Partner) -> str:
    """What operators see of it."""
    assert partner.endpoint.refusal is not None
    return partner.endpoint.refusal[1]


def connect(partner: Partner, request: int | None, certificate: bytes = THEIRS) -> wire.ConnectAck:
    """Say CONNECT with a TLS-request and a certificate; return the answer."""
    partner.call()
    partner.said()
    vendor = {2: b"\0", tls.VENDOR_CERTIFICATE: certificate}
    partner.say(partner.connect_message(tls_request=request, vendor=vendor))
    answers = [m for m in partner.said() if isinstance(m, wire.ConnectAck)]
    assert len(answers) == 1
    return answers[0]


PLAIN, ENCRYPTED = None, "TLS"


@pytest.mark.parametrize(
    ("request_", "here", "reply", "outcome"),
    [
        (0, "off", 0, PLAIN), (0, "desired", 0, PLAIN), (0, "required", 1, 11),
        (1, "off", 0, PLAIN), (1, "desired", 1, ENCRYPTED), (1, "required", 1, ENCRYPTED),
        (2, "off", 0, 10), (2, "desired", 1, ENCRYPTED), (2, "required", 1, ENCRYPTED),
        (3, "off", 0, PLAIN), (3, "required", 1, 11), (None, "off", None, PLAIN), (None, "required", None, 11),
    ],
)  # fmt: skip
def test_7_8_2_step_3_the_table(request_: int | None, here: str, reply: int | None, outcome: object) -> None:
    partner = partner_of(False, here)
    ack = connect(partner, request_)
    assert ack.tls_reply == reply
    if isinstance(outcome, int):
        assert ack.reject == outcome and partner.closed == [1] and not partner.tls
        assert "failover-tls" in ack.text and refusal(partner).endswith(ack.text)
    else:
        assert ack.reject is None and partner.closed == []
        assert partner.tls == ([StartTls(1, True, THEIRS)] if outcome else [])
        assert (partner.endpoint.link is None) == bool(outcome), "what is plain is set up now, what becomes TLS later"


def test_7_8_2_step_3_a_server_without_a_certificate_says_that_it_does_not_support_tls() -> None:
    assert connect(partner_of(False, "off", certificate=b""), 2).reject == 9


def test_7_8_2_step_3_another_certificate_is_refused_and_named() -> None:
    partner = partner_of(False, "required")
    ack = connect(partner, 2, b"somebody else's certificate")
    assert ack.reject == 8 and ack.tls_reply == 1 and not partner.tls and partner.closed == [1]
    assert tls.fingerprint(b"somebody else's certificate") in ack.text
    assert tls.fingerprint(b"somebody else's certificate") in refusal(partner)


@pytest.mark.parametrize("certificate", [b"", b"somebody else's certificate"])
def test_7_8_2_step_3_desired_tls_with_a_wrong_certificate_does_not_fall_back_to_plain(certificate: bytes) -> None:
    assert connect(partner_of(False, "desired"), 1, certificate).reject == 8


def test_8_2_the_backup_expects_connect_again_over_tls_without_tls_request() -> None:
    partner = partner_of(False, "required")
    connect(partner, 2)
    partner.encrypt()
    partner.say(partner.connect_message(tls_request=None))
    ack, state = partner.said()
    assert isinstance(ack, wire.ConnectAck) and ack.tls_reply is None and ack.reject is None
    assert tls.VENDOR_CERTIFICATE not in ack.vendor and isinstance(state, wire.State)
    assert partner.endpoint.link is not None and partner.endpoint.link.set_up


@pytest.mark.parametrize(("wanted", "request_"), [("off", 0), ("desired", 1), ("required", 2)])
def test_7_8_1_the_main_s_tls_request_is_what_is_configured(wanted: str, request_: int) -> None:
    partner = partner_of(True, wanted)
    partner.answer_call()
    (message,) = partner.said()
    assert isinstance(message, wire.Connect) and message.tls_request == request_
    assert message.vendor.get(tls.VENDOR_CERTIFICATE) == (None if wanted == "off" else OURS)


def answer(partner: Partner, reply: int | None, certificate: bytes = THEIRS) -> None:
    partner.answer_call()
    vendor = {2: b"\0", tls.VENDOR_CERTIFICATE: certificate}
    partner.say(partner.connect_ack(tls_reply=reply, vendor=vendor), partner.heard[-1].xid)


@pytest.mark.parametrize("wanted", ["desired", "required"])
def test_7_9_2_step_4_the_main_goes_over_to_tls_and_says_connect_again(wanted: str) -> None:
    partner = partner_of(True, wanted)
    answer(partner, 1)
    assert partner.tls == [StartTls(1, False, THEIRS)] and not partner.closed
    partner.said()
    partner.encrypt()
    (message,) = partner.said()
    assert isinstance(message, wire.Connect) and message.tls_request is None
    assert tls.VENDOR_CERTIFICATE not in message.vendor
    partner.say(partner.connect_ack(tls_reply=None), partner.endpoint.link.connect_xid)  # type: ignore[union-attr]
    assert isinstance(partner.said()[0], wire.State) and len(partner.tls) == 1
    assert any("encrypted (TLSv1.3" in note for note in partner.notes)


def test_7_9_2_step_4_nothing_else_in_that_connectack_counts() -> None:
    partner = partner_of(True, "required")
    partner.answer_call()
    vendor = {tls.VENDOR_CERTIFICATE: THEIRS}
    message = partner.connect_ack(tls_reply=1, version=7, relationship=b"forged", vendor=vendor)
    partner.say(message, partner.heard[-1].xid)
    assert len(partner.tls) == 1 and not partner.closed


@pytest.mark.parametrize("reply", [0, None])
def test_11_2_a_main_that_requires_tls_does_not_take_a_plain_connection(reply: int | None) -> None:
    partner = partner_of(True, "required")
    answer(partner, reply)
    last = partner.said()[-1]
    assert isinstance(last, wire.Disconnect) and last.reject == 11 and partner.closed == [1]
    assert "TLS is required here" in refusal(partner)


def test_11_2_desired_tls_is_done_without_where_the_partner_cannot() -> None:
    partner = partner_of(True, "desired")
    answer(partner, 0)
    assert partner.endpoint.link is not None and partner.endpoint.link.set_up
    assert any(note.startswith("Warning 06159") and "not encrypted" in note for note in partner.notes)


def test_7_9_2_step_4_a_main_refuses_another_certificate_and_tls_that_it_did_not_ask_for() -> None:
    partner = partner_of(True, "required")
    answer(partner, 1, b"somebody else's certificate")
    assert not partner.tls and partner.closed == [1]
    assert not any(isinstance(m, wire.Disconnect) for m in partner.said()), "the backup expects a handshake"
    assert tls.fingerprint(b"somebody else's certificate") in refusal(partner)
    partner = partner_of(True, "off")
    answer(partner, 1)
    assert not partner.tls and partner.closed == [1]


# --- what others do to it -------------------------------------------------------------------------------


@pytest.mark.parametrize("main", [True, False])
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("rest", [b"\x00", b"\x00\x0c\x0b\x0c" + bytes(8)])
def test_11_2_plain_bytes_behind_the_agreement_end_the_connection(main: bool, together: bool, rest: bytes) -> None:
    """Else somebody between the servers could have them taken as if they had come encrypted."""
    partner = partner_of(main, "required")
    vendor = {tls.VENDOR_CERTIFICATE: THEIRS}
    if main:
        partner.answer_call()
        last = partner.frame(partner.connect_ack(tls_reply=1, vendor=vendor), partner.heard[-1].xid)
    else:
        partner.call()
        last = partner.frame(partner.connect_message(tls_request=2, vendor=vendor))
    for data in [last + rest] if together else [last, rest]:
        partner.feed(LinkData(partner.link, data))
    assert partner.closed == [1]
    said = len(partner.raw)
    partner.encrypt()
    partner.feed(LinkData(partner.link, partner.frame(wire.Contact())))
    assert partner.endpoint.link is None and len(partner.raw) == said


@pytest.mark.parametrize("main", [True, False])
def test_11_2_a_handshake_that_fails_is_shown_and_tried_again(main: bool) -> None:
    partner = partner_of(main, "required")
    if main:
        answer(partner, 1)
    else:
        connect(partner, 2)
    partner.feed(LinkDown(1, "TLS did not come about within 8 s"))
    assert "did not come about within 8 s" in refusal(partner) and partner.endpoint.link is None
    assert partner.refuse_attempts(200), "no further attempt was made"


@pytest.mark.parametrize("main", [True, False])
def test_11_2_a_handshake_that_never_ends_is_given_up(main: bool) -> None:
    partner = partner_of(main, "required")
    if main:
        answer(partner, 1)
    else:
        connect(partner, 2)
    before = len(partner.raw)
    partner.wait(15)
    assert partner.closed == [1] and len(partner.raw) == before


def test_11_2_a_connection_that_is_up_goes_on_while_another_one_tries_to_become_tls() -> None:
    """Whoever repeats a CONNECT of the main cannot complete the handshake."""
    partner = partner_of(False, "required")
    connect(partner, 2)
    partner.encrypt()
    partner.say(partner.connect_message(tls_request=None))
    partner.state_message(wire.ServerState.PARTNER_DOWN)
    assert partner.endpoint.communicating
    live = partner.link
    connect(partner, 2)
    assert partner.endpoint.communicating and partner.endpoint.link.number == live  # type: ignore[union-attr]
    partner.feed(LinkDown(partner.link, "TLS: bad record"))
    assert partner.endpoint.communicating and not partner.closed


def test_11_2_a_shared_secret_signs_also_what_is_encrypted() -> None:
    partner = partner_of(False, "required", secret=b"correct horse")
    connect(partner, 2)
    partner.encrypt()
    partner.say(partner.connect_message(tls_request=None))  # within the same second as the first: no replay over TLS
    assert partner.endpoint.link is not None and partner.endpoint.link.set_up
    partner.feed(LinkData(partner.link, wire.encode(wire.Contact(), 999, int(partner.now))))
    assert isinstance(partner.said()[-1], wire.Disconnect)


def test_8_2_a_connection_that_was_given_up_while_it_became_tls_does_nothing() -> None:
    partner = partner_of(True, "required")
    answer(partner, 1)
    calling.link_lost(partner.endpoint, "given up", partner.now, [])
    partner.said()
    partner.encrypt()
    partner.feed(LinkUp(77, MAIN, False))
    assert not [m for m in partner.said() if isinstance(m, wire.Connect)]


@pytest.mark.parametrize("seed", range(40))
def test_11_2_whatever_comes_in_whatever_order_nothing_leaks_and_nothing_plain_is_believed(seed: int) -> None:
    chance = random.Random(seed)
    main = bool(seed % 2)
    partner = partner_of(main, chance.choice(["desired", "required"]), secret=chance.choice([b"", b"s"]))
    vendor = {2: b"\0", tls.VENDOR_CERTIFICATE: chance.choice([THEIRS, THEIRS, b"another's"])}

    def something() -> bytes:
        message = chance.choice([
            partner.connect_message(tls_request=chance.choice([None, 0, 1, 2, 9]), vendor=vendor),
            partner.connect_ack(tls_reply=chance.choice([None, 0, 1, 7]), vendor=vendor),
            wire.State(chance.choice([2, 4, 6]), False, int(partner.now)), wire.Contact(), wire.Disconnect(254),
        ])  # fmt: skip
        link = partner.endpoint.link
        answers = link is not None and isinstance(message, wire.ConnectAck)
        data = partner.frame(message, link.connect_xid if answers else None)  # type: ignore[union-attr]
        return data[: chance.choice([len(data), len(data), len(data), 7])] + chance.choice([b"", b"", b"", b"\x16\x03"])

    for _ in range(300):
        if partner.link in partner.closed or not partner.link:
            if main and partner.endpoint.connecting:
                partner.answer_call()
            elif not main:
                partner.call()
            else:
                partner.wait(5)
                continue
        sent, securing = len(partner.raw), bool(partner.tls) and partner.tls[-1].link == partner.link
        link = partner.endpoint.link or partner.node.connections.strangers.get(partner.link)
        securing = securing and link is not None and link.securing
        act = chance.random()
        if act < 0.7:
            partner.feed(LinkData(partner.link, something()))
            assert not securing or (len(partner.raw) == sent and partner.link in partner.closed)
        elif act < 0.85 and securing:
            partner.encrypt()
        elif act < 0.95:
            partner.wait(chance.choice([0.1, 2, 20]))
        else:
            partner.hang_up()
            partner.closed.append(partner.link)
        up = partner.endpoint.link
        if up is not None and up.set_up and partner.endpoint.config.tls == "required":
            assert up.session, "a plain connection was taken"
