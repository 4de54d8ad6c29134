"""What TLS on the failover link costs: processor time per message, both ends together, and per handshake.

    python -m bench.tls [--messages N] [--bytes N]

Two ``runtime.link.Links`` of one process over loopback talk as a busy pair does: BNDUPD there, BNDACK back.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import tempfile
import time
from pathlib import Path

from tandem.base.io import Connect, Input, LinkData, LinkUp, StartTls, TlsUp
from tandem.base.ipv4 import parse_ipv4
from tandem.cluster import certificates
from tandem.runtime.link import Links
from tandem.runtime.tls import Identity

A, B = parse_ipv4("127.0.0.37"), parse_ipv4("127.0.0.38")
ACK_BYTES, AT_ONCE = 40, 64


class End:
    """One end: counts what comes."""

    def __init__(self, own: int, port: int, peer: int, identity: Identity) -> None:
        self.links = Links(own, port, self.take, lambda: False, lambda *_: None)
        self.links.configure([peer], identity)
        self.link = self.received = 0
        self.secure = False

    def take(self, events: list[Input]) -> None:
        """Take what the links report."""
        for event in events:
            if isinstance(event, LinkUp):
                self.link = event.link
            elif isinstance(event, TlsUp):
                self.secure = True
            elif isinstance(event, LinkData):
                self.received += len(event.data)


async def measure(tls: bool, messages: int, size: int, files: list[Path]) -> tuple[float, float]:
    """Return the processor time of setting the connection up and of one message with its answer, in seconds."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.37", 0))
        port = probe.getsockname()[1]
    identities = [Identity(file) for file in files]
    a, b = End(A, port, B, identities[0]), End(B, port, A, identities[1])
    await b.links.listen()
    began = time.process_time()
    a.links.connect(Connect(A, B, port))
    while not (a.link and b.link):
        await asyncio.sleep(0)
    if tls:
        b.links.start_tls(StartTls(b.link, True, identities[0].certificate))
        a.links.start_tls(StartTls(a.link, False, identities[1].certificate))
        while not (a.secure and b.secure):
            await asyncio.sleep(0)
    up = time.process_time() - began
    began = time.process_time()
    told, answer = bytes(size), bytes(ACK_BYTES)
    for _ in range(messages // AT_ONCE):
        there, back = b.received + AT_ONCE * size, a.received + AT_ONCE * ACK_BYTES
        for _ in range(AT_ONCE):
            a.links.send(a.link, told)
        while b.received < there:
            await asyncio.sleep(0)
        for _ in range(AT_ONCE):
            b.links.send(b.link, answer)
        while a.received < back:
            await asyncio.sleep(0)
    each = (time.process_time() - began) / messages
    await a.links.finish()
    await b.links.finish()
    return up, each


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.tls", description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--bytes", type=int, default=250, help="of a BNDUPD: one binding with its options")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        files = [Path(directory, f"{name}.pem") for name in "ab"]
        for file in files:
            certificates.make(file, file.stem)
        for tls in (False, True, False, True):
            up, each = asyncio.run(measure(tls, args.messages, args.bytes, files))
            name = "TLS" if tls else "plain"
            print(f"{name:5}: connection {up * 1e3:.2f} ms, {args.bytes} bytes and their answer {each * 1e6:.1f} us")


if __name__ == "__main__":
    main()
