"""LAN segments, and which failover relationship each belongs to.

A segment is a primary scope and the scopes that name its subnet as their primary-subnet; the failover attribute
of its scopes decides for all of them together. Does not know ranges or policies.
Source: failover chapter, "Scope Failover Attribute States" and "Failover Scenarios"; SYSTEM S1, S4.11.

Deviation: the chapter's rule, that a scope-enabled and a scope-disabled scope on one segment are an error "unless
the other scope has failover enabled server-wide", is read as: use-server-settings never collides with either.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from tandem.base.ipv4 import format_ipv4, prefix_length
from tandem.config.compiled import DESIRED, OFF, CompiledScope, EndpointConfig
from tandem.config.reading import Item, Problems

_SERVERS = ("failover-main-server", "failover-backup-server")


@dataclass(slots=True)
class ScopeInSegment:
    """A scope as declared and as compiled so far."""

    item: Item
    scope: CompiledScope


def make_segments(scopes: list[ScopeInSegment], problems: Problems) -> list[list[ScopeInSegment]]:
    """Return the segments, each with its primary scope first, in the order of ``scopes``."""
    by_subnet = {(s.scope.subnet, s.scope.mask): s for s in scopes}
    segments: dict[str, list[ScopeInSegment]] = {
        s.item.name: [s] for s in scopes if s.item.values["primary-subnet"] is None
    }
    for s in scopes:
        wanted = s.item.values["primary-subnet"]
        if wanted is None:
            continue
        text = f"{format_ipv4(wanted[0])}/{prefix_length(wanted[1])}"
        primary = by_subnet.get(wanted)
        if primary is None:
            why = "no scope has this subnet; write that of the primary scope, or unset it"
        elif primary is s:
            why = "is the scope's own subnet; write that of another scope, or unset it"
        elif primary.item.name not in segments:
            why = f"scope {primary.item.name} is itself secondary; write the subnet of the segment's primary scope"
        else:
            segments[primary.item.name].append(s)
            continue
        problems.error(s.item.label, "primary-subnet", text, why)
    return list(segments.values())


@dataclass(slots=True)
class Endpoints:
    """The failover relationships of this server, each once, in the order in which they were met."""

    server: Item
    local: int
    port: int
    problems: Problems
    own: Collection[int] = ()
    """Other addresses of this machine, of which a relationship may name one as this server's."""
    certificate: bytes = b""
    """This server's own for TLS (DER); empty = it has none."""
    made: list[EndpointConfig] = field(default_factory=list)
    server_wide: int = 0
    """Number of the server-wide relationship, from 1; 0 = failover is off server-wide."""
    _numbers: dict[tuple[int, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.server.values["failover"]:
            self.server_wide = self._number(self.server)

    def of_segment(self, segment: list[ScopeInSegment]) -> int:
        """Return the number of the relationship that a segment belongs to; 0 = none."""
        enabled = [s.item for s in segment if s.item.values["failover"] == "scope-enabled"]
        disabled = [s.item for s in segment if s.item.values["failover"] == "scope-disabled"]
        for s in segment:
            if s.item not in enabled:
                self._warn_of_unused(s.item)
        if enabled and disabled:
            self.problems.error(
                disabled[0].label, "failover", "scope-disabled",
                f"{enabled[0].label} on the same LAN segment is scope-enabled; write the same for both,"
                " or use-server-settings for one",
            )  # fmt: skip
        if enabled:
            numbers = [self._number(item) for item in enabled]
            self._compare(enabled)
            return numbers[0]
        return 0 if disabled else self.server_wide

    def _number(self, item: Item) -> int:
        """Return the number of the relationship between the two servers that ``item`` names; 0 = in error."""
        main, backup = (item.values[name] for name in _SERVERS)
        if main is None or backup is None:
            self.problems.error(
                item.label, _SERVERS[main is not None], "", "failover needs both servers; set the address of this one"
            )
            return 0
        if main == backup:
            self.problems.error(
                item.label, _SERVERS[1], format_ipv4(backup), "is the main server's address too; write the partner's"
            )
            return 0
        mine = [a for a in (main, backup) if a == self.local] or [a for a in (main, backup) if a in self.own]
        if len(mine) == 2:
            self.problems.error(
                item.label, _SERVERS[1], format_ipv4(backup),
                f"is this server's own address, and so is {_SERVERS[0]} = {format_ipv4(main)}; write the partner's",
            )  # fmt: skip
            return 0
        if not mine:
            own = ", ".join(format_ipv4(a) for a in dict.fromkeys([self.local, *self.own]))
            self.problems.error(
                item.label, _SERVERS[0], format_ipv4(main),
                f"neither this address nor {_SERVERS[1]} = {format_ipv4(backup)} is this server's own,"
                f" {own}; write that for the role that this server has",
            )  # fmt: skip
            return 0
        number = self._numbers.get((main, backup))
        if number is None:
            self.made.append(self._make(main, backup, mine[0]))
            number = self._numbers[(main, backup)] = len(self.made)
        return number

    def _make(self, main: int, backup: int, local: int) -> EndpointConfig:
        values = self.server.values
        peer = backup if main == local else main
        fingerprints = values["failover-tls-partner-fingerprint"]
        named = (main, backup) == tuple(values[name] for name in _SERVERS)
        return EndpointConfig(
            name=f"{format_ipv4(main)}-{format_ipv4(backup)}",
            main=main == local,
            local=local,
            peer=peer,
            port=self.port,
            mclt_s=values["failover-maximum-client-lead-time"],
            lease_factor=values["failover-lease-period-factor"],
            poll_interval_s=values["failover-poll-interval"],
            poll_timeout_s=values["failover-poll-timeout"],
            safe_period_s=values["failover-safe-period"] if values["failover-use-safe-period"] else None,
            recover_from=values["failover-recover"],
            startup_s=values["failover-startup-time"],
            balance_backup_pct=values["failover-load-balancing"] and values["failover-load-balancing-backup-pct"],
            balance_delay_s=values["failover-load-balancing-delay"],
            secret=(values["failover-shared-secret"] or "").encode(),
            tls=values["failover-tls"],
            certificate=self.certificate,
            partner_fingerprints=tuple(digest for address, digest in fingerprints if address in (0, peer)),
            clock_skew_max_s=values["failover-maximum-clock-skew"],
            relationship_name=(values["failover-relationship-name"] or "") if named else "",
            dialect=values["failover-dialect"],
        )

    def _compare(self, enabled: list[Item]) -> None:
        for item in enabled[1:]:
            for name in _SERVERS:
                first, other = enabled[0].values[name], item.values[name]
                if first is not None and other is not None and first != other:
                    self.problems.error(
                        item.label, name, format_ipv4(other),
                        f"{enabled[0].label} on the same LAN segment has {format_ipv4(first)}; write the same for both",
                    )  # fmt: skip

    def _warn_of_unused(self, item: Item) -> None:
        if item.values["failover"] == "scope-disabled" and not self.server.values["failover"]:
            self.problems.warning(
                item.label, "failover", "scope-disabled", "has no effect: failover is off server-wide; unset it"
            )
        unused = [name for name in _SERVERS if item.values[name] is not None]
        if unused:
            nor, it = (f", nor is {unused[1]}", "both") if len(unused) == 2 else ("", "this")
            self.problems.warning(
                item.label, unused[0], format_ipv4(item.values[unused[0]]),
                f"is not used{nor}: failover is {item.values['failover']}; set failover=scope-enabled, or unset {it}",
            )  # fmt: skip

    def check_tls(self) -> None:
        """Check that an encrypted relationship can come about. Without a certificate it could later: TLS that is only
        desired is off then."""
        wanted = self.server.values["failover-tls"]
        if wanted == OFF:
            return
        for made in self.made:
            if not made.partner_fingerprints:
                self.problems.error(
                    self.server.label, "failover-tls", wanted,
                    f"needs the fingerprint of {format_ipv4(made.peer)}: run 'dhcp getFailoverCertificate' there, and"
                    " 'dhcp set failover-tls-partner-fingerprint=' with what it prints here",
                )  # fmt: skip
            if not made.certificate:
                then = "is off" if wanted == DESIRED else "refuses every connection"
                self.problems.warning(
                    self.server.label, "failover-tls", wanted,
                    f"{then}: this server has no certificate for failover; restart 'tandem local', which makes one",
                )  # fmt: skip
                if wanted == DESIRED:
                    made.tls = OFF

    def check_times(self) -> None:
        """Check what the relationships have in common; without any, nothing of it counts."""
        interval, timeout = self.server.values["failover-poll-interval"], self.server.values["failover-poll-timeout"]
        if self.made and timeout <= interval:
            self.problems.error(
                self.server.label, "failover-poll-timeout", str(timeout),
                f"must be more than failover-poll-interval = {interval}, best several times as much",
            )  # fmt: skip
        if self.made and self.server.values["failover-lease-period-factor"] <= 1:
            self.problems.warning(
                self.server.label, "failover-lease-period-factor", "1.0",
                "makes a client's renewals shorter whenever the partner is away; write more than 1, best 1.5",
            )  # fmt: skip
