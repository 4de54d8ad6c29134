"""Carrying out a synchronization on the cluster whose configuration changes: report, or run as one change set.

The source's configuration comes with the order; what changes is found out here, where nothing can come between
finding out and saving. A run is saved as a whole or not at all. Does not know where the order came from nor how.
Source: SYSTEM S6, S10.2; failover chapter, tables 16-1 and 16-2.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any

from tandem.base.errors import CommandError
from tandem.cluster.database import Draft, encode
from tandem.cluster.manager import Manager
from tandem.cluster.objects import edit_many
from tandem.cluster.progress import tell
from tandem.cluster.registry import Login, Request, Session
from tandem.config import document as config
from tandem.config.compile import compile_config
from tandem.config.document import Document
from tandem.config.pairs import Pair
from tandem.config.schema import EMBEDDED_IN, SERVED
from tandem.config.schema_clients import EMBEDDED
from tandem.config.sync import Entry, Plan, Skip, Withheld, comparable, plan, readable, synchronized
from tandem.config.synctables import DRIFT
from tandem.config.types import Secret

FORMAT = 1
"""Version of what clusters tell each other about synchronization; both must have the same."""
_ENTRIES_MAX = 10_000
"""Entries that a report shows; a run applies all."""


class Outdated(CommandError):
    """What a run would change is no longer what the report showed."""

    def __init__(self) -> None:
        super().__init__(387, "the configurations have changed since that report: report again, then run")

    @property
    def http_status(self) -> int:
        """412: the version given with If-Match is an old one."""
        return 412


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done, on behalf of whom."""

    pair: Pair
    operation: str
    document: object
    """The source's configuration, as it came."""
    withheld: Withheld = ()
    run: bool = False
    match: str | None = None
    """Version of the report that is to be run; None = whatever the configurations are now."""
    reload: bool = False
    """Whether the DHCP server is to reload after the run."""
    why: str = ""


async def carry_out(manager: Manager, login: Login, order: Order) -> dict[str, Any]:
    """Report what the order would change here, or change it; return the report (docs/architecture.md has its form).

    Raises CommandError, and then nothing was changed: 316 the outcome could not work, 320 it is not this pair's to
    change, 387 ``match`` is not the version of what would be changed.
    """
    tell("reading the configuration that is to be followed")
    source, unknown = await asyncio.to_thread(readable, order.document, order.withheld)
    document = None
    while document is not manager.database.document:  # else somebody edited while it was found out
        document = manager.database.document
        made, version, errors, warnings = await asyncio.to_thread(_prepare, manager, document, source, order)
    if order.match not in (None, "*", version):
        raise Outdated
    report: dict[str, Any] = {
        "main": order.pair.main, "backup": order.pair.backup, "operation": order.operation, "ran": order.run,
        "version": version, "entries": [_entry(entry) for entry in made.entries[:_ENTRIES_MAX]],
        "left_off": max(0, len(made.entries) - _ENTRIES_MAX), "skipped": [_skip(s) for s in unknown + made.skipped],
        "errors": errors, "warnings": warnings, "change_set": None, "reload": None,
    }  # fmt: skip
    if order.run:
        if errors:
            raise CommandError(316, "the outcome could not work, and nothing was changed:\n" + "\n".join(errors))
        tell("saving the changes")
        report["change_set"] = edit_many(manager, Request(login, Session()), made_by(made), why=order.why)
        manager.log.note(
            "Info", "Configuration", 60040, f"{login}: {order.why}: {len(made.entries)} changes,"
            f" change set {report['change_set'] or 'none'}.",
        )  # fmt: skip
        if order.reload:
            report["reload"] = await _reload(manager, login)
    return report


def _prepare(
    manager: Manager, document: Document, source: Document, order: Order
) -> tuple[Plan, str, list[str], list[str]]:
    """Return the plan, its version, and what is wrong with its outcome. Runs in a thread: it may take seconds."""
    made = plan(source, document, order.pair, order.operation, order.withheld, tell)
    tell("checking whether the outcome works")
    return made, _version(made), *_check(manager, document, made)


def made_by(made: Plan) -> Any:
    """Return the change of a draft that a plan says."""

    def change(draft: Draft) -> None:
        for (cls, name), content in made.objects.items():
            draft.open(cls, name)
            if content is not None and name:
                draft.document.setdefault(cls, {})[name] = content
            elif content is not None:
                draft.document[cls] = content
            else:
                draft.document[cls].pop(name, None)

    return change


async def _reload(manager: Manager, login: Login) -> dict[str, Any]:
    try:
        warnings = await manager.reload(str(login))
    except CommandError as error:
        return {"ok": False, "text": error.text}
    return {"ok": True, "text": "\n".join(warnings)}


def _check(manager: Manager, document: Document, made: Plan) -> tuple[list[str], list[str]]:
    """Return what the run would break, and what is wrong already."""
    result = made.result(document)
    errors = []
    for (cls, name), content in made.objects.items():
        for attribute in config.class_of(cls).attributes:
            if content is not None and attribute.name in content:
                try:
                    config.check_reference(result, cls, name, attribute, content[attribute.name])
                except CommandError as error:
                    errors.append(error.text)
    before, after = (_problems(manager, which) for which in (document, result))
    errors += [text for text in after if text not in before and text not in errors]
    return errors, [f"not by this run: {text}" for text in after if text in before]


def _problems(manager: Manager, document: Document) -> list[str]:
    served = {cls: section for cls, section in document.items() if cls in SERVED}
    _, problems = compile_config(served, manager.address, own=manager.own_addresses())
    return [str(problem) for problem in problems if problem.level == "error"]


def _version(made: Plan) -> str:
    """Return what is another one whenever a run would change anything else, secrets included."""
    return hashlib.sha256(encode(made.entries).encode()).hexdigest()[:16]


def fingerprints(document: Document, pair: Pair) -> dict[str, str]:
    """Return a fingerprint per class of what must be the same on both servers of a pair."""
    kinds = comparable(synchronized(document), pair, DRIFT)
    return {kind: hashlib.sha256(encode(content).encode()).hexdigest() for kind, content in kinds.items()}


# --- as text --------------------------------------------------------------------------------------------


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "class": entry.cls, "object": entry.name, "attribute": entry.attribute, "function": entry.function,
        "change": "add" if entry.before is None else "remove" if entry.after is None else "modify",
        "before": _text(entry, entry.before), "after": _text(entry, entry.after),
    }  # fmt: skip


def _skip(skip: Skip) -> dict[str, Any]:
    return {"class": skip.cls, "object": skip.name, "attribute": skip.attribute, "why": skip.why}


def _text(entry: Entry, value: Any) -> str | None:
    """Return a value as people read it; None = not set, or not there; "" = the object itself."""
    if value is None:
        return None
    if not entry.attribute:
        return ""
    outer, _, inner = entry.attribute.partition(".")
    cls = EMBEDDED_IN.get(entry.cls) if outer == EMBEDDED else config.class_of(entry.cls)
    attribute = cls.by_name.get(inner or outer) if cls else None
    if attribute is not None:
        return "********" if isinstance(attribute.type, Secret) else attribute.type.show(value)
    match value:
        case [str(lo), str(hi)]:
            return f"{lo} {hi}"
        case {"address": str(address), "key": str(key), **more} if not more:
            return f"{address} {key}"
        case str():
            return value
        case _:
            return encode(value)
