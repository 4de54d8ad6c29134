"""Planted bugs: each breaks one promise of the servers on purpose, and the swarm must notice.

A canary is planted by patching for as long as a context lasts, never in the product's code; that the verdicts catch
each within its budget of seeds proves that they can fail.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from tandem.base.io import Effect, Input, Reply, SaveBinding, Send
from tandem.config.compiled import CompiledScope
from tandem.dhcp import lifecycle
from tandem.failover import balance, conflict, endpoint, forgotten, startup
from tandem.failover.clock import Skew
from tandem.failover.endpoint import Endpoint
from tandem.failover.updates import Move, Request, UpdateQueue
from tandem.lease.binding import FREE, Binding
from tandem.lease.book import Book
from tandem.lease.pool import Pool
from tandem.lease.powers import Powers
from tandem.node import node
from tandem.node.node import Node
from tandem.sim.run import Outcome, Scenario, tell
from tandem.wire.failover import MessageType
from tandem.wire.failover import ServerState as S


@dataclass(frozen=True, slots=True)
class Canary:
    """A planted bug."""

    name: str
    help: str
    profiles: tuple[str, ...]
    """Where it shows."""
    plant: Callable[[], AbstractContextManager[object]]
    seeds: int = 20
    """Within how many seeds of each profile it must be caught."""


def _first(node_out: list[Effect], start: int, leads: Callable[[Effect], bool]) -> None:
    """Move the effects that ``leads`` chooses before all others since ``start``."""
    mine = node_out[start:]
    node_out[start:] = [e for e in mine if leads(e)] + [e for e in mine if not leads(e)]


def _reordered(leads: Callable[[Effect], bool]) -> AbstractContextManager[object]:
    handle = Node.handle

    def hasty(self: Node, now: float, event: Input, out: list[Effect]) -> None:
        start = len(out)
        handle(self, now, event, out)
        _first(out, start, leads)

    return mock.patch.object(Node, "handle", hasty)


def ack_before_persist() -> AbstractContextManager[object]:
    """Replies leave before what they promise is saved."""
    return _reordered(lambda effect: isinstance(effect, Reply))


def state_before_stored() -> AbstractContextManager[object]:
    """STATE leaves before the state is saved."""
    return _reordered(lambda e: isinstance(e, Send) and e.data[2] == MessageType.STATE)


def update_acked_before_persist() -> AbstractContextManager[object]:
    """The partner's state and acknowledgements are answered before anything is saved."""
    return _reordered(lambda e: isinstance(e, Send) and e.data[2] == MessageType.BNDACK)


def renewal_not_saved() -> AbstractContextManager[object]:
    """Changes of a lease are not written."""
    handle = Node.handle

    def careless(self: Node, now: float, event: Input, out: list[Effect]) -> None:
        start = len(out)
        handle(self, now, event, out)
        if any(isinstance(effect, Reply) for effect in out[start:]):
            out[start:] = [effect for effect in out[start:] if not isinstance(effect, SaveBinding)]

    return mock.patch.object(Node, "handle", careless)


def no_mclt_wait() -> AbstractContextManager[object]:
    """In PARTNER-DOWN the partner's addresses are given at once."""
    return _greedy(S.PARTNER_DOWN)


def _greedy(state: S) -> AbstractContextManager[object]:
    adopt = Endpoint.adopt_powers

    def greedy(self: Endpoint) -> None:
        adopt(self)
        if self.state == state:
            self.powers = replace(self.powers, other_from=float("-inf"), own_from=float("-inf"))

    return mock.patch.object(Endpoint, "adopt_powers", greedy)


def free_at_once() -> AbstractContextManager[object]:
    """In PARTNER-DOWN an ended lease is free without waiting for what the partner may have promised."""
    return mock.patch.object(node, "free_at", lambda endpoint, binding: 0)


def share_taken_without_acknowledgement() -> AbstractContextManager[object]:
    """The main uses what it takes back from the backup before that has agreed."""
    reclaim = balance.reclaim

    def grab(book: Book, pool: Pool, *rest: Any) -> list[Move]:
        moves = reclaim(book, pool, *rest)
        for move in moves:
            if move.unused:
                book.assign_unused(move.lo, move.hi, FREE)
            else:
                book.set_status(book.by_address[move.lo], FREE, 1)
        return moves

    return mock.patch.object(balance, "reclaim", grab)


def both_own_a_share() -> AbstractContextManager[object]:
    """A server that does not hear its partner gives the partner's addresses too."""
    return _greedy(S.COMMUNICATIONS_INTERRUPTED)


def recover_wait_skipped() -> AbstractContextManager[object]:
    """A server that lost its database goes on as soon as it has its partner's data."""
    target = startup.leave_startup

    def forgetful(self: Endpoint, now: float, out: list[Effect]) -> tuple[int, str]:
        chosen = target(self, now, out)
        self.saved.failed_at = 0
        return chosen

    return mock.patch.dict(endpoint._STEPS, {"leave-startup": forgetful})


def recover_wait_cut_short() -> AbstractContextManager[object]:
    """A server that lost its database waits in RECOVER-WAIT for half of the MCLT."""
    target = startup.leave_startup

    def impatient(self: Endpoint, now: float, out: list[Effect]) -> tuple[int, str]:
        chosen = target(self, now, out)
        if self.saved.failed_at:
            self.saved.failed_at -= self.mclt_s // 2
        return chosen

    return mock.patch.dict(endpoint._STEPS, {"leave-startup": impatient})


def promises_of_who_forgot_ignored() -> AbstractContextManager[object]:
    """A partner that lost its database is told all, but what it may have promised is not waited for."""

    return mock.patch.object(forgotten, "_promised_until", lambda self, binding, served_until: 0)


def serves_without_having_waited() -> AbstractContextManager[object]:
    """A server that lost its database and serves without RECOVER-WAIT gives its addresses at once."""
    return mock.patch.object(forgotten, "not_waited", lambda *rest: None)


def delta_time_ignored() -> AbstractContextManager[object]:
    """The partner's times are taken as they are."""
    return mock.patch.object(Skew, "whole_s", 0)


def potential_not_limited() -> AbstractContextManager[object]:
    """Leases are as long as configured, whatever the partner has acknowledged."""

    def desired(self: Powers, binding: Binding | None, desired: int, now: int) -> int:
        return desired

    return mock.patch.object(Powers, "lease_seconds", desired)


def update_done_early() -> AbstractContextManager[object]:
    """UPDDONE is sent before the updates."""

    def nothing(self: UpdateQueue, xid: int) -> None:
        for item in self.waiting:
            if isinstance(item, Binding):
                item.queued = False
        self.waiting.clear()
        self.request = Request(xid, set())

    return mock.patch.object(UpdateQueue, "answer_request", nothing)


def conflict_rule_inverted() -> AbstractContextManager[object]:
    """A partner's word that a lease is over counts although it runs here."""
    rules = {key: conflict.ACCEPT if rule == conflict.LEASE_OVER else rule for key, rule in conflict.RULES.items()}
    return mock.patch.object(conflict, "RULES", rules)


def older_transaction_wins() -> AbstractContextManager[object]:
    """Of two views the older counts."""
    judge = conflict.judge

    def inverted(binding: Binding | None, update: Any, scope: CompiledScope, main: bool, now: int) -> Any:
        verdict = judge(binding, update, scope, main, now)
        if binding is not None and conflict.RULES[binding.status, update.status] == conflict.TRANSACTION_LATER:
            return None if verdict is not None else (15, "planted")
        return verdict

    return mock.patch.object(conflict, "judge", inverted)


def freed_without_acknowledgement() -> AbstractContextManager[object]:
    """An ended lease is free at once, though the partner may have extended it."""
    expire = lifecycle.expire

    def hasty(book: Book, scope: CompiledScope, binding: Binding, now: float, out: list[Effect], partner: bool) -> None:
        expire(book, scope, binding, now, out, False)

    return mock.patch.object(node, "expire", hasty)


def updates_forgotten() -> AbstractContextManager[object]:
    """What was not acknowledged when the connection was lost is not told again."""
    return mock.patch.object(UpdateQueue, "start", lambda self, bindings: None)


def returns_incautiously() -> AbstractContextManager[object]:
    """A server that comes back after a long time gives addresses at once, without hearing its partner."""
    alone = startup.leave_startup_alone

    def bold(self: Endpoint, now: float, out: list[Effect]) -> tuple[int, str]:
        chosen = alone(self, now, out)
        self.saved.cautious, self.saved.returned_at = False, 0
        return chosen

    return mock.patch.dict(endpoint._STEPS, {"leave-startup-alone": bold})


def old_copy_not_noticed() -> AbstractContextManager[object]:
    """A server goes on with an old copy of its database, whatever its partner remembers of it."""
    return mock.patch.object(startup, "OLD_S", float("inf"))


def conflicts_not_said() -> AbstractContextManager[object]:
    """What the two servers could not agree on is in no log."""
    note = Endpoint.note

    def silent(self: Endpoint, level: str, ident: int, text: str, out: list[Effect], setting: str = "") -> None:
        if setting != "no-failover-conflict":
            note(self, level, ident, text, out, setting)

    return mock.patch.object(Endpoint, "note", silent)


CANARIES: dict[str, Canary] = {
    canary.name: canary
    for canary in (
        Canary("ack-before-persist", "an ACK leaves before its save", ("crashes",), ack_before_persist, 2),
        Canary("renewal-not-saved", "a lease is not written", ("crashes",), renewal_not_saved, 2),
        Canary("state-before-stored", "STATE leaves before its save", ("crashes",), state_before_stored, 2),
        Canary("bndack-before-persist", "BNDACK leaves before its save", ("crashes", "mixed"),
               update_acked_before_persist, 40),
        Canary("no-mclt-wait", "no wait in PARTNER-DOWN", ("mixed", "operator"), no_mclt_wait, 40),
        Canary("free-at-once", "no wait for potential expirations in PARTNER-DOWN", ("mixed", "operator"),
               free_at_once, 40),
        Canary("share-without-ack", "a share is taken back without agreement", ("disks",),
               share_taken_without_acknowledgement),
        Canary("both-own-a-share", "both sides own a share", ("network",), both_own_a_share, 10),
        Canary("no-recover-wait", "RECOVER-WAIT is skipped", ("databases",), recover_wait_skipped),
        Canary("recover-wait-cut-short", "RECOVER-WAIT lasts half of the MCLT", ("databases",),
               recover_wait_cut_short),
        Canary("forgotten-promises", "promises of a partner that lost its database are not waited for",
               ("databases", "ambush"), promises_of_who_forgot_ignored, 60),
        Canary("never-waited", "who lost its database and serves without RECOVER-WAIT gives addresses at once",
               ("databases", "ambush"), serves_without_having_waited, 60),
        Canary("delta-time-ignored", "clock differences are ignored", ("clocks",), delta_time_ignored),
        Canary("potential-not-limited", "leases exceed the lead time", ("crashes",), potential_not_limited, 2),
        Canary("update-done-early", "UPDDONE is sent early", ("databases",), update_done_early),
        Canary("conflict-rule-inverted", "a running lease is ended by the partner", ("mixed",), conflict_rule_inverted),
        Canary("older-wins", "of two views the older counts", ("mixed",), older_transaction_wins),
        Canary("freed-without-ack", "an ended lease is free without agreement", ("mixed", "crashes"),
               freed_without_acknowledgement),
        Canary("updates-forgotten", "unacknowledged updates are forgotten", ("crashes",), updates_forgotten, 3),
        Canary("old-copy-unnoticed", "a server goes on with an old copy of its database", ("old-copies",),
               old_copy_not_noticed),
        Canary("conflicts-not-said", "a double holder is in no log", ("lies", "safe-period"), conflicts_not_said, 40),
        Canary("returns-incautiously", "a long-lost server gives addresses at once", ("operator", "mixed"),
               returns_incautiously, 40),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caught:
    """How a canary was noticed."""

    outcome: Outcome
    stories: int


def hunt(canary: Canary, hours: float = 4.0, clients: int = 60) -> Caught | None:
    """Tell stories with the bug planted until a verdict goes against the servers; None when its budget is used up."""
    stories = 0
    for seed in range(1, canary.seeds + 1):
        for profile in canary.profiles:
            stories += 1
            scenario = Scenario(seed, profile, hours, clients)
            with canary.plant():
                outcome = tell(scenario)
            if outcome.verdict and not tell(scenario).verdict:
                return Caught(outcome, stories)
    return None
