"""One request for a page, on behalf of whom: what page functions work with.

Everything that a page reads or changes goes through here to the registry of commands or the declared classes, under
the administrator's role. Source: SYSTEM S7.3, S7.4.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.datastructures import QueryParams
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, RedirectResponse, Response

from tandem.base.errors import CommandError
from tandem.cluster import objects, stored
from tandem.cluster.answer import Answer
from tandem.cluster.guard import BrowserSession
from tandem.cluster.history import Alarm
from tandem.cluster.manager import Forbidden, Manager
from tandem.cluster.registry import NAME, Login, Request, Session
from tandem.config import document as config
from tandem.config.access import READ_ONLY, allows
from tandem.config.attribute import Attribute
from tandem.config.dates import parse_date
from tandem.config.definitions import standard_names, with_numbers
from tandem.config.places import home, listed, owners
from tandem.config.schema import SERVED
from tandem.control.web.navigation import command_of

if TYPE_CHECKING:
    from tandem.control.web.application import Site

MODE_COOKIE, THEME_COOKIE, ZONE_COOKIE = "tandem-mode", "tandem-theme", "tandem-zone"
EXPERT_VISIBILITY = 3
VIEWS = (
    "status", "related_servers", "failover_conflicts", "failover_table", "scopes", "lease", "lease_history",
    "statistics", "preview_partner_down",
)  # fmt: skip
"""The server's operations that change nothing."""


class Form:
    """The fields of a form that was sent."""

    def __init__(self, pairs: Sequence[tuple[str, str]] = ()) -> None:
        self._fields: dict[str, list[str]] = {}
        for name, value in pairs:
            self._fields.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> str:
        """Return the last value of a field, without blanks at its ends; "" where it was not sent."""
        return self._fields.get(name, [""])[-1].strip()

    def raw(self, name: str) -> str:
        """Return the last value of a field as it was sent: passwords may have blanks."""
        return self._fields.get(name, [""])[-1]

    def all(self, name: str) -> list[str]:
        """Return all values of a field, in their order."""
        return self._fields.get(name, [])

    def put(self, name: str, value: str) -> None:
        """Have a field say ``value``."""
        self._fields[name] = [value]

    def __contains__(self, name: str) -> bool:
        return name in self._fields


@dataclass(slots=True)
class Visit:
    """A request for a page."""

    site: Site
    http: HttpRequest
    login: Login
    """Who asks; an empty name for a guest."""
    browser: BrowserSession | None
    form: Form = field(default_factory=Form)

    @property
    def manager(self) -> Manager:
        """The cluster."""
        return self.site.manager

    @property
    def query(self) -> QueryParams:
        """The parameters of the address."""
        return self.http.query_params

    @property
    def session(self) -> Session:
        """How this operator wants to be answered."""
        expert = self.http.cookies.get(MODE_COOKIE) == "expert"
        return Session(visibility=EXPERT_VISIBILITY if expert else 5, zone=self._zone())

    def _zone(self) -> tzinfo:
        name = unquote(self.http.cookies.get(ZONE_COOKIE, ""))
        try:
            return zoneinfo.ZoneInfo(name) if name else UTC
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            return UTC

    # --- what the operator may do ---------------------------------------------------------------------

    def may(self, role: str, effect: str = "none") -> bool:
        """Return whether the operator has ``role``."""
        return allows(self.login.roles, role)

    def can(self, *path: str) -> bool:
        """Return whether there is a command ``path`` and the operator may run it."""
        try:
            return self.may(command_of(path).role)
        except KeyError:
            return False

    # --- commands and objects -------------------------------------------------------------------------

    async def run(self, path: tuple[str, ...], name: str = "", **values: str | Sequence[str]) -> Answer:
        """Run the command declared with ``path``; arguments by name, with underscores for hyphens.

        Raises CommandError.
        """
        command = command_of(path)
        self.manager.permit(self.login, command.role, command.effect)
        request = Request(self.login, self.session, name if NAME in path else "")
        words: list[str] = []
        for argument in command.arguments:
            value = values.pop(argument.name.replace("-", "_"), "")
            if not isinstance(value, str):
                words += value
            elif argument.many:
                words += value.split()
            elif value:
                words.append(f"{argument.name}={value}" if argument.optional else value)
        assert not values, values
        command.fill(request, [word for word in words if word])
        return await command.run(self.manager, request)

    async def look(self, op: str, **args: Any) -> Any:
        """Return what the DHCP server shows when it is asked for one of its views, as commands get it: numbers are
        numbers, and times seconds. Raises CommandError, Forbidden."""
        self.manager.permit(self.login, READ_ONLY)
        assert op in VIEWS, op
        return await self.manager.ask(op, **args)

    def names(self, cls: str) -> list[str]:
        """Return the names of the objects of a class. Raises Forbidden."""
        self._permit_reading(cls)
        return stored.names(self.manager, cls)

    def stored(self, cls: str, name: str = "") -> Mapping[str, Any]:
        """Return what is set on an object, without secrets. Raises CommandError 302, Forbidden."""
        self._permit_reading(cls)
        return stored.read(self.manager, cls, name)

    def listed(self, cls: str) -> list[tuple[str, Mapping[str, Any]]]:
        """Return name and content of all objects of a class, without secrets. Raises Forbidden."""
        self._permit_reading(cls)
        hidden = objects.secrets_of(config.class_of(cls))
        found = listed(self.manager.database.document, cls)
        if not hidden:
            return found
        return [(name, {k: v for k, v in content.items() if k not in hidden}) for name, content in found]

    def owners(self, cls: str) -> dict[str, str]:
        """Return the names of the objects that those of a class are elements of. Raises Forbidden."""
        self._permit_reading(cls)
        return owners(self.manager.database.document, cls)

    def secrets_set(self, cls: str, name: str = "") -> list[str]:
        """Return which secret attributes of an object are set."""
        declared = config.class_of(cls)
        document = self.manager.database.document
        return [a for a in objects.secrets_of(declared) if config.is_set(document, cls, name, a)]

    async def changes_of(self, cls: str, name: str) -> list[Mapping[str, str]]:
        """Return the newest changes of an object, or of what it is a part of, newest first. Raises Forbidden."""
        section, owner = self.home(cls, name)
        label = config.class_of(section).label(owner)
        newest = await self.run(("change", "list"), count="1000")
        found = [item.attributes for item in newest.items if item.attributes["object"] == label]
        return [{**change, "at": self.dated(change["at"])} for change in found]

    def option_names(self) -> list[str]:
        """Return the names of the options that there are, those defined here included."""
        return sorted([*standard_names(), *self.names("option")])

    def text(self, attribute: Attribute, value: Any) -> str:
        """Return a value as this operator reads it."""
        return config.text_of(self.manager.database.document, attribute, value, self.session.clock())

    def numbered(self, options: str) -> str:
        """Return a list of options with numbers in the place of those defined here."""
        return with_numbers(self.manager.database.document, options)

    def home(self, cls: str, name: str) -> tuple[str, str]:
        """Return class and name of the object that an object is a part of, or its own. Raises CommandError 302."""
        return home(self.manager.database.document, cls, name)

    def version(self, cls: str, name: str = "") -> str:
        """Return what ``save`` wants to be told about the object as it was read."""
        return stored.version(self.manager, cls, name)

    def save(self, cls: str, name: str, values: dict[str, Any], match: str) -> None:
        """Set ``values`` (stored form; None = unset) on an object whose version was ``match``. Raises CommandError."""
        self._permit_editing(cls)
        stored.merge(self.manager, self.login, cls, name, values, match)

    def create(self, cls: str, name: str, values: dict[str, Any]) -> None:
        """Create an object with ``values``. Raises CommandError."""
        self._permit_editing(cls)
        if config.class_of(cls).stored_name(name) in stored.names(self.manager, cls):
            raise CommandError(320, f"{cls} {name} exists; choose another name, or edit that one")
        stored.replace(self.manager, self.login, cls, name, values, None)

    def remove(self, cls: str, name: str, match: str) -> None:
        """Delete an object. Raises CommandError."""
        self._permit_editing(cls)
        stored.remove(self.manager, self.login, cls, name, match)

    def _permit_reading(self, cls: str) -> None:
        self.manager.permit(self.login, objects.read_role(config.class_of(cls)))

    def _permit_editing(self, cls: str) -> None:
        declared = config.class_of(cls)
        self.manager.permit(self.login, objects.edit_role(declared), objects.effect_of(declared))

    # --- answers --------------------------------------------------------------------------------------

    def page(self, template: str, *, status: int = 200, **context: Any) -> Response:
        """Return a page made from a template."""
        return HTMLResponse(self.site.render(self, template, context), status)

    def go(self, path: str) -> Response:
        """Return the answer that leads the browser to another page (after a form was taken)."""
        return RedirectResponse(path, 303)

    def notice(self, level: str, text: str) -> None:
        """Say something in the message area of the next page; ``level`` is ok, info, warning or error."""
        if self.browser is not None:
            self.browser.notices = [*self.browser.notices[-9:], (level, text)]

    def take_notices(self) -> list[tuple[str, str]]:
        """Return what is to be said, once."""
        if self.browser is None:
            return []
        notices, self.browser.notices = self.browser.notices, []
        return notices

    def when(self, seconds: float | None) -> str:
        """Return a moment (seconds since 1970) in the operator's time zone; "never" for 0 or None."""
        if not seconds:
            return "never"
        return datetime.fromtimestamp(seconds, self._zone()).strftime("%Y-%m-%d %H:%M:%S")

    def dated(self, text: str) -> str:
        """Return a date that a command printed as pages show it; "–" for none."""
        return self.when(parse_date(text, self.session.clock())) if text else "–"

    @property
    def alarms(self) -> list[Alarm]:
        """What is wrong, as of the watcher's last look a few seconds ago."""
        return [alarm for alarm in self.manager.watch.known_alarms() if not alarm.cleared]

    @property
    def not_loaded(self) -> int:
        """How many changes the running DHCP server has not been told of."""
        return self.manager.database.changes_since_loaded(SERVED)


__all__ = ["Forbidden", "Form", "Visit"]
