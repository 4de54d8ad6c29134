"""Forms out of declared attributes: what to show in each field, and what was written in them, with errors beside.

A field of an unset attribute is empty and shows the default; emptying a field unsets its attribute. Knows the types of
values, but no particular attribute. Source: SYSTEM S2.1, S2.4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tandem.base.errors import CommandError
from tandem.base.units import format_duration
from tandem.cluster.names import with_addresses
from tandem.config.attribute import Attribute, ObjectClass
from tandem.config.dates import Clock
from tandem.config.policy_types import OptionNames
from tandem.config.templates import EXPRESSIONS
from tandem.config.types import Bool, Enum, Flags, Reference, Secret, String, Tags, Time
from tandem.control.web.visit import Form
from tandem.control.web.words import on_pages

_TAGS = "Words, with commas between them."
CHOSEN = ".chosen"
"""After the name of a list of flags: the field that says whether they were chosen or the default counts."""
REMOVE = ".remove"
"""After the name of a secret: the box that says it is to be removed."""


@dataclass(slots=True)
class Field:
    """One attribute in a form."""

    attribute: Attribute
    label: str
    kind: str
    """text, switch, choice, flags or secret"""
    text: str
    """What is set, as text; "" when nothing is."""
    default: str
    choices: list[str] = field(default_factory=list)
    error: str = ""

    @property
    def name(self) -> str:
        """The attribute's name, and the field's."""
        return self.attribute.name

    @property
    def tried(self) -> bool:
        """Whether what is written is tried out while it is written (``pages.template_preview``)."""
        return self.name in EXPRESSIONS

    @property
    def chosen(self) -> list[str]:
        """The flags that are set."""
        return [word for word in self.text.split(",") if word and word != "none"]

    @property
    def hint(self) -> str:
        """What may be written, in a few words."""
        match self.attribute.type:
            case Time(lo=lo, hi=hi):
                return f"Seconds, or a mix such as 1d12h; {format_duration(lo)} to {format_duration(hi)}."
            case String() | Tags() if self.kind == "text":
                return _TAGS if isinstance(self.attribute.type, Tags) else ""
            case kind if self.kind == "text":
                return sentence(kind.allowed)
        return ""


Names = Callable[[str], list[str]]
"""Returns the names of the objects of a class."""
Show = Callable[[Attribute, Any], str]
"""Returns the text of a value."""


def fields(
    cls: ObjectClass, content: Mapping[str, Any], show: Show, names: Names, *, expert: bool
) -> list[Field]:
    """Return the fields that show an object's ``content`` (stored form). Expert ones only to experts, or when set."""
    made = []
    for attribute in cls.attributes:
        if attribute.expert and not expert and attribute.name not in content:
            continue
        stored = content.get(attribute.name)
        default = "" if attribute.default is None else show(attribute, attribute.default)
        text = "" if stored is None else show(attribute, stored)
        kind, choices = _kind(attribute, names)
        if kind == "secret":
            text = "set" if attribute.name in content else ""
        made.append(Field(attribute, label_of(attribute.name), kind, text, default, choices))
    return made


def _kind(attribute: Attribute, names: Names) -> tuple[str, list[str]]:
    match attribute.type:
        case Bool():
            return "switch", ["on", "off"]
        case Enum(names=words):
            return "choice", list(words)
        case Flags(names=words):
            return "flags", list(words)
        case Secret():
            return "secret", []
        case Reference(cls=cls):
            return "choice", names(cls)
        case _:
            return "text", []


_SHORT = {"failover": "Failover Setting", "main": "Main Cluster", "backup": "Backup Cluster",
          "ranges-expr": "Ranges Expression", "options-expr": "Options Expression"}  # fmt: skip
_WORDS = {"dhcp": "DHCP", "dns": "DNS", "bootp": "BOOTP", "id": "ID", "ip": "IP", "ldap": "LDAP", "vpn": "VPN",
          "pct": "Percentage", "tsig": "TSIG", "siaddr": "siaddr", "tls": "TLS",
          "mac": "MAC", "ipaddr": "Address", "scp": "SCP", "addr": "Address", "v4": "v4"}  # fmt: skip


def label_of(name: str) -> str:
    """Return what a form calls an attribute: ``failover-main-server`` is the Main Server, as the chapter has it."""
    if name in _SHORT:
        return _SHORT[name]
    return " ".join(_WORDS.get(word, word.capitalize()) for word in name.removeprefix("failover-").split("-"))


@dataclass(slots=True)
class Group:
    """Fields under one heading."""

    title: str
    fields: list[Field]


def grouped(fields: Sequence[Field]) -> list[Group]:
    """Return the fields under headings, those about failover apart."""
    groups: dict[str, list[Field]] = {}
    for one in fields:
        groups.setdefault("Failover" if one.name.startswith("failover") else "Settings", []).append(one)
    return [Group(title, found) for title, found in groups.items()]


async def look_up(cls: ObjectClass, form: Form, fields: Sequence[Field]) -> dict[str, str]:
    """Put addresses in the place of the host names that were written; return what is wrong, by field."""
    wrong = {}
    for name in [one.name for one in fields if form[one.name]]:
        try:
            address = (await with_addresses(cls, {name: form[name]}))[name]
            if address != form[name]:
                form.put(name, address)
        except CommandError as refused:
            wrong[name] = sentence(refused.text.removeprefix(f"{name}: "))
    return wrong


def take(
    form: Form, fields: Sequence[Field], clock: Clock, options: Callable[[str], str] = str
) -> dict[str, Any]:
    """Put what was written into ``fields``, with errors; return what differs from what they had, None = unset.

    ``options`` puts numbers in the place of the names of options that are defined here.
    """
    changes: dict[str, Any] = {}
    for one in fields:
        attribute, name = one.attribute, one.attribute.name
        if name not in form and name + CHOSEN not in form:
            continue
        if one.kind == "secret":
            if form.raw(name):
                changes[name] = form.raw(name)
            elif form[name + REMOVE] and one.text:
                changes[name] = None
            continue
        if one.kind == "flags":
            text = ",".join(form.all(name)) or "none"
            text = text if form[name + CHOSEN] else ""
        else:
            text = form[name]
        before, one.text = one.text, text
        if text == before:
            continue
        if not text:
            if attribute.required:
                one.error = "This is required."
            else:
                changes[name] = None
            continue
        try:
            text = options(text) if isinstance(attribute.type, OptionNames) else text
            changes[name] = attribute.type.parse(text, clock)
        except ValueError as error:
            one.error = sentence(str(error))
    return changes


def plain(text: str) -> str:
    """Return a stored value, given as JSON text, as an operator reads it."""
    return _plain(msgspec.json.decode(text))


def _plain(value: Any) -> str:
    match value:
        case bool():
            return "on" if value else "off"
        case {"address": address, "key": key}:
            return f"{address} for {key}"
        case dict():
            return ", ".join(f"{key}: {_plain(one)}" for key, one in value.items())
        case [str(), str()] if all(part[:1].isdigit() and part.count(".") == 3 for part in value):
            return " – ".join(value)
        case list():
            return ", ".join(_plain(one) for one in value) or "none"
        case _:
            return str(value)


def sentence(text: str) -> str:
    """Return ``text`` as a sentence, in the words of pages."""
    text = on_pages(text)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")


def blame(fields: Sequence[Field], text: str) -> str:
    """Put a refusal (``scope x: policy: why``) beside the field that it is about; return "" or what is left of it."""
    for one in sorted(fields, key=lambda one: -len(one.name)):
        before, colon, why = text.partition(f": {one.name}: ")
        if not colon:
            before, colon, why = text.partition(f": {one.name} = ")
        if colon and ": " not in before:
            one.error = sentence(why)
            return ""
    return text
