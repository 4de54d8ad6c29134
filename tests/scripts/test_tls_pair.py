"""Two servers whose connection is TLS: from the first contact through faults, by what each of them wants."""

from __future__ import annotations

import hashlib
from itertools import product

import pytest
from pair import Client, World, config

CERTIFICATES = {True: b"the main's certificate", False: b"the backup's certificate"}


def world_of(main: str, backup: str, **more: object) -> World:
    def make(is_main: bool, wanted: str) -> object:
        pins = (hashlib.sha256(CERTIFICATES[not is_main]).digest(),)
        return config(
            is_main, tls=wanted, certificate=CERTIFICATES[is_main], partner_fingerprints=pins, **more
        )  # fmt: skip

    return World(lambda: make(True, main), lambda: make(False, backup))  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(("main", "backup"), list(product(("off", "desired", "required"), repeat=2)))
def test_what_the_two_want_decides_and_neither_is_brought_below_what_it_requires(main: str, backup: str) -> None:
    world = world_of(main, backup)
    world.main.boot()
    world.backup.boot()
    world.run(120)
    wants = {main, backup}
    if "off" in wants and "required" in wants:
        assert not world.main.endpoint.communicating and not world.encrypted
        refused = [s.endpoint.refusal[1] for s in (world.main, world.backup) if s.endpoint.refusal]
        assert len(refused) == 2 and all("failover-tls" in text for text in refused), refused
    else:
        assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
        for server in (world.main, world.backup):
            link = server.endpoint.link
            assert link is not None and bool(link.session) == (link.number in world.encrypted) == ("off" not in wants)


@pytest.mark.parametrize("secret", [b"", b"correct horse"])
def test_a_pair_over_tls_lives_through_crashes_and_cuts(secret: bytes) -> None:
    world = world_of("required", "required", secret=secret).pair()
    clients = [Client(world, n) for n in range(12)]
    assert all(client.lease() for client in clients)
    world.run(5)
    world.backup.crash()
    world.run(100)
    assert clients[0].renew(world.main)
    world.backup.boot()
    world.run(100)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    world.main.crash()
    world.run(100)
    assert clients[1].renew(world.backup)
    world.main.boot()
    world.run(100)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    world.books_agree()


def test_tls_is_switched_on_in_a_pair_that_serves() -> None:
    world = world_of("off", "off").pair()
    for server, is_main, want in [(world.backup, False, "desired"), (world.main, True, "desired")]:
        made = world_of(want, want)
        new = (made.main if is_main else made.backup).make()
        out: list[object] = []
        server.node.reload(server.now, new, out)  # type: ignore[union-attr,arg-type]
        server.perform(out)  # type: ignore[arg-type]
        world.run(30)
        assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    for server in (world.main, world.backup):
        assert server.endpoint.link is not None and server.endpoint.link.session
