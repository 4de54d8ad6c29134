"""Scope templates: scopes made, or filled in, from a template and a subnet.

A template has the attributes of a scope that it gives, and expressions for the name, the ranges and the options; its
embedded policy becomes the scope's. Source: failover chapter, "Configuring Failover for Scopes"; reference "commands
and attributes" section 2.2.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from tandem.base.errors import CommandError
from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.config.document import Document, create_object, read_object, set_value, write_object
from tandem.config.expressions import Option, Range, evaluate, variables_of
from tandem.config.network_types import Subnet
from tandem.config.policies import set_option
from tandem.config.schema import SCOPE, SCOPE_TEMPLATE
from tandem.config.schema_clients import EMBEDDED
from tandem.config.scopes import add_range

_SUBNET = Subnet()


def make_scope(document: Document, template: str, subnet: str, name: str = "") -> str:
    """Create a scope for ``subnet`` (192.168.50.0/24) from a template; return its name: ``name``, or the template's.

    Raises CommandError 302, 316, 320.
    """
    content = read_object(document, SCOPE_TEMPLATE.name, template)
    try:
        address, mask = _SUBNET.use(_SUBNET.parse(subnet))
    except ValueError as error:
        raise CommandError(316, f"subnet: {error}") from None
    if not name:
        found = _evaluated(template, content, "scope-name", _variables(template, content, address, mask))
        name = str(found) if isinstance(found, str) else _SUBNET.parse(subnet)
    create_object(document, SCOPE.name, name, [format_ipv4(address), format_ipv4(mask)])
    apply_template(document, template, name)
    return name


EXPRESSIONS = ("scope-name", "ranges-expr", "options-expr")
"""The attributes of a template that are expressions."""


def sketch_scope(document: Document, content: Mapping[str, Any], subnet: str) -> tuple[str, Document, dict[str, str]]:
    """Return what a template of this content would make of a subnet: the scope's name, the scope, and what is wrong
    with each expression. Nothing is changed. Raises CommandError 316 for a subnet that is none.
    """
    wrong: dict[str, str] = {}
    whole = {attribute: value for attribute, value in content.items() if attribute not in EXPRESSIONS}
    name, scope = _sketch(document, whole, subnet)
    for attribute in EXPRESSIONS:
        if attribute in content:
            try:
                name, scope = _sketch(document, {**whole, attribute: content[attribute]}, subnet)
            except CommandError as error:
                wrong[attribute] = error.text.rpartition(f"{attribute}: ")[2]
            else:
                whole[attribute] = content[attribute]
    return name, scope, wrong


def _sketch(document: Document, content: Mapping[str, Any], subnet: str) -> tuple[str, Document]:
    trial: Document = {**document, SCOPE.name: {}, SCOPE_TEMPLATE.name: {"": dict(content)}}
    name = make_scope(trial, "", subnet)
    return name, trial[SCOPE.name][name]


def apply_template(document: Document, template: str, scope: str) -> None:
    """Give a scope that exists what a template says; what the template does not say stays.

    Raises CommandError 302, 316, 320.
    """
    content = read_object(document, SCOPE_TEMPLATE.name, template)
    target = read_object(document, SCOPE.name, scope)
    for attribute, value in content.items():
        if attribute in SCOPE.by_name:
            set_value(document, SCOPE.name, scope, attribute, copy.deepcopy(value))
    if EMBEDDED in content:
        write_object(document, SCOPE.name, scope)[EMBEDDED] = copy.deepcopy(content[EMBEDDED])
    variables = _variables(template, content, parse_ipv4(target["addr"]), parse_ipv4(target["mask"]))
    shown = {name: SCOPE.by_name[name].type.show(value) for name, value in target.items() if name in SCOPE.by_name}
    variables |= {f"this.{name}": text for name, text in shown.items()} | {"this.name": scope}
    ranges = _evaluated(template, content, "ranges-expr", variables)
    if ranges is not None:
        write_object(document, SCOPE.name, scope).pop("ranges", None)
        for one in ranges if isinstance(ranges, list) else [ranges]:
            if not isinstance(one, Range):
                raise _wrong(template, "ranges-expr", "is not (create-range FIRST LAST), or a list of such")
            add_range(document, scope, str(one.lowest), str(one.highest))
    options = _evaluated(template, content, "options-expr", variables)
    for each in options if isinstance(options, list) else [] if options is None else [options]:
        if not isinstance(each, Option):
            raise _wrong(template, "options-expr", "is not (create-option OPTION VALUE), or a list of such")
        set_option(document, scope, each.name, each.text, f"{SCOPE.name}-policy")


def _variables(template: str, content: Any, address: int, mask: int) -> dict[str, Any]:
    attributes = SCOPE_TEMPLATE.by_name
    own = {f"template.{a}": attributes[a].type.show(v) for a, v in content.items() if a in attributes}
    return variables_of(address, mask) | own | {"template.name": template}


def _evaluated(template: str, content: Any, attribute: str, variables: dict[str, Any]) -> Any:
    """Return the value of one of a template's expressions; None when it has none. Raises CommandError 316."""
    text = content.get(attribute)
    if text is None:
        return None
    try:
        return evaluate(text, variables)
    except ValueError as error:
        raise _wrong(template, attribute, str(error)) from None


def _wrong(template: str, attribute: str, why: str) -> CommandError:
    return CommandError(316, f"{SCOPE_TEMPLATE.label(template)}: {attribute}: {why}")
