"""Kinds of stories: which faults, which clients, which operator.

Data only. A profile's name and a seed make a story (``sim.run``).
"""

from __future__ import annotations

from dataclasses import dataclass

from tandem.sim.clients import KINDS, ORDINARY, Habits
from tandem.sim.settings import OFFICE, PAIR, SYMMETRICAL


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
    clocks: bool = False
    """Whether clocks differ and drift."""
    layout: str = PAIR
    safe_period: bool = False
    extras: bool = False
    """Whether there are load balancing, dynamic BOOTP and reservations everywhere."""
    clients: int = 60
    """How many clients there are unless the command line says otherwise."""
    lease_s: tuple[int, ...] = (300, 900, 3600, 7200)


_SERVERS = {"kill": 3, "power": 3, "fuse": 6, "stop": 2, "slow-disk": 1}
_NETWORK = {"cut": 4, "cut-one-way": 2, "reset": 3, "slow-link": 2, "client-cut": 2, "bad-weather": 2}
_OPERATOR = {"take-over": 5, "shut-down": 2, "reload": 3, "stop": 2, "force-available": 2}
_DATABASES = {"lose-database": 3, "restore-database": 3, "copy-database": 3}

_DECLINING = (
    ORDINARY, Habits("roaming", stay_s=600, away_s=60, releases=0.5, roams=0.5),
    Habits("declining", stay_s=600, away_s=300, releases=0.5, declines=0.4),
)  # fmt: skip

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("crashes", "servers die between any two effects and come back", _SERVERS, 300),
        Profile("network", "cuts, resets, slow links, loss", _NETWORK, 300),
        Profile("mixed", "servers die, networks fail, the operator is right", {**_SERVERS, **_NETWORK, "take-over": 5}),
        Profile("operator", "reloads, stops, shut-downs, take-overs", {**_OPERATOR, "fuse": 3, "cut": 2}, 400),
        Profile("databases", "databases are lost, or restored from old copies", {**_DATABASES, "fuse": 2, "cut": 2}),
        Profile("old-copies", "databases are replaced by old copies, and nobody says so",
                {"old-database": 4, "copy-database": 6, "fuse": 2, "cut": 2, "take-over": 2, "stop": 1}, 300),
        Profile("narrow", "links too narrow for what the servers have to tell each other",
                {"narrow-link": 6, "slow-link": 2, "fuse": 3, "cut": 2, "take-over": 2}, 500, clients=200,
                lease_s=(300, 900)),
        Profile("disks", "disks are slow, and then the power fails", {"dying-disk": 8, "fuse": 2, "cut": 2}, 200),
        Profile("clocks", "clocks differ, drift and are set", {"set-clock": 4, "fuse": 4, "cut": 3, "take-over": 2},
                clocks=True),
        Profile("back-office", "one backup for two mains", {**_SERVERS, **_NETWORK, "take-over": 5}, layout=OFFICE,
                extras=True),
        Profile("symmetrical", "two servers, each main and backup", {**_SERVERS, **_NETWORK, "take-over": 5},
                layout=SYMMETRICAL, extras=True),
        Profile("bootp", "BOOTP clients, reservations, load balancing; reloads that change them",
                {**_SERVERS, **_NETWORK, **_OPERATOR}, 500, extras=True),
        Profile("ambush", "something happens just when servers start, recover or resolve conflicts",
                {"ambush": 12, "lie": 3, "take-over": 3, "lose-database": 2, "cut": 2, "stop": 1,
                 "force-available": 2}, 300),
        Profile("declines", "addresses are found in use, given up and made available again",
                {"force-available": 8, "cut": 5, "fuse": 3, "client-cut": 2, "take-over": 2}, 240, habits=_DECLINING),
        Profile("crowd", "2500 clients, for hours", {**_SERVERS, **_NETWORK, "take-over": 5}, 900, extras=True,
                clients=2500, lease_s=(3600, 7200, 86400)),
        Profile("lies", "the operator sets partners down that serve", {"lie": 6, "fuse": 2, "cut": 2}, 900),
        Profile("safe-period", "servers take over by themselves", {"cut": 4, "fuse": 3}, safe_period=True),
    )
}  # fmt: skip
