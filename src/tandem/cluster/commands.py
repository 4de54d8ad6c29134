"""The commands that are not common to all objects: of the server, of scopes, and of the session.

Importing this module fills the registry with all commands of a local cluster (those about failover partners are in
``partners``, those of policies in ``policy_commands``, those of leases in ``leases``).

Source: reference "commands and attributes" sections 1.7 and 8.
"""

from __future__ import annotations

import asyncio

from tandem.base.errors import CommandError
from tandem.base.units import parse_duration
from tandem.cluster import administration as _administration  # noqa: F401  fills the registry
from tandem.cluster import command_help as _help  # noqa: F401  fills the registry
from tandem.cluster import counters as _counters  # noqa: F401  fills the registry
from tandem.cluster import diagnosis as _diagnosis  # noqa: F401  fills the registry
from tandem.cluster import lease_files as _lease_files  # noqa: F401  fills the registry
from tandem.cluster import listings as _listings  # noqa: F401  fills the registry
from tandem.cluster import logs, objects
from tandem.cluster import pair_certificates as _certificates  # noqa: F401  fills the registry
from tandem.cluster import pair_commands as _pairs  # noqa: F401  fills the registry
from tandem.cluster import pair_drift as _drift  # noqa: F401  fills the registry
from tandem.cluster import pair_sync as _sync  # noqa: F401  fills the registry
from tandem.cluster import partner_servers as _partner_servers  # noqa: F401  fills the registry
from tandem.cluster import partners as _partners  # noqa: F401  fills the registry
from tandem.cluster import policy_commands as _policies  # noqa: F401  fills the registry
from tandem.cluster import preview as _preview  # noqa: F401  fills the registry
from tandem.cluster import template_commands as _templates  # noqa: F401  fills the registry
from tandem.cluster import transfer as _transfer  # noqa: F401  fills the registry
from tandem.cluster.answer import FORMATS, Answer, Item
from tandem.cluster.display import item_of
from tandem.cluster.leases import all_of_scope, client_of_lease
from tandem.cluster.manager import Manager
from tandem.cluster.objects import edit
from tandem.cluster.registry import NAME, REGISTRY, Argument, Command, Request, Session
from tandem.config.access import DHCP_ADMIN, FAILOVER_OPERATOR, READ_ONLY
from tandem.config.dates import format_date
from tandem.config.document import Document, read_object
from tandem.config.schema import SERVED
from tandem.config.scopes import (
    add_range,
    add_reservation,
    list_ranges,
    list_reservations,
    remove_range,
    remove_reservation,
)

COMMAND = "POST /command"
"""The route that runs any line; the only one of what concerns nothing but a session."""
_BACK_S = 86400


# --- server -----------------------------------------------------------------------------------------------


def _with_warnings(warnings: list[str]) -> Answer:
    return Answer(lines=warnings, status=101, text="Ok, with warnings") if warnings else Answer()


async def _reload(manager: Manager, request: Request) -> Answer:
    return _with_warnings(await manager.reload(request.who))


async def _start(manager: Manager, request: Request) -> Answer:
    return _with_warnings(await manager.start(request.who))


async def _stop(manager: Manager, request: Request) -> Answer:
    await manager.supervisor.stop()
    return Answer()


async def _health(manager: Manager, request: Request) -> Answer:
    facts: dict[str, object] = {"health": "OK"}
    try:
        status = await manager.ask("status")
        if not status["serving"]:
            facts["health"] = f"not serving: database {status['database']}"
        facts |= {"process": status["pid"], "started-at": status["started"]}
    except CommandError as error:
        facts["health"] = error.text if manager.supervisor.wanted else "stopped"
    facts["restarts"] = manager.supervisor.restarts
    facts["changes-not-loaded"] = manager.database.changes_since_loaded(SERVED)
    return Answer([item_of("dhcp", facts, request.session)])


async def _server_logs(manager: Manager, request: Request) -> Answer:
    values = request.values
    wanted = logs.Filter.of(values["level"], values["component"], values["search"])
    count = int(values["count"] or logs.COUNT)
    if not 0 < count <= logs.COUNT_MAX:
        raise CommandError(316, f"count: write a number from 1 to {logs.COUNT_MAX}")
    if values["log"] not in ("", "dhcp", "ccm"):
        raise CommandError(316, f"log: {values['log']!r} is not dhcp (the DHCP server's) or ccm (the cluster's)")
    path = manager.log.path if values["log"] == "ccm" else manager.server_log
    path = logs.log_path(path, min(int(values["older"] or 0), logs.OLDER))
    before = int(values["before"]) if values["before"] else None
    page = await asyncio.to_thread(logs.read_page, path, wanted, count, before)
    more = [f"(earlier lines: before={page.before})"] if page.before else []
    return Answer(lines=[*more, *(str(line) for line in page.lines)])


_LOG = (
    Argument("count", f"how many (default {logs.COUNT}, at most {logs.COUNT_MAX})", "number", optional=True),
    Argument("level", f"only this level and worse: {', '.join(logs.LEVELS)}", optional=True, choices=logs.LEVELS),
    Argument("component", "only this component, e.g. Failover, Protocol, Configuration", optional=True),
    Argument("search", "only lines with this text", optional=True),
    Argument("before", "only what stands before this byte of the file, as told on the page before", "number",
             optional=True),
    Argument("log", "dhcp (the DHCP server's, default) or ccm (the cluster's)", optional=True,
             choices=("dhcp", "ccm")),
    Argument("older", "the file put aside so many files ago (1 to 4)", "number", optional=True),
)  # fmt: skip

REGISTRY.add(
    Command(("dhcp", "reload"), "Have the server run by the configuration as it is now.", "dhcp reload", _reload,
            role=FAILOVER_OPERATOR, effect="server"),
    Command(("dhcp", "start"), "Start the server, with the configuration as it is now.", "dhcp start", _start,
            role=FAILOVER_OPERATOR, effect="server"),
    Command(("dhcp", "stop"), "Stop the server for a short time; its partner serves from its own share.", "dhcp stop",
            _stop, role=FAILOVER_OPERATOR, effect="server"),
    Command(("dhcp", "gethealth"), "Show whether the server runs, and by the newest configuration.",
            "dhcp gethealth", _health, role=READ_ONLY),
    Command(("dhcp", "serverLogs"), "Show the end of the server's log; or what fits, page by page.",
            "dhcp serverLogs level=Warning component=Failover count=20", _server_logs, _LOG, role=READ_ONLY),
    Command(("dhcp", "serverLogs", "show"), "The same as serverLogs.", "server dhcp serverLogs show", _server_logs,
            _LOG, role=READ_ONLY, route="GET /dhcp/serverLogs"),
)  # fmt: skip


# --- scopes -----------------------------------------------------------------------------------------------


async def _add_range(manager: Manager, request: Request) -> Answer:
    lo, hi = request.values["lowest"], request.values["highest"]
    edit(manager, request, "scope", lambda document: add_range(document, request.name, lo, hi))
    return Answer()


async def _remove_range(manager: Manager, request: Request) -> Answer:
    lo, hi = request.values["lowest"], request.values["highest"]
    edit(manager, request, "scope", lambda document: remove_range(document, request.name, lo, hi))
    return Answer()


async def _list_ranges(manager: Manager, request: Request) -> Answer:
    return Answer(lines=[f"{lo} {hi}" for lo, hi in list_ranges(manager.database.document, request.name)])


async def _add_reservation(manager: Manager, request: Request) -> Answer:
    address, client = request.values["address"], request.values["client"]
    if not client:
        client = await client_of_lease(manager, Request(request.login, request.session, address))
    edit(manager, request, "scope", lambda document: add_reservation(document, request.name, address, client))
    return Answer()


async def _remove_reservation(manager: Manager, request: Request) -> Answer:
    which = request.values["which"]

    def change(document: Document) -> None:
        remove_reservation(document, request.name, which)

    edit(manager, request, "scope", change)
    return Answer()


async def _list_reservations(manager: Manager, request: Request) -> Answer:
    pairs = list_reservations(manager.database.document, request.name)
    return Answer(lines=[f"{address} {client}" for address, client in pairs])


async def _list_leases(manager: Manager, request: Request) -> Answer:
    read_object(manager.database.document, "scope", request.name)
    return Answer(await all_of_scope(manager, request.name, request.session))


async def _utilization(manager: Manager, request: Request) -> Answer:
    read_object(manager.database.document, "scope", request.name)
    back = request.values["back"]
    samples = manager.watch.samples(request.name, parse_duration(back) if back else _BACK_S)
    clock = request.session.clock()
    rows = [["When", "Leased", "Main's share", "Backup's share", "Not free yet", "Unavailable", "New per hour"]]
    items = []
    for sample in samples:
        counts = [sample.leased, sample.main, sample.backup, sample.pending, sample.unavailable]
        rows.append([format_date(sample.at, clock), *(str(count) for count in counts), f"{sample.per_hour:.1f}"])
        facts = {"leased": sample.leased, "main-share": sample.main, "backup-share": sample.backup,
                 "pending-available": sample.pending, "unavailable": sample.unavailable,
                 "addresses": sample.addresses, "arrivals-per-hour": round(sample.per_hour, 1)}  # fmt: skip
        items.append(item_of(rows[-1][0], facts, request.session))
    nothing = ["No sample yet: one is taken every collect-addr-util-interval, while the server runs."]
    return Answer(items, objects.table(rows) if items else nothing)


_LOWEST = Argument("lowest", "first address of the range", "ipv4")
_HIGHEST = Argument("highest", "last address of the range", "ipv4")
_ADDRESS = Argument("address", "the address to reserve", "ipv4")
_CLIENT = Argument(
    "client", "hardware address (1,6,00:d0:ba:d3:bd:3b), or id: and the client identifier;"
    " left out: the client that holds or last held the lease", optional=True,
)  # fmt: skip
_WHICH = Argument("which", "the reserved address, or the client")

REGISTRY.add(
    Command(("scope", NAME, "addRange"), "Add addresses to be given to clients.",
            "scope examplescope addRange 192.168.50.10 192.168.50.200", _add_range, (_LOWEST, _HIGHEST),
            role=DHCP_ADMIN, effect="configuration"),
    Command(("scope", NAME, "removeRange"), "Take addresses out of the ranges.",
            "scope examplescope removeRange 192.168.50.10 192.168.50.20", _remove_range, (_LOWEST, _HIGHEST),
            role=DHCP_ADMIN, effect="configuration"),
    Command(("scope", NAME, "listRanges"), "Show the ranges.", "scope examplescope listRanges", _list_ranges,
            role=READ_ONLY),
    Command(("scope", NAME, "addReservation"), "Reserve an address for one client.",
            "scope examplescope addReservation 192.168.50.9 1,6,00:d0:ba:d3:bd:3b", _add_reservation,
            (_ADDRESS, _CLIENT), role=DHCP_ADMIN, effect="configuration"),
    Command(("scope", NAME, "removeReservation"), "Remove a reservation.",
            "scope examplescope removeReservation 192.168.50.9", _remove_reservation, (_WHICH,),
            role=DHCP_ADMIN, effect="configuration"),
    Command(("scope", NAME, "listReservations"), "Show the reservations.", "scope examplescope listReservations",
            _list_reservations, role=READ_ONLY),
    Command(("scope", NAME, "listLeases"), "Show the leases that clients have or had.",
            "scope examplescope listLeases", _list_leases, role=READ_ONLY),
    Command(("scope", NAME, "getUtilization"), "Show how the use of its addresses has changed.",
            "scope examplescope getUtilization 2d", _utilization,
            (Argument("back", "how far back, e.g. 2h or 7d (default 1d)", "duration", optional=True),), role=READ_ONLY),
)  # fmt: skip


# --- session ----------------------------------------------------------------------------------------------


async def _show_session(manager: Manager, request: Request) -> Answer:
    facts = {"cluster": manager.name, "user-name": request.who, **request.session.attributes()}
    return Answer([Item("session", facts)])


async def _set_session(manager: Manager, request: Request) -> Answer:
    for attribute, value in objects.assignments(request).items():
        request.session.set(attribute, value)
    return Answer()


async def _get_session(manager: Manager, request: Request) -> Answer:
    attribute = request.values["attribute"]
    values = request.session.attributes()
    if attribute not in values:
        raise CommandError(308, f"session has no attribute {attribute!r}; it has {' and '.join(values)}")
    return Answer(lines=[f"{attribute}={values[attribute]}"])


async def _locked(manager: Manager, request: Request) -> Answer:
    """Nobody locks a cluster: each command takes effect at once and as a whole."""
    return Answer()


async def _save(manager: Manager, request: Request) -> Answer:
    return Answer()


async def _license(manager: Manager, request: Request) -> Answer:
    return Answer(lines=["No license is needed: nothing here is locked, limited or counted."])


_ATTRIBUTE = Argument("attribute", "default-format or visibility", choices=tuple(Session().attributes()))
_ASSIGNMENTS = Argument(
    "assignments", "default-format=user, script or json; visibility=5, or 3 for expert mode", many=True,
    choices=(*(f"default-format={style}" for style in FORMATS), "visibility=3", "visibility=5"),
)  # fmt: skip

REGISTRY.add(
    Command(("session",), "Show the session's settings.", "session", _show_session, route=COMMAND, role=READ_ONLY),
    Command(("session", "show"), "Show the session's settings.", "session show", _show_session,
            route=COMMAND, role=READ_ONLY),
    Command(("session", "get"), "Show one setting.", "session get default-format", _get_session, (_ATTRIBUTE,),
            route=COMMAND, role=READ_ONLY),
    Command(("session", "set"), "Change how this session is answered.", "session set default-format=script",
            _set_session, (_ASSIGNMENTS,), route=COMMAND, role=READ_ONLY),
    Command(("save",), "Nothing is left to be done: every change is in the database at once.", "save", _save,
            route=COMMAND, role=READ_ONLY),
    Command(("force-lock",), "Nothing is to be locked: each command takes effect at once and as a whole.", "force-lock",
            _locked, route=COMMAND, role=READ_ONLY),
    Command(("session", "cache", "refresh"), "Nothing is to be fetched anew: nrcmd asks the cluster each time.",
            "session cache refresh", _locked, route=COMMAND, role=READ_ONLY),
    Command(("session", "cache", "clear"), "Nothing is to be forgotten: nrcmd asks the cluster each time.",
            "session cache clear", _locked, route=COMMAND, role=READ_ONLY),
    Command(("license",), "Show that no license is needed.", "license", _license, route=COMMAND, role=READ_ONLY),
    Command(("license", "list"), "Show that no license is needed.", "license list", _license, route=COMMAND,
            role=READ_ONLY),
    Command(("license", NAME, "create"), "Nothing is to be entered: no license is needed.", "license key create",
            _license, route=COMMAND, role=READ_ONLY),
    Command(("session", "assert", "locked"), "Always holds: nobody locks a cluster.", "session assert locked", _locked,
            route=COMMAND, role=READ_ONLY),
    Command(("exit",), "Leave nrcmd.", "exit", _save, route=COMMAND, role=READ_ONLY),
    Command(("quit",), "Leave nrcmd.", "quit", _save, route=COMMAND, role=READ_ONLY),
)  # fmt: skip
