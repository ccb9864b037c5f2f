"""What the guardian knows: each contender's portfolio, its orders under way, the house's instruments and last prices.

Facts only: no limit is applied here.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from titanflow.domain.decider import derived_id
from titanflow.domain.events import OrderApproved, OrderFilled, OrderSubmitted, SessionStarted
from titanflow.domain.instruments import Instrument, TradingCalendar, factors_of
from titanflow.domain.portfolio import Portfolio, RoundTrip
from titanflow.domain.session_settings import ContenderSpec
from titanflow.domain.types import (
    ContenderId,
    InstrumentId,
    Money,
    Nanos,
    OrderId,
    OrderPurpose,
    OrderType,
    Price,
    Quantity,
    Side,
    notional,
)
from titanflow.risk.costs_seen import CostsSeen
from titanflow.risk.day_openings import DayOpenings
from titanflow.risk.falls import Fall, SharedFall
from titanflow.risk.harm import Evidence
from titanflow.risk.kill_switch import KillSwitch
from titanflow.risk.loss_streak import LossStreak
from titanflow.risk.rolling import RollingPerformance
from titanflow.risk.stop_distance import TrueRanges
from titanflow.risk.verdicts import Request


class WorkingOrder:
    """An approved order from its approval until it is filled, cancelled or rejected."""

    __slots__ = ("instrument", "order_type", "price", "purpose", "remaining", "side")

    def __init__(self, order: OrderApproved | OrderSubmitted, price: Price) -> None:
        self.instrument = order.instrument
        self.side = order.side
        self.remaining = order.quantity
        self.order_type = order.order_type
        self.purpose = order.purpose
        self.price = price

    @property
    def is_entry(self) -> bool:
        """Whether it opens or adds to a position; every other order only closes."""
        return self.purpose is OrderPurpose.ENTRY

    @property
    def value(self) -> Money:
        """What still works of it, at what a unit counted for when it was approved."""
        return notional(self.price, self.remaining)


class WaitingExit:
    """An exit signal that met an entry still working: it closes whatever that entry yet fills."""

    __slots__ = ("answered", "request")

    def __init__(self, request: Request, answered: bool) -> None:
        self.request = request
        self.answered = answered
        """Whether the signal has had a verdict."""


class Hold(NamedTuple):
    """An entry that waits for a person."""

    request: Request
    order_id: OrderId
    expires_at: Nanos


class Book:
    """One contender: its account, orders under way, recent approvals, kill switch and the record of its round trips."""

    __slots__ = (
        "bar_seconds",
        "closed_out",
        "costs",
        "entry_times",
        "evidence",
        "held",
        "id",
        "instruments",
        "manual_approval",
        "manual_reported",
        "next_day",
        "openings",
        "portfolio",
        "rolling",
        "streak",
        "switch",
        "waiting",
        "working",
    )

    def __init__(self, spec: ContenderSpec, started: SessionStarted, openings: DayOpenings) -> None:
        cash, risk = started.settings.starting_cash, started.settings.risk
        self.id: ContenderId = spec.id
        self.instruments = spec.instruments
        self.bar_seconds = spec.bar_seconds
        self.openings = openings
        """When its day opens."""
        self.next_day = openings.after(started.at)
        self.portfolio = Portfolio(cash, factors_of(started.instruments))
        self.switch = KillSwitch(Fall(cash), Fall(cash), risk.max_daily_loss, risk.max_drawdown)
        self.streak = LossStreak(risk.max_consecutive_losses, risk.loss_counts_from, risk.loss_streak_cost)
        self.rolling = RollingPerformance(risk.performance_window, risk.performance_check_interval)
        self.evidence = Evidence(risk.harm_level, risk.harm_min_trips)
        self.costs = CostsSeen()
        self.manual_approval = False
        self.manual_reported = False
        """Whether a gate that only reports would have put it under manual approval."""
        self.working: dict[OrderId, WorkingOrder] = {}
        self.held: dict[OrderId, Hold] = {}
        self.waiting: dict[InstrumentId, WaitingExit] = {}
        self.entry_times: deque[Nanos] = deque()
        """When the entries of the last minute were approved."""
        self.closed_out: dict[InstrumentId, Nanos] = {}
        """The close for which a position has been ordered flat."""

    def orders_on(self, instrument: InstrumentId) -> Iterator[WorkingOrder]:
        """Orders under way in one instrument, oldest first."""
        return (order for order in self.working.values() if order.instrument == instrument)

    def entry_on(self, instrument: InstrumentId, side: Side) -> WorkingOrder | None:
        """The entry of that side still working, if any."""
        for order in self.working.values():
            if order.purpose is OrderPurpose.ENTRY and order.side is side and order.instrument == instrument:
                return order
        return None

    def closing_quantity(self, instrument: InstrumentId) -> Quantity:
        """What closing orders under way may still close (protective stops not counted)."""
        total = 0
        for order in self.working.values():
            if order.purpose is not OrderPurpose.ENTRY and order.instrument == instrument:
                total += order.remaining
        return total

    def committed(self, instrument: InstrumentId) -> Quantity:
        """The position's size together with what entries under way may still add."""
        total = abs(self.portfolio.quantity(instrument))
        for order in self.working.values():
            if order.purpose is OrderPurpose.ENTRY and order.instrument == instrument:
                total += order.remaining
        return total

    def gross_exposure(self, marks: Mapping[InstrumentId, Price]) -> Money:
        """Absolute value of all positions at `marks`, and of the entries under way at their approval's price."""
        total = self.portfolio.gross_exposure(marks)
        for order in self.working.values():
            if order.purpose is OrderPurpose.ENTRY:
                total += order.value
        return total

    def fill(self, fill: OrderFilled) -> RoundTrip | None:
        """Book a fill; the round trip that it completed, if any."""
        order = self.working.get(fill.order_id)
        if order is not None:
            order.remaining = fill.remaining
            if not fill.remaining:
                del self.working[fill.order_id]
        self.costs.add(fill)
        if fill.purpose is OrderPurpose.ENTRY:
            self.closed_out.pop(fill.instrument, None)
        _, trip = self.portfolio.apply(fill.at, fill.instrument, fill.side, fill.quantity, fill.price, fill.fee)
        return trip

    def approve(self, order: OrderApproved, price: Price) -> None:
        """Note an order that risk approved just now; `price` is what a unit of it counts for."""
        self.working[order.order_id] = WorkingOrder(order, price)
        if order.purpose is OrderPurpose.ENTRY:
            self.entry_times.append(order.at)

    def has_market_close(self, instrument: InstrumentId) -> bool:
        """Whether a closing order that fills at the next trade is under way."""
        return any(not o.is_entry and o.order_type is OrderType.MARKET for o in self.orders_on(instrument))


class House:
    """All contenders together with the market as last seen and the session's settings."""

    __slots__ = (
        "books",
        "calendars",
        "daily",
        "ended",
        "execution",
        "identity",
        "instruments",
        "marks",
        "next_day",
        "nothing_due_before",
        "openings",
        "ranges",
        "risk",
        "switch",
        "tape_bars",
        "trailing",
    )

    def __init__(self, started: SessionStarted, marks: dict[InstrumentId, Price], ranges: TrueRanges) -> None:
        cash = started.settings.starting_cash
        self.risk = started.settings.risk
        self.execution = started.settings.execution
        self.identity = started.identity
        self.marks = marks
        self.ranges = ranges
        self.ended = False
        self.nothing_due_before: Nanos = 0
        """No position has to be closed for the day before it."""
        self.instruments: dict[InstrumentId, Instrument] = {each.id: each for each in started.instruments}
        self.calendars: dict[str, TradingCalendar] = {each.id: each for each in started.calendars}
        self.tape_bars: dict[InstrumentId, int] = dict(started.feed.bars)
        """Seconds of the bars in which the source gives an instrument."""
        self.books: dict[ContenderId, Book] = {
            each.id: Book(each, started, self._openings_of(each)) for each in started.contenders
        }
        self.openings = DayOpenings(started.calendars)
        """When the day of all together opens."""
        self.next_day = self.openings.after(started.at)
        opening = dict.fromkeys(self.books, cash)
        self.daily, self.trailing = SharedFall(opening), SharedFall(opening)
        self.switch = KillSwitch(
            self.daily, self.trailing, self.risk.total_max_daily_loss, self.risk.total_max_drawdown
        )

    def order_id(self, seq: int, n: int = 0) -> OrderId:
        """Id of the n-th order that follows from the event at `seq`."""
        return derived_id(self.identity, "risk", seq, n)

    def calendar_of(self, instrument: InstrumentId) -> TradingCalendar | None:
        """The calendar of an instrument's venue; None where either is not known."""
        known = self.instruments.get(instrument)
        return self.calendars.get(known.calendar) if known else None

    def equities(self) -> dict[ContenderId, Money]:
        """Marked equity of each contender."""
        return {name: book.portfolio.equity(self.marks) for name, book in self.books.items()}

    def equity(self) -> Money:
        """Marked equity of all contenders together."""
        return sum(book.portfolio.equity(self.marks) for book in self.books.values())

    def trading_equity(self, asking: ContenderId) -> Money:
        """Marked equity of those that traded today, and of the one that asks to."""
        return sum(
            book.portfolio.equity(self.marks)
            for name, book in self.books.items()
            if name == asking or self.daily.has(name)
        )

    def holding(self) -> list[ContenderId]:
        """Contenders with a position."""
        return [name for name, book in self.books.items() if book.portfolio.positions]

    def traded(self, contender: ContenderId) -> None:
        """A contender traded: limits of all together are measured on its capital too."""
        self.daily.join(contender)
        self.trailing.join(contender)

    def gross_exposure(self) -> Money:
        """Gross exposure of all contenders together, entries under way included."""
        return sum(book.gross_exposure(self.marks) for book in self.books.values())

    def halting(self, book: Book) -> tuple[ContenderId, KillSwitch] | None:
        """The tripped kill switch that holds for this book, its own before the house's; None when it may trade."""
        if book.switch.halted:
            return book.id, book.switch
        return ("", self.switch) if self.switch.halted else None

    def in_scope(self, contender: ContenderId) -> list[Book]:
        """The contender's book, or all of them for the empty name; none where the name is unknown."""
        if not contender:
            return list(self.books.values())
        return [self.books[contender]] if contender in self.books else []

    def _openings_of(self, spec: ContenderSpec) -> DayOpenings:
        calendars = {self.instruments[name].calendar for name in spec.instruments if name in self.instruments}
        return DayOpenings(calendar for name, calendar in self.calendars.items() if name in calendars)
