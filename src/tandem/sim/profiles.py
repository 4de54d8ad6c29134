"""Kinds of stories: which faults, which clients, which operator.

Data only. A profile's name and a seed make a story (``sim.run``).
"""

from __future__ import annotations

from dataclasses import dataclass

from tandem.sim.clients import KINDS, Habits


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of story."""

    name: str
    help: str
    faults: dict[str, int]
    """How often each kind of fault comes, relative to the others."""
    every_s: float = 600
    """How often a fault begins."""
    habits: tuple[Habits, ...] = KINDS
    cloned: float = 0.02
    """Which part of the clients has another's hardware address."""


_SERVERS = {"kill": 3, "power": 3, "fuse": 6, "stop": 2, "slow-disk": 1}
_NETWORK = {"cut": 4, "cut-one-way": 2, "reset": 3, "slow-link": 2, "client-cut": 2, "bad-weather": 2}

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("crashes", "servers die between any two effects and come back", _SERVERS, 300),
        Profile("network", "cuts, resets, slow links, loss", _NETWORK, 300),
        Profile("mixed", "servers die, networks fail, the operator is right", {**_SERVERS, **_NETWORK, "take-over": 5}),
    )
}
