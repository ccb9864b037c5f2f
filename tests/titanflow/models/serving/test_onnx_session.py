"""Networks on onnxruntime: their contract is checked when they are loaded, and their numbers pass through unchanged."""

from math import isnan, nan

import numpy as np
import pytest
from onnx import helper, numpy_helper

from support.serving import SPY, as_rows, graph_of, interacting_network, reference_of, served, some_windows
from support.tiny_models import SCALES, tiny_model_files
from titanflow.errors import ModelError
from titanflow.models.serving import serve
from titanflow.models.serving.onnx_session import OnnxSession

FEATURES = ("return_1", "rsi", "atr")
SCALE = [SCALES[name] for name in FEATURES]
SUM = (
    [helper.make_node("ReduceSum", ["window", "axes"], ["score"], keepdims=0)],
    [numpy_helper.from_array(np.array([1, 2]), "axes")],
)


def session(artefact: bytes, bars: int = 2) -> OnnxSession:
    return OnnxSession(artefact, bars, FEATURES, ())


def test_a_network_scores_what_its_graph_says():
    graph = graph_of(SUM[0], {"window": ["n", 2, 3]}, {"score": ["n"]}, SUM[1])
    window = ((1.0, 2.0, 3.5), (10.0, 20.0, 30.25))
    assert session(graph).score(SPY, window) == 66.75
    assert session(graph).scores(SPY, np.array([window, window]) * [[[1.0]], [[2.0]]]).tolist() == [66.75, 133.5]


def test_a_batch_scores_as_one_by_one():
    network = session(interacting_network(2, SCALE))
    random = np.random.default_rng(5).standard_normal((40, 2, 3)) * [s for _, s in SCALE] + [m for m, _ in SCALE]
    one_by_one = [network.score(SPY, as_rows(window)) for window in random]
    assert network.scores(SPY, random) == pytest.approx(one_by_one, abs=1e-5)


def test_a_score_that_is_no_number_passes_through():
    model = served("lstm")
    window = as_rows(some_windows(model, 1)[0])
    inference = model.infer(SPY, (*window[:-1], (nan, *window[-1][1:])))
    assert isnan(inference.score)
    assert isnan(inference.probability)
    assert isnan(inference.dissimilarity)


def test_the_instrument_is_numbered_by_the_training_and_unknown_ones_are_zero():
    model = served("tft", instruments=("AAPL.XNYS", "SPY.ARCX"))
    window = as_rows(some_windows(model, 1)[0])
    unknown, first, second = (model.infer(name, window).score for name in ("OTHER.X", "AAPL.XNYS", "SPY.ARCX"))
    # The tiny network adds 0.01 times the instrument's number.
    assert first - unknown == pytest.approx(0.01, abs=1e-6)
    assert second - unknown == pytest.approx(0.02, abs=1e-6)


def test_what_a_transformer_shows_is_named_and_sums_to_one():
    model = served("tft")
    explanation = model.explain(SPY, as_rows(some_windows(model, 1)[0]), 1)
    shown = {name: value for name, value in explanation.weights if not name.startswith("standard_error.")}
    selection = [f"selection.{feature.name}" for feature in model.manifest.features]
    attention = [f"attention.{ago}" for ago in range(model.manifest.window - 1, -1, -1)]
    assert list(shown) == selection + attention
    assert sum(shown[name] for name in selection) == pytest.approx(1, abs=1e-6)
    assert sum(shown[name] for name in attention) == pytest.approx(1, abs=1e-6)


def test_a_network_of_another_number_of_features_is_refused():
    manifest, files = tiny_model_files("lstm", features=FEATURES, window=4)
    graph = interacting_network(4, SCALE[:2])
    with pytest.raises(ModelError, match=r"lstm.*model\.onnx.*reads windows of \[4, 2\], the manifest has \[4, 3\]"):
        serve(manifest, {**files, "model.onnx": graph}, reference_of(files))


def test_a_network_of_another_window_is_refused():
    with pytest.raises(ModelError, match=r"reads windows of \[5, 3\], the manifest has \[2, 3\]"):
        session(interacting_network(5, SCALE))


def test_a_network_that_fails_at_its_first_window_is_refused_when_it_is_loaded():
    weights = numpy_helper.from_array(np.zeros((7, 1), dtype=np.float32), "weights")
    axes = numpy_helper.from_array(np.array([1, 2]), "axes")
    nodes = [
        helper.make_node("MatMul", ["window", "weights"], ["parts"]),
        helper.make_node("ReduceSum", ["parts", "axes"], ["score"], keepdims=0),
    ]
    graph = graph_of(nodes, {"window": ["n", "bars", "features"]}, {"score": ["n"]}, [weights, axes])
    with pytest.raises(ModelError, match="the network cannot be run"):
        session(graph)


def test_a_score_of_another_shape_is_refused():
    nodes = [helper.make_node("ReduceSum", ["window", "axes"], ["score"], keepdims=0)]
    axes = numpy_helper.from_array(np.array([2]), "axes")
    graph = graph_of(nodes, {"window": ["n", 2, 3]}, {"score": ["n", 2]}, [axes])
    with pytest.raises(ModelError, match=r"shape \(2, 2\) for two windows"):
        session(graph)


def test_inputs_and_outputs_have_the_names_of_the_contract():
    nodes = [helper.make_node("ReduceSum", ["x", "axes"], ["score"], keepdims=0)]
    with pytest.raises(ModelError, match=r"inputs are \['x'\]"):
        session(graph_of(nodes, {"x": ["n", 2, 3]}, {"score": ["n"]}, SUM[1]))
    nodes = [helper.make_node("ReduceSum", ["window", "axes"], ["y"], keepdims=0)]
    with pytest.raises(ModelError, match=r"outputs are \['y'\]"):
        session(graph_of(nodes, {"window": ["n", 2, 3]}, {"y": ["n"]}, SUM[1]))


@pytest.mark.parametrize("artefact", [b"", b"no network", interacting_network(2, SCALE)[:300]])
def test_bytes_that_are_no_network_are_refused(artefact):
    with pytest.raises(ModelError, match="the network cannot be read"):
        session(artefact)


def test_a_missing_artefact_is_named():
    manifest, files = tiny_model_files("lstm")
    with pytest.raises(ModelError, match=r"model lstm, file model\.onnx: the file is missing"):
        serve(manifest, {}, reference_of(files))
