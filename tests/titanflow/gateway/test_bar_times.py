"""Bars in time: how long they last, where their venue's hours put them, and closures that lose no open."""

import csv
import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from titanflow.domain.events import BarPointReceived
from titanflow.domain.types import SCALE
from titanflow.gateway.bad_ticks import BadTickReason
from titanflow.gateway.catalogue import Catalogue
from titanflow.gateway.feed import Feed
from titanflow.gateway.providers.base import Provider, RawBarPoint
from titanflow.gateway.providers.registry import make_provider

Make = Callable[..., Provider]
S = SCALE
T = 1_549_895_400 * S
"""2019-02-11 09:30 in New York, a Monday."""
HEADER = "ts_ns,symbol,open,high,low,close,volume\n"
DAY = 86_400


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * S


def bar(opened_at: int | str, symbol: str = "AAPL") -> str:
    return f"{opened_at},{symbol},10,12,9,11,8\n"


def spans(provider: Provider, symbol: str = "AAPL") -> list[tuple[int, int]]:
    """(opens, last nanosecond) of every bar that is played."""
    points = [
        event
        for item in Feed(provider).items()
        for event in item.events
        if isinstance(event, BarPointReceived) and event.instrument.startswith(symbol)
    ]
    return [(point.opened_at, point.at) for point in points if point.last]


def refused(provider: Provider) -> list[tuple[BadTickReason, str]]:
    return [(item.bad.reason, item.bad.detail) for item in Feed(provider).items() if item.bad]


def test_one_odd_row_does_not_re_time_a_file(tape_of: Make) -> None:
    minutes = [T + 60 * S * number for number in range(6)]
    provider = tape_of(HEADER + "".join(map(bar, sorted([*minutes, T + 123 * S]))))
    assert provider.feed().bars == (("AAPL.XNYS", 60),)
    lasts = [last for opened_at, last in spans(provider) if opened_at in minutes]
    # The bar before the odd one ends where that begins; no other is touched.
    assert [last - opened for opened, last in zip(minutes, lasts, strict=True)] == [
        60 * S - 1, 60 * S - 1, 3 * S - 1, 60 * S - 1, 60 * S - 1, 60 * S - 1,
    ]  # fmt: skip


def test_a_five_minute_symbol_beside_minutes_is_played_in_five(tape_of: Make) -> None:
    rows = [bar(T + 60 * S * number) for number in range(11)]
    rows += [bar(T + 300 * S * number, "MSFT") for number in range(3)]
    provider = tape_of(HEADER + "".join(rows))
    assert provider.feed().bars == (("AAPL.XNYS", 60), ("MSFT.XNYS", 300))
    assert spans(provider, "MSFT")[0] == (T, T + 300 * S - 1)


def test_a_symbol_that_lacks_most_of_its_minutes_has_minutes_all_the_same(tape_of: Make) -> None:
    minutes = [0, 2, 3, 5, 7, 8, 10, 14]
    provider = tape_of(HEADER + "".join(bar(T + 60 * S * number) for number in minutes))
    assert provider.feed().bars == (("AAPL.XNYS", 60),)


def test_a_symbol_of_one_bar_lasts_as_long_as_the_others(tape_of: Make) -> None:
    provider = tape_of(HEADER + "".join(bar(T + 300 * S * number) for number in range(3)) + bar(T, "MSFT"))
    assert provider.feed().bars == (("AAPL.XNYS", 300), ("MSFT.XNYS", 300))


def test_hours_end_at_the_close(tape_of: Make) -> None:
    hours = [T + 3_600 * S * number for number in range(7)]
    provider = tape_of(HEADER + "".join(map(bar, hours)))
    assert provider.feed().bars == (("AAPL.XNYS", 3_600),)
    assert spans(provider)[-1] == (at("2019-02-11T15:30-05:00"), at("2019-02-11T16:00-05:00") - 1)


def test_a_bar_that_stands_before_the_open_begins_with_it(tape_of: Make) -> None:
    hours = [at(f"2019-02-11T{hour:02}:00-05:00") for hour in range(9, 16)]
    provider = tape_of(HEADER + "".join(map(bar, hours)))
    assert spans(provider)[0] == (T, at("2019-02-11T10:00-05:00") - 1)


def test_early_closes_are_kept(tape_of: Make) -> None:
    hours = [at(f"2019-11-29T{hour:02}:30-05:00") for hour in range(9, 13)]
    assert spans(tape_of(HEADER + "".join(map(bar, hours))))[-1][1] == at("2019-11-29T13:00-05:00") - 1


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_dates_without_a_time_are_that_days_session(tape_of: Make, zone: str) -> None:
    days = ("2019-02-11", "2019-02-12", "2019-02-13")
    provider = tape_of(HEADER + "".join(map(bar, days)), time_unit="iso", time_zone=zone)
    assert spans(provider) == [(at(f"{day}T09:30-05:00"), at(f"{day}T16:00-05:00") - 1) for day in days]
    assert provider.span()[0] == T


@pytest.mark.parametrize("zone", ["UTC", "Australia/Sydney"])
def test_dates_of_sydney_are_its_sessions_though_these_begin_the_day_before_in_london(
    tmp_path: Path, catalogue: Catalogue, zone: str
) -> None:
    sydney = replace(catalogue.instrument("AAPL.XNYS"), id="BHP.XASX", symbol="BHP", venue="XASX", calendar="XASX")
    path = tmp_path / "bhp.csv"
    path.write_text(HEADER + "".join(bar(day, "BHP") for day in ("2019-02-11", "2019-02-12", "2019-02-13")))
    options = {"time_unit": "iso", "time_zone": zone, "venue": "XASX"}
    provider = make_provider("tape", tapes=[path], seed=1, options=options, catalogue=Catalogue([sydney]))
    assert spans(provider, "BHP")[0] == (at("2019-02-11T10:00+11:00"), at("2019-02-11T16:00+11:00") - 1)


def test_a_date_without_a_session_is_refused_by_name(tape_of: Make) -> None:
    days = ("2019-12-23", "2019-12-24", "2019-12-25", "2019-12-26")
    provider = tape_of(HEADER + "".join(map(bar, days)), time_unit="iso")
    assert refused(provider) == [
        (BadTickReason.BAD_ROW, "tape0.csv, line 4: XNYS has no session in the bar that begins on 2019-12-25")
    ]
    assert spans(provider)[1][1] == at("2019-12-24T13:00-05:00") - 1


def test_daily_bars_of_what_never_closes_last_a_day(tape_of: Make) -> None:
    rows = "".join(bar(T - T % (DAY * S) + DAY * S * number, "BTCUSDT") for number in range(3))
    provider = tape_of(HEADER + rows, venue="BINANCE-SPOT")
    assert [last - opened for opened, last in spans(provider, "BTCUSDT")] == [DAY * S - 1] * 3


def monday_of(row: dict[str, str]) -> str:
    day = datetime.fromisoformat(row["date"])
    return str((day - timedelta(days=day.weekday())).date())


def weekly(rows: list[dict[str, str]]) -> str:
    """Daily rows put into weeks, as pandas and others stamp them: by their Monday."""
    text = HEADER
    for week, days in groupby(rows, key=monday_of):
        each = list(days)
        high, low = max(float(row["high"]) for row in each), min(float(row["low"]) for row in each)
        volume = sum(int(float(row["volume"])) for row in each)
        text += f"{week},AAPL,{each[0]['open']},{high},{low},{each[-1]['close']},{volume}\n"
    return text


@pytest.fixture(scope="module")
def daily_rows(shared_data: Path) -> list[dict[str, str]]:
    """The days of Apple."""
    with gzip.open(shared_data / "daily" / "wiki_daily_2000_2013.csv.gz", "rt", newline="") as file:
        return [row for row in csv.DictReader(file) if row["symbol"] == "AAPL"]


def test_weekly_bars_lose_no_open(tape_of: Make, daily_rows: list[dict[str, str]]) -> None:
    text = weekly(daily_rows)
    provider = tape_of(text, time_unit="iso")
    assert provider.feed().bars == (("AAPL.XNYS", 7 * DAY),)
    assert refused(provider) == []
    opens = [row.price for row in provider.rows() if isinstance(row, RawBarPoint) and row.at == row.opened_at]
    assert opens == [round(float(line.split(",")[2]) * SCALE) for line in text.splitlines()[1:]]
    # The markets were closed from 11 to 14 September 2001.
    of_september = [span for span in spans(provider) if at("2001-09-08T00:00Z") < span[0] < at("2001-09-20T00:00Z")]
    assert of_september == [
        (at("2001-09-10T09:30-04:00"), at("2001-09-10T16:00-04:00") - 1),
        (at("2001-09-17T09:30-04:00"), at("2001-09-21T16:00-04:00") - 1),
    ]


def test_the_closure_of_september_2001_loses_no_open(tape_of: Make, daily_rows: list[dict[str, str]]) -> None:
    days = [row["date"] for row in daily_rows if "2001-09-05" <= row["date"] <= "2001-09-20"]
    provider = tape_of(HEADER + "".join(map(bar, days)), time_unit="iso")
    assert refused(provider) == []
    opened = [datetime.fromtimestamp(first // S, UTC).strftime("%d") for first, _ in spans(provider)]
    assert opened == ["05", "06", "07", "10", "17", "18", "19", "20"]


def test_months_of_unequal_length_do_not_overlap(tape_of: Make) -> None:
    months = [f"2019-{month:02}-01" for month in range(1, 8)]
    provider = tape_of(HEADER + "".join(map(bar, months)), time_unit="iso")
    found = spans(provider)
    assert refused(provider) == []
    assert all(earlier[1] < later[0] for earlier, later in pairwise(found))
    assert found[1] == (at("2019-02-01T09:30-05:00"), at("2019-02-28T16:00-05:00") - 1)


def test_a_broken_stamp_far_ahead_is_still_refused(tape_of: Make) -> None:
    rows = [bar(T + 60 * S * number) for number in range(4)]
    provider = tape_of(HEADER + "".join(rows) + bar(T + 40 * DAY * S))
    assert [reason for reason, _ in refused(provider)] == [BadTickReason.TIME_FAR_OFF]
    assert len(spans(provider)) == 4


def test_the_hours_that_are_known_already_are_not_asked_for_again(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HEADER + "".join(bar(T + 3_600 * S * number) for number in range(7)))
    first = make_provider("tape", tapes=[path], seed=1, options={}, catalogue=catalogue)
    known = Feed(first).calendars
    monkeypatch.setattr("titanflow.gateway.calendars._calendar", None)
    again = make_provider("tape", tapes=[path], seed=1, options={}, catalogue=catalogue, calendars=known)
    assert list(again.rows()) == list(first.rows())
    assert again.span() == first.span()
