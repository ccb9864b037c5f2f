"""Rules that fail in every way that a contender of a person's own may: registered for a test, or for a process."""

from collections.abc import Mapping
from typing import ClassVar

from titanflow.domain.events import BarClosed
from titanflow.domain.types import Price, Quantity, Side
from titanflow.signal.features import MarketFeatures
from titanflow.signal.strategies import STRATEGIES, Opinion, ParameterSpec, Strategy
from titanflow.signal.strategies.base import ParameterValue, whole

WAYS = (
    "raises", "exits", "nan_confidence", "inf_contribution", "nan_feature", "no_opinion", "wide_int", "loops",
    "swallows",
)  # fmt: skip
"""What it does: `swallows` loops and catches every exception that it can."""


class BadRule(Strategy):
    """Buys at its first bar on every instrument, and misbehaves at its bar number `at`."""

    name = "BadRule"
    parameters: ClassVar[tuple[ParameterSpec, ...]] = (
        ParameterSpec("at", 3, "Bar at which it misbehaves; 0: while it is made.", 0, 100_000),
        ParameterSpec("way", "raises", "How.", choices=WAYS),
        ParameterSpec("buy_at", 1, "Bar at which it buys.", 1, 100_000),
    )

    def __init__(self, values: Mapping[str, ParameterValue], market: MarketFeatures) -> None:
        super().__init__(values, market)
        self._at = whole(values, "at")
        self._buy_at = whole(values, "buy_at")
        self._way = str(values["way"])
        self._bars = 0
        if not self._at:
            self._misbehave()

    def on_bar(self, bar: BarClosed) -> Opinion | None:
        return self.on_tick(bar.close, bar.volume)

    def on_tick(self, price: Price, size: Quantity) -> Opinion | None:
        self._bars += 1
        if self._bars == self._at:
            return self._misbehave()
        return self.opinion(Side.BUY, (("eager", 9.0),)) if self._bars == self._buy_at else None

    def _misbehave(self) -> Opinion | None:
        match self._way:
            case "raises":
                raise ValueError(f"{object()} of /home/ada/secret/rules.py\ncannot be read")
            case "exits":
                raise SystemExit(3)
            case "nan_confidence":
                sound = self.opinion(Side.BUY, (("eager", 9.0),))
                return Opinion(Side.BUY, float("nan"), sound.features, sound.explanation)
            case "inf_contribution":
                return self.opinion(Side.BUY, (("eager", float("inf")),))
            case "nan_feature":
                return self.opinion(Side.BUY, (("eager", 9.0),), features=(("odd", float("nan")),))
            case "no_opinion":
                return "BUY"  # type: ignore[return-value]
            case "wide_int":
                return self.opinion(Side.BUY, (("eager", 9.0),), features=(("odd", 1 << 70),))
            case "loops":
                while True:
                    self._bars += 1
            case "swallows":
                while True:
                    try:
                        self._bars += 1
                    except BaseException:  # noqa: BLE001 - as bad as it can be
                        continue
        return None


def register() -> None:
    """Make the rule known to this process, to contenders files and to the signal decider."""
    STRATEGIES[BadRule.name] = BadRule
