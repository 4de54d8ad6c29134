"""Compiling a document: what the server gets, for both roles, and every problem that keeps it from taking effect."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.base.ipv4 import parse_ipv4
from tandem.base.units import FOREVER
from tandem.config import document as d
from tandem.config import policies as p
from tandem.config import scopes as s
from tandem.config.compile import compile_config
from tandem.config.compiled import ServerConfig
from tandem.config.reading import Problem
from tandem.config.schema import SECTIONS, SERVED

Document = dict[str, Any]
MAIN, BACKUP, OTHER = (parse_ipv4(f"127.0.0.{n}") for n in (11, 12, 13))
KEY = b"h\x01\x00\xd0\xba\xd3\xbd\x3b"


def batch() -> Document:
    """The smallest whole installation, as an operator types it."""
    document: Document = {}
    d.enable(document, "dhcp", "", "failover", True)
    d.set_attribute(document, "dhcp", "", "failover-main-server", "127.0.0.11")
    d.set_attribute(document, "dhcp", "", "failover-backup-server", "127.0.0.12")
    d.create_object(document, "scope", "examplescope", ["192.168.50.0", "255.255.255.0"])
    s.add_range(document, "examplescope", "192.168.50.10", "192.168.50.200")
    p.set_lease_time(document, "default", "3d")
    p.set_option(document, "default", "routers", "192.168.50.1")
    s.add_reservation(document, "examplescope", "192.168.50.9", "1,6,00:d0:ba:d3:bd:3b")
    return document


def compiled(document: object, local: int = MAIN) -> ServerConfig:
    config, problems = compile_config(document, local)
    assert config is not None, problems
    return config


def texts(document: object, local: int = MAIN, level: str = "error") -> list[str]:
    config, problems = compile_config(document, local)
    assert (config is None) == any(problem.fatal for problem in problems)
    return [problem.text for problem in problems if problem.level == level]


# --- the example, both roles --------------------------------------------------------------------------------


@pytest.mark.parametrize(("local", "peer", "main"), [(MAIN, BACKUP, True), (BACKUP, MAIN, False)])
def test_one_document_makes_both_servers(local: int, peer: int, main: bool) -> None:
    config, problems = compile_config(batch(), local, failover_port=1647)
    assert config is not None and problems == []
    (endpoint,) = config.endpoints
    assert endpoint.name == "127.0.0.11-127.0.0.12"
    assert (endpoint.main, endpoint.local, endpoint.peer, endpoint.port) == (main, local, peer, 1647)
    assert (endpoint.mclt_s, endpoint.lease_factor) == (3600, 1.5)
    assert (endpoint.poll_interval_s, endpoint.poll_timeout_s, endpoint.startup_s) == (10, 60, 10)
    assert (endpoint.safe_period_s, endpoint.recover_from, endpoint.secret) == (None, 0, b"")
    (scope,) = config.scopes
    assert (scope.name, scope.index, scope.subnet, scope.mask) == ("examplescope", 0, 0xC0A83200, 0xFFFFFF00)
    assert list(scope.ranges) == [(0xC0A8320A, 0xC0A832C8)]
    assert scope.policy.lease_s == 259200
    assert scope.policy.options == {1: b"\xff\xff\xff\x00", 3: b"\xc0\xa8\x32\x01"}
    assert (scope.endpoint, scope.backup_pct, scope.boundary) == (1, 10, None)
    assert scope.reservations[KEY] is scope.reserved[0xC0A83209]
    assert (scope.reserved[0xC0A83209].address, scope.reserved[0xC0A83209].key) == (0xC0A83209, KEY)
    (network,) = config.networks
    assert (network.index, network.scopes, network.endpoint) == (0, [scope], 1)
    assert (config.max_requests, config.max_responses) == (500, 2000)
    assert config.defer_lease_extensions
    assert config.log_settings == {"default", "incoming-packets", "missing-options"}


def test_an_empty_document_serves_nobody_and_says_so() -> None:
    config, problems = compile_config({}, MAIN)
    assert config is not None and problems == []
    assert (config.scopes, config.networks, config.endpoints, config.max_responses) == ([], [], [], 1000)
    assert config.summary == [
        ("Info", "Configuration", 4090, "Scopes: 0, LAN segments: 0, addresses in ranges: 0, reservations: 0."),
        ("Info", "Configuration", 4091, "Failover is disabled."),
    ]


def test_the_document_is_not_changed_and_survives_json() -> None:
    document = batch()
    before = copy.deepcopy(document)
    first = compiled(document)
    assert document == before
    assert compiled(json.loads(json.dumps(document))) == first


# --- the log lines ------------------------------------------------------------------------------------------


def test_line_04092_is_the_chapters() -> None:
    document = {
        "dhcp": {
            "failover": True,
            "failover-main-server": "192.168.0.1",
            "failover-backup-server": "192.168.0.110",
        }
    }
    for local in ("192.168.0.1", "192.168.0.110"):
        assert (
            "Info",
            "Configuration",
            4092,
            "Failover is enabled server-wide. Main server name: '192.168.0.1', backup server name: '192.168.0.110', "
            "mclt = 3600, backup-percentage = 10, dynamic-bootp-backup-percentage = 0, lease-period-factor = 150, "
            "use-safe-period: disabled, safe-period = 0.",
        ) in compiled(document, parse_ipv4(local)).summary


def test_line_04092_with_other_values() -> None:
    document = batch()
    for name, value in (
        ("failover-maximum-client-lead-time", "20"),
        ("failover-backup-percentage", "50%"),
        ("failover-dynamic-bootp-backup-percentage", "60"),
        ("failover-lease-period-factor", "1.8"),
        ("failover-use-safe-period", "on"),
        ("failover-safe-period", "1h"),
    ):
        d.set_attribute(document, "dhcp", "", name, value)
    config = compiled(document)
    line = next(text for _, _, ident, text in config.summary if ident == 4092)
    assert line.endswith(
        "mclt = 20, backup-percentage = 50, dynamic-bootp-backup-percentage = 60, lease-period-factor = 180, "
        "use-safe-period: enabled, safe-period = 3600."
    )
    (endpoint,) = config.endpoints
    assert (endpoint.mclt_s, endpoint.lease_factor, endpoint.safe_period_s) == (20, 1.8, 3600)
    assert config.scopes[0].backup_pct == 50


def test_all_lines() -> None:
    document = batch()
    d.set_attribute(document, "dhcp", "", "failover-recover", "1000")
    d.set_attribute(document, "scope", "examplescope", "failover-main-server", "127.0.0.11")
    lines = compiled(document, BACKUP).summary
    assert [(level, ident) for level, _, ident, _ in lines] == [
        ("Info", 4090), ("Info", 4092), ("Info", 4093), ("Warning", 4094), ("Info", 4095), ("Warning", 4099),
    ]  # fmt: skip
    said = {ident: text for _, _, ident, text in lines}
    assert said[4090] == "Scopes: 1, LAN segments: 1, addresses in ranges: 191, reservations: 1."
    assert said[4093] == (
        "Failover relationship '127.0.0.11-127.0.0.12': this server is the backup, its partner is '127.0.0.11',"
        " scopes that belong to it: 1."
    )
    assert said[4094].startswith("failover-recover is set, so '127.0.0.11-127.0.0.12' recovers from 1000")
    assert said[4095] == (
        "max-dhcp-responses = 1000 is raised to 2000, four times max-dhcp-requests, because failover is on."
    )
    assert said[4099].startswith("scope examplescope: failover-main-server = 127.0.0.11: is not used")


@pytest.mark.parametrize(("requests", "responses", "result"), [(100, 300, 400), (100, 400, 400), (100, 500, 500)])
def test_failover_raises_the_response_buffers(requests: int, responses: int, result: int) -> None:
    document = batch()
    d.set_value(document, "dhcp", "", "max-dhcp-requests", requests)
    d.set_value(document, "dhcp", "", "max-dhcp-responses", responses)
    assert compiled(document).max_responses == result
    d.enable(document, "dhcp", "", "failover", False)
    assert compiled(document).max_responses == responses


# --- policies -----------------------------------------------------------------------------------------------


def test_the_scopes_policy_comes_before_the_systems_and_that_before_defaults() -> None:
    document = batch()
    p.unset_option(document, "default", "dhcp-lease-time")
    assert compiled(document).scopes[0].policy.lease_s == 604800
    p.set_lease_time(document, "system_default_policy", "1d")
    p.set_option(document, "system_default_policy", "domain-name", "example.com")
    p.set_option(document, "system_default_policy", "routers", "10.9.9.9")
    d.set_attribute(document, "policy", "system_default_policy", "grace-period", "7m")
    d.set_attribute(document, "policy", "system_default_policy", "offer-timeout", "7m")
    d.set_attribute(document, "policy", "default", "grace-period", "1m")
    policy = compiled(document).scopes[0].policy
    assert policy.lease_s == 86400
    assert policy.options == {1: b"\xff\xff\xff\x00", 3: b"\xc0\xa8\x32\x01", 15: b"example.com"}
    assert (policy.grace_s, policy.offer_s, policy.unavailable_s) == (60, 420, 86400)


def test_a_scope_without_the_option_in_its_policy_gets_the_systems() -> None:
    document = batch()
    d.create_object(document, "policy", "bare")
    d.set_attribute(document, "scope", "examplescope", "policy", "bare")
    p.set_option(document, "system_default_policy", "routers", "10.9.9.9")
    assert compiled(document).scopes[0].policy.options[3] == b"\x0a\x09\x09\x09"


def test_every_policy_attribute_has_its_effect() -> None:
    document = batch()
    for name, value in (
        ("grace-period", "0"),
        ("offer-timeout", "30"),
        ("unavailable-timeout", "2h"),
        ("allow-lease-time-override", "on"),
        ("packet-siaddr", "10.0.0.7"),
        ("packet-server-name", "boot.example.com"),
        ("packet-file-name", "pxelinux.0"),
        ("v4-reply-options", "domain-name,routers"),
        ("v4-bootp-reply-options", "root-path"),
        ("split-lease-times", "on"),
        ("server-lease-time", "8d"),
        ("inhibit-all-renews", "on"),
        ("inhibit-renews-at-reboot", "on"),
        ("giaddr-as-server-id", "on"),
        ("limitation-count", "2"),
    ):
        d.set_attribute(document, "policy", "default", name, value)
    policy = compiled(document).scopes[0].policy
    assert (policy.grace_s, policy.offer_s, policy.unavailable_s) == (0, 30, 7200)
    assert policy.allow_lease_time_override and not policy.permanent
    assert (policy.siaddr, policy.server_name, policy.file_name) == (0x0A000007, b"boot.example.com", b"pxelinux.0")
    assert policy.reply_options == (15, 3) and policy.bootp_reply_options == (17,)
    assert policy.split_lease_times and policy.server_lease_s == 8 * 86400
    assert policy.inhibit_all_renews and policy.inhibit_renews_at_reboot and policy.giaddr_as_server_id
    assert policy.limitation_count == 2
    for config, said in ((compiled(document), True), (compiled(batch()), False)):
        assert config.giaddr_as_server_id is config.split_lease_times is said


@pytest.mark.parametrize("how", ["permanent-leases", "forever"])
def test_leases_without_end(how: str) -> None:
    document = batch()
    if how == "forever":
        p.set_lease_time(document, "default", "forever")
    else:
        d.enable(document, "policy", "default", "permanent-leases", True)
    policy = compiled(document).scopes[0].policy
    assert policy.permanent and policy.lease_s == FOREVER


def test_scopes_alike_share_one_effective_policy() -> None:
    document = batch()
    d.create_object(document, "scope", "b", ["10.0.0.0", "/24"])
    d.create_object(document, "scope", "c", ["10.0.1.0", "/25"])
    b, c, a = compiled(document).scopes
    assert a.policy is b.policy and a.policy is not c.policy
    assert c.policy.options[1] == b"\xff\xff\xff\x80"


def test_a_configured_subnet_mask_is_not_sent() -> None:
    document = batch()
    p.set_option(document, "default", "subnet-mask", "255.0.0.0")
    assert compiled(document).scopes[0].policy.options[1] == b"\xff\xff\xff\x00"
    assert texts(document, level="warning") == [
        "policy default: option subnet-mask = 255.0.0.0: is not sent: a client gets its scope's mask; unset it"
    ]


# --- scopes and segments ------------------------------------------------------------------------------------


def test_scopes_come_by_subnet_and_reserved_addresses_leave_the_ranges() -> None:
    document = batch()
    s.add_reservation(document, "examplescope", "192.168.50.20", "id:01:02")
    d.create_object(document, "scope", "zulu", ["10.0.0.0", "/8"], {"renew-only": "on"})
    d.create_object(document, "scope", "alpha", ["192.168.49.0", "/24"], {"deactivated": "on"})
    zulu, alpha, example = compiled(document).scopes
    assert [(x.name, x.index) for x in (zulu, alpha, example)] == [("zulu", 0), ("alpha", 1), ("examplescope", 2)]
    assert (zulu.renew_only, zulu.deactivated, alpha.renew_only, alpha.deactivated) == (True, False, False, True)
    assert list(example.ranges) == [(0xC0A8320A, 0xC0A83213), (0xC0A83215, 0xC0A832C8)]
    assert example.reservations[b"i\x01\x02"].address == 0xC0A83214


def test_a_scope_pings_as_it_says_or_else_as_the_server_says() -> None:
    document = batch()
    d.create_object(document, "scope", "other", ["10.0.0.0", "/24"], {"ping-clients": "off", "ping-timeout": "50"})
    s.add_range(document, "other", "10.0.0.10", "10.0.0.20")

    def waits() -> dict[str, int]:
        return {scope.name: scope.probe_ms for scope in compiled(document).scopes}

    assert waits() == {"other": 0, "examplescope": 0}
    d.enable(document, "dhcp", "", "ping-clients", True)
    assert waits() == {"other": 0, "examplescope": 300}
    d.set_attribute(document, "dhcp", "", "ping-timeout", "1000")
    d.unset_attribute(document, "scope", "other", "ping-clients")
    d.set_attribute(document, "dhcp", "", "max-ping-packets", "7")
    assert waits() == {"other": 50, "examplescope": 1000} and compiled(document).max_probes == 7


def test_scopes_give_by_subnet_where_no_priority_is_set() -> None:
    document = batch()
    for name, subnet, more in (("b", "10.2.0.0", {}), ("a", "10.1.0.0", {"allocate-first-available": "off"}),
                               ("first", "10.3.0.0", {"allocation-priority": "1"})):  # fmt: skip
        d.create_object(document, "scope", name, [subnet, "/24"], {"primary-subnet": "192.168.50.0/24", **more})
        s.add_range(document, name, subnet[:-1] + "10", subnet[:-1] + "20")
    plain = [scope.name for scope in compiled(document).networks[0].in_turn]
    d.enable(document, "dhcp", "", "priority-address-allocation", True)
    network = compiled(document).networks[0]
    assert plain[0] == "first" and [scope.name for scope in network.in_turn] == ["first", "a", "b", "examplescope"]
    lowest = {scope.name: scope.allocate_first_available for scope in network.scopes}
    assert lowest == {"first": True, "a": False, "b": True, "examplescope": True}


def test_secondary_scopes_join_their_primary() -> None:
    document = batch()
    d.create_object(document, "scope", "second", ["10.0.0.0", "/24"], {"primary-subnet": "192.168.50.0/24"})
    d.create_object(document, "scope", "alone", ["10.0.1.0", "/24"])
    config = compiled(document)
    assert [[x.name for x in network.scopes] for network in config.networks] == [["alone"], ["examplescope", "second"]]
    assert [network.index for network in config.networks] == [0, 1]
    assert config.network_for(parse_ipv4("10.0.0.7")) is config.networks[1]
    assert config.network_for(parse_ipv4("192.168.50.7")) is config.networks[1]
    assert config.network_for(parse_ipv4("10.0.1.255")) is config.networks[0]
    assert config.network_for(parse_ipv4("10.0.1.0")) is config.networks[0]
    assert config.network_for(parse_ipv4("10.0.2.0")) is None
    assert config.network_for(parse_ipv4("9.255.255.255")) is None
    assert config.network_for(0xFFFFFFFF) is None


def test_boundary() -> None:
    document = batch()
    name = "failover-backup-allocation-boundary"
    d.enable(document, "scope", "examplescope", "allocate-first-available", True)
    d.set_attribute(document, "scope", "examplescope", name, "192.168.50.99")
    scope = compiled(document).scopes[0]
    assert (scope.boundary, scope.allocate_first_available) == (0xC0A83263, True)
    d.set_attribute(document, "scope", "examplescope", name, "0")
    assert compiled(document).scopes[0].boundary is None
    d.enable(document, "scope", "examplescope", "allocate-first-available", False)
    assert compiled(document).scopes[0].boundary is None


def test_a_scopes_own_percentage_counts_whatever_failover_says() -> None:
    document = batch()
    d.set_attribute(document, "scope", "examplescope", "failover-backup-percentage", "0")
    assert compiled(document).scopes[0].backup_pct == 0
    d.set_attribute(document, "dhcp", "", "failover-backup-percentage", "30")
    assert compiled(document).scopes[0].backup_pct == 0
    d.unset_attribute(document, "scope", "examplescope", "failover-backup-percentage")
    assert compiled(document).scopes[0].backup_pct == 30


@pytest.mark.parametrize("local", [MAIN, BACKUP])
def test_both_servers_leave_both_servers_addresses_out(local: int) -> None:
    document = batch()
    d.create_object(document, "scope", "lo", ["127.0.0.0", "/24"])
    s.add_range(document, "lo", "127.0.0.10", "127.0.0.20")
    config, problems = compile_config(document, local)
    assert config is not None
    assert list(config.scopes[0].ranges) == [(0x7F00000A, 0x7F00000A), (0x7F00000D, 0x7F000014)]
    assert [(q.level, q.object, q.attribute) for q in problems] == [("warning", "scope lo", "ranges")] * 2
    assert sorted(q.value for q in problems) == ["127.0.0.11", "127.0.0.12"]
    d.enable(document, "dhcp", "", "failover", False)
    assert list(compiled(document, BACKUP).scopes[0].ranges) == [(0x7F00000A, 0x7F00000B), (0x7F00000D, 0x7F000014)]


# --- failover of segments -----------------------------------------------------------------------------------


def segment(first: dict[str, str], second: dict[str, str], *, server: bool = True) -> Document:
    document = batch()
    d.enable(document, "dhcp", "", "failover", server)
    for name, value in first.items():
        d.set_attribute(document, "scope", "examplescope", name, value)
    d.create_object(
        document, "scope", "second", ["10.0.0.0", "/24"], {"primary-subnet": "192.168.50.0/24", **second}
    )
    s.add_range(document, "second", "10.0.0.1", "10.0.0.9")
    return document


USE = {"failover": "use-server-settings"}
OFF = {"failover": "scope-disabled"}
OWN = {"failover": "scope-enabled", "failover-main-server": "127.0.0.11", "failover-backup-server": "127.0.0.13"}
SAME = {"failover": "scope-enabled", "failover-main-server": "127.0.0.11", "failover-backup-server": "127.0.0.12"}


@pytest.mark.parametrize(
    ("first", "second", "server", "names", "endpoint"),
    [
        (USE, USE, True, ["127.0.0.11-127.0.0.12"], 1),
        (USE, USE, False, [], 0),
        (OFF, USE, True, ["127.0.0.11-127.0.0.12"], 0),
        (USE, OFF, True, ["127.0.0.11-127.0.0.12"], 0),
        (OFF, OFF, True, ["127.0.0.11-127.0.0.12"], 0),
        (OWN, USE, True, ["127.0.0.11-127.0.0.12", "127.0.0.11-127.0.0.13"], 2),
        (USE, OWN, True, ["127.0.0.11-127.0.0.12", "127.0.0.11-127.0.0.13"], 2),
        (OWN, OWN, False, ["127.0.0.11-127.0.0.13"], 1),
        (SAME, SAME, True, ["127.0.0.11-127.0.0.12"], 1),
    ],
)
def test_one_scope_decides_for_its_segment(
    first: dict[str, str], second: dict[str, str], server: bool, names: list[str], endpoint: int
) -> None:
    config = compiled(segment(first, second, server=server))
    assert [e.name for e in config.endpoints] == names
    assert [network.endpoint for network in config.networks] == [endpoint]
    assert [scope.endpoint for scope in config.scopes] == [endpoint, endpoint]


def test_back_office_one_backup_for_two_mains() -> None:
    document: Document = {}
    for n in (11, 12):
        d.create_object(
            document, "scope", f"s{n}", [f"10.0.{n}.0", "/24"],
            {"failover": "scope-enabled", "failover-main-server": f"127.0.0.{n}",
             "failover-backup-server": "127.0.0.13"},
        )  # fmt: skip
    config = compiled(document, OTHER)
    assert [(e.name, e.main, e.local, e.peer) for e in config.endpoints] == [
        ("127.0.0.11-127.0.0.13", False, OTHER, MAIN),
        ("127.0.0.12-127.0.0.13", False, OTHER, BACKUP),
    ]
    assert [scope.endpoint for scope in config.scopes] == [1, 2]
    assert config.max_responses == 2000
    assert 4091 not in [ident for _, _, ident, _ in config.summary]


def test_symmetrical_two_relationships_with_one_partner() -> None:
    document: Document = {}
    for name, main, backup in (("a", 11, 12), ("b", 12, 11)):
        d.create_object(
            document, "scope", name, [f"10.0.{main}.0", "/24"],
            {"failover": "scope-enabled", "failover-main-server": f"127.0.0.{main}",
             "failover-backup-server": f"127.0.0.{backup}"},
        )  # fmt: skip
    assert [(e.name, e.main, e.peer) for e in compiled(document, MAIN).endpoints] == [
        ("127.0.0.11-127.0.0.12", True, BACKUP),
        ("127.0.0.12-127.0.0.11", False, BACKUP),
    ]
    assert [(e.name, e.main, e.peer) for e in compiled(document, BACKUP).endpoints] == [
        ("127.0.0.11-127.0.0.12", False, MAIN),
        ("127.0.0.12-127.0.0.11", True, MAIN),
    ]


def test_a_server_with_several_addresses_is_what_any_of_them_says() -> None:
    """S1.4: the address that is named as main or backup is used for failover, no other."""
    document = batch()
    config, _ = compile_config(document, OTHER, own=[MAIN, 0x0A000001])
    assert config is not None
    endpoint = config.endpoints[0]
    assert (endpoint.main, endpoint.local, endpoint.peer) == (True, MAIN, BACKUP)
    config, _ = compile_config(document, BACKUP, own=[MAIN])
    assert config is not None and not config.endpoints[0].main, "its --address comes first"
    _, problems = compile_config(document, OTHER, own=[MAIN, BACKUP])
    assert [str(p) for p in problems if p.level == "error"] == [
        "dhcp: failover-backup-server = 127.0.0.12: is this server's own address, and so is failover-main-server ="
        " 127.0.0.11; write the partner's"
    ]
    _, problems = compile_config(document, OTHER, own=[OTHER, 0x0A000001])
    assert any("is this server's own, 127.0.0.13, 10.0.0.1; write" in str(p) for p in problems)


# --- every error --------------------------------------------------------------------------------------------

SCOPE = {"addr": "10.0.0.0", "mask": "255.255.255.0", "ranges": [["10.0.0.10", "10.0.0.20"]]}
MAC = "1,6,00:00:00:00:00:01"
PAIR = {"failover": True, "failover-main-server": "127.0.0.11", "failover-backup-server": "127.0.0.12"}
POLICY_CHOICE = "there is no such policy; create it, or write another's name"

ERRORS: list[tuple[Document, list[str]]] = [
    # the pair
    ({"dhcp": {"failover": True}},
     ["dhcp: failover-main-server: failover needs both servers; set the address of this one"]),
    ({"dhcp": {**PAIR, "failover-backup-server": "127.0.0.11"}},
     ["dhcp: failover-backup-server = 127.0.0.11: is the main server's address too; write the partner's"]),
    ({"dhcp": {"failover": True, "failover-main-server": "127.0.0.11"}},
     ["dhcp: failover-backup-server: failover needs both servers; set the address of this one"]),
    ({"dhcp": {**PAIR, "failover-main-server": "127.0.0.13"}},
     ["dhcp: failover-main-server = 127.0.0.13: neither this address nor failover-backup-server = 127.0.0.12 is this"
      " server's own, 127.0.0.11; write that for the role that this server has"]),
    ({"dhcp": {**PAIR, "failover-poll-interval": 60}},
     ["dhcp: failover-poll-timeout = 60: must be more than failover-poll-interval = 60, best several times as much"]),
    ({"dhcp": {"failover-maximum-client-lead-time": 0}},
     ["dhcp: failover-maximum-client-lead-time: 0 is not a time from 1s to 52w (write seconds, or a mix such as"
      " 1w2d3h4m5s)"]),
    ({"dhcp": {"failover-maximum-client-lead-time": -3600}},
     ["dhcp: failover-maximum-client-lead-time: -3600 is not a time from 1s to 52w (write seconds, or a mix such as"
      " 1w2d3h4m5s)"]),
    ({"dhcp": {"failover-lease-period-factor": 0.5}},
     ["dhcp: failover-lease-period-factor: 0.5 is not a number from 1.0 to 10.0 (write 1.5 or 150%)"]),
    ({"dhcp": {"failover-main-server": "dhcp1.example.com"}},
     ["dhcp: failover-main-server: 'dhcp1.example.com' is not the IPv4 address of a server"
      ", e.g. 192.168.50.2 (a name is looked up when it is entered)"]),
    # segments
    ({"scope": {"a": {**SCOPE, "failover": "scope-enabled"}}},
     ["scope a: failover-main-server: failover needs both servers; set the address of this one"]),
    ({"scope": {"a": {**SCOPE, "failover": "scope-enabled", "failover-main-server": "1.1.1.1",
                      "failover-backup-server": "2.2.2.2"}}},
     ["scope a: failover-main-server = 1.1.1.1: neither this address nor failover-backup-server = 2.2.2.2 is this"
      " server's own, 127.0.0.11; write that for the role that this server has"]),
    (segment(OWN, OFF),
     ["scope second: failover = scope-disabled: scope examplescope on the same LAN segment is scope-enabled;"
      " write the same for both, or use-server-settings for one"]),
    (segment(OWN, SAME),
     ["scope second: failover-backup-server = 127.0.0.12: scope examplescope on the same LAN segment has 127.0.0.13;"
      " write the same for both"]),
    ({"scope": {"a": {**SCOPE, "primary-subnet": "10.9.0.0/24"}}},
     ["scope a: primary-subnet = 10.9.0.0/24: no scope has this subnet; write that of the primary scope, or unset it"]),
    ({"scope": {"a": {**SCOPE, "primary-subnet": "10.0.0.0/24"}}},
     ["scope a: primary-subnet = 10.0.0.0/24: is the scope's own subnet; write that of another scope, or unset it"]),
    ({"scope": {"a": SCOPE, "b": {"addr": "10.1.0.0", "mask": "255.255.255.0", "primary-subnet": "10.0.0.0/24"},
                "c": {"addr": "10.2.0.0", "mask": "255.255.255.0", "primary-subnet": "10.1.0.0/24"}}},
     ["scope c: primary-subnet = 10.1.0.0/24: scope b is itself secondary; write the subnet of the segment's primary"
      " scope"]),
    # scopes
    ({"scope": {"a": {**SCOPE, "policy": "none"}}}, [f"scope a: policy = none: {POLICY_CHOICE}"]),
    ({"scope": {"a": {"mask": "255.0.0.0"}}},
     ["scope a: addr: is required; delete the scope and create it anew"]),
    ({"scope": {"a": {"addr": "10.0.0.1", "mask": "255.0.0.0", "ranges": [["10.0.0.2", "10.0.0.3"]]}}},
     ["scope a: addr = 10.0.0.1: is not the network address of a subnet with mask 255.0.0.0;"
      " create the scope anew with 10.0.0.0"]),
    ({"scope": {"a": {"addr": "10.0.0.0", "mask": "255.0.255.0"}}},
     ["scope a: mask: '255.0.255.0' is not a network mask (write 255.255.255.0 or /24)"]),
    ({"scope": {"a": SCOPE, "b": {**SCOPE, "mask": "255.255.255.128"}}},
     ["scope b: addr = 10.0.0.0/255.255.255.128: overlaps scope a, 10.0.0.0/255.255.255.0;"
      " give each scope a subnet of its own"]),
    ({"scope": {"wide": {**SCOPE, "addr": "10.0.0.0", "mask": "255.0.0.0"}, "b": SCOPE,
                "c": {"addr": "10.200.0.0", "mask": "255.255.0.0", "ranges": [["10.200.0.1", "10.200.0.1"]]}}},
     ["scope b: addr = 10.0.0.0/255.255.255.0: overlaps scope wide, 10.0.0.0/255.0.0.0;"
      " give each scope a subnet of its own",
      "scope c: addr = 10.200.0.0/255.255.0.0: overlaps scope wide, 10.0.0.0/255.0.0.0;"
      " give each scope a subnet of its own"]),
    ({"scope": {"a": {**SCOPE, "failover-backup-allocation-boundary": "10.0.0.15"}}},
     ["scope a: failover-backup-allocation-boundary = 10.0.0.15: needs allocate-first-available: enable that, or"
      " unset the boundary"]),
    ({"scope": {"a": {**SCOPE, "failover-backup-allocation-boundary": "10.0.1.15", "allocate-first-available": True}}},
     ["scope a: failover-backup-allocation-boundary = 10.0.1.15: lies outside the scope's subnet; write one inside"
      " it"]),
    # ranges
    ({"scope": {"a": {**SCOPE, "ranges": [["10.0.0.10", "10.0.1.20"]]}}},
     ["scope a: ranges = 10.0.0.10 10.0.1.20: 10.0.1.20 lies outside the subnet;"
      " write one from 10.0.0.0 to 10.0.0.255"]),
    ({"scope": {"a": {**SCOPE, "ranges": [["10.0.0.0", "10.0.0.20"]]}}},
     ["scope a: ranges = 10.0.0.0 10.0.0.20: 10.0.0.0 is the network address of the subnet, which no client can have;"
      " write one from 10.0.0.1 to 10.0.0.254"]),
    ({"scope": {"a": {**SCOPE, "ranges": [["10.0.0.9", "10.0.0.255"]]}}},
     ["scope a: ranges = 10.0.0.9 10.0.0.255: 10.0.0.255 is the broadcast address of the subnet, which no client can"
      " have; write one from 10.0.0.1 to 10.0.0.254"]),
    ({"scope": {"a": {**SCOPE, "ranges": [["10.0.0.9", "10.0.0.8"]]}}},
     ["scope a: ranges = 10.0.0.9 10.0.0.8: its lowest address comes second; write it first"]),
    ({"scope": {"a": {**SCOPE, "ranges": [["10.0.0.20", "10.0.0.30"], ["10.0.0.10", "10.0.0.20"]]}}},
     ["scope a: ranges = 10.0.0.20 10.0.0.30: overlaps the range 10.0.0.10 10.0.0.20; remove one of them"]),
    ({"scope": {"a": {**SCOPE, "ranges": [["10.0.0.20"], "x", ["10.0.0.1", 5]]}}},
     ["scope a: ranges = ['10.0.0.20']: is not a pair [lowest, highest]; add it anew",
      "scope a: ranges = 'x': is not a pair [lowest, highest]; add it anew",
      "scope a: ranges: 5 is not an IPv4 address, e.g. 192.168.50.10"]),
    ({"scope": {"a": {**SCOPE, "ranges": {}}}},
     ["scope a: ranges = {}: is not a JSON list; remove it and set it anew"]),
    # reservations
    ({"scope": {"a": {**SCOPE, "reservations": [{"address": "10.0.1.1", "key": MAC}]}}},
     ["scope a: reservations = 10.0.1.1: lies outside the subnet; write one from 10.0.0.0 to 10.0.0.255"]),
    ({"scope": {"a": {**SCOPE, "reservations": [{"address": "10.0.0.0", "key": MAC}]}}},
     ["scope a: reservations = 10.0.0.0: is the network address of the subnet, which no client can have;"
      " write one from 10.0.0.1 to 10.0.0.254"]),
    ({"scope": {"a": {**SCOPE, "reservations": [{"address": "10.0.0.1", "key": MAC},
                                                {"address": "10.0.0.1", "key": "id:01"}]}}},
     ["scope a: reservations = 10.0.0.1: the address is reserved twice; remove one reservation"]),
    ({"scope": {"a": {**SCOPE, "reservations": [{"address": "10.0.0.1", "key": MAC},
                                                {"address": "10.0.0.2", "key": "00:00:00:00:00:01"}]}}},
     ["scope a: reservations = 10.0.0.2: its client has 10.0.0.1 reserved as well; remove one reservation"]),
    ({"scope": {"a": {**SCOPE, "reservations": [{"address": "10.0.0.1"}, 7, {"address": "x", "key": MAC}]}}},
     ["scope a reservation: key: is required; delete the reservation and create it anew",
      "scope a reservation: 7: is not a JSON object; delete it and create it anew",
      "scope a reservation: address: 'x' is not an IPv4 address, e.g. 192.168.50.10"]),
    # policies
    ({"policy": {"default": {"options": {"dhcp-lease-time": "0"}}}},
     ["policy default: option dhcp-lease-time: '0' is not a time from 1s to 3550w, or forever (write seconds, or a mix"
      " such as 1w2d3h4m5s)"]),
    ({"policy": {"default": {"options": {"domain-name": 5}}}},
     ["policy default: option domain-name: 5 is not text; write the value as text"]),
    ({"policy": {"default": {"options": {"dhcp-message-type": "5"}}}},
     ["policy default: option dhcp-message-type: option dhcp-message-type (53) is made by server or client itself;"
      " leave it out"]),
    ({"policy": {"default": {"options": []}}},
     ["policy default: options = []: is not a JSON object; remove it and set it anew"]),
    # shape
    ([], ["configuration: []: is not a JSON object of classes"]),
    ({"dhcp": 5}, ["dhcp: 5: is not a JSON object; remove it and set it anew"]),
    ({"scope": {"a": None}}, ["scope a: None: is not a JSON object; delete it and create it anew"]),
    ({"policy": {"system_default_policy": 5}},
     ["policy system_default_policy: 5: is not a JSON object; delete it and create it anew"]),
    ({"vpns": {}}, [f"configuration: 'vpns': this version knows no such class; it knows {', '.join(SERVED)}"]),
    ({"scope": {" a\n": SCOPE}},
     ["scope: ' a\\n': is not the name of a scope; write 1 to 128 printable characters, no space at either end"]),
    ({"dhcp": {"a\nb": 1}}, ["dhcp: a\\nb = 1: this version knows no such attribute; unset it"]),
    ({"dhcp": {"colour": "red"}}, ["dhcp: colour = 'red': this version knows no such attribute; unset it"]),
]  # type: ignore[list-item]  # fmt: skip


@pytest.mark.parametrize(("document", "expected"), ERRORS, ids=[expected[0][:60] for _, expected in ERRORS])
def test_every_error_names_object_attribute_value_and_what_to_do(document: Document, expected: list[str]) -> None:
    assert texts(document) == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (segment(OFF, USE, server=False),
         ["scope examplescope: failover = scope-disabled: has no effect: failover is off server-wide; unset it"]),
        ({"scope": {"a": {**SCOPE, "failover-main-server": "1.1.1.1"}}},
         ["scope a: failover-main-server = 1.1.1.1: is not used: failover is use-server-settings;"
          " set failover=scope-enabled, or unset this"]),
        ({"scope": {"a": {**SCOPE, "failover-main-server": "1.1.1.1", "failover-backup-server": "1.1.1.2"}}},
         ["scope a: failover-main-server = 1.1.1.1: is not used, nor is failover-backup-server: failover is"
          " use-server-settings; set failover=scope-enabled, or unset both"]),
        ({"scope": {"a": {"addr": "10.0.0.0", "mask": "255.0.0.0"}}},
         ["scope a: has no addresses to give; add a range ('scope a addRange')"]),
        ({"dhcp": {**PAIR, "failover-lease-period-factor": 1}},
         ["dhcp: failover-lease-period-factor = 1.0: makes a client's renewals shorter whenever the partner is away;"
          " write more than 1, best 1.5"]),
        ({"dhcp": {"failover-poll-interval": 60, "failover-lease-period-factor": 1}}, []),
    ],
)  # fmt: skip
def test_warnings_do_not_keep_it_from_taking_effect(document: Document, expected: list[str]) -> None:
    config, problems = compile_config(document, MAIN)
    assert config is not None
    assert [problem.text for problem in problems] == expected
    assert [text for _, _, ident, text in config.summary if ident == 4099] == expected


def test_a_problem_says_its_parts() -> None:
    _, problems = compile_config({"scope": {"a": {**SCOPE, "policy": "none"}}}, MAIN)
    assert problems == [Problem("error", "scope a", "policy", "none", f"scope a: policy = none: {POLICY_CHOICE}")]
    assert problems[0].fatal and str(problems[0]) == problems[0].text


# --- any document at all ------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ADDRESSES = st.sampled_from(
    ["10.0.0.0", "10.0.0.5", "10.0.0.9", "10.0.0.255", "10.1.0.0", "127.0.0.11", "127.0.0.12", "0.0.0.0", "x"]
)
VALUES = JSON | ADDRESSES | st.booleans() | st.sampled_from(
    ["255.255.255.0", "255.0.0.0", "10.0.0.0/24", "scope-enabled", "scope-disabled", "default", MAC, 1, 60, 3600]
)  # fmt: skip
PARTS: dict[str, st.SearchStrategy[Any]] = {
    "ranges": st.lists(st.lists(ADDRESSES, min_size=2, max_size=2) | JSON, max_size=3),
    "reservations": st.lists(st.fixed_dictionaries({"address": ADDRESSES, "key": st.just(MAC) | JSON}), max_size=3),
    "options": st.dictionaries(st.sampled_from(["routers", "dhcp-lease-time", "53"]) | st.text(), VALUES, max_size=3),
}
PARTS["vendor-options"] = st.dictionaries(
    st.sampled_from(["a", "b"]), st.dictionaries(st.sampled_from(["a", "1"]), VALUES, max_size=2) | JSON, max_size=2
)
PARTS["embedded-policy"] = st.fixed_dictionaries({}, optional={"grace-period": VALUES, "options": PARTS["options"]})


def any_object(name: str) -> st.SearchStrategy[Any]:
    cls = SECTIONS[name]
    attributes = st.dictionaries(st.sampled_from([*cls.by_name, "nonsense"]), VALUES, max_size=6)
    parts = st.fixed_dictionaries({}, optional={part: PARTS[part] | JSON for part in cls.parts})
    subnet = st.fixed_dictionaries({"addr": ADDRESSES, "mask": st.just("255.255.255.0")} if name == "scope" else {})
    return st.tuples(attributes, subnet, parts).map(lambda three: three[0] | three[1] | three[2])


NAMES = st.sampled_from(["default", "system_default_policy", "a", "b"]) | st.text(max_size=5)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "dhcp": any_object("dhcp") | JSON,
        "scope": st.dictionaries(NAMES, any_object("scope") | JSON, max_size=3) | JSON,
        "policy": st.dictionaries(NAMES, any_object("policy") | JSON, max_size=3) | JSON,
        "client": st.dictionaries(st.just(MAC) | NAMES, any_object("client") | JSON, max_size=3) | JSON,
        "option": st.dictionaries(NAMES, any_object("option") | JSON, max_size=3) | JSON,
        "option-set": st.dictionaries(NAMES, any_object("option-set") | JSON, max_size=3) | JSON,
        "vendor-option": st.dictionaries(NAMES, any_object("vendor-option") | JSON, max_size=3) | JSON,
        "client-class": st.dictionaries(NAMES, any_object("client-class") | JSON, max_size=3) | JSON,
        "other": JSON,
    },
)


@given(document=DOCUMENTS | JSON, local=st.sampled_from([MAIN, BACKUP, OTHER]))
def test_any_document_compiles_or_says_why_not(document: Any, local: int) -> None:
    before = copy.deepcopy(document)
    config, problems = compile_config(document, local)
    assert repr(document) == repr(before)
    assert (config is None) == any(problem.fatal for problem in problems)
    for problem in problems:
        assert problem.level in ("error", "warning") and problem.object and problem.text
        assert "\n" not in problem.text
    if config is not None:
        for scope in config.scopes:
            assert 0 <= scope.endpoint <= len(config.endpoints) and config.scopes[scope.index] is scope
            assert all(address not in scope.ranges for address in scope.reserved)
            assert all(lo & scope.mask == hi & scope.mask == scope.subnet for lo, hi in scope.ranges)
        assert sorted(x.index for n in config.networks for x in n.scopes) == list(range(len(config.scopes)))


# --- speed --------------------------------------------------------------------------------------------------


def test_cost_does_not_grow_with_addresses() -> None:
    document = {"scope": {"a": {"addr": "10.0.0.0", "mask": "255.0.0.0", "ranges": [["10.0.0.1", "10.255.255.254"]]}}}
    start = time.process_time()
    for _ in range(10):
        scope = compiled(document).scopes[0]
    assert time.process_time() - start < 0.5
    assert scope.ranges.size == 2**24 - 2


def test_five_thousand_scopes() -> None:
    document: Document = {"dhcp": PAIR, "scope": {}}
    for i in range(5000):
        net = f"10.{i >> 8}.{i & 255}"
        document["scope"][f"scope{i}"] = {
            "addr": f"{net}.0", "mask": "255.255.255.0", "ranges": [[f"{net}.10", f"{net}.200"]],
            "reservations": [{"address": f"{net}.9", "key": MAC}],
        }  # fmt: skip
    start = time.process_time()
    config = compiled(document)
    assert time.process_time() - start < 2
    assert len(config.networks) == 5000
    found = config.network_for(parse_ipv4("10.19.50.77"))
    assert found is not None and found.scopes[0].name == f"scope{19 << 8 | 50}"


def test_the_example_batch_in_the_documentation_form(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(batch()))
    assert compiled(json.loads(path.read_text())).endpoints[0].main


# --- TLS between the partners ---------------------------------------------------------------------------------

PRINTS = {n: bytes([n]) * 32 for n in (1, 2, 3)}


def with_tls(wanted: str, *fingerprints: str) -> Document:
    document = batch()
    d.set_attribute(document, "dhcp", "", "failover-tls", wanted)
    d.set_attribute(document, "dhcp", "", "failover-tls-partner-fingerprint", ",".join(fingerprints))
    return document


def test_each_partner_has_its_own_fingerprints_and_those_that_are_for_all() -> None:
    one, two, three = (PRINTS[n].hex() for n in (1, 2, 3))
    document = with_tls("required", f"127.0.0.12/{one}", f"127.0.0.13/{two}", three)
    config, problems = compile_config(document, MAIN, certificate=b"mine")
    assert config is not None and not problems
    (endpoint,) = config.endpoints
    assert (endpoint.tls, endpoint.certificate) == ("required", b"mine")
    assert endpoint.partner_fingerprints == (PRINTS[1], PRINTS[3])


@pytest.mark.parametrize("wanted", ["desired", "required"])
def test_tls_needs_the_fingerprint_of_each_partner(wanted: str) -> None:
    for document in (with_tls(wanted), with_tls(wanted, f"127.0.0.13/{PRINTS[1].hex()}")):
        (text,) = texts(document)
        assert "fingerprint of 127.0.0.12: run 'dhcp getFailoverCertificate' there" in text
    document = with_tls(wanted)
    d.enable(document, "dhcp", "", "failover", False)
    assert texts(document) == [], "without a partner nothing of it counts"


@pytest.mark.parametrize(
    ("wanted", "in_force", "said"), [("desired", "off", "is off"), ("required", "required", "refuses")]
)
def test_a_server_without_a_certificate_serves_and_stays_as_safe_as_it_was_told(
    wanted: str, in_force: str, said: str
) -> None:
    document = with_tls(wanted, PRINTS[1].hex())
    assert compiled(document).endpoints[0].tls == in_force
    (text,) = texts(document, level="warning")
    assert said in text and "tandem local" in text
