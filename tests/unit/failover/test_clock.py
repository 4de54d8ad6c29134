"""The smoothed difference of the clocks (draft section 5.10, S4.14)."""

from __future__ import annotations

from tandem.failover.clock import Skew


def hear(skew: Skew, start: float, seconds: int, ahead: float) -> list[float]:
    """A message a second from a partner whose clock is ``ahead``; return the alarms."""
    alarms = [skew.measure(int(start + n + ahead), start + n) for n in range(seconds)]
    return [alarm for alarm in alarms if alarm is not None]


def test_clocks_that_agree_correct_nothing() -> None:
    skew = Skew()
    assert not hear(skew, 1000.3, 100, 0.0)
    assert skew.whole_s == 0 and skew.ours(5000) == 5000


def test_a_difference_is_said_on_the_first_message_and_corrected() -> None:
    skew = Skew()
    assert [round(alarm) for alarm in hear(skew, 1000.0, 20, 7200.0)] == [7200]
    assert skew.whole_s in (7200, 7201) and skew.jumps == 0
    assert skew.ours(0) == 0 and skew.ours(0xFFFFFFFF) == 0xFFFFFFFF and skew.ours(None) is None
    assert abs((skew.ours(100_000) or 0) - 92_800) <= 1


def test_drift_is_followed_without_an_alarm() -> None:
    for rate in (1.01, 0.99):
        skew = Skew()
        assert not [a for n in range(1000) if (a := skew.measure(int(1000 + n * rate), 1000 + n)) is not None]
        assert abs(skew.smoothed_s - 999 * (rate - 1)) < 1


def test_one_late_message_hardly_counts() -> None:
    skew = Skew()
    hear(skew, 1000.0, 10, 100.0)
    before = skew.smoothed_s
    assert skew.measure(1106, 1010.0) is None
    assert abs(skew.smoothed_s - before) < 0.4


def test_a_clock_that_went_forward_counts_at_once() -> None:
    skew = Skew()
    hear(skew, 10_000.0, 10, 0.0)
    assert [round(alarm) for alarm in hear(skew, 10_010.0, 30, 3600.0)] == [3600]
    assert abs(skew.smoothed_s - 3600) <= 1 and skew.jumps == 1


def test_a_clock_that_was_set_back_counts_when_a_minute_of_messages_says_so() -> None:
    skew = Skew()
    hear(skew, 10_000.0, 10, 0.0)
    assert not hear(skew, 10_010.0, 60, -3600.0) and abs(skew.smoothed_s) < 1
    assert [round(alarm / 10) for alarm in hear(skew, 10_070.0, 30, -3600.0)] == [-360]
    assert abs(skew.smoothed_s + 3600) <= 1 and skew.jumps == 1


def test_answers_tell_a_link_that_stays_slow_from_a_clock_that_was_set_back() -> None:
    """Everything is two minutes late, for ten; what answers us was written after our question, which is as old."""
    for back_s, jumps in ((0, 0), (3600, 1)):
        skew = Skew()
        hear(skew, 10_000.0, 10, 0.0)
        for now in range(10_130, 10_730, 10):
            written = now - 120 - back_s
            skew.measure(written, now + 0.5)  # what it tells of its own accord
            skew.measure(written, now + 0.6, asked_at=now - 121)
        assert skew.jumps == jumps and (abs(skew.smoothed_s) < 1) is (jumps == 0)


def test_messages_that_the_network_held_up_are_no_clock_that_was_set_back() -> None:
    """A stall of the link: the messages of half a minute come late and together, then all is as before."""
    skew = Skew()
    hear(skew, 1000.0, 10, 0.0)
    for sent in range(1010, 1040):
        assert skew.measure(sent, 1045.0 + (sent - 1010) * 0.01) is None
        assert skew.whole_s == 0
    assert not hear(skew, 1046.0, 60, 0.0) and skew.jumps == 0


def test_the_least_late_message_tells_the_difference() -> None:
    skew = Skew()
    hear(skew, 1000.0, 10, 0.0)
    alarms = [skew.measure(1010 + n - 100 - n % 7, 1010.0 + n) for n in range(70)]
    assert [round(a) for a in alarms if a is not None] == [-100]


def test_our_own_clock_set_back_is_seen_at_once() -> None:
    skew = Skew()
    hear(skew, 10_000.0, 10, 0.0)
    assert len(hear(skew, 6_410.0, 30, 3600.0)) == 1
    assert skew.jumps == 1


def test_a_link_on_which_all_comes_late_is_no_clock_that_was_set_before_an_answer_says_so() -> None:
    """What the partner tells waits in the queue of a narrow link for 70 s, and its first answer with it."""
    for written, jumps in ((10_080, 0), (10_000, 1)):
        skew = Skew()
        hear(skew, 10_000.0, 10, 0.0)
        for now in range(10_080, 10_150):
            assert skew.measure(now - 70, now + 0.5, waiting=True) is None
        assert skew.jumps == 0
        skew.measure(written, 10_150.5, asked_at=10_079.0, waiting=True)
        assert skew.jumps == jumps and (abs(skew.smoothed_s) < 1) is (jumps == 0)
