"""When an instrument's venue is open, and at which close the day of an order ends. Knows no books and no prices."""

from collections.abc import Mapping

from titanflow.domain.instruments import Instrument, TradingCalendar
from titanflow.domain.types import NANOS_PER_DAY, NANOS_PER_SECOND, InstrumentId, Nanos, OrderPurpose, OrderType
from titanflow.execution.orders import BEYOND, WorkingOrder


class VenueHours:
    """Opening hours by instrument. A venue whose calendar is not known counts as one that never closes."""

    def __init__(
        self,
        calendars: Mapping[str, TradingCalendar],
        flat_at_close: bool,
        leads: Mapping[InstrumentId, int] = {},
    ) -> None:
        """`flat_at_close`: whether exits end with the day as well, and entries so many seconds (`leads`) before."""
        self.leads = leads
        self.calendars = {name: calendar for name, calendar in calendars.items() if not calendar.always_open}
        self.flat_at_close = flat_at_close

    def opened_at(self, instrument: Instrument, at: Nanos) -> Nanos | None:
        """Since when the venue has been open at `at`: 0 where it never closes, None where it is closed."""
        calendar = self.calendars.get(instrument.calendar)
        if calendar is None:
            return 0
        session = calendar.session_at(at)
        return session[0] if session else None

    def last_close(self, instrument: Instrument, at: Nanos) -> Nanos | None:
        """The latest close of its venue by `at`; None where it never closes or has not yet."""
        calendar = self.calendars.get(instrument.calendar)
        return calendar.last_close(at) if calendar else None

    def next_close(self, at: Nanos) -> Nanos:
        """The first close of any venue after `at`; BEYOND where there is none."""
        closes = [calendar.next_close(at) for calendar in self.calendars.values()]
        return min((close for close in closes if close is not None), default=BEYOND)

    def day_end(self, instrument: Instrument, at: Nanos) -> Nanos:
        """The first close of its venue after `at`; where it never closes, the next midnight UTC."""
        calendar = self.calendars.get(instrument.calendar)
        if calendar is None:
            return (at // NANOS_PER_DAY + 1) * NANOS_PER_DAY
        return calendar.next_close(at) or BEYOND

    def end_of(self, order: WorkingOrder, at: Nanos) -> Nanos:
        """The close with which the day of an order sent at `at` ends; BEYOND for one that works on through the night.

        Where positions are closed every day, what still enters ends when that begins: it would be closed at once.
        An order to be flat belongs to the session that opened last, even where that has closed meanwhile. Entries and
        closing orders at the market belong to the session under way or the next.
        """
        calendar = self.calendars.get(order.instrument.calendar)
        close: Nanos | None = None
        if calendar is None:
            return BEYOND
        if order.purpose is OrderPurpose.SESSION_CLOSE:
            close = calendar.close_of_last(at) or calendar.next_close(at)
        elif self._ends_with_the_day(order):
            close = calendar.next_close(at)
            if close is not None and self.flat_at_close and order.purpose is OrderPurpose.ENTRY:
                close -= self.leads.get(order.instrument.id, 0) * NANOS_PER_SECOND
        return BEYOND if close is None else close

    def next_end(self, order: WorkingOrder) -> Nanos:
        """The close after the one that an order has outlived."""
        calendar = self.calendars.get(order.instrument.calendar)
        close = calendar.next_close(order.ends_at) if calendar else None
        return BEYOND if close is None else close

    def _ends_with_the_day(self, order: WorkingOrder) -> bool:
        """An exit with a price of its own is left alone: the order to be flat closes what it has not."""
        if order.purpose is OrderPurpose.EXIT:
            return self.flat_at_close and order.type is OrderType.MARKET
        return not order.protects
