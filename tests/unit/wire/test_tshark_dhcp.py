"""Wireshark's dissector reads what we send, field by field; scapy's packets are read by us.

The capture is built here, byte by byte; nothing is sent. Known mistakes of the dissector (tshark 4.0): it shows the
labels of option 137 raw, not as a name; it wants option 158's list length to count itself, where RFC 7291 section 4.1
has the length of the addresses, so that option is left out.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess

import pytest

from tandem.base.ipv4 import parse_ipv4
from tandem.wire import dhcp
from tandem.wire.dhcp import Message, decode, encode, encode_reply, pack_option
from tandem.wire.options import all_options, decode_value, encode_value, find_option

pytestmark = pytest.mark.slow
MAC = bytes.fromhex("00d0bad3bd3b")
REQUEST = Message(
    htype=1, hops=1, xid=0x12345678, secs=7, flags=0x8000, ciaddr=0, giaddr=parse_ipv4("192.168.50.254"), chaddr=MAC,
    options={53: b"\x03"},
)  # fmt: skip

ADDRESSES = "10.0.0.1,10.0.0.2"
VALUES = [
    # option, what an operator writes, the dissector's field, what it shows there
    ("subnet-mask", "255.255.255.0", "subnet_mask", "255.255.255.0"),
    ("time-offset", "-18000", "time_offset", "-18000"),
    ("routers", ADDRESSES, "router", ADDRESSES),
    ("time-servers", ADDRESSES, "time_server", ADDRESSES),
    ("name-servers", ADDRESSES, "name_server", ADDRESSES),
    ("domain-name-servers", ADDRESSES, "domain_name_server", ADDRESSES),
    ("log-servers", ADDRESSES, "log_server", ADDRESSES),
    ("cookie-servers", ADDRESSES, "quotes_server", ADDRESSES),
    ("lpr-servers", ADDRESSES, "lpr_server", ADDRESSES),
    ("impress-servers", ADDRESSES, "impress_server", ADDRESSES),
    ("resource-location-servers", ADDRESSES, "resource_location_server", ADDRESSES),
    ("host-name", "printer", "hostname", "printer"),
    ("boot-size", "4660", "boot_file_size", "4660"),
    ("merit-dump", "/dump", "merit_dump_file", "/dump"),
    ("domain-name", "example.com", "domain_name", "example.com"),
    ("swap-server", "10.0.0.9", "swap_server", "10.0.0.9"),
    ("root-path", "/root", "root_path", "/root"),
    ("extensions-path", "/ext", "extension_path", "/ext"),
    ("ip-forwarding", "true", "ip_forwarding", "1"),
    ("non-local-source-routing", "false", "non_local_source_routing", "0"),
    ("policy-filters", "10.1.0.0 255.255.0.0,10.2.0.0 255.255.0.0", "policy_filter.ip", "10.1.0.0,10.2.0.0"),
    ("max-dgram-reassembly", "576", "max_datagram_reassembly_size", "576"),
    ("default-ip-ttl", "64", "default_ip_ttl", "64"),
    ("path-mtu-aging-timeout", "10m", "path_mtu_aging_timeout", "600"),
    ("path-mtu-plateau-tables", "68,296,1500", "path_mtu_plateau_table_item", "68,296,1500"),
    ("interface-mtu", "1500", "interface_mtu", "1500"),
    ("all-subnets-local", "true", "all_subnets_are_local", "1"),
    ("broadcast-address", "192.168.50.255", "broadcast_address", "192.168.50.255"),
    ("perform-mask-discovery", "false", "perform_mask_discovery", "0"),
    ("mask-supplier", "true", "mask_supplier", "1"),
    ("router-discovery", "true", "perform_router_discover", "1"),
    ("router-solicitation-address", "10.0.0.8", "router_solicitation_address", "10.0.0.8"),
    ("static-routes", "10.1.0.1 10.0.0.1,10.1.0.2 10.0.0.2", "static_route.router", ADDRESSES),
    ("trailer-encapsulation", "false", "trailer_encapsulation", "0"),
    ("arp-cache-timeout", "60", "arp_cache_timeout", "60"),
    ("ieee802.3-encapsulation", "true", "ethernet_encapsulation", "1"),
    ("default-tcp-ttl", "65", "tcp_default_ttl", "65"),
    ("tcp-keepalive-interval", "2h", "tcp_keepalive_interval", "7200"),
    ("tcp-keepalive-garbage", "false", "tcp_keepalive_garbage", "0"),
    ("nis-domain", "nis", "nis_domain", "nis"),
    ("nis-servers", ADDRESSES, "nis_server", ADDRESSES),
    ("ntp-servers", ADDRESSES, "ntp_server", ADDRESSES),
    ("netbios-name-servers", ADDRESSES, "netbios_over_tcpip_name_server", ADDRESSES),
    ("netbios-dd-servers", ADDRESSES, "netbios_over_tcpip_dd_name_server", ADDRESSES),
    ("netbios-node-type", "8", "netbios_over_tcpip_node_type", "8"),
    ("netbios-scope", "scope", "netbios_over_tcpip_scope", "scope"),
    ("font-servers", ADDRESSES, "xwindows_system_font_server", ADDRESSES),
    ("x-display-managers", ADDRESSES, "xwindows_system_display_manager", ADDRESSES),
    ("dhcp-requested-address", "10.0.0.7", "requested_ip_address", "10.0.0.7"),
    ("dhcp-lease-time", "3d", "ip_address_lease_time", "259200"),
    ("dhcp-server-identifier", "10.0.0.6", "dhcp_server_id", "10.0.0.6"),
    ("dhcp-parameter-request-list", "1,3,6", "request_list_item", "1,3,6"),
    ("dhcp-message", "no more addresses", "message", "no more addresses"),
    ("dhcp-max-message-size", "1400", "dhcp_max_message_size", "1400"),
    ("dhcp-renewal-time", "36h", "renewal_time_value", "129600"),
    ("dhcp-rebinding-time", "63h", "rebinding_time_value", "226800"),
    ("dhcp-class-identifier", "vendor", "vendor_class_id", "vendor"),
    ("nis+-domain", "nisplus", "nis_plus_domain", "nisplus"),
    ("nis+-servers", ADDRESSES, "nis_plus_server", ADDRESSES),
    ("tftp-server", "tftp.example.com", "tftp_server_name", "tftp.example.com"),
    ("boot-file", "kernel", "bootfile_name", "kernel"),
    ("mobile-ip-home-agents", ADDRESSES, "mobile_ip_home_agent", ADDRESSES),
    ("smtp-servers", ADDRESSES, "smtp_server", ADDRESSES),
    ("pop3-servers", ADDRESSES, "pop3_server", ADDRESSES),
    ("nntp-servers", ADDRESSES, "nntp_server", ADDRESSES),
    ("www-servers", ADDRESSES, "default_www_server", ADDRESSES),
    ("finger-servers", ADDRESSES, "default_finger_server", ADDRESSES),
    ("irc-servers", ADDRESSES, "default_irc_server", ADDRESSES),
    ("streettalk-servers", ADDRESSES, "streettalk_server", ADDRESSES),
    ("streettalk-directory-assistance-servers", ADDRESSES, "streettalk_da_server", ADDRESSES),
    ("dhcp-user-class-id", "mobile,guest", "user_class.data", "6d6f62696c65,6775657374"),
    ("slp-directory-agent", "1 10.0.0.1,10.0.0.2", "slp_directory_agent.slpda_address", ADDRESSES),
    ("slp-service-scope", "0 office", "slp_service_scope.string", "office"),
    ("client-fqdn", "5 255 255 host.example.com", "/fqdn.name", "host.example.com"),
    ("relay-agent-info", "1=00:04,2=ff", "agent_information_option.agent_circuit_id", "0004"),
    ("nds-servers", ADDRESSES, "novell_dss.ip", ADDRESSES),
    ("nds-tree", "tree", "novell_ds_tree_name", "tree"),
    ("nds-context", "ctx", "novell_ds_context", "ctx"),
    ("lq-client-last-transaction-time", "5", "client_last_transaction_time", "5"),
    ("lq-associated-ip", ADDRESSES, "associated_ip_option", ADDRESSES),
    ("pxe-client-arch", "7", "client_system_architecture", "7"),
    ("pcode", "EST5EDT", "tz_pcode", "EST5EDT"),
    ("tcode", "Europe/Zurich", "tz_tcode", "Europe/Zurich"),
    ("netinfo-parent-server-addr", ADDRESSES, "netinfo_parent_server_address", ADDRESSES),
    ("netinfo-parent-server-tag", "tag", "netinfo_parent_server_tag", "tag"),
    ("captive-portal", "https://portal.example", "captive_portal", "https://portal.example"),
    ("auto-configure", "0", "dhcp_auto_configuration", "0"),
    ("subnet-selection", "10.0.0.0", "subnet_selection_option", "10.0.0.0"),
    (
        "domain-search", "eng.example.com,sales.example.com", "dhcp_dns_domain_search_list_fqdn",
        "eng.example.com,sales.example.com",
    ),
    ("sip-servers", ADDRESSES, "sip_server.address", ADDRESSES),
    (
        "classless-static-route", "10.0.0.0/8 10.0.0.1,0.0.0.0/0 10.0.0.2", "classless_static_route",
        "080a0a000001,000a000002",
    ),
    ("v-i-vendor-class", "4491=41:42", "vi_class.enterprise", "4491"),
    ("v-i-vendor-info", "9=01:02:41:42", "vi.enterprise", "9"),
    ("pana-agent", ADDRESSES, "pana_agent", ADDRESSES),
    ("lost-server", "lost.example.com", "lost_server_domain_name", "\4lost\7example\3com"),
    ("capwap-ac", ADDRESSES, "capwap_access_controller", ADDRESSES),
    ("andsf-address", ADDRESSES, "andsf_server", ADDRESSES),
    ("forcerenew-nonce-capable", "1", "forcerenew_nonce.algorithm", "1"),
    ("rdnss-selection", "1 10.0.0.1 10.0.0.2 example.com", "rdnss.domain", "example.com"),
    ("tftp-server-address", ADDRESSES, "tftp_server_address", ADDRESSES),
    ("bulk-lq-status-code", "1 unspecified", "bulk_lease.status_code_message", "unspecified"),
    ("bulk-lq-start-time-of-state", "60", "bulk_lease.start_time_of_state", "60"),
    ("port-params", "6 8 61440", "portparams.psid_length", "8"),
    ("mud-url", "https://mud.example", "mudurl", "https://mud.example"),
    ("6rd", "0 32 2001:db8:: 10.0.0.1", "6RD.prefix", "2001:db8::"),
    ("wpad-url", "http://wpad.example", "private_proxy_autodiscovery", "http://wpad.example"),
]  # fmt: skip


def capture(messages: list[bytes]) -> bytes:
    """A pcap file with each message in a UDP datagram of its own, from port 67 to port 67."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for message in messages:
        udp = struct.pack(">HHHH", 67, 67, 8 + len(message), 0) + message
        ip = struct.pack(
            ">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
        )
        packet = bytes.fromhex("0200000000020200000000010800") + ip + udp
        out.append(struct.pack("<IIII", 1795473676, 0, len(packet), len(packet)) + packet)
    return b"".join(out)


def dissect(tmp_path, messages: list[bytes], fields: list[str]) -> list[dict[str, str]]:
    """What the dissector shows in ``fields`` of each message; several values with commas between."""
    if shutil.which("tshark") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("tshark is missing: install the Debian package tshark")
        pytest.skip("tshark is missing: install the Debian package tshark")
    file = tmp_path / "dhcp.pcap"
    file.write_bytes(capture(messages))
    columns = [word for field in fields for word in ("-e", field)]
    done = subprocess.run(
        ["tshark", "-n", "-r", str(file), "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", *columns],
        capture_output=True, timeout=120, check=True, text=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert len(lines) == len(messages), done.stderr
    return [dict(zip(fields, line.split("\t"), strict=True)) for line in lines]


HEADER = {
    "dhcp.type": "2",
    "dhcp.hw.type": "0x01",
    "dhcp.hw.len": "6",
    "dhcp.hops": "0",
    "dhcp.id": "0x12345678",
    "dhcp.secs": "0",
    "dhcp.flags": "0x8000",
    "dhcp.flags.bc": "1",
    "dhcp.hw.mac_addr": "00:d0:ba:d3:bd:3b",
    "dhcp.ip.relay": "192.168.50.254",
    "dhcp.cookie": "99.130.83.99",
    "_ws.malformed": "",
    "_ws.expert.message": "",
}


def field(name: str) -> str:
    return "dhcp." + name[1:] if name.startswith("/") else "dhcp.option." + name


END = "0"
"""What the dissector shows as the type of END."""
DISSECTED = {find_option(name).code for name, *_ in VALUES}


def groups() -> list[list[tuple[str, str, str, str]]]:
    """VALUES in packets of up to 12 options, as a server's replies have."""
    return [VALUES[i : i + 12] for i in range(0, len(VALUES), 12)]


@pytest.mark.parametrize("kind", [dhcp.OFFER, dhcp.ACK])
def test_replies_are_dissected_as_meant(tmp_path, kind):
    replies = [
        encode_reply(
            REQUEST, kind, yiaddr=parse_ipv4("192.168.50.10"), siaddr=parse_ipv4("192.168.50.2"),
            ciaddr=parse_ipv4("192.168.50.11"), sname=b"boss", file=b"/boot",
            options=b"".join(pack_option(find_option(name).code, encode_value(name, text)) for name, text, *_ in group),
        )
        for group in groups()
    ]  # fmt: skip
    header = HEADER | {
        "dhcp.ip.your": "192.168.50.10",
        "dhcp.ip.server": "192.168.50.2",
        "dhcp.ip.client": "192.168.50.11",
        "dhcp.server": "boss",
        "dhcp.file": "/boot",
        "dhcp.option.dhcp": str(kind),
    }
    fields = [*header, "dhcp.option.type", *dict.fromkeys(field(name) for _, _, name, _ in VALUES)]
    for group, shown in zip(groups(), dissect(tmp_path, replies, fields), strict=True):
        assert {name: shown[name] for name in header} == header
        assert shown["dhcp.option.type"].split(",")[0] == "53"
        for option, text, name, expected in group:
            assert str(find_option(option).code) in shown["dhcp.option.type"].split(",")
            assert shown[field(name)] == expected, (option, text)


def test_the_dissector_is_asked_about_most_options():
    """The others have no field of their own in the dissector, or a known mistake."""
    assert {option.code for option in all_options()} - DISSECTED == {
        43, 52, 53, 61, 62, 63, 80, 83, 88, 89, 90, 94, 95, 97, 98, 99, 108, 109, 117, 122, 123, 139, 140, 141, 143,
        144, 147, 148, 152, 154, 155, 156, 157, 158, 160, 162, 208, 209, 210, 211, 213, 220, 221, 249,
    }  # fmt: skip


def test_options_without_fields_of_their_own_are_at_least_well_formed(tmp_path):
    texts = {
        "vendor-encapsulated-options": "01:02:41:42",
        "netware-ip-domain": "nw", "rapid-commit": "", "bcmcs-servers-d": "a.example,b.example",
        "bcmcs-servers-a": ADDRESSES, "ldap-url": "ldap://ldap.example", "user-auth": "http://auth.example",
        "ipv6-only-preferred": "30m", "dhcp4o6-s46-saddr": "2001:db8::1", "name-service-search": "6,41",
        "sip-ua-cs-domains": "a.example", "sztp-redirect": "https://boot.example", "dots-ri": "dots.example.com",
        "dots-address": ADDRESSES, "pxelinux-config-file": "conf", "pxelinux-path-prefix": "prefix/",
        "pxelinux-reboot-time": "30", "access-domain": "access.example",
        "microsoft-classless-static-route": "10.0.0.0/8 10.0.0.1", "option-224": "00:ff",
    }  # fmt: skip
    values = [(find_option(name).code, encode_value(name, text)) for name, text in texts.items()]
    data = encode_reply(REQUEST, dhcp.ACK, options=b"".join(pack_option(code, value) for code, value in values))
    shown = dissect(tmp_path, [data], [*HEADER, "dhcp.option.type", "dhcp.option.length", "dhcp.option.value"])[0]
    assert {name: shown[name] for name in HEADER} == HEADER
    assert shown["dhcp.option.type"] == ",".join(["53", *(str(code) for code, _ in values), END])
    assert shown["dhcp.option.length"] == ",".join(["1", *(str(len(value)) for _, value in values)])
    assert shown["dhcp.option.value"].split(",") == ["05", *(value.hex() or "<MISSING>" for _, value in values)]


def test_a_nak_a_bootp_reply_and_a_request_are_dissected_as_meant(tmp_path):
    nak = encode_reply(
        REQUEST, dhcp.NAK, options=pack_option(54, bytes([10, 0, 0, 1])) + pack_option(56, b"wrong network")
    )  # fmt: skip
    bootp = encode_reply(REQUEST, 0, yiaddr=parse_ipv4("192.168.50.9"), options=pack_option(1, b"\xff\xff\xff\0"))
    options = {55: b"\1\3\6", 53: b"\1", 61: b"\1" + MAC, 12: b"printer"}
    discover = encode(Message(xid=5, secs=3, hops=1, chaddr=MAC, options=options))
    fields = [*HEADER, "dhcp.option.dhcp", "dhcp.option.dhcp_server_id", "dhcp.option.message", "dhcp.ip.your",
              "dhcp.option.type", "dhcp.option.hostname"]  # fmt: skip
    first, second, third = dissect(tmp_path, [nak, bootp, discover], fields)
    assert {name: first[name] for name in HEADER} == HEADER
    assert (first["dhcp.option.dhcp"], first["dhcp.ip.your"]) == ("6", "0.0.0.0")
    assert (first["dhcp.option.dhcp_server_id"], first["dhcp.option.message"]) == ("10.0.0.1", "wrong network")
    assert {name: second[name] for name in HEADER} == HEADER
    assert (second["dhcp.option.type"], second["dhcp.ip.your"]) == (f"1,{END}", "192.168.50.9")
    assert (third["dhcp.type"], third["dhcp.id"], third["dhcp.secs"]) == ("1", "0x00000005", "3")
    assert third["dhcp.option.type"] == f"53,55,61,12,{END}" and third["dhcp.option.hostname"] == "printer"
    assert third["_ws.malformed"] == "" and third["_ws.expert.message"] == ""


def test_overloaded_fields_are_dissected_as_meant(tmp_path):
    options = {53: b"\x05", 54: bytes([10, 0, 0, 1])} | {
        code: encode_value(code, f"{code}.{'x' * 40}") for code in (12, 14, 15, 17, 18, 40, 47, 64, 66, 67)
    }
    data = encode(
        Message(op=2, xid=0x12345678, flags=0x8000, chaddr=MAC, giaddr=REQUEST.giaddr, options=options), max_size=548
    )
    assert len(data) <= 548
    texts = {12: "hostname", 14: "merit_dump_file", 15: "domain_name", 17: "root_path", 18: "extension_path",
             40: "nis_domain", 66: "tftp_server_name", 67: "bootfile_name"}  # fmt: skip
    fields = [*HEADER, "dhcp.option.option_overload", "dhcp.option.type", *map(field, texts.values())]
    shown = dissect(tmp_path, [data], fields)[0]
    notes = {"_ws.expert.message": "Server name option overloaded by DHCP,Boot file name option overloaded by DHCP"}
    assert {name: shown[name] for name in HEADER} == HEADER | notes
    assert shown["dhcp.option.option_overload"] == "3"
    assert {int(code) for code in shown["dhcp.option.type"].split(",")} == {*options, 52, int(END)}
    whole = {code: shown[field(name)].replace(",", "") for code, name in texts.items()}  # a piece each, commas between
    assert whole == {code: options[code].decode() for code in texts}


def test_a_long_option_is_dissected_as_pieces(tmp_path):
    routes = ",".join(f"10.{i}.0.0/16 10.0.0.1" for i in range(60))
    value = encode_value("classless-static-route", routes)
    assert len(value) == 420
    data = encode_reply(REQUEST, dhcp.ACK, options=pack_option(224, value) + pack_option(121, value[:252]))
    shown = dissect(tmp_path, [data], [*HEADER, "dhcp.option.type", "dhcp.option.length"])[0]
    assert {name: shown[name] for name in HEADER} == HEADER
    assert shown["dhcp.option.type"] == f"53,224,224,121,{END}"
    assert shown["dhcp.option.length"] == "1,255,165,252"
    assert decode_value(121, decode(data).options[224]) == routes


def test_scapy_and_we_understand_each_other():
    from scapy.layers import dhcp as layers  # here, as it takes a second

    theirs = layers.BOOTP(
        op=1, htype=1, hlen=6, hops=3, xid=0xDEADBEEF, secs=9, flags=0x8000, ciaddr="10.0.0.1", yiaddr="10.0.0.2",
        siaddr="10.0.0.3", giaddr="10.0.0.4", chaddr=MAC, sname=b"boss", file=b"/boot",
    ) / layers.DHCP(
        options=[
            ("message-type", "request"), ("requested_addr", "10.0.0.9"), ("server_id", "10.0.0.1"),
            ("lease_time", 600), ("hostname", b"printer"), ("param_req_list", [1, 3, 6]), ("client_id", b"\1" + MAC),
            ("name_server", "10.0.0.5", "10.0.0.6"), ("max_dhcp_size", 1500), "end",
        ]
    )  # fmt: skip
    message = decode(bytes(theirs))
    assert message == Message(
        op=1, hops=3, xid=0xDEADBEEF, secs=9, flags=0x8000, ciaddr=parse_ipv4("10.0.0.1"),
        yiaddr=parse_ipv4("10.0.0.2"), siaddr=parse_ipv4("10.0.0.3"), giaddr=parse_ipv4("10.0.0.4"), chaddr=MAC,
        sname=b"boss", file=b"/boot",
        options={
            53: b"\3", 50: bytes([10, 0, 0, 9]), 54: bytes([10, 0, 0, 1]), 51: bytes([0, 0, 2, 88]), 12: b"printer",
            55: b"\1\3\6", 61: b"\1" + MAC, 6: bytes([10, 0, 0, 5, 10, 0, 0, 6]), 57: b"\x05\xdc",
        },
    )  # fmt: skip
    ours = layers.BOOTP(encode(message))
    assert (ours.xid, ours.giaddr, ours.chaddr[:6], ours.sname.rstrip(b"\0")) == (0xDEADBEEF, "10.0.0.4", MAC, b"boss")
    assert ours[layers.DHCP].options[:2] == [("message-type", 3), ("requested_addr", "10.0.0.9")]
