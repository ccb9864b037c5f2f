"""Fills, splits and dividends as journal entries, and the books that they make: portfolios, positions, round trips."""

from collections.abc import Iterator, Mapping

from projections.fold.rows import Handler, Row, costs_of, document, exact, exact_or_none, origin
from titanflow.domain.corporate_actions import book_action
from titanflow.domain.events import BorrowCharged, CorporateActionApplied, Event, OrderFilled, SessionStarted
from titanflow.domain.instruments import Instrument, factors_of
from titanflow.domain.portfolio import ActionEntry, JournalEntry, Portfolio, RoundTrip
from titanflow.domain.types import InstrumentId, Nanos


class Book:
    """A contender's portfolio with what its row says besides."""

    __slots__ = ("fills", "origin", "portfolio", "round_trips")

    def __init__(self, portfolio: Portfolio, origin: Row) -> None:
        self.portfolio = portfolio
        self.origin = origin
        self.fills = 0
        self.round_trips = 0


class BookFolder:
    """Owns fills, corporate actions and their entries, borrow charges, portfolios, positions and round trips."""

    def __init__(self) -> None:
        self._books: dict[str, Book] = {}
        self._instruments: dict[InstrumentId, Instrument] = {}
        self._fills: list[Row] = []
        self._actions: list[Row] = []
        self._action_entries: list[Row] = []
        self._round_trips: list[Row] = []
        self._changed: dict[str, Book] = {}
        self._positions: dict[tuple[str, str], Row] = {}
        self._charges: list[Row] = []
        self.handlers: Mapping[type[Event], Handler] = {
            SessionStarted: self._started,
            OrderFilled: self._filled,
            CorporateActionApplied: self._acted,
            BorrowCharged: self._charged,
        }

    def drain(self) -> Iterator[tuple[str, list[Row]]]:
        """See Folder."""
        yield "fills", self._fills
        yield "corporate_actions", self._actions
        yield "action_entries", self._action_entries
        yield "portfolios", [_portfolio(contender, book) for contender, book in self._changed.items()]
        yield "positions", list(self._positions.values())
        yield "round_trips", self._round_trips
        yield "borrow_charges", self._charges
        self._fills, self._round_trips, self._changed, self._positions = [], [], {}, {}
        self._actions, self._action_entries, self._charges = [], [], []

    def _started(self, seq: int, event: SessionStarted) -> None:
        opening = _outside(seq, event.at)
        self._instruments = {instrument.id: instrument for instrument in event.instruments}
        factors = factors_of(event.instruments)
        for contender in event.contenders:
            self._books[contender.id] = Book(Portfolio(event.settings.starting_cash, factors), opening)
        self._changed = dict(self._books)

    def _filled(self, seq: int, event: OrderFilled) -> None:
        book = self._books[event.contender]
        portfolio = book.portfolio
        entry, trip = portfolio.apply(event.at, event.instrument, event.side, event.quantity, event.price, event.fee)
        book.origin = origin(seq, event)
        book.fills += 1
        self._fills.append(_fill(book.origin, event, entry))
        if trip is not None:
            book.round_trips += 1
            self._round_trips.append(_round_trip(book.origin, event.contender, trip))
        self._changed[event.contender] = book
        self._positions[event.contender, event.instrument] = _position(
            book.origin, event.contender, event.instrument, portfolio
        )

    def _acted(self, seq: int, event: CorporateActionApplied) -> None:
        made = _outside(seq, event.at)
        self._actions.append(_action(made, event))
        for contender, book in self._books.items():
            entry, trip = book_action(book.portfolio, event, self._instruments[event.instrument])
            if not (entry.before or entry.cash or entry.receivable):
                continue
            book.origin = made
            self._action_entries.append(_action_entry(made, contender, event.instrument, entry))
            if trip is not None:
                book.round_trips += 1
                self._round_trips.append(_round_trip(made, contender, trip))
            self._changed[contender] = book
            position = _position(made, contender, event.instrument, book.portfolio)
            self._positions[contender, event.instrument] = position

    def _charged(self, seq: int, event: BorrowCharged) -> None:
        book = self._books[event.contender]
        book.portfolio.charge(event.instrument, event.amount)
        book.origin = origin(seq, event)
        self._charges.append(_charge(book.origin, event))
        self._changed[event.contender] = book


def _outside(seq: int, at: Nanos) -> Row:
    return {"seq": seq, "cause": None, "at_ns": at}


def _action(made: Row, event: CorporateActionApplied) -> Row:
    return {
        **made,
        "instrument": event.instrument,
        "kind": event.kind,
        "new": event.new,
        "old": event.old,
        "amount": exact(event.amount),
        "last_price": exact(event.last_price),
        "ex_at_ns": event.ex_at,
        "pay_at_ns": event.pay_at or None,
    }


def _action_entry(made: Row, contender: str, instrument: InstrumentId, entry: ActionEntry) -> Row:
    return {
        **made,
        "contender": contender,
        "instrument": instrument,
        "quantity_before": exact(entry.before),
        "quantity_after": exact(entry.after),
        "cash_change": exact(entry.cash),
        "cost_change": exact(entry.cost),
        "realized_pnl": exact(entry.realized),
        "receivable_change": exact(entry.receivable),
        "dividends": exact(entry.dividends),
    }


def _fill(made: Row, event: OrderFilled, entry: JournalEntry) -> Row:
    """Realized P&L is the executor's own; the row's check compares it with what these books say."""
    return {
        **made,
        "fill_id": event.fill_id,
        "order_id": event.order_id,
        "contender": event.contender,
        "instrument": event.instrument,
        "side": event.side,
        "quantity": exact(event.quantity),
        "price": exact(event.price),
        "fee": exact(event.fee),
        "slippage": exact(event.slippage),
        "remaining": exact(event.remaining),
        "purpose": event.purpose,
        "mode": event.mode,
        "realized_pnl": exact(event.realized_pnl),
        "cash_change": exact(entry.cash),
        "cost_change": exact(entry.cost),
        "met_at_ns": event.met_at or event.at,
        "reference_price": exact_or_none(event.reference_price),
        "basis": event.basis,
        "costs": document(costs_of(event.costs)),
    }


def _charge(made: Row, event: BorrowCharged) -> Row:
    return {
        **made,
        "contender": event.contender,
        "instrument": event.instrument,
        "quantity": exact(event.quantity),
        "price": exact(event.price),
        "since_ns": event.since,
        "amount": exact(event.amount),
    }


def _portfolio(contender: str, book: Book) -> Row:
    portfolio = book.portfolio
    return {
        **book.origin,
        "contender": contender,
        "starting_cash": exact(portfolio.starting_cash),
        "cash": exact(portfolio.cash),
        "cost_basis": exact(portfolio.cost_basis()),
        "realized_pnl": exact(portfolio.realized),
        "fees": exact(portfolio.fees),
        "dividends": exact(portfolio.dividends),
        "receivable": exact(portfolio.receivable),
        "fills": book.fills,
        "round_trips": book.round_trips,
    }


def _position(made: Row, contender: str, instrument: InstrumentId, portfolio: Portfolio) -> Row:
    position = portfolio.positions.get(instrument)
    return {
        **made,
        "contender": contender,
        "instrument": instrument,
        "quantity": exact(position.quantity if position else 0),
        "cost": exact(position.cost if position else 0),
        "average_price": exact(position.average_price if position else 0),
        "opened_at_ns": position.opened_at if position else None,
    }


def _round_trip(made: Row, contender: str, trip: RoundTrip) -> Row:
    return {
        **made,
        "contender": contender,
        "instrument": trip.instrument,
        "side": trip.side,
        "opened_at_ns": trip.opened_at,
        "closed_at_ns": trip.closed_at,
        "quantity": exact(trip.quantity),
        "entry_price": exact(trip.entry_price),
        "exit_price": exact(trip.exit_price),
        "fees": exact(trip.fees),
        "pnl": exact(trip.pnl),
    }
