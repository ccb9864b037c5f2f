"""Days and moments of open time: the same however a clock steps through them."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.session_settings import FeedSpec
from titanflow.domain.types import NANOS_PER_DAY, NANOS_PER_SECOND
from titanflow.risk.trading_days import Day, OpenMoments, Period, TradingDays

ALWAYS = TradingCalendar("24/7", True, ())


def venue(*spans: tuple[int, int], name: str = "X") -> TradingCalendar:
    """Sessions in seconds."""
    return TradingCalendar(name, False, tuple((a * NANOS_PER_SECOND, b * NANOS_PER_SECOND) for a, b in spans))


def ended(calendars: Iterable[TradingCalendar], start: int, *clocks: int) -> list[list[tuple[int, int]]]:
    """The days that are over at each of these clocks, in seconds."""
    days = TradingDays(calendars, start * NANOS_PER_SECOND)
    return [
        [(day.opens // NANOS_PER_SECOND, day.closes // NANOS_PER_SECOND) for day in days.ended(at * NANOS_PER_SECOND)]
        for at in clocks
    ]


def test_a_session_is_over_behind_its_last_instant() -> None:
    assert ended([venue((10, 20), (30, 40))], 0, 19, 20, 21, 21, 50) == [[], [], [(10, 20)], [], [(30, 40)]]


def test_a_clock_that_jumps_over_sessions_ends_each_of_them() -> None:
    assert ended([venue((10, 20), (30, 40), (50, 60))], 0, 99) == [[(10, 20), (30, 40), (50, 60)]]


def test_a_session_that_ended_before_the_start_is_not_given() -> None:
    assert ended([venue((10, 20), (30, 40))], 25, 50) == [[(30, 40)]]


def test_a_venue_that_never_closes_has_utc_days_whatever_the_others_have() -> None:
    day = 86_400
    days = ended([venue((10, 20)), ALWAYS], day + 7, 2 * day - 1, 2 * day, 4 * day)
    assert days == [[], [(day, 2 * day)], [(2 * day, 3 * day), (3 * day, 4 * day)]]


def test_the_venue_with_most_sessions_gives_the_days() -> None:
    assert ended([venue((10, 20)), venue((5, 12), (30, 40), name="Y")], 0, 99) == [[(5, 12), (30, 40)]]


def test_a_year_has_252_sessions_or_365_days() -> None:
    assert TradingDays([venue((10, 20))], 0).per_year == 252
    assert TradingDays([venue((10, 20)), ALWAYS], 0).per_year == 365


@pytest.mark.parametrize(("since", "until", "seen"), [(0, 99, True), (11, 99, True), (12, 99, False), (0, 18, False)])
def test_a_day_counts_where_nine_tenths_of_it_were_seen(since: int, until: int, seen: bool) -> None:
    assert Day(10, 20).is_seen(since, until) is seen
    assert Day(10, 20).is_seen(0, 19)


def test_moments_are_multiples_of_the_step_in_open_time() -> None:
    moments = OpenMoments([venue((60, 180), (480, 600)), venue((100, 200), name="Y")], 60)
    counts = [
        moments.until(second * NANOS_PER_SECOND) for second in (0, 59, 60, 119, 120, 180, 199, 479, 480, 600, 999)
    ]
    assert counts == [0, 0, 1, 1, 2, 3, 3, 3, 4, 5, 5]


@given(st.lists(st.integers(0, 5 * 86_400), min_size=1, unique=True), st.integers(1, 5_000), st.booleans())
def test_the_same_days_and_moments_pass_whichever_clocks_are_announced(
    clocks: list[int], step: int, always: bool
) -> None:
    calendar = ALWAYS if always else venue((100, 23_500), (86_500, 99_000), (180_000, 200_000))
    moments, days = OpenMoments([calendar], step), TradingDays([calendar], 0)
    passed, over, last = 0, 0, -1
    for clock in sorted({*clocks, 5 * 86_400}):
        at = clock * NANOS_PER_SECOND
        passed += moments.until(at) - moments.until(last)
        over += len(list(days.ended(at)))
        last = at
    opened = [second for second in range(0, 5 * 86_400 + 1, step) if calendar.is_open(second * NANOS_PER_SECOND)]
    assert (passed, over) == (len(opened), 5 if always else 3)


def test_long_bars_make_one_period_of_several_days() -> None:
    period = Period(FeedSpec("tape", "", "", bars=(("A.X", 604_800), ("B.X", 60))))
    assert period.long_bars == {"A.X"}
    assert period.end(Day(0, 1)) is None
    period.bar_closed()
    assert period.end(Day(2, 3)) == (Day(0, 3), 2)
    assert period.end(Day(4, 5)) is None


def test_bars_of_a_day_and_trades_make_a_period_of_each_day() -> None:
    for bars in ((), (("A.X", NANOS_PER_DAY // NANOS_PER_SECOND),)):
        assert Period(FeedSpec("tape", "", "", bars=bars)).end(Day(0, 1)) == (Day(0, 1), 1)
