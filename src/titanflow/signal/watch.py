"""Who watches what: the bars, features and strategies of one instrument. Which events they answer is in `engine`."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from titanflow.domain.events import (
    BarClosed,
    ContenderSetAside,
    Event,
    Print,
    SessionStarted,
    SignalGenerated,
    SignalWithheld,
)
from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.session_settings import ContenderSpec
from titanflow.domain.types import ContenderId, InstrumentId, Nanos, Price
from titanflow.errors import InputError
from titanflow.signal.asking import Asking, CallStopped, check_opinion, failure
from titanflow.signal.bars import BarBuilder, BarSpread
from titanflow.signal.drift import FeatureDrift
from titanflow.signal.features import MarketFeatures
from titanflow.signal.intervals import decided_on
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

    def on_bar(self, asking: Asking, bar: BarClosed) -> Event | None:
        """Ask it at a bar's close: its signal, that it was withheld, or that it failed."""
        asking.begin(self.contender.id, bar.cause)
        try:
            opinion = self.strategy.on_bar(self.market.basis.bar(bar))
            if opinion is None:
                return None
            check_opinion(opinion)
        except (KeyboardInterrupt, CallStopped):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a contender raises is its own fault alone
            return failed(bar.cause, bar.at, self.contender.id, bar.instrument, error)
        finally:
            asking.end()
        return self.said(bar.cause, bar.at, bar.instrument, bar.close, opinion)

    def on_tick(self, asking: Asking, seq: int, tick: Print) -> Event | None:
        """The same at a tick."""
        asking.begin(self.contender.id, seq)
        try:
            opinion = self.strategy.on_tick(*self.market.basis.tick(tick.price, tick.size))
            if opinion is None:
                return None
            check_opinion(opinion)
        except (KeyboardInterrupt, CallStopped):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a contender raises is its own fault alone
            return failed(seq, tick.at, self.contender.id, tick.instrument, error)
        finally:
            asking.end()
        return self.said(seq, tick.at, tick.instrument, tick.price, opinion)

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
            atr=self.market.basis.today(self.market.atr_price),
            order_type=opinion.order_type,
            order_price=self.market.basis.today(opinion.order_price),
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

    def __init__(self, instrument: InstrumentId, seconds: int, calendar: TradingCalendar | None, tape: int) -> None:
        self.builder = BarBuilder(instrument, seconds, calendar, tape)
        self.spread = BarSpread(seconds, calendar)
        self.market = MarketFeatures()
        self.watchers: list[Watcher] = []

    def split(self, new: int, old: int) -> None:
        """The shares were split: the open bar is told in the new ones, the features go on in the old ones."""
        self.builder.split(new, old)
        self.market.basis.split(new, old)

    def decide(self, asking: Asking, bar: BarClosed) -> tuple[Event, ...]:
        """The bar and the signals decided on it."""
        self.market.update(self.market.basis.bar(bar), self.spread.of(bar.opened_at))
        decisions: list[Event] = [bar]
        for watcher in self.watchers:
            said = watcher.on_bar(asking, bar)
            if said is not None:
                decisions.append(said)
        return tuple(decisions)


class Lane:
    """Everything that the events of one instrument go through. Bound methods are looked up once, not at every tick."""

    __slots__ = ("_calendar", "adders", "instrument", "series", "tape_seconds", "tickers")

    def __init__(
        self, instrument: InstrumentId, calendar: TradingCalendar | None = None, tape_seconds: int = 0
    ) -> None:
        self.instrument = instrument
        self._calendar = calendar
        self.tape_seconds = tape_seconds
        """Length of the tape's own bars of it; 0 for trades."""
        self.series: list[Series] = []
        """In the order in which contenders first name their lengths."""
        self.adders: list[tuple[Callable[[Print], None], BarBuilder, Series]] = []
        """Of each series, what folds a print into its open bar."""
        self.tickers: list[Watcher] = []
        """The contenders that decide on ticks."""

    def admit(self, contender: ContenderSpec, supplies: Supplies) -> None:
        """Let a contender watch this instrument. Raises whatever its strategy raises when it is made."""
        seconds = decided_on(contender.bar_seconds, self.tape_seconds)
        series = self._series_of(seconds or TICK_CONTEXT_SECONDS)
        watcher = Watcher(contender, series.market, _new_strategy(contender, series.market, supplies))
        if seconds:
            series.watchers.append(watcher)
        else:
            self.tickers.append(watcher)

    def dismiss(self, contender: ContenderId) -> None:
        """Ask this contender no more; the bars that it watched are still made, as others may read them."""
        self.tickers = [watcher for watcher in self.tickers if watcher.contender.id != contender]
        for series in self.series:
            series.watchers = [watcher for watcher in series.watchers if watcher.contender.id != contender]

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
        series = Series(self.instrument, seconds, self._calendar, self.tape_seconds)
        self.series.append(series)
        self.adders.append((series.builder.fold, series.builder, series))
        return series


def strategy_of(contender: ContenderSpec) -> type[Strategy]:
    """The class of a contender's strategy. Raises InputError for one that this version lacks."""
    strategy: type[Strategy] | None = STRATEGIES.get(contender.strategy)
    if strategy is None:
        raise InputError(
            f"contender {contender.id}: this version has no strategy {contender.strategy!r}; "
            f"it has {', '.join(STRATEGIES)}"
        )
    return strategy


def _new_strategy(contender: ContenderSpec, market: MarketFeatures, supplies: Supplies) -> Strategy:
    strategy = strategy_of(contender)
    values = {spec.name: spec.default for spec in strategy.parameters} | dict(contender.parameters)
    if issubclass(strategy, LearnedModelStrategy):
        model, drift = supplies.models[contender.model_hash], supplies.drifts[contender.id]
        return strategy(values, market, model, contender.id, supplies.seed, drift)
    return strategy(values, market)


def lanes_of(session: SessionStarted, contenders: Sequence[ContenderSpec]) -> dict[InstrumentId, Lane]:
    """An empty lane for each instrument that some contender watches, in the order of the session's instruments."""
    watched = {instrument for contender in contenders for instrument in contender.instruments}
    calendars = {calendar.id: calendar for calendar in session.calendars}
    tape_seconds = dict(session.feed.bars)
    return {
        each.id: Lane(each.id, calendars.get(each.calendar), tape_seconds.get(each.id, 0))
        for each in session.instruments
        if each.id in watched
    }


def failed(
    cause: int, at: Nanos, contender: ContenderId, instrument: InstrumentId, error: BaseException
) -> ContenderSetAside:
    """What is decided of a contender that raised this."""
    reason, detail = failure(error)
    return ContenderSetAside(cause, at, contender, instrument, reason, detail)
