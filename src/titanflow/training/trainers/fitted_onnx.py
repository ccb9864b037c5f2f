"""A fitted model that is nothing but its ONNX graph: whatever made the graph, it is scored as it will be served."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from titanflow.models.serving.onnx_session import OnnxSession
from titanflow.training.samples import Rows, Samples
from titanflow.training.trainers.onnx_graph import ARTEFACT

BATCH = 4096
"""Windows scored in one call."""


class FittedOnnx:
    """`titanflow.training.trainer.Fitted` over the bytes of a graph, whose form `Fitted.artefact` describes."""

    def __init__(
        self, graph: bytes, window: int, samples: Samples, importance: Mapping[str, float] | None = None
    ) -> None:
        """`samples` are those it was fitted on, of which features and instruments are kept.

        Raises ModelError where the graph cannot be run, or reads something else than `window` bars of the features.
        """
        self._graph = graph
        self._window = window
        self._importance = importance or {}
        self._session = OnnxSession(graph, window, samples.feature_names, samples.instruments)

    def scores(self, samples: Samples, rows: Rows) -> NDArray[np.float64]:
        """Raw scores by onnxruntime, in 32-bit floats."""
        scores = np.empty(len(rows))
        for number, instrument in enumerate(samples.instruments):
            own = np.flatnonzero(samples.instrument[rows] == number)
            for start in range(0, len(own), BATCH):
                batch = own[start : start + BATCH]
                windows = samples.windows(rows[batch], self._window).astype(np.float64)
                scores[batch] = self._session.scores(instrument, windows)
        return scores

    def artefact(self) -> tuple[str, bytes]:
        """`model.onnx` and its bytes."""
        return ARTEFACT, self._graph

    def importance(self) -> Mapping[str, float]:
        """Feature -> share, as it was given; empty where it was not."""
        return self._importance
