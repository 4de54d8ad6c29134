"""Which bindings a client has: the lease book's index by client.

Does not know scopes, times or what a binding means. Whoever changes a binding's client removes it before and adds it
after.
"""

from __future__ import annotations

from tandem.config.compiled import Network
from tandem.lease.binding import ACTIVE, Binding, client_key

Known = dict[bytes, Binding | list[Binding]]
_ID = client_key(b"-", b"")[0]


class Clients:
    """Bindings by client. Most clients have one; a list is kept only for those that have more."""

    def __init__(self, by_id: Known | None = None, by_hardware: Known | None = None) -> None:
        self.by_id: Known = {} if by_id is None else by_id
        """Those that sent a client identifier, by it: the key is the binding's own bytes, and costs nothing."""
        self.by_hardware: Known = {} if by_hardware is None else by_hardware
        """The others, by hardware type and address."""

    def find(self, network: Network, key: bytes) -> Binding | None:
        """Return the client's latest binding on the LAN segment (active before past), or None.

        Both servers of a pair find the same one of several (draft section 7.1.2).
        """
        found = self._get(key)
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
        found = self._get(key)
        if found is None:
            return []
        return found if isinstance(found, list) else [found]

    def _get(self, key: bytes) -> Binding | list[Binding] | None:
        """``key``: as ``lease.binding.client_key`` makes it."""
        return (self.by_id if key[0] == _ID else self.by_hardware).get(key[1:])

    def add(self, binding: Binding) -> None:
        """Remember whose ``binding`` is, if it is anybody's."""
        known, key = self._place(binding)
        found = known.get(key) if key else None
        if found is None:
            if key:
                known[key] = binding
        elif isinstance(found, list):
            if binding not in found:
                found.append(binding)
        elif found is not binding:
            known[key] = [found, binding]

    def remove(self, binding: Binding) -> None:
        """Forget whose ``binding`` is."""
        known, key = self._place(binding)
        found = known.get(key) if key else None
        if found is binding:
            del known[key]
        elif isinstance(found, list) and binding in found:
            found.remove(binding)
            if len(found) == 1:
                known[key] = found[0]

    def _place(self, binding: Binding) -> tuple[Known, bytes]:
        """Return where a binding stands, and under what; empty when nobody has it."""
        if binding.client_id:
            return self.by_id, binding.client_id
        return self.by_hardware, binding.hardware


def _in_network(network: Network, address: int) -> bool:
    for scope in network.scopes:
        if address & scope.mask == scope.subnet:
            return True
    return False
