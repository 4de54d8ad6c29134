"""The change log as operators see it, and taking a change set back.

A change set is what one command changed. Taking it back makes every attribute that it changed what it was before,
if it still is what the set made it; lists lose what the set added and regain what it took away. The outcome passes
the same checks as any edit, and is a change set itself. Secrets are not in the log; what each was before its last
change is kept apart (``Database.old_secret``).

Source: SYSTEM S2.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from tandem.base.errors import CommandError
from tandem.cluster.accounts import keeping_a_superuser
from tandem.cluster.answer import Answer, Item
from tandem.cluster.database import HIDDEN, Change, Draft
from tandem.cluster.manager import Manager
from tandem.cluster.objects import edit_many, edit_role, table
from tandem.cluster.registry import NAME, REGISTRY, Argument, Command, Request, Session
from tandem.cluster.stored import apply, make
from tandem.config import document as config
from tandem.config.access import ADMIN, DHCP_ADMIN, READ_ONLY
from tandem.config.dates import format_date
from tandem.config.document import Document
from tandem.config.schema_clients import EMBEDDED

_PAGE, _PAGE_MAX = 50, 1000


def page(request: Request) -> tuple[int, int | None]:
    """Return how many records are asked for, at most 1000, and before which number."""
    count, before = request.values["count"], request.values["before"]
    return min(int(count), _PAGE_MAX) if count else _PAGE, int(before) if before else None


COUNT = Argument("count", f"how many to show, at most {_PAGE_MAX} (default {_PAGE})", "number", optional=True)
BEFORE = Argument("before", "show those before this number: the last one of the page before", "number", optional=True)
_SEARCH = Argument(
    "search", "words that stand in who, object, attribute, old or new value; all of the log is searched", optional=True
)


def _answer(changes: list[Change], session: Session) -> Answer:
    clock = session.clock()
    rows = [["Set", "When", "Who", "Object", "Attribute", "Old", "New"]]
    items = []
    for change in changes:
        label = config.class_of(change.cls).label(change.name)
        what = [change.attribute or "(all of it)", change.old or "-", change.new or "-"]
        who = change.who if change.undoes is None else f"{change.who} (undo of {change.undoes})"
        rows.append([str(change.set), format_date(int(change.at), clock), who, label, *what])
        titles = ("at", "who", "object", "attribute", "old", "new")
        why = {"why": change.why} if change.why else {}
        items.append(Item(str(change.set), dict(zip(titles, rows[-1][1:], strict=True)) | why))
    return Answer(items, table(rows))


async def _list(manager: Manager, request: Request) -> Answer:
    count, before = page(request)
    return _answer(manager.database.changes(count, before, request.values["search"]), request.session)


def _find(manager: Manager, request: Request) -> list[Change]:
    changes = manager.database.change_set(int(request.name)) if request.name.isdecimal() else []
    if not changes:
        raise CommandError(302, f"there is no change set {request.name}; 'change list' shows the newest")
    return changes


async def _show(manager: Manager, request: Request) -> Answer:
    changes = _find(manager, request)
    answer = _answer(changes, request.session)
    if changes[0].why:
        answer.lines.insert(0, changes[0].why)
    return answer


async def _undo(manager: Manager, request: Request) -> Answer:
    changes = [_with_secret(manager, change) for change in _find(manager, request)]
    if any(change.cls == ADMIN.name for change in changes):
        manager.permit(request.login, edit_role(ADMIN), "access")
    warnings: list[str] = []
    take_back = keeping_a_superuser(lambda document: _take_back(document, changes, warnings))

    def on_draft(draft: Draft) -> None:
        for change in changes:
            draft.open(change.cls, change.name)
        take_back(draft.document)

    edit_many(manager, request, on_draft, undoes=changes[0].set)
    return Answer(lines=warnings, status=101, text="Ok, with warnings") if warnings else Answer()


def _with_secret(manager: Manager, change: Change) -> Change:
    """Return a change as it was where it changed a secret. Raises CommandError 320 when that has changed since."""
    if HIDDEN not in (change.old, change.new):
        return change
    kept = manager.database.old_secret(change.cls, change.name, change.attribute)
    if kept is None:
        return change
    if kept[0] != change.set:
        label = config.class_of(change.cls).label(change.name)
        raise CommandError(320, f"{label}: {change.attribute} was changed again since; take that back first")
    return replace(change, old=kept[1])


def _take_back(document: Document, changes: list[Change], warnings: list[str]) -> None:
    """Take back what was done to each object: first bring back those that went, last delete those that came."""
    objects: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        objects.setdefault((change.cls, change.name), []).append(change)
    whole = {key: next((c for c in of if c.attribute == ""), None) for key, of in objects.items()}
    went = [key for key, change in whole.items() if change and change.new is None]
    came = [key for key, change in whole.items() if change and change.new is not None]
    for keys in (went, [key for key, change in whole.items() if change is None]):
        _in_any_order(keys, lambda key: _take_back_one(document, objects[key], warnings))
    for key in came:
        _take_back_one(document, objects[key], warnings)
    used = config.users(document)
    for cls, name in came:
        if (cls, name) in used and name not in config.class_of(cls).builtin:
            label = config.class_of(cls).label(name)
            raise CommandError(320, f"{label} is used by {used[cls, name]}; change that first")


def _in_any_order(keys: list[tuple[str, str]], act: Callable[[tuple[str, str]], None]) -> None:
    """Do ``act`` on each key, those later that need others first because they refer to them. Raises CommandError."""
    while keys:
        refused: list[tuple[str, str]] = []
        for key in keys:
            try:
                act(key)
            except CommandError:
                if key == keys[-1] and len(refused) == len(keys) - 1:
                    raise
                refused.append(key)
        keys = refused


def _take_back_one(document: Document, changes: list[Change], warnings: list[str]) -> None:
    first = changes[0]
    cls, name = first.cls, first.name
    label = config.class_of(cls).label(name)
    rows = {change.attribute: (_value(change.old), _value(change.new)) for change in changes}
    for attribute, (old, _) in list(rows.items()):
        if old == _value(HIDDEN):
            if (text := f"{label}: {attribute} is secret, and its old value not known: set it anew") not in warnings:
                warnings.append(text)
            del rows[attribute]
    _, made = rows.pop("", (None, None))
    present = _present(document, cls, name)
    if any(change.attribute == "" and change.new is None for change in changes):
        if present:
            raise CommandError(320, f"{label} exists again; delete it first")
        make(document, cls, name, _nested({attribute: old for attribute, (old, _) in rows.items()}))
        return
    if present is None:
        raise CommandError(302, f"{label} does not exist any more; take back what deleted it first ('change list')")
    values = {a: _before(label, a, _at(present, a), old, new) for a, (old, new) in rows.items()}
    if made is not None:
        added = sorted(set(_flat(present)) - set(rows))
        if added:
            raise CommandError(320, f"{label}: {added[0]} was set later; take that back first, or delete the object")
        document[cls].pop(name, None)
        return
    nested = _nested(values)
    for part, value in nested.items():
        if isinstance(value, dict):
            nested[part] = _merged(present.get(part, {}), value) or None
    by_name = config.class_of(cls).by_name
    if any(a in by_name and by_name[a].read_only for a in nested):  # another object took the name: a synchronization
        make(document, cls, name, {a: v for a, v in {**present, **nested}.items() if v is not None})
    else:
        apply(document, cls, name, nested)


def _present(document: Document, cls: str, name: str) -> Mapping[str, Any] | None:
    try:
        return config.read_object(document, cls, name)
    except CommandError:
        return None


def _before(label: str, attribute: str, present: Any, old: Any, new: Any) -> Any:
    """Return what an attribute was. Raises CommandError 320 when it is no longer what the set made it."""
    if isinstance(present, list) and (isinstance(old, list) or isinstance(new, list)):
        came, left = new or [], old or []
        reordered = sorted(map(str, came)) == sorted(map(str, left))
        if all(item in present for item in came) and (reordered or not any(item in present for item in left)):
            return [item for item in present if item not in came] + left or None
    elif present == new or new == _value(HIDDEN):
        return old
    raise CommandError(320, f"{label}: {attribute} was changed again since; take that back first ('change list')")


def _value(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)


def _at(content: Mapping[str, Any], attribute: str) -> Any:
    *outer, last = _path(attribute)
    for key in outer:
        content = content.get(key, {})
    return content.get(last)


def _path(attribute: str) -> list[str]:
    """Return the keys that lead to what a row of the change log is about: options.routers, embedded-policy.options...

    The name of an option may hold a dot.
    """
    outer, _, inner = attribute.partition(".")
    if not inner:
        return [outer]
    if outer == EMBEDDED:
        return [outer, *_path(inner)]
    return [outer, *inner.split(".", _DEPTHS.get(outer, 1) - 1)]


_DEPTHS = {"options": 1, "vendor-options": 2}
"""How many keys lead on from a part of an object to a value."""


def _flat(content: Mapping[str, Any]) -> list[str]:
    return [
        name
        for attribute, value in content.items()
        for name in ([f"{attribute}.{key}" for key in _flat(value)] if isinstance(value, dict) else [attribute])
    ]


def _merged(present: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``present`` with ``changes`` put in, without what they give as None and what is empty then."""
    merged = dict(present)
    for key, value in changes.items():
        merged[key] = _merged(merged.get(key, {}), value) if isinstance(value, dict) else value
    return {key: value for key, value in merged.items() if value is not None and value != {}}


def _nested(values: dict[str, Any]) -> dict[str, Any]:
    """Return attributes with those named ``outer.inner`` gathered under their outer ones."""
    nested: dict[str, Any] = {}
    for attribute, value in values.items():
        *outer, last = _path(attribute)
        place = nested
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = value
    return nested


REGISTRY.add(
    Command(("change", "list"), "Show what was changed, by whom, when: the newest first.", "change list 20", _list,
            (COUNT, BEFORE, _SEARCH), role=READ_ONLY),
    Command(("change", NAME), "Show one change set: what one command changed.", "change 3", _show, role=READ_ONLY),
    Command(("change", NAME, "show"), "Show one change set: what one command changed.", "change 3 show", _show,
            role=READ_ONLY, route="GET /change/{name}"),
    Command(("change", NAME, "undo"), "Take a change set back; administrators' need a superuser.", "change 3 undo",
            _undo, role=DHCP_ADMIN, effect="configuration"),
)  # fmt: skip

