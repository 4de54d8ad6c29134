"""Which bindings a client has: the lease book's index by client.

Does not know scopes, times or what a binding means. Whoever changes a binding's client removes it before and adds it
after.
"""

from __future__ import annotations

from tandem.config.compiled import Network
from tandem.lease.binding import ACTIVE, Binding, client_key


class Clients:
    """Bindings by client. Most clients have one; a list is kept only for those that have more."""

    def __init__(self, known: dict[bytes, Binding | list[Binding]] | None = None) -> None:
        """``known``: by the client's key (``lease.binding.client_key``); taken over, not copied."""
        self.known: dict[bytes, Binding | list[Binding]] = {} if known is None else known

    def find(self, network: Network, key: bytes) -> Binding | None:
        """Return the client's latest binding on the LAN segment (active before past), or None.

        Both servers of a pair find the same one of several (draft section 7.1.2).
        """
        found = self.known.get(key)
        if found is None:
            return None
        if type(found) is list:
            best = None
            for binding in found:
                if _in_network(network, binding.address) and (
                    best is None
                    or (binding.status == ACTIVE, binding.last_transaction, -binding.address)
                    > (best.status == ACTIVE, best.last_transaction, -best.address)
                ):
                    best = binding
            return best
        assert isinstance(found, Binding)
        return found if _in_network(network, found.address) else None

    def all_of(self, key: bytes) -> list[Binding]:
        """Return all bindings of a client, on any network."""
        found = self.known.get(key)
        if found is None:
            return []
        return found if isinstance(found, list) else [found]

    def add(self, binding: Binding) -> None:
        """Remember whose ``binding`` is, if it is anybody's."""
        if not binding.hardware and not binding.client_id:
            return
        key = client_key(binding.client_id, binding.hardware)
        found = self.known.get(key)
        if found is None:
            self.known[key] = binding
        elif isinstance(found, list):
            if binding not in found:
                found.append(binding)
        elif found is not binding:
            self.known[key] = [found, binding]

    def remove(self, binding: Binding) -> None:
        """Forget whose ``binding`` is."""
        if not binding.hardware and not binding.client_id:
            return
        key = client_key(binding.client_id, binding.hardware)
        found = self.known.get(key)
        if found is binding:
            del self.known[key]
        elif isinstance(found, list) and binding in found:
            found.remove(binding)
            if len(found) == 1:
                self.known[key] = found[0]


def _in_network(network: Network, address: int) -> bool:
    for scope in network.scopes:
        if address & scope.mask == scope.subnet:
            return True
    return False
