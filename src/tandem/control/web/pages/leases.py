"""Leases: one address's lease in detail, with its times, who granted it, who owns it, and its past.

Source: SYSTEM S10.4; failover chapter, tables of lease states.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from tandem.base.errors import CommandError
from tandem.base.ipv4 import parse_ipv4
from tandem.base.units import FOREVER
from tandem.cluster.registry import NAME
from tandem.control.web.forms import sentence
from tandem.control.web.navigation import Pages
from tandem.control.web.pages.related import ago, left
from tandem.control.web.visit import Visit

PAGES = Pages()
HOME = "/dhcp/leases"
_FORCE = ("lease", NAME, "force-available")
STATES = {
    "leased": "ok", "expired": "warning", "available": "off", "other-available": "off", "pending-available": "info",
    "unavailable": "error",
}  # fmt: skip
"""How the badge of a lease's state looks."""


def _address(text: str) -> int:
    try:
        return parse_ipv4(text)
    except ValueError as error:
        raise CommandError(316, f"address: {error}") from None


def owner(lease: dict[str, Any], failover: bool) -> str:
    """Return who may give the address to a client, in words."""
    if not failover:
        return "this server; the scope has no partner"
    state = lease["state"]
    if state in ("available", "other-available"):
        return "this server" if state == "available" else "the partner"
    if state == "leased":
        return "the client, until its lease is over"
    if state == "pending-available":
        return "nobody, until both servers have agreed that its lease is over"
    return "nobody"


@PAGES.get(f"{HOME}/lease")
async def lease(visit: Visit) -> Response:
    """Show a lease."""
    text = visit.query.get("address", "")
    address = _address(text)
    found = await visit.look("lease", address=address)
    if found is None:
        raise CommandError(302, f"{text} is no address of the running server's scopes")
    past = await visit.look("lease_history", address=address)
    failover = "acked-potential-expiration" in found
    return visit.page(
        "lease.html", title=f"Lease {text}", lease=found, history=past, owner=owner(found, failover), ago=ago,
        left=left, failover=failover, badge=STATES.get(found["state"], "off"), forever=FOREVER, home=HOME,
    )  # fmt: skip


@PAGES.post(f"{HOME}/force-available", command=_FORCE)
async def force_available(visit: Visit) -> Response:
    """End a lease."""
    address = visit.form["address"]
    try:
        await visit.run(_FORCE, address)
    except CommandError as refused:
        visit.notice("error", sentence(refused.text))
    else:
        visit.notice("ok", f"The lease on {address} was ended.")
    return visit.go(f"{HOME}/lease?address={address}")
