"""The one registry of operator commands. nrcmd's grammar and help, and the REST routes, derive from it.

A command is declared once: its words, arguments, what it does, the role it needs, its effect, and an example.
Words match in any case. Does not know HTTP, terminals or how a command does its work.

Source: reference "commands and attributes" section 1.2; SYSTEM S7.1, S7.3.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from difflib import get_close_matches
from typing import TYPE_CHECKING

from tandem.base.errors import CommandError
from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.base.units import parse_duration
from tandem.cluster.answer import FORMATS, Answer
from tandem.config.access import ROLES
from tandem.config.dates import Clock

if TYPE_CHECKING:
    from tandem.cluster.manager import Manager

NAME = "NAME"
"""In a command's path, stands for the name of an object."""


@dataclass(slots=True)
class Session:
    """How one operator wants to be answered. Kept by the client, which sends it with each command."""

    default_format: str = "user"
    visibility: int = 5
    """3 or less is expert mode: what is normally refused to protect the operator is allowed."""
    zone: tzinfo = UTC
    """The operator's time zone."""

    def clock(self) -> Clock:
        """Return the operator's time."""
        return Clock(time.time(), self.zone)

    @property
    def expert(self) -> bool:
        """Whether the operator asked for expert mode."""
        return self.visibility <= 3

    def set(self, attribute: str, value: str) -> None:
        """Set an attribute from its text. Raises CommandError 308, 316."""
        if attribute == "default-format":
            if value not in FORMATS:
                raise CommandError(316, f"default-format={value}: write one of {', '.join(FORMATS)}")
            self.default_format = value
        elif attribute == "visibility":
            if not value.isdigit() or not 1 <= int(value) <= 10:
                raise CommandError(316, f"visibility={value}: write 1 to 10 (3 or less is expert mode, 5 is normal)")
            self.visibility = int(value)
        else:
            raise CommandError(308, f"session has no attribute {attribute!r}; it has default-format and visibility")

    def attributes(self) -> dict[str, str]:
        """Return the attributes as text."""
        return {"default-format": self.default_format, "visibility": str(self.visibility)}


@dataclass(frozen=True, slots=True)
class Login:
    """Who asks, and what they may do now."""

    name: str
    """An administrator's name."""
    roles: tuple[str, ...] = ()
    token: str = ""
    """Name of the token that was shown in place of a password; it cannot change who may log in."""

    def __str__(self) -> str:
        """Return who it is, for logs."""
        return f"{self.name} (token {self.token})" if self.token else self.name


@dataclass(slots=True)
class Request:
    """One command to be run, on behalf of whom."""

    login: Login
    session: Session
    name: str = ""
    """The object's name, where the command's path has NAME."""
    values: dict[str, str] = field(default_factory=dict)
    """Text of each argument by name, checked against its kind; "" for an optional one that was left out."""
    words: list[str] = field(default_factory=list)
    """The words of the last argument, where it takes many."""

    @property
    def who(self) -> str:
        """Who asks, for logs."""
        return str(self.login)


def _ipv4(text: str) -> str:
    return format_ipv4(parse_ipv4(text))


def _plain(text: str) -> str:
    return text


def _number(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f"{text!r} is not a whole number")
    return str(int(text))


def _duration(text: str) -> str:
    parse_duration(text)
    return text


def _role(text: str) -> str:
    if text not in ROLES:
        raise ValueError(f"{text!r} is not one of {', '.join(ROLES)}")
    return text


KINDS: dict[str, Callable[[str], str]] = {
    "text": _plain, "secret": _plain, "option": _plain, "ipv4": _ipv4, "number": _number, "duration": _duration,
    "role": _role,
}  # fmt: skip
"""Kinds of arguments: a function that returns the text in its plain form, or raises ValueError."""


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a command."""

    name: str
    help: str
    kind: str = "text"
    optional: bool = False
    many: bool = False
    """Takes all words that are left; only the last argument may."""
    choices: tuple[str, ...] = ()
    """What can be written, where that is known; for completion: the command checks it."""
    names: str = ""
    """The class whose objects it names, likewise."""

    def usage(self) -> str:
        """Return how the argument looks in a synopsis."""
        shown = f"<{self.name}>" + (" ..." if self.many else "")
        return f"[{shown}]" if self.optional else shown


EFFECTS = {
    "none": "changes nothing",
    "configuration": "edits the configuration; the DHCP server knows after the next reload",
    "server": "acts on the DHCP server or a lease at once",
    "access": "changes who may log in and what they may do, at once",
}


@dataclass(frozen=True, slots=True)
class Command:
    """An operator command, declared."""

    path: tuple[str, ...]
    help: str
    example: str
    run: Callable[[Manager, Request], Awaitable[Answer]]
    arguments: tuple[Argument, ...] = ()
    role: str = field(kw_only=True)
    """The role that it needs, one of ``config.access.ROLES``."""
    effect: str = field(default="none", kw_only=True)
    """One of EFFECTS."""
    route: str = field(default="", kw_only=True)
    """Method and path of the REST route that does the same, where it has no route of its own: those of the objects,
    or ``POST /command`` for what only a session needs."""

    @property
    def write(self) -> bool:
        """Whether it changes anything."""
        return self.effect != "none"

    @property
    def own_route(self) -> tuple[str, str] | None:
        """Method and path of its own REST route, if it has one."""
        path = "/" + "/".join("{name}" if word == NAME else word for word in self.path)
        return None if self.route else ("POST" if self.write else "GET", path)

    def usage(self) -> str:
        """Return the synopsis, e.g. ``scope NAME addRange <lowest> <highest>``."""
        return " ".join([*self.path, *(argument.usage() for argument in self.arguments)])

    def fill(self, request: Request, words: list[str]) -> None:
        """Put ``words`` into ``request`` as this command's arguments. Raises CommandError 309, 310, 316.

        Those that may be left out can be given in any order, as NAME=VALUE. CommandError 308 for another NAME.
        """
        named, words = self._named(words)
        many = bool(self.arguments) and self.arguments[-1].many
        needed = sum(not argument.optional for argument in self.arguments)
        if len(words) < needed:
            raise CommandError(310, f"write: {self.usage()}; for example: {self.example}")
        if len(words) > len(self.arguments) - len(named) and not many:
            extra = " ".join(words[len(self.arguments) - len(named) :])
            raise CommandError(309, f"{extra!r} is not expected; write: {self.usage()}")
        rest = list(words)
        for argument in self.arguments:
            if argument.name in named:
                text = named[argument.name]
            elif argument.many:
                request.words, text = rest, " ".join(rest)
            else:
                text = rest.pop(0) if rest else ""
            if not (text or argument.optional or argument.many):
                raise CommandError(316, f"{argument.name} is empty; write: {self.usage()}; for example: {self.example}")
            try:
                request.values[argument.name] = KINDS[argument.kind](text) if text else text
            except ValueError as error:
                raise CommandError(316, f"{argument.name}: {error}") from None

    def _named(self, words: list[str]) -> tuple[dict[str, str], list[str]]:
        """Return the arguments that are given by name, and the other words."""
        names = [argument.name for argument in self.arguments if argument.optional and not argument.many]
        named, others = {}, []
        for word in words:
            name, equals, text = word.partition("=")
            if equals and name in names:
                named[name] = text
                continue
            if equals and names and re.fullmatch("[a-z][a-z-]*", name) and not self.arguments[-1].many:
                raise CommandError(308, f"{name!r}; write {', '.join(f'{known}=' for known in names)}")
            others.append(word)
        return named, others


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    """The children's words as declared."""
    named: _Node | None = None
    command: Command | None = None


_OTHER_NAMES = {"custom-option": "option"}
"""First words of commands as other versions have them."""
_OTHER_WORDS = {
    f"{verb}V4{what}".lower(): f"{verb}{what}".lower()
    for verb in ("set", "get", "unset", "list") for what in ("Option", "Options", "VendorOption", "VendorOptions")
}  # fmt: skip
"""The other words, likewise, in small letters."""


class Registry:
    """All commands, and the way from a line to one of them."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self._root = _Node()

    def add(self, *commands: Command) -> None:
        """Register commands. Two of one path, or an unknown kind of argument, are a mistake of the programmer."""
        for command in commands:
            node = self._root
            for word in command.path:
                if word == NAME:
                    node.named = node.named or _Node()
                    node = node.named
                else:
                    if word.lower() not in node.children:
                        node.children[word.lower()] = _Node()
                        node.words.append(word)
                    node = node.children[word.lower()]
            assert node.command is None, f"{command.path} is declared twice"
            assert all(argument.kind in KINDS for argument in command.arguments)
            assert command.role in ROLES and command.effect in EFFECTS, command.path
            assert not any(argument.many for argument in command.arguments[:-1])
            node.command = command
            self.commands.append(command)

    def find(self, words: list[str]) -> tuple[Command, str, list[str]]:
        """Return the command that ``words`` mean, the object's name, and the words that are its arguments.

        Raises CommandError 306 unknown command, 307 unknown keyword, 309 too many, 310 too few arguments.
        """
        if [word.lower() for word in words[:2]] == ["server", "dhcp"]:
            words = words[1:]
        if words and words[0].lower() in _OTHER_NAMES:
            words = [_OTHER_NAMES[words[0].lower()], *words[1:]]
        node, name = self._root, ""
        for i, word in enumerate(words):
            known = word.lower() if word.lower() in node.children else _OTHER_WORDS.get(word.lower(), "")
            if known in node.children:
                node = node.children[known]
            elif node.named is not None:
                node, name = node.named, word
            elif node.command is not None and (node.command.arguments or not node.children):
                return node.command, name, words[i:]
            else:
                if i and not node.children:
                    raise CommandError(309, f"{word!r} is not expected after {' '.join(words[:i])!r}")
                raise CommandError(307 if i else 306, f"{word!r}; {self._instead(node, words, i)}")
        if node.command is None:
            choices = ["a name", *node.words] if node.named is not None else node.words
            raise CommandError(310, f"after {' '.join(words)!r} write one of: " + ", ".join(choices))
        return node.command, name, []

    def _instead(self, node: _Node, words: list[str], i: int) -> str:
        """Return what may be meant by ``words``, whose word ``i`` cannot follow those before it."""
        verbs = {command.path[-1].lower() for command in self.commands if len(command.path) > 1}
        if not i and words[0].lower() in verbs:
            return "write the object first, e.g. 'scope list' or 'dhcp reload'; 'help' lists the commands"
        near = get_close_matches(words[i].lower(), node.children, 1)
        if near:
            return f"did you mean {next(word for word in node.words if word.lower() == near[0])!r}?"
        before = " ".join(words[:i])
        return f"after {before!r} write one of: {', '.join(node.words)}" if before else "'help' lists the commands"

    def under(self, words: list[str]) -> list[Command]:
        """Return the commands whose path begins with ``words`` (NAME in a path matches any word)."""
        wanted = [word.lower() for word in words]
        if wanted[:2] == ["server", "dhcp"]:
            wanted = wanted[1:]
        wanted = [_OTHER_NAMES.get(wanted[0], wanted[0]), *(_OTHER_WORDS.get(w, w) for w in wanted[1:])]

        def fits(command: Command) -> bool:
            pairs = zip(command.path, wanted, strict=False)
            return len(command.path) >= len(wanted) and all(p == NAME or p.lower() == w for p, w in pairs)

        exact = [command for command in self.commands if fits(command)]
        literal = [c for c in exact if [p.lower() for p in c.path[: len(wanted)]] == wanted]
        return literal or exact


REGISTRY = Registry()
"""The commands of a local cluster. ``tandem.cluster.commands`` fills it when it is imported."""


def split(line: str) -> list[str]:
    """Return the words of a command line; quotes keep words together. Raises CommandError 316."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.escape = ""
    try:
        return list(lexer)
    except ValueError as error:
        raise CommandError(316, f"invalid command line: {error}; close it, or quote it by the other kind") from None
