"""Commission by an order: its rates, and its minimum once, however many prints it takes to fill it."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from support.desk import AAPL, Desk, only, session_started
from titanflow.domain.events import OrderFilled
from titanflow.domain.instruments import FeeSchedule
from titanflow.domain.types import SCALE, OrderPurpose, OrderType, Side, fixed
from titanflow.execution.orders import WorkingOrder
from titanflow.execution.simulation.fees import by_rates, commission, cost_with_commission, count


def order_with(schedule: FeeSchedule) -> WorkingOrder:
    return WorkingOrder(
        id="x", contender="fox", instrument=replace(AAPL, fees=schedule), side=Side.BUY, remaining=1,
        type=OrderType.MARKET, purpose=OrderPurpose.ENTRY, closing=False, decision_price=0,
    )  # fmt: skip


def desk_with(schedule: FeeSchedule, **execution: Any) -> Desk:
    return Desk(session_started(execution, instruments=[replace(AAPL, fees=schedule)]))


@pytest.mark.parametrize(
    ("schedule", "fee"),
    [
        (FeeSchedule(), "0"),
        (FeeSchedule(notional_ratio=fixed("0.001")), "18.725"),
        (FeeSchedule(per_unit=fixed("0.005")), "0.5"),
        (FeeSchedule(per_unit=fixed("0.005"), minimum=fixed("1")), "1"),
        (FeeSchedule(notional_ratio=fixed("0.001"), per_unit=fixed("0.005"), minimum=fixed("1")), "19.225"),
    ],
)
def test_the_fee_of_100_shares_at_187_25(schedule: FeeSchedule, fee: str) -> None:
    assert commission(order_with(schedule), fixed("187.25"), fixed("100")) == fixed(fee)
    assert cost_with_commission(schedule, fixed("187.25"), fixed("100")) == fixed("18725") + fixed(fee)


def test_an_order_that_fills_in_eleven_parts_pays_the_minimum_once() -> None:
    # 110 shares at half a cent are 0.55, less than the minimum of 1.00.
    at = desk_with(FeeSchedule(per_unit=fixed("0.005"), minimum=fixed("1")))
    at.tick("100")
    at.approve(Side.BUY, "110")
    fills = [only(at.tick("100", "10", after=100), OrderFilled) for _ in range(11)]
    assert [fill.fee for fill in fills] == [fixed("1")] + [0] * 10
    assert at.book().cash == fixed("100000") - fixed("11000") - fixed("1")


def test_once_the_rates_pass_the_minimum_the_rates_are_paid() -> None:
    # Half a cent a share: 0.50, 0.50, 0.50, 0.50 with a minimum of 1.20 is 1.20, 0, 0.30, 0.50.
    at = desk_with(FeeSchedule(per_unit=fixed("0.005"), minimum=fixed("1.2")))
    at.tick("100")
    at.approve(Side.BUY, "400")
    fees = [only(at.tick("100", "100", after=100), OrderFilled).fee for _ in range(4)]
    assert fees == [fixed("1.2"), 0, fixed("0.3"), fixed("0.5")]


def test_each_order_pays_a_minimum_of_its_own() -> None:
    at = desk_with(FeeSchedule(minimum=fixed("1")))
    at.hold("10", "100")
    at.approve(Side.SELL, "10", purpose=OrderPurpose.EXIT)
    assert only(at.tick("100", after=100), OrderFilled).fee == fixed("1")
    assert at.book().cash == fixed("99998")


def test_the_stops_of_an_entry_that_filled_in_parts_pay_one_minimum_together() -> None:
    at = desk_with(FeeSchedule(minimum=fixed("1")))
    at.tick("100")
    at.approve(Side.BUY, "40", stop="95")
    for _ in range(4):
        at.tick("100", "10", after=100)
    at.tick("95", after=100)
    fills = at.tick("95", after=100)
    stopped = [fill for fill in fills if isinstance(fill, OrderFilled)]
    assert len({fill.order_id for fill in stopped}) == 4
    assert [fill.fee for fill in stopped] == [fixed("1"), 0, 0, 0]


def test_what_a_partly_filled_entry_may_still_cost_holds_no_second_minimum() -> None:
    # 100 of 200 shares were paid with the minimum of 5.00; the other half, at a cent a share, costs nothing more.
    at = desk_with(FeeSchedule(per_unit=fixed("0.01"), minimum=fixed("5")), slippage_allowance=0)
    at.tick("100")
    at.approve(Side.BUY, "200", order_type=OrderType.LIMIT, price="100")
    assert only(at.tick("100", "100", after=100), OrderFilled).fee == fixed("5")
    spoken_for = at.book().cash - at.executor.accounts["fox"].buying_power(at.executor.marks)
    assert spoken_for == fixed("10000")


@given(
    st.lists(st.tuples(st.integers(1, 10**12), st.integers(1, 10**13)), min_size=1, max_size=12),
    st.builds(FeeSchedule, st.integers(0, SCALE // 50), st.integers(0, SCALE), st.integers(0, 100 * SCALE)),
)
def test_the_fills_of_an_order_pay_together_its_rates_or_its_minimum_and_none_pays_less_than_nothing(
    fills: list[tuple[int, int]], schedule: FeeSchedule
) -> None:
    order = order_with(schedule)
    paid = [0]
    for price, quantity in fills:
        fee = commission(order, price, quantity)
        count(order, price, quantity, fee)
        paid.append(order.tally.charged)
    rates = sum(by_rates(schedule, price, quantity) for price, quantity in fills)
    assert order.tally.charged == max(rates, schedule.minimum)
    assert all(before <= after for before, after in pairwise(paid))
