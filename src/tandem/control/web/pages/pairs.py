"""List and edit DHCP failover pairs; report and run their synchronization; View DHCP Failover Pair Sync Report.

Source: failover chapter, "Creating and Synchronizing a Failover Pair on the Local Cluster"; SYSTEM S6.
"""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from tandem.base.errors import CommandError
from tandem.cluster.objects import edit_role, effect_of
from tandem.cluster.registry import NAME
from tandem.config.pairs import PAIR
from tandem.config.synctables import OPERATIONS
from tandem.control.web.forms import sentence
from tandem.control.web.listing import Column, Listing
from tandem.control.web.navigation import Entry, Pages, command_of
from tandem.control.web.pages.objects import Editing, read, write
from tandem.control.web.visit import Visit

PAGES = Pages()
HOME = "/dhcp/failover"
_SYNC, _UNDO = (PAIR.name, NAME, "sync"), (PAIR.name, NAME, "undoSync")
_ADD_SCOPES = (PAIR.name, NAME, "addScopes")
_MAY_SYNC = command_of(_SYNC).role
_DIRECTIONS = ("main-to-backup", "backup-to-main")
_ABOUT = {
    "update": "The least radical operation, and the one for every day: it has the least effect on what only the backup "
    "has.",
    "complete": "For initial synchronizations: more complete than an update, and still preserves much of what only the "
    "backup has, as back office failover needs it.",
    "exact": "For initial simple and symmetrical failover: makes the two servers mirror images of each other. Not for "
    "back office failover.",
}
"""What each operation is for, in the words of the chapter."""


# --- list and edit ----------------------------------------------------------------------------------------


@PAGES.get(HOME, entry=Entry("DHCP", "Failover"))
async def pairs(visit: Visit) -> Response:
    """List the pairs."""
    columns = [Column("name", "Name", link="edit"), Column("main-server", "Main Server"),
               Column("backup-server", "Backup Server"), Column("state", "State", sortable=False),
               Column("drift", "Configurations", sortable=False), Column("sync", "Synchronize", sortable=False),
               Column("manage", "Manage Servers", sortable=False)]  # fmt: skip
    rows = [
        {"name": name, "edit": f"{HOME}/edit?{urlencode({'name': name})}", **visit.stored(PAIR.name, name)}
        for name in visit.names(PAIR.name)
    ]
    listing = Listing.of(
        visit.query, HOME, columns, rows, "name", noun="pairs",
        empty="There is no pair yet: name the main and the backup server on the Edit DHCP Server page, or on a scope.",
    )  # fmt: skip
    return visit.page(
        "pairs.html", title="List DHCP Failover Pairs", listing=listing, syncs=visit.may(_MAY_SYNC),
        servers=visit.site.address("Failover Servers"), related=visit.site.address("Related Servers"),
    )  # fmt: skip


@PAGES.get(f"{HOME}/status")
async def status(visit: Visit) -> Response:
    """Return a part of a page: a pair's states, whether its configurations differ, whose settings count."""
    name = visit.query.get("name", "")
    try:
        found = (await visit.run((PAIR.name, NAME, "getStatus"), name)).items[0].attributes
    except CommandError as refused:
        found = {"state": refused.text, "drift": "not known"}
    return visit.page("pair_status.html", found=found, name=name, part=visit.query.get("part", "state"))


@PAGES.get(f"{HOME}/edit")
async def edit(visit: Visit) -> Response:
    """Show a pair."""
    return _edit_page(visit, read(visit, PAIR, visit.query.get("name", "")))


@PAGES.post(f"{HOME}/edit", role=edit_role(PAIR), effect=effect_of(PAIR))
async def modify(visit: Visit) -> Response:
    """Save a pair."""
    editing = read(visit, PAIR, visit.query.get("name", ""))
    if await write(visit, editing):
        visit.notice("ok", f"Failover pair {editing.name} was saved.")
        return visit.go(HOME)
    return _edit_page(visit, editing, 409 if editing.meanwhile else 400)


def _edit_page(visit: Visit, editing: Editing, status: int = 200, subnets: str = "", wrong: str = "") -> Response:
    """Show a pair; in the form for new scopes ``subnets``, and what is wrong with them."""
    return visit.page(
        "edit_pair.html", status=status, title="Edit DHCP Failover Pair", editing=editing,
        action=f"{HOME}/edit?{urlencode({'name': editing.name})}", back=HOME, editor=visit.may(edit_role(PAIR)),
        syncs=visit.may(_MAY_SYNC), scopes_by=visit.stored(PAIR.name, editing.name).get("scope-template"),
        subnets=subnets, wrong=wrong,
    )  # fmt: skip


@PAGES.post(f"{HOME}/add-scopes", command=_ADD_SCOPES)
async def add_scopes(visit: Visit) -> Response:
    """Make scopes of a pair for subnets."""
    name = visit.form["name"]
    try:
        answer = await visit.run(_ADD_SCOPES, name, subnets=visit.form["subnets"])
    except CommandError as refused:
        wrong = sentence(refused.text.removeprefix("subnet: "))
        return _edit_page(visit, read(visit, PAIR, name), refused.http_status, visit.form["subnets"], wrong)
    visit.notice("ok", "\n".join(sentence(line) for line in answer.lines))
    return visit.go(f"{HOME}/edit?{urlencode({'name': name})}")


@PAGES.post(f"{HOME}/delete", role=edit_role(PAIR), effect=effect_of(PAIR))
async def delete(visit: Visit) -> Response:
    """Delete a pair."""
    name = visit.form["name"]
    try:
        visit.remove(PAIR.name, name, visit.form["version"])
        visit.notice("ok", f"Failover pair {name} was deleted.")
    except CommandError as refused:
        visit.notice("error", sentence(refused.text))
    return visit.go(HOME)


# --- synchronize ------------------------------------------------------------------------------------------


@PAGES.get(f"{HOME}/sync", role=_MAY_SYNC)
async def choose(visit: Visit) -> Response:
    """Show the page on which the operation is chosen: Run, or Report, Synchronize Failover Pair."""
    verb = "Run" if visit.query.get("verb") == "run" else "Report"
    name = visit.query.get("name", "")
    return visit.page(
        "sync.html", title=f"{verb} Synchronize Failover Pair", name=name, pair=visit.stored(PAIR.name, name),
        verb=verb, operations=_ABOUT, directions=_DIRECTIONS, error="",
    )  # fmt: skip


def _wish(operation: str, direction: str) -> tuple[str, str]:
    return (
        operation if operation in OPERATIONS else OPERATIONS[0],
        direction if direction in _DIRECTIONS else _DIRECTIONS[0],
    )


@PAGES.get(f"{HOME}/report", role=_MAY_SYNC, work="Report of a Synchronization")
async def report(visit: Visit) -> Response:
    """Show what a run would change."""
    name = visit.query.get("name", "")
    operation, direction = _wish(visit.query.get("operation", ""), visit.query.get("direction", ""))
    try:
        answer = await visit.run(_SYNC, name, operation=operation, direction=direction, switches="-report")
    except CommandError as refused:
        return _refused(visit, name, "Report", refused)
    return _report_page(visit, answer.data, _kept(name, operation, direction))


@PAGES.post(f"{HOME}/run", command=_SYNC, work="Synchronization of the Failover Pair")
async def run(visit: Visit) -> Response:
    """Run a synchronization and show what it changed."""
    name = visit.form["name"]
    operation, direction = _wish(visit.form["operation"], visit.form["direction"])
    switches = ["-reload"] if visit.form["reload"] else []
    if visit.form["match"]:
        switches.append(f"-match={visit.form['match']}")
    try:
        answer = await visit.run(_SYNC, name, operation=operation, direction=direction, switches=" ".join(switches))
    except CommandError as refused:
        return _refused(visit, name, "Run", refused)
    return _report_page(visit, answer.data, _kept(name, operation, direction))


@PAGES.post(f"{HOME}/undo", command=_UNDO, work="Undo of a Synchronization")
async def undo(visit: Visit) -> Response:
    """Take back what a run changed on the partner."""
    name = visit.form["name"]
    try:
        answer = await visit.run(_UNDO, name, change_set=visit.form["number"])
        visit.notice("ok", "\n".join([f"Change set {visit.form['number']} of the partner was undone.", *answer.lines]))
    except CommandError as refused:
        visit.notice("error", sentence(refused.text))
    return visit.go(HOME)


def _kept(name: str, operation: str, direction: str) -> dict[str, str]:
    return {"name": name, "operation": operation, "direction": direction}


def _refused(visit: Visit, name: str, verb: str, refused: CommandError) -> Response:
    return visit.page(
        "sync.html", status=refused.http_status, title=f"{verb} Synchronize Failover Pair", name=name,
        pair=visit.stored(PAIR.name, name), verb=verb, operations=_ABOUT, directions=_DIRECTIONS,
        error=sentence(refused.text),
    )  # fmt: skip


def _report_page(visit: Visit, found: dict[str, Any], kept: dict[str, str]) -> Response:
    """Show a report: one row per property that changes, then what is left alone and why."""
    columns = [Column("label", "Object"), Column("attribute", "Property"), Column("change", "Change"),
               Column("before", "Before", sortable=False), Column("after", "After", sortable=False),
               Column("function", "Function")]  # fmt: skip
    rows = [_row(entry) for entry in found["entries"]]
    query = {} if found["ran"] else visit.query
    listing = Listing.of(
        query, f"{HOME}/report", columns, rows, noun="changes", kept=kept, page_rows=1000 if found["ran"] else 100,
        empty="The two configurations agree: there is nothing to change.",
    )  # fmt: skip
    listing.searchable = not found["ran"]
    return visit.page(
        "sync_report.html", title="View DHCP Failover Pair Sync Report", report=found, listing=listing, kept=kept,
        counts=Counter(entry["class"] for entry in found["entries"]), can_undo=visit.may(command_of(_UNDO).role),
    )  # fmt: skip


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    whole = not entry["attribute"]
    shown = {key: "" if entry[key] is None else "(exists)" if whole else entry[key] for key in ("before", "after")}
    label = f"{entry['class']} {entry['object']}".strip()
    return {**entry, "label": label, **shown, "attribute": entry["attribute"] or "(the object itself)"}
