"""What is quoted in another currency is booked at a stated rate, or refused; so are kinds that are not booked."""

from pathlib import Path

import msgspec
import pytest

from titanflow.domain.instruments import FeeSchedule, Instrument, InstrumentKind, factors_of
from titanflow.domain.portfolio import Portfolio
from titanflow.domain.types import SCALE, Side, fixed
from titanflow.errors import InputError
from titanflow.gateway.catalogue import load_catalogue
from titanflow.gateway.money import in_account_money

FEES = FeeSchedule(fixed("0.0005"), fixed("0.01"), fixed("5"))
SAP = Instrument("SAP.XETR", "SAP", "XETR", InstrumentKind.EQUITY, SCALE // 100, SCALE, "XETR", "EUR", FEES)
COIN = msgspec.structs.replace(SAP, id="BTC.X", kind=InstrumentKind.CRYPTO_SPOT, currency="USDT")
INDEX = msgspec.structs.replace(SAP, id="DAX.XETR", kind=InstrumentKind.INDEX)
FUTURE = msgspec.structs.replace(SAP, id="FDAX.XEUR", kind=InstrumentKind.FUTURE)
PAIR = msgspec.structs.replace(SAP, id="USDJPY.FX", kind=InstrumentKind.FX, currency="JPY")


def test_a_rate_turns_prices_and_fees_into_account_money() -> None:
    # 10 SAP at 120.00 euros and 1.08 dollars a euro: 1,296.00 dollars; at least 5.40 dollars of fees, not 5.
    (sap,) = in_account_money([SAP], "USD", {"EUR": fixed("1.08")})
    assert sap.value(fixed("120"), fixed("10")) == fixed("1296")
    assert sap.fees == FeeSchedule(fixed("0.0005"), fixed("0.0108"), fixed("5.4"))
    book = Portfolio(fixed("10000"), factors_of([sap]))
    book.apply(1, sap.id, Side.BUY, fixed("10"), fixed("120"), fixed("5.4"))
    position = book.positions[sap.id]
    assert (book.cash, position.cost) == (fixed("8698.6"), fixed("1296"))
    assert position.average_price == fixed("120"), "in the currency in which it is quoted"
    assert book.equity({sap.id: fixed("125")}) == fixed("10000") - fixed("5.4") + fixed("54")
    _, trip = book.apply(2, sap.id, Side.SELL, fixed("10"), fixed("125"), fixed("5.4"))
    assert trip is not None
    assert (trip.entry_price, trip.exit_price, trip.pnl) == (fixed("120"), fixed("125"), fixed("43.2"))
    assert trip.opened_value == fixed("1296")


def test_accounts_in_the_same_currency_need_no_rate() -> None:
    (sap,) = in_account_money([SAP], "EUR", {})
    assert sap == SAP
    assert factors_of([sap]) == {}


def test_without_a_rate_the_start_is_refused_with_both_ways_out() -> None:
    with pytest.raises(InputError) as refused:
        in_account_money([COIN, SAP], "USD", {"GBP": SCALE})
    told = str(refused.value)
    assert told.startswith("SAP.XETR is quoted in EUR, the accounts are in USD")
    assert "--set fx.EUR=NUMBER" in told
    assert "--set currency=EUR" in told


def test_coins_that_stand_for_the_dollar_count_as_dollars_unless_a_rate_is_stated() -> None:
    assert in_account_money([COIN], "USD", {})[0].rate == SCALE
    assert in_account_money([COIN], "USD", {"USDT": fixed("0.97")})[0].rate == fixed("0.97")
    with pytest.raises(InputError, match="quoted in USDT, the accounts are in EUR"):
        in_account_money([COIN], "EUR", {})


def test_what_is_only_watched_needs_no_rate() -> None:
    assert in_account_money([INDEX], "USD", {}) == (INDEX,)


def test_a_future_is_refused_by_its_name() -> None:
    with pytest.raises(InputError, match=r"FDAX\.XEUR is a future: its margin and daily settlement are not booked"):
        in_account_money([FUTURE], "EUR", {})


def test_a_currency_pair_is_booked_in_its_own_quote_currency_alone() -> None:
    assert in_account_money([PAIR], "JPY", {})[0].rate == SCALE
    with pytest.raises(InputError, match=r"USDJPY\.FX is a currency pair quoted in JPY") as refused:
        in_account_money([PAIR], "USD", {"JPY": fixed("0.0067")})
    assert "--set currency=JPY" in str(refused.value)


def test_a_multiplier_makes_a_contract_of_several_units(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        '[[group]]\nkind = "perpetual"\nvenue = "X"\ncalendar = "24/7"\ncurrency = "EUR"\nprice_increment = "0.1"\n'
        'quantity_increment = "1"\nmultiplier = "0.01"\nsymbols = ["ETHEUR"]\n'
    )
    contract = load_catalogue(file).instrument("ETHEUR.X")
    (booked,) = in_account_money([contract], "USD", {"EUR": fixed("1.1")})
    # 7 contracts of a hundredth of a coin at 2,000 euros: 140 euros, 154 dollars.
    assert booked.value(fixed("2000"), fixed("7")) == fixed("154")
    file.write_text(file.read_text().replace("0.01", "0"))
    with pytest.raises(InputError, match="multiplier '0' is not above zero"):
        load_catalogue(file)


def test_a_limit_is_never_passed_by_rounding() -> None:
    odd = msgspec.structs.replace(SAP, rate=fixed("1.083333333"))
    assert odd.unit_value(1) == 2
    assert odd.unit_value(fixed("100")) == fixed("108.3333333")
