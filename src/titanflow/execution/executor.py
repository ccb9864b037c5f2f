"""The executor: approved orders go through the last gate into the paper market, where later ticks fill them.

Everything happens in event time. An order enters its book when its OrderSubmitted is read back from the ledger, so
that no fill rests on a tick that stands before its order, however far this decider lags.
"""

from collections.abc import Callable, Mapping

from titanflow.domain.decider import NOTHING, Decisions, Handler
from titanflow.domain.events import (
    BarPointReceived,
    ClockAdvanced,
    Event,
    KillSwitchTripped,
    OrderApproved,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    OrderTriggered,
    Print,
    RiskCommandIssued,
    SessionEnded,
    SessionStarted,
    TickReceived,
)
from titanflow.domain.instruments import Instrument, TradingCalendar
from titanflow.domain.types import (
    ContenderId,
    DenialCode,
    ExecutionMode,
    InstrumentId,
    Nanos,
    OrderPurpose,
    Price,
    RiskCommand,
)
from titanflow.execution.account import Account
from titanflow.execution.market import PaperMarket
from titanflow.execution.orders import BEYOND, Book, WorkingOrder
from titanflow.execution.turn import Turn
from titanflow.execution.validator import OrderValidator


class Executor:
    """Decider: sends approved orders to the paper market and reports what becomes of them.

    Each accepted order ends exactly once: filled, or cancelled with what remains of it. Closing orders never take
    more than the position holds, and end with it. Every fill of an entry gets a protective stop of its own size.
    Entries are day orders: the venue's close ends them.
    """

    name = "execution"
    emits: tuple[type[Event], ...] = (
        OrderRejected,
        OrderSubmitted,
        OrderTriggered,
        OrderFilled,
        OrderCancelled,
    )

    market: PaperMarket
    validator: OrderValidator

    def __init__(self) -> None:
        self.identity = ""
        self.instruments: dict[InstrumentId, Instrument] = {}
        self.calendars: dict[str, TradingCalendar] = {}
        self.accounts: dict[ContenderId, Account] = {}
        self.marks: dict[InstrumentId, Price] = {}
        self.books: dict[InstrumentId, Book] = {}
        """Only instruments in which an order works, so that a tick of any other costs one look-up."""
        self.next_expiry: Nanos = BEYOND

    @property
    def handlers(self) -> Mapping[type[Event], Handler]:
        """Event type -> handler."""
        return {
            SessionStarted: self.on_session_started,
            TickReceived: self.on_tick,
            BarPointReceived: self.on_tick,
            ClockAdvanced: self.on_clock,
            OrderApproved: self.on_order_approved,
            OrderSubmitted: self.on_order_submitted,
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
        self.accounts = {contender.id: Account(started.settings.starting_cash) for contender in started.contenders}
        self.market = PaperMarket(started.seed, settings, self.accounts, self.marks, self.books)
        allowance = self.market.slippage.allowance
        self.validator = OrderValidator(settings, self.instruments, self.accounts, self.marks, allowance)
        return NOTHING

    def on_tick(self, seq: int, tick: Print) -> Decisions:
        """Mark the instrument, and let the tick meet its working orders if it concerns any."""
        price = self.marks[tick.instrument] = tick.price
        book = self.books.get(tick.instrument)
        if book is None or (book.floor < price < book.ceiling and tick.at < book.due):
            return NOTHING
        turn = Turn(self.identity, seq, tick.at)
        self.market.match(turn, tick, book)
        return turn.decisions

    def on_clock(self, seq: int, clock: ClockAdvanced) -> Decisions:
        """Cancel entries that outlived their venue's session."""
        if clock.at < self.next_expiry:
            return NOTHING
        turn = Turn(self.identity, seq, clock.at)
        self._cancel_where(turn, "", lambda order: order.expires_at <= clock.at, DenialCode.OUTSIDE_SESSION)
        open_orders = (order for account in self.accounts.values() for order in account.orders.values())
        self.next_expiry = min((order.expires_at for order in open_orders), default=BEYOND)
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
        self.market.submit(turn, self._order_of(approved))
        return turn.decisions

    def on_order_submitted(self, seq: int, submitted: OrderSubmitted) -> Decisions:
        """One of its own decisions stands in the ledger now: the order may meet later ticks."""
        self.validator.seen.add(submitted.order_id)
        self.market.admit(submitted)
        return NOTHING

    def on_kill_switch(self, seq: int, tripped: KillSwitchTripped) -> Decisions:
        """Cancel working entries of the contender, or of all; exits and protective stops go on."""
        turn = Turn(self.identity, seq, tripped.at)
        self._cancel_where(turn, tripped.contender, _enters, DenialCode.KILL_SWITCH)
        return turn.decisions

    def on_risk_command(self, seq: int, command: RiskCommandIssued) -> Decisions:
        """LIQUIDATE_ALL: cancel every order and close every position of the contender, or of all."""
        if command.command is not RiskCommand.LIQUIDATE_ALL:
            return NOTHING
        turn = Turn(self.identity, seq, command.at)
        self._cancel_where(turn, command.contender, _all, DenialCode.LIQUIDATION)
        if not self.validator.session_ended:
            self._close_all(turn, command.contender)
        return turn.decisions

    def on_session_ended(self, seq: int, ended: SessionEnded) -> Decisions:
        """Cancel what still works; no tick will fill it."""
        turn = Turn(self.identity, seq, ended.at)
        self.validator.session_ended = True
        self._cancel_where(turn, "", _all, DenialCode.SESSION_ENDED)
        return turn.decisions

    def _order_of(self, approved: OrderApproved) -> WorkingOrder:
        instrument = self.instruments[approved.instrument]
        expires_at = BEYOND
        if approved.purpose is OrderPurpose.ENTRY:
            calendar = self.calendars.get(instrument.calendar)
            session = calendar.session_at(approved.at) if calendar else None
            if session:
                expires_at = session[1]
                self.next_expiry = min(self.next_expiry, expires_at)
        return WorkingOrder(
            id=approved.order_id,
            contender=approved.contender,
            instrument=instrument,
            side=approved.side,
            remaining=approved.quantity,
            type=approved.order_type,
            price=approved.order_price,
            stop_price=approved.stop_price,
            purpose=approved.purpose,
            closing=self.validator.is_closing(approved),
            decision_price=approved.decision_price,
            worst_price=self.validator.worst_price(approved),
            expires_at=expires_at,
        )

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
