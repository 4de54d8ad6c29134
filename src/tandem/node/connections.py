"""The connections of one server with its partners: which endpoint each belongs to.

Two servers may have a relationship each way, so an incoming connection is a stranger until its CONNECT names the
relationship. Does not know what messages do (``failover.exchange``), nor sockets.

Source: draft-ietf-dhc-failover-12 sections 7.8.2 and 8.2.
"""

from __future__ import annotations

from tandem.base.errors import ProtocolError, WireError
from tandem.base.io import Close, Effect, LinkData, LinkDown, LinkUp, Note, TlsUp
from tandem.base.ipv4 import format_ipv4
from tandem.failover import calling, exchange, tls
from tandem.failover.endpoint import Endpoint
from tandem.failover.link import Link
from tandem.wire.failover import Connect, Disconnect, Frame, MessageType, RejectReason


class Connections:
    """The connections that are up, and whose they are."""

    def __init__(self, endpoints: list[Endpoint]) -> None:
        self.endpoints = endpoints
        self.strangers: dict[int, Link] = {}
        """Incoming connections whose CONNECT has not come yet, by number."""
        self.by_link: dict[int, Endpoint] = {}

    def forget(self, endpoint: Endpoint) -> None:
        """The endpoint ends: its connection is nobody's any more."""
        if endpoint.link is not None:
            self.by_link.pop(endpoint.link.number, None)

    def close_overdue(self, now: float, out: list[Effect]) -> None:
        """Close the connections of strangers that have not introduced themselves in time."""
        for link in list(self.strangers.values()):
            if link.overdue(now):
                out.append(Close(link.number))
                del self.strangers[link.number]

    def deadline(self) -> float:
        """When ``close_overdue`` may have work, or infinity."""
        return min((link.deadline() for link in self.strangers.values()), default=float("inf"))

    def link_up(self, event: LinkUp, now: float, out: list[Effect]) -> None:
        """Section 8.2: the main uses a connection that it made; the backup's own are to wake the main.

        The two servers may have a relationship each way: a connection from the partner is for the one that its CONNECT
        names. One that closes without a CONNECT was to wake this server's main role, or one of two made at once.
        """
        mine = [endpoint for endpoint in self.endpoints if endpoint.config.peer == event.peer]
        if event.outgoing:
            caller = next((e for e in mine if e.config.main and e.link is None and e.connecting), None)
            for endpoint in mine:
                endpoint.connecting = False
            if caller is None:
                self._await_connect(event, mine, now, out)
                return
            caller.link = Link(event.link, event.peer, True, now, caller.config.secret)
            self.by_link[event.link] = caller
            exchange.send_connect(caller, now, out)
            return
        backup = next((endpoint for endpoint in mine if not endpoint.config.main), None)
        if backup is not None:
            self.strangers[event.link] = Link(event.link, event.peer, False, now, backup.config.secret)
            for endpoint in mine:
                if endpoint.config.main and endpoint.link is None:
                    calling.wake(endpoint, now, out)
            return
        out.append(Close(event.link))
        for endpoint in mine:
            calling.wake(endpoint, now, out)

    def _await_connect(self, event: LinkUp, mine: list[Endpoint], now: float, out: list[Effect]) -> None:
        """A connection that a backup made has woken the main. A main of another make may use it: see if it does."""
        waiting = next((e for e in mine if e.link is None and (not e.saved.make or e.dialect.calls_on_any)), None)
        if waiting is None or any(endpoint.config.main for endpoint in mine):
            out.append(Close(event.link))
            return
        self.strangers[event.link] = Link(event.link, event.peer, False, now, waiting.config.secret)

    def tls_up(self, event: TlsUp, now: float, out: list[Effect]) -> None:
        """The main says CONNECT again (section 8.2), and the backup waits for it."""
        endpoint = self.by_link.get(event.link)
        link = endpoint.link if endpoint is not None else self.strangers.get(event.link)
        if link is None or link.number != event.link:
            return  # it was given up meanwhile
        link.tls_up(event.session)
        if endpoint is not None:
            exchange.send_connect(endpoint, now, out)

    @staticmethod
    def _tls_failed(endpoint: Endpoint, link: Link, why: str, now: float, out: list[Effect]) -> None:
        """Say that the connection broke down while it became TLS, or before the partner answered over it."""
        if link.securing or (link.session and not link.set_up):
            mine = tls.fingerprint(endpoint.config.certificate)
            text = f"No TLS connection with {format_ipv4(link.peer)} came about: {why}; its log may say more"
            text += f" (it must know the fingerprint {mine} of this server)"
            endpoint.problem(6149, text, now, out)

    def link_down(self, event: LinkDown, now: float, out: list[Effect]) -> None:
        """The endpoint hears that its connection is gone; a main whose backup's call closed calls it."""
        stranger = self.strangers.pop(event.link, None)
        if stranger is not None:
            backup = next((e for e in self.endpoints if e.config.peer == stranger.peer and not e.config.main), None)
            if backup is not None:
                self._tls_failed(backup, stranger, event.why, now, out)
            for endpoint in self.endpoints:
                if endpoint.config.main and endpoint.config.peer == stranger.peer and not calling.hears(endpoint, now):
                    calling.wake(endpoint, now, out)
            return
        owner = self.by_link.pop(event.link, None)
        if owner is not None and owner.link is not None and owner.link.number == event.link:
            self._tls_failed(owner, owner.link, event.why, now, out)
            calling.link_lost(owner, event.why, now, out)

    def link_data(self, event: LinkData, now: float, out: list[Effect]) -> None:
        """Hand each message to its endpoint. Bytes that are none, or not allowed, close the connection."""
        endpoint = self.by_link.get(event.link)
        link = endpoint.link if endpoint is not None else self.strangers.get(event.link)
        if link is None or link.number != event.link:
            return  # the rest of a connection that was given up
        data = b""
        try:
            for data in link.receive(event.data, now):
                if link.securing:
                    link.refuse_plain()
                frame = link.decode(data)
                if endpoint is not None:
                    exchange.handle(endpoint, frame, now, out)
                    if endpoint.link is not link:
                        return
                elif isinstance(frame.message, Connect):
                    if self._introduce(link, frame, now, out):
                        endpoint = self.by_link[event.link]
                    elif not link.securing:
                        return
                else:
                    raise ProtocolError(RejectReason.UNKNOWN, "its first message is no CONNECT")
            if link.securing and link.partial:
                link.refuse_plain()
        except WireError as error:
            why = f"it sent bytes that are no message: {error}"
            self._bad_partner(endpoint, link, RejectReason.UNKNOWN, why, now, out)
        except ProtocolError as error:
            if endpoint is None and not link.securing and data[2] == MessageType.CONNECT:
                xid, reason = int.from_bytes(data[8:12], "big"), (error.reject, error.why)
                exchange.refuse_connect(link, xid, self._backup_name(link.peer), None, reason, now, out)
            self._bad_partner(endpoint, link, error.reject, error.why, now, out)

    def _introduce(self, link: Link, frame: Frame, now: float, out: list[Effect]) -> bool:
        """A CONNECT names its relationship: find the endpoint (section 7.8.2 step 5)."""
        message = frame.message
        assert isinstance(message, Connect)
        self.strangers.pop(link.number, None)
        for endpoint in self.endpoints:
            config = endpoint.config
            if not config.main and config.peer == link.peer and config.relationship == message.relationship:
                self.by_link[link.number] = endpoint
                exchange.accept_connect(endpoint, link, frame, now, out)
                if link.securing:  # it will name its relationship again
                    del self.by_link[link.number]
                    self.strangers[link.number] = link
                return endpoint.link is link
        why = f"no relationship {message.relationship.decode('ascii', 'replace')!r} is configured here as backup"
        no_tls = None if message.tls_request is None else 0
        reason = (RejectReason.INVALID_PARTNER, why)
        exchange.refuse_connect(link, frame.xid, message.relationship, no_tls, reason, now, out)
        text = f"Refused a CONNECT from {format_ipv4(link.peer)}: {why}; compare the addresses on both servers"
        out.append(Note("Error", "Failover", 6150, text))
        return False

    def _backup_name(self, peer: int) -> bytes:
        """The name of our relationship with the main at ``peer``: what a CONNECT that cannot be believed is told."""
        return next(e.config.relationship for e in self.endpoints if e.config.peer == peer and not e.config.main)

    def _bad_partner(
        self, endpoint: Endpoint | None, link: Link, reason: int, why: str, now: float, out: list[Effect]
    ) -> None:
        """What the partner sent cannot be used: say why, close, and connect again later."""
        text = f"Closed the connection with {format_ipv4(link.peer)}: {why}"
        out.append(Note("Error", "Failover", 6156, text))
        for concerned in [endpoint] if endpoint is not None else self.endpoints:
            if concerned.config.peer == link.peer:
                concerned.refusal = now, f"{text[0].lower()}{text[1:]}"
        if link.set_up:
            link.send(Disconnect(int(reason), why[:200]), now, out)
        out.append(Close(link.number))
        self.strangers.pop(link.number, None)
        self.by_link.pop(link.number, None)
        if endpoint is not None and endpoint.link is link:
            calling.link_lost(endpoint, why, now, out, refused=True)
