"""What messages repeat of earlier events: contenders, instruments, reasons of signals and orders. A pure fold."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from titanflow.domain.events import (
    Event,
    ModelReplaced,
    OrderAdjusted,
    OrderApproved,
    OrderDenied,
    OrderHeld,
    OrderSubmitted,
    SessionStarted,
    SignalGenerated,
)
from titanflow.domain.instruments import Instrument
from titanflow.domain.session_settings import ContenderSpec
from titanflow.domain.types import ContenderId, ExecutionMode, InstrumentId, Money, OrderId, Price, Quantity, Side

RULE_CONFIDENCE = 1.0
"""Confidence of an order that a rule made, not a model: readers that filter by a minimum keep it."""

Contributions = tuple[tuple[str, float], ...]
"""(feature, contribution) pairs, the weightiest first."""


class Order(NamedTuple):
    """What later messages about an order repeat of it. `price` is 0 where none is known."""

    side: Side
    quantity: Quantity
    price: Price
    confidence: float
    explanation: tuple[str, ...]


class Signal(NamedTuple):
    """What messages about a signal, and about the orders that follow from it, say of its reasons."""

    price: Price
    confidence: float
    contributions: Contributions
    explanation: tuple[str, ...]


class Records:
    """Learns from the events of one session, in ledger order.

    Orders are kept to the session's end, for a stop may name its entry at any time; signals until risk denies them.
    """

    def __init__(self, session: str) -> None:
        self.session = session
        self.contenders: dict[ContenderId, ContenderSpec] = {}
        self.instruments: dict[InstrumentId, Instrument] = {}
        self.signals: dict[int, Signal] = {}
        self.orders: dict[OrderId, Order] = {}
        self.provider = ""
        self.mode = ExecutionMode.PAPER
        self.starting_cash: Money = 0
        self._lessons: dict[type[Event], Callable[[int, Any], None]] = {
            SessionStarted: self._session_started,
            SignalGenerated: self._signal,
            OrderApproved: self._approved,
            OrderHeld: self._held,
            OrderSubmitted: self._submitted,
            OrderAdjusted: self._adjusted,
            ModelReplaced: self._replaced,
        }

    def learn(self, seq: int, event: Event) -> None:
        """Take what later messages need, before the event's own are made."""
        lesson = self._lessons.get(type(event))
        if lesson is not None:
            lesson(seq, event)

    def forget(self, denied: OrderDenied) -> None:
        """Drop the reasons of a signal, once the message of its denial is made: no later one can need them."""
        self.signals.pop(denied.signal, None)

    def denied(self, event: OrderDenied) -> Order:
        """The order that was denied: as it was held, else as the signal asked for it, unsized."""
        return self.orders.get(event.order_id) or self._asked(event.side, event.signal)

    def _asked(self, side: Side, signal: int) -> Order:
        asked = self.signals.get(signal)
        if asked is None:
            return Order(side, 0, 0, RULE_CONFIDENCE, ())
        return Order(side, 0, asked.price, asked.confidence, asked.explanation)

    def _session_started(self, seq: int, event: SessionStarted) -> None:
        self.contenders = {spec.id: spec for spec in event.contenders}
        self.instruments = {instrument.id: instrument for instrument in event.instruments}
        self.provider = event.feed.provider
        self.mode = event.settings.execution.mode
        self.starting_cash = event.settings.starting_cash

    def _replaced(self, seq: int, event: ModelReplaced) -> None:
        spec = self.contenders[event.contender]
        self.contenders[event.contender] = msgspec.structs.replace(spec, model_hash=event.model_hash)

    def _signal(self, seq: int, event: SignalGenerated) -> None:
        # Stable: features of equal weight keep the order in which the model names them.
        contributions = tuple(sorted(event.explanation.contributions, key=lambda pair: -abs(pair[1])))
        explanation = tuple(f"{feature}: {impact:+.4f}" for feature, impact in contributions)
        self.signals[seq] = Signal(event.order_price or event.price, event.confidence, contributions, explanation)

    def _approved(self, seq: int, event: OrderApproved) -> None:
        signal = self.signals.get(event.signal)
        self.orders[event.order_id] = Order(
            event.side,
            event.quantity,
            event.order_price or event.decision_price,
            event.confidence,
            signal.explanation if signal else (),
        )

    def _held(self, seq: int, event: OrderHeld) -> None:
        asked = self._asked(event.side, event.signal)
        self.orders[event.order_id] = asked._replace(quantity=event.quantity, price=event.decision_price)

    def _submitted(self, seq: int, event: OrderSubmitted) -> None:
        """An order that risk approved, a stop that speaks for its entry, or a liquidation that a rule made."""
        known = self.orders.get(event.order_id) or self.orders.get(event.parent_id)
        self.orders[event.order_id] = Order(
            event.side,
            event.quantity,
            event.order_price or event.decision_price,
            known.confidence if known else RULE_CONFIDENCE,
            known.explanation if known else (),
        )

    def _adjusted(self, seq: int, event: OrderAdjusted) -> None:
        """An order asks for other shares since a split."""
        known = self.orders[event.order_id]
        price = event.order_price or known.price * known.quantity // event.remaining
        self.orders[event.order_id] = known._replace(quantity=event.remaining, price=price)
