"""DHCPv4 messages and option values under arbitrary values and bytes: they round-trip, or refuse in one way."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from tandem.base.errors import WireError
from tandem.wire import dhcp
from tandem.wire.dhcp import Message, decode, encode, encode_reply
from tandem.wire.option_values import format_hex
from tandem.wire.options import all_options, decode_value, encode_value, find_option

VECTORS = [
    bytes.fromhex(line.rsplit("\t", 1)[1])
    for line in (Path(__file__).parents[1] / "data" / "dhcp-vectors.txt").read_text().splitlines()
]
COOKIE = b"\x63\x82\x53\x63"
FIXED = {50: 4, 51: 4, 53: 1, 54: 4, 57: 2, 58: 4, 59: 4, 118: 4}


u8 = st.integers(0, 255)
u16 = st.integers(0, 65535)
u32 = st.integers(0, 0xFFFFFFFF)
codes = st.integers(1, 254).filter(lambda code: code != 52)
values = st.binary(max_size=40) | st.binary(min_size=200, max_size=600)


def fields(size: int) -> st.SearchStrategy[bytes]:
    """Contents of sname or file: often empty, never ending in NUL."""
    return st.just(b"") | st.binary(max_size=size).map(lambda data: data.rstrip(b"\0"))


@st.composite
def messages(draw, bootp: bool = True) -> Message:
    options = draw(st.dictionaries(codes, values, max_size=12))
    for code, size in FIXED.items():
        if code in options:
            options[code] = options[code][:size].ljust(size, b"\x01")
    if not bootp:
        options[53] = bytes([draw(st.integers(1, 18))])
    return Message(
        op=draw(st.integers(1, 2)), htype=draw(u8), hops=draw(u8), xid=draw(u32), secs=draw(u16), flags=draw(u16),
        ciaddr=draw(u32), yiaddr=draw(u32), siaddr=draw(u32), giaddr=draw(u32), chaddr=draw(st.binary(max_size=16)),
        sname=draw(fields(64)), file=draw(fields(128)), options=options,
    )  # fmt: skip


@given(messages())
def test_a_message_round_trips(message):
    data = encode(message, max_size=65507)
    assert decode(data) == message
    assert len(data) >= 300
    if 53 in message.options:
        assert data[240] == 53


@given(messages(bootp=False), st.integers(200, 1500))
def test_a_message_round_trips_in_little_space(message, max_size):
    """With overload and split options; what is refused would really not have fitted."""
    try:
        data = encode(message, max_size=max_size)
    except ValueError:
        total = sum(len(dhcp.pack_option(code, value)) for code, value in message.options.items())
        space = max(max_size, 300) - 244 + (0 if message.file else 127) + (0 if message.sname else 63)
        info = len(dhcp.pack_option(82, message.options[82])) if 82 in message.options else 0
        # each field may end in too little for a piece; 53, 52 and 82 must be in the options field
        assert total > space - 3 * 4 or info > max(max_size, 300) - 241 - 3 - 3
        return
    assert len(data) <= max(max_size, 300)
    assert decode(data) == message


@given(messages(), st.integers(0, 18), u32, u32, u32, fields(64), fields(128), st.dictionaries(codes, values))
def test_a_reply_says_what_it_was_given(request, kind, yiaddr, siaddr, ciaddr, sname, file, options):
    for code in FIXED:
        options.pop(code, None)
    packed = b"".join(dhcp.pack_option(code, value) for code, value in options.items())
    data = encode_reply(
        request, kind, yiaddr=yiaddr, siaddr=siaddr, ciaddr=ciaddr, sname=sname, file=file, options=packed,
        max_size=65507,
    )  # fmt: skip
    reply = decode(data)
    assert reply == Message(
        op=2, htype=request.htype, xid=request.xid, flags=request.flags, giaddr=request.giaddr, chaddr=request.chaddr,
        yiaddr=yiaddr, siaddr=siaddr, ciaddr=ciaddr, sname=sname, file=file,
        options={53: bytes([kind])} | options if kind else options,
    )  # fmt: skip
    assert data == encode(reply, max_size=65507)


def refuses_or_round_trips(data: bytes) -> None:
    """The only two ends of decoding."""
    try:
        message = decode(data)
    except WireError:
        return
    assert len(message.chaddr) == message.hlen <= 16
    assert not message.options.keys() & {0, 52, 255}
    assert all(len(message.options[code]) == size for code, size in FIXED.items() if code in message.options)
    assert decode(encode(message, max_size=65507)) == message


@given(st.binary(max_size=400))
def test_any_bytes_decode_or_are_refused(data):
    refuses_or_round_trips(data)


@given(st.integers(1, 2), st.integers(0, 17), st.binary(min_size=192, max_size=192), st.binary(max_size=700))
@example(1, 6, bytes(192), b"\x34\x01\x03\xff")
@example(1, 6, b"\xff" * 192, b"\x34\x01\x03\xff")
def test_any_option_areas_decode_or_are_refused(op, hlen, names, options):
    refuses_or_round_trips(bytes([op, 1, hlen]) + bytes(41) + names + COOKIE + options)
    refuses_or_round_trips(bytes([op, 1, hlen]) + bytes(41) + names + COOKIE + b"\x34\x01\x03" + options)


@given(st.sampled_from(VECTORS), st.lists(st.tuples(u16, u8), max_size=8), u16, st.binary(max_size=20))
def test_damaged_packets_decode_or_are_refused(vector, changes, cut, tail):
    data = bytearray(vector)
    for at, value in changes:
        data[at % len(data)] = value
    refuses_or_round_trips(bytes(data[: cut % len(data) + 1]) + tail)
    refuses_or_round_trips(bytes(data) + tail)


@given(st.binary(max_size=300))
def test_any_list_of_options_or_suboptions_decodes_or_is_refused(data):
    for read in (dhcp.unpack_options, dhcp.relay_suboptions):
        with suppress(WireError):
            assert sum(map(len, read(data).values())) <= len(data)


OPTIONS = list(all_options())
texts = st.text(max_size=60) | st.text("0123456789.:;,=-/ abcdefx", max_size=60)


@given(st.sampled_from(OPTIONS), texts)
@example(find_option("classless-static-route"), "-")
def test_any_text_is_a_value_or_is_refused(option, text):
    try:
        data = encode_value(option, text)
    except ValueError as error:
        assert str(error).startswith(f"option {option.name} ({option.code}) cannot be ")
        return
    assert encode_value(option, decode_value(option, data)) == data


names = st.lists(st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True), min_size=1, max_size=5).map(".".join)


@given(st.lists(names, min_size=1, max_size=30))
def test_search_lists_round_trip(domains):
    for option in ("domain-search", "bcmcs-servers-d"):
        assert decode_value(option, encode_value(option, " ".join(domains))) == ",".join(domains)


@given(st.sampled_from(OPTIONS), st.binary(max_size=80) | st.text("abc.,= ", max_size=20).map(str.encode))
def test_any_bytes_can_be_shown(option, data):
    text = decode_value(option, data)
    assert text == format_hex(data) or text.isprintable()
    if text != format_hex(data) and option.kind != "mask" and not option.lowest and not option.among:
        assert decode_value(option, encode_value(option, text)) == text
