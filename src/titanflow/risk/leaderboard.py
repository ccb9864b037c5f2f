"""The leaderboard keeper: folds fills, ticks and verdicts into standings and publishes them. It decides no trade.

Standings come out every `publish_seconds` of event time, after each fill and when the session ends. Equity is sampled
for the statistics every `sample_seconds`, at the first clock of each such period while a venue of the session is open;
a closed night therefore lies within one return, and a silence within one longer one.
"""

from collections.abc import Iterable, Mapping

from titanflow.domain.decider import NOTHING, Decisions, Handler
from titanflow.domain.events import (
    BarPointReceived,
    ClockAdvanced,
    ContenderSetAside,
    Event,
    KillSwitchTripped,
    LeaderboardPublished,
    ModelReplaced,
    OrderFilled,
    Print,
    RiskCommandIssued,
    SessionEnded,
    SessionStarted,
    Standing,
    TickReceived,
)
from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.portfolio import Portfolio
from titanflow.domain.types import (
    NANOS_PER_SECOND,
    ContenderId,
    InstrumentId,
    Money,
    Nanos,
    Price,
    RiskCommand,
    TradingStatus,
    notional,
)
from titanflow.risk.performance import EquityCurve, TradeStatistics, periods_per_year

FAULTY = "faulty"
"""Stage of a contender whose model could not be loaded: it has a book and never trades."""

Marks = Mapping[InstrumentId, Price]


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


class Book:
    """What the keeper knows of one contender."""

    __slots__ = (
        "_stage",
        "_standing",
        "contender",
        "curve",
        "fills",
        "halted",
        "manual",
        "portfolio",
        "set_aside",
        "traded",
        "trips",
    )

    def __init__(self, contender: ContenderId, cash: Money, periods: float, stage: str = "") -> None:
        self.contender = contender
        self._stage = stage
        self.portfolio = Portfolio(cash)
        self.curve = EquityCurve(cash, periods)
        self.trips = TradeStatistics()
        self.fills = 0
        self.traded: Money = 0
        self.halted = False
        self.manual = False
        self.set_aside = False
        self._standing: Standing | None = None

    def fill(self, fill: OrderFilled) -> None:
        """Book one fill."""
        _, trip = self.portfolio.apply(fill.at, fill.instrument, fill.side, fill.quantity, fill.price, fill.fee)
        self.fills += 1
        self.traded += notional(fill.price, fill.quantity)
        if trip is not None:
            self.trips.add(trip.pnl)
        self._standing = None

    def decided_by(self, stage: str) -> None:
        """A model of this stage decides from now on."""
        self._stage = stage
        self._standing = None

    def sample(self, marks: Marks) -> Money:
        """Take a sample of the marked equity and return it."""
        equity = self.portfolio.equity(marks)
        self.curve.sample(equity, invested=bool(self.portfolio.positions))
        self._standing = None
        return equity

    def standing(self, marks: Marks, status: TradingStatus) -> Standing:
        """The contender's place now. A flat contender's stays what it was until something happens to it."""
        last = self._standing
        if last is not None and last.status is status and not self.portfolio.positions:
            return last
        value = cost = gross = 0
        for position in self.portfolio.positions.values():
            mark = marks.get(position.instrument)
            worth = position.cost if mark is None else notional(mark, position.quantity)
            value += worth
            cost += position.cost
            gross += abs(worth)
        self._standing = self._stand(status, self.portfolio.cash + value, value - cost, gross)
        return self._standing

    def _stand(self, status: TradingStatus, equity: Money, unrealized: Money, gross: Money) -> Standing:
        portfolio, curve, trips = self.portfolio, self.curve, self.trips
        curve.mark(equity)
        return Standing(
            contender=self.contender,
            status=status,
            cash=portfolio.cash,
            equity=equity,
            realized_pnl=portfolio.realized,
            unrealized_pnl=unrealized,
            fees=portfolio.fees,
            gross_exposure=gross,
            open_positions=len(portfolio.positions),
            fills=self.fills,
            trades=trips.trades,
            wins=trips.wins,
            traded_notional=self.traded,
            total_return=curve.total_return(equity),
            max_drawdown=curve.max_drawdown,
            profit_factor=trips.profit_factor,
            sharpe=curve.sharpe,
            sortino=curve.sortino,
            calmar=curve.calmar,
            exposure=curve.exposure,
            turnover=curve.turnover(self.traded),
            stage=self._stage,
        )


class LeaderboardKeeper:
    """Decider that owns LeaderboardPublished."""

    name = "leaderboard"
    emits: tuple[type[Event], ...] = (LeaderboardPublished,)

    def __init__(self) -> None:
        self._marks: dict[InstrumentId, Price] = {}
        self._books: dict[ContenderId, Book] = {}
        self._calendars: tuple[TradingCalendar, ...] = ()
        self._stages: Mapping[str, str] = {}
        """Digest of a trained model -> its stage when the session opened."""
        self._all_halted = False

    @property
    def handlers(self) -> Mapping[type[Event], Handler]:
        """Event type -> handler."""
        return {
            SessionStarted: self.on_session_started,
            TickReceived: self.on_tick,
            BarPointReceived: self.on_tick,
            ClockAdvanced: self.on_clock,
            OrderFilled: self.on_fill,
            KillSwitchTripped: self.on_kill_switch,
            RiskCommandIssued: self.on_risk_command,
            ModelReplaced: self.on_model_replaced,
            ContenderSetAside: self.on_set_aside,
            SessionEnded: self.on_session_ended,
        }

    def on_session_started(self, seq: int, started: SessionStarted) -> Decisions:
        """Open a book for each contender, and one curve for all together."""
        settings = started.settings.leaderboard
        cash = started.settings.starting_cash
        periods = periods_per_year(started.calendars, settings.sample_seconds)
        self._calendars = started.calendars
        self._stages = {model.digest: model.stage for model in started.models}
        self._books = {
            spec.id: Book(spec.id, cash, periods, FAULTY if spec.fault else spec.stage) for spec in started.contenders
        }
        self._total = EquityCurve(cash * len(self._books), periods)
        self._publish_timer = Timer(settings.publish_seconds)
        self._sample_timer = Timer(settings.sample_seconds)
        return NOTHING

    def on_tick(self, seq: int, tick: Print) -> Decisions:
        """Mark the instrument."""
        self._marks[tick.instrument] = tick.price
        return NOTHING

    def on_clock(self, seq: int, clock: ClockAdvanced) -> Decisions:
        """Sample and publish what is due."""
        at = clock.at
        if self._sample_timer.due(at) and any(calendar.is_open(at) for calendar in self._calendars):
            self._total.sample(sum(book.sample(self._marks) for book in self._books.values()))
        return self._publish(seq, at) if self._publish_timer.due(at) else NOTHING

    def on_fill(self, seq: int, fill: OrderFilled) -> Decisions:
        """Book the fill and publish."""
        self._books[fill.contender].fill(fill)
        return self._publish(seq, fill.at)

    def on_kill_switch(self, seq: int, tripped: KillSwitchTripped) -> Decisions:
        """The contender, or all, are halted."""
        self._halt(tripped.contender)
        return NOTHING

    def on_risk_command(self, seq: int, issued: RiskCommandIssued) -> Decisions:
        """Resumed: active and free of manual approval. Liquidated: halted. Otherwise a person approves from now on."""
        match issued.command:
            case RiskCommand.RESUME:
                self._resume(issued.contender)
            case RiskCommand.LIQUIDATE_ALL:
                self._halt(issued.contender)
            case RiskCommand.ACTIVATE_MANUAL_APPROVAL:
                for book in self._scope(issued.contender):
                    book.manual = True
        return NOTHING

    def on_model_replaced(self, seq: int, replaced: ModelReplaced) -> Decisions:
        """The contender's stage is that of the model which decides from now on."""
        self._books[replaced.contender].decided_by(self._stages[replaced.model_hash])
        return NOTHING

    def on_set_aside(self, seq: int, failed: ContenderSetAside) -> Decisions:
        """The contender is out for the rest of the session, whatever else is said of it."""
        self._books[failed.contender].set_aside = True
        return NOTHING

    def on_session_ended(self, seq: int, ended: SessionEnded) -> Decisions:
        """Publish the final standings."""
        return self._publish(seq, ended.at)

    def _publish(self, seq: int, at: Nanos) -> Decisions:
        marks, total, equity = self._marks, self._total, 0
        standings = []
        for book in self._books.values():
            standing = book.standing(marks, self._status(book))
            standings.append(standing)
            equity += standing.equity
        standings.sort(key=_rank)
        total.mark(equity)
        return (
            LeaderboardPublished(seq, at, tuple(standings), equity, total.max_drawdown, total.sharpe, total.sortino),
        )

    def _halt(self, contender: ContenderId) -> None:
        """A halt of all together is one of its own: resuming one contender does not end it."""
        if contender:
            self._books[contender].halted = True
        else:
            self._all_halted = True

    def _resume(self, contender: ContenderId) -> None:
        for book in self._scope(contender):
            book.halted = book.manual = False
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
