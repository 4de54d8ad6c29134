"""Synchronization of a pair's configuration: what one operation changes on one server so that it follows the other.

``plan`` compares two configuration documents, the source's and the target's, and says which properties of the target
change, by which of the four functions, and what is left alone and why. It goes by the declared classes: a class that
is declared with a row of table 16-1 is synchronized without an edit here. A property that is not set has its default,
which is a value like any other. Does not know how documents travel or are stored.

Source: failover chapter, tables 16-1 and 16-2; SYSTEM S6, S10.2.

Deviation: table 16-2 lists ``failover-recover`` among what is replaced. It is cleared on the target but never set
there: it is the date of one server's restored database, and two servers in RECOVER would serve nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tandem.base.errors import CommandError
from tandem.config.attribute import Attribute, ObjectClass
from tandem.config.document import Document, users
from tandem.config.pairs import Pair, is_on, naming_servers, pair_of_scopes, server_pair
from tandem.config.reading import Problems, read_item
from tandem.config.schema import SCOPE, SECTIONS
from tandem.config.synctables import EXACT, NEVER, NO_CHANGE, REPLACE, SERVER_ROWS, function_of
from tandem.config.types import Secret, quote

Withheld = Collection[tuple[str, str, str]]
"""(class, name, attribute) of secrets that the source has set but did not tell."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A property of the target that changes. Values are in stored form; None = not set."""

    cls: str
    name: str
    attribute: str
    """Attribute, ``options.NAME`` or another part; empty = the object itself comes ({}) or goes (None)."""
    before: Any
    after: Any
    function: str
    """ensure, replace or exact."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Something that differs, or may, and is left alone."""

    cls: str
    name: str
    attribute: str
    why: str


@dataclass(slots=True)
class Plan:
    """What a run changes on the target, and what it leaves alone."""

    entries: list[Entry] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)
    objects: dict[tuple[str, str], dict[str, Any] | None] = field(default_factory=dict)
    """New content of each object that changes, by class and name; None = it goes."""

    def result(self, target: Document) -> Document:
        """Return ``target`` as it is after the run; ``target`` itself stays as it is."""
        document = dict(target)
        for cls in dict.fromkeys(cls for cls, _ in self.objects):
            document[cls] = dict(document.get(cls, {}))
        for (cls, name), content in self.objects.items():
            if not name:
                document[cls] = content
            elif content is None:
                document[cls].pop(name, None)
            else:
                document[cls][name] = content
        return document


Told = Callable[[str, int, int], None]
"""Is told what is being done, and of how many it has done how many."""
_TELL_EACH = 500


def _to_nobody(what: str, done: int, total: int) -> None:
    """Take what is told where nobody listens."""


def plan(
    source: Document, target: Document, pair: Pair, operation: str, withheld: Withheld = (), told: Told = _to_nobody
) -> Plan:
    """Return what ``operation`` (or DRIFT) changes on the target. ``source`` is as ``readable`` returns it.

    Where the target's server-wide failover is another pair's (a back office backup), its server's attributes stay, and
    the pair's scopes name the two servers themselves. Raises CommandError 316 when the source has no such pair, so that
    all of the target's scopes would go.
    """
    if not is_on(source, pair):
        raise CommandError(
            316, f"failover pair {pair.name} is not on in the configuration that is to be followed; there "
            "'dhcp enable failover' and set both servers, or set them on scopes that are scope-enabled",
        )  # fmt: skip
    if _other_server_wide(target, pair) is not None:
        source = naming_servers(source, pair)
    made = Plan()
    for cls in SECTIONS.values():
        if cls.sync == NEVER:
            continue
        work = _Work(cls, operation, made, withheld, told)
        if cls.singleton:
            work.single(source, target, pair)
        elif cls is SCOPE:
            work.scopes(source, target, pair)
        else:
            work.all(source.get(cls.name, {}), target.get(cls.name, {}))
    _keep_what_is_used(made, target)
    return made


def _other_server_wide(target: Document, pair: Pair) -> Pair | None:
    """Return the pair that has the target's server-wide failover, when it is on and is not ``pair``."""
    other = server_pair(target)
    return other if other != pair and target.get("dhcp", {}).get("failover") else None


@dataclass(slots=True)
class _Work:
    """The part of a plan that is about one class."""

    cls: ObjectClass
    operation: str
    plan: Plan
    withheld: Withheld
    told: Told

    def single(self, source: Document, target: Document, pair: Pair) -> None:
        if self.cls.sync in SERVER_ROWS and not self._server_wide(source, target, pair):
            return
        self._merge("", source.get(self.cls.name, {}), target.get(self.cls.name, {}))

    def _server_wide(self, source: Document, target: Document, pair: Pair) -> bool:
        """Return whether the server's own attributes are this pair's (table 16-1: "server level failover pair")."""
        if server_pair(source) != pair:
            why = "the pair is named by scopes, not by the server: the server's own attributes are not the pair's"
            self._skip("", "", why)
            return False
        other = _other_server_wide(target, pair)
        if other is not None:
            why = f"the server that changes has failover server-wide with {other.name}: its own attributes stay, and "
            why += "this pair's scopes name their servers; if that pair is no more, 'dhcp disable failover' there first"
            self._skip("", "", why)
        return other is None

    def scopes(self, source: Document, target: Document, pair: Pair) -> None:
        """Only the pair's: of the target's others, a back office backup's, none is touched."""
        theirs, own = pair_of_scopes(source), pair_of_scopes(target)
        wanted = {name: content for name, content in source.get("scope", {}).items() if theirs[name] == pair}
        present = {}
        for name, content in target.get("scope", {}).items():
            if own[name] == pair or (name in wanted and own[name] is None):
                present[name] = content
            elif name in wanted:
                wanted.pop(name)
                other = own[name]
                assert other is not None
                self._skip(name, "", f"the scope of this name there belongs to pair {other.name}; {_RENAME}")
        self.all(wanted, present)
        joining = pair_of_scopes(self.plan.result(target))
        for name, joined in joining.items():
            if joined == pair and name not in wanted and own.get(name) != pair:
                why = "it is only here and becomes part of the pair; set failover=scope-disabled, or delete it"
                self._skip(name, "", why)

    def all(self, source: Mapping[str, Any], target: Mapping[str, Any]) -> None:
        function = function_of(self.cls.sync, self.operation)
        names = [*self.cls.builtin, *sorted((source.keys() | target.keys()) - set(self.cls.builtin))]
        for done, name in enumerate(names):
            if done % _TELL_EACH == 0:
                self.told(f"comparing objects of class {self.cls.name}", done, len(names))
            builtin: dict[str, Any] | None = {} if name in self.cls.builtin else None
            there, here = source.get(name, builtin), target.get(name, builtin)
            if there is None:
                if function == EXACT:
                    self._change(name, "", {}, None, function)
                    self.plan.objects[self.cls.name, name] = None
            elif here is None:
                if function != NO_CHANGE:
                    self._create(name, there, function)
            else:
                self._merge(name, there, here)

    def _create(self, name: str, content: Mapping[str, Any], function: str) -> None:
        for attribute in self.cls.attributes:
            if self._is_withheld(name, attribute):
                self._skip(name, attribute.name, _WITHHELD)
                if attribute.required:
                    return
        self._change(name, "", None, {}, function)
        for attribute in self.cls.attributes:
            if attribute.name in content:
                self._change(name, attribute.name, None, content[attribute.name], function)
        for part in self.cls.parts:
            self._tell_part(name, part, None, content.get(part), function)
        self.plan.objects[self.cls.name, name] = dict(content)

    def _merge(self, name: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
        """Both servers have the object: compare its properties."""
        if there == here and not self.withheld:
            return
        result, count = dict(here), len(self.plan.entries)
        for attribute in self.cls.attributes:
            function = function_of(self.cls.sync_of(attribute), self.operation)
            if function in (REPLACE, EXACT):
                self._merge_attribute(result, name, attribute, there, function)
        for part in self.cls.parts:
            function = function_of(self.cls.sync_of(part), self.operation)
            wanted, present = there.get(part) or None, here.get(part) or None
            if part in self.cls.part_sync and isinstance(wanted or present, dict):
                wanted = combine(function, wanted or {}, present or {}) or None
            elif function not in (REPLACE, EXACT):
                continue
            if wanted != present:
                self._tell_part(name, part, present, wanted, function)
                _put(result, part, wanted)
        if len(self.plan.entries) > count:
            self.plan.objects[self.cls.name, name] = result

    def _merge_attribute(
        self, result: dict[str, Any], name: str, attribute: Attribute, there: Mapping[str, Any], function: str
    ) -> None:
        wanted, present = there.get(attribute.name), result.get(attribute.name)
        if self._is_withheld(name, attribute):
            self._skip(name, attribute.name, _WITHHELD)
        elif there.get(attribute.name, attribute.default) == result.get(attribute.name, attribute.default):
            return
        elif attribute.name == "failover-recover" and wanted:
            self._skip(name, attribute.name, "it is the date of that server's own restored database")
        else:
            self._change(name, attribute.name, present, wanted, function)
            _put(result, attribute.name, wanted)

    def _tell_part(self, name: str, part: str, before: Any, after: Any, function: str) -> None:
        """Add an entry for each item of a part that leaves, comes or changes."""
        if before == after:
            return
        if isinstance(before or after, dict):
            had, has = before or {}, after or {}
            for key in [*had, *(k for k in has if k not in had)]:
                self._tell_part(name, f"{part}.{key}", had.get(key), has.get(key), function)
        elif isinstance(before or after, list):
            for item in _without(before or [], after or []):
                self._change(name, part, item, None, function)
            for item in _without(after or [], before or []):
                self._change(name, part, None, item, function)
        else:
            self._change(name, part, before, after, function)

    def _is_withheld(self, name: str, attribute: Attribute) -> bool:
        return (self.cls.name, name, attribute.name) in self.withheld

    def _change(self, name: str, attribute: str, before: Any, after: Any, function: str) -> None:
        self.plan.entries.append(Entry(self.cls.name, name, attribute, before, after, function))

    def _skip(self, name: str, attribute: str, why: str) -> None:
        self.plan.skipped.append(Skip(self.cls.name, name, attribute, why))


_RENAME = "rename one of them, or set failover=scope-enabled and this pair's two servers on it there"
_WITHHELD = "it is secret, and is not read from a partner: synchronize from the other cluster, or set it by hand"


def combine(function: str, source: Mapping[str, Any], target: Mapping[str, Any]) -> dict[str, Any]:
    """Return the target's list of properties after one of the four functions.

    Source: failover chapter, the definitions before table 16-1.
    """
    if function in (NO_CHANGE, EXACT):
        return dict(target if function == NO_CHANGE else source)
    result = dict(target)
    for name, value in source.items():
        present = target.get(name)
        if isinstance(value, dict) and isinstance(present, dict):  # a list of lists, as of the options of a vendor
            result[name] = combine(function, value, present)
        elif function == REPLACE or name not in target:
            result[name] = value
    return result


def _put(content: dict[str, Any], key: str, value: Any) -> None:
    if value is None:
        content.pop(key, None)
    else:
        content[key] = value


def _without(items: list[Any], others: list[Any]) -> list[Any]:
    keys = {repr(item) for item in others}
    return [item for item in items if repr(item) not in keys]


def _keep_what_is_used(made: Plan, target: Document) -> None:
    """Take back each removal of an object that something refers to which stays."""
    going = [key for key, content in made.objects.items() if content is None]
    while going:
        found = users(made.result(target))
        used = {key: found[key] for key in going if key in found}
        if not used:
            return
        made.entries = [entry for entry in made.entries if (entry.cls, entry.name) not in used]
        for (cls, name), user in used.items():
            del made.objects[cls, name]
            made.skipped.append(Skip(cls, name, "", f"it is only here, and {user} uses it"))
        going = [key for key in going if key not in used]


# --- documents that travel ------------------------------------------------------------------------------


def synchronized(document: Document) -> Document:
    """Return the classes of a document that synchronization is about: nobody's passwords, no pairs."""
    return {cls.name: document[cls.name] for cls in _synchronized_classes() if cls.name in document}


def without_secrets(document: Document) -> tuple[Document, list[tuple[str, str, str]]]:
    """Return ``synchronized`` without secrets, and which secrets it would hold."""
    shown, withheld = {}, []
    for cls in _synchronized_classes():
        if cls.name not in document:
            continue
        secret = {a.name for a in cls.attributes if isinstance(a.type, Secret)}
        objects = {"": document[cls.name]} if cls.singleton else document[cls.name]
        plain = {n: {a: v for a, v in content.items() if a not in secret} for n, content in objects.items()}
        withheld += [(cls.name, n, a) for n, content in objects.items() for a in content if a in secret]
        shown[cls.name] = plain[""] if cls.singleton else plain
    return shown, withheld


def readable(document: object, withheld: Withheld = ()) -> tuple[Document, list[Skip]]:
    """Return what is usable of another server's document, which may be of another version, and what is not known here.

    Raises CommandError 316 when a value is none that its attribute can have.
    """
    if not isinstance(document, dict):
        raise CommandError(316, "the other server's configuration is not a JSON object of classes")
    classes = {cls.name: cls for cls in _synchronized_classes()}
    unknown = [Skip(str(name), "", "", "this version knows no such class") for name in document if name not in classes]
    found: Document = {}
    problems = Problems()
    for cls in classes.values():
        section = document.get(cls.name, {})
        objects = {"": section} if cls.singleton else section
        if not isinstance(objects, dict):
            raise CommandError(316, f"the other server's configuration: {cls.name} is not a JSON object")
        kept = {}
        for name, content in objects.items():
            plain, strange = _known(cls, content)
            unknown += [Skip(cls.name, name, key, "this version knows no such attribute") for key in strange]
            if not cls.singleton and not cls.is_name(name):
                problems.error(cls.name, "", quote(name), f"cannot name a {cls.name}; write {cls.name_form}")
            elif read_item(cls, name, _filled(plain, cls.name, name, withheld), problems) is not None:
                kept[name] = plain
        if kept:
            found[cls.name] = kept[""] if cls.singleton else kept
    if problems.found:
        lines = [str(problem) for problem in problems.found]
        raise CommandError(316, "the other server's configuration cannot be used:\n" + "\n".join(lines))
    return found, unknown


def _filled(content: Any, cls: str, name: str, withheld: Withheld) -> Any:
    """Return an object as it would be with the secrets that its server did not tell."""
    return {**content, **{a: "*" for c, n, a in withheld if (c, n) == (cls, name)}} if withheld else content


def _known(cls: ObjectClass, content: Any) -> tuple[Any, list[str]]:
    if not isinstance(content, dict):
        return content, []
    known = {*cls.by_name, *cls.parts}
    return {k: v for k, v in content.items() if k in known}, sorted(str(k) for k in content if k not in known)


def comparable(document: Document, pair: Pair, operation: str) -> dict[str, Any]:
    """Return, per class, what ``operation`` would make the same on both servers, defaults filled in."""
    kinds: dict[str, Any] = {}
    members = pair_of_scopes(document)
    for cls in _synchronized_classes():
        if cls.singleton:
            objects = {"": document.get(cls.name, {})}
            if cls.sync in SERVER_ROWS and server_pair(document) != pair:
                objects = {}
        else:
            objects = {name: {} for name in cls.builtin} | document.get(cls.name, {})
        if cls is SCOPE:
            objects = {name: content for name, content in objects.items() if members[name] == pair}
        kinds[cls.name] = {
            name: {
                key: value
                for key, value in _properties(cls, content, operation)
                if value is not None and (key != "failover-recover")
            }
            for name, content in sorted(objects.items())
        }
    return kinds


def _properties(cls: ObjectClass, content: Mapping[str, Any], operation: str) -> Iterable[tuple[str, Any]]:
    for attribute in cls.attributes:
        if function_of(cls.sync_of(attribute), operation) != NO_CHANGE:
            yield attribute.name, content.get(attribute.name, attribute.default)
    for part in cls.parts:
        value = content.get(part) or None
        yield part, dict(sorted(value.items())) if isinstance(value, dict) else value


def _synchronized_classes() -> list[ObjectClass]:
    return [cls for cls in SECTIONS.values() if cls.sync != NEVER]
