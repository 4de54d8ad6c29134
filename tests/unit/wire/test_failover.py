"""The failover codec against captured messages, and what it must refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.base.errors import ProtocolError, WireError
from tandem.base.ipv4 import parse_ipv4
from tandem.wire.failover import (
    VENDOR_CLASS,
    Answer,
    BindingAck,
    BindingUpdate,
    Connect,
    ConnectAck,
    Contact,
    Disconnect,
    Frame,
    Framer,
    MessageType,
    OptionCode,
    PoolRequest,
    PoolResponse,
    RejectReason,
    State,
    Unknown,
    Update,
    UpdateDone,
    UpdateRequest,
    UpdateRequestAll,
    decode,
    encode,
)

VECTORS = {
    label: bytes.fromhex(digits)
    for label, _, _, digits in (
        line.split("\t")
        for line in (Path(__file__).parents[2] / "data" / "failover-vectors.txt").read_text().splitlines()
    )
}

ISC = b"isc-4.4.3-P1"
SPLIT_255 = b"\xff" * 31 + b"\x7f"
SPLIT_128 = b"\xff" * 16 + bytes(16)


def update(address, status, client_id, hardware, expires, potential, start, last=None, flags=0):
    return BindingUpdate(
        [
            Update(
                parse_ipv4(address), status, flags, bytes.fromhex(client_id), bytes.fromhex(hardware),
                expires, potential, start, last,
            )
        ]
    )  # fmt: skip


def answer(address, reject=None, text=""):
    return BindingAck([Answer(parse_ipv4(address), reject, text)])


# What ISC dhcpd 4.4.3 sent, read by hand: label -> (type, time, xid, message).
EXPECTED = {
    "CONNECT #1": (5, 1795473676, 0, Connect(b"iop-rel", 10, 20, ISC, 1, 0, 60, SPLIT_255)),
    "CONNECT #2": (5, 1795475231, 0, Connect(b"iop-rel", 3, 20, ISC, 1, 0, 60, SPLIT_128)),
    "CONNECTACK #1 accept": (6, 1795473676, 0, ConnectAck(b"iop-rel", 10, 20, ISC, 1, 0)),
    "CONNECTACK #2 reject 4": (
        6, 1795473981, 65536, ConnectAck(b"iop-rel", 10, 20, ISC, 1, 0, 4, "time offset too large")),
    "CONNECTACK #3 reject 18": (6, 1795473976, 65536, ConnectAck(b"iop-rel", 10, 20, ISC, 1, 0, 18, "invalid HBA")),
    "CONNECTACK #4 reject 8": (
        6, 1795473980, 65536,
        ConnectAck(b"other", None, None, ISC, 1, 0, 8, "unknown failover relationship name")),
    "STATE #1 RECOVER with STARTUP flag": (10, 1795473676, 0, State(6, True, 1795473676)),
    "STATE #2 NORMAL": (10, 1795473676, 105, State(2, False, 1795473676)),
    "STATE #3 RECOVER-WAIT = private code 254": (10, 1795474414, 3, State(254, False, 1795474367)),
    "STATE #4 CONFLICT-DONE": (10, 1795474544, 4, State(11, False, 1795474544)),
    "BNDUPD ACTIVE #1": (
        3, 1795473798, 0xB1,
        update("10.99.0.60", 2, "", "0102005e000001", 1795473858, 1795474068, 1795473798, 1795473798)),
    "BNDUPD ACTIVE #2": (
        3, 1795475235, 0x9F,
        update("10.99.0.62", 2, b"iop-client".hex(), "01923a54b44599", 1795475275, 1795475295, 1795475235,
               1795475235)),
    "BNDUPD ACTIVE #3": (
        3, 1795474241, 11, update("10.98.0.18", 2, "01020304", "0102005e000018", 1795474226, 0, 1795474166)),
    "BNDUPD ACTIVE #4": (
        3, 1795474241, 14, update("10.98.0.15", 2, "", "0102005e000015", 1795474226, 0, 1795474166, flags=2)),
    "BNDUPD BACKUP #1": (3, 1795473676, 0x6B, update("10.99.0.10", 7, "", "", 0, 1795473676, 1795473676)),
    "BNDUPD BACKUP #2": (
        3, 1795475275, 0xAF,
        update("10.99.0.54", 7, "ff000102", "0102005e000008", 1795475275, 1795475275, 1795475275)),
    "BNDUPD FREE #1": (3, 1795473676, 4, update("10.99.0.10", 1, "", "", 0, 0, 0)),
    "BNDUPD FREE #2": (3, 1795475147, 0x6A, update("10.99.0.59", 1, "", "", 0, 1795475147, 1795475147)),
    "BNDUPD RELEASED #1": (
        3, 1795473829, 0xBB,
        update("10.99.0.62", 4, "", "0102005e000003", 1795473829, 1795473829, 1795473798, 1795473798)),
    "BNDUPD RELEASED #2": (
        3, 1795473834, 0x83, update("10.99.0.63", 4, "", "0102005e000004", 1795473834, 1795473834, 1795473798)),
    "BNDUPD EXPIRED #1": (
        3, 1795474062, 0xE3,
        update("10.99.0.60", 3, "", "0102005e000001", 1795474062, 1795474182, 1795473822, 1795473822)),
    "BNDUPD EXPIRED #2": (
        3, 1795475275, 0xA7,
        update("10.99.0.54", 3, "ff000102", "0102005e000008", 1795475275, 1795475231, 1795475235)),
    "BNDUPD ABANDONED #1": (
        3, 1795473844, 0xBE, update("10.99.0.64", 5, "", "", 1795560244, 1795474110, 1795473840, 1795473840)),
    "BNDUPD ABANDONED #2": (
        3, 1795474317, 2, update("10.99.0.64", 5, "", "", 1795560244, 1795560244, 1795473840)),
    "BNDACK accept #1": (4, 1795473676, 5, answer("10.99.0.10")),
    "BNDACK accept #2": (4, 1795473828, 0x82, answer("10.99.0.61")),
    "BNDACK reject 16 #1": (
        4, 1795473676, 4, answer("10.99.0.10", 16, "incoming update is less critical than outgoing update")),
    "BNDACK reject 2 #2": (
        4, 1795475420, 3, answer("10.99.0.16", 2, "10.99.0.16: invalid state transition: active to free")),
    "BNDACK reject 1 #3": (4, 1795474174, 0x10008, answer("10.98.0.99", 1, "unknown IP address")),
    "BNDACK reject 3 #4": (4, 1795474181, 0x1000B, answer("10.98.0.11", 3, "BNDUPD without CHADDR")),
    "BNDACK reject 19 #5": (4, 1795474226, 0x1001D, answer("10.98.0.14", 19, "Address is not reserved.")),
    "UPDREQ #1": (9, 1795474541, 3, UpdateRequest()),
    "UPDREQ #2": (9, 1795474544, 4, UpdateRequest()),
    "UPDREQALL #1": (7, 1795473676, 3, UpdateRequestAll()),
    "UPDREQALL #2": (7, 1795474414, 2, UpdateRequestAll()),
    "UPDDONE #1": (8, 1795473676, 4, UpdateDone()),
    "UPDDONE #2": (8, 1795474544, 3, UpdateDone()),
    "POOLREQ #1": (1, 1795475147, 0xCC, PoolRequest()),
    "POOLREQ #2": (1, 1795475174, 0x9A, PoolRequest()),
    "POOLRESP #1": (2, 1795475147, 0xCC, PoolResponse(23)),
    "POOLRESP #2": (2, 1795474693, 0x10003, PoolResponse(0)),
    "CONTACT #1": (11, 1795473683, 0x9D, Contact()),
    "CONTACT #2": (11, 1795473683, 0x6A, Contact()),
    "DISCONNECT #1": (12, 1795474589, 1, Disconnect(8, "missing relationship-name")),
    "DISCONNECT #2": (12, 1795474596, 1, Disconnect(7, "already connected")),
}  # fmt: skip


def test_every_vector_has_an_expectation():
    assert sorted(VECTORS) == sorted(EXPECTED)
    assert {kind for kind, _, _, _ in EXPECTED.values()} == set(MessageType)


@pytest.mark.parametrize("label", EXPECTED)
def test_a_captured_message_decodes_and_encodes_back(label):
    kind, time, xid, message = EXPECTED[label]
    assert decode(VECTORS[label]) == Frame(kind, time, xid, message)
    assert encode(message, xid, time) == VECTORS[label]


def message(kind, *options, offset=12, extra=b"", xid=7, time=1000):
    """A message made by hand. An option is (code, value) or raw bytes."""
    payload = b"".join(
        o if isinstance(o, bytes) else o[0].to_bytes(2, "big") + len(o[1]).to_bytes(2, "big") + o[1] for o in options
    )
    size = 12 + len(extra) + len(payload)
    return (
        size.to_bytes(2, "big") + bytes([kind, offset]) + time.to_bytes(4, "big") + xid.to_bytes(4, "big")
        + extra + payload
    )  # fmt: skip


ADDRESS = (2, bytes([10, 0, 0, 1]))
STATUS = (3, b"\x02")


class TestHeader:
    def test_extra_header_bytes_are_skipped(self):
        frame = message(10, (24, b"\x02"), (23, b"\x00"), (25, bytes(4)), offset=16, extra=b"what")
        assert decode(frame) == Frame(10, 1000, 7, State(2, False, 0))

    @pytest.mark.parametrize("offset", [0, 8, 11])
    def test_a_payload_offset_inside_the_header_is_refused(self, offset):
        with pytest.raises(WireError, match=f"offset 3: payload offset {offset} "):
            decode(message(11, offset=offset))

    def test_a_payload_offset_past_the_end_is_refused(self):
        with pytest.raises(WireError, match="payload offset 13"):
            decode(message(11, offset=13))

    @pytest.mark.parametrize("size", range(12))
    def test_less_than_a_header_is_refused(self, size):
        with pytest.raises(WireError, match="no message header"):
            decode(message(11)[:size])

    @pytest.mark.parametrize("change", [-1, 1])
    def test_the_length_must_be_that_of_the_message(self, change):
        frame = message(11)
        with pytest.raises(WireError, match=f"length {len(frame) + change} in a message of 12 bytes"):
            decode((len(frame) + change).to_bytes(2, "big") + frame[2:])

    def test_2048_bytes_are_accepted_and_2049_are_not(self):
        assert decode(message(11, (200, bytes(2048 - 16)))).message == Contact()
        with pytest.raises(WireError, match="length 2049"):
            decode(message(11, (200, bytes(2049 - 16))))

    @pytest.mark.parametrize("kind", [0, 13, 64, 127])
    def test_an_unknown_mandatory_type_is_refused(self, kind):
        with pytest.raises(WireError, match=f"message type {kind} is not known"):
            decode(message(kind))

    @pytest.mark.parametrize("kind", [128, 129, 255])
    def test_an_unknown_optional_type_is_passed_on(self, kind):
        assert decode(message(kind, b"\x01\x02\x03")) == Frame(kind, 1000, 7, Unknown(kind))


class TestOptions:
    @pytest.mark.parametrize("code", [0, 30, 200, 65535])
    @pytest.mark.parametrize("value", [b"", b"anything"])
    def test_unknown_options_are_skipped_even_when_repeated(self, code, value):
        odd = (code, value)
        assert decode(message(2, odd, (1, bytes([0, 0, 0, 5])), odd)).message == PoolResponse(5)
        assert decode(message(3, odd, ADDRESS, odd, STATUS, odd)).message == BindingUpdate([Update(0x0A000001, 2)])
        assert decode(message(4, odd, ADDRESS, odd)).message == BindingAck([Answer(0x0A000001)])

    def test_options_of_other_messages_are_skipped_even_when_repeated(self):
        alien = (13, b"no time")
        assert decode(message(11, alien, alien)).message == Contact()
        assert decode(message(4, ADDRESS, alien, alien)).message == BindingAck([Answer(0x0A000001)])
        alien = (22, b"name")
        assert decode(message(3, alien, alien, ADDRESS, alien, STATUS, alien)).message == BindingUpdate(
            [Update(0x0A000001, 2)]
        )

    @pytest.mark.parametrize("kind,options", [
        (5, [(22, b"n"), (14, bytes(4)), (19, bytes(4)), (28, b"v"), (20, b"\1"), (27, b"\0"), (15, bytes(4)),
             (11, bytes(32)), (10, b"\1"), (29, b"")]),
        (6, [(22, b"n"), (14, bytes(4)), (19, bytes(4)), (28, b"v"), (20, b"\1"), (26, b"\0"), (21, b"\1"),
             (16, b"text"), (29, b"")]),
        (2, [(1, bytes(4))]),
        (10, [(24, b"\2"), (23, b"\0"), (25, bytes(4))]),
        (12, [(21, b"\1"), (16, b"text")]),
        (3, [ADDRESS, STATUS, (4, b"c"), (5, b"\1h"), (6, bytes(4)), (7, b"cook"), (8, b"cook"), (9, bytes(2)),
             (12, bytes(2)), (13, bytes(4)), (18, bytes(4)), (25, bytes(4)), (29, b"")]),
        (4, [ADDRESS, (21, b"\1"), (16, b"text")]),
    ])  # fmt: skip
    def test_a_relevant_option_that_stands_twice_is_refused(self, kind, options):
        decode(message(kind, *options))
        for option in options:
            if option is ADDRESS:
                continue
            with pytest.raises(WireError, match=f"option {option[0]} appears twice"):
                decode(message(kind, *options, option))

    @pytest.mark.parametrize("kind,code,size", [
        (2, 1, 4), (5, 14, 4), (5, 19, 4), (5, 20, 1), (5, 27, 1), (5, 15, 4), (5, 11, 32), (5, 10, 1),
        (6, 26, 1), (6, 21, 1), (10, 24, 1), (10, 23, 1), (10, 25, 4), (12, 21, 1),
        (3, 3, 1), (3, 6, 4), (3, 12, 2), (3, 13, 4), (3, 18, 4), (3, 25, 4), (3, 2, 4), (4, 21, 1), (4, 2, 4),
    ])  # fmt: skip
    def test_a_fixed_length_is_insisted_upon(self, kind, code, size):
        lead = [ADDRESS] if kind in (3, 4) else []
        for wrong in (0, size - 1, size + 1, size + 200):
            with pytest.raises(WireError, match=f"option {code} cannot be {wrong} bytes long .*12.{code}"):
                decode(message(kind, *lead, (code, bytes(wrong))))
        with pytest.raises(WireError, match="option 2 cannot be 5 bytes"):
            decode(message(3, (2, bytes(5))))

    @pytest.mark.parametrize("kind", range(1, 13))
    @pytest.mark.parametrize("tail", [
        b"\0", b"\0\3", b"\0\3\0", b"\0\3\0\1", b"\0\x0d\0\4\1\2\3", b"\0\4\0\2x", b"\0\x15\0\1", b"\0\2\0\4abc",
        b"\0\xc8\0\1", b"\0\x10\xff\xff",
    ])  # fmt: skip
    def test_an_option_that_overruns_the_message_is_refused(self, kind, tail):
        lead = {3: [ADDRESS], 4: [ADDRESS]}.get(kind, [])
        with pytest.raises(WireError, match="reaches past the end"):
            decode(message(kind, *lead, tail))

    def test_an_option_that_overruns_before_the_first_address_is_refused(self):
        for kind in (3, 4):
            with pytest.raises(WireError, match="reaches past the end"):
                decode(message(kind, b"\0\xc8\0\2x"))

    @pytest.mark.parametrize("missing", [24, 23, 25])
    def test_a_state_message_must_be_complete(self, missing):
        options = [(24, b"\2"), (23, b"\0"), (25, bytes(4))]
        with pytest.raises(WireError, match=f"option {missing} is missing"):
            decode(message(10, *(o for o in options if o[0] != missing)))

    def test_a_pool_response_must_say_how_many(self):
        with pytest.raises(WireError, match="option 1 is missing"):
            decode(message(2))

    def test_a_connect_that_lacks_everything_can_still_be_answered(self):
        assert decode(message(5)).message == Connect(b"", 0, 0, b"", 0, None, 0, b"")

    def test_a_disconnect_without_a_reason_has_an_unknown_one(self):
        assert decode(message(12, (16, b"bye"))).message == Disconnect(254, "bye")

    def test_a_text_that_is_not_utf8_is_shown_as_well_as_possible(self):
        assert decode(message(12, (21, b"\1"), (16, b"b\xe9b\xe9"))).message == Disconnect(1, "b\ufffdb\ufffd")

    def test_an_unknown_server_state_and_flags_are_passed_on(self):
        assert decode(message(10, (25, bytes(4)), (23, b"\xfe"), (24, b"\x0c"))).message == State(12, False, 0)


class TestBindingUpdates:
    def test_transactions_are_delimited_by_the_address(self):
        frame = message(
            3, (28, b"other"), ADDRESS, STATUS, (13, b"\0\0\1\0"), (2, b"\x0a\0\0\2"), (12, b"\0\1"), (3, b"\7"),
            (2, b"\x0a\0\0\3"), (4, b"id"), STATUS,
        )  # fmt: skip
        assert decode(frame).message == BindingUpdate(
            [
                Update(0x0A000001, 2, expires=256),
                Update(0x0A000002, 7, flags=1),
                Update(0x0A000003, 2, client_id=b"id"),
            ]
        )

    def test_the_order_inside_a_transaction_does_not_matter(self):
        options = [(6, b"\0\0\0\1"), (25, b"\0\0\0\2"), (18, b"\0\0\0\3"), (13, b"\0\0\0\4"), (5, b"\1hw"), STATUS]
        expected = BindingUpdate([Update(0x0A000001, 2, 0, b"", b"\1hw", 4, 3, 2, 1)])
        assert decode(message(3, ADDRESS, *options)).message == expected
        assert decode(message(3, ADDRESS, *reversed(options))).message == expected

    @pytest.mark.parametrize("code", [3, 4, 5, 6, 7, 8, 9, 12, 13, 18, 25])
    def test_a_transaction_option_ahead_of_the_first_address_is_refused(self, code):
        with pytest.raises(WireError, match=f"option {code} ahead of the first"):
            decode(message(3, (code, bytes(4)), ADDRESS, STATUS))

    def test_an_answer_option_ahead_of_the_first_address_is_refused(self):
        for code in (16, 21):
            with pytest.raises(WireError, match=f"option {code} ahead of the first"):
                decode(message(4, (code, b"\1"), ADDRESS))

    @pytest.mark.parametrize("kind", [3, 4])
    def test_a_message_about_no_address_is_refused(self, kind):
        with pytest.raises(WireError, match="without an assigned-IP-address"):
            decode(message(kind))

    def test_a_missing_status_and_an_illegal_one_are_passed_on(self):
        frame = message(3, ADDRESS, (2, b"\x0a\0\0\2"), (3, b"\x08"), (2, b"\x0a\0\0\3"), (3, b"\xff"))
        assert [u.status for u in decode(frame).message.updates] == [0, 8, 255]

    def test_more_transactions_than_can_be_rejected_in_one_message_are_refused(self):
        assert len(decode(message(3, *[ADDRESS] * 156)).message.updates) == 156
        with pytest.raises(WireError, match="157 transactions"):
            decode(message(3, *[ADDRESS] * 157))

    def test_client_options_count_only_behind_the_dhcp_magic_number(self):
        good, other = b"\x63\x82\x53\x63\x0c\x01h", b"\x63\x82\x53\x64\x0c\x01h"
        assert decode(message(3, ADDRESS, (8, good), (7, good))).message.updates == [
            Update(0x0A000001, 0, request_options=b"\x0c\x01h", reply_options=b"\x0c\x01h")
        ]
        for useless in (other, b"\x63\x82\x53", b""):
            assert decode(message(3, ADDRESS, (8, useless), (7, useless))).message.updates == [Update(0x0A000001, 0)]

    def test_ddns_has_flags_and_a_name(self):
        assert decode(message(3, ADDRESS, (9, b"\0\5\1a\0"))).message.updates[0].ddns == (5, b"\1a\0")
        assert decode(message(3, ADDRESS, (9, b"\0\5"))).message.updates[0].ddns == (5, b"")
        with pytest.raises(WireError, match="option 9 cannot be 1 bytes"):
            decode(message(3, ADDRESS, (9, b"\0")))

    def test_the_options_are_sent_in_this_order(self):
        whole = Update(
            0x0A000001, 2, 3, b"id", b"\1hw", 1, 2, 3, 4, (5, b"\1a\0"), b"\x0c\1h", b"\x3a\4abcd", 0x0A000009
        )
        frame = encode(BindingUpdate([whole]), 7, 1000)
        assert frame == message(
            3, (28, VENDOR_CLASS), ADDRESS, STATUS, (4, b"id"), (5, b"\1hw"), (13, b"\0\0\0\1"), (18, b"\0\0\0\2"),
            (25, b"\0\0\0\3"), (6, b"\0\0\0\4"), (12, b"\0\3"), (8, b"\x63\x82\x53\x63\x0c\1h"),
            (7, b"\x63\x82\x53\x63\x3a\4abcd"), (9, b"\0\5\1a\0"), (29, b"\0\1\0\4\x0a\0\0\x09"),
        )  # fmt: skip
        assert decode(frame).message == BindingUpdate([whole])

    def test_absent_times_are_left_out(self):
        for missing in ("expires", "potential", "start_of_state", "last_transaction"):
            one = Update(0x0A000001, 4, expires=1, potential=2, start_of_state=3, last_transaction=4)
            setattr(one, missing, None)
            frame = encode(BindingUpdate([one]), 7, 1000)
            assert len(frame) == 12 + 13 + 24
            assert decode(frame).message == BindingUpdate([one])


class TestVendorExtension:
    RANGE = (29, b"\0\1\0\4\x0a\0\0\x09")

    def test_a_range_counts_under_our_vendor_class_only(self):
        ours = decode(message(3, (28, VENDOR_CLASS), ADDRESS, STATUS, self.RANGE)).message.updates[0]
        assert (ours.address, ours.last_address) == (0x0A000001, 0x0A000009)
        for lead in ([], [(28, b"tandem-2")], [(28, b"")]):
            assert decode(message(3, *lead, ADDRESS, STATUS, self.RANGE)).message.updates[0].last_address is None

    def test_the_vendor_class_comes_ahead_of_the_transactions_and_once(self):
        frame = message(3, ADDRESS, STATUS, self.RANGE, (28, VENDOR_CLASS))
        assert decode(frame).message.updates[0].last_address is None
        with pytest.raises(WireError, match="option 28 appears twice"):
            decode(message(3, (28, VENDOR_CLASS), (28, VENDOR_CLASS), ADDRESS))

    def test_only_updates_with_a_range_bring_the_vendor_class(self):
        plain, ranged = Update(0x0A000001, 7), Update(0x0A000001, 7, last_address=0x0A0000FF)
        assert len(encode(BindingUpdate([plain]), 1, 1)) == 25
        assert len(encode(BindingUpdate([plain, ranged]), 1, 1)) == 25 + 12 + 13 + 12
        assert decode(encode(BindingUpdate([plain, ranged]), 1, 1)).message == BindingUpdate([plain, ranged])

    def test_a_bad_range_is_refused(self):
        lead = [(28, VENDOR_CLASS), ADDRESS, STATUS]
        good = b"\0\1\0\4\x0a\0\0\2"
        decode(message(3, *lead, (29, good)))
        for value in (b"\0\1\0\3\x0a\0\0", good[:-1] + b"\0", good[:-1], b"\0\1\0", good * 2):
            with pytest.raises(WireError):
                decode(message(3, *lead, (29, value)))

    def test_other_sub_options_are_skipped(self):
        lead = [(28, VENDOR_CLASS), ADDRESS, STATUS]
        assert decode(message(3, *lead, (29, b"\0\2\0\1x"))).message.updates[0].last_address is None
        frame = message(3, *lead, (29, b"\0\2\0\1x\0\1\0\4\x0a\0\0\2"))
        assert decode(frame).message.updates[0].last_address == 0x0A000002

    def test_connect_and_its_answer_carry_sub_options(self):
        connect = Connect(b"r", 10, 60, VENDOR_CLASS, 1, 0, 3600, bytes(32), 3, {7: b"x", 300: b""})
        assert decode(encode(connect, 1, 1)).message == connect
        ack = ConnectAck(b"r", 10, 60, VENDOR_CLASS, 1, 0, vendor={7: b"y"})
        assert decode(encode(ack, 1, 1)).message == ack

    def test_sub_options_of_another_vendor_are_not_looked_at(self):
        frame = message(5, (28, b"acme"), (29, b"\xff"))
        assert decode(frame).message.vendor == {}
        with pytest.raises(ValueError, match="need the vendor class"):
            encode(Connect(b"r", 10, 60, b"acme", 1, 0, 3600, bytes(32), None, {7: b"x"}), 1, 1)


class TestEncodingLimits:
    def test_a_message_of_2048_bytes_can_be_sent_and_2049_cannot(self):
        full = Disconnect(6, "x" * (2048 - 12 - 5 - 4))
        assert len(encode(full, 1, 1)) == 2048
        full.text += "x"
        with pytest.raises(ValueError, match="2049 bytes long, more than 2048"):
            encode(full, 1, 1)

    def test_the_digest_takes_room_too(self):
        full = Disconnect(6, "x" * (2048 - 12 - 21 - 5 - 4))
        assert len(encode(full, 1, 1, b"secret")) == 2048
        full.text += "x"
        with pytest.raises(ValueError, match="2049 bytes long"):
            encode(full, 1, 1, b"secret")

    @pytest.mark.parametrize("secret", [b"", b"secret"])
    def test_an_acknowledgement_loses_its_texts_before_it_is_too_long(self, secret):
        updates = decode(message(3, *[(2, i.to_bytes(4, "big")) for i in range(150)])).message.updates
        answers = [Answer(u.address, RejectReason.MISSING_BINDING_INFORMATION, "no status") for u in updates]
        frame = encode(BindingAck(answers), 1, 1, secret)
        assert decode(frame, secret).message == BindingAck([Answer(a.address, 3) for a in answers])
        few = BindingAck(answers[:70])
        assert decode(encode(few, 1, 1, secret), secret).message == few

    @pytest.mark.parametrize("bad", [
        BindingUpdate([]),
        BindingAck([]),
        BindingUpdate([Update(1 << 32, 2)]),
        BindingUpdate([Update(1, 256)]),
        BindingUpdate([Update(-1, 2)]),
        BindingUpdate([Update(1, 2, flags=1 << 16)]),
        BindingUpdate([Update(1, 2, expires=1 << 32)]),
        BindingUpdate([Update(1, 2, ddns=(1 << 16, b""))]),
        BindingUpdate([Update(1, 2, client_id=bytes(70000))]),
        BindingAck([Answer(1, 256)]),
        Connect(b"r", 10, 60, b"v", 1, 0, 3600, bytes(31)),
        Connect(b"r", 1 << 32, 60, b"v", 1, 0, 3600, bytes(32)),
        Connect(b"r", 10, 60, b"v", 256, 0, 3600, bytes(32)),
        State(256, False, 0),
        PoolResponse(-1),
    ])  # fmt: skip
    def test_what_does_not_fit_its_field_is_refused(self, bad):
        with pytest.raises(ValueError):
            encode(bad, 1, 1)

    def test_a_header_field_must_fit_too(self):
        for xid, time in ((1 << 32, 1), (1, 1 << 32), (-1, 1)):
            with pytest.raises(ValueError):
                encode(Contact(), xid, time)


class TestDigest:
    SECRET = b"a shared secret"

    def test_it_is_the_first_option_and_hmac_md5_of_the_message(self):
        # HMAC-MD5 with key "Jefe" is computed here by its definition (RFC 2104), not by the library.
        from hashlib import md5

        frame = encode(PoolResponse(23), 0xCC, 1795475147, b"Jefe")
        assert frame[:12] == bytes.fromhex("0029020c6b04c6cb000000cc")
        assert frame[12:17] == bytes.fromhex("0011001101")
        assert frame[33:] == bytes.fromhex("0001000400000017")
        zeroed = frame[:17] + bytes(16) + frame[33:]
        key = b"Jefe".ljust(64, b"\0")
        inner = md5(bytes(b ^ 0x36 for b in key) + zeroed).digest()
        assert frame[17:33] == md5(bytes(b ^ 0x5C for b in key) + inner).digest()

    @pytest.mark.parametrize("label", EXPECTED)
    def test_every_message_can_be_authenticated(self, label):
        kind, time, xid, sent = EXPECTED[label]
        frame = encode(sent, xid, time, self.SECRET)
        assert len(frame) == len(VECTORS[label]) + 21
        assert decode(frame, self.SECRET) == Frame(kind, time, xid, sent)

    def test_no_byte_can_be_changed(self):
        frame = encode(EXPECTED["BNDUPD ACTIVE #2"][3], 5, 1000, self.SECRET)
        for i in range(len(frame)):
            for change in (1, 0x80):
                tampered = frame[:i] + bytes([frame[i] ^ change]) + frame[i + 1 :]
                with pytest.raises((ProtocolError, WireError)):
                    decode(tampered, self.SECRET)

    @pytest.mark.parametrize("decode_with,reject", [(b"another", 20), (b"", 13)])
    def test_both_servers_must_share_the_secret(self, decode_with, reject):
        for sent in (Contact(), EXPECTED["BNDUPD FREE #1"][3], EXPECTED["BNDACK accept #1"][3]):
            with pytest.raises(ProtocolError, match="shared secret") as caught:
                decode(encode(sent, 1, 1, self.SECRET), decode_with)
            assert caught.value.reject == reject

    @pytest.mark.parametrize("kind", [*range(1, 13), 200])
    def test_a_message_without_digest_is_refused_where_a_secret_is_set(self, kind):
        with pytest.raises(ProtocolError) as caught:
            decode(message(kind), self.SECRET)
        assert caught.value.reject == RejectReason.DIGEST_MISSING

    def test_a_digest_that_is_not_first_does_not_count(self):
        frame = encode(PoolResponse(1), 1, 1, self.SECRET)
        swapped = frame[:12] + frame[33:] + frame[12:33]
        for secret, reject in ((self.SECRET, 21), (b"", 13)):
            with pytest.raises(ProtocolError) as caught:
                decode(swapped, secret)
            assert caught.value.reject == reject

    @pytest.mark.parametrize("kind", [3, 4])
    def test_a_digest_behind_a_transaction_is_seen(self, kind):
        for options in ([ADDRESS, (17, bytes(17))], [(200, b""), (17, bytes(17)), ADDRESS]):
            with pytest.raises(ProtocolError) as caught:
                decode(message(kind, *options))
            assert caught.value.reject == 13

    @pytest.mark.parametrize("kind", [*range(1, 13), 200])
    def test_a_digest_is_refused_where_no_secret_is_set(self, kind):
        with pytest.raises(ProtocolError) as caught:
            decode(message(kind, (17, b"\1" + bytes(16))))
        assert caught.value.reject == RejectReason.DIGEST_NOT_CONFIGURED

    def test_only_hmac_md5_is_known(self):
        for kind in (0, 2, 255):
            with pytest.raises(ProtocolError) as caught:
                decode(message(11, (17, bytes([kind]) + bytes(16))), self.SECRET)
            assert caught.value.reject == RejectReason.DIGEST_NOT_SUPPORTED

    @pytest.mark.parametrize("size", [1, 16, 18])
    def test_its_length_is_insisted_upon(self, size):
        with pytest.raises(WireError, match=f"option 17 cannot be {size} bytes"):
            decode(message(11, (17, b"\1" + bytes(size - 1))), self.SECRET)
        with pytest.raises(WireError):
            decode(message(11, b"\0\x11\0\x11\1" + bytes(15)), self.SECRET)

    def test_extra_header_bytes_are_covered(self):
        import hmac

        blank = message(11, (17, b"\1" + bytes(16)), offset=14, extra=b"xy")
        frame = blank[:19] + hmac.digest(self.SECRET, blank, "md5")
        assert decode(frame, self.SECRET).message == Contact()
        with pytest.raises(ProtocolError):
            decode(frame[:12] + b"xz" + frame[14:], self.SECRET)


class TestFramer:
    STREAM = b"".join(VECTORS.values())

    @pytest.mark.parametrize("step", [1, 2, 3, 11, 12, 13, 100, 2047, 1 << 20])
    def test_any_slicing_gives_the_same_messages(self, step):
        framer = Framer()
        frames = []
        for i in range(0, len(self.STREAM), step):
            frames += framer.feed(self.STREAM[i : i + step])
        assert frames == list(VECTORS.values())

    def test_nothing_gives_nothing(self):
        assert Framer().feed(b"") == []

    @pytest.mark.parametrize("size", [0, 11, 2049, 65535])
    def test_an_impossible_length_is_refused_as_soon_as_it_is_seen(self, size):
        framer = Framer()
        assert framer.feed(VECTORS["CONTACT #1"]) == [VECTORS["CONTACT #1"]]
        assert framer.feed(size.to_bytes(2, "big")[:1]) == []
        with pytest.raises(WireError, match=f"a message of {size} bytes"):
            framer.feed(size.to_bytes(2, "big")[1:])
        with pytest.raises(WireError):
            framer.feed(VECTORS["CONTACT #1"])

    def test_the_longest_message_passes(self):
        longest = message(200, bytes(2036))
        framer = Framer()
        assert framer.feed(longest[:-1]) == []
        assert framer.feed(longest[-1:]) == [longest]


def test_the_numbers_of_the_draft():
    assert [t.value for t in MessageType] == list(range(1, 13))
    assert [c.value for c in OptionCode] == list(range(1, 30))
    assert [r.value for r in RejectReason] == [*range(22), 254]
