"""Working orders follow a split: quantities, limits and stops; and costs go on from what was seen before it."""

from support.projected_session import SHARE as AAA
from support.projected_session import START, opening
from titanflow.domain.events import (
    CorporateActionApplied,
    Event,
    OrderApproved,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    TickReceived,
)
from titanflow.domain.instruments import FeeSchedule, Instrument, InstrumentKind
from titanflow.domain.types import (
    NANOS_PER_SECOND,
    SCALE,
    CorporateActionKind,
    DenialCode,
    OrderPurpose,
    OrderType,
    Side,
    fixed,
)
from titanflow.execution.corporate import adjust_order
from titanflow.execution.executor import Executor
from titanflow.execution.orders import WorkingOrder
from titanflow.execution.simulation.tape import Tape

SHARE = Instrument(
    "AAPL.XNYS", "AAPL", "XNYS", InstrumentKind.EQUITY, SCALE // 100, SCALE, "XNYS", "USD", FeeSchedule()
)


def split(new: int, old: int) -> CorporateActionApplied:
    return CorporateActionApplied(1, SHARE.id, CorporateActionKind.SPLIT, new, old, 0, fixed("640"), 1, 0)


def order(side: Side, kind: OrderType, quantity: str, price: str = "0", *, closing: bool = False) -> WorkingOrder:
    return WorkingOrder(
        id="o", contender="c", instrument=SHARE, side=side, type=kind,
        remaining=fixed(quantity), quantity=fixed(quantity),
        price=fixed(price), purpose=OrderPurpose.EXIT if closing else OrderPurpose.ENTRY, closing=closing,
        decision_price=fixed("640"), stop_price=0 if closing else fixed("630"),
    )  # fmt: skip


def test_a_protective_stop_protects_all_that_a_split_makes_of_its_shares() -> None:
    # 5 shares, 3:2: 7.5, of which the position keeps 7; 600.01 * 2 / 3 = 400.0066…, on the side where it acts later.
    stop = order(Side.SELL, OrderType.STOP, "5", "600.01", closing=True)
    assert adjust_order(stop, split(3, 2))
    assert (stop.remaining, stop.price) == (fixed("8"), fixed("400"))
    cover = order(Side.BUY, OrderType.STOP, "5", "600.01", closing=True)
    assert adjust_order(cover, split(3, 2))
    assert cover.price == fixed("400.01")


def test_an_entry_asks_for_whole_increments_and_no_worse_price() -> None:
    buy = order(Side.BUY, OrderType.LIMIT, "5", "600.01")
    assert adjust_order(buy, split(3, 2))
    assert (buy.remaining, buy.price, buy.stop_price) == (fixed("7"), fixed("400"), fixed("420"))
    sell = order(Side.SELL, OrderType.LIMIT, "5", "600.01")
    assert adjust_order(sell, split(3, 2))
    assert sell.price == fixed("400.01")


def test_an_entry_of_which_less_than_one_share_is_left_is_no_order_any_more() -> None:
    small = order(Side.BUY, OrderType.MARKET, "5")
    assert not adjust_order(small, split(1, 10))
    assert small.remaining == fixed("5"), "it ends as what it was"


def test_what_a_tape_showed_before_a_split_goes_on_in_new_shares() -> None:
    plain, divided = Tape(86_400), Tape(86_400)
    for day in range(60):
        for part in range(5):
            at = (day * 86_400 + part * 60) * NANOS_PER_SECOND
            price, size = (700 + 7 * ((day * 3 + part * 5) % 11)) * SCALE, 10 * SCALE
            plain.add(TickReceived(at, SHARE.id, price, size))
            after = day >= 30
            divided.add(TickReceived(at, SHARE.id, price // 7 if after else price, 7 * size if after else size))
        if day == 29:
            divided.split(7, 1)
    assert divided.window.volume == 7 * plain.window.volume
    assert divided.window.squared_returns == plain.window.squared_returns
    assert (divided.window.opening, divided.window.closing) == (plain.window.opening, plain.window.closing)


def approval(cause: int, quantity: str, purpose: OrderPurpose = OrderPurpose.ENTRY) -> OrderApproved:
    return OrderApproved(
        cause=cause, at=START, order_id=f"r{cause}", contender="quick", instrument=AAA.id,
        side=Side.BUY if purpose is OrderPurpose.ENTRY else Side.SELL, quantity=fixed(quantity),
        order_type=OrderType.MARKET, order_price=0, stop_price=fixed("27") if purpose is OrderPurpose.ENTRY else 0,
        purpose=purpose, decision_price=fixed("30"), confidence=1.0, signal=0, context=(),
    )  # fmt: skip


def executed(*events: Event) -> tuple[Executor, list[Event]]:
    """What the executor decides, its own submissions read back as from a ledger."""
    executor, decided, seq = Executor(), [], 0
    queue = list(events)
    while queue:
        event = queue.pop(0)
        seq += 1
        handle = executor.handlers.get(type(event))
        said = list(handle(seq, event)) if handle else []
        decided += said
        queue = said + queue
    return executor, decided


def action(kind: CorporateActionKind, new: int, old: int) -> CorporateActionApplied:
    return CorporateActionApplied(START, AAA.id, kind, new, old, 0, fixed("30"), START, 0)


def test_an_order_that_was_decided_before_a_split_and_read_after_it_asks_for_the_new_shares() -> None:
    _, decided = executed(
        opening(),
        TickReceived(START, AAA.id, fixed("30"), 100 * SCALE),
        action(CorporateActionKind.SPLIT, 3, 2),
        approval(2, "10"),
    )
    (submitted,) = decided
    assert isinstance(submitted, OrderSubmitted)
    assert (submitted.quantity, submitted.decision_price) == (fixed("15"), fixed("20"))


def test_one_of_which_no_share_is_left_is_rejected_and_one_decided_after_the_split_is_not_restated() -> None:
    world = opening(), TickReceived(START, AAA.id, fixed("30"), 100 * SCALE), action(CorporateActionKind.SPLIT, 1, 20)
    (rejected,) = executed(*world, approval(2, "10"))[1]
    assert isinstance(rejected, OrderRejected)
    assert rejected.code is DenialCode.CORPORATE_ACTION
    (submitted,) = executed(*world, approval(3, "10"))[1]
    assert isinstance(submitted, OrderSubmitted)
    assert submitted.quantity == fixed("10")


def test_what_would_close_a_position_that_a_split_has_ended_is_cancelled() -> None:
    executor, decided = executed(
        opening(),
        TickReceived(START, AAA.id, fixed("30"), 100 * SCALE),
        approval(2, "10"),
        TickReceived(START + 10 * NANOS_PER_SECOND, AAA.id, fixed("30"), 100 * SCALE),
        action(CorporateActionKind.SPLIT, 1, 20),
    )
    (fill,) = [event for event in decided if isinstance(event, OrderFilled)]
    (cancelled,) = [event for event in decided if isinstance(event, OrderCancelled)]
    assert cancelled.code is DenialCode.POSITION_CLOSED
    account = executor.accounts["quick"]
    assert (account.portfolio.positions, account.orders) == ({}, {})
    # Half a share at the ex-price of 600.00 is 300.00.
    assert account.portfolio.cash == opening().settings.starting_cash - fill.fee - 10 * fill.price + fixed("300")
