"""The commands of a failover pair that are no synchronization: its state, its shares, its scopes.

Source: reference "commands and attributes" section 1.7 (``failover-pair``, as later versions have it); SYSTEM S7.5.
"""

from __future__ import annotations

import contextlib

from tandem.base.errors import CommandError
from tandem.cluster.answer import Answer
from tandem.cluster.database import Draft
from tandem.cluster.display import item_of
from tandem.cluster.manager import Manager
from tandem.cluster.objects import edit_many
from tandem.cluster.pair_drift import observe
from tandem.cluster.pairs import side_of
from tandem.cluster.partners import DATE, set_partner_down
from tandem.cluster.registry import NAME, REGISTRY, Argument, Command, Request
from tandem.cluster.template_commands import draft_scope
from tandem.config.access import DHCP_ADMIN, FAILOVER_OPERATOR, READ_ONLY
from tandem.config.pairs import PAIR, into_pair, pair_of_scopes, server_pair


async def _status(manager: Manager, request: Request) -> Answer:
    side, document = side_of(manager, request.name), manager.database.document
    scopes = sum(pair == side.pair for pair in pair_of_scopes(document).values())
    facts: dict[str, object] = {
        "main-server": side.pair.main, "backup-server": side.pair.backup,
        "this-server": "main" if side.is_main else "backup",
        "use-server-settings": str(server_pair(document) == side.pair).lower(), "scopes": scopes,
    }  # fmt: skip
    try:
        related = await manager.ask("related_servers")
    except CommandError as error:
        related = []
        facts["state"] = f"not known: {error.text}"
    for server in related:
        if server["name"] == side.pair.name:
            keys = ("communications", "state", "since", "why", "partner-state", "partner-since", "waits-for")
            facts |= {key: server.get(key) for key in keys}
    if "state" not in facts:
        facts["state"] = "the running DHCP server does not have this pair: 'dhcp reload'"
    with contextlib.suppress(CommandError):  # it is in the notes
        await observe(manager, request.name)
    notes = manager.pair_notes.of(request.name)
    differences = notes.pop("differences")
    item = item_of(request.name, facts | notes, request.session)
    for number, difference in enumerate(differences, 1):
        item.attributes[f"difference-{number}"] = difference
    return Answer([item])


async def _rebalance(manager: Manager, request: Request) -> Answer:
    side = side_of(manager, request.name)
    said = await manager.ask("rebalance", pair=side.pair.name)
    text = f"{request.who} had the shares of pair {request.name} balanced: {said}."
    manager.log.note("Info", "Failover", 60042, text)
    return Answer(lines=[str(said)])


async def _set_partner_down(manager: Manager, request: Request) -> Answer:
    return await set_partner_down(manager, request, side_of(manager, request.name).partner)


async def _add_scopes(manager: Manager, request: Request) -> Answer:
    """Make the scopes as one change set: all of them, or none."""
    side = side_of(manager, request.name)
    template = side.content.get("scope-template")
    if template is None:
        raise CommandError(316, f"failover-pair {request.name}: set scope-template to the template of its scopes first")
    made: list[str] = []

    def change(draft: Draft) -> None:
        for subnet in request.words:
            name = draft_scope(draft, template, subnet)
            into_pair(draft.document, name, side.pair)
            made.append(name)

    edit_many(manager, request, change)
    return Answer(lines=[f"scope {name} was made" for name in made], data={"scopes": made})


REGISTRY.add(
    Command((PAIR.name, NAME, "getStatus"), "Show both servers' states, the last synchronization, and drift.",
            "failover-pair example getStatus", _status, role=READ_ONLY),
    Command((PAIR.name, NAME, "rebalancePool"), "Bring the shares of all scopes to their targets now.",
            "failover-pair example rebalancePool", _rebalance, role=FAILOVER_OPERATOR, effect="server"),
    Command((PAIR.name, NAME, "setPartnerDown"), "Declare the pair's other server down, as dhcp setPartnerDown does.",
            "failover-pair example setPartnerDown -5m -preview", _set_partner_down, (DATE,),
            role=FAILOVER_OPERATOR, effect="server"),
    Command((PAIR.name, NAME, "addScopes"), "Make the pair's scopes for subnets, from its scope-template.",
            "failover-pair example addScopes 192.168.70.0/24", _add_scopes,
            (Argument("subnets", "network address and mask: 192.168.70.0/24, once or more", many=True),),
            role=DHCP_ADMIN, effect="configuration"),
)  # fmt: skip
