"""How orders fill on the path of a bar, worked out on paper from docs/execution.md. The market is still: no costs."""

from typing import Any

import pytest

from support.desk import AAPL, LATENCY, MINUTE, Desk, bar_points, desk, only
from titanflow.domain.decider import NOTHING
from titanflow.domain.events import (
    BarPointReceived,
    Event,
    OrderCancelled,
    OrderFilled,
    OrderSubmitted,
    OrderTriggered,
)
from titanflow.domain.types import DenialCode, FillBasis, OrderPurpose, OrderType, Side, fixed

BUY, SELL = Side.BUY, Side.SELL
LIMIT, STOP = OrderType.LIMIT, OrderType.STOP
EXIT = OrderPurpose.EXIT
THIRD = MINUTE // 3
AT_ONCE: dict[str, Any] = {"latency_min_nanos": 0, "latency_max_nanos": 0}


def kinds(decisions: list[Event]) -> list[type[Event]]:
    return [type(each) for each in decisions]


def filled(decisions: list[Event]) -> OrderFilled:
    (fill,) = [each for each in decisions if isinstance(each, OrderFilled)]
    return fill


def long(quantity: str, price: str, stop: str, **execution: Any) -> Desk:
    """A position that was bought on a real trade, and its stop, which is active."""
    at = desk(**execution)
    at.hold(quantity, price, stop=stop)
    at.now += LATENCY
    return at


# --- stops -----------------------------------------------------------------------------------------------------------


def test_a_stop_that_the_bar_crosses_fills_at_its_own_price() -> None:
    # Long 100 at 100.00 with a stop at 98.00; the bar 100, 103, 97, 102 goes to 97 first: out at 98.00, 200 lost.
    at = long("100", "100", "98")
    opened = at.now
    decisions = at.bar("100", "103", "97", "102")
    assert kinds(decisions) == [OrderTriggered, OrderFilled]
    triggered, fill = decisions
    assert isinstance(triggered, OrderTriggered)
    assert isinstance(fill, OrderFilled)
    # 100 to 97 takes a third of a minute; 98 is two thirds of the way: 13.333333334 s.
    met = opened + 13_333_333_334
    assert (triggered.met_at, triggered.active_at, triggered.price) == (met, met, fixed("98"))
    assert (fill.met_at, fill.at, fill.basis) == (met, opened + THIRD, FillBasis.BAR_PATH)
    assert fill.price == fill.reference_price == fixed("98")
    assert (fill.slippage, fill.realized_pnl) == (0, fixed("-200"))
    assert at.book().positions == {}


def test_a_bar_that_opens_beyond_a_stop_fills_it_at_the_open() -> None:
    # Opens at 90, falls on to 89: not at the low, nor at the stop's 98.
    at = long("100", "100", "98")
    opened = at.now
    fill = filled(at.bar("90", "92", "89", "91"))
    assert (fill.price, fill.met_at, fill.at, fill.realized_pnl) == (fixed("90"), opened, opened, fixed("-1000"))


def test_a_stop_above_a_short_position_is_met_on_the_way_up() -> None:
    at = desk(allow_short=True)
    at.tick("100")
    at.approve(SELL, "100", stop="102")
    at.tick("100", after=100)
    at.now += LATENCY
    fill = filled(at.bar("100", "103", "97", "99"))
    assert (fill.side, fill.price, fill.realized_pnl) == (BUY, fixed("102"), fixed("-200"))


def test_slippage_makes_a_stop_worse_than_its_price_and_stays_in_the_bar() -> None:
    # Half a per cent of 98.00 is 0.49; of 97.20 it is 0.486, but the bar goes no lower than 97.00.
    at = long("100", "100", "98", slippage_base=fixed("0.005"))
    assert filled(at.bar("100", "103", "97", "102")).price == fixed("97.51")
    at = long("100", "100", "97.2", slippage_base=fixed("0.005"))
    fill = filled(at.bar("100", "103", "97", "102"))
    assert (fill.reference_price, fill.price) == (fixed("97.2"), fixed("97"))


def test_a_stop_that_is_touched_and_no_more_is_met() -> None:
    at = long("100", "100", "97")
    fill = filled(at.bar("100", "103", "97", "102"))
    assert (fill.price, fill.met_at) == (fixed("97"), fill.at)


def test_a_stop_that_becomes_active_when_the_price_is_beyond_it_fills_at_the_price_of_that_moment() -> None:
    # The bar falls from 100 to 97 in 20 s; 15 s after its open, where the price is 97.75, the stop reaches the market.
    at = desk()
    at.hold("100", "100")
    opened = at.now + 60_000_000
    at.now = opened + 15_000_000_000 - LATENCY
    at.approve(SELL, "100", order_type=STOP, price="98", purpose=EXIT)
    fill = filled(at.bar("100", "103", "97", "102", at=opened))
    assert (fill.met_at, fill.price) == (opened + 15_000_000_000, fixed("97.75"))


def test_a_stop_that_becomes_active_after_the_price_came_back_is_not_met() -> None:
    at = desk()
    at.hold("100", "100")
    opened = at.now
    at.now = opened + 35_000_000_000
    at.approve(SELL, "100", order_type=STOP, price="98", purpose=EXIT)
    assert at.bar("100", "103", "97", "102", at=opened) == []


def test_a_triggered_stop_that_the_bar_cannot_fill_whole_goes_on_at_the_market_on_the_next_leg() -> None:
    # 240 shares in four points are 60 each: 60 at 98.00 on the way down, 40 at the low of 97.00, where the next begins.
    at = long("100", "100", "98")
    opened = at.now
    decisions = at.bar("100", "103", "97", "102", volume="240")
    assert kinds(decisions) == [OrderTriggered, OrderFilled, OrderFilled]
    fills = [each for each in decisions if isinstance(each, OrderFilled)]
    assert [(each.price, each.quantity, each.remaining) for each in fills] == [
        (fixed("98"), fixed("60"), fixed("40")),
        (fixed("97"), fixed("40"), 0),
    ]
    assert fills[1].met_at == opened + THIRD


# --- market orders ---------------------------------------------------------------------------------------------------


def test_without_latency_an_order_decided_at_a_bars_close_fills_at_the_next_open_exactly() -> None:
    at = desk(**AT_ONCE)
    at.bar("99", "99.5", "98.5", "99")
    at.approve(BUY, "100")
    fill = filled(at.bar("100", "105", "95", "101"))
    assert (fill.price, fill.met_at, fill.at) == (fixed("100"), fill.at, fill.at)


def test_latency_moves_the_open_along_its_leg() -> None:
    # 100 ms of 20 s on the way from 100 to 95: half a cent a millisecond and a fortieth of a cent; sold at 99.97 less
    # nothing, bought at 99.98, as prices come in whole cents and round to the order's disadvantage.
    for side, price in ((BUY, "99.98"), (SELL, "99.97")):
        at = desk(allow_short=True)
        at.bar("99", "99.5", "98.5", "99")
        opened = at.now
        at.approve(side, "100")
        fill = filled(at.bar("100", "105", "95", "101"))
        assert (fill.reference_price, fill.price) == (fixed("99.975"), fixed(price))
        assert (fill.met_at, fill.at) == (opened + LATENCY, opened + THIRD)


def test_what_a_point_cannot_fill_is_filled_where_the_next_leg_begins() -> None:
    # 120 shares in four points: 30 at the open of 100, 30 where the leg to the low begins, at 100 too, 30 at 95, …
    at = desk(**AT_ONCE)
    at.bar("99", "99.5", "98.5", "99")
    at.approve(BUY, "100")
    fills = [each for each in at.bar("100", "105", "95", "101", volume="120") if isinstance(each, OrderFilled)]
    assert [(each.quantity, each.price) for each in fills] == [
        (fixed("30"), fixed("100")),
        (fixed("30"), fixed("100")),
        (fixed("30"), fixed("95")),
        (fixed("10"), fixed("105")),
    ]


def test_a_bar_of_two_shares_gives_two_shares() -> None:
    at = desk(**AT_ONCE)
    at.bar("99", "99.5", "98.5", "99")
    at.approve(BUY, "100")
    fills = [each for each in at.bar("100", "105", "95", "101", volume="2") if isinstance(each, OrderFilled)]
    assert sum(each.quantity for each in fills) == fixed("2")
    assert all(each.quantity for each in fills)


def test_a_bar_of_one_price_is_a_leg_too() -> None:
    at = desk()
    at.bar("99", "99.5", "98.5", "99")
    opened = at.now
    at.approve(BUY, "100")
    fill = filled(at.bar("100", "100", "100", "100"))
    assert (fill.price, fill.met_at, fill.at) == (fixed("100"), opened + LATENCY, opened + MINUTE - 1)


def test_costs_never_carry_a_fill_out_of_the_bars_range() -> None:
    at = desk(slippage_base=fixed("0.05"))
    at.bar("99", "99.5", "98.5", "99")
    at.approve(BUY, "100")
    assert filled(at.bar("100", "101", "99", "101")).price == fixed("101")


# --- limits ----------------------------------------------------------------------------------------------------------


def test_a_limit_that_the_bar_crosses_fills_at_its_own_price() -> None:
    at = desk()
    at.bar("100", "101", "99", "100")
    at.approve(BUY, "100", order_type=LIMIT, price="98")
    at.bar("100", "100", "99", "99")
    opened = at.now
    fill = filled(at.bar("100", "103", "97", "102"))
    assert (fill.price, fill.met_at) == (fixed("98"), opened + 13_333_333_334)


def test_a_limit_that_a_bar_opens_beyond_fills_at_the_open() -> None:
    at = desk()
    at.bar("100", "101", "99", "100")
    at.approve(BUY, "100", order_type=LIMIT, price="98")
    at.bar("100", "100", "99", "99")
    fill = filled(at.bar("95", "97", "94", "96"))
    assert (fill.price, fill.met_at) == (fixed("95"), fill.at)


def test_a_limit_that_becomes_active_beyond_its_price_fills_at_the_price_of_that_moment() -> None:
    at = desk()
    at.bar("100", "101", "99", "100")
    at.approve(BUY, "100", order_type=LIMIT, price="100")
    fill = filled(at.bar("100", "105", "95", "101"))
    assert (fill.reference_price, fill.price) == (fixed("99.975"), fixed("99.98"))


def test_a_limit_that_the_bar_could_not_fill_whole_keeps_its_own_price_for_the_rest_of_that_bar() -> None:
    # 120 shares: 30 at 98 on the way down; on the way up from 97 again at 98, where it has rested in the book.
    at = desk()
    at.bar("100", "101", "99", "100")
    at.approve(BUY, "100", order_type=LIMIT, price="98")
    at.bar("100", "100", "99", "99")
    fills = [each for each in at.bar("100", "103", "97", "102", volume="120") if isinstance(each, OrderFilled)]
    assert [(each.price, each.quantity) for each in fills] == [(fixed("98"), fixed("30"))] * 2
    # The next bar opens beyond: at 95, where the rest of 40 finds all it needs.
    fill = filled(at.bar("95", "97", "94", "96"))
    assert (fill.price, fill.quantity, fill.remaining) == (fixed("95"), fixed("40"), 0)


def test_no_cost_carries_a_limit_beyond_its_price_on_a_path() -> None:
    at = desk(slippage_base=fixed("0.005"))
    at.bar("100", "101", "99", "100")
    at.approve(BUY, "100", order_type=LIMIT, price="98")
    at.bar("100", "100", "99", "99")
    assert filled(at.bar("100", "103", "97", "102")).price == fixed("98")


# --- several orders on one bar ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bar", "price", "purpose"),
    [
        (("100", "103", "97", "102"), "98", OrderPurpose.STOP_LOSS),  # up: the low comes first
        (("100", "103", "97", "99"), "102", EXIT),  # down: the high comes first
        (("104", "105", "97", "101"), "104", EXIT),  # opens beyond the target
        (("96", "103", "95", "102"), "96", OrderPurpose.STOP_LOSS),  # opens beyond the stop
    ],
)
def test_of_a_stop_and_a_target_in_one_bar_the_first_on_its_path_closes_and_ends_the_other(
    bar: tuple[str, ...], price: str, purpose: OrderPurpose
) -> None:
    at = long("100", "100", "98")
    at.approve(SELL, "100", order_type=LIMIT, price="102", purpose=EXIT)
    at.now += LATENCY
    decisions = at.bar(*bar)
    fill = filled(decisions)
    assert (fill.price, fill.purpose, fill.remaining) == (fixed(price), purpose, 0)
    (cancelled,) = [each for each in decisions if isinstance(each, OrderCancelled)]
    assert cancelled.code is DenialCode.POSITION_CLOSED
    assert at.book().positions == {}


def test_the_stop_of_an_entry_works_on_the_entrys_own_leg() -> None:
    # In at 99.975 after 100 ms, on the way from 100 to 95 in 20 s; 100 ms later its stop is active; 98 comes after 8 s.
    at = desk(slippage_allowance=0)
    at.bar("99", "99.5", "98.5", "99")
    opened = at.now
    at.approve(BUY, "100", stop="98")
    decisions = at.bar("100", "105", "95", "101")
    assert kinds(decisions) == [OrderFilled, OrderSubmitted, OrderTriggered, OrderFilled]
    entry, stop, triggered, out = decisions
    assert isinstance(entry, OrderFilled)
    assert isinstance(stop, OrderSubmitted)
    assert isinstance(triggered, OrderTriggered)
    assert isinstance(out, OrderFilled)
    assert len({each.cause for each in (entry, stop, triggered, out)}) == 1
    assert stop.active_at == entry.met_at + LATENCY == opened + 2 * LATENCY
    assert (out.order_id, out.price, out.met_at) == (stop.order_id, fixed("98"), opened + 8_000_000_000)
    assert at.executor.accounts["fox"].orders == {}
    assert at.bar("90", "91", "89", "90") == []


def test_the_stop_of_an_entry_that_is_not_reached_on_its_leg_is_met_on_the_next() -> None:
    at = desk()
    at.bar("99", "99.5", "98.5", "99")
    at.approve(BUY, "100", stop="98")
    decisions = at.bar("100", "105", "95", "99")
    out = [each for each in decisions if isinstance(each, OrderFilled)][-1]
    assert (out.purpose, out.price) == (OrderPurpose.STOP_LOSS, fixed("98"))


def test_a_stop_that_becomes_active_on_its_entrys_leg_when_the_price_is_past_it_fills_there() -> None:
    # A stop at 99.96 is passed after 160 ms; at 200 ms, when it is active, the price is 99.95.
    at = desk()
    at.bar("99", "99.5", "98.5", "99")
    at.approve(BUY, "100", stop="99.96")
    out = [each for each in at.bar("100", "105", "95", "101") if isinstance(each, OrderFilled)][-1]
    assert (out.reference_price, out.price) == (fixed("99.95"), fixed("99.95"))


def test_two_orders_on_one_leg_share_its_volume_in_the_order_in_which_it_meets_them() -> None:
    # The stop at 99 was sent last and is met first: it takes its 40 of the 60 shares, the one at 98 the other 20.
    at = desk()
    at.hold("80", "100")
    at.approve(SELL, "40", order_type=STOP, price="98", purpose=EXIT)
    at.approve(SELL, "40", order_type=STOP, price="99", purpose=EXIT)
    at.now += LATENCY
    points = bar_points(at.now, ("100", "103", "97", "102"), "240")
    at.feed(points[0])
    fills = [each for each in at.feed(points[1]) if isinstance(each, OrderFilled)]
    assert [(each.price, each.quantity) for each in fills] == [
        (fixed("99"), fixed("40")),
        (fixed("98"), fixed("20")),
    ]


def test_each_contender_meets_the_whole_leg() -> None:
    at = desk(**AT_ONCE)
    at.bar("99", "99.5", "98.5", "99")
    for contender in ("fox", "owl"):
        at.approve(BUY, "100", contender=contender)
    fills = [each for each in at.bar("100", "105", "95", "101", volume="400") if isinstance(each, OrderFilled)]
    assert [(each.contender, each.quantity) for each in fills] == [("fox", fixed("100")), ("owl", fixed("100"))]


# --- the ledger ------------------------------------------------------------------------------------------------------


def test_a_leg_that_stands_before_the_order_in_the_ledger_cannot_fill_it() -> None:
    at = desk(**AT_ONCE)
    at.bar("99", "99.5", "98.5", "99")
    at.lagging = True
    at.approve(BUY, "100")
    points = bar_points(at.now, ("100", "105", "95", "101"))
    assert at.feed(points[0]) == []
    assert at.feed(points[1]) == []
    at.catch_up()
    fill = only(at.feed(points[2]), OrderFilled)
    assert (fill.price, fill.met_at) == (fixed("95"), points[1].at)


def test_a_stop_works_as_a_market_order_only_when_its_trigger_stands_in_the_ledger() -> None:
    at = long("100", "100", "98")
    points = bar_points(at.now, ("100", "103", "97", "102"), "240")
    at.feed(points[0])
    at.lagging = True
    triggered, fill = at.feed(points[1])
    assert isinstance(triggered, OrderTriggered)
    assert isinstance(fill, OrderFilled)
    assert at.feed(points[2]) == []
    at.catch_up()
    assert only(at.feed(points[3]), OrderFilled).price == fixed("103")


def test_a_leg_between_two_orders_answers_with_the_one_empty_tuple() -> None:
    at = long("100", "100", "98")
    point = bar_points(at.now, ("100", "101", "98.01", "100.5"))[1]
    assert at.executor.on_bar_point(99, point) is NOTHING


def test_a_leg_whose_end_lies_past_a_stop_again_is_not_overlooked() -> None:
    # From 97 up to 103: the end is above the stop, its beginning below.
    at = long("100", "100", "98")
    now = at.now
    point = BarPointReceived(
        now + THIRD, AAPL.id, fixed("103"), fixed("1000"), now, now, fixed("97"), fixed("97"), fixed("103"), False
    )
    assert filled(at.feed(point)).price == fixed("97")
