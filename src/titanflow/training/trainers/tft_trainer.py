"""Teaches the Temporal Fusion Transformer: how far may the price go, at each of the next bars?"""

from collections.abc import Mapping
from typing import ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from titanflow.training.networks.tft_model import TFTModel, pinball_loss
from titanflow.training.samples import Rows, Samples
from titanflow.training.trainer import Progress
from titanflow.training.trainers import Resources
from titanflow.training.trainers.fitted_network import IMPORTANCE_ROWS, FittedNetwork
from titanflow.training.trainers.network_inputs import NetworkInputs, PricePaths, scale_of, spread_out
from titanflow.training.trainers.torch_loop import LoopSettings, fit_network, reproducible

OUTPUTS = ("score", "selection", "attention")


class TFTSettings(LoopSettings):
    """Hyperparameters of `titanflow train tft`. A row costs about ten times the LSTM's, hence less of all."""

    window: int = Field(20, ge=2, le=500, description="bars that one inference reads")
    epoch_rows: int = Field(10_000, ge=1, le=100_000_000, description="rows an epoch at most, drawn anew each time")
    epochs: int = Field(12, ge=1, le=1000, description="epochs at most")
    patience: int = Field(3, ge=1, le=1000, description="epochs without a better early-stop loss before it stops")
    width: int = Field(12, ge=2, le=512, description="width of every layer")
    heads: int = Field(2, ge=1, le=16, description="attention heads; must divide the width")
    unknown_share: float = Field(
        0.1, ge=0, lt=1, description="part of the rows shown as of an unknown instrument, so that it is one it knows"
    )

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"heads {self.heads} must divide width {self.width}")
        return self


class TFTTrainer:
    """Fits a `TFTModel` by the quantile loss of the price's path over the label's horizon."""

    kind: ClassVar[str] = "tft"
    Settings: ClassVar[type[TFTSettings]] = TFTSettings
    libraries: ClassVar[tuple[str, ...]] = ("torch", "onnx", "onnxruntime")

    def __init__(self, settings: TFTSettings, resources: Resources | None = None) -> None:
        self.settings = settings
        self.resources = resources or Resources()
        self.window = settings.window

    def fit(self, samples: Samples, train: Rows, early_stop: Rows, seed: int, progress: Progress) -> FittedNetwork:
        """Fit on `train` until `early_stop` gets no better. Raises InputError where there is nothing to learn from."""
        inputs = NetworkInputs(self.window, samples.window.instruments)
        network = self._network(samples, train, seed)
        paths = PricePaths(samples, network.steps, train)

        def loss(rows: Rows, device: torch.device) -> Tensor:
            window, instrument = inputs(samples, rows)
            if network.training:
                instrument = instrument * (torch.rand(len(rows)) >= self.settings.unknown_share)
            foresight = network.foresee(window.to(device), instrument.to(device))
            return pinball_loss(foresight.quantiles, paths(rows).to(device))

        fit_network(
            network, loss, train, early_stop,
            settings=self.settings, seed=seed, resources=self.resources, progress=progress,
        )  # fmt: skip
        importance = _importance(network, inputs, samples, train)
        return FittedNetwork(network, inputs, OUTPUTS, samples.feature_names, importance)

    def _network(self, samples: Samples, train: Rows, seed: int) -> TFTModel:
        with reproducible(seed):
            return TFTModel(
                *scale_of(samples, train),
                features=samples.feature_names,
                instruments=len(samples.window.instruments),
                window=self.window,
                steps=samples.label_spec.horizon_bars,
                bar_seconds=samples.bar_seconds,
                width=self.settings.width,
                heads=self.settings.heads,
                dropout=self.settings.dropout,
            )


def _importance(network: TFTModel, inputs: NetworkInputs, samples: Samples, train: Rows) -> Mapping[str, float]:
    """Mean weight that the variable selection gave each feature."""
    window, instrument = inputs(samples, spread_out(train, IMPORTANCE_ROWS))
    with torch.no_grad(), reproducible(seed=0):
        selection = network.foresee(window, instrument).selection.double().mean(dim=(0, 1))
    return dict(zip(samples.feature_names, selection.tolist(), strict=True))
