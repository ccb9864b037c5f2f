"""What happens when a limit on losses is reached: halting and liquidating; and who or what ends a halt."""

from titanflow.domain.events import ContenderSetAside, Event, OperatorCommanded, RiskCommandIssued
from titanflow.domain.types import ContenderId, DenialCode, KillTrigger, Money, Nanos, ResumeMode, RiskCommand
from titanflow.risk.books import Book, House
from titanflow.risk.day_openings import NEVER, DayOpenings
from titanflow.risk.entries import end_holds
from titanflow.risk.kill_switch import Halt, KillSwitch
from titanflow.risk.verdicts import Denial, tripped

_ENDS_WITH_ITS_DAY = (KillTrigger.DAILY_LOSS, KillTrigger.CONSECUTIVE_LOSSES)


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
            decisions += _check(house, seq, at, book.id, book.switch, equity)
    return decisions + _check_all(house, seq, at, total) if exposed else decisions


def check_after_fill(house: House, seq: int, at: Nanos, book: Book) -> list[Event]:
    """Check the contender that traded, then all together."""
    if house.ended or house.switch.liquidating:
        return []
    equity = book.portfolio.equity(house.marks)
    return _check(house, seq, at, book.id, book.switch, equity) + _check_all(house, seq, at, house.equity())


def halt(house: House, seq: int, command: OperatorCommanded, *, liquidate: bool) -> list[Event]:
    """An operator stops a scope; its positions are kept unless `liquidate`."""
    if command.contender not in ("", *house.books):
        return []
    reason = command.reason or f"operator {command.operator}"
    trigger = KillTrigger.OPERATOR
    return trip(house, seq, command.at, command.contender, trigger, liquidate=liquidate, reason=reason)


def resume(house: House, seq: int, command: OperatorCommanded) -> list[Event]:
    """An operator reopens a scope: no halt, no manual approval, a new opening and peak, no trips counted."""
    books = house.in_scope(command.contender)
    if not books:
        return []
    for book in books:
        equity = book.portfolio.equity(house.marks)
        book.switch.clear()
        book.switch.daily.start(equity)
        book.switch.trailing.start(equity)
        book.streak.clear()
        book.manual_approval = book.manual_reported = False
        book.rolling.clear()
        book.evidence.clear()
    if not command.contender:
        house.switch.clear()
        house.daily.restart(house.equities(), house.holding())
        house.trailing.restart(house.equities(), house.holding())
    reason = command.reason or f"operator {command.operator}"
    return [risk_command(seq, command.at, RiskCommand.RESUME, command.contender, reason)]


def set_aside(house: House, seq: int, failed: ContenderSetAside) -> list[Event]:
    """A contender failed: liquidate it, as nobody is left who would close its positions."""
    books = house.in_scope(failed.contender) if failed.contender else []
    if not books or house.ended:
        return []
    denial = Denial(DenialCode.SET_ASIDE, (("reason", str(failed.reason)),))
    reason = f"set aside: {failed.detail}"
    command = risk_command(seq, failed.at, RiskCommand.LIQUIDATE_ALL, failed.contender, reason)
    return [command, *end_holds(books, seq, failed.at, denial)]


def open_day(house: House, seq: int, at: Nanos, book: Book) -> list[Event]:
    """A contender's day opens: losses are measured from here, and what lasted until now is over."""
    book.switch.daily.start(book.portfolio.equity(house.marks))
    return _reopen(seq, at, book.id, book)


def open_day_of_all(house: House, seq: int, at: Nanos) -> list[Event]:
    """The same for all together."""
    house.daily.restart(house.equities(), house.holding())
    return _reopened(seq, at, "") if house.switch.expire(at) else []


def trip(
    house: House,
    seq: int,
    at: Nanos,
    scope: ContenderId,
    trigger: KillTrigger,
    *,
    liquidate: bool,
    reason: str = "",
) -> list[Event]:
    """Halt a scope: say so, liquidate if asked and not done yet, and deny what it had on hold."""
    book = house.books[scope] if scope else None
    switch = book.switch if book else house.switch
    equity = book.portfolio.equity(house.marks) if book else house.equity()
    was_liquidating = switch.liquidating
    until = _end_of(house, trigger, at, book.openings if book else house.openings)
    switch.trip(trigger, Halt(until, liquidate))
    losses = book.streak.losses if book else 0
    decisions: list[Event] = [tripped(seq, at, scope, switch, trigger, equity, losses)]
    # An operator's word is passed on whatever came before it; a limit that is reached while closing asks for no more.
    if liquidate and (trigger is KillTrigger.OPERATOR or not was_liquidating):
        decisions.append(risk_command(seq, at, RiskCommand.LIQUIDATE_ALL, scope, reason or str(trigger)))
    denial = Denial(DenialCode.KILL_SWITCH, (("scope", scope or "all"), ("trigger", str(trigger))))
    return decisions + end_holds(house.in_scope(scope), seq, at, denial)


def risk_command(
    seq: int,
    at: Nanos,
    command: RiskCommand,
    contender: ContenderId,
    reason: str,
    sharpe: float | None = None,
    accuracy: float | None = None,
    *,
    at_opening: bool = False,
) -> RiskCommandIssued:
    """What risk tells everyone."""
    return RiskCommandIssued(
        cause=seq,
        at=at,
        command=command,
        contender=contender,
        reason=reason,
        rolling_sharpe=sharpe,
        rolling_accuracy=accuracy,
        at_opening=at_opening,
    )


def _check(house: House, seq: int, at: Nanos, scope: ContenderId, switch: KillSwitch, equity: Money) -> list[Event]:
    if equity > switch.trailing.mark:
        switch.trailing.start(equity)
    trigger = switch.breach(equity)
    return [] if trigger is None else trip(house, seq, at, scope, trigger, liquidate=True)


def _check_all(house: House, seq: int, at: Nanos, total: Money) -> list[Event]:
    if total > house.trailing.mark:
        house.trailing.restart(house.equities(), house.holding())
    trigger = house.switch.breach(total)
    return [] if trigger is None else trip(house, seq, at, "", trigger, liquidate=True)


def _end_of(house: House, trigger: KillTrigger, at: Nanos, openings: DayOpenings) -> Nanos:
    """The opening at which a halt ends by itself; 0 where only an operator ends it."""
    if house.risk.resume is not ResumeMode.NEXT_SESSION or trigger not in _ENDS_WITH_ITS_DAY:
        return 0
    opening = openings.after(at)
    return 0 if opening == NEVER else opening


def _reopen(seq: int, at: Nanos, scope: ContenderId, book: Book) -> list[Event]:
    halted_by_streak = KillTrigger.CONSECUTIVE_LOSSES in book.switch.halts
    ended = book.switch.expire(at)
    if halted_by_streak and KillTrigger.CONSECUTIVE_LOSSES not in book.switch.halts:
        book.streak.clear()
    return _reopened(seq, at, scope) if ended else []


def _reopened(seq: int, at: Nanos, scope: ContenderId) -> list[Event]:
    return [risk_command(seq, at, RiskCommand.RESUME, scope, "next session", at_opening=True)]
