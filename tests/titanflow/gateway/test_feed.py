from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.feeds import CALENDARS, CLOSE, NEXT_OPEN, OPEN, GivenRows, S, tick
from titanflow.domain.events import ClockAdvanced, FeedStatusChanged, TickReceived
from titanflow.domain.types import FeedStatus
from titanflow.errors import InputError
from titanflow.gateway.feed import Feed, FeedEvent, FeedItem
from titanflow.gateway.providers.base import RawTick


def feed_of(*rows: RawTick, **limits: int) -> Feed:
    return Feed(GivenRows.of(rows), calendars=CALENDARS, **limits)


def events_of(*rows: RawTick, **limits: int) -> list[FeedEvent]:
    return [event for item in feed_of(*rows, **limits).items() for event in item.events]


def clock(*rows: RawTick, **limits: int) -> list[int]:
    return [event.at for event in events_of(*rows, **limits) if isinstance(event, ClockAdvanced)]


def statuses(*rows: RawTick, of: str = "AAPL.XNYS") -> list[tuple[int, FeedStatus, int]]:
    found = [event for event in events_of(*rows) if isinstance(event, FeedStatusChanged) and event.instrument == of]
    return [((event.at - OPEN) // S, event.status, event.silent_nanos // S) for event in found]


def test_every_second_stands_before_the_ticks_of_that_second() -> None:
    told = events_of(tick(OPEN + 5), tick(OPEN + S - 1), tick(OPEN + 2 * S), tick(OPEN + 2 * S))
    assert [(type(event), event.at - OPEN) for event in told] == [
        (ClockAdvanced, 0),
        (TickReceived, 5),
        (TickReceived, S - 1),
        (ClockAdvanced, S),
        (ClockAdvanced, 2 * S),
        (TickReceived, 2 * S),
        (TickReceived, 2 * S),
        (FeedStatusChanged, 2 * S),
    ]


def test_a_short_silence_is_counted_through() -> None:
    assert clock(tick(OPEN), tick(OPEN + 300 * S)) == [OPEN + second * S for second in range(301)]


def test_a_long_silence_within_a_session_is_jumped() -> None:
    assert clock(tick(OPEN), tick(OPEN + 301 * S + 7)) == [OPEN, OPEN + 301 * S]


def test_before_a_close_in_a_silence_the_clock_runs_so_that_positions_can_be_flattened_in_time() -> None:
    told = clock(tick(OPEN), tick(NEXT_OPEN + 2 * S))
    last_minutes = [CLOSE - second * S for second in range(299, -1, -1)]
    assert told == [OPEN, *last_minutes, NEXT_OPEN, NEXT_OPEN + 2 * S]


def test_after_a_tick_shortly_before_the_close_the_clock_runs_to_the_close_and_jumps_the_night() -> None:
    told = clock(tick(CLOSE - 2 * S), tick(NEXT_OPEN))
    assert told == [CLOSE - 2 * S, CLOSE - S, CLOSE, NEXT_OPEN]


def test_an_instrument_that_says_nothing_for_more_than_a_minute_is_silent_until_it_speaks() -> None:
    rows = [tick(OPEN), *(tick(OPEN + second * S, "MSFT") for second in range(0, 120, 10)), tick(OPEN + 120 * S)]
    assert statuses(*rows) == [(61, FeedStatus.SILENT, 61), (120, FeedStatus.LIVE, 120)]


def test_an_instrument_that_never_spoke_is_silent_a_minute_after_the_feed_began() -> None:
    rows = [tick(OPEN + second * S) for second in range(0, 90, 10)]
    assert statuses(*rows, of="MSFT.XNYS") == [(61, FeedStatus.SILENT, 61)]


def test_a_silence_longer_than_the_largest_gap_is_a_gap_when_it_ends() -> None:
    assert statuses(tick(OPEN), tick(OPEN + 400 * S)) == [
        (400, FeedStatus.SILENT, 400),
        (400, FeedStatus.GAP, 400),
        (400, FeedStatus.LIVE, 400),
    ]


def test_a_closed_venue_is_not_silent() -> None:
    assert statuses(tick(CLOSE - S), tick(NEXT_OPEN + 30 * S)) == []


def test_crypto_goes_silent_while_new_york_sleeps() -> None:
    rows = [tick(CLOSE, "BTCUSDT"), *(tick(CLOSE + second * S) for second in range(0, 120, 30))]
    assert [status for _, status, _ in statuses(*rows, of="BTCUSDT.BINANCE-SPOT")] == [FeedStatus.SILENT]
    assert statuses(*rows) == []


def test_the_feed_says_when_it_ended() -> None:
    *_, last = feed_of(tick(OPEN + 7)).items()
    assert last.events == (FeedStatusChanged(OPEN + 7, "", FeedStatus.ENDED, 0),)


def test_a_refused_row_has_a_place_of_its_own() -> None:
    items = list(feed_of(tick(OPEN), tick(OPEN, price="?"), tick(OPEN)).items())
    assert [(item.position, len(item.events), item.bad is None) for item in items] == [
        (1, 1, True),
        (2, 1, True),
        (3, 0, False),
        (4, 1, True),
        (5, 1, True),
    ]


def test_silence_must_be_shorter_than_a_gap() -> None:
    with pytest.raises(InputError, match="silence_seconds 301"):
        feed_of(silence_seconds=301)


ROWS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, S // 2, S, 59 * S, 61 * S, 299 * S, 400 * S, 20_000 * S, -S]),
        st.sampled_from(["AAPL", "MSFT", "BTCUSDT", "VIX", "NOPE"]),
        st.sampled_from([100, 0, "nan"]),
    ),
    max_size=12,
)


def walk(steps: list[tuple[int, str, int | str]]) -> list[RawTick]:
    at, rows = OPEN, []
    for step, symbol, price in steps:
        at += step
        rows.append(tick(at, symbol, price))
    return rows


@settings(max_examples=60, deadline=None)
@given(ROWS, st.data())
def test_a_feed_taken_up_anywhere_goes_on_as_if_never_interrupted(
    steps: list[tuple[int, str, int | str]], data: st.DataObject
) -> None:
    feed = feed_of(*walk(steps))
    whole = list(feed.items())
    start = data.draw(st.integers(0, len(whole)))
    assert list(feed.items(start)) == whole[start:]
    assert [item.position for item in whole] == list(range(1, len(whole) + 1))


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_time_never_goes_back_and_no_row_is_lost(steps: list[tuple[int, str, int | str]]) -> None:
    items: list[FeedItem] = list(feed_of(*walk(steps)).items())
    events = [event for item in items for event in item.events]
    assert all(a.at <= b.at for a, b in pairwise(events))
    seconds = [event.at for event in events if isinstance(event, ClockAdvanced)]
    assert all(a < b and b % S == 0 for a, b in pairwise([0, *seconds]))
    ticks = [event for event in events if isinstance(event, TickReceived)]
    assert len(ticks) + sum(item.bad is not None for item in items) == len(steps)
    assert all(any(second == event.at - event.at % S for second in seconds) for event in ticks)
