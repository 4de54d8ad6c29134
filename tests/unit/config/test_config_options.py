"""Options beyond the standard ones: custom options, options of vendors, and what clients are sent of them."""

from __future__ import annotations

from typing import Any

import pytest

from play import Client, Play, four, ip
from tandem.base.errors import CommandError
from tandem.config import document as d
from tandem.config import policies as p
from tandem.config import scopes as s
from tandem.config.compile import compile_config
from tandem.config.compiled import ServerConfig
from tandem.wire import dhcp
from tandem.wire.option_types import KINDS, LISTS

Document = dict[str, Any]


def base() -> Document:
    document: Document = {}
    d.create_object(document, "scope", "lan", ["192.168.50.0", "255.255.255.0"])
    s.add_range(document, "lan", "192.168.50.10", "192.168.50.20")
    d.create_object(document, "option", "Phone-Servers", ["224", "ip"], {"repeat": "on"})
    d.create_object(document, "option-set", "phones", (), {"vendor-option-string": "ACME phone*"})
    d.create_object(document, "option-set", "boxes", (), {"vendor-option-enterprise-id": "4711"})
    d.create_object(document, "vendor-option", "ring", ["phones", "1", "string"])
    d.create_object(document, "vendor-option", "vlan", ["phones", "2", "u16"])
    d.create_object(document, "vendor-option", "box-url", ["boxes", "1", "string"])
    return document


def compiled(document: Document) -> ServerConfig:
    config, problems = compile_config(document, ip(2))
    assert config is not None, problems
    return config


def offered(document: Document, **options: bytes) -> dhcp.Message:
    play = Play()
    play.server.configure(compiled(document))
    play.book.configure(play.server.config)
    play >> Client(1).discover(**options)
    reply = next(effect for effect in play.queue if hasattr(effect, "data"))
    return dhcp.decode(reply.data)  # type: ignore[attr-defined]


def test_a_custom_option_is_set_by_name_and_by_number_and_sent() -> None:
    document = base()
    p.set_option(document, "default", "phone-servers", "10.0.0.1, 10.0.0.2")
    assert p.list_options(document, "default") == {"phone-servers": "10.0.0.1,10.0.0.2"}
    assert p.get_option(document, "default", "224") == "10.0.0.1,10.0.0.2"
    assert offered(document, o55=bytes([224])).options[224] == four(0x0A000001) + four(0x0A000002)
    p.unset_option(document, "default", "224")
    assert p.list_options(document, "default") == {}


def test_options_of_a_vendor_go_to_its_clients_only() -> None:
    document = base()
    p.set_vendor_option(document, "default", "ring", "phones", "bell")
    p.set_vendor_option(document, "lan", "2", "phones", "300", "scope-policy")
    p.set_vendor_option(document, "default", "vlan", "phones", "1")
    value = b"\x01\x04bell\x02\x02\x01\x2c"
    assert offered(document, o60=b"ACME phone 7", o55=b"\x2b").options[43] == value
    assert 43 not in offered(document, o60=b"ACME phone 7", o55=b"\x03").options
    assert 43 not in offered(document, o60=b"other", o55=b"\x2b").options
    assert 43 not in offered(document, o55=b"\x2b").options
    p.set_option(document, "default", "vendor-encapsulated-options", "01:01:ff")
    assert offered(document, o60=b"ACME phone 7", o55=b"\x2b").options[43] == b"\x01\x01\xff"


def test_the_longest_vendor_class_that_fits_counts() -> None:
    document = base()
    d.create_object(document, "option-set", "new-phones", (), {"vendor-option-string": "ACME phone 8*"})
    d.create_object(document, "vendor-option", "new-ring", ["new-phones", "1", "u8"])
    p.set_vendor_option(document, "default", "ring", "phones", "bell")
    p.set_vendor_option(document, "default", "new-ring", "new-phones", "5")
    assert offered(document, o60=b"ACME phone 81", o55=b"\x2b").options[43] == b"\x01\x01\x05"
    assert offered(document, o60=b"ACME phone 7", o55=b"\x2b").options[43] == b"\x01\x04bell"


def test_options_of_an_enterprise_go_to_who_asks_or_names_it() -> None:
    document = base()
    p.set_vendor_option(document, "default", "box-url", "boxes", "http://x")
    value = four(4711) + b"\x0a\x01\x08http://x"
    assert offered(document, o55=b"\x7d").options[125] == value
    assert offered(document, o55=b"\x03", o124=four(4711) + b"\x01x").options[125] == value
    assert 125 not in offered(document, o55=b"\x03", o124=four(4712) + b"\x01x").options


def test_every_type_of_fixed_size_has_a_list() -> None:
    for one, many in LISTS.items():
        assert KINDS[one].size and many in KINDS
    document = base()
    d.create_object(document, "option", "numbers", ["230", "u32"], {"repeat": "on"})
    p.set_option(document, "default", "numbers", "1,2")
    assert compiled(document).scopes[0].policy.options[230] == four(1) + four(2)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda x: d.create_object(x, "option", "routers", ["230", "ip"]), "routers .3. is a standard option"),
        (lambda x: d.create_object(x, "option", "x", ["3", "ip"]), "routers .3. is a standard option"),
        (lambda x: d.create_object(x, "option", "a.b", ["230", "ip"]), "cannot name a option"),
        (lambda x: d.create_object(x, "option", "x", ["230", "float"]), "'float' is not one of ip"),
        (lambda x: d.create_object(x, "vendor-option", "x", ["nobody", "1", "ip"]), "there is no option-set 'nobody'"),
        (lambda x: d.delete_object(x, "option-set", "phones"), "is used by vendor-option ring"),
        (lambda x: p.set_option(x, "default", "nonsense", "1"), "or one of phone-servers"),
        (lambda x: p.set_vendor_option(x, "default", "ring", "cars", "1"), "there are: phones, boxes"),
        (lambda x: p.set_vendor_option(x, "default", "horn", "phones", "1"), "it has: ring, vlan"),
        (lambda x: p.set_vendor_option(x, "default", "vlan", "phones", "x"), "option vlan .2. cannot be 'x'"),
        (lambda x: p.unset_vendor_option(x, "default", "vlan", "phones"), "has no option vlan of phones set"),
    ],
)  # fmt: skip
def test_refusals(act: Any, said: str) -> None:
    document = base()
    with pytest.raises(CommandError, match=said):
        act(document)
    assert document == base()


def test_definitions_that_clash_keep_a_configuration_from_loading() -> None:
    document = base()
    d.create_object(document, "option", "again", ["224", "u8"])
    d.create_object(document, "option", "texts", ["231", "string"], {"repeat": "on"})
    p.set_vendor_option(document, "default", "ring", "phones", "bell")
    d.unset_attribute(document, "option-set", "phones", "vendor-option-string")
    _, problems = compile_config(document, ip(2))
    assert [problem.text for problem in problems if problem.fatal] == [
        "option again: id = 224: is that of option phone-servers too; choose another",
        "option texts: option texts: repeat needs a type of fixed size: " + ", ".join(LISTS),
    ]
    del document["option"]["again"], document["option"]["texts"]
    _, problems = compile_config(document, ip(2))
    assert [problem.level for problem in problems] == ["warning"] and "nobody gets it" in problems[0].text
