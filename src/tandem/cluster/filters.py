"""Filters of lists: which objects are shown, by the text of their attributes.

    policy=default                      one condition; * stands for anything
    policy=default & renew-only!=on     both; | either; ! not; parentheses group; conditions side by side: all
    name=lab*                           the object's name is the attribute ``name``

``=`` and ``==`` are the same; ``!=`` is not. What is not set counts with its default. Texts are compared as they are
shown, in any case. Source: reference "commands and attributes" section 1.2 (infix filters after LDAP's).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import translate

from tandem.base.errors import CommandError
from tandem.config.attribute import ObjectClass
from tandem.config.document import attribute_of

Test = Callable[[str, Mapping[str, str]], bool]
_TOKEN = re.compile(r"\s*(?:(&&?|\|\|?|\(|\)|!(?!=))|([A-Za-z0-9-]+)\s*(!=|==?)\s*(\"[^\"]*\"|[^\s()&|]*))")
_DEPTH_MAX = 50


def parse(cls: ObjectClass, text: str) -> Test:
    """Return the test that ``text`` describes; an empty text passes all. Raises CommandError 308, 316."""
    reader = _Reader(cls, text)
    tests = []
    while not reader.done:
        tests.append(reader.either(0))
    return lambda name, shown: all(test(name, shown) for test in tests)


class _Reader:
    """Reads one filter from left to right."""

    def __init__(self, cls: ObjectClass, text: str) -> None:
        self._cls = cls
        self._text = text.strip()
        self._at = 0

    @property
    def done(self) -> bool:
        return self._at >= len(self._text)

    def _next(self) -> re.Match[str] | None:
        return _TOKEN.match(self._text, self._at)

    def _sign(self, *signs: str) -> bool:
        found = self._next()
        if found is None or found[1] not in signs:
            return False
        self._at = found.end()
        return True

    def either(self, depth: int) -> Test:
        tests = [self._both(depth)]
        while self._sign("|", "||"):
            tests.append(self._both(depth))
        return tests[0] if len(tests) == 1 else lambda name, shown: any(test(name, shown) for test in tests)

    def _both(self, depth: int) -> Test:
        tests = [self._one(depth)]
        while self._sign("&", "&&"):
            tests.append(self._one(depth))
        return tests[0] if len(tests) == 1 else lambda name, shown: all(test(name, shown) for test in tests)

    def _one(self, depth: int) -> Test:
        if depth > _DEPTH_MAX:
            raise self._wrong("is nested too deeply")
        if self._sign("!"):
            inner = self._one(depth + 1)
            return lambda name, shown: not inner(name, shown)
        if self._sign("("):
            inner = self.either(depth + 1)
            if not self._sign(")"):
                raise self._wrong("lacks a closing parenthesis")
            return inner
        found = self._next()
        if found is None or found[2] is None:
            raise self._wrong(f"has no condition at {self._text[self._at : self._at + 20]!r}")
        self._at = found.end()
        return self._condition(found[2], found[3], found[4].strip('"'))

    def _condition(self, attribute: str, sign: str, value: str) -> Test:
        if attribute != "name":
            attribute_of(self._cls, "", attribute)
        pattern = re.compile(translate(value.lower()))
        wanted = sign != "!="

        def test(name: str, shown: Mapping[str, str]) -> bool:
            text = name if attribute == "name" else shown.get(attribute, "")
            return (pattern.match(text.lower()) is not None) == wanted

        return test

    def _wrong(self, why: str) -> CommandError:
        return CommandError(
            316, f"filter {self._text!r} {why}; write conditions such as policy=default & name=lab*, in quotes where a"
            " shell reads them"
        )  # fmt: skip
