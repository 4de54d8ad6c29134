"""From a pair of ISC dhcpd to a pair of Tandem, one server at a time, under load, as docs/migrate-isc-dhcpd.md tells.

The backup is replaced first: a new backup serves nobody until it has all leases of its partner. A new main that cannot
reach its partner would take itself for a stand-alone server; so it comes last, and is told to recover.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.live.crowd import Crowd
from tests.live.isc import LEASE_S, MCLT_S, TANDEM, MixedLab
from tests.live.lab import BACKUP, MAIN, Tandem
from tests.live.netns import wait_for

pytestmark = [pytest.mark.live, pytest.mark.timeout(200)]

SHORT_S = 12
COMMANDS = TANDEM.replace(f"setLeaseTime {LEASE_S}", f"setLeaseTime {SHORT_S}")
BEFORE, AFTER = "dhcp set failover-recover=+0s\n", "dhcp set failover-recover=0\ndhcp reload\n"
"""What the page has the new main told before the rest, and when all is over."""
PAGE = Path(__file__).parents[2] / "docs" / "migrate-isc-dhcpd.md"


def test_migration(isc_lab: MixedLab) -> None:
    """No client loses its lease or gets a second holder; at the end a Tandem pair is in NORMAL with equal books."""
    page = PAGE.read_text()
    assert all(f"nrcmd {command}\n" in page for command in (BEFORE + AFTER).splitlines())
    lab = isc_lab
    lab.put_dhcpd("main", lease_s=SHORT_S).start()
    lab.put_dhcpd("backup", lease_s=SHORT_S).start()
    lab.both_normal()
    with Crowd(lab) as crowd:
        crowd.served_anew()
        assert set(crowd.served_by()) == {MAIN, BACKUP}

        # Step 1: the backup.
        lab.backup.stop()
        wait_for("dhcpd serves alone", lambda: lab.main.state == "COMMUNICATIONS-INTERRUPTED", 10)
        crowd.served_anew()
        backup = lab.put_tandem("backup")
        backup.start()
        backup.nrcmd(COMMANDS)
        lab.both_normal(timeout=MCLT_S + 30)
        crowd.served_anew()

        # Step 2: the main.
        lab.main.stop()
        wait_for("Tandem serves alone", lambda: backup.state == "COMMUNICATIONS-INTERRUPTED", 10)
        crowd.served_anew()
        main = lab.put_tandem("main")
        main.start()
        main.nrcmd(BEFORE + COMMANDS)
        lab.both_normal(timeout=MCLT_S + 30)
        main.nrcmd(AFTER)
        lab.both_normal()
        crowd.served_anew()
    assert len(crowd.ledger.held(margin_s=2)) >= 30
    for server in (main, backup):
        wait_for(f"{server.space.short} knows every lease", lambda s=server: not unknown(crowd, s), 5)
    lab.books_equal()
    crowd.check()


def test_way_back(isc_lab: MixedLab) -> None:
    """An empty dhcpd in the place of the main, and of the Tandem backup: it recovers, and no client notices."""
    lab = isc_lab
    lab.put_dhcpd("main", lease_s=SHORT_S).start()
    tandem = lab.put_tandem("backup")
    tandem.start()
    tandem.nrcmd(COMMANDS)
    lab.both_normal()
    with Crowd(lab) as crowd:
        for seat in ("main", "backup"):
            old = getattr(lab, seat)
            old.stop()
            if seat == "main":
                old.lease_file.unlink()
            lab.put_dhcpd(seat, lease_s=SHORT_S).start()
            lab.both_normal(timeout=MCLT_S + 30)
            crowd.served_anew()
    crowd.check()


def unknown(crowd: Crowd, server: Tandem) -> list[str]:
    """Return the addresses of running leases that a server does not have for leased."""
    known = server.leases()
    return [a for a in crowd.ledger.held(margin_s=1) if known.get(a, {}).get("state") != "leased"]
