"""What the partner's binding updates do to the lease book, and what its answers to ours mean.

What a conflict means is decided in ``failover.conflict``, who shares what in ``failover.shares``.
Source: draft-ietf-dhc-failover-12 sections 5.11, 7.1, 7.2.
"""

from __future__ import annotations

from tandem.base.io import Effect, SaveAcked, SaveBinding
from tandem.base.ipv4 import format_ipv4
from tandem.base.ranges import RangeSet
from tandem.config.compiled import CompiledScope
from tandem.failover import conflict, reminders, shares, telling, words
from tandem.failover.calling import ANSWER_S
from tandem.failover.conflicts import HERE, THERE, View, view_of_binding, view_of_update
from tandem.failover.endpoint import REFUSED_S, Endpoint
from tandem.failover.updates import Move, Sent
from tandem.lease.binding import ACTIVE, BACKUP, EXPIRED, FREE, RELEASED, RESET, Binding, client_key
from tandem.lease.pool import Pool
from tandem.wire.failover import Answer, BindingAck, BindingUpdate, Frame, RejectReason, Update
from tandem.wire.failover import ServerState as S

_OLDER = (RejectReason.FATAL_CONFLICT, RejectReason.OUTDATED_BINDING, RejectReason.LESS_CRITICAL_BINDING)
"""Reasons that say: what is known here counts more."""
_MAY_HAVE_CLIENTS = (RejectReason.OUTDATED_BINDING, "leases of the backup's addresses may run of which nobody knows")


def binding_update(endpoint: Endpoint, frame: Frame, now: float, out: list[Effect]) -> None:
    """Judge each update, take in what is accepted, and answer all of it once that is stored (section 7.1.2)."""
    message = frame.message
    assert isinstance(message, BindingUpdate) and endpoint.link is not None
    if endpoint.asked_xid is not None:
        endpoint.answer_until = now + ANSWER_S
    skew = endpoint.skew if endpoint.skew.whole_s else None
    read = endpoint.dialect.read
    answers = []
    for update in message.updates:
        if read is not None:
            read(update)
        if skew is not None:
            update.expires = skew.ours(update.expires)
            update.potential = skew.ours(update.potential)
            update.start_of_state = skew.ours(update.start_of_state)
            update.last_transaction = skew.ours(update.last_transaction)
        if update.last_address is not None:
            verdict = _range_update(endpoint, update, now, out)
        else:
            verdict = _one_update(endpoint, update, now, out)
        if verdict is None:
            answers.append(Answer(update.address))
        else:
            endpoint.rejects_sent += 1
            answers.append(Answer(update.address, verdict[0], verdict[1]))
            here = view_of_binding(endpoint.book.by_address.get(update.address))
            said = endpoint.conflicts.add(
                update.address, here, view_of_update(update), HERE, int(verdict[0]), verdict[1], now
            )  # fmt: skip
            text = f"Refused the partner's update of {format_ipv4(update.address)} ({words.reason(verdict[0])}): {said}"
            endpoint.note("Warning", 6160, text, out, "no-failover-conflict")
            _insist(endpoint, update.address, int(verdict[0]), now)
    endpoint.updates_received += len(answers)
    if endpoint.detail:
        refused = sum(answer.reject is not None for answer in answers)
        text = f"Received DHCPBNDUPD {frame.xid}: {words.listed(message.updates)}; answered by DHCPBNDACK"
        endpoint.note("Info", 6164, text + (f", {refused} refused" if refused else ""), out, "failover-detail")
    endpoint.link.send(BindingAck(answers), now, out, frame.xid)


def _insist(endpoint: Endpoint, address: int, reason: int, now: float) -> None:
    """What an update was refused for is news to the partner: tell it, or the two would differ for good.

    Not at once (as ``_refused``), so that two servers that refuse each other do it once a minute.
    """
    binding = endpoint.book.by_address.get(address)
    if binding is not None and binding.up_to_date and reason in _OLDER:
        binding.up_to_date = False
        endpoint.unacked[address] = binding
        endpoint.refused_at = min(endpoint.refused_at, now + REFUSED_S)


def _one_update(endpoint: Endpoint, update: Update, now: float, out: list[Effect]) -> tuple[int, str] | None:
    book = endpoint.book
    scope = book.scope_at(update.address)
    if scope is None or scope.endpoint != endpoint.index:
        return RejectReason.ILLEGAL_ADDRESS, "the address is in no scope of this relationship; compare the scopes"
    binding = book.by_address.get(update.address)
    # While it asks for everything this server's own data is old, so the partner's counts whatever the figure says; but
    # not that of a partner that has lost its own as well.
    old = endpoint.state == S.RECOVER and endpoint.saved.ask_all and endpoint.saved.partner_state != S.RECOVER
    slack_s = 0 if endpoint.config.main else endpoint.dialect.expiry_slack_s
    if binding is not None and (binding.status, update.status) == (BACKUP, FREE) and _keeps_its_own(endpoint, now):
        return _MAY_HAVE_CLIENTS
    verdict = conflict.judge(None if old else binding, update, scope, endpoint.config.main, int(now) + slack_s)
    if verdict is not None:
        return verdict
    if binding is not None and update.status == BACKUP and not old and _crosses_an_end(endpoint, binding, update):
        return RejectReason.OUTDATED_BINDING, "this server has given the address since, and tells that it is free again"
    if update.address in book.offered:
        book.cancel_offer(update.address)
    if update.ddns is not None and not endpoint.partner_does_ddns:
        endpoint.partner_does_ddns = True
        text = "The partner does DNS updates and this server does not: what the partner put into the DNS stays there"
        endpoint.note("Warning", 6168, text + " if this server ends the lease; configure both alike", out)
    if update.status == ACTIVE and (binding is None or conflict.other_client(binding, update)):
        _two_addresses(endpoint, scope, update, now, out)
    never_used = not endpoint.dialect.extensions and not update.hardware and not update.flags
    if binding is None and never_used and update.status in (FREE, BACKUP):
        return _never_used(endpoint, update, scope, out)
    if binding is None:
        binding = book.record(update.address, scope)
    elif update.status == ACTIVE and conflict.other_client(binding, update):
        _two_clients(endpoint, binding, update, now, out)
    told = binding.up_to_date
    conflict.accept(book, binding, update, scope, int(now))
    if endpoint.config.main and binding.up_to_date and endpoint.queue.is_on_the_way(update.address):
        told, binding.up_to_date = True, False  # the partner may take in the other of two that cross: ours ends it
    elif binding.up_to_date:
        endpoint.unacked.pop(update.address, None)
    out.append(SaveBinding(binding.row()))
    if told and not binding.up_to_date:
        telling.changed(endpoint, binding, now, out)
    return None


def _crosses_an_end(endpoint: Endpoint, binding: Binding, update: Update) -> bool:
    """Whether the main's gift is older than a lease that this backup has given of it, and whose end it has yet to tell.

    The main, which then takes the address for its own, would own it together with this server (decisions/0003).
    """
    untold_end = binding.status in (EXPIRED, RELEASED) and not binding.up_to_date
    given_since = binding.last_transaction > (update.last_transaction or 0)
    return untold_end and given_since and not endpoint.config.main and endpoint.dialect.extensions


def _never_used(
    endpoint: Endpoint, update: Update, scope: CompiledScope, out: list[Effect]
) -> tuple[int, str] | None:  # fmt: skip
    """The owner of one never-used address, as a make without our ranges tells it, for each of them.

    What is known already is not written once more. On the main its own move decides: while that is on the way, and when
    the partner still had its older word (with no time) in line.
    """
    owner = endpoint.book.pools[scope.index].owner_of_unused(update.address)
    if owner == update.status or (endpoint.config.main and endpoint.queue.is_on_the_way(update.address)):
        return None
    if endpoint.config.main and owner == BACKUP and not update.potential:
        return RejectReason.LESS_CRITICAL_BINDING, "the address was given to the backup meanwhile"
    shares.take_unused(endpoint, update.address, update.address, update.status, True, out)
    return None


def _two_clients(endpoint: Endpoint, binding: Binding, update: Update, now: float, out: list[Effect]) -> None:
    """One address, two clients, and the partner's keeps it: say it, if both leases run or the one here began later."""
    if binding.status == ACTIVE and binding.expires > now:
        why = "the main's word counts when both have leased one address"
        loser = client_key(binding.client_id, binding.hardware)
        endpoint.saved.lost_to(update.address, binding.expires, loser, now)
        endpoint.save(out)
        endpoint.adopt_powers()
    elif binding.status in (EXPIRED, RELEASED) and binding.last_transaction > (update.last_transaction or 0):
        why = "the lease here is over, the other one runs"
    else:
        return
    said = endpoint.conflicts.add(
        update.address, view_of_binding(binding), view_of_update(update), THERE, 0, why, now
    )  # fmt: skip
    text = f"Both servers have leased {format_ipv4(update.address)}: {said}"
    endpoint.note("Warning", 6163, text, out, "no-failover-conflict")


def _two_addresses(
    endpoint: Endpoint, scope: CompiledScope, update: Update, now: float, out: list[Effect]
) -> None:  # fmt: skip
    """One client, two addresses on a LAN segment (section 7.1.2): say it; both leases are kept until they end.

    Neither may be forgotten, as the client may use either. Both servers give it the one with the later transaction
    from now on (``Book.find``). BOOTP clients may have both for good: the operator has to decide (section 5.14).
    """
    book = endpoint.book
    network = book.network_of(scope)
    for other in book.clients.all_of(client_key(update.client_id, update.hardware)):
        if other.address == update.address or other.status != ACTIVE or other.expires <= now:
            continue
        where = book.scope_at(other.address)
        if where is None or where not in network.scopes:
            continue
        later = (update.last_transaction or 0, -update.address) > (other.last_transaction, -other.address)
        name, wins = format_ipv4(other.address), format_ipv4(update.address if later else other.address)
        said = endpoint.conflicts.add(
            update.address, view_of_binding(other), view_of_update(update), THERE if later else HERE, 0,
            f"the client has {name} too; it gets {wins} from now on, the other lease runs out by itself", now,
        )  # fmt: skip
        text = f"One client has leases of {format_ipv4(update.address)} and {name}: {said}"
        endpoint.note("Warning", 6167, text, out, "no-failover-conflict")


def _keeps_its_own(endpoint: Endpoint, now: float) -> bool:
    """Whether this server is a backup whose own addresses may have clients of which nobody knows (``own_from``)."""
    return not endpoint.config.main and now < endpoint.saved.own_from


def _range_update(
    endpoint: Endpoint, update: Update, now: float, out: list[Effect]
) -> tuple[int, str] | None:  # fmt: skip
    """The owner of never-used addresses changes (our extension): the main gives them, or takes them back.

    The backup says what is the main's when a scope comes back to it, and what is its own only in answer to a request
    for everything. That may cross the main's taking back, to which the
    backup agrees then: the main's word counts, or each would end with what the other had said.
    """
    lo, hi = update.address, update.last_address
    assert hi is not None
    book = endpoint.book
    scope = book.scope_at(lo)
    if scope is None or scope.endpoint != endpoint.index or book.scope_at(hi) is not scope or hi < lo:
        return RejectReason.ILLEGAL_ADDRESS, "the range is in no scope of this relationship; compare the scopes"
    if update.status not in (FREE, BACKUP):
        return RejectReason.MISSING_BINDING_INFORMATION, "a range can only be free or the backup's"
    if not endpoint.config.main and update.status == BACKUP:
        _make_own(endpoint, book.pools[scope.index], lo, hi, now, out)
        return None
    busy = any(lo <= a <= hi for a in endpoint.unacked) or any(lo <= a <= hi for a in book.offered)
    if busy and update.status == FREE and not endpoint.config.main:
        return RejectReason.OUTDATED_BINDING, "an address of the range is being given to a client here"
    if update.status == FREE and _keeps_its_own(endpoint, now):
        return _MAY_HAVE_CLIENTS
    if endpoint.config.main and update.status == BACKUP and endpoint.queue.moving(lo, hi, FREE):
        return RejectReason.OUTDATED_BINDING, "the main is taking addresses of the range back"
    taken = RangeSet([(lo, hi)])
    if endpoint.config.main and update.status == FREE:
        for move in endpoint.queue.moving(lo, hi, BACKUP):
            taken.remove(move.lo, move.hi)  # given since: the backup takes that
        for a, b in endpoint.reminders.meeting(lo, hi):
            taken.remove(a, b)  # and so it does with what it is reminded of
    for a, b in taken:
        shares.take_unused(endpoint, a, b, update.status, True, out)
    return None


def _make_own(endpoint: Endpoint, pool: Pool, lo: int, hi: int, now: float, out: list[Effect]) -> None:
    """Backup: what the main has given, or says again that it holds for the backup's."""
    if pool.main.unused.overlap(lo, hi):
        shares.take_unused(endpoint, lo, hi, BACKUP, True, out)
    found = reminders.take(endpoint.book, lo, hi, int(now), out)
    if found:
        text = f"{found} addresses that were given back are this server's again: the main has not heard that they were"
        endpoint.note("Info", 6142, text, out, "failover-detail")


def binding_ack(endpoint: Endpoint, frame: Frame, now: float, out: list[Effect]) -> None:
    """What the partner has stored, or refused (section 7.2.2)."""
    message = frame.message
    assert isinstance(message, BindingAck)
    entries = endpoint.queue.take_answered(frame.xid)
    endpoint.reminders.answered(frame.xid)
    if entries is None:
        endpoint.note("Warning", 6161, f"An acknowledgement with the unknown number {frame.xid} came", out)
        return
    telling.acknowledged(endpoint, now, out)
    acked: list[tuple[int, int, int]] = []
    answered: set[int] = set()
    for answer in message.answers:
        sent = entries.get(answer.address)
        if sent is None or answer.address in answered:
            continue
        answered.add(answer.address)
        if answer.reject is not None:
            _refused(endpoint, answer, sent, now, out)
        elif isinstance(sent.item, Move):
            _moved(endpoint, sent.item, int(now), out)
        else:
            _acknowledged(endpoint, sent.item, sent, int(now), acked, out)
    for address, sent in entries.items():
        if address not in answered:
            left_out = Answer(address, RejectReason.UNKNOWN, "the partner's answer left it out")
            _refused(endpoint, left_out, sent, now, out)
    if acked:
        out.append(SaveAcked(acked))
    if endpoint.detail:
        refused = sum(answer.reject is not None for answer in message.answers)
        text = f"Received DHCPBNDACK {frame.xid}: {len(entries) - refused} acknowledged, {refused} refused"
        endpoint.note("Info", 6166, text, out, "failover-detail")
    endpoint.queue.settled(entries)
    telling.finish_request(endpoint, now, out)
    telling.flush(endpoint, now, out)


def _acknowledged(
    endpoint: Endpoint, binding: Binding, sent: Sent, now: int, acked: list[tuple[int, int, int]], out: list[Effect]
) -> None:
    if sent.generation != binding.generation:
        # It has changed since: what was acknowledged counts only while the same client's lease goes on.
        if sent.potential and binding.sent_potential >= sent.potential > binding.acked_potential:
            binding.acked_potential = sent.potential
        if not binding.up_to_date:
            endpoint.queue.add(binding)
        return
    binding.up_to_date = True
    endpoint.unacked.pop(binding.address, None)
    if not endpoint.unacked:
        endpoint.unacked.clear()  # only that gives back the memory that a million had
    if binding.status in (EXPIRED, RELEASED, RESET):
        endpoint.book.set_status(binding, FREE, now)
        binding.generation += 1
        out.append(SaveBinding(binding.row()))
        return
    if sent.potential > binding.acked_potential:
        binding.acked_potential = sent.potential
    acked.append((binding.address, binding.acked_potential, 1))


def _moved(endpoint: Endpoint, move: Move, now: int, out: list[Effect]) -> None:
    book = endpoint.book
    if move.unused:
        shares.take_unused(endpoint, move.lo, move.hi, move.owner, True, out)
        return
    binding = book.by_address[move.lo]
    if binding.status == BACKUP:
        book.set_status(binding, FREE, now)
        binding.generation += 1
        out.append(SaveBinding(binding.row()))


def _refused(endpoint: Endpoint, answer: Answer, sent: Sent, now: float, out: list[Effect]) -> None:
    """Not sent again at once (section 7.2.2): when the partner next asks, or after a while."""
    endpoint.rejects_received += 1
    assert answer.reject is not None
    item = sent.item
    here = view_of_binding(item) if isinstance(item, Binding) else View(item.owner)
    why = answer.text or words.REASONS.get(answer.reject, "it does not say why")
    said = endpoint.conflicts.add(answer.address, here, None, THERE, answer.reject, why, now)
    text = f"The partner refused the update of {format_ipv4(answer.address)} ({words.reason(answer.reject)}): {said}"
    endpoint.note("Warning", 6162, text, out, "no-failover-conflict")
    if isinstance(item, Move):
        endpoint.move_refused = True
        endpoint.remind_at = min(endpoint.remind_at, now)  # it may have agreed to a part of it before
        giver = FREE if item.owner == BACKUP else BACKUP
        gave = endpoint.config.main or endpoint.dialect.main_asks  # else it only said that they are not its own
        if item.unused and gave and giver == (FREE if endpoint.config.main else BACKUP):
            shares.take_unused(endpoint, item.lo, item.hi, giver, True, out)  # it was never taken: it stays ours
        return
    duel = answer.reject == RejectReason.LESS_CRITICAL_BINDING
    endpoint.refused_at = min(endpoint.refused_at, now + (endpoint.dialect.duel_retry_s if duel else REFUSED_S))
