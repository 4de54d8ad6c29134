"""Leases: listed and searched a page at a time; one in detail, with its times, who granted it, who owns it, its past.

Source: SYSTEM S10.4; failover chapter, tables of lease states.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from tandem.base.errors import CommandError
from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.base.units import FOREVER
from tandem.cluster.leases import PAGE, lease_page
from tandem.cluster.registry import NAME
from tandem.control.web.forms import sentence
from tandem.control.web.navigation import Entry, Pages
from tandem.control.web.pages.related import ago, left, rough
from tandem.control.web.visit import Visit

PAGES = Pages()
PAGES.link("scope", "Leases", "/dhcp/leases?scope=")
HOME = "/dhcp/leases"
_HARDWARE = re.compile(r"(\d+,\d+,)?[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2})*:?\*?")
STATES = {
    "leased": "ok", "expired": "warning", "available": "off", "other-available": "off", "pending-available": "info",
    "unavailable": "error",
}  # fmt: skip
"""How the badge of a lease's state looks."""


_COLUMNS = (
    ("Address", "address"), ("State", "state"), ("Client", "client"), ("Host name", "host"), ("Scope", ""),
    ("Until", "expiration"), ("Granted by", ""), ("Owner", ""),
)  # fmt: skip
"""Titles, and by what the leases can be sorted there."""
SEARCHED = ("scope", "state", "flag")
_FLAGS = ("reserved", "deactivated", "bootp", "backup", "failover-updated")


def wanted_by(text: str) -> dict[str, str]:
    """Return what a search field means: an address, id: and a client identifier, a hardware address, or a host name."""
    plain = text.strip()
    if not plain:
        return {}
    try:
        address = format_ipv4(parse_ipv4(plain))
        return {"from": address, "to": address}
    except ValueError:
        pass
    if plain.lower().startswith("id:"):
        return {"client-id": plain[3:]}
    if _HARDWARE.fullmatch(plain):
        whole = plain.count(":") >= 5 or plain.endswith("*")
        return {"mac": plain if whole else plain.rstrip(":") + "*"}
    return {"host": plain if "*" in plain else f"*{plain}*"}


@PAGES.get(HOME, entry=Entry("DHCP", "Leases"))
async def leases(visit: Visit) -> Response:
    """List leases."""
    query = {name: visit.query.get(name, "") for name in ("q", *SEARCHED)}
    wanted = wanted_by(query["q"]) | {name: query[name] for name in SEARCHED if query[name]}
    after, order = visit.query.get("after", ""), visit.query.get("sort", "address")
    found: list[dict[str, Any]] = []
    error, following, status = "", "", 200
    try:
        found, following = await lease_page(visit.manager, wanted, after, PAGE, order)
    except CommandError as refused:
        error, status = sentence(refused.text), refused.http_status
    kept = {name: text for name, text in query.items() if text}
    sorted_so = kept | ({"sort": order} if order != "address" else {})
    columns = [(title, _sorted(kept, key, order), _way(key, order)) for title, key in _COLUMNS]
    return visit.page(
        "leases.html", status=status, title="List DHCP Leases", query=query, leases=found, error=error, states=STATES,
        flags=_FLAGS, scopes=visit.names("scope"), owner=owner, forever=FOREVER, home=HOME, columns=columns, sort=order,
        next=f"{HOME}?{urlencode({**sorted_so, 'after': following})}" if following else "",
        first=f"{HOME}?{urlencode(sorted_so)}" if after else "",
    )  # fmt: skip


def _sorted(kept: Mapping[str, str], key: str, order: str) -> str:
    """Return the address that sorts by ``key``, or the other way round where that is so already; "" for none."""
    return f"{HOME}?{urlencode({**kept, 'sort': f'-{key}' if key == order else key})}" if key else ""


def _way(key: str, order: str) -> str:
    """Return in which way a column is sorted, as aria-sort has it; "" when it is not."""
    return {key: "ascending", f"-{key}": "descending"}.get(order, "") if key else ""


def _address(text: str) -> int:
    try:
        return parse_ipv4(text)
    except ValueError as error:
        raise CommandError(316, f"address: {error}") from None


def owner(lease: Mapping[str, Any]) -> str:
    """Return who may give the address to a client, in words."""
    if "acked-potential-expiration" not in lease:
        return "this server; the scope has no partner"
    state = lease["state"]
    if state in ("available", "other-available"):
        return "this server" if state == "available" else "the partner"
    if state == "leased":
        return "the client"
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
        "lease.html", title=f"Lease {text}", lease=found, history=past, owner=owner(found), ago=ago,
        left=left, rough=rough, failover=failover, badge=STATES.get(found["state"], "off"), forever=FOREVER, home=HOME,
    )  # fmt: skip


async def _order(visit: Visit, verb: str, done: str) -> Response:
    address = visit.form["address"]
    _address(address)
    try:
        answer = await visit.run(("lease", NAME, verb), address)
    except CommandError as refused:
        visit.notice("error", sentence(refused.text))
    else:
        visit.notice("warning" if answer.status == 101 else "ok", "\n".join([done, *answer.lines]))
    return visit.go(f"{HOME}/lease?address={address}")


@PAGES.post(f"{HOME}/force-available", command=("lease", NAME, "force-available"))
async def force_available(visit: Visit) -> Response:
    """End a lease."""
    return await _order(visit, "force-available", "The lease was ended.")


@PAGES.post(f"{HOME}/deactivate", command=("lease", NAME, "deactivate"))
async def deactivate(visit: Visit) -> Response:
    """Keep an address from clients."""
    return await _order(visit, "deactivate", "The address is kept from clients.")


@PAGES.post(f"{HOME}/activate", command=("lease", NAME, "activate"))
async def activate(visit: Visit) -> Response:
    """Let clients have an address again."""
    return await _order(visit, "activate", "Clients may have the address again.")


@PAGES.post(f"{HOME}/reserve", command=("lease", NAME, "reserve"))
async def reserve(visit: Visit) -> Response:
    """Reserve an address for its client."""
    return await _order(visit, "reserve", "The address is reserved; the next reload brings it into force.")
