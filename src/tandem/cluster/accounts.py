"""Administrators in the configuration: their passwords and roles, and that one of them always can do everything.

Administrators are objects of class ``admin`` like any other; this is what is special about them. Passwords are
kept as argon2 hashes, which take tens of milliseconds and megabytes to compute on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tandem.base.errors import CommandError
from tandem.cluster.database import Database
from tandem.config.access import ADMIN, SUPERUSER, allows
from tandem.config.document import Document

T = TypeVar("T")
_BYTES_MAX = 255


def hash_password(name: str, password: str) -> str:
    """Return the hash to be stored as administrator ``name``'s password. Raises CommandError 316."""
    if not password or len(password.encode()) > _BYTES_MAX:
        raise CommandError(316, f"admin {name}: password: write 1 to {_BYTES_MAX} bytes")
    return PasswordHasher().hash(password)


def check_password(stored_hash: str, password: str) -> bool:
    """Return whether ``password`` has argon2 hash ``stored_hash``."""
    try:
        return PasswordHasher().verify(stored_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def password_hash(database: Database, name: str) -> str | None:
    """Return the stored hash of administrator ``name``'s password, or None when that one cannot log in."""
    stored = database.document.get(ADMIN.name, {}).get(name, {}).get("password")
    return None if stored is None else str(stored)


def roles_of(database: Database, name: str) -> tuple[str, ...]:
    """Return the roles of administrator ``name``; none for an unknown one."""
    return tuple(database.document.get(ADMIN.name, {}).get(name, {}).get("roles", ()))


def has_superuser(document: Document) -> bool:
    """Return whether somebody can log in who may do everything."""
    admins: dict[str, dict[str, Any]] = document.get(ADMIN.name, {})
    return any(a.get("password") and allows(a.get("roles", ()), SUPERUSER) for a in admins.values())


def keeping_a_superuser(change: Callable[[Document], T]) -> Callable[[Document], T]:
    """Return ``change`` with the check that it leaves a superuser. It then raises CommandError 320 as well."""

    def checked(document: Document) -> T:
        before = has_superuser(document)
        result = change(document)
        if before and not has_superuser(document):
            raise CommandError(
                320,
                f"no administrator with a password would be left with role {SUPERUSER}; give it to another one first",
            )
        return result

    return checked


def set_administrator(database: Database, name: str, password: str, roles: list[str]) -> None:
    """Create administrator ``name``, or give an existing one this password and these roles. Raises CommandError."""
    hashed = hash_password(name, password)

    def change(document: Document) -> None:
        document.setdefault(ADMIN.name, {}).setdefault(name, {}).update(password=hashed, roles=roles)

    database.edit("start of the cluster", ADMIN.name, name, change, {"password"})
