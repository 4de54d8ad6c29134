"""Change Log: who changed what, when; one change set, and taking it back. Source: SYSTEM S2.3."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from tandem.base.errors import CommandError
from tandem.cluster.answer import Item
from tandem.cluster.registry import NAME
from tandem.control.web.forms import sentence
from tandem.control.web.listing import Column, Listing
from tandem.control.web.navigation import Entry, Pages
from tandem.control.web.visit import Visit

PAGES = Pages()
_HOME = "/changes"
_COUNT = 1000
_COLUMNS = [
    Column("set", "Set", link="address", numeric=True), Column("at", "When"), Column("who", "Who"),
    Column("object", "Object"), Column("attribute", "Attribute"), Column("old", "Before", sortable=False),
    Column("new", "After", sortable=False),
]  # fmt: skip


def _row(visit: Visit, item: Item) -> dict[str, Any]:
    at = visit.dated(item.attributes["at"])
    return {"set": int(item.name), "address": f"{_HOME}/set?number={item.name}", **item.attributes, "at": at}


@PAGES.get(_HOME, entry=Entry("Change Log", "Change Log"))
async def log(visit: Visit) -> Response:
    """Show the newest thousand changes, or those before a set; a search finds them among all."""
    before = visit.query.get("before", "")
    before = before if before.isdecimal() and len(before) < 10 else ""
    found = await visit.run(("change", "list"), count=str(_COUNT), before=before, search=visit.query.get("q", ""))
    listing = Listing.of(
        visit.query, _HOME, _COLUMNS, [_row(visit, item) for item in found.items], "-set", noun="changes",
        kept={"before": before} if before else {}, empty="Nothing was changed yet.",
    )  # fmt: skip
    older = listing.address(before=found.items[-1].name, page=1) if len(found.items) == _COUNT else ""
    return visit.page("changes.html", title="Change Log", listing=listing, older=older)


@PAGES.get(f"{_HOME}/set")
async def one(visit: Visit) -> Response:
    """Show one change set."""
    number = visit.query.get("number", "")
    found = await visit.run(("change", NAME, "show"), number)
    rows = [_row(visit, item) for item in found.items]
    listing = Listing.of({}, f"{_HOME}/set", _COLUMNS[3:], rows, noun="changes", page_rows=len(rows))
    listing.searchable = False
    return visit.page("change_set.html", title=f"Change Set {number}", number=number, first=rows[0], listing=listing)


@PAGES.post(f"{_HOME}/undo", command=("change", NAME, "undo"))
async def undo(visit: Visit) -> Response:
    """Take a change set back."""
    number = visit.form["number"]
    try:
        answer = await visit.run(("change", NAME, "undo"), number)
    except CommandError as refused:
        visit.notice("error", sentence(refused.text))
        return visit.go(f"{_HOME}/set?number={number}")
    visit.notice("warning" if answer.lines else "ok", "\n".join([f"Change set {number} was undone.", *answer.lines]))
    return visit.go(_HOME)
