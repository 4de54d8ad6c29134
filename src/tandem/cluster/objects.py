"""The commands that all classes of objects have, and the same for REST: create, delete, list, get, set, and so on.

They derive from ``config``'s declarations: a class that is declared there has these commands here. Does not know
any particular class.

Source: reference "commands and attributes" section 1.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from tandem.base.errors import CommandError
from tandem.cluster.accounts import hash_password, keeping_a_superuser
from tandem.cluster.answer import Answer, Item
from tandem.cluster.database import Draft, encode
from tandem.cluster.filters import parse
from tandem.cluster.manager import Manager
from tandem.cluster.names import with_addresses
from tandem.cluster.registry import NAME, REGISTRY, Argument, Command, Login, Request, Session
from tandem.config import document as config
from tandem.config.access import ADMIN, DHCP_ADMIN, READ_ONLY, SUPERUSER, Password
from tandem.config.attribute import ObjectClass
from tandem.config.document import Document
from tandem.config.pairs import PAIR, Pair, named_pairs
from tandem.config.places import home, tidy
from tandem.config.policies import set_option, set_vendor_option
from tandem.config.schema import CLASSES
from tandem.config.schema_clients import EMBEDDED
from tandem.config.scopes import add_range, add_reservation
from tandem.config.types import Bool, Secret


def edit_role(cls: ObjectClass) -> str:
    """Return the role that edits objects of a class."""
    return SUPERUSER if cls is ADMIN else DHCP_ADMIN


def read_role(cls: ObjectClass) -> str:
    """Return the role that sees objects of a class."""
    return SUPERUSER if cls is ADMIN else READ_ONLY


def item(manager: Manager, session: Session, cls: str, name: str) -> Item:
    """Return an object as it is shown: what is set, and defaults marked as such for people."""
    document, declared = manager.database.document, config.class_of(cls)
    shown = {}
    for attribute, text in config.show(document, cls, name, session.clock()).items():
        own = config.is_set(document, cls, name, attribute)
        if own or not declared.by_name[attribute].expert or session.expert:
            shown[attribute] = text if own or session.default_format == "script" else f"[default={text}]"
    return Item(name or cls, shown)


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


def _hashed(cls: ObjectClass, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
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
        attribute, document = request.values["attribute"], manager.database.document
        config.get(document, cls.name, request.name, attribute)
        text = config.show(document, cls.name, request.name, request.session.clock()).get(attribute, "")
        return Answer(lines=[f"{attribute}={text}"])

    async def set_(manager: Manager, request: Request) -> Answer:
        pairs = _hashed(cls, request.name, await with_addresses(cls, assignments(request)))

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
        pairs = _hashed(cls, request.name, texts)
        given = list(_hashed(cls, request.name, dict(zip(cls.create, words[:split], strict=False))).values())
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
        names = filtered(manager, request)
        return Answer([item(manager, request.session, cls.name, name) for name in names])

    async def names(manager: Manager, request: Request) -> Answer:
        return Answer(lines=filtered(manager, request))

    def filtered(manager: Manager, request: Request) -> list[str]:
        document, clock = manager.database.document, request.session.clock()
        wanted = request.values.get("filter", "")
        names = config.list_names(document, cls.name)
        if not wanted:
            return names
        test = parse(cls, wanted)
        return [name for name in names if test(name, config.show(document, cls.name, name, clock))]

    async def brief(manager: Manager, request: Request) -> Answer:
        document = manager.database.document
        rows = []
        for name in filtered(manager, request):
            texts = config.show(document, cls.name, name, request.session.clock())
            rows.append([name, *(texts.get(attribute, "") for attribute in cls.create)])
        return Answer(lines=table(rows))

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


# --- the same for REST, in stored form ------------------------------------------------------------------


def stored(manager: Manager, cls: str, name: str) -> dict[str, Any]:
    """Return what is set on an object, as JSON, without secrets. Raises CommandError 302."""
    by_name = config.class_of(cls).by_name
    content = config.read_object(manager.database.document, cls, name)
    return {k: v for k, v in content.items() if k not in by_name or not isinstance(by_name[k].type, Secret)}


def names(manager: Manager, cls: str) -> list[str]:
    """Return the names of the objects of a class."""
    return config.list_names(manager.database.document, cls)


def merge(
    manager: Manager, login: Login, cls: str, name: str, values: dict[str, Any], match: str | None
) -> dict[str, Any]:
    """Set what ``values`` gives (in stored form), unset what it gives as None; return the object."""
    check_version(manager, cls, name, match)
    values = _hashed(config.class_of(cls), name, values)

    def change(document: Document) -> None:
        config.read_object(document, cls, name)
        apply(document, cls, name, values)

    edit(manager, Request(login, Session(), name), cls, change)
    return stored(manager, cls, name)


def replace(
    manager: Manager, login: Login, cls: str, name: str, values: dict[str, Any], match: str | None
) -> dict[str, Any]:
    """Make an object exactly what ``values`` says, creating it where it does not exist; return it."""
    declared = config.class_of(cls)
    if declared.embedded_in or declared.stored_name(name) in config.list_names(manager.database.document, cls):
        check_version(manager, cls, name, match)
    values = _hashed(config.class_of(cls), name, values)
    edit(manager, Request(login, Session(), name), cls, lambda d: make(d, cls, name, values))
    return stored(manager, cls, name)


def make(document: Document, cls: str, name: str, values: dict[str, Any]) -> None:
    """Make an object what ``values`` says in stored form, whether it exists or not. Raises CommandError."""
    declared = config.class_of(cls)
    name = declared.stored_name(name)
    first = [a.name for a in declared.attributes if a.read_only or a.required]
    given = {name: value for name, value in values.items() if name in first}
    if declared.element_of or declared.embedded_in:
        if name in config.list_names(document, cls):
            config.delete_object(document, cls, name)
    else:
        document.get(cls, {}).pop(name, None)
    if name not in declared.builtin and not declared.embedded_in:
        texts = {a: _text(declared, name, a, value) for a, value in given.items()}
        config.create_object(document, cls, name, (), texts)
    apply(document, cls, name, {a: v for a, v in values.items() if a not in given})


def remove(manager: Manager, login: Login, cls: str, name: str, match: str | None) -> None:
    """Delete an object. Raises CommandError 302, 320, Stale."""
    check_version(manager, cls, name, match)
    edit(manager, Request(login, Session(), name), cls, lambda d: config.delete_object(d, cls, name))


class Stale(CommandError):
    """The object is not as the editor saw it, or the editor did not say how that was."""

    def __init__(self, label: str, match: str | None) -> None:
        wrong = "say with If-Match which version you change" if match is None else "it was changed meanwhile"
        super().__init__(
            387, f"{label}: {wrong}: read it again, and send its ETag as If-Match (or * to overwrite whatever it is)"
        )
        self._http_status = 428 if match is None else 412

    @property
    def http_status(self) -> int:
        """428 where a version is required, 412 where it is an old one."""
        return self._http_status


def version(manager: Manager, cls: str, name: str) -> str:
    """Return what changes whenever the object does, secrets included, quoted as an ETag. Raises CommandError 302."""
    content = config.read_object(manager.database.document, cls, name)
    return f'"{hashlib.sha256(encode(content).encode()).hexdigest()[:16]}"'


def check_version(manager: Manager, cls: str, name: str, match: str | None) -> None:
    """Return when ``match`` names the object's present version, or is ``*``. Raises CommandError 302, Stale."""
    present = version(manager, cls, name)
    if match is None or (match.strip() != "*" and present not in [one.strip() for one in match.split(",")]):
        raise Stale(config.class_of(cls).label(name), match)


def apply(document: Document, cls: str, name: str, values: dict[str, Any]) -> None:
    for attribute, value in values.items():
        if attribute in config.class_of(cls).parts:
            replace_part(document, cls, name, attribute, value)
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


def replace_part(document: Document, cls: str, name: str, part: str, value: object) -> None:
    """Make a part of an object (ranges, reservations, options, embedded policy) what ``value`` says; None = none."""
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
                    case {"address": str(address), "key": str(key), **more}:
                        add_reservation(document, name, address, key)
                        apply(document, "reservation", address, {str(k): v for k, v in more.items()})
                    case _:
                        raise CommandError(316, f'{label}: write [{{"address": ..., "key": ...}}, ...]')
        case "options", dict():
            for option, text in value.items():
                set_option(document, name, option, str(text), cls)
        case "vendor-options", dict():
            for option_set, options in value.items():
                match options:
                    case dict():
                        for option, text in options.items():
                            set_vendor_option(document, name, option, option_set, str(text), cls)
                    case _:
                        raise CommandError(316, f'{label}: write {{"option-set": {{"option": "value"}}}}')
        case _, dict() if part == EMBEDDED:
            content[EMBEDDED] = {}
            apply(document, f"{cls}-policy", name, value)
            tidy(document, f"{cls}-policy", name)
        case _:
            raise CommandError(316, f"{label}: this is not the form that GET shows")
