"""The pages of Monitoring and of leases, rendered out of a real node's views, in states that a pair goes through."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from node_server import NodeServer
from web_browser import Browse, Browser, text_of

from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.cluster.manager import Manager
from tandem.failover.conflicts import THERE, view_of_binding

sys.path.insert(0, str(next(p for p in Path(__file__).parents if p.name == "tests") / "scripts"))
from pair import MAIN, Client, World

PAGES = ("/dhcp/pair", "/dhcp/related", "/dhcp/failover-servers", "/dhcp/leases", "/dhcp/alarms", "/dhcp/logs",
         "/dhcp/explain?client=00:11:22:33:44:55", "/dhcp/utilization")  # fmt: skip

@pytest.fixture
def admin(world: World, manager: Manager, tmp_path: Path, browse: Browse) -> Iterator[Browser]:
    manager.server = NodeServer(world.backup, tmp_path / "socket")
    lan = {"addr": "192.168.50.0", "mask": "255.255.255.0"}
    manager.database.edit("test", "scope", "lan", lambda document: document["scope"].update(lan=lan))
    yield browse("failover-operator")


def test_every_page_shows_every_state_of_a_pair(world: World, admin: Browser) -> None:
    clients = [Client(world, n) for n in range(6)]
    assert all(client.lease(world.main) for client in clients[:3])
    world.run(1)
    for step, state in (
        (lambda w: None, "NORMAL"), (lambda w: w.main.crash(), "COMMUNICATIONS-INTERRUPTED"),
        (partner_is_down, "PARTNER-DOWN"),
    ):  # fmt: skip
        step(world)
        world.run(90)
        for path in PAGES:
            answer = admin.get(path)
            assert answer.status_code == 200, path
        for path in ("/dhcp/pair", "/dhcp/related"):
            assert state in text_of(admin.get(path).text)
            assert "event-stream" in admin.get(f"{path}/live").headers["Content-Type"]
            assert state in admin.get(f"{path}/live").text
    assert "backup's share" in admin.get("/dhcp/pair?q=lan").text and "No scope" in admin.get("/dhcp/pair?q=xyz").text
    page = admin.get(f"/dhcp/leases/lease?address={format_ipv4(clients[0].address)}").text
    assert "the client" in page and "Desired, by the policy" in page


def test_whether_the_connection_is_encrypted_and_why_there_is_none(world: World, admin: Browser) -> None:
    endpoint = world.backup.endpoint
    assert endpoint.link is not None
    assert "Connection: not encrypted" in text_of(admin.get("/dhcp/related").text)
    endpoint.link.tls_up("TLSv1.3, TLS_AES_256_GCM_SHA384")
    assert "encrypted, TLSv1.3, TLS_AES_256_GCM_SHA384" in text_of(admin.get("/dhcp/related").text)
    endpoint.link = None
    endpoint.problem(6151, "its certificate has the fingerprint <AB>", world.now, [])
    assert "No connection: its certificate has the fingerprint <AB>" in text_of(admin.get("/dhcp/related").text)


def test_what_the_partner_refused_is_shown_also_where_it_did_not_say_what_it_has(world: World, admin: Browser) -> None:
    client = Client(world, 7)
    assert client.lease(world.main)
    world.run(1)
    assert world.backup.node is not None
    mine = view_of_binding(world.backup.node.book.by_address[client.address])
    world.backup.endpoint.conflicts.add(client.address, mine, None, THERE, 15, "it runs there", world.now)
    page = text_of(admin.get("/dhcp/related").text)
    assert format_ipv4(client.address) in page and "it runs there" in page and "not said" in page


def partner_is_down(world: World) -> None:
    out: list[Any] = []
    assert world.backup.node is not None
    world.backup.node.set_partner_down(world.now, MAIN, None, False, out)
    world.backup.perform(out)


def test_what_is_searched_for_among_leases(world: World, admin: Browser) -> None:
    client = Client(world, 7)
    assert client.lease(world.main)
    world.run(1)
    address, mac = format_ipv4(client.address), client.chaddr.hex(":")
    for words in (address, mac, mac[:8], f"1,6,{mac}"):
        assert address in text_of(admin.get(f"/dhcp/leases?q={words}").text), words
    assert "No lease fits" in text_of(admin.get("/dhcp/leases?q=nobody").text)
    assert admin.get("/dhcp/leases/lease?address=10.9.9.9").status_code == 404
    assert admin.get("/dhcp/leases?after=x").status_code == 400


def test_leases_are_sorted_by_what_a_column_shows(
    world: World, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.control.web.pages.leases.PAGE", 2)
    clients = [Client(world, n) for n in (3, 1, 2)]
    for client in clients:
        assert client.lease(world.main)
        world.run(10)
    macs = [client.chaddr.hex(":") for client in clients]

    def shown(path: str) -> tuple[list[str], str]:
        page = admin.get(path).text
        after = re.search(r'<a rel="next" href="([^"]*)"', page)
        return [mac for mac in re.findall(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", page) if mac in macs], unescape(
            after[1] if after else ""
        )

    for sort, wanted in (("client", sorted(macs)), ("-client", sorted(macs)[::-1]), ("expiration", macs)):
        found, following = shown(f"/dhcp/leases?sort={sort}&state=leased")
        assert found == wanted[:2] and shown(following) == (wanted[2:], "")
    page = admin.get("/dhcp/leases?sort=client").text
    assert 'aria-sort="ascending"><a href="/dhcp/leases?sort=-client"' in page
    assert admin.get("/dhcp/leases?sort=colour").status_code == 400


def test_a_partner_that_answers_is_not_set_down_and_a_date_is_checked(world: World, admin: Browser) -> None:
    page = text_of(admin.get(f"/dhcp/related/partner-down?partner={format_ipv4(MAIN)}").text)
    assert "The partner is alive and connected" in page and "Not possible" in page
    world.main.crash()
    world.run(90)
    assert parse_ipv4("192.168.50.2") == MAIN
    wrong = admin.get("/dhcp/related/partner-down?partner=192.168.50.2&date=yesterday")
    assert wrong.status_code == 400 and "is not a date and time" in text_of(wrong.text)
    assert "this server enters PARTNER-DOWN" in admin.get("/dhcp/related/partner-down?partner=192.168.50.2").text


def test_samples_are_taken_of_the_configured_scopes_and_plotted(world: World, admin: Browser, manager: Manager) -> None:
    asyncio.run(manager.watch.look())
    manager.watch.close()
    data = admin.get("/dhcp/utilization/data?scope=lan&back=1h").json()
    assert len(data["at"]) == 1 and data["main"] == [19] and data["backup"] == [2]
    assert 'data-source="/dhcp/utilization/data?scope=lan&amp;back=1h"' in admin.get("/dhcp/utilization?back=1h").text
