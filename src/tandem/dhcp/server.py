"""The server side of RFC 2131: what each client message leads to.

Decides on the lease book under the powers that failover gives; every reply that promises something follows the
save of what it promises. Does not know failover states, sockets or clocks. ``handle`` never raises on any bytes.
Source: RFC 2131 section 4.3; RFC 3046, 3011, 3527, 5107, 6842, 8357; SYSTEM S3, S4.3, S4.5.
"""

from __future__ import annotations

from struct import Struct

from tandem.base.errors import WireError
from tandem.base.io import Datagram, Effect, Note, Reply
from tandem.base.ipv4 import BROADCAST, format_hardware, format_ipv4
from tandem.base.units import FOREVER
from tandem.config.compiled import CompiledScope, Network, ServerConfig
from tandem.dhcp.assembly import OptionCache, kept_options
from tandem.lease.binding import (
    ABANDONED,
    ACTIVE,
    BOOTP_FLAG,
    EXPIRED,
    FREE,
    RELEASED,
    Binding,
    client_key,
)
from tandem.lease.book import Book, Offer
from tandem.lease.powers import ANSWER_ALL, ANSWER_NONE, ANSWER_RENEWALS, STANDALONE, Powers
from tandem.wire.dhcp import (
    ACK,
    BROADCAST_FLAG,
    DECLINE,
    DISCOVER,
    INFORM,
    NAK,
    OFFER,
    RELEASE,
    REQUEST,
    Message,
    decode,
    encode_reply,
    pack_option,
    relay_suboptions,
    reply_limit,
)

NAMES = {DISCOVER: "discover", OFFER: "offer", REQUEST: "request", DECLINE: "decline", ACK: "ack", NAK: "nak",
         RELEASE: "release", INFORM: "inform", 0: "bootp"}  # fmt: skip
SERVER_PORT, CLIENT_PORT = 67, 68
_LINK_SELECTION, _SERVER_OVERRIDE, _RELAY_PORT = 5, 11, 19
_LEASE_TIMES = Struct("!BBIBBIBBIBBI")
_REPEAT_S = 10.0
"""At most one summary line about dropped requests in this time."""
_NO_BYTES = b""
_CLIENT_ID_BYTES = 255
"""A longer client identifier (RFC 3396 allows it) would not fit beside its binding into a BNDUPD."""


class Context:
    """One request and what is known about it."""

    __slots__ = ("datagram", "key", "network", "now", "powers", "relay", "request", "server_id")

    def __init__(self, now: float, datagram: Datagram, request: Message, network: Network, powers: Powers) -> None:
        self.now = now
        self.datagram = datagram
        self.request = request
        self.network = network
        self.powers = powers
        self.key = client_key(request.client_id, request.hardware)
        self.relay: dict[int, bytes] | None = None
        self.server_id = datagram.interface.address


class DhcpServer:
    """Answers clients out of a lease book."""

    def __init__(self, config: ServerConfig, book: Book) -> None:
        self.book = book
        self.counters: dict[str, int] = {f"received-{name}": 0 for name in NAMES.values()}
        for name in ("offer", "ack", "nak", "bootp"):
            self.counters[f"sent-{name}"] = 0
        for reason in ("invalid", "no-network", "failover", "no-address", "not-for-us", "not-served"):
            self.counters[f"dropped-{reason}"] = 0
        self._cache = OptionCache()
        self._dropped = 0
        self._dropped_said = float("-inf")
        self.powers: list[Powers] = [STANDALONE]
        self._renewals_only = False
        self.configure(config)

    def configure(self, config: ServerConfig) -> None:
        """Take a (new) configuration."""
        self.config = config
        self._cache.clear()
        self._log_packets = "incoming-packets" in config.log_settings
        self._log_drops = "failover-detail" in config.log_settings
        self.set_powers(self.powers)

    def set_powers(self, powers: list[Powers]) -> None:
        """Take the powers of no endpoint (0) and of each endpoint (its number)."""
        self.powers = powers
        networks = self.config.networks
        self._renewals_only = bool(networks) and all(
            n.endpoint and n.endpoint < len(powers) and powers[n.endpoint].answer == ANSWER_RENEWALS for n in networks
        )

    # --- the way in -------------------------------------------------------------------------------------

    def handle(self, now: float, d: Datagram, out: list[Effect]) -> None:
        """Take one datagram and append the saves and replies that it leads to."""
        data = d.data
        if self._renewals_only and len(data) > 242 and data[240] == 53 and data[12:16] == b"\0\0\0\0":
            kind = data[242]  # a message for the main, told apart without reading it (the usual case on a backup)
            if kind == DISCOVER or kind == REQUEST:
                self.counters["received-discover" if kind == DISCOVER else "received-request"] += 1
                self._drop_for_partner(now, kind, data[28:34], self.powers[self.config.networks[0].endpoint], out)
                return
        try:
            request = decode(data)
        except WireError as error:
            self.counters["dropped-invalid"] += 1
            text = f"Dropped an invalid packet from {format_ipv4(d.source)}: {error}"
            out.append(Note("Warning", "Protocol", 5100, text, "no-invalid-packets"))
            return
        kind = request.kind
        if request.op != 1 or kind not in _HANDLERS or len(request.client_id) > _CLIENT_ID_BYTES:
            self.counters["dropped-invalid"] += 1
            return
        self.counters["received-" + NAMES[kind]] += 1
        network, relay = self._network(request, d)
        if network is None:
            self.counters["dropped-no-network"] += 1
            where = request.giaddr or request.ciaddr or d.interface.address
            text = f"Dropped a packet of {format_hardware(request.hardware)}: no scope holds {format_ipv4(where)}"
            out.append(Note("Warning", "Protocol", 5101, text, "no-dropped-dhcp-packets"))
            return
        powers = self.powers[network.endpoint]
        context = Context(now, d, request, network, powers)
        if relay is not None:
            context.relay = relay
            override = relay.get(_SERVER_OVERRIDE)
            if override is not None and len(override) == 4:
                context.server_id = int.from_bytes(override, "big")
        if powers.answer != ANSWER_ALL and not self._may_answer(request, kind, powers):
            self._drop_for_partner(now, kind, request.chaddr, powers, out)
            return
        _HANDLERS[kind](self, context, out)

    def _network(self, request: Message, d: Datagram) -> tuple[Network | None, dict[int, bytes] | None]:
        """Find the LAN segment (RFC 3527, RFC 3011, giaddr, ciaddr, interface) and read option 82."""
        config, relay = self.config, None
        information = request.options.get(82)
        if information is not None:
            try:
                relay = relay_suboptions(information)
            except WireError:
                relay = {}
            link = relay.get(_LINK_SELECTION)
            if link is not None and len(link) == 4:
                return config.network_for(int.from_bytes(link, "big")), relay
        subnet = request.options.get(118)
        if subnet is not None and len(subnet) == 4:
            return config.network_for(int.from_bytes(subnet, "big")), relay
        if request.giaddr:
            return config.network_for(request.giaddr), relay
        if request.ciaddr:
            network = config.network_for(request.ciaddr)
            if network is not None:
                return network, relay
        return config.network_for(d.interface.address), relay

    @staticmethod
    def _may_answer(request: Message, kind: int, powers: Powers) -> bool:
        """Whether a server that answers renewals only (or nobody) may act on this message (draft section 9.8.2)."""
        if powers.answer == ANSWER_NONE:
            return False
        if kind == REQUEST:
            return request.ciaddr != 0 and 54 not in request.options and 50 not in request.options
        return kind == RELEASE or kind == DECLINE

    def _drop_for_partner(self, now: float, kind: int, chaddr: bytes, powers: Powers, out: list[Effect]) -> None:
        """Count, and say now and then (or each time, with failover-detail), that the partner answers this."""
        self.counters["dropped-failover"] += 1
        self._dropped += 1
        if self._log_drops:
            text = f"Dropped DHCP{NAMES[kind].upper()} of {chaddr.hex(':')}: {powers.why}"
            out.append(Note("Info", "Failover", 6201, text, "failover-detail"))
        elif now >= self._dropped_said + _REPEAT_S:
            out.append(Note("Info", "Failover", 6200, f"Dropped {self._dropped} requests: {powers.why}",
                            "no-failover-activity"))  # fmt: skip
            self._dropped_said = now
            self._dropped = 0

    # --- DISCOVER ---------------------------------------------------------------------------------------

    def _discover(self, c: Context, out: list[Effect]) -> None:
        """RFC 2131 section 4.3.1: offer its reservation, lease, last address, wish, or a new one."""
        offer = self._offer(c)
        if offer is None:
            self.counters["dropped-no-address"] += 1
            self._say_exhausted(c, out)
            return
        self._reply(c, OFFER, offer.scope, out, yiaddr=offer.address, lease_s=offer.lease_s)

    def _offer(self, c: Context) -> Offer | None:
        book, key, now, powers = self.book, c.key, c.now, c.powers
        previous = book.find(c.network, key)
        for address in self._candidates(c, previous):
            scope = self.config.scope_of(c.network, address)
            if scope is None or scope.deactivated:
                continue
            binding = book.by_address.get(address)
            held = binding is not None and binding is previous and binding.status == ACTIVE
            if held and binding is not None and self._reserved_elsewhere(scope, address, key):
                continue
            if not held and (scope.renew_only or not book.may_give(scope, address, key, powers, now)):
                continue
            lease_s = powers.lease_seconds(binding, self._desired(scope, c.request), int(now))
            if lease_s <= 0:
                continue
            if held:
                return Offer(address, key, scope, 0, lease_s)  # its own lease: nothing to set aside
            return book.set_aside(scope, address, key, now, now + scope.policy.offer_s, lease_s)
        for scope in c.network.scopes:
            if scope.deactivated or scope.renew_only:
                continue
            lease_s = powers.lease_seconds(None, self._desired(scope, c.request), int(now))
            offer = book.choose(scope, key, powers, now, now + scope.policy.offer_s, lease_s)
            if offer is not None:
                return offer
        return None

    def _candidates(self, c: Context, previous: Binding | None) -> list[int]:
        """Addresses to try before any other, best first."""
        key, candidates = c.key, []
        for scope in c.network.scopes:
            reservation = scope.reservations.get(key)
            if reservation is not None:
                candidates.append(reservation.address)
        if previous is not None:
            candidates.append(previous.address)
        offer = self.book.offer_to(c.network, key)
        if offer is not None:
            candidates.append(offer.address)
        wish = c.request.options.get(50)
        if wish is not None and len(wish) == 4:
            candidates.append(int.from_bytes(wish, "big"))
        return candidates

    @staticmethod
    def _reserved_elsewhere(scope: CompiledScope, address: int, key: bytes) -> bool:
        """Whether the address is reserved for another client, or the client has another address reserved."""
        reservation = scope.reserved.get(address)
        if reservation is not None:
            return reservation.key != key
        own = scope.reservations.get(key)
        return own is not None and own.address != address

    def _say_exhausted(self, c: Context, out: list[Effect]) -> None:
        names = ", ".join(scope.name for scope in c.network.scopes)
        mine = sum(self.book.pools[s.index].side(c.powers.own).size for s in c.network.scopes)
        theirs = sum(self.book.pools[s.index].side(8 - c.powers.own).size for s in c.network.scopes)
        cure = "add a range"
        if c.network.endpoint and theirs:
            cure = f"{theirs} addresses are the partner's; increase failover-backup-percentage or see getRelatedServers"
        text = f"No address for {format_hardware(c.request.hardware)} in {names} ({mine} available): {cure}"
        out.append(Note("Warning", "Protocol", 5130, text))

    # --- REQUEST ----------------------------------------------------------------------------------------

    def _request(self, c: Context, out: list[Effect]) -> None:
        """RFC 2131 section 4.3.2: selecting, init-reboot, renewing or rebinding."""
        options = c.request.options
        server = options.get(54)
        if server is not None:
            self._selecting(c, int.from_bytes(server, "big"), out)
        elif c.request.ciaddr:
            self._renewing(c, out)
        else:
            self._init_reboot(c, out)

    def _selecting(self, c: Context, server: int, out: list[Effect]) -> None:
        """The client answers an offer: ours, or another server's."""
        book = self.book
        if server != c.server_id:
            book.withdraw(c.network, c.key)
            self.counters["dropped-not-for-us"] += 1
            return
        wish = c.request.options.get(50)
        address = int.from_bytes(wish, "big") if wish is not None else c.request.ciaddr
        offer = book.offer_to(c.network, c.key)
        if offer is not None and offer.address == address:
            self._grant(c, offer.scope, book.take_offer(offer), out)
            return
        scope = self.config.scope_of(c.network, address)
        if scope is None or scope.deactivated:
            self._nak(c, "the address is not on this network", out)
            return
        binding = book.by_address.get(address)
        if binding is not None and binding.status == ACTIVE and self._holds(binding, c):
            if self._reserved_elsewhere(scope, address, c.key):
                self._nak(c, "another address is reserved for this client", out)
            else:
                self._grant(c, scope, binding, out)
        elif not scope.renew_only and book.may_give(scope, address, c.key, c.powers, c.now):
            self._grant(c, scope, self._claim(c, scope, address), out)  # the offer ran out, but the address is free
        else:
            self._nak(c, "the address is not available any more", out)

    def _claim(self, c: Context, scope: CompiledScope, address: int) -> Binding:
        offer = self.book.set_aside(scope, address, c.key, c.now, c.now + 1, 0)
        return self.book.take_offer(offer)

    @staticmethod
    def _holds(binding: Binding, c: Context) -> bool:
        return client_key(binding.client_id, binding.hardware) == c.key

    def _init_reboot(self, c: Context, out: list[Effect]) -> None:
        """The client remembers an address: right, wrong, or unknown to us (then silence)."""
        wish = c.request.options.get(50)
        if wish is None or len(wish) != 4:
            self.counters["dropped-invalid"] += 1
            return
        address = int.from_bytes(wish, "big")
        scope = self.config.scope_of(c.network, address)
        if scope is None:
            self._nak(c, "the address is not on this network", out)
            return
        known = self.book.find(c.network, c.key)
        if known is None or known.status != ACTIVE:
            self.counters["dropped-not-served"] += 1
            return
        if known.address != address or scope.deactivated or self._reserved_elsewhere(scope, address, c.key):
            self._nak(c, "this client has another address", out)
            return
        self._grant(c, scope, known, out)

    def _renewing(self, c: Context, out: list[Effect]) -> None:
        """Extend the lease; say no where the address is another's or may not be kept; else silence."""
        book, address = self.book, c.request.ciaddr
        scope = self.config.scope_of(c.network, address)
        if scope is None:
            self._nak(c, "the address is not on this network", out)
            return
        binding = book.by_address.get(address)
        if binding is None:
            self.counters["dropped-not-served"] += 1
            return
        if not self._holds(binding, c):
            if binding.status == ACTIVE:
                self._nak(c, "the address is leased to another client", out)
            else:
                self.counters["dropped-not-served"] += 1
            return
        if scope.deactivated or self._reserved_elsewhere(scope, address, c.key):
            self._nak(c, "this address may not be kept", out)
        elif binding.status == ACTIVE or (c.powers.answer == ANSWER_ALL and self._may_take_back(c, scope, binding)):
            self._grant(c, scope, binding, out)
        else:
            self.counters["dropped-not-served"] += 1

    def _may_take_back(self, c: Context, scope: CompiledScope, binding: Binding) -> bool:
        """Whether the last client may have its ended lease again (draft section 5.2.2)."""
        if binding.status == EXPIRED or binding.status == RELEASED:
            return not binding.queued and not c.powers.connected  # the partner has not been told yet
        if binding.status == ABANDONED or not self.book.may_give(scope, binding.address, c.key, c.powers, c.now):
            return False
        self._claim(c, scope, binding.address)
        return True

    # --- granting ---------------------------------------------------------------------------------------

    @staticmethod
    def _desired(scope: CompiledScope, request: Message) -> int:
        policy = scope.policy
        if policy.permanent:
            return FOREVER
        if policy.allow_lease_time_override:
            wish = request.options.get(51)
            if wish is not None:
                return min(max(int.from_bytes(wish, "big"), 1), policy.lease_s)
        return policy.lease_s

    def _grant(self, c: Context, scope: CompiledScope, binding: Binding, out: list[Effect]) -> None:
        """Make the lease, store it, and acknowledge it, in this order (invariant 1)."""
        book, request, powers = self.book, c.request, c.powers
        moment = int(c.now)
        desired = self._desired(scope, request)
        given = powers.lease_seconds(binding, desired, moment)
        if given <= 0:
            self.counters["dropped-not-served"] += 1
            return
        if binding.status == ACTIVE and self._deferred(binding, given, desired, moment):
            left = binding.expires - moment
            self._reply(c, ACK, scope, out, yiaddr=binding.address, lease_s=left)
            return
        book.set_client(binding, request.hardware, request.client_id)
        binding.expires = FOREVER if given == FOREVER else moment + given
        binding.last_transaction = moment
        binding.granted_by = 1
        binding.flags &= ~BOOTP_FLAG
        binding.options = kept_options(request)
        potential = powers.potential(given, desired, moment)
        if potential > binding.sent_potential:
            binding.sent_potential = potential
        book.set_status(binding, ACTIVE, moment)
        book.save(binding, out)
        if self._log_packets:
            by = " (limited by the MCLT)" if given < desired else ""
            text = f"Leased {format_ipv4(binding.address)} to {format_hardware(request.hardware)} for {given} s{by}"
            out.append(Note("Info", "Protocol", 5001, text, "no-success-messages"))
        self._reply(c, ACK, scope, out, yiaddr=binding.address, lease_s=given)

    def _deferred(self, binding: Binding, given: int, desired: int, moment: int) -> bool:
        """Whether a renewal before half time gets the rest of its lease, without a save (defer-lease-extensions).

        Not when the lease was shortened, so that a longer one can be given now.
        """
        if not self.config.defer_lease_extensions or binding.expires == FOREVER or binding.granted_by != 1:
            return False
        had = binding.expires - binding.last_transaction
        return had >= given and binding.expires - moment > given // 2

    def _nak(self, c: Context, why: str, out: list[Effect]) -> None:
        """RFC 2131 section 4.3.2: broadcast, also through a relay."""
        self.book.withdraw(c.network, c.key)
        self.counters["sent-nak"] += 1
        options = pack_option(54, c.server_id.to_bytes(4, "big")) + pack_option(56, why.encode())
        options += self._echoes(c.request)
        request = c.request
        flags = BROADCAST_FLAG if request.giaddr else 0
        self._send(c, encode_reply(request, NAK, options=options, flags=flags), BROADCAST, _NO_BYTES, out)
        text = f"Refused {format_hardware(request.hardware)}: {why}"
        out.append(Note("Info", "Protocol", 5010, text, "no-dropped-dhcp-packets"))

    @staticmethod
    def _echoes(request: Message) -> bytes:
        """The client identifier (RFC 6842) and, last, the relay agent's information (RFC 3046)."""
        options = request.options
        echoed = pack_option(61, options[61]) if 61 in options else _NO_BYTES
        if 82 in options:
            echoed += pack_option(82, options[82])
        return echoed

    def _reply(
        self, c: Context, kind: int, scope: CompiledScope, out: list[Effect], *, yiaddr: int, lease_s: int | None
    ) -> None:
        """Assemble an OFFER or ACK (RFC 2131 table 3) and send it where section 4.1 says."""
        request, policy = c.request, scope.policy
        self.counters["sent-offer" if kind == OFFER else "sent-ack" if kind else "sent-bootp"] += 1
        if lease_s is None:
            options = pack_option(54, c.server_id.to_bytes(4, "big")) if kind else _NO_BYTES
        elif lease_s == FOREVER:
            options = pack_option(54, c.server_id.to_bytes(4, "big")) + b"\x33\x04\xff\xff\xff\xff"
        else:
            options = _LEASE_TIMES.pack(
                54, 4, c.server_id, 51, 4, lease_s, 58, 4, lease_s // 2, 59, 4, lease_s * 7 // 8
            )  # fmt: skip
        options += self._cache.tail(scope, request.options.get(55, _NO_BYTES)) + self._echoes(request)
        limit = reply_limit(request)
        try:
            data = encode_reply(
                request, kind, yiaddr=yiaddr, ciaddr=request.ciaddr if kind == ACK else 0, siaddr=policy.siaddr,
                options=options, sname=policy.server_name, file=policy.file_name, max_size=limit,
            )  # fmt: skip
        except ValueError as error:
            text = f"The reply to {format_hardware(request.hardware)} does not fit: {error}; shorten its options"
            out.append(Note("Error", "Protocol", 5131, text))
            return
        if request.ciaddr and not request.giaddr:
            self._send(c, data, request.ciaddr, _NO_BYTES, out)
        elif request.flags & BROADCAST_FLAG:
            self._send(c, data, BROADCAST, _NO_BYTES, out)
        else:
            self._send(c, data, yiaddr, request.hardware, out)

    @staticmethod
    def _send(c: Context, data: bytes, destination: int, hardware: bytes, out: list[Effect]) -> None:
        """Send to the relay if there is one, else to ``destination`` (RFC 2131 section 4.1, RFC 8357)."""
        d, giaddr = c.datagram, c.request.giaddr
        if giaddr:
            port = d.port if c.relay is not None and _RELAY_PORT in c.relay else SERVER_PORT
            out.append(Reply(data, giaddr, port, d.interface))
        else:
            out.append(Reply(data, destination, CLIENT_PORT, d.interface, hardware))

    # --- the rest ---------------------------------------------------------------------------------------

    def _release(self, c: Context, out: list[Effect]) -> None:
        """RFC 2131 section 4.3.4. With a partner the address waits for its agreement."""
        binding = self.book.by_address.get(c.request.ciaddr)
        if binding is None or binding.status != ACTIVE or not self._holds(binding, c):
            self.counters["dropped-not-served"] += 1
            return
        moment = int(c.now)
        binding.expires = moment
        binding.last_transaction = moment
        self.book.set_status(binding, RELEASED if c.network.endpoint else FREE, moment)
        self.book.save(binding, out)
        if self._log_packets:
            text = f"{format_hardware(c.request.hardware)} released {format_ipv4(binding.address)}"
            out.append(Note("Info", "Protocol", 5002, text, "no-success-messages"))

    def _decline(self, c: Context, out: list[Effect]) -> None:
        """RFC 2131 section 4.3.3: the client found the address in use."""
        wish = c.request.options.get(50)
        server = c.request.options.get(54)
        if wish is None or len(wish) != 4 or (server is not None and int.from_bytes(server, "big") != c.server_id):
            self.counters["dropped-not-for-us"] += 1
            return
        address = int.from_bytes(wish, "big")
        scope = self.config.scope_of(c.network, address)
        binding = self.book.by_address.get(address)
        if scope is None or binding is None or binding.status != ACTIVE or not self._holds(binding, c):
            self.counters["dropped-not-served"] += 1
            return
        moment = int(c.now)
        self.book.set_client(binding, b"", b"")
        binding.expires = moment + scope.policy.unavailable_s
        self.book.set_status(binding, ABANDONED, moment)
        self.book.save(binding, out)
        text = f"{format_hardware(c.request.hardware)} declined {format_ipv4(address)}: another host uses it; it is"
        text += f" unavailable for {scope.policy.unavailable_s} s (find that host, or lease {format_ipv4(address)}"
        out.append(Note("Warning", "Protocol", 5140, text + " force-available)"))

    def _inform(self, c: Context, out: list[Effect]) -> None:
        """RFC 2131 section 4.3.5: options only, no lease."""
        address = c.request.ciaddr or c.datagram.source
        scope = self.config.scope_of(c.network, address) or c.network.scopes[0]
        self._reply(c, ACK, scope, out, yiaddr=0, lease_s=None)

    def _bootp(self, c: Context, out: list[Effect]) -> None:
        """Static BOOTP: a reserved address, for good (S3.6)."""
        for scope in c.network.scopes:
            reservation = scope.reservations.get(c.key)
            if reservation is None or scope.deactivated:
                continue
            if not self.book.may_give(scope, reservation.address, c.key, c.powers, c.now):
                binding = self.book.by_address.get(reservation.address)
                if binding is None or binding.status != ACTIVE or not self._holds(binding, c):
                    continue
            else:
                binding = self._claim(c, scope, reservation.address)
            moment = int(c.now)
            self.book.set_client(binding, c.request.hardware, c.request.client_id)
            binding.flags |= BOOTP_FLAG
            binding.expires = FOREVER
            binding.last_transaction, binding.granted_by = moment, 1
            binding.sent_potential = FOREVER if c.powers.connected else binding.sent_potential
            self.book.set_status(binding, ACTIVE, moment)
            self.book.save(binding, out)
            self._reply(c, 0, scope, out, yiaddr=reservation.address, lease_s=None)
            return
        self.counters["dropped-not-served"] += 1


_HANDLERS = {
    0: DhcpServer._bootp,
    DISCOVER: DhcpServer._discover,
    REQUEST: DhcpServer._request,
    DECLINE: DhcpServer._decline,
    RELEASE: DhcpServer._release,
    INFORM: DhcpServer._inform,
}
