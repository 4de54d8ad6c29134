"""How many leases have one limitation id, such as a relay's port, on a LAN segment: who came first may have one.

An index over the bindings, made anew from them whenever the configuration changes: what is stored of a client's
request with its lease tells its class, and that its limitation id, on both servers of a pair alike. Does not know
messages, nor what becomes of clients beyond a limit (``dhcp.limitation``).
Source: reference "commands and attributes" sections 2.3 to 2.5 (limitation-id, limitation-count).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tandem.config.compiled import Network, ServerConfig
from tandem.config.packet_expressions import remembered
from tandem.lease.binding import ACTIVE, Binding

_Place = tuple[int, str]
"""A LAN segment (its index) and a limitation id."""


class Limits:
    """Leases by limitation id."""

    def __init__(self, config: ServerConfig, bindings: Mapping[int, Binding]) -> None:
        """``bindings``: those of the book, by address, whatever becomes of them."""
        self._clients = config.clients
        self._config = config
        self._bindings = bindings
        self._holders: dict[_Place, dict[int, None]] = {}
        """Addresses."""
        self._places: dict[int, _Place] = {}
        """By address."""
        self._touched: dict[int, None] = {}
        """Addresses whose bindings may have changed since they were looked at."""
        self._fixed = False

    def touch(self, addresses: Iterable[int]) -> None:
        """Look at these addresses again before the next answer."""
        self._touched.update(dict.fromkeys(addresses))

    def fixed(self) -> Limits:
        """Return the same as it is now, for a sketch of the book: it follows no change."""
        self._settle()
        twin = Limits(self._config, {})
        twin._bindings, twin._holders, twin._places, twin._fixed = self._bindings, self._holders, self._places, True
        return twin

    def of_lease(self, address: int) -> str:
        """Return the limitation id that the lease of ``address`` counts for; empty for none."""
        self._settle()
        return self._places.get(address, (0, ""))[1]

    def before(self, network: Network, limitation: str, own: int, enough: int) -> int:
        """Return how many leases on ``network`` count for ``limitation`` before that of address ``own`` (0: a new
        one), or ``enough``, whichever is less."""
        self._settle()
        count = 0
        mine = self._rank(own) if own else None
        for address in self._holders.get((network.index, limitation), ()):
            if address != own and (mine is None or self._rank(address) < mine):
                count += 1
                if count >= enough:
                    break
        return count

    def _rank(self, address: int) -> tuple[int, int]:
        return self._bindings[address].start_of_state, address

    def _settle(self) -> None:
        if self._fixed or not self._touched:
            return
        for address in self._touched:
            before = self._places.pop(address, None)
            if before is not None:
                del self._holders[before][address]
                if not self._holders[before]:
                    del self._holders[before]
            binding = self._bindings.get(address)
            place = self._place(binding) if binding is not None and binding.status == ACTIVE else None
            if place is not None:
                self._places[address] = place
                self._holders.setdefault(place, {})[address] = None
        self._touched.clear()

    def _place(self, binding: Binding) -> _Place | None:
        network, clients = self._config.network_for(binding.address), self._clients
        if network is None or clients is None:
            return None
        packet = remembered(binding.client_id, binding.hardware, binding.options)
        profile = clients.find(packet.client_id, packet.hardware, packet.options, binding.last_transaction)
        if profile is None or profile.limitation is None:
            return None
        limitation = profile.limitation(packet)
        return (network.index, limitation) if limitation else None
