"""The commands that policies have beyond those of all objects: lease time and options.

Named policies and those embedded in scopes, reservations, clients and client-classes have the same.
Source: reference "commands and attributes" section 1.7.
"""

from __future__ import annotations

from tandem.base.errors import CommandError
from tandem.base.units import format_duration
from tandem.cluster.answer import Answer, Item
from tandem.cluster.manager import Manager
from tandem.cluster.objects import edit, example_name, table
from tandem.cluster.registry import NAME, REGISTRY, Argument, Command, Request
from tandem.config.access import DHCP_ADMIN, READ_ONLY
from tandem.config.attribute import ObjectClass
from tandem.config.policies import (
    get_lease_time,
    get_option,
    list_options,
    list_vendor_options,
    set_lease_time,
    set_option,
    set_vendor_option,
    unset_option,
    unset_vendor_option,
)
from tandem.config.schema import EMBEDDED_IN
from tandem.config.schema_policy import POLICY
from tandem.wire.options import all_options

_OPTION = Argument("option", "name or number of a DHCP option", "option")
_VALUE = Argument("value", "the option's value", many=True)
_VENDOR_OPTION = Argument("option", "name or number of a vendor-option", names="vendor-option")
_SET = Argument("option-set", "name of its option-set", names="option-set")
_TIME = Argument("time", "seconds, a mix such as 1w2d3h4m5s, or forever")


def _commands_of(cls: ObjectClass) -> list[Command]:
    """Return the commands of a class of policies."""
    some = f"{cls.name} {example_name(cls)}"

    async def set_time(manager: Manager, request: Request) -> Answer:
        time = request.values["time"]
        edit(manager, request, cls.name, lambda document: set_lease_time(document, request.name, time, cls.name))
        return Answer()

    async def get_time(manager: Manager, request: Request) -> Answer:
        lease_s = get_lease_time(manager.database.document, request.name, cls.name)
        if lease_s is None:
            raise CommandError(302, f"{cls.label(request.name)} has no lease time; system_default_policy always has")
        return Answer(lines=[format_duration(lease_s)])

    async def set_one(manager: Manager, request: Request) -> Answer:
        option, value = request.values["option"], request.values["value"]
        edit(manager, request, cls.name, lambda document: set_option(document, request.name, option, value, cls.name))
        return Answer()

    async def get_one(manager: Manager, request: Request) -> Answer:
        option = request.values["option"]
        text = get_option(manager.database.document, request.name, option, cls.name)
        if text is None:
            label = cls.label(request.name)
            raise CommandError(302, f"{label} has no option {option}; '{label} listOptions' shows those it has")
        return Answer(lines=[f"{option}={text}"])

    async def unset_one(manager: Manager, request: Request) -> Answer:
        option = request.values["option"]
        edit(manager, request, cls.name, lambda document: unset_option(document, request.name, option, cls.name))
        return Answer()

    async def every(manager: Manager, request: Request) -> Answer:
        options = list_options(manager.database.document, request.name, cls.name)
        return Answer(lines=[f"{name}={text}" for name, text in options.items()])

    async def set_vendor(manager: Manager, request: Request) -> Answer:
        option, option_set, value = (request.values[name] for name in ("option", "option-set", "value"))
        edit(manager, request, cls.name,
             lambda d: set_vendor_option(d, request.name, option, option_set, value, cls.name))  # fmt: skip
        return Answer()

    async def get_vendor(manager: Manager, request: Request) -> Answer:
        option, option_set = request.values["option"], request.values["option-set"]
        options = list_vendor_options(manager.database.document, request.name, cls.name).get(option_set, {})
        if option not in options:
            label = cls.label(request.name)
            raise CommandError(302, f"{label} has no option {option} of {option_set}; '{label} listVendorOptions'")
        return Answer(lines=[f"{option}={options[option]}"])

    async def unset_vendor(manager: Manager, request: Request) -> Answer:
        option, option_set = request.values["option"], request.values["option-set"]
        edit(manager, request, cls.name,
             lambda d: unset_vendor_option(d, request.name, option, option_set, cls.name))  # fmt: skip
        return Answer()

    async def every_vendor(manager: Manager, request: Request) -> Answer:
        sets = list_vendor_options(manager.database.document, request.name, cls.name)
        return Answer(lines=[f"{key} {name}={text}" for key, options in sets.items() for name, text in options.items()])

    def path(word: str) -> tuple[str, ...]:
        return (cls.name, NAME, word)

    return [
        Command(path("setLeaseTime"), "Set the lease time.", f"{some} setLeaseTime 3d", set_time, (_TIME,),
                role=DHCP_ADMIN, effect="configuration"),
        Command(path("getLeaseTime"), "Show the lease time.", f"{some} getLeaseTime", get_time, role=READ_ONLY),
        Command(path("setOption"), "Set a DHCP option.", f"{some} setOption routers 192.168.50.1", set_one,
                (_OPTION, _VALUE), role=DHCP_ADMIN, effect="configuration"),
        Command(path("getOption"), "Show a DHCP option.", f"{some} getOption routers", get_one, (_OPTION,),
                role=READ_ONLY),
        Command(path("unsetOption"), "Take a DHCP option out.", f"{some} unsetOption routers", unset_one, (_OPTION,),
                role=DHCP_ADMIN, effect="configuration"),
        Command(path("listOptions"), "Show all DHCP options.", f"{some} listOptions", every, role=READ_ONLY),
        Command(path("setVendorOption"), "Set an option of a vendor.",
                f"{some} setVendorOption examplevendoroption exampleset 10.0.0.1", set_vendor,
                (_VENDOR_OPTION, _SET, _VALUE), role=DHCP_ADMIN, effect="configuration"),
        Command(path("getVendorOption"), "Show an option of a vendor.",
                f"{some} getVendorOption examplevendoroption exampleset", get_vendor, (_VENDOR_OPTION, _SET),
                role=READ_ONLY),
        Command(path("unsetVendorOption"), "Take an option of a vendor out.",
                f"{some} unsetVendorOption examplevendoroption exampleset", unset_vendor, (_VENDOR_OPTION, _SET),
                role=DHCP_ADMIN, effect="configuration"),
        Command(path("listVendorOptions"), "Show all options of vendors.", f"{some} listVendorOptions", every_vendor,
                role=READ_ONLY),
    ]  # fmt: skip


async def _standard(manager: Manager, request: Request) -> Answer:
    wanted = request.values["filter"].lower()
    known = [option for option in all_options() if wanted in f"{option.code} {option.name}"]
    items = [
        Item(option.name, {"id": str(option.code), "type": option.kind, "value": option.allowed, "text": option.source})
        for option in known
    ]
    rows = [[str(option.code), option.name, option.allowed, option.source] for option in known]
    return Answer(items, table(rows))


REGISTRY.add(
    Command(("option", "listStandard"), "Show the standard options: number, name, what is written as their value.",
            "option listStandard ntp", _standard,
            (Argument("filter", "part of a name or number", optional=True),), role=READ_ONLY),
)  # fmt: skip

for _cls in (POLICY, *EMBEDDED_IN.values()):
    REGISTRY.add(*_commands_of(_cls))
