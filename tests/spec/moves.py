"""What the tests of states do to a pair in virtual time, and what they read off it."""

from __future__ import annotations

from pair import BACKUP, MAIN, Server, World, config, scope

from tandem.base.io import Effect, Send
from tandem.wire.failover import State, decode


def path(server: Server) -> list[str]:
    """The states that a server's log names, in order."""
    return [n.split(" to ")[1].split(" (")[0] for n in server.notes if "state changes" in n]


def partner_down(world: World, server: Server, at: float | None = None, expert: bool = False) -> str:
    out: list[Effect] = []
    assert server.node is not None
    said = server.node.set_partner_down(server.now, BACKUP if server is world.main else MAIN, at, expert, out)
    server.perform(out)
    world.settle()
    return said


def shut_down(world: World, server: Server) -> list[bool | None]:
    """Stop a server for long; return what its partner answered."""
    out: list[Effect] = []
    assert server.node is not None
    server.node.shut_down(server.now, out)
    server.perform(out)
    world.settle()
    answers = [answer for _, answer in server.node.replaced()]
    server.stop()
    return answers


def cut(world: World) -> None:
    world.cut = True
    world.drop_connections_of(world.main)
    world.run(1)


def mend(world: World) -> None:
    world.cut = False
    world.run(15)


def small() -> World:
    """Twenty addresses: eighteen the main's, two the backup's."""
    return World(
        lambda: config(True, scope(last="192.168.50.29")), lambda: config(False, scope(last="192.168.50.29"))
    ).pair()


def said_states(out: list[Effect]) -> list[State]:
    """The STATE messages among effects."""
    messages = [decode(effect.data, b"").message for effect in out if isinstance(effect, Send)]
    return [message for message in messages if isinstance(message, State)]
