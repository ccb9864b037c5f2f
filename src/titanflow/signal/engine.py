"""The signal decider: closes bars, asks every contender's strategy, and emits bars and signals.

One bar an instrument and length is emitted however many contenders watch it. Everything comes out in the order of
SessionStarted: by instrument, then by bar length, then by contender. A bar stands before the signals decided on it,
what a tick closes before the signals decided on that tick, and what drifted after all of them. Who fails says so last.
"""

from collections.abc import Mapping

import msgspec

from titanflow.domain.decider import NOTHING, Decisions, Handler
from titanflow.domain.events import (
    BarClosed,
    BarPointReceived,
    ClockAdvanced,
    ContenderSetAside,
    ContenderTimedOut,
    CorporateActionApplied,
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
from titanflow.domain.types import (
    NANOS_PER_SECOND,
    ContenderId,
    CorporateActionKind,
    InstrumentId,
    Nanos,
    OperatorAction,
    SetAsideReason,
)
from titanflow.errors import ModelError
from titanflow.signal.asking import NOBODY_TIMED_OUT, Asking, CallStopped, TimedOut
from titanflow.signal.drift import FeatureDrift
from titanflow.signal.model import NO_MODELS, Models
from titanflow.signal.strategies import LearnedModelStrategy
from titanflow.signal.watch import Lane, Supplies, failed, lanes_of, strategy_of

NEVER = 1 << 63
"""A seq that no ledger reaches, and a time that none does."""


class SignalEngine:
    """Folds the market into opinions; see the module's first lines for the order of what it emits."""

    name = "signal"
    emits: tuple[type[Event], ...] = (
        BarClosed,
        SignalGenerated,
        SignalWithheld,
        FeatureDriftMeasured,
        ModelReplaced,
        ContenderSetAside,
    )

    def __init__(self, models: Models = NO_MODELS, timed_out: TimedOut = NOBODY_TIMED_OUT) -> None:
        """`models` are all that the session records; one that it does without may be among them.

        `timed_out` comes from ahead: a ContenderTimedOut stands behind the event from which on nobody asks it.
        """
        self._models = models
        self._timed_out = dict(timed_out)
        self._next_timed_out = min(self._timed_out.values(), default=NEVER)
        self.asking = Asking()
        """Whom it asks at this moment."""
        self._contenders: frozenset[ContenderId] = frozenset()
        self._set_aside: set[ContenderId] = set()
        """Who was said to be set aside."""
        self._learned: dict[ContenderId, ContenderSpec] = {}
        """The contenders that decide by a trained model, each with the one that it decides by now."""
        self._drifts: dict[ContenderId, FeatureDrift] = {}
        self._lanes: Mapping[InstrumentId, Lane] = {}
        self._next_end: Nanos = NEVER
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
            CorporateActionApplied: self.on_corporate_action,
            OperatorCommanded: self.on_operator,
            ContenderTimedOut: self.on_timed_out,
            SessionEnded: self.on_session_ended,
        }

    def on_session_started(self, seq: int, session: SessionStarted) -> Decisions:
        """Set up the contenders; one whose model could not be loaded stays silent, and its bars are not built.

        Raises ModelError for recorded models that are not at hand, InputError for a strategy that this version lacks.
        """
        self._contenders = frozenset(spec.id for spec in session.contenders)
        at_once = {contender for contender, at_seq in self._timed_out.items() if at_seq <= seq}
        competing = [spec for spec in session.contenders if not spec.fault and spec.id not in at_once]
        self._learned = {spec.id: spec for spec in competing if spec.strategy == LearnedModelStrategy.name}
        self._refuse_missing(session)
        self._drifts = {name: FeatureDrift(name, self._models[spec.model_hash]) for name, spec in self._learned.items()}
        self._lanes = lanes_of(session, competing)
        supplies = Supplies(self._models, self._drifts, session.seed)
        decisions = [failure for spec in competing if (failure := self._admit(seq, session.at, spec, supplies))]
        self._next_end = NEVER
        return decisions

    def on_tick(self, seq: int, tick: Print) -> Decisions:
        """The hot path: a look-up, a bar or two, the strategies that decide on ticks; nothing is allocated."""
        lane = self._lanes.get(tick.instrument)
        if lane is None:
            return NOTHING
        if seq >= self._next_timed_out:
            self._dismiss_timed_out(seq)
        decisions: tuple[Event, ...] = NOTHING
        at = tick.at
        for fold, builder, series in lane.adders:
            if at < builder.ends_at:
                fold(tick)
                continue
            bar = builder.turn(seq, tick)
            if 0 < builder.ends_at < self._next_end:
                self._next_end = builder.ends_at
            if bar is not None:
                decisions += series.decide(self.asking, bar)
        for watcher in lane.tickers:
            said = watcher.on_tick(self.asking, seq, tick)
            if said is not None:
                decisions += (said,)
        return self._noting_failures(decisions) if decisions else NOTHING

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
        """Close the bars whose end is reached; most seconds end none."""
        at = clock.at
        if at < self._next_end:
            return NOTHING
        if seq >= self._next_timed_out:
            self._dismiss_timed_out(seq)
        decisions: tuple[Event, ...] = NOTHING
        for lane in self._lanes.values():
            for series in lane.series:
                bar = series.builder.close_due(seq, at)
                if bar is not None:
                    decisions += self._noting_failures(series.decide(self.asking, bar))
        builders = (series.builder for lane in self._lanes.values() for series in lane.series)
        self._next_end = min((builder.ends_at for builder in builders if builder.ends_at), default=NEVER)
        for drift in self._drifts.values():
            measured = drift.measured(seq, at)
            if measured is not None:
                decisions += (measured,)
        return decisions

    def on_corporate_action(self, seq: int, action: CorporateActionApplied) -> Decisions:
        """Features and strategies go on in the shares of before a split, as if it had never been."""
        lane = self._lanes.get(action.instrument)
        if lane is not None and action.kind is CorporateActionKind.SPLIT:
            for series in lane.series:
                series.split(action.new, action.old)
        return NOTHING

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

    def on_timed_out(self, seq: int, late: ContenderTimedOut) -> Decisions:
        """Say once that it is set aside; it was not asked any more since the event at which it took too long."""
        if late.contender in self._set_aside or late.contender not in self._contenders:
            return NOTHING
        detail = f"one call used more than {late.cpu_nanos / NANOS_PER_SECOND:g} s of CPU time, at seq {late.seq}"
        self._dismiss(late.contender)
        return (ContenderSetAside(seq, late.at, late.contender, "", SetAsideReason.TIMED_OUT, detail),)

    def on_session_ended(self, seq: int, ended: SessionEnded) -> Decisions:
        """Emit bars that are complete by now. No strategy is asked, as no order could follow; open bars are dropped."""
        bars = (series.builder.close_due(seq, ended.at) for lane in self._lanes.values() for series in lane.series)
        return tuple(bar for bar in bars if bar is not None)

    def _admit(self, seq: int, at: Nanos, contender: ContenderSpec, supplies: Supplies) -> ContenderSetAside | None:
        """Let a contender watch its instruments; if its strategy cannot be made, it watches none."""
        strategy_of(contender)
        for instrument, lane in self._lanes.items():
            if instrument in contender.instruments:
                self.asking.begin(contender.id, seq)
                try:
                    lane.admit(contender, supplies)
                except (KeyboardInterrupt, CallStopped):
                    raise
                except BaseException as error:  # noqa: BLE001 - whatever a contender raises is its own fault alone
                    self._dismiss(contender.id)
                    return failed(seq, at, contender.id, instrument, error)
                finally:
                    self.asking.end()
        return None

    def _noting_failures(self, decisions: tuple[Event, ...]) -> tuple[Event, ...]:
        """The decisions as they are; who failed among them is asked no more."""
        for decision in decisions:
            if type(decision) is ContenderSetAside:
                self._dismiss(decision.contender)
        return decisions

    def _dismiss(self, contender: ContenderId) -> None:
        self._set_aside.add(contender)
        self._stop_asking(contender)

    def _dismiss_timed_out(self, seq: int) -> None:
        """Ask no more who will be recorded as having taken too long at this event, or before it."""
        late = [contender for contender, at_seq in self._timed_out.items() if at_seq <= seq]
        for contender in late:
            del self._timed_out[contender]
            self._stop_asking(contender)
        self._next_timed_out = min(self._timed_out.values(), default=NEVER)

    def _stop_asking(self, contender: ContenderId) -> None:
        self._learned.pop(contender, None)
        self._drifts.pop(contender, None)
        for lane in self._lanes.values():
            lane.dismiss(contender)

    def _refuse_missing(self, session: SessionStarted) -> None:
        needed = {recorded.digest: recorded.manifest.name for recorded in session.models}
        for spec in self._learned.values():
            needed.setdefault(spec.model_hash, spec.id)
        missing = [f"{name} {digest}" for digest, name in needed.items() if digest not in self._models]
        if missing:
            raise ModelError(f"models that the session decides by are missing: {', '.join(missing)}")
