"""Bars folded on paper: quotes, prints off the market, and what is left out. Whole tapes are in `test_data`."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from titanflow.domain.events import (
    BarClosed,
    ClockAdvanced,
    Event,
    OffMarketPrintReceived,
    QuoteReceived,
    SessionEnded,
    TickReceived,
)
from titanflow.domain.types import NANOS_PER_SECOND, SCALE
from titanflow.errors import InputError
from titanflow.training.bars import BarFolder, Bars, Venue, joined

S = NANOS_PER_SECOND
NAN = float("nan")


def tick(second: int, price: int) -> TickReceived:
    return TickReceived(second * S, "A.X", price * SCALE, SCALE)


def quote(second: int, bid: int, ask: int) -> QuoteReceived:
    return QuoteReceived(second * S, "A.X", bid * SCALE // 10, ask * SCALE // 10)


def folded(*events: Event, whole_from: int = 0) -> Bars:
    folder = BarFolder({"A.X": Venue()}, 60, whole_from=whole_from * S)
    for event in events:
        folder.take(event)
    return folder.bars()["A.X"]


def test_the_spread_of_a_bar_is_the_mean_over_its_quotes_and_stands_until_the_next() -> None:
    quoted = (tick(60, 100), quote(61, 990, 1010), quote(70, 995, 1005))
    bars = folded(tick(5, 100), *quoted, tick(120, 100), tick(180, 100), ClockAdvanced(240 * S))
    # 2/100 and 1/100 in the second bar; the third has no quote of its own and keeps the last.
    assert_allclose(bars.spread, [NAN, 0.015, 0.01, 0.01])


def test_prints_off_the_market_are_volume_of_an_open_bar_only() -> None:
    off_market = OffMarketPrintReceived(0, "A.X", 1, 5 * SCALE)
    bars = folded(off_market, tick(5, 100), off_market, ClockAdvanced(60 * S), off_market)
    assert_array_equal(bars.volume, [6 * SCALE])
    assert_array_equal(bars.low, [100 * SCALE])


def test_a_bar_that_opened_too_early_to_be_whole_is_left_out() -> None:
    bars = folded(tick(30, 100), tick(60, 101), tick(120, 102), ClockAdvanced(180 * S), whole_from=30)
    assert_array_equal(bars.opened_at, [60 * S, 120 * S])


def test_the_end_of_a_session_closes_what_is_complete() -> None:
    bars = folded(tick(30, 100), SessionEnded(60 * S, "over"))
    assert_array_equal(bars.closed_at, [60 * S])
    assert_array_equal(bars.ends_at, [60 * S])


def test_other_events_and_other_instruments_say_nothing() -> None:
    other = TickReceived(10 * S, "B.X", SCALE, SCALE)
    closed = BarClosed(1, 60 * S, "A.X", 60, 0, 1, 1, 1, 1, 1, 1)
    bars = folded(tick(5, 100), other, closed, QuoteReceived(6 * S, "B.X", 1, 2), ClockAdvanced(60 * S))
    assert_array_equal(bars.close, [100 * SCALE])


def test_sources_are_joined_in_order_of_time_and_must_not_overlap() -> None:
    early = folded(tick(5, 100), ClockAdvanced(60 * S))
    late = folded(tick(65, 101), ClockAdvanced(120 * S))
    assert_array_equal(joined([("b", late), ("a", early)], "A.X").close, np.array([100, 101]) * SCALE)
    with pytest.raises(InputError, match=r"a and b both have bars of A.X from 1970-01-01T00:00:00Z on"):
        joined([("a", early), ("b", early)], "A.X")
