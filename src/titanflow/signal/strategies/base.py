"""What a strategy is: a small class with declared parameters that may hold an opinion after each bar or each tick."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from msgspec import Struct

from titanflow.domain.events import BarClosed, Context, Explanation, Features
from titanflow.domain.types import OrderType, Price, Quantity, Side, WithheldReason
from titanflow.signal.explain import confidence_of, explain_rule
from titanflow.signal.features import MarketFeatures

ParameterValue = int | float | str | bool


class ParameterSpec(NamedTuple):
    """One parameter: its type is that of `default`; numbers lie in [low, high], texts are one of `choices`."""

    name: str
    default: ParameterValue
    meaning: str
    low: float = 0
    high: float = 0
    choices: tuple[str, ...] = ()

    @property
    def expectation(self) -> str:
        """What a value must be, for people."""
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, str):
            return "one of " + ", ".join(self.choices)
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        return f"{kind} from {self.low:g} to {self.high:g}"

    def accepted(self, value: object) -> ParameterValue:
        """`value` as the parameter's type. Raises ValueError, with the expectation, where it does not fit."""
        default = self.default
        if isinstance(default, bool) or isinstance(value, bool):
            if isinstance(default, bool) and isinstance(value, bool):
                return value
        elif isinstance(default, str):
            if isinstance(value, str) and value in self.choices:
                return value
        elif isinstance(value, int if isinstance(default, int) else int | float) and self.low <= value <= self.high:
            return type(default)(value)
        raise ValueError(self.expectation)


class Opinion(Struct, frozen=True, gc=False):
    """What a strategy wants, how sure it is and why. `order_price` is the limit or stop price, 0 at the market."""

    side: Side
    confidence: float
    features: Features
    explanation: Explanation
    order_type: OrderType = OrderType.MARKET
    order_price: Price = 0
    closes_only: bool = False
    """Whether it only leaves a position, and never takes one the other way."""


class Withheld(Struct, frozen=True, gc=False):
    """What a strategy wanted and did not say, since a guard of its own forbade it; `context` holds the numbers."""

    side: Side
    reason: WithheldReason
    context: Context


class Strategy(ABC):
    """Watches one instrument for one contender. It is pure: what it says depends on nothing but what it was shown.

    BUY means "be long" (or close a short), SELL means "leave the long" (or go short where that is allowed). A strategy
    speaks when its opinion changes; it is not told what became of its signals.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    """Part of the model's hash: raise it whenever the same parameters would decide otherwise."""
    parameters: ClassVar[tuple[ParameterSpec, ...]] = ()

    def __init__(self, values: Mapping[str, ParameterValue], market: MarketFeatures) -> None:
        """`values` holds every declared parameter; `market` the features of the last closed bar, kept by the engine."""
        self.market = market

    @abstractmethod
    def on_bar(self, bar: BarClosed) -> Opinion | Withheld | None:
        """A bar of the contender's length closed; `market` already knows it."""

    def on_tick(self, price: Price, size: Quantity) -> Opinion | None:
        """A trade printed. Called for each tick, so be quick. Not overridden: the strategy decides on bars only."""
        return None

    @classmethod
    def decides_on_ticks(cls) -> bool:
        """Whether a contender may run it with `bar_seconds = 0`."""
        return cls.on_tick is not Strategy.on_tick

    @classmethod
    def warm_up(cls, values: Mapping[str, ParameterValue]) -> int:
        """Bars (or prices) that it must have seen before it can speak for the first time."""
        return 1

    @classmethod
    def complaint(cls, values: Mapping[str, ParameterValue]) -> str | None:
        """Why these parameters, each good by itself, do not fit together; None where they do."""
        return None

    def opinion(self, side: Side, contributions: Features, features: Features = ()) -> Opinion:
        """A market order to `side`, explained by signed contributions; its features are followed by the market's."""
        explanation = explain_rule(contributions)
        confidence = confidence_of(explanation.score, side)
        return Opinion(side, confidence, features + self.market.vector(), explanation)


def whole(values: Mapping[str, ParameterValue], name: str) -> int:
    """The whole-number parameter `name`, typed."""
    return int(values[name])


def number(values: Mapping[str, ParameterValue], name: str) -> float:
    """The numeric parameter `name`, typed."""
    return float(values[name])
