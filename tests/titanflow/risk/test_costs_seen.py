"""What risk expects the next fill to cost: the average of those it saw, beside one that is assumed."""

from titanflow.domain.events import OrderFilled
from titanflow.domain.session_settings import ExecutionSettings
from titanflow.domain.types import CostModelName, ExecutionMode, FillBasis, OrderPurpose, Side, fixed
from titanflow.risk.costs_seen import REMEMBERED, CostsSeen, assumed_slippage

ASSUMED = fixed("0.0002")


def fill(price: str, reference: str, side: Side = Side.BUY, in_fee: int = 0) -> OrderFilled:
    return OrderFilled(
        cause=1,
        at=1,
        fill_id="f",
        order_id="o",
        contender="sma",
        instrument="AAPL.XNYS",
        side=side,
        quantity=fixed(1),
        price=fixed(price),
        fee=0,
        slippage=0,
        remaining=0,
        purpose=OrderPurpose.ENTRY,
        realized_pnl=0,
        mode=ExecutionMode.PAPER,
        reference_price=fixed(reference),
        basis=FillBasis.BAR_PATH,
        costs=(("in_fee", in_fee),) if in_fee else (),
    )


def test_before_any_fill_the_assumed_one_stands_alone() -> None:
    assert CostsSeen().expected("AAPL.XNYS", ASSUMED) == ASSUMED
    cent = assumed_slippage(ExecutionSettings(), fixed("0.01"), fixed(100))
    assert cent == fixed("0.00005") + fixed("0.0001")
    flat = ExecutionSettings(cost_model=CostModelName.FLAT)
    assert assumed_slippage(flat, fixed("0.01"), fixed(100)) == flat.slippage_base


def test_a_purchase_above_and_a_sale_below_the_market_cost_alike() -> None:
    for side, price in ((Side.BUY, "100.06"), (Side.SELL, "99.94")):
        seen = CostsSeen()
        seen.add(fill(price, "100", side))
        assert seen.expected("AAPL.XNYS", ASSUMED) == fixed("0.0004")


def test_what_the_range_of_a_bar_put_into_the_fee_counts_too() -> None:
    seen = CostsSeen()
    seen.add(fill("100.02", "100", in_fee=-fixed("0.04")))
    assert seen.expected("AAPL.XNYS", ASSUMED) == fixed("0.0004")


def test_a_fill_better_than_the_market_is_no_credit_and_old_fills_are_forgotten() -> None:
    seen = CostsSeen()
    seen.add(fill("100.50", "100"))
    for _ in range(REMEMBERED):
        seen.add(fill("99.90", "100"))
    assert seen.expected("AAPL.XNYS", 0) == 0
