"""Expressions that name a client-class out of what a client sends (client-class-lookup-id).

    (if (starts-with (request get chaddr) "00:d0:ba") "phones" "pcs")
    (if (equali (request option "vendor-class-identifier") "MSFT 5.0") "windows")
    (concat "port-" (substring (request get circuit-id) 0 2))

Values are texts; what the client did not send is the empty text. ``request get`` knows chaddr and client-id (bytes in
hexadecimal, with colons), circuit-id and remote-id (of the relay; with -hex: their bytes), user-class; ``request
option`` has any option, by name or number, as text, ``request hex`` its bytes in hexadecimal. Texts are made by
concat, substring (text, start, length), lower and if; tests are equal, equali (in any case, as the following),
starts-with, ends-with, contains, and, or, not.

What is written is compiled once, and refused with ValueError when it makes no sense; then every packet has a value.
Source: reference "commands and attributes" section 3 (expressions; their functions are a choice of those).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tandem.base.errors import WireError
from tandem.config.expressions import parse
from tandem.config.types import Expression
from tandem.wire.dhcp import relay_suboptions, unpack_options
from tandem.wire.options import find_option

_RELAY, _CIRCUIT, _REMOTE, _USER_CLASS = 82, 1, 2, 77


@dataclass(frozen=True, slots=True)
class Packet:
    """What a client sends."""

    client_id: bytes
    hardware: bytes
    """Type byte and address."""
    options: Mapping[int, bytes]


def remembered(client_id: bytes, hardware: bytes, options: bytes) -> Packet:
    """Return what is kept of a packet with a lease: ``options`` are those of its options, packed."""
    return Packet(client_id, hardware, unpack_options(options))


Text = Callable[[Packet], str]
Test = Callable[[Packet], bool]


@dataclass(frozen=True)
class PacketExpression(Expression):
    """An expression over a packet. Used as the function that it means."""

    @property
    def allowed(self) -> str:
        return 'an expression, e.g. (if (starts-with (request get chaddr) "00:d0:ba") "phones" "pcs")'

    def _use(self, stored: object) -> Any:
        return compile_text(parse(str(super()._use(stored))))


def compile_text(tree: Any) -> Text:
    """Return the function that a tree of ``expressions.parse`` means. Raises ValueError that says what is wrong."""
    if isinstance(tree, tuple):
        constant = str(tree[1])
        return lambda packet: constant
    if isinstance(tree, str):
        raise ValueError(f"{tree!r}: a text stands in quotes")
    name, rest = _call(tree, _TEXTS)
    return _TEXTS[name](rest)


def compile_test(tree: Any) -> Test:
    """Return the test that a tree means. Raises ValueError."""
    if not isinstance(tree, list):
        raise ValueError(f"a test is needed: {', '.join(_TESTS)}")
    name, rest = _call(tree, _TESTS)
    return _TESTS[name](rest)


def _call(tree: Any, functions: Mapping[str, object]) -> tuple[str, list[Any]]:
    name = tree[0] if tree and isinstance(tree[0], str) else ""
    if name not in functions:
        raise ValueError(f"{name!r} is no function here; there are: {', '.join(functions)}")
    return name, tree[1:]


# --- texts ------------------------------------------------------------------------------------------------


def _request(rest: list[Any]) -> Text:
    match rest:
        case ["get", str(item)] if item in _ITEMS:
            return _ITEMS[item]
        case ["option" | "hex" as form, str() | ("text", _) as which]:
            code = find_option(which if isinstance(which, str) else which[1]).code
            if form == "hex":
                return lambda packet: packet.options.get(code, b"").hex(":")
            return lambda packet: _text(packet.options.get(code, b""))
    items = ", ".join(_ITEMS)
    raise ValueError(f'request: write (request get ITEM), of {items}; or (request option "NAME"), (request hex "NAME")')


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode("ascii", "replace")


def _hex(data: bytes) -> str:
    return data.hex(":")


def _of_relay(wanted: int, form: Callable[[bytes], str]) -> Text:
    def read(packet: Packet) -> str:
        try:
            return form(relay_suboptions(packet.options.get(_RELAY, b"")).get(wanted, b""))
        except WireError:
            return ""  # it is the relay's mistake, and tells nothing of the client

    return read


def user_class(value: bytes) -> str:
    """Return a user class as text: the first of a list (RFC 3004), or, as Microsoft's clients send it, all of it."""
    at, items = 0, []
    while at < len(value) and value[at] and at + value[at] < len(value):
        items.append(value[at + 1 : at + 1 + value[at]])
        at += 1 + value[at]
    return _text(items[0] if items and at == len(value) else value)


_ITEMS: Mapping[str, Text] = {
    "chaddr": lambda packet: packet.hardware[1:].hex(":"),
    "client-id": lambda packet: packet.client_id.hex(":"),
    "circuit-id": _of_relay(_CIRCUIT, _text),
    "remote-id": _of_relay(_REMOTE, _text),
    "circuit-id-hex": _of_relay(_CIRCUIT, _hex),
    "remote-id-hex": _of_relay(_REMOTE, _hex),
    "user-class": lambda packet: user_class(packet.options.get(_USER_CLASS, b"")),
}


def _concat(rest: list[Any]) -> Text:
    parts = [compile_text(part) for part in rest]
    return lambda packet: "".join([part(packet) for part in parts])


def _substring(rest: list[Any]) -> Text:
    match rest:
        case [inner, str(start), str(length)] if start.isdecimal() and length.isdecimal():
            whole, first, last = compile_text(inner), int(start), int(start) + int(length)
            return lambda packet: whole(packet)[first:last]
    raise ValueError("substring takes a text, where it starts (from 0) and its length")


def _lower(rest: list[Any]) -> Text:
    (inner,) = _some(rest, 1, "lower")
    return lambda packet: inner(packet).lower()


def _if(rest: list[Any]) -> Text:
    if len(rest) not in (2, 3):
        raise ValueError("if takes a test, a text, and a text for otherwise (left out: none)")
    test, then = compile_test(rest[0]), compile_text(rest[1])
    otherwise = compile_text(rest[2]) if len(rest) == 3 else lambda packet: ""
    return lambda packet: then(packet) if test(packet) else otherwise(packet)


def _some(rest: list[Any], count: int, name: str) -> Sequence[Text]:
    if len(rest) != count:
        raise ValueError(f"{name} takes {count} text{'s' if count > 1 else ''}")
    return [compile_text(part) for part in rest]


_TEXTS: Mapping[str, Callable[[list[Any]], Text]] = {
    "request": _request, "concat": _concat, "substring": _substring, "lower": _lower, "if": _if,
}  # fmt: skip


# --- tests ------------------------------------------------------------------------------------------------


def _compared(name: str, fits: Callable[[str, str], bool]) -> Callable[[list[Any]], Test]:
    def make(rest: list[Any]) -> Test:
        one, other = _some(rest, 2, name)
        return lambda packet: fits(one(packet), other(packet))

    return make


def _all(rest: list[Any]) -> Test:
    tests = [compile_test(part) for part in rest]
    return lambda packet: all(test(packet) for test in tests)


def _any(rest: list[Any]) -> Test:
    tests = [compile_test(part) for part in rest]
    return lambda packet: any(test(packet) for test in tests)


def _not(rest: list[Any]) -> Test:
    if len(rest) != 1:
        raise ValueError("not takes one test")
    test = compile_test(rest[0])
    return lambda packet: not test(packet)


_TESTS: Mapping[str, Callable[[list[Any]], Test]] = {
    "equal": _compared("equal", lambda a, b: a == b),
    "equali": _compared("equali", lambda a, b: a.lower() == b.lower()),
    "starts-with": _compared("starts-with", lambda a, b: a.lower().startswith(b.lower())),
    "ends-with": _compared("ends-with", lambda a, b: a.lower().endswith(b.lower())),
    "contains": _compared("contains", lambda a, b: b.lower() in a.lower()),
    "and": _all, "or": _any, "not": _not,
}  # fmt: skip
