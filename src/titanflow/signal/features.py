"""What every strategy may know of a market besides its own indicators: features of one instrument's bars of one length.

They are computed once a bar however many contenders watch, and appear in each signal, so that it can be understood
later. A feature that is not known yet (too few bars) is absent, never zero.
"""

from titanflow.domain.events import BarClosed, Features
from titanflow.domain.types import SCALE, Price
from titanflow.signal.indicators import (
    AverageTrueRange,
    BollingerBands,
    MovingAverageConvergenceDivergence,
    RelativeStrengthIndex,
    ZScore,
)

FEATURE_MEANINGS: dict[str, str] = {
    "return": "Change of the close since the bar before, as a part of that close.",
    "rsi": "Relative strength index of 14 bars, 0 to 100.",
    "macd_histogram": "MACD 12/26 less its average of 9 bars, dollars.",
    "bollinger_percent_b": "Place of the close in the Bollinger band (20 bars, 2 deviations): 0 lower, 1 upper edge.",
    "bollinger_width": "Width of that band in percent of its middle.",
    "atr": "Average true range of 14 bars, dollars.",
    "volume_zscore": "Standard deviations of the bar's volume from the mean of the last 20 bars.",
}
"""Name of each feature, in the order of the vector, and what it says."""


class MarketFeatures:
    """Indicators of the last closed bar; strategies read them, only the engine updates them."""

    __slots__ = ("_change", "_last_close", "_rsi", "_vector", "atr", "atr_price", "bollinger", "macd", "rsi", "volume")

    def __init__(self) -> None:
        self.rsi: float | None = None
        self.macd = MovingAverageConvergenceDivergence()
        self.bollinger = BollingerBands()
        self.atr = AverageTrueRange()
        self.volume = ZScore()
        self._rsi = RelativeStrengthIndex()
        self._last_close: Price = 0
        self._change: float | None = None
        self._vector: Features | None = ()
        self.atr_price: Price = 0
        """Average true range in 1e-9 dollar, rounded half to even; 0 while unknown."""

    def update(self, bar: BarClosed) -> None:
        """Fold a closed bar in."""
        close = bar.close
        if self._last_close:
            self._change = (close - self._last_close) / self._last_close
        self._last_close = close
        self.rsi = self._rsi.update(close)
        self.macd.update(close)
        self.bollinger.update(close)
        self.atr_price = round(self.atr.update(bar.high, bar.low, close) or 0)
        self.volume.update(bar.volume)
        self._vector = None

    def vector(self) -> Features:
        """(name, value) of every feature known, in the order of FEATURE_MEANINGS; made once a bar, when first asked."""
        if self._vector is None:
            self._vector = self._known()
        return self._vector

    def _known(self) -> Features:
        values = (
            self._change,
            self.rsi,
            _dollars(self.macd.histogram),
            self.bollinger.percent_b,
            self.bollinger.width,
            _dollars(self.atr.value),
            self.volume.value,
        )
        return tuple((name, value) for name, value in zip(FEATURE_MEANINGS, values, strict=True) if value is not None)


def _dollars(units: float | None) -> float | None:
    return None if units is None else units / SCALE
