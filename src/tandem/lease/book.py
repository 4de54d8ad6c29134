"""The lease book: every binding of a server in memory, found by address, by client, and by time.

The database is its durable shadow: each change goes through ``save``, which makes the effect that stores it
and remembers it for the partner. Does not know messages, policies' meaning, or states of the pair.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush

from tandem.base.io import Effect, SaveBinding
from tandem.base.ranges import RangeSet
from tandem.config.compiled import CompiledScope, Network, ServerConfig
from tandem.lease.addresses import Addresses
from tandem.lease.binding import (
    ABANDONED,
    ACTIVE,
    BACKUP,
    DEACTIVATED_FLAG,
    FREE,
    RESERVED_FLAG,
    Binding,
)
from tandem.lease.clients import Clients
from tandem.lease.limits import Limits
from tandem.lease.offers import HELD_BACK, Offer, SetAside
from tandem.lease.pool import Pool
from tandem.lease.powers import Powers
from tandem.lease.timer import Timer

_RECENT_S = 4 * 3600
"""Leases older than this say nothing about how many new clients come now."""
_SHARED_MAX = 1000


class Book:
    """All bindings of a server, its pools and its outstanding offers."""

    def __init__(self, config: ServerConfig) -> None:
        self.by_address: dict[int, Binding] = {}
        self.addresses = Addresses()
        """Those of ``by_address`` in ascending order."""
        self.offered: dict[int, object] = {}
        """What is set aside, by address: for a client's offer, or for nobody (deactivated)."""
        self.changed: list[Binding] = []
        """Bindings saved since the node last looked, of scopes that have a partner."""
        self._offers: dict[bytes, Offer] = {}
        self._offer_ends: list[tuple[int, int]] = []
        self.clients = Clients()
        self._timer = Timer()
        self._shared: dict[bytes, bytes] = {}
        self._parked: list[tuple[int, int]] = []
        """Never-used addresses of the backup's that no range has at present."""
        self.pools: list[Pool] = []
        self.limits: Limits | None = None
        """Leases by limitation id; None where no client-class has one."""
        self.configure(config)

    # --- configuration and loading ----------------------------------------------------------------------

    def configure(self, config: ServerConfig) -> set[int]:
        """Take a (new) configuration over the same bindings and the same shares; return the indexes of the scopes whose
        pools were made anew.

        A scope whose addresses stay what they were keeps its pool and its offers: a reload costs what has changed.
        """
        before = {(pool.scope.subnet, pool.scope.mask): pool for pool in self.pools}
        kept = {
            scope.index: before.pop((scope.subnet, scope.mask))
            for scope in config.scopes
            if _same_addresses(before.get((scope.subnet, scope.mask)), scope)
        }
        for pool in before.values():
            self.forget_offers(pool.scope)
        shares = [*self._parked, *(span for pool in before.values() for span in pool.backup.unused)]
        self.config = config
        for scope in config.scopes:
            if scope.index in kept:
                kept[scope.index].scope = scope
        former = {pool.scope.name: pool for pool in self.pools}
        self.pools = [kept.get(scope.index) or Pool(scope) for scope in config.scopes]
        for pool in self.pools:
            if pool.scope.index not in kept and pool.scope.name in former:
                pool.follow(former[pool.scope.name])
        order = sorted(config.scopes, key=lambda scope: scope.subnet)
        self._subnets = [scope.subnet for scope in order]
        self._ordered = order
        self._network = {scope.index: network for network in config.networks for scope in network.scopes}
        self.limits = None
        if config.clients is not None and config.clients.limited:
            self.limits = Limits(config, self.by_address)
            self.limits.touch(self.by_address)
        for offer in self._offers.values():
            offer.scope = self._scope_of(offer.address)
        self._take_shares(shares)
        new = {scope.index for scope in config.scopes if scope.index not in kept}
        if new:
            for binding in self.by_address.values():
                where = self.scope_at(binding.address)
                if where is not None and where.index in new:
                    self._enter(binding, where)
        return new

    def _scope_of(self, address: int) -> CompiledScope:
        scope = self.scope_at(address)
        assert scope is not None, "offers of scopes that went were forgotten"
        return scope

    def load(self, rows: Iterable[tuple[object, ...]], shares: Iterable[tuple[int, int]]) -> None:
        """Take the stored bindings and the backup's ranges. Once, on the empty book."""
        self._take_shares(shares)
        for row in rows:
            binding = Binding.from_row(row)
            if binding.reply_options:
                binding.reply_options = self.shared(binding.reply_options) or self.share(binding.reply_options)
            self.by_address[binding.address] = binding
            self.addresses.add(binding.address)
            if binding.flags & DEACTIVATED_FLAG:
                self.offered[binding.address] = HELD_BACK
            scope = self.scope_at(binding.address)
            if scope is not None:
                self._enter(binding, scope)
            self.clients.add(binding)
            if binding.status in (ACTIVE, ABANDONED):
                self.schedule(binding.expires, binding)
        if self.limits is not None:
            self.limits.touch(self.by_address)

    def estimate_arrivals(self, now: float) -> None:
        """Measure the rate of new clients by the running leases of the last hours, after a restart at ``now``: to a
        minute, as there may be hundreds of thousands."""
        oldest = now - _RECENT_S
        young: dict[tuple[int, int], int] = {}
        scope = None
        for binding in self.by_address.values():
            start = binding.start_of_state
            if binding.status == ACTIVE and oldest < start <= now:
                if scope is None or binding.address & scope.mask != scope.subnet:
                    scope = self.scope_at(binding.address)  # seldom: they were loaded by address
                if scope is not None:
                    place = scope.index, start // 60
                    young[place] = young.get(place, 0) + 1
        for (index, minute), number in young.items():
            self.pools[index].arrivals.note(min(minute * 60.0 + 30, now), number)

    def _take_shares(self, shares: Iterable[tuple[int, int]]) -> None:
        """Make never-used addresses the backup's. Those in no range now are kept in mind: whose they are must not be
        forgotten should the range come back."""
        rest = RangeSet()
        for lo, hi in shares:
            self.assign_unused(lo, hi, BACKUP)
            rest.add(lo, hi)
        for pool in self.pools:
            for lo, hi in pool.backup.unused:
                rest.remove(lo, hi)
        self._parked = list(rest)

    def _enter(self, binding: Binding, scope: CompiledScope) -> None:
        pool = self.pools[scope.index]
        pool.use(binding.address)
        pool.counts[binding.status] += 1
        available = binding.status == FREE or binding.status == BACKUP
        if available and self._dynamic(scope, binding.address) and binding.address not in self.offered:
            pool.push(binding, self.by_address, self.offered)

    @staticmethod
    def _dynamic(scope: CompiledScope, address: int) -> bool:
        return address not in scope.reserved and address in scope.ranges

    # --- finding ----------------------------------------------------------------------------------------

    def scope_at(self, address: int) -> CompiledScope | None:
        """Return the scope whose subnet holds ``address``, or None."""
        i = bisect_right(self._subnets, address) - 1
        if i >= 0:
            scope = self._ordered[i]
            if address & scope.mask == scope.subnet:
                return scope
        return None

    def network_of(self, scope: CompiledScope) -> Network:
        """Return the LAN segment of ``scope``."""
        return self._network[scope.index]

    def shared(self, options: bytes) -> bytes | None:
        """Return the bytes that ``share`` has, equal to ``options``, or None."""
        return self._shared.get(options)

    def share(self, options: bytes) -> bytes:
        """Keep options that many bindings have alike, so that they are one object; return them."""
        if len(self._shared) >= _SHARED_MAX:
            self._shared.clear()
        self._shared[options] = options
        return options

    # --- changing ---------------------------------------------------------------------------------------

    def record(self, address: int, scope: CompiledScope) -> Binding:
        """Return the binding of ``address``, making a record (as its owner's available address) if it has none.

        Whoever lets a record be made gives it its state with ``set_status`` next.
        """
        binding = self.by_address.get(address)
        if binding is None:
            pool = self.pools[scope.index]
            owner = pool.owner_of_unused(address)
            if not owner:
                offer = self.offered.get(address)
                owner = offer.own if isinstance(offer, SetAside) else FREE
            pool.use(address)
            binding = Binding(address, owner)
            self.by_address[address] = binding
            self.addresses.add(address)
            pool.counts[owner] += 1
            if address in scope.reserved:
                binding.flags |= RESERVED_FLAG
            elif address in scope.ranges and address not in self.offered:
                pool.side(owner).recorded += 1  # set_status takes it off, or puts it into the heap
        return binding

    def set_client(self, binding: Binding, hardware: bytes, client_id: bytes) -> None:
        """Make ``binding`` the client's, in the index too; what is known of another client is forgotten."""
        if binding.hardware != hardware or binding.client_id != client_id:
            self.clients.remove(binding)
            binding.hardware = hardware
            binding.client_id = client_id
            binding.options = binding.reply_options = binding.ddns = b""
            self.clients.add(binding)

    def set_status(self, binding: Binding, status: int, now: int) -> None:
        """Move ``binding`` to ``status``: counts, the owner's available addresses and the timer follow."""
        before = binding.status
        scope = self.scope_at(binding.address)
        if status != before or not binding.start_of_state:
            if scope is not None:
                pool = self.pools[scope.index]
                dynamic = self._dynamic(scope, binding.address)
                if (before == FREE or before == BACKUP) and dynamic and binding.address not in self.offered:
                    pool.side(before).recorded -= 1
                if status == ACTIVE and (before == FREE or before == BACKUP):
                    pool.arrivals.note(now)
                pool.counts[before] -= 1
                pool.counts[status] += 1
                binding.status = status
                binding.start_of_state = now
                if (status == FREE or status == BACKUP) and dynamic and binding.address not in self.offered:
                    pool.push(binding, self.by_address, self.offered)
            else:
                binding.status = status
                binding.start_of_state = now
        if self.limits is not None:
            self.limits.touch((binding.address,))
        if status == ACTIVE or status == ABANDONED:
            self.schedule(binding.expires, binding)
        elif status == FREE or status == BACKUP:
            # What was agreed about the last client's lease must not lengthen the next one's.
            binding.sent_potential = binding.acked_potential = binding.received_potential = 0

    def save(self, binding: Binding, out: list[Effect]) -> None:
        """Store ``binding`` as it is now, and remember to tell the partner (if its scope has one)."""
        binding.generation += 1
        scope = self.scope_at(binding.address)
        shared = scope is not None and scope.endpoint != 0
        binding.up_to_date = not shared
        out.append(SaveBinding(binding.row()))
        if shared:
            self.changed.append(binding)

    def held_back(self, address: int) -> bool:
        """Return whether an operator keeps the address from clients."""
        return self.offered.get(address) is HELD_BACK

    def hold_back(self, address: int, scope: CompiledScope, now: int) -> Binding:
        """Keep an address from clients until ``release``; return its record. The caller saves it.

        A lease on it goes on, but cannot be renewed.
        """
        self.cancel_offer(address)
        known = self.by_address.get(address)
        if known is not None and known.status in (FREE, BACKUP) and self._dynamic(scope, address):
            self.pools[scope.index].side(known.status).recorded -= 1
        owner = self.pools[scope.index].owner_of_unused(address)
        self.offered[address] = HELD_BACK
        binding = self.record(address, scope)
        if known is None:
            binding.status = owner or FREE
            self.set_status(binding, binding.status, now)
        binding.flags |= DEACTIVATED_FLAG
        return binding

    def release(self, binding: Binding, scope: CompiledScope) -> None:
        """Let clients have an address again that was held back. The caller saves it."""
        del self.offered[binding.address]
        binding.flags &= ~DEACTIVATED_FLAG
        if binding.status in (FREE, BACKUP) and self._dynamic(scope, binding.address):
            self.pools[scope.index].push(binding, self.by_address, self.offered)

    # --- offers -----------------------------------------------------------------------------------------

    def offer_to(self, network: Network, key: bytes) -> Offer | None:
        """Return the offer that the client of ``key`` holds on this LAN segment, or None."""
        offer = self._offers.get(key)
        if offer is not None and offer.scope in network.scopes:
            return offer
        return None

    def may_give(self, scope: CompiledScope, address: int, key: bytes, powers: Powers, now: float) -> bool:
        """Return whether ``address`` of ``scope`` may be newly given to the client of ``key`` under ``powers``.

        True for its own reservation, and for an address that is available, or offered to it, on a side that we may
        give from now.
        """
        offer = self.offered.get(address)
        if offer is HELD_BACK:
            return False
        reservation = scope.reserved.get(address)
        if isinstance(offer, SetAside):
            if offer.offer.key != key:
                return False
            if reservation is not None:
                return True
            return now >= (powers.own_from if offer.own == powers.own else powers.other_from_in(scope))
        binding = self.by_address.get(address)
        if reservation is not None:
            return reservation.key == key and (binding is None or binding.status in (FREE, BACKUP))
        if binding is None:
            owner = self.pools[scope.index].owner_of_unused(address)
        elif binding.status in (FREE, BACKUP) and address in scope.ranges:
            owner = binding.status
        else:
            return False
        return owner != 0 and now >= (powers.own_from if owner == powers.own else powers.other_from_in(scope))

    def set_aside(
        self, scope: CompiledScope, address: int, key: bytes, now: float, until: float, lease_s: int
    ) -> Offer:
        """Set one address (that ``may_give`` allows) aside for a client and return the offer."""
        previous = self._offers.get(key)
        if previous is not None:
            if previous.address == address:
                previous.until, previous.lease_s = int(until), lease_s
                self._end_later(previous)
                return previous
            self._forget(previous)
        pool = self.pools[scope.index]
        binding = self.by_address.get(address)
        if binding is None:
            own = pool.owner_of_unused(address) or FREE
            pool.use(address)
        else:
            own = binding.status
            if self._dynamic(scope, address):
                pool.side(own).recorded -= 1
        return self._hold(Offer(address, key, scope, int(until), lease_s), own)

    def choose(
        self, scope: CompiledScope, key: bytes, powers: Powers, now: float, until: float, lease_s: int
    ) -> Offer | None:
        """Set the scope's next available address aside for a client: our own side first, then the partner's
        where ``powers`` allow it. None when there is none."""
        pool = self.pools[scope.index]
        own = powers.own
        address = pool.take(own, self.by_address, self.offered) if now >= powers.own_from else None
        if address is None and now >= powers.other_from_in(scope):
            own = BACKUP if own == FREE else FREE
            address = pool.take(own, self.by_address, self.offered)
        if address is None:
            return None
        previous = self._offers.get(key)
        if previous is not None:
            self._forget(previous)
        return self._hold(Offer(address, key, scope, int(until), lease_s), own)

    def _hold(self, offer: Offer, own: int) -> Offer:
        self.offered[offer.address] = SetAside(offer, own)
        self._offers[offer.key] = offer
        self._end_later(offer)
        return offer

    def _end_later(self, offer: Offer) -> None:
        """Note when the offer ends. Clients decide how often they ask: what is out of date is thrown out in time."""
        ends = self._offer_ends
        if len(ends) > 2 * len(self._offers) + 200:
            ends[:] = [(held.until, held.address) for held in self._offers.values()]
            heapify(ends)
        heappush(ends, (offer.until, offer.address))

    def withdraw(self, network: Network, key: bytes) -> None:
        """The client took another server's offer, or ours is refused: its address is available again."""
        offer = self.offer_to(network, key)
        if offer is not None:
            self._forget(offer)

    def forget_offers(self, scope: CompiledScope) -> None:
        """Forget every offer of a scope's addresses: they are available again."""
        for offer in [held for held in self._offers.values() if held.scope is scope]:
            self._forget(offer)

    def cancel_offer(self, address: int) -> None:
        """The address is no longer ours to offer (the partner has given it): forget an offer of it."""
        held = self.offered.get(address)
        if isinstance(held, SetAside):
            self._forget(held.offer)

    def _forget(self, offer: Offer) -> None:
        """Give a set-aside address back to the side it came from."""
        held = self.offered.pop(offer.address)
        assert isinstance(held, SetAside)
        del self._offers[offer.key]
        scope = self.scope_at(offer.address)
        if scope is None or not self._dynamic(scope, offer.address):
            return
        binding = self.by_address.get(offer.address)
        pool = self.pools[scope.index]
        if binding is None:
            pool.side(held.own).unused.add(offer.address, offer.address)
        elif binding.status == FREE or binding.status == BACKUP:
            pool.push(binding, self.by_address, self.offered)

    def take_offer(self, offer: Offer) -> Binding:
        """The client accepted: return the address's record, no longer set aside and in no heap.

        The caller makes it ACTIVE (``set_status``) at once.
        """
        scope = offer.scope
        binding = self.record(offer.address, scope)
        if self.offered.pop(offer.address, None) is not None:
            del self._offers[offer.key]
            if self._dynamic(scope, offer.address) and binding.status in (FREE, BACKUP):
                self.pools[scope.index].side(binding.status).recorded += 1  # set_status takes it off again
        return binding

    def end_offers(self, now: float) -> None:
        """Offers that nobody answered in time are available again."""
        ends = self._offer_ends
        while ends and ends[0][0] <= now:
            until, address = heappop(ends)
            held = self.offered.get(address)
            if isinstance(held, SetAside) and held.offer.until <= until:
                self._forget(held.offer)

    # --- time -------------------------------------------------------------------------------------------

    def schedule(self, due: int, binding: Binding) -> None:
        """Let ``due`` bring up ``binding`` at time ``due``, or earlier (whoever handles it looks at the times)."""
        if not binding.timed or due < binding.timed:
            binding.timed = max(due, 1)
            self._timer.add(binding.timed, binding.address)

    def due(self, now: float) -> Iterator[Binding]:
        """Return the bindings whose time has come; each may be scheduled again by whoever handles it."""
        return self._timer.due(now, self.by_address)

    def next_due(self) -> int | None:
        """When ``due`` or ``end_offers`` has work next, or None."""
        first = self._timer.next()
        if self._offer_ends and (first is None or self._offer_ends[0][0] < first):
            return self._offer_ends[0][0]
        return first

    # --- never-used addresses ---------------------------------------------------------------------------

    def assign_unused(self, lo: int, hi: int, owner: int) -> None:
        """Make the never-used addresses among lo..hi the side of ``owner`` (FREE: main, BACKUP)."""
        for pool in self.pools:
            scope = pool.scope
            if scope.subnet > hi or scope.subnet | (scope.mask ^ 0xFFFFFFFF) < lo:
                continue
            source, target = pool.side(BACKUP if owner == FREE else FREE), pool.side(owner)
            for a, b in source.unused.overlap(lo, hi):
                source.unused.remove(a, b)
                target.unused.add(a, b)


def _same_addresses(pool: Pool | None, scope: CompiledScope) -> bool:
    """Return whether ``pool`` holds what a new pool for ``scope`` would hold, in the same order."""
    return (
        pool is not None
        and pool.scope.ranges == scope.ranges
        and pool.scope.reserved.keys() == scope.reserved.keys()
        and pool.scope.allocate_first_available == scope.allocate_first_available
    )
