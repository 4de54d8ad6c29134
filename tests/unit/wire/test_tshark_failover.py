"""Wireshark's dissector reads what we send, field by field.

The capture is built here, byte by byte; nothing is sent. Known mistakes of the dissector (tshark 4.0), none of which
touches the values compared here: it labels types 7 and 9 the wrong way round, has no name for state 254, breaks
IP-flags down from the wrong end, and takes client identifiers, DNS names and digests for text, hence marks
"trailing stray characters" where these hold a zero byte.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess

import pytest

from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.wire.failover import (
    VENDOR_CLASS,
    Answer,
    BindingAck,
    BindingUpdate,
    Connect,
    ConnectAck,
    Contact,
    Disconnect,
    PoolRequest,
    PoolResponse,
    RejectReason,
    ServerState,
    State,
    Update,
    UpdateDone,
    UpdateRequest,
    UpdateRequestAll,
    encode,
)

pytestmark = pytest.mark.slow
TIME = 1795473676
BUCKETS = bytes(range(32))
SECRET = b"a shared secret"
BINARY = {"clientidentifier", "ftddns", "messagedigest"}
"""Fields that the dissector shows as text: their raw bytes are compared."""
BINARY_TREES = {f"dhcpfo.{field}_tree" for field in BINARY}
MARKS = {"dhcpfo.bad_length", "dhcpfo.message_digest_type_not_allowed", "data"}
NOT_VALUES = ("optioncode", "optionlength", "clienthardwaretype", "message_digest_type")


def active(i):
    return Update(
        parse_ipv4("10.1.0.0") + i, 2, i % 4, b"\1\2\0\x5e\0\0" + bytes([i]), b"\1\2\0\x5e\0\0" + bytes([i]),
        TIME + i, TIME + 2 * i, TIME - i, TIME - 2 * i, (0b1010, b"\4host\7example\3com\0"),
        b"\x0c\4host\x52\6\1\4\0\0\0" + bytes([i]), b"\x3a\4\0\0\0\x3c",
    )  # fmt: skip


MESSAGES = [
    Connect(b"example", 10, 60, b"tandem-1", 1, 0, 3600, BUCKETS),
    Connect(b"a", 4294967295, 0, VENDOR_CLASS, 255, 2, 0, BUCKETS, 3, {1: b"sub"}),
    Connect(b"over-tls", 10, 60, b"v", 1, None, 20, BUCKETS),
    ConnectAck(b"example", 10, 60, VENDOR_CLASS, 1, 0),
    ConnectAck(b"example", 10, 60, VENDOR_CLASS, 1, 1, vendor={1: b"sub", 2: b""}),
    ConnectAck(b"example", version=1, tls_reply=0, reject=8, text="no such partner here"),
    *(State(state, state % 2 == 0, TIME + state) for state in map(int, ServerState)),
    PoolRequest(),
    PoolResponse(0),
    PoolResponse(4294967295),
    BindingUpdate([active(0)]),
    BindingUpdate([active(i) for i in range(15)]),
    BindingUpdate([Update(parse_ipv4("10.1.0.9"), status) for status in range(1, 8)]),
    BindingUpdate([
        Update(parse_ipv4("10.1.0.9"), 1, start_of_state=5),
        Update(parse_ipv4("10.1.1.0"), 7, 1, start_of_state=TIME, last_address=parse_ipv4("10.1.255.255")),
        Update(parse_ipv4("10.2.0.0"), 1, last_address=parse_ipv4("10.2.0.0")),
    ]),
    BindingAck([Answer(parse_ipv4("10.1.0.9"))]),
    BindingAck([Answer(parse_ipv4("10.1.0.9"), int(reason), "because") for reason in RejectReason]),
    BindingAck([Answer(1, 16, "less critical"), Answer(2), Answer(3, 2), Answer(4)]),
    UpdateRequest(),
    UpdateRequestAll(),
    UpdateDone(),
    Contact(),
    Disconnect(17, "nothing heard for 60 s"),
    Disconnect(254),
]  # fmt: skip


def capture(frames):
    """A pcap file with each frame in a TCP segment of its own, from port 49152 to port 647."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    sequence = 1000
    for frame in frames:
        tcp = struct.pack(">HHIIBBHHH", 49152, 647, sequence, 1, 5 << 4, 0x18, 65535, 0, 0) + frame
        ip = struct.pack(
            ">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
        )
        packet = bytes.fromhex("0200000000020200000000010800") + ip + tcp
        out.append(struct.pack("<IIII", TIME, 0, len(packet), len(packet)) + packet)
        sequence += len(frame)
    return b"".join(out)


def options(message):
    """What the dissector should show for the options of ``message``: list of (code, length, field, value)."""
    shown = []

    def number(code, size, field, value):
        if value is not None:
            shown.append((code, size, field, str(value)))

    def text(code, field, value):
        if value:
            shown.append((code, len(value), field, value.decode()))

    def plain(code, field, value):
        shown.append((code, len(value), field, value.hex(":")))

    if isinstance(message, Connect | ConnectAck):
        text(22, "relationshipname", message.relationship)
        number(14, 4, "maxunackedbndupd", message.max_unacked)
        number(19, 4, "receivetimer", message.receive_timer)
        text(28, "vendorclass", message.vendor_class)
        number(20, 1, "protocolversion", message.version)
        if isinstance(message, Connect):
            number(27, 1, "tls_request", message.tls_request)
            number(15, 4, "mclt", message.mclt)
            plain(11, "hashbucketassignment", message.hash_buckets)
            number(10, 1, "delayedserviceparameter", message.delayed_service)
        else:
            number(26, 1, "tls_reply", message.tls_reply)
            number(21, 1, "rejectreason", message.reject)
            text(16, "message", message.text.encode())
        if message.vendor:
            shown.append((29, sum(4 + len(v) for v in message.vendor.values()), "vendoroption", ""))
    elif isinstance(message, State):
        number(24, 1, "serverstatus", message.state)
        number(23, 1, "serverflag", int(message.startup))
        number(25, 4, "starttimeofstate", message.start_of_state)
    elif isinstance(message, PoolResponse):
        number(1, 4, "addressestransferred", message.count)
    elif isinstance(message, Disconnect):
        number(21, 1, "rejectreason", message.reject)
        text(16, "message", message.text.encode())
    elif isinstance(message, BindingAck):
        for answer in message.answers:
            number(2, 4, "assignedipaddress", format_ipv4(answer.address))
            number(21, 1, "rejectreason", answer.reject)
            text(16, "message", answer.text.encode())
    elif isinstance(message, BindingUpdate):
        if any(u.last_address is not None for u in message.updates):
            text(28, "vendorclass", VENDOR_CLASS)
        for update in message.updates:
            shown += update_options(update)
    return shown


def update_options(update):
    """What the dissector should show for one transaction."""
    shown = [(2, 4, "assignedipaddress", format_ipv4(update.address)), (3, 1, "bindingstatus", str(update.status))]
    if update.client_id:
        shown.append((4, len(update.client_id), "clientidentifier", update.client_id.hex()))
    if update.hardware:
        shown.append((5, len(update.hardware), "clienthardwareaddress", update.hardware[1:].hex(":")))
    for code, field, value in (
        (13, "leaseexpirationtime", update.expires),
        (18, "potentialexpirationtime", update.potential),
        (25, "starttimeofstate", update.start_of_state),
        (6, "clientlasttransactiontime", update.last_transaction),
    ):
        if value is not None:
            shown.append((code, 4, field, str(value)))
    if update.flags:
        shown.append((12, 2, "ipflags", f"0x{update.flags:04x}"))
    for code, value in ((8, update.request_options), (7, update.reply_options)):
        if value:
            shown.append((code, len(value) + 4, "options", (b"\x63\x82\x53\x63" + value).hex(":")))
    if update.ddns is not None:
        flags, name = update.ddns
        shown.append((9, len(name) + 2, "ftddns", (flags.to_bytes(2, "big") + name).hex()))
    if update.last_address is not None:
        shown.append((29, 8, "vendoroption", ""))
    return shown


def dissect(tmp_path, frames):
    """The dissector's fields of each frame."""
    file = tmp_path / "failover.pcap"
    file.write_bytes(capture(frames))
    done = subprocess.run(
        ["tshark", "-n", "-r", str(file), "-d", "tcp.port==647,dhcpfo", "-T", "json", "-x", "--no-duplicate-keys"],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    return [packet["_source"]["layers"] for packet in json.loads(done.stdout)]


def as_list(value):
    return value if isinstance(value, list) else [value]


def read_options(layer):
    """(code, length, field, value) of each option, as the dissector read them."""
    payload = layer.get("dhcpfo.payloaddata", {})
    for option in as_list(payload.get("dhcpfo.dhcpstyleoption", [])):
        names = [n.removeprefix("dhcpfo.") for n in option if not n.endswith(("_raw", "_tree"))]
        names = [n for n in names if n not in NOT_VALUES]
        assert len(names) == 1, option
        field = names[0]
        value = option[f"dhcpfo.{field}_raw"][0] if field in BINARY else option[f"dhcpfo.{field}"]
        yield int(option["dhcpfo.optioncode"]), int(option["dhcpfo.optionlength"]), field, value


def complaints(tree, place=""):
    """Every mark of the dissector against the message, but the known one on binary fields."""
    for inner in tree if isinstance(tree, list) else []:
        yield from complaints(inner, place)
    for name, inner in tree.items() if isinstance(tree, dict) else []:
        if name == "_ws.expert" and place in BINARY_TREES and "_ws.string.trailing_stray_characters" in inner:
            continue
        if name.startswith("_ws.") or name in MARKS:
            yield f"{place}: {name}: {inner}"
        yield from complaints(inner, name)


@pytest.fixture(scope="module", autouse=True)
def tshark():
    if shutil.which("tshark") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("tshark is not installed: run scripts/system-packages")
        pytest.skip("tshark is not installed: run scripts/system-packages")


@pytest.mark.parametrize("secret", [b"", SECRET], ids=["plain", "digest"])
def test_the_dissector_reads_what_was_meant(tmp_path, secret):
    frames = [encode(m, i + 1, TIME + i, secret) for i, m in enumerate(MESSAGES)]
    read = dissect(tmp_path, frames)
    assert len(read) == len(frames)
    for i, (frame, message, layers) in enumerate(zip(frames, MESSAGES, read, strict=True)):
        assert [name for name in layers if not name.endswith("_raw")] == ["frame", "eth", "ip", "tcp", "dhcpfo"]
        assert list(complaints(layers["dhcpfo"])) == []
        layer = layers["dhcpfo"]
        assert int(layer["dhcpfo.length"]) == len(frame)
        assert int(layer["dhcpfo.type"]) == frame[2]
        assert layer["dhcpfo.poffset"] == "12"
        assert layer["dhcpfo.time_raw"][0] == f"{TIME + i:08x}"
        assert layer["dhcpfo.xid"] == f"0x{i + 1:08x}"
        digest = [(17, 17, "messagedigest", frame[17:33].hex())] if secret else []
        assert list(read_options(layer)) == digest + options(message)


def test_several_messages_in_one_segment_are_told_apart(tmp_path):
    frames = [encode(m, i + 1, TIME) for i, m in enumerate(MESSAGES)]
    layers = dissect(tmp_path, [b"".join(frames[6:24])])[0]
    assert [int(layer["dhcpfo.type"]) for layer in as_list(layers["dhcpfo"])] == [f[2] for f in frames[6:24]]


def test_a_complaint_would_be_noticed(tmp_path):
    good = encode(PoolResponse(5), 1, TIME)
    broken = good[:14] + b"\0\5" + good[16:]
    assert list(complaints(dissect(tmp_path, [good])[0])) == []
    assert list(complaints(dissect(tmp_path, [broken])[0])) != []
