"""A lease book on which a decision can be tried without deciding anything: a copy of what the decision can touch.

Costs what one LAN segment's available addresses cost, not what its leases cost: bindings are copied when they are
looked at. What is done to a sketch is not seen in its book; what is done to the book meanwhile may be seen in the
sketch, so use it at once. Does not know messages.
"""

from __future__ import annotations

from copy import copy
from typing import Any

from tandem.config.compiled import Network
from tandem.lease.addresses import Addresses
from tandem.lease.binding import Binding
from tandem.lease.book import Book
from tandem.lease.clients import Clients
from tandem.lease.pool import Pool, Side
from tandem.lease.timer import Timer


class _Bindings(dict[int, Binding]):
    """Bindings by address, each copied when it is first looked at."""

    def __init__(self, origin: dict[int, Binding]) -> None:
        super().__init__()
        self._origin = origin

    def __missing__(self, address: int) -> Binding:
        self[address] = made = copy(self._origin[address])
        return made

    def __contains__(self, address: object) -> bool:
        return super().__contains__(address) or address in self._origin

    def get(self, address: int, default: Any = None) -> Any:
        return self[address] if address in self else default  # noqa: SIM401  this is that get


class _Known(dict[bytes, Any]):
    """The bindings of each client, in copies; None where there are none any more."""

    def __init__(self, origin: dict[bytes, Any], bindings: _Bindings) -> None:
        super().__init__()
        self._origin = origin
        self._bindings = bindings

    def get(self, key: bytes, default: Any = None) -> Any:
        if key not in self:
            found = self._origin.get(key)
            if isinstance(found, list):
                self[key] = [self._bindings[binding.address] for binding in found]
            else:
                self[key] = None if found is None else self._bindings[found.address]
        return self[key]

    def __delitem__(self, key: bytes) -> None:
        self[key] = None


class Sketch(Book):
    """A book that looks like another one, for one client on one LAN segment."""

    def __init__(self, book: Book, network: Network, key: bytes) -> None:
        """``key``: the client, as ``lease.binding.client_key`` has it."""
        bindings = _Bindings(book.by_address)
        self.by_address = bindings
        self.config = book.config
        self.addresses = Addresses()
        self.offered = dict(book.offered)
        self.changed = []
        self._offers = dict(book._offers)
        held = self._offers.get(key)
        if held is not None:
            self._offers[key] = mine = copy(held)
            aside: Any = copy(self.offered[held.address])
            aside.offer = mine
            self.offered[held.address] = aside
        self._offer_ends = []
        self.limits = None if book.limits is None else book.limits.fixed()
        self.clients = Clients(_Known(book.clients.by_id, bindings), _Known(book.clients.by_hardware, bindings))
        self._timer = Timer()
        self._shared = {}
        self._parked = []
        self._subnets, self._ordered, self._network = book._subnets, book._ordered, book._network
        copied = [scope.index for scope in network.scopes]
        self.pools = [_twin(pool) if pool.scope.index in copied else pool for pool in book.pools]


def _twin(pool: Pool) -> Pool:
    """Return a pool with the same available addresses, that can be changed by itself."""
    twin = Pool(pool.scope)
    twin.main, twin.backup = _side(pool.main), _side(pool.backup)
    twin.counts = list(pool.counts)
    return twin


def _side(side: Side) -> Side:
    made = Side(side.unused.copy())
    made.recorded, made.heap = side.recorded, list(side.heap)
    return made
