"""Packets built by hand, read by scapy, which checks lengths and checksums."""

from __future__ import annotations

import random

import pytest
from scapy.layers.inet import IP, UDP

from tandem.base.ipv4 import parse_ipv4
from tandem.runtime.frames import packet


@pytest.mark.parametrize("length", [0, 1, 2, 300, 301, 548, 1400])
def test_another_reader_finds_the_fields_and_agrees_with_the_checksums(length: int) -> None:
    data = random.Random(length).randbytes(length)
    raw = packet(parse_ipv4("192.168.50.1"), 67, parse_ipv4("192.168.50.77"), 68, data)
    ip = IP(raw)
    assert (ip.src, ip.dst, ip.len, ip.ttl, ip.proto) == ("192.168.50.1", "192.168.50.77", 28 + length, 64, 17)
    assert (ip[UDP].sport, ip[UDP].dport, ip[UDP].len, bytes(ip[UDP].payload)) == (67, 68, 8 + length, data)
    again = IP(raw)
    del again.chksum, again[UDP].chksum
    assert bytes(again) == raw


@pytest.mark.parametrize("word", range(0, 65536, 257))
def test_the_udp_checksum_is_never_zero_which_would_mean_none(word: int) -> None:
    raw = packet(0xC0A80001, 67, 0xC0A80002, 68, word.to_bytes(2, "big"))
    assert raw[26:28] != b"\0\0"
    again = IP(raw)
    del again[UDP].chksum
    assert bytes(again) == raw
