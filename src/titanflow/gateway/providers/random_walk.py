"""A random walk that is the same on every machine: integers from a counter-based generator, then only + - * / and sqrt.

Those are exact to the last bit wherever IEEE 754 is kept; functions that differ between C libraries are not used.
"""

from collections.abc import Iterator
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from titanflow.domain.instruments import Instrument
from titanflow.domain.types import NANOS_PER_SECOND, SCALE, Nanos
from titanflow.gateway.providers.base import RawTick
from titanflow.gateway.providers.trading_time import TradingTime

BLOCK_TICKS = 4096
"""Ticks made at once. Part of the walk's definition: within a block it adds, from block to block it multiplies."""
JUMP_ODDS = 1 << 15
"""One tick in so many jumps, on average."""
JUMP_SMALLEST, JUMP_LARGEST = 0.002, 0.01
"""Size of a jump, up or down, as a part of the price."""
NOTIONAL_SMALLEST, NOTIONAL_LARGEST = 500.0, 40_000.0
"""Traded value of one tick at midday; large ones are rare."""

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]


class RandomWalk:
    """Ticks of several instruments at even intervals of trading time, each tick of an instrument drawn at random."""

    def __init__(
        self,
        instruments: tuple[Instrument, ...],
        time: TradingTime,
        seed: int,
        interval: Nanos,
        count: int,
        price: float,
        volatility: float,
    ) -> None:
        """`price` in units of currency at the start; `volatility` a year's standard deviation as a part of one."""
        self._instruments = instruments
        self._time = time
        self._seed = seed
        self._interval = interval
        self._count = count
        self._price = price
        ticks_a_year = time.seconds_a_year * NANOS_PER_SECOND / (interval * len(instruments))
        self._deviation = volatility / sqrt(ticks_a_year)

    def span(self) -> tuple[Nanos, Nanos]:
        """Times of the first and the last tick."""
        moments, _ = self._time.at(np.array([0, self._count - 1], dtype=np.int64) * self._interval)
        return int(moments[0]), int(moments[1])

    def ticks(self) -> Iterator[RawTick]:
        """All ticks in order."""
        symbols = [i.symbol for i in self._instruments]
        venues = [i.venue for i in self._instruments]
        prices = [self._price] * len(self._instruments)
        for start in range(0, self._count, BLOCK_TICKS):
            length = min(BLOCK_TICKS, self._count - start)
            columns = (column[:length].tolist() for column in self._block(start, prices))
            for position, (at, who, price, size) in enumerate(zip(*columns, strict=True), start):
                yield RawTick(position, symbols[who], venues[who], at, price, size)

    def _block(self, start: int, prices: list[float]) -> tuple[NDArray[np.int64], ...]:
        """One whole block as columns (time, instrument, price, size); moves `prices` to its end."""
        words = _words(self._seed, start // BLOCK_TICKS)
        moments, through = self._time.at((start + np.arange(BLOCK_TICKS, dtype=np.int64)) * self._interval)
        shape = _intraday_shape(through)
        steps = _normal(words[1:4]) * self._deviation * shape + _jumps(words[4])
        values = NOTIONAL_SMALLEST + NOTIONAL_LARGEST * _unit(words[5]) * _unit(words[6]) * _unit(words[7]) * shape
        who = (words[0] % np.uint64(len(self._instruments))).astype(np.int64)
        price_units, size_units = np.zeros_like(moments), np.zeros_like(moments)
        for index, instrument in enumerate(self._instruments):
            chosen = np.flatnonzero(who == index)
            if chosen.size:
                path = prices[index] * np.maximum(1.0 + np.cumsum(steps[chosen]), 0.5)
                prices[index] = float(path[-1])
                price_units[chosen] = _whole_increments(path, instrument.price_increment)
                size_units[chosen] = _whole_increments(values[chosen] / path, instrument.quantity_increment)
        return moments, who, price_units, size_units


def _words(seed: int, block: int) -> Words:
    """Eight rows of random 64-bit words: a pure function of seed and block (Philox 4x64, counter-based)."""
    key = np.array([seed, block], dtype=np.uint64)
    return np.random.Philox(key=key).random_raw(8 * BLOCK_TICKS).reshape(8, BLOCK_TICKS)


def _unit(words: Words) -> Floats:
    """Uniform in [0, 1), by the upper 53 bits."""
    return (words >> np.uint64(11)).astype(np.float64) * (1.0 / (1 << 53))


def _normal(words: Words) -> Floats:
    """Nearly standard normal: the sum of twelve uniforms less six (Irwin-Hall), each of sixteen bits."""
    low = np.uint64(0xFFFF)
    total = np.zeros(words.shape[1], dtype=np.int64)
    for word in words:
        for shift in (0, 16, 32, 48):
            total += ((word >> np.uint64(shift)) & low).astype(np.int64)
    return (total - 6 * 0xFFFF).astype(np.float64) * (1.0 / (1 << 16))


def _jumps(words: Words) -> Floats:
    """Mostly zero; by chance a jump up or down. Independent at every tick, so nearly Poisson."""
    jumps = words % np.uint64(JUMP_ODDS) == 0
    size = JUMP_SMALLEST + (JUMP_LARGEST - JUMP_SMALLEST) * _unit(words)
    sign = 1.0 - 2.0 * ((words >> np.uint64(20)) & np.uint64(1)).astype(np.float64)
    return np.where(jumps, size * sign, 0.0)


def _intraday_shape(through: Floats) -> Floats:
    """A U over the session with mean 1: busy at the open and the close, calm at midday."""
    from_middle: Floats = 2.0 * through - 1.0
    shape: Floats = 0.7 + 0.9 * from_middle * from_middle
    return shape


def _whole_increments(values: Floats, increment: int) -> NDArray[np.int64]:
    """In 1e-9 units, rounded to whole increments and at least one."""
    steps = np.rint(values * (SCALE / increment)).astype(np.int64)
    return np.maximum(steps, 1) * increment
