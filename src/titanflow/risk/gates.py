"""The gates on closed round trips: losses in a row, and poor performance. They act, or report what they would do."""

from titanflow.domain.events import Event, GateReported, ModelRolledBack
from titanflow.domain.portfolio import RoundTrip
from titanflow.domain.types import Gate, GateMode, KillTrigger, Nanos, RiskCommand
from titanflow.risk.books import Book, House
from titanflow.risk.breakers import risk_command, trip
from titanflow.risk.rolling import trip_return

Finding = tuple[Gate, float, float, int]
"""A gate that is reached, what it measured, its threshold, and the round trips that it judged."""


def judge_trip(house: House, seq: int, at: Nanos, book: Book, closed: RoundTrip) -> list[Event]:
    """Take in a closed round trip, and ask both gates."""
    opening = book.switch.daily.mark
    book.streak.add(closed.pnl, opening)
    decisions = _judge_streak(house, seq, at, book) if book.streak.reached(opening) else []
    due = book.rolling.add(closed)
    book.evidence.add(trip_return(closed))
    found = _poor(house, book, due)
    return decisions + _hand_over(house, seq, at, book, found) if found else decisions


def _judge_streak(house: House, seq: int, at: Nanos, book: Book) -> list[Event]:
    losses = book.streak.losses
    if house.ended or book.switch.liquidating or house.switch.liquidating:
        return []
    if house.risk.gates is GateMode.ENFORCE:
        return trip(house, seq, at, book.id, KillTrigger.CONSECUTIVE_LOSSES, liquidate=True)
    book.streak.clear()
    finding = (Gate.CONSECUTIVE_LOSSES, float(losses), float(house.risk.max_consecutive_losses), losses)
    return [_reported(house, seq, at, book, finding)]


def _poor(house: House, book: Book, due: bool) -> Finding | None:
    """What speaks against the contender's round trips: a floor where one is set, else evidence of harm."""
    risk, rolling, evidence = house.risk, book.rolling, book.evidence
    floors = (
        (Gate.SHARPE, rolling.sharpe, risk.rollback_min_sharpe),
        (Gate.ACCURACY, rolling.accuracy, risk.rollback_min_accuracy),
    )
    if all(floor is None for _, _, floor in floors):
        return (Gate.HARM, evidence.upper_bound, 0.0, evidence.round_trips) if evidence.harmful else None
    if due:
        for gate, value, floor in floors:
            if value is not None and floor is not None and value < floor:
                return gate, value, floor, rolling.round_trips
    return None


def _hand_over(house: House, seq: int, at: Nanos, book: Book, finding: Finding) -> list[Event]:
    """From now on a person approves the contender's entries; or that this would be so is said, once."""
    if house.risk.gates is GateMode.REPORT:
        if book.manual_reported:
            return []
        book.manual_reported = True
        return [_reported(house, seq, at, book, finding)]
    if book.manual_approval:
        return []
    book.manual_approval = True
    gate, value, threshold, round_trips = finding
    sharpe, accuracy = book.rolling.sharpe, book.rolling.accuracy
    rolled_back = ModelRolledBack(
        cause=seq,
        at=at,
        contender=book.id,
        metric=gate,
        value=value,
        threshold=threshold,
        rolling_sharpe=sharpe,
        rolling_accuracy=accuracy,
        round_trips=round_trips,
    )
    what = "upper bound of the mean round trip" if gate is Gate.HARM else f"rolling {gate.value}"
    reason = f"{what} {value:.4f} is below {threshold:.4f}"
    by_hand = RiskCommand.ACTIVATE_MANUAL_APPROVAL
    return [rolled_back, risk_command(seq, at, by_hand, book.id, reason, sharpe, accuracy)]


def _reported(house: House, seq: int, at: Nanos, book: Book, finding: Finding) -> GateReported:
    gate, value, threshold, round_trips = finding
    return GateReported(
        cause=seq,
        at=at,
        contender=book.id,
        gate=gate,
        value=value,
        threshold=threshold,
        rolling_sharpe=book.rolling.sharpe,
        rolling_accuracy=book.rolling.accuracy,
        round_trips=round_trips,
        equity=book.portfolio.equity(house.marks),
    )
