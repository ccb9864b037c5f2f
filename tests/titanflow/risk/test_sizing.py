"""Worked examples of position sizing, computed on paper, and the bounds that hold for any prices."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from support.risk_driver import AAPL, COIN, FREE, INSTRUMENTS, Driver, limits
from titanflow.domain.events import OrderApproved, OrderDenied
from titanflow.domain.instruments import FeeSchedule
from titanflow.domain.session_settings import ExecutionSettings, RiskSettings
from titanflow.domain.types import MAX_UNITS, SCALE, DenialCode, OrderType, Side, SizedBy, fixed
from titanflow.risk.sizing import fixed_fraction
from titanflow.risk.stop_distance import protective_stop, stop_distance

WIDE = limits(
    max_position=SCALE, max_gross_exposure=SCALE, total_max_gross_exposure=SCALE, allow_short=True, flat_at_close=False
)
"""Only the fixed fraction and 100 % of equity bind."""


def approved(decisions: list[object]) -> OrderApproved:
    (order,) = decisions
    assert isinstance(order, OrderApproved), order
    return order


def test_one_percent_of_equity_is_lost_at_a_stop_of_two_average_true_ranges() -> None:
    session = Driver(risk=WIDE)
    session.tick("100")
    order = session.buy()
    # 1 % of 100,000 is 1,000; the stop is 2 x 1.00 away; 1,000 / 2 = 500 shares
    assert (order.quantity, order.stop_price, order.decision_price) == (fixed("500"), fixed("98"), fixed("100"))
    assert dict(order.context)["equity"] == fixed("100000")


def test_a_quiet_instrument_gets_the_smallest_stop() -> None:
    session = Driver(risk=WIDE)
    session.tick("50")
    order = approved(session.signal(Side.BUY, atr="0.01"))
    # 0.2 % of 50 is 0.10; 1,000 / 0.10 = 10,000 shares, cut to 100 % of equity: 100,000 / 50 = 2,000
    assert (order.quantity, order.stop_price) == (fixed("2000"), fixed("49.9"))


def test_a_wild_instrument_gets_the_largest_stop() -> None:
    session = Driver(risk=WIDE)
    session.tick("50")
    order = approved(session.signal(Side.BUY, atr="30"))
    # 5 % of 50 is 2.50; 1,000 / 2.50 = 400 shares
    assert (order.quantity, order.stop_price) == (fixed("400"), fixed("47.5"))


def test_the_stop_of_a_short_is_above_the_price() -> None:
    session = Driver(risk=WIDE)
    session.tick("100")
    order = session.sell()
    assert (order.quantity, order.stop_price) == (fixed("500"), fixed("102"))


def test_the_stop_is_on_the_next_increment_further_away_and_sizes_the_order() -> None:
    session = Driver(risk=WIDE)
    session.tick("100")
    order = approved(session.signal(Side.BUY, atr="1.003"))
    # 100 - 2.006 = 97.994, down to 97.99; 1,000 / 2.01 = 497.5, down to 497 shares
    assert (order.quantity, order.stop_price) == (fixed("497"), fixed("97.99"))


def test_a_limit_order_is_sized_from_its_own_price() -> None:
    session = Driver(risk=WIDE)
    session.tick("100")
    order = approved(session.signal(Side.BUY, order_type=OrderType.LIMIT, order_price="90"))
    assert (order.stop_price, order.order_price, order.decision_price) == (fixed("88"), fixed("90"), fixed("100"))


def test_a_limit_order_counts_at_the_last_price_or_its_own_whichever_is_higher() -> None:
    for order_price, shares in (("90", "100"), ("110", "90")):  # 10,000 / 100 and 10,000 / 110 = 90.9
        session = Driver()
        session.tick("100")
        order = approved(session.signal(Side.BUY, order_type=OrderType.LIMIT, order_price=order_price))
        assert order.quantity == fixed(shares)


def test_a_position_is_at_most_its_part_of_equity() -> None:
    session = Driver()
    session.tick("333.33")
    # 10 % of 100,000 is 10,000; 10,000 / 333.33 = 30.0003
    assert session.buy().quantity == fixed("30")


def test_crypto_is_sized_in_its_own_increment() -> None:
    session = Driver()
    session.tick("60000", COIN)
    # 10,000 / 60,000 = 0.1666…; the increment is 0.001
    assert session.buy(COIN).quantity == fixed("0.166")


def test_a_position_at_its_largest_size_is_not_added_to() -> None:
    session = Driver()
    session.tick("100")
    session.fill(session.buy(), "100")
    (denial,) = session.signal(Side.BUY)
    assert isinstance(denial, OrderDenied)
    assert denial.code is DenialCode.MAX_POSITION
    assert dict(denial.context)["committed"] == fixed("100")


def test_a_position_below_its_size_is_topped_up_to_it_and_no_further() -> None:
    session = Driver()
    session.tick("100")
    order = session.buy()
    session.fill(order, "100", "40")
    session.cancel(order)
    assert session.buy().quantity == fixed("60")


def test_repeated_signals_do_not_add_up_their_risk() -> None:
    session = Driver(risk=WIDE)
    session.tick("100")
    session.fill(session.buy(), "100")
    (denial,) = session.signal(Side.BUY)
    assert isinstance(denial, OrderDenied)
    # 500 shares lose the whole 1 % already, though 100 % of equity would allow 1,000
    assert denial.code is DenialCode.MAX_POSITION
    assert dict(denial.context)["fixed_fraction_room"] == 0


def test_gross_exposure_counts_orders_that_are_still_pending_and_cuts_the_size() -> None:
    session = Driver(risk=limits(max_gross_exposure=fixed("0.15")))
    session.tick("100")
    session.tick("10", COIN)
    assert session.buy(AAPL).quantity == fixed("100")
    # 15,000 allowed, 10,000 on order: 5,000 left, at 10.00 a coin
    assert approved(session.signal(Side.BUY, COIN, atr="0.1")).quantity == fixed("500")


def test_an_entry_without_exposure_left_is_denied() -> None:
    session = Driver(risk=limits(max_gross_exposure=fixed("0.1")))
    session.tick("100")
    session.tick("10", COIN)
    session.buy(AAPL)
    (denial,) = session.signal(Side.BUY, COIN)
    assert isinstance(denial, OrderDenied)
    assert denial.code is DenialCode.GROSS_EXPOSURE
    assert dict(denial.context)["exposure_room"] == 0


def test_the_exposure_of_all_contenders_together_has_its_own_limit() -> None:
    session = Driver(("alpha", "beta"), risk=limits(total_max_gross_exposure=fixed("0.06")))
    session.tick("100")
    # 6 % of the 100,000 of alpha, the only one that trades, is 6,000; with beta 12,000, of which 6,000 are left
    order = session.buy(contender="alpha")
    assert (order.quantity, order.sized_by) == (fixed("60"), SizedBy.TOTAL_EXPOSURE)
    session.fill(order, "100")
    order = session.buy(contender="beta")
    assert (order.quantity, order.sized_by) == (fixed("60"), SizedBy.TOTAL_EXPOSURE)


def test_a_size_below_one_share_is_denied_as_zero() -> None:
    session = Driver(cash="1000")
    session.tick("333")
    (denial,) = session.signal(Side.BUY)
    assert isinstance(denial, OrderDenied)
    assert denial.code is DenialCode.SIZE_IS_ZERO
    assert dict(denial.context)["position_room"] == 300300300  # 100 / 333 of a share


def test_a_stop_that_would_be_at_or_below_zero_is_denied() -> None:
    session = Driver()
    session.tick("0.01")
    (denial,) = session.signal(Side.BUY)
    assert isinstance(denial, OrderDenied)
    assert denial.code is DenialCode.NO_STOP


def test_no_stop_is_so_near_that_its_size_does_not_fit_a_ledger() -> None:
    assert fixed_fraction(10**18, SCALE, 1) == MAX_UNITS < 1 << 63
    session = Driver(cash="9000000000", risk=limits(risk_per_trade=SCALE, max_position=SCALE))
    session.tick("0.010000001", COIN)
    (verdict,) = session.signal(Side.BUY, COIN, atr="0.000000001")
    assert isinstance(verdict, OrderDenied | OrderApproved)
    assert all(abs(value) < 1 << 63 for _, value in verdict.context if isinstance(value, int))


def sized(expected: SizedBy, quantity: str, risk: RiskSettings = WIDE, execution: ExecutionSettings = FREE) -> None:
    session = Driver(risk=risk, execution=execution)
    session.tick("100")
    order = session.buy()
    assert (order.sized_by, order.quantity) == (expected, fixed(quantity))


def test_the_limit_that_decided_is_named() -> None:
    sized(SizedBy.FIXED_FRACTION, "500")
    sized(SizedBy.POSITION, "300", replace(WIDE, max_position=fixed("0.3")))
    sized(SizedBy.EXPOSURE, "200", replace(WIDE, max_gross_exposure=fixed("0.2")))
    sized(SizedBy.TOTAL_EXPOSURE, "100", replace(WIDE, total_max_gross_exposure=fixed("0.1")))


def test_the_limits_of_the_last_gate_cut_a_size_less_room_for_slippage() -> None:
    roomy = replace(FREE, slippage_allowance=fixed("0.01"))
    # the price may be 101 when the gate looks: 40,000 / 101 = 396.04
    sized(SizedBy.ORDER_VALUE, "396", execution=replace(roomy, max_order_value=fixed("40000")))
    # 30 % of 100,000 is 30,000; 30,000 / 101 = 297.03
    sized(SizedBy.CONCENTRATION, "297", execution=replace(roomy, max_concentration=fixed("0.3")))
    # and it may slip as much again: 100,000 / (100 x 1.01 x 1.01) = 980.3
    rich = replace(WIDE, risk_per_trade=fixed("0.05"), max_gross_exposure=2 * SCALE, max_position=SCALE)
    sized(SizedBy.BUYING_POWER, "980", replace(rich, total_max_gross_exposure=2 * SCALE), roomy)


def test_what_trading_costs_is_part_of_what_a_stop_loses() -> None:
    # two slips of 10 bp on 100 are 0.20: 1,000 / 2.20 = 454.5
    sized(SizedBy.FIXED_FRACTION, "454", execution=replace(FREE, slippage_base=fixed("0.001")))
    dear = replace(INSTRUMENTS[0], fees=FeeSchedule(fixed("0.001"), fixed("0.02"), fixed("5")))
    session = Driver(risk=WIDE, instruments=(dear,))
    session.tick("100")
    # two fees of 0.10 and 0.02 a share, two minimums of 5: (1,000 - 10) / 2.24 = 441.96
    assert session.buy().quantity == fixed("441")


def test_the_slippage_that_fills_had_replaces_what_was_assumed() -> None:
    session = Driver(risk=replace(WIDE, max_gross_exposure=SCALE))
    session.tick("100")
    order = session.buy()
    session.fill(order, "100.50", reference="100")  # 50 bp, beside an assumed fill at 0: 25 bp
    session.fill(session.sell(), "100.50")
    equity = session.guardian.house.books["alpha"].portfolio.equity({})
    # 25 bp twice on 100 are 0.50: 1 % of equity / 2.50
    assert session.buy().quantity == equity // 100 * 10 // 25 // SCALE * SCALE


def test_dust_is_denied_with_a_code_of_its_own() -> None:
    session = Driver(risk=limits(min_order_value=fixed("1000")))
    session.tick("100")
    session.fill(session.buy(), "100")
    session.tick("96")  # 10 % of 99,600 allow 103 shares: three are missing
    (denial,) = session.signal(Side.BUY)
    assert isinstance(denial, OrderDenied)
    assert denial.code is DenialCode.MIN_ORDER_VALUE
    assert (dict(denial.context)["order_value"], dict(denial.context)["limit"]) == (fixed("288"), fixed("1000"))
    small = Driver(cash="9000", risk=limits(min_order_value=fixed("1000")))
    small.tick("100")
    (denial,) = small.signal(Side.BUY)
    assert isinstance(denial, OrderDenied)
    assert denial.code is DenialCode.MIN_ORDER_VALUE


def test_a_position_that_lacks_less_than_one_increment_is_full() -> None:
    session = Driver()
    session.tick("333")
    session.fill(session.buy(), "333")  # 30 shares; 10 % would be 30.03
    (denial,) = session.signal(Side.BUY)
    assert isinstance(denial, OrderDenied)
    assert denial.code is DenialCode.MAX_POSITION
    assert dict(denial.context)["sized_by"] == "position"


def test_a_limit_price_off_the_increment_is_denied_and_an_exit_is_moved_onto_it() -> None:
    session = Driver()
    session.tick("100")
    (denial,) = session.signal(Side.BUY, order_type=OrderType.LIMIT, order_price="99.995")
    assert isinstance(denial, OrderDenied)
    assert denial.code is DenialCode.BAD_INCREMENT
    session.fill(session.buy(), "100")
    order = approved(session.signal(Side.SELL, order_type=OrderType.LIMIT, order_price="101.119"))
    assert order.order_price == fixed("101.11")


@given(st.integers(1, 10**15), st.integers(1, 10**14), st.sampled_from(Side), st.sampled_from((1, 10**7, 10**9)))
def test_a_protective_stop_is_on_the_losing_side_by_the_distance_and_less_than_an_increment_more(
    price: int, distance: int, side: Side, increment: int
) -> None:
    stop = protective_stop(price, distance, side, increment)
    assert stop % increment == 0
    assert distance <= (price - stop) * side.sign < distance + increment


@given(st.integers(1, 10**15), st.integers(1, 10**15))
def test_the_stop_distance_is_between_its_floor_and_its_cap(price: int, atr: int) -> None:
    distance = stop_distance(price, atr, 2 * SCALE, fixed("0.002"), fixed("0.05"))
    assert price * 2 // 1000 <= distance <= price * 5 // 100 + 1


@given(st.integers(0, 10**18), st.integers(0, SCALE), st.integers(1, 10**13))
def test_the_fixed_fraction_loses_no_more_than_its_part_of_equity(equity: int, risk: int, distance: int) -> None:
    assert fixed_fraction(equity, risk, distance) * distance <= equity * risk
