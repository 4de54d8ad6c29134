"""What the demonstration is set to, in one place: addresses, times, numbers of clients.

THE TIMES ARE A DEMONSTRATION'S. They make minutes of what takes hours, and would load a real network's servers
and clients for nothing. The manual's are a thousand times longer: a lead time of an hour, leases of days.
"""

from __future__ import annotations

from typing import Final

from tandem.base.ipv4 import parse_ipv4

USER: Final = "admin"
SCOPE: Final = "demo"
NETWORK: Final = parse_ipv4("10.50.0.0")
PREFIX: Final = 22
MASK: Final = "255.255.252.0"
RANGE: Final = ("10.50.1.0", "10.50.2.127")
ADDRESSES: Final = parse_ipv4(RANGE[1]) - parse_ipv4(RANGE[0]) + 1

POLL_S: Final = 1
POLL_TIMEOUT_S: Final = 3
LEAD_S: Final = 20
LEASE_S: Final = 40
GRACE_S: Final = 5
"""How long the address of a lease that has ended is kept for its client: by default longer than the story is."""
BACKUP_PERCENT: Final = 15

FIRST_CLIENTS: Final = 220
FIRST_PER_S: Final = 22.0
RUSH: Final = 75
"""Newcomers while the main is dead: more than the backup's share can hold."""
RUSH_PER_S: Final = 9.0
SPLIT_CLIENTS: Final = 40
SPLIT_PER_S: Final = 6.0
DEPARTURES_PER_S: Final = 0.7

STORY_S: Final = 115.0
"""The story has to be over after this."""

TIMES: Final = (
    f"a demonstration's times: poll {POLL_S} s, timeout {POLL_TIMEOUT_S} s, lead {LEAD_S} s, leases {LEASE_S} s"
)


def batch(main: str, backup: str) -> list[str]:
    """Return the operator's commands: the same for both servers."""
    return [
        "dhcp enable failover",
        f"dhcp set failover-main-server={main}",
        f"dhcp set failover-backup-server={backup}",
        f"dhcp set failover-backup-percentage={BACKUP_PERCENT}",
        f"dhcp set failover-poll-interval={POLL_S}",
        f"dhcp set failover-poll-timeout={POLL_TIMEOUT_S}",
        f"dhcp set failover-maximum-client-lead-time={LEAD_S}",
        "dhcp set failover-startup-time=2",
        "dhcp set collect-addr-util-interval=2s",
        "dhcp disable defer-lease-extensions",
        f"scope {SCOPE} create {NETWORK >> 24}.{NETWORK >> 16 & 255}.0.0 {MASK}",
        f"scope {SCOPE} addRange {RANGE[0]} {RANGE[1]}",
        f"policy default setLeaseTime {LEASE_S}",
        f"policy default set grace-period={GRACE_S}",
        "policy default setOption routers 10.50.0.1",
        "dhcp reload",
    ]
