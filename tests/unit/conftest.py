"""What all unit tests share: passwords are hashed cheaply, for the hash itself is not what they test."""

from __future__ import annotations

from collections.abc import Iterator

import argon2
import pytest

from tandem.cluster import accounts


@pytest.fixture(autouse=True, scope="session")
def cheap_password_hashes() -> Iterator[None]:
    hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "PasswordHasher", lambda: hasher)
        yield
