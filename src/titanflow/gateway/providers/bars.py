"""Bars become points of a path by a fixed rule, so that strategies, stops and fills meet the prices that a bar says.

The path is open, low, high, close where the bar closes at or above its open, else open, high, low, close: the nearer
extreme first. The four stand at the bar's start, after one and two thirds of it, and one nanosecond before its end. A
turning point equal to the point before it is left out; the open and the close never are. The volume is shared by
cumulative floor in whole quantity increments: point i of n has floor(V*i/n) - floor(V*(i-1)/n).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
WINDOW_BARS = 1 << 14
"""Bars turned into points at once."""


class Bars(NamedTuple):
    """Columns of bars sorted by opening time, rows of equal time in file order; prices and volume in 1e-9 units."""

    at: Integers
    """When each opens."""
    ends_at: Integers
    """When each ends: the first nanosecond that is no more of it."""
    pair: Integers
    """Which symbol on which venue: an index into the tape's list of them."""
    open: Integers
    high: Integers
    low: Integers
    close: Integers
    volume: Integers
    row: Integers
    """Its place among the rows that were read."""

    def window(self, start: int, end: int) -> "Bars":
        """The bars from `start` up to `end`."""
        return Bars(*(column[start:end] for column in self))

    def chosen(self, rows: Integers | Booleans) -> "Bars":
        """These rows alone, in the order of `rows`."""
        return Bars(*(column[rows] for column in self))

    def sorted_by_time(self) -> "Bars":
        """The same bars in order of time; equal times keep their order."""
        return self.chosen(np.argsort(self.at, kind="stable"))


Column = NDArray[Any]


class Points(NamedTuple):
    """Columns of points sorted by time; what they mean says `titanflow.domain.events.BarPointReceived`."""

    at: Column
    pair: Column
    price: Column
    size: Column
    opened_at: Column
    from_at: Column
    from_price: Column
    low: Column
    high: Column
    last: Column
    ends_at: Column
    row: Column
    """Its bar's."""


def points_of(bars: Bars, increments: Integers) -> Iterator[Points]:
    """The points of all bars in order of time, equal times in the bars' order.

    `increments` is each pair's quantity increment.
    """
    waiting: Points | None = None
    for start in range(0, len(bars.at), WINDOW_BARS):
        end = min(start + WINDOW_BARS, len(bars.at))
        made = _points(bars.window(start, end), increments)
        if waiting is not None:
            made = Points(*(np.concatenate(columns) for columns in zip(waiting, made, strict=True)))
        order = np.argsort(made.at, kind="stable")
        made = Points(*(column[order] for column in made))
        # A later bar may still speak before the last points of these: they wait for the next window.
        ready = np.searchsorted(made.at, bars.at[end], side="left") if end < len(bars.at) else len(made.at)
        yield Points(*(column[:ready] for column in made))
        waiting = Points(*(column[ready:] for column in made))


def _points(bars: Bars, increments: Integers) -> Points:
    rising = bars.close >= bars.open
    first_turn, second_turn = np.where(rising, bars.low, bars.high), np.where(rising, bars.high, bars.low)
    path = np.stack((bars.open, first_turn, second_turn, bars.close), axis=1)
    kept = np.ones(path.shape, dtype=np.bool_)
    kept[:, 1:3] = path[:, 1:3] != path[:, :2]
    length = bars.ends_at - bars.at
    steps = np.stack((np.zeros_like(length), length // 3, 2 * length // 3, length - 1), axis=1)
    at = bars.at[:, None] + steps
    last = np.zeros(path.shape, dtype=np.bool_)
    last[:, 3] = True
    repeated = (np.repeat(column[:, None], 4, axis=1) for column in (bars.pair, bars.at, bars.low, bars.high))
    pair, opened_at, low, high = (column[kept] for column in repeated)
    times, prices = at[kept], path[kept]
    begins = times == opened_at
    return Points(
        at=times,
        pair=pair,
        price=prices,
        size=_shares(bars.volume, increments[bars.pair], kept)[kept],
        opened_at=opened_at,
        from_at=np.where(begins, times, np.roll(times, 1)),
        from_price=np.where(begins, prices, np.roll(prices, 1)),
        low=low,
        high=high,
        last=last[kept],
        ends_at=np.repeat(bars.ends_at[:, None], 4, axis=1)[kept],
        row=np.repeat(bars.row[:, None], 4, axis=1)[kept],
    )


def _shares(volume: Integers, increment: Integers, kept: Booleans) -> Integers:
    """Each point's part of its bar's volume, one row a bar; meaningless where not kept."""
    count = kept.sum(axis=1)[:, None]
    number = np.cumsum(kept, axis=1)
    whole, rest = np.divmod(volume // increment, count[:, 0])
    # floor(V * i / n) without the product V * i, which may pass 64 bits.
    upto = whole[:, None] * number + rest[:, None] * number // count
    shares: Integers = np.diff(upto, axis=1, prepend=0) * increment[:, None]
    shares[:, 3] += volume % increment
    return shares
