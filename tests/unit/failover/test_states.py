"""The decision table itself: total, labelled, explained."""

from __future__ import annotations

from tandem.failover.states import STATES, TABLE, Cause
from tandem.wire.failover import ServerState as S


def target(state: S, cause: Cause, role: str = "main") -> int | None:
    rows = TABLE.candidates(state, cause)
    return next(row for row in rows if row.guard in ("", role)).target


def test_every_row_is_explained() -> None:
    for row in TABLE:
        assert row.why.endswith(".") and row.section, row.label


def test_every_pair_is_decided() -> None:
    for state in STATES:
        for cause in Cause:
            for role in ("main", "backup"):
                assert any(row.guard in ("", role) for row in TABLE.candidates(state, cause)), (state, cause)


def test_losing_the_link_follows_the_drafts_diagram() -> None:
    """Figure 9.2-1: only NORMAL and POTENTIAL-CONFLICT change when communications fail."""
    moves = {s: target(s, Cause.LINK_DOWN) for s in STATES if target(s, Cause.LINK_DOWN) is not None}
    assert moves == {
        S.NORMAL: S.COMMUNICATIONS_INTERRUPTED,
        S.POTENTIAL_CONFLICT: S.RESOLUTION_INTERRUPTED,
    }


def test_partner_down_9_4_3() -> None:
    for cause in (Cause.PARTNER_RECOVER, Cause.PARTNER_RECOVER_WAIT, Cause.PARTNER_SHUTDOWN, Cause.PARTNER_PAUSED):
        assert target(S.PARTNER_DOWN, cause) is None
    assert target(S.PARTNER_DOWN, Cause.PARTNER_RECOVER_DONE) == S.NORMAL
    for cause in (Cause.PARTNER_NORMAL, Cause.PARTNER_PARTNER_DOWN, Cause.PARTNER_CONFLICT_DONE):
        assert target(S.PARTNER_DOWN, cause) == S.POTENTIAL_CONFLICT


def test_conflict_resolution_9_10_3() -> None:
    assert target(S.POTENTIAL_CONFLICT, Cause.UPDATE_DONE, "main") == S.CONFLICT_DONE
    assert target(S.POTENTIAL_CONFLICT, Cause.UPDATE_DONE, "backup") == S.NORMAL


def test_only_a_restart_ends_paused_and_shutdown() -> None:
    for state in (S.PAUSED, S.SHUTDOWN):
        assert all(target(state, cause) is None for cause in Cause)
