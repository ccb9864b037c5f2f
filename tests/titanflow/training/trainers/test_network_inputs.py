"""What networks read of samples."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from support.tiny_samples import tiny_samples
from titanflow.training.samples import Samples
from titanflow.training.trainers.network_inputs import (
    NetworkInputs,
    PricePaths,
    scale_of,
    settled_rows,
    spread_out,
)


@pytest.fixture
def samples() -> Samples:
    return tiny_samples(60, horizon=3)


def test_a_window_ends_with_its_own_row(samples: Samples) -> None:
    (window,) = NetworkInputs(4)(samples, np.array([10, 75]))
    assert window.shape == (2, 4, 3)
    np.testing.assert_array_equal(window[1].numpy(), samples.features[72:76].astype(np.float32))


def test_instruments_are_numbered_from_one_and_strangers_are_zero(samples: Samples) -> None:
    inputs = NetworkInputs(4, ("AAPL.XNYS", "SPY.XNYS"))
    assert inputs(samples, np.array([10, 75]))[1].tolist() == [1, 2]
    elsewhere = tiny_samples(60, instruments=("QQQ.XNAS", "SPY.XNYS"))
    assert inputs(elsewhere, np.array([10, 75]))[1].tolist() == [0, 2]


def test_an_example_has_the_form_of_the_inputs(samples: Samples) -> None:
    inputs = NetworkInputs(4, samples.instruments)
    given = inputs(samples, np.array([10, 75]))
    assert [(part.shape, part.dtype) for part in inputs.example(3)] == [(part.shape, part.dtype) for part in given]


def test_the_scale_is_that_of_the_rows_alone() -> None:
    samples = tiny_samples(60)
    samples.features[:, 1] = 5.0
    samples.features[40:] = 1e6
    mean, deviation = scale_of(samples, np.arange(40))
    np.testing.assert_allclose(mean, samples.features[:40].mean(axis=0))
    np.testing.assert_allclose(deviation[[0, 2]], samples.features[:40, [0, 2]].std(axis=0))
    assert deviation[1] == 1


def test_rows_are_thinned_evenly() -> None:
    rows = np.arange(100, 200)
    assert spread_out(rows, 4).tolist() == [100, 133, 166, 199]
    assert spread_out(rows, 1000).tolist() == rows.tolist()


def test_a_row_is_settled_within_its_horizon_and_its_instrument(samples: Samples) -> None:
    settled = settled_rows(samples)
    assert settled[10] == 13
    assert settled[58] == settled[59] == 59
    assert settled[60] == 63


def test_a_path_stands_still_once_its_label_is_settled(samples: Samples) -> None:
    stopped = replace(samples, settled_at=np.where(np.arange(120) == 10, samples.closed_at[12], samples.settled_at))
    paths = PricePaths(stopped, 3, np.arange(50))
    close = samples.close
    returns = np.array([close[11], close[12], close[12]]) / close[10] - 1
    np.testing.assert_allclose(paths(np.array([10]))[0], returns / paths.deviation, rtol=1e-5)


def test_a_price_after_the_label_was_settled_changes_no_path(samples: Samples) -> None:
    rows = np.arange(20)
    later = samples.close.copy()
    later[int(settled_rows(samples)[rows].max()) + 1 :] *= 2
    for steps in (3, 9):
        before = PricePaths(samples, steps, rows)(rows)
        assert torch.equal(before, PricePaths(replace(samples, close=later), steps, rows)(rows))
