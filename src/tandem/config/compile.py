"""From the operator's document to the configuration that a server runs by, and all that is wrong with it.

Whatever spans attributes and objects is checked here: a document that compiles without an error can run. Never
raises, whatever the document holds. Scopes come in the order of their subnets, so that both servers of a pair
number them alike. Does not know who wrote the document nor what is running now.
Source: SYSTEM S2.2, S3.2, S3.10, S4.6, S4.7, S4.11; failover chapter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

from tandem.base.ipv4 import format_ipv4
from tandem.base.ranges import RangeSet
from tandem.config.compile_clients import compile_clients
from tandem.config.compile_options import check_definitions
from tandem.config.compiled import CompiledScope, EndpointConfig, Link, Network, Reservation, ServerConfig
from tandem.config.effective import PolicyBook
from tandem.config.network_types import IpAddress
from tandem.config.reading import Item, Problem, Problems, read_document, read_item
from tandem.config.reservations import outside
from tandem.config.schema import RESERVATION
from tandem.config.segments import Endpoints, ScopeInSegment, make_segments
from tandem.config.types import quote

__all__ = ["Problem", "compile_config"]

_ADDRESS = IpAddress()
_SUBNET_PRIORITY = 1 << 32
"""Where the order of subnets is the priority, it comes behind all priorities that are set."""
_RESPONSES_PER_REQUEST = 4
"""With failover, how many response buffers a request buffer needs (SYSTEM S3.10)."""


def compile_config(
    document: object, local_address: int, *, own: Collection[int] = (), failover_port: int = 647,
    certificate: bytes = b"",
) -> tuple[ServerConfig | None, list[Problem]]:  # fmt: skip
    """Return the configuration of the server at ``local_address``, and the problems found.

    ``own`` are other addresses of its machine: it is the main or the backup by any of its addresses (SYSTEM S1.4).
    ``certificate`` is this server's own for TLS with its partners (DER); empty = it has none.
    The configuration is None when one of them is an error.
    """
    problems = Problems()
    items = read_document(document, problems)
    server = items["dhcp"][""]
    policies = PolicyBook(items["policy"], problems, document if isinstance(document, dict) else None)
    check_definitions(items, problems)
    clients = compile_clients(items, server, policies, problems)
    scopes = [_compile_scope(item, policies, server.values, problems) for item in items["scope"].values()]
    scopes.sort(key=lambda s: (s.scope.subnet, s.scope.mask))
    for index, s in enumerate(scopes):
        s.scope.index = index
    _check_overlap(scopes, problems)
    endpoints = Endpoints(server, local_address, failover_port, problems, own, certificate)
    networks = []
    for index, segment in enumerate(make_segments(scopes, problems)):
        endpoint = endpoints.of_segment(segment)
        networks.append(Network(index, [s.scope for s in segment], endpoint))
        for s in segment:
            _attach(s, endpoint, endpoints, problems)
    endpoints.check_times()
    endpoints.check_tls()
    if problems.errors:
        return None, problems.found
    config = ServerConfig(
        scopes=[s.scope for s in scopes],
        networks=networks,
        endpoints=endpoints.made,
        max_requests=server.values["max-dhcp-requests"],
        max_responses=server.values["max-dhcp-responses"],
        max_probes=server.values["max-ping-packets"],
        giaddr_as_server_id="giaddr_as_server_id" in policies.settings,
        split_lease_times="split_lease_times" in policies.settings,
        hardware_unicast=server.values["hardware-unicast"],
        equal_priority_most_available=server.values["equal-priority-most-available"],
        defer_lease_extensions=server.values["defer-lease-extensions"],
        log_settings=server.values["log-settings"],
        clients=clients,
        longest_own_lease_s=policies.longest_own_lease_s,
        history_s=server.values["ip-history-max-age"],
    )
    config.summary = _summary(config, server, endpoints.server_wide, problems)
    return config, problems.found


# --- one scope ------------------------------------------------------------------------------------------


def _compile_scope(
    item: Item, policies: PolicyBook, server: Mapping[str, Any], problems: Problems
) -> ScopeInSegment:  # fmt: skip
    values = item.values
    subnet, mask = values["addr"], values["mask"]
    if subnet & ~mask:
        problems.error(
            item.label, "addr", format_ipv4(subnet),
            f"is not the network address of a subnet with mask {format_ipv4(mask)};"
            f" create the scope anew with {format_ipv4(subnet & mask)}",
        )  # fmt: skip
        subnet &= mask
    links, policy = policies.of_scope(item, mask)
    by_subnet, first = server["priority-address-allocation"], item.given.get("allocate-first-available")
    reservations, reserved = _reservations(item, subnet, mask, policies, problems)
    ranges = _ranges(item, subnet, mask, problems)
    if not ranges and not reserved and not values["deactivated"]:
        problems.warning(item.label, "", "", f"has no addresses to give; add a range ('{item.label} addRange')")
    for address in reserved:
        ranges.discard(address)
    return ScopeInSegment(
        item,
        CompiledScope(
            name=item.name,
            index=0,
            subnet=subnet,
            mask=mask,
            ranges=ranges,
            policy=policy,
            reservations=reservations,
            reserved=reserved,
            boundary=_boundary(item, subnet, mask, problems),
            allocate_first_available=by_subnet if first is None else first,
            dhcp=values["dhcp"],
            bootp=values["bootp"],
            dynamic_bootp=_dynamic_bootp(item, problems),
            allocation_priority=values["allocation-priority"] or (_SUBNET_PRIORITY + subnet if by_subnet else 0),
            ignore_declines=values["ignore-declines"],
            probe_ms=_probe_ms(values, server),
            renew_only=values["renew-only"],
            deactivated=values["deactivated"],
            tags=values["selection-tag-list"],
            links=links,
            own_policies=any(reservation.links for reservation in reserved.values()),
            partner_unavailable_s=_partner_unavailable_s(links, server),
        ),
    )


def _probe_ms(values: Mapping[str, Any], server: Mapping[str, Any]) -> int:
    """Return how long a scope's pings wait; 0 = it sends none."""
    wanted, wait = values["ping-clients"], values["ping-timeout"]
    if not (server["ping-clients"] if wanted is None else wanted):
        return 0
    return int(server["ping-timeout"] if wait is None else wait)


def _partner_unavailable_s(links: Sequence[Link], server: Mapping[str, Any]) -> int:
    if any("unavailable_s" in link.settings for link in links):
        return 0
    return int(server["upgrade-unavailable-timeout"])


def _ranges(item: Item, subnet: int, mask: int, problems: Problems) -> RangeSet:
    pairs = []
    for entry in item.part("ranges", list, problems):
        if not isinstance(entry, list) or len(entry) != 2:
            problems.error(item.label, "ranges", quote(entry), "is not a pair [lowest, highest]; add it anew")
            continue
        try:
            lo, hi = _ADDRESS.use(entry[0]), _ADDRESS.use(entry[1])
        except ValueError as error:
            problems.error(item.label, "ranges", "", str(error))
            continue
        text = f"{entry[0]} {entry[1]}"
        if lo > hi:
            problems.error(item.label, "ranges", text, "its lowest address comes second; write it first")
            continue
        why = outside(lo, subnet, mask) or outside(hi, subnet, mask)
        if why:
            wrong = lo if outside(lo, subnet, mask) else hi
            problems.error(item.label, "ranges", text, f"{format_ipv4(wrong)} {why}")
            continue
        pairs.append((lo, hi))
    pairs.sort()
    for (a, b), (c, d) in pairwise(pairs):
        if c <= b:
            problems.error(
                item.label, "ranges", f"{format_ipv4(c)} {format_ipv4(d)}",
                f"overlaps the range {format_ipv4(a)} {format_ipv4(b)}; remove one of them",
            )  # fmt: skip
    return RangeSet(pairs)


def _reservations(
    item: Item, subnet: int, mask: int, policies: PolicyBook, problems: Problems
) -> tuple[dict[bytes, Reservation], dict[int, Reservation]]:
    by_key: dict[bytes, Reservation] = {}
    by_address: dict[int, Reservation] = {}
    for entry in item.part("reservations", list, problems):
        read = read_item(RESERVATION, _address_of(entry), entry, problems, f"{item.label} reservation")
        if read is None:
            continue
        address, key = read.values["address"], read.values["key"]
        text = format_ipv4(address)
        why = outside(address, subnet, mask)
        if why:
            problems.error(item.label, "reservations", text, why)
        elif address in by_address:
            problems.error(item.label, "reservations", text, "the address is reserved twice; remove one reservation")
        elif key in by_key:
            problems.error(
                item.label, "reservations", text,
                f"its client has {format_ipv4(by_key[key].address)} reserved as well; remove one reservation",
            )  # fmt: skip
        else:
            by_key[key] = by_address[address] = Reservation(address, key, policies.own_of_client(read))
    return by_key, by_address


def _address_of(entry: object) -> str:
    return str(entry.get("address", "")) if isinstance(entry, dict) else ""


def _boundary(item: Item, subnet: int, mask: int, problems: Problems) -> int | None:
    name = "failover-backup-allocation-boundary"
    boundary: int = item.values[name] or 0
    if not boundary:
        return None
    if boundary & mask != subnet:
        problems.error(item.label, name, format_ipv4(boundary), "lies outside the scope's subnet; write one inside it")
    if not item.values["allocate-first-available"]:
        problems.error(
            item.label, name, format_ipv4(boundary),
            "needs allocate-first-available: enable that, or unset the boundary",
        )  # fmt: skip
    return boundary


def _dynamic_bootp(item: Item, problems: Problems) -> bool:
    values = item.values
    if values["dynamic-bootp"] and not values["bootp"]:
        problems.error(item.label, "dynamic-bootp", "true", "needs bootp: enable that, or disable dynamic-bootp")
    return bool(values["dynamic-bootp"])


def _attach(s: ScopeInSegment, endpoint: int, endpoints: Endpoints, problems: Problems) -> None:
    """Give a scope its failover relationship and percentage; take the servers' own addresses out of its ranges.

    With failover both servers' addresses go, on both alike, so that they agree on what can be given.
    """
    s.scope.endpoint = endpoint
    s.scope.backup_pct = _backup_percentage(s, endpoints.server.values)
    servers = [endpoints.local]
    if endpoint:
        servers += [endpoints.made[endpoint - 1].local, endpoints.made[endpoint - 1].peer]
    for address in dict.fromkeys(servers):
        if s.scope.ranges.discard(address):
            problems.warning(
                s.item.label, "ranges", format_ipv4(address),
                "is a DHCP server's own address and is given to nobody; take it out of the range",
            )  # fmt: skip


def _backup_percentage(s: ScopeInSegment, server: Mapping[str, Any]) -> int:
    """Return the backup's share of a scope (SYSTEM S4.6).

    With load balancing it is at least the backup's part of the clients: in NORMAL it gives these its own addresses.
    """
    own = s.item.values["failover-backup-percentage"]
    share: int = server["failover-backup-percentage"] if own is None else own
    if s.scope.dynamic_bootp and server["failover-dynamic-bootp-backup-percentage"]:
        share = server["failover-dynamic-bootp-backup-percentage"]
    if server["failover-load-balancing"]:
        share = max(share, server["failover-load-balancing-backup-pct"])
    return share


def _check_overlap(scopes: list[ScopeInSegment], problems: Problems) -> None:
    widest: ScopeInSegment | None = None
    for s in scopes:  # ascending: subnets either nest or are apart, so the one that reaches furthest is enough
        if widest is not None and s.scope.subnet & widest.scope.mask == widest.scope.subnet:
            problems.error(
                s.item.label, "addr", f"{format_ipv4(s.scope.subnet)}/{format_ipv4(s.scope.mask)}",
                f"overlaps {widest.item.label}, {format_ipv4(widest.scope.subnet)}/{format_ipv4(widest.scope.mask)};"
                " give each scope a subnet of its own",
            )  # fmt: skip
        else:
            widest = s


# --- what the log says ----------------------------------------------------------------------------------


def _summary(
    config: ServerConfig, server: Item, server_wide: int, problems: Problems
) -> list[tuple[str, str, int, str]]:
    """Return the log lines that introduce ``config``; raises ``max_responses`` where failover needs it."""
    lines: list[tuple[str, str, int, str]] = []

    def say(level: str, ident: int, text: str) -> None:
        lines.append((level, "Configuration", ident, text))

    addresses = sum(scope.ranges.size for scope in config.scopes)
    reserved = sum(len(scope.reserved) for scope in config.scopes)
    say(
        "Info", 4090,
        f"Scopes: {len(config.scopes)}, LAN segments: {len(config.networks)}, addresses in ranges: {addresses},"
        f" reservations: {reserved}.",
    )  # fmt: skip
    if server_wide:
        say("Info", 4092, failover_line(config.endpoints[server_wide - 1], server))
    elif not config.endpoints:
        say("Info", 4091, "Failover is disabled.")
    scopes = Counter(scope.endpoint for scope in config.scopes)
    for number, endpoint in enumerate(config.endpoints, 1):
        say(
            "Info", 4093,
            f"Failover relationship '{endpoint.name}': this server is the {'main' if endpoint.main else 'backup'},"
            f" its partner is '{format_ipv4(endpoint.peer)}', scopes that belong to it: {scopes[number]}.",
        )  # fmt: skip
        if endpoint.recover_from:
            say(
                "Warning", 4094,
                f"failover-recover is set, so '{endpoint.name}' recovers from {endpoint.recover_from} (seconds since"
                " 1970); unset it once both servers are in NORMAL.",
            )  # fmt: skip
    needed = _RESPONSES_PER_REQUEST * config.max_requests
    if config.endpoints and config.max_responses < needed:
        say(
            "Info", 4095,
            f"max-dhcp-responses = {config.max_responses} is raised to {needed}, four times max-dhcp-requests,"
            " because failover is on.",
        )  # fmt: skip
        config.max_responses = needed
    for problem in problems.found:
        say("Warning", 4099, problem.text)
    return lines


def failover_line(endpoint: EndpointConfig, server: Item) -> str:
    """Return the text of log line 04092, as the failover chapter prints it."""
    main, backup = endpoint.local, endpoint.peer
    if not endpoint.main:
        main, backup = backup, main
    safe = endpoint.safe_period_s
    return (
        f"Failover is enabled server-wide. Main server name: '{format_ipv4(main)}', backup server name:"
        f" '{format_ipv4(backup)}', mclt = {endpoint.mclt_s},"
        f" backup-percentage = {server.values['failover-backup-percentage']},"
        f" dynamic-bootp-backup-percentage = {server.values['failover-dynamic-bootp-backup-percentage'] or 0},"
        f" lease-period-factor = {round(endpoint.lease_factor * 100)},"
        f" use-safe-period: {'disabled' if safe is None else 'enabled'}, safe-period = {safe or 0}."
    )
