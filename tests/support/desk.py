"""A trading desk on paper: one executor, one ledger, and short ways to say what happens. Prices and sizes are text."""

from collections.abc import Sequence
from typing import Any

from titanflow.domain.events import (
    BarPointReceived,
    ClockAdvanced,
    Event,
    KillSwitchTripped,
    OffMarketPrintReceived,
    OrderApproved,
    OrderFilled,
    RiskCommandIssued,
    SessionEnded,
    SessionStarted,
    TickReceived,
)
from titanflow.domain.instruments import FeeSchedule, Instrument, InstrumentKind, TradingCalendar
from titanflow.domain.portfolio import Portfolio
from titanflow.domain.session_settings import ContenderSpec, ExecutionSettings, FeedSpec, SessionSettings
from titanflow.domain.types import CostModelName, KillTrigger, OrderPurpose, OrderType, RiskCommand, Side, fixed
from titanflow.execution.executor import Executor

MILLISECOND = 1_000_000
MINUTE = 60_000 * MILLISECOND
START = 1_562_000_000 * 1000 * MILLISECOND
LATENCY = 100 * MILLISECOND
STILL: dict[str, Any] = {
    "cost_model": CostModelName.FLAT,
    "slippage_base": 0,
    "slippage_noise": 0,
    "impact": 0,
    "slippage_allowance": 0,
    "latency_min_nanos": LATENCY,
    "latency_max_nanos": LATENCY,
    "max_concentration": fixed("1"),
    "max_order_value": fixed("1000000"),
}
"""A market without slippage, whose every latency is 100 ms, and limits that are out of the way."""

AAPL = Instrument(
    "AAPL.XNYS", "AAPL", "XNYS", InstrumentKind.EQUITY, fixed("0.01"), fixed("1"), "XNYS", "USD", FeeSchedule()
)
MSFT = Instrument(
    "MSFT.XNYS", "MSFT", "XNYS", InstrumentKind.EQUITY, fixed("0.01"), fixed("1"), "XNYS", "USD", FeeSchedule()
)
BTC = Instrument(
    "BTCUSDT.BINANCE-SPOT",
    "BTCUSDT",
    "BINANCE-SPOT",
    InstrumentKind.CRYPTO_SPOT,
    fixed("0.01"),
    fixed("0.00001"),
    "24/7",
    "USDT",
    FeeSchedule(notional_ratio=fixed("0.001")),
)
CLOSE = START + 3_600_000 * MILLISECOND
"""Of XNYS; it opened hours before the start and opens again in the night. XETR closes an hour later."""
CALENDARS = (
    TradingCalendar(
        "XNYS",
        False,
        (
            (CLOSE - 23_400_000 * MILLISECOND, CLOSE),
            (CLOSE + 63_000_000 * MILLISECOND, CLOSE + 86_400_000 * MILLISECOND),
        ),
    ),
    TradingCalendar("XETR", False, ((CLOSE - 23_400_000 * MILLISECOND, CLOSE + 3_600_000 * MILLISECOND),)),
    TradingCalendar("24/7", True, ()),
)
VIX = Instrument(
    "VIX.XCBO", "VIX", "XCBO", InstrumentKind.INDEX, fixed("0.01"), fixed("1"), "XNYS", "USD", FeeSchedule()
)


def session_started(
    execution: dict[str, Any] | None = None,
    *,
    instruments: Sequence[Instrument] = (AAPL, MSFT, BTC, VIX),
    contenders: Sequence[str] = ("fox", "owl"),
    cash: str = "100000",
    seed: int = 7,
) -> SessionStarted:
    """A session in the still market, changed by `execution`."""
    settings = SessionSettings(starting_cash=fixed(cash), execution=ExecutionSettings(**{**STILL, **(execution or {})}))
    names = tuple(each.id for each in instruments)
    specs = tuple(ContenderSpec(name, name, "sma_crossover", (), names, 60, "00") for name in contenders)
    feed = FeedSpec("test", "test", "")
    return SessionStarted(START, "t", seed, settings, tuple(instruments), CALENDARS, specs, feed, "0")


def bar_points(
    opened_at: int,
    prices: Sequence[str],
    volume: str = "4000",
    *,
    length: int = MINUTE,
    instrument: Instrument = AAPL,
) -> list[BarPointReceived]:
    """The points of a bar (open, high, low, close), written down from docs/execution.md."""
    first, high, low, last = (fixed(price) for price in prices)
    turns = (low, high) if last >= first else (high, low)
    times = (opened_at, opened_at + length // 3, opened_at + 2 * length // 3, opened_at + length - 1)
    path = [(times[0], first)]
    path += [(at, price) for at, price, before in zip(times[1:3], turns, (first, turns[0]), strict=True)
             if price != before]  # fmt: skip
    path.append((times[3], last))
    whole, step = fixed(volume), instrument.quantity_increment
    points = []
    for n, (at, price) in enumerate(path):
        share = whole * (n + 1) // len(path) // step * step - whole * n // len(path) // step * step
        from_at, from_price = path[max(0, n - 1)]
        closes = n == len(path) - 1
        points.append(
            BarPointReceived(at, instrument.id, price, share, opened_at, from_at, from_price, low, high, closes)
        )
    return points


class Desk:
    """Feeds an executor and keeps the ledger. Its decisions are appended at once, or when asked if `lagging`."""

    def __init__(self, started: SessionStarted | None = None, *, lagging: bool = False) -> None:
        self.executor = Executor()
        self.ledger: list[Event] = []
        self.unread: list[Event] = []
        self.lagging = lagging
        self.now = START
        self.feed(started or session_started())

    def feed(self, event: Event) -> list[Event]:
        """Append an event; give what the executor decides on it."""
        self.ledger.append(event)
        handler = self.executor.handlers.get(type(event))
        decisions = list(handler(len(self.ledger), event)) if handler else []
        self.unread += decisions
        if not self.lagging:
            self.catch_up()
        return decisions

    def catch_up(self) -> None:
        """Append the executor's decisions, which it reads back."""
        while self.unread:
            decision = self.unread.pop(0)
            self.ledger.append(decision)
            handler = self.executor.handlers.get(type(decision))
            if handler:
                self.unread += handler(len(self.ledger), decision)

    def tick(self, price: str, size: str = "1000", *, after: int = 1, instrument: Instrument = AAPL) -> list[Event]:
        """A trade prints `after` milliseconds from now."""
        self.now += after * MILLISECOND
        return self.feed(TickReceived(self.now, instrument.id, fixed(price), fixed(size)))

    def bar(
        self, *prices: str, volume: str = "4000", at: int | None = None, instrument: Instrument = AAPL
    ) -> list[Event]:
        """A one-minute bar (open, high, low, close) is played from `at` (default: now), as far as it closes."""
        decisions: list[Event] = []
        for point in bar_points(self.now if at is None else at, prices, volume, instrument=instrument):
            self.now = point.at
            decisions += self.feed(point)
        self.now += 1
        return decisions

    def off_market(self, price: str, size: str = "1000", *, after: int = 1) -> list[Event]:
        """A late or average-price print."""
        self.now += after * MILLISECOND
        return self.feed(OffMarketPrintReceived(self.now, AAPL.id, fixed(price), fixed(size)))

    def approve(self, side: Side, quantity: str, **changes: Any) -> list[Event]:
        """Risk approves an order: a market entry of fox in AAPL unless changed."""
        return self.feed(self.approval(side, quantity, **changes))

    def approval(
        self,
        side: Side,
        quantity: str,
        *,
        order_id: str = "",
        contender: str = "fox",
        instrument: str = AAPL.id,
        order_type: OrderType = OrderType.MARKET,
        price: str = "0",
        stop: str = "0",
        purpose: OrderPurpose = OrderPurpose.ENTRY,
    ) -> OrderApproved:
        """What risk would say."""
        seq = len(self.ledger)
        return OrderApproved(
            cause=seq,
            at=self.now,
            order_id=order_id or f"t-r{seq}-0",
            contender=contender,
            instrument=instrument,
            side=side,
            quantity=fixed(quantity),
            order_type=order_type,
            order_price=fixed(price),
            stop_price=fixed(stop),
            purpose=purpose,
            decision_price=self.executor.marks.get(instrument, 0),
            confidence=0.5,
            signal=seq,
            context=(),
        )

    def hold(self, quantity: str, price: str, **changes: Any) -> None:
        """Buy `quantity` and let it be filled at `price`."""
        self.tick(price)
        self.approve(Side.BUY, quantity, **changes)
        self.tick(price, "1000000", after=100)
        assert self.book(changes.get("contender", "fox")).quantity(AAPL.id) >= fixed(quantity)

    def liquidate(self, contender: str = "") -> list[Event]:
        """The guardian orders LIQUIDATE_ALL."""
        cause = len(self.ledger)
        command = RiskCommand.LIQUIDATE_ALL
        return self.feed(RiskCommandIssued(cause, self.now, command, contender, "drawdown", None, None))

    def kill(self, contender: str = "") -> list[Event]:
        """The guardian trips a kill switch."""
        cause = len(self.ledger)
        return self.feed(KillSwitchTripped(cause, self.now, contender, KillTrigger.OPERATOR, 0, 0, 0, 0))

    def clock(self, at: int) -> list[Event]:
        """Event time reaches `at`."""
        self.now = max(self.now, at)
        return self.feed(ClockAdvanced(self.now))

    def end(self) -> list[Event]:
        """The session ends."""
        return self.feed(SessionEnded(self.now, "done"))

    def book(self, contender: str = "fox") -> Portfolio:
        """The executor's books of a contender."""
        return self.executor.accounts[contender].portfolio

    def all_of(self, *kinds: type[Event]) -> list[Any]:
        """Events of these types so far, in order."""
        return [event for event in self.ledger if isinstance(event, kinds)]

    @property
    def fills(self) -> list[OrderFilled]:
        """Every fill so far."""
        return self.all_of(OrderFilled)


def only(decisions: list[Event], kind: type[Event]) -> Any:
    """The one decision, which is of this type."""
    assert [type(each) for each in decisions] == [kind], decisions
    return decisions[0]


def desk(**execution: Any) -> Desk:
    """A desk in a still market, with these execution settings instead."""
    return Desk(session_started(execution))


def fill_of(decisions: list[Event]) -> OrderFilled:
    """The only fill among them."""
    (fill,) = [each for each in decisions if isinstance(each, OrderFilled)]
    return fill
