"""Dates as operators write them: relative to now, or month, day, time and year in the operator's time zone.

Does not read a clock or the system's time zone: a ``Clock`` brings both. Used for attributes of type date and
for the date of ``setPartnerDown``. Source: SYSTEM S4.9; reference "commands and attributes" section 1.2.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from tandem.base.units import FOREVER, parse_duration

_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_DATE = re.compile(r"([a-z]+)\s+(\d{1,2})\s+(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?\s+(\d{4}|\d{2})", re.ASCII)

DATE_FORMS = "a date (write -3d, +2h, forever, Oct 31 00:00:00 2001, seconds since 1970, or 0 for unset)"
"""The forms that ``parse_date`` takes, for error messages."""


class Clock(NamedTuple):
    """The operator's time: seconds since 1970 UTC, and the zone in which dates are written and shown."""

    now: float = 0.0
    zone: tzinfo = UTC


EPOCH = Clock()
"""A clock for values that do not depend on one."""


def parse_date(text: str, clock: Clock) -> int:
    """Return seconds since 1970 UTC; 0 = unset, ``units.FOREVER`` = forever. Raises ValueError.

    A two-digit year is 1970 to 2069.
    """
    plain = text.strip().lower()
    if plain == "forever":
        return FOREVER
    if plain[:1] in ("-", "+"):
        distance = parse_duration(plain[1:])
        date = int(clock.now) + (distance if plain[0] == "+" else -distance)
    elif plain.isascii() and plain.isdigit() and len(plain) <= 10:
        date = int(plain)
    else:
        date = _parse_calendar(plain, clock.zone)
    if not 0 <= date <= FOREVER:
        raise ValueError(f"{text!r} lies before 1970 or after 2106")
    return date


def _parse_calendar(text: str, zone: tzinfo) -> int:
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:80]!r} is not {DATE_FORMS}")
    names = [name for name in _MONTHS if match[1] in (name, name[:3])]
    if not names:
        raise ValueError(f"{match[1]!r} is not a month (write its name or its first three letters)")
    year = int(match[6])
    if len(match[6]) == 2:
        year += 1900 if year >= 70 else 2000
    try:
        when = datetime(
            year, _MONTHS.index(names[0]) + 1, int(match[2]),
            int(match[3]), int(match[4] or 0), int(match[5] or 0), tzinfo=zone,
        )  # fmt: skip
        return int(when.timestamp())
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not in the calendar: {error}; correct the day or the time") from None


def format_date(date: int, clock: Clock) -> str:
    """Return ``date`` in the form ``Oct 31 00:00:00 2001``, in the clock's zone; 0 and forever as such."""
    if date == 0:
        return "0"
    if date == FOREVER:
        return "forever"
    when = datetime.fromtimestamp(date, clock.zone)
    return f"{_MONTHS[when.month - 1][:3].title()} {when.day} {when:%H:%M:%S} {when.year}"
