"""The diagram of failover states, laid out from the decision table's transitions as an SVG's shapes.

Positions are chosen so that no line runs through a box; everything else comes from the table. Does not know which
state a server is in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import hypot
from typing import Any

WIDTH, HEIGHT = 920, 480
_BOX_W, _BOX_H = 244, 44
_BEND = 26
"""How far the middle of a line that has a counterpart lies beside the straight way."""
PLACES: dict[str, tuple[int, int]] = {
    "RECOVER": (790, 40), "RECOVER-WAIT": (460, 40), "RECOVER-DONE": (130, 40),
    "COMMUNICATIONS-INTERRUPTED": (460, 148), "PARTNER-DOWN": (790, 236), "NORMAL": (130, 236),
    "POTENTIAL-CONFLICT": (460, 318), "RESOLUTION-INTERRUPTED": (790, 436), "CONFLICT-DONE": (130, 436),
    "STARTUP": (460, 436),
}  # fmt: skip
"""The middle of each state's box."""


@dataclass(slots=True)
class Box:
    """A state. ``x`` and ``y`` are its upper left corner."""

    state: str
    x: int
    y: int
    width: int = _BOX_W
    height: int = _BOX_H


@dataclass(slots=True)
class Edge:
    """A line from one state to another, for all rows of the table that lead this way."""

    left: str
    entered: str
    path: str
    """An SVG path."""
    rows: list[Mapping[str, Any]] = field(default_factory=list)


def boxes() -> list[Box]:
    """Return the states' boxes."""
    return [Box(state, x - _BOX_W // 2, y - _BOX_H // 2) for state, (x, y) in PLACES.items()]


def edges(table: Iterable[Mapping[str, Any]]) -> list[Edge]:
    """Return the lines for a decision table's transitions (``partner_views.decisions``)."""
    found: dict[tuple[str, str], Edge] = {}
    for row in table:
        key = row["from"], row["to"]
        if key[0] in PLACES and key[1] in PLACES:
            if key not in found:
                found[key] = Edge(*key, "")
            found[key].rows.append(row)
    for (left, entered), edge in found.items():
        edge.path = _path(PLACES[left], PLACES[entered], _BEND if (entered, left) in found else 0)
    return list(found.values())


def _path(a: tuple[int, int], b: tuple[int, int], bend: int) -> str:
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = hypot(dx, dy)
    middle = (a[0] + b[0]) / 2 - dy / length * bend, (a[1] + b[1]) / 2 + dx / length * bend
    start, end = _border(a, middle), _border(b, middle)
    return f"M{start[0]:.0f} {start[1]:.0f}Q{middle[0]:.0f} {middle[1]:.0f} {end[0]:.0f} {end[1]:.0f}"


def _border(box: tuple[int, int], towards: tuple[float, float]) -> tuple[float, float]:
    """Return where the line from the middle of a box towards a point leaves it."""
    dx, dy = towards[0] - box[0], towards[1] - box[1]
    scale = min(_BOX_W / 2 / abs(dx) if dx else 9e9, (_BOX_H / 2 + 2) / abs(dy) if dy else 9e9)
    return box[0] + dx * scale, box[1] + dy * scale
