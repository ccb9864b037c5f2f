"""In which shares prices are told to features and strategies: those of the session's beginning, whatever was split.

So everything that rolls (averages, ranges, a strategy's own memory) sees one unbroken series, and needs no rescaling.
"""

from math import gcd

import msgspec

from titanflow.domain.events import BarClosed
from titanflow.domain.types import Price, Quantity, scaled


class PriceBasis:
    """The ratio of all splits so far, and prices turned by it; each is rounded once, half to even."""

    __slots__ = ("new", "old")

    def __init__(self) -> None:
        self.new = 1
        """So many shares of today …"""
        self.old = 1
        """… were so many at the beginning."""

    def split(self, new: int, old: int) -> None:
        """`new` shares for each `old` from now on."""
        shared = gcd(self.new * new, self.old * old)
        self.new, self.old = self.new * new // shared, self.old * old // shared

    def bar(self, bar: BarClosed) -> BarClosed:
        """A bar of today as it would be without any split."""
        new, old = self.new, self.old
        if new == old:
            return bar
        return msgspec.structs.replace(
            bar,
            open=scaled(bar.open * new, old),
            high=scaled(bar.high * new, old),
            low=scaled(bar.low * new, old),
            close=scaled(bar.close * new, old),
            volume=scaled(bar.volume * old, new),
        )

    def tick(self, price: Price, size: Quantity) -> tuple[Price, Quantity]:
        """A trade of today likewise."""
        new, old = self.new, self.old
        return (price, size) if new == old else (scaled(price * new, old), scaled(size * old, new))

    def today(self, price: Price) -> Price:
        """A price, or a distance of prices, of the beginning in today's shares."""
        return price if self.new == self.old else scaled(price * self.old, self.new)
