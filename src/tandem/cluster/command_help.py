"""The command ``help``: an overview of all commands, those of an object, or one in full.

What it says comes from the declarations. Source: reference "commands and attributes" section 1.1.
"""

from __future__ import annotations

from tandem.base.errors import CommandError
from tandem.cluster.answer import Answer
from tandem.cluster.manager import Manager
from tandem.cluster.objects import attribute_help, table
from tandem.cluster.registry import NAME, REGISTRY, Argument, Command, Request
from tandem.config.access import READ_ONLY
from tandem.config.schema import CLASSES

_WIDE = 60
"""Characters that a synopsis has at most in a table."""
_FULL = 5
"""So many commands at most are told in full."""


def _overview() -> list[str]:
    """Return a line for each first word of a command: what it is about, or does, and what follows it."""
    following: dict[str, dict[str, str]] = {}
    for command in sorted(REGISTRY.commands, key=lambda command: command.path[0]):
        first, rest = command.path[0], [word for word in command.path[1:] if word != NAME]
        following.setdefault(first, {}).setdefault(rest[0] if rest else "", command.help)
    rows = []
    for first, words in following.items():
        cls = CLASSES.get(first)
        verbs = ", ".join(word for word in words if word)
        rows.append([first, cls.help if cls else verbs or words[""]])
    return table(rows)


def _begun(words: list[str]) -> list[Command]:
    """Return the commands that begin with ``words``, among which the name of an object may be left out."""
    first, *rest = words
    below = [command.path[1:3] for command in REGISTRY.under([first])]
    if rest and rest[0].lower() in {path[1].lower() for path in below if len(path) > 1 and path[0] == NAME}:
        named = REGISTRY.under([first, NAME, *rest])
        return named or REGISTRY.under(words)
    return REGISTRY.under(words)


async def _help(manager: Manager, request: Request) -> Answer:
    if not request.words:
        more = "'help scope' shows the commands that begin so, 'help scope NAME addRange' tells all of one,"
        return Answer(lines=[*_overview(), "", more, "'help all' shows all, one a line."])
    commands = REGISTRY.commands if request.words == ["all"] else _begun(request.words)
    if not commands:
        raise CommandError(306, f"{' '.join(request.words)!r} begins no command; 'help' lists them")
    if len(commands) > _FULL:
        rows = table([[_short(command), command.help] for command in commands])
        return Answer(lines=[*rows, "", f"'help' and one of them tells all of it, e.g. 'help {_words(commands[-1])}'."])
    lines = []
    for command in commands:
        lines += [command.usage(), f"    {command.help}", f"    for example: {command.example}"]
        lines += [f"    {argument.usage()}: {argument.help}" for argument in command.arguments]
    if len(commands) == 1:
        lines += attribute_help(commands[0])
    return Answer(lines=lines)


def _short(command: Command) -> str:
    """Return the synopsis, without the arguments where they are many."""
    usage = command.usage()
    return usage if len(usage) <= _WIDE else f"{_words(command)} ..."


def _words(command: Command) -> str:
    return " ".join(command.path)


_WORDS = Argument("command", "the first words of a command, or all", optional=True, many=True)

REGISTRY.add(
    Command(("help",), "List the commands, or tell about some.", "help scope", _help, (_WORDS,),
            route="POST /command", role=READ_ONLY),
)  # fmt: skip
