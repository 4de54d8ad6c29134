"""Lists of what is no object of its own: selection tags, and the types of options.

Source: reference "commands and attributes" section 1.6 (``scope-selection-tag``, ``option-datatype``), section 3.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tandem.base.errors import CommandError
from tandem.cluster.answer import Answer, Item
from tandem.cluster.manager import Manager
from tandem.cluster.objects import table
from tandem.cluster.registry import NAME, REGISTRY, Command, Request
from tandem.config.access import READ_ONLY
from tandem.config.document import Document
from tandem.config.schema import CLASSES
from tandem.config.types import Tags
from tandem.wire.option_types import KINDS, LISTS


def selection_tags(document: Document) -> dict[str, dict[str, list[str]]]:
    """Return each tag that occurs: ``class attribute`` -> names of the objects that have it there."""
    found: dict[str, dict[str, list[str]]] = {}
    for cls in CLASSES.values():
        for attribute in cls.attributes:
            if not isinstance(attribute.type, Tags):
                continue
            for name, content in document.get(cls.name, {}).items():
                for tag in content.get(attribute.name) or []:
                    found.setdefault(tag, {}).setdefault(f"{cls.name} {attribute.name}", []).append(name)
    return dict(sorted(found.items()))


def _tag(name: str, uses: dict[str, list[str]]) -> Item:
    return Item(name, {where: ", ".join(sorted(names)) for where, names in uses.items()})


async def _tags(manager: Manager, request: Request) -> Answer:
    return Answer([_tag(tag, uses) for tag, uses in selection_tags(manager.database.document).items()])


async def _tag_names(manager: Manager, request: Request) -> Answer:
    return Answer(lines=list(selection_tags(manager.database.document)))


async def _one_tag(manager: Manager, request: Request) -> Answer:
    uses = selection_tags(manager.database.document).get(request.name)
    if uses is None:
        raise CommandError(
            302, f"no scope, client or client-class has the selection tag {request.name!r}; a tag comes to be when it"
            f" is written: 'scope NAME set selection-tag-list={request.name}'",
        )  # fmt: skip
    return Answer([_tag(request.name, uses)])


def _type(name: str) -> Item:
    many = LISTS.get(name)
    return Item(name, {"value": KINDS[name].allowed} | ({"list": many} if many else {}))


async def _types(manager: Manager, request: Request) -> Answer:
    return Answer([_type(name) for name in KINDS], table([[name, KINDS[name].allowed] for name in KINDS]))


async def _type_names(manager: Manager, request: Request) -> Answer:
    return Answer(lines=list(KINDS))


async def _one_type(manager: Manager, request: Request) -> Answer:
    if request.name not in KINDS:
        raise CommandError(302, f"there is no option-datatype {request.name!r}; 'option-datatype list' shows them")
    return Answer([_type(request.name)])


Run = Callable[[Manager, Request], Awaitable[Answer]]


def _commands(word: str, what: str, some: str, every: Run, names: Run, one: Run) -> list[Command]:
    """Return the commands that show what is listed under a word."""
    return [
        Command((word, "list"), f"Show all {what}.", f"{word} list", every, role=READ_ONLY),
        Command((word, "listnames"), f"Show the names of all {what}.", f"{word} listnames", names, role=READ_ONLY),
        Command((word, NAME), f"Show one of the {what}.", f"{word} {some}", one, role=READ_ONLY),
        Command((word, NAME, "show"), f"Show one of the {what}.", f"{word} {some} show", one, role=READ_ONLY,
                route=f"GET /{word}/{{name}}"),
    ]  # fmt: skip


REGISTRY.add(
    *_commands("scope-selection-tag", "selection tags, and what has them", "red", _tags, _tag_names, _one_tag),
    *_commands("option-datatype", "types that a DHCP option's value can have", "ip", _types, _type_names, _one_type),
)
