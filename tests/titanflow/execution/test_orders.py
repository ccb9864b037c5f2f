"""A book's bounds: the quick test of the tick path never hides a tick that an order would have acted on."""

from hypothesis import given
from hypothesis import strategies as st

from support.desk import AAPL
from titanflow.domain.events import BarPointReceived
from titanflow.domain.types import OrderPurpose, OrderType, Side
from titanflow.execution.orders import Book, WorkingOrder
from titanflow.execution.simulation.matching import reached
from titanflow.execution.simulation.path import meeting


def working(order_type: OrderType, side: Side, price: int, active_at: int) -> WorkingOrder:
    return WorkingOrder(
        id="x",
        contender="fox",
        instrument=AAPL,
        side=side,
        remaining=1,
        type=order_type,
        price=price,
        stop_price=0,
        purpose=OrderPurpose.ENTRY,
        closing=False,
        decision_price=0,
        worst_price=0,
        active_at=active_at,
    )


ORDERS = st.builds(
    working, st.sampled_from(OrderType), st.sampled_from(Side), st.integers(1, 20), active_at=st.integers(0, 20)
)


@given(st.lists(ORDERS, max_size=6), st.sets(st.integers(0, 5)), st.integers(1, 21), st.integers(0, 21))
def test_within_the_bounds_no_order_acts(orders: list[WorkingOrder], ended: set[int], price: int, at: int) -> None:
    book = Book()
    for order in orders:
        book.add(order)
    for index in ended & set(range(len(orders))):
        orders[index].working = False
    book.rebound()
    assert book.orders == [order for order in orders if order.working]
    quiet = book.floor < price < book.ceiling and at < book.due
    acts = any(
        at >= order.active_at and (order.type is OrderType.MARKET or reached(order, price)) for order in book.orders
    )
    assert not (quiet and acts)


@given(st.lists(ORDERS, max_size=6), st.integers(1, 21), st.integers(1, 21), st.integers(0, 20), st.integers(1, 9))
def test_within_the_bounds_no_order_meets_a_leg(
    orders: list[WorkingOrder], start: int, price: int, at: int, length: int
) -> None:
    book = Book()
    for order in orders:
        book.add(order)
    low, high = min(start, price), max(start, price)
    leg = BarPointReceived(at + length, AAPL.id, price, 1, at, at, start, low, high, False)
    quiet = book.floor < low and high < book.ceiling and leg.at < book.due
    assert not (quiet and any(meeting(order, leg, 0) for order in book.orders))


def test_the_end_of_an_orders_day_makes_every_print_from_then_on_count() -> None:
    book = Book()
    book.add(working(OrderType.STOP, Side.SELL, 5, 0))
    day_order = working(OrderType.LIMIT, Side.BUY, 5, 0)
    day_order.ends_at = 12
    book.add(day_order)
    assert book.due == 12


def test_a_book_of_a_stop_below_and_a_limit_above_is_quiet_between_them() -> None:
    book = Book()
    book.add(working(OrderType.STOP, Side.SELL, 5, 0))
    book.add(working(OrderType.LIMIT, Side.SELL, 15, 0))
    assert (book.floor, book.ceiling) == (5, 15)
    assert book.due > 1 << 62


def test_a_market_order_makes_every_tick_from_its_time_on_count() -> None:
    book = Book()
    for active_at in (9, 7, 8):
        book.add(working(OrderType.MARKET, Side.BUY, 0, active_at))
    assert book.due == 7
