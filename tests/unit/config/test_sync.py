"""Synchronization, on pure functions: a hand-written copy of the chapter's tables 16-1 and 16-2, row by row."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tandem.base.errors import CommandError
from tandem.config import schema, sync
from tandem.config.attribute import Attribute, ObjectClass
from tandem.config.pairs import PAIR, Pair, named_pairs, pair_of_scopes
from tandem.config.schema import ADMIN, CLASSES, DHCP, SECTIONS
from tandem.config.sync import Entry, combine, comparable, plan, readable, without_secrets
from tandem.config.synctables import DRIFT, OPERATIONS, SYNC_ROWS, function_of
from tandem.config.types import Int, Reference, Secret, String

Document = dict[str, Any]
A, B, C = "192.168.50.2", "192.168.60.2", "192.168.70.2"
PAIR_AB = Pair(A, B)
AB: Document = {"failover": True, "failover-main-server": A, "failover-backup-server": B}

TABLE_16_1 = """
    client-class-properties   replace     replace   replace
    failover                  replace     replace   replace
    failover-tuning           replace     replace   replace
    ddns-security             replace     replace   replace
    other                     no change   replace   replace
    ldap-event-service        no change   replace   replace
    policy-options            ensure      replace   exact
    policy                    replace     replace   exact
    client                    replace     replace   exact
    client-class              replace     replace   exact
    scope                     exact       exact     exact
    vpn                       replace     replace   exact
    key                       replace     replace   exact
    extension                 ensure      replace   exact
    extension-point           no change   replace   replace
    option                    ensure      exact     exact
"""
"""Copied from the chapter: kind of data, then what update, complete and exact do."""
ROWS = {
    row: functions
    for line in TABLE_16_1.split("\n")
    if (cells := [cell.strip() for cell in line.split("  ") if cell.strip()])
    for row, functions in [(cells[0], cells[1:])]
}
_TABLE_16_2 = """
    append-user-class-id-to-selection-tag client-class client-class-lookup-id defer-lease-extensions
    dynamic-dns-fwd-key dynamic-dns-rev-key dynamic-dns-tsig failover failover-backup-percentage
    failover-backup-server failover-dynamic-bootp-backup-percentage failover-lease-period-factor
    failover-main-server failover-poll-interval failover-recover failover-safe-period failover-use-safe-period
    force-dns-updates map-user-class-id skip-client-lookup upgrade-unavailable-timeout use-ldap-client-data
    validate-client-name-as-mac
"""
NOT_YET = {
    "dynamic-dns-fwd-key", "dynamic-dns-rev-key", "dynamic-dns-tsig", "force-dns-updates",
    "use-ldap-client-data",
}  # fmt: skip
"""Attributes of table 16-2 that nothing in the server stands behind yet: DNS updates, LDAP."""
TABLE_16_2 = _TABLE_16_2.split()  # the chapter has client-class and client-class-lookup-id in one cell
VALUES: dict[str, tuple[Any, Any]] = {  # where the default and its opposite will not do
    "failover-main-server": (A, None), "failover-backup-server": (B, None), "failover": (True, False),
    "failover-recover": (0, 1000000), "client-class-lookup-id": ('"a"', None),
}  # fmt: skip


@pytest.mark.parametrize(
    ("function", "result"),
    [
        ("no change", {"Name2": "B", "Name3": "D"}),
        ("ensure", {"Name1": "A", "Name2": "B", "Name3": "D"}),
        ("replace", {"Name1": "A", "Name2": "C", "Name3": "D"}),
        ("exact", {"Name1": "A", "Name2": "C"}),
    ],
)
def test_the_four_functions_do_what_the_chapter_says(function: str, result: dict[str, str]) -> None:
    assert combine(function, {"Name1": "A", "Name2": "C"}, {"Name2": "B", "Name3": "D"}) == result


def test_the_table_has_the_rows_of_the_chapter_and_no_others() -> None:
    assert set(SYNC_ROWS) == {"none", *ROWS} and all(len(functions) == 3 for functions in ROWS.values())
    assert all(function_of("none", operation) == "no change" for operation in (*OPERATIONS, DRIFT))


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("row", [row for row in ROWS if row not in ("scope", "policy-options")])
def test_each_row_of_table_16_1(row: str, operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class is declared with the row, as a later one would be: the functions need no edit."""
    thing = ObjectClass("thing", "A thing.", (Attribute("x", Int(0, 9), 0, "."),), row, create=("x",))
    monkeypatch.setitem(SECTIONS, "thing", thing)  # type: ignore[arg-type]
    source = {"dhcp": AB, "thing": {"Name1": {"x": 1}, "Name2": {"x": 2}}}
    target = {"dhcp": AB, "thing": {"Name2": {"x": 3}, "Name3": {"x": 4}}}
    made = plan(source, target, PAIR_AB, operation)
    expected = {
        "no change": {"Name2": {"x": 3}, "Name3": {"x": 4}},
        "ensure": {"Name1": {"x": 1}, "Name2": {"x": 3}, "Name3": {"x": 4}},
        "replace": {"Name1": {"x": 1}, "Name2": {"x": 2}, "Name3": {"x": 4}},
        "exact": {"Name1": {"x": 1}, "Name2": {"x": 2}},
    }
    function = ROWS[row][OPERATIONS.index(operation)]
    assert made.result(target)["thing"] == expected[function]
    assert {entry.function for entry in made.entries} == ({function} - {"no change"})


@pytest.mark.parametrize("operation", OPERATIONS)
def test_row_policy_has_its_options_apart(operation: str) -> None:
    source = {"dhcp": AB, "policy": {"p": {"grace-period": 60, "options": {"routers": "1.1.1.1", "domain-name": "a"}}}}
    target = {"policy": {"p": {"offer-timeout": 9, "options": {"domain-name": "b", "ip-forwarding": "true"}}, "q": {}}}
    result = plan(source, target, PAIR_AB, operation).result(target)["policy"]
    options = {
        "ensure": {"domain-name": "b", "ip-forwarding": "true", "routers": "1.1.1.1"},
        "replace": {"domain-name": "a", "ip-forwarding": "true", "routers": "1.1.1.1"},
        "exact": {"domain-name": "a", "routers": "1.1.1.1"},
    }[ROWS["policy-options"][OPERATIONS.index(operation)]]
    assert result["p"] == {"grace-period": 60, "options": options}
    assert ("q" in result) == (operation != "exact")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_row_scope_is_exact_for_the_pairs_and_leaves_the_others(operation: str) -> None:
    mine = {"addr": "10.0.0.0", "mask": "255.255.255.0"}
    source = {"dhcp": AB, "scope": {"s": {**mine, "ranges": [["10.0.0.5", "10.0.0.9"]]}, "off": {
        "addr": "10.1.0.0", "mask": "255.255.255.0", "failover": "scope-disabled"}}}  # fmt: skip
    others = {
        "failover": "scope-enabled", "failover-main-server": C, "failover-backup-server": B,
        "addr": "10.2.0.0", "mask": "255.255.255.0",
    }  # fmt: skip
    gone = {"addr": "10.3.0.0", "mask": "255.255.255.0"}
    target = {"dhcp": dict(AB), "scope": {"s": {**mine, "renew-only": True}, "gone": gone, "theirs": others}}
    made = plan(source, target, PAIR_AB, operation)
    assert made.result(target)["scope"] == {"s": source["scope"]["s"], "theirs": others}
    assert made.entries == [
        Entry("scope", "gone", "", {}, None, "exact"),
        Entry("scope", "s", "renew-only", True, None, "exact"),
        Entry("scope", "s", "ranges", None, ["10.0.0.5", "10.0.0.9"], "exact"),
    ]


def test_what_is_declared_of_table_16_2() -> None:
    assert {name for name in TABLE_16_2 if name not in DHCP.by_name} == NOT_YET


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", [name for name in TABLE_16_2 if name not in NOT_YET])
def test_each_attribute_of_table_16_2(name: str, operation: str) -> None:
    attribute = DHCP.by_name[name]
    there, here = VALUES.get(name) or (None, other_value(attribute))
    source, target = {"dhcp": dict(AB)}, {"dhcp": dict(AB)}
    for document, value in ((source, there), (target, here)):
        document["dhcp"].pop(name, None)
        if value is not None:
            document["dhcp"][name] = value
    if name in ("failover-main-server", "failover-backup-server"):
        target["dhcp"] = {}  # a server that names nobody yet
    made = plan(source, target, PAIR_AB, operation)
    assert Entry("dhcp", "", name, here, there, "replace") in made.entries
    assert made.result(target)["dhcp"].get(name) == there


def other_value(attribute: Attribute) -> Any:
    for value in (True, False, 7, 1.75, "x", ["x"], *getattr(attribute.type, "names", ())):
        try:
            attribute.type.use(value)
        except ValueError:
            continue
        if value != attribute.default:
            return value
    raise AssertionError(f"VALUES needs a value of {attribute.name}")


def test_only_table_16_2_is_copied_by_update_and_all_by_the_others() -> None:
    listed = [a.name for a in DHCP.attributes if function_of(DHCP.sync_of(a), "update") == "replace"]
    assert set(listed) <= set(TABLE_16_2)
    others = [a for a in DHCP.attributes if a.name not in TABLE_16_2 and DHCP.sync_of(a) != "none"]
    assert {DHCP.sync_of(a) for a in others} == {"other"}
    source, target = {"dhcp": {**AB, "max-dhcp-requests": 700}}, {"dhcp": dict(AB)}
    assert plan(source, target, PAIR_AB, "update").entries == []
    assert len(plan(source, target, PAIR_AB, "complete").entries) == 1


def test_the_date_of_a_restored_database_is_not_given_to_the_other_server() -> None:
    source, target = {"dhcp": {**AB, "failover-recover": 1000000}}, {"dhcp": dict(AB)}
    made = plan(source, target, PAIR_AB, "exact")
    assert not made.entries and made.skipped[0].attribute == "failover-recover"
    assert comparable(source, PAIR_AB, DRIFT) == comparable(target, PAIR_AB, DRIFT)


def test_a_second_run_finds_nothing_and_documents_stay_as_they_are() -> None:
    source = {"dhcp": {**AB, "max-dhcp-requests": 700}, "scope": {"s": {"addr": "10.0.0.0", "mask": "255.255.255.0"}},
              "policy": {"p": {"options": {"routers": "10.0.0.1"}}}}  # fmt: skip
    target: Document = {"policy": {"p": {"options": {"routers": "10.0.0.2"}}, "q": {}}}
    for operation in ("complete", "exact"):
        before = copy.deepcopy((source, target))
        result = plan(source, target, PAIR_AB, operation).result(target)
        assert (source, target) == before
        assert plan(source, result, PAIR_AB, operation).entries == []
        assert not plan(source, result, PAIR_AB, DRIFT).entries
    assert comparable(source, PAIR_AB, DRIFT) == comparable(result, PAIR_AB, DRIFT)


def test_a_pair_named_by_scopes_does_not_touch_the_servers_own_attributes() -> None:
    scope = {"addr": "10.0.0.0", "mask": "255.255.255.0", "failover": "scope-enabled",
             "failover-main-server": A, "failover-backup-server": B}  # fmt: skip
    source = {"dhcp": {"failover-poll-interval": 5}, "scope": {"s": scope}}
    target: Document = {"dhcp": {**AB, "failover-main-server": C}}
    made = plan(source, target, PAIR_AB, "exact")
    assert {entry.cls for entry in made.entries} == {"scope"} and made.skipped[0].cls == "dhcp"
    assert made.result(target)["dhcp"] == target["dhcp"]


def test_a_back_office_backup_keeps_its_server_wide_main_and_gets_the_scopes_of_another() -> None:
    net, theirs = {"addr": "10.0.0.0", "mask": "255.255.255.0"}, {"addr": "10.9.0.0", "mask": "255.255.255.0"}
    source = {
        "dhcp": {**AB, "failover-poll-interval": 5},
        "scope": {"s": net, "alone": {**net, "failover": "scope-disabled"}},
    }
    source["scope"]["alone"]["addr"] = "10.1.0.0"
    target: Document = {"dhcp": {**AB, "failover-main-server": C}, "scope": {"theirs": theirs}}
    named = {"failover": "scope-enabled", "failover-main-server": A, "failover-backup-server": B}
    made = plan(source, target, PAIR_AB, "complete")
    result = made.result(target)
    assert result == {**target, "scope": {"theirs": theirs, "s": {**net, **named}}}
    assert [skip.cls for skip in made.skipped] == ["dhcp"] and f"server-wide with {C}-{B}" in made.skipped[0].why
    assert plan(source, result, PAIR_AB, DRIFT).entries == [], "and it stays so"
    back = plan(result, source, PAIR_AB, "complete").result(source)
    assert back["scope"]["s"] == {**net, **named} and back["dhcp"] == source["dhcp"], "the main's own stay, too"


def test_a_scope_of_another_pair_with_the_same_name_stays() -> None:
    scope = {"addr": "10.0.0.0", "mask": "255.255.255.0", "failover": "scope-enabled",
             "failover-main-server": A, "failover-backup-server": B}  # fmt: skip
    target = {"scope": {"s": {**scope, "failover-main-server": C}}}
    made = plan({"scope": {"s": scope}}, target, PAIR_AB, "exact")
    assert [e for e in made.entries if e.cls == "scope"] == []
    assert ("scope", "s", f"the scope of this name there belongs to pair {C}-{B}; rename one of them, or set"
            " failover=scope-enabled and this pair's two servers on it there") in [
        (skip.cls, skip.name, skip.why) for skip in made.skipped
    ]  # fmt: skip


@pytest.mark.parametrize("dhcp", [{}, {**AB, "failover": False}, {**AB, "failover-main-server": C}])
def test_a_source_without_the_pair_is_not_followed(dhcp: Document) -> None:
    target = {"dhcp": AB, "scope": {"s": {"addr": "10.9.0.0", "mask": "255.255.255.0"}}}
    with pytest.raises(CommandError, match=f"pair {A}-{B} is not on in the configuration that is to be followed"):
        plan({"dhcp": dhcp}, target, PAIR_AB, "update")


def test_a_scope_that_would_join_the_pair_is_named() -> None:
    target = {"scope": {"own": {"addr": "10.9.0.0", "mask": "255.255.255.0"}}}
    made = plan({"dhcp": AB}, target, PAIR_AB, "update")
    assert "own" in made.result(target)["scope"]
    assert [(skip.cls, skip.name) for skip in made.skipped] == [("scope", "own")]


def test_what_is_used_by_something_that_stays_is_not_removed() -> None:
    others = {"failover": "scope-enabled", "failover-main-server": C, "failover-backup-server": B,
              "addr": "10.2.0.0", "mask": "255.255.255.0", "policy": "theirs"}  # fmt: skip
    target = {"scope": {"o": others}, "policy": {"theirs": {}, "nobodys": {}}}
    made = plan({"dhcp": AB}, target, PAIR_AB, "exact")
    assert sorted(made.result(target)["policy"]) == ["theirs"]
    assert [(s.name, s.why) for s in made.skipped] == [("theirs", "it is only here, and scope o (policy) uses it")]


def test_secrets_do_not_travel_back(monkeypatch: pytest.MonkeyPatch) -> None:
    attributes = (Attribute("secret", Secret(), None, ".", required=True), Attribute("note", String(), None, "."))
    monkeypatch.setitem(SECTIONS, "key", ObjectClass("key", "A key.", attributes, "key"))  # type: ignore[arg-type]
    document: Document = {
        "dhcp": {**AB, "failover-shared-secret": "geheim"}, "key": {"k": {"secret": "geheim"}, "l": {"secret": "x"}},
        "admin": {"admin": {"password": "geheim"}},
    }  # fmt: skip
    shown, withheld = without_secrets(document)
    assert "geheim" not in str(shown) and "admin" not in shown
    source, unknown = readable(shown, withheld)
    target: Document = {"key": {"l": {"secret": "y", "note": "old"}}}
    made = plan(source, target, PAIR_AB, "exact", withheld)
    assert not unknown and made.result(target)["key"] == {"l": {"secret": "y"}}
    assert sorted((s.cls, s.name, s.attribute) for s in made.skipped) == [
        ("dhcp", "", "failover-shared-secret"), ("key", "k", "secret"), ("key", "l", "secret"),
    ]  # fmt: skip


def test_a_document_of_another_version_is_used_as_far_as_it_is_known() -> None:
    document = {"dhcp": {**AB, "new-attribute": 1}, "newclass": {"x": {}}, "policy": {"p": {"grace-period": 5}}}
    source, unknown = readable(document)
    assert source == {"dhcp": AB, "policy": {"p": {"grace-period": 5}}}
    assert [(skip.cls, skip.attribute) for skip in unknown] == [("newclass", ""), ("dhcp", "new-attribute")]


@pytest.mark.parametrize(
    "document",
    [None, [], {"dhcp": 3}, {"scope": []}, {"scope": {"s": None}}, {"scope": {"s": {"addr": 5, "mask": "x"}}},
     {"scope": {"s": {}}}, {"policy": {"p": {"grace-period": "x"}}}, {"policy": {"": {}}}],
)  # fmt: skip
def test_a_document_that_makes_no_sense_is_refused(document: object) -> None:
    with pytest.raises(CommandError, match="the other server's configuration"):
        readable(document)


def test_pairs_are_named_by_the_server_and_by_scopes_and_segments_hang_together() -> None:
    document = {
        "dhcp": AB,
        "scope": {
            "a": {"addr": "10.0.0.0", "mask": "255.255.255.0", "failover": "scope-enabled",
                  "failover-main-server": C, "failover-backup-server": B},
            "a2": {"addr": "10.0.1.0", "mask": "255.255.255.0", "primary-subnet": "10.0.0.0/24"},
            "b": {"addr": "10.1.0.0", "mask": "255.255.255.0", "failover": "scope-disabled"},
            "b2": {"addr": "10.1.1.0", "mask": "255.255.255.0", "primary-subnet": "10.1.0.0/24"},
            "c": {"addr": "10.2.0.0", "mask": "255.255.255.0"},
        },
    }  # fmt: skip
    other = Pair(C, B)
    assert named_pairs(document) == [PAIR_AB, other]
    assert pair_of_scopes(document) == {"a": other, "a2": other, "b": None, "b2": None, "c": PAIR_AB}
    document["dhcp"] = {**AB, "failover": False}
    assert pair_of_scopes(document)["c"] is None and named_pairs(document) == [PAIR_AB, other]


def test_every_class_says_how_it_is_synchronized() -> None:
    for cls in CLASSES.values():
        rows = {cls.sync_of(item) for item in (*cls.attributes, *cls.parts)}
        assert rows <= set(SYNC_ROWS), cls.name
        references = {a.type.cls for a in cls.attributes if isinstance(a.type, Reference)}
        assert cls.sync == "none" or all(schema.CLASSES[r].sync != "none" for r in references), cls.name
    assert PAIR.sync == ADMIN.sync == "none" and sync.synchronized({"admin": {"a": {}}}) == {}


def test_embedded_policies_and_clients_come_along_and_each_property_is_told() -> None:
    embedded = {"grace-period": 60, "options": {"routers": "10.0.0.1"}}
    source = {
        "dhcp": AB, "client-class": {"gold": {"embedded-policy": embedded}},
        "client": {"1,6,00:d0:ba:d3:bd:3b": {"client-class-name": "gold"}},
        "scope": {"s": {"addr": "10.0.0.0", "mask": "255.255.255.0", "embedded-policy": embedded}},
    }  # fmt: skip
    target = {"dhcp": AB, "client-class": {"gold": {"embedded-policy": {"options": {"routers": "10.0.0.2"}}}}}
    readable(source)
    made = plan(source, target, PAIR_AB, "update")
    assert made.result(target) == source
    assert [e for e in made.entries if e.cls == "client-class"] == [
        Entry("client-class", "gold", "embedded-policy.options.routers", "10.0.0.2", "10.0.0.1", "replace"),
        Entry("client-class", "gold", "embedded-policy.grace-period", None, 60, "replace"),
    ]
    assert Entry("scope", "s", "embedded-policy.options.routers", None, "10.0.0.1", "exact") in made.entries
