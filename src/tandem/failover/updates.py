"""What the partner has yet to be told, what it has been told and not yet acknowledged, and who asked for it all.

A window of unacknowledged BNDUPD messages, each with a batch of binding updates. One update of an address is on
the way at a time. Does not know the connection's set-up or the endpoint's state.
Source: draft-ietf-dhc-failover-12 sections 5.16, 5.17, 6.3, 7.1.1, 7.2, 7.3 to 7.5, 8.4.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from tandem.base.io import Effect, SaveBinding, SaveShare
from tandem.base.units import FOREVER
from tandem.failover.clock import Skew
from tandem.failover.dialect import TANDEM, Dialect
from tandem.lease.binding import (
    ABANDONED,
    ACTIVE,
    BACKUP,
    BOOTP_FLAG,
    COLUMNS,
    FREE,
    RELEASED,
    RESERVED_FLAG,
    Binding,
)
from tandem.lease.book import Book
from tandem.wire.failover import Update, UpdateBatch

_UP_TO_DATE = COLUMNS.index("up_to_date")
FLUSH_S = 0.01
"""How long an update waits for company before it is sent (lazy update, batched)."""


class Move:
    """An available address, or a range of never-used ones, that is to change its owner when the partner agrees."""

    __slots__ = ("hi", "lo", "owner", "unused")

    def __init__(self, lo: int, hi: int, owner: int, unused: bool) -> None:
        self.lo = lo
        self.hi = hi
        self.owner = owner
        """FREE: it becomes the main's; BACKUP: the backup's."""
        self.unused = unused
        """Never-used addresses lo..hi (our extension of BNDUPD); else one address that has a record."""


Item = Binding | Move


class Sent:
    """One update on the way: the item and how it was when it was sent."""

    __slots__ = ("generation", "item", "potential")

    def __init__(self, item: Item, generation: int, potential: int) -> None:
        self.item = item
        self.generation = generation
        self.potential = potential


class Request:
    """An UPDREQ or UPDREQALL of the partner that is being answered."""

    __slots__ = ("remaining", "xid")

    def __init__(self, xid: int, remaining: set[int]) -> None:
        self.xid = xid
        self.remaining = remaining
        """What is still unanswered, by (first) address; never iterated over."""


class UpdateQueue:
    """Updates of one endpoint: waiting and on the way."""

    def __init__(self, book: Book, main: bool, skew: Skew) -> None:
        self.book = book
        self.dialect: Dialect = TANDEM
        self._main = main
        self._skew = skew
        self.waiting: deque[Item] = deque()
        self.on_the_way: dict[int, dict[int, Sent]] = {}
        """xid of the BNDUPD -> (first) address -> what was sent."""
        self._addresses_on_the_way: dict[int, int] = {}
        self.request: Request | None = None
        self.barrier: Request | None = None
        """What is to be answered before NORMAL is announced; its number counts for nothing."""

    @property
    def unacknowledged(self) -> int:
        """How many updates are on the way."""
        return len(self._addresses_on_the_way)

    def is_on_the_way(self, address: int) -> bool:
        """Whether an update of the address has been sent and not been answered yet."""
        return address in self._addresses_on_the_way

    def moving(self, lo: int, hi: int, owner: int) -> list[Move]:
        """Return the moves of never-used addresses between lo and hi that are on the way to make them ``owner``'s."""
        items = [sent.item for sents in self.on_the_way.values() for sent in sents.values()]
        return [
            item for item in items
            if isinstance(item, Move) and item.unused and item.owner == owner and item.lo <= hi and lo <= item.hi
        ]  # fmt: skip

    @property
    def takes_back(self) -> bool:
        """Whether the main has addresses to take back, or is taking them."""
        under_way = (sent.item for sents in self.on_the_way.values() for sent in sents.values())
        return any(isinstance(item, Move) and item.owner == FREE for item in (*self.waiting, *under_way))

    def add(self, item: Item) -> None:
        """Put a changed binding, or a move, in line (once)."""
        if isinstance(item, Binding):
            if item.queued:
                return
            item.queued = True
        self.waiting.append(item)

    def disconnect(self) -> None:
        """The connection is gone: nothing is on the way, nobody waits for an UPDDONE (section 8.6)."""
        for sent in self.on_the_way.values():
            for entry in sent.values():
                if isinstance(entry.item, Move):
                    self.waiting.append(entry.item)
        self.on_the_way.clear()
        self._addresses_on_the_way.clear()
        self.request = self.barrier = None
        for item in self.waiting:
            if isinstance(item, Binding):
                item.queued = False
        self.waiting = deque(item for item in self.waiting if isinstance(item, Move))

    def start(self, bindings: Iterable[Binding]) -> None:
        """Put all that the partner has not acknowledged in line (on entering NORMAL, or on its request)."""
        for binding in bindings:
            if not binding.up_to_date:
                self.add(binding)

    def answer_request(self, xid: int) -> None:
        """Note that the partner waits for all that is in line or on the way now."""
        self.request = Request(xid, self._unanswered())

    def wait_for_all(self) -> None:
        """Note that this server waits for the answers to all that is in line or on the way now."""
        self.barrier = Request(0, self._unanswered())

    def _unanswered(self) -> set[int]:
        keys = set(self._addresses_on_the_way)
        for item in self.waiting:
            keys.add(item.address if isinstance(item, Binding) else item.lo)
        return keys

    def next_batch(
        self, secret: bytes, now: int, out: list[Effect], quiet: Callable[[Binding], bool] | None = None
    ) -> tuple[UpdateBatch, list[Sent]]:
        """Fill one BNDUPD from the line; return it (empty when nothing can be sent now) and what it holds.

        A binding whose potential expiration must be raised is saved first (``out``), so that what was sent is
        known after a crash (section 7.1.1). ``quiet``: which bindings are not to be told now.
        """
        batch = UpdateBatch(secret)
        sents: list[Sent] = []
        later: list[Item] = []
        moving: set[int] = set()
        waiting = self.waiting
        dialect = self.dialect
        write = dialect.write
        while waiting:
            if dialect.updates_max and len(sents) >= dialect.updates_max:
                break
            item = waiting.popleft()
            if isinstance(item, Binding):
                if item.address in self._addresses_on_the_way or item.address in moving:
                    later.append(item)
                    continue
                if item.up_to_date:
                    item.queued = False
                    self._settle(item.address)
                    continue
                if quiet is not None and quiet(item):
                    item.queued = False
                    self._settle(item.address)
                    continue
                update = self._update_of(item, out)
                if write is not None:
                    write(update, item, now, self._main, self._skew)
                if not batch.add(update):
                    waiting.appendleft(item)
                    break
                item.queued = False
                # Only with ACTIVE does the partner acknowledge a potential expiration (table 7.1-1).
                sents.append(Sent(item, item.generation, item.sent_potential if item.status == ACTIVE else 0))
            else:
                if item.unused and (item.owner == BACKUP or not self._main) and self._clipped(item):
                    continue
                told = self.book.by_address.get(item.lo)
                if item.lo in self._addresses_on_the_way or any(sent.item is told for sent in sents):
                    later.append(item)
                    continue
                if item.unused and item.lo < item.hi and not dialect.extensions:
                    item = self._first_of(item)
                update = Update(item.lo, item.owner, start_of_state=now)
                update.last_address = item.hi if item.unused and dialect.extensions else None
                if write is not None:
                    write(update, None, now, self._main, self._skew)
                if not batch.add(update):
                    waiting.appendleft(item)
                    break
                if self._main and item.owner == FREE and not dialect.extensions:
                    out += _taking(item, told)
                sents.append(Sent(item, 0, 0))
                moving.add(item.lo)
        waiting.extend(later)
        return batch, sents

    def _first_of(self, move: Move) -> Move:
        """Return the first address of a range as a move of its own; the rest goes back into line in its place."""
        self.waiting.appendleft(Move(move.lo + 1, move.hi, move.owner, True))
        self._also_for(move.lo, move.lo + 1)
        return Move(move.lo, move.lo, move.owner, True)

    def _clipped(self, move: Move) -> bool:
        """Put what is still never-used, and its owner's, of a range back into line in its place; return False when all
        of it is.

        While the partner was away addresses of the range may have been given to clients (section 9.4.2); the
        partner must never count those as its own.
        """
        scope = self.book.scope_at(move.lo)
        parts = [] if scope is None else self.book.pools[scope.index].side(move.owner).unused.overlap(move.lo, move.hi)
        if parts == [(move.lo, move.hi)]:
            return False
        for lo, hi in reversed(parts):
            self.waiting.appendleft(Move(lo, hi, move.owner, True))
            self._also_for(move.lo, lo)
        if not any(lo == move.lo for lo, _ in parts):
            self._settle(move.lo)
        return True

    def sent(self, xid: int, sents: list[Sent]) -> None:
        """A BNDUPD with these updates is on its way."""
        entries: dict[int, Sent] = {}
        for sent in sents:
            address = sent.item.address if isinstance(sent.item, Binding) else sent.item.lo
            entries[address] = sent
            self._addresses_on_the_way[address] = xid
        self.on_the_way[xid] = entries

    def take_answered(self, xid: int) -> dict[int, Sent] | None:
        """Return what the BNDUPD of ``xid`` held, which is no longer on the way; None for an unknown xid."""
        entries = self.on_the_way.pop(xid, None)
        if entries is not None:
            for address in entries:
                self._addresses_on_the_way.pop(address, None)
        return entries

    def settled(self, entries: dict[int, Sent]) -> None:
        """These were answered, one way or the other."""
        for waits in (self.request, self.barrier):
            if waits is not None:
                waits.remaining.difference_update(entries)

    def _settle(self, address: int) -> None:
        for waits in (self.request, self.barrier):
            if waits is not None:
                waits.remaining.discard(address)

    def _also_for(self, address: int, part: int) -> None:
        """Who waits for ``address`` waits for ``part`` too, into which it was split."""
        for waits in (self.request, self.barrier):
            if waits is not None and address in waits.remaining:
                waits.remaining.add(part)

    def request_done(self) -> int | None:
        """Return the xid of the UPDREQ for which everything has been answered, once; else None."""
        request = self.request
        if request is None or request.remaining:
            return None
        self.request = None
        return request.xid

    def _update_of(self, binding: Binding, out: list[Effect]) -> Update:
        """Return the update that tells the partner of ``binding`` (table 7.1-1)."""
        update = Update(address=binding.address, status=binding.status)
        status = binding.status
        update.flags = binding.flags & (RESERVED_FLAG | BOOTP_FLAG)
        update.start_of_state = binding.start_of_state
        if status == FREE and update.flags & RESERVED_FLAG:
            update.status = BACKUP  # a reserved address goes to the backup, flagged (section 5.13)
        if status != ABANDONED:
            update.hardware = binding.hardware
            update.client_id = binding.client_id
            if binding.last_transaction:
                update.last_transaction = binding.last_transaction
        if status == ACTIVE:
            wanted = self._potential(binding)
            if wanted > binding.sent_potential:
                binding.sent_potential = wanted
                out.append(SaveBinding(binding.row()))
            update.expires = binding.expires
            update.potential = binding.sent_potential
            update.request_options = binding.options
            update.reply_options = binding.reply_options
        elif status == RELEASED:
            update.request_options = binding.options
        if binding.ddns:
            update.ddns = (int.from_bytes(binding.ddns[:2], "big"), binding.ddns[2:])
        return update

    def _potential(self, binding: Binding) -> int:
        """The potential expiration to send: as it was worked out at the lease, or (granted while the partner
        could not be told) from the end of the lease and the scope's lease time."""
        if binding.sent_potential > binding.expires or binding.expires == FOREVER:
            return max(binding.sent_potential, binding.expires)
        scope = self.book.scope_at(binding.address)
        lease_s = 0
        if scope is not None:
            config = self.book.config
            lease_s = config.policy_of(scope, binding.address, binding.client_id, binding.hardware).lease_s
        wished = min(binding.last_transaction + lease_s * 3 // 2, FOREVER - 1)
        return max(binding.expires, binding.sent_potential, wished)


def _taking(move: Move, told: Binding | None) -> list[Effect]:
    """Store that the backup may agree to give an address back, and this server not live to hear so: after a restart it
    is told again that it is the backup's. (One of our make is reminded: ``failover.reminders``.)"""
    if move.unused:
        return [SaveShare(move.lo, move.hi, True, False)]
    if told is None or told.status != BACKUP:
        return []
    row = list(told.row())
    row[_UP_TO_DATE] = 0
    return [SaveBinding(tuple(row))]
