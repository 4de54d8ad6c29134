"""Explains what this server would do with a client's message, and why: by doing it, on a sketch of the book.

The decisions are those of ``dhcp.server``, made for a message built from what the operator says; nothing is stored,
offered, counted or sent. Addresses and names are text here, times are seconds since 1970 UTC.
Source: SYSTEM S10.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tandem.base.errors import CommandError, WireError
from tandem.base.io import Datagram, Effect, Interface, Note, Probe, Probed, Reply, SaveBinding
from tandem.base.ipv4 import format_hardware, format_ipv4
from tandem.base.units import FOREVER, format_duration
from tandem.config.compiled import CompiledScope, Network
from tandem.dhcp import journal
from tandem.dhcp.grant import desired_seconds
from tandem.dhcp.limitation import within_limit
from tandem.dhcp.query import Query
from tandem.dhcp.server import DhcpServer
from tandem.failover.endpoint import Endpoint
from tandem.failover.states import state_name
from tandem.failover.words import status_name
from tandem.lease.binding import ACTIVE, FREE, Binding
from tandem.lease.loadbalance import ALL_BUCKETS, bucket
from tandem.lease.sketch import Sketch
from tandem.node.node import Node
from tandem.wire import dhcp as wire
from tandem.wire.dhcp import Message
from tandem.wire.options import decode_value, find_option

FORMS = ("discover", "select", "reboot", "renew", "release", "decline", "inform", "bootp")
"""What a client can say; select, reboot and renew are the forms of DHCPREQUEST (RFC 2131 section 4.3.2)."""
_KINDS = {
    "discover": wire.DISCOVER, "select": wire.REQUEST, "reboot": wire.REQUEST, "renew": wire.REQUEST,
    "release": wire.RELEASE, "decline": wire.DECLINE, "inform": wire.INFORM, "bootp": 0,
}  # fmt: skip
_ASKED = bytes((1, 3, 6, 15, 28, 42, 51, 54, 58, 59))
"""The parameter list of the message: what most clients ask for."""
_MADE = {
    1: "the scope's mask", 51: "the lease", 54: "this server's address", 58: "half of the lease",
    59: "seven eighths of the lease", 61: "the client's own", 82: "the relay's own", 118: "the client's own",
}  # fmt: skip
"""Where the options come from that no policy has."""
_DROPS = (
    "dropped-invalid", "dropped-server-message", "dropped-not-served", "dropped-no-network", "dropped-excluded",
    "dropped-over-limit", "dropped-load-balancing", "dropped-failover", "dropped-not-for-us", "dropped-no-address",
    "dropped-no-bootp-address", "dropped-unknown",
)  # fmt: skip


@dataclass(slots=True)
class Told:
    """What the operator says of the client's message. Addresses are ints, 0 = none."""

    form: str = "discover"
    hardware: bytes = b""
    """Type byte and address."""
    client_id: bytes = b""
    address: int = 0
    """What the client asks for, or has."""
    giaddr: int = 0
    link: int = 0
    """The relay's link selection (RFC 3527)."""
    local: int = 0
    """This server's address on the interface where the message comes in."""
    secs: int = 0
    """For how long the client says it has been trying."""
    relay: bytes = b""
    """Sub-options of the relay's option 82, besides its link selection."""
    options: dict[int, bytes] = field(default_factory=dict)
    """Further options of the message."""

    def message(self, server: int) -> Message:
        """Return the message."""
        kind, four = _KINDS[self.form], self.address.to_bytes(4, "big")
        options = {wire.OPT_MESSAGE_TYPE: bytes((kind,))} if kind else {}
        if self.client_id:
            options[wire.OPT_CLIENT_ID] = self.client_id
        if self.address and self.form in ("discover", "select", "reboot", "decline"):
            options[wire.OPT_REQUESTED_ADDRESS] = four
        if self.form in ("select", "release", "decline"):
            options[wire.OPT_SERVER_ID] = server.to_bytes(4, "big")
        if kind:
            options[wire.OPT_PARAMETER_LIST] = _ASKED
        options |= self.options
        link = bytes((wire.SUB_LINK_SELECTION, 4)) + self.link.to_bytes(4, "big") if self.link else b""
        if link or self.relay:
            options[wire.OPT_RELAY_INFO] = self.relay + link
        has = self.address if self.form in ("renew", "release", "inform") else 0
        return Message(
            xid=1, htype=self.hardware[0] if self.hardware else 1, chaddr=self.hardware[1:], ciaddr=has,
            giaddr=self.giaddr, secs=self.secs, options=options,
        )  # fmt: skip


def explain(node: Node, now: float, told: Told) -> dict[str, object]:
    """Return what would be done with the message, and why. Raises CommandError 316 when there is no such message."""
    if not told.hardware and not told.client_id:
        raise CommandError(316, "a client has a hardware address, or a client-id; write one of them")
    if told.address == 0 and told.form not in ("discover", "bootp"):
        raise CommandError(316, f"a message of the form {told.form} names an address; write address=ADDRESS")
    local = told.local or next((endpoint.config.local for endpoint in node.endpoints), 0)
    if not local:
        local = next(iter(node.dhcp.addresses), 0) or next((s.subnet + 1 for s in node.config.scopes), 0)
    message = told.message(local)
    try:
        data = wire.encode(message)
    except ValueError as error:
        raise CommandError(316, f"the message cannot be: {error}") from None
    datagram = Datagram(data, told.giaddr or message.ciaddr, 67 if told.giaddr else 68,
                        Interface("explained", 0, local))  # fmt: skip
    return _Case(node, now, told, datagram).result()


class _Case:
    """One message on its way."""

    def __init__(self, node: Node, now: float, told: Told, datagram: Datagram) -> None:
        self.node, self.now, self.told, self.datagram = node, now, told, datagram
        message = wire.decode(datagram.data)
        self.query = Query(now, datagram, message, message.client_id, [])
        self.network: Network | None = self.query.find_network(node.config)
        network = self.query.network = self.network or Network(-1, [])
        if node.config.clients is not None:
            clients = node.config.clients
            self.query.profile = clients.find(message.client_id, self.query.hardware, message.options, now)
        book = Sketch(node.book, network, self.query.key)
        self.before = self._binding(book.clients.find(network, self.query.key))
        offer = book.offer_to(network, self.query.key)
        self.offered = offer.address if offer is not None else 0
        self.server = DhcpServer(replace(node.config, log_settings=_EVERYTHING), book)
        self.server.config.share_places(node.config)
        self.server.addresses = dict(node.dhcp.addresses) | {datagram.interface.address: None}
        self.server.set_powers(node.dhcp.powers)
        if network.scopes and node.config.clients is not None:
            within_limit(book, node.config.clients, self.query, journal.Journal(frozenset()))
        self.out: list[Effect] = []
        self.server.handle(now, datagram, self.out)
        self.pinged = next((effect for effect in self.out if isinstance(effect, Probe)), None)
        if self.pinged is not None:
            self.server.probed(now, Probed(self.pinged.address, False), self.out)

    @staticmethod
    def _binding(found: Binding | None) -> tuple[int, int, int] | None:
        return None if found is None else (found.address, found.status, found.expires)

    def result(self) -> dict[str, object]:
        """Return the explanation."""
        endpoint = self._endpoint()
        reply = next((effect for effect in self.out if isinstance(effect, Reply)), None)
        powers = self.node.dhcp.powers[self.network.endpoint] if self.network else None
        view: dict[str, object] = {
            "message": _name(self.told),
            "client": format_hardware(self.query.hardware) or self.query.client_id.hex(":"),
            "network": ", ".join(scope.name for scope in self.network.scopes) if self.network else "",
            "placed-by": self._placed_by(),
            "client-class": self.query.profile.client_class if self.query.profile is not None else "",
            "answered": reply is not None,
            "powers": powers.why if powers is not None else "",
        }
        if powers is not None and powers.buckets != ALL_BUCKETS:
            view["hash-bucket"] = bucket(self.query.client_id, self.query.hardware)
        if reply is not None:
            answer = wire.decode(reply.data)
            view |= self._answer(answer, reply)
        view["who-answers"] = self._who(reply is not None, endpoint)
        view["why"] = self._verdict(reply)
        view["log"] = [note.text for note in self.out if isinstance(note, Note)]
        view["stores"] = [_stored(effect) for effect in self.out if isinstance(effect, SaveBinding)]
        return view

    def _endpoint(self) -> Endpoint | None:
        number = self.network.endpoint if self.network is not None else 0
        return self.node.endpoints[number - 1] if number else None

    def _placed_by(self) -> str:
        message = self.query.message
        if self.told.link:
            return f"the relay's link selection, {format_ipv4(self.told.link)}"
        if wire.OPT_SUBNET_SELECTION in message.options:
            return "the client's subnet selection"
        if message.giaddr:
            return f"the relay's address (giaddr), {format_ipv4(message.giaddr)}"
        if message.ciaddr and self.node.config.network_for(message.ciaddr) is not None:
            return f"the client's own address, {format_ipv4(message.ciaddr)}"
        return f"this server's address on the interface, {format_ipv4(self.datagram.interface.address)}"

    # --- the answer -------------------------------------------------------------------------------------

    def _answer(self, answer: Message, reply: Reply) -> dict[str, object]:
        kind = wire.KIND_NAMES[answer.kind] if answer.kind else "BOOTREPLY"
        view: dict[str, object] = {"answer": kind, "to": self._destination(reply)}
        if answer.kind == wire.NAK:
            return view
        scope = self._scope_of(answer.yiaddr or answer.ciaddr)
        view["scope-name"] = scope.name
        view["options"] = [self._option(scope, answer.yiaddr, code, value) for code, value in answer.options.items()
                           if code not in (wire.OPT_MESSAGE_TYPE,)]  # fmt: skip
        if answer.yiaddr:
            view["address"] = format_ipv4(answer.yiaddr)
            view["address-why"] = self._address_why(scope, answer.yiaddr)
        if wire.OPT_LEASE_TIME in answer.options:
            view |= self._lease(scope, answer.yiaddr, int.from_bytes(answer.options[wire.OPT_LEASE_TIME], "big"))
        return view

    def _scope_of(self, address: int) -> CompiledScope:
        assert self.network is not None
        return self.node.config.scope_of(self.network, address) or self.network.scopes[0]

    def _destination(self, reply: Reply) -> str:
        if reply.destination == 0xFFFFFFFF:
            return "all on the network (broadcast)"
        by = " by its hardware address" if reply.hardware else ""
        return f"{format_ipv4(reply.destination)} port {reply.port}{by}"

    def _address_why(self, scope: CompiledScope, address: int) -> str:
        if address in scope.reserved:
            return "it is reserved for this client"
        if self.before is not None and self.before[0] == address:
            if self.before[1] == ACTIVE:
                ends = self.before[2]
                left_s = FOREVER if ends == FOREVER else max(int(ends - self.now), 0)
                return f"the client has a lease on it for another {format_duration(left_s)}"
            return "the client had it last, and nobody has it now"
        if address == self.offered:
            return "it was offered to this client a moment ago and is set aside for it"
        pool = self.node.book.pools[scope.index]
        binding = self.node.book.by_address.get(address)
        owner = binding.status if binding is not None else pool.owner_of_unused(address)
        left = pool.side(owner or FREE).size
        share = f"the {'main' if owner == FREE else 'backup'}'s share" if scope.endpoint else "the scope"
        if address == self.told.address:
            return f"the client asks for it, and it is available in {share} ({left} are)"
        order = "the lowest" if scope.allocate_first_available or binding is None else "the one longest unused"
        return f"it is the next available address of {share}: {order} of {left}"

    def _lease(self, scope: CompiledScope, address: int, given: int) -> dict[str, object]:
        desired = desired_seconds(self.query, scope, address)
        view: dict[str, object] = {"lease-time": given, "desired-lease-time": desired}
        powers = self.node.dhcp.powers[scope.endpoint]
        if given >= desired:
            why = "the policy's lease time" if given != FOREVER else "the policy gives leases without end"
        elif powers.mclt_s is not None and given <= powers.mclt_s + 1:
            why = (
                f"limited to the maximum client lead time of {format_duration(powers.mclt_s)}: the partner has not"
                " acknowledged a longer lease of this client yet; the next renewal gets more"
            )
        elif self.server.counters["extensions-deferred"]:
            why = "what is left of the lease: more than half is, so it is not extended (defer-lease-extensions)"
        else:
            why = (
                f"limited to the maximum client lead time beyond what the partner has acknowledged"
                f" ({format_duration(given)} from now)"
            )
        return view | {"lease-why": why}

    def _option(self, scope: CompiledScope, address: int, code: int, value: bytes) -> dict[str, object]:
        definition = None
        try:
            definition = find_option(code)
            name, text = definition.name, decode_value(definition, value)
        except (ValueError, KeyError, WireError):
            name, text = definition.name if definition else f"option-{code}", value.hex(":")
        source = _MADE.get(code) or self._source(scope, address, code)
        return {"code": code, "name": name, "value": text, "source": source}

    # --- no answer --------------------------------------------------------------------------------------

    def _who(self, answered: bool, endpoint: Endpoint | None) -> str:
        """Return which of the two servers answers, and why."""
        if endpoint is None:
            return "this server; the scope has no failover partner" if answered else "nobody; there is no partner"
        powers, partner = endpoint.powers, format_ipv4(endpoint.config.peer)
        if answered:
            return f"this server, the {'main' if endpoint.config.main else 'backup'}: {powers.why}"
        counters = self.server.counters
        if counters["dropped-failover"]:
            state = state_name(endpoint.saved.partner_state)
            hears = f"in {state}" if endpoint.communicating else f"last seen in {state}, and now out of reach"
            return f"the partner {partner} ({hears}), if the message reaches it: {powers.why}"
        if endpoint.communicating:
            return f"nobody here; the partner {partner} decides for itself whether to answer"
        return f"nobody here; the partner {partner} is out of reach"

    def _verdict(self, reply: Reply | None) -> str:
        """Return in one sentence why it ends as it does."""
        counters = self.server.counters
        notes = [note for note in self.out if isinstance(note, Note) and note.ident in _TELLING]
        if reply is not None:
            answer = wire.decode(reply.data)
            if answer.kind == wire.NAK:
                return f"Refused: {answer.options[wire.OPT_MESSAGE].decode('utf-8', 'replace')}"
            ping = self.pinged
            after = "" if ping is None else (
                f", unless a host answers a ping of {format_ipv4(ping.address)} within {ping.wait_ms} ms"
            )  # fmt: skip
            return f"Answered with {wire.KIND_NAMES[answer.kind] if answer.kind else 'BOOTREPLY'}{after}."
        dropped = next((name for name in _DROPS if counters.get(name)), "")
        if dropped and dropped in _SENTENCES:
            return _SENTENCES[dropped](self)
        if notes:
            return notes[-1].text
        if counters["leases-released"]:
            return "The lease ends; with a partner the address is available once the partner has agreed."
        return "No answer belongs to this message."

    def unknown(self) -> str:
        """Why a message about an address ends in silence."""
        address = format_ipv4(self.told.address)
        if self.told.form in ("release", "decline"):
            return f"Ignored: {address} is not leased to this client here."
        may = ", which may have given it and cannot be asked" if self._endpoint() is not None else ""
        return (
            f"Ignored: nothing is known here of a lease of {address} for this client; silence leaves the answer to a"
            f" server that knows, such as the partner{may}. The client asks anew (DISCOVER) when its lease is over."
        )

    def no_network(self) -> str:
        """Why a message from nowhere is dropped."""
        return (
            f"Ignored: no scope holds {self._placed_by()}; create a scope for that subnet, or a secondary one of its"
            " LAN segment, and reload."
        )

    # --- policies ---------------------------------------------------------------------------------------

    def _source(self, scope: CompiledScope, address: int, code: int) -> str:
        """Return which policy an option comes from: the most specific that has it (S3.3)."""
        reservation = scope.reserved.get(address)
        chain = [("the reservation's ", link) for link in (reservation.links if reservation is not None else ())]
        chain += [("the client's ", link) for link in (self.query.profile.links if self.query.profile else ())]
        chain += [("the scope's ", link) for link in scope.links]
        found = next((whose + (link.name or "policy") for whose, link in chain if code in link.options), "")
        return found or "the server itself"


_EVERYTHING = frozenset({
    "default", "incoming-packets", "missing-options", "failover-detail", "no-reduce-logging-when-busy",
})  # fmt: skip
_TELLING = (
    journal.INVALID, journal.DROPPED, journal.OVER_LIMIT, journal.NO_ADDRESS, journal.DECLINED, journal.REFUSED,
    journal.RELEASED,
)  # fmt: skip
_SENTENCES: dict[str, Callable[[_Case], str]] = {
    "dropped-no-network": _Case.no_network,
    "dropped-unknown": _Case.unknown,
    "dropped-not-for-us": lambda case: "Ignored: the client has chosen another server's offer.",
    "dropped-failover": lambda case: (
        f"Left to the partner: {case.node.dhcp.powers[case.network.endpoint].why if case.network else ''}."
    ),
    "dropped-load-balancing": lambda case: (
        f"Left to the partner: hash bucket {bucket(case.query.client_id, case.query.hardware)} of 0 to 255, into which"
        " this client falls, is the partner's (load balancing)."
    ),
}


def _name(told: Told) -> str:
    kind = _KINDS[told.form]
    if not kind:
        return "BOOTREQUEST"
    return wire.KIND_NAMES[kind] + (f" ({told.form})" if kind == wire.REQUEST else "")


def _stored(effect: SaveBinding) -> dict[str, object]:
    binding = Binding.from_row(effect.row)
    client = format_hardware(binding.hardware) or binding.client_id.hex(":")
    return {
        "address": format_ipv4(binding.address), "state": status_name(binding.status), "client": client,
        "expiration": binding.expires,
    }  # fmt: skip
