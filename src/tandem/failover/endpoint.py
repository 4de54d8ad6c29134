"""One end of a failover relationship: its state, its powers, its timers and its connection.

The state table decides (``failover.states``); this engine evaluates guards, enters states and starts their work.
There is one ``_enter``: store, adopt, announce (NORMAL perhaps later), arm timers, start work. Messages are handled by
``failover.exchange``. Does not know DHCP.
Source: draft-ietf-dhc-failover-12 sections 8 and 9; SYSTEM S4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tandem.base.errors import CommandError
from tandem.base.io import Close, Connect, Effect, Note, SaveState
from tandem.base.table import Row
from tandem.base.units import format_duration
from tandem.config.compiled import EndpointConfig
from tandem.failover import calling, forgotten, orders, shares, startup, telling
from tandem.failover.calling import ANSWER_S
from tandem.failover.clock import Skew
from tandem.failover.conflicts import Conflicts
from tandem.failover.dialect import DIALECTS, TANDEM, dialect_of
from tandem.failover.link import Link
from tandem.failover.reminders import Reminders
from tandem.failover.rights import INFINITY, powers_of
from tandem.failover.saved import Saved
from tandem.failover.shares import BALANCE_S, RECLAIM_S
from tandem.failover.states import BACKUP as BACKUP_ROLE
from tandem.failover.states import MAIN as MAIN_ROLE
from tandem.failover.states import SERVING, TABLE, Cause, state_name
from tandem.failover.updates import Move, UpdateQueue
from tandem.lease.binding import EXPIRED, FREE, RELEASED, RESET, Binding
from tandem.lease.book import Book
from tandem.lease.loadbalance import ALL_BUCKETS, lowest_buckets
from tandem.lease.pool import Pool
from tandem.wire.failover import ServerState as S
from tandem.wire.failover import State, UpdateRequest, UpdateRequestAll

ALIVE_S = 300.0
"""For how long a connection that was refused says that the partner runs: longer than the pause between attempts."""
REFUSED_S = 60.0
"""After how long a refused update is told again (section 7.2.2: not immediately)."""
_PARTNER_STATES = tuple(int(cause) for cause in Cause if cause < Cause.LINK_DOWN)
_STOPPING = (S.PAUSED, S.SHUTDOWN)


def _told_in_connect(config: EndpointConfig) -> tuple[object, ...]:
    """What a CONNECT tells the partner, or the connection is set up with."""
    return (
        config.mclt_s, config.lease_factor, config.poll_interval_s, config.poll_timeout_s, config.secret,
        config.balance_backup_pct, config.balance_delay_s, config.relationship, config.dialect,
        config.tls, config.certificate, config.partner_fingerprints,
    )  # fmt: skip


class Endpoint:
    """A failover endpoint. ``index`` is its number in the configuration plus one, as scopes name it."""

    def __init__(self, config: EndpointConfig, index: int, book: Book, saved: dict[str, object] | None) -> None:
        self.config = config
        self.index = index
        self.book = book
        self.saved = Saved.from_values(saved)
        self.state = int(S.STARTUP)
        self.previous = 0
        self.why = "This server is starting and looks for its partner."
        self.started_at = 0.0
        self.partner_starting = False
        self.heard_by_partner: int = 0
        """Until when the partner has heard this server, by this server's clock; 0 = it has not said."""
        self.partner_met: bool | None = None
        """Whether the partner says that it has met us before; None = it has not said."""
        self.link: Link | None = None
        self.skew = Skew()
        self.queue = UpdateQueue(book, config.main, self.skew)
        self.dialect = TANDEM
        self._choose_dialect()
        self.reminders = Reminders(book)
        self.unacked: dict[int, Binding] = {}
        """Bindings of which the partner has not acknowledged the latest state, by address."""
        self.lost_moves: list[Move] = []
        """Ranges of which the partner may not know whose they are: given away before a restart, or a scope's that came
        to this relationship."""
        self.asked_xid: int | None = None
        self.pool_xid: int | None = None
        self.answer_until = INFINITY
        """When the connection is given up unless UPDDONE or a BNDUPD has come."""
        self.asked_at: dict[int, float] = {}
        """When each BNDUPD that is on the way was sent, by number."""
        self.acknowledged_until = INFINITY
        """When it is said that the partner acknowledges nothing, unless a BNDACK has come."""
        self.unacknowledged_said = False
        self.connecting = False
        self.retry_at = 0.0
        self.retry_s = min(5.0, config.poll_interval_s)
        self.tried_at = -INFINITY
        self.quiet_until = -INFINITY
        """When the next signed CONNECT may go out: its time, in whole seconds, must be later than the last one's."""
        self.refusals = 0
        """How often connections have come to nothing since one held."""
        self.flush_at = INFINITY
        self.away_s = 0.0
        """How long this server had not been running when it started; 0 once both have been in NORMAL since."""
        self.startup_until = INFINITY
        self.wait_until = INFINITY
        self.balance_at = INFINITY
        self.balance_s = BALANCE_S
        """The pause between two looks at the shares: longer while the partner refuses addresses."""
        self.move_refused = False
        """Whether the partner has refused an address since the last look at the shares."""
        self.reclaim_at = INFINITY
        self.remind_at = INFINITY
        self.refused_at = INFINITY
        self.store_at = INFINITY
        self.conflicts = Conflicts()
        self.refusal: tuple[float, str] | None = None
        """When and why either server last refused the connection, until one comes about."""
        self.clock_jump: tuple[float, float] | None = None
        """When either clock was last seen to have been set, and by how many seconds."""
        self.detail = False
        """Whether each BNDUPD and BNDACK is to be said in the log (log-settings failover-detail)."""
        self.rejects_sent = 0
        self.rejects_received = 0
        self.updates_sent = 0
        self.updates_received = 0
        self.pool_requests = 0
        """POOLREQ sent (backup) or received (main)."""
        self.connections = 0
        self.connections_lost = 0
        self.partner_does_ddns = False
        """Whether the partner was heard to do DNS updates, and that was said."""
        self.told_buckets = 0
        """On the backup: the hash buckets that the main assigned to it in CONNECT."""
        self.told_delay_s = 0
        self.powers = powers_of(self)

    # --- what others ask --------------------------------------------------------------------------------

    @property
    def communicating(self) -> bool:
        """Whether communications with the partner are ok (section 8.3)."""
        return self.link is not None and self.link.heard_state

    @property
    def partner_recovers(self) -> bool:
        """Whether the partner has last said that it refreshes its lease data: it may have forgotten what it gave."""
        return self.saved.partner_state in (S.RECOVER, S.RECOVER_WAIT)

    @property
    def receive_timer_s(self) -> int:
        """The receive timer, as the partner is told it. ISC dhcpd takes nothing below 3 s."""
        return max(int(self.config.poll_timeout_s), 3)

    @property
    def mclt_s(self) -> int:
        """The maximum client lead time in force: the main's (S4.3), a longer one from when the backup knows it."""
        told = self.saved.mclt_s or self.config.mclt_s
        return min(self.config.mclt_s, told) if self.config.main else told

    @property
    def longest_mclt_s(self) -> int:
        """By how much the partner may have exceeded what it was acknowledged: what waits in its absence last."""
        return max(self.mclt_s, self.saved.mclt_longest_s)

    def agree_on_mclt(self, seconds: int) -> None:
        """CONNECT has told the backup the main's MCLT. The caller saves."""
        saved = self.saved
        saved.mclt_longest_s = max(saved.mclt_longest_s, saved.mclt_s, seconds)
        saved.mclt_s = seconds

    @property
    def lease_factor(self) -> float:
        """The lease period factor in force: the main's."""
        if self.config.main or not self.saved.lease_factor_pct:
            return self.config.lease_factor
        return self.saved.lease_factor_pct / 100

    @property
    def backup_buckets(self) -> int:
        """The hash buckets whose clients the backup answers in NORMAL; 0 = no load balancing (section 5.3)."""
        if not self.config.main:
            return self.told_buckets
        return ALL_BUCKETS ^ lowest_buckets(100 - self.config.balance_backup_pct)

    def pools(self) -> list[Pool]:
        """Return the pools of the scopes that this endpoint protects."""
        return [pool for pool in self.book.pools if pool.scope.endpoint == self.index]

    def bindings(self) -> Iterator[Binding]:
        """Yield the bindings of the scopes that this endpoint protects."""
        for binding in self.book.by_address.values():
            scope = self.book.scope_at(binding.address)
            if scope is not None and scope.endpoint == self.index:
                yield binding

    def deadline(self) -> float:
        """When ``tick`` has work next."""
        if self.link is not None:
            link = self.link.deadline()
        else:
            link = INFINITY if self.connecting or self.state in _STOPPING else max(self.retry_at, self.quiet_until)
        safe = self.safe_period_end()
        return min(
            link, safe, self.flush_at, self.startup_until, self.wait_until, self.balance_at, self.refused_at,
            self.store_at, self.answer_until, self.acknowledged_until,
        )  # fmt: skip

    def safe_period_end(self) -> float:
        """When this server enters PARTNER-DOWN by itself (section 10); infinity = it does not.

        Not while the partner runs: connections that one of the two refuses say that it does (section 5.10).
        """
        if self.state != S.COMMUNICATIONS_INTERRUPTED or self.config.safe_period_s is None:
            return INFINITY
        end = self.saved.since + self.config.safe_period_s
        return end if self.refusal is None else max(end, self.refusal[0] + ALIVE_S)

    # --- life -------------------------------------------------------------------------------------------

    def start(self, now: float, out: list[Effect], served: bool = False, running: bool = False) -> None:
        """Begin: STARTUP, with the state to return to taken from stable storage (section 9.3.2).

        ``served``: this server has been serving these clients alone until now. As main it goes on with that.
        ``running``: the server goes on with the lease data that it has in memory.
        """
        saved = self.saved
        self.started_at = now
        self.away_s = now - saved.last_operation if saved.last_operation else 0.0
        self.previous = startup.previous_state(self, running)
        self.state = int(S.STARTUP)
        self.startup_until = now + startup.startup_s(self, now)
        self.retry_at = now
        for binding in self.bindings():
            if not saved.state:
                binding.up_to_date = False  # whatever it was told before, this partner does not know it (section 5.17)
            if not binding.up_to_date:
                self.unacked[binding.address] = binding
        if saved.owes_all:
            forgotten.nothing_agreed(self)
        self.store_at = now + min(5.0, self.config.poll_interval_s / 2)
        self.adopt_powers()
        chosen = startup.go_on_serving(self) if served else None
        if chosen is not None:
            self._enter(chosen[0], self._row(Cause.STARTUP_OVER), chosen[1], now, out, None)
        self.tick(now, out)

    def reconfigure(self, config: EndpointConfig, index: int, now: float, out: list[Effect]) -> None:
        """Take a new configuration. What CONNECT tells the partner is told by connecting anew."""
        told = self.config
        self.config, self.index = config, index
        self._choose_dialect()
        startup.forget_recovery(self)
        self.retry_s = min(5.0, config.poll_interval_s)
        self.refusals = 0
        if told.secret != config.secret:
            self.saved.connect_time = 0  # what was signed with the old secret cannot be replayed
            self.save(out)
        if self.link is None:
            self.retry_at = min(self.retry_at, now)
        elif _told_in_connect(told) != _told_in_connect(config):
            self.link.disconnect(254, "the configuration has changed; connecting again", now, out)
            calling.link_lost(self, "the configuration has changed", now, out)
        self.adopt_powers()

    def forget_strangers(self) -> None:
        """Scopes have left this relationship: nothing of them is to be told any more."""
        self.reminders.forget()
        self.unacked = {b.address: b for b in self.bindings() if not b.up_to_date}
        mine = {pool.scope.index for pool in self.pools()}
        places = [(move, self.book.scope_at(move.lo)) for move in self.lost_moves]
        self.lost_moves = [move for move, scope in places if scope is not None and scope.index in mine]

    def tick(self, now: float, out: list[Effect]) -> None:
        """Do what is due."""
        if self.link is not None:
            why = self.link.overdue(now)
            if why is not None:
                link = self.link
                if link.set_up:
                    link.disconnect(17, why, now, out)
                else:
                    out.append(Close(link.number))
                calling.link_lost(self, why, now, out)
            else:
                self.link.contact(now, out)
                if now >= self.answer_until:
                    calling.unanswered(self, now, out)
        elif (
            now >= max(self.retry_at, self.quiet_until) and not self.connecting and self.state not in _STOPPING
        ):  # fmt: skip
            self.connecting = True
            self.tried_at = now
            self.retry_at = now + self.retry_s
            out.append(Connect(self.config.local, self.config.peer, self.config.port))
        if now >= self.startup_until:
            self.startup_until = INFINITY
            self.decide(Cause.STARTUP_OVER, now, out)
        if now >= self.wait_until:
            self.wait_until = INFINITY
            self.decide(Cause.WAIT_OVER, now, out)
        if now >= self.safe_period_end():
            self.decide(Cause.SAFE_PERIOD_OVER, now, out)
        if now >= self.refused_at:
            self.refused_at = INFINITY
            self.queue.start(self.unacked.values())
            telling.flush(self, now, out)
        if now >= self.balance_at:
            shares.rebalance(self, now, out)
        if now >= self.store_at:
            self.store_operation(now, out)
        if now >= self.acknowledged_until:
            telling.say_unacknowledged(self, now, out)
        if now >= self.flush_at:
            telling.flush(self, now, out)

    # --- the state machine ------------------------------------------------------------------------------

    def decide(self, cause: int, now: float, out: list[Effect], down_since: float | None = None) -> Row:
        """Look the cause up in the table and do what its row says; return the row, which does not refuse."""
        row = self._row(cause)
        assert not row.refuse, row.label
        target, why = row.target, row.why
        for step in row.steps:
            chosen = _STEPS[step](self, now, out)
            if chosen is not None:
                target, why = chosen
        if target is not None:
            self._enter(target, row, why, now, out, down_since)
            self._follow_partner(now, out)
        return row

    def permit(self, cause: int) -> None:
        """Return when the state allows what an operator orders. Raises CommandError."""
        row = self._row(cause)
        if row.refuse:
            raise CommandError(316, row.why)

    def _row(self, cause: int) -> Row:
        role = MAIN_ROLE if self.config.main else BACKUP_ROLE
        for row in TABLE.candidates(self.state, cause):
            if not row.guard or row.guard == role:
                return row
        raise AssertionError("the table is total")

    def _follow_partner(self, now: float, out: list[Effect]) -> None:
        """A new state meets the partner's known state: take what follows from it (section 9.2)."""
        if self.communicating and not self.partner_starting and self.saved.partner_state:
            self.decide(self.saved.partner_state, now, out)

    def _enter(self, state: int, row: Row, why: str, now: float, out: list[Effect], down_since: float | None) -> None:
        """Store the state, adopt it, announce it, arm its timers, start its work."""
        saved, before, since = self.saved, self.state, self.saved.since
        self.state = int(state)
        saved.state = int(state)
        saved.since = int(now)
        saved.label = row.label
        self.why = why
        saved.entered(int(now), before, int(state), why)
        self.wait_until = INFINITY
        self.startup_until = INFINITY
        if before == S.NORMAL and now - since >= saved.mclt_longest_s:
            saved.mclt_longest_s = saved.mclt_s  # promises by a former one have been told since
        sizes = {} if state == S.NORMAL else {p.scope.name: [p.main.size, p.backup.size] for p in self.pools()}
        saved.shares_at_loss = sizes and sizes | saved.shares_at_loss
        if state == S.COMMUNICATIONS_INTERRUPTED and not saved.interrupted_since:
            saved.interrupted_since = int(now)
        if self.communicating and S.PARTNER_DOWN not in (before, state) and not self.partner_recovers:
            saved.cautious, saved.returned_at = False, 0
        untold = before in (S.POTENTIAL_CONFLICT, S.RECOVER_DONE)
        if state == S.RESOLUTION_INTERRUPTED or (state == S.PARTNER_DOWN and untold):
            saved.cautious = True  # whose the available addresses are cannot be told (section 9.11.2)
        if state == S.POTENTIAL_CONFLICT and before == S.RECOVER and saved.ask_all:
            forgotten.not_waited(self, saved.failed_at, now, out)
        elif state == S.POTENTIAL_CONFLICT and before == S.PARTNER_DOWN and saved.lost_at:
            forgotten.not_waited(self, saved.lost_at, now, out)  # the partner runs: an order with an earlier date erred
        if state == S.PARTNER_DOWN:
            returns = before == S.STARTUP and self.previous == S.PARTNER_DOWN
            saved.since = since if returns else int(now if down_since is None else down_since)
        elif state == S.NORMAL:
            self.away_s = 0.0
            saved.interrupted_since = 0
            saved.ask_all = saved.ask_all and saved.cautious
        saved.ran_at(int(now))
        self.save(out)
        self.adopt_powers()
        self.queue.barrier = None
        if state != S.NORMAL:
            self.announce(now, out)
        self.note(
            "Warning" if state in (S.COMMUNICATIONS_INTERRUPTED, S.RESOLUTION_INTERRUPTED, S.PARTNER_DOWN) else "Info",
            6100, f"Failover state changes from {state_name(before)} to {state_name(state)}"
            f" (row {saved.label}): {self.why}", out,
        )  # fmt: skip
        self._start_work(state, now, out)

    def _start_work(self, state: int, now: float, out: list[Effect]) -> None:
        self.balance_at = self.reclaim_at = INFINITY
        if state == S.NORMAL:
            self.queue.start(self.unacked.values())
            shares.queue_lost_moves(self)
            if self.saved.partner_state == S.RECOVER_DONE and self.dialect.extensions:
                if self.config.main:
                    shares.rebalance(self, now, out)
                self.queue.wait_for_all()
                telling.flush(self, now, out)
                telling.finish_request(self, now, out)
            else:
                telling.say_normal(self, now, out)
                self.flush_at = now
            if self.config.main:
                self.balance_at = now if self.dialect.gives_unasked else now + BALANCE_S
                self.reclaim_at = now + RECLAIM_S
                self.remind_at = now + BALANCE_S
            if self.saved.cautious or self.dialect.hears_before:
                self.ask(now, out)
        elif state == S.PARTNER_DOWN:
            self._free_later(now)
        elif state == S.POTENTIAL_CONFLICT:
            if self.config.main or self.saved.partner_state == S.CONFLICT_DONE:
                self.ask(now, out)
        elif state == S.RECOVER_WAIT:
            whole = not self.saved.ask_all
            end = 0 if whole or not self.saved.failed_at else self.saved.failed_at + self.longest_mclt_s
            self.wait_until = max(now, end, self.saved.own_from)
            if self.wait_until <= now:
                self.wait_until = INFINITY
                self.decide(Cause.WAIT_OVER, now, out)

    def _free_later(self, now: float) -> None:
        """In PARTNER-DOWN addresses whose last lease is over become free without the partner, in time."""
        for binding in self.bindings():
            if binding.status in (EXPIRED, RELEASED, RESET):
                self.book.schedule(int(now), binding)

    def announce(self, now: float, out: list[Effect]) -> None:
        """Tell the partner our state (section 7.10)."""
        link = self.link
        if link is None or not link.set_up:
            return
        starting = self.state == S.STARTUP
        link.said = self._announcement()
        since = int(now) if self.state in _STOPPING else max(self.saved.since, self.saved.lost_at) or int(now)
        for state in link.said:
            link.send(State(state, starting, since), now, out)

    def _announcement(self) -> tuple[int, ...]:
        """The states that the partner is to be told now."""
        ours = self.state
        if ours == S.STARTUP and self.dialect.says is None:
            ours = self.previous or int(S.PARTNER_DOWN if self.config.main else S.RECOVER)
        return self.dialect.announcement(ours, self.saved.partner_state if self.communicating else 0)

    def _choose_dialect(self) -> None:
        name = self.saved.make if self.config.dialect == "auto" else self.config.dialect
        self.dialect = self.queue.dialect = DIALECTS.get(name, TANDEM)

    def learn_make(self, vendor_class: bytes) -> bool:
        """The partner has said its make: speak accordingly. Returns whether that is a change; the caller saves."""
        before = self.dialect
        self.saved.make = dialect_of(vendor_class).name
        self._choose_dialect()
        return self.dialect is not before

    def ask(self, now: float, out: list[Effect]) -> None:
        """Ask the partner for what this server does not have: UPDREQ or UPDREQALL (sections 7.3, 7.4, 9.5.2)."""
        if self.link is None or not self.link.heard_state or self.asked_xid is not None:
            return
        everything = self.saved.ask_all or not self.saved.met
        if everything and self.state == S.RECOVER:
            forgotten.own_is_old(self)
            self.lost_moves = []
            for pool in self.pools():  # the partner says which never-used addresses are the backup's
                for lo, hi in pool.scope.ranges:
                    shares.take_unused(self, lo, hi, FREE, True, out)
        self.answer_until = now + ANSWER_S
        self.asked_xid = self.link.send(UpdateRequestAll() if everything else UpdateRequest(), now, out)
        text = f"Sent {'update request all' if everything else 'update request'} to the partner"
        self.note("Info", 6110, text, out, "no-failover-activity")

    def ask_later(self, now: float, out: list[Effect]) -> None:
        """The main resolves conflicts anew: what the backup asked for before is not the end of that (section 9.10)."""
        self.asked_xid, self.answer_until = None, INFINITY

    def told_all(self, now: float, out: list[Effect]) -> None:
        """All that this server asked for has come (section 7.5.2)."""
        self.asked_xid, self.answer_until = None, INFINITY
        self.flush_at = now
        saved = self.saved
        if saved.cautious:
            saved.cautious, saved.ask_all, saved.returned_at, saved.unknown_s = False, False, 0, 0
            self.save(out)
            self.adopt_powers()
        self.decide(Cause.UPDATE_DONE, now, out)

    # --- the connection ---------------------------------------------------------------------------------

    def heard_state(self, message: State, now: float, out: list[Effect]) -> None:
        """The partner's STATE (section 7.10.2)."""
        assert self.link is not None
        first = not self.link.heard_state
        self.link.heard_state = True
        saved = self.saved
        saved.partner_state = message.state
        saved.partner_since = self.skew.ours(message.start_of_state) or 0
        saved.last_contact = int(now)
        self.partner_starting = message.startup
        saved.partner_served = saved.partner_served or message.state in (S.NORMAL, *SERVING)
        if self.state == S.PARTNER_DOWN and (saved.ask_all or not (saved.met or self.partner_met is False)):
            if not saved.ask_all and (self.partner_met or (self.partner_met is None and message.state != S.RECOVER)):
                forgotten.not_waited(self, saved.since, now, out)
            saved.ask_all = True  # it served alone without the lease data that this partner, which has met it, has
            self.ask(now, out)
        if self.state == S.RECOVER and not (saved.met or saved.failed_at or self.partner_met is False):
            saved.failed_at = int(self.started_at)  # it waited for this partner, which knows it: its lease data is lost
        if self.state != S.STARTUP:
            saved.met = True
        told = not message.startup and not self.partner_recovers
        if told and self.state not in (S.STARTUP, S.PARTNER_DOWN, S.NORMAL):
            saved.cautious, saved.returned_at = False, 0
        self.save(out)
        self.adopt_powers()
        remark = " (starting)" if message.startup else ""
        flag = "no-failover-activity" if first else "failover-detail"
        self.note("Info", 6130, f"The partner is in {state_name(message.state)}{remark}", out, flag)
        if not self.dialect.extensions:
            self.partner_met = message.state != S.RECOVER
        link = self.link
        if self.state == S.STARTUP:
            if message.state in _PARTNER_STATES:
                self.decide(message.state, now, out)
            if self.state == S.STARTUP and not self.previous and self.partner_met is not False:
                saved.ask_all, saved.failed_at = True, int(self.started_at)  # lost; the partner goes away, it says
            saved.met = True
            self.save(out)
            self.adopt_powers()
        elif not message.startup and message.state in _PARTNER_STATES:
            self.decide(message.state, now, out)
        if self.dialect.says is not None and self.link is link and self._announcement() != link.said:
            self.announce(now, out)

    # --- shares -----------------------------------------------------------------------------------------

    # --- records ----------------------------------------------------------------------------------------

    def store_operation(self, now: float, out: list[Effect]) -> None:
        """Record that this server is running (section 9.3.2: last recorded time of operation)."""
        self.store_at = now + min(5.0, self.config.poll_interval_s / 2)
        if self.state == S.STARTUP or self.state in _STOPPING:
            return
        saved = self.saved
        saved.ran_at(int(now))
        if saved.set_back_s and now >= saved.set_back_until:
            saved.set_back_s = 0
            self.adopt_powers()
        if saved.own_from and now >= saved.own_from:
            saved.own_from = 0
            self.adopt_powers()
        self.save(out)

    def adopt_powers(self) -> None:
        """Let the DHCP server do what the state allows now."""
        self.powers = powers_of(self)

    def save(self, out: list[Effect]) -> None:
        """Put what a restart must know on stable storage."""
        out.append(SaveState(self.config.name, self.saved.values()))

    def problem(self, ident: int, text: str, now: float, out: list[Effect]) -> None:
        """Log, and show to operators, why a connection does not come about."""
        if not self.communicating:
            self.refusal = now, text
        self.note("Error", ident, text, out)

    def note(self, level: str, ident: int, text: str, out: list[Effect], flag: str = "") -> None:
        """Log a line about this relationship."""
        out.append(Note(level, "Failover", ident, f"{self.config.name}: {text}", flag))

    def waits_for(self, now: float) -> str:
        """Return what the next transition waits for, in one sentence."""
        if self.state == S.RECOVER_WAIT:
            return f"the end of the wait in {format_duration(max(int(self.wait_until - now), 0))}"
        if self.state == S.COMMUNICATIONS_INTERRUPTED:
            end = self.safe_period_end()
            if end < INFINITY:
                return f"the partner, or the end of the safe period in {format_duration(max(int(end - now), 0))}"
            return "the partner, or the operator's setPartnerDown"
        if self.state == S.PARTNER_DOWN:
            until = self.powers.other_from
            if until == INFINITY:
                return "the partner; it may have given leases without end, so its addresses are never used"
            if until > now:
                what = "new leases are given" if self.saved.cautious else "its addresses may be used"
                return f"the partner; {what} in {format_duration(int(until - now) or 1)}"
            return "the partner"
        return "the partner" if not self.communicating else ""


_STEPS: dict[str, Callable[[Endpoint, float, list[Effect]], tuple[int, str] | None]] = {
    "ask": Endpoint.ask,
    "ask-later": Endpoint.ask_later,
    "leave-startup": startup.leave_startup,
    "leave-startup-alone": startup.leave_startup_alone,
    "taken-over": orders.taken_over,
}
"""What the steps of the decision table's rows do; a step may choose the state to enter, and say why."""
