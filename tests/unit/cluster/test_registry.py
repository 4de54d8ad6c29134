"""The registry of commands: complete declarations, and the way from a line to a command."""

from __future__ import annotations

import pytest

from tandem.base.errors import CommandError
from tandem.cluster import commands as _commands  # noqa: F401  fills the registry
from tandem.cluster.registry import KINDS, REGISTRY, Command, Login, Request, Session, split
from tandem.config.schema import SECTIONS
from tandem.config.types import Bool


@pytest.mark.parametrize("command", REGISTRY.commands, ids=lambda c: " ".join(c.path))
def test_every_command_is_declared_in_full_and_its_example_means_it(command: Command) -> None:
    assert command.help.endswith(".") and command.role and command.example
    for argument in command.arguments:
        assert argument.help and argument.kind in KINDS
    found, name, words = REGISTRY.find(split(command.example))
    assert found is command
    assert bool(name) == ("NAME" in command.path)
    request = Request(Login("admin"), Session(), name)
    command.fill(request, words)
    assert set(request.values) == {argument.name for argument in command.arguments}


def test_every_class_has_the_common_commands() -> None:
    paths = {command.path for command in REGISTRY.commands}
    for cls in SECTIONS.values():
        prefix = (cls.name,) if cls.singleton else (cls.name, "NAME")
        switches = ("enable", "disable") if any(isinstance(a.type, Bool) for a in cls.attributes) else ()
        for verb in ("show", "get", "set", "unset", *switches):
            assert (*prefix, verb) in paths
        if not cls.singleton:
            assert {(*prefix, "create"), (*prefix, "delete")} <= paths
            assert {(cls.name, verb) for verb in ("list", "listnames", "listbrief")} <= paths


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("frobnicate", 306),
        ("scopes list", 306),
        ("scope x frobnicate", 307),
        ("dhcp frobnicate", 307),
        ("server dhcp frobnicate", 307),
        ("lease 10.0.0.1 frobnicate", 307),
        ("scope", 310),
        ("lease", 310),
        ("policy", 310),
        ("save now", 309),
        ("dhcp reload now", 307),
        ("dhcp stop now", 309),
        ("scope x listRanges y", 309),
        ("lease 10.0.0.1 show x", 309),
        ("scope x addRange 10.0.0.1", 310),
        ("scope x addRange 10.0.0.1 10.0.0.2 10.0.0.3", 309),
        ("scope x addRange a b", 316),
        ("dhcp setPartnerDown", 310),
        ("policy x setOption routers", 310),
        ("dhcp set 'a", 316),
        ("token x create ''", 316),
        ("scope x addRange '' 10.0.0.1", 316),
    ],
)
def test_a_line_that_is_no_command(line: str, status: int) -> None:
    with pytest.raises(CommandError) as refusal:
        command, name, words = REGISTRY.find(split(line))
        command.fill(Request(Login("admin"), Session(), name), words)
    assert refusal.value.status == status
    assert len(refusal.value.text) > 10


@pytest.mark.parametrize(
    "line", ["DHCP SETPARTNERDOWN h", "server dhcp setpartnerdown h", "Server DHCP setPartnerDown h"]
)
def test_words_match_in_any_case_and_with_the_word_server(line: str) -> None:
    command, _, words = REGISTRY.find(split(line))
    assert command.path == ("dhcp", "setPartnerDown") and words == ["h"]


def test_names_keep_their_case() -> None:
    assert REGISTRY.find(split("SCOPE MyScope LISTRANGES"))[1] == "MyScope"


def test_quotes_keep_words_together() -> None:
    assert split("""policy p "a b" 'c "d'x""") == ["policy", "p", "a b", 'c "dx']
    assert split(r"a C:\x # y") == ["a", r"C:\x", "#", "y"]


def test_arguments_take_their_plain_form() -> None:
    command, name, words = REGISTRY.find(split("scope x addRange 010.0.0.1 10.0.0.009"))
    request = Request(Login("admin"), Session(), name)
    command.fill(request, words)
    assert request.values == {"lowest": "10.0.0.1", "highest": "10.0.0.9"}


def test_session_attributes_are_checked() -> None:
    session = Session()
    session.set("default-format", "script")
    session.set("visibility", "3")
    assert session.expert and session.attributes() == {"default-format": "script", "visibility": "3"}
    for attribute, value, status in (("default-format", "xml", 316), ("visibility", "0", 316), ("color", "red", 308)):
        with pytest.raises(CommandError) as refusal:
            session.set(attribute, value)
        assert refusal.value.status == status


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("scop list", "did you mean 'scope'"),
        ("dhcp relaod", "did you mean 'reload'"),
        ("lease 10.0.0.1 forceavail", "did you mean 'forceAvailable'"),
        ("list scopes", "write the object first, e.g. 'scope list'"),
        ("lease list color=red", "308 'color'; write scope=, from=,"),
        ("dhcp set 'a", "close it, or quote it by the other kind"),
    ],
)
def test_a_mistake_is_answered_with_what_is_likely_meant(line: str, said: str) -> None:
    with pytest.raises(CommandError) as refusal:
        command, name, words = REGISTRY.find(split(line))
        command.fill(Request(Login("admin"), Session(), name), words)
    assert said in f"{refusal.value.status} {refusal.value.text}"


def test_arguments_by_name_leave_the_others_in_their_order() -> None:
    command, name, words = REGISTRY.find(["failover-pair", "p", "sync", "operation=complete", "-report", "-reload"])
    request = Request(Login("admin"), Session(), name)
    command.fill(request, words)
    asked = " ".join(request.values[a.name] for a in command.arguments)
    assert asked.split() == ["complete", "-report", "-reload"]  # a report that was asked for is not run
