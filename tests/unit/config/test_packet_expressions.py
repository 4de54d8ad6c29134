"""Expressions over a packet, and the client-class that they give a client."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.config import document as d
from tandem.config.compile import compile_config
from tandem.config.packet_expressions import Packet, PacketExpression
from tandem.config.profiles import Clients

MAC = "1,6,00:d0:ba:d3:bd:3b"
HARDWARE = bytes.fromhex("0100d0bad3bd3b")
RELAY = b"\1\5port7\2\3abc"
PACKET = Packet(b"\1\2", HARDWARE, {60: b"MSFT 5.0", 77: b"\3lab", 82: RELAY, 12: b"PC-1\0"})
TYPE = PacketExpression()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"phones"', "phones"),
        ("(request get chaddr)", "00:d0:ba:d3:bd:3b"),
        ("(request get client-id)", "01:02"),
        ("(request get circuit-id)", "port7"),
        ("(request get remote-id)", "abc"),
        ("(request get circuit-id-hex)", "70:6f:72:74:37"),
        ("(request get remote-id-hex)", "61:62:63"),
        ("(request get user-class)", "lab"),
        ('(request option "vendor-class-identifier")', "MSFT 5.0"),
        ("(request option 12)", "PC-1"),
        ("(request hex 77)", "03:6c:61:62"),
        ("(request option 61)", ""),
        ('(concat "x-" (substring (request get circuit-id) 0 4) "")', "x-port"),
        ("(lower (request option host-name))", "pc-1"),
        ('(if (starts-with (request get chaddr) "00:D0:BA") "VoIP" "PC")', "VoIP"),
        ('(if (equal (request option 12) "pc-1") "a" "b")', "b"),
        ('(if (equali (request option 12) "pc-1") "a" "b")', "a"),
        ('(if (and (contains (request option 60) "msft") (not (ends-with (request option 60) "6.0"))) "w")', "w"),
        ('(if (or (equal "a" "b") (equal "a" "c")) "w")', ""),
    ],
)
def test_values(text: str, value: str) -> None:
    assert TYPE.use(TYPE.parse(text))(PACKET) == value


@pytest.mark.parametrize(("address", "made_up"), [("02", True), ("00", False), ("da", True), ("d8", False)])
def test_hardware_addresses_that_clients_make_up_are_told_by_one_bit(address: str, made_up: bool) -> None:
    expression = '(if (contains "26ae" (substring (request get chaddr) 1 1)) "made-up")'
    packet = Packet(b"", bytes.fromhex("01" + address + "d0bad3bd3b"), {})
    assert TYPE.use(expression)(packet) == ("made-up" if made_up else "")


@pytest.mark.parametrize(
    "text",
    ["", "x", "()", "(if)", '(if "a" "b")', '(request get "x")', "(request get xid)", "(request option nothing)",
     "(request)", "(frob)", '(substring "a" b c)', '(substring "a" 1)', '(equal "a" "b")', '(if (equal "a") "b")',
     '(lower "a" "b")', '(if (not) "a")', '(concat "a"', "(request option 60", "12"],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        TYPE.use(TYPE.parse(text))


_WORDS = st.sampled_from(
    ["(", ")", "if", "request", "get", "option", "hex", "chaddr", "circuit-id", '"a"', "60", "concat", "not", "equal"]
)


_OPTIONS = st.dictionaries(st.sampled_from([60, 77, 82]), st.binary())


@given(st.lists(_WORDS, max_size=30), st.binary(max_size=40), _OPTIONS)
def test_whatever_is_written_is_refused_or_gives_a_text(
    words: list[str], octets: bytes, options: dict[int, bytes]
) -> None:
    for text in (" ".join(words), '(concat (request get circuit-id) (request get user-class) (request hex 60) "x")'):
        with contextlib.suppress(ValueError):
            assert isinstance(TYPE.use(TYPE.parse(text))(Packet(octets, octets, options)), str)


@pytest.fixture
def document() -> d.Document:
    made: d.Document = {}
    d.enable(made, "dhcp", "", "client-class", True)
    d.create_object(made, "client-class", "phones", (), {"selection-criteria": "voip"})
    d.create_object(made, "client-class", "pcs", (), {"domain-name": "lab.example"})
    by_vendor = '(if (contains (request option 60) "phone") "phones" "no")'
    d.set_attribute(made, "dhcp", "", "client-class-lookup-id", by_vendor)
    return made


def _clients(document: d.Document) -> Clients:
    config, problems = compile_config(document, 1)
    assert config is not None and config.clients is not None, problems
    return config.clients


def test_it_gives_a_class_to_who_has_none(document: d.Document) -> None:
    phone = {60: b"a phone"}
    clients = _clients(document)
    assert clients.find(b"", HARDWARE, phone, 0) is clients.classes["phones"]
    assert clients.find(b"", HARDWARE, {60: b"pc"}, 0) is None, "no such class"
    d.create_object(document, "client", MAC, (), {"client-class-name": "pcs"})
    clients = _clients(document)
    found = clients.find(b"", HARDWARE, phone, 0)
    assert found is not None and found.client_class == "pcs", "the entry's own class counts first"
    d.enable(document, "dhcp", "", "skip-client-lookup", True)
    clients = _clients(document)
    assert clients.find(b"", HARDWARE, phone, 0) is clients.classes["phones"]


@pytest.mark.parametrize("by_user_class", [False, True])
def test_what_the_entry_sets_itself_comes_before_the_class(document: d.Document, by_user_class: bool) -> None:
    d.create_object(document, "client", MAC, (), {"host-name": "own", "domain-name": "own.example"})
    d.create_object(document, "client", "1,6,00:d0:ba:d3:bd:3c", (), {"action": "exclude"})
    if by_user_class:
        d.unset_attribute(document, "dhcp", "", "client-class-lookup-id")
        d.set_attribute(document, "dhcp", "", "map-user-class-id", "map-as-class")
    said = {60: b"phone", 77: b"phones"}
    clients = _clients(document)
    found = clients.find(b"", HARDWARE, said, 0)
    assert found is not None
    assert (found.client_class, found.host_name, found.criteria) == ("phones", "own", {"voip"})
    assert clients.find(b"", HARDWARE, said, 0) is found, "it is made once"
    assert found.number not in {profile.number for profile in clients.classes.values()}
    refused = clients.find(b"", HARDWARE[:-1] + b"\x3c", said, 0)
    assert refused is not None and refused.refused, "who is excluded stays so"


def test_how_long_a_partners_unavailable_address_stays_so() -> None:
    document: d.Document = {}
    d.create_object(document, "scope", "s", ("10.0.0.0", "255.255.255.0"))
    d.set_attribute(document, "dhcp", "", "upgrade-unavailable-timeout", "2h")

    def seconds() -> int:
        config, _ = compile_config(document, 1)
        assert config is not None
        return config.scopes[0].partner_unavailable_s

    assert seconds() == 7200
    d.set_attribute(document, "policy", "system_default_policy", "unavailable-timeout", "1h")
    assert seconds() == 0, "the policy's"
