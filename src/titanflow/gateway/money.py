"""In which money instruments are booked: all accounts are of one currency, what is quoted in another has a stated rate.

What cannot be booked right is refused by its name, before a session begins.
"""

from collections.abc import Iterable, Mapping

import msgspec

from titanflow.domain.instruments import FeeSchedule, Instrument, InstrumentKind
from titanflow.domain.types import SCALE, Ratio, portion
from titanflow.errors import InputError

DOLLARS = frozenset({"USD", "USDT", "USDC"})
"""The dollar and the coins that stand for it: one counts as another at 1, unless a rate is stated."""


def in_account_money(
    instruments: Iterable[Instrument], currency: str, rates: Mapping[str, Ratio]
) -> tuple[Instrument, ...]:
    """The instruments as a session records them: with the rate of their currency, and fees in account money.

    `rates` is account money for one unit of a currency. Raises InputError naming an instrument that can be traded and
    has no rate, or whose kind is not booked.
    """
    return tuple(_booked(each, currency, rates) if each.tradable else each for each in instruments)


def _booked(instrument: Instrument, currency: str, rates: Mapping[str, Ratio]) -> Instrument:
    if instrument.kind is InstrumentKind.FUTURE:
        raise InputError(
            f"{instrument.id} is a future: its margin and daily settlement are not booked by this version, and full "
            'payment would be wrong; leave it out of the tape, or only watch it (kind = "index" in your catalogue)'
        )
    if instrument.kind is InstrumentKind.FX and instrument.currency != currency:
        raise InputError(
            f"{instrument.id} is a currency pair quoted in {instrument.currency}, the accounts are in {currency}: its "
            f"own price is the rate, so no fixed one is right; keep the accounts in {instrument.currency} "
            f"(--set currency={instrument.currency}), or leave it out"
        )
    rate = _rate(instrument, currency, rates)
    fees = instrument.fees
    if rate != SCALE:
        fees = FeeSchedule(fees.notional_ratio, portion(fees.per_unit, rate), portion(fees.minimum, rate))
    return msgspec.structs.replace(instrument, rate=rate, fees=fees)


def _rate(instrument: Instrument, currency: str, rates: Mapping[str, Ratio]) -> Ratio:
    quoted = instrument.currency
    if quoted == currency:
        return SCALE
    if quoted in rates:
        return rates[quoted]
    if {quoted, currency} <= DOLLARS:
        return SCALE
    raise InputError(
        f"{instrument.id} is quoted in {quoted}, the accounts are in {currency}: state the rate, {currency} for one "
        f"{quoted} (--set fx.{quoted}=NUMBER, or [fx] in the settings file), or keep the accounts in {quoted} "
        f"(--set currency={quoted})"
    )
