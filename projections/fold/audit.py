"""The audit trail: each signal, order, fill, kill switch, rollback, word of an operator, new model, failed contender.

`data` holds the event's fields as recorded (money, prices and quantities as 1e-9 integers, times in nanoseconds).
"""

from collections.abc import Iterator, Mapping

from projections.fold.rows import Handler, Row, document, fields_of, plain
from projections.kinds import AuditType
from titanflow.domain.events import (
    ContenderSetAside,
    Event,
    KillSwitchTripped,
    ModelReplaced,
    ModelRolledBack,
    OperatorCommanded,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    SessionStarted,
    SignalGenerated,
    tag_of,
)

AUDITED: Mapping[type[Event], AuditType] = {
    SignalGenerated: AuditType.SIGNAL,
    OrderSubmitted: AuditType.ORDER,
    OrderRejected: AuditType.ORDER,
    OrderCancelled: AuditType.ORDER,
    OrderFilled: AuditType.FILL,
    KillSwitchTripped: AuditType.KILL_SWITCH,
    ModelRolledBack: AuditType.MANUAL_APPROVAL_MODE,
    OperatorCommanded: AuditType.OPERATOR_COMMAND,
    ModelReplaced: AuditType.MODEL_REPLACED,
    ContenderSetAside: AuditType.CONTENDER_SET_ASIDE,
}
"""Which events leave a record, and of which kind; `data.event` tells an order's submission from its end."""


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
                "contender": plain(event.contender) or None,
                "model_hash": self._models.get(event.contender),
                "data": document({"event": tag_of(type(event)), **fields_of(event)}),
            }
        )
