"""The blocks that networks are built of. Names and equations of the gated ones: Lim, Arık, Loeff and Pfister 2021,
Temporal Fusion Transformers for interpretable multi-horizon time series forecasting, sections 4.1, 4.2 and 4.4.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

CLIP = 6.0
"""Standard deviations beyond which an input is cut off: one wild value shall not drown all others."""


class Standardise(nn.Module):
    """Raw features to deviations from the training rows' mean. Part of the graph, so that serving feeds raw ones."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.float())
        self.register_buffer("deviation", deviation.float())

    def forward(self, features: Tensor) -> Tensor:
        """(..., features) -> the same shape, within ±`CLIP`."""
        return torch.clamp((features - self.mean) / self.deviation, -CLIP, CLIP)


class GroupedLinear(nn.Module):
    """A dense layer of its own for each variable, all of them in one batched product."""

    def __init__(self, variables: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(variables, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(variables, 1, outputs).uniform_(-bound, bound))

    def forward(self, values: Tensor) -> Tensor:
        """(variables, rows, inputs) -> (variables, rows, outputs)."""
        return torch.baddbmm(self.bias, values, self.weight)


class GroupedNorm(nn.Module):
    """Layer normalisation with gain and shift of its own for each variable."""

    def __init__(self, variables: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.gain = nn.Parameter(torch.ones(variables, 1, width))
        self.shift = nn.Parameter(torch.zeros(variables, 1, width))

    def forward(self, values: Tensor) -> Tensor:
        """(variables, rows, width) -> the same shape."""
        return functional.layer_norm(values, (self.width,)) * self.gain + self.shift


class GatedSkip(nn.Module):
    """LayerNorm(skip + GLU(values)): a gate that can shut a block off, so that it adds nothing to the skip (eq. 5)."""

    def __init__(self, inputs: int, outputs: int, *, variables: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.gate = GroupedLinear(variables, inputs, 2 * outputs) if variables else nn.Linear(inputs, 2 * outputs)
        self.norm = GroupedNorm(variables, outputs) if variables else nn.LayerNorm(outputs)

    def forward(self, values: Tensor, skip: Tensor) -> Tensor:
        """(..., inputs) and (..., outputs) -> (..., outputs)."""
        gated: Tensor = self.norm(skip + functional.glu(self.gate(self.dropout(values)), dim=-1))
        return gated


class GatedResidualNetwork(nn.Module):
    """A dense block that bends its input only as far as that helps (eq. 2 to 4). `variables`: one for each of them."""

    def __init__(
        self, inputs: int, hidden: int, outputs: int, *, context: int = 0, variables: int = 0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        dense = partial(GroupedLinear, variables) if variables else nn.Linear
        self.rise = dense(inputs, hidden)
        self.context = nn.Linear(context, hidden, bias=False) if context else None
        self.turn = dense(hidden, hidden)
        self.skip = dense(inputs, outputs) if inputs != outputs else nn.Identity()
        self.gate = GatedSkip(hidden, outputs, variables=variables, dropout=dropout)

    def forward(self, values: Tensor, context: Tensor | None = None) -> Tensor:
        """(..., inputs), and a context that broadcasts to them, -> (..., outputs)."""
        risen = self.rise(values)
        if self.context is not None:
            risen = risen + self.context(context)
        gated: Tensor = self.gate(self.turn(functional.elu(risen)), self.skip(values))
        return gated


class VariableSelection(nn.Module):
    """Which variables matter here: a softmax over them weighs what a network of each makes of it (eq. 6 to 8)."""

    def __init__(self, variables: int, width: int, *, context: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.weigh = GatedResidualNetwork(variables * width, width, variables, context=context, dropout=dropout)
        self.transform = GatedResidualNetwork(width, width, width, variables=variables, dropout=dropout)

    def forward(self, embedded: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(variables, batch, time, width), context (batch, 1, context) -> (batch, time, width), and the weights
        (batch, time, variables), which sum to one.
        """
        variables, batch, time, width = embedded.shape
        flat = embedded.permute(1, 2, 0, 3).reshape(batch, time, variables * width)
        weights = torch.softmax(self.weigh(flat, context), dim=-1)
        each = self.transform(embedded.reshape(variables, batch * time, width)).reshape(variables, batch, time, width)
        return (each * weights.permute(2, 0, 1).unsqueeze(-1)).sum(dim=0), weights


class Attended(NamedTuple):
    """What attention took in, and where it looked."""

    values: Tensor
    """(batch, queries, width)."""
    weights: Tensor
    """(batch, queries, keys): mean of the heads; sums to one over the keys."""


class InterpretableAttention(nn.Module):
    """Multi-head attention whose heads share their values, so that the mean of their weights tells what was used
    (eq. 13 to 16).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.size = width // heads
        self.query = nn.Linear(width, heads * self.size)
        self.key = nn.Linear(width, heads * self.size)
        self.value = nn.Linear(width, self.size)
        self.out = nn.Linear(self.size, width, bias=False)

    def forward(self, queries: Tensor, keys: Tensor, hidden: Tensor) -> Attended:
        """(batch, queries, width) look at (batch, keys, width), but not where `hidden` (queries, keys) is true."""
        query = self._split(self.query(queries))
        key = self._split(self.key(keys))
        fit = torch.matmul(query, key.transpose(-1, -2)) * self.size**-0.5
        weights = torch.softmax(fit.masked_fill(hidden, float("-inf")), dim=-1).mean(dim=1)
        return Attended(self.out(torch.matmul(weights, self.value(keys))), weights)

    def _split(self, values: Tensor) -> Tensor:
        batch, time, _ = values.shape
        return values.reshape(batch, time, self.heads, self.size).transpose(1, 2)


def causal_mask(past: int, future: int) -> Tensor:
    """(future, past + future): true where a future step would look at one that is later than itself."""
    return torch.ones(future, past + future, dtype=torch.bool).triu(diagonal=past + 1)
