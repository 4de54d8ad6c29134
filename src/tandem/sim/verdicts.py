"""The verdicts: what must hold after every step, whatever happens (DESIGN: invariants), and at the end.

Looks into both nodes and onto their disks; believes only the clients' ledger. Cheap checks run at each effect that
they concern, whole ones now and then and whenever a server starts or changes its state. Does not know faults; the
ledger's excuses and a machine's ``amnesia`` say what the scenario has made possible.
"""

from __future__ import annotations

from collections.abc import Callable

from tandem.base.io import Reply
from tandem.base.ipv4 import format_ipv4
from tandem.base.units import FOREVER
from tandem.failover.endpoint import Endpoint
from tandem.failover.states import state_name
from tandem.lease.binding import (
    ABANDONED,
    ACTIVE,
    BACKUP,
    BOOTP_FLAG,
    COLUMNS,
    FREE,
    RESERVED_FLAG,
    Binding,
    client_key,
)
from tandem.lease.book import Book
from tandem.sim.ledger import Ledger
from tandem.sim.machine import STALE_S, Machine
from tandem.sim.settings import Layout
from tandem.sim.world import Violation, World, clock_text
from tandem.wire import dhcp
from tandem.wire.failover import MessageType, State, decode
from tandem.wire.failover import ServerState as S

_COINCIDENCES = 3
"""So many equal numbers are no coincidence."""
_MEASURED_S = 300.0
"""By then a clock that was set has been noticed and measured by the partner."""
WHOLE_S = 20.0
"""How often whole checks run."""
_COLUMN = {name: i for i, name in enumerate(COLUMNS)}
_SHARING = (S.NORMAL, S.COMMUNICATIONS_INTERRUPTED)
_WHOLE_AGAIN = (S.NORMAL, S.RECOVER_DONE, S.RECOVER_WAIT)


class Verdicts:
    """Judges the servers of one world."""

    def __init__(
        self, world: World, settings: Layout, ledger: Ledger, entered: Callable[[Machine, Endpoint], None],
        whole_s: float = WHOLE_S,
    ) -> None:  # fmt: skip
        """``entered`` hears of each change of a failover state; whole checks run every ``whole_s``."""
        self.world = world
        self._entered, self._whole_s = entered, whole_s
        self.settings = settings
        self.ledger = ledger
        ledger.believed = self.believed
        self.machines: dict[int, Machine] = {}
        self.amnesia: dict[int, str] = {}
        """Servers whose database was lost or is old, and why, until they have recovered."""
        self._lost_at: dict[int, float] = {}
        """When a server stopped that lost its database, or got an old one."""
        self._asked_at: dict[int, float] = {}
        """When a server last asked its partner for updates."""
        self._partners: dict[tuple[int, int], int] = {}
        self.learn(settings)
        self._states: dict[tuple[int, str], int] = {}
        self._secret = settings.secret.encode()
        self._whole_at = 0.0
        self._misjudged_s = 0.0
        """The largest error so far of a server's idea of its partner's clock: a message that is late looks like a
        clock that is slow, so lead times are only as exact as that."""
        self._misjudged_at = 0.0
        """When a server was last wrong by much about its partner's clock (it believes one set back after a minute)."""
        self.checks = 0

    def learn(self, settings: Layout) -> None:
        """Take who is whose partner where."""
        for subnet in settings.subnets:
            self._partners[subnet.net, subnet.main] = subnet.backup
            self._partners[subnet.net, subnet.backup] = subnet.main

    def forgets(self, machine: Machine, why: str) -> None:
        """A server's database is lost or old. What its partner does not know either is known to nobody any more."""
        self.amnesia[machine.address] = why
        self._lost_at[machine.address] = self.world.now
        for address, held in self.ledger.valid():
            partner = self.machines.get(self._partners.get((self.settings.net_of(address), machine.address), 0))
            if partner is None or held.server != machine.address:
                continue
            row = partner.disk.rows.get(address)
            binding = None if row is None else Binding.from_row(row)
            known = binding is not None and binding.status == ACTIVE and _is_of(binding, held.key)
            if binding is not None and known and binding.expires == FOREVER:
                continue
            if binding is None or not known or partner.true_time(binding.expires) + self.ledger.slack_s < held.end:
                held.lost = True

    # --- at effects -------------------------------------------------------------------------------------

    def sending(self, machine: Machine, data: bytes) -> None:
        """State before wire: the partner hears of a state only when it is on disk. And while the main asks for
        addresses back, they are not its own."""
        if len(data) < 3:
            return
        if data[2] == MessageType.BNDUPD:
            for endpoint in machine.endpoints:
                if endpoint.config.main and endpoint.queue.takes_back and endpoint.config.peer in self.machines:
                    self._one_owner(machine, self.machines[endpoint.config.peer])
        if data[2] in (MessageType.UPDREQ, MessageType.UPDREQALL):
            self._asked_at[machine.address] = self.world.now
        if data[2] != MessageType.STATE:
            return
        message = decode(data, self._secret).message
        assert isinstance(message, State)
        if message.startup or message.state in (S.PAUSED, S.SHUTDOWN):
            return
        disk = machine.disk
        stored = [*(values.get("state") for values in disk.states.values()), *disk.latest_states]
        if message.state not in stored:
            raise Violation(
                "state before wire", f"{machine.name} tells its partner {state_name(message.state)}, but its disk holds"
                f" {', '.join(state_name(int(str(s))) for s in stored)}", machine.name,
            )  # fmt: skip

    def replying(self, machine: Machine, reply: Reply) -> None:
        """An ACK leaves: what it promises is on disk, and within what the partner knows."""
        data = reply.data
        if data[240:242] != b"\x35\x01":
            self._replying_bootp(machine, dhcp.decode(data))
        if data[240:243] != b"\x35\x01\x05" or data[16:20] == b"\0\0\0\0":
            return
        message = dhcp.decode(data)
        lease = message.options.get(51)
        if lease is None:
            return  # an answer to INFORM
        lease_s = int.from_bytes(lease, "big")
        address = message.yiaddr
        row = machine.disk.last_active.get(address)
        if row is None or row[_COLUMN["hardware"]] != message.hardware or not self._covers(row, machine, lease_s):
            raise Violation(
                "persist, then send", f"{machine.name} acknowledges {format_ipv4(address)} for {lease_s} s to"
                f" {message.chaddr.hex(':')}, but its disk holds {_row_text(row)}", format_ipv4(address), machine.name,
            )  # fmt: skip
        self._lead_time(machine, address, row, lease_s)

    @staticmethod
    def _replying_bootp(machine: Machine, message: dhcp.Message) -> None:
        """A BOOTP client is told its address: on disk it is that client's, for good."""
        row = machine.disk.last_active.get(message.yiaddr)
        binding = None if row is None else Binding.from_row(row)
        kept = binding is not None and binding.hardware == message.hardware and binding.expires == FOREVER
        if binding is None or not kept or not binding.flags & BOOTP_FLAG:
            raise Violation(
                "persist, then send", f"{machine.name} tells BOOTP client {message.chaddr.hex(':')} its address"
                f" {format_ipv4(message.yiaddr)}, but its disk holds {_row_text(row)}", format_ipv4(message.yiaddr),
                machine.name,
            )  # fmt: skip

    @staticmethod
    def _covers(row: tuple[object, ...], machine: Machine, lease_s: int) -> bool:
        expires = row[_COLUMN["expires"]]
        assert isinstance(expires, int)
        return expires == FOREVER or expires >= machine.clock + lease_s - STALE_S - 1

    def _lead_time(self, machine: Machine, address: int, row: tuple[object, ...], lease_s: int) -> None:
        """No lease ends more than the MCLT after what the partner has acknowledged, or after now."""
        self.checks += 1
        subnet = self.settings.net_of(address)
        partner = self.machines.get(self._partners.get((subnet, machine.address), 0))
        if partner is None or partner.address in self.amnesia or machine.node is None:
            return
        endpoint = machine.endpoint_with(partner.address, self._is_main(machine, subnet))
        if endpoint is None or endpoint.powers.mclt_s is None or self.ledger.excuses:
            return
        flags, expires = row[_COLUMN["flags"]], row[_COLUMN["expires"]]
        assert isinstance(flags, int) and isinstance(expires, int)
        if flags & RESERVED_FLAG:
            return
        if expires > machine.clock + lease_s:  # an earlier promise to this client, made by what was known then
            expires = int(machine.clock + lease_s - STALE_S)
        known = self._known(partner, address)
        now = machine.clock
        there = now if known == FOREVER else machine.clock + (known - partner.clock)
        limit = max(now, there) + endpoint.powers.mclt_s + self.ledger.slack_s + self._misjudged_s + 2
        if known != FOREVER and expires > limit:
            raise Violation(
                "lead time", f"{machine.name} gives {format_ipv4(address)} {expires - limit:.1f} s more than the MCLT"
                f" of {endpoint.powers.mclt_s} s beyond what {partner.name} has on disk for it: {_row_text(row)} here,"
                f" {_row_text(partner.disk.rows.get(address))} there", format_ipv4(address), machine.name,
            )  # fmt: skip

    def believed(self, server: int, address: int, end: float) -> bool:
        """Whether a server that could not ask its partner has extended a lease for no more than the MCLT."""
        subnet = self.settings.net_of(address)
        machine, partner = self.machines[server], self._partners.get((subnet, server), 0)
        endpoint = machine.endpoint_with(partner, self._is_main(machine, subnet)) if machine.node is not None else None
        if endpoint is None:
            return True  # it has died since
        link = endpoint.link
        alone = link is None or not link.heard_state or machine.clock - link.opened_at < 2 * STALE_S
        return alone and end - self.world.now <= endpoint.mclt_s + self.ledger.slack_s + 1

    def _is_main(self, machine: Machine, net: int) -> bool:
        return any(s.net == net and s.main == machine.address for s in self.settings.subnets)

    @staticmethod
    def _known(partner: Machine, address: int) -> int:
        """Return until when the partner would wait for the address, apart from the MCLT (its clock)."""
        row = partner.disk.rows.get(address)
        if row is None:
            return 0
        names = ("expires", "sent_potential", "acked_potential", "received_potential")
        return max(int(str(row[_COLUMN[name]])) for name in names)

    # --- at steps ---------------------------------------------------------------------------------------

    def booted(self, machine: Machine) -> None:
        """No acknowledged lease is lost by a crash: what clients hold from this server is in its book again."""
        self._states = {key: state for key, state in self._states.items() if key[0] != machine.address}
        if machine.address not in self.amnesia:
            self._granted_is_known(machine)

    def stepped(self, machine: Machine) -> None:
        """A server has decided something: look at its states, and now and then at everything."""
        for endpoint in machine.endpoints:
            self._judge_clock(machine, endpoint)
            queue, link = endpoint.queue, endpoint.link
            full = link is not None and bool(queue.waiting) and len(queue.on_the_way) >= link.window
            self.world.happened["window full"] += full
            key = (machine.address, endpoint.config.name)
            if self._states.get(key) != endpoint.state:
                before = self._states.get(key)
                self._states[key] = endpoint.state
                self._state_changed(machine, endpoint, before)
        if self.world.now >= self._whole_at:
            self._whole_at = self.world.now + self._whole_s
            self.check_whole()

    def _judge_clock(self, machine: Machine, endpoint: Endpoint) -> None:
        partner = self.machines.get(endpoint.config.peer)
        if partner is not None and endpoint.link is not None:
            wrong = abs(endpoint.skew.smoothed_s - (partner.clock - machine.clock))
            self._misjudged_s = max(self._misjudged_s, wrong)
            if wrong > 5:
                self._misjudged_at = self.world.now

    def _state_changed(self, machine: Machine, endpoint: Endpoint, before: int | None) -> None:
        self._entered(machine, endpoint)
        if before == S.RECOVER and endpoint.state in _WHOLE_AGAIN:
            self._has_recovered(machine, endpoint)
        if endpoint.state == S.RECOVER_DONE and machine.address in self._lost_at:
            waited_s = self.world.now - self._lost_at.pop(machine.address)
            if waited_s < endpoint.mclt_s - self.ledger.slack_s - 1:
                raise Violation(
                    "recovered", f"{machine.name} lost its lease data and is in RECOVER-DONE after {waited_s:.0f} s,"
                    f" before leases that nobody knows can have ended (MCLT {endpoint.mclt_s} s)", machine.name,
                )  # fmt: skip
        if endpoint.state == S.NORMAL and machine.address in self._lost_at and not self.ledger.excuses:
            left_s = self._lost_at[machine.address] + endpoint.mclt_s - self.ledger.slack_s - 1 - self.world.now
            if endpoint.powers.own_from - machine.clock < left_s and left_s > 0:
                raise Violation(
                    "recovered", f"{machine.name} lost its lease data and is in NORMAL, with its addresses,"
                    f" {left_s:.0f} s before leases that nobody knows can have ended (MCLT {endpoint.mclt_s} s)",
                    machine.name,
                )  # fmt: skip
        if endpoint.state == S.PARTNER_DOWN and self.settings.safe_period_s:
            self.ledger.excuse("the safe period is over, and the partner may be serving")
            self.world.happened["safe period over"] += 1
        if endpoint.state == S.NORMAL:
            if all(e.state == S.NORMAL for e in machine.endpoints):
                self.amnesia.pop(machine.address, None)
            if self.ledger.excuses and all(_normal(m) for m in self.machines.values()):
                self._doubles_are_reported()
                self.ledger.excused_no_more()

    def _doubles_are_reported(self) -> None:
        """Two holders that were there when the servers met, and still are, have been found by them once both are in
        NORMAL and neither has anything to tell of the address (decisions/0016).

        Each server has one record of an address. Where the only one of a holder was on a disk that was lost before the
        servers met, no record of it is left anywhere: nobody can know of it.
        """
        for double in self.ledger.doubles:
            if double.reported or double.since > self._met_at(double.address):
                continue
            holders = [self.ledger.of(double.address, key) for key in (double.first, double.second)]
            if any(held is None or held.lost for held in holders):
                continue
            name = format_ipv4(double.address)
            double.reported = any(
                when >= double.since and level in ("Warning", "Error") and name in text
                for machine in self.machines.values() for when, level, text in machine.notes
            )  # fmt: skip
            if not double.reported:
                raise Violation(
                    "reported", f"{name} has two holders since {clock_text(double.since)}, and no log says so", name
                )  # fmt: skip

    def _met_at(self, address: int) -> float:
        """Return since when the pair that serves an address is in NORMAL and has told each other all of it; before all
        times when it is not, or has not."""
        met_at = float("-inf")
        for server, partner in self._partners_at(address):
            machine = self.machines[server]
            endpoint = machine.endpoint_with(partner, self._is_main(machine, self.settings.net_of(address)))
            if endpoint is None or endpoint.state != S.NORMAL or machine.busy:
                return float("-inf")
            if address in endpoint.unacked or endpoint.queue.is_on_the_way(address):
                return float("-inf")
            met_at = max(met_at, machine.true_time(endpoint.saved.since))
        return met_at

    def _partners_at(self, address: int) -> list[tuple[int, int]]:
        net = self.settings.net_of(address)
        return [(server, partner) for (where, server), partner in self._partners.items() if where == net]

    def _has_recovered(self, machine: Machine, endpoint: Endpoint) -> None:
        """A server that leaves RECOVER has all that its partner had when it was asked."""
        partner = self.machines[endpoint.config.peer]
        theirs = partner.endpoint_with(machine.address, not endpoint.config.main)
        if theirs is None or machine.node is None or partner.node is None:
            return
        for binding in theirs.bindings():
            asked_at = self._asked_at.get(machine.address, 0.0)
            if binding.status != ACTIVE or partner.changed_at.get(binding.address, 0.0) >= asked_at:
                continue
            mine = machine.node.book.by_address.get(binding.address)
            if mine is None or (mine.status == FREE and not mine.hardware):
                raise Violation(
                    "recovered", f"{machine.name} leaves RECOVER without {format_ipv4(binding.address)}, which"
                    f" {partner.name} knows as {binding!r}", format_ipv4(binding.address), machine.name, partner.name,
                )  # fmt: skip

    # --- whole checks -----------------------------------------------------------------------------------

    def check_whole(self) -> None:
        """Check all that can be seen at an instant."""
        for main, backup in self.settings.pairs():
            self._one_owner(self.machines[main], self.machines[backup])
            self._same_ends(self.machines[main], self.machines[backup])
        for machine in self.machines.values():
            if machine.node is not None and machine.address not in self.amnesia:
                self._granted_is_known(machine)
        self._doubles_are_reported()

    def _granted_is_known(self, machine: Machine) -> None:
        """Whoever gave a lease that a client holds has it in its book as that client's."""
        node = machine.node
        assert node is not None
        for address, held in self.ledger.valid():
            if held.server != machine.address or held.tainted or held.lost or self.ledger.excuses:
                continue
            binding = node.book.by_address.get(address)
            if binding is None or not _is_of(binding, held.key) or binding.status != ACTIVE:
                if held.end - self.world.now <= self.ledger.slack_s:
                    continue
                if binding is not None and binding.status == ABANDONED and address in self.ledger.declined:
                    continue
                raise Violation(
                    "nothing lost", f"{machine.name} acknowledged {format_ipv4(address)} to {held.name} for another"
                    f" {held.end - self.world.now:.0f} s, and now has {binding!r}", format_ipv4(address), machine.name,
                    held.name,
                )  # fmt: skip

    def _one_owner(self, main: Machine, backup: Machine) -> None:
        """An available address is the main's or the backup's, while both go by what they agreed."""
        ours, theirs = main.endpoint_with(backup.address, True), backup.endpoint_with(main.address, False)
        if ours is None or theirs is None or main.node is None or backup.node is None or self.ledger.excuses:
            return
        if main.address in self.amnesia or backup.address in self.amnesia:
            return
        if ours.state not in _SHARING or theirs.state not in _SHARING:
            return
        if ours.powers.own_from > main.clock or theirs.powers.own_from > backup.clock:
            return
        self.checks += 1
        for pool in ours.pools():
            for address in _available(main.node.book, pool.scope.index, FREE):
                if _owner(backup.node.book, address) == BACKUP:
                    raise Violation(
                        "one owner", f"{format_ipv4(address)} is available on {main.name} and on {backup.name}",
                        format_ipv4(address), main.name, backup.name,
                    )  # fmt: skip

    def _same_ends(self, main: Machine, backup: Machine) -> None:
        """Servers whose clocks differ note different numbers for the same end of a lease, once they know that."""
        ours, theirs = main.endpoint_with(backup.address, True), backup.endpoint_with(main.address, False)
        if ours is None or theirs is None or backup.node is None or abs(backup.clock - main.clock) < 30:
            return
        there = backup.node.book.by_address
        set_at = max(main.clock_set_at, backup.clock_set_at)
        agreed_since = max(set_at + _MEASURED_S, self._misjudged_at + WHOLE_S)
        alike = [
            here for here in ours.bindings()
            if here.status == ACTIVE and here.expires != FOREVER and here.address in there
            and there[here.address].status == ACTIVE and there[here.address].expires == here.expires
            and min(m.changed_at.get(here.address, 0.0) for m in (main, backup)) > agreed_since
        ]  # fmt: skip
        if len(alike) >= _COINCIDENCES:
            raise Violation(
                "same ends", f"the clocks of {main.name} and {backup.name} are {backup.clock - main.clock:.0f} s apart,"
                f" and both note the same ends for {len(alike)} leases, first {alike[0]!r}", main.name, backup.name,
            )  # fmt: skip

    # --- at the end -------------------------------------------------------------------------------------

    def unsettled(self) -> str:
        """Return why the pairs have not settled, or the empty text (liveness, after faults have stopped)."""
        for main, backup in self.settings.pairs():
            why = self._unsettled(self.machines[main], self.machines[backup])
            if why:
                return why
        return ""

    def _unsettled(self, main: Machine, backup: Machine) -> str:
        ours, theirs = main.endpoint_with(backup.address, True), backup.endpoint_with(main.address, False)
        if ours is None or theirs is None or main.node is None or backup.node is None:
            return f"{main.name} or {backup.name} does not run"
        if (ours.state, theirs.state) != (S.NORMAL, S.NORMAL):
            return f"{main.name} is in {state_name(ours.state)}, {backup.name} in {state_name(theirs.state)}"
        for machine, endpoint in ((main, ours), (backup, theirs)):
            if endpoint.unacked or endpoint.queue.waiting or endpoint.queue.unacknowledged:
                some = ", ".join(format_ipv4(a) for a in list(endpoint.unacked)[:5])
                return f"{machine.name} has updates that {endpoint.config.name} has not acknowledged: {some}"
        return self._books_differ(main, backup, ours) or _unbalanced(main, ours)

    def _books_differ(self, main: Machine, backup: Machine, ours: Endpoint) -> str:
        assert main.node is not None and backup.node is not None
        a, b = main.node.book, backup.node.book
        apart = backup.clock - main.clock
        for pool in ours.pools():
            addresses = dict.fromkeys(x for x in (*a.by_address, *b.by_address) if a.scope_at(x) is pool.scope)
            for address in addresses:
                here, there = a.by_address.get(address), b.by_address.get(address)
                owners = {_owner(a, address), _owner(b, address)}
                reserved = address in pool.scope.reserved  # either may give it, to its client
                if len(owners) > 1 and not (reserved and owners == {FREE, BACKUP}):
                    return f"the books differ at {format_ipv4(address)}: {main.name} {here!r}, {backup.name} {there!r}"
                if here is not None and there is not None and here.status == there.status == ACTIVE:
                    same = _is_of(there, client_key(here.client_id, here.hardware))
                    late = 0 if here.expires == there.expires == FOREVER else abs(there.expires - here.expires - apart)
                    if not same or late > self.ledger.slack_s + 3:
                        return f"the leases of {format_ipv4(address)} differ: {here!r} and {there!r}"
            scope = b.scope_at(pool.scope.subnet)
            if scope is None:
                return f"{backup.name} has no scope {pool.scope.name}"
            theirs = b.pools[scope.index]
            if list(pool.backup.unused) != list(theirs.backup.unused):
                return f"the backup's never-used addresses of {pool.scope.name} differ"
        return ""


def _normal(machine: Machine) -> bool:
    """Whether a server runs and is in NORMAL with all its partners."""
    return machine.node is not None and all(endpoint.state == S.NORMAL for endpoint in machine.endpoints)


def _unbalanced(main: Machine, ours: Endpoint) -> str:
    for pool in ours.pools():
        apart = abs(pool.backup.size - pool.target())
        if apart > max(pool.target() // 10, 1) + 1:
            return (
                f"{main.name}: the backup's share of {pool.scope.name} is {pool.backup.size},"
                f" its target {pool.target()}"
            )
    return ""


def _is_of(binding: Binding, key: bytes) -> bool:
    return client_key(binding.client_id, binding.hardware) == key


def _available(book: Book, index: int, own: int) -> list[int]:
    """Return the addresses of a scope that one owner can give."""
    pool = book.pools[index]
    unused = [a for lo, hi in pool.side(own).unused for a in range(lo, hi + 1)]
    scope = pool.scope
    return unused + [
        a for a, b in book.by_address.items()
        if b.status == own and a in scope.ranges and book.scope_at(a) is scope
    ]  # fmt: skip


def _owner(book: Book, address: int) -> int:
    """Return the status of an address that has a record, else its owner, else 0."""
    binding = book.by_address.get(address)
    if binding is not None:
        return binding.status
    scope = book.scope_at(address)
    if scope is None:
        return 0
    offer = book.offered.get(address)
    return getattr(offer, "own", 0) or book.pools[scope.index].owner_of_unused(address)


def _row_text(row: tuple[object, ...] | None) -> str:
    return "nothing of it" if row is None else repr(Binding.from_row(row))
