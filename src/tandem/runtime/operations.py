"""What can be asked of a running server over its control socket.

Checks the arguments; the answers are the node's (``node.views``, ``node.partner_views``). An operation that changes
something answers when the change is on stable storage. Addresses are integers or dotted text.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

import msgspec

from tandem.base.errors import CommandError
from tandem.base.io import Effect
from tandem.base.ipv4 import parse_ipv4
from tandem.node import alarms, explain, partner_down, partner_views, views
from tandem.node.lease_search import PAGE_MAX, Rank, search
from tandem.runtime.control import Operation
from tandem.runtime.running import Running

T = TypeVar("T")
Arguments = dict[str, object]

_REPLACED_S = 5.0
"""How long partners may take to say that they have taken over (draft section 9.14.2: a few seconds)."""


class Operations:
    """The operations on one server."""

    def __init__(self, server: Running, stop: Callable[[], None]) -> None:
        self._server = server
        self._stop = stop

    def table(self) -> dict[str, Operation]:
        """Return the operations by name."""
        return {
            "ping": self._ping,
            "status": self._status,
            "reload": self._reload,
            "stop": self._end,
            "shut_down": self._shut_down,
            "related_servers": self._related_servers,
            "chosen_servers": self._chosen_servers,
            "failover_conflicts": self._conflicts,
            "failover_table": self._failover_table,
            "alarms": self._alarms,
            "explain": self._explain,
            "preview_partner_down": self._preview_partner_down,
            "scopes": self._scopes,
            "search_leases": self._search_leases,
            "lease": self._lease,
            "lease_history": self._lease_history,
            "statistics": self._statistics,
            "set_partner_down": self._set_partner_down,
            "force_available": self._force_available,
            "set_deactivated": self._set_deactivated,
            "rebalance": self._rebalance,
        }

    # --- the server -------------------------------------------------------------------------------------

    async def _ping(self, args: Arguments) -> object:
        return "pong"

    async def _status(self, args: Arguments) -> object:
        return self._server.status()

    async def _reload(self, args: Arguments) -> object:
        document = args.get("document")
        if not isinstance(document, dict):
            raise CommandError(316, "reload needs the configuration: {\"document\": {...}}")
        return await self._server.reload(document)

    async def _end(self, args: Arguments) -> object:
        self._stop()
        return "stopping"

    async def _shut_down(self, args: Arguments) -> object:
        """Serve nobody any more and have the partners take over; ``stop`` is to follow."""
        node = self._server.node
        await self._change(node.shut_down)
        await self._server.until(lambda: all(answer is not None for _, answer in node.replaced()), _REPLACED_S)
        return partner_views.replaced(node)

    # --- views ------------------------------------------------------------------------------------------

    async def _related_servers(self, args: Arguments) -> object:
        return partner_views.related_servers(self._server.node, time.time())

    async def _chosen_servers(self, args: Arguments) -> object:
        return partner_views.chosen_servers(self._server.node)

    async def _scopes(self, args: Arguments) -> object:
        names = args.get("names")
        if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise CommandError(316, "names: write a list of scopes' names, or leave it out for all")
        return views.scopes(self._server.node, time.time(), names)

    async def _statistics(self, args: Arguments) -> object:
        node = self._server.node
        return {**views.statistics(node), **self._server.counters(), "failover": partner_views.counters(node)}

    async def _conflicts(self, args: Arguments) -> object:
        return partner_views.conflicts(self._server.node)

    async def _failover_table(self, args: Arguments) -> object:
        return partner_views.decisions()

    async def _alarms(self, args: Arguments) -> object:
        return alarms.alarms(self._server.node, time.time())

    async def _explain(self, args: Arguments) -> object:
        form, secs = str(args.get("form", "discover")), args.get("secs", 0)
        if form not in explain.FORMS:
            raise CommandError(316, f"form: {form!r} is not one of {', '.join(explain.FORMS)}")
        if not isinstance(secs, int) or not 0 <= secs <= 0xFFFF:
            raise CommandError(316, "secs: write seconds, 0 to 65535")
        told = explain.Told(form, _bytes(args, "hardware", 17), _bytes(args, "client_id", 255), secs=secs)
        told.relay, told.options = _bytes(args, "relay", 240), _options(args)
        for name in ("address", "giaddr", "link", "local"):
            setattr(told, name, _address(args, name) if args.get(name) else 0)
        return explain.explain(self._server.node, time.time(), told)

    async def _preview_partner_down(self, args: Arguments) -> object:
        partner, at, expert = _partner_down(args)
        return partner_down.preview(self._server.node, time.time(), partner, at, expert)

    async def _search_leases(self, args: Arguments) -> object:
        wanted, after, limit = args.get("wanted", {}), args.get("after", -1), args.get("limit", PAGE_MAX)
        if not isinstance(wanted, dict) or not all(isinstance(text, str) for text in wanted.values()):
            raise CommandError(316, 'wanted: write what leases are to have in common, e.g. {"state": "leased"}')
        if after != -1:
            after = _address(args, "after")
        if not isinstance(limit, int) or not 0 < limit <= PAGE_MAX:
            raise CommandError(316, f"limit: write a number from 1 to {PAGE_MAX}")
        assert isinstance(after, int)
        try:
            beyond = msgspec.convert(args.get("beyond"), Rank | None)
        except msgspec.ValidationError as error:
            raise CommandError(316, f"beyond: {error}") from None
        page = search(self._server.node, wanted, after, limit, time.time(), str(args.get("order", "")), beyond)
        return {"leases": page.leases, "after": page.after, "ranks": page.ranks}

    async def _lease(self, args: Arguments) -> object:
        return views.lease(self._server.node, _address(args, "address"), time.time())

    async def _lease_history(self, args: Arguments) -> object:
        address, history = _address(args, "address"), self._server.history
        try:
            rows = await asyncio.to_thread(history.of, address)
        except sqlite3.Error as error:
            text = f"the history {history.path} cannot be read ({error}); move it aside to begin anew"
            raise CommandError(501, text) from None
        return views.history(rows)

    # --- changes ----------------------------------------------------------------------------------------

    async def _set_partner_down(self, args: Arguments) -> object:
        partner, at, expert = _partner_down(args)
        node = self._server.node
        return await self._change(lambda now, out: node.set_partner_down(now, partner, at, expert, out))

    async def _force_available(self, args: Arguments) -> object:
        address = _address(args, "address")
        node = self._server.node
        return await self._change(lambda now, out: node.force_available(now, address, out))

    async def _rebalance(self, args: Arguments) -> object:
        name = str(args.get("pair"))
        node = self._server.node
        return await self._change(lambda now, out: node.rebalance(now, name, out))

    async def _set_deactivated(self, args: Arguments) -> object:
        address, deactivated = _address(args, "address"), args.get("deactivated") is True
        node = self._server.node
        return await self._change(lambda now, out: node.set_deactivated(now, address, deactivated, out))

    async def _change(self, act: Callable[[float, list[Effect]], T]) -> T:
        result = self._server.loop.command(act)
        await self._server.durable()
        return result


def _bytes(args: Arguments, name: str, most: int) -> bytes:
    """Return an argument that is written in hexadecimal; empty when it is left out."""
    try:
        value = bytes.fromhex(str(args.get(name, "")))
    except ValueError:
        raise CommandError(316, f"{name}: write hexadecimal digits") from None
    if len(value) > most or (name == "hardware" and len(value) == 1):
        raise CommandError(316, f"{name}: at most {most} bytes; a hardware address has its type byte first")
    return value


_OF_THE_MESSAGE = frozenset((0, 50, 52, 53, 54, 61, 82, 255))
"""Options that other arguments of a message to be explained tell, or that its form has."""


def _options(args: Arguments) -> dict[int, bytes]:
    """Return the options of a message to be explained, given as {"60": "hexadecimal"}."""
    given = args.get("options", {})
    if not isinstance(given, dict) or not all(code.isdecimal() and int(code) < 256 for code in given):
        raise CommandError(316, 'options: write them by number, e.g. {"60": "4d534654"}')
    wrong = sorted(_OF_THE_MESSAGE & {int(code) for code in given})
    if wrong:
        raise CommandError(316, f"options: option {wrong[0]} is made of the other arguments (message, client, relay)")
    return {int(code): _bytes(given, code, 255) for code in given}


def _partner_down(args: Arguments) -> tuple[int, float | None, bool]:
    """Return the partner, the date and whether the operator is an expert."""
    at = args.get("at")
    if at is not None and not isinstance(at, int | float):
        raise CommandError(316, "at: write seconds since 1970, or leave it out for now")
    return _address(args, "partner"), at, args.get("expert", False) is True


def _address(args: Arguments, name: str) -> int:
    value = args.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0xFFFFFFFF:
        return value
    try:
        return parse_ipv4(str(value))
    except ValueError as error:
        raise CommandError(316, f"{name}: {error}") from None
