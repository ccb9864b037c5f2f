"""The signal decider: closes bars, asks every contender's strategy, and emits bars and signals.

One bar an instrument and length is emitted however many contenders watch it. Everything comes out in the order of
SessionStarted: by instrument, then by bar length, then by contender. A bar stands before the signals decided on it,
what a tick closes before the signals decided on that tick, and what drifted after all of them.
"""

from collections.abc import Mapping

import msgspec

from titanflow.domain.decider import NOTHING, Decisions, Handler
from titanflow.domain.events import (
    BarClosed,
    BarPointReceived,
    ClockAdvanced,
    Event,
    FeatureDriftMeasured,
    ModelReplaced,
    OffMarketPrintReceived,
    OperatorCommanded,
    Print,
    QuoteReceived,
    SessionEnded,
    SessionStarted,
    SignalGenerated,
    SignalWithheld,
    TickReceived,
)
from titanflow.domain.session_settings import ContenderSpec
from titanflow.domain.types import ContenderId, Nanos, OperatorAction
from titanflow.errors import ModelError
from titanflow.signal.drift import FeatureDrift
from titanflow.signal.model import NO_MODELS, Models
from titanflow.signal.strategies import LearnedModelStrategy
from titanflow.signal.watch import Lane, Supplies, lanes_of


class SignalEngine:
    """Folds the market into opinions; see the module's first lines for the order of what it emits."""

    name = "signal"
    emits: tuple[type[Event], ...] = (BarClosed, SignalGenerated, SignalWithheld, FeatureDriftMeasured, ModelReplaced)

    def __init__(self, models: Models = NO_MODELS) -> None:
        """`models` are all that the session records; one that it does without may be among them."""
        self._models = models
        self._learned: dict[ContenderId, ContenderSpec] = {}
        """The contenders that decide by a trained model, each with the one that it decides by now."""
        self._drifts: Mapping[ContenderId, FeatureDrift] = {}
        self._lanes: Mapping[str, Lane] = {}
        self._lengths: tuple[int, ...] = ()
        self._next_end: Nanos = 0
        """No open bar ends before this time."""

    @property
    def handlers(self) -> Mapping[type[Event], Handler]:
        """Event type -> handler. Its own bars and signals are folded when they are made, so they are not here."""
        return {
            SessionStarted: self.on_session_started,
            TickReceived: self.on_tick,
            BarPointReceived: self.on_tick,
            OffMarketPrintReceived: self.on_off_market_print,
            QuoteReceived: self.on_quote,
            ClockAdvanced: self.on_clock,
            OperatorCommanded: self.on_operator,
            SessionEnded: self.on_session_ended,
        }

    def on_session_started(self, seq: int, session: SessionStarted) -> Decisions:
        """Set up the contenders; one whose model could not be loaded stays silent, and its bars are not built.

        Raises ModelError for recorded models that are not at hand, InputError for a strategy that this version lacks.
        """
        competing = [spec for spec in session.contenders if not spec.fault]
        self._learned = {spec.id: spec for spec in competing if spec.strategy == LearnedModelStrategy.name}
        self._refuse_missing(session)
        self._drifts = {name: FeatureDrift(name, self._models[spec.model_hash]) for name, spec in self._learned.items()}
        self._lanes = lanes_of(
            [instrument.id for instrument in session.instruments],
            competing,
            Supplies(self._models, self._drifts, session.seed),
        )
        nanos = {series.builder.nanos: None for lane in self._lanes.values() for series in lane.series}
        self._lengths = tuple(nanos)
        self._next_end = 0
        return NOTHING

    def on_tick(self, seq: int, tick: Print) -> Decisions:
        """The hot path: a look-up, a bar or two, the strategies that decide on ticks; nothing is allocated."""
        lane = self._lanes.get(tick.instrument)
        if lane is None:
            return NOTHING
        decisions: tuple[Event, ...] = NOTHING
        for add, series in lane.adders:
            bar = add(seq, tick)
            if bar is not None:
                decisions += series.decide(bar)
        for on_tick, watcher in lane.tickers:
            opinion = on_tick(tick.price, tick.size)
            if opinion is not None:
                decisions += (watcher.said(seq, tick.at, tick.instrument, tick.price, opinion),)
        return decisions

    def on_off_market_print(self, seq: int, off_market: OffMarketPrintReceived) -> Decisions:
        """Volume of the open bars."""
        lane = self._lanes.get(off_market.instrument)
        if lane is not None:
            for series in lane.series:
                series.builder.add_volume(off_market)
        return NOTHING

    def on_quote(self, seq: int, quote: QuoteReceived) -> Decisions:
        """Spread of the open bars."""
        lane = self._lanes.get(quote.instrument)
        if lane is not None:
            for series in lane.series:
                series.spread.add(quote)
        return NOTHING

    def on_clock(self, seq: int, clock: ClockAdvanced) -> Decisions:
        """Close the bars whose end is reached. Bars end at multiples of their length, so most seconds end none."""
        at = clock.at
        if at < self._next_end or not self._lengths:
            return NOTHING
        self._next_end = min(at - at % nanos + nanos for nanos in self._lengths)
        decisions: tuple[Event, ...] = NOTHING
        for lane in self._lanes.values():
            for series in lane.series:
                bar = series.builder.close_due(seq, at)
                if bar is not None:
                    decisions += series.decide(bar)
        for drift in self._drifts.values():
            measured = drift.measured(seq, at)
            if measured is not None:
                decisions += (measured,)
        return decisions

    def on_operator(self, seq: int, command: OperatorCommanded) -> Decisions:
        """Put a contender's parent in the place of its model; without a parent to use there is nothing to decide."""
        spec = self._learned.get(command.contender)
        if command.action is not OperatorAction.USE_PARENT or spec is None or not spec.parent_hash:
            return NOTHING
        parent = self._models[spec.parent_hash]
        for lane in self._lanes.values():
            lane.use(spec.id, parent)
        self._drifts[spec.id].watch(parent)
        self._learned[spec.id] = msgspec.structs.replace(spec, model_hash=parent.digest, parent_hash="")
        return (ModelReplaced(seq, command.at, spec.id, parent.digest, spec.model_hash),)

    def on_session_ended(self, seq: int, ended: SessionEnded) -> Decisions:
        """Emit bars that are complete by now. No strategy is asked, as no order could follow; open bars are dropped."""
        bars = (series.builder.close_due(seq, ended.at) for lane in self._lanes.values() for series in lane.series)
        return tuple(bar for bar in bars if bar is not None)

    def _refuse_missing(self, session: SessionStarted) -> None:
        needed = {recorded.digest: recorded.manifest.name for recorded in session.models}
        for spec in self._learned.values():
            needed.setdefault(spec.model_hash, spec.id)
        missing = [f"{name} {digest}" for digest, name in needed.items() if digest not in self._models]
        if missing:
            raise ModelError(f"models that the session decides by are missing: {', '.join(missing)}")
