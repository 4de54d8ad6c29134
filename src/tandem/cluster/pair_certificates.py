"""The commands about the certificate by which another cluster is known: what it was, what it is, taking the new one.

A cluster is known by the certificate that it had at first contact (``cluster.trust``). When it has another one,
nothing is told to it, no password either, until an administrator has compared the fingerprints and accepts the new one.
"""

from __future__ import annotations

from dataclasses import dataclass

from tandem.base.errors import CommandError
from tandem.cluster.answer import Answer, Item
from tandem.cluster.manager import Manager
from tandem.cluster.pairs import cluster_of, side_of
from tandem.cluster.registry import NAME, REGISTRY, Argument, Command, Request
from tandem.cluster.remote import certificate
from tandem.cluster.trust import COMPARE, Untrusted, same
from tandem.config.access import DHCP_ADMIN, READ_ONLY
from tandem.config.document import read_object
from tandem.config.pairs import CLUSTER, CLUSTER_PORT, PAIR


@dataclass(frozen=True, slots=True)
class Certificates:
    """What is known of a cluster's certificate, as fingerprints."""

    cluster: str
    """HOST:PORT"""
    known: str
    """That of first contact; empty = there was none."""
    shown: str
    """That of now; empty = it cannot be seen."""
    why: str
    """Why it cannot be seen."""

    @property
    def changed(self) -> bool:
        """Whether it is another one than at first contact."""
        return bool(self.known and self.shown) and not same(self.known, self.shown)


async def certificates_of(manager: Manager, cls: str, name: str) -> Certificates:
    """Return what is known of the certificate of a cluster, or of that of a pair's partner. Raises CommandError."""
    if cls == PAIR.name:
        address, port = cluster_of(manager, side_of(manager, name))
    else:
        content = read_object(manager.database.document, cls, name)
        address, port = content["ipaddr"], content.get("scp-port", CLUSTER_PORT)
    cluster = f"{address}:{port}"
    try:
        known = manager.trust().remembered(cluster) or ""
    except Untrusted as error:
        raise CommandError(501, str(error)) from None
    try:
        return Certificates(cluster, known, await certificate(address, port), "")
    except CommandError as error:
        return Certificates(cluster, known, "", error.text)


async def _get(manager: Manager, request: Request, cls: str) -> Answer:
    found = await certificates_of(manager, cls, request.name)
    lines = [
        f"cluster:          {found.cluster}",
        f"at first contact: {found.known or '(there was none: the next one counts)'}",
        f"now:              {found.shown or found.why}",
    ]
    if found.changed:
        lines.append(f"It has changed. If it was installed anew, {COMPARE}, and write")
        lines.append(f"'{cls} {request.name} acceptCertificate {found.shown}'")
    elif found.known and found.shown:
        lines.append("They are the same.")
    facts = {"cluster": found.cluster, "known": found.known, "shown": found.shown, "changed": str(found.changed)}
    return Answer([Item(request.name, {key: value for key, value in facts.items() if value})], lines)


async def _accept(manager: Manager, request: Request, cls: str) -> Answer:
    found, given = await certificates_of(manager, cls, request.name), request.values["fingerprint"]
    if not found.shown:
        raise CommandError(501, f"{found.why}; see that 'tandem local' runs there")
    if not same(found.shown, given):
        raise CommandError(
            316, f"the certificate at {found.cluster} has the fingerprint {found.shown}, not the one that was given; "
            "nothing was changed",
        )  # fmt: skip
    where = manager.trust().remember(found.cluster, found.shown)
    text = f"{request.who} accepted certificate {found.shown} of {found.cluster}; before: {found.known or 'none'}."
    manager.log.note("Warning", "Server", 60019, text)
    return Answer(lines=[f"{found.cluster} is known by {found.shown} from now on, {where}"])


async def _get_cluster(manager: Manager, request: Request) -> Answer:
    return await _get(manager, request, CLUSTER.name)


async def _get_pair(manager: Manager, request: Request) -> Answer:
    return await _get(manager, request, PAIR.name)


async def _accept_cluster(manager: Manager, request: Request) -> Answer:
    return await _accept(manager, request, CLUSTER.name)


async def _accept_pair(manager: Manager, request: Request) -> Answer:
    return await _accept(manager, request, PAIR.name)


_GET = "Show the certificate of {}: at first contact, and now."
_ACCEPT = "Take another certificate of {} than at first contact for the right one."
_FINGERPRINT = Argument("fingerprint", "of the new certificate, as 'tandem local' prints it there when it starts")
_EXAMPLE = "DA:39:A3:EE:5E:6B:4B:0D"

REGISTRY.add(
    Command((CLUSTER.name, NAME, "getCertificate"), _GET.format("the cluster"),
            "cluster example getCertificate", _get_cluster, role=READ_ONLY),
    Command((CLUSTER.name, NAME, "acceptCertificate"), _ACCEPT.format("the cluster"),
            f"cluster example acceptCertificate {_EXAMPLE}", _accept_cluster, (_FINGERPRINT,), role=DHCP_ADMIN,
            effect="access"),
    Command((PAIR.name, NAME, "getCertificate"), _GET.format("the partner's cluster"),
            "failover-pair example getCertificate", _get_pair, role=READ_ONLY),
    Command((PAIR.name, NAME, "acceptCertificate"), _ACCEPT.format("the partner's cluster"),
            f"failover-pair example acceptCertificate {_EXAMPLE}", _accept_pair, (_FINGERPRINT,), role=DHCP_ADMIN,
            effect="access"),
)  # fmt: skip
