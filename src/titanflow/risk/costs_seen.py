"""What a contender's fills cost beyond the market's price, so that the next size reckons with it. Books nothing."""

from collections import deque

from titanflow.domain.events import IN_FEE, OrderFilled
from titanflow.domain.session_settings import ExecutionSettings
from titanflow.domain.types import CostModelName, InstrumentId, Price, Ratio, ratio_of

REMEMBERED = 20
"""Fills of an instrument over which the average is taken."""


ASSUMED_IMPACT: Ratio = 100_000
"""What the assumed fill pays besides half a spread: one basis point."""


def assumed_slippage(settings: ExecutionSettings, increment: Price, price: Price) -> Ratio:
    """Slippage of a fill before any is known: the flat model's base, or half the least spread and some impact."""
    if settings.cost_model is CostModelName.FLAT:
        return settings.slippage_base
    return ratio_of(increment, 2 * price) + ASSUMED_IMPACT


class CostsSeen:
    """Average slippage of a contender's last fills in each instrument, as a part of the price.

    One assumed fill stands beside those seen, so that the first real one does not decide alone.
    """

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[InstrumentId, deque[Ratio]] = {}

    def add(self, fill: OrderFilled) -> None:
        """Take in a fill that says which price of the market it rests on."""
        if fill.reference_price <= 0:
            return
        beside = sum(-int(amount) for name, amount in fill.costs if name == IN_FEE)
        worse = (fill.price - fill.reference_price) * fill.side.sign + beside
        seen = self._seen.setdefault(fill.instrument, deque(maxlen=REMEMBERED))
        seen.append(max(0, ratio_of(worse, fill.reference_price)))

    def expected(self, instrument: InstrumentId, assumed: Ratio) -> Ratio:
        """Slippage to reckon with in the next fill."""
        seen = self._seen.get(instrument, ())
        return (assumed + sum(seen)) // (len(seen) + 1)
