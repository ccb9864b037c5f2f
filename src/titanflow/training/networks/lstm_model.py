"""A long short-term memory with attention over its states: a window of bars in, the logit of a rise out."""

import torch
from torch import Tensor, nn

from titanflow.training.networks.layers import Standardise


class LSTMModel(nn.Module):
    """Reads bars one after the other, then looks back at the states that matter to the last one.

    Attention is additive (Bahdanau, Cho and Bengio 2015, Neural machine translation by jointly learning to align and
    translate): weight of a state = softmax(v · tanh(W state + U last state)).
    """

    def __init__(self, mean: Tensor, deviation: Tensor, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.standardise = Standardise(mean, deviation)
        self.memory = nn.LSTM(len(mean), hidden, batch_first=True)
        self.look = nn.Linear(hidden, hidden)
        self.ask = nn.Linear(hidden, hidden, bias=False)
        self.fit = nn.Linear(hidden, 1, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * hidden, 1)

    def forward(self, window: Tensor) -> Tensor:
        """Raw features (batch, bars, features), the newest bar last -> logits (batch)."""
        states, _ = self.memory(self.standardise(window))
        last = states[:, -1]
        context = (self.attention(states) * states).sum(dim=1)
        logits: Tensor = self.head(self.dropout(torch.cat((context, last), dim=-1)))
        return logits.squeeze(-1)

    def attention(self, states: Tensor) -> Tensor:
        """(batch, bars, hidden) -> weights (batch, bars, 1), which sum to one over the bars."""
        return torch.softmax(self.fit(torch.tanh(self.look(states) + self.ask(states[:, -1:]))), dim=1)
