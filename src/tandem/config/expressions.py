"""Expressions of scope templates: what a subnet's name, ranges and options are.

    (concat "lab-" subnet)                              a name
    (create-range 2 (- nhosts 10))                      the second address to the tenth last; also of two addresses
    (list (create-option "routers" (create-ipaddr subnet 1)) (create-option "domain-name" "lab.example"))

Variables: subnet, subnet-addr, mask-addr, mask-count, bcast-addr, first-addr, last-addr, naddrs, nhosts,
template.ATTRIBUTE, this.ATTRIBUTE. Functions: concat, + - * /, list, create-ipaddr, create-range, create-option.
Whatever is written either has a value or is refused with ValueError; nothing loops. Source: reference "commands and
attributes" section 2.2 (scope templates) and 3 (expressions).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tandem.base.ipv4 import format_ipv4, parse_ipv4, prefix_length

_TOKEN = re.compile(r"\s*(?:([()])|\"((?:[^\"\\]|\\.)*)\"|([^\s()\"]+))")
_DEPTH_MAX = 50
_LENGTH_MAX = 4000


@dataclass(frozen=True, slots=True)
class Address:
    """An IPv4 address."""

    number: int

    def __str__(self) -> str:
        return format_ipv4(self.number)


@dataclass(frozen=True, slots=True)
class Range:
    """Addresses from one to another."""

    lowest: Address
    highest: Address


@dataclass(frozen=True, slots=True)
class Option:
    """A DHCP option and the text of its value."""

    name: str
    text: str


Variables = Mapping[str, Any]


def variables_of(subnet: int, mask: int) -> dict[str, Any]:
    """Return the variables of a subnet."""
    last = subnet | mask ^ 0xFFFFFFFF
    count = last - subnet + 1
    hosts = count - 2 if count > 2 else count
    return {
        "subnet": f"{format_ipv4(subnet)}/{prefix_length(mask)}",
        "subnet-addr": Address(subnet),
        "mask-addr": Address(mask),
        "mask-count": prefix_length(mask),
        "bcast-addr": Address(last),
        "first-addr": Address(subnet + (1 if count > 2 else 0)),
        "last-addr": Address(last - (1 if count > 2 else 0)),
        "naddrs": count,
        "nhosts": hosts,
    }


def evaluate(text: str, variables: Variables) -> Any:
    """Return the value of an expression: a text, a number, an Address, a Range, an Option, or a list of such.

    Raises ValueError that says what is wrong.
    """
    return _value(parse(text), variables)


def parse(text: str) -> Any:
    """Return the tree of an expression: a list for parentheses, ("text", value) or a word. Raises ValueError."""
    if len(text) > _LENGTH_MAX:
        raise ValueError(f"an expression has at most {_LENGTH_MAX} characters")
    trees: list[Any] = [[]]
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"{text[at:].strip()[:20]!r} cannot be read; is a quote missing?")
        at = found.end()
        if found[1] == "(":
            if len(trees) > _DEPTH_MAX:
                raise ValueError("it is nested too deeply")
            trees.append([])
        elif found[1] == ")":
            if len(trees) == 1:
                raise ValueError("there is one ) too many")
            done = trees.pop()
            trees[-1].append(done)
        else:
            trees[-1].append(found[3] if found[3] is not None else ("text", re.sub(r"\\(.)", r"\1", found[2])))
    if len(trees) > 1:
        missing = len(trees) - 1
        raise ValueError(f"{missing} closing {'parenthesis is' if missing == 1 else 'parentheses are'} missing")
    if len(trees[0]) != 1:
        raise ValueError("write one expression, e.g. (concat \"lab-\" subnet)")
    return trees[0][0]


def _value(tree: Any, variables: Variables) -> Any:
    if isinstance(tree, tuple):
        return tree[1]
    if isinstance(tree, str):
        return _word(tree, variables)
    if not tree or not isinstance(tree[0], str) or tree[0] not in FUNCTIONS:
        named = tree[0] if tree and isinstance(tree[0], str) else ""
        raise ValueError(f"{named!r} is no function; there are: {', '.join(FUNCTIONS)}")
    return FUNCTIONS[tree[0]]([_value(part, variables) for part in tree[1:]], variables)


def _word(word: str, variables: Variables) -> Any:
    if re.fullmatch(r"-?[0-9]{1,10}", word):
        return int(word)
    if word in variables:
        return variables[word]
    try:
        return Address(parse_ipv4(word))
    except ValueError:
        known = ", ".join(name for name in variables if "." not in name)
        raise ValueError(f"{word!r} is neither a number nor a variable; there are: {known}") from None


# --- functions ------------------------------------------------------------------------------------------


def _concat(values: Sequence[Any], variables: Variables) -> str:
    return "".join(_text(value) for value in values)


def _text(value: Any) -> str:
    if isinstance(value, str | int | Address):
        return str(value)
    raise ValueError("a text, a number or an address is needed")


def _number(value: Any) -> int:
    if isinstance(value, int):
        return value
    raise ValueError(f"a number is needed, not {value!r}")


def _arithmetic(sign: str) -> Callable[[Sequence[Any], Variables], Any]:
    def run(values: Sequence[Any], variables: Variables) -> Any:
        if len(values) != 2:
            raise ValueError(f"{sign} takes two values")
        first, second = values
        if isinstance(first, Address) and sign in "+-" and isinstance(second, int):
            return _address(first.number + (second if sign == "+" else -second))
        a, b = _number(first), _number(second)
        if sign == "/" and b == 0:
            raise ValueError("division by zero")
        result = {"+": a + b, "-": a - b, "*": a * b, "/": a // (b or 1)}[sign]
        if abs(result) > 1 << 40:
            raise ValueError("the number is too large")
        return result

    return run


def _address(number: int) -> Address:
    if not 0 <= number <= 0xFFFFFFFF:
        raise ValueError("that is beyond all addresses")
    return Address(number)


def _create_address(values: Sequence[Any], variables: Variables) -> Address:
    if len(values) != 2:
        raise ValueError("create-ipaddr takes a subnet and a number")
    base = values[0]
    try:
        start = base.number if isinstance(base, Address) else parse_ipv4(_text(base).partition("/")[0])
    except ValueError:
        raise ValueError(f"{base!r} is no subnet") from None
    return _address(start + _number(values[1]))


def _create_range(values: Sequence[Any], variables: Variables) -> Range:
    if len(values) != 2:
        raise ValueError("create-range takes the first and the last, as addresses or as numbers in the subnet")
    ends = [
        value if isinstance(value, Address) else _address(variables["subnet-addr"].number + _number(value))
        for value in values
    ]
    return Range(ends[0], ends[1])


def _create_option(values: Sequence[Any], variables: Variables) -> Option:
    if len(values) != 2:
        raise ValueError("create-option takes an option and a value")
    value = values[1]
    items = value if isinstance(value, list) else [value]
    return Option(_text(values[0]), ",".join(_text(item) for item in items))


FUNCTIONS: Mapping[str, Callable[[Sequence[Any], Variables], Any]] = {
    "concat": _concat, "+": _arithmetic("+"), "-": _arithmetic("-"), "*": _arithmetic("*"), "/": _arithmetic("/"),
    "list": lambda values, variables: list(values), "create-ipaddr": _create_address, "create-range": _create_range,
    "create-option": _create_option,
}  # fmt: skip
"""Every function, by name."""
