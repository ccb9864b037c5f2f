"""Who watches what: the bars, features and strategies of one instrument. Which events they answer is in `engine`."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from titanflow.domain.events import BarClosed, Event, SignalGenerated, TickReceived
from titanflow.domain.session_settings import ContenderSpec
from titanflow.domain.types import InstrumentId, Nanos, Price, Quantity
from titanflow.errors import InputError
from titanflow.signal.bars import BarBuilder, BarSpread
from titanflow.signal.features import MarketFeatures
from titanflow.signal.strategies import STRATEGIES, Opinion, Strategy

TICK_CONTEXT_SECONDS = 60
"""A contender that decides on ticks takes features and average true range from bars of this length."""


class Watcher(NamedTuple):
    """One contender's strategy on one instrument, with the features that it reads."""

    contender: ContenderSpec
    market: MarketFeatures
    strategy: Strategy

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
            atr=self.market.atr_price,
            order_type=opinion.order_type,
            order_price=opinion.order_price,
            features=opinion.features,
            explanation=opinion.explanation,
            model_hash=self.contender.model_hash,
        )


class Series:
    """The bars of one instrument and length, their features, and the contenders that decide on them."""

    __slots__ = ("builder", "market", "spread", "watchers")

    def __init__(self, instrument: InstrumentId, seconds: int) -> None:
        self.builder = BarBuilder(instrument, seconds)
        self.spread = BarSpread(seconds)
        self.market = MarketFeatures()
        self.watchers: list[Watcher] = []

    def decide(self, bar: BarClosed) -> tuple[Event, ...]:
        """The bar and the signals decided on it."""
        self.market.update(bar, self.spread.of(bar.opened_at))
        decisions: list[Event] = [bar]
        for watcher in self.watchers:
            opinion = watcher.strategy.on_bar(bar)
            if opinion is not None:
                decisions.append(watcher.signal(bar.cause, bar.at, bar.instrument, bar.close, opinion))
        return tuple(decisions)


class Lane:
    """Everything that the events of one instrument go through. Bound methods are looked up once, not at every tick."""

    __slots__ = ("adders", "instrument", "series", "tickers")

    def __init__(self, instrument: InstrumentId) -> None:
        self.instrument = instrument
        self.series: list[Series] = []
        """In the order in which contenders first name their lengths."""
        self.adders: list[tuple[Callable[[int, TickReceived], BarClosed | None], Series]] = []
        """Of each series, what folds a tick into its open bar."""
        self.tickers: list[tuple[Callable[[Price, Quantity], Opinion | None], Watcher]] = []
        """Of each contender that decides on ticks, what it is asked at each."""

    def admit(self, contender: ContenderSpec) -> None:
        """Let a contender watch this instrument."""
        series = self._series_of(contender.bar_seconds or TICK_CONTEXT_SECONDS)
        watcher = Watcher(contender, series.market, _new_strategy(contender, series.market))
        if contender.bar_seconds:
            series.watchers.append(watcher)
        else:
            self.tickers.append((watcher.strategy.on_tick, watcher))

    def _series_of(self, seconds: int) -> Series:
        for series in self.series:
            if series.builder.seconds == seconds:
                return series
        series = Series(self.instrument, seconds)
        self.series.append(series)
        self.adders.append((series.builder.add, series))
        return series


def _new_strategy(contender: ContenderSpec, market: MarketFeatures) -> Strategy:
    strategy: type[Strategy] | None = STRATEGIES.get(contender.strategy)
    if strategy is None:
        raise InputError(
            f"contender {contender.id}: this version has no strategy {contender.strategy!r}; "
            f"it has {', '.join(STRATEGIES)}"
        )
    values = {spec.name: spec.default for spec in strategy.parameters} | dict(contender.parameters)
    return strategy(values, market)


def lanes_of(instruments: tuple[InstrumentId, ...], contenders: tuple[ContenderSpec, ...]) -> Mapping[str, Lane]:
    """A lane for each instrument that some contender watches, in the order of `instruments`."""
    lanes: dict[InstrumentId, Lane] = {}
    for instrument in instruments:
        for contender in contenders:
            if instrument in contender.instruments:
                lanes.setdefault(instrument, Lane(instrument)).admit(contender)
    return lanes
