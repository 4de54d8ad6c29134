"""Whatever an operator types is answered, or refused as what it is: never another error, and what is said is text."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tandem.base.errors import CommandError
from tandem.cluster.accounts import set_administrator
from tandem.cluster.answer import FORMATS, error_line
from tandem.cluster.commands import REGISTRY
from tandem.cluster.manager import Manager
from tandem.cluster.registry import Session, split
from tandem.config.access import Password
from tandem.config.schema import CLASSES

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "cluster"))
from managed import open_manager

_SLOW = {"start", "stop", "shutdown", "checkPartner", "enterPassword"}
"""Commands that need a process, wait for a network, or hash a password for a tenth of a second."""
_NAMES = [
    "s", "default", "system_default_policy", "example", "10.0.0.5", "10.0.0.9", "1,6,00:d0:ba:d3:bd:3b", "id:01", "7",
    "admin", "list", "colour",
]  # fmt: skip
_VALUES = [
    *_NAMES, "10.0.0.0", "255.255.255.0", "10.0.0.0/24", "0", "1", "-1", "4294967296", "99999999999999999999", "1.5",
    "on", "none", "forever", "-5m", "-9999999999w", "Oct 31 00:00:00 2001", "0x", "00", "", " ", "=", ",", "a,b,,", "(",
    "!", "&", "*", "%", "ü", "\x00", "@file", "(create-range 2 100)", "(request get chaddr)", "x" * 300, "yes",
    "-report", "-match=x", "all", "sample", "json",
]  # fmt: skip
_ATTRIBUTES = sorted({a.name for cls in CLASSES.values() for a in cls.attributes})
WORD = st.sampled_from(_VALUES) | st.text(max_size=6)
COMMANDS = [c for c in REGISTRY.commands if c.path[-1] not in _SLOW]
_THERE = {
    "scope": "s", "policy": "default", "client": "default", "option": "colour", "reservation": "10.0.0.9",
    "failover-pair": "example", "admin": "admin", "lease": "192.168.50.10", "change": "1",
}  # fmt: skip
"""An object of a class that exists."""


@st.composite
def lines(draw: Any) -> str:
    """A command, with names and arguments that may be wrong, sometimes garbled."""
    command = draw(st.sampled_from(COMMANDS))
    cls = CLASSES.get(command.path[0])
    there = _THERE.get(command.path[0].removesuffix("-policy"), "example")
    names = st.just(there) | st.sampled_from(_NAMES) | st.text(max_size=6)
    words = [draw(names) if word == "NAME" else word for word in command.path]
    own = st.sampled_from([a.name for a in cls.attributes if not isinstance(a.type, Password)] if cls else _ATTRIBUTES)
    for argument in command.arguments:
        words += draw(st.lists(WORD, min_size=not argument.optional, max_size=1 + argument.many))
        if argument.name in ("assignments", "values"):
            words = words[:-1] if argument.name == "assignments" else words
            words += draw(st.lists(st.builds("{}={}".format, own, WORD), min_size=1, max_size=3))
        elif argument.name in ("attribute", "attributes"):
            words[-1] = draw(own)
        elif argument.optional and draw(st.booleans()):
            words.append(f"{argument.name}={draw(WORD)}")
    words += draw(st.lists(WORD, max_size=1)) if draw(st.integers(0, 9)) == 0 else []
    if draw(st.integers(0, 9)) == 0:
        return " ".join(words)  # as it comes, quotes, blanks and all
    return " ".join("'" + word.replace("'", "") + "'" for word in words)


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Manager:
    made = open_manager(tmp_path_factory.mktemp("cluster"))
    set_administrator(made.database, "admin", "geheim", ["superuser"])
    for line in (
        "scope s create 10.0.0.0 255.255.255.0",
        "scope s addRange 10.0.0.5 10.0.0.99",
        "reservation 10.0.0.9 create 1,6,00:d0:ba:d3:bd:3b",
        "option colour create 224 string",
        "failover-pair example create 127.0.0.11 127.0.0.12",
        "dhcp reload",
    ):
        asyncio.run(made.execute(made.login_of("admin"), Session(), line))
    return made


@given(line=lines(), style=st.sampled_from(FORMATS))
@example(line="scope s set 'policy", style="user")
@example(line="token example create ''", style="user")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
def test_a_line_is_answered_or_refused(manager: Manager, line: str, style: str) -> None:
    try:
        answer = asyncio.run(manager.execute(manager.login_of("admin"), Session(default_format=style), line))
        said = answer.render(style)
    except CommandError as error:
        said = error_line(error).split("\n")
    assert "\n".join(said).encode()
    assert said[0][:3].isdigit() and 100 <= int(said[0][:3]) < 600


@given(st.text(max_size=40))
def test_any_text_is_split_or_refused(text: str) -> None:
    try:
        words = split(text)
        REGISTRY.find(words or ["help"])
    except CommandError as error:
        assert error.text
