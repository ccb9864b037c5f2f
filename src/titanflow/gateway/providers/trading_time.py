"""Trading time: the open hours of a calendar laid end to end, so that a synthetic market ticks while it is open."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from titanflow.domain.instruments import Instrument
from titanflow.domain.types import NANOS_PER_SECOND, Nanos
from titanflow.errors import InputError
from titanflow.gateway.calendars import calendars_for

DAY: Nanos = 24 * 3600 * NANOS_PER_SECOND
YEAR_DAYS = 365
_REGULAR_YEAR_SECONDS = 252 * 23_400
_WHOLE_YEAR_SECONDS = YEAR_DAYS * 24 * 3600


class TradingTime:
    """One year of an instrument's sessions, from a moment on. A venue that never closes has a session each UTC day."""

    def __init__(self, instrument: Instrument, start: Nanos) -> None:
        """Raises InputError where no session is left in the year after `start`."""
        end = start + YEAR_DAYS * DAY
        (calendar,) = calendars_for((instrument,), start, end)
        sessions = _days(start, end) if calendar.always_open else iter(calendar.sessions)
        kept = [(max(o, start), min(c, end), o, c) for o, c in sessions if c > start and o < end]
        if not kept:
            raise InputError(f"calendar {instrument.calendar!r} has no session in the year after {start}")
        begins, ends, opens, closes = np.array(kept, dtype=np.int64).T
        self._begins, self._opens, self._lengths = begins, opens, closes - opens
        self._elapsed = np.concatenate(([0], np.cumsum(ends - begins)))
        self.length: Nanos = int(self._elapsed[-1])
        """Open time in all."""
        self.seconds_a_year = _WHOLE_YEAR_SECONDS if calendar.always_open else _REGULAR_YEAR_SECONDS
        """Open time of a usual year, by which a year's volatility is spread."""

    def at(self, elapsed: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The moments at which so much open time has elapsed, and how far through its session each is, from 0 to 1."""
        index = np.searchsorted(self._elapsed, elapsed, side="right") - 1
        moments = self._begins[index] + (elapsed - self._elapsed[index])
        return moments, (moments - self._opens[index]) / self._lengths[index]


def _days(start: Nanos, end: Nanos) -> Iterator[tuple[Nanos, Nanos]]:
    return ((day, day + DAY) for day in range(start - start % DAY, end, DAY))
