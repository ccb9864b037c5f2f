"""Spreads and impact estimated from bars, against spreads that are known and against sums done otherwise."""

import math
from statistics import fmean

import numpy as np
import pytest

from support.minute_bars import MINUTE, MinuteBar, points_of, sample_minutes
from titanflow.domain.types import SCALE, fixed
from titanflow.execution.simulation.impact import Activity, activity, square_root_impact
from titanflow.execution.simulation.spread import estimated_spread
from titanflow.execution.simulation.tape import PAIRS, Tape, Window

PRIOR = fixed("0.0002")
BASIS_POINT = 100_000


def window_of(bars: list[MinuteBar]) -> Window:
    tape = Tape(60)
    for bar in bars:
        for point in points_of(bar, "X"):
            tape.add_point(point)
    return tape.window


def spreads_on_the_way(bars: list[MinuteBar], increment: int = fixed("0.01")) -> list[float]:
    """The full spread as costs take it, in basis points, at each bar."""
    tape, found = Tape(60), []
    for bar in bars:
        for point in points_of(bar, "X"):
            tape.add_point(point)
        estimate = estimated_spread(tape.window, PRIOR)
        found.append(max(estimate, increment * SCALE // bar.close) / BASIS_POINT)
    return found


def walk(spread: float, volatility: float, *, trades: int, minutes: int, seed: int) -> list[MinuteBar]:
    """A seeded random walk around 100.00 in which each trade is at the bid or the ask."""
    random = np.random.default_rng(seed)
    bars, middle = [], math.log(100.0)
    for minute in range(minutes):
        prices = []
        for _ in range(trades):
            middle += random.normal(0, volatility / math.sqrt(trades))
            prices.append(round(math.exp(middle + random.choice((-0.5, 0.5)) * spread) * SCALE))
        bars.append(MinuteBar(minute * MINUTE, prices[0], max(prices), min(prices), prices[-1], SCALE))
    return bars


@pytest.mark.parametrize("trades", [5, 20, 60])
def test_a_known_spread_is_found_however_often_the_instrument_trades(trades: int) -> None:
    windows = [window_of(walk(0.0030, 0.0005, trades=trades, minutes=PAIRS + 2, seed=seed)) for seed in range(20)]
    found = [estimated_spread(window, PRIOR) / BASIS_POINT for window in windows]
    assert fmean(found) == pytest.approx(30, rel=0.1)
    assert min(found) > 18


def test_without_a_spread_hardly_one_is_found() -> None:
    windows = [window_of(walk(0.0, 0.0003, trades=60, minutes=PAIRS + 2, seed=seed)) for seed in range(20)]
    assert fmean(estimated_spread(window, PRIOR) / BASIS_POINT for window in windows) < 1.0


def test_where_bars_are_too_wild_to_tell_the_prior_stands() -> None:
    # Days that move by 2 %: the noise of any estimate is some fifty times the spread that is believed.
    window = window_of(walk(0.0001, 0.02, trades=400, minutes=PAIRS + 2, seed=3))
    assert estimated_spread(window, PRIOR) == pytest.approx(PRIOR, rel=0.1)


def test_before_thirty_pairs_the_prior_stands() -> None:
    bars = walk(0.0030, 0.0005, trades=20, minutes=32, seed=1)
    assert estimated_spread(window_of([]), PRIOR) == PRIOR
    assert estimated_spread(window_of(bars[:31]), PRIOR) == PRIOR
    assert estimated_spread(window_of(bars), PRIOR) != PRIOR


def test_an_instrument_that_stands_still_has_the_prior() -> None:
    still = [MinuteBar(n * MINUTE, 10**11, 10**11, 10**11, 10**11, 10**9) for n in range(40)]
    assert estimated_spread(window_of(still), PRIOR) == PRIOR


def test_the_estimate_is_the_formula_of_the_docs_in_other_arithmetic() -> None:
    bars = sample_minutes(["UGA", "AMT", "SPY"])
    for symbol, each in bars.items():
        kept = [bar for bar in each if bar.at < each[0].at + 390 * MINUTE]
        whole = {name: np.array([getattr(bar, name) for bar in kept], dtype=np.float64) for name in MinuteBar._fields}
        whole["middle"] = (whole["high"] + whole["low"]) / 2
        now, then = ({name: column[part] for name, column in whole.items()} for part in (slice(1, None), slice(-1)))
        by = then["close"] ** 2
        u = (now["middle"] - now["open"]) * (2 * now["open"] - then["middle"] - then["close"]) / by
        v = (then["close"] - then["middle"]) * (now["middle"] + now["open"] - 2 * then["close"]) / by
        moves = ~((now["high"] == now["low"]) & (now["low"] == then["close"]))
        n_u = moves * ((now["open"] != now["high"]).astype(int) + (now["open"] != now["low"]))
        n_v = moves * ((then["close"] != then["high"]).astype(int) + (then["close"] != then["low"]))
        near = np.diff(whole["at"]) <= 30 * MINUTE
        u, v, n_u, n_v = (x[near][:-1][-PAIRS:] for x in (u, v, n_u, n_v))  # the last bar is not complete
        each_one = -2 * (u / n_u.sum() + v / n_v.sum())
        squared = each_one.sum()
        variance = ((each_one - each_one.mean()) ** 2).sum()
        prior = 0.0002**2
        doubt = (16 * prior) ** 2 + (max(squared**2 - 9 * variance, 0.0) if squared > 0 else 0.0)
        believed = (squared / variance + prior / doubt) / (1 / variance + 1 / doubt)
        expected = math.sqrt(max(believed, 0.0))
        assert estimated_spread(window_of(kept), PRIOR) / SCALE == pytest.approx(expected, rel=1e-4, abs=1e-8), symbol


def test_on_recorded_shares_the_spread_is_near_the_real_one_and_wide_where_little_trades() -> None:
    # Quoted spreads of early 2019: SPY a cent of 273 dollars or little more, AAPL about 1 bp.
    bars = sample_minutes(["SPY", "AAPL", "QQQ", "PPLT", "UGA", "BAC"])
    means = {symbol: fmean(spreads_on_the_way(each)) for symbol, each in bars.items()}
    assert 0.37 <= means["SPY"] < 0.9
    assert 0.59 <= means["AAPL"] < 1.6
    assert 0.58 <= means["QQQ"] < 1.4
    assert means["BAC"] == pytest.approx(3.5, abs=0.1)  # a cent of 28.50 dollars
    assert means["PPLT"] > 2 * means["AAPL"]
    assert means["UGA"] > 3 * means["AAPL"]


def test_the_impact_of_a_hundredth_of_a_bars_volume_is_a_tenth_of_its_volatility() -> None:
    known = Activity(volatility=fixed("0.001"), volume=fixed("10000"))
    assert square_root_impact(known, fixed("100"), SCALE) == fixed("0.0001")
    assert square_root_impact(known, fixed("400"), SCALE) == fixed("0.0002")
    assert square_root_impact(known, fixed("100"), fixed("0.5")) == fixed("0.00005")


def test_impact_does_not_depend_on_the_length_of_the_bars() -> None:
    # Four times the time: four times the volume, twice the volatility.
    minute, longer = Activity(fixed("0.001"), fixed("10000")), Activity(fixed("0.002"), fixed("40000"))
    assert square_root_impact(minute, fixed("70"), SCALE) == pytest.approx(
        square_root_impact(longer, fixed("70"), SCALE), rel=1e-6
    )


def test_volatility_and_volume_are_the_windows_averages() -> None:
    closes = (100, 101, 100, 101, 100)
    bars = [
        MinuteBar(n * MINUTE, c * SCALE, c * SCALE, c * SCALE, c * SCALE, (n + 1) * SCALE) for n, c in enumerate(closes)
    ]
    known = activity(window_of(bars))
    assert known.volume == 3 * SCALE  # of the second to the fourth bar; the fifth is not complete
    assert known.volatility / SCALE == pytest.approx(math.sqrt((0.01**2 + (1 / 101) ** 2 + 0.01**2) / 3), abs=1e-9)


def test_nothing_known_means_no_impact() -> None:
    assert activity(Window()) == Activity(0, 0)
    assert square_root_impact(Activity(0, 0), fixed("100"), SCALE) == 0
