"""What a scope template gives, while it is written: the name, ranges and options of the scope for a subnet.

A part of the page Edit DHCP Scope Template. Source: failover chapter, "Configuring Failover for Scopes".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from tandem.base.errors import CommandError
from tandem.cluster.objects import read_role
from tandem.config.schema import SCOPE_TEMPLATE
from tandem.config.schema_clients import EMBEDDED
from tandem.config.templates import EXPRESSIONS, sketch_scope
from tandem.control.web.forms import sentence
from tandem.control.web.navigation import Pages
from tandem.control.web.visit import Visit

PAGES = Pages()


@PAGES.post("/dhcp/scope-template/preview", role=read_role(SCOPE_TEMPLATE))
async def preview(visit: Visit) -> Response:
    """Return what the template would give with the expressions as they are written now."""
    stored = visit.stored(SCOPE_TEMPLATE.name, visit.form["name"])
    content = {attribute: value for attribute, value in stored.items() if attribute not in EXPRESSIONS}
    content |= {attribute: visit.form[attribute] for attribute in EXPRESSIONS if visit.form[attribute]}
    scope: dict[str, Any] = {}
    name = error = ""
    wrong: dict[str, str] = {}
    try:
        name, scope, wrong = sketch_scope(visit.manager.database.document, content, visit.form["subnet"])
    except CommandError as refused:
        error = sentence(refused.text.removeprefix("subnet: "))
    return visit.page(
        "template_preview.html", expressions=EXPRESSIONS, name=name, error=error, ranges=scope.get("ranges", []),
        options=scope.get(EMBEDDED, {}).get("options", {}), wrong={a: sentence(why) for a, why in wrong.items()},
    )  # fmt: skip
