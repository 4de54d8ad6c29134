"""From client entries and client-classes to the profiles that a server looks clients up in.

Source: SYSTEM S3.4; reference "commands and attributes" sections 2.4, 2.5 and 3.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from tandem.config.compiled import Link
from tandem.config.effective import PolicyBook
from tandem.config.network_types import ClientKey
from tandem.config.profiles import NONE, Clients, Profile
from tandem.config.reading import Item, Problems
from tandem.config.schema_clients import DEFAULT_CLIENT

_DOMAIN_NAME, _HOST_NAME = 15, 12
_KEY = ClientKey()


def compile_clients(
    items: Mapping[str, Mapping[str, Item]], server: Item, policies: PolicyBook, problems: Problems
) -> Clients | None:
    """Return what clients are looked up in; None when client-class is off. Adds what is wrong to ``problems``."""
    maker = _Maker(policies, problems)
    classes = {name: maker.of_class(item) for name, item in items["client-class"].items()}
    for item in [*items["client-class"].values(), *items["client"].values()]:
        maker.check_class(item, "over-limit-client-class-name", classes)
    by_key: dict[bytes, Profile] = {}
    default = None
    for name, item in items["client"].items():
        profile = maker.of_client(item, classes)
        if name == DEFAULT_CLIENT:
            default = profile
        else:
            by_key[_KEY.use(name)] = profile
            if server.values["validate-client-name-as-mac"] and name.startswith("id:"):
                problems.warning(
                    item.label, "", "", "counts although validate-client-name-as-mac is on: it is named by a client"
                    " identifier; create one named by the hardware address",
                )  # fmt: skip
    if not server.values["client-class"]:
        return None
    if server.values["skip-client-lookup"]:
        by_key, default = {}, None
    user_class = server.values["map-user-class-id"]
    if user_class == NONE and server.values["append-user-class-id-to-selection-tag"]:
        user_class = "append-to-tag"
    lookup = server.values["client-class-lookup-id"]
    return Clients(by_key, default, classes, user_class, lookup, maker.numbers)


class _Maker:
    """Makes profiles; entries that set nothing of their own share one per class."""

    def __init__(self, policies: PolicyBook, problems: Problems) -> None:
        self._policies = policies
        self._problems = problems
        self.numbers = 0
        self._plain: dict[str | None, Profile] = {}

    def of_class(self, item: Item) -> Profile:
        values = item.values
        return Profile(
            self._number(),
            item.name,
            self._links(item, values["host-name"], values["domain-name"]),
            values["selection-criteria"],
            values["selection-criteria-excluded"],
            host_name=values["host-name"],
            limitation=values["limitation-id"],
            over_limit=values["over-limit-client-class-name"] or "",
        )

    def of_client(self, item: Item, classes: Mapping[str, Profile]) -> Profile:
        name = self.check_class(item, "client-class-name", classes)
        base = classes.get(name)
        if not any(key != "client-class-name" for key in item.content):
            if name not in self._plain:
                self._plain[name] = base or Profile(self._number())
            return self._plain[name]
        later = self.check_class(item, "unauthenticated-client-class-name", classes)
        base = base or Profile(0)
        values = item.values
        criteria, excluded = values["selection-criteria"], values["selection-criteria-excluded"]
        own = self._links(item, values["host-name"], values["domain-name"])
        return replace(
            base,
            number=self._number() if own else base.number or self._number(),
            links=(*own, *base.links),
            criteria=base.criteria if criteria is None else criteria,
            excluded=base.excluded if excluded is None else excluded,
            refused="exclude" in values["action"],
            host_name=values["host-name"] or base.host_name,
            over_limit=values["over-limit-client-class-name"] or base.over_limit,
            until=values["authenticate-until"],
            after=classes.get(later),
        )

    def _links(self, item: Item, host_name: str | None, domain_name: str | None) -> tuple[Link, ...]:
        """Return the policies of a client or class; the names that it sets stand before them."""
        names: dict[int, Any] = {}
        if host_name and not host_name.startswith("@"):
            names[_HOST_NAME] = host_name.encode()
        if domain_name:
            names[_DOMAIN_NAME] = domain_name.encode()
        own = self._policies.own_of_client(item)
        return (Link(names, {}), *own) if names else own

    def _number(self) -> int:
        self.numbers += 1
        return self.numbers

    def check_class(self, item: Item, attribute: str, classes: Collection[str]) -> Any:
        """Return the client-class that an attribute names, or None; it is a problem when there is no such class."""
        name = item.values[attribute]
        if name is not None and name not in classes:
            self._problems.error(
                item.label, attribute, name, "there is no such client-class; create it, or write another's name"
            )
        return name
