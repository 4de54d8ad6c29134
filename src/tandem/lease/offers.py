"""What sets an address aside: a client's offer, or an operator's word. Values; the lease book decides.

Source: RFC 2131 section 4.3.1.
"""

from __future__ import annotations

from tandem.config.compiled import CompiledScope


class Offer:
    """An address set aside for a client until it answers our offer (not stored: RFC 2131 section 4.3.1)."""

    __slots__ = ("address", "key", "lease_s", "scope", "silent_until", "until")

    def __init__(self, address: int, key: bytes, scope: CompiledScope, until: int, lease_s: int) -> None:
        self.address = address
        self.key = key
        self.scope = scope
        self.until = until
        self.lease_s = lease_s
        self.silent_until = 0.0
        """Until when it counts that no host has answered a ping of the address."""


HELD_BACK = "deactivated"
"""In ``Book.offered``: set aside for nobody."""


class SetAside:
    """What ``Book.offered`` holds: the offer and the side that its address came from."""

    __slots__ = ("offer", "own")

    def __init__(self, offer: Offer, own: int) -> None:
        self.offer = offer
        self.own = own
