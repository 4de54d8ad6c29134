"""Host names where an address is asked for: looked up once, when they are written.

The configuration holds the address, so that neither the pair's name nor its operation depends on name resolution.
Source: failover chapter, "Simple Failover" (addresses are advised), "Replacing Servers Having Defective Storage" (the
DNS name of the backup), "Configuring Failover on Multiple Interface Hosts" (a name with one address only).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from ipaddress import IPv4Address
from socket import AF_INET, SOCK_DGRAM, gaierror
from typing import Any

from tandem.base.errors import CommandError
from tandem.config.attribute import ObjectClass
from tandem.config.network_types import HostName, IpAddress

_HOST = HostName()


async def with_addresses(cls: ObjectClass, values: Mapping[str, str]) -> dict[str, str]:
    """Return ``values`` (attribute -> text) with addresses in the place of host names, where the class takes those.

    Raises CommandError 316 for a name that has no address, several, or one that only this machine can reach.
    """
    kinds = {attribute.name: attribute.type for attribute in cls.attributes}
    found = dict(values)
    for attribute, value in values.items():
        kind = kinds.get(attribute)
        if isinstance(kind, IpAddress) and kind.named and _is_name(value.strip()):
            found[attribute] = await _address_of(attribute, value.strip())
    return found


def _is_name(text: str) -> bool:
    try:
        _HOST.parse(text)
    except ValueError:
        return False
    return not text.replace(".", "").isdigit()


async def look_up(name: str) -> list[Any]:
    """Return what ``getaddrinfo`` knows of a host's IPv4 addresses. Raises gaierror, UnicodeError.

    A dot at the end, as the DNS writes names, is left off: /etc/hosts has none.
    """
    return await asyncio.get_running_loop().getaddrinfo(name.removesuffix("."), None, family=AF_INET, type=SOCK_DGRAM)


async def _address_of(attribute: str, name: str) -> str:
    try:
        infos = await look_up(name)
    except gaierror as error:
        raise CommandError(
            316, f"{attribute}: {name} cannot be looked up ({error.strerror}); write the address, or mend the name"
        ) from None
    addresses = sorted({str(info[4][0]) for info in infos})
    listed = ", ".join(addresses)
    if len(addresses) != 1:
        raise CommandError(
            316, f"{attribute}: {name} has {len(addresses)} addresses, {listed}; write the one that is for failover"
        )
    if IPv4Address(listed).is_loopback:
        raise CommandError(
            316, f"{attribute}: {name} is {listed} on this machine, which its partner cannot reach (see /etc/hosts);"
            " write the address",
        )  # fmt: skip
    return listed
