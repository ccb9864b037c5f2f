"""The Temporal Fusion Transformer, against what its paper promises."""

import pytest
import torch

from titanflow.training.networks.tft_model import FutureClock, TFTModel, pinball_loss

FEATURES = ("rsi", "atr", "time_sin", "time_cos")
WINDOW, STEPS = 7, 5


def model(features: tuple[str, ...] = FEATURES) -> TFTModel:
    torch.manual_seed(3)
    count = len(features)
    return TFTModel(
        torch.zeros(count), torch.ones(count), features=features, instruments=2, window=WINDOW, steps=STEPS,
        bar_seconds=60, width=8, heads=2,
    ).eval()  # fmt: skip


@pytest.fixture
def window() -> torch.Tensor:
    torch.manual_seed(4)
    return torch.randn(3, WINDOW, len(FEATURES))


INSTRUMENT = torch.tensor([0, 1, 2])


def test_shapes_are_those_of_the_contract(window: torch.Tensor) -> None:
    score, selection, attention = model()(window, INSTRUMENT)
    assert (score.shape, selection.shape, attention.shape) == ((3,), (3, len(FEATURES)), (3, WINDOW))
    foresight = model().foresee(window, INSTRUMENT)
    assert foresight.quantiles.shape == (3, STEPS, 3)
    assert foresight.selection.shape == (3, WINDOW, len(FEATURES))
    assert foresight.attention.shape == (3, STEPS, WINDOW + STEPS)


def test_selection_and_attention_sum_to_one(window: torch.Tensor) -> None:
    _, selection, attention = model()(window, INSTRUMENT)
    for weights in (selection, attention):
        assert (weights >= 0).all()
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(3))


def test_quantiles_never_cross_however_wild_the_input(window: torch.Tensor) -> None:
    network = model()
    torch.nn.init.normal_(network.head.weight, std=50)
    steps = network.foresee(window * 100, INSTRUMENT).quantiles.diff(dim=-1)
    assert (steps > 0).all()


def test_the_score_is_the_last_median_in_parts_of_the_spread(window: torch.Tensor) -> None:
    network = model()
    low, median, high = network.foresee(window, INSTRUMENT).quantiles[:, -1].unbind(dim=-1)
    torch.testing.assert_close(network(window, INSTRUMENT)[0], median / (high - low))


@pytest.mark.parametrize("changed", range(STEPS))
def test_what_is_known_of_a_later_step_changes_no_earlier_step(window: torch.Tensor, changed: int) -> None:
    network = model()
    before = network.foresee(window, INSTRUMENT)
    network.clock.ahead[0, changed] += 3
    after = network.foresee(window, INSTRUMENT)
    torch.testing.assert_close(before.quantiles[:, :changed], after.quantiles[:, :changed])
    torch.testing.assert_close(before.attention[:, :changed], after.attention[:, :changed])
    assert (before.quantiles[:, changed] - after.quantiles[:, changed]).abs().max() > 1e-4


def test_the_instrument_changes_what_is_foreseen(window: torch.Tensor) -> None:
    network, same = model(), window[:1].expand(3, -1, -1)
    scores = network(same, INSTRUMENT)[0]
    assert len(set(scores.tolist())) == 3


def test_rows_of_a_batch_do_not_know_each_other(window: torch.Tensor) -> None:
    network = model()
    for row in range(3):
        alone = network(window[row : row + 1], INSTRUMENT[row : row + 1])
        for whole, part in zip(network(window, INSTRUMENT), alone, strict=True):
            torch.testing.assert_close(whole[row : row + 1], part, atol=1e-5, rtol=1e-5)


def test_the_time_of_day_is_turned_on_from_the_newest_bar() -> None:
    clock = FutureClock(("rsi", "time_sin", "time_cos"), steps=2, bar_seconds=6 * 3600)
    noon = torch.tensor([[[0.3, 1.0, 0.0], [0.4, 0.0, -1.0]]])
    evening_then_midnight = torch.tensor([[[-1.0, -1.0, 0.0], [1.0, 0.0, 1.0]]])
    torch.testing.assert_close(clock(noon), evening_then_midnight, atol=1e-6, rtol=0)


def test_a_model_without_a_clock_knows_only_how_far_ahead_a_step_is() -> None:
    network = model(("rsi", "atr"))
    assert network.clock.variables == 1
    assert network(torch.randn(2, WINDOW, 2), torch.tensor([1, 2]))[0].isfinite().all()


def test_the_quantile_loss_of_a_worked_example() -> None:
    quantiles = torch.tensor([[[-1.0, 0.0, 2.0]]])
    # Misses of 2, 1 and -1 at the levels 0.1, 0.5 and 0.9 cost 0.2, 0.5 and 0.1.
    assert pinball_loss(quantiles, torch.tensor([[1.0]])).item() == pytest.approx(0.8 / 3)


def test_the_quantile_loss_is_least_at_the_quantile() -> None:
    targets = torch.linspace(0, 1, 1001)[:, None]
    losses = [pinball_loss(torch.full((1001, 1, 3), guess), targets).item() for guess in (0.4, 0.5, 0.6)]
    assert losses[1] == min(losses)
