"""What holds for the reservations of a scope: the address is one of its subnet, and it and the client have one each.

Source: SYSTEM S3.5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tandem.base.errors import CommandError
from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.config.places import Document, place_of, scope_of, write_object


def insert(document: Document, reservations: Sequence[Mapping[str, Any]], scope: str = "") -> None:
    """Put reservations, in stored form, into a scope, or that whose subnet the first is in: all or, when it raises,
    none.

    Raises CommandError 302, 316, 320.
    """
    scope = scope or scope_of(document, reservations[0]["address"])
    content = write_object(document, "scope", scope)
    kept = list(content.get("reservations", []))
    subnet, mask = parse_ipv4(content["addr"]), parse_ipv4(content["mask"])
    by_address = {other["address"]: other for other in kept}
    by_key = {other["key"]: other for other in kept}
    for reservation in map(dict, reservations):
        text = reservation["address"]
        address = parse_ipv4(text)
        why = outside(address, subnet, mask)
        if why:
            raise CommandError(316, f"scope {scope}: reservation: {text} {why}")
        other = by_address.get(text) or by_key.get(reservation["key"])
        if other is not None:
            raise CommandError(
                320, f"scope {scope}: reservation: {other['address']} is reserved for {other['key']} already; "
                f"remove that first ('scope {scope} removeReservation {other['address']}')"
            )  # fmt: skip
        by_address[text] = by_key[reservation["key"]] = reservation
        kept.insert(place_of(kept, address), reservation)
    content["reservations"] = kept


def outside(address: int, subnet: int, mask: int) -> str:
    """Return why no client of a subnet can have ``address``, in words that follow the address; empty if it can."""
    first, last = subnet, subnet | ~mask & 0xFFFFFFFF
    if not first <= address <= last:
        return f"lies outside the subnet; write one from {format_ipv4(first)} to {format_ipv4(last)}"
    if last - first > 1 and address in (first, last):
        what = "network" if address == first else "broadcast"
        return (
            f"is the {what} address of the subnet, which no client can have; "
            f"write one from {format_ipv4(first + 1)} to {format_ipv4(last - 1)}"
        )
    return ""
