"""The class policy: options and settings for clients. Policies embedded in other objects have the same attributes.

Source: reference "commands and attributes" section 2.3; SYSTEM S3.3, S3.7.

Deviation: where the vendor's ``system_default_policy`` holds many options with host-tuning values (an MTU of 576,
an all-ones broadcast address), this one holds the lease time only; a client that asks for the others would
otherwise be given values that hurt it.
"""

from __future__ import annotations

from collections.abc import Mapping

from tandem.config.attribute import Attribute, ObjectClass
from tandem.config.network_types import IpAddress
from tandem.config.policy_types import OptionNames
from tandem.config.types import Bool, Int, String, Time

SYSTEM_DEFAULT_POLICY = "system_default_policy"
"""The policy that is searched last."""

POLICY = ObjectClass(
    name="policy",
    help="Options and settings for clients.",
    sync="policy",
    parts=("options", "vendor-options"),
    part_sync={"options": "policy-options", "vendor-options": "policy-options"},
    builtin=("default", SYSTEM_DEFAULT_POLICY),
    attributes=(
        Attribute(
            "grace-period", Time(), 300, "How long an expired lease is kept for its client.", unit="seconds"
        ),
        Attribute(
            "offer-timeout", Time(lo=1), 120, "How long an offered address waits for the client.", unit="seconds"
        ),
        Attribute(
            "unavailable-timeout", Time(lo=1), 86400,
            "How long an address that was found in use stays unavailable.", unit="seconds",
        ),
        Attribute("permanent-leases", Bool(), False, "Whether leases never end."),
        Attribute(
            "split-lease-times", Bool(), False,
            "Whether this server holds an address for server-lease-time, although its client has a shorter lease.",
        ),
        Attribute(
            "server-lease-time", Time(lo=1), None,
            "With split-lease-times: for how long an address is its client's, where that is longer than the lease.",
            unit="seconds",
        ),
        Attribute(
            "limitation-count", Int(1, 1000000), None,
            "How many clients with the same limitation id (limitation-id of their client-class) may have leases on one"
            " LAN segment. Unset: any number.",
        ),
        Attribute(
            "inhibit-all-renews", Bool(), False,
            "Whether no lease is extended: a client that renews gets another address. Not for reserved addresses.",
        ),
        Attribute(
            "inhibit-renews-at-reboot", Bool(), False,
            "Whether a client that starts anew gets another address. Not for reserved addresses.",
        ),
        Attribute(
            "giaddr-as-server-id", Bool(), False,
            "Whether a client behind a relay is told the relay's address (giaddr) as the server's, so that its renewals"
            " too go through the relay, which adds option 82. Of the scope's policies that of giaddr counts.",
        ),
        Attribute(
            "allow-lease-time-override", Bool(), False, "Whether a client may have a shorter lease that it asks for."
        ),
        Attribute("packet-siaddr", IpAddress(zero=True), None, "Next server (siaddr) in replies."),
        Attribute("packet-server-name", String(63), None, "Server host name (sname) in replies."),
        Attribute("packet-file-name", String(127), None, "Boot file name (file) in replies."),
        Attribute(
            "v4-reply-options", OptionNames(), [], "Options to send even to clients that do not ask for them."
        ),
        Attribute(
            "v4-bootp-reply-options", OptionNames(), [], "The same for BOOTP clients, besides v4-reply-options."
        ),
    ),
)  # fmt: skip

BUILTIN_OPTIONS: Mapping[str, Mapping[str, str]] = {SYSTEM_DEFAULT_POLICY: {"dhcp-lease-time": "604800"}}
"""Options that a builtin policy has as long as they are not set (SYSTEM S3.3: seven days)."""
