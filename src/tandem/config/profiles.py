"""Who a client is to the server: what its entry, its class and what it says of itself come to.

Clients that are alike share one profile, so that a hundred thousand entries which only name a class cost no more
than their keys. Does not know packets' layout but for option 77, nor which scopes there are.
Source: SYSTEM S3.4; reference "commands and attributes" sections 2.4, 2.5 and 3; RFC 3004 (user class).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tandem.config.compiled import CompiledScope, Link
from tandem.config.packet_expressions import Packet, Text, user_class

USER_CLASS = 77
_VARIANTS_MAX = 1000
NAME_OF_REQUEST, NO_NAME, NAME_FROM_HARDWARE = "@host-name-option", "@no-host-name-option", "@use-macaddress"
"""Words in the place of a host name: what the client says; nothing; made of its hardware address."""


@dataclass(slots=True, eq=False)
class Profile:
    """What is set for a client, its own before its class's."""

    number: int
    """Which policies apply, from 1: profiles with one number have the same links."""
    client_class: str = ""
    """Name of the client-class; empty for none."""
    links: tuple[Link, ...] = ()
    """The policies, the most specific first."""
    criteria: frozenset[str] = frozenset()
    """Selection tags that a scope must have, all of them."""
    excluded: frozenset[str] = frozenset()
    """Selection tags of which a scope must have none."""
    refused: bool = False
    """Whether the client gets no answer (action exclude)."""
    host_name: str = ""
    """The name that is recorded for the client, or one of the words above; empty = what the client says."""
    limitation: Text | None = None
    """Names what the number of leases is limited for (limitation-id), out of what the client sends; None = nothing."""
    over_limit: str = ""
    """The client-class of clients beyond that limit; empty: they are not served."""
    until: int = 0
    """Until when this counts, in seconds since 1970; 0 = always."""
    after: Profile | None = None
    """What counts then; None = nothing."""
    _fits: dict[int, bool] = field(default_factory=dict, init=False, repr=False)

    def fits(self, scope: CompiledScope) -> bool:
        """Return whether the client may use ``scope``."""
        found = self._fits.get(scope.index)
        if found is None:
            found = self._fits[scope.index] = self.criteria <= scope.tags and not self.excluded & scope.tags
        return found

    def name_for(self, hardware: bytes) -> bytes | None:
        """Return the host name to record for the client; empty for none; None for the one it gives itself."""
        if not self.host_name or self.host_name == NAME_OF_REQUEST:
            return None
        if self.host_name == NO_NAME:
            return b""
        if self.host_name == NAME_FROM_HARDWARE:
            return b"x" + b"-".join((b"%d" % hardware[0], b"%d" % (len(hardware) - 1), hardware[1:].hex("-").encode()))
        return self.host_name.encode()


NONE = "none"
USER_CLASS_IS = (NONE, "map-as-class", "map-as-tag", "append-to-tag")
"""What the user class (option 77) of a client may count as."""


@dataclass(slots=True)
class Clients:
    """All entries of clients, and what counts for those that have none."""

    by_key: Mapping[bytes, Profile]
    """By client key (``lease.binding.client_key``)."""
    default: Profile | None = None
    """The entry named default."""
    classes: Mapping[str, Profile] = field(default_factory=dict)
    """What a client is that only has a class, by the name of that."""
    user_class: str = NONE
    """One of USER_CLASS_IS."""
    lookup: Text | None = None
    """Names the client-class of a client whose entry names none (client-class-lookup-id)."""
    numbers: int = 0
    """The highest number of a profile."""
    _variants: dict[tuple[int, str, str], Profile] = field(default_factory=dict, init=False, repr=False)

    @property
    def limited(self) -> bool:
        """Whether any class has a limitation id."""
        return any(profile.limitation is not None for profile in self.classes.values())

    def entry(self, client_id: bytes, hardware: bytes) -> Profile | None:
        """Return the profile of the client's entry: by its identifier, by its hardware address, or the default."""
        found = self.by_key.get(b"i" + client_id) if client_id else None
        return found or self.by_key.get(b"h" + hardware, self.default)

    def find(self, client_id: bytes, hardware: bytes, options: Mapping[int, bytes], now: float) -> Profile | None:
        """Return what is set for the client that asks ``now``; None for nothing."""
        found = self.entry(client_id, hardware)
        if found is not None and found.until and now >= found.until:
            found = found.after
        if self.lookup is not None and (found is None or not found.client_class):
            found = self._in_class(found, self.lookup(Packet(client_id, hardware, options)))
        if self.user_class != NONE and USER_CLASS in options:
            return self._with_user_class(found, user_class(options[USER_CLASS]))
        return found

    def _in_class(self, found: Profile | None, name: str) -> Profile | None:
        """Return an entry that names no class as one of class ``name``, if there is that: its own values come first."""
        mine = self.classes.get(name)
        if mine is None:
            return found
        if found is None:
            return mine
        return self._variant(found, "class", name, lambda: replace(
            found,
            number=self._next_number(),
            client_class=mine.client_class,
            links=(*found.links, *mine.links),
            criteria=found.criteria or mine.criteria,
            excluded=found.excluded or mine.excluded,
            host_name=found.host_name or mine.host_name,
            limitation=mine.limitation,
            over_limit=found.over_limit or mine.over_limit,
        ))  # fmt: skip

    def _with_user_class(self, found: Profile | None, word: str) -> Profile | None:
        if self.user_class == "map-as-class":
            return found if found is not None and found.client_class else self._in_class(found, word)
        base = found or _NOBODY
        if self.user_class == "map-as-tag" and base.criteria:
            return found
        return self._variant(base, "tag", word, lambda: replace(base, criteria=base.criteria | {word}))

    def _variant(self, base: Profile, kind: str, word: str, make: Callable[[], Profile]) -> Profile:
        key = (id(base), kind, word)
        variant = self._variants.get(key)
        if variant is None:
            if len(self._variants) >= _VARIANTS_MAX:  # clients choose the words
                self._variants.clear()
            variant = self._variants[key] = make()
        return variant

    def _next_number(self) -> int:
        self.numbers += 1
        return self.numbers


_NOBODY = Profile(0)
