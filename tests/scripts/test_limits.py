"""Limits per relay port: so many clients of one limitation id have leases, on both servers of a pair alike."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pair import BACKUP, MAIN, Client, Server, World

from tandem.config.compile import compile_config
from tandem.config.compiled import ServerConfig
from tandem.node import views
from tandem.node.explain import Told, explain

LAN, SPARE = 0xC0A832, 0x0A0900
DOCUMENT: dict[str, Any] = {
    "dhcp": {
        "failover": True, "failover-main-server": "192.168.50.2", "failover-backup-server": "192.168.50.3",
        "client-class": True, "defer-lease-extensions": False, "failover-backup-percentage": 50,
    },
    "scope": {
        "lan": {"addr": "192.168.50.0", "mask": "255.255.255.0", "ranges": [["192.168.50.10", "192.168.50.100"]],
                "selection-tag-list": ["home"]},
        "spare": {"addr": "10.9.0.0", "mask": "255.255.255.0", "ranges": [["10.9.0.10", "10.9.0.100"]],
                  "primary-subnet": "192.168.50.0/24", "selection-tag-list": ["over"]},
    },
    "client-class": {
        "homes": {"selection-criteria": ["home"], "limitation-id": "(request get circuit-id-hex)",
                  "embedded-policy": {"limitation-count": 2}},
        "too-many": {"selection-criteria": ["over"]},
    },
    "client": {"default": {"client-class-name": "homes"}},
}  # fmt: skip


def port(world: World, number: int, circuit: int) -> Client:
    """A client behind a port of the relay."""
    client = Client(world, number, "192.168.50.1")
    client.extra = {82: bytes((1, 2, 0xFF, circuit))}
    return client


def by_itself(client: Client) -> None:
    """A renewal passes by the relay."""
    client.giaddr, client.extra = 0, {}


def pair_of(**changes: object) -> World:
    document = copy.deepcopy(DOCUMENT)
    document["client-class"]["homes"].update(changes)

    def compiled(local: int) -> ServerConfig:
        made, problems = compile_config(document, local)
        assert made is not None, problems
        return made

    return World(lambda: compiled(MAIN), lambda: compiled(BACKUP)).pair()


def counted(server: Server) -> int:
    assert server.node is not None
    return server.node.dhcp.counters["dropped-over-limit"]


def test_a_port_has_as_many_leases_as_the_policy_allows_and_others_are_not_concerned() -> None:
    world = pair_of()
    one, two, three = (port(world, number, 7) for number in (1, 2, 3))
    assert one.lease() and two.lease() and not three.lease() and port(world, 4, 8).lease()
    assert counted(world.main) == 1
    node = world.main.node
    assert node is not None
    assert views.lease_view(node, node.book.by_address[one.address], 0)["limitation-id"] == "ff:07"
    assert any("2 clients with the limitation id 'ff:07' have leases" in note for note in world.main.notes)
    assert Client(world, 5).lease()  # the relay says nothing of it
    for client in (one, two):
        by_itself(client)
        assert client.renew() and not three.lease()
    two.release()
    world.run(5)
    assert three.lease() and not port(world, 2, 7).lease()


def test_the_backup_counts_what_the_main_gave_and_a_restart_forgets_nothing() -> None:
    world = pair_of()
    assert port(world, 1, 7).lease() and port(world, 2, 7).lease()
    world.run(5)
    world.main.crash()
    world.run(120)
    assert not port(world, 3, 7).lease(world.backup) and port(world, 4, 8).lease(world.backup)
    world.backup.crash()
    world.backup.boot()
    world.run(120)
    assert not port(world, 3, 7).lease(world.backup)


def test_those_beyond_it_are_of_another_class_as_long_as_they_are() -> None:
    world = pair_of(**{"over-limit-client-class-name": "too-many"})
    first, second, third = (port(world, number, 7) for number in (1, 2, 3))
    for client, place in ((first, LAN), (second, LAN), (third, SPARE)):
        world.run(2)
        assert client.lease() and client.address >> 8 == place
    for client in (first, second, third):
        by_itself(client)
        assert client.renew()
    world.run(5)
    assert third.renew(world.backup)  # which knows who came first
    second.release()
    world.run(5)
    assert not third.renew()  # it is one of the first two now, and is told to start anew
    third = port(world, 3, 7)
    assert third.lease() and third.address >> 8 == LAN


@pytest.mark.parametrize(("more", "answered"), [({}, False), ({"over-limit-client-class-name": "too-many"}, True)])
def test_explain_says_it(more: dict[str, object], answered: bool) -> None:
    world = pair_of(**more)
    for number in (1, 2):
        assert port(world, number, 7).lease()
    node = world.main.node
    assert node is not None
    relay = bytes((1, 2, 0xFF, 7))
    told = explain(node, world.now, Told("discover", b"\1" + bytes(6), giaddr=0xC0A83201, relay=relay))
    assert told["answered"] is answered
    assert told["client-class"] == ("too-many" if answered else "homes")
    if not answered:
        assert "limitation id 'ff:07'" in str(told["why"])
    assert counted(world.main) == 0 and port(world, 3, 7).lease() is answered
