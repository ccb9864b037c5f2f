"""What the guardian knows: each contender's portfolio, its orders under way, the house's instruments and last prices.

Facts only: no limit is applied here.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from titanflow.domain.decider import derived_id
from titanflow.domain.events import OrderApproved, OrderFilled, OrderSubmitted, SessionStarted
from titanflow.domain.instruments import Instrument, TradingCalendar
from titanflow.domain.portfolio import Portfolio, RoundTrip
from titanflow.domain.session_settings import ContenderSpec, RiskSettings
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
from titanflow.risk.kill_switch import KillSwitch
from titanflow.risk.rolling import RollingPerformance
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
        """What still works of it, at the price at which it was approved."""
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
    """One contender: its account, orders under way, recent approvals, kill switch and rolling performance."""

    __slots__ = (
        "closed_out",
        "entry_times",
        "held",
        "id",
        "instruments",
        "manual_approval",
        "portfolio",
        "rolling",
        "switch",
        "waiting",
        "working",
    )

    def __init__(self, spec: ContenderSpec, cash: Money, risk: RiskSettings) -> None:
        self.id: ContenderId = spec.id
        self.instruments = spec.instruments
        self.portfolio = Portfolio(cash)
        self.switch = KillSwitch(cash, risk.max_drawdown, risk.max_consecutive_losses)
        self.rolling = RollingPerformance(risk.performance_window, risk.performance_check_interval)
        self.manual_approval = False
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

    __slots__ = ("books", "calendars", "ended", "identity", "instruments", "marks", "risk", "switch")

    def __init__(self, started: SessionStarted, marks: dict[InstrumentId, Price]) -> None:
        cash = started.settings.starting_cash
        self.risk = started.settings.risk
        self.identity = started.identity
        self.marks = marks
        self.ended = False
        self.instruments: dict[InstrumentId, Instrument] = {each.id: each for each in started.instruments}
        self.calendars: dict[str, TradingCalendar] = {each.id: each for each in started.calendars}
        self.books: dict[ContenderId, Book] = {each.id: Book(each, cash, self.risk) for each in started.contenders}
        self.switch = KillSwitch(cash * len(self.books), self.risk.total_max_drawdown, max_losses=None)

    def order_id(self, seq: int, n: int = 0) -> OrderId:
        """Id of the n-th order that follows from the event at `seq`."""
        return derived_id(self.identity, "risk", seq, n)

    def calendar_of(self, instrument: InstrumentId) -> TradingCalendar | None:
        """The calendar of an instrument's venue; None where either is not known."""
        known = self.instruments.get(instrument)
        return self.calendars.get(known.calendar) if known else None

    def equity(self) -> Money:
        """Marked equity of all contenders together."""
        total = 0
        for book in self.books.values():
            total += book.portfolio.equity(self.marks)
        return total

    def gross_exposure(self) -> Money:
        """Gross exposure of all contenders together, entries under way included."""
        total = 0
        for book in self.books.values():
            total += book.gross_exposure(self.marks)
        return total

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
