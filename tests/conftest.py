"""What all tests share: how many examples hypothesis draws, few in `make check`, many in `make test`."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("check", max_examples=50, deadline=None)
settings.register_profile("thorough", max_examples=400, deadline=None)
settings.load_profile("check")
