"""Lone prints far off the market set no price. The band is 5 % of 100.00 here: 95.00 to 105.00 after equal prints."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.feeds import CALENDARS, CLOSE, NEXT_OPEN, OPEN, GivenRows, S, tick
from titanflow.domain.events import OffMarketPrintReceived, TickReceived
from titanflow.domain.types import SCALE, OffMarketReason, fixed
from titanflow.gateway.feed import Feed
from titanflow.gateway.print_band import RECENT_PRINTS
from titanflow.gateway.providers.base import RawTick

Told = list[tuple[str, bool]]


def trades(*rows: RawTick, band: str = "0.05") -> list[TickReceived | OffMarketPrintReceived]:
    feed = Feed(GivenRows.of(rows), calendars=CALENDARS, print_band=fixed(band))
    kinds = (TickReceived, OffMarketPrintReceived)
    return [event for item in feed.items() for event in item.events if isinstance(event, kinds)]


def printed(*prices: str, symbol: str = "AAPL", step: int = S) -> list[RawTick]:
    return [tick(OPEN + n * step, symbol, fixed(price)) for n, price in enumerate(prices)]


def set_a_price(*prices: str, symbol: str = "AAPL", step: int = S, band: str = "0.05") -> list[bool]:
    return [isinstance(event, TickReceived) for event in trades(*printed(*prices, symbol=symbol, step=step), band=band)]


def test_a_lone_print_far_off_sets_no_price_and_keeps_its_volume() -> None:
    rows = printed("100", "100.01", "17.10", "100.02")
    assert trades(*rows) == [
        TickReceived(OPEN, "AAPL.XNYS", fixed("100"), SCALE),
        TickReceived(OPEN + S, "AAPL.XNYS", fixed("100.01"), SCALE),
        OffMarketPrintReceived(OPEN + 2 * S, "AAPL.XNYS", fixed("17.10"), SCALE, OffMarketReason.UNCONFIRMED),
        TickReceived(OPEN + 3 * S, "AAPL.XNYS", fixed("100.02"), SCALE),
    ]


def test_a_second_print_near_the_first_confirms_it_and_the_price_moves() -> None:
    # Half the band of 80.00 is 2.00: 78.00 confirms, and what comes after it is measured by it.
    assert set_a_price("100", "80", "78", "77.50", "79") == [True, False, True, True, True]


def test_a_second_print_that_lies_elsewhere_is_suspected_in_its_place() -> None:
    assert set_a_price("100", "80", "77.99", "76.10") == [True, False, False, True]


def test_a_print_within_the_range_clears_the_suspect() -> None:
    assert set_a_price("100", "80", "100", "80", "100") == [True, False, True, False, True]


def test_the_ends_of_the_band_are_within_it() -> None:
    assert set_a_price("100", "105", "99") == [True, True, True]
    assert set_a_price("100", "105.01") == [True, False]
    assert set_a_price("100", "95", "100") == [True, True, True]
    assert set_a_price("100", "94.99") == [True, False]


def test_the_range_goes_from_the_lowest_to_the_highest_recent_print() -> None:
    # 96 to 104: the band reaches from 91.20 to 109.20.
    assert set_a_price("100", "104", "99", "96", "109.20") == [True] * 5
    assert set_a_price("100", "104", "99", "96", "109.21") == [True] * 4 + [False]


def test_a_print_that_is_no_longer_recent_does_not_widen_the_range() -> None:
    assert set_a_price("104", *["100"] * RECENT_PRINTS, "105.01")[-1] is False
    assert set_a_price("104", *["100"] * (RECENT_PRINTS - 1), "105.01")[-1] is True


def test_a_cheap_share_may_move_by_three_increments() -> None:
    assert set_a_price("0.10", "0.13", "0.17") == [True, True, False]


def test_a_suspect_of_one_instrument_confirms_nothing_of_another() -> None:
    rows = [tick(OPEN), tick(OPEN, "MSFT"), tick(OPEN + 1, price=fixed("50")), tick(OPEN + 2, "MSFT", fixed("50"))]
    assert [isinstance(event, TickReceived) for event in trades(*rows)] == [True, True, False, False]


def test_a_quiet_opening_goes_on_with_the_range_of_the_evening() -> None:
    rows = tick(CLOSE - S), tick(NEXT_OPEN, price=fixed("101")), tick(NEXT_OPEN + 1, price=fixed("95"))
    assert [isinstance(event, TickReceived) for event in trades(*rows)] == [True, True, True]


def test_the_first_print_after_a_closure_is_measured_by_nothing() -> None:
    rows = tick(CLOSE - S), tick(NEXT_OPEN, price=fixed("50")), tick(NEXT_OPEN + 1, price=fixed("100"))
    assert [isinstance(event, TickReceived) for event in trades(*rows)] == [True, True, False]


def test_the_first_print_of_the_session_is_not_measured_by_those_before_the_opening() -> None:
    rows = tick(OPEN - S), tick(OPEN - 1, price=fixed("50")), tick(OPEN, price=fixed("80"))
    assert [isinstance(event, TickReceived) for event in trades(*rows)] == [True, False, True]


def test_the_first_print_after_a_halt_is_measured_by_nothing() -> None:
    assert set_a_price("100", "50", step=300 * S) == [True, False]
    assert set_a_price("100", "50", step=300 * S + 1) == [True, True]
    assert set_a_price("100", "50", symbol="BTCUSDT", step=300 * S + 1) == [True, True]


def test_an_off_market_print_is_neither_suspect_nor_confirmation() -> None:
    late = RawTick(0, "AAPL", "XNYS", OPEN + 1, fixed("80"), SCALE, off_market=True)
    rows = tick(OPEN), late, tick(OPEN + 2, price=fixed("80")), tick(OPEN + 3)
    assert [isinstance(event, TickReceived) for event in trades(*rows)] == [True, False, False, True]
    reasons = [event.reason for event in trades(*rows) if isinstance(event, OffMarketPrintReceived)]
    assert reasons == [OffMarketReason.SALE_CONDITION, OffMarketReason.UNCONFIRMED]


def test_without_a_band_every_print_sets_a_price() -> None:
    assert set_a_price("100", "1", "100000", band="0") == [True, True, True]


PRICES = st.lists(st.sampled_from(["100", "101", "94", "80", "79.5", "200", "0.01", "0.02"]), max_size=40)
STEPS = st.lists(st.sampled_from([0, 1, S, 299 * S, 301 * S, 20_000 * S]), min_size=40, max_size=40)


def walk(prices: list[str], steps: list[int]) -> list[RawTick]:
    rows, at = [], OPEN
    for price, step in zip(prices, steps, strict=False):
        at += step
        rows.append(tick(at, price=fixed(price)))
    return rows


@settings(max_examples=100, deadline=None)
@given(PRICES, STEPS, st.data())
def test_the_band_judges_the_same_wherever_the_feed_is_taken_up(
    prices: list[str], steps: list[int], data: st.DataObject
) -> None:
    feed = Feed(GivenRows.of(walk(prices, steps)), calendars=CALENDARS)
    whole = list(feed.items())
    start = data.draw(st.integers(0, len(whole)))
    assert list(feed.items(start)) == whole[start:]


def by_the_book(rows: list[RawTick]) -> list[bool]:
    """The rule as docs/providers.md states it, without a thought for speed."""
    told: list[bool] = []
    recent: list[int] = []
    suspect, last = None, 0
    for row in rows:
        at, price = row.at, row.price
        assert isinstance(at, int)
        assert isinstance(price, int)
        least = 3 * SCALE // 100
        low, high = (min(recent), max(recent)) if recent else (0, 0)
        inside = low - max(low // 20, least) <= price <= high + max(high // 20, least) and bool(recent)
        confirmed = suspect is not None and abs(price - suspect) <= max(suspect // 40, least)
        closed = any(last < edge <= at for edge in (OPEN, CLOSE, NEXT_OPEN, NEXT_OPEN + 23_400 * S))
        if inside or confirmed:
            recent = [*recent, price][-RECENT_PRINTS:]
        elif closed or at - last > 300 * S:
            recent = [price]
        else:
            suspect = price
            told.append(False)
            continue
        suspect, last = None, at
        told.append(True)
    return told


@settings(max_examples=200, deadline=None)
@given(PRICES, STEPS)
def test_the_judgement_is_that_of_the_rule_written_down(prices: list[str], steps: list[int]) -> None:
    rows = walk(prices, steps)
    assert [isinstance(event, TickReceived) for event in trades(*rows)] == by_the_book(rows)


@settings(max_examples=100, deadline=None)
@given(PRICES, STEPS)
def test_no_volume_is_lost(prices: list[str], steps: list[int]) -> None:
    rows = walk(prices, steps)
    assert sum(event.size for event in trades(*rows)) == len(rows) * SCALE


@pytest.mark.parametrize("lone", ["10", "1000", "0.01", "94.90", "105.10"])
def test_a_lone_bad_print_anywhere_in_a_quiet_market_changes_no_other(lone: str) -> None:
    quiet = ["100", "100.05", "99.95", "100.02", "99.98"] * 10
    for place in range(2, len(quiet)):
        told = set_a_price(*quiet[:place], lone, *quiet[place:])
        assert Counter(told) == {True: len(quiet), False: 1}, place
        assert told[place] is False
