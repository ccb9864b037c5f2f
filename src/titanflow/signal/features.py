"""What every strategy may know of a market besides its own indicators: features of one instrument's bars of one length.

They are scale-free, so that one model may learn from many instruments, and computed when first asked for, once a bar
however many contenders watch. A feature that is not known yet (too few bars, no quotes) is absent, never zero.
"""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import fsum, sqrt
from operator import itemgetter

from titanflow.domain.events import BarClosed, Features
from titanflow.domain.types import NANOS_PER_SECOND, Price
from titanflow.errors import InputError
from titanflow.signal.indicators import (
    AverageTrueRange,
    BollingerBands,
    MovingAverageConvergenceDivergence,
    RelativeStrengthIndex,
    ZScore,
)
from titanflow.signal.price_basis import PriceBasis
from titanflow.signal.time_of_day import point_of_day

RETURN_BARS = (1, 5, 15, 30)
VOLATILITY_BARS = (10, 30)
WARM_UP_BARS = 33
"""Bars before the first that knows all features but the spread."""

FEATURE_MEANINGS: dict[str, str] = {
    **{
        f"return_{n}": f"Change of the close over {n} bar{'s' if n > 1 else ''}, as a part of the older one."
        for n in RETURN_BARS
    },
    **{
        f"volatility_{n}": f"Root mean square of the last {n} changes of the close over one bar."
        for n in VOLATILITY_BARS
    },
    "rsi": "Relative strength index of 14 bars, 0 to 100.",
    "macd_line": "Exponential average of 12 closes less that of 26, part of the close.",
    "macd_signal": "Exponential average of nine of those differences, part of the close.",
    "macd_histogram": "The difference less its average, part of the close.",
    "bollinger_percent_b": "Place of the close in the Bollinger band (20 bars, 2 deviations): 0 lower, 1 upper edge.",
    "bollinger_width": "Width of that band in percent of its middle.",
    "atr": "Average true range of 14 bars, part of the close.",
    "volume_zscore": "Standard deviations of the bar's volume from the mean of the last 20 bars.",
    "time_sin": "Sine of the time of the UTC day at which the bar ends: a turn a day, 0 at midnight.",
    "time_cos": "Cosine of that time, 1 at midnight.",
    "spread": "Mean of ask less bid over their middle, of the bar's quotes; of the last before it where it has none.",
}
"""Name of each feature, in the order of the vector, and what it says."""

Values = tuple[float | None, ...]
"""Every feature in the order of FEATURE_MEANINGS; None where it is not known."""
Reader = Callable[[], tuple[float, ...] | None]


class MarketFeatures:
    """Indicators of the last closed bar; strategies read them, only the engine updates them."""

    __slots__ = (
        "_bar",
        "_closes",
        "_readers",
        "_rsi",
        "_spread",
        "_values",
        "atr",
        "atr_price",
        "basis",
        "bollinger",
        "macd",
        "rsi",
        "volume",
    )

    def __init__(self) -> None:
        self.basis = PriceBasis()
        """In which shares the bars are told that it is updated with."""
        self.rsi: float | None = None
        self.macd = MovingAverageConvergenceDivergence()
        self.bollinger = BollingerBands()
        self.atr = AverageTrueRange()
        self.volume = ZScore()
        self._rsi = RelativeStrengthIndex()
        self._closes: deque[Price] = deque(maxlen=1 + max(*RETURN_BARS, *VOLATILITY_BARS))
        self._bar: BarClosed | None = None
        self._spread: float | None = None
        self._values: Values | None = None
        self._readers: dict[tuple[str, ...], Reader] = {}
        self.atr_price: Price = 0
        """Average true range in 1e-9 dollar, rounded half to even; 0 while unknown."""

    def update(self, bar: BarClosed, spread: float | None = None) -> None:
        """Fold a closed bar in; `spread` is the mean relative spread of its quotes, None where there are none."""
        close = bar.close
        self._closes.append(close)
        self.rsi = self._rsi.update(close)
        self.macd.update(close)
        self.bollinger.update(close)
        self.atr_price = round(self.atr.update(bar.high, bar.low, close) or 0)
        self.volume.update(bar.volume)
        self._bar = bar
        self._spread = spread
        self._values = None

    def vector(self) -> Features:
        """(name, value) of every feature known, in the order of FEATURE_MEANINGS."""
        pairs = zip(FEATURE_MEANINGS, self.values(), strict=True)
        return tuple((name, value) for name, value in pairs if value is not None)

    def values(self) -> Values:
        """Every feature of the last bar, known or not."""
        if self._values is None:
            self._values = self._computed()
        return self._values

    def reader(self, names: Sequence[str]) -> Reader:
        """What gives the features of these names after each bar, in this order; None while one of them is unknown.

        Whoever reads the same names is given the very same row. Raises InputError for a name that is not in
        FEATURE_MEANINGS.
        """
        known = self._readers.get(tuple(names))
        return known or self._readers.setdefault(tuple(names), self._new_reader(names))

    def _new_reader(self, names: Sequence[str]) -> Reader:
        pick = itemgetter(*map(_place_of, names), slice(0))  # the empty slice: one name alone also gives a tuple
        seen: Values | None = None
        row: tuple[float, ...] | None = None

        def read() -> tuple[float, ...] | None:
            nonlocal seen, row
            values = self.values()
            if values is not seen:
                picked = pick(values)[:-1]
                seen, row = values, None if None in picked else picked
            return row

        return read

    def _computed(self) -> Values:
        bar = self._bar
        if bar is None:
            return (None,) * len(FEATURE_MEANINGS)
        close, macd, bands = bar.close, self.macd, self.bollinger
        return (
            *_changes(self._closes),
            *_volatilities(self._closes),
            self.rsi,
            _part(macd.line, close),
            _part(macd.signal, close),
            _part(macd.histogram, close),
            bands.percent_b,
            bands.width,
            _part(self.atr.value, close),
            self.volume.value,
            *point_of_day(bar.ends_at or bar.opened_at + bar.seconds * NANOS_PER_SECOND),
            self._spread,
        )


def _place_of(name: str) -> int:
    if name not in FEATURE_MEANINGS:
        raise InputError(f"no feature is called {name!r}; there are {', '.join(FEATURE_MEANINGS)}")
    return tuple(FEATURE_MEANINGS).index(name)


def _part(units: float | None, close: Price) -> float | None:
    return None if units is None else units / close


def _changes(closes: Sequence[Price]) -> Values:
    close = closes[-1]
    return tuple((close - closes[-1 - n]) / closes[-1 - n] if n < len(closes) else None for n in RETURN_BARS)


def _volatilities(closes: Sequence[Price]) -> Values:
    changes = [(close - before) / before for before, close in pairwise(closes)]
    squares = [change * change for change in changes]
    # `fsum` rounds once, whatever the order: the same on every machine, and nothing drifts.
    return tuple(sqrt(fsum(squares[-n:]) / n) if n <= len(squares) else None for n in VOLATILITY_BARS)
