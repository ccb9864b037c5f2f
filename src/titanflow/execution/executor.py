"""The executor: approved orders go through the last gate into the paper market, where later prints fill them.

Everything happens in event time. An order enters its book when its OrderSubmitted is read back from the ledger, a stop
becomes a market order when its OrderTriggered is: no fill rests on a print that stands before its order. The exception:
on a leg of a bar's path the stop of an entry that fills there works on the rest of that leg.
"""

from collections.abc import Callable, Mapping

from titanflow.domain.decider import NOTHING, Decisions, Handler
from titanflow.domain.events import (
    BarPointReceived,
    BorrowCharged,
    ClockAdvanced,
    CorporateActionApplied,
    Event,
    KillSwitchTripped,
    OffMarketPrintReceived,
    OrderAdjusted,
    OrderApproved,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    OrderTriggered,
    Print,
    QuoteReceived,
    RiskCommandIssued,
    SessionEnded,
    SessionStarted,
    TickReceived,
)
from titanflow.domain.instruments import Instrument, TradingCalendar, factors_of
from titanflow.domain.types import (
    NANOS_PER_SECOND,
    ContenderId,
    CorporateActionKind,
    DenialCode,
    ExecutionMode,
    InstrumentId,
    Nanos,
    OrderPurpose,
    Price,
    RiskCommand,
)
from titanflow.execution.account import Account
from titanflow.execution.closing import ClosingPrices
from titanflow.execution.corporate import adjust_order, apply_action
from titanflow.execution.hours import VenueHours
from titanflow.execution.market import PaperMarket
from titanflow.execution.orders import Book, WorkingOrder
from titanflow.execution.simulation.costs import cost_model
from titanflow.execution.simulation.tape import Tape
from titanflow.execution.turn import Turn
from titanflow.execution.validator import OrderValidator, Refusal


class Executor:
    """Decider: sends approved orders to the paper market and reports what becomes of them.

    Each accepted order ends exactly once: filled, or cancelled with what remains of it. Closing orders never take
    more than the position holds, and end with it. Every fill of an entry gets a protective stop of its own size.
    Entries are day orders: they end when positions begin to be closed for the day, or with the venue. What was to be
    closed by its close and found no print is settled at the closing price.
    """

    name = "execution"
    emits: tuple[type[Event], ...] = (
        OrderRejected,
        OrderSubmitted,
        OrderTriggered,
        OrderFilled,
        OrderCancelled,
        OrderAdjusted,
        BorrowCharged,
    )

    market: PaperMarket
    validator: OrderValidator

    def __init__(self) -> None:
        self.identity = ""
        self.instruments: dict[InstrumentId, Instrument] = {}
        self.calendars: dict[str, TradingCalendar] = {}
        self.accounts: dict[ContenderId, Account] = {}
        self.marks: dict[InstrumentId, Price] = {}
        self.marked_at: dict[InstrumentId, Nanos] = {}
        """When each of the last prices printed."""
        self.books: dict[InstrumentId, Book] = {}
        """Only instruments in which an order works, so that a print of any other costs one look-up."""
        self.tapes: dict[InstrumentId, Tape] = {}
        """What each instrument's prints have shown of its costs."""
        self.quotes: dict[InstrumentId, QuoteReceived] = {}
        """The latest of each instrument."""
        self.splits: dict[InstrumentId, list[tuple[int, CorporateActionApplied]]] = {}
        """Every split of an instrument with its seq: an order that was decided before one is restated."""

    @property
    def handlers(self) -> Mapping[type[Event], Handler]:
        """Event type -> handler."""
        return {
            SessionStarted: self.on_session_started,
            TickReceived: self.on_tick,
            BarPointReceived: self.on_bar_point,
            OffMarketPrintReceived: self.on_off_market,
            QuoteReceived: self.on_quote,
            ClockAdvanced: self.on_clock,
            CorporateActionApplied: self.on_corporate_action,
            OrderApproved: self.on_order_approved,
            OrderSubmitted: self.on_order_submitted,
            OrderTriggered: self.on_order_triggered,
            KillSwitchTripped: self.on_kill_switch,
            RiskCommandIssued: self.on_risk_command,
            SessionEnded: self.on_session_ended,
        }

    def on_session_started(self, seq: int, started: SessionStarted) -> Decisions:
        """Open an account for each contender. Raises ValueError for a mode in which it could not trade truthfully."""
        settings = started.settings.execution
        if settings.mode is not ExecutionMode.PAPER:
            raise ValueError(f"this executor fills paper orders only, the session asks for {settings.mode.value!r}")
        self.identity = started.identity
        self.instruments = {instrument.id: instrument for instrument in started.instruments}
        self.calendars = {calendar.id: calendar for calendar in started.calendars}
        cash, factors = started.settings.starting_cash, factors_of(started.instruments)
        self.accounts = {contender.id: Account(cash, factors) for contender in started.contenders}
        risk, bars = started.settings.risk, dict(started.feed.bars)
        leads = {name: risk.closing_lead(bars.get(name, 0)) for name in self.instruments}
        hours = VenueHours(self.calendars, risk.flat_at_close, leads)
        closing = ClosingPrices(self.instruments, hours, self.marks, self.marked_at)
        self.tapes.update((each, Tape(bars.get(each, 0))) for each in self.instruments)
        costs = cost_model(started.seed, settings, self.tapes, self.quotes)
        self.market = PaperMarket(started.seed, settings, self.accounts, self.marks, self.books, hours, closing, costs)
        self.validator = OrderValidator(settings, self.instruments, self.accounts, self.marks)
        return NOTHING

    def on_tick(self, seq: int, tick: TickReceived) -> Decisions:
        """Mark the instrument, and let the trade meet its working orders if it concerns any."""
        instrument, price, at = tick.instrument, tick.price, tick.at
        self.tapes[instrument].add(tick)
        book = self.books.get(instrument)
        if book is None or (book.floor < price < book.ceiling and at < book.due):
            self.marks[instrument], self.marked_at[instrument] = price, at
            return NOTHING
        return self._meet(seq, tick, book)

    def on_bar_point(self, seq: int, point: BarPointReceived) -> Decisions:
        """The same for the leg of a bar's path that ends here: all the prices between its two ends count."""
        instrument, price, start, at = point.instrument, point.price, point.from_price, point.at
        self.tapes[instrument].add_point(point)
        book = self.books.get(instrument)
        low, high = (start, price) if start < price else (price, start)
        if book is None or (book.floor < low and high < book.ceiling and at < book.due):
            self.marks[instrument], self.marked_at[instrument] = price, at
            return NOTHING
        return self._meet(seq, point, book)

    def on_off_market(self, seq: int, off_market: OffMarketPrintReceived) -> Decisions:
        """It is volume, and nothing else."""
        self.tapes[off_market.instrument].add_volume(off_market)
        return NOTHING

    def on_quote(self, seq: int, quote: QuoteReceived) -> Decisions:
        """Note how wide the market is."""
        self.quotes[quote.instrument] = quote
        return NOTHING

    def on_clock(self, seq: int, clock: ClockAdvanced) -> Decisions:
        """End the day of orders whose venue has closed, and of what is borrowed there."""
        if clock.at < self.market.next_end and clock.at < self.market.borrowing.due:
            return NOTHING
        turn = Turn(self.identity, seq, clock.at)
        if clock.at >= self.market.next_end:
            self.market.end_days(turn, clock.at)
        self.market.borrowing.end_days(turn)
        return turn.decisions

    def on_corporate_action(self, seq: int, action: CorporateActionApplied) -> Decisions:
        """Book it in every account; orders follow a split."""
        if action.kind is CorporateActionKind.SPLIT:
            self.splits.setdefault(action.instrument, []).append((seq, action))
            self.tapes[action.instrument].split(action.new, action.old)
        turn = Turn(self.identity, seq, action.at)
        apply_action(self.market, self.marks, turn, action, self.instruments[action.instrument])
        return turn.decisions

    def on_order_approved(self, seq: int, approved: OrderApproved) -> Decisions:
        """Reject the order at the last gate, or send it to the market; who closes takes back what still enters."""
        turn = Turn(self.identity, seq, approved.at)
        if refusal := self.validator.refusal(approved):
            turn.rejected(approved, refusal)
            return turn.decisions
        if approved.purpose is not OrderPurpose.ENTRY:
            working = self.accounts[approved.contender].orders_in(approved.instrument)
            self.market.cancel(turn, [each for each in working if _enters(each)], DenialCode.POSITION_CLOSED)
        order = self._order_of(approved)
        missed = [split for at_seq, split in self.splits.get(approved.instrument, ()) if at_seq > approved.cause]
        if not all(adjust_order(order, split) for split in missed):
            turn.rejected(approved, Refusal(DenialCode.CORPORATE_ACTION, (("quantity", approved.quantity),)))
            return turn.decisions
        self.market.submit(turn, order, approved.at)
        if order.ends_at <= approved.at:
            self.market.end_day(turn, (order,))
        return turn.decisions

    def on_order_submitted(self, seq: int, submitted: OrderSubmitted) -> Decisions:
        """One of its own decisions stands in the ledger now: the order may meet later prints."""
        self.validator.seen.add(submitted.order_id)
        self.market.admit(submitted)
        return NOTHING

    def on_order_triggered(self, seq: int, triggered: OrderTriggered) -> Decisions:
        """A stop's trigger stands in the ledger now: it may meet later prints as a market order."""
        self.market.activate(triggered)
        return NOTHING

    def on_kill_switch(self, seq: int, tripped: KillSwitchTripped) -> Decisions:
        """Cancel working entries of the contender, or of all; exits and protective stops go on."""
        turn = Turn(self.identity, seq, tripped.at)
        self._cancel_where(turn, tripped.contender, _enters, DenialCode.KILL_SWITCH)
        return turn.decisions

    def on_risk_command(self, seq: int, command: RiskCommandIssued) -> Decisions:
        """LIQUIDATE_ALL: close every position of the contender, or of all; only protective stops work on until then."""
        if command.command is not RiskCommand.LIQUIDATE_ALL:
            return NOTHING
        turn = Turn(self.identity, seq, command.at)
        self._cancel_where(turn, command.contender, lambda order: not order.protects, DenialCode.LIQUIDATION)
        if not self.validator.session_ended:
            self._close_all(turn, command.contender)
        return turn.decisions

    def on_session_ended(self, seq: int, ended: SessionEnded) -> Decisions:
        """Cancel what still works: no print will fill it. A session that ends in a day's last second ends that day."""
        turn = Turn(self.identity, seq, ended.at)
        self.validator.session_ended = True
        self.market.end_days(turn, ended.at + NANOS_PER_SECOND - 1)
        self._cancel_where(turn, "", _all, DenialCode.SESSION_ENDED)
        self.market.borrowing.end(turn)
        return turn.decisions

    def _order_of(self, approved: OrderApproved) -> WorkingOrder:
        return WorkingOrder(
            id=approved.order_id,
            contender=approved.contender,
            instrument=self.instruments[approved.instrument],
            side=approved.side,
            remaining=approved.quantity,
            type=approved.order_type,
            price=approved.order_price,
            stop_price=approved.stop_price,
            purpose=approved.purpose,
            closing=self.validator.is_closing(approved),
            decision_price=approved.decision_price,
            worst_price=self.validator.worst_price(approved),
        )

    def _meet(self, seq: int, met: Print, book: Book) -> Decisions:
        """A print that may concern an order: whose day is over does not see it, the others meet it."""
        turn = Turn(self.identity, seq, met.at)
        if over := [order for order in book.orders if order.working and order.ends_at <= met.at]:
            self.market.end_day(turn, over)
        self.marks[met.instrument], self.marked_at[met.instrument] = met.price, met.at
        self.market.match(turn, met, book)
        return turn.decisions

    def _close_all(self, turn: Turn, scope: ContenderId) -> None:
        for contender, account in self.accounts.items():
            if scope in ("", contender):
                for instrument in account.portfolio.positions:
                    self.market.close(turn, contender, self.instruments[instrument])

    def _cancel_where(
        self, turn: Turn, scope: ContenderId, concerns: Callable[[WorkingOrder], bool], code: DenialCode
    ) -> None:
        for contender, account in self.accounts.items():
            if scope in ("", contender):
                self.market.cancel(turn, [order for order in account.orders.values() if concerns(order)], code)


def _enters(order: WorkingOrder) -> bool:
    return order.purpose is OrderPurpose.ENTRY


def _all(order: WorkingOrder) -> bool:
    return True
