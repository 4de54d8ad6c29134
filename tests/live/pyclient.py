"""DHCP clients under exact control: on a LAN by raw frames, or behind a relay agent by UDP; and their ledger.

Written without the product's own codec, so that a mistake there is not mirrored here.
Source: RFC 2131 sections 2, 4.4; RFC 3046.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.live.netns import LabError, Namespace

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)
COOKIE = b"\x63\x82\x53\x63"
ZERO, ALL = "0.0.0.0", "255.255.255.255"
_HEAD = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s4s")


def pack_message(
    kind: int, xid: int, mac: bytes, options: dict[int, bytes] | None = None, *, ciaddr: str = ZERO,
    giaddr: str = ZERO, flags: int = 0, hops: int = 0, secs: int = 0,
) -> bytes:  # fmt: skip
    """Return a BOOTREQUEST of message type ``kind``; 0: that of a BOOTP client."""
    head = _HEAD.pack(
        1, 1, 6, hops, xid, secs, flags, socket.inet_aton(ciaddr), bytes(4), bytes(4), socket.inet_aton(giaddr),
        mac.ljust(16, b"\0"), b"", b"", COOKIE,
    )  # fmt: skip
    body = bytearray((53, 1, kind) if kind else ())
    for code, value in (options or {}).items():
        body += bytes((code, len(value))) + value
    return (head + bytes(body) + b"\xff").ljust(300, b"\0")


@dataclass(slots=True)
class Answer:
    """A BOOTREPLY, as far as these tests look into it."""

    kind: int
    xid: int
    flags: int
    ciaddr: str
    yiaddr: str
    giaddr: str
    mac: bytes
    options: dict[int, bytes]
    raw: bytes = field(repr=False)
    hardware: bytes = b""
    """Sender's hardware address (on a LAN)."""
    to_hardware: bytes = b""
    to: str = ""
    """Destination address (on a LAN)."""

    @property
    def server(self) -> str:
        """The server identifier."""
        return socket.inet_ntoa(self.options[54])

    @property
    def lease_s(self) -> int:
        """The lease time in seconds."""
        return int.from_bytes(self.options[51], "big")


def unpack_message(data: bytes) -> Answer | None:
    """Return a BOOTREPLY as an Answer; None for anything else."""
    if len(data) < _HEAD.size:
        return None
    op, _, hlen, _, xid, _, flags, ciaddr, yiaddr, _, giaddr, chaddr, _, _, cookie = _HEAD.unpack_from(data)
    if op != 2 or cookie != COOKIE:
        return None
    options: dict[int, bytes] = {}
    at = _HEAD.size
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        code, length = data[at], data[at + 1]
        options[code] = options.get(code, b"") + data[at + 2 : at + 2 + length]
        at += 2 + length
    return Answer(
        options.get(53, b"\0")[0], xid, flags, socket.inet_ntoa(ciaddr), socket.inet_ntoa(yiaddr),
        socket.inet_ntoa(giaddr), chaddr[:hlen], options, data,
    )  # fmt: skip


@dataclass(slots=True)
class Holding:
    """Who may use an address, and until when (seconds since 1970)."""

    mac: bytes
    expires: float
    server: str


class Ledger:
    """What clients saw acknowledged: the judge of «one holder».

    A lease counts from the moment when its ACK arrives until its time is over or the client gave it back.
    """

    def __init__(self) -> None:
        self.now: dict[str, Holding] = {}
        self.duplicates: list[str] = []
        self.acks = 0

    def acked(self, mac: bytes, address: str, lease_s: float, server: str, sent: float) -> None:
        """Note an ACK for a request sent at ``sent`` (seconds since 1970): the lease runs from there."""
        self.acks += 1
        before = self.now.get(address)
        if before is not None and before.mac != mac and before.expires > time.time() + 0.5:
            self.duplicates.append(
                f"{address}: {mac.hex(':')} got it from {server} while {before.mac.hex(':')} holds it from"
                f" {before.server} for {before.expires - time.time():.1f} s more"
            )
        self.now[address] = Holding(mac, sent + lease_s, server)

    def gave_back(self, mac: bytes, address: str) -> None:
        """Note that the client no longer uses the address."""
        held = self.now.get(address)
        if held is not None and held.mac == mac:
            del self.now[address]

    def held(self, margin_s: float = 0) -> dict[str, Holding]:
        """Return the leases that still run for more than ``margin_s`` seconds, by address."""
        limit = time.time() + margin_s
        return {address: one for address, one in self.now.items() if one.expires > limit}

    def check(self) -> None:
        """Raise if any address ever had two holders."""
        if self.duplicates:
            raise AssertionError("addresses with two holders:\n" + "\n".join(self.duplicates))


class LanPort:
    """One network interface of a client machine, seen raw: sends and receives whole frames for many clients.

    Answers ARP for the addresses in ``owned``.
    """

    def __init__(self, space: Namespace, interface: str) -> None:
        self.socket = space.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((interface, 0))
        space.ip(f"link set {interface} promisc on")
        self.owned: dict[bytes, bytes] = {}
        """IPv4 address -> hardware address."""
        self.neighbours: dict[str, bytes] = {}
        """Server address -> hardware address, learned from its answers."""

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def send(self, message: bytes, mac: bytes, source: str = ZERO, to: str = ALL) -> None:
        """Send a DHCP message to the server port: broadcast, or by unicast to a server that answered before."""
        hardware = b"\xff" * 6 if to == ALL else self.neighbours[to]
        self.socket.send(hardware + mac + b"\x08\x00" + _ip_udp(source, to, 68, 67, message))

    def receive(self, deadline: float) -> Answer | None:
        """Return the next DHCP answer on this interface, or None at the deadline (monotonic seconds)."""
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                return None
            frame, sender = self.socket.recvfrom(65535)
            if sender[2] == socket.PACKET_OUTGOING:
                continue
            kind = frame[12:14]
            if kind == b"\x08\x06":
                self._arp(frame)
            elif kind == b"\x08\x00" and frame[23] == 17:
                udp = 14 + (frame[14] & 15) * 4
                if frame[udp + 2 : udp + 4] == b"\x00\x44":
                    answer = unpack_message(frame[udp + 8 :])
                    if answer is not None:
                        answer.hardware, answer.to_hardware = frame[6:12], frame[:6]
                        answer.to = socket.inet_ntoa(frame[30:34])
                        self.neighbours[socket.inet_ntoa(frame[26:30])] = frame[6:12]
                        return answer
        return None

    def announce(self, mac: bytes, address: str) -> None:
        """Tell the LAN by ARP who has an address now (RFC 2131 section 4.4.1): another one may have had it before."""
        own = mac + socket.inet_aton(address)
        head = b"\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01"
        self.socket.send(b"\xff" * 6 + mac + head + own + bytes(6) + own[6:])

    def _arp(self, frame: bytes) -> None:
        if frame[20:22] != b"\x00\x01":
            return
        mac = self.owned.get(frame[38:42])
        if mac is not None:
            self.socket.send(
                frame[6:12] + mac + frame[12:20] + b"\x00\x02" + mac + frame[38:42] + frame[22:28] + frame[28:32]
            )


class RelayPort:
    """A relay agent of our own: clients' messages go out with giaddr set, to every server; answers come back."""

    def __init__(self, space: Namespace, giaddr: str, servers: list[str], agent: bytes = b"\x01\x04lab0") -> None:
        self.giaddr = giaddr
        self.servers = servers
        self.agent = agent
        self.socket = space.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((giaddr, 67))
        self.owned: dict[bytes, bytes] = {}

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def send(self, message: bytes, mac: bytes, source: str = ZERO, to: str = ALL) -> None:
        """Relay a client's message: with our giaddr and agent option, to ``to`` or to every server."""
        relayed = bytearray(message)
        relayed[3] += 1
        relayed[24:28] = socket.inet_aton(self.giaddr)
        end = _end_of_options(message)
        relayed[end:] = bytes((82, len(self.agent))) + self.agent + b"\xff"
        for server in self.servers if to == ALL else [to]:
            self.socket.sendto(bytes(relayed).ljust(300, b"\0"), (server, 67))

    def receive(self, deadline: float) -> Answer | None:
        """Return the next answer, or None at the deadline (monotonic seconds)."""
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                return None
            data = self.socket.recv(65535)
            answer = unpack_message(data)
            if answer is not None:
                answer.to = self.giaddr
                return answer
        return None


def _end_of_options(message: bytes) -> int:
    at = _HEAD.size
    while message[at] != 255:
        at += 1 if message[at] == 0 else 2 + message[at + 1]
    return at


def _checksum(data: bytes) -> int:
    if len(data) & 1:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def _ip_udp(source: str, to: str, sport: int, dport: int, payload: bytes) -> bytes:
    addresses = socket.inet_aton(source) + socket.inet_aton(to)
    length = 8 + len(payload)
    udp = struct.pack("!HHHH", sport, dport, length, 0)
    value = _checksum(addresses + struct.pack("!BBH", 0, 17, length) + udp + payload) or 0xFFFF
    udp = udp[:6] + struct.pack("!H", value)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, 17, 0) + addresses
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + udp + payload


class PyClient:
    """One DHCP client. Its calls block until the answer or ``timeout`` seconds (with one repetition a second)."""

    _xid = 0x10000000

    def __init__(
        self, port: LanPort | RelayPort, number: int, ledger: Ledger | None = None, *,
        options: dict[int, bytes] | None = None, broadcast: bool = False,
    ) -> None:  # fmt: skip
        self.port = port
        self.mac = b"\x02\xc1" + number.to_bytes(4, "big")
        self.ledger = ledger
        self.extra = {55: bytes((1, 3, 6, 15, 51, 54, 58, 59)), **(options or {})}
        self.flags = 0x8000 if broadcast else 0
        self.address = ZERO
        self.server = ZERO
        self.lease_s = 0
        self.expires = 0.0

    def _ask(
        self, kind: int, options: dict[int, bytes], timeout: float, wanted: Callable[[Answer], bool], *,
        ciaddr: str = ZERO, to: str = ALL,
    ) -> tuple[Answer | None, float]:  # fmt: skip
        PyClient._xid += 1
        xid = PyClient._xid
        message = pack_message(kind, xid, self.mac, {**options, **self.extra}, ciaddr=ciaddr, flags=self.flags)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            sent = time.time()
            self.port.send(message, self.mac, ciaddr, to)
            again = min(deadline, time.monotonic() + 1)
            while (answer := self.port.receive(again)) is not None:
                if answer.xid == xid and answer.mac == self.mac and wanted(answer):
                    return answer, sent
        return None, 0

    def discover(self, timeout: float = 5, want: str = "", server: str = "") -> Answer | None:
        """Broadcast a DISCOVER (asking for address ``want``); the first OFFER (of ``server``), or None."""
        options = {50: socket.inet_aton(want)} if want else {}
        answer, _ = self._ask(
            DISCOVER, options, timeout, lambda a: a.kind == OFFER and (not server or a.server == server)
        )
        return answer

    def _request(
        self, options: dict[int, bytes], timeout: float, ciaddr: str = ZERO, to: str = ALL
    ) -> Answer | None:
        answer, sent = self._ask(REQUEST, options, timeout, lambda a: a.kind in (ACK, NAK), ciaddr=ciaddr, to=to)
        if answer is None:
            return None
        if answer.kind == NAK:
            self._drop()
            return answer
        if self.address != answer.yiaddr:
            self._drop()
        self.address, self.server, self.lease_s = answer.yiaddr, answer.server, answer.lease_s
        self.expires = sent + answer.lease_s
        self.port.owned[socket.inet_aton(self.address)] = self.mac
        if self.ledger is not None:
            self.ledger.acked(self.mac, self.address, self.lease_s, self.server, sent)
        return answer

    def _drop(self) -> None:
        if self.address != ZERO:
            self.port.owned.pop(socket.inet_aton(self.address), None)
            if self.ledger is not None:
                self.ledger.gave_back(self.mac, self.address)
        self.address = ZERO

    def bootp(self, timeout: float = 5) -> str:
        """Ask as a BOOTP client (RFC 951); the address, its for good, or "" when there is no answer."""
        extra, self.extra = self.extra, {}
        answer, sent = self._ask(0, {}, timeout, lambda a: a.kind == 0)
        self.extra = extra
        if answer is None:
            return ""
        self.address = answer.yiaddr
        if self.ledger is not None:
            self.ledger.acked(self.mac, self.address, 10**9, "", sent)
        return self.address

    def select(self, offer: Answer, timeout: float = 5) -> Answer | None:
        """Take an offer: REQUEST in SELECTING state."""
        return self._request({50: socket.inet_aton(offer.yiaddr), 54: offer.options[54]}, timeout)

    def lease(self, timeout: float = 10, want: str = "", server: str = "") -> str:
        """DISCOVER .. ACK; the address. LabError when none is got in time."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            offer = self.discover(left, want, server)
            if offer is None:
                break
            answer = self.select(offer, min(3, max(0.1, deadline - time.monotonic())))
            if answer is not None and answer.kind == ACK:
                return self.address
        raise LabError(f"client {self.mac.hex(':')} got no lease within {timeout:g} s")

    def renew(self, timeout: float = 3) -> Answer | None:
        """REQUEST in RENEWING state: unicast to the server that gave the lease."""
        return self._request({}, timeout, self.address, self.server)

    def rebind(self, timeout: float = 5) -> Answer | None:
        """REQUEST in REBINDING state: broadcast, with the address in ciaddr."""
        return self._request({}, timeout, self.address)

    def reboot(self, timeout: float = 5) -> Answer | None:
        """REQUEST in INIT-REBOOT state: broadcast, asking for the address of before."""
        return self._request({50: socket.inet_aton(self.address)}, timeout)

    def _tell(self, kind: int, options: dict[int, bytes], ciaddr: str, to: str) -> None:
        PyClient._xid += 1
        self.port.send(pack_message(kind, PyClient._xid, self.mac, options, ciaddr=ciaddr), self.mac, ciaddr, to)

    def release(self) -> None:
        """Give the lease back to its server (no answer exists)."""
        self._tell(RELEASE, {54: socket.inet_aton(self.server)}, self.address, self.server)
        self._drop()

    def decline(self) -> None:
        """Tell that the address is in use by somebody else."""
        self._tell(DECLINE, {50: socket.inet_aton(self.address), 54: socket.inet_aton(self.server)}, ZERO, ALL)
        self._drop()

    def inform(self, address: str, timeout: float = 5) -> Answer | None:
        """Ask for parameters only, from a client with a fixed ``address``."""
        self.port.owned[socket.inet_aton(address)] = self.mac
        answer, _ = self._ask(INFORM, {}, timeout, lambda a: a.kind == ACK, ciaddr=address)
        return answer
