"""The audit records: one function an event that an auditor asks about. `logged_at` is when the ledger recorded it."""

from msgspec.structs import asdict

from projections.mirror.channels import execution_filled
from projections.mirror.formats import iso, known, lower, number, percent
from projections.mirror.messages import (
    AuditFill,
    AuditKillSwitch,
    AuditManualApproval,
    AuditOrder,
    AuditSignal,
    OrderStatus,
)
from projections.mirror.records import Order, Records
from titanflow.domain.events import (
    KillSwitchTripped,
    ModelRolledBack,
    OrderApproved,
    OrderCancelled,
    OrderDenied,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderSubmitted,
    OrderTriggered,
    SignalGenerated,
)
from titanflow.domain.types import DenialCode, Gate, Nanos, as_float

OrderEvent = OrderApproved | OrderDenied | OrderHeld | OrderSubmitted | OrderTriggered | OrderRejected | OrderCancelled


def signal(records: Records, seq: int, recorded_at: Nanos, event: SignalGenerated) -> AuditSignal:
    """SIGNAL."""
    return AuditSignal(
        seq=seq,
        session_id=records.session,
        logged_at=iso(recorded_at),
        model_id=event.contender,
        model_version=event.model_hash,
        symbol=records.instruments[event.instrument].symbol,
        signal=event.side,
        confidence=event.confidence,
        price=as_float(event.price),
        explanation=records.signals[seq].explanation,
    )


def approved(records: Records, seq: int, recorded_at: Nanos, event: OrderApproved) -> AuditOrder:
    """ORDER, approved by risk."""
    return _order(records, seq, recorded_at, event, records.orders[event.order_id], "APPROVED")


def held(records: Records, seq: int, recorded_at: Nanos, event: OrderHeld) -> AuditOrder:
    """ORDER, waiting for a person."""
    return _order(records, seq, recorded_at, event, records.orders[event.order_id], "HELD", event.code)


def denied(records: Records, seq: int, recorded_at: Nanos, event: OrderDenied) -> AuditOrder:
    """ORDER, denied by risk or by a person; without a quantity where it was denied before it was sized."""
    return _order(records, seq, recorded_at, event, records.denied(event), "DENIED", event.code)


def submitted(records: Records, seq: int, recorded_at: Nanos, event: OrderSubmitted) -> AuditOrder:
    """ORDER, working in the market."""
    return _order(records, seq, recorded_at, event, records.orders[event.order_id], "SUBMITTED")


def triggered(records: Records, seq: int, recorded_at: Nanos, event: OrderTriggered) -> AuditOrder:
    """ORDER, a stop whose price was reached."""
    return _order(records, seq, recorded_at, event, records.orders[event.order_id], "TRIGGERED")


def rejected(records: Records, seq: int, recorded_at: Nanos, event: OrderRejected) -> AuditOrder:
    """ORDER, refused by the executor's last gate."""
    return _order(records, seq, recorded_at, event, records.orders[event.order_id], "REJECTED", event.code)


def cancelled(records: Records, seq: int, recorded_at: Nanos, event: OrderCancelled) -> AuditOrder:
    """ORDER, of which `qty` no longer works."""
    order = records.orders[event.order_id]._replace(quantity=event.remaining)
    return _order(records, seq, recorded_at, event, order, "CANCELLED", event.code)


def fill(records: Records, seq: int, recorded_at: Nanos, event: OrderFilled) -> AuditFill:
    """FILL: the whole fill."""
    return AuditFill(
        **asdict(execution_filled(records, seq, event)),
        logged_at=iso(recorded_at),
        model_version=records.contenders[event.contender].model_hash,
    )


def kill_switch(records: Records, seq: int, recorded_at: Nanos, event: KillSwitchTripped) -> AuditKillSwitch:
    """KILL_SWITCH."""
    return AuditKillSwitch(
        seq=seq,
        session_id=records.session,
        logged_at=iso(recorded_at),
        model_id=event.contender or None,
        model_version=records.contenders[event.contender].model_hash if event.contender else None,
        trigger=event.trigger,
        drawdown_pct=percent(event.drawdown),
        equity=as_float(event.equity),
    )


def manual_approval(records: Records, seq: int, recorded_at: Nanos, event: ModelRolledBack) -> AuditManualApproval:
    """MANUAL_APPROVAL_MODE."""
    return AuditManualApproval(
        seq=seq,
        session_id=records.session,
        logged_at=iso(recorded_at),
        model_id=event.contender,
        model_version=records.contenders[event.contender].model_hash,
        reason=f"{_measured(event.metric)} {event.value:.4f} is below {event.threshold:.4f} "
        f"after {event.round_trips} round trips",
        metric_name=event.metric,
        metric_value=event.value,
        threshold=event.threshold,
    )


def _measured(metric: str) -> str:
    return "upper bound of the mean round trip" if metric == Gate.HARM else f"rolling {metric}"


def _order(
    records: Records,
    seq: int,
    recorded_at: Nanos,
    event: OrderEvent,
    order: Order,
    status: OrderStatus,
    reason: DenialCode | None = None,
) -> AuditOrder:
    return AuditOrder(
        seq=seq,
        session_id=records.session,
        logged_at=iso(recorded_at),
        model_id=event.contender,
        model_version=records.contenders[event.contender].model_hash,
        symbol=records.instruments[event.instrument].symbol,
        side=lower(order.side),
        qty=number(order.quantity),
        price=known(order.price),
        confidence=order.confidence,
        order_id=event.order_id,
        status=status,
        mode=records.mode,
        reason=reason,
    )
