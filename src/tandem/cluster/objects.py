"""The commands that all classes of objects have: create, delete, list, get, set, and so on; for REST: ``stored``.

They derive from ``config``'s declarations: a class that is declared there has these commands here. Does not know
any particular class.

Source: reference "commands and attributes" section 1.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tandem.base.errors import CommandError
from tandem.cluster.accounts import hash_password, keeping_a_superuser
from tandem.cluster.answer import Answer, Item
from tandem.cluster.database import Draft
from tandem.cluster.filters import parse
from tandem.cluster.manager import Manager
from tandem.cluster.names import with_addresses
from tandem.cluster.registry import NAME, REGISTRY, Argument, Command, Request, Session
from tandem.config import document as config
from tandem.config.access import ADMIN, DHCP_ADMIN, READ_ONLY, SUPERUSER, Password
from tandem.config.attribute import ObjectClass
from tandem.config.document import Document
from tandem.config.pairs import PAIR, Pair, named_pairs
from tandem.config.places import home
from tandem.config.schema import CLASSES
from tandem.config.types import Bool, Secret


def edit_role(cls: ObjectClass) -> str:
    """Return the role that edits objects of a class."""
    return SUPERUSER if cls is ADMIN else DHCP_ADMIN


def read_role(cls: ObjectClass) -> str:
    """Return the role that sees objects of a class."""
    return SUPERUSER if cls is ADMIN else READ_ONLY


def item(manager: Manager, session: Session, cls: str, name: str) -> Item:
    """Return an object as it is shown: what is set, and defaults marked as such for people."""
    content = config.read_object(manager.database.document, cls, name)
    return item_of_content(manager.database.document, session, config.class_of(cls), name, content)


def item_of_content(
    document: Document, session: Session, declared: ObjectClass, name: str, content: Mapping[str, Any]
) -> Item:
    """Return the same of an object whose content is known."""
    shown = {}
    for attribute, text in config.shown(document, declared, content, session.clock()).items():
        own = attribute in content
        if own or not declared.by_name[attribute].expert or session.expert:
            shown[attribute] = text if own or session.default_format != "user" else f"[default={text}]"
    return Item(name or declared.name, shown)


def edit(
    manager: Manager, request: Request, cls: str, change: Callable[[Document], None], undoes: int | None = None
) -> None:
    """Change one object in the configuration database, taking back change set ``undoes``. Raises CommandError."""
    if cls == ADMIN.name:
        change = keeping_a_superuser(change)

    section, name = home(manager.database.document, cls, request.name)

    def on_draft(draft: Draft) -> None:
        draft.open(section, name)
        change(draft.document)

    edit_many(manager, request, on_draft, undoes)


def edit_many(
    manager: Manager, request: Request, change: Callable[[Draft], None], undoes: int | None = None, why: str = ""
) -> int | None:
    """Change objects as one change set, and make the failover pairs that they name; return its number, if any."""
    named = named_pairs(manager.database.document)

    def with_pairs(draft: Draft) -> None:
        change(draft)
        follow_pairs(draft, named)

    return manager.database.edit_many(
        request.who, with_pairs, lambda cls: secrets_of(config.class_of(cls)), undoes, why
    )[1]


def follow_pairs(draft: Draft, before: list[Pair]) -> None:
    """Make a pair object for each pair that is named now; let go those named no more on which nothing was set."""
    after, pairs = named_pairs(draft.document), draft.document.get(PAIR.name, {})
    for pair in after:
        servers = {"main-server": pair.main, "backup-server": pair.backup}
        if pair not in before and not any(servers.items() <= made.items() for made in pairs.values()):
            draft.open(PAIR.name, pair.name)
            draft.document[PAIR.name][pair.name] = servers
    for pair in before:
        untouched = {"main-server": pair.main, "backup-server": pair.backup}
        if pair not in after and draft.document.get(PAIR.name, {}).get(pair.name) == untouched:
            draft.open(PAIR.name, pair.name)
            del draft.document[PAIR.name][pair.name]


def secrets_of(cls: ObjectClass) -> frozenset[str]:
    """Return the names of the attributes whose values are never shown."""
    return frozenset(a.name for a in cls.attributes if isinstance(a.type, Secret))


def hashed(cls: ObjectClass, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` with the hashes of passwords in their places. Raises CommandError 316."""
    kinds = {a.name: a.type for a in cls.attributes}
    return {
        a: hash_password(name, value) if isinstance(kinds.get(a), Password) and isinstance(value, str) else value
        for a, value in values.items()
    }


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
    some = "dhcp" if cls.singleton else f"{cls.name} {example_name(cls)}"
    first = next(a.name for a in cls.attributes if not a.required and not isinstance(a.type, Password))
    example_set = _EXAMPLE_SETS["policy" if cls.embedded_in else cls.name]
    boolean = next((a.name for a in cls.attributes if isinstance(a.type, Bool)), None)

    async def show(manager: Manager, request: Request) -> Answer:
        return Answer([item(manager, request.session, cls.name, request.name)])

    async def get(manager: Manager, request: Request) -> Answer:
        content = config.read_object(manager.database.document, cls.name, request.name)
        attribute = config.attribute_of(cls, request.name, request.values["attribute"]).name
        text = config.shown(manager.database.document, cls, content, request.session.clock()).get(attribute, "")
        return Answer(lines=[f"{attribute}={text}"])

    async def set_(manager: Manager, request: Request) -> Answer:
        pairs = hashed(cls, request.name, await with_addresses(cls, assignments(request)))

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
        one = "/".join(["", cls.name, *([] if cls.singleton else ["{name}"])])
        return Command(
            (*prefix, *words), help, f"{some} {example}".strip(), run, arguments,
            role=edit_role(cls) if write else read_role(cls), effect=effect_of(cls) if write else "none",
            route=f"{'PATCH' if write else 'GET'} {one}",
        )  # fmt: skip

    return [
        command(run=show, help="Show all attributes.", example=""),
        command("show", run=show, help="Show all attributes.", example="show"),
        command("get", run=get, help="Show one attribute.", example=f"get {first}", takes=one),
        command("set", run=set_, help="Set attributes.", example=f"set {example_set}", takes=pairs),
        command(
            "unset", run=unset, help="Return attributes to their defaults.", example=f"unset {first}", takes=several
        ),
        *([] if boolean is None else [
            command("enable", run=enable, help="Switch an attribute on.", example=f"enable {boolean}", takes=switch),
            command("disable", run=disable, help="Switch an attribute off.", example=f"disable {boolean}",
                    takes=switch),
        ]),
        *([] if cls.singleton else _collection_commands(cls)),
    ]  # fmt: skip


def effect_of(cls: ObjectClass) -> str:
    """Return the effect of editing objects of a class."""
    return "access" if cls is ADMIN else "configuration"


def filtered(manager: Manager, cls: ObjectClass, wanted: str, session: Session) -> list[tuple[str, Mapping[str, Any]]]:
    """Return name and content of the objects of a class that fit a filter, all for "". Raises CommandError 308, 316."""
    document, clock = manager.database.document, session.clock()
    found = config.listed(document, cls.name)
    if not wanted:
        return found
    test = parse(cls, wanted)
    return [(name, content) for name, content in found if test(name, config.shown(document, cls, content, clock))]


_EXAMPLE_NAMES = {
    "scope": "examplescope", "policy": "default", "client": "1,6,00:d0:ba:d3:bd:3b", "client-class": "exampleclass",
    "reservation": "192.168.50.9", "option": "exampleoption", "option-set": "exampleset",
    "vendor-option": "examplevendoroption", "scope-template": "exampletemplate",
}  # fmt: skip
_EXAMPLE_SETS = {
    "dhcp": "failover-main-server=192.168.50.2", "scope": "policy=default", "policy": "grace-period=10m",
    "client": "client-class-name=exampleclass", "client-class": "selection-criteria=red",
    "scope-template": "'ranges-expr=(create-range 2 100)'", "option": "type=ips",
    "option-set": "vendor-option-string=examplevendor", "vendor-option": "type=ip", "reservation": "policy=default",
    "admin": "roles=failover-operator", "failover-pair": "remote-username=admin", "cluster": "admin=admin",
}  # fmt: skip
_EXAMPLE_ARGUMENTS = {
    "id": "224", "type": "ip", "option-set": "exampleset",
    "addr": "192.168.50.0", "mask": "255.255.255.0", "key": "1,6,00:d0:ba:d3:bd:3b",
    "main-server": "192.168.50.2", "backup-server": "192.168.60.2", "ipaddr": "192.168.60.2",
}  # fmt: skip


def example_name(cls: ObjectClass) -> str:
    """Return the name of an object of a class in examples."""
    return _EXAMPLE_NAMES.get(cls.embedded_in or cls.name, "example")


def _collection_commands(cls: ObjectClass) -> list[Command]:
    """Return the commands that make, delete and list objects of a class."""

    async def create(manager: Manager, request: Request) -> Answer:
        words = request.words
        split = next((i for i, word in enumerate(words) if "=" in word), len(words))
        texts, clock = await with_addresses(cls, _pairs(words[split:])), request.session.clock()
        pairs = hashed(cls, request.name, texts)
        given = list(hashed(cls, request.name, dict(zip(cls.create, words[:split], strict=False))).values())
        given += words[len(given) : split]
        edit(
            manager,
            request,
            cls.name,
            lambda d: config.create_object(d, cls.name, request.name, given, pairs, clock),
        )
        return Answer([item(manager, request.session, cls.name, request.name)])

    async def delete(manager: Manager, request: Request) -> Answer:
        edit(manager, request, cls.name, lambda d: config.delete_object(d, cls.name, request.name))
        return Answer()

    async def every(manager: Manager, request: Request) -> Answer:
        found = filtered(manager, cls, request.values.get("filter", ""), request.session)
        document = manager.database.document
        return Answer([item_of_content(document, request.session, cls, name, content) for name, content in found])

    async def names(manager: Manager, request: Request) -> Answer:
        found = filtered(manager, cls, request.values.get("filter", ""), request.session)
        return Answer(lines=[name for name, _ in found])

    async def brief(manager: Manager, request: Request) -> Answer:
        items = []
        for name, content in filtered(manager, cls, request.values.get("filter", ""), request.session):
            texts = config.shown(manager.database.document, cls, content, request.session.clock())
            items.append(Item(name, {attribute: texts.get(attribute, "") for attribute in cls.create}))
        return Answer(items, table([[one.name, *one.attributes.values()] for one in items]))

    required = [a for a in cls.create if cls.by_name[a].required]
    needed = " ".join(_EXAMPLE_ARGUMENTS[a] for a in required)
    conditions = "conditions: policy=default & name=lab*; | or, ! not, != unlike, ( )"
    which = Argument("filter", conditions, optional=True, many=True)
    takes = Argument("values", " ".join([*cls.create, "attribute=value ..."]), optional=not required, many=True)
    fresh = f"{cls.name} {_NEW_NAMES.get(cls.name) or example_name(cls)}"

    def command(*words: str, run: Any, help: str, example: str, write: str = "") -> Command:
        path = f"/{cls.name}/{{name}}" if write else f"/{cls.name}"
        return Command(
            (cls.name, *words), help, example.strip(), run, {"PUT": (takes,), "": (which,)}.get(write, ()),
            role=edit_role(cls) if write else read_role(cls), effect=effect_of(cls) if write else "none",
            route=f"{write or 'GET'} {path}",
        )  # fmt: skip

    make = command(NAME, "create", run=create, help=f"Create a {cls.name}.", example=f"{fresh} create {needed}",
                   write="PUT")
    return [
        *([] if cls.embedded_in else [make]),
        command(NAME, "delete", run=delete, help=f"Delete a {cls.name}.", example=f"{fresh} delete", write="DELETE"),
        command("list", run=every, help="Show all, with their attributes.", example=f"{cls.name} list"),
        command("listnames", run=names, help="Show all names.", example=f"{cls.name} listnames"),
        command("listbrief", run=brief, help="Show all, one a line.", example=f"{cls.name} listbrief"),
    ]  # fmt: skip


_NEW_NAMES = {"policy": "examplepolicy"}


def table(rows: list[list[str]]) -> list[str]:
    """Return rows of text as lines with aligned columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def attribute_help(command: Command) -> list[str]:
    """Return a line about each attribute that ``command`` may be given; nothing for other commands."""
    cls = CLASSES.get(command.path[0])
    if cls is None or not command.route or not command.arguments:
        return []
    fits = [a for a in cls.attributes if command.path[-1] not in ("enable", "disable") or isinstance(a.type, Bool)]
    rows = []
    for attribute in fits:
        default = "" if attribute.default is None else f" (default {attribute.type.show(attribute.default)})"
        rows.append([f"    {attribute.name}", attribute.type.word, attribute.help + default])
    return ["", *table(rows)]


for _cls in CLASSES.values():
    REGISTRY.add(*_commands_of(_cls))
