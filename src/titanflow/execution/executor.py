"""The executor: approved orders go through the last gate into a simulated market, where later ticks fill them.

Paper only; everything happens in event time. An order enters its book when its OrderSubmitted is read back from the
ledger, so that no fill rests on a tick that stands before its order, however far this decider lags.
"""

from collections.abc import Mapping

from titanflow.domain.decider import NOTHING, Decisions, Handler, derived_id
from titanflow.domain.events import (
    Event,
    OrderApproved,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    RiskCommandIssued,
    SessionEnded,
    SessionStarted,
    TickReceived,
)
from titanflow.domain.instruments import Instrument
from titanflow.domain.session_settings import ExecutionSettings
from titanflow.domain.types import (
    ContenderId,
    DenialCode,
    ExecutionMode,
    InstrumentId,
    Nanos,
    OrderId,
    OrderPurpose,
    OrderType,
    Price,
    Quantity,
    RiskCommand,
    Side,
)
from titanflow.execution.account import Account
from titanflow.execution.orders import Book, WorkingOrder
from titanflow.execution.simulation.fees import commission, cost_with_commission
from titanflow.execution.simulation.latency import LatencyModel
from titanflow.execution.simulation.matching import executable_size, fill_price, reached
from titanflow.execution.simulation.slippage import SlippageModel
from titanflow.execution.validator import OrderValidator, Refusal


class Turn:
    """The answer to one event in the making: its seq, its time, and the decisions so far."""

    __slots__ = ("at", "decisions", "identity", "seq")

    def __init__(self, identity: str, seq: int, at: Nanos) -> None:
        self.identity = identity
        self.seq = seq
        self.at = at
        self.decisions: list[Event] = []

    def next_id(self) -> str:
        """Id for what the next decision is about."""
        return derived_id(self.identity, Executor.name, self.seq, len(self.decisions))


class Executor:
    """Decider: sends approved orders to the simulated market and reports what becomes of them.

    Each accepted order ends exactly once: filled, or cancelled with what remains of it. Closing orders never take
    more than the position holds, and end with it. Every fill of an entry gets a protective stop of its own size.
    """

    name = "execution"
    emits: tuple[type[Event], ...] = (OrderRejected, OrderSubmitted, OrderFilled, OrderCancelled)

    settings: ExecutionSettings
    validator: OrderValidator
    latency: LatencyModel
    slippage: SlippageModel

    def __init__(self) -> None:
        self.identity = ""
        self.instruments: dict[InstrumentId, Instrument] = {}
        self.accounts: dict[ContenderId, Account] = {}
        self.marks: dict[InstrumentId, Price] = {}
        self.books: dict[InstrumentId, Book] = {}
        """Only instruments in which an order works, so that a tick of any other costs one look-up."""

    @property
    def handlers(self) -> Mapping[type[Event], Handler]:
        """Event type -> handler."""
        return {
            SessionStarted: self.on_session_started,
            TickReceived: self.on_tick,
            OrderApproved: self.on_order_approved,
            OrderSubmitted: self.on_order_submitted,
            RiskCommandIssued: self.on_risk_command,
            SessionEnded: self.on_session_ended,
        }

    def on_session_started(self, seq: int, started: SessionStarted) -> Decisions:
        """Open an account for each contender. Raises ValueError for a mode in which it could not trade truthfully."""
        settings = started.settings.execution
        if settings.mode is not ExecutionMode.PAPER:
            raise ValueError(f"this executor fills paper orders only, the session asks for {settings.mode.value!r}")
        self.settings = settings
        self.identity = started.identity
        self.instruments = {instrument.id: instrument for instrument in started.instruments}
        self.accounts = {contender.id: Account(started.settings.starting_cash) for contender in started.contenders}
        self.latency = LatencyModel(started.seed, settings)
        self.slippage = SlippageModel(started.seed, settings)
        allowance = self.slippage.allowance
        self.validator = OrderValidator(settings, self.instruments, self.accounts, self.marks, allowance)
        return NOTHING

    def on_tick(self, seq: int, tick: TickReceived) -> Decisions:
        """Mark the instrument, and let the tick meet its working orders if it concerns any."""
        price = self.marks[tick.instrument] = tick.price
        book = self.books.get(tick.instrument)
        if book is None or (book.floor < price < book.ceiling and tick.at < book.due):
            return NOTHING
        return self._match(seq, tick, book)

    def on_order_approved(self, seq: int, approved: OrderApproved) -> Decisions:
        """Reject the order at the last gate, or send it to the market."""
        turn = Turn(self.identity, seq, approved.at)
        if refusal := self.validator.refusal(approved):
            return (_rejected(turn, approved, refusal),)
        order = self._order_of(approved)
        if approved.purpose is not OrderPurpose.ENTRY:
            self._withdraw_entries(turn, order)
        self._submit(turn, order)
        return turn.decisions

    def on_order_submitted(self, seq: int, submitted: OrderSubmitted) -> Decisions:
        """The order stands in the ledger: later ticks may fill it, unless it was cancelled meanwhile."""
        order = self.accounts[submitted.contender].orders.get(submitted.order_id)
        if order is not None:
            self.books.setdefault(submitted.instrument, Book()).add(order)
        return NOTHING

    def on_risk_command(self, seq: int, command: RiskCommandIssued) -> Decisions:
        """LIQUIDATE_ALL: cancel every order and close every position of the contender, or of all."""
        if command.command is not RiskCommand.LIQUIDATE_ALL:
            return NOTHING
        turn = Turn(self.identity, seq, command.at)
        for contender, account in self.accounts.items():
            if command.contender in ("", contender):
                self._cancel_all(turn, account, DenialCode.LIQUIDATION)
                self._close_all(turn, contender, account)
        return turn.decisions

    def on_session_ended(self, seq: int, ended: SessionEnded) -> Decisions:
        """Cancel what still works; no tick will fill it."""
        turn = Turn(self.identity, seq, ended.at)
        self.validator.session_ended = True
        for account in self.accounts.values():
            self._cancel_all(turn, account, DenialCode.SESSION_ENDED)
        return turn.decisions

    # --- into the market ---------------------------------------------------------------------------------------------

    def _order_of(self, approved: OrderApproved) -> WorkingOrder:
        return WorkingOrder(
            id=approved.order_id,
            contender=approved.contender,
            instrument=self.instruments[approved.instrument],
            side=approved.side,
            remaining=approved.quantity,
            type=approved.order_type,
            price=approved.order_price,
            stop_price=approved.stop_price,
            purpose=approved.purpose,
            closing=self.validator.is_closing(approved),
            decision_price=approved.decision_price,
            worst_price=self.validator.worst_price(approved),
            active_at=approved.at + self.latency.nanos(approved.order_id),
        )

    def _submit(self, turn: Turn, order: WorkingOrder, parent_id: OrderId = "") -> None:
        self.validator.seen.add(order.id)
        self.accounts[order.contender].orders[order.id] = order
        turn.decisions.append(
            OrderSubmitted(
                cause=turn.seq,
                at=turn.at,
                order_id=order.id,
                parent_id=parent_id,
                contender=order.contender,
                instrument=order.instrument.id,
                side=order.side,
                quantity=order.remaining,
                order_type=order.type,
                order_price=order.price,
                purpose=order.purpose,
                decision_price=order.decision_price,
                active_at=order.active_at,
                mode=self.settings.mode,
            )
        )

    def _protect(self, turn: Turn, entry: WorkingOrder, quantity: Quantity) -> None:
        stop = self._closing_order(turn, entry.contender, entry.instrument, entry.side.opposite, quantity)
        stop.type = OrderType.STOP
        stop.purpose = OrderPurpose.STOP_LOSS
        stop.price = stop.decision_price = entry.stop_price
        self._submit(turn, stop, parent_id=entry.id)

    def _close_all(self, turn: Turn, contender: ContenderId, account: Account) -> None:
        if self.validator.session_ended:
            return
        for position in account.portfolio.positions.values():
            side = Side.SELL if position.quantity > 0 else Side.BUY
            instrument = self.instruments[position.instrument]
            self._submit(turn, self._closing_order(turn, contender, instrument, side, abs(position.quantity)))

    def _closing_order(
        self, turn: Turn, contender: ContenderId, instrument: Instrument, side: Side, quantity: Quantity
    ) -> WorkingOrder:
        """A market order that liquidates."""
        order_id = turn.next_id()
        return WorkingOrder(
            id=order_id,
            contender=contender,
            instrument=instrument,
            side=side,
            remaining=quantity,
            type=OrderType.MARKET,
            price=0,
            stop_price=0,
            purpose=OrderPurpose.LIQUIDATION,
            closing=True,
            decision_price=self.marks[instrument.id],
            worst_price=0,
            active_at=turn.at + self.latency.nanos(order_id),
        )

    # --- in the market -----------------------------------------------------------------------------------------------

    def _match(self, seq: int, tick: TickReceived, book: Book) -> Decisions:
        turn = Turn(self.identity, seq, tick.at)
        taken: dict[ContenderId, Quantity] = {}
        for order in book.orders:
            if order.working and tick.at >= order.active_at:
                self._meet(turn, tick, order, taken)
        book.rebound()
        return turn.decisions

    def _meet(self, turn: Turn, tick: TickReceived, order: WorkingOrder, taken: dict[ContenderId, Quantity]) -> None:
        """One tick meets one active order; `taken` is what each contender already took of the tick."""
        if order.type is not OrderType.MARKET and not reached(order, tick.price):
            return
        if order.type is OrderType.STOP:
            order.trigger(tick.at + self.latency.nanos(order.id, leg=1))
            return
        before = taken.get(order.contender, 0)
        increment = order.instrument.quantity_increment
        quantity = min(order.remaining, executable_size(tick.size, self.settings.participation, increment) - before)
        portfolio = self.accounts[order.contender].portfolio
        if order.closing:
            quantity = min(quantity, abs(portfolio.quantity(tick.instrument)))
        if quantity <= 0:
            return
        price = fill_price(order, tick, quantity, self.slippage)
        if not order.closing and order.side is Side.BUY:
            cost = cost_with_commission(order.instrument.fees, price, quantity)
            if cost > portfolio.cash:
                self._cancel(turn, order, DenialCode.BUYING_POWER)
                return
        taken[order.contender] = before + quantity
        self._fill(turn, order, quantity, price)

    def _fill(self, turn: Turn, order: WorkingOrder, quantity: Quantity, price: Price) -> None:
        account, instrument = self.accounts[order.contender], order.instrument
        fee = commission(instrument.fees, price, quantity)
        entry, _ = account.portfolio.apply(turn.at, instrument.id, order.side, quantity, price, fee)
        order.remaining -= quantity
        order.fills += 1
        turn.decisions.append(
            OrderFilled(
                cause=turn.seq,
                at=turn.at,
                fill_id=turn.next_id(),
                order_id=order.id,
                contender=order.contender,
                instrument=instrument.id,
                side=order.side,
                quantity=quantity,
                price=price,
                fee=fee,
                slippage=price - order.decision_price,
                remaining=order.remaining,
                purpose=order.purpose,
                realized_pnl=entry.realized,
                mode=self.settings.mode,
            )
        )
        if not order.remaining:
            self._end(order)
        self._follow_position(turn, order, quantity)

    def _follow_position(self, turn: Turn, filled: WorkingOrder, quantity: Quantity) -> None:
        """After a fill: closing orders that have nothing left to close end, and an entry's new part is protected."""
        account = self.accounts[filled.contender]
        held = account.portfolio.quantity(filled.instrument.id)
        for order in account.orders_in(filled.instrument.id):
            if order.closing and order.side.sign * held >= 0:
                self._cancel(turn, order, DenialCode.POSITION_CLOSED)
        if filled.purpose is OrderPurpose.ENTRY and filled.stop_price and filled.side.sign * held > 0:
            self._protect(turn, filled, min(quantity, abs(held)))

    # --- out of the market -------------------------------------------------------------------------------------------

    def _withdraw_entries(self, turn: Turn, closing: WorkingOrder) -> None:
        """Who closes a position no longer wants the rest of its entries."""
        for order in self.accounts[closing.contender].orders_in(closing.instrument.id):
            if order.purpose is OrderPurpose.ENTRY:
                self._cancel(turn, order, DenialCode.POSITION_CLOSED)

    def _cancel_all(self, turn: Turn, account: Account, code: DenialCode) -> None:
        for order in list(account.orders.values()):
            self._cancel(turn, order, code)

    def _cancel(self, turn: Turn, order: WorkingOrder, code: DenialCode) -> None:
        self._end(order)
        turn.decisions.append(
            OrderCancelled(
                cause=turn.seq,
                at=turn.at,
                order_id=order.id,
                contender=order.contender,
                instrument=order.instrument.id,
                remaining=order.remaining,
                code=code,
            )
        )

    def _end(self, order: WorkingOrder) -> None:
        order.working = False
        del self.accounts[order.contender].orders[order.id]
        book = self.books.get(order.instrument.id)
        if book is not None:
            book.rebound()
            if not book.orders:
                del self.books[order.instrument.id]


def _rejected(turn: Turn, approved: OrderApproved, refusal: Refusal) -> OrderRejected:
    return OrderRejected(
        cause=turn.seq,
        at=turn.at,
        order_id=approved.order_id,
        contender=approved.contender,
        instrument=approved.instrument,
        code=refusal.code,
        context=refusal.context,
    )
