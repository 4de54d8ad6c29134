"""Editing the configuration document: defaults, set and unset, ranges, reservations, options; refusals in full."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.base.errors import CommandError
from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.base.ranges import RangeSet
from tandem.config import document as d
from tandem.config import policies as p
from tandem.config import scopes as s
from tandem.config.attribute import SYNC_ROWS, Attribute, ObjectClass
from tandem.config.dates import Clock
from tandem.config.schema import CLASSES, DHCP, SCOPE
from tandem.config.schema_policy import POLICY
from tandem.config.types import Int

Document = dict[str, Any]


def example() -> Document:
    document: Document = {}
    d.create_object(document, "scope", "lan", ["192.168.50.0", "255.255.255.0"])
    s.add_range(document, "lan", "192.168.50.10", "192.168.50.200")
    s.add_reservation(document, "lan", "192.168.50.9", "1,6,00:d0:ba:d3:bd:3b")
    d.create_object(document, "policy", "short")
    d.set_attribute(document, "scope", "lan", "policy", "short")
    p.set_lease_time(document, "short", "1h")
    return document


REFUSED: list[tuple[Callable[[Document], object], int, str]] = [
    # the class, the object, the attribute
    (lambda x: d.get(x, "scop", "lan", "addr"), 306,
     f"'scop' is no class of objects; write one of {', '.join(CLASSES)}"),
    (lambda x: d.read_object(x, "reservation", "a"), 302,
     "reservation 'a' does not exist; 'reservation listnames' shows those that do"),
    (lambda x: d.get(x, "scope", "wan", "addr"), 302,
     "scope 'wan' does not exist; 'scope listnames' shows those that do"),
    (lambda x: d.set_attribute(x, "scope", "wan", "renew-only", "on"), 302,
     "scope 'wan' does not exist; 'scope listnames' shows those that do"),
    (lambda x: d.get(x, "dhcp", "", "fail-over"), 308, "dhcp has no attribute 'fail-over'; did you mean failover?"),
    (lambda x: d.set_attribute(x, "dhcp", "", "failover-backup-percent", "5"), 308,
     "dhcp has no attribute 'failover-backup-percent'; did you mean failover-backup-percentage?"),
    (lambda x: d.unset_attribute(x, "policy", "short", "zzz"), 308,
     f"policy short has no attribute 'zzz'; write one of {', '.join(POLICY.by_name)}"),
    # values
    (lambda x: d.set_attribute(x, "dhcp", "", "failover", "maybe"), 316,
     "dhcp: failover: 'maybe' is not on or off (also true, enabled, 1, false, disabled, 0)"),
    (lambda x: d.set_attribute(x, "dhcp", "", "failover-main-server", "dhcp1.example.com"), 316,
     "dhcp: failover-main-server: 'dhcp1.example.com' is not the IPv4 address of a server"
     ", e.g. 192.168.50.2 (a name is looked up when it is entered)"),
    (lambda x: d.set_attribute(x, "dhcp", "", "failover-maximum-client-lead-time", "0"), 316,
     "dhcp: failover-maximum-client-lead-time: '0' is not a time from 1s to 52w"
     " (write seconds, or a mix such as 1w2d3h4m5s)"),
    (lambda x: d.set_attribute(x, "dhcp", "", "failover-backup-percentage", "101%"), 316,
     "dhcp: failover-backup-percentage: '101%' is not a percentage from 0 to 100 (write 10 or 10%)"),
    (lambda x: d.set_attribute(x, "scope", "lan", "failover", "on"), 316,
     "scope lan: failover: 'on' is not one of scope-enabled, scope-disabled, use-server-settings"),
    (lambda x: d.set_value(x, "scope", "lan", "renew-only", 1), 316,
     "scope lan: renew-only: 1 is not on or off (also true, enabled, 1, false, disabled, 0)"),
    (lambda x: d.set_attribute(x, "scope", "lan", "policy", "long"), 316,
     "scope lan: policy: there is no policy 'long'; create it first, or write one of those that"
     " 'policy listnames' shows"),
    (lambda x: d.set_value(x, "scope", "lan", "policy", "long"), 316,
     "scope lan: policy: there is no policy 'long'; create it first, or write one of those that"
     " 'policy listnames' shows"),
    (lambda x: d.enable(x, "scope", "lan", "failover", True), 316,
     "scope lan: failover cannot be enabled: it is enum; write 'scope lan set failover=...' with one of"
     " scope-enabled, scope-disabled, use-server-settings"),
    (lambda x: d.set_attribute(x, "scope", "lan", "addr", "10.0.0.0"), 385,
     "Read-only attribute cannot be modified: scope lan: addr; to change it, delete the scope and create it anew"),
    (lambda x: d.set_value(x, "scope", "lan", "mask", "255.0.0.0"), 385,
     "Read-only attribute cannot be modified: scope lan: mask; to change it, delete the scope and create it anew"),
    (lambda x: d.unset_attribute(x, "scope", "lan", "addr"), 386,
     "Required attribute cannot be deleted: scope lan: addr; to change it, delete the scope and create it anew"),
    # create and delete
    (lambda x: d.create_object(x, "scope", "lan", ["10.0.0.0", "255.0.0.0"]), 320,
     "scope lan exists; choose another name, or change it with 'scope lan set'"),
    (lambda x: d.create_object(x, "policy", "default"), 320,
     "policy default exists; choose another name, or change it with 'policy default set'"),
    (lambda x: d.create_object(x, "dhcp", ""), 306, "dhcp always exists; write 'dhcp set ATTRIBUTE=VALUE'"),
    (lambda x: d.create_object(x, "scope", "wan", ["10.0.0.0"]), 310,
     "scope wan needs mask; write 'scope NAME create ADDR MASK'"),
    (lambda x: d.create_object(x, "scope", "wan"), 310,
     "scope wan needs addr and mask; write 'scope NAME create ADDR MASK'"),
    (lambda x: d.create_object(x, "scope", "wan", ["10.0.0.0", "/8", "x", "y"]), 309,
     "scope wan: 'x y' is too much; write 'scope NAME create ADDR MASK'"),
    (lambda x: d.create_object(x, "policy", "new", ["x"]), 309,
     "policy new: 'x' is too much; write 'policy NAME create'"),
    (lambda x: d.create_object(x, "scope", "wan", ["10.0.0.1", "/8"]), 316,
     "scope wan: addr: 10.0.0.1 is not the network address of a subnet with mask 255.0.0.0; write 10.0.0.0"),
    (lambda x: d.create_object(x, "scope", "wan", ["10.0.0.0", "/8"], {"failover": "x"}), 316,
     "scope wan: failover: 'x' is not one of scope-enabled, scope-disabled, use-server-settings"),
    (lambda x: d.create_object(x, "scope", " wan", ["10.0.0.0", "/8"]), 316,
     "' wan' cannot name a scope: write 1 to 128 printable characters, no space at either end"),
    (lambda x: d.create_object(x, "policy", "a\nb"), 316,
     "'a\\nb' cannot name a policy: write 1 to 128 printable characters, no space at either end"),
    (lambda x: d.delete_object(x, "scope", "wan"), 302,
     "scope 'wan' does not exist; 'scope listnames' shows those that do"),
    (lambda x: d.delete_object(x, "policy", "short"), 320,
     "policy short is used by scope lan (policy); change that first"),
    (lambda x: d.delete_object(x, "dhcp", ""), 306,
     "dhcp cannot be deleted; write 'dhcp unset ATTRIBUTE' to return to a default"),
    # ranges
    (lambda x: s.add_range(x, "wan", "1.2.3.4", "1.2.3.5"), 302,
     "scope 'wan' does not exist; 'scope listnames' shows those that do"),
    (lambda x: s.add_range(x, "lan", "192.168.50.200", "192.168.50.201"), 320,
     "scope lan: range 192.168.50.200 192.168.50.201 overlaps the range 192.168.50.10 192.168.50.200;"
     " remove that first ('scope lan removeRange'), or write one that lies beside it"),
    (lambda x: s.add_range(x, "lan", "192.168.50.250", "192.168.51.1"), 316,
     "scope lan: range 192.168.50.250 192.168.51.1: 192.168.51.1 lies outside the subnet;"
     " write one from 192.168.50.0 to 192.168.50.255"),
    (lambda x: s.add_range(x, "lan", "192.168.50.0", "192.168.50.5"), 316,
     "scope lan: range 192.168.50.0 192.168.50.5: 192.168.50.0 is the network address of the subnet,"
     " which no client can have; write one from 192.168.50.1 to 192.168.50.254"),
    (lambda x: s.add_range(x, "lan", "192.168.50.250", "192.168.50.255"), 316,
     "scope lan: range 192.168.50.250 192.168.50.255: 192.168.50.255 is the broadcast address of the subnet,"
     " which no client can have; write one from 192.168.50.1 to 192.168.50.254"),
    (lambda x: s.add_range(x, "lan", "192.168.50.8", "192.168.50.7"), 316,
     "scope lan: range '192.168.50.8' '192.168.50.7': write the lowest address first"),
    (lambda x: s.add_range(x, "lan", "x", "192.168.50.7"), 316,
     "scope lan: range: 'x' is not an IPv4 address, e.g. 192.168.50.10"),
    (lambda x: s.remove_range(x, "lan", "192.168.50.1", "192.168.50.9"), 302,
     "scope lan: no range holds an address from 192.168.50.1 to 192.168.50.9; 'scope lan listRanges' shows the ranges"),
    # reservations
    (lambda x: s.add_reservation(x, "lan", "192.168.50.9", "00:00:00:00:00:01"), 320,
     "scope lan: reservation: 192.168.50.9 is reserved for 1,6,00:d0:ba:d3:bd:3b already;"
     " remove that first ('scope lan removeReservation 192.168.50.9')"),
    (lambda x: s.add_reservation(x, "lan", "192.168.50.8", "00:d0:ba:d3:bd:3b"), 320,
     "scope lan: reservation: 192.168.50.9 is reserved for 1,6,00:d0:ba:d3:bd:3b already;"
     " remove that first ('scope lan removeReservation 192.168.50.9')"),
    (lambda x: s.add_reservation(x, "lan", "192.168.51.9", "00:00:00:00:00:01"), 316,
     "scope lan: reservation: 192.168.51.9 lies outside the subnet; write one from 192.168.50.0 to 192.168.50.255"),
    (lambda x: s.add_reservation(x, "lan", "192.168.50.255", "00:00:00:00:00:01"), 316,
     "scope lan: reservation: 192.168.50.255 is the broadcast address of the subnet, which no client can have;"
     " write one from 192.168.50.1 to 192.168.50.254"),
    (lambda x: s.add_reservation(x, "lan", "192.168.50.8", "nobody"), 316,
     "scope lan: reservation: 'nobody' is not a client (write its hardware address, 1,6,00:d0:ba:d3:bd:3b, or id:"
     " and its client identifier of 1 to 255 bytes in hexadecimal, id:01:00:d0:ba:d3:bd:3b)"),
    (lambda x: s.remove_reservation(x, "lan", "192.168.50.8"), 302,
     "scope lan has no reservation for 192.168.50.8; 'scope lan listReservations' shows them"),
    # options
    (lambda x: p.set_option(x, "long", "routers", "1.2.3.4"), 302,
     "policy 'long' does not exist; 'policy listnames' shows those that do"),
    (lambda x: p.set_option(x, "short", "dhcp-message-type", "1"), 316,
     "policy short: option dhcp-message-type (53) is made by server or client itself; leave it out"),
    (lambda x: p.set_lease_time(x, "short", "0"), 316,
     "policy short: dhcp-lease-time: '0' is not a time from 1s to 3550w, or forever"
     " (write seconds, or a mix such as 1w2d3h4m5s)"),
    (lambda x: p.unset_option(x, "short", "routers"), 302,
     "policy short has no option routers set; 'policy short listOptions' shows them"),
]  # fmt: skip


@pytest.mark.parametrize(("act", "status", "text"), REFUSED, ids=[text[:60] for _, _, text in REFUSED])
def test_a_refusal_says_all_and_changes_nothing(act: Callable[[Document], object], status: int, text: str) -> None:
    document = example()
    before = copy.deepcopy(document)
    with pytest.raises(CommandError) as refusal:
        act(document)
    assert (refusal.value.status, refusal.value.text) == (status, text)
    assert document == before


@pytest.mark.parametrize("option", ["no-such-option", "0", "255", "routers"])
def test_refused_options_name_policy_and_option(option: str) -> None:
    document = example()
    with pytest.raises(CommandError) as refusal:
        p.set_option(document, "short", option, "not an address")
    assert refusal.value.status == 316
    assert refusal.value.text.startswith("policy short: ") and option in refusal.value.text
    assert document == example()


# --- attributes -------------------------------------------------------------------------------------------


def test_unset_shows_the_default_and_only_what_is_set_is_stored() -> None:
    document: Document = {}
    assert d.get(document, "dhcp", "", "failover-poll-interval") == 10
    assert d.show(document, "dhcp")["failover-poll-interval"] == "10s"
    d.set_attribute(document, "dhcp", "", "failover-poll-interval", "1m")
    assert document == {"dhcp": {"failover-poll-interval": 60}}
    assert d.is_set(document, "dhcp", "", "failover-poll-interval")
    assert d.show(document, "dhcp")["failover-poll-interval"] == "1m"
    d.unset_attribute(document, "dhcp", "", "failover-poll-interval")
    assert document == {"dhcp": {}}
    assert d.get(document, "dhcp", "", "failover-poll-interval") == 10
    d.unset_attribute(document, "dhcp", "", "failover-poll-interval")


def test_the_chapters_defaults() -> None:
    shown = d.show({}, "dhcp")
    assert {name: shown.get(name) for name in DHCP.by_name if name not in ("failover-startup-time",)} == {
        "failover": "off",
        "failover-main-server": None,
        "failover-backup-server": None,
        "failover-backup-percentage": "10%",
        "failover-dynamic-bootp-backup-percentage": None,
        "failover-load-balancing": "off",
        "failover-load-balancing-backup-pct": "50%",
        "failover-load-balancing-delay": "3s",
        "failover-maximum-client-lead-time": "1h",
        "failover-lease-period-factor": "1.5",
        "failover-use-safe-period": "off",
        "failover-safe-period": "1d",
        "failover-poll-interval": "10s",
        "failover-poll-timeout": "1m",
        "failover-recover": "0",
        "failover-shared-secret": None,
        "failover-tls": "off",
        "failover-tls-partner-fingerprint": "none",
        "failover-maximum-clock-skew": None,
        "failover-relationship-name": None,
        "failover-dialect": "auto",
        "max-dhcp-requests": "500",
        "max-dhcp-responses": "1000",
        "ping-clients": "off", "ping-timeout": "300", "max-ping-packets": "500",
        "hardware-unicast": "on", "equal-priority-most-available": "off", "priority-address-allocation": "off",
        "defer-lease-extensions": "on",
        "client-class": "off",
        "client-class-lookup-id": None, "upgrade-unavailable-timeout": "1d", "skip-client-lookup": "off",
        "validate-client-name-as-mac": "off",
        "map-user-class-id": "none",
        "append-user-class-id-to-selection-tag": "off",
        "ip-history-max-age": "4w",
        "collect-addr-util-interval": "5m",
        "collect-addr-util-duration": "4w2d",
        "log-settings": "default,incoming-packets,missing-options",
    }


def test_show_of_a_scope_lists_what_has_a_value_as_declared() -> None:
    assert d.show(example(), "scope", "lan") == {
        "addr": "192.168.50.0",
        "mask": "255.255.255.0",
        "policy": "short",
        "allocate-first-available": "off",
        "failover": "use-server-settings",
        "selection-tag-list": "none",
        "dhcp": "on",
        "bootp": "on",
        "dynamic-bootp": "off",
        "allocation-priority": "0", "ignore-declines": "off", "renew-only": "off",
        "deactivated": "off",
    }


def test_enable_and_disable() -> None:
    document: Document = {}
    d.enable(document, "dhcp", "", "failover", True)
    assert document == {"dhcp": {"failover": True}}
    d.enable(document, "dhcp", "", "failover", False)
    assert document == {"dhcp": {"failover": False}}


def test_dates_need_the_operators_clock() -> None:
    document: Document = {}
    clock = Clock(1_000_000_000)
    d.set_attribute(document, "dhcp", "", "failover-recover", "-1h", clock)
    assert document == {"dhcp": {"failover-recover": 999_996_400}}
    assert d.show(document, "dhcp", "", clock)["failover-recover"] == "Sep 9 00:46:40 2001"


def test_a_secret_is_stored_and_not_shown() -> None:
    document: Document = {}
    d.set_attribute(document, "dhcp", "", "failover-shared-secret", "hush")
    assert d.show(document, "dhcp")["failover-shared-secret"] == "********"
    assert d.get(document, "dhcp", "", "failover-shared-secret") == "hush"


def test_objects_come_and_go() -> None:
    document = example()
    assert d.list_names(document, "scope") == ["lan"]
    assert d.list_names(document, "policy") == ["default", "system_default_policy", "short"]
    assert d.list_names(document, "dhcp") == []
    d.create_object(document, "scope", "a", ["10.0.0.0", "/8"], {"failover": "scope-disabled", "policy": "short"})
    assert document["scope"]["a"] == {
        "addr": "10.0.0.0", "mask": "255.0.0.0", "failover": "scope-disabled", "policy": "short",
    }  # fmt: skip
    d.delete_object(document, "scope", "a")
    d.delete_object(document, "scope", "lan")
    d.delete_object(document, "policy", "short")
    assert document == {"scope": {}, "policy": {}}


def test_a_builtin_policy_returns_with_its_original_values() -> None:
    document: Document = {}
    p.set_lease_time(document, "system_default_policy", "1d")
    d.set_attribute(document, "policy", "system_default_policy", "grace-period", "1h")
    assert p.get_lease_time(document, "system_default_policy") == 86400
    d.delete_object(document, "policy", "system_default_policy")
    assert p.list_options(document, "system_default_policy") == {"dhcp-lease-time": "604800"}
    assert d.get(document, "policy", "system_default_policy", "grace-period") == 300
    assert d.list_names(document, "policy") == ["default", "system_default_policy"]
    d.create_object(document, "scope", "lan", ["192.168.50.0", "/24"])
    p.set_lease_time(document, "default", "1h")
    d.delete_object(document, "policy", "default")
    assert p.get_lease_time(document, "default") is None


# --- parts ------------------------------------------------------------------------------------------------


def test_ranges_are_kept_in_order_and_can_be_cut() -> None:
    document = example()
    s.add_range(document, "lan", "192.168.50.1", "192.168.50.8")
    assert s.list_ranges(document, "lan") == [("192.168.50.1", "192.168.50.8"), ("192.168.50.10", "192.168.50.200")]
    s.remove_range(document, "lan", "192.168.50.5", "192.168.50.100")
    assert s.list_ranges(document, "lan") == [("192.168.50.1", "192.168.50.4"), ("192.168.50.101", "192.168.50.200")]
    s.remove_range(document, "lan", "192.168.50.150", "192.168.50.150")
    assert document["scope"]["lan"]["ranges"] == [
        ["192.168.50.1", "192.168.50.4"],
        ["192.168.50.101", "192.168.50.149"],
        ["192.168.50.151", "192.168.50.200"],
    ]
    s.remove_range(document, "lan", "192.168.50.1", "192.168.50.254")
    assert "ranges" not in document["scope"]["lan"]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 254), st.integers(0, 60)), max_size=20))
def test_ranges_agree_with_a_set_of_addresses(steps: list[tuple[bool, int, int]]) -> None:
    document: Document = {}
    base = parse_ipv4("10.0.0.0")
    d.create_object(document, "scope", "x", ["10.0.0.0", "/24"])
    expected: set[int] = set()
    for add, lo, length in steps:
        wanted = set(range(base + lo, min(base + lo + length, base + 254) + 1))
        texts = format_ipv4(min(wanted)), format_ipv4(max(wanted))
        if add and wanted & expected:
            with pytest.raises(CommandError):
                s.add_range(document, "x", *texts)
        elif add:
            s.add_range(document, "x", *texts)
            expected |= wanted
        elif not wanted & expected:
            with pytest.raises(CommandError):
                s.remove_range(document, "x", *texts)
        else:
            s.remove_range(document, "x", *texts)
            expected -= wanted
    pairs = [(parse_ipv4(lo), parse_ipv4(hi)) for lo, hi in s.list_ranges(document, "x")]
    assert pairs == sorted(pairs) and RangeSet(pairs).size == sum(hi - lo + 1 for lo, hi in pairs)
    assert {a for lo, hi in pairs for a in range(lo, hi + 1)} == expected


def test_small_subnets_have_no_network_or_broadcast_address() -> None:
    document: Document = {}
    d.create_object(document, "scope", "p2p", ["10.0.0.0", "/31"])
    s.add_range(document, "p2p", "10.0.0.0", "10.0.0.1")
    d.create_object(document, "scope", "one", ["10.0.0.9", "/32"])
    s.add_range(document, "one", "10.0.0.9", "10.0.0.9")
    assert s.list_ranges(document, "one") == [("10.0.0.9", "10.0.0.9")]


@pytest.mark.parametrize("which", ["192.168.50.9", "1,6,00:d0:ba:d3:bd:3b", "00d0bad3bd3b"])
def test_a_reservation_is_removed_by_address_or_client(which: str) -> None:
    document = example()
    s.add_reservation(document, "lan", "192.168.50.3", "id:01:02")
    assert s.list_reservations(document, "lan") == [
        ("192.168.50.3", "id:01:02"),
        ("192.168.50.9", "1,6,00:d0:ba:d3:bd:3b"),
    ]
    assert s.remove_reservation(document, "lan", which) == ("192.168.50.9", "1,6,00:d0:ba:d3:bd:3b")
    assert s.remove_reservation(document, "lan", "ID:0102") == ("192.168.50.3", "id:01:02")
    assert "reservations" not in document["scope"]["lan"]


def test_options_are_stored_under_their_own_name_in_one_form() -> None:
    document: Document = {}
    p.set_option(document, "default", "3", " 192.168.50.1 192.168.50.2")
    p.set_option(document, "default", "domain-name", "example.com")
    assert p.get_option(document, "default", "routers") == "192.168.50.1,192.168.50.2"
    assert p.get_option(document, "default", "3") == "192.168.50.1,192.168.50.2"
    assert p.get_option(document, "default", "host-name") is None
    p.unset_option(document, "default", "routers")
    p.unset_option(document, "default", "15")
    assert document == {"policy": {"default": {}}}


@pytest.mark.parametrize(
    ("text", "seconds"), [("3d", 259200), ("3600", 3600), ("forever", 0xFFFFFFFF), ("4294967295", 0xFFFFFFFF)]
)
def test_lease_time_is_an_option_too(text: str, seconds: int) -> None:
    document: Document = {}
    assert p.get_lease_time(document, "default") is None
    p.set_lease_time(document, "default", text)
    assert p.get_lease_time(document, "default") == seconds
    assert document == {"policy": {"default": {"options": {"dhcp-lease-time": str(seconds)}}}}
    p.set_option(document, "default", "51", "1h")
    assert p.get_lease_time(document, "default") == 3600
    p.unset_option(document, "default", "dhcp-lease-time")
    assert p.get_lease_time(document, "default") is None


# --- declarations -----------------------------------------------------------------------------------------


def test_table_16_2_belongs_to_what_is_synchronized() -> None:
    rows = {a.name: DHCP.sync_of(a) for a in DHCP.attributes}
    listed = [
        "failover", "failover-backup-percentage", "failover-backup-server",
        "failover-dynamic-bootp-backup-percentage", "failover-lease-period-factor", "failover-main-server",
        "failover-poll-interval", "failover-recover", "failover-safe-period", "failover-use-safe-period",
    ]  # fmt: skip
    assert [name for name, row in rows.items() if row == "failover"] == [n for n in rows if n in listed]
    assert set(listed) <= set(rows)
    assert rows["defer-lease-extensions"] == "failover-tuning"
    assert rows["failover-maximum-client-lead-time"] == "other"
    assert {cls.sync_of(a) for cls in CLASSES.values() for a in cls.attributes} <= set(SYNC_ROWS)
    assert {SCOPE.sync_of(a) for a in SCOPE.attributes} == {"scope"}


def test_a_class_is_added_by_declaring_it(monkeypatch: pytest.MonkeyPatch) -> None:
    vpn = ObjectClass(
        "vpn", "A private network.", (Attribute("id", Int(1, 99), None, "Its number.", required=True),), "vpn",
        create=("id",),
    )  # fmt: skip
    monkeypatch.setitem(CLASSES, "vpn", vpn)  # type: ignore[arg-type]
    document: Document = {}
    d.create_object(document, "vpn", "blue", ["7"])
    assert d.show(document, "vpn", "blue") == {"id": "7"}
    d.set_attribute(document, "vpn", "blue", "id", "8")
    with pytest.raises(CommandError, match="vpn blue: id: '0' is not a whole number from 1 to 99"):
        d.set_attribute(document, "vpn", "blue", "id", "0")
    assert document == {"vpn": {"blue": {"id": 8}}}


@pytest.mark.parametrize(
    "declare",
    [
        lambda: Attribute("Bad_Name", Int(), 0, "."),
        lambda: Attribute("a", Int(), 0, ".", sync="nonsense"),
        lambda: Attribute("a", Int(), 0, ".", required=True),
        lambda: ObjectClass("c", ".", (Attribute("a", Int(), 0, "."), Attribute("a", Int(), 0, ".")), "other"),
        lambda: ObjectClass("c", ".", (Attribute("a", Int(), 0, "."),), "other", create=("b",)),
        lambda: ObjectClass("c", ".", (Attribute("a", Int(), 0, "."),), "other", parts=("a",)),
    ],
)
def test_a_wrong_declaration_is_found_at_import(declare: Callable[[], object]) -> None:
    with pytest.raises(AssertionError):
        declare()


def test_a_default_outside_its_type_is_found_at_import() -> None:
    with pytest.raises(ValueError):
        Attribute("a", Int(1, 9), 0, ".")
