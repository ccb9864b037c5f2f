"""Guardian and executor over one ledger, each lagging behind it as it likes: their books and orders come to agree."""

from hypothesis import given, settings
from hypothesis import strategies as st

from support.risk_driver import AAPL, CALENDARS, CLOSE, COIN, OPEN, SECOND, started
from titanflow.domain.events import (
    ClockAdvanced,
    Event,
    Explanation,
    KillSwitchTripped,
    OperatorCommanded,
    OrderApproved,
    SessionEnded,
    SignalGenerated,
    TickReceived,
)
from titanflow.domain.session_settings import RiskSettings
from titanflow.domain.types import SCALE, OperatorAction, OrderPurpose, OrderType, Side
from titanflow.execution.executor import Executor
from titanflow.risk.guardian import RiskGuardian

CONTENDERS = ("alpha", "beta")
LIMITS = RiskSettings(max_daily_loss=SCALE // 200, allow_short=False)


class Ledger:
    """One order of events; each decider reads it at its own pace and appends what it decides at the end."""

    def __init__(self) -> None:
        self.guardian, self.executor = RiskGuardian(), Executor()
        self.handlers = [self.guardian.handlers, self.executor.handlers]
        self.next = [0, 0]
        self.events: list[Event] = [started(CONTENDERS, "100000", CALENDARS, LIMITS)]

    def read(self, who: int) -> None:
        if self.next[who] < len(self.events):
            event = self.events[self.next[who]]
            self.next[who] += 1
            handler = self.handlers[who].get(type(event))
            if handler is not None:
                self.events += handler(self.next[who], event)

    def settle(self) -> None:
        while self.next != [len(self.events)] * 2:
            self.read(0)
            self.read(1)


ticks = st.tuples(st.just("tick"), st.sampled_from((AAPL, COIN)), st.integers(9_900, 10_100), st.integers(1, 80))
signals = st.tuples(
    st.just("signal"), st.sampled_from((AAPL, COIN)), st.sampled_from(CONTENDERS), st.sampled_from(Side)
)
reads = st.tuples(st.just("read"), st.integers(0, 1), st.integers(1, 4))
clocks = st.tuples(st.just("clock"), st.sampled_from((1, 1, 1, 60)))
words = st.tuples(st.just("operator"), st.sampled_from(("liquidate", "kill", "resume", "resume")))
scripts = st.lists(st.one_of(ticks, ticks, signals, signals, reads, reads, clocks, words), min_size=20, max_size=120)


def play(ledger: Ledger, script: list[tuple], at: int) -> int:
    for step in script:
        match step:
            case ("tick", name, cents, size):
                at += SECOND // 10
                price = cents * SCALE // 100
                ledger.events.append(TickReceived(at=at, instrument=name, price=price, size=size * SCALE))
            case ("signal", name, contender, side):
                ledger.events.append(signal(at, len(ledger.events), contender, name, side))
            case ("clock", seconds):
                at = (at // SECOND + seconds) * SECOND
                ledger.events.append(ClockAdvanced(at=at))
            case ("operator", word):
                ledger.events.append(OperatorCommanded(at, OperatorAction(word), "ada", "", "", ""))
            case ("read", who, count):
                for _ in range(count):
                    ledger.read(who)
            case ("settle",):
                ledger.settle()
    ledger.settle()
    return at


def signal(at: int, cause: int, contender: str, name: str, side: Side) -> SignalGenerated:
    return SignalGenerated(
        cause=cause,
        at=at,
        contender=contender,
        instrument=name,
        side=side,
        confidence=0.9,
        price=100 * SCALE,
        atr=SCALE,
        order_type=OrderType.MARKET,
        order_price=0,
        features=(),
        explanation=Explanation("test", 0.0, 0.0, ()),
        model_hash="",
    )


def assert_they_agree(ledger: Ledger) -> None:
    for name, book in ledger.guardian.house.books.items():
        account = ledger.executor.accounts[name]
        theirs = {each.instrument: (each.quantity, each.cost) for each in account.portfolio.positions.values()}
        ours = {each.instrument: (each.quantity, each.cost) for each in book.portfolio.positions.values()}
        assert ours == theirs
        assert book.portfolio.cash == account.portfolio.cash
        working = {
            order.id: order.remaining
            for order in account.orders.values()
            if order.purpose is not OrderPurpose.STOP_LOSS
        }
        assert {order_id: order.remaining for order_id, order in book.working.items()} == working


@settings(max_examples=80, deadline=None)
@given(scripts)
def test_their_books_agree_once_both_have_read_everything(script: list[tuple]) -> None:
    ledger = Ledger()
    at = play(ledger, script, OPEN)
    assert_they_agree(ledger)
    ledger.events.append(SessionEnded(at=at, reason="test"))
    ledger.settle()
    assert_they_agree(ledger)
    assert not any(book.working or book.waiting or book.held for book in ledger.guardian.house.books.values())


@settings(max_examples=40, deadline=None)
@given(scripts)
def test_liquidation_really_closes_every_position_as_trades_come(script: list[tuple]) -> None:
    ledger = Ledger()
    at = play(ledger, script, OPEN)
    ledger.events.append(OperatorCommanded(at, OperatorAction.LIQUIDATE, "ada", "", "", ""))
    trades = [("settle",), ("tick", AAPL, 10_000, 1_000_000), ("tick", COIN, 10_000, 1_000_000)] * 30
    play(ledger, trades, at)
    assert all(not book.portfolio.positions for book in ledger.guardian.house.books.values())
    first = next(i for i, e in reversed(list(enumerate(ledger.events))) if isinstance(e, KillSwitchTripped))
    later = [each for each in ledger.events[first:] if isinstance(each, OrderApproved)]
    assert [each for each in later if each.purpose is OrderPurpose.ENTRY] == []


@settings(max_examples=40, deadline=None)
@given(scripts)
def test_no_share_is_held_overnight(script: list[tuple]) -> None:
    ledger = Ledger()
    play(ledger, script, OPEN)
    play(ledger, [("clock", 60)], CLOSE - 120 * SECOND)
    trades = [("settle",), ("clock", 1), ("settle",), ("tick", AAPL, 10_000, 1_000_000)] * 30
    play(ledger, trades, CLOSE - 60 * SECOND)
    assert all(AAPL not in book.portfolio.positions for book in ledger.guardian.house.books.values())
