"""Whatever is approved, whatever prints, however far the executor lags: no order and no dollar goes astray."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from support.desk import AAPL, BTC, CALENDARS, MILLISECOND, VIX, Desk, bar_points, session_started
from titanflow.domain.events import (
    BarPointReceived,
    Event,
    OrderApproved,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    OrderTriggered,
    TickReceived,
)
from titanflow.domain.instruments import Instrument
from titanflow.domain.types import (
    DenialCode,
    FillBasis,
    OrderPurpose,
    OrderType,
    Side,
    fixed,
)
from titanflow.execution.executor import Executor

TRADED = (AAPL, BTC)
CONTENDERS = ("fox", "owl")
PARTICIPATION = fixed("0.5")
HOURS = CALENDARS[0]
PRICES = st.integers(80, 120).map(str)


@dataclass
class Life:
    """What the ledger says about one submitted order."""

    seq: int
    submitted: OrderSubmitted
    remaining: int
    ended: bool = False
    triggered: OrderTriggered | None = None


@dataclass
class Auditor:
    """Reads a ledger knowing nothing of the executor, and checks every line against the lines before."""

    allow_short: bool
    seq: int = 0
    ledger: list[Event] = field(default_factory=list)
    lives: dict[str, Life] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    cash: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CONTENDERS, fixed("100000")))
    held: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    taken: defaultdict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))

    def read(self, event: Event) -> None:
        self.ledger.append(event)
        self.seq += 1
        if isinstance(event, OrderSubmitted):
            assert event.order_id not in self.lives
            assert event.order_id not in self.rejected
            self.lives[event.order_id] = Life(self.seq, event, event.quantity)
        elif isinstance(event, OrderRejected):
            if event.code is DenialCode.DUPLICATE_ORDER:
                return
            assert event.order_id not in self.lives
            self.rejected.add(event.order_id)
        elif isinstance(event, OrderCancelled):
            life = self.living(event)
            assert event.remaining == life.remaining > 0
            life.ended = True
        elif isinstance(event, OrderTriggered):
            self.read_trigger(event)
        elif isinstance(event, OrderFilled):
            self.read_fill(event)

    def living(self, event: OrderFilled | OrderCancelled | OrderTriggered) -> Life:
        life = self.lives[event.order_id]
        assert not life.ended
        return life

    def read_trigger(self, event: OrderTriggered) -> None:
        life = self.living(event)
        order, met = life.submitted, self.print_of(event)
        assert order.order_type is OrderType.STOP
        assert life.triggered is None
        life.triggered = event
        assert event.stop_price == order.order_price
        assert (event.price - event.stop_price) * order.side.sign >= 0, "reached, or past it"
        self.check_time(event, met, life)
        assert event.active_at >= event.met_at

    def read_fill(self, fill: OrderFilled) -> None:
        life = self.living(fill)
        order = life.submitted
        assert fill.instrument == order.instrument
        assert fill.quantity > 0
        life.remaining -= fill.quantity
        assert fill.remaining == life.remaining >= 0
        life.ended = not life.remaining
        if fill.basis is FillBasis.CLOSING_PRICE:
            assert fill.price == fill.reference_price
            assert order.purpose is not OrderPurpose.ENTRY
            assert fill.met_at <= fill.at
        else:
            met = self.print_of(fill)
            self.check_time(fill, met, life)
            self.taken[fill.contender, fill.cause] += fill.quantity
            assert self.taken[fill.contender, fill.cause] * fixed("1") <= met.size * PARTICIPATION
            self.check_price(fill, life, met)
        self.book(fill, order)

    def print_of(self, event: OrderFilled | OrderTriggered) -> TickReceived | BarPointReceived:
        met = self.ledger[event.cause - 1]
        assert isinstance(met, TickReceived | BarPointReceived)
        assert (met.at, met.instrument) == (event.at, event.instrument)
        return met

    def check_time(self, event: OrderFilled | OrderTriggered, met: TickReceived | BarPointReceived, life: Life) -> None:
        order, met_at = life.submitted, event.met_at
        assert met_at >= order.active_at
        if isinstance(met, TickReceived):
            assert met_at == met.at
        else:
            assert met.from_at <= met_at <= met.at
        same_leg = isinstance(met, BarPointReceived) and order.purpose is OrderPurpose.STOP_LOSS
        early = same_leg and order.cause == event.cause
        assert life.seq < event.cause or early, "no fill at a print before the order"
        assert event.instrument == BTC.id or HOURS.is_open(met_at), "nor while the venue is closed"

    def check_price(self, fill: OrderFilled, life: Life, met: TickReceived | BarPointReceived) -> None:
        sign, order = fill.side.sign, life.submitted
        assert (fill.price - fill.reference_price) * sign >= 0, "slippage is adverse"
        if isinstance(met, TickReceived):
            assert fill.reference_price == met.price
            assert fill.basis is FillBasis.TRADE
        else:
            assert fill.basis is FillBasis.BAR_PATH
            assert met.low <= fill.price <= met.high, "no fill outside the bar's range"
            if life.triggered and life.triggered.cause == fill.cause:
                assert (fill.price - order.order_price) * sign >= 0, "a stop is never better than its price"
            if met.from_at == met.at:
                assert fill.reference_price == met.price, "a gap fills at the open"
        assert (order.order_type is OrderType.STOP) == (life.triggered is not None)
        if order.order_type is OrderType.LIMIT:
            assert (order.order_price - fill.price) * sign >= 0
        assert fill.slippage == fill.price - order.decision_price

    def book(self, fill: OrderFilled, order: OrderSubmitted) -> None:
        place = (fill.contender, fill.instrument)
        before = self.held[place]
        self.held[place] += fill.side.sign * fill.quantity
        exact = fill.side.sign * fill.price * fill.quantity
        assert exact % fixed("1") == 0, "prices and sizes here multiply without a rest"
        self.cash[fill.contender] -= exact // fixed("1") + fill.fee
        if order.purpose is not OrderPurpose.ENTRY:
            assert before * fill.side.sign < 0, "a closing order reduces"
            assert abs(self.held[place]) == abs(before) - fill.quantity, "and never turns the position"
        if not self.allow_short:
            assert self.held[place] >= 0
            assert self.cash[fill.contender] >= 0


def redecided(ledger: list[Event]) -> list[Event]:
    """What a fresh executor decides on a recorded ledger, in order."""
    executor = Executor()
    handlers = executor.handlers
    decisions: list[Event] = []
    for seq, event in enumerate(ledger, start=1):
        if type(event) in handlers:
            decisions += handlers[type(event)](seq, event)
    return decisions


class LongOnly(RuleBasedStateMachine):
    """Orders good and bad, ticks of any size, liquidations, lag, the end."""

    allow_short: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        execution = {
            "allow_short": self.allow_short,
            "participation": PARTICIPATION,
            "slippage_base": fixed("0.0005"),
            "slippage_noise": fixed("0.0003"),
            "impact": fixed("0.001"),
            "latency_min_nanos": 0,
        }
        self.desk = Desk(session_started(execution), lagging=True)
        self.auditor = Auditor(self.allow_short)
        for instrument in TRADED:
            self.desk.tick("100", instrument=instrument)

    @rule(
        side=st.sampled_from(Side),
        quantity=st.one_of(st.integers(1, 300).map(str), st.sampled_from(["0", "-5", "0.5", "5000"])),
        order_type=st.sampled_from(OrderType),
        price=PRICES,
        stop=st.one_of(st.just("0"), PRICES),
        purpose=st.sampled_from([OrderPurpose.ENTRY] * 3 + [OrderPurpose.EXIT, OrderPurpose.SESSION_CLOSE]),
        contender=st.sampled_from([*CONTENDERS, "fox", "stranger"]),
        instrument=st.sampled_from([AAPL.id, AAPL.id, AAPL.id, BTC.id, VIX.id, "NONE.NONE"]),
        order_id=st.sampled_from(["", "", "", "", "again"]),
    )
    def approve(self, **order: Any) -> None:
        self.desk.approve(**order)

    @rule(
        instrument=st.sampled_from(TRADED),
        price=PRICES,
        size=st.integers(1, 400).map(str),
        after=st.sampled_from([0, 1, 50, 100, 400]),
    )
    def tick(self, instrument: Instrument, price: str, size: str, after: int) -> None:
        self.desk.tick(price, size, after=after, instrument=instrument)

    @rule(
        instrument=st.sampled_from(TRADED),
        prices=st.lists(st.integers(80, 120), min_size=4, max_size=4),
        volume=st.one_of(st.integers(0, 400).map(str), st.sampled_from(["2", "4000"])),
        after=st.sampled_from([0, 1, 400]),
        caught_up=st.booleans(),
    )
    def bar(self, instrument: Instrument, prices: list[int], volume: str, after: int, caught_up: bool) -> None:
        first, last = prices[0], prices[3]
        opened_at = self.desk.now + after * MILLISECOND + 1
        path = [str(price) for price in (first, max(prices), min(prices), last)]
        for point in bar_points(opened_at, path, volume, length=5_000 * MILLISECOND, instrument=instrument):
            self.desk.now = point.at
            self.desk.feed(point)
            if caught_up:
                self.desk.catch_up()

    @rule()
    def catch_up(self) -> None:
        self.desk.catch_up()

    @rule(lagging=st.booleans())
    def lag(self, lagging: bool) -> None:
        self.desk.lagging = lagging

    @rule(contender=st.sampled_from(["", *CONTENDERS]))
    def liquidate(self, contender: str) -> None:
        self.desk.liquidate(contender)

    @rule(contender=st.sampled_from(["", *CONTENDERS]))
    def kill(self, contender: str) -> None:
        self.desk.kill(contender)
        for name in CONTENDERS if contender == "" else (contender,):
            orders = self.desk.executor.accounts[name].orders.values()
            assert all(order.purpose is not OrderPurpose.ENTRY for order in orders)

    @rule(seconds=st.sampled_from([1, 1, 1, 4000, 80_000]))
    def clock(self, seconds: int) -> None:
        self.desk.clock(self.desk.now + seconds * 1000 * MILLISECOND)

    @precondition(lambda self: not self.desk.executor.validator.session_ended)
    @rule(drops=st.integers(1, 5))
    def liquidation_closes_all_once_enough_has_traded(self, drops: int) -> None:
        self.desk.liquidate()
        self.desk.catch_up()
        for _ in range(drops):
            for instrument in TRADED:
                self.desk.tick("60", "100", after=1000, instrument=instrument)
        for instrument in TRADED:
            self.desk.tick("60", "1000000", after=3000, instrument=instrument)
        self.desk.catch_up()
        for contender in CONTENDERS:
            assert self.desk.book(contender).positions == {}
            assert self.desk.executor.accounts[contender].orders == {}

    @precondition(lambda self: len(self.desk.ledger) > 25)
    @rule()
    def end(self) -> None:
        self.desk.end()

    @invariant()
    def every_line_of_the_ledger_holds(self) -> None:
        for event in self.desk.ledger[self.auditor.seq :]:
            self.auditor.read(event)

    @invariant()
    def the_books_are_conserved_and_those_of_the_ledger(self) -> None:
        for contender in CONTENDERS:
            book = self.desk.book(contender)
            assert book.conserved
            if not self.desk.unread:
                assert book.cash == self.auditor.cash[contender]
                for instrument in TRADED:
                    assert book.quantity(instrument.id) == self.auditor.held[contender, instrument.id]

    def teardown(self) -> None:
        desk = self.desk
        desk.end()
        desk.catch_up()
        self.every_line_of_the_ledger_holds()
        assert all(life.ended for life in self.auditor.lives.values()), "every order ends"
        approved = {event.order_id for event in desk.all_of(OrderApproved)}
        assert approved <= self.auditor.lives.keys() | self.auditor.rejected
        assert desk.executor.books == {}
        assert redecided(desk.ledger) == desk.all_of(*Executor.emits), "fold equals replay"


class ShortingToo(LongOnly):
    """The same with short selling allowed."""

    allow_short = True


LongOnly.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
ShortingToo.TestCase.settings = LongOnly.TestCase.settings
test_orders_and_dollars_are_accounted_for_long_only = LongOnly.TestCase
test_orders_and_dollars_are_accounted_for_with_short_selling = ShortingToo.TestCase
