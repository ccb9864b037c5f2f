"""Who watches what: the bars, features and strategies of one instrument. Which events they answer is in `engine`."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from titanflow.domain.events import BarClosed, Event, SignalGenerated, TickReceived
from titanflow.domain.session_settings import ContenderSpec
from titanflow.domain.types import InstrumentId, Nanos, Price, Quantity
from titanflow.errors import InputError
from titanflow.signal.bars import BarBuilder
from titanflow.signal.features import MarketFeatures
from titanflow.signal.strategies import STRATEGIES, Opinion, Strategy

TICK_CONTEXT_SECONDS = 60
"""A contender that decides on ticks takes features and average true range from bars of this length."""


class Watcher(NamedTuple):
    """One contender's strategy on one instrument. The bound methods are looked up once, not at every tick."""

    contender: ContenderSpec
    market: MarketFeatures
    on_bar: Callable[[BarClosed], Opinion | None]
    on_tick: Callable[[Price, Quantity], Opinion | None]

    def signal(self, cause: int, at: Nanos, instrument: InstrumentId, price: Price, opinion: Opinion) -> Event:
        """The opinion as an event."""
        return SignalGenerated(
            cause=cause,
            at=at,
            contender=self.contender.id,
            instrument=instrument,
            side=opinion.side,
            confidence=opinion.confidence,
            price=price,
            atr=self.market.atr_price(),
            order_type=opinion.order_type,
            order_price=opinion.order_price,
            features=opinion.features,
            explanation=opinion.explanation,
            model_hash=self.contender.model_hash,
        )


class Series:
    """The bars of one instrument and length, their features, and the contenders that decide on them."""

    __slots__ = ("add", "builder", "market", "watchers")

    def __init__(self, instrument: InstrumentId, seconds: int) -> None:
        self.builder = BarBuilder(instrument, seconds)
        self.add: Callable[[int, TickReceived], BarClosed | None] = self.builder.add
        self.market = MarketFeatures()
        self.watchers: list[Watcher] = []

    def decide(self, bar: BarClosed) -> tuple[Event, ...]:
        """The bar and the signals decided on it."""
        self.market.update(bar)
        decisions: list[Event] = [bar]
        for watcher in self.watchers:
            opinion = watcher.on_bar(bar)
            if opinion is not None:
                decisions.append(watcher.signal(bar.cause, bar.at, bar.instrument, bar.close, opinion))
        return tuple(decisions)


class Lane:
    """Everything that the events of one instrument go through."""

    __slots__ = ("instrument", "series", "tickers")

    def __init__(self, instrument: InstrumentId) -> None:
        self.instrument = instrument
        self.series: list[Series] = []
        """In the order in which contenders first name their lengths."""
        self.tickers: list[Watcher] = []

    def admit(self, contender: ContenderSpec) -> None:
        """Let a contender watch this instrument."""
        series = self._series_of(contender.bar_seconds or TICK_CONTEXT_SECONDS)
        strategy = _new_strategy(contender, series.market)
        watcher = Watcher(contender, series.market, strategy.on_bar, strategy.on_tick)
        (series.watchers if contender.bar_seconds else self.tickers).append(watcher)

    def _series_of(self, seconds: int) -> Series:
        for series in self.series:
            if series.builder.seconds == seconds:
                return series
        self.series.append(Series(self.instrument, seconds))
        return self.series[-1]


def _new_strategy(contender: ContenderSpec, market: MarketFeatures) -> Strategy:
    strategy: type[Strategy] | None = STRATEGIES.get(contender.strategy)
    if strategy is None:
        raise InputError(
            f"contender {contender.id}: this version has no strategy {contender.strategy!r}; "
            f"it has {', '.join(STRATEGIES)}"
        )
    return strategy(dict(contender.parameters), market)


def lanes_of(instruments: tuple[InstrumentId, ...], contenders: tuple[ContenderSpec, ...]) -> Mapping[str, Lane]:
    """A lane for each instrument that some contender watches, in the order of `instruments`."""
    lanes: dict[InstrumentId, Lane] = {}
    for instrument in instruments:
        for contender in contenders:
            if instrument in contender.instruments:
                lanes.setdefault(instrument, Lane(instrument)).admit(contender)
    return lanes
