"""What a simulated world is like: its servers' configuration, its networks, its people; all drawn from the seed.

A ``Settings`` is plain data. The servers get the same kind of document as an operator's (``config.compile``), so the
whole way from attribute to decision is under test. Does not know events or faults.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from random import Random
from typing import Any, Protocol

from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.config.compile import compile_config
from tandem.config.compiled import OFF, REQUIRED, ServerConfig
from tandem.failover.tls import fingerprint

MASK = 0xFFFFFF00
LAN = parse_ipv4("192.168.50.0")
MAIN, BACKUP, THIRD = (LAN + n for n in (2, 3, 4))
RELAYED = parse_ipv4("10.9.0.0")
FIRST_HOST = 10


def certificate_of(server: int) -> bytes:
    """Return what the server at an address shows as its certificate."""
    return b"certificate of " + format_ipv4(server).encode()


@dataclass(frozen=True)
class Subnet:
    """A subnet with clients: the servers' own LAN, or one behind a relay."""

    name: str
    net: int
    addresses: int
    main: int
    """The server that is main for it, by address."""
    backup: int
    relay_reaches: tuple[int, ...] = ()
    """Servers that its relay forwards to; empty for the servers' LAN, where all hear all."""
    reserved: tuple[bytes, ...] = ()
    """Hardware (type byte + address) of the hosts for which its addresses, from the first on, are reserved."""
    dynamic_bootp: bool = False
    """Whether BOOTP clients without a reservation get addresses, for good."""

    @property
    def relay(self) -> int:
        """The relay's address (giaddr), 0 on the LAN."""
        return self.net + 1 if self.relay_reaches else 0


class Layout(Protocol):
    """What the networks and the verdicts need to know of a configuration."""

    @property
    def subnets(self) -> tuple[Subnet, ...]:
        """Where clients are."""
        ...

    @property
    def secret(self) -> str:
        """The servers' shared secret, or empty."""
        ...

    @property
    def safe_period_s(self) -> int:
        """After how long servers take over by themselves; 0 = never."""
        ...

    def net_of(self, address: int) -> int:
        """Return ``Subnet.net`` of where an address belongs, or what is none."""
        ...

    def pairs(self) -> list[tuple[int, int]]:
        """Return each (main, backup) once."""
        ...


@dataclass(frozen=True)
class Settings:
    """Configuration of all servers of a world. Durations in seconds."""

    subnets: tuple[Subnet, ...]
    mclt_s: int = 300
    lease_s: int = 900
    grace_s: int = 0
    offer_s: int = 30
    unavailable_s: int = 1200
    backup_pct: int = 30
    factor: float = 1.5
    poll_interval_s: int = 10
    poll_timeout_s: int = 30
    startup_s: int = 10
    safe_period_s: int = 0
    """0 = the safe period is off."""
    defer_extensions: bool = True
    first_available: bool = False
    secret: str = ""
    tls: str = OFF
    servers: tuple[int, ...] = (MAIN, BACKUP)
    balance_pct: int = 0
    """Load balancing: the backup's part of the clients in per cent; 0 = the main answers all."""
    balance_delay_s: int = 3
    bootp_pct: int = 0
    """failover-dynamic-bootp-backup-percentage; 0 = unset."""

    def document(self, recover_from: int = 0) -> dict[str, Any]:
        """Return the operator's document. ``recover_from``: failover-recover, 0 = unset."""
        dhcp: dict[str, Any] = {
            "failover-backup-percentage": self.backup_pct,
            "failover-maximum-client-lead-time": self.mclt_s,
            "failover-lease-period-factor": self.factor,
            "failover-poll-interval": self.poll_interval_s,
            "failover-poll-timeout": self.poll_timeout_s,
            "failover-startup-time": self.startup_s,
            "defer-lease-extensions": self.defer_extensions,
            "log-settings": ["default", "no-success-messages"],
        }
        if self.safe_period_s:
            dhcp |= {"failover-use-safe-period": True, "failover-safe-period": self.safe_period_s}
        if self.balance_pct:
            dhcp |= {
                "failover-load-balancing": True, "failover-load-balancing-backup-pct": self.balance_pct,
                "failover-load-balancing-delay": self.balance_delay_s,
            }  # fmt: skip
        if self.bootp_pct:
            dhcp["failover-dynamic-bootp-backup-percentage"] = self.bootp_pct
        if self.secret:
            dhcp["failover-shared-secret"] = self.secret
        if self.tls != OFF:
            fingerprints = [f"{format_ipv4(s)}/{fingerprint(certificate_of(s))}" for s in self.servers]
            dhcp |= {"failover-tls": self.tls, "failover-tls-partner-fingerprint": fingerprints}
        if recover_from:
            dhcp["failover-recover"] = recover_from
        scopes: dict[str, Any] = {}
        for subnet in self.subnets:
            first = subnet.net + FIRST_HOST
            scope: dict[str, Any] = {
                "addr": format_ipv4(subnet.net), "mask": format_ipv4(MASK), "failover": "scope-enabled",
                "failover-main-server": format_ipv4(subnet.main), "failover-backup-server": format_ipv4(subnet.backup),
                "allocate-first-available": self.first_available, "dynamic-bootp": subnet.dynamic_bootp,
                "ranges": [[format_ipv4(first), format_ipv4(first + subnet.addresses - 1)]],
            }  # fmt: skip
            reservations = [
                {"address": format_ipv4(first + i), "key": "1,6," + key[1:].hex(":")}
                for i, key in enumerate(subnet.reserved)
            ]
            if reservations:
                scope["reservations"] = reservations
            scopes[subnet.name] = scope
        policy = {
            "grace-period": self.grace_s, "offer-timeout": self.offer_s, "unavailable-timeout": self.unavailable_s,
            "options": {"dhcp-lease-time": str(self.lease_s)},
        }  # fmt: skip
        return {"dhcp": dhcp, "scope": scopes, "policy": {"default": policy}}

    def config(self, server: int, recover_from: int = 0) -> ServerConfig:
        """Return the configuration of the server at ``server``."""
        document = self.document(recover_from)
        scopes = document["scope"]
        mine = {s.name for s in self.subnets if server in (s.main, s.backup)}
        document["scope"] = {name: scope for name, scope in scopes.items() if name in mine}
        config, problems = compile_config(document, server, certificate=certificate_of(server))
        assert config is not None, problems
        return config

    def net_of(self, address: int) -> int:
        """Return the subnet that an address lies in."""
        return address & MASK

    def pairs(self) -> list[tuple[int, int]]:
        """Return each (main, backup) once, in the order of the subnets."""
        return list(dict.fromkeys((s.main, s.backup) for s in self.subnets))


PAIR, OFFICE, SYMMETRICAL = "pair", "back office", "symmetrical"
"""Who is main and backup for what (SYSTEM S1)."""


SUBNET_MAX = 240
"""Addresses of a subnet, at most."""


def draw_settings(
    random: Random, clients: int, scenario: str = PAIR, safe_period: bool = False,
    lease_s: tuple[int, ...] = (300, 900, 3600, 7200),
) -> Settings:  # fmt: skip
    """Return random settings for about so many clients, with one of these lease times."""
    count = random.choice([1, 2, 2, 3]) if scenario == PAIR else random.choice([2, 3])
    wanted = int(clients * random.choice([0.5, 0.8, 1.1, 2.0]))
    count = max(count, ceil(wanted / SUBNET_MAX)) if clients > 3 * SUBNET_MAX else count
    room = min(max(wanted // count, 8), SUBNET_MAX)
    reserved = random.choice([0, 2])
    mclt_s = random.choice([120, 300, 600, 1800])
    poll_s = random.choice([5, 10])
    return Settings(
        tuple(_draw_subnet(random, i, room, scenario, reserved) for i in range(count)),
        mclt_s=mclt_s,
        lease_s=random.choice(lease_s),
        grace_s=random.choice([0, 0, 60]),
        offer_s=random.choice([5, 30, 120]),
        backup_pct=random.choice([10, 30, 50]),
        factor=random.choice([1.5, 1.5, 2.0, 3.0]),
        poll_interval_s=poll_s,
        poll_timeout_s=poll_s * random.choice([3, 6]),
        safe_period_s=random.choice([120, 600]) if safe_period else 0,
        defer_extensions=random.random() < 0.5,
        first_available=random.random() < 0.3,
        secret="correct horse" if random.random() < 0.1 else "",
        tls=REQUIRED if random.random() < 0.2 else OFF,
        servers=(MAIN, BACKUP, THIRD) if scenario == OFFICE else (MAIN, BACKUP),
    )


def _draw_subnet(random: Random, i: int, room: int, scenario: str, reserved: int) -> Subnet:
    """Return the i-th subnet; the first is the servers' LAN, with the reserved addresses."""
    main, backup = MAIN, BACKUP
    if i and scenario == OFFICE:
        main = THIRD if i == 1 else random.choice([MAIN, THIRD])
    elif i and scenario == SYMMETRICAL:
        main, backup = (BACKUP, MAIN) if i == 1 else random.choice([(MAIN, BACKUP), (BACKUP, MAIN)])
    if i == 0:
        return Subnet("net0", LAN, room, main, backup, reserved=host_keys(0, min(reserved, room)))
    reaches = random.choice([(main, backup), (main, backup), (main,), (backup,)])
    return Subnet(f"net{i}", RELAYED + 256 * i, room, main, backup, reaches)


def host_keys(subnet: int, count: int) -> tuple[bytes, ...]:
    """Return the hardware of the well-known hosts of the subnet with that number."""
    return tuple(b"\x01\x06\x00\x00\x00" + bytes((subnet, host)) for host in range(count))


def draw_extras(random: Random, settings: Settings) -> Settings:
    """Return settings with load balancing, dynamic BOOTP and reservations everywhere, or some of these."""
    subnets = tuple(
        replace(
            subnet, dynamic_bootp=random.random() < 0.5,
            reserved=host_keys(i, min(random.choice([0, 1, 3]), subnet.addresses // 4)),
        )
        for i, subnet in enumerate(settings.subnets)
    )
    return replace(
        settings, subnets=subnets, balance_pct=random.choice([0, 20, 50, 90]),
        balance_delay_s=random.choice([0, 3, 10]), bootp_pct=random.choice([0, 0, 20, 60]),
    )  # fmt: skip


def with_new_subnet(settings: Settings) -> Settings:
    """Return settings with one subnet more, of the first pair."""
    first, number = settings.subnets[0], len(settings.subnets)
    new = Subnet(
        f"net{number}", RELAYED + 256 * number, 12, first.main, first.backup, (first.main, first.backup)
    )  # fmt: skip
    return replace(settings, subnets=(*settings.subnets, new))
