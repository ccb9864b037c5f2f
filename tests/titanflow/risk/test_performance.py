"""Statistics of equity curves and round trips, against an independent library and against paper."""

import csv
import gzip
import math
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import empyrical
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from support.recorded_session import MINUTE_BARS
from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.types import SCALE, fixed
from titanflow.risk.performance import EquityCurve, ReturnStatistics, TradeStatistics, periods_per_year, win_rate

EXCHANGE_MINUTES = 98_280.0
EXCHANGE = TradingCalendar("XNYS", False, ((0, 1),))
CRYPTO = TradingCalendar("24/7", True, ())


def curve_of(*dollars: int | str, periods: float = EXCHANGE_MINUTES) -> EquityCurve:
    """A curve that was sampled at these equities, the first of which is its opening."""
    curve = EquityCurve(fixed(dollars[0]), periods)
    for equity in dollars:
        curve.sample(fixed(equity))
    return curve


def returns_of(equities: list[int]) -> np.ndarray:
    return np.array([later / earlier - 1 for earlier, later in pairwise(equities)])


@pytest.fixture(scope="module")
def spy_closes(market_data: Path) -> list[int]:
    """1,560 recorded minutes of the S&P 500 tracker: the equity of an account that holds it."""
    with gzip.open(market_data / MINUTE_BARS, "rt") as lines:
        return [fixed(row["close"]) for row in csv.DictReader(lines) if row["symbol"] == "SPY"]


def test_ratios_of_recorded_minutes_equal_those_of_an_independent_library(spy_closes: list[int]) -> None:
    curve = EquityCurve(spy_closes[0], EXCHANGE_MINUTES)
    for equity in spy_closes:
        curve.sample(equity)
    returns = returns_of(spy_closes)
    year = int(EXCHANGE_MINUTES)
    assert curve.sharpe == pytest.approx(empyrical.sharpe_ratio(returns, annualization=year), rel=1e-9)
    assert curve.sortino == pytest.approx(empyrical.sortino_ratio(returns, annualization=year), rel=1e-9)
    assert curve.max_drawdown / SCALE == pytest.approx(-empyrical.max_drawdown(returns), abs=1e-9)
    growth = empyrical.annual_return(returns, annualization=year)
    assert curve.calmar == pytest.approx(growth / (curve.max_drawdown / SCALE), rel=1e-9)
    assert curve.calmar == pytest.approx(empyrical.calmar_ratio(returns, annualization=year), rel=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(90_000 * SCALE, 110_000 * SCALE), min_size=3, max_size=60))
def test_ratios_of_any_curve_equal_those_of_an_independent_library(equities: list[int]) -> None:
    returns = returns_of(equities)
    assume(np.std(returns) > 1e-9)
    curve = EquityCurve(equities[0], 252.0)
    for equity in equities:
        curve.sample(equity)
    assert curve.sharpe == pytest.approx(empyrical.sharpe_ratio(returns), rel=1e-7, abs=1e-7)
    if curve.sortino is not None:
        assert curve.sortino == pytest.approx(empyrical.sortino_ratio(returns), rel=1e-7, abs=1e-7)
    assert curve.max_drawdown / SCALE == pytest.approx(-empyrical.max_drawdown(returns), abs=2e-9)


def test_a_curve_worked_out_on_paper() -> None:
    # Returns +10 %, -10 %, +10 %: mean 1/30, sample variance 1/75, mean square below zero 1/300.
    curve = curve_of(100, 110, 99, "108.9", periods=1.0)
    assert curve.sharpe == round(1 / 30 / math.sqrt(1 / 75), 9)
    assert curve.sortino == round(1 / 30 / math.sqrt(1 / 300), 9)
    assert curve.max_drawdown == fixed("0.1")
    assert curve.total_return(fixed("108.9")) == fixed("0.089")
    # 1.089 in three years is 1.089 ** (1/3) - 1 = 2.882979...% a year, over a tenth.
    assert curve.calmar == pytest.approx((1.089 ** (1 / 3) - 1) / 0.1, abs=1e-9)


def test_ratios_are_annualised_by_the_root_of_the_periods() -> None:
    yearly, quarterly = curve_of(100, 110, 99, 120, periods=1.0), curve_of(100, 110, 99, 120, periods=4.0)
    assert yearly.sharpe is not None
    assert yearly.sortino is not None
    assert quarterly.sharpe == pytest.approx(2 * yearly.sharpe, abs=1e-8)
    assert quarterly.sortino == pytest.approx(2 * yearly.sortino, abs=1e-8)


def test_figures_have_at_most_nine_decimals() -> None:
    curve = curve_of(100, 103, 101, 107, 106, periods=5.0)
    for figure in (curve.sharpe, curve.sortino, curve.calmar):
        assert figure is not None
        assert figure == round(figure, 9)


def test_with_less_than_two_returns_nothing_is_said() -> None:
    for curve in (EquityCurve(fixed(100), 252.0), curve_of(100), curve_of(100, 90)):
        assert (curve.sharpe, curve.sortino) == (None, None)


def test_an_equity_that_never_moves_has_no_ratio() -> None:
    curve = curve_of(100, 100, 100, 100)
    assert (curve.sharpe, curve.sortino, curve.calmar, curve.max_drawdown) == (None, None, None, 0)


def test_an_equity_that_never_falls_has_a_sharpe_but_neither_sortino_nor_calmar() -> None:
    curve = curve_of(100, 101, 105)
    assert curve.sharpe is not None
    assert (curve.sortino, curve.calmar) == (None, None)


def test_growth_that_no_ratio_can_hold_has_no_calmar() -> None:
    # A gain of 50 % in three minutes would be 1.5 ** 32760 in a year.
    assert curve_of(100, 90, 150, 150).calmar is None


def test_an_account_that_lost_everything_grows_by_minus_one() -> None:
    assert curve_of(100, 50, 0).calmar == -1.0
    assert curve_of(100, 50, 0).max_drawdown == SCALE


def test_no_return_is_taken_on_an_equity_of_zero_or_below() -> None:
    curve = curve_of(100, -10, 50, 55)
    assert curve.returns.count == 2
    assert curve.max_drawdown == fixed("1.1")


def test_a_mark_between_samples_counts_for_the_drawdown_alone() -> None:
    curve = curve_of(100, 110)
    curve.mark(fixed(55))
    curve.mark(fixed(220))
    curve.mark(fixed(176))
    assert curve.max_drawdown == fixed("0.5")
    assert (curve.samples, curve.returns.count) == (2, 1)


def test_exposure_is_the_part_of_samples_with_a_position() -> None:
    curve = EquityCurve(fixed(100), 252.0)
    assert curve.exposure == 0
    for invested in (True, False, True, True):
        curve.sample(fixed(100), invested)
    assert curve.exposure == fixed("0.75")


def test_turnover_is_taken_on_the_average_sampled_equity() -> None:
    assert curve_of(100, 200).turnover(fixed(300)) == 2 * SCALE
    assert EquityCurve(fixed(100), 252.0).turnover(fixed(300)) == 3 * SCALE


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-0.1, 0.1), min_size=2, max_size=80))
def test_incremental_moments_equal_those_of_exact_fractions(returns: list[float]) -> None:
    statistics = ReturnStatistics(1.0)
    for value in returns:
        statistics.add(value)
    exact = [Fraction(value) for value in returns]
    mean = sum(exact) / len(exact)
    variance = float(sum((value - mean) ** 2 for value in exact) / (len(exact) - 1))
    assume(variance > 1e-12)
    assert statistics.sharpe == pytest.approx(float(mean) / math.sqrt(variance), rel=1e-9, abs=2e-9)


def test_round_trips_worked_out_on_paper() -> None:
    trips = TradeStatistics()
    assert trips.profit_factor is None
    trips.add(fixed(30))
    assert trips.profit_factor is None
    for pnl in (-20, 0, 15):
        trips.add(fixed(pnl))
    assert (trips.trades, trips.wins) == (4, 2)
    assert trips.profit_factor == 2.25
    assert win_rate(trips.wins, trips.trades) == fixed("0.5")
    assert win_rate(0, 0) == 0


@pytest.mark.parametrize(
    ("calendars", "sample_seconds", "periods"),
    [
        ((EXCHANGE,), 60, 98_280.0),
        ((EXCHANGE, EXCHANGE), 30, 196_560.0),
        ((CRYPTO,), 60, 525_600.0),
        ((EXCHANGE, CRYPTO), 3600, 8_760.0),
    ],
)
def test_a_year_has_exchange_minutes_unless_a_venue_never_closes(
    calendars: tuple[TradingCalendar, ...], sample_seconds: int, periods: float
) -> None:
    assert periods_per_year(calendars, sample_seconds) == periods
