"""What a contender's fills cost beyond the market's price, so that the next size reckons with it. Books nothing."""

from collections import deque

from titanflow.domain.events import OrderFilled
from titanflow.domain.types import InstrumentId, Ratio, ratio_of

REMEMBERED = 20
"""Fills of an instrument over which the average is taken."""


class CostsSeen:
    """Average slippage of a contender's last fills in each instrument, as a part of the price.

    One assumed fill stands beside those seen, so that the first real one does not decide alone.
    """

    __slots__ = ("_assumed", "_seen")

    def __init__(self, assumed: Ratio) -> None:
        self._assumed = assumed
        self._seen: dict[InstrumentId, deque[Ratio]] = {}

    def add(self, fill: OrderFilled) -> None:
        """Take in a fill that says which price of the market it rests on."""
        if fill.reference_price <= 0:
            return
        worse = (fill.price - fill.reference_price) * fill.side.sign
        seen = self._seen.setdefault(fill.instrument, deque(maxlen=REMEMBERED))
        seen.append(max(0, ratio_of(worse, fill.reference_price)))

    def expected(self, instrument: InstrumentId) -> Ratio:
        """Slippage to reckon with in the next fill."""
        seen = self._seen.get(instrument, ())
        return (self._assumed + sum(seen)) // (len(seen) + 1)
