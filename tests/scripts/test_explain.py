"""Explaining a packet is a dry run of the decision: it says what then happens, and changes nothing (SYSTEM S10.4)."""

from __future__ import annotations

from typing import Any

import pytest
from pair import Client, Server, World, config, scope

from tandem.base.errors import CommandError
from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.lease.sketch import Sketch
from tandem.node.explain import FORMS, Told, explain

RESERVED = parse_ipv4("192.168.50.9")


def hardware(client: Client) -> bytes:
    return b"\1" + client.chaddr


def explained(server: Server, client: Client, form: str = "discover", **told: Any) -> dict[str, Any]:
    assert server.node is not None
    told.setdefault("local", server.address)
    return explain(server.node, server.now, Told(form, hardware(client), **told))


def looks(server: Server) -> object:
    """All of a server's book that a decision could change."""
    assert server.node is not None
    book = server.node.book
    rows = [binding.row() for binding in book.by_address.values()]
    pools = [(list(p.main.unused), list(p.backup.unused), p.main.size, p.backup.size, p.counts, p.main.heap)
             for p in book.pools]  # fmt: skip
    offers = [(offer.address, offer.until) for offer in book._offers.values()]
    keys = [*(b"i" + key for key in book.clients.by_id), *(b"h" + key for key in book.clients.by_hardware)]
    clients = {key: [b.address for b in book.clients.all_of(key)] for key in keys}
    held = sorted(book.offered), clients, vars(book._timer)
    return repr((rows, pools, offers, held, dict(server.node.dhcp.counters)))


def few(main: bool) -> Any:
    return config(main, scope(last="192.168.50.13", reservations={"192.168.50.9": b"h" + b"\1" + bytes(5) + b"\x63"}))


def test_what_is_explained_is_what_happens_and_nothing_changes() -> None:
    world = World(lambda: few(True), lambda: few(False)).pair()
    clients = [Client(world, n) for n in range(6)]
    for client in clients:
        before = looks(world.main)
        told = explained(world.main, client)
        for form in FORMS:
            for server in (world.main, world.backup):
                explained(server, client, form, address=parse_ipv4("192.168.50.11"))
        assert looks(world.main) == before
        got = client.lease(world.main)
        assert told["answered"] == got
        if got:
            assert told["address"] == format_ipv4(client.address) and told["lease-time"] == 3600
            assert "limited to the maximum client lead time of 1h" in told["lease-why"]
            again = explained(world.main, client, "renew", address=client.address)
            assert again["answer"] == "ACK" and "has a lease on it for another" in again["address-why"]
    assert not told["answered"] and "New clients cannot get addresses in lan: none of 4 is available" in told["why"]


def test_who_answers_and_why() -> None:
    world = World().pair()
    client = Client(world, 1)
    on_main, on_backup = explained(world.main, client), explained(world.backup, client)
    assert on_main["who-answers"].startswith("this server, the main: failover is in NORMAL state")
    assert on_backup["who-answers"].startswith("the partner 192.168.50.2 (in NORMAL)")
    assert on_backup["why"].startswith("Left to the partner: failover is in NORMAL state")
    assert "19 are" not in on_main["address-why"] and "the main's share: the lowest of 172" in on_main["address-why"]
    world.main.crash()
    world.run(90)
    told = explained(world.backup, client)
    assert told["answered"] and "the backup's share: the lowest of 19" in told["address-why"]
    assert "COMMUNICATIONS-INTERRUPTED" in told["who-answers"]


def test_a_reservation_a_stranger_and_a_wrong_network() -> None:
    world = World(lambda: few(True), lambda: few(False)).pair()
    owner = Client(world, 0x63)
    owner.chaddr = bytes(5) + b"\x63"
    assert explained(world.main, owner)["address-why"] == "it is reserved for this client"
    stranger = explained(world.backup, Client(world, 1), "renew", address=parse_ipv4("192.168.50.12"))
    assert stranger["why"].startswith("Ignored: nothing is known here of a lease of 192.168.50.12")
    nowhere = explained(world.main, Client(world, 1), giaddr=parse_ipv4("10.0.0.1"))
    assert not nowhere["answered"] and "no scope holds the relay's address (giaddr), 10.0.0.1" in nowhere["why"]
    nak = explained(world.main, Client(world, 1), "reboot", address=parse_ipv4("10.0.0.5"))
    assert nak["why"] == "Refused: 10.0.0.5 is not on this network"


def test_what_cannot_be_a_message_is_refused() -> None:
    world = World().pair()
    assert world.main.node is not None
    with pytest.raises(CommandError, match="names an address"):
        explain(world.main.node, world.now, Told("renew", b"\1\2\3"))
    with pytest.raises(CommandError, match="hardware address"):
        explain(world.main.node, world.now, Told())


def test_what_would_be_stored_reads_as_a_binding() -> None:
    world = World().pair()
    client = Client(world, 1)
    assert explained(world.main, client)["stores"] == [], "an offer is not stored"
    assert client.lease()
    stored = explained(world.main, client, "renew", address=client.address)["stores"]
    assert [(s["state"], s["address"]) for s in stored] == [("ACTIVE", format_ipv4(client.address))]


def test_a_sketch_has_all_that_a_book_has() -> None:
    world = World().pair()
    assert world.main.node is not None
    book = world.main.node.book
    assert set(vars(Sketch(book, book.config.networks[0], b""))) == set(vars(book))


def test_the_relay_and_any_option_of_the_message_are_taken_into_account() -> None:
    world = World(lambda: few(True), lambda: few(False)).pair()
    client = Client(world, 1)
    assert world.main.node is not None
    options = {55: b"\6", 77: b"x"}
    told = explained(world.main, client, giaddr=parse_ipv4("192.168.50.2"), relay=b"\1\2p7", options=options)
    codes = {option["code"]: option["value"] for option in told["options"]}
    assert 82 in codes and 3 not in codes, "the relay's option returns, and only what is asked for"
    with pytest.raises(CommandError, match="the message cannot be"):
        explained(world.main, client, options={code: bytes(255) for code in range(100, 110)})
