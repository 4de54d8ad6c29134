"""Draft figure 7.1.3-1, cell by cell, written out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tandem.base.ranges import RangeSet
from tandem.config.compiled import CompiledScope, EffectivePolicy, ServerConfig
from tandem.failover.clock import Skew
from tandem.failover.conflict import accept, judge
from tandem.failover.updates import UpdateQueue
from tandem.lease.binding import Binding, Status
from tandem.lease.book import Book
from tandem.wire.failover import Update

NOW = 1_000_000
SCOPE = CompiledScope("s", 0, 0, 0, RangeSet([(1, 9)]), EffectivePolicy({}), {}, {}, endpoint=1)
FIGURE = """
          ACTIVE  EXPIRED  RELEASED  FREE    BACKUP  RESET   ABANDONED
ACTIVE    client  lease    last      lease   lease   reset   found
EXPIRED   runs    accept   accept    accept  accept  accept  accept
RELEASED  last    last     accept    accept  accept  accept  accept
FREE      accept  accept   accept    accept  accept  accept  accept
BACKUP    accept  accept   accept    accept  accept  accept  accept
RESET     start   accept   accept    accept  accept  accept  accept
ABANDONED after   reject   reject    reject  reject  accept  accept
"""
LINES = [line.split() for line in FIGURE.strip().splitlines()]
CELLS = [
    (row[0], received, rule) for row in LINES[1:] for received, rule in zip(LINES[0], row[1:], strict=True)
]  # fmt: skip


def binding(status: str, expires: int = NOW + 100) -> Binding:
    b = Binding(5, Status[status])
    b.hardware, b.expires, b.last_transaction, b.start_of_state = b"\x01one", expires, NOW - 50, NOW - 40
    return b


def update(status: str, last: int | None = NOW - 10, hardware: bytes = b"\x01one") -> Update:
    u = Update(5, Status[status], hardware=hardware, last_transaction=last)
    u.expires = NOW + 500 if status == "ACTIVE" else None
    return u


def reason(ours: Binding, theirs: Update, main: bool = True) -> int | None:
    verdict = judge(ours, theirs, SCOPE, main, NOW)
    return None if verdict is None else int(verdict[0])


@pytest.mark.parametrize(("ours", "theirs", "rule"), CELLS)
def test_cell(ours: str, theirs: str, rule: str) -> None:
    if rule == "accept":
        assert reason(binding(ours), update(theirs)) is None
        assert reason(binding(ours), update(theirs, last=None)) is None
    elif rule == "last":
        later = {("ACTIVE", "RELEASED"): 5, ("RELEASED", "EXPIRED"): 0}.get((ours, theirs), -6)  # ACTIVE wins in doubt
        assert reason(binding(ours), update(theirs, NOW - 49 + later)) is None
        assert reason(binding(ours), update(theirs, NOW - 50 + later)) == 15
        assert reason(binding(ours), update(theirs, None)) == 15
    elif rule == "runs":  # the draft: the later transaction, as for one that is over; see docs/decisions/0003
        assert reason(binding(ours), update(theirs, last=None)) is None
        for last, verdict in ((NOW - 55, None), (NOW - 56, 15), (None, 15)):
            over = update(theirs, last)
            over.expires = NOW
            assert reason(binding(ours), over) == verdict
    elif rule == "lease":
        assert reason(binding(ours, NOW), update(theirs)) is None
        assert reason(binding(ours, NOW + 1), update(theirs)) == 15
    elif rule == "start":
        assert reason(binding(ours), update(theirs, NOW - 49)) is None  # the draft: later than the start of RESET
        assert reason(binding(ours), update(theirs, NOW - 50)) == 15
        assert reason(binding(ours), update(theirs, None)) == 15
    elif rule == "reset":  # the draft accepts always; see docs/decisions/0003
        for last, verdict in ((None, None), (NOW - 49, None), (NOW - 50, None), (NOW - 51, 15)):
            assert reason(binding(ours), update(theirs, last)) == verdict
    elif rule == "found":  # the draft accepts always; see docs/decisions/0003
        for since, verdict in ((None, None), (NOW - 49, None), (NOW - 50, None), (NOW - 51, 15)):
            found = update(theirs)
            found.start_of_state = since
            assert reason(binding(ours), found) == verdict
    elif rule == "after":  # the draft rejects always; see docs/decisions/0003
        assert reason(binding(ours), update(theirs, NOW - 39)) is None
        assert reason(binding(ours), update(theirs, NOW - 40)) == 16
        assert reason(binding(ours), update(theirs, None)) == 16
    elif rule == "reject":
        assert reason(binding(ours), update(theirs)) == 16
    else:
        assert reason(binding(ours), update(theirs)) is None
        other = update(theirs, hardware=b"\x01two")
        assert reason(binding(ours), other, main=True) == 2
        assert reason(binding(ours), other, main=False) is None
        other.expires = NOW  # the draft accepts: see docs/decisions/0003
        assert reason(binding(ours), other, main=False) == 15
        assert reason(binding(ours, NOW), other, main=False) is None


@pytest.mark.parametrize("last", [NOW - 45, NOW - 44])
def test_a_partner_that_knew_our_lease_and_heard_its_client_since_may_say_that_it_is_over(last: int) -> None:
    ours = binding("ACTIVE")
    assert reason(ours, update("EXPIRED", last)) == 15
    ours.up_to_date = True
    assert reason(ours, update("EXPIRED", last)) == (None if last > NOW - 45 else 15)
    assert reason(ours, update("EXPIRED", last, b"\x01two")) == 15


def test_a_release_that_the_partner_knew_our_lease_before_is_in_no_doubt() -> None:
    ours = binding("ACTIVE")
    ours.up_to_date = True
    assert reason(ours, update("RELEASED", NOW - 49)) is None
    assert reason(ours, update("RELEASED", NOW - 50)) == 15


def test_missing_information_is_reason_3() -> None:
    assert reason(binding("FREE"), update("ACTIVE", hardware=b"")) == 3
    no_end = update("ACTIVE")
    no_end.expires = None
    assert reason(binding("FREE"), no_end) == 3
    assert reason(binding("FREE"), Update(5, 0)) == 3
    assert reason(binding("FREE"), Update(5, 8)) == 3


def test_reserved_backup_of_an_unreserved_address_is_reason_19() -> None:
    assert reason(binding("FREE"), Update(5, Status.BACKUP, flags=1)) == 19


def test_the_end_of_a_quarantine_that_the_partner_told_of_ends_no_later_lease() -> None:
    scope = replace(SCOPE, mask=0xFFFFFF00)
    book = Book(ServerConfig(scopes=[scope], networks=[]))
    there = book.record(5, scope)
    accept(book, there, Update(5, Status.ABANDONED, start_of_state=NOW - 500), scope, NOW - 500)
    book.set_status(there, Status.RESET, NOW - 5)
    told = UpdateQueue(book, False, Skew())._update_of(there, [])
    assert told.last_transaction == NOW - 500
    assert reason(binding("ACTIVE"), told) == 15


@pytest.mark.parametrize("ours", ["ABANDONED", "RESET"])
def test_what_the_partner_was_told_of_a_lease_is_waited_for_after_its_address_was_found_in_use(ours: str) -> None:
    """It extends the lease by what it was told, until it hears that the address is in use."""
    scope = replace(SCOPE, mask=0xFFFFFF00)
    book = Book(ServerConfig(scopes=[scope], networks=[]))
    here = book.record(5, scope)
    book.set_status(here, Status.ACTIVE, NOW - 500)
    here.sent_potential = NOW + 9000
    for status in ("ABANDONED", ours):
        book.set_status(here, Status[status], NOW - 100)
    accept(book, here, update("ACTIVE"), scope, NOW)
    assert max(here.sent_potential, here.received_potential) == NOW + 9000
