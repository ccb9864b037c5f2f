"""A model that is nothing but its ONNX graph: scored row by row as it will be served, whatever made the graph."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from support.tiny_samples import tiny_samples
from titanflow.errors import ModelError
from titanflow.training.trainers.fitted_onnx import BATCH, FittedOnnx
from titanflow.training.trainers.onnx_graph import one_bar_model

SAMPLES = tiny_samples(bars=50, instruments=("AAPL.XNYS", "MU.XNYS", "SPY.XNYS"))
WEIGHTS = np.array([[0.5], [-2.0], [4.0]])


def weighted_sum(weights: NDArray[np.float64]) -> bytes:
    """A graph whose constants are 64-bit floats, as whoever fits them has them."""
    constants = {"weights": weights, "constant": np.array([0.25])}
    return one_bar_model(len(weights), [("Gemm", ("weights", "constant"), {})], constants)


def test_rows_of_several_instruments_are_scored_in_their_own_order() -> None:
    fitted = FittedOnnx(weighted_sum(WEIGHTS), 1, SAMPLES)
    rows = SAMPLES.usable(1)[::-1]
    assert len(set(SAMPLES.instrument[rows[:3]].tolist())) == 3
    assert_allclose(fitted.scores(SAMPLES, rows), SAMPLES.features[rows] @ WEIGHTS[:, 0] + 0.25, rtol=1e-5, atol=1e-5)


def test_more_rows_than_a_batch_are_all_scored() -> None:
    rows = np.resize(SAMPLES.usable(1), 3 * BATCH + 7)
    scores = FittedOnnx(weighted_sum(WEIGHTS), 1, SAMPLES).scores(SAMPLES, rows)
    assert_allclose(scores, SAMPLES.features[rows] @ WEIGHTS[:, 0] + 0.25, rtol=1e-5, atol=1e-5)


def test_no_rows_have_no_scores() -> None:
    scores = FittedOnnx(weighted_sum(WEIGHTS), 1, SAMPLES).scores(SAMPLES, np.array([], dtype=np.int64))
    assert scores.shape == (0,)


def test_the_artefact_is_the_graph_and_the_importance_what_was_given() -> None:
    graph = weighted_sum(WEIGHTS)
    assert FittedOnnx(graph, 1, SAMPLES).artefact() == ("model.onnx", graph)
    assert FittedOnnx(graph, 1, SAMPLES).importance() == {}
    assert FittedOnnx(graph, 1, SAMPLES, {"rsi": 1.0}).importance() == {"rsi": 1.0}


@pytest.mark.parametrize(
    ("graph", "window", "said"),
    [
        (weighted_sum(WEIGHTS[:2]), 1, r"reads windows of \[1, 2\], the manifest has \[1, 3\]"),
        (weighted_sum(WEIGHTS), 4, r"reads windows of \[1, 3\], the manifest has \[4, 3\]"),
        (b"no graph", 1, "cannot be read"),
    ],
    ids=["fewer features", "other window", "no graph"],
)
def test_a_graph_that_could_not_be_served_is_refused_when_it_is_made(graph: bytes, window: int, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        FittedOnnx(graph, window, SAMPLES)
