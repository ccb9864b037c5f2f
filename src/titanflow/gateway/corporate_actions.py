"""Splits and dividends in a feed: which are announced, and when they enter. Their file: `providers/tape_actions`.

An action holds from its ex date on. It enters in the middle of the closure before that date's session, so that what is
traded before the opening already is in new shares; on a venue that never closes, at midnight UTC.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from operator import itemgetter
from typing import NamedTuple, Protocol, runtime_checkable

from msgspec.structs import replace

from titanflow.domain.events import CorporateActionApplied
from titanflow.domain.instruments import Instrument, TradingCalendar
from titanflow.domain.types import NANOS_PER_DAY, CorporateActionKind, InstrumentId, Nanos, Price

_EPOCH = date(1970, 1, 1).toordinal()
_NEVER = 1 << 63


class CorporateAction(NamedTuple):
    """A split or a dividend as it was announced."""

    instrument: InstrumentId
    kind: CorporateActionKind
    """SPLIT or DIVIDEND."""
    ex_date: date
    new: int = 0
    """Of a split: so many shares for each `old`."""
    old: int = 0
    amount: Price = 0
    """Of a dividend, a share."""
    pay_date: date | None = None
    """Of a dividend; None: the ex date."""


@runtime_checkable
class KnowsActions(Protocol):
    """A provider that also knows what companies did."""

    def actions(self) -> tuple[CorporateAction, ...]:
        """Its instruments' splits and dividends, in the order in which equal dates are to be applied."""
        ...


class ActionSchedule:
    """The actions of one feed, each given once, when the clock reaches its time. Those from before the feed are not."""

    def __init__(
        self,
        actions: Iterable[CorporateAction],
        instruments: Iterable[Instrument],
        calendars: Iterable[TradingCalendar],
    ) -> None:
        by_id = {calendar.id: calendar for calendar in calendars}
        hours = {instrument.id: _Days(by_id[instrument.calendar]) for instrument in instruments}
        steps = [step for action in actions for step in _steps(action, hours[action.instrument])]
        self._steps = sorted(
            steps, key=itemgetter(0)
        )  # stable: equal times keep the order in which they were announced
        self._begun = False
        self.is_empty = not steps
        """Whether there is nothing to be given."""
        self.prices: dict[InstrumentId, Price] = {}
        """Last prices; whoever accepts a row writes it here, unless there is nothing to be given."""
        self.next_at: Nanos = _NEVER if self.is_empty else 0
        """Nothing is due before."""

    def due(self, second: Nanos) -> Sequence[CorporateActionApplied]:
        """What enters at this second of the clock. The first leaves out all that its day, or one before, began with."""
        if not self._begun:
            self._begun = True
            self._steps = [(due_at, step) for due_at, step in self._steps if step.ex_at >= second]
        count = bisect_right(self._steps, second, key=itemgetter(0))
        given, self._steps = self._steps[:count], self._steps[count:]
        self.next_at = self._steps[0][0] if self._steps else _NEVER
        return [replace(step, at=second, last_price=self.prices.get(step.instrument, 0)) for _, step in given]


class _Days:
    """Dates of one calendar's sessions. A session belongs to the UTC date on which it closes."""

    def __init__(self, calendar: TradingCalendar) -> None:
        self._always_open = calendar.always_open
        self._sessions = calendar.sessions
        self._dates = [(close - 1) // NANOS_PER_DAY for _, close in calendar.sessions]

    def opening(self, day: date) -> tuple[Nanos, Nanos] | None:
        """(middle of the closure before, opening) of the first session on or after a date; None beyond the calendar."""
        midnight = _midnight(day)
        if self._always_open:
            return midnight, midnight
        index = bisect_left(self._dates, midnight // NANOS_PER_DAY)
        if index == len(self._dates):
            return None
        opens_at = self._sessions[index][0]
        return ((self._sessions[index - 1][1] + opens_at) // 2 if index else opens_at), opens_at


def _steps(action: CorporateAction, days: _Days) -> list[tuple[Nanos, CorporateActionApplied]]:
    """When an action is due and the event that it will be; two of a dividend."""
    ex = days.opening(action.ex_date)
    if ex is None:
        return []
    due_at, ex_at = ex
    if action.kind is CorporateActionKind.SPLIT:
        return [(due_at, _event(action, action.kind, ex_at, 0))]
    pay_date = action.pay_date or action.ex_date
    paid = days.opening(pay_date)
    if paid is None:  # beyond the session: it stays owed
        return [(due_at, _event(action, action.kind, ex_at, _midnight(pay_date)))]
    pay_at = paid[1]
    payment = _event(action, CorporateActionKind.DIVIDEND_PAYMENT, ex_at, pay_at)
    return [(due_at, _event(action, action.kind, ex_at, pay_at)), (pay_at, payment)]


def _event(action: CorporateAction, kind: CorporateActionKind, ex_at: Nanos, pay_at: Nanos) -> CorporateActionApplied:
    """The event without its time and its last price."""
    return CorporateActionApplied(0, action.instrument, kind, action.new, action.old, action.amount, 0, ex_at, pay_at)


def _midnight(day: date) -> Nanos:
    return (day.toordinal() - _EPOCH) * NANOS_PER_DAY
