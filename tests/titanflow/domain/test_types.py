"""Fixed-point arithmetic against decimal and fractions; the closed enums."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titanflow.domain.types import (
    MAX_UNITS,
    DenialCode,
    Side,
    as_float,
    decimal_of,
    fixed,
    floor_to,
    notional,
    portion,
    ratio_of,
    scaled,
)

UNITS = st.integers(-MAX_UNITS, MAX_UNITS)
POSITIVE = st.integers(1, MAX_UNITS)


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("1.00", 1_000_000_000),
        ("0.000000001", 1),
        ("-12.5", -12_500_000_000),
        ("0.0000000005", 0),
        ("0.0000000015", 2),
        ("0.0000000025", 2),
        (3, 3_000_000_000),
        (Decimal("1E-9"), 1),
        ("9000000000", MAX_UNITS),
    ],
)
def test_a_decimal_number_becomes_units_rounded_half_to_even(text: str | int | Decimal, units: int) -> None:
    assert fixed(text) == units


@pytest.mark.parametrize(
    "text", ["", "one", "NaN", "Infinity", "-Infinity", "9000000000.000000001", "1e30", "1_70.00", "\uff11\uff17"]
)
def test_what_is_not_a_finite_number_in_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        fixed(text)


@given(UNITS)
def test_units_survive_a_trip_through_decimal(units: int) -> None:
    assert fixed(decimal_of(units)) == units


@given(UNITS, POSITIVE)
def test_scaled_rounds_the_exact_quotient_half_to_even(numerator: int, denominator: int) -> None:
    assert scaled(numerator, denominator) == round(Fraction(numerator, denominator))


@given(st.integers(-1000, 1000))
def test_scaled_rounds_ties_to_even(half: int) -> None:
    assert scaled(2 * half + 1, 2) == round(Fraction(2 * half + 1, 2))


def test_worked_amounts() -> None:
    assert notional(fixed("187.25"), fixed("40")) == fixed("7490")
    assert notional(fixed("0.5"), -1) == 0
    assert notional(fixed("1.5"), -1) == -2
    assert portion(fixed("100000"), fixed("0.03")) == fixed("3000")
    assert ratio_of(fixed("7490"), fixed("100000")) == fixed("0.0749")
    assert as_float(fixed("0.25")) == 0.25


@pytest.mark.parametrize("whole", [0, -1])
def test_a_ratio_of_nothing_is_zero(whole: int) -> None:
    assert ratio_of(5, whole) == 0


@given(UNITS, POSITIVE)
def test_floor_to_is_the_largest_multiple_not_above(quantity: int, increment: int) -> None:
    floored = floor_to(quantity, increment)
    assert floored % increment == 0
    assert floored <= quantity < floored + increment


def test_sides_are_each_others_opposite() -> None:
    assert Side.BUY.opposite is Side.SELL
    assert Side.SELL.opposite is Side.BUY
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)


@pytest.mark.parametrize("code", DenialCode)
def test_every_denial_code_has_a_meaning_of_one_sentence(code: DenialCode) -> None:
    assert code.meaning.endswith(".")
    assert "\n" not in code.meaning
