"""The DHCP server of a pair's other cluster: its health, and its reload, asked for there.

Does not know how clusters reach each other (``remote``), nor what a reload is. Source: failover chapter, "Creating and
Synchronizing a Failover Pair on the Local Cluster", steps 8, 9 and 11 (Manage DHCP Failover Servers).
"""

from __future__ import annotations

from typing import Any

from tandem.cluster.answer import Answer, Item
from tandem.cluster.manager import Manager
from tandem.cluster.pairs import remote_of, side_of
from tandem.cluster.registry import NAME, REGISTRY, Command, Request
from tandem.cluster.remote import call
from tandem.config.access import FAILOVER_OPERATOR, READ_ONLY
from tandem.config.pairs import PAIR

_HEALTH_S = 10.0


async def _reload(manager: Manager, request: Request) -> Answer:
    remote = remote_of(manager, side_of(manager, request.name))
    done = await call(remote, "POST", "/dhcp/reload")
    manager.log.note("Info", "Failover", 60043, f"{request.who} had {remote} reload its DHCP server.")
    return Answer(lines=[str(line) for line in done.get("lines", ())], status=done["status"], text=done["text"])


async def _health(manager: Manager, request: Request) -> Answer:
    side = side_of(manager, request.name)
    remote = remote_of(manager, side)
    found: list[dict[str, Any]] = (await call(remote, "GET", "/dhcp/gethealth", answer_s=_HEALTH_S))["items"]
    wanted = ("health", "restarts", "changes-not-loaded")
    facts = {key: str(found[0]["attributes"].get(key, "")) for key in wanted} if found else {}
    return Answer([Item(request.name, {"server": side.partner, "cluster": f"{remote.address}:{remote.port}", **facts})])


REGISTRY.add(
    Command((PAIR.name, NAME, "reloadPartner"), "Have the partner's DHCP server run by its configuration as it is now.",
            "failover-pair example reloadPartner", _reload, role=FAILOVER_OPERATOR, effect="server"),
    Command((PAIR.name, NAME, "getPartnerHealth"), "Show whether the partner's DHCP server runs, as its cluster says.",
            "failover-pair example getPartnerHealth", _health, role=READ_ONLY),
)  # fmt: skip
