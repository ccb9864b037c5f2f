"""Numbers of a source as 1e-9 units, exactly, or as their text: nothing is cut, and nothing rounded unasked."""

from decimal import ROUND_HALF_EVEN, Context

from titanflow.domain.types import plain_decimal

_MAX_DIGITS = 18
"""Numbers with more digits before the point stay text: turning `1e999999` into an integer would take for ever."""
_MOST_DECIMALS = 1_000
"""Likewise those with more digits behind it."""
_EXACT = Context(prec=_MAX_DIGITS + _MOST_DECIMALS + 1, rounding=ROUND_HALF_EVEN)


def units_or_text(text: str, decimals: int = 9, *, rounded: bool = False) -> int | str:
    """The number in units of 10^-decimals; the text itself where it is none, beyond reach or more precise than that.

    `rounded` takes a more precise one too, rounded half to even.
    """
    number = plain_decimal(text)
    if number == 0:
        return 0
    if number is None or number.adjusted() > _MAX_DIGITS:
        return text
    if -int(number.as_tuple().exponent) > _MOST_DECIMALS:
        return text
    units = number.scaleb(decimals, _EXACT)
    whole = units.to_integral_value(ROUND_HALF_EVEN, _EXACT)
    return int(whole) if rounded or whole == units else text
