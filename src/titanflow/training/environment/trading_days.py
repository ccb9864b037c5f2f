"""Rows of samples cut into episodes, each a day of one instrument, and the ticks that its bars are played as."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from titanflow.domain.events import BarPointReceived
from titanflow.domain.instruments import Instrument
from titanflow.domain.types import SCALE, Nanos, Price
from titanflow.errors import InputError
from titanflow.gateway.providers.bars import Bars, points_of
from titanflow.training.samples import Rows, Samples

LARGEST_FEATURE = 1e6
"""Features beyond it are cut, so that an observation is always a finite number."""


class Episode(NamedTuple):
    """Consecutive rows of one instrument, both ends included: decisions at all but the last."""

    first: int
    last: int

    @property
    def decisions(self) -> int:
        """How often the agent is asked."""
        return self.last - self.first


class Day(NamedTuple):
    """An episode made ready: entry `n` belongs to row `first + n`."""

    instrument: Instrument
    closed_at: tuple[Nanos, ...]
    atr: tuple[Price, ...]
    points: tuple[tuple[BarPointReceived, ...], ...]
    """Of each bar."""


class TradingDays:
    """Every episode of these rows. What is bought and sold lies within them: no price of another row is ever seen."""

    def __init__(self, samples: Samples, rows: Rows, instruments: Mapping[str, Instrument], longest: int = 390) -> None:
        """A day of more than `longest` bars is cut into parts. Raises InputError where no day can be traded."""
        self.samples = samples
        self.observations: NDArray[np.float32] = np.clip(
            np.nan_to_num(samples.features), -LARGEST_FEATURE, LARGEST_FEATURE
        ).astype(np.float32)
        self._instruments = [instruments[name] for name in samples.instruments]
        self.episodes = self._cut(rows, longest)
        if not self.episodes:
            raise InputError(f"no day to trade: {len(rows)} rows hold no two consecutive bars of a tradable instrument")

    def day(self, episode: Episode) -> Day:
        """The bars of an episode as the gateway plays them: open, nearer extreme, other extreme, close."""
        samples, chosen = self.samples, slice(episode.first, episode.last + 1)
        instrument = self._instruments[samples.instrument[episode.first]]
        bars = self._bars(chosen, instrument)
        atr = np.rint(np.nan_to_num(samples.atr[chosen]) * SCALE).astype(np.int64)
        return Day(
            instrument, tuple(samples.closed_at[chosen].tolist()), tuple(atr.tolist()), _played(bars, instrument)
        )

    def _cut(self, rows: Rows, longest: int) -> tuple[Episode, ...]:
        rows = np.sort(rows)
        rows = rows[np.array([each.tradable for each in self._instruments])[self.samples.instrument[rows]]]
        if not len(rows):
            return ()
        breaks = np.flatnonzero((np.diff(rows) != 1) | (np.diff(self.samples.segment[rows]) != 0)) + 1
        runs = zip([0, *breaks.tolist()], [*breaks.tolist(), len(rows)], strict=True)
        parts = (
            Episode(int(rows[start]), int(rows[min(start + longest, end) - 1]))
            for begin, end in runs
            for start in range(begin, end, longest)
        )
        return tuple(part for part in parts if part.decisions)

    def _bars(self, chosen: slice, instrument: Instrument) -> Bars:
        samples, step = self.samples, instrument.quantity_increment
        return Bars(
            at=samples.opened_at[chosen],
            ends_at=samples.ends_at[chosen],
            pair=np.zeros(chosen.stop - chosen.start, dtype=np.int64),
            open=_units(samples.open[chosen]),
            high=_units(samples.high[chosen]),
            low=_units(samples.low[chosen]),
            close=_units(samples.close[chosen]),
            volume=np.rint(samples.volume[chosen] * (SCALE / step)).astype(np.int64) * step,
            row=np.arange(chosen.start, chosen.stop),
        )


def _units(dollars: NDArray[np.float64]) -> NDArray[np.int64]:
    units: NDArray[np.int64] = np.rint(dollars * SCALE).astype(np.int64)
    return units


def _played(bars: Bars, instrument: Instrument) -> tuple[tuple[BarPointReceived, ...], ...]:
    """Each bar's points. One without volume has points of size 0: it can be marked, and fills nothing."""
    parts = list(points_of(bars, np.array([instrument.quantity_increment])))
    at, _, *columns, _ = (np.concatenate(column) for column in zip(*parts, strict=True))
    others = zip(*(column.tolist() for column in columns), strict=True)
    points = [BarPointReceived(moment, instrument.id, *each) for moment, each in zip(at.tolist(), others, strict=True)]
    ends = [*np.searchsorted(at, bars.at[1:], side="left").tolist(), len(points)]
    return tuple(tuple(points[start:end]) for start, end in zip([0, *ends[:-1]], ends, strict=True))
