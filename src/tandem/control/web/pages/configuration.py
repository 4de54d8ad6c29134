"""Export and Import: the whole configuration as a file, and back, with a preview of what that changes.

What is wrong in a file is told beside the line that it is about. Source: SYSTEM S2.2.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from starlette.responses import Response

from tandem.base.errors import CommandError
from tandem.cluster.transfer import MOVED, REFUSED
from tandem.control.web.forms import sentence
from tandem.control.web.listing import Column, Listing
from tandem.control.web.navigation import Pages, command_of
from tandem.control.web.visit import Visit

PAGES = Pages()
_HOME = "/dhcp/server/configuration"
_EXPORT, _IMPORT = ("export", "configuration"), ("import", "configuration")
_ROWS = 200


@PAGES.get(_HOME, role=command_of(_EXPORT).role)
async def configuration(visit: Visit) -> Response:
    """Show how to take the configuration out, and a file in."""
    return _page(visit, "")


@PAGES.get(f"{_HOME}/file", role=command_of(_EXPORT).role)
async def export(visit: Visit) -> Response:
    """Return the configuration as a file."""
    text = "\n".join((await visit.run(_EXPORT)).lines) + "\n"
    name = re.sub(r"[^A-Za-z0-9_-]", "-", visit.manager.name)
    return Response(text, media_type="application/json",
                    headers={"Content-Disposition": f'attachment; filename="{name}-configuration.json"'})  # fmt: skip


@PAGES.post(_HOME, command=_IMPORT, work="Import of a Configuration")
async def take_in(visit: Visit) -> Response:
    """Show what a file would change, or make the configuration what it says, if it still changes what was shown."""
    text = visit.form.raw("text").replace("\r\n", "\n")
    if not text.strip():
        return _page(visit, text, error="Choose a file, or write into the field what it holds.", status=400)
    try:
        found = (await visit.run(_IMPORT, file=text, check="yes")).data
        shown = hashlib.sha256(json.dumps(found["changes"]).encode()).hexdigest()
        if visit.form["shown"] != shown:
            return _page(visit, text, found=found, shown=shown, again=bool(visit.form["shown"]))
        done = (await visit.run(_IMPORT, file=text)).data
    except CommandError as refused:
        return _page(visit, text, wrong=_located(text, refused.text), status=400)
    count, number = len(done["changes"]), done["change_set"]
    visit.notice("ok", f"The configuration is what the file says: {count} changes, change set {number}, which can be"
                       " undone in the Change Log. They take effect at the next reload.")  # fmt: skip
    return visit.go("/dhcp/server")


def _located(text: str, refusal: str) -> list[dict[str, Any]]:
    """Return what is wrong with the line of the file that it is about, and its number; 0 where that is not known."""
    lines = text.split("\n")
    first, *others = refusal.split("\n")
    found = []
    for told in others if first == REFUSED else [first]:
        at = place_of(text, told)
        found.append({"line": at or "", "holds": lines[at - 1].strip()[:120] if at else "", "error": sentence(told)})
    return found


def place_of(text: str, told: str) -> int:
    """Return the number of the line of a file that a refusal is about; 0 when it names no object or attribute."""
    byte = re.search(r"\(byte (\d+)\)", told)
    if byte:
        return text.encode()[: int(byte[1])].count(b"\n") + 1
    label = told.partition(": ")[0]
    word, _, name = label.partition(" ")
    at = _after_key(text, 0, next((known for known in MOVED if word in (known, f"{known}-policy")), ""))
    if at:
        at = _after_key(text, at, name) or _after_key(text, at, name.partition(" ")[0]) or at
    for token in re.findall(r"[\w./:-]*\w", told.removeprefix(word)):
        found = re.search(_quoted(token), text[at:]) if at else None
        if found:
            at += found.end()
            break
    return text[:at].count("\n") + 1 if at else 0


def _after_key(text: str, at: int, key: str) -> int:
    """Return where the first line after ``at`` that begins with a key ends it; 0 for none."""
    found = re.search(rf"^ *{_quoted(key)}:", text[at:], re.M) if key else None
    return at + found.end() if found else 0


def _quoted(text: str) -> str:
    return re.escape(json.dumps(text, ensure_ascii=False))


def _page(
    visit: Visit, text: str, *, found: dict[str, Any] | None = None, shown: str = "", again: bool = False,
    wrong: list[dict[str, Any]] | None = None, error: str = "", status: int = 200,
) -> Response:  # fmt: skip
    columns = [Column("object", "Object", sortable=False), Column("attribute", "Attribute", sortable=False),
               Column("old", "Now", sortable=False), Column("new", "In the File", sortable=False)]  # fmt: skip
    keys = [column.key for column in columns]
    rows = [dict(zip(keys, row, strict=True)) for row in (found or {"changes": []})["changes"]]
    listing = Listing.of({}, _HOME, columns, rows[:_ROWS], noun="changes", page_rows=_ROWS, empty="It changes nothing.")
    listing.searchable, listing.total = False, len(rows)
    return visit.page(
        "configuration.html", status=status, title="Export or Import Configuration", text=text, found=found,
        listing=listing, shown=shown, again=again, wrong=wrong or [], error=error, count=len(rows), home=_HOME,
        more=max(0, len(rows) - _ROWS), editor=visit.can(*_IMPORT),
    )  # fmt: skip
