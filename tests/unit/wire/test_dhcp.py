"""DHCPv4 messages against captured packets and packets written by hand, and what the codec must refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.base.errors import WireError
from tandem.base.ipv4 import parse_ipv4
from tandem.wire import dhcp
from tandem.wire.dhcp import Message, decode, encode, encode_reply

VECTORS = {
    label: bytes.fromhex(digits)
    for label, _, digits in (
        line.split("\t") for line in (Path(__file__).parents[2] / "data" / "dhcp-vectors.txt").read_text().splitlines()
    )
}

MAC = bytes.fromhex("00d0bad3bd3b")
COOKIE = bytes([99, 130, 83, 99])  # RFC 2131 section 3 gives it in decimal


def packet(options: bytes, *, sname: bytes = b"", file: bytes = b"", cookie: bytes = COOKIE) -> bytes:
    """A packet by hand, RFC 2131 figure 1: every fixed field has its own value, so that none can be mistaken."""
    return (
        bytes([1, 1, 6, 2])
        + bytes.fromhex("12345678")
        + bytes.fromhex("0102")
        + bytes.fromhex("8000")
        + bytes([10, 0, 0, 1, 10, 0, 0, 2, 10, 0, 0, 3, 10, 0, 0, 4])
        + MAC
        + bytes(10)
        + sname.ljust(64, b"\0")
        + file.ljust(128, b"\0")
        + cookie
        + options
    )


# --- reading --------------------------------------------------------------------------------------------


def test_every_fixed_field_is_read_from_its_place():
    """RFC 2131 section 2, figure 1 and table 1."""
    m = decode(packet(bytes([53, 1, 1, 255]), sname=b"boss", file=b"/boot"))
    assert (m.op, m.htype, m.hlen, m.hops, m.xid, m.secs, m.flags) == (1, 1, 6, 2, 0x12345678, 0x0102, 0x8000)
    assert [m.ciaddr, m.yiaddr, m.siaddr, m.giaddr] == [parse_ipv4(f"10.0.0.{i}") for i in (1, 2, 3, 4)]
    assert (m.chaddr, m.sname, m.file) == (MAC, b"boss", b"/boot")
    assert m.options == {53: b"\x01"}
    assert (m.kind, m.hardware, m.client_id) == (dhcp.DISCOVER, b"\x01" + MAC, b"")


@pytest.mark.parametrize(
    ("label", "kind", "options"),
    [
        (
            "DISCOVER udhcpc",
            1,
            {
                53: b"\x01", 57: b"\x02\x40", 55: bytes([1, 3, 6, 12, 15, 28, 42]), 12: b"printer",
                60: b"udhcp 1.35.0", 61: bytes.fromhex("0102005e100001"),
            },
        ),
        ("DISCOVER dhclient", 1, {53: b"\x01", 12: b"laptop", 77: b"staff"}),
        (
            "DISCOVER dhcpcd",
            1,
            {
                53: b"\x01", 55: bytes([1, 121, 3, 6, 12, 15, 26, 28, 33, 51, 54, 58, 59, 119]), 57: b"\x05\xc0",
                61: bytes.fromhex("ff5e100001000100013297c4c902005e100001"), 80: b"", 145: b"\x01",
            },
        ),
        ("DISCOVER relayed", 1, {53: b"\x01"}),
        (
            "OFFER dhcpd",
            2,
            {53: b"\x02", 54: bytes([10, 99, 0, 1]), 51: bytes([0, 0, 0, 60]), 1: bytes([255, 255, 255, 0])},
        ),
        ("REQUEST selecting", 3, {53: b"\x03", 50: bytes([10, 99, 0, 60]), 54: bytes([10, 99, 0, 1])}),
        (
            "ACK dhcpd",
            5,
            {53: b"\x05", 54: bytes([10, 99, 0, 1]), 51: bytes([0, 0, 0, 60]), 1: bytes([255, 255, 255, 0])},
        ),
        ("REQUEST renewing", 3, {53: b"\x03"}),
        ("RELEASE", 7, {53: b"\x07", 54: bytes([10, 99, 0, 1])}),
        ("DECLINE", 4, {53: b"\x04", 50: bytes([10, 99, 0, 64]), 54: bytes([10, 99, 0, 1])}),
    ],
)  # fmt: skip
def test_captured_packets(label, kind, options):
    m = decode(VECTORS[label])
    assert m.kind == kind
    assert list(m.options.items()) == list(options.items())


@pytest.mark.parametrize("label", ["OFFER dhcpd", "ACK dhcpd"])
def test_a_captured_reply_is_written_back_byte_for_byte(label):
    m = decode(VECTORS[label])
    assert encode(m) == VECTORS[label]


def test_pad_is_skipped_and_bytes_after_end_are_ignored():
    """RFC 2132 sections 3.1 and 3.2."""
    m = decode(packet(bytes([0, 0, 53, 1, 3, 0, 12, 2]) + b"hi" + bytes([255, 12, 200, 1])))
    assert m.options == {53: b"\x03", 12: b"hi"}


def test_an_end_that_is_missing_is_forgiven_at_the_edge():
    assert decode(packet(bytes([53, 1, 3]))).options == {53: b"\x03"}


def test_options_keep_the_order_of_their_first_appearance():
    m = decode(packet(bytes([55, 1, 3, 53, 1, 1, 12, 1, 65, 55, 1, 6, 255])))
    assert list(m.options.items()) == [(55, b"\x03\x06"), (53, b"\x01"), (12, b"A")]


def test_an_option_in_several_pieces_is_joined_in_order():
    """RFC 3396 section 7."""
    m = decode(packet(bytes([53, 1, 1, 60, 2, 1, 2, 61, 3, 9, 9, 9, 60, 0, 60, 1, 3, 255])))
    assert m.options == {53: b"\x01", 60: b"\x01\x02\x03", 61: b"\x09\x09\x09"}


def test_overload_is_resolved_in_the_order_options_file_sname():
    """RFC 2131 section 4.1; RFC 3396 section 5: the aggregate buffer is options, file, sname."""
    m = decode(
        packet(
            bytes([52, 1, 3, 60, 1, 65, 53, 1, 5, 255]),
            file=bytes([60, 1, 66, 15, 1, 70, 255]),
            sname=bytes([60, 1, 67, 12, 1, 83, 255]),
        )
    )
    assert list(m.options.items()) == [(60, b"ABC"), (53, b"\x05"), (15, b"F"), (12, b"S")]
    assert (m.sname, m.file) == (b"", b"")


@pytest.mark.parametrize(
    ("overload", "sname", "file", "codes"), [(1, b"\x0c\x01S\xff", b"", {15}), (2, b"", b"\x0f\x01F\xff", {12})]
)
def test_only_the_field_that_overload_names_has_options(overload, sname, file, codes):
    """RFC 2132 section 9.3: 1 = file, 2 = sname."""
    data = packet(bytes([52, 1, overload, 255]), sname=b"\x0c\x01S\xff", file=b"\x0f\x01F\xff")
    m = decode(data)
    assert (set(m.options), m.sname, m.file) == (codes, sname, file)


def test_overload_inside_an_overloaded_field_means_nothing():
    m = decode(packet(bytes([52, 1, 1, 255]), file=bytes([52, 1, 3, 255]), sname=b"name"))
    assert (m.options, m.sname) == ({}, b"name")


def test_a_field_full_to_the_last_byte_needs_no_end():
    m = decode(packet(bytes([52, 1, 2, 255]), sname=bytes([12, 62]) + b"n" * 62))
    assert m.options == {12: b"n" * 62}


def test_bootp_without_cookie_has_no_options():
    """RFC 951 section 3: 64 bytes of vendor area, unused here."""
    m = decode(packet(bytes(60), cookie=bytes(4)))
    assert (m.kind, m.options, m.chaddr) == (0, {}, MAC)


def test_bootp_with_cookie_has_kind_0():
    m = decode(packet(bytes([12, 1, 65, 255]).ljust(60, b"\0")))
    assert (m.kind, m.options) == (0, {12: b"A"})


def test_hardware_addresses_of_0_and_16_bytes():
    data = bytearray(packet(bytes([53, 1, 1, 255])))
    data[1:3] = bytes([32, 0])  # RFC 4390: InfiniBand clients send none
    assert decode(bytes(data)).hardware == b"\x20"
    data[2] = 16
    assert decode(bytes(data)).chaddr == MAC + bytes(10)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "0 bytes"),
        (packet(b"")[:239], "239 bytes"),
        (packet(b"").ljust(65508, b"\0"), "65508 bytes"),
        (packet(b"\xff", cookie=bytes([99, 130, 83, 98])), "cookie is 63825362"),
        (packet(b"\x01", cookie=bytes(4)), "cookie is 00000000"),
        (b"\x00" + packet(b"\xff")[1:], "op is 0"),
        (b"\x03" + packet(b"\xff")[1:], "op is 3"),
        (b"\x01\x01\x11" + packet(b"\xff")[3:], "hardware address length 17"),
        (packet(bytes([53])), "option 53 has no length"),
        (packet(bytes([53, 1, 1, 12, 5, 65, 66])), "overruns its area by 3"),
        (packet(bytes([53, 1, 1, 12, 255])), "overruns"),
        (packet(bytes([52, 0, 255])), "option 52 is empty"),
        (packet(bytes([52, 1, 0, 255])), "option 52 is 00"),
        (packet(bytes([52, 1, 4, 255])), "option 52 is 04"),
        (packet(bytes([52, 1, 1, 52, 1, 1, 255])), "option 52 is 0101"),
        (packet(bytes([52, 1, 1, 255]), file=bytes([12, 127])), "overruns its area by 1"),
        (packet(bytes([52, 1, 2, 255]), sname=bytes(63) + b"\x0c"), "option 12 has no length"),
        (packet(bytes([53, 0, 255])), "option 53 has 0 bytes"),
        (packet(bytes([53, 1, 1, 53, 1, 1, 255])), "option 53 has 2 bytes"),
        (packet(bytes([50, 3, 1, 1, 1, 255])), "option 50 has 3 bytes"),
        (packet(bytes([51, 5, 1, 1, 1, 1, 1, 255])), "option 51 has 5 bytes"),
        (packet(bytes([54, 1, 1, 255])), "option 54 has 1 bytes"),
        (packet(bytes([57, 1, 1, 255])), "option 57 has 1 bytes"),
        (packet(bytes([118, 0, 255])), "option 118 has 0 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_a_message_is_refused(data, why):
    with pytest.raises(WireError, match=why):
        decode(data)


def test_an_option_in_very_many_pieces_takes_no_quadratic_time():
    """21 thousand pieces in the largest datagram: joined once, not again for each."""
    pieces = (65507 - 240) // 3
    assert decode(packet(bytes([60, 1, 7]) * pieces)).options == {60: b"\x07" * pieces}


def test_unpack_options_reads_a_bare_list():
    assert dhcp.unpack_options(bytes([12, 2, 65, 66, 0, 82, 1, 9, 82, 1, 8, 255])) == {12: b"AB", 82: b"\x09\x08"}
    assert dhcp.unpack_options(b"") == {}
    with pytest.raises(WireError, match="overruns"):
        dhcp.unpack_options(bytes([12, 2, 65]))


def test_relay_suboptions_know_neither_pad_nor_end():
    """RFC 3046 section 2.0: codes 0 and 255 are suboptions like others."""
    value = bytes([1, 4, 0, 1, 2, 3, 0, 1, 7, 255, 0, 2, 2, 8, 9, 1, 1, 66])
    assert dhcp.relay_suboptions(value) == {1: b"\0\x01\x02\x03", 0: b"\x07", 255: b"", 2: b"\x08\x09"}


@pytest.mark.parametrize("value", [bytes([1]), bytes([1, 4, 0, 1, 2]), bytes([1, 0, 2])])
def test_a_relay_suboption_that_overruns_is_refused(value):
    with pytest.raises(WireError, match="overruns option 82"):
        dhcp.relay_suboptions(value)


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({53: b"\x01"}, 548),  # RFC 2131 section 2: 312 bytes of options at least
        ({53: b"\x01", 57: (576).to_bytes(2, "big")}, 548),
        ({53: b"\x01", 57: (100).to_bytes(2, "big")}, 548),  # RFC 2132 section 9.10: 576 is the least
        ({53: b"\x01", 57: (1000).to_bytes(2, "big")}, 972),
        ({53: b"\x01", 57: (65535).to_bytes(2, "big")}, 1472),
        ({}, 300),
    ],
)
def test_how_long_a_reply_may_be(options, limit):
    assert dhcp.reply_limit(Message(options=options)) == limit


# --- writing --------------------------------------------------------------------------------------------


def test_a_message_is_written_as_by_hand():
    m = Message(
        op=1, htype=1, hops=2, xid=0x12345678, secs=0x0102, flags=0x8000, ciaddr=parse_ipv4("10.0.0.1"),
        yiaddr=parse_ipv4("10.0.0.2"), siaddr=parse_ipv4("10.0.0.3"), giaddr=parse_ipv4("10.0.0.4"), chaddr=MAC,
        sname=b"boss", file=b"/boot", options={12: b"hi", 53: b"\x03"},
    )  # fmt: skip
    by_hand = packet(bytes([53, 1, 3, 12, 2]) + b"hi\xff", sname=b"boss", file=b"/boot").ljust(300, b"\0")
    assert encode(m) == by_hand


def test_a_reply_echoes_the_request():
    """RFC 2131 section 4.3.1, table 3: op 2, hops and secs 0; xid, flags, giaddr, chaddr of the client."""
    request = decode(packet(bytes([53, 1, 3, 255]), sname=b"boss", file=b"/boot"))
    reply = encode_reply(
        request, dhcp.ACK, yiaddr=0x0A00000A, siaddr=0x0A00000B, ciaddr=0x0A00000C,
        options=bytes([54, 4, 10, 0, 0, 9]), sname=b"srv", file=b"kernel",
    )  # fmt: skip
    assert reply == (
        bytes([2, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0x80, 0])
        + bytes([10, 0, 0, 12, 10, 0, 0, 10, 10, 0, 0, 11, 10, 0, 0, 4])
        + (MAC + bytes(10))
        + b"srv".ljust(64, b"\0")
        + b"kernel".ljust(128, b"\0")
        + COOKIE
        + bytes([53, 1, 5, 54, 4, 10, 0, 0, 9, 255])
    ).ljust(300, b"\0")


def test_a_bootp_reply_has_no_option_53():
    request = decode(packet(bytes(60), cookie=bytes(4)))
    reply = encode_reply(request, 0, yiaddr=1, options=bytes([1, 4, 255, 0, 0, 0]))
    assert reply[240:248] == bytes([1, 4, 255, 0, 0, 0, 255, 0])
    assert len(reply) == 300


def test_a_reply_may_set_the_broadcast_bit():
    """RFC 2131 section 4.3.2: in a DHCPNAK through a relay the server sets it."""
    request = decode(packet(bytes([53, 1, 3, 255])))
    request.flags = 0
    assert encode_reply(request, dhcp.NAK, flags=dhcp.BROADCAST_FLAG)[10:12] == b"\x80\x00"
    assert encode_reply(request, dhcp.NAK)[10:12] == b"\x00\x00"


def test_a_reply_that_is_too_long_moves_into_file_and_sname():
    request = decode(packet(bytes([53, 1, 3, 255])))
    options = b"".join(bytes([code, 50]) + bytes([code]) * 50 for code in range(200, 208))
    assert not dhcp.fits(len(options), 548)
    reply = encode_reply(request, dhcp.ACK, yiaddr=7, options=options, max_size=548)
    assert len(reply) <= 548
    m = decode(reply)
    assert m.options == {53: b"\x05"} | {code: bytes([code]) * 50 for code in range(200, 208)}
    assert (m.op, m.xid, m.giaddr, m.yiaddr, m.chaddr) == (2, request.xid, request.giaddr, 7, MAC)


def test_fits_is_exact():
    request = decode(packet(bytes([53, 1, 3, 255])))
    for size in (304, 305):
        data = encode_reply(request, dhcp.ACK, options=bytes([200, size - 246]) + bytes(size - 246))
        assert len(data) == size
        assert dhcp.fits(size - 244, size) and not dhcp.fits(size - 243, size)


def test_a_long_option_is_split_at_255():
    """RFC 3396 section 5."""
    value = bytes(range(256)) * 2
    by_hand = b"\x7d\xff" + value[:255] + b"\x7d\xff" + value[255:510] + b"\x7d\x02" + value[510:]
    assert dhcp.pack_option(125, value) == by_hand
    data = encode(Message(chaddr=MAC, options={53: b"\x05", 125: value}))
    assert data[240:] == bytes([53, 1, 5]) + by_hand + b"\xff"


@pytest.mark.parametrize("size", [0, 1, 254, 255])
def test_an_option_up_to_255_is_not_split(size):
    assert dhcp.pack_option(43, bytes(size)) == bytes([43, size]) + bytes(size)


@pytest.mark.parametrize("code", [0, 255, 256, -1])
def test_pad_and_end_are_no_options(code):
    with pytest.raises(ValueError, match="allowed are 1 to 254"):
        dhcp.pack_option(code, b"")


def test_nothing_is_overloaded_or_split_that_fits():
    # 300 - 240 - END = 59 bytes: 53 takes 3, the other 56
    data = encode(Message(chaddr=MAC, options={53: b"\x05", 60: bytes(54)}), max_size=300)
    assert len(data) == 300
    assert data[240:245] == bytes([53, 1, 5, 60, 54]) and data[299] == 255


def test_one_byte_more_goes_whole_into_file():
    data = encode(Message(chaddr=MAC, options={53: b"\x05", 60: b"c" * 55}), max_size=300)
    assert data[240:247] == bytes([53, 1, 5, 52, 1, 1, 255])
    assert data[108:236] == (bytes([60, 55]) + b"c" * 55 + b"\xff").ljust(128, b"\0")
    assert data[44:108] == bytes(64)


def test_a_file_in_use_is_left_alone():
    data = encode(Message(chaddr=MAC, file=b"kernel", options={53: b"\x05", 60: b"c" * 55}), max_size=300)
    assert data[240:247] == bytes([53, 1, 5, 52, 1, 2, 255])
    assert data[44:108] == (bytes([60, 55]) + b"c" * 55 + b"\xff").ljust(64, b"\0")
    assert decode(data).file == b"kernel"


def test_only_what_finds_no_whole_place_is_split_over_the_fields():
    """RFC 3396 section 5: pieces in the order options, file, sname."""
    message = Message(chaddr=MAC, options={53: b"\x05", 60: bytes(range(200)), 12: b"host"})
    data = encode(message, max_size=300)
    # options: 53 (3), 12 (6), then 52 (3) and END of 60 leave 47: a piece of 45; file: 125 of 127; sname: the rest
    assert data[240:252] == bytes([53, 1, 5, 12, 4]) + b"host" + bytes([60, 45, 0])
    assert data[108:110] == bytes([60, 125]) and data[235] == 255
    assert data[44:46] == bytes([60, 30])
    assert decode(data).options == message.options


def test_an_option_without_value_is_never_lost():
    # 56 bytes after option 53 and option 52 leave 53; 127 and 63 in the fields: one byte is left in each
    full = {53: b"\x05", 60: bytes(50), 61: bytes(124), 62: bytes(60), 80: b""}
    with pytest.raises(ValueError, match="send fewer options"):
        encode(Message(chaddr=MAC, options=full), max_size=300)
    full[62] = bytes(59)
    assert decode(encode(Message(chaddr=MAC, options=full), max_size=300)).options == full


def test_relay_information_stays_in_the_options_field():
    """RFC 3046 section 2.2: it shall not be placed in an overloaded file or sname; it should be last."""
    message = Message(chaddr=MAC, options={53: b"\x05", 60: bytes(40), 82: bytes(30), 12: bytes(40)})
    data = encode(message, max_size=300)
    assert data[240:243] == bytes([53, 1, 5])
    assert data[243:279] == bytes([52, 1, 1, 82, 30]) + bytes(30) + b"\xff"
    assert decode(data).options == message.options
    with pytest.raises(ValueError, match="send fewer options"):
        encode(Message(chaddr=MAC, options={53: b"\x05", 82: bytes(60)}), max_size=300)


def test_what_cannot_fit_is_refused_with_a_reason():
    with pytest.raises(ValueError, match=r"304 bytes of options do not fit, .* send fewer options"):
        encode(Message(chaddr=MAC, options={53: b"\x05", 60: bytes(250), 61: bytes(47)}), max_size=300)
    with pytest.raises(ValueError, match="of BOOTP: send fewer options"):
        encode(Message(chaddr=MAC, options={60: bytes(58)}), max_size=300)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (Message(chaddr=bytes(17)), "at most 16"),
        (Message(sname=bytes(65)), "shorten"),
        (Message(file=bytes(129)), "shorten"),
        (Message(options={52: b"\x01"}), "remove it"),
        (Message(options={0: b""}), "1 to 254"),
        (Message(options={255: b""}), "1 to 254"),
    ],
)
def test_a_message_that_cannot_be_written_is_refused(message, why):
    with pytest.raises(ValueError, match=why):
        encode(message)


def test_messages_have_names_for_logs():
    assert dhcp.KIND_NAMES[dhcp.DISCOVER] == "DISCOVER" and dhcp.KIND_NAMES[dhcp.TLS] == "TLS"
    assert "DISCOVER" in repr(decode(VECTORS["DISCOVER udhcpc"]))
    assert repr(Message(options={53: b"\xc8"})).startswith("<200 ")
