"""Who may do what: the roles, and administrators as a class of objects. The DHCP server is never told of them.

Roles form a ladder: each also allows what the ones below it allow. Does not know how a password is checked.
Source: SYSTEM S2, S7.4; reference "commands and attributes" section 1.7 (``admin``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tandem.config.attribute import Attribute, ObjectClass
from tandem.config.types import Flags, Secret, String

SUPERUSER, DHCP_ADMIN, FAILOVER_OPERATOR, READ_ONLY = "superuser", "dhcp-admin", "failover-operator", "read-only"
ROLES: Mapping[str, str] = {
    SUPERUSER: "everything, administrators and others' tokens included",
    DHCP_ADMIN: "the configuration and leases, and all below",
    FAILOVER_OPERATOR: "run the server: start, stop, reload, set the partner down; and all below",
    READ_ONLY: "see everything but secrets",
}
"""Each role and what it allows, the highest first."""


def allows(roles: Iterable[str], role: str) -> bool:
    """Return whether one who has ``roles`` may do what ``role`` is needed for."""
    ladder = list(ROLES)
    return any(ladder.index(own) <= ladder.index(role) for own in roles)


@dataclass(frozen=True)
class Password(Secret):
    """A password, stored as its argon2 hash. Whoever sets it hashes it first."""

    word = "password"

    @property
    def allowed(self) -> str:
        return "the argon2 hash of a password"

    def _use(self, stored: object) -> str:
        text = super()._use(stored)
        if not text.startswith("$argon2"):
            raise ValueError
        return text


ADMIN = ObjectClass(
    name="admin",
    help="An administrator.",
    sync="none",
    managed_only=True,
    create=("password",),
    attributes=(
        Attribute("password", Password(), None, "What the administrator logs in with; unset: cannot log in."),
        Attribute("roles", Flags(tuple(ROLES)), [], "What the administrator may do."),
        Attribute("full-name", String(), None, "Who this is, for other people."),
    ),
)
