"""The three errors of the system. Expected refusals are values, not errors; anything else is an assert."""

from __future__ import annotations


class WireError(ValueError):
    """Bytes that cannot be parsed: says at which offset, under which section of which text, and why."""

    def __init__(self, why: str, *, offset: int = 0, section: str = "") -> None:
        super().__init__(f"offset {offset}: {why}" + (f" ({section})" if section else ""))
        self.why = why
        self.offset = offset
        self.section = section


class ProtocolError(Exception):
    """A message that parses but is illegal here. Carries the answer that the peer is owed.

    ``reject`` is a failover reject reason (draft-ietf-dhc-failover-12 section 12.21).
    """

    def __init__(self, reject: int, why: str) -> None:
        super().__init__(why)
        self.reject = reject
        self.why = why


class CommandError(Exception):
    """An operator's mistake. Has one status code (three digits, as nrcmd prints it) and says what to do.

    ``status`` also decides the HTTP status: 302 -> 404, 401 -> 401, 320 and 408 -> 409, other 3xx -> 400, 5xx -> 503.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text

    @property
    def http_status(self) -> int:
        """The HTTP status that stands for this error."""
        if self.status == 302:
            return 404
        if self.status == 401:
            return 401
        if self.status in (320, 408):
            return 409
        return 503 if self.status >= 500 else 400
