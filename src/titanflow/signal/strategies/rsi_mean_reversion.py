"""Mean reversion: buy what has fallen too far too fast by its relative strength index, sell what has risen so."""

from collections.abc import Mapping
from typing import ClassVar

from titanflow.domain.events import BarClosed, Features
from titanflow.domain.types import Price, Quantity, Side
from titanflow.signal.explain import clamped
from titanflow.signal.features import MarketFeatures
from titanflow.signal.indicators import RelativeStrengthIndex
from titanflow.signal.strategies.base import Opinion, ParameterSpec, ParameterValue, Strategy, number, whole

NEUTRAL = 50.0
BAND_WEIGHT = 0.5
"""Weight of the distance from the middle of the Bollinger band, in widths of the band and at most one of them."""


class RSIMeanReversion(Strategy):
    """Speaks when RSI enters the oversold (buy) or overbought (sell) zone, or with `trigger = "leave"` when it leaves.

    The further RSI went, the surer it is; a close outside the Bollinger band makes it surer still. A price that has
    never moved has no RSI to speak of.
    """

    name = "RSIMeanReversion"
    parameters: ClassVar[tuple[ParameterSpec, ...]] = (
        ParameterSpec("period", 14, "Prices in the relative strength index.", 2, 1_000),
        ParameterSpec("oversold", 30.0, "At or below this RSI the instrument is oversold.", 1.0, 49.0),
        ParameterSpec("overbought", 70.0, "At or above this RSI the instrument is overbought.", 51.0, 99.0),
        ParameterSpec("trigger", "enter", "Speak on entering a zone or on leaving it.", choices=("enter", "leave")),
    )

    def __init__(self, values: Mapping[str, ParameterValue], market: MarketFeatures) -> None:
        super().__init__(values, market)
        self._oversold = number(values, "oversold")
        self._overbought = number(values, "overbought")
        self._on_leaving = values["trigger"] == "leave"
        self._rsi = RelativeStrengthIndex(whole(values, "period"))
        self._zone: Side | None = None
        """The side that the zone calls for; None between the zones."""
        self._extreme = NEUTRAL
        """RSI furthest from neutral since the zone was entered: how far things went too far."""

    @classmethod
    def warm_up(cls, values: Mapping[str, ParameterValue]) -> int:
        """The first RSI needs so many prices; a zone can be left one price after it was entered."""
        return whole(values, "period") + (values["trigger"] == "leave")

    def on_bar(self, bar: BarClosed) -> Opinion | None:
        """Decide on the close."""
        return self.on_tick(bar.close, bar.volume)

    def on_tick(self, price: Price, size: Quantity) -> Opinion | None:
        """Decide on the price of a trade."""
        rsi = self._rsi.update(price)
        if rsi is None or not self._rsi.moved:
            return None
        before = self._zone
        zone = Side.BUY if rsi <= self._oversold else Side.SELL if rsi >= self._overbought else None
        if zone is before:
            if zone is not None and abs(rsi - NEUTRAL) > abs(self._extreme - NEUTRAL):
                self._extreme = rsi
            return None
        return self._turned(rsi, before, zone)

    def _turned(self, rsi: float, before: Side | None, zone: Side | None) -> Opinion | None:
        extreme = self._extreme
        self._zone, self._extreme = zone, rsi
        if self._on_leaving:
            return None if before is None else self._opinion(rsi, extreme, before)
        return None if zone is None else self._opinion(rsi, rsi, zone)

    def _opinion(self, rsi: float, extreme: float, side: Side) -> Opinion:
        reach = NEUTRAL - self._oversold if side is Side.BUY else self._overbought - NEUTRAL
        contributions: Features = (("rsi_extreme", (NEUTRAL - extreme) / reach),)
        percent_b = self.market.bollinger.percent_b
        if percent_b is not None:
            contributions += (("bollinger_percent_b", BAND_WEIGHT * clamped(0.5 - percent_b, 1.0)),)
        return self.opinion(side, contributions, features=(("rsi_of_period", rsi), ("rsi_extreme", extreme)))
