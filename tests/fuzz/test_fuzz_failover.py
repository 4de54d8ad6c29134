"""The failover codec under arbitrary values and arbitrary bytes: it round-trips, or refuses in its two ways."""

from __future__ import annotations

from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from tandem.base.errors import ProtocolError, WireError
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
    PoolRequest,
    PoolResponse,
    State,
    Update,
    UpdateBatch,
    UpdateDone,
    UpdateRequest,
    UpdateRequestAll,
    decode,
    encode,
)

VECTORS = [
    bytes.fromhex(line.rsplit("\t", 1)[1])
    for line in (Path(__file__).parents[1] / "data" / "failover-vectors.txt").read_text().splitlines()
]


u8 = st.integers(0, 255)
u16 = st.integers(0, 65535)
u32 = st.integers(0, 0xFFFFFFFF)
short = st.binary(max_size=30)
texts = st.text(max_size=20)
secrets = st.sampled_from([b"", b"s", b"a longer secret " * 9])


@st.composite
def updates(draw):
    address = draw(u32)
    return Update(
        address, draw(u8), draw(u16), draw(short), draw(short),
        draw(st.none() | u32), draw(st.none() | u32), draw(st.none() | u32), draw(st.none() | u32),
        draw(st.none() | st.tuples(u16, short)), draw(short), draw(short),
        draw(st.none() | st.integers(address, 0xFFFFFFFF)),
    )  # fmt: skip


@st.composite
def answers(draw):
    reject = draw(st.none() | u8)
    return Answer(draw(u32), reject, "" if reject is None else draw(texts))


@st.composite
def greetings(draw):
    """vendor class and sub-options that may go together."""
    vendor = draw(st.dictionaries(u16, short, max_size=3))
    return (VENDOR_CLASS if vendor else draw(st.sampled_from([b"", VENDOR_CLASS, b"acme"]))), vendor


@st.composite
def connects(draw):
    vendor_class, vendor = draw(greetings())
    return Connect(
        draw(short), draw(u32), draw(u32), vendor_class, draw(u8), draw(st.none() | u8), draw(u32),
        draw(st.binary(min_size=32, max_size=32)), draw(st.none() | u8), vendor,
    )  # fmt: skip


@st.composite
def connect_acks(draw):
    vendor_class, vendor = draw(greetings())
    return ConnectAck(
        draw(short), draw(st.none() | u32), draw(st.none() | u32), vendor_class, draw(st.none() | u8),
        draw(st.none() | u8), draw(st.none() | u8), draw(texts), vendor,
    )  # fmt: skip


messages = st.one_of(
    st.builds(BindingUpdate, st.lists(updates(), min_size=1, max_size=8)),
    st.builds(BindingAck, st.lists(answers(), min_size=1, max_size=12)),
    connects(),
    connect_acks(),
    st.builds(State, u8, st.booleans(), u32),
    st.builds(PoolResponse, u32),
    st.builds(Disconnect, u8, texts),
    st.sampled_from([PoolRequest(), UpdateRequest(), UpdateRequestAll(), UpdateDone(), Contact()]),
)


@st.composite
def plausible(draw):
    """A well-formed header over options of likely codes and lengths: gets deeper than random bytes."""
    code = st.integers(0, 30) | st.just(2) | u16
    lengths = st.sampled_from([0, 1, 2, 4, 8, 17, 32]) | st.integers(0, 40)
    payload = b""
    for _ in range(draw(st.integers(0, 12))):
        size = draw(lengths)
        payload += draw(code).to_bytes(2, "big") + size.to_bytes(2, "big")
        payload += draw(st.binary(min_size=size, max_size=size))
    payload = payload[: len(payload) - draw(st.sampled_from([0, 0, 0, 1, 3]))]
    kind = draw(st.integers(0, 13) | u8)
    size = 12 + len(payload)
    return size.to_bytes(2, "big") + bytes([kind, draw(st.sampled_from([12, 12, 12, 16, 8]))]) + bytes(8) + payload


@st.composite
def mutated(draw):
    """A captured message with a few bytes changed; its length is put right again, or not."""
    data = bytearray(draw(st.sampled_from(VECTORS)))
    for _ in range(draw(st.integers(1, 4))):
        i = draw(st.integers(0, len(data) - 1))
        how = draw(st.integers(0, 3))
        if how == 0:
            data[i] = draw(u8)
        elif how == 1 and len(data) > 1:
            del data[i]
        elif how == 2:
            data[i:i] = draw(st.binary(max_size=4))
        else:
            data[i:i] = data[i : i + draw(st.integers(1, 20))]
    if draw(st.booleans()):
        data[:2] = len(data).to_bytes(2, "big")
    return bytes(data)


@given(messages, u32, u32, secrets)
def test_a_message_comes_back_as_it_was(message, xid, time, secret):
    frame = encode(message, xid, time, secret)
    assert decode(frame, secret) == Frame(frame[2], time, xid, message)
    assert Framer().feed(frame) == [frame]


@given(st.lists(updates(), min_size=1, max_size=60), secrets)
def test_batches_carry_every_update_once(given_updates, secret):
    received = []
    batch = UpdateBatch(secret)
    for update in given_updates:
        if not batch.add(update):
            assert len(batch) > 0
            received += decode(batch.encode(1, 1), secret).message.updates
            batch = UpdateBatch(secret)
            assert batch.add(update)
    received += decode(batch.encode(1, 1), secret).message.updates
    assert received == given_updates


@given(st.one_of(plausible(), mutated(), st.binary(max_size=100)), secrets)
@example(b"", b"")
def test_any_bytes_are_read_or_refused(data, secret):
    try:
        frame = decode(data, secret)
    except WireError as error:
        assert 0 <= error.offset <= len(data)
        assert error.why
    except ProtocolError as error:
        assert error.reject in (12, 13, 20, 21)
    else:
        assert frame.type == data[2]


@given(st.one_of(plausible(), mutated()))
def test_what_was_read_can_be_sent_again_and_means_the_same(data):
    try:
        frame = decode(data)
    except (WireError, ProtocolError):
        return
    if frame.type > 12 or (isinstance(frame.message, Connect) and not frame.message.hash_buckets):
        return
    if isinstance(frame.message, BindingAck):
        for answer in frame.message.answers:
            if answer.reject is None:
                answer.text = ""  # a text without a reason is read, and never sent
    again = encode(frame.message, frame.xid, frame.time)
    assert decode(again) == frame


@given(st.lists(messages, max_size=5), st.lists(st.integers(1, 400), min_size=1, max_size=20), secrets)
def test_a_stream_in_any_slicing_gives_its_messages(given_messages, sizes, secret):
    frames = [encode(m, i, 1, secret) for i, m in enumerate(given_messages)]
    stream, framer, out, i = b"".join(frames), Framer(), [], 0
    while stream:
        piece, stream = stream[: sizes[i % len(sizes)]], stream[sizes[i % len(sizes)] :]
        out += framer.feed(piece)
        i += 1
    assert out == frames


@given(st.lists(st.one_of(st.binary(max_size=300), st.sampled_from(VECTORS), plausible()), max_size=10))
def test_a_stream_of_anything_is_cut_or_refused(pieces):
    framer, out = Framer(), []
    try:
        for piece in pieces:
            out += framer.feed(piece)
    except WireError:
        return
    left = len(b"".join(pieces)) - len(b"".join(out))
    assert b"".join(pieces).startswith(b"".join(out))
    assert 0 <= left < 2048
    assert all(12 <= len(frame) <= 2048 for frame in out)
