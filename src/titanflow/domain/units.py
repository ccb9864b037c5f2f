"""The unit of every number that an event names, so that a reader of a record need not know that it is a 1e-9 integer.

Here is what a number counts; how a record tells it is `projections.fold.units`, how a person sees it `cli.units`.
"""

from collections.abc import Mapping
from enum import StrEnum

from titanflow.domain.types import DenialCode, SizedBy


class Unit(StrEnum):
    """What a number counts."""

    MONEY = "money"
    """Dollars."""
    FEE = "fee"
    """Dollars, perhaps a small part of a cent."""
    PRICE = "price"
    """Dollars a share or coin."""
    QUANTITY = "quantity"
    """Shares or coins."""
    ROOM = "room"
    """Shares or coins that a limit still leaves, seldom a whole number."""
    RATIO = "ratio"
    """A part of one."""
    MOMENT = "moment"
    """Nanoseconds since 1970 UTC."""
    DURATION = "duration"
    """Nanoseconds; shown in seconds."""
    STATISTIC = "statistic"
    """A float, or a number that is none."""
    PLAIN = "plain"
    """A word or a count: what it says."""


def _by(unit: Unit, names: str) -> dict[str, Unit]:
    return dict.fromkeys(names.split(), unit)


EVENT_FIELDS: Mapping[str, Unit] = {
    **_by(Unit.PRICE, "price open high low close bid ask order_price stop_price decision_price atr slippage"),
    **_by(Unit.PRICE, "reference_price from_price last_price"),
    **_by(Unit.FEE, "fee amount"),
    **_by(Unit.MONEY, "realized_pnl equity opening_equity peak_equity total_equity"),
    **_by(Unit.QUANTITY, "quantity size volume remaining"),
    **_by(Unit.RATIO, "drawdown max_drawdown"),
    **_by(Unit.MOMENT, "at opened_at active_at expires_at since met_at from_at until ex_at pay_at"),
    **_by(Unit.DURATION, "silent_nanos"),
    **_by(Unit.STATISTIC, "confidence value threshold rolling_sharpe rolling_accuracy sharpe sortino"),
    **_by(Unit.PLAIN, "cause signal rows round_trips consecutive_losses new old"),
}
"""Fields of events; all others are what they say."""

CONTEXT_NUMBERS: Mapping[str, Unit] = {
    **_by(Unit.PRICE, "price atr range unit_loss order_price stop_price"),
    **_by(Unit.MONEY, "equity order_value position_value cost buying_power"),
    **_by(Unit.ROOM, " ".join(f"{limit.value}_room" for limit in SizedBy)),
    **_by(Unit.QUANTITY, "position committed quantity remaining increment"),
    **_by(Unit.RATIO, "concentration"),
    **_by(Unit.MOMENT, "at entries_from entries_until close expires_at"),
    **_by(Unit.STATISTIC, "confidence minimum"),
    **_by(
        Unit.PLAIN, "scope trigger instrument kind purpose held orders signal operator reason field order_id contender"
    ),
    **_by(Unit.PLAIN, "calendar limit sized_by"),
    **_by(Unit.PRICE, "half_spread base impact noise rounding limited in_fee spread"),
    **_by(Unit.RATIO, "bar_volatility"),
    **_by(Unit.QUANTITY, "order_quantity"),
    **_by(Unit.ROOM, "bar_volume"),
    **_by(Unit.PLAIN, "spread_from bars"),
}
"""Numbers behind a verdict or a fill's price, by name."""

COSTS: Mapping[str, Unit] = {
    **_by(Unit.PRICE, "base half_spread impact noise rounding limited in_fee spread"),
    **_by(Unit.QUANTITY, "bar_volume order_quantity"),
    **_by(Unit.RATIO, "bar_volatility"),
    **_by(Unit.PLAIN, "bars spread_from"),
}
"""What made a fill's price worse than the market's, and what that was made of, by name."""

LIMITS: Mapping[DenialCode | None, Unit] = {
    DenialCode.ORDER_VALUE: Unit.MONEY,
    DenialCode.MIN_ORDER_VALUE: Unit.MONEY,
    DenialCode.CONCENTRATION: Unit.RATIO,
}
"""The unit of `limit` where it is not a count."""


def context_units(code: DenialCode | None = None) -> Mapping[str, Unit]:
    """The units of the numbers behind a verdict of this code, by name; a name that is not there is what it says."""
    return {**CONTEXT_NUMBERS, "limit": LIMITS[code]} if code in LIMITS else CONTEXT_NUMBERS
