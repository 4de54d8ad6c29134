"""The commands that find out: what the server would do with a client's message and why, whether a partner is down.

Source: SYSTEM S10.4, S10.5.
"""

from __future__ import annotations

from typing import Any

from tandem.base.errors import CommandError
from tandem.base.units import format_duration
from tandem.cluster.answer import Answer, Item
from tandem.cluster.manager import Manager
from tandem.cluster.objects import table
from tandem.cluster.partner_check import check
from tandem.cluster.partners import PARTNER, address_of
from tandem.cluster.registry import REGISTRY, Argument, Command, Request
from tandem.config.access import READ_ONLY
from tandem.config.dates import format_date
from tandem.config.definitions import encoded
from tandem.config.network_types import ClientKey

_CLIENT = ClientKey()
FORMS = {
    "discover": "DHCPDISCOVER: the client looks for an address",
    "select": "DHCPREQUEST: the client takes this server's offer",
    "reboot": "DHCPREQUEST: the client remembers an address",
    "renew": "DHCPREQUEST: the client extends its lease (renewing, rebinding)",
    "release": "DHCPRELEASE: the client gives its address back",
    "decline": "DHCPDECLINE: the client found its address in use",
    "inform": "DHCPINFORM: the client has an address and wants options",
    "bootp": "a BOOTP request",
}
"""What a client can say, and what that means."""


async def explanation(manager: Manager, values: dict[str, str]) -> dict[str, Any]:
    """Return the server's explanation of a message told as the arguments of ``dhcp explain``. Raises CommandError."""
    try:
        key = _CLIENT.use(_CLIENT.parse(values["client"]))
    except ValueError as error:
        raise CommandError(316, f"client: {error}") from None
    assert isinstance(key, bytes)
    hardware = key[1:] if key[:1] == b"h" else b""
    if values["hardware"]:
        try:
            hardware = _CLIENT.use(_CLIENT.parse(values["hardware"]))[1:]
        except ValueError as error:
            raise CommandError(316, f"hardware: {error}") from None
    args: dict[str, Any] = {
        "form": values["message"].lower() or "discover", "hardware": hardware.hex(),
        "client_id": key[1:].hex() if key[:1] == b"i" else "", "secs": int(values["secs"] or 0),
    }  # fmt: skip
    args["relay"] = b"".join(
        bytes((code, len(value))) + value
        for code, name in ((1, "circuit-id"), (2, "remote-id"))
        if (value := _octets(name, values[name]))
    ).hex()
    args["options"] = _options(manager, values["options"])
    for argument, name in (("address", "address"), ("giaddr", "giaddr"), ("link", "link"), ("interface", "local")):
        args[name] = values[argument]
    found: dict[str, Any] = await manager.ask("explain", **args)
    return found


def _octets(name: str, text: str) -> bytes:
    """Return a value that is written as text, or as 0x and hexadecimal digits."""
    try:
        value = bytes.fromhex(text[2:]) if text.lower().startswith("0x") else text.encode()
    except ValueError:
        raise CommandError(316, f"{name}: {text!r}: write hexadecimal digits, two for each byte, after 0x") from None
    if len(value) > 100:
        raise CommandError(316, f"{name}: write at most 100 bytes")
    return value


def _options(manager: Manager, text: str) -> dict[str, str]:
    """Return the options of a message, written NAME=VALUE;NAME=VALUE, as {number: hexadecimal}."""
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, equals, value = part.partition("=")
        if not equals:
            raise CommandError(316, f"options: {part!r} is not NAME=VALUE; write them with ; between them")
        try:
            code, data = encoded(manager.database.document, name, value)
            found[str(code)] = data.hex()
        except ValueError as error:
            raise CommandError(316, f"options: {error}; or write its bytes as {name}=0x...") from None
    return found


_FACTS = (
    ("message", "Message"), ("client", "Client"), ("network", "Its LAN segment"), ("placed-by", "Placed by"),
    ("client-class", "Client-class"), ("hash-bucket", "Hash bucket"), ("who-answers", "Who answers"), ("why", "Result"),
    ("answer", "Answer"), ("to", "Sent to"), ("scope-name", "Scope"), ("address", "Address"),
    ("address-why", "Why this address"), ("lease-time", "Lease time"), ("desired-lease-time", "Policy's lease time"),
    ("lease-why", "Why this lease time"),
)  # fmt: skip
"""Keys of an explanation and what they are called."""


def facts(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return an explanation as (key, title, text), but for its options and what would be stored."""
    shown = []
    for key, title in _FACTS:
        value = found.get(key, "")
        if value != "":
            shown.append((key, title, format_duration(value) if key.endswith("lease-time") else str(value)))
    return shown


async def _explain(manager: Manager, request: Request) -> Answer:
    found = await explanation(manager, request.values)
    told = facts(found)
    lines = [f"{title}: {text}" for _, title, text in told]
    options = found.get("options", [])
    if options:
        rows = [["Option", "Code", "Value", "From"]]
        rows += [[option["name"], str(option["code"]), option["value"], option["source"]] for option in options]
        lines += ["", *table(rows)]
    for stored in found["stores"]:
        until = format_date(int(stored["expiration"]), request.session.clock())
        lines.append(f"Would be stored: {stored['address']} {stored['state']} {stored['client']}, until {until}")
    item = Item("explanation", {key: text for key, _, text in told})
    item.attributes |= {f"option-{o['name']}": f"{o['value']} ({o['source']})" for o in options}
    return Answer([item], [*lines, "Nothing was changed or sent."])


async def _check_partner(manager: Manager, request: Request) -> Answer:
    partner = request.values["partner"]
    address, port = await address_of(partner), int(request.values["port"] or 0)
    signs, verdict = await check(manager, address, port)
    rows = [["Sign", "Seen", "What it means"], *([sign.name, sign.seen, sign.meaning] for sign in signs)]
    item = Item(partner, {sign.name: sign.seen for sign in signs} | {"verdict": verdict})
    return Answer([item], [*table(rows), "", verdict])


_AT = "ipv4"
REGISTRY.add(
    Command(("dhcp", "explain"), "Show what the server would do with a client's message, and why; changes nothing.",
            "dhcp explain 00:d0:ba:d3:bd:3b discover giaddr=192.168.50.1", _explain,
            (Argument("client", "hardware address, or id: and the client identifier"),
             Argument("message", f"one of {', '.join(FORMS)} (default discover)", optional=True, choices=tuple(FORMS)),
             Argument("address", "what the client asks for, or has", _AT, optional=True),
             Argument("giaddr", "the relay's address", _AT, optional=True),
             Argument("link", "the relay's link selection (RFC 3527)", _AT, optional=True),
             Argument("interface", "this server's address where the message comes in", _AT, optional=True),
             Argument("hardware", "hardware address of a client that is named by its identifier", optional=True),
             Argument("secs", "for how many seconds the client has been trying", "number", optional=True),
             Argument("circuit-id", "the relay's circuit identifier (option 82): text, or 0x and hexadecimal",
                      optional=True),
             Argument("remote-id", "the relay's remote identifier (option 82)", optional=True),
             Argument("options", "options of the message, by name or number: 'vendor-class-identifier=MSFT 5.0;"
                      "user-class=lab;60=0x4d53'", "option", optional=True)),
            role=READ_ONLY),
    Command(("dhcp", "checkPartner"), "See whether a partner is really down: link, echo, ports, API.",
            "dhcp checkPartner 192.168.60.2", _check_partner,
            (PARTNER,
             Argument("port", "TCP port of its API (default: as its failover pair says)", "number", optional=True)),
            role=READ_ONLY),
)  # fmt: skip
