"""Short positions pay for what they borrow, by the time that passed, and the books stay balanced."""

from typing import Any

import pytest
from msgspec.structs import replace

from support.desk import AAPL, BTC, CLOSE, MILLISECOND, Desk, session_started
from titanflow.domain.events import BorrowCharged, OrderFilled
from titanflow.domain.instruments import InstrumentKind
from titanflow.domain.types import NANOS_PER_DAY, OrderPurpose, Side, fixed
from titanflow.execution.borrowing import YEAR, borrow_cost

BUY, SELL = Side.BUY, Side.SELL
HOUR = 3_600_000 * MILLISECOND


def short_desk(rate: str = "0.365", **changes: Any) -> Desk:
    """Fox is short 100 AAPL at 100.00; borrowing costs a thousandth a day unless another rate is given."""
    at = Desk(session_started({"allow_short": True, "borrow_rate": fixed(rate), **changes}))
    at.tick("100")
    at.approve(SELL, "100")
    at.tick("100", after=100)
    assert at.book().quantity(AAPL.id) == fixed("-100")
    return at


def charges(at: Desk) -> list[BorrowCharged]:
    found: list[BorrowCharged] = at.all_of(BorrowCharged)
    return found


def test_a_year_costs_the_rate_of_the_value() -> None:
    assert borrow_cost(fixed("10000"), fixed("0.03"), YEAR) == fixed("300")
    assert borrow_cost(fixed("10000"), fixed("0.03"), NANOS_PER_DAY) == round(fixed("300") / 365)
    assert borrow_cost(fixed("10000"), 0, YEAR) == 0


def test_covering_pays_for_the_time_since_the_short_sale_before_it_is_booked() -> None:
    # 10,000 short for a tenth of an hour at 36.5 % a year: 10,000 * 0.001 / 240.
    at = short_desk()
    sold_at = at.now
    at.approve(BUY, "100", purpose=OrderPurpose.EXIT)
    charged, bought = at.tick("100", after=360_000)
    assert isinstance(charged, BorrowCharged)
    assert isinstance(bought, OrderFilled)
    assert (charged.quantity, charged.price, charged.since) == (fixed("100"), fixed("100"), sold_at)
    assert charged.amount == pytest.approx(fixed("10") / 240, abs=1)
    assert charged.cause == bought.cause
    assert at.book().cash == fixed("100000") - charged.amount
    assert at.book().fees == charged.amount
    assert at.book().conserved


def test_a_short_position_pays_at_its_venues_close_and_for_the_night_at_the_next() -> None:
    at = short_desk()
    sold_at = at.now
    at.tick("110")
    (first,) = [each for each in at.clock(CLOSE) if isinstance(each, BorrowCharged)]
    assert (first.since, first.at, first.price) == (sold_at, CLOSE, fixed("110"))
    assert at.clock(CLOSE + HOUR) == []
    (second,) = [each for each in at.clock(CLOSE + NANOS_PER_DAY) if isinstance(each, BorrowCharged)]
    assert (second.since, second.amount) == (CLOSE, fixed("11"))  # 11,000 for a day at a thousandth
    assert at.book().conserved


def test_a_venue_that_never_closes_is_paid_at_midnight() -> None:
    at = Desk(session_started({"allow_short": True, "borrow_rate": fixed("0.365")}))
    at.tick("10000", "5", instrument=BTC)
    at.approve(SELL, "1", instrument=BTC.id)
    at.tick("10000", "5", after=100, instrument=BTC)
    midnight = (at.now // NANOS_PER_DAY + 1) * NANOS_PER_DAY
    assert at.clock(midnight - 1) == []
    (charged,) = at.clock(midnight)
    assert isinstance(charged, BorrowCharged)
    assert charged.contender == "fox"


def test_adding_to_a_short_position_pays_first_for_what_was_short_before() -> None:
    at = short_desk()
    at.now += HOUR // 2
    at.tick("100", after=0)
    at.approve(SELL, "100")
    at.tick("100", after=100)
    at.now += HOUR // 4
    at.end()
    assert [charged.quantity for charged in charges(at)] == [fixed("100"), fixed("200")]
    assert charges(at)[1].since == charges(at)[0].at


def test_the_sessions_end_pays_what_is_owed() -> None:
    at = short_desk()
    at.now += HOUR // 2
    at.end()
    (charged,) = charges(at)
    assert charged.amount == pytest.approx(fixed("10") / 48, abs=2)


def test_a_flat_or_long_position_and_a_rate_of_zero_pay_nothing() -> None:
    long = Desk(session_started({"borrow_rate": fixed("0.365")}))
    long.hold("10", "100")
    covered, free = short_desk(), short_desk("0")
    covered.approve(BUY, "100", purpose=OrderPurpose.EXIT)
    covered.tick("100", after=100)
    paid = len(charges(covered))
    for at in (long, covered, free):
        at.clock(CLOSE)
        at.end()
    assert (len(charges(long)), len(charges(covered)), len(charges(free))) == (0, paid, 0)


def test_a_contract_that_is_sold_borrows_nothing() -> None:
    perpetual = replace(BTC, kind=InstrumentKind.PERPETUAL)
    at = Desk(session_started({"allow_short": True, "borrow_rate": fixed("0.365")}, instruments=[perpetual]))
    at.tick("10000", "5", instrument=perpetual)
    at.approve(SELL, "1", instrument=perpetual.id)
    at.tick("10000", "5", after=100, instrument=perpetual)
    at.now += HOUR
    at.end()
    assert at.fills
    assert not charges(at)


def test_the_cost_is_in_the_round_trips_result() -> None:
    at = short_desk()
    entry = at.fills[0]
    portfolio = at.book()
    portfolio.charge(AAPL.id, fixed("3"))
    cover = replace(entry, side=BUY)
    _, trip = portfolio.apply(at.now, AAPL.id, cover.side, cover.quantity, cover.price, 0)
    assert trip is not None
    assert (trip.pnl, trip.fees) == (fixed("-3"), fixed("3"))
