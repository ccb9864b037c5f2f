"""The shipped tapes, read whole, against the files themselves read with the standard library alone."""

import csv
import gzip
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from titanflow.domain.events import ClockAdvanced, TickReceived
from titanflow.domain.types import SCALE
from titanflow.errors import InputError
from titanflow.gateway.bad_ticks import BadTickReason
from titanflow.gateway.catalogue import Catalogue
from titanflow.gateway.feed import Feed
from titanflow.gateway.providers.base import Provider, RawBar, RawBarPoint
from titanflow.gateway.providers.registry import make_provider
from titanflow.gateway.samples import CRYPTO, SAMPLE_TAPES, US_EQUITY, sample_tape

MINUTE = 60 * SCALE


def lines(name: str) -> list[dict[str, str]]:
    with gzip.open(sample_tape(name), "rt", newline="") as file:
        return list(csv.DictReader(file))


def tape(catalogue: Catalogue, *names: str) -> Provider:
    return make_provider("tape", tapes=[sample_tape(name) for name in names], seed=1, options={}, catalogue=catalogue)


def test_the_shipped_tapes_are_the_recorded_ones(shared_data: Path) -> None:
    recorded = {path.name: path.read_bytes() for path in shared_data.rglob("*.csv.gz")}
    for name in SAMPLE_TAPES:
        assert sample_tape(name).read_bytes() == recorded[f"{name}.csv.gz"]


def test_every_shipped_tape_has_its_licence_beside_it() -> None:
    for name in SAMPLE_TAPES:
        licence = sample_tape(name).with_name(f"LICENSE-{name}").read_text()
        assert licence.startswith(("ISC License", "MIT License"))


def test_an_unknown_sample_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="us_equity_minute_2019-02"):
        sample_tape("us_equity_minute_2020")


def test_every_crypto_trade_becomes_a_tick_with_its_exact_price_in_file_order(catalogue: Catalogue) -> None:
    ticks = [
        (event.at, event.instrument, event.price, event.size)
        for item in Feed(tape(catalogue, CRYPTO)).items()
        for event in item.events
        if isinstance(event, TickReceived)
    ]
    recorded = [
        (
            int(line["ts_ns"]),
            f"{line['symbol']}.{line['exchange']}",
            int(Decimal(line["price"]) * SCALE),
            int(Decimal(line["size"]) * SCALE),
        )
        for line in lines(CRYPTO)
    ]
    assert ticks == recorded
    assert Counter(instrument for _, instrument, _, _ in ticks) == {
        "BTCUSDT.BINANCE-SPOT": 19_904,
        "ETHUSDT.BINANCE-SPOT": 6_106,
        "BTCUSDT.BINANCE-USDM": 21_313,
        "ETHUSDT.BINANCE-USDM": 14_076,
    }


def test_the_points_of_a_minute_have_its_open_high_low_close_and_volume(catalogue: Catalogue) -> None:
    bars = {(line["symbol"], int(line["ts_ns"])): line for line in lines(US_EQUITY)}
    found: dict[tuple[str, int], list[RawBarPoint]] = {}
    refused = set()
    for row in tape(catalogue, US_EQUITY).rows():
        if isinstance(row, RawBar):
            assert isinstance(row.at, int)
            refused.add((row.symbol, row.at))
            continue
        assert isinstance(row, RawBarPoint)
        found.setdefault((row.symbol, row.opened_at), []).append(row)
    assert len(found) + len(refused) == len(bars) == 28_231
    assert refused == {key for key, line in bars.items() if line["volume"] == "0" and line["symbol"] != "VIX"}
    for key, points in found.items():
        line = {name: int(Decimal(bars[key][name]) * SCALE) for name in ("open", "high", "low", "close", "volume")}
        prices = [point.price for point in points]
        assert (prices[0], prices[-1]) == (line["open"], line["close"])
        assert (max(prices), min(prices)) == (line["high"], line["low"])
        assert sum(point.size for point in points) == line["volume"]
        assert (points[0].at, points[-1].at) == (key[1], key[1] + MINUTE - 1)


def test_the_tape_says_of_which_instruments_it_has_bars_and_how_long_they_are(catalogue: Catalogue) -> None:
    provider = tape(catalogue, US_EQUITY, CRYPTO)
    minutes = [i.id for i in provider.instruments() if i.venue == "XNYS"]
    assert len(minutes) == 20
    assert provider.feed().bars == tuple((name, 60) for name in minutes)


def test_a_bar_without_volume_is_set_aside_unless_it_is_an_index(catalogue: Catalogue) -> None:
    empty = [line for line in lines(US_EQUITY) if line["volume"] == "0" and line["symbol"] != "VIX"]
    refused = [item.bad.reason for item in Feed(tape(catalogue, US_EQUITY)).items() if item.bad]
    assert refused == [BadTickReason.ZERO_SIZE] * len(empty)


def test_the_clock_of_the_equity_tape_runs_through_every_session_and_jumps_the_nights(catalogue: Catalogue) -> None:
    feed = Feed(tape(catalogue, US_EQUITY))
    seconds = [e.at for item in feed.items() for e in item.events if isinstance(e, ClockAdvanced)]
    (calendar,) = feed.calendars
    played = [session for session in calendar.sessions if seconds[0] <= session[0] <= seconds[-1]]
    assert len(played) == 4
    expected = [at for open_at, close_at in played for at in range(open_at, close_at + SCALE, SCALE)]
    # The last day's closing second is never reached: the tape ends before it.
    assert seconds == expected[:-1]


def test_the_two_tapes_play_together_in_order_of_time(catalogue: Catalogue) -> None:
    provider = tape(catalogue, CRYPTO, US_EQUITY)
    times = [row.at for row in provider.rows() if not isinstance(row, RawBar)]
    assert times == sorted(times)
    assert len(provider.instruments()) == 24


def test_daily_bars_are_played_over_the_years(shared_data: Path, catalogue: Catalogue) -> None:
    path = shared_data / "daily" / "wiki_daily_2000_2013.csv.gz"
    provider = make_provider("tape", tapes=[path], seed=1, options={}, catalogue=catalogue)
    items = Feed(provider, max_gap_seconds=60).items()
    # September 2001: a week without trading is a closure of the venue, and no broken stamp.
    assert [item.bad for item in items if item.bad] == []
