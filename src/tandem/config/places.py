"""Where in a document an object lives: in a section under its name, in a part of another, or embedded in another.

Reservations are elements of their scope's part ``reservations`` and are named by their address; embedded policies lie
in their owner under ``embedded-policy`` and have its name. Does not check values. Source: SYSTEM S2.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tandem.base.errors import CommandError
from tandem.base.ipv4 import parse_ipv4
from tandem.config.attribute import ObjectClass
from tandem.config.schema import CLASSES
from tandem.config.schema_clients import EMBEDDED
from tandem.config.types import quote

Document = dict[str, Any]
_ELEMENTS = "reservations"
_NAMED_BY = "address"


def class_of(cls: str) -> ObjectClass:
    """Return the declaration of a class. Raises CommandError 306."""
    try:
        return CLASSES[cls]
    except KeyError:
        raise CommandError(306, f"{cls!r} is no class of objects; write one of {', '.join(CLASSES)}") from None


def list_names(document: Document, cls: str) -> list[str]:
    """Return the names of the objects of a class, in the order of ``listed``."""
    return [name for name, _ in listed(document, cls)]


def listed(document: Document, cls: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return name and content of the objects of a class: builtin ones first, the others in the order of the alphabet.

    Reservations are in the order of their addresses; of embedded policies only those in which something is set.
    """
    declared = class_of(cls)
    if declared.singleton:
        return []
    if declared.element_of:
        return sorted(contents(document, declared), key=lambda one: place_in_lists(declared, one[0]))
    if declared.embedded_in:
        owners = listed(document, declared.embedded_in)
        return [(name, owner[EMBEDDED]) for name, owner in owners if owner.get(EMBEDDED)]
    section: Mapping[str, Mapping[str, Any]] = document.get(cls, {})
    names = dict.fromkeys((*declared.builtin, *section))
    return [(name, section.get(name, {})) for name in sorted(names, key=lambda name: place_in_lists(declared, name))]


def place_in_lists(declared: ObjectClass, name: str) -> tuple[int, str]:
    """Return what ``listed`` sorts the objects of a class by. Raises CommandError 316 for what is no address."""
    if declared.element_of:
        try:
            return parse_ipv4(name), ""
        except ValueError as error:
            raise CommandError(316, f"{declared.name}: {error}") from None
    if declared.embedded_in:
        return place_in_lists(class_of(declared.embedded_in), name)
    return (declared.builtin.index(name), "") if name in declared.builtin else (len(declared.builtin), name)


def place_of(elements: Sequence[Mapping[str, Any]], address: int) -> int:
    """Return where in a scope's reservations, which stand in the order of addresses, that of ``address`` belongs."""
    return bisect_left(elements, address, key=lambda element: parse_ipv4(element[_NAMED_BY]))


def _element(document: Document, declared: ObjectClass, name: str) -> Mapping[str, Any] | None:
    try:
        address = parse_ipv4(name)
    except ValueError:
        return None
    for scope in document.get(declared.element_of, {}).values():
        elements: Sequence[Mapping[str, Any]] = scope.get(_ELEMENTS, ())
        at = place_of(elements, address)
        if at < len(elements) and elements[at][_NAMED_BY] == name:
            return elements[at]
    return None


def contents(document: Document, declared: ObjectClass) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield name and content of every object of a class that the document mentions."""
    if declared.singleton:
        yield "", document.get(declared.name, {})
    elif declared.element_of:
        for scope in document.get(declared.element_of, {}).values():
            for element in scope.get(_ELEMENTS, []):
                yield element[_NAMED_BY], element
    elif declared.embedded_in:
        for name, content in contents(document, class_of(declared.embedded_in)):
            if EMBEDDED in content:
                yield name, content[EMBEDDED]
    else:
        yield from document.get(declared.name, {}).items()


def owners(document: Document, cls: str) -> dict[str, str]:
    """Return the names of the objects that those of a class are elements of, by their names; none for other classes."""
    outer = class_of(cls).element_of
    section: Mapping[str, Mapping[str, Any]] = document.get(outer, {}) if outer else {}
    return {element[_NAMED_BY]: name for name, owner in section.items() for element in owner.get(_ELEMENTS, ())}


def find(document: Document, declared: ObjectClass, name: str) -> Mapping[str, Any] | None:
    """Return the content of an object as it stands in the document; None when there is no such object."""
    name = declared.stored_name(name)
    section: Mapping[str, Any] = document.get(declared.name, {})
    if declared.singleton:
        return section
    if declared.element_of:
        return _element(document, declared, name)
    if declared.embedded_in:
        owner = find(document, class_of(declared.embedded_in), name)
        return None if owner is None else owner.get(EMBEDDED, {})
    content: Mapping[str, Any] | None = section.get(name, {} if name in declared.builtin else None)
    return content


def read_object(document: Document, cls: str, name: str = "") -> Mapping[str, Any]:
    """Return what is set on an object. ``name`` is empty for a class with one object. Raises CommandError 302."""
    declared = class_of(cls)
    content = find(document, declared, name)
    if content is None:
        owner = declared.embedded_in or cls
        raise CommandError(302, f"{owner} {quote(name)} does not exist; '{owner} listnames' shows those that do")
    return content


def write_object(document: Document, cls: str, name: str = "") -> dict[str, Any]:
    """Return the mutable content of an object that exists, or that always exists. Raises CommandError 302."""
    found = read_object(document, cls, name)
    declared = class_of(cls)
    if declared.element_of:
        assert isinstance(found, dict)
        return found
    if declared.embedded_in:
        embedded: dict[str, Any] = write_object(document, declared.embedded_in, name).setdefault(EMBEDDED, {})
        return embedded
    section: dict[str, Any] = document.setdefault(cls, {})
    return section if declared.singleton else section.setdefault(declared.stored_name(name), {})


def tidy(document: Document, cls: str, name: str) -> None:
    """Take an embedded policy in which nothing is set any more out of its owner."""
    declared = class_of(cls)
    if declared.embedded_in:
        owner = find(document, class_of(declared.embedded_in), name)
        if owner is not None and owner.get(EMBEDDED) == {}:
            del write_object(document, declared.embedded_in, name)[EMBEDDED]


def home(document: Document, cls: str, name: str) -> tuple[str, str]:
    """Return section and name of the object of which an object is a part, or which it is itself.

    Raises CommandError 302 for one that is in no other.
    """
    declared = class_of(cls)
    name = declared.stored_name(name)
    if declared.embedded_in:
        return home(document, declared.embedded_in, name)
    if declared.element_of:
        return declared.element_of, scope_of(document, name)
    return cls, name


def scope_of(document: Document, address: str) -> str:
    """Return the name of the scope whose subnet an address is in. Raises CommandError 302, 316."""
    try:
        wanted = parse_ipv4(address)
    except ValueError as error:
        raise CommandError(316, f"reservation: {error}; write the reserved address") from None
    for name, scope in document.get("scope", {}).items():
        if wanted & parse_ipv4(scope["mask"]) == parse_ipv4(scope["addr"]):
            return str(name)
    raise CommandError(302, f"{address} is in no scope's subnet; 'scope listbrief' shows them")
