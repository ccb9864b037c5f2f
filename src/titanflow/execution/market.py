"""The paper market: orders work in it, ticks fill them, positions pull their protective stops along.

Knows orders and fills; what is sent here and when everything ends is the executor's to say.
"""

from collections.abc import Mapping, Sequence

from titanflow.domain.events import OrderSubmitted, Print
from titanflow.domain.instruments import Instrument
from titanflow.domain.session_settings import ExecutionSettings
from titanflow.domain.types import (
    ContenderId,
    DenialCode,
    InstrumentId,
    Money,
    OrderId,
    OrderPurpose,
    OrderType,
    Price,
    Quantity,
    Side,
    notional,
)
from titanflow.execution.account import Account
from titanflow.execution.orders import Book, WorkingOrder
from titanflow.execution.simulation.fees import commission
from titanflow.execution.simulation.latency import LatencyModel
from titanflow.execution.simulation.matching import executable_size, fill_price, reached
from titanflow.execution.simulation.slippage import SlippageModel
from titanflow.execution.turn import Turn


class PaperMarket:
    """Accounts and the books of their working orders. `marks` (last prices) and `books` are the executor's tables."""

    def __init__(
        self,
        seed: int,
        settings: ExecutionSettings,
        accounts: Mapping[ContenderId, Account],
        marks: Mapping[InstrumentId, Price],
        books: dict[InstrumentId, Book],
    ) -> None:
        self.participation = settings.participation
        self.accounts = accounts
        self.marks = marks
        self.books = books
        self.latency = LatencyModel(seed, settings)
        self.slippage = SlippageModel(seed, settings)

    def submit(self, turn: Turn, order: WorkingOrder, parent_id: OrderId = "") -> None:
        """Send an order on its way; it cannot fill before `admit`."""
        self.accounts[order.contender].take(order)
        order.active_at = turn.at + self.latency.nanos(order.draw_key)
        turn.submitted(order, parent_id)

    def admit(self, submitted: OrderSubmitted) -> None:
        """The order stands in the ledger: later ticks may fill it, unless it was cancelled meanwhile."""
        order = self.accounts[submitted.contender].orders.get(submitted.order_id)
        if order is None:
            return
        book = self.books.get(submitted.instrument)
        if book is None:
            book = self.books[submitted.instrument] = Book()
        book.add(order)

    def close(self, turn: Turn, contender: ContenderId, instrument: Instrument) -> None:
        """Send a market order that liquidates a position."""
        held = self.accounts[contender].portfolio.quantity(instrument.id)
        self.submit(turn, _closing_order(turn.next_id(), contender, instrument, held, self.marks[instrument.id]))

    def match(self, turn: Turn, tick: Print, book: Book) -> None:
        """Let a tick meet every order that works in its instrument, in the order of submission."""
        taken: dict[ContenderId, Quantity] = {}
        for order in book.orders:
            if order.working and tick.at >= order.active_at:
                self._meet(turn, tick, order, taken)
        book.rebound()

    def cancel(self, turn: Turn, orders: Sequence[WorkingOrder], code: DenialCode) -> None:
        """End orders with what remains of them."""
        for order in orders:
            self._end(order)
            turn.cancelled(order, code)

    def _meet(self, turn: Turn, tick: Print, order: WorkingOrder, taken: dict[ContenderId, Quantity]) -> None:
        """One tick meets one active order; `taken` is what each contender already took of the tick."""
        if order.type is not OrderType.MARKET and not reached(order, tick.price):
            return
        if order.type is OrderType.STOP:
            order.trigger(tick.at + self.latency.nanos(order.draw_key, leg=1))
            return
        before = taken.get(order.contender, 0)
        quantity = min(self._wanted(order), self._offered(order, tick) - before)
        if quantity <= 0:
            return
        price = fill_price(order, tick, quantity, self.slippage)
        fee = commission(order.instrument.fees, price, quantity)
        if self._affordable(order, notional(price, quantity) + fee):
            taken[order.contender] = before + quantity
            self._fill(turn, order, quantity, price, fee)
        else:
            self.cancel(turn, (order,), DenialCode.BUYING_POWER)

    def _wanted(self, order: WorkingOrder) -> Quantity:
        if not order.closing:
            return order.remaining
        return min(order.remaining, abs(self.accounts[order.contender].portfolio.quantity(order.instrument.id)))

    def _offered(self, order: WorkingOrder, tick: Print) -> Quantity:
        return executable_size(tick.size, self.participation, order.instrument.quantity_increment)

    def _affordable(self, order: WorkingOrder, cost: Money) -> bool:
        """Prices move between the gate and the fill; an entry never overdraws the account for that."""
        return order.closing or order.side is Side.SELL or cost <= self.accounts[order.contender].portfolio.cash

    def _fill(self, turn: Turn, order: WorkingOrder, quantity: Quantity, price: Price, fee: Money) -> None:
        portfolio = self.accounts[order.contender].portfolio
        entry, _ = portfolio.apply(turn.at, order.instrument.id, order.side, quantity, price, fee)
        order.remaining -= quantity
        order.fills += 1
        turn.filled(order, quantity, price, fee, entry.realized)
        if not order.remaining:
            self._end(order)
        self._follow_position(turn, order, quantity)

    def _follow_position(self, turn: Turn, filled: WorkingOrder, quantity: Quantity) -> None:
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
        if filled.purpose is OrderPurpose.ENTRY and filled.stop_price and filled.side.sign * held > 0:
            opened = filled.side.sign * min(quantity, abs(held))
            stop = _closing_order(turn.next_id(), filled.contender, instrument, opened, filled.stop_price)
            stop.type, stop.price, stop.purpose = OrderType.STOP, filled.stop_price, OrderPurpose.STOP_LOSS
            self.submit(turn, stop, parent_id=filled.id)

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
