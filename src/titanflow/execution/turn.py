"""The answer to one event in the making: which decisions it leads to, each an event with its cause, time and ids."""

from typing import NamedTuple

from titanflow.domain.decider import derived_id
from titanflow.domain.events import (
    BorrowCharged,
    Context,
    Event,
    OrderAdjusted,
    OrderApproved,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    OrderTriggered,
)
from titanflow.domain.types import (
    ContenderId,
    DenialCode,
    ExecutionMode,
    FillBasis,
    InstrumentId,
    Money,
    Nanos,
    OrderId,
    Price,
    Quantity,
)
from titanflow.execution.orders import WorkingOrder
from titanflow.execution.validator import Refusal

MODE = ExecutionMode.PAPER


class Trade(NamedTuple):
    """What the market gave for a part or all of an order."""

    quantity: Quantity
    price: Price
    fee: Money
    met_at: Nanos
    reference_price: Price
    """The market's price before costs."""
    basis: FillBasis
    costs: Context = ()
    beside: Money = 0
    """Part of the fee that is no commission: costs which the price could not show."""


class Turn:
    """Collects decisions in order; ids derive from the event's seq and the decision's place."""

    __slots__ = ("at", "decisions", "identity", "seq")

    def __init__(self, identity: str, seq: int, at: Nanos) -> None:
        self.identity = identity
        self.seq = seq
        self.at = at
        self.decisions: list[Event] = []

    def next_id(self) -> str:
        """Id for what the next decision is about."""
        return derived_id(self.identity, "execution", self.seq, len(self.decisions))

    def rejected(self, approved: OrderApproved, refusal: Refusal) -> None:
        """The last gate refused an order."""
        self.decisions.append(
            OrderRejected(
                cause=self.seq,
                at=self.at,
                order_id=approved.order_id,
                contender=approved.contender,
                instrument=approved.instrument,
                code=refusal.code,
                context=refusal.context,
            )
        )

    def submitted(self, order: WorkingOrder, parent_id: OrderId) -> None:
        """An order is on its way to the market."""
        self.decisions.append(
            OrderSubmitted(
                cause=self.seq,
                at=self.at,
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
                mode=MODE,
            )
        )

    def adjusted(self, order: WorkingOrder) -> None:
        """A split changed what an order asks for."""
        self.decisions.append(
            OrderAdjusted(
                cause=self.seq,
                at=self.at,
                order_id=order.id,
                contender=order.contender,
                instrument=order.instrument.id,
                remaining=order.remaining,
                order_price=order.price,
                stop_price=order.stop_price,
            )
        )

    def triggered(self, order: WorkingOrder, price: Price, met_at: Nanos, active_at: Nanos) -> None:
        """A stop order's price was reached, by a market at `price`."""
        self.decisions.append(
            OrderTriggered(
                cause=self.seq,
                at=self.at,
                order_id=order.id,
                contender=order.contender,
                instrument=order.instrument.id,
                stop_price=order.price,
                price=price,
                met_at=met_at,
                active_at=active_at,
            )
        )

    def filled(self, order: WorkingOrder, trade: Trade, realized: Money) -> None:
        """A part or all of an order traded; the order already knows what remains."""
        self.decisions.append(
            OrderFilled(
                cause=self.seq,
                at=self.at,
                fill_id=self.next_id(),
                order_id=order.id,
                contender=order.contender,
                instrument=order.instrument.id,
                side=order.side,
                quantity=trade.quantity,
                price=trade.price,
                fee=trade.fee,
                slippage=trade.price - order.decision_price,
                remaining=order.remaining,
                purpose=order.purpose,
                realized_pnl=realized,
                mode=MODE,
                met_at=trade.met_at,
                reference_price=trade.reference_price,
                basis=trade.basis,
                costs=trade.costs,
            )
        )

    def charged(
        self,
        contender: ContenderId,
        instrument: InstrumentId,
        quantity: Quantity,
        price: Price,
        since: Nanos,
        amount: Money,
    ) -> None:
        """A short position paid for what it borrowed."""
        self.decisions.append(BorrowCharged(self.seq, self.at, contender, instrument, quantity, price, since, amount))

    def cancelled(self, order: WorkingOrder, code: DenialCode) -> None:
        """The rest of an order no longer works."""
        self.decisions.append(
            OrderCancelled(
                cause=self.seq,
                at=self.at,
                order_id=order.id,
                contender=order.contender,
                instrument=order.instrument.id,
                remaining=order.remaining,
                code=code,
            )
        )
