"""The table of DHCPv4 options, and their values as operators write them, against bytes written by hand."""

from __future__ import annotations

import pytest

from tandem.wire.option_types import KINDS
from tandem.wire.options import OptionDef, all_options, decode_value, encode_value, find_option


def name(text: str) -> bytes:
    """A domain name in hand-written labels."""
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


EXAMPLES = [
    # option, what an operator writes, bytes by hand, how it is shown
    ("subnet-mask", "255.255.255.0", bytes([255, 255, 255, 0]), None),  # RFC 2132 section 3.3
    ("time-offset", "-18000", bytes([0xFF, 0xFF, 0xB9, 0xB0]), None),  # RFC 2132 section 3.4: two's complement
    ("time-offset", "-5h", bytes([0xFF, 0xFF, 0xB9, 0xB0]), "-18000"),
    ("time-offset", "+1h", bytes([0, 0, 0x0E, 0x10]), "3600"),
    ("routers", "192.168.50.1", bytes([192, 168, 50, 1]), None),
    ("domain-name-servers", "10.0.0.1,10.0.0.2", bytes([10, 0, 0, 1, 10, 0, 0, 2]), None),
    ("domain-name-servers", " 10.0.0.1  10.0.0.2, ", bytes([10, 0, 0, 1, 10, 0, 0, 2]), "10.0.0.1,10.0.0.2"),
    ("host-name", "printer one", b"printer one", None),
    ("root-path", "Müller", b"M\xc3\xbcller", None),
    ("boot-size", "0x10", b"\x00\x10", "16"),
    ("ip-forwarding", "true", b"\x01", None),
    ("all-subnets-local", "False", b"\x00", "false"),
    ("policy-filters", "10.0.0.0 255.0.0.0", bytes([10, 0, 0, 0, 255, 0, 0, 0]), None),
    ("static-routes", "10.1.0.1,10.0.0.1,10.1.0.2,10.0.0.1",
     bytes([10, 1, 0, 1, 10, 0, 0, 1, 10, 1, 0, 2, 10, 0, 0, 1]), "10.1.0.1 10.0.0.1,10.1.0.2 10.0.0.1"),
    ("default-ip-ttl", "64", b"\x40", None),
    ("path-mtu-plateau-tables", "68,1500", bytes([0, 68, 5, 220]), None),
    ("interface-mtu", "576", bytes([2, 64]), None),
    ("arp-cache-timeout", "60", bytes([0, 0, 0, 60]), "1m"),
    ("netbios-node-type", "8", b"\x08", None),
    ("vendor-encapsulated-options", "01:04:0a:00:00:01", bytes([1, 4, 10, 0, 0, 1]), None),
    ("vendor-encapsulated-options", "0x0104FF", bytes([1, 4, 255]), "01:04:ff"),
    ("dhcp-lease-time", "3d", (259200).to_bytes(4, "big"), None),
    ("dhcp-lease-time", "604800", (604800).to_bytes(4, "big"), "1w"),
    ("dhcp-lease-time", "forever", b"\xff\xff\xff\xff", None),  # RFC 2131 section 3.3
    ("dhcp-parameter-request-list", "1,3,6", bytes([1, 3, 6]), None),
    ("dhcp-client-identifier", "01:00:d0:ba:d3:bd:3b", bytes.fromhex("0100d0bad3bd3b"), None),
    ("dhcp-user-class-id", "mobile,guest", b"\x06mobile\x05guest", None),  # RFC 3004 section 4
    ("slp-directory-agent", "1 10.0.0.1,10.0.0.2", bytes([1, 10, 0, 0, 1, 10, 0, 0, 2]), None),  # RFC 2610 section 3
    ("slp-service-scope", "0 office,lab", b"\x00office,lab", None),  # RFC 2610 section 4
    ("rapid-commit", "", b"", "true"),  # RFC 4039 section 4: length 0
    ("client-fqdn", "1 0 0 host", b"\x01\x00\x00host", None),  # RFC 4702 section 2
    ("client-fqdn", "5 255 255 host.example.com", b"\x05\xff\xff" + name("host.example.com"), None),
    ("relay-agent-info", "1=00:04,2=ff", bytes([1, 2, 0, 4, 2, 1, 255]), None),  # RFC 3046 section 2.0
    ("bcmcs-servers-d", "a.example,b.example", name("a.example") + name("b.example"), None),  # RFC 4280 section 4.2
    ("pxe-client-arch", "0,7", bytes([0, 0, 0, 7]), None),  # RFC 4578 section 2.1
    ("pcode", "EST5EDT4,M3.2.0/02:00", b"EST5EDT4,M3.2.0/02:00", None),  # RFC 4833 section 2
    ("ipv6-only-preferred", "30m", bytes([0, 0, 7, 8]), None),  # RFC 8925 section 3.1
    ("dhcp4o6-s46-saddr", "2001:db8::1", bytes.fromhex("20010db8000000000000000000000001"), None),
    ("auto-configure", "0", b"\x00", None),  # RFC 2563 section 2
    ("name-service-search", "6,41", bytes([0, 6, 0, 41]), None),  # RFC 2937
    # RFC 3397 section 2 has this very example
    ("domain-search", "eng.apple.com marketing.apple.com",
     b"\x03eng\x05apple\x03com\x00\x09marketing\xc0\x04", "eng.apple.com,marketing.apple.com"),
    ("domain-search", "example.com,example.com", name("example.com") + b"\xc0\x00", None),
    ("sip-servers", "10.0.0.1,10.0.0.2", bytes([1, 10, 0, 0, 1, 10, 0, 0, 2]), None),  # RFC 3361 section 3.2
    ("sip-servers", "sip.example.com,b.example", b"\x00" + name("sip.example.com") + name("b.example"), None),
    # RFC 3442: the table of "Classless Route Option Format", destination descriptors by width
    ("classless-static-route", "0.0.0.0/0 10.0.0.1", bytes([0, 10, 0, 0, 1]), None),
    ("classless-static-route", "10.0.0.0/8 10.0.0.1", bytes([8, 10, 10, 0, 0, 1]), None),
    ("classless-static-route", "10.17.0.0/16 10.0.0.1", bytes([16, 10, 17, 10, 0, 0, 1]), None),
    ("classless-static-route", "10.27.129.0/24 10.0.0.1", bytes([24, 10, 27, 129, 10, 0, 0, 1]), None),
    ("classless-static-route", "10.229.0.128/25 10.0.0.1", bytes([25, 10, 229, 0, 128, 10, 0, 0, 1]), None),
    ("classless-static-route", "10.198.122.47/32 10.0.0.1", bytes([32, 10, 198, 122, 47, 10, 0, 0, 1]), None),
    ("classless-static-route", "10.0.0.0/8 - 10.0.0.1, 0.0.0.0/0 10.0.0.2",
     bytes([8, 10, 10, 0, 0, 1, 0, 10, 0, 0, 2]), "10.0.0.0/8 10.0.0.1,0.0.0.0/0 10.0.0.2"),
    ("v-i-vendor-class", "9=41:42", bytes([0, 0, 0, 9, 2, 65, 66]), None),  # RFC 3925 section 3
    ("v-i-vendor-info", "3561=01:02:41:42,4491=02:01:00",
     bytes([0, 0, 13, 233, 4, 1, 2, 65, 66, 0, 0, 17, 139, 3, 2, 1, 0]), None),
    ("lost-server", "lost.example.com", name("lost.example.com"), None),  # RFC 5223 section 3
    ("sztp-redirect", "https://a.example,https://b.example",
     b"\x00\x11https://a.example\x00\x11https://b.example", None),  # RFC 8572 section 8.1
    ("rdnss-selection", "1 10.0.0.1 0.0.0.0 example.com",
     bytes([1, 10, 0, 0, 1, 0, 0, 0, 0]) + name("example.com"), None),  # RFC 6731 section 4.3
    ("tftp-server-address", "10.0.0.1", bytes([10, 0, 0, 1]), None),  # RFC 5859 section 2
    ("pcp-server", "10.0.0.1,10.0.0.2;10.0.1.1", bytes([8, 10, 0, 0, 1, 10, 0, 0, 2, 4, 10, 0, 1, 1]), None),
    ("port-params", "0 4 61440", bytes([0, 4, 240, 0]), None),  # RFC 7618 section 9
    ("6rd", "0 32 2001:db8:: 192.0.2.1",
     bytes([0, 32]) + bytes.fromhex("20010db8000000000000000000000000") + bytes([192, 0, 2, 1]), None),
    ("option-200", "de:ad", b"\xde\xad", None),
]  # fmt: skip


@pytest.mark.parametrize(("option", "text", "data", "shown"), EXAMPLES)
def test_values_are_as_by_hand(option, text, data, shown):
    assert encode_value(option, text) == data
    assert decode_value(option, data) == (text if shown is None else shown)
    if decode_value(option, data) != "true" or data:
        assert encode_value(option, decode_value(option, data)) == data


def test_every_kind_has_an_example():
    """So that no codec of a kind is left without bytes written by hand."""
    own = {kind for kind in KINDS if not kind.endswith("-list")}
    assert {find_option(option).kind for option, *_ in EXAMPLES} == own - {"ip", "u32"}
    assert encode_value("swap-server", "10.0.0.1") == bytes([10, 0, 0, 1])
    assert encode_value("bulk-lq-base-time", "4294967295") == b"\xff\xff\xff\xff"


@pytest.mark.parametrize(
    ("option", "text", "why"),
    [
        ("routers", "", "nothing is given; write one or more IPv4 addresses"),
        ("routers", "10.0.0", "'10.0.0' is not an IPv4 address"),
        ("routers", "10.0.0.256", "each number is 0 to 255"),
        ("swap-server", "10.0.0.1 10.0.0.2", "is not an IPv4 address"),
        ("subnet-mask", "255.0.255.0", "one bits must lead"),
        ("ip-forwarding", "maybe", "write true or false"),
        ("default-ip-ttl", "0", "0 is not allowed; write a whole number from 0 to 255, at least 1"),
        ("default-ip-ttl", "256", "not within 0 to 255"),
        ("default-ip-ttl", "ten", "not a whole number"),
        ("path-mtu-plateau-tables", "1500,67", "67 is not allowed"),
        ("interface-mtu", "67", "at least 68"),
        ("netbios-node-type", "3", "3 is not allowed; write one of 1, 2, 4, 8"),
        ("static-routes", "10.0.0.1", "1 addresses are not pairs"),
        ("host-name", "", "nothing is given"),
        ("host-name", "a\nb", "cannot be shown"),
        ("dhcp-lease-time", "soon", "is not a time"),
        ("dhcp-lease-time", "4294967296", "over 4294967295 seconds"),
        ("time-offset", "100y", "not within 68 years"),
        ("vendor-encapsulated-options", "1:2", "two digits for each byte"),
        ("vendor-encapsulated-options", "xy", "two digits for each byte"),
        ("vendor-encapsulated-options", "", "nothing is given"),
        ("rapid-commit", "5", "has no value"),
        ("domain-search", "a..b", "not a domain name"),
        ("domain-search", "a" * 64 + ".b", "not a domain name"),
        ("domain-search", "-a.b", "not a domain name"),
        ("domain-search", ".".join(["a" * 63] * 4), "too long"),
        ("sip-servers", "10.0.0.1,10.0.0", "not an IPv4 address"),
        ("classless-static-route", "10.0.0.0/8", "without router"),
        ("classless-static-route", "10.0.0.1/8 10.0.0.1", "is not a network"),
        ("classless-static-route", "10.0.0.0/33 10.0.0.1", "is not a network"),
        ("classless-static-route", "10.0.0.0 10.0.0.1", "is not a whole number"),
        ("dhcp-user-class-id", "x" * 256, "over 255 bytes"),
        ("v-i-vendor-info", "9", "number=hexadecimal"),
        ("relay-agent-info", "256=01", "not within 0 to 255"),
        ("client-fqdn", "1 0", "lacks flags"),
        ("dhcp4o6-s46-saddr", "fe80::1%eth0", "zone"),
        ("dhcp4o6-s46-saddr", "10.0.0.1", "10.0.0.1"),
        ("port-params", "1 2", "2 values are given, not 3"),
        ("pcp-server", "10.0.0.1;", "nothing is given"),
        ("pcp-server", ",".join(["10.0.0.1"] * 64), "over 63"),
        ("option-200", "zz", "option-200"),
    ],
)
def test_what_an_operator_may_not_write(option, text, why):
    with pytest.raises(ValueError) as caught:
        encode_value(option, text)
    message = str(caught.value)
    assert why in message
    assert message.startswith(f"option {find_option(option).name} ({find_option(option).code}) cannot be {text!r}: ")
    assert "; write " in message


@pytest.mark.parametrize(
    ("option", "data", "shown"),
    [
        ("routers", b"", ""),
        ("routers", bytes(5), "00:00:00:00:00"),
        ("swap-server", bytes(8), "00:00:00:00:00:00:00:00"),
        ("ip-forwarding", b"\x02", "02"),
        ("default-ip-ttl", b"\x00\x01", "00:01"),
        ("host-name", b"a\x00\x00", "a"),  # RFC 2132 section 2: trailing NULs are to be deleted
        ("host-name", b"a\xffb", "61:ff:62"),
        ("host-name", b"a\x1b[0m", "61:1b:5b:30:6d"),  # nothing that steers a terminal
        ("domain-search", b"\x03abc", "03:61:62:63"),
        ("domain-search", b"\xc0\x00", "c0:00"),  # a pointer to itself
        ("domain-search", b"\x01a\xc0\x00", "01:61:c0:00"),  # into its own name: a loop
        ("domain-search", b"\x01a\xc0", "01:61:c0"),
        ("domain-search", b"\x01a\x00\xc0\x00\xc0\x03", "01:61:00:c0:00:c0:03"),  # to another pointer
        ("domain-search", b"\x40" + bytes(2), "40:00:00"),  # a label of 64
        ("lost-server", b"\x01a\x00\x01b\x00", "01:61:00:01:62:00"),
        ("classless-static-route", bytes([33, 1, 2, 3, 4, 5, 6, 7, 8, 9]), "21:01:02:03:04:05:06:07:08:09"),
        ("classless-static-route", bytes([8, 10, 1, 2, 3]), "08:0a:01:02:03"),
        ("classless-static-route", bytes([4, 255, 10, 0, 0, 1]), "240.0.0.0/4 10.0.0.1"),  # RFC 3442: surplus bits
        ("sip-servers", b"\x02\x00", "02:00"),
        ("sip-servers", b"", ""),
        ("v-i-vendor-info", bytes([0, 0, 0, 9, 5, 1]), "00:00:00:09:05:01"),
        ("v-i-vendor-info", bytes([0, 0, 0, 9]), "00:00:00:09"),
        ("relay-agent-info", bytes([1]), "01"),
        ("dhcp-user-class-id", b"staff", "staff"),  # as dhclient sends it
        ("dhcp-user-class-id", b"my class", "6d:79:20:63:6c:61:73:73"),
        ("pcp-server", bytes([4, 10, 0, 0, 1, 0]), "04:0a:00:00:01:00"),
        ("port-params", bytes([1, 2]), "01:02"),
        ("client-fqdn", b"\x01\x00", "01:00"),
        ("client-fqdn", b"\x05\x00\x00\x04host", "05:00:00:04:68:6f:73:74"),  # partial: no root label
    ],
)
def test_bytes_of_another_kind_are_shown_in_hexadecimal(option, data, shown):
    assert decode_value(option, data) == shown


def test_a_search_list_of_many_names_stays_within_pointer_range():
    """RFC 1035 section 4.1.4: a pointer has 14 bits; later names are spelt out."""
    names = [f"{'n' * 60}{i:03}.{'d' * 60}{i % 7}.example" for i in range(300)]
    data = encode_value("domain-search", ",".join(names))
    assert len(data) > 0x4000
    assert decode_value("domain-search", data) == ",".join(names)


def test_the_table_has_every_assigned_option():
    """The IANA registry's assigned codes up to 213 and 220, 221; 84, 96 and others there are removed or unassigned."""
    assigned = (
        {*range(1, 84), *range(85, 96), 97, 98, 99, 100, 101, 108, 109, 112, 113, 114, *range(116, 126)}
        | {*range(136, 149), *range(150, 163), *range(208, 214), 220, 221}
    )  # fmt: skip
    codes = [option.code for option in all_options()]
    assert set(codes) - assigned == {249, 252}
    assert assigned <= set(codes)
    assert codes == sorted(codes)
    assert all(option.kind in KINDS and option.source for option in all_options())


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("routers", 3),
        ("Routers", 3),
        ("3", 3),
        (3, 3),
        ("option-3", 3),
        (" domain_name_servers ", 6),
        ("ieee802.3-encapsulation", 36),
        ("bootfile-name", 67),
        ("iSNS", 83),
        ("classless-static-route", 121),
        (224, 224),
        ("option-254", 254),
    ],
)
def test_options_are_found_by_name_alias_and_number(word, code):
    assert find_option(word).code == code


def test_an_unassigned_number_is_an_option_of_bytes():
    assert find_option(200) == OptionDef(200, "option-200", "bytes", "unassigned")
    assert find_option(find_option(200).name) == find_option(200)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("router-s", "did you mean routers"),
        ("domain-name-server-s", "domain-name-servers"),
        ("qqqqqqqqq", "give a standard option's name, or a number 1 to 254"),
        (0, "allowed are 1 to 254"),
        ("255", "allowed are 1 to 254"),
        ("1000", "number 1 to 254"),
        ("", "number 1 to 254"),
        ("²", "number 1 to 254"),
    ],
)
def test_what_is_no_option_is_refused_with_a_hint(word, hint):
    with pytest.raises(ValueError, match=hint):
        find_option(word)
