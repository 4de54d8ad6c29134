"""The servers that are compared: how each is configured, started, known to be ready, and ended.

All of them serve the same pool with leases of an hour, write every lease to a file on the same disk, and have the
shortcuts that skip that write switched off (dhcpd's cache threshold, deferred lease extensions).
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from tests.live.lab import Tandem
from tests.live.netns import Namespace, Process, wait_for

from bench.bed import BACKUP, MAIN, Bed

LEASE_S = 3600


@dataclass(slots=True, frozen=True)
class Pool:
    """A scope 10.0.0.0/8 with one range."""

    name: str
    first: str
    last: str


SMALL = Pool("8k", "10.1.0.0", "10.1.31.255")
LARGE = Pool("8M", "10.1.0.0", "10.128.255.255")


class Contender:
    """One server, or pair of servers, in a bed."""

    name = ""
    durable = False
    """Whether a lease is on stable storage (synced) before its ACK."""
    guess = 2000.0
    """Exchanges per second where the search starts."""

    def __init__(self, bed: Bed, pool: Pool) -> None:
        self.bed = bed
        self.pool = pool
        self.processes: list[Process] = []
        self.ready_s = 0.0
        self.directory = bed.directory / f"{self.name.replace(' ', '-')}-{pool.name}-{time.monotonic_ns()}"
        self.directory.mkdir()

    def start(self, timeout: float) -> None:
        """Start it and wait until it can serve; LabError if it is not ready in ``timeout`` seconds."""
        began = time.monotonic()
        self.launch(timeout)
        self.ready_s = time.monotonic() - began

    def launch(self, timeout: float) -> None:
        """Start the processes and wait for readiness."""
        raise NotImplementedError

    def stop(self) -> None:
        """End every process of it, at once."""
        for process in self.processes:
            process.kill()

    def _said(self, process: Process, words: str, timeout: float, log: Path | None = None) -> None:
        def probe() -> bool:
            if not process.alive():
                raise RuntimeError(f"{self.name} ended:\n{process.output()[-3000:]}")
            text = log.read_text(errors="replace") if log is not None and log.exists() else process.output()
            return words in text

        wait_for(f"{self.name} says {words!r}", probe, timeout)


class Kea(Contender):
    """Kea with its memfile lease file (appended, never synced)."""

    name = "Kea"
    guess = 3500.0

    def _config(self, who: str, extra: dict[str, object] | None = None) -> Path:
        loggers = [
            {"name": name, "severity": level, "output_options": [{"output": "stdout", "pattern": "%m\n"}]}
            for name, level in (("kea-dhcp4", "WARN"), ("kea-dhcp4.dhcp4", "INFO"), ("kea-dhcp4.ha-hooks", "INFO"),
                                ("kea-dhcp4.leases", "WARN"), ("kea-dhcp4.packets", "WARN"))
        ]  # fmt: skip
        document = {
            "interfaces-config": {"interfaces": ["eth0"], "dhcp-socket-type": "udp"},
            "lease-database": {"type": "memfile", "persist": True, "name": str(self.directory / f"{who}.csv")},
            "valid-lifetime": LEASE_S,
            "subnet4": [
                {"id": 1, "subnet": "10.0.0.0/8", "pools": [{"pool": f"{self.pool.first} - {self.pool.last}"}]}
            ],
            "loggers": loggers,
            **(extra or {}),
        }
        path = self.directory / f"{who}.json"
        path.write_text(json.dumps({"Dhcp4": document}))
        return path

    def _run(self, space: Namespace, who: str, config: Path) -> Process:
        state = self.directory / f"{who}-state"
        state.mkdir()
        process = space.start(
            "kea-dhcp4", "-c", str(config), env={"KEA_PIDFILE_DIR": str(state), "KEA_LOCKFILE_DIR": str(state)}
        )
        self.processes.append(process)
        return process

    def launch(self, timeout: float) -> None:
        process = self._run(self.bed.main, "main", self._config("main"))
        self._said(process, "DHCP4_STARTED", timeout)


class KeaPair(Kea):
    """Kea's high-availability hook, hot standby, each server with its own HTTP listener."""

    name = "Kea HA pair"
    guess = 900.0

    def launch(self, timeout: float) -> None:
        hooks = Path("/usr/lib/x86_64-linux-gnu/kea/hooks")
        peers = [
            {"name": "main", "url": f"http://{MAIN}:8000/", "role": "primary", "auto-failover": True},
            {"name": "backup", "url": f"http://{BACKUP}:8000/", "role": "standby", "auto-failover": True},
        ]
        started = []
        for who, space in (("main", self.bed.main), ("backup", self.bed.backup)):
            pair = {
                "this-server-name": who, "mode": "hot-standby", "peers": peers, "heartbeat-delay": 1000,
                "max-response-delay": 60000, "max-ack-delay": 10000, "max-unacked-clients": 0,
                "multi-threading": {
                    "enable-multi-threading": True, "http-dedicated-listener": True,
                    "http-listener-threads": 2, "http-client-threads": 2,
                },
            }  # fmt: skip
            extra: dict[str, object] = {
                "multi-threading": {"enable-multi-threading": True, "thread-pool-size": 2, "packet-queue-size": 64},
                "hooks-libraries": [
                    {"library": str(hooks / "libdhcp_lease_cmds.so")},
                    {"library": str(hooks / "libdhcp_ha.so"), "parameters": {"high-availability": [pair]}},
                ],
            }
            started.append(self._run(space, who, self._config(who, extra)))
        for process in started:
            self._said(process, "to HOT-STANDBY", timeout)


class Dhcpd(Contender):
    """ISC dhcpd with its lease file (flushed to the kernel, synced by fsync in its default build)."""

    name = "dhcpd"
    durable = True
    guess = 2000.0
    failover = False

    def _config(self, main: bool) -> Path:
        who = "main" if main else "backup"
        local, peer = (MAIN, BACKUP) if main else (BACKUP, MAIN)
        relationship = pool = ""
        if self.failover:
            role = "primary; mclt 3600; split 255" if main else "secondary"
            relationship = (
                f'failover peer "pair" {{ {role}; address {local}; port 647; peer address {peer}; peer port 647;'
                " max-response-delay 60; max-unacked-updates 1000; load balance max seconds 3; }\n"
            )
            pool = 'failover peer "pair";'
        path = self.directory / f"{who}.conf"
        path.write_text(
            f"{relationship}authoritative; dhcp-cache-threshold 0; ping-check false; ddns-update-style none;\n"
            f"default-lease-time {LEASE_S}; max-lease-time {LEASE_S};\n"
            "subnet 10.0.0.0 netmask 255.0.0.0 {"
            f" pool {{ {pool} range {self.pool.first} {self.pool.last}; }} }}\n"
        )
        (self.directory / f"{who}.leases").touch()
        return path

    def _run(self, space: Namespace, main: bool) -> Process:
        config = self._config(main)
        base = config.with_suffix("")
        process = space.start(
            "dhcpd", "-f", "-4", "-cf", str(config), "-lf", f"{base}.leases", "-pf", f"{base}.pid", "eth0"
        )
        self.processes.append(process)
        return process

    def launch(self, timeout: float) -> None:
        process = self._run(self.bed.main, main=True)
        self._said(process, "Sending on   Socket/fallback", timeout)


class DhcpdPair(Dhcpd):
    """Two of them in failover, the main serving everybody (split 255)."""

    name = "dhcpd pair"
    guess = 500.0
    failover = True

    def launch(self, timeout: float) -> None:
        started = [self._run(self.bed.main, main=True), self._run(self.bed.backup, main=False)]
        for process, who in zip(started, ("main", "backup"), strict=True):
            self._said(process, "my state normal", timeout, log=self.directory / f"{who}.leases")


class TandemSingle(Contender):
    """One local cluster, failover off. Every lease is synced before its ACK."""

    name = "Tandem"
    durable = True
    guess = 4000.0

    def __init__(self, bed: Bed, pool: Pool) -> None:
        super().__init__(bed, pool)
        self.main = Tandem(bed.main, MAIN, self.directory / "main")
        self.backup = Tandem(bed.backup, BACKUP, self.directory / "backup")

    def _batch(self) -> str:
        return (
            "dhcp disable defer-lease-extensions\n"
            "scope bench create 10.0.0.0 255.0.0.0\n"
            f"scope bench addRange {self.pool.first} {self.pool.last}\n"
            f"policy default setLeaseTime {LEASE_S}\n"
        )

    def _configure(self, server: Tandem, batch: str) -> float:
        """Configure and reload; the seconds that the reload took."""
        server.nrcmd(batch)
        began = time.monotonic()
        server.nrcmd("dhcp reload\n")
        return time.monotonic() - began

    def launch(self, timeout: float) -> None:
        self._start(self.main, timeout)
        self._configure(self.main, self._batch())

    def _start(self, server: Tandem, timeout: float) -> None:
        server.start(timeout)
        assert server.process is not None
        self.processes.append(server.process)


class TandemPair(TandemSingle):
    """Two local clusters as a failover pair, in NORMAL before the load begins."""

    name = "Tandem pair"

    def launch(self, timeout: float) -> None:
        batch = (
            f"{self._batch()}dhcp enable failover\n"
            f"dhcp set failover-main-server={MAIN} failover-backup-server={BACKUP}\n"
            "dhcp set failover-startup-time=2\n"
        )
        for server in (self.main, self.backup):
            self._start(server, timeout)
        for server in (self.main, self.backup):
            self._configure(server, batch)
        wait_for("both in NORMAL", lambda: (self.main.state, self.backup.state) == ("NORMAL", "NORMAL"), timeout)


CONTENDERS: tuple[type[Contender], ...] = (TandemPair, TandemSingle, Kea, KeaPair, Dhcpd, DhcpdPair)
