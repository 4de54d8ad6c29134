"""A configuration as the running server uses it: checked, resolved, in integers and bytes.

Made by ``config.compile`` from the operator's objects; never changed afterwards (a reload makes a new one), but for
what is kept here because it follows from it.
Does not know attribute names, files or commands.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tandem.base.ranges import RangeSet
from tandem.base.units import FOREVER

if TYPE_CHECKING:
    from tandem.config.profiles import Clients, Profile

_SUBNET_MASK = 1
_POLICIES_MAX = 10_000
"""How many policies of clients are kept per scope."""

OFF, DESIRED, REQUIRED = "off", "desired", "required"
"""Whether the link between the partners is encrypted: never, when both can, always (failover-tls)."""


@dataclass(slots=True)
class EffectivePolicy:
    """What the policies that apply to a client in a scope come to, most specific first (S3.3)."""

    options: dict[int, bytes]
    """DHCP options by code, ready for the wire (52 .. 59, 61, 82 never among them: the server makes those)."""
    lease_s: int = 604800
    grace_s: int = 300
    offer_s: int = 120
    unavailable_s: int = 86400
    permanent: bool = False
    """Leases without end."""
    allow_lease_time_override: bool = False
    """Whether a client's wish for a shorter lease is honoured."""
    siaddr: int = 0
    server_name: bytes = b""
    """sname field (packet-server-name), at most 63 bytes."""
    file_name: bytes = b""
    """file field (packet-file-name), at most 127 bytes."""
    reply_options: tuple[int, ...] = ()
    """Options sent even when the client did not ask for them (v4-reply-options)."""
    bootp_reply_options: tuple[int, ...] = ()
    """Options sent to BOOTP clients besides."""
    split_lease_times: bool = False
    """Whether an address is its client's for ``server_lease_s``, longer than the client is told."""
    server_lease_s: int = 0
    limitation_count: int = 0
    """How many clients with one limitation id may have leases on a LAN segment; 0 = any number."""
    inhibit_all_renews: bool = False
    """Whether no lease is extended."""
    inhibit_renews_at_reboot: bool = False
    """Whether a client that starts anew gets another address."""
    giaddr_as_server_id: bool = False
    """Whether a relay's clients are told the relay's address as the server's."""
    vendor: Mapping[bytes, bytes] = field(default_factory=dict)
    """Option 43 by the vendor class that gets it; a * at the end of that stands for anything."""
    enterprises: Mapping[int, bytes] = field(default_factory=dict)
    """The options of a vendor for option 125, by enterprise number."""
    tails: dict[bytes, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Kept by ``dhcp.replies``: the options of a reply by the parameter list that asks for them."""


@dataclass(slots=True)
class Link:
    """One policy in a chain: what is set in it, and nothing else."""

    options: Mapping[int, bytes]
    settings: Mapping[str, Any]
    """By the names of ``EffectivePolicy``'s fields."""
    name: str = ""
    """What operators call the policy."""
    vendor: Mapping[tuple[bytes, int], Mapping[int, bytes]] = field(default_factory=dict)
    """Options of vendors by number: for each set its vendor class (empty: none) and enterprise number (0: none)."""

    @property
    def lease_s(self) -> int:
        """The lease time that it sets; 0 = none."""
        return FOREVER if self.settings.get("permanent") else self.settings.get("lease_s", 0)


def merge(mask: int, links: Sequence[Link]) -> EffectivePolicy:
    """Return what a chain of policies, the most specific first, comes to in a subnet with ``mask``."""
    options: dict[int, bytes] = {_SUBNET_MASK: mask.to_bytes(4, "big")}
    settings: dict[str, Any] = {}
    for link in reversed(links):
        options.update(link.options)
        settings.update(link.settings)
    vendors: dict[tuple[bytes, int], dict[int, bytes]] = {}
    for link in reversed(links):
        for key, mine in link.vendor.items():
            vendors.setdefault(key, {}).update(mine)
    packed = {
        key: b"".join(bytes((code, len(value))) + value for code, value in sorted(mine.items()))
        for key, mine in vendors.items()
    }
    policy = EffectivePolicy(
        options, vendor={string: data for (string, _), data in packed.items() if string},
        enterprises={number: data for (_, number), data in packed.items() if number}, **settings,
    )  # fmt: skip
    policy.permanent = policy.permanent or policy.lease_s == FOREVER
    if policy.permanent:
        policy.lease_s = FOREVER
    return policy


@dataclass(slots=True)
class Reservation:
    """An address that only one client gets."""

    address: int
    key: bytes
    """``lease.binding.client_key`` form: b'h' + hardware type and address, or b'i' + client identifier."""
    links: tuple[Link, ...] = ()
    """Its own policies, the most specific first."""


@dataclass(slots=True)
class CompiledScope:
    """A scope: a subnet's addresses that are given to clients."""

    name: str
    index: int
    """Position in ``ServerConfig.scopes``."""
    subnet: int
    mask: int
    ranges: RangeSet
    """Addresses for dynamic leases, reserved ones taken out."""
    policy: EffectivePolicy
    reservations: dict[bytes, Reservation]
    """By client key."""
    reserved: dict[int, Reservation]
    """The same by address."""
    endpoint: int = 0
    """Index into ``ServerConfig.endpoints`` plus one; 0 = failover is off for this scope."""
    backup_pct: int = 10
    boundary: int | None = None
    """failover-backup-allocation-boundary; None = the midpoint of the ranges."""
    allocate_first_available: bool = False
    dhcp: bool = True
    """Whether DHCP clients are served."""
    bootp: bool = True
    """Whether BOOTP clients are served."""
    dynamic_bootp: bool = False
    """Whether BOOTP clients without a reservation get (permanent) leases."""
    allocation_priority: int = 0
    """The scope with the lowest number is used up first; 0 = after those that have one."""
    ignore_declines: bool = False
    probe_ms: int = 0
    """How long a ping waits before an address is offered; 0 = none is sent."""
    renew_only: bool = False
    deactivated: bool = False
    tags: frozenset[str] = frozenset()
    """Selection tags; a client with selection criteria may use the scope if it has them all."""
    links: tuple[Link, ...] = ()
    """What ``policy`` was made of, the most specific first."""
    own_policies: bool = False
    """Whether a reservation has a policy of its own."""
    partner_unavailable_s: int = 0
    """How long an address stays unavailable that the partner calls so; 0 = as long as the policy says."""
    _made: dict[tuple[int, int], EffectivePolicy] = field(default_factory=dict, init=False, repr=False, compare=False)

    def policy_at(self, address: int, profile: Profile | None) -> EffectivePolicy:
        """Return what applies to a client at ``address`` (0: at any that is not reserved), kept for the next time."""
        reservation = self.reserved.get(address)
        first = reservation.links if reservation is not None else ()
        if profile is None and not first:
            return self.policy
        key = (profile.number if profile is not None else 0, address if first else 0)
        found = self._made.get(key)
        if found is None:
            if len(self._made) >= _POLICIES_MAX:
                self._made.clear()
            mine = profile.links if profile is not None else ()
            found = self._made[key] = merge(self.mask, (*first, *mine, *self.links))
        return found


@dataclass(slots=True)
class Network:
    """A LAN segment: a primary scope and its secondary scopes, which act as one (S3.2)."""

    index: int
    scopes: list[CompiledScope]
    endpoint: int = 0
    """The same for all its scopes (LAN-segment rule of the chapter)."""
    in_turn: list[CompiledScope] = field(init=False)
    """Its scopes in the order in which they give addresses."""

    def __post_init__(self) -> None:
        """Put those without a priority behind those with one; the others keep their order."""
        self.in_turn = sorted(self.scopes, key=lambda scope: scope.allocation_priority or 1 << 40)


@dataclass(slots=True)
class EndpointConfig:
    """One failover relationship as seen from this server (draft section 5.1.1)."""

    name: str
    """Relationship name: main and backup address joined by a hyphen."""
    main: bool
    """Whether this server is the main of it."""
    local: int
    peer: int
    port: int = 647
    """TCP port on which both ends listen."""
    mclt_s: int = 3600
    lease_factor: float = 1.5
    poll_interval_s: float = 10
    poll_timeout_s: float = 60
    safe_period_s: int | None = None
    """None = failover-use-safe-period is off."""
    recover_from: int = 0
    """failover-recover, seconds since 1970; 0 = unset."""
    startup_s: float = 10
    """How long to wait for the partner in STARTUP."""
    balance_backup_pct: int = 0
    """On the main: per cent of the clients that the backup answers in NORMAL; 0 = no load balancing."""
    balance_delay_s: int = 0
    """After how many seconds of trying a client is answered by both servers all the same; 0 = never."""
    secret: bytes = b""
    """Shared secret for the message digest; empty = none."""
    tls: str = OFF
    certificate: bytes = b""
    """This server's own for failover (DER); empty = none."""
    partner_fingerprints: tuple[bytes, ...] = ()
    """SHA-256 of the certificates that the partner may have."""
    clock_skew_max_s: int | None = None
    """Clocks further apart are refused; None = never."""
    relationship_name: str = ""
    """What both servers call the relationship on the wire; empty = ``name``."""
    dialect: str = "auto"
    """auto (by the partner's vendor class), or the name of one of ``failover.dialect.DIALECTS``."""

    @property
    def relationship(self) -> bytes:
        """The relationship-name option (draft section 12.22)."""
        return (self.relationship_name or self.name).encode()


@dataclass(slots=True)
class ServerConfig:
    """Everything the DHCP server runs by."""

    scopes: list[CompiledScope] = field(default_factory=list)
    networks: list[Network] = field(default_factory=list)
    endpoints: list[EndpointConfig] = field(default_factory=list)
    max_requests: int = 500
    max_responses: int = 1000
    max_probes: int = 500
    """Pings that may be under way at a time."""
    giaddr_as_server_id: bool = True
    """Whether a policy may say so; False spares looking for it."""
    split_lease_times: bool = True
    """Likewise."""
    hardware_unicast: bool = True
    """Whether clients without an address are answered at their hardware address."""
    equal_priority_most_available: bool = False
    """Whether of scopes with one priority that with the most available addresses gives the next."""
    defer_lease_extensions: bool = True
    log_settings: frozenset[str] = frozenset({"default", "incoming-packets", "missing-options"})
    clients: Clients | None = None
    """The clients and their classes; None = client-class is off, and nobody is looked up."""
    longest_own_lease_s: int = 0
    """The longest lease that a policy of a client, class or reservation gives; 0 = none says."""
    history_s: int = 2419200
    """How long the history of addresses is kept; 0 = none is."""
    summary: list[tuple[str, str, int, str]] = field(default_factory=list)
    """(level, component, ident, text) lines to log when this configuration takes effect, e.g. 04092."""

    _places: tuple[list[int], list[tuple[int, Network]]] | None = field(
        default=None, init=False, repr=False, compare=False
    )
    """Each subnet, ascending, and its mask and LAN segment; made by the first ``network_for``."""

    def share_places(self, other: ServerConfig) -> None:
        """Look addresses up as ``other``, which has the same networks, does: it has made the index already."""
        self._places = other._places

    def network_for(self, address: int) -> Network | None:
        """Return the LAN segment that ``address`` (giaddr, link selection, our interface, ciaddr) is in, or None.

        Logarithmic in the number of scopes; the networks must not change afterwards.
        """
        if self._places is None:
            places = sorted(
                ((scope.subnet, scope.mask, network) for network in self.networks for scope in network.scopes),
                key=lambda place: place[:2],
            )
            self._places = [place[0] for place in places], [place[1:] for place in places]
        subnets, rest = self._places
        i = bisect_right(subnets, address) - 1
        if i >= 0:
            mask, network = rest[i]
            if address & mask == subnets[i]:
                return network
        return None

    def policy_of(self, scope: CompiledScope, address: int, client_id: bytes, hardware: bytes) -> EffectivePolicy:
        """Return what applies to the client that holds, or held, ``address``, when it says nothing itself."""
        profile = None if self.clients is None else self.clients.entry(client_id, hardware)
        return scope.policy_at(address, profile)

    def scope_of(self, network: Network, address: int) -> CompiledScope | None:
        """Return the scope of ``network`` whose subnet holds ``address``, or None."""
        for scope in network.scopes:
            if address & scope.mask == scope.subnet:
                return scope
        return None
