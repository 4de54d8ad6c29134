"""Searching the leases, a page at a time: a question never looks at more than twenty thousand of them.

Reads a node; changes nothing. Whoever asks again with what the last page ended at sees all; leases that come
meanwhile below that are not seen. In an order other than that of addresses, each question yields the first of those
that it looked at, and whoever asks puts them together. Source: SYSTEM S7.2.
"""

from __future__ import annotations

import heapq
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import translate
from itertools import islice

from tandem.base.errors import CommandError
from tandem.base.ipv4 import parse_hardware, parse_ipv4
from tandem.lease.binding import ACTIVE, BACKUP, FREE, Binding
from tandem.node.node import Node
from tandem.node.views import host_name, lease_flags, lease_state, lease_view

LOOKED_AT_MAX = 20_000
"""How many leases one question looks at: ten milliseconds or less, in which no client is answered."""
RANKED_MAX = 5_000
"""The same, where leases are to be put in an order: that takes four times the time."""
PAGE_MAX = 1000
STATES = (
    "leased", "expired", "unavailable", "pending-available", "available", "other-available",
)  # fmt: skip
"""Words for the state of a lease, by which leases can be searched."""


Rank = tuple[int | str, int]
"""Where a lease stands in an order: what it is ordered by, and its address. In one order all are of one type."""
RANKED_BY = ("address", "state", "client", "host", "expiration")
"""What leases can be ordered by; with - before it, from the last to the first."""
_NONE = "\x7f"
"""Ranks behind every text: leases without a client, or without a host name, come last."""
_NO_END = 1 << 33
"""Ranks behind every expiration."""


@dataclass(slots=True)
class Page:
    """Part of the answer."""

    leases: list[dict[str, object]]
    after: int | None
    """Where to go on: leases with higher addresses have not been looked at. None = this was the last page."""
    ranks: list[Rank]
    """Of the leases, when an order was asked for."""


def search(
    node: Node, wanted: Mapping[str, str], after: int, limit: int, now: float, order: str = "",
    beyond: Rank | None = None,
) -> Page:  # fmt: skip
    """Return up to ``limit`` (at most PAGE_MAX) leases with addresses above ``after`` that are as ``wanted`` says.

    Keys of ``wanted``: scope, from, to (addresses), mac, client-id (all of it, or its beginning and *), host (a
    name in which * stands for anything), state, flag. Addresses that never had a client are not listed, unless an
    operator did something with them. The page may be short and not the last. ``order``: "" by address; else one of
    RANKED_BY: of the leases that were looked at those that come first behind ``beyond``. Raises CommandError 302, 316.
    """
    lowest, highest, tests = _tests(node, wanted, now)
    by_address, most = node.book.by_address, RANKED_MAX if order else LOOKED_AT_MAX
    addresses = list(islice(node.book.addresses.starting(max(lowest, after + 1)), most + 1))
    below = bisect_right(addresses, highest)
    last = addresses[most - 1] if below > most else None
    below = min(below, most)
    fitting: Iterable[Binding] = map(by_address.__getitem__, addresses[:below])
    for test in [*tests, _is_of_use]:
        fitting = filter(test, fitting)
    found = list(fitting if order else islice(fitting, limit))
    if not order and len(found) == limit and (last is not None or found[-1].address != addresses[below - 1]):
        last = found[-1].address
    ranks: list[Rank] = []
    if order:
        ranks = _first(node, found, limit, order, beyond, now)
        found = [by_address[address] for _, address in ranks]
    return Page([lease_view(node, binding, now) for binding in found], last, ranks)


def _is_of_use(binding: Binding) -> bool:
    return bool(binding.hardware or binding.client_id or binding.flags or binding.status not in (FREE, BACKUP))


def _first(
    node: Node, found: list[Binding], limit: int, order: str, beyond: Rank | None, now: float
) -> list[Rank]:  # fmt: skip
    """Return the ranks of the ``limit`` leases that come first in an order behind ``beyond``. Raises CommandError."""
    down = order.startswith("-")
    rank = _ranks(node, order.removeprefix("-"), now)
    ranks = [(rank(binding), binding.address) for binding in found]
    try:
        if beyond is not None:
            ranks = [one for one in ranks if (one < beyond if down else one > beyond)]
    except TypeError:
        raise CommandError(316, f"beyond: {beyond!r} is not where a page in the order of {order} ended") from None
    return heapq.nlargest(limit, ranks) if down else heapq.nsmallest(limit, ranks)


def _ranks(node: Node, order: str, now: float) -> Callable[[Binding], int | str]:
    match order:
        case "address":
            return lambda binding: binding.address
        case "state":
            return lambda binding: STATES.index(_word(node, binding, now))
        case "client":
            return lambda binding: binding.hardware.hex() or binding.client_id.hex() or _NONE
        case "host":
            return lambda binding: host_name(binding.options).lower() or _NONE
        case "expiration":
            return lambda binding: binding.expires if binding.status == ACTIVE else _NO_END
        case _:
            raise CommandError(316, f"sort: {order!r} is not one of {', '.join(RANKED_BY)}")


def _word(node: Node, binding: Binding, now: float) -> str:
    return lease_state(node, binding, node.endpoint_at(binding.address), now)


def _tests(node: Node, wanted: Mapping[str, str], now: float) -> tuple[int, int, list[Callable[[Binding], bool]]]:
    """Return the lowest and the highest address to look at, and what a lease there must pass."""
    lowest, highest = 0, 0xFFFFFFFF
    tests: list[Callable[[Binding], bool]] = []
    for key, text in wanted.items():
        match key:
            case "scope":
                scope = next((scope for scope in node.config.scopes if scope.name == text), None)
                if scope is None:
                    raise CommandError(302, f"scope {text} is not in the running configuration; reload the server?")
                lowest, highest = max(lowest, scope.subnet), min(highest, scope.subnet | scope.mask ^ 0xFFFFFFFF)
            case "from" | "to":
                try:
                    address = parse_ipv4(text)
                except ValueError as error:
                    raise CommandError(316, f"{key}: {error}") from None
                lowest, highest = (max(lowest, address), highest) if key == "from" else (lowest, min(highest, address))
            case "mac":
                tests.append(_hardware(text))
            case "client-id":
                tests.append(_client_id(text))
            case "host":
                tests.append(_host(text))
            case "state":
                tests.append(_state(node, text, now))
            case "flag":
                tests.append(_flag(node, text))
            case _:
                raise CommandError(308, f"leases cannot be searched by {key!r}")
    return lowest, highest, tests


def _host(text: str) -> Callable[[Binding], bool]:
    text = text.lower()
    pattern = re.compile(translate(text))
    # most are ruled out by the longest part without wild cards, wherever in the options it may stand
    part = b"" if "[" in text or not text.isascii() else max(re.split("[*?]", text), key=len).encode()
    return lambda b: part in b.options.lower() and pattern.match(host_name(b.options).lower()) is not None


def _state(node: Node, text: str, now: float) -> Callable[[Binding], bool]:
    if text not in STATES:
        raise CommandError(316, f"state: {text!r} is not one of {', '.join(STATES)}")
    return lambda binding: _word(node, binding, now) == text


def _flag(node: Node, text: str) -> Callable[[Binding], bool]:
    return lambda binding: text in lease_flags(binding, node.endpoint_at(binding.address))


def _hardware(text: str) -> Callable[[Binding], bool]:
    """A whole hardware address, or the first bytes of one and ``*``."""
    if text.endswith("*"):
        begin = _bytes("mac", text[:-1].removeprefix("1,6,"))
        return lambda binding: binding.hardware[1:].startswith(begin)
    try:
        whole = parse_hardware(text)
    except ValueError as error:
        raise CommandError(316, f"mac: {error}; or write its first bytes and *") from None
    return lambda binding: binding.hardware == whole


def _client_id(text: str) -> Callable[[Binding], bool]:
    if text.endswith("*"):
        begin = _bytes("client-id", text[:-1])
        return lambda binding: binding.client_id.startswith(begin)
    whole = _bytes("client-id", text)
    return lambda binding: binding.client_id == whole


def _bytes(key: str, text: str) -> bytes:
    try:
        return bytes.fromhex("".join(c for c in text.removeprefix("id:") if c not in ":.-"))
    except ValueError:
        form = "bytes in hexadecimal (write 00:d0:ba, or 00:d0:ba:*)"
        raise CommandError(316, f"{key}: {text!r} is not {form}") from None
