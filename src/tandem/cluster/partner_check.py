"""Whether a failover partner is really down: what can be seen of it from here, sign by sign.

No sign proves that it is down: a cut cable looks the same. A sign of life proves that it is not. Used before the
operator sets it down. What clients and relays hear of it is known from those only that broadcast: a client says which
server's offer it takes (option 54). Not known are renewals that are sent to the partner alone, and relays that forward
to the partner alone. Source: SYSTEM S10.5; RFC 2131 section 4.3.2.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tandem.base.ipv4 import format_ipv4
from tandem.cluster.pairs import cluster_at
from tandem.cluster.progress import tell

if TYPE_CHECKING:
    from tandem.cluster.manager import Manager

WAIT_S = 2.0
HEARD_S = 120.0
"""How long a client's choice of the partner's offer is a sign of life."""
CLIENTS = "clients and relays"
OPEN, NOTHING = "answers", "nothing listens"
"""What is seen of a port: a process there accepts connections; the host refuses them, as nobody does."""
_ECHO, _ECHO_REPLY, _ICMP_HEADER, _IP_HEADER_MIN = 8, 0, 8, 20


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign of life, looked for."""

    name: str
    alive: bool | None
    """Whether the host is; None: it cannot be told."""
    seen: str
    meaning: str


async def check(manager: Manager, address: int, api_port: int = 0) -> tuple[list[Sign], str]:
    """Return the signs of the partner at ``address``, and what to make of them. Raises CommandError: 302, 501.

    Its API is looked for where its failover pair says, unless ``api_port`` is given.
    """
    related = await manager.ask("related_servers")
    partner = format_ipv4(address)
    tell(f"looking for signs of life of {partner}: ICMP echo, its failover port, its cluster, clients")
    mine = [server for server in related if server["address"] == partner]
    if not mine:
        await manager.ask("preview_partner_down", partner=address)  # refuses, and names the partners that there are
    port = int(mine[0].get("port", 647)) if mine else 647
    host, configured = cluster_at(manager, partner)
    api_port = api_port or configured
    echo, failover, api = await asyncio.gather(_echo(partner), _connects(partner, port), _connects(host, api_port))
    chosen = await manager.ask("chosen_servers")
    where = f"API port {api_port}" if host == partner else f"API {host}:{api_port}"
    signs = [
        *(_link(server) for server in mine), *_clients(chosen, partner, time.time()), echo,
        _sign(f"failover port {port}", failover, "its DHCP server runs", "no DHCP server listens there"),
        _sign(where, api, "its cluster runs", "no cluster listens there"),
    ]  # fmt: skip
    return signs, _verdict(signs, api)


def _link(server: dict[str, Any]) -> Sign:
    up = server["communications"] == "OK"
    last = server["last-contact"]
    ago = f"{max(int(time.time() - last), 0)} s ago" if last else "never"
    return Sign(
        f"failover link {server['name']}", up, "connected" if up else f"interrupted, last heard {ago}",
        "it runs and answers" if up else f"when last seen it was in {server['partner-state']}",
    )  # fmt: skip


def _clients(chosen: list[dict[str, Any]], partner: str, now: float) -> list[Sign]:
    """Return what clients have said lately: whose offers they took."""
    recent = sorted((c for c in chosen if now - c["at"] <= HEARD_S), key=lambda c: -c["at"])
    of_partner = [choice for choice in recent if choice["server"] == partner]
    told = ", ".join(f"{c['relay'] or 'directly'} {max(int(now - c['at']), 0)} s ago" for c in of_partner[:5])
    if told:
        signs = [Sign(CLIENTS, True, f"took its offers: {told}", "it runs and is heard there: it serves clients")]
    else:
        meaning = "no client that is heard here took an offer of its; who renews with it directly is not heard here"
        signs = [Sign(CLIENTS, None, f"none in {HEARD_S:.0f} s", meaning)]
    for server in dict.fromkeys(choice["server"] for choice in recent if choice["server"] != partner):
        seen = "its offers were taken"
        signs.append(Sign(f"another server, {server}", None, seen, "if that is an address of the partner, it serves"))
    return signs


def _sign(name: str, outcome: str, alive: str, dead: str) -> Sign:
    meaning = {OPEN: alive, NOTHING: f"the host is up, but {dead}"}.get(outcome, "the host or the way to it is down")
    return Sign(name, outcome in (OPEN, NOTHING), outcome, meaning)


async def _connects(address: str, port: int) -> str:
    try:
        async with asyncio.timeout(WAIT_S):
            _, writer = await asyncio.open_connection(address, port)
    except ConnectionRefusedError:
        return NOTHING
    except (OSError, TimeoutError):
        return "no answer"
    writer.close()
    return OPEN


async def _echo(address: str) -> Sign:
    """Send an ICMP echo request."""
    name = "ICMP echo"
    try:
        raw = False
        try:
            probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
        except PermissionError:
            probe, raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP), True
    except OSError:
        return Sign(name, None, "not tried", "this process may not send it (sysctl net.ipv4.ping_group_range)")
    with probe:
        probe.setblocking(False)
        loop = asyncio.get_running_loop()
        number = os.getpid() & 0xFFFF
        try:
            async with asyncio.timeout(WAIT_S):
                await loop.sock_sendto(probe, _request(number), (address, 0))
                while True:
                    data, (source, _) = await loop.sock_recvfrom(probe, 2048)
                    if source == address and _answers(data, number, raw):
                        return Sign(name, True, "answered", "the host is up")
        except (OSError, TimeoutError):
            return Sign(name, False, "no answer", "the host or the way to it is down, or filters echoes")


def _request(number: int) -> bytes:
    packet = struct.pack("!BBHHH", _ECHO, 0, 0, number, 1)
    total = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!BBHHH", _ECHO, 0, ~total & 0xFFFF, number, 1)


def _answers(data: bytes, number: int, raw: bool) -> bool:
    """Whether a datagram is the reply to our request; the kernel sorts them unless the socket is raw."""
    if raw:
        if len(data) < _IP_HEADER_MIN:
            return False
        data = data[(data[0] & 15) * 4 :]
    if len(data) < _ICMP_HEADER or data[0] != _ECHO_REPLY:
        return False
    return not raw or int.from_bytes(data[4:6], "big") == number


def _verdict(signs: list[Sign], api: str) -> str:
    if signs[0].alive and signs[0].name.startswith("failover link"):
        return "The partner is alive and connected. Do not set it down."
    if any(sign.alive and sign.name == CLIENTS for sign in signs):
        return "Clients take the partner's offers, so it serves them. Do not set it down; mend the connection."
    if any(sign.alive and sign.seen == OPEN and sign.name.startswith("failover port") for sign in signs):
        return "The partner's DHCP server runs, so it may be serving clients. Do not set it down; mend the connection."
    if api == OPEN:
        return "The partner's cluster runs, but not its DHCP server: start it there (dhcp start), or set it down."
    if any(sign.alive for sign in signs):
        return "The partner's host is up, but nothing of Tandem answers there. See to it, or set it down."
    return (
        "No sign of life from here. If clients or relays may still reach the partner (a cut between the servers looks"
        " the same), make sure that it is off; then set it down."
    )
