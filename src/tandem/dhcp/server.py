"""The server side of RFC 2131: what each client message leads to.

Decides on the lease book under the powers that failover gives; every reply that promises something follows the
save of what it promises. Does not know failover states, sockets or clocks. ``handle`` never raises on any bytes.
Source: RFC 2131 section 4.3; RFC 3046, 3011, 3527, 5107, 6842, 8357; SYSTEM S3, S4.3, S4.5.
"""

from __future__ import annotations

from typing import Final

from tandem.base.errors import WireError
from tandem.base.io import Datagram, Effect, Note, Probed
from tandem.base.ipv4 import format_hardware, format_ipv4
from tandem.base.units import FOREVER
from tandem.config.compiled import ServerConfig
from tandem.dhcp import journal as lines
from tandem.dhcp.choice import Choice
from tandem.dhcp.cures import why_no_address, why_no_bootp_address
from tandem.dhcp.grant import Leases, desired_seconds, lease_seconds
from tandem.dhcp.journal import RECEIVED, Journal
from tandem.dhcp.limitation import within_limit
from tandem.dhcp.probes import Probes
from tandem.dhcp.quarantine import abandon
from tandem.dhcp.query import Query
from tandem.dhcp.replies import Replies
from tandem.lease.binding import ABANDONED, ACTIVE, BOOTP_FLAG
from tandem.lease.book import Book
from tandem.lease.loadbalance import ALL_BUCKETS, bucket
from tandem.lease.powers import ANSWER_ALL, ANSWER_NONE, STANDALONE, Powers
from tandem.wire.dhcp import (
    ACK,
    BOOTREQUEST,
    DECLINE,
    DISCOVER,
    INFORM,
    KIND_NAMES,
    OFFER,
    OPT_MESSAGE_TYPE,
    OPT_RELAY_INFO,
    OPT_REQUESTED_ADDRESS,
    OPT_SERVER_ID,
    RELEASE,
    REQUEST,
    decode,
)

CLIENT_ID_MAX: Final = 255
"""A longer client identifier (RFC 3396 would allow it) does not fit into an update to the partner."""
RELAY_INFO_MAX: Final = 1024
"""A longer option 82 could not be returned in one datagram of ordinary size."""
_NO_ADDRESS = b"\0\0\0\0"
_CHOSEN_MAX = 32


class DhcpServer:
    """Answers clients out of a lease book."""

    def __init__(self, config: ServerConfig, book: Book) -> None:
        self.book = book
        self.powers: list[Powers] = [STANDALONE]
        self.journal = Journal(config.log_settings)
        self.counters = self.journal.counters
        self.replies = Replies(config, self.journal)
        self.choice = Choice(config, book)
        self.leases = Leases(config, book, self.journal, self.replies)
        self.probes = Probes(config, book, self.journal, self.choice)
        self.addresses: dict[int, None] = {}
        """Our own addresses, as the datagrams' interfaces show them."""
        self._only_renewals: Powers | None = None
        """The powers of all networks if these leave new clients to the partner, else None."""
        self.chosen: dict[tuple[int, int], float] = {}
        """When a client last took another server's offer, by that server and the relay (0: none); of few only."""
        self._exhausted: dict[int, float] = {}
        """When a network may be said again to have no addresses."""
        self.configure(config)

    def configure(self, config: ServerConfig) -> None:
        """Take a (new) configuration."""
        self.config = config
        self.journal.configure(config.log_settings)
        self.replies.configure(config)
        self.choice.config = self.leases.config = self.probes.config = config
        self._exhausted.clear()
        self.set_powers(self.powers)

    def set_powers(self, powers: list[Powers]) -> None:
        """Take the powers of no endpoint (index 0) and of each endpoint (its number)."""
        self.powers = powers
        mine = [powers[n.endpoint] for n in self.config.networks if n.endpoint < len(powers)]
        first = mine[0] if mine else None
        alike = first is not None and len(mine) == len(self.config.networks) and all(p is first for p in mine)
        self._only_renewals = first if alike and first is not None and first.answer != ANSWER_ALL else None

    # --- the way in -------------------------------------------------------------------------------------

    def handle(self, now: float, d: Datagram, out: list[Effect]) -> None:
        """Take one datagram and append the saves and replies that it leads to."""
        data = d.data
        counters = self.counters
        if self._only_renewals is not None and data[240:242] == b"\x35\x01" and data[12:16] == _NO_ADDRESS:
            # The usual packet on a backup in NORMAL: a message for the main, told apart without reading it.
            kind = data[242] if len(data) > 242 else 0
            if (kind == DISCOVER or kind == REQUEST) and data[0] == BOOTREQUEST:
                counters["received-discover" if kind == DISCOVER else "received-request"] += 1
                hardware = data[1:2] + data[28 : 28 + min(data[2], 16)]
                self.journal.left_to_partner(now, KIND_NAMES[kind], hardware, self._only_renewals.why, out)
                return
        try:
            message = decode(data)
        except WireError as error:
            self._invalid(now, d, str(error), out)
            return
        if message.op != BOOTREQUEST:
            counters["dropped-server-message"] += 1
            return
        kind = message.kind if OPT_MESSAGE_TYPE in message.options else 0
        client_id = message.client_id
        if len(client_id) > CLIENT_ID_MAX or not (client_id or message.chaddr):
            self._invalid(now, d, "the client has no hardware address, or an identifier over 255 bytes", out)
            return
        if OPT_RELAY_INFO in message.options and len(message.options[OPT_RELAY_INFO]) > RELAY_INFO_MAX:
            self._invalid(now, d, f"option 82 is over {RELAY_INFO_MAX} bytes", out)
            return
        counters[RECEIVED[kind] if kind <= INFORM else "received-other"] += 1
        handler = _HANDLERS.get(kind)
        if handler is None:
            counters["dropped-server-message" if kind in (2, 5, 6) else "dropped-not-served"] += 1
            return
        query = Query(now, d, message, client_id, out)
        if self._placed(query, kind):
            handler(self, query)

    def probed(self, now: float, event: Probed, out: list[Effect]) -> None:
        """Go on with the request that waited for a ping, if it is still this server's to answer."""
        query = self.probes.take(event.address)
        if query is None:
            return
        query.resume(now, out)
        kind = 0 if query.bootp else DISCOVER
        if self._placed(query, kind):
            self.probes.learn(query, event.address, event.answered)
            _HANDLERS[kind](self, query)

    def _placed(self, query: Query, kind: int) -> bool:
        """Find out where the request comes from and who sent it; return whether this server is to answer it."""
        network = query.find_network(self.config)
        if network is None:
            self._no_network(query)
            return False
        query.network = network
        query.powers = powers = self.powers[network.endpoint]
        if self.config.clients is not None:
            options = query.options
            query.profile = self.config.clients.find(query.client_id, query.hardware, options, query.now)
            if query.profile is not None and query.profile.refused and kind not in (RELEASE, DECLINE):
                self._excluded(query)
                return False
            limited = kind in (0, DISCOVER, REQUEST)
            if limited and not within_limit(self.book, self.config.clients, query, self.journal):
                return False
        if self.config.giaddr_as_server_id and query.message.giaddr:
            self._through_relay(query)
        here = query.datagram.interface.address
        if here not in self.addresses:
            self.addresses[here] = None
        if powers.answer != ANSWER_ALL and not self._may_answer(query, kind):
            self.journal.left_to_partner(query.now, KIND_NAMES[kind], query.hardware, powers.why, query.out)
            return False
        if powers.buckets != ALL_BUCKETS and self._is_partners_client(query, kind):
            self.counters["dropped-load-balancing"] += 1
            self.journal.left_to_partner(query.now, KIND_NAMES[kind], query.hardware, powers.why, query.out)
            return False
        return True

    def _through_relay(self, query: Query) -> None:
        """Take the relay's address for the server's, where giaddr-as-server-id says so; RFC 5107's counts before."""
        giaddr, network = query.message.giaddr, query.network
        scope = self.config.scope_of(network, giaddr) or network.scopes[0]
        if not query.override and query.policy(scope, 0).giaddr_as_server_id:
            query.server_id = giaddr
            query.override = True

    @staticmethod
    def _may_answer(query: Query, kind: int) -> bool:
        """Whether a server that answers renewals only (or nobody) acts on this message (draft section 9.8.2)."""
        if query.powers.answer == ANSWER_NONE:
            return False
        if kind == REQUEST:
            options = query.options
            return query.message.ciaddr != 0 and OPT_SERVER_ID not in options and OPT_REQUESTED_ADDRESS not in options
        return kind == RELEASE or kind == DECLINE

    def _is_partners_client(self, query: Query, kind: int) -> bool:
        """Whether load balancing leaves this message to the partner (RFC 3074; draft sections 5.3 and 5.5).

        Not what was said to this server, nor renewals; and nobody is left to a partner that has nothing to give, or
        for longer than the delay. With a server identifier that both share (RFC 5107) the bucket tells who was meant.
        """
        powers, message, options = query.powers, query.message, query.options
        if kind == RELEASE or kind == DECLINE:
            return False
        if kind == REQUEST:
            if OPT_SERVER_ID in options:
                if not query.override:
                    return False
            elif OPT_REQUESTED_ADDRESS not in options:
                return False
        if powers.buckets >> bucket(query.client_id, query.hardware) & 1:
            return False
        if 0 < powers.balance_delay_s < message.secs:
            return False
        theirs = powers.theirs
        usable = (scope for scope in query.network.scopes if query.profile is None or query.profile.fits(scope))
        return any(self.book.pools[scope.index].side(theirs).size for scope in usable)

    def _invalid(self, now: float, d: Datagram, why: str, out: list[Effect]) -> None:
        self.counters["dropped-invalid"] += 1
        if self.journal.invalid and self.journal.room(now, out):
            text = f"Dropped an invalid packet from {format_ipv4(d.source)}: {why}"
            out.append(Note("Warning", "Protocol", lines.INVALID, text, "no-invalid-packets"))

    def _no_network(self, query: Query) -> None:
        self.counters["dropped-no-network"] += 1
        if self.journal.drops and self.journal.room(query.now, query.out):
            message = query.message
            at = message.giaddr or message.ciaddr or query.datagram.interface.address
            text = (
                f"Dropped a packet of {format_hardware(query.hardware)}: no scope holds {format_ipv4(at)} or what its"
                " relay or subnet selection names (create a scope for it if its clients are to be served)"
            )
            query.out.append(Note("Warning", "Protocol", lines.DROPPED, text, "no-dropped-dhcp-packets"))

    def _excluded(self, query: Query) -> None:
        self.counters["dropped-excluded"] += 1
        if self.journal.drops and self.journal.room(query.now, query.out):
            text = f"Dropped a packet of {format_hardware(query.hardware)}: its client entry has the action exclude"
            query.out.append(Note("Info", "Protocol", lines.DROPPED, text, "no-dropped-dhcp-packets"))

    def _names_us(self, query: Query, server: bytes) -> bool:
        address = int.from_bytes(server, "big")
        return address == query.server_id or address in self.addresses

    # --- DISCOVER ---------------------------------------------------------------------------------------

    def _discover(self, query: Query) -> None:
        """RFC 2131 section 4.3.1. What is offered is remembered, not stored."""
        pick = self.choice.pick(query)
        if pick is None:
            self._exhaustion(query)
            return
        scope, address, binding = pick
        if binding is None and not self.probes.clear(query, scope, address):
            return
        given = lease_seconds(query, binding, desired_seconds(query, scope, address))
        self.replies.send(query, OFFER, scope, address, given)

    def _exhaustion(self, query: Query) -> None:
        """Nothing can be given to a new client: count it, and say now and then why, and what helps."""
        self.counters["dropped-no-address"] += 1
        network, now = query.network, query.now
        if now < self._exhausted.get(network.index, 0.0):
            return
        self._exhausted[network.index] = now + lines.SUMMARY_S
        text = why_no_address(self.book, query)
        query.out.append(Note("Warning", "Protocol", lines.NO_ADDRESS, text))

    # --- REQUEST ----------------------------------------------------------------------------------------

    def _request(self, query: Query) -> None:
        """RFC 2131 section 4.3.2: which of the four forms it is shows in what it carries (table 4)."""
        server = query.options.get(OPT_SERVER_ID)
        wish = query.options.get(OPT_REQUESTED_ADDRESS)
        ciaddr = query.message.ciaddr
        if server is not None:
            address = int.from_bytes(wish, "big") if wish is not None else ciaddr
            if address:
                self._selecting(query, server, address)
                return
        elif ciaddr:
            self._extending(query, ciaddr)
            return
        elif wish is not None:
            self._init_reboot(query, int.from_bytes(wish, "big"))
            return
        self._invalid(query.now, query.datagram, "a DHCPREQUEST names no address", query.out)

    def _selecting(self, query: Query, server: bytes, address: int) -> None:
        """The client answers an offer: ours, or another server's."""
        book, choice = self.book, self.choice
        if not self._names_us(query, server):
            book.withdraw(query.network, query.key)
            self.counters["dropped-not-for-us"] += 1
            self._note_chosen(int.from_bytes(server, "big"), query.message.giaddr, query.now)
            return
        scope = self.config.scope_of(query.network, address)
        if scope is None:
            self._refuse(query, f"{format_ipv4(address)} is not on this network")
            return
        binding = book.by_address.get(address)
        if binding is not None and choice.runs(query, scope, binding):
            mine = choice.holds(query, binding, scope) and choice.may_keep(query, scope, address)
            if mine and not query.closed(scope):
                self.leases.grant(query, scope, binding)
                return
        elif binding is not None and choice.may_return(query, scope, binding):
            self.leases.grant(query, scope, binding)
            return
        elif choice.may_give(query, scope, address):
            self.leases.grant(query, scope, choice.take(query, scope, address))
            return
        if query.override and query.server_id not in self.addresses:
            # Both servers of a pair answer to the relay's address (RFC 5107): this one was not meant.
            book.withdraw(query.network, query.key)
            self.counters["dropped-not-for-us"] += 1
            return
        self._refuse(query, f"{format_ipv4(address)} is not available to this client any more")

    def _note_chosen(self, server: int, relay: int, now: float) -> None:
        chosen = self.chosen
        if (server, relay) not in chosen and len(chosen) >= _CHOSEN_MAX:
            del chosen[min(chosen, key=lambda key: chosen[key])]
        chosen[server, relay] = now

    def _init_reboot(self, query: Query, address: int) -> None:
        """The client remembers an address: right, wrong, or of a client unknown here (then silence)."""
        choice, network = self.choice, query.network
        scope = self.config.scope_of(network, address)
        if scope is None:
            self._refuse(query, f"{format_ipv4(address)} is not on this network")
            return
        if choice.starts_elsewhere(query, scope, address):
            self._refuse(query, f"{format_ipv4(address)} is not given to this client again when it starts")
            return
        binding = self.book.by_address.get(address)
        if binding is not None and choice.holds(query, binding, scope):
            if not choice.may_keep(query, scope, address) or query.closed(scope):
                self._refuse(query, f"{format_ipv4(address)} may not be kept by this client")
                return
            if choice.runs(query, scope, binding):
                self.leases.extend(query, scope, binding)
                return
            if choice.may_return(query, scope, binding) or choice.may_give(query, scope, address):
                self.leases.grant(query, scope, choice.take(query, scope, address))
                return
        known = self.book.clients.find(network, query.key)
        asked = not scope.endpoint or (query.powers.connected and query.now >= query.powers.own_from)
        if known is None or not asked or choice.is_partners(query, scope, address):
            self.counters["dropped-unknown"] += 1  # the partner may have given it the address
            return
        self._refuse(query, f"this client's address is not {format_ipv4(address)}")

    def _extending(self, query: Query, address: int) -> None:
        """RENEWING or REBINDING: extend, refuse what may not be kept, else silence."""
        choice = self.choice
        scope = self.config.scope_of(query.network, address)
        if scope is None:
            if query.placed_by_relay():
                self._refuse(query, f"{format_ipv4(address)} is not on this network")
            else:
                self.counters["dropped-unknown"] += 1
            return
        if query.policy(scope, address).inhibit_all_renews and address not in scope.reserved:
            self._refuse(query, f"the lease of {format_ipv4(address)} is not extended")
            return
        binding = self.book.by_address.get(address)
        if binding is not None and binding.status == ACTIVE:
            if not choice.holds(query, binding, scope) and query.now < query.powers.own_from:
                self.counters["dropped-unknown"] += 1  # a server that was away for long may know an old holder
            elif not choice.holds(query, binding, scope):
                self._refuse(query, f"{format_ipv4(address)} is leased to another client")
            elif query.closed(scope) or not choice.may_keep(query, scope, address):
                self._refuse(query, f"{format_ipv4(address)} may not be kept by this client")
            else:
                self.leases.extend(query, scope, binding)
        elif query.powers.answer != ANSWER_ALL:
            self.counters["dropped-unknown"] += 1
        elif query.closed(scope) or not choice.may_keep(query, scope, address):
            self._refuse(query, f"{format_ipv4(address)} may not be kept by this client")
        elif binding is not None and binding.status == ABANDONED:
            self._refuse(query, f"{format_ipv4(address)} is in use by an unknown host")
        elif (
            choice.may_give(query, scope, address)
            or (binding is not None and choice.may_return(query, scope, binding))
            or choice.believable(query, scope, address)
        ):
            self.leases.grant(query, scope, choice.take(query, scope, address))
        elif address in self.book.offered or query.powers.has_lost(address, query.key, query.now):
            self._refuse(query, f"{format_ipv4(address)} is not this client's any more")
        else:
            self.counters["dropped-unknown"] += 1

    def _refuse(self, query: Query, why: str) -> None:
        """Send a NAK, if this server is one that answers everybody: the other may know better."""
        if query.powers.answer != ANSWER_ALL:
            self.journal.left_to_partner(query.now, "REQUEST", query.hardware, query.powers.why, query.out)
            return
        self.book.withdraw(query.network, query.key)
        self.replies.refuse(query, why)
        if self.journal.drops and self.journal.room(query.now, query.out):
            text = f"Refused {format_hardware(query.hardware)}: {why}"
            query.out.append(Note("Info", "Protocol", lines.REFUSED, text, "no-dropped-dhcp-packets"))

    # --- the rest ---------------------------------------------------------------------------------------

    def _release(self, query: Query) -> None:
        """RFC 2131 section 4.3.4. With a partner the address waits for its agreement."""
        server = query.options.get(OPT_SERVER_ID)
        if server is not None and not self._names_us(query, server):
            self.counters["dropped-not-for-us"] += 1
            return
        scope = self.config.scope_of(query.network, query.message.ciaddr)
        binding = self.book.by_address.get(query.message.ciaddr)
        if scope is None or binding is None or binding.status != ACTIVE or not self.choice.holds(query, binding, scope):
            self.counters["dropped-unknown"] += 1
            return
        self.leases.release(query, scope, binding)

    def _decline(self, query: Query) -> None:
        """RFC 2131 section 4.3.3: the client found its address in use; nobody gets it for a while."""
        wish, server = query.options.get(OPT_REQUESTED_ADDRESS), query.options.get(OPT_SERVER_ID)
        if wish is None or server is None:
            self._invalid(query.now, query.datagram, "a DHCPDECLINE names no address or no server", query.out)
            return
        if not self._names_us(query, server):
            self.counters["dropped-not-for-us"] += 1
            return
        book, address = self.book, int.from_bytes(wish, "big")
        scope = self.config.scope_of(query.network, address)
        if scope is not None and scope.ignore_declines:
            self.counters["declines-ignored"] += 1
            return
        binding = book.by_address.get(address)
        offer = book.offer_to(query.network, query.key)
        if scope is not None and offer is not None and offer.address == address:
            binding = book.take_offer(offer)
        elif (
            scope is None
            or binding is None
            or binding.status != ACTIVE
            or not self.choice.holds(query, binding, scope)
        ):
            self.counters["dropped-unknown"] += 1
            return
        self.counters["addresses-declined"] += 1
        why = f"{format_hardware(query.hardware)} declined {format_ipv4(address)}: another host uses it"
        abandon(book, self.journal, query, scope, binding, lines.DECLINED, why)

    def _inform(self, query: Query) -> None:
        """RFC 2131 section 4.3.5: options only, no lease, to the address that the client has."""
        message = query.message
        if not message.ciaddr and not message.giaddr:
            message.ciaddr = query.datagram.source
            if not message.ciaddr:
                self._invalid(query.now, query.datagram, "a DHCPINFORM names no address", query.out)
                return
        scope = self.config.scope_of(query.network, message.ciaddr) or query.network.scopes[0]
        self.replies.send(query, ACK, scope, 0, 0)

    def _bootp(self, query: Query) -> None:
        """BOOTP: a reserved address, or one of a dynamic-bootp scope, for good (RFC 951, RFC 1534; S3.6)."""
        pick = self.choice.bootp_address(query)
        if pick is None:
            self.counters["dropped-no-bootp-address"] += 1
            if self.journal.bootp_drops and self.journal.room(query.now, query.out):
                text = f"Dropped a BOOTP request of {format_hardware(query.hardware)}: {why_no_bootp_address(query)}"
                query.out.append(Note("Info", "Protocol", lines.DROPPED, text, "no-dropped-bootp-packets"))
            return
        scope, address, binding = pick
        if binding is None:
            if not self.probes.clear(query, scope, address):
                return
            binding = self.choice.take(query, scope, address)
        endless = binding.status == ACTIVE and binding.expires == FOREVER and binding.flags & BOOTP_FLAG
        # Asked again: nothing new to store, but for a partner that may give the client a lease with an end; when the
        # client asked tells which of the two counts.
        if endless and not scope.endpoint:
            self.replies.send(query, 0, scope, address, 0)
        else:
            self.leases.grant_bootp(query, scope, binding)


_HANDLERS = {
    0: DhcpServer._bootp,
    DISCOVER: DhcpServer._discover,
    REQUEST: DhcpServer._request,
    DECLINE: DhcpServer._decline,
    RELEASE: DhcpServer._release,
    INFORM: DhcpServer._inform,
}
