"""What serving needs of an artefact, whatever its kind: a raw score for one window, and for many at once."""

from operator import is_
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from titanflow.domain.models import POSITION, ModelManifest
from titanflow.domain.types import InstrumentId
from titanflow.signal.model import Window

Windows = NDArray[np.float64]
"""(count, bars, features): windows with the newest row last."""
Scores = NDArray[np.float64]


class Scorer(Protocol):
    """An artefact that is ready to compute. The same question has the same answer, to the bit, whatever came before."""

    def score(self, instrument: InstrumentId, window: Window) -> float:
        """Raw score of one window: the fast path of every bar."""
        ...

    def scores(self, instrument: InstrumentId, windows: Windows) -> Scores:
        """Raw scores of many windows of one instrument in one call."""
        ...


class Remembering:
    """A scorer that does not compute again what it was asked last, be it by a contender, a stack or an explanation.

    It knows the question again by its rows themselves, not by their values: 0.0 equals -0.0 and may score otherwise.
    """

    def __init__(self, scorer: Scorer) -> None:
        self.scores = scorer.scores
        self._score = scorer.score
        self._instrument: InstrumentId = ""
        self._window: Window = ()
        self._last = 0.0

    def score(self, instrument: InstrumentId, window: Window) -> float:
        """Raw score of one window."""
        if instrument != self._instrument or not same_rows(window, self._window):
            self._last = self._score(instrument, window)
            self._instrument, self._window = instrument, tuple(window)
        return self._last


def same_rows(one: Window, other: Window) -> bool:
    """Whether both hold the very same rows, which cannot have changed since."""
    return len(one) == len(other) and all(map(is_, one, other))


def as_window(window: Window) -> Windows:
    """One window as a batch of one."""
    return np.array(window, dtype=np.float64)[None]


def feature_names(manifest: ModelManifest) -> tuple[str, ...]:
    """Names of a model's features, in the order of its rows."""
    return tuple(feature.name for feature in manifest.features)


def market_features(names: tuple[str, ...]) -> tuple[str, ...]:
    """`names` less the one that is the contender's own."""
    return tuple(name for name in names if name != POSITION)
