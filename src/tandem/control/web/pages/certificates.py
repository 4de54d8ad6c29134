"""The certificate by which another cluster is known: at first contact and now, and accepting the new one."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from tandem.base.errors import CommandError
from tandem.cluster.pair_certificates import certificates_of
from tandem.cluster.registry import NAME
from tandem.config.access import READ_ONLY
from tandem.config.pairs import CLUSTER, PAIR
from tandem.control.web.forms import sentence
from tandem.control.web.navigation import Pages, command_of
from tandem.control.web.visit import Visit

PAGES = Pages()
_PATHS = {PAIR.name: "/dhcp/failover/certificate", CLUSTER.name: "/clusters/certificate"}
_TITLES = {PAIR.name: "Certificate of the Partner's Cluster", CLUSTER.name: "Certificate of the Cluster"}
PAGES.link(CLUSTER.name, "Certificate", f"{_PATHS[CLUSTER.name]}?name=")


async def _show(visit: Visit, cls: str) -> Response:
    name = visit.query.get("name", "")
    found = await certificates_of(visit.manager, cls, name)
    home = "/dhcp/failover/edit" if cls == PAIR.name else "/clusters/edit"
    return visit.page(
        "certificate.html", name=name, title=_TITLES[cls],
        found=found, action=_PATHS[cls], back=f"{home}?{urlencode({'name': name})}",
        may_accept=visit.may(command_of((cls, NAME, "acceptCertificate")).role),
    )  # fmt: skip


async def _accept(visit: Visit, cls: str) -> Response:
    name = visit.form["name"]
    try:
        answer = await visit.run((cls, NAME, "acceptCertificate"), name, fingerprint=visit.form["fingerprint"])
        visit.notice("ok", "\n".join(sentence(line) for line in answer.lines))
    except CommandError as refused:
        visit.notice("error", sentence(refused.text))
    return visit.go(f"{_PATHS[cls]}?{urlencode({'name': name})}")


@PAGES.get(_PATHS[PAIR.name], role=READ_ONLY)
async def of_pair(visit: Visit) -> Response:
    """Show the certificate of the partner's cluster."""
    return await _show(visit, PAIR.name)


@PAGES.post(_PATHS[PAIR.name], command=(PAIR.name, NAME, "acceptCertificate"))
async def accept_of_pair(visit: Visit) -> Response:
    """Accept the certificate of the partner's cluster."""
    return await _accept(visit, PAIR.name)


@PAGES.get(_PATHS[CLUSTER.name], role=READ_ONLY)
async def of_cluster(visit: Visit) -> Response:
    """Show the certificate of a cluster."""
    return await _show(visit, CLUSTER.name)


@PAGES.post(_PATHS[CLUSTER.name], command=(CLUSTER.name, NAME, "acceptCertificate"))
async def accept_of_cluster(visit: Visit) -> Response:
    """Accept the certificate of a cluster."""
    return await _accept(visit, CLUSTER.name)
