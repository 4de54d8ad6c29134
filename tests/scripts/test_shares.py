"""The backup's share: given, taken back, and where it lies (SYSTEM S4.6, S4.7), as transcripts of two nodes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from pair import Client, Server, World, config, scope

from tandem.base.errors import CommandError
from tandem.base.io import Effect, LinkData, Reply
from tandem.base.ipv4 import parse_ipv4
from tandem.config.compiled import ServerConfig
from tandem.failover import shares, telling
from tandem.lease.binding import BACKUP, FREE
from tandem.wire.failover import ServerState as S
from tandem.wire.failover import State, decode


def reload(world: World, server: Server, wanted: ServerConfig) -> None:
    out: list[Effect] = []
    assert server.node is not None
    server.node.reload(world.now, wanted, out)
    server.perform(out)
    world.settle()


def sizes(server: Server) -> tuple[int, int]:
    assert server.node is not None
    pool = server.node.book.pools[0]
    return pool.main.size, pool.backup.size


def agree(world: World) -> tuple[int, int]:
    assert sizes(world.main) == sizes(world.backup)
    return sizes(world.main)


def test_a_larger_percentage_is_given_soon_and_a_smaller_one_taken_back_within_the_hour() -> None:
    world = World().pair()
    assert agree(world) == (172, 19)
    for server, main in ((world.main, True), (world.backup, False)):
        reload(world, server, config(main, scope(pct=50)))
    world.run(60)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert agree(world) == (96, 95)
    for server, main in ((world.main, True), (world.backup, False)):
        reload(world, server, config(main, scope(pct=10)))
    world.run(60)
    assert agree(world) == (96, 95), "taking back waits for the hour"
    world.run(3700)
    assert agree(world) == (172, 19)


def test_shares_are_balanced_on_order() -> None:
    world = World().pair()

    def order(server: Server) -> str:
        out: list[Effect] = []
        assert server.node is not None
        said = server.node.rebalance(world.now, server.endpoint.config.name, out)
        server.perform(out)
        world.settle()
        return said

    for pct, after in ((50, (96, 95)), (10, (172, 19))):
        for server, main in ((world.main, True), (world.backup, False)):
            reload(world, server, config(main, scope(pct=pct)))
        assert order(world.backup) == "asked the main server for addresses"
        moved = "the shares are at their targets" if pct == 50 else "asked the backup for addresses it has too many"
        assert order(world.main) == moved
        world.run(2)
        assert agree(world) == after
        assert order(world.main) == "the shares are at their targets"
    world.cut = True
    world.drop_connections_of(world.main)
    world.run(1)
    with pytest.raises(CommandError, match="only between servers in NORMAL"):
        order(world.main)


def test_a_range_that_is_taken_back_while_the_backup_tells_everything_is_the_mains() -> None:
    """The backup's answer to a request for everything crosses the main's taking back: at no time do both own one."""
    world = World().pair()
    for server, main in ((world.main, True), (world.backup, False)):
        reload(world, server, config(main, scope(pct=50)))
    world.run(60)
    for server, main in ((world.main, True), (world.backup, False)):
        reload(world, server, config(main, scope(pct=10)))
    world.run(2)
    assert agree(world) == (96, 95)
    ours, theirs = world.main.endpoint.pools()[0], world.backup.endpoint.pools()[0]
    asks: list[Effect] = []
    world.main.endpoint.saved.ask_all = True
    world.main.endpoint.ask(world.now, asks)
    world.main.perform(asks)
    world.step()
    takes: list[Effect] = []
    world.main.endpoint.reclaim_at = world.now
    shares.rebalance(world.main.endpoint, world.now, takes)
    telling.flush(world.main.endpoint, world.now, takes)
    world.main.perform(takes)
    assert world.main.endpoint.queue.moving(*next(iter(theirs.backup.unused)), FREE)
    for _ in range(20):
        world.step()
        assert not any(ours.main.unused.overlap(lo, hi) for lo, hi in theirs.backup.unused)
    world.run(200)
    assert agree(world) == (172, 19)
    assert list(ours.backup.unused) == list(theirs.backup.unused)


def test_demand_on_the_backup_is_made_up_for() -> None:
    """What the backup gave while it was cut off, the main replaces when they meet again."""
    world = World().pair()
    world.cut = True
    world.drop_connections_of(world.main)
    world.run(1)
    assert all(Client(world, n).lease(world.backup) for n in range(15))
    assert sizes(world.backup)[1] == 4
    world.cut = False
    world.run(40)
    main, backup = agree(world)
    assert main + backup == 191 - 15
    assert backup == (191 - 15) * 10 // 100


def test_records_are_given_when_there_are_no_never_used_addresses_left() -> None:
    small = lambda: scope(last="192.168.50.19", lease_s=600, pct=50)  # noqa: E731
    world = World(lambda: config(True, small(), mclt_s=600), lambda: config(False, small(), mclt_s=600)).pair()
    assert agree(world) == (5, 5)
    clients = [Client(world, n) for n in range(5)]
    assert all(c.lease() for c in clients)
    world.run(20)
    assert agree(world) == (3, 2), "the main had none left: it does not wait for the hour"
    world.run(700)
    assert agree(world) == (5, 5)
    world.books_agree()


def test_the_boundary_and_the_lowest_address_first() -> None:
    """S4.7: with allocate-first-available the share goes down from the boundary; clients go up from the lowest."""

    def made(main: bool) -> ServerConfig:
        wanted = scope()
        wanted.allocate_first_available = True
        wanted.boundary = parse_ipv4("192.168.50.60")
        return config(main, wanted)

    world = World(lambda: made(True), lambda: made(False)).pair()
    assert [s[:2] for s in world.backup.disk.shares] == [
        (parse_ipv4("192.168.50.42"), parse_ipv4("192.168.50.60")),
    ]  # fmt: skip
    first, second, third = (Client(world, n) for n in (1, 2, 3))
    assert first.lease() and second.lease()
    assert (first.address, second.address) == (parse_ipv4("192.168.50.10"), parse_ipv4("192.168.50.11"))
    first.release(world.main)
    world.run(5)
    assert third.lease()
    assert third.address == parse_ipv4("192.168.50.10")


def test_above_the_boundary_when_none_is_left_below() -> None:
    def made(main: bool) -> ServerConfig:
        wanted = scope(pct=50)
        wanted.allocate_first_available = True
        wanted.boundary = parse_ipv4("192.168.50.19")
        return config(main, wanted)

    world = World(lambda: made(True), lambda: made(False)).pair()
    assert agree(world) == (96, 95)
    low, high = parse_ipv4("192.168.50.10"), parse_ipv4("192.168.50.104")
    (a, b, _), (c, d, _) = world.backup.disk.shares
    assert (a, b + 1, d) == (low, c, high)


def test_a_changed_mclt_reaches_the_backup() -> None:
    """Chapter, 'change MCLT': the backup derives its MCLT from the main, also when only the main is reloaded."""
    world = World().pair()
    reload(world, world.main, config(True, mclt_s=1800))
    world.run(20)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert world.backup.endpoint.mclt_s == 1800


def test_a_range_that_goes_and_comes_back_still_has_the_backups_addresses() -> None:
    """On one server alone, restarts in between or not: no address may become both servers' own."""
    world = World().pair()
    reload(world, world.main, config(True, scope(last="192.168.50.40")))
    world.main.crash()
    world.main.make = lambda: config(True, scope(last="192.168.50.40"))
    world.main.boot()
    world.run(5)
    reload(world, world.main, config(True))
    world.run(5)
    assert sizes(world.main) == sizes(world.backup) == (169, 22)  # three more of the small range
    assert world.main.node is not None and world.backup.node is not None
    mine = world.main.node.book.pools[0].main.unused
    theirs = world.backup.node.book.pools[0].backup.unused
    assert not any(mine.overlap(lo, hi) for lo, hi in theirs)


def before(server: Server, said: State, act: Callable[[], None]) -> None:
    """Have ``act`` called just before a server hears its partner say a state."""
    handle = server.handle

    def listen(event: object) -> list[Reply]:
        data = event.data if isinstance(event, LinkData) else b""
        while data:
            size = int.from_bytes(data[:2], "big")
            message = decode(data[:size]).message
            if isinstance(message, State) and (message.state, message.startup) == (said.state, said.startup):
                act()
            data = data[size:]
        return handle(event)

    server.handle = listen  # type: ignore[method-assign]


def test_a_new_backup_has_its_share_when_it_enters_normal_for_the_first_time() -> None:
    """So a main that dies in that moment leaves a backup that can serve newcomers."""
    world = World()
    seen: list[tuple[int, int]] = []
    before(world.backup, State(int(S.NORMAL), False, 0), lambda: seen.append(sizes(world.backup)))
    world.pair()
    assert seen == [(172, 19)]
    world.main.crash()
    world.run(60)
    assert Client(world, 1).lease(world.backup)


def test_the_backup_knows_who_has_its_addresses_when_it_may_give_them_again() -> None:
    """The main in PARTNER-DOWN gives some just before the backup comes back into NORMAL: the backup is told of that
    before it hears NORMAL, however narrow the window."""
    few = lambda: scope(last="192.168.50.13", pct=50)  # noqa: E731  two addresses each
    world = World(lambda: config(True, few()), lambda: config(False, few())).pair()
    share = {a for a in range(parse_ipv4("192.168.50.10"), parse_ipv4("192.168.50.13") + 1)}
    world.backup.crash()
    world.run(10)
    world.main.take_over(world.backup, expert=False)
    world.run(3600)
    assert all(Client(world, n).lease(world.main) for n in range(2))
    late = [Client(world, 8), Client(world, 9)]

    def give() -> None:
        assert world.main.endpoint.link is not None
        world.main.endpoint.link.window = 1
        assert all(client.lease(world.main) for client in late)

    knew: list[bool] = []
    before(world.main, State(int(S.RECOVER_DONE), False, 0), give)
    before(
        world.backup, State(int(S.NORMAL), False, 0),
        lambda: knew.append({client.address for client in late} <= set(world.backup.active())),
    )  # fmt: skip
    world.backup.boot()
    world.run(30)
    assert {client.address for client in late} < share
    assert knew == [True]
    world.books_agree()


def test_a_longer_mclt_counts_when_the_backup_knows_it() -> None:
    """Until then the backup, should it have to take over, would wait by the shorter one."""
    world = World(lambda: config(True, mclt_s=600), lambda: config(False, mclt_s=600)).pair()
    client = Client(world, 1)
    world.cut = True
    world.drop_connections_of(world.main)
    world.run(5)
    reload(world, world.main, config(True, mclt_s=3600))
    assert client.lease(world.main) and client.left_s == 600
    world.cut = False
    world.run(60)
    assert Client(world, 2).lease(world.main)
    world.run(60)
    assert {round(expires - world.now, -1) for _, _, expires in world.main.active().values()} == {480, 3540}
    world.cut = True
    world.drop_connections_of(world.main)
    world.run(5)
    assert client.renew(world.main) and client.left_s > 3600


@pytest.mark.parametrize("role", ["main", "backup"])
def test_a_shorter_mclt_shortens_no_wait_for_promises_by_the_longer_one(role: str) -> None:
    world = World(lambda: config(True, mclt_s=3600), lambda: config(False, mclt_s=3600)).pair()
    alone, partner = (world.main, world.backup) if role == "main" else (world.backup, world.main)
    world.main.make = lambda: config(True, mclt_s=600)
    reload(world, world.main, world.main.make())
    world.run(30)
    assert (world.main.endpoint.mclt_s, world.backup.endpoint.mclt_s) == (600, 600)
    partner.crash()
    alone.crash()
    alone.boot()
    world.run(60)
    alone.take_over(partner, expert=False)
    assert alone.endpoint.powers.other_from == int(world.now) + 3600
    partner.boot()
    world.run(30)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    world.run(3600)
    partner.crash()
    world.run(1)
    alone.take_over(partner, expert=False)
    assert alone.endpoint.powers.other_from <= world.now + 600, "all that was promised by the longer one is known"


def take_back(world: World) -> None:
    """Let the main take back what is too much of the backup's; the updates are on the wire."""
    main = world.main.endpoint
    main.reclaim_at = world.now
    out: list[Effect] = []
    shares.rebalance(main, world.now, out)
    telling.flush(main, world.now, out)
    world.main.perform(out)


def agree_to_it(world: World) -> None:
    """Let the backup agree; its answer is on the wire."""
    had = sizes(world.backup)[1]
    while sizes(world.backup)[1] == had:
        assert world.step()


def with_half(used: bool) -> World:
    """A pair whose backup has half of ten addresses, and a main that is to take all but one of them back."""

    def made(main: bool, pct: int) -> ServerConfig:
        return config(main, scope(last="192.168.50.19", lease_s=600, pct=pct), mclt_s=600)

    world = World(lambda: made(True, 50), lambda: made(False, 50)).pair()
    if used:
        for _ in range(2):
            assert all([Client(world, n).lease() for n in range(5)])
            world.run(1400)
    assert agree(world) == (5, 5)
    for server, main in ((world.main, True), (world.backup, False)):
        server.make = partial(made, main, 10)
        reload(world, server, server.make())
    return world


def owned(server: Server, status: int) -> set[int]:
    """The addresses that are available to one of the two, by the book of ``server``."""
    assert server.node is not None
    book = server.node.book
    unused = {a for lo, hi in book.pools[0].side(status).unused for a in range(lo, hi + 1)}
    return unused | {binding.address for binding in book.by_address.values() if binding.status == status}


@pytest.mark.parametrize("used", [False, True])
def test_what_the_backup_gave_back_while_the_main_died_is_somebodys_again(used: bool) -> None:
    """The main asks for addresses, the backup agrees, and the main is gone before it hears so."""
    world = with_half(used)
    take_back(world)
    agree_to_it(world)
    world.main.crash()
    world.run(30)
    world.main.boot()
    world.run(5)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert owned(world.main, BACKUP) > owned(world.backup, BACKUP), "some are nobody's"
    world.run(15)
    assert owned(world.main, BACKUP) == owned(world.backup, BACKUP)
    assert sum(agree(world)) == 10
    world.books_agree()
    world.run(3700)
    assert agree(world) == (9, 1), "and the main gets them in the end"


def test_what_the_backup_gave_back_is_somebodys_again_when_it_refuses_a_part_of_it_later() -> None:
    """The backup agrees, the main does not hear of it and asks anew; now one address of the range has something."""
    world = with_half(used=False)
    take_back(world)
    world.cut = True
    agree_to_it(world)
    world.run(100)
    assert world.main.state == world.backup.state == "COMMUNICATIONS-INTERRUPTED"
    out: list[Effect] = []
    held = min(owned(world.main, BACKUP))
    assert world.backup.node is not None
    world.backup.node.set_deactivated(world.now, held, True, out)
    world.backup.perform(out)
    world.cut = False
    world.run(60)
    assert world.main.state == world.backup.state == "NORMAL"
    assert any("The partner refused" in note for note in world.main.notes)
    assert owned(world.main, BACKUP) == owned(world.backup, BACKUP)
    assert len(owned(world.backup, FREE) | owned(world.backup, BACKUP)) == 10
    world.books_agree()


@pytest.mark.parametrize("used", [False, True])
def test_a_reminder_gives_no_address_two_owners(used: bool) -> None:
    """What the backup is reminded of crosses what it has to say, and the main's taking back comes behind it."""
    world = with_half(used)
    main, backup = world.main.endpoint, world.backup.endpoint

    def remind() -> bool:
        out: list[Effect] = []
        main.reminders.begin(main.pools())
        telling.flush(main, world.now, out)
        main.reminders.waiting.clear()
        world.main.perform(out)
        return bool(out)

    assert remind()
    assert main.queue.on_the_way and not main.queue.unacknowledged
    take_back(world)
    assert main.queue.takes_back
    for binding in [binding for binding in backup.bindings() if binding.status == BACKUP][:1]:
        out: list[Effect] = []  # the backup has something new to say of one
        assert world.backup.node is not None
        world.backup.node.book.set_status(binding, FREE, int(world.now))
        world.backup.node.book.save(binding, out)
        world.backup.perform(out)
    for _ in range(30):
        taking = main.queue.takes_back
        assert not (remind() and taking), "it waits until nothing is being taken back"
        assert not owned(world.main, FREE) & owned(world.backup, BACKUP)
        assert world.step()
    world.run(60)
    assert agree(world) == (9, 1)
    world.books_agree()


def test_a_gift_that_crosses_the_end_of_a_lease_from_it_gives_no_address_two_owners(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The backup stored the gift, and its answer was lost; it gave the address, and the client gave it back."""
    small = lambda: scope(last="192.168.50.19", lease_s=600, pct=50)  # noqa: E731
    world = World(lambda: config(True, small(), mclt_s=600), lambda: config(False, small(), mclt_s=600)).pair()
    for n in range(9):
        assert Client(world, n).lease()
        world.run(20)
    world.run(1400)
    given = min(binding.address for binding in world.main.endpoint.bindings() if binding.status == BACKUP)
    world.cut = True
    world.drop_connections_of(world.main)
    world.run(10)
    gift = next(binding for binding in world.main.endpoint.bindings() if binding.address == given)
    gift.up_to_date = False
    world.main.endpoint.unacked[given] = gift
    clients = [Client(world, n) for n in range(9)]
    assert any(client.lease(world.backup) and client.address == given for client in clients)
    world.run(10)
    next(client for client in clients if client.address == given).release(world.backup)

    for server in (world.main, world.backup):
        def checked(event: object, handle: Callable[[object], list[Reply]] = server.handle) -> list[Reply]:
            replies = handle(event)
            assert not owned(world.main, FREE) & owned(world.backup, BACKUP)
            return replies

        monkeypatch.setattr(server, "handle", checked)
    world.cut = False
    world.run(60)
    assert (world.main.state, world.backup.state) == ("NORMAL", "NORMAL")
    assert given in owned(world.main, FREE) & owned(world.backup, FREE)
    world.books_agree()
