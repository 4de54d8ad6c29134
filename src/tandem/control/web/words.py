"""What messages tell to do, in the words of pages: a command that a message names becomes the button or page for it.

Messages are written once, for nrcmd, the log and pages alike, and name commands in quotation marks. A command for
which there is no page is left, and said to be nrcmd's. Knows no particular message.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tandem.cluster.registry import REGISTRY

_SERVER, _FAILOVER, _LOG = "DHCP › DHCP Server", "DHCP › Failover", "Change Log"
_LISTS = {
    "scope": "DHCP › Scopes", "scope-template": "DHCP › Scope Templates", "policy": "DHCP › Policies",
    "client": "DHCP › Clients", "client-class": "DHCP › Client-Classes", "reservation": "DHCP › Reservations",
    "option": "DHCP › Options", "option-set": "DHCP › Option Sets", "vendor-option": "DHCP › Vendor Options",
    "failover-pair": _FAILOVER, "cluster": "Clusters", "admin": "Administrators", "token": "Administrators › Tokens",
    "change": _LOG,
}  # fmt: skip
_QUOTED: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"dhcp (reload|start|stop)", lambda m: f"{m[1].capitalize()} ({_SERVER})"),
    (r"dhcp (en|dis)able failover", lambda m: f"Failover Setting {'on' if m[1] == 'en' else 'off'} ({_SERVER})"),
    (r"dhcp getRelatedServers", lambda m: "Monitoring › Related Servers"),
    (r"dhcp checkPartner.*", lambda m: "Monitoring › Related Servers, Set Partner Down, which checks first"),
    (r"scope (.+) (?:listRanges|removeRange).*", lambda m: "the ranges on the scope's page"),
    (r"scope (.+) (?:listReservations|removeReservation).*", lambda m: "DHCP › Reservations"),
    (r"lease (\S+) send-reservation", lambda m: f"Reload ({_SERVER})"),
    (r"lease (\S+) (activate|deactivate|force-available)",
     lambda m: f"{m[2].replace('-', ' ').title()} (DHCP › Leases › {m[1]})"),
    (r"lease (\S+)", lambda m: f"DHCP › Leases › {m[1]}" if m[1] != "list" else "DHCP › Leases"),
    (r"dhcp set ([a-z-]+)=?\S*", lambda m: f"{m[1]} ({_SERVER} › Local DHCP Server)"),
    (r"failover-pair (\S+) checkDrift", lambda m: f"what differs ({_FAILOVER})"),
    (r"failover-pair (\S+) sync(?: \w+)? -report", lambda m: f"Report ({_FAILOVER})"),
    (r"failover-pair (\S+) sync", lambda m: f"Run ({_FAILOVER})"),
    (r"failover-pair (\S+) undoSync", lambda m: "Undo on the report of the run"),
    (r"change (\S+) undo", lambda m: f"Undo on change set {m[1]} ({_LOG})"),
    (r"admin (\S+) unlock", lambda m: f"Unlock (Administrators › {m[1]})"),
    (r"admin (\S+) set roles=(\S+)", lambda m: f"Roles (Administrators › {m[1]})"),
    (r"([a-z-]+) list(?:names|brief)?", lambda m: _LISTS.get(m[1], "")),
    (r"([a-z-]+) \S+ create.*", lambda m: f"Add ({_LISTS[m[1]]})" if m[1] in _LISTS else ""),
)  # fmt: skip
_BARE = (
    (re.compile(r"with scope NAME addRange"), "to the ranges on the scope's page"),
    (re.compile(r"with scope NAME addReservation"), "on DHCP › Reservations"),
    (re.compile(r"with policy NAME setOption"), "on the policy's page"),
    (re.compile(r"\(dhcp checkPartner\)"), "(Monitoring › Related Servers, Set Partner Down, which checks first)"),
)
"""Commands that messages name without quotation marks."""
_PHRASES = tuple((re.compile(pattern), phrase) for pattern, phrase in _QUOTED)
_MARKED = re.compile(r"(?:\b(?:write|run) )?'([a-z][^'\n]* [^'\n]*)'")
_OBJECTS = frozenset(command.path[0] for command in REGISTRY.commands)


def on_pages(text: str) -> str:
    """Return a message with the buttons and pages in the place of the commands that it names."""
    if "'" in text:
        text = _MARKED.sub(_page, text)
    for command, place in _BARE:
        text = command.sub(place, text)
    return text


def _page(found: re.Match[str]) -> str:
    command = found[1]
    if command.partition(" ")[0] not in _OBJECTS:
        return found[0]
    for pattern, phrase in _PHRASES:
        match = pattern.fullmatch(command)
        if match:
            return phrase(match) or f"{found[0]} in nrcmd"
    return f"{found[0]} in nrcmd"
