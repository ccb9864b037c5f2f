"""What serving needs of an artefact, whatever its kind: a raw score for one window, and for many at once."""

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
    """An artefact that is ready to compute. It keeps no state between two questions."""

    def score(self, instrument: InstrumentId, window: Window) -> float:
        """Raw score of one window: the fast path of every bar."""
        ...

    def scores(self, instrument: InstrumentId, windows: Windows) -> Scores:
        """Raw scores of many windows of one instrument in one call."""
        ...


def as_window(window: Window) -> Windows:
    """One window as a batch of one."""
    return np.array(window, dtype=np.float64)[None]


def feature_names(manifest: ModelManifest) -> tuple[str, ...]:
    """Names of a model's features, in the order of its rows."""
    return tuple(feature.name for feature in manifest.features)


def market_features(names: tuple[str, ...]) -> tuple[str, ...]:
    """`names` less the one that is the contender's own."""
    return tuple(name for name in names if name != POSITION)
