"""What ISC dhcpd is told, held to what it survives (observed behaviour of ISC dhcpd 4.4.3)."""

from __future__ import annotations

import pytest

from tandem.failover.clock import Skew
from tandem.failover.dialect import DRAFT, ISC, TANDEM, dialect_of
from tandem.failover.states import STATES
from tandem.lease.binding import ACTIVE, BACKUP, FREE, RELEASED, Binding, Status
from tandem.wire.failover import ServerState as S
from tandem.wire.failover import Update

CONFLICT = {S.POTENTIAL_CONFLICT, S.RESOLUTION_INTERRUPTED, S.CONFLICT_DONE}
KNOWN = {*STATES} - {S.STARTUP}
LETHAL: dict[S, set[S]] = {
    S.NORMAL: CONFLICT,
    S.POTENTIAL_CONFLICT: {S.NORMAL},
    S.CONFLICT_DONE: KNOWN - CONFLICT - {S.NORMAL},
}
"""dhcpd's state -> what sends it to SHUTDOWN for good, or makes it exit."""
WRONG: dict[S, set[S]] = {
    S.NORMAL: {S.RECOVER},
    S.COMMUNICATIONS_INTERRUPTED: {S.RECOVER, S.RECOVER_WAIT},
    S.RECOVER: {S.NORMAL},
}
"""dhcpd's state -> what brings it into a state that the draft does not: serving alone, NORMAL, or a conflict."""
EVERY = [(ours, theirs) for ours in STATES for theirs in (*STATES, 0, 42, 255)]


@pytest.mark.parametrize(("ours", "theirs"), EVERY)
def test_no_announcement_ends_dhcpd_or_misleads_it(ours: S, theirs: int) -> None:
    said = ISC.announcement(ours, theirs)
    assert S.STARTUP not in said
    if said:
        first = S(said[0])
        assert first not in LETHAL.get(S(theirs), set())
        assert first not in WRONG.get(S(theirs), set())
    if len(said) == 2:  # the second is heard in the state that the first leads to
        assert said in ((S.POTENTIAL_CONFLICT, S.CONFLICT_DONE), (S.RECOVER, S.RECOVER_DONE))


@pytest.mark.parametrize("ours", STATES)
def test_nothing_is_announced_before_its_state_is_known(ours: S) -> None:
    assert ISC.announcement(ours, 0) == ()
    assert TANDEM.announcement(ours, 0) == DRAFT.announcement(ours, 0) == (ours,)


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("main", [True, False])
def test_an_update_has_all_times_and_nothing_that_closes_the_link(status: Status, main: bool) -> None:
    binding = Binding(1, int(status))
    binding.expires = 900
    flags = 3
    update = Update(1, int(status), flags=flags, expires=2000 if status == ACTIVE else None, start_of_state=500)
    update.potential = 3000 if status == ACTIVE else None
    update.ddns, update.request_options, update.reply_options = (1, b"x"), b"y", b"z"
    update.last_transaction = 800
    assert ISC.write is not None
    ISC.write(update, binding, 1000, main, Skew())
    assert 1 <= update.status <= 7 and update.last_address is None
    assert update.ddns is None and not update.request_options and not update.reply_options
    assert None not in (update.expires, update.potential, update.start_of_state)
    assert update.flags == (0 if status == (BACKUP if main else FREE) else flags)
    assert update.potential == (3000 if status == ACTIVE else 1000)


def test_a_release_happened_when_it_ended_the_lease() -> None:
    """Its time of last transaction is that of the request before, or is left out."""
    assert ISC.read is not None
    for told in (None, 700):
        update = Update(1, RELEASED, expires=990, start_of_state=700, last_transaction=told)
        ISC.read(update)
        assert update.last_transaction == 990


def test_times_are_sent_in_its_clock() -> None:
    skew = Skew()
    skew.measure(1_800_000_030, 1_800_000_000.5)
    update = Update(1, ACTIVE, expires=1_800_000_100, potential=0xFFFFFFFF, start_of_state=1_800_000_000)
    assert ISC.write is not None
    ISC.write(update, None, 1_800_000_000, True, skew)
    assert update.expires == 1_800_000_130 and update.potential == 0x7FFFFFFF


def test_buckets_and_makes() -> None:
    assert ISC.buckets(bytes(32)) == b"\xff" * 32 and ISC.buckets(ISC.buckets(b"\x0f" * 32)) == b"\x0f" * 32
    assert TANDEM.buckets(b"\x01" * 32) == b"\x01" * 32
    assert [dialect_of(make) for make in (b"isc-4.4.3-P1", b"tandem-1", b"other")] == [ISC, TANDEM, DRAFT]
