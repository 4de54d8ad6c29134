"""Durations and dates as operators write them.

Time is seconds since 1970 UTC as a float (``now``) or an int (times in bindings and on the wire).
Durations are seconds. Does not read any clock: what needs "now" is given it.
"""

from __future__ import annotations

import re

_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_DURATION = re.compile(r"(\d+)([smhdwy])")
FOREVER = 0xFFFFFFFF
"""A lease without end: the DHCP lease time (RFC 2131 section 3.3) and the time in a binding."""


def parse_duration(text: str) -> int:
    """Return seconds of plain seconds (``3600``) or a mix such as ``1w2d3h4m5s``. Raises ValueError."""
    text = text.strip().lower()
    if text.isascii() and text.isdigit():
        return int(text)
    total = position = 0
    for match in _DURATION.finditer(text):
        if match.start() != position:
            break
        total += int(match[1]) * _UNIT_S[match[2]]
        position = match.end()
    if not text or position != len(text):
        raise ValueError(f"{text!r} is not a time (write seconds, or a mix such as 1w2d3h4m5s; units s m h d w y)")
    return total


def format_duration(seconds: int) -> str:
    """Return ``seconds`` in the shortest mix of units, e.g. 3d, 1h30m, 45s; 0 is ``0s``."""
    if seconds == FOREVER:
        return "forever"
    parts = []
    for unit, size in (("w", 604800), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
