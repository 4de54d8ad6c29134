"""What an endpoint does with each message of its partner: connections, states, requests.

Binding updates and their answers are in ``failover.bindings``; states are decided in ``failover.endpoint``.
Source: draft-ietf-dhc-failover-12 section 7.
"""

from __future__ import annotations

from collections.abc import Callable

from tandem.base.io import Close, Effect, SaveState
from tandem.config.compiled import OFF, REQUIRED
from tandem.failover import bindings, calling, forgotten, shares, telling, tls, words
from tandem.failover.endpoint import Endpoint
from tandem.failover.link import Link
from tandem.failover.updates import Move
from tandem.lease.binding import BACKUP
from tandem.lease.loadbalance import from_wire, to_wire
from tandem.wire.failover import (
    VENDOR_CLASS,
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
    UpdateDone,
    UpdateRequest,
    UpdateRequestAll,
)

VERSION = 1
SIMULTANEOUS_S = 2.0
"""How far apart two connections come about that both servers make at the same time."""
VENDOR_MET = 2
"""Our vendor sub-option: one byte, 1 when the sender has met this partner before."""
VENDOR_FACTOR = 3
"""Our vendor sub-option: the main's lease period factor in per cent, four bytes."""
VENDOR_HEARD = 5
"""Our vendor sub-option: until when the sender has heard the receiver, by the receiver's clock, four bytes."""


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
            vendor=_what_is_remembered(endpoint) | ({
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


def _what_is_remembered(endpoint: Endpoint) -> dict[int, bytes]:
    """What this server remembers of the partner, from which one that has lost its data, or has old data, sees that."""
    if not endpoint.dialect.extensions:
        return {}
    saved = endpoint.saved
    heard = {VENDOR_HEARD: saved.heard_until.to_bytes(4, "big")} if saved.heard_until else {}
    return {VENDOR_MET: bytes([saved.met])} | heard


def _heard(vendor: dict[int, bytes], vendor_class: bytes | None) -> int:
    value = vendor.get(VENDOR_HEARD, b"")
    return int.from_bytes(value, "big") if vendor_class == VENDOR_CLASS and len(value) == 4 else 0


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
        calling.back_off(endpoint, now)
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
        calling.link_lost(endpoint, "the main opened a new connection", now, out)
    endpoint.link = link
    saved = endpoint.saved
    _measure(endpoint, frame, now, out)
    link.opened_by(frame, endpoint.dialect.extensions)
    endpoint.agree_on_mclt(message.mclt)
    factor = message.vendor.get(VENDOR_FACTOR, b"") if message.vendor_class == VENDOR_CLASS else b""
    if len(factor) == 4:
        saved.lease_factor_pct = int.from_bytes(factor, "big")
    endpoint.told_buckets = from_wire(dialect.buckets(message.hash_buckets))
    endpoint.told_delay_s = message.delayed_service or 0
    endpoint.partner_met = _met(message.vendor, message.vendor_class)
    endpoint.heard_by_partner = _heard(message.vendor, message.vendor_class)
    out.append(SaveState(endpoint.config.name, saved.values()))
    link.window = message.max_unacked
    link.contact_s = min(endpoint.config.poll_interval_s, message.receive_timer / 3)
    _accept(endpoint, link, frame.xid, tls_reply, now, out)
    calling.connected(endpoint, now, out)


def _accept(
    endpoint: Endpoint, link: Link, xid: int, tls_reply: int | None, now: float, out: list[Effect]
) -> None:  # fmt: skip
    """Send an accepting CONNECTACK (section 7.9.1)."""
    vendor = _what_is_remembered(endpoint)
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
        calling.link_lost(endpoint, "the partner refused the connection", now, out, refused=True)
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
        calling.link_lost(endpoint, problem[1], now, out, refused=True)
        return
    vendor_class = message.vendor_class or b""
    if endpoint.learn_make(vendor_class):
        endpoint.save(out)
        make = vendor_class.decode("ascii", "replace") or "unknown"
        why = f"the partner's make is {make}; connecting again in its dialect, {endpoint.dialect.name}"
        endpoint.note("Info", 6157, why, out)
        link.disconnect(RejectReason.UNKNOWN, "connecting again", now, out)
        calling.link_lost(endpoint, why, now, out)
        endpoint.retry_at = now
        return
    link.opened_by(frame, endpoint.dialect.extensions)
    if endpoint.saved.mclt_s != endpoint.config.mclt_s:
        endpoint.agree_on_mclt(endpoint.config.mclt_s)
        endpoint.save(out)
        endpoint.adopt_powers()
    endpoint.partner_met = _met(message.vendor, message.vendor_class)
    endpoint.heard_by_partner = _heard(message.vendor, message.vendor_class)
    link.window = max(message.max_unacked or 1, 1)
    link.contact_s = min(endpoint.config.poll_interval_s, (message.receive_timer or 60) / 5)
    calling.connected(endpoint, now, out)


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
    calling.link_lost(endpoint, why, now, out, refused=not stopping)


def _contact(endpoint: Endpoint, frame: Frame, now: float, out: list[Effect]) -> None:
    """Section 7.11.2: only the timer, and the clocks, which every message serves."""


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
    saved = endpoint.saved
    saved.owes_all = saved.owes_all or everything
    if saved.owes_all:
        forgotten.partner_forgot(endpoint, now)
        endpoint.save(out)
        endpoint.adopt_powers()
        for pool in endpoint.pools():
            for lo, hi in pool.backup.unused:
                endpoint.queue.add(Move(lo, hi, BACKUP, True))
    shares.queue_lost_moves(endpoint)
    endpoint.queue.start(endpoint.unacked.values())
    endpoint.queue.answer_request(frame.xid)
    telling.flush(endpoint, now, out)
    telling.finish_request(endpoint, now, out)


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
        given = shares.rebalance(endpoint, now, out)
    elif endpoint.dialect.main_asks:
        given = shares.give_back(endpoint, now, out)
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
        shares.ask_for_addresses(endpoint, now, out)


_Handler = Callable[[Endpoint, Frame, float, list[Effect]], None]
_HANDLERS: dict[type, _Handler] = {
    ConnectAck: _connect_ack,
    State: _state,
    Contact: _contact,
    Disconnect: _disconnect,
    BindingUpdate: bindings.binding_update,
    BindingAck: bindings.binding_ack,
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
    jump = skew.measure(frame.time, now, asked_at, bool(endpoint.asked_at))
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
    stops = endpoint.saved.partner_state in (ServerState.PAUSED, ServerState.SHUTDOWN)
    if link.heard_state and not endpoint.partner_starting and not stops:
        endpoint.saved.heard_until = frame.time
    handler(endpoint, frame, now, out)

