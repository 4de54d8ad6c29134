"""Messages name commands; pages name buttons and pages instead."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from web_browser import Browser, text_of

from tandem.control.web.words import on_pages

SOURCE = Path(__file__).parents[4] / "src" / "tandem"
ROOMS = ("config", "cluster", "node", "failover")


@pytest.mark.parametrize(
    ("message", "page"),
    [
        ("write 'dhcp reload'", "Reload (DHCP › DHCP Server)"),
        ("scope 'a b' does not exist; 'scope listnames' shows those that do",
         "scope 'a b' does not exist; DHCP › Scopes shows those that do"),
        ("'vendor-option NAME create'", "Add (DHCP › Vendor Options)"),
        ("a superuser can unlock it: 'admin eve unlock'", "a superuser can unlock it: Unlock (Administrators › eve)"),
        ("remove that first ('scope x removeRange'), or", "remove that first (the ranges on the scope's page), or"),
        ("see 'failover-pair a-b checkDrift'; 'failover-pair a-b sync' mends it",
         "see what differs (DHCP › Failover); Run (DHCP › Failover) mends it"),
        ("add a range with scope NAME addRange, or", "add a range to the ranges on the scope's page, or"),
        ("as 'dhcp getFailoverCertificate' prints it", "as 'dhcp getFailoverCertificate' in nrcmd prints it"),
        ("the partner's lease and another's lease", "the partner's lease and another's lease"),
        ("it's the partner's", "it's the partner's"),
    ],
)  # fmt: skip
def test_commands_become_pages(message: str, page: str) -> None:
    assert on_pages(message) == page


_COMMAND = re.compile(r"'((?:scope|dhcp|failover-pair|admin|lease|change) [^' ]+(?: [^']+)?)'")


def named() -> set[str]:
    """Return all commands that messages of the source name in quotation marks."""
    found: set[str] = set()
    for room in ROOMS:
        for path in (SOURCE / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    text = "".join(str(v.value) if isinstance(v, ast.Constant) else "X1" for v in node.values)
                    found.update(_COMMAND.findall(text))
    return found


def test_few_messages_are_left_that_only_nrcmd_can_follow() -> None:
    left = {command for command in named() if on_pages(f"'{command}'").endswith("in nrcmd")}
    assert len(named()) > 10 and len(left) * 4 < len(named()), left


def test_a_refusal_on_a_page_names_pages(admin: Browser) -> None:
    page = text_of(admin.get("/dhcp/scope/edit?name=nothere").text)
    assert "DHCP › Scopes shows those that do" in page and "listnames" not in page
