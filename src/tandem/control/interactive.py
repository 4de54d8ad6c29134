"""The interactive nrcmd: prompt, history, completion. What can be completed comes from the cluster's registry."""

from __future__ import annotations

import http.client
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.shortcuts import CompleteStyle

from tandem.control.nrcmd import Client, run_line

_NAME = "NAME"
_SECRET = re.compile(r"password|secret|^\s*admin\s.*\screate\b", re.I)
"""What a line has in it that may hold a password: it is not written to the history."""
_TAKE_ATTRIBUTES = {"set": "=", "create": "=", "get": "", "unset": "", "enable": "", "disable": ""}


class CommandCompleter(Completer):
    """Completes command words, names of objects, attributes and options, and values."""

    def __init__(self, client: Client) -> None:
        self._client = client
        grammar = client.request("GET", "/api/v1/commands")
        self._commands: list[dict[str, Any]] = grammar["commands"]
        self._attributes: dict[str, dict[str, str]] = grammar["attributes"]
        """class -> attribute -> help"""
        self._values: dict[str, dict[str, list[str]]] = grammar["values"]
        """class -> attribute -> the words that it can be, or be made of"""
        self._references: dict[str, dict[str, str]] = grammar["references"]
        """class -> attribute -> the class whose objects it names"""
        self._options: list[str] = grammar["options"]

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Yield what may stand at the cursor."""
        before = document.text_before_cursor.split(" ")
        words, last = [word for word in before[:-1] if word], before[-1]
        attribute, equals, value = last.partition("=")
        if equals:
            begun = value.rpartition(",")[2]
            whole = [text for text, _ in self.candidates(words) if text.startswith(last) and text != last]
            for text in [word.partition("=")[2] for word in whole] or self.values(words, attribute):
                if text.lower().startswith(begun.lower()):
                    yield Completion(text, start_position=-len(begun))
            return
        for text, meaning in self.candidates(words):
            if text.lower().startswith(last.lower()):
                yield Completion(text, start_position=-len(last), display_meta=meaning)

    def candidates(self, words: list[str]) -> Iterable[tuple[str, str]]:
        """Return (word, what it means) of everything that may follow ``words``."""
        if [word.lower() for word in words[:2]] == ["server", "dhcp"]:
            words = words[1:]
        if words and words[0].lower() == "help":
            words = words[1:]
        found: dict[str, str] = {}
        names = False
        for command in self._meant(words):
            path = command["path"]
            if len(path) > len(words):
                following = path[len(words)]
                names = names or following == _NAME
                if following != _NAME:
                    meaning = command["help"] if len(path) == len(words) + 1 else ""
                    found[following] = found.get(following) or meaning
            elif path[-1] in _TAKE_ATTRIBUTES and path[0] in self._attributes:
                for attribute, meaning in self._attributes[path[0]].items():
                    found[attribute + _TAKE_ATTRIBUTES[path[-1]]] = meaning
            else:
                found |= self._arguments(command, len(words) - len(path))
        if names:
            found |= dict.fromkeys(self._names(words[0]), words[0])
        return found.items()

    def _meant(self, words: list[str]) -> list[dict[str, Any]]:
        """Return the commands that ``words`` may begin; a word of the grammar is not taken for a name."""
        found = self._commands
        for i, word in enumerate(words):
            here = [c for c in found if len(c["path"]) <= i or c["path"][i].lower() == word.lower()]
            literal = any(len(c["path"]) > i for c in here)
            found = here if literal else [c for c in found if len(c["path"]) <= i or c["path"][i] == _NAME]
        return found

    def _arguments(self, command: dict[str, Any], given: int) -> dict[str, str]:
        """Return what may follow a whole command and ``given`` arguments: options, and arguments that have names."""
        arguments = command.get("arguments", [])
        found: dict[str, str] = {}
        at = min(given, len(arguments) - 1)
        if at >= 0 and (at == given or arguments[at]["many"]):
            argument = arguments[at]
            if argument["kind"] == "option":
                found |= dict.fromkeys([*self._options, *self._names("option")], "option")
            found |= dict.fromkeys(self._words_of(argument), argument["name"])
        return found | {a["name"] + "=": "" for a in arguments if a["optional"] and not a["many"]}

    def _words_of(self, argument: dict[str, Any]) -> list[str]:
        """Return what an argument can be, as far as that is known."""
        named = argument.get("names")
        return self._names(named) if named else list(argument.get("choices", ()))

    def values(self, words: list[str], attribute: str) -> list[str]:
        """Return the words that an attribute, or an argument, can have in a command that begins with ``words``."""
        for command in self._meant(words):
            for argument in command.get("arguments", []):
                if argument["name"] == attribute:
                    return self._words_of(argument)
        if [word.lower() for word in words[:2]] == ["server", "dhcp"]:
            words = words[1:]
        cls = words[0].lower() if words else ""
        referred = self._references.get(cls, {}).get(attribute)
        return self._names(referred) if referred else self._values.get(cls, {}).get(attribute, [])

    def _names(self, cls: str) -> list[str]:
        owner = cls.removesuffix("-policy")  # what is embedded has its owner's name, also while nothing is set in it
        cls = owner if owner in self._attributes else cls
        reply = self._client.command(f"{cls} listnames") if cls in self._attributes else None
        return reply.lines[1:] if reply is not None and reply.ok else []


class _Discreet(FileHistory):
    """A history without what may be a password."""

    def store_string(self, string: str) -> None:
        if not _SECRET.search(string):
            super().store_string(string)


def _history() -> History:
    path = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "nrcmd-history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError:
        return InMemoryHistory()
    return _Discreet(str(path))


def explain(client: Client, line: str) -> list[str]:
    """Return the help on the command that a line begins."""
    words = line.split()
    while True:
        reply = client.command(" ".join(["help", *words]))
        if reply.ok or not words:
            return reply.lines[1:] if reply.ok else reply.lines
        words.pop()


def run_interactive(client: Client) -> int:
    """Log in, then read and run commands until exit; return 0, or 1 when the login failed."""
    reply = client.command("session show")
    print(*reply.lines, sep="\n")
    if not reply.ok:
        return 1
    try:
        completer = CommandCompleter(client)
    except (OSError, http.client.HTTPException) as error:
        print(f"501 Connection Failure - {error}")
        return 1
    prompt: PromptSession[str] = PromptSession(
        history=_history(),
        completer=completer,
        complete_while_typing=False,
        complete_style=CompleteStyle.READLINE_LIKE,
        reserve_space_for_menu=0,
    )
    while True:
        try:
            line = prompt.prompt("nrcmd> ").strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return 0
        if line.lower() in ("exit", "quit"):
            return 0
        if line.endswith("?"):
            print(*explain(client, line[:-1]), sep="\n")
        elif line and not line.startswith("#"):
            print(*run_line(client, line).lines, sep="\n")
