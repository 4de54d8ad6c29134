"""Stand-ins for what a test's server has no use for: whoever asks one of them for anything fails the test."""

from __future__ import annotations

from typing import NoReturn


def unused(*asked: object) -> NoReturn:
    """Take the place of a function that is not to be called."""
    raise AssertionError(f"nobody should ask for this: {asked}")


class NoSaver:
    """Takes the place of the writer of the lease database."""

    submit = staticmethod(unused)


class NoWire:
    """Takes the place of the connections with partners."""

    connect = send = start_tls = close = staticmethod(unused)
