"""Random weather over two nodes: crashes, cuts, lost databases, operators; one holder per address, always."""

from __future__ import annotations

import os
import random

import pytest
from pair import BACKUP, MAIN, Client, Server, World, config, scope

from tandem.base.io import Effect
from tandem.lease.binding import ACTIVE, COLUMNS

SEEDS = range(int(os.environ.get("STORMS", "100")))


class Storm:
    """One seed's story, and the clients' ledger."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        last = self.random.choice(["192.168.50.30", "192.168.50.60"])
        lease_s = self.random.choice([1200, 7200])
        pct = self.random.choice([10, 30, 50])
        make = lambda main: config(main, scope(last=last, lease_s=lease_s, pct=pct), mclt_s=600)  # noqa: E731
        self.world = World(lambda: make(True), lambda: make(False))
        self.world.pair()
        self.clients = [Client(self.world, n) for n in range(400)]
        self.held: dict[int, Client] = {}
        self.story: list[str] = []

    def step(self) -> None:
        world, rnd = self.world, self.random
        what = rnd.choices(
            ["lease", "renew", "release", "run", "long", "crash", "boot", "cut", "mend", "down", "stop"],
            [30, 25, 6, 20, 2, 3, 5, 3, 5, 3, 1],
        )[0]
        live = [s for s in (world.main, world.backup) if s.node is not None]
        one = rnd.choice([world.main, world.backup])
        client = rnd.choice(self.clients)
        self.story.append(f"{world.now:.0f} {what} {one.name} c{self.clients.index(client)}")
        if what == "lease" and live and not client.address:
            if client.lease(*rnd.sample(live, len(live))):
                self.took(client)
        elif what == "renew" and live and client.address and client.left_s > 0:
            if client.renew(*rnd.sample(live, rnd.randint(1, len(live)))):
                self.took(client)
        elif what == "release" and client.address and client.left_s > 0 and live:
            self.held.pop(client.address, None)
            client.release(rnd.choice(live))
        elif what == "run":
            world.run(rnd.choice([0.01, 1, 30, 200]))
        elif what == "long":
            world.run(rnd.choice([700, 3000, 9000]))
        elif what == "crash" and one.node is not None:
            if rnd.random() < 0.5:
                one.crash()
            elif one.fuse is None:
                one.fuse = rnd.randrange(12)  # it will die between two effects
        elif what == "stop" and one.node is not None:
            one.stop()
        elif what == "boot" and one.node is None and not self.partner_is_alone(one):
            one.boot()
        elif what == "cut" and not world.cut:
            world.cut = True
            world.drop_connections_of(world.main)
        elif what == "mend":
            world.cut = False
        elif what == "down":
            self.partner_down(one)
        for c in self.clients:
            if c.address and c.left_s <= 0:
                if self.held.get(c.address) is c:
                    del self.held[c.address]
                c.address = 0

    def partner_is_alone(self, server: Server) -> bool:
        """While one server is in PARTNER-DOWN and out of reach, the other MUST NOT run (draft 9.4)."""
        other = self.world.backup if server is self.world.main else self.world.main
        return self.world.cut and other.node is not None and other.state == "PARTNER-DOWN"

    def partner_down(self, server: Server) -> None:
        """The operator is right: the other one is dead."""
        other = self.world.backup if server is self.world.main else self.world.main
        if server.node is None or other.node is not None or server.state != "COMMUNICATIONS-INTERRUPTED":
            return
        out: list[Effect] = []
        server.node.set_partner_down(self.world.now, BACKUP if server is self.world.main else MAIN, None, False, out)
        server.perform(out)

    def took(self, client: Client) -> None:
        row = dict(zip(COLUMNS, self.world.servers[client.server].disk.rows[client.address], strict=True))
        assert row["status"] == ACTIVE and row["expires"] >= int(client.expires), "acknowledged, but not stored"
        other = self.held.get(client.address)
        assert other is None or other is client or other.left_s <= 0, (
            f"{client.address & 255} held by c{self.clients.index(other)} for {other.left_s} s more, "  # type: ignore[arg-type]
            f"given to c{self.clients.index(client)}"
        )
        self.held[client.address] = client

    def calm(self) -> None:
        """After the faults stop: both NORMAL, nothing untold, both books equal (DESIGN: liveness)."""
        world = self.world
        world.cut = False
        for server in (world.main, world.backup):
            server.fuse = None
            if server.node is None:
                server.boot()
        world.run(1500)
        assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
        world.run(130)
        world.books_agree()
        assert world.main.node is not None and world.backup.node is not None
        main, backup = world.main.node.book.pools[0], world.backup.node.book.pools[0]
        assert (main.main.size, main.backup.size) == (backup.main.size, backup.backup.size)


@pytest.mark.parametrize("seed", [pytest.param(s, marks=[pytest.mark.slow] if s > 4 else []) for s in SEEDS])
def test_storm(seed: int) -> None:
    storm = Storm(seed)
    try:
        for _ in range(250):
            storm.step()
        storm.calm()
    except AssertionError:
        print("\n".join(storm.story[-40:]))
        for server in (storm.world.main, storm.world.backup):
            print(server.name, *server.notes[-30:], sep="\n  ")
        raise
