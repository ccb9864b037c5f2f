"""Exits: approved for the whole position at once, whatever the limits say, and the closing of positions for the day.

An exit signal that meets an entry still working is kept: it closes what that entry yet fills, so that no model is left
with a position that it has already given up.
"""

from titanflow.domain.events import Event, SignalGenerated
from titanflow.domain.types import NANOS_PER_SECOND, DenialCode, InstrumentId, Nanos, Price, Quantity, Side, floor_to
from titanflow.risk.books import Book, House, WaitingExit
from titanflow.risk.day_openings import NEVER
from titanflow.risk.session_hours import due_close
from titanflow.risk.verdicts import Denial, Request, close_approved, denied, exit_approved


def decide_exit(house: House, book: Book, request: Request) -> list[Event]:
    """The verdict on a signal against the position, or against an entry that is still working."""
    signal = request.signal
    instrument = signal.instrument
    position = book.portfolio.quantity(instrument)
    closing = book.closing_quantity(instrument)
    waiting = instrument in book.waiting
    if closing or (waiting and not position):
        return [denied(request.seq, signal.at, request, Denial(DenialCode.ORDER_PENDING, (("remaining", closing),)))]
    if not waiting and book.entry_on(instrument, signal.side.opposite):
        book.waiting[instrument] = WaitingExit(request, answered=position != 0)
    return [_approve_exit(house, book, request.seq, signal.at, request, abs(position))] if position else []


def follow_entry(house: House, book: Book, seq: int, at: Nanos, instrument: InstrumentId) -> list[Event]:
    """An entry filled in part: close it if an exit waits for that, as far as no order under way does so already."""
    waiting = book.waiting.get(instrument)
    if waiting is None or house.ended:
        return []
    position = book.portfolio.quantity(instrument)
    open_quantity = abs(position) - book.closing_quantity(instrument)
    if open_quantity <= 0 or position * waiting.request.signal.side.sign > 0:
        return []
    waiting.answered = True
    return [_approve_exit(house, book, seq, at, waiting.request, open_quantity)]


def end_waiting(house: House, book: Book, seq: int, at: Nanos, instrument: InstrumentId) -> list[Event]:
    """If the entry that an exit waited for works no more, the exit is over; denied where nothing was ever filled."""
    waiting = book.waiting.get(instrument)
    if waiting is None or book.entry_on(instrument, waiting.request.signal.side.opposite):
        return []
    code = DenialCode.SESSION_ENDED if house.ended else DenialCode.NOTHING_TO_CLOSE
    return _drop_waiting(book, seq, at, instrument, Denial(code))


def withdraw_waiting(book: Book, seq: int, signal: SignalGenerated) -> list[Event]:
    """A signal takes back an exit the other way that still waits for its entry."""
    waiting = book.waiting.get(signal.instrument)
    if waiting is None or waiting.request.signal.side is signal.side:
        return []
    return _drop_waiting(book, seq, signal.at, signal.instrument, Denial(DenialCode.SUPERSEDED, (("signal", seq),)))


def close_for_the_day(house: House, seq: int, at: Nanos) -> list[Event]:
    """Order flat, once for each venue's close, every position that is past its deadline and not being closed."""
    if at < house.nothing_due_before:
        return []
    house.nothing_due_before = _next_deadline(house, at)
    orders: list[Event] = []
    for book in house.books.values():
        for instrument, position in book.portfolio.positions.items():
            seconds = house.risk.closing_lead(house.tape_bars.get(instrument, 0))
            close = due_close(house.calendar_of(instrument), position.opened_at, at, seconds)
            if close is None or book.closed_out.get(instrument) == close or book.has_market_close(instrument):
                continue
            book.closed_out[instrument] = close
            mark = house.marks.get(instrument, position.average_price)
            order_id = house.order_id(seq, len(orders))
            order = close_approved(seq, at, order_id, book.id, instrument, position.quantity, mark)
            book.approve(order, mark)
            orders.append(order)
    return orders


def _next_deadline(house: House, at: Nanos) -> Nanos:
    """The first moment at which a position may have to be closed; `at` itself where some venue is closed or about to.

    What was due by `at` has been ordered, and what is entered while a venue is open is due at its next deadline.
    """
    leads = [house.risk.closing_lead(seconds) for seconds in (0, *house.tape_bars.values())]
    deadline = NEVER
    for calendar in house.calendars.values():
        if not calendar.always_open:
            session = calendar.session_at(at)
            closes = session[1] - max(leads) * NANOS_PER_SECOND if session else at
            deadline = min(deadline, max(closes, at))
    return deadline


def _approve_exit(house: House, book: Book, seq: int, at: Nanos, request: Request, quantity: Quantity) -> Event:
    instrument = request.signal.instrument
    mark = house.marks.get(instrument, request.signal.price)
    position = book.portfolio.quantity(instrument)
    price = _on_increment(house, request.signal)
    order = exit_approved(seq, at, request, house.order_id(seq), quantity, position, mark, price)
    book.approve(order, mark)
    return order


def _on_increment(house: House, signal: SignalGenerated) -> Price:
    """The exit's limit or stop price on an increment, the next one that fills sooner: no exit fails for a digit."""
    increment = house.instruments[signal.instrument].price_increment
    if signal.side is Side.BUY:
        return -floor_to(-signal.order_price, increment)
    return max(floor_to(signal.order_price, increment), increment) if signal.order_price else 0


def _drop_waiting(book: Book, seq: int, at: Nanos, instrument: InstrumentId, denial: Denial) -> list[Event]:
    waiting = book.waiting.pop(instrument)
    return [] if waiting.answered else [denied(seq, at, waiting.request, denial)]
