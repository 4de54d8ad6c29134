"""The simulated clients: they arrive, lease, renew at half time, rebind, send again, and leave.

Each is a state machine after RFC 2131 section 4.4, with pauses between retransmissions that fit leases of seconds
instead of hours. Does not know how messages travel (``carrier``) nor what the servers' states are.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from enum import Enum

from tandem.base.ipv4 import format_hardware
from tandem.demo.carrier import Carrier
from tandem.demo.ledger import How, Ledger, Promise
from tandem.wire.dhcp import (
    ACK,
    BROADCAST_FLAG,
    DISCOVER,
    NAK,
    OFFER,
    OPT_HOST_NAME,
    OPT_LEASE_TIME,
    OPT_MESSAGE_TYPE,
    OPT_PARAMETER_LIST,
    OPT_REBINDING_TIME,
    OPT_RENEWAL_TIME,
    OPT_REQUESTED_ADDRESS,
    OPT_SERVER_ID,
    RELEASE,
    REQUEST,
    Message,
)

CHOOSING_S = 0.05
"""How long a client waits for another offer before it takes one."""
_PAUSES_S = (1.0, 2.0, 4.0)
"""Pauses between retransmissions; the last one repeats."""
_REQUESTS = 3
_WANTED = bytes((1, 3, 51, 54, 58, 59))
_TICK_S = 0.1


class Phase(Enum):
    """The states of RFC 2131 figure 5, and GONE."""

    SELECTING = "selecting"
    REQUESTING = "requesting"
    BOUND = "bound"
    RENEWING = "renewing"
    REBINDING = "rebinding"
    GONE = "gone"


class Client:
    """One simulated client."""

    def __init__(self, number: int, crowd: Population) -> None:
        self.mac = b"\x02\xda\x00" + number.to_bytes(3, "big")
        self.name = format_hardware(b"\x01" + self.mac)[4:]
        self.phase = Phase.SELECTING
        self.address = 0
        self.server = 0
        self._crowd = crowd
        self._host_name = f"client-{number}".encode()
        self._flags = BROADCAST_FLAG if number % 4 == 0 else 0
        """Some clients cannot hear unicast before they have an address."""
        self._xid = 0
        self._tries = 0
        self._asked_at = 0.0
        """When the first message of what is under way was sent."""
        self._sent_at = 0.0
        """When the request was sent whose acknowledgement is awaited: a lease counts from there."""
        self._offers: list[tuple[int, int]] = []
        self._renew_at = self._rebind_at = self._until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waits(self) -> bool:
        """Whether it wants an address and has none, for longer than an exchange takes."""
        return self.phase in (Phase.SELECTING, Phase.REQUESTING) and time.monotonic() - self._asked_at > 1

    def arrive(self) -> None:
        """Look for an address."""
        self.phase, self.address, self.server = Phase.SELECTING, 0, 0
        self._begin()
        self._discover()

    def leave(self, release: bool) -> None:
        """Go away, with or without a word."""
        self._stop_timer()
        if release and self.address:
            options = {OPT_SERVER_ID: self.server.to_bytes(4, "big")}
            self._xid = random.getrandbits(32)
            self._send(RELEASE, options, ciaddr=self.address, server=self.server)
            self._crowd.ledger.gave_back(self.address, self.name, time.monotonic())
        self._crowd.carrier.drop(self.address)
        self.phase = Phase.GONE

    def hear(self, message: Message) -> None:
        """Take a server's reply."""
        if message.xid != self._xid or self.phase in (Phase.BOUND, Phase.GONE):
            return
        kind = message.kind
        server = int.from_bytes(message.options.get(OPT_SERVER_ID, b""), "big")
        if kind == OFFER and self.phase is Phase.SELECTING and message.yiaddr and server:
            self._offers.append((message.yiaddr, server))
            if len(self._offers) == 1:
                self._after(CHOOSING_S, self._choose)
        elif kind == ACK and self.phase is not Phase.SELECTING and OPT_LEASE_TIME in message.options:
            self._bind(message, server)
        elif kind == NAK and self.phase is not Phase.SELECTING:
            self._crowd.ledger.refused += 1
            self._lose("the server refused it")

    # --- getting an address -------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._xid = random.getrandbits(32)
        self._tries = 0
        self._asked_at = time.monotonic()

    def _discover(self) -> None:
        self._offers.clear()
        self._send(DISCOVER, {})
        self._after(self._pause(), self._discover)

    def _choose(self) -> None:
        self.address, self.server = random.choice(self._offers)
        self.phase = Phase.REQUESTING
        self._tries = 0
        self._sent_at = time.monotonic()
        self._request()

    def _request(self) -> None:
        if self._tries == _REQUESTS:
            self.phase, self.address, self.server = Phase.SELECTING, 0, 0
            self._tries = 0
            self._discover()
            return
        options = {
            OPT_REQUESTED_ADDRESS: self.address.to_bytes(4, "big"),
            OPT_SERVER_ID: self.server.to_bytes(4, "big"),
        }
        self._send(REQUEST, options)
        self._after(self._pause(), self._request)

    def _pause(self) -> float:
        pause = _PAUSES_S[min(self._tries, len(_PAUSES_S) - 1)]
        self._tries += 1
        return pause * random.uniform(0.8, 1.2)

    # --- keeping it ---------------------------------------------------------------------------------------

    def _bind(self, message: Message, server: int) -> None:
        now = time.monotonic()
        how = {Phase.REQUESTING: How.NEW, Phase.RENEWING: How.RENEWED}.get(self.phase, How.REBOUND)
        options = message.options
        lease_s = int.from_bytes(options[OPT_LEASE_TIME], "big")
        renew_s = int.from_bytes(options.get(OPT_RENEWAL_TIME, b""), "big") or lease_s * 0.5
        rebind_s = int.from_bytes(options.get(OPT_REBINDING_TIME, b""), "big") or lease_s * 0.875
        self.address, self.server = message.yiaddr, server
        self._until = self._sent_at + lease_s
        self._renew_at = self._sent_at + renew_s * random.uniform(0.92, 1)
        self._rebind_at = self._sent_at + rebind_s
        promise = Promise(self.address, self.name, now, self._until, server)
        self._crowd.ledger.acknowledged(promise, how, now, now - self._asked_at)
        self._crowd.carrier.hold(self.address, self.mac)
        self.phase = Phase.BOUND
        self._after(self._renew_at - now, self._renew)

    def _renew(self) -> None:
        self.phase = Phase.RENEWING
        self._begin()
        self._extend()

    def _extend(self) -> None:
        now = time.monotonic()
        if now >= self._until:
            self._lose("no server answered in time")
            return
        if now >= self._rebind_at:
            self.phase = Phase.REBINDING
        rebinding = self.phase is Phase.REBINDING
        self._sent_at = now
        self._xid = random.getrandbits(32)  # an answer to an earlier request would count from a wrong time
        self._send(REQUEST, {}, ciaddr=self.address, server=None if rebinding else self.server)
        next_at = self._until if rebinding else self._rebind_at
        self._after(min(max(1.0, (next_at - now) / 2), max(next_at - now, 0.05)), self._extend)

    def _lose(self, why: str) -> None:
        self._crowd.carrier.drop(self.address)
        if self.phase is not Phase.REQUESTING:
            self._crowd.ledger.renewal_failed(self.address, self.name, why, time.monotonic())
        self.arrive()

    # --- sending ------------------------------------------------------------------------------------------

    def _send(self, kind: int, options: dict[int, bytes], ciaddr: int = 0, server: int | None = None) -> None:
        now = time.monotonic()
        wanted = {} if kind == RELEASE else {OPT_PARAMETER_LIST: _WANTED, OPT_HOST_NAME: self._host_name}
        message = Message(
            xid=self._xid, secs=int(now - self._asked_at), ciaddr=ciaddr, chaddr=self.mac,
            flags=0 if ciaddr else self._flags, options={OPT_MESSAGE_TYPE: bytes((kind,)), **options, **wanted},
        )  # fmt: skip
        self._crowd.carrier.send(message, ciaddr, server)

    def _after(self, seconds: float, what: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, what)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Population:
    """All simulated clients, their comings and goings."""

    def __init__(self, carrier: Carrier, ledger: Ledger) -> None:
        self.carrier = carrier
        self.ledger = ledger
        self.clients: dict[bytes, Client] = {}
        self.arriving = 0
        """How many clients are still to arrive."""
        self.arrivals_per_s = 0.0
        self.departures_per_s = 0.0
        self.left = 0
        """How many have left, with a word or without."""
        self._number = 0
        carrier.start(self._deliver)

    @property
    def holding(self) -> int:
        """How many clients have an address."""
        kept = (Phase.BOUND, Phase.RENEWING, Phase.REBINDING)
        return sum(client.phase in kept for client in self.clients.values())

    @property
    def renewing(self) -> int:
        """How many clients wait for an answer to a renewal."""
        return sum(client.phase in (Phase.RENEWING, Phase.REBINDING) for client in self.clients.values())

    @property
    def waiting(self) -> int:
        """How many clients have been without an address for more than a second."""
        return sum(client.waits for client in self.clients.values())

    def expect(self, count: int, per_s: float) -> None:
        """Let ``count`` more clients arrive, ``per_s`` a second."""
        self.arriving += count
        self.arrivals_per_s = per_s

    async def live(self) -> None:
        """Let clients come and go, until cancelled."""
        due_in = due_out = 0.0
        before = time.monotonic()
        while True:
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            passed, before = now - before, now
            due_in += self.arrivals_per_s * passed
            due_out += self.departures_per_s * passed
            while due_in >= 1:
                due_in -= 1
                if self.arriving:
                    self.arriving -= 1
                    self._arrive()
            while due_out >= 1:
                due_out -= 1
                self._depart()

    def _arrive(self) -> None:
        self._number += 1
        client = Client(self._number, self)
        self.clients[client.mac] = client
        client.arrive()

    def _depart(self) -> None:
        bound = [client for client in self.clients.values() if client.phase is Phase.BOUND]
        if bound:
            client = random.choice(bound)
            client.leave(release=random.random() < 0.5)
            del self.clients[client.mac]
            self.left += 1

    def _deliver(self, message: Message) -> None:
        client = self.clients.get(message.chaddr)
        if client is not None:
            client.hear(message)
