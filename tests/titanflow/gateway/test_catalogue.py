from datetime import UTC, datetime
from pathlib import Path

import pytest

from titanflow.domain.instruments import InstrumentKind, TradingCalendar
from titanflow.domain.types import SCALE
from titanflow.errors import InputError
from titanflow.gateway.catalogue import Catalogue, calendars_for, load_catalogue

OWN = """
[[group]]
kind = "equity"
venue = "XNYS"
calendar = "XNYS"
currency = "USD"
price_increment = "0.05"
quantity_increment = "1"
symbols = ["AAPL", "ACME"]
"""


def nanos(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def xnys(catalogue: Catalogue, first: str, last: str) -> TradingCalendar:
    (calendar,) = calendars_for([catalogue.instrument("SPY.XNYS")], nanos(first), nanos(last))
    return calendar


def test_one_symbol_on_two_venues_is_two_instruments(catalogue: Catalogue) -> None:
    spot, perpetual = (catalogue.find("BTCUSDT", venue) for venue in ("BINANCE-SPOT", "BINANCE-USDM"))
    assert spot is not None
    assert perpetual is not None
    assert (spot.id, spot.kind, spot.fees.notional_ratio) == (
        "BTCUSDT.BINANCE-SPOT", InstrumentKind.CRYPTO_SPOT, SCALE // 1000,
    )  # fmt: skip
    assert (perpetual.id, perpetual.kind, perpetual.fees.notional_ratio) == (
        "BTCUSDT.BINANCE-USDM", InstrumentKind.PERPETUAL, SCALE // 2000,
    )  # fmt: skip


def test_us_shares_trade_whole_and_by_the_cent_and_an_index_not_at_all(catalogue: Catalogue) -> None:
    apple = catalogue.instrument("AAPL.XNYS")
    assert (apple.quantity_increment, apple.price_increment, apple.calendar) == (SCALE, SCALE // 100, "XNYS")
    assert apple.tradable
    assert not catalogue.instrument("VIX.XNYS").tradable


def test_the_catalogue_is_sorted_by_id(catalogue: Catalogue) -> None:
    ids = [instrument.id for instrument in catalogue.all()]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids) == 29


def test_a_file_of_the_user_adds_instruments_and_replaces_shipped_ones(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(OWN)
    catalogue = load_catalogue(own)
    assert catalogue.instrument("ACME.XNYS").price_increment == SCALE // 20
    assert catalogue.instrument("AAPL.XNYS").price_increment == SCALE // 20
    assert catalogue.instrument("MSFT.XNYS").price_increment == SCALE // 100


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        (OWN.replace('"0.05"', '"0"'), "increment '0'"),
        (OWN.replace('"0.05"', '"a few"'), "a few"),
        (OWN.replace('"equity"', '"stock"'), "stock"),
        (OWN.replace("currency", "curency"), "curency"),
        ("[[group", "own.toml"),
    ],
)
def test_a_broken_catalogue_file_is_refused_by_name(tmp_path: Path, broken: str, named: str) -> None:
    own = tmp_path / "own.toml"
    own.write_text(broken)
    with pytest.raises(InputError, match=r"own\.toml") as refused:
        load_catalogue(own)
    assert named in str(refused.value)


def test_an_unknown_instrument_is_refused_by_name(catalogue: Catalogue) -> None:
    with pytest.raises(InputError, match=r"NOPE\.XNYS"):
        catalogue.instrument("NOPE.XNYS")


def test_new_york_is_closed_on_presidents_day_2019(catalogue: Catalogue) -> None:
    calendar = xnys(catalogue, "2019-02-15", "2019-02-19")
    assert not calendar.is_open(nanos("2019-02-18T16:00"))
    assert calendar.session_at(nanos("2019-02-15T16:00")) == (nanos("2019-02-15T14:30"), nanos("2019-02-15T21:00"))
    assert calendar.is_open(nanos("2019-02-19T16:00"))


def test_new_york_closes_at_one_on_christmas_eve_2018(catalogue: Catalogue) -> None:
    calendar = xnys(catalogue, "2018-12-24", "2018-12-24")
    assert calendar.session_at(nanos("2018-12-24T15:00")) == (nanos("2018-12-24T14:30"), nanos("2018-12-24T18:00"))


def test_daylight_saving_moves_the_open_by_an_hour_of_utc(catalogue: Catalogue) -> None:
    calendar = xnys(catalogue, "2019-03-08", "2019-03-11")
    assert calendar.is_open(nanos("2019-03-08T14:30"))
    assert not calendar.is_open(nanos("2019-03-08T14:29"))
    assert calendar.is_open(nanos("2019-03-11T13:30"))


def test_crypto_venues_never_close_and_need_no_library(catalogue: Catalogue) -> None:
    (calendar,) = calendars_for([catalogue.instrument("BTCUSDT.BINANCE-SPOT")], 0, 1)
    assert calendar == TradingCalendar("24/7", always_open=True, sessions=())


def test_a_lunch_break_ends_a_session(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(OWN.replace('calendar = "XNYS"', 'calendar = "XHKG"'))
    (calendar,) = calendars_for([load_catalogue(own).instrument("ACME.XNYS")], nanos("2024-01-02"), nanos("2024-01-02"))
    assert calendar.is_open(nanos("2024-01-02T03:59"))
    assert not calendar.is_open(nanos("2024-01-02T04:30"))
    assert calendar.is_open(nanos("2024-01-02T05:00"))


def test_an_unknown_calendar_is_refused_by_name(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(OWN.replace('calendar = "XNYS"', 'calendar = "NOWHERE"'))
    with pytest.raises(InputError, match="NOWHERE"):
        calendars_for([load_catalogue(own).instrument("ACME.XNYS")], nanos("2024-01-02"), nanos("2024-01-02"))
