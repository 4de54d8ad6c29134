"""Manage DHCP Failover Servers: both servers of each pair, their health, and what can be done with the local one.

Source: failover chapter, "Manage DHCP Failover Servers"; SYSTEM S7.2.
"""

from __future__ import annotations

from starlette.responses import Response

from tandem.base.errors import CommandError
from tandem.cluster.registry import NAME
from tandem.config.pairs import PAIR
from tandem.control.web.forms import sentence
from tandem.control.web.live import stream
from tandem.control.web.navigation import Entry, Pages
from tandem.control.web.pages.related import ago, kind_of
from tandem.control.web.visit import Visit

PAGES = Pages()
_HOME = "/dhcp/failover-servers"
_DONE = {
    "reload": "The DHCP server runs by the present configuration.",
    "start": "The DHCP server was started.",
    "stop": "The DHCP server was stopped; its partner serves from its own share.",
    "shutdown": "The DHCP server was stopped for long.",
}


async def _part(visit: Visit) -> str:
    health = (await visit.run(("dhcp", "gethealth"))).items[0].attributes
    try:
        servers, why = await visit.look("related_servers"), ""
    except CommandError as error:
        servers, why = [], sentence(error.text)
    return visit.site.render(
        visit, "failover_servers_part.html",
        {"health": health, "servers": servers, "why": why, "ago": ago, "kind_of": kind_of, "home": _HOME},
    )  # fmt: skip


@PAGES.get(_HOME, entry=Entry("Monitoring", "Failover Servers"))
async def manage(visit: Visit) -> Response:
    """Show the servers."""
    return visit.page(
        "failover_servers.html", title="Manage DHCP Failover Servers", part=await _part(visit), source=f"{_HOME}/live",
        about="This cluster's DHCP server and its partners.", pairs=visit.names(PAIR.name),
    )  # fmt: skip


@PAGES.get(f"{_HOME}/partner")
async def partner(visit: Visit) -> Response:
    """Return a part of a page: the partner's DHCP server as its own cluster sees it."""
    name, why = visit.query.get("name", ""), ""
    try:
        found = (await visit.run((PAIR.name, NAME, "getPartnerHealth"), name)).items[0].attributes
    except CommandError as error:
        found, why = {"server": f"of {name}"}, sentence(error.text)
    return visit.page("partner_server.html", name=name, found={"health": "", **found}, why=why, home=_HOME)


@PAGES.post(
    f"{_HOME}/reload-partner", command=(PAIR.name, NAME, "reloadPartner"), work="Reload of the Partner's DHCP Server"
)
async def reload_partner(visit: Visit) -> Response:
    """Have the partner's server run by the present configuration of its cluster."""
    try:
        answer = await visit.run((PAIR.name, NAME, "reloadPartner"), visit.form["name"])
    except CommandError as refused:
        visit.notice("error", sentence(refused.text))
    else:
        done = "The partner's DHCP server runs by its present configuration."
        visit.notice("warning" if answer.status == 101 else "ok", "\n".join([done, *answer.lines]))
    return visit.go(_HOME)


@PAGES.get(f"{_HOME}/live")
async def live(visit: Visit) -> Response:
    """Follow the servers."""
    return stream(visit, _part)


async def _do(visit: Visit, verb: str) -> Response:
    try:
        answer = await visit.run(("dhcp", verb))
    except CommandError as refused:
        visit.notice("error", sentence(refused.text))
    else:
        visit.notice("warning" if answer.status == 101 else "ok", "\n".join([_DONE[verb], *answer.lines]))
    return visit.go(_HOME)


@PAGES.post(f"{_HOME}/reload", command=("dhcp", "reload"), work="Reload of the DHCP Server")
async def reload(visit: Visit) -> Response:
    """Have the server run by the present configuration."""
    return await _do(visit, "reload")


@PAGES.post(f"{_HOME}/start", command=("dhcp", "start"), work="Start of the DHCP Server")
async def start(visit: Visit) -> Response:
    """Start the server."""
    return await _do(visit, "start")


@PAGES.post(f"{_HOME}/stop", command=("dhcp", "stop"))
async def stop(visit: Visit) -> Response:
    """Stop the server for a short time."""
    return await _do(visit, "stop")


@PAGES.post(f"{_HOME}/shutdown", command=("dhcp", "shutdown"))
async def shut_down(visit: Visit) -> Response:
    """Stop the server for long: its partner takes over."""
    return await _do(visit, "shutdown")
