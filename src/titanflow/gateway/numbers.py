"""Numbers of a source as 1e-9 units, exactly, or as their text where they cannot be read."""

from decimal import Decimal, InvalidOperation

_MAX_DIGITS = 18
"""Numbers with more digits before the point stay text: turning `1e999999` into an integer would take for ever."""


def units_or_text(text: str, decimals: int = 9) -> int | str:
    """The number in units of 10^-decimals, rounded half to even; the text itself where it is none or beyond reach."""
    number = finite(text)
    if number == 0:
        return 0
    if number is None or number.adjusted() > _MAX_DIGITS:
        return text
    return int(number.scaleb(decimals).to_integral_value())


def finite(text: str) -> Decimal | None:
    """The number that the text is; None for what is no number, infinite or NaN."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
