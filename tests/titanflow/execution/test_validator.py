"""The last gate: each refusal has its code and its numbers, and closing orders are not held back by limits."""

from typing import Any

import pytest
from msgspec.structs import replace

from support.desk import AAPL, BTC, MSFT, VIX, Desk, only, session_started
from titanflow.domain.events import Event, OrderRejected, OrderSubmitted
from titanflow.domain.instruments import FeeSchedule
from titanflow.domain.types import DenialCode, OrderPurpose, OrderType, Side, fixed

BUY, SELL = Side.BUY, Side.SELL


def desk(cash: str = "100000", **execution: Any) -> Desk:
    made = Desk(session_started(execution, cash=cash))
    made.tick("100")
    return made


def refused(decisions: list[Event]) -> tuple[DenialCode, dict[str, Any]]:
    rejected = only(decisions, OrderRejected)
    return rejected.code, dict(rejected.context)


def test_an_order_within_every_limit_is_submitted() -> None:
    assert only(desk().approve(BUY, "10"), OrderSubmitted).quantity == fixed("10")


def test_an_order_id_is_good_for_one_order() -> None:
    at = desk()
    at.approve(BUY, "10", order_id="x")
    assert refused(at.approve(BUY, "10", order_id="x")) == (DenialCode.DUPLICATE_ORDER, {"order_id": "x"})


def test_a_rejected_orders_id_does_not_come_back_to_life() -> None:
    at = desk()
    at.approve(BUY, "0", order_id="x")
    assert refused(at.approve(BUY, "10", order_id="x"))[0] is DenialCode.DUPLICATE_ORDER


def test_the_id_of_a_protective_stop_cannot_be_taken() -> None:
    at = desk()
    at.hold("10", "100", stop="95")
    stop = at.all_of(OrderSubmitted)[-1]
    assert stop.purpose is OrderPurpose.STOP_LOSS
    assert refused(at.approve(BUY, "10", order_id=stop.order_id))[0] is DenialCode.DUPLICATE_ORDER


def test_an_instrument_that_the_session_does_not_know_is_refused() -> None:
    assert refused(desk().approve(BUY, "10", instrument="TSLA.XNAS"))[0] is DenialCode.SYMBOL_NOT_ALLOWED


def test_a_contender_without_an_account_has_no_equity() -> None:
    code, numbers = refused(desk().approve(BUY, "10", contender="stranger"))
    assert (code, numbers["equity"]) == (DenialCode.NO_EQUITY, 0)


def test_an_index_cannot_be_traded() -> None:
    at = desk()
    at.tick("15", instrument=VIX)
    assert refused(at.approve(BUY, "10", instrument=VIX.id))[0] is DenialCode.NOT_TRADABLE


@pytest.mark.parametrize("quantity", ["0", "-10"])
def test_an_order_for_nothing_is_refused(quantity: str) -> None:
    assert refused(desk().approve(BUY, quantity))[0] is DenialCode.SIZE_IS_ZERO


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"quantity": "1.5"}, "quantity"),
        ({"quantity": "1", "order_type": OrderType.LIMIT, "price": "99.995"}, "order_price"),
        ({"quantity": "1", "order_type": OrderType.LIMIT, "price": "0"}, "order_price"),
        ({"quantity": "1", "order_type": OrderType.STOP, "price": "-100"}, "order_price"),
        ({"quantity": "1", "stop": "95.001"}, "stop_price"),
        ({"quantity": "1", "stop": "-95"}, "stop_price"),
    ],
)
def test_quantity_and_prices_are_whole_increments(changes: dict[str, Any], field: str) -> None:
    code, numbers = refused(desk().approve(BUY, **changes))
    assert (code, numbers["field"]) == (DenialCode.BAD_INCREMENT, field)


def test_fractions_of_a_coin_are_whole_increments_of_its_own() -> None:
    at = desk()
    at.tick("10000", instrument=BTC)
    only(at.approve(BUY, "0.00123", instrument=BTC.id), OrderSubmitted)
    assert refused(at.approve(BUY, "0.001234", instrument=BTC.id))[0] is DenialCode.BAD_INCREMENT


def test_without_a_price_nothing_can_be_valued() -> None:
    assert refused(desk().approve(BUY, "10", instrument=MSFT.id))[0] is DenialCode.NO_PRICE


@pytest.mark.parametrize(("quantity", "passes"), [("50", True), ("51", False)])
def test_an_order_may_be_worth_its_limit_and_no_more(quantity: str, passes: bool) -> None:
    decisions = desk(max_order_value=fixed("5000")).approve(BUY, quantity)
    if passes:
        only(decisions, OrderSubmitted)
    else:
        numbers = {"order_value": fixed("5100"), "limit": fixed("5000")}
        assert refused(decisions) == (DenialCode.ORDER_VALUE, numbers)


def test_a_buy_limit_is_worth_its_limit_and_a_sell_limit_at_least_the_market() -> None:
    at = desk(max_order_value=fixed("5000"), allow_short=True)
    only(at.approve(BUY, "100", order_type=OrderType.LIMIT, price="50"), OrderSubmitted)
    code, numbers = refused(at.approve(SELL, "100", order_type=OrderType.LIMIT, price="50"))
    assert (code, numbers["order_value"]) == (DenialCode.ORDER_VALUE, fixed("10000"))


def test_concentration_counts_what_is_held_and_what_still_works() -> None:
    # 10 % of 100 000 held, 5 % working, 5 % more fit into 20 %; one share more does not.
    at = desk(max_concentration=fixed("0.2"))
    at.hold("100", "100")
    only(at.approve(BUY, "50"), OrderSubmitted)
    code, numbers = refused(at.approve(BUY, "51"))
    assert code is DenialCode.CONCENTRATION
    assert (numbers["position_value"], numbers["concentration"]) == (fixed("20100"), fixed("0.201"))
    only(at.approve(BUY, "50"), OrderSubmitted)


def test_concentration_does_not_count_working_entries_on_the_other_side() -> None:
    at = desk(max_concentration=fixed("0.1"), allow_short=True)
    only(at.approve(SELL, "50", order_type=OrderType.LIMIT, price="110"), OrderSubmitted)
    only(at.approve(BUY, "100"), OrderSubmitted)


def test_concentration_of_one_contender_does_not_weigh_on_another() -> None:
    at = desk(max_concentration=fixed("0.2"))
    at.hold("200", "100")
    only(at.approve(BUY, "200", contender="owl"), OrderSubmitted)


def test_without_equity_nothing_is_opened() -> None:
    at = desk(cash="0")
    assert refused(at.approve(BUY, "1"))[0] is DenialCode.NO_EQUITY


def test_buying_power_is_the_cash_that_no_working_order_speaks_for() -> None:
    at = desk(cash="10000")
    only(at.approve(BUY, "60"), OrderSubmitted)
    code, numbers = refused(at.approve(BUY, "41", instrument=AAPL.id, order_type=OrderType.LIMIT, price="99"))
    assert code is DenialCode.BUYING_POWER
    assert numbers == {"cost": fixed("4059"), "buying_power": fixed("4000")}
    only(at.approve(BUY, "40", order_type=OrderType.LIMIT, price="99"), OrderSubmitted)


def test_buying_power_allows_for_slippage_and_fees() -> None:
    # An allowance of 18 bps: 100.18 a share at worst, and a fee of 1.
    paying = replace(AAPL, fees=FeeSchedule(minimum=fixed("1")))
    slippery = {"slippage_allowance": fixed("0.0018")}
    for cash, passes in (("1002.8", True), ("1002.79", False)):
        at = Desk(session_started({**slippery, "max_concentration": fixed("2")}, cash=cash, instruments=[paying]))
        at.tick("100")
        decisions = at.approve(BUY, "10")
        if passes:
            only(decisions, OrderSubmitted)
        else:
            assert refused(decisions)[1]["cost"] == fixed("1002.8")
        limited = at.approve(BUY, "10", contender="owl", order_type=OrderType.LIMIT, price="100.2")
        assert refused(limited)[1]["cost"] == fixed("1003")


def test_a_short_position_ties_up_as_much_as_a_long_one() -> None:
    at = desk(cash="10000", allow_short=True)
    at.approve(SELL, "60")
    at.tick("100", after=100)
    assert at.book().quantity(AAPL.id) == fixed("-60")
    assert refused(at.approve(SELL, "41"))[0] is DenialCode.CONCENTRATION
    at.tick("100", instrument=MSFT)
    code, numbers = refused(at.approve(BUY, "41", instrument=MSFT.id))
    assert (code, numbers["buying_power"]) == (DenialCode.BUYING_POWER, fixed("4000"))


def test_long_only_an_entry_may_not_sell_more_than_the_position() -> None:
    at = desk()
    at.hold("10", "100")
    code, numbers = refused(at.approve(SELL, "11"))
    assert code is DenialCode.SHORTING_DISABLED
    assert numbers == {"position": fixed("10"), "quantity": fixed("11")}
    only(at.approve(SELL, "10"), OrderSubmitted)


def test_with_short_selling_allowed_an_entry_may_sell_what_is_not_held() -> None:
    only(desk(allow_short=True).approve(SELL, "11"), OrderSubmitted)


@pytest.mark.parametrize("purpose", [OrderPurpose.EXIT, OrderPurpose.SESSION_CLOSE, OrderPurpose.LIQUIDATION])
def test_a_closing_order_needs_a_position_on_the_other_side(purpose: OrderPurpose) -> None:
    at = desk(allow_short=True)
    assert refused(at.approve(SELL, "10", purpose=purpose))[0] is DenialCode.NOTHING_TO_CLOSE
    at.hold("10", "100")
    assert refused(at.approve(BUY, "10", purpose=purpose))[0] is DenialCode.NOTHING_TO_CLOSE
    only(at.approve(SELL, "10", purpose=purpose), OrderSubmitted)


def test_no_limit_holds_a_closing_order_back() -> None:
    at = desk(max_order_value=fixed("5000"), max_concentration=fixed("0.05"))
    at.hold("50", "100")
    at.tick("1000")
    only(at.approve(SELL, "50", purpose=OrderPurpose.EXIT), OrderSubmitted)


def test_after_the_session_no_order_goes_out() -> None:
    at = desk()
    at.end()
    assert refused(at.approve(BUY, "10"))[0] is DenialCode.SESSION_ENDED


def test_after_the_session_the_id_of_an_accepted_order_is_still_a_duplicate() -> None:
    at = desk()
    at.approve(BUY, "10", order_id="x")
    at.end()
    assert refused(at.approve(BUY, "10", order_id="x"))[0] is DenialCode.DUPLICATE_ORDER
