"""When hours of a venue allow an entry, and when a position has to be closed for the day. Knows no books, no orders."""

from bisect import bisect_right

from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.session_settings import RiskSettings
from titanflow.domain.types import NANOS_PER_SECOND, DenialCode, Nanos
from titanflow.risk.verdicts import Denial


def entry_denial(
    calendar: TradingCalendar | None,
    at: Nanos,
    settings: RiskSettings,
    *,
    daily: bool = False,
    tape_bar_seconds: int = 0,
) -> Denial | None:
    """Why no position may be entered at `at`; None where it may. An unknown calendar counts as closed.

    `daily`: who asks decides on bars of a day or longer, which close with their venue: the order is for the next open.
    """
    if calendar is None:
        return Denial(DenialCode.OUTSIDE_SESSION, (("calendar", "unknown"),))
    if calendar.always_open:
        return None
    session = calendar.session_at(at)
    if session is None:
        if daily and calendar.next_close(at) is not None and not settings.no_entry_after_open_seconds:
            return None
        return Denial(DenialCode.OUTSIDE_SESSION, (("at", at),))
    opens, closes = session
    first = opens + settings.no_entry_after_open_seconds * NANOS_PER_SECOND
    if at < first:
        return Denial(DenialCode.OUTSIDE_SESSION, (("at", at), ("entries_from", first)))
    last = closes - _quiet_seconds(settings, tape_bar_seconds) * NANOS_PER_SECOND
    if at >= last:
        return Denial(DenialCode.CLOSING_SOON, (("at", at), ("entries_until", last), ("close", closes)))
    return None


def _quiet_seconds(settings: RiskSettings, tape_bar_seconds: int) -> int:
    """Seconds before the close without entries: an entry that would be flattened at once is none."""
    if settings.flat_at_close:
        return max(settings.no_entry_before_close_seconds, settings.closing_lead(tape_bar_seconds))
    return settings.no_entry_before_close_seconds


def due_close(calendar: TradingCalendar | None, opened_at: Nanos, at: Nanos, flatten_seconds: int) -> Nanos | None:
    """The close before which a position opened at `opened_at` had to be flat, if `at` is past that deadline.

    The deadline is `flatten_seconds` before the close. A position that was opened after the last such close, but
    outside any session, is due too: it should not be there. None where nothing is due (or the venue never closes).
    """
    if calendar is None or calendar.always_open:
        return None
    deadline_of_close = at + flatten_seconds * NANOS_PER_SECOND
    past = bisect_right(calendar.sessions, deadline_of_close, key=_closing)
    if not past:
        return None
    closes = calendar.sessions[past - 1][1]
    entered_later = opened_at >= closes and calendar.session_at(opened_at) is not None
    return None if entered_later else closes


def _closing(session: tuple[Nanos, Nanos]) -> Nanos:
    return session[1]
