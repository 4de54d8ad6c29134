"""The classes that define options: custom DHCP options, sets of vendor options, the options in them.

Sources: reference "commands and attributes" sections 1.6 and 1.7; failover chapter, table 16-1 (option information);
RFC 2132 section 8.4 and RFC 3925 section 4 (vendor options).
"""

from __future__ import annotations

from tandem.config.attribute import Attribute, ObjectClass
from tandem.config.policy_types import OptionName
from tandem.config.types import Bool, Enum, Int, Reference, String
from tandem.wire.option_types import KINDS, LISTS

_TYPE = Enum(names=tuple(KINDS))
_REPEAT = "Whether the value is a list of any number of them, written with commas; of types with a fixed size only."
assert all(kind in KINDS for kind in LISTS)

OPTION = ObjectClass(
    name="option",
    help="A DHCP option beyond the standard ones: a name and a type for a number.",
    sync="option",
    names=OptionName(),
    create=("id", "type"),
    attributes=(
        Attribute("id", Int(1, 254), None, "The option's number; one that no standard option has.", required=True),
        Attribute("type", _TYPE, None, "What its value is.", required=True),
        Attribute("repeat", Bool(), False, _REPEAT),
    ),
)

OPTION_SET = ObjectClass(
    name="option-set",
    help="The clients of a vendor, and the options that they understand (vendor-option).",
    sync="option",
    names=OptionName(),
    attributes=(
        Attribute(
            "vendor-option-string", String(), None,
            "What these clients send as vendor class (option 60), a * at the end standing for anything; they get the"
            " options of the set in option 43.",
        ),
        Attribute(
            "vendor-option-enterprise-id", Int(1, 0xFFFFFFFF), None,
            "The vendor's enterprise number; clients that ask for it get the options of the set in option 125.",
        ),
    ),
)  # fmt: skip

VENDOR_OPTION = ObjectClass(
    name="vendor-option",
    help="An option of a vendor: a name and a type for a number in an option set.",
    sync="option",
    names=OptionName(),
    create=("option-set", "id", "type"),
    attributes=(
        Attribute("option-set", Reference(cls="option-set"), None, "The set that it belongs to.", required=True),
        Attribute("id", Int(1, 254), None, "Its number in the set.", required=True),
        Attribute("type", _TYPE, None, "What its value is.", required=True),
        Attribute("repeat", Bool(), False, _REPEAT),
    ),
)
