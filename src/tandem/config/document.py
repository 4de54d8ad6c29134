"""The configuration document as it is edited: objects and their attributes, checked when they are set.

A document is plain JSON: ``{"dhcp": {attr: value}, "scope": {name: {attr: value, ...}}, "policy": {name: ...}}``.
It holds what was set, in stored form, and nothing else; what is not there has its default (SYSTEM S2.4).
Functions change the document in place, and not at all when they raise CommandError. Scope's and policy's own
parts (ranges, reservations, options) are in ``config.scopes`` and ``config.policies``.

Does not know what spans objects, which only counts when the server loads them (``config.compile``), nor where
a document is kept. Source: SYSTEM S2; reference "commands and attributes" sections 1.2 to 1.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from tandem.base.errors import CommandError
from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.config.attribute import Attribute, ObjectClass
from tandem.config.dates import EPOCH, Clock
from tandem.config.definitions import with_names, with_numbers, wrong_definition
from tandem.config.network_types import ClientKey
from tandem.config.places import Document, class_of, contents, find, list_names, listed, read_object, tidy, write_object
from tandem.config.policy_types import OptionNames
from tandem.config.reservations import insert
from tandem.config.schema import CLASSES, SCOPE
from tandem.config.schema_clients import EMBEDDED
from tandem.config.schema_options import OPTION, OPTION_SET, VENDOR_OPTION
from tandem.config.types import Bool, Reference, quote

__all__ = ["Document", "class_of", "list_names", "listed", "read_object", "write_object"]


def attribute_of(cls: ObjectClass, name: str, attribute: str) -> Attribute:
    """Return the declaration of an attribute of an object. Raises CommandError 308, with the likeliest meant."""
    try:
        return cls.by_name[cls.also_called.get(attribute, attribute)]
    except KeyError:
        near = get_close_matches(attribute, cls.by_name, 1)
        hint = f"did you mean {near[0]}?" if near else f"write one of {', '.join(cls.by_name)}"
        raise CommandError(308, f"{cls.label(name)} has no attribute {quote(attribute)}; {hint}") from None


def get(document: Document, cls: str, name: str, attribute: str) -> Any:
    """Return the stored form of an attribute: what was set, else its default, else None.

    Raises CommandError 302, 308.
    """
    content = read_object(document, cls, name)
    declared = attribute_of(class_of(cls), name, attribute)
    return content.get(declared.name, declared.default)


def show(document: Document, cls: str, name: str = "", clock: Clock = EPOCH) -> dict[str, str]:
    """Return the text of each attribute of an object that has a value, set or default, as declared in order.

    Raises CommandError 302.
    """
    return shown(document, class_of(cls), read_object(document, cls, name), clock)


def shown(document: Document, cls: ObjectClass, content: Mapping[str, Any], clock: Clock = EPOCH) -> dict[str, str]:
    """Return the same of an object's content."""
    texts = {}
    for declared in cls.attributes:
        value = content.get(declared.name, declared.default)
        if value is not None:
            texts[declared.name] = text_of(document, declared, value, clock)
    return texts


def text_of(document: Document, declared: Attribute, value: Any, clock: Clock = EPOCH) -> str:
    """Return a value as text: with the names of options that are defined in the document."""
    text = declared.type.show(value, clock)
    return with_names(document, text) if isinstance(declared.type, OptionNames) else text


def is_set(document: Document, cls: str, name: str, attribute: str) -> bool:
    """Return whether an attribute was set, rather than has its default. Raises CommandError 302, 308."""
    return attribute_of(class_of(cls), name, attribute).name in read_object(document, cls, name)


def set_attribute(
    document: Document, cls: str, name: str, attribute: str, text: str, clock: Clock = EPOCH
) -> None:
    """Set an attribute from the operator's text. Raises CommandError 302, 308, 316, 385."""
    read_object(document, cls, name)
    declared = attribute_of(class_of(cls), name, attribute)
    _refuse_read_only(cls, name, declared)
    value = _parse(document, cls, name, declared, text, clock)
    write_object(document, cls, name)[declared.name] = value


def set_value(document: Document, cls: str, name: str, attribute: str, value: object) -> None:
    """Set an attribute to a value in stored form (from JSON). Raises CommandError 302, 308, 316, 385."""
    read_object(document, cls, name)
    declared = attribute_of(class_of(cls), name, attribute)
    _refuse_read_only(cls, name, declared)
    try:
        declared.type.use(value)
    except ValueError as error:
        raise CommandError(316, f"{class_of(cls).label(name)}: {attribute}: {error}") from None
    check_reference(document, cls, name, declared, value)
    write_object(document, cls, name)[declared.name] = value


def enable(document: Document, cls: str, name: str, attribute: str, on: bool) -> None:
    """Switch an attribute that is on or off. Raises CommandError 302, 308, 316, 385."""
    label = class_of(cls).label(name)
    declared = attribute_of(class_of(cls), name, attribute)
    if not isinstance(declared.type, Bool):
        verb = "enable" if on else "disable"
        raise CommandError(
            316, f"{label}: {attribute} cannot be {verb}d: it is {declared.type.word}; "
            f"write '{label} set {attribute}=...' with {declared.type.allowed}"
        )  # fmt: skip
    set_value(document, cls, name, attribute, on)


def unset_attribute(document: Document, cls: str, name: str, attribute: str) -> None:
    """Return an attribute to its default. Raises CommandError 302, 308, 385, 386."""
    label = class_of(cls).label(name)
    read_object(document, cls, name)
    declared = attribute_of(class_of(cls), name, attribute)
    if declared.required:
        raise CommandError(
            386, f"Required attribute cannot be deleted: {label}: {attribute}; to change it, {_recreate(cls)}"
        )
    _refuse_read_only(cls, name, declared)
    write_object(document, cls, name).pop(declared.name, None)
    tidy(document, cls, name)


def create_object(
    document: Document,
    cls: str,
    name: str,
    arguments: Sequence[str] = (),
    attributes: Mapping[str, str] | None = None,
    clock: Clock = EPOCH,
) -> None:
    """Create an object from the arguments that its class declares and further attributes, all text.

    Raises CommandError 306, 308, 309, 310, 316, 320.
    """
    declared = class_of(cls)
    label = declared.label(name)
    if declared.singleton or declared.embedded_in:
        raise CommandError(306, f"{label} always exists; write '{label} set ATTRIBUTE=VALUE'")
    name = declared.stored_name(name)
    if not declared.is_name(name):
        raise CommandError(316, f"{quote(name)} cannot name a {cls}: write {declared.name_form}")
    if name in declared.builtin or find(document, declared, name) is not None:
        raise CommandError(320, f"{label} exists; choose another name, or change it with '{label} set'")
    usage = f"{cls} NAME create {' '.join(a.upper() for a in declared.create)}".rstrip()
    if len(arguments) > len(declared.create):
        extra = " ".join(arguments[len(declared.create) :])
        raise CommandError(309, f"{label}: {quote(extra)} is too much; write '{usage}'")
    texts = dict(zip(declared.create, arguments, strict=False)) | dict(attributes or {})
    if declared.element_of:
        texts.setdefault(declared.attributes[0].name, name)
    content = {}
    for attribute, text in texts.items():
        kind = attribute_of(declared, name, attribute)
        content[kind.name] = _parse(document, cls, name, kind, text, clock)
    missing = [a.name for a in declared.attributes if a.required and a.name not in content]
    if missing:
        raise CommandError(310, f"{label} needs {' and '.join(missing)}; write '{usage}'")
    if declared is SCOPE:
        _check_subnet(label, content)
    if declared is OPTION and wrong_definition(name, content):
        raise CommandError(316, f"{label}: {wrong_definition(name, content)}")
    if declared.element_of:
        insert(document, [content])
    else:
        _check_client_name(document, cls, name)
        document.setdefault(cls, {})[name] = content


def _check_client_name(document: Document, cls: str, name: str) -> None:
    declared = class_of(cls)
    by_mac = document.get("dhcp", {}).get("validate-client-name-as-mac", False)
    if by_mac and isinstance(declared.names, ClientKey) and name.startswith("id:"):
        raise CommandError(
            316, f"{declared.label(name)}: validate-client-name-as-mac is on, so write a hardware address "
            "(1,6,00:d0:ba:d3:bd:3b) or default; or disable that attribute of dhcp"
        )  # fmt: skip


def delete_object(document: Document, cls: str, name: str) -> None:
    """Delete an object; a builtin one returns with its original values. Raises CommandError 302, 306, 320."""
    declared = class_of(cls)
    if declared.singleton:
        raise CommandError(306, f"{cls} cannot be deleted; write '{cls} unset ATTRIBUTE' to return to a default")
    found = read_object(document, cls, name)
    name = declared.stored_name(name)
    if declared.embedded_in:
        write_object(document, declared.embedded_in, name).pop(EMBEDDED, None)
        return
    if declared.element_of:
        for scope in document[declared.element_of].values():
            had = scope.get("reservations", [])
            kept = [element for element in had if element is not found]
            if len(kept) < len(had):
                scope["reservations"] = kept
                if not kept:
                    del scope["reservations"]
        return
    if name not in declared.builtin:
        user = user_of(document, cls, name)
        if user:
            raise CommandError(320, f"{declared.label(name)} is used by {user}; change that first")
    document.get(cls, {}).pop(name, None)


def user_of(document: Document, cls: str, name: str) -> str:
    """Return label and attribute of an object that refers to object ``name`` of ``cls``, or the empty text."""
    return users(document).get((cls, name), "")


def users(document: Document) -> dict[tuple[str, str], str]:
    """Return, for each object (class, name) that another one refers to, label and attribute of the first of those."""
    found: dict[tuple[str, str], str] = {}
    for owner in CLASSES.values():
        references = [(a.name, a.default, a.type.cls) for a in owner.attributes if isinstance(a.type, Reference)]
        for owner_name, content in contents(document, owner) if references else ():
            for attribute, default, cls in references:
                value = content.get(attribute, default)
                if value is not None and (cls, value) not in found:
                    found[cls, value] = f"{owner.label(owner_name)} ({attribute})"
        for owner_name, content in contents(document, owner) if "options" in owner.parts else ():
            for used in _definitions_used(content):
                found.setdefault(used, f"{owner.label(owner_name)} (options)")
    return found


def _definitions_used(policy: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a policy's options may be defined by: those of the standard are no objects."""
    yield from ((OPTION.name, option) for option in policy.get("options", {}))
    for option_set, options in policy.get("vendor-options", {}).items():
        yield OPTION_SET.name, option_set
        yield from ((VENDOR_OPTION.name, option) for option in options)


def _parse(document: Document, cls: str, name: str, declared: Attribute, text: str, clock: Clock) -> Any:
    try:
        if isinstance(declared.type, OptionNames):
            text = with_numbers(document, text)
        value = declared.type.parse(text, clock)
    except ValueError as error:
        raise CommandError(316, f"{class_of(cls).label(name)}: {declared.name}: {error}") from None
    check_reference(document, cls, name, declared, value)
    return value


def check_reference(document: Document, cls: str, name: str, declared: Attribute, value: object) -> None:
    """Return when ``value`` of an attribute refers to an object that there is. Raises CommandError 316."""
    kind = declared.type
    if isinstance(kind, Reference) and find(document, class_of(kind.cls), str(value)) is None:
        raise CommandError(
            316, f"{class_of(cls).label(name)}: {declared.name}: there is no {kind.cls} {quote(value)}; "
            f"create it first, or write one of those that '{kind.cls} listnames' shows"
        )  # fmt: skip


def _refuse_read_only(cls: str, name: str, declared: Attribute) -> None:
    if declared.read_only:
        raise CommandError(
            385, f"Read-only attribute cannot be modified: {class_of(cls).label(name)}: {declared.name}; "
            f"to change it, {_recreate(cls)}"
        )  # fmt: skip


def _recreate(cls: str) -> str:
    return f"delete the {cls} and create it anew"


def _check_subnet(label: str, content: Mapping[str, Any]) -> None:
    addr, mask = parse_ipv4(content["addr"]), parse_ipv4(content["mask"])
    if addr & ~mask:
        network = format_ipv4(addr & mask)
        raise CommandError(
            316, f"{label}: addr: {content['addr']} is not the network address of a subnet with mask "
            f"{content['mask']}; write {network}"
        )  # fmt: skip


