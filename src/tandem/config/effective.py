"""Policies of the document as links of chains, the most specific first: the first that has an option or setting wins.

The chain of a client is: reservation, client, client-class, the scope's embedded policy, the scope's named
policy, ``system_default_policy`` (SYSTEM S3.3); each of the first three has an embedded policy, which counts first,
and may name another. The subnet mask is the scope's own. Source: reference "commands and attributes" section 2.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tandem.config.compiled import EffectivePolicy, Link, merge
from tandem.config.definitions import find_definition, find_vendor_definition
from tandem.config.policies import LEASE_TYPE, VENDOR_OPTIONS
from tandem.config.reading import Item, Problems, read_item
from tandem.config.schema import EMBEDDED_IN
from tandem.config.schema_clients import EMBEDDED
from tandem.config.schema_policy import BUILTIN_OPTIONS, POLICY, SYSTEM_DEFAULT_POLICY
from tandem.config.types import quote
from tandem.wire.options import encode_value

_SUBNET_MASK = 1
_LEASE_TIME = 51
_SUBOPTION_MAX = 255
_FIELDS = {
    "grace-period": "grace_s", "offer-timeout": "offer_s", "unavailable-timeout": "unavailable_s",
    "permanent-leases": "permanent", "allow-lease-time-override": "allow_lease_time_override",
    "packet-siaddr": "siaddr", "packet-server-name": "server_name", "packet-file-name": "file_name",
    "v4-reply-options": "reply_options", "v4-bootp-reply-options": "bootp_reply_options",
    "split-lease-times": "split_lease_times", "server-lease-time": "server_lease_s",
    "inhibit-all-renews": "inhibit_all_renews", "inhibit-renews-at-reboot": "inhibit_renews_at_reboot",
    "giaddr-as-server-id": "giaddr_as_server_id", "limitation-count": "limitation_count",
}  # fmt: skip
"""Each attribute of a policy, and the field of an effective policy that it sets."""
assert set(_FIELDS) == set(POLICY.by_name)


class PolicyBook:
    """All named policies, and what chains of policies come to. The same chain of names gives the same object."""

    def __init__(
        self, policies: Mapping[str, Item], problems: Problems, document: Mapping[str, Any] | None = None
    ) -> None:
        self._problems = problems
        self._document = document or {}
        """Where options are defined."""
        self.settings: set[str] = set()
        """What any of them sets, by the names of ``EffectivePolicy``'s fields."""
        self._links = {name: self._encode(item) for name, item in policies.items()}
        self._made: dict[tuple[int, str], EffectivePolicy] = {}
        self.longest_own_lease_s = 0
        """The longest lease that a policy of a client, class or reservation gives."""

    def own_of_client(self, item: Item) -> tuple[Link, ...]:
        """Return the policies of a client, class or reservation."""
        links = self.own(item)
        self.longest_own_lease_s = max([self.longest_own_lease_s, *(link.lease_s for link in links)])
        return links

    def own(self, item: Item) -> tuple[Link, ...]:
        """Return the policies that an object has: its embedded one, and the one it names."""
        links = []
        content = item.part(EMBEDDED, dict, self._problems)
        if content:
            cls = EMBEDDED_IN[item.cls.name]
            embedded = read_item(cls, item.name, content, self._problems, f"{cls.name} {item.name}")
            if embedded is not None:
                links.append(self._encode(embedded))
        attribute = "policy" if "policy" in item.values else "policy-name"
        name = item.values[attribute]
        if name in self._links:
            links.append(self._links[name])
        elif name is not None:
            self._problems.error(
                item.label, attribute, name, "there is no such policy; create it, or write another's name"
            )
        return tuple(links)

    def of_scope(self, item: Item, mask: int) -> tuple[tuple[Link, ...], EffectivePolicy]:
        """Return the links of a scope, ``system_default_policy`` at the end, and what they come to."""
        links = (*self.own(item), self._links[SYSTEM_DEFAULT_POLICY])
        if EMBEDDED in item.content:
            return links, merge(mask, links)
        key = (mask, item.values["policy"])
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = merge(mask, links)
        return links, made

    def _encode(self, policy: Item) -> Link:
        settings = {_FIELDS[name]: _setting(value) for name, value in policy.given.items()}
        options: dict[int, bytes] = {}
        builtin = BUILTIN_OPTIONS.get(policy.name, {}) if policy.cls is POLICY else {}
        texts = {**builtin, **policy.part("options", dict, self._problems)}
        for name, text in texts.items():
            try:
                option = find_definition(self._document, name)
                if option.code == _LEASE_TIME:
                    settings["lease_s"] = LEASE_TYPE.parse(_text(text))
                elif option.code == _SUBNET_MASK:
                    why = "is not sent: a client gets its scope's mask; unset it"
                    self._problems.warning(policy.label, f"option {name}", str(text), why)
                else:
                    options[option.code] = encode_value(option, _text(text))
            except ValueError as error:
                self._problems.error(policy.label, f"option {name}", "", str(error))
        self.settings.update(name for name, value in settings.items() if value)
        return Link(options, settings, policy.label, self._vendor(policy))

    def _vendor(self, policy: Item) -> dict[tuple[bytes, int], dict[int, bytes]]:
        """Return the options of vendors in a policy, encoded, by whom they are for."""
        found: dict[tuple[bytes, int], dict[int, bytes]] = {}
        for option_set, texts in policy.part(VENDOR_OPTIONS, dict, self._problems).items():
            data: dict[int, bytes] = {}
            for name, text in texts.items() if isinstance(texts, dict) else ():
                try:
                    option = find_vendor_definition(self._document, option_set, name)
                    data[option.code] = encode_value(option, _text(text))
                    if len(data[option.code]) > _SUBOPTION_MAX:
                        raise ValueError(f"its value has more than {_SUBOPTION_MAX} bytes; write a shorter one")
                except ValueError as error:
                    self._problems.error(policy.label, f"option {name} of {option_set}", "", str(error))
            if data:
                found[self._vendor_of(policy, option_set)] = data
        return found

    def _vendor_of(self, policy: Item, option_set: str) -> tuple[bytes, int]:
        content = self._document["option-set"][option_set]
        string, number = content.get("vendor-option-string") or "", content.get("vendor-option-enterprise-id") or 0
        if not string and not number:
            why = "nobody gets it: the set names no vendor; set its vendor-option-string or vendor-option-enterprise-id"
            self._problems.warning(policy.label, f"options of {option_set}", "", why)
        return str(string).encode(), number if isinstance(number, int) else 0


def _text(text: object) -> str:
    if not isinstance(text, str):
        raise ValueError(f"{quote(text)} is not text; write the value as text")
    return text


def _setting(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value
