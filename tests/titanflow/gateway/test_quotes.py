"""Quotes on their way from a tape into the ledger: said where they change, judged, and retried like trades."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.feeds import CALENDARS, INSTRUMENTS, OPEN, GivenRows, S, quote, tick
from titanflow.domain.events import BarPointReceived, FeedStatusChanged, QuoteReceived, TickReceived
from titanflow.domain.types import MAX_UNITS, SCALE, FeedStatus
from titanflow.errors import InputError
from titanflow.gateway.bad_ticks import BadTick, BadTickReason
from titanflow.gateway.feed import Feed
from titanflow.gateway.normaliser import Normaliser, payload_of, retry
from titanflow.gateway.providers.base import Provider, RawQuote, RawRow

Make = Callable[..., Provider]
T = OPEN
HEADER = "ts_ns,symbol,price,size,bid,ask\n"


def market(provider: Provider) -> list[tuple[object, ...]]:
    """Ticks as (symbol, price) and quotes as (symbol, bid, ask), dollars, in the order of the feed."""
    told: list[tuple[object, ...]] = []
    for item in Feed(provider, print_band=0).items():
        for event in item.events:
            if isinstance(event, TickReceived):
                told.append((event.instrument[:4], event.price / SCALE))
            elif isinstance(event, QuoteReceived):
                told.append((event.instrument[:4], event.bid / SCALE, event.ask / SCALE))
    return told


def test_a_quote_stands_before_its_trade_where_it_changed(tape_of: Make) -> None:
    provider = tape_of(
        HEADER
        + f"{T},AAPL,171.14,1,171.13,171.15\n"
        + f"{T + 1},MSFT,105.25,1,105.24,105.26\n"
        + f"{T + 2},AAPL,171.15,1,171.13,171.15\n"
        + f"{T + 3},AAPL,171.15,1,171.14,171.15\n"
    )
    assert market(provider) == [
        ("AAPL", 171.13, 171.15),
        ("AAPL", 171.14),
        ("MSFT", 105.24, 105.26),
        ("MSFT", 105.25),
        ("AAPL", 171.15),
        ("AAPL", 171.14, 171.15),
        ("AAPL", 171.15),
    ]


def test_empty_quotes_say_nothing_and_leave_the_last_one_standing(tape_of: Make) -> None:
    provider = tape_of(HEADER + f"{T},AAPL,1,1,,\n{T + 1},AAPL,1,1,1,2\n{T + 2},AAPL,1,1,,\n{T + 3},AAPL,1,1,1,2\n")
    assert market(provider) == [("AAPL", 1.0), ("AAPL", 1.0, 2.0), *[("AAPL", 1.0)] * 3]


def test_quotes_are_found_under_other_names(tape_of: Make) -> None:
    text = (HEADER + f"{T},AAPL,1,1,1,2\n").replace("bid,ask", "best_bid,best_ask")
    assert market(tape_of(text)) == [("AAPL", 1.0)]
    assert market(tape_of(text, columns="bid=best_bid,ask=best_ask")) == [("AAPL", 1.0, 2.0), ("AAPL", 1.0)]


def test_a_bid_without_an_ask_is_no_quote(tape_of: Make) -> None:
    assert market(tape_of(f"ts_ns,symbol,price,size,bid\n{T},AAPL,1,1,1\n")) == [("AAPL", 1.0)]


def test_a_tape_of_bars_has_no_quotes(tape_of: Make) -> None:
    text = f"ts_ns,symbol,open,high,low,close,volume,bid,ask\n{T},AAPL,1,1,1,1,5,1,2\n"
    kinds = [type(event) for item in Feed(tape_of(text, bar_seconds=60)).items() for event in item.events]
    assert QuoteReceived not in kinds
    assert kinds.count(BarPointReceived) == 2


def test_quotes_of_several_files_come_in_order_of_time(tape_of: Make) -> None:
    provider = tape_of(HEADER + f"{T + 1},AAPL,2,1,1,2\n", f"ts_ns,symbol,price,size\n{T},AAPL,1,1\n{T + 2},AAPL,3,1\n")
    assert market(provider) == [("AAPL", 1.0), ("AAPL", 1.0, 2.0), ("AAPL", 2.0), ("AAPL", 3.0)]


def test_a_quote_counts_as_a_row_of_its_own(tape_of: Make) -> None:
    provider = tape_of(HEADER + f"{T},AAPL,1,1,1,2\n{T + 1},AAPL,1,1,1,3\n")
    whole = list(provider.rows())
    assert [row.position for row in whole] == [0, 1, 2, 3]
    assert [type(row) is RawQuote for row in whole] == [True, False, True, False]
    for start in range(5):
        assert list(provider.rows(start)) == whole[start:]


def test_a_bad_quote_is_set_aside_and_its_trade_is_not(tape_of: Make) -> None:
    provider = tape_of(HEADER + f"{T},AAPL,1,1,2.5,2\n{T + 1},AAPL,1,1,1,x\n")
    assert market(provider) == [("AAPL", 1.0), ("AAPL", 1.0)]
    refused = [item.bad for item in Feed(provider).items() if item.bad]
    assert [bad.reason for bad in refused] == [BadTickReason.CROSSED_QUOTE, BadTickReason.NOT_A_NUMBER]
    assert refused[0].detail == "tape0.csv, line 2: ask is 2.000000000, below the bid of 2.500000000"


@pytest.mark.parametrize(
    ("row", "reason", "named"),
    [
        (quote(OPEN, 2, 1), BadTickReason.CROSSED_QUOTE, "below the bid"),
        (quote(OPEN, 0, 1), BadTickReason.NOT_POSITIVE, "bid is 0"),
        (quote(OPEN, 1, 0), BadTickReason.NOT_POSITIVE, "ask is 0"),
        (quote(OPEN, -SCALE, 1), BadTickReason.NOT_POSITIVE, "bid is -1.000000000"),
        (quote(OPEN, "", 1), BadTickReason.NOT_A_NUMBER, "bid is ''"),
        (quote(OPEN, 1, "nan"), BadTickReason.NOT_A_NUMBER, "ask is 'nan'"),
        (quote(OPEN, 1, MAX_UNITS + 1), BadTickReason.TOO_LARGE, "ask is 9000000000.000000001"),
        (quote(OPEN, 1, 2, "NOPE"), BadTickReason.UNKNOWN_INSTRUMENT, "'NOPE' on venue 'XNYS'"),
        (quote("soon", 1, 2), BadTickReason.NOT_A_NUMBER, "time is 'soon'"),
    ],
)
def test_a_quote_that_cannot_be_is_refused_with_its_field_and_value(
    row: RawQuote, reason: BadTickReason, named: str
) -> None:
    verdict = Normaliser(INSTRUMENTS).judge(row)
    assert isinstance(verdict, BadTick)
    assert verdict.reason is reason
    assert named in verdict.detail


def test_a_locked_quote_is_sound() -> None:
    assert Normaliser(INSTRUMENTS).judge(quote(OPEN, SCALE, SCALE)) == QuoteReceived(OPEN, "AAPL.XNYS", SCALE, SCALE)


def test_quotes_and_trades_share_one_time() -> None:
    judge = Normaliser(INSTRUMENTS).judge
    assert isinstance(judge(quote(OPEN + 5, 1, 2)), QuoteReceived)
    late = judge(tick(OPEN + 4))
    assert isinstance(late, BadTick)
    assert late.reason is BadTickReason.OUT_OF_ORDER


def test_a_quote_whose_instrument_was_added_since_is_accepted_on_retry() -> None:
    verdict = Normaliser(INSTRUMENTS[:1]).judge(quote(OPEN, "105.24", "105.26", "MSFT"))
    assert isinstance(verdict, BadTick)
    assert retry(verdict.payload, INSTRUMENTS) == QuoteReceived(OPEN, "MSFT.XNYS", 105_240_000_000, 105_260_000_000)


def test_an_instrument_that_is_only_quoted_is_not_silent() -> None:
    rows: list[RawRow] = [quote(OPEN + second * S, SCALE, 2 * SCALE) for second in range(0, 120, 10)]
    statuses = [
        (event.instrument, event.status)
        for item in Feed(GivenRows.of(rows), calendars=CALENDARS).items()
        for event in item.events
        if isinstance(event, FeedStatusChanged)
    ]
    assert ("MSFT.XNYS", FeedStatus.SILENT) in statuses
    assert ("AAPL.XNYS", FeedStatus.SILENT) not in statuses


UNITS = st.one_of(st.integers(-2, 4), st.integers(-(10**21), 10**21), st.text(max_size=4))
ROWS = st.one_of(
    st.builds(quote, st.integers(OPEN, OPEN + 3 * S), UNITS, UNITS, st.sampled_from(["AAPL", "VIX", "NOPE"])),
    st.builds(tick, st.integers(OPEN, OPEN + 3 * S), st.sampled_from(["AAPL", "BTCUSDT"])),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(ROWS, max_size=8))
def test_whatever_quote_comes_is_either_sound_or_a_dead_letter_that_says_the_same_again(rows: list[RawRow]) -> None:
    normaliser, last = Normaliser(INSTRUMENTS), 0
    for row in rows:
        verdict = normaliser.judge(row)
        if isinstance(verdict, BadTick):
            again = retry(verdict.payload, INSTRUMENTS, last)
            assert isinstance(again, BadTick)
            assert again.reason is verdict.reason
        else:
            assert verdict.at >= last
            last = verdict.at
            assert retry(payload_of(row), INSTRUMENTS) == verdict
        if isinstance(verdict, QuoteReceived):
            assert 0 < verdict.bid <= verdict.ask <= MAX_UNITS


@settings(max_examples=40, deadline=None)
@given(st.lists(ROWS, max_size=10), st.data())
def test_a_feed_with_quotes_taken_up_anywhere_goes_on_as_if_never_interrupted(
    rows: list[RawRow], data: st.DataObject
) -> None:
    feed = Feed(GivenRows.of(rows), calendars=CALENDARS)
    whole = list(feed.items())
    start = data.draw(st.integers(0, len(whole)))
    assert list(feed.items(start)) == whole[start:]


def test_an_unknown_column_is_still_refused_by_name(tape_of: Make) -> None:
    with pytest.raises(InputError, match="option columns names 'offer'"):
        tape_of(HEADER + f"{T},AAPL,1,1,1,2\n", columns="offer=ask")
