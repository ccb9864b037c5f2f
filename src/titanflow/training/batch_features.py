"""The features of `titanflow.signal.features` over all bars at once, by `ta`, pandas and numpy: what models learn from.

Written apart from the live code, so that each proves the other: equal to 1e-9, and known in the same rows. Every
function takes the bars of one instrument (see BAR_COLUMNS), oldest first, and gives one value a bar, NaN where unknown.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from ta.momentum import RSIIndicator
from ta.trend import MACD

from titanflow.domain.types import NANOS_PER_DAY, SCALE
from titanflow.errors import InputError

BAR_COLUMNS = ("ends_at", "open", "high", "low", "close", "volume", "spread")
"""Columns that the bars must have: the end of each (its opening plus its length) in nanoseconds UTC, prices in dollars,
volume in units, and the mean relative spread of its quotes, NaN without any."""

BatchFeature = Callable[[pd.DataFrame], pd.Series]

_BAND_BARS = 20
_ATR_BARS = 14


def _change(bars: int) -> BatchFeature:
    return lambda frame: frame["close"].diff(bars) / frame["close"].shift(bars)


def _volatility(bars: int) -> BatchFeature:
    def root_mean_square(frame: pd.DataFrame) -> pd.Series:
        return _over_windows(_change(1)(frame) ** 2, bars, lambda windows: np.sqrt(windows.mean(axis=1)))

    return root_mean_square


def _rsi(frame: pd.DataFrame) -> pd.Series:
    return RSIIndicator(frame["close"], 14).rsi()


def _macd_line(frame: pd.DataFrame) -> pd.Series:
    return MACD(frame["close"]).macd() / frame["close"]


def _macd_signal(frame: pd.DataFrame) -> pd.Series:
    return MACD(frame["close"]).macd_signal() / frame["close"]


def _macd_histogram(frame: pd.DataFrame) -> pd.Series:
    return MACD(frame["close"]).macd_diff() / frame["close"]


def _bollinger_percent_b(frame: pd.DataFrame) -> pd.Series:
    distance, deviation = _against_window(frame["close"], _BAND_BARS)
    half = 2.0 * deviation
    return (distance + half) / (2.0 * half.where(half > 0.0))


def _bollinger_width(frame: pd.DataFrame) -> pd.Series:
    distance, deviation = _against_window(frame["close"], _BAND_BARS)
    return 400.0 * deviation / (frame["close"] - distance)


def average_true_range(frame: pd.DataFrame) -> pd.Series:
    """Wilder's ATR of 14 bars in dollars: the mean of the first 14 true ranges, then smoothed by 1/14 a bar.

    `ta` gives the same, 0 while unknown, in a loop of Python that a long tape is too long for.
    """
    before = frame["close"].shift(1)
    ranges = frame["high"].combine(before, np.fmax) - frame["low"].combine(before, np.fmin)
    first = ranges.iloc[:_ATR_BARS].mean() if len(ranges) >= _ATR_BARS else np.nan
    smoothed = ranges.iloc[_ATR_BARS - 1 :].copy()
    smoothed.iloc[:1] = first
    return smoothed.ewm(alpha=1.0 / _ATR_BARS, adjust=False).mean().reindex(frame.index)


def _atr(frame: pd.DataFrame) -> pd.Series:
    return average_true_range(frame) / frame["close"]


def _volume_zscore(frame: pd.DataFrame) -> pd.Series:
    distance, deviation = _against_window(frame["volume"], _BAND_BARS)
    return (distance / deviation.where(deviation > 0.0)).mask(deviation == 0.0, 0.0)


def _angle(frame: pd.DataFrame) -> pd.Series:
    return 2.0 * np.pi * ((frame["ends_at"] % NANOS_PER_DAY) / NANOS_PER_DAY)


BATCH_FEATURES: dict[str, BatchFeature] = {
    **{f"return_{bars}": _change(bars) for bars in (1, 5, 15, 30)},
    **{f"volatility_{bars}": _volatility(bars) for bars in (10, 30)},
    "rsi": _rsi,
    "macd_line": _macd_line,
    "macd_signal": _macd_signal,
    "macd_histogram": _macd_histogram,
    "bollinger_percent_b": _bollinger_percent_b,
    "bollinger_width": _bollinger_width,
    "atr": _atr,
    "volume_zscore": _volume_zscore,
    "time_sin": lambda frame: np.sin(_angle(frame)),
    "time_cos": lambda frame: np.cos(_angle(frame)),
    "spread": lambda frame: frame["spread"],
}
"""Name -> what computes the feature."""


def batch_features(bars: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """A column of floats for each name, a row for each bar of one instrument, NaN where a feature is not known.

    Raises InputError for a name that is not in BATCH_FEATURES or a column of BAR_COLUMNS that is missing.
    """
    for name in names:
        if name not in BATCH_FEATURES:
            raise InputError(f"no feature is called {name!r}; there are {', '.join(BATCH_FEATURES)}")
    missing = [column for column in BAR_COLUMNS if column not in bars.columns]
    if missing:
        raise InputError(f"the bars have no column {', '.join(missing)}; features need {', '.join(BAR_COLUMNS)}")
    return pd.DataFrame({name: BATCH_FEATURES[name](bars).astype(float) for name in names}, index=bars.index)


def _against_window(series: pd.Series, bars: int) -> tuple[pd.Series, pd.Series]:
    """Distance of each value from the mean of the last `bars`, and their population deviation, 0 where all are equal.

    Taken from whole 1e-9 units relative to the newest value: decimal prices as floats would blur a narrow window.
    """
    units = np.rint(series * SCALE)
    distance = _over_windows(units, bars, lambda windows: -(windows - windows[:, -1:]).mean(axis=1))
    deviation = _over_windows(units, bars, lambda windows: (windows - windows[:, -1:]).std(axis=1))
    return distance / SCALE, deviation / SCALE


def _over_windows(
    series: pd.Series, bars: int, measure: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> pd.Series:
    """`measure` of each full window, summed anew.

    pandas (and so `ta`) slides sums along in floats, which loses digits for good after one large value.
    """
    values = series.to_numpy(dtype=np.float64)
    measured = np.full(len(values), np.nan)
    if len(values) >= bars:
        measured[bars - 1 :] = measure(np.lib.stride_tricks.sliding_window_view(values, bars))
    return pd.Series(measured, index=series.index)
