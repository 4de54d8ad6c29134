"""Synchronization with whatever another cluster sends: a plan, or a refusal; never another error, nothing half done."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tandem.base.errors import CommandError
from tandem.config.attribute import ObjectClass
from tandem.config.compile import compile_config
from tandem.config.pairs import Pair
from tandem.config.schema import SECTIONS
from tandem.config.sync import comparable, plan, readable, without_secrets
from tandem.config.synctables import DRIFT, OPERATIONS

PAIR = Pair("10.0.0.2", "10.0.0.3")
ON = {"failover": True, "failover-main-server": PAIR.main, "failover-backup-server": PAIR.backup}
WORDS, KEYS = st.sampled_from(["", "x", "10.0.0.0", "255.255.255.0", "default"]), st.sampled_from(["", "a", "options"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=4,
)


def _objects(cls: ObjectClass) -> st.SearchStrategy[Any]:
    keys = [a.name for a in cls.attributes] + list(cls.parts) + ["strange"]
    content = st.dictionaries(st.sampled_from(keys), ANYTHING, max_size=4)
    names = st.sampled_from(["a", "b", "default", ""])
    return content if cls.singleton else st.dictionaries(names, content, max_size=3)


WILD = st.fixed_dictionaries(
    {}, optional={name: _objects(cls) | ANYTHING for name, cls in SECTIONS.items()} | {"strange": ANYTHING}
)


def _scope(n: int, **more: Any) -> dict[str, Any]:
    return {"addr": f"10.0.{n}.0", "mask": "255.255.255.0", "ranges": [[f"10.0.{n}.5", f"10.0.{n}.9"]], **more}


SCOPE = st.builds(
    _scope,
    n=st.integers(1, 4),
    failover=st.sampled_from(["scope-enabled", "scope-disabled", "use-server-settings"]),
    **{"failover-main-server": st.sampled_from([PAIR.main, "10.0.0.9"])},
    **{"failover-backup-server": st.just(PAIR.backup)},
    policy=st.sampled_from(["default", "p"]),
)  # fmt: skip
OPTIONS = st.dictionaries(st.sampled_from(["routers", "ntp-servers"]), st.sampled_from(["10.0.0.1", "10.0.0.7"]))
SENSIBLE = st.fixed_dictionaries({
    "dhcp": st.sampled_from([ON, {}, {**ON, "failover-poll-interval": 7, "max-dhcp-requests": 700}]),
    "scope": st.dictionaries(st.sampled_from("rst"), SCOPE, max_size=3),
    "policy": st.builds(lambda p, q: {"p": p, **q}, st.builds(lambda o: {"options": o}, OPTIONS),
                        st.dictionaries(st.sampled_from(["q", "default"]), st.just({"grace-period": 5}))),
})  # fmt: skip


@given(WILD, SENSIBLE)
@example({"dhcp": {**ON, "failover-main-server": 7}}, {})
def test_any_document_is_read_or_refused(document: Any, target: Any) -> None:
    try:
        source, _ = readable(document)
        made = plan(source, target, PAIR, "exact")
    except CommandError as error:
        assert error.text
        return
    made.result(target)


@given(SENSIBLE, SENSIBLE, st.sampled_from(OPERATIONS))
def test_a_run_reaches_its_end_at_once_and_touches_nobody_else(source: Any, target: Any, operation: str) -> None:
    before = copy.deepcopy((source, target))
    try:
        made = plan(readable(source)[0], target, PAIR, operation)
    except CommandError:
        return
    result = made.result(target)
    assert (source, target) == before
    assert set(made.objects) == {(entry.cls, entry.name) for entry in made.entries}
    if not any(skip.cls == "scope" for skip in made.skipped):
        again = plan(source, result, PAIR, operation)
        assert again.entries == [], "a second run finds nothing to do"
    for name, scope in target["scope"].items():
        if scope["failover"] == "scope-enabled" and scope["failover-main-server"] != PAIR.main:
            assert result["scope"].get(name) == scope, "what belongs to another main stays"
    works = compile_config(result, 0x0A000003)[0] is not None  # else it would be refused
    if operation == "exact" and works and not made.skipped:
        assert comparable(result, PAIR, DRIFT) == comparable(source, PAIR, DRIFT)
    shown, withheld = without_secrets(result)
    assert not withheld and set(shown) <= set(result)
