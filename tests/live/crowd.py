"""Clients that lease and renew all the time, as clients do, and never forget a grievance.

A few machines on the LAN, a thread each; every client renews at half of its time by unicast, tries by broadcast when
that is not answered, and must still have its address when its time is over. Newcomers come and leavers go. The ledger
says whether two ever held one address.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType

from tests.live.lab import Lab
from tests.live.netns import LabError, wait_for
from tests.live.pyclient import ACK, LanPort, Ledger, PyClient

_COME_AND_GO_S = 2.0


class Crowd:
    """Clients under way. A context manager: they begin with it and end with it."""

    def __init__(self, lab: Lab, machines: int = 4, each: int = 8) -> None:
        self.ledger = Ledger()
        self.grievances: list[str] = []
        self.renewed = 0
        self.came = 0
        self.refused_newcomers = 0
        self._end = threading.Event()
        self._machines = [_Machine(self, lab, number, each) for number in range(1, machines + 1)]

    def __enter__(self) -> Crowd:
        for machine in self._machines:
            machine.start()
        wait_for("all clients have leases", lambda: all(machine.settled for machine in self._machines), 30)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None) -> None:
        self._end.set()
        for machine in self._machines:
            machine.join(30)

    @property
    def ending(self) -> bool:
        """Whether it is told to end."""
        return self._end.is_set()

    def rest(self, seconds: float) -> None:
        """Let a machine's thread rest, but not beyond the end."""
        self._end.wait(seconds)

    def served_anew(self, timeout: float = 30) -> None:
        """Wait until every machine has renewed leases and had a newcomer since now."""
        marks = [(machine.renewed, machine.came) for machine in self._machines]
        wait_for(
            "every machine is served",
            lambda: all(m.renewed >= r + 4 and m.came > c for m, (r, c) in zip(self._machines, marks, strict=True)),
            timeout,
        )  # fmt: skip

    def served_by(self) -> dict[str, int]:
        """Return how many running leases each server has given or extended last."""
        counts: dict[str, int] = {}
        for holding in self.ledger.held().values():
            counts[holding.server] = counts.get(holding.server, 0) + 1
        return counts

    def check(self) -> None:
        """Raise if a client ever lost its address or shared it."""
        self.ledger.check()
        if self.grievances:
            raise AssertionError("clients that lost their lease:\n" + "\n".join(self.grievances))


class _Machine(threading.Thread):
    """One network interface and its clients."""

    def __init__(self, crowd: Crowd, lab: Lab, number: int, each: int) -> None:
        super().__init__(name=f"clients-{number}", daemon=True)
        self.crowd = crowd
        self.port = LanPort(lab.client_space(f"crowd{number}"), "eth0")
        self._number = number * 1000
        self.clients = [self._new() for _ in range(each)]
        self.settled = False
        self.renewed = self.came = 0
        self._next_change = time.monotonic() + _COME_AND_GO_S

    def _new(self) -> PyClient:
        self._number += 1
        return PyClient(self.port, self._number, self.crowd.ledger)

    def run(self) -> None:
        """Serve the clients until the end; a thread that dies is a grievance."""
        try:
            for client in self.clients:
                self._lease(client)
            self.settled = True
            while not self.crowd.ending:
                self._round()
        except Exception as error:
            self.crowd.grievances.append(f"{self.name}: {error!r}")
            raise

    def _round(self) -> None:
        client = min(self.clients, key=_half_time)
        wait_s = _half_time(client) - time.time()
        if wait_s > 0:
            self.crowd.rest(min(wait_s, 0.2))
        else:
            self._extend(client)
        if time.monotonic() >= self._next_change:
            self._next_change = time.monotonic() + _COME_AND_GO_S
            self._come_and_go()

    def _extend(self, client: PyClient) -> None:
        """Renew, or rebind; and keep the address."""
        address, who = client.address, client.mac.hex(":")
        answer = client.renew(timeout=0.4) or client.rebind(timeout=1)
        if answer is None:
            if time.time() < client.expires:
                return  # it tries again
            self.crowd.grievances.append(f"{time.time():.1f} {who}: nobody extended {address}, its time is over")
        elif answer.kind != ACK:
            self.crowd.grievances.append(f"{time.time():.1f} {who}: {address} was refused by {answer.server}")
        else:
            self.renewed += 1
            return
        self._lease(client)

    def _lease(self, client: PyClient, timeout: float = 10) -> None:
        client.lease(timeout)
        self.port.announce(client.mac, client.address)

    def _come_and_go(self) -> None:
        """A client leaves for good, in good order; another comes."""
        self.clients.pop(0).release()
        newcomer = self._new()
        try:
            self._lease(newcomer, timeout=2)
        except LabError:
            self.crowd.refused_newcomers += 1
            self._lease(newcomer, timeout=20)
        self.clients.append(newcomer)
        self.came += 1


def _half_time(client: PyClient) -> float:
    return client.expires - client.lease_s / 2
