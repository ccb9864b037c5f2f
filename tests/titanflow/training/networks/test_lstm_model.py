"""The LSTM with attention."""

import torch

from titanflow.training.networks.lstm_model import LSTMModel


def model(features: int = 3) -> LSTMModel:
    torch.manual_seed(2)
    return LSTMModel(torch.zeros(features), torch.ones(features), hidden=8).eval()


def test_a_window_becomes_one_logit_whatever_its_length() -> None:
    network = model()
    assert network(torch.randn(5, 9, 3)).shape == (5,)
    assert network(torch.randn(2, 30, 3)).shape == (2,)


def test_attention_over_the_bars_sums_to_one() -> None:
    weights = model().attention(torch.randn(4, 9, 8))
    assert weights.shape == (4, 9, 1)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(4, 1))


def test_rows_of_a_batch_do_not_know_each_other() -> None:
    network, windows = model(), torch.randn(4, 9, 3)
    for row in range(4):
        torch.testing.assert_close(network(windows)[row : row + 1], network(windows[row : row + 1]))


def test_the_order_of_the_bars_matters() -> None:
    network, window = model(), torch.randn(1, 9, 3)
    assert (network(window) - network(window.flip(1))).abs().item() > 1e-4


def test_the_unit_of_a_feature_does_not_matter() -> None:
    torch.manual_seed(2)
    scaled = LSTMModel(torch.tensor([0.0, 50.0, 0.0]), torch.tensor([1.0, 10.0, 1.0]), hidden=8).eval()
    window = torch.randn(2, 9, 3)
    raw = window * torch.tensor([1.0, 10.0, 1.0]) + torch.tensor([0.0, 50.0, 0.0])
    torch.testing.assert_close(scaled(raw), model()(window), atol=1e-5, rtol=1e-5)
