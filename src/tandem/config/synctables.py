"""What a synchronization does with each kind of data: the failover chapter's table 16-1.

Which row an attribute of the DHCP server belongs to (table 16-2) is declared with the attribute. Does not know how
a function is applied (``config.sync``). Source: failover chapter, tables 16-1 and 16-2; SYSTEM S6, S10.2.
"""

from __future__ import annotations

from collections.abc import Mapping

NO_CHANGE, ENSURE, REPLACE, EXACT = "no change", "ensure", "replace", "exact"
UPDATE, COMPLETE, EXACT_OPERATION = OPERATIONS = ("update", "complete", "exact")
"""The operations, the least radical (and default) one first."""
DRIFT = "drift"
"""Not an operation: what must be the same on both servers for clients to be served the same by either."""

_COLUMNS = (*OPERATIONS, DRIFT)
_ROWS: Mapping[str, tuple[str, str, str, str]] = {
    # DHCP server (server level failover pair)
    "client-class-properties": (REPLACE, REPLACE, REPLACE, REPLACE),
    "failover": (REPLACE, REPLACE, REPLACE, REPLACE),
    "failover-tuning": (REPLACE, REPLACE, REPLACE, REPLACE),
    "ddns-security": (REPLACE, REPLACE, REPLACE, REPLACE),
    "other": (NO_CHANGE, REPLACE, REPLACE, NO_CHANGE),
    "ldap-event-service": (NO_CHANGE, REPLACE, REPLACE, NO_CHANGE),
    "policy": (REPLACE, REPLACE, EXACT, REPLACE),
    "policy-options": (ENSURE, REPLACE, EXACT, REPLACE),
    "client": (REPLACE, REPLACE, EXACT, REPLACE),
    "client-class": (REPLACE, REPLACE, EXACT, REPLACE),
    "scope": (EXACT, EXACT, EXACT, EXACT),
    "vpn": (REPLACE, REPLACE, EXACT, REPLACE),
    "key": (REPLACE, REPLACE, EXACT, REPLACE),
    "extension": (ENSURE, REPLACE, EXACT, REPLACE),
    "extension-point": (NO_CHANGE, REPLACE, REPLACE, REPLACE),
    "option": (ENSURE, EXACT, EXACT, REPLACE),
}
NEVER = "none"
"""The row of what is never synchronized."""
SYNC_ROWS = (NEVER, *_ROWS)
"""Rows of table 16-1, to one of which every attribute belongs."""
SERVER_ROWS = frozenset(("client-class-properties", "failover", "failover-tuning", "ddns-security", "other"))
"""The rows of the DHCP server's own attributes: only where the pair is the server-wide one."""


def function_of(row: str, operation: str) -> str:
    """Return which function an operation (or DRIFT) applies to the data of a row."""
    return NO_CHANGE if row == NEVER else _ROWS[row][_COLUMNS.index(operation)]
