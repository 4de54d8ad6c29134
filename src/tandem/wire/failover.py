"""The failover protocol's codec: bytes <-> messages, and a stream cut into messages.

Does not know states, timers or which message may follow which. Every message is a header of 12 bytes (length,
type, payload offset, time, xid) and options with two-byte codes and lengths. ``encode`` and ``decode`` are
inverse to each other; anything that ``decode`` cannot read raises WireError, a failed authentication
ProtocolError, and nothing else is raised. Options that are unknown, or of no use in their message, are skipped.

Deviation: the payload offset is 12, where the draft's text says 8; the header is 12 bytes long, and ISC dhcpd
closes the connection on anything less.
Deviation: a message digest is HMAC-MD5 with the shared secret as key over the message with a zeroed digest; the
draft's "message concatenated with the secret" names the two inputs of an HMAC but not which is the key.

Source: draft-ietf-dhc-failover-12 sections 6, 7, 11.1 and 12.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable
from dataclasses import replace
from struct import Struct

from tandem.base.errors import ProtocolError, WireError
from tandem.wire.failover_bindings import (
    DIGEST_SIZE,
    DRAFT,
    HEADER_SIZE,
    MAX_MESSAGE,
    RANGE_PREFIX,
    decode_answers,
    decode_updates,
    decode_vendor,
    encode_answer,
    encode_update,
    misplaced_digest,
    overrun,
    pack_option,
    twice,
    wrong_length,
)
from tandem.wire.failover_messages import (
    VENDOR_CLASS,
    VENDOR_LAST_ADDRESS,
    Answer,
    BindingAck,
    BindingUpdate,
    Connect,
    ConnectAck,
    Contact,
    Disconnect,
    Frame,
    Message,
    MessageType,
    OptionCode,
    PoolRequest,
    PoolResponse,
    RejectReason,
    Sendable,
    ServerState,
    State,
    Unknown,
    Update,
    UpdateDone,
    UpdateRequest,
    UpdateRequestAll,
)

__all__ = [
    "MAX_MESSAGE", "VENDOR_CLASS", "VENDOR_LAST_ADDRESS", "Answer", "BindingAck", "BindingUpdate", "Connect",
    "ConnectAck", "Contact", "Disconnect", "Frame", "Framer", "Message", "MessageType", "OptionCode", "PoolRequest",
    "PoolResponse", "RejectReason", "Sendable", "ServerState", "State", "Unknown", "Update", "UpdateBatch",
    "UpdateDone", "UpdateRequest", "UpdateRequestAll", "decode", "encode",
]  # fmt: skip

_header = Struct(">HBBII")
_BNDUPD = int(MessageType.BNDUPD)
_DIGEST = int(OptionCode.MESSAGE_DIGEST)
_DIGEST_HEAD = bytes((0, _DIGEST, 0, 17, 1))
_BLANK = bytes(16)
_BUCKETS_SIZE = 32


# --- encoding -------------------------------------------------------------------------------------------


def encode(message: Sendable, xid: int, time: int, secret: bytes = b"") -> bytes:
    """Return ``message`` as bytes; a non-empty ``secret`` adds the message digest.

    A BNDACK that would not fit loses its texts. Raises ValueError when the message would be longer than 2048
    bytes, or a value does not fit its field.
    """
    kind, payload_of = _ENCODERS[type(message)]
    try:
        payload = payload_of(message)
        if type(message) is BindingAck and len(payload) > payload_room(secret):
            payload = b"".join(encode_answer(answer, False) for answer in message.answers)
        return _finish(kind, payload, xid, time, secret)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{type(message).__name__} has a value that does not fit its field: {error}") from None


def payload_room(secret: bytes) -> int:
    """Return how many bytes of options a message can hold beside header and digest."""
    return MAX_MESSAGE - HEADER_SIZE - (DIGEST_SIZE if secret else 0)


def _finish(kind: int, payload: bytes, xid: int, time: int, secret: bytes) -> bytes:
    """Return header, digest if there is a secret, and payload."""
    size = HEADER_SIZE + len(payload) + (DIGEST_SIZE if secret else 0)
    if size > MAX_MESSAGE:
        raise ValueError(f"the message would be {size} bytes long, more than {MAX_MESSAGE}: send less in it")
    header = _header.pack(size, kind, HEADER_SIZE, time, xid)
    if not secret:
        return header + payload
    digest = hmac.digest(secret, b"".join((header, _DIGEST_HEAD, _BLANK, payload)), "md5")
    return b"".join((header, _DIGEST_HEAD, digest, payload))


def _number(code: int, value: int | None, size: int) -> bytes:
    """Return an option that holds ``value`` in ``size`` bytes; nothing for None."""
    return b"" if value is None else pack_option(code, value.to_bytes(size, "big"))


def _text(code: int, value: bytes | None) -> bytes:
    """Return an option that holds ``value``; nothing for None and the empty text."""
    return pack_option(code, value) if value else b""


def _vendor(vendor: dict[int, bytes], vendor_class: bytes | None) -> bytes:
    """Return the vendor-specific option; nothing where there are no sub-options."""
    if not vendor:
        return b""
    if vendor_class != VENDOR_CLASS:
        raise ValueError(f"vendor sub-options need the vendor class {VENDOR_CLASS!r}")
    inner = b"".join(pack_option(code, value) for code, value in vendor.items())
    return pack_option(OptionCode.VENDOR_SPECIFIC_OPTIONS, inner)


def _encode_connect(m: Connect) -> bytes:
    if len(m.hash_buckets) != _BUCKETS_SIZE:
        raise ValueError(f"the hash bucket assignment has {len(m.hash_buckets)} bytes; it must have 32")
    return b"".join((
        pack_option(OptionCode.RELATIONSHIP_NAME, m.relationship),
        _number(OptionCode.MAX_UNACKED_BNDUPD, m.max_unacked, 4),
        _number(OptionCode.RECEIVE_TIMER, m.receive_timer, 4),
        pack_option(OptionCode.VENDOR_CLASS_IDENTIFIER, m.vendor_class),
        _number(OptionCode.PROTOCOL_VERSION, m.version, 1),
        _number(OptionCode.TLS_REQUEST, m.tls_request, 1),
        _number(OptionCode.MCLT, m.mclt, 4),
        pack_option(OptionCode.HASH_BUCKET_ASSIGNMENT, m.hash_buckets),
        _number(OptionCode.DELAYED_SERVICE_PARAMETER, m.delayed_service, 1),
        _vendor(m.vendor, m.vendor_class),
    ))  # fmt: skip


def _encode_connect_ack(m: ConnectAck) -> bytes:
    return b"".join((
        _text(OptionCode.RELATIONSHIP_NAME, m.relationship),
        _number(OptionCode.MAX_UNACKED_BNDUPD, m.max_unacked, 4),
        _number(OptionCode.RECEIVE_TIMER, m.receive_timer, 4),
        b"" if m.vendor_class is None else pack_option(OptionCode.VENDOR_CLASS_IDENTIFIER, m.vendor_class),
        _number(OptionCode.PROTOCOL_VERSION, m.version, 1),
        _number(OptionCode.TLS_REPLY, m.tls_reply, 1),
        _number(OptionCode.REJECT_REASON, m.reject, 1),
        _text(OptionCode.MESSAGE, m.text.encode()),
        _vendor(m.vendor, m.vendor_class),
    ))  # fmt: skip


def _encode_updates(m: BindingUpdate) -> bytes:
    if not m.updates:
        raise ValueError("a BNDUPD needs at least one update")
    payload = b"".join([encode_update(update) for update in m.updates])
    if any([update.last_address is not None for update in m.updates]):
        return RANGE_PREFIX + payload
    return payload


def _encode_answers(m: BindingAck) -> bytes:
    if not m.answers:
        raise ValueError("a BNDACK needs at least one answer")
    return b"".join([encode_answer(answer, True) for answer in m.answers])


def _encode_pool_response(m: PoolResponse) -> bytes:
    return _number(OptionCode.ADDRESSES_TRANSFERRED, m.count, 4)


def _encode_state(m: State) -> bytes:
    return b"".join((
        _number(OptionCode.SERVER_STATE, m.state, 1),
        _number(OptionCode.SERVER_FLAGS, 1 if m.startup else 0, 1),
        _number(OptionCode.START_TIME_OF_STATE, m.start_of_state, 4),
    ))  # fmt: skip


def _encode_disconnect(m: Disconnect) -> bytes:
    return _number(OptionCode.REJECT_REASON, m.reject, 1) + _text(OptionCode.MESSAGE, m.text.encode())


def _encode_bare(m: Sendable) -> bytes:
    return b""


_ENCODERS: dict[type, tuple[int, Callable[..., bytes]]] = {
    PoolRequest: (MessageType.POOLREQ, _encode_bare),
    PoolResponse: (MessageType.POOLRESP, _encode_pool_response),
    BindingUpdate: (MessageType.BNDUPD, _encode_updates),
    BindingAck: (MessageType.BNDACK, _encode_answers),
    Connect: (MessageType.CONNECT, _encode_connect),
    ConnectAck: (MessageType.CONNECTACK, _encode_connect_ack),
    UpdateRequestAll: (MessageType.UPDREQALL, _encode_bare),
    UpdateDone: (MessageType.UPDDONE, _encode_bare),
    UpdateRequest: (MessageType.UPDREQ, _encode_bare),
    State: (MessageType.STATE, _encode_state),
    Contact: (MessageType.CONTACT, _encode_bare),
    Disconnect: (MessageType.DISCONNECT, _encode_disconnect),
}


class UpdateBatch:
    """A BNDUPD that grows until the next update does not fit. Each update is encoded once, when it is added."""

    __slots__ = ("_parts", "_ranges", "_room", "_secret")

    def __init__(self, secret: bytes = b"") -> None:
        self._secret = secret
        self._room = payload_room(secret)
        self._parts: list[bytes] = []
        self._ranges = False

    def __len__(self) -> int:
        """How many updates it holds."""
        return len(self._parts)

    def add(self, update: Update) -> bool:
        """Take ``update`` in and return True; return False when it has to go into another message.

        An update too long for a message of its own goes without the DHCP options (a SHOULD of the draft).
        Raises ValueError when it is too long even so, or when a value does not fit its field.
        """
        try:
            part = encode_update(update)
            prefix = len(RANGE_PREFIX) if update.last_address is not None and not self._ranges else 0
            if len(part) + prefix > self._room:
                if self._parts:
                    return False
                part = encode_update(replace(update, request_options=b"", reply_options=b""))
        except (struct.error, OverflowError) as error:
            raise ValueError(f"the update has a value that does not fit its field: {error}") from None
        if len(part) + prefix > self._room:
            raise ValueError(f"an update of {len(part)} bytes fits no message: shorten its client identifier")
        self._room -= len(part) + prefix
        self._ranges = self._ranges or prefix > 0
        self._parts.append(part)
        return True

    def encode(self, xid: int, time: int) -> bytes:
        """Return the BNDUPD as bytes. Raises ValueError when it holds no update."""
        if not self._parts:
            raise ValueError("a BNDUPD needs at least one update")
        prefix = RANGE_PREFIX if self._ranges else b""
        return _finish(_BNDUPD, prefix + b"".join(self._parts), xid, time, self._secret)


# --- decoding -------------------------------------------------------------------------------------------


def decode(frame: bytes, secret: bytes = b"") -> Frame:
    """Return what ``frame``, exactly one message, says.

    Raises WireError when it cannot be parsed or has an unknown type below 128 (the connection must be closed),
    ProtocolError with reject 12, 13, 20 or 21 when its message digest is not what ``secret`` demands.
    """
    if len(frame) < HEADER_SIZE:
        raise WireError(f"{len(frame)} bytes are no message header", section=DRAFT + "6.1")
    size, kind, start, time, xid = _header.unpack_from(frame)
    if size != len(frame) or size > MAX_MESSAGE:
        raise WireError(f"length {size} in a message of {len(frame)} bytes", section=DRAFT + "6.1")
    if not HEADER_SIZE <= start <= size:
        raise WireError(f"payload offset {start}", offset=3, section=DRAFT + "6.1")
    if secret:
        start = _authenticate(frame, start, secret)
    elif frame[start : start + 2] == _DIGEST_HEAD[:2]:
        raise misplaced_digest()
    if kind == _BNDUPD:
        return Frame(kind, time, xid, BindingUpdate(decode_updates(frame, start, payload_room(secret))))
    decoder = _DECODERS.get(kind)
    if decoder is not None:
        return Frame(kind, time, xid, decoder(frame, start))
    if kind < 128:
        raise WireError(f"message type {kind} is not known", offset=2, section=DRAFT + "6.1")
    return Frame(kind, time, xid, Unknown(kind))


def _authenticate(frame: bytes, start: int, secret: bytes) -> int:
    """Check the message digest that must be the option at ``start``; return where the next one begins."""
    head = frame[start : start + len(_DIGEST_HEAD)]
    if head[:2] != _DIGEST_HEAD[:2]:
        raise ProtocolError(
            RejectReason.DIGEST_MISSING,
            "the partner sends no message digest: configure the same shared secret on both servers",
        )
    if head[4:] != _DIGEST_HEAD[4:]:
        raise ProtocolError(
            RejectReason.DIGEST_NOT_SUPPORTED,
            "the partner's message digest is not HMAC-MD5: configure digest type 1 on the partner",
        )
    body = start + len(_DIGEST_HEAD)
    after = body + len(_BLANK)
    if head != _DIGEST_HEAD or after > len(frame):
        raise wrong_length(_DIGEST, head[2] << 8 | head[3], start)
    wanted = hmac.digest(secret, b"".join((frame[:body], _BLANK, frame[after:])), "md5")
    if not hmac.compare_digest(wanted, frame[body:after]):
        raise ProtocolError(
            RejectReason.DIGEST_MISMATCH,
            "the message digest does not match: configure the same shared secret on both servers",
        )
    return after


class _Options:
    """The options of one message that are relevant to it, each at most once and of the right length."""

    __slots__ = ("_offset", "_values")

    def __init__(self, frame: bytes, pos: int, relevant: frozenset[int]) -> None:
        self._offset = pos
        self._values: dict[int, bytes] = {}
        end = len(frame)
        while pos < end:
            if end - pos < 4:
                raise overrun(end)
            code = frame[pos] << 8 | frame[pos + 1]
            size = frame[pos + 2] << 8 | frame[pos + 3]
            if pos + 4 + size > end:
                raise overrun(end)
            if code == _DIGEST:
                raise misplaced_digest()
            if code in relevant:
                if code in self._values:
                    raise twice(code, pos)
                if size != _SIZES.get(code, size):
                    raise wrong_length(code, size, pos)
                self._values[code] = frame[pos + 4 : pos + 4 + size]
            pos += 4 + size

    def number(self, code: int) -> int | None:
        """The number in option ``code``, or None."""
        value = self._values.get(code)
        return None if value is None else int.from_bytes(value, "big")

    def demanded(self, code: int) -> int:
        """The number in option ``code``. Raises WireError when it is missing."""
        value = self.number(code)
        if value is None:
            raise WireError(f"option {code} is missing", offset=self._offset, section=DRAFT + "7")
        return value

    def contents(self, code: int) -> bytes | None:
        """The contents of option ``code``, or None."""
        return self._values.get(code)

    def text(self) -> str:
        """The human-readable message, or the empty text."""
        return self._values.get(OptionCode.MESSAGE, b"").decode(errors="replace")

    def vendor(self) -> dict[int, bytes]:
        """Our vendor sub-options; none where the message's vendor class is not ours."""
        value = self._values.get(OptionCode.VENDOR_SPECIFIC_OPTIONS)
        if value is None or self._values.get(OptionCode.VENDOR_CLASS_IDENTIFIER) != VENDOR_CLASS:
            return {}
        return decode_vendor(value, self._offset)


_SIZES: dict[int, int] = {
    OptionCode.ADDRESSES_TRANSFERRED: 4,
    OptionCode.DELAYED_SERVICE_PARAMETER: 1,
    OptionCode.HASH_BUCKET_ASSIGNMENT: _BUCKETS_SIZE,
    OptionCode.MAX_UNACKED_BNDUPD: 4,
    OptionCode.MCLT: 4,
    OptionCode.RECEIVE_TIMER: 4,
    OptionCode.PROTOCOL_VERSION: 1,
    OptionCode.REJECT_REASON: 1,
    OptionCode.SERVER_FLAGS: 1,
    OptionCode.SERVER_STATE: 1,
    OptionCode.START_TIME_OF_STATE: 4,
    OptionCode.TLS_REPLY: 1,
    OptionCode.TLS_REQUEST: 1,
}
"""Lengths of the options of fixed length outside binding updates, section 12."""

_GREETING = frozenset((
    OptionCode.RELATIONSHIP_NAME, OptionCode.MAX_UNACKED_BNDUPD, OptionCode.RECEIVE_TIMER,
    OptionCode.VENDOR_CLASS_IDENTIFIER, OptionCode.PROTOCOL_VERSION, OptionCode.VENDOR_SPECIFIC_OPTIONS,
))  # fmt: skip
_CONNECT = _GREETING | {
    OptionCode.TLS_REQUEST, OptionCode.MCLT, OptionCode.HASH_BUCKET_ASSIGNMENT, OptionCode.DELAYED_SERVICE_PARAMETER,
}  # fmt: skip
_CONNECT_ACK = _GREETING | {OptionCode.TLS_REPLY, OptionCode.REJECT_REASON, OptionCode.MESSAGE}
_POOL_RESPONSE = frozenset((OptionCode.ADDRESSES_TRANSFERRED,))
_STATE = frozenset((OptionCode.SERVER_STATE, OptionCode.SERVER_FLAGS, OptionCode.START_TIME_OF_STATE))
_DISCONNECT = frozenset((OptionCode.REJECT_REASON, OptionCode.MESSAGE))


def _decode_connect(frame: bytes, start: int) -> Connect:
    o = _Options(frame, start, _CONNECT)
    return Connect(
        relationship=o.contents(OptionCode.RELATIONSHIP_NAME) or b"",
        max_unacked=o.number(OptionCode.MAX_UNACKED_BNDUPD) or 0,
        receive_timer=o.number(OptionCode.RECEIVE_TIMER) or 0,
        vendor_class=o.contents(OptionCode.VENDOR_CLASS_IDENTIFIER) or b"",
        version=o.number(OptionCode.PROTOCOL_VERSION) or 0,
        tls_request=o.number(OptionCode.TLS_REQUEST),
        mclt=o.number(OptionCode.MCLT) or 0,
        hash_buckets=o.contents(OptionCode.HASH_BUCKET_ASSIGNMENT) or b"",
        delayed_service=o.number(OptionCode.DELAYED_SERVICE_PARAMETER),
        vendor=o.vendor(),
    )


def _decode_connect_ack(frame: bytes, start: int) -> ConnectAck:
    o = _Options(frame, start, _CONNECT_ACK)
    return ConnectAck(
        relationship=o.contents(OptionCode.RELATIONSHIP_NAME) or b"",
        max_unacked=o.number(OptionCode.MAX_UNACKED_BNDUPD),
        receive_timer=o.number(OptionCode.RECEIVE_TIMER),
        vendor_class=o.contents(OptionCode.VENDOR_CLASS_IDENTIFIER),
        version=o.number(OptionCode.PROTOCOL_VERSION),
        tls_reply=o.number(OptionCode.TLS_REPLY),
        reject=o.number(OptionCode.REJECT_REASON),
        text=o.text(),
        vendor=o.vendor(),
    )


def _decode_pool_response(frame: bytes, start: int) -> PoolResponse:
    return PoolResponse(_Options(frame, start, _POOL_RESPONSE).demanded(OptionCode.ADDRESSES_TRANSFERRED))


def _decode_state(frame: bytes, start: int) -> State:
    o = _Options(frame, start, _STATE)
    return State(
        o.demanded(OptionCode.SERVER_STATE),
        o.demanded(OptionCode.SERVER_FLAGS) & 1 == 1,
        o.demanded(OptionCode.START_TIME_OF_STATE),
    )


def _decode_disconnect(frame: bytes, start: int) -> Disconnect:
    o = _Options(frame, start, _DISCONNECT)
    reject = o.number(OptionCode.REJECT_REASON)
    return Disconnect(int(RejectReason.UNKNOWN) if reject is None else reject, o.text())


def _decode_bare(make: Callable[[], Message]) -> Callable[[bytes, int], Message]:
    """Return the decoder of a message without options of its own."""

    def decoder(frame: bytes, start: int) -> Message:
        _Options(frame, start, frozenset())
        return make()

    return decoder


_DECODERS: dict[int, Callable[[bytes, int], Message]] = {
    MessageType.POOLREQ: _decode_bare(PoolRequest),
    MessageType.POOLRESP: _decode_pool_response,
    MessageType.BNDACK: lambda frame, start: BindingAck(decode_answers(frame, start)),
    MessageType.CONNECT: _decode_connect,
    MessageType.CONNECTACK: _decode_connect_ack,
    MessageType.UPDREQALL: _decode_bare(UpdateRequestAll),
    MessageType.UPDDONE: _decode_bare(UpdateDone),
    MessageType.UPDREQ: _decode_bare(UpdateRequest),
    MessageType.STATE: _decode_state,
    MessageType.CONTACT: _decode_bare(Contact),
    MessageType.DISCONNECT: _decode_disconnect,
}


class Framer:
    """Cuts the bytes of a connection into messages. Holds at most one incomplete message."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    @property
    def partial(self) -> bool:
        """Whether part of a message has come."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that ``data`` completes, however the stream was sliced.

        Raises WireError for a length outside 12 to 2048; the stream has no meaning from there on, so every later
        call raises too. Messages that the same call completed before it are lost with it.
        """
        data = self._rest + data if self._rest else data
        frames: list[bytes] = []
        pos, end = 0, len(data)
        while end - pos >= 2:
            size = data[pos] << 8 | data[pos + 1]
            if not HEADER_SIZE <= size <= MAX_MESSAGE:
                self._rest = data[pos : pos + 2]
                raise WireError(f"a message of {size} bytes; 12 to {MAX_MESSAGE} are allowed", section=DRAFT + "6.1")
            if pos + size > end:
                break
            frames.append(data[pos : pos + size])
            pos += size
        self._rest = data[pos:]
        return frames
