"""One request of a client, with what was worked out about where it comes from and who sent it.

Does not decide anything. Source: RFC 2131 sections 4.1 and 4.3; RFC 3011, 3046, 3527, 5107, 8357 (relay agents).
"""

from __future__ import annotations

from typing import Final

from tandem.base.errors import WireError
from tandem.base.io import Datagram, Effect
from tandem.config.compiled import CompiledScope, EffectivePolicy, Network, ServerConfig
from tandem.config.profiles import Profile
from tandem.lease.powers import STANDALONE, Powers
from tandem.wire.dhcp import (
    OPT_MESSAGE_TYPE,
    OPT_RELAY_INFO,
    OPT_SUBNET_SELECTION,
    SUB_LINK_SELECTION,
    SUB_RELAY_SOURCE_PORT,
    SUB_SERVER_ID_OVERRIDE,
    Message,
    relay_suboptions,
)

NOWHERE: Final = Network(-1, [])
"""The network of a query for which none has been found yet."""


class Query:
    """A request that is being answered. ``powers`` is set once the network is known."""

    __slots__ = (
        "bootp", "client_id", "datagram", "hardware", "key", "message", "moment", "network", "now", "options", "out",
        "override", "powers", "probes", "profile", "relay_port", "server_id",
    )  # fmt: skip

    def __init__(self, now: float, datagram: Datagram, message: Message, client_id: bytes, out: list[Effect]) -> None:
        self.now = now
        self.moment = -int(-now // 1)
        """``now`` in whole seconds, rounded up, so that no client's lease outlives the time in its record."""
        self.datagram = datagram
        self.message = message
        self.options = message.options
        self.out = out
        self.client_id = client_id
        self.bootp = OPT_MESSAGE_TYPE not in message.options
        self.hardware = message.hardware
        self.key = b"i" + client_id if client_id else b"h" + self.hardware
        """``lease.binding.client_key``."""
        self.server_id = datagram.interface.address
        """What the reply names as our address."""
        self.override = False
        """Whether ``server_id`` is the relay's choice (RFC 5107) or address: both servers of a pair then share it."""
        self.relay_port = False
        """Whether the relay wants its reply at the port that it sent from (RFC 8357)."""
        self.network: Network = NOWHERE
        self.powers: Powers = STANDALONE
        self.profile: Profile | None = None
        """What is set for the client (S3.4); None = nothing."""
        self.probes = 0
        """How many addresses have been pinged for it."""

    def resume(self, now: float, out: list[Effect]) -> None:
        """Go on with the request, which had to wait, at ``now``."""
        self.now, self.moment, self.out = now, -int(-now // 1), out

    def find_network(self, config: ServerConfig) -> Network | None:
        """Return the LAN segment of the client, or None when no scope is for it.

        In this order: what the relay says (link selection), what the client says (subnet selection), the relay's
        address, the client's own address if we know its network, our address on the interface.
        """
        message, options = self.message, self.options
        at = message.giaddr
        told = False
        if OPT_RELAY_INFO in options:
            link = self._relay_info(options[OPT_RELAY_INFO])
            if link:
                at, told = link, True
        if not told and OPT_SUBNET_SELECTION in options:
            at = int.from_bytes(options[OPT_SUBNET_SELECTION], "big") or at
        if not at:
            if message.ciaddr:
                network = config.network_for(message.ciaddr)
                if network is not None:
                    return network
            at = self.datagram.interface.address
        return config.network_for(at)

    def _relay_info(self, value: bytes) -> int:
        """Read option 82; return the link selection, or 0. One that cannot be read is only echoed."""
        try:
            suboptions = relay_suboptions(value)
        except WireError:
            return 0
        if self.message.giaddr:
            override = suboptions.get(SUB_SERVER_ID_OVERRIDE, b"")
            if len(override) == 4 and any(override):
                self.server_id = int.from_bytes(override, "big")
                self.override = True
            self.relay_port = SUB_RELAY_SOURCE_PORT in suboptions
        link = suboptions.get(SUB_LINK_SELECTION, b"")
        return int.from_bytes(link, "big") if len(link) == 4 else 0

    def closed(self, scope: CompiledScope) -> bool:
        """Return whether ``scope`` serves no client of this kind (DHCP or BOOTP), or not this one (selection tags)."""
        if scope.deactivated or not (scope.bootp if self.bootp else scope.dhcp):
            return True
        return self.profile is not None and not self.profile.fits(scope)

    def policy(self, scope: CompiledScope, address: int) -> EffectivePolicy:
        """Return what applies to the client at ``address`` of ``scope`` (S3.3); 0: at any that is not reserved."""
        if self.profile is None and not scope.own_policies:
            return scope.policy
        return scope.policy_at(address, self.profile)

    def placed_by_relay(self) -> bool:
        """Whether the network is known from a relay or a selection, not guessed from addresses."""
        return self.message.giaddr != 0 or OPT_SUBNET_SELECTION in self.options
