"""Trend following: buy when the fast simple moving average rises above the slow one, sell when it falls below."""

from collections.abc import Mapping
from typing import ClassVar

from titanflow.domain.events import BarClosed
from titanflow.domain.types import SCALE, Price, Quantity, Side
from titanflow.signal.explain import clamped
from titanflow.signal.features import MarketFeatures
from titanflow.signal.strategies.base import Opinion, ParameterSpec, ParameterValue, Strategy, whole

MOMENTUM_WEIGHT = 0.5
"""Weight of the distance from the slow mean, in average true ranges and at most one of them."""
VOLUME_WEIGHT = 0.1
"""Weight of the volume's z-score, at most three: a crossing on high volume counts more, on low volume less."""


class SMACrossover(Strategy):
    """Speaks at the crossing only, and never at the first comparison, which crosses nothing.

    Only the sign of fast mean minus slow mean matters. Times both window lengths it is an integer (`_gap`) that each
    price updates exactly, so nothing is rounded and nothing is allocated until the strategy speaks.
    """

    name = "SMACrossover"
    parameters: ClassVar[tuple[ParameterSpec, ...]] = (
        ParameterSpec("fast", 10, "Prices in the fast average.", 1, 5_000),
        ParameterSpec("slow", 30, "Prices in the slow average; more than in the fast one.", 2, 10_000),
    )

    def __init__(self, values: Mapping[str, ParameterValue], market: MarketFeatures) -> None:
        super().__init__(values, market)
        self._fast = whole(values, "fast")
        self._slow = whole(values, "slow")
        self._prices = [0] * self._slow
        self._index = 0
        self._gap = 0
        self._above: bool | None = None

    @classmethod
    def warm_up(cls, values: Mapping[str, ParameterValue]) -> int:
        """The slow window is full, and one price later the means may have crossed."""
        return whole(values, "slow") + 1

    @classmethod
    def complaint(cls, values: Mapping[str, ParameterValue]) -> str | None:
        """The fast window must be the shorter one."""
        fast, slow = whole(values, "fast"), whole(values, "slow")
        return None if fast < slow else f"fast = {fast} must be less than slow = {slow}"

    def on_bar(self, bar: BarClosed) -> Opinion | None:
        """Decide on the close."""
        return self.on_tick(bar.close, bar.volume)

    def on_tick(self, price: Price, size: Quantity) -> Opinion | None:
        """Decide on the price of a trade."""
        prices = self._prices
        index = self._index
        fast = self._fast
        slow = self._slow
        # A negative index wraps: prices[index - fast] leaves the fast window as prices[index] leaves the slow one.
        gap = self._gap + slow * (price - prices[index - fast]) - fast * (price - prices[index])
        self._gap = gap
        prices[index] = price
        index += 1
        self._index = index if index < slow else 0
        if gap > 0:
            return None if self._above else self._turned(price, True)
        if gap < 0:
            return self._turned(price, False) if self._above is not False else None
        return None

    def _turned(self, price: Price, above: bool) -> Opinion | None:
        """The fast mean lies on a side where it was not last seen: a crossing, unless nothing was compared before."""
        if not self._prices[self._index]:
            return None  # the slot to be written next is empty: fewer prices than the slow window were seen
        crossed = self._above is not None
        self._above = above
        return self._opinion(price, Side.BUY if above else Side.SELL) if crossed else None

    def _opinion(self, price: Price, side: Side) -> Opinion:
        slow_mean = sum(self._prices) / self._slow
        fast_mean = slow_mean + self._gap / (self._slow * self._fast)
        atr, volume = self.market.atr.value, self.market.volume.value
        momentum = clamped((price - slow_mean) / atr, 1.0) if atr else 0.0
        emphasis = clamped(volume, 3.0) if volume is not None else 0.0
        return self.opinion(
            side,
            contributions=(
                ("crossing", float(side.sign)),
                ("momentum", MOMENTUM_WEIGHT * momentum),
                ("volume_zscore", VOLUME_WEIGHT * side.sign * emphasis),
            ),
            features=(
                ("sma_fast", fast_mean / SCALE),
                ("sma_slow", slow_mean / SCALE),
                ("momentum", momentum),
            ),
        )
