"""The commands of failover pairs: synchronization with the partner's cluster, state, drift, balance.

Source: failover chapter, "Creating and Synchronizing a Failover Pair on the Local Cluster"; reference "commands and
attributes" section 1.7 (``failover-pair``, as later versions have it); SYSTEM S6, S10.2.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tandem.base.errors import CommandError
from tandem.base.ipv4 import format_ipv4
from tandem.cluster.answer import Answer, Item
from tandem.cluster.display import item_of
from tandem.cluster.manager import Manager
from tandem.cluster.objects import table
from tandem.cluster.registry import NAME, REGISTRY, Argument, Command, Login, Request
from tandem.cluster.remote import LoginRefused, Remote, call
from tandem.cluster.synchronize import FORMAT, Order, carry_out, fingerprints
from tandem.config.access import DHCP_ADMIN, FAILOVER_OPERATOR, READ_ONLY
from tandem.config.document import read_object
from tandem.config.pairs import CLUSTER, CLUSTER_PORT, PAIR, Pair, pair_of_scopes, server_pair
from tandem.config.sync import synchronized
from tandem.config.synctables import DRIFT, OPERATIONS

MAIN_TO_BACKUP, BACKUP_TO_MAIN = DIRECTIONS = ("main-to-backup", "backup-to-main")
_TICK_S = 1.0
_DIFFERENCES_MAX = 20
"""Differences that drift is told with."""


@dataclass(frozen=True, slots=True)
class Side:
    """A pair as seen from this cluster."""

    name: str
    pair: Pair
    is_main: bool
    """Whether this server is the main one."""
    content: Mapping[str, Any]

    @property
    def partner(self) -> str:
        """Address of the other DHCP server."""
        return self.pair.backup if self.is_main else self.pair.main


@dataclass(frozen=True, slots=True)
class Wish:
    """What a synchronization command says."""

    operation: str = OPERATIONS[0]
    direction: str = MAIN_TO_BACKUP
    run: bool = True
    reload: bool = False
    match: str | None = None


def side_of(manager: Manager, name: str) -> Side:
    """Return a pair as seen from here. Raises CommandError 302, 316 this server is neither of its two."""
    content = read_object(manager.database.document, PAIR.name, name)
    pair = Pair(content["main-server"], content["backup-server"])
    own = [format_ipv4(address) for address in (manager.address, *manager.own_addresses())]
    for address in own:
        if address in (pair.main, pair.backup):
            return Side(name, pair, address == pair.main, content)
    raise CommandError(
        316, f"failover-pair {name}: neither {pair.main} nor {pair.backup} is this server, {own[0]}; "
        "synchronize on the cluster of one of them",
    )  # fmt: skip


def remote_of(manager: Manager, side: Side) -> Remote:
    """Return how to reach the partner's cluster. Raises CommandError 316 when that was not set."""
    attribute = "backup" if side.is_main else "main"
    cluster = side.content.get(attribute)
    if cluster is not None:
        there = read_object(manager.database.document, CLUSTER.name, cluster)
        admin, password = there.get("admin"), there.get("password")
        if not admin or not password:
            raise CommandError(316, f"cluster {cluster}: set admin and password to log in there")
        port = there.get("scp-port", CLUSTER_PORT)
        return Remote(there["ipaddr"], port, admin, password, manager.trust(), f"cluster {cluster}")
    admin, password = side.content.get("remote-username"), side.content.get("remote-password")
    if not admin or not password:
        raise CommandError(
            316, f"failover-pair {side.name}: set remote-username and remote-password of an administrator of the "
            f"partner's cluster, or {attribute} to a cluster",
        )  # fmt: skip
    port = side.content.get("remote-scp-port", CLUSTER_PORT)
    return Remote(side.partner, port, admin, password, manager.trust(), f"failover-pair {side.name} (remote-...)")


# --- synchronization ------------------------------------------------------------------------------------


async def synchronize(manager: Manager, login: Login, name: str, wish: Wish) -> dict[str, Any]:
    """Report or run a synchronization; return the report, with where it applies. Raises CommandError."""
    side = side_of(manager, name)
    remote = remote_of(manager, side)
    outwards = side.is_main == (wish.direction == MAIN_TO_BACKUP)
    why = f"synchronization {wish.operation} of failover-pair {name}, {wish.direction}, by {login} on {manager.name}"
    if outwards:
        body = _body(manager, side, wish.operation) | {"reload": wish.reload, "why": why}
        path = "/synchronization/" + ("run" if wish.run else "report")
        report = await call(remote, "POST", path, body, wish.match)
    else:
        document, withheld = await _fetch(remote)
        order = Order(side.pair, wish.operation, document, withheld, wish.run, wish.match, wish.reload, why)
        report = await carry_out(manager, login, order)
    report |= {"pair": name, "direction": wish.direction, "changes": "partner" if outwards else "here"}
    if wish.run:
        manager.notes_of_pairs.setdefault(name, {})["last-synchronization"] = (
            f"{wish.operation}, {wish.direction}: {len(report['entries']) + report['left_off']} changes"
        )
        manager.notes_of_pairs[name]["last-synchronization-time"] = int(time.time())
        manager.log.note("Info", "Failover", 60041, f"{why}: done, change set {report['change_set'] or 'none'}"
                         f" {'on the partner' if outwards else 'here'}.")  # fmt: skip
    return dict(report)


def _body(manager: Manager, side: Side, operation: str) -> dict[str, Any]:
    document = synchronized(manager.database.document)
    return {"format": FORMAT, "main": side.pair.main, "backup": side.pair.backup, "operation": operation,
            "document": document}  # fmt: skip


async def _fetch(remote: Remote) -> tuple[Any, list[tuple[str, str, str]]]:
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
        Item(_label(entry), {k: entry[k] or "" for k in ("attribute", "change", "before", "after", "function")})
        for entry in report["entries"]
    ]
    skipped = [Item(_label(skip), {k: skip[k] for k in ("attribute", "why")}) for skip in report["skipped"]]
    return entries + skipped


def _label(entry: dict[str, Any]) -> str:
    return f"{entry['class']} {entry['object']}".strip()


def _lines(report: dict[str, Any]) -> list[str]:
    """Return a report as people read it."""
    count = len(report["entries"]) + report["left_off"]
    where = "the partner" if report["changes"] == "partner" else "this cluster"
    verb = f"changed on {where}" if report["ran"] else f"would be changed on {where}"
    lines = [f"{report['operation']}, {report['direction']}: {count or 'no'} properties {verb}."]
    rows = [["Object", "Attribute", "Before", "After", "Function"]]
    for entry in report["entries"]:
        before, after = (_shown(entry, entry[key]) for key in ("before", "after"))
        rows.append([_label(entry), entry["attribute"] or "(all of it)", before, after, entry["function"]])
    lines += table(rows) if report["entries"] else []
    lines += [f"... and {report['left_off']} more"] if report["left_off"] else []
    for skip in report["skipped"]:
        lines.append(f"left alone: {_label(skip)} {skip['attribute']}".rstrip() + f": {skip['why']}")
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
        lines.append(f"change set {report['change_set']} on {where}; 'change {report['change_set']} undo' there"
                     f"{_OR_HERE if report['changes'] == 'partner' else ''} takes it back")  # fmt: skip
    if report["reload"] is None:
        return lines + ([f"It takes effect when {where} reloads ('dhcp reload')."] if lines else [])
    if report["reload"]["ok"]:
        return [*lines, f"The DHCP server of {where} has reloaded."]
    return [*lines, f"Reload failed, and its DHCP server goes on with what it had: {report['reload']['text']}"]


_OR_HERE = ", or 'failover-pair NAME undoSync' and that number here,"


def _shown(entry: dict[str, Any], value: str | None) -> str:
    return "-" if value is None else "(exists)" if not entry["attribute"] else value


async def _undo_sync(manager: Manager, request: Request) -> Answer:
    side, number = side_of(manager, request.name), request.values["change-set"]
    answer = await call(remote_of(manager, side), "POST", f"/change/{number}/undo")
    return Answer(lines=answer["lines"], status=answer["status"], text=answer["text"])


# --- drift ----------------------------------------------------------------------------------------------


async def find_drift(manager: Manager, name: str) -> tuple[list[str], dict[str, Any]]:
    """Return the kinds of data in which the backup lacks what the main has, and the report that names it.

    Raises CommandError when the partner's cluster does not tell.
    """
    side = side_of(manager, name)
    remote = remote_of(manager, side)
    document = manager.database.document
    own = await asyncio.to_thread(fingerprints, document, side.pair)
    body = {"format": FORMAT, "main": side.pair.main, "backup": side.pair.backup, "fingerprints": own}
    compared = await call(remote, "POST", "/synchronization/compare", body)
    if not compared["differ"]:
        return [], {"entries": [], "left_off": 0}
    if side.is_main:
        report = await call(remote, "POST", "/synchronization/report", _body(manager, side, DRIFT))
    else:
        there, withheld = await _fetch(remote)
        report = await carry_out(manager, Login(manager.name), Order(side.pair, DRIFT, there, withheld))
    return list(dict.fromkeys(entry["class"] for entry in report["entries"])), report


def _differences(report: dict[str, Any]) -> list[str]:
    return [
        f"{_label(entry)} {entry['attribute'] or '(all of it)'}: main {_shown(entry, entry['after'])},"
        f" backup {_shown(entry, entry['before'])}"
        for entry in report["entries"][:_DIFFERENCES_MAX]
    ]


async def observe(manager: Manager, name: str) -> tuple[list[str], dict[str, Any]]:
    """Find drift and remember the outcome, of which ``Watch`` makes an alarm. Raises CommandError, which it is, too."""
    notes = manager.notes_of_pairs.setdefault(name, {})
    try:
        kinds, report = await find_drift(manager, name)
    except CommandError as error:
        notes["drift"], notes["differences"] = f"not known: {error.text}", []
        raise
    finally:
        notes["drift-checked"] = int(time.time())
    notes["differences"] = _differences(report)
    notes["drift"] = f"{', '.join(kinds)} differ" if kinds else "none"
    return kinds, report


async def watch_drift(manager: Manager) -> None:
    """Observe every pair that can be observed, each in its own interval, until cancelled."""
    checked: dict[str, float] = {}
    refused: dict[str, tuple[str, str]] = {}
    while True:
        await asyncio.sleep(_TICK_S)
        pairs = manager.database.document.get(PAIR.name, {})
        manager.notes_of_pairs = {name: notes for name, notes in manager.notes_of_pairs.items() if name in pairs}
        for name, content in pairs.items():
            interval = content.get("drift-check-interval", PAIR.by_name["drift-check-interval"].default)
            login = _login(manager, name)
            due = name not in checked or time.monotonic() - checked[name] >= interval
            if not interval or not due or login in (None, refused.get(name)):
                continue
            checked[name] = time.monotonic()
            with contextlib.suppress(CommandError):  # it is remembered
                try:
                    await observe(manager, name)
                except LoginRefused:  # asking on would lock the administrator's account there
                    assert login is not None
                    refused[name] = login


def _login(manager: Manager, name: str) -> tuple[str, str] | None:
    """Return as whom the partner's cluster would be asked; None when it cannot be."""
    try:
        remote = remote_of(manager, side_of(manager, name))
    except CommandError:
        return None
    return remote.username, remote.password


async def _check_drift(manager: Manager, request: Request) -> Answer:
    kinds, report = await observe(manager, request.name)
    count = len(report["entries"]) + report["left_off"]
    if not kinds:
        return Answer(lines=["The backup has what it must have of the main's configuration."], data={"differences": []})
    lines = [f"{count} properties differ:", *_differences(report)]
    lines.append(f"'failover-pair {request.name} sync complete -report' shows what would make them the same.")
    return Answer(lines=lines, status=101, text="Ok, with warnings", data={"differences": report["entries"]})


# --- state and balance ----------------------------------------------------------------------------------


async def _status(manager: Manager, request: Request) -> Answer:
    side, document = side_of(manager, request.name), manager.database.document
    scopes = sum(pair == side.pair for pair in pair_of_scopes(document).values())
    facts: dict[str, object] = {
        "main-server": side.pair.main, "backup-server": side.pair.backup,
        "this-server": "main" if side.is_main else "backup",
        "use-server-settings": str(server_pair(document) == side.pair).lower(), "scopes": scopes,
    }  # fmt: skip
    try:
        related = await manager.ask("related_servers")
    except CommandError as error:
        related = []
        facts["state"] = f"not known: {error.text}"
    for server in related:
        if server["name"] == side.pair.name:
            keys = ("communications", "state", "since", "why", "partner-state", "partner-since", "waits-for")
            facts |= {key: server.get(key) for key in keys}
    if "state" not in facts:
        facts["state"] = "the running DHCP server does not have this pair: 'dhcp reload'"
    with contextlib.suppress(CommandError):  # it is in the notes
        await observe(manager, request.name)
    notes = dict(manager.notes_of_pairs[request.name])
    differences = notes.pop("differences")
    item = item_of(request.name, facts | notes, request.session)
    for number, difference in enumerate(differences, 1):
        item.attributes[f"difference-{number}"] = difference
    return Answer([item])


async def _rebalance(manager: Manager, request: Request) -> Answer:
    side = side_of(manager, request.name)
    said = await manager.ask("rebalance", pair=side.pair.name)
    text = f"{request.who} had the shares of pair {request.name} balanced: {said}."
    manager.log.note("Info", "Failover", 60042, text)
    return Answer(lines=[str(said)])


_OPERATION = Argument("operation", "update (as when left out), complete or exact", optional=True)
_DIRECTION = Argument("direction", "main-to-backup (as when left out) or backup-to-main", optional=True)
_SWITCHES = Argument(
    "switches", "-report: only show what a run would change; -match=VERSION: run only what that report showed; "
    "-reload: reload the changed server afterwards", optional=True, many=True,
)  # fmt: skip
_CHANGE_SET = Argument("change-set", "number of the run's change set on the partner", "number")

REGISTRY.add(
    Command((PAIR.name, NAME, "sync"), "Make the partner's configuration follow this one's, or show what that changes.",
            "failover-pair example sync update main-to-backup -report", _sync, (_OPERATION, _DIRECTION, _SWITCHES),
            role=DHCP_ADMIN, effect="configuration"),
    Command((PAIR.name, NAME, "undoSync"), "Take back what a run changed on the partner.",
            "failover-pair example undoSync 12", _undo_sync, (_CHANGE_SET,), role=DHCP_ADMIN, effect="configuration"),
    Command((PAIR.name, NAME, "checkDrift"), "Show what of the main's configuration the backup lacks.",
            "failover-pair example checkDrift", _check_drift, role=READ_ONLY),
    Command((PAIR.name, NAME, "getStatus"), "Show both servers' states, the last synchronization, and drift.",
            "failover-pair example getStatus", _status, role=READ_ONLY),
    Command((PAIR.name, NAME, "rebalancePool"), "Bring the shares of all scopes to their targets now.",
            "failover-pair example rebalancePool", _rebalance, role=FAILOVER_OPERATOR, effect="server"),
)  # fmt: skip
