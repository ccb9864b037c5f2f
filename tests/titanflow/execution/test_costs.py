"""What a fill costs: where its spread comes from, that its parts add up, and that the form of the tape is no matter."""

from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from support.desk import AAPL, BTC, START, Desk, only, session_started
from support.minute_bars import MINUTE, MinuteBar, bars_of, points_of, sample_trades
from titanflow.domain.events import Event, OrderFilled, QuoteReceived
from titanflow.domain.instruments import FeeSchedule
from titanflow.domain.session_settings import ExecutionSettings, FeedSpec
from titanflow.domain.types import SCALE, CostModelName, OrderPurpose, OrderType, Side, fixed, notional

BUY, SELL = Side.BUY, Side.SELL
PARTS = ("half_spread", "impact", "noise", "rounding", "limited", "in_fee")


def spread_desk(**execution: Any) -> Desk:
    """Costs of the spread, without noise unless asked for; latency is 100 ms."""
    return Desk(session_started({"cost_model": CostModelName.SPREAD, "cost_noise": 0, **execution}))


def quote(at: Desk, bid: str, ask: str) -> None:
    at.feed(QuoteReceived(at.now, AAPL.id, fixed(bid), fixed(ask)))


def bought(at: Desk, quantity: str = "10", **changes: Any) -> OrderFilled:
    """Fox buys, at the market unless changed, and is filled by a trade at 100."""
    at.tick("100")
    at.approve(BUY, quantity, **changes)
    fill: OrderFilled = only(at.tick("100", "100000", after=100), OrderFilled)
    return fill


def costs_of(fill: OrderFilled) -> dict[str, Any]:
    return dict(fill.costs)


def parts_sum(fill: OrderFilled) -> int:
    costs = costs_of(fill)
    return sum(costs.get(part, 0) for part in PARTS)


# --- the spread ------------------------------------------------------------------------------------------------------


def test_a_quoted_instrument_costs_half_of_what_its_latest_quote_is_wide() -> None:
    at = spread_desk()
    quote(at, "99", "101")
    quote(at, "99.98", "100.04")
    fill = bought(at)
    assert fill.price == fixed("100.03")
    assert (costs_of(fill)["spread_from"], costs_of(fill)["spread"]) == ("quote", fixed("0.06"))
    assert costs_of(fill)["half_spread"] == fixed("0.03")


def test_a_sale_costs_as_much_as_a_purchase() -> None:
    at = spread_desk(allow_short=True)
    quote(at, "99.98", "100.04")
    at.tick("100")
    at.approve(SELL, "10")
    assert only(at.tick("100", after=100), OrderFilled).price == fixed("99.97")


def test_a_quote_past_its_age_says_nothing() -> None:
    for age, origin in ((59_800, "quote"), (59_901, "prior")):
        at = spread_desk(quote_age_seconds=60)
        quote(at, "99.98", "100.04")
        at.now += age * 10**6 - 10**6
        assert costs_of(bought(at))["spread_from"] == origin


def test_a_place_holder_is_no_quote() -> None:
    at = spread_desk()
    quote(at, "1", "199")
    assert costs_of(bought(at))["spread_from"] == "prior"


def test_before_the_tape_has_shown_a_spread_the_stated_prior_is_charged() -> None:
    # Full spread of 20 bp on 100.00: 20 cents, of which a side pays 10.
    fill = bought(spread_desk(spread_prior=fixed("0.002")))
    assert (fill.price, costs_of(fill)["spread"], costs_of(fill)["bars"]) == (fixed("100.1"), fixed("0.2"), 0)


def test_no_spread_is_narrower_than_one_price_increment() -> None:
    at = spread_desk(spread_prior=0)
    assert costs_of(bought(at))["half_spread"] == fixed("0.005")
    at = spread_desk()
    quote(at, "100", "100")
    assert costs_of(bought(at))["half_spread"] == fixed("0.005")


def test_half_an_increment_is_paid_on_average_and_never_less_than_nothing() -> None:
    at = spread_desk(spread_prior=0, max_concentration=fixed("100"))
    prices = [bought(at, quantity="1").price for _ in range(400)]
    assert set(prices) == {fixed("100"), fixed("100.01")}
    assert fmean(price - fixed("100") for price in prices) == pytest.approx(fixed("0.005"), abs=fixed("0.001"))


# --- impact ----------------------------------------------------------------------------------------------------------


def traded_desk(**execution: Any) -> Desk:
    """Thirty-one complete minutes of 100, 101, 100, 101 …, each of 10,000 shares, and one that has begun."""
    at = spread_desk(spread_prior=0, **execution)
    at.now = START + MINUTE - START % MINUTE
    for minute in range(31):
        at.tick("101" if minute % 2 else "100", "10000", after=0)
        at.now += MINUTE
    at.tick("100", "1", after=0)
    return at


def test_impact_is_the_volatility_times_the_root_of_the_part_of_the_volume() -> None:
    at = traded_desk()
    fill = bought(at, quantity="100")
    costs = costs_of(fill)
    assert (costs["bars"], costs["bar_volume"], costs["order_quantity"]) == (30, fixed("10000"), fixed("100"))
    # Returns of 1 % and 1/1.01 %: about a tenth of 99.5 bp of 100.00.
    assert costs["bar_volatility"] / SCALE == pytest.approx(((0.01**2 + (1 / 101) ** 2) / 2) ** 0.5, rel=1e-6)
    assert costs["impact"] / SCALE == pytest.approx(0.0995, abs=0.0001)
    assert parts_sum(fill) == fill.price - fill.reference_price


def test_an_order_filled_in_parts_pays_the_impact_of_the_whole_in_each() -> None:
    at = traded_desk()
    whole = costs_of(bought(at, quantity="100"))["impact"]
    at = traded_desk()
    at.approve(BUY, "100")
    parts = [only(at.tick("100", "25", after=100), OrderFilled) for _ in range(4)]
    assert {costs_of(part)["impact"] for part in parts} == {whole}


def test_four_times_the_order_costs_twice_the_impact_and_the_factor_scales_it() -> None:
    one, four = (costs_of(bought(traded_desk(), quantity=size))["impact"] for size in ("100", "400"))
    assert four == pytest.approx(2 * one, rel=1e-5)
    half = costs_of(bought(traded_desk(impact_factor=fixed("0.5")), quantity="100"))["impact"]
    assert half == pytest.approx(one / 2, rel=1e-5)


# --- parts, noise, limits --------------------------------------------------------------------------------------------


@given(
    st.integers(100, 10**6),
    st.integers(0, 500),
    st.sampled_from(Side),
    st.integers(0, SCALE),
    st.integers(0, 2**32),
    st.sampled_from([10_000_000, 1_000_000, 1]),
)
def test_the_parts_add_up_and_the_price_is_never_better_than_the_markets(
    cents: int, half: int, side: Side, noise: int, seed: int, increment: int
) -> None:
    execution = {
        "cost_model": CostModelName.SPREAD,
        "cost_noise": noise,
        "allow_short": True,
        "max_order_value": 10**18,
    }
    instrument = replace(AAPL, price_increment=increment)
    at = Desk(session_started(execution, seed=seed, instruments=[instrument], cash="100000000"))
    price = cents * fixed("0.01")
    at.feed(QuoteReceived(at.now, AAPL.id, price, price + half * 10**6))
    at.tick(str(cents / 100))
    at.approve(side, "1")
    fill = only(at.tick(str(cents / 100), after=100), OrderFilled)
    assert fill.reference_price == price
    assert (fill.price - price) * side.sign == parts_sum(fill) >= 0
    assert fill.price % increment == 0


def test_noise_is_a_part_of_the_cost_and_none_where_it_is_set_to_none() -> None:
    quiet, noisy = spread_desk(spread_prior=fixed("0.02")), spread_desk(spread_prior=fixed("0.02"), cost_noise=10**8)
    assert costs_of(bought(quiet))["noise"] == 0
    draws = [costs_of(bought(noisy, quantity="1"))["noise"] / fixed("1") for _ in range(200)]
    assert fmean(draws) == pytest.approx(0, abs=0.03)
    assert fmean(draw * draw for draw in draws) ** 0.5 == pytest.approx(0.1, rel=0.2)


def test_what_a_limit_takes_back_is_a_part_of_its_own() -> None:
    at = spread_desk(spread_prior=fixed("0.002"))
    fill = bought(at, order_type=OrderType.LIMIT, price="100.04")
    assert (fill.price, costs_of(fill)["limited"]) == (fixed("100.04"), fixed("-0.06"))
    assert parts_sum(fill) == fixed("0.04")


def test_the_flat_model_tells_its_parts_too() -> None:
    at = Desk(session_started({"slippage_base": fixed("0.0005"), "impact": fixed("0.001")}))
    at.tick("100")
    at.approve(BUY, "25")
    fill = only(at.tick("100", "100", after=100), OrderFilled)
    assert fill.price == fixed("100.1")
    assert fill.costs == (("base", fixed("0.05")), ("noise", 0), ("impact", fixed("0.05")), ("rounding", 0))


def test_what_a_bars_range_keeps_out_of_the_price_is_paid_with_the_fee() -> None:
    # A bar of one price: 20 bp of full spread on 100.00 are 10 cents a share, and none of it can show in the price.
    paying = replace(AAPL, fees=FeeSchedule(per_unit=fixed("0.005"), minimum=fixed("1")))
    execution = {"cost_model": CostModelName.SPREAD, "cost_noise": 0, "spread_prior": fixed("0.002")}
    at = Desk(session_started(execution, instruments=[paying]))
    at.tick("100")
    at.approve(BUY, "10")
    start = at.now // MINUTE * MINUTE + MINUTE
    flat = MinuteBar(start, *(fixed("100"),) * 4, fixed("1000"))
    fill = only(at.feed(points_of(flat, AAPL.id)[0]), OrderFilled)
    assert (fill.price, costs_of(fill)["in_fee"]) == (fixed("100"), fixed("-0.1"))
    assert fill.fee == fixed("1") + fixed("1")
    assert parts_sum(fill) == 0
    assert at.book().cash == fixed("98998")
    assert at.book().conserved


def test_what_is_paid_beside_the_price_counts_towards_no_minimum() -> None:
    paying = replace(AAPL, fees=FeeSchedule(per_unit=fixed("0.005"), minimum=fixed("1")))
    execution = {"cost_model": CostModelName.SPREAD, "cost_noise": 0, "spread_prior": fixed("0.002")}
    at = Desk(session_started(execution, instruments=[paying]))
    at.tick("100")
    at.approve(BUY, "20")
    start = at.now // MINUTE * MINUTE + MINUTE
    for point in points_of(MinuteBar(start, *(fixed("100"),) * 4, fixed("40")), AAPL.id)[:2]:
        at.feed(point)
    assert [fill.fee for fill in at.fills] == [fixed("1") + fixed("1"), fixed("1")]


# --- the form of the tape --------------------------------------------------------------------------------------------


def played_with_orders(events: list[Event], bars: bool, every: int, execution: dict[str, Any]) -> list[OrderFilled]:
    """Fox buys and sells one coin in turn, every so often, while these prints come; the fills."""
    started = session_started({**execution, "cost_model": CostModelName.SPREAD}, instruments=[BTC], cash="100000000")
    at = Desk(replace(started, feed=FeedSpec("test", "test", "", ((BTC.id, 60),) if bars else ())))
    due, side = (events[0].at // MINUTE + 2) * MINUTE, BUY  # type: ignore[attr-defined]
    last = events[-1].at // MINUTE * MINUTE - MINUTE  # type: ignore[attr-defined]
    for event in events:
        while due <= min(event.at, last):  # type: ignore[attr-defined]
            at.now = due
            purpose = OrderPurpose.ENTRY if side is BUY else OrderPurpose.EXIT
            order_id = f"at {due}"
            approval = at.approval(side, "0.16", order_id=order_id, instrument=BTC.id, purpose=purpose)
            at.feed(approval)
            due, side = due + every, side.opposite
        at.feed(event)
    return at.fills


def paid(fills: list[OrderFilled]) -> float:
    """What the fills paid beyond the market's prices, in the price or beside it, as a part of these."""
    beside = sum(notional(-costs_of(fill).get("in_fee", 0), fill.quantity) for fill in fills)
    shown = sum(notional((fill.price - fill.reference_price) * fill.side.sign, fill.quantity) for fill in fills)
    return (shown + beside) / sum(notional(fill.reference_price, fill.quantity) for fill in fills)


def charged(fills: list[OrderFilled]) -> dict[str, float]:
    """Half spread and impact of each order's first fill, as a part of the price: before a bar's range cuts them."""
    first = {fill.order_id: fill for fill in reversed(fills)}
    return {
        order: (costs_of(fill)["half_spread"] + costs_of(fill)["impact"]) / fill.reference_price
        for order, fill in first.items()
    }


@pytest.mark.parametrize("coin", ["BTCUSDT", "ETHUSDT"])
def test_trades_and_their_minutes_cost_the_same_within_a_basis_point(coin: str) -> None:
    ticks = sample_trades(coin, "BINANCE-SPOT", BTC.id)
    points = [point for bar in bars_of(ticks) for point in points_of(bar, BTC.id)]
    execution = {"cost_noise": ExecutionSettings().cost_noise, "latency_min_nanos": 0, "latency_max_nanos": 0}
    as_trades = played_with_orders([*ticks], False, 19 * 10**9, execution)
    as_bars = played_with_orders([*points], True, 19 * 10**9, execution)
    one, other = charged(as_trades), charged(as_bars)
    both = one.keys() & other.keys()
    assert len(both) > 6
    assert [one[order] for order in sorted(both)] == pytest.approx([other[order] for order in sorted(both)], abs=1e-5)
    assert paid(as_trades) == pytest.approx(paid(as_bars), abs=0.00003)
    assert 0 < paid(as_trades) < 0.0003
