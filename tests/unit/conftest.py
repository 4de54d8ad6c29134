"""What all unit tests share: passwords are hashed cheaply, for the hash itself is not what they test."""

from __future__ import annotations

import argon2
import pytest

from tandem.cluster import accounts


@pytest.fixture(autouse=True)
def cheap_password_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(accounts, "PasswordHasher", lambda: hasher)
