"""Real DHCP clients beside the simulated ones: dhclient stays and renews, udhcpc comes, stays a while and leaves.

Each runs in a network namespace of its own. Its script configures the interface and writes each event to a file,
from which the ledger is kept. udhcpc takes leases under two minutes for two minutes long, and so could hold on to
one that has run out: it always leaves within the shortest lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.demo.ledger import How, Ledger, Promise

_LOOK_S = 0.2
_VISIT_S = 8.0
_AWAY_S = 4.0

_DHCLIENT_SCRIPT = """#!/bin/sh
case $reason in
BOUND | RENEW | REBIND | REBOOT)
    [ "$old_ip_address" = "$new_ip_address" ] || ip -4 addr flush dev "$interface"
    ip -4 addr replace "$new_ip_address/$new_subnet_mask" dev "$interface" ;;
EXPIRE | FAIL | RELEASE | STOP) ip -4 addr flush dev "$interface" ;;
esac
echo "$reason $new_ip_address $new_dhcp_lease_time $new_dhcp_server_identifier" >>"{events}"
"""
_DHCLIENT_CONFIGURATION = """timeout 20; retry 2; reboot 1; initial-interval 1; backoff-cutoff 2; select-timeout 0;
request subnet-mask, dhcp-lease-time, dhcp-server-identifier;
"""
_UDHCPC_SCRIPT = """#!/bin/sh
case $1 in
bound | renew)
    ip -4 addr flush dev "$interface"
    ip -4 addr add "$ip/$mask" dev "$interface" ;;
*) ip -4 addr flush dev "$interface" ;;
esac
echo "$1 $ip $lease $serverid" >>"{events}"
"""


class RealClient(ABC):
    """A DHCP client program in a namespace."""

    program: ClassVar[str]
    script: ClassVar[str]

    def __init__(self, directory: Path, enter: Callable[[], None]) -> None:
        """``directory`` takes its files; ``enter`` moves the process to where it runs."""
        self.directory = directory / self.program
        self.directory.mkdir()
        self._enter = enter
        self._events = self.directory / "events"
        self._events.touch()
        self._script = self.directory / "script"
        self._script.write_text(self.script.format(events=self._events))
        self._script.chmod(0o755)
        self._read = 0
        self._process: asyncio.subprocess.Process | None = None
        self._started_at = 0.0
        self.address = 0
        self.server = 0
        self.answers = 0
        self.last = "starting"

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line."""

    @abstractmethod
    async def live(self, ledger: Ledger) -> None:
        """Run it until cancelled, and keep its part of the ledger."""

    async def _start(self) -> asyncio.subprocess.Process:
        self._started_at = time.monotonic()
        with open(self.directory / "log", "ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.command(), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=self._enter
            )
        return self._process

    def stop(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _new_events(self) -> list[list[str]]:
        with open(self._events, encoding="ascii", errors="replace") as file:
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind("\n") + 1]
        self._read += len(whole)
        return [line.split() for line in whole.splitlines() if line]

    def _acknowledged(self, ledger: Ledger, how: How, words: list[str]) -> None:
        now = time.monotonic()
        self.address, self.server = parse_ipv4(words[1]), parse_ipv4(words[3])
        self.answers += 1
        self.last = f"{format_ipv4(self.address)} {how.value}"
        promise = Promise(self.address, self.program, now, now + int(words[2]), self.server)
        waited_s = now - self._started_at if how is How.NEW else 0.0
        ledger.acknowledged(promise, how, now, waited_s)


class Dhclient(RealClient):
    """ISC dhclient: leases, renews, rebinds."""

    program = "dhclient"
    script = _DHCLIENT_SCRIPT
    _HOW: ClassVar = {"BOUND": How.NEW, "REBOOT": How.NEW, "RENEW": How.RENEWED, "REBIND": How.REBOUND}

    def command(self) -> list[str]:
        configuration = self.directory / "configuration"
        configuration.write_text(_DHCLIENT_CONFIGURATION)
        files = ["-cf", str(configuration), "-lf", str(self.directory / "leases"), "--no-pid"]
        return [self.program, "-4", "-d", *files, "-sf", str(self._script), "eth0"]

    async def live(self, ledger: Ledger) -> None:
        await self._start()
        while True:
            await asyncio.sleep(_LOOK_S)
            for words in self._new_events():
                how = self._HOW.get(words[0])
                if how is not None:
                    self._acknowledged(ledger, how, words)
                elif words[0] in ("EXPIRE", "FAIL") and self.address:
                    ledger.renewal_failed(self.address, self.program, f"it says {words[0]}", time.monotonic())
                    self.address, self.last = 0, "lost its address"


class Udhcpc(RealClient):
    """BusyBox udhcpc: leases, and releases when it leaves."""

    program = "udhcpc"
    script = _UDHCPC_SCRIPT

    def command(self) -> list[str]:
        return [self.program, "-f", "-R", "-i", "eth0", "-s", str(self._script), "-t", "3", "-T", "1", "-A", "2"]

    async def live(self, ledger: Ledger) -> None:
        while True:
            process = await self._start()
            leave_at = float("inf")
            while process.returncode is None:
                await asyncio.sleep(_LOOK_S)
                for words in self._new_events():
                    if words[0] == "bound":
                        self._acknowledged(ledger, How.NEW, words)
                        leave_at = time.monotonic() + _VISIT_S
                if time.monotonic() >= leave_at:
                    leave_at = float("inf")
                    ledger.gave_back(self.address, self.program, time.monotonic())
                    self.last = f"{format_ipv4(self.address)} released"
                    process.terminate()
            await asyncio.sleep(_AWAY_S)
