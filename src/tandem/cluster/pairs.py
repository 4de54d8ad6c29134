"""A failover pair as seen from one of its two clusters: which server this is, how the other cluster is reached.

Also what is known of each pair, kept in a file over restarts. Does not know the commands that use it.
Source: failover chapter, "Creating and Synchronizing a Failover Pair on the Local Cluster"; SYSTEM S6.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tandem.base.errors import CommandError
from tandem.base.ipv4 import format_ipv4
from tandem.cluster.remote import Remote
from tandem.config.document import read_object
from tandem.config.pairs import CLUSTER, CLUSTER_PORT, PAIR, Pair

if TYPE_CHECKING:
    from tandem.cluster.manager import Manager


@dataclass(frozen=True, slots=True)
class Side:
    """A pair as seen from this cluster."""

    name: str
    pair: Pair
    is_main: bool
    """Whether this server is the main one."""
    content: Mapping[str, Any]

    @property
    def partner(self) -> str:
        """Address of the other DHCP server."""
        return self.pair.backup if self.is_main else self.pair.main

    @property
    def partners_cluster(self) -> str:
        """Which attribute of the pair refers to the other server's cluster."""
        return "backup" if self.is_main else "main"


def side_of(manager: Manager, name: str) -> Side:
    """Return a pair as seen from here. Raises CommandError 302, 316 this server is neither of its two."""
    content = read_object(manager.database.document, PAIR.name, name)
    pair = Pair(content["main-server"], content["backup-server"])
    own = [format_ipv4(address) for address in (manager.address, *manager.own_addresses())]
    for address in own:
        if address in (pair.main, pair.backup):
            return Side(name, pair, address == pair.main, content)
    raise CommandError(
        316, f"failover-pair {name}: neither {pair.main} nor {pair.backup} is this server, {own[0]}; "
        "synchronize on the cluster of one of them",
    )  # fmt: skip


def cluster_of(manager: Manager, side: Side) -> tuple[str, int]:
    """Return address and port of the partner's cluster."""
    cluster = side.content.get(side.partners_cluster)
    if cluster is None:
        return side.partner, side.content.get("remote-scp-port", CLUSTER_PORT)
    there = read_object(manager.database.document, CLUSTER.name, cluster)
    return there["ipaddr"], there.get("scp-port", CLUSTER_PORT)


def cluster_at(manager: Manager, partner: str) -> tuple[str, int]:
    """Return address and port of the cluster of the DHCP server at an address, as a pair with it says."""
    for name in manager.database.document.get(PAIR.name, {}):
        try:
            side = side_of(manager, name)
        except CommandError:
            continue
        if side.partner == partner:
            return cluster_of(manager, side)
    return partner, CLUSTER_PORT


def remote_of(manager: Manager, side: Side) -> Remote:
    """Return how to reach the partner's cluster. Raises CommandError 316 when that was not set."""
    cluster = side.content.get(side.partners_cluster)
    if cluster is not None:
        there = read_object(manager.database.document, CLUSTER.name, cluster)
        admin, password = there.get("admin"), there.get("password")
        if not admin or not password:
            raise CommandError(316, f"cluster {cluster}: set admin and password to log in there")
        cure = label = f"cluster {cluster}"
    else:
        admin, password = side.content.get("remote-username"), side.content.get("remote-password")
        if not admin or not password:
            raise CommandError(
                316, f"failover-pair {side.name}: set remote-username and remote-password of an administrator of the "
                f"partner's cluster, or {side.partners_cluster} to a cluster",
            )  # fmt: skip
        label = f"failover-pair {side.name}"
        cure = f"{label} (remote-...)"
    return Remote(*cluster_of(manager, side), admin, password, manager.trust(), cure, f"{label} acceptCertificate")


class PairNotes:
    """What is known of each pair besides its configuration: the last synchronization, drift. One JSON file."""

    def __init__(self, path: Path) -> None:
        """Read what was noted before; a file that cannot be read, or makes no sense, is as none."""
        self._path = path
        self._notes: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            self._notes = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Any]])

    def of(self, pair: str) -> dict[str, Any]:
        """Return what is known of a pair, which is the caller's."""
        return dict(self._notes.get(pair, {}))

    def pairs(self) -> list[str]:
        """Return the pairs of which anything is known."""
        return list(self._notes)

    def note(self, pair: str, **facts: Any) -> None:
        """Take down facts of a pair."""
        self._notes[pair] = self.of(pair) | {key.replace("_", "-"): value for key, value in facts.items()}
        self._save()

    def keep(self, pairs: Collection[str]) -> None:
        """Forget all pairs but these."""
        if not self._notes.keys() <= set(pairs):
            self._notes = {pair: notes for pair, notes in self._notes.items() if pair in pairs}
            self._save()

    def _save(self) -> None:
        """Put it in the place of the file, if the disk takes it: it is found out again, but for the last run."""
        new = self._path.with_suffix(".new")
        try:
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(msgspec.json.encode(self._notes))
            new.replace(self._path)
        except OSError:
            new.unlink(missing_ok=True)
