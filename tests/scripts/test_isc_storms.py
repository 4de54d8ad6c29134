"""Random weather over Tandem and a scripted ISC dhcpd: crashes, cuts, partner-down rightly set, rebinds that cross.

No address may ever have two holders, nothing that harms dhcpd is sent (its model raises), and in the end both are
NORMAL with equal books.
"""

from __future__ import annotations

import os
import random

import pytest
from dhcpd import Dhcpd
from pair import Client, Server
from test_isc import Pair, declare_down

SEEDS = range(int(os.environ.get("STORMS", "100")) // 20)
STEPS = 120
LIVE_S = 70.0
"""How long a cut lasts at least: until both have noticed it, as the bytes of a connection are not lost for less."""


class Storm:
    """One seed's story, and the clients' ledger."""

    def __init__(self, ours: str, seed: int) -> None:
        self.random = random.Random(seed)
        self.pair = Pair(ours, self.random.choice([0, 0, -20, 20]))
        self.world = self.pair.world
        self.servers: list[Server | Dhcpd] = [self.pair.tandem, self.pair.isc]
        self.clients = [Client(self.world, n) for n in range(24)]
        self.held: dict[int, tuple[Client, float]] = {}
        """Who holds an address, and until when."""
        self.story: list[str] = []
        self.apart = False
        """Whether one was declared down and they have not been NORMAL since: they are not cut off now."""

    def step(self) -> None:
        rnd = self.random
        up = [server for server in self.servers if server.node is not None]
        self.apart = self.apart and self.pair.states() != ("NORMAL", "NORMAL")
        what = rnd.choices(["client", "release", "crash", "cut", "down", "run"], [30, 6, 8, 3, 4, 45])[0]
        self.story.append(f"{self.world.now:.2f} {what} {self.pair.states()}")
        if what == "client":
            self.ask(rnd.choice(self.clients), rnd.sample(up, len(up)))
        elif what == "release":
            self.release(rnd.choice(self.clients), up)
        elif what == "crash":
            one = rnd.choice(self.servers)
            if one.node is None:
                one.boot()
            elif len(up) == 2:
                one.crash()
        elif what == "cut" and len(up) == 2 and not self.apart:
            self.world.cut = True
            for client in rnd.choices(self.clients, k=rnd.choice([3, 30])):
                self.ask(client, rnd.sample(up, 1))
            self.world.run(LIVE_S)
            self.world.cut = False
        elif what == "down" and len(up) == 1 and up[0].state == "COMMUNICATIONS-INTERRUPTED":
            self.apart = True
            declare_down(up[0])
        elif what == "run":
            self.world.run(rnd.choice([0.005, 0.05, 1, 10, 60, 200]))

    def ask(self, client: Client, servers: list[Server | Dhcpd]) -> None:
        """The client gets a lease of the first that gives one, or has one or all of them extend it."""
        if client.address and client.left_s > 0:
            for server in servers[: self.random.randint(1, 2)]:
                if client.renew(server):
                    self.took(client)
                self.world.now += self.random.choice([0, 0.02])
        elif any(client.lease(server) for server in servers):
            self.took(client)

    def release(self, client: Client, up: list[Server | Dhcpd]) -> None:
        for server in up:
            if client.address and client.left_s > 0 and server.address == client.server:
                self.held.pop(client.address, None)
                client.release(server)

    def took(self, client: Client) -> None:
        holder, until = self.held.get(client.address, (client, 0.0))
        assert holder is client or until <= self.world.now + 1, "two holders"
        self.held[client.address] = client, client.expires

    def end(self) -> None:
        for server in self.servers:
            if server.node is None:
                server.boot()
        self.pair.normal(2000)
        for _ in range(20):  # an address that a client may still hold is so until that is over on both
            self.world.run(200)
            if self.pair.tandem.active().keys() == self.pair.isc.active().keys():
                break
        self.pair.agreed(2)


@pytest.mark.parametrize("ours", ["main", "backup"])
@pytest.mark.parametrize("seed", SEEDS)
def test_storm_with_dhcpd(ours: str, seed: int) -> None:
    storm = Storm(ours, seed)
    try:
        for _ in range(STEPS):
            storm.step()
        storm.end()
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}\n" + "\n".join(storm.story[-40:])) from error
