"""Failover pairs in the configuration document: their class, who names them, and which scopes belong to which.

A pair is the addresses of a main and a backup server. The server's own attributes name one for all scopes; scopes
that are scope-enabled name theirs. Membership goes by LAN segment, as in ``config.segments``, but a document that
cannot be compiled has members as well. Does not know how pairs are synchronized nor how the partner is reached.
Source: failover chapter, "Creating and Synchronizing a Failover Pair on the Local Cluster" and "Scope Failover
Attribute States"; SYSTEM S1, S4.11.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tandem.config.attribute import Attribute, ObjectClass
from tandem.config.network_types import IpAddress, Subnet
from tandem.config.types import Int, Reference, Secret, String, Time

CLUSTER_PORT = 1234
"""TCP port of a cluster's API where nothing else is said (failover chapter: remote-scp-port)."""

CLUSTER = ObjectClass(
    name="cluster",
    help="Another local cluster, and how to log in there.",
    sync="none",
    managed_only=True,
    create=("ipaddr",),
    attributes=(
        Attribute("ipaddr", IpAddress(), None, "Address of the cluster.", required=True),
        Attribute("scp-port", Int(1, 65535), CLUSTER_PORT, "TCP port of the cluster's API."),
        Attribute("admin", String(255), None, "Administrator there, with role dhcp-admin."),
        Attribute("password", Secret(), None, "Password of that administrator."),
    ),
)

PAIR = ObjectClass(
    name="failover-pair",
    help="A main and a backup DHCP server, and how to reach the other one's cluster.",
    sync="none",
    managed_only=True,
    create=("main-server", "backup-server"),
    attributes=(
        Attribute(
            "main-server", IpAddress(), None, "Address of the main DHCP server.", required=True, read_only=True
        ),
        Attribute(
            "backup-server", IpAddress(), None, "Address of the backup DHCP server.", required=True, read_only=True
        ),
        Attribute("main", Reference(cls="cluster"), None, "The main server's cluster; unset: see remote-username."),
        Attribute(
            "backup", Reference(cls="cluster"), None, "The backup server's cluster; unset: see remote-username."
        ),
        Attribute("remote-username", String(255), None, "Administrator of the partner's cluster, role dhcp-admin."),
        Attribute("remote-password", Secret(), None, "Password of that administrator."),
        Attribute("remote-scp-port", Int(1, 65535), CLUSTER_PORT, "TCP port of the partner's cluster."),
        Attribute(
            "scope-template", Reference(cls="scope-template"), None,
            "The template from which scopes of the pair are made for new subnets.",
        ),
        Attribute(
            "drift-check-interval", Time(), 900,
            "How often the two configurations are compared, once the partner's cluster can be reached; 0: never.",
            unit="seconds",
        ),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pair:
    """The two servers of a failover pair, by their addresses as text."""

    main: str
    backup: str

    @property
    def name(self) -> str:
        """What the pair is called that makes itself when its servers are named."""
        return f"{self.main}-{self.backup}"


def _pair_in(content: Mapping[str, Any]) -> Pair | None:
    main, backup = content.get("failover-main-server"), content.get("failover-backup-server")
    return Pair(main, backup) if main and backup and main != backup else None


def server_pair(document: Mapping[str, Any]) -> Pair | None:
    """Return the pair that the server names for all scopes, whether or not failover is on."""
    return _pair_in(document.get("dhcp", {}))


def named_pairs(document: Mapping[str, Any]) -> list[Pair]:
    """Return each pair that the server, or a scope that is scope-enabled, names."""
    scopes = document.get("scope", {}).values()
    found = [_pair_in(scope) for scope in scopes if scope.get("failover") == "scope-enabled"]
    return list(dict.fromkeys(pair for pair in [server_pair(document), *found] if pair is not None))


def is_on(document: Mapping[str, Any], pair: Pair) -> bool:
    """Return whether failover between the two servers is on: for all scopes, or for one that is scope-enabled."""
    if server_pair(document) == pair and document["dhcp"].get("failover"):
        return True
    scopes = document.get("scope", {}).values()
    return any(scope.get("failover") == "scope-enabled" and _pair_in(scope) == pair for scope in scopes)


def pair_of_scopes(document: Mapping[str, Any]) -> dict[str, Pair | None]:
    """Return to which pair each scope belongs; None = to none.

    One scope of a LAN segment that is scope-enabled decides for all, then one that is scope-disabled, then the server.
    """
    server = document.get("dhcp", {})
    server_wide = server_pair(document) if server.get("failover") else None
    scopes = document.get("scope", {})
    segments: dict[object, list[str]] = {}
    for name, scope in scopes.items():
        segments.setdefault(_segment(scope), []).append(name)
    pairs: dict[str, Pair | None] = {}
    for names in segments.values():
        settings = [scopes[name].get("failover") for name in names]
        enabled = [_pair_in(scopes[name]) for name, s in zip(names, settings, strict=True) if s == "scope-enabled"]
        if enabled:
            pair = next((p for p in enabled if p is not None), None)
        else:
            pair = None if "scope-disabled" in settings else server_wide
        for name, setting in zip(names, settings, strict=True):
            own = _pair_in(scopes[name]) if setting == "scope-enabled" else None
            pairs[name] = own or pair  # it differs where the segment is in error: then each goes by its own
    return {name: pairs[name] for name in scopes}


def into_pair(document: dict[str, Any], scope: str, pair: Pair) -> None:
    """Make a scope one of the pair's, unless it is by the server's settings."""
    if server_pair(document) != pair:
        document["scope"][scope] |= _naming(pair)


def naming_servers(document: Mapping[str, Any], pair: Pair) -> dict[str, Any]:
    """Return a configuration in which all of the pair's scopes name its servers."""
    belongs = pair_of_scopes(document)
    scopes = document.get("scope", {})
    return {**document, "scope": {n: scopes[n] | _naming(pair) if belongs[n] == pair else scopes[n] for n in scopes}}


def _naming(pair: Pair) -> dict[str, str]:
    return {"failover": "scope-enabled", "failover-main-server": pair.main, "failover-backup-server": pair.backup}


def _segment(scope: Mapping[str, Any]) -> object:
    """Return what the scopes of a LAN segment have in common: the subnet of its primary scope."""
    return scope.get("primary-subnet") or _SUBNET.parse(f"{scope.get('addr')}/{scope.get('mask')}")


_SUBNET = Subnet()
