"""What a chain of policies comes to, the most specific first: the first that has an option or setting wins.

The chain of a client is: reservation, client, client-class, the scope's embedded policy, the scope's named
policy, ``system_default_policy`` (SYSTEM S3.3); callers name the links that exist. The subnet mask is the
scope's own. Source: reference "commands and attributes" section 2.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tandem.base.units import FOREVER
from tandem.config.compiled import EffectivePolicy
from tandem.config.policies import LEASE_TYPE
from tandem.config.reading import Item, Problems
from tandem.config.schema import BUILTIN_OPTIONS, POLICY, SYSTEM_DEFAULT_POLICY
from tandem.config.types import policy_option, quote
from tandem.wire.options import encode_value

_SUBNET_MASK = 1
_LEASE_TIME = 51
_DEFAULT_LEASE_S = 604800


@dataclass(slots=True)
class _Link:
    """One policy, encoded."""

    given: Mapping[str, Any]
    options: dict[int, bytes]
    lease_s: int | None


class PolicyBook:
    """All named policies, and what chains of them come to. The same chain gives the same object."""

    def __init__(self, policies: Mapping[str, Item], problems: Problems) -> None:
        self._links = {name: _encode(item, problems) for name, item in policies.items()}
        self._made: dict[tuple[int, tuple[str, ...]], EffectivePolicy] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._links

    def effective(self, mask: int, *chain: str) -> EffectivePolicy:
        """Return what applies in a subnet with ``mask`` under named policies, the most specific first.

        ``system_default_policy`` is added at the end.
        """
        key = (mask, chain)
        made = self._made.get(key)
        if made is None:
            names = (*chain, SYSTEM_DEFAULT_POLICY)
            made = self._made[key] = _merge(mask, [self._links[name] for name in names if name in self._links])
        return made


def _encode(policy: Item, problems: Problems) -> _Link:
    options: dict[int, bytes] = {}
    lease_s = None
    texts = {**BUILTIN_OPTIONS.get(policy.name, {}), **policy.part("options", dict, problems)}
    for name, text in texts.items():
        try:
            if not isinstance(text, str):
                raise ValueError(f"{quote(text)} is not text; write the value as text")
            option = policy_option(name)
            if option.code == _LEASE_TIME:
                lease_s = LEASE_TYPE.parse(text)
            elif option.code == _SUBNET_MASK:
                problems.warning(
                    policy.label, f"option {name}", text, "is not sent: a client gets its scope's mask; unset it"
                )
            else:
                options[option.code] = encode_value(option, text)
        except ValueError as error:
            problems.error(policy.label, f"option {name}", "", str(error))
    return _Link(policy.given, options, lease_s)


def _merge(mask: int, links: list[_Link]) -> EffectivePolicy:
    options: dict[int, bytes] = {_SUBNET_MASK: mask.to_bytes(4, "big")}
    values = dict(POLICY.defaults)
    lease_s = _DEFAULT_LEASE_S  # every chain has one, unless system_default_policy is in error
    for link in reversed(links):
        options.update(link.options)
        values.update(link.given)
        lease_s = lease_s if link.lease_s is None else link.lease_s
    return EffectivePolicy(
        options=options,
        lease_s=FOREVER if values["permanent-leases"] else lease_s,
        grace_s=values["grace-period"],
        offer_s=values["offer-timeout"],
        unavailable_s=values["unavailable-timeout"],
        permanent=values["permanent-leases"] or lease_s == FOREVER,
        allow_lease_time_override=values["allow-lease-time-override"],
        siaddr=values["packet-siaddr"] or 0,
        server_name=(values["packet-server-name"] or "").encode(),
        file_name=(values["packet-file-name"] or "").encode(),
        reply_options=values["v4-reply-options"],
    )
