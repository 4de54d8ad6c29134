"""The commands that all classes of objects have, and the same for REST: create, delete, list, get, set, and so on.

They derive from ``config``'s declarations: a class that is declared there has these commands here. Does not know
any particular class.

Source: reference "commands and attributes" section 1.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tandem.base.errors import CommandError
from tandem.cluster.answer import Answer, Item
from tandem.cluster.manager import Manager
from tandem.cluster.registry import NAME, REGISTRY, Argument, Command, Request, Session
from tandem.config import document as config
from tandem.config.attribute import ObjectClass
from tandem.config.document import Document
from tandem.config.policies import set_option
from tandem.config.schema import SECTIONS
from tandem.config.scopes import add_range, add_reservation
from tandem.config.types import Bool, Secret

ROLE = "dhcp-admin"
"""The role that edits the DHCP server's configuration."""


def item(manager: Manager, session: Session, cls: str, name: str) -> Item:
    """Return an object as it is shown: what is set, and defaults marked as such for people."""
    document, declared = manager.database.document, config.class_of(cls)
    shown = {}
    for attribute, text in config.show(document, cls, name, session.clock()).items():
        own = config.is_set(document, cls, name, attribute)
        if own or not declared.by_name[attribute].expert or session.expert:
            shown[attribute] = text if own or session.default_format == "script" else f"[default={text}]"
    return Item(name or cls, shown)


def edit(manager: Manager, request: Request, cls: str, change: Callable[[Document], None]) -> None:
    """Change one object in the configuration database. Raises CommandError."""
    hidden = {a.name for a in config.class_of(cls).attributes if isinstance(a.type, Secret)}
    manager.database.edit(request.who, cls, request.name, change, hidden)


# --- commands -------------------------------------------------------------------------------------------


def assignments(request: Request) -> dict[str, str]:
    """Return attribute -> text of ``attr=value ...``, or of ``attr value``. Raises CommandError 310, 316."""
    words = request.words
    if "=" not in words[0]:
        if len(words) == 1:
            raise CommandError(310, f"{words[0]!r} has no value; write {words[0]}=VALUE")
        return {words[0]: " ".join(words[1:])}
    return _pairs(words)


def _pairs(words: list[str]) -> dict[str, str]:
    pairs = {}
    for word in words:
        attribute, equals, text = word.partition("=")
        if not equals:
            raise CommandError(316, f"{word!r} is not ATTRIBUTE=VALUE; put a value with blanks in quotes")
        pairs[attribute] = text
    return pairs


def _commands_of(cls: ObjectClass) -> list[Command]:
    """Return the commands of a class."""
    prefix = (cls.name,) if cls.singleton else (cls.name, NAME)
    some = "dhcp" if cls.singleton else f"{cls.name} {_EXAMPLE_NAMES.get(cls.name, 'example')}"
    first = cls.attributes[0].name if cls.singleton else cls.attributes[2].name
    boolean = next(a.name for a in cls.attributes if isinstance(a.type, Bool))

    async def show(manager: Manager, request: Request) -> Answer:
        return Answer([item(manager, request.session, cls.name, request.name)])

    async def get(manager: Manager, request: Request) -> Answer:
        attribute, document = request.values["attribute"], manager.database.document
        config.get(document, cls.name, request.name, attribute)
        text = config.show(document, cls.name, request.name, request.session.clock()).get(attribute, "")
        return Answer(lines=[f"{attribute}={text}"])

    async def set_(manager: Manager, request: Request) -> Answer:
        pairs = assignments(request)

        def change(document: Document) -> None:
            for attribute, text in pairs.items():
                config.set_attribute(document, cls.name, request.name, attribute, text, request.session.clock())

        edit(manager, request, cls.name, change)
        return Answer()

    async def unset(manager: Manager, request: Request) -> Answer:
        def change(document: Document) -> None:
            for attribute in request.words:
                config.unset_attribute(document, cls.name, request.name, attribute)

        edit(manager, request, cls.name, change)
        return Answer()

    async def enable(manager: Manager, request: Request) -> Answer:
        attribute = request.values["attribute"]
        edit(manager, request, cls.name, lambda d: config.enable(d, cls.name, request.name, attribute, True))
        return Answer()

    async def disable(manager: Manager, request: Request) -> Answer:
        attribute = request.values["attribute"]
        edit(manager, request, cls.name, lambda d: config.enable(d, cls.name, request.name, attribute, False))
        return Answer()

    one = Argument("attribute", "name of an attribute")
    switch = Argument("attribute", "name of an attribute that is on or off")
    several = Argument("attributes", "names of attributes", many=True)
    pairs = Argument("assignments", "attribute=value, once or more; or: attribute value", many=True)

    def command(*words: str, run: Any, help: str, example: str, takes: Argument | None = None) -> Command:
        arguments = () if takes is None else (takes,)
        write = run in (set_, unset, enable, disable)
        return Command((*prefix, *words), help, f"{some} {example}".strip(), run, arguments, ROLE, write, route=False)

    return [
        command(run=show, help="Show all attributes.", example=""),
        command("show", run=show, help="Show all attributes.", example="show"),
        command("get", run=get, help="Show one attribute.", example=f"get {first}", takes=one),
        command("set", run=set_, help="Set attributes.", example=f"set {_EXAMPLE_SETS[cls.name]}", takes=pairs),
        command(
            "unset", run=unset, help="Return attributes to their defaults.", example=f"unset {first}", takes=several
        ),
        command("enable", run=enable, help="Switch an attribute on.", example=f"enable {boolean}", takes=switch),
        command("disable", run=disable, help="Switch an attribute off.", example=f"disable {boolean}", takes=switch),
        *([] if cls.singleton else _collection_commands(cls, some)),
    ]


_EXAMPLE_NAMES = {"scope": "examplescope", "policy": "default"}
_EXAMPLE_SETS = {"dhcp": "failover-main-server=192.168.50.2", "scope": "policy=default", "policy": "grace-period=10m"}


def _collection_commands(cls: ObjectClass, some: str) -> list[Command]:
    """Return the commands that make, delete and list objects of a class."""

    async def create(manager: Manager, request: Request) -> Answer:
        words = request.words
        split = next((i for i, word in enumerate(words) if "=" in word), len(words))
        pairs, clock = _pairs(words[split:]), request.session.clock()
        edit(
            manager,
            request,
            cls.name,
            lambda d: config.create_object(d, cls.name, request.name, words[:split], pairs, clock),
        )
        return Answer([item(manager, request.session, cls.name, request.name)])

    async def delete(manager: Manager, request: Request) -> Answer:
        edit(manager, request, cls.name, lambda d: config.delete_object(d, cls.name, request.name))
        return Answer()

    async def every(manager: Manager, request: Request) -> Answer:
        names = config.list_names(manager.database.document, cls.name)
        return Answer([item(manager, request.session, cls.name, name) for name in names])

    async def names(manager: Manager, request: Request) -> Answer:
        return Answer(lines=config.list_names(manager.database.document, cls.name))

    async def brief(manager: Manager, request: Request) -> Answer:
        document = manager.database.document
        rows = []
        for name in config.list_names(document, cls.name):
            texts = config.show(document, cls.name, name, request.session.clock())
            rows.append([name, *(texts[attribute] for attribute in cls.create)])
        return Answer(lines=table(rows))

    needed = " ".join({"addr": "192.168.50.0", "mask": "255.255.255.0"}[a] for a in cls.create)
    takes = Argument("values", " ".join([*cls.create, "attribute=value ..."]), optional=not cls.create, many=True)
    fresh = f"{cls.name} {_NEW_NAMES.get(cls.name, 'example')}"
    return [
        Command(
            (cls.name, NAME, "create"),
            f"Create a {cls.name}.",
            f"{fresh} create {needed}".strip(),
            create,
            (takes,),
            ROLE,
            True,
            route=False,
        ),
        Command(
            (cls.name, NAME, "delete"), f"Delete a {cls.name}.", f"{fresh} delete", delete, (), ROLE, True, route=False
        ),
        Command((cls.name, "list"), "Show all, with their attributes.", f"{cls.name} list", every, route=False),
        Command((cls.name, "listnames"), "Show all names.", f"{cls.name} listnames", names, route=False),
        Command((cls.name, "listbrief"), "Show all, one a line.", f"{cls.name} listbrief", brief, route=False),
    ]


_NEW_NAMES = {"scope": "examplescope", "policy": "examplepolicy"}


def table(rows: list[list[str]]) -> list[str]:
    """Return rows of text as lines with aligned columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def attribute_help(command: Command) -> list[str]:
    """Return a line about each attribute that ``command`` may be given; nothing for other commands."""
    cls = SECTIONS.get(command.path[0])
    if cls is None or command.route or not command.arguments:
        return []
    fits = [a for a in cls.attributes if command.path[-1] not in ("enable", "disable") or isinstance(a.type, Bool)]
    rows = []
    for attribute in fits:
        default = "" if attribute.default is None else f" (default {attribute.type.show(attribute.default)})"
        rows.append([f"    {attribute.name}", attribute.type.word, attribute.help + default])
    return ["", *table(rows)]


for _cls in SECTIONS.values():
    REGISTRY.add(*_commands_of(_cls))


# --- the same for REST, in stored form ------------------------------------------------------------------


def stored(manager: Manager, cls: str, name: str) -> dict[str, Any]:
    """Return what is set on an object, as JSON, without secrets. Raises CommandError 302."""
    by_name = config.class_of(cls).by_name
    content = config.read_object(manager.database.document, cls, name)
    return {k: v for k, v in content.items() if k not in by_name or not isinstance(by_name[k].type, Secret)}


def names(manager: Manager, cls: str) -> list[str]:
    """Return the names of the objects of a class."""
    return config.list_names(manager.database.document, cls)


def merge(manager: Manager, who: str, cls: str, name: str, values: dict[str, Any]) -> dict[str, Any]:
    """Set what ``values`` gives (in stored form), unset what it gives as None; return the object."""
    manager.permit(who, ROLE)

    def change(document: Document) -> None:
        config.read_object(document, cls, name)
        _apply(document, cls, name, values)

    edit(manager, Request(who, Session(), name), cls, change)
    return stored(manager, cls, name)


def replace(manager: Manager, who: str, cls: str, name: str, values: dict[str, Any]) -> dict[str, Any]:
    """Make an object exactly what ``values`` says, creating it where it does not exist; return it."""
    manager.permit(who, ROLE)
    declared = config.class_of(cls)
    given = {a: v for a, v in values.items() if a in declared.by_name and declared.by_name[a].read_only}

    def change(document: Document) -> None:
        document.get(cls, {}).pop(name, None)
        if name not in declared.builtin:
            texts = {a: _text(declared, name, a, value) for a, value in given.items()}
            config.create_object(document, cls, name, (), texts)
        _apply(document, cls, name, {a: v for a, v in values.items() if a not in given})

    edit(manager, Request(who, Session(), name), cls, change)
    return stored(manager, cls, name)


def remove(manager: Manager, who: str, cls: str, name: str) -> None:
    """Delete an object. Raises CommandError 302, 320."""
    manager.permit(who, ROLE)
    edit(manager, Request(who, Session(), name), cls, lambda d: config.delete_object(d, cls, name))


def _apply(document: Document, cls: str, name: str, values: dict[str, Any]) -> None:
    for attribute, value in values.items():
        if attribute in config.class_of(cls).parts:
            _replace_part(document, cls, name, attribute, value)
        elif value is None:
            config.unset_attribute(document, cls, name, attribute)
        else:
            config.set_value(document, cls, name, attribute, value)


def _text(cls: ObjectClass, name: str, attribute: str, value: object) -> str:
    declared = cls.by_name[attribute]
    try:
        declared.type.use(value)
    except ValueError as error:
        raise CommandError(316, f"{cls.label(name)}: {attribute}: {error}") from None
    return declared.type.show(value)


def _replace_part(document: Document, cls: str, name: str, part: str, value: object) -> None:
    """Make a scope's ranges or reservations, or a policy's options, what ``value`` says; None = none."""
    content = config.write_object(document, cls, name)
    content.pop(part, None)
    label = f"{cls} {name}: {part}"
    match part, value:
        case _, None:
            return
        case "ranges", list():
            for pair in value:
                match pair:
                    case [str(lo), str(hi)]:
                        add_range(document, name, lo, hi)
                    case _:
                        raise CommandError(316, f'{label}: write [["192.168.50.10", "192.168.50.200"], ...]')
        case "reservations", list():
            for entry in value:
                match entry:
                    case {"address": str(address), "key": str(key)}:
                        add_reservation(document, name, address, key)
                    case _:
                        raise CommandError(316, f'{label}: write [{{"address": ..., "key": ...}}, ...]')
        case "options", dict():
            for option, text in value.items():
                set_option(document, name, option, str(text))
        case _:
            raise CommandError(316, f"{label}: this is not the form that GET shows")
