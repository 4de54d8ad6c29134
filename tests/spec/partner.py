"""A server whose partner is the test itself: it says what it likes, byte for byte, and reads all that it is told."""

from __future__ import annotations

from itertools import pairwise

from pair import BACKUP, MAIN, NAME, config

from tandem.base.io import (
    Close,
    Connect,
    ConnectFailed,
    Effect,
    LinkData,
    LinkDown,
    LinkUp,
    Note,
    SaveState,
    Send,
    StartTls,
    Tick,
    TlsUp,
)
from tandem.failover.endpoint import Endpoint, state_name
from tandem.node.node import Node
from tandem.wire import failover as wire

RELATIONSHIP = NAME.encode()


class Partner:
    """The other end of a server. ``main``: the server's role. Keywords: fields of its ``EndpointConfig``."""

    def __init__(self, main: bool, *, now: float = 1_800_000_000.5, **fields: object) -> None:
        self.main, self.fields, self.now = main, fields, now
        self.secret: bytes = fields.get("secret", b"")  # type: ignore[assignment]
        self.states: dict[str, dict[str, object]] = {}
        self.heard: list[wire.Frame] = []
        """Messages of the server since the last ``said``."""
        self.raw: list[bytes] = []
        """All messages of the server, as sent."""
        self.closed: list[int] = []
        self.tls: list[StartTls] = []
        """When the server went over to TLS."""
        self.attempts: list[float] = []
        """When the server tried to connect."""
        self.notes: list[str] = []
        self.skew_s = 0.0
        """The partner's clock minus the server's."""
        self.link = 0
        self._xid = 0 if main else 1
        self.boot()

    def boot(self) -> None:
        """Start the server, with what it has stored."""
        self.node = Node(config(self.main, **self.fields), [], [], self.states, self.now)  # type: ignore[arg-type]
        out: list[Effect] = []
        self.node.start(self.now, out)
        self._perform(out)

    @property
    def endpoint(self) -> Endpoint:
        return self.node.endpoints[0]

    @property
    def state(self) -> str:
        return state_name(self.endpoint.state)

    def _perform(self, out: list[Effect]) -> None:
        for effect in out:
            if isinstance(effect, Send):
                self.raw.append(effect.data)
                self.heard.append(wire.decode(effect.data, self.secret))
            elif isinstance(effect, StartTls):
                self.tls.append(effect)
            elif isinstance(effect, Close):
                self.closed.append(effect.link)
            elif isinstance(effect, Connect):
                self.attempts.append(self.now)
            elif isinstance(effect, Note):
                self.notes.append(f"{effect.level} {effect.ident:05d} {effect.text}")
            elif isinstance(effect, SaveState):
                self.states[effect.name] = dict(effect.values)

    def feed(self, event: object) -> None:
        """Give the server an input."""
        out: list[Effect] = []
        self.node.handle(self.now, event, out)  # type: ignore[arg-type]
        self._perform(out)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        for _ in range(100_000):
            due = self.node.deadline()
            if due is None or due > end:
                self.now = end
                return
            self.now = max(self.now, due)
            self.feed(Tick())
        raise AssertionError("the server's deadline does not move on")

    def refuse_attempts(self, seconds: float) -> list[float]:
        """Let time pass; refuse each attempt to connect. Return the pauses between them."""
        began, start = len(self.attempts), self.now
        while self.now < start + seconds:
            self.wait(0.25)
            if self.endpoint.connecting:
                self.feed(ConnectFailed(self.endpoint.config.peer, "refused"))
        times = self.attempts[began:]
        return [round(b - a, 2) for a, b in pairwise(times)]

    # --- connections ------------------------------------------------------------------------------------

    def call(self) -> int:
        """Open a connection to the server; return its number."""
        self.link += 1
        self.feed(LinkUp(self.link, BACKUP if self.main else MAIN, False))
        return self.link

    def answer_call(self) -> int:
        """Let the server's attempt to connect succeed; return the connection's number."""
        if not self.endpoint.connecting:
            self.wait(6)
        assert self.endpoint.connecting, "the server does not try to connect"
        self.link += 1
        self.feed(LinkUp(self.link, BACKUP if self.main else MAIN, True))
        return self.link

    def hang_up(self) -> None:
        """Close the latest connection."""
        self.feed(LinkDown(self.link, "closed by the test"))

    def frame(self, message: wire.Sendable, xid: int | None = None, time: int | None = None) -> bytes:
        """Return a message of the partner as bytes, with the next number unless one is given."""
        if xid is None:
            self._xid = xid = self._xid + 2  # even ones from the end that was called, odd ones from the other
        return wire.encode(message, xid, int(self.now + self.skew_s) if time is None else time, self.secret)

    def say(self, message: wire.Sendable, xid: int | None = None, time: int | None = None) -> bytes:
        """Send a message; return its bytes."""
        data = self.frame(message, xid, time)
        self.feed(LinkData(self.link, data))
        return data

    def encrypt(self, session: str = "TLSv1.3, TLS_AES_256_GCM_SHA384") -> None:
        """Let the TLS handshake on the latest connection succeed."""
        assert self.tls[-1].link == self.link
        self.feed(TlsUp(self.link, session))

    def said(self) -> list[wire.Message]:
        """Return what the server has said since the last call."""
        messages = [frame.message for frame in self.heard]
        self.heard.clear()
        return messages

    # --- set-up -----------------------------------------------------------------------------------------

    def connect_message(self, **fields: object) -> wire.Connect:
        """Return a good CONNECT."""
        message = wire.Connect(RELATIONSHIP, 20, 60, wire.VENDOR_CLASS, 1, 0, 3600, bytes(32), vendor={2: b"\0"})
        for name, value in fields.items():
            setattr(message, name, value)
        return message

    def connect_ack(self, **fields: object) -> wire.ConnectAck:
        """Return a good CONNECTACK."""
        message = wire.ConnectAck(RELATIONSHIP, 20, 60, wire.VENDOR_CLASS, 1, 0, vendor={2: b"\0"})
        for name, value in fields.items():
            setattr(message, name, value)
        return message

    def open(self) -> None:
        """Set a connection up: CONNECT and CONNECTACK through, STATE not yet."""
        if self.main:
            self.answer_call()
            self.say(self.connect_ack(), self.heard[-1].xid)
        else:
            self.call()
            self.say(self.connect_message())
        assert self.endpoint.link is not None and self.endpoint.link.set_up, self.notes

    def state_message(self, state: wire.ServerState, startup: bool = False) -> None:
        """Say STATE."""
        self.say(wire.State(state, startup, int(self.now)))

    def normal(self) -> None:
        """Bring the server into NORMAL."""
        self.open()
        if self.main:
            self.state_message(wire.ServerState.RECOVER)
            self.state_message(wire.ServerState.RECOVER_DONE)
        else:
            self.state_message(wire.ServerState.PARTNER_DOWN)
            request = next(f for f in self.heard if isinstance(f.message, wire.UpdateRequestAll | wire.UpdateRequest))
            self.say(wire.UpdateDone(), request.xid)
        self.state_message(wire.ServerState.NORMAL)
        assert self.state == "NORMAL", (self.state, self.notes)
