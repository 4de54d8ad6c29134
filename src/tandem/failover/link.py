"""One TCP connection with a partner: frames in, messages out, its two timers, its numbers and what is no replay.

Does not know states, bindings or who may connect; those are the endpoint's.

With a shared secret nothing counts twice (section 11.1). A message with a number of its own must have a higher one
than the one before it on its connection; an answer must be to a question that is open on its connection; and no
message may be older than the CONNECT or CONNECTACK that opened its connection, which keeps those of earlier
connections out. That the CONNECT itself is new is the endpoint's to see to (``exchange.accept_connect``).
Whoever opened the connection gives odd numbers, the other even ones: so what a Tandem server is sent cannot be what it
said itself, which the same secret signs.
Deviation: the draft demands rising numbers of every message, also of answers, which carry the number of the question.

Source: draft-ietf-dhc-failover-12 sections 6.1, 7.8 to 7.12, 8, 11.1.
"""

from __future__ import annotations

from tandem.base.errors import ProtocolError
from tandem.base.io import Close, Effect, Send, StartTls
from tandem.wire.failover import (
    BindingAck,
    ConnectAck,
    Contact,
    Disconnect,
    Frame,
    Framer,
    PoolResponse,
    RejectReason,
    Sendable,
    Unknown,
    UpdateBatch,
    UpdateDone,
    decode,
    encode,
)

SETUP_S = 15.0
"""How long a new connection may take until CONNECT and CONNECTACK are through (section 7.8.2)."""
_ANSWERS = (BindingAck, ConnectAck, PoolResponse, UpdateDone)
"""Messages with the number of the request that they answer (section 6.1)."""


class Link:
    """A connection: set up (CONNECT and CONNECTACK through) or not yet."""

    def __init__(self, number: int, peer: int, outgoing: bool, now: float, secret: bytes) -> None:
        self.number = number
        self.peer = peer
        self.outgoing = outgoing
        self.secret = secret
        self.set_up = False
        """CONNECT and CONNECTACK have been exchanged."""
        self.securing = False
        """It goes over to TLS: nothing is said meanwhile."""
        self.session = ""
        """TLS version and cipher suite; empty = the connection is plain."""
        self.heard_state = False
        """The partner's STATE has come: communications are ok (section 8.3)."""
        self.asked = False
        """The partner has asked for updates on it."""
        self.opened_at = now
        self.last_received = now
        self.last_sent = now
        self.contact_s = SETUP_S
        """Silence after which we send CONTACT: our poll interval, or a third of the partner's receive timer."""
        self.receive_s = SETUP_S
        """Silence after which the partner counts as out of reach (tReceive)."""
        self.window = 1
        """How many BNDUPD messages the partner takes unacknowledged."""
        self.said: tuple[int, ...] = ()
        """The states that the partner was last told as ours."""
        self.connect_xid: int | None = None
        self.probed_at: float | None = None
        """When a CONTACT went out to find out whether the connection is stale."""
        self._framer = Framer()
        # Rising with time, so that no CONNECT has the number of an earlier one, whose CONNECTACK could be replayed.
        self._xid = int(now) & ~1 | outgoing
        self._received_xid = -1
        self._numbers_by_end = False
        self._not_before = 0

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Return the frames that ``data`` completes. Raises WireError."""
        self.last_received = now
        return self._framer.feed(data)

    def decode(self, data: bytes) -> Frame:
        """Return the message of a frame. Raises WireError, ProtocolError (digest, replay)."""
        frame = decode(data, self.secret)
        if self.secret and type(frame.message) is not Unknown:
            self._refuse_replay(frame)
        return frame

    def _refuse_replay(self, frame: Frame) -> None:
        """Section 11.1. The endpoint checks that an answer has a question."""
        if frame.time < self._not_before:
            why = "a message is older than its connection: a replay, or the partner's clock was set back"
            raise ProtocolError(RejectReason.UNKNOWN, why)
        if isinstance(frame.message, _ANSWERS):
            return
        if frame.xid <= self._received_xid:
            why = f"a message has the number {frame.xid} after one with {self._received_xid}: a replay"
            raise ProtocolError(RejectReason.UNKNOWN, why)
        if self._numbers_by_end and frame.xid & 1 == self.outgoing:
            why = f"a message has the number {frame.xid}, as this server gives them: its own was sent back to it"
            raise ProtocolError(RejectReason.UNKNOWN, why)
        self._received_xid = frame.xid

    @property
    def partial(self) -> bool:
        """Whether part of a message has come."""
        return self._framer.partial

    def refuse_plain(self) -> None:
        """Raise ProtocolError: somebody tries to slip in what would pass as encrypted."""
        why = "bytes that are not encrypted came after TLS was agreed on"
        raise ProtocolError(RejectReason.UNKNOWN, why)

    def start_tls(self, server: bool, certificate: bytes, out: list[Effect]) -> None:
        """Go over to TLS with the holder of ``certificate``; ``server``: as the TLS server."""
        self.securing = True
        out.append(StartTls(self.number, server, certificate))

    def tls_up(self, session: str) -> None:
        """The connection is encrypted."""
        self.securing, self.session = False, session

    def opened_by(self, frame: Frame, numbers_by_end: bool) -> None:
        """The partner's CONNECT or CONNECTACK was taken: nothing that it sent before may come after it.

        ``numbers_by_end``: it gives odd or even numbers as this server does.
        """
        self._not_before = frame.time
        self._numbers_by_end = numbers_by_end

    def send(self, message: Sendable, now: float, out: list[Effect], xid: int | None = None) -> int:
        """Send a message (as an answer to ``xid``, or with a number of its own) and return its xid."""
        if xid is None:
            self._xid = xid = (self._xid + 2) & 0xFFFFFFFF
        self.last_sent = now
        out.append(Send(self.number, encode(message, xid, int(now), self.secret)))
        return xid

    def send_batch(self, batch: UpdateBatch, now: float, out: list[Effect]) -> int:
        """Send a BNDUPD that is encoded already; return its xid."""
        self._xid = xid = (self._xid + 2) & 0xFFFFFFFF
        self.last_sent = now
        out.append(Send(self.number, batch.encode(xid, int(now))))
        return xid

    def disconnect(self, reason: int, text: str, now: float, out: list[Effect]) -> None:
        """Say why, and close (section 7.12)."""
        if not self.securing:
            self.send(Disconnect(reason, text), now, out)
        out.append(Close(self.number))

    def deadline(self) -> float:
        """When ``overdue`` or ``contact`` has work."""
        if not self.set_up:
            return self.opened_at + SETUP_S
        return min(self.last_sent + self.contact_s, self.last_received + self.receive_s)

    def overdue(self, now: float) -> str | None:
        """Return why this connection must be given up now, or None."""
        if not self.set_up:
            return "the connection was not set up in time" if now >= self.opened_at + SETUP_S else None
        if now >= self.last_received + self.receive_s:
            return f"nothing was heard for {self.receive_s:g} s"
        return None

    def clock_set_back(self, seconds: float) -> None:
        """This server's clock was set back: what has passed since has passed all the same."""
        self.opened_at -= seconds
        self.last_received -= seconds
        self.last_sent -= seconds
        if self.probed_at is not None:
            self.probed_at -= seconds

    def contact(self, now: float, out: list[Effect]) -> None:
        """Send CONTACT when nothing else was sent for long enough (section 8.3)."""
        if self.set_up and now >= self.last_sent + self.contact_s:
            self.send(Contact(), now, out)
