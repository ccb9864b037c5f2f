"""The Temporal Fusion Transformer of Lim, Arık, Loeff and Pfister 2021: a window of bars and the instrument in,
quantiles of the return over each of the next bars out, with what it selected and where it looked.
"""

from collections.abc import Sequence
from math import cos, pi, sin
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from titanflow.training.networks.layers import (
    GatedResidualNetwork,
    GatedSkip,
    GroupedLinear,
    InterpretableAttention,
    Standardise,
    VariableSelection,
    causal_mask,
)

QUANTILES = (0.1, 0.5, 0.9)
UNKNOWN_INSTRUMENT = 0
CLOCK = ("time_sin", "time_cos")
"""The features whose future is known."""
DAY_SECONDS = 86_400
LEAST_SPREAD = 1e-3
"""Keeps a score finite, and the quantiles apart, in parts of the target's deviation."""


class Foresight(NamedTuple):
    """All that one pass tells."""

    quantiles: Tensor
    """(batch, steps, 3): ascending, in deviations of the training rows' return over as many bars."""
    selection: Tensor
    """(batch, bars, features): weight of each feature at each bar of the window; sums to one over the features."""
    attention: Tensor
    """(batch, steps, bars + steps): where each step looked; sums to one, nothing on later steps."""


class FutureClock(nn.Module):
    """What is known of the bars to come: how far ahead each is, and its time of day."""

    turn: Tensor
    ahead: Tensor

    def __init__(self, features: Sequence[str], steps: int, bar_seconds: int) -> None:
        super().__init__()
        self.columns = [features.index(name) for name in CLOCK] if set(CLOCK) <= set(features) else []
        self.variables = 1 + len(self.columns)
        angles = [2 * pi * bar_seconds * step / DAY_SECONDS for step in range(1, steps + 1)]
        # Rows of the step's rotation: (sin, cos) of the newest bar -> (sin, cos) of the bar so many steps later.
        turn = [[[cos(angle), sin(angle)], [-sin(angle), cos(angle)]] for angle in angles]
        self.register_buffer("turn", torch.tensor(turn))
        self.register_buffer("ahead", torch.linspace(-1, 1, steps).reshape(1, steps, 1))

    def forward(self, window: Tensor) -> Tensor:
        """Raw features (batch, bars, features) -> (batch, steps, variables)."""
        ahead = self.ahead.expand(window.shape[0], -1, -1)
        if not self.columns:
            return ahead
        clock = torch.stack([window[:, -1, column] for column in self.columns], dim=-1)
        turned = (self.turn @ clock[:, None, :, None]).squeeze(-1)
        return torch.cat((ahead, turned), dim=-1)


class StaticCovariates(nn.Module):
    """The instrument, and the four contexts in which all else is seen because of it (section 4.3)."""

    def __init__(self, instruments: int, width: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(1 + instruments, width)
        self.select = VariableSelection(1, width, dropout=dropout)
        self.contexts = nn.ModuleList(GatedResidualNetwork(width, width, width, dropout=dropout) for _ in range(4))

    def forward(self, instrument: Tensor) -> tuple[Tensor, ...]:
        """Numbers (batch) -> contexts (batch, 1, width): of selection, enrichment, the LSTM's state and its cell."""
        static, _ = self.select(self.embedding(instrument)[None, :, None, :])
        return tuple(context(static) for context in self.contexts)


class TFTModel(nn.Module):
    """Selects, remembers, attends, and says how far the price may go.

    Instruments are numbered from 1; 0 is one that was never seen. `score` is the median return over the last step in
    parts of the distance between its outer quantiles: how sure a rise is, whatever the volatility.
    """

    def __init__(
        self,
        mean: Tensor,
        deviation: Tensor,
        *,
        features: Sequence[str],
        instruments: int,
        window: int,
        steps: int,
        bar_seconds: int,
        width: int,
        heads: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.steps = steps
        self.standardise = Standardise(mean, deviation)
        self.static = StaticCovariates(instruments, width, dropout)
        self.past_embedding = GroupedLinear(len(features), 1, width)
        self.past_selection = VariableSelection(len(features), width, context=width, dropout=dropout)
        self.clock = FutureClock(features, steps, bar_seconds)
        self.future_embedding = GroupedLinear(self.clock.variables, 1, width)
        self.future_selection = VariableSelection(self.clock.variables, width, context=width, dropout=dropout)
        self.encoder = nn.LSTM(width, width, batch_first=True)
        self.decoder = nn.LSTM(width, width, batch_first=True)
        self.memory_gate = GatedSkip(width, width, dropout=dropout)
        self.enrichment = GatedResidualNetwork(width, width, width, context=width, dropout=dropout)
        self.attention = InterpretableAttention(width, heads)
        self.attention_gate = GatedSkip(width, width, dropout=dropout)
        self.feed_forward = GatedResidualNetwork(width, width, width, dropout=dropout)
        self.output_gate = GatedSkip(width, width)
        self.head = nn.Linear(width, len(QUANTILES))
        self.register_buffer("hidden", causal_mask(window, steps), persistent=False)

    hidden: Tensor

    def forward(self, window: Tensor, instrument: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Raw features (batch, bars, features) and numbers (batch) -> score (batch), selection (batch, features) and
        attention (batch, bars): the mean over the window, and the last step's look back, each summing to one.
        """
        foresight = self.foresee(window, instrument)
        low, median, high = foresight.quantiles[:, -1].unbind(dim=-1)
        looked = foresight.attention[:, -1, : window.shape[1]]
        return median / (high - low), foresight.selection.mean(dim=1), looked / looked.sum(dim=-1, keepdim=True)

    def foresee(self, window: Tensor, instrument: Tensor) -> Foresight:
        """All that the model makes of raw features (batch, bars, features) and the instruments' numbers (batch)."""
        selecting, enriching, state, cell = self.static(instrument)
        past, selection = self.past_selection(_embedded(self.standardise(window), self.past_embedding), selecting)
        future, _ = self.future_selection(_embedded(self.clock(window), self.future_embedding), selecting)
        remembered = self._remember(past, future, state, cell)
        enriched = self.enrichment(remembered, enriching)
        asking = enriched[:, -self.steps :]
        attended = self.attention(asking, enriched, self.hidden)
        fused = self.feed_forward(self.attention_gate(attended.values, asking))
        return Foresight(
            self._quantiles(self.output_gate(fused, remembered[:, -self.steps :])), selection, attended.weights
        )

    def _remember(self, past: Tensor, future: Tensor, state: Tensor, cell: Tensor) -> Tensor:
        encoded, carried = self.encoder(past, (state.transpose(0, 1), cell.transpose(0, 1)))
        decoded, _ = self.decoder(future, carried)
        remembered: Tensor = self.memory_gate(torch.cat((encoded, decoded), dim=1), torch.cat((past, future), dim=1))
        return remembered

    def _quantiles(self, fused: Tensor) -> Tensor:
        """A median, and distances from it that cannot be negative: quantiles that cannot cross."""
        median, below, above = self.head(fused).unbind(dim=-1)
        low = median - functional.softplus(below) - LEAST_SPREAD
        high = median + functional.softplus(above) + LEAST_SPREAD
        return torch.stack((low, median, high), dim=-1)


def _embedded(values: Tensor, embedding: GroupedLinear) -> Tensor:
    """(batch, time, variables) -> (variables, batch, time, width)."""
    batch, time, variables = values.shape
    flat = values.reshape(batch * time, variables).transpose(0, 1).unsqueeze(-1)
    embedded: Tensor = embedding(flat)
    return embedded.reshape(variables, batch, time, embedded.shape[-1])


def pinball_loss(quantiles: Tensor, targets: Tensor) -> Tensor:
    """Mean quantile loss (Koenker and Bassett 1978): `targets` (batch, steps) against (batch, steps, 3)."""
    levels = torch.tensor(QUANTILES, device=targets.device)
    missed = targets.unsqueeze(-1) - quantiles
    return torch.maximum(levels * missed, (levels - 1) * missed).mean()
