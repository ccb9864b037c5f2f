"""Statistics of equity curves and round trips, against an independent library and against paper."""

import csv
import gzip
import math
from itertools import pairwise
from pathlib import Path

import empyrical
import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.types import SCALE, fixed
from titanflow.risk.performance import EquityCurve, TradeStatistics, periods_per_year, win_rate

DAILY_BARS = "daily/wiki_daily_2000_2013.csv.gz"

EXCHANGE = TradingCalendar("XNYS", False, ((0, 1),))
CRYPTO = TradingCalendar("24/7", True, ())
YEAR = 252


def curve_of(*dollars: int | str, per_year: int = YEAR, repeat: int = 1) -> EquityCurve:
    """A curve that opened at the first of these equities and closed a day at each of the others, `repeat` times."""
    curve = EquityCurve(fixed(dollars[0]), per_year)
    for equity in dollars[1:] * repeat:
        curve.close(fixed(equity))
    return curve


def returns_of(equities: list[int]) -> np.ndarray:
    return np.array([later / earlier - 1 for earlier, later in pairwise(equities)])


@pytest.fixture(scope="module")
def apple_closes(market_data: Path) -> list[int]:
    """600 recorded days of Apple: the equity of an account that holds it."""
    with gzip.open(market_data / DAILY_BARS, "rt") as lines:
        return [fixed(row["close"]) for row in csv.DictReader(lines) if row["symbol"] == "AAPL"][-600:]


def test_ratios_of_recorded_days_equal_those_of_an_independent_library(apple_closes: list[int]) -> None:
    curve = EquityCurve(apple_closes[0], YEAR)
    for equity in apple_closes[1:]:
        curve.close(equity)
    returns, figures = returns_of(apple_closes), curve.figures
    assert figures.sharpe == pytest.approx(empyrical.sharpe_ratio(returns), rel=1e-9)
    assert figures.sortino == pytest.approx(empyrical.sortino_ratio(returns), rel=1e-9)
    assert curve.max_drawdown / SCALE == pytest.approx(-empyrical.max_drawdown(returns), abs=1e-9)
    assert figures.calmar == pytest.approx(empyrical.calmar_ratio(returns), rel=1e-8)
    assert (round(figures.sharpe, 2), round(figures.calmar, 2)) == (0.68, 0.43)


def test_the_interval_and_the_probability_of_recorded_days_follow_from_their_formulas(apple_closes: list[int]) -> None:
    curve = EquityCurve(apple_closes[0], YEAR)
    for equity in apple_closes[1:]:
        curve.close(equity)
    returns, figures = returns_of(apple_closes), curve.figures
    daily = empyrical.sharpe_ratio(returns, annualization=1)
    margin = scipy.stats.norm.ppf(0.975) * math.sqrt((1 + daily**2 / 2) / len(returns))
    assert figures.sharpe_low == pytest.approx((daily - margin) * math.sqrt(YEAR), abs=1e-8)
    assert figures.sharpe_high == pytest.approx((daily + margin) * math.sqrt(YEAR), abs=1e-8)
    skew, kurtosis = scipy.stats.skew(returns), scipy.stats.kurtosis(returns, fisher=False)
    spread = math.sqrt(1 - skew * daily + (kurtosis - 1) / 4 * daily**2)
    expected = scipy.stats.norm.cdf(daily * math.sqrt(len(returns) - 1) / spread)
    assert figures.probability == pytest.approx(expected, abs=2e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(90_000 * SCALE, 110_000 * SCALE), min_size=4, max_size=60))
def test_ratios_of_any_curve_equal_those_of_an_independent_library(equities: list[int]) -> None:
    returns = returns_of(equities)
    assume(np.std(returns) > 1e-9)
    curve = EquityCurve(equities[0], YEAR)
    for equity in equities[1:]:
        curve.close(equity)
    sharpe, sortino = empyrical.sharpe_ratio(returns), empyrical.sortino_ratio(returns)
    assert curve.figures.sharpe == (pytest.approx(sharpe, rel=1e-7, abs=1e-7) if abs(sharpe) <= 100 else None)
    if curve.figures.sortino is not None:
        assert curve.figures.sortino == pytest.approx(sortino, rel=1e-7, abs=1e-7)
    assert curve.max_drawdown / SCALE == pytest.approx(-empyrical.max_drawdown(returns), abs=2e-9)


def test_a_curve_worked_out_on_paper() -> None:
    # Returns +10 %, -10 %, +10 %: mean 1/30, sample variance 1/75, mean square below zero 1/300.
    curve = curve_of(100, 110, 99, "108.9", per_year=1)
    assert curve.figures.sharpe == round(1 / 30 / math.sqrt(1 / 75), 9)
    assert curve.figures.sortino == round(1 / 30 / math.sqrt(1 / 300), 9)
    assert curve.max_drawdown == fixed("0.1")
    assert curve.total_return(fixed("108.9")) == fixed("0.089")


def test_a_calmar_ratio_worked_out_on_paper() -> None:
    # Thirty days, up and down by turns, end at 121 of 100; the worst fall is 100 of 110. In a year: 1.21 ** (252 / 30).
    curve = EquityCurve(fixed(100), YEAR)
    for day in range(29):
        curve.close(fixed((110, 100)[day % 2]))
        assert curve.figures.calmar is None
    curve.close(fixed(121))
    assert curve.figures.calmar == pytest.approx((1.21 ** (252 / 30) - 1) / (10 / 110), rel=1e-8)


def test_ratios_are_annualised_by_the_root_of_the_days_of_a_year() -> None:
    yearly, quarterly = curve_of(100, 110, 99, 120, per_year=1).figures, curve_of(100, 110, 99, 120, per_year=4).figures
    assert yearly.sharpe is not None
    assert yearly.sortino is not None
    assert quarterly.sharpe == pytest.approx(2 * yearly.sharpe, abs=1e-8)
    assert quarterly.sortino == pytest.approx(2 * yearly.sortino, abs=1e-8)


def test_returns_of_five_days_each_are_annualised_as_weeks() -> None:
    weeks = EquityCurve(fixed(100), YEAR)
    for equity in (103, 101, 107, 106):
        weeks.close(fixed(equity), sessions=5)
    days = curve_of(100, 103, 101, 107, 106)
    assert (weeks.sessions, weeks.returns.count) == (20, 4)
    assert weeks.figures.sharpe == pytest.approx((days.figures.sharpe or 0) / math.sqrt(5), abs=1e-8)


def test_figures_have_at_most_nine_decimals() -> None:
    for figure in curve_of(100, 103, 101, 107, 106, repeat=9).figures:
        assert figure is not None
        assert figure == round(figure, 9)


def test_with_less_than_three_days_nothing_is_said() -> None:
    for curve in (curve_of(100), curve_of(100, 90), curve_of(100, 90, 110)):
        assert set(curve.figures) == {None}
    assert curve_of(100, 90, 110, 100).figures.sharpe is not None


def test_an_equity_that_never_moves_has_no_ratio() -> None:
    curve = curve_of(100, 100, repeat=40)
    assert (set(curve.figures), curve.max_drawdown) == ({None}, 0)


def test_an_equity_that_never_falls_has_a_sharpe_but_neither_sortino_nor_calmar() -> None:
    figures = curve_of(100, *range(101, 140)).figures
    assert curve_of(100, 101, 105, 106).figures.sharpe is not None
    assert (figures.sortino, figures.calmar) == (None, None)


def test_a_ratio_that_comes_of_returns_that_hardly_vary_is_none() -> None:
    """Eleven days that each lose all but the same: a ratio of minus 403 and more would be its own noise."""
    falling = curve_of(100_000, *(f"{100_000 * 0.999**day:.4f}" for day in range(1, 12)))
    assert falling.figures.sharpe is None
    assert falling.figures.probability is None
    assert (falling.figures.sortino or 0) > -100


def test_growth_that_no_ratio_can_hold_has_no_calmar() -> None:
    assert curve_of(100, 90, 150, *[150] * 30, 1_000_000).figures.calmar is None


def test_an_account_that_lost_everything_grows_by_minus_one() -> None:
    curve = curve_of(100, 50, *[50] * 29, 0)
    assert curve.figures.calmar == -1.0
    assert curve.max_drawdown == SCALE


def test_no_return_is_taken_on_an_equity_of_zero_or_below() -> None:
    curve = curve_of(100, -10, 50, 55)
    assert curve.returns.count == 2
    assert curve.max_drawdown == fixed("1.1")


def test_what_came_before_the_first_whole_day_makes_no_return() -> None:
    curve = EquityCurve(fixed(100), YEAR)
    curve.begin(fixed(150))
    for equity in (165, "148.5", "163.35"):
        curve.close(fixed(equity))
    assert curve.figures == curve_of(100, 110, 99, "108.9").figures


def test_a_mark_between_closes_counts_for_the_drawdown_alone() -> None:
    curve = curve_of(100, 110, 109, 111)
    before = curve.figures
    curve.mark(fixed("55.5"))
    curve.mark(fixed(220))
    curve.mark(fixed(176))
    assert curve.max_drawdown == fixed("0.5")
    assert (curve.sessions, curve.returns.count, curve.figures) == (3, 3, before)


def test_exposure_is_the_part_of_moments_with_a_position() -> None:
    curve = EquityCurve(fixed(100), YEAR)
    assert curve.exposure == 0
    for invested, times in ((True, 1), (False, 2), (True, 5)):
        curve.sample(fixed(100), times, invested=invested)
    assert curve.exposure == fixed("0.75")


def test_turnover_is_taken_on_the_average_sampled_equity() -> None:
    curve = EquityCurve(fixed(100), YEAR)
    assert curve.turnover(fixed(300)) == 3 * SCALE
    curve.sample(fixed(100))
    curve.sample(fixed(200), 3)
    assert curve.turnover(fixed(350)) == 2 * SCALE


def test_profits_over_next_to_no_loss_are_no_factor() -> None:
    trips = TradeStatistics()
    trips.add(fixed(100))
    trips.add(fixed(-1))
    assert trips.profit_factor == 100.0
    trips.add(fixed("0.01"))
    assert trips.profit_factor is None
    trips.add(fixed(-99))
    assert trips.profit_factor == round(100.01 / 100, 9)


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
