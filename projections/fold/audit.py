"""The audit trail: each signal, step of an order, kill switch, rollback, word of an operator, new or failed model.

`data` holds the event's fields by name: numbers in dollars and shares, exact to the last unit, and moments in UTC.
"""

from collections.abc import Iterator, Mapping

from projections.fold.rows import Handler, Row, document, fields_of, plain
from projections.kinds import AuditType, OrderStep
from titanflow.domain.events import (
    ContenderSetAside,
    Event,
    KillSwitchTripped,
    ModelReplaced,
    ModelRolledBack,
    OperatorCommanded,
    OrderAdjusted,
    OrderApproved,
    OrderCancelled,
    OrderDenied,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderSubmitted,
    OrderTriggered,
    SessionStarted,
    SignalGenerated,
    tag_of,
)

AUDITED: Mapping[type[Event], AuditType] = {
    SignalGenerated: AuditType.SIGNAL,
    OrderApproved: AuditType.ORDER,
    OrderHeld: AuditType.ORDER,
    OrderDenied: AuditType.ORDER,
    OrderSubmitted: AuditType.ORDER,
    OrderTriggered: AuditType.ORDER,
    OrderAdjusted: AuditType.ORDER,
    OrderRejected: AuditType.ORDER,
    OrderCancelled: AuditType.ORDER,
    OrderFilled: AuditType.FILL,
    KillSwitchTripped: AuditType.KILL_SWITCH,
    ModelRolledBack: AuditType.MANUAL_APPROVAL_MODE,
    OperatorCommanded: AuditType.OPERATOR_COMMAND,
    ModelReplaced: AuditType.MODEL_REPLACED,
    ContenderSetAside: AuditType.CONTENDER_SET_ASIDE,
}
"""Which events leave a record, and of which kind; of an order's life `step` says how far it is."""

STEPS: Mapping[type[Event], OrderStep] = {
    OrderApproved: OrderStep.APPROVED,
    OrderHeld: OrderStep.HELD,
    OrderDenied: OrderStep.DENIED,
    OrderSubmitted: OrderStep.SUBMITTED,
    OrderTriggered: OrderStep.TRIGGERED,
    OrderAdjusted: OrderStep.ADJUSTED,
    OrderRejected: OrderStep.REJECTED,
    OrderCancelled: OrderStep.CANCELLED,
    OrderFilled: OrderStep.FILLED,
}
"""The step that an event is in the life of its order; a fill that leaves a rest is a partial one."""


class AuditFolder:
    """Owns `audit_trail`."""

    def __init__(self) -> None:
        self._models: dict[str, str] = {}
        self._rows: list[Row] = []
        self.handlers: Mapping[type[Event], Handler] = {
            SessionStarted: self._started,
            **dict.fromkeys(AUDITED, self._record),
            ModelReplaced: self._replaced,
        }

    def drain(self) -> Iterator[tuple[str, list[Row]]]:
        """See Folder."""
        rows, self._rows = self._rows, []
        yield "audit_trail", rows

    def _started(self, seq: int, event: SessionStarted) -> None:
        self._models = {contender.id: contender.model_hash for contender in event.contenders}

    def _replaced(self, seq: int, event: ModelReplaced) -> None:
        self._models[event.contender] = event.model_hash
        self._record(seq, event)

    def _record(self, seq: int, event: SignalGenerated | OperatorCommanded | ModelReplaced | ContenderSetAside) -> None:
        self._rows.append(
            {
                "seq": seq,
                "cause": getattr(event, "cause", None),
                "at_ns": event.at,
                "event_type": AUDITED[type(event)],
                "step": _step(event),
                "order_id": plain(getattr(event, "order_id", "")) or None,
                "contender": plain(event.contender) or None,
                "model_hash": self._models.get(event.contender),
                "data": document({"event": tag_of(type(event)), **fields_of(event)}),
            }
        )


def _step(event: Event) -> OrderStep | None:
    step = STEPS.get(type(event))
    return OrderStep.PARTIALLY_FILLED if isinstance(event, OrderFilled) and event.remaining else step
