"""The decision table itself: total, labelled, explained."""

from __future__ import annotations

import pytest

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


N, CI, PD, PC, RI, CD = (
    S.NORMAL, S.COMMUNICATIONS_INTERRUPTED, S.PARTNER_DOWN, S.POTENTIAL_CONFLICT, S.RESOLUTION_INTERRUPTED,
    S.CONFLICT_DONE,
)  # fmt: skip
R, RW, RD, PAUSED, SHUTDOWN = S.RECOVER, S.RECOVER_WAIT, S.RECOVER_DONE, S.PAUSED, S.SHUTDOWN
_ = None
PARTNERS = (N, CI, PD, PC, RI, CD, R, RW, RD, PAUSED, SHUTDOWN)
#     partner in:  N   CI  PD  PC  RI  CD  R   RW  RD  PAUSED SHUTDOWN
SECTION_9 = {
    N:            (_,  _,  PC, PC, PC, _,  CI, CI, _,  CI, PD),  # 9.8.4: through COMMUNICATIONS-INTERRUPTED
    CI:           (N,  N,  PC, PC, PC, PC, _,  _,  N,  _,  PD),  # 9.9.3
    PD:           (PC, PC, PC, PC, PC, PC, _,  _,  N,  _,  _),   # 9.4.3
    PC:           (_,  _,  _,  _,  _,  _,  _,  _,  _,  _,  PD),  # 9.10.3
    RI:           (PC, PC, PC, PC, PC, PC, PC, PC, PC, _,  PD),  # 9.11.3
    CD:           (N,  _,  PC, _,  _,  _,  _,  _,  _,  _,  PD),  # 9.12.3
    R:            (_,  _,  _,  PC, PC, PC, _,  _,  _,  _,  _),   # 9.5.2
    RW:           (_,  _,  _,  _,  _,  _,  _,  _,  _,  _,  _),   # 9.6.2
    RD:           (N,  _,  _,  PC, PC, PC, _,  _,  N,  _,  PD),  # 9.7.2
    PAUSED:       (_,) * 11,  # 9.13.2
    SHUTDOWN:     (_,) * 11,  # 9.14.3
}  # fmt: skip


@pytest.mark.parametrize("state", SECTION_9)
def test_each_state_meets_each_state_of_the_partner(state: S) -> None:
    moves = tuple(target(state, Cause(int(partner)), "main") for partner in PARTNERS)
    assert moves == SECTION_9[state]


def test_the_operator_and_the_safe_period() -> None:
    """Sections 9.4, 9.8.4, 9.9.3, 9.11.3; from RECOVER and RECOVER-WAIT on purpose (decisions/0006)."""
    allowed = {s for s in STATES if target(s, Cause.SET_PARTNER_DOWN) == PD}
    assert allowed == {N, CI, RI, CD, R, RW, RD}
    assert [s for s in STATES if target(s, Cause.SAFE_PERIOD_OVER) is not None] == [CI]
