"""Reading a whole configuration document, whoever wrote it: what is usable, and what is wrong with the rest.

Gives each object's attributes in used form, defaults filled in. Does not know what attributes mean together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tandem.config.attribute import ObjectClass
from tandem.config.schema import SERVED
from tandem.config.types import quote


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a configuration. An error keeps it from taking effect; a warning does not."""

    level: str
    """error or warning"""
    object: str
    """Label of the object, e.g. ``dhcp`` or ``scope examplescope``."""
    attribute: str
    """Attribute or part of it; empty for the object as a whole."""
    value: str
    """The value as text; empty where there is none."""
    text: str
    """All of it in one line, with what is allowed."""

    @property
    def fatal(self) -> bool:
        """Whether the configuration cannot take effect."""
        return self.level == "error"

    def __str__(self) -> str:
        return self.text


class Problems:
    """The problems found so far, in the order found."""

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self.errors = 0

    def error(self, label: str, attribute: str, value: str, why: str) -> None:
        """Add an error. ``why`` says what is wrong with the value and what to do."""
        self._add("error", label, attribute, value, why)
        self.errors += 1

    def warning(self, label: str, attribute: str, value: str, why: str) -> None:
        """Add a warning."""
        self._add("warning", label, attribute, value, why)

    def _add(self, level: str, label: str, attribute: str, value: str, why: str) -> None:
        what = f"{attribute} = {value}" if attribute and value else attribute or value
        text = f"{label}: {what}: {why}" if what else f"{label}: {why}"
        if not text.isprintable():  # somebody else's document may hold anything; a log line is one line
            text = text.encode("unicode_escape").decode()
        self.found.append(Problem(level, label, attribute, value, text))


@dataclass(slots=True)
class Item:
    """One object of the document."""

    cls: ObjectClass
    name: str
    label: str
    values: dict[str, Any]
    """Every attribute of the class in used form; None = no value."""
    given: dict[str, Any]
    """Those that were set."""
    content: Mapping[str, Any]
    """The object as it stands in the document, for the parts that are not attributes."""

    def part(self, name: str, kind: type, problems: Problems) -> Any:
        """Return a part of the object, an empty one where it is missing or not of type ``kind``."""
        value = self.content.get(name)
        if value is None:
            return kind()
        if not isinstance(value, kind):
            problems.error(self.label, name, quote(value), f"is not {_JSON_WORDS[kind]}; remove it and set it anew")
            return kind()
        return value


_JSON_WORDS: dict[type, str] = {dict: "a JSON object", list: "a JSON list"}


def read_document(document: object, problems: Problems) -> dict[str, dict[str, Item]]:
    """Return the objects of each class by name, a single object under the empty name.

    Builtin objects are there even when the document does not mention them. What is wrong is left out and told.
    """
    items: dict[str, dict[str, Item]] = {}
    if not isinstance(document, dict):
        problems.error("configuration", "", quote(document), "is not a JSON object of classes")
        document = {}
    for name in document:
        if name not in SERVED:
            known = ", ".join(SERVED)
            problems.error("configuration", quote(name), "", f"this version knows no such class; it knows {known}")
    for cls in SERVED.values():
        section = document.get(cls.name, {})
        if not isinstance(section, dict):
            problems.error(cls.name, "", quote(section), "is not a JSON object; remove it and set it anew")
            section = {}
        contents = {"": section} if cls.singleton else {name: {} for name in cls.builtin} | section
        found = items[cls.name] = {}
        for name, content in contents.items():
            if not cls.singleton and not cls.is_name(name):
                problems.error(cls.name, "", quote(name), f"is not the name of a {cls.name}; write {cls.name_form}")
            elif (item := read_item(cls, name, content, problems)) is not None:
                found[name] = item
    return items


def read_item(cls: ObjectClass, name: str, content: object, problems: Problems, label: str = "") -> Item | None:
    """Return one object; None when it lacks something required or is no object at all."""
    label = label or cls.label(name)
    if not isinstance(content, dict):
        problems.error(label, "", quote(content), "is not a JSON object; delete it and create it anew")
        return None
    given = {}
    for key, stored in content.items():
        attribute = cls.by_name.get(key)
        if attribute is None:
            if key not in cls.parts:
                problems.error(label, str(key), quote(stored), "this version knows no such attribute; unset it")
            continue
        try:
            given[key] = attribute.type.use(stored)
        except ValueError as error:
            problems.error(label, key, "", str(error))
    missing = [a.name for a in cls.attributes if a.required and a.name not in given]
    if missing:
        if not any(name in content for name in missing):  # else its value has been complained of
            problems.error(label, missing[0], "", f"is required; delete the {cls.name} and create it anew")
        return None
    return Item(cls, name, label, {**cls.defaults, **given}, given, content)
