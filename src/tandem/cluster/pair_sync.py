"""The commands by which an operator synchronizes a failover pair: sync, undoSync.

``cluster.synchronize`` carries an order out on the cluster that changes; here it is given, here or to the partner.
Source: failover chapter, "Creating and Synchronizing a Failover Pair on the Local Cluster"; reference "commands and
attributes" section 1.7 (``failover-pair``, as later versions have it); SYSTEM S6.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from dataclasses import dataclass
from typing import Any

from tandem.base.errors import CommandError
from tandem.cluster.answer import Answer, Item
from tandem.cluster.manager import Manager
from tandem.cluster.objects import table
from tandem.cluster.pairs import Side, remote_of, side_of
from tandem.cluster.progress import tell
from tandem.cluster.registry import NAME, REGISTRY, Argument, Command, Login, Request
from tandem.cluster.remote import Remote, call
from tandem.cluster.synchronize import FORMAT, Order, carry_out
from tandem.config.access import DHCP_ADMIN
from tandem.config.pairs import PAIR
from tandem.config.sync import synchronized
from tandem.config.synctables import OPERATIONS

_ASK_S, _PROGRESS_S = 1.0, 5.0
MAIN_TO_BACKUP, BACKUP_TO_MAIN = DIRECTIONS = ("main-to-backup", "backup-to-main")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a synchronization command says."""

    operation: str = OPERATIONS[0]
    direction: str = MAIN_TO_BACKUP
    run: bool = True
    reload: bool = False
    match: str | None = None


async def synchronize(manager: Manager, login: Login, name: str, wish: Wish) -> dict[str, Any]:
    """Report or run a synchronization; return the report, with where it applies. Raises CommandError."""
    side = side_of(manager, name)
    remote = remote_of(manager, side)
    outwards = side.is_main == (wish.direction == MAIN_TO_BACKUP)
    why = f"synchronization {wish.operation} of failover-pair {name}, {wish.direction}, by {login} on {manager.name}"
    if outwards:
        body = order_body(manager, side, wish.operation) | {"reload": wish.reload, "why": why}
        report = await _ordered(remote, "/synchronization/" + ("run" if wish.run else "report"), body, wish.match)
    else:
        tell("the partner sends its configuration")
        document, withheld = await fetch(remote)
        order = Order(side.pair, wish.operation, document, withheld, wish.run, wish.match, wish.reload, why)
        report = await carry_out(manager, login, order)
    report |= {"pair": name, "direction": wish.direction, "changes": "partner" if outwards else "here"}
    if wish.run:
        count = len(report["entries"]) + report["left_off"]
        manager.pair_notes.note(
            name, last_synchronization=f"{wish.operation}, {wish.direction}: {count} changes",
            last_synchronization_time=int(time.time()), last_change_set=report["change_set"] or "none",
        )  # fmt: skip
        manager.log.note("Info", "Failover", 60041, f"{why}: done, change set {report['change_set'] or 'none'}"
                         f" {'on the partner' if outwards else 'here'}.")  # fmt: skip
    return dict(report)


async def _ordered(remote: Remote, path: str, body: dict[str, Any], match: str | None) -> Any:
    """Return the partner's answer to an order; tell meanwhile how far it says that it is. Raises CommandError."""
    tell("the partner is asked")
    work = secrets.token_urlsafe(9)
    order = asyncio.create_task(call(remote, "POST", path, body | {"work": work}, match))
    try:
        while not (await asyncio.wait({order}, timeout=_ASK_S))[0]:
            with contextlib.suppress(CommandError):  # what it says of its progress is not needed for the order
                step = await call(remote, "GET", f"/synchronization/progress?work={work}", answer_s=_PROGRESS_S)
                tell(f"on the partner: {step['what']}", step["done"], step["total"])
        return order.result()
    finally:
        order.cancel()


def order_body(manager: Manager, side: Side, operation: str) -> dict[str, Any]:
    """Return what the partner's cluster is sent to report or run an operation with this configuration."""
    document = synchronized(manager.database.document)
    return {"format": FORMAT, "main": side.pair.main, "backup": side.pair.backup, "operation": operation,
            "document": document}  # fmt: skip


async def fetch(remote: Remote) -> tuple[Any, list[tuple[str, str, str]]]:
    """Return the partner's configuration and what of it is withheld (class, object, attribute). Raises CommandError."""
    got = await call(remote, "GET", f"/synchronization/configuration?format={FORMAT}")
    return got["document"], [(cls, name, attribute) for cls, name, attribute in got["withheld"]]


def _wish(words: list[str]) -> Wish:
    """Return what ``OPERATION [DIRECTION] [-report] [-reload] [-match=VERSION]`` means. Raises CommandError 307."""
    operation, direction, run, reload, match = OPERATIONS[0], MAIN_TO_BACKUP, True, False, None
    for word in words:
        if word in OPERATIONS:
            operation = word
        elif word in DIRECTIONS:
            direction = word
        elif word == "-report":
            run = False
        elif word == "-reload":
            reload = True
        elif word.startswith("-match="):
            match = word.removeprefix("-match=")
        else:
            known = ", ".join((*OPERATIONS, *DIRECTIONS, "-report", "-reload", "-match=VERSION"))
            raise CommandError(307, f"{word!r}; write one of: {known}")
    return Wish(operation, direction, run, reload, match)


async def _sync(manager: Manager, request: Request) -> Answer:
    values = request.values
    words = f"{values['operation']} {values['direction']} {values['switches']}".split()
    report = await synchronize(manager, request.login, request.name, _wish(words))
    answer = Answer(items=_items(report), lines=_lines(report), data=report)
    if report["warnings"] or report["errors"] or (report["reload"] and not report["reload"]["ok"]):
        answer.status, answer.text = 101, "Ok, with warnings"
    return answer


def _items(report: dict[str, Any]) -> list[Item]:
    entries = [
        Item(label(entry), {k: entry[k] or "" for k in ("attribute", "change", "before", "after", "function")})
        for entry in report["entries"]
    ]
    skipped = [Item(label(skip), {k: skip[k] for k in ("attribute", "why")}) for skip in report["skipped"]]
    return entries + skipped


def label(entry: dict[str, Any]) -> str:
    """Return which object an entry of a report is about."""
    return f"{entry['class']} {entry['object']}".strip()


def _lines(report: dict[str, Any]) -> list[str]:
    """Return a report as people read it."""
    count = len(report["entries"]) + report["left_off"]
    where = "the partner" if report["changes"] == "partner" else "this cluster"
    verb = f"changed on {where}" if report["ran"] else f"would be changed on {where}"
    what = "1 property" if count == 1 else f"{count or 'no'} properties"
    lines = [f"{report['operation']}, {report['direction']}: {what} {verb}."]
    rows = [["Object", "Attribute", "Before", "After", "Function"]]
    for entry in report["entries"]:
        before, after = (value_shown(entry, entry[key]) for key in ("before", "after"))
        rows.append([label(entry), entry["attribute"] or "(all of it)", before, after, entry["function"]])
    lines += table(rows) if report["entries"] else []
    lines += [f"... and {report['left_off']} more"] if report["left_off"] else []
    for skip in report["skipped"]:
        lines.append(f"left alone: {label(skip)} {skip['attribute']}".rstrip() + f": {skip['why']}")
    lines += [f"a run would be refused: {text}" for text in report["errors"]]
    lines += report["warnings"]
    if report["ran"]:
        lines += _after_run(report, where)
    elif count:
        lines.append(f"To run exactly this: the same with -match={report['version']} in place of -report")
    return lines


def _after_run(report: dict[str, Any], where: str) -> list[str]:
    lines = []
    if report["change_set"] is not None:
        number, or_here = report["change_set"], ""
        if report["changes"] == "partner":
            or_here = f", or 'failover-pair {report['pair']} undoSync {number}' here,"
        lines.append(f"change set {number} on {where}; 'change {number} undo' there{or_here} takes it back")
    if report["reload"] is None:
        return lines + ([f"It takes effect when {where} reloads ('dhcp reload')."] if lines else [])
    if report["reload"]["ok"]:
        return [*lines, f"The DHCP server of {where} has reloaded."]
    return [*lines, f"Reload failed, and its DHCP server goes on with what it had: {report['reload']['text']}"]


def value_shown(entry: dict[str, Any], value: str | None) -> str:
    """Return a value of an entry as people read it."""
    return "-" if value is None else "(exists)" if not entry["attribute"] else value


async def _undo_sync(manager: Manager, request: Request) -> Answer:
    side, number = side_of(manager, request.name), request.values["change-set"]
    answer = await call(remote_of(manager, side), "POST", f"/change/{number}/undo")
    return Answer(lines=answer["lines"], status=answer["status"], text=answer["text"])


_OPERATION = Argument("operation", "update (as when left out), complete or exact", optional=True, choices=OPERATIONS)
_DIRECTION = Argument("direction", "main-to-backup (as when left out) or backup-to-main", optional=True,
                      choices=DIRECTIONS)
_SWITCHES = Argument(
    "switches", "-report: only show what a run would change; -match=VERSION: run only what that report showed; "
    "-reload: reload the changed server afterwards", optional=True, many=True,
    choices=("-report", "-match=", "-reload"),
)  # fmt: skip
_CHANGE_SET = Argument("change-set", "number of the run's change set on the partner", "number")

REGISTRY.add(
    Command((PAIR.name, NAME, "sync"), "Make the partner's configuration follow this one's, or show what that changes.",
            "failover-pair example sync update main-to-backup -report", _sync, (_OPERATION, _DIRECTION, _SWITCHES),
            role=DHCP_ADMIN, effect="configuration"),
    Command((PAIR.name, NAME, "undoSync"), "Take back what a run changed on the partner.",
            "failover-pair example undoSync 12", _undo_sync, (_CHANGE_SET,), role=DHCP_ADMIN, effect="configuration"),
)  # fmt: skip
