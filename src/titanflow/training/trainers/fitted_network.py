"""A fitted torch network as `titanflow.training.trainer.Fitted` has it: scores, artefact, importance."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from titanflow.errors import InputError
from titanflow.training.networks.export import onnx_bytes
from titanflow.training.samples import Rows, Samples
from titanflow.training.trainers.network_inputs import NetworkInputs
from titanflow.training.trainers.torch_loop import JUDGING_BATCH, reproducible

ARTEFACT = "model.onnx"
IMPORTANCE_ROWS = 1024
"""Rows, evenly spread over those trained on, that a measure of importance looks at."""


class FittedNetwork:
    """Scores by the very graph that it exports."""

    def __init__(
        self,
        network: nn.Module,
        inputs: NetworkInputs,
        outputs: tuple[str, ...],
        features: tuple[str, ...],
        importance: Mapping[str, float],
    ) -> None:
        self.network = network
        self.inputs = inputs
        self.outputs = outputs
        self.features = features
        self._importance = importance

    def scores(self, samples: Samples, rows: Rows) -> NDArray[np.float64]:
        """Raw scores of rows whose windows are known. Raises InputError for samples of other features."""
        if samples.feature_names != self.features:
            raise InputError(
                f"the model reads the features {', '.join(self.features)}; "
                f"these samples have {', '.join(samples.feature_names)}"
            )
        scores = np.empty(len(rows))
        self.network.eval()
        with torch.no_grad(), reproducible(seed=0):
            for start in range(0, len(rows), JUDGING_BATCH):
                batch = rows[start : start + JUDGING_BATCH]
                answer = self.network(*self.inputs(samples, batch))
                scores[start : start + len(batch)] = (answer if len(self.outputs) == 1 else answer[0]).numpy()
        return scores

    def artefact(self) -> tuple[str, bytes]:
        """`model.onnx` and its bytes."""
        example = self.inputs.example(len(self.features))
        return ARTEFACT, onnx_bytes(self.network, example, self.inputs.names, self.outputs)

    def importance(self) -> Mapping[str, float]:
        """Feature -> share; the shares sum to one."""
        return self._importance
