"""What happens when a limit on losses is reached: halting and liquidating, and handing a model to a person."""

from titanflow.domain.events import ContenderSetAside, Event, ModelRolledBack, OperatorCommanded, RiskCommandIssued
from titanflow.domain.types import ContenderId, DenialCode, KillTrigger, Money, Nanos, RiskCommand
from titanflow.risk.books import Book, House
from titanflow.risk.entries import end_holds
from titanflow.risk.kill_switch import KillSwitch
from titanflow.risk.verdicts import Denial, tripped


def check_exposed(house: House, seq: int, at: Nanos) -> list[Event]:
    """Check every contender with a position, then all together; nothing to do when all are flat."""
    if house.ended or house.switch.liquidating:
        return []
    exposed, total = False, 0
    decisions: list[Event] = []
    for book in house.books.values():
        equity = book.portfolio.equity(house.marks)
        total += equity
        if book.portfolio.positions:
            exposed = True
            decisions += _trip_if_breached(house, seq, at, book.id, book.switch, equity)
    return decisions + _trip_if_breached(house, seq, at, "", house.switch, total) if exposed else decisions


def check_after_fill(house: House, seq: int, at: Nanos, book: Book) -> list[Event]:
    """Check the contender that traded, then all together."""
    if house.ended or house.switch.liquidating:
        return []
    equity = book.portfolio.equity(house.marks)
    decisions = _trip_if_breached(house, seq, at, book.id, book.switch, equity)
    return decisions + _trip_if_breached(house, seq, at, "", house.switch, house.equity())


def halt(house: House, seq: int, command: OperatorCommanded, liquidate: bool) -> list[Event]:
    """An operator stops a scope; its positions are kept unless `liquidate`."""
    decisions: list[Event] = []
    for scope, switch, equity in _switches(house, command.contender):
        reason = command.reason or f"operator {command.operator}"
        decisions += _trip(house, seq, command.at, scope, switch, KillTrigger.OPERATOR, equity, liquidate, reason)
    return decisions


def resume(house: House, seq: int, command: OperatorCommanded) -> list[Event]:
    """An operator reopens a scope: no halt, no manual approval, a new opening equity, no losses, no trips counted."""
    books = house.in_scope(command.contender)
    if not books:
        return []
    for book in books:
        book.switch.resume(book.portfolio.equity(house.marks))
        book.manual_approval = False
        book.rolling.clear()
    if not command.contender:
        house.switch.resume(house.equity())
    reason = command.reason or f"operator {command.operator}"
    return [_command(seq, command.at, RiskCommand.RESUME, command.contender, reason)]


def set_aside(house: House, seq: int, failed: ContenderSetAside) -> list[Event]:
    """A contender failed: liquidate it, as nobody is left who would close its positions."""
    books = house.in_scope(failed.contender) if failed.contender else []
    if not books or house.ended:
        return []
    denial = Denial(DenialCode.SET_ASIDE, (("reason", str(failed.reason)),))
    reason = f"set aside: {failed.detail}"
    command = _command(seq, failed.at, RiskCommand.LIQUIDATE_ALL, failed.contender, reason)
    return [command, *end_holds(books, seq, failed.at, denial)]


def roll_back_if_poor(house: House, seq: int, at: Nanos, book: Book) -> list[Event]:
    """Put a contender under manual approval when its rolling Sharpe ratio or accuracy is below its floor."""
    sharpe, accuracy = book.rolling.sharpe, book.rolling.accuracy
    poor = _first_below(
        ("sharpe", sharpe, house.risk.rollback_min_sharpe), ("accuracy", accuracy, house.risk.rollback_min_accuracy)
    )
    if poor is None or book.manual_approval:
        return []
    book.manual_approval = True
    metric, value, threshold = poor
    rolled_back = ModelRolledBack(
        cause=seq,
        at=at,
        contender=book.id,
        metric=metric,
        value=value,
        threshold=threshold,
        rolling_sharpe=sharpe,
        rolling_accuracy=accuracy,
        round_trips=book.rolling.round_trips,
    )
    reason = f"rolling {metric} {value:.4f} is below {threshold:.4f}"
    by_hand = RiskCommand.ACTIVATE_MANUAL_APPROVAL
    return [rolled_back, _command(seq, at, by_hand, book.id, reason, sharpe, accuracy)]


def _first_below(*metrics: tuple[str, float | None, float]) -> tuple[str, float, float] | None:
    for name, value, floor in metrics:
        if value is not None and value < floor:
            return name, value, floor
    return None


def _switches(house: House, contender: ContenderId) -> list[tuple[ContenderId, KillSwitch, Money]]:
    """(scope, its kill switch, its equity) for a contender or, for the empty name, for the whole house."""
    if not contender:
        return [("", house.switch, house.equity())]
    return [(book.id, book.switch, book.portfolio.equity(house.marks)) for book in house.in_scope(contender)]


def _trip_if_breached(
    house: House, seq: int, at: Nanos, scope: ContenderId, switch: KillSwitch, equity: Money
) -> list[Event]:
    trigger = switch.breach(equity)
    return [] if trigger is None else _trip(house, seq, at, scope, switch, trigger, equity, True, str(trigger))


def _trip(
    house: House,
    seq: int,
    at: Nanos,
    scope: ContenderId,
    switch: KillSwitch,
    trigger: KillTrigger,
    equity: Money,
    liquidate: bool,
    reason: str,
) -> list[Event]:
    """Halt a scope: say so, liquidate if asked, and deny what it had on hold."""
    switch.trip(trigger, liquidate)
    decisions: list[Event] = [tripped(seq, at, scope, switch, trigger, equity)]
    if liquidate:
        decisions.append(_command(seq, at, RiskCommand.LIQUIDATE_ALL, scope, reason))
    denial = Denial(DenialCode.KILL_SWITCH, (("scope", scope or "all"), ("trigger", str(trigger))))
    return decisions + end_holds(house.in_scope(scope), seq, at, denial)


def _command(
    seq: int,
    at: Nanos,
    command: RiskCommand,
    contender: ContenderId,
    reason: str,
    sharpe: float | None = None,
    accuracy: float | None = None,
) -> RiskCommandIssued:
    return RiskCommandIssued(
        cause=seq,
        at=at,
        command=command,
        contender=contender,
        reason=reason,
        rolling_sharpe=sharpe,
        rolling_accuracy=accuracy,
    )
