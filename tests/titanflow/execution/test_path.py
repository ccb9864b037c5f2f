"""Where an order meets a leg of a bar's path, for any leg and any order: against fractions, and the docs' words."""

from fractions import Fraction

from hypothesis import assume, example, given
from hypothesis import strategies as st

from support.desk import AAPL
from titanflow.domain.events import BarPointReceived
from titanflow.domain.types import OrderPurpose, OrderType, Side
from titanflow.execution.orders import WorkingOrder
from titanflow.execution.simulation.path import Meeting, meeting, price_on

PRICES = st.integers(1, 10**12)
TIMES = st.integers(0, 10**11)


def leg(from_at: int, from_price: int, at: int, price: int) -> BarPointReceived:
    low, high = min(from_price, price), max(from_price, price)
    return BarPointReceived(at, AAPL.id, price, 1, from_at, from_at, from_price, low, high, False)


LEGS = st.builds(
    lambda start, length, first, last: leg(start, first, start + length, last if length else first),
    TIMES, st.one_of(st.just(0), st.integers(1, 10**11)), PRICES, PRICES,
)  # fmt: skip


def order(order_type: OrderType, side: Side, price: int, active_at: int) -> WorkingOrder:
    return WorkingOrder(
        id="x", contender="fox", instrument=AAPL, side=side, remaining=1, type=order_type, price=price,
        purpose=OrderPurpose.ENTRY, closing=False, decision_price=0, active_at=active_at,
    )  # fmt: skip


PRICED = st.builds(order, st.sampled_from([OrderType.LIMIT, OrderType.STOP]), st.sampled_from(Side), PRICES, TIMES)
ANY = st.one_of(PRICED, st.builds(order, st.just(OrderType.MARKET), st.sampled_from(Side), st.just(0), TIMES))


def exact(line: BarPointReceived, at: int) -> Fraction:
    if line.at == line.from_at:
        return Fraction(line.price)
    part = Fraction(at - line.from_at, line.at - line.from_at)
    return line.from_price + (line.price - line.from_price) * part


def reached(by: WorkingOrder, price: Fraction | int) -> bool:
    return price <= by.price if (by.type is OrderType.LIMIT) == (by.side is Side.BUY) else price >= by.price


@given(LEGS, st.data())
def test_the_line_is_that_of_fractions_and_begins_and_ends_in_its_points(
    line: BarPointReceived, data: st.DataObject
) -> None:
    at = data.draw(st.integers(line.from_at, line.at))
    assert price_on(line, at) == round(exact(line, at))
    assert price_on(line, line.from_at) == line.from_price
    assert price_on(line, line.at) == line.price


@given(LEGS, ANY, TIMES)
def test_a_meeting_lies_on_the_leg_after_the_order_is_active_and_within_its_prices(
    line: BarPointReceived, by: WorkingOrder, opens: int
) -> None:
    met = meeting(by, line, opens)
    if met is None:
        return
    assert max(line.from_at, by.active_at, opens) <= met.at <= line.at
    assert line.low <= met.price <= line.high


@given(LEGS, PRICED)
@example(leg(0, 100, 60, 97), order(OrderType.STOP, Side.SELL, 98, 0))
@example(leg(0, 90, 0, 90), order(OrderType.STOP, Side.SELL, 98, 0))
@example(leg(0, 100, 3, 103), order(OrderType.LIMIT, Side.SELL, 103, 0))
def test_an_order_is_met_at_the_first_nanosecond_at_which_the_line_has_reached_it(
    line: BarPointReceived, by: WorkingOrder
) -> None:
    met, start = meeting(by, line, 0), max(line.from_at, by.active_at)
    if met is None:
        assert start > line.at or not (reached(by, exact(line, start)) or reached(by, line.price))
        return
    assert reached(by, exact(line, met.at))
    assert met.at == start or not reached(by, exact(line, met.at - 1))
    if met.at > start:
        assert met.price == by.price, "its own price"
    elif by.type is OrderType.STOP:
        assert not (met.price - by.price) * by.side.sign < 0, "never better than its price"
    else:
        assert (met.price - by.price) * by.side.sign <= 0, "never beyond its limit"


@given(LEGS, st.sampled_from(Side), TIMES)
def test_a_market_order_meets_the_line_when_it_becomes_active(
    line: BarPointReceived, side: Side, active_at: int
) -> None:
    start = max(line.from_at, active_at)
    met = meeting(order(OrderType.MARKET, side, 0, active_at), line, 0)
    assert met == (Meeting(start, round(exact(line, start))) if start <= line.at else None)


@given(LEGS, PRICED)
def test_a_limit_that_rests_from_this_bar_on_keeps_its_price(line: BarPointReceived, by: WorkingOrder) -> None:
    assume(by.type is OrderType.LIMIT)
    by.crossed = line.opened_at
    met = meeting(by, line, 0)
    assert met is None or met.price == by.price
