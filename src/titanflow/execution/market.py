"""The paper market: orders work in it, prints fill them, positions pull their protective stops along.

Knows orders and fills; what is sent here and when everything ends is the executor's to say.
"""

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush

from titanflow.domain.events import BarPointReceived, OrderSubmitted, OrderTriggered, Print, TickReceived
from titanflow.domain.instruments import Instrument
from titanflow.domain.session_settings import ExecutionSettings
from titanflow.domain.types import (
    ContenderId,
    DenialCode,
    FillBasis,
    InstrumentId,
    Money,
    Nanos,
    OrderId,
    OrderPurpose,
    OrderType,
    Price,
    Quantity,
    Side,
)
from titanflow.execution.account import Account
from titanflow.execution.borrowing import Borrowing
from titanflow.execution.closing import ClosingPrices
from titanflow.execution.hours import VenueHours
from titanflow.execution.orders import BEYOND, Book, WorkingOrder
from titanflow.execution.simulation.costs import CostModel
from titanflow.execution.simulation.fees import commission, count
from titanflow.execution.simulation.latency import LatencyModel
from titanflow.execution.simulation.matching import Meeting, cost_beside, executable_size, fill_price, reached
from titanflow.execution.simulation.path import meeting
from titanflow.execution.turn import Trade, Turn

Taken = dict[ContenderId, Quantity]
"""What each contender already took of one print."""


class PaperMarket:
    """Accounts and the books of their working orders. `marks` (last prices) and `books` are the executor's tables."""

    def __init__(
        self,
        seed: int,
        settings: ExecutionSettings,
        accounts: Mapping[ContenderId, Account],
        marks: Mapping[InstrumentId, Price],
        books: dict[InstrumentId, Book],
        hours: VenueHours,
        closing: ClosingPrices,
        costs: CostModel,
    ) -> None:
        self.participation = settings.participation
        self.accounts = accounts
        self.marks = marks
        self.books = books
        self.hours = hours
        self.closing = closing
        self.latency = LatencyModel(seed, settings)
        self.costs = costs
        self.borrowing = Borrowing(settings.borrow_rate, accounts, marks, hours)
        self.next_end: Nanos = 0
        """No venue closes and no order's day ends before this."""

    def submit(self, turn: Turn, order: WorkingOrder, sent_at: Nanos, parent_id: OrderId = "") -> None:
        """Send an order on its way; it cannot fill before `admit`."""
        self.accounts[order.contender].take(order)
        order.active_at = sent_at + self.latency.nanos(order.draw_key)
        order.ends_at = self.hours.end_of(order, sent_at)
        self.next_end = min(self.next_end, order.ends_at)
        turn.submitted(order, parent_id)

    def admit(self, submitted: OrderSubmitted) -> None:
        """The order stands in the ledger: later prints may fill it, unless it ended meanwhile."""
        order = self.accounts[submitted.contender].orders.get(submitted.order_id)
        if order is None:
            return
        book = self.books.get(submitted.instrument)
        if book is None:
            book = self.books[submitted.instrument] = Book()
        book.add(order)

    def activate(self, triggered: OrderTriggered) -> None:
        """A stop's trigger stands in the ledger: later prints may fill it at the market, unless it ended meanwhile."""
        order = self.accounts[triggered.contender].orders.get(triggered.order_id)
        book = self.books.get(triggered.instrument)
        if order is not None and book is not None:
            book.activate(order, triggered.active_at)

    def close(self, turn: Turn, contender: ContenderId, instrument: Instrument) -> None:
        """Send a market order that liquidates a position."""
        held = self.accounts[contender].portfolio.quantity(instrument.id)
        order = _closing_order(turn.next_id(), contender, instrument, held, self.marks[instrument.id])
        self.submit(turn, order, turn.at)

    def cancel(self, turn: Turn, orders: Sequence[WorkingOrder], code: DenialCode) -> None:
        """End orders with what remains of them."""
        for order in orders:
            self._end(order)
            turn.cancelled(order, code)

    # --- prints ------------------------------------------------------------------------------------------------------

    def match(self, turn: Turn, met: Print, book: Book) -> None:
        """Let a print meet every order that works in its instrument, unless their venue is closed."""
        instrument = book.orders[0].instrument if book.orders else None
        opened_at = self.hours.opened_at(instrument, met.at) if instrument else None
        if opened_at is not None:
            if isinstance(met, TickReceived):
                self._match_tick(turn, met, book)
            else:
                self._match_leg(turn, met, book, opened_at)
        book.rebound()

    def _match_tick(self, turn: Turn, tick: TickReceived, book: Book) -> None:
        """A real trade: orders meet it in the order of submission; a stop that it reaches waits for another."""
        taken: Taken = {}
        for order in book.orders:
            if not order.working or tick.at < order.active_at:
                continue
            if order.type is not OrderType.MARKET and not reached(order, tick.price):
                continue
            if order.type is OrderType.STOP:
                active_at = tick.at + self.latency.nanos(order.draw_key, leg=1)
                turn.triggered(order, tick.price, tick.at, active_at)
                order.trigger()
            else:
                self._trade(turn, order, tick, Meeting(tick.at, tick.price), taken)

    def _match_leg(self, turn: Turn, leg: BarPointReceived, book: Book, opened_at: Nanos) -> None:
        """A leg of a bar's path: orders meet it in the order of time, at one time in the order of submission.

        What a meeting sets off acts on the rest of the leg: the stop of an entry may be met on the same one.
        """
        taken: Taken = {}
        meetings: list[tuple[Nanos, int, Price, WorkingOrder]] = []
        arrivals = [order for order in book.orders if order.working]
        arrived = 0
        while arrivals or meetings:
            for order in arrivals:
                if met := meeting(order, leg, opened_at):
                    heappush(meetings, (met.at, arrived, met.price, order))
                arrived += 1
            arrivals = []
            if meetings:
                met_at, _, price, order = heappop(meetings)
                if order.working:
                    arrivals = self._meet_on_leg(turn, order, leg, Meeting(met_at, price), taken)

    def _meet_on_leg(
        self, turn: Turn, order: WorkingOrder, leg: BarPointReceived, met: Meeting, taken: Taken
    ) -> list[WorkingOrder]:
        """An order meets a leg; gives the stop that this sends, if any."""
        if order.type is OrderType.STOP:
            turn.triggered(order, met.price, met.at, met.at)
            order.trigger()
        elif order.type is OrderType.LIMIT and met.price == order.price:
            order.crossed = leg.opened_at
        return self._trade(turn, order, leg, met, taken)

    def _trade(self, turn: Turn, order: WorkingOrder, met: Print, where: Meeting, taken: Taken) -> list[WorkingOrder]:
        """Fill what the print offers and the order wants; gives the stop that this sends, if any."""
        before = taken.get(order.contender, 0)
        offered = executable_size(met.size, self.participation, order.instrument.quantity_increment)
        quantity = min(self._wanted(order), offered - before)
        if quantity <= 0:
            return []
        priced = fill_price(order, met, where, quantity, self.costs)
        price, beside = priced.price, cost_beside(order.instrument, priced, quantity)
        fee = commission(order, price, quantity) + beside
        if not self._affordable(order, order.instrument.value(price, quantity) + fee):
            self.cancel(turn, (order,), DenialCode.BUYING_POWER)
            return []
        taken[order.contender] = before + quantity
        basis = FillBasis.TRADE if isinstance(met, TickReceived) else FillBasis.BAR_PATH
        return self._fill(turn, order, Trade(quantity, price, fee, where.at, where.price, basis, priced.costs, beside))

    def _wanted(self, order: WorkingOrder) -> Quantity:
        if not order.closing:
            return order.remaining
        return min(order.remaining, abs(self.accounts[order.contender].portfolio.quantity(order.instrument.id)))

    def _affordable(self, order: WorkingOrder, cost: Money) -> bool:
        """Prices move between the gate and the fill; an entry never overdraws the account for that."""
        return order.closing or order.side is Side.SELL or cost <= self.accounts[order.contender].portfolio.cash

    # --- the end of the day ------------------------------------------------------------------------------------------

    def end_days(self, turn: Turn, at: Nanos) -> None:
        """Note the closing prices of sessions that have closed by `at`, and end the day of every order of theirs."""
        self.closing.note(at)
        for account in self.accounts.values():
            if over := [order for order in account.orders.values() if order.ends_at <= at]:
                self.end_day(turn, over)
        orders = (order for account in self.accounts.values() for order in account.orders.values())
        self.next_end = min((order.ends_at for order in orders), default=BEYOND)
        self.next_end = min(self.next_end, self.hours.next_close(at))

    def end_day(self, turn: Turn, orders: Sequence[WorkingOrder]) -> None:
        """Their venue has closed on these orders: entries are cancelled, the others settled at the closing price.

        Where the session had no price, a closing order works on in the next.
        """
        for order in orders:
            if order.purpose is OrderPurpose.ENTRY:
                is_open = self.hours.opened_at(order.instrument, turn.at) is not None
                self.cancel(turn, (order,), DenialCode.CLOSING_SOON if is_open else DenialCode.OUTSIDE_SESSION)
        for order in orders:
            if not order.working:
                continue
            price = self.closing.of(order.instrument, order.ends_at)
            if price is not None:
                self._settle(turn, order, price)
            else:
                order.ends_at = self.hours.next_end(order)
                self.next_end = min(self.next_end, order.ends_at)

    def _settle(self, turn: Turn, order: WorkingOrder, price: Price) -> None:
        quantity = self._wanted(order)
        fee = commission(order, price, quantity)
        settled_at = min(order.ends_at, turn.at)
        self._fill(turn, order, Trade(quantity, price, fee, settled_at, price, FillBasis.CLOSING_PRICE))

    # --- fills -------------------------------------------------------------------------------------------------------

    def _fill(self, turn: Turn, order: WorkingOrder, trade: Trade) -> list[WorkingOrder]:
        """Book a trade; gives the stop that it sends, if any."""
        portfolio = self.accounts[order.contender].portfolio
        quantity, price, fee = trade.quantity, trade.price, trade.fee
        self.borrowing.settle(turn, order.contender, order.instrument)
        entry, _ = portfolio.apply(turn.at, order.instrument.id, order.side, quantity, price, fee)
        order.remaining -= quantity
        order.fills += 1
        count(order, price, quantity, fee - trade.beside)
        turn.filled(order, trade, entry.realized)
        self.borrowing.watch(turn.at, order.contender, order.instrument)
        if not order.remaining:
            self._end(order)
        return self._follow_position(turn, order, trade)

    def _follow_position(self, turn: Turn, filled: WorkingOrder, trade: Trade) -> list[WorkingOrder]:
        """After a fill: closing orders that have nothing left to close end, and an entry's new part is protected."""
        account, instrument = self.accounts[filled.contender], filled.instrument
        held = account.portfolio.quantity(instrument.id)
        idle = [
            order
            for order in account.orders.values()
            if order.closing and order.side.sign * held >= 0 and order.instrument is instrument
        ]
        if idle:
            self.cancel(turn, idle, DenialCode.POSITION_CLOSED)
        if filled.purpose is not OrderPurpose.ENTRY or not filled.stop_price or filled.side.sign * held <= 0:
            return []
        opened = filled.side.sign * min(trade.quantity, abs(held))
        stop = _closing_order(turn.next_id(), filled.contender, instrument, opened, filled.stop_price)
        stop.type, stop.price, stop.purpose = OrderType.STOP, filled.stop_price, OrderPurpose.STOP_LOSS
        stop.tally = filled.stop_tally
        self.submit(turn, stop, trade.met_at, parent_id=filled.id)
        return [stop]

    def _end(self, order: WorkingOrder) -> None:
        order.working = False
        del self.accounts[order.contender].orders[order.id]
        book = self.books.get(order.instrument.id)
        if book is None:
            return
        for each in book.orders:
            if each.working:
                return
        del self.books[order.instrument.id]


def _closing_order(
    order_id: OrderId, contender: ContenderId, instrument: Instrument, held: Quantity, decision_price: Price
) -> WorkingOrder:
    """A market order that liquidates the signed quantity `held`."""
    return WorkingOrder(
        id=order_id,
        contender=contender,
        instrument=instrument,
        side=Side.SELL if held > 0 else Side.BUY,
        remaining=abs(held),
        type=OrderType.MARKET,
        purpose=OrderPurpose.LIQUIDATION,
        closing=True,
        decision_price=decision_price,
    )
