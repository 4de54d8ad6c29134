"""The whole configuration as one readable file, and back: export, and import through the checks of every edit.

The file is JSON: each class, its objects by name, what is set on them. Secrets stand in it as stars, and stars leave
a secret as it is. Administrators are not in it. Source: SYSTEM S2; reference "commands and attributes" section 1.7.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from tandem.base.errors import CommandError
from tandem.cluster.answer import Answer
from tandem.cluster.database import Draft
from tandem.cluster.manager import Manager
from tandem.cluster.objects import edit_many, secrets_of, table
from tandem.cluster.preview import changes
from tandem.cluster.progress import each, tell
from tandem.cluster.registry import REGISTRY, Argument, Command, Request
from tandem.cluster.stored import apply, make
from tandem.config.access import ADMIN, DHCP_ADMIN, READ_ONLY
from tandem.config.attribute import ObjectClass
from tandem.config.document import Document
from tandem.config.schema import SECTIONS, SERVED

_MARK, _FORMAT = "tandem-configuration", 1
_HIDDEN = "********"
REFUSED = "the configuration in the file cannot work, nothing was changed:"
"""The first line of a refusal; on each of the others is one thing that is wrong."""
_WRONG_MAX = 50
_FIRST = ("option", "option-set", "vendor-option", "policy", "client-class")
"""Classes that objects of others refer to."""
MOVED: Mapping[str, ObjectClass] = {
    name: SECTIONS[name] for name in (*_FIRST, *(n for n in SECTIONS if n not in (*_FIRST, ADMIN.name, "dhcp")), "dhcp")
}
"""The classes that a file holds, those first that others refer to."""


def exported(document: Document) -> dict[str, Any]:
    """Return a configuration as it is exported."""
    found: dict[str, Any] = {_MARK: _FORMAT}
    for cls in MOVED.values():
        section = document.get(cls.name, {})
        hidden = secrets_of(cls)
        found[cls.name] = (
            _starred(section, hidden)
            if cls.singleton
            else {name: _starred(content, hidden) for name, content in sorted(section.items())}
        )
    return {name: section for name, section in found.items() if section}


def _starred(content: Mapping[str, Any], hidden: frozenset[str]) -> dict[str, Any]:
    return {name: _HIDDEN if name in hidden and value else value for name, value in content.items()}


def imported(text: str, present: Document) -> Document:
    """Return the configuration that a file describes; stars are what ``present`` has. Raises CommandError 316."""
    try:
        content = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise CommandError(316, f"the file is not JSON: {error}") from None
    if not isinstance(content, dict) or content.get(_MARK) != _FORMAT:
        raise CommandError(316, f'the file is no exported configuration: it lacks "{_MARK}": {_FORMAT}')
    unknown = [name for name in content if name != _MARK and name not in MOVED]
    if unknown:
        raise CommandError(316, f"the file has the unknown class {unknown[0]!r}; known are {', '.join(MOVED)}")
    document: Document = {}
    wrong: list[CommandError] = []
    for cls in MOVED.values():
        section = content.get(cls.name, {})
        if not isinstance(section, dict):
            wrong.append(CommandError(316, f"{cls.name}: this is not a JSON object"))
            continue
        objects = {"": section} if cls.singleton else section
        for name, values in each(f"reading objects of class {cls.name}", objects.items()):
            try:
                _take(document, cls, name, values, present.get(cls.name, {}))
            except CommandError as refused:
                wrong.append(refused)
    if len(wrong) == 1:
        raise wrong[0]
    if wrong:
        raise _refused([one.text for one in wrong])
    return document


def _take(document: Document, cls: ObjectClass, name: str, values: object, had: Mapping[str, Any]) -> None:
    """Put one object of a file into ``document``. Raises CommandError."""
    if not isinstance(values, dict):
        raise CommandError(316, f"{cls.label(name)}: this is not a JSON object")
    if cls.singleton:
        apply(document, cls.name, "", _unstarred(cls, values, had))
    else:
        make(document, cls.name, name, _unstarred(cls, values, had.get(cls.stored_name(name), {})))


def _refused(wrong: list[str]) -> CommandError:
    more = [f"and {len(wrong) - _WRONG_MAX} more"] if len(wrong) > _WRONG_MAX else []
    return CommandError(316, "\n".join([REFUSED, *wrong[:_WRONG_MAX], *more]))


def _unstarred(cls: ObjectClass, values: Mapping[str, Any], had: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with the secrets that there are in the place of stars; a secret that is not known is left out."""
    hidden = secrets_of(cls)
    return {
        name: had.get(name) if value == _HIDDEN else value
        for name, value in values.items()
        if not (name in hidden and value == _HIDDEN and name not in had)
    }


async def _export(manager: Manager, request: Request) -> Answer:
    text = msgspec.json.format(msgspec.json.encode(exported(manager.database.document)), indent=2).decode()
    return Answer(lines=text.split("\n"))


def _read(manager: Manager, text: str, present: Document) -> tuple[Document, list[str], list[list[str]]]:
    """Return the configuration in a file, warnings, and what it changes. Runs in a thread: it may take seconds.

    Raises CommandError 316 when it cannot work.
    """
    wanted = imported(text, present)
    tell("checking the configuration")
    problems = manager.problems({cls: section for cls, section in wanted.items() if cls in SERVED})
    fatal = [str(problem) for problem in problems if problem.fatal]
    if fatal:
        raise _refused(fatal)
    return wanted, [str(problem) for problem in problems], [list(row) for row in changes(present, wanted, MOVED)]


async def _import(manager: Manager, request: Request) -> Answer:
    text, check = request.values["file"], request.values["check"]
    if not text:
        raise CommandError(310, "name the file: import configuration file=FILE")
    if check not in ("", "yes"):
        raise CommandError(316, f"check: {check!r} is not yes; leave it out to import")
    present = None
    while present is not manager.database.document:  # else somebody edited while it was found out
        present = manager.database.document
        wanted, problems, rows = await asyncio.to_thread(_read, manager, text, present)
    tell("saving")
    lines = table([["Object", "Attribute", "Now", "In the file"], *rows]) if rows else ["The file changes nothing."]
    lines += problems
    number = None if check else edit_many(manager, request, lambda draft: _replace(draft, wanted))
    data = {"changes": rows, "warnings": problems, "change_set": number}
    return Answer(lines=lines, data=data)


def _replace(draft: Draft, wanted: Document) -> None:
    for cls in MOVED.values():
        new = wanted.get(cls.name, {})
        if cls.singleton:
            draft.open(cls.name, "")
            draft.document[cls.name] = new
            continue
        for name in {**draft.document.get(cls.name, {}), **new}:
            if draft.document.get(cls.name, {}).get(name) == new.get(name):
                continue
            draft.open(cls.name, name)
            if name in new:
                draft.document.setdefault(cls.name, {})[name] = new[name]
            else:
                del draft.document[cls.name][name]


REGISTRY.add(
    Command(("export", "configuration"), "Show the whole configuration, or have nrcmd write it to file=FILE.",
            "export configuration file=site.json", _export,
            (Argument("file", "file that nrcmd writes", optional=True),), role=READ_ONLY),
    Command(("import", "configuration"), "Make the configuration what a file says, as one change set.",
            "import configuration file=site.json", _import,
            (Argument("file", "file that nrcmd reads; over REST, what it holds", optional=True),
             Argument("check", "yes: only show what would change", optional=True)),
            role=DHCP_ADMIN, effect="configuration"),
)  # fmt: skip
