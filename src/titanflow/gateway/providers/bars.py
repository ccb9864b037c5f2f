"""Bars become ticks by a fixed rule, so that strategies, stops and fills meet the prices that a bar says were traded.

The path is open, low, high, close where the bar closes at or above its open, else open, high, low, close: the nearer
extreme first. The four stand at the bar's start, after one and two thirds of it, and one nanosecond before its end; a
price equal to the one before it is left out. The volume is shared in whole quantity increments, the rest going to the
last tick; every tick has at least one increment. An index's bar without volume gives ticks of size 0.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from titanflow.domain.types import Nanos

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
WINDOW_BARS = 1 << 14
"""Bars turned into ticks at once."""


class Bars(NamedTuple):
    """Columns of bars sorted by opening time, rows of equal time in file order; prices and volume in 1e-9 units."""

    at: Integers
    pair: Integers
    """Which symbol on which venue: an index into the tape's list of them."""
    open: Integers
    high: Integers
    low: Integers
    close: Integers
    volume: Integers

    def window(self, start: int, end: int) -> "Bars":
        """The bars from `start` up to `end`."""
        return Bars(*(column[start:end] for column in self))

    def sorted_by_time(self) -> "Bars":
        """The same bars in order of time; equal times keep their order."""
        order = np.argsort(self.at, kind="stable")
        return Bars(*(column[order] for column in self))


class Ticks(NamedTuple):
    """Columns of ticks sorted by time."""

    at: Integers
    pair: Integers
    price: Integers
    size: Integers


def shortest_gap(bars: Bars) -> Nanos | None:
    """The smallest time between two bars of one instrument, which is how long a bar lasts; None where none has two."""
    order = np.lexsort((bars.at, bars.pair))
    gaps = np.diff(bars.at[order])[np.diff(bars.pair[order]) == 0]
    gaps = gaps[gaps > 0]
    return int(gaps.min()) if gaps.size else None


def ticks_of(bars: Bars, length: Nanos, increments: Integers, indices: Booleans) -> Iterator[Ticks]:
    """The ticks of all bars in order of time, equal times in the bars' order.

    `increments` is each pair's quantity increment, 0 where the instrument is unknown; `indices` marks those that may
    have no volume. A bar that cannot be divided (unknown, or without volume) stays one row, its open, to be judged.
    """
    waiting = Ticks(*(np.zeros(0, dtype=np.int64) for _ in Ticks._fields))
    for start in range(0, len(bars.at), WINDOW_BARS):
        end = min(start + WINDOW_BARS, len(bars.at))
        made = _ticks(bars.window(start, end), length, increments, indices)
        merged = Ticks(*(np.concatenate(columns) for columns in zip(waiting, made, strict=True)))
        order = np.argsort(merged.at, kind="stable")
        merged = Ticks(*(column[order] for column in merged))
        # A later bar may still speak before the last ticks of these: they wait for the next window.
        ready = np.searchsorted(merged.at, bars.at[end], side="left") if end < len(bars.at) else len(merged.at)
        yield Ticks(*(column[:ready] for column in merged))
        waiting = Ticks(*(column[ready:] for column in merged))


def _ticks(bars: Bars, length: Nanos, increments: Integers, indices: Booleans) -> Ticks:
    rising = bars.close >= bars.open
    first_turn, second_turn = np.where(rising, bars.low, bars.high), np.where(rising, bars.high, bars.low)
    path = np.stack((bars.open, first_turn, second_turn, bars.close), axis=1)
    increment = increments[bars.pair]
    kept = np.ones(path.shape, dtype=np.bool_)
    divisible = (increment > 0) & ((bars.volume > 0) | indices[bars.pair])
    kept[:, 1:] = (path[:, 1:] != path[:, :-1]) & divisible[:, None]
    times = bars.at[:, None] + np.array([0, length // 3, 2 * length // 3, length - 1], dtype=np.int64)
    pairs = np.repeat(bars.pair[:, None], 4, axis=1)
    sizes = _shares(bars.volume, increment, kept)
    return Ticks(times[kept], pairs[kept], path[kept], sizes[kept])


def _shares(volume: Integers, increment: Integers, kept: Booleans) -> Integers:
    """Each tick's part of its bar's volume, one row a bar; meaningless where not kept."""
    count = kept.sum(axis=1)
    step = np.maximum(increment, 1)
    share = volume // step // count * step
    sizes = np.repeat(share[:, None], 4, axis=1)
    last = 3 - np.argmax(kept[:, ::-1], axis=1)
    sizes[np.arange(len(volume)), last] = volume - share * (count - 1)
    least = np.where(volume > 0, increment, 0)
    shares: Integers = np.maximum(sizes, least[:, None])
    return shares
