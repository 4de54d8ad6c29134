"""The commands that make scopes from scope templates. Source: failover chapter; reference section 2.2."""

from __future__ import annotations

from tandem.cluster.answer import Answer
from tandem.cluster.database import Draft
from tandem.cluster.manager import Manager
from tandem.cluster.objects import edit, edit_many
from tandem.cluster.registry import NAME, REGISTRY, Argument, Command, Request
from tandem.config.access import DHCP_ADMIN
from tandem.config.schema import SCOPE
from tandem.config.templates import apply_template, make_scope


def draft_scope(draft: Draft, template: str, subnet: str, name: str = "") -> str:
    """Make a scope in a draft from a template; return its name. Raises CommandError 302, 316, 320."""
    trial = dict(draft.document)
    trial[SCOPE.name] = dict(trial.get(SCOPE.name, {}))
    name = make_scope(trial, template, subnet, name)
    draft.open(SCOPE.name, name)
    draft.document[SCOPE.name][name] = trial[SCOPE.name][name]
    return name


async def _apply(manager: Manager, request: Request) -> Answer:
    made: list[str] = []

    def change(draft: Draft) -> None:
        made.append(draft_scope(draft, request.name, request.values["subnet"], request.values["scope"]))

    edit_many(manager, request, change)
    return Answer(lines=[f"scope {name} was made" for name in made], data={"scope": made[0]})


async def _apply_to(manager: Manager, request: Request) -> Answer:
    template = request.values["template"]
    edit(manager, request, SCOPE.name, lambda document: apply_template(document, template, request.name))
    return Answer()


REGISTRY.add(
    Command(("scope-template", NAME, "apply"), "Make a scope for a subnet.",
            "scope-template exampletemplate apply 192.168.70.0/24", _apply,
            (Argument("subnet", "network address and mask: 192.168.70.0/24"),
             Argument("scope", "its name; left out: as the template's scope-name says, or the subnet", optional=True)),
            role=DHCP_ADMIN, effect="configuration"),
    Command(("scope", NAME, "applyTemplate"), "Give the scope what a template says.",
            "scope examplescope applyTemplate exampletemplate", _apply_to,
            (Argument("template", "name of a scope template", names="scope-template"),), role=DHCP_ADMIN,
            effect="configuration"),
)  # fmt: skip
