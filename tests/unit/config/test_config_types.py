"""Types of attribute values: what is accepted, how it is stored, shown and used, and what a refusal says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.base.units import FOREVER
from tandem.config.dates import Clock, format_date, parse_date
from tandem.config.network_types import ClientKey, Fingerprints, IpAddress, MacAddress, Mask, Subnet
from tandem.config.policy_types import OptionNames
from tandem.config.schema import CLASSES, LOG_SETTINGS
from tandem.config.types import (
    Bool,
    Date,
    Enum,
    Factor,
    Flags,
    Int,
    Percent,
    Reference,
    Secret,
    String,
    Time,
    ValueType,
)

CLOCK = Clock(1_000_000_000, UTC)
FLAGS = Flags(("red", "green", "blue"))
ENUM = Enum(("scope-enabled", "scope-disabled", "use-server-settings"))
DIGEST = bytes(range(32))
PRINT = DIGEST.hex(":").upper()
MAC = b"\x01\x00\xd0\xba\xd3\xbd\x3b"

ACCEPTED: list[tuple[ValueType, str, Any, str, Any]] = [
    # type, text, stored, shown, used
    (String(), "boot/x", "boot/x", "boot/x", "boot/x"),
    (String(), "", "", "", ""),
    (Secret(), "hush", "hush", "********", "hush"),
    (Secret(), "", "", "", ""),
    (Reference(cls="policy"), "default", "default", "default", "default"),
    (Fingerprints(), PRINT, [PRINT], PRINT, ((0, DIGEST),)),
    (Fingerprints(), PRINT.replace(":", "").lower(), [PRINT], PRINT, ((0, DIGEST),)),
    (Fingerprints(), f"127.0.0.1/{PRINT} , {PRINT}", [f"127.0.0.1/{PRINT}", PRINT], f"127.0.0.1/{PRINT},{PRINT}",
     ((0x7F000001, DIGEST), (0, DIGEST))),
    (Fingerprints(), "none", [], "none", ()),
    (Int(0, 500), "0x1F", 31, "31", 31),
    (Int(-5, 500), "-5", -5, "-5", -5),
    (Int(0, 500), " 007 ", 7, "7", 7),
    *((Bool(), text, True, "on", True) for text in ("true", "on", "enabled", "1", "TRUE", "On")),
    *((Bool(), text, False, "off", False) for text in ("false", "off", "disabled", "0")),
    (Time(), "3600", 3600, "1h", 3600),
    (Time(), "1w2d3h4m5s", 788645, "1w2d3h4m5s", 788645),
    (Time(), "0", 0, "0s", 0),
    (Time(forever=True), "forever", FOREVER, "forever", FOREVER),
    (Time(forever=True), "4294967295", FOREVER, "forever", FOREVER),
    (Date(), "0", 0, "0", 0),
    (Date(), "forever", FOREVER, "forever", FOREVER),
    (Date(), "-1h", 999_996_400, "Sep 9 00:46:40 2001", 999_996_400),
    (Date(), "+2d", 1_000_172_800, "Sep 11 01:46:40 2001", 1_000_172_800),
    (Date(), "Oct 31 00:00:00 2001", 1_004_486_400, "Oct 31 00:00:00 2001", 1_004_486_400),
    (Date(), "october 31 00:00 01", 1_004_486_400, "Oct 31 00:00:00 2001", 1_004_486_400),
    (Date(), "Oct 31 00 2001", 1_004_486_400, "Oct 31 00:00:00 2001", 1_004_486_400),
    (Date(), "1004486400", 1_004_486_400, "Oct 31 00:00:00 2001", 1_004_486_400),
    (IpAddress(), " 192.168.50.2 ", "192.168.50.2", "192.168.50.2", 0xC0A83202),
    (IpAddress(), "010.0.0.1", "10.0.0.1", "10.0.0.1", 0x0A000001),
    (IpAddress(zero=True), "0", "0.0.0.0", "0.0.0.0", 0),
    (Mask(), "255.255.255.0", "255.255.255.0", "255.255.255.0", 0xFFFFFF00),
    (Mask(), "/8", "255.0.0.0", "255.0.0.0", 0xFF000000),
    (Mask(), "32", "255.255.255.255", "255.255.255.255", 0xFFFFFFFF),
    (Subnet(), "10.1.0.0/16", "10.1.0.0/16", "10.1.0.0/16", (0x0A010000, 0xFFFF0000)),
    (Subnet(), "10.1.0.0/255.255.0.0", "10.1.0.0/16", "10.1.0.0/16", (0x0A010000, 0xFFFF0000)),
    (Percent(), "10", 10, "10%", 10),
    (Percent(), "10%", 10, "10%", 10),
    (Percent(), "100 %", 100, "100%", 100),
    (Factor(), "1.5", 1.5, "1.5", 1.5),
    (Factor(), "150", 1.5, "1.5", 1.5),
    (Factor(), "150%", 1.5, "1.5", 1.5),
    (Factor(), "2", 2.0, "2.0", 2.0),
    (ENUM, "scope-disabled", "scope-disabled", "scope-disabled", "scope-disabled"),
    (ENUM, "Scope-Enabled", "scope-enabled", "scope-enabled", "scope-enabled"),
    (ENUM, "3", "use-server-settings", "use-server-settings", "use-server-settings"),
    (FLAGS, "blue, red,blue", ["blue", "red"], "blue,red", frozenset({"red", "blue"})),
    (FLAGS, "3,1", ["blue", "red"], "blue,red", frozenset({"red", "blue"})),
    (FLAGS, "none", [], "none", frozenset()),
    (FLAGS, "", [], "none", frozenset()),
    (OptionNames(), "routers,6", ["routers", "domain-name-servers"], "routers,domain-name-servers", (3, 6)),
    (OptionNames(), "none", [], "none", ()),
    (MacAddress(), "1,6,00:d0:ba:d3:bd:3b", "1,6,00:d0:ba:d3:bd:3b", "1,6,00:d0:ba:d3:bd:3b", MAC),
    (MacAddress(), "00D0BAD3BD3B", "1,6,00:d0:ba:d3:bd:3b", "1,6,00:d0:ba:d3:bd:3b", MAC),
    (MacAddress(), "00d0.bad3.bd3b", "1,6,00:d0:ba:d3:bd:3b", "1,6,00:d0:ba:d3:bd:3b", MAC),
    (ClientKey(), "00-d0-ba-d3-bd-3b", "1,6,00:d0:ba:d3:bd:3b", "1,6,00:d0:ba:d3:bd:3b", b"h" + MAC),
    (ClientKey(), "ID:01aabb", "id:01:aa:bb", "id:01:aa:bb", b"i\x01\xaa\xbb"),
]


@pytest.mark.parametrize(("kind", "text", "stored", "shown", "used"), ACCEPTED)
def test_accepted(kind: ValueType, text: str, stored: Any, shown: str, used: Any) -> None:
    value = kind.parse(text, CLOCK)
    assert value == stored and type(value) is type(stored)
    assert kind.show(value, CLOCK) == shown
    assert kind.use(value) == used and type(kind.use(value)) is type(used)


BOOL = "on or off (also true, enabled, 1, false, disabled, 0)"
DATE = "a date (write -3d, +2h, forever, Oct 31 00:00:00 2001, seconds since 1970, or 0 for unset)"
TIME = "a time from 1m to 1h (write seconds, or a mix such as 1w2d3h4m5s)"
MASK = "a network mask (write 255.255.255.0 or /24)"
SUBNET = "a subnet (write its network address and mask: 192.168.50.0/24)"
PERCENT = "a percentage from 0 to 100 (write 10 or 10%)"
FACTOR = "a number from 1.0 to 10.0 (write 1.5 or 150%)"
HARDWARE = "a hardware address (write 1,6,00:d0:ba:d3:bd:3b or 00:d0:ba:d3:bd:3b)"
KEY = (
    "a client (write its hardware address, 1,6,00:d0:ba:d3:bd:3b, or id: and its client identifier"
    " of 1 to 255 bytes in hexadecimal, id:01:00:d0:ba:d3:bd:3b)"
)
OPTIONS = "a list, with commas, of DHCP options that a server sends, by name or number (or none)"

REFUSED: list[tuple[ValueType, str, str]] = [
    (String(3), "four", "text of at most 3 bytes without control characters"),
    (String(3), "éé", "text of at most 3 bytes without control characters"),
    (String(), "a\nb", "text of at most 255 bytes without control characters"),
    (Reference(cls="policy"), "", "the name of a policy"),
    *((Fingerprints(), text, Fingerprints().allowed) for text in (
        "AB", PRINT + ":00", "x" * 64, f"host/{PRINT}", f"/{PRINT}", f"{PRINT},,{PRINT}", "127.0.0.1/", "é" * 64,
    )),
    *((Int(1, 9), text, "a whole number from 1 to 9") for text in ("0", "10", "x", "1.0", "")),
    *((Int(1, 9), text, "a whole number from 1 to 9") for text in ("0o7", "1_0", "٣", "9" * 99)),
    *((Bool(), text, BOOL) for text in ("", "maybe", "2", "yes")),
    *((Time(60, 3600), text, TIME) for text in ("", "59", "2h", "-5m", "1x", "m5", "forever", "1h junk")),
    *((Date(), text, DATE) for text in ("", "tomorrow", "-", "-1x", "-50y", "+150y", "99999999999")),
    *((Date(), text, DATE) for text in ("Feb 30 00:00 2001", "Foo 1 00:00 2001", "Oct 31 24:00 2001", "Oct 31 2001")),
    *((Date(), text, DATE) for text in ("Jan 1 00:00 0000", "Jan 1 00:00 9999", "Jan 1 00:00 1969")),
    *((IpAddress(), text, "an IPv4 address, e.g. 192.168.50.10") for text in ("", "0.0.0.0", "0", "1.2.3", "a.b.c.d")),
    *((IpAddress(), text, "an IPv4 address, e.g. 192.168.50.10") for text in ("1.2.3.256", "host.example.com", "::1")),
    *((Mask(), text, MASK) for text in ("", "0.0.0.0", "/0", "/33", "255.0.255.0", "24x", "1" * 50)),
    *((Subnet(), text, SUBNET) for text in ("", "10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/0", "/8", "1/2/3")),
    *((Percent(), text, PERCENT) for text in ("", "101", "-1", "10.5", "%", "٣")),
    *((Factor(), text, FACTOR) for text in ("", "0.99", "10.01", "99", "1001%", "nan", "inf", "1e0", "%")),
    (ENUM, "0", "one of scope-enabled, scope-disabled, use-server-settings"),
    (ENUM, "4", "one of scope-enabled, scope-disabled, use-server-settings"),
    (ENUM, "maybe", "one of scope-enabled, scope-disabled, use-server-settings"),
    (FLAGS, "red,pink", "a list, with commas, of any of red, green, blue (or none)"),
    (FLAGS, "red,,blue", "a list, with commas, of any of red, green, blue (or none)"),
    *((OptionNames(), text, OPTIONS) for text in ("no-such", "routers,dhcp-message-type", "0", "255", "82", "58")),
    *((MacAddress(), text, HARDWARE) for text in ("", "xx", "1,5,00:d0:ba:d3:bd:3b", "1,6", "0,6,00:d0:ba:d3:bd:3b")),
    *((ClientKey(), text, KEY) for text in ("", "id:", "id:0", "id:xx", "id:" + "00" * 256)),
]


@pytest.mark.parametrize(("kind", "text", "allowed"), REFUSED)
def test_refused(kind: ValueType, text: str, allowed: str) -> None:
    with pytest.raises(ValueError) as refusal:
        kind.parse(text, CLOCK)
    shown = repr(text) if len(repr(text)) <= 80 else repr(text)[:77] + "..."
    assert str(refusal.value) == f"{shown} is not {allowed}"


ALL_TYPES = [
    String(), Secret(), Reference(cls="policy"), Int(), Bool(), Time(), Time(forever=True), Date(), IpAddress(),
    IpAddress(zero=True), Mask(), Subnet(), Percent(), Factor(), ENUM, FLAGS, OptionNames(), MacAddress(), ClientKey(),
]  # fmt: skip

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
) | st.dictionaries(st.text(), st.integers(), max_size=2)


@pytest.mark.parametrize("kind", ALL_TYPES, ids=lambda kind: kind.word)
@given(stored=JSON)
def test_any_json_is_used_or_refused(kind: ValueType, stored: Any) -> None:
    try:
        kind.use(stored)
    except ValueError as error:
        assert str(error).endswith(f" is not {kind.allowed}")


@pytest.mark.parametrize("kind", ALL_TYPES, ids=lambda kind: kind.word)
@given(text=st.text() | st.from_regex(r"\A[-+0-9a-f:.,/%smhdwy ]{1,20}\Z"))
def test_any_text_is_parsed_or_refused_and_what_is_shown_parses_alike(kind: ValueType, text: str) -> None:
    try:
        stored = kind.parse(text, CLOCK)
    except ValueError as error:
        assert str(error).endswith(f" is not {kind.allowed}")
        return
    kind.use(stored)
    if not isinstance(kind, Secret) and not (isinstance(kind, String) and text != text.strip()):
        assert kind.parse(kind.show(stored, CLOCK), CLOCK) == stored


@pytest.mark.parametrize(
    ("kind", "stored"),
    [(Int(), True), (Int(), 1.0), (Time(), True), (Date(), False), (Percent(), True), (Factor(), True), (Bool(), 1)],
)
def test_a_stored_truth_value_is_no_number_and_no_number_is_a_truth_value(kind: ValueType, stored: Any) -> None:
    with pytest.raises(ValueError, match="is not"):
        kind.use(stored)


IPS = st.integers(1, 0xFFFFFFFF)
STORED: list[tuple[ValueType, st.SearchStrategy[Any]]] = [
    (Int(-9, 9), st.integers(-9, 9)),
    (Bool(), st.booleans()),
    (Time(), st.integers(0, 2147040000)),
    (Time(forever=True), st.integers(0, 2147040000) | st.just(FOREVER)),
    (Date(), st.integers(0, FOREVER)),
    (IpAddress(), IPS.map(lambda a: ".".join(str(b) for b in a.to_bytes(4, "big")))),
    (Percent(), st.integers(0, 100)),
    (Factor(), st.integers(1000, 10000).map(lambda n: n / 1000)),
    (ENUM, st.sampled_from(ENUM.names)),
    (Flags(LOG_SETTINGS), st.lists(st.sampled_from(LOG_SETTINGS), unique=True)),
    (OptionNames(), st.lists(st.sampled_from(["routers", "host-name", "tftp-server", "option-222"]), unique=True)),
    (MacAddress(), st.binary(min_size=1, max_size=16).map(lambda b: f"1,{len(b)},{b.hex(':')}")),
    (ClientKey(), st.binary(min_size=1, max_size=255).map(lambda b: f"id:{b.hex(':')}")),
]


@pytest.mark.parametrize(("kind", "strategy"), STORED, ids=lambda x: getattr(x, "word", ""))
@given(data=st.data())
def test_show_and_parse_are_inverse(kind: ValueType, strategy: st.SearchStrategy[Any], data: st.DataObject) -> None:
    stored = data.draw(strategy)
    assert kind.parse(kind.show(stored, CLOCK), CLOCK) == stored


def test_dates_are_written_and_shown_in_the_operators_zone() -> None:
    east = Clock(1_000_000_000, timezone(timedelta(hours=2)))
    date = parse_date("Oct 31 00:00:00 2001", east)
    assert date == 1_004_486_400 - 7200
    assert format_date(date, east) == "Oct 31 00:00:00 2001"
    assert format_date(date, CLOCK) == "Oct 30 22:00:00 2001"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Foo 1 00:00 2001", "'foo' is not a month (write its name or its first three letters)"),
        ("Feb 30 00:00 2001", "is not in the calendar: day is out of range for month; correct the day or the time"),
        ("yesterday", f"'yesterday' is not {DATE}"),
        ("-40y", "'-40y' lies before 1970 or after 2106"),
        ("-3", None),
    ],
)
def test_a_refused_date_says_what_is_wrong(text: str, why: str | None) -> None:
    if why is None:
        assert parse_date(text, CLOCK) == 999_999_997
        return
    with pytest.raises(ValueError) as refusal:
        parse_date(text, CLOCK)
    assert why in str(refusal.value)


@pytest.mark.parametrize(("year", "full"), [("01", 2001), ("69", 2069), ("70", 1970), ("99", 1999)])
def test_two_digit_years(year: str, full: int) -> None:
    assert parse_date(f"may 2 03:04:05 {year}", CLOCK) == datetime(full, 5, 2, 3, 4, 5, tzinfo=UTC).timestamp()


def test_every_declared_default_is_a_value_that_could_have_been_written() -> None:
    for cls in CLASSES.values():
        for attribute in cls.attributes:
            assert attribute.help.endswith("."), attribute.name
            if attribute.default is not None:
                shown = attribute.type.show(attribute.default, CLOCK)
                assert attribute.type.parse(shown, CLOCK) == attribute.default, attribute.name
