"""What a trainer is: it fits one kind of model on some rows and can score others; and what it leaves behind."""

from collections.abc import Callable, Mapping
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from titanflow.training.samples import Rows, Samples

Progress = Callable[[str, float], None]
"""(what is being done, part done from 0 to 1): called often, cheap to ignore."""


class Fitted(Protocol):
    """A fitted model of one kind."""

    def scores(self, samples: Samples, rows: Rows) -> NDArray[np.float64]:
        """Raw scores of rows, as the exported artefact would give them."""
        ...

    def artefact(self) -> tuple[str, bytes]:
        """Name and bytes of the file that serving loads: model.txt (LightGBM) or model.onnx.

        ONNX: inputs `window` float32 [batch, window, features] (raw, scaling is inside the graph) and, where the model
        reads it, `instrument` int64 [batch]; outputs `score` float32 [batch], and of a TFT also `selection`
        [batch, features] and `attention` [batch, window], each row summing to one.
        """
        ...

    def importance(self) -> Mapping[str, float]:
        """Feature -> share of the model's own measure of importance; empty where it has none."""
        ...


class Trainer(Protocol):
    """Fits one kind of model. Made anew for every fold; deterministic for a seed on one machine's CPU."""

    kind: ClassVar[str]
    window: int
    """Bars that one inference reads."""

    def fit(self, samples: Samples, train: Rows, early_stop: Rows, seed: int, progress: Progress) -> Fitted:
        """Fit on `train`; `early_stop` are later rows, apart from the test rows, that tell when to stop."""
        ...
