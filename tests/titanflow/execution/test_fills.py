"""How an order fills, worked out on paper: market, limit and stop orders, latency, slippage, fees, partial fills."""

import pytest
from msgspec.structs import replace

from support.desk import AAPL, BTC, LATENCY, MSFT, Desk, desk, only, session_started
from titanflow.domain.events import (
    OrderFilled,
    OrderSubmitted,
    OrderTriggered,
)
from titanflow.domain.instruments import FeeSchedule
from titanflow.domain.types import (
    ExecutionMode,
    OrderPurpose,
    OrderType,
    Side,
    fixed,
)

BUY, SELL = Side.BUY, Side.SELL
LIMIT, STOP, MARKET = OrderType.LIMIT, OrderType.STOP, OrderType.MARKET
EXIT = OrderPurpose.EXIT


# --- market orders ---------------------------------------------------------------------------------------------------


def test_a_market_order_fills_at_the_first_tick_past_its_latency() -> None:
    at = desk()
    at.tick("100")
    submitted = only(at.approve(BUY, "10"), OrderSubmitted)
    assert submitted.active_at == at.now + LATENCY
    assert at.tick("101", after=99) == []
    fill = only(at.tick("102", after=1), OrderFilled)
    assert (fill.price, fill.quantity, fill.remaining) == (fixed("102"), fixed("10"), 0)
    assert fill.slippage == fixed("2")
    assert fill.cause == at.ledger.index(fill)
    assert at.tick("103") == []
    assert at.book().cash == fixed("98980")


def test_an_order_is_submitted_as_it_was_approved() -> None:
    at = desk()
    at.tick("100")
    approval = at.approval(BUY, "10", order_type=LIMIT, price="99", stop="95")
    submitted = only(at.feed(approval), OrderSubmitted)
    assert submitted == OrderSubmitted(
        cause=at.ledger.index(approval) + 1,
        at=at.now,
        order_id=approval.order_id,
        parent_id="",
        contender="fox",
        instrument=AAPL.id,
        side=BUY,
        quantity=fixed("10"),
        order_type=LIMIT,
        order_price=fixed("99"),
        purpose=OrderPurpose.ENTRY,
        decision_price=fixed("100"),
        active_at=at.now + LATENCY,
        mode=ExecutionMode.PAPER,
    )


def test_a_tick_of_another_instrument_fills_nothing() -> None:
    at = desk()
    at.tick("100")
    at.approve(BUY, "10")
    assert at.tick("100", instrument=MSFT, after=500) == []


def test_an_off_market_print_fills_nothing_and_marks_nothing() -> None:
    at = desk()
    at.tick("100")
    at.approve(BUY, "10")
    assert at.off_market("50", after=500) == []
    assert at.executor.marks[AAPL.id] == fixed("100")


def test_slippage_and_fee_are_charged_on_each_side() -> None:
    # Base of 5 bps on 200.00 is 10 cents; 10 bps of fee on 100 * 200.10 is 20.01, on 100 * 199.90 it is 19.99.
    costly = replace(AAPL, fees=FeeSchedule(notional_ratio=fixed("0.001")))
    at = Desk(session_started({"slippage_base": fixed("0.0005")}, instruments=[costly]))
    at.tick("200")
    at.approve(BUY, "100")
    bought = only(at.tick("200", after=100), OrderFilled)
    assert (bought.price, bought.slippage, bought.fee) == (fixed("200.1"), fixed("0.1"), fixed("20.01"))
    at.approve(SELL, "100", purpose=EXIT)
    sold = only(at.tick("200", after=100), OrderFilled)
    assert (sold.price, sold.slippage, sold.fee) == (fixed("199.9"), fixed("-0.1"), fixed("19.99"))
    assert sold.realized_pnl == fixed("-20")
    assert at.book().cash == fixed("99940")


def test_a_fraction_of_a_coin_is_filled_and_pays_its_fee() -> None:
    # 0.5 coin at 10 000.00: 5000 and a fee of 0.1 %.
    at = desk()
    at.tick("10000", "2", instrument=BTC)
    at.approve(BUY, "0.5", instrument=BTC.id)
    fill = only(at.tick("10000", "2", after=100, instrument=BTC), OrderFilled)
    assert (fill.quantity, fill.fee) == (fixed("0.5"), fixed("5"))
    assert at.book().cash == fixed("94995")


# --- partial fills ---------------------------------------------------------------------------------------------------


def test_a_partial_fill_leaves_the_rest_of_the_order_working() -> None:
    at = desk(participation=fixed("0.25"))
    at.tick("100")
    order_id = only(at.approve(BUY, "100"), OrderSubmitted).order_id
    fills = [only(at.tick("100", size, after=100), OrderFilled) for size in ("159", "200", "1000")]
    assert [fill.quantity for fill in fills] == [fixed("39"), fixed("50"), fixed("11")]
    assert [fill.remaining for fill in fills] == [fixed("61"), fixed("11"), 0]
    assert {fill.order_id for fill in fills} == {order_id}
    assert len({fill.fill_id for fill in fills}) == 3
    assert at.book().quantity(AAPL.id) == fixed("100")


def test_a_tick_too_small_for_one_increment_fills_nothing() -> None:
    at = desk(participation=fixed("0.25"))
    at.tick("100")
    at.approve(BUY, "100")
    assert at.tick("100", "3", after=100) == []
    assert only(at.tick("100", "4"), OrderFilled).quantity == fixed("1")


def test_a_print_of_a_fraction_of_a_share_fills_nothing_and_one_and_a_half_fill_one() -> None:
    at = desk()
    at.tick("100")
    at.approve(BUY, "10")
    assert at.tick("100", "0.25", after=100) == []
    fill = only(at.tick("100", "1.5"), OrderFilled)
    assert (fill.quantity, fill.remaining) == (fixed("1"), fixed("9"))


def test_a_print_of_a_fraction_of_a_share_still_triggers_a_stop() -> None:
    at = desk()
    at.hold("10", "100", stop="95")
    assert only(at.tick("95", "0.25", after=100), OrderTriggered).price == fixed("95")


def test_orders_of_one_contender_share_a_tick_in_the_order_of_submission() -> None:
    at = desk()
    at.tick("100")
    first = only(at.approve(BUY, "60"), OrderSubmitted)
    second = only(at.approve(BUY, "60"), OrderSubmitted)
    fills = at.tick("100", "100", after=100)
    assert [(fill.order_id, fill.quantity) for fill in fills] == [
        (first.order_id, fixed("60")),
        (second.order_id, fixed("40")),
    ]


def test_each_contender_meets_the_whole_tick() -> None:
    at = desk()
    at.tick("100")
    at.approve(BUY, "60")
    at.approve(BUY, "60", contender="owl")
    assert [(f.contender, f.quantity) for f in at.tick("100", "60", after=100)] == [
        ("fox", fixed("60")),
        ("owl", fixed("60")),
    ]


def test_each_part_of_an_order_slips_by_a_draw_of_its_own() -> None:
    at = desk(slippage_base=fixed("0.03"), slippage_noise=fixed("0.01"))
    at.tick("100")
    at.approve(BUY, "40")
    prices = {only(at.tick("100", "10", after=100), OrderFilled).price for _ in range(4)}
    assert len(prices) == 4


# --- limit and stop orders -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "away", "better"), [(BUY, "100.01", "99.5"), (SELL, "99.99", "100.5")])
def test_a_limit_order_waits_for_its_limit_and_takes_a_better_price(side: Side, away: str, better: str) -> None:
    at = desk(allow_short=True)
    at.tick("100")
    at.approve(side, "10", order_type=LIMIT, price="100")
    assert at.tick(away, after=100) == []
    assert only(at.tick(better), OrderFilled).price == fixed(better)


@pytest.mark.parametrize(
    ("side", "tick", "filled"),
    [
        (BUY, "100", "100"),  # 100.50 slipped, held at the limit
        (BUY, "99.8", "100"),  # 100.299
        (BUY, "99", "99.5"),  # 99.495 rounded up
        (SELL, "100", "100"),
        (SELL, "101", "100.49"),  # 100.495 rounded down
    ],
)
def test_slippage_never_carries_a_limit_order_beyond_its_limit(side: Side, tick: str, filled: str) -> None:
    at = desk(allow_short=True, slippage_base=fixed("0.005"))
    at.tick("100")
    at.approve(side, "10", order_type=LIMIT, price="100")
    assert only(at.tick(tick, after=100), OrderFilled).price == fixed(filled)


def test_a_stop_order_is_triggered_by_touch_and_then_takes_the_market_after_a_new_latency() -> None:
    at = desk()
    at.tick("100")
    at.approve(BUY, "10", order_type=STOP, price="105")
    assert at.tick("104.99", after=100) == []
    assert only(at.tick("105.5"), OrderTriggered).price == fixed("105.5")
    assert at.tick("106", after=99) == []
    assert only(at.tick("103", after=1), OrderFilled).price == fixed("103")


def test_a_stop_touched_before_its_order_reached_the_market_is_not_triggered() -> None:
    at = desk()
    at.tick("100")
    at.approve(BUY, "10", order_type=STOP, price="105")
    at.tick("106", after=99)
    at.tick("104", after=1)
    assert at.tick("104", after=500) == []
