"""What came of a rehearsal, for its reader: as lines of text, and as values for JSON.

Counts and words only; does not run anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from textwrap import wrap

from tandem.base.ipv4 import format_ipv4
from tandem.base.units import FOREVER, format_duration
from tandem.sim.guests import Grant, Refusal, Watch
from tandem.sim.rehearsal import Outcome
from tandem.sim.site import listed

PHASES = ("before", "during", "after")
_NUMBER = re.compile(r"\d[\dhms:.]*")
_WAIT_S = 10.0
"""Who waits for less does not notice."""


_LINES_MAX = 12
"""So many groups of refused clients, or shares, are told one by one; JSON has all."""


@dataclass
class Group:
    """Clients that were refused for the same reason, in one segment or (where there are many) in several."""

    segment: str
    """The segment, or several with commas between."""
    what: str
    why: dict[str, str]
    """As it was said of the first."""
    refusals: list[Refusal] = field(default_factory=list)


class Report:
    """What came of a rehearsal."""

    def __init__(self, outcome: Outcome, watch: Watch) -> None:
        self.outcome, self.watch = outcome, watch
        self.refusals = [r for r in watch.refusals if r.since >= outcome.began]
        self.groups = _grouped(self.refusals)

    def phase(self, when: float) -> str:
        """Return in which phase of the day something happened."""
        outcome = self.outcome
        return PHASES[(when >= outcome.first) + (when >= outcome.last)]

    def day(self, when: float) -> str:
        """Return the time of day, with the day where it is another."""
        seconds = round(self.outcome.day_s(when))
        days, rest = divmod(seconds, 86400)
        text = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
        return text if days == 0 else f"{text} ({days:+} day{'s' if abs(days) > 1 else ''})"

    # --- values -----------------------------------------------------------------------------------------

    def data(self) -> dict[str, object]:
        """Return it for JSON."""
        outcome, site = self.outcome, self.outcome.site
        return {
            "seed": outcome.seed,
            "what": [mishap.text for mishap in outcome.mishaps],
            "watched": {"from": self.day(outcome.began), "to": self.day(outcome.ended)},
            "servers": {site.name_of(address): format_ipv4(address) for address in site.configs},
            "left-away": site.notes,
            "load": [
                {"segment": name, "leased": load.leased, "arrivals-per-hour": round(load.arrivals_per_h, 2),
                 "stay-s": round(load.stay_s)}
                for name, load in outcome.loads.items()
            ],
            "scopes": [
                {"scope": name, "addresses": addresses, "leased": leased} for name, (addresses, leased)
                in outcome.leased.items()
            ],
            "refused-clients": len({r.client for r in self.refusals}),
            "refused": [self._group_data(group) for group in self.groups],
            "refusals": [
                {"client": r.client, "segment": r.segment, "what": r.what, "since": self.day(r.since),
                 "until": None if r.until is None else self.day(r.until), "served": r.served, "why": r.why}
                for r in self.refusals
            ],
            "leases": self._leases(),
            "waits": {phase: self._waits(phase) for phase in PHASES},
            "shares": [
                {"scope": s.scope, "server": site.name_of(s.server), "at-first": s.at_first, "least": s.least,
                 "empty-since": None if s.empty_since is None else self.day(s.empty_since),
                 "lasted-s": None if s.empty_since is None else round(s.empty_since - outcome.first),
                 "empty-s": round(s.empty_s)}
                for s in outcome.shares.values()
            ],
            "states": [
                {"at": self.day(when), "server": server, "partner": partner, "state": state}
                for when, server, partner, state in outcome.states if when >= outcome.began
            ],
            "orders-refused": [{"at": self.day(when), "text": text} for when, text in outcome.refused_orders],
            "whole-again": None if outcome.whole_at is None else self.day(outcome.whole_at),
            "safety": outcome.verdict or "held",
            "two-holders": [
                {"at": self.day(when), "address": format_ipv4(address), "why": why}
                for when, address, why in outcome.tolerated
            ],
        }  # fmt: skip

    def _group_data(self, group: Group) -> dict[str, object]:
        ends = [r.until for r in group.refusals if r.until is not None]
        return {
            "segment": group.segment, "what": group.what, "clients": len({r.client for r in group.refusals}),
            "first": self.day(min(r.since for r in group.refusals)),
            "last": self.day(max(r.since for r in group.refusals)),
            "longest-s": round(max(self._without_s(r) for r in group.refusals)),
            "served-later": sum(r.served for r in group.refusals),
            "left": len(ends) - sum(r.served for r in group.refusals),
            "without-at-the-end": len(group.refusals) - len(ends),
            "why": group.why,
        }  # fmt: skip

    def _without_s(self, refusal: Refusal) -> float:
        return (self.outcome.ended if refusal.until is None else refusal.until) - refusal.since

    def _leases(self) -> list[dict[str, object]]:
        """Return, for each phase and server, what it gave."""
        found = []
        for phase in PHASES:
            for address in self.outcome.site.configs:
                mine = [
                    g for g in self.watch.grants
                    if g.server == address and g.when >= self.outcome.began and self.phase(g.when) == phase
                ]  # fmt: skip
                found.append({
                    "phase": phase, "server": self.outcome.site.name_of(address),
                    "renewed": sum(g.renewed for g in mine), "new": sum(not g.renewed for g in mine),
                    "shortest-renewal-s": _shortest(g for g in mine if g.renewed),
                    "shortest-new-s": _shortest(g for g in mine if not g.renewed),
                    "shorter-than-the-policy": sum(self._short(g) for g in mine),
                })  # fmt: skip
        return found

    def _short(self, grant: Grant) -> bool:
        """Whether a lease was limited; what is deferred (over half is left) was not."""
        full_s = self.outcome.site.lease_s(grant.address, grant.hardware)
        return grant.lease_s < full_s // 2 - 5

    def _waits(self, phase: str) -> dict[str, object]:
        began = self.outcome.began
        came = sum(self.phase(when) == phase for when in self.watch.came if when >= began)
        waits = [s for since, s in self.watch.waits if since >= began and self.phase(since) == phase]
        return {
            "came": came, "served": len(waits), "waited-over-10-s": sum(s > _WAIT_S for s in waits),
            "longest-s": round(max(waits, default=0), 1),
        }  # fmt: skip

    # --- text -------------------------------------------------------------------------------------------

    def text(self) -> str:
        """Return it for reading."""
        outcome, site = self.outcome, self.outcome.site
        lines = [f"Rehearsal: {'; '.join(mishap.text for mishap in outcome.mishaps)}"]
        servers = ", ".join(
            f"{name} {format_ipv4(address)}" if (name := site.name_of(address)) != format_ipv4(address) else name
            for address in site.configs
        )
        leased, addresses = sum(n for _, n in outcome.leased.values()), sum(n for n, _ in outcome.leased.values())
        per_h = sum(load.arrivals_per_h for load in outcome.loads.values())
        lines += [
            f"Servers: {servers}; scopes: {len(outcome.leased)}; {leased} of {addresses} addresses were leased at"
            f" {self.day(outcome.first)}, {per_h:.1f} new clients came in an hour (seed {outcome.seed}).",
            *(f"Note: {note}." for note in site.notes),
            "", self._answer(), *self._refused(),
            "", "What the servers did", *self._course(), "", "Leases given", *self._lease_table(),
            "", "New clients", *self._wait_lines(), "", "Shares", *self._share_lines(), "", *self._safety(),
        ]  # fmt: skip
        return "\n".join(wrapped for line in lines for wrapped in _wrapped(line))

    def _answer(self) -> str:
        clients = len({r.client for r in self.refusals})
        if not clients:
            return "Nobody was refused."
        before = len({r.client for r in self.refusals if self.phase(r.since) == "before"})
        more = f", {before} of them before anything happened: the ranges are too small for them" if before else ""
        return f"Refused: {clients} client{'s' if clients > 1 else ''}{more}."

    def _refused(self) -> list[str]:
        lines = []
        for group in self.groups if len(self.groups) <= _LINES_MAX else _grouped(self.refusals, together=True):
            d = self._group_data(group)
            n = d["clients"]
            when = d["first"] if d["first"] == d["last"] else f"{d['first']} to {d['last']}"
            rest = [
                f"{d[key]} {word}" for key, word in (
                    ("served-later", "served later"), ("left", "left without"),
                    ("without-at-the-end", "still without at the end"),
                ) if d[key]
            ]  # fmt: skip
            longest = format_duration(max(int(str(d["longest-s"])), 1))
            lines.append(
                f"  {group.segment}, {when}: {n} {'client' if n == 1 else 'clients'} {group.what};"
                f" {', '.join(rest)}; longest without: {longest}"
            )
            lines += [f"      {server}: {why}" for server, why in group.why.items()]
        return lines

    def _course(self) -> list[str]:
        outcome = self.outcome
        several = len(outcome.site.configs) > 2
        happened = [(outcome.first + m.at_s - outcome.mishaps[0].at_s, f"* {m.text}") for m in outcome.mishaps]
        entered = [
            (when, f"{server} enters {state}" + (f" with {partner}" if several else ""))
            for when, server, partner, state in outcome.states if when >= outcome.began
        ]  # fmt: skip
        lines = [
            f"  {self.day(when)}  {text}"
            for when, text in sorted([*happened, *entered, *outcome.refused_orders], key=lambda x: x[0])
        ]
        end = self.day(outcome.ended)
        if outcome.whole_at is None:
            return [*lines, f"  {end}  the rehearsal ends; not all servers are in NORMAL"]
        return [*lines, f"  {end}  the rehearsal ends; all have been in NORMAL since {self.day(outcome.whole_at)}"]

    def _lease_table(self) -> list[str]:
        rows = [("", "server", "renewed", "shortest", "new", "shortest", "limited")]
        for d in self._leases():
            if d["renewed"] or d["new"]:
                rows.append((
                    str(d["phase"]), str(d["server"]), str(d["renewed"]), _length(d["shortest-renewal-s"]),
                    str(d["new"]), _length(d["shortest-new-s"]), str(d["shorter-than-the-policy"]),
                ))  # fmt: skip
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows] + [
            "  limited: less than half of the policy's lease time, because the partner had not acknowledged more yet"
            " (MCLT).",
            "  A lease of which more than half is left is not extended (defer-lease-extensions), only confirmed.",
        ]

    def _wait_lines(self) -> list[str]:
        lines = []
        for phase in PHASES:
            d = self._waits(phase)
            if d["came"]:
                lines.append(
                    f"  {phase}: {d['came']} came, {d['served']} got a lease, {d['waited-over-10-s']} of them after"
                    f" more than 10 s (longest {_length(d['longest-s'])})"
                )
        return lines or ["  none came"]

    def _share_lines(self) -> list[str]:
        lines = []
        for s in sorted(self.outcome.shares.values(), key=lambda s: s.empty_since or 0):
            if s.empty_since is not None:
                lines.append(
                    f"  {s.scope}: the {self.outcome.site.name_of(s.server)} could give {s.at_first}; this lasted"
                    f" {_length(s.empty_since - self.outcome.first)}, until {self.day(s.empty_since)}; it had nothing"
                    f" to give for {_length(s.empty_s)}"
                )
        if len(lines) > _LINES_MAX:
            return [*lines[:_LINES_MAX], f"  and {len(lines) - _LINES_MAX} more (--json has all)"]
        if lines:
            return lines
        least = [s for s in self.outcome.shares.values() if s.at_first]
        if not least:
            return ["  no server had anything to give"]
        s = min(least, key=lambda s: s.least / s.at_first)
        return [
            f"  all lasted; the lowest was that of {s.scope} on the {self.outcome.site.name_of(s.server)}:"
            f" {s.least} of {s.at_first} left"
        ]

    def _safety(self) -> list[str]:
        outcome = self.outcome
        if outcome.verdict:
            return [
                f"SAFETY BREACHED: {outcome.verdict}",
                f"This is a defect of Tandem: report it with the configuration and --seed {outcome.seed} (--trace shows"
                " all that happened).",
            ]  # fmt: skip
        if not outcome.tolerated:
            return ["Safety: no address had two holders, and no acknowledged lease was lost."]
        when, address, why = outcome.tolerated[0]
        return [
            f"Safety: {len(outcome.tolerated)} addresses had two holders, which no protocol can prevent here ({why});"
            f" the first was {format_ipv4(address)} at {self.day(when)}."
        ]  # fmt: skip


def _grouped(refusals: list[Refusal], together: bool = False) -> list[Group]:
    """Return the refusals in groups, by segment or ``together``; the numbers in a reason make no difference."""
    groups: dict[tuple[object, ...], Group] = {}
    segments: dict[tuple[object, ...], dict[str, None]] = {}
    key: tuple[object, ...]
    for refusal in refusals:
        said = tuple((server, _NUMBER.sub("#", _neutral(refusal, why))) for server, why in refusal.why.items())
        key = ("" if together else refusal.segment, refusal.what, said)
        groups.setdefault(key, Group(refusal.segment, refusal.what, refusal.why)).refusals.append(refusal)
        segments.setdefault(key, {})[refusal.segment] = None
    for key, group in groups.items():
        group.segment = listed(list(segments[key]))
    return list(groups.values())


def _neutral(refusal: Refusal, why: str) -> str:
    return why.replace(f" in {refusal.segment}:", "")


def _wrapped(line: str) -> list[str]:
    """Return a line in pieces, those after the first a bit further in."""
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    return wrap(line, 118, subsequent_indent=indent, drop_whitespace=True) or [""]


def _shortest(grants: Iterable[Grant]) -> int | None:
    return min((g.lease_s for g in grants), default=None)


def _length(seconds: object) -> str:
    if seconds is None:
        return "-"
    value = round(float(str(seconds)))
    return format_duration(min(value, FOREVER))
