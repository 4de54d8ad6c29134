"""Help: every nrcmd command and every attribute, as they are declared."""

from __future__ import annotations

from starlette.responses import Response

from tandem.cluster.registry import REGISTRY
from tandem.config.schema import CLASSES
from tandem.control.web.listing import Column, Listing
from tandem.control.web.navigation import Pages
from tandem.control.web.visit import Visit

PAGES = Pages()


@PAGES.get("/help")
async def commands(visit: Visit) -> Response:
    """Show the commands, or those that a search finds."""
    rows = [{"usage": c.usage(), "help": c.help, "example": c.example, "role": c.role} for c in REGISTRY.commands]
    columns = [Column("usage", "Command"), Column("help", "What it does"), Column("example", "Example"),
               Column("role", "Role")]  # fmt: skip
    listing = Listing.of(visit.query, "/help", columns, rows, "usage", noun="commands")
    return visit.page("reference.html", title="Help", about=_COMMANDS, listing=listing)


_COMMANDS = "What nrcmd can do on this cluster; these pages do the same. Roles include those below them."
_ATTRIBUTES = "Every attribute of every class of objects."


@PAGES.get("/help/attributes")
async def attributes(visit: Visit) -> Response:
    """Show the attributes, or those that a search finds."""
    rows = []
    for cls in CLASSES.values():
        for a in cls.attributes:
            default = "" if a.default is None else a.type.show(a.default)
            rows.append({"class": cls.name, "name": a.name, "type": a.type.word, "default": default, "help": a.help})
    columns = [Column("class", "Class"), Column("name", "Attribute"), Column("type", "Type"),
               Column("default", "Default"), Column("help", "Meaning")]  # fmt: skip
    listing = Listing.of(visit.query, "/help/attributes", columns, rows, "class", noun="attributes")
    return visit.page("reference.html", title="Help", about=_ATTRIBUTES, listing=listing)
