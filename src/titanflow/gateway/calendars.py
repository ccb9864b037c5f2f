"""Opening hours for a session: taken once from exchange_calendars, then recorded, so that deciding asks no library."""

import warnings
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from titanflow.domain.instruments import Instrument, TradingCalendar
from titanflow.domain.types import NANOS_PER_DAY, NANOS_PER_SECOND, Nanos
from titanflow.errors import InputError

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar  # type: ignore[import-untyped]

ALWAYS_OPEN = "24/7"
"""Calendar of venues that never close."""
MARGIN = timedelta(days=10)
"""Sessions recorded before and after the span, so that a neighbour is known even over the longest holidays."""


def calendars_for(instruments: Iterable[Instrument], first: Nanos, last: Nanos) -> tuple[TradingCalendar, ...]:
    """The calendars that these instruments trade by, sorted by id, covering `first` to `last` and a margin around it.

    A lunch break ends a session and begins another. Raises InputError for a calendar that the library does not know,
    or whose recorded years do not reach `first`.
    """
    names = sorted({instrument.calendar for instrument in instruments})
    return tuple(_calendar(name, first - first % NANOS_PER_DAY, last - last % NANOS_PER_DAY) for name in names)


@lru_cache(maxsize=64)
def _calendar(name: str, first: Nanos, last: Nanos) -> TradingCalendar:
    if name == ALWAYS_OPEN:
        return TradingCalendar(name, always_open=True, sessions=())
    return TradingCalendar(name, always_open=False, sessions=tuple(_sessions(_library_calendar(name, first, last))))


def _library_calendar(name: str, first: Nanos, last: Nanos) -> "ExchangeCalendar":
    # Imported where it is needed: it brings pandas, and a session on crypto venues alone needs neither.
    from exchange_calendars import errors, get_calendar

    try:
        # What the library should call differently in pandas is its affair, not the user's.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return get_calendar(name, start=_day(first) - MARGIN, end=_day(last) + MARGIN)
    except (errors.CalendarError, ValueError) as error:
        raise InputError(f"calendar {name!r} from {_day(first):%Y-%m-%d} to {_day(last):%Y-%m-%d}: {error}") from error


def _sessions(calendar: "ExchangeCalendar") -> Iterable[tuple[Nanos, Nanos]]:
    opens, closes = calendar.opens_nanos.tolist(), calendar.closes_nanos.tolist()
    breaks = zip(calendar.break_starts, calendar.break_ends, strict=True)
    for open_at, close_at, (pause, resume) in zip(opens, closes, breaks, strict=True):
        if pause == pause:  # NaT differs from itself: most venues have no break
            yield open_at, pause.value
            yield resume.value, close_at
        else:
            yield open_at, close_at


def _day(at: Nanos) -> datetime:
    moment = datetime.fromtimestamp(at // NANOS_PER_SECOND, UTC)
    return moment.replace(hour=0, minute=0, second=0, tzinfo=None)
