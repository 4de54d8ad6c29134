"""Every standard DHCPv4 option: number, name, kind of value; values to bytes and back for operators.

Responsible for the table and for errors that name option, value and what is allowed. Does not know messages, nor
which option a server sends when.
Names are those that operators of Network Registrar know; those of dhcpd and other well-known names are accepted too.

Source: IANA "BOOTP Vendor Extensions and DHCP Options"; each row names its text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from tandem.base.errors import WireError
from tandem.wire.option_types import KINDS
from tandem.wire.option_values import format_hex


@dataclass(frozen=True, slots=True)
class OptionDef:
    """One option."""

    code: int
    name: str
    kind: str
    """Key into ``option_types.KINDS``."""
    source: str
    """The text that defines it."""
    aliases: tuple[str, ...] = ()
    """Other names by which ``find_option`` knows it."""
    lowest: int = 0
    """Smallest number (of each, in a list) that its text allows."""
    among: tuple[int, ...] = ()
    """The only numbers allowed; empty = any from ``lowest``."""

    @property
    def allowed(self) -> str:
        """What an operator may write: how many values, of which kind, with an example."""
        text = KINDS[self.kind].allowed
        if self.among:
            return f"one of {', '.join(map(str, self.among))}"
        return f"{text}, at least {self.lowest}" if self.lowest else text


def _o(
    code: int, name: str, kind: str, source: str, *aliases: str, lowest: int = 0, among: tuple[int, ...] = ()
) -> OptionDef:
    """A row of the table."""
    return OptionDef(code, name, kind, source, aliases, lowest, among)


_ROWS = (
    _o(1, "subnet-mask", "mask", "RFC 2132 3.3"),
    _o(2, "time-offset", "signed-time", "RFC 2132 3.4"),
    _o(3, "routers", "ips", "RFC 2132 3.5", "router"),
    _o(4, "time-servers", "ips", "RFC 2132 3.6", "time-server"),
    _o(5, "name-servers", "ips", "RFC 2132 3.7", "ien116-name-servers", "name-server"),
    _o(6, "domain-name-servers", "ips", "RFC 2132 3.8", "domain-server", "domain-name-server", "dns-servers"),
    _o(7, "log-servers", "ips", "RFC 2132 3.9", "log-server"),
    _o(8, "cookie-servers", "ips", "RFC 2132 3.10", "cookie-server", "quotes-server"),
    _o(9, "lpr-servers", "ips", "RFC 2132 3.11", "lpr-server"),
    _o(10, "impress-servers", "ips", "RFC 2132 3.12", "impress-server"),
    _o(11, "resource-location-servers", "ips", "RFC 2132 3.13", "rlp-server", "resource-location-server"),
    _o(12, "host-name", "string", "RFC 2132 3.14", "hostname"),
    _o(13, "boot-size", "u16", "RFC 2132 3.15", "boot-file-size"),
    _o(14, "merit-dump", "string", "RFC 2132 3.16", "merit-dump-file"),
    _o(15, "domain-name", "string", "RFC 2132 3.17"),
    _o(16, "swap-server", "ip", "RFC 2132 3.18"),
    _o(17, "root-path", "string", "RFC 2132 3.19"),
    _o(18, "extensions-path", "string", "RFC 2132 3.20", "extension-file"),
    _o(19, "ip-forwarding", "bool", "RFC 2132 4.1"),
    _o(20, "non-local-source-routing", "bool", "RFC 2132 4.2"),
    _o(21, "policy-filters", "pairs", "RFC 2132 4.3", "policy-filter"),
    _o(22, "max-dgram-reassembly", "u16", "RFC 2132 4.4", lowest=576),
    _o(23, "default-ip-ttl", "u8", "RFC 2132 4.5", lowest=1),
    _o(24, "path-mtu-aging-timeout", "time", "RFC 2132 4.6"),
    _o(25, "path-mtu-plateau-tables", "u16s", "RFC 2132 4.7", "path-mtu-plateau-table", lowest=68),
    _o(26, "interface-mtu", "u16", "RFC 2132 5.1", "mtu", lowest=68),
    _o(27, "all-subnets-local", "bool", "RFC 2132 5.2"),
    _o(28, "broadcast-address", "ip", "RFC 2132 5.3"),
    _o(29, "perform-mask-discovery", "bool", "RFC 2132 5.4", "mask-discovery"),
    _o(30, "mask-supplier", "bool", "RFC 2132 5.5"),
    _o(31, "router-discovery", "bool", "RFC 2132 5.6", "perform-router-discovery"),
    _o(32, "router-solicitation-address", "ip", "RFC 2132 5.7"),
    _o(33, "static-routes", "pairs", "RFC 2132 5.8", "static-route"),
    _o(34, "trailer-encapsulation", "bool", "RFC 2132 6.1"),
    _o(35, "arp-cache-timeout", "time", "RFC 2132 6.2", "arp-timeout"),
    _o(36, "ieee802.3-encapsulation", "bool", "RFC 2132 6.3", "ieee802-3-encapsulation", "ethernet-encapsulation"),
    _o(37, "default-tcp-ttl", "u8", "RFC 2132 7.1", lowest=1),
    _o(38, "tcp-keepalive-interval", "time", "RFC 2132 7.2"),
    _o(39, "tcp-keepalive-garbage", "bool", "RFC 2132 7.3"),
    _o(40, "nis-domain", "string", "RFC 2132 8.1"),
    _o(41, "nis-servers", "ips", "RFC 2132 8.2"),
    _o(42, "ntp-servers", "ips", "RFC 2132 8.3", "ntp-server"),
    _o(43, "vendor-encapsulated-options", "bytes", "RFC 2132 8.4", "vendor-specific"),
    _o(44, "netbios-name-servers", "ips", "RFC 2132 8.5"),
    _o(45, "netbios-dd-servers", "ips", "RFC 2132 8.6", "netbios-dd-server"),
    _o(46, "netbios-node-type", "u8", "RFC 2132 8.7", among=(1, 2, 4, 8)),
    _o(47, "netbios-scope", "string", "RFC 2132 8.8"),
    _o(48, "font-servers", "ips", "RFC 2132 8.9"),
    _o(49, "x-display-managers", "ips", "RFC 2132 8.10", "x-display-manager"),
    _o(50, "dhcp-requested-address", "ip", "RFC 2132 9.1", "requested-address"),
    _o(51, "dhcp-lease-time", "time", "RFC 2132 9.2", "lease-time"),
    _o(52, "dhcp-option-overload", "u8", "RFC 2132 9.3", "option-overload", among=(1, 2, 3)),
    _o(53, "dhcp-message-type", "u8", "RFC 2132 9.6", lowest=1),
    _o(54, "dhcp-server-identifier", "ip", "RFC 2132 9.7", "server-identifier", "server-id"),
    _o(55, "dhcp-parameter-request-list", "u8s", "RFC 2132 9.8", "parameter-request-list"),
    _o(56, "dhcp-message", "string", "RFC 2132 9.9", "message"),
    _o(57, "dhcp-max-message-size", "u16", "RFC 2132 9.10", "max-message-size", lowest=576),
    _o(58, "dhcp-renewal-time", "time", "RFC 2132 9.11", "renewal-time"),
    _o(59, "dhcp-rebinding-time", "time", "RFC 2132 9.12", "rebinding-time"),
    _o(60, "dhcp-class-identifier", "string", "RFC 2132 9.13", "vendor-class-identifier", "class-identifier"),
    _o(61, "dhcp-client-identifier", "bytes", "RFC 2132 9.14", "client-identifier", "client-id"),
    _o(62, "netware-ip-domain", "string", "RFC 2242 2", "nwip-domain"),
    _o(63, "netware-ip-information", "bytes", "RFC 2242 3", "nwip-suboptions"),
    _o(64, "nis+-domain", "string", "RFC 2132 8.11", "nisplus-domain", "nis-plus-domain"),
    _o(65, "nis+-servers", "ips", "RFC 2132 8.12", "nisplus-servers", "nis-plus-servers"),
    _o(66, "tftp-server", "string", "RFC 2132 9.4", "tftp-server-name"),
    _o(67, "boot-file", "string", "RFC 2132 9.5", "bootfile-name", "boot-file-name"),
    _o(68, "mobile-ip-home-agents", "ips", "RFC 2132 8.13", "mobile-ip-home-agent"),
    _o(69, "smtp-servers", "ips", "RFC 2132 8.14", "smtp-server"),
    _o(70, "pop3-servers", "ips", "RFC 2132 8.15", "pop-server", "pop3-server"),
    _o(71, "nntp-servers", "ips", "RFC 2132 8.16", "nntp-server"),
    _o(72, "www-servers", "ips", "RFC 2132 8.17", "www-server"),
    _o(73, "finger-servers", "ips", "RFC 2132 8.18", "finger-server"),
    _o(74, "irc-servers", "ips", "RFC 2132 8.19", "irc-server"),
    _o(75, "streettalk-servers", "ips", "RFC 2132 8.20", "streettalk-server"),
    _o(76, "streettalk-directory-assistance-servers", "ips", "RFC 2132 8.21", "streettalk-directory-assistance-server"),
    _o(77, "dhcp-user-class-id", "user-classes", "RFC 3004 4", "user-class", "user-class-id"),
    _o(78, "slp-directory-agent", "u8 ips", "RFC 2610 3", "directory-agent"),
    _o(79, "slp-service-scope", "u8 string", "RFC 2610 4", "service-scope"),
    _o(80, "rapid-commit", "flag", "RFC 4039 4"),
    _o(81, "client-fqdn", "client-fqdn", "RFC 4702 2", "fqdn"),
    _o(82, "relay-agent-info", "suboptions", "RFC 3046 2", "relay-agent-information", "dhcp-agent-options"),
    _o(83, "isns", "bytes", "RFC 4174 2", "i-sns"),
    _o(85, "nds-servers", "ips", "RFC 2241 2"),
    _o(86, "nds-tree", "string", "RFC 2241 3", "nds-tree-name"),
    _o(87, "nds-context", "string", "RFC 2241 4"),
    _o(88, "bcmcs-servers-d", "names", "RFC 4280 4.2", "bcms-controller-names", "bcmcs-controller-names"),
    _o(89, "bcmcs-servers-a", "ips", "RFC 4280 4.3", "bcms-controller-address", "bcmcs-controller-address"),
    _o(90, "authentication", "bytes", "RFC 3118 2"),
    _o(91, "lq-client-last-transaction-time", "time", "RFC 4388 6.1", "client-last-transaction-time"),
    _o(92, "lq-associated-ip", "ips", "RFC 4388 6.1", "associated-ip"),
    _o(93, "pxe-client-arch", "u16s", "RFC 4578 2.1", "pxe-system-type", "client-system"),
    _o(94, "pxe-client-network-id", "bytes", "RFC 4578 2.2", "pxe-interface-id", "client-ndi"),
    _o(95, "ldap-url", "string", "RFC 3679 3", "ldap"),
    _o(97, "pxe-client-machine-id", "bytes", "RFC 4578 2.3", "pxe-client-id", "uuid-guid"),
    _o(98, "user-auth", "string", "RFC 2485", "uap-servers"),
    _o(99, "geo-conf-civic", "bytes", "RFC 4776 3.1", "geoconf-civic"),
    _o(100, "pcode", "string", "RFC 4833 2", "posix-timezone", "tz-posix"),
    _o(101, "tcode", "string", "RFC 4833 2", "tzdb-timezone", "tz-database"),
    _o(108, "ipv6-only-preferred", "time", "RFC 8925 3.1", "v6-only-preferred"),
    _o(109, "dhcp4o6-s46-saddr", "ip6", "RFC 8539 7.3"),
    _o(112, "netinfo-parent-server-addr", "ips", "RFC 3679 3", "netinfo-server-address"),
    _o(113, "netinfo-parent-server-tag", "string", "RFC 3679 3", "netinfo-server-tag"),
    _o(114, "captive-portal", "string", "RFC 8910 2.1", "v4-captive-portal", "initial-url", "default-url"),
    _o(116, "auto-configure", "u8", "RFC 2563 2", "auto-config", among=(0, 1)),
    _o(117, "name-service-search", "u16s", "RFC 2937"),
    _o(118, "subnet-selection", "ip", "RFC 3011"),
    _o(119, "domain-search", "search", "RFC 3397 2"),
    _o(120, "sip-servers", "sip", "RFC 3361 3"),
    _o(121, "classless-static-route", "routes", "RFC 3442", "classless-static-routes", "classless-route"),
    _o(122, "cablelabs-client-configuration", "suboptions", "RFC 3495 4", "ccc"),
    _o(123, "geo-conf", "bytes", "RFC 6225 2.2", "geoconf"),
    _o(124, "v-i-vendor-class", "enterprises", "RFC 3925 3", "vivco", "vivco-suboptions"),
    _o(125, "v-i-vendor-info", "enterprises", "RFC 3925 4", "vivso", "vivso-suboptions", "v-i-vendor-opts"),
    _o(136, "pana-agent", "ips", "RFC 5192 4", "pana-agents"),
    _o(137, "lost-server", "name", "RFC 5223 3", "v4-lost"),
    _o(138, "capwap-ac", "ips", "RFC 5417 2", "capwap-ac-v4"),
    _o(139, "mos-address", "suboptions", "RFC 5678 2", "ipv4-address-mos"),
    _o(140, "mos-fqdn", "suboptions", "RFC 5678 3", "ipv4-fqdn-mos"),
    _o(141, "sip-ua-cs-domains", "names", "RFC 6011 4.1", "sip-ua-cs-list"),
    _o(142, "andsf-address", "ips", "RFC 6153 2", "ipv4-address-andsf"),
    _o(143, "sztp-redirect", "uris", "RFC 8572 8.1", "v4-sztp-redirect"),
    _o(144, "geo-loc", "bytes", "RFC 6225 2.3", "geoloc"),
    _o(145, "forcerenew-nonce-capable", "u8s", "RFC 6704 3.1.1"),
    _o(146, "rdnss-selection", "u8 ip ip names", "RFC 6731 4.3"),
    _o(147, "dots-ri", "name", "RFC 8973 5.1", "v4-dots-ri"),
    _o(148, "dots-address", "ips", "RFC 8973 5.2", "v4-dots-address"),
    _o(150, "tftp-server-address", "ips", "RFC 5859 2", "voip-tftp-server"),
    _o(151, "bulk-lq-status-code", "u8 string", "RFC 6926 6.2.2", "status-code"),
    _o(152, "bulk-lq-base-time", "u32", "RFC 6926 6.2.3", "base-time"),
    _o(153, "bulk-lq-start-time-of-state", "u32", "RFC 6926 6.2.4", "start-time-of-state"),
    _o(154, "bulk-lq-query-start-time", "u32", "RFC 6926 6.2.5", "query-start-time"),
    _o(155, "bulk-lq-query-end-time", "u32", "RFC 6926 6.2.6", "query-end-time"),
    _o(156, "bulk-lq-dhcp-state", "u8", "RFC 6926 6.2.7", "dhcp-state"),
    _o(157, "bulk-lq-data-source", "u8", "RFC 6926 6.2.8", "data-source"),
    _o(158, "pcp-server", "ip-groups", "RFC 7291 4.1", "v4-pcp-server"),
    _o(159, "port-params", "u8 u8 u16", "RFC 7618 9", "v4-portparams"),
    _o(160, "captive-portal-old", "string", "RFC 7710 2.1"),
    _o(161, "mud-url", "string", "RFC 8520 10", "v4-mud-url"),
    _o(162, "dnr", "bytes", "RFC 9463 5.1", "v4-dnr"),
    _o(208, "pxelinux-magic", "bytes", "RFC 5071 4"),
    _o(209, "pxelinux-config-file", "string", "RFC 5071 5", "loader-configfile"),
    _o(210, "pxelinux-path-prefix", "string", "RFC 5071 6", "loader-pathprefix"),
    _o(211, "pxelinux-reboot-time", "time", "RFC 5071 7", "loader-reboottime"),
    _o(212, "6rd", "u8 u8 ip6 ips", "RFC 5969 7.1.1", "option-6rd"),
    _o(213, "access-domain", "name", "RFC 5986 3.3", "v4-access-domain"),
    _o(220, "subnet-alloc", "bytes", "RFC 6656 3", "subnet-allocation"),
    _o(221, "vpn-id", "bytes", "RFC 6607 3.1", "vss", "virtual-subnet", "cisco-vpn-id"),
    _o(249, "microsoft-classless-static-route", "routes", "RFC 3442", "ms-classless-static-routes"),
    _o(252, "wpad-url", "string", "private use (proxy autodiscovery)", "wpad"),
)

_BY_CODE = {row.code: row for row in _ROWS}
_BY_NAME = {row.name: row for row in _ROWS} | {alias: row for row in _ROWS for alias in row.aliases}
assert len(_BY_CODE) == len(_ROWS) and len(_BY_NAME) == sum(1 + len(row.aliases) for row in _ROWS)


def all_options() -> Iterator[OptionDef]:
    """Yield every known option, by ascending number."""
    return iter(_ROWS)


def find_option(name: str | int) -> OptionDef:
    """Return the option with this name, number (1 to 254), or ``option-<number>``. Raises ValueError with a hint.

    An unassigned number is an option whose value is written in hexadecimal.
    """
    word = str(name).strip().lower().replace("_", "-")
    if word in _BY_NAME:
        return _BY_NAME[word]
    digits = word.removeprefix("option-")
    if digits.isascii() and digits.isdigit() and len(digits) < 4:
        code = int(digits)
        if not 0 < code < 255:
            raise ValueError(f"{name!r} is not an option number (allowed are 1 to 254)")
        return _BY_CODE.get(code) or OptionDef(code, f"option-{code}", "bytes", "unassigned")
    close = get_close_matches(word, _BY_NAME, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(close)}?" if close else "give a standard option's name, or a number 1 to 254"
    raise ValueError(f"there is no option {name!r}: {hint}")


def encode_value(option: OptionDef | str | int, text: str) -> bytes:
    """Return the bytes of ``text``, as an operator writes the option's value.

    Items of a list stand with commas or spaces. Raises ValueError that names option, value and what is allowed.
    """
    definition = option if isinstance(option, OptionDef) else find_option(option)
    kind = KINDS[definition.kind]
    try:
        data = kind.encode(text)
        if definition.among or definition.lowest:
            _check_numbers(definition, data)
    except ValueError as error:
        raise ValueError(
            f"option {definition.name} ({definition.code}) cannot be {text!r}: {error}; write {definition.allowed}"
        ) from None
    return data


def _check_numbers(definition: OptionDef, data: bytes) -> None:
    size = 2 if definition.kind.startswith("u16") else 1
    for i in range(0, len(data), size):
        number = int.from_bytes(data[i : i + size], "big")
        if number < definition.lowest or (definition.among and number not in definition.among):
            raise ValueError(f"{number} is not allowed")


def decode_value(option: OptionDef | str | int, data: bytes) -> str:
    """Return ``data`` as an operator would write it, or as ``xx:xx`` where it is not of the option's kind.

    Raises ValueError only for an unknown ``option``.
    """
    definition = option if isinstance(option, OptionDef) else find_option(option)
    try:
        return KINDS[definition.kind].decode(data)
    except WireError:
        return format_hex(data)
