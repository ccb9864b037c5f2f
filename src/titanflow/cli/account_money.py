"""How this command speaks of money: in the currency of the session's accounts, and at what its instruments count for.

Set once for the session that a command is about; dollars, and prices as they are, until then.
"""

from collections.abc import Mapping

from titanflow.cli.output import dollars, small_dollars
from titanflow.domain.events import SessionStarted
from titanflow.domain.instruments import factors_of
from titanflow.domain.types import SCALE, InstrumentId, Money, Price, Quantity, Ratio, decimal_of, worth

_DOLLAR = "USD"


class _Spoken:
    currency = _DOLLAR
    factors: Mapping[InstrumentId, Ratio] = {}


def speak_of(started: SessionStarted) -> None:
    """Tell amounts of this session from now on."""
    _Spoken.currency = started.settings.currency
    _Spoken.factors = factors_of(started.instruments)


def amount(units: Money) -> str:
    """Money to the cent: $1,234.50, or 1,234.50 EUR."""
    return _told(dollars(decimal_of(units)))


def small_amount(units: Money) -> str:
    """Money that may be a part of a cent, likewise."""
    return _told(small_dollars(decimal_of(units)))


def value_of(instrument: InstrumentId, price: Price, quantity: Quantity) -> Money:
    """What `quantity` is worth at `price` in money of the accounts."""
    return worth(price, quantity, _Spoken.factors.get(instrument, SCALE))


def _told(number: str) -> str:
    return f"${number}" if _Spoken.currency == _DOLLAR else f"{number} {_Spoken.currency}"
