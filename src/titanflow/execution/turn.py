"""The answer to one event in the making: which decisions it leads to, each an event with its cause, time and ids."""

from titanflow.domain.decider import derived_id
from titanflow.domain.events import Event, OrderApproved, OrderCancelled, OrderFilled, OrderRejected, OrderSubmitted
from titanflow.domain.types import DenialCode, ExecutionMode, Money, Nanos, OrderId, Price, Quantity
from titanflow.execution.orders import WorkingOrder
from titanflow.execution.validator import Refusal

MODE = ExecutionMode.PAPER


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

    def filled(self, order: WorkingOrder, quantity: Quantity, price: Price, fee: Money, realized: Money) -> None:
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
                quantity=quantity,
                price=price,
                fee=fee,
                slippage=price - order.decision_price,
                remaining=order.remaining,
                purpose=order.purpose,
                realized_pnl=realized,
                mode=MODE,
            )
        )

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
