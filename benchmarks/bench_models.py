"""Measures inference and explanation of trained models beside the floors of bare tools; prints JSON, microseconds each.

The models are of the size that is shipped, with random weights where time does not depend on them; LightGBM is grown on
invented rows. One thread. `explained` is what an explanation costs that a signal carries. Needs the training extra.
Usage: python benchmarks/bench_models.py
"""

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from importlib.metadata import version
from typing import Any

import lightgbm
import numpy as np
import onnxruntime
import torch

from titanflow.domain.models import (
    Calibration,
    FeatureCode,
    FeatureReference,
    LabelSpec,
    ModelFile,
    ModelManifest,
    ModelReference,
    Thresholds,
    TrainingWindow,
)
from titanflow.models.serving import serve
from titanflow.models.serving.lightgbm_native import NativeBooster
from titanflow.models.serving.onnx_session import OnnxSession
from titanflow.models.serving.scoring import as_window
from titanflow.models.serving.shapley import GroupedShapley
from titanflow.signal.features import FEATURE_MEANINGS
from titanflow.training.networks.export import onnx_bytes
from titanflow.training.networks.lstm_model import LSTMModel
from titanflow.training.networks.tft_model import TFTModel

NAMES = tuple(name for name in FEATURE_MEANINGS if name != "spread")
WIDTH = len(NAMES)
WINDOW = 30
SAMPLES = 16
BACKGROUND = 8
INSTRUMENT = "SPY.ARCX"
INSTRUMENTS = ("AAPL.XNYS", INSTRUMENT)
WARM_UP = 5
ROUNDS = 5
ROUND_SECONDS = 0.1
BUDGET_US = {"inference": 150, "explained": 500}
RANDOM = np.random.default_rng(7)

Call = Callable[[], object]


def manifest_of(kind: str, artefact: str, content: bytes, window: int) -> ModelManifest:
    """As much evidence as serving asks for."""
    return ModelManifest(
        name=kind,
        kind=kind,
        artefact=artefact,
        files=(ModelFile(name=artefact, sha256=sha256(content).hexdigest(), size=len(content)),),
        features=tuple(FeatureCode(name=name, fingerprint="") for name in NAMES),
        window=window,
        bar_seconds=60,
        label=LabelSpec(method="triple_barrier", horizon_bars=15, profit=2.0, stop=2.0, positives=0.5),
        training=TrainingWindow(source="benchmark", sha256="", first_at=0, last_at=1, instruments=INSTRUMENTS),
        calibration=Calibration(slope=1.0, intercept=0.0),
        thresholds=Thresholds(buy_above=0.6, sell_below=0.4),
        explanation_samples=SAMPLES,
        seed=7,
        versions={},
        metrics={},
        has_edge=False,
        trained_at=0,
        code_version="benchmark",
    )


def reference_of(window: int) -> ModelReference:
    """Independent standard features, and as many background windows as are registered."""
    features = tuple(
        FeatureReference(name=name, mean=0.0, deviation=1.0, edges=(0.0,), shares=(0.5, 0.5)) for name in NAMES
    )
    return ModelReference(
        features=features,
        precision=tuple(tuple(row) for row in np.eye(WIDTH).tolist()),
        distance_limit=6.0,
        background=tuple(windows(BACKGROUND, window)),
        base_value=0.0,
    )


def windows(count: int, bars: int) -> Iterator[tuple[tuple[float, ...], ...]]:
    """Windows of standard normal features, as the signal decider hands them over."""
    for drawn in RANDOM.standard_normal((count, bars, WIDTH)).tolist():
        yield tuple(tuple(row) for row in drawn)


def us_each(call: Call) -> float:
    """Microseconds of processor time, the best of several rounds: what it costs when the machine leaves it alone."""
    began = time.process_time()
    for _ in range(WARM_UP):
        call()
    calls = max(WARM_UP, int(ROUND_SECONDS * WARM_UP / (time.process_time() - began)))
    best = float("inf")
    for _ in range(ROUNDS):
        gc.collect()
        began = time.process_time()
        for _ in range(calls):
            call()
        best = min(best, time.process_time() - began)
    return round(best / calls * 1e6, 2)


def lightgbm_calls(leaves: int, trees: int) -> dict[str, Call]:
    """A LightGBM model: the Python package, the bare call into its library, and ours."""
    rows = RANDOM.standard_normal((5_000, WIDTH))
    labels = (rows[:, :4].sum(axis=1) + RANDOM.standard_normal(len(rows)) > 0).astype(int)
    parameters = {"objective": "binary", "num_leaves": leaves, "num_threads": 1, "verbose": -1, "min_data_in_leaf": 5}
    booster = lightgbm.train(parameters, lightgbm.Dataset(rows, labels), trees)
    text = booster.model_to_string().encode()
    model = serve(manifest_of("lightgbm", "model.txt", text, 1), {"model.txt": text}, reference_of(1))
    native = NativeBooster(text, NAMES)
    (window,) = windows(1, 1)
    row = np.array(window)
    predict, buffers = native._predict, native._buffers
    native.score(INSTRUMENT, window)
    return {
        "package_inference": lambda: booster.predict(row, raw_score=True, num_threads=1),
        "floor_inference": lambda: predict(native._raw, *buffers),
        "inference": lambda: model.infer(INSTRUMENT, window),
        "package_explained": lambda: booster.predict(row, pred_contrib=True, num_threads=1),
        "floor_explained": lambda: predict(native._contributions, *buffers),
        "explained": lambda: model.explain(INSTRUMENT, window, 1),
    }


def network_calls(kind: str, network: torch.nn.Module) -> dict[str, Call]:
    """A network: torch, a bare onnxruntime call on ready arrays, and ours.

    The floor of an explanation is one bare run of as many windows as its sampled coalitions are.
    """
    reads_instrument = kind == "tft"
    inputs = ("window", "instrument") if reads_instrument else ("window",)
    outputs = ("score", "selection", "attention") if reads_instrument else ("score",)
    example = (torch.zeros(2, WINDOW, WIDTH), torch.zeros(2, dtype=torch.int64))[: len(inputs)]
    artefact = onnx_bytes(network, example, inputs, outputs)
    model = serve(manifest_of(kind, "model.onnx", artefact, WINDOW), {"model.onnx": artefact}, reference_of(WINDOW))
    (window,) = windows(1, WINDOW)
    ask = bare_session(artefact)
    one = feed(as_window(window), reads_instrument)
    many = feed(np.array(list(windows(coalitions(artefact, window), WINDOW))), reads_instrument)
    tensors = tuple(torch.from_numpy(each) for each in one.values())

    def in_torch() -> object:
        with torch.inference_mode():
            return network(*tensors)

    return {
        "torch_inference": in_torch,
        "floor_inference": lambda: ask.run(("score",), one),
        "inference": lambda: model.infer(INSTRUMENT, window),
        "floor_explained": lambda: ask.run(("score",), many),
        "explained": lambda: model.explain(INSTRUMENT, window, 1),
    }


def coalitions(artefact: bytes, window: tuple[tuple[float, ...], ...]) -> int:
    """How many windows one explanation asks the network about in its batched call."""
    asked: list[int] = []

    class Counted(OnnxSession):
        def scores(self, instrument: str, windows: Any) -> Any:
            asked.append(len(windows))
            return super().scores(instrument, windows)

    counted = Counted(artefact, WINDOW, NAMES, INSTRUMENTS)
    background = np.array(reference_of(WINDOW).background)
    GroupedShapley(counted, NAMES, background, SAMPLES).explain(INSTRUMENT, window, 1)
    return asked[-1]


def feed(asked: Any, reads_instrument: bool) -> dict[str, Any]:
    """Ready arrays for onnxruntime."""
    ready: dict[str, Any] = {"window": asked.astype(np.float32)}
    if reads_instrument:
        ready["instrument"] = np.full(len(asked), 2, dtype=np.int64)
    return ready


def bare_session(artefact: bytes) -> onnxruntime.InferenceSession:
    """onnxruntime as it comes, but for its threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(artefact, options, providers=["CPUExecutionProvider"])


def models() -> dict[str, Callable[[], Mapping[str, Call]]]:
    """What is measured; the LSTM also with the 64 hidden units that its budget speaks of."""
    scale = torch.zeros(WIDTH), torch.ones(WIDTH)
    shape = {"features": NAMES, "instruments": 2, "window": WINDOW, "steps": 15, "bar_seconds": 60}
    return {
        "lightgbm_15_leaves_100_trees": lambda: lightgbm_calls(15, 100),
        "lightgbm_31_leaves_200_trees": lambda: lightgbm_calls(31, 200),
        "lstm_32": lambda: network_calls("lstm", LSTMModel(*scale, 32)),
        "lstm_64": lambda: network_calls("lstm", LSTMModel(*scale, 64)),
        "tft_12": lambda: network_calls("tft", TFTModel(*scale, **shape, width=12, heads=2)),  # type: ignore[arg-type]
    }


def figures(calls: Mapping[str, Call]) -> dict[str, float]:
    """Microseconds of each call, and ours as a multiple of the floor."""
    took = {name: us_each(call) for name, call in calls.items()}
    ratios = {f"{name}_of_floor": round(took[name] / took[f"floor_{name}"], 2) for name in ("inference", "explained")}
    return {**took, **ratios}


def main() -> None:
    """Measure everything and print one JSON document."""
    torch.set_num_threads(1)
    torch.manual_seed(7)
    document = {
        "benchmark": "models",
        "python": sys.version.split()[0],
        "libraries": {name: version(name) for name in ("lightgbm", "onnxruntime", "numpy", "torch")},
        "features": WIDTH,
        "window": WINDOW,
        "permutations": SAMPLES,
        "background_windows": BACKGROUND,
        "budget_us": BUDGET_US,
        "us_each": {name: figures(make()) for name, make in models().items()},
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
