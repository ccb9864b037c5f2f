"""Orders: each one's latest state, from its verdict or submission to its end.

An order that has ended leaves the fold's memory.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from projections.errors import ProjectionError
from projections.fold.rows import Handler, Row, exact, exact_or_none
from projections.kinds import OrderStatus
from titanflow.domain.events import (
    Event,
    OrderAdjusted,
    OrderApproved,
    OrderCancelled,
    OrderDenied,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderSubmitted,
    OrderTriggered,
)
from titanflow.domain.types import ExecutionMode, Money, Nanos, OrderPurpose, OrderType, Price, Quantity, Side

OrderEvent = (
    OrderAdjusted
    | OrderApproved
    | OrderDenied
    | OrderRejected
    | OrderSubmitted
    | OrderTriggered
    | OrderFilled
    | OrderCancelled
)
"""Events that change an order."""


@dataclass(slots=True)
class Order:
    """One order as far as the ledger has told."""

    seq: int
    cause: int
    at: Nanos
    order_id: str
    contender: str
    instrument: str
    side: Side
    quantity: Quantity
    purpose: OrderPurpose
    decision_price: Price
    status: OrderStatus
    updated_seq: int
    updated_at: Nanos
    signal: int = 0
    parent_id: str = ""
    order_type: OrderType | None = None
    order_price: Price = 0
    stop_price: Price = 0
    confidence: float | None = None
    filled: Quantity = 0
    fees: Money = 0
    code: str | None = None
    mode: ExecutionMode | None = None
    active_at: Nanos | None = None
    expires_at: Nanos | None = None
    triggered_at: Nanos | None = None

    def row(self) -> Row:
        """The order as a row of `orders`."""
        return {
            "seq": self.seq,
            "cause": self.cause,
            "at_ns": self.at,
            "order_id": self.order_id,
            "parent_id": self.parent_id or None,
            "contender": self.contender,
            "instrument": self.instrument,
            "side": self.side,
            "order_type": self.order_type,
            "order_price": exact_or_none(self.order_price),
            "stop_price": exact_or_none(self.stop_price),
            "purpose": self.purpose,
            "quantity": exact(self.quantity),
            "filled": exact(self.filled),
            "fees": exact(self.fees),
            "decision_price": exact(self.decision_price),
            "confidence": self.confidence,
            "signal": self.signal or None,
            "status": self.status,
            "code": self.code,
            "mode": self.mode,
            "active_at_ns": self.active_at,
            "expires_at_ns": self.expires_at,
            "triggered_at_ns": self.triggered_at,
            "updated_seq": self.updated_seq,
            "updated_at_ns": self.updated_at,
        }


class OrderFolder:
    """Owns `orders`."""

    def __init__(self) -> None:
        self._open: dict[str, Order] = {}
        self._changed: dict[str, Order] = {}
        self.handlers: Mapping[type[Event], Handler] = {
            OrderHeld: self._held,
            OrderApproved: self._approved,
            OrderDenied: self._denied,
            OrderRejected: self._rejected,
            OrderSubmitted: self._submitted,
            OrderTriggered: self._triggered,
            OrderAdjusted: self._adjusted,
            OrderFilled: self._filled,
            OrderCancelled: self._cancelled,
        }

    def drain(self) -> Iterator[tuple[str, list[Row]]]:
        """See Folder."""
        changed, self._changed = self._changed, {}
        yield "orders", [order.row() for order in changed.values()]

    def _held(self, seq: int, event: OrderHeld) -> None:
        order = self._new(seq, event, OrderPurpose.ENTRY, OrderStatus.HELD)
        order.signal = event.signal
        order.code = event.code
        order.expires_at = event.expires_at

    def _approved(self, seq: int, event: OrderApproved) -> None:
        order = self._open.get(event.order_id) or self._new(seq, event, event.purpose, OrderStatus.APPROVED)
        self._change(seq, event, order, OrderStatus.APPROVED)
        order.quantity = event.quantity
        order.order_type = event.order_type
        order.order_price = event.order_price
        order.stop_price = event.stop_price
        order.decision_price = event.decision_price
        order.confidence = event.confidence
        order.signal = event.signal

    def _denied(self, seq: int, event: OrderDenied) -> None:
        order = self._open.get(event.order_id)
        if order and order.status is OrderStatus.HELD:
            self._end(seq, event, order, OrderStatus.DENIED, event.code)

    def _rejected(self, seq: int, event: OrderRejected) -> None:
        # A second order under a living order's id is rejected as a duplicate, which does not touch the living one.
        order = self._open.get(event.order_id)
        if order and order.status is OrderStatus.APPROVED:
            self._end(seq, event, order, OrderStatus.REJECTED, event.code)

    def _submitted(self, seq: int, event: OrderSubmitted) -> None:
        order = self._open.get(event.order_id) or self._new(seq, event, event.purpose, OrderStatus.WORKING)
        self._change(seq, event, order, OrderStatus.WORKING)
        order.quantity = event.quantity
        order.parent_id = event.parent_id
        order.order_type = event.order_type
        order.order_price = event.order_price
        order.mode = event.mode
        order.active_at = event.active_at

    def _triggered(self, seq: int, event: OrderTriggered) -> None:
        order = self._working(seq, event)
        self._change(seq, event, order, order.status)
        order.triggered_at = event.met_at
        order.active_at = event.active_at

    def _adjusted(self, seq: int, event: OrderAdjusted) -> None:
        """After a split the quantity is what was filled, in the older shares, and what still works, in the new ones."""
        order = self._working(seq, event)
        self._change(seq, event, order, OrderStatus.WORKING)
        order.quantity = order.filled + event.remaining
        order.order_price = event.order_price
        order.stop_price = event.stop_price

    def _filled(self, seq: int, event: OrderFilled) -> None:
        order = self._working(seq, event)
        order.filled += event.quantity
        order.fees += event.fee
        if event.remaining:
            self._change(seq, event, order, OrderStatus.WORKING)
        else:
            self._end(seq, event, order, OrderStatus.FILLED, None)

    def _cancelled(self, seq: int, event: OrderCancelled) -> None:
        self._end(seq, event, self._working(seq, event), OrderStatus.CANCELLED, event.code)

    def _new(
        self,
        seq: int,
        event: OrderHeld | OrderApproved | OrderSubmitted,
        purpose: OrderPurpose,
        status: OrderStatus,
    ) -> Order:
        order = Order(
            seq=seq,
            cause=event.cause,
            at=event.at,
            order_id=event.order_id,
            contender=event.contender,
            instrument=event.instrument,
            side=event.side,
            quantity=event.quantity,
            purpose=purpose,
            decision_price=event.decision_price,
            status=status,
            updated_seq=seq,
            updated_at=event.at,
        )
        self._open[order.order_id] = self._changed[order.order_id] = order
        return order

    def _working(self, seq: int, event: OrderAdjusted | OrderTriggered | OrderFilled | OrderCancelled) -> Order:
        order = self._open.get(event.order_id)
        if order is None:
            raise ProjectionError(f"event {seq}: order {event.order_id} is not open, yet it goes on")
        return order

    def _change(self, seq: int, event: OrderEvent, order: Order, status: OrderStatus) -> None:
        order.status = status
        order.code = None
        order.updated_seq = seq
        order.updated_at = event.at
        self._changed[order.order_id] = order

    def _end(self, seq: int, event: OrderEvent, order: Order, status: OrderStatus, code: str | None) -> None:
        self._change(seq, event, order, status)
        order.code = code
        del self._open[order.order_id]
