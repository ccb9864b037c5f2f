"""Teaches the LSTM with attention: will the price rise first?"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from titanflow.training.networks.lstm_model import LSTMModel
from titanflow.training.samples import Rows, Samples
from titanflow.training.trainer import Progress
from titanflow.training.trainers import Resources
from titanflow.training.trainers.fitted_network import IMPORTANCE_ROWS, FittedNetwork
from titanflow.training.trainers.network_inputs import NetworkInputs, scale_of, spread_out
from titanflow.training.trainers.torch_loop import LoopSettings, fit_network, reproducible


class LSTMSettings(LoopSettings):
    """Hyperparameters of `titanflow train lstm`."""

    hidden: int = Field(32, ge=2, le=512, description="width of the memory")


class LSTMTrainer:
    """Fits an `LSTMModel` by the cross entropy of its labels; the score is the logit of label 1."""

    kind: ClassVar[str] = "lstm"
    Settings: ClassVar[type[LSTMSettings]] = LSTMSettings
    libraries: ClassVar[tuple[str, ...]] = ("torch", "onnx", "onnxruntime")

    def __init__(self, settings: LSTMSettings, resources: Resources | None = None) -> None:
        self.settings = settings
        self.resources = resources or Resources()
        self.window = settings.window

    def fit(self, samples: Samples, train: Rows, early_stop: Rows, seed: int, progress: Progress) -> FittedNetwork:
        """Fit on `train` until `early_stop` gets no better. Raises InputError where there is nothing to learn from."""
        inputs = NetworkInputs(self.window)
        with reproducible(seed):
            network = LSTMModel(*scale_of(samples, train), self.settings.hidden, self.settings.dropout)
        labels = torch.from_numpy(samples.label).float()

        def loss(rows: Rows, device: torch.device) -> Tensor:
            (window,) = inputs(samples, rows)
            return functional.binary_cross_entropy_with_logits(
                network(window.to(device)), labels[torch.from_numpy(rows)].to(device)
            )

        fit_network(
            network, loss, train, early_stop,
            settings=self.settings, seed=seed, resources=self.resources, progress=progress,
        )  # fmt: skip
        importance = _importance(network, inputs, samples, train)
        return FittedNetwork(network, inputs, ("score",), samples.feature_names, importance)


def _importance(network: LSTMModel, inputs: NetworkInputs, samples: Samples, train: Rows) -> Mapping[str, float]:
    """Mean size of the score's slope along each feature's standard deviation, summed over the window, as shares."""
    (window,) = inputs(samples, spread_out(train, IMPORTANCE_ROWS))
    window.requires_grad_()
    with reproducible(seed=0):
        (slope,) = torch.autograd.grad(network(window).sum(), window)
    size = (slope.abs().mean(dim=0).sum(dim=0) * network.standardise.deviation).double()
    share = size / size.sum().clamp(min=1e-300)
    return dict(zip(samples.feature_names, share.tolist(), strict=True))
