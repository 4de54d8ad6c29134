"""Types of values that name DHCP options, as policies may hold them.

The three forms of a value are explained in ``config.types``. Source: RFC 2132; which options a server sends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tandem.config.dates import EPOCH, Clock
from tandem.config.types import ValueType, text_of, words_of
from tandem.wire.options import OptionDef, find_option


@dataclass(frozen=True)
class OptionName(ValueType):
    """What an option or a set of options is called: lower case words. Used as text."""

    word = "option-name"

    @property
    def allowed(self) -> str:
        return "a name of at most 64 lower case letters, digits and hyphens that begins with a letter"

    def _parse(self, text: str, clock: Clock) -> object:
        return text.lower()

    def _use(self, stored: object) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,63}", text_of(stored)):
            raise ValueError
        return text_of(stored)


_NOT_FOR_POLICIES = frozenset((50, 52, *range(53, 60), 61, 80, 81, 82, 90, 91, 92, 118, *range(151, 158), 221))
"""Options that clients or relays send, or that the server makes itself (58 and 59 out of the lease it gives)."""


def policy_option(text: str) -> OptionDef:
    """Return the option that ``text`` names or numbers, if a policy may hold it. Raises ValueError."""
    option = find_option(text)
    if option.code in _NOT_FOR_POLICIES:
        raise ValueError(f"option {option.name} ({option.code}) is made by server or client itself; leave it out")
    return option


@dataclass(frozen=True)
class OptionNames(ValueType):
    """DHCP options by name or number with commas, stored as a list of names, used as a tuple of codes."""

    word = "option-list"

    @property
    def allowed(self) -> str:
        return "a list, with commas, of DHCP options that a server sends, by name or number (or none)"

    def _parse(self, text: str, clock: Clock) -> object:
        return words_of(text, lambda word: policy_option(word).name)

    def show(self, stored: Any, clock: Clock = EPOCH) -> str:
        return ",".join(stored) or "none"

    def _use(self, stored: object) -> tuple[int, ...]:
        if not isinstance(stored, list):
            raise ValueError
        return tuple(dict.fromkeys(policy_option(text_of(name)).code for name in stored))
