"""Whatever comes over the wire, the servers go on serving: same processes, still NORMAL, next client served."""

from __future__ import annotations

import random
import socket
import struct
import time

import pytest
from tests.live.lab import BACKUP, MAIN, Lab
from tests.live.netns import LabError, wait_for
from tests.live.pyclient import COOKIE, DISCOVER, LanPort, PyClient, pack_message

from tandem.wire import failover as wire

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

MAC = b"\x02\xbb\0\0\0\x01"
BOOTP_LENGTH = 240


def _dhcp_nonsense() -> list[bytes]:
    """Datagrams that no client should send."""
    good = pack_message(DISCOVER, 1, MAC, {55: b"\x01\x03", 61: b"\x01" + MAC})
    head = good[: BOOTP_LENGTH - 4]
    chaos = random.Random(3)
    cases = [good[:length] for length in (0, 1, 27, 43, 100, 235, 236, 239, 240, 241, 242, 244)]  # truncated
    cases += [
        good + bytes(1000),
        good[:BOOTP_LENGTH] + b"\x35\x01\x01" + b"\x0c\xff" + b"a" * 255 * 30,  # far more than any MTU
        head + b"\0\0\0\0" + good[BOOTP_LENGTH:],  # wrong cookies
        head + COOKIE[::-1] + good[BOOTP_LENGTH:],
        head + COOKIE + b"\x35\x01\x01\x0c\xf0ab",  # an option longer than the message
        head + COOKIE + b"\x35\x01\x01\x34\x01\x03" + b"\x0c\x00" * 100,  # overload into nothing, empty options
        head + COOKIE + b"\x35\x01\x01" + b"\x34\x01\x03" * 50 + b"\xff",  # overload again and again
        good[:44] + b"\x34\x01\x03" * 60 + good[224:236] + COOKIE + b"\x35\x01\x01\x34\x01\x03\xff",
        head + COOKIE + b"\x35\x00\xff",  # message type without content
        head + COOKIE + b"\x35\x02\x01\x01\xff",
        head + COOKIE + b"\x35\x01\x01" + b"\x52\x05\x01\xff\x00\x00\x00\xff",  # option 82 that overruns itself
        head + COOKIE + b"\x35\x01\x01" + b"\x52\x02\x01\x00" * 60 + b"\xff",
        head + COOKIE + b"\x35\x01\x01" + b"\x00" * 800,  # pads only, no end
        b"\x02" + good[1:],  # a reply
        b"\x07" + good[1:],
        good[:2] + b"\xff" + good[3:],  # hlen 255
        good[:2] + b"\x00" + good[3:],
        good[:3] + b"\xff" + good[4:],  # hops 255
    ]
    cases += [
        head + COOKIE + bytes((53, 1, kind)) + b"\xff" for kind in (0, 2, 4, 5, 6, 7, 9, 10, 11, 13, 18, 99, 255)
    ]
    for _ in range(300):
        broken = bytearray(good)
        for _ in range(chaos.randrange(1, 12)):
            broken[chaos.randrange(len(broken))] = chaos.randrange(256)
        cases.append(bytes(broken))
    cases += [chaos.randbytes(chaos.randrange(1500)) for _ in range(100)]
    return cases


def _still_well(lab: Lab, pids: tuple[int, int], number: int) -> None:
    port = LanPort(lab.client_space(f"after{number}"), "eth0")
    PyClient(port, number).lease()
    assert (lab.main.server_pid(), lab.backup.server_pid()) == pids, "a server was restarted"
    assert lab.states() == ("NORMAL", "NORMAL")


def test_nonsense_on_the_dhcp_port(pair: Lab) -> None:
    pids = pair.main.server_pid(), pair.backup.server_pid()
    before = pair.main.ask("statistics")["udp-received"]
    port = LanPort(pair.client_space("evil"), "eth0")
    direct = pair.relay_space.socket(socket.AF_INET, socket.SOCK_DGRAM)
    cases = _dhcp_nonsense()
    for data in cases:
        for server in (MAIN, BACKUP):
            direct.sendto(data, (server, 67))
        if len(data) <= 1472:
            port.send(data, MAC)
    wait_for(
        "the main has read most of it",
        lambda: pair.main.ask("statistics")["udp-received"] - before > len(cases), 10,
    )  # fmt: skip
    _still_well(pair, pids, 1)


def test_an_answer_never_goes_to_a_forged_server_or_port(pair: Lab) -> None:
    """Unknown networks and foreign server identifiers are dropped, counted, and leave nothing behind."""
    direct = pair.relay_space.socket(socket.AF_INET, socket.SOCK_DGRAM)
    direct.sendto(pack_message(DISCOVER, 7, MAC, giaddr="203.0.113.9", hops=1), (MAIN, 67))
    name = "dhcp-dropped-no-network"
    wait_for("dropped for want of a network", lambda: pair.main.ask("statistics")[name] == 1, 5)
    assert MAC.hex(":") not in str(pair.main.leases())


def _garbage() -> list[bytes]:
    chaos = random.Random(5)
    contact = wire.encode(wire.Contact(), 1, int(time.time()))
    return [
        b"GET / HTTP/1.0\r\n\r\n", b"\0" * 4096, b"\xff" * 4096, chaos.randbytes(20000),
        struct.pack("!H", 65535) + bytes(70000), struct.pack("!H", 1) + bytes(10), contact * 50,
        contact[:5], wire.encode(wire.State(2, int(time.time()), 0), 2, int(time.time())) * 3,
    ]  # fmt: skip


@pytest.mark.parametrize("origin", ["stranger", "partner"])
def test_garbage_on_the_failover_port(pair: Lab, origin: str) -> None:
    """From a host that is no partner, and from the partner's own address."""
    pids = pair.main.server_pid(), pair.backup.server_pid()
    space = pair.relay_space if origin == "stranger" else pair.backup_space
    for data in _garbage():
        with space.socket(socket.AF_INET, socket.SOCK_STREAM) as link:
            link.settimeout(3)
            try:
                link.connect((MAIN, 647))
                link.sendall(data)
                link.shutdown(socket.SHUT_WR)
                while link.recv(4096):
                    pass
            except (TimeoutError, OSError):
                continue  # refused, reset or ignored: all of them are an answer
    pair.both_normal(30)
    _still_well(pair, pids, 2)


def _hear(link: socket.socket, framer: wire.Framer) -> wire.Frame | None:
    """Return the next frame on a failover connection, None at its end."""
    while data := link.recv(4096):
        for frame in framer.feed(data):
            return wire.decode(frame)
    return None


def test_a_main_with_a_wrong_name_is_refused(pair: Lab) -> None:
    """In the main's place sits something that calls the relationship differently."""
    pair.main.kill()
    alone = "COMMUNICATIONS-INTERRUPTED"
    wait_for("the backup noticed", lambda: pair.backup.state == alone, 20)
    pid = pair.backup.server_pid()
    with pair.main_space.socket(socket.AF_INET, socket.SOCK_STREAM) as link:
        link.settimeout(5)
        link.connect((BACKUP, 647))
        wrong = wire.Connect(b"somebody-else", 10, 60, b"tandem-1", 1, 0, 20, bytes(32))
        link.sendall(wire.encode(wrong, 1, int(time.time())))
        answer = _hear(link, wire.Framer())
    assert answer is not None and isinstance(answer.message, wire.ConnectAck)
    assert answer.message.reject == wire.RejectReason.INVALID_PARTNER
    assert (pair.backup.state, pair.backup.server_pid()) == (alone, pid)
    PyClient(LanPort(pair.client_space("after"), "eth0"), 3).lease()
    pair.main.start()
    pair.both_normal()


def test_a_backup_with_a_wrong_name_is_refused(pair: Lab) -> None:
    """In the backup's place something accepts the main's connection for another relationship."""
    pair.backup.kill()
    pid = pair.main.server_pid()
    with pair.backup_space.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((BACKUP, 647))
        listening.listen()
        listening.settimeout(30)
        link, _ = listening.accept()
        with link:
            link.settimeout(5)
            framer = wire.Framer()
            asked = _hear(link, framer)
            assert asked is not None and isinstance(asked.message, wire.Connect)
            assert asked.message.relationship == f"{MAIN}-{BACKUP}".encode()
            wrong = wire.ConnectAck(b"somebody-else", 10, 60, b"tandem-1", 1, 0)
            link.sendall(wire.encode(wrong, asked.xid, int(time.time())))
            answer = _hear(link, framer)
    assert answer is not None and isinstance(answer.message, wire.Disconnect)
    assert answer.message.reject == wire.RejectReason.INVALID_PARTNER
    assert (pair.main.state, pair.main.server_pid()) == ("COMMUNICATIONS-INTERRUPTED", pid)
    assert "another relationship" in pair.main.log()
    PyClient(LanPort(pair.client_space("after"), "eth0"), 3).lease()
    pair.backup.start()
    pair.both_normal()


def test_wrong_commands_and_an_impossible_configuration(pair: Lab) -> None:
    """nrcmd says what is wrong and fails; the running configuration goes on."""
    for line, status in (
        ("scope nosuch show", "302"),
        ("nonsense at all", "306"),
        ("dhcp set no-such-attribute=1", "308"),
        ("dhcp set failover-backup-percentage=lots", "316"),
        ("scope bad create 192.168.50.0 255.255.255.0", "316"),
    ):
        with pytest.raises(LabError) as refused:
            pair.main.nrcmd(f"{line}\ndhcp reload\n")
        assert f"\n{status} " in str(refused.value), f"{line}: {refused.value}"
        if line.startswith("scope bad"):
            pair.main.nrcmd("scope bad delete\ndhcp reload\n")
    # Both partners' addresses the same: cannot work; the reload is refused and nothing changes.
    with pytest.raises(LabError):
        pair.main.nrcmd(f"dhcp set failover-backup-server={MAIN}\ndhcp reload\n")
    assert pair.states() == ("NORMAL", "NORMAL")
    PyClient(LanPort(pair.client_space("after"), "eth0"), 4).lease()
    pair.main.nrcmd(f"dhcp set failover-backup-server={BACKUP}\ndhcp reload\n")
    pair.both_normal()
