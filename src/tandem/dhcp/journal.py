"""What the DHCP service counts, and what it says in the log without being slowed by saying it.

Everything is counted; a line is written only where the log settings want it, and at most ``LINES_A_SECOND`` of the
kind that comes once per packet (unless no-reduce-logging-when-busy is set). What was left out is said. Callers ask
first and build the text afterwards. Does not know files; runtime filters by ``Note.flag`` as well.
"""

from __future__ import annotations

from typing import Final

from tandem.base.io import Effect, Note
from tandem.base.ipv4 import format_hardware
from tandem.base.units import FOREVER, format_duration

LINES_A_SECOND: Final = 20
SUMMARY_S: Final = 10.0
"""At most one summary of requests left to the partner in this time, and one warning that addresses ran out."""

RECEIVED: Final = (
    "received-bootp", "received-discover", "received-offer", "received-request", "received-decline", "received-ack",
    "received-nak", "received-release", "received-inform",
)  # fmt: skip
"""Names of the counters of what arrives, by message type; 0 is BOOTP."""
COUNTERS: Final = (
    *RECEIVED, "received-other",
    "sent-offer", "sent-ack", "sent-nak", "sent-bootp",
    "replies-too-small",  # of these, without options that did not fit
    "dropped-invalid",  # cannot be read, or lacks what its type demands
    "dropped-server-message",  # a server's message, sent to a server
    "dropped-not-served",  # a message type that this server does not serve
    "dropped-no-network",  # no scope for where it comes from
    "dropped-failover",  # the state of the pair leaves it to the partner
    "dropped-load-balancing",  # of these, new clients of the partner's hash buckets
    "dropped-not-for-us",  # the client chose another server
    "dropped-unknown",  # nothing is known here of the client's address
    "dropped-excluded",  # of a client whose entry excludes it
    "dropped-over-limit",  # of a client with whose limitation id as many have leases as may
    "dropped-no-address",  # nothing to give
    "dropped-no-bootp-address",  # a BOOTP client without a reservation, and no dynamic-bootp scope with an address
    "leases-granted", "leases-extended", "extensions-deferred", "leases-released", "addresses-declined",
    "declines-ignored",
    "pings-sent", "addresses-in-use",  # pinged before they were offered; of these, answered by a host
    "dropped-pings",  # no more may be under way, or all tried for this request were in use
)  # fmt: skip
"""Names of all counters."""

# The stable numbers of the lines (SYSTEM S7.6).
LEASED: Final = 5001
RELEASED: Final = 5002
REFUSED: Final = 5010
MISSING_OPTIONS: Final = 5030
LEFT_OUT_OF_REPLY: Final = 5031
LEFT_OUT: Final = 5099
INVALID: Final = 5100
DROPPED: Final = 5101
OVER_LIMIT: Final = 5102
NO_ADDRESS: Final = 5130
DECLINED: Final = 5140
IN_USE: Final = 5141
FAILOVER_SUMMARY: Final = 6200
FAILOVER_DROP: Final = 6201


class Journal:
    """Counters, and the decision whether one more line may be written."""

    def __init__(self, settings: frozenset[str]) -> None:
        self.counters: dict[str, int] = dict.fromkeys(COUNTERS, 0)
        self._second = -1
        self._lines = 0
        self._left_out = 0
        self._left_to_partner = 0
        self._summary_at = float("-inf")
        self.configure(settings)

    def configure(self, settings: frozenset[str]) -> None:
        """Take the log settings."""
        self.leases = "incoming-packets" in settings and "no-success-messages" not in settings
        self.drops = "no-dropped-dhcp-packets" not in settings
        self.bootp_drops = "no-dropped-bootp-packets" not in settings
        self.invalid = "no-invalid-packets" not in settings
        self.missing = "missing-options" in settings
        self._failover_drops = "failover-detail" in settings
        self._limit = 1 << 60 if "no-reduce-logging-when-busy" in settings else LINES_A_SECOND

    def room(self, now: float, out: list[Effect]) -> bool:
        """Return whether a line may be written now; if not, it is counted as left out."""
        second = int(now)
        if second != self._second:
            self._second = second
            self._lines = 0
            if self._left_out:
                text = (
                    f"{self._left_out} lines about packets were left out because the server is busy"
                    " (set log-settings no-reduce-logging-when-busy to see all)"
                )
                out.append(Note("Info", "Protocol", LEFT_OUT, text))
                self._left_out = 0
        if self._lines < self._limit:
            self._lines += 1
            return True
        self._left_out += 1
        return False

    def left_to_partner(self, now: float, kind: str, hardware: bytes, why: str, out: list[Effect]) -> None:
        """Count a request that is the partner's to answer; say it each time, or now and then in one line."""
        self.counters["dropped-failover"] += 1
        self._left_to_partner += 1
        if self._failover_drops:
            if self.room(now, out):
                text = f"Dropped {kind} of {format_hardware(hardware)}: {why}"
                out.append(Note("Info", "Failover", FAILOVER_DROP, text, "failover-detail"))
        elif now >= self._summary_at:
            text = f"Dropped {self._left_to_partner} requests: {why}"
            out.append(Note("Info", "Failover", FAILOVER_SUMMARY, text, "no-failover-activity"))
            self._left_to_partner = 0
            self._summary_at = now + SUMMARY_S


def lease_words(given: int, desired: int) -> str:
    """Return the length of a lease for a log line, and why it is short if it is."""
    if given >= desired:
        return "without end" if given == FOREVER else f"for {format_duration(given)}"
    return (
        f"for {format_duration(given)} of {format_duration(desired)} (limited by the maximum client lead time:"
        " the partner has not acknowledged more yet)"
    )
