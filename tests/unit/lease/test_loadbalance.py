"""RFC 3074: the hash, against which server of an ISC dhcpd pair (split 128) answered; sets of buckets."""

from __future__ import annotations

import pytest

from tandem.lease.loadbalance import ALL_BUCKETS, bucket, from_wire, lowest_buckets, to_wire


@pytest.mark.parametrize(
    ("client_id", "chaddr", "expected"),
    [
        ("", "02005e000001", 94),
        ("", "02005e000002", 214),
        ("", "02005e000003", 162),
        ("", "02005e000004", 205),
        ("", "02005e000005", 105),
        ("", "02005e000006", 224),
        ("01020000000007", "020000000007", 172),
        ("ff000102", "02005e000008", 208),
        (b"iop-client".hex(), "923ab4459900", 36),
    ],
)
def test_bucket(client_id: str, chaddr: str, expected: int) -> None:
    assert bucket(bytes.fromhex(client_id), b"\x01" + bytes.fromhex(chaddr)) == expected


def test_buckets_are_used_evenly() -> None:
    count = [0] * 256
    for number in range(25600):
        count[bucket(b"", b"\x01\x02\0\0" + number.to_bytes(3, "big"))] += 1
    assert min(count) > 50 and max(count) < 200


def test_sets_of_buckets() -> None:
    assert lowest_buckets(0) == 0
    assert lowest_buckets(100) == ALL_BUCKETS
    assert lowest_buckets(50).bit_count() == 128
    assert to_wire(lowest_buckets(50)) == b"\xff" * 16 + bytes(16)  # as ISC dhcpd writes split 128
    assert to_wire(ALL_BUCKETS >> 1) == b"\xff" * 31 + b"\x7f"  # split 255
    assert from_wire(to_wire(1 << 94)) >> 94 & 1
