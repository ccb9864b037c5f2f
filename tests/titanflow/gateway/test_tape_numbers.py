"""Numbers on a tape: kept exactly or refused with their field, never cut and never guessed."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titanflow.domain.types import SCALE
from titanflow.errors import InputError
from titanflow.gateway.bad_ticks import BadTick, BadTickReason
from titanflow.gateway.feed import Feed
from titanflow.gateway.numbers import units_or_text
from titanflow.gateway.providers.base import Provider

Make = Callable[..., Provider]
T = 1_549_895_400_000_000_000
TRADES = f"ts_ns,symbol,price,size\n{T},AAPL,171.14,100\n"
BARS = f"ts_ns,symbol,open,high,low,close,volume\n{T},AAPL,10,10,10,10,5\n{T + 60 * SCALE},AAPL,10,10,10,10,5\n"


def refused(provider: Provider) -> list[BadTick]:
    return [item.bad for item in Feed(provider).items() if item.bad]


@pytest.mark.parametrize(
    ("price", "reason", "named"),
    [
        ("0.0000000123", BadTickReason.TOO_PRECISE, "price is 0.0000000123, of more than nine decimals"),
        ("1_70.00", BadTickReason.NOT_A_NUMBER, "price is '1_70.00'"),
        ("\uff11\uff17\uff10", BadTickReason.NOT_A_NUMBER, "not a finite decimal number"),
        ("nan", BadTickReason.NOT_A_NUMBER, "price is 'nan'"),
        ("1e11", BadTickReason.TOO_LARGE, "price is 100000000000.000000000, above"),
    ],
)
def test_what_is_no_number_of_nine_decimals_is_refused_with_field_file_and_line(
    tape_of: Make, price: str, reason: BadTickReason, named: str
) -> None:
    (bad,) = refused(tape_of(TRADES + f"{T + 1},AAPL,{price},1\n"))
    assert bad.reason is reason
    assert named in bad.detail
    assert bad.detail.startswith("tape0.csv, line 3: ")


def test_ten_decimals_of_a_bar_are_refused_by_name(tape_of: Make) -> None:
    (bad,) = refused(tape_of(BARS + f"{T + 120 * SCALE},AAPL,10,10,10,10,0.0000000123\n"))
    assert (bad.reason, bad.detail) == (
        BadTickReason.TOO_PRECISE,
        "tape0.csv, line 4: volume is 0.0000000123, of more than nine decimals",
    )


def test_nine_decimals_and_zeros_behind_them_are_exact(tape_of: Make) -> None:
    provider = tape_of(TRADES + f"{T + 1},AAPL,0.123456789000000,0.0000000010\n")
    *_, last = provider.rows()
    assert (last.price, last.size) == (123_456_789, 1)


def test_more_decimals_are_rounded_where_that_is_asked_for(tape_of: Make) -> None:
    provider = tape_of(TRADES + f"{T + 1},AAPL,171.13999938964844,1\n", decimals="round")
    assert [row.price for row in provider.rows()] == [171_140_000_000, 171_139_999_390]
    with pytest.raises(InputError, match="option decimals"):
        tape_of(TRADES, decimals="cut")


def test_a_volume_above_the_limit_says_so_also_where_no_other_row_is_there(tape_of: Make) -> None:
    header = "ts_ns,symbol,open,high,low,close,volume\n"
    with pytest.raises(
        InputError, match=r"none of its rows is a bar; line 2: volume is 99999999999\..*above 9000000000"
    ):
        tape_of(f"{header}{T},AAPL,10,11,9,10,99999999999\n{T + 60 * SCALE},AAPL,10,11,9,10,99999999999\n")
    (bad,) = refused(tape_of(BARS + f"{T + 120 * SCALE},AAPL,10,11,9,10,99999999999\n"))
    assert bad.reason is BadTickReason.TOO_LARGE
    assert "line 4: volume is 99999999999" in bad.detail


@pytest.mark.parametrize("delimiter", ["\t", "\\t", "tab"])
def test_a_tab_is_a_delimiter_however_it_is_written(tape_of: Make, delimiter: str) -> None:
    provider = tape_of(TRADES.replace(",", "\t"), delimiter=delimiter)
    assert [row.price for row in provider.rows()] == [171_140_000_000]


@pytest.mark.parametrize("delimiter", ["", "::", '"', "\n", "a", "\u00a7", "\\n"])
def test_what_cannot_be_a_delimiter_is_refused_by_name(tape_of: Make, delimiter: str) -> None:
    with pytest.raises(InputError, match="option delimiter"):
        tape_of(TRADES, delimiter=delimiter)


@settings(max_examples=200, deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9))
def test_a_number_is_its_units_exactly_or_stays_text(number: Decimal) -> None:
    units = units_or_text(f"{number:f}")
    if isinstance(units, int):
        assert Decimal(units).scaleb(-9) == number
    else:
        assert number != number.quantize(Decimal("1e-9"))


@settings(max_examples=200, deadline=None)
@given(st.text("0123456789.eE+-_ \uff11", max_size=8))
def test_only_plain_digits_make_a_number(text: str) -> None:
    units = units_or_text(text)
    if isinstance(units, int):
        assert "_" not in text
        assert text.isascii()


def test_no_length_of_digits_is_cut_or_takes_for_ever() -> None:
    long = "1." + "0" * 40 + "1"
    assert units_or_text(long) == long
    assert units_or_text("1." + "0" * 40) == SCALE
    for absurd in ("1e-999999999", "1e999999999", "0." + "0" * 5_000 + "1"):
        assert units_or_text(absurd) == absurd
