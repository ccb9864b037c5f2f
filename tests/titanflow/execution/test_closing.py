"""The venue's close: what has to be closed by then is closed by then, and nothing fills while the venue is closed."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from support.desk import AAPL, BTC, CLOSE, LATENCY, MILLISECOND, Desk, bar_points, desk, only, session_started
from titanflow.domain.events import (
    BarPointReceived,
    Event,
    OrderCancelled,
    OrderFilled,
    OrderSubmitted,
    OrderTriggered,
    TickReceived,
)
from titanflow.domain.instruments import FeeSchedule
from titanflow.domain.types import DenialCode, FillBasis, OrderPurpose, OrderType, Side, fixed

BUY, SELL = Side.BUY, Side.SELL
SECOND = 1000 * MILLISECOND
OPEN = CLOSE + 63_000 * SECOND
"""Of the next session."""
FLAT, EXIT = OrderPurpose.SESSION_CLOSE, OrderPurpose.EXIT


def holding(**changes: Any) -> Desk:
    """100 shares held at 100.00, and a minute to go until the close."""
    started = session_started()
    at = Desk(replace(started, settings=replace(started.settings, **changes)))
    at.hold("100", "100", stop="90")
    at.now = CLOSE - 60 * SECOND
    return at


def fills_of(decisions: list[Event]) -> list[OrderFilled]:
    return [each for each in decisions if isinstance(each, OrderFilled)]


def print_at(at: Desk, when: int, price: str, size: str = "1000") -> list[Event]:
    """A trade prints at a moment."""
    at.now = when
    return at.feed(TickReceived(when, AAPL.id, fixed(price), fixed(size)))


# --- settlement ------------------------------------------------------------------------------------------------------


def test_a_closing_order_that_finds_no_print_is_settled_at_the_closing_price() -> None:
    at = holding()
    print_at(at, CLOSE - 61 * SECOND, "99.5")
    at.now = CLOSE - 60 * SECOND
    at.approve(SELL, "100", purpose=FLAT)
    assert at.clock(CLOSE - SECOND) == []
    decisions = at.clock(CLOSE)
    (fill,) = fills_of(decisions)
    assert (fill.basis, fill.price, fill.reference_price) == (FillBasis.CLOSING_PRICE, fixed("99.5"), fixed("99.5"))
    assert (fill.at, fill.met_at, fill.purpose, fill.costs) == (CLOSE, CLOSE, FLAT, ())
    assert (fill.quantity, fill.remaining, fill.realized_pnl) == (fixed("100"), 0, fixed("-50"))
    assert at.book().positions == {}
    (stop,) = [each for each in decisions if isinstance(each, OrderCancelled)]
    assert stop.code is DenialCode.POSITION_CLOSED
    assert at.executor.accounts["fox"].orders == {}
    assert at.executor.books == {}


def test_what_a_print_left_of_a_closing_order_is_settled() -> None:
    at = holding()
    at.approve(SELL, "100", purpose=FLAT)
    assert only(print_at(at, CLOSE - SECOND, "99", "30"), OrderFilled).basis is FillBasis.TRADE
    (fill,) = fills_of(at.clock(CLOSE))
    assert (fill.quantity, fill.price, fill.basis) == (fixed("70"), fixed("99"), FillBasis.CLOSING_PRICE)


def test_a_settlement_pays_the_fee_and_no_slippage() -> None:
    costly = replace(AAPL, fees=FeeSchedule(per_unit=fixed("0.01"), minimum=fixed("0.5")))
    at = Desk(session_started({"slippage_base": fixed("0.005")}, instruments=[costly]))
    at.hold("100", "100")
    print_at(at, CLOSE - 61 * SECOND, "99")
    at.approve(SELL, "100", purpose=FLAT)
    (fill,) = fills_of(at.clock(CLOSE))
    assert (fill.price, fill.fee) == (fixed("99"), fixed("1"))


def test_the_first_print_after_the_close_settles_at_the_price_before_it() -> None:
    at = holding()
    print_at(at, CLOSE - 61 * SECOND, "99.5")
    at.approve(SELL, "100", purpose=FLAT)
    decisions = print_at(at, CLOSE + SECOND, "80")
    (fill,) = fills_of(decisions)
    assert (fill.basis, fill.price, fill.at) == (FillBasis.CLOSING_PRICE, fixed("99.5"), CLOSE + SECOND)
    assert fills_of(at.clock(CLOSE + 2 * SECOND)) == []


def test_an_order_that_reaches_the_market_only_after_the_close_is_settled_like_the_others() -> None:
    at = holding()
    at.now = CLOSE - MILLISECOND
    submitted = only(at.approve(SELL, "100", purpose=FLAT), OrderSubmitted)
    assert submitted.active_at > CLOSE
    assert len(fills_of(at.clock(CLOSE))) == 1


def test_an_order_to_be_flat_that_is_approved_at_the_close_is_settled_at_once() -> None:
    at = holding()
    at.clock(CLOSE)
    submitted, fill, cancelled = at.approve(SELL, "100", purpose=FLAT)
    assert isinstance(submitted, OrderSubmitted)
    assert isinstance(fill, OrderFilled)
    assert isinstance(cancelled, OrderCancelled)
    assert (fill.basis, fill.price) == (FillBasis.CLOSING_PRICE, fixed("100"))
    assert print_at(at, OPEN, "90") == []


def test_a_late_order_to_be_flat_is_settled_at_the_closing_price_whatever_printed_after_the_close() -> None:
    # As in the services topology, where an executor may read an approval behind prints that followed it.
    at = holding()
    print_at(at, CLOSE - SECOND, "99.5")
    approval = at.approval(SELL, "100", purpose=FLAT)
    at.clock(CLOSE)
    print_at(at, CLOSE + 1, "80")
    assert only(at.feed(approval), OrderSubmitted).active_at > CLOSE - SECOND
    (fill,) = fills_of(at.clock(CLOSE + SECOND))
    assert (fill.price, fill.basis, fill.met_at) == (fixed("99.5"), FillBasis.CLOSING_PRICE, CLOSE)


def test_a_session_that_ends_in_the_days_last_second_settles_too() -> None:
    at = holding()
    at.approve(SELL, "100", purpose=FLAT)
    at.now = CLOSE - 1
    (fill,) = fills_of(at.end())
    assert fill.basis is FillBasis.CLOSING_PRICE
    assert fill.met_at == fill.at == CLOSE - 1


def test_a_session_that_ends_earlier_settles_nothing() -> None:
    at = holding()
    at.approve(SELL, "100", purpose=FLAT)
    at.now = CLOSE - 2 * SECOND
    assert {type(each) for each in at.end()} == {OrderCancelled}
    assert at.book().quantity(AAPL.id) == fixed("100")


def test_an_instrument_without_a_price_of_that_day_has_no_closing_price_and_its_order_works_on() -> None:
    at = holding()
    at.clock(CLOSE)
    at.now = OPEN + SECOND
    at.approve(SELL, "100", purpose=FLAT)
    next_close = OPEN + 23_400 * SECOND
    assert at.clock(next_close) == []
    assert at.book().quantity(AAPL.id) == fixed("100")
    assert len(at.executor.accounts["fox"].orders) == 2


def test_a_venue_that_never_closes_settles_nothing() -> None:
    at = desk()
    at.tick("100", "10", instrument=BTC)
    at.approve(BUY, "5", instrument=BTC.id)
    at.tick("100", "10", after=100, instrument=BTC)
    at.liquidate()
    assert at.clock(CLOSE + 86_400 * SECOND) == []
    assert at.book().quantity(BTC.id) == fixed("5")


# --- which orders are settled ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("send", "flat_at_close", "settled"),
    [
        (lambda at: at.approve(SELL, "100", purpose=FLAT), False, True),
        (lambda at: at.liquidate(), False, True),
        (lambda at: at.approve(SELL, "100", purpose=EXIT), True, True),
        (lambda at: at.approve(SELL, "100", purpose=EXIT), False, False),
        (lambda at: at.approve(SELL, "100", purpose=EXIT, order_type=OrderType.LIMIT, price="101"), True, False),
        (lambda at: at.approve(SELL, "100", purpose=EXIT, order_type=OrderType.STOP, price="99"), True, False),
    ],
)
def test_orders_to_be_flat_and_liquidations_are_settled_and_exits_where_the_day_ends_flat(
    send: Callable[[Desk], object], flat_at_close: bool, settled: bool
) -> None:
    risk = replace(session_started().settings.risk, flat_at_close=flat_at_close)
    at = holding(risk=risk)
    send(at)
    assert bool(fills_of(at.clock(CLOSE))) is settled
    assert (at.book().positions == {}) is settled
    if not settled:
        at.clock(OPEN)
        print_at(at, OPEN + SECOND, "101")
        at.tick("98", after=200)
        at.tick("98", after=200)
        assert at.book().positions == {}, "and it works the next day"


def test_a_liquidation_that_is_ordered_in_the_night_trades_at_the_next_open() -> None:
    at = holding()
    at.clock(CLOSE)
    at.now = CLOSE + 3600 * SECOND
    at.liquidate()
    assert print_at(at, CLOSE + 7200 * SECOND, "97") == []
    at.clock(OPEN)
    (fill,) = fills_of(print_at(at, OPEN, "95"))
    assert (fill.price, fill.basis, fill.purpose) == (fixed("95"), FillBasis.TRADE, OrderPurpose.LIQUIDATION)


def test_an_entry_that_is_decided_at_the_close_fills_at_the_next_open_and_ends_with_that_day() -> None:
    # As on a tape of daily bars: the day's bar closes with its venue.
    at = desk()
    at.tick("100")
    at.clock(CLOSE)
    at.approve(BUY, "10")
    limit = only(at.approve(BUY, "10", order_type=OrderType.LIMIT, price="90"), OrderSubmitted)
    assert at.clock(OPEN) == []
    points = bar_points(OPEN, ("103", "105", "101", "104"))
    fill = only(at.feed(points[0]), OrderFilled)
    assert (fill.price, fill.met_at) == (fixed("103"), OPEN)
    cancelled = only(at.clock(OPEN + 23_400 * SECOND), OrderCancelled)
    assert (cancelled.order_id, cancelled.code) == (limit.order_id, DenialCode.OUTSIDE_SESSION)


def test_a_settlement_of_two_orders_never_sells_more_than_is_held() -> None:
    at = holding()
    at.approve(SELL, "60", purpose=EXIT)
    at.approve(SELL, "100", purpose=FLAT)
    fills = fills_of(at.clock(CLOSE))
    assert [fill.quantity for fill in fills] == [fixed("60"), fixed("40")]
    assert at.book().positions == {}
    assert at.executor.accounts["fox"].orders == {}


# --- nothing fills while the venue is closed -------------------------------------------------------------------------


def test_no_order_fills_or_is_triggered_on_a_print_outside_its_venues_session() -> None:
    at = holding()
    at.approve(SELL, "50", purpose=EXIT, order_type=OrderType.LIMIT, price="105")
    at.clock(CLOSE)
    assert print_at(at, CLOSE + SECOND, "80") == []
    assert print_at(at, OPEN - SECOND, "110") == []
    assert only(print_at(at, OPEN, "89"), OrderTriggered).price == fixed("89")


def test_of_a_leg_that_begins_before_the_open_only_the_rest_counts() -> None:
    # From 100 at half a minute before the open to 97 at half a minute after it: 98.50 at the open.
    at = holding()
    at.approve(SELL, "50", purpose=EXIT, order_type=OrderType.STOP, price="99")
    at.clock(CLOSE)
    start, end = OPEN - 30 * SECOND, OPEN + 30 * SECOND
    prices = (fixed("97"), fixed("97"), fixed("100"))
    leg = BarPointReceived(end, AAPL.id, prices[0], fixed("1000"), start, start, fixed("100"), *prices[1:], False)
    at.now = end
    (fill,) = fills_of(at.feed(leg))
    assert (fill.price, fill.met_at) == (fixed("98.5"), OPEN)


def test_a_bar_that_ends_with_the_session_still_fills() -> None:
    at = holding()
    at.now = CLOSE - 40 * SECOND
    at.approve(SELL, "100", purpose=FLAT)
    points = bar_points(CLOSE - 60 * SECOND, ("100", "103", "97", "102"))
    fills = [fill for point in points for fill in fills_of(at.feed(point))]
    # Down to 97 after 20 s, and 100 ms later on the way up to 103 in another 20 s: 97.03.
    assert [(fill.price, fill.basis) for fill in fills] == [(fixed("97.03"), FillBasis.BAR_PATH)]
    assert fills[0].met_at == CLOSE - 40 * SECOND + LATENCY
    assert fills_of(at.clock(CLOSE)) == []


# --- stops work until the position is gone ---------------------------------------------------------------------------


def test_a_liquidation_leaves_protective_stops_at_work_until_the_position_is_gone() -> None:
    at = desk()
    at.hold("100", "100", stop="95")
    stop = at.all_of(OrderSubmitted)[-1]
    decisions = at.liquidate()
    assert not [each for each in decisions if isinstance(each, OrderCancelled)]
    fill, cancelled = at.tick("99", after=100)
    assert isinstance(fill, OrderFilled)
    assert isinstance(cancelled, OrderCancelled)
    assert (cancelled.order_id, cancelled.code) == (stop.order_id, DenialCode.POSITION_CLOSED)


def test_a_stop_that_is_met_before_the_liquidation_closes_and_the_liquidation_ends() -> None:
    # On a bar that falls at once: the stop at 95 is met while the liquidation is still on its way.
    at = desk(latency_min_nanos=30 * SECOND, latency_max_nanos=30 * SECOND)
    at.tick("100")
    at.approve(BUY, "100", stop="95")
    at.tick("100", after=30_000)
    opened = at.now = at.now + 30 * SECOND
    at.liquidate()
    decisions = [each for point in bar_points(opened, ("100", "101", "90", "100.5")) for each in at.feed(point)]
    assert [(fill.purpose, fill.price) for fill in fills_of(decisions)] == [(OrderPurpose.STOP_LOSS, fixed("95"))]
    (cancelled,) = [each for each in decisions if isinstance(each, OrderCancelled)]
    assert cancelled.code is DenialCode.POSITION_CLOSED
    assert at.book().positions == {}
