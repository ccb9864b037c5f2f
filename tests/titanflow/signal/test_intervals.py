"""Where bars begin and end: worked examples of venues with hours, and real calendars."""

from datetime import date, datetime, timedelta

import msgspec
import pytest
from exchange_calendars import get_calendar
from hypothesis import given, settings
from hypothesis import strategies as st

from support.feeds import CALENDARS, CLOSE, NEXT_OPEN, OPEN, S
from titanflow.domain.instruments import TradingCalendar
from titanflow.gateway.calendars import calendars_for
from titanflow.gateway.catalogue import load_catalogue
from titanflow.signal.intervals import Intervals, decided_on

XNYS = CALENDARS[1]
HOUR, DAY = 3_600, 86_400


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * S


def calendar(name: str, first: str, last: str) -> TradingCalendar:
    any_share = load_catalogue().instrument("AAPL.XNYS")
    (found,) = calendars_for([msgspec.structs.replace(any_share, calendar=name)], at(first), at(last))
    return found


def test_hours_of_new_york_begin_with_the_session_and_the_last_one_ends_with_it() -> None:
    hours = Intervals(HOUR, XNYS)
    assert hours.around(OPEN) == (OPEN, OPEN + HOUR * S)
    assert hours.around(OPEN + HOUR * S - 1) == (OPEN, OPEN + HOUR * S)
    assert hours.around(CLOSE - 1) == (CLOSE - HOUR * S // 2, CLOSE)


@pytest.mark.parametrize("seconds", [60, 300])
def test_minutes_of_new_york_are_those_of_the_clock(seconds: int) -> None:
    intervals = Intervals(seconds, XNYS)
    for moment in range(OPEN, CLOSE, 37 * S):
        opened_at = moment - moment % (seconds * S)
        assert intervals.around(moment) == (opened_at, opened_at + seconds * S)


def test_what_never_closes_is_aligned_to_the_epoch() -> None:
    for intervals in (Intervals(HOUR), Intervals(HOUR, CALENDARS[0])):
        assert intervals.around(OPEN) == (OPEN - HOUR * S // 2, OPEN + HOUR * S // 2)
    assert Intervals(DAY).around(at("2019-02-11T14:30+00:00")) == (
        at("2019-02-11T00:00+00:00"),
        at("2019-02-12T00:00+00:00"),
    )


def test_outside_the_hours_no_bar_reaches_over_an_open_or_a_close() -> None:
    hours = Intervals(HOUR, XNYS)
    assert hours.around(NEXT_OPEN - S) == (NEXT_OPEN - HOUR * S // 2, NEXT_OPEN)
    assert hours.around(CLOSE + 90 * S) == (CLOSE, CLOSE + HOUR * S)
    assert Intervals(4 * HOUR, XNYS).around(CLOSE) == (CLOSE, CLOSE + 3 * HOUR * S)


def test_a_day_of_sydney_is_one_session_though_it_crosses_midnight_in_london() -> None:
    xasx = calendar("XASX", "2019-02-11T00:00+00:00", "2019-02-12T00:00+00:00")
    days = Intervals(DAY, xasx)
    session = at("2019-02-11T10:00+11:00"), at("2019-02-11T16:00+11:00")
    assert [days.around(moment) for moment in (session[0], at("2019-02-11T00:00+00:00"), session[1] - 1)] == [
        session
    ] * 3
    assert days.around(session[1]) is None


def test_a_day_with_a_lunch_break_is_one_bar_and_its_hours_are_not_mixed() -> None:
    xtks = calendar("XTKS", "2019-02-12T00:00+00:00", "2019-02-13T00:00+00:00")
    morning, noon, again, close = (at(f"2019-02-12T{time}+09:00") for time in ("09:00", "11:30", "12:30", "15:00"))
    assert Intervals(DAY, xtks).around(noon + S) == (morning, close)
    hours = Intervals(HOUR, xtks)
    assert hours.around(noon - S) == (at("2019-02-12T11:00+09:00"), noon)
    assert hours.around(again) == (again, at("2019-02-12T13:30+09:00"))


def test_a_week_of_new_york_goes_from_monday_to_friday() -> None:
    xnys = calendar("XNYS", "2001-09-03T00:00+00:00", "2001-09-21T00:00+00:00")
    weeks = Intervals(7 * DAY, xnys)
    # The markets were closed from 11 to 14 September 2001.
    assert weeks.around(at("2001-09-10T12:00-04:00")) == (at("2001-09-10T09:30-04:00"), at("2001-09-10T16:00-04:00"))
    assert weeks.around(at("2001-09-19T12:00-04:00")) == (at("2001-09-17T09:30-04:00"), at("2001-09-21T16:00-04:00"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["XNYS", "XASX", "XNZE", "XTKS", "XHKG", "XLON", "BVMF", "us_futures"])
def test_the_sessions_of_every_exchange_belong_to_the_day_of_their_close(name: str) -> None:
    """The rule by which whole days are told, against the library's own labels of the sessions."""
    library = get_calendar(name, start="2024-01-02", end="2024-12-20")
    for label, close_at in zip(library.sessions, library.closes_nanos.tolist(), strict=True):
        assert date(1970, 1, 1) + timedelta(days=(close_at - 1) // (DAY * S)) == label.date()


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 90_000), st.integers(OPEN - DAY * S, NEXT_OPEN + DAY * S), st.integers(0, DAY * S))
def test_intervals_hold_their_moment_and_never_overlap(seconds: int, first: int, later: int) -> None:
    intervals = Intervals(seconds, XNYS)
    found = [each for moment in (first, first + later) if (each := intervals.around(moment)) is not None]
    for moment in (first, first + later):
        interval = Intervals(seconds, XNYS).around(moment)
        if interval is not None:
            assert interval.opened_at <= moment < interval.ends_at
            assert interval.ends_at - interval.opened_at <= max(seconds * S, CLOSE - OPEN)
            assert intervals.around(interval.opened_at) == interval
    if len(found) == 2 and found[0] != found[1]:
        assert found[0].ends_at <= found[1].opened_at


@pytest.mark.parametrize(
    ("own", "tape", "expected"),
    [
        (10, 60, 60),
        (0, 60, 60),
        (60, 60, 60),
        (61, 60, 120),
        (300, 60, 300),
        (60, 86_400, 86_400),
        (60, 0, 60),
        (0, 0, 0),
    ],
)
def test_nobody_decides_within_a_bar_of_the_tape(own: int, tape: int, expected: int) -> None:
    assert decided_on(own, tape) == expected
