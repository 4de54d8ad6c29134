"""Objects in stored form, which is JSON: as REST, pages and files read and write them, each version with its ETag.

What an edit in text does is in ``objects``. Does not know any particular class, but for the parts that some have.

Source: SYSTEM S2, S7.3; RFC 9110 section 8.8.3 (ETag).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from tandem.base.errors import CommandError
from tandem.cluster.database import encode
from tandem.cluster.manager import Manager
from tandem.cluster.objects import edit, filtered, hashed
from tandem.cluster.registry import Login, Request, Session
from tandem.config import document as config
from tandem.config.attribute import ObjectClass
from tandem.config.document import Document
from tandem.config.places import find, place_in_lists, tidy
from tandem.config.policies import set_option, set_vendor_option
from tandem.config.schema_clients import EMBEDDED
from tandem.config.scopes import add_range, add_reservations
from tandem.config.types import Secret


def read(manager: Manager, cls: str, name: str) -> dict[str, Any]:
    """Return what is set on an object, as JSON, without secrets. Raises CommandError 302."""
    return _without_secrets(config.class_of(cls), config.read_object(manager.database.document, cls, name))


def _without_secrets(cls: ObjectClass, content: Mapping[str, Any]) -> dict[str, Any]:
    by_name = cls.by_name
    return {k: v for k, v in content.items() if k not in by_name or not isinstance(by_name[k].type, Secret)}


def names(manager: Manager, cls: str) -> list[str]:
    """Return the names of the objects of a class."""
    return config.list_names(manager.database.document, cls)


def page(
    manager: Manager, cls: str, wanted: str, after: str, limit: int | None
) -> tuple[dict[str, dict[str, Any]], str]:
    """Return up to ``limit`` objects that fit a filter and stand behind the one named ``after`` in lists, whether that
    is still there or not, and the name after which the next page begins: empty when there is none.

    Raises CommandError 308, 316.
    """
    declared = config.class_of(cls)
    found = filtered(manager, declared, wanted, Session())
    if after:
        last = place_in_lists(declared, after)
        found = [one for one in found if place_in_lists(declared, one[0]) > last]
    more = found[limit - 1][0] if limit is not None and len(found) > limit else ""
    return {name: _without_secrets(declared, content) for name, content in found[:limit]}, more


def merge(
    manager: Manager, login: Login, cls: str, name: str, values: dict[str, Any], match: str | None
) -> dict[str, Any]:
    """Set what ``values`` gives (in stored form), unset what it gives as None; return the object."""
    check_version(manager, cls, name, match)
    values = hashed(config.class_of(cls), name, values)

    def change(document: Document) -> None:
        config.read_object(document, cls, name)
        apply(document, cls, name, values)

    edit(manager, Request(login, Session(), name), cls, change)
    return read(manager, cls, name)


def replace(
    manager: Manager, login: Login, cls: str, name: str, values: dict[str, Any], match: str | None
) -> dict[str, Any]:
    """Make an object exactly what ``values`` says, creating it where it does not exist; return it."""
    declared = config.class_of(cls)
    if declared.embedded_in or find(manager.database.document, declared, name) is not None:
        check_version(manager, cls, name, match)
    values = hashed(config.class_of(cls), name, values)
    edit(manager, Request(login, Session(), name), cls, lambda d: make(d, cls, name, values))
    return read(manager, cls, name)


def make(document: Document, cls: str, name: str, values: dict[str, Any]) -> None:
    """Make an object what ``values`` says in stored form, whether it exists or not. Raises CommandError."""
    declared = config.class_of(cls)
    name = declared.stored_name(name)
    first = [a.name for a in declared.attributes if a.read_only or a.required]
    given = {name: value for name, value in values.items() if name in first}
    if declared.element_of or declared.embedded_in:
        if find(document, declared, name):
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
            pairs, further = [], []
            for entry in value:
                match entry:
                    case {"address": str(address), "key": str(key), **more}:
                        pairs.append((address, key))
                        further += [(address, {str(k): v for k, v in more.items()})] if more else []
                    case _:
                        raise CommandError(316, f'{label}: write [{{"address": ..., "key": ...}}, ...]')
            add_reservations(document, name, pairs)
            for address, attributes in further:
                apply(document, "reservation", address, attributes)
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
