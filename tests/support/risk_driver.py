"""Drives one RiskGuardian as a session would: builds its events, keeps the clock and the seq, remembers every step."""

from dataclasses import dataclass
from typing import Any

import msgspec

from titanflow.domain.events import (
    ClockAdvanced,
    Event,
    Explanation,
    OperatorCommanded,
    OrderApproved,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    SessionEnded,
    SessionStarted,
    SignalGenerated,
    TickReceived,
)
from titanflow.domain.instruments import FeeSchedule, Instrument, InstrumentKind, TradingCalendar
from titanflow.domain.session_settings import (
    ContenderSpec,
    ExecutionSettings,
    FeedSpec,
    RiskSettings,
    SessionSettings,
)
from titanflow.domain.types import (
    SCALE,
    CostModelName,
    DenialCode,
    ExecutionMode,
    OperatorAction,
    OrderPurpose,
    OrderType,
    Side,
    fixed,
)
from titanflow.risk.guardian import RiskGuardian

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
OPEN, CLOSE = 14 * 3600 * SECOND + 1800 * SECOND, 21 * 3600 * SECOND
"""14:30 and 21:00 UTC of day 0: the New York session in winter."""

AAPL, COIN, VIX = "AAPL.XNYS", "COIN.SPOT", "VIX.XNYS"
ROUND = RiskSettings(
    max_daily_loss=fixed("0.03"),
    total_max_daily_loss=fixed("0.03"),
    max_drawdown=SCALE,
    total_max_drawdown=SCALE,
    loss_counts_from=0,
    loss_streak_cost=0,
    risk_per_trade=fixed("0.01"),
    stop_bar_seconds=60,
    max_position=fixed("0.1"),
    max_gross_exposure=SCALE,
    total_max_gross_exposure=SCALE,
    min_order_value=0,
)
"""Round numbers for worked examples. The stop's bars are as long as the strategies', so their range stands as it is."""
FREE = ExecutionSettings(
    cost_model=CostModelName.FLAT,
    slippage_base=0,
    slippage_allowance=0,
    max_order_value=fixed("9000000000"),
    max_concentration=SCALE,
)
"""Trading costs nothing, and the last gate holds nothing back."""
FLOORS = {"rollback_min_sharpe": 0.5, "rollback_min_accuracy": 0.5}


def limits(**changes: Any) -> RiskSettings:
    """ROUND with these changes."""
    return msgspec.structs.replace(ROUND, **changes)


def instrument(name: str, kind: InstrumentKind, step: str, calendar: str) -> Instrument:
    symbol, venue = name.split(".")
    return Instrument(name, symbol, venue, kind, fixed("0.01"), fixed(step), calendar, "USD", FeeSchedule())


INSTRUMENTS = (
    instrument(AAPL, InstrumentKind.EQUITY, "1", "XNYS"),
    instrument(COIN, InstrumentKind.CRYPTO_SPOT, "0.001", "24/7"),
    instrument(VIX, InstrumentKind.INDEX, "1", "XNYS"),
)
CALENDARS = (
    TradingCalendar("XNYS", always_open=False, sessions=tuple((OPEN + d * DAY, CLOSE + d * DAY) for d in range(3))),
    TradingCalendar("24/7", always_open=True, sessions=()),
)


def started(
    contenders: tuple[str, ...],
    cash: str,
    calendars: tuple[TradingCalendar, ...],
    risk: RiskSettings,
    execution: ExecutionSettings = FREE,
    instruments: tuple[Instrument, ...] = INSTRUMENTS,
    bars: tuple[tuple[str, int], ...] = (),
) -> SessionStarted:
    names = tuple(each.id for each in instruments)
    return SessionStarted(
        at=0,
        identity="test",
        seed=1,
        settings=SessionSettings(starting_cash=fixed(cash), risk=risk, execution=execution),
        instruments=instruments,
        calendars=calendars,
        contenders=tuple(ContenderSpec(each, each, "rule", (), names, 60, "") for each in contenders),
        feed=FeedSpec("test", "", "", bars),
        code_version="",
    )


@dataclass
class Driver:
    """A session of one contender `alpha` (or several) around the clock, unless told otherwise."""

    contenders: tuple[str, ...] = ("alpha",)
    cash: str = "100000"
    calendars: tuple[TradingCalendar, ...] = CALENDARS
    risk: RiskSettings = ROUND
    execution: ExecutionSettings = FREE
    instruments: tuple[Instrument, ...] = INSTRUMENTS
    bars: tuple[tuple[str, int], ...] = ()
    at: int = OPEN
    seq: int = 0

    def __post_init__(self) -> None:
        self.guardian = RiskGuardian()
        self.steps: list[tuple[int, Event, tuple[Event, ...]]] = []
        self.remaining: dict[str, int] = {}
        self.orders: dict[str, OrderApproved] = {}
        self.feed(
            started(self.contenders, self.cash, self.calendars, self.risk, self.execution, self.instruments, self.bars)
        )

    def feed(self, event: Event) -> list[Event]:
        """Give the next event of the ledger; what the guardian decides on it takes its own places in the ledger."""
        self.seq += 1
        seq = self.seq
        decisions = tuple(self.guardian.handlers[type(event)](seq, event))
        self.steps.append((seq, event, decisions))
        self.seq += len(decisions)
        for decision in decisions:
            assert decision.cause == seq
            assert decision.at == event.at
            if isinstance(decision, OrderApproved):
                assert decision.order_id not in self.orders
                self.orders[decision.order_id] = decision
                self.remaining[decision.order_id] = decision.quantity
        return list(decisions)

    def tick(self, price: str, name: str = AAPL) -> list[Event]:
        return self.feed(TickReceived(at=self.at, instrument=name, price=fixed(price), size=100 * SCALE))

    def clock(self, at: int | None = None) -> list[Event]:
        self.at = self.at + SECOND if at is None else at
        return self.feed(ClockAdvanced(at=self.at))

    def signal(
        self,
        side: Side,
        name: str = AAPL,
        contender: str = "alpha",
        atr: str = "1",
        confidence: float = 0.9,
        order_type: OrderType = OrderType.MARKET,
        order_price: str = "0",
        closes_only: bool = False,
    ) -> list[Event]:
        return self.feed(
            SignalGenerated(
                cause=self.seq,
                at=self.at,
                contender=contender,
                instrument=name,
                side=side,
                confidence=confidence,
                price=self.guardian.house.marks.get(name, 0),
                atr=fixed(atr),
                order_type=order_type,
                order_price=fixed(order_price),
                features=(),
                explanation=Explanation("test", 0.0, 0.0, ()),
                model_hash="",
                closes_only=closes_only,
            )
        )

    def buy(self, name: str = AAPL, contender: str = "alpha") -> OrderApproved:
        """A buy that must be approved."""
        (order,) = self.signal(Side.BUY, name, contender)
        assert isinstance(order, OrderApproved), order
        return order

    def sell(self, name: str = AAPL, contender: str = "alpha") -> OrderApproved:
        """A sell that must be approved."""
        (order,) = self.signal(Side.SELL, name, contender)
        assert isinstance(order, OrderApproved), order
        return order

    def fill(
        self,
        order: OrderApproved | OrderSubmitted,
        price: str,
        quantity: str | None = None,
        fee: str = "0",
        reference: str = "0",
    ) -> list[Event]:
        """Fill all that remains of an order, or `quantity` of it."""
        filled = self.remaining[order.order_id] if quantity is None else fixed(quantity)
        self.remaining[order.order_id] -= filled
        return self.feed(
            OrderFilled(
                cause=self.seq,
                at=self.at,
                fill_id=f"fill-{self.seq}",
                order_id=order.order_id,
                contender=order.contender,
                instrument=order.instrument,
                side=order.side,
                quantity=filled,
                price=fixed(price),
                fee=fixed(fee),
                slippage=0,
                remaining=self.remaining[order.order_id],
                purpose=order.purpose,
                realized_pnl=0,
                mode=ExecutionMode.PAPER,
                reference_price=fixed(reference),
            )
        )

    def cancel(self, order: OrderApproved | OrderSubmitted, code: DenialCode = DenialCode.LIQUIDATION) -> list[Event]:
        return self.feed(
            OrderCancelled(
                cause=self.seq,
                at=self.at,
                order_id=order.order_id,
                contender=order.contender,
                instrument=order.instrument,
                remaining=self.remaining.pop(order.order_id),
                code=code,
            )
        )

    def reject(self, order: OrderApproved, code: DenialCode = DenialCode.BUYING_POWER) -> list[Event]:
        del self.remaining[order.order_id]
        return self.feed(
            OrderRejected(
                cause=self.seq,
                at=self.at,
                order_id=order.order_id,
                contender=order.contender,
                instrument=order.instrument,
                code=code,
                context=(),
            )
        )

    def submit_liquidation(self, contender: str, name: str, position: int) -> OrderSubmitted:
        """The executor's own order that closes `position` (signed)."""
        order = OrderSubmitted(
            cause=self.seq,
            at=self.at,
            order_id=f"liquidation-{self.seq}",
            parent_id="",
            contender=contender,
            instrument=name,
            side=Side.SELL if position > 0 else Side.BUY,
            quantity=abs(position),
            order_type=OrderType.MARKET,
            order_price=0,
            purpose=OrderPurpose.LIQUIDATION,
            decision_price=0,
            active_at=self.at,
            mode=ExecutionMode.PAPER,
        )
        self.remaining[order.order_id] = order.quantity
        self.feed(order)
        return order

    def operator(self, action: OperatorAction, contender: str = "", order_id: str = "") -> list[Event]:
        return self.feed(
            OperatorCommanded(
                at=self.at, action=action, operator="ada", contender=contender, order_id=order_id, reason=""
            )
        )

    def end(self) -> list[Event]:
        return self.feed(SessionEnded(at=self.at, reason="test"))

    def round_trip(self, entry: str, exit_: str, contender: str = "alpha") -> list[Event]:
        """Enter and leave AAPL at these prices; what the closing fill made the guardian say."""
        self.tick(entry)
        self.fill(self.buy(contender=contender), entry)
        order = self.sell(contender=contender)
        return self.fill(order, exit_)


def only(decisions: list[Event], kind: type[Event]) -> list[Event]:
    """The decisions of one type."""
    return [each for each in decisions if isinstance(each, kind)]


def refold(steps: list[tuple[int, Event, tuple[Event, ...]]]) -> list[tuple[Event, ...]]:
    """What a new guardian decides on the same events at the same places."""
    handlers = RiskGuardian().handlers
    return [tuple(handlers[type(event)](seq, event)) for seq, event, _ in steps]
