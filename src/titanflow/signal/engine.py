"""The signal decider: closes bars, asks every contender's strategy, and emits bars and signals.

One bar an instrument and length is emitted however many contenders watch it. Everything comes out in the order of
SessionStarted: by instrument, then by bar length, then by contender. A bar stands before the signals decided on it, and
what a tick closes stands before the signals decided on that tick.
"""

from collections.abc import Mapping

from titanflow.domain.decider import NOTHING, Decisions, Handler
from titanflow.domain.events import (
    BarClosed,
    ClockAdvanced,
    Event,
    FeatureDriftMeasured,
    ModelReplaced,
    OffMarketPrintReceived,
    QuoteReceived,
    SessionEnded,
    SessionStarted,
    SignalGenerated,
    SignalWithheld,
    TickReceived,
)
from titanflow.domain.types import Nanos
from titanflow.signal.watch import Lane, lanes_of


class SignalEngine:
    """Folds the market into opinions; see the module's first lines for the order of what it emits."""

    name = "signal"
    emits: tuple[type[Event], ...] = (BarClosed, SignalGenerated, SignalWithheld, FeatureDriftMeasured, ModelReplaced)

    def __init__(self) -> None:
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
            OffMarketPrintReceived: self.on_off_market_print,
            QuoteReceived: self.on_quote,
            ClockAdvanced: self.on_clock,
            SessionEnded: self.on_session_ended,
        }

    def on_session_started(self, seq: int, session: SessionStarted) -> Decisions:
        """Set up the contenders. Raises InputError for a strategy that this version does not have."""
        self._lanes = lanes_of(tuple(instrument.id for instrument in session.instruments), session.contenders)
        nanos = {series.builder.nanos: None for lane in self._lanes.values() for series in lane.series}
        self._lengths = tuple(nanos)
        self._next_end = 0
        return NOTHING

    def on_tick(self, seq: int, tick: TickReceived) -> Decisions:
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
                decisions += (watcher.signal(seq, tick.at, tick.instrument, tick.price, opinion),)
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
        return decisions

    def on_session_ended(self, seq: int, ended: SessionEnded) -> Decisions:
        """Emit bars that are complete by now. No strategy is asked, as no order could follow; open bars are dropped."""
        bars = (series.builder.close_due(seq, ended.at) for lane in self._lanes.values() for series in lane.series)
        return tuple(bar for bar in bars if bar is not None)
