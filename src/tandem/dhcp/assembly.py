"""Which options go into a reply, and which of a request are worth keeping.

The constant part of a reply (what the policy says, in the order the client asked) is built once per scope and
parameter list. Does not know decisions or addresses.
Source: RFC 2131 section 4.3.1, RFC 2132 section 9.8, RFC 3046, draft-ietf-dhc-failover-12 table 7.1.1-2.
"""

from __future__ import annotations

from tandem.config.compiled import CompiledScope
from tandem.wire.dhcp import Message, pack_option

INTERESTING = (12, 60, 77, 81, 82, 118)
"""Options of a request that a failover partner should know."""
_KEPT_BYTES = 512
_MADE_HERE = frozenset({50, 51, 52, 53, 54, 55, 57, 58, 59, 61, 82})
"""Options that the server makes itself, or never sends."""
_CACHE_SIZE = 512


class OptionCache:
    """Constant option bytes by (scope, parameter request list)."""

    def __init__(self) -> None:
        self._tails: dict[tuple[int, bytes], bytes] = {}

    def clear(self) -> None:
        """Forget everything: the configuration has changed."""
        self._tails.clear()

    def tail(self, scope: CompiledScope, wanted: bytes) -> bytes:
        """Return the policy's options that the client asked for, in its order, then those always sent."""
        key = (scope.index, wanted)
        tail = self._tails.get(key)
        if tail is None:
            if len(self._tails) >= _CACHE_SIZE:
                self._tails.clear()  # clients choose the key: bounded
            tail = self._tails[key] = _build(scope, wanted)
        return tail


def _build(scope: CompiledScope, wanted: bytes) -> bytes:
    policy = scope.policy
    known = dict(policy.options)
    known.setdefault(1, scope.mask.to_bytes(4, "big"))
    order = list(wanted) if wanted else sorted(known)
    parts: list[bytes] = []
    done = set(_MADE_HERE)
    for code in (1, *order, *policy.reply_options):  # the mask comes before the routers (RFC 2132 section 3.3)
        if code in done or code not in known:
            continue
        if code == 1 and wanted and 1 not in wanted and 1 not in policy.reply_options:
            continue
        done.add(code)
        parts.append(pack_option(code, known[code]))
    return b"".join(parts)


def kept_options(request: Message) -> bytes:
    """Return the interesting options of a request as TLVs, at most 512 bytes; the largest go first when too long."""
    options = request.options
    found = [pack_option(code, options[code]) for code in INTERESTING if code in options]
    while found and sum(map(len, found)) > _KEPT_BYTES:
        found.remove(max(found, key=len))
    return b"".join(found)
