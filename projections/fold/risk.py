"""Risk events: tripped kill switches, rollbacks, what gates reported, and the guardian's commands."""

from collections.abc import Iterator, Mapping

from projections.fold.rows import Handler, Row, document, fields_of, origin
from projections.kinds import RiskEventType
from titanflow.domain.events import (
    Event,
    GateReported,
    KillSwitchTripped,
    ModelRolledBack,
    RiskCommandIssued,
    SessionStarted,
)


class RiskFolder:
    """Owns `risk_events`. `contender` is NULL where all are meant, or where an operator named nobody of the session."""

    def __init__(self) -> None:
        self._contenders: frozenset[str] = frozenset()
        self._rows: list[Row] = []
        self.handlers: Mapping[type[Event], Handler] = {
            SessionStarted: self._started,
            RiskCommandIssued: self._command,
            KillSwitchTripped: self._kill_switch,
            ModelRolledBack: self._rollback,
            GateReported: self._gate,
        }

    def drain(self) -> Iterator[tuple[str, list[Row]]]:
        """See Folder."""
        rows, self._rows = self._rows, []
        yield "risk_events", rows

    def _started(self, seq: int, event: SessionStarted) -> None:
        self._contenders = frozenset(contender.id for contender in event.contenders)

    def _command(self, seq: int, event: RiskCommandIssued) -> None:
        self._add(seq, event, RiskEventType.COMMAND, command=event.command)

    def _kill_switch(self, seq: int, event: KillSwitchTripped) -> None:
        self._add(seq, event, RiskEventType.KILL_SWITCH, trigger=event.trigger)

    def _rollback(self, seq: int, event: ModelRolledBack) -> None:
        self._add(seq, event, RiskEventType.ROLLBACK)

    def _gate(self, seq: int, event: GateReported) -> None:
        self._add(seq, event, RiskEventType.GATE_REPORT)

    def _add(
        self,
        seq: int,
        event: RiskCommandIssued | KillSwitchTripped | ModelRolledBack | GateReported,
        event_type: RiskEventType,
        command: str | None = None,
        trigger: str | None = None,
    ) -> None:
        self._rows.append(
            {
                **origin(seq, event),
                "event_type": event_type,
                "contender": event.contender if event.contender in self._contenders else None,
                "command": command,
                "trigger": trigger,
                "data": document(fields_of(event)),
            }
        )
