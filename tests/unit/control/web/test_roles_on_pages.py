"""No page shows a button, or leads to a page, that the operator who sees it may not use: for each role, every page."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from node_server import MAIN, NodeServer, World
from web_browser import Browse, Browser

from tandem.base.ipv4 import format_ipv4
from tandem.cluster import partner_check, remote
from tandem.cluster.manager import Manager
from tandem.config.access import ROLES, SUPERUSER, allows
from tandem.control.web.application import Site
from tandem.control.web.navigation import PUBLIC, Page

PARTNER = format_ipv4(MAIN)
PAIR = f"{PARTNER}-192.168.50.3"
_MAC = "1,6,00:00:00:00:00:01"
_OBJECTS = f"""scope lan create 192.168.50.0 255.255.255.0
scope lan addRange 192.168.50.10 192.168.50.30
reservation 192.168.50.9 create {_MAC}
policy gold create
client {_MAC} create
client-class phones create
option phone-servers create 224 ip
option-set acme create vendor-option-string=ACME
vendor-option ring create acme 1 string
scope-template branch create
cluster other create 10.0.0.1
admin helper create
failover-pair {PAIR} set scope-template=branch
token t create read-only"""
_NAMES = {
    "scope": "lan", "reservation": "192.168.50.9", "policy": "gold", "client": _MAC, "client-class": "phones",
    "option": "phone-servers", "option-set": "acme", "vendor-option": "ring", "scope-template": "branch",
    "clusters": "other", "administrators": "helper", "failover": PAIR,
}  # fmt: skip
_QUERIES = {
    "/dhcp/leases/lease": "address=192.168.50.10", "/changes/set": "number=1",
    "/dhcp/failover/certificate": f"name={PAIR}", "/dhcp/related/partner-down": f"partner={PARTNER}",
    "/dhcp/failover/sync": f"name={PAIR}&verb=run",
    "/clusters/certificate": "name=other", "/dhcp/failover/status": f"name={PAIR}",
    "/dhcp/failover-servers/partner": f"name={PAIR}",
}  # fmt: skip
_NO_PAGE = ("/live", "/follow", "/data", "/file", "/working", "/login/link", "/report")
"""What is sent in parts, or asks the partner's cluster."""


_FORM = re.compile(r'<form[^>]*method="post"[^>]*action="([^"]*)"(.*?)</form>', re.DOTALL)
_CHANGING = ("/dhcp/related", "/dhcp/pair", "/dhcp/failover-servers", "/dhcp/alarms")
"""Pages that show something else when the partner is lost."""


def address(page: Page) -> str:
    """Return where a page shows something."""
    above, _, last = page.path.rpartition("/")
    name = _NAMES.get(above.rpartition("/")[2], "") if last in ("edit", "policy") and above != "/dhcp/server" else ""
    return page.path + "?" + (f"name={name}" if name else _QUERIES.get(page.path, ""))


def beyond(page: str, role: str, pages: dict[tuple[str, str], str]) -> list[str]:
    """Return the forms and links of a page that ``role`` may not use."""
    forms = [
        ("POST", path) for path, content in _FORM.findall(page)
        if re.search(r'<button(?![^>]*type="button")', content)
    ]  # fmt: skip
    links = [("GET", path) for path in re.findall(r'<a [^>]*href="(/[^"]*)"', page)]
    parts = [("GET", path) for path in re.findall(r'hx-get="(/[^"]*)"', page)]
    found = []
    for method, target in forms + links + parts:
        needed = pages[method, urlsplit(unescape(target)).path]
        if needed != PUBLIC and not allows([role], needed):
            found.append(f"{method} {target}")
    return found


@pytest.fixture
def crew(
    world: World, manager: Manager, tmp_path: Path, browse: Browse, command: Callable[[str], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Browse:  # fmt: skip
    monkeypatch.setattr(partner_check, "WAIT_S", 0.05)
    monkeypatch.setattr(remote, "_CONNECT_S", 0.05)
    manager.server, manager.address = NodeServer(world.backup, tmp_path / "socket"), world.backup.address
    for line in (f"dhcp set failover-main-server={PARTNER} failover-backup-server=192.168.50.3",
                 "dhcp enable failover", *_OBJECTS.splitlines()):  # fmt: skip
        assert command(line)[0].startswith("10"), (line, command(line))
    return browse


def test_every_page_offers_only_what_its_reader_may_do(crew: Browse, world: World, manager: Manager) -> None:
    site = Site(manager, "c")
    roles = {(page.method, page.path): page.role for page in site.pages}
    readers: dict[str, Browser] = {role: crew(role) for role in ROLES if role != SUPERUSER}
    seen: dict[str, int] = dict.fromkeys(readers, 0)
    for lost in (False, True):
        if lost:
            world.main.crash()
            world.run(90)
        for page in site.pages:
            if page.method == "POST" or page.role == PUBLIC or page.path.endswith(_NO_PAGE) or "/working" in page.path:
                continue
            if lost and not page.path.startswith(_CHANGING):
                continue
            for role, browser in readers.items():
                if not allows([role], page.role):
                    continue
                answer = browser.get(address(page))
                assert answer.status_code in (200, 303), (address(page), answer.status_code)
                assert beyond(answer.text, role, roles) == [], f"{address(page)} as {role}"
                seen[role] += len(_FORM.findall(answer.text))
    assert seen["read-only"] < seen["failover-operator"] < seen["dhcp-admin"]
    above = beyond(readers["dhcp-admin"].get("/dhcp/scope/edit?name=lan").text, "read-only", roles)
    assert "POST /dhcp/scope/delete" in above, "what is beyond a role is found"
