"""The classes of objects that an operator edits, and their attributes. A class is added by declaring it here.

Only attributes that do something are declared. Sources: failover chapter (advanced attributes, tables 16-1 and
16-2); reference "commands and attributes" section 2; SYSTEM S2, S3, S4.
"""

from __future__ import annotations

from collections.abc import Mapping

from tandem.config.access import ADMIN
from tandem.config.attribute import Attribute, ObjectClass
from tandem.config.compiled import DESIRED, OFF, REQUIRED
from tandem.config.network_types import ClientKey, Fingerprints, IpAddress, Mask, Subnet
from tandem.config.packet_expressions import PacketExpression
from tandem.config.pairs import CLUSTER, PAIR
from tandem.config.profiles import NONE, USER_CLASS_IS
from tandem.config.schema_clients import CLIENT, CLIENT_CLASS, EMBEDDED
from tandem.config.schema_options import OPTION, OPTION_SET, VENDOR_OPTION
from tandem.config.schema_policy import POLICY
from tandem.config.types import (
    Bool,
    Date,
    Enum,
    Expression,
    Factor,
    Flags,
    Int,
    Percent,
    Reference,
    Secret,
    String,
    Tags,
    Time,
)

LOG_SETTINGS = (
    "default", "incoming-packets", "missing-options", "incoming-packet-detail", "outgoing-packet-detail",
    "unknown-criteria", "dns-update-detail", "client-detail", "client-criteria-processing", "failover-detail",
    "ldap-query-detail", "ldap-update-detail", "ldap-create-detail", "leasequery", "dropped-waiting-packets",
    "no-success-messages", "no-dropped-dhcp-packets", "no-dropped-bootp-packets", "no-failover-activity",
    "activity-summary", "no-invalid-packets", "no-reduce-logging-when-busy", "no-timeouts", "minimal-config-info",
    "no-failover-conflict",
)  # fmt: skip
"""Log settings in the order of their numbers, from 1."""

_SERVER = IpAddress(
    named=True, what="the IPv4 address of a server, e.g. 192.168.50.2 (a name is looked up when it is entered)"
)  # fmt: skip

DHCP = ObjectClass(
    name="dhcp",
    help="The DHCP server.",
    singleton=True,
    also_called={
        "lease-period-factor": "failover-lease-period-factor",
        "failover-back-percentage": "failover-backup-percentage",
    },
    sync="other",
    attributes=(
        Attribute("failover", Bool(), False, "Whether failover is on, server-wide.", sync="failover"),
        Attribute(
            "failover-main-server", _SERVER, None, "Address of the main server of the pair.", sync="failover"
        ),
        Attribute(
            "failover-backup-server", _SERVER, None, "Address of the backup server of the pair.", sync="failover"
        ),
        Attribute(
            "failover-backup-percentage", Percent(), 10,
            "Share of each scope's available addresses that the main gives to the backup.",
            unit="percent", sync="failover",
        ),
        Attribute(
            "failover-dynamic-bootp-backup-percentage", Percent(), None,
            "The same for scopes with dynamic BOOTP; unset: failover-backup-percentage. Read on the main only.",
            unit="percent", sync="failover",
        ),
        Attribute(
            "failover-load-balancing", Bool(), False,
            "Whether both servers answer new clients in NORMAL, each a part of them (RFC 3074). The main's counts.",
            sync="other",
        ),
        Attribute(
            "failover-load-balancing-backup-pct", Percent(), 50,
            "Part of the clients that the backup answers with failover-load-balancing; its share of the addresses is at"
            " least as large.",
            unit="percent", sync="other",
        ),
        Attribute(
            "failover-load-balancing-delay", Time(lo=0, hi=255), 3,
            "With failover-load-balancing: a client that says it has been trying for longer is answered by both."
            " 0: never.",
            unit="seconds", sync="other",
        ),
        Attribute(
            "failover-maximum-client-lead-time", Time(lo=1, hi=31449600), 3600,
            "How far a client's lease may reach beyond what the partner has acknowledged. Read on the main only.",
            unit="seconds", sync="other",
        ),
        Attribute(
            "failover-lease-period-factor", Factor(1.0, 10.0), 1.5,
            "How far ahead of the client the partner's expiration is, in lease periods. Read on the main only.",
            sync="failover",
        ),
        Attribute(
            "failover-use-safe-period", Bool(), False,
            "Whether the server enters PARTNER-DOWN by itself after failover-safe-period.", sync="failover",
        ),
        Attribute(
            "failover-safe-period", Time(lo=1), 86400,
            "How long communications are interrupted before the server enters PARTNER-DOWN by itself.",
            unit="seconds", sync="failover",
        ),
        Attribute(
            "failover-poll-interval", Time(lo=1, hi=3600), 10, "How often the partners contact each other.",
            unit="seconds", sync="failover",
        ),
        Attribute(
            "failover-poll-timeout", Time(lo=2, hi=86400), 60,
            "Silence after which communications with the partner count as interrupted.",
            unit="seconds", sync="other",
        ),
        Attribute(
            "failover-recover", Date(), 0,
            "When the restored lease database was backed up: forces RECOVER. Unset it once both are NORMAL.",
            sync="failover",
        ),
        Attribute(
            "failover-startup-time", Time(lo=1, hi=3600), 10,
            "How long a starting server waits for its partner before it serves alone.",
            unit="seconds", expert=True,
        ),
        Attribute(
            "failover-shared-secret", Secret(), None,
            "Secret that authenticates the messages of the pair; the same on both. Unset: no authentication.",
            expert=True,
        ),
        Attribute(
            "failover-tls", Enum(names=(OFF, DESIRED, REQUIRED)), OFF,
            "Whether the connection with the partner is encrypted: never, when both can, or else there is none.",
        ),
        Attribute(
            "failover-tls-partner-fingerprint", Fingerprints(), [],
            "Fingerprint of the partner's certificate, as 'dhcp getFailoverCertificate' prints it there. Several count"
            " alike; with several partners write ADDRESS/FINGERPRINT.",
            sync="none",
        ),
        Attribute(
            "failover-maximum-clock-skew", Time(lo=1), None,
            "Refuse a partner whose clock differs by more. Unset: any difference is corrected.",
            unit="seconds", expert=True,
        ),
        Attribute(
            "failover-relationship-name", String(255), None,
            "What both servers call their relationship, where a partner of another make names it (ISC dhcpd: the name"
            " after 'failover peer'); the same on both. Unset: the addresses of main and backup joined by a hyphen.",
            sync="other",
        ),
        Attribute(
            "failover-dialect", Enum(names=("auto", "tandem", "isc", "draft")), "auto",
            "How to speak to the partner; auto: as its make demands, which it tells when it connects.",
            expert=True,
        ),
        Attribute("max-dhcp-requests", Int(1, 100000), 500, "Requests that the server holds at a time."),
        Attribute(
            "max-dhcp-responses", Int(1, 400000), 1000,
            "Responses that the server holds at a time; with failover at least four times max-dhcp-requests.",
        ),
        Attribute(
            "ping-clients", Bool(), False,
            "Whether an address is pinged before it is offered, where the scope does not say. One that answers is"
            " unavailable for unavailable-timeout, and another is offered.",
        ),
        Attribute(
            "ping-timeout", Int(1, 10000), 300,
            "How long a ping is given to be answered, where the scope does not say; the offer waits as long.",
            unit="milliseconds",
        ),
        Attribute(
            "max-ping-packets", Int(1, 100000), 500,
            "Pings that may be under way at a time; a client whose address cannot be pinged gets no answer yet.",
        ),
        Attribute(
            "hardware-unicast", Bool(), True,
            "Whether a client without an address that does not ask for broadcasts is answered at its hardware address;"
            " off: by broadcast, for networks that do not carry the former.",
        ),
        Attribute(
            "equal-priority-most-available", Bool(), False,
            "Whether of the scopes of a LAN segment with the same allocation-priority that with the most available"
            " addresses gives the next.",
        ),
        Attribute(
            "priority-address-allocation", Bool(), False,
            "Whether scopes are used up in the order of their subnets, and their addresses from the lowest, where a"
            " scope sets no allocation-priority, and no allocate-first-available.",
        ),
        Attribute(
            "defer-lease-extensions", Bool(), True,
            "Whether a renewal before half of the lease is answered with the rest of it, without an update.",
            sync="failover-tuning",
        ),
        Attribute(
            "upgrade-unavailable-timeout", Time(lo=1), 86400,
            "How long an address that the partner calls unavailable, without saying for how long, stays so, where no"
            " policy of its scope sets unavailable-timeout.",
            unit="seconds", sync="failover-tuning",
        ),
        Attribute(
            "ip-history-max-age", Time(lo=0, hi=31449600), 4 * 604800,
            "How long it is kept who had which address when. 0: it is not.", unit="seconds",
        ),
        Attribute(
            "collect-addr-util-interval", Time(lo=1, hi=86400), 300,
            "How often the use of each scope's addresses is noted for its graph.", unit="seconds",
        ),
        Attribute(
            "collect-addr-util-duration", Time(lo=0, hi=31449600), 30 * 86400,
            "How long these samples are kept. 0: none are taken.", unit="seconds",
        ),
        Attribute(
            "client-class", Bool(), False,
            "Whether every client is looked up: its client entry, the client-class of that, their selection criteria.",
            sync="client-class-properties",
        ),
        Attribute(
            "client-class-lookup-id", PacketExpression(), None,
            "An expression that names the client-class of each client whose entry names none, out of what it sends:"
            ' (if (starts-with (request get chaddr) "00:d0:ba") "phones"). A name that no client-class has counts for'
            " nothing.",
            sync="client-class-properties",
        ),
        Attribute(
            "skip-client-lookup", Bool(), False,
            "Whether client entries count for nothing; client-class-lookup-id and map-user-class-id still do.",
            sync="client-class-properties",
        ),
        Attribute(
            "validate-client-name-as-mac", Bool(), False,
            "Whether a client entry must be named by a hardware address (or default), not by a client identifier.",
            sync="client-class-properties",
        ),
        Attribute(
            "map-user-class-id", Enum(names=USER_CLASS_IS), NONE,
            "What the user class that a client sends counts as: nothing, its client-class if it has none, its selection"
            " criterion if it has none, or one more criterion.",
            sync="client-class-properties",
        ),
        Attribute(
            "append-user-class-id-to-selection-tag", Bool(), False,
            "The same as map-user-class-id=append-to-tag, where that is none.",
            sync="client-class-properties",
        ),
        Attribute(
            "log-settings", Flags(LOG_SETTINGS), ["default", "incoming-packets", "missing-options"],
            "What the server logs.",
        ),
    ),
)  # fmt: skip

SCOPE = ObjectClass(
    name="scope",
    help="A subnet, and its addresses for clients.",
    sync="scope",
    create=("addr", "mask"),
    parts=("ranges", "reservations", EMBEDDED),
    also_called={"failover-back-percentage": "failover-backup-percentage"},
    attributes=(
        Attribute("addr", IpAddress(), None, "Network address of the subnet.", required=True, read_only=True),
        Attribute("mask", Mask(), None, "Mask of the subnet.", required=True, read_only=True),
        Attribute("policy", Reference(cls="policy"), "default", "Name of the policy of the scope's clients."),
        Attribute(
            "primary-subnet", Subnet(), None,
            "Subnet of the primary scope of the LAN segment; makes this scope secondary to it.",
        ),
        Attribute(
            "allocate-first-available", Bool(), False, "Whether the lowest available address is given first."
        ),
        Attribute(
            "failover", Enum(names=("scope-enabled", "scope-disabled", "use-server-settings")), "use-server-settings",
            "Whether failover is on for this LAN segment, and whose settings count.",
        ),
        Attribute(
            "failover-main-server", _SERVER, None, "Address of the main server, with failover=scope-enabled."
        ),
        Attribute(
            "failover-backup-server", _SERVER, None, "Address of the backup server, with failover=scope-enabled."
        ),
        Attribute(
            "failover-backup-percentage", Percent(), None,
            "The backup's share of the available addresses; unset: the server's. Counts whatever failover says.",
            unit="percent",
        ),
        Attribute(
            "failover-backup-allocation-boundary", IpAddress(zero=True), None,
            "The backup's addresses are taken from here downwards; needs allocate-first-available."
            " Unset or 0: the midpoint of the ranges.",
        ),
        Attribute(
            "selection-tag-list", Tags(), [],
            "Selection tags: a client with selection criteria may use the scope if it has them all.",
        ),
        Attribute("dhcp", Bool(), True, "Whether DHCP clients are served."),
        Attribute("bootp", Bool(), True, "Whether BOOTP clients are served: by reservation, and see dynamic-bootp."),
        Attribute(
            "dynamic-bootp", Bool(), False,
            "Whether BOOTP clients without a reservation get addresses, for good. With failover, a server then never"
            " gives its partner's addresses of this scope.",
        ),
        Attribute(
            "allocation-priority", Int(0, 1000000), 0,
            "Which scope of the LAN segment gives addresses first: that with the lowest number. 0: after those that"
            " have one.",
        ),
        Attribute(
            "ignore-declines", Bool(), False,
            "Whether an address stays its client's although that says that another host uses it (DHCPDECLINE).",
        ),
        Attribute(
            "ping-clients", Bool(), None,
            "Whether an address is pinged before it is offered; unset: as ping-clients of the server says.",
        ),
        Attribute(
            "ping-timeout", Int(1, 10000), None,
            "How long a ping is given to be answered; unset: as long as ping-timeout of the server says.",
            unit="milliseconds",
        ),
        Attribute("renew-only", Bool(), False, "Whether only clients that hold a lease are served."),
        Attribute("deactivated", Bool(), False, "Whether no client is served."),
    ),
)  # fmt: skip

_SET_ON_SCOPES = ("addr", "mask", "primary-subnet", "failover-backup-allocation-boundary")

SCOPE_TEMPLATE = ObjectClass(
    name="scope-template",
    help="What new scopes are given: their name, ranges and options for a subnet, and attributes.",
    sync="none",
    managed_only=True,
    parts=(EMBEDDED,),
    attributes=(
        Attribute(
            "scope-name", Expression(), None, 'The scope\'s name: (concat "lab-" subnet). Unset: the subnet.',
        ),
        Attribute("ranges-expr", Expression(), None, "Its ranges: (create-range 2 100), or a (list ...) of such."),
        Attribute(
            "options-expr", Expression(), None,
            'Its options: (create-option "routers" (create-ipaddr subnet 1)), or a (list ...) of such.',
        ),
        *(attribute for attribute in SCOPE.attributes if attribute.name not in _SET_ON_SCOPES),
    ),
)  # fmt: skip

RESERVATION = ObjectClass(
    name="reservation",
    help="An address that only one client gets.",
    sync="scope",
    element_of="scope",
    names=IpAddress(),
    create=("key",),
    parts=(EMBEDDED,),
    attributes=(
        Attribute("address", IpAddress(), None, "The reserved address.", required=True, read_only=True),
        Attribute("key", ClientKey(), None, "The client that gets it.", required=True, read_only=True),
        Attribute("policy", Reference(cls="policy"), None, "Name of a policy that counts before all others."),
    ),
)


def _embedded(owner: ObjectClass, what: str) -> ObjectClass:
    return ObjectClass(
        name=f"{owner.name}-policy",
        help=f"The policy that is embedded in a {what}: it counts before the one that the {what} names.",
        sync=owner.sync,
        parts=POLICY.parts,
        embedded_in=owner.name,
        names=owner.names,
        more_names=owner.more_names,
        attributes=POLICY.attributes,
    )


EMBEDDED_IN: Mapping[str, ObjectClass] = {
    owner.name: _embedded(owner, owner.name) for owner in (SCOPE, SCOPE_TEMPLATE, RESERVATION, CLIENT, CLIENT_CLASS)
}
"""The classes of embedded policies, by the class that they are embedded in."""

CLASSES: Mapping[str, ObjectClass] = {
    cls.name: cls
    for cls in (
        DHCP, SCOPE, SCOPE_TEMPLATE, RESERVATION, POLICY, CLIENT, CLIENT_CLASS, OPTION, OPTION_SET, VENDOR_OPTION,
        *EMBEDDED_IN.values(), PAIR, CLUSTER, ADMIN,
    )
}  # fmt: skip
"""Every class, by name."""

SECTIONS: Mapping[str, ObjectClass] = {
    name: cls for name, cls in CLASSES.items() if not cls.element_of and not cls.embedded_in
}
"""The classes that have a section in the configuration document."""

SERVED: Mapping[str, ObjectClass] = {name: cls for name, cls in SECTIONS.items() if not cls.managed_only}
"""The sections that the DHCP server is given."""
