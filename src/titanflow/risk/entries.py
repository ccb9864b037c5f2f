"""Entries: approved, denied or held for a person, and how each hold ends (exactly once)."""

from collections.abc import Iterable

from titanflow.domain.events import Event, OrderDenied, SignalGenerated
from titanflow.domain.types import NANOS_PER_SECOND, DenialCode, Nanos, OrderId
from titanflow.risk.books import Book, Hold, House
from titanflow.risk.limits import EntryRequest
from titanflow.risk.sizing import judge_entry
from titanflow.risk.verdicts import Denial, Entry, Request, denied, entry_approved, held


def decide_entry(house: House, book: Book, at: Nanos, request: Request) -> Event:
    """The verdict on an entry signal; under manual approval what would be approved is held."""
    verdict = judge_entry(EntryRequest(house, book, at, request.signal))
    if isinstance(verdict, Denial):
        return denied(request.seq, at, request, verdict)
    order_id = house.order_id(request.seq)
    if book.manual_approval:
        return _hold(house, book, at, request, order_id, verdict)
    return _approve(book, request.seq, at, request, order_id, verdict)


def approve_hold(house: House, book: Book, seq: int, at: Nanos, hold: Hold) -> Event:
    """An operator approved: every limit is checked and the order sized again, at today's prices."""
    del book.held[hold.order_id]
    if at >= hold.expires_at:
        return denied(seq, at, hold.request, _expired(hold), hold.order_id)
    verdict = judge_entry(EntryRequest(house, book, at, hold.request.signal))
    if isinstance(verdict, Denial):
        return denied(seq, at, hold.request, verdict, hold.order_id)
    return _approve(book, seq, at, hold.request, hold.order_id, verdict)


def end_hold(book: Book, seq: int, at: Nanos, hold: Hold, denial: Denial) -> OrderDenied:
    """Take a hold away for good, for this reason."""
    del book.held[hold.order_id]
    return denied(seq, at, hold.request, denial, hold.order_id)


def end_holds(books: Iterable[Book], seq: int, at: Nanos, denial: Denial) -> list[Event]:
    """Take away every hold of these books."""
    return [end_hold(book, seq, at, hold, denial) for book in books for hold in tuple(book.held.values())]


def lapse_holds(books: Iterable[Book], seq: int, at: Nanos) -> list[Event]:
    """Take away the holds that nobody answered in time."""
    return [
        end_hold(book, seq, at, hold, _expired(hold))
        for book in books
        if book.held
        for hold in tuple(book.held.values())
        if at >= hold.expires_at
    ]


def withdraw_holds(book: Book, seq: int, signal: SignalGenerated) -> list[Event]:
    """A signal takes back a held entry the other way in its instrument: its model does not want it any more."""
    if not book.held:
        return []
    denial = Denial(DenialCode.SUPERSEDED, (("signal", seq),))
    return [
        end_hold(book, seq, signal.at, hold, denial)
        for hold in tuple(book.held.values())
        if hold.request.signal.instrument == signal.instrument and hold.request.signal.side is not signal.side
    ]


def _approve(book: Book, cause: int, at: Nanos, request: Request, order_id: OrderId, entry: Entry) -> Event:
    order = entry_approved(cause, at, request, order_id, entry)
    book.approve(order, entry.worst_price)
    return order


def _hold(house: House, book: Book, at: Nanos, request: Request, order_id: OrderId, entry: Entry) -> Event:
    expires_at = at + house.risk.hold_expiry_seconds * NANOS_PER_SECOND
    book.held[order_id] = Hold(request, order_id, expires_at)
    return held(request.seq, at, request, order_id, entry, expires_at)


def _expired(hold: Hold) -> Denial:
    return Denial(DenialCode.HOLD_EXPIRED, (("expires_at", hold.expires_at),))
