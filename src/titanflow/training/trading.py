"""What a model's probabilities would have earned: the stance rule of the live strategy, traded bar by bar after costs.

A decision at a bar's close is filled at the next bar's open. Every instrument has an equal part of the capital, all in
or all out; positions are closed with the trading day. Baselines trade by the same function.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from titanflow.domain.instruments import FeeSchedule, Instrument
from titanflow.domain.types import NANOS_PER_DAY, NANOS_PER_SECOND, SCALE
from titanflow.training.results import TradedCurve
from titanflow.training.samples import Rows, Samples
from titanflow.training.trading_costs import estimated_slippage

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]

SHARPE_DAYS = 5
"""Days with bars that an annualised Sharpe ratio needs at least: of fewer, it is a large number that says nothing."""


@dataclass(frozen=True)
class Market:
    """What trading costs, and how many bars a year has."""

    costs: tuple[float, ...]
    """Part of the price lost at each fill, of each of the samples' instruments."""
    bars_per_year: float


@dataclass(frozen=True)
class Stance:
    """When the strategy is long: from a probability at or above the first, until one at or below the second."""

    buy_above: float
    sell_below: float
    hold_bars: int
    """Sold after so many bars at the latest."""


def market_of(
    samples: Samples,
    instruments: Mapping[str, Instrument],
    bars_per_year: float,
    *,
    slippage: float | None = None,
    fee: float | None = None,
) -> Market:
    """Costs of the samples' instruments: slippage and `fee` as parts of the price (None: the instrument's own).

    A fee a unit counts as a part of the median close. A schedule's minimum is left out, for it depends on the size.
    """
    costs = []
    for index, name in enumerate(samples.instruments):
        worse = estimated_slippage(samples, index, instruments[name]) if slippage is None else slippage
        costs.append(worse + (_fee(samples, index, instruments[name].fees) if fee is None else fee))
    return Market(tuple(costs), bars_per_year)


def _fee(samples: Samples, index: int, fees: FeeSchedule) -> float:
    close = float(np.median(samples.close[samples.instrument == index]))
    return fees.notional_ratio / SCALE + fees.per_unit / SCALE / close


def long_while(probability: Floats, day: Integers, stance: Stance) -> Booleans:
    """Whether the strategy wants to be long after each bar's close; NaN is a bar at which it was not asked.

    It is flat again after the last bar of each day.
    """
    wanted = np.zeros(len(probability), dtype=np.bool_)
    long, held = False, 0
    ends = np.append(day[1:] != day[:-1], True)
    for place, (chance, ends_day) in enumerate(zip(probability.tolist(), ends.tolist(), strict=True)):
        if long:
            held += 1
            long = not (held >= stance.hold_bars or chance <= stance.sell_below)
        elif chance >= stance.buy_above:
            long, held = True, 0
        long = long and not ends_day
        wanted[place] = long
    return wanted


@dataclass(frozen=True)
class InstrumentRows:
    """All bars of one instrument over the time of a test block: its prices, whether or not the model scored them."""

    index: int
    rows: slice
    day: Integers


def rows_by_instrument(samples: Samples, test: Rows) -> Iterator[InstrumentRows]:
    """For each instrument with test rows: its bars from the first of them to the last."""
    for index in range(len(samples.instruments)):
        rows = test[samples.instrument[test] == index]
        if len(rows):
            span = slice(int(rows.min()), int(rows.max()) + 1)
            yield InstrumentRows(index, span, samples.segment[span])


def trade(samples: Samples, test: Rows, probability: Floats, stance: Stance, market: Market) -> TradedCurve:
    """Trade the probabilities of the test rows."""
    chance = np.full(len(samples.close), np.nan)
    chance[test] = probability
    return trade_each(samples, test, market, lambda one: long_while(chance[one.rows], one.day, stance))


def trade_each(
    samples: Samples,
    test: Rows,
    market: Market,
    wants: Callable[[InstrumentRows], Booleans],
    *,
    overnight: bool = False,
) -> TradedCurve:
    """Trade what `wants` says for each instrument: long after each of its closes or not.

    `overnight` holds positions from one day to the next.
    """
    curves: list[tuple[Integers, Floats]] = []
    trades = 0
    for one in rows_by_instrument(samples, test):
        day = np.zeros_like(one.day) if overnight else one.day
        growth, bought = grown(samples, one.rows, day, wants(one), market.costs[one.index])
        equity: Floats = np.multiply.accumulate(growth)
        curves.append((samples.closed_at[one.rows], equity))
        trades += bought
    return curve_of(*_together(curves, samples.bar_seconds * NANOS_PER_SECOND), trades, market.bars_per_year)


def grown(samples: Samples, rows: slice, day: Integers, wanted: Booleans, cost: float) -> tuple[Floats, int]:
    """The factor by which the capital grew over each bar, and the number of round trips.

    What is wanted after a close holds from the next open on; at the last close of a day everything is sold.
    """
    first, close = samples.open[rows], samples.close[rows]
    same_day = np.append(False, day[1:] == day[:-1])
    held = np.append(False, wanted[:-1]) & same_day
    held_before = np.append(False, held[:-1]) & same_day
    ends_day = np.append(~same_day[1:], True)
    before = np.append(close[:1], close[:-1])
    growth = np.ones(len(close))
    bought, kept, sold = held & ~held_before, held & held_before, ~held & held_before
    growth[bought] = close[bought] / (first[bought] * (1.0 + cost))
    growth[kept] = close[kept] / before[kept]
    growth[sold] = first[sold] / before[sold] * (1.0 - cost)
    growth[held & ends_day] *= 1.0 - cost
    return growth, int(bought.sum())


def curve_of(at: Integers, equity: Floats, trades: int, bars_per_year: float) -> TradedCurve:
    """A curve with its statistics: annualised Sharpe ratio of its bars' returns (Sharpe 1994) and largest fall.

    `at` are the bars' ends, nanoseconds UTC. Fewer than SHARPE_DAYS days (UTC) of them have no Sharpe ratio.
    """
    returns = equity[1:] / equity[:-1] - 1.0
    deviation = float(np.std(returns, ddof=1)) if len(returns) > 1 else 0.0
    days = len(np.unique((at - 1) // NANOS_PER_DAY))  # a bar that ends at midnight is of the day before
    tells = days >= SHARPE_DAYS and deviation > 1e-15
    sharpe = float(np.mean(returns)) / deviation * sqrt(bars_per_year) if tells else None
    falls = 1.0 - equity / np.maximum.accumulate(equity) if len(equity) else np.zeros(1)
    total = float(equity[-1]) - 1.0 if len(equity) else 0.0
    return TradedCurve(at, equity, sharpe, float(falls.max()), total, trades)


def _together(curves: list[tuple[Integers, Floats]], nanos: int) -> tuple[Integers, Floats]:
    """The mean of the instruments' curves at the end of every bar that one of them has; each begins at 1."""
    if not curves:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    ends = [at - at % nanos for at, _ in curves]
    at = np.unique(np.concatenate(ends))
    equity = np.zeros(len(at))
    for own, (_, curve) in zip(ends, curves, strict=True):
        place = np.searchsorted(own, at, side="right") - 1
        equity += np.where(place >= 0, curve[np.maximum(place, 0)], 1.0)
    return at, equity / len(curves)
