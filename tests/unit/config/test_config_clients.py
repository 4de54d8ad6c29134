"""Clients, client-classes, embedded policies: how they are edited, and what they come to for a client."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.base.errors import CommandError
from tandem.base.ipv4 import parse_hardware, parse_ipv4
from tandem.base.units import FOREVER
from tandem.config import document as d
from tandem.config import policies as p
from tandem.config import scopes as s
from tandem.config.compile import compile_config
from tandem.config.compiled import EffectivePolicy, ServerConfig
from tandem.config.profiles import user_class

MAC, OTHER = "1,6,00:d0:ba:d3:bd:3b", "1,6,00:d0:ba:d3:bd:3c"
Document = dict[str, Any]


def base() -> Document:
    document: Document = {}
    d.create_object(document, "scope", "lan", ["192.168.50.0", "255.255.255.0"])
    s.add_range(document, "lan", "192.168.50.10", "192.168.50.20")
    d.enable(document, "dhcp", "", "client-class", True)
    for name in ("gold", "reserved"):
        d.create_object(document, "policy", name)
    d.create_object(document, "client-class", "voip", (), {"policy-name": "gold", "selection-criteria": "red,blue"})
    d.create_object(document, "client", MAC, (), {"client-class-name": "voip"})
    d.create_object(document, "reservation", "192.168.50.9", [MAC], {"policy": "reserved"})
    return document


def compiled(document: Document) -> ServerConfig:
    config, problems = compile_config(document, parse_ipv4("192.168.50.2"))
    assert config is not None, problems
    return config


def policy(document: Document, mac: str = MAC, address: str = "192.168.50.10") -> EffectivePolicy:
    config = compiled(document)
    return config.policy_of(config.scopes[0], parse_ipv4(address), b"", parse_hardware(mac))


CHAIN = [
    ("policy", "system_default_policy"), ("policy", "default"), ("scope-policy", "lan"), ("policy", "gold"),
    ("client-class-policy", "voip"), ("client-policy", MAC), ("policy", "reserved"),
    ("reservation-policy", "192.168.50.9"),
]  # fmt: skip
"""Every link of a chain, the most general first."""


def test_the_most_specific_policy_wins_link_by_link() -> None:
    document = base()
    for number, (cls, name) in enumerate(CHAIN, 1):
        p.set_option(document, name, "routers", f"10.0.0.{number}", cls)
        d.set_attribute(document, cls, name, "grace-period", str(number))
        found = policy(document, address="192.168.50.9")
        assert found.options[3] == parse_ipv4(f"10.0.0.{number}").to_bytes(4, "big"), cls
        assert found.grace_s == number
    assert policy(document).grace_s == 6  # not at a reserved address
    assert policy(document, OTHER).grace_s == 3  # not of the class
    for number, (cls, name) in reversed(list(enumerate(CHAIN, 1))):
        p.unset_option(document, name, "routers", cls)
        d.unset_attribute(document, cls, name, "grace-period")
        found = policy(document, address="192.168.50.9")
        assert found.grace_s == (number - 1 or 300)
    assert "embedded-policy" not in repr(document)  # nothing is left of what was unset


def test_each_option_is_found_on_its_own_level() -> None:
    document = base()
    p.set_option(document, "voip", "domain-name", "voip.example", "client-class-policy")
    p.set_option(document, "lan", "routers", "10.0.0.1", "scope-policy")
    p.set_lease_time(document, MAC, "2h", "client-policy")
    found = policy(document)
    assert (found.lease_s, found.options[15], found.options[3]) == (7200, b"voip.example", b"\x0a\0\0\x01")
    assert policy(document, OTHER).lease_s == 604800


def test_names_of_a_client_are_options_before_any_policy() -> None:
    document = base()
    p.set_option(document, MAC, "domain-name", "policy.example", "client-policy")
    d.set_attribute(document, "client-class", "voip", "host-name", "phone")
    d.set_attribute(document, "client-class", "voip", "domain-name", "class.example")
    assert policy(document).options[15] == b"policy.example"
    d.set_attribute(document, "client", MAC, "domain-name", "client.example.")
    assert (policy(document).options[12], policy(document).options[15]) == (b"phone", b"client.example")


def test_the_longest_lease_of_any_client_is_known() -> None:
    document = base()
    assert compiled(document).longest_own_lease_s == 0
    p.set_lease_time(document, "voip", "30d", "client-class-policy")
    assert compiled(document).longest_own_lease_s == 30 * 86400
    d.enable(document, "reservation-policy", "192.168.50.9", "permanent-leases", True)
    assert compiled(document).longest_own_lease_s == FOREVER


def test_clients_that_only_name_a_class_share_its_profile() -> None:
    document = base()
    d.create_object(document, "client", OTHER, (), {"client-class-name": "voip"})
    clients = compiled(document).clients
    assert clients is not None
    one, two = (clients.entry(b"", parse_hardware(mac)) for mac in (MAC, OTHER))
    assert one is two is clients.classes["voip"]
    d.set_attribute(document, "client", OTHER, "selection-criteria", "green")
    clients = compiled(document).clients
    assert clients is not None
    own = clients.entry(b"", parse_hardware(OTHER))
    assert own is not None and own.criteria == {"green"} and own.number == clients.classes["voip"].number


def test_lookup_by_identifier_then_hardware_then_default() -> None:
    document = base()
    d.create_object(document, "client", "id:01:02", (), {"host-name": "by-id"})
    d.create_object(document, "client", "default", (), {"action": "exclude"})
    clients = compiled(document).clients
    assert clients is not None
    found = clients.find(b"\x01\x02", parse_hardware(MAC), {}, 0)
    assert found is not None and found.host_name == "by-id"
    found = clients.find(b"\x09", parse_hardware(MAC), {}, 0)
    assert found is not None and found.client_class == "voip"
    found = clients.find(b"\x09", parse_hardware(OTHER), {}, 0)
    assert found is not None and found.refused
    d.enable(document, "dhcp", "", "skip-client-lookup", True)
    clients = compiled(document).clients
    assert clients is not None and clients.find(b"", parse_hardware(MAC), {}, 0) is None
    d.unset_attribute(document, "dhcp", "", "client-class")
    assert compiled(document).clients is None


def test_an_entry_counts_until_its_date() -> None:
    document = base()
    d.create_object(document, "client-class", "guest")
    d.set_attribute(document, "client", MAC, "authenticate-until", "1000")
    clients = compiled(document).clients
    assert clients is not None
    found = clients.find(b"", parse_hardware(MAC), {}, 999)
    assert found is not None and found.client_class == "voip"
    assert clients.find(b"", parse_hardware(MAC), {}, 1000) is None
    d.set_attribute(document, "client", MAC, "unauthenticated-client-class-name", "guest")
    clients = compiled(document).clients
    assert clients is not None
    found = clients.find(b"", parse_hardware(MAC), {}, 1000)
    assert found is not None and found.client_class == "guest"


def test_what_a_user_class_counts_as() -> None:
    document = base()
    options = {77: b"\x04blue"}
    for setting, mac, expected in (
        ("none", OTHER, None), ("map-as-tag", OTHER, {"blue"}), ("append-to-tag", OTHER, {"blue"}),
        ("map-as-tag", MAC, {"red", "blue"}), ("map-as-class", OTHER, None),
    ):  # fmt: skip
        d.set_attribute(document, "dhcp", "", "map-user-class-id", setting)
        clients = compiled(document).clients
        assert clients is not None
        found = clients.find(b"", parse_hardware(mac), options, 0)
        assert (found and found.criteria) == expected, setting
    clients = compiled(document).clients
    assert clients is not None
    found = clients.find(b"", parse_hardware(OTHER), {77: b"voip"}, 0)
    assert found is clients.classes["voip"]
    for i in range(3000):  # clients choose the words: what is kept of them has a limit
        clients.user_class = "append-to-tag"
        clients.find(b"", parse_hardware(OTHER), {77: b"%d" % i}, 0)
    assert len(clients._variants) <= 1000


@pytest.mark.parametrize(
    ("value", "text"), [(b"\x03abc\x02de", "abc"), (b"plain", "plain"), (b"", ""), (b"\x00", ""), (b"\xff", "\ufffd")]
)
def test_user_classes_of_both_forms(value: bytes, text: str) -> None:
    assert user_class(value) == text


@pytest.mark.parametrize(
    ("act", "status", "said"),
    [
        (lambda x: d.create_object(x, "client", "anna"), 316, "cannot name a client: write a client"),
        (lambda x: d.create_object(x, "client", MAC.replace("1,6,", "")), 320, f"client {MAC[4:]} exists"),
        (lambda x: d.set_attribute(x, "client", MAC, "client-class-name", "x"), 316, "there is no client-class 'x'"),
        (lambda x: d.delete_object(x, "client-class", "voip"), 320, f"is used by client {MAC} (client-class-name)"),
        (lambda x: d.delete_object(x, "policy", "gold"), 320, "is used by client-class voip (policy-name)"),
        (lambda x: d.delete_object(x, "policy", "reserved"), 320, "is used by reservation 192.168.50.9 (policy)"),
        (lambda x: d.create_object(x, "reservation", "10.0.0.1", [OTHER]), 302, "10.0.0.1 is in no scope's subnet"),
        (lambda x: d.create_object(x, "reservation", "192.168.50.8", [MAC]), 320, "is reserved for"),
        (lambda x: d.create_object(x, "reservation", "192.168.50.0", [OTHER]), 316, "is the network address"),
        (lambda x: d.create_object(x, "reservation", "192.168.50.8", []), 310, "needs key"),
        (lambda x: d.set_attribute(x, "reservation", "192.168.50.9", "key", OTHER), 385, "Read-only"),
        (lambda x: d.set_attribute(x, "scope-policy", "wan", "grace-period", "1"), 302, "scope 'wan' does not exist"),
        (lambda x: d.create_object(x, "scope-policy", "lan"), 306, "always exists"),
        (lambda x: d.set_attribute(x, "scope", "lan", "selection-tag-list", "a b"), 316, "tags of at most 64"),
        (lambda x: d.set_attribute(x, "client", MAC, "host-name", "a..b"), 316, "is not a DNS name"),
    ],
)
def test_refusals(act: Any, status: int, said: str) -> None:
    document = base()
    with pytest.raises(CommandError) as refusal:
        act(document)
    assert refusal.value.status == status and said in refusal.value.text
    assert document == base()


def test_what_does_not_exist_keeps_a_document_from_loading() -> None:
    document = base()
    document["client"][MAC]["client-class-name"] = "x"
    document["client-class"]["voip"]["policy-name"] = "y"
    _, problems = compile_config(document, parse_ipv4("192.168.50.2"))
    assert [problem.text for problem in problems if problem.fatal] == [
        "client-class voip: policy-name = y: there is no such policy; create it, or write another's name",
        f"client {MAC}: client-class-name = x: there is no such client-class; create it, or write another's name",
    ]


def test_deleting_a_reservation_and_an_embedded_policy() -> None:
    document = base()
    d.set_attribute(document, "reservation-policy", "192.168.50.9", "grace-period", "1")
    assert d.list_names(document, "reservation") == d.list_names(document, "reservation-policy") == ["192.168.50.9"]
    d.delete_object(document, "reservation-policy", "192.168.50.9")
    assert d.list_names(document, "reservation-policy") == []
    assert d.read_object(document, "reservation", "192.168.50.9")["policy"] == "reserved"
    d.delete_object(document, "reservation", "192.168.50.9")
    assert "reservations" not in document["scope"]["lan"]


def test_names_by_identifier_are_refused_when_only_hardware_addresses_count() -> None:
    document = base()
    d.create_object(document, "client", "id:01:02")
    d.enable(document, "dhcp", "", "validate-client-name-as-mac", True)
    with pytest.raises(CommandError, match="write a hardware address"):
        d.create_object(document, "client", "id:01:03")
    _, problems = compile_config(document, parse_ipv4("192.168.50.2"))
    assert [problem.level for problem in problems] == ["warning"]


@pytest.mark.slow
def test_a_hundred_thousand_clients_load_quickly() -> None:
    import time

    document = base()
    for i in range(100_000):
        document["client"]["1,6,02:00:" + (i).to_bytes(4, "big").hex(":")] = {"client-class-name": "voip"}
    start = time.process_time()
    assert len(compiled(document).clients.by_key) == 100_001  # type: ignore[union-attr]
    assert time.process_time() - start < 3
