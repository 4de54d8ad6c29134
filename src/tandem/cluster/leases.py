"""The commands about leases: list and search a page at a time, show, end, keep from clients, reserve.

Source: reference "commands and attributes" sections 1.7 and 8; SYSTEM S7.2.
"""

from __future__ import annotations

import copy
import heapq
from collections.abc import Mapping
from typing import Any

from tandem.base.errors import CommandError
from tandem.base.ipv4 import format_ipv4, parse_ipv4
from tandem.cluster.answer import Answer, Item
from tandem.cluster.display import item_of
from tandem.cluster.manager import Manager
from tandem.cluster.objects import edit, table
from tandem.cluster.pairs import Side, remote_of, side_of
from tandem.cluster.registry import NAME, REGISTRY, Argument, Command, Request, Session
from tandem.cluster.remote import call
from tandem.config import document as config
from tandem.config.access import DHCP_ADMIN, READ_ONLY
from tandem.config.document import Document
from tandem.config.pairs import PAIR, Pair, pair_of_scopes
from tandem.config.places import find, scope_of
from tandem.config.schema import RESERVATION
from tandem.config.scopes import add_reservation

PAGE = 50
PAGE_MAX = 1000
_PARTNER_S = 10.0
"""How long the partner's cluster is waited for."""
_NUMBERED = ("address", "state", "expiration")
"""Orders of leases by a number; the others are by a text."""
_NOT_THERE = "'scope NAME listRanges' shows those of the scopes, 'dhcp reload' loads new ones"


async def lease_page(
    manager: Manager, wanted: Mapping[str, str], after: str = "", limit: int = PAGE, order: str = ""
) -> tuple[list[dict[str, Any]], str]:
    """Return up to ``limit`` leases that are as ``wanted`` says (``node.lease_search``), in an order, and what to give
    as ``after`` for the next page: empty when there is none. Raises CommandError.

    The server is asked as often as it takes: no single question keeps it from its clients. In an order other than that
    of addresses, every lease that fits is looked at for every page.
    """
    if order not in ("", "address"):
        return await _ordered_page(manager, wanted, after, limit, order)
    found: list[dict[str, Any]] = []
    at: int | None = _place(after)[1] if after else -1
    while at is not None and len(found) < limit:
        part = await manager.ask("search_leases", wanted=dict(wanted), after=at, limit=limit - len(found))
        found += part["leases"]
        at = part["after"]
    return found, "" if at is None else format_ipv4(at)


async def _ordered_page(
    manager: Manager, wanted: Mapping[str, str], after: str, limit: int, order: str
) -> tuple[list[dict[str, Any]], str]:
    limit = min(limit, PAGE_MAX - 1)
    more: dict[str, Any] = {"wanted": dict(wanted), "limit": limit + 1, "order": order}
    if after:
        value, address = _place(after)
        more["beyond"] = [int(value) if value.isdecimal() and order.removeprefix("-") in _NUMBERED else value, address]
    first = heapq.nlargest if order.startswith("-") else heapq.nsmallest
    best: list[tuple[list[Any], dict[str, Any]]] = []
    at: int | None = -1
    while at is not None:
        part = await manager.ask("search_leases", after=at, **more)
        best = first(limit + 1, best + list(zip(part["ranks"], part["leases"], strict=True)), key=lambda one: one[0])
        at = part["after"]
    found = [lease for _, lease in best[:limit]]
    value, address = best[limit - 1][0] if len(best) > limit else ("", 0)
    return found, f"{value}/{format_ipv4(address)}" if len(best) > limit else ""


def _place(after: str) -> tuple[str, int]:
    """Return where a page ended: what leases are ordered by, and the address. Raises CommandError 316."""
    value, _, address = after.rpartition("/")
    try:
        return value, parse_ipv4(address)
    except ValueError:
        raise CommandError(316, f"after: {after!r} is not what a page ended with") from None


async def _list(manager: Manager, request: Request) -> Answer:
    values = request.values
    wanted = {key: values[key] for key in _SEARCH if values[key]}
    limit = min(int(values["limit"]), PAGE_MAX) if values["limit"] else PAGE
    leases, after = await lease_page(manager, wanted, values["after"], max(limit, 1), values["sort"])
    answer = Answer([item_of(str(lease["address"]), lease, request.session) for lease in leases])
    answer.lines = table([_HEADS, *(_row(item) for item in answer.items)]) if answer.items else []
    answer.data = {"after": after}
    if after:
        answer.text = f"Ok, more with after={after}"
    return answer


_HEADS = ["Address", "State", "Client", "Client ID", "Host name", "Expiration", "Scope", "Flags"]
_COLUMNS = ("client-mac-addr", "client-id", "client-host-name", "expiration", "scope-name", "flags")


def _row(item: Item) -> list[str]:
    shown = item.attributes
    return [item.name, shown["state"], *(shown.get(key, "") for key in _COLUMNS)]


def _address(request: Request) -> int:
    try:
        return parse_ipv4(request.name)
    except ValueError as error:
        raise CommandError(316, f"lease: {error}") from None


async def _lease(manager: Manager, request: Request) -> dict[str, Any]:
    address = _address(request)
    lease = await manager.ask("lease", address=address)
    if lease is None:
        raise CommandError(302, f"{format_ipv4(address)} is no address of the running server's scopes; {_NOT_THERE}")
    return dict(lease)


async def _show(manager: Manager, request: Request) -> Answer:
    lease = await _lease(manager, request)
    return Answer([item_of(str(lease["address"]), lease, request.session)])


async def _history(manager: Manager, request: Request) -> Answer:
    address = _address(request)
    lines = await manager.ask("lease_history", address=address)
    items = [item_of(format_ipv4(address), line, request.session) for line in lines]
    rows = [["Since", "State", "Client", "Granted by", "Until", "Renewals", "Last renewal"]]
    for item in items:
        shown = item.attributes
        client = shown.get("client-mac-addr", "") or shown.get("client-id", "")
        until = shown.get("expiration", "-") if shown["state"] == "ACTIVE" else "-"
        rows.append([
            shown.get("start-time-of-state", ""), shown["state"], client, shown.get("granted-by", "-"), until,
            shown.get("renewals", "0"), shown.get("last-renewal", "-"),
        ])  # fmt: skip
    nothing = ["Nothing is known of its past: it is kept for ip-history-max-age from when a change happens."]
    return Answer(items, table(rows) if items else nothing)


async def _scope_name(manager: Manager, request: Request) -> Answer:
    return Answer(lines=[str((await _lease(manager, request))["scope-name"])])


async def _mac(manager: Manager, request: Request) -> Answer:
    lease = await _lease(manager, request)
    if not lease.get("client-mac-addr"):
        raise CommandError(302, f"no hardware address is known of {request.name}; 'lease {request.name}' shows all")
    return Answer(lines=[str(lease["client-mac-addr"])])


async def _force_available(manager: Manager, request: Request) -> Answer:
    await manager.ask("force_available", address=_address(request))
    manager.log.note("Info", "Lease", 60012, f"{request.who} forced lease {request.name} available.")
    return Answer()


async def _deactivate(manager: Manager, request: Request) -> Answer:
    return await _set_deactivated(manager, request, True)


async def _activate(manager: Manager, request: Request) -> Answer:
    return await _set_deactivated(manager, request, False)


async def _set_deactivated(manager: Manager, request: Request, on: bool) -> Answer:
    """Do it here, then on the partner's cluster; what keeps the partner from knowing is a warning."""
    address, where = _address(request), request.values["where"]
    if where not in ("", "here"):
        raise CommandError(316, f"where: {where!r}: write here (this server only), or leave it out for both partners")
    await manager.ask("set_deactivated", address=address, deactivated=on)
    word, ident = ("deactivate", 60013) if on else ("activate", 60014)
    manager.log.note("Info", "Lease", ident, f"{request.who} {word}d lease {request.name}.")
    side = None if where else _side_of(manager, address)
    if side is None:
        return Answer()
    path = f"/lease/{format_ipv4(address)}/{word}"
    try:
        await call(remote_of(manager, side), "POST", path, {"where": "here"}, answer_s=_PARTNER_S)
    except CommandError as error:
        text = f"{word}d on this server only, its partner {side.partner} was not told: {error.text}"
        cure = f"or write 'lease {request.name} {word}' on the partner's cluster too"
        return Answer(lines=[text, cure], status=101, text="Ok, with warnings")
    return Answer(lines=[f"{word}d on both partners"])


def _side_of(manager: Manager, address: int) -> Side | None:
    """Return the failover pair that an address belongs to; None when it belongs to none, or that has no object."""
    document = manager.database.document
    try:
        pair = pair_of_scopes(document)[scope_of(document, format_ipv4(address))]
    except CommandError:
        return None
    for name, content in document.get(PAIR.name, {}).items():
        if pair == Pair(content["main-server"], content["backup-server"]):
            try:
                return side_of(manager, name)
            except CommandError:
                return None
    return None


async def client_of_lease(manager: Manager, request: Request) -> str:
    """Return what the client that holds or last held a lease is reserved by: its identifier, or hardware address.

    Raises CommandError 302.
    """
    lease = await _lease(manager, request)
    if lease.get("client-id"):
        return f"id:{lease['client-id']}"
    if lease.get("client-mac-addr"):
        return str(lease["client-mac-addr"])
    raise CommandError(
        302, f"no client is known of {request.name}; write one: 'reservation {request.name} create CLIENT'"
    )


async def _reserve(manager: Manager, request: Request) -> Answer:
    client = await client_of_lease(manager, request)
    scope = scope_of(manager.database.document, format_ipv4(_address(request)))
    on = Request(request.login, request.session, scope)
    edit(manager, on, "scope", lambda d: add_reservation(d, scope, format_ipv4(_address(request)), client))
    return Answer(lines=[f"reserved for {client}; 'lease {request.name} send-reservation' tells the running server"])


async def _send_reservation(manager: Manager, request: Request) -> Answer:
    address = format_ipv4(_address(request))
    reservation = config.read_object(manager.database.document, "reservation", address)
    await _change_running(manager, request, address, reservation)
    return Answer()


async def _delete_reservation(manager: Manager, request: Request) -> Answer:
    address = format_ipv4(_address(request))
    edit(manager, Request(request.login, request.session, address), "reservation",
         lambda d: config.delete_object(d, "reservation", address))  # fmt: skip
    await _change_running(manager, request, address, None)
    return Answer()


async def _change_running(
    manager: Manager, request: Request, address: str, reservation: Mapping[str, Any] | None
) -> None:
    """Have the running server know one reservation as it is now, and nothing else that has been changed since."""

    def change(document: Document) -> None:
        scope = document.get("scope", {}).get(scope_of(manager.database.document, address))
        if scope is None:
            raise CommandError(302, f"the running server does not have the scope of {address}; write 'dhcp reload'")
        if find(document, RESERVATION, address) is not None:
            config.delete_object(document, "reservation", address)
        if reservation is not None:
            kept = [*scope.get("reservations", []), copy.deepcopy(dict(reservation))]
            scope["reservations"] = sorted(kept, key=lambda one: parse_ipv4(one["address"]))

    await manager.change_running(request.who, change)


_SEARCH = {
    "scope": "name of a scope",
    "from": "lowest address",
    "to": "highest address",
    "mac": "hardware address, or its first bytes and *",
    "client-id": "client identifier in hexadecimal, or its first bytes and *",
    "host": "host name; * stands for anything",
    "state": "leased, expired, unavailable, pending-available, available or other-available",
    "flag": "reserved, deactivated, bootp, backup or failover-updated",
}
_WORDS = {
    "state": ("leased", "expired", "unavailable", "pending-available", "available", "other-available"),
    "flag": ("reserved", "deactivated", "bootp", "backup", "failover-updated"),
}
_ARGUMENTS = (
    *(Argument(name, text, "ipv4" if name in ("from", "to") else "text", optional=True, choices=_WORDS.get(name, ()),
               names="scope" if name == "scope" else "")
      for name, text in _SEARCH.items()),
    Argument("sort", "address (as when left out), state, client, host or expiration; -expiration: the last first",
             optional=True),
    Argument("after", "where the page before ended, as its last line says", optional=True),
    Argument("limit", f"how many to show, at most {PAGE_MAX} (default {PAGE})", "number", optional=True),
)  # fmt: skip
_WHERE = Argument("where", "here: on this server only", optional=True, choices=("here",))

REGISTRY.add(
    Command(("lease", "list"), "Show leases, a page at a time, or search them.", "lease list state=leased limit=20",
            _list, _ARGUMENTS, role=READ_ONLY),
    Command(("dhcp", "getLeases"), "The same as lease list.", "dhcp getLeases scope=examplescope", _list, _ARGUMENTS,
            role=READ_ONLY, route="GET /lease/list"),
    Command(("lease", NAME, "macaddr"), "Show the hardware address of the client that holds or last held a lease.",
            "lease 192.168.50.10 macaddr", _mac, role=READ_ONLY),
    Command(("lease", NAME), "Show a lease, by its address.", "lease 192.168.50.10", _show, role=READ_ONLY),
    Command(("lease", NAME, "show"), "Show a lease, by its address.", "lease 192.168.50.10 show", _show,
            route="GET /lease/{name}", role=READ_ONLY),
    Command(("lease", NAME, "getHistory"), "Show who had the address when.", "lease 192.168.50.10 getHistory",
            _history, role=READ_ONLY),
    Command(("lease", NAME, "get-scope-name"), "Show the name of the scope that a lease is in.",
            "lease 192.168.50.10 get-scope-name", _scope_name, role=READ_ONLY),
    Command(("lease", NAME, "force-available"), "End a lease, on both partners, even if its client uses the address.",
            "lease 192.168.50.10 force-available", _force_available, role=DHCP_ADMIN, effect="server"),
    Command(("lease", NAME, "forceAvailable"), "The same as force-available.", "lease 192.168.50.10 forceAvailable",
            _force_available, role=DHCP_ADMIN, effect="server", route="POST /lease/{name}/force-available"),
    Command(("lease", NAME, "deactivate"), "Keep an address from clients, on both partners; its lease is not renewed.",
            "lease 192.168.50.10 deactivate", _deactivate, (_WHERE,), role=DHCP_ADMIN, effect="server"),
    Command(("lease", NAME, "activate"), "Let clients have an address again that was deactivated, on both partners.",
            "lease 192.168.50.10 activate", _activate, (_WHERE,), role=DHCP_ADMIN, effect="server"),
    Command(("lease", NAME, "reserve"), "Reserve a lease's address for the client that holds or last held it.",
            "lease 192.168.50.10 reserve", _reserve, role=DHCP_ADMIN, effect="configuration"),
    Command(("lease", NAME, "send-reservation"), "Have the running server know the reservation without a reload.",
            "lease 192.168.50.9 send-reservation", _send_reservation, role=DHCP_ADMIN, effect="server"),
    Command(("lease", NAME, "delete-reservation"), "Delete the reservation, also in the running server.",
            "lease 192.168.50.9 delete-reservation", _delete_reservation, role=DHCP_ADMIN, effect="server"),
)  # fmt: skip


async def all_of_scope(manager: Manager, scope: str, session: Session) -> list[Item]:
    """Return the leases that clients of a scope have or had. Raises CommandError."""
    items: list[Item] = []
    after = ""
    while True:
        page, after = await lease_page(manager, {"scope": scope}, after, PAGE_MAX)
        items += [item_of(str(lease["address"]), lease, session) for lease in page]
        if not after:
            return items
