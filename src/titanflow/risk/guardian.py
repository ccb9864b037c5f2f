"""The risk guardian: approves, denies or holds every signal, watches losses, and stops trading. The rule book itself.

One short method for each event; the rules are in `limits`, `sizing`, `entries`, `exits` and `breakers`.
"""

from collections.abc import Mapping

from titanflow.domain.decider import NOTHING, Decisions, Handler
from titanflow.domain.events import (
    BarPointReceived,
    BorrowCharged,
    ClockAdvanced,
    ContenderSetAside,
    CorporateActionApplied,
    Event,
    GateReported,
    KillSwitchTripped,
    ModelRolledBack,
    OperatorCommanded,
    OrderAdjusted,
    OrderApproved,
    OrderCancelled,
    OrderDenied,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderSubmitted,
    Print,
    RiskCommandIssued,
    SessionEnded,
    SessionStarted,
    SignalGenerated,
    TickReceived,
)
from titanflow.domain.types import (
    DenialCode,
    InstrumentId,
    Nanos,
    OperatorAction,
    OrderPurpose,
    Price,
)
from titanflow.risk.books import Book, Hold, House, WorkingOrder
from titanflow.risk.breakers import (
    check_after_fill,
    check_exposed,
    halt,
    open_day,
    open_day_of_all,
    resume,
    set_aside,
)
from titanflow.risk.corporate import adjust_order, apply_action
from titanflow.risk.entries import approve_hold, decide_entry, end_hold, end_holds, lapse_holds, withdraw_holds
from titanflow.risk.exits import close_for_the_day, decide_exit, end_waiting, follow_entry, withdraw_waiting
from titanflow.risk.gates import judge_trip
from titanflow.risk.stop_distance import TrueRanges
from titanflow.risk.verdicts import Denial, Request, denied, unknown_order


class RiskGuardian:
    """Decider: every signal gets its verdict, every breach its command. Its own events it does not read back."""

    name = "risk"
    emits: tuple[type[Event], ...] = (
        OrderApproved,
        OrderDenied,
        OrderHeld,
        RiskCommandIssued,
        KillSwitchTripped,
        ModelRolledBack,
        GateReported,
    )

    house: House
    """Everything that it knows; there from SessionStarted on."""

    def __init__(self) -> None:
        self._marks: dict[InstrumentId, Price] = {}
        self._ranges = TrueRanges()
        self._next_opening: Nanos = 0
        """No day of anyone opens before it."""

    @property
    def handlers(self) -> Mapping[type[Event], Handler]:
        """What it listens to."""
        return {
            SessionStarted: self.on_started,
            TickReceived: self.on_tick,
            BarPointReceived: self.on_tick,
            ClockAdvanced: self.on_clock,
            CorporateActionApplied: self.on_corporate_action,
            SignalGenerated: self.on_signal,
            OperatorCommanded: self.on_operator,
            ContenderSetAside: self.on_set_aside,
            OrderSubmitted: self.on_submitted,
            OrderAdjusted: self.on_adjusted,
            OrderFilled: self.on_fill,
            BorrowCharged: self.on_borrow_charged,
            OrderCancelled: self.on_order_ended,
            OrderRejected: self.on_order_ended,
            SessionEnded: self.on_ended,
        }

    def on_started(self, seq: int, started: SessionStarted) -> Decisions:
        """Open every contender's book."""
        self._ranges.open(started)
        self.house = House(started, self._marks, self._ranges)
        return NOTHING

    def on_tick(self, seq: int, tick: Print) -> Decisions:
        """Note the last price; equity is marked only when a clock, a fill or a signal asks."""
        self._marks[tick.instrument] = tick.price
        self._ranges.add(tick)
        return NOTHING

    def on_clock(self, seq: int, clock: ClockAdvanced) -> Decisions:
        """Open the day, end unanswered holds, stop on losses, close positions before their venue closes."""
        house, at = self.house, clock.at
        decisions = self._open_days(seq, at) if at >= self._next_opening else []
        decisions += lapse_holds(house.books.values(), seq, at)
        decisions += check_exposed(house, seq, at)
        if house.risk.flat_at_close:
            decisions += close_for_the_day(house, seq, at)
        return decisions or NOTHING

    def on_corporate_action(self, seq: int, action: CorporateActionApplied) -> Decisions:
        """Book it for every contender; a split ends held entries."""
        return apply_action(self.house, seq, action) or NOTHING

    def on_signal(self, seq: int, signal: SignalGenerated) -> Decisions:
        """Against the position or a working entry: an exit, never blocked by a limit. Otherwise: an entry."""
        house, request = self.house, Request(seq, signal)
        book = house.books[signal.contender]
        if house.ended:
            return (denied(seq, signal.at, request, Denial(DenialCode.SESSION_ENDED)),)
        decisions = withdraw_holds(book, seq, signal) + withdraw_waiting(book, seq, signal)
        against_position = book.portfolio.quantity(signal.instrument) * signal.side.sign < 0
        if against_position or book.entry_on(signal.instrument, signal.side.opposite):
            return decisions + decide_exit(house, book, request)
        return [*decisions, decide_entry(house, book, signal.at, request)]

    def on_operator(self, seq: int, command: OperatorCommanded) -> Decisions:
        """A person stops, reopens, or answers for a held order; a contender that does not exist is nobody."""
        match command.action:
            case OperatorAction.APPROVE | OperatorAction.DENY:
                return (self._answer(seq, command),)
            case OperatorAction.KILL:
                return halt(self.house, seq, command, liquidate=False)
            case OperatorAction.LIQUIDATE:
                return halt(self.house, seq, command, liquidate=True)
            case OperatorAction.RESUME:
                return resume(self.house, seq, command)
            case OperatorAction.USE_PARENT:
                return NOTHING  # the signal decider's

    def on_set_aside(self, seq: int, failed: ContenderSetAside) -> Decisions:
        """Close what it holds, cancel what it has under way, deny what it has on hold; it asks for nothing more."""
        return set_aside(self.house, seq, failed)

    def on_submitted(self, seq: int, order: OrderSubmitted) -> Decisions:
        """Note the executor's own liquidation orders; others were noted when approved, stops wait unseen."""
        book = self.house.books[order.contender]
        if order.purpose is OrderPurpose.LIQUIDATION:
            book.working[order.order_id] = WorkingOrder(order, order.decision_price)
        elif order.order_id in book.working:
            book.working[order.order_id].remaining = order.quantity  # restated where a split came in between
        return NOTHING

    def on_adjusted(self, seq: int, adjusted: OrderAdjusted) -> Decisions:
        """An order under way followed a split."""
        adjust_order(self.house, adjusted)
        return NOTHING

    def on_fill(self, seq: int, fill: OrderFilled) -> Decisions:
        """Book it; then losses are judged, a model's record is judged, and an exit that waited goes out."""
        house, at = self.house, fill.at
        book = house.books[fill.contender]
        decisions = self._open_days(seq, at) if at >= self._next_opening else []
        house.traded(book.id)
        trip = book.fill(fill)
        decisions += check_after_fill(house, seq, at, book)
        if trip:
            decisions += judge_trip(house, seq, at, book, trip)
        decisions += follow_entry(house, book, seq, at, fill.instrument)
        return decisions + end_waiting(house, book, seq, at, fill.instrument)

    def on_borrow_charged(self, seq: int, charged: BorrowCharged) -> Decisions:
        """Book it; equity is looked at with the next clock or fill."""
        self.house.books[charged.contender].portfolio.charge(charged.instrument, charged.amount)
        return NOTHING

    def on_order_ended(self, seq: int, ended: OrderCancelled | OrderRejected) -> Decisions:
        """An approved order works no more."""
        book = self.house.books[ended.contender]
        book.working.pop(ended.order_id, None)
        return end_waiting(self.house, book, seq, ended.at, ended.instrument)

    def on_ended(self, seq: int, ended: SessionEnded) -> Decisions:
        """Nothing is approved any more; what is held is denied."""
        self.house.ended = True
        return end_holds(self.house.books.values(), seq, ended.at, Denial(DenialCode.SESSION_ENDED))

    def _answer(self, seq: int, command: OperatorCommanded) -> Event:
        found = self._held(command.order_id)
        if found is None:
            return unknown_order(seq, command.at, command.contender, command.order_id)
        book, hold = found
        if command.action is OperatorAction.APPROVE:
            return approve_hold(self.house, book, seq, command.at, hold)
        denial = Denial(DenialCode.DENIED_BY_OPERATOR, (("operator", command.operator), ("reason", command.reason)))
        return end_hold(book, seq, command.at, hold, denial)

    def _held(self, order_id: str) -> tuple[Book, Hold] | None:
        for book in self.house.books.values():
            if order_id in book.held:
                return book, book.held[order_id]
        return None

    def _open_days(self, seq: int, at: Nanos) -> list[Event]:
        """Begin the days that have opened; whoever is halted until then goes on."""
        house = self.house
        decisions: list[Event] = []
        if at >= house.next_day:
            house.next_day = house.openings.after(at)
            decisions += open_day_of_all(house, seq, at)
        for book in house.books.values():
            if at >= book.next_day:
                book.next_day = book.openings.after(at)
                decisions += open_day(house, seq, at, book)
        self._next_opening = min(house.next_day, *(book.next_day for book in house.books.values()))
        return decisions
