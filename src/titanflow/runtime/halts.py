"""Who is halted or under manual approval, why and until when, and what gates would have done: folded from a ledger."""

from titanflow.domain.events import (
    Event,
    GateReported,
    KillSwitchTripped,
    ModelRolledBack,
    RiskCommandIssued,
)
from titanflow.domain.types import ContenderId, KillTrigger, Nanos, RiskCommand

LOOKED_AT = frozenset({KillSwitchTripped, RiskCommandIssued, ModelRolledBack, GateReported})


class Halts:
    """Show it every event of these types in order; read its attributes at any time."""

    def __init__(self) -> None:
        self.standing: dict[ContenderId, dict[KillTrigger, KillSwitchTripped]] = {}
        """Scope (empty: all together) -> the halts that stand, by reason."""
        self.manual: dict[ContenderId, ModelRolledBack] = {}
        """Contenders whose orders a person approves, and why."""
        self.reported: list[GateReported] = []
        """What gates that only report would have done, oldest first."""

    def look(self, event: Event) -> None:
        """Fold one event."""
        match event:
            case KillSwitchTripped():
                self.standing.setdefault(event.contender, {})[event.trigger] = event
            case RiskCommandIssued(command=RiskCommand.RESUME):
                self._resumed(event)
            case ModelRolledBack():
                self.manual[event.contender] = event
            case GateReported():
                self.reported.append(event)

    def of(self, contender: ContenderId) -> KillSwitchTripped | None:
        """The latest halt that holds for a contender, its own before that of all; None where it may trade."""
        for scope in (contender, ""):
            if standing := self.standing.get(scope):
                return next(reversed(standing.values()))
        return None

    def end_of(self, scope: ContenderId) -> Nanos:
        """When the scope's halts end by themselves; 0 where an operator has to end one."""
        ends = [halt.until for halt in self.standing.get(scope, {}).values()]
        return 0 if 0 in ends else max(ends, default=0)

    def _resumed(self, command: RiskCommandIssued) -> None:
        """An opening ends the halts of its scope; an operator also manual approval, and for all together everything."""
        scope = command.contender
        if scope or command.at_opening:
            self.standing.pop(scope, None)
        else:
            self.standing.clear()
        if not command.at_opening:
            for contender in [scope] if scope else list(self.manual):
                self.manual.pop(contender, None)
