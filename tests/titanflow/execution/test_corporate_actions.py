"""Working orders follow a split: quantities, limits and stops; and costs go on from what was seen before it."""

from titanflow.domain.events import CorporateActionApplied, TickReceived
from titanflow.domain.instruments import FeeSchedule, Instrument, InstrumentKind
from titanflow.domain.types import NANOS_PER_SECOND, SCALE, CorporateActionKind, OrderPurpose, OrderType, Side, fixed
from titanflow.execution.corporate import adjust_order
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
