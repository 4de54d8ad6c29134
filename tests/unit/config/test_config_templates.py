"""Scope templates: expressions, and the scopes that come of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.base.errors import CommandError
from tandem.base.ipv4 import parse_ipv4
from tandem.config import document as d
from tandem.config import policies as p
from tandem.config.compile import compile_config
from tandem.config.expressions import evaluate, variables_of
from tandem.config.schema import SERVED
from tandem.config.templates import apply_template, make_scope

SUBNET = variables_of(parse_ipv4("192.168.50.0"), parse_ipv4("255.255.255.0"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('(concat "lab-" subnet)', "lab-192.168.50.0/24"), ('"a \\"b\\" c"', 'a "b" c'), ("(+ 1 (* 2 3))", "7"),
        ("(- nhosts 4)", "250"), ("(/ naddrs 2)", "128"), ("(+ subnet-addr 5)", "192.168.50.5"),
        ("(- bcast-addr 1)", "192.168.50.254"), ("first-addr", "192.168.50.1"), ("last-addr", "192.168.50.254"),
        ('(create-ipaddr subnet 9)', "192.168.50.9"), ('(create-ipaddr "10.0.0.0/8" 9)', "10.0.0.9"),
        ("(concat mask-addr mask-count)", "255.255.255.024"), ("10.0.0.1", "10.0.0.1"),
    ],
)  # fmt: skip
def test_values(text: str, value: str) -> None:
    assert str(evaluate(text, SUBNET)) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("(concat", "1 closing parenthesis is missing"), (")", "one . too many"), ('"abc', "is a quote missing"),
        ("a b", "write one expression"), ("", "write one expression"), ("(frob 1)", "'frob' is no function"),
        ("()", "is no function"), ("nosuch", "neither a number nor a variable"), ("(/ 1 0)", "division by zero"),
        ("(+ 1)", "takes two values"), ("(* 999999999 999999999)", "too large"),
        ("(+ bcast-addr 4294967295)", "beyond"),
        ("(" * 60, "nested too deeply"), ('(+ "a" 1)', "a number is needed"), ("(create-range 1)", "takes the first"),
        ('(create-ipaddr "x" 1)', "is no subnet"),
    ],
)  # fmt: skip
def test_what_has_no_value_says_why(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        evaluate(text, SUBNET)


@given(st.text(alphabet='()"\\ concatlist+-*/0129. subnet', max_size=60))
def test_any_text_has_a_value_or_is_refused(text: str) -> None:
    try:
        evaluate(text, SUBNET)
    except ValueError as error:
        assert str(error)


def base() -> dict[str, Any]:
    document: dict[str, Any] = {}
    d.create_object(
        document, "scope-template", "lab", (),
        {"scope-name": '(concat "lab-" subnet)',
         "ranges-expr": "(list (create-range 10 (- nhosts 54)) (create-range 220 230))",
         "options-expr": '(list (create-option "routers" (create-ipaddr subnet 1)) (create-option "domain-name" '
         '(concat this.name "." template.name ".example")))', "failover": "scope-enabled",
         "failover-main-server": "192.168.50.2", "failover-backup-server": "192.168.50.3"},
    )  # fmt: skip
    p.set_lease_time(document, "lab", "2h", "scope-template-policy")
    return document


def test_a_scope_is_made_of_a_template_and_can_run() -> None:
    document = base()
    assert make_scope(document, "lab", "192.168.50.0/24") == "lab-192.168.50.0/24"
    assert make_scope(document, "lab", "192.168.51.0/24", "second") == "second"
    served = {cls: section for cls, section in document.items() if cls in SERVED}
    config, problems = compile_config(served, parse_ipv4("192.168.50.2"))
    assert config is not None, problems
    first, second = config.scopes
    assert list(first.ranges) == [(0xC0A8320A, 0xC0A832C8), (0xC0A832DC, 0xC0A832E6)]
    assert first.policy.lease_s == 7200 and first.policy.options[3] == parse_ipv4("192.168.50.1").to_bytes(4, "big")
    assert second.policy.options[15] == b"second.lab.example" and first.endpoint == 1
    p.set_lease_time(document, "lab", "9h", "scope-template-policy")
    assert p.get_lease_time(document, "second", "scope-policy") == 7200  # a copy: later changes reach no scope


def test_a_template_is_applied_to_a_scope_that_exists() -> None:
    document = base()
    d.create_object(document, "scope", "old", ["192.168.52.0", "255.255.255.0"], {"renew-only": "on"})
    apply_template(document, "lab", "old")
    assert document["scope"]["old"]["renew-only"] is True
    ranges = [["192.168.52.10", "192.168.52.200"], ["192.168.52.220", "192.168.52.230"]]
    assert document["scope"]["old"]["ranges"] == ranges
    apply_template(document, "lab", "old")


@pytest.mark.parametrize(
    ("values", "subnet", "said"),
    [
        ({}, "192.168.50.1/24", "subnet: '192.168.50.1/24' is not a subnet"),
        ({"ranges-expr": "(create-range 200 300)"}, "192.168.50.0/24", "lies outside the subnet"),
        ({"ranges-expr": '"x"'}, "192.168.50.0/24", "ranges-expr: is not .create-range"),
        ({"options-expr": "1"}, "192.168.50.0/24", "options-expr: is not .create-option"),
        ({"options-expr": '(create-option "nonsense" 1)'}, "192.168.50.0/24", "there is no option 'nonsense'"),
        ({"scope-name": "(nosuch)"}, "192.168.50.0/24", "scope-name: 'nosuch' is no function"),
    ],
)
def test_refusals(values: dict[str, str], subnet: str, said: str) -> None:
    document: dict[str, Any] = {}
    d.create_object(document, "scope-template", "t", (), values)
    with pytest.raises(CommandError, match=said):
        make_scope(document, "t", subnet)
