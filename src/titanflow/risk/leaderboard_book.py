"""What the leaderboard keeper knows of one contender: books, curve, round trips, and its standing made of them."""

from collections.abc import Mapping

from titanflow.domain.corporate_actions import book_action
from titanflow.domain.events import BorrowCharged, CorporateActionApplied, OrderFilled, Standing
from titanflow.domain.instruments import Instrument
from titanflow.domain.portfolio import Portfolio
from titanflow.domain.types import ContenderId, InstrumentId, Money, Nanos, Price, TradingStatus
from titanflow.risk.performance import EquityCurve, TradeStatistics
from titanflow.risk.trading_days import Day

Marks = Mapping[InstrumentId, Price]


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
        "since",
        "traded",
        "trips",
    )

    def __init__(
        self,
        contender: ContenderId,
        portfolio: Portfolio,
        per_year: int,
        stage: str = "",
        since: Nanos | None = 0,
    ) -> None:
        self.contender = contender
        self.since = since
        """When it can trade for the first time; None: never, as far as is known."""
        self._stage = stage
        self.portfolio = portfolio
        self.curve = EquityCurve(portfolio.starting_cash, per_year)
        self.trips = TradeStatistics()
        self.fills = 0
        self.traded: Money = 0
        self.halted = False
        self.manual = False
        self.set_aside = False
        self._standing: Standing | None = None

    def charge(self, charged: BorrowCharged) -> None:
        """Book what a short position paid for its shares."""
        self.portfolio.charge(charged.instrument, charged.amount)
        self._standing = None

    def fill(self, fill: OrderFilled) -> None:
        """Book one fill."""
        _, trip = self.portfolio.apply(fill.at, fill.instrument, fill.side, fill.quantity, fill.price, fill.fee)
        self.fills += 1
        self.traded += self.portfolio.value(fill.instrument, fill.price, fill.quantity)
        if trip is not None:
            self.trips.add(trip.pnl)
        self._standing = None

    def act(self, action: CorporateActionApplied, instrument: Instrument) -> None:
        """Book a split or a dividend."""
        _, trip = book_action(self.portfolio, action, instrument)
        if trip is not None:
            self.trips.add(trip.pnl)
        self._standing = None

    def decided_by(self, stage: str) -> None:
        """A model of this stage decides from now on."""
        self._stage = stage
        self._standing = None

    def could_trade(self, at: Nanos) -> bool:
        """Whether it has had its first chance by then."""
        return self.since is not None and self.since <= at

    def sample(self, marks: Marks, times: int) -> None:
        """Take the marked equity, as it was at so many moments."""
        self.curve.sample(self.portfolio.equity(marks), times, invested=bool(self.portfolio.positions))
        self._standing = None

    def close(self, marks: Marks, day: Day, sessions: int) -> None:
        """Take the marked equity at the end of a day, the last of so many since the last return."""
        if self.since is None or self.since >= day.closes:
            return
        equity = self.portfolio.equity(marks)
        if self.curve.sessions or day.is_seen(self.since, day.closes):
            self.curve.close(equity, sessions)
        else:
            self.curve.begin(equity)
        self._standing = None

    def standing(self, marks: Marks, status: TradingStatus, at: Nanos) -> Standing:
        """The contender's place now. A flat contender's stays what it was until something happens to it."""
        last = self._standing
        if last is not None and last.status is status and not self.portfolio.positions:
            return last
        value = cost = gross = 0
        for position in self.portfolio.positions.values():
            mark = marks.get(position.instrument)
            worth = position.cost if mark is None else position.value(mark)
            value += worth
            cost += position.cost
            gross += abs(worth)
        equity = self.portfolio.cash + self.portfolio.receivable + value
        self._standing = self._stand(status, at, equity, value - cost, gross)
        return self._standing

    def _stand(self, status: TradingStatus, at: Nanos, equity: Money, unrealized: Money, gross: Money) -> Standing:
        portfolio, curve, trips, figures = self.portfolio, self.curve, self.trips, self.curve.figures
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
            sharpe=figures.sharpe,
            sortino=figures.sortino,
            calmar=figures.calmar,
            exposure=curve.exposure,
            turnover=curve.turnover(self.traded),
            stage=self._stage,
            sessions=curve.sessions if self.could_trade(at) else None,
            returns=curve.returns.count,
            sharpe_low=figures.sharpe_low,
            sharpe_high=figures.sharpe_high,
            sharpe_probability=figures.probability,
            dividends=portfolio.dividends,
            receivable=portfolio.receivable,
        )
