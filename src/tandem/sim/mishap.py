"""What happens to servers in a rehearsal, as operators say it: "main dies at 09:00 for 3 hours".

Reads sentences; does not know servers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tandem.base.units import parse_duration

VERBS = {
    "dies": "loses power", "stops": "is stopped cleanly", "shuts down": "is shut down: its partner takes over",
    "loses its database": "its disk is lost; it comes back with an empty one",
    "loses its clients": "no client reaches it, its partner does",
    "is set down": "the operator tells its partner that it is down (no 'for')",
    "link is cut": "the servers cannot reach each other; clients reach both",
}  # fmt: skip
"""What can be said, and what it means."""
_UNITS = {"second": "s", "sec": "s", "minute": "m", "min": "m", "hour": "h", "day": "d", "week": "w"}
_SENTENCE = re.compile(r"(?:(?:the )?(\S+) )?(?:the )?(.+?) at (\d{1,2}):(\d\d)(?::(\d\d))?(?: for (.+))?")
_FORM = "SERVER VERB at HH:MM for DURATION, e.g. 'main dies at 09:00 for 3 hours' or 'link is cut at 09:00 for 90 min'"


@dataclass(frozen=True, slots=True)
class Mishap:
    """One thing that happens."""

    verb: str
    server: str
    """main, backup, or an address; empty for the link."""
    at_s: int
    """Second of the day."""
    lasts_s: int
    """0: it does not last."""
    text: str

    @property
    def end_s(self) -> int:
        """Second of the day at which it is over; may be beyond the day."""
        return self.at_s + self.lasts_s


def parse_mishap(text: str) -> Mishap:
    """Return what a sentence says. Raises ValueError, with what can be written."""
    said = " ".join(text.lower().split())
    match = _SENTENCE.fullmatch(said)
    if match is None:
        raise ValueError(f"{text!r} is not understood; write {_FORM}")
    server, verb, *_ = match.groups()
    if f"{server} {verb}" == "link is cut":
        server, verb = "", "link is cut"
    if verb not in VERBS or (not server) != (verb == "link is cut"):
        raise ValueError(f"{text!r}: it is not known what '{verb}' is; write one of: {', '.join(VERBS)}")
    hour, minute, second = (int(part or 0) for part in match.groups()[2:5])
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"{text!r}: {match[3]}:{match[4]} is no time of day; write 00:00 to 23:59")
    at_s = hour * 3600 + minute * 60 + second
    if verb == "is set down":
        if match[6]:
            raise ValueError(f"{text!r}: leave 'for {match[6]}' out; the partner is down until it comes back")
        return Mishap(verb, server, at_s, 0, text)
    if not match[6]:
        raise ValueError(f"{text!r}: say for how long, e.g. 'for 3 hours' (up to 'for 30 days')")
    lasts_s = parse_length(match[6])
    if not 1 <= lasts_s <= 30 * 86400:
        raise ValueError(f"{text!r}: {match[6]} is no length; write a second to 30 days")
    return Mishap(verb, server, at_s, lasts_s, text)


def parse_length(text: str) -> int:
    """Return seconds of '3 hours', '90 min', '1h30m'. Raises ValueError."""
    short = re.sub(
        r"(\d+) ?(second|sec|minute|min|hour|day|week)s?\b", lambda m: m[1] + _UNITS[m[2]], text.replace(" and ", " ")
    ).replace(" ", "")  # fmt: skip
    try:
        return parse_duration(short)
    except ValueError:
        raise ValueError(f"{text!r} is no length of time; write e.g. '3 hours', '90 min', '1h30m'") from None
