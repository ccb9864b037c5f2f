"""What an order costs in an instrument, from its bars: what the simulated market would have charged on the way.

The deciders' own estimates of spread and impact, so that a validation and a session reckon with the same costs.
"""

import numpy as np
from numpy.typing import NDArray

from titanflow.domain.events import BarPointReceived
from titanflow.domain.instruments import Instrument
from titanflow.domain.session_settings import ExecutionSettings, SessionSettings
from titanflow.domain.types import MAX_UNITS, NANOS_PER_SECOND, SCALE
from titanflow.execution.simulation.impact import activity, square_root_impact
from titanflow.execution.simulation.spread import estimated_spread
from titanflow.execution.simulation.tape import Tape
from titanflow.training.samples import Samples

ORDER_PART = 10
"""An order is taken as this part of a session's starting cash: the largest position that risk allows by default."""
EVERY_BARS = 15
"""How often the estimate is looked at."""


def estimated_slippage(samples: Samples, index: int, instrument: Instrument) -> float:
    """Half the spread and the impact of an order, as a part of the price: the mean over the instrument's bars."""
    session = SessionSettings()
    rows = np.flatnonzero(samples.instrument == index)
    if not len(rows):
        return session.execution.spread_prior / SCALE / 2
    tape = Tape(samples.bar_seconds)
    found = []
    prices = [_units(column[rows]) for column in (samples.open, samples.high, samples.low, samples.close)]
    volumes, starts = _units(samples.volume[rows]), samples.opened_at[rows].tolist()
    for number, (start, first, high, low, close, volume) in enumerate(
        zip(starts, *(each.tolist() for each in prices), volumes.tolist(), strict=True)
    ):
        end = start + samples.bar_seconds * NANOS_PER_SECOND - 1
        for at, price, size in ((start, first, 0), (start, low, 0), (start, high, 0), (end, close, volume)):
            tape.add_point(BarPointReceived(at, instrument.id, price, size, start, start, first, low, high, at == end))
        if number % EVERY_BARS == 0:
            found.append(_part(tape, close, instrument, session.execution, session.starting_cash // ORDER_PART))
    return sum(found) / len(found)


def _part(tape: Tape, price: int, instrument: Instrument, execution: ExecutionSettings, value: int) -> float:
    spread = max(estimated_spread(tape.window, execution.spread_prior) / SCALE, instrument.price_increment / price)
    impact = square_root_impact(activity(tape.window), value * SCALE // price, execution.impact_factor) / SCALE
    return spread / 2 + impact


def _units(values: NDArray[np.float64]) -> NDArray[np.int64]:
    units: NDArray[np.int64] = np.rint(np.minimum(values * SCALE, MAX_UNITS)).astype(np.int64)
    return units
