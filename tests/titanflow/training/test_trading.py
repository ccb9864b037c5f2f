"""Trades worked out on paper, and statistics as `empyrical` has them."""

import dataclasses
from math import isclose

import empyrical
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from support.tiny_samples import tiny_samples
from titanflow.domain.instruments import FeeSchedule, Instrument, InstrumentKind
from titanflow.domain.types import SCALE
from titanflow.training.baselines import baselines, moving_average, since_crossing
from titanflow.training.samples import Samples
from titanflow.training.trading import SHARPE_DAYS, Market, Stance, curve_of, grown, long_while, market_of, trade

FREE = Market((0.0,), 252 * 390)
NAN = float("nan")
DAY = 86_400_000_000_000


def one_instrument(opens: list[float], closes: list[float], days: list[int] | None = None) -> Samples:
    samples = tiny_samples(len(opens), instruments=("A.X",), horizon=1)
    day = np.array(days or [0] * len(opens), dtype=np.int64)
    return dataclasses.replace(samples, open=np.array(opens), close=np.array(closes), segment=day)


@pytest.mark.parametrize(
    ("chances", "hold", "wanted"),
    [
        ([0.5, 0.7, 0.5, 0.5, 0.2, 0.5], 10, [0, 1, 1, 1, 0, 0]),
        ([0.7, 0.5, 0.5, 0.5, 0.5, 0.5], 3, [1, 1, 1, 0, 0, 0]),  # sold after three bars
        ([0.7, 0.7, 0.7, 0.7, 0.7, 0.7], 2, [1, 1, 0, 1, 1, 0]),  # and bought again at the bar after
        ([0.7, NAN, NAN, 0.3, 0.5, 0.5], 10, [1, 1, 1, 0, 0, 0]),  # not asked: nothing changes
        ([0.6, 0.4, 0.6, 0.4, 0.6, 0.4], 10, [1, 0, 1, 0, 1, 0]),  # at the thresholds themselves
    ],
)
def test_the_stance_follows_thresholds_and_time(chances: list[float], hold: int, wanted: list[int]) -> None:
    day = np.zeros(len(chances), dtype=np.int64)
    assert_array_equal(long_while(np.array(chances), day, Stance(0.6, 0.4, hold)), np.array(wanted, dtype=bool))


def test_the_stance_is_flat_after_the_last_bar_of_each_day() -> None:
    day = np.array([0, 0, 1, 1])
    assert_array_equal(long_while(np.full(4, 0.9), day, Stance(0.6, 0.4, 99)), [True, False, True, False])


def test_a_decision_is_filled_at_the_next_open_and_pays_on_both_ways() -> None:
    # Decided at the close of bar 0, bought at the open of bar 1 (101), sold at the open of bar 3 (110); 1 % each way.
    samples = one_instrument([100, 101, 103, 110, 111], [100, 102, 104, 111, 112])
    growth, trips = grown(samples, slice(0, 5), samples.segment, np.array([True, True, False, False, False]), 0.01)
    assert trips == 1
    assert_allclose(growth, [1.0, 102 / (101 * 1.01), 104 / 102, 110 / 104 * 0.99, 1.0])
    assert isclose(np.prod(growth), 110 * 0.99 / (101 * 1.01))


def test_what_is_held_at_the_last_bar_of_a_day_is_sold_at_its_close() -> None:
    samples = one_instrument([100, 100, 200, 200], [100, 110, 200, 210], [0, 0, 1, 1])
    growth, trips = grown(samples, slice(0, 4), samples.segment, np.array([True, True, True, True]), 0.01)
    assert_allclose(growth, [1.0, 110 / 101 * 0.99, 1.0, 210 / 202 * 0.99])
    assert trips == 2


def test_a_curve_is_traded_over_the_bars_between_first_and_last_test_row() -> None:
    samples = one_instrument([100, 100, 102, 104, 106, 108], [100, 102, 104, 106, 108, 110])
    test = np.array([1, 2, 4])
    curve = trade(samples, test, np.array([0.9, 0.5, 0.5]), Stance(0.8, 0.2, 50), FREE)
    assert_array_equal(curve.at, samples.closed_at[1:5])
    assert_allclose(curve.equity, [1.0, 104 / 102, 106 / 102, 108 / 102])
    assert (curve.trades, curve.max_drawdown) == (1, 0.0)


def test_each_instrument_has_an_equal_part_of_the_capital() -> None:
    samples = tiny_samples(6, instruments=("A.X", "B.X"), horizon=1)
    rising = np.array([100.0, 110, 121, 121, 121, 121])
    still = np.full(6, 50.0)
    close = np.concatenate((rising, still))
    opens = np.concatenate(([100.0, 100, 110, 121, 121, 121], still))
    samples = dataclasses.replace(samples, open=opens, close=close)
    test = samples.usable(1)
    chances = np.where(samples.closed_at[test] == samples.closed_at[0], 0.9, 0.5)
    curve = trade(samples, test, chances, Stance(0.8, 0.2, 50), Market((0.0, 0.0), 1000.0))
    assert_allclose(curve.equity, [1.0, 1.05, 1.105, 1.105, 1.105])


@given(
    returns=st.lists(st.floats(-0.2, 0.2).map(lambda value: round(value, 6)), min_size=3, max_size=60),
    periods=st.sampled_from([252, 98_280, 525_600]),
)
@settings(max_examples=60, deadline=None)
def test_sharpe_and_drawdown_are_those_of_empyrical(returns: list[float], periods: int) -> None:
    equity = np.concatenate(([1.0], np.cumprod(1.0 + np.array(returns))))
    curve = curve_of((1 + np.arange(len(equity))) * 2 * DAY, equity, 0, periods)
    found = equity[1:] / equity[:-1] - 1.0
    if len(equity) >= SHARPE_DAYS and np.std(found, ddof=1) > 1e-9:
        assert curve.sharpe is not None
        assert_allclose(curve.sharpe, empyrical.sharpe_ratio(found, annualization=periods), rtol=1e-6, atol=1e-9)
    assert_allclose(curve.max_drawdown, -empyrical.max_drawdown(found), rtol=1e-9, atol=1e-12)
    assert_allclose(curve.total_return, empyrical.cum_returns_final(found), rtol=1e-9, atol=1e-12)


def test_where_nothing_varied_there_is_no_sharpe_ratio() -> None:
    assert curve_of((1 + np.arange(9)) * DAY, np.ones(9), 0, 252).sharpe is None
    assert curve_of(np.zeros(0, dtype=np.int64), np.zeros(0), 0, 252).total_return == 0.0


def test_fewer_than_five_days_are_not_annualised() -> None:
    hours = (1 + np.arange(5 * 24)) * DAY // 24  # the last ends at midnight, and is the fifth day's
    equity = np.cumprod(1 + 0.001 * np.random.default_rng(3).standard_normal(len(hours)))
    assert curve_of(hours, equity, 0, 8760).sharpe is not None
    assert curve_of(hours[:96], equity[:96], 0, 8760).sharpe is None
    assert curve_of(hours[:97], equity[:97], 0, 8760).sharpe is not None


def test_doing_nothing_earns_nothing_and_holding_earns_the_change_less_costs() -> None:
    closes = [100.0, 101, 102, 103, 104, 105]
    samples = one_instrument([100, *closes[:-1]], closes, [0, 0, 0, 1, 1, 1])
    found = baselines(samples, np.arange(6), Market((0.01,), 252.0))
    assert (found["flat"].total_return, found["flat"].trades) == (0.0, 0)
    # Bought at the second bar's open, held through the night, sold at the last close.
    assert_allclose(found["buy_and_hold"].total_return, 105 * 0.99 / (100 * 1.01) - 1)
    assert found["buy_and_hold"].trades == 1
    assert found["sma_crossover"].trades == 0  # thirty bars are not known


def test_the_crossover_buys_at_a_crossing_only_and_ends_with_the_day() -> None:
    above = np.array([1, 1, 0, 1, 1, 0, 1, 1, 1, 1], dtype=bool)
    day = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 1])
    assert_array_equal(since_crossing(above, day, 0), np.array([0, 0, 0, 1, 1, 0, 0, 0, 0, 0], dtype=bool))
    assert_array_equal(since_crossing(above, day[3:], 3), np.array([1, 1, 0, 0, 0, 0, 0], dtype=bool))


def test_a_moving_average_is_the_mean_of_its_window() -> None:
    assert_array_equal(moving_average(np.array([1.0, 2, 3, 6]), 3), [NAN, NAN, 2.0, 11 / 3])
    assert np.isnan(moving_average(np.array([1.0]), 3)).all()


def test_costs_are_slippage_and_the_instruments_own_fees() -> None:
    samples = one_instrument([100.0] * 4, [100.0] * 4)
    fees = FeeSchedule(notional_ratio=1_000_000, per_unit=SCALE // 100)
    share = Instrument("A.X", "A", "X", InstrumentKind.EQUITY, 1, 1, "24/7", "USD", fees)
    # 5 basis points, 10 basis points, and a cent of a hundred dollars.
    assert_allclose(market_of(samples, {"A.X": share}, 252.0, slippage=0.0005).costs, [0.0005 + 0.001 + 0.0001])
    # Four bars tell nothing: half of the two basis points that a session believes of any instrument.
    assert_allclose(market_of(samples, {"A.X": share}, 252.0, fee=0.0).costs, [0.0001])
    assert market_of(samples, {"A.X": share}, 252.0, slippage=0.01, fee=0.0).costs == (0.01,)
