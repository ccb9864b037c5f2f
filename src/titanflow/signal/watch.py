"""Who watches what: the bars, features and strategies of one instrument. Which events they answer is in `engine`."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from titanflow.domain.events import BarClosed, Event, Print, SignalGenerated, SignalWithheld
from titanflow.domain.session_settings import ContenderSpec
from titanflow.domain.types import ContenderId, InstrumentId, Nanos, Price, Quantity
from titanflow.errors import InputError
from titanflow.signal.bars import BarBuilder, BarSpread
from titanflow.signal.drift import FeatureDrift
from titanflow.signal.features import MarketFeatures
from titanflow.signal.model import NO_MODELS, LearnedModel, Models
from titanflow.signal.strategies import STRATEGIES, LearnedModelStrategy, Opinion, Strategy, Withheld

TICK_CONTEXT_SECONDS = 60
"""A contender that decides on ticks takes features and average true range from bars of this length."""


class Supplies(NamedTuple):
    """What strategies that run a trained model are given."""

    models: Models = NO_MODELS
    drifts: Mapping[ContenderId, FeatureDrift] = {}
    seed: int = 0
    """The session's."""


class Watcher(NamedTuple):
    """One contender's strategy on one instrument, with the features that it reads."""

    contender: ContenderSpec
    market: MarketFeatures
    strategy: Strategy

    def said(self, cause: int, at: Nanos, instrument: InstrumentId, price: Price, opinion: Opinion | Withheld) -> Event:
        """The opinion as an event, or that it was withheld."""
        contender = self.contender
        if isinstance(opinion, Withheld):
            return SignalWithheld(
                cause=cause,
                at=at,
                contender=contender.id,
                instrument=instrument,
                side=opinion.side,
                reason=opinion.reason,
                context=opinion.context,
                model_hash=contender.model_hash,
            )
        return SignalGenerated(
            cause=cause,
            at=at,
            contender=contender.id,
            instrument=instrument,
            side=opinion.side,
            confidence=opinion.confidence,
            price=price,
            atr=self.market.atr_price,
            order_type=opinion.order_type,
            order_price=opinion.order_price,
            features=opinion.features,
            explanation=opinion.explanation,
            model_hash=contender.model_hash,
            closes_only=opinion.closes_only,
        )

    def using(self, model: LearnedModel) -> "Watcher":
        """The same contender, deciding by another model from now on."""
        if isinstance(self.strategy, LearnedModelStrategy):
            self.strategy.use(model)
        return self._replace(contender=msgspec.structs.replace(self.contender, model_hash=model.digest))


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
                decisions.append(watcher.said(bar.cause, bar.at, bar.instrument, bar.close, opinion))
        return tuple(decisions)


class Lane:
    """Everything that the events of one instrument go through. Bound methods are looked up once, not at every tick."""

    __slots__ = ("adders", "instrument", "series", "tickers")

    def __init__(self, instrument: InstrumentId) -> None:
        self.instrument = instrument
        self.series: list[Series] = []
        """In the order in which contenders first name their lengths."""
        self.adders: list[tuple[Callable[[int, Print], BarClosed | None], Series]] = []
        """Of each series, what folds a tick into its open bar."""
        self.tickers: list[tuple[Callable[[Price, Quantity], Opinion | None], Watcher]] = []
        """Of each contender that decides on ticks, what it is asked at each."""

    def admit(self, contender: ContenderSpec, supplies: Supplies) -> None:
        """Let a contender watch this instrument."""
        series = self._series_of(contender.bar_seconds or TICK_CONTEXT_SECONDS)
        watcher = Watcher(contender, series.market, _new_strategy(contender, series.market, supplies))
        if contender.bar_seconds:
            series.watchers.append(watcher)
        else:
            self.tickers.append((watcher.strategy.on_tick, watcher))

    def use(self, contender: ContenderId, model: LearnedModel) -> None:
        """Put another model in the place of the one that this contender decided by."""
        for series in self.series:
            series.watchers = [
                watcher.using(model) if watcher.contender.id == contender else watcher for watcher in series.watchers
            ]

    def _series_of(self, seconds: int) -> Series:
        for series in self.series:
            if series.builder.seconds == seconds:
                return series
        series = Series(self.instrument, seconds)
        self.series.append(series)
        self.adders.append((series.builder.add, series))
        return series


def _new_strategy(contender: ContenderSpec, market: MarketFeatures, supplies: Supplies) -> Strategy:
    strategy: type[Strategy] | None = STRATEGIES.get(contender.strategy)
    if strategy is None:
        raise InputError(
            f"contender {contender.id}: this version has no strategy {contender.strategy!r}; "
            f"it has {', '.join(STRATEGIES)}"
        )
    values = {spec.name: spec.default for spec in strategy.parameters} | dict(contender.parameters)
    if issubclass(strategy, LearnedModelStrategy):
        model, drift = supplies.models[contender.model_hash], supplies.drifts[contender.id]
        return strategy(values, market, model, contender.id, supplies.seed, drift)
    return strategy(values, market)


def lanes_of(
    instruments: Sequence[InstrumentId], contenders: Sequence[ContenderSpec], supplies: Supplies
) -> Mapping[str, Lane]:
    """A lane for each instrument that some contender watches, in the order of `instruments`."""
    lanes: dict[InstrumentId, Lane] = {}
    for instrument in instruments:
        for contender in contenders:
            if instrument in contender.instruments:
                lanes.setdefault(instrument, Lane(instrument)).admit(contender, supplies)
    return lanes
