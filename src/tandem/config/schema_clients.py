"""The classes client and client-class, and what a policy embedded in another object is.

Sources: reference "commands and attributes" sections 2.4, 2.5 and 3; SYSTEM S3.3, S3.4.
"""

from __future__ import annotations

from tandem.config.attribute import Attribute, ObjectClass
from tandem.config.network_types import ClientKey, HostName
from tandem.config.packet_expressions import PacketExpression
from tandem.config.profiles import NAME_FROM_HARDWARE, NAME_OF_REQUEST, NO_NAME
from tandem.config.types import Date, Flags, Reference, Tags

EMBEDDED = "embedded-policy"
"""The part of an object that holds its own policy."""
DEFAULT_CLIENT = "default"
"""Name of the entry that counts for clients without one."""

_HOST_NAME = HostName((NAME_OF_REQUEST, NO_NAME, NAME_FROM_HARDWARE))
_CRITERIA = "Selection tags, all of which a scope must have for this client; unset: "

_OVER = "The client-class of clients beyond the limit of their limitation-id; unset: "

CLIENT = ObjectClass(
    name="client",
    help="What is set for one client, or, under the name default, for all that have no entry.",
    sync="client",
    names=ClientKey(),
    more_names=(DEFAULT_CLIENT,),
    parts=(EMBEDDED,),
    attributes=(
        Attribute("client-class-name", Reference(cls="client-class"), None, "The client-class of the client."),
        Attribute("policy-name", Reference(cls="policy"), None, "A policy that counts before that of the class."),
        Attribute("selection-criteria", Tags(), None, _CRITERIA + "those of the class."),
        Attribute("selection-criteria-excluded", Tags(), None,
                  "Selection tags, none of which a scope may have for this client; unset: those of the class."),
        Attribute("host-name", _HOST_NAME, None,
                  "The client's host name; unset: the class's, or what the client says."),
        Attribute("domain-name", HostName(), None, "The client's domain, sent as option domain-name."),
        Attribute("action", Flags(("exclude",)), [], "exclude: the client gets no answer."),
        Attribute("authenticate-until", Date(), 0, "Until when this entry counts; 0: always."),
        Attribute("unauthenticated-client-class-name", Reference(cls="client-class"), None,
                  "The client-class after authenticate-until."),
        Attribute("over-limit-client-class-name", Reference(cls="client-class"), None, _OVER + "as the class says."),
    ),
)  # fmt: skip

CLIENT_CLASS = ObjectClass(
    name="client-class",
    help="What is set for the clients of a class.",
    sync="client-class",
    parts=(EMBEDDED,),
    attributes=(
        Attribute("policy-name", Reference(cls="policy"), None, "A policy that counts before those of the scope."),
        Attribute("selection-criteria", Tags(), [], _CRITERIA + "any scope will do."),
        Attribute("selection-criteria-excluded", Tags(), [],
                  "Selection tags, none of which a scope may have for these clients."),
        Attribute("host-name", _HOST_NAME, NAME_OF_REQUEST,
                  f"The clients' host name; {NAME_OF_REQUEST}: what the client says; {NO_NAME}: none;"
                  f" {NAME_FROM_HARDWARE}: made of its hardware address."),
        Attribute("domain-name", HostName(), None, "The clients' domain, sent as option domain-name."),
        Attribute("limitation-id", PacketExpression(), None,
                  "An expression over what a client sends: at most limitation-count (of a policy) clients for which it"
                  " has the same value get leases on a LAN segment. (request get circuit-id-hex) is the relay's port."),
        Attribute("over-limit-client-class-name", Reference(cls="client-class"), None, _OVER + "they get no answer."),
    ),
)  # fmt: skip
