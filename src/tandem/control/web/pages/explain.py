"""Explain a Packet: what the server would do with a client's message, step by step, with the reasons.

Source: SYSTEM S10.4.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from tandem.base.errors import CommandError
from tandem.base.ipv4 import parse_ipv4
from tandem.cluster.diagnosis import FORMS, explanation, facts
from tandem.control.web.forms import sentence
from tandem.control.web.navigation import Entry, Pages, command_of
from tandem.control.web.visit import Visit

PAGES = Pages()
_HOME = "/dhcp/explain"
_COMMAND = ("dhcp", "explain")


@PAGES.get(_HOME, role=command_of(_COMMAND).role, entry=Entry("Monitoring", "Explain a Packet"))
async def explain(visit: Visit) -> Response:
    """Ask for a message, and explain it."""
    values = {argument.name: visit.query.get(argument.name, "").strip() for argument in command_of(_COMMAND).arguments}
    found: dict[str, Any] = {}
    error, told = "", []
    if values["client"]:
        try:
            for name in ("address", "giaddr", "link", "interface"):
                _address(name, values[name])
            if not (values["secs"] or "0").isdecimal():
                raise CommandError(316, "secs: write seconds, 0 to 65535")
            found = await explanation(visit.manager, values)
            told = facts(found)
        except CommandError as refused:
            error = sentence(refused.text)
    return visit.page(
        "explain.html", title="Explain a Packet", values=values, forms=[(key, text) for key, text in FORMS.items()],
        found=found, facts=told, error=error, asked=bool(values["client"]), status=400 if error else 200,
    )  # fmt: skip


def _address(name: str, text: str) -> None:
    try:
        parse_ipv4(text or "0.0.0.0")
    except ValueError as error:
        raise CommandError(316, f"{name}: {error}") from None
