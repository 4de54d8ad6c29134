"""Editing a scope's ranges and reservations in the configuration document.

Ranges are ``[[lowest, highest], ...]`` and reservations ``[{"address", "key"}, ...]``, in dotted text, both in
ascending order. Functions change nothing when they raise CommandError. Source: reference "commands and
attributes" section 1.7; SYSTEM S3.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tandem.base.errors import CommandError
from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.config.places import Document, read_object, write_object
from tandem.config.reservations import insert, outside
from tandem.config.schema import RESERVATION
from tandem.config.types import quote

_ADDRESS = RESERVATION.by_name["address"].type
_KEY = RESERVATION.by_name["key"].type


def list_ranges(document: Document, scope: str) -> list[tuple[str, str]]:
    """Return (lowest, highest) of each range, ascending. Raises CommandError 302."""
    return [(lo, hi) for lo, hi in read_object(document, "scope", scope).get("ranges", [])]


def list_reservations(document: Document, scope: str) -> list[tuple[str, str]]:
    """Return (address, key) of each reservation, ascending. Raises CommandError 302."""
    return [(r["address"], r["key"]) for r in read_object(document, "scope", scope).get("reservations", [])]


def add_range(document: Document, scope: str, lowest: str, highest: str) -> None:
    """Add a range of addresses for clients. Raises CommandError 302, 316, 320 overlaps another."""
    content = read_object(document, "scope", scope)
    lo, hi = _range(scope, lowest, highest)
    for address in (lo, hi):
        why = outside(address, parse_ipv4(content["addr"]), parse_ipv4(content["mask"]))
        if why:
            raise CommandError(316, f"scope {scope}: range {lowest} {highest}: {format_ipv4(address)} {why}")
    ranges = [(parse_ipv4(a), parse_ipv4(b)) for a, b in content.get("ranges", [])]
    for a, b in ranges:
        if a <= hi and lo <= b:
            raise CommandError(
                320, f"scope {scope}: range {lowest} {highest} overlaps the range {format_ipv4(a)} {format_ipv4(b)}; "
                f"remove that first ('scope {scope} removeRange'), or write one that lies beside it"
            )  # fmt: skip
    _store_ranges(document, scope, [*ranges, (lo, hi)])


def remove_range(document: Document, scope: str, lowest: str, highest: str) -> None:
    """Take addresses out of the ranges, which may shorten or divide them. Raises CommandError 302, 316."""
    content = read_object(document, "scope", scope)
    lo, hi = _range(scope, lowest, highest)
    kept: list[tuple[int, int]] = []
    before = [(parse_ipv4(a), parse_ipv4(b)) for a, b in content.get("ranges", [])]
    for a, b in before:
        if b < lo or hi < a:
            kept.append((a, b))
            continue
        if a < lo:
            kept.append((a, lo - 1))
        if hi < b:
            kept.append((hi + 1, b))
    if kept == before:
        raise CommandError(
            302, f"scope {scope}: no range holds an address from {lowest} to {highest}; "
            f"'scope {scope} listRanges' shows the ranges"
        )  # fmt: skip
    _store_ranges(document, scope, kept)


def add_reservation(document: Document, scope: str, address: str, key: str) -> None:
    """Reserve an address for a client. Raises CommandError 302, 316, 320 address or client has one already."""
    add_reservations(document, scope, [(address, key)])


def add_reservations(document: Document, scope: str, pairs: Sequence[tuple[str, str]]) -> None:
    """Reserve addresses for clients, (address, key) each: all or none. Raises CommandError as ``add_reservation``."""
    read_object(document, "scope", scope)
    try:
        stored = [{"address": _ADDRESS.parse(address), "key": _KEY.parse(key)} for address, key in pairs]
    except ValueError as error:
        raise CommandError(316, f"scope {scope}: reservation: {error}") from None
    if stored:
        insert(document, stored, scope)


def remove_reservation(document: Document, scope: str, which: str) -> tuple[str, str]:
    """Remove the reservation of an address, or of a client; return it as (address, key).

    Raises CommandError 302, 316.
    """
    reservations = read_object(document, "scope", scope).get("reservations", [])
    try:
        wanted = ("address", _ADDRESS.parse(which))
    except ValueError:
        try:
            wanted = ("key", _KEY.parse(which))
        except ValueError as error:
            raise CommandError(316, f"scope {scope}: reservation: {error}; or write the reserved address") from None
    for reservation in reservations:
        if reservation[wanted[0]] == wanted[1]:
            content = write_object(document, "scope", scope)
            content["reservations"] = [r for r in reservations if r is not reservation]
            if not content["reservations"]:
                del content["reservations"]
            return reservation["address"], reservation["key"]
    raise CommandError(
        302, f"scope {scope} has no reservation for {wanted[1]}; 'scope {scope} listReservations' shows them"
    )


def _range(scope: str, lowest: str, highest: str) -> tuple[int, int]:
    try:
        lo, hi = parse_ipv4(_ADDRESS.parse(lowest)), parse_ipv4(_ADDRESS.parse(highest))
    except ValueError as error:
        raise CommandError(316, f"scope {scope}: range: {error}") from None
    if lo > hi:
        raise CommandError(
            316, f"scope {scope}: range {quote(lowest)} {quote(highest)}: write the lowest address first"
        )
    return lo, hi


def _store_ranges(document: Document, scope: str, ranges: list[tuple[int, int]]) -> None:
    content: dict[str, Any] = write_object(document, "scope", scope)
    if ranges:
        content["ranges"] = [[format_ipv4(a), format_ipv4(b)] for a, b in sorted(ranges)]
    else:
        content.pop("ranges", None)
