"""How an attribute and a class of objects are declared. Everything else about them derives from the declaration.

Commands, forms, schemas, validation, synchronization and documentation read these declarations and nothing
else (SYSTEM S2.1). Does not know any particular class: ``config.schema`` declares them.
Source: reference "commands and attributes" section 1.2; failover chapter, table 16-1 (synchronization rows).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tandem.config.synctables import SYNC_ROWS
from tandem.config.types import ValueType

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


NAME_FORM = "1 to 128 printable characters, no space at either end"
"""What the name of an object is, for error messages."""


def is_name(name: object) -> bool:
    """Return whether ``name`` can name an object."""
    return isinstance(name, str) and 0 < len(name) <= 128 and name.isprintable() and name == name.strip()


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a class of objects."""

    name: str
    """Lower case words joined by hyphens."""
    type: ValueType
    default: Any
    """Stored form of the value that an unset attribute has; None = none."""
    help: str
    """One line for people."""
    unit: str = ""
    """What a number counts, e.g. seconds."""
    required: bool = False
    """Has no default and must be there: unsetting it is refused."""
    read_only: bool = False
    """Given when the object is created, and not changed afterwards."""
    expert: bool = False
    """Shown to experts only."""
    sync: str = ""
    """A row of ``SYNC_ROWS``; empty = the row of the class."""

    def __post_init__(self) -> None:
        assert _NAME.fullmatch(self.name), self.name
        assert not self.sync or self.sync in SYNC_ROWS, self.sync
        assert not (self.required and self.default is not None), self.name
        if self.default is not None:
            self.type.use(self.default)


@dataclass(frozen=True)
class ObjectClass:
    """A class of objects that an operator edits."""

    name: str
    help: str
    attributes: tuple[Attribute, ...]
    sync: str
    """Row of ``SYNC_ROWS`` of the attributes that do not say."""
    singleton: bool = False
    """There is one object, without a name."""
    create: tuple[str, ...] = ()
    """Attributes that are written, in this order, after ``create``."""
    parts: tuple[str, ...] = ()
    """Keys of an object that are not attributes and have functions of their own: ranges, reservations, options."""
    builtin: tuple[str, ...] = ()
    """Names of objects that always exist; deleting one brings back its original values."""
    managed_only: bool = False
    """Only the management plane uses these objects: the DHCP server is not given them."""
    part_sync: Mapping[str, str] = field(default_factory=dict)
    """Row of ``SYNC_ROWS`` of the parts that are not of the row of the class."""
    element_of: str = ""
    """The class whose part holds these objects; they have no section of their own, and are named by their first
    attribute."""
    embedded_in: str = ""
    """The class whose objects each hold one of these, which has the same name and no section of its own."""
    names: ValueType | None = None
    """Type of the names of the objects; None = any that ``is_name`` takes."""
    more_names: tuple[str, ...] = ()
    """Names beyond those of type ``names``."""
    also_called: Mapping[str, str] = field(default_factory=dict)
    """Other names that operators may write for attributes: those that the reference uses besides."""
    by_name: Mapping[str, Attribute] = field(init=False)
    defaults: Mapping[str, Any] = field(init=False)
    """Used form of each attribute's default; None where it has none."""

    def __post_init__(self) -> None:
        by_name = {attribute.name: attribute for attribute in self.attributes}
        assert len(by_name) == len(self.attributes), f"{self.name}: an attribute is declared twice"
        assert self.sync in SYNC_ROWS, self.sync
        assert not any(part in by_name for part in self.parts), self.name
        assert all(name in by_name for name in self.create), self.name
        assert all(o not in by_name and a in by_name for o, a in self.also_called.items()), self.name
        assert all(part in self.parts and row in SYNC_ROWS for part, row in self.part_sync.items()), self.name
        defaults = {a.name: None if a.default is None else a.type.use(a.default) for a in self.attributes}
        object.__setattr__(self, "by_name", by_name)
        object.__setattr__(self, "defaults", defaults)

    @property
    def name_form(self) -> str:
        """What the name of an object is, for error messages."""
        if self.names is None:
            return NAME_FORM
        return self.names.allowed + "".join(f", or {word}" for word in self.more_names)

    def is_name(self, name: object) -> bool:
        """Return whether ``name``, in stored form, can name an object of this class."""
        if self.names is None or not isinstance(name, str):
            return is_name(name)
        try:
            return name in self.more_names or self.names.parse(name) == name
        except ValueError:
            return False

    def stored_name(self, text: str) -> str:
        """Return the stored form of a name that an operator writes; one that is none is left as it is."""
        if self.names is None or text in self.more_names:
            return text
        try:
            return str(self.names.parse(text))
        except ValueError:
            return text

    def sync_of(self, attribute: Attribute | str) -> str:
        """Return the row of table 16-1 that ``attribute``, or the part of that name, belongs to."""
        if isinstance(attribute, str):
            return self.part_sync.get(attribute, self.sync)
        return attribute.sync or self.sync

    def label(self, name: str) -> str:
        """Return what messages call an object, e.g. ``dhcp`` or ``scope examplescope``."""
        return f"{self.name} {name}" if name else self.name
