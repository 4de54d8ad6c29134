"""An operator's configuration as a world: its servers, its LAN segments, and what each server runs by.

Takes an exported configuration (``export configuration``) or a server's ``dhcp/config.json``, as if both servers of
each pair had it. Every segment is behind a relay that reaches both its servers. What tells nothing about who is served
is left away: secrets and TLS of the link, what is logged, failover-recover, scopes without failover. Does not know what
happens to the servers nor who the clients are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.config.compile import compile_config
from tandem.config.compiled import OFF, CompiledScope, Network, ServerConfig
from tandem.config.pairs import pair_of_scopes
from tandem.config.schema import SERVED
from tandem.sim.settings import Subnet

MARK = "tandem-configuration"
_LEFT_AWAY = (
    "failover", "failover-main-server", "failover-backup-server", "failover-recover", "failover-shared-secret",
    "failover-tls-partner-fingerprint", "failover-relationship-name", "failover-dialect", "failover-maximum-clock-skew",
)  # fmt: skip


class SiteError(ValueError):
    """A configuration that cannot be simulated; says why, and what to do."""


@dataclass
class Site:
    """The servers of a configuration and the networks that they serve together."""

    configs: dict[int, ServerConfig]
    """What each server runs by, by its address; the first pair's main first."""
    subnets: tuple[Subnet, ...]
    """The LAN segments, each by its primary scope's name and subnet."""
    notes: list[str] = field(default_factory=list)
    """What was left away, and why."""
    secret: str = ""

    @property
    def safe_period_s(self) -> int:
        """The shortest time after which a server takes over by itself; 0 = never."""
        return min((e.safe_period_s for c in self.configs.values() for e in c.endpoints if e.safe_period_s), default=0)

    @property
    def mclt_s(self) -> int:
        """The longest maximum client lead time."""
        return max(endpoint.mclt_s for config in self.configs.values() for endpoint in config.endpoints)

    def pairs(self) -> list[tuple[int, int]]:
        """Return each (main, backup) once."""
        return list(dict.fromkeys((s.main, s.backup) for s in self.subnets))

    def network_at(self, address: int) -> tuple[ServerConfig, Network] | None:
        """Return the LAN segment of an address, as one of its servers has it."""
        for config in self.configs.values():
            network = config.network_for(address)
            if network is not None:
                return config, network
        return None

    def net_of(self, address: int) -> int:
        """Return the subnet of the primary scope of the segment that an address lies in; 0 = in none."""
        found = self.network_at(address)
        return 0 if found is None else found[1].scopes[0].subnet

    def scopes_of(self, subnet: Subnet) -> list[CompiledScope]:
        """Return the scopes of a segment, the primary one first."""
        found = self.network_at(subnet.net)
        assert found is not None
        return found[1].scopes

    def reserved(self, subnet: Subnet) -> list[bytes]:
        """Return the keys of those who have a reservation in a segment: Ethernet addresses, client identifiers."""
        keys = [r.key for scope in self.scopes_of(subnet) for r in scope.reserved.values()]
        return list(dict.fromkeys(key for key in keys if key[:1] == b"i" or (key[:2] == b"h\x01" and len(key) == 8)))

    def lease_s(self, address: int, hardware: bytes) -> int:
        """Return how long a lease of an address is by the policies."""
        found = self.network_at(address)
        assert found is not None
        config, network = found
        scope = config.scope_of(network, address)
        assert scope is not None
        return config.policy_of(scope, address, b"", hardware).lease_s

    def name_of(self, server: int) -> str:
        """Return main, backup, or the address where these words say not enough."""
        pairs = self.pairs()
        if len(pairs) > 1:
            return format_ipv4(server)
        return "main" if pairs[0][0] == server else "backup"


def read_site(path: str, only: list[str] | None = None) -> Site:
    """Return the site of a configuration file; ``only`` these scopes, and those of their segments.

    Raises SiteError.
    """
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise SiteError(
            f"{path} cannot be read: {error.strerror}; write it with 'nrcmd export configuration file={path}'"
        ) from None
    except (ValueError, RecursionError) as error:
        raise SiteError(
            f"{path} is not JSON ({error}); write it with 'nrcmd export configuration file={path}'"
        ) from None
    if not isinstance(content, dict):
        raise SiteError(f"{path} is no configuration; write one with 'nrcmd export configuration file={path}'")
    return make_site(content, only or [], path)


def make_site(content: dict[str, Any], only: list[str], path: str = "the configuration") -> Site:
    """Return the site that a document describes. Raises SiteError."""
    document = {name: section for name, section in content.items() if name in SERVED}
    for name, section in document.items():
        if not isinstance(section, dict) or (name != "dhcp" and not all(isinstance(o, dict) for o in section.values())):
            raise SiteError(f"{path}: {name}: this is not a JSON object of objects; export the configuration anew")
    scopes = document.get("scope", {})
    unknown = [name for name in only if name not in scopes]
    if unknown:
        raise SiteError(f"{path} has no scope {unknown[0]}; it has {', '.join(sorted(scopes)) or 'none'}")
    try:
        pairs = {
            name: (parse_ipv4(pair.main), parse_ipv4(pair.backup))
            for name, pair in pair_of_scopes(document).items() if pair is not None
        }  # fmt: skip
    except (TypeError, ValueError, AttributeError) as error:
        raise SiteError(f"{path}: {error}; mend this, e.g. with nrcmd, and export the configuration anew") from None
    if not pairs:
        raise SiteError(
            f"{path} has no scope with failover; name both servers and enable it, e.g. nrcmd 'dhcp set"
            " failover-main-server=ADDRESS failover-backup-server=ADDRESS' and 'dhcp enable failover'"
        )
    configs = {}
    for server in dict.fromkeys(address for pair in pairs.values() for address in pair):
        configs[server] = _config_of(server, document, pairs, path)
    site = Site(configs, ())
    alone = [name for name in scopes if name not in pairs]
    if alone:
        site.notes.append(f"left away, as they have no failover: {listed(alone)}")
    site.subnets = tuple(_subnets(site, pairs, only))
    return site


def _config_of(server: int, document: dict[str, Any], pairs: dict[str, tuple[int, int]], path: str) -> ServerConfig:
    dhcp = {name: value for name, value in document.get("dhcp", {}).items() if name not in _LEFT_AWAY}
    dhcp |= {"failover-tls": OFF, "log-settings": ["default", "no-success-messages"]}
    scopes = {
        name: {**document["scope"][name], "failover": "scope-enabled", "failover-main-server": format_ipv4(main),
               "failover-backup-server": format_ipv4(backup)}
        for name, (main, backup) in pairs.items() if server in (main, backup)
    }  # fmt: skip
    config, problems = compile_config({**document, "dhcp": dhcp, "scope": scopes}, server)
    if config is None:
        wrong = "\n".join(f"  {problem}" for problem in problems if problem.fatal)
        raise SiteError(f"{path} cannot work on server {format_ipv4(server)}; mend this and export it anew:\n{wrong}")
    return config


def _subnets(site: Site, pairs: dict[str, tuple[int, int]], only: list[str]) -> list[Subnet]:
    found: dict[int, Subnet] = {}
    for config in site.configs.values():
        for network in config.networks:
            names = [scope.name for scope in network.scopes]
            if only and not any(name in only for name in names):
                continue
            primary = network.scopes[0]
            addresses = sum(scope.ranges.size for scope in network.scopes if not scope.deactivated)
            main, backup = pairs[primary.name]
            found[primary.subnet] = Subnet(primary.name, primary.subnet, addresses, main, backup, (main, backup))
    return [found[net] for net in sorted(found)]


def listed(names: list[str], most: int = 10) -> str:
    """Return names with commas between, the first of them where there are many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
