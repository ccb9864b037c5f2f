"""Rows that are there twice: bars, trades with and without ids, and the hour that autumn repeats."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titanflow.domain.events import BarPointReceived, TickReceived
from titanflow.domain.types import SCALE
from titanflow.gateway.bad_ticks import BadTick, BadTickReason
from titanflow.gateway.feed import Feed
from titanflow.gateway.providers import trade_ids
from titanflow.gateway.providers.base import Provider
from titanflow.gateway.providers.trade_ids import SeenIds
from titanflow.gateway.samples import CRYPTO, sample_tape

Make = Callable[..., Provider]
T = 1_549_895_400_000_000_000
MINUTE = 60 * SCALE
BARS = "ts_ns,symbol,open,high,low,close,volume\n"
TRADES = "ts_ns,symbol,price,size,exchange,trade_id\n"


def bar(minute: int, volume: int = 5, symbol: str = "AAPL") -> str:
    return f"{T + minute * MINUTE},{symbol},10,12,9,11,{volume}\n"


def trade(at: int, identity: object, venue: str = "BINANCE-SPOT", symbol: str = "BTCUSDT") -> str:
    return f"{T + at},{symbol},60000,1,{venue},{identity}\n"


def refused(provider: Provider) -> list[BadTick]:
    return [item.bad for item in Feed(provider).items() if item.bad]


def volume_of(provider: Provider) -> int:
    kinds = (TickReceived, BarPointReceived)
    return sum(e.size for item in Feed(provider).items() for e in item.events if isinstance(e, kinds)) // SCALE


def test_a_bar_that_stands_there_twice_is_dropped_and_counted(tape_of: Make) -> None:
    provider = tape_of(BARS + bar(0) + bar(1) + bar(1) + bar(2) + bar(1))
    assert volume_of(provider) == 15
    assert refused(provider) == []
    assert provider.feed().notes == ("2 bars that only repeat others were dropped",)


def test_another_bar_of_the_same_time_is_refused_and_names_the_first(tape_of: Make) -> None:
    provider = tape_of(BARS + bar(0) + bar(1) + bar(1, volume=6) + bar(2))
    (bad,) = refused(provider)
    assert bad.reason is BadTickReason.DUPLICATE
    assert bad.detail == "tape0.csv, line 4: another bar of this instrument and time is tape0.csv, line 3"
    assert volume_of(provider) == 15


def test_bars_are_held_against_those_of_other_files_too(tape_of: Make) -> None:
    provider = tape_of(BARS + bar(0) + bar(1), BARS + bar(1) + bar(2) + bar(0, volume=7))
    (bad,) = refused(provider)
    assert bad.detail.startswith("tape1.csv, line 4: another bar")
    assert volume_of(provider) == 15


def test_bars_of_one_time_and_two_instruments_are_two(tape_of: Make) -> None:
    provider = tape_of(BARS + bar(0) + bar(1) + bar(0, symbol="MSFT") + bar(1, symbol="MSFT"))
    assert volume_of(provider) == 20
    assert provider.feed().notes == ()


def test_a_trade_whose_id_was_seen_is_refused(tape_of: Make) -> None:
    provider = tape_of(TRADES + trade(0, 7) + trade(1, 8) + trade(2, 7) + trade(3, 9))
    (bad,) = refused(provider)
    assert bad.reason is BadTickReason.DUPLICATE
    assert bad.detail == "tape0.csv, line 4: trade_id is 7, which this instrument had before"


def test_one_id_on_two_venues_and_two_instruments_is_no_duplicate(tape_of: Make) -> None:
    other = trade(2, 7, symbol="ETHUSDT")
    assert refused(tape_of(TRADES + trade(0, 7) + trade(1, 7, "BINANCE-USDM") + other)) == []


def test_ids_are_held_against_those_of_other_files_under_any_name(tape_of: Make) -> None:
    header = TRADES.replace("trade_id", "id")
    provider = tape_of(header + trade(0, "a") + trade(1, "b"), header + trade(2, "b"), columns="trade_id=id")
    assert [bad.reason for bad in refused(provider)] == [BadTickReason.DUPLICATE]


def test_equal_trades_without_ids_are_all_kept_and_counted(tape_of: Make) -> None:
    row = f"{T},BTCUSDT,60000,1,BINANCE-SPOT\n"
    header = TRADES.replace(",trade_id", "")
    provider = tape_of(header + row * 3 + row.replace("60000", "60001") + row.replace(str(T), str(T + 1)) * 2)
    assert refused(provider) == []
    assert volume_of(provider) == 6
    assert provider.feed().notes == ("3 trades equal one before and have no id: all were kept",)


def test_equal_trades_are_counted_across_the_chunks_of_a_file(tape_of: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("titanflow.gateway.providers.tape_files.CHUNK_BYTES", 70)
    row = f"{T},BTCUSDT,60000,1,BINANCE-SPOT\n"
    provider = tape_of(TRADES.replace(",trade_id", "") + row * 5)
    assert provider.feed().notes == ("4 trades equal one before and have no id: all were kept",)


def test_the_recorded_trades_are_all_new() -> None:
    import csv
    import gzip

    with gzip.open(sample_tape(CRYPTO), "rt", newline="") as file:
        seen: dict[tuple[str, str], SeenIds] = {}
        for line in csv.DictReader(file):
            assert seen.setdefault((line["symbol"], line["exchange"]), SeenIds()).is_new(line["trade_id"])


IDS = st.lists(st.one_of(st.integers(0, 30).map(str), st.sampled_from(["a", "b", "007", "7", "9" * 25])), max_size=60)


@settings(max_examples=200, deadline=None)
@given(IDS)
def test_ids_are_remembered_as_a_set_would(ids: list[str]) -> None:
    seen, known = SeenIds(), set[str]()
    for each in ids:
        assert seen.is_new(each) is (each not in known)
        known.add(each)


def test_beyond_its_bound_the_oldest_ids_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trade_ids, "MOST_RANGES", 4)
    seen = SeenIds()
    assert all(seen.is_new(str(number)) for number in range(0, 20, 2))
    assert not seen.is_new("18")
    assert seen.is_new("0")
    texts = SeenIds()
    assert all(texts.is_new(letter) for letter in "abcdef")
    assert not texts.is_new("f")
    assert texts.is_new("a")


# --- the hour that autumn repeats ------------------------------------------------------------------------------------

AUTUMN = {"time_unit": "iso", "time_zone": "America/New_York", "venue": "BINANCE-SPOT"}
FIRST = 1_572_757_200_000_000_000
"""2019-11-03 01:00 in New York, daylight saving; an hour later it is 01:00 again."""
HOUR = 3_600 * SCALE


def opened(provider: Provider) -> list[int]:
    """Minutes from FIRST at which bars open."""
    return [
        (event.opened_at - FIRST) // MINUTE
        for item in Feed(provider).items()
        for event in item.events
        if isinstance(event, BarPointReceived) and event.at == event.opened_at
    ]


def local(*times: str, symbol: str = "BTCUSDT") -> str:
    return "".join(f"2019-11-03 {time}:00,{symbol},10,12,9,11,{5 + place}\n" for place, time in enumerate(times))


def test_bars_of_the_repeated_hour_are_told_apart_by_their_order(tape_of: Make) -> None:
    text = BARS + local("00:30", "01:00", "01:30", "01:00", "01:30", "02:00")
    provider = tape_of(text, bar_seconds=1_800, **AUTUMN)
    assert opened(provider) == [-30, 0, 30, 60, 90, 120]
    assert refused(provider) == []


def test_one_bar_an_hour_stands_still_on_the_clock_and_goes_on_in_time(tape_of: Make) -> None:
    assert opened(tape_of(BARS + local("00:00", "01:00", "01:00", "02:00"), **AUTUMN)) == [-60, 0, 60, 120]


def test_each_symbol_of_a_file_sorted_by_symbol_passes_the_hour_by_itself(tape_of: Make) -> None:
    text = (
        BARS + local("01:00", "01:30", "01:00", "01:30") + local("01:00", "01:30", "01:00", "01:30", symbol="ETHUSDT")
    )
    assert sorted(opened(tape_of(text, bar_seconds=1_800, **AUTUMN))) == [0, 0, 30, 30, 60, 60, 90, 90]


def test_a_row_that_goes_back_a_second_time_is_refused_with_its_line(tape_of: Make) -> None:
    (bad,) = refused(tape_of(BARS + local("01:00", "01:30", "01:00", "01:30", "01:15"), bar_seconds=60, **AUTUMN))
    assert bad.reason is BadTickReason.OUT_OF_ORDER
    assert bad.detail.startswith("tape0.csv, line 6: time is in the hour that autumn repeats")


def test_trades_of_the_repeated_hour_are_told_apart_by_their_order(tape_of: Make) -> None:
    times = ("00:59:59", "01:00:05", "01:59:00", "01:58:59.5", "01:00:05", "01:30:00", "02:00:00")
    rows = "".join(f"2019-11-03 {time},BTCUSDT,60000,{place}\n" for place, time in enumerate(times, 1))
    provider = tape_of(f"ts_ns,symbol,price,size\n{rows}", **AUTUMN)
    found = [e.at - FIRST for item in Feed(provider).items() for e in item.events if isinstance(e, TickReceived)]
    seconds = [-1, 5, 59 * 60, 3_605, 5_400, 7_200]
    assert found == [second * SCALE for second in seconds]
    # Half a second back is disorder, and refused as that; it does not begin the second pass.
    assert [bad.reason for bad in refused(provider)] == [BadTickReason.OUT_OF_ORDER]


def test_the_second_pass_of_the_repeated_hour_is_not_equal_to_the_first(tape_of: Make) -> None:
    times = ("01:00:05", "01:59:00", "01:00:05", "01:59:00", "01:59:00", "02:00:00")
    rows = "".join(f"2019-11-03 {time},BTCUSDT,60000,1\n" for time in times)
    provider = tape_of(f"ts_ns,symbol,price,size\n{rows}", **AUTUMN)
    assert provider.feed().notes == ("1 trade equals one before and has no id: it was kept",)


# --- file and line ---------------------------------------------------------------------------------------------------


def test_lines_are_counted_past_empty_and_torn_ones_and_chunks(tape_of: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    good = f"{T},BTCUSDT,60000,1,BINANCE-SPOT,\n"
    bad = good.replace("60000", "?")
    text = TRADES + good + "\n" + bad + "1,2\n" + good + "\r\n" + bad
    for size in (1 << 20, 48, 120):
        monkeypatch.setattr("titanflow.gateway.providers.tape_files.CHUNK_BYTES", size)
        details = [each.detail for each in refused(tape_of(text))]
        lines = [int(detail.split(", line ")[1].split(":")[0]) for detail in details]
        assert sorted(lines) == [4, 5, 8]
