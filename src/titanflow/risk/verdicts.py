"""The guardian's verdicts as events, built from what was asked and what was found. Decides nothing."""

from typing import NamedTuple

from titanflow.domain.events import Context, KillSwitchTripped, OrderApproved, OrderDenied, OrderHeld, SignalGenerated
from titanflow.domain.types import (
    ContenderId,
    DenialCode,
    KillTrigger,
    Money,
    Nanos,
    OrderId,
    OrderPurpose,
    OrderType,
    Price,
    Quantity,
    Side,
    SizedBy,
)
from titanflow.risk.kill_switch import KillSwitch


class Denial(NamedTuple):
    """Why something may not be done, with the numbers that say so."""

    code: DenialCode
    context: Context = ()


class Entry(NamedTuple):
    """An entry that passed every limit: how large, and with which protective stop."""

    quantity: Quantity
    decision_price: Price
    """The last price when it was decided."""
    worst_price: Price
    """What a unit counts for in the limits, in account money, by the last price or the order's own if higher."""
    stop_price: Price
    context: Context
    sized_by: SizedBy
    """The limit that decided the quantity."""


class Request(NamedTuple):
    """A signal with its place in the ledger: what every verdict answers."""

    seq: int
    signal: SignalGenerated


def denied(cause: int, at: Nanos, request: Request, denial: Denial, order_id: OrderId = "") -> OrderDenied:
    """No to a request; `order_id` where it was held."""
    signal = request.signal
    return OrderDenied(
        cause=cause,
        at=at,
        contender=signal.contender,
        instrument=signal.instrument,
        side=signal.side,
        signal=request.seq,
        order_id=order_id,
        code=denial.code,
        context=denial.context,
    )


def unknown_order(cause: int, at: Nanos, contender: ContenderId, order_id: OrderId) -> OrderDenied:
    """No to an operator who named an order that is not held; nothing is known of it, so `side` says nothing."""
    return OrderDenied(
        cause=cause,
        at=at,
        contender=contender,
        instrument="",
        side=Side.BUY,
        signal=0,
        order_id=order_id,
        code=DenialCode.UNKNOWN_ORDER,
        context=(),
    )


def entry_approved(cause: int, at: Nanos, request: Request, order_id: OrderId, entry: Entry) -> OrderApproved:
    """Yes to an entry of the size that risk allows."""
    signal = request.signal
    return OrderApproved(
        cause=cause,
        at=at,
        order_id=order_id,
        contender=signal.contender,
        instrument=signal.instrument,
        side=signal.side,
        quantity=entry.quantity,
        order_type=signal.order_type,
        order_price=signal.order_price,
        stop_price=entry.stop_price,
        purpose=OrderPurpose.ENTRY,
        decision_price=entry.decision_price,
        confidence=signal.confidence,
        signal=request.seq,
        context=entry.context,
        sized_by=entry.sized_by,
    )


def exit_approved(
    cause: int,
    at: Nanos,
    request: Request,
    order_id: OrderId,
    quantity: Quantity,
    position: Quantity,
    mark: Price,
    order_price: Price,
) -> OrderApproved:
    """Yes to closing `quantity` of a `position` (signed) at `order_price` (0: the market's)."""
    signal = request.signal
    return OrderApproved(
        cause=cause,
        at=at,
        order_id=order_id,
        contender=signal.contender,
        instrument=signal.instrument,
        side=signal.side,
        quantity=quantity,
        order_type=signal.order_type,
        order_price=order_price,
        stop_price=0,
        purpose=OrderPurpose.EXIT,
        decision_price=mark,
        confidence=signal.confidence,
        signal=request.seq,
        context=(("position", position),),
    )


def close_approved(
    cause: int, at: Nanos, order_id: OrderId, contender: ContenderId, instrument: str, position: Quantity, mark: Price
) -> OrderApproved:
    """Close a whole `position` (signed) before its venue closes; no signal asked."""
    return OrderApproved(
        cause=cause,
        at=at,
        order_id=order_id,
        contender=contender,
        instrument=instrument,
        side=Side.SELL if position > 0 else Side.BUY,
        quantity=abs(position),
        order_type=OrderType.MARKET,
        order_price=0,
        stop_price=0,
        purpose=OrderPurpose.SESSION_CLOSE,
        decision_price=mark,
        confidence=1.0,
        signal=0,
        context=(("position", position),),
    )


def held(cause: int, at: Nanos, request: Request, order_id: OrderId, entry: Entry, expires_at: Nanos) -> OrderHeld:
    """Wait for a person to decide on an entry; the quantity is what risk would allow now."""
    signal = request.signal
    return OrderHeld(
        cause=cause,
        at=at,
        order_id=order_id,
        contender=signal.contender,
        instrument=signal.instrument,
        side=signal.side,
        quantity=entry.quantity,
        decision_price=entry.decision_price,
        signal=request.seq,
        code=DenialCode.MANUAL_APPROVAL,
        expires_at=expires_at,
    )


def tripped(
    cause: int, at: Nanos, contender: ContenderId, switch: KillSwitch, trigger: KillTrigger, equity: Money, losses: int
) -> KillSwitchTripped:
    """The kill switch of a contender (empty: of all) tripped at this `equity`, after `losses` in a row."""
    fall = switch.trailing if trigger is KillTrigger.MAX_DRAWDOWN else switch.daily
    return KillSwitchTripped(
        cause=cause,
        at=at,
        contender=contender,
        trigger=trigger,
        equity=equity,
        opening_equity=switch.daily.mark,
        drawdown=fall.ratio(equity),
        consecutive_losses=losses,
        peak_equity=switch.trailing.mark,
        until=switch.halts[trigger].until,
    )
