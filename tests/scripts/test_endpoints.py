"""Several relationships in one server: back office and symmetrical failover (SYSTEM S1), as transcripts of nodes."""

from __future__ import annotations

import pytest
from pair import BACKUP, MAIN, Client, Server, World

from tandem.base.errors import CommandError
from tandem.base.io import Effect
from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.config.compile import compile_config
from tandem.config.compiled import ServerConfig
from tandem.failover.endpoint import Endpoint
from tandem.failover.states import state_name

OTHER = parse_ipv4("192.168.50.4")
NORMAL, INTERRUPTED = "NORMAL", "COMMUNICATIONS-INTERRUPTED"


def made(local: int, *scopes: tuple[str, int, int], **server: object) -> ServerConfig:
    """Return the configuration of a server: for each scope its subnet's third byte as text, its main and its backup."""
    document = {
        "dhcp": {"defer-lease-extensions": False, **server},
        "scope": {
            f"s{net}": {
                "addr": f"192.168.{net}.0", "mask": "255.255.255.0",
                "ranges": [[f"192.168.{net}.10", f"192.168.{net}.200"]],
                "failover": "scope-enabled",
                "failover-main-server": format_ipv4(main), "failover-backup-server": format_ipv4(backup),
            }
            for net, main, backup in scopes
        },
    }  # fmt: skip
    config, problems = compile_config(document, local)
    assert config is not None, problems
    return config


SYMMETRICAL = (("50", MAIN, BACKUP), ("60", BACKUP, MAIN))


def symmetrical() -> World:
    return World(lambda: made(MAIN, *SYMMETRICAL), lambda: made(BACKUP, *SYMMETRICAL))


def states(server: Server) -> list[str]:
    assert server.node is not None
    return [state_name(endpoint.state) for endpoint in server.node.endpoints]


def endpoint(server: Server, main: bool) -> Endpoint:
    assert server.node is not None
    return next(e for e in server.node.endpoints if e.config.main == main)


def partner_down(server: Server, partner: int, expert: bool = False) -> str:
    out: list[Effect] = []
    assert server.node is not None
    said = server.node.set_partner_down(server.now, partner, None, expert, out)
    server.perform(out)
    server.world.settle()
    return said


def agree(one: Server, other: Server) -> None:
    assert one.active() == other.active()
    for server in (one, other):
        assert server.node is not None
        assert not any(e.unacked for e in server.node.endpoints)


@pytest.mark.parametrize("first", ["main", "backup"])
def test_symmetrical_each_is_main_for_its_scope(first: str) -> None:
    """Whoever starts first, both relationships come up; each main serves its own scope, the other keeps silent."""
    world = symmetrical()
    early, late = (world.main, world.backup) if first == "main" else (world.backup, world.main)
    early.boot()
    world.run(20)
    assert sorted(states(early)) == ["PARTNER-DOWN", "RECOVER"]
    late.boot()
    world.run(30)
    assert states(world.main) == states(world.backup) == [NORMAL, NORMAL]
    near, far = Client(world, 1), Client(world, 2, "192.168.60.1")
    assert near.lease() and near.server == MAIN
    assert far.lease() and far.server == BACKUP
    assert not Client(world, 3).lease(world.backup) and not Client(world, 4, "192.168.60.1").lease(world.main)
    world.run(1)
    agree(world.main, world.backup)
    for server in (world.main, world.backup):
        assert server.node is not None
        assert [pool.backup.size for pool in server.node.book.pools] == [19, 19]


def test_symmetrical_a_cut_interrupts_both_relationships_and_mending_restores_both() -> None:
    world = symmetrical().pair()
    for _ in range(3):
        world.cut = True
        world.drop_connections_of(world.main)
        world.run(30)
        assert states(world.main) == states(world.backup) == [INTERRUPTED, INTERRUPTED]
        world.cut = False
        world.run(15)
        assert states(world.main) == states(world.backup) == [NORMAL, NORMAL]


@pytest.mark.parametrize("role", ["main", "backup"])
def test_symmetrical_one_lost_connection_comes_back_and_the_other_stays(role: str) -> None:
    world = symmetrical().pair()
    lost, kept = endpoint(world.main, role == "main"), endpoint(world.main, role != "main")
    assert lost.link is not None and kept.link is not None
    stays = kept.link
    world.close(world.main, lost.link.number, "reset")
    world.settle()
    assert state_name(lost.state) == INTERRUPTED
    world.run(10)
    assert states(world.main) == states(world.backup) == [NORMAL, NORMAL]
    assert kept.link is stays


def test_symmetrical_a_partner_that_crashed_unseen_is_connected_to_again() -> None:
    """The partner comes back while this server still believes in the old connections (they died silently)."""
    world = symmetrical().pair()
    world.cut = True  # nothing gets through, not even the end of the connections
    world.backup.node = None
    world.run(3)
    world.cut = False
    world.backup.boot()
    world.run(15)
    assert states(world.main) == states(world.backup) == [NORMAL, NORMAL]


def test_symmetrical_partner_down_moves_both_and_both_recover() -> None:
    world = symmetrical().pair()
    near, far = Client(world, 1), Client(world, 2, "192.168.60.1")
    assert near.lease() and far.lease()
    world.run(5)
    with pytest.raises(CommandError, match="connected and answers"):
        partner_down(world.main, BACKUP)
    assert states(world.main) == [NORMAL, NORMAL]
    world.backup.crash()
    world.run(10)
    said = partner_down(world.main, BACKUP)
    assert said.count("is taken as down") == 2
    assert states(world.main) == ["PARTNER-DOWN", "PARTNER-DOWN"]
    assert far.renew() and far.server == MAIN
    assert Client(world, 3, "192.168.60.1").lease(world.main), "from the backup's share of the other's scope"
    world.backup.boot()
    world.run(15)
    assert states(world.main) == states(world.backup) == [NORMAL, NORMAL]
    agree(world.main, world.backup)


def test_partner_down_is_refused_for_all_while_one_connection_lives() -> None:
    """What one endpoint hears holds for the partner: the operator is wrong about it, whatever the other hears."""
    world = symmetrical().pair()
    lost = endpoint(world.main, True)
    assert lost.link is not None
    world.close(world.main, lost.link.number, "reset")
    world.settle()
    assert INTERRUPTED in states(world.main)
    with pytest.raises(CommandError, match="connected and answers"):
        partner_down(world.main, BACKUP)
    assert "PARTNER-DOWN" not in states(world.main)


def test_partner_down_with_one_endpoint_that_cannot_move() -> None:
    """The main role moves; the backup role, new since the reload, still looks for the partner; both are said."""
    world = symmetrical()
    world.main.make = lambda: made(MAIN, SYMMETRICAL[0])
    world.main.boot()
    world.run(20)
    out: list[Effect] = []
    assert world.main.node is not None
    world.main.node.reload(world.now, made(MAIN, *SYMMETRICAL), out)
    world.main.perform(out)
    world.run(1)
    assert states(world.main) == ["PARTNER-DOWN", "STARTUP"]
    said = partner_down(world.main, BACKUP)
    assert "already" in said and "refused, 192.168.50.3-192.168.50.2: " in said


def test_partner_down_moves_a_backup_without_lease_data_too() -> None:
    """It may give new leases when those that a main could have given before have run out."""
    world = symmetrical()
    world.main.boot()
    world.run(20)
    assert states(world.main) == ["PARTNER-DOWN", "RECOVER"]
    assert "new leases are given in 1w" in partner_down(world.main, BACKUP)
    assert states(world.main) == ["PARTNER-DOWN", "PARTNER-DOWN"]


def back_office() -> tuple[World, Server]:
    scopes = (("50", MAIN, BACKUP), ("70", OTHER, BACKUP))
    world = World(lambda: made(MAIN, scopes[0]), lambda: made(BACKUP, *scopes))
    return world, world.add("other", OTHER, lambda: made(OTHER, scopes[1]))


def test_back_office_one_backup_for_two_mains() -> None:
    """The backup has an endpoint per partner: one main's death touches only that main's scopes."""
    world, other = back_office()
    other.boot()
    world.pair()
    assert states(world.backup) == [NORMAL, NORMAL] and states(other) == [NORMAL]
    near, far = Client(world, 1), Client(world, 2, "192.168.70.1")
    everybody = (world.main, world.backup, other)
    assert near.lease(*everybody) and near.server == MAIN
    assert far.lease(*everybody) and far.server == OTHER
    world.run(5)
    other.crash()
    world.run(5)
    assert states(world.backup) == [NORMAL, INTERRUPTED] and states(world.main) == [NORMAL]
    assert far.renew(*everybody) and far.server == BACKUP
    assert not Client(world, 3).lease(world.backup), "in the other relationship the main answers"
    partner_down(world.backup, OTHER)
    assert states(world.backup) == [NORMAL, "PARTNER-DOWN"]
    with pytest.raises(CommandError, match=r"its partners: 192\.168\.50\.2, 192\.168\.50\.4"):
        partner_down(world.backup, OTHER + 1)
    other.boot()
    world.run(15)
    assert states(world.backup) == [NORMAL, NORMAL] and states(other) == [NORMAL]
    assert world.backup.active() == {**world.main.active(), **other.active()}
