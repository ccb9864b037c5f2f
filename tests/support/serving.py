"""Served models for tests, and small networks whose features interact, so that explaining them is no triviality."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from support.tiny_models import tiny_model_files
from titanflow.domain.models import REFERENCE_FILE, ModelManifest, ModelReference
from titanflow.models.serving import serve
from titanflow.models.serving.calibrated import ServedModel

SPY = "SPY.ARCX"


def reference_of(files: dict[str, bytes]) -> ModelReference:
    return msgspec.json.decode(files[REFERENCE_FILE], type=ModelReference)


def served(kind: str, members: Sequence[ServedModel] = (), **changes: Any) -> ServedModel:
    """A tiny model of this kind, loaded."""
    manifest, files = tiny_model_files(kind, members=[member.manifest for member in members], **changes)
    return serve(manifest, files, reference_of(files), members)


def served_network(graph: bytes, features: Sequence[str], window: int, samples: int = 16) -> ServedModel:
    """This network behind the evidence of a tiny LSTM."""
    manifest, files = tiny_model_files("lstm", features=features, window=window)
    changed: ModelManifest = msgspec.structs.replace(manifest, explanation_samples=samples)
    return serve(changed, {**files, manifest.artefact: graph}, reference_of(files))


def some_windows(model: ServedModel, count: int, seed: int = 3) -> NDArray[np.float64]:
    """Windows of rows as the model's training rows were."""
    features = model.reference.features
    drawn = np.random.default_rng(seed).standard_normal((count, model.manifest.window, len(features)))
    scaled: NDArray[np.float64] = drawn * [each.deviation for each in features] + [each.mean for each in features]
    return scaled


def as_rows(window: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    """A window as the signal decider hands it over."""
    return tuple(tuple(row) for row in window.tolist())


def interacting_network(bars: int, scales: Sequence[tuple[float, float]], seed: int = 11) -> bytes:
    """Two dense layers over the whole standardised window: every feature interacts with every other."""
    width, hidden = len(scales), 12
    random = np.random.default_rng(seed)
    constants = {
        "mean": np.array([mean for mean, _ in scales]),
        "deviation": np.array([deviation for _, deviation in scales]),
        "first": random.standard_normal((bars * width, hidden)) * 0.6,
        "second": random.standard_normal((hidden, 1)),
        "flat": np.array([-1, bars * width]),
        "last": np.array([-1]),
    }
    integers = {"flat", "last"}
    initialisers = [
        numpy_helper.from_array(value.astype(np.int64 if name in integers else np.float32), name)
        for name, value in constants.items()
    ]
    nodes = [
        helper.make_node("Sub", ["window", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "deviation"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "flat"], ["row"]),
        helper.make_node("MatMul", ["row", "first"], ["sums"]),
        helper.make_node("Tanh", ["sums"], ["active"]),
        helper.make_node("MatMul", ["active", "second"], ["column"]),
        helper.make_node("Reshape", ["column", "last"], ["score"]),
    ]
    return graph_of(nodes, {"window": ["batch", bars, width]}, {"score": ["batch"]}, initialisers)


def graph_of(
    nodes: Sequence[Any], inputs: dict[str, Any], outputs: dict[str, Any], initialisers: Sequence[Any] = ()
) -> bytes:
    """A network of float inputs and outputs of these shapes."""
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        initialisers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
