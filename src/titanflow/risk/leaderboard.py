"""The leaderboard keeper: folds fills, ticks and verdicts into standings and publishes them. It decides no trade.

Standings come out every `publish_seconds` of event time, after each fill and when the session ends. Ratios are taken
from the equity at the close of each trading day, exposure and average equity every `sample_seconds` of open time. Both
begin when a contender can trade, and neither depends on which seconds of a silence the clock announces.
"""

from collections.abc import Iterable, Mapping

from titanflow.domain.corporate_actions import adjust_mark
from titanflow.domain.decider import NOTHING, Decisions, Handler
from titanflow.domain.events import (
    BarPointReceived,
    BorrowCharged,
    ClockAdvanced,
    ContenderSetAside,
    CorporateActionApplied,
    Event,
    KillSwitchTripped,
    LeaderboardPublished,
    ModelReplaced,
    OrderFilled,
    RiskCommandIssued,
    SessionEnded,
    SessionStarted,
    Standing,
    TickReceived,
)
from titanflow.domain.instruments import Instrument, factors_of
from titanflow.domain.models import RecordedModel
from titanflow.domain.portfolio import Portfolio
from titanflow.domain.session_settings import ContenderSpec
from titanflow.domain.types import (
    NANOS_PER_SECOND,
    ContenderId,
    InstrumentId,
    Money,
    Nanos,
    Price,
    RiskCommand,
    TradingStatus,
)
from titanflow.risk.first_chance import first_chance
from titanflow.risk.leaderboard_book import Book
from titanflow.risk.performance import EquityCurve
from titanflow.risk.trading_days import Day, OpenMoments, Period, TradingDays

FAULTY = "faulty"
"""Stage of a contender whose model could not be loaded: it has a book and never trades."""


class Timer:
    """Comes due at whole multiples of its step; a jump over several makes it due once."""

    __slots__ = ("_next", "_step")

    def __init__(self, seconds: int) -> None:
        self._step = seconds * NANOS_PER_SECOND
        self._next: Nanos = 0

    def due(self, at: Nanos) -> bool:
        """Whether the moment `at` is the first in its period to ask; asking again in it gives no."""
        if at < self._next:
            return False
        self._next = at - at % self._step + self._step
        return True


class LeaderboardKeeper:
    """Decider that owns LeaderboardPublished."""

    name = "leaderboard"
    emits: tuple[type[Event], ...] = (LeaderboardPublished,)

    def __init__(self) -> None:
        self._marks: dict[InstrumentId, Price] = {}
        self._books: dict[ContenderId, Book] = {}
        self._models: Mapping[str, RecordedModel] = {}
        """By digest, as they were when the session opened."""
        self._specs: Mapping[ContenderId, ContenderSpec] = {}
        self._instruments: Mapping[InstrumentId, Instrument] = {}
        self._all_halted = False
        self._ended = False

    @property
    def handlers(self) -> Mapping[type[Event], Handler]:
        """Event type -> handler."""
        return {
            SessionStarted: self.on_session_started,
            TickReceived: self.on_tick,
            BarPointReceived: self.on_bar_point,
            ClockAdvanced: self.on_clock,
            CorporateActionApplied: self.on_corporate_action,
            OrderFilled: self.on_fill,
            BorrowCharged: self.on_borrow_charged,
            KillSwitchTripped: self.on_kill_switch,
            RiskCommandIssued: self.on_risk_command,
            ModelReplaced: self.on_model_replaced,
            ContenderSetAside: self.on_set_aside,
            SessionEnded: self.on_session_ended,
        }

    def on_session_started(self, seq: int, started: SessionStarted) -> Decisions:
        """Open a book for each contender, and one curve for all together."""
        settings, start = started.settings.leaderboard, started.at
        cash, models = started.settings.starting_cash, {model.digest: model for model in started.models}
        self._models, self._specs = models, {spec.id: spec for spec in started.contenders}
        self._days = TradingDays(started.calendars, start)
        self._period = Period(started.feed)
        self._moments = OpenMoments(started.calendars, settings.sample_seconds)
        self._sampled = start - 1
        """Up to when moments are sampled, and how many there were by then."""
        self._counted = self._moments.until(self._sampled)
        per_year = self._days.per_year
        self._instruments = {instrument.id: instrument for instrument in started.instruments}
        factors = factors_of(started.instruments)
        self._books = {
            spec.id: Book(
                spec.id,
                Portfolio(cash, factors),
                per_year,
                FAULTY if spec.fault else spec.stage,
                first_chance(spec, models.get(spec.model_hash), start),
            )
            for spec in started.contenders
        }
        self._start = start
        self._total = EquityCurve(cash * len(self._books), per_year)
        self._publish_timer = Timer(settings.publish_seconds)
        return NOTHING

    def on_tick(self, seq: int, tick: TickReceived) -> Decisions:
        """Mark the instrument."""
        self._marks[tick.instrument] = tick.price
        return NOTHING

    def on_bar_point(self, seq: int, point: BarPointReceived) -> Decisions:
        """Mark the instrument."""
        self._marks[point.instrument] = point.price
        if point.last and point.instrument in self._period.long_bars:
            self._period.bar_closed()
        return NOTHING

    def on_clock(self, seq: int, clock: ClockAdvanced) -> Decisions:
        """Sample what has passed, end the days that are over, publish what is due."""
        at = clock.at
        self._sample(at)
        for day in self._days.ended(at):
            self._end(day)
        return self._publish(seq, at) if self._publish_timer.due(at) else NOTHING

    def on_corporate_action(self, seq: int, action: CorporateActionApplied) -> Decisions:
        """Book it for every contender."""
        adjust_mark(self._marks, action)
        for book in self._books.values():
            book.act(action, self._instruments[action.instrument])
        return NOTHING

    def on_fill(self, seq: int, fill: OrderFilled) -> Decisions:
        """Book the fill and publish."""
        self._books[fill.contender].fill(fill)
        return self._publish(seq, fill.at)

    def on_borrow_charged(self, seq: int, charged: BorrowCharged) -> Decisions:
        """Book it; the next publication shows it, behind the end this one."""
        self._books[charged.contender].charge(charged)
        return self._publish(seq, charged.at) if self._ended else NOTHING

    def on_kill_switch(self, seq: int, tripped: KillSwitchTripped) -> Decisions:
        """The contender, or all, are halted."""
        self._halt(tripped.contender)
        return NOTHING

    def on_risk_command(self, seq: int, issued: RiskCommandIssued) -> Decisions:
        """Resumed: active, and free of manual approval where a person did it. Liquidated: halted."""
        match issued.command:
            case RiskCommand.RESUME:
                self._resume(issued.contender, of_itself=issued.at_opening)
            case RiskCommand.LIQUIDATE_ALL:
                self._halt(issued.contender)
            case RiskCommand.ACTIVATE_MANUAL_APPROVAL:
                for book in self._scope(issued.contender):
                    book.manual = True
        return NOTHING

    def on_model_replaced(self, seq: int, replaced: ModelReplaced) -> Decisions:
        """The contender's stage is that of the model which decides from now on."""
        book, model = self._books[replaced.contender], self._models[replaced.model_hash]
        book.decided_by(model.stage)
        if not book.could_trade(replaced.at):
            book.since = first_chance(self._specs[replaced.contender], model, replaced.at)
        return NOTHING

    def on_set_aside(self, seq: int, failed: ContenderSetAside) -> Decisions:
        """The contender is out for the rest of the session, whatever else is said of it."""
        self._books[failed.contender].set_aside = True
        return NOTHING

    def on_session_ended(self, seq: int, ended: SessionEnded) -> Decisions:
        """Publish the final standings; a day of which hardly anything is missing counts."""
        at, self._ended = ended.at, True
        for day in self._days.ended(at):
            self._end(day)
        day_now = self._days.running()
        if day_now is not None and day_now.is_seen(self._start, at):
            self._end(day_now)
        return self._publish(seq, ended.at)

    def _publish(self, seq: int, at: Nanos) -> Decisions:
        marks, total, equity = self._marks, self._total, 0
        standings = []
        for book in self._books.values():
            standing = book.standing(marks, self._status(book), at)
            standings.append(standing)
            equity += standing.equity
        standings.sort(key=_rank)
        total.mark(equity)
        figures = total.figures
        return (
            LeaderboardPublished(
                seq,
                at,
                tuple(standings),
                equity,
                total.max_drawdown,
                figures.sharpe,
                figures.sortino,
                total.sessions,
                total.returns.count,
                figures.sharpe_low,
                figures.sharpe_high,
                figures.probability,
            ),
        )

    def _sample(self, at: Nanos) -> None:
        """Look at every book for each moment of open time since the last clock; equity has not changed in between."""
        count, last = self._moments.until(at), self._sampled
        passed = count - self._counted
        self._sampled, self._counted = at, count
        if not passed:
            return
        for book in self._books.values():
            since = book.since
            if since is not None and since <= at:
                book.sample(self._marks, passed if since <= last else count - self._moments.until(since - 1))

    def _end(self, day: Day) -> None:
        """A trading day is over: take the returns of all, unless the tape's bars go on."""
        period = self._period.end(day)
        if period is None:
            return
        span, sessions = period
        for book in self._books.values():
            book.close(self._marks, span, sessions)
        equity = sum(book.portfolio.equity(self._marks) for book in self._books.values())
        if self._total.sessions or span.is_seen(self._start, span.closes):
            self._total.close(equity, sessions)
        else:
            self._total.begin(equity)

    def _halt(self, contender: ContenderId) -> None:
        """A halt of all together is one of its own: resuming one contender does not end it."""
        if contender:
            self._books[contender].halted = True
        else:
            self._all_halted = True

    def _resume(self, contender: ContenderId, *, of_itself: bool) -> None:
        """A halt that an opening ends is that of its scope alone; a person ends all that holds the scope."""
        for book in self._scope(contender) if contender or not of_itself else ():
            book.halted = False
            book.manual = book.manual and of_itself
        if not contender:
            self._all_halted = False

    def _status(self, book: Book) -> TradingStatus:
        if book.set_aside:
            return TradingStatus.SET_ASIDE
        if book.halted or self._all_halted:
            return TradingStatus.HALTED
        return TradingStatus.MANUAL_APPROVAL if book.manual else TradingStatus.ACTIVE

    def _scope(self, contender: ContenderId) -> Iterable[Book]:
        """The book of one contender, or all of them where none is named."""
        return (self._books[contender],) if contender else self._books.values()


def _rank(standing: Standing) -> tuple[Money, ContenderId]:
    return -standing.equity, standing.contender
