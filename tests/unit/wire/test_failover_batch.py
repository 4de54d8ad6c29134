"""UpdateBatch: filling a BNDUPD to the brim."""

from __future__ import annotations

import pytest

from tandem.wire.failover import BindingUpdate, Update, UpdateBatch, decode, encode


def active(i, size=0):
    options = b"\x52" + bytes([size]) + bytes(size) if size else b""
    return Update(0x0A000000 + i, 2, 0, b"", b"\1abcdef", 1, 2, 3, 4, None, options)


@pytest.mark.parametrize("secret", [b"", b"secret"])
def test_it_says_the_same_as_encode(secret):
    updates = [active(i, i) for i in range(10)]
    batch = UpdateBatch(secret)
    assert [batch.add(u) for u in updates] == [True] * 10
    assert len(batch) == 10
    assert batch.encode(7, 1000) == encode(BindingUpdate(updates), 7, 1000, secret)


@pytest.mark.parametrize("secret", [b"", b"secret"])
@pytest.mark.parametrize("ranged", [False, True])
def test_it_takes_updates_until_the_message_is_full(secret, ranged):
    sent, frames, batch = [], [], UpdateBatch(secret)
    for i in range(500):
        update = active(i, i % 50)
        if ranged and i % 7 == 3:
            update.last_address = update.address + 1
        sent.append(update)
        if not batch.add(update):
            frames.append(batch.encode(1, 1))
            with pytest.raises(ValueError, match="more than 2048"):
                encode(BindingUpdate([*decode(frames[-1], secret).message.updates, update]), 1, 1, secret)
            batch = UpdateBatch(secret)
            assert batch.add(update)
    frames.append(batch.encode(1, 1))
    assert len(frames) > 10
    assert [u for frame in frames for u in decode(frame, secret).message.updates] == sent


def test_one_that_fits_no_message_goes_without_the_dhcp_options():
    big = active(1)
    big.request_options = bytes(1980)
    big.reply_options = b"\x3a\4abcd"
    batch = UpdateBatch()
    assert batch.add(active(0))
    assert not batch.add(big)
    batch = UpdateBatch()
    assert batch.add(big)
    assert decode(batch.encode(1, 1)).message == BindingUpdate([active(1)])
    assert big.request_options == bytes(1980)


def test_the_largest_that_fits_keeps_its_options():
    just = active(1)
    just.request_options = bytes(2048 - 12 - 13 - 11 - 32 - 8)
    batch = UpdateBatch()
    assert batch.add(just)
    frame = batch.encode(1, 1)
    assert len(frame) == 2048
    assert decode(frame).message == BindingUpdate([just])
    with_digest = UpdateBatch(b"secret")
    assert with_digest.add(just)
    assert decode(with_digest.encode(1, 1), b"secret").message == BindingUpdate([active(1)])


def test_what_can_never_be_sent_is_refused():
    for bad in (Update(1, 2, client_id=bytes(2030)), Update(1, 2, client_id=bytes(70000)), Update(1, 300)):
        with pytest.raises(ValueError, match="fit"):
            UpdateBatch().add(bad)
    with pytest.raises(ValueError, match="at least one update"):
        UpdateBatch().encode(1, 1)
