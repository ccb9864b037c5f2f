"""What a model must beat: doing nothing, holding everything, and the crossing of two moving averages."""

import numpy as np
from numpy.typing import NDArray

from titanflow.training.results import TradedCurve
from titanflow.training.samples import Rows, Samples
from titanflow.training.trading import InstrumentRows, Market, trade_each

FAST_BARS, SLOW_BARS = 10, 30
"""The windows of the SMACrossover contender."""

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]


def baselines(samples: Samples, test: Rows, market: Market) -> dict[str, TradedCurve]:
    """Each baseline over the time of the test rows, with the same costs."""

    def flat(one: InstrumentRows) -> Booleans:
        return np.zeros(len(one.day), dtype=np.bool_)

    def held(one: InstrumentRows) -> Booleans:
        return np.ones(len(one.day), dtype=np.bool_)

    def crossover(one: InstrumentRows) -> Booleans:
        begins = int(np.searchsorted(samples.instrument, one.index))
        close = samples.close[begins : one.rows.stop]
        above = moving_average(close, FAST_BARS) > moving_average(close, SLOW_BARS)
        return since_crossing(above, one.day, one.rows.start - begins)

    return {
        "flat": trade_each(samples, test, market, flat),
        "buy_and_hold": trade_each(samples, test, market, held, overnight=True),
        "sma_crossover": trade_each(samples, test, market, crossover),
    }


def since_crossing(above: Booleans, day: NDArray[np.int64], start: int) -> Booleans:
    """Long from a crossing upwards to the one downwards or the end of the day, for the bars from `start` on."""
    crossed = (above & ~np.append(above[:1], above[:-1]))[start:]
    new_day = np.append(True, day[1:] != day[:-1])
    changes = crossed | ~above[start:] | new_day
    last_change = np.maximum.accumulate(np.where(changes, np.arange(len(day)), 0))
    ends_day = np.append(new_day[1:], True)
    wanted: Booleans = crossed[last_change] & ~ends_day
    return wanted


def moving_average(values: Floats, bars: int) -> Floats:
    """Mean of the last `bars` values, the newest among them; NaN where there are fewer."""
    mean = np.full(len(values), np.nan)
    if len(values) >= bars:
        mean[bars - 1 :] = np.lib.stride_tricks.sliding_window_view(values, bars).mean(axis=1)
    return mean
