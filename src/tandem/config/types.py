"""Types of attribute values: how a value is written, stored and used.

A value has three forms. *Text* is what the operator writes and reads. *Stored* is what the configuration
document holds: JSON, addresses as dotted text, lists of names for flags. *Used* is what the compiler takes:
integers, bytes, tuples. ``parse`` leads from text to stored, ``show`` back, ``use`` from stored to used; ``use``
also is the check of a document that somebody else wrote. A refusal is a ValueError that says what is allowed.

Does not know attribute names or objects.
Source: reference "commands and attributes" section 1.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from tandem.base.units import FOREVER, format_duration, parse_duration
from tandem.config.dates import DATE_FORMS, EPOCH, Clock, format_date, parse_date
from tandem.config.expressions import parse as parse_expression

_TRUE = ("true", "on", "enabled", "1")
_FALSE = ("false", "off", "disabled", "0")


def quote(value: object) -> str:
    """Return ``value`` for an error message: quoted, and cut when it is long."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


class ValueType:
    """A type of value. Subclasses give ``_parse`` and ``_use``, which raise ValueError with any text or none."""

    word: ClassVar[str]
    """The type's name in schemas and help."""

    @property
    def allowed(self) -> str:
        """What may be written, so that it fits after "is not"."""
        raise NotImplementedError

    def parse(self, text: str, clock: Clock = EPOCH) -> Any:
        """Return the stored form of ``text``. Raises ValueError that says what is allowed."""
        try:
            stored = self._parse(text.strip(), clock)
            self._use(stored)
        except ValueError:
            raise ValueError(f"{quote(text)} is not {self.allowed}") from None
        return stored

    def show(self, stored: Any, clock: Clock = EPOCH) -> str:
        """Return the text of a stored value, in a form that ``parse`` takes."""
        return str(stored)

    def use(self, stored: object) -> Any:
        """Return the used form. Raises ValueError, saying what is allowed, when ``stored`` is not of this type."""
        try:
            return self._use(stored)
        except ValueError:
            raise ValueError(f"{quote(stored)} is not {self.allowed}") from None

    def _parse(self, text: str, clock: Clock) -> object:
        raise NotImplementedError

    def _use(self, stored: object) -> Any:
        raise NotImplementedError


def _integer(stored: object, lo: int, hi: int) -> int:
    if type(stored) is not int or not lo <= stored <= hi:  # a bool is an int to isinstance
        raise ValueError
    return stored


def text_of(stored: object) -> str:
    """Return ``stored``, which is to be a text. Raises ValueError."""
    if not isinstance(stored, str):
        raise ValueError
    return stored


@dataclass(frozen=True)
class String(ValueType):
    """Printable text of at most ``bytes_max`` bytes in UTF-8. Used as text."""

    word = "string"
    bytes_max: int = 255

    @property
    def allowed(self) -> str:
        return f"text of at most {self.bytes_max} bytes without control characters"

    def _parse(self, text: str, clock: Clock) -> object:
        return text

    def _use(self, stored: object) -> str:
        text = text_of(stored)
        if not text.isprintable() or len(text.encode()) > self.bytes_max:
            raise ValueError
        return text


@dataclass(frozen=True)
class Secret(String):
    """Text that is never shown. Used as text."""

    word = "secret"

    def show(self, stored: Any, clock: Clock = EPOCH) -> str:
        return "********" if stored else ""


@dataclass(frozen=True)
class Expression(String):
    """An expression of a scope template (``config.expressions``). Used as text."""

    word = "expression"
    bytes_max: int = 4000

    @property
    def allowed(self) -> str:
        return 'an expression, e.g. (concat "lab-" subnet), (create-range 2 100) or (create-option "routers" 10.0.0.1)'

    def parse(self, text: str, clock: Clock = EPOCH) -> str:
        """Return the stored form of ``text``. Raises ValueError that says what is wrong, and what is allowed."""
        self.use(text.strip())
        return text.strip()

    def use(self, stored: object) -> Any:
        """Return the used form. Raises ValueError as ``parse`` does."""
        try:
            return self._use(stored)
        except ValueError as error:
            why = f" ({error})" if str(error) else ""
            raise ValueError(f"{quote(stored)} is not {self.allowed}{why}") from None

    def _use(self, stored: object) -> Any:
        text = super()._use(stored)
        parse_expression(text)
        return text


@dataclass(frozen=True)
class Reference(String):
    """The name of an object of class ``cls``. Used as text."""

    word = "reference"
    cls: str = ""

    @property
    def allowed(self) -> str:
        return f"the name of a {self.cls}"

    def _use(self, stored: object) -> str:
        name = super()._use(stored)
        if not name:
            raise ValueError
        return name


@dataclass(frozen=True)
class Int(ValueType):
    """A whole number, decimal or 0x."""

    word = "int"
    lo: int = 0
    hi: int = 0x7FFFFFFF

    @property
    def allowed(self) -> str:
        return f"a whole number from {self.lo} to {self.hi}"

    def _parse(self, text: str, clock: Clock) -> object:
        if re.fullmatch(r"-?[0-9]{1,12}", text):
            return int(text)
        if re.fullmatch(r"0[xX][0-9a-fA-F]{1,10}", text):
            return int(text, 16)
        raise ValueError

    def _use(self, stored: object) -> int:
        return _integer(stored, self.lo, self.hi)


@dataclass(frozen=True)
class Bool(ValueType):
    """On or off."""

    word = "bool"

    @property
    def allowed(self) -> str:
        return "on or off (also true, enabled, 1, false, disabled, 0)"

    def _parse(self, text: str, clock: Clock) -> object:
        if text.lower() in _TRUE:
            return True
        if text.lower() in _FALSE:
            return False
        raise ValueError

    def show(self, stored: Any, clock: Clock = EPOCH) -> str:
        return "on" if stored else "off"

    def _use(self, stored: object) -> bool:
        if not isinstance(stored, bool):
            raise ValueError
        return stored


@dataclass(frozen=True)
class Time(ValueType):
    """A duration, stored and used in seconds. ``forever`` also admits that word, as ``units.FOREVER``."""

    word = "time"
    lo: int = 0
    hi: int = 2147040000
    """3550 weeks: the most that is a whole number of weeks and fits 31 bits."""
    forever: bool = False

    @property
    def allowed(self) -> str:
        more = ", or forever" if self.forever else ""
        return (
            f"a time from {format_duration(self.lo)} to {format_duration(self.hi)}{more}"
            " (write seconds, or a mix such as 1w2d3h4m5s)"
        )

    def _parse(self, text: str, clock: Clock) -> object:
        return FOREVER if text.lower() == "forever" else parse_duration(text)

    def show(self, stored: Any, clock: Clock = EPOCH) -> str:
        return format_duration(stored)

    def _use(self, stored: object) -> int:
        if self.forever and type(stored) is int and stored == FOREVER:
            return FOREVER
        return _integer(stored, self.lo, self.hi)


@dataclass(frozen=True)
class Date(ValueType):
    """A moment, stored and used in seconds since 1970 UTC; 0 = unset."""

    word = "date"

    @property
    def allowed(self) -> str:
        return DATE_FORMS

    def _parse(self, text: str, clock: Clock) -> object:
        return parse_date(text, clock)

    def show(self, stored: Any, clock: Clock = EPOCH) -> str:
        return format_date(stored, clock)

    def _use(self, stored: object) -> int:
        return _integer(stored, 0, FOREVER)


@dataclass(frozen=True)
class Percent(ValueType):
    """A percentage, 0 to 100, stored and used as a whole number. Written 10 or 10%."""

    word = "percent"

    @property
    def allowed(self) -> str:
        return "a percentage from 0 to 100 (write 10 or 10%)"

    def _parse(self, text: str, clock: Clock) -> object:
        digits = text.removesuffix("%").rstrip()
        if not re.fullmatch(r"[0-9]{1,3}", digits):
            raise ValueError
        return int(digits)

    def show(self, stored: Any, clock: Clock = EPOCH) -> str:
        return f"{stored}%"

    def _use(self, stored: object) -> int:
        return _integer(stored, 0, 100)


@dataclass(frozen=True)
class Factor(ValueType):
    """A ratio of ``lo`` to ``hi`` (less than 100), stored and used as a number. 1.5 may be written 150 or 150%."""

    word = "number"
    lo: float = 1.0
    hi: float = 10.0

    @property
    def allowed(self) -> str:
        return f"a number from {self.lo} to {self.hi} (write 1.5 or 150%)"

    def _parse(self, text: str, clock: Clock) -> object:
        digits = text.removesuffix("%").rstrip()
        if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,6})?", digits):
            raise ValueError
        number = float(digits)
        return round(number / 100, 8) if text.endswith("%") or number >= 100 else number

    def _use(self, stored: object) -> float:
        if isinstance(stored, bool) or not isinstance(stored, int | float) or not self.lo <= stored <= self.hi:
            raise ValueError
        return float(stored)


def _choose(word: str, names: tuple[str, ...]) -> str:
    """Return the one of ``names`` that ``word`` means by name, in any case, or by number from 1."""
    if word.isascii() and word.isdigit() and len(word) < 4 and 1 <= int(word) <= len(names):
        return names[int(word) - 1]
    if word.lower() in names:
        return word.lower()
    raise ValueError


@dataclass(frozen=True)
class Enum(ValueType):
    """One of some names, stored and used by name. May be written as a number, counted from 1."""

    word = "enum"
    names: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        return f"one of {', '.join(self.names)}"

    def _parse(self, text: str, clock: Clock) -> object:
        return _choose(text, self.names)

    def _use(self, stored: object) -> str:
        if text_of(stored) not in self.names:
            raise ValueError
        return text_of(stored)


@dataclass(frozen=True)
class Flags(ValueType):
    """Any of some names: written with commas, stored as a list in the order written, used as a frozenset."""

    word = "flags"
    names: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        return f"a list, with commas, of any of {', '.join(self.names)} (or none)"

    def _parse(self, text: str, clock: Clock) -> object:
        return words_of(text, lambda word: _choose(word, self.names))

    def show(self, stored: Any, clock: Clock = EPOCH) -> str:
        return ",".join(stored) or "none"

    def _use(self, stored: object) -> frozenset[str]:
        if not isinstance(stored, list) or not all(isinstance(name, str) and name in self.names for name in stored):
            raise ValueError
        return frozenset(stored)


def words_of(text: str, one: Callable[[str], str]) -> list[str]:
    """Return what ``one`` makes of each word of a list with commas, each once; the word none is the empty list."""
    if text.lower() in ("", "none"):
        return []
    return list(dict.fromkeys(one(word.strip()) for word in text.split(",")))


_TAG = re.compile(r"[A-Za-z0-9_.:+-]{1,64}")


@dataclass(frozen=True)
class Tags(ValueType):
    """Some words: written with commas, stored as a list in the order written, used as a frozenset."""

    word = "tags"

    @property
    def allowed(self) -> str:
        return "a list, with commas, of tags of at most 64 letters, digits or _ . : + - (or none)"

    def _parse(self, text: str, clock: Clock) -> object:
        return words_of(text, str)

    def show(self, stored: Any, clock: Clock = EPOCH) -> str:
        return ",".join(stored) or "none"

    def _use(self, stored: object) -> frozenset[str]:
        if not isinstance(stored, list) or not all(_TAG.fullmatch(text_of(tag)) for tag in stored):
            raise ValueError
        return frozenset(stored)
