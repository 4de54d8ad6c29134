"""BNDUPD and BNDACK payloads: the failover messages that come by the thousand, hence laid out by hand.

Knows nothing of the header and of the digest (``wire.failover``).
Source: draft-ietf-dhc-failover-12 sections 6.3, 7.1, 7.2 and 12.
"""

from __future__ import annotations

from struct import Struct

from tandem.base.errors import ProtocolError, WireError
from tandem.wire.failover_messages import (
    VENDOR_CLASS,
    VENDOR_LAST_ADDRESS,
    Answer,
    OptionCode,
    RejectReason,
    Update,
)

DRAFT = "draft-ietf-dhc-failover-12 section "
HEADER_SIZE = 12
DIGEST_SIZE = 21
"""Bytes of the message-digest option, header included."""
MAX_MESSAGE = 2048
_PADDING = bytes(8)
"""Appended to a message before it is read: an option's head and the number after it are read in one go, and
checked against the message's end afterwards."""
_LEAST_REJECT = 13
"""Bytes of the shortest rejecting answer in a BNDACK."""
MAGIC = b"\x63\x82\x53\x63"
"""Magic number of the DHCP option area (RFC 2131 section 3)."""

# An option's code and length, as one 32-bit number.
_ADDRESS = OptionCode.ASSIGNED_IP_ADDRESS << 16 | 4
_STATUS = OptionCode.BINDING_STATUS << 16 | 1
_LAST_TRANSACTION = OptionCode.CLIENT_LAST_TRANSACTION_TIME << 16 | 4
_FLAGS = OptionCode.IP_FLAGS << 16 | 2
_EXPIRES = OptionCode.LEASE_EXPIRATION_TIME << 16 | 4
_POTENTIAL = OptionCode.POTENTIAL_EXPIRATION_TIME << 16 | 4
_START_OF_STATE = OptionCode.START_TIME_OF_STATE << 16 | 4
_REJECT = OptionCode.REJECT_REASON << 16 | 1
_LAST_ADDRESS = VENDOR_LAST_ADDRESS << 16 | 4

_CLIENT_ID = int(OptionCode.CLIENT_IDENTIFIER)
_HARDWARE = int(OptionCode.CLIENT_HARDWARE_ADDRESS)
_REPLY = int(OptionCode.CLIENT_REPLY_OPTIONS)
_REQUEST = int(OptionCode.CLIENT_REQUEST_OPTIONS)
_DDNS = int(OptionCode.DDNS)
_MESSAGE = int(OptionCode.MESSAGE)
_DIGEST = int(OptionCode.MESSAGE_DIGEST)
_VENDOR_CLASS = int(OptionCode.VENDOR_CLASS_IDENTIFIER)
_VENDOR = int(OptionCode.VENDOR_SPECIFIC_OPTIONS)

_FIXED_STEP = {
    _STATUS: 5, _EXPIRES: 8, _POTENTIAL: 8, _START_OF_STATE: 8, _LAST_TRANSACTION: 8, _FLAGS: 6,
}  # fmt: skip
"""Options of a transaction that hold a number: head -> size with head."""
_FIXED_CODES = frozenset(head >> 16 for head in (_ADDRESS, *_FIXED_STEP))
_VARIABLE_CODES = frozenset((_CLIENT_ID, _HARDWARE, _REPLY, _REQUEST, _DDNS, _VENDOR))
_TRANSACTION_CODES = _FIXED_CODES | _VARIABLE_CODES - {_VENDOR}

_HEAD = Struct(">HH").pack
_PAIR = Struct(">II").pack
_STATUS_TLV = Struct(">IB").pack
_FLAGS_TLV = Struct(">IH").pack
_FIRST = Struct(">IIIB").pack
_TIMES = Struct(">8I").pack
_REJECTED = Struct(">IIIB").pack
_read_pair = Struct(">II").unpack_from

RANGE_PREFIX = _HEAD(_VENDOR_CLASS, len(VENDOR_CLASS)) + VENDOR_CLASS
"""What stands before the first transaction of a BNDUPD that uses our extension."""


def pack_option(code: int, value: bytes) -> bytes:
    """Return one failover option. Raises struct.error for a value longer than 65535 bytes."""
    return _HEAD(code, len(value)) + value


def encode_update(update: Update) -> bytes:
    """Return the options of one transaction, in the order in which ISC dhcpd sends them."""
    out = _FIRST(_ADDRESS, update.address, _STATUS, update.status)
    value = update.client_id
    if value:
        out += _HEAD(_CLIENT_ID, len(value)) + value
    value = update.hardware
    if value:
        out += _HEAD(_HARDWARE, len(value)) + value
    expires, potential = update.expires, update.potential
    start, last = update.start_of_state, update.last_transaction
    if expires is not None and potential is not None and start is not None and last is not None:
        out += _TIMES(
            _EXPIRES, expires, _POTENTIAL, potential, _START_OF_STATE, start, _LAST_TRANSACTION, last
        )  # fmt: skip
    else:
        if expires is not None:
            out += _PAIR(_EXPIRES, expires)
        if potential is not None:
            out += _PAIR(_POTENTIAL, potential)
        if start is not None:
            out += _PAIR(_START_OF_STATE, start)
        if last is not None:
            out += _PAIR(_LAST_TRANSACTION, last)
    if update.flags:
        out += _FLAGS_TLV(_FLAGS, update.flags)
    value = update.request_options
    if value:
        out += _HEAD(_REQUEST, len(value) + 4) + MAGIC + value
    value = update.reply_options
    if value:
        out += _HEAD(_REPLY, len(value) + 4) + MAGIC + value
    if update.ddns is not None:
        flags, name = update.ddns
        out += _HEAD(_DDNS, len(name) + 2) + flags.to_bytes(2, "big") + name
    if update.last_address is not None:
        out += _HEAD(_VENDOR, 8) + _PAIR(_LAST_ADDRESS, update.last_address)
    return out


def encode_answer(answer: Answer, with_text: bool) -> bytes:
    """Return the options of one answer."""
    if answer.reject is None:
        return _PAIR(_ADDRESS, answer.address)
    out = _REJECTED(_ADDRESS, answer.address, _REJECT, answer.reject)
    if with_text and answer.text:
        out += pack_option(_MESSAGE, answer.text.encode())
    return out


def decode_updates(frame: bytes, pos: int, room: int) -> list[Update]:
    """Return the transactions of a BNDUPD whose options begin at ``pos``.

    ``room`` is the payload size of a BNDACK that must be able to answer them all. Raises WireError, and
    ProtocolError for a message digest.
    """
    end = len(frame)
    data = frame + _PADDING
    pos, ours = _skip_leading(data, pos, end, _TRANSACTION_CODES)
    updates: list[Update] = []
    while pos < end:
        start = pos
        address = _read_pair(data, pos)[1]
        numbers: dict[int, int] = {}
        texts: dict[int, bytes] = {}
        pos = _read_transaction(data, pos + 8, end, numbers, texts)
        number = numbers.get
        update = Update(
            address,
            number(_STATUS, 0) >> 24,
            number(_FLAGS, 0) >> 16,
            texts.pop(_CLIENT_ID, b""),
            texts.pop(_HARDWARE, b""),
            number(_EXPIRES),
            number(_POTENTIAL),
            number(_START_OF_STATE),
            number(_LAST_TRANSACTION),
        )
        if texts:
            _add_rare(update, texts, ours, start)
        updates.append(update)
    if not updates:
        raise WireError("BNDUPD without an assigned-IP-address option", offset=end, section=DRAFT + "7.1")
    if len(updates) * _LEAST_REJECT > room:
        raise WireError(
            f"{len(updates)} transactions, more than one BNDACK could reject", offset=end, section=DRAFT + "6.3"
        )
    return updates


def _read_transaction(data: bytes, pos: int, end: int, numbers: dict[int, int], texts: dict[int, bytes]) -> int:
    """Sort the options from ``pos`` to the next assigned-IP-address option into ``numbers``, by head and left-aligned,
    and ``texts``, by code; return where that option, or the end, is. ``data`` is padded. Raises WireError.
    """
    while pos < end:
        head, value = _read_pair(data, pos)
        step = _FIXED_STEP.get(head)
        if step:
            if head in numbers:
                raise twice(head >> 16, pos)
            numbers[head] = value
            pos += step
        elif head == _ADDRESS:
            break
        else:
            body = pos + 4
            code = head >> 16
            pos = body + (head & 0xFFFF)
            if pos > end:
                raise overrun(end)
            if code in _VARIABLE_CODES:
                if code in texts:
                    raise twice(code, body - 4)
                texts[code] = data[body:pos]
            elif code in _FIXED_CODES:
                raise wrong_length(code, head & 0xFFFF, body - 4)
            elif code == _DIGEST:
                raise misplaced_digest()
    if pos > end:
        raise overrun(end)
    return pos


def _add_rare(update: Update, texts: dict[int, bytes], ours: bool, offset: int) -> None:
    """Put into ``update`` the options that not every transaction has. ``ours``: the sender's vendor class is ours."""
    value = texts.get(_REQUEST, b"")
    if value.startswith(MAGIC):
        update.request_options = value[4:]
    value = texts.get(_REPLY, b"")
    if value.startswith(MAGIC):
        update.reply_options = value[4:]
    if _DDNS in texts:
        value = texts[_DDNS]
        if len(value) < 2:
            raise wrong_length(_DDNS, len(value), offset)
        update.ddns = (value[0] << 8 | value[1], value[2:])
    if ours and _VENDOR in texts:
        last = decode_vendor(texts[_VENDOR], offset).get(VENDOR_LAST_ADDRESS)
        if last is None:
            return
        if len(last) != 4:
            raise wrong_length(_VENDOR, len(last), offset)
        update.last_address = int.from_bytes(last, "big")
        if update.last_address < update.address:
            raise WireError("an address range that ends before it begins", offset=offset, section=DRAFT + "12.29")


def decode_answers(frame: bytes, pos: int) -> list[Answer]:
    """Return the answers of a BNDACK whose options begin at ``pos``. Raises as ``decode_updates``."""
    end = len(frame)
    data = frame + _PADDING
    pos, _ = _skip_leading(data, pos, end, _ANSWER_CODES)
    answers: list[Answer] = []
    answer = Answer(0)
    texted = False
    while pos < end:
        head, value = _read_pair(data, pos)
        if head == _ADDRESS:
            answer = Answer(value)
            answers.append(answer)
            texted = False
            pos += 8
        elif head == _REJECT:
            if answer.reject is not None:
                raise twice(_REJECT >> 16, pos)
            answer.reject = value >> 24
            pos += 5
        else:
            body = pos + 4
            code = head >> 16
            pos = body + (head & 0xFFFF)
            if pos > end:
                raise overrun(end)
            if code == _MESSAGE:
                if texted:
                    raise twice(code, body - 4)
                texted = True
                answer.text = data[body:pos].decode(errors="replace")
            elif code in _ANSWER_FIXED:
                raise wrong_length(code, head & 0xFFFF, body - 4)
            elif code == _DIGEST:
                raise misplaced_digest()
    if pos > end:
        raise overrun(end)
    if not answers:
        raise WireError("BNDACK without an assigned-IP-address option", offset=end, section=DRAFT + "7.2")
    return answers


_ANSWER_FIXED = frozenset((_ADDRESS >> 16, _REJECT >> 16))
_ANSWER_CODES = _ANSWER_FIXED | {_MESSAGE}


def _skip_leading(data: bytes, pos: int, end: int, transaction: frozenset[int]) -> tuple[int, bool]:
    """Pass over the options before the first assigned-IP-address option; return its place.

    The second result tells whether vendor-specific options in the transactions are ours.
    """
    vendor_class: bytes | None = None
    while pos < end:
        head = _read_pair(data, pos)[0]
        if head == _ADDRESS:
            break
        code = head >> 16
        body = pos + 4
        pos = body + (head & 0xFFFF)
        if pos > end:
            raise overrun(end)
        if code == _ADDRESS >> 16:
            raise wrong_length(code, head & 0xFFFF, body - 4)
        if code in transaction:
            raise WireError(
                f"option {code} ahead of the first assigned-IP-address option",
                offset=body - 4, section=DRAFT + "6.3",
            )  # fmt: skip
        if code == _DIGEST:
            raise misplaced_digest()
        if code == _VENDOR_CLASS:
            if vendor_class is not None:
                raise twice(code, body - 4)
            vendor_class = data[body:pos]
    return pos, vendor_class == VENDOR_CLASS


def decode_vendor(value: bytes, offset: int) -> dict[int, bytes]:
    """Return the sub-options of vendor-specific options. ``offset`` is for errors. Raises WireError."""
    found: dict[int, bytes] = {}
    pos, end = 0, len(value)
    while pos < end:
        if end - pos < 4:
            raise overrun(offset)
        code = value[pos] << 8 | value[pos + 1]
        body = pos + 4
        pos = body + (value[pos + 2] << 8 | value[pos + 3])
        if pos > end:
            raise overrun(offset)
        if code in found:
            raise twice(_VENDOR, offset)
        found[code] = value[body:pos]
    return found


def twice(code: int, offset: int) -> WireError:
    """Return the error for an option that stands twice where it may stand once."""
    return WireError(f"option {code} appears twice", offset=offset, section=DRAFT + "6.2")


def wrong_length(code: int, size: int, offset: int) -> WireError:
    """Return the error for an option of a length that its definition excludes."""
    return WireError(f"option {code} cannot be {size} bytes long", offset=offset, section=DRAFT + f"12.{code}")


def overrun(end: int) -> WireError:
    """Return the error for an option that reaches past the end of what holds it."""
    return WireError("the last option reaches past the end of the message", offset=end, section=DRAFT + "6.2")


def misplaced_digest() -> ProtocolError:
    """Return the error for a message digest that is not the first option, or that no secret can check."""
    return ProtocolError(
        RejectReason.DIGEST_NOT_CONFIGURED,
        "the partner sends a message digest where none is expected: configure the same shared secret on both servers",
    )
