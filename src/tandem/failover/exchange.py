"""What an endpoint does with each message of its partner.

Does not decide states (``failover.endpoint``) nor what conflicts mean (``failover.conflict``).
Source: draft-ietf-dhc-failover-12 section 7.
"""

from __future__ import annotations

from collections.abc import Callable

from tandem.base.io import Close, Effect, SaveAcked, SaveBinding, SaveState
from tandem.base.ipv4 import format_ipv4
from tandem.config.compiled import OFF, REQUIRED, CompiledScope
from tandem.failover import conflict, forgotten, tls, words
from tandem.failover.conflicts import HERE, THERE, View, view_of_binding, view_of_update
from tandem.failover.endpoint import ANSWER_S, REFUSED_S, Endpoint
from tandem.failover.link import Link
from tandem.failover.updates import Move, Sent
from tandem.lease.binding import ACTIVE, BACKUP, EXPIRED, FREE, RELEASED, RESET, Binding, client_key
from tandem.lease.loadbalance import from_wire, to_wire
from tandem.wire.failover import (
    VENDOR_CLASS,
    Answer,
    BindingAck,
    BindingUpdate,
    Connect,
    ConnectAck,
    Contact,
    Disconnect,
    Frame,
    PoolRequest,
    PoolResponse,
    RejectReason,
    ServerState,
    State,
    Update,
    UpdateDone,
    UpdateRequest,
    UpdateRequestAll,
)
from tandem.wire.failover import ServerState as S

_OLDER = (RejectReason.FATAL_CONFLICT, RejectReason.OUTDATED_BINDING, RejectReason.LESS_CRITICAL_BINDING)
"""Reasons that say: what is known here counts more."""
VERSION = 1
SIMULTANEOUS_S = 2.0
"""How far apart two connections come about that both servers make at the same time."""
VENDOR_MET = 2
"""Our vendor sub-option: one byte, 1 when the sender has met this partner before."""
VENDOR_FACTOR = 3
"""Our vendor sub-option: the main's lease period factor in per cent, four bytes."""


def send_connect(endpoint: Endpoint, now: float, out: list[Effect]) -> None:
    """The main opens the relationship on a connection that it made (section 7.8.1)."""
    link, config, dialect = endpoint.link, endpoint.config, endpoint.dialect
    assert link is not None
    if link.secret:
        endpoint.quiet_until = int(now) + 1
    link.connect_xid = link.send(
        Connect(
            relationship=config.relationship,
            max_unacked=dialect.max_unacked,
            receive_timer=endpoint.receive_timer_s,
            vendor_class=VENDOR_CLASS,
            version=VERSION,
            tls_request=None if link.session else tls.REQUESTS[config.tls],
            mclt=config.mclt_s,
            hash_buckets=dialect.buckets(to_wire(endpoint.backup_buckets)),
            delayed_service=config.balance_delay_s if endpoint.backup_buckets and config.balance_delay_s else None,
            vendor=({
                VENDOR_MET: bytes([endpoint.saved.met]),
                VENDOR_FACTOR: round(config.lease_factor * 100).to_bytes(4, "big"),
            } if dialect.extensions else {}) | _certificate(endpoint, link),
        ),
        now,
        out,
    )  # fmt: skip


def _certificate(endpoint: Endpoint, link: Link) -> dict[int, bytes]:
    """Our certificate, for a partner with which the connection may become TLS."""
    config = endpoint.config
    if link.session or config.tls == OFF or not config.certificate:
        return {}
    return {tls.VENDOR_CERTIFICATE: config.certificate}


def _met(vendor: dict[int, bytes], vendor_class: bytes | None) -> bool | None:
    value = vendor.get(VENDOR_MET)
    if vendor_class != VENDOR_CLASS or value is None:
        return None
    return value != b"\0"


def _replayed(endpoint: Endpoint, frame: Frame) -> tuple[int, str] | None:
    """Why a signed CONNECT is not new (section 11.1), or None.

    The time counts only where the secret is all that protects the connection: a replay cannot start TLS.
    """
    latest = endpoint.saved.connect_time
    if not endpoint.config.secret or frame.time > latest:
        return None
    return RejectReason.TIME_MISMATCH, (
        f"a CONNECT of the time {frame.time} came after one of {latest}: a replay, or the main's clock was set back; "
        "it is taken again when the main's clock has passed that time, or has another failover-shared-secret"
    )


def _clocks_apart(endpoint: Endpoint, frame: Frame, now: float) -> tuple[int, str] | None:
    """Why the partner's clock is refused (sections 7.8.2, 11.1), or None."""
    allowed, delta = endpoint.config.clock_skew_max_s, abs(frame.time + 0.5 - now)
    if allowed is None or delta <= allowed + 0.5:
        return None
    return RejectReason.TIME_MISMATCH, (
        f"the clocks differ by {delta:.0f} s, more than failover-maximum-clock-skew = {allowed}; set them right"
    )


def accept_connect(endpoint: Endpoint, link: Link, frame: Frame, now: float, out: list[Effect]) -> None:
    """The backup's answer to CONNECT (section 7.8.2). The caller has found the endpoint by the relationship's name.

    A connection that we still have is given up for the new one: the main opens one only when it has none, but for one
    that it makes while ours comes about.
    """
    message = frame.message
    assert isinstance(message, Connect)
    tls_reply, no_tls = (None, None) if link.session else tls.reply(endpoint.config, message.tls_request)
    if tls_reply and no_tls is None:
        no_tls = tls.stranger(endpoint.config, message.vendor.get(tls.VENDOR_CERTIFICATE, b""))
    if message.tls_request is None:
        tls_reply = None
    reject = None if link.session else _replayed(endpoint, frame)
    if reject is not None:
        pass
    elif message.version != VERSION:
        reject = RejectReason.VERSION_MISMATCH, f"protocol version {message.version} is not spoken here, only {VERSION}"
    elif no_tls is not None:
        reject = no_tls
    elif message.mclt <= 0 or message.mclt > 0x7FFFFFFF:
        reject = RejectReason.INVALID_MCLT, f"a maximum client lead time of {message.mclt} s cannot be used"
    elif message.max_unacked < 1 or message.receive_timer < 1:
        reject = RejectReason.UNKNOWN_REASON, "max-unacked-bndupd and receive-timer must be there and at least 1"
    else:
        reject = _clocks_apart(endpoint, frame, now)
    if link.secret and frame.time > endpoint.saved.connect_time:
        endpoint.saved.connect_time = frame.time
        out.append(SaveState(endpoint.config.name, endpoint.saved.values()))
    if reject is not None:
        refuse_connect(link, frame.xid, message.relationship, tls_reply, reject, now, out)
        endpoint.problem(6151, f"Refused the main's CONNECT: {reject[1]}", now, out)
        endpoint.back_off(now)
        return
    if tls_reply:
        _accept(endpoint, link, frame.xid, 1, now, out)
        link.start_tls(True, message.vendor[tls.VENDOR_CERTIFICATE], out)
        return
    endpoint.learn_make(message.vendor_class)
    dialect = endpoint.dialect
    if endpoint.link is not None and endpoint.link is not link:
        if dialect.calls_on_any and now - endpoint.link.opened_at < SIMULTANEOUS_S:
            out.append(Close(link.number))  # both servers made a connection, and the main keeps the first
            return
        endpoint.link.disconnect(RejectReason.DUPLICATE_CONNECTION, "a newer connection took over", now, out)
        endpoint.link_lost("the main opened a new connection", now, out)
    endpoint.link = link
    saved = endpoint.saved
    _measure(endpoint, frame, now, out)
    link.opened_by(frame)
    endpoint.agree_on_mclt(message.mclt)
    factor = message.vendor.get(VENDOR_FACTOR, b"") if message.vendor_class == VENDOR_CLASS else b""
    if len(factor) == 4:
        saved.lease_factor_pct = int.from_bytes(factor, "big")
    endpoint.told_buckets = from_wire(dialect.buckets(message.hash_buckets))
    endpoint.told_delay_s = message.delayed_service or 0
    endpoint.partner_met = _met(message.vendor, message.vendor_class)
    out.append(SaveState(endpoint.config.name, saved.values()))
    link.window = message.max_unacked
    link.contact_s = min(endpoint.config.poll_interval_s, message.receive_timer / 3)
    _accept(endpoint, link, frame.xid, tls_reply, now, out)
    endpoint.connected(now, out)


def _accept(
    endpoint: Endpoint, link: Link, xid: int, tls_reply: int | None, now: float, out: list[Effect]
) -> None:  # fmt: skip
    """Send an accepting CONNECTACK (section 7.9.1)."""
    vendor = {VENDOR_MET: bytes([endpoint.saved.met])} if endpoint.dialect.extensions else {}
    answer = ConnectAck(
        relationship=endpoint.config.relationship,
        max_unacked=endpoint.dialect.max_unacked,
        receive_timer=endpoint.receive_timer_s,
        vendor_class=VENDOR_CLASS,
        version=VERSION,
        tls_reply=tls_reply,
        vendor=vendor | (_certificate(endpoint, link) if tls_reply else {}),
    )
    link.send(answer, now, out, xid)


def refuse_connect(
    link: Link, xid: int, relationship: bytes, tls_reply: int | None, reason: tuple[int, str], now: float,
    out: list[Effect],
) -> None:  # fmt: skip
    """Send a rejecting CONNECTACK and close (section 7.9.1)."""
    answer = ConnectAck(relationship, version=VERSION, tls_reply=tls_reply, reject=reason[0], text=reason[1])
    link.send(answer, now, out, xid)
    out.append(Close(link.number))


def _connect_ack(endpoint: Endpoint, frame: Frame, now: float, out: list[Effect]) -> None:
    """Section 7.9.2."""
    message, link = frame.message, endpoint.link
    assert isinstance(message, ConnectAck) and link is not None
    if link.set_up or frame.xid != link.connect_xid:
        return
    if message.reject is not None:
        why = f"The partner refused the connection ({words.reason(message.reject)}): {message.text}"
        endpoint.problem(6152, why, now, out)
        out.append(Close(link.number))
        endpoint.link_lost("the partner refused the connection", now, out, refused=True)
        return
    certificate = message.vendor.get(tls.VENDOR_CERTIFICATE, b"")
    problem = None if link.session else _no_tls(endpoint, message.tls_reply, certificate)
    if problem is None and message.tls_reply and not link.session:  # step 4: all else is seen to when it is secure
        link.start_tls(False, certificate, out)
        return
    if problem is not None:
        pass
    elif message.relationship != endpoint.config.relationship:
        why = f"the partner answers for another relationship, {message.relationship!r}"
        cure = "; check the main and backup addresses, and failover-relationship-name, on both servers"
        problem = RejectReason.INVALID_PARTNER, why + cure
    elif message.version != VERSION:
        problem = RejectReason.VERSION_MISMATCH, f"the partner speaks protocol version {message.version}, not {VERSION}"
    else:
        problem = _clocks_apart(endpoint, frame, now)
    if problem is not None:
        endpoint.problem(6153, problem[1], now, out)
        if message.tls_reply and not link.session:
            out.append(Close(link.number))  # the backup expects a handshake, and would not understand
        else:
            link.disconnect(problem[0], problem[1], now, out)
        endpoint.link_lost(problem[1], now, out, refused=True)
        return
    vendor_class = message.vendor_class or b""
    if endpoint.learn_make(vendor_class):
        endpoint.save(out)
        make = vendor_class.decode("ascii", "replace") or "unknown"
        why = f"the partner's make is {make}; connecting again in its dialect, {endpoint.dialect.name}"
        endpoint.note("Info", 6157, why, out)
        link.disconnect(RejectReason.UNKNOWN, "connecting again", now, out)
        endpoint.link_lost(why, now, out)
        endpoint.retry_at = now
        return
    link.opened_by(frame)
    if endpoint.saved.mclt_s != endpoint.config.mclt_s:
        endpoint.agree_on_mclt(endpoint.config.mclt_s)
        endpoint.save(out)
        endpoint.adopt_powers()
    endpoint.partner_met = _met(message.vendor, message.vendor_class)
    link.window = max(message.max_unacked or 1, 1)
    link.contact_s = min(endpoint.config.poll_interval_s, (message.receive_timer or 60) / 5)
    endpoint.connected(now, out)


def _no_tls(endpoint: Endpoint, reply: int | None, certificate: bytes) -> tuple[int, str] | None:
    """Why the backup's TLS-reply, with its certificate, does not do (section 7.9.2 step 4), or None."""
    wanted = endpoint.config.tls
    if not reply:
        if wanted != REQUIRED:
            return None
        return RejectReason.TLS_REQUIRED, "TLS is required here (failover-tls), and the backup does not do it"
    if wanted == OFF:
        return RejectReason.UNKNOWN, "the backup goes over to TLS, which this server did not ask for"
    return tls.stranger(endpoint.config, certificate)


def _state(endpoint: Endpoint, frame: Frame, now: float, out: list[Effect]) -> None:
    assert isinstance(frame.message, State)
    endpoint.heard_state(frame.message, now, out)


def _disconnect(endpoint: Endpoint, frame: Frame, now: float, out: list[Effect]) -> None:
    """Section 7.12.2."""
    message = frame.message
    assert isinstance(message, Disconnect)
    why = f"The partner closes the connection ({words.reason(message.reject)}): {message.text}"
    endpoint.note("Warning", 6154, why, out)
    assert endpoint.link is not None
    out.append(Close(endpoint.link.number))
    stopping = endpoint.saved.partner_state in (ServerState.PAUSED, ServerState.SHUTDOWN)
    why = message.text or "the partner closed the connection"
    endpoint.link_lost(why, now, out, refused=not stopping)


def _contact(endpoint: Endpoint, frame: Frame, now: float, out: list[Effect]) -> None:
    """Section 7.11.2: only the timer, and the clocks, which every message serves."""


# --- bindings -------------------------------------------------------------------------------------------


def _binding_update(endpoint: Endpoint, frame: Frame, now: float, out: list[Effect]) -> None:
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
            verdict = _range_update(endpoint, update, out)
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
    # While it asks for everything this server's own data is old, so the partner's counts whatever the figure says.
    old = endpoint.state == S.RECOVER and endpoint.saved.ask_all
    slack_s = 0 if endpoint.config.main else endpoint.dialect.expiry_slack_s
    verdict = conflict.judge(None if old else binding, update, scope, endpoint.config.main, int(now) + slack_s)
    if verdict is not None:
        return verdict
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
    elif update.status == ACTIVE == binding.status and binding.expires > now and conflict.other_client(binding, update):
        said = endpoint.conflicts.add(
            update.address, view_of_binding(binding), view_of_update(update), THERE, 0,
            "the main's word counts when both have leased one address", now,
        )  # fmt: skip
        text = f"Both servers have leased {format_ipv4(update.address)}: {said}"
        endpoint.note("Warning", 6163, text, out, "no-failover-conflict")
    told = binding.up_to_date
    conflict.accept(book, binding, update, scope, int(now))
    if endpoint.config.main and binding.up_to_date and endpoint.queue.is_on_the_way(update.address):
        told, binding.up_to_date = True, False  # the partner may take in the other of two that cross: ours ends it
    elif binding.up_to_date:
        endpoint.unacked.pop(update.address, None)
    out.append(SaveBinding(binding.row()))
    if told and not binding.up_to_date:
        endpoint.changed(binding, now, out)
    return None


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
    endpoint.take_unused(update.address, update.address, update.status, True, out)
    return None


def _two_addresses(
    endpoint: Endpoint, scope: CompiledScope, update: Update, now: float, out: list[Effect]
) -> None:  # fmt: skip
    """One client, two addresses on a LAN segment (section 7.1.2): say it; both leases are kept until they end.

    Neither may be forgotten, as the client may use either. Both servers give it the one with the later transaction
    from now on (``Book.find``). BOOTP clients may have both for good: the operator has to decide (section 5.14).
    """
    book = endpoint.book
    network = book.network_of(scope)
    for other in book.bindings_of(client_key(update.client_id, update.hardware)):
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


def _range_update(endpoint: Endpoint, update: Update, out: list[Effect]) -> tuple[int, str] | None:
    """The owner of never-used addresses changes (our extension): the main gives them, or takes them back.

    The backup says it only in answer to a request for everything. That may cross the main's taking back, to which the
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
    busy = any(lo <= a <= hi for a in endpoint.unacked) or any(lo <= a <= hi for a in book.offered)
    if busy and update.status == FREE and not endpoint.config.main:
        return RejectReason.OUTDATED_BINDING, "an address of the range is being given to a client here"
    if endpoint.config.main and update.status == BACKUP and endpoint.queue.is_taking_back(lo, hi):
        return RejectReason.OUTDATED_BINDING, "the main is taking addresses of the range back"
    endpoint.take_unused(lo, hi, update.status, True, out)
    return None


def _binding_ack(endpoint: Endpoint, frame: Frame, now: float, out: list[Effect]) -> None:
    """What the partner has stored, or refused (section 7.2.2)."""
    message = frame.message
    assert isinstance(message, BindingAck)
    entries = endpoint.queue.take_answered(frame.xid)
    if entries is None:
        endpoint.note("Warning", 6161, f"An acknowledgement with the unknown number {frame.xid} came", out)
        return
    endpoint.acknowledged(now, out)
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
    endpoint.finish_request(now, out)
    endpoint.flush(now, out)


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
        endpoint.take_unused(move.lo, move.hi, move.owner, True, out)
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
        giver = FREE if item.owner == BACKUP else BACKUP
        if item.unused and giver == (FREE if endpoint.config.main else BACKUP):
            endpoint.take_unused(item.lo, item.hi, giver, True, out)  # it was never taken: it stays ours
        return
    duel = answer.reject == RejectReason.LESS_CRITICAL_BINDING
    endpoint.refused_at = min(endpoint.refused_at, now + (endpoint.dialect.duel_retry_s if duel else REFUSED_S))


# --- requests -------------------------------------------------------------------------------------------


def _update_request(endpoint: Endpoint, frame: Frame, now: float, out: list[Effect]) -> None:
    """Send what the partner has not acknowledged, or everything (sections 7.3.2, 7.4.2, 5.16)."""
    assert endpoint.link is not None
    endpoint.link.asked = True
    everything = isinstance(frame.message, UpdateRequestAll)
    text = f"The partner asks for {'all' if everything else 'new'} lease data"
    endpoint.note("Info", 6112, text, out, "no-failover-activity")
    if everything and endpoint.saved.owes_all and endpoint.queue.request is not None:
        endpoint.queue.answer_request(frame.xid)  # asked anew before it has got all: what it has acknowledged counts
        return
    if everything:
        endpoint.saved.owes_all = True
        out.append(SaveState(endpoint.config.name, endpoint.saved.values()))
    if endpoint.saved.owes_all:
        forgotten.partner_forgot(endpoint, now)
        for pool in endpoint.pools():
            for lo, hi in pool.backup.unused:
                endpoint.queue.add(Move(lo, hi, BACKUP, True))
    endpoint.queue_lost_moves()
    endpoint.queue.start(endpoint.unacked.values())
    endpoint.queue.answer_request(frame.xid)
    endpoint.flush(now, out)
    endpoint.finish_request(now, out)


def _update_done(endpoint: Endpoint, frame: Frame, now: float, out: list[Effect]) -> None:
    """Section 7.5.2."""
    if frame.xid != endpoint.asked_xid:
        return
    endpoint.note("Info", 6113, "The partner has sent all that was asked for", out, "no-failover-activity")
    endpoint.told_all(now, out)


def _pool_request(endpoint: Endpoint, frame: Frame, now: float, out: list[Effect]) -> None:
    """Section 7.6.2: bring the backup's share up to its target and say by how much."""
    assert endpoint.link is not None
    endpoint.pool_requests += 1
    if endpoint.config.main:
        given = endpoint.rebalance(now, out)
    elif endpoint.dialect.main_asks:
        given = endpoint.give_back(now, out)
    else:
        given = 0
        endpoint.note("Error", 6170, "The main asked the backup for addresses; it should not", out)
    endpoint.link.send(PoolResponse(given), now, out, frame.xid)


def _pool_response(endpoint: Endpoint, frame: Frame, now: float, out: list[Effect]) -> None:
    """Section 7.7.2: ask again while something came."""
    message = frame.message
    assert isinstance(message, PoolResponse)
    if frame.xid != endpoint.pool_xid:
        return
    endpoint.pool_xid = None
    if message.count and not endpoint.config.main:
        endpoint.note("Info", 6171, f"The main gives {message.count} addresses", out, "failover-detail")
        endpoint.ask_for_addresses(now, out)


_Handler = Callable[[Endpoint, Frame, float, list[Effect]], None]
_HANDLERS: dict[type, _Handler] = {
    ConnectAck: _connect_ack,
    State: _state,
    Contact: _contact,
    Disconnect: _disconnect,
    BindingUpdate: _binding_update,
    BindingAck: _binding_ack,
    UpdateRequest: _update_request,
    UpdateRequestAll: _update_request,
    UpdateDone: _update_done,
    PoolRequest: _pool_request,
    PoolResponse: _pool_response,
}
_BEFORE_STATE = (ConnectAck, State, Contact, Disconnect)


def _measure(endpoint: Endpoint, frame: Frame, now: float, out: list[Effect]) -> None:
    skew = endpoint.skew
    asked_at = endpoint.asked_at.pop(frame.xid, None) if type(frame.message) is BindingAck else None
    jump = skew.measure(frame.time, now, asked_at)
    if jump is not None:
        text = f"The partner's clock differs by {skew.smoothed_s:+.0f} s"
        if skew.jumps:
            endpoint.clock_jump = now, jump
            text += f", which is a jump by {jump:+.0f} s: one of the two clocks was set"
        endpoint.note("Warning", 6155, f"{text}; times are corrected, but set both clocks right", out)


def handle(endpoint: Endpoint, frame: Frame, now: float, out: list[Effect]) -> None:
    """Act on a message of the partner on the endpoint's connection."""
    link = endpoint.link
    assert link is not None
    kind = type(frame.message)
    handler = _HANDLERS.get(kind)
    if handler is None:
        return  # an unknown optional message, or a CONNECT on a connection that is set up: ignored (section 6.1)
    if not link.heard_state and kind not in _BEFORE_STATE:
        return  # its sender's state is not known yet; it will say it again (section 8.3)
    if not link.set_up and kind is not ConnectAck and kind is not Disconnect:
        return
    _measure(endpoint, frame, now, out)
    handler(endpoint, frame, now, out)

