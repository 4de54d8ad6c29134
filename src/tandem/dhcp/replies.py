"""Replies: which options, in which order, how large, and where to.

Does not decide who gets an answer. Theory: all that does not change between replies to equal parameter lists is
assembled once per policy and parameter list and kept; per packet remain the lease times and what is echoed.

Source: RFC 2131 sections 4.1 and 4.3.1 (table 3); RFC 2132 sections 9.8 and 9.10; RFC 3011 section 2; RFC 3046
section 2.2; RFC 6842; RFC 8357.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from tandem.base.io import Note, Reply
from tandem.base.ipv4 import BROADCAST, format_hardware
from tandem.base.units import FOREVER
from tandem.config.compiled import CompiledScope, EffectivePolicy, ServerConfig
from tandem.dhcp.journal import LEFT_OUT_OF_REPLY, MISSING_OPTIONS, Journal
from tandem.dhcp.query import Query
from tandem.wire.dhcp import (
    ACK,
    BROADCAST_FLAG,
    NAK,
    OFFER,
    OPT_CLIENT_ID,
    OPT_MAX_SIZE,
    OPT_MESSAGE,
    OPT_PARAMETER_LIST,
    OPT_RELAY_INFO,
    OPT_SUBNET_MASK,
    OPT_SUBNET_SELECTION,
    OPT_VENDOR_CLASS,
    encode_reply,
    fits,
    pack_option,
    reply_limit,
    unpack_options,
)

CLIENT_PORT: Final = 68
RELAY_PORT: Final = 67
PLAIN_LIMIT: Final = 548
"""Bytes of a reply to a client that names no maximum size (RFC 2131 section 2: 576 with IP and UDP header)."""
LARGEST: Final = 1472
"""Bytes of a reply that is not fragmented on an Ethernet."""
TAILS_MAX: Final = 256
"""How many parameter lists are kept per policy."""
ALL_TAILS_MAX: Final = 16384
"""How many are kept in all: clients write the lists."""
UNASKED: Final = bytes((1, 3, 6, 15, 28))
"""What a client without a parameter list gets, as far as the policy has it."""
OURS: Final = frozenset((1, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 61, 82, 118, 255))
"""Options that a policy never lacks: the server makes or echoes them."""

OPT_VENDOR, OPT_ENTERPRISE_CLASS, OPT_ENTERPRISE = 43, 124, 125
VENDOR: Final = frozenset((OPT_VENDOR, OPT_ENTERPRISE))
"""Options that depend on who asks."""
_LEASE = struct.Struct("!BBIBBIBBIBBI")
_SERVER = struct.Struct("!BBI")
_ID_HEAD = [bytes((OPT_CLIENT_ID, length)) for length in range(256)]
_SENT = {OFFER: "sent-offer", ACK: "sent-ack", 0: "sent-bootp"}


class Replies:
    """Makes replies for one configuration."""

    def __init__(self, config: ServerConfig, journal: Journal) -> None:
        self.journal = journal
        self._filled: list[EffectivePolicy] = []
        self._tails = 0
        self.configure(config)

    def configure(self, config: ServerConfig) -> None:
        """Take a (new) configuration: nothing assembled before counts."""
        self._forget_tails()
        self._hardware_unicast = config.hardware_unicast

    def send(self, query: Query, kind: int, scope: CompiledScope, yiaddr: int, lease_s: int) -> None:
        """Append an OFFER, ACK or BOOTP reply (``kind`` 0). ``lease_s`` 0: no lease times (INFORM, BOOTP)."""
        options = query.options
        wanted = options.get(OPT_PARAMETER_LIST, UNASKED)
        message = query.message
        policy = query.policy(scope, yiaddr or message.ciaddr)
        if not kind and policy.bootp_reply_options:
            wanted = bytes((*wanted, *policy.bootp_reply_options))
        tail = policy.tails.get(wanted)
        if tail is None:
            tail = self._assemble(query, scope, policy, wanted)
        if policy.vendor or policy.enterprises:
            tail += vendor_options(policy, options, wanted)
        if lease_s:
            renewal, rebinding = renewal_times(lease_s)
            head = _LEASE.pack(54, 4, query.server_id, 51, 4, lease_s, 58, 4, renewal, 59, 4, rebinding)
        else:
            head = _SERVER.pack(54, 4, query.server_id) if kind else b""
        echo = _echo(query)
        info = pack_option(OPT_RELAY_INFO, options[OPT_RELAY_INFO]) if OPT_RELAY_INFO in options else b""
        limit = PLAIN_LIMIT if OPT_MAX_SIZE not in options else min(reply_limit(message), LARGEST)
        if fits(len(head) + len(tail) + len(echo), limit):
            data = encode_reply(
                message, kind, yiaddr=yiaddr, siaddr=policy.siaddr, ciaddr=message.ciaddr if kind == ACK else 0,
                options=head + tail + echo + info, sname=policy.server_name, file=policy.file_name,
                max_size=limit + len(info),
            )  # fmt: skip
        else:
            data, left = _squeeze(query, kind, policy, yiaddr, head + echo, tail, info, limit)
            if left:
                self._left_out(query, scope, left, limit)
        self.journal.counters[_SENT[kind]] += 1
        self._dispatch(query, data, yiaddr)

    def _left_out(self, query: Query, scope: CompiledScope, codes: list[int], limit: int) -> None:
        self.journal.counters["replies-too-small"] += 1
        if self.journal.missing and self.journal.room(query.now, query.out):
            text = (
                f"A reply to {format_hardware(query.hardware)} in scope {scope.name} lacks options that do not fit into"
                f" the {limit} bytes that it takes: {', '.join(map(str, codes))} (give shorter values, or fewer)"
            )
            query.out.append(Note("Warning", "Protocol", LEFT_OUT_OF_REPLY, text, "missing-options"))

    def refuse(self, query: Query, why: str) -> None:
        """Append a NAK that gives ``why``."""
        message, options = query.message, query.options
        area = _SERVER.pack(54, 4, query.server_id) + pack_option(OPT_MESSAGE, why.encode()[:200]) + _echo(query)
        info = pack_option(OPT_RELAY_INFO, options[OPT_RELAY_INFO]) if OPT_RELAY_INFO in options else b""
        datagram = query.datagram
        self.journal.counters["sent-nak"] += 1
        flags = BROADCAST_FLAG if message.giaddr else 0
        data = encode_reply(message, NAK, options=area + info, flags=flags, max_size=LARGEST + len(info))
        if message.giaddr:
            port = datagram.port if query.relay_port else RELAY_PORT
            query.out.append(Reply(data, message.giaddr, port, datagram.interface))
        else:
            query.out.append(Reply(data, BROADCAST, CLIENT_PORT, datagram.interface))

    def _assemble(self, query: Query, scope: CompiledScope, policy: EffectivePolicy, wanted: bytes) -> bytes:
        """Return, and keep, the policy's options for a parameter list, in the order of the list."""
        have = policy.options
        codes = dict.fromkeys((OPT_SUBNET_MASK, *wanted, *policy.reply_options))
        parts = []
        missing = []
        for code in codes:
            if code in have:
                parts.append(pack_option(code, have[code]))
            elif code == OPT_SUBNET_MASK:
                parts.append(pack_option(code, scope.mask.to_bytes(4, "big")))
            elif code and code not in OURS and not (code in VENDOR and (policy.vendor or policy.enterprises)):
                missing.append(str(code))
        tail = b"".join(parts)
        if self._tails >= ALL_TAILS_MAX:
            self._forget_tails()
        tails = policy.tails
        if not tails:
            self._filled.append(policy)
        if len(tails) >= TAILS_MAX:
            self._tails -= len(tails)
            tails.clear()
        tails[wanted] = tail
        self._tails += 1
        if missing and wanted is not UNASKED and self.journal.missing and self.journal.room(query.now, query.out):
            text = (
                f"Clients of scope {scope.name} ask for options that its policy does not have: {', '.join(missing)}"
                " (set them with policy NAME setOption if they need them)"
            )
            query.out.append(Note("Info", "Protocol", MISSING_OPTIONS, text, "missing-options"))
        return tail

    def _dispatch(self, query: Query, data: bytes, yiaddr: int) -> None:
        """Append the reply, addressed as RFC 2131 section 4.1 says.

        To the relay if there is one; else to the address that the client uses; else to all if it asked for that or has
        no hardware address; else to its hardware address (unless hardware-unicast is off).
        Deviation: a client that sent from its own address and a port other than 68 is answered there. Real clients use
        port 68; clients without privileges cannot.
        """
        message, datagram = query.message, query.datagram
        if message.giaddr:
            port = datagram.port if query.relay_port else RELAY_PORT
            query.out.append(Reply(data, message.giaddr, port, datagram.interface))
        elif message.ciaddr:
            own = datagram.source == message.ciaddr and datagram.port not in (0, RELAY_PORT)
            port = datagram.port if own else CLIENT_PORT
            query.out.append(Reply(data, message.ciaddr, port, datagram.interface))
        elif message.flags & BROADCAST_FLAG or not (message.chaddr and yiaddr and self._hardware_unicast):
            query.out.append(Reply(data, BROADCAST, CLIENT_PORT, datagram.interface))
        else:
            query.out.append(Reply(data, yiaddr, CLIENT_PORT, datagram.interface, query.hardware))

    def _forget_tails(self) -> None:
        for policy in self._filled:
            policy.tails.clear()
        self._filled.clear()
        self._tails = 0


def _asks(policy: EffectivePolicy, wanted: bytes, code: int) -> bool:
    return code in wanted or wanted is UNASKED or code in policy.reply_options


def vendor_options(policy: EffectivePolicy, asked: Mapping[int, bytes], wanted: bytes) -> bytes:
    """Return options 43 and 125 for a client that says of itself what is ``asked``, where the policy has them for it.

    Option 43 goes to the vendor class (option 60) that it was set for; 125 to clients that ask for it or name an
    enterprise. One that a policy sets as a whole counts before. Source: RFC 2132 section 8.4; RFC 3925 section 4.
    """
    found = b""
    vendor = asked.get(OPT_VENDOR_CLASS)
    if vendor is not None and policy.vendor and OPT_VENDOR not in policy.options and _asks(policy, wanted, OPT_VENDOR):
        data = policy.vendor.get(vendor)
        if data is None:
            fits = [key for key in policy.vendor if key.endswith(b"*") and vendor.startswith(key[:-1])]
            data = policy.vendor[max(fits, key=len)] if fits else None
        if data is not None:
            found += pack_option(OPT_VENDOR, data)
    if policy.enterprises and OPT_ENTERPRISE not in policy.options:
        named = asked.get(OPT_ENTERPRISE_CLASS, b"")[:4] + asked.get(OPT_ENTERPRISE, b"")[:4]
        numbers = {int.from_bytes(named[i : i + 4], "big") for i in range(0, len(named), 4)}
        asks = _asks(policy, wanted, OPT_ENTERPRISE)
        mine = [(n, data) for n, data in policy.enterprises.items() if len(data) < 256 and (asks or n in numbers)]
        value = b"".join(n.to_bytes(4, "big") + bytes((len(data),)) + data for n, data in mine)
        if value:
            found += pack_option(OPT_ENTERPRISE, value)
    return found


def renewal_times(lease_s: int) -> tuple[int, int]:
    """Return T1 and T2 of a lease in seconds: half and seven eighths of it (RFC 2131 section 4.4.5)."""
    return (FOREVER, FOREVER) if lease_s == FOREVER else (lease_s >> 1, lease_s * 7 >> 3)


def _echo(query: Query) -> bytes:
    """The options that a reply returns as they came, but for option 82: client identifier, subnet selection."""
    client_id, options = query.client_id, query.options
    echo = _ID_HEAD[len(client_id)] + client_id if client_id else b""
    if OPT_SUBNET_SELECTION in options:
        echo += pack_option(OPT_SUBNET_SELECTION, options[OPT_SUBNET_SELECTION])
    return echo


def _squeeze(
    query: Query, kind: int, policy: EffectivePolicy, yiaddr: int, needed: bytes, tail: bytes, info: bytes, limit: int
) -> tuple[bytes, list[int]]:
    """Return a reply that does not fit as it is: overloaded, and if that is not enough without some options.

    Those are what does not fit behind the ones before them; their numbers are returned too. Option 82 is not
    counted, because the relay takes it out before the client sees the reply, and stays the last of the options field,
    where every relay looks for it.
    """
    message = query.message

    def packed(optional: Mapping[int, bytes]) -> bytes:
        area = needed + b"".join(pack_option(code, value) for code, value in optional.items())
        return encode_reply(
            message, kind, yiaddr=yiaddr, siaddr=policy.siaddr, ciaddr=message.ciaddr if kind == ACK else 0,
            options=area, sname=policy.server_name, file=policy.file_name, max_size=limit,
        )  # fmt: skip

    sent: dict[int, bytes] = {}
    left = []
    data = packed(sent)  # lease times, client identifier and fixed fields alone always fit
    for code, value in unpack_options(tail).items():
        try:
            data = packed({**sent, code: value})
            sent[code] = value
        except ValueError:
            left.append(code)
    if info:
        end = len(data.rstrip(b"\0")) - 1  # END is the last byte that is not padding
        data = data[:end] + info + b"\xff"
    return data, left
