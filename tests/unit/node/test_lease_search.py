"""Leases: searched a page at a time, kept from clients, and back."""

from __future__ import annotations

import time
from heapq import nlargest, nsmallest
from typing import Any

import pytest

from tandem.base.errors import CommandError
from tandem.base.io import Datagram, Effect, Interface, Reply
from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.config.compile import compile_config
from tandem.lease.addresses import Addresses
from tandem.lease.binding import ACTIVE, COLUMNS, DEACTIVATED_FLAG, FREE
from tandem.node import lease_search
from tandem.node.lease_search import LOOKED_AT_MAX, PAGE_MAX, Rank, search
from tandem.node.node import Node
from tandem.wire import dhcp

NOW = 1_800_000_000
ME = parse_ipv4("10.0.0.2")
LAN = Interface("lan", 1, ME)


def make(rows: list[tuple[object, ...]], last: str = "10.0.0.13") -> Node:
    document: dict[str, Any] = {
        "scope": {
            "a": {"addr": "10.0.0.0", "mask": "255.240.0.0", "ranges": [["10.0.0.10", last]]},
            "b": {"addr": "192.168.50.0", "mask": "255.255.255.0", "ranges": [["192.168.50.10", "192.168.50.20"]]},
        }
    }
    config, problems = compile_config(document, ME)
    assert config is not None, problems
    return Node(config, rows, [], {}, NOW)


def row(address: int, number: int, **more: object) -> tuple[object, ...]:
    name = b"host-%d" % number
    values: dict[str, object] = dict.fromkeys(COLUMNS, 0) | {
        "address": address, "status": ACTIVE, "hardware": b"\x01\x02\x00" + number.to_bytes(4, "big"), "client_id": b"",
        "expires": NOW + 3600, "start_of_state": NOW, "last_transaction": NOW, "up_to_date": 1, "granted_by": 1,
        "options": bytes((12, len(name))) + name, "reply_options": b"", "ddns": b"",
    } | more  # fmt: skip
    return tuple(values[column] for column in COLUMNS)


@pytest.fixture
def node() -> Node:
    first, second = parse_ipv4("10.0.0.10"), parse_ipv4("192.168.50.10")
    rows = [row(first + n, n) for n in range(3)]
    rows += [row(second, 7, client_id=b"\x01\x02\x03"), row(second + 1, 8, expires=NOW - 10)]
    rows.append(row(second + 2, 9, status=FREE))
    return make(rows)


def found(node: Node, after: int = -1, limit: int = PAGE_MAX, **wanted: str) -> list[str]:
    named = {key.replace("_", "-").removesuffix("-"): text for key, text in wanted.items()}
    page = search(node, named, after, limit, NOW)
    assert page.after is None
    return [str(lease["address"]).removeprefix("192.168.") for lease in page.leases]


@pytest.mark.parametrize(
    ("wanted", "addresses"),
    [
        ({}, ["10.0.0.10", "10.0.0.11", "10.0.0.12", "50.10", "50.11", "50.12"]),
        ({"scope": "b"}, ["50.10", "50.11", "50.12"]),
        ({"from_": "10.0.0.12", "to": "192.168.50.10"}, ["10.0.0.12", "50.10"]),
        ({"mac": "02:00:00:00:00:01"}, ["10.0.0.11"]),
        ({"mac": "02:00:00:00:00:*", "scope": "b"}, ["50.10", "50.11", "50.12"]),
        ({"client_id": "01:02:03"}, ["50.10"]), ({"client_id": "id:01:*"}, ["50.10"]), ({"client_id": "01:02"}, []),
        ({"host": "HOST-1"}, ["10.0.0.11"]), ({"host": "*-[78]"}, ["50.10", "50.11"]), ({"host": "host"}, []),
        ({"state": "expired"}, ["50.11"]), ({"state": "available"}, ["50.12"]),
        ({"state": "leased", "scope": "a"}, ["10.0.0.10", "10.0.0.11", "10.0.0.12"]),
        ({"flag": "deactivated"}, []),
    ],
)  # fmt: skip
def test_leases_are_searched(node: Node, wanted: dict[str, str], addresses: list[str]) -> None:
    assert found(node, **wanted) == addresses


@pytest.mark.parametrize(
    ("wanted", "status"),
    [({"scope": "c"}, 302), ({"from": "x"}, 316), ({"mac": "zz"}, 316), ({"mac": "0*"}, 316), ({"client-id": "x"}, 316),
     ({"state": "idle"}, 316), ({"color": "red"}, 308)],
)  # fmt: skip
def test_what_cannot_be_searched_is_refused(node: Node, wanted: dict[str, str], status: int) -> None:
    with pytest.raises(CommandError) as refusal:
        search(node, wanted, -1, 10, NOW)
    assert refusal.value.status == status


def test_pages_follow_each_other(node: Node) -> None:
    seen, after = [], -1
    while True:
        page = search(node, {}, after, 2, NOW)
        seen += [lease["address"] for lease in page.leases]
        assert len(page.leases) <= 2
        if page.after is None:
            break
        after = page.after
    assert len(seen) == len(set(seen)) == 6 and seen == sorted(seen, key=lambda text: parse_ipv4(str(text)))


@pytest.mark.parametrize(
    ("order", "last_parts"),
    [
        ("address", [10, 11, 12, 110, 111, 112]), ("-address", [112, 111, 110, 12, 11, 10]),
        ("state", [10, 11, 12, 110, 111, 112]), ("client", [10, 11, 12, 110, 111, 112]),
        ("-host", [112, 111, 110, 12, 11, 10]), ("expiration", [111, 10, 11, 12, 110, 112]),
    ],
)  # fmt: skip
def test_each_question_yields_the_first_in_an_order_of_those_that_it_looked_at(
    node: Node, monkeypatch: pytest.MonkeyPatch, order: str, last_parts: list[int]
) -> None:
    monkeypatch.setattr(lease_search, "RANKED_MAX", 4)
    addresses = [parse_ipv4("10.0.0.0") + n if n < 100 else parse_ipv4("192.168.50.0") + n - 100 for n in last_parts]
    first = nlargest if order.startswith("-") else nsmallest
    ranks: list[Rank] = []
    while True:  # pages of two, each of two questions
        found: list[Rank] = []
        after: int | None = -1
        while after is not None:
            page = search(node, {}, after, 2, NOW, order, ranks[-1] if ranks else None)
            assert [lease["address"] for lease in page.leases] == [format_ipv4(address) for _, address in page.ranks]
            found += page.ranks
            after = page.after
        if not found:
            break
        ranks += first(2, found)
    assert [address for _, address in ranks] == addresses


def test_an_order_that_is_none_is_refused(node: Node) -> None:
    for order, beyond in (("colour", None), ("host", (7, 8)), ("state", ("leased", 8))):
        with pytest.raises(CommandError) as refusal:
            search(node, {}, -1, 2, NOW, order, beyond)
        assert refusal.value.status == 316


def test_no_question_takes_long_among_many_leases() -> None:
    count = 100_000
    first = parse_ipv4("10.0.0.10")
    node = make([row(first + n, n) for n in range(count)], "10.15.255.200")
    questions, after = 0, -1
    longest = 0.0
    while after is not None:
        start = time.process_time()
        page = search(node, {"host": "nobody"}, after, 100, NOW)
        longest = max(longest, time.process_time() - start)
        assert not page.leases
        after, questions = page.after, questions + 1  # type: ignore[assignment]
    assert questions == count // LOOKED_AT_MAX and longest < 0.5
    assert len(search(node, {}, first + count // 2, 100, NOW).leases) == 100


def test_addresses_in_order_whatever_the_order_they_came_in() -> None:
    addresses = Addresses()
    for address in (700, 5, 255, 256, 1, 100_000, 257):
        addresses.add(address)
    assert list(addresses.starting(0)) == [1, 5, 255, 256, 257, 700, 100_000]
    assert list(addresses.starting(256)) == [256, 257, 700, 100_000]
    assert list(addresses.starting(100_001)) == []


# --- deactivated ------------------------------------------------------------------------------------------


def say(node: Node, number: int, kind: int, ciaddr: int = 0, **options: bytes) -> dhcp.Message | None:
    known = {"requested": 50, "server": 54}
    message = dhcp.Message(
        op=1, htype=1, xid=1, chaddr=b"\x02\x00" + number.to_bytes(4, "big"), ciaddr=ciaddr,
        options={53: bytes((kind,)), **{known[name]: value for name, value in options.items()}},
    )  # fmt: skip
    out: list[Effect] = []
    node.handle(NOW, Datagram(dhcp.encode(message), ciaddr, 68, LAN), out)
    replies = [effect for effect in out if isinstance(effect, Reply)]
    return dhcp.decode(replies[0].data) if replies else None


def test_a_deactivated_address_is_given_to_nobody_and_its_lease_not_renewed(node: Node) -> None:
    out: list[Effect] = []
    held, never_used = parse_ipv4("10.0.0.12"), parse_ipv4("10.0.0.13")
    for address in (held, never_used):
        node.set_deactivated(NOW, address, True, out)
    assert found(node, flag="deactivated") == ["10.0.0.12", "10.0.0.13"]
    assert say(node, 50, dhcp.DISCOVER) is None  # no other address is left
    refused = say(node, 2, dhcp.REQUEST, ciaddr=held)
    assert refused is not None and refused.kind == dhcp.NAK
    assert say(node, 2, dhcp.DISCOVER) is None
    node.reload(NOW, node.config, out)
    assert say(node, 50, dhcp.DISCOVER) is None
    again = make([b.row() for b in node.book.by_address.values()])  # after a restart
    assert found(again, flag="deactivated") == ["10.0.0.12", "10.0.0.13"] and say(again, 50, dhcp.DISCOVER) is None
    for one in (node, again):
        one.set_deactivated(NOW, never_used, False, out)
        one.set_deactivated(NOW, held, False, out)
        offer = say(one, 50, dhcp.DISCOVER)
        assert offer is not None and offer.yiaddr == never_used
        extended = say(one, 2, dhcp.REQUEST, ciaddr=held)
        assert extended is not None and extended.kind == dhcp.ACK
    with pytest.raises(CommandError, match="is no address of the running server's scopes"):
        node.set_deactivated(NOW, parse_ipv4("10.0.0.99"), True, out)


def test_counts_stay_right_through_deactivation(node: Node) -> None:
    out: list[Effect] = []
    pool = node.book.pools[0]
    before = pool.main.size
    free = parse_ipv4("10.0.0.13")
    assert say(node, 50, dhcp.DISCOVER) is not None  # offered: set aside
    node.set_deactivated(NOW, free, True, out)
    assert pool.main.size == before - 1
    node.set_deactivated(NOW, free, True, out)
    node.set_deactivated(NOW, free, False, out)
    assert pool.main.size == before
    node.force_available(NOW, parse_ipv4("10.0.0.12"), out)
    node.set_deactivated(NOW, parse_ipv4("10.0.0.12"), True, out)
    assert pool.main.size == before
    node.set_deactivated(NOW, parse_ipv4("10.0.0.12"), False, out)
    assert pool.main.size == before + 1
    assert not node.book.by_address[free].flags & DEACTIVATED_FLAG and format_ipv4(free)
