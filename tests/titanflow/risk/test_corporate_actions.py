"""A split or a dividend changes nobody's equity, and no limit mistakes it for a loss."""

from support.projected_session import SHARE, eventful_session, opening
from titanflow.domain.corporate_actions import adjust_mark
from titanflow.domain.events import (
    ClockAdvanced,
    CorporateActionApplied,
    Event,
    KillSwitchTripped,
    OrderAdjusted,
    OrderDenied,
    OrderFilled,
    TickReceived,
)
from titanflow.domain.types import NANOS_PER_SECOND, SCALE, CorporateActionKind, DenialCode, OrderPurpose, Side, fixed
from titanflow.execution.executor import Executor
from titanflow.risk.guardian import RiskGuardian
from titanflow.risk.leaderboard import LeaderboardKeeper
from titanflow.risk.stop_distance import RangeBars

S = NANOS_PER_SECOND


def action(kind: CorporateActionKind, at: int, last_price: str, new: int = 0, old: int = 0, amount: str = "0") -> Event:
    return CorporateActionApplied(at, SHARE.id, kind, new, old, fixed(amount), fixed(last_price), at, at)


def filled(at: int, side: Side, quantity: str, price: str) -> OrderFilled:
    return OrderFilled(
        cause=1, at=at, fill_id=f"f{at}", order_id=f"o{at}", contender="quick", instrument=SHARE.id, side=side,
        quantity=fixed(quantity), price=fixed(price), fee=0, slippage=0, remaining=0, purpose=OrderPurpose.ENTRY,
        realized_pnl=0, mode=opening().settings.execution.mode,
    )  # fmt: skip


def guardian(*events: Event) -> tuple[RiskGuardian, list[Event]]:
    decider, decided = RiskGuardian(), []
    for seq, event in enumerate(events, 1):
        decided += decider.handlers[type(event)](seq, event)
    return decider, decided


def test_no_kill_switch_takes_a_split_for_a_crash() -> None:
    start = opening()
    at = start.at
    told = (
        start,
        TickReceived(at, SHARE.id, fixed("640"), SCALE),
        filled(at + 1, Side.BUY, "14", "640"),
        action(CorporateActionKind.SPLIT, at + S, "640", 7, 1),
        ClockAdvanced(at + S),
        ClockAdvanced(at + 2 * S),
        TickReceived(at + 2 * S, SHARE.id, fixed("91.42"), SCALE),
        ClockAdvanced(at + 3 * S),
    )
    decider, decided = guardian(*told)
    assert [event for event in decided if isinstance(event, KillSwitchTripped)] == []
    book = decider.house.books["quick"].portfolio
    assert book.quantity(SHARE.id) == fixed("98")
    # 98 shares at 91.42 instead of 91.428571428…: 0.84 less.
    assert book.equity(decider.house.marks) == start.settings.starting_cash - fixed("0.84")


def test_a_dividend_is_equity_from_its_ex_date_on() -> None:
    start = opening()
    at = start.at
    told = (
        start,
        TickReceived(at, SHARE.id, fixed("100"), SCALE),
        filled(at + 1, Side.BUY, "90", "100"),
        action(CorporateActionKind.DIVIDEND, at + S, "100", amount="5"),
    )
    decider, _ = guardian(*told)
    book = decider.house.books["quick"].portfolio
    assert book.equity(decider.house.marks) == start.settings.starting_cash, "the price counts less the dividend"
    assert book.receivable == fixed("450")


def test_ranges_seen_before_a_split_count_in_new_shares_after_it() -> None:
    whole, split = RangeBars(60, None, nights=True), RangeBars(60, None, nights=True)
    for n in range(240):
        price = (700 + n % 40) * SCALE
        whole.add(n * 20 * S, price)
        split.add(n * 20 * S, price if n < 120 else price // 7)
        if n == 119:
            split.split(7, 1)
    end = 240 * 20 * S
    assert abs(whole.average(end) / 7 - split.average(end)) < 10


def test_every_book_of_a_session_says_the_same_after_splits_and_dividends() -> None:
    deciders = (RiskGuardian(), Executor(), LeaderboardKeeper())
    for seq, event in enumerate(eventful_session(), 1):
        for decider in deciders:
            if handle := decider.handlers.get(type(event)):
                handle(seq, event)
    risk, execution, board = deciders
    for name, book in risk.house.books.items():
        accounts = (book.portfolio, execution.accounts[name].portfolio, board._books[name].portfolio)
        states = {(p.cash, p.receivable, p.dividends, p.realized, p.fees, p.cost_basis()) for p in accounts}
        assert len(states) == 1
        assert all(p.conserved for p in accounts)
    assert risk.house.marks == execution.marks == board._marks
    assert {event.kind for event in eventful_session() if isinstance(event, CorporateActionApplied)} == {
        *CorporateActionKind
    }
    assert any(isinstance(event, OrderAdjusted) for event in eventful_session())


def test_an_order_held_for_a_person_does_not_outlive_a_split() -> None:
    denied = [event for event in eventful_session() if isinstance(event, OrderDenied)]
    splits = [
        seq
        for seq, event in enumerate(eventful_session(), 1)
        if isinstance(event, CorporateActionApplied) and event.kind is CorporateActionKind.SPLIT
    ]
    assert all(event.cause in splits for event in denied if event.code is DenialCode.CORPORATE_ACTION)


def test_a_mark_never_falls_to_nothing() -> None:
    marks = {SHARE.id: 3}
    adjust_mark(marks, action(CorporateActionKind.DIVIDEND, 1, "0", amount="1"))  # type: ignore[arg-type]
    assert marks == {SHARE.id: 1}
