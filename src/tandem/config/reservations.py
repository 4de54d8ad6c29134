"""What holds for the reservations of a scope: the address is one of its subnet, and it and the client have one each.

Source: SYSTEM S3.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tandem.base.errors import CommandError
from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.config.places import Document, scope_of, write_object


def insert(document: Document, reservation: Mapping[str, Any], scope: str = "") -> None:
    """Put a reservation, in stored form, into a scope, or that whose subnet it is in.

    Raises CommandError 302, 316, 320.
    """
    scope = scope or scope_of(document, reservation["address"])
    content = write_object(document, "scope", scope)
    check_reservation(scope, content, reservation)
    reservations = [*content.get("reservations", []), dict(reservation)]
    reservations.sort(key=lambda r: parse_ipv4(r["address"]))
    content["reservations"] = reservations


def check_reservation(scope: str, content: Mapping[str, Any], reservation: Mapping[str, Any]) -> None:
    """Raise CommandError 316 or 320 if a scope cannot have a reservation."""
    address = reservation["address"]
    why = outside(parse_ipv4(address), parse_ipv4(content["addr"]), parse_ipv4(content["mask"]))
    if why:
        raise CommandError(316, f"scope {scope}: reservation: {address} {why}")
    for other in content.get("reservations", []):
        if address == other["address"] or reservation["key"] == other["key"]:
            raise CommandError(
                320, f"scope {scope}: reservation: {other['address']} is reserved for {other['key']} already; "
                f"remove that first ('scope {scope} removeReservation {other['address']}')"
            )  # fmt: skip


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
