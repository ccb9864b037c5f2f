"""The policy network of a PPO agent: how it looks while it learns (torch), and the plain arrays that remain of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from titanflow.training.trainers.onnx_graph import Step, one_bar_model

Array = NDArray[np.float32]
StateDict = Mapping[str, torch.Tensor]
FURTHEST = 5.0
"""Deviations from the mean beyond which a feature is cut: one wild value must not decide alone."""


class Standardise(BaseFeaturesExtractor):
    """Scales observations by the training rows' mean and deviation, inside the network: nothing is kept beside it."""

    def __init__(self, observation_space: Box, mean: Array, deviation: Array) -> None:
        super().__init__(observation_space, features_dim=int(observation_space.shape[0]))
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("deviation", torch.from_numpy(deviation))

    mean: torch.Tensor
    deviation: torch.Tensor

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Deviations from the mean, cut at `FURTHEST`."""
        return ((observations - self.mean) / self.deviation).clamp(-FURTHEST, FURTHEST)


@dataclass(frozen=True)
class Actor:
    """Scaling, two hidden layers of tanh, and one number: the logit of being long over being flat."""

    mean: Array
    deviation: Array
    layers: tuple[tuple[Array, Array], ...]
    """(weights [out, in], biases [out]) of the hidden layers and the head."""

    @classmethod
    def of(cls, state: StateDict) -> "Actor":
        """What a stable-baselines3 policy's state decides by; its value network is left behind."""
        array = {name: tensor.detach().cpu().numpy().copy() for name, tensor in state.items()}
        hidden = tuple(
            (array[f"mlp_extractor.policy_net.{n}.weight"], array[f"mlp_extractor.policy_net.{n}.bias"]) for n in (0, 2)
        )
        # A softmax of two logits depends on their difference alone.
        flat, long = array["action_net.weight"]
        bias = np.diff(array["action_net.bias"])
        head = ((long - flat)[None, :], bias)
        return cls(array["features_extractor.mean"], array["features_extractor.deviation"], (*hidden, head))

    def scores(self, observations: Array) -> Array:
        """The logit of being long for each observation."""
        value = np.clip((observations - self.mean) / self.deviation, -FURTHEST, FURTHEST)
        *hidden, (weights, bias) = self.layers
        for inner, offset in hidden:
            value = np.tanh(value @ inner.T + offset)
        scores: Array = (value @ weights.T + bias)[:, 0]
        return scores

    def to_onnx(self) -> bytes:
        """The same network as an ONNX model of one bar."""
        constants: dict[str, NDArray[np.generic]] = {
            "mean": self.mean,
            "deviation": self.deviation,
            "lowest": np.array(-FURTHEST, dtype=np.float32),
            "highest": np.array(FURTHEST, dtype=np.float32),
        }
        steps: list[Step] = [
            ("Sub", ("mean",), {}),
            ("Div", ("deviation",), {}),
            ("Clip", ("lowest", "highest"), {}),
        ]
        for number, (weights, bias) in enumerate(self.layers):
            constants |= {f"weights_{number}": weights, f"bias_{number}": bias}
            steps.append(("Gemm", (f"weights_{number}", f"bias_{number}"), {"transB": 1}))
            if number < len(self.layers) - 1:
                steps.append(("Tanh", (), {}))
        return one_bar_model(len(self.mean), steps, constants)
