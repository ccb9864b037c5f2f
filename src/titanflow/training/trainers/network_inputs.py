"""What torch networks read of samples: windows, instruments' numbers, the scale of features, the path of the price."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from titanflow.training.samples import Rows, Samples

SMALLEST_DEVIATION = 1e-12
"""A feature that varies less counts as constant."""


class NetworkInputs:
    """Raw windows and, where instruments are given, the number of each row's instrument.

    They are numbered from 1 in the order given; 0 is one that is not among them.
    """

    def __init__(self, window: int, instruments: Sequence[str] | None = None) -> None:
        self.window = window
        self.names = ("window",) if instruments is None else ("window", "instrument")
        self.numbers = {name: number for number, name in enumerate(instruments or (), start=1)}

    def __call__(self, samples: Samples, rows: Rows) -> tuple[Tensor, ...]:
        """(rows, window, features) and, where it is read, (rows): on the CPU."""
        window = torch.from_numpy(samples.windows(rows, self.window))
        if len(self.names) == 1:
            return (window,)
        number = np.array([self.numbers.get(name, 0) for name in samples.instruments], dtype=np.int64)
        return window, torch.from_numpy(number[samples.instrument[rows]])

    def example(self, features: int) -> tuple[Tensor, ...]:
        """Inputs of the right form, two rows of zeros."""
        window = torch.zeros(2, self.window, features)
        return (window, torch.zeros(2, dtype=torch.int64))[: len(self.names)]


def scale_of(samples: Samples, rows: Rows) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each feature over the rows; 1 for one that does not vary."""
    values = samples.features[rows]
    return torch.from_numpy(values.mean(axis=0)), torch.from_numpy(_positive(values.std(axis=0)))


def spread_out(rows: Rows, limit: int) -> Rows:
    """At most `limit` of the rows, evenly spread."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(limit, len(rows))).astype(np.int64))]


class PricePaths:
    """Return of the close over each of the next bars, in its deviation over the rows that are learned from.

    A path stands still where its label was settled: it is what a position earned that was closed then, and it tells
    nothing of the time after, which a fold may be about to test.
    """

    def __init__(self, samples: Samples, steps: int, train: Rows) -> None:
        self.samples = samples
        self.steps = np.arange(1, steps + 1)
        self.settled = settled_rows(samples)
        self.deviation = _positive(self._returns(train).std(axis=0))

    def __call__(self, rows: Rows) -> Tensor:
        """(rows, steps)."""
        return torch.from_numpy((self._returns(rows) / self.deviation).astype(np.float32))

    def _returns(self, rows: Rows) -> NDArray[np.float64]:
        close = self.samples.close
        later = np.minimum(rows[:, None] + self.steps, self.settled[rows][:, None])
        return np.asarray(close[later] / close[rows][:, None] - 1)


def settled_rows(samples: Samples) -> Rows:
    """The last row of its own instrument that each row's label looks at; itself where it looks at none."""
    settled = np.arange(len(samples.close), dtype=np.int64)
    for number in range(len(samples.instruments)):
        own = np.flatnonzero(samples.instrument == number)
        if len(own):
            last = np.searchsorted(samples.closed_at[own], samples.settled_at[own], side="right") - 1
            settled[own] = np.maximum(own[np.maximum(last, 0)], own)
    return settled


def _positive(deviation: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(deviation > SMALLEST_DEVIATION, deviation, 1.0)
