"""Clients, classes and policies in a pair: both servers come to the same for a client, whichever answers."""

from __future__ import annotations

from typing import Any

import pytest
from pair import BACKUP, MAIN, Client, Server, World

from tandem.base.io import Datagram
from tandem.config.compile import compile_config
from tandem.config.compiled import ServerConfig
from tandem.wire import dhcp

PHONE, GUEST, OUTCAST, RESERVED = 1, 2, 3, 4


def mac(number: int) -> str:
    return f"1,6,02:00:00:00:00:{number:02x}"


DOCUMENT: dict[str, Any] = {
    "dhcp": {
        "failover": True, "failover-main-server": "192.168.50.2", "failover-backup-server": "192.168.50.3",
        "client-class": True, "defer-lease-extensions": False, "failover-backup-percentage": 50,
    },
    "scope": {
        "open": {"addr": "192.168.50.0", "mask": "255.255.255.0", "ranges": [["192.168.50.10", "192.168.50.100"]],
                 "embedded-policy": {"options": {"domain-name": "open.example"}},
                 "reservations": [{"address": "192.168.50.200", "key": mac(RESERVED),
                                   "embedded-policy": {"options": {"domain-name": "reserved.example"}}}]},
        "voip": {"addr": "10.9.0.0", "mask": "255.255.255.0", "ranges": [["10.9.0.10", "10.9.0.100"]],
                 "primary-subnet": "192.168.50.0/24", "selection-tag-list": ["voip", "any"]},
    },
    "client-class": {
        "phones": {"selection-criteria": ["voip"], "host-name": "@use-macaddress",
                   "embedded-policy": {"options": {"dhcp-lease-time": "7200", "tftp-server": "10.9.0.1"}}},
        "guests": {"selection-criteria-excluded": ["voip"]},
    },
    "client": {
        mac(PHONE): {"client-class-name": "phones"}, mac(OUTCAST): {"action": ["exclude"]},
        "default": {"client-class-name": "guests"},
    },
}  # fmt: skip


def compiled(local: int) -> ServerConfig:
    made, problems = compile_config(DOCUMENT, local)
    assert made is not None, problems
    return made


@pytest.fixture
def world() -> World:
    return World(lambda: compiled(MAIN), lambda: compiled(BACKUP)).pair()


def ask(world: World, number: int, server: Server, codes: bytes = bytes((15, 66))) -> dhcp.Message | None:
    client = Client(world, number)
    message = dhcp.Message(op=1, htype=1, xid=7, chaddr=client.chaddr, options={53: b"\x01", 55: codes})
    for reply in server.handle(Datagram(dhcp.encode(message), 0, 68, server.interface)):
        return dhcp.decode(reply.data)
    return None


def test_either_server_picks_the_scope_and_the_options_of_the_class(world: World) -> None:
    for server in (world.main, world.backup):
        if server is world.backup:
            world.main.crash()
            world.run(120)
            assert server.state == "COMMUNICATIONS-INTERRUPTED"
        phone = ask(world, PHONE, server)
        assert phone is not None and phone.yiaddr >> 8 == 0x0A0900 and phone.options[66] == b"10.9.0.1"
        assert 15 not in phone.options
        guest = ask(world, GUEST, server)
        assert guest is not None and guest.yiaddr >> 8 == 0xC0A832 and guest.options[15] == b"open.example"
        assert ask(world, OUTCAST, server) is None
    reserved = ask(world, RESERVED, world.backup)
    assert reserved is not None and reserved.yiaddr == 0xC0A832C8 and reserved.options[15] == b"reserved.example"


def test_the_lease_of_a_class_is_as_long_as_its_policy_says_on_both(world: World) -> None:
    phone = Client(world, PHONE)
    assert phone.lease() and phone.left_s == 3600  # the maximum client lead time
    world.run(1800)
    assert phone.renew(world.main) and phone.left_s == 7200
    world.run(1)
    world.books_agree()
    world.main.crash()
    world.run(3600)
    assert phone.renew(world.backup) and phone.left_s == 7200


def test_the_name_made_for_a_client_travels_to_the_partner(world: World) -> None:
    phone = Client(world, PHONE)
    assert phone.lease()
    world.run(1)
    for server in (world.main, world.backup):
        assert server.node is not None
        assert b"x1-6-02-00-00-00-00-01" in server.node.book.by_address[phone.address].options


def test_a_client_whose_class_changes_must_leave_its_scope(world: World) -> None:
    phone = Client(world, PHONE)
    assert phone.lease()
    world.run(1)
    changed = {**DOCUMENT, "client": {**DOCUMENT["client"], mac(PHONE): {"client-class-name": "guests"}}}
    for server, local in ((world.main, MAIN), (world.backup, BACKUP)):
        made, _ = compile_config(changed, local)
        assert made is not None and server.node is not None
        out: list[Any] = []
        server.node.reload(world.now, made, out)
        server.perform(out)
    world.settle()
    assert phone.renew(world.backup) is False  # in NORMAL the backup refuses nobody: it is silent
    answer = phone.send([world.main], dhcp.REQUEST, ciaddr=phone.address)
    assert answer is not None and answer.kind == dhcp.NAK
    assert phone.lease() and phone.address >> 8 == 0xC0A832


def test_nobody_fits_and_the_log_says_why(world: World) -> None:
    classes = {"phones": {"selection-criteria": ["voip", "gold"]}, "guests": {}}
    changed: dict[str, Any] = {**DOCUMENT, "client-class": classes}
    made, _ = compile_config(changed, MAIN)
    assert made is not None and world.main.node is not None
    out: list[Any] = []
    world.main.node.reload(world.now, made, out)
    world.main.perform(out)
    assert ask(world, PHONE, world.main) is None
    why = "fits the selection criteria of client-class phones: needed are all of gold,voip, open has none; voip has any"
    assert any(why in note for note in world.main.notes), world.main.notes[-1]
