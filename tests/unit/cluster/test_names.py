"""Host names in the place of a server's address."""

from __future__ import annotations

import asyncio
from socket import EAI_NONAME, gaierror
from typing import Any

import pytest

from tandem.base.errors import CommandError
from tandem.cluster.names import with_addresses
from tandem.config.schema import DHCP

HOSTS = {
    "dhcp2.example.com": ["192.168.50.3"], "twice.example.com": ["192.168.50.3", "192.168.50.3"],
    "two.example.com": ["192.168.60.3", "192.168.50.3"], "vm": ["127.0.1.1"],
}  # fmt: skip


@pytest.fixture(autouse=True)
def resolver(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []

    async def getaddrinfo(self: object, host: str, port: object, **kind: object) -> list[Any]:
        asked.append(host)
        if host not in HOSTS:
            raise gaierror(EAI_NONAME, "Name or service not known")
        return [(2, 2, 17, "", (address, 0)) for address in HOSTS[host]]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return asked


def resolved(**values: str) -> dict[str, str]:
    texts = {name.replace("_", "-"): value for name, value in values.items()}
    return asyncio.run(with_addresses(DHCP, texts))


@pytest.mark.parametrize("name", ["dhcp2.example.com", "twice.example.com", " dhcp2.example.com "])
def test_a_name_becomes_its_address(name: str) -> None:
    assert resolved(failover_backup_server=name) == {"failover-backup-server": "192.168.50.3"}


def test_addresses_nonsense_and_other_attributes_are_left_as_they_are(resolver: list[str]) -> None:
    texts = {"failover_main_server": "192.168.50.2", "failover_backup_server": "192.168.50", "failover": "vm"}
    assert list(resolved(**texts).values()) == list(texts.values())
    assert resolved(failover_main_server="no name!")["failover-main-server"] == "no name!"
    assert resolved(failover_relationship_name="vm")["failover-relationship-name"] == "vm"
    assert not resolver


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere.example.com", "failover-main-server: nowhere.example.com cannot be looked up (Name or service not"),
        ("two.example.com", "two.example.com has 2 addresses, 192.168.50.3, 192.168.60.3; write the one"),
        ("vm", "vm is 127.0.1.1 on this machine, which its partner cannot reach"),
    ],
)
def test_what_cannot_be_a_servers_address_is_refused_with_a_cure(name: str, why: str) -> None:
    with pytest.raises(CommandError) as refused:
        resolved(failover_main_server=name)
    assert refused.value.status == 316 and why in refused.value.text and "write the" in refused.value.text
