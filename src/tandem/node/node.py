"""One server as a pure function of its inputs.

Hands each input to the DHCP server or to the failover endpoint that it concerns, lets time pass, and tells the
endpoints what has changed. Does not know sockets, files or clocks (``runtime``), nor how things are shown
(``node.views``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tandem.base.errors import CommandError
from tandem.base.io import (
    ClockSet,
    ConnectFailed,
    Datagram,
    Effect,
    Input,
    LinkData,
    LinkDown,
    LinkUp,
    Note,
    Probed,
    TlsUp,
)
from tandem.base.ipv4 import format_ipv4
from tandem.config.compiled import ServerConfig
from tandem.dhcp.lifecycle import expire
from tandem.dhcp.server import DhcpServer
from tandem.failover import clockset, orders, shares, telling
from tandem.failover.endpoint import Endpoint
from tandem.failover.rights import free_at
from tandem.failover.saved import Saved
from tandem.failover.updates import Move
from tandem.lease.binding import ABANDONED, ACTIVE, BACKUP, FREE, RESERVED_FLAG, RESET, Binding
from tandem.lease.book import Book
from tandem.lease.pool import Pool
from tandem.lease.powers import ANSWER_ALL, STANDALONE
from tandem.node import relations
from tandem.node.connections import Connections
from tandem.wire.failover import ServerState as S

POSTPONE_S = 30
"""How long a lease whose end is not ours to declare waits until it is looked at again."""


class Node:
    """A DHCP server with its failover endpoints."""

    def __init__(
        self,
        config: ServerConfig,
        rows: Iterable[tuple[object, ...]],
        shares: Iterable[tuple[int, int, int]],
        states: dict[str, dict[str, object]],
        now: float,
    ) -> None:
        """Take what stable storage holds: binding rows, the backup's ranges (lo, hi, acked), endpoint states."""
        self.config = config
        self.book = Book(config)
        stored = list(shares)
        self.book.load(rows, [(lo, hi) for lo, hi, _ in stored])
        self.book.estimate_arrivals(now)
        self.states = states
        self.endpoints = [
            Endpoint(ec, i + 1, self.book, states.get(ec.name)) for i, ec in enumerate(config.endpoints)
        ]  # fmt: skip
        for endpoint in self.endpoints:
            if endpoint.config.main:
                for lo, hi, acked in stored:
                    scope = self.book.scope_at(lo)
                    if not acked and scope is not None and scope.endpoint == endpoint.index:
                        endpoint.lost_moves.append(Move(lo, hi, BACKUP, True))
        self._take_log_settings()
        self.dhcp = DhcpServer(config, self.book)
        self.alone = STANDALONE
        """The powers over scopes without a partner."""
        if any(pool.backup.size for pool in self.book.pools if not pool.scope.endpoint):
            saved = [Saved.from_values(values) for values in states.values()]
            former = [max(of.mclt_s, of.mclt_longest_s) for of in saved]
            self._wait_alone(now + max([*former, *(endpoint.longest_mclt_s for endpoint in self.endpoints)], default=0))
        self.started_at = now
        self._now = now
        self.connections = Connections(self.endpoints)

    # --- life -------------------------------------------------------------------------------------------

    def start(self, now: float, out: list[Effect]) -> None:
        """Begin to serve (or to look for the partners)."""
        for level, component, ident, text in self.config.summary:
            out.append(Note(level, component, ident, text))
        for endpoint in self.endpoints:
            endpoint.start(now, out)
        self._reserve(now, out)
        self._unreserve(now, out)
        self._settle(now, out)

    def stop(self, now: float, out: list[Effect]) -> None:
        """Stop cleanly: partners are told."""
        for endpoint in self.endpoints:
            orders.stop(endpoint, now, out)

    def shut_down(self, now: float, out: list[Effect]) -> None:
        """Serve nobody any more, for long: partners are told to take over. ``stop`` comes when ``replaced`` says so."""
        for endpoint in self.endpoints:
            orders.shut_down(endpoint, now, out)
        self._settle(now, out)

    def replaced(self) -> list[tuple[Endpoint, bool | None]]:
        """Return, after ``shut_down``, each endpoint and whether its partner has taken over; None: not known yet."""
        return [(endpoint, orders.replaced(endpoint)) for endpoint in self.endpoints]

    def reload(self, now: float, config: ServerConfig, out: list[Effect]) -> None:
        """Take a new configuration. Bindings stay; an endpoint that goes on keeps its state and its connection."""
        for level, component, ident, text in config.summary:
            out.append(Note(level, component, ident, text))
        before = {endpoint.config.name: endpoint for endpoint in self.endpoints}
        was = relations.relationships(self.config)
        self.config = config
        renewed = self.book.configure(config)
        moved = {name: list[Pool]() for name in ["", *(wanted.name for wanted in config.endpoints)]}
        will = relations.relationships(config)
        left = {name for place, name in was.items() if will.get(place, "") != name}
        for pool, now_in in zip(self.book.pools, will.values(), strict=True):
            if was.get((pool.scope.subnet, pool.scope.mask), "") != now_in:
                moved[now_in].append(pool)
                self.book.forget_offers(pool.scope)
        self._go_alone(before, was, moved[""], now, out)
        kept: list[Endpoint] = []
        new: list[tuple[Endpoint, bool]] = []
        for index, wanted in enumerate(config.endpoints, 1):
            old = before.pop(wanted.name, None)
            recover = wanted.recover_from and old is not None and wanted.recover_from != old.saved.recovered_from
            if old is not None and old.config.main == wanted.main and not recover:
                old.reconfigure(wanted, index, now, out)
                if wanted.name in left:
                    old.forget_strangers()
                endpoint = old
            else:
                if old is not None:
                    self._drop(old, now, out)
                endpoint = Endpoint(wanted, index, self.book, self.states.get(wanted.name))
                mine = endpoint.pools()
                served = all(was.get((pool.scope.subnet, pool.scope.mask)) == "" for pool in mine)
                new.append((endpoint, served and bool(mine)))
            kept.append(endpoint)
            if moved[wanted.name]:
                relations.join(self.book, endpoint, moved[wanted.name], now, out)
                telling.tell_again(endpoint, now)
        for gone in before.values():
            self._drop(gone, now, out)
        self.endpoints = self.connections.endpoints = kept
        self._take_log_settings()
        self.dhcp.configure(config)
        for endpoint, served in new:
            endpoint.start(now, out, served, running=True)
        self._reserve(now, out)
        if renewed:
            self._unreserve(now, out)
        self._settle(now, out)

    def _go_alone(
        self, before: dict[str, Endpoint], was: dict[tuple[int, int], str], pools: list[Pool], now: float,
        out: list[Effect],
    ) -> None:  # fmt: skip
        """Scopes have lost their partner. What that may have given away is left alone for the MCLT; a relationship
        that has no other scope left is in PARTNER-DOWN from now on, should it ever be taken up again."""
        for name, endpoint in list(before.items()):
            mine = [pool for pool in pools if was[(pool.scope.subnet, pool.scope.mask)] == name]
            if not mine:
                continue
            relations.leave(self.book, endpoint.config.main, mine, now, out)
            if endpoint.saved.met:
                self._wait_alone(now + endpoint.longest_mclt_s)
            if name not in (wanted.name for wanted in self.config.endpoints):
                orders.end_relationship(endpoint, now, out)
                self._keep_state(before.pop(name))

    def _wait_alone(self, until: float) -> None:
        self.alone = replace(STANDALONE, other_from=max(self.alone.other_from, float(int(until) + 1)))

    def _take_log_settings(self) -> None:
        for endpoint in self.endpoints:
            endpoint.detail = "failover-detail" in self.config.log_settings

    def _drop(self, endpoint: Endpoint, now: float, out: list[Effect]) -> None:
        orders.stop(endpoint, now, out)
        self._keep_state(endpoint)

    def _keep_state(self, endpoint: Endpoint) -> None:
        self.states[endpoint.config.name] = endpoint.saved.values()
        self.connections.forget(endpoint)

    def _reserve(self, now: float, out: list[Effect]) -> None:
        """Reserved addresses have records, so that the backup hears of them flagged as reserved (S4.12)."""
        book = self.book
        for scope in self.config.scopes:
            for address in scope.reserved:
                binding = book.by_address.get(address)
                if binding is None:
                    binding = book.record(address, scope)
                    book.set_status(binding, FREE, int(now))
                elif binding.flags & RESERVED_FLAG:
                    continue
                binding.flags |= RESERVED_FLAG
                book.save(binding, out)

    def _unreserve(self, now: float, out: list[Effect]) -> None:
        """An address whose reservation is cancelled loses the flag."""
        book = self.book
        cancelled = []
        for binding in book.by_address.values():
            if binding.flags & RESERVED_FLAG:
                where = book.scope_at(binding.address)
                if where is not None and binding.address not in where.reserved:
                    cancelled.append((binding, where.endpoint))
        for binding, number in cancelled:
            binding.flags &= ~RESERVED_FLAG
            if number:
                shares.unreserved(self.endpoints[number - 1], binding, now, out)
            book.save(binding, out)

    # --- inputs -----------------------------------------------------------------------------------------

    def handle(self, now: float, event: Input, out: list[Effect]) -> None:
        """Take one input and append what is to be done. Bad input is counted and said; it never raises."""
        if now < self._now:
            self._clock_set_back(self._now - now)
        self._now = now
        kind = type(event)
        if kind is Datagram:
            assert isinstance(event, Datagram)
            self.dhcp.handle(now, event, out)
            if self.book.changed:
                self._tell(now, out)
            return
        if isinstance(event, LinkData):
            self.connections.link_data(event, now, out)
        elif isinstance(event, TlsUp):
            self.connections.tls_up(event, now, out)
        elif isinstance(event, Probed):
            self.dhcp.probed(now, event, out)
        elif isinstance(event, LinkUp):
            self.connections.link_up(event, now, out)
        elif isinstance(event, LinkDown):
            self.connections.link_down(event, now, out)
        elif isinstance(event, ClockSet):
            for endpoint in self.endpoints:
                clockset.clock_set(endpoint, event.seconds, now, out)
        elif isinstance(event, ConnectFailed):
            for endpoint in self.endpoints:
                if endpoint.config.peer == event.peer:
                    endpoint.connecting = False
        self._settle(now, out)

    def _clock_set_back(self, seconds: float) -> None:
        for endpoint in self.endpoints:
            clockset.clock_set_back(endpoint, seconds)
        for link in self.connections.strangers.values():
            link.clock_set_back(seconds)

    def _settle(self, now: float, out: list[Effect]) -> None:
        """Let time act, tell endpoints of changes, and adopt the powers that follow."""
        self.book.end_offers(now)
        for binding in self.book.due(now):
            self._due(binding, now, out)
        if self.book.changed:
            self._tell(now, out)
        for endpoint in self.endpoints:
            if endpoint.deadline() <= now:
                endpoint.tick(now, out)
        if self.book.changed:
            self._tell(now, out)
        self.connections.close_overdue(now, out)
        self.dhcp.set_powers([self.alone, *(endpoint.powers for endpoint in self.endpoints)])

    def _tell(self, now: float, out: list[Effect]) -> None:
        changed = self.book.changed
        for binding in changed:
            scope = self.book.scope_at(binding.address)
            if scope is not None and scope.endpoint:
                telling.changed(self.endpoints[scope.endpoint - 1], binding, now, out)
        changed.clear()

    def _due(self, binding: Binding, now: float, out: list[Effect]) -> None:
        """A binding's time has come: its lease, its quarantine, or its wait in PARTNER-DOWN is over."""
        scope = self.book.scope_at(binding.address)
        if scope is None:
            return
        endpoint = self.endpoints[scope.endpoint - 1] if scope.endpoint else None
        if binding.status in (ACTIVE, ABANDONED):
            if endpoint is not None and not self._may_expire(endpoint):
                self.book.schedule(int(now) + POSTPONE_S, binding)
                return
            expire(self.book, scope, binding, now, out, endpoint is not None or now < self.alone.other_from)
        if endpoint is None and binding.status in relations.PENDING:
            self._free_without_partner(self.alone.other_from, binding, now, out)
        elif endpoint is not None and endpoint.state == S.PARTNER_DOWN and binding.status in relations.PENDING:
            self._free_without_partner(free_at(endpoint, binding), binding, now, out)

    @staticmethod
    def _may_expire(endpoint: Endpoint) -> bool:
        """In NORMAL the main declares leases over; otherwise whoever serves clients does."""
        if endpoint.state == S.NORMAL:
            return endpoint.config.main
        return endpoint.powers.answer == ANSWER_ALL

    def _free_without_partner(self, due: float, binding: Binding, now: float, out: list[Effect]) -> None:
        """An address is free without the partner's word once the waits are over (section 9.4.2)."""
        if due > now:
            self.book.schedule(int(due), binding)
            return
        self.book.set_status(binding, FREE, int(now))
        self.book.save(binding, out)

    def deadline(self) -> float | None:
        """When ``handle`` wants a Tick, or None."""
        first = self.book.next_due()
        due = float("inf") if first is None else float(first)
        for endpoint in self.endpoints:
            due = min(due, endpoint.deadline())
        due = min(due, self.connections.deadline())
        return None if due == float("inf") else due

    # --- commands ---------------------------------------------------------------------------------------

    def endpoints_with(self, partner: int) -> list[Endpoint]:
        """Return the endpoints whose partner has an address. Raises CommandError 302 when there is none."""
        mine = [endpoint for endpoint in self.endpoints if endpoint.config.peer == partner]
        if not mine:
            known = ", ".join(format_ipv4(endpoint.config.peer) for endpoint in self.endpoints) or "none"
            raise CommandError(
                302, f"{format_ipv4(partner)} is no failover partner of this server (its partners: {known})"
            )
        return mine

    def set_partner_down(self, now: float, partner: int, at: float | None, expert: bool, out: list[Effect]) -> str:
        """The operator says that a partner is down (S4.9): all endpoints with it move. Raises CommandError."""
        mine = self.endpoints_with(partner)
        said: list[str] = []
        refused: list[CommandError] = []
        for endpoint in sorted(mine, key=lambda e: not e.communicating):
            name = f"{endpoint.config.name}: " if len(mine) > 1 else ""
            try:
                said.append(name + orders.set_partner_down(endpoint, now, at, expert, out))
            except CommandError as error:
                refused.append(CommandError(error.status, name + error.text))
                if endpoint.communicating:
                    break  # the partner answers: what one endpoint hears holds for all
        if not said:
            raise refused[0]
        self._settle(now, out)
        return "; ".join([*said, *(f"refused, {error.text}" for error in refused)])

    def rebalance(self, now: float, name: str, out: list[Effect]) -> str:
        """The operator wants the shares of pair ``name`` (addresses of main and backup) at their targets now (S4.6).

        Raises CommandError.
        """
        for endpoint in self.endpoints:
            if endpoint.config.name == name:
                said = orders.rebalance(endpoint, now, out)
                self._settle(now, out)
                return said
        raise CommandError(302, f"the running server has no failover pair {name}; 'dhcp reload' loads what was set")

    def endpoint_at(self, address: int) -> Endpoint | None:
        """Return the endpoint of the scope that an address is in, or None."""
        scope = self.book.scope_at(address)
        return self.endpoints[scope.endpoint - 1] if scope is not None and scope.endpoint else None

    def set_deactivated(self, now: float, address: int, deactivated: bool, out: list[Effect]) -> None:
        """The operator keeps an address from clients, on this server, or lets them have it again.

        Raises CommandError.
        """
        scope = self.book.scope_at(address)
        if scope is None or (address not in scope.ranges and address not in scope.reserved):
            where = "'scope NAME listRanges' shows theirs"
            raise CommandError(302, f"{format_ipv4(address)} is no address of the running server's scopes; {where}")
        if self.book.held_back(address) == deactivated:
            return
        if deactivated:
            binding = self.book.hold_back(address, scope, int(now))
        else:
            binding = self.book.by_address[address]
            self.book.release(binding, scope)
        self.book.save(binding, out)
        self._settle(now, out)

    def force_available(self, now: float, address: int, out: list[Effect]) -> None:
        """The operator makes an address available (RESET, section 5.11). Raises CommandError."""
        binding = self.book.by_address.get(address)
        scope = self.book.scope_at(address)
        if binding is None or scope is None:
            raise CommandError(302, f"lease {format_ipv4(address)} is not known; see scope NAME listLeases")
        if binding.status in (FREE, BACKUP):
            return
        binding.expires = min(binding.expires, int(now))
        self.book.set_status(binding, RESET if scope.endpoint else FREE, int(now))
        self.book.save(binding, out)
        self._settle(now, out)
