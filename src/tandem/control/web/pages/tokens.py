"""Tokens for programs, and the log of log-ins. Source: SYSTEM S7.4."""

from __future__ import annotations

from starlette.responses import Response

from tandem.base.errors import CommandError
from tandem.cluster.registry import NAME
from tandem.config.access import READ_ONLY, ROLES, SUPERUSER
from tandem.control.web.forms import sentence
from tandem.control.web.listing import Column, Listing
from tandem.control.web.navigation import Entry, Pages
from tandem.control.web.visit import Visit

PAGES = Pages()
_TOKENS, _LOGINS = "/administrators/tokens", "/administrators/logins"


async def _page(visit: Visit, status: int = 200, secret: str = "", errors: dict[str, str] | None = None) -> Response:
    found = await visit.run(("token", "list"))
    columns = [Column("name", "Token"), Column("owner", "Owner"), Column("role", "Role"),
               Column("expires", "Expires"), Column("delete", "Actions", sortable=False)]  # fmt: skip
    rows = []
    for item in found.items:
        date, _, over = item.attributes["expires"].partition(" (")
        expires = visit.dated(date) + (f" ({over}" if over else "")
        rows.append({"name": item.name, **item.attributes, "expires": expires})
    listing = Listing.of(visit.query, _TOKENS, columns, rows, "name", noun="tokens", empty="You have no token.")
    roles = [(role, f"{role}: {about}") for role, about in ROLES.items() if visit.may(role)]
    return visit.page(
        "tokens.html", status=status, title="Tokens", listing=listing, roles=roles, secret=secret, errors=errors or {},
        filled={field: visit.form[field] for field in ("name", "role", "lifetime")},
    )  # fmt: skip


@PAGES.get(_TOKENS, entry=Entry("Administrators", "Tokens"))
async def tokens(visit: Visit) -> Response:
    """Show one's tokens; a superuser sees all."""
    return await _page(visit)


@PAGES.post(_TOKENS, command=("token", NAME, "create"))
async def create(visit: Visit) -> Response:
    """Make a token and show it, this once."""
    name, lifetime = visit.form["name"], visit.form["lifetime"]
    if not name:
        return await _page(visit, 400, errors={"name": "Write a name."})
    try:
        role = visit.form["role"] or READ_ONLY
        made = await visit.run(("token", NAME, "create"), name, role=role, lifetime=lifetime)
    except CommandError as refused:
        about = "lifetime" if refused.text.startswith("lifetime") else "name"
        why = refused.text.removeprefix("lifetime: ")
        return await _page(visit, refused.http_status, errors={about: sentence(why)})
    return await _page(visit, secret=made.items[0].attributes["token"])


@PAGES.post(f"{_TOKENS}/delete", command=("token", NAME, "delete"))
async def delete(visit: Visit) -> Response:
    """Delete a token."""
    await visit.run(("token", NAME, "delete"), visit.form["name"])
    visit.notice("ok", f"Token {visit.form['name']} was deleted.")
    return visit.go(_TOKENS)


@PAGES.get(_LOGINS, role=SUPERUSER, entry=Entry("Administrators", "Log-ins"))
async def logins(visit: Visit) -> Response:
    """Show who logged in, or tried to: the newest thousand."""
    found = await visit.run(("login", "list"), count="1000")
    columns = [Column("number", "Number", numeric=True), Column("at", "When"), Column("name", "Name"),
               Column("from", "From"), Column("how", "How"), Column("result", "Result")]  # fmt: skip
    rows = [
        {"number": int(item.name), **item.attributes, "at": visit.dated(item.attributes["at"])} for item in found.items
    ]
    listing = Listing.of(visit.query, _LOGINS, columns, rows, "-number", noun="log-ins")
    return visit.page("logins.html", title="Log-ins", listing=listing)
