"""The pages that there are and the two navigation bars. Page modules declare both; does not know what pages show.

Source: failover chapter (Primary and Secondary Navigation bars); SYSTEM S7.2.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import Response

from tandem.cluster.registry import REGISTRY, Command
from tandem.config.access import READ_ONLY

if TYPE_CHECKING:
    from tandem.control.web.visit import Visit

PUBLIC = ""
"""As the role of a page: everybody may use it, logged in or not."""
Handler = Callable[["Visit"], Awaitable[Response]]

BARS: dict[str, tuple[str, ...]] = {
    "DHCP": (
        "DHCP Server", "Scopes", "Scope Templates", "Policies", "Client-Classes", "Clients", "Reservations", "Options",
        "Option Sets", "Vendor Options", "Leases", "Failover",
    ),
    "Monitoring": (
        "Pair Overview", "Related Servers", "Failover Servers", "Alarms", "Utilization", "Explain a Packet", "Logs",
    ),
    "Clusters": (),
    "Administrators": ("Administrators", "Tokens", "Log-ins", "My Account"),
    "Change Log": (),
}  # fmt: skip
"""The primary bar, and what each secondary bar begins with; entries not named here follow in alphabetical order."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A place in the navigation bars."""

    bar: str
    """One of BARS."""
    label: str

    def __post_init__(self) -> None:
        assert self.bar in BARS, self.bar

    @property
    def order(self) -> tuple[int, int, str]:
        """Where it stands."""
        first = BARS[self.bar]
        place = first.index(self.label) if self.label in first else len(first)
        return list(BARS).index(self.bar), place, self.label


@dataclass(frozen=True, slots=True)
class Page:
    """One route."""

    path: str
    method: str
    handler: Handler
    role: str
    """Who may use it, or PUBLIC."""
    effect: str
    entry: Entry | None
    work: str = ""
    """What is done, when it may take long: then its progress is shown."""


@dataclass(frozen=True, slots=True)
class Link:
    """Something that can be done with, or seen of, one object: shown on its edit page."""

    cls: str
    label: str
    address: str
    """Where it leads; the object's name is appended."""
    role: str


def command_of(path: tuple[str, ...]) -> Command:
    """Return the command declared with ``path``, as in ``("scope", NAME, "addRange")``. KeyError for none."""
    for command in REGISTRY.commands:
        if command.path == path:
            return command
    raise KeyError(path)


class Pages:
    """The pages of one module."""

    def __init__(self) -> None:
        self.pages: list[Page] = []
        self.links: list[Link] = []

    def link(self, cls: str, label: str, address: str, role: str = READ_ONLY) -> None:
        """Declare a link on the edit page of objects of class ``cls``: ``address`` and the object's name."""
        self.links.append(Link(cls, label, address, role))

    def get(
        self, path: str, *, role: str = READ_ONLY, entry: Entry | None = None, work: str = ""
    ) -> Callable[[Handler], Handler]:
        """Declare a page that ``role`` may see; what ``work`` is done for it, when that may take long."""
        return self._declare(path, "GET", role, "none", entry, work)

    def post(
        self, path: str, *, role: str | None = None, effect: str = "none", command: tuple[str, ...] = (), work: str = ""
    ) -> Callable[[Handler], Handler]:
        """Declare what a form does: for ``role`` and with ``effect``, or with both as ``command`` has them; ``work``
        is what it is called when it may take long."""
        assert (role is None) == bool(command), path
        if command:
            declared = command_of(command)
            role, effect = declared.role, declared.effect
        assert role is not None
        return self._declare(path, "POST", role, effect, None, work)

    def _declare(
        self, path: str, method: str, role: str, effect: str, entry: Entry | None, work: str
    ) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            self.pages.append(Page(path, method, handler, role, effect, entry, work))
            return handler

        return declare
