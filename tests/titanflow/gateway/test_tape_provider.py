"""Tapes: forms that users bring, and what is said about files that cannot be used."""

import gzip
import hashlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titanflow.domain.events import BarPointReceived, OfficialPrintReceived, OffMarketPrintReceived, TickReceived
from titanflow.domain.types import SCALE
from titanflow.errors import InputError
from titanflow.gateway.bad_ticks import BadTickReason
from titanflow.gateway.catalogue import Catalogue
from titanflow.gateway.feed import Feed
from titanflow.gateway.providers import tape_files
from titanflow.gateway.providers.base import Provider
from titanflow.gateway.providers.registry import make_provider
from titanflow.gateway.providers.tape_columns import numbers

Make = Callable[..., Provider]
T = 1_549_895_400_000_000_000
TRADES = f"ts_ns,symbol,price,size\n{T},AAPL,171.14,100\n{T + 5},MSFT,105.25,7\n{T + 5},AAPL,171.1399,1\n"


def rows(provider: Provider) -> list[tuple[str, object, object, object]]:
    return [(row.symbol, row.at, row.price, row.size) for row in provider.rows()]


EXPECTED = [
    ("AAPL", T, 171_140_000_000, 100 * SCALE),
    ("MSFT", T + 5, 105_250_000_000, 7 * SCALE),
    ("AAPL", T + 5, 171_139_900_000, SCALE),
]


def reasons(provider: Provider) -> list[BadTickReason | None]:
    """None for each accepted row; of a bar, its open speaks for all."""
    feed = Feed(provider)
    return [item.bad.reason if item.bad else None for item in feed.items() if item.bad or _is_print(item.events[-1])]


def _is_print(event: object) -> bool:
    if isinstance(event, BarPointReceived):
        return event.at == event.opened_at
    return isinstance(event, TickReceived | OffMarketPrintReceived)


def test_trades_are_read_exactly_and_in_file_order(tape_of: Make) -> None:
    provider = tape_of(TRADES)
    assert rows(provider) == EXPECTED
    assert provider.span() == (T, T + 5)
    assert [instrument.id for instrument in provider.instruments()] == ["AAPL.XNYS", "MSFT.XNYS"]


def test_reading_from_the_middle_keeps_the_places(tape_of: Make) -> None:
    provider = tape_of(TRADES)
    assert list(provider.rows(2)) == list(provider.rows())[2:]
    assert [row.position for row in provider.rows(1)] == [1, 2]


@pytest.mark.parametrize("name", ["tape{}.csv.gz", "tape{}.csv", "tape{}"])
def test_gzip_is_told_by_content_not_by_name(tape_of: Make, name: str) -> None:
    assert rows(tape_of(gzip.compress(TRADES.encode(), mtime=0), name=name)) == EXPECTED
    assert rows(tape_of(TRADES, name=name)) == EXPECTED


def test_windows_line_ends_a_byte_order_mark_and_a_missing_last_newline_do_no_harm(tape_of: Make) -> None:
    text = "\ufeff" + TRADES.replace("\n", "\r\n").rstrip()
    assert rows(tape_of(text)) == EXPECTED


def test_a_file_is_read_in_chunks_of_any_size_alike(tape_of: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (40, 41, 64, 1000):
        monkeypatch.setattr(tape_files, "CHUNK_BYTES", size)
        assert rows(tape_of(TRADES)) == EXPECTED


@pytest.mark.parametrize("packed", [False, True])
def test_parquet_is_read_like_csv(tmp_path: Path, catalogue: Catalogue, packed: bool) -> None:
    table = pa.table(
        {
            "ts_ns": pa.array([T, T + 5, T + 5], pa.timestamp("ns", tz="UTC")),
            "symbol": pa.array(["AAPL", "MSFT", "AAPL"]).dictionary_encode(),
            "price": [171.14, 105.25, 171.1399],
            "size": pa.array([100, 7, 1], pa.int32()),
        }
    )
    path = tmp_path / "tape.parquet"
    pq.write_table(table, path)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    provider = make_provider("tape", tapes=[path], seed=1, options={}, catalogue=catalogue)
    assert rows(provider) == EXPECTED


def test_a_missing_value_in_parquet_is_a_bad_row(tmp_path: Path, catalogue: Catalogue) -> None:
    table = pa.table({"ts_ns": [T, T, None], "symbol": ["AAPL"] * 3, "price": [1.5, None, 1.5], "size": [1, 1, 1]})
    path = tmp_path / "tape.parquet"
    pq.write_table(table, path)
    provider = make_provider("tape", tapes=[path], seed=1, options={}, catalogue=catalogue)
    assert reasons(provider) == [None, BadTickReason.NOT_A_NUMBER, BadTickReason.NOT_A_NUMBER]


def test_other_names_and_units_are_mapped(tape_of: Make) -> None:
    text = "time,ticker,px,qty\n2019-02-11 09:30:00,AAPL,171.14,100\n2019-02-11T09:30:00.5,AAPL,171.15,1\n"
    options = {
        "columns": "ts_ns=time,symbol=ticker,price=px,size=qty",
        "time_unit": "iso",
        "time_zone": "America/New_York",
    }
    assert [row[1] for row in rows(tape_of(text, **options))] == [T, T + 500_000_000]


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("s", "1549895400.25"),
        ("ms", "1549895400250"),
        ("us", "1549895400250000"),
        ("iso", "2019-02-11T14:30:00.250Z"),
        ("iso", "2019-02-11T09:30:00.250-05:00"),
    ],
)
def test_times_are_exact_in_every_unit(tape_of: Make, unit: str, text: str) -> None:
    provider = tape_of(f"ts_ns,symbol,price,size\n{text},AAPL,1,1\n", time_unit=unit)
    assert rows(provider)[0][1] == T + 250_000_000


def test_a_time_that_is_none_spoils_its_own_row_only(tape_of: Make) -> None:
    text = "ts_ns,symbol,price,size\n2019-02-11T14:30:00,AAPL,1,1\nnoon,AAPL,1,1\n2019-02-11T14:31:00Z,AAPL,1,1\n"
    assert [row[1] for row in rows(tape_of(text, time_unit="iso"))] == [T, "noon", T + 60 * SCALE]


def test_the_exchange_column_tells_instruments_of_one_symbol_apart(tape_of: Make) -> None:
    text = f"ts_ns,symbol,price,size,exchange\n{T},BTCUSDT,1,1,BINANCE-SPOT\n{T},BTCUSDT,2,1,BINANCE-USDM\n"
    provider = tape_of(text)
    assert [row.venue for row in provider.rows()] == ["BINANCE-SPOT", "BINANCE-USDM"]
    assert [row.venue for row in tape_of(text, venue="BINANCE-SPOT").rows()] == ["BINANCE-SPOT"] * 2


def test_a_file_of_one_symbol_needs_no_symbol_column(tape_of: Make) -> None:
    provider = tape_of(f"ts_ns,price,size\n{T},1,1\n", symbol="BTCUSDT", venue="BINANCE-SPOT")
    assert [instrument.id for instrument in provider.instruments()] == ["BTCUSDT.BINANCE-SPOT"]


OFF_MARKET = ["2", "4", "8", "200", "400", "800", "2000", "4000", "40000", "100000", "2000000", "2001"]
MARKET = ["", "1", "20", "40", "80", "100", "1000", "8000", "200000", "80000001"]
OFFICIAL = ["1000000", "4000000", "1000001", "4000400"]
AUCTIONS = ["40", "80", "4000040", "1000080"]


def test_prints_of_far_off_sale_conditions_set_no_price_and_suspicious_ones_are_refused(tape_of: Make) -> None:
    header = "ts_ns,symbol,price,size,exchange,conditions,suspicious\n"
    lines = [f"{T},AAPL,171.14,1,Q,{flags},0\n" for flags in [*OFF_MARKET, *MARKET]]
    odd = [f"{T},AAPL,171.14,1,Q,1,1\n", f"{T},AAPL,171.14,1,Q,xyz,0\n"]
    provider = tape_of(header + "".join(lines + odd))
    assert [row.off_market for row in provider.rows()][:-2] == [True] * len(OFF_MARKET) + [False] * len(MARKET)
    assert {row.venue for row in provider.rows()} == {"XNYS"}
    assert reasons(provider)[-2:] == [BadTickReason.SUSPICIOUS, BadTickReason.BAD_ROW]


def test_an_official_open_or_close_repeats_the_auction_and_is_neither_price_nor_volume(tape_of: Make) -> None:
    header = "ts_ns,symbol,price,size,exchange,conditions\n"
    flags = [*AUCTIONS, *OFFICIAL]
    provider = tape_of(header + "".join(f"{T + n},AAPL,171.14,{n + 1},Q,{flag}\n" for n, flag in enumerate(flags)))
    events = [event for item in Feed(provider).items() for event in item.events]
    auctions = [event.size // SCALE for event in events if isinstance(event, TickReceived)]
    official = [event for event in events if isinstance(event, OfficialPrintReceived)]
    assert auctions == [1, 2, 3, 4]
    assert [event.size // SCALE for event in official] == [5, 6, 7, 8]
    assert official[0] == OfficialPrintReceived(T + 4, "AAPL.XNYS", 171_140_000_000, 5 * SCALE)
    assert not [event for event in events if isinstance(event, OffMarketPrintReceived)]


@pytest.mark.parametrize(
    ("flag", "refused"), [("0", False), ("false", False), ("", False), ("1", True), ("True", True)]
)
def test_a_flag_of_any_spelling_is_understood(tape_of: Make, flag: str, refused: bool) -> None:
    provider = tape_of(f"ts_ns,symbol,price,size,suspicious\n{T},AAPL,1,1,{flag}\n")
    assert reasons(provider) == [BadTickReason.SUSPICIOUS if refused else None]


def test_several_files_are_merged_by_time_and_ties_keep_the_order_of_the_files(tape_of: Make) -> None:
    header = "ts_ns,symbol,price,size\n"
    first = header + "".join(f"{T + at},AAPL,1,{size}\n" for at, size in [(0, 1), (5, 2), (9, 3)])
    second = header + "".join(f"{T + at},MSFT,1,{size}\n" for at, size in [(0, 11), (4, 12), (5, 13), (9, 14)])
    merged = tape_of(first, second)
    assert [row[3] // SCALE for row in rows(merged)] == [1, 11, 12, 2, 13, 3, 14]  # type: ignore[operator]
    assert merged.feed().source == "tape0.csv, tape1.csv"
    assert merged.feed().sha256 == hashlib.sha256((first + second).encode()).hexdigest()
    assert [row.position for row in merged.rows()] == list(range(7))


def test_a_row_of_too_few_fields_is_set_aside_and_the_others_are_read(tape_of: Make) -> None:
    provider = tape_of(TRADES.replace("MSFT,105.25,7", "MSFT,105.25"))
    refused = [row for row in provider.rows() if row.fault]
    assert [row.fault[0] for row in refused if row.fault] == [BadTickReason.BAD_ROW]
    assert len(list(provider.rows())) == 3


def test_bars_need_not_be_sorted_by_time(tape_of: Make) -> None:
    header = "ts_ns,symbol,open,high,low,close,volume\n"
    minute = 60 * SCALE
    text = header + "".join(
        f"{T + index * minute},{symbol},10,10,10,10,5\n" for symbol in ("AAPL", "MSFT") for index in range(3)
    )
    provider = tape_of(text)
    opens = [row for row in rows(provider) if row[1] % minute == 0]  # type: ignore[operator]
    assert [(row[0], (row[1] - T) // minute) for row in opens] == [  # type: ignore[operator]
        ("AAPL", 0), ("MSFT", 0), ("AAPL", 1), ("MSFT", 1), ("AAPL", 2), ("MSFT", 2),
    ]  # fmt: skip
    assert reasons(provider) == [None] * 6


@pytest.mark.parametrize(
    ("bar", "reason"),
    [
        ("11,10,9,10,5", BadTickReason.BAD_ROW),
        ("10,11,10.5,10,5", BadTickReason.BAD_ROW),
        ("10,11,9,10,-5", BadTickReason.BAD_ROW),
        ("10,eleven,9,10,5", BadTickReason.NOT_A_NUMBER),
        ("10,11,9,10,0", BadTickReason.ZERO_SIZE),
        ("10,11,9,10,9999999999999999", BadTickReason.TOO_LARGE),
    ],
)
def test_a_bar_that_contradicts_itself_is_one_bad_row(tape_of: Make, bar: str, reason: BadTickReason) -> None:
    header = "ts_ns,symbol,open,high,low,close,volume\n"
    good = f"{T},AAPL,10,10,10,10,5\n{T + 60 * SCALE},AAPL,10,10,10,10,5\n"
    found = reasons(tape_of(f"{header}{good}{T + 120 * SCALE},AAPL,{bar}\n"))
    assert sorted(found, key=str) == sorted([reason, None, None], key=str)


def test_a_bar_that_contradicts_itself_is_told_in_the_numbers_of_its_file(tape_of: Make) -> None:
    header = "ts_ns,symbol,open,high,low,close,volume\n"
    provider = tape_of(
        f"{header}{T},AAPL,10,10,10,10,5\n{T + 60 * SCALE},AAPL,99.48,1,99.16,99.21,50000\n", bar_seconds=60
    )
    details = [fault[1] for row in provider.rows() if (fault := getattr(row, "fault", None))]
    assert details == [
        "open 99.48, high 1, low 99.16, close 99.21, volume 50000: not low <= open, close <= high and volume >= 0"
    ]


def test_a_daily_bar_of_new_york_lasts_one_session(tape_of: Make) -> None:
    day = 86_400 * SCALE
    header = "ts_ns,symbol,open,high,low,close,volume\n"
    text = header + f"{T},AAPL,10,12,9,11,8\n{T + day},AAPL,10,12,9,11,8\n"
    last_of_first_day = rows(tape_of(text))[3]
    assert last_of_first_day[1] == T + 23_400 * SCALE - 1
    assert rows(tape_of(text, bar_seconds=60))[3][1] == T + 60 * SCALE - 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is empty"),
        ("ts_ns,symbol,price\n1,AAPL,1\n", "has no column size"),
        ("ts_ns,symbol,open,high,low,volume\n", "has no column close"),
        ("ts_ns,symbol,price,size\n", "has a header and no row"),
        ("ts_ns,symbol,open,high,low,close,volume\n", "has a header and no row"),
        ("ts_ns,symbol,price,size\n2019-02-11 14:30:00,AAPL,1,1\n", r"time_unit=iso"),
        ("ts_ns,symbol,open,high,low,close,volume\n2019-02-11,AAPL,1,1,1,1,1\n", r"time_unit=iso"),
        ("ts_ns\tsymbol\tprice\tsize\n1\tAAPL\t1\t1\n", r"delimiter=tab"),
        ("ts_ns;symbol;price;size\n1;AAPL;1;1\n", r"delimiter=;"),
        ("ts_ns,symbol,price,size,size\n", "twice"),
        (f"ts_ns,symbol,price,size\n{T},NOPE,1,1\n", "NOPE.XNYS"),
        ("ts_ns,symbol,price,size\n1549895400,AAPL,1,1\n", "no row with a usable time"),
        (b"\x00\xff\xfe\x01" * 50, "not a CSV header"),
        (gzip.compress(TRADES.encode(), mtime=0)[:-12], "cannot be read"),
        (b"PAR1" + b"x" * 60, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(tape_of: Make, content: str | bytes, told: str) -> None:
    with pytest.raises(InputError, match=r"tape0\.csv|NOPE") as refused:
        tape_of(content)
    assert told in str(refused.value)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path, catalogue: Catalogue) -> None:
    with pytest.raises(InputError, match=r"absent\.csv"):
        make_provider("tape", tapes=[tmp_path / "absent.csv"], seed=1, options={}, catalogue=catalogue)
    with pytest.raises(InputError, match="--tape"):
        make_provider("tape", tapes=[], seed=1, options={}, catalogue=catalogue)


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ({"colums": {}}, "no option 'colums'"),
        ({"columns": {"when": "time"}}, "'when'"),
        ({"time_unit": "days"}, "expected one of ns, us, ms, s, iso"),
        ({"time_zone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"bar_seconds": 0}, "bar_seconds"),
    ],
)
def test_a_bad_option_is_refused_by_name(tape_of: Make, option: dict[str, object], told: str) -> None:
    with pytest.raises(InputError) as refused:
        tape_of(TRADES, **option)
    assert told in str(refused.value)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.decimals(-9_000_000_000, 9_000_000_000, places=9), min_size=1, max_size=5))
def test_decimal_text_becomes_integers_without_loss(values: list[Decimal]) -> None:
    column = pa.array([str(value) for value in values])
    assert numbers(column).values.tolist() == [int(value * SCALE) for value in values]


@settings(max_examples=100, deadline=None)
@given(st.text("0123456789.eE+-_ nax", max_size=8))
def test_a_number_does_not_depend_on_its_neighbours(text: str) -> None:
    alone, beside = numbers(pa.array([text])), numbers(pa.array(["?", text]))
    assert alone.listed()[0] == beside.listed()[1]


def test_more_than_nine_decimals_are_rounded_half_to_even_only_where_that_is_asked_for() -> None:
    column = pa.array(["0.0000000015", "0.0000000025", "0.00000000251"])
    assert numbers(column, rounded=True).values.tolist() == [2, 2, 3]
    assert np.array_equal(numbers(column.slice(1), rounded=True).values, [2, 3])
    assert numbers(column).listed() == column.to_pylist()


def test_one_absurd_time_does_not_stretch_the_span_that_calendars_must_cover(tape_of: Make) -> None:
    in_2150 = 5_700_000_000_000_000_000
    provider = tape_of(TRADES + f"{in_2150},AAPL,171.14,1\n{T + 9},AAPL,171.14,1\n")
    assert provider.span() == (T, T + 9)
    assert reasons(provider) == [None, None, None, BadTickReason.TIME_FAR_OFF, None]
