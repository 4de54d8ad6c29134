"""List, add, edit and delete objects: pages for every declared class, made from its declaration.

A class that is declared in ``config.schema`` has its pages here without further work; ``_LOOKS`` only gives the words
that the failover chapter has for some of them. Source: failover chapter; SYSTEM S2.1, S7.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import Response

from tandem.base.errors import CommandError
from tandem.cluster.database import encode
from tandem.cluster.objects import edit_role, effect_of, read_role
from tandem.cluster.registry import NAME
from tandem.cluster.stored import Stale
from tandem.config.attribute import ObjectClass
from tandem.config.dates import Clock
from tandem.config.schema import CLASSES, EMBEDDED_IN, SCOPE, SCOPE_TEMPLATE
from tandem.config.types import Secret
from tandem.control.web import forms, parts
from tandem.control.web.forms import Field
from tandem.control.web.listing import Column, Listing
from tandem.control.web.navigation import Entry, Pages, command_of
from tandem.control.web.visit import Visit

PAGES = Pages()
_COLUMNS_MAX = 5


@dataclass(frozen=True, slots=True)
class Look:
    """The words that a class has on its pages."""

    cls: ObjectClass
    one: str
    """As in "Edit DHCP Scope"."""
    many: str
    """As in the navigation bar."""
    bar: str = "DHCP"
    columns: tuple[str, ...] = ()
    """Attributes to show in the list."""

    @property
    def path(self) -> str:
        """Address of the list."""
        return f"/dhcp/{self.cls.name}" if self.bar == "DHCP" else f"/{self.bar.lower()}"

    @property
    def title(self) -> str:
        """Name of the list page."""
        return f"List/Add {self.prefix}{self.many}"

    @property
    def prefix(self) -> str:
        """What stands before its name in titles."""
        return "DHCP " if self.bar == "DHCP" else ""

    def edit(self, name: str) -> str:
        """Return the address of the edit page of an object."""
        return f"{self.path}/edit?{urlencode({'name': name})}"


_WORDS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "scope": ("Scope", "Scopes", "DHCP", ("addr", "mask", "policy", "failover")),
    "policy": ("Policy", "Policies", "DHCP", ("grace-period", "offer-timeout", "permanent-leases")),
    "client-class": ("Client-Class", "Client-Classes", "DHCP",
                     ("selection-criteria", "selection-criteria-excluded", "policy-name")),
    "admin": ("Administrator", "Administrators", "Administrators", ("full-name", "roles")),
    "cluster": ("Cluster", "Clusters", "Clusters", ()),
    "option": ("Option", "Options", "DHCP", ()),
    "reservation": ("Reservation", "Reservations", "DHCP", ("key", "policy")),
    "scope-template": ("Scope Template", "Scope Templates", "DHCP", ("scope-name", "ranges-expr", "options-expr")),
    "client": ("Client", "Clients", "DHCP", ("client-class-name", "policy-name", "selection-criteria", "host-name")),
    "failover-pair": ("Failover Pair", "Failover", "DHCP", ()),
}


_FOR = {
    "scope": "Clients get addresses only in scopes: a subnet, then ranges on the page that opens, then a reload.",
    "scope-template": "A template gives new scopes their name, ranges, options and attributes.",
    "client": "Only clients that are to be treated differently from others need an entry.",
    "client-class": "A class gives its clients a policy, and scopes by their selection tags.",
    "reservation": "An address that is reserved is only ever given to its client.",
    "option": "The standard options need no entry: they are set on policies.",
    "option-set": "A vendor whose clients get options of its own has a set of them.",
    "vendor-option": "The options of a vendor belong to its option set.",
    "cluster": "Another cluster is entered once here, and failover pairs can then choose it.",
}
"""What an empty list says that such objects are for."""


def _look(cls: ObjectClass) -> Look:
    words = _WORDS.get(cls.name)
    if words:
        return Look(cls, *words)
    one = forms.label_of(cls.name)
    return Look(cls, one, one + "s")


LOOKS = {name: _look(cls) for name, cls in CLASSES.items() if not cls.singleton and not cls.embedded_in}
OWN_PAGES = {"failover-pair"}
"""Classes with pages of their own elsewhere."""


# --- list and add -----------------------------------------------------------------------------------------


def _listing(visit: Visit, look: Look) -> Listing:
    cls = look.cls
    plain = [a.name for a in cls.attributes if not a.expert and not isinstance(a.type, Secret)]
    shown = look.columns or tuple(plain[:_COLUMNS_MAX])
    columns = [Column("name", name_label(cls), link="edit"), *(Column(a, forms.label_of(a)) for a in shown)]
    if cls.element_of:
        columns.append(Column("within", LOOKS[cls.element_of].one))
    if "ranges" in cls.parts:
        columns.append(Column("ranges", "Ranges"))
    if "options" in cls.parts:
        columns.append(Column("options", "Options Set", numeric=True))
    clock, homes = visit.session.clock(), visit.owners(cls.name)
    found = [_Row(cls, name, content, homes.get(name, ""), clock) for name, content in visit.listed(cls.name)]
    words = visit.query.get("q", "").casefold().split()
    if words:
        texts = [f"{one.name} {one.home} {encode(one.content)}".casefold() for one in found]
        found = [one for one, text in zip(found, texts, strict=True) if all(word in text for word in words)]
    by = visit.query.get("sort", "name").removeprefix("-")
    rows: list[dict[str, Any]] = [{"row": one, by: one.cell(by)} for one in found]
    listing = Listing.of({**visit.query, "q": ""}, look.path, columns, rows, "name", noun=look.many.lower())
    listing.search = visit.query.get("q", "")
    listing.empty = _nothing(visit, look)
    shown_rows: list[_Row] = [one["row"] for one in listing.rows]
    listing.rows = [
        {column.key: one.cell(column.key) for column in columns} | {"edit": look.edit(one.name)} for one in shown_rows
    ]
    return listing


def _nothing(visit: Visit, look: Look) -> str:
    """Return what the list says when it is empty: what such objects are for, and what comes first."""
    text = f"There are no {look.many.lower()} yet. {_FOR.get(look.cls.name, '')}".rstrip()
    if look.cls.element_of and not visit.names(look.cls.element_of):
        return f"{text} Add a {LOOKS[look.cls.element_of].one.lower()} first, in which it lies."
    return text


@dataclass(frozen=True, slots=True)
class _Row:
    """An object in a list. Its cells are made when they are needed: to sort by one of them, or to show all."""

    cls: ObjectClass
    name: str
    content: Mapping[str, Any]
    home: str
    """Of what it is a part."""
    clock: Clock

    def cell(self, key: str) -> Any:
        """Return what stands in a column."""
        match key:
            case "name":
                return self.name
            case "within":
                return self.home
            case "ranges":
                return ", ".join(f"{lo} – {hi}" for lo, hi in self.content.get("ranges", ()))
            case "options":
                return len(self.content.get("options", ()))
        declared = self.cls.by_name.get(key)
        value = self.content.get(key, declared.default) if declared else None
        return "" if value is None or declared is None else declared.type.show(value, self.clock)


def name_label(cls: ObjectClass) -> str:
    """Return what the name of an object of a class is called."""
    if cls.element_of:
        return forms.label_of(cls.attributes[0].name)
    return "Name" if cls.names is None else forms.label_of(cls.name)


def _needed(visit: Visit, cls: ObjectClass) -> list[Field]:
    """Return the fields that the form to add an object has: what is required, or written after ``create``."""
    every = forms.fields(cls, {}, visit.text, visit.names, expert=True)
    given = cls.attributes[0].name if cls.element_of else ""
    return [one for one in every if (one.attribute.required or one.name in cls.create) and one.name != given]


def _templates(visit: Visit, cls: ObjectClass) -> list[tuple[str, str]]:
    """Return the templates that a new object can be made from, as choices."""
    return [(name, name) for name in visit.names(SCOPE_TEMPLATE.name)] if cls is SCOPE else []


async def _create(visit: Visit, look: Look, name: str, values: dict[str, Any]) -> str:
    """Create an object, a scope from a template if one was chosen; return its name. Raises CommandError."""
    template = visit.form["template"]
    if not template or look.cls is not SCOPE:
        visit.create(look.cls.name, name, values)
        return look.cls.stored_name(name)
    subnet = f"{values['addr']}/{values['mask']}"
    made = await visit.run((SCOPE_TEMPLATE.name, NAME, "apply"), template, subnet=subnet, scope=name)
    return str(made.data["scope"])


def _list_page(visit: Visit, look: Look, name: str, needed: list[Field], error: str, status: int = 200) -> Response:
    return visit.page(
        "objects.html", status=status, title=look.title, look=look, listing=_listing(visit, look), name=name,
        fields=needed, error=error, editor=visit.may(edit_role(look.cls)), name_label=name_label(look.cls),
        name_help=forms.sentence(look.cls.name_form) if look.cls.names else "", templates=_templates(visit, look.cls),
        chosen=visit.form["template"],
    )  # fmt: skip


def _list(look: Look) -> Callable[[Visit], Any]:
    async def page(visit: Visit) -> Response:
        return _list_page(visit, look, "", _needed(visit, look.cls), "")

    return page


def _add(look: Look) -> Callable[[Visit], Any]:
    async def add(visit: Visit) -> Response:
        name, needed = visit.form["name"], _needed(visit, look.cls)
        unknown = await forms.look_up(look.cls, visit.form, needed)
        values = forms.take(visit.form, needed, visit.session.clock())
        for field in needed:
            field.error = unknown.get(field.name, field.error)
        error = "" if name or visit.form["template"] else "Write a name."
        for one in needed:
            if one.attribute.required and not one.text and not one.error:
                one.error = "This is required."
        if not error and not any(one.error for one in needed):
            try:
                name = await _create(visit, look, name, values)
            except CommandError as refused:
                error = forms.blame(needed, refused.text)
                error = error.removeprefix(f"{look.cls.label(name)}: ")
            else:
                visit.notice("ok", f"{look.one} {name} was added.")
                return visit.go(look.edit(name))
        return _list_page(visit, look, name, needed, forms.sentence(error) if error else "", 400)

    return add


# --- edit and delete --------------------------------------------------------------------------------------


@dataclass(slots=True)
class Editing:
    """An edit page: an object's fields and parts, and what is wrong with what was written."""

    cls: ObjectClass
    name: str
    content: Mapping[str, Any]
    version: str
    fields: list[Field]
    parts: list[parts.Rows]
    error: str = ""
    meanwhile: list[Mapping[str, str]] | None = None
    """What others changed since the page was made."""

    @property
    def groups(self) -> list[forms.Group]:
        """The fields under headings."""
        return forms.grouped(self.fields)

    @property
    def wrong(self) -> bool:
        """Whether anything is wrong with what was written."""
        return bool(self.error) or any(f.error for f in self.fields) or any(p.errors for p in self.parts)


def read(visit: Visit, cls: ObjectClass, name: str = "") -> Editing:
    """Return an object as its edit page shows it. Raises CommandError 302."""
    content = visit.stored(cls.name, name)
    fields = forms.fields(cls, _with_secrets(visit, cls, name, content), visit.text, visit.names,
                          expert=visit.session.expert)  # fmt: skip
    return Editing(cls, name, content, visit.version(cls.name, name), fields, parts.parts(cls.parts, content))


def _with_secrets(visit: Visit, cls: ObjectClass, name: str, content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ``content`` with a mark in the place of each secret that is set."""
    return {**content, **dict.fromkeys(visit.secrets_set(cls.name, name), "")}


async def write(visit: Visit, editing: Editing) -> bool:
    """Save what the form says; return whether that worked, else ``editing`` tells what is wrong."""
    seen, present = visit.form["version"], editing.version
    editing.version = seen
    unknown = await forms.look_up(editing.cls, visit.form, editing.fields)
    changes = forms.take(visit.form, editing.fields, visit.session.clock(), visit.numbered)
    for one in editing.fields:
        one.error = unknown.get(one.name, one.error)
    for rows in editing.parts:
        value = parts.take(visit.form, rows, editing.content)
        if value != editing.content.get(rows.part):
            changes[rows.part] = value
    if editing.wrong:
        return False
    if not changes and seen == present:
        return True
    try:
        visit.save(editing.cls.name, editing.name, changes, seen)
    except Stale:
        editing.version = present
        editing.meanwhile = (await visit.changes_of(editing.cls.name, editing.name))[:5]
    except CommandError as refused:
        left = forms.blame(editing.fields, refused.text)
        editing.error = forms.sentence(left) if left and parts.blame(editing.parts, left) else ""
    return not editing.wrong and editing.meanwhile is None


def _edit_page(visit: Visit, look: Look, editing: Editing, status: int = 200) -> Response:
    return visit.page(
        "object.html", status=status, title=f"Edit {look.prefix}{look.one} {editing.name}", look=look,
        heading=f"Edit {look.prefix}{look.one}", button=f"Modify {look.one}", editing=editing,
        action=look.edit(editing.name), editor=visit.may(edit_role(look.cls)), back=look.path,
        embedded=_policy_address(look, editing.name) if look.cls.name in EMBEDDED_IN else "",
        crumbs=[(look.many, look.path)], last_crumb=editing.name,
        removable=editing.name not in look.cls.builtin, runs=_runs(visit, look.cls),
        links=[(k.label, k.address + quote(editing.name)) for k in visit.site.links
               if k.cls == look.cls.name and visit.may(k.role)],
    )  # fmt: skip


def _edit(look: Look) -> Callable[[Visit], Any]:
    async def page(visit: Visit) -> Response:
        return _edit_page(visit, look, read(visit, look.cls, visit.query.get("name", "")))

    return page


def _modify(look: Look) -> Callable[[Visit], Any]:
    async def modify(visit: Visit) -> Response:
        name = visit.query.get("name", "")
        editing = read(visit, look.cls, name)
        if await write(visit, editing):
            visit.notice("ok", f"{look.one} {name} was saved.")
            return visit.go(look.path)
        return _edit_page(visit, look, editing, 409 if editing.meanwhile else 400)

    return modify


def _delete(look: Look) -> Callable[[Visit], Any]:
    async def delete(visit: Visit) -> Response:
        name = visit.form["name"]
        try:
            visit.remove(look.cls.name, name, visit.form["version"])
        except CommandError as refused:
            visit.notice("error", forms.sentence(refused.text))
            return visit.go(look.edit(name))
        visit.notice("ok", f"{look.one} {name} was deleted.")
        return visit.go(look.path)

    return delete


# --- embedded policies ------------------------------------------------------------------------------------


def _policy_address(look: Look, name: str) -> str:
    return f"{look.path}/policy?{urlencode({'name': name})}"


def _policy_page(visit: Visit, look: Look, editing: Editing, status: int = 200) -> Response:
    name = editing.name
    return visit.page(
        "object.html", status=status, title=f"Edit {look.prefix}{look.one} Embedded Policy {name}", look=look,
        heading=f"Edit {look.prefix}{look.one} Embedded Policy", button="Modify Embedded Policy", editing=editing,
        action=_policy_address(look, name), editor=visit.may(edit_role(look.cls)), back=look.edit(name),
        embedded="", removable=None, runs=[], links=[], last_crumb="Embedded Policy",
        crumbs=[(look.many, look.path), (name, look.edit(name))],
    )  # fmt: skip


def _policy(look: Look) -> Callable[[Visit], Any]:
    async def page(visit: Visit) -> Response:
        return _policy_page(visit, look, read(visit, EMBEDDED_IN[look.cls.name], visit.query.get("name", "")))

    return page


def _modify_policy(look: Look) -> Callable[[Visit], Any]:
    async def modify(visit: Visit) -> Response:
        editing = read(visit, EMBEDDED_IN[look.cls.name], visit.query.get("name", ""))
        if await write(visit, editing):
            visit.notice("ok", f"The embedded policy of {look.one.lower()} {editing.name} was saved.")
            return visit.go(look.edit(editing.name))
        return _policy_page(visit, look, editing, 409 if editing.meanwhile else 400)

    return modify


PAGES.link("scope", "Reservations", "/dhcp/reservation?q=")

_RUNS = {"admin": ("unlock",)}
"""Commands of objects, without arguments, that have a button on the edit page."""


def _runs(visit: Visit, cls: ObjectClass) -> list[tuple[str, str]]:
    """Return word and help of each command that has a button."""
    words = [word for word in _RUNS.get(cls.name, ()) if visit.can(cls.name, NAME, word)]
    return [(word, command_of((cls.name, NAME, word)).help) for word in words]


def _run(look: Look, word: str) -> Callable[[Visit], Any]:
    async def run(visit: Visit) -> Response:
        name = visit.form["name"]
        try:
            answer = await visit.run((look.cls.name, NAME, word), name)
            visit.notice("ok", "\n".join(answer.lines) or f"{look.one} {name}: {word} is done.")
        except CommandError as refused:
            visit.notice("error", forms.sentence(refused.text))
        return visit.go(look.edit(name))

    return run


def _declare(look: Look) -> None:
    cls = look.cls
    reader, editor, effect = read_role(cls), edit_role(cls), effect_of(cls)
    PAGES.get(look.path, role=reader, entry=Entry(look.bar, look.many))(_list(look))
    PAGES.post(look.path, role=editor, effect=effect)(_add(look))
    PAGES.get(f"{look.path}/edit", role=reader)(_edit(look))
    PAGES.post(f"{look.path}/edit", role=editor, effect=effect)(_modify(look))
    PAGES.post(f"{look.path}/delete", role=editor, effect=effect)(_delete(look))
    if cls.name in EMBEDDED_IN:
        PAGES.get(f"{look.path}/policy", role=reader)(_policy(look))
        PAGES.post(f"{look.path}/policy", role=editor, effect=effect)(_modify_policy(look))
    for word in _RUNS.get(cls.name, ()):
        PAGES.post(f"{look.path}/{word}", command=(cls.name, NAME, word))(_run(look, word))


for _one in LOOKS.values():
    if _one.cls.name not in OWN_PAGES:
        _declare(_one)
