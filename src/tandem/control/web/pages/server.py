"""Manage DHCP Server and Edit DHCP Server: health, start, stop, reload with a preview of what it brings into force.

Source: failover chapter, "Configuring Failover on DHCP Servers"; SYSTEM S2.2, S7.2.
"""

from __future__ import annotations

from starlette.responses import Response

from tandem.base.errors import CommandError
from tandem.cluster.objects import edit_role, effect_of
from tandem.config.schema import DHCP, SCOPE
from tandem.control.web.forms import sentence
from tandem.control.web.listing import Column, Listing
from tandem.control.web.navigation import Entry, Pages, command_of
from tandem.control.web.pages.objects import Editing, read, write
from tandem.control.web.visit import Visit

PAGES = Pages()
_HOME, _EDIT = "/dhcp/server", "/dhcp/server/edit"


@PAGES.get(_HOME, entry=Entry("DHCP", "DHCP Server"))
async def manage(visit: Visit) -> Response:
    """Show the server's health and what can be done with it."""
    answer = await visit.run(("dhcp", "gethealth"))
    steps = visit.may(edit_role(DHCP)) and not visit.names(SCOPE.name)
    return visit.page("server.html", title="Manage DHCP Server", health=answer.items[0].attributes, steps=steps)


@PAGES.get(_EDIT)
async def edit(visit: Visit) -> Response:
    """Show the server's attributes."""
    return _edit_page(visit, read(visit, DHCP))


@PAGES.post(_EDIT, role=edit_role(DHCP), effect=effect_of(DHCP))
async def modify(visit: Visit) -> Response:
    """Save the server's attributes."""
    editing = read(visit, DHCP)
    if await write(visit, editing):
        visit.notice("ok", "The DHCP server's attributes were saved.")
        return visit.go(_HOME)
    return _edit_page(visit, editing, 400 if editing.meanwhile is None else 409)


def _edit_page(visit: Visit, editing: Editing, status: int = 200) -> Response:
    return visit.page(
        "edit_server.html", status=status, title="Edit DHCP Server", editing=editing, action=_EDIT, back=_HOME,
        editor=visit.may(edit_role(DHCP)),
    )  # fmt: skip


@PAGES.get(f"{_HOME}/reload", role=command_of(("dhcp", "reload")).role, work="Preview of a Reload")
async def preview(visit: Visit) -> Response:
    """Show what a reload would bring into force."""
    found = await visit.run(("dhcp", "reload", "-preview"))
    columns = [Column("object", "Object"), Column("attribute", "Attribute"), Column("old", "Running", sortable=False),
               Column("new", "After the Reload", sortable=False)]  # fmt: skip
    rows = [
        {"object": item.name, "attribute": item.attributes["attribute"], "old": item.attributes["running"],
         "new": item.attributes["after-reload"]}
        for item in found.items
    ]  # fmt: skip
    listing = Listing.of(
        visit.query, f"{_HOME}/reload", columns, rows, noun="changes",
        empty="The server already runs by the present configuration. A reload does no harm.",
    )  # fmt: skip
    problems = found.data["problems"]
    return visit.page("reload.html", title="Reload DHCP Server", listing=listing, problems=problems)


async def _do(visit: Visit, verb: str, done: str) -> Response:
    try:
        answer = await visit.run(("dhcp", verb))
    except CommandError as refused:
        visit.notice("error", sentence(refused.text))
    else:
        visit.notice("warning" if answer.status == 101 else "ok", "\n".join([done, *answer.lines]))
    return visit.go(_HOME)


@PAGES.post(f"{_HOME}/reload", command=("dhcp", "reload"), work="Reload of the DHCP Server")
async def reload(visit: Visit) -> Response:
    """Have the server run by the present configuration."""
    return await _do(visit, "reload", "The DHCP server runs by the present configuration.")


@PAGES.post(f"{_HOME}/start", command=("dhcp", "start"), work="Start of the DHCP Server")
async def start(visit: Visit) -> Response:
    """Start the server."""
    return await _do(visit, "start", "The DHCP server was started.")


@PAGES.post(f"{_HOME}/stop", command=("dhcp", "stop"))
async def stop(visit: Visit) -> Response:
    """Stop the server."""
    return await _do(visit, "stop", "The DHCP server was stopped; its partner serves from its own share.")
