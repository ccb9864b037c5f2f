"""What risk approves, the last gate accepts, though prices move within the allowance between the two."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from support.risk_driver import AAPL, CALENDARS, COIN, INSTRUMENTS, OPEN, SECOND, limits, started
from titanflow.domain.events import Event, Explanation, OrderApproved, OrderRejected, SignalGenerated, TickReceived
from titanflow.domain.instruments import FeeSchedule
from titanflow.domain.session_settings import ExecutionSettings
from titanflow.domain.types import SCALE, OrderType, Side, fixed
from titanflow.execution.executor import Executor
from titanflow.risk.guardian import RiskGuardian

RISK = limits(
    risk_per_trade=fixed("0.2"),
    max_position=SCALE,
    max_gross_exposure=3 * SCALE,
    total_max_gross_exposure=3 * SCALE,
    max_daily_loss=SCALE,
    total_max_daily_loss=SCALE,
    max_consecutive_losses=1000,
    allow_short=True,
    flat_at_close=False,
)
"""Nothing but the last gate holds sizes back."""
DEAR = tuple(replace(each, fees=FeeSchedule(fixed("0.001"), fixed("0.003"), fixed("1"))) for each in INSTRUMENTS)
ALLOWANCE = fixed("0.01")
GATE = ExecutionSettings(
    max_order_value=fixed("20000"), max_concentration=fixed("0.35"), slippage_allowance=ALLOWANCE, allow_short=True
)

names = st.sampled_from((AAPL, COIN))
drifts = st.integers(-90, 90)
"""In parts of ten thousand: within the allowance of one percent."""
steps = st.lists(
    st.tuples(
        names, st.sampled_from(Side), st.sampled_from(OrderType), st.tuples(drifts, drifts), st.integers(0, 2000)
    ),
    min_size=1,
    max_size=25,
)


class Session:
    """Guardian and executor; between an approval and the gate the market may move on."""

    def __init__(self, cash: str) -> None:
        self.guardian, self.executor = RiskGuardian(), Executor()
        self.events: list[Event] = []
        self.prices = {AAPL: fixed("100"), COIN: fixed("37.5")}
        self.at = OPEN
        self.show(started(("alpha",), cash, CALENDARS, RISK, GATE, DEAR))
        for name in self.prices:
            self.tick(name, 0)

    def show(self, event: Event) -> None:
        """Both read an event, and all that comes of it."""
        for each in self.ask(self.guardian, event) + self.ask(self.executor, event):
            self.show(each)

    def ask(self, decider: RiskGuardian | Executor, event: Event) -> list[Event]:
        self.events.append(event)
        handler = decider.handlers.get(type(event))
        return list(handler(len(self.events), event)) if handler else []

    def tick(self, name: str, drift: int) -> TickReceived:
        self.at += SECOND
        increment = SCALE // 100
        self.prices[name] = max(self.prices[name] * (10_000 + drift) // 10_000 // increment * increment, increment)
        tick = TickReceived(at=self.at, instrument=name, price=self.prices[name], size=10_000 * SCALE)
        self.show(tick)
        return tick

    def signal(self, name: str, side: Side, order_type: OrderType, offset: int) -> SignalGenerated:
        price = self.prices[name] + (offset - 1000) * SCALE // 1000 // (SCALE // 100) * (SCALE // 100)
        return SignalGenerated(
            cause=len(self.events),
            at=self.at,
            contender="alpha",
            instrument=name,
            side=side,
            confidence=0.9,
            price=self.prices[name],
            atr=SCALE // 4,
            order_type=order_type,
            order_price=0 if order_type is OrderType.MARKET else max(price, SCALE // 100),
            features=(),
            explanation=Explanation("test", 0.0, 0.0, ()),
            model_hash="",
        )


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(("100000", "3000", "1000000")), steps)
def test_the_last_gate_rejects_nothing_that_risk_approved(cash: str, script: list[tuple]) -> None:
    session = Session(cash)
    for name, side, order_type, (before, between), offset in script:
        session.tick(name, before)
        approved = session.ask(session.guardian, session.signal(name, side, order_type, offset))
        # the market moves on before the gate has read what risk said
        for each in (AAPL, COIN):
            session.tick(each, between)
        for decision in approved:
            session.show(decision)
    rejected = [each for each in session.events if isinstance(each, OrderRejected)]
    assert [(each.code, dict(each.context)) for each in rejected if each.code not in RACES] == []


RACES = ("NOTHING_TO_CLOSE",)
"""A stop may close a position between an exit's approval and the gate: then nothing is left to close."""


def test_the_market_is_met_at_all() -> None:
    session = Session("100000")
    for decision in session.ask(session.guardian, session.signal(AAPL, Side.BUY, OrderType.MARKET, 0)):
        session.show(decision)
    assert any(isinstance(each, OrderApproved) for each in session.events)
    session.tick(AAPL, 1)
    assert session.guardian.house.books["alpha"].portfolio.positions
